"""Read a column of numbers as plain 64-bit arrays and write it back in the very dtype it had."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from vaeaug.data.tables.serialization import dtype_from_json, dtype_to_json, scalar_from_json, scalar_to_json
from vaeaug.errors import InputError, RejectedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NumberStorage", "Storage", "as_series", "mask_of", "missing_marker", "refusal", "refuse_infinity"]


class Storage(Protocol):
    """The container side of a column: what users see on one side, plain 64-bit numbers on the other."""

    dtype: Any

    @property
    def allows_missing(self) -> bool:
        """Whether the dtype has a place for missing values."""
        ...

    @property
    def precision(self) -> np.dtype:
        """Float dtype in which shared decimals are judged."""
        ...

    def read(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return int64, uint64 or float64 values and the mask of missing entries, both shape (n,)."""
        ...

    def write(self, values: np.ndarray, missing: np.ndarray) -> Any:
        """Return an array of the column's own dtype, shape (n,), with missing entries put back."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        ...


class NumberStorage:
    """Integers and floats: numpy, nullable, Arrow, or one Python type in an object column.

    Parameters
    ----------
    dtype : numpy or pandas dtype
        The column's own.
    marker : None, NaN or pandas.NA
        What stands for a missing entry in an object column.
    """

    def __init__(self, dtype: Any, marker: Any = np.nan) -> None:
        self.dtype = dtype
        self.marker = marker

    @classmethod
    def of(cls, series: pd.Series) -> NumberStorage:
        """Learn how a column is stored.

        Raises
        ------
        RejectedColumn
            When it holds no numbers of at most 64 bits.
        """
        dtype = series.dtype
        if dtype == np.dtype(object):
            missing = mask_of(series)
            values = series.to_numpy()
            if pd.api.types.infer_dtype(values[~missing], skipna=False) in ("integer", "floating"):
                return cls(dtype, missing_marker(values[missing]))
        elif _is_real(dtype):
            return cls(dtype)
        raise RejectedColumn(f"Column {series.name!r} holds no integers or floats (dtype {dtype}).")

    @property
    def allows_missing(self) -> bool:
        """Whether the dtype has a place for missing values."""
        return not (isinstance(self.dtype, np.dtype) and self.dtype.kind in "iu")

    @property
    def precision(self) -> np.dtype:
        """Float dtype in which shared decimals are judged."""
        dtype = getattr(self.dtype, "numpy_dtype", self.dtype)
        return dtype if isinstance(dtype, np.dtype) and dtype.kind == "f" else np.dtype(np.float64)

    def read(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return int64, uint64 or float64 values (0 where missing) and the mask of missing entries.

        Raises
        ------
        InputError
            For columns without numbers, and for infinite values (with their count).
        """
        missing = mask_of(series)
        values = _numbers(series, missing)
        if values.dtype.kind == "f":
            refuse_infinity(series.name, int(np.isinf(values).sum()), values.size)
            # Nullable and Arrow floats may hold NaN beside NA: both are missing.
            missing = missing | np.isnan(values)
        return values, missing

    def write(self, values: np.ndarray, missing: np.ndarray) -> Any:
        """Return an array of the column's own dtype, shape (n,), with missing entries put back."""
        if isinstance(self.dtype, np.dtype):
            result = values.astype(self.dtype)
            if missing.any():
                result[missing] = self.marker
            return result
        plain = values.astype(self.dtype.numpy_dtype)
        if isinstance(self.dtype, pd.ArrowDtype):
            return _arrow(plain, missing, self.dtype)
        return self.dtype.construct_array_type()(plain, missing.copy())

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"dtype": dtype_to_json(self.dtype), "marker": scalar_to_json(self.marker)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> NumberStorage:
        """Rebuild from :meth:`to_json`."""
        return cls(dtype_from_json(data["dtype"]), scalar_from_json(data["marker"]))


def as_series(values: Any, name: Any) -> pd.Series:
    """Return an array as a series of the same dtype."""
    # Left to itself, pandas 3 turns objects that are text into its str dtype.
    return pd.Series(values, name=name, dtype=values.dtype, copy=False)


def mask_of(series: pd.Series) -> np.ndarray:
    """Return where a column is missing, as a plain bool array of shape (n,)."""
    return series.isna().to_numpy(dtype=bool)


def missing_marker(values: np.ndarray) -> Any:
    """Return the marker that most of the given missing entries are: None, NaN, NA or NaT; NaN for none."""
    for kind, _ in Counter(map(type, values)).most_common(1):
        for marker in (None, pd.NA, pd.NaT):
            if kind is type(marker):
                return marker
    return np.nan


