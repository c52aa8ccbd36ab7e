"""Rows some of whose cells are known: what the model is given of them, and how drawn cells are put in."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.relations.functions import Arithmetic, Function
from vaeaug.data.relations.plans import Keep, Plan
from vaeaug.data.relations.relations import name_columns
from vaeaug.data.relations.rounding import FINE, round_to
from vaeaug.data.tables.access import as_table, split_columns
from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.dateforms import respell_dates
from vaeaug.data.tables.dtypes import get_kind, mask_of
from vaeaug.data.tables.far import warn_of_far_cells
from vaeaug.data.tables.identifiers import IdCodec
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.registry import TranslatedCodec
from vaeaug.data.tables.stretches import find_stretches, lay_out, probe
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.validation import refuse_repeated_columns
from vaeaug.utils.wording import count, list_names

__all__ = ["KnownCells", "read_cells", "read_given"]


class KnownCells:
    """Known and unknown cells of rows.

    Where a rule computes a column from others, and all of them but one are known, that one is computed too.

    Parameters
    ----------
    codec : TableCodec
        Fitted.
    columns : mapping of int to Series
        Columns in which some cells are known, by position.
    rows : int
    wanted : sequence of int, optional
        Columns of which cells are to be drawn; all by default.
    index : Index, optional
        How messages name the rows; by number if None.

    Attributes
    ----------
    known : ndarray of bool (n, d)
        Whether a cell is known.
    given : ndarray of float32 (n, W)
        Encoded rows; tokens of what is to be drawn are −1.
    is_open : ndarray of bool (n,)
        Whether something is to be drawn.
    """

    def __init__(
        self,
        codec: TableCodec,
        columns: Mapping[int, pd.Series],
        rows: int,
        wanted: Sequence[int] | None = None,
        index: pd.Index | None = None,
    ) -> None:
        self.codec = codec
        self.index = pd.RangeIndex(rows) if index is None else index
        self.rows = rows
        self.names = name_columns(codec.columns_, len(codec.codecs_))
        width = len(codec.codecs_)
        self.known = np.zeros((rows, width), dtype=bool)
        for j, series in columns.items():
            self.known[:, j] = ~mask_of(series)
        #: Columns that are left as they are: names, and those without any value.
        self.kept = [
            j for j, one in enumerate(codec.codecs_) if isinstance(one, IdCodec) or one.is_all_missing
        ]
        self._set: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._is_drawn = np.array([part.stop > part.start for part in codec.slices])
        self._wanted = list(range(width)) if wanted is None else list(wanted)
        self.observed = self.known.copy()
        self.columns = {j: series.reset_index(drop=True) for j, series in columns.items()}
        for plan in codec.relations_.plans:
            self._solve(plan)
        self.given = self._encode()
        unknown = ~self.known
        unknown[:, self.kept] = False
        self.is_open = np.asarray((unknown if wanted is None else unknown[:, list(wanted)]).any(1))

    @cached_property
    def sets(self) -> list[tuple[int, int, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
        """Tokens that a drawn cell may have: number of the token column, levels, and stretches.

        A filled cell is not missing.
        """
        return list(self._list_sets())

    def _list_sets(self) -> Iterator[tuple[int, int, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
        tokens = self.codec.layout.columns("categorical").tolist()
        for j, one in enumerate(self.codec.codecs_):
            if not one.width or j in self.kept or self.known[:, j].all():
                continue
            found = find_stretches(one, partial(_is_filled, one))
            levels = one.spans[0].width
            if not found.is_empty and len(np.unique(found.token)) < levels:
                number = tokens.index(self.codec.slices[j].start)
                yield number, levels, (found.token, found.low, found.high)

    def decode(self, x: np.ndarray, rows: np.ndarray) -> list[pd.Series]:
        """Return the columns of drawn rows ``(m, W)``, known cells as they are."""
        found = [
            one.decode(x[:, part]) for one, part in zip(self.codec.codecs_, self.codec.slices, strict=True)
        ]
        for j, (is_set, numbers) in self._set.items():
            found[j] = found[j].mask(is_set[rows], self.codec.relations_.views[j].write(numbers[rows]))
        changed = self.codec.relations_.changes
        for j in self.columns:
            if j not in changed:
                found[j] = self._put(found[j], j, rows)
        known = {j: (self.known[rows, j], series.iloc[rows]) for j, series in self.columns.items()}
        for j, series in self.codec.relations_.backward(found, known).items():
            found[j] = series
        for j in self.columns:
            found[j] = self._put(found[j], j, rows)
        return found

    def copy(self) -> KnownCells:
        """Return the same cells, to set others beside them."""
        found = copy.copy(self)
        found._set = {}
        return found

    def set_numbers(self, j: int, rows: np.ndarray, numbers: np.ndarray) -> None:
        """Take numbers for drawn cells of a column, if its encoding holds them but for rounding."""
        relations = self.codec.relations_
        if j in relations.changes or relations.views[j].is_level:
            return
        if j not in self._set:
            self._set[j] = np.zeros(self.rows, dtype=bool), np.zeros(self.rows)
        is_set, own = self._set[j]
        is_set[rows], own[rows] = True, numbers

    def unset_numbers(self, rows: np.ndarray) -> None:
        """Take what is drawn for all drawn cells of rows."""
        for is_set, _ in self._set.values():
            is_set[rows] = False

    def find_broken(
        self, columns: list[pd.Series], rows: np.ndarray, allows_exceptions: bool = False
    ) -> np.ndarray:
        """Return which known cells are not what the relations make of the row, bool (m, plans).

        Only of rows that other values of unknown cells could mend.

        Parameters
        ----------
        columns : list of Series
        rows : ndarray of int64 (m,)
        allows_exceptions : bool, default=False
            Whether rows may be exceptions to rules that have few.
        """
        relations, known = self.codec.relations_, self.known[rows]
        broken = np.zeros((len(rows), len(relations.plans)), dtype=bool)
        numbers = {j: view.read(columns[j]) for j, view in relations.views.items()}
        for i, plan in enumerate(relations.plans):
            j = plan.target
            if known[:, j].any():
                made = (
                    plan.settle(numbers, relations.views[j].decimals)
                    if allows_exceptions
                    else relations.expect(plan, numbers, self.names)
                )
                broken[:, i] = known[:, j] & ~relations.views[j].is_same(made, numbers[j])
            if broken[:, i].any():
                causes = self._trace(i, known)
                broken[:, i] &= causes[:, self._is_drawn].any(1) & causes[:, self._wanted].any(1)
        return broken

    def find_causes(self, broken: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the unknown cells that the first broken cell of each row follows from, bool (m, d)."""
        causes = np.zeros((len(rows), self.known.shape[1]), dtype=bool)
        first = np.where(broken.any(1), broken.argmax(1), -1)
        for i in np.unique(first[first >= 0]).tolist():
            mine = first == i
            causes[mine] = self._trace(i, self.known[rows[mine]]) & self._is_drawn
        return causes

    def _trace(self, i: int, known: np.ndarray) -> np.ndarray:
        """Return the unknown cells that a column follows from, bool (m, d)."""
        plans = self.codec.relations_.plans
        found = np.zeros(known.shape, dtype=bool)
        found[:, sorted(plans[i].sources)] = True
        for plan in reversed(plans[:i]):
            found[:, sorted(plan.sources)] |= (found & ~known)[:, [plan.target]]
        return found & ~known

    def warn_of_broken(self, who: str, broken: np.ndarray) -> None:
        """Warn of known cells that are not what the relations make of the row.

        Parameters
        ----------
        who : str
            The method, for the message.
        broken : ndarray of bool (n, plans)

        Warns
        -----
        VaeaugWarning
        """
        if not broken.any():
            return
        i = int(broken.any(0).argmax())
        plan, first = self.codec.relations_.plans[i], int(broken[:, i].argmax())
        name, rows = self.names[plan.target], count(int(broken.any(1).sum()), "row")
        warn_caller(
            f"{who}: {rows} of {self.rows:,} could not be made to keep {self.name_rule(plan)}: "
            f"the model found no values of the missing cells that go with the known {name!r}, first in row "
            f"{list_names(self.index[[first]])}, where {name} is {self.columns[plan.target][first]}. Look at "
            f"these cells, or leave {name!r} out of these rows: then it follows from the others.",
            VaeaugWarning,
        )

    def name_rule(self, plan: Plan) -> str:
        """Return what a plan keeps, for a message."""
        rules = self.codec.relations_.list_rules(plan, self.names)
        said = [repr(rule.text) for rule in rules] or [f"what {self.names[plan.target]!r} follows from"]
        return f"{said[0]} (in relations_)"

    def _put(self, drawn: pd.Series, j: int, rows: np.ndarray) -> pd.Series:
        """Return a drawn column with the known cells of these rows."""
        is_known = self.known[rows, j]
        if not is_known.any():
            return drawn
        own = self.columns[j].iloc[rows].reset_index(drop=True)
        if is_known.all() and own.dtype == drawn.dtype:
            return pd.Series(own.array, name=drawn.name, dtype=own.dtype)
        own = own[is_known]
        if isinstance(drawn.dtype, pd.CategoricalDtype):
            own = own.astype(drawn.dtype)
        drawn = drawn.copy()
        # An array: a Series of booleans is aligned by way of objects, and pandas warns.
        drawn[is_known] = (own.astype(drawn.dtype) if own.dtype != drawn.dtype else own).array
        return drawn

    def _encode(self) -> np.ndarray:
        """Return the encoded known cells; other tokens are −1."""
        codec = self.codec
        given = np.zeros((self.rows, codec.layout.shape[0]), dtype=np.float32)
        nothing = np.full(self.rows, np.nan)
        relations = codec.relations_
        every = {j: self.columns.get(j, pd.Series(nothing)) for j in range(len(codec.codecs_))}
        numbers = {
            j: view.read(every[j]) if j in self.columns else nothing for j, view in relations.views.items()
        }
        for j, (one, part) in enumerate(zip(codec.codecs_, codec.slices, strict=True)):
            if not one.width:
                continue
            is_given = self.known[:, j].copy()
            plan = relations.changes.get(j)
            series = every[j]
            if plan is not None:
                is_given &= self.known[:, sorted(plan.sources)].all(1)
                series = relations.show(plan, numbers, one.name)
                is_given &= ~mask_of(series)
            if j in self.columns or plan is not None:
                given[:, part] = one.encode(series)
            given[~is_given, part.start] = -1
        return given

    def _solve(self, plan: Plan) -> None:
        """Compute the one unknown source of a computed column from the others, where it is linear in it."""
        step = plan.step
        if step is None or step.keep not in (Keep.COMPUTED, Keep.GAPPED):
            return
        if not isinstance(step.function, Arithmetic):
            return
        views, target = self.codec.relations_.views, plan.target
        for source in step.function.sources:
            others = [j for j in (target, *step.function.sources) if j != source]
            rows = np.flatnonzero(~self.known[:, source] & self.known[:, others].all(1))
            if not len(rows):
                continue
            numbers = {j: views[j].read(self.columns[j].iloc[rows]) for j in others}
            own = partial(_evaluate, step.function, numbers, source)
            low, high = own(np.zeros(len(rows))), own(np.ones(len(rows)))
            with np.errstate(all="ignore"):
                value = (numbers[target] - low) / (high - low)
                good = np.isfinite(value) & np.isclose(own(value), numbers[target])
            cells = views[source].write(np.where(good, value, 0.0))
            again = round_to(own(views[source].read(cells)), views[target].decimals)
            good &= views[target].is_same(again, numbers[target])
            if not good.any():
                continue
            if source in self.columns:
                series = self.columns[source].copy()
                series.iloc[rows[good]] = cells[good].to_numpy()
            else:  # cells that are not known are read nowhere
                place = np.zeros(self.rows, dtype=np.int64)
                place[rows] = np.arange(len(rows))
                series = cells.iloc[place].reset_index(drop=True)
            self.columns[source] = series
            self.known[rows[good], source] = True


