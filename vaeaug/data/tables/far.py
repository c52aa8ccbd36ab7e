"""Rows whose numbers lie far outside of what fit saw, as those of a table on another scale do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.access import as_table, split_columns
from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.dtypes import mask_of
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.errors import VaeaugWarning
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.wording import list_names

__all__ = ["FEWEST", "MOST", "warn_of_far_rows"]

#: Rows that are judged: with fewer, chance may do it, and more tell no more.
FEWEST, MOST = 10, 256


def warn_of_far_rows(codec: TableCodec, X: Any, who: str = "X") -> None:
    """Warn if numbers lie far outside of what fit saw.

    A column does if more than half of its values are outside of the range of its training values, widened on
    both sides by the width of that range. At most 256 rows are looked at, fewer than 10 are not judged.

    Parameters
    ----------
    codec : TableCodec
        Fitted.
    X : DataFrame or array (n, d)
        With the columns of fit.
    who : str
        For the message.

    Warns
    -----
    VaeaugWarning
    """
    if len(X) < FEWEST:
        return
    some = np.unique(np.linspace(0, len(X) - 1, MOST).astype(np.int64))
    table = as_table(X.iloc[some] if isinstance(X, pd.DataFrame) else X[some])
    columns = list(split_columns(table, codec.columns_))
    seen = codec.relations_.forward(dict(enumerate(columns)))
    for j in seen:
        # Beside a missing cell, a difference from it says nothing.
        lacks = [mask_of(columns[i]) for i in codec.relations_.changes[j].sources]
        seen[j] = seen[j].mask(np.any(lacks, axis=0))
    found = {}
    for j, column in enumerate(codec.codecs_):
        # Dates and identifiers go on, and so may lie anywhere.
        if type(column) is NumericCodec and not column.is_all_missing:
            told = _compare(column, seen.get(j, columns[j]))
            if told:
                found[j if codec.columns_ is None else codec.columns_[j]] = told
    if found:
        name, told = next(iter(found.items()))
        noun = "column" if len(found) == 1 else "columns"
        warn_caller(
            f"{who}: most values of the {noun} {list_names(found)} lie far outside the range of the training "
            f"rows; {name!r} {told}. The model takes them for the nearest values that it knows. Bring the "
            "rows to the scale of those of fit, or fit on rows like these.",
            VaeaugWarning,
        )


def _compare(codec: NumericCodec, series: pd.Series) -> str:
    """Return where most values of a column are and were, if that is far apart; otherwise nothing."""
    low, high = float(codec.axes_[0].low), float(codec.axes_[0].high)
    values, missing = codec.storage_.read(series)
    known = values[~missing].astype(np.float64)
    width = high - low
    outside = (known < low - width) | (known > high + width)
    if width <= 0 or known.size < FEWEST or outside.mean() <= 0.5:
        return ""
    return f"goes from {known.min():.4g} to {known.max():.4g}, in fit from {low:.4g} to {high:.4g}"
