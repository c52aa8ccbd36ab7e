"""A seeded sample of the rows of a stream, in which small classes are kept whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.promotion import cast, common_dtype
from vaeaug.utils.random import numpy_generator

__all__ = ["Reservoir", "Sample"]


@dataclass(frozen=True)
class Sample:
    """Rows of a stream, in its order.

    Parameters
    ----------
    frame : DataFrame
        The rows, with a fresh index.
    numbers : ndarray of int64, shape (n,)
        Which rows of the stream they are.
    even : ndarray of bool, shape (n,)
        Rows that were drawn evenly from all; the others are here because their class is small.
    """

    frame: pd.DataFrame
    numbers: np.ndarray
    even: np.ndarray

    def only_even(self) -> Sample:
        """Return the rows that were drawn evenly."""
        frame = self.frame[self.even].reset_index(drop=True)
        return Sample(frame, self.numbers[self.even], self.even[self.even])


class Reservoir:
    """Draw rows from a stream, evenly and more of small classes, in memory that does not grow with it.

    Every row has a random key that depends on the seed and its number only. Kept are the rows with the
    smallest keys, of the whole stream and of each class, so that the rows of one class are drawn evenly
    from it, and reservoirs of parts of a stream can be merged (bottom-k sampling).

    Parameters
    ----------
    size : int
        Rows drawn evenly.
    seed : int
    target : hashable, optional
        Column of classes.
    class_rows : int
        Rows drawn of the classes together, beyond those drawn evenly.
    most_classes : int
        With more classes than this, the column does not hold classes, and all rows are drawn evenly.
    """

    def __init__(
        self,
        size: int,
        seed: int,
        target: Any = None,
        class_rows: int = 20_000,
        most_classes: int = 2_000,
    ) -> None:
        self.size, self.seed, self.target = size, seed, target
        self.class_rows, self.most_classes = class_rows, most_classes
        self.pieces: list[tuple[pd.DataFrame, np.ndarray, np.ndarray]] = []
        self._held, self._room = 0, 2 * (size + class_rows)
        self._limit = 1.0
        self._class_limits: dict[Any, float] = {}

    def add(self, frame: pd.DataFrame, start: int) -> None:
        """Look at a piece of the stream.

        Parameters
        ----------
        frame : DataFrame
        start : int
            Number of its first row in the stream.
        """
        keys = numpy_generator(self.seed, start).random(len(frame))
        # A row that is beyond both limits already is never among the kept.
        chosen = np.flatnonzero(keys <= np.maximum(self._limit, self._limits_of(frame)))
        piece = frame.iloc[chosen].reset_index(drop=True)
        self._append(piece, keys[chosen], start + chosen.astype(np.int64))

    def merge(self, other: Reservoir) -> None:
        """Take in the reservoir of another part of the stream."""
        for piece in other.pieces:
            self._append(*piece)

    def sample(self, dtypes: Mapping[Any, Any]) -> Sample:
        """Return what was drawn, in the order of the stream.

        Parameters
        ----------
        dtypes : mapping
            Column to the dtype it is to have.
        """
        self._trim()
        frame, keys, numbers = self.pieces[0]
        order = np.argsort(numbers, kind="stable")
        columns = {name: cast(frame[name], dtype) for name, dtype in dtypes.items()}
        whole = pd.DataFrame(columns).iloc[order].reset_index(drop=True)
        return Sample(whole, numbers[order], (keys <= self._limit)[order])

    def _append(self, frame: pd.DataFrame, keys: np.ndarray, numbers: np.ndarray) -> None:
        self.pieces.append((frame, keys, numbers))
        self._held += len(keys)
        if self._held > self._room:
            self._trim()

    def _limits_of(self, frame: pd.DataFrame) -> Any:
        """Return the largest key that a row may have to be kept for its class."""
        if self.target is None:
            return 0.0
        if not self._class_limits:
            return 1.0
        codes, labels = pd.factorize(frame[self.target])
        limits = [self._class_limits.get(label, 1.0) for label in labels]
        return np.append(np.asarray(limits), 0.0)[codes]

    def _trim(self) -> None:
        """Keep no more rows than asked for."""
        frame = _join_frames([piece[0] for piece in self.pieces])
        keys = np.concatenate([piece[1] for piece in self.pieces])
        numbers = np.concatenate([piece[2] for piece in self.pieces])
        if len(keys) > self.size:
            self._limit = min(self._limit, float(np.partition(keys, self.size - 1)[self.size - 1]))
        kept = keys <= self._limit
        if self.target is not None:
            kept |= self._of_small_classes(frame[self.target], keys)
        self.pieces = [(frame[kept].reset_index(drop=True), keys[kept], numbers[kept])]
        self._held = int(kept.sum())
        # What is kept may be up to half of the room, so that trimming stays rare.
        self._room = max(self._room, 2 * self._held)

    def _of_small_classes(self, labels: pd.Series, keys: np.ndarray) -> np.ndarray:
        """Return which rows are among the first of their class."""
        codes, found = pd.factorize(labels)
        if len(found) > self.most_classes:
            self.target, self._class_limits = None, {}
            return np.zeros(len(keys), dtype=bool)
        each = max(8, self.class_rows // max(1, len(found)))
        order = np.lexsort((keys, codes))
        first = np.searchsorted(codes[order], np.arange(len(found)))
        rank = np.empty(len(keys), dtype=np.int64)
        rank[order] = np.arange(len(keys)) - np.append(first, 0)[codes[order]]
        kept = (rank < each) & (codes >= 0)
        counts = np.bincount(codes[codes >= 0], minlength=len(found))
        full = np.flatnonzero(counts >= each)
        last = order[first[full] + each - 1]
        self._class_limits = dict(zip(found.take(full), keys[last].tolist(), strict=True))
        return kept


def _join_frames(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return frames one below the other, each column in the dtype that holds all of it."""
    if len(frames) == 1:
        return frames[0]
    columns = {}
    for name in frames[0].columns:
        pieces = [frame[name] for frame in frames if len(frame)] or [frames[0][name]]
        present = [piece for piece in pieces if not piece.isna().all()]
        dtype = (present or pieces)[0].dtype
        for piece in present:
            dtype = common_dtype(dtype, piece.dtype, name, "a later piece")
        if any(piece.isna().any() for piece in pieces):
            dtype = common_dtype(dtype, None, name, "a later piece")
        columns[name] = pd.concat([cast(piece, dtype) for piece in pieces], ignore_index=True)
    return pd.DataFrame(columns)
