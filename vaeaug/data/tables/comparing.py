"""Compare the cells of a column with values as users write them, whatever the dtype."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.data.tables.datetime import TimeStorage
from vaeaug.data.tables.decimals import Decimals
from vaeaug.data.tables.dtypes import as_series, mask_of
from vaeaug.data.tables.identifiers import IdCodec
from vaeaug.data.tables.registry import TranslatedCodec
from vaeaug.data.tables.stretches import lay_out, probe
from vaeaug.errors import InputError
from vaeaug.utils.wording import list_names, suggest

__all__ = ["Comparison", "compare_column"]

#: Two numbers up to 12 before a year.
_EITHER_ORDER = re.compile(r"\s*0?([1-9]|1[0-2])[-./]0?([1-9]|1[0-2])[-./]\d{2,4}\b")
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    **{"==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge},
    **{"<": operator.lt, ">": operator.gt},
}
#: Share of a column's range by which a real number may come back changed.
_ROUNDING = 1e-6
_COMPARED = re.compile(r"\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*$", re.DOTALL)
_FORMS = (
    "a condition is a value, '== 40', '>= 40', '>= 40 and < 60', a range (low, high), a list of values, "
    "'is missing' or 'is not missing'"
)


@dataclass(frozen=True)
class Comparison:
    """A test of the cells of one column.

    Parameters
    ----------
    text : str
        The condition, to read.
    holds : callable
        Takes a Series in the dtype of fit; returns a bool array (n,).
    cells : Series, optional
        Values that the condition names, as cells of the column.
    snap : callable, optional
        Of a condition that names real numbers: takes cells and returns those that are one of them but for
        rounding as these, and the others as they are.
    """

    text: str
    holds: Callable[[pd.Series], np.ndarray]
    cells: pd.Series | None = None
    snap: Callable[[pd.Series], pd.Series] | None = None

    def nearly_holds(self, series: pd.Series) -> np.ndarray:
        """Return which cells meet the condition, but for rounding where it names real numbers."""
        return self.holds(series if self.snap is None else self.snap(series))


def compare_column(codec: ColumnCodec, wanted: Any) -> Comparison:
    """Read a condition on a column.

    Parameters
    ----------
    codec : ColumnCodec
        Fitted on the column as the user sees it.
    wanted : object
        A value; ``">= 40"``; ``">= 40 and < 60"``; a range ``(low, high)`` whose ends belong to it, either
        of them None for none; a list, set or array of values; None, NaN or ``"is missing"``;
        ``"is not missing"``.

    Raises
    ------
    InputError
        For a condition that cannot be read, or does not fit the column.
    """
    name = codec.name
    if isinstance(codec, IdCodec):
        raise InputError(
            f"where: column {name!r} names each row, and new rows get new names; take it out of where."
        )
    if codec.is_all_missing:
        raise InputError(f"where: column {name!r} has no values in training; take it out of where.")
    reader = _Levels(codec) if isinstance(_inner(codec), CategoricalCodec) else _Ordered(codec)
    reader.wanted = wanted
    if isinstance(wanted, Mapping) or callable(wanted):
        raise InputError(f"where: {_FORMS}; got {type(wanted).__name__} for {name!r}.")
    if isinstance(wanted, tuple):
        return _compare_range(reader, wanted)
    if isinstance(wanted, str | bytes) or not isinstance(wanted, Iterable):
        return _compare_one(reader, wanted)
    values = list(wanted)
    if not values:
        raise InputError(
            f"where: the list for {name!r} is empty, so no row can meet it; name one value or more."
        )
    return _compare_list(reader, values)


def _inner(codec: ColumnCodec) -> Any:
    return codec.codec_ if isinstance(codec, TranslatedCodec) else codec


class _Reader:
    """What the cells of a column are compared as."""

    is_ordered = True
    #: The whole condition, for messages.
    wanted: Any = None

    def __init__(self, codec: ColumnCodec) -> None:
        self.codec, self.name = codec, codec.name
        self.translation = codec.translation_ if isinstance(codec, TranslatedCodec) else None
        self.inner = _inner(codec)
        #: What special cells such as "0000-00-00" become, which have no place in an order.
        self.points = () if self.translation is None else self.translation.points

    def plain(self, series: pd.Series) -> pd.Series:
        return series if self.translation is None else self.translation.forward(series)

    def back(self, series: pd.Series) -> pd.Series:
        return series if self.translation is None else self.translation.backward(series)

    def value(self, value: Any) -> Any:
        """Return a value as cells are compared with it; None where no cell can be equal to it."""
        raise NotImplementedError

    def read(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return what is compared, and the mask of missing cells, both (n,)."""
        raise NotImplementedError

    def write(self, values: list[Any]) -> pd.Series | None:
        """Return what cells are compared with as cells, where there is a way back."""
        return None

    def round_to(self, values: list[Any]) -> Callable[[pd.Series], pd.Series] | None:
        """Return what rounds cells to values that the encoding does not hold to the last digit."""
        return None

    def refuse(self, value: Any, what: str) -> InputError:
        got = self.wanted if isinstance(self.wanted, str) else value
        return InputError(f"where: column {self.name!r} holds {what}; got {got!r}. {_FORMS.capitalize()}.")


