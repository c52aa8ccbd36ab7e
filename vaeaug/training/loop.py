"""A training loop that could train anything that returns its loss in pieces."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vaeaug.errors import InputError, TrainingDivergedError, VaeaugWarning
from vaeaug.randomness import isolated_torch, torch_generator
from vaeaug.training.callbacks import Callback, EpochState
from vaeaug.training.optimisation import Budget, Snapshot, WeightAverage, adamw, copy_state, one_cycle
from vaeaug.training.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable as Function
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Options", "TrainingResult", "train"]

_TRAINING_STREAM, _VALIDATION_STREAM, _ORDER_STREAM = 0, 1, 2
_MAX_FAILURES = 3
_SNAPSHOT_STEPS = 100
_STEPS_BETWEEN_LOOKS = 50  # on an accelerator, where looking at a value means waiting for it
_VALIDATION_BATCHES = 4  # without gradients a batch may be this much larger


@dataclass(frozen=True)
class Options:
    """How to train; the keyword arguments of :func:`train`.

    Parameters
    ----------
    max_iter : int
        Number of epochs.
    batch_size : int
        Most rows of a batch; an epoch is cut into batches of equal size, give or take a row.
    learning_rate : float
        Peak of the one cycle that the learning rate describes.
    betas, weight_decay
        AdamW's.
    warmup : float in [0, 1)
        Share of the run in which the learning rate rises.
    ema_decay : float in [0, 1)
        Of the moving average of the weights; validation and the result use the average.
    clip_norm : float or None
        Longest gradient.
    early_stopping, n_iter_no_change, tol
        Stop when the validation loss has not fallen by more than ``tol`` in
        ``n_iter_no_change`` validations, and keep the weights of the lowest one.
    max_seconds : float or None
        Bound on the whole call, validation included; the learning rate comes down in
        time. At least one step is made.
    validate_every : int
        Epochs between validations; the last epoch is always validated.
    """

    max_iter: int = 50
    batch_size: int = 1024
    learning_rate: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    warmup: float = 0.2
    ema_decay: float = 0.999
    clip_norm: float | None = 1.0
    early_stopping: bool = True
    n_iter_no_change: int = 10
    tol: float = 1e-4
    max_seconds: float | None = None
    validate_every: int = 1


@dataclass
class TrainingResult:
    """What a run left behind, besides the weights.

    Parameters
    ----------
    history : dict of str to list of float
        One entry per epoch under ``epoch`` (from 1), ``seconds`` (since the start),
        ``train_<piece>`` and, with validation data, ``valid_<piece>`` (NaN in epochs that
        were not validated) for each piece of the loss. The last epoch may be a part of one.
    n_iter : int
        Number of epochs in the history.
    stop_reason : {"max_iter", "early_stopping", "max_seconds", "interrupted", "callback"}
    best_epoch : int or None
        Epoch of the lowest validation loss; None without validation.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    n_iter: int = 0
    stop_reason: str = "max_iter"
    best_epoch: int | None = None


