"""Columns that pandas can hold and not reckon with, as plain columns and back: decimals, times of day, …"""

from __future__ import annotations

import datetime
import uuid
from abc import ABC, abstractmethod
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from vaeaug.codecs.packing import dtype_from_json, dtype_to_json, scalar_from_json, scalar_to_json
from vaeaug.codecs.storage import mask_of, missing_marker, refuse_infinity
from vaeaug.errors import ArchiveError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TRANSLATIONS", "Translation", "find_translation", "translation_from_json"]

_INT64 = 2**63 - 1
_WIDE = Context(prec=100)  # Arrow's widest decimals have 76 digits


class Translation(ABC):
    """Turn a column into a plain one that a codec takes, and plain columns back into the dtype it had.

    Attributes
    ----------
    kind : str
        Name under which a saved translation is found again.
    dtype : dtype
        Of the column.
    marker : object
        What stands for a missing entry where the column holds objects.
    """

    kind: ClassVar[str]

    def __init__(self, dtype: Any, marker: Any = None) -> None:
        self.dtype, self.marker = dtype, marker

    @classmethod
    @abstractmethod
    def of(cls, series: pd.Series) -> Translation | None:
        """Learn how to translate a column; None if it is no matter for this translation."""

    @abstractmethod
    def forward(self, series: pd.Series) -> pd.Series:
        """Return the plain column, with the same index and name."""

    @abstractmethod
    def backward(self, series: pd.Series) -> pd.Series:
        """Return a plain column in the dtype of fit."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"kind": self.kind, "dtype": dtype_to_json(self.dtype), "marker": scalar_to_json(self.marker)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Translation:
        """Rebuild from :meth:`to_json`."""
        return cls(dtype_from_json(data["dtype"]), scalar_from_json(data["marker"]))

    def refuse(self, series: pd.Series, what: str) -> InputError:
        """Return the error for a column that holds something else than in fit."""
        return InputError(
            f"Column {series.name!r} held {what} in fit and has dtype {series.dtype} now; convert it to "
            f"{what} first."
        )

    def _objects(self, found: list[Any], missing: np.ndarray, name: Any) -> pd.Series:
        """Return objects as a column, with the marker where they are missing."""
        objects = np.empty(len(found), dtype=object)
        objects[:] = found
        objects[missing] = self.marker
        return pd.Series(objects, name=name, dtype=object)


class Sparse(Translation):
    """Sparse columns as dense ones."""

    kind = "sparse"

    @classmethod
    def of(cls, series: pd.Series) -> Sparse | None:
        """Take sparse columns."""
        return cls(series.dtype) if isinstance(series.dtype, pd.SparseDtype) else None

    def forward(self, series: pd.Series) -> pd.Series:
        """Return the dense column."""
        if not isinstance(series.dtype, pd.SparseDtype):
            return series
        accessor: Any = series.sparse
        return accessor.to_dense()

    def backward(self, series: pd.Series) -> pd.Series:
        """Return a sparse column."""
        return series.astype(self.dtype)


class ArrowKinds(Translation):
    """Arrow's dictionaries as categories, its text in views as text, its nulls as a column of NaN."""

    kind = "arrow"

    @classmethod
    def of(cls, series: pd.Series) -> ArrowKinds | None:
        """Take columns of Arrow types with which pandas does not reckon."""
        if not isinstance(series.dtype, pd.ArrowDtype):
            return None
        from pyarrow import types

        kind = series.dtype.pyarrow_dtype
        odd = types.is_dictionary(kind) or types.is_null(kind) or _is_view(kind)
        return cls(series.dtype) if odd else None

    def forward(self, series: pd.Series) -> pd.Series:
        """Return categories, text, or NaN."""
        import pyarrow as pa

        if not isinstance(series.dtype, pd.ArrowDtype):
            return series
        values = pa.chunked_array(series.array.__arrow_array__())
        kind = values.type
        if pa.types.is_null(kind):
            return pd.Series(np.nan, index=series.index, name=series.name, dtype=np.float64)
        if _is_view(kind):
            values = pd.arrays.ArrowExtensionArray(values.cast(pa.large_string()))
        elif pa.types.is_dictionary(kind):
            values = values.unify_dictionaries().to_pandas().array
        else:
            return series
        return pd.Series(values, index=series.index, name=series.name)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return a column of the Arrow type."""
        import pyarrow as pa

        kind = self.dtype.pyarrow_dtype
        if pa.types.is_null(kind):
            found = pa.nulls(len(series))
        elif _is_view(kind):
            found = pa.array(series.astype(object).mask(mask_of(series), None).tolist(), type=kind)
        else:
            plain = pa.array(series.cat.categories, type=kind.value_type)
            codes = series.cat.codes.to_numpy()
            indices = pa.array(codes, type=kind.index_type, mask=codes < 0)
            found = pa.DictionaryArray.from_arrays(indices, plain, ordered=kind.ordered)
        return pd.Series(pd.arrays.ArrowExtensionArray(found), index=series.index, name=series.name)


class Intervals(Translation):
    """Intervals as categories, in their order."""

    kind = "intervals"

    @classmethod
    def of(cls, series: pd.Series) -> Intervals | None:
        """Take columns of intervals."""
        return cls(series.dtype) if isinstance(series.dtype, pd.IntervalDtype) else None

    def forward(self, series: pd.Series) -> pd.Series:
        """Return categories."""
        if not isinstance(series.dtype, (pd.IntervalDtype, pd.CategoricalDtype)):
            raise self.refuse(series, "intervals")
        return series.astype("category")

    def backward(self, series: pd.Series) -> pd.Series:
        """Return intervals."""
        return series.astype(self.dtype)


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


class TimesOfDay(Translation):
    """Times of day, of Python or Arrow, as the time since midnight."""

    kind = "times of day"

    @classmethod
    def of(cls, series: pd.Series) -> TimesOfDay | None:
        """Take Arrow's times, and objects that are times without a zone."""
        if _is_arrow_time(series.dtype):
            return cls(series.dtype)
        if series.dtype != np.dtype(object):
            return None
        missing = mask_of(series)
        values = series.to_numpy()
        present = values[~missing].tolist()
        if set(map(type, present)) != {datetime.time} or any(value.tzinfo for value in present):
            return None
        return cls(series.dtype, missing_marker(values[missing]))

    def forward(self, series: pd.Series) -> pd.Series:
        """Return the time since midnight in the unit of the column."""
        missing, dtype = mask_of(series), series.dtype
        if _is_arrow_time(dtype):
            import pyarrow as pa

            kind: Any = getattr(dtype, "pyarrow_dtype", None)
            plain = pa.chunked_array(series.array.__arrow_array__())
            ticks = plain.cast(pa.int64() if kind.bit_width == 64 else pa.int32()).fill_null(0)
            ticks, unit = ticks.to_numpy().astype(np.int64), kind.unit
        else:
            try:
                listed = [
                    0 if gap else _microseconds(value)
                    for value, gap in zip(series.to_numpy(dtype=object), missing, strict=True)
                ]
            except (AttributeError, TypeError) as error:
                raise self.refuse(series, "times of day") from error
            ticks, unit = np.array(listed, dtype=np.int64), "us"
        ticks = np.where(missing, np.iinfo(np.int64).min, ticks)
        since = ticks.view(f"timedelta64[{unit}]").astype(f"timedelta64[{self._unit}]")
        return pd.Series(since, index=series.index, name=series.name)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return times of day."""
        missing = mask_of(series)
        ticks = np.where(missing, 0, series.to_numpy().view(np.int64))
        if self.dtype == np.dtype(object):
            midnight = datetime.datetime.min
            found = [(midnight + datetime.timedelta(microseconds=int(tick))).time() for tick in ticks]
            return self._objects(found, missing, series.name)
        import pyarrow as pa

        kind = self.dtype.pyarrow_dtype
        plain = pa.array(ticks, type=pa.int64() if kind.bit_width == 64 else pa.int32(), mask=missing)
        return pd.Series(pd.arrays.ArrowExtensionArray(plain.cast(kind)), name=series.name)

    @property
    def _unit(self) -> str:
        return "us" if self.dtype == np.dtype(object) else self.dtype.pyarrow_dtype.unit


class PythonTimes(Translation):
    """Objects that are dates with a time, or durations, of Python or pandas, as columns of times.

    Parameters
    ----------
    dtype, marker
        See :class:`Translation`.
    name : str
        Of their type, a key of ``_PYTHON_TIMES``.
    plain : dtype
        Of the column of times.
    """

    kind = "python times"

    def __init__(self, dtype: Any, marker: Any, name: str, plain: Any) -> None:
        super().__init__(dtype, marker)
        self.name, self.plain = name, plain

    @classmethod
    def of(cls, series: pd.Series) -> PythonTimes | None:
        """Take objects of one such type and of one time zone."""
        if series.dtype != np.dtype(object):
            return None
        missing = mask_of(series)
        values = series.to_numpy()
        kinds = set(map(type, values[~missing].tolist()))
        name = next((name for name, kind in _PYTHON_TIMES.items() if kinds == {kind}), None)
        if name is None:
            return None
        try:
            plain = _as_times(series, missing, name)
        except (TypeError, ValueError, OverflowError):  # zones that differ, dates beyond any unit
            return None
        if getattr(plain.dtype, "kind", "O") not in "mM":
            return None
        return cls(series.dtype, missing_marker(values[missing]), name, plain.dtype)

    def forward(self, series: pd.Series) -> pd.Series:
        """Return a column of times."""
        if series.dtype == self.plain:
            return series
        if mask_of(series).all():
            return pd.Series(pd.NaT, index=series.index, name=series.name, dtype=self.plain)
        try:
            return _as_times(series, mask_of(series), self.name).astype(self.plain)
        except (TypeError, ValueError, OverflowError) as error:
            raise self.refuse(series, f"objects of type {self.name}") from error

    def backward(self, series: pd.Series) -> pd.Series:
        """Return objects."""
        missing = mask_of(series)
        found = list(series)
        if self.name == "datetime":
            found = [
                None if gap else value.to_pydatetime() for value, gap in zip(found, missing, strict=True)
            ]
        elif self.name == "timedelta":
            found = [
                None if gap else value.to_pytimedelta() for value, gap in zip(found, missing, strict=True)
            ]
        return self._objects(found, missing, series.name)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {**super().to_json(), "name": self.name, "plain": dtype_to_json(self.plain)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PythonTimes:
        """Rebuild from :meth:`to_json`."""
        dtype, plain = dtype_from_json(data["dtype"]), dtype_from_json(data["plain"])
        return cls(dtype, scalar_from_json(data["marker"]), data["name"], plain)


class Identities(Translation):
    """Objects that are UUIDs as text."""

    kind = "uuids"

    @classmethod
    def of(cls, series: pd.Series) -> Identities | None:
        """Take objects that are UUIDs."""
        if series.dtype != np.dtype(object):
            return None
        missing = mask_of(series)
        values = series.to_numpy()
        is_one = set(map(type, values[~missing].tolist())) == {uuid.UUID}
        return cls(series.dtype, missing_marker(values[missing])) if is_one else None

    def forward(self, series: pd.Series) -> pd.Series:
        """Return text."""
        missing = mask_of(series)
        return series.astype(object).map(str).astype(object).mask(missing, None)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return UUIDs."""
        missing = mask_of(series)
        found = [None if gap else uuid.UUID(value) for value, gap in zip(series, missing, strict=True)]
        return self._objects(found, missing, series.name)


