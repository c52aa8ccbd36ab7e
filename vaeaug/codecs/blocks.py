"""Blocks of the context: one variable each, a class or a number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from vaeaug.codecs.categorical import CategoricalCodec
from vaeaug.codecs.columns import column_from_state, fit_column
from vaeaug.codecs.numeric import NumericCodec, TemporalCodec
from vaeaug.codecs.storage import mask_of
from vaeaug.errors import ArchiveError, InputError, UnknownLabelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaeaug.codecs.base import ColumnCodec
    from vaeaug.codecs.packing import Arrays

__all__ = ["Block", "ClassBlock", "ValueBlock", "block_from_state", "fit_block"]

_MOST_CLASSES = 256  # more distinct integers than these are a quantity, not a label


class Block(ABC):
    """One variable of the context.

    Attributes
    ----------
    width : int
        Number of context columns.
    stored_width : int
        Number of float32 columns in which :meth:`store` keeps a value.
    """

    kind: ClassVar[str]
    codec: ColumnCodec
    width: int

    @abstractmethod
    def encode(self, series: pd.Series) -> np.ndarray:
        """Return context columns, float32 (n, width); zeros where missing."""

    @abstractmethod
    def cast(self, series: pd.Series) -> pd.Series:
        """Return the values in the training dtype."""

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> pd.Series:
        """Return n values drawn from the training distribution, in the training dtype."""

    @property
    def stored_width(self) -> int:
        """Number of float32 columns in which a value is kept."""
        return self.codec.width

    def store(self, series: pd.Series) -> np.ndarray:
        """Return values as float32 columns (n, stored_width)."""
        return self.codec.encode(series)

    def restore(self, stored: np.ndarray) -> pd.Series:
        """Undo :meth:`store`."""
        return self.codec.decode(stored)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        meta, arrays = self.codec.state()
        return {"kind": self.kind, "codec": meta}, arrays


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

    def __init__(self, codec: CategoricalCodec) -> None:
        self.codec: CategoricalCodec = codec
        labels = np.asarray(codec.levels_)
        # Categories have an order of their own; scikit-learn's classes_ are sorted by label.
        self._order = np.argsort(labels, kind="stable")
        self.classes = labels[self._order]
        self.counts = codec.counts_[self._order]
        self._rank = np.empty(labels.size + 1, dtype=np.int64)
        self._rank[self._order] = np.arange(labels.size)
        self._rank[-1] = -1
        self.width = labels.size

    @classmethod
    def fit(cls, series: pd.Series) -> ClassBlock:
        """Learn the labels of a column."""
        return cls(CategoricalCodec(max_levels=np.iinfo(np.int64).max, marked=True).fit(series))

    def index(self, series: pd.Series) -> np.ndarray:
        """Return class numbers, int64 (n,), −1 where missing; raise UnknownLabelError for unseen labels."""
        level, missing = self.codec.find(series)
        unseen = (level < 0) & ~missing
        if unseen.any():
            found = pd.unique(series[unseen].astype(object))
            raise UnknownLabelError(
                f"{self._who} has labels that fit has not seen: {_few(found)}; allowed are {_few(self.classes)}."
            )
        return self._rank[level]

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return the one-hot block."""
        index = self.index(series)
        return (index[:, None] == np.arange(self.width)).astype(np.float32)

    def cast(self, series: pd.Series) -> pd.Series:
        """Return the labels in the training dtype."""
        self.index(series)
        level, _ = self.codec.find(series)
        return pd.Series(self.codec.take(level), name=self.codec.name)

    def draw(self, n: int, rng: np.random.Generator) -> pd.Series:
        """Return labels drawn at their training rates."""
        index = rng.choice(self.width, size=n, p=self.counts / self.counts.sum())
        return pd.Series(self.codec.take(self._order[index]), name=self.codec.name)

    @property
    def _who(self) -> str:
        return "y" if self.codec.name is None or self.codec.name == "y" else f"y, column {self.codec.name!r},"


class ValueBlock(Block):
    """A number or date: its rank-Gaussianised value and a flag that it is known."""

    kind: ClassVar[str] = "value"
    width = 2

    def __init__(self, codec: NumericCodec) -> None:
        self.codec: NumericCodec = codec

    @classmethod
    def fit(cls, series: pd.Series) -> ValueBlock:
        """Learn the distribution of a column."""
        codec = fit_column(series)
        if not isinstance(codec, NumericCodec):
            raise InputError(f"y: column {series.name!r} holds no numbers.")
        return cls(codec)

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return (value, known)."""
        score = self.codec.hint(series)
        known = ~np.isnan(score)
        return np.stack([np.where(known, score, 0.0), known], axis=1).astype(np.float32)

    def cast(self, series: pd.Series) -> pd.Series:
        """Return the values in the training dtype, not clamped."""
        values, missing = self.codec.storage_.read(series)
        axis = self.codec.axis_
        if axis is not None and axis.native != "float64" and values.dtype.kind == "f":
            values = np.rint(values).astype(np.dtype(axis.native))
        return pd.Series(self.codec.storage_.write(values, missing), name=self.codec.name)

    def draw(self, n: int, rng: np.random.Generator) -> pd.Series:
        """Return values drawn from the interpolated empirical distribution."""
        return self.codec.draw(n, rng)


def fit_block(series: pd.Series) -> Block:
    """Decide whether a variable is a class or a number, and learn it.

    Raises
    ------
    InputError
        For columns that no codec takes, columns without any value, and infinite values.
    """
    if mask_of(series).all():
        raise InputError(f"y: column {series.name!r} has no value at all; drop it.")
    # The codec refuses infinite values and mixed types with its own sentence.
    codec = fit_column(series)
    if isinstance(codec, TemporalCodec):
        return ValueBlock(codec)
    if isinstance(codec, NumericCodec) and _is_quantity(series, codec):
        return ValueBlock(codec)
    return ClassBlock.fit(series)


def block_from_state(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Block:
    """Rebuild a block from its state."""
    codec = column_from_state(meta["codec"], arrays)
    if meta["kind"] == ClassBlock.kind and isinstance(codec, CategoricalCodec):
        return ClassBlock(codec)
    if meta["kind"] == ValueBlock.kind and isinstance(codec, NumericCodec):
        return ValueBlock(codec)
    raise ArchiveError(f"The file holds a context block {meta['kind']!r} that this version does not know.")


def _is_quantity(series: pd.Series, codec: NumericCodec) -> bool:
    """Whether numbers are a continuous target: not all integers, or too many different ones."""
    values, missing = codec.storage_.read(series)
    distinct = np.unique(values[~missing])
    return bool(distinct.size > _MOST_CLASSES or (np.rint(distinct) != distinct).any())


def _few(labels: Any) -> str:
    listed = [repr(label.item() if isinstance(label, np.generic) else label) for label in labels]
    return ", ".join(listed[:20]) + (f", ... ({len(listed)} in all)" if len(listed) > 20 else "")
