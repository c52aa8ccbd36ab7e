"""Cut a column into bins of about equal mass, each with an interpolated empirical quantile function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaeaug.data.tables.serialization import Arrays

__all__ = ["QuantileBins", "bins_for", "find_gaps", "join_position", "split_position"]

_GRID = 16  # grid points per bin; each keeps the two knots around it
#: More of them toward both ends of the column, each half as far from the end as the one before: the last
#: few values of a heavy tail lie as far apart as all the others.
_TAIL = 0.5 ** np.arange(1, 33) / (_GRID - 1)
_ROWS_PER_BIN = 5
_BELOW_ONE = np.nextafter(np.float32(1.0), np.float32(0.0))
_COARSE = 2.0**20
_EXACT = 2.0**53
_EVIDENCE = 15.0  # nats against a step that the values of a bin share by chance
_FLOAT32_POSITION = 2.0**-25  # rounding error of a position just below 1
_AROUND = 5  # spacings on each side that a gap is compared with
_CHANCE = 0.05  # that a column has a gap which only looks like one


@dataclass(frozen=True)
class QuantileBins:
    """Quantile bins on an axis: a value is a bin number and a position in ``[0, 1)`` inside it.

    Inside a bin the position is the value of a piecewise-linear distribution function. Each distinct training
    value owns the stretch between the midpoints to its neighbours, with its share of the rows; repeated
    values off a dense lattice also get a flat piece, so that they come back as themselves at their rate.

    Parameters
    ----------
    q, t : ndarray of float64, shape (k,)
        Knots: bin number plus position, and axis coordinate; both never decrease.
    start : ndarray of int64, shape (bins + 1,)
        First knot of each bin.
    below, mass : ndarray of float64, shape (bins,)
        Rows of the whole column under the bin, and rows in it.
    stride : ndarray of float64, shape (bins,), optional
        On a lattice, the step that all values of a bin share, from its first one on: large numbers are often
        rounder than small ones.
    """

    q: np.ndarray
    t: np.ndarray
    start: np.ndarray
    below: np.ndarray
    mass: np.ndarray
    stride: np.ndarray | None = None
    origin: np.ndarray | None = None

    @classmethod
    def build(
        cls,
        t: np.ndarray,
        counts: np.ndarray,
        is_point: np.ndarray,
        max_bins: int,
        dense: float,
        weights: np.ndarray | None = None,
    ) -> tuple[QuantileBins, np.ndarray, np.ndarray]:
        """Place bins and knots; return them, and the numbers of the first and last value in each bin.

        Values that are points are not counted. No bin reaches across a wide gap (:func:`find_gaps`), so
        that no new value lies in one, nor on the other side of it.

        Parameters
        ----------
        t : ndarray of float64, shape (m,)
            Sorted distinct axis coordinates of the whole column, point masses too.
        counts : ndarray of int64, shape (m,)
            Rows of each.
        is_point : ndarray of bool, shape (m,)
            Values that have a token of their own; no bin reaches across one.
        max_bins : int
            About how many bins to make.
        dense : float
            Width of a stretch that rounding to the lattice already returns to its value; 0 without a lattice.
        weights : ndarray of float64, shape (m,), optional
            What the rows of each value count for where bins are cut; their number if None.
        """
        rest = ~is_point
        middle = t[:-1] * 0.5 + t[1:] * 0.5
        gaps = find_gaps(t)
        # Toward a point mass or a gap, as toward the end of the range, there is nothing to interpolate.
        low = np.concatenate([t[:1], np.where(is_point[:-1] | gaps, t[1:], middle)])[rest]
        high = np.concatenate([np.where(is_point[1:] | gaps, t[:-1], middle), t[-1:]])[rest]
        below = (np.cumsum(counts) - counts)[rest].astype(np.float64)
        value, rows = t[rest], counts[rest].astype(np.float64)
        budget = min(max_bins, max(1, int(rows.sum()) // _ROWS_PER_BIN))
        stretches = np.cumsum(is_point) + np.cumsum(np.append(False, gaps))
        bins = _assign(stretches[rest], rows if weights is None else weights[rest], budget)
        first = np.flatnonzero(np.diff(bins, prepend=-1))
        mass = np.add.reduceat(rows, first)
        q, knots, start = _place_knots(bins, value, rows, low, high, dense)
        last = np.append(first[1:], bins.size) - 1
        stride = _strides(value, first, last) if dense else None
        return cls(q, knots, start, below[first], mass, stride, value[first]), first, last

    @property
    def count(self) -> int:
        """Number of bins."""
        return self.mass.size

    @property
    def lower(self) -> np.ndarray:
        """Lower edge of each bin on the axis."""
        return self.t[self.start[:-1]]

    @property
    def upper(self) -> np.ndarray:
        """Upper edge of each bin on the axis."""
        return self.t[self.start[1:] - 1]

    @property
    def needs_fine_position(self) -> bool:
        """Whether a float32 position is too coarse to tell neighbouring lattice points apart."""
        run, rise = np.diff(self.q), np.diff(self.t)
        slope = np.max(rise[run > 0] / run[run > 0], initial=0.0)
        return bool(slope * _FLOAT32_POSITION > 0.125)

    def nearest(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the bin nearest to each coordinate and the distance to it (0 inside)."""
        lower, upper = self.lower, self.upper
        bins = np.searchsorted(upper[:-1] * 0.5 + lower[1:] * 0.5, t, side="right")
        outside = np.maximum(lower[bins] - t, t - upper[bins])
        return bins, np.maximum(outside, 0.0)

    def position(self, bins: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return positions, float64 in ``[0, 1]``, of coordinates in their bins; mid-way on a flat piece."""
        t = np.clip(t, self.lower[bins], self.upper[bins])
        first, last = self.start[bins], self.start[bins + 1] - 1
        below = np.searchsorted(self.t, t, side="right") - 1
        above = below + 1
        # Only a coordinate that is a knot itself has another first knot that is not below it.
        knots = np.flatnonzero(self.t[np.maximum(below, 0)] == t)
        above[knots] = np.searchsorted(self.t, t[knots], side="left")
        i, j = np.clip(below, first, last), np.clip(above, first, last)
        rise = self.t[j] - self.t[i]
        share = np.full(t.shape, 0.5)
        np.divide(t - self.t[i], rise, out=share, where=rise > 0)
        return np.clip(self.q[i] + share * (self.q[j] - self.q[i]) - bins, 0.0, 1.0)

    def value(self, bins: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Return coordinates of positions in ``[0, 1)``: the interpolated empirical quantile."""
        q = bins + position
        k = np.searchsorted(self.q, q, side="right") - 1
        k = np.clip(k, self.start[bins], self.start[bins + 1] - 2)
        run = self.q[k + 1] - self.q[k]
        share = np.zeros(q.shape)
        np.divide(q - self.q[k], run, out=share, where=run > 0)
        np.clip(share, 0.0, 1.0, out=share)
        t = self.t[k] * (1.0 - share) + self.t[k + 1] * share
        if self.stride is None or self.origin is None:
            return t
        stride, origin = self.stride[bins], self.origin[bins]
        return np.where(stride > 1.0, origin + stride * np.rint((t - origin) / np.maximum(stride, 1.0)), t)

    def arrays(self) -> Arrays:
        """Return all arrays by name."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: array for name, array in found.items() if array is not None}


def find_gaps(t: np.ndarray) -> np.ndarray:
    """Return between which neighbours there is a gap that chance does not explain.

    A gap is wider than r times the mean of the five spacings on its left, and of the five on its right.
    Spacings of values from a smooth density are about exponential there, so a gap is wider than r times the
    mean of all ten with chance (1 + r/10)⁻¹⁰. r keeps the chance that any gap of the column is below 5 %.

    Parameters
    ----------
    t : ndarray of float64, shape (m,)
        Sorted distinct values.

    Returns
    -------
    ndarray of bool, shape (m - 1,)

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.data.tables.quantiles import find_gaps
    >>> np.flatnonzero(find_gaps(np.concatenate([np.arange(9.0), 500 + np.arange(9.0)])))
    array([8])
    """
    spacings = np.diff(t)
    found = np.zeros(spacings.size, dtype=bool)
    if spacings.size <= 2 * _AROUND:
        return found
    means = np.lib.stride_tricks.sliding_window_view(spacings, _AROUND).mean(axis=1)
    ratio = 2 * _AROUND * ((spacings.size / _CHANCE) ** (0.5 / _AROUND) - 1.0)
    usual = np.maximum(means[: -_AROUND - 1], means[_AROUND + 1 :])
    found[_AROUND:-_AROUND] = spacings[_AROUND:-_AROUND] > ratio * usual
    return found


def _strides(value: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the step that the lattice points of each bin share, 1 where it may be so by chance."""
    if value[-1] >= _EXACT:
        return np.ones(first.size)
    steps = np.diff(np.rint(value).astype(np.int64))
    found = np.ones(first.size)
    for k, (a, b) in enumerate(zip(first, last, strict=True)):
        step = int(np.gcd.reduce(steps[a:b])) if b > a else 1
        if (b - a) * np.log(max(step, 1)) >= _EVIDENCE:
            found[k] = step
    return found


def _assign(segment: np.ndarray, rows: np.ndarray, budget: int) -> np.ndarray:
    """Return a bin number per value: equal mass within each stretch between two point masses."""
    _, segment = np.unique(segment, return_inverse=True)
    first = np.flatnonzero(np.diff(segment, prepend=-1))
    mass = np.add.reduceat(rows, first)
    wanted = np.maximum(1, np.rint(budget * mass / mass.sum()))
    start = (np.cumsum(mass) - mass)[segment]
    share = (np.cumsum(rows) - 0.5 * rows - start) / mass[segment]
    label = (np.cumsum(wanted) - wanted)[segment] + np.floor(share * wanted[segment])
    return np.cumsum(np.diff(label, prepend=label[:1]) > 0)


def _place_knots(
    bins: np.ndarray, value: np.ndarray, rows: np.ndarray, low: np.ndarray, high: np.ndarray, dense: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return knots (q, t) of all bins and the first knot of each, thinned to a few dozen a bin."""
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    total = np.add.reduceat(rows, first)[bins]
    before = np.cumsum(rows) - rows
    before = before - before[first][bins]
    flat = (rows >= 2) & (high - low > dense)
    # Four knots a value: stretch from the left, flat piece at the value, stretch to the right.
    ranks = np.stack([before, before + 0.5, before + rows - 0.5, before + rows], axis=1)
    t = np.stack([low, value, value, high], axis=1)
    keep = np.stack([np.ones_like(flat), flat, flat, np.ones_like(flat)], axis=1)
    q = (bins[:, None] + np.minimum(ranks / total[:, None], 1.0))[keep]
    owner = np.broadcast_to(bins[:, None], keep.shape)[keep]
    t = t[keep]
    same = np.zeros(q.size, dtype=bool)
    same[1:] = (owner[1:] == owner[:-1]) & (q[1:] == q[:-1]) & (t[1:] == t[:-1])
    q, t, owner = q[~same], t[~same], owner[~same]

    start = np.searchsorted(owner, np.arange(first.size + 1))
    grid = np.arange(first.size)[:, None] + np.linspace(0.0, 1.0, _GRID)
    left, right = start[:-1, None], start[1:, None] - 1
    small = np.diff(start) <= 2 * _GRID
    picked = small[owner]
    picked[start[:-1]] = picked[start[1:] - 1] = True
    _pick_around(picked, q, grid, left, right)
    _pick_around(picked, q, _TAIL, left[0], right[0])
    _pick_around(picked, q, first.size - _TAIL, left[-1], right[-1])
    q, t, owner = q[picked], t[picked], owner[picked]
    return q, t, np.searchsorted(owner, np.arange(first.size + 1)).astype(np.int64)


def _pick_around(
    picked: np.ndarray, q: np.ndarray, grid: np.ndarray, left: np.ndarray, right: np.ndarray
) -> None:
    """Pick the two knots around each grid point, within the first and the last one of its bin."""
    for side, before in (("right", 1), ("left", 0)):
        picked[np.clip(np.searchsorted(q, grid, side=side) - before, left, right)] = True  # type: ignore[call-overload]


def split_position(position: np.ndarray, columns: int) -> np.ndarray:
    """Write positions in ``[0, 1]`` as one or two float32 columns in ``[0, 1)``, shape (n, columns).

    Two columns hold the first 20 bits and the rest; drawn independently and uniformly they make a uniform
    position of 44 bits.
    """
    if columns == 1:
        return np.minimum(position.astype(np.float32), _BELOW_ONE)[:, None]
    position = np.minimum(position, 1.0 - 2.0**-53)
    coarse = np.floor(position * _COARSE)
    rest = np.minimum((position * _COARSE - coarse).astype(np.float32), _BELOW_ONE)
    return np.stack([(coarse / _COARSE).astype(np.float32), rest], axis=1)


def join_position(columns: np.ndarray) -> np.ndarray:
    """Undo :func:`split_position`: positions, float64 in ``[0, 1)``, shape (n,)."""
    columns = np.clip(columns.astype(np.float64), 0.0, float(_BELOW_ONE))
    if columns.shape[1] == 1:
        return columns[:, 0]
    return (np.floor(columns[:, 0] * _COARSE) + columns[:, 1]) / _COARSE


def bins_for(rows: int) -> int:
    """Return how many quantile bins a number gets: the square root of the rows, 8 to 64.

    Finer bins than that hold too few rows each for their probabilities to be learned.
    """
    return min(64, max(8, round(rows**0.5)))
