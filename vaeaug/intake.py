"""Where data comes in: the one place that chooses between kinds of data and their codecs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from vaeaug.checks import appended, refuse_images, refuse_repeated_columns, refuse_text
from vaeaug.codecs.tabular import TableCodec
from vaeaug.errors import InputError
from vaeaug.settings import bins_for

__all__ = ["INTAKES", "Intake", "TableIntake", "open_intake"]


class Intake(Protocol):
    """Data of one kind: checked and encoded on the way in, put in its container on the way out."""

    kind: str
    codec: Any

    def encode(self, estimator: Any, X: Any) -> np.ndarray:
        """Check rows against those of fit and encode them, float32."""

    def decode(self, x: np.ndarray, like: Any = None) -> Any:
        """Return encoded rows as the user's data; ``like`` gives rows their index."""

    def append(self, X: Any, X_new: Any) -> Any:
        """Return the rows of X followed by new ones, in the container of X."""

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return everything learned as a JSON-able dict and plain arrays."""


class TableIntake:
    """Tables: frames and two-dimensional arrays.

    Parameters
    ----------
    codec : TableCodec
        Fitted.
    """

    kind = "table"

    def __init__(self, codec: TableCodec) -> None:
        self.codec = codec

    @classmethod
    def fit(cls, estimator: Any, X: Any) -> tuple[TableIntake, np.ndarray]:
        """Learn a table; return the intake and the encoded rows, float32 (n, W)."""
        refuse_images(X)
        if isinstance(X, pd.DataFrame):
            refuse_repeated_columns(X)
            validate_data(estimator, X, skip_check_array=True)
        else:
            refuse_text(X)
            X = validate_data(
                estimator, X, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=2
            )
        codec = TableCodec(estimator.categorical_features, max_bins=bins_for(len(X))).fit(X)
        return cls(codec), codec.encode(X)

    def encode(self, estimator: Any, X: Any) -> np.ndarray:
        """Check rows against those of fit and encode them, float32 (n, W)."""
        if self.codec.columns_ is None:
            refuse_text(X)
            X = validate_data(estimator, X, reset=False, dtype="numeric", ensure_all_finite="allow-nan")
        else:
            if isinstance(X, pd.DataFrame):
                refuse_repeated_columns(X)
            validate_data(estimator, X, reset=False, skip_check_array=True)
        return self.codec.encode(X)

    def decode(self, x: np.ndarray, like: Any = None) -> Any:
        """Return rows in the container of fit, with the index of ``like`` if both are frames."""
        made = self.codec.decode(x)
        both = isinstance(like, pd.DataFrame) and isinstance(made, pd.DataFrame)
        return made.set_axis(like.index) if both else made

    def append(self, X: Any, X_new: Any) -> Any:
        """Return the rows of X followed by new ones, in the container of X."""
        return appended(X, X_new)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        return self.codec.state()

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TableIntake:
        """Rebuild an intake from :meth:`state`."""
        return cls(TableCodec.from_state(meta, arrays))


#: kind -> intake; a saved model names its kind.
INTAKES = {"table": TableIntake}


def open_intake(estimator: Any, X: Any) -> tuple[Intake, np.ndarray]:
    """Choose the intake for the training data, fit it, and return it with the encoded rows.

    Parameters
    ----------
    estimator : VAEAugmenter
        Its parameters say how data is to be read; it is told the number and names of features.
    X : as in fit

    Raises
    ------
    InputError
        For data that cannot be learned from.
    """
    if estimator.image_shape is not None:
        raise InputError(
            f"image_shape must be None, since images are not supported yet; got {estimator.image_shape!r}."
        )
    return TableIntake.fit(estimator, X)
