"""Put stored numbers on a float64 axis and back exactly: integers, shared decimals, coarse steps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Axis"]

_MOST_DECIMALS = 9
_EXACT = 2.0**53  # beyond it float64 no longer holds every integer
_HUGE = 1e300


@dataclass(frozen=True)
class Axis:
    """Map one column's numbers to a float64 axis on which its bins live.

    On a lattice (integers, or floats that share a number of decimals) the axis counts steps from the smallest
    value, ``t = (value - base) / step``, so that rounding ``t`` gives a legal value. Otherwise ``t`` is the
    value itself, scaled by a power of two where sums of two values would overflow.

    Parameters
    ----------
    native : {"int64", "uint64", "float64"}
        Dtype of the stored numbers.
    low, high : int or float
        Smallest and largest training value; nothing outside is ever produced.
    step : int
        Lattice step in units of ``10**-decimals``; 0 when the values lie on no lattice.
    decimals : int
        Number of decimals shared by all values of a float lattice.
    base : int
        First lattice point, in the same units.
    scale : float
        Power of two, 1 except near the float64 limit.
    """

    native: str
    low: int | float
    high: int | float
    step: int = 0
    decimals: int = 0
    base: int = 0
    scale: float = 1.0

    @classmethod
    def learn(cls, distinct: np.ndarray, precision: np.dtype) -> Axis:
        """Find the coarsest lattice that holds all values.

        Parameters
        ----------
        distinct : ndarray of int64, uint64 or float64, shape (m,)
            Sorted distinct training values, at least one.
        precision : dtype
            Float dtype in which the user stores the column; decimals are judged in it.
        """
        native = distinct.dtype.name
        low, high = distinct[0].item(), distinct[-1].item()
        if native != "float64":
            return cls(native, low, high, step=_common_step(distinct), base=low)
        units = _decimal_units(distinct, precision)
        if units is not None:
            decimals, counts = units
            return cls(native, low, high, step=_common_step(counts), decimals=decimals, base=int(counts[0]))
        scale = 2.0**-10 if max(abs(low), abs(high)) > _HUGE else 1.0
        return cls(native, low, high, scale=scale)

    @property
    def is_lattice(self) -> bool:
        """Whether values are multiples of a step."""
        return self.step > 0

    @property
    def unit(self) -> float:
        """Distance between stored numbers per unit of the axis."""
        return self.step / 10.0**self.decimals if self.is_lattice else 1.0 / self.scale

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

    def to_axis(self, values: np.ndarray) -> np.ndarray:
        """Return axis coordinates, float64, of native values inside the training range."""
        if not self.is_lattice:
            return values * self.scale
        if self.native == "float64":
            return (np.rint(values * 10.0**self.decimals) - self.base) / self.step
        # Unsigned differences wrap around to the right answer over the whole 64-bit range.
        distance = values.astype(np.uint64) - _wrapped(self.base)
        return (distance // np.uint64(self.step)).astype(np.float64)

    def from_axis(self, t: np.ndarray) -> np.ndarray:
        """Return native values, on the lattice and inside the training range, of axis coordinates."""
        if not self.is_lattice:
            return np.clip(t / self.scale, self.low, self.high)
        if self.native == "float64":
            values = (self.base + self.step * np.rint(t)) / 10.0**self.decimals
            return np.clip(values, self.low, self.high)
        most = (int(self.high) - self.base) // self.step
        limit = float(most)
        limit = limit if int(limit) <= most else float(np.nextafter(limit, 0.0))
        steps = np.clip(np.rint(t), 0.0, limit).astype(np.uint64)
        return (_wrapped(self.base) + np.uint64(self.step) * steps).astype(np.dtype(self.native))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Axis:
        """Rebuild an axis from :meth:`to_json`."""
        return cls(**data)


def _wrapped(value: int) -> np.uint64:
    return np.uint64(value % 2**64)


def _common_step(integers: np.ndarray) -> int:
    """Greatest common divisor of the distances from the first of the sorted integers, at least 1."""
    if integers.size < 2:
        return 1
    distances = integers[1:].astype(np.uint64) - _wrapped(int(integers[0]))
    return int(np.gcd.reduce(distances))


def _decimal_units(distinct: np.ndarray, precision: np.dtype) -> tuple[int, np.ndarray] | None:
    """Return the number of decimals that all values share, and the values in that unit, or None."""
    largest = float(np.abs(distinct[[0, -1]]).max())
    if largest >= _EXACT:
        return None
    sample = distinct[:: max(1, distinct.size // 64)]
    spacing = float(np.spacing(precision.type(largest)))
    for decimals in range(_MOST_DECIMALS + 1):
        power = 10.0**decimals
        # A lattice about as fine as the float format itself holds anything and means nothing.
        if largest * power >= _EXACT or 4.0 * spacing * power > 1.0:
            return None
        if _is_rounded(sample, power, precision) and _is_rounded(distinct, power, precision):
            return decimals, np.rint(distinct * power).astype(np.int64)
    return None


def _is_rounded(values: np.ndarray, power: float, precision: np.dtype) -> bool:
    rounded = np.rint(values * power) / power
    return bool(np.array_equal(rounded.astype(precision), values.astype(precision)))
