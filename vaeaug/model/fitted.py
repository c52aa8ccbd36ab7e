"""What a fitted augmenter holds, and what its methods share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from vaeaug.data.adapters import Intake
from vaeaug.data.labels.class_weights import class_numbers
from vaeaug.data.labels.context import ContextCodec, encode_labels
from vaeaug.latent import arithmetic
from vaeaug.model.model import Model
from vaeaug.utils.random import derive_seed, numpy_generator

__all__ = ["Anchors", "Fitted"]


@dataclass(frozen=True)
class Anchors:
    """Real rows that new ones may vary.

    Parameters
    ----------
    mean, scale : ndarray of shape (n, D)
        Of their posteriors.
    context : ndarray of float32, shape (n, K)
    rows : ndarray of shape (n, C, H, W), optional
        The rows themselves, encoded or packed, where variations start from them.
    """

    mean: np.ndarray
    scale: np.ndarray
    context: np.ndarray
    rows: np.ndarray | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what is stored, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


class Fitted(BaseEstimator):
    """Attributes that ``fit`` sets, and the encoding of data and labels against them."""

    random_state: Any
    classes_: np.ndarray | None
    history_: pd.DataFrame
    n_iter_: int
    n_features_in_: int
    image_shape_: tuple[int, ...] | None
    class_names_: list[str] | None
    id_columns_: list[Any]
    _intake: Intake
    _context: ContextCodec
    _model: Model
    _anchors: Anchors
    _seed: int
    _calls: int
    _n_features_out: int

    @property
    def _codec(self) -> Any:
        """What encodes rows: data to float32 arrays and back."""
        return self._intake.codec

    def _encode(self, X: Any) -> np.ndarray:
        """Check rows against those of fit and encode them, float32 (n, W) or (n, C, H, W)."""
        return self._intake.encode(self, X)

    def _revised(
        self, rows: np.ndarray, first: tuple[np.ndarray, np.ndarray], then: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Return images changed as their decoded copies do between two pairs of codes and contexts."""
        before, after = (self._model.decode(z, c, temperature=0.0, seed=self._seed) for z, c in (first, then))
        return arithmetic.add_back(rows, before, after)

    def _is_one_label(self, y: Any) -> bool:
        """Whether y is the label of one row, not a list of labels."""
        is_row = isinstance(y, Mapping) or (self._context.container == "frame" and isinstance(y, pd.Series))
        return is_row or np.ndim(y) == 0

    def _labels(self, y: Any, n: int) -> np.ndarray:
        """Encode labels that may be unknown, one for all, or one per row."""
        if y is not None and self._is_one_label(y):
            y = self._context.as_labels(y, n)
        return encode_labels(self._context, y, n)

    def _group(self, c: np.ndarray) -> np.ndarray:
        """Return the class number of each context, int64 (n,); one number for all without classes."""
        return class_numbers(c, self._context.class_block)

    def _next_seed(self, random_state: Any) -> int:
        if random_state is not None or self.random_state is None:
            # Without a seed in fit every call takes fresh entropy, or two processes that
            # load one file would make the same rows.
            return derive_seed(random_state)
        self._calls += 1
        return int(numpy_generator(self._seed, self._calls).integers(2**31 - 1))
