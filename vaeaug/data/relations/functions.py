"""How one column follows from others: by arithmetic, or by a table that was looked at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vaeaug.data.relations.formula import Formula
from vaeaug.data.tables.serialization import Arrays

__all__ = ["FUNCTIONS", "Arithmetic", "Function", "Lookup", "function_from_state"]


class Function(ABC):
    """Compute one column from others.

    Attributes
    ----------
    sources : tuple of int
        Positions of the columns that are read.
    """

    kind: ClassVar[str]
    sources: tuple[int, ...]

    @abstractmethod
    def evaluate(self, columns: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return float64 of shape (n,), NaN where there is no value.

        Parameters
        ----------
        columns : mapping of int to ndarray of float64, shape (n,)
            At least the sources, as their views read them.
        """

    def knows_sources(self, columns: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the rows in which no source is missing, bool of shape (n,)."""
        return ~np.any([np.isnan(columns[j]) for j in self.sources], axis=0)

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything as a JSON-able dict and plain arrays."""

    @classmethod
    @abstractmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Function:
        """Rebuild from :meth:`state`."""


class Arithmetic(Function):
    """Evaluate a formula.

    Parameters
    ----------
    text : str
        A formula; see :class:`Formula`.
    names : mapping of str to int
        Positions of the columns it may name.
    """

    kind = "arithmetic"

    def __init__(self, text: str, names: Mapping[str, int]) -> None:
        self.formula = Formula.parse(text, list(names))
        self.names = {name: names[name] for name in self.formula.columns}
        self.sources = tuple(self.names.values())

    def evaluate(self, columns: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return float64 of shape (n,), NaN where there is no value."""
        return self.formula.evaluate({name: columns[j] for name, j in self.names.items()})

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything as a JSON-able dict and plain arrays."""
        return {"kind": self.kind, "text": str(self.formula), "names": self.names}, {}

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Arithmetic:
        """Rebuild from :meth:`state`."""
        return cls(meta["text"], meta["names"])


class Lookup(Function):
    """Look values up by those of one column or several; unseen ones are read as the nearest.

    Parameters
    ----------
    sources : tuple of int
    levels : sequence of ndarray of float64
        For each source the values that were seen, rising.
    keys : ndarray of int64, shape (m,)
        Combinations of levels that were seen, rising.
    outcomes : ndarray of float64, shape (m,)
        What follows from each; NaN is missing.
    """

    kind = "lookup"

    def __init__(
        self, sources: Sequence[int], levels: Sequence[np.ndarray], keys: np.ndarray, outcomes: np.ndarray
    ) -> None:
        self.sources, self.levels = tuple(sources), tuple(levels)
        self.keys, self.outcomes = keys, outcomes

    @classmethod
    def learn(cls, sources: Sequence[int], columns: Sequence[np.ndarray], target: np.ndarray) -> Lookup:
        """Note the commonest outcome of each combination.

        Parameters
        ----------
        sources : sequence of int
        columns : sequence of ndarray of float64, shape (n,)
            Values of the sources; NaN is a value of its own.
        target : ndarray of float64, shape (n,)
        """
        levels = [np.unique(column[~np.isnan(column)]) for column in columns]
        keys, owner = np.unique(_number_keys(columns, levels), return_inverse=True)
        results, codes = np.unique(np.where(np.isnan(target), np.inf, target), return_inverse=True)
        pairs, counts = np.unique(owner.astype(np.int64) * results.size + codes, return_counts=True)
        # The commonest outcome of a key comes last among its pairs.
        order = np.lexsort((counts, pairs // results.size))
        last = np.flatnonzero(np.append(np.diff((pairs // results.size)[order]), 1))
        found = results[(pairs % results.size)[order][last]]
        return cls(sources, levels, keys, np.where(np.isinf(found), np.nan, found))

    def evaluate(self, columns: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return float64 of shape (n,); a combination that was not seen is read as the next one."""
        keys = _number_keys([columns[j] for j in self.sources], self.levels)
        place = np.minimum(np.searchsorted(self.keys, keys), self.keys.size - 1)
        before = np.maximum(place - 1, 0)
        is_nearer = np.abs(self.keys[before] - keys) < np.abs(self.keys[place] - keys)
        return self.outcomes[np.where(is_nearer, before, place)]

    def knows(self, columns: Sequence[np.ndarray]) -> np.ndarray:
        """Return which rows have a combination that was seen, bool of shape (n,)."""
        known = np.isin(_number_keys(columns, self.levels), self.keys)
        for column, levels in zip(columns, self.levels, strict=True):
            known &= np.isin(column, levels) | np.isnan(column)
        return known

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything as a JSON-able dict and plain arrays."""
        arrays: Arrays = {"keys": self.keys, "outcomes": self.outcomes}
        arrays |= {f"levels{i}": level for i, level in enumerate(self.levels) if level.size}
        return {"kind": self.kind, "sources": list(self.sources)}, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Lookup:
        """Rebuild from :meth:`state`."""
        levels = [arrays.get(f"levels{i}", np.zeros(0)) for i in range(len(meta["sources"]))]
        return cls(meta["sources"], levels, arrays["keys"], arrays["outcomes"])


#: Kinds of functions; a saved model names its kind.
FUNCTIONS: dict[str, type[Function]] = {kind.kind: kind for kind in (Arithmetic, Lookup)}


def function_from_state(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Function:
    """Rebuild a function from its state."""
    return FUNCTIONS[meta["kind"]].from_state(meta, arrays)


def _number_keys(columns: Sequence[np.ndarray], every: Sequence[np.ndarray]) -> np.ndarray:
    """Return one number for each row's combination of the levels of its columns, int64 of shape (n,)."""
    keys = np.zeros(len(columns[0]), dtype=np.int64)
    for column, levels in zip(columns, every, strict=True):
        missing = np.isnan(column)
        middle = (levels[1:] + levels[:-1]) / 2
        nearest = np.searchsorted(middle, np.where(missing, 0.0, column), side="right")
        keys = keys * (levels.size + 1) + np.where(missing, levels.size, nearest)
    return keys