class _Levels(_Reader):
    """Categories: compared by the numbers of their levels."""

    def __init__(self, codec: ColumnCodec) -> None:
        super().__init__(codec)
        dtype = self.inner.dtype_
        self.is_ordered = isinstance(dtype, pd.CategoricalDtype) and bool(dtype.ordered)
        self.levels = self.write(list(range(len(self.inner.counts_)))).tolist()
        self.texts = {str(level): i for i, level in enumerate(self.levels)}

    def find(self, value: Any) -> int | None:
        """Return the number of a level, which may be written as text; None if there is none."""
        found = self.texts.get(str(value))
        if found is not None and (isinstance(value, str) or self.levels[found] == value):
            return found
        if isinstance(value, str | bool | np.bool_):
            return None
        numbers = (i for i, level in enumerate(self.levels) if not isinstance(level, bool) and level == value)
        return next(numbers, None)

    def value(self, value: Any) -> Any:
        found = self.find(value)
        if found is None:
            raise InputError(
                f"where: no training row has {self.name!r} equal to {value!r}; "
                f"it has {list_names(self.levels)}.{suggest(str(value), self.levels)}"
            )
        return found

    def read(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        return self.inner.find(self.plain(series))

    def write(self, values: list[Any]) -> pd.Series:
        return self.back(as_series(self.inner.take(np.array(values, dtype=np.int64)), self.name))


class _Ordered(_Reader):
    """Numbers, times and durations."""

    def value(self, value: Any) -> Any:
        if isinstance(self.translation, Decimals):
            try:
                return float(value)
            except (TypeError, ValueError) as error:
                raise self.refuse(value, "numbers") from error
        for make in (self._as_cell, self._as_plain):
            try:
                series = make(value)
                values, missing = self.inner.storage_.read(series)
            except (TypeError, ValueError, OverflowError, ArithmeticError, AttributeError):
                continue
            if not missing[0]:
                if self.translation is None or make == self._as_plain:
                    self._refuse_either_order(value)
                return values[0]
        what = "times or durations" if isinstance(self.inner.storage_, TimeStorage) else "numbers"
        raise self.refuse(value, what)

    def read(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(self.translation, Decimals):
            # Its plain column ends where the training rows do.
            missing = mask_of(series)
            return np.array(
                [0.0 if gap else float(v) for v, gap in zip(series, missing, strict=True)]
            ), missing
        values, missing = self.inner.storage_.read(self.plain(series))
        return values, missing

    def write(self, values: list[Any]) -> pd.Series | None:
        if isinstance(self.translation, Decimals) or not values:
            return None
        storage, array = self.inner.storage_, np.array(values)
        try:
            return self.back(as_series(storage.write(array, np.zeros(len(array), dtype=bool)), self.name))
        except (TypeError, ValueError, OverflowError):
            return None

    def round_to(self, values: list[Any]) -> Callable[[pd.Series], pd.Series] | None:
        cells = self.write(values)
        if cells is None or self.translation is not None:
            return None
        wanted = np.sort(np.array(values, dtype=np.float64))
        again = self.read(self.codec.decode(self.codec.encode(cells)))[0].astype(np.float64)
        off = float(np.abs(again - np.array(values, dtype=np.float64)).max())
        spread = np.ptp(self.read(self.codec.decode(lay_out(self.codec, *probe(self.codec))).dropna())[0])
        if not off or off > _ROUNDING * float(spread):
            return None
        storage = self.inner.storage_

        def snap(series: pd.Series) -> pd.Series:
            found, missing = self.read(series)
            nearest = wanted[np.abs(found[:, None] - wanted).argmin(1)]
            close = np.abs(found - nearest) <= 2 * off
            return as_series(storage.write(np.where(close, nearest, found), missing), self.name)

        return snap

    def _refuse_either_order(self, value: Any) -> None:
        """Refuse a date of which the day or the month may come first."""
        is_text = isinstance(value, str) and isinstance(self.inner.storage_, TimeStorage)
        found = _EITHER_ORDER.match(value) if is_text else None
        if found and found[1] != found[2]:
            raise InputError(
                f"where: {value!r} may have the day or the month first; for {self.name!r} write "
                "year-month-day, such as '2024-12-31'."
            )

    def _as_cell(self, value: Any) -> pd.Series:
        """Return a value as a column of the dtype of fit, in plain form."""
        if self.translation is None:
            return self._as_plain(value)
        cells = np.empty(1, dtype=object)
        cells[0] = value
        return self.translation.forward(pd.Series(cells, name=self.name, dtype=object).infer_objects())

    def _as_plain(self, value: Any) -> pd.Series:
        storage = self.inner.storage_
        if not isinstance(storage, TimeStorage):
            return pd.Series([_as_number(value, storage.precision)], name=self.name)
        plain = storage.plain
        if isinstance(value, int | float | np.number):
            raise TypeError("numbers are no times")
        if plain is None:
            return pd.Series(
                np.array([pd.Timestamp(value).date()], dtype=object), name=self.name, dtype=object
            )
        if isinstance(plain, pd.PeriodDtype):
            return pd.Series(pd.PeriodIndex([value], dtype=plain), name=self.name)
        if isinstance(plain, np.dtype) and plain.kind == "m":
            return pd.Series([pd.Timedelta(value)], name=self.name).astype(plain)
        stamp = pd.Timestamp(value)
        if isinstance(plain, pd.DatetimeTZDtype):
            stamp = stamp.tz_localize(plain.tz) if stamp.tz is None else stamp.tz_convert(plain.tz)
        return pd.Series([stamp], name=self.name).astype(plain)


def _as_number(value: Any, precision: np.dtype) -> Any:
    """Return a finite number, rounded to the float dtype of the column."""
    if isinstance(value, bool | np.bool_):
        raise TypeError("a flag is no number")
    if isinstance(value, str):
        text = value.replace("_", "")
        try:
            value = int(text)
        except ValueError:
            value = float(text)
    if isinstance(value, int | np.integer) and abs(int(value)) < 2**63:
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("no finite number")
    return float(np.asarray(number).astype(precision))


def _compare_range(reader: _Reader, ends: tuple[Any, ...]) -> Comparison:
    name = reader.name
    if len(ends) != 2:
        raise InputError(
            f"where: a range is (low, high), got {ends!r} for {name!r}; of several values pass a list."
        )
    if not reader.is_ordered:
        raise InputError(
            f"where: column {name!r} has no order, so {ends!r} is no range of it; "
            f"for one of several values pass a list: {list(ends)!r}."
        )
    tests = [(sign, end) for sign, end in zip((">=", "<="), ends, strict=True) if not _is_missing(end)]
    if not tests:
        raise InputError(f"where: the range {ends!r} for {name!r} has no end; pass at least one.")
    low, high = (None if _is_missing(end) else reader.value(end) for end in ends)
    if low is not None and high is not None and low > high:
        raise InputError(f"where: the range {ends!r} for {name!r} is empty; its low end comes first.")
    return _join(reader, tests)


def _compare_one(reader: _Reader, wanted: Any) -> Comparison:
    name = reader.name
    if isinstance(reader, _Levels) and isinstance(wanted, str) and reader.find(wanted) is not None:
        return _join(reader, [("==", wanted)])
    if _is_missing(wanted) or (isinstance(wanted, str) and wanted.strip() == "is missing"):
        return Comparison(f"{name} is missing", mask_of)
    if isinstance(wanted, str):
        if wanted.strip() == "is not missing":
            return Comparison(f"{name} is not missing", lambda series: ~mask_of(series))
        parts = [_COMPARED.match(part) for part in re.split(r"\s+and\s+", wanted)]
        if all(parts):
            return _join(reader, [(part[1], _unquote(part[2])) for part in parts if part])
    return _join(reader, [("==", wanted)])


def _compare_list(reader: _Reader, values: list[Any]) -> Comparison:
    shown = f"{reader.name} in ({', '.join(map(_show, values))})"
    takes_missing = any(_is_missing(value) for value in values)
    named = [value for value in values if not _is_missing(value)]
    wanted = [reader.value(value) for value in named]

    def holds(series: pd.Series) -> np.ndarray:
        found, missing = reader.read(series)
        return np.where(missing, takes_missing, np.isin(found, np.array(wanted, dtype=found.dtype)))

    return Comparison(shown, holds, reader.write(wanted), reader.round_to(wanted))


def _join(reader: _Reader, tests: list[tuple[str, Any]]) -> Comparison:
    """Return the test that all of several signs and values hold."""
    if not reader.is_ordered:
        for sign, _ in tests:
            if sign not in ("==", "!="):
                raise InputError(
                    f"where: column {reader.name!r} has no order, so {sign!r} says nothing about it; "
                    "list the values that are allowed."
                )
    plain = [(sign, reader.value(value)) for sign, value in tests]
    shown = " and ".join(f"{reader.name} {sign} {_show(value)}" for sign, value in tests)

    def holds(series: pd.Series) -> np.ndarray:
        found, missing = reader.read(series)
        kept = ~missing
        for sign, value in plain:
            kept &= _SIGNS[sign](found, value)
            if sign not in ("==", "!="):
                kept &= ~np.isin(found, reader.points)
        return kept

    named = [value for _, value in plain]
    snap = reader.round_to([value for sign, value in plain if sign == "=="])
    return Comparison(shown, holds, reader.write(named), snap)


def _is_missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _show(value: Any) -> str:
    """Return a value as text: numbers as they are, text in quotes unless it is a number."""
    plain = value.item() if isinstance(value, np.generic) else value
    is_plain = isinstance(plain, str) and re.fullmatch(r"[-+]?[\d._]+(e[-+]?\d+)?", plain)
    return plain if is_plain else repr(plain)


def _unquote(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text
