"""Decision thresholds chosen on other rows, and what they decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if

from vaeaug.evaluation.assess.metrics import (
    Thresholds,
    apply_thresholds,
    best_thresholds,
    decide_classes,
)
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.evaluation.assess.strategies import Baseline

__all__ = ["Replayed", "tune", "tune_across_folds"]


def tune_across_folds(problem: Problem, outcomes: Sequence[Outcome], folds: Sequence[Fold]) -> list[Outcome]:
    """Choose the thresholds of each fold on the test rows of all others, and add what they decide.

    A threshold is one number chosen from many rows, none of which is a test row of the fold. The classifiers
    that scored these rows have been trained without them, though with rows of the fold.
    """
    by_number = {fold.number: fold for fold in folds}
    by_strategy: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.error:
            by_strategy.setdefault(outcome.strategy, []).append(outcome)
    tuned = []
    for outcome in outcomes:
        if outcome.error:
            tuned.append(outcome)
            continue
        fold = by_number[outcome.fold]
        truths, ranks, chosen = [], [], []
        for other in by_strategy[outcome.strategy]:
            rows = by_number[other.fold].test
            new = ~np.isin(rows, fold.test)
            if other.ranks is not None and new.any():
                truths.append(problem.codes(rows[new]))
                ranks.append(other.ranks[new])
                chosen.append(rows[new])
        thresholds = None
        if truths:
            weights = problem.weigh(np.concatenate(chosen))
            told = np.concatenate(truths), np.concatenate(ranks)
            thresholds = best_thresholds(*told, problem.minority, weights)
        tuned += tune(problem, outcome, thresholds, fold)
    return tuned


def tune(problem: Problem, outcome: Outcome, thresholds: Thresholds | None, fold: Fold) -> list[Outcome]:
    """Add what thresholds decide; of plain training, that is a strategy of its own."""
    is_plain = outcome.strategy == Baseline.NOTHING
    name = Baseline.TUNED_THRESHOLD.value
    if thresholds is None or outcome.ranks is None:
        missing = Outcome(name, fold.number, error="too few rows to choose a threshold on")
        return [outcome, missing] if is_plain else [outcome]
    moved = apply_thresholds(outcome.ranks, problem.minority, thresholds)
    outcome = _decide(problem, outcome, moved, fold)
    if not is_plain:
        return [outcome]
    decisions = {name.removeprefix("tuned_"): labels for name, labels in moved.items()}
    decided = _decide(problem, replace(outcome, strategy=name), decisions, fold)
    replayed = Replayed(problem.classes, outcome, (problem.minority, thresholds.balanced_accuracy))
    return [
        outcome,
        replace(decided, scores=decided.scores | problem.ask_scorers(replayed, fold.test)),
    ]


def _decide(problem: Problem, outcome: Outcome, decisions: dict[str, np.ndarray], fold: Fold) -> Outcome:
    """Return an outcome with other decisions, and what these are worth."""
    outcome = replace(outcome, decisions=outcome.decisions | decisions)
    return replace(outcome, scores=outcome.scores | problem.measure(outcome, fold.test))


class Replayed(ClassifierMixin, BaseEstimator):
    """What a classifier said about the test rows of a fold, decided at another threshold."""

    def __init__(self, classes: np.ndarray, outcome: Outcome, cut: tuple[int, float] | None) -> None:
        self.classes = classes
        self.outcome = outcome
        self.cut = cut
        self.classes_ = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> Replayed:
        """Return itself; scorers only ask whether there is such a method."""
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return labels of the test rows."""
        if self.cut is None:
            return self.classes_[self.outcome.decisions["balanced_accuracy"]]
        return self.classes_[decide_classes(self._ranks, *self.cut)]

    @available_if(lambda self: self.outcome.probabilities is not None)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities of the test rows."""
        return np.asarray(self.outcome.probabilities)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return decision values of the test rows."""
        return self._ranks[:, 1] - self._ranks[:, 0] if self._ranks.shape[1] == 2 else self._ranks

    @property
    def _ranks(self) -> np.ndarray:
        return np.asarray(self.outcome.ranks)
