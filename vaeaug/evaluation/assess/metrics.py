"""How good predictions are where one class is small: ranking, decisions, probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = [
    "MEASURES",
    "METRICS",
    "Metric",
    "Predictions",
    "Said",
    "Thresholds",
    "apply_thresholds",
    "best_thresholds",
    "calibration_slope",
    "decide_classes",
    "measure",
]

#: Probabilities are kept this far off 0 and 1 where a logarithm is taken of them.
LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True)
class Metric:
    """What is measured.

    Parameters
    ----------
    name : str
        As in tables.
    title : str
        As in sentences.
    up : bool
        Whether larger is better.
    scored : bool
        Whether a scorer of scikit-learn measures it: it may be any number, of anything that was predicted.
    """

    name: str
    title: str
    up: bool = True
    scored: bool = False

    @property
    def decides(self) -> bool:
        """Whether a decision threshold can move it."""
        return self.scored or self.name in ("balanced_accuracy", "f1")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("average_precision", "average precision"),
        Metric("roc_auc", "ROC AUC"),
        Metric("balanced_accuracy", "balanced accuracy"),
        Metric("f1", "F1 of the minority class"),
        Metric("tuned_balanced_accuracy", "balanced accuracy at the tuned threshold"),
        Metric("tuned_f1", "F1 of the minority class at the tuned threshold"),
        Metric("log_loss", "log-loss", up=False),
        Metric("brier", "Brier score", up=False),
    )
}


class Said(Protocol):
    """What was said about n rows, classes as numbers 0 to k − 1."""

    @property
    def ranks(self) -> np.ndarray | None:
        """By which rows are ranked for each class, (n, k): probabilities, or decision values."""

    @property
    def probabilities(self) -> np.ndarray | None:
        """Of the classes, (n, k)."""

    @property
    def decisions(self) -> Mapping[str, np.ndarray]:
        """Classes decided for, ints (n,), by the metrics of decisions."""


@dataclass(frozen=True)
class Predictions:
    """What a classifier says about n rows, see :class:`Said`.

    Parameters
    ----------
    labels : ndarray of int (n,)
    ranks : ndarray (n, k)
    probabilities : ndarray (n, k) or None
    """

    labels: np.ndarray
    ranks: np.ndarray
    probabilities: np.ndarray | None

    @property
    def decisions(self) -> dict[str, np.ndarray]:
        """The labels, by the metrics of decisions at the classifier's own threshold."""
        return {"balanced_accuracy": self.labels, "f1": self.labels}


@dataclass(frozen=True)
class Thresholds:
    """From which score on a row is called minority, for the best F1 and the best balanced accuracy."""

    f1: float
    balanced_accuracy: float


