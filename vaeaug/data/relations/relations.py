"""The relations of a table: looked for, put in an order without circles, and kept in new rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.relations.builder import Builder, Rule
from vaeaug.data.relations.columns import ColumnView
from vaeaug.data.relations.limits import Fill, Limit
from vaeaug.data.relations.objects import Dependence, Equation, Order, Relation
from vaeaug.data.relations.parsing import parse_relations
from vaeaug.data.relations.plans import Keep, Plan
from vaeaug.data.relations.rounding import FINE, is_same
from vaeaug.data.relations.search.conditional import find_conditional
from vaeaug.data.relations.search.equalities import find_equalities
from vaeaug.data.relations.search.equations import find_equations
from vaeaug.data.relations.search.implications import Implied, find_implications
from vaeaug.data.relations.search.lookups import find_lookups
from vaeaug.data.relations.search.near import NEAR, find_near_equations
from vaeaug.data.relations.search.orders import find_orders
from vaeaug.data.relations.search.products import find_products
from vaeaug.data.relations.search.sample import Candidate, Sample
from vaeaug.data.relations.validation import declare
from vaeaug.data.tables.base import ColumnCodec, ColumnOptions
from vaeaug.data.tables.registry import column_from_state, fit_column
from vaeaug.data.tables.serialization import Arrays, add_prefix, pack_states, take_prefix, unpack_states
from vaeaug.errors import InputError
from vaeaug.utils.wording import list_names

__all__ = ["Columns", "Relations", "name_columns", "search"]

_FEWEST_ROWS = 40
#: Exceptions to a rule, for each row that keeps it, up to which a row is expected to keep it.
_FEW = 0.05
#: Kinds of rules that may get exceptions.
_LOOSE = ("order", "implication")
_SEARCHES = (find_lookups, find_equations, find_near_equations, find_equalities, find_orders, find_products)


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Parameters
    ----------
    codecs : sequence of ColumnCodec
        Fitted, one for each column.
    series : sequence of Series
    names : sequence of str
        How formulas call the columns; all different.
    groups : ndarray of int64, shape (n,), or None
        Class of each row: what a class breaks is not forced on it.
    """

    codecs: Sequence[ColumnCodec]
    series: Sequence[pd.Series]
    names: Sequence[str]
    groups: np.ndarray | None = None

    def choose(self, rows: np.ndarray) -> Columns:
        """Return the rows that a mask names."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, series=[series[rows] for series in self.series], groups=groups)


class Relations:
    """Rules between columns, and the way from a table to the columns that the model sees, and back.

    Parameters
    ----------
    views : mapping of int to ColumnView
        Of every column that a plan reads or writes.
    plans : sequence of Plan
        Each after those whose columns it reads.
    rules : sequence of Rule
    """

    def __init__(self, views: Mapping[int, ColumnView], plans: Sequence[Plan], rules: Sequence[Rule]) -> None:
        self.views, self.plans, self.rules = dict(views), tuple(plans), tuple(rules)
        #: Column, text and number of rows of rules that :meth:`grow` found broken.
        self.broken: list[tuple[str, str, int]] = []

    @classmethod
    def learn(cls, wanted: Any, table: Columns, on_violation: str = "raise") -> Relations:
        """Look for relations in training rows, and take those that the user declared.

        Parameters
        ----------
        wanted : "auto", or list of str or Relation
            What the user declared; ``"auto"`` in the list looks for others too.
        table : Columns
        on_violation : {"raise", "keep"}
            What becomes of a declared relation that rows break.

        Raises
        ------
        InputError
            For declared relations that cannot be read or kept, or that rows break.
        """
        builder = search(wanted, table, on_violation)
        order = builder.order()
        involved = sorted({j for plan in order for j in (plan.target, *plan.sources)})
        return cls({j: builder.views[j] for j in involved}, order, builder.rules)

    @property
    def changes(self) -> dict[int, Plan]:
        """Plans of the columns that the model sees in another form, by position."""
        return {plan.target: plan for plan in self.plans if plan.is_changed}

    def fit_columns(
        self, columns: Mapping[int, pd.Series], max_bins: int, weights: np.ndarray | None = None
    ) -> dict[int, ColumnCodec]:
        """Fit the codecs of what the model sees in the place of changed columns.

        Parameters
        ----------
        columns : mapping of int to Series
        max_bins : int
        weights : ndarray of float64, shape (n,), optional
            What each row counts for where bins are cut.
        """
        seen = self.forward(columns)
        codecs: dict[int, ColumnCodec] = {}
        for j, plan in self.changes.items():
            if plan.is_computed:
                continue
            points: tuple[Any, ...] = ()
            if plan.step is not None and plan.step.keep in (Keep.MARKED, Keep.GAPPED):
                points = (plan.step.mark,)
            options = ColumnOptions(
                self.views[j].is_level, max_bins, recognise=False, points=points, weights=weights
            )
            codecs[j] = fit_column(seen[j], options)
        return codecs

    def forward(self, columns: Mapping[int, pd.Series]) -> dict[int, pd.Series]:
        """Return what the model sees in the place of each changed column; nothing for computed ones.

        Parameters
        ----------
        columns : mapping of int to Series
            At least those that have a view.
        """
        if not self.changes:
            return {}
        numbers = {j: view.read(columns[j]) for j, view in self.views.items()}
        shown = {j: plan for j, plan in self.changes.items() if not plan.is_computed}
        return {j: self.show(plan, numbers, columns[j].name) for j, plan in shown.items()}

    def show(self, plan: Plan, numbers: Mapping[int, np.ndarray], name: Any) -> pd.Series:
        """Return what the model sees in the place of one column, given all columns as numbers."""
        view = self.views[plan.target]
        series = pd.Series(plan.forward(numbers, view.decimals), name=name)
        # Counts of microseconds are whole, which floats of their size do not show.
        return series.astype("Int64") if view.is_time and plan.is_whole else series

    def backward(
        self, columns: Sequence[pd.Series], known: Mapping[int, tuple[np.ndarray, pd.Series]] | None = None
    ) -> dict[int, pd.Series]:
        """Return the columns that plans change, in the dtypes of training.

        Parameters
        ----------
        columns : sequence of Series
            What the model drew; anything for computed columns.
        known : mapping of int to (ndarray of bool (n,), Series), optional
            Columns some of whose cells are known, as the user sees them: other columns follow from these.
        """
        numbers: dict[int, np.ndarray] = {}
        changes = self.changes
        for j, view in self.views.items():
            if j in changes:
                numbers[j] = columns[j].to_numpy(np.float64, na_value=np.nan)
            else:
                numbers[j] = view.read(columns[j])
        made = {}
        for plan in self.plans:
            j = plan.target
            view = self.views[j]
            made[j] = view.write(plan.backward(numbers[j], numbers, view.decimals))
            # What the dtype made of the numbers is what later columns follow from.
            numbers[j] = view.read(made[j])
            if known is not None and j in known:
                is_known, own = known[j]
                numbers[j] = np.where(is_known, view.read(own), numbers[j])
        return {j: made[j] for j in sorted(made)}

    def find_contradictions(
        self, columns: Mapping[int, pd.Series], known: np.ndarray, names: Sequence[str]
    ) -> list[tuple[Rule, np.ndarray]]:
        """Return the rules without exceptions that known cells break, each with the rows, bool of shape (n,).

        Parameters
        ----------
        columns : mapping of int to Series
            Some of the columns, as the user sees them.
        known : ndarray of bool, shape (n, d)
        names : sequence of str
            How formulas call the columns.
        """
        nothing = np.full(len(known), np.nan)
        numbers = {j: view.read(columns[j]) if j in columns else nothing for j, view in self.views.items()}
        found = []
        for plan in self.plans:
            for sources, broken in plan.contradict(numbers, self.views[plan.target].decimals):
                own = {plan.target, *sources}
                rows = broken & known[:, sorted(own)].all(axis=1)
                rules = [rule for rule in self.rules if set(rule.columns) == {names[j] for j in own}]
                if rows.any() and rules and not rules[0].exceptions:
                    found.append((rules[0], rows))
        return found

    def grow(
        self, codecs: Sequence[ColumnCodec], columns: Sequence[pd.Series], names: Sequence[str]
    ) -> Relations:
        """Return the same relations of a table that has more rows.

        Columns that are looked up know the new keys. A bound that was found and that rows break is dropped, a
        value that is implied gets exceptions; :attr:`broken` names both.

        Parameters
        ----------
        codecs : sequence of ColumnCodec
            Of the columns as the user sees them; categories have the numbers that they had.
        columns : sequence of Series
        names : sequence of str
            How formulas call them.

        Raises
        ------
        InputError
            If rows break what others follow from, or a rule that was declared; the message names it.
        """
        views = {j: ColumnView(codecs[j], view.decimals) for j, view in self.views.items()}
        for j, view in self.views.items():
            if not view.is_like(ColumnView(codecs[j]).learn(columns[j])):
                self._refuse(
                    [rule for rule in self.rules if names[j] in rule.columns], names[j], "other values"
                )
        numbers = {j: view.read(columns[j]) for j, view in views.items()}
        plans, rules, broken = [], list(self.rules), []
        for plan in self.plans:
            decimals = views[plan.target].decimals
            plans.append(plan.grow(numbers, decimals))
            parts: list[Limit | Fill] = [*plan.limits, *plan.fills]
            for part, count in zip(parts, plan.find_broken(numbers, decimals), strict=True):
                if not count or part.has_exceptions:
                    continue
                known = {names[j] for j in (plan.target, *part.sources)}
                said = [
                    i for i, rule in enumerate(rules) if rule.kind in _LOOSE and set(rule.columns) == known
                ]
                if any(rules[i].origin == "declared" for i in said):
                    self._refuse(
                        [rules[i] for i in said], names[plan.target], f"{count:,} rows that break them"
                    )
                is_lost = isinstance(part, Limit) and not plan.shift
                kept = "not kept any more" if is_lost else "rows that break it are drawn too"
                for i in said:
                    rows = len(columns[0]) - count
                    rules[i] = replace(rules[i], rows=rows, exceptions=count, kept=kept)
                    broken.append((names[plan.target], rules[i].text, count))
        grown = Relations(views, plans, rules)
        grown.broken = broken
        grown._check(columns, names, numbers)
        return grown

    def _check(
        self, columns: Sequence[pd.Series], names: Sequence[str], numbers: Mapping[int, np.ndarray]
    ) -> None:
        """Check that all rows come back as they are."""
        seen = self.forward(dict(enumerate(columns)))
        empty, changed = pd.Series(np.nan, index=range(len(columns[0]))), self.changes
        drawn = [seen.get(j, empty if j in changed else series) for j, series in enumerate(columns)]
        for j, series in self.backward([series.reset_index(drop=True) for series in drawn]).items():
            view, again = self.views[j], self.views[j].read(series)
            same = is_same(numbers[j], again, view.decimals)
            if view.decimals is None:
                same |= np.isclose(numbers[j], again, rtol=FINE, atol=0.0)
            if not same.all():
                said = [rule for rule in self.rules if names[j] in rule.columns]
                self._refuse(said, names[j], f"{int((~same).sum()):,} rows that break them")

    def _refuse(self, rules: Sequence[Rule], name: str, what: str) -> None:
        """Raise for a column in which rules do not hold any more."""
        named = list_names([rule.text for rule in rules])
        raise InputError(
            f"warm_start keeps the rules that the last fit knew, and column {name!r} has {what}: {named}. "
            "Mend or drop these rows, or set warm_start=False to look for rules anew. To leave a rule out, "
            "such as one on ages that grow, fit with relations=[...], which lists the rules to keep."
        )

    def list_rules(self, plan: Plan, names: Sequence[str]) -> list[Rule]:
        """Return the rules that a plan keeps, those on the most columns first."""
        own = {names[j] for j in (plan.target, *plan.sources)}
        said = [rule for rule in self.rules if {names[plan.target]} <= set(rule.columns) <= own]
        return sorted(said, key=lambda rule: -len(rule.columns))

    def expect(self, plan: Plan, numbers: Mapping[int, np.ndarray], names: Sequence[str]) -> np.ndarray:
        """Return a column as others make it, float64 (n,), as if no row were one of few exceptions."""
        decimals, rules = self.views[plan.target].decimals, self.list_rules(plan, names)
        if any(rule.kind == "partial equality" or rule.exceptions > _FEW * rule.rows for rule in rules):
            return plan.settle(numbers, decimals)
        made, step = plan.expect(numbers, decimals), plan.step
        if step is None or not any(rule.kind == "order" and rule.exceptions for rule in rules):
            return made
        bound = step.function.evaluate(numbers)
        return np.where(step.sign * (made - bound) < 0, bound, made)

    def table(self) -> pd.DataFrame:
        """Return the rules as a table to read."""
        names = ["kind", "columns", "formula", "rows", "exceptions", "origin", "kept"]
        rows = [
            (rule.kind, list(rule.columns), rule.text, rule.rows, rule.exceptions, rule.origin, rule.kept)
            for rule in self.rules
        ]
        return pd.DataFrame(rows, columns=names)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything as a JSON-able dict and plain arrays."""
        plans, arrays = pack_states(self.plans, "plan")
        views = {}
        for j, view in self.views.items():
            codec = None
            if j in self.changes:
                codec, own = view.codec.state()
                arrays |= add_prefix(f"view{j}", own)
            views[str(j)] = {"codec": codec, "decimals": view.decimals}
        return {"plans": plans, "views": views, "rules": [vars(rule) for rule in self.rules]}, arrays

    @classmethod
    def from_state(
        cls, meta: Mapping[str, Any] | None, arrays: Mapping[str, np.ndarray], codecs: Sequence[ColumnCodec]
    ) -> Relations:
        """Rebuild from :meth:`state`, None for none; ``codecs`` are those of what the model sees."""
        if meta is None:
            return cls({}, (), ())
        views = {}
        for name, view in meta["views"].items():
            own = view["codec"]
            codec = (
                codecs[int(name)]
                if own is None
                else column_from_state(own, take_prefix(f"view{name}", arrays))
            )
            views[int(name)] = ColumnView(codec, view["decimals"])
        plans = unpack_states(Plan.from_state, meta["plans"], arrays, "plan")
        return cls(
            views, plans, [Rule(**{**rule, "columns": tuple(rule["columns"])}) for rule in meta["rules"]]
        )


