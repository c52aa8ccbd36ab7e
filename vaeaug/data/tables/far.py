"""Rows and cells whose numbers lie far outside of what fit saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.access import as_table, split_columns
from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.dtypes import mask_of
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.errors import VaeaugWarning
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.wording import count, list_names

__all__ = ["FEWEST", "MOST", "warn_of_far_cells", "warn_of_far_rows"]

#: Rows that are judged: with fewer, chance may do it, and more tell no more.
FEWEST, MOST = 10, 256
#: How far outside of the range of fit one cell is told, in widths of it: new rows often are a little outside.
_FAR = 0.25


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


def warn_of_far_cells(codec: TableCodec, columns: Mapping[int, pd.Series], index: pd.Index, who: str) -> None:
    """Warn if single numbers lie far outside of what fit saw.

    A cell does if it lies outside of the range of the training values by more than a quarter of its width.

    Parameters
    ----------
    codec : TableCodec
        Fitted.
    columns : mapping of int to Series
        By position among the columns of fit.
    index : Index
        How the message names the rows.
    who : str
        For the message.

    Warns
    -----
    VaeaugWarning
    """
    told = []
    for j, series in columns.items():
        # What the model sees of a column that a rule moves is not what the user sees.
        column = codec.get_view(j)
        if type(column) is not NumericCodec or column.is_all_missing:
            continue
        values, missing = column.storage_.read(series)
        values = values.astype(np.float64)
        seen = [*column.points_, *(end for axis in column.axes_ for end in (axis.low, axis.high))]
        low, high = float(min(seen)), float(max(seen))
        off = np.flatnonzero(~missing & (np.maximum(low - values, values - high) > _FAR * (high - low)))
        if len(off):
            told.append(
                f"{count(len(off), 'cell')} of {column.name!r}, first in row {list_names(index[off[:1]])}: "
                f"{values[off[0]]:.6g}, in fit from {low:.6g} to {high:.6g}"
            )
    if told:
        warn_caller(
            f"{who}: numbers lie far outside the range of the training rows: {'; '.join(told)}. They come "
            "back as they are, and the other cells of their rows are drawn as beside the nearest values that "
            "the model knows. Look at these cells, or fit on rows like these.",
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
