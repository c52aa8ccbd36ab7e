"""Categories, text and booleans as tokens; the rare values of a very diverse column share one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from vaeaug.data.tables.access import array_of, as_objects, factorize
from vaeaug.data.tables.base import ColumnCodec, ColumnOptions
from vaeaug.data.tables.dtypes import (
    as_series,
    get_kind,
    is_object,
    is_text,
    mask_of,
    read_objects,
    refuse_infinity,
)
from vaeaug.data.tables.quantiles import join_position, split_position
from vaeaug.data.tables.serialization import (
    Arrays,
    add_prefix,
    dtype_from_json,
    dtype_to_json,
    pack_values,
    scalar_from_json,
    scalar_to_json,
    take_prefix,
    unpack_values,
)
from vaeaug.errors import InputError, RejectedColumn
from vaeaug.layout import Span

__all__ = ["CategoricalCodec"]

_LEAST_ROWS = 5  # rows of a level that earns a token of its own where not all can have one
_OBJECTS = ("string", "boolean", "empty")  # what an object column may hold, in pandas' words
_MARKED_OBJECTS = ("integer", "floating", "date")
_FINE_BUCKET = 1_000_000  # rows in the bucket from which float32 positions get too coarse


class CategoricalCodec(ColumnCodec):
    """Encode a column of categories as one token per level.

    Tokens are, in this order: missing (if it was seen), levels seen in fit in sorted (or category) order,
    and, if there are more levels than ``max_levels``, one token for all rare ones. Inside that bucket the
    position says which: each rare value owns a stretch of ``[0, 1)`` as long as its share of the bucket's
    rows, so that a uniform position draws real rare values at their rates.

    Parameters
    ----------
    max_levels : int, default=1000
        Up to here every level has its own token; beyond, the most frequent ones with at least 5 rows have.
    marked : bool, default=False
        Take numbers and dates too: the caller says that they are categories.
    """

    kind: ClassVar[str] = "categorical"

    def __init__(self, max_levels: int = 1000, marked: bool = False) -> None:
        self.max_levels = max_levels
        self.marked = marked

    @classmethod
    def build(cls, options: ColumnOptions) -> CategoricalCodec:
        """Make a codec from the options of a table."""
        return cls(options.max_levels, marked=options.categorical)

    def accepts(self, series: pd.Series) -> None:
        """Return for categories, booleans and text; raise RejectedColumn for anything else."""
        dtype = series.dtype
        if is_object(dtype):
            present, _ = read_objects(series)
            allowed = _OBJECTS + (_MARKED_OBJECTS if self.marked else ())
            if pd.api.types.infer_dtype(present, skipna=False) in allowed:
                return
        elif _is_text_or_bool(dtype) or (self.marked and _is_number_or_time(dtype)):
            return
        raise RejectedColumn(f"Column {series.name!r} holds no categories, text or booleans (dtype {dtype}).")

    def fit(self, series: pd.Series, counts: np.ndarray | None = None) -> CategoricalCodec:
        """Learn dtype, levels and which of them are rare; return self.

        Raises
        ------
        RejectedColumn
            When :meth:`accepts` does.
        InputError
            For infinite values, and for text with NUL characters.
        """
        self.accepts(series)
        self.name = series.name
        self.dtype_ = series.dtype
        missing = mask_of(series)
        self.marker_ = read_objects(series)[1]
        self.offset_ = int(missing.any())
        if isinstance(self.dtype_, pd.CategoricalDtype):
            every = _rows_of(series.cat.codes.to_numpy(), counts, len(self.dtype_.categories))
            used = np.flatnonzero(every)
            self.levels_, rows = array_of(self.dtype_.categories[used]), every[used]
        else:
            _refuse_nul(series, missing)
            codes, levels = factorize(series)
            order = np.argsort(_sort_key(levels), kind="stable")
            self.levels_ = levels.take(order)
            rows = _rows_of(codes, counts, len(levels))[order]
        refuse_infinity(self.name, int(rows[_endless(self.levels_)].sum()), missing.size)
        self.counts_ = rows
        self._describe()
        return self

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return the token, and the position if there is a rare bucket, float32 (n, w).

        Levels not seen in fit get token -1, and so do missing values when fit saw none.
        """
        level, missing = self.find(series)
        x = np.empty((level.size, self.width), dtype=np.float32)
        token = np.append(self.token_, -1 - self.offset_)[level] + self.offset_
        x[:, 0] = np.where(missing, self.offset_ - 1, token)
        if self.position_columns_:
            middle = (self.bucket_end_ - 0.5 * self.counts_[self.rare_]) / max(1, self.bucket_end_[-1])
            place = np.full(self.counts_.size + 1, 0.5)
            place[self.rare_] = middle
            x[:, 1:] = split_position(place[level], self.position_columns_)
        return x

    def decode(self, x: np.ndarray) -> pd.Series:
        """Return a column of the training dtype; code -1 becomes missing, or the commonest level."""
        token = np.rint(x[:, 0]).astype(np.int64) - self.offset_
        # One entry more than tokens, so that a column without levels can be looked up too.
        level = np.append(self.level_of_, -1)[np.clip(token, 0, self.level_of_.size)]
        if self.position_columns_:
            in_bucket = token == self.level_of_.size - 1
            rows = join_position(x[in_bucket, 1:]) * self.bucket_end_[-1]
            level[in_bucket] = self.rare_[np.searchsorted(self.bucket_end_, rows, side="right")]
        level[token < 0] = -1 if self._allows_missing else self.common_
        return as_series(self.take(level), self.name)

    def find(self, series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return level numbers (-1 when unseen or missing) and the mask of missing entries, both (n,)."""
        missing = mask_of(series)
        if isinstance(series.dtype, pd.CategoricalDtype):
            known = self._index.get_indexer(_comparable(array_of(series.cat.categories)))
            return np.append(known, -1)[series.cat.codes.to_numpy()], missing
        return np.where(missing, -1, self._index.get_indexer(_comparable(array_of(series)))), missing

    def number(self, other: CategoricalCodec) -> np.ndarray:
        """Return the level number here of each level of another codec, int64; −1 where it is new."""
        found: np.ndarray = self._index.get_indexer(_comparable(other.levels_))
        return found

    def reorder(self, order: np.ndarray) -> None:
        """Number the levels anew."""
        self.levels_, self.counts_ = self.levels_.take(order), self.counts_[order]
        self._describe()

    def take(self, level: np.ndarray) -> Any:
        """Return an array of the column's dtype from level numbers; -1 is missing."""
        if isinstance(self.dtype_, pd.CategoricalDtype):
            return pd.Categorical.from_codes(self._category[level], dtype=self.dtype_, validate=False)
        if isinstance(self.levels_, np.ndarray):
            if self._allows_missing:
                return self._with_missing[level]
            return self.levels_[level]
        return self.levels_.take(level, allow_fill=True)

    @property
    def stand_in(self) -> int:
        """Token to train on in place of levels unseen in fit: that of rare levels, or else the commonest."""
        if self.rare_.size:
            return self.offset_ + self.level_of_.size - 1
        return self.offset_ + int(self.token_[self.common_]) if self.counts_.size else 0

    @property
    def is_all_missing(self) -> bool:
        """Whether the training column held nothing but missing values."""
        return self.counts_.size == 0

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        meta: dict[str, Any] = {
            "kind": self.kind,
            "name": scalar_to_json(self.name),
            "max_levels": self.max_levels,
            "marked": self.marked,
            "marker": scalar_to_json(self.marker_),
            "offset": self.offset_,
        }
        arrays: Arrays = {"counts": self.counts_}
        meta["levels"], packed = pack_values(self.levels_)
        arrays |= add_prefix("levels", packed)
        if isinstance(self.dtype_, pd.CategoricalDtype):
            meta["ordered"] = bool(self.dtype_.ordered)
            meta["categories"], packed = pack_values(array_of(self.dtype_.categories))
            arrays |= add_prefix("categories", packed)
        else:
            meta["dtype"] = dtype_to_json(self.dtype_)
        return meta, arrays

    def restore(self, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> CategoricalCodec:
        """Take over what :meth:`state` describes; return self."""
        self.max_levels, self.marked = meta["max_levels"], meta["marked"]
        self.name, self.marker_ = scalar_from_json(meta["name"]), scalar_from_json(meta["marker"])
        self.offset_, self.counts_ = meta["offset"], arrays["counts"]
        self.levels_ = unpack_values(meta["levels"], take_prefix("levels", arrays))
        if "categories" in meta:
            categories = unpack_values(meta["categories"], take_prefix("categories", arrays))
            self.dtype_ = pd.CategoricalDtype(pd.Index(categories, dtype=categories.dtype), meta["ordered"])
        else:
            self.dtype_ = dtype_from_json(meta["dtype"])
        self._describe()
        return self

    def _describe(self) -> None:
        """Derive tokens, the bucket and spans from the levels and their counts."""
        counts = self.counts_
        own = np.arange(counts.size)
        self.rare_ = own[:0]
        if counts.size > self.max_levels:
            most = np.argsort(-counts, kind="stable")[: self.max_levels]
            own = np.sort(most[counts[most] >= _LEAST_ROWS])
            self.rare_ = np.setdiff1d(np.arange(counts.size), own, assume_unique=True)
        self.bucket_end_ = np.cumsum(counts[self.rare_])
        self.position_columns_ = 0
        self.level_of_ = own
        self.token_ = np.full(counts.size, own.size, dtype=np.int64)
        self.token_[own] = np.arange(own.size)
        levels = max(1, self.offset_ + own.size + bool(self.rare_.size))
        spans = [Span("categorical", levels, bool(self.offset_))]
        if self.rare_.size:
            self.level_of_ = np.append(own, -1)
            self.position_columns_ = 1 if self.bucket_end_[-1] < _FINE_BUCKET else 2
            spans.append(Span("position", self.position_columns_))
        self.common_ = int(counts.argmax()) if counts.size else -1
        self.spans = tuple(spans)
        self._index = _comparable(self.levels_)
        if isinstance(self.dtype_, pd.CategoricalDtype):
            found = _comparable(array_of(self.dtype_.categories)).get_indexer(self._index)
            self._category = np.append(found, -1)
        elif isinstance(self.levels_, np.ndarray) and self._allows_missing:
            self._with_missing = _append_missing(self.levels_, self.marker_)

    @property
    def _allows_missing(self) -> bool:
        return not (isinstance(self.dtype_, np.dtype) and self.dtype_.kind in "biu")


def _rows_of(codes: np.ndarray, counts: np.ndarray | None, levels: int) -> np.ndarray:
    """Return how many rows have each code from 0 on, int64 of shape (levels,)."""
    known = codes >= 0
    weights = None if counts is None else counts[known]
    return np.bincount(codes[known], weights=weights, minlength=levels).astype(np.int64)


def _is_text_or_bool(dtype: Any) -> bool:
    return isinstance(dtype, pd.CategoricalDtype) or is_text(dtype) or get_kind(dtype) == "b"


def _is_number_or_time(dtype: Any) -> bool:
    if isinstance(dtype, np.dtype) and dtype.itemsize > 8:
        return False
    return isinstance(dtype, pd.PeriodDtype) or get_kind(dtype) in "iufmM"


def _refuse_nul(series: pd.Series, missing: np.ndarray) -> None:
    """Raise InputError for text with NUL characters: pandas stops reading there, and would merge values."""
    if series.dtype == object or isinstance(series.dtype, pd.StringDtype):
        texts = series.to_numpy(dtype=object)[~missing]
        if texts.size and isinstance(texts[0], str) and "\0" in "".join(texts):
            raise InputError(
                f"Column {series.name!r} holds text with NUL characters, which pandas does not tell apart; "
                f"remove them first: X[{series.name!r}] = X[{series.name!r}].str.replace('\\0', '')."
            )


def _endless(levels: Any) -> np.ndarray:
    """Return which levels are infinite floats, bool (m,)."""
    if levels.dtype == object:
        return np.array([isinstance(level, float) and math.isinf(level) for level in levels], dtype=bool)
    is_float = levels.dtype.kind == "f"
    return np.isinf(np.asarray(levels, dtype=np.float64)) if is_float else np.zeros(len(levels), dtype=bool)


def _sort_key(levels: Any) -> Any:
    return (
        np.asarray(levels, dtype=object) if isinstance(levels.dtype, pd.StringDtype) else np.asarray(levels)
    )


def _comparable(values: Any) -> pd.Index:
    """Return an index in which equal text is equal whatever dtype it is stored in."""
    dtype = values.dtype
    if is_text(dtype) or is_object(dtype) or isinstance(dtype, pd.IntervalDtype):  # intervals may overlap
        return pd.Index(np.asarray(values, dtype=object), dtype=object)
    # pandas has no index of half floats.
    is_half = getattr(dtype, "numpy_dtype", dtype) == np.dtype(np.float16)
    return pd.Index(np.asarray(values, dtype=np.float32) if is_half else values)


def _append_missing(levels: np.ndarray, marker: Any) -> np.ndarray:
    """Return levels with the missing value last, where index -1 finds it."""
    if is_object(levels.dtype):
        return as_objects([*levels, marker])
    empty = np.array([np.nan if levels.dtype.kind == "f" else "NaT"], dtype=levels.dtype)
    return np.concatenate([levels, empty])
