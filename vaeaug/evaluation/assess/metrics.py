"""How good predictions are where one class is small: ranking, decisions, probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

__all__ = [
    "LEAST_PROBABILITY",
    "METRICS",
    "Metric",
    "Predictions",
    "Thresholds",
    "apply_thresholds",
    "best_thresholds",
    "calibration_slope",
    "decide_classes",
    "measure",
    "measure_decisions",
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
    """

    name: str
    title: str
    up: bool = True


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


@dataclass(frozen=True)
class Predictions:
    """What a classifier says about n rows, classes as numbers 0 to k − 1.

    Parameters
    ----------
    labels : ndarray of int (n,)
    scores : ndarray (n, k)
        By which rows are ranked for each class: probabilities, or decision values.
    probabilities : ndarray (n, k) or None
    """

    labels: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray | None


@dataclass(frozen=True)
class Thresholds:
    """From which score on a row is called minority, for the best F1 and the best balanced accuracy."""

    f1: float
    balanced_accuracy: float


def measure(
    truth: np.ndarray, predictions: Predictions, minority: int, thresholds: Thresholds | None
) -> dict[str, float]:
    """Return every metric of :data:`METRICS` for one test fold; NaN where it cannot be had.

    Ranking metrics of more than two classes are means of one-vs-rest values. The Brier score is half the
    squared distance between probabilities and truth for two classes (0 to 1), the whole for more (0 to 2).

    Parameters
    ----------
    truth : ndarray of int (n,)
    predictions : Predictions
    minority : int
        The class that F1 and thresholds are about.
    thresholds : Thresholds or None
        Chosen on other rows.

    Returns
    -------
    dict of str to float
    """
    count = predictions.scores.shape[1]
    labels, found = predictions.labels, {}
    about = [minority] if count == 2 else [k for k in range(count) if (truth == k).any()]
    pairs = [(truth == k, predictions.scores[:, k]) for k in about]
    mixed = [pair for pair in pairs if 0 < pair[0].sum() < len(truth)]
    found["average_precision"] = _mean([average_precision_score(*pair) for pair in mixed])
    found["roc_auc"] = _mean([roc_auc_score(*pair) for pair in mixed])
    found["balanced_accuracy"] = _balance(truth, labels)
    found["f1"] = _f1(truth == minority, labels == minority)
    found["tuned_balanced_accuracy"] = found["tuned_f1"] = np.nan
    if thresholds is not None:
        found |= measure_decisions(
            truth, apply_thresholds(predictions.scores, minority, thresholds), minority
        )
    found["log_loss"] = found["brier"] = np.nan
    if predictions.probabilities is not None:
        p = predictions.probabilities
        own = p[np.arange(len(truth)), truth]
        found["log_loss"] = float(-np.log(np.clip(own, LEAST_PROBABILITY, 1)).mean())
        squares = ((p - np.eye(count)[truth]) ** 2).sum(axis=1)
        found["brier"] = float(squares.mean()) / (2 if count == 2 else 1)
    return found


def apply_thresholds(scores: np.ndarray, minority: int, thresholds: Thresholds) -> dict[str, np.ndarray]:
    """Return the classes (n,) that scores decide at each threshold, by the metric it is the best for."""
    return {
        "tuned_balanced_accuracy": decide_classes(scores, minority, thresholds.balanced_accuracy),
        "tuned_f1": decide_classes(scores, minority, thresholds.f1),
    }


def measure_decisions(
    truth: np.ndarray, decisions: Mapping[str, np.ndarray], minority: int
) -> dict[str, float]:
    """Return balanced accuracy or F1 of decisions, whichever their name says."""
    return {
        name: _f1(truth == minority, labels == minority) if name.endswith("f1") else _balance(truth, labels)
        for name, labels in decisions.items()
    }


def decide_classes(scores: np.ndarray, minority: int, threshold: float) -> np.ndarray:
    """Return the class of each row (n,): minority from a threshold on, else the best of the others."""
    others = scores.copy()
    others[:, minority] = -np.inf
    return np.where(scores[:, minority] >= threshold, minority, others.argmax(axis=1))


def best_thresholds(truth: np.ndarray, scores: np.ndarray, minority: int) -> Thresholds:
    """Choose thresholds on rows that the classifier was not trained on.

    Of several equally good ones the largest; it lies halfway to the next smaller score.

    Parameters
    ----------
    truth : ndarray of int (n,)
    scores : ndarray (n, k)
    minority : int

    Returns
    -------
    Thresholds
    """
    positive, score = truth == minority, scores[:, minority]
    order = np.argsort(-score, kind="stable")
    ordered, hit = score[order], positive[order]
    # A cut is possible only where the score changes.
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    found = np.cumsum(hit)[last]
    taken = last + 1
    everywhere, rest = max(hit.sum(), 1), max(len(hit) - hit.sum(), 1)
    f1 = 2 * found / (taken + hit.sum())
    balanced = found / everywhere - (taken - found) / rest
    # Between two neighbouring scores neither is favoured by rounding.
    below = np.append(ordered[last[:-1] + 1], -np.inf)
    middle = np.where(
        np.isfinite(below), (ordered[last] + np.where(np.isfinite(below), below, 0)) / 2, -np.inf
    )
    return Thresholds(float(middle[f1.argmax()]), float(middle[balanced.argmax()]))


def calibration_slope(minority: np.ndarray, probability: np.ndarray) -> float:
    """Return the slope of the truth on the log-odds predicted: 1 is right, below 1 overconfident.

    The slope of a logistic regression, without penalty, of the truth on an intercept and on
    ``log(p / (1 − p))``, with p kept 0.0001 off 0 and 1 (Cox 1958; Van Calster et al. 2016).

    Parameters
    ----------
    minority : ndarray of bool (n,)
        Whether each row is of the minority class.
    probability : ndarray (n,)
        Predicted for the minority class.

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
    share = y.mean()
    weights = np.array([np.log(share / (1 - share)), 0.0])  # from there Newton's steps do not run away
    for _ in range(100):
        q = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        curvature = (design * (q * (1 - q))[:, None]).T @ design
        try:
            step = np.linalg.solve(curvature, design.T @ (y - q))
        except np.linalg.LinAlgError:
            return np.nan
        size = np.abs(step).max()
        weights = weights + step * min(1.0, 2 / max(size, 1e-300))
        if size < 1e-8:
            return float(weights[1])
    return np.nan


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan


def _balance(truth: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean recall of the classes that are there."""
    return float(np.mean([(labels[truth == k] == k).mean() for k in np.unique(truth)]))


def _f1(truth: np.ndarray, labels: np.ndarray) -> float:
    together = truth.sum() + labels.sum()
    return float(2 * (truth & labels).sum() / together) if together else np.nan
