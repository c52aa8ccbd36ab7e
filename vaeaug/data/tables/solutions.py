"""Values of unknown cells with which the known cells of a row keep the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.relations.plans import Plan
from vaeaug.data.relations.rounding import FINE
from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.data.tables.cells import KnownCells
from vaeaug.data.tables.dtypes import as_series
from vaeaug.data.tables.quantiles import join_position
from vaeaug.data.tables.registry import TranslatedCodec
from vaeaug.data.tables.stretches import count_positions, lay_out

__all__ = ["CANDIDATES", "Solutions", "Values", "solve_rules"]

#: Candidates for a row.
CANDIDATES = 32
#: Values of a column that are looked at, about, and values that show where a solution lies between them.
_FINE, _COARSE = 4096, 128
#: Values of other unknown columns beside which one is solved for: cells that are computed for all rows, and
#: values for a row, at least and at most.
_TRIALS, _BESIDE = 2**21, (16, 1024)
#: From this turn on all unknown columns get other values at once.
_LATE = 4
#: Halvings between two values.
_HALVINGS = 45
#: Cells that are computed at once.
_AT_ONCE = 2**20


@dataclass(frozen=True)
class Solutions:
    """What the model is given of rows so that they keep a rule.

    Parameters
    ----------
    rows : ndarray of int64 (m,)
        Numbers of the rows.
    given : ndarray of float32 (m, C, W)
        Encoded candidates of each row; tokens to be drawn are −1.
    log_weights : ndarray of float64 (m, C)
        What candidates weigh beforehand.
    columns : ndarray of int64 (m,)
        The column that was solved for in each row.
    values : Values or None
        Of the one column, where its tokens are restricted.
    allowed : ndarray of bool (m, k) or None
        Which of these values each row may have.
    numbers : ndarray of float64 (m, C) or None
        What the column is for each candidate, where it is given.
    """

    rows: np.ndarray
    given: np.ndarray
    log_weights: np.ndarray
    columns: np.ndarray
    values: Values | None = None
    allowed: np.ndarray | None = None
    numbers: np.ndarray | None = None

    @classmethod
    def join(cls, parts: Sequence[Solutions]) -> list[Solutions]:
        """Return solutions of which those that restrict no tokens are one."""
        own = [part for part in parts if part.values is not None]
        rest = [part for part in parts if part.numbers is not None]
        if not rest:
            return own

        def stack(name: str) -> np.ndarray:
            arrays = [getattr(part, name) for part in rest]
            if arrays[0].ndim > 1:
                arrays = [np.repeat(a, CANDIDATES // a.shape[1], axis=1) for a in arrays]
            return np.concatenate(arrays)

        given, weights = stack("given"), stack("log_weights")
        return [*own, cls(stack("rows"), given, weights, stack("columns"), numbers=stack("numbers"))]

    def weigh_tokens(self, levels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the share of each token that is allowed, its beginning and its end, all (m, levels)."""
        assert self.values is not None
        assert self.allowed is not None
        token, place = self.values.token, self.values.position
        first = np.flatnonzero(np.diff(token, prepend=-1))
        total = np.add.reduceat(self.values.weight, first)
        shape = len(self.rows), levels
        shares, low, high = np.zeros(shape), np.zeros(shape), np.ones(shape)
        own = token[first]
        shares[:, own] = np.add.reduceat(self.allowed * self.values.weight, first, axis=1) / total
        low[:, own] = np.minimum.reduceat(np.where(self.allowed, place, 1.0), first, axis=1)
        high[:, own] = np.maximum.reduceat(np.where(self.allowed, place, 0.0), first, axis=1)
        return shares, low, np.maximum(low, high)

    def settle(self, x: np.ndarray, part: slice) -> np.ndarray:
        """Return drawn rows ``(m, W)`` in which the restricted cell is the nearest allowed value."""
        if self.values is None or self.allowed is None:
            return x
        own, columns = x[:, part], self.values.columns
        place = join_position(own[:, 1 : 1 + columns]) if columns else np.full(len(x), 0.5)
        far = np.abs(self.values.token - np.rint(own[:, :1])) * 2 + np.abs(
            self.values.position - place[:, None]
        )
        x[:, part] = self.values.x[np.where(self.allowed, far, np.inf).argmin(1)]
        return x


