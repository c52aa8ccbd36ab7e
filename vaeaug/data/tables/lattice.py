"""Put stored numbers on a float64 axis and back exactly: integers, shared decimals, coarse steps, levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["NOISE", "Axis", "Levels", "Scale", "axis_from_json", "is_rounded", "spacing"]

_HUGE = 1e300
#: Last digits of float64 by which sums and products of rounded numbers may be off their lattice.
NOISE = 64


@dataclass(frozen=True)
class Scale(ABC):
    """Map one column's numbers to a float64 axis on which its bins live.

    Parameters
    ----------
    native : {"int64", "uint64", "float64"}
        Dtype of the stored numbers.
    low, high : int or float
        Smallest and largest training value; nothing outside is ever produced.
    """

    native: str
    low: int | float
    high: int | float

    @property
    @abstractmethod
    def is_lattice(self) -> bool:
        """Whether rounding a coordinate gives a legal value."""

    @property
    @abstractmethod
    def unit(self) -> float:
        """Distance between stored numbers per unit of the axis."""

    @abstractmethod
    def holds(self, values: np.ndarray) -> np.ndarray:
        """Return which native values a coordinate gives back as they are, bool of shape (n,)."""

    @abstractmethod
    def to_axis(self, values: np.ndarray) -> np.ndarray:
        """Return axis coordinates, float64, of native values inside the training range."""

    @abstractmethod
    def from_axis(self, t: np.ndarray) -> np.ndarray:
        """Return native values, inside the training range, of axis coordinates."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""

    def coerce(self, values: np.ndarray) -> np.ndarray:
        """Bring numbers of any real dtype to the native dtype, clamped to the training range."""
        native = np.dtype(self.native)
        if values.dtype == native:
            return np.clip(values, native.type(self.low), native.type(self.high))
        if native.kind == "f":
            return np.clip(values.astype(np.float64), self.low, self.high)
        # Compare in the type of the input, then convert only what fits.
        below, above = values <= self.low, values >= self.high
        inside = np.where(below | above, 0, np.rint(values) if values.dtype.kind == "f" else values)
        result = inside.astype(native)
        result[below] = self.low
        result[above] = self.high
        return result


