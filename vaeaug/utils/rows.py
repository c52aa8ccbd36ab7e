"""Rows and labels in any container: select them, put some below others, compare them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from vaeaug.utils.frames import Home, to_pandas

__all__ = ["append_rows", "begin_alike", "drop_columns", "extend_labels", "select_rows", "stack_rows"]


def select_rows(X: Any, positions: np.ndarray) -> Any:
    """Return rows or labels by position, in their container; those of pandas get a fresh index.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.utils.rows import select_rows
    >>> select_rows(["a", "b", "c"], np.array([2, 0]))
    ['c', 'a']
    """
    if isinstance(X, pd.DataFrame | pd.Series):
        return X.iloc[positions].reset_index(drop=True)
    if isinstance(X, list):
        return [X[i] for i in positions.tolist()]
    if sparse.issparse(X):
        return X.tocsr()[positions]
    return X[positions] if hasattr(X, "shape") else np.asarray(X)[positions]


def stack_rows(X: Any, new: Any) -> Any:
    """Return rows followed by others of the same container and dtypes."""
    if isinstance(X, pd.DataFrame):
        return pd.concat([X, new], ignore_index=True)
    if sparse.issparse(X):
        return sparse.vstack([X, new]).tocsr()
    return np.concatenate([np.asarray(X), np.asarray(new)])


def append_rows(X: Any, X_new: Any) -> Any:
    """Return the rows of X followed by new ones, in the container and dtypes of X, with a fresh index."""
    X_new, home = to_pandas(X_new), Home.of(X)
    if home is not None:
        return home.append(X, X_new)
    if isinstance(X, pd.DataFrame):
        if not len(X_new):
            return X.reset_index(drop=True)
        if not isinstance(X_new, pd.DataFrame):
            X_new = pd.DataFrame(X_new, columns=X.columns).astype(X.dtypes)
        return pd.concat([X, _cast_like(X, X_new)], ignore_index=True)
    old, new = np.asarray(X), np.asarray(X_new)
    if old.dtype.kind in "iu" and new.dtype.kind == "f":
        new = np.rint(new)
    return np.concatenate([old, new.astype(old.dtype, copy=False)])


def extend_labels(y: Any, positions: np.ndarray) -> Any:
    """Return labels followed by those at ``positions`` once more, in their container, with a fresh index."""
    order = np.concatenate([np.arange(len(y)), positions])
    home = Home.of(y)
    if home is not None:
        return home.wrap(select_rows(to_pandas(y), order))
    return select_rows(y if isinstance(y, pd.Series | pd.DataFrame) else np.asarray(y), order)


def drop_columns(rows: Any, columns: list[Any]) -> Any:
    """Return rows without some of their columns."""
    if not columns:
        return rows
    return rows.drop(columns=columns) if isinstance(rows, pd.DataFrame) else np.delete(rows, columns, axis=1)


def begin_alike(X: Any, longer: Any) -> bool:
    """Tell whether the first rows of ``longer`` are those of X."""
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    if isinstance(X, pd.DataFrame):
        own, front = X.reset_index(drop=True), longer.iloc[:n].reset_index(drop=True)
        return bool(own.astype(object).equals(front.astype(object)))
    if sparse.issparse(X):
        return bool((longer.tocsr()[:n] != X.tocsr()).nnz == 0)
    before, after = np.asarray(X), np.asarray(longer)[:n]
    if before.dtype.kind in "biufc":
        return np.array_equal(before, after, equal_nan=True)
    return pd.DataFrame(before.reshape(n, -1)).equals(pd.DataFrame(after.reshape(n, -1)))


def _cast_like(X: pd.DataFrame, X_new: pd.DataFrame) -> pd.DataFrame:
    """Return new rows in the text, category and time dtypes of X, where that loses no value.

    A model fitted under another version of pandas, or on another reading of one file, gives
    the same values in a slightly different dtype (categories of object or of str, times in
    nanoseconds or microseconds), and pandas refuses to join some of those.
    """
    X_new = X_new.copy(deep=False)
    for name, dtype in X.dtypes.items():
        column = X_new[name]
        if pd.api.types.is_numeric_dtype(dtype):
            continue
        if isinstance(dtype, pd.CategoricalDtype):
            # Equal categories may still be of different dtypes: start from the plain values.
            column = column.astype(object)
        elif column.dtype == dtype:
            continue
        try:
            cast = column.astype(dtype)
        except (TypeError, ValueError):
            continue
        if cast.isna().equals(column.isna()):
            X_new[name] = cast
    return X_new
