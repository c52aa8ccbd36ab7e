"""A column that the model does not see, because others give it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.serialization import Arrays, scalar_from_json, scalar_to_json
from vaeaug.errors import RejectedColumn

__all__ = ["ComputedCodec"]


class ComputedCodec(ColumnCodec):
    """Encode a column as nothing; the relations of the table compute it.

    Parameters
    ----------
    name : hashable
        Label of the column.
    """

    kind: ClassVar[str] = "computed"

    def __init__(self, name: Any = None) -> None:
        self.name = name

    def accepts(self, series: pd.Series) -> None:
        """Raise RejectedColumn: no column is computed by itself."""
        raise RejectedColumn(f"Column {series.name!r} follows from no other column.")

    def fit(self, series: pd.Series, counts: np.ndarray | None = None) -> ComputedCodec:
        """Note the name; return self."""
        self.name = series.name
        return self

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return no columns, float32 of shape (n, 0)."""
        return np.empty((len(series), 0), dtype=np.float32)

    def decode(self, x: np.ndarray) -> pd.Series:
        """Return a column without values."""
        return pd.Series(np.full(len(x), np.nan), name=self.name)

    @property
    def stand_in(self) -> int:
        """Token for unseen values; there is none."""
        return 0

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return the name."""
        return {"kind": self.kind, "name": scalar_to_json(self.name)}, {}

    def restore(self, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Take over what :meth:`state` describes; return self."""
        self.name = scalar_from_json(meta["name"])
        return self
