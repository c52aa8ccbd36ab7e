"""Processes that train one model together, and what they tell each other."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from vaeaug.errors import VaeaugError, WorkerLostError
from vaeaug.training.runtime import inside_worker
from vaeaug.utils.wording import first_line

__all__ = ["SharedClock", "Team", "current_team", "join_team"]

T = TypeVar("T")

#: How long one process waits for another that is still connected, in seconds. The end of a process is
#: noticed at once; this is for machines that vanish, and longer than any step or any reading takes.
_PATIENCE = 600


class Team:
    """The processes of ``torchrun`` and its like, of which this one has a rank; alone it does nothing.

    All communication is over gloo, on the CPU or through it, in a group of its own.

    Parameters
    ----------
    rank, size : int
        Number of this process, from 0, and how many there are.
    group : ProcessGroup, optional
        Needed where there is more than one.
    """

    def __init__(self, rank: int = 0, size: int = 1, group: Any = None) -> None:
        self.rank, self.size = rank, size
        self._group = group

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their sums over all processes; all in one message.

        Raises
        ------
        WorkerLostError
            If another process has ended.
        """
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        with self._explain_failures():
            dist.all_reduce(flat, group=self._group)
        start = 0
        for tensor in tensors:
            stop = start + tensor.numel()
            tensor.detach().copy_(flat[start:stop].view_as(tensor))
            start = stop

    def first(self, value: T) -> T:
        """Return the value that the first process has."""
        if self.size == 1:
            return value
        held = [value]
        with self._explain_failures():
            dist.broadcast_object_list(held, src=0, group=self._group)
        return held[0]

    def every(self, value: T) -> list[T]:
        """Return the values of all processes, in order."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        with self._explain_failures():
            dist.all_gather_object(found, value, group=self._group)
        return found

    def each(self, work: Callable[[], T]) -> list[T]:
        """Do something that may fail in every process; return all results, or raise the first failure in all.

        Raises
        ------
        VaeaugError
            Raised by ``work`` in one of the processes.
        """
        if self.size == 1:
            return [work()]
        try:
            mine: tuple[T | None, VaeaugError | None] = (work(), None)
        except VaeaugError as error:
            mine = (None, error)
        found = self.every(mine)
        for _, failure in found:
            if failure is not None:
                raise failure
        return [result for result, _ in found]  # type: ignore[misc]

    def once(self, work: Callable[[], T]) -> T:
        """Do something in the first process; return its result, or raise its failure, in all."""
        return self.each(work if self.is_first else lambda: None)[0]  # type: ignore[return-value]

    def any(self, flag: bool) -> bool:
        """Tell whether some process says yes."""
        return any(self.every(flag)) if self.size > 1 else flag

    @contextmanager
    def _explain_failures(self) -> Iterator[None]:
        """Turn failures of communication into a sentence."""
        try:
            yield
        except RuntimeError as error:
            raise WorkerLostError(
                f"Process {self.rank} of {self.size} that train together has lost the others: one of them "
                f"has ended or cannot be reached. {first_line(error)} Look for its error, and start all of "
                "them again; with checkpoint_dir they go on from the last epoch."
            ) from error


class SharedClock:
    """The clock of the first process, as all processes heard it last, so that they decide alike.

    Parameters
    ----------
    team : Team
    clock : callable
        Returns seconds; asked in the first process only where there are more.
    """

    def __init__(self, team: Team, clock: Callable[[], float]) -> None:
        self._team, self._clock = team, clock
        self._start = clock()
        self.heard = 0.0

    def __call__(self) -> float:
        """Return the seconds since the clock was made; in a team, when it was heard last."""
        return self._clock() - self._start if self._team.size == 1 else self.heard

    def own(self) -> float:
        """Return what this process adds to a sum over all of them from which the time is read."""
        return self._clock() - self._start if self._team.is_first else 0.0

    def listen(self) -> None:
        """Hear the time now."""
        if self._team.size > 1:
            self.heard = self._team.first(self.own())


#: Groups over gloo beside those of other kinds that a program has made, as (theirs, ours).
_beside: list[tuple[Any, Any]] = []


#: Ranks that :func:`join_team` has given this process.
_joined: list[int] = []


@contextmanager
def join_team(address: str, rank: int, size: int) -> Iterator[None]:
    """Make this process one of several that train together in the block, also inside a worker.

    Parameters
    ----------
    address : str
        Where the process of rank 0 can be reached, such as ``"tcp://10.0.0.7:29400"``.
    rank, size : int

    Raises
    ------
    WorkerLostError
        If the others do not come, or this process trains in a team already.
    """
    patience = timedelta(seconds=_PATIENCE)
    try:
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=size, timeout=patience)
    except (RuntimeError, ValueError) as error:
        raise WorkerLostError(
            f"Process {rank} of {size} did not meet the others at {address}: {first_line(error)}"
        ) from error
    _joined.append(rank)
    try:
        yield
    finally:
        _joined.pop()
        _leave()


def current_team() -> Team:
    """Return the processes that this one was started with, by ``torchrun`` or what sets the same variables.

    A group of processes that the program has made already is used; otherwise one is made from ``RANK``,
    ``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT``. Workers of joblib and of data loaders work alone.
    All processes have to call it. ``VAEAUG_ALONE=1`` in the environment makes each of them work alone.

    Raises
    ------
    WorkerLostError
        If the other processes do not come.
    """
    alone = bool(os.environ.get("VAEAUG_ALONE")) or (inside_worker() and not _joined)
    if alone or not dist.is_available() or not (dist.is_initialized() or _is_launched()):
        return Team()
    patience = timedelta(seconds=_PATIENCE)
    try:
        if not dist.is_initialized():
            dist.init_process_group("gloo", timeout=patience)
            # Its threads are to end before the interpreter takes away what they stand on.
            atexit.register(_leave)
        rank, size = dist.get_rank(), dist.get_world_size()
        if size == 1:
            return Team()
        group = _gloo(patience)
        dist.monitored_barrier(group, timeout=patience)
    except (RuntimeError, ValueError) as error:
        raise WorkerLostError(
            f"The processes that are to train together did not meet: {first_line(error)} Every one of them "
            "has to call fit. To fit in each process alone, set VAEAUG_ALONE=1 in the environment."
        ) from error
    return Team(rank, size, group)


def _leave() -> None:
    """Leave the group of processes that was made here."""
    if dist.is_initialized():
        _beside.clear()
        dist.destroy_process_group()


def _is_launched() -> bool:
    """Tell whether the environment says that this is one of several processes."""
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    return all(name in os.environ for name in names) and os.environ["WORLD_SIZE"] != "1"


def _gloo(patience: timedelta) -> Any:
    """Return the group to talk in, which is one over gloo."""
    world = dist.group.WORLD
    if dist.get_backend() == "gloo":
        return world
    for theirs, ours in _beside:
        if theirs is world:
            return ours
    _beside.append((world, dist.new_group(backend="gloo", timeout=patience)))
    return _beside[-1][1]
