"""Rows to train on: all in memory, or read again in every epoch through a shuffle buffer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vaeaug.errors import InputError
from vaeaug.utils.random import numpy_generator, torch_generator

__all__ = ["Batch", "Block", "HeldRows", "Rows", "StreamedRows"]

_ORDER_STREAM = 2
_BUFFER_STREAM = 3
#: Values in the shuffle buffer of a stream, and the rows that it holds at least and at most.
_BUFFER_VALUES, _LEAST_BUFFERED, _MOST_BUFFERED = 1 << 23, 1 << 14, 1 << 18

#: Some rows of a stream: arrays of one length, the last of them their weights.
Block = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Batch:
    """The rows of one step that fall to this process.

    Parameters
    ----------
    tensors : tuple of Tensor, each (B, ...)
    weights : Tensor (B,)
        With a mean of one over an epoch.
    total : int
        Rows of the step in all processes together.
    """

    tensors: tuple[Tensor, ...]
    weights: Tensor
    total: int


class Rows(Protocol):
    """What a training run passes over once an epoch."""

    n: int

    def batch_count(self, size: int) -> int:
        """Return the number of steps of an epoch, of batches no larger than ``size``."""
        ...

    def epoch(self, number: int, seed: int, size: int, rank: int, ranks: int) -> Iterator[Batch]:
        """Yield the batches of an epoch in a seeded order; as many in every process."""
        ...


class HeldRows:
    """Tensors of n rows on the device, with weights whose mean is one.

    Parameters
    ----------
    tensors : sequence of Tensor, each (n, ...)
    weights : Tensor (n,) or None
        Importance of the rows, 0 or more; only ratios count.
    device : torch.device
    """

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

    def epoch(self, number: int, seed: int, size: int, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """Yield rows in batches of equal size up to one row, of which each process takes its share."""
        order = torch.randperm(self.n, generator=torch_generator(seed, _ORDER_STREAM, number))
        for index in order.to(self.weights.device).tensor_split(self.batch_count(size)):
            mine = index[rank::ranks] if ranks > 1 else index
            if len(mine):
                yield Batch(self._pick(mine), self.weights[mine], len(index))
            else:
                # A process without a row takes part with one that counts nothing.
                yield Batch(self._pick(index[:1]), torch.zeros_like(self.weights[:1]), len(index))

    def in_order(self, size: int) -> Iterator[Batch]:
        """Yield all rows as they come, in batches of equal size up to one row."""
        every = torch.arange(self.n, device=self.weights.device)
        for index in every.tensor_split(self.batch_count(size)):
            yield Batch(self._pick(index), self.weights[index], len(index))

    def _pick(self, index: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.index_select(0, index) for tensor in self.tensors)


class StreamedRows:
    """Rows that are read anew in every epoch, mixed in a buffer of some 100,000 of them.

    Every epoch has the same number of steps, of full batches, in all processes: where the rows of a process
    run out, it goes on with them from the start, so that unequal shares make nobody wait.

    Parameters
    ----------
    read : callable
        ``read(epoch, turn, rank, ranks)`` yields the rows of one process as blocks, in an order of its own
        for each epoch and turn; weights come last.
    n : int
        Rows in all.
    device : torch.device
    """

    def __init__(
        self, read: Callable[[int, int, int, int], Iterator[Block]], n: int, device: torch.device
    ) -> None:
        self._read, self.n, self._device = read, n, device

    def batch_count(self, size: int) -> int:
        """Return the number of steps of an epoch."""
        return math.ceil(self.n / size)

    def epoch(self, number: int, seed: int, size: int, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """Yield as many full batches as hold all rows once."""
        share = max(1, math.ceil(min(size, self.n) / ranks))
        rng = numpy_generator(seed, _BUFFER_STREAM, number, rank)
        batches = _cut(self._endless(number, rng, rank, ranks), share)
        for _, block in zip(range(self.batch_count(size)), batches, strict=False):
            tensors = tuple(self._move(array) for array in block)
            yield Batch(tensors[:-1], tensors[-1], share * ranks)

    def _endless(self, number: int, rng: np.random.Generator, rank: int, ranks: int) -> Iterator[Block]:
        turn = 0
        while True:
            rows = 0
            for block in _mix(self._read(number, turn, rank, ranks), rng):
                rows += len(block[0])
                yield block
            if not rows:
                raise InputError(
                    f"Process {rank} of {ranks} has no rows to train on: there are only {self.n} in all. "
                    "Start fewer processes."
                )
            turn += 1

    def _move(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._device)


def _mix(blocks: Iterator[Block], rng: np.random.Generator) -> Iterator[Block]:
    """Yield the rows of blocks in random order, as far as the buffer reaches."""
    waiting: list[Block] = []
    rows, room = 0, 0
    for block in blocks:
        if not room:
            width = sum(int(np.prod(array.shape[1:])) for array in block)
            room = int(np.clip(_BUFFER_VALUES // width, _LEAST_BUFFERED, _MOST_BUFFERED))
        waiting.append(block)
        rows += len(block[0])
        if rows >= room:
            together = [np.concatenate(parts) for parts in zip(*waiting, strict=True)]
            order = rng.permutation(rows)
            # One half goes, so that rows of neighbouring blocks meet in the other.
            out, stay = order[: rows // 2], order[rows // 2 :]
            waiting, rows = [tuple(array[stay] for array in together)], len(stay)
            yield tuple(array[out] for array in together)
    if rows:
        together = [np.concatenate(parts) for parts in zip(*waiting, strict=True)]
        order = rng.permutation(rows)
        yield tuple(array[order] for array in together)


def _cut(blocks: Iterator[Block], size: int) -> Iterator[Block]:
    """Yield the rows of blocks in blocks of one size."""
    rest: Block | None = None
    for block in blocks:
        if rest is not None:
            block = tuple(np.concatenate(pair) for pair in zip(rest, block, strict=True))
        whole = len(block[0]) // size * size
        for start in range(0, whole, size):
            yield tuple(array[start : start + size] for array in block)
        rest = tuple(array[whole:] for array in block)
