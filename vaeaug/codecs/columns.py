"""Choose the codec of each table column, and find it again in a saved model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaeaug.codecs.base import ColumnCodec
from vaeaug.codecs.categorical import CategoricalCodec
from vaeaug.codecs.numeric import NumericCodec, TemporalCodec
from vaeaug.codecs.storage import refusal
from vaeaug.errors import ArchiveError, RejectedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

__all__ = ["REGISTRY", "ColumnCodec", "column_from_state", "fit_column"]

#: Codecs in the order in which a table tries them; a new one is one line here.
REGISTRY: tuple[type[ColumnCodec], ...] = (CategoricalCodec, TemporalCodec, NumericCodec)


def fit_column(
    series: pd.Series, *, categorical: bool = False, max_bins: int = 64, max_levels: int = 1000
) -> ColumnCodec:
    """Fit the first registered codec that accepts a column.

    Parameters
    ----------
    series : pandas.Series
    categorical : bool, default=False
        Treat numbers and dates as categories.
    max_bins, max_levels : int
        Options of the codecs that have them.

    Raises
    ------
    RejectedColumn
        When no codec takes the column; the sentence says how to convert it.
    """
    for codec_type in REGISTRY:
        codec = _make(codec_type, categorical=categorical, max_bins=max_bins, max_levels=max_levels)
        try:
            codec.accepts(series)
        except RejectedColumn:
            continue
        return codec.fit(series)
    raise refusal(series)


def column_from_state(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ColumnCodec:
    """Rebuild a column codec from its state; the class is looked up in the registry, never imported by name."""
    for codec_type in REGISTRY:
        if codec_type.kind == meta["kind"]:
            return codec_type.from_state(meta, arrays)
    known = ", ".join(codec_type.kind for codec_type in REGISTRY)
    raise ArchiveError(
        f"The file holds a column codec {meta['kind']!r}; known are {known}. Is it of a newer version?"
    )


def _make(codec_type: type[ColumnCodec], *, categorical: bool, max_bins: int, max_levels: int) -> ColumnCodec:
    if issubclass(codec_type, CategoricalCodec):
        return codec_type(max_levels, marked=categorical)
    if issubclass(codec_type, NumericCodec):
        return codec_type(max_bins)
    return codec_type()
