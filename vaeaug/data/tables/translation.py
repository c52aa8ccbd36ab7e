"""What every translation of a column offers: a plain column in, the dtype it had on the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from vaeaug.data.tables.serialization import dtype_from_json, dtype_to_json, scalar_from_json, scalar_to_json
from vaeaug.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Translation"]


class Translation(ABC):
    """Turn a column into a plain one that a codec takes, and plain columns back into the dtype it had.

    Attributes
    ----------
    kind : str
        Name under which a saved translation is found again.
    dtype : dtype
        Of the column.
    marker : object
        What stands for a missing entry where the column holds objects.
    note : str
        What the values are, where their type does not say it.
    points : tuple of int
        Numbers of the plain column that stand for themselves alone, however rare.
    """

    kind: ClassVar[str]
    points: tuple[int, ...] = ()
    note: str = ""

    def __init__(self, dtype: Any, marker: Any = None) -> None:
        self.dtype, self.marker = dtype, marker

    @classmethod
    @abstractmethod
    def of(cls, series: pd.Series) -> Translation | None:
        """Learn how to translate a column; None if it is no matter for this translation."""

    @abstractmethod
    def forward(self, series: pd.Series) -> pd.Series:
        """Return the plain column, with the same index and name."""

    @abstractmethod
    def backward(self, series: pd.Series) -> pd.Series:
        """Return a plain column in the dtype of fit."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"kind": self.kind, "dtype": dtype_to_json(self.dtype), "marker": scalar_to_json(self.marker)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Translation:
        """Rebuild from :meth:`to_json`."""
        return cls(dtype_from_json(data["dtype"]), scalar_from_json(data["marker"]))

    def refuse(self, series: pd.Series, what: str) -> InputError:
        """Return the error for a column that holds something else than in fit."""
        return InputError(
            f"Column {series.name!r} held {what} in fit and has dtype {series.dtype} now; convert it to "
            f"{what} first."
        )

    def _objects(self, found: list[Any], missing: np.ndarray, name: Any) -> pd.Series:
        """Return objects as a column, with the marker where they are missing."""
        objects = np.empty(len(found), dtype=object)
        objects[:] = found
        objects[missing] = self.marker
        return pd.Series(objects, name=name, dtype=object)