def search(wanted: Any, table: Columns, on_violation: str = "raise") -> Builder:
    """Choose the relations of a table; see :meth:`Relations.learn`."""
    listed = [wanted] if isinstance(wanted, str) else list(wanted)
    declared = parse_relations([item for item in listed if item != "auto"], table.names)
    views = [
        ColumnView(codec).learn(series) for codec, series in zip(table.codecs, table.series, strict=True)
    ]
    builder = Builder(views, table.names, table.series)
    sample, found = None, []
    if "auto" in listed and len(views) > 1 and len(table.series[0]) >= _FEWEST_ROWS:
        sample = Sample.draw(views, table.names, table.series, table.groups)
        found = [candidate for find in _SEARCHES for candidate in find(sample)]
        found.sort(key=lambda candidate: candidate.rank)
    _declare_all(builder, declared, found, on_violation)
    if sample is not None:
        _add_candidates(builder, sample, found)
    builder.part_conditions()
    return builder


def _declare_all(
    builder: Builder, declared: Sequence[Relation], found: Sequence[Candidate], on_violation: str
) -> None:
    """Take declared relations; an order that follows from an exact rule comes after that rule."""
    rules = [set(one.columns) for one in declared if isinstance(one, Equation | Dependence)]
    exact = [
        (candidate, {builder.names[j] for j in (candidate.target, *candidate.sources)})
        for candidate in found
        if candidate.kind in ("equation", "dependence")
    ]
    later = [
        one
        for one in declared
        if isinstance(one, Order)
        and any(set(one.columns) <= columns for columns in (*rules, *(columns for _, columns in exact)))
    ]
    for relation in declared:
        if relation not in later:
            declare(builder, relation, on_violation)
    for candidate, columns in exact:
        if any(set(relation.columns) <= columns for relation in later):
            builder.add(candidate)
    for relation in later:
        declare(builder, relation, on_violation)


