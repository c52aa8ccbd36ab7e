"""Dates, durations and periods as int64 ticks, and the codec that bins them like numbers."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from vaeaug.data.tables.dtypes import mask_of, read_objects
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.serialization import Described, Dtype, Scalar
from vaeaug.errors import InputError, RejectedColumn

__all__ = ["TemporalCodec", "TimeStorage"]

_MISSING = np.iinfo(np.int64).min  # how numpy and pandas store NaT


@dataclass
class TimeStorage(Described):
    """Dates, durations and periods as int64 ticks of the column's unit; zones by way of UTC.

    Parameters
    ----------
    dtype : dtype
        The column's own.
    wall : bool
        Count ticks of local wall-clock time instead of UTC: for columns of local midnights, which daylight
        saving moves off the whole day in UTC.
    marker : None, NaN, NA or NaT
        What stands for a missing entry in an object column of ``datetime.date``.
    """

    dtype: Dtype
    wall: bool = False
    marker: Scalar = np.nan
    allows_missing: ClassVar[bool] = True
    precision: ClassVar[np.dtype] = np.dtype(np.float64)

    def __post_init__(self) -> None:
        self.plain = _plain_time(self.dtype)

    @classmethod
    def of(cls, series: pd.Series) -> TimeStorage:
        """Learn how a column is stored.

        Raises
        ------
        RejectedColumn
            When it holds no times.
        """
        dtype = series.dtype
        present, marker = read_objects(series)
        if present:
            if set(map(type, present)) == {datetime.date}:
                return cls(dtype, marker=marker)
        elif (plain := _plain_time(dtype)) is not None:
            zoned = isinstance(plain, pd.DatetimeTZDtype)
            return cls(dtype, wall=zoned and _on_local_midnights(series.astype(plain).dropna()))
        raise RejectedColumn(f"Column {series.name!r} holds no dates or durations (dtype {dtype}).")

    def read(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return int64 ticks (anything where missing) and the mask of missing entries.

        Raises
        ------
        InputError
            For columns that do not convert to the training dtype.
        """
        missing = mask_of(series)
        if missing.all():
            return np.zeros(missing.size, dtype=np.int64), missing
        try:
            return self._ticks(series, missing), missing
        except (TypeError, ValueError) as error:
            raise InputError(
                f"Column {series.name!r} had dtype {self.dtype} in fit and has {series.dtype} now; convert "
                f"it to {self.dtype} first."
            ) from error

    def write(self, values: np.ndarray, missing: np.ndarray) -> Any:
        """Return an array of the column's own dtype, shape (n,), with missing entries put back."""
        ticks = np.where(missing, _MISSING, values)
        plain = self.plain
        if plain is None:
            dates = ticks.view("datetime64[D]").astype(object)
            dates[missing] = self.marker
            return dates
        if isinstance(plain, pd.PeriodDtype):
            return pd.arrays.PeriodArray(ticks, dtype=plain)
        found: Any = ticks.view(plain) if isinstance(plain, np.dtype) else self._put_zone(ticks, plain)
        return found if self.dtype == plain else pd.Series(found).astype(self.dtype).array

    def _ticks(self, series: pd.Series, missing: np.ndarray) -> np.ndarray:
        if self.plain is None:
            days = np.where(missing, np.datetime64("NaT"), series.to_numpy(dtype=object))
            return days.astype("datetime64[D]").astype(np.int64)
        if pd.api.types.is_numeric_dtype(series.dtype):
            raise TypeError("numbers are no times")
        found = series if series.dtype == self.plain else series.astype(self.plain)
        if isinstance(self.plain, pd.DatetimeTZDtype):
            found = (found if self.wall else found.dt.tz_convert("UTC")).dt.tz_localize(None)
        if isinstance(self.plain, pd.PeriodDtype):
            return np.asarray(found.array.asi8)
        return found.to_numpy().view(np.int64)

    def _put_zone(self, ticks: np.ndarray, plain: pd.DatetimeTZDtype) -> Any:
        times = pd.DatetimeIndex(ticks.view(f"datetime64[{plain.unit}]"))
        if self.wall:
            return _localize(times, plain.tz).array
        return times.tz_localize("UTC").tz_convert(plain.tz).array


class TemporalCodec(NumericCodec):
    """Encode dates, durations and periods as the numbers of their ticks; whole days stay whole days."""

    kind: ClassVar[str] = "temporal"
    storage_type: ClassVar[Any] = TimeStorage


def _plain_time(dtype: Any) -> Any:
    """Return the numpy or pandas time dtype behind a dtype, or None."""
    if isinstance(dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)):
        return dtype
    if isinstance(dtype, np.dtype):
        return dtype if dtype.kind in "mM" else None
    if isinstance(dtype, pd.ArrowDtype) and dtype.kind in "mM":
        arrow = dtype.pyarrow_dtype
        unit = getattr(arrow, "unit", None)
        if unit is None:  # Arrow's date32 and date64
            return np.dtype("datetime64[s]")
        zone = getattr(arrow, "tz", None)
        return np.dtype(f"{dtype.kind}8[{unit}]") if zone is None else pd.DatetimeTZDtype(unit, zone)
    return None


def _on_local_midnights(series: pd.Series) -> bool:
    """Whether all values are local midnights that come back from the wall clock as they were."""
    local = series.dt.tz_localize(None)
    if series.empty or not (local == local.dt.normalize()).all():
        return False
    return bool((_localize(pd.DatetimeIndex(local), series.dt.tz) == pd.DatetimeIndex(series)).all())


def _localize(times: pd.DatetimeIndex, zone: Any) -> pd.DatetimeIndex:
    first = np.ones(len(times), dtype=bool)  # an ambiguous hour is read as its first, summer-time pass
    return times.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
