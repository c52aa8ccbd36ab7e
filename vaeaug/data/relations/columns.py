"""A table column as float64 numbers with NaN where missing, and back into the dtype it had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.relations.rounding import is_same, round_to
from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.data.tables.datetime import TemporalCodec, TimeStorage
from vaeaug.data.tables.dtypes import as_series
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.registry import TranslatedCodec
from vaeaug.utils.wording import list_names

__all__ = ["CATEGORY", "FLAG", "NUMBER", "OTHER", "ColumnView"]

NUMBER, FLAG, CATEGORY, OTHER = "number", "flag", "category", "other"
_EXACT = 2.0**53  # up to here float64 holds every integer
_MOST_DECIMALS = 9
#: Nanoseconds of a tick; times are counted in microseconds, which float64 holds for centuries.
_NANOSECONDS = {
    **{"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60 * 10**9, "h": 3600 * 10**9},
    **{"D": 86_400 * 10**9, "W": 7 * 86_400 * 10**9},
}


class ColumnView:
    """Read and write a column as numbers.

    Numbers are what they are, rounded to the decimals they share; times and durations are microseconds;
    booleans are 0 and 1; categories are the numbers of their levels.

    Parameters
    ----------
    codec : ColumnCodec
        Fitted on the column; it knows dtype and levels.
    decimals : int, optional
        Decimals that all numbers share; :meth:`learn` finds them.

    Attributes
    ----------
    kind : str
        ``"number"``, ``"flag"`` (booleans), ``"category"``, ``"other"`` (no relations are looked for), or a
        name that all columns of one kind of time share.
    """

    def __init__(self, codec: ColumnCodec, decimals: int | None = None) -> None:
        self.codec = codec
        self.decimals = decimals
        self._translation: Any = None
        self._inner: Any = codec
        if isinstance(codec, TranslatedCodec):
            self._translation, self._inner = codec.translation_, codec.codec_
        self.kind, self._ticks = _kind_of(self._inner)

    @property
    def is_level(self) -> bool:
        """Whether numbers are those of levels: of categories and booleans."""
        return self.kind in (CATEGORY, FLAG)

    @property
    def is_time(self) -> bool:
        """Whether the column holds times or durations."""
        return self._ticks is not None

    def learn(self, series: pd.Series) -> ColumnView:
        """Find the decimals that the numbers of a column share; return self."""
        if self.kind in (CATEGORY, OTHER):
            return self
        self.decimals = 0
        if self.kind == FLAG:
            return self
        values, missing = self._inner.storage_.read(self._plain(series))
        present = values[~missing]
        if present.dtype.kind == "f":
            self.decimals = _find_decimals(present, self._inner.storage_.precision)
            return self
        scale = self._ticks or 1.0
        largest = float(np.abs(present.astype(np.float64)).max()) if present.size else 0.0
        if largest * scale >= _EXACT or (scale < 1 and (present % round(1 / scale)).any()):
            self.kind = OTHER
        return self

    def is_like(self, grown: ColumnView) -> bool:
        """Whether a view of more rows reads the same values as the same numbers."""
        if grown.kind != self.kind or not self.is_level:
            then, now = (np.inf if one.decimals is None else one.decimals for one in (self, grown))
            return grown.kind == self.kind and now <= then
        found = self._inner.number(grown._inner)[: self._inner.counts_.size]
        return bool(np.array_equal(found, np.arange(self._inner.counts_.size)))

    def read(self, series: pd.Series) -> np.ndarray:
        """Return float64 numbers of shape (n,), NaN where missing or, for categories, unseen in fit."""
        series = self._plain(series)
        if self.is_level:
            level, missing = self._inner.find(series)
            return np.where(missing | (level < 0), np.nan, level)
        values, missing = self._inner.storage_.read(series)
        found = np.where(missing, np.nan, values.astype(np.float64))
        if self._ticks is not None:
            return np.rint(found * self._ticks)
        return round_to(found, self.decimals)

    def write(self, values: np.ndarray) -> pd.Series:
        """Return numbers as a column of the training dtype; NaN is missing, or 0 where the dtype has none."""
        missing = np.isnan(values)
        if self.is_level:
            level = np.where(missing, -1, values).astype(np.int64)
            series = as_series(self._inner.take(level), self._inner.name)
        else:
            storage = self._inner.storage_
            plain = np.where(missing, 0.0, values)
            if self._ticks is not None:
                found: np.ndarray = np.rint(plain / self._ticks).astype(np.int64)
            else:
                found = self._fit_in(round_to(plain, self.decimals), storage)
            series = as_series(storage.write(found, missing & storage.allows_missing), self._inner.name)
        return series if self._translation is None else self._translation.backward(series)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest number of the dtype; infinite where it has none."""
        whole = _whole_dtype(self._inner.storage_) if self.kind == NUMBER else None
        if whole is None:
            return -np.inf, np.inf
        return float(np.iinfo(whole).min), float(np.iinfo(whole).max)

    @property
    def allows_missing(self) -> bool:
        """Whether the dtype has a place for missing values."""
        if self.is_level:
            return not (isinstance(self._inner.dtype_, np.dtype) and self._inner.dtype_.kind in "biu")
        return bool(self._inner.storage_.allows_missing)

    def is_same(self, values: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return which numbers become equal cells, but for the noise of floats, bool of shape (n,)."""
        if self.decimals is None or self.is_level:
            return is_same(values, others, None)
        step = max(1.0, self._ticks or 1.0) if self.is_time else 10.0**-self.decimals
        return np.asarray(np.abs(values - others) < 0.5 * step) | (np.isnan(values) & np.isnan(others))

    def level(self, value: float) -> Any:
        """Return what users call a number of this view."""
        if np.isnan(value):
            return None
        found = self.write(np.array([value])).iloc[0]
        return (
            found.item() if isinstance(found, np.generic) and not isinstance(found, np.datetime64) else found
        )

    def describe_values(self) -> str:
        """Return what the column holds, as the end of an error."""
        if self.is_level:
            most = min(6, len(self._inner.counts_))
            return f"it holds {list_names([self.level(float(i)) for i in range(most)])}"
        return (
            f"it holds {self.kind}s" if self.kind == NUMBER else f"it holds values of the kind {self.kind!r}"
        )

    def number(self, value: Any) -> float:
        """Return the number of a value as users write it; NaN if no training row has this category.

        Raises
        ------
        ValueError, TypeError
            For text where numbers are needed.
        """
        if self.is_level:
            levels = [self.level(float(i)) for i in range(len(self._inner.counts_))]
            matches = [i for i, level in enumerate(levels) if level == value or str(level) == str(value)]
            return float(matches[0]) if matches else np.nan
        if self._ticks is not None:
            stamp = pd.Timedelta(value) if "duration" in self.kind else pd.Timestamp(value)
            return float(stamp.value // 1000)
        return float(value)

    def _plain(self, series: pd.Series) -> pd.Series:
        return series if self._translation is None else self._translation.forward(series)

    def _fit_in(self, values: np.ndarray, storage: Any) -> np.ndarray:
        whole = _whole_dtype(storage)
        if whole is None:
            is_whole = storage.dtype == np.dtype(object) and self.decimals == 0
            return np.rint(values).astype(np.int64) if is_whole else values
        limits = np.iinfo(whole)
        bounded = np.clip(np.rint(values), float(limits.min), min(float(limits.max), _EXACT))
        return bounded.astype(np.uint64 if whole == np.uint64 else np.int64)


def _whole_dtype(storage: Any) -> np.dtype | None:
    """Return the numpy dtype of a column of integers; None for any other."""
    plain = getattr(storage.dtype, "numpy_dtype", storage.dtype)
    return plain if isinstance(plain, np.dtype) and plain.kind in "iu" else None


def _kind_of(codec: Any) -> tuple[str, float | None]:
    """Return the kind of a column, and the microseconds of its ticks if it holds times."""
    if isinstance(codec, CategoricalCodec):
        is_bool = getattr(codec.levels_.dtype, "kind", "") == "b" and len(codec.levels_) == 2
        return (FLAG if is_bool else CATEGORY), None
    if isinstance(codec, TemporalCodec):
        return _time_kind(codec.storage_)
    return (NUMBER if isinstance(codec, NumericCodec) and codec.axes_ else OTHER), None


def _time_kind(storage: Any) -> tuple[str, float | None]:
    assert isinstance(storage, TimeStorage)
    plain = storage.plain
    if plain is None:
        return "time", _NANOSECONDS["D"] / 1000
    if isinstance(plain, pd.PeriodDtype):
        return OTHER, None
    zoned = isinstance(plain, pd.DatetimeTZDtype)
    unit, count = (plain.unit, 1) if zoned else np.datetime_data(plain)
    if unit not in _NANOSECONDS:
        return OTHER, None
    ticks = _NANOSECONDS[unit] * count / 1000
    if zoned:
        return ("local time" if storage.wall else "zoned time"), ticks
    return ("duration" if plain.kind == "m" else "time"), ticks


def _find_decimals(values: np.ndarray, precision: np.dtype) -> int | None:
    """Return the least number of decimals that writes all numbers exactly in their float dtype, or None."""
    if not values.size:
        return None
    stored = values.astype(precision)
    for part in (slice(0, 200), slice(None)):
        for decimals in range(_MOST_DECIMALS + 1):
            with np.errstate(over="ignore", invalid="ignore"):
                rounded = np.round(values[part], decimals).astype(precision)
            if (rounded == stored[part]).all():
                break
        else:
            return None
    return decimals
