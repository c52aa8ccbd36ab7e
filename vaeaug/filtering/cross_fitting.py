"""Cross-fitting: models of real rows, each trained without one fold, and scores of the rows it left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["cross_fit", "find_quantiles"]


def cross_fit(
    groups: np.ndarray,
    folds: int,
    rng: np.random.Generator,
    fit: Callable[[np.ndarray, int], Any],
    score: Callable[[Any, np.ndarray], np.ndarray],
) -> tuple[list[Any], np.ndarray]:
    """Fit a model without each fold, and score the rows of the fold by it.

    Parameters
    ----------
    groups : ndarray of int64 (n,)
        Classes as numbers; folds share them evenly.
    folds : int
    rng : Generator
        Decides the folds.
    fit : callable
        Takes positions of rows and the number of the fold; returns a model, or None where nothing can be
        learned from these rows.
    score : callable
        Takes a model and positions of rows that it has not seen; returns their scores.

    Returns
    -------
    models : list
    scores : ndarray (n,)
        NaN for rows of folds without a model.
    """
    order = np.lexsort((rng.random(len(groups)), groups))
    fold = np.empty(len(groups), dtype=np.int64)
    fold[order] = np.arange(len(groups)) % folds  # classes lie in a row, so folds share them evenly
    models, scores = [], np.full(len(groups), np.nan)
    for k in range(folds):
        model = fit(np.flatnonzero(fold != k), k)
        if model is None:
            continue
        models.append(model)
        held = np.flatnonzero(fold == k)
        if len(held):
            scores[held] = score(model, held)
    return models, scores


def find_quantiles(scores: np.ndarray, groups: np.ndarray, size: int, share: float) -> np.ndarray:
    """Return a quantile of the scores of each class, (size,); −inf for classes without a score."""
    found = np.full(size, -np.inf)
    for group in range(size):
        known = scores[(groups == group) & ~np.isnan(scores)]
        if len(known):
            found[group] = np.quantile(known, share)
    return found
