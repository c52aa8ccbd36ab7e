"""Identifier columns hidden from classifiers: each row gets the same one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from vaeaug.data.tables.codec import TableCodec
from vaeaug.errors import ColumnNote, InputError
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.wording import list_names

__all__ = ["HiddenColumns", "hide_identifiers", "say_columns"]


@dataclass
class HiddenColumns:
    """Columns in whose place a classifier sees one and the same cell in every row.

    The columns stay, so that a Pipeline finds them by name or position. Text becomes the number 0, which a
    classifier without an encoder reads too.

    Parameters
    ----------
    cells : mapping of label to array (1,)
        What stands in each column.
    """

    cells: Mapping[Any, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[Any]:
        """Labels of the columns."""
        return list(self.cells)

    def apply(self, X: Any) -> Any:
        """Return rows with the columns hidden; X is not changed."""
        if not self.cells or not isinstance(X, pd.DataFrame):
            return X
        X = X.copy(deep=False)
        for name, cell in self.cells.items():
            if name in X:
                X[name] = pd.Series(cell.take(np.zeros(len(X), dtype=np.int64)), index=X.index)
        return X


def hide_identifiers(X: Any, sampler: Any = None) -> tuple[HiddenColumns, Any]:
    """Find the identifier columns of rows; return what hides them, and a sampler that does not expect them.

    Parameters
    ----------
    X : rows
    sampler : object with ``fit_resample``, optional
        A ``VAEOverSampler`` tells by its augmenter which columns are identifiers; by default they are
        looked for.

    Returns
    -------
    HiddenColumns
    sampler
    """
    augmenter = getattr(sampler, "augmenter", None)
    chosen = getattr(augmenter, "id_columns", "auto")
    categories = getattr(augmenter, "categorical_features", "from_dtype")
    if not isinstance(X, pd.DataFrame):
        return HiddenColumns(), sampler
    try:
        names = TableCodec(categories, id_columns=chosen).find_identifiers(X)
    except InputError:  # the sampler says so itself
        return HiddenColumns(), sampler
    cells = {name: _choose_cell(X[name]) for name in names if X[name].notna().any()}
    if cells and not (chosen is None or isinstance(chosen, str)):
        sampler = clone(sampler).set_params(augmenter__id_columns=None)
    return HiddenColumns(cells), sampler


def _choose_cell(column: pd.Series) -> Any:
    """Return an array of one cell: the first value of a column of numbers, else the number 0."""
    is_number = pd.api.types.is_numeric_dtype(column.dtype)
    return column.dropna().array[:1] if is_number else np.zeros(1, dtype=np.int64)


def say_columns(X: Any, hidden: HiddenColumns, sampler: Any, who: str) -> None:
    """Warn once of identifiers that are hidden, and of columns read otherwise than their dtype says.

    Parameters
    ----------
    X : rows
        With the columns hidden.
    hidden : HiddenColumns
    sampler : object with ``fit_resample``, or None
    who : str
        Named in the warning.
    """
    notes = []
    if hidden.names:
        notes.append(
            f"{who}: X has columns that name each row: {list_names(hidden.names)}. No classifier sees them. "
            "To choose them yourself, pass id_columns=[...], or None for none."
        )
    augmenter = getattr(sampler, "augmenter", None)
    categories = getattr(augmenter, "categorical_features", "from_dtype")
    if isinstance(X, pd.DataFrame):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            try:
                TableCodec(categories, id_columns=None).fit(X)
            except (InputError, ValueError):  # said where the rows are learned
                found.clear()
        notes += [str(each.message) for each in found if issubclass(each.category, ColumnNote)]
    if notes:
        warn_caller("\n".join(notes), ColumnNote)
