"""Choose the codec of each table column, and find it again in a saved model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaeaug.codecs.base import ColumnCodec, ColumnOptions
from vaeaug.codecs.categorical import CategoricalCodec
from vaeaug.codecs.numeric import NumericCodec
from vaeaug.codecs.storage import refusal
from vaeaug.codecs.temporal import TemporalCodec
from vaeaug.errors import ArchiveError, RejectedColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd

__all__ = ["REGISTRY", "ColumnCodec", "ColumnOptions", "column_from_state", "fit_column"]

#: Codecs in the order in which a table tries them; a new one is one line here.
REGISTRY: tuple[type[ColumnCodec], ...] = (CategoricalCodec, TemporalCodec, NumericCodec)


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
    raise refusal(series)


def column_from_state(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ColumnCodec:
    """Rebuild a column codec from its state; its class is looked up in the registry, never imported by name.

    Raises
    ------
    ArchiveError
        For a kind that this version does not know.
    """
    for codec_type in REGISTRY:
        if codec_type.kind == meta["kind"]:
            return codec_type.from_state(meta, arrays)
    known = ", ".join(codec_type.kind for codec_type in REGISTRY)
    raise ArchiveError(
        f"The file holds a column codec {meta['kind']!r}; known are {known}. Was it saved by a newer vaeaug?"
    )
