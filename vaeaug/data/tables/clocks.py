"""Times of day, and the objects of Python's datetime, as columns of times and back."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.dtypes import mask_of, missing_marker
from vaeaug.data.tables.serialization import dtype_from_json, dtype_to_json, scalar_from_json
from vaeaug.data.tables.translation import Translation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PythonTimes", "TimesOfDay"]

_PYTHON_TIMES: dict[str, type] = {
    "datetime": datetime.datetime,
    "timedelta": datetime.timedelta,
    "Timestamp": pd.Timestamp,
    "Timedelta": pd.Timedelta,
}


class TimesOfDay(Translation):
    """Times of day, of Python or Arrow, as the time since midnight."""

    kind = "times of day"

    @classmethod
    def of(cls, series: pd.Series) -> TimesOfDay | None:
        """Take Arrow's times, and objects that are times without a zone."""
        if _is_arrow_time(series.dtype):
            return cls(series.dtype)
        if series.dtype != np.dtype(object):
            return None
        missing = mask_of(series)
        values = series.to_numpy()
        present = values[~missing].tolist()
        if set(map(type, present)) != {datetime.time} or any(value.tzinfo for value in present):
            return None
        return cls(series.dtype, missing_marker(values[missing]))

    def forward(self, series: pd.Series) -> pd.Series:
        """Return the time since midnight in the unit of the column."""
        missing, dtype = mask_of(series), series.dtype
        if _is_arrow_time(dtype):
            import pyarrow as pa

            kind: Any = getattr(dtype, "pyarrow_dtype", None)
            plain = pa.chunked_array(series.array.__arrow_array__())
            ticks = plain.cast(pa.int64() if kind.bit_width == 64 else pa.int32()).fill_null(0)
            ticks, unit = ticks.to_numpy().astype(np.int64), kind.unit
        else:
            try:
                listed = [
                    0 if gap else _microseconds(value)
                    for value, gap in zip(series.to_numpy(dtype=object), missing, strict=True)
                ]
            except (AttributeError, TypeError) as error:
                raise self.refuse(series, "times of day") from error
            ticks, unit = np.array(listed, dtype=np.int64), "us"
        ticks = np.where(missing, np.iinfo(np.int64).min, ticks)
        since = ticks.view(f"timedelta64[{unit}]").astype(f"timedelta64[{self._unit}]")
        return pd.Series(since, index=series.index, name=series.name)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return times of day."""
        missing = mask_of(series)
        ticks = np.where(missing, 0, series.to_numpy().view(np.int64))
        if self.dtype == np.dtype(object):
            midnight = datetime.datetime.min
            found = [(midnight + datetime.timedelta(microseconds=int(tick))).time() for tick in ticks]
            return self._objects(found, missing, series.name)
        import pyarrow as pa

        kind = self.dtype.pyarrow_dtype
        plain = pa.array(ticks, type=pa.int64() if kind.bit_width == 64 else pa.int32(), mask=missing)
        return pd.Series(pd.arrays.ArrowExtensionArray(plain.cast(kind)), name=series.name)

    @property
    def _unit(self) -> str:
        return "us" if self.dtype == np.dtype(object) else self.dtype.pyarrow_dtype.unit


class PythonTimes(Translation):
    """Objects that are dates with a time, or durations, of Python or pandas, as columns of times.

    Parameters
    ----------
    dtype, marker
        See :class:`Translation`.
    name : str
        Of their type, a key of ``_PYTHON_TIMES``.
    plain : dtype
        Of the column of times.
    """

    kind = "python times"

    def __init__(self, dtype: Any, marker: Any, name: str, plain: Any) -> None:
        super().__init__(dtype, marker)
        self.name, self.plain = name, plain

    @classmethod
    def of(cls, series: pd.Series) -> PythonTimes | None:
        """Take objects of one such type and of one time zone."""
        if series.dtype != np.dtype(object):
            return None
        missing = mask_of(series)
        values = series.to_numpy()
        kinds = set(map(type, values[~missing].tolist()))
        name = next((name for name, kind in _PYTHON_TIMES.items() if kinds == {kind}), None)
        if name is None:
            return None
        try:
            plain = _as_times(series, missing, name)
        except (TypeError, ValueError, OverflowError):  # zones that differ, dates beyond any unit
            return None
        if getattr(plain.dtype, "kind", "O") not in "mM":
            return None
        return cls(series.dtype, missing_marker(values[missing]), name, plain.dtype)

    def forward(self, series: pd.Series) -> pd.Series:
        """Return a column of times."""
        if series.dtype == self.plain:
            return series
        if mask_of(series).all():
            return pd.Series(pd.NaT, index=series.index, name=series.name, dtype=self.plain)
        try:
            return _as_times(series, mask_of(series), self.name).astype(self.plain)
        except (TypeError, ValueError, OverflowError) as error:
            raise self.refuse(series, f"objects of type {self.name}") from error

    def backward(self, series: pd.Series) -> pd.Series:
        """Return objects."""
        missing = mask_of(series)
        found = list(series)
        if self.name == "datetime":
            found = [
                None if gap else value.to_pydatetime() for value, gap in zip(found, missing, strict=True)
            ]
        elif self.name == "timedelta":
            found = [
                None if gap else value.to_pytimedelta() for value, gap in zip(found, missing, strict=True)
            ]
        return self._objects(found, missing, series.name)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {**super().to_json(), "name": self.name, "plain": dtype_to_json(self.plain)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PythonTimes:
        """Rebuild from :meth:`to_json`."""
        dtype, plain = dtype_from_json(data["dtype"]), dtype_from_json(data["plain"])
        return cls(dtype, scalar_from_json(data["marker"]), data["name"], plain)


def _is_arrow_time(dtype: Any) -> bool:
    if not isinstance(dtype, pd.ArrowDtype):
        return False
    from pyarrow import types

    return bool(types.is_time(dtype.pyarrow_dtype))


def _microseconds(value: datetime.time) -> int:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def _as_times(series: pd.Series, missing: np.ndarray, name: str) -> pd.Series:
    """Return objects as a column of times."""
    objects = series.astype(object).mask(missing, None)
    if name.lower() == "timedelta":
        return pd.to_timedelta(objects)
    return pd.to_datetime(objects)
