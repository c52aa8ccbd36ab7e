"""Identifier columns: found, learned as a pattern, and continued with new names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from vaeaug.data.tables.access import as_objects
from vaeaug.data.tables.base import ColumnCodec, ColumnOptions
from vaeaug.data.tables.calendars import DateNumbers
from vaeaug.data.tables.datetexts import are_dates
from vaeaug.data.tables.dtypes import (
    NumberStorage,
    as_series,
    is_object,
    is_text,
    is_view,
    mask_of,
    read_objects,
)
from vaeaug.data.tables.names import (
    Counted,
    Names,
    Patterned,
    find_count,
    learn_numbers,
    learn_texts,
    names_from_state,
)
from vaeaug.data.tables.recognition import CODE_NAMES, ID_NAMES, is_called
from vaeaug.data.tables.serialization import (
    Arrays,
    dtype_from_json,
    dtype_to_json,
    scalar_from_json,
    scalar_to_json,
)
from vaeaug.data.tables.translation import Translation
from vaeaug.data.tables.translations import Identities
from vaeaug.errors import InputError, RejectedColumn
from vaeaug.layout import Span

__all__ = ["IdCodec", "looks_like_ids"]

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


class IdCodec(ColumnCodec):
    """Leave out an identifier column, and give new rows new names.

    Only whether a name is missing is encoded. Names are new to the column of fit and differ inside
    one call of :meth:`decode`; every call begins with the same ones, and :meth:`rename` goes on from others.
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
        self.marker_ = read_objects(series)[1]
        self.offset_ = int(missing.any())
        self.storage_: NumberStorage | None = None
        self.translation_: Translation | None = Identities.of(series)
        plain = series if self.translation_ is None else self.translation_.forward(series)
        texts = plain[~missing].to_numpy(dtype=object).tolist() if _may_be_text(plain.dtype) else []
        if texts and all(isinstance(text, str) for text in texts):
            self.names_: Names = learn_texts(texts)
        else:
            try:
                self.storage_ = NumberStorage.of(series)
                values, _ = self.storage_.read(series)
                self.names_ = learn_numbers(values[~missing])
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
            return self._contain(as_objects(self.names_.spell(numbers)), missing)
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

    def restore(self, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> IdCodec:
        """Take over what :meth:`state` describes; return self."""
        self.name, self.marker_ = scalar_from_json(meta["name"]), scalar_from_json(meta["marker"])
        self.dtype_, self.offset_ = dtype_from_json(meta["dtype"]), meta["offset"]
        self.storage_ = None if meta["storage"] is None else NumberStorage.from_json(meta["storage"])
        self.translation_ = Identities(self.dtype_, self.marker_) if meta["uuids"] else None
        self.names_ = names_from_state(meta["names"], arrays)
        self._describe()
        return self

    def _describe(self) -> None:
        self.spans = (Span("categorical", self.offset_ + 1, bool(self.offset_)),)

    def _contain(self, found: np.ndarray, missing: np.ndarray) -> pd.Series:
        """Return text in the dtype of the column."""
        found[missing] = None if self.translation_ is not None else self.marker_
        series = pd.Series(found, name=self.name, dtype=object)
        if self.translation_ is not None:
            return self.translation_.backward(series)
        return series if is_object(self.dtype_) else series.astype(self.dtype_)


def looks_like_ids(series: pd.Series) -> bool:
    """Whether a column names each row: it numbers the rows, or is text of one pattern, all different.

    Whole numbers count if they number the rows in their order from 0 or 1, if the column is called so ("id"),
    or if they are 200 or more that lie so densely that quantities would repeat. Text counts if it differs in
    one number only, or has certain letters at each place and is called so, is long, or fills 50 rows or more.
    Dates written as numbers or text do not count, nor codes by their name, nor fewer than 20 rows.
    """
    if isinstance(series.dtype, (pd.CategoricalDtype, pd.SparseDtype)) or is_view(series.dtype):
        return False
    missing = mask_of(series)
    present = series[~missing]
    if len(present) < _FEWEST_ROWS or missing.mean() > _MOST_MISSING or is_called(series.name, CODE_NAMES):
        return False
    if _may_be_text(series.dtype):
        if Identities.of(series) is not None:
            return present.is_unique
        texts = present.to_numpy(dtype=object).tolist()
        if all(isinstance(text, str) for text in texts):
            return _share_pattern(series.name, texts)
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


def _share_pattern(name: Any, texts: list[str]) -> bool:
    """Whether texts are all different and of one pattern, and no words or numbers."""
    if len(set(texts)) < len(texts) or any(len(text) > _LONGEST or re.search(r"\s", text) for text in texts):
        return False
    if are_dates(texts):
        return False
    if all(text.isdecimal() for text in texts):
        return _number_the_rows(name, np.array([float(text) for text in texts]))
    if any(re.fullmatch(r"[+-]?\d*[.,]\d+", text) for text in texts[:20]):
        return False
    counted = find_count(texts)
    if counted is not None and (is_called(name, ID_NAMES) or all(map(_leads_to_a_number, counted.around))):
        return True
    if len(set(map(len, texts))) > 1:
        return False
    many = len(texts) >= _MANY_TEXTS or len(texts[0]) >= _LONG
    enough = is_called(name, ID_NAMES) or (many and all(map(_is_plain_key, texts)))
    return enough and Patterned.learn(texts).room >= _ROOM * len(texts)


def _is_plain_key(text: str) -> bool:
    """Whether text is letters, digits and dashes, a digit among them: no time, place, colour, sequence."""
    if not re.fullmatch(r"[\w{}/-]*\d[\w{}/-]*", text):
        return False
    return not re.match(r"\d{4}-\d{2}-\d{2}[T_]", text)


def _leads_to_a_number(around: Sequence[str]) -> bool:
    """Whether text before and after a number makes it a name: not 12kg, nor 12.5."""
    before, after = around
    return bool(before) and (before[-1].isalpha() or before[-1] in "-_/#:") and after[:1] not in (".", ",")


def _largest(dtype: Any) -> int:
    """Return the largest integer that a dtype holds exactly."""
    plain = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", np.dtype(np.int64))
    if plain.kind == "f":
        return int(2 ** (np.finfo(plain).nmant + 1))
    return int(np.iinfo(plain).max) if plain.kind in "iu" else 2**63 - 1


def _may_be_text(dtype: Any) -> bool:
    return is_object(dtype) or (is_text(dtype) and not is_view(dtype))
