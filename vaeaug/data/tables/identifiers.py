"""Columns that name each row, and nothing else: found, learned as a pattern, and continued with new names."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from vaeaug.data.tables.base import ColumnCodec, ColumnOptions
from vaeaug.data.tables.calendars import DateNumbers, DateTexts
from vaeaug.data.tables.dtypes import NumberStorage, as_series, mask_of, missing_marker
from vaeaug.data.tables.recognition import CODE_NAMES, ID_NAMES, is_called
from vaeaug.data.tables.serialization import (
    Arrays,
    dtype_from_json,
    dtype_to_json,
    scalar_from_json,
    scalar_to_json,
)
from vaeaug.data.tables.translations import Identities
from vaeaug.errors import InputError, RejectedColumn
from vaeaug.layout import Span

if TYPE_CHECKING:
    from vaeaug.data.tables.translation import Translation

__all__ = ["Counted", "IdCodec", "Names", "Patterned", "looks_like_ids"]

_FEWEST_ROWS = 20
#: Rows from which distinct integers in a row are taken for numbers of rows whatever their order and name, and
#: the pairs of equal numbers that as many quantities of the same range would have.
_MANY_ROWS, _PAIRS_EXPECTED = 200, 20.0
#: Share of cells without an id, at most.
_MOST_MISSING = 0.05
#: New ids that a pattern or dtype must have room for, per row.
_ROOM = 10
#: Letters of text beyond which it is no name, and from which it is hardly a word; rows that show as much.
_LONGEST, _LONG, _MANY_TEXTS = 64, 16, 50
#: Beyond this the chance of meeting a known name again is nil, and known ones need not be kept.
_ENDLESS = 2**62


class Names(ABC):
    """The names of rows that fit has seen, and new ones: numbers 0, 1, … give different ones, none known."""

    kind: ClassVar[str]

    @abstractmethod
    def spell(self, numbers: np.ndarray) -> list[str]:
        """Return new names, as text, by their numbers, int64 of shape (n,)."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""


class Counted(Names):
    """Names that count: integers, or text with one number in it; new ones go on after the largest.

    Parameters
    ----------
    last, step : int
    prefix, suffix : str
        Of text.
    width : int
        Digits of text, with leading zeros.
    """

    kind = "counted"

    def __init__(self, last: int, step: int = 1, prefix: str = "", suffix: str = "", width: int = 0) -> None:
        self.last, self.step = last, step
        self.prefix, self.suffix, self.width = prefix, suffix, width

    def count(self, numbers: np.ndarray) -> list[int]:
        """Return integers that go on after the largest."""
        return [self.last + self.step * (number + 1) for number in numbers.tolist()]

    def spell(self, numbers: np.ndarray) -> list[str]:
        """Return the integers as text."""
        return [f"{self.prefix}{number:0{self.width}d}{self.suffix}" for number in self.count(numbers)]

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        return {"kind": self.kind, **vars(self)}, {}


class Patterned(Names):
    """Text of one length that has certain letters at each place, such as UUIDs.

    Names are numbered by mixed radix and called in a scattered order, ``(a k + b) mod capacity``; the known
    ones are left out.

    Parameters
    ----------
    places : list of str
        The letters of each place.
    taken : ndarray of int64, shape (m,)
        Sorted numbers, in that order, of the known names; none where they are endless.
    """

    kind = "patterned"

    def __init__(self, places: Sequence[str], taken: np.ndarray) -> None:
        self.places, self.taken = list(places), taken
        self.capacity = math.prod(len(place) for place in self.places)
        self._shift = self.capacity // 3
        self._factor = max(1, int(self.capacity * 0.6180339887))
        while math.gcd(self._factor, self.capacity) > 1:
            self._factor += 1
        # How many of the free names come before each known one.
        self._free_before = taken - np.arange(taken.size)

    @classmethod
    def learn(cls, texts: Sequence[str]) -> Patterned:
        """Return the pattern of texts of one length."""
        places = ["".join(sorted(set(letters))) for letters in zip(*texts, strict=True)]
        empty = cls(places, np.zeros(0, dtype=np.int64))
        if empty.capacity >= _ENDLESS:
            return empty
        back = pow(empty._factor, -1, empty.capacity)
        orders = [{letter: k for k, letter in enumerate(place)} for place in places]
        taken = []
        for text in texts:
            number = 0
            for order, letter in zip(orders, text, strict=True):
                number = number * len(order) + order[letter]
            taken.append((number - empty._shift) * back % empty.capacity)
        return cls(places, np.sort(np.array(taken, dtype=np.int64)))

    @property
    def room(self) -> int:
        """Number of new names."""
        return self.capacity - self.taken.size

    def spell(self, numbers: np.ndarray) -> list[str]:
        """Return new text of the pattern, and beyond its room longer text."""
        return [self._name(number) for number in numbers.tolist()]

    def _name(self, number: int) -> str:
        more, free = divmod(number, max(1, self.room))
        place = free + int(np.searchsorted(self._free_before, free, side="right")) if self.room else number
        rest = (self._factor * place + self._shift) % self.capacity
        letters = []
        for place_letters in reversed(self.places):
            rest, k = divmod(rest, len(place_letters))
            letters.append(place_letters[k])
        # Longer than any known name, and so new as well.
        return "".join(reversed(letters)) + (f"-{more}" if more or not self.room else "")

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        arrays = {"taken": self.taken} if self.taken.size else {}
        return {"kind": self.kind, "places": self.places}, arrays


