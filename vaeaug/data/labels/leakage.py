"""Target leakage: columns of X that are the labels, under whatever name and in whatever coding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.labels.targets import group_rows
from vaeaug.errors import VaeaugWarning
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.wording import list_names

__all__ = ["LEAKAGE", "describe_leaks", "find_leaks", "warn_of_leaks"]

#: How the warning begins.
LEAKAGE = "X has columns that are the labels"
#: Among fewer rows, fewer a class, or fewer outside the largest class, columns are like labels by chance.
_FEWEST_ROWS, _FEWEST_EACH, _FEWEST_OTHERS = 20, 5, 5
#: Rows that are looked at first; hardly any column needs the others.
_PROBED = 64


def find_leaks(X: Any, y: Any) -> list[Any]:
    """Return the labels, or positions, of columns that match the labels one to one in all rows.

    Among few rows, where columns may do so by chance, only a copy of y under its own name is one.

    Parameters
    ----------
    X : DataFrame or array (n, d)
        For anything else there are none.
    y : array-like (n,)
        Labels; for a continuous target there are none.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.data.labels.leakage import find_leaks
    >>> y = ["no", "yes", "no"] * 10
    >>> find_leaks(pd.DataFrame({"age": range(30), "left": [0, 1, 0] * 10}), y)
    ['left']
    """
    if not isinstance(X, pd.DataFrame) and not (isinstance(X, np.ndarray) and X.ndim == 2):
        return []
    n, frame = len(X), X if isinstance(X, pd.DataFrame) else None
    codes = group_rows(y, n)
    if codes is None:
        return []
    counts = np.bincount(codes)
    if n < max(_FEWEST_ROWS, _FEWEST_EACH * len(counts)) or n - counts.max() < _FEWEST_OTHERS:
        return [y.name] if frame is not None and _has_copy(frame, y) else []
    first = np.unique(codes, return_index=True)[1]
    rows = np.union1d(first, np.linspace(0, n - 1, _PROBED).astype(np.int64))
    some, own = X[rows] if frame is None else frame.iloc[rows], codes[rows]
    names = range(X.shape[1]) if frame is None else frame.columns
    return [
        name for j, name in enumerate(names) if _matches(_take(some, j), own) and _matches(_take(X, j), codes)
    ]


def describe_leaks(X: Any, y: Any) -> str:
    """Return which columns are the labels, and how to take them out; empty if there are none.

    Parameters
    ----------
    X, y : as in :func:`find_leaks`

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.data.labels.leakage import describe_leaks
    >>> y = ["no", "yes", "no"] * 10
    >>> describe_leaks(pd.DataFrame({"left": y}), y)
    "X has columns that are the labels, row by row: 'left'. Take them out: X.drop(columns=['left'])."
    """
    found = find_leaks(X, y)
    if not found:
        return ""
    listed = [name.item() if isinstance(name, np.generic) else name for name in found]
    code = f"X.drop(columns={listed!r})" if isinstance(X, pd.DataFrame) else f"numpy.delete(X, {listed}, 1)"
    return f"{LEAKAGE}, row by row: {list_names(found)}. Take them out: {code}."


def warn_of_leaks(X: Any, y: Any) -> None:
    """Warn of columns of X that are the labels.

    Parameters
    ----------
    X, y : as in :func:`find_leaks`

    Warns
    -----
    VaeaugWarning
    """
    found = describe_leaks(X, y)
    if found:
        warn_caller(
            f"{found} New rows may contradict their labels there, and scores of classifiers that see them "
            "are too good to be true.",
            VaeaugWarning,
        )


def _take(X: Any, j: int) -> Any:
    return X.iloc[:, j] if isinstance(X, pd.DataFrame) else X[:, j]


def _has_copy(X: pd.DataFrame, y: Any) -> bool:
    """Whether X has a column of the name and the cells of y."""
    if not isinstance(y, pd.Series) or y.name not in X.columns or not X.columns.is_unique:
        return False
    return bool(X[y.name].reset_index(drop=True).equals(y.reset_index(drop=True)))


def _matches(column: Any, codes: np.ndarray) -> bool:
    """Whether equal cells have equal codes, and others others."""
    try:
        cells = pd.factorize(column, use_na_sentinel=False)[0]
    except TypeError:  # cells that are lists and the like, which whoever reads columns refuses in a sentence
        return False
    return np.array_equal(cells, pd.factorize(codes)[0])
