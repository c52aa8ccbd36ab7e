"""How the relations of one column are kept: what the model sees in its place, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from vaeaug.data.relations.functions import Function, Lookup, function_from_state
from vaeaug.data.relations.limits import Fill, Limit, write_number
from vaeaug.data.relations.rounding import FINE, is_rounded, is_same, round_to
from vaeaug.data.tables.serialization import Arrays, add_prefix, pack_states, take_prefix, unpack_states

__all__ = ["Keep", "Plan", "Step"]


class Keep(StrEnum):
    """What the model sees in the place of a column that follows from others."""

    COMPUTED = "computed"  # nothing
    MARKED = "marked"  # a mark where the function holds, the value elsewhere
    GAPPED = "gapped"  # a mark where the function holds and no cell is missing, the value elsewhere
    DIFFERENCE = "difference"  # value minus function
    RATIO = "ratio"  # logarithm of value over function


@dataclass(frozen=True)
class Step:
    """A function, and how what it leaves open is kept.

    Parameters
    ----------
    function : Function
    keep : Keep
    sign : float
        −1 for a difference that is counted downwards from the function.
    default : float
        Stands for the function where it has no value; of a gapped column, for the column where cells that it
        follows from are missing and the mark was drawn.
    mark : float
        Number that says "as the function has it".
    low, high : float
        Range of the column in training.
    unmarked : float
        Value whose rows are never marked (NaN for none).
    is_fine : bool
        Whether the sources come back within float tolerance only: then the function is not rounded before a
        difference is taken, for it may lie between two roundings.
    has_exceptions : bool
        Of a gapped column: whether rows of training have all cells and another value.
    has_ties : bool
        Whether all exceptions are results that lie half-way between two numbers, rounded the other way.
    """

    function: Function
    keep: Keep
    sign: float = 1.0
    default: float = 0.0
    mark: float = np.nan
    low: float = -np.inf
    high: float = np.inf
    unmarked: float = np.nan
    is_fine: bool = False
    has_exceptions: bool = False
    has_ties: bool = False

    def forward(
        self, values: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return what the model sees, float64 of shape (n,); of a computed column, nothing but NaN."""
        found = self.function.evaluate(columns)
        if self.keep == Keep.COMPUTED:
            return np.full(values.shape, np.nan)
        if self.keep == Keep.GAPPED:
            # Where the mark stands for missing beside missing cells, it keeps them together.
            is_marked = np.isnan(values) & ~self.function.knows_sources(columns) & np.isnan(self.default)
            is_marked |= self.decides(values, columns) & ~self.is_broken(values, columns, decimals)
            return np.where(is_marked, self.mark, values)
        if self.keep == Keep.MARKED:
            holds = is_same(values, round_to(found, decimals), decimals) & ~(values == self.unmarked)
            return np.where(holds, self.mark, values)
        found = np.where(np.isnan(found), self.default, found)
        if self.keep == Keep.RATIO:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.log(values / np.where(found > 0, found, self.default))
            return np.where(np.isfinite(ratio), ratio, np.nan)
        if self.is_fine:
            return self.sign * (values - found)
        return self.sign * round_to(values - round_to(found, decimals), decimals)

    def backward(
        self, seen: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return values from what the model drew, float64 of shape (n,)."""
        found = self.function.evaluate(columns)
        if self.keep == Keep.COMPUTED:
            return round_to(found, decimals)
        # A mark that an exception has moved comes back with the noise of a sum.
        is_marked = is_same(seen, np.array(self.mark), None)
        if self.keep == Keep.MARKED:
            return np.where(
                is_marked, round_to(found, decimals), self.take_exceptions(seen, columns, decimals)
            )
        if self.keep == Keep.GAPPED:
            own = np.where(is_marked, self.default, seen)
            return np.where(self.decides(seen, columns), round_to(found, decimals), own)
        found = np.where(np.isnan(found), self.default, found)
        if self.keep == Keep.RATIO:
            made = np.exp(seen) * np.where(found > 0, found, self.default)
        else:
            made = self.sign * seen + (found if self.is_fine else round_to(found, decimals))
        return round_to(np.clip(made, self.low, self.high), decimals)

    def take_exceptions(
        self, seen: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return the values of rows that are exceptions; of ties, only those that are near enough."""
        if not self.has_ties:
            return seen
        found = self.function.evaluate(columns)
        is_own = np.isnan(found) | is_rounded(seen, found, decimals)
        return np.where(is_own, seen, round_to(found, decimals))

    def decides(self, seen: np.ndarray, columns: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the rows in which a gapped column follows from others, bool of shape (n,)."""
        if self.keep != Keep.GAPPED:
            return np.zeros(seen.shape, dtype=bool)
        return ~np.isnan(seen) & self.function.knows_sources(columns)

    def is_broken(
        self, values: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return the exceptions of a gapped column, bool of shape (n,)."""
        if not self.has_exceptions:
            return np.zeros(values.shape, dtype=bool)
        holds = is_same(values, round_to(self.function.evaluate(columns), decimals), decimals)
        return self.decides(values, columns) & ~holds


@dataclass(frozen=True)
class Plan:
    """All that is kept about one column.

    Parameters
    ----------
    target : int
    step : Step or None
    limits : tuple of Limit
    fills : tuple of Fill
    shift : float
        Rows that break a limit or a fill are shown this much lower, below all others; 0 where there are none.
    floor : float
        What the model draws below this is such a row.
    """

    target: int
    step: Step | None = None
    limits: tuple[Limit, ...] = ()
    fills: tuple[Fill, ...] = ()
    shift: float = 0.0
    floor: float = -np.inf

    @property
    def sources(self) -> set[int]:
        """Columns that must be known before this one."""
        read = set() if self.step is None else set(self.step.function.sources)
        return read.union(*(limit.sources for limit in self.limits), *(fill.sources for fill in self.fills))

    @property
    def is_computed(self) -> bool:
        """Whether the model does not see the column."""
        return self.step is not None and self.step.keep == Keep.COMPUTED

    @property
    def is_given(self) -> bool:
        """Whether each value of the column follows from others."""
        step = self.step
        if step is None or step.keep != Keep.GAPPED:
            return self.is_computed
        return np.isnan(step.default) and not step.has_exceptions

    def takes(self, sources: Iterable[int], sets_missing: bool = False) -> bool:
        """Whether other columns may bound or set this one beside its step.

        Where a gapped column follows from others, nothing else moves it, though it may be missing.
        """
        if self.step is None or self.step.keep != Keep.GAPPED:
            return not self.is_computed
        return sets_missing or (not self.is_given and set(sources) <= set(self.step.function.sources))

    @property
    def is_changed(self) -> bool:
        """Whether the model sees something else than the column."""
        return self.step is not None or bool(self.fills) or self.shift > 0

    @property
    def is_whole(self) -> bool:
        """Whether the model sees whole numbers where the column holds such."""
        return self.step is None or not (self.step.is_fine or self.step.keep == Keep.RATIO)

    def forward(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> np.ndarray:
        """Return what the model sees in the place of the column, float64 of shape (n,)."""
        values = columns[self.target]
        own = values if self.step is None else self.step.forward(values, columns, decimals)
        seen = own
        if self.step is not None and self.step.has_exceptions:
            seen = np.where(self.step.is_broken(values, columns, decimals), own - self.shift, own)
        for limit in self.limits:
            if limit.has_exceptions:
                seen = np.where(limit.is_broken(values, columns, decimals), own - self.shift, seen)
        for fill in self.fills:
            if fill.own is not None:
                continue
            shown = own if fill.function is not None else np.full(own.shape, fill.stand_in)
            if fill.has_exceptions:
                shown = np.where(fill.is_broken(values, columns, decimals), own - self.shift, shown)
            seen = np.where(fill.when.applies(columns), shown, seen)
        return seen

    def backward(
        self, seen: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return the column from what the model drew, and from the columns that come before it."""
        is_exception = np.zeros(seen.shape, dtype=bool)
        if self.shift:
            is_low = seen < self.floor
            is_exception = is_low | np.isnan(seen)
            seen = np.where(is_low, seen + self.shift, seen)
        values, is_decided = seen, np.zeros(seen.shape, dtype=bool)
        if self.step is not None:
            values = self.step.backward(seen, columns, decimals)
            is_decided = self.step.decides(seen, columns)
            if self.step.has_exceptions:
                is_decided &= ~is_exception | is_same(seen, np.array(self.step.mark), None)
                own = self.step.take_exceptions(seen, columns, decimals)
                values = np.where(is_decided | ~is_exception, values, own)
        for limit in self.limits:
            is_spared = is_decided | (is_exception & limit.has_exceptions)
            values = np.where(is_spared, values, limit.apply(values, columns, decimals))
        for fill in self.fills:
            is_spared = is_exception & fill.has_exceptions
            is_set = fill.when.applies(columns) & ~is_spared
            if fill.own is not None:
                is_set &= fill.own.applies({self.target: values})
            found = fill.find(columns, decimals)
            if fill.function is not None:
                is_set &= ~np.isnan(values) & ~np.isnan(found)
            if not fill.sets_missing:
                is_set &= ~is_decided
            values = np.where(is_set, found, values)
        return values

    def settle(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> np.ndarray:
        """Return the column as others allow it, float64 of shape (n,): as it is where it breaks nothing."""
        return self.backward(self.forward(columns, decimals), columns, decimals)

    def expect(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> np.ndarray:
        """Return the column as others make it in a row that is no exception, float64 of shape (n,)."""
        made, step = self.settle(columns, decimals), self.step
        if step is not None and not step.has_ties and (step.keep == Keep.MARKED or step.has_exceptions):
            found = round_to(step.function.evaluate(columns), decimals)
            made = np.where(np.isnan(found) | ~step.function.knows_sources(columns), made, found)
        for fill in self.fills:
            if fill.has_exceptions and fill.own is None:
                broken = fill.is_broken(columns[self.target], columns, decimals)
                made = np.where(broken, fill.find(columns, decimals), made)
        return made

    def find_broken(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> list[int]:
        """Return in how many rows each limit, and then each fill, does not hold."""
        values = columns[self.target]
        found = [limit.is_broken(values, columns, decimals) for limit in self.limits]
        for fill in self.fills:
            found.append(fill.is_broken(values, columns, decimals) & (fill.own is None))
        return [int(rows.sum()) for rows in found]

    def contradict(
        self, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Yield the sources of each part that has no exceptions, and the rows that break it, bool (n,).

        Combinations that a table has not seen break nothing.
        """
        values, step = columns[self.target], self.step
        keeps = (Keep.COMPUTED, Keep.GAPPED)
        if step is not None and (step.has_ties or (step.keep in keeps and not step.has_exceptions)):
            function = step.function
            found = function.evaluate(columns)
            broken = ~is_rounded(values, found, decimals)
            if decimals is None:
                broken &= ~np.isclose(values, found, rtol=FINE, atol=0.0)
            if isinstance(function, Lookup):
                yield function.sources, broken & function.knows([columns[j] for j in function.sources])
            else:
                yield function.sources, broken & ~np.isnan(found)
        parts: list[Limit | Fill] = [*self.limits, *(fill for fill in self.fills if fill.own is None)]
        for part in parts:
            if not part.has_exceptions:
                yield part.sources, part.is_broken(values, columns, decimals)

    def grow(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> Plan:
        """Return the plan of more rows: with their range, their keys to look up, and what they do not break.

        Limits that rows break are dropped, unless the model knows such rows already; fills get exceptions.
        """
        step, values, broken = self.step, columns[self.target], self.find_broken(columns, decimals)
        if step is not None and np.isfinite(values).any():
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            step = replace(step, low=min(step.low, low), high=max(step.high, high))
        if step is not None and isinstance(step.function, Lookup):
            sources, rows = step.function.sources, np.ones(values.shape, dtype=bool)
            if step.keep == Keep.GAPPED:
                rows = step.decides(values, columns)
            function = Lookup.learn(sources, [columns[j][rows] for j in sources], values[rows])
            step = replace(step, function=function)
        pairs = list(zip(self.limits, broken, strict=False))
        limits = [
            replace(one, has_exceptions=one.has_exceptions or bool(n))
            for one, n in pairs
            if self.shift or not n
        ]
        exceptions = broken[len(self.limits) :]
        fills = [
            replace(one, has_exceptions=one.has_exceptions or bool(n))
            for one, n in zip(self.fills, exceptions, strict=True)
        ]
        plan = replace(self, step=step, limits=tuple(limits), fills=tuple(fills))
        return plan.show_exceptions(columns, decimals) if any(exceptions) else plan

    def show_exceptions(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> Plan:
        """Return the plan with a place below all values for rows that break its limits and fills."""
        own = Plan(self.target, self.step).forward(columns, decimals)
        if self.shift or not (~np.isnan(own)).any():
            return self
        low, high = float(np.nanmin(own)), float(np.nanmax(own))
        shift = float(np.ceil(2 * (high - low) + 1))
        return replace(self, shift=shift, floor=(high - shift + low) / 2)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything as a JSON-able dict and plain arrays."""
        limits, arrays = pack_states(self.limits, "limit")
        fills, others = pack_states(self.fills, "fill")
        meta: dict[str, Any] = {"target": self.target, "limits": limits, "fills": fills}
        meta |= _numbers({"shift": self.shift, "floor": self.floor})
        if self.step is not None:
            function, own = self.step.function.state()
            rest = {name: value for name, value in vars(self.step).items() if name != "function"}
            meta["step"] = {"function": function, **_numbers(rest)}
            arrays |= add_prefix("step", own)
        return meta, arrays | others

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Plan:
        """Rebuild from :meth:`state`."""
        step = None
        if "step" in meta:
            rest = dict(meta["step"])
            function = function_from_state(rest.pop("function"), take_prefix("step", arrays))
            keep = Keep(rest.pop("keep"))
            flags: dict[str, Any] = {
                name: bool(float(rest.pop(name, 0))) for name in ("is_fine", "has_exceptions", "has_ties")
            }
            numbers = {name: float(value) for name, value in rest.items()}
            step = Step(function, keep, **(numbers | flags))
        return cls(
            meta["target"],
            step,
            tuple(unpack_states(Limit.from_state, meta["limits"], arrays, "limit")),
            tuple(unpack_states(Fill.from_state, meta["fills"], arrays, "fill")),
            float(meta["shift"]),
            float(meta["floor"]),
        )


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers as text that JSON holds exactly, infinite and missing ones too."""
    return {name: value if isinstance(value, str) else write_number(value) for name, value in values.items()}
