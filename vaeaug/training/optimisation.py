"""The moving parts of a training run: learning rate, time budget, weight average, snapshots."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vaeaug.training.adamw import AdamW

__all__ = ["Budget", "Deadline", "Snapshot", "WeightAverage", "copy_state", "one_cycle"]


def one_cycle(progress: float, warmup: float = 0.2, start: float = 0.04) -> float:
    """Return the share of the peak learning rate at a point of the run.

    Half a cosine up from ``start`` to 1 during the warm-up, half a cosine down to 0
    after it (Smith & Topin 2019, "Super-convergence", with cosines for straight lines).

    Parameters
    ----------
    progress : float
        Share of the run that is done, in ``[0, 1]``.
    warmup : float
        Share of the run that the rise takes, in ``[0, 1)``.
    start : float
        Share of the peak at the very beginning.

    Examples
    --------
    >>> [round(one_cycle(progress), 2) for progress in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return start + (1.0 - start) * 0.5 * (1.0 - math.cos(math.pi * progress / warmup))
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (progress - warmup) / (1.0 - warmup))))


class Budget:
    """Share of the run that is done, by steps and, where it is bounded, by time.

    Time counts only when it is the tighter of the two bounds: a run that would finish
    well within ``max_seconds`` takes exactly the steps that it takes without a bound. The
    first twentieth of the time is not looked at, because first steps are slow.

    Parameters
    ----------
    total_steps : int
    max_seconds : float or None
    clock : callable
        Returns seconds; it is read once here, to start the count.
    """

    GRACE = 0.05

    def __init__(self, total_steps: int, max_seconds: float | None, clock: Callable[[], float]) -> None:
        self.total_steps = total_steps
        self.max_seconds = max_seconds
        self.reserve = 0.0
        self._clock = clock
        self._start = clock()
        self._progress = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._start

    def go_on(self, elapsed: float, progress: float, reserve: float) -> None:
        """Count what a run had used up when it was broken off."""
        self._start = self._clock() - elapsed
        self._progress, self.reserve = progress, reserve

    @property
    def spent(self) -> bool:
        """Whether another step would break into the time that ``reserve`` holds back."""
        return self.max_seconds is not None and self.seconds + self.reserve >= self.max_seconds

    def progress(self, step: int) -> float:
        """Return the share done, in ``[0, 1]``; it never falls."""
        share = step / self.total_steps
        if self.max_seconds is not None:
            grace = self.GRACE * self.max_seconds
            usable = max(self.max_seconds - self.reserve - grace, 1e-9)
            share = max(share, (self.seconds - grace) / usable)
        self._progress = min(1.0, max(self._progress, share))
        return self._progress


class Deadline:
    """Divides the time of a whole fit between its stages.

    Parameters
    ----------
    max_seconds : float or None
        From now on; None for as long as it takes.
    clock : callable
        Returns seconds; it is read once here, to start the count.

    Examples
    --------
    >>> list(Deadline(None).turns(1.0)(3))
    [0, 1, 2]
    """

    def __init__(self, max_seconds: float | None, clock: Callable[[], float] = time.perf_counter) -> None:
        self.max_seconds = max_seconds
        self._clock = clock
        self._start = clock()

    def left(self, share: float = 1.0) -> float | None:
        """Return the seconds until a share of the time has passed, a little more than 0 at least; or None."""
        if self.max_seconds is None:
            return None
        return max(1e-6, share * self.max_seconds - (self._clock() - self._start))

    def turns(self, share: float = 1.0) -> Callable[[int], Iterator[int]]:
        """Return a ``range`` that ends early when the next round would not fit into a share of the time."""

        def rounds(wanted: int) -> Iterator[int]:
            longest = 0.0
            for turn in range(wanted):
                left, began = self.left(share), self._clock()
                if left is not None and left < max(longest, 1e-5):
                    return
                yield turn
                longest = max(longest, self._clock() - began)

        return rounds

    def count_affordable(self, work: Callable[[int], object], least: int, most: int) -> int:
        """Return of how many items, within least and most, the work can be done in the time that is left.

        Parameters
        ----------
        work : callable
            Does the work for so many items; it is tried on the least.
        """
        if self.max_seconds is None or most <= least:
            return most
        began = self._clock()
        work(least)
        pace = max(self._clock() - began, 1e-9) / least
        return int(min(most, max(least, (self.left() or 0.0) / pace)))


class WeightAverage:
    """Exponential moving average of parameters, which samples better than the last step.

    After update t (from 0) the average moves by ``1 − min(decay, (1 + t) / (10 + t))``,
    so that the start is forgotten quickly in a short run.

    Parameters
    ----------
    parameters : iterable of Parameter
    decay : float
        In ``[0, 1)``; 0 follows the parameters exactly.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self.parameters = [p.detach() for p in parameters]
        self.values = [p.clone() for p in self.parameters]
        self.decay = decay
        self._updates = 0

    def update(self) -> None:
        """Move the average towards the parameters."""
        decay = min(self.decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        if self.values:
            torch._foreach_lerp_(self.values, self.parameters, 1.0 - decay)

    def store(self) -> None:
        """Write the average into the parameters."""
        _copy(self.parameters, self.values)

    @contextmanager
    def swap_in(self) -> Iterator[None]:
        """Let the parameters hold the average inside the block."""
        backup = [p.clone() for p in self.parameters]
        self.store()
        try:
            yield
        finally:
            _copy(self.parameters, backup)

    def state(self) -> tuple[list[Tensor], int]:
        """Return a copy of the average and its age."""
        return [value.clone() for value in self.values], self._updates

    def load_state(self, state: tuple[Sequence[Tensor], int]) -> None:
        """Take back what :meth:`state` returned."""
        _copy(self.values, state[0])
        self._updates = state[1]


def _copy(targets: list[Tensor], sources: Sequence[Tensor]) -> None:
    if targets:
        torch._foreach_copy_(targets, list(sources))


class Snapshot:
    """A copy of everything that a bad step can spoil, to return to.

    Parameters
    ----------
    module : Module
    average : WeightAverage
    optimizers : sequence of AdamW
    """

    def __init__(self, module: nn.Module, average: WeightAverage, optimizers: Iterable[AdamW]) -> None:
        self._module = module
        self._average = average
        self._optimizers = list(optimizers)
        self.save()

    def save(self) -> None:
        """Copy the present state."""
        self._weights = copy_state(self._module)
        self._averaged = self._average.state()
        self._moments = [
            {name: value.clone() for name, value in optimizer.state().items()}
            for optimizer in self._optimizers
        ]

    def restore(self) -> None:
        """Return to the state last saved."""
        self._module.load_state_dict(self._weights)
        self._average.load_state(self._averaged)
        for optimizer, state in zip(self._optimizers, self._moments, strict=True):
            optimizer.load_state(state)


def copy_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a module's weights and buffers."""
    return {key: value.detach().clone() for key, value in module.state_dict().items()}
