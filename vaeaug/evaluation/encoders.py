"""Tables as numbers: the encoder that classifiers by name, committees and SMOTE share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from vaeaug.data.tables.datetexts import DateTexts
from vaeaug.evaluation.columns import empty_columns, fill_columns, is_continuous, read_numbers, simplify
from vaeaug.evaluation.tables import CLASSIFIER_LEVELS

__all__ = ["PlainColumns", "build_encoder", "build_ordinal_encoder"]

_MOST_LEVELS = 30
_MISSING = "(missing)"


def build_encoder(
    numbers: Sequence[int], categories: Sequence[int], *, scaled: bool, unknown: str = "ignore"
) -> ColumnTransformer:
    """Return an encoder into numbers without gaps: medians for missing cells, one-hot categories.

    Parameters
    ----------
    numbers, categories : sequence of int
        Positions of the columns. Of a column of categories the 30 most frequent get a column each.
    scaled : bool
        Whether numbers are brought to mean 0 and variance 1.
    unknown : {"ignore", "infrequent_if_exist"}
        What becomes of categories that were not there in ``fit``, as in scikit-learn's OneHotEncoder.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.evaluation.encoders import build_encoder
    >>> X = pd.DataFrame({"age": [20.0, None, 30.0], "job": ["clerk", "nurse", "clerk"]})
    >>> build_encoder([0], [1], scaled=False).fit_transform(X).tolist()
    [[20.0, 1.0, 0.0], [25.0, 0.0, 1.0], [30.0, 1.0, 0.0]]
    """
    # A column without a single value has no median, and becomes a constant one.
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    steps = [imputer, StandardScaler()] if scaled else [imputer]
    one_hot = OneHotEncoder(handle_unknown=unknown, max_categories=_MOST_LEVELS, sparse_output=False)
    return ColumnTransformer(
        [("numbers", make_pipeline(*steps), numbers), ("categories", one_hot, categories)]
    )


def build_ordinal_encoder(numbers: Sequence[int], categories: Sequence[int]) -> ColumnTransformer:
    """Return an encoder for trees that know categories and gaps: codes of categories, then numbers."""
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=CLASSIFIER_LEVELS
    )
    return ColumnTransformer([("categories", codes, categories), ("numbers", "passthrough", numbers)])


class PlainColumns(TransformerMixin, BaseEstimator):
    """Rows of a table as columns of float64 and of text, numbered; a column without values as zeros.

    Numbers, dates and durations become numbers, everything else text, a missing value ``"(missing)"``.

    Parameters
    ----------
    numbers : list of int
        Positions of the columns that become numbers.
    dates : mapping of int to DateTexts, optional
        Which of them are text, and how it is read; see :meth:`read_kinds`.

    Attributes
    ----------
    names_ : list
        Columns of ``fit``, which are taken by name.
    empty_ : ndarray of int
        Positions of numbers that had no value in ``fit``.
    """

    def __init__(self, numbers: Any = (), dates: Any = None) -> None:
        self.numbers = numbers
        self.dates = dates

    @classmethod
    def read_kinds(cls, X: pd.DataFrame) -> tuple[PlainColumns, list[int], list[int]]:
        """Return plain columns for a table, the positions of its numbers, and those of all others.

        Text that is dates, as the generator reads it, counts as numbers.
        """
        numbers, others = cls.find_kinds(X)
        found = {j: DateTexts.of(X.iloc[:, j]) for j in others if _is_text(X.iloc[:, j])}
        dates = {j: form for j, form in found.items() if form is not None}
        numbers = sorted([*numbers, *dates])
        return cls(numbers, dates), numbers, [j for j in others if j not in dates]

    @staticmethod
    def find_kinds(X: pd.DataFrame) -> tuple[list[int], list[int]]:
        """Return the positions of the columns that are numbers, and those of all others."""
        kinds = [is_continuous(simplify(X.iloc[:, j])) for j in range(X.shape[1])]
        return [j for j, kind in enumerate(kinds) if kind], [j for j, kind in enumerate(kinds) if not kind]

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
            if j in (self.dates or {}):
                parts[j] = read_numbers(self.dates[j].read(column))
            elif j in self.numbers:
                parts[j] = read_numbers(column)
            else:
                objects = column.astype(object)
                parts[j] = objects.where(objects.notna(), _MISSING).astype(str).to_numpy(dtype=object)
        return pd.DataFrame(parts, index=range(len(X)))


def _is_text(column: pd.Series) -> bool:
    return pd.api.types.is_object_dtype(column.dtype) or isinstance(column.dtype, pd.StringDtype)
