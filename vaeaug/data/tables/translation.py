"""The contract of translations: a column becomes a plain one, and gets its dtype back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pandas as pd

from vaeaug.data.tables.access import as_objects
from vaeaug.data.tables.dtypes import mask_of
from vaeaug.data.tables.serialization import Described, Dtype, Scalar
from vaeaug.errors import InputError

__all__ = ["Translation", "TypedTranslation"]


class Translation(Described, ABC):
    """Turn a column into a plain one that a codec takes, and plain columns back into the dtype it had.

    A translation is a dataclass: what it learned are its fields, which are saved as they are annotated.

    Attributes
    ----------
    kind : str
        Name under which a saved translation is found again.
    note : str
        What the values mean, where their type does not say it.
    points : tuple of int
        Numbers of the plain column that are point masses, however rare.
    """

    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def of(cls, series: pd.Series) -> Self | None:
        """Learn how to translate a column; None if this translation does not apply."""

    @abstractmethod
    def forward(self, series: pd.Series) -> pd.Series:
        """Return the plain column, with the same index and name."""

    @abstractmethod
    def backward(self, series: pd.Series) -> pd.Series:
        """Return a plain column in the dtype of fit."""

    @property
    def note(self) -> str:
        """What the values are, for a note to the user; nothing where their type says it."""
        return ""

    @property
    def points(self) -> tuple[int, ...]:
        """Numbers of the plain column that are point masses, however rare."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"kind": self.kind, **super().to_json()}

    def refuse(self, series: pd.Series, what: str) -> InputError:
        """Return the error for a column that holds something else than in fit."""
        return InputError(
            f"Column {series.name!r} held {what} in fit and has dtype {series.dtype} now; convert it to "
            f"{what} first."
        )


@dataclass
class TypedTranslation(Translation):
    """A translation back to one dtype.

    Parameters
    ----------
    dtype : dtype
        Of the column.
    marker : object
        What stands for a missing entry where the column holds objects.
    """

    dtype: Dtype
    marker: Scalar = None

    def restore(self, series: pd.Series, convert: Callable[[Any], Any]) -> pd.Series:
        """Return a column of objects: each value converted, and the marker where it is missing."""
        missing = mask_of(series)
        found = [self.marker if gap else convert(value) for value, gap in zip(series, missing, strict=True)]
        return pd.Series(as_objects(found), name=series.name, dtype=object)