def measure(
    truth: np.ndarray, said: Said, minority: int, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Return every metric of :data:`METRICS` for the rows of a test fold; NaN where it cannot be had.

    Ranking metrics of more than two classes are means of one-vs-rest values. The Brier score is half the
    squared distance between probabilities and truth for two classes (0 to 1), the whole for more (0 to 2).

    Parameters
    ----------
    truth : ndarray of int (n,)
    said : Said
    minority : int
        The class that F1 and thresholds are about.
    weights : ndarray (n,), optional
        Of the rows.

    Returns
    -------
    dict of str to float
    """
    lines = np.ones((1, len(truth))) if weights is None else np.asarray(weights)[None]
    found = {name: one(truth, said, minority, lines) for name, one in MEASURES.items()}
    return {name: np.nan if values is None else float(values[0]) for name, values in found.items()}


def apply_thresholds(scores: np.ndarray, minority: int, thresholds: Thresholds) -> dict[str, np.ndarray]:
    """Return the classes (n,) that scores decide at each threshold, by the metric it is the best for."""
    return {
        "tuned_balanced_accuracy": decide_classes(scores, minority, thresholds.balanced_accuracy),
        "tuned_f1": decide_classes(scores, minority, thresholds.f1),
    }


def decide_classes(scores: np.ndarray, minority: int, threshold: float) -> np.ndarray:
    """Return the class of each row (n,): minority from a threshold on, else the best of the others."""
    others = scores.copy()
    others[:, minority] = -np.inf
    return np.where(scores[:, minority] >= threshold, minority, others.argmax(axis=1))


def best_thresholds(
    truth: np.ndarray, scores: np.ndarray, minority: int, weights: np.ndarray | None = None
) -> Thresholds:
    """Choose thresholds on rows that the classifier was not trained on.

    Of several equally good ones the largest; it lies halfway to the next smaller score.

    Parameters
    ----------
    truth : ndarray of int (n,)
    scores : ndarray (n, k)
    minority : int
    weights : ndarray (n,), optional
        Of the rows.

    Returns
    -------
    Thresholds
    """
    score = scores[:, minority]
    order = np.argsort(-score, kind="stable")
    ordered, weight = score[order], np.ones(len(order)) if weights is None else weights[order]
    hit = weight * (truth == minority)[order]
    # A cut is possible only where the score changes.
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    found, taken = np.cumsum(hit)[last], np.cumsum(weight)[last]
    # Where a class has no row, any cut is as good for it.
    everywhere = hit.sum() or 1.0
    rest = weight.sum() - hit.sum() or 1.0
    f1 = 2 * found / (taken + hit.sum())
    balanced = found / everywhere - (taken - found) / rest
    # Between two neighbouring scores neither is favoured by rounding.
    below = np.append(ordered[last[:-1] + 1], -np.inf)
    middle = np.where(
        np.isfinite(below), (ordered[last] + np.where(np.isfinite(below), below, 0)) / 2, -np.inf
    )
    return Thresholds(float(middle[f1.argmax()]), float(middle[balanced.argmax()]))


def calibration_slope(
    minority: np.ndarray, probability: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return the slope of the truth on the log-odds predicted: 1 is right, below 1 overconfident.

    The slope of a logistic regression, without penalty, of the truth on an intercept and on
    ``log(p / (1 − p))``, with p kept 0.0001 off 0 and 1 (Cox 1958; Van Calster et al. 2016).

    Parameters
    ----------
    minority : ndarray of bool (n,)
        Whether each row is of the minority class.
    probability : ndarray (n,)
        Predicted for the minority class.
    weights : ndarray (n,), optional
        Of the rows.

    Returns
    -------
    float
        NaN if the truth is of one kind, the predictions are all the same, or no slope fits best.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.evaluation.assess.metrics import calibration_slope
    >>> rng = np.random.default_rng(0)
    >>> odds = rng.normal(size=20000)
    >>> truth = rng.random(20000) < 1 / (1 + np.exp(-odds))
    >>> round(calibration_slope(truth, 1 / (1 + np.exp(-2 * odds))), 1)
    0.5
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    x = np.log(p / (1 - p))
    y = np.asarray(minority, dtype=np.float64)
    if y.min() == y.max() or np.ptp(x) == 0:
        return np.nan
    design = np.column_stack([np.ones(len(x)), x])
    rows = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    share = np.average(y, weights=rows)
    line = np.array([np.log(share / (1 - share)), 0.0])  # from there Newton's steps do not run away
    for _ in range(100):
        q = 1 / (1 + np.exp(-np.clip(design @ line, -30, 30)))
        curvature = (design * (rows * q * (1 - q))[:, None]).T @ design
        try:
            step = np.linalg.solve(curvature, design.T @ (rows * (y - q)))
        except np.linalg.LinAlgError:
            return np.nan
        size = np.abs(step).max()
        line = line + step * min(1.0, 2 / max(size, 1e-300))
        if size < 1e-8:
            return float(line[1])
    return np.nan


# -- metrics of weighted rows (b, n): one value for each line of weights, (b,) ------------------------------


def _rank(one: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., np.ndarray | None]:
    """Return the mean of a ranking metric over the classes that it is about."""

    def measure(truth: np.ndarray, said: Said, minority: int, weights: np.ndarray) -> np.ndarray | None:
        if said.ranks is None:
            return None
        classes = [minority] if said.ranks.shape[1] == 2 else list(range(said.ranks.shape[1]))
        found = []
        for k in classes:
            positive = truth == k
            if positive.any() and not positive.all():
                order = np.argsort(-said.ranks[:, k], kind="stable")
                ends = np.flatnonzero(np.append(np.diff(said.ranks[order, k]) != 0, True))
                ordered = weights[:, order].astype(np.float64)
                hits = np.cumsum(ordered * positive[order], axis=1)[:, ends]
                found.append(one(hits, np.cumsum(ordered, axis=1)[:, ends]))
        return np.mean(found, axis=0) if found else None

    return measure


def _average_precision(hits: np.ndarray, taken: np.ndarray) -> np.ndarray:
    steps = np.diff(hits, axis=1, prepend=0)
    return (steps * hits / taken).sum(axis=1) / hits[:, -1]


def _area(hits: np.ndarray, taken: np.ndarray) -> np.ndarray:
    misses = taken - hits
    steps = np.diff(misses, axis=1, prepend=0)
    heights = hits - np.diff(hits, axis=1, prepend=0) / 2
    return (steps * heights).sum(axis=1) / (hits[:, -1] * misses[:, -1])


def _balance(truth: np.ndarray, labels: np.ndarray, minority: int, weights: np.ndarray) -> np.ndarray:
    recalls = []
    for k in np.unique(truth):
        own = weights[:, truth == k]
        recalls.append(own[:, labels[truth == k] == k].sum(axis=1) / own.sum(axis=1))
    return np.mean(recalls, axis=0)


def _f1(truth: np.ndarray, labels: np.ndarray, minority: int, weights: np.ndarray) -> np.ndarray:
    own, said = truth == minority, labels == minority
    hits = weights[:, own & said].sum(axis=1)
    both = weights[:, own].sum(axis=1) + weights[:, said].sum(axis=1)
    return np.where(both > 0, 2 * hits / np.maximum(both, 1e-300), np.nan)


def _average(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ values / weights.sum(axis=1)


def _log_loss(truth: np.ndarray, said: Said, minority: int, weights: np.ndarray) -> np.ndarray | None:
    if said.probabilities is None:
        return None
    own = said.probabilities[np.arange(len(truth)), truth]
    return _average(-np.log(np.clip(own, LEAST_PROBABILITY, 1)), weights)


def _brier(truth: np.ndarray, said: Said, minority: int, weights: np.ndarray) -> np.ndarray | None:
    if said.probabilities is None:
        return None
    count = said.probabilities.shape[1]
    squares = ((said.probabilities - np.eye(count)[truth]) ** 2).sum(axis=1)
    return _average(squares / (2 if count == 2 else 1), weights)


def _decide(name: str, one: Callable[..., np.ndarray]) -> Callable[..., np.ndarray | None]:
    def measure(truth: np.ndarray, said: Said, minority: int, weights: np.ndarray) -> np.ndarray | None:
        labels = said.decisions.get(name)
        return None if labels is None else one(truth, labels, minority, weights)

    return measure


MEASURES: Mapping[str, Callable[..., np.ndarray | None]] = {
    "average_precision": _rank(_average_precision),
    "roc_auc": _rank(_area),
    "balanced_accuracy": _decide("balanced_accuracy", _balance),
    "f1": _decide("f1", _f1),
    "tuned_balanced_accuracy": _decide("tuned_balanced_accuracy", _balance),
    "tuned_f1": _decide("tuned_f1", _f1),
    "log_loss": _log_loss,
    "brier": _brier,
}