#: Translations in the order in which they are tried; a new one is one line here.
TRANSLATIONS: tuple[type[Translation], ...] = (
    *(Sparse, ArrowKinds, Intervals, Decimals, MixedNumbers, TimesOfDay, PythonTimes, Identities),
)

#: Groups of types of numbers.
_NUMBERS: tuple[Any, ...] = ((int, np.integer), (float, np.floating), Decimal)

_PYTHON_TIMES: dict[str, type] = {
    "datetime": datetime.datetime,
    "timedelta": datetime.timedelta,
    "Timestamp": pd.Timestamp,
    "Timedelta": pd.Timedelta,
}


def find_translation(series: pd.Series) -> Translation | None:
    """Return how a column becomes a plain one; None for columns that codecs take as they are."""
    return next((found for kind in TRANSLATIONS if (found := kind.of(series)) is not None), None)


def translation_from_json(data: Mapping[str, Any]) -> Translation:
    """Rebuild a translation from its description.

    Raises
    ------
    ArchiveError
        For a kind that this version does not know.
    """
    for kind in TRANSLATIONS:
        if kind.kind == data["kind"]:
            return kind.from_json(data)
    raise ArchiveError(f"The file holds a column of {data['kind']!r}; was it saved by a newer vaeaug?")


def _is_view(kind: Any) -> bool:
    return str(kind) == "string_view"


def _is_arrow_decimal(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_decimal(kind))


def _is_arrow_time(dtype: Any) -> bool:
    if not isinstance(dtype, pd.ArrowDtype):
        return False
    from pyarrow import types

    return bool(types.is_time(dtype.pyarrow_dtype))


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


def _microseconds(value: datetime.time) -> int:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def _as_times(series: pd.Series, missing: np.ndarray, name: str) -> pd.Series:
    """Return objects as a column of times."""
    objects = series.astype(object).mask(missing, None)
    if name.lower() == "timedelta":
        return pd.to_timedelta(objects)
    return pd.to_datetime(objects)
