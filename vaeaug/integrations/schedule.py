"""Which items of an epoch are synthetic, and which slot of the pool they show: functions of a seed."""

from __future__ import annotations

import numpy as np

from vaeaug.latent.arithmetic import pick_sources
from vaeaug.utils.random import hash_seed, numpy_generator

__all__ = ["Schedule"]

_CHOICE, _SOURCES, _STAND_INS, _BLOCK = 21, 22, 23, 24


class Schedule:
    """Assign the slots of a pool of synthetic items to the items of each epoch.

    In every class the share ``p`` of the real items is replaced, others each epoch, and
    added items are always synthetic. As long as the pool is large enough, no slot is shown twice
    in an epoch.

    Parameters
    ----------
    groups : ndarray of int64 (n,)
        Class number of each real item.
    added : ndarray of int64 (K,)
        Items to add to each class.
    p : float
    pool_size : int or None
        Slots at most; None: as many as an epoch needs.
    refresh_every : int
        Epochs that a pool serves.
    seed : int

    Attributes
    ----------
    item_groups : ndarray of int64 (N,)
        Class number of each item: the n real ones, then the added ones, by class.
    slot_groups : ndarray of int64 (P,)
        Class number of each slot, ascending; the same in all epochs.
    """

    def __init__(
        self,
        groups: np.ndarray,
        added: np.ndarray,
        *,
        p: float,
        pool_size: int | None,
        refresh_every: int,
        seed: int,
    ) -> None:
        self.groups, self.seed, self.p, self.refresh_every = groups, seed, p, refresh_every
        classes = np.arange(len(added))
        self.item_groups = np.concatenate([groups, np.repeat(classes, added)])
        self._counts = np.bincount(groups, minlength=len(added))
        needed = np.ceil(p * self._counts - 1e-9).astype(np.int64) + added
        if pool_size is not None and needed.sum() > pool_size:
            # At least one for every class that needs any; the largest classes give way.
            least = (needed > 0).astype(np.int64)
            spare = max(0, pool_size - int(least.sum()))
            needed = np.minimum(needed, least + needed * spare // max(1, int(needed.sum())))
        self.slots = needed
        self.slot_groups = np.repeat(classes, needed)
        self._starts = np.concatenate([[0], np.cumsum(needed)[:-1]])

    def generation(self, epoch: int) -> int:
        """Return the number of the pool that serves an epoch."""
        return epoch // self.refresh_every

    def assign(self, epoch: int) -> np.ndarray:
        """Return the slot that each item shows, −1 where it is real, int64 (N,)."""
        real, n = len(self.groups), len(self.item_groups)
        rng = numpy_generator(self.seed, _CHOICE, epoch)
        # In each class the items of lowest rank are replaced; added ones come first.
        order = np.lexsort((rng.random(n), np.arange(n) < real, self.item_groups))
        sizes = np.bincount(self.item_groups, minlength=len(self._counts))
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        ranked = self.item_groups[order]
        rank = np.arange(n) - starts[ranked]
        # p · count is rarely whole: round it up or down at random, so that p is met on average.
        replaced = np.floor(self.p * self._counts + rng.random(len(self._counts))).astype(np.int64)
        wanted = np.where(self.slots > 0, sizes - self._counts + replaced, 0)
        is_new = rank < wanted[ranked]
        shuffled = np.lexsort((rng.random(len(self.slot_groups)), self.slot_groups))
        slots = np.full(n, -1, dtype=np.int64)
        group = ranked[is_new]
        slots[order[is_new]] = shuffled[self._starts[group] + rank[is_new] % self.slots[group]]
        return slots

    def stand_ins(self, epoch: int) -> np.ndarray:
        """Return the real item that each item shows if it is not synthetic: itself, or one of its class."""
        added = self.item_groups[len(self.groups) :]
        rng = numpy_generator(self.seed, _STAND_INS, epoch)
        return np.concatenate([np.arange(len(self.groups)), pick_sources(added, self.groups, rng)])

    def sources(self, generation: int) -> np.ndarray:
        """Return a real item of its class for each slot to vary, used evenly, int64 (P,)."""
        return pick_sources(self.slot_groups, self.groups, numpy_generator(self.seed, _SOURCES, generation))

    def block_seed(self, generation: int, block: int, attempt: int = 0) -> int:
        """Return the ``random_state`` that a block of slots is made with."""
        return hash_seed(self.seed, _BLOCK, generation, block, attempt)
