"""Blocks of the context: one variable each, a class or a number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from vaeaug.data.tables.access import factorize
from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.data.tables.datetime import TemporalCodec
from vaeaug.data.tables.dtypes import as_series, mask_of
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.registry import ColumnOptions, TranslatedCodec, column_from_state, fit_column
from vaeaug.data.tables.serialization import Arrays
from vaeaug.data.tables.translation import Translation
from vaeaug.data.tables.translations import translation_from_json
from vaeaug.errors import ArchiveError, InputError, UnknownLabelError
from vaeaug.utils.wording import list_names, suggest, suggest_offset

__all__ = ["Block", "ClassBlock", "ValueBlock", "block_from_state", "fit_block"]

_MOST_CLASSES = 256  # more distinct integers than these are a quantity, not a label


class Block(ABC):
    """One variable of the context.

    Attributes
    ----------
    codec : ColumnCodec
        Keeps dtype and values of the variable, or of the plain column that it is translated to.
    translation : Translation or None
    width : int
        Number of context columns.
    """

    kind: ClassVar[str]
    codec: ColumnCodec
    translation: Translation | None = None
    width: int

    @abstractmethod
    def encode(self, series: pd.Series) -> np.ndarray:
        """Return context columns, float32 (n, width); zeros where missing."""

    @abstractmethod
    def cast(self, series: pd.Series) -> pd.Series:
        """Return the values in the training dtype, with a fresh index."""

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> pd.Series:
        """Return n values drawn from the training distribution, in the training dtype."""

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        meta, arrays = self.codec.state()
        translation = None if self.translation is None else self.translation.to_json()
        return {"kind": self.kind, "codec": meta, "translation": translation}, arrays

    def plain(self, series: pd.Series) -> pd.Series:
        """Return the column as its codec takes it."""
        return series if self.translation is None else self.translation.forward(series)

    def own(self, series: pd.Series) -> pd.Series:
        """Return a column that its codec made in the training dtype."""
        return series if self.translation is None else self.translation.backward(series)


class ClassBlock(Block):
    """A class label, one-hot.

    Attributes
    ----------
    classes : ndarray of shape (k,)
        Sorted labels.
    counts : ndarray of int64, shape (k,)
        Training rows of each.
    """

    kind: ClassVar[str] = "class"

    def __init__(self, codec: CategoricalCodec, translation: Translation | None = None) -> None:
        self.codec: CategoricalCodec = codec
        self.translation = translation
        labels = np.asarray(codec.levels_)
        if translation is not None:
            labels = np.asarray(self.own(as_series(codec.take(np.arange(labels.size)), codec.name)))
        # Categories have an order of their own; scikit-learn's classes_ are sorted by label.
        self._order = _sort_labels(labels)
        self.classes = labels[self._order]
        self.counts = codec.counts_[self._order]
        self._rank = np.full(labels.size + 1, -1, dtype=np.int64)
        self._rank[self._order] = np.arange(labels.size)
        self.width = labels.size

    def index(self, series: pd.Series) -> np.ndarray:
        """Return class numbers, int64 (n,), −1 where missing.

        Raises
        ------
        UnknownLabelError
            For labels that fit has not seen.
        """
        return self._rank[self._find_levels(series)]

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return the one-hot block."""
        return (self.index(series)[:, None] == np.arange(self.width)).astype(np.float32)

    def cast(self, series: pd.Series) -> pd.Series:
        """Return the labels in the training dtype, with a fresh index."""
        return self.own(as_series(self.codec.take(self._find_levels(series)), self.codec.name))

    def draw(self, n: int, rng: np.random.Generator) -> pd.Series:
        """Return labels drawn at their training rates."""
        index = rng.choice(self.width, size=n, p=self.counts / self.counts.sum())
        return self.own(as_series(self.codec.take(self._order[index]), self.codec.name))

    def _find_levels(self, series: pd.Series) -> np.ndarray:
        level, missing = self.codec.find(self.plain(series))
        unseen = (level < 0) & ~missing
        if unseen.any():
            who = "y" if self.codec.name in (None, "y") else f"y, column {self.codec.name!r},"
            found, given = (pd.unique(series[rows].astype(object)) for rows in (unseen, ~missing))
            raise UnknownLabelError(
                f"{who} has labels that fit has not seen: {list_names(found, most=20)}; "
                f"allowed are {list_names(self.classes, most=20)}.{suggest(str(found[0]), self.classes)}"
                f"{suggest_offset(given, self.classes)}"
            )
        return level


