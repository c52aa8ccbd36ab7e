"""The pool: all synthetic items of an epoch, decoded in whole batches by one process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.integrations.conversion import rescale
from vaeaug.integrations.exchange import Exchange
from vaeaug.integrations.labels import Labels, explain_unknown_labels
from vaeaug.integrations.schedule import Schedule
from vaeaug.integrations.shared_memory import explain_forked_cuda

__all__ = ["Contents", "Pool"]

_BLOCK_BYTES, _MOST_ROWS = 1 << 26, 4096
#: Times that a slot is filled when the filter drops what was made for it.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Contents:
    """What is known of the slots of a pool once it is made.

    Parameters
    ----------
    accepted : ndarray of bool (P,)
    seeds : ndarray of int64 (P,)
        ``random_state`` of the call that made each slot.
    positions : ndarray of int64 (P,)
        Row of the slot in what that call returned.
    sources : ndarray of int64 (P,)
        Real item that each slot varies, −1 for draws from the prior.
    dropped : DataFrame
        Per class (index) how many candidates were made, and dropped for each reason.
    """

    accepted: np.ndarray
    seeds: np.ndarray
    positions: np.ndarray
    sources: np.ndarray
    dropped: pd.DataFrame


@dataclass(eq=False)
class Pool:
    """Make the synthetic items of a generation: a pure function of the seed and its number.

    Parameters
    ----------
    augmenter : VAEAugmenter
    exchange : Exchange
    stored : dtype
        Of the items in the pool.
    schedule : Schedule
    labels : Labels
    read : callable
        Takes item numbers (m,), returns these real items as one array (m, ...).
    method : {"prior", "posterior"}
    temperature : float
    label_filter : LabelFilter or None
        Fitted on arrays of items.
    """

    augmenter: Any
    exchange: Exchange
    stored: np.dtype
    schedule: Schedule
    labels: Labels
    read: Callable[[np.ndarray], np.ndarray]
    method: str
    temperature: float
    label_filter: Any = None

    @property
    def rows(self) -> int:
        """Number of slots."""
        return len(self.schedule.slot_groups)

    def make(self, generation: int, out: np.ndarray) -> Contents:
        """Fill ``out`` (P, *item shape) and say how.

        The calls depend on the generation only: always the same blocks with the same seeds,
        so that the bytes do not depend on who asks for what first.
        """
        contents = self.plan(generation)
        for number, slots in enumerate(self._blocks()):
            seed = int(contents.seeds[slots[0]])
            out[slots] = self._decode(slots, contents.sources, seed)
            if self.label_filter is not None:
                self._refill(generation, number, slots, out, contents)
        return contents

    def plan(self, generation: int) -> Contents:
        """Say how a generation is made, without making it; what the filter will drop is not known then."""
        seeds, positions = np.zeros((2, self.rows), dtype=np.int64)
        for number, slots in enumerate(self._blocks()):
            seeds[slots] = self.schedule.block_seed(generation, number)
            positions[slots] = np.arange(len(slots))
        if self.method == "prior":
            sources = np.full(self.rows, -1, dtype=np.int64)
        else:
            sources = self.schedule.sources(generation)
        dropped = pd.DataFrame() if self.label_filter is None else self.label_filter.no_counts()
        return Contents(np.ones(self.rows, dtype=bool), seeds, positions, sources, dropped)

    def _blocks(self) -> list[np.ndarray]:
        cells = int(np.prod(self.exchange.kind.shape))
        size = int(np.clip(_BLOCK_BYTES // (4 * cells), 16, _MOST_ROWS))
        return [np.arange(start, min(start + size, self.rows)) for start in range(0, self.rows, size)]

    def _refill(
        self, generation: int, number: int, slots: np.ndarray, out: np.ndarray, contents: Contents
    ) -> None:
        """Make anew what the filter drops, a few times; update what is known of the slots."""
        for attempt in range(1, _ATTEMPTS + 1):
            groups = self.schedule.slot_groups[slots]
            items = out[slots]
            if items.dtype != self.exchange.kind.array_dtype:  # floats that are kept as bytes
                items = rescale(items, self.exchange.kind.array_dtype)
            verdict = self.label_filter.judge(items, self.labels.classes[groups])
            contents.dropped.loc[:, :] += verdict.counts
            contents.accepted[slots] = verdict.keep
            slots = slots[~verdict.keep]
            if not len(slots) or attempt == _ATTEMPTS:
                return
            seed = self.schedule.block_seed(generation, number, attempt)
            out[slots] = self._decode(slots, contents.sources, seed)
            contents.seeds[slots], contents.positions[slots] = seed, np.arange(len(slots))

    def _decode(self, slots: np.ndarray, sources: np.ndarray, seed: int) -> np.ndarray:
        y = _as_fitted(self.labels.classes, self.augmenter)[self.schedule.slot_groups[slots]]
        rows = None if self.method == "prior" else self.read(sources[slots])
        how: dict[str, Any] = {"spread": self.temperature, "seed": seed, "stored": self.stored}
        with explain_forked_cuda("AugmentedDataset"), explain_unknown_labels("AugmentedDataset"):
            return self.exchange.draw(self.augmenter, y, rows, **how).numpy()


def _as_fitted(classes: np.ndarray, augmenter: Any) -> np.ndarray:
    """Return classes as the augmenter knows them, such as 1 for True and for 1.0; others as they are."""
    fitted = getattr(augmenter, "classes_", None)
    known = {value: value for value in ([] if fitted is None else fitted.tolist())}
    found = [known.get(value, value) for value in classes.tolist()]
    return np.asarray(found) if set(found) <= set(known) else classes
