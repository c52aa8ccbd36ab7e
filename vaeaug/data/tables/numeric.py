"""Numbers as tokens: missing, point masses, and quantile bins with a position inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import ndtri

from vaeaug.data.tables.base import ColumnCodec, ColumnOptions
from vaeaug.data.tables.dtypes import NumberStorage, as_series
from vaeaug.data.tables.lattice import Axis, Levels, Scale, axis_from_json
from vaeaug.data.tables.lattice_search import find_axes
from vaeaug.data.tables.quantiles import QuantileBins, join_position, split_position
from vaeaug.data.tables.recognition import looks_like_codes, mostly_repeat, rows_with_room
from vaeaug.data.tables.serialization import Arrays, add_prefix, scalar_from_json, scalar_to_json, take_prefix
from vaeaug.layout import Span

__all__ = ["NumericCodec"]

_DISTINCT = 256  # up to here every value may be a token of its own
_FEW = 10  # up to here every value is, however rarely it repeats
_HINT_LIMIT = 3.5
_GRIDS = ("bins", "rest")  # names in files


class NumericCodec(ColumnCodec):
    """Encode a numeric column as one token, a position inside it, and a rank-Gaussian hint.

    Tokens are, in this order: missing (if it was seen), point masses in rising order, quantile bins in
    rising order. Up to 256 distinct values that repeat (twice on average, or at most 10 values) are all
    point masses; otherwise values on more than 1/64 of the rows are, and the rest goes to bins.

    Where most values lie on a lattice (cents, multiples of 5) and some do not, each of the two groups has
    bins of its own, those of the lattice first, so that new values are on it as often as the real ones.

    Parameters
    ----------
    max_bins : int, default=64
        About how many quantile bins to make at most; a few more where point masses cut the range.
    keep_codes : bool, default=True
        Whether whole numbers that look like codes (see :func:`looks_like_codes`), and values that nearly all
        repeat though there is room for others, are drawn from the values seen.
    points : tuple of int or float
        Values that are point masses, however rare.
    weights : ndarray of float64, shape (n,), optional
        What each row of ``fit`` counts for where bins are cut; one each if None.
    """

    kind: ClassVar[str] = "numeric"
    storage_type: ClassVar[Any] = NumberStorage

    def __init__(
        self,
        max_bins: int = 64,
        keep_codes: bool = True,
        points: tuple[int | float, ...] = (),
        weights: np.ndarray | None = None,
    ) -> None:
        self.max_bins = max_bins
        self.keep_codes = keep_codes
        self.points = points
        self.weights = weights

    @classmethod
    def build(cls, options: ColumnOptions) -> NumericCodec:
        """Make a codec from the options of a table."""
        return cls(options.max_bins, options.recognise, options.points, options.weights)

    def accepts(self, series: pd.Series) -> None:
        """Return when the column holds numbers; raise RejectedColumn when not."""
        self.storage_type.of(series)

    def fit(self, series: pd.Series, counts: np.ndarray | None = None) -> NumericCodec:
        """Learn storage, point masses and bins; return self."""
        self.name = series.name
        self.storage_: Any = self.storage_type.of(series)
        values, missing = self.storage_.read(series)
        known, weights = values[~missing], self.weights
        distinct, counts = _tally(known, None if counts is None else counts[~missing])
        mass = counts
        if weights is not None:
            mass = np.bincount(np.searchsorted(distinct, known), weights[~missing], distinct.size)
        self.weights = None  # of no use any more
        self.offset_ = int(missing.any())
        self.axes_: list[Scale] = []
        self.grids_: list[QuantileBins] = []
        self.points_ = distinct[:0]
        self.are_codes_ = False
        ranks = [np.empty((0, 3))]
        if distinct.size:
            is_point = _point_masses(counts) | np.isin(
                distinct, np.asarray(self.points, dtype=distinct.dtype)
            )
            self.points_ = distinct[is_point]
            self._find_axes(distinct, counts, is_point)
            ends = np.cumsum(counts)
            points = (ends - 0.5 * counts, np.zeros(counts.size), counts)
            ranks.append(np.stack(points, axis=1)[is_point])
            if not is_point.all():
                ranks += self._build_grids(distinct, counts, is_point, mass)
        total = max(1, int(counts.sum()))
        low, width, self.rows_ = np.concatenate(ranks).T
        self.rank_low_, self.rank_width_ = low / total, width / total
        fine = any(
            axis.is_lattice and grid.needs_fine_position
            for axis, grid in zip(self.axes_, self.grids_, strict=False)
        )
        self.position_columns_ = (2 if fine else 1) if self.grids_ else 0
        self._describe()
        return self

    def _find_axes(self, distinct: np.ndarray, counts: np.ndarray, is_point: np.ndarray) -> None:
        """Decide on what axes the bins live: a lattice, a lattice and the rest, or the values seen."""
        self.axes_ = list(find_axes(distinct, counts, is_point, self.storage_.precision))
        if len(self.axes_) > 1 or is_point.all() or not self.keep_codes:
            return
        rest, rows, t = distinct[~is_point], counts[~is_point], self.axes_[0].to_axis(distinct[~is_point])
        room = rows_with_room(t, rows, self.axes_[0].is_lattice)
        whole = self.kind == NumericCodec.kind and bool((np.rint(rest) == rest).all())
        self.are_codes_ = whole and looks_like_codes(self.name, rest, rows, room)
        if self.are_codes_ or mostly_repeat(rest, rows, room):
            self.axes_ = [Levels.learn(distinct)]

    def _build_grids(
        self, distinct: np.ndarray, counts: np.ndarray, is_point: np.ndarray, weights: np.ndarray
    ) -> list[np.ndarray]:
        """Cut the values of each axis into bins; return rank, spread in rank, and rows of each bin."""
        ends = np.cumsum(counts)
        regular = is_point | self.axes_[0].holds(distinct)
        parts = [regular] if len(self.axes_) == 1 else [regular, is_point | ~regular]
        mass = [int(counts[part & ~is_point].sum()) for part in parts]
        ranks, axes = [], []
        for axis, part, rows in zip(self.axes_, parts, mass, strict=True):
            if not rows:
                continue
            share = max(1, round(self.max_bins * rows / sum(mass)))
            dense = 1.0 if axis.is_lattice else 0.0
            t = axis.to_axis(distinct[part])
            grid, first, last = QuantileBins.build(
                t, counts[part], is_point[part], share, dense, weights[part]
            )
            rest = np.flatnonzero(part & ~is_point)
            start = (ends - counts)[rest[first]]
            ranks.append(np.stack([start, ends[rest[last]] - start, grid.mass], axis=1))
            self.grids_.append(grid)
            axes.append(axis)
        self.axes_ = axes
        return ranks

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return token, position (if there are bins) and hint (if values differ), float32 (n, w).

        Numbers not seen in fit go to the nearest point mass or bin; missing values get code -1 when fit saw
        none.
        """
        values, missing = self.storage_.read(series)
        token, position = self._tokenise(values, missing)
        x = np.empty((values.size, self.width), dtype=np.float32)
        x[:, 0] = np.where(missing, self.offset_ - 1, token + self.offset_)
        if self.position_columns_:
            x[:, 1 : 1 + self.position_columns_] = split_position(position, self.position_columns_)
        if self.has_hint_:
            x[:, -1] = self._hint(token, position, missing)
        return x

    def hint(self, series: pd.Series) -> np.ndarray:
        """Return the rank-Gaussianised column, float64 (n,) within ±3.5; NaN where missing."""
        values, missing = self.storage_.read(series)
        score = self._hint(*self._tokenise(values, missing), missing)
        return np.where(missing, np.nan, score)

    def decode(self, x: np.ndarray) -> pd.Series:
        """Return a column of the training dtype; code -1 becomes missing, or the commonest token."""
        code = np.rint(x[:, 0]).astype(np.int64)
        if not self.axes_:
            nothing = np.zeros(code.size, dtype=np.int64)
            return as_series(self.storage_.write(nothing, np.ones(code.size, dtype=bool)), self.name)
        if not self.storage_.allows_missing:
            code = np.where(code < 0, self.common_, code)
        missing = code < self.offset_
        token = np.clip(code - self.offset_, 0, self.rank_low_.size - 1)
        values = self._values(token, x[:, 1 : 1 + self.position_columns_])
        return as_series(self.storage_.write(values, missing), self.name)

    def draw(self, n: int, rng: np.random.Generator) -> pd.Series:
        """Return n values drawn from the training distribution; missing ones are not drawn."""
        x = np.empty((n, self.width), dtype=np.float32)
        rate = self.rows_ / self.rows_.sum()
        x[:, 0] = rng.choice(rate.size, size=n, p=rate) + self.offset_
        x[:, 1:] = rng.random((n, self.width - 1), dtype=np.float32)
        return self.decode(x)

    @property
    def stand_in(self) -> int:
        """Token of missing values that fit has not seen: the commonest."""
        return self.offset_ + self.common_

    @property
    def is_all_missing(self) -> bool:
        """Whether the training column held nothing but missing values."""
        return not self.axes_

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        meta = {
            "kind": self.kind,
            "name": scalar_to_json(self.name),
            "max_bins": self.max_bins,
            "storage": self.storage_.to_json(),
            "axes": [axis.to_json() for axis in self.axes_],
            "offset": self.offset_,
            "position_columns": self.position_columns_,
            "are_codes": self.are_codes_,
        }
        arrays = {
            "points": self.points_,
            "rank_low": self.rank_low_,
            "rank_width": self.rank_width_,
            "rows": self.rows_,
        }
        for name, grid in zip(_GRIDS, self.grids_, strict=False):
            arrays |= add_prefix(name, grid.arrays())
        if self.axes_ and isinstance(self.axes_[0], Levels):
            arrays["levels"] = self.axes_[0].values
        return meta, arrays

    def restore(self, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> NumericCodec:
        """Take over what :meth:`state` describes; return self."""
        self.max_bins = meta["max_bins"]
        self.name = scalar_from_json(meta["name"])
        self.storage_ = self.storage_type.from_json(meta["storage"])
        # Files of 0.1 hold one axis, or None.
        axes = meta["axes"] if "axes" in meta else [axis for axis in (meta["axis"],) if axis]
        self.axes_ = [axis_from_json(axis, arrays.get("levels")) for axis in axes]
        self.offset_ = meta["offset"]
        self.points_, self.rows_ = arrays["points"], arrays["rows"]
        self.rank_low_, self.rank_width_ = arrays["rank_low"], arrays["rank_width"]
        parts = [take_prefix(name, arrays) for name in _GRIDS]
        self.grids_ = [QuantileBins(**part) for part in parts if part]
        self.are_codes_ = meta.get("are_codes", False)
        self.position_columns_ = (
            meta["position_columns"] if "position_columns" in meta else self._count_old_positions()
        )
        self._describe()
        return self

    def _describe(self) -> None:
        """Derive spans from what was learned."""
        self.common_ = int(self.rows_.argmax()) if self.rows_.size else 0
        self.has_hint_ = self.rank_low_.size > 1
        # First token of each grid of bins, and the end of the last.
        sizes = [self.points_.size, *(grid.count for grid in self.grids_)]
        self._starts = np.cumsum(sizes)
        spans = [Span("categorical", self.offset_ + self.rank_low_.size, bool(self.offset_))]
        if self.position_columns_:
            spans.append(Span("position", self.position_columns_))
        if self.has_hint_:
            spans.append(Span("hint", 1))
        self.spans = tuple(spans)

    def _count_old_positions(self) -> int:
        """Return the columns of positions that 0.1 took: only integers had fine ones."""
        if not self.grids_:
            return 0
        axis = self.axes_[0]
        whole = isinstance(axis, Axis) and axis.is_lattice and axis.decimals == 0
        return 2 if whole and self.grids_[0].needs_fine_position else 1

    def _values(self, token: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Return plain numbers of token numbers (missing not counted) and encoded positions."""
        if not self.grids_:
            return np.take(self.points_, token)
        values = np.empty(token.shape, dtype=np.dtype(self.axes_[0].native))
        is_point = token < self.points_.size
        values[is_point] = self.points_[token[is_point]]
        places = join_position(position)
        for axis, grid, start in zip(self.axes_, self.grids_, self._starts, strict=False):
            mine = np.flatnonzero((token >= start) & (token < start + grid.count))
            t = grid.value(token[mine] - start, places[mine])
            values[mine] = axis.from_axis(t)
            if axis.is_lattice and axis is not self.axes_[0]:
                # Beside the coarse lattice, not on it by chance.
                on = self.axes_[0].holds(values[mine])
                beside = np.rint(t[on]) + np.where(t[on] < grid.t[-1] - 1.0, 1.0, -1.0)
                values[mine[on]] = axis.from_axis(beside)
        return values

    def _tokenise(self, values: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return token numbers (missing not counted; 0 there) and positions in [0, 1], both (n,)."""
        position = np.full(values.shape, 0.5)
        if not self.axes_:
            return np.zeros(values.size, dtype=np.int64), position
        first = self.axes_[0]
        values = first.coerce(np.where(missing, first.low, values) if missing.any() else values)
        token, distance = _nearest(self.points_, values)
        regular = first.holds(values) if len(self.grids_) > 1 else np.ones(values.shape, dtype=bool)
        for axis, grid, start, part in zip(
            self.axes_, self.grids_, self._starts, (regular, ~regular), strict=False
        ):
            mine = np.flatnonzero(part)
            t = axis.to_axis(values[mine])
            bins, outside = grid.nearest(t)
            # An exact hit is a point mass; any other value only when no bin holds it and the point is nearer.
            inside = (distance[mine] > 0) & (outside * axis.unit <= distance[mine])
            mine, t, bins = mine[inside], t[inside], bins[inside]
            position[mine] = grid.position(bins, t)
            token[mine] = bins + start
        return token, position

    def _hint(self, token: np.ndarray, position: np.ndarray, missing: np.ndarray) -> np.ndarray:
        if not self.rank_low_.size:
            return np.zeros(token.size)
        rank = self.rank_low_[token] + self.rank_width_[token] * position
        half = 0.5 / self.rows_.sum()
        rank = np.clip(rank, half, 1.0 - half)
        score = np.clip(ndtri(rank), -_HINT_LIMIT, _HINT_LIMIT)
        score[missing] = 0.0
        return score


def _tally(values: np.ndarray, counts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted distinct values, and the rows of each, int64."""
    if counts is None:
        return np.unique(values, return_counts=True)
    distinct, index = np.unique(values, return_inverse=True)
    return distinct, np.bincount(index, weights=counts, minlength=distinct.size).astype(np.int64)


def _point_masses(counts: np.ndarray) -> np.ndarray:
    """Return which distinct values get a token of their own."""
    rows = int(counts.sum())
    # Values seen once teach a token nothing: a small table of reals is better served by bins.
    if counts.size <= _FEW or (counts.size <= _DISTINCT and rows >= 2 * counts.size):
        return np.ones(counts.size, dtype=bool)
    return counts > max(rows / 64, 4)


def _nearest(points: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of sorted points to each value, and the distance in float64 (0 only when equal)."""
    if points.size == 0:
        return np.zeros(values.size, dtype=np.int64), np.full(values.size, np.inf)
    right = np.minimum(np.searchsorted(points, values), points.size - 1)
    left = np.maximum(right - 1, 0)
    to_right, to_left = _gap(points[right], values), _gap(points[left], values)
    use_left = to_left < to_right
    return np.where(use_left, left, right), np.where(use_left, to_left, to_right)


def _gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.abs(a - b)
    # Signed differences may overflow; unsigned ones of the larger and the smaller never do.
    return (np.maximum(a, b).astype(np.uint64) - np.minimum(a, b).astype(np.uint64)).astype(np.float64)
