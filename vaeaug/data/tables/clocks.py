"""Times of day, and the objects of Python's datetime, as columns of times and back."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.dtypes import is_object, mask_of, read_objects
from vaeaug.data.tables.serialization import Dtype
from vaeaug.data.tables.translation import TypedTranslation
from vaeaug.utils.frames import chunks_of

__all__ = ["PythonTimes", "TimesOfDay"]

#: Name of a type -> the type, and how a time of pandas becomes one.
_PYTHON_TIMES: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "datetime": (datetime.datetime, pd.Timestamp.to_pydatetime),
    "timedelta": (datetime.timedelta, pd.Timedelta.to_pytimedelta),
    "Timestamp": (pd.Timestamp, lambda time: time),
    "Timedelta": (pd.Timedelta, lambda time: time),
}


class TimesOfDay(TypedTranslation):
    """Times of day, of Python or Arrow, as the time since midnight."""

    kind = "times of day"

    @classmethod
    def of(cls, series: pd.Series) -> TimesOfDay | None:
        """Take Arrow's times, and objects that are times without a zone."""
        if _is_arrow_time(series.dtype):
            return cls(series.dtype)
        present, marker = read_objects(series)
        if set(map(type, present)) != {datetime.time} or any(value.tzinfo for value in present):
            return None
        return cls(series.dtype, marker)

    def forward(self, series: pd.Series) -> pd.Series:
        """Return the time since midnight in the unit of the column."""
        if _is_arrow_time(series.dtype):
            import pyarrow as pa

            times = chunks_of(series)
            ticks = times.cast(_integers_of(times.type)).cast(pa.int64())
            since = ticks.cast(pa.duration(times.type.unit)).to_numpy()
        else:
            missing = mask_of(series)
            try:
                since = [
                    None if gap else _since_midnight(value)
                    for value, gap in zip(series.to_numpy(dtype=object), missing, strict=True)
                ]
            except (AttributeError, TypeError) as error:
                raise self.refuse(series, "times of day") from error
        unit = "us" if is_object(self.dtype) else self.dtype.pyarrow_dtype.unit
        plain = np.array(since, dtype="timedelta64[us]" if isinstance(since, list) else None)
        return pd.Series(plain.astype(f"timedelta64[{unit}]"), index=series.index, name=series.name)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return times of day."""
        if is_object(self.dtype):
            return self.restore(series, lambda since: (datetime.datetime.min + since.to_pytimedelta()).time())
        import pyarrow as pa

        kind = self.dtype.pyarrow_dtype
        times = pa.array(series).cast(pa.int64()).cast(_integers_of(kind)).cast(kind)
        return pd.Series(pd.arrays.ArrowExtensionArray(times), name=series.name)


@dataclass
class PythonTimes(TypedTranslation):
    """Objects that are dates with a time, or durations, of Python or pandas, as columns of times.

    Parameters
    ----------
    dtype, marker
        See :class:`TypedTranslation`.
    name : str
        Of their type, a key of ``_PYTHON_TIMES``.
    plain : dtype
        Of the column of times.
    """

    name: str = ""
    plain: Dtype = None
    kind = "python times"

    @classmethod
    def of(cls, series: pd.Series) -> PythonTimes | None:
        """Take objects of one such type and of one time zone."""
        present, marker = read_objects(series)
        kinds = set(map(type, present))
        name = next((name for name, (kind, _) in _PYTHON_TIMES.items() if kinds == {kind}), None)
        if name is None:
            return None
        try:
            plain = _as_times(series, name).dtype
        except (TypeError, ValueError, OverflowError):  # zones that differ, dates beyond any unit
            return None
        if getattr(plain, "kind", "O") not in "mM":
            return None
        return cls(series.dtype, marker, name, plain)

    def forward(self, series: pd.Series) -> pd.Series:
        """Return a column of times."""
        if series.dtype == self.plain:
            return series
        if mask_of(series).all():
            return pd.Series(pd.NaT, index=series.index, name=series.name, dtype=self.plain)
        try:
            return _as_times(series, self.name).astype(self.plain)
        except (TypeError, ValueError, OverflowError) as error:
            raise self.refuse(series, f"objects of type {self.name}") from error

    def backward(self, series: pd.Series) -> pd.Series:
        """Return objects."""
        return self.restore(series, _PYTHON_TIMES[self.name][1])


def _is_arrow_time(dtype: Any) -> bool:
    if not isinstance(dtype, pd.ArrowDtype):
        return False
    from pyarrow import types

    return bool(types.is_time(dtype.pyarrow_dtype))


def _since_midnight(value: Any) -> datetime.timedelta:
    hours, minutes = value.hour, value.minute
    return datetime.timedelta(0, value.second, value.microsecond, minutes=minutes, hours=hours)


def _integers_of(kind: Any) -> Any:
    """Return the type of integers that Arrow turns into a type of times."""
    import pyarrow as pa

    return pa.int64() if kind.bit_width == 64 else pa.int32()


def _as_times(series: pd.Series, name: str) -> pd.Series:
    """Return objects as a column of times."""
    objects = series.astype(object).mask(mask_of(series), None)
    return pd.to_timedelta(objects) if name.lower() == "timedelta" else pd.to_datetime(objects)
