"""What fit has learned, as one frozen value, and the encoding of data and labels against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from vaeaug.data.adapters import Intake
from vaeaug.data.labels.class_weights import class_numbers
from vaeaug.data.labels.context import ContextCodec, encode_labels
from vaeaug.data.tables.conditions import TableConditions
from vaeaug.errors import InputError, UnknownLabelError
from vaeaug.latent import arithmetic
from vaeaug.model.model import Model
from vaeaug.utils.wording import list_names

__all__ = ["Anchors", "EncodedRows", "FittedState", "adopt", "copy_features", "get_fitted"]


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


@dataclass(frozen=True)
class EncodedRows:
    """Rows of the user as the model takes them.

    Parameters
    ----------
    x : ndarray of float32, shape (n, W) or (n, C, H, W)
    c : ndarray of float32, shape (n, K)
        Contexts: encoded labels.
    X : as in fit
        The rows themselves, which give results their container and index.
    """

    x: np.ndarray
    c: np.ndarray
    X: Any


@dataclass(frozen=True, eq=False, repr=False)
class FittedState:
    """Everything that the methods of a fitted augmenter work from.

    Parameters
    ----------
    intake : Intake
        Between the user's rows and encoded ones.
    context : ContextCodec
        Between labels and contexts.
    model : Model
    anchors : Anchors
    seed : int
        Of fit.
    features : BaseEstimator
        Knows number and names of the features of fit, with which scikit-learn compares those of new rows.
    rows : int
        Training rows; 0 where a file does not say.
    parameters : dict
        Those of the estimator that a warm fit cannot change.
    """

    intake: Intake
    context: ContextCodec
    model: Model
    anchors: Anchors
    seed: int
    features: BaseEstimator
    rows: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def codec(self) -> Any:
        """What encodes rows: data to float32 arrays and back."""
        return self.intake.codec

    @property
    def is_image(self) -> bool:
        """Whether rows are images."""
        return bool(self.codec.layout.is_image)

    def encode(self, X: Any) -> np.ndarray:
        """Check rows against those of fit and encode them, float32 (n, W) or (n, C, H, W)."""
        try:
            return self.intake.encode(self.features, X)
        except InputError as error:
            advice = self._advise(X)
            if not advice:
                raise
            raise InputError(f"{str(error).rstrip()}\n{advice}") from error

    def _advise(self, X: Any) -> str:
        """Return how to make the columns of refused rows those of fit; empty where these are not at fault."""
        named = self._name_targets(getattr(X, "columns", []))
        if named:
            columns = named if len(named) > 1 else named[0]
            return (
                f"{list_names(named)} is what fit took for y: drop it from X, X.drop(columns={columns!r}), "
                f"or, where a method takes y, as complete does, pass y={columns!r}, which takes it out of X."
            )
        features = list(getattr(self.features, "feature_names_in_", []))
        has_names = bool(features) and isinstance(X, pd.DataFrame) and X.columns.is_unique
        if not has_names or list(X.columns) == features:
            return ""
        lost = [name for name in features if name not in X.columns]
        added = f"Add {list_names(lost)} to X, and pass" if lost else "Pass"
        advice = f"{added} X[list(augmenter.feature_names_in_)]."
        extra = [name for name in X.columns if name not in features]
        if self.context.container in ("array", "series") and len(extra) == 1 and not lost:
            advice += f" If {extra[0]!r} holds the labels, pass y={extra[0]!r}, which takes it out of X."
        return advice

    def condition(self, where: Any) -> TableConditions | None:
        """Read conditions on columns; None for none."""
        self.refuse_targets("where", where if isinstance(where, Mapping) else {})
        return self.intake.condition(where)

    def refuse_targets(self, parameter: str, asked: Any) -> None:
        """Refuse to read the target, or a control variable, as a column of X.

        Raises
        ------
        InputError
        """
        for name in self._name_targets(asked):
            raise InputError(
                f"{parameter} names {name!r}, which is no column of X but the target; pass "
                f"{self._ask_for(name, asked[name], f'{parameter}[{name!r}]')} for it."
            )

    def _ask_for(self, name: Any, asked: Any, code: str) -> str:
        """Return how to pass what is asked of a target as y: a column, which is code, or a condition."""
        classes = [] if self.context.classes_ is None else self.context.classes_.tolist()
        if isinstance(asked, pd.Series):
            if asked.nunique(dropna=False) > 1:
                return f"y={code}"
            classes = asked.dropna().tolist() or classes
        value = asked if np.isscalar(asked) and asked in classes else next(iter(classes), 1.5)
        label = {name: value} if self.context.container == "frame" else value
        return f"y={label!r}"

    def _name_targets(self, columns: Any) -> list[Any]:
        """Return which of some columns are targets of fit, and no features."""
        own = getattr(self.codec, "columns_", None)
        features = [] if own is None else list(own)
        return [name for name in self.context.names if name in list(columns) and name not in features]

    def read(self, X: Any, y: Any) -> EncodedRows:
        """Encode rows and their labels, of which y may be one for all, one per row, or None."""
        data = self.intake.open(X, y)
        x = self.encode(data.X)
        return EncodedRows(x, self.encode_labels(data.y, len(x)), data.X)

    def encode_labels(self, y: Any, n: int) -> np.ndarray:
        """Encode labels that may be unknown, one for all, or one per row."""
        if y is not None and self.is_one_label(y):
            y = self.as_labels(y, n)
        with self._name_classes():
            return encode_labels(self.context, y, n)

    def as_labels(self, y: Any, n: int) -> Any:
        """Return n labels in the container of fit; see :meth:`ContextCodec.as_labels`.

        Raises
        ------
        UnknownLabelError
            For labels that fit has not seen; of images, it names the classes that the numbers stand for.
        """
        with self._name_classes():
            return self.context.as_labels(y, n)

    @contextmanager
    def _name_classes(self) -> Iterator[None]:
        """Let errors about unknown labels name the classes that numbers stand for."""
        try:
            yield
        except UnknownLabelError as error:
            names = getattr(self.intake, "class_names", None)
            if not names:
                raise
            raise UnknownLabelError(f"{error} They number the classes {list_names(names)}.") from error

    def is_one_label(self, y: Any) -> bool:
        """Whether y is the label of one row, not a list of labels."""
        is_row = isinstance(y, Mapping) or (self.context.container == "frame" and isinstance(y, pd.Series))
        return is_row or np.ndim(y) == 0

    def number_classes(self, c: np.ndarray) -> np.ndarray:
        """Return the class number of each context, int64 (n,); one number for all without classes."""
        return class_numbers(c, self.context.class_block)

    def decode(self, z: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Return the likeliest encoded row of each code."""
        return self.model.decode(z, c, temperature=0.0, seed=self.seed)

    def change_images(
        self, x: np.ndarray, first: tuple[np.ndarray, np.ndarray], then: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Return images changed as their decoded copies do between two pairs of codes and contexts."""
        return arithmetic.add_back(x, self.decode(*first), self.decode(*then))


def get_fitted(augmenter: Any) -> FittedState:
    """Return what an augmenter has learned.

    Raises
    ------
    NotFittedError
    """
    check_is_fitted(augmenter)
    fitted: FittedState = augmenter.fitted_
    return fitted


def adopt(
    augmenter: Any, fitted: FittedState, history: pd.DataFrame, changes: pd.DataFrame | None = None
) -> None:
    """Give an augmenter what was learned; its sequence of samples begins anew."""
    augmenter.changes_ = changes
    augmenter.fitted_, augmenter.calls_, augmenter.named_ = fitted, 0, 0
    augmenter.classes_ = fitted.context.classes_
    augmenter.history_ = history
    augmenter.n_iter_ = int((history["stage"] == "network").sum())


def copy_features(augmenter: Any) -> BaseEstimator:
    """Return an augmenter that only knows the number and names of features, for messages of its class."""
    features: BaseEstimator = object.__new__(type(augmenter))
    for name in ("n_features_in_", "feature_names_in_"):
        if name in vars(augmenter):
            setattr(features, name, getattr(augmenter, name))
    return features