def refuse_infinity(name: Any, count: int, rows: int) -> None:
    """Raise InputError when a column has infinite values."""
    if count:
        raise InputError(
            f"Column {name!r} contains infinity ({count} of {rows} values); allowed are finite numbers and "
            "missing values (NaN). Replace inf by NaN, or clip it, first."
        )


def refusal(series: pd.Series) -> RejectedColumn:
    """Return the error that says why no codec takes a column, and how to convert it."""
    dtype, cell = series.dtype, f"X[{series.name!r}]"
    who = f"Column {series.name!r}"
    if getattr(dtype, "kind", "") == "c":
        return RejectedColumn(f"{who}: Complex data not supported; pass real and imaginary part apart.")
    if dtype != np.dtype(object):
        return RejectedColumn(
            f"{who} has dtype {dtype}; allowed are numbers of up to 64 bits, booleans, text, categories, "
            f"dates and durations. Convert it first, for example {cell} = {cell}.astype(str)."
        )
    kinds = Counter(map(type, series.to_numpy()[~mask_of(series)])).most_common()
    listed = ", ".join(f"{kind.__name__} ({count})" for kind, count in kinds)
    if len(kinds) > 1:
        # As text, numbers would become categories.
        numbers = any(issubclass(kind, (int, float)) for kind, _ in kinds)
        also = f", or to numbers: {cell} = pd.to_numeric({cell}, errors='coerce')" if numbers else ""
        return RejectedColumn(
            f"{who} mixes types: {listed}; allowed is one type per column (integers and floats count as "
            f"one), and missing values. Convert it first to text: {cell} = {cell}.astype(str){also}."
        )
    advice = _ADVICE.get(kinds[0][0].__name__ if kinds else "", ".astype(str)")
    return RejectedColumn(
        f"{who} holds Python objects of type {listed}; allowed are text, int, float, bool, Decimal, UUID, "
        f"and dates, times and durations of one time zone. Convert it first: {cell} = {cell}{advice}."
    )


_ADVICE = {
    "bytes": ".str.decode('utf-8')",
    "datetime": ".pipe(pd.to_datetime, utc=True)",
    "Timestamp": ".pipe(pd.to_datetime, utc=True)",
    "Period": ".pipe(pd.PeriodIndex)",
    "Interval": ".astype('category')",
}


def _is_real(dtype: Any) -> bool:
    # Nullable and Arrow numbers alike say which numpy dtype they wrap; sparse ones do not.
    plain = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)
    return isinstance(plain, np.dtype) and plain.kind in "iuf" and plain.itemsize <= 8


def _numbers(series: pd.Series, missing: np.ndarray) -> np.ndarray:
    """Return int64, uint64 or float64 values of a numeric-looking column, 0 where missing."""
    dtype = series.dtype
    try:
        if dtype == np.dtype(object):
            values = np.where(missing, 0, series.to_numpy())
            kind = pd.api.types.infer_dtype(values, skipna=False)
            if kind in ("integer", "boolean", "floating", "mixed-integer-float", "decimal"):
                return values.astype(np.int64 if kind in ("integer", "boolean") else np.float64)
        elif isinstance(dtype, np.dtype):
            if dtype.kind in "biuf":
                return series.to_numpy().astype(_wide(dtype))
        elif (plain := _plain_number(dtype)) is not None:
            return series.to_numpy(dtype=_wide(plain), na_value=0)
    except OverflowError as error:
        raise RejectedColumn(
            f"Column {series.name!r} holds integers beyond 64 bits; convert it to float or to text first."
        ) from error
    except (TypeError, ValueError):
        pass
    if missing.all():
        return np.zeros(missing.size)
    raise InputError(
        f"Column {series.name!r} held numbers in fit and has dtype {dtype} now; convert it to numbers first."
    )


def _plain_number(dtype: Any) -> np.dtype | None:
    """Return the numpy dtype in which an extension array's numbers can be read, or None."""
    if isinstance(dtype, pd.CategoricalDtype):
        return np.dtype(np.float64)
    plain = getattr(dtype, "numpy_dtype", None)
    return plain if isinstance(plain, np.dtype) and plain.kind in "biuf" else None


def _wide(dtype: np.dtype) -> np.dtype:
    if dtype.kind == "f":
        return np.dtype(np.float64)
    return np.dtype(np.uint64) if dtype == np.dtype(np.uint64) else np.dtype(np.int64)


def _arrow(values: np.ndarray, missing: np.ndarray, dtype: pd.ArrowDtype) -> Any:
    import pyarrow

    return pd.arrays.ArrowExtensionArray(pyarrow.array(values, type=dtype.pyarrow_dtype, mask=missing))
