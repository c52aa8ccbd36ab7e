"""Read a pandas column as plain 64-bit numbers and write it back in the very dtype it had."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from vaeaug.codecs.packing import dtype_from_json, dtype_to_json, scalar_from_json, scalar_to_json
from vaeaug.errors import InputError, RejectedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NumberStorage", "Storage", "TimeStorage", "mask_of", "missing_marker", "refusal", "type_counts"]

_EPOCH_MISSING = np.iinfo(np.int64).min  # how numpy and pandas store NaT


class Storage(Protocol):
    """The container side of a column: what users see on one side, int64 / uint64 / float64 on the other."""

    dtype: Any

    def read(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return plain numbers (anything where missing) and the mask of missing entries, both shape (n,)."""
        ...

    def write(self, values: np.ndarray, missing: np.ndarray) -> Any:
        """Return an array of the column's own dtype, shape (n,)."""
        ...


def mask_of(series: pd.Series) -> np.ndarray:
    """Return where a column is missing, as a plain bool array of shape (n,)."""
    return series.isna().to_numpy(dtype=bool)


def missing_marker(values: np.ndarray) -> Any:
    """Return the marker that stands for most of the given missing entries: None, NaN, NA or NaT."""
    if values.size == 0:
        return np.nan
    (kind, _), *_ = Counter(map(type, values)).most_common(1)
    if kind is type(None):
        return None
    if kind is type(pd.NA):
        return pd.NA
    return pd.NaT if kind is type(pd.NaT) else np.nan


def type_counts(series: pd.Series) -> dict[str, int]:
    """Return how many entries of each Python type an object column holds, missing ones left out."""
    counts = Counter(map(type, series.to_numpy(dtype=object)[~mask_of(series)]))
    return {kind.__name__: count for kind, count in counts.most_common()}


def refusal(series: pd.Series) -> RejectedColumn:
    """Explain in one sentence why no codec takes this column, and how to convert it."""
    name, dtype = series.name, series.dtype
    who = f"Column {name!r}"
    if isinstance(dtype, pd.SparseDtype):
        return RejectedColumn(f"{who} is sparse; pass it dense: X[{name!r}] = X[{name!r}].sparse.to_dense().")
    if isinstance(dtype, np.dtype) and dtype.kind == "c":
        return RejectedColumn(
            f"{who}: Complex data not supported; pass real and imaginary part as two columns."
        )
    if dtype == np.dtype(object):
        kinds = type_counts(series)
        listed = ", ".join(f"{kind} ({count})" for kind, count in kinds.items())
        if len(kinds) > 1:
            return RejectedColumn(
                f"{who} mixes types: {listed}; allowed is one type per column (plus missing values). "
                f"Convert it first, for example X[{name!r}] = X[{name!r}].astype(str)."
            )
        advice = {
            "bytes": ".str.decode('utf-8')",
            "Decimal": ".astype('float64')",
            "datetime": ".pipe(pd.to_datetime)",
            "Timestamp": ".pipe(pd.to_datetime)",
            "timedelta": ".pipe(pd.to_timedelta)",
            "Timedelta": ".pipe(pd.to_timedelta)",
            "int": ".astype(str)",
        }.get(next(iter(kinds), ""), ".astype(str)")
        return RejectedColumn(
            f"{who} holds {listed} as Python objects; allowed are text, int, float, bool and datetime.date. "
            f"Convert it first: X[{name!r}] = X[{name!r}]{advice}."
        )
    return RejectedColumn(
        f"{who} has dtype {dtype}; allowed are numbers, booleans, text, categories, dates and durations. "
        f"Convert it first, for example X[{name!r}] = X[{name!r}].astype(str)."
    )


