"""Cross-validation of several strategies: every one is fitted inside the training fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.utils.metaestimators import available_if

from vaeaug.evaluation.assess.metrics import (
    Thresholds,
    apply_thresholds,
    best_thresholds,
    decide_classes,
    measure,
    measure_decisions,
)
from vaeaug.evaluation.assess.strategies import (
    Baseline,
    Strategy,
    Training,
    explain_failure,
    train,
)
from vaeaug.utils.memory import RecentResults
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.rows import select_rows, stack_rows

__all__ = ["Fold", "Outcome", "Problem", "cross_validate"]

_FOLD, _INNER = 41, 42
_FEW_ROWS = 2_000


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
    scorer : callable, optional
        ``scorer(fitted, X, y) -> float``, measured in addition, as ``"score"``.
    tune_thresholds : bool
        Whether decision thresholds are chosen: on the test rows of the other folds, or, of a single fold, on
        rows held out inside its training rows.
    caller : str
        Named in errors.
    """

    estimator: Any
    X: Any
    y: np.ndarray
    classes: np.ndarray
    minority: int
    scorer: Callable[..., float] | None = None
    tune_thresholds: bool = True
    caller: str = "assess"

    def codes(self, rows: np.ndarray) -> np.ndarray:
        """Return labels of rows as numbers."""
        return np.searchsorted(self.classes, self.y[rows])


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


def cross_validate(
    problem: Problem,
    strategies: Sequence[Strategy],
    folds: Sequence[Fold],
    *,
    seed: int,
    n_jobs: Any,
    verbose: bool,
) -> list[Outcome]:
    """Try every strategy in every fold.

    Parameters
    ----------
    problem : Problem
    strategies : sequence of Strategy
        The first is the one that others are compared with; its errors are raised, the others' recorded.
    folds : sequence of Fold
    seed : int
    n_jobs : int or None
        Folds tried at the same time, as joblib takes it.
    verbose : bool
        Whether to show a progress bar.

    Returns
    -------
    list of Outcome
        By fold, then by strategy.
    """
    several = len(folds) > 1
    each = replace(problem, tune_thresholds=problem.tune_thresholds and not several)
    work = (delayed(_try_fold)(each, strategies, fold, fold.derive_seed(seed)) for fold in folds)
    parts: Iterable[list[Outcome]] = Parallel(n_jobs=n_jobs, return_as="generator")(work)
    if verbose:
        from tqdm.auto import tqdm

        parts = tqdm(parts, total=len(folds), desc="folds", unit="fold")
    outcomes = [outcome for part in parts for outcome in part]
    return _tune_across_folds(problem, outcomes, folds) if several and problem.tune_thresholds else outcomes


def _try_fold(problem: Problem, strategies: Sequence[Strategy], fold: Fold, seed: int) -> list[Outcome]:
    """Try every strategy in one fold; only the rows of ``fold.train`` are ever fitted."""
    X, y = select_rows(problem.X, fold.train), problem.y[fold.train]
    X_test = select_rows(problem.X, fold.test)
    memory = RecentResults()  # samplers that differ in what they draw share what they fit
    strategies = [strategy.remember(memory) for strategy in strategies]
    parts = _split_inner(problem.codes(fold.train), seed) if problem.tune_thresholds else []
    found = []
    for strategy in strategies:
        try:
            trainings = strategy.trainings(X, y, seed)
        except Exception as error:
            if strategy.is_reference:
                raise
            found += [Outcome(name, fold.number, error=_describe_error(error)) for name in strategy.names]
            continue
        inner = _make_inner_trainings(strategy, X, y, parts, trainings, seed)
        for name, training in trainings.items():
            try:
                found += _judge(problem, name, training, inner[name], (X, y, X_test), fold, seed)
            except Exception as error:
                if strategy.is_reference:
                    raise
                found.append(Outcome(name, fold.number, error=_describe_error(error)))
    return found


