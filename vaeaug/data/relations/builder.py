"""Choose among relations: one function a column, no circles, and what each costs and keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from itertools import combinations, product

import numpy as np
import pandas as pd

from vaeaug.data.relations.columns import ColumnView
from vaeaug.data.relations.formula import write_name
from vaeaug.data.relations.functions import Arithmetic, Function, Lookup
from vaeaug.data.relations.limits import Fill, Limit, When
from vaeaug.data.relations.plans import Keep, Plan, Step
from vaeaug.data.relations.ranges import bound_terms
from vaeaug.data.relations.rounding import is_rounded, is_same, round_to, snap_to
from vaeaug.data.relations.search.implications import Implied
from vaeaug.data.relations.search.sample import MOST_EXCEPTIONS, Candidate

__all__ = ["Builder", "Rule"]

_MOST_NAMED = 3
#: Kinds that rows keep or break.
_EXACT = ("equation", "dependence", "order")


@dataclass(frozen=True)
class Rule:
    """A relation as users read it.

    Parameters
    ----------
    kind : str
    columns : tuple of str
    text : str
        Reads like algebra.
    rows : int
        Training rows that have all its cells and keep it.
    exceptions : int
        Training rows that do not.
    origin : {"found", "declared"}
    kept : str
        How new rows keep it.
    """

    kind: str
    columns: tuple[str, ...]
    text: str
    rows: int
    exceptions: int
    origin: str
    kept: str


class Builder:
    """Choose among candidates: one function a column, no circles."""

    def __init__(
        self, views: Sequence[ColumnView], names: Sequence[str], columns: Sequence[pd.Series]
    ) -> None:
        self.views, self.names, self._columns = views, names, columns
        self._numbers: dict[int, np.ndarray] = {}
        self.plans: dict[int, Plan] = {}
        self.rules: list[Rule] = []
        self.taken: list[Candidate | Implied] = []

    def list_computed(self) -> set[int]:
        """Return the columns that the model does not see."""
        return {j for j, plan in self.plans.items() if plan.is_computed}

    def breaks(self, candidate: Candidate | Implied) -> np.ndarray:
        """Return the rows in which a candidate or an implication does not hold, bool of shape (n,).

        A row that lacks a cell breaks only rules about missing cells. What lies half-way between two numbers
        may be rounded either way.
        """
        target, decimals = candidate.target, self.views[candidate.target].decimals
        if isinstance(candidate, Implied):
            numbers = self.read((target, *candidate.fill.sources))
            return candidate.fill.is_broken(numbers[target], numbers, decimals)
        if candidate.kind == "partial equality":
            return self._differs(target, candidate.function)
        if candidate.kind != "order":
            numbers = self.read((target, *candidate.function.sources))
            found = candidate.function.evaluate(numbers)
            return ~is_rounded(numbers[target], found, decimals) & self.knows(candidate)
        numbers = self.read((target, *candidate.sources))
        values, found = numbers[target], snap_to(candidate.function.evaluate(numbers), decimals)
        low, high = (found, values) if candidate.is_lower else (values, found)
        broken = np.asarray(low >= high if candidate.is_strict else low > high)
        return broken if candidate.when is None else broken & candidate.when.applies(numbers)

    def knows(self, item: Candidate | Implied) -> np.ndarray:
        """Return the rows that a rule can be judged by, bool of shape (n,): those that have all its cells.

        Of what a condition sets, these are all rows.
        """
        function = item.function
        if function is None:
            return np.ones(len(self._columns[0]), dtype=bool)
        numbers = self.read((item.target, *function.sources))
        return ~np.isnan(numbers[item.target]) & function.knows_sources(numbers)

    def learn_lookup(self, sources: Sequence[int], target: int) -> Lookup:
        """Return the table of what follows from each combination of the sources.

        A missing cell is a value like others if hardly any row breaks the table then; else rows that lack a
        cell are left out.
        """
        numbers = self.read((target, *sources))
        whole = Lookup.learn(sources, [numbers[j] for j in sources], numbers[target])
        differs = self._differs(target, whole)
        known = ~np.isnan(numbers[target]) & whole.knows_sources(numbers)
        if not differs.any() or not known.any():
            return whole
        part = Lookup.learn(sources, [numbers[j][known] for j in sources], numbers[target][known])
        broken = int((self._differs(target, part) & known).sum())
        is_whole = differs.mean() <= MOST_EXCEPTIONS and 0 < (differs & known).sum() <= broken
        return whole if is_whole else part

    def _differs(self, target: int, function: Function) -> np.ndarray:
        """Return the rows in which a column is not what a function says, bool of shape (n,)."""
        numbers, decimals = self.read((target, *function.sources)), self.views[target].decimals
        return ~is_same(numbers[target], round_to(function.evaluate(numbers), decimals), decimals)

    def remainder(self, candidate: Candidate) -> np.ndarray:
        """Return what a near equation leaves open, float64 of shape (n,): a difference, or a log ratio."""
        numbers = self.read((candidate.target, *candidate.function.sources))
        step = Step(candidate.function, candidate.keep or Keep.DIFFERENCE, default=np.nan)
        return step.forward(numbers[candidate.target], numbers, None)

    def can_take(self, target: int, sources: Iterable[int]) -> bool:
        """Whether a column may still be made to follow from others."""
        plan = self.plans.get(target, Plan(target))
        return plan.step is None and self._is_acyclic(target, sources)

    def can_bound(self, target: int, sources: Iterable[int]) -> bool:
        """Whether a column may still be bounded by others."""
        return self.plans.get(target, Plan(target)).takes(sources) and self._is_acyclic(target, sources)

    def add(self, candidate: Candidate | Implied, origin: str = "found", needs_room: bool = False) -> bool:
        """Take a candidate or an implication if it fits with those taken before; return whether it does.

        Parameters
        ----------
        candidate : Candidate or Implied
        origin : {"found", "declared"}
        needs_room : bool, default=False
            Refuse a bound of a column that other columns bound on the other side, or set.
        """
        if isinstance(candidate, Implied):
            return self._add_implied(candidate, origin)
        target, function, is_bound = candidate.target, candidate.function, candidate.kind == "order"
        if origin == "found" and isinstance(function, Lookup):
            # The sample may lack keys that other rows have.
            function = self.learn_lookup(function.sources, target)
            candidate = replace(candidate, function=function)
        plan = self.plans.get(target, Plan(target))
        if self._is_said(candidate):
            return False
        if origin == "declared" and is_bound and self._follows(candidate):
            self._note(candidate, int(self.breaks(candidate).sum()), origin, "follows from another rule")
            return True
        if not plan.takes(candidate.sources) or not self._is_acyclic(target, candidate.sources):
            return False
        if plan.step is not None and not is_bound:
            return False
        broken, numbers = self.breaks(candidate), self._numbers
        # The sample has chosen the number of a bound by a number: no other row may break it.
        most = MOST_EXCEPTIONS if function.sources else 0.0
        known = self.knows(candidate).sum()
        if origin == "found" and candidate.kind in _EXACT and broken.sum() > most * known:
            return False
        is_limit = is_bound and (candidate.keep is None or plan.step is not None)
        if is_limit and needs_room and _leaves_no_room(candidate, plan):
            return False
        if is_limit or (is_bound and not broken.any()):
            margin = self._find_margin(candidate) if candidate.is_strict else 0.0
            is_fine = self._is_fine(function.sources)
            limit = Limit(function, candidate.is_lower, margin, bool(broken.any()), is_fine, candidate.when)
            plan = replace(plan, limits=(*plan.limits, limit))
            if limit.has_exceptions:
                plan = self._show_exceptions(plan)
            kept = "new values are moved to the bound"
            if plan.step is not None and plan.step.keep == Keep.GAPPED:
                kept += " where cells are missing"
        if not is_limit:
            step = self._make_step(candidate, numbers[target], broken)
            if step is None:
                return False
            plan = self._set_step(plan, step)
            if step.has_exceptions:
                plan = self._show_exceptions(plan)
            kept = _SAY[Keep.MARKED if step.has_exceptions else step.keep]
            if step.has_ties:
                kept = "computed, and half-way cases rounded either way"
            if is_bound or candidate.kind == "partial equality":
                kept = "the distance is drawn" if is_bound else "drawn whether it is equal"
        self.plans[target] = plan
        self._make_room(plan)
        if candidate.kind == "equation" and isinstance(function, Arithmetic):
            self._keep_in_range(target, function)
        self._note(candidate, int(broken.sum()), origin, kept)
        return True

    def _add_implied(self, implied: Implied, origin: str) -> bool:
        target, fill = implied.target, implied.fill
        plan = self.plans.get(target, Plan(target))
        is_known = origin == "found" and plan.step is not None and isinstance(plan.step.function, Lookup)
        # Where cells lack at random, the table does not say which.
        is_known &= not (fill.sets_missing and plan.takes((), sets_missing=True))
        is_known |= self._is_said(implied)
        is_open = plan.takes(fill.sources, fill.sets_missing)
        if is_known or not is_open or not self._is_acyclic(target, fill.sources):
            return False
        numbers = self.read((target, *fill.sources))
        applies, broken = fill.when.applies(numbers), int(self.breaks(implied).sum())
        if origin == "found" and broken > MOST_EXCEPTIONS * applies.sum():
            return False
        fill = replace(fill, has_exceptions=bool(broken))
        plan = self._stand_in(replace(plan, fills=(*plan.fills, fill)))
        self.plans[target] = self._show_exceptions(plan) if broken else plan
        self._make_room(self.plans[target])
        self._note(implied, broken, origin, "the value is set where it is implied")
        return True

    def part_conditions(self) -> None:
        """Keep conditions apart that would set a column to two values: the later one's column gives way."""
        for plan in list(self.plans.values()):
            fills = [fill for fill in plan.fills if fill.own is None]
            for one, other in combinations(fills, 2):
                if one.when.source == other.when.source or one.sets_same(other):
                    continue
                if not self._part(one.when, other.when):
                    self._part(other.when, one.when)

    def _part(self, first: When, second: When) -> bool:
        """Give a condition's column another value where the first condition is met; return whether it has."""
        j = second.source
        plan, numbers = self.plans.get(j, Plan(j)), self.read((j, first.source))
        meets = first.applies(numbers)
        if not plan.takes((first.source,)) or not meets.any() or (meets & second.applies(numbers)).any():
            return False
        if not self._is_acyclic(j, (first.source,)):
            return False
        levels, counts = np.unique(numbers[j][meets], return_counts=True)
        fill = Fill(first, float(levels[counts.argmax()]), own=second)
        self.plans[j] = replace(plan, fills=(*plan.fills, fill))
        return True

    def name_rows(self, rows: np.ndarray) -> str:
        """Return the first rows of a list as an error names them: by their labels, where these say more."""
        index, more = self._columns[0].index, ", ..." if rows.size > _MOST_NAMED else ""
        labels = index[rows[:_MOST_NAMED]].tolist()
        named = ", ".join(repr(label) for label in labels)
        is_plain = index.equals(pd.RangeIndex(len(index)))
        return f"rows {named}{more}; row 0 is the first" if is_plain else f"rows labelled {named}{more}"

    def show_row(self, item: Candidate | Implied, row: int) -> str:
        """Return what a row holds in the columns of a rule, and what the rule makes of it, as a sentence."""
        function, sources = item.function, item.sources
        numbers = self.read((item.target, *sources))
        parts = [
            f"{write_name(self.names[j])} is {self._say(j, numbers[j][row])}"
            for j in dict.fromkeys((item.target, *sources))
        ]
        if isinstance(function, Arithmetic) and function.sources and function.formula.column is None:
            made = self._say(item.target, function.evaluate(numbers)[row])
            parts.append(f"and {function.formula} gives {made}")
        (label,) = self._columns[0].index[[row]].tolist()
        return f"In row {label!r}, {', '.join(parts)}."

    def order(self) -> list[Plan]:
        """Return the plans, each after those whose columns it reads."""
        graph = {j: sorted(self.plans[j].sources) for j in sorted(self.plans)}
        return [self.plans[j] for j in TopologicalSorter(graph).static_order() if j in self.plans]

    def read(self, positions: Iterable[int]) -> dict[int, np.ndarray]:
        """Return columns as numbers, read once."""
        for j in positions:
            if j not in self._numbers:
                self._numbers[j] = self.views[j].read(self._columns[j])
        return self._numbers

    def _note(self, item: Candidate | Implied, broken: int, origin: str, kept: str) -> None:
        """Note what was taken, as users read it."""
        rows, text, exceptions = int(self.knows(item).sum()), item.text, broken
        if isinstance(item, Implied):
            kind, sources = "implication", item.fill.sources
        else:
            kind, sources = item.kind if item.when is None else "implication", item.sources
            exceptions = broken if item.kind in _EXACT else 0
        if kind == "partial equality":
            rows = len(self._columns[0]) - broken
            text = f"{text} in {rows / len(self._columns[0]):.1%} of rows"
        columns = tuple(self.names[j] for j in dict.fromkeys((*sources, item.target)))
        self.taken.append(item)
        self.rules.append(Rule(kind, columns, text, rows - exceptions, exceptions, origin, kept))

    def _follows(self, candidate: Candidate) -> bool:
        """Whether one of the columns of an order is computed from all its others."""
        columns = {candidate.target, *candidate.sources}
        plans = [self.plans[j] for j in columns if j in self.plans and self.plans[j].is_given]
        return any(columns - {plan.target} <= plan.sources for plan in plans)

    def _is_said(self, item: Candidate | Implied) -> bool:
        return any(rule.text == item.text for rule in self.rules)

    def _is_acyclic(self, target: int, sources: Iterable[int]) -> bool:
        """Whether no source is computed from the target."""
        pending, seen = list(sources), set()
        while pending:
            j = pending.pop()
            if j == target:
                return False
            if j not in seen:
                seen.add(j)
                pending += self.plans[j].sources if j in self.plans else ()
        return True

    def _say(self, j: int, number: float) -> str:
        """Return a number of a column as users know it."""
        value = self.views[j].level(number)
        return "missing" if value is None else repr(value) if isinstance(value, str) else str(value)

    def _read_own(self, plan: Plan) -> np.ndarray:
        """Return what the step of a plan makes of its column."""
        numbers, decimals = self.read((plan.target, *plan.sources)), self.views[plan.target].decimals
        return Plan(plan.target, plan.step).forward(numbers, decimals)

    def _show_exceptions(self, plan: Plan) -> Plan:
        """Return the plan with a place below all values for rows that break its limits and fills."""
        numbers = self.read((plan.target, *plan.sources))
        return plan.show_exceptions(numbers, self.views[plan.target].decimals)

    def _set_step(self, plan: Plan, step: Step) -> Plan:
        """Return the plan with a step, and its fills and exceptions in what the step makes of the column."""
        plan = self._stand_in(replace(plan, step=step))
        return self._show_exceptions(replace(plan, shift=0.0)) if plan.shift else plan

    def _stand_in(self, plan: Plan) -> Plan:
        """Return the plan with what the model sees where its fills set the value."""
        own, meets = self._read_own(plan), [fill.when.applies(self._numbers) for fill in plan.fills]
        times = np.sum(meets, axis=0)
        fills = [
            replace(fill, stand_in=self._find_stand_in(plan, fill, own, times > applies))
            for fill, applies in zip(plan.fills, meets, strict=True)
        ]
        return replace(plan, fills=tuple(fills))

    def _find_stand_in(self, plan: Plan, fill: Fill, own: np.ndarray, is_set: np.ndarray) -> float:
        """Return what stands for the value of a fill, of which others set some rows."""
        numbers, decimals = self._numbers, self.views[plan.target].decimals
        applies, known = fill.when.applies(numbers), ~np.isnan(own)
        is_wanted = is_same(numbers[plan.target], fill.find(numbers, decimals), decimals)
        is_elsewhere = (is_wanted & ~applies & ~is_set).any()
        if fill.function is None and is_elsewhere and (is_wanted & applies).any():
            # Other rows have the value too: the model may see it as it is.
            return float(own[is_wanted & applies][0])
        # Where the condition holds in all rows, the column's own commonest value stands in.
        others = next(
            (own[rows] for rows in (known & ~applies & ~is_set, known & ~applies) if rows.any()), own[known]
        )
        found, counts = np.unique(others, return_counts=True)
        return float(found[counts.argmax()]) if found.size else np.nan

    def _keep_in_range(self, target: int, function: Arithmetic) -> None:
        """Bound what a column is the sum of, so that its dtype holds the sum."""
        columns = {name: self.read([j])[j] for name, j in function.names.items()}
        for name, text, is_lower in bound_terms(function.formula, columns, self.views[target].limits):
            self.bound(function.names[name], Limit(Arithmetic(text, function.names), is_lower))

    def _make_room(self, plan: Plan) -> None:
        """Keep the lower bounds of a column below its upper ones: bound the column that one of them is.

        A value that is set is both a lower and an upper bound.
        """
        set_values = [
            Limit(fill.function or Arithmetic(repr(fill.value), {}), is_lower, when=fill.when)
            for fill in plan.fills
            if fill.own is None
            for is_lower in (True, False)
            if fill.function is not None or np.isfinite(fill.value)
        ]
        for one, other in product(plan.limits, (*plan.limits, *set_values)):
            if one.is_lower == other.is_lower:
                continue
            for bounded, by in ((one, other), (other, one)):
                if _is_column(bounded.function) and self._bound(bounded, by):
                    break

    def _bound(self, bounded: Limit, by: Limit) -> bool:
        """Bound the column that is a bound by another bound of the same column; return whether it is now."""
        (j,) = bounded.function.sources
        when = bounded.when if by.when is None else by.when.join(bounded.when)
        return self.bound(j, replace(by, when=when, margin=0.0, has_exceptions=False))

    def bound(self, j: int, limit: Limit) -> bool:
        """Bound a column where all rows keep to it; return whether it is now."""
        plan, decimals = self.plans.get(j, Plan(j)), self.views[j].decimals
        if any(own.says_same(limit) for own in plan.limits):
            return True
        if not plan.takes(limit.sources) or not self._is_acyclic(j, limit.sources):
            return False
        numbers = self.read((j, *limit.sources))
        if limit.is_broken(numbers[j], numbers, decimals).any():
            return False
        self.plans[j] = replace(plan, limits=(*plan.limits, limit))
        self._make_room(self.plans[j])
        return True

    def _is_fine(self, sources: Iterable[int]) -> bool:
        """Whether columns share no decimals, so that they come back within float tolerance only."""
        return any(self.views[j].decimals is None for j in sources)

    def _find_margin(self, candidate: Candidate) -> float:
        """Return the smallest distance to a bound that rows keep."""
        numbers = self.read((candidate.target, *candidate.sources))
        distance = np.abs(numbers[candidate.target] - candidate.function.evaluate(numbers))
        if candidate.when is not None:
            distance = distance[candidate.when.applies(numbers)]
        distance = distance[distance > 0]
        return float(distance.min()) if distance.size else 0.0

    def _make_step(self, candidate: Candidate, values: np.ndarray, broken: np.ndarray) -> Step | None:
        present, is_exact = values[~np.isnan(values)], candidate.kind in _EXACT[:2]
        has_ties = bool(
            is_exact
            and not broken.any()
            and (self._differs(candidate.target, candidate.function) & self.knows(candidate)).any()
        )
        has_exceptions = has_ties or bool(broken.any())
        if not present.size:
            return None
        low, high = float(present.min()), float(present.max())
        keep = candidate.keep or Keep.DIFFERENCE
        if keep == Keep.COMPUTED:
            keep = self._choose_keep(candidate, has_exceptions)
        is_fine = self._is_fine(candidate.function.sources)
        step = Step(candidate.function, keep, low=low, high=high, is_fine=is_fine, has_ties=has_ties)
        if keep in (Keep.MARKED, Keep.GAPPED):
            is_category = self.views[candidate.target].is_level
            # As far below the lowest value as that is below the highest: on the grid of the values.
            decimals = self.views[candidate.target].decimals
            mark = (
                high + 1 if is_category else float(round_to(np.array(low - max(high - low, 1.0)), decimals))
            )
            unmarked = np.nan
            if candidate.kind == "partial equality":
                levels, counts = np.unique(present, return_counts=True)
                unmarked = float(levels[counts.argmax()])
            if keep == Keep.GAPPED:
                default = self._find_default(candidate)
                step = replace(step, default=default, has_exceptions=has_exceptions)
            return replace(step, mark=mark, unmarked=unmarked)
        if candidate.kind == "order":
            sign = 1.0 if candidate.is_lower else -1.0
            return replace(step, sign=sign, default=low if candidate.is_lower else high)
        if keep == Keep.RATIO and low <= 0:
            return None
        return replace(step, default=float(np.median(present)))

    def _choose_keep(self, candidate: Candidate, has_exceptions: bool) -> Keep:
        """Return how a column is kept that others give."""
        differs, known = self._differs(candidate.target, candidate.function), self.knows(candidate)
        if not has_exceptions:
            return Keep.GAPPED if differs.any() else Keep.COMPUTED
        # A table may say what follows from a missing cell.
        is_rare = (differs & known).sum() <= MOST_EXCEPTIONS * known.sum()
        is_table = isinstance(candidate.function, Lookup) and differs.mean() <= MOST_EXCEPTIONS
        return Keep.GAPPED if is_rare and not is_table else Keep.MARKED

    def _find_default(self, candidate: Candidate) -> float:
        """Return what a column mostly is where cells that it follows from are missing; NaN for missing.

        That is the commonest category, or the median.
        """
        own, lacks = self._numbers[candidate.target], ~candidate.function.knows_sources(self._numbers)
        found, counts = np.unique(own[lacks & ~np.isnan(own)], return_counts=True)
        if not found.size:
            return np.nan
        is_level = self.views[candidate.target].is_level
        middle = counts.argmax() if is_level else np.searchsorted(counts.cumsum(), counts.sum() / 2)
        return float(found[middle])


_SAY = {
    Keep.COMPUTED: "computed",
    Keep.MARKED: "computed where the row has no value of its own",
    Keep.GAPPED: "computed where no cell is missing",
    Keep.DIFFERENCE: "the remainder is drawn",
    Keep.RATIO: "the ratio to the formula is drawn",
}


def _leaves_no_room(candidate: Candidate, plan: Plan) -> bool:
    """Whether a bound may contradict what else is kept about its column."""
    return bool(plan.fills) or any(
        limit.is_lower != candidate.is_lower and limit.function.sources != candidate.function.sources
        for limit in plan.limits
    )


def _is_column(function: Function) -> bool:
    """Whether a function is another column as it is."""
    return isinstance(function, Arithmetic) and function.formula.column is not None
