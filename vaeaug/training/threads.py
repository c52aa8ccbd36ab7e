"""How many threads a run takes: found by trying, and looked at again now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ThreadChoice", "compute_alike"]

#: Steps before the first look: the very first ones are slow in any case.
_SETTLING = 3
#: Steps of a trial, and after how many times the usual duration of a step it is given up.
_TRIAL, _PATIENCE = 4, 1.5
#: Steps until the next look, at first; twice as many after each look that changed nothing.
_FIRST_PAUSE, _LONGEST_PAUSE = 25, 800
#: A step so many times longer than those of the last trial brings the next look forward.
_SLOWER = 2.0
#: Share of a core that one thread must have had for a trial of two: beside busy processes even one step of
#: two threads may take seconds.
_FREE = 0.85


def compute_alike(work: Callable[[], Sequence[Tensor]]) -> bool:
    """Tell whether work has the same bytes with one thread and with two; it is done with one last.

    Most operations of torch share out whole rows and columns; some products and sums of few columns are
    cut in the middle, and then their last digits depend on the number of threads.
    """
    torch.set_num_threads(2)
    shared = [value.clone() for value in work()]
    torch.set_num_threads(1)
    return all(torch.equal(a, b) for a, b in zip(shared, work(), strict=True))


class ThreadChoice:
    """Take one thread or two for the steps of a run, whichever is faster at present.

    Two threads that wait for each other at every operation are some 1.4 times as fast as one where each has
    a core, and many times as slow where another process takes a core now and then.

    Parameters
    ----------
    most : int
        Threads that may be used; with fewer than two there is nothing to choose.
    clock : callable
        Returns seconds.
    use : callable
        Is told how many threads to use from now on.
    worked : callable
        Returns the seconds in which the calling thread had a core.

    Attributes
    ----------
    threads : int
        The choice.
    present : int
        Threads in use: those of the choice, or of a trial.

    Examples
    --------
    >>> choice = ThreadChoice(1)
    >>> choice.begin()
    >>> choice.end()
    >>> choice.threads
    1
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.perf_counter,
        use: Callable[[int], object] = torch.set_num_threads,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        # Where two are slow they are very slow: a step tells, and not many have to be waited for.
        self.threads = self.present = 1
        self._may_choose = most >= 2
        self._clock, self._tell, self._worked = clock, use, worked
        self._began = self._had = 0.0
        self._shares: list[float] = []
        self._usual: float | None = None
        self._recent: list[float] = []
        self._trial: list[float] | None = None
        self._left, self._pause = _SETTLING + _TRIAL, _FIRST_PAUSE
        if self._may_choose:
            self._use(self.threads)

    def _use(self, threads: int) -> None:
        self.present = threads
        self._tell(threads)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Take one thread inside the block."""
        present = self.present
        if present > 1:
            self._use(1)
        try:
            yield
        finally:
            if present > 1:
                self._use(present)

    def begin(self) -> None:
        """Start the clock of a step."""
        if self._may_choose:
            self._began, self._had = self._clock(), self._worked()

    def end(self) -> None:
        """Stop the clock of a step, and change the number of threads if it is time to."""
        if not self._may_choose:
            return
        took = self._clock() - self._began
        share = (self._worked() - self._had) / max(took, 1e-9)
        self._shares = [*self._shares[1 - _TRIAL :], share]
        if self._trial is None:
            self._watch(took)
        else:
            self._try(self._trial, took)

    def _watch(self, took: float) -> None:
        """Look at a step with the threads that were chosen."""
        self._recent = [*self._recent[1 - _TRIAL :], took]
        self._left -= 1
        slower = self._usual is not None and min(self._recent) > _SLOWER * self._usual
        due = self._left <= 0 or (slower and len(self._recent) == _TRIAL)
        if due and (self.threads == 2 or sum(self._shares) >= _FREE * len(self._shares)):
            self._trial = []
            self._use(3 - self.threads)

    def _try(self, trial: list[float], took: float) -> None:
        """Look at a step with the other number of threads."""
        trial.append(took)
        usual = sum(self._recent) / len(self._recent)
        mean = sum(trial) / len(trial)
        if len(trial) < _TRIAL and sum(trial) < _PATIENCE * usual * _TRIAL:
            return
        better = len(trial) == _TRIAL and mean < usual
        if better:
            self.threads = 3 - self.threads
        self._pause = _FIRST_PAUSE if better else min(_LONGEST_PAUSE, 2 * self._pause)
        self._usual = mean if better else usual
        self._trial, self._recent, self._left = None, [], self._pause
        self._use(self.threads)
