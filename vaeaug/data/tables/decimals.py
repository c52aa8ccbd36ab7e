"""Decimals, and numbers of several types in one column, as plain numbers and back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.dtypes import is_object, mask_of, read_objects, refuse_infinity
from vaeaug.data.tables.serialization import Exact
from vaeaug.data.tables.translation import TypedTranslation

__all__ = ["Decimals", "MixedNumbers"]

_INT64 = 2**63 - 1
_WIDE = Context(prec=100)  # Arrow's widest decimals have 76 digits
#: Groups of types of numbers.
_NUMBERS: tuple[Any, ...] = ((int, np.integer), (float, np.floating), Decimal)


@dataclass
class Decimals(TypedTranslation):
    """Decimals, of Python or Arrow, as integers: units of their last place above the smallest.

    Parameters
    ----------
    dtype, marker
        See :class:`TypedTranslation`.
    places : int
        Decimal places of the unit.
    is_fixed : bool
        Whether all values show that many places, so that new ones do.
    low, high : int
        The smallest and the largest value, in units. Where they lie further apart than 64 bits hold, floats
        take the place of integers.
    """

    places: int = 0
    is_fixed: bool = True
    low: Exact = 0
    high: Exact = 0
    kind = "decimals"

    @classmethod
    def of(cls, series: pd.Series) -> Decimals | None:
        """Take objects that are decimals, or decimals and integers, and Arrow's decimals."""
        dtype: Any = series.dtype
        is_arrow = isinstance(dtype, pd.ArrowDtype) and _is_arrow_decimal(dtype.pyarrow_dtype)
        present, marker = read_objects(series.dropna().astype(object) if is_arrow else series)
        kinds = set(map(type, present))
        if not is_arrow and (Decimal not in kinds or not kinds <= {Decimal, int}):
            return None
        refuse_infinity(series.name, sum(not Decimal(value).is_finite() for value in present), len(series))
        shown = {_count_places(value) for value in present} or {0}
        places = dtype.pyarrow_dtype.scale if is_arrow else max(shown)
        units = [_to_units(value, places) for value in present] or [0]
        is_fixed = is_arrow or shown == {places}
        return cls(dtype, None if is_arrow else marker, places, is_fixed, min(units), max(units))

    def forward(self, series: pd.Series) -> pd.Series:
        """Return units above the smallest value, as integers or floats."""
        missing, values = mask_of(series), series.to_numpy(dtype=object)
        try:
            units = [
                self.low if gap else _to_units(value, self.places)
                for value, gap in zip(values, missing, strict=True)
            ]
        except (ArithmeticError, TypeError, ValueError) as error:
            raise self.refuse(series, "decimals") from error
        above = pd.Series(
            [min(max(unit, self.low), self.high) - self.low for unit in units],
            index=series.index,
            name=series.name,
            dtype="Int64" if self.high - self.low <= _INT64 else "float64",
        )
        return above.mask(missing)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return decimals."""
        found = self.restore(series, self._to_decimal)
        if is_object(self.dtype):
            return found
        import pyarrow as pa

        array = pa.array(found, type=self.dtype.pyarrow_dtype)
        return pd.Series(pd.arrays.ArrowExtensionArray(array), name=series.name)

    def _to_decimal(self, above: Any) -> Decimal:
        unit = self.low + min(int(above), self.high - self.low)
        value = _WIDE.scaleb(Decimal(unit), -self.places)
        return value if self.is_fixed else _shorten(value)


@dataclass
class MixedNumbers(TypedTranslation):
    """Objects that are integers and floats (and decimals) as floats.

    Parameters
    ----------
    dtype, marker
        See :class:`TypedTranslation`.
    is_whole_int : bool
        Whether whole numbers are mostly Python integers, as new ones then are.
    """

    is_whole_int: bool = True
    kind = "mixed numbers"

    @classmethod
    def of(cls, series: pd.Series) -> MixedNumbers | None:
        """Take objects of more than one type of numbers; booleans are none."""
        present, marker = read_objects(series)
        kinds = set(map(type, present))
        # One group of them alone is read as it is.
        groups = [{kind for kind in kinds if issubclass(kind, group)} for group in _NUMBERS]
        if bool in kinds or sum(map(bool, groups)) < 2 or kinds != set().union(*groups):
            return None
        whole = [value for value in present if float(value).is_integer()]
        ints = sum(isinstance(value, (int, np.integer)) for value in whole)
        return cls(series.dtype, marker, 2 * ints >= len(whole))

    def forward(self, series: pd.Series) -> pd.Series:
        """Return floats."""
        try:
            return series.astype(object).mask(mask_of(series), np.nan).astype(np.float64)
        except (TypeError, ValueError) as error:
            raise self.refuse(series, "numbers") from error

    def backward(self, series: pd.Series) -> pd.Series:
        """Return objects: whole numbers as integers, others as floats."""
        return self.restore(
            series, lambda value: int(value) if self.is_whole_int and value.is_integer() else value
        )


def _is_arrow_decimal(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_decimal(kind))


def _count_places(value: Any) -> int:
    """Return the decimal places that a decimal shows."""
    exponent = Decimal(value).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _to_units(value: Any, places: int) -> int:
    """Return a number in units of a decimal place, rounded."""
    exact = Decimal(str(value)) if isinstance(value, (float, np.floating)) else Decimal(value)
    return int(_WIDE.scaleb(exact, places).to_integral_value(context=_WIDE))


def _shorten(value: Decimal) -> Decimal:
    """Return a decimal without zeros at its end."""
    short = value.normalize(_WIDE)
    return short.quantize(Decimal(1), context=_WIDE) if _count_places(short) == 0 else short