def _evaluate(
    function: Function, columns: Mapping[int, np.ndarray], source: int, values: np.ndarray
) -> np.ndarray:
    """Return what follows from columns, one of which has other values."""
    return function.evaluate({**columns, source: values})


def _is_filled(codec: ColumnCodec, x: np.ndarray) -> np.ndarray:
    return ~mask_of(codec.decode(x))


def read_cells(codec: TableCodec, X: Any, wanted: Sequence[int] | None = None) -> KnownCells:
    """Return the known cells of a table in the columns of fit.

    Warns
    -----
    VaeaugWarning
        For numbers far outside of what fit saw, in rows that are to be filled.
    """
    table = as_table(X)
    columns = dict(enumerate(split_columns(table, codec.columns_)))
    index = table.index if isinstance(table, pd.DataFrame) else None
    cells = KnownCells(codec, columns, len(table), wanted, index)
    filled = {j: series[cells.is_open] for j, series in columns.items()}
    warn_of_far_cells(codec, filled, cells.index[cells.is_open], "complete")
    return cells


def read_given(codec: TableCodec, given: Any) -> KnownCells:
    """Return the cells that a frame gives, of some of the columns of fit in any order.

    Raises
    ------
    InputError
        For anything but a frame, columns and categories that fit has not seen, and cells of another type.

    Warns
    -----
    VaeaugWarning
        For numbers far outside of what fit saw.
    """
    if not isinstance(given, pd.DataFrame):
        raise InputError(
            "given must be a DataFrame of some columns of X, one row for each new row; "
            f"got {type(given).__name__}."
        )
    refuse_repeated_columns(given, "given")
    columns: dict[int, pd.Series] = {}
    for label in given.columns:
        j = codec.find_column(label, "given")
        series = respell_dates(codec.get_view(j), given[label], "given")
        columns[j] = series.reset_index(drop=True).rename(codec.codecs_[j].name)
        _refuse_unseen(codec, j, columns[j])
        _refuse_fractions(codec, j, series)
    cells = KnownCells(codec, dict(sorted(columns.items())), len(given), index=given.index)
    _refuse_contradictions(cells, given)
    for plan in codec.relations_.plans:
        _refuse_impossible(cells, plan)
    warn_of_far_cells(codec, columns, given.index, "given")
    return cells


