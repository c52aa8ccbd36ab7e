"""Classifiers for a table of any dtypes, by a short name: what the command line tries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from vaeaug.evaluation.columns import empty_columns, fill_columns, is_continuous, read_numbers, simplify
from vaeaug.utils.validation import check_option

__all__ = ["LEARNERS", "PlainColumns", "learner"]

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
    >>> from vaeaug.evaluation.assess.named_classifiers import learner
    >>> X = pd.DataFrame({"age": [20, 30, None, 50], "job": ["clerk", "nurse", None, "clerk"]})
    >>> learner("hgb", X).fit(X, ["a", "b", "a", "b"]).predict(X).shape
    (4,)
    """
    check_option("estimator", name, LEARNERS)
    kinds = [is_continuous(simplify(X.iloc[:, j])) for j in range(X.shape[1])]
    numbers = [j for j, is_number in enumerate(kinds) if is_number]
    others = [j for j, is_number in enumerate(kinds) if not is_number]
    plain = PlainColumns(numbers)
    if name == "hgb":
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=_MOST_CODES
        )
        columns = ColumnTransformer([("categories", codes, others), ("numbers", "passthrough", numbers)])
        categories: Any = list(range(len(others))) or None
        return make_pipeline(plain, columns, HistGradientBoostingClassifier(categorical_features=categories))
    steps: list[Any] = [SimpleImputer(strategy="median", keep_empty_features=True)]
    if name != "forest":
        steps.append(StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore", max_categories=_MOST_LEVELS, sparse_output=False)
    columns = ColumnTransformer([("numbers", make_pipeline(*steps), numbers), ("categories", levels, others)])
    classifiers = {
        "logistic": LogisticRegression(max_iter=1000),
        "knn": KNeighborsClassifier(),
        "forest": RandomForestClassifier(200, min_samples_leaf=2),
    }
    return make_pipeline(plain, columns, classifiers[name])


class PlainColumns(TransformerMixin, BaseEstimator):
    """Rows of a table as columns of float64 and of text, numbered; a column without values as zeros.

    Parameters
    ----------
    numbers : list of int
        Positions of the columns that are numbers; the others become text, a missing value
        ``"(missing)"``.

    Attributes
    ----------
    names_ : list
        Columns of ``fit``, which are taken by name.
    empty_ : ndarray of int
        Positions of numbers that had no value in ``fit``.
    """

    def __init__(self, numbers: Any = ()) -> None:
        self.numbers = numbers

    def fit(self, X: pd.DataFrame, y: Any = None) -> PlainColumns:
        """Learn which columns have values."""
        self.names_ = list(X.columns)
        self.empty_ = empty_columns(self._read(X))
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the plain columns."""
        return fill_columns(self._read(X), self.empty_)

    def _read(self, X: pd.DataFrame) -> pd.DataFrame:
        parts = {}
        for j, name in enumerate(self.names_):
            column = simplify(X[name])
            if j in self.numbers:
                parts[j] = read_numbers(column)
            else:
                objects = column.astype(object)
                parts[j] = objects.where(objects.notna(), "(missing)").astype(str).to_numpy(dtype=object)
        return pd.DataFrame(parts, index=range(len(X)))
