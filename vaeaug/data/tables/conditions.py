"""Conditions on the columns of a table: what tokens they allow, and which rows meet them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.relations.plans import Keep, Plan
from vaeaug.data.relations.rounding import is_same
from vaeaug.data.tables.access import get_column, replace_column
from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.comparing import Comparison, compare_column
from vaeaug.data.tables.quantiles import join_position, split_position
from vaeaug.data.tables.stretches import Stretches, count_positions, find_stretches, lay_out, probe
from vaeaug.errors import InputError
from vaeaug.utils.wording import list_names

__all__ = ["TableConditions"]


class TableConditions:
    """Conditions on columns of a table, as the user sees them.

    A column that the model sees as it is, is conditioned by the tokens it may have; so is one that follows
    from one such column alone. For other columns that relations change, rows can only be looked at.

    Parameters
    ----------
    codec : TableCodec
        Fitted.
    where : mapping
        Label of a column to its condition, see :func:`compare_column`.

    Attributes
    ----------
    tests : dict of int to Comparison
        By position of the column.
    stretches : dict of int to Stretches
        Of the columns whose tokens are conditioned.
    checked : list of int
        Columns whose cells must be looked at, because no token says what they are.

    Raises
    ------
    InputError
        For columns that are not there, conditions that do not fit them, and conditions that no row can meet.
    """

    def __init__(self, codec: TableCodec, where: Mapping[Any, Any]) -> None:
        self.codec = codec
        self.tests: dict[int, Comparison] = {}
        self.stretches: dict[int, Stretches] = {}
        self.checked: list[int] = []
        self._plans = {plan.target: plan for plan in codec.relations_.plans}
        if not isinstance(where, Mapping):
            raise InputError(
                "where must be a dict of a condition for each column, such as "
                f'{{"age": ">= 40", "job": ["nurse", "clerk"]}}; got {type(where).__name__}.'
            )
        for label, wanted in where.items():
            j = codec.find_column(label, "where")
            own = codec.get_view(j)
            self.tests[j] = compare_column(own, wanted)
            self._check_possible(own, self.tests[j])
        for j in self.tests:
            self._set_tokens(j)

    def snap(self, rows: Any) -> Any:
        """Return decoded rows in which real numbers that conditions name are exact."""
        for j, test in self.tests.items():
            if test.snap is not None:
                rows = replace_column(rows, j, test.snap(self._column(rows, j)))
        return rows

    def _column(self, rows: Any, j: int) -> pd.Series:
        return get_column(rows, j).rename(self.codec.codecs_[j].name)

    def meet(self, columns: Any) -> np.ndarray:
        """Return which rows, as the table codec decodes them, meet all conditions, bool (n,)."""
        kept = np.ones(len(columns), dtype=bool)
        for j, test in self.tests.items():
            kept &= test.holds(self._column(columns, j))
        return kept

    def settle(self, x: np.ndarray) -> np.ndarray:
        """Return encoded rows whose positions lie in the stretches, where float32 has moved them out."""
        for j, allowed in self.stretches.items():
            codec, part = self.codec.codecs_[j], self.codec.slices[j]
            columns = count_positions(codec)
            if not columns:
                continue
            own = slice(part.start + 1, part.start + 1 + columns)
            token = np.rint(x[:, part.start]).astype(np.int64)
            place = join_position(x[:, own])
            moved = allowed.clip(token, place)
            off = np.flatnonzero(moved != place)
            x[off, own] = split_position(moved[off], columns)
            wrong = np.flatnonzero(~self._hold(j, x[:, part]))
            x[wrong, own] = split_position(allowed.first(token[wrong]), columns)
        return x

    @property
    def deciding_columns(self) -> list[int]:
        """Columns that decide whether rows meet the conditions that can only be looked at."""
        open_columns, found = list(self.checked), set()
        while open_columns:
            j = open_columns.pop()
            if j not in found:
                found.add(j)
                open_columns.extend(self._plans[j].sources if j in self._plans else ())
        return sorted(found | set(self.stretches))

    def describe(self) -> str:
        """Return the conditions as text."""
        return " and ".join(test.text for test in self.tests.values())

    def _set_tokens(self, j: int) -> None:
        """Find the tokens that a condition allows, of the column or of the one that it follows from."""
        plan, test = self._plans.get(j), self.tests[j]
        if plan is None:
            codec = self.codec.codecs_[j]
            named = self._name_cells(codec, test)
            found = find_stretches(codec, lambda x: test.nearly_holds(codec.decode(x)), named)
            self._allow(j, found, j)
            return
        source = next(iter(plan.sources)) if len(plan.sources) == 1 else -1
        if plan.is_computed and source >= 0 and source not in self._plans:
            codec = self.codec.codecs_[source]
            found = find_stretches(
                codec, lambda x: test.nearly_holds(self._compute(j, source, codec.decode(x)))
            )
            self._allow(source, found, j)
            return
        self.checked.append(j)
        if plan.step is None or plan.step.keep in (Keep.MARKED, Keep.GAPPED):
            codec = self.codec.codecs_[j]
            cells = test.cells if plan.step is None and not plan.is_changed else None
            self._allow(j, find_stretches(codec, lambda x: self._may_hold(plan, codec.decode(x)), cells), j)

    def _may_hold(self, plan: Plan, cells: pd.Series) -> np.ndarray:
        """Return which cells that the model sees may stand for one that meets the condition on their column.

        The rules then set some of them, and move others.
        """
        view, test = self.codec.relations_.views[plan.target], self.tests[plan.target]
        seen = cells.to_numpy(np.float64, na_value=np.nan) if plan.is_changed else view.read(cells)
        if plan.shift:
            seen = np.where(seen < plan.floor, seen + plan.shift, seen)
        found = test.nearly_holds(view.write(seen))
        is_missing = view.allows_missing and test.nearly_holds(view.write(np.array([np.nan])))[0]
        # Where the mark of a gapped column is drawn, its cell is there.
        if plan.step is not None and not (is_missing and plan.step.keep == Keep.GAPPED):
            found |= is_same(seen, np.array(plan.step.mark), None)
        for fill in plan.fills:
            if fill.function is None and test.nearly_holds(view.write(np.array([fill.value])))[0]:
                found |= is_same(seen, np.array(fill.stand_in), None)
                found |= (
                    np.zeros(len(seen), bool) if fill.own is None else fill.own.applies({plan.target: seen})
                )
        return found

    def _allow(self, column: int, found: Stretches, asked: int) -> None:
        both = found if column not in self.stretches else self.stretches[column] & found
        if both.is_empty:
            rules = [
                rule.text
                for rule in self.codec.relations_.rules
                if asked != column and self.codec.codecs_[asked].name in map(str, rule.columns)
            ]
            why = f" (relations_ has {list_names(rules)})" if rules else ""
            raise InputError(
                f"where: no row can meet {self.describe()}: the conditions contradict each other{why}. "
                "Take one out, or loosen it."
            )
        self.stretches[column] = both

    def _hold(self, column: int, x: np.ndarray) -> np.ndarray:
        """Return which encoded cells of a column meet the conditions that its tokens decide."""
        codec = self.codec.codecs_[column]
        cells = codec.decode(x)
        kept = np.ones(len(x), dtype=bool)
        for j, test in self.tests.items():
            if j == column and j in self._plans:
                kept &= self._may_hold(self._plans[j], cells)
            elif j == column:
                kept &= test.nearly_holds(cells)
            elif j in self._plans and j not in self.checked and self._plans[j].sources == {column}:
                kept &= test.nearly_holds(self._compute(j, column, cells))
        return kept

    def _compute(self, target: int, source: int, cells: pd.Series) -> pd.Series:
        """Return a computed column from the cells of the one it follows from."""
        views = self.codec.relations_.views
        numbers = {source: views[source].read(cells)}
        nothing = np.full(len(cells), np.nan)
        plan = self._plans[target]
        return views[target].write(plan.backward(nothing, numbers, views[target].decimals))

    @staticmethod
    def _name_cells(codec: ColumnCodec, test: Comparison) -> pd.Series | None:
        """Return the values that a condition names as cells of the column, or None."""
        return test.cells if count_positions(codec) else None

    def _check_possible(self, codec: ColumnCodec, test: Comparison) -> None:
        """Refuse a condition that no value of the column meets."""
        found = find_stretches(
            codec, lambda x: test.nearly_holds(codec.decode(x)), self._name_cells(codec, test)
        )
        if not found.is_empty:
            return
        seen = codec.decode(lay_out(codec, *probe(codec))).dropna()
        what = f"no training row has {test.text}"
        try:
            raise InputError(f"where: {what}; the smallest is {seen.min()}, the largest {seen.max()}.")
        except TypeError:
            raise InputError(f"where: {what}; it has {list_names(seen.unique())}.") from None
