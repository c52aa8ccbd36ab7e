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
)
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.evaluation.assess.strategies import Baseline

__all__ = ["Replayed", "tune", "tune_across_folds"]


def tune_across_folds(problem: Problem, outcomes: Sequence[Outcome], folds: Sequence[Fold]) -> list[Outcome]:
    """Choose the thresholds of each fold on the test rows of all others, and add what they decide.

    A threshold is one number chosen from many rows, none of which is a test row of the fold. The classifiers
    that scored these rows have been trained without them, though with rows of the fold. Where no other fold
    tests other rows, each half of the test rows gets the threshold of the other half.
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
        rows, ranks = [], []
        for other in by_strategy[outcome.strategy]:
            tested = by_number[other.fold].test
            new = ~np.isin(tested, fold.test)
            if other.ranks is not None and new.any():
                rows.append(tested[new])
                ranks.append(other.ranks[new])
        moved = None
        if rows:
            thresholds = _choose(problem, np.concatenate(rows), np.concatenate(ranks))
            moved = apply_thresholds(np.asarray(outcome.ranks), problem.minority, thresholds)
        elif (problem.codes(fold.test) == problem.minority).sum() >= 2:
            moved = _decide_halves(problem, fold.test, np.asarray(outcome.ranks))
        tuned += tune(problem, outcome, moved, fold)
    return tuned


def _choose(problem: Problem, rows: np.ndarray, ranks: np.ndarray) -> Thresholds:
    return best_thresholds(problem.codes(rows), ranks, problem.minority, problem.weigh(rows))


def _decide_halves(problem: Problem, rows: np.ndarray, ranks: np.ndarray) -> dict[str, np.ndarray]:
    """Return what each half of some rows, by class, is decided for at the thresholds of the other half."""
    codes = problem.codes(rows)
    late = np.zeros(len(rows), dtype=bool)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        late[members[len(members) // 2 :]] = True
    moved: dict[str, np.ndarray] = {}
    for half in (late, ~late):
        thresholds = _choose(problem, rows[~half], ranks[~half])
        for name, labels in apply_thresholds(ranks, problem.minority, thresholds).items():
            moved[name] = np.where(half, labels, moved.get(name, labels))
    return moved


def tune(
    problem: Problem, outcome: Outcome, moved: dict[str, np.ndarray] | None, fold: Fold
) -> list[Outcome]:
    """Add what thresholds decide, by metric; of plain training, that is a strategy of its own."""
    is_plain = outcome.strategy == Baseline.NOTHING
    name = Baseline.TUNED_THRESHOLD.value
    if moved is None:
        missing = Outcome(name, fold.number, error="fewer than 2 rows of a class to choose a threshold on")
        return [outcome, missing] if is_plain else [outcome]
    outcome = _decide(problem, outcome, moved, fold)
    if not is_plain:
        return [outcome]
    decisions = {name.removeprefix("tuned_"): labels for name, labels in moved.items()}
    decided = _decide(problem, replace(outcome, strategy=name), decisions, fold)
    asked = problem.ask_scorers(Replayed(problem.classes, decided), fold.test)
    return [outcome, replace(decided, scores=decided.scores | asked)]


def _decide(problem: Problem, outcome: Outcome, decisions: dict[str, np.ndarray], fold: Fold) -> Outcome:
    """Return an outcome with other decisions, and what these are worth."""
    outcome = replace(outcome, decisions=outcome.decisions | decisions)
    return replace(outcome, scores=outcome.scores | problem.measure(outcome, fold.test))


class Replayed(ClassifierMixin, BaseEstimator):
    """What was said and decided about the test rows of a fold, in the place of a classifier."""

    def __init__(self, classes: np.ndarray, outcome: Outcome) -> None:
        self.classes = classes
        self.outcome = outcome
        self.classes_ = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> Replayed:
        """Return itself; scorers only ask whether there is such a method."""
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return labels of the test rows."""
        return self.classes_[self.outcome.decisions["balanced_accuracy"]]

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