class IdCodec(ColumnCodec):
    """Leave out a column that names each row, and give new rows new names.

    What is encoded is only whether a name is missing. Names are new to the column of fit and differ inside
    one call of :meth:`decode`; every call begins with the same ones.
    """

    kind: ClassVar[str] = "identifier"

    def __init__(self, identifier: bool = True) -> None:
        self.identifier = identifier

    @classmethod
    def build(cls, options: ColumnOptions) -> IdCodec:
        """Make a codec from the options of a table."""
        return cls(options.identifier)

    def accepts(self, series: pd.Series) -> None:
        """Return for a column that was declared to hold identifiers; raise RejectedColumn for any other."""
        if not self.identifier:
            raise RejectedColumn(f"Column {series.name!r} was not declared to hold identifiers.")

    def fit(self, series: pd.Series, counts: np.ndarray | None = None) -> IdCodec:
        """Learn the names; return self.

        Raises
        ------
        RejectedColumn
            For anything but integers, text and UUIDs.
        """
        self.name, self.dtype_ = series.name, series.dtype
        missing = mask_of(series)
        self.marker_ = missing_marker(series.to_numpy()[missing]) if _is_object(self.dtype_) else None
        self.offset_ = int(missing.any())
        self.storage_: NumberStorage | None = None
        self.translation_: Translation | None = Identities.of(series)
        plain = series if self.translation_ is None else self.translation_.forward(series)
        texts = plain[~missing].to_numpy(dtype=object).tolist() if _is_text(plain.dtype) else []
        if texts and all(isinstance(text, str) for text in texts):
            self.names_: Names = _learn_texts(texts)
        else:
            try:
                self.storage_ = NumberStorage.of(series)
                values, _ = self.storage_.read(series)
                self.names_ = _learn_numbers(values[~missing])
            except (RejectedColumn, ValueError) as error:
                raise RejectedColumn(
                    f"Column {series.name!r} is named in id_columns and has dtype {series.dtype}; "
                    "identifiers are whole numbers, text or UUIDs. Take it out of id_columns, or convert it "
                    f"first, for example X[{series.name!r}] = X[{series.name!r}].astype(str)."
                ) from error
        self._describe()
        return self

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return 0 or, if fit saw missing ones, 1, float32 of shape (n, 1)."""
        missing = mask_of(series)
        return np.where(missing, self.offset_ - 1, self.offset_).astype(np.float32)[:, None]

    def decode(self, x: np.ndarray, start: int = 0) -> pd.Series:
        """Return new names.

        Parameters
        ----------
        x : ndarray of shape (n, 1)
        start : int, default=0
            Number of the first row among all new ones.
        """
        missing = np.rint(x[:, 0]) < self.offset_
        if self.storage_ is not None and not self.storage_.allows_missing:
            missing[:] = False
        numbers = start + np.arange(len(x))
        if self.storage_ is None:
            found = np.empty(len(x), dtype=object)
            found[:] = self.names_.spell(numbers)
            return self._contain(found, missing)
        values = self.names_.count(numbers) if isinstance(self.names_, Counted) else []
        limit = _largest(self.dtype_)
        if values and values[-1] > limit:
            raise InputError(
                f"Column {self.name!r}: there are no more identifiers of dtype {self.dtype_} after {limit}; "
                f"widen it before fit, for example X[{self.name!r}] = X[{self.name!r}].astype('int64')."
            )
        native = "uint64" if limit > 2**63 else "int64"
        return as_series(self.storage_.write(np.array(values, dtype=native), missing), self.name)

    def rename(self, series: pd.Series, start: int = 0, beside: pd.Series | None = None) -> pd.Series:
        """Return new names from number ``start`` on, none of them among those of another column."""
        x = self.encode(series)
        known = set() if beside is None else set(beside[~mask_of(beside)].astype(object))
        if known and isinstance(self.names_, Counted) and self.storage_ is not None:
            start += max(0, -(-(int(max(known)) - self.names_.last) // self.names_.step))
        found = self.decode(x, start)
        while known and not known.isdisjoint(found[~mask_of(found)].astype(object)):
            start += max(1, len(series))
            found = self.decode(x, start)
        return found

    def keep(self, series: pd.Series) -> pd.Series:
        """Return the names of rows in the dtype of fit, if it holds them."""
        try:
            return series if series.dtype == self.dtype_ else series.astype(self.dtype_)
        except (TypeError, ValueError):
            return series

    @property
    def stand_in(self) -> int:
        """Token of rows with a name."""
        return self.offset_

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        names, arrays = self.names_.state()
        meta = {
            "kind": self.kind,
            "name": scalar_to_json(self.name),
            "dtype": dtype_to_json(self.dtype_),
            "marker": scalar_to_json(self.marker_),
            "offset": self.offset_,
            "storage": None if self.storage_ is None else self.storage_.to_json(),
            "uuids": self.translation_ is not None,
            "names": names,
        }
        return meta, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> IdCodec:
        """Rebuild a codec from :meth:`state`."""
        codec = cls()
        codec.name, codec.marker_ = scalar_from_json(meta["name"]), scalar_from_json(meta["marker"])
        codec.dtype_, codec.offset_ = dtype_from_json(meta["dtype"]), meta["offset"]
        codec.storage_ = None if meta["storage"] is None else NumberStorage.from_json(meta["storage"])
        codec.translation_ = Identities(codec.dtype_, codec.marker_) if meta["uuids"] else None
        names = {key: value for key, value in meta["names"].items() if key != "kind"}
        if meta["names"]["kind"] == Counted.kind:
            codec.names_ = Counted(**names)
        else:
            codec.names_ = Patterned(names["places"], arrays.get("taken", np.zeros(0, dtype=np.int64)))
        codec._describe()
        return codec

    def _describe(self) -> None:
        self.spans = (Span("categorical", self.offset_ + 1),)

    def _contain(self, found: np.ndarray, missing: np.ndarray) -> pd.Series:
        """Return text in the dtype of the column."""
        found[missing] = None if self.translation_ is not None else self.marker_
        series = pd.Series(found, name=self.name, dtype=object)
        if self.translation_ is not None:
            return self.translation_.backward(series)
        return series if _is_object(self.dtype_) else series.astype(self.dtype_)


def looks_like_ids(series: pd.Series) -> bool:
    """Whether a column names each row: it numbers the rows, or is text of one pattern, all different.

    Whole numbers count if they number the rows in their order from 0 or 1, if the column is called so ("id"),
    or if they are 200 or more that lie so densely that quantities would repeat. Text counts if it differs in
    one number only, or has certain letters at each place and is called so, is long, or fills 50 rows or more.
    Dates written as numbers or text do not count, nor codes by their name, nor fewer than 20 rows.
    """
    if isinstance(series.dtype, (pd.CategoricalDtype, pd.SparseDtype)) or _is_view(series.dtype):
        return False
    missing = mask_of(series)
    present = series[~missing]
    if len(present) < _FEWEST_ROWS or missing.mean() > _MOST_MISSING or is_called(series.name, CODE_NAMES):
        return False
    if _is_text(series.dtype) or _is_object(series.dtype):
        if Identities.of(series) is not None:
            return present.is_unique
        texts = present.to_numpy(dtype=object).tolist()
        if all(isinstance(text, str) for text in texts):
            return _are_named_alike(series.name, texts) and DateTexts.of(series) is None
    try:
        values, _ = NumberStorage.of(series).read(present)
    except (RejectedColumn, InputError):
        return False
    return (
        _number_the_rows(series.name, values)
        and _has_room(series.dtype, values)
        and DateNumbers.of(series) is None
    )


def _number_the_rows(name: Any, values: np.ndarray) -> bool:
    distinct = np.unique(values)
    if distinct.size < values.size or (np.rint(distinct) != distinct).any() or distinct[0] < 0:
        return False
    if values[0] in (0, 1) and (np.diff(values.astype(np.float64)) == 1).all():
        return True
    if is_called(name, ID_NAMES):
        return True
    pairs = values.size**2 / (2.0 * (float(distinct[-1]) - float(distinct[0]) + 1.0))
    return values.size >= _MANY_ROWS and pairs >= _PAIRS_EXPECTED


def _has_room(dtype: Any, values: np.ndarray) -> bool:
    return int(values.max()) + _ROOM * max(len(values), 1000) < _largest(dtype)


def _are_named_alike(name: Any, texts: list[str]) -> bool:
    """Whether texts are all different and of one pattern, and no words or numbers."""
    if len(set(texts)) < len(texts) or any(len(text) > _LONGEST or re.search(r"\s", text) for text in texts):
        return False
    if all(text.isdecimal() for text in texts):
        return _number_the_rows(name, np.array([float(text) for text in texts]))
    if _counts(texts) is not None:
        return True
    if len(set(map(len, texts))) > 1 or any(re.fullmatch(r"[+-]?\d*[.,]\d+", text) for text in texts[:20]):
        return False
    enough = len(texts) >= _MANY_TEXTS or len(texts[0]) >= _LONG or is_called(name, ID_NAMES)
    return enough and Patterned.learn(texts).room >= _ROOM * len(texts)


def _counts(texts: Sequence[str]) -> Counted | None:
    """Return how to go on counting where texts differ in one number only."""
    parts = [re.split(r"(\d+)", text) for text in texts]
    if len({len(part) for part in parts}) > 1:
        return None
    varied = [k for k, letters in enumerate(zip(*parts, strict=True)) if len(set(letters)) > 1]
    if len(varied) != 1 or varied[0] % 2 == 0:
        return None
    k = varied[0]
    digits = [part[k] for part in parts]
    numbers = sorted(map(int, digits))
    step = max(1, math.gcd(*(b - a for a, b in zip(numbers[:-1], numbers[1:], strict=True))))
    padded = len(set(map(len, digits))) == 1
    first = parts[0]
    width = len(digits[0]) if padded else 0
    return Counted(numbers[-1], step, "".join(first[:k]), "".join(first[k + 1 :]), width)


def _learn_texts(texts: list[str]) -> Names:
    counted = _counts(texts)
    if counted is not None:
        return counted
    longest = max(map(len, texts))
    if min(map(len, texts)) == longest:
        return Patterned.learn(texts)
    # Names of any form: new ones have the same letters, and are longer than all known ones.
    letters = "".join(sorted({letter for text in texts for letter in text if not letter.isspace()}))
    return Patterned([letters] * (longest + 1), np.zeros(0, dtype=np.int64))


def _learn_numbers(values: np.ndarray) -> Names:
    numbers = np.unique(values)
    if not numbers.size or (np.rint(numbers) != numbers).any():
        raise ValueError("not whole")
    listed = [int(number) for number in numbers[-10_000:]]
    step = max(1, math.gcd(*(b - a for a, b in zip(listed[:-1], listed[1:], strict=True))))
    return Counted(listed[-1], step)


def _largest(dtype: Any) -> int:
    """Return the largest integer that a dtype holds exactly."""
    plain = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", np.dtype(np.int64))
    if plain.kind == "f":
        return int(2 ** (np.finfo(plain).nmant + 1))
    return int(np.iinfo(plain).max) if plain.kind in "iu" else 2**63 - 1


def _is_object(dtype: Any) -> bool:
    return bool(dtype == np.dtype(object))


def _is_text(dtype: Any) -> bool:
    return (
        _is_object(dtype)
        or isinstance(dtype, pd.StringDtype)
        or (isinstance(dtype, pd.ArrowDtype) and not _is_view(dtype) and dtype.type is str)
    )


def _is_view(dtype: Any) -> bool:
    return str(dtype).startswith("string_view")