class ValueBlock(Block):
    """A number or date: its rank-Gaussianised value and a flag that it is known."""

    kind: ClassVar[str] = "value"
    width = 2

    def __init__(self, codec: NumericCodec, translation: Translation | None = None) -> None:
        self.codec: NumericCodec = codec
        self.translation = translation

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return (value, known)."""
        score = self.codec.hint(self.plain(series))
        known = ~np.isnan(score)
        return np.stack([np.where(known, score, 0.0), known], axis=1).astype(np.float32)

    @property
    def ends(self) -> tuple[Any, Any]:
        """The least and the largest value of fit."""
        low, high = self.codec.axes_[0].low, self.codec.axes_[0].high
        values = np.array([low, high], dtype=np.dtype(self.codec.axes_[0].native))
        found = self.own(as_series(self.codec.storage_.write(values, np.zeros(2, bool)), self.codec.name))
        return found.iloc[0], found.iloc[1]

    def is_outside(self, series: pd.Series) -> np.ndarray:
        """Tell which values lie outside of those of fit, bool (n,)."""
        values, missing = self.codec.storage_.read(self.plain(series))
        return ~missing & ((values < self.codec.axes_[0].low) | (values > self.codec.axes_[0].high))

    def cast(self, series: pd.Series) -> pd.Series:
        """Return the values in the training dtype, with a fresh index; they are not clamped."""
        values, missing = self.codec.storage_.read(self.plain(series))
        native = self.codec.axes_[0].native
        if native != "float64" and values.dtype.kind == "f":
            values = np.rint(np.where(missing, 0.0, values)).astype(native)
        return self.own(as_series(self.codec.storage_.write(values, missing), self.codec.name))

    def draw(self, n: int, rng: np.random.Generator) -> pd.Series:
        """Return values drawn from the interpolated empirical distribution."""
        return self.own(self.codec.draw(n, rng))


def fit_block(series: pd.Series, counts: np.ndarray | None = None) -> Block:
    """Decide whether a variable is a class or a number, and learn it.

    Parameters
    ----------
    series : pandas.Series
    counts : ndarray of int64, optional
        Rows that each entry stands for; one each by default.

    Raises
    ------
    InputError
        For columns that no codec takes, columns without any value, and infinite values.
    """
    if mask_of(series).all():
        raise InputError(f"y: column {series.name!r} has no value at all; drop it.")
    # Fitting as a table column first lets its codec refuse what cannot be used, in its own words.
    codec, translation = fit_column(series, ColumnOptions(recognise=False), counts), None
    if isinstance(codec, TranslatedCodec):
        translation, codec = codec.translation_, codec.codec_
    is_time = isinstance(codec, TemporalCodec)
    if isinstance(codec, NumericCodec) and (is_time or _is_quantity(series)):
        return ValueBlock(codec, translation)
    plain = series if translation is None else translation.forward(series)
    levels = CategoricalCodec(max_levels=len(plain), marked=True).fit(plain, counts)
    return ClassBlock(levels, translation)


def block_from_state(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Block:
    """Rebuild a block from its state."""
    codec = column_from_state(meta["codec"], arrays)
    described = meta.get("translation")
    translation = None if described is None else translation_from_json(described)
    if meta["kind"] == ClassBlock.kind and isinstance(codec, CategoricalCodec):
        return ClassBlock(codec, translation)
    if meta["kind"] == ValueBlock.kind and isinstance(codec, NumericCodec):
        return ValueBlock(codec, translation)
    raise ArchiveError(f"The file holds a context block {meta['kind']!r} that this version does not know.")


def _is_quantity(series: pd.Series) -> bool:
    """Whether numbers are a continuous target: not all integers, or too many different ones."""
    distinct = factorize(series[~mask_of(series)])[1]
    if len(distinct) > _MOST_CLASSES:
        return True
    return bool(any(value != int(value) for value in np.asarray(distinct, dtype=object).tolist()))


def _sort_labels(labels: np.ndarray) -> np.ndarray:
    try:
        return np.argsort(labels, kind="stable")
    except TypeError:  # categories of mixed types have only the order of their dtype
        return np.arange(labels.size)
