"""What is judged, the folds it is judged in, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vaeaug.evaluation.assess.metrics import Said, measure
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.rows import select_rows

__all__ = ["Fold", "Outcome", "Problem"]

_FOLD = 41


@dataclass(frozen=True)
class Problem:
    """What is to be judged: a classifier, rows, labels, and the class that counts.

    Parameters
    ----------
    estimator : classifier
    X : rows
    y : ndarray (n,)
        Labels.
    classes : ndarray (k,)
        Sorted labels.
    minority : int
        Number of the class that F1 and thresholds are about.
    scorers : mapping of str to callable
        ``scorer(fitted, X, y) -> float``, measured in addition, by these names.
    tune_thresholds : bool
        Whether decision thresholds are chosen: on the test rows of the other folds, or, of a single fold, on
        rows held out inside its training rows.
    caller : str
        Named in errors.
    weights : ndarray (n,), optional
        How much each row counts, in training and in all scores.
    """

    estimator: Any
    X: Any
    y: np.ndarray
    classes: np.ndarray
    minority: int
    scorers: Mapping[str, Callable[..., float]] = field(default_factory=dict)
    tune_thresholds: bool = True
    caller: str = "assess"
    weights: np.ndarray | None = None

    def codes(self, rows: np.ndarray) -> np.ndarray:
        """Return labels of rows as numbers."""
        return np.searchsorted(self.classes, self.y[rows])

    def weigh(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the weights of rows, None if all count alike."""
        return None if self.weights is None else self.weights[rows]

    def measure(self, said: Said, rows: np.ndarray) -> dict[str, float]:
        """Return every metric of what was said about rows."""
        return measure(self.codes(rows), said, self.minority, self.weigh(rows))

    def ask_scorers(self, fitted: Any, rows: np.ndarray) -> dict[str, float]:
        """Return what the scorers say of a fitted classifier on rows."""
        weights = self.weigh(rows)
        weighted = {} if weights is None else {"sample_weight": weights}
        X = select_rows(self.X, rows) if self.scorers else None
        return {name: float(one(fitted, X, self.y[rows], **weighted)) for name, one in self.scorers.items()}


@dataclass(frozen=True)
class Fold:
    """Positions of the rows to train on and to test on, and a seed where the number does not give one."""

    number: int
    train: np.ndarray
    test: np.ndarray
    seed: int | None = None

    def derive_seed(self, seed: int) -> int:
        """Return the seed of this fold."""
        if self.seed is not None:
            return self.seed
        return int(numpy_generator(seed, _FOLD, self.number).integers(2**31 - 1))


@dataclass
class Outcome:
    """Scores and predictions of one strategy in one fold.

    Parameters
    ----------
    strategy : str
    fold : int
    scores : dict of str to float
        By metric; empty if it failed.
    seconds : float
        Making rows, fitting and predicting, the shared work counted in full.
    minority : ndarray (n_test,) or None
        Probability given to the minority class.
    probabilities : ndarray (n_test, k) or None
        Of all classes.
    error : str
        Why it failed; empty if it did not.
    ranks : ndarray (n_test, k) or None
        By which rows are ranked for each class: probabilities, or decision values.
    decisions : dict of str to ndarray (n_test,)
        Numbers of the classes decided for, by the metrics of decisions.
    shift : ndarray (k,) or None
        Share of each class among real rows, divided by that in training: what corrected the probabilities.
    """

    strategy: str
    fold: int
    scores: dict[str, float] = field(default_factory=dict)
    seconds: float = np.nan
    minority: np.ndarray | None = None
    error: str = ""
    probabilities: np.ndarray | None = None
    ranks: np.ndarray | None = None
    decisions: dict[str, np.ndarray] = field(default_factory=dict)
    shift: np.ndarray | None = None