@dataclass(frozen=True)
class Values:
    """Values that a column may get, by rising token and position.

    Parameters
    ----------
    x : ndarray of float32 (k, w)
        Encoded.
    weight : ndarray of float64 (k,)
        Share of the token that decodes to the value, up to a factor.
    numbers : ndarray of float64 (k,)
        What the rules read.
    columns : int
        Encoded columns that hold the position.
    """

    x: np.ndarray
    weight: np.ndarray
    numbers: np.ndarray
    columns: int

    @property
    def token(self) -> np.ndarray:
        """Token of each value."""
        return np.rint(self.x[:, 0]).astype(np.int64)

    @property
    def position(self) -> np.ndarray:
        """Position of each value inside its token."""
        if not self.columns:
            return np.full(len(self.x), 0.5)
        return join_position(self.x[:, 1 : 1 + self.columns])

    @property
    def share(self) -> np.ndarray:
        """Share of its token that each value has."""
        return self.weight / np.bincount(self.token, self.weight)[self.token]

    def rise(self) -> Values:
        """Return the values by rising numbers."""
        order = np.argsort(self.numbers, kind="stable")
        return Values(self.x[order], self.weight[order], self.numbers[order], self.columns)


def solve_rules(
    cells: KnownCells, x: np.ndarray, given: np.ndarray, rows: np.ndarray, turn: int, rng: np.random.Generator
) -> Iterator[Solutions]:
    """Look for values of unknown cells with which rows keep the first rule that they break.

    Where one cell is unknown, or all but one are settled, the model may choose among its values that keep the
    rule. Where several are, candidates have random values of two of them that keep it, and the others as they
    were drawn. Nothing is said of rows for which nothing is found.

    Parameters
    ----------
    cells : KnownCells
    x : ndarray of float32 (m, W)
        Drawn rows.
    given : ndarray of float32 (m, W)
        What the model was given of them.
    rows : ndarray of int64 (m,)
        Their numbers.
    turn : int
        Which of the unknown cells are solved for; another number takes others.
    rng : Generator
    """
    columns = cells.decode(x, rows)
    starts = [min(part.start, x.shape[1] - 1) for part in cells.codec.slices]
    is_drawn = cells.find_causes(cells.find_broken(columns, rows), rows) & (given[:, starts] < 0)
    solver = _Solver(cells, columns, rows)
    # One is solved for, beside another; later, when few rows are left, beside all others.
    count = is_drawn.sum(1, keepdims=True)
    rank = (is_drawn.cumsum(1) - 1 - turn) % np.maximum(count, 1)
    chosen = np.where(is_drawn & ((rank < 2) | (turn >= _LATE)), rank, -1)
    for j, part in enumerate(cells.codec.slices):
        mine = np.flatnonzero(is_drawn[:, j] & (chosen[:, j] < 0))
        if len(mine):
            given[mine, part] = x[mine, part]
    patterns, owner = np.unique(chosen, axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        mine = np.flatnonzero(owner.ravel() == i)
        wanted = [int(j) for j in np.argsort(pattern, kind="stable") if pattern[j] >= 0]
        if len(wanted) > 1:
            yield from solver.combine(mine, given[mine], wanted, rng)
        elif wanted:
            yield from solver.choose(mine, given[mine], wanted[0])


class _Solver:
    """Try values of unknown cells of drawn rows."""

    def __init__(self, cells: KnownCells, columns: Sequence[pd.Series], rows: np.ndarray) -> None:
        self.cells, self.relations, self.rows = cells, cells.codec.relations_, len(rows)
        self.numbers = {j: view.read(columns[j]) for j, view in self.relations.views.items()}
        changes = self.relations.changes
        self.shown = self.numbers | {
            j: plan.forward(self.numbers, self.relations.views[j].decimals) for j, plan in changes.items()
        }
        self.known = {j: cells.known[rows, j] for j in self.relations.views}
        self._values: dict[tuple[int, int], Values] = {}

    def choose(self, rows: np.ndarray, given: np.ndarray, column: int) -> Iterator[Solutions]:
        """Yield the values of a column with which rows keep the rules, or one between two of them."""
        values = self.list_values(column, _FINE)
        allowed = self.try_all(rows, column, values.numbers, {})[0]
        some = allowed.any(1)
        nothing, same = np.zeros((len(rows), 1)), np.full(len(rows), column)
        if some.any():
            yield Solutions(
                rows[some], given[some][:, None], nothing[some], same[some], values, allowed[some]
            )
        rest = np.flatnonzero(~some)
        if not len(rest):
            return
        found, x, numbers, _ = self.solve(rows[rest], column, {})
        rest, x, numbers = rest[found], x[found], numbers[found, None]
        if len(rest):
            own = given[rest]
            own[:, self.cells.codec.slices[column]] = x
            yield Solutions(rows[rest], own[:, None], nothing[rest], same[rest], numbers=numbers)

    def combine(
        self, rows: np.ndarray, given: np.ndarray, columns: list[int], rng: np.random.Generator
    ) -> Iterator[Solutions]:
        """Yield candidates with random values of several columns that keep the rules together."""
        column, *others = columns
        size = self.rows * len(self.list_values(column, _COARSE).numbers)
        each = int(np.clip(_TRIALS // size, *_BESIDE))
        values = {j: self.list_values(j, _FINE) for j in others}
        # Each token alike, as bins of numbers hold about as many rows.
        picked = {
            j: rng.choice(len(own.x), (len(rows), each), p=own.share / own.share.sum())
            for j, own in values.items()
        }
        beside = {j: values[j].numbers[which.ravel()] for j, which in picked.items()}
        found, x, numbers, mass = self.solve(np.repeat(rows, each), column, beside)
        found, numbers, mass = (a.reshape(-1, each) for a in (found, numbers, mass))
        some = np.flatnonzero(found.any(1))
        if not len(some):
            return
        # Those that were found, in turn.
        order = np.argsort(~found[some], axis=1, kind="stable")
        index = np.arange(CANDIDATES) % found[some].sum(1)[:, None]
        chosen = some[:, None], np.take_along_axis(order, index, 1)
        own = np.repeat(given[some][:, None], CANDIDATES, 1)
        slices = self.cells.codec.slices
        own[:, :, slices[column]] = x.reshape(*found.shape, -1)[chosen]
        for j, which in picked.items():
            own[:, :, slices[j]] = values[j].x[which[chosen]]
        same = np.full(len(some), column)
        yield Solutions(rows[some], own, np.log(mass[chosen]), same, numbers=numbers[chosen])

    def solve(
        self, rows: np.ndarray, column: int, others: Mapping[int, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return which rows have a value of a column that keeps the rules: its encoding, number and share.

        Parameters
        ----------
        others : mapping of int to ndarray of float64 (m,)
            What other columns are taken for.
        """
        values = self.list_values(column, _COARSE).rise()
        kept, off = self.try_all(rows, column, values.numbers, others)
        hits = kept.sum(1)
        found = hits > 0
        numbers = values.numbers[kept.argmax(1)]
        x = values.x[kept.argmax(1)]
        between = ~kept[:, :-1] & ~kept[:, 1:] & (off[:, :-1] * off[:, 1:] < 0)
        rest = np.flatnonzero(~found & between.any(1) & ~self.is_level(column))
        if len(rest):
            first = between[rest].argmax(1)
            fixed = {j: number[rest] for j, number in others.items()}
            low, high = values.numbers[first], values.numbers[first + 1]
            side = off[rest, first]
            for _ in range(_HALVINGS):
                middle = 0.5 * (low + high)
                sign = self.follow(rows[rest], {**fixed, column: middle})[1] * side
                low, high = np.where(sign >= 0, middle, low), np.where(sign <= 0, middle, high)
            x[rest], numbers[rest], is_held = self.write(column, 0.5 * (low + high))
            found[rest] = self.follow(rows[rest], {**fixed, column: numbers[rest]})[0] & is_held
        fine = self.list_values(column, _FINE).rise()
        nearest = np.clip(np.searchsorted(fine.numbers, numbers), 0, len(fine.numbers) - 1)
        return found, x, numbers, fine.share[nearest] * np.maximum(hits, 1)

    def try_all(
        self, rows: np.ndarray, column: int, values: np.ndarray, others: Mapping[int, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return with which values of a column rows keep the rules, and how far off they are, (m, k)."""
        each = len(values)
        step = max(1, _AT_ONCE // each)
        kept, off = np.zeros((len(rows), each), dtype=bool), np.zeros((len(rows), each))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            moved = {j: np.repeat(numbers[part], each) for j, numbers in others.items()}
            moved[column] = np.tile(values, len(rows[part]))
            found = self.follow(np.repeat(rows[part], each), moved)
            kept[part], off[part] = (a.reshape(-1, each) for a in found)
        return kept, off

    def follow(self, rows: np.ndarray, moved: Mapping[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows keep the rules with other values of some columns, and how far off the first is.

        Parameters
        ----------
        rows : ndarray of int64 (m,)
        moved : mapping of int to ndarray of float64 (m,)
            What the model draws of these columns.
        """
        plans = self._list_plans(frozenset(moved))
        read = {j for plan in plans for j in (plan.target, *plan.sources)}
        numbers = {j: self.numbers[j][rows] for j in read} | dict(moved)
        kept: np.ndarray = np.ones(len(rows), dtype=bool)
        off: np.ndarray = np.zeros(len(rows))
        for plan in plans:
            j, decimals = plan.target, self.relations.views[plan.target].decimals
            known, own = self.known[j][rows], numbers[j]
            seen = moved[j] if j in moved else self.shown[j][rows]
            made = self.relations.expect(plan, numbers, self.cells.names) if known.any() else own
            if not known.all():
                made = np.where(known, made, plan.backward(seen, numbers, decimals))
            same = np.asarray(~known | self.relations.views[j].is_same(made, own))
            off = np.where(kept & ~same, made - own, off)
            kept &= same
            numbers[j] = np.where(known, own, made)
        return kept, off

    def _list_plans(self, moved: frozenset[int]) -> list[Plan]:
        """Return the plans that columns have a say in, in their order."""
        found, reached = [], set(moved)
        for plan in self.relations.plans:
            if plan.target in reached or plan.sources & reached:
                found.append(plan)
                reached.add(plan.target)
        return found

    def is_level(self, column: int) -> bool:
        """Whether a column has no values between others."""
        return isinstance(_plain(self.cells.codec.codecs_[column]), CategoricalCodec)

    def list_values(self, column: int, most: int) -> Values:
        """Return values that a column may get, about so many of a number, and all that are not missing."""
        if (column, most) not in self._values:
            self._values[column, most] = self._list_values(column, most)
        return self._values[column, most]

    def _list_values(self, column: int, most: int) -> Values:
        codec = self.cells.codec.codecs_[column]
        inner = _plain(codec)
        if isinstance(inner, CategoricalCodec):
            x = inner.encode(as_series(inner.take(np.arange(len(inner.counts_))), inner.name))
        else:
            levels = codec.spans[0].width
            each = max(2, most // levels) if count_positions(codec) else 1
            middles = (np.arange(each) + 0.5) / each
            token, position = np.repeat(np.arange(levels), each), np.tile(middles, levels)
            # The smallest and the largest value too.
            ends = np.arange(levels)
            token = np.concatenate([token, ends, ends])
            position = np.concatenate([position, np.zeros(levels), np.ones(levels)])
            x = codec.encode(codec.decode(lay_out(codec, token, position)))
        x, weight = np.unique(x, axis=0, return_counts=True)
        numbers = self.read(column, x)
        known = ~np.isnan(numbers)
        return Values(x[known], weight[known].astype(np.float64), numbers[known], count_positions(codec))

    def read(self, column: int, x: np.ndarray) -> np.ndarray:
        """Return what rules read of an encoded column."""
        cells = self.cells.codec.codecs_[column].decode(x)
        if column in self.relations.changes:
            return cells.to_numpy(np.float64, na_value=np.nan)
        return self.relations.views[column].read(cells)

    def write(self, column: int, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return numbers as an encoded column, as numbers of cells, and which the encoding holds."""
        view, codec = self.relations.views[column], self.cells.codec.codecs_[column]
        plan = self.relations.changes.get(column)
        if plan is None:
            cells = view.write(numbers)
            x, own = codec.encode(cells), view.read(cells)
            return x, own, np.isclose(self.read(column, x), own, rtol=FINE)
        is_whole = view.is_time and plan.is_whole
        cells = pd.Series(np.rint(numbers) if is_whole else numbers, name=codec.name)
        x = codec.encode(cells.astype("Int64") if is_whole else cells)
        return x, self.read(column, x), np.ones(len(x), dtype=bool)


def _plain(codec: ColumnCodec) -> Any:
    """Return the codec of the plain column."""
    return codec.codec_ if isinstance(codec, TranslatedCodec) else codec
