"""Classifiers for a table of any dtypes, by a short name: what the command line tries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from vaeaug.checks import check_option

__all__ = ["LEARNERS", "learner"]

LEARNERS = ("hgb", "logistic", "knn", "forest")
_MOST_LEVELS = 30
_MOST_CODES = 250  # gradient boosting takes at most 255


def learner(name: str, X: pd.DataFrame) -> Pipeline:
    """Return an unfitted classifier for the columns of a table.

    Parameters
    ----------
    name : {"hgb", "logistic", "knn", "forest"}
        Gradient boosting, logistic regression, 5 nearest neighbours, a random forest of 200 trees.
    X : DataFrame
        Numbers and dates are used as numbers, everything else as categories; missing values are allowed.

    Returns
    -------
    Pipeline

    Raises
    ------
    InputError
        For another name.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.learners import learner
    >>> X = pd.DataFrame({"age": [20, 30, None, 50], "job": ["clerk", "nurse", None, "clerk"]})
    >>> learner("hgb", X).fit(X, ["a", "b", "a", "b"]).predict(X).shape
    (4,)
    """
    check_option("estimator", name, LEARNERS)
    numbers = [column for column in X if _is_number(X[column])]
    others = [column for column in X if column not in numbers]
    if name == "hgb":
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=_MOST_CODES
        )
        columns = ColumnTransformer(
            [
                ("categories", make_pipeline(FunctionTransformer(_as_text), codes), others),
                ("numbers", FunctionTransformer(_as_numbers), numbers),
            ]
        )
        categories: Any = list(range(len(others))) or None
        return make_pipeline(columns, HistGradientBoostingClassifier(categorical_features=categories))
    steps: list[Any] = [
        FunctionTransformer(_as_numbers),
        SimpleImputer(strategy="median", keep_empty_features=True),
    ]
    if name != "forest":
        steps.append(StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore", max_categories=_MOST_LEVELS, sparse_output=False)
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(*steps), numbers),
            ("categories", make_pipeline(FunctionTransformer(_as_text), levels), others),
        ]
    )
    classifiers = {
        "logistic": LogisticRegression(max_iter=1000),
        "knn": KNeighborsClassifier(),
        "forest": RandomForestClassifier(200, min_samples_leaf=2),
    }
    return make_pipeline(columns, classifiers[name])


def _is_number(column: pd.Series) -> bool:
    kinds = pd.api.types
    if kinds.is_bool_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return bool(
        kinds.is_numeric_dtype(column.dtype)
        or kinds.is_datetime64_any_dtype(column.dtype)
        or kinds.is_timedelta64_dtype(column.dtype)
    )


def _as_numbers(X: pd.DataFrame) -> np.ndarray:
    """Return columns as float64; dates as days since 1970, durations as days."""
    columns = []
    for name in X:
        column = X[name]
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            column = column - pd.Timestamp(0, tz=column.dt.tz)
        if pd.api.types.is_timedelta64_dtype(column.dtype):
            column = column.dt.total_seconds() / 86_400
        columns.append(column.astype("float64").to_numpy())
    return np.column_stack(columns) if columns else np.empty((len(X), 0))


def _as_text(X: pd.DataFrame) -> np.ndarray:
    """Return columns as text, missing values as a category of their own."""
    frame = X.astype(object)
    return frame.where(frame.notna(), "(missing)").astype(str).to_numpy(dtype=object)
