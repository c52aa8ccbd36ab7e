"""Sketches of columns too long for memory: distinct values with their counts, or the two extremes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.access import factorize
from vaeaug.data.tables.dtypes import mask_of
from vaeaug.data.tables.promotion import cast, common_dtype

__all__ = ["ColumnDigest"]

#: Distinct values of numbers and times that are counted exactly; beyond, a sample tells their quantiles.
_MOST_NUMBERS = 10_000
#: Distinct levels that are counted exactly; beyond, the rarest are dropped.
_MOST_LEVELS = 200_000
#: Entries that may wait before they are counted together.
_WAITING = 1 << 17


class ColumnDigest:
    """Count a column piece by piece, in memory that does not grow with the rows.

    Numbers and times are counted exactly up to 10,000 distinct values; of more, the smallest and the largest
    are known exactly. Levels are counted exactly up to 200,000 of them; of more, the rarest are dropped.
    Digests of parts of a column can be merged, in any order.

    Attributes
    ----------
    dtype : dtype or None
        Common dtype of the pieces; None before the first.
    rows, missing : int
        Entries seen, and those without a value.
    is_complete : bool
        Whether every distinct value is known with its count.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.data.streams.sketches import ColumnDigest
    >>> digest = ColumnDigest()
    >>> for piece in ([2, 1, 2], [3.5, None]):
    ...     digest.add(pd.Series(piece, name="size"))
    >>> values, counts = digest.part()
    >>> values.tolist(), counts.tolist(), digest.missing
    ([2.0, 1.0, 3.5, nan], [2, 1, 1, 1], 1)
    """

    def __init__(self) -> None:
        self.dtype: Any = None
        self.rows, self.missing = 0, 0
        self.is_complete = True
        self.empty_dtype: Any = None
        self.absent: pd.Series | None = None
        self.pieces: list[tuple[pd.Series, np.ndarray]] = []
        self._waiting = 0

    def add(self, series: pd.Series, where: str = "X") -> None:
        """Count a piece of the column.

        Parameters
        ----------
        series : Series
        where : str
            Where the piece comes from, for messages.

        Raises
        ------
        InputError
            If its dtype does not go together with that of the pieces before it.
        """
        absent = mask_of(series)
        lost = int(absent.sum())
        self.rows += len(series)
        self.missing += lost
        if lost and self.absent is None:
            self.absent = series[absent].iloc[:1].reset_index(drop=True)
        if lost == len(series):
            # A piece without values says little about the type: a reader of text gives it any.
            self.empty_dtype = series.dtype if self.empty_dtype is None else self.empty_dtype
            if lost and self.dtype is not None:
                self.dtype = common_dtype(self.dtype, None, series.name, where)
            return
        self._meet(series.dtype, series.name, where)
        present = series[~absent] if lost else series
        if lost:
            self.dtype = common_dtype(self.dtype, None, series.name, where)
        self._append(present, np.ones(len(present), dtype=np.int64))

    def merge(self, other: ColumnDigest, where: str = "X") -> None:
        """Take in the digest of another part of the column."""
        self.rows += other.rows
        self.missing += other.missing
        if self.empty_dtype is None:
            self.empty_dtype = other.empty_dtype
        if self.absent is None:
            self.absent = other.absent
        if other.dtype is not None:
            self._meet(other.dtype, other.pieces[0][0].name, where)
            self.is_complete &= other.is_complete
            for values, counts in other.pieces:
                self._append(values, counts)
        if self.missing and self.dtype is not None:
            self.dtype = common_dtype(self.dtype, None, None, where)

    def final_dtype(self) -> Any:
        """Return the dtype that holds every piece."""
        return self.empty_dtype if self.dtype is None else self.dtype

    def part(self, sample: pd.Series | None = None) -> tuple[pd.Series, np.ndarray | None]:
        """Return values of the column and how many rows each stands for, as codecs are fitted to.

        Parameters
        ----------
        sample : Series, optional
            Rows drawn evenly; where distinct values are too many to count they come in their place, with the
            smallest and the largest value.
        """
        if self.dtype is None:
            return sample if sample is not None else pd.Series([], dtype=self.empty_dtype), None
        self._compact()
        values, counts = self.pieces[0]
        if not self.is_complete and _is_ordered(self.dtype):
            if sample is None:
                return values, None
            parts = [cast(sample, self.dtype), values]
            if self.absent is not None and not mask_of(sample).any():
                parts.append(cast(self.absent, self.dtype))
            return pd.concat(parts, ignore_index=True), None
        if self.absent is not None:
            values = pd.concat([values, cast(self.absent, self.dtype)], ignore_index=True)
            counts = np.append(counts, self.missing)
        return values, counts

    def _meet(self, dtype: Any, name: Any, where: str) -> None:
        """Widen the common dtype so that it holds another one."""
        self.dtype = dtype if self.dtype is None else common_dtype(self.dtype, dtype, name, where)
        if self.missing > 0:
            self.dtype = common_dtype(self.dtype, None, name, where)

    def _append(self, values: pd.Series, counts: np.ndarray) -> None:
        self.pieces.append((values, counts))
        self._waiting += len(values)
        if self._waiting > _WAITING:
            self._compact()

    def _compact(self) -> None:
        """Count equal values of all pieces together, and keep no more of them than there is room for."""
        pieces = [(cast(values, self.dtype), counts) for values, counts in self.pieces]
        values = pd.concat([piece for piece, _ in pieces], ignore_index=True)
        counts = np.concatenate([piece for _, piece in pieces])
        if not self.is_complete and _is_ordered(self.dtype):
            values, counts = _ends(values), np.zeros(2, dtype=np.int64)
        else:
            codes, found = factorize(values)
            counts = np.bincount(codes, weights=counts, minlength=len(found)).astype(np.int64)
            values = pd.Series(found, dtype=values.dtype, name=values.name)
            if _is_ordered(self.dtype) and len(values) > _MOST_NUMBERS:
                self.is_complete = False
                values, counts = _ends(values), np.zeros(2, dtype=np.int64)
            elif len(values) > _MOST_LEVELS:
                self.is_complete = False
                kept = np.sort(np.argsort(-counts, kind="stable")[:_MOST_LEVELS])
                values, counts = values.iloc[kept].reset_index(drop=True), counts[kept]
        self.pieces = [(values, counts)]
        # What is kept stands for nothing that waits.
        self._waiting = 0


def _is_ordered(dtype: Any) -> bool:
    """Whether a dtype holds numbers or times, of which quantiles make sense."""
    plain = getattr(dtype, "numpy_dtype", dtype)
    return getattr(plain, "kind", "O") in "iufmM" or isinstance(dtype, (pd.DatetimeTZDtype, pd.PeriodDtype))


def _ends(values: pd.Series) -> pd.Series:
    """Return the smallest and the largest of some values."""
    ends = [int(values.argmin()), int(values.argmax())]
    return values.iloc[ends].reset_index(drop=True)
