"""Where training runs: the device, the number of threads, and what is put back afterwards."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ClassVar, TypeVar

import joblib
import torch
from joblib.parallel import get_active_backend

from vaeaug.errors import InputError
from vaeaug.utils.random import neutral_torch

__all__ = ["DEVICES", "Runtime", "inside_worker", "limit_threads", "resolve_device"]

#: Types of what names a device.
DEVICES = (str, torch.device)

#: Multiply-adds of one pass over a batch (weights × rows) from which a second thread pays. With two
#: cores to itself, a 128-wide network at 256 rows (13 million) took as long with one thread
#: as with two, a 256-to-512-wide one at 1,024 rows (500 million) 1.5 times as long.
_WORK_FOR_THREADS = 1 << 26
#: Parts that are computed side by side: of each, Python itself takes a share, and does one thing at a time.
_MOST_PARTS = 4

_T = TypeVar("_T")


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Turn a device parameter into a device that exists on this machine.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` (the first CUDA GPU, or under ``torchrun`` that of ``LOCAL_RANK``; else Apple's ``mps``,
        else the CPU), or any name that torch knows: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Returns
    -------
    torch.device
        With an index when it is a CUDA device, so that two names of one GPU compare equal.

    Raises
    ------
    InputError
        If the name is unknown or the device is absent.
    """
    if isinstance(device, str) and device == "auto":
        device = _own_gpu() if torch.cuda.is_available() else "mps" if _mps_available() else "cpu"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f'device must be "auto", "cpu", "cuda", "cuda:<index>" or "mps", got {device!r}.'
        ) from error
    if found.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = found.index if found.index is not None else (torch.cuda.current_device() if count else 0)
        if index >= count:
            raise InputError(
                f"device={str(device)!r} was asked for, but torch sees {count} CUDA devices; "
                'use "auto" or "cpu".'
            )
        return torch.device("cuda", index)
    if found.type == "mps" and not _mps_available():
        raise InputError('device="mps" was asked for, but torch sees no such device; use "auto" or "cpu".')
    if found.type not in ("cpu", "mps"):
        raise InputError(f'device must be "auto", "cpu", "cuda" or "mps", got {str(device)!r}.')
    return found


def _own_gpu() -> str:
    """Return the GPU of this process among those that were started together on this machine."""
    local = os.environ.get("LOCAL_RANK", "")
    return f"cuda:{int(local) % torch.cuda.device_count()}" if local.isdigit() else "cuda"


def _mps_available() -> bool:
    return bool(torch.backends.mps.is_available())


def inside_worker() -> bool:
    """Tell whether this code runs in a joblib worker or a child process, next to siblings."""
    backend, _ = get_active_backend()
    return bool(backend.nesting_level) or multiprocessing.parent_process() is not None


class _OpenBlocks(threading.local):
    """Knows what the number of threads is outside of all open blocks, whichever Python thread asks.

    A Python thread takes over the number that torch was told last, so one that starts while another one
    holds a block would see that block's number.
    """

    _lock = threading.Lock()
    _threads: ClassVar[list[int]] = []
    depth = 0

    def enter(self) -> int:
        """Open a block; return the number of threads to restore after it."""
        with self._lock:
            outside = torch.get_num_threads()
            if not self.depth and self._threads:
                outside = self._threads[0]
            self._threads.append(outside)
            self.depth += 1
            return outside

    def leave(self) -> None:
        """Close a block."""
        with self._lock:
            self._threads.pop()
            self.depth -= 1


_OPEN = _OpenBlocks()


def _count_threads(threads: int | None, before: int) -> int:
    """Return the number of threads of torch that :func:`limit_threads` allows, where there were so many."""
    if threads is None:
        together = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        threads = 1 if inside_worker() else joblib.cpu_count(only_physical_cores=True) // together
    return max(1, min(before, threads))


@contextmanager
def limit_threads(threads: int | None = None) -> Iterator[int]:
    """Limit torch's threads and flush denormal numbers inside the block; restore both after it.

    Two OpenMP pools that together hold more threads than there are cores slow each other
    down by an order of magnitude, so a worker among siblings takes one thread, and
    nobody takes more than the physical cores. Denormals appear in optimizer state whose
    gradients have died away, and are slow to compute with.

    Parameters
    ----------
    threads : int, optional
        The limit; by default 1 in a worker, otherwise the number of physical cores, shared with the
        processes that ``torchrun`` started beside this one. The number of threads is only ever lowered.

    Yields
    ------
    int
        The number of threads in use inside the block.
    """
    before = _OPEN.enter()
    used = _count_threads(threads, before)
    torch.set_num_threads(used)
    if used > 1:
        # Threads inherit the flush flag from whoever starts them and would keep it after
        # the block; so let the pool start before the flag is raised.
        torch.zeros(used << 15, device="cpu").add_(1.0)
    flushed = _flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield used
    finally:
        torch.set_flush_denormal(flushed)
        torch.set_num_threads(before)
        _OPEN.leave()


def _flushes_denormals() -> bool:
    return bool(torch.full((1,), 1e-310, dtype=torch.float64, device="cpu").mul_(0.5).item() == 0.0)


class Runtime:
    """The device that a model is trained and used on, and how to behave there.

    Parameters
    ----------
    device : str or torch.device
        See :func:`resolve_device`.
    threads : int, optional
        See :func:`limit_threads`.

    Examples
    --------
    >>> from vaeaug.training.runtime import Runtime
    >>> runtime = Runtime("cpu")
    >>> with runtime.session():
    ...     runtime.synchronize()
    >>> runtime
    Runtime('cpu')
    """

    def __init__(self, device: str | torch.device = "auto", threads: int | None = None) -> None:
        self.device = resolve_device(device)
        self.threads = threads

    @property
    def is_cpu(self) -> bool:
        """Whether reading a value from the device costs nothing."""
        return self.device.type == "cpu"

    @contextmanager
    def session(self, work: float | None = None) -> Iterator[None]:
        """Hold the settings of :func:`limit_threads` and :func:`vaeaug.utils.random.neutral_torch`.

        May be nested.

        Parameters
        ----------
        work : float, optional
            Multiply-adds of one pass, about the number of weights times the rows of a
            batch. Where it is small one thread is used: a second one costs more than it
            saves, many times more when other processes keep the cores busy.
        """
        small = work is not None and work < _WORK_FOR_THREADS
        with limit_threads(1 if small and self.threads is None else self.threads), neutral_torch():
            yield

    def map(self, work: Callable[[int], _T], parts: int, *, small: bool) -> list[_T]:
        """Return ``work(0)`` to ``work(parts - 1)``, computed without gradients.

        On a CPU, parts are computed side by side. Threads that share one operation wait for each other after
        it, which takes many times as long where another process has a core. Threads with work of their own do
        not wait.

        Parameters
        ----------
        work : callable
            Takes the number of a part. It may run in another Python thread.
        parts : int
        small : bool
            Whether one thread is enough for a part.

        Returns
        -------
        list
        """

        def run(part: int) -> _T:
            with neutral_torch(), torch.no_grad():
                return work(part)

        allowed = _count_threads(self.threads, torch.get_num_threads()) if self.is_cpu else 1
        together = min(parts, allowed, _MOST_PARTS)
        if together < 2:
            with self.session(0.0 if small else None):
                return [run(part) for part in range(parts)]
        with limit_threads(1 if small else allowed // together), ThreadPoolExecutor(together) as pool:
            return list(pool.map(run, range(parts)))

    def synchronize(self) -> None:
        """Wait until the device has done all it was told to; needed before reading a clock."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def __repr__(self) -> str:
        return f"Runtime({str(self.device)!r})"
