"""Choose the codec of each table column, and find it again in a saved model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from vaeaug.data.tables.base import ColumnCodec, ColumnOptions
from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.data.tables.computed import ComputedCodec
from vaeaug.data.tables.datetime import TemporalCodec
from vaeaug.data.tables.dtypes import explain_refusal
from vaeaug.data.tables.identifiers import IdCodec
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.serialization import Arrays
from vaeaug.data.tables.translation import Translation
from vaeaug.data.tables.translations import find_translation, translation_from_json
from vaeaug.errors import ArchiveError, RejectedColumn

__all__ = ["REGISTRY", "ColumnCodec", "ColumnOptions", "TranslatedCodec", "column_from_state", "fit_column"]


class TranslatedCodec(ColumnCodec):
    """Encode a column by way of a plain one, with the codec that takes that.

    Attributes
    ----------
    translation_ : Translation
    codec_ : ColumnCodec
        Of the plain column.
    """

    kind: ClassVar[str] = "translated"

    def __init__(self, options: ColumnOptions | None = None) -> None:
        self.options = options or ColumnOptions()

    @classmethod
    def build(cls, options: ColumnOptions) -> TranslatedCodec:
        """Make a codec from the options of a table."""
        return cls(options)

    def accepts(self, series: pd.Series) -> None:
        """Return when there is a translation of the column; raise RejectedColumn when not."""
        if self._find(series) is None:
            raise RejectedColumn(f"Column {series.name!r} needs no translation (dtype {series.dtype}).")

    def fit(self, series: pd.Series, counts: np.ndarray | None = None) -> TranslatedCodec:
        """Learn the translation and the plain column; return self."""
        translation = self._find(series)
        if translation is None:
            raise explain_refusal(series)
        options = replace(self.options, points=translation.points)
        self.options = replace(self.options, weights=None)
        return self._take(translation, fit_column(translation.forward(series), options, counts))

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return the encoded columns of the plain column."""
        return self.codec_.encode(self.translation_.forward(series))

    def decode(self, x: np.ndarray) -> pd.Series:
        """Return a column of the training dtype."""
        return self.translation_.backward(self.codec_.decode(x))

    @property
    def stand_in(self) -> int:
        """Token that values unseen in fit may be trained as."""
        return self.codec_.stand_in

    @property
    def is_all_missing(self) -> bool:
        """Whether the training column held nothing but missing values."""
        return self.codec_.is_all_missing

    @property
    def note(self) -> str:
        """What the values are, for a note to the user; nothing where their type says it."""
        return self.translation_.note

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        meta, arrays = self.codec_.state()
        return {"kind": self.kind, "translation": self.translation_.to_json(), "codec": meta}, arrays

    def restore(self, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TranslatedCodec:
        """Take over what :meth:`state` describes; return self."""
        translation = translation_from_json(meta["translation"])
        return self._take(translation, column_from_state(meta["codec"], arrays))

    def _find(self, series: pd.Series) -> Translation | None:
        return find_translation(series, self.options.recognise and not self.options.categorical)

    def _take(self, translation: Translation, codec: ColumnCodec) -> TranslatedCodec:
        self.translation_, self.codec_ = translation, codec
        self.name, self.spans = codec.name, codec.spans
        return self


#: Codecs in the order in which a table tries them; a new one is one line here.
REGISTRY: tuple[type[ColumnCodec], ...] = (
    *(IdCodec, TranslatedCodec, CategoricalCodec, TemporalCodec, NumericCodec),
)


def fit_column(
    series: pd.Series, options: ColumnOptions | None = None, counts: np.ndarray | None = None
) -> ColumnCodec:
    """Fit the first registered codec that accepts a column.

    Parameters
    ----------
    series : pandas.Series
    options : ColumnOptions, optional
    counts : ndarray of int64, optional
        Rows that each entry stands for; one each by default.

    Raises
    ------
    RejectedColumn
        When no codec takes the column; the sentence says how to convert it.
    InputError
        For infinite values.
    """
    for codec_type in REGISTRY:
        codec = codec_type.build(options or ColumnOptions())
        try:
            codec.accepts(series)
        except RejectedColumn:
            continue
        return codec.fit(series, counts)
    raise explain_refusal(series)


def column_from_state(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ColumnCodec:
    """Rebuild a column codec from its state; its class is looked up in the registry, never imported by name.

    Raises
    ------
    ArchiveError
        For a kind that this version does not know.
    """
    every: tuple[type[ColumnCodec], ...] = (*REGISTRY, ComputedCodec)
    for codec_type in every:
        if codec_type.kind == meta["kind"]:
            return codec_type.from_state(meta, arrays)
    known = ", ".join(codec_type.kind for codec_type in REGISTRY)
    raise ArchiveError(
        f"The file holds a column codec {meta['kind']!r}; known are {known}. Was it saved by a newer vaeaug?"
    )
