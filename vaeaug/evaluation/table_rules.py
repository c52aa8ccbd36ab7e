"""Which rules of a table the rows of a generator keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.relations.builder import Builder
from vaeaug.data.relations.relations import Columns, name_columns, search
from vaeaug.data.relations.search.implications import Implied
from vaeaug.data.relations.search.sample import Candidate
from vaeaug.data.tables.codec import TableCodec
from vaeaug.errors import InputError
from vaeaug.utils.wording import list_names

__all__ = ["count_kept", "rules"]


def rules(real: pd.DataFrame, new: pd.DataFrame, y: Any = None, relations: Any = "auto") -> pd.DataFrame:
    """Compare how often real rows and new rows keep the rules of their table.

    The rules are looked for in the real rows: sums, products, orders, columns that others determine, values
    that come with others.

    Parameters
    ----------
    real : DataFrame of shape (n, d)
    new : DataFrame of shape (m, d)
        Rows of any generator, with the columns of ``real``.
    y : array-like of shape (n,), optional
        Class of each real row; what a class breaks is no rule.
    relations : "auto" or list of str, default="auto"
        Rules to compare, as in :class:`vaeaug.VAEAugmenter`; declared ones may have exceptions.

    Returns
    -------
    DataFrame
        ``kind``, ``columns``, ``formula``, and the share of rows that keep it, in [0, 1]: ``real``, ``new``.
        Rows that lack a cell of a rule do not count, except for rules about missing cells. The rules that new
        rows break most come first. Of a near equation, rows keep it that lie no farther
        from it than real ones; of a partial equality, rows that are equal.

    Raises
    ------
    InputError
        For columns that ``new`` lacks or holds in another form.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from vaeaug.evaluation import rules
    >>> net, tax = np.random.default_rng(0).integers(100, 999, (2, 200))
    >>> real = pd.DataFrame({"net": net, "tax": tax, "total": net + tax})
    >>> new = real.assign(total=real.total + [1, 0] * 100)
    >>> rules(real, new)[["formula", "real", "new"]]
                  formula  real  new
    0  total == net + tax   1.0  0.5
    """
    for name, table in (("real", real), ("new", new)):
        if not isinstance(table, pd.DataFrame) or not len(table):
            raise InputError(f"rules: {name} must be a DataFrame with rows, got {type(table).__name__}.")
    absent = [label for label in real.columns if label not in new.columns]
    if absent:
        raise InputError(f"rules: new lacks the columns {list_names(absent)} of real.")
    return count_kept(real, {"real": real, "new": new}, y, relations)


def count_kept(
    source: pd.DataFrame, tables: Mapping[str, pd.DataFrame], y: Any = None, relations: Any = "auto"
) -> pd.DataFrame:
    """Return the rules of a table, and the shares of rows of other tables that keep them.

    Parameters
    ----------
    source : DataFrame
        In which rules are looked for.
    tables : mapping of str to DataFrame
        ``"real"`` and ``"new"``, with the columns of ``source``.
    y, relations : as of :func:`rules`
    """
    codec = TableCodec().fit(source)
    columns = [source[label] for label in source.columns]
    names = name_columns(source.columns, len(columns))
    groups = None if y is None else pd.factorize(np.asarray(y, dtype=object), use_na_sentinel=False)[0]
    builder = search(relations, Columns(codec.codecs_, columns, names, groups), "keep")
    others = {
        name: Builder(builder.views, names, [table[label] for label in source.columns])
        for name, table in tables.items()
    }
    rows = [
        (rule.kind, list(rule.columns), rule.text, *(_share(item, builder, each) for each in others.values()))
        for rule, item in zip(builder.rules, builder.taken, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["kind", "columns", "formula", *others])
    worst = (table["new"] - table["real"]).sort_values(kind="stable").index
    return table.loc[worst].reset_index(drop=True)


def _share(item: Candidate | Implied, source: Builder, table: Builder) -> float:
    """Return the share of rows of a table that keep a rule."""
    broken, known = table.breaks(item), table.knows(item)
    if not isinstance(item, Implied) and item.kind == "near equation":
        own, rest = source.remainder(item), table.remainder(item)
        low, high = np.nanmin(own), np.nanmax(own)
        slack = 1e-6 * (high - low)
        broken = (rest < low - slack) | (rest > high + slack)
    return float(1 - (broken & known).sum() / max(known.sum(), 1))
