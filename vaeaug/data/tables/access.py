"""Frames and arrays as tables of columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.errors import InputError

__all__ = [
    "array_of",
    "as_objects",
    "as_table",
    "check_size",
    "factorize",
    "get_column",
    "replace_column",
    "split_columns",
]


def as_table(X: Any) -> pd.DataFrame | np.ndarray:
    """Return a frame as it is and anything else as a two-dimensional array."""
    if isinstance(X, pd.DataFrame):
        return X
    if isinstance(X, pd.Series):
        raise InputError("Expected a two-dimensional table, got a Series instead; pass X.to_frame().")
    if hasattr(X, "toarray"):
        raise InputError(f"X is a sparse {type(X).__name__}; pass a dense table: X.toarray().")
    table = np.asarray(X)
    if table.ndim != 2:
        raise InputError(
            f"Expected 2D array, got {table.ndim}D array instead. Reshape your data: X.reshape(-1, 1) for "
            "a single column, X.reshape(1, -1) for a single row."
        )
    if table.dtype.kind == "c":
        raise InputError("Complex data not supported: pass real and imaginary parts as columns of their own.")
    if table.dtype.kind not in "biufOUSmM" or (table.dtype.kind == "f" and table.dtype.itemsize > 8):
        raise InputError(
            f"X has dtype {table.dtype}; allowed are numbers up to 64 bits, booleans, text and objects."
        )
    return table


def check_size(table: pd.DataFrame | np.ndarray) -> None:
    """Raise InputError for a table without columns or rows."""
    n, d = table.shape
    if d == 0:
        raise InputError(f"X has no columns: 0 feature(s) (shape=({n}, 0)) while a minimum of 1 is required.")
    if n == 0:
        raise InputError(f"X has no rows: 0 sample(s) (shape=(0, {d})) while a minimum of 1 is required.")


def split_columns(table: pd.DataFrame | np.ndarray, columns: pd.Index | None = None) -> Iterable[pd.Series]:
    """Yield the columns; those of an array are named by their position, or by the labels of fit."""
    if isinstance(table, pd.DataFrame):
        for j in range(table.shape[1]):
            yield table.iloc[:, j]
        return
    if table.dtype.kind in "US":
        table = table.astype(object)
    for j in range(table.shape[1]):
        name = j if columns is None else columns[j]
        dtype = object if table.dtype.kind == "O" else None
        yield pd.Series(table[:, j], name=name, dtype=dtype)


def get_column(rows: Any, j: int) -> pd.Series:
    """Return a column of a frame or an array by its position."""
    return rows.iloc[:, j] if isinstance(rows, pd.DataFrame) else pd.Series(np.asarray(rows)[:, j])


def replace_column(rows: Any, j: int, column: pd.Series) -> Any:
    """Return rows with another column; the rows given stay as they are."""
    if isinstance(rows, pd.DataFrame):
        rows = rows.copy(deep=False)
        # A Series: pandas 3 makes text of bare arrays of objects.
        rows.isetitem(j, column.set_axis(rows.index))
        return rows
    rows = rows.copy()
    rows[:, j] = column.to_numpy()
    return rows


def array_of(values: pd.Series | pd.Index) -> Any:
    """Return the numpy or extension array behind a column or an index."""
    return values.to_numpy() if isinstance(values.dtype, np.dtype) else values.array


def factorize(series: pd.Series) -> tuple[np.ndarray, Any]:
    """Number the different values of a column; return numbers, −1 for missing, and an array of the values.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.data.tables.access import factorize
    >>> codes, values = factorize(pd.Series(["b", None, "a", "b"], dtype=object))
    >>> codes.tolist(), values.tolist()
    ([0, -1, 1, 0], ['b', 'a'])
    """
    values = array_of(series)
    # Of a Series, pandas would make an index, and it has none of half floats; pyarrow before 22 cannot number
    # them at all.
    is_half = getattr(series.dtype, "numpy_dtype", series.dtype) == np.dtype(np.float16)
    codes, _ = pd.factorize(series.to_numpy(dtype=np.float32, na_value=np.nan) if is_half else values)
    # From the column itself: pandas 2 loses the order of categories of Arrow.
    numbers, first = np.unique(codes, return_index=True)
    return codes, values[first[numbers >= 0]]


def as_objects(values: Sequence[Any]) -> np.ndarray:
    """Return values as an array of objects, shape (n,), each as it is."""
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects
