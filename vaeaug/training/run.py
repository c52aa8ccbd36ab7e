"""One training run: its steps, its failures, its validations, and its state on disk."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vaeaug.errors import TrainingDivergedError
from vaeaug.training.adamw import AdamW
from vaeaug.training.callbacks import Callback, EpochState
from vaeaug.training.distributed import SharedClock, Team
from vaeaug.training.optimisation import Budget, Snapshot, WeightAverage, copy_state, one_cycle
from vaeaug.training.options import Options, TrainingResult
from vaeaug.training.rows import Batch, HeldRows, Rows
from vaeaug.training.runtime import Runtime
from vaeaug.training.threads import ThreadChoice, compute_alike
from vaeaug.utils.random import isolate_torch, restore_torch, torch_state

__all__ = ["Conditions", "Keeper", "Run"]

_VALIDATION_STREAM, _TRIAL_STREAM = 1, 2
_MAX_FAILURES = 3
_SNAPSHOT_STEPS = 100
_STEPS_BETWEEN_LOOKS = 50  # on an accelerator, where looking at a value means waiting for it
_VALIDATION_BATCHES = 4  # without gradients a batch may be this much larger


class Keeper(Protocol):
    """Where the state of a run is kept, so that it can go on after its process was killed."""

    def load(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Return what was saved last, or None."""
        ...

    def save(self, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Keep a JSON-able description and arrays instead of what was saved before."""
        ...


@dataclass(frozen=True)
class Conditions:
    """What a run goes under, beside its rows and options.

    Parameters
    ----------
    seed : int
        Decides order and noise; the same seed gives the same bytes on a CPU.
    runtime : Runtime
        By default the best device there is.
    callbacks : sequence of Callback
    team : Team
        Processes that train together, by default this one alone. Each takes its share of every batch, and
        gradients are those of the whole batch, so that all end with the same weights.
    keeper : Keeper, optional
        Is given the state after every epoch; a run goes on from what it has.
    clock : callable
        Returns seconds.
    """

    seed: int = 0
    runtime: Runtime = field(default_factory=Runtime)
    callbacks: Sequence[Callback] = ()
    team: Team = field(default_factory=Team)
    keeper: Keeper | None = None
    clock: Callable[[], float] = time.perf_counter


class Run:
    """The state of one call of :func:`vaeaug.training.loop.train`.

    Parameters
    ----------
    objective : Module
    rows : Rows
    held_out : HeldRows or None
    options : Options
    conditions : Conditions
    """

    def __init__(
        self,
        objective: nn.Module,
        rows: Rows,
        held_out: HeldRows | None,
        options: Options,
        conditions: Conditions,
    ) -> None:
        self.objective, self.rows, self.held_out, self.options = objective, rows, held_out, options
        self.seed, self.runtime, self.callbacks = conditions.seed, conditions.runtime, conditions.callbacks
        self.team, self.keeper = conditions.team, conditions.keeper
        self.clock = SharedClock(self.team, conditions.clock)
        steps = options.max_iter * rows.batch_count(options.batch_size)
        steps = min(steps, options.max_steps or steps)
        self.budget = Budget(steps, options.max_seconds, self.clock)
        self.result = TrainingResult()
        self.trained = trained = [p for p in objective.parameters() if p.requires_grad]
        critics = list(getattr(objective, "critic_parameters", list)())
        theirs = {id(p) for p in critics}
        self.optimizers = {
            name: AdamW(group, options.betas, options.weight_decay)
            for name, group in (("critic", critics), ("main", [p for p in trained if id(p) not in theirs]))
            if group
        }
        self.average = WeightAverage(trained, options.ema_decay)
        self.snapshot = Snapshot(objective, self.average, self.optimizers.values())
        self.threads = ThreadChoice(1)
        self.alike: dict[int, bool] = {}  # by the size of a batch
        self.guarded = bool(critics) and hasattr(objective, "is_spoilt")
        self.bad = torch.zeros((), dtype=torch.bool, device=self.runtime.device)
        self.step, self.saved_step, self.failures, self.patience = 0, 0, 0, 0
        self.best_loss = math.inf
        self.best_state: dict[str, Tensor] | None = None

    def epochs(self) -> None:
        """Train until there is a reason to stop; the result names it."""
        if self._restore():
            return
        options = self.options
        if self._may_choose_threads:
            self.threads = ThreadChoice(torch.get_num_threads())
        for callback in self.callbacks:
            callback.on_begin(options.max_iter)
        for epoch in range(self.result.n_iter + 1, options.max_iter + 1):
            means, in_time = self._epoch(epoch)
            if not in_time:
                self.result.share = self.step / self.budget.total_steps
            if not means:
                self.result.stop_reason = "max_seconds"
                return
            last = epoch == options.max_iter or not in_time
            due = last or epoch % options.validate_every == 0
            held_out = self._validate(epoch) if due and self.held_out else {}
            wanted = self._record(epoch, means, held_out)
            if not in_time:
                self.result.stop_reason = "max_seconds"
            elif wanted:
                self.result.stop_reason = "callback"
            elif options.early_stopping and self.patience >= options.n_iter_no_change:
                self.result.stop_reason = "early_stopping"
            ended = self.result.stop_reason != "max_iter"
            self._keep(ended or last)
            if ended:
                return

    def finish(self) -> None:
        """Leave the best or the last average in the objective, ready to be used."""
        if self.best_state is not None and self.options.early_stopping:
            self.objective.load_state_dict(self.best_state)
        else:
            self.average.store()
        self.objective.zero_grad(set_to_none=True)
        self.objective.eval()

    def _epoch(self, epoch: int) -> tuple[dict[str, float], bool]:
        """Pass over the rows once; return the mean losses, and whether there was time for all."""
        means, in_time = _Means(), True
        self.objective.train()
        self.clock.listen()
        began, first = self.budget.seconds, self.step
        size, team = self.options.batch_size, self.team
        for batch in self.rows.epoch(epoch, self.seed, size, team.rank, team.size):
            if self.step >= self.budget.total_steps:
                break
            if self.step and self.budget.spent:
                in_time = False
                break
            self._look_at_threads(batch)
            self.threads.begin()
            means.add(self._improve(batch), batch.weights)
            self.threads.end()
            self.step += 1
            if self.runtime.is_cpu or self.step % _STEPS_BETWEEN_LOOKS == 0:
                self._look_for_failures()
                for callback in self.callbacks:
                    callback.on_step(self.budget.seconds, self.budget.progress(self.step))
            if self.held_out and not self.result.n_iter:
                # Until a validation was timed, hold back what half the same rows take in training.
                pace = (self.budget.seconds - began) / (self.step - first)
                self.budget.reserve = 0.5 * pace * self.held_out.n / size
        self._look_for_failures()
        return means.values(team), in_time

    @property
    def _may_choose_threads(self) -> bool:
        runtime = self.runtime
        return (
            self.options.free_threads and runtime.is_cpu and runtime.threads is None and self.team.size == 1
        )

    def _look_at_threads(self, batch: Batch) -> None:
        """Let the number of threads be chosen as long as gradients are the same with one and with two."""
        size = len(batch.weights)
        if self.threads.present < 2 or size in self.alike:
            return

        def find_gradients() -> list[Tensor]:
            with isolate_torch(self.seed, _TRIAL_STREAM):
                loss = (self.objective(batch.tensors, 0.5)["loss"] * batch.weights).mean()
            return [g for g in torch.autograd.grad(loss, self.trained, allow_unused=True) if g is not None]

        self.alike[size] = compute_alike(find_gradients)
        if self.alike[size]:
            torch.set_num_threads(2)
        else:
            self.threads = ThreadChoice(1)

    def _improve(self, batch: Batch) -> Mapping[str, Tensor]:
        """Make one step with each optimizer; return the pieces of the loss."""
        progress = self.budget.progress(self.step)
        rate = self.options.learning_rate * 0.5**self.failures * one_cycle(progress, self.options.warmup)
        if "critic" in self.optimizers:
            losses = self.objective.critic_loss(batch.tensors)  # type: ignore[operator]
            self._descend("critic", losses, batch, rate)
        pieces = self.objective(batch.tensors, progress)
        self._descend("main", pieces["loss"], batch, rate)
        self.average.update()
        if self.guarded:
            self._share_buffers()
        return pieces

    def _descend(self, name: str, losses: Tensor, batch: Batch, rate: float) -> None:
        """Step down the gradient of the weighted mean, and note on the device if it is not finite."""
        optimizer = self.optimizers[name]
        optimizer.zero_grad()
        weighted = losses * batch.weights
        # In a team the mean is over the rows of all processes, whose gradients are added up.
        loss = weighted.mean() if self.team.size == 1 else weighted.sum() / batch.total
        loss.backward()
        loss = loss.detach()
        if self.team.size > 1:
            loss = self._add_up(optimizer.parameters, loss)
        norm = optimizer.step(rate, self.options.clip_norm)
        self.bad |= ~(loss + norm).isfinite()

    def _add_up(self, parameters: list[nn.Parameter], loss: Tensor) -> Tensor:
        """Add up gradients over all processes, and hear the time; return the loss of all rows."""
        gradients = []
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        loss, time = loss.reshape(1), torch.full((1,), self.clock.own(), device=loss.device)
        self.team.add([*gradients, loss, time])
        self.clock.heard = float(time)
        return loss[0]

    def _share_buffers(self) -> None:
        """Let what critics remember of the batches be the mean over all processes."""
        if self.team.size > 1:
            trained = {id(p) for p in self.objective.parameters()}
            state = self.objective.state_dict(keep_vars=True).values()
            kept = [value for value in state if id(value) not in trained and value.is_floating_point()]
            self.team.add(kept)
            for value in kept:
                value.div_(self.team.size)

    def _look_for_failures(self) -> None:
        """Go back to the last good state if a step since then was not finite; else renew that state."""
        if self.guarded and self.team.any(self.objective.is_spoilt()):  # type: ignore[operator]
            self.bad.zero_()
            self.snapshot.restore()
            self.objective.concede()  # type: ignore[operator]
            return
        if not bool(self.bad):
            if self.step - self.saved_step >= _SNAPSHOT_STEPS:
                self.snapshot.save()
                self.saved_step = self.step
            return
        self.failures += 1
        self.bad.zero_()
        self.snapshot.restore()
        if self.failures >= _MAX_FAILURES:
            raise TrainingDivergedError(
                f"Training gave a non-finite loss or gradient for the {self.failures}rd time, in step "
                f"{self.step}, although the learning rate was halved each time from "
                f"{self.options.learning_rate:g}; the last good weights are kept. Look for extreme "
                "values in the data, or lower the learning rate."
            )

    def _validate(self, epoch: int) -> dict[str, float]:
        """Return the mean losses of the held-out rows under the average, and keep it if it is the best."""
        if self.held_out is None:
            return {}
        self.clock.listen()
        began = self.budget.seconds
        means = _Means()
        self.objective.eval()
        with (
            self.threads.pause(),
            torch.no_grad(),
            self.average.swap_in(),
            isolate_torch(self.seed, _VALIDATION_STREAM),
        ):
            for batch in self.held_out.in_order(_VALIDATION_BATCHES * self.options.batch_size):
                means.add(self.objective(batch.tensors, 1.0), batch.weights)
            # Every process validates the same rows; one of them decides.
            values = self.team.first(means.values(Team()))
            self.patience = 0 if values["loss"] < self.best_loss - self.options.tol else self.patience + 1
            if values["loss"] < self.best_loss:
                self.best_loss, self.best_state = values["loss"], copy_state(self.objective)
                self.result.best_epoch = epoch
        self.clock.listen()
        self.budget.reserve = self.budget.seconds - began
        return values

    def _record(self, epoch: int, means: dict[str, float], held_out: dict[str, float]) -> bool:
        """Write a row of the history, show it to the callbacks; return whether one wants to stop."""
        row = {"epoch": epoch, "seconds": self.budget.seconds}
        row |= {f"train_{name}": value for name, value in means.items()}
        row |= {f"valid_{name}": value for name, value in held_out.items()}
        history = self.result.history
        for name in [*history, *(name for name in row if name not in history)]:
            history.setdefault(name, [math.nan] * self.result.n_iter).append(row.get(name, math.nan))
        self.result.n_iter = epoch
        state = EpochState(epoch, self.options.max_iter, self.budget.progress(self.step), row)
        wishes = [callback.on_epoch_end(state) for callback in self.callbacks]
        return self.team.any(any(wishes))

    def _keep(self, ended: bool) -> None:
        """Hand the state after an epoch to the keeper."""
        if self.keeper is None:
            return
        # After a failure a run that was broken off must go back to where an unbroken one goes back to.
        self.snapshot.save()
        self.saved_step = self.step
        streams = self.team.every(torch_state())
        meta = {
            "ended": ended,
            "processes": self.team.size,
            "step": self.step,
            "failures": self.failures,
            "patience": self.patience,
            "best_loss": self.best_loss,
            "elapsed": self.budget.seconds,
            "progress": self.budget.progress(self.step),
            "reserve": self.budget.reserve,
            "updates": self.average.state()[1],
            "result": vars(self.result),
        }
        if self.team.is_first:
            groups: dict[str, Mapping[Any, Tensor]] = {
                "weights": copy_state(self.objective),
                "average": dict(enumerate(self.average.values)),
                "best": self.best_state or {},
                **{f"moments.{name}": optimizer.state() for name, optimizer in self.optimizers.items()},
            }
            arrays = {
                f"{group}/{name}": value.detach().cpu().numpy()
                for group, part in groups.items()
                for name, value in part.items()
            }
            arrays |= {f"stream.{i}/{name}": a for i, part in enumerate(streams) for name, a in part.items()}
            self.keeper.save(meta, arrays)

    def _restore(self) -> bool:
        """Take up the state that the keeper has, if any; return whether the run had ended already."""
        found = self.team.first(self.keeper.load() if self.keeper and self.team.is_first else None)
        if found is None:
            return False
        meta, arrays = found

        def part(group: str) -> dict[str, Tensor]:
            start = f"{group}/"
            return {
                name.removeprefix(start): torch.from_numpy(array).to(self.runtime.device)
                for name, array in arrays.items()
                if name.startswith(start)
            }

        self.objective.load_state_dict(part("weights"))
        average = part("average")
        self.average.load_state(([average[str(i)] for i in range(len(average))], int(meta["updates"])))
        self.best_state = part("best") or None
        for name, optimizer in self.optimizers.items():
            optimizer.load_state(part(f"moments.{name}"))
        self.step, self.failures, self.patience = meta["step"], meta["failures"], meta["patience"]
        self.best_loss = meta["best_loss"]
        self.result = TrainingResult(**meta["result"])
        self.budget.go_on(meta["elapsed"], meta["progress"], meta["reserve"])
        self.snapshot.save()
        self.saved_step = self.step
        if meta["processes"] == self.team.size:
            start = f"stream.{self.team.rank}/"
            own = {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
            restore_torch(own)
        return bool(meta["ended"])


class _Means:
    """Weighted means of the pieces of a loss, added up on the device."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._sums: Tensor | None = None

    def add(self, pieces: Mapping[str, Tensor], weights: Tensor) -> None:
        """Add one batch of pieces, each ``(B,)``."""
        with torch.no_grad():
            table = torch.stack([*pieces.values(), torch.ones_like(weights)], dim=1)
            sums = weights.to(table.dtype) @ table
        self._names = list(pieces)
        self._sums = sums if self._sums is None else self._sums + sums

    def values(self, team: Team) -> dict[str, float]:
        """Return the mean of each piece over all processes; empty if no batch was added."""
        if self._sums is None:
            return {}
        team.add([self._sums])
        *sums, mass = self._sums.tolist()
        return {name: total / mass for name, total in zip(self._names, sums, strict=True)}
