"""Columns of any type as numbers or as categories: how those who judge read a table."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from vaeaug.errors import InputError
from vaeaug.utils.frames import chunks_of, to_pandas
from vaeaug.utils.wording import list_names

__all__ = [
    "as_array",
    "as_frame",
    "empty_columns",
    "fill_columns",
    "find_origin",
    "is_continuous",
    "odd_cells",
    "read_numbers",
    "simplify",
]

_EPOCH = datetime.datetime(1970, 1, 1)
_TICK = datetime.timedelta(microseconds=1)
_NUMBERS = (int, float, Decimal, np.integer, np.floating)
#: Up to here every integer is a float.
_EXACT = 2**53


def as_array(values: Any, name: str, dtype: Any = None) -> np.ndarray:
    """Return anything that is an array, a tensor or a frame as an array.

    Parameters
    ----------
    values : array-like, tensor, frame or sparse matrix
    name : str
        What messages call it.
    dtype : dtype, optional

    Raises
    ------
    InputError
    """
    values = to_pandas(values)
    if sparse.issparse(values):
        values = values.toarray()
    detach = getattr(values, "detach", None)  # a tensor of torch
    try:
        return np.asarray(detach().cpu() if detach is not None else values, dtype=dtype)
    except (TypeError, ValueError) as error:
        what = "an array" if dtype is None else "an array of numbers"
        raise InputError(
            f"{name} must be {what}, got a {type(values).__name__} that is none: {error}."
        ) from error


def as_frame(table: Any, name: str) -> pd.DataFrame:
    """Return a table as a DataFrame with rows, columns and unique column names, not copied.

    Parameters
    ----------
    table : DataFrame of pandas or Polars, table of pyarrow, dict of columns, or array (rows, columns)
    name : str
        What messages call it.

    Raises
    ------
    InputError
    """
    table = to_pandas(table)
    if isinstance(table, dict) and not sparse.issparse(table):
        try:
            table = pd.DataFrame(table)
        except ValueError as error:
            raise InputError(f"{name} must be a table, got a dict that is none: {error}.") from error
    if not isinstance(table, pd.DataFrame):
        table = as_array(table, name)
        if table.ndim != 2:
            raise InputError(
                f"{name} must be a DataFrame or a 2-d array (rows, columns), got {table.ndim} dimension(s)."
            )
        table = pd.DataFrame(table)
        if table.dtypes.eq(object).any():
            table = table.infer_objects()
    if table.shape[0] == 0 or table.shape[1] == 0:
        raise InputError(
            f"{name} must have at least one row and one column, got {table.shape[0]} rows and "
            f"{table.shape[1]} columns."
        )
    if not table.columns.is_unique:
        twice = list(table.columns[table.columns.duplicated()].unique())
        raise InputError(f"{name} has duplicated column names {twice}; rename or drop them.")
    return table


def simplify(column: pd.Series) -> pd.Series:
    """Return a column in a dtype that numpy reckons with, if it has another; categories stay categories.

    Decimals and mixed numbers become floats, times of day durations, periods their beginnings, and objects
    that are dates or durations columns of these; times in a zone may become those of UTC.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        return column.astype(dtype.subtype)
    if isinstance(dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if isinstance(dtype, pd.IntervalDtype):
        return column.astype(object)
    if isinstance(dtype, pd.ArrowDtype) and dtype.kind not in "iub":
        return _from_arrow(column)
    return _from_objects(column) if dtype == np.dtype(object) else column


def is_continuous(column: pd.Series) -> bool:
    """Whether a simple column is compared by its order: numeric (not boolean), datetime or timedelta."""
    types = pd.api.types
    if types.is_bool_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return (
        (types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype))
        or types.is_datetime64_any_dtype(column.dtype)
        or types.is_timedelta64_dtype(column.dtype)
    )


def read_numbers(column: pd.Series, origin: Any = None) -> np.ndarray:
    """Return a simple column as float64 (n,), dates and durations in seconds, missing as NaN.

    Parameters
    ----------
    column : Series
        As :func:`simplify` returns it.
    origin : number or Timestamp, optional
        Is 0; by default 1970, or the number 0. Large integers that lie close together are different floats
        only above an origin among them.

    Raises
    ------
    TypeError, ValueError
        For a column that holds no numbers.
    """
    types = pd.api.types
    if types.is_datetime64_any_dtype(column.dtype) or isinstance(origin, pd.Timestamp):
        start = pd.Timestamp(0, tz="UTC") if origin is None else origin
        return (pd.to_datetime(column, utc=True) - start).dt.total_seconds().to_numpy(np.float64)
    if types.is_timedelta64_dtype(column.dtype):
        return column.dt.total_seconds().to_numpy(np.float64)
    numbers = pd.to_numeric(column)
    if origin is None or not types.is_integer_dtype(numbers.dtype):
        found = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        return found if origin is None else found - float(origin)
    values, missing = numbers.to_numpy(dtype=object), numbers.isna()
    return np.array(
        [np.nan if gap else float(value - origin) for value, gap in zip(values, missing, strict=True)]
    )


