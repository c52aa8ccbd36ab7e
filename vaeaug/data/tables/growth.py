"""Carry what was learned of a column over to more rows: keep its tokens, add some, or cut its bins anew."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.access import as_objects
from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.data.tables.dtypes import as_series
from vaeaug.data.tables.lattice import Levels
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.registry import TranslatedCodec
from vaeaug.errors import InputError

__all__ = ["ANOTHER", "ColumnChange", "grow_column", "match_tokens"]

#: Differences of cumulative shares: from here on bins are cut anew, and a column counts as another one.
_DRIFTED, ANOTHER = 0.1, 0.3
#: Share of values that the bins of a number may be unable to give back.
_MOST_LOST = 0.01


@dataclass(frozen=True)
class ColumnChange:
    """How a column of more rows differs from what was learned of it.

    Parameters
    ----------
    column : hashable
        Its label.
    kind : str
        Of its codec.
    change : {"kept", "extended", "recut"}
        What was done: nothing, new categories or values beside the old ones, or new bins.
    new : list
        Values that were not there before, of columns whose values are counted one by one.
    drift : float
        The largest difference between the cumulative shares of its values before and now, in [0, 1].
    note : str
        Where that difference is.
    """

    column: Any
    kind: str
    change: str = "kept"
    new: list[Any] = field(default_factory=list)
    drift: float = 0.0
    note: str = ""


def grow_column(
    old: ColumnCodec,
    fresh: ColumnCodec,
    series: pd.Series,
    counts: np.ndarray | None = None,
    spell: Callable[[pd.Series], pd.Series] = lambda values: values,
) -> tuple[ColumnCodec, ColumnChange]:
    """Choose the codec of a column that has grown.

    Parameters
    ----------
    old : ColumnCodec
        Of the rows before. It is not changed.
    fresh : ColumnCodec
        Of all rows of now.
    series : pandas.Series
        These rows.
    counts : ndarray of int64, optional
        How many rows each of them stands for; one each if None.
    spell : callable, optional
        Returns numbers as the user has them.

    Returns
    -------
    codec : ColumnCodec
        The old bins of a number that has not drifted; otherwise that of all rows, whose categories come in
        the order of before, new ones last.
    change : ColumnChange

    Raises
    ------
    InputError
        If the column holds values of another kind.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.data.tables.categorical import CategoricalCodec
    >>> from vaeaug.data.tables.growth import grow_column
    >>> before = pd.Series(["nurse", "clerk"], name="job")
    >>> now = pd.Series(["nurse", "clerk", "baker"], name="job")
    >>> codec, change = grow_column(CategoricalCodec().fit(before), CategoricalCodec().fit(now), now)
    >>> codec.levels_.tolist(), change.change, change.new
    (['clerk', 'nurse', 'baker'], 'extended', ['baker'])
    """
    if isinstance(old, TranslatedCodec) and isinstance(fresh, TranslatedCodec):
        if type(old.translation_) is type(fresh.translation_):
            if fresh.translation_.points and old.translation_.to_json() != fresh.translation_.to_json():
                return fresh, ColumnChange(fresh.name, fresh.kind, "recut")  # other cells are special
            plain = fresh.translation_.forward(series)
            inner, change = grow_column(old.codec_, fresh.codec_, plain, counts, fresh.translation_.backward)
            return copy(fresh)._take(fresh.translation_, inner), change
    elif type(old) is type(fresh) or old.is_all_missing:
        if isinstance(old, NumericCodec) and isinstance(fresh, NumericCodec) and old.axes_:
            return _grow_numbers(old, fresh, series, counts, spell)
        if isinstance(old, CategoricalCodec) and isinstance(fresh, CategoricalCodec):
            return _grow_categories(old, fresh)
        return fresh, ColumnChange(
            fresh.name, fresh.kind, "recut" if type(old) is not type(fresh) else "kept"
        )
    raise InputError(
        f"warm_start goes on with the columns of the last fit, in which {old.name!r} was read as "
        f"{old.kind} (dtype {series.dtype} now, read as {fresh.kind}). Convert the column as it was, or set "
        "warm_start=False to learn the table anew."
    )


def match_tokens(old: ColumnCodec, new: ColumnCodec) -> np.ndarray:
    """Return the old token that each new one continues, int64; −1 for none.

    A new token continues the one that its value, in the middle of a bin, had; rare and new categories share
    one if there are many.
    """
    token, *others = new.spans
    if type(old) is not type(new):
        return np.full(token.width, -1)
    x = np.zeros((token.width, new.width), dtype=np.float32)
    x[:, 0] = np.arange(token.width)
    if others and others[0].kind == "position":
        x[:, 1] = 0.5
    found = np.rint(old.encode(new.decode(x))[:, 0]).astype(np.int64)
    if isinstance(old, CategoricalCodec) and old.rare_.size:
        found[found < 0] = old.stand_in
    return found


def _grow_categories(old: CategoricalCodec, fresh: CategoricalCodec) -> tuple[CategoricalCodec, ColumnChange]:
    """Put the levels of before first, in their order: rules between columns know them by number."""
    codec, before = copy(fresh), old.number(fresh)
    codec.reorder(np.argsort(np.where(before < 0, old.counts_.size, before), kind="stable"))
    is_new = old.number(codec) < 0
    then = np.zeros(codec.counts_.size)
    then[~is_new] = old.counts_[old.number(codec)[~is_new]]
    drift, _ = _compare(then, codec.counts_)
    new = list(as_objects(list(codec.levels_[is_new])))
    return codec, ColumnChange(codec.name, codec.kind, "extended" if new else "kept", new, drift)


def _grow_numbers(
    old: NumericCodec,
    fresh: NumericCodec,
    series: pd.Series,
    counts: np.ndarray | None,
    spell: Callable[[pd.Series], pd.Series],
) -> tuple[NumericCodec, ColumnChange]:
    """Keep the bins of a number unless it has drifted, or they cannot give its values back."""
    values, missing = fresh.storage_.read(series)
    x, known = old.encode(series), ~missing
    token = np.rint(x[:, 0]).astype(np.int64) - old.offset_
    rows = np.ones(token.size) if counts is None else counts
    now = np.bincount(token[known], rows[known], old.rows_.size)
    order = np.argsort(old.rank_low_, kind="stable")
    drift, place = _compare(old.rows_[order], now[order])
    plain, note = values.astype(np.float64), ""
    if drift >= _DRIFTED:
        shares = [share[order][: place + 1].sum() / share.sum() for share in (now, old.rows_)]
        edge = np.concatenate([[order[place] + old.offset_], np.full(old.width - 1, 0.999)]).astype(
            np.float32
        )
        edge_told = spell(old.decode(edge[None])).iloc[0]
        note = f"{shares[0]:.0%} of rows up to {edge_told}, before {shares[1]:.0%}"
    ordinary = plain[known & ~np.isin(values, fresh.points)]
    span = float(np.ptp(ordinary)) if ordinary.size else 0.0
    back = old.storage_.read(old.decode(x))[0].astype(np.float64)
    lost = known & ~np.isclose(back, plain, rtol=0.0, atol=1e-6 * span)
    is_counted = not old.grids_ or isinstance(old.axes_[0], Levels)
    most = 0.0 if is_counted else _MOST_LOST * rows[known].sum()
    if old.storage_.to_json() == fresh.storage_.to_json() and drift < _DRIFTED and rows[lost].sum() <= most:
        codec = copy(old)
        codec.offset_ = fresh.offset_
        codec._describe()
        return codec, ColumnChange(old.name, old.kind, "kept", [], drift)
    new = np.unique(values[lost]) if is_counted else values[:0]
    told = spell(as_series(fresh.storage_.write(new, np.zeros(len(new), dtype=bool)), old.name)).tolist()
    change = "extended" if told and drift < _DRIFTED and not fresh.grids_ else "recut"
    return fresh, ColumnChange(old.name, old.kind, change, told, drift, note)


def _compare(before: np.ndarray, now: np.ndarray) -> tuple[float, int]:
    """Return the largest difference between two cumulative distributions (Kolmogorov), and where it is."""
    if not before.sum() or not now.sum():
        return 0.0, 0
    apart = np.abs(np.cumsum(now / now.sum()) - np.cumsum(before / before.sum()))
    return float(apart.max()), int(apart.argmax())