def _describe_error(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def _split_inner(codes: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split a training fold for the choice of thresholds: three folds of few rows, one third of many."""
    least = int(np.bincount(codes).min())
    state = int(numpy_generator(seed, _INNER).integers(2**31 - 1))
    if least < 2:
        return []
    rows = np.zeros(len(codes))
    if len(codes) > _FEW_ROWS:
        return list(StratifiedShuffleSplit(1, test_size=1 / 3, random_state=state).split(rows, codes))
    return list(StratifiedKFold(min(3, least), shuffle=True, random_state=state).split(rows, codes))


#: Trainings of every inner part, with the rows to choose the threshold on.
_Inner = list[tuple[Training, np.ndarray]]


def _make_inner_trainings(
    strategy: Strategy,
    X: Any,
    y: np.ndarray,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    whole: Any,
    seed: int,
) -> dict[str, _Inner]:
    """Return what each strategy trains on in the inner parts; none if that fails, and so no threshold."""
    inner: dict[str, _Inner] = {name: [] for name in whole}
    for kept, held in parts:
        X_kept, y_kept = select_rows(X, kept), y[kept]
        if strategy.reusable and all(training.added is not None for training in whole.values()):
            made = {name: _reuse(training, X_kept, y_kept, len(y)) for name, training in whole.items()}
        else:
            try:
                made = dict(strategy.trainings(X_kept, y_kept, seed))
            except Exception:
                # Any sampler may be handed in, and one that managed the whole fold may refuse a part of
                # it (fewer minority rows than neighbours). Its scores stand; those at a tuned
                # threshold stay empty.
                return {name: [] for name in whole}
        for name, training in made.items():
            inner[name].append((training, held))
    return inner


def _reuse(training: Training, X: Any, y: np.ndarray, rows: int) -> Training:
    """Put the new rows of a training below other real rows, as many as there is room for."""
    new = rows + np.arange(round(int(training.added or 0) * len(y) / rows))
    order = numpy_generator(len(y), rows).permutation(int(training.added or 0))[: len(new)] + rows
    return Training(
        stack_rows(X, select_rows(training.X, order)), np.concatenate([y, training.y[order]]), len(order)
    )


def _judge(
    problem: Problem,
    name: str,
    training: Training,
    inner: _Inner,
    data: tuple[Any, np.ndarray, Any],
    fold: Fold,
    seed: int,
) -> list[Outcome]:
    """Train, choose thresholds on inner rows, and measure on the test rows."""
    X, y, X_test = data
    is_plain = name == Baseline.NOTHING
    with explain_failure(problem.estimator, X, problem.caller) if is_plain else nullcontext():
        trained = train(problem.estimator, training, y, problem.classes, seed)
        start = perf_counter()
        predictions = trained.predictions(X_test)
    seconds = trained.seconds + perf_counter() - start
    thresholds = _choose_thresholds(problem, inner, X, y, seed)
    truth = problem.codes(fold.test)
    scores = measure(truth, predictions, problem.minority, None)
    p = predictions.probabilities
    minority = None if p is None else p[:, problem.minority]
    if problem.scorer is not None:
        scores["score"] = float(problem.scorer(trained, X_test, problem.y[fold.test]))
    decisions = {"balanced_accuracy": predictions.labels, "f1": predictions.labels}
    outcome = Outcome(
        name, fold.number, scores, seconds, minority, "", p, ranks=predictions.scores, decisions=decisions
    )
    return _tune(problem, outcome, thresholds, fold) if problem.tune_thresholds else [outcome]


def _tune_across_folds(problem: Problem, outcomes: Sequence[Outcome], folds: Sequence[Fold]) -> list[Outcome]:
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
        truths, ranks = [], []
        for other in by_strategy[outcome.strategy]:
            rows = by_number[other.fold].test
            new = ~np.isin(rows, fold.test)
            if other.ranks is not None and new.any():
                truths.append(problem.codes(rows[new]))
                ranks.append(other.ranks[new])
        thresholds = None
        if truths:
            thresholds = best_thresholds(np.concatenate(truths), np.concatenate(ranks), problem.minority)
        tuned += _tune(problem, outcome, thresholds, fold)
    return tuned


def _tune(problem: Problem, outcome: Outcome, thresholds: Thresholds | None, fold: Fold) -> list[Outcome]:
    """Add what thresholds decide; of plain training, that is a strategy of its own."""
    is_plain = outcome.strategy == Baseline.NOTHING
    name = Baseline.TUNED_THRESHOLD.value
    if thresholds is None or outcome.ranks is None:
        missing = Outcome(name, fold.number, error="too few rows to choose a threshold on")
        return [outcome, missing] if is_plain else [outcome]
    truth = problem.codes(fold.test)
    moved = apply_thresholds(outcome.ranks, problem.minority, thresholds)
    scores = outcome.scores | measure_decisions(truth, moved, problem.minority)
    outcome = replace(outcome, scores=scores, decisions=outcome.decisions | moved)
    if not is_plain:
        return [outcome]
    decisions = {name.removeprefix("tuned_"): labels for name, labels in moved.items()} | moved
    scores = scores | measure_decisions(truth, decisions, problem.minority)
    if problem.scorer is not None:
        replayed = Replayed(problem.classes, outcome, (problem.minority, thresholds.balanced_accuracy))
        scores["score"] = float(
            problem.scorer(replayed, select_rows(problem.X, fold.test), problem.y[fold.test])
        )
    return [outcome, replace(outcome, strategy=name, scores=scores, decisions=decisions)]


class Replayed(ClassifierMixin, BaseEstimator):
    """What a classifier said about the test rows of a fold, decided at another threshold."""

    def __init__(self, classes: np.ndarray, outcome: Outcome, cut: tuple[int, float]) -> None:
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


def _choose_thresholds(
    problem: Problem, inner: _Inner, X: Any, y: np.ndarray, seed: int
) -> Thresholds | None:
    """Choose thresholds on rows of the training fold that the inner classifiers were not trained on."""
    truths, scores = [], []
    for training, held in inner:
        kept = np.setdiff1d(np.arange(len(y)), held)
        trained = train(problem.estimator, training, y[kept], problem.classes, seed)
        scores.append(trained.predictions(select_rows(X, held)).scores)
        truths.append(np.searchsorted(problem.classes, y[held]))
    if not scores:
        return None
    return best_thresholds(np.concatenate(truths), np.concatenate(scores), problem.minority)