@dataclass(frozen=True)
class Axis(Scale):
    """Count steps of a lattice, or take values as they are.

    On a lattice (integers, or floats that are multiples of a step) the axis counts steps from its first
    point, ``t = (value - base) / step``, so that rounding ``t`` gives a legal value. Otherwise ``t`` is the
    value itself, scaled by a power of two where sums of two values would overflow.

    Parameters
    ----------
    native, low, high
        See :class:`Scale`.
    step : int
        Lattice step in units; 0 when the values lie on no lattice.
    decimals : int
        Number of decimals shared by all values of a float lattice: its unit is ``10**-decimals``.
    base : int
        First lattice point, in the same units; no value lies below it.
    scale : float
        Power of two, 1 except near the float64 limit.
    precision : {"float64", "float32", "float16"}
        Float dtype to which the points of a float lattice are rounded, as the values were.
    per_one : float
        Units in 1 of a float lattice of other steps than decimals (sevenths, degrees in radians); else 0.
    """

    step: int = 0
    decimals: int = 0
    base: int = 0
    scale: float = 1.0
    precision: str = "float64"
    per_one: float = 0.0

    @classmethod
    def smooth(cls, distinct: np.ndarray) -> Axis:
        """Return the axis of sorted floats that lie on no lattice."""
        low, high = distinct[0].item(), distinct[-1].item()
        return cls("float64", low, high, scale=2.0**-10 if max(abs(low), abs(high)) > _HUGE else 1.0)

    @property
    def is_lattice(self) -> bool:
        """Whether values are multiples of a step."""
        return self.step > 0

    @property
    def unit(self) -> float:
        """Distance between stored numbers per unit of the axis."""
        return self.step / self._power if self.is_lattice else 1.0 / self.scale

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Return which native values are points of the lattice; all of them without one."""
        if not self.is_lattice:
            return np.ones(values.shape, dtype=bool)
        if self.native == "float64":
            points = self._point(np.rint((values * self._power - self.base) / self.step))
            return _is_near(points, values, np.dtype(self.precision))
        return (values.astype(np.uint64) - _wrap(self.base)) % np.uint64(self.step) == 0

    def to_axis(self, values: np.ndarray) -> np.ndarray:
        """Return axis coordinates, float64, of native values inside the training range."""
        if not self.is_lattice:
            return values * self.scale
        if self.native == "float64":
            return (np.rint(values * self._power) - self.base) / self.step
        # Unsigned differences wrap around to the right answer over the whole 64-bit range.
        distance = values.astype(np.uint64) - _wrap(self.base)
        return (distance // np.uint64(self.step)).astype(np.float64)

    def from_axis(self, t: np.ndarray) -> np.ndarray:
        """Return native values, on the lattice and inside the training range, of axis coordinates."""
        if not self.is_lattice:
            return np.clip(t / self.scale, self.low, self.high)
        if self.native == "float64":
            return np.clip(self._point(np.rint(t)), self.low, self.high)
        most = (int(self.high) - self.base) // self.step
        limit = float(most)
        limit = limit if int(limit) <= most else float(np.nextafter(limit, 0.0))
        steps = np.clip(np.rint(t), 0.0, limit).astype(np.uint64)
        return (_wrap(self.base) + np.uint64(self.step) * steps).astype(np.dtype(self.native))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return asdict(self)

    @property
    def _power(self) -> float:
        """Units in 1."""
        return self.per_one or 10.0**self.decimals

    def _point(self, steps: np.ndarray) -> np.ndarray:
        points = (self.base + self.step * steps) / self._power
        if self.precision == "float64":
            return points
        with np.errstate(over="ignore"):
            return points.astype(self.precision).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Levels(Scale):
    """Number the values that occur, so that nothing else is ever produced: codes, not quantities.

    Parameters
    ----------
    native, low, high
        See :class:`Scale`.
    values : ndarray of shape (m,)
        Sorted.
    """

    values: np.ndarray

    @classmethod
    def learn(cls, distinct: np.ndarray) -> Levels:
        """Return the axis of sorted distinct values."""
        return cls(distinct.dtype.name, distinct[0].item(), distinct[-1].item(), distinct)

    @property
    def is_lattice(self) -> bool:
        """Levels are numbered one by one."""
        return True

    @property
    def unit(self) -> float:
        """Mean distance between two levels."""
        return (float(self.high) - float(self.low)) / max(1, self.values.size - 1)

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Return which values are levels."""
        return np.isin(values, self.values)

    def to_axis(self, values: np.ndarray) -> np.ndarray:
        """Return the number of the nearest level."""
        right = np.minimum(np.searchsorted(self.values, values), self.values.size - 1)
        left = np.maximum(right - 1, 0)
        # Native values are sorted, so both differences are positive; floats are exact enough to compare them.
        to_right = self.values[right].astype(np.float64) - values.astype(np.float64)
        to_left = values.astype(np.float64) - self.values[left].astype(np.float64)
        exact = self.values[right] == values
        return np.where(exact | (to_right <= to_left), right, left).astype(np.float64)

    def from_axis(self, t: np.ndarray) -> np.ndarray:
        """Return levels by their numbers."""
        return self.values[np.clip(np.rint(t), 0, self.values.size - 1).astype(np.int64)]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description, without the levels."""
        return {"levels": True}


def axis_from_json(data: Mapping[str, Any], levels: np.ndarray | None) -> Scale:
    """Rebuild an axis from its description, and its levels if it numbers them."""
    if "levels" in data and levels is not None:
        return Levels.learn(levels)
    return Axis(**data)


def spacing(values: np.ndarray, precision: np.dtype) -> np.ndarray:
    """Return the distance from each value to the next in a float dtype, float64; of the largest, to the one
    before.
    """
    magnitude = np.minimum(np.abs(values), float(np.finfo(precision).max)).astype(precision)
    below = np.nextafter(magnitude, precision.type(0))
    return magnitude.astype(np.float64) - below.astype(np.float64)


def is_rounded(values: np.ndarray, power: float, precision: np.dtype) -> np.ndarray:
    """Return which floats were rounded to ``1 / power`` and then stored in a float dtype, bool of shape (n,).

    Sums and products of such numbers count, though they are off by the last digits of float64.
    """
    return _is_near(np.rint(values * power) / power, values, precision)


def _is_near(points: np.ndarray, values: np.ndarray, precision: np.dtype) -> np.ndarray:
    if precision == np.dtype(np.float64):
        return np.abs(points - values) <= NOISE * spacing(values, precision)
    with np.errstate(over="ignore"):
        return points.astype(precision) == values.astype(precision)


def _wrap(value: int) -> np.uint64:
    return np.uint64(value % 2**64)