def _refuse_fractions(codec: TableCodec, j: int, series: pd.Series) -> None:
    """Refuse numbers with fractions in a column of whole numbers, where they would be cut."""
    own: Any = codec.get_view(j)
    if not isinstance(own, NumericCodec):
        return
    if get_kind(own.storage_.dtype) not in "iu" or get_kind(series.dtype) != "f":
        return
    cut = series[~mask_of(series) & (series % 1 != 0)]
    if len(cut):
        raise InputError(
            f"given: column {series.name!r} has whole numbers in fit, and {count(len(cut), 'cell')} of given "
            f"with a fraction, first in row {list_names(cut.index[:1])}: {cut.iloc[0]}. "
            "Round them, or fit on floats."
        )


def _refuse_contradictions(cells: KnownCells, given: pd.DataFrame) -> None:
    """Refuse cells that break a rule which all training rows keep."""
    codec = cells.codec
    names = name_columns(codec.columns_, len(codec.codecs_))
    found = codec.relations_.find_contradictions(cells.columns, cells.observed, names)
    if not found:
        return
    rule, broken = found[0]
    i = int(np.flatnonzero(broken)[0])
    row = ", ".join(f"{name} is {cells.columns[names.index(name)][i]}" for name in rule.columns)
    raise InputError(
        f"given: {count(int(broken.sum()), 'row')} of {len(given)} cannot be made: the cells contradict each "
        f"other (relations_ has {rule.text!r}), first in row {list_names(given.index[[i]])}, where {row}. "
        "Change one of these cells, or leave it out."
    )