def _add_candidates(builder: Builder, sample: Sample, found: Sequence[Candidate]) -> None:
    """Take what was found, and look for the rest in what is still open."""
    modelled = [candidate for candidate in found if candidate.keep is not None]
    first = [candidate for candidate in modelled if candidate.rank < NEAR]
    refused = {candidate.target for candidate in first if not builder.add(candidate, needs_room=True)}
    # A near equation shuts out those that compute its sources; these are solved for what is still open.
    chained = find_near_equations(
        sample, lambda target, sources: target in refused and builder.can_take(target, sources)
    )
    for candidate in chained if refused else ():
        builder.add(candidate)
    for candidate in modelled:
        if candidate.rank >= NEAR:
            builder.add(candidate, needs_room=True)
    for implied in sorted(find_implications(sample, builder.list_computed()), key=lambda one: one.rank):
        builder.add(implied)
    # Bounds come last: either column of an order may be moved, best one that nothing else decides on.
    bounds = [candidate for candidate in found if candidate.kind == "order"]
    for item in sorted(find_conditional(sample, builder.list_computed()), key=lambda one: one.rank):
        if isinstance(item, Implied):
            builder.add(item)
        else:
            bounds.append(item)
    for needs_room in (True, False):
        for candidate in bounds:
            builder.add(candidate, needs_room=needs_room)


def name_columns(labels: pd.Index | None, count: int) -> list[str]:
    """Return how formulas call the columns of a table: by their labels; x0, x1, ... in an array."""
    if labels is None:
        return [f"x{j}" for j in range(count)]
    names = [str(label) for label in labels]
    seen = Counter(names)
    while max(seen.values(), default=0) > 1:
        names = [name if seen[name] == 1 else f"{name}#{j}" for j, name in enumerate(names)]
        seen = Counter(names)
    return names
