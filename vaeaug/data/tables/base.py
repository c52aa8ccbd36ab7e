"""The contract of column codecs: fit, encode, decode, spans and a saved state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from vaeaug.data.tables.serialization import Arrays
from vaeaug.layout import Span

__all__ = ["ColumnCodec", "ColumnOptions"]


@dataclass(frozen=True)
class ColumnOptions:
    """Options that a table passes to every column codec; each reads those that concern it.

    Parameters
    ----------
    categorical : bool
        The user declared the column categorical, whatever its dtype.
    max_bins : int
        Quantile bins per numeric column.
    max_levels : int
        Levels of a categorical column that get tokens of their own.
    identifier : bool
        The column is an identifier: it names each row.
    recognise : bool
        Whether to look for codes and dates among numbers.
    points : tuple of int
        Numbers that are point masses, however rare.
    weights : ndarray of float64, shape (n,), optional
        What each row counts for where bins are cut; one each if None.
    """

    categorical: bool = False
    max_bins: int = 64
    max_levels: int = 1000
    identifier: bool = False
    recognise: bool = True
    points: tuple[int, ...] = ()
    weights: np.ndarray | None = None


class ColumnCodec(ABC):
    """Turn one table column into encoded columns and back.

    A codec learns in :meth:`fit` and then both ways are fixed: ``decode(encode(series))`` gives the training
    values in the dtype, and under the name, they had.

    Attributes
    ----------
    kind : str
        Name under which a saved codec is found again.
    name : hashable
        Label of the column.
    spans : tuple of Span
        What the encoded columns are.
    """

    kind: ClassVar[str]
    name: Any = None
    spans: tuple[Span, ...] = ()

    @classmethod
    def build(cls, options: ColumnOptions) -> ColumnCodec:
        """Make a codec from the options of a table."""
        return cls()

    @abstractmethod
    def accepts(self, series: pd.Series) -> None:
        """Return when this codec can take the column; raise RejectedColumn with a sentence when not."""

    @abstractmethod
    def fit(self, series: pd.Series, counts: np.ndarray | None = None) -> ColumnCodec:
        """Learn dtype, levels and bins of a column; return self.

        Parameters
        ----------
        series : pandas.Series of shape (n,)
        counts : ndarray of int64, shape (n,), optional
            Rows that each entry stands for: a column too long for memory comes as its distinct values.

        Raises
        ------
        RejectedColumn
            When :meth:`accepts` does.
        InputError
            For infinite values.
        """

    @abstractmethod
    def encode(self, series: pd.Series) -> np.ndarray:
        """Return the encoded columns, float32, shape (n, w); unseen values get code -1 or the nearest."""

    @abstractmethod
    def decode(self, x: np.ndarray) -> pd.Series:
        """Return a column of the training dtype and name from encoded columns, shape (n, w)."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""

    @abstractmethod
    def restore(self, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Take over what :meth:`state` describes; return self."""

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild a codec that decodes byte for byte as the one that was saved."""
        return cls().restore(meta, arrays)

    @property
    @abstractmethod
    def stand_in(self) -> int:
        """Token to train on in place of values unseen in fit: that of rare values, or else the commonest."""

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return sum(span.columns for span in self.spans)

    @property
    def is_all_missing(self) -> bool:
        """Whether the training column held nothing but missing values."""
        return False