def train(
    objective: nn.Module,
    data: Sequence[Tensor],
    *,
    validation: Sequence[Tensor] | None = None,
    weights: Tensor | None = None,
    validation_weights: Tensor | None = None,
    seed: int = 0,
    runtime: Runtime | None = None,
    callbacks: Sequence[Callback] = (),
    clock: Function[[], float] = time.perf_counter,
    **options: Any,
) -> TrainingResult:
    """Minimise an objective over rows held on the device, and leave good weights in it.

    The objective is called as ``objective(batch, progress)`` with a tuple of tensors of B
    rows and the share of the run that is done (1 in validation). It returns a dict of
    tensors ``(B,)``: ``"loss"`` is minimised, the others are recorded. It may draw from
    torch's global random stream, which is seeded for the run and given back after it.

    An objective with critics that train against it has ``critic_parameters()``, the
    parameters that are theirs, and ``critic_loss(batch)``, shape ``(B,)``. Each step then
    improves the critics first and the rest next. When its ``spoilt()`` is true, because a critic
    has done more harm than good, the run goes back to the last good state, calls its
    ``concede()`` and continues.

    Parameters
    ----------
    objective : Module
        Moved to the device; in evaluation mode afterwards.
    data : sequence of Tensor, each (n, ...)
    validation : sequence of Tensor, each (m, ...), optional
        Rows held out; the same random numbers are drawn for them after each epoch.
    weights, validation_weights : Tensor (n,) and (m,), optional
        Importance of the rows, 0 or more; only ratios count.
    seed : int
        Decides order and noise; the same seed gives the same bytes on a CPU.
    runtime : Runtime, optional
        By default the best device there is.
    callbacks : sequence of Callback
    clock : callable
        Returns seconds.
    **options
        Of :class:`Options`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    InputError
        If there are no rows, or weights that cannot be used.
    TrainingDivergedError
        If losses or gradients are non-finite again after going back and halving the
        learning rate; the objective then holds the last good weights.

    Warns
    -----
    VaeaugWarning
        If a keyboard interrupt stopped the run; the objective holds the weights so far.
    """
    runtime = runtime or Runtime()
    objective.to(runtime.device)
    plan = Options(**options)
    rows = _Rows(data, weights, runtime.device)
    budget = Budget(plan.max_iter * rows.batch_count(plan.batch_size), plan.max_seconds, clock)
    held_out = None
    if validation is not None and len(validation[0]):
        held_out = _Rows(validation, validation_weights, runtime.device)
    run = _Run(objective, rows, held_out, plan, seed, runtime, budget, callbacks)
    work = sum(p.numel() for p in objective.parameters()) * min(rows.n, plan.batch_size)
    with runtime.session(work), isolated_torch(seed, _TRAINING_STREAM, device=runtime.device):
        try:
            run.epochs()
        except KeyboardInterrupt:
            run.result.stop_reason = "interrupted"
            warnings.warn(
                f"Training was interrupted after {run.result.n_iter} of {run.options.max_iter} epochs; "
                "the weights reached so far are kept.",
                VaeaugWarning,
                stacklevel=2,
            )
        finally:
            run.finish()
    return run.result


class _Rows:
    """Tensors of n rows on the device, with weights whose mean is one."""

    def __init__(self, tensors: Sequence[Tensor], weights: Tensor | None, device: torch.device) -> None:
        self.tensors = tuple(tensor.to(device) for tensor in tensors)
        lengths = [len(tensor) for tensor in self.tensors]
        if not lengths or not lengths[0] or len(set(lengths)) > 1:
            raise InputError(f"train: data must be tensors of one length, at least 1, got lengths {lengths}.")
        self.n = lengths[0]
        self.weights = torch.ones(self.n, device=device)
        if weights is not None:
            total = float(weights.sum())
            if len(weights) != self.n or float(weights.min()) < 0 or not 0 < total < math.inf:
                raise InputError(
                    f"train: weights must be {self.n} numbers of 0 or more with a positive, finite sum, "
                    f"got {len(weights)} with sum {total}."
                )
            self.weights = (weights.double() * (self.n / total)).float().to(device)

    def batch_count(self, size: int) -> int:
        """Return the least number of batches that are no larger than ``size``."""
        return math.ceil(self.n / size)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        """Yield rows and their weights, in batches of equal size up to one row."""
        for index in order.to(self.weights.device).tensor_split(self.batch_count(size)):
            yield tuple(tensor.index_select(0, index) for tensor in self.tensors), self.weights[index]


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

    def values(self) -> dict[str, float]:
        """Return the mean of each piece; empty if no batch was added."""
        if self._sums is None:
            return {}
        *sums, mass = self._sums.tolist()
        return {name: total / mass for name, total in zip(self._names, sums, strict=True)}