def _refuse_impossible(cells: KnownCells, plan: Plan) -> None:
    """Refuse numbers that no value of the one column they follow from gives."""
    relations, j, step = cells.codec.relations_, plan.target, plan.step
    if step is None or step.keep not in (Keep.COMPUTED, Keep.GAPPED) or step.has_exceptions:
        return
    if len(plan.sources) != 1 or j not in cells.columns:
        return
    (source,) = plan.sources
    view, rows = relations.views[j], cells.known[:, j] & ~cells.known[:, source]
    if view.is_level or source in relations.changes or not rows.any():
        return
    one = cells.codec.codecs_[source]
    read = relations.views[source].read(one.decode(lay_out(one, *probe(one))))
    made = round_to(step.function.evaluate({source: read}), view.decimals)
    made = made[~np.isnan(made)]
    own = view.read(cells.columns[j])
    nearest = np.clip(own, made.min(), made.max()) if len(made) else own
    outside = np.flatnonzero(rows & ~np.isclose(nearest, own, rtol=FINE, equal_nan=True))
    if len(outside):
        name = cells.names[j]
        raise InputError(
            f"given: {count(len(outside), 'row')} of {cells.rows} cannot be made by {cells.name_rule(plan)}: "
            f"values of {cells.names[source]!r} as in training give {name!r} from "
            f"{view.level(made.min())} to {view.level(made.max())}; first in row "
            f"{list_names(cells.index[outside[:1]])}, where {name} is {cells.columns[j][outside[0]]}. "
            "Change these cells, or leave them out."
        )


def _refuse_unseen(codec: TableCodec, j: int, series: pd.Series) -> None:
    """Refuse categories that no training row has."""
    own: Any = codec.get_view(j)
    plain = series
    if isinstance(own, TranslatedCodec):
        own, plain = own.codec_, own.translation_.forward(series)
    if not isinstance(own, CategoricalCodec):
        return
    level, missing = own.find(plain)
    unseen = series[(level < 0) & ~missing]
    if len(unseen):
        levels = own.take(np.arange(len(own.counts_)))
        raise InputError(
            f"given: no training row has {series.name!r} equal to {list_names(unseen.unique())}; "
            f"it has {list_names(levels)}."
        )