class NumberStorage:
    """Integers and floats: numpy, nullable, Arrow, or one Python type in an object column.

    Parameters
    ----------
    dtype : numpy or pandas dtype
        The column's own.
    marker : None, NaN or pandas.NA
        What stands for a missing entry in an object column.
    python : {"", "int", "float"}
        Type of the entries of an object column.
    """

    def __init__(self, dtype: Any, marker: Any = None, python: str = "") -> None:
        self.dtype = dtype
        self.marker = marker
        self.python = python

    @classmethod
    def of(cls, series: pd.Series) -> NumberStorage:
        """Learn how a column is stored; raise RejectedColumn when it holds no numbers."""
        dtype = series.dtype
        if dtype == np.dtype(object):
            missing = mask_of(series)
            values = series.to_numpy()
            kind = pd.api.types.infer_dtype(values[~missing], skipna=False)
            if kind in ("integer", "floating"):
                python = "int" if kind == "integer" else "float"
                return cls(dtype, missing_marker(values[missing]), python)
        elif _is_real(dtype):
            return cls(dtype)
        raise RejectedColumn(f"Column {series.name!r} holds no integers or floats (dtype {dtype}).")

    @property
    def allows_missing(self) -> bool:
        """Whether the dtype has a place for missing values."""
        return not (isinstance(self.dtype, np.dtype) and self.dtype.kind in "iu")

    @property
    def precision(self) -> np.dtype:
        """Float dtype in which decimals are judged."""
        dtype = getattr(self.dtype, "numpy_dtype", self.dtype)
        return dtype if isinstance(dtype, np.dtype) and dtype.kind == "f" else np.dtype(np.float64)

    def read(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return int64, uint64 or float64 values and the mask of missing entries.

        Raises
        ------
        InputError
            For columns without numbers, and for infinite values (with their count).
        """
        missing = mask_of(series)
        values = _numbers(series, missing)
        if values.dtype.kind == "f":
            missing = missing | np.isnan(values)
            endless = int(np.isinf(values).sum())
            if endless:
                raise InputError(
                    f"Column {series.name!r} contains infinity ({endless} of {values.size} values); allowed are finite "
                    "numbers and missing values (NaN). Replace inf by NaN or clip it first."
                )
        return values, missing

    def write(self, values: np.ndarray, missing: np.ndarray) -> Any:
        """Return an array of the column's dtype with missing entries put back."""
        if isinstance(self.dtype, np.dtype):
            if self.dtype == np.dtype(object):
                result = values.astype(float if self.python == "float" else values.dtype).astype(object)
                result[missing] = self.marker
                return result
            result = values.astype(self.dtype)
            if missing.any():
                result[missing] = np.nan
            return result
        plain = values.astype(self.dtype.numpy_dtype)
        if isinstance(self.dtype, pd.ArrowDtype):
            return _arrow(plain, missing, self.dtype)
        return self.dtype.construct_array_type()(plain, missing.copy())

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {
            "dtype": dtype_to_json(self.dtype),
            "marker": scalar_to_json(self.marker),
            "python": self.python,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NumberStorage:
        """Rebuild from :meth:`to_json`."""
        return cls(dtype_from_json(data["dtype"]), scalar_from_json(data["marker"]), data["python"])


class TimeStorage:
    """Dates, durations and periods as int64 ticks; zones by way of UTC.

    Parameters
    ----------
    dtype : dtype
        The column's own.
    wall : bool
        Count ticks of local wall-clock time instead of UTC. Chosen when all values lie on local midnights
        that daylight saving would otherwise move off the hour.
    marker : None, NaN, NA or NaT
        What stands for a missing entry in an object column of ``datetime.date``.
    """

    allows_missing = True
    precision = np.dtype(np.float64)

    def __init__(self, dtype: Any, wall: bool = False, marker: Any = None) -> None:
        self.dtype = dtype
        self.wall = wall
        self.marker = marker

    @classmethod
    def of(cls, series: pd.Series) -> TimeStorage:
        """Learn how a column is stored; raise RejectedColumn when it holds no times."""
        dtype = series.dtype
        if dtype == np.dtype(object):
            missing = mask_of(series)
            values = series.to_numpy()
            if missing.all() or set(map(type, values[~missing])) != {datetime.date}:
                raise RejectedColumn(
                    f"Column {series.name!r} holds no dates (Python objects of other types)."
                )
            return cls(dtype, marker=missing_marker(values[missing]))
        plain = _plain_time(dtype)
        if plain is None:
            raise RejectedColumn(f"Column {series.name!r} holds no dates or durations (dtype {dtype}).")
        wall = isinstance(plain, pd.DatetimeTZDtype) and _on_local_midnights(series.astype(plain).dropna())
        return cls(dtype, wall=wall)

    def read(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return int64 ticks in the training unit and the mask of missing entries."""
        missing = mask_of(series)
        plain = _plain_time(self.dtype)
        try:
            if plain is None:
                days = np.where(missing, np.datetime64("NaT"), series.to_numpy(dtype=object))
                return days.astype("datetime64[D]").astype(np.int64), missing
            if isinstance(plain, pd.DatetimeTZDtype):
                found = series if series.dtype == plain else series.astype(plain)
                return self._zoned_ticks(found), missing
            found = series if series.dtype == plain else series.astype(plain)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"Column {series.name!r} has dtype {series.dtype} but had {self.dtype} in fit; "
                f"convert it first ({error})."
            ) from error
        return np.asarray(
            found.array.asi8 if hasattr(found.array, "asi8") else found.astype(np.int64)
        ), missing

    def write(self, values: np.ndarray, missing: np.ndarray) -> Any:
        """Return an array of the column's dtype with missing entries put back."""
        ticks = np.where(missing, _EPOCH_MISSING, values)
        plain = _plain_time(self.dtype)
        if plain is None:
            result = ticks.view("datetime64[D]").astype(object)
            result[missing] = self.marker
            return result
        if isinstance(plain, pd.PeriodDtype):
            return pd.arrays.PeriodArray(ticks, dtype=plain)
        if isinstance(plain, pd.DatetimeTZDtype):
            found: Any = self._zoned_array(ticks, plain)
        else:
            found = ticks.view(plain)
        if self.dtype == plain:
            return found
        return pd.Series(found).astype(self.dtype).array

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"dtype": dtype_to_json(self.dtype), "wall": self.wall, "marker": scalar_to_json(self.marker)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TimeStorage:
        """Rebuild from :meth:`to_json`."""
        return cls(dtype_from_json(data["dtype"]), data["wall"], scalar_from_json(data["marker"]))

    def _zoned_ticks(self, series: pd.Series) -> np.ndarray:
        local = series.dt.tz_localize(None) if self.wall else series.dt.tz_convert("UTC").dt.tz_localize(None)
        return local.to_numpy().view(np.int64)

    def _zoned_array(self, ticks: np.ndarray, plain: pd.DatetimeTZDtype) -> Any:
        times = pd.DatetimeIndex(ticks.view(f"datetime64[{plain.unit}]"))
        if self.wall:
            return _localize(times, plain.tz).array
        return times.tz_localize("UTC").tz_convert(plain.tz).array


def _is_real(dtype: Any) -> bool:
    if isinstance(dtype, np.dtype):
        return dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize <= 8)
    if isinstance(dtype, pd.ArrowDtype):
        return dtype.kind in "iuf" and dtype.numpy_dtype.kind in "iuf"
    return (
        isinstance(dtype, pd.api.extensions.ExtensionDtype)
        and hasattr(dtype, "numpy_dtype")
        and (dtype.kind in "iuf" and not isinstance(dtype, pd.SparseDtype))
    )


def _numbers(series: pd.Series, missing: np.ndarray) -> np.ndarray:
    """Return int64, uint64 or float64 values of a numeric-looking column, 0 where missing."""
    dtype = series.dtype
    try:
        if isinstance(dtype, np.dtype):
            values = series.to_numpy()
            if dtype.kind == "O":
                values = np.where(missing, 0, values)
                kind = pd.api.types.infer_dtype(values, skipna=False)
                return values.astype(np.int64 if kind in ("integer", "boolean") else np.float64)
            return values.astype(_wide(dtype))
        plain = getattr(dtype, "numpy_dtype", None)
        if plain is None or plain.kind not in "iufb":
            plain = np.dtype(np.float64)
        return series.to_numpy(dtype=_wide(plain), na_value=0)
    except OverflowError as error:
        raise RejectedColumn(
            f"Column {series.name!r} holds integers beyond 64 bits; convert it to float or to text first."
        ) from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Column {series.name!r} held numbers in fit and now has dtype {dtype}, which does not convert ({error})."
        ) from error


def _wide(dtype: np.dtype) -> np.dtype:
    if dtype.kind == "f" or dtype.kind not in "iub":
        return np.dtype(np.float64)
    return np.dtype(np.uint64) if dtype == np.dtype(np.uint64) else np.dtype(np.int64)


def _arrow(values: np.ndarray, missing: np.ndarray, dtype: pd.ArrowDtype) -> Any:
    import pyarrow

    return pd.arrays.ArrowExtensionArray(pyarrow.array(values, type=dtype.pyarrow_dtype, mask=missing))


def _plain_time(dtype: Any) -> Any:
    """Return the pandas or numpy time dtype behind a dtype, or None."""
    if isinstance(dtype, (pd.DatetimeTZDtype, pd.PeriodDtype)):
        return dtype
    if isinstance(dtype, np.dtype):
        return dtype if dtype.kind in "mM" else None
    if isinstance(dtype, pd.ArrowDtype) and dtype.kind in "mM":
        kind = dtype.pyarrow_dtype
        unit = getattr(kind, "unit", None)
        if unit in ("s", "ms", "us", "ns"):
            zone = getattr(kind, "tz", None)
            if zone is not None:
                return pd.DatetimeTZDtype(unit, zone)
            return np.dtype(f"{dtype.kind}8[{unit}]")
    return None


def _on_local_midnights(series: pd.Series) -> bool:
    """Whether all values are local midnights that come back from the wall clock as they were."""
    if series.empty:
        return False
    local = series.dt.tz_localize(None)
    if not (local == local.dt.normalize()).all():
        return False
    return bool((_localize(pd.DatetimeIndex(local), series.dt.tz) == pd.DatetimeIndex(series)).all())


def _localize(times: pd.DatetimeIndex, zone: Any) -> pd.DatetimeIndex:
    first = np.ones(len(times), dtype=bool)  # an ambiguous hour is read as its first, summer-time pass
    return times.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