def find_origin(column: pd.Series) -> Any:
    """Return from where the numbers of a simple column are counted, so that floats tell them apart."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        first = pd.to_datetime(column, utc=True).min()
        return pd.Timestamp(0, tz="UTC") if pd.isna(first) else first
    if pd.api.types.is_integer_dtype(column.dtype) and column.notna().any():
        low, high = int(column.min()), int(column.max())
        return low if max(abs(low), abs(high)) > _EXACT else None
    return None


def odd_cells(X: Any) -> str:
    """Return what rows hold that many classifiers do not read, in words; empty if they are plain numbers."""
    if isinstance(X, pd.DataFrame):
        plain = np.array([pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes], dtype=bool)
        times = np.array([pd.api.types.is_datetime64_any_dtype(dtype) for dtype in X.dtypes], dtype=bool)
        missing = X.isna().any().to_numpy()
        kinds = {"text or categories": ~plain & ~times, "dates": times, "missing cells": missing}
        return " and ".join(
            f"{kind} in {list_names(X.columns[mask], most=3)}" for kind, mask in kinds.items() if mask.any()
        )
    if sparse.issparse(X) or not hasattr(X, "dtype"):
        return ""
    if X.dtype.kind in "OUSM":
        return "other cells than numbers"
    return "missing cells" if X.dtype.kind == "f" and np.isnan(X).any() else ""


def empty_columns(X: Any) -> np.ndarray:
    """Return the positions of columns without a single value, in a frame or an array (n, d).

    Columns of text and of times are left out: an encoder that waits for these could not read a zero.
    """
    if isinstance(X, pd.DataFrame):
        taken = [
            pd.api.types.is_numeric_dtype(dtype) or isinstance(dtype, pd.CategoricalDtype)
            for dtype in X.dtypes
        ]
        return np.flatnonzero(np.array(taken, dtype=bool) & X.isna().all().to_numpy())
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f":
        return np.flatnonzero(np.isnan(X).all(axis=0))
    return np.zeros(0, dtype=np.int64)


def fill_columns(X: Any, positions: np.ndarray) -> Any:
    """Return rows with zeros in the columns at some positions: a column without values tells nothing.

    Trees that bin their columns find no bins in such a column, and encoders no category.
    """
    if not len(positions):
        return X
    if isinstance(X, pd.DataFrame):
        frame = X.copy(deep=False)
        for j in positions:
            frame[X.columns[j]] = np.zeros(len(X))
        return frame
    filled = np.array(X)
    filled[:, positions] = 0.0
    return filled


def _from_arrow(column: pd.Series) -> pd.Series:
    """Return a column of an Arrow type as pandas itself would hold it."""
    import pyarrow as pa

    values = chunks_of(column)
    kind = values.type
    if pa.types.is_float16(kind):  # pyarrow before 21 cannot cast them
        found = values.to_numpy().astype(np.float64)
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        found = values.cast(pa.float64(), safe=False).to_numpy()
    elif pa.types.is_time(kind):
        ticks = values.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
        found = ticks.cast(pa.int64()).cast(pa.duration(kind.unit)).to_pandas()
    elif pa.types.is_dictionary(kind):
        found = values.unify_dictionaries().to_pandas()
    elif pa.types.is_null(kind):
        found = np.full(len(column), np.nan)
    else:
        found = values.to_pandas(date_as_object=False)
    simple = pd.Series(found, index=column.index, name=column.name, copy=False)
    return _from_objects(simple) if simple.dtype == np.dtype(object) else simple


def _from_objects(column: pd.Series) -> pd.Series:
    """Return objects that are all numbers, dates, times or durations as a column of these."""
    missing = column.isna().to_numpy()
    present = column.to_numpy()[~missing].tolist()
    kinds = set(map(type, present))
    if not kinds:
        return column
    is_number = bool not in kinds and all(issubclass(kind, _NUMBERS) for kind in kinds)
    if is_number and all(issubclass(kind, (int, np.integer)) for kind in kinds):
        try:
            whole = [None if gap else int(value) for value, gap in zip(column, missing, strict=True)]
            return pd.Series(pd.array(whole, dtype="Int64"), index=column.index, name=column.name)
        except (OverflowError, TypeError):  # beyond 64 bits
            pass
    if is_number:
        numbers = np.full(len(column), np.nan)
        numbers[~missing] = [float(value) for value in present]
        return pd.Series(numbers, index=column.index, name=column.name)
    kind = next((kind for kind in _TIMES if kinds and all(issubclass(each, kind) for each in kinds)), None)
    if kind is None:
        return column
    read, unit = _TIMES[kind]
    ticks = np.full(len(column), np.iinfo(np.int64).min)
    try:
        ticks[~missing] = [read(value) // _TICK for value in present]
    except TypeError:  # times with and without a zone
        return column
    return pd.Series(ticks.view(unit), index=column.index, name=column.name)


def _since_epoch(value: datetime.datetime) -> datetime.timedelta:
    return value - _EPOCH.replace(tzinfo=datetime.UTC if value.tzinfo else None)


def _since_midnight(value: datetime.time) -> datetime.timedelta:
    return datetime.datetime.combine(_EPOCH, value.replace(tzinfo=None)) - _EPOCH


#: Types of objects, the narrower first: how long after an origin they are, and what they become.
_TIMES: dict[type, tuple[Any, str]] = {
    datetime.datetime: (_since_epoch, "datetime64[us]"),
    datetime.date: (lambda value: value - _EPOCH.date(), "datetime64[us]"),
    datetime.time: (_since_midnight, "timedelta64[us]"),
    datetime.timedelta: (lambda value: value, "timedelta64[us]"),
}
