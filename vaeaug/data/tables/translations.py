"""Registry of translations, and columns that pandas holds but does not compute with, as plain columns."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.calendars import DateNumbers
from vaeaug.data.tables.clocks import PythonTimes, TimesOfDay
from vaeaug.data.tables.datetexts import DateTexts
from vaeaug.data.tables.decimals import Decimals, MixedNumbers
from vaeaug.data.tables.dtypes import is_view, mask_of, read_objects
from vaeaug.data.tables.translation import Translation, TypedTranslation
from vaeaug.errors import ArchiveError
from vaeaug.utils.frames import chunks_of

__all__ = [
    "RECOGNISED",
    "TRANSLATIONS",
    "ArrowKinds",
    "Identities",
    "Intervals",
    "Sparse",
    "find_translation",
    "translation_from_json",
]


class Sparse(TypedTranslation):
    """Sparse columns as dense ones."""

    kind = "sparse"

    @classmethod
    def of(cls, series: pd.Series) -> Sparse | None:
        """Take sparse columns."""
        return cls(series.dtype) if isinstance(series.dtype, pd.SparseDtype) else None

    def forward(self, series: pd.Series) -> pd.Series:
        """Return the dense column."""
        if not isinstance(series.dtype, pd.SparseDtype):
            return series
        accessor: Any = series.sparse
        return accessor.to_dense()

    def backward(self, series: pd.Series) -> pd.Series:
        """Return a sparse column."""
        return series.astype(self.dtype)


class ArrowKinds(TypedTranslation):
    """Arrow's dictionaries as categories, its text in views as text, its nulls as a column of NaN."""

    kind = "arrow"

    @classmethod
    def of(cls, series: pd.Series) -> ArrowKinds | None:
        """Take columns of Arrow types that pandas does not compute with."""
        if not isinstance(series.dtype, pd.ArrowDtype):
            return None
        from pyarrow import types

        kind = series.dtype.pyarrow_dtype
        odd = types.is_dictionary(kind) or types.is_null(kind) or is_view(kind)
        return cls(series.dtype) if odd else None

    def forward(self, series: pd.Series) -> pd.Series:
        """Return categories, text, or NaN."""
        import pyarrow as pa

        if not isinstance(series.dtype, pd.ArrowDtype):
            return series
        values = chunks_of(series)
        kind = values.type
        if pa.types.is_null(kind):
            return pd.Series(np.nan, index=series.index, name=series.name, dtype=np.float64)
        if is_view(kind):
            values = pd.arrays.ArrowExtensionArray(values.cast(pa.large_string()))
        elif pa.types.is_dictionary(kind):
            values = values.unify_dictionaries().to_pandas().array
        else:
            return series
        return pd.Series(values, index=series.index, name=series.name)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return a column of the Arrow type."""
        import pyarrow as pa

        kind = self.dtype.pyarrow_dtype
        if pa.types.is_null(kind):
            found = pa.nulls(len(series))
        elif is_view(kind):
            found = pa.array(series.astype(object).mask(mask_of(series), None).tolist(), type=kind)
        else:
            plain = pa.array(series.cat.categories, type=kind.value_type)
            codes = series.cat.codes.to_numpy()
            indices = pa.array(codes, type=kind.index_type, mask=codes < 0)
            found = pa.DictionaryArray.from_arrays(indices, plain, ordered=kind.ordered)
        return pd.Series(pd.arrays.ArrowExtensionArray(found), index=series.index, name=series.name)


class Intervals(TypedTranslation):
    """Intervals as categories, in their order."""

    kind = "intervals"

    @classmethod
    def of(cls, series: pd.Series) -> Intervals | None:
        """Take columns of intervals."""
        return cls(series.dtype) if isinstance(series.dtype, pd.IntervalDtype) else None

    def forward(self, series: pd.Series) -> pd.Series:
        """Return categories."""
        if not isinstance(series.dtype, (pd.IntervalDtype, pd.CategoricalDtype)):
            raise self.refuse(series, "intervals")
        return series.astype("category")

    def backward(self, series: pd.Series) -> pd.Series:
        """Return intervals."""
        return series.astype(self.dtype)


class Identities(TypedTranslation):
    """Objects that are UUIDs as text."""

    kind = "uuids"

    @classmethod
    def of(cls, series: pd.Series) -> Identities | None:
        """Take objects that are UUIDs."""
        present, marker = read_objects(series)
        return cls(series.dtype, marker) if set(map(type, present)) == {uuid.UUID} else None

    def forward(self, series: pd.Series) -> pd.Series:
        """Return text."""
        return series.astype(object).map(str).astype(object).mask(mask_of(series), None)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return UUIDs."""
        return self.restore(series, uuid.UUID)


#: Translations in the order in which they are tried; a new one is one line here.
TRANSLATIONS: tuple[type[Translation], ...] = (
    *(Sparse, ArrowKinds, Intervals, Decimals, MixedNumbers, TimesOfDay, PythonTimes, Identities),
)


#: Translations of plain columns whose values mean more than their dtype says.
RECOGNISED: tuple[type[Translation], ...] = (DateNumbers, DateTexts)


def find_translation(series: pd.Series, recognise: bool = False) -> Translation | None:
    """Return how a column becomes a plain one; None for columns that codecs take as they are.

    Parameters
    ----------
    series : pandas.Series
    recognise : bool
        Whether to look for dates among numbers and text too.
    """
    kinds = TRANSLATIONS + (RECOGNISED if recognise else ())
    return next((found for kind in kinds if (found := kind.of(series)) is not None), None)


def translation_from_json(data: Mapping[str, Any]) -> Translation:
    """Rebuild a translation from its description.

    Raises
    ------
    ArchiveError
        For a kind that this version does not know.
    """
    kinds = {kind.kind: kind for kind in TRANSLATIONS + RECOGNISED}
    if data["kind"] not in kinds:
        raise ArchiveError(f"The file holds a column of {data['kind']!r}; was it saved by a newer vaeaug?")
    return kinds[data["kind"]].from_json(data)
