"""SMOTE as a baseline, where imbalanced-learn is installed: its rows in the container of the data."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from vaeaug.data.tables.datetexts import DateTexts
from vaeaug.errors import InputError
from vaeaug.evaluation.columns import as_frame, is_continuous, read_numbers, simplify
from vaeaug.evaluation.encoders import PlainColumns

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
        rows = X if isinstance(X, pd.DataFrame) else np.asarray(X)
        flat = rows if isinstance(rows, pd.DataFrame) else rows.reshape(len(rows), -1)
        frame = as_frame(flat, "X").reset_index(drop=True)
        plain, numbers, categories = PlainColumns.read_kinds(frame)
        prepared = plain.fit_transform(frame)
        prepared = prepared.fillna(prepared[numbers].median())
        options = {"sampling_strategy": self.sampling_strategy, "random_state": self.random_state}
        options["k_neighbors"] = min(5, smallest - 1)
        home = import_module("imblearn.over_sampling")  # optional: a baseline, nothing depends on it
        if len(categories) == frame.shape[1]:
            sampler = home.SMOTEN(**options)
        elif categories:
            sampler = home.SMOTENC(categories, **options)
        else:
            sampler = home.SMOTE(**options)
        X_res, y_res = sampler.fit_resample(prepared, labels)
        new = X_res.iloc[len(labels) :]
        if isinstance(rows, pd.DataFrame):
            restored = {name: _restore(new[j], rows[name], plain.dates.get(j)) for j, name in enumerate(rows)}
            made = pd.concat(restored, axis=1) if restored else new
            return pd.concat([rows, made.set_axis(rows.columns, axis=1)], ignore_index=True), y_res
        values = new.to_numpy()
        if rows.dtype.kind in "iu":
            values = np.rint(values.astype(np.float64))
        return np.concatenate([rows, values.astype(rows.dtype).reshape(-1, *rows.shape[1:])]), y_res


def _restore(new: pd.Series, old: pd.Series, form: DateTexts | None = None) -> pd.Series:
    """Return a new column in the dtype of the old one, dates as text in their form."""
    if form is not None:
        seconds = np.rint(new.to_numpy(dtype=np.float64)).astype(np.int64)
        return form.backward(pd.Series(seconds.view("datetime64[s]"), name=old.name)).set_axis(new.index)
    simple = simplify(old)
    if not is_continuous(simple):
        # Categories went through as text: give each its value back, of equal texts the first.
        known = old.dropna()
        texts = known.astype(object).astype(str)
        first = ~texts.duplicated()
        places = pd.Series(np.flatnonzero(old.notna())[first], index=texts[first].to_numpy())
        rows = new.astype(str).map(places).fillna(-1).astype(np.int64).to_numpy()
        return _take(old, rows, new.index)
    values = pd.Series(new.to_numpy(dtype=np.float64), index=new.index)
    dtype: Any = old.dtype.subtype if isinstance(old.dtype, pd.SparseDtype) else old.dtype
    if not pd.api.types.is_bool_dtype(dtype) and getattr(dtype, "kind", "O") in "iuf":
        return _round(values, dtype).astype(dtype).astype(old.dtype)
    if isinstance(dtype, np.dtype | pd.DatetimeTZDtype) and dtype.kind in "mM":
        since = pd.to_timedelta(values, unit="s")
        return (since if dtype.kind == "m" else since + pd.Timestamp(0, tz=old.dt.tz)).astype(dtype)
    # Of another type, such as decimals, a new cell is the nearest old one.
    numbers = read_numbers(simple)
    order = np.argsort(numbers, kind="stable")[: int((~np.isnan(numbers)).sum())]
    if not len(order):
        return _take(old, np.full(len(new), -1), new.index)
    between = (numbers[order][1:] + numbers[order][:-1]) / 2
    return _take(old, order[np.searchsorted(between, values)], new.index)


def _round(values: pd.Series, dtype: Any) -> pd.Series:
    """Return numbers that a dtype holds: whole and within its limits, if it is one of integers."""
    if dtype.kind == "f":
        return values
    limits = np.iinfo(f"{dtype.kind}{dtype.itemsize}")
    # The largest float below the limit: the limit itself may be rounded up.
    return values.round().clip(float(limits.min), np.nextafter(float(limits.max), 0))


def _take(column: pd.Series, rows: np.ndarray, index: pd.Index) -> pd.Series:
    """Return cells by position, missing at -1."""
    return pd.Series(column.array.take(rows, allow_fill=True), index=index)
