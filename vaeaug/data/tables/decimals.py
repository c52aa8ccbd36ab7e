"""Decimals, and numbers of several types in one column, as plain numbers and back."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.dtypes import mask_of, missing_marker, refuse_infinity
from vaeaug.data.tables.serialization import dtype_from_json, scalar_from_json
from vaeaug.data.tables.translation import Translation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Decimals", "MixedNumbers"]

_INT64 = 2**63 - 1
_WIDE = Context(prec=100)  # Arrow's widest decimals have 76 digits
#: Groups of types of numbers.
_NUMBERS: tuple[Any, ...] = ((int, np.integer), (float, np.floating), Decimal)


class Decimals(Translation):
    """Decimals, of Python or Arrow, as integers: units of their last place above the smallest.

    Parameters
    ----------
    dtype, marker
        See :class:`Translation`.
    places : int
        Decimal places of the unit.
    is_fixed : bool
        Whether all values show that many places, so that new ones do.
    low, high : int
        The smallest and the largest value, in units. Where they lie further apart than 64 bits hold, floats
        take the place of integers.
    """

    kind = "decimals"

    def __init__(
        self,
        dtype: Any,
        marker: Any = None,
        places: int = 0,
        is_fixed: bool = True,
        low: int = 0,
        high: int = 0,
    ) -> None:
        super().__init__(dtype, marker)
        self.places, self.is_fixed, self.low, self.high = places, is_fixed, low, high

    @classmethod
    def of(cls, series: pd.Series) -> Decimals | None:
        """Take objects that are decimals, or decimals and integers, and Arrow's decimals."""
        dtype: Any = series.dtype
        is_arrow = isinstance(dtype, pd.ArrowDtype) and _is_arrow_decimal(dtype.pyarrow_dtype)
        missing = mask_of(series)
        values = series.to_numpy(dtype=object)
        present = values[~missing].tolist()
        if not is_arrow:
            kinds = set(map(type, present))
            if dtype != np.dtype(object) or Decimal not in kinds or not kinds <= {Decimal, int}:
                return None
        refuse_infinity(series.name, sum(not Decimal(value).is_finite() for value in present), len(series))
        shown = {_places(value) for value in present} or {0}
        places = dtype.pyarrow_dtype.scale if is_arrow else max(0, *shown)
        units = [_units(value, places) for value in present] or [0]
        marker = None if is_arrow else missing_marker(values[missing])
        return cls(dtype, marker, places, is_arrow or shown == {places}, min(units), max(units))

    def forward(self, series: pd.Series) -> pd.Series:
        """Return units above the smallest value, as integers or floats."""
        missing = mask_of(series)
        try:
            units = [
                self.low if gap else _units(value, self.places)
                for value, gap in zip(series.to_numpy(dtype=object), missing, strict=True)
            ]
        except (ArithmeticError, TypeError, ValueError) as error:
            raise self.refuse(series, "decimals") from error
        above = [min(max(unit, self.low), self.high) - self.low for unit in units]
        if self.high - self.low <= _INT64:
            values = pd.arrays.IntegerArray(np.array(above, dtype=np.int64), missing.copy())
            return pd.Series(values, index=series.index, name=series.name)
        floats = pd.Series([float(value) for value in above], index=series.index, name=series.name)
        return floats.mask(missing)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return decimals."""
        missing = mask_of(series)
        above = series.to_numpy(dtype=object)
        units = [
            self.low + (0 if gap else min(int(value), self.high - self.low))
            for value, gap in zip(above, missing, strict=True)
        ]
        found = [_WIDE.scaleb(Decimal(unit), -self.places) for unit in units]
        if not self.is_fixed:
            found = [_shorten(value) for value in found]
        if self.dtype == np.dtype(object):
            return self._objects(found, missing, series.name)
        import pyarrow as pa

        array = pa.array(found, type=self.dtype.pyarrow_dtype, mask=missing)
        return pd.Series(pd.arrays.ArrowExtensionArray(array), name=series.name)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        # JSON of other languages knows no integers of this size.
        ends = {"low": str(self.low), "high": str(self.high)}
        return {**super().to_json(), "places": self.places, "is_fixed": self.is_fixed, **ends}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Decimals:
        """Rebuild from :meth:`to_json`."""
        dtype, marker = dtype_from_json(data["dtype"]), scalar_from_json(data["marker"])
        return cls(dtype, marker, data["places"], data["is_fixed"], int(data["low"]), int(data["high"]))


class MixedNumbers(Translation):
    """Objects that are integers and floats (and decimals) as floats.

    Parameters
    ----------
    dtype, marker
        See :class:`Translation`.
    is_whole_int : bool
        Whether whole numbers are mostly Python integers, as new ones then are.
    """

    kind = "mixed numbers"

    def __init__(self, dtype: Any, marker: Any = None, is_whole_int: bool = True) -> None:
        super().__init__(dtype, marker)
        self.is_whole_int = is_whole_int

    @classmethod
    def of(cls, series: pd.Series) -> MixedNumbers | None:
        """Take objects of more than one type of numbers; booleans are none."""
        if series.dtype != np.dtype(object):
            return None
        missing = mask_of(series)
        values = series.to_numpy()
        present = values[~missing].tolist()
        kinds = set(map(type, present))
        # One group of them alone is read as it is.
        groups = [{kind for kind in kinds if issubclass(kind, group)} for group in _NUMBERS]
        if bool in kinds or sum(map(bool, groups)) < 2 or kinds != set().union(*groups):
            return None
        whole = [value for value in present if float(value).is_integer()]
        ints = sum(isinstance(value, (int, np.integer)) for value in whole)
        return cls(series.dtype, missing_marker(values[missing]), 2 * ints >= len(whole))

    def forward(self, series: pd.Series) -> pd.Series:
        """Return floats."""
        missing = mask_of(series)
        try:
            values = series.astype(object).mask(missing, np.nan).astype(np.float64)
        except (TypeError, ValueError) as error:
            raise self.refuse(series, "numbers") from error
        return values

    def backward(self, series: pd.Series) -> pd.Series:
        """Return objects: whole numbers as integers, others as floats."""
        values, missing = series.to_numpy(dtype=np.float64), mask_of(series)
        found = [
            int(value) if self.is_whole_int and value.is_integer() else value for value in values.tolist()
        ]
        return self._objects(found, missing, series.name)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {**super().to_json(), "is_whole_int": self.is_whole_int}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MixedNumbers:
        """Rebuild from :meth:`to_json`."""
        return cls(dtype_from_json(data["dtype"]), scalar_from_json(data["marker"]), data["is_whole_int"])


def _is_arrow_decimal(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_decimal(kind))


def _places(value: Any) -> int:
    """Return the decimal places that a decimal shows."""
    exponent = Decimal(value).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _units(value: Any, places: int) -> int:
    """Return a number in units of a decimal place, rounded."""
    exact = Decimal(str(value)) if isinstance(value, (float, np.floating)) else Decimal(value)
    return int(_WIDE.scaleb(exact, places).to_integral_value(context=_WIDE))


def _shorten(value: Decimal) -> Decimal:
    """Return a decimal without zeros at its end."""
    short = value.normalize(_WIDE)
    return short.quantize(Decimal(1), context=_WIDE) if _places(short) == 0 else short