class _Run:
    """The state of one call of :func:`train`."""

    def __init__(
        self,
        objective: nn.Module,
        rows: _Rows,
        held_out: _Rows | None,
        options: Options,
        seed: int,
        runtime: Runtime,
        budget: Budget,
        callbacks: Sequence[Callback],
    ) -> None:
        self.objective, self.rows, self.held_out, self.options = objective, rows, held_out, options
        self.seed, self.runtime, self.budget, self.callbacks = seed, runtime, budget, callbacks
        self.result = TrainingResult()
        trained = [p for p in objective.parameters() if p.requires_grad]
        critics = list(getattr(objective, "critic_parameters", list)())
        theirs = {id(p) for p in critics}
        self.optimizers = {
            name: adamw(group, options.learning_rate, options.betas, options.weight_decay)
            for name, group in (("critic", critics), ("main", [p for p in trained if id(p) not in theirs]))
            if group
        }
        self.average = WeightAverage(trained, options.ema_decay)
        self.snapshot = Snapshot(objective, self.average, self.optimizers.values())
        self.guarded = bool(critics) and hasattr(objective, "spoilt")
        self.bad = torch.zeros((), dtype=torch.bool, device=runtime.device)
        self.step, self.saved_step, self.failures, self.patience = 0, 0, 0, 0
        self.best_loss = math.inf
        self.best_state: dict[str, Tensor] | None = None

    def epochs(self) -> None:
        """Train until there is a reason to stop; the result names it."""
        options = self.options
        for epoch in range(1, options.max_iter + 1):
            means, in_time = self._epoch(epoch)
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
            if self.result.stop_reason != "max_iter":
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
        order = torch.randperm(self.rows.n, generator=torch_generator(self.seed, _ORDER_STREAM, epoch))
        began, first = self.budget.elapsed, self.step
        for batch, weights in self.rows.batches(order, self.options.batch_size):
            if self.step and self.budget.spent:
                in_time = False
                break
            means.add(self._improve(batch, weights), weights)
            self.step += 1
            if self.runtime.is_cpu or self.step % _STEPS_BETWEEN_LOOKS == 0:
                self._look_for_failures()
            if self.held_out and not self.result.n_iter:
                # Until a validation was timed, hold back what half the same rows take in training.
                pace = (self.budget.elapsed - began) / (self.step - first)
                self.budget.reserve = 0.5 * pace * self.held_out.n / self.options.batch_size
        self._look_for_failures()
        return means.values(), in_time

    def _improve(self, batch: tuple[Tensor, ...], weights: Tensor) -> Mapping[str, Tensor]:
        """Make one step with each optimizer; return the pieces of the loss."""
        progress = self.budget.progress(self.step)
        rate = self.options.learning_rate * 0.5**self.failures * one_cycle(progress, self.options.warmup)
        if "critic" in self.optimizers:
            self._descend("critic", self.objective.critic_loss(batch), weights, rate)  # type: ignore[operator]
        pieces = self.objective(batch, progress)
        self._descend("main", pieces["loss"], weights, rate)
        self.average.update()
        return pieces

    def _descend(self, name: str, losses: Tensor, weights: Tensor, rate: float) -> None:
        """Step down the gradient of the weighted mean, and note on the device if it is not finite."""
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss = (losses * weights).mean()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = rate
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, self.options.clip_norm or math.inf)
        self.bad |= ~(loss.detach() + norm).isfinite()
        optimizer.step()

    def _look_for_failures(self) -> None:
        """Go back to the last good state if a step since then was not finite; else renew that state."""
        if self.guarded and self.objective.spoilt():  # type: ignore[operator]
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
        began = self.budget.elapsed
        means = _Means()
        size = _VALIDATION_BATCHES * self.options.batch_size
        self.objective.eval()
        with (
            torch.no_grad(),
            self.average.stored(),
            isolated_torch(self.seed, _VALIDATION_STREAM, device=self.runtime.device),
        ):
            for batch, weights in self.held_out.batches(torch.arange(self.held_out.n), size):
                means.add(self.objective(batch, 1.0), weights)
            values = means.values()
            self.patience = 0 if values["loss"] < self.best_loss - self.options.tol else self.patience + 1
            if values["loss"] < self.best_loss:
                self.best_loss, self.best_state = values["loss"], copy_state(self.objective)
                self.result.best_epoch = epoch
        self.budget.reserve = self.budget.elapsed - began
        return values

    def _record(self, epoch: int, means: dict[str, float], held_out: dict[str, float]) -> bool:
        """Write a row of the history, show it to the callbacks; return whether one wants to stop."""
        row = {"epoch": epoch, "seconds": self.budget.elapsed}
        row |= {f"train_{name}": value for name, value in means.items()}
        row |= {f"valid_{name}": value for name, value in held_out.items()}
        history = self.result.history
        for name in [*history, *(name for name in row if name not in history)]:
            history.setdefault(name, [math.nan] * self.result.n_iter).append(row.get(name, math.nan))
        self.result.n_iter = epoch
        state = EpochState(epoch, self.options.max_iter, self.budget.progress(self.step), row)
        wishes = [callback.on_epoch_end(state) for callback in self.callbacks]
        return any(wishes)
