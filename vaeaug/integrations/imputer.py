"""`VAEImputer`: missing cells filled by a step of a scikit-learn pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from vaeaug.augmenter import VAEAugmenter
from vaeaug.errors import InputError
from vaeaug.utils.frames import Home, to_pandas
from vaeaug.utils.random import derive_seed
from vaeaug.utils.validation import check_number

__all__ = ["VAEImputer"]


class VAEImputer(TransformerMixin, BaseEstimator):
    """Fill missing cells of a table, of every dtype, with a model of how its columns depend on each other.

    Parameters
    ----------
    augmenter : VAEAugmenter, optional
        What learns the rows; a copy is fitted. By default ``VAEAugmenter()``.
    draws : int, default=10
        How many times each cell is drawn. Of a number the mean is taken, of anything else the most frequent
        draw. 1 takes the draw as it is, which varies as real values do.
    add_indicator : bool, default=False
        Whether to append a column for each one that had missing cells in fit, which says where they are.
    random_state : int, RandomState or None, default=None
        Decides the fit, unless the augmenter has a ``random_state`` of its own, and the draws: the same rows
        are filled alike in every call.

    Attributes
    ----------
    augmenter_ : VAEAugmenter
        The fitted copy.
    indicated_ : ndarray of int64
        Positions of the columns that had missing cells in fit.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only if the columns have names.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.integrations.imputer import VAEImputer
    >>> X = pd.DataFrame({"size": [*np.arange(59) / 4, None], "kind": ["small"] * 30 + ["large"] * 30})
    >>> imputer = VAEImputer(VAEAugmenter(max_iter=2), add_indicator=True, random_state=0)
    >>> found = imputer.fit_transform(X)
    >>> found.columns.tolist(), int(found.isna().sum().sum())
    (['size', 'kind', 'missingindicator_size'], 0)
    """

    def __init__(
        self,
        augmenter: VAEAugmenter | None = None,
        *,
        draws: int = 10,
        add_indicator: bool = False,
        random_state: Any = None,
    ) -> None:
        self.augmenter = augmenter
        self.draws = draws
        self.add_indicator = add_indicator
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> VAEImputer:
        """Learn the rows; y is not used.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, d)
            A table, as VAEAugmenter takes it.
        y : ignored

        Returns
        -------
        self
        """
        check_number("draws", self.draws, low=1, integer=True)
        self._seed = derive_seed(self.random_state)
        augmenter = VAEAugmenter() if self.augmenter is None else clone(self.augmenter)
        if augmenter.random_state is None:
            augmenter.set_params(random_state=self._seed)
        self.augmenter_ = augmenter.fit(X)
        if augmenter.image_shape_ is not None:
            raise InputError("VAEImputer fills the cells of a table; X holds images.")
        self.indicated_ = np.flatnonzero(_missing_cells(X).any(0))
        self.n_features_in_ = augmenter.n_features_in_
        if hasattr(augmenter, "feature_names_in_"):
            self.feature_names_in_ = augmenter.feature_names_in_
        return self

    def transform(self, X: Any) -> Any:
        """Return rows with their missing cells filled, in the container and dtypes of X.

        Parameters
        ----------
        X : as in fit

        Returns
        -------
        X : as X
            With a column for each indicator, of booleans in frames and of numbers in arrays.
        """
        check_is_fitted(self)
        home = Home.of(X)
        missing = _missing_cells(X)
        draws = self.augmenter_.complete(to_pandas(X), draws=self.draws, random_state=self._seed)
        filled = draws if self.draws == 1 else _combine(draws, missing)
        if not self.add_indicator:
            return filled if home is None else home.wrap(filled)
        shown = missing[:, self.indicated_]
        if not isinstance(filled, pd.DataFrame):
            return np.concatenate([filled, shown.astype(filled.dtype)], axis=1)
        names = self.get_feature_names_out()[self.n_features_in_ :]
        return pd.concat([filled, pd.DataFrame(shown, columns=names, index=filled.index)], axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns, those of indicators last."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)])
        listed = list(names if input_features is None else input_features)
        more = [f"missingindicator_{listed[j]}" for j in self.indicated_] if self.add_indicator else []
        return np.array([*listed, *more], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


def _missing_cells(X: Any) -> np.ndarray:
    """Return which cells are missing, bool (n, d)."""
    return np.asarray(pd.isna(pd.DataFrame(to_pandas(X))))


def _combine(draws: list[Any], missing: np.ndarray) -> Any:
    """Return the mean of drawn numbers, and the most frequent of other draws."""
    filled = draws[0].copy()
    frames = [pd.DataFrame(draw) for draw in draws]
    for j in np.flatnonzero(missing.any(0)).tolist():
        rows = np.flatnonzero(missing[:, j])
        parts: list[pd.Series] = [frame.iloc[:, j].iloc[rows] for frame in frames]
        dtype = parts[0].dtype
        if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
            best: pd.Series = pd.concat(parts, axis=1).astype("float64").mean(axis=1)
            best = best.round() if pd.api.types.is_integer_dtype(dtype) else best
        else:
            best = pd.concat([part.astype(object) for part in parts], axis=1).mode(axis=1)[0]
        if isinstance(filled, pd.DataFrame):
            column = filled.iloc[:, j].copy()
            column.iloc[rows] = best.astype(dtype).array
            filled.isetitem(j, column.array)
        else:
            filled[rows, j] = best.to_numpy()
    return filled
