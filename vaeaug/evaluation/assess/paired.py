"""What chance explains of the difference of two strategies: the same rows, compared row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vaeaug.evaluation.assess.metrics import LEAST_PROBABILITY
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.utils.random import numpy_generator

__all__ = ["PairedRows"]

_WEIGHTS = 71
#: Numbers that the weights of rows take, at most, and how many draws that may mean.
_MOST_WEIGHTS, _FEWEST_DRAWS, _MOST_DRAWS = 4_000_000, 50, 200


@dataclass(frozen=True)
class PairedRows:
    """Predictions that strategies made of the same held-out rows.

    Rows are weighted at random (the Bayesian bootstrap, Rubin 1981: weights are exponential), in all folds
    and for all strategies alike. What a difference of two strategies then varies by is what chance explains
    of the choice of rows. What their differences vary by from fold to fold beyond that is due to the training
    of classifiers and samplers.

    Parameters
    ----------
    problem : Problem
    outcomes : sequence of Outcome
    folds : sequence of Fold
    seed : int
    groups : ndarray of int (n,), optional
        Rows of one group weigh alike: they depend on each other.
    """

    problem: Problem
    outcomes: Sequence[Outcome]
    folds: Sequence[Fold]
    seed: int
    groups: np.ndarray | None = None
    _drawn: dict[tuple[str, str], np.ndarray | None] = field(default_factory=dict)

    def error(self, strategy: str, metric: str, than: str) -> float | None:
        """Return the standard error of the mean difference of a metric between two strategies.

        None where it cannot be had: for scores of a scorer, and strategies that did not run in every fold.
        """
        first, second = self._draw(strategy, metric), self._draw(than, metric)
        if first is None or second is None:
            return None
        moved = first - second  # (folds, 1 + draws), at first without weights
        rows = float(moved[:, 1:].mean(axis=0).var(ddof=1))
        if len(moved) < 2:
            return float(np.sqrt(rows))
        within = float(moved[:, 1:].var(axis=1, ddof=1).mean())
        between = max(0.0, float(moved[:, 0].var(ddof=1)) - within)
        # Training rows of folds overlap, so that their trainings are alike too (Nadeau and Bengio 2003).
        share = float(np.mean([len(fold.test) / len(fold.train) for fold in self.folds]))
        return float(np.sqrt(rows + between * (1 / len(moved) + min(share, 1.0))))

    def ranks_better_than_chance(self, strategy: str) -> bool:
        """Tell whether a strategy's ROC AUC lies two standard errors above 0.5; True where it has none."""
        drawn = self._draw(strategy, "roc_auc")
        if drawn is None:
            return True
        means = drawn.mean(axis=0)
        return bool(means[0] - 2 * means[1:].std(ddof=1) > 0.5)

    def _draw(self, strategy: str, metric: str) -> np.ndarray | None:
        """Return a metric in each fold (rows), without weights and under every draw of them (columns)."""
        if (strategy, metric) not in self._drawn:
            self._drawn[strategy, metric] = self._measure(strategy, metric)
        return self._drawn[strategy, metric]

    def _measure(self, strategy: str, metric: str) -> np.ndarray | None:
        mine = {each.fold: each for each in self.outcomes if each.strategy == strategy and not each.error}
        measure = _MEASURES.get(metric)
        if measure is None or len(mine) < len(self.folds):
            return None
        found = []
        for fold in self.folds:
            truth = self.problem.codes(fold.test)
            values = measure(truth, mine[fold.number], self.problem.minority, self._weights[:, fold.test])
            if values is None:
                return None
            found.append(values)
        return np.array(found)

    @property
    def _weights(self) -> np.ndarray:
        """Weights of all rows: 1 in the first line, those of a draw in each of the others."""
        key: Any = ("weights", "")
        if key not in self._drawn:
            units = np.arange(len(self.problem.y)) if self.groups is None else self.groups
            size = int(units.max()) + 1
            draws = int(np.clip(_MOST_WEIGHTS // size, _FEWEST_DRAWS, _MOST_DRAWS))
            rng = numpy_generator(self.seed, _WEIGHTS)
            drawn = rng.standard_exponential((draws, size), dtype=np.float32)
            whole = np.concatenate([np.ones((1, size), dtype=np.float32), drawn])
            self._drawn[key] = whole[:, units]
        return np.asarray(self._drawn[key])


# -- metrics of weighted rows (b, n): one value for each line of weights, (b,) ------------------------------


def _rank(one: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., np.ndarray | None]:
    """Return the mean of a ranking metric over the classes that it is about."""

    def measure(truth: np.ndarray, outcome: Outcome, minority: int, weights: np.ndarray) -> np.ndarray | None:
        if outcome.ranks is None:
            return None
        classes = [minority] if outcome.ranks.shape[1] == 2 else list(range(outcome.ranks.shape[1]))
        found = []
        for k in classes:
            positive = truth == k
            if positive.any() and not positive.all():
                order = np.argsort(-outcome.ranks[:, k], kind="stable")
                ends = np.flatnonzero(np.append(np.diff(outcome.ranks[order, k]) != 0, True))
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
    return 2 * hits / np.maximum(both, 1e-30)


def _average(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ values / weights.sum(axis=1)


def _log_loss(truth: np.ndarray, outcome: Outcome, minority: int, weights: np.ndarray) -> np.ndarray | None:
    if outcome.probabilities is None:
        return None
    own = outcome.probabilities[np.arange(len(truth)), truth]
    return _average(-np.log(np.clip(own, LEAST_PROBABILITY, 1)), weights)


def _brier(truth: np.ndarray, outcome: Outcome, minority: int, weights: np.ndarray) -> np.ndarray | None:
    if outcome.probabilities is None:
        return None
    count = outcome.probabilities.shape[1]
    squares = ((outcome.probabilities - np.eye(count)[truth]) ** 2).sum(axis=1)
    return _average(squares / (2 if count == 2 else 1), weights)


def _decide(name: str, one: Callable[..., np.ndarray]) -> Callable[..., np.ndarray | None]:
    def measure(truth: np.ndarray, outcome: Outcome, minority: int, weights: np.ndarray) -> np.ndarray | None:
        labels = outcome.decisions.get(name)
        return None if labels is None else one(truth, labels, minority, weights)

    return measure


_MEASURES: Mapping[str, Callable[..., np.ndarray | None]] = {
    "average_precision": _rank(_average_precision),
    "roc_auc": _rank(_area),
    "balanced_accuracy": _decide("balanced_accuracy", _balance),
    "f1": _decide("f1", _f1),
    "tuned_balanced_accuracy": _decide("tuned_balanced_accuracy", _balance),
    "tuned_f1": _decide("tuned_f1", _f1),
    "log_loss": _log_loss,
    "brier": _brier,
}
