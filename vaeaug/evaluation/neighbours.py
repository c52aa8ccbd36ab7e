"""SMOTE as a control, where imbalanced-learn is installed: its rows in the container of the data."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from vaeaug.errors import InputError

__all__ = ["Smote", "smote_is_there"]


def smote_is_there() -> bool:
    """Tell whether imbalanced-learn is installed, without importing it."""
    return find_spec("imblearn") is not None


class Smote(BaseEstimator):
    """SMOTE for any table or stack of images: SMOTENC with categories, SMOTEN of categories only.

    What those cannot take is prepared for them: a missing number becomes its column's median and
    a missing category one of its own, in the neighbours' distances and in the new rows; the real rows stay
    as they are. Images are flattened. Of a class with n rows, min(5, n − 1) neighbours are used.

    Parameters
    ----------
    sampling_strategy : str, float or dict, default="auto"
        As imbalanced-learn takes it.
    random_state : int, RandomState or None
    """

    def __init__(self, *, sampling_strategy: Any = "auto", random_state: Any = None) -> None:
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Return the rows followed by new ones.

        Raises
        ------
        InputError
            If a class to be enlarged has one row only.
        """
        labels = np.asarray(y)
        smallest = int(np.unique(labels, return_counts=True)[1].min())
        if smallest < 2:
            raise InputError("SMOTE needs two rows or more of each class, and one class has a single row.")
        frame = _as_frame(X)
        categories = [name for name in frame if _is_category(frame[name])]
        prepared = pd.DataFrame(
            {
                name: _categories(frame[name]) if name in categories else _numbers(frame[name])
                for name in frame
            }
        )
        options = {"sampling_strategy": self.sampling_strategy, "random_state": self.random_state}
        options["k_neighbors"] = min(5, smallest - 1)
        home = import_module("imblearn.over_sampling")  # optional: a control, nothing depends on it
        if len(categories) == frame.shape[1]:
            sampler = home.SMOTEN(**options)
        elif categories:
            sampler = home.SMOTENC(categories, **options)
        else:
            sampler = home.SMOTE(**options)
        X_res, y_res = sampler.fit_resample(prepared, labels)
        new = X_res.iloc[len(labels) :]
        if isinstance(X, pd.DataFrame):
            restored = {name: _restored(new[name], X[name]) for name in X}
            return pd.concat([X, pd.DataFrame(restored, index=new.index)], ignore_index=True), y_res
        rows = np.asarray(X)
        values = new.to_numpy()
        if rows.dtype.kind in "iu":
            values = np.rint(values.astype(np.float64))
        return np.concatenate([rows, values.astype(rows.dtype).reshape(-1, *rows.shape[1:])]), y_res


_MISSING = "(missing)"


def _as_frame(X: Any) -> pd.DataFrame:
    """Return rows as a table with one column per value."""
    if isinstance(X, pd.DataFrame):
        return X.reset_index(drop=True)
    rows = np.asarray(X)
    flat = rows.reshape(len(rows), -1)
    return pd.DataFrame(flat if flat.dtype.kind != "O" else flat.tolist())


def _is_category(column: pd.Series) -> bool:
    kinds = pd.api.types
    number = kinds.is_numeric_dtype(column) and not kinds.is_bool_dtype(column)
    return not (number or kinds.is_datetime64_any_dtype(column))


def _categories(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), _MISSING).astype(str)


def _numbers(column: pd.Series) -> pd.Series:
    """Return numbers, of dates the seconds since 1970, with the median for holes."""
    if pd.api.types.is_datetime64_any_dtype(column):
        origin = pd.Timestamp(0, tz=column.dt.tz)
        values = (column - origin).dt.total_seconds()
    else:
        values = column.astype("float64")
    middle = values.median()
    return values.fillna(0.0 if np.isnan(middle) else middle)


def _restored(new: pd.Series, old: pd.Series) -> pd.Series:
    """Return a new column in the dtype of the old one."""
    kinds = pd.api.types
    if kinds.is_datetime64_any_dtype(old):
        times = pd.to_timedelta(new, unit="s") + pd.Timestamp(0, tz=old.dt.tz)
        return times.astype(old.dtype)
    if not _is_category(old):
        values = np.rint(new) if kinds.is_integer_dtype(old) else new
        return values.astype(old.dtype)
    # Categories went through as text: give each its value back.
    known = old.dropna().drop_duplicates()
    values = dict(zip(known.astype(str), known.tolist(), strict=True))
    return new.map(values).astype(old.dtype)
