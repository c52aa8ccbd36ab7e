"""Scores too good to be true, and the column that gives the class away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from vaeaug.evaluation.columns import read_numbers
from vaeaug.evaluation.encoders import PlainColumns
from vaeaug.utils.wording import list_names

__all__ = ["PERFECT", "describe_perfection", "find_giveaways"]

#: Scores from here on are perfect.
PERFECT = 0.9999
#: Categories of a column, as a share of the rows, up to which pure ones tell something.
_MOST_CATEGORIES = 0.1


def find_giveaways(X: Any, is_minority: np.ndarray) -> list[Any]:
    """Return the labels, or positions, of columns of a table that separate the minority class alone.

    Parameters
    ----------
    X : DataFrame or array (n, d)
        For anything else there are none.
    is_minority : ndarray of bool (n,)

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from vaeaug.evaluation.assess.giveaway import find_giveaways
    >>> X = pd.DataFrame({"age": [30, 40, 60, 50], "paid": [0, 9, 0, 9]})
    >>> find_giveaways(X, np.array([False, True, False, True]))
    ['paid']
    """
    if not isinstance(X, pd.DataFrame):
        if not isinstance(X, np.ndarray) or X.ndim != 2:
            return []
        X = pd.DataFrame(X).infer_objects()
    plain, numbers, _ = PlainColumns.read_kinds(X)
    frame = plain.fit_transform(X)
    separating = [
        _separates(read_numbers(frame[j]), is_minority) if j in numbers else _is_pure(frame[j], is_minority)
        for j in range(X.shape[1])
    ]
    return list(X.columns[np.array(separating, dtype=bool)])


def describe_perfection(title: str, giveaways: list[Any]) -> str:
    """Return what to say of a classifier that ranks perfectly on the rows as they are.

    Parameters
    ----------
    title : str
        Of the verdict's metric.
    giveaways : list
        See :func:`find_giveaways`.
    """
    column = "A column probably gives the class away"
    if giveaways:
        verb = "separates" if len(giveaways) == 1 else "each separate"
        column = f"{list_names(giveaways)} {verb} the classes alone: a column that gives the class away"
    return (
        f"The ranking is perfect without new rows (ROC AUC 1.000), so {title} has nothing to gain. {column}. "
        "Leave out what is not known when the class is to be predicted, and assess again."
    )


def _separates(values: np.ndarray, is_minority: np.ndarray) -> bool:
    known = ~np.isnan(values)
    few, rows = int((is_minority & known).sum()), int(known.sum())
    if known.mean() < 1 or not 0 < few < rows:
        return False
    ranks = rankdata(values)[is_minority].sum() - few * (few + 1) / 2
    area = float(ranks / (few * (rows - few)))
    return max(area, 1 - area) >= PERFECT


def _is_pure(values: pd.Series, is_minority: np.ndarray) -> bool:
    found = pd.Series(is_minority).groupby(values.to_numpy()).agg(["min", "max"])
    few_enough = len(found) <= max(2, _MOST_CATEGORIES * len(values))
    return bool(few_enough and len(found) > 1 and (found["min"] == found["max"]).all())
