"""Rows in which rules are looked for, and the judgement whether one is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import bdtrc

from vaeaug.data.relations.columns import CATEGORY, OTHER, ColumnView
from vaeaug.data.relations.functions import Function
from vaeaug.data.relations.limits import When
from vaeaug.data.relations.objects import write_value
from vaeaug.data.relations.plans import Keep
from vaeaug.data.relations.rounding import is_same, round_to

__all__ = ["ENDLESS", "LEVEL", "MOST_EXCEPTIONS", "Candidate", "Sample", "choose_complete"]

#: Share of rows that may break a rule.
MOST_EXCEPTIONS = 0.01
#: Probability that chance makes one rule of a whole table.
LEVEL = 1e-4
#: Rows that have all cells of a rule; most of the rows with a value that lack a cell which it follows from.
_FEWEST_KNOWN, _MOST_GAPS = 20, 0.75
_MOST_CELLS = 1_500_000
_FEWEST_ROWS, _MOST_ROWS = 600, 6_000
ENDLESS = 1e75  # squares of products of such numbers are beyond float64
_SEED = 20_240_229  # the same rows are judged whatever the seed of fit


@dataclass(frozen=True)
class Candidate:
    """A rule that was found: how a column follows from others.

    Parameters
    ----------
    kind : str
        ``"dependence"``, ``"equation"``, ``"near equation"``, ``"order"``, ``"partial equality"`` or
        ``"implication"``.
    target : int
    function : Function
    text : str
        Reads like algebra.
    keep : Keep or None
        None for bounds.
    rank : float
        Of several rules about a column, the one with the lowest rank is kept.
    is_lower : bool
        Of a bound: the function is the lower one.
    is_strict : bool
        Of a bound: it is never met.
    when : When or None
        Of a bound: the rows that it is about; None for all.
    """

    kind: str
    target: int
    function: Function
    text: str
    keep: Keep | None
    rank: float
    is_lower: bool = True
    is_strict: bool = False
    when: When | None = None

    @property
    def sources(self) -> tuple[int, ...]:
        """Columns that must be known before the target."""
        return (*(() if self.when is None else self.when.sources), *self.function.sources)


@dataclass
class Sample:
    """Training rows as numbers, in random order.

    Parameters
    ----------
    views : sequence of ColumnView
    names : sequence of str
        How formulas call the columns.
    values : ndarray of float64, shape (n, d)
    groups : ndarray of int64, shape (n,), or None
        Class of each row.
    """

    views: Sequence[ColumnView]
    names: Sequence[str]
    values: np.ndarray
    groups: np.ndarray | None = None
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(_SEED))

    @classmethod
    def draw(
        cls,
        views: Sequence[ColumnView],
        names: Sequence[str],
        columns: Sequence[pd.Series],
        groups: np.ndarray | None,
    ) -> Sample:
        """Read a random sample of rows, small enough for the number of columns."""
        rows, rng = len(columns[0]), np.random.default_rng(_SEED)
        size = int(np.clip(_MOST_CELLS // len(columns), _FEWEST_ROWS, _MOST_ROWS))
        chosen = rng.permutation(rows)[:size]
        values = np.full((chosen.size, len(columns)), np.nan)
        for j, (view, series) in enumerate(zip(views, columns, strict=True)):
            if view.kind != OTHER:
                values[:, j] = view.read(series.iloc[chosen])
        return cls(views, names, values, None if groups is None else groups[chosen], rng)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @cached_property
    def columns(self) -> dict[int, np.ndarray]:
        """Columns by position."""
        return dict(enumerate(self.values.T))

    @cached_property
    def positions(self) -> dict[str, int]:
        """Columns by name."""
        return {name: j for j, name in enumerate(self.names)}

    @cached_property
    def codes(self) -> np.ndarray:
        """Distinct values of each column by number, int32 of shape (n, d); a missing cell is a value."""
        found = [pd.factorize(column, use_na_sentinel=False)[0] for column in self.values.T]
        return np.asarray(np.stack(found).astype(np.int32).T)

    @cached_property
    def levels(self) -> np.ndarray:
        """Number of distinct values of each column, int64 of shape (d,)."""
        return self.codes.max(axis=0).astype(np.int64) + 1

    @cached_property
    def numeric(self) -> np.ndarray:
        """Positions of columns that one can calculate with and that vary."""
        kinds = [view.kind not in (OTHER, CATEGORY) for view in self.views]
        largest = np.nanmax(np.abs(self.values), axis=0, initial=0.0)
        return np.flatnonzero(np.array(kinds) & (self.levels > 1) & (largest < ENDLESS))

    def decimals(self, j: int) -> int | None:
        """Return the decimals that all numbers of a column share."""
        return self.views[j].decimals

    def say(self, j: int, value: float) -> str:
        """Return a value of a column as rules write it."""
        level = self.views[j].level(value)
        if isinstance(level, date):
            return write_value(level.isoformat().removesuffix("T00:00:00"))
        is_plain = isinstance(level, str | bool | int | float)
        text = write_value(level if is_plain else str(level))
        return text.removesuffix(".0") if isinstance(level, float) else text

    def of_kind(self, kind: str) -> np.ndarray:
        """Return positions of the numeric columns of one kind."""
        return np.array([j for j in self.numeric if self.views[j].kind == kind], dtype=np.int64)

    def holds(self, function: Function, target: int) -> np.ndarray:
        """Return in which rows a column is what a function says, bool of shape (n,)."""
        decimals = self.decimals(target)
        found = round_to(function.evaluate(self.columns), decimals)
        return is_same(self.values[:, target], found, decimals)

    def knows(self, function: Function, target: int) -> np.ndarray:
        """Return in which rows neither a column nor what it follows from is missing, bool of shape (n,)."""
        return function.knows_sources(self.columns) & ~np.isnan(self.values[:, target])

    def has_enough(self, function: Function, target: int) -> bool:
        """Whether enough rows have all cells to judge by, and most of those that have the target."""
        known = self.knows(function, target).sum()
        return bool(known >= _FEWEST_KNOWN and self.measure_gaps(function, target) <= _MOST_GAPS)

    def measure_gaps(self, function: Function, target: int) -> float:
        """Return the share of the rows with a value in a column that lack a cell which it follows from."""
        has_value = ~np.isnan(self.values[:, target])
        return float(1 - function.knows_sources(self.columns)[has_value].mean()) if has_value.any() else 1.0

    def is_beyond_chance(self, function: Function, target: int, tries: int) -> bool:
        """Whether a column is what a function says far too often for unrelated columns.

        The function's results are dealt to other rows a few times; how often they fit then is what chance
        does. Rows that lack a cell fit anything, hence count for nothing.

        Parameters
        ----------
        function : Function
        target : int
        tries : int
            Number of rules that were looked at.
        """
        decimals, values = self.decimals(target), self.values[:, target]
        found = round_to(function.evaluate(self.columns), decimals)
        known = self.knows(function, target)
        values, found = values[known], found[known]
        hits = is_same(values, found, decimals)
        if hits.mean() < 1 - MOST_EXCEPTIONS if hits.size else True:
            return False
        dealt = [is_same(values, self.rng.permutation(found), decimals) for _ in range(4)]
        chance = (np.sum(dealt) + 1) / (4 * hits.size + 1)
        return bool(chance < 1 and bdtrc(hits.sum() - 1, hits.size, chance) < LEVEL / max(tries, 1))

    def holds_in_classes(self, hits: np.ndarray, known: np.ndarray | None = None) -> bool:
        """Whether no class breaks a rule clearly more often than rules may be broken, in rows that count."""
        if self.groups is None:
            return True
        known = np.ones(hits.size, dtype=bool) if known is None else known
        rows = np.bincount(self.groups[known])
        broken = np.bincount(self.groups, weights=known & ~hits, minlength=rows.size)[: rows.size]
        some = broken > 0
        return bool((bdtrc(broken[some] - 1, rows[some], MOST_EXCEPTIONS) > 0.01).all())


def choose_complete(values: np.ndarray, columns: np.ndarray, each: int, more: int) -> np.ndarray:
    """Leave out the columns that lack most cells until enough rows have all cells; return the others.

    Parameters
    ----------
    values : ndarray of float64, shape (n, d)
    columns : ndarray of int64
        Positions of the columns.
    each, more : int
        Rows that are enough: so many for each column, and so many more.
    """
    missing = np.isnan(values[:, columns])
    order = np.argsort(missing.sum(axis=0), kind="stable")
    complete = (~np.logical_or.accumulate(missing[:, order], axis=1)).sum(axis=0)
    enough = np.flatnonzero(complete >= each * np.arange(1, columns.size + 1) + more)
    return np.sort(columns[order[: enough.max(initial=-1) + 1]])
