"""Read a column of numbers as plain 64-bit arrays and write it back in the very dtype it had."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.serialization import Described, Dtype, Scalar
from vaeaug.errors import InputError, RejectedColumn

__all__ = [
    "NumberStorage",
    "as_series",
    "explain_refusal",
    "get_kind",
    "is_object",
    "is_text",
    "is_view",
    "mask_of",
    "read_objects",
    "refuse_infinity",
]


@dataclass
class NumberStorage(Described):
    """Integers and floats: numpy, nullable, Arrow, or one Python type in an object column.

    Parameters
    ----------
    dtype : numpy or pandas dtype
        The column's own.
    marker : None, NaN or pandas.NA
        What stands for a missing entry in an object column.
    """

    dtype: Dtype
    marker: Scalar = np.nan

    @classmethod
    def of(cls, series: pd.Series) -> NumberStorage:
        """Learn how a column is stored.

        Raises
        ------
        RejectedColumn
            When it holds no numbers of at most 64 bits.
        """
        dtype = series.dtype
        if is_object(dtype):
            present, marker = read_objects(series)
            if pd.api.types.infer_dtype(present, skipna=False) in ("integer", "floating"):
                return cls(dtype, marker)
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


def as_series(values: Any, name: Any) -> pd.Series:
    """Return an array as a series of the same dtype."""
    # Left to itself, pandas 3 turns objects that are text into its str dtype.
    return pd.Series(values, name=name, dtype=values.dtype, copy=False)


def mask_of(series: pd.Series) -> np.ndarray:
    """Return where a column is missing, as a plain bool array of shape (n,)."""
    return series.isna().to_numpy(dtype=bool)


def read_objects(series: pd.Series) -> tuple[list[Any], Any]:
    """Return the values of a column of objects, and the marker of missing ones; nothing of other dtypes.

    The marker is the one that most missing entries are, None, NaN, NA or NaT; NaN without missing entries.
    """
    if not is_object(series.dtype):
        return [], None
    missing, values = mask_of(series), series.to_numpy()
    kinds = Counter(map(type, values[missing])).most_common(1)
    markers = {type(marker): marker for marker in (None, pd.NA, pd.NaT)}
    return values[~missing].tolist(), markers.get(kinds[0][0], np.nan) if kinds else np.nan


def get_kind(dtype: Any) -> str:
    """Return the letter that numpy gives to a kind of dtypes; "O" for sparse ones."""
    return "O" if isinstance(dtype, pd.SparseDtype) else dtype.kind


def is_object(dtype: Any) -> bool:
    """Whether a dtype is that of Python objects."""
    return bool(dtype == np.dtype(object))


def is_text(dtype: Any) -> bool:
    """Whether a dtype holds nothing but text."""
    return isinstance(dtype, pd.StringDtype) or (isinstance(dtype, pd.ArrowDtype) and dtype.type is str)


def is_view(dtype: Any) -> bool:
    """Whether a dtype, of pandas or Arrow, is that of Arrow's text in views."""
    return str(dtype).startswith("string_view")


def refuse_infinity(name: Any, count: int, rows: int) -> None:
    """Raise InputError when a column has infinite values."""
    if count:
        raise InputError(
            f"Column {name!r} contains infinity ({count} of {rows} values); allowed are finite numbers and "
            "missing values (NaN). Replace inf by NaN, or clip it, first."
        )


def explain_refusal(series: pd.Series) -> RejectedColumn:
    """Return the error that says why no codec takes a column, and how to convert it."""
    dtype, cell = series.dtype, f"X[{series.name!r}]"
    who = f"Column {series.name!r}"
    if getattr(dtype, "kind", "") == "c":
        return RejectedColumn(f"{who}: Complex data not supported; pass real and imaginary part apart.")
    if not is_object(dtype):
        return RejectedColumn(
            f"{who} has dtype {dtype}; allowed are numbers of up to 64 bits, booleans, text, categories, "
            f"dates and durations. Convert it first, for example {cell} = {cell}.astype(str)."
        )
    kinds = Counter(map(type, read_objects(series)[0])).most_common()
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
        if is_object(dtype):
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
