"""Numbers as tokens: missing, point masses, and quantile bins with a position inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import ndtri

from vaeaug.codecs.axis import Axis
from vaeaug.codecs.base import ColumnCodec, ColumnOptions
from vaeaug.codecs.packing import Arrays, nested, prefixed, scalar_from_json, scalar_to_json
from vaeaug.codecs.quantiles import QuantileBins, join_position, split_position
from vaeaug.codecs.storage import NumberStorage, Storage, as_series
from vaeaug.layout import Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["NumericCodec"]

_DISTINCT = 256  # up to here every value may be a token of its own
_FEW = 10  # up to here every value is, however rarely it repeats
_HINT_LIMIT = 3.5


class NumericCodec(ColumnCodec):
    """Encode a numeric column as one token, a position inside it, and a rank-Gaussian hint.

    Tokens are, in this order: missing (if it was seen), point masses in rising order, quantile bins in
    rising order. Up to 256 distinct values that repeat (twice on average, or at most 10 values) are all
    point masses; otherwise values on more than 1/64 of the rows are, and the rest goes to bins.

    Parameters
    ----------
    max_bins : int, default=64
        About how many quantile bins to make at most; a few more where point masses cut the range.
    """

    kind: ClassVar[str] = "numeric"
    storage_type: ClassVar[Any] = NumberStorage

    def __init__(self, max_bins: int = 64) -> None:
        self.max_bins = max_bins

    @classmethod
    def build(cls, options: ColumnOptions) -> NumericCodec:
        """Make a codec from the options of a table."""
        return cls(options.max_bins)

    def accepts(self, series: pd.Series) -> None:
        """Return when the column holds numbers; raise RejectedColumn when not."""
        self.storage_type.of(series)

    def fit(self, series: pd.Series, counts: np.ndarray | None = None) -> NumericCodec:
        """Learn storage, point masses and bins; return self."""
        self.name = series.name
        self.storage_: Storage = self.storage_type.of(series)
        values, missing = self.storage_.read(series)
        distinct, counts = _tallied(values[~missing], None if counts is None else counts[~missing])
        self.offset_ = int(missing.any())
        self.axis_: Axis | None = None
        self.bins_: QuantileBins | None = None
        self.points_ = distinct[:0]
        rank_low, rank_width, rows = np.empty(0), np.empty(0), np.empty(0)
        if distinct.size:
            self.axis_ = Axis.learn(distinct, self.storage_.precision)
            is_point = _point_masses(counts)
            self.points_ = distinct[is_point]
            rank_low = (np.cumsum(counts) - 0.5 * counts)[is_point]
            rank_width = np.zeros(rank_low.size)
            rows = counts[is_point].astype(np.float64)
            if not is_point.all():
                t = self.axis_.to_axis(distinct)
                dense = 1.0 if self.axis_.is_lattice else 0.0
                self.bins_ = QuantileBins.build(t, counts, is_point, self.max_bins, dense)
                rank_low = np.concatenate([rank_low, self.bins_.below])
                rank_width = np.concatenate([rank_width, self.bins_.mass])
                rows = np.concatenate([rows, self.bins_.mass])
        total = max(1, int(counts.sum()))
        self.rank_low_, self.rank_width_ = rank_low / total, rank_width / total
        self.rows_ = rows
        self._describe()
        return self

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
        if self.axis_ is None:
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
        return self.axis_ is None

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        meta = {
            "kind": self.kind,
            "name": scalar_to_json(self.name),
            "max_bins": self.max_bins,
            "storage": self.storage_.to_json(),
            "axis": None if self.axis_ is None else self.axis_.to_json(),
            "offset": self.offset_,
        }
        arrays = {
            "points": self.points_,
            "rank_low": self.rank_low_,
            "rank_width": self.rank_width_,
            "rows": self.rows_,
        }
        if self.bins_ is not None:
            arrays |= prefixed("bins", self.bins_.arrays())
        return meta, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> NumericCodec:
        """Rebuild a codec from :meth:`state`."""
        codec = cls(meta["max_bins"])
        codec.name = scalar_from_json(meta["name"])
        codec.storage_ = cls.storage_type.from_json(meta["storage"])
        codec.axis_ = None if meta["axis"] is None else Axis.from_json(meta["axis"])
        codec.offset_ = meta["offset"]
        codec.points_, codec.rows_ = arrays["points"], arrays["rows"]
        codec.rank_low_, codec.rank_width_ = arrays["rank_low"], arrays["rank_width"]
        bins = nested("bins", arrays)
        codec.bins_ = QuantileBins(**bins) if bins else None
        codec._describe()
        return codec

    def _describe(self) -> None:
        """Derive spans from what was learned."""
        self.common_ = int(self.rows_.argmax()) if self.rows_.size else 0
        self.has_hint_ = self.rank_low_.size > 1
        self.position_columns_ = 0
        if self.bins_ is not None:
            # Integers must come back exactly; other numbers may differ by the rounding of their position.
            whole = self.axis_ is not None and self.axis_.is_lattice and self.axis_.decimals == 0
            self.position_columns_ = 2 if whole and self.bins_.needs_fine_position else 1
        spans = [Span("categorical", self.offset_ + self.rank_low_.size)]
        if self.position_columns_:
            spans.append(Span("position", self.position_columns_))
        if self.has_hint_:
            spans.append(Span("hint", 1))
        self.spans = tuple(spans)

    def _values(self, token: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Return plain numbers of token numbers (missing not counted) and encoded positions."""
        if self.bins_ is None or self.axis_ is None:
            return np.take(self.points_, token)
        bins = token - self.points_.size
        values = self.axis_.from_axis(self.bins_.value(np.maximum(bins, 0), join_position(position)))
        if self.points_.size:
            values = np.where(bins < 0, self.points_[np.minimum(token, self.points_.size - 1)], values)
        return values

    def _tokenise(self, values: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return token numbers (missing not counted; 0 there) and positions in [0, 1], both (n,)."""
        position = np.full(values.shape, 0.5)
        if self.axis_ is None:
            return np.zeros(values.size, dtype=np.int64), position
        values = self.axis_.coerce(np.where(missing, self.axis_.low, values) if missing.any() else values)
        point, distance = _nearest(self.points_, values)
        if self.bins_ is None:
            return point, position
        t = self.axis_.to_axis(values)
        bins, outside = self.bins_.nearest(t)
        if self.points_.size:
            # An exact hit is a point mass; any other value only when no bin holds it and the point is nearer.
            in_bin = (distance > 0) & (outside * self.axis_.unit <= distance)
        else:
            in_bin = np.ones(values.size, dtype=bool)
        position[in_bin] = self.bins_.position(bins[in_bin], t[in_bin])
        return np.where(in_bin, bins + self.points_.size, point), position

    def _hint(self, token: np.ndarray, position: np.ndarray, missing: np.ndarray) -> np.ndarray:
        if not self.rank_low_.size:
            return np.zeros(token.size)
        rank = self.rank_low_[token] + self.rank_width_[token] * position
        half = 0.5 / self.rows_.sum()
        rank = np.clip(rank, half, 1.0 - half)
        score = np.clip(ndtri(rank), -_HINT_LIMIT, _HINT_LIMIT)
        score[missing] = 0.0
        return score


def _tallied(values: np.ndarray, counts: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
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
