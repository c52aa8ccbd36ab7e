"""Cross-validation of several strategies: every one is fitted inside the training fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

from vaeaug.evaluation.assess.metrics import Thresholds, best_thresholds, measure
from vaeaug.evaluation.assess.strategies import (
    Baseline,
    Strategy,
    Trained,
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
        Whether decision thresholds are chosen on rows held out inside the training fold.
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
    """

    strategy: str
    fold: int
    scores: dict[str, float] = field(default_factory=dict)
    seconds: float = np.nan
    minority: np.ndarray | None = None
    error: str = ""
    probabilities: np.ndarray | None = None


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
    work = (delayed(_try_fold)(problem, strategies, fold, fold.derive_seed(seed)) for fold in folds)
    parts: Iterable[list[Outcome]] = Parallel(n_jobs=n_jobs, return_as="generator")(work)
    if verbose:
        from tqdm.auto import tqdm

        parts = tqdm(parts, total=len(folds), desc="folds", unit="fold")
    return [outcome for part in parts for outcome in part]


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
    scores = measure(truth, predictions, problem.minority, thresholds)
    p = predictions.probabilities
    minority = None if p is None else p[:, problem.minority]
    if problem.scorer is not None:
        scores["score"] = float(problem.scorer(trained, X_test, problem.y[fold.test]))
    found = [Outcome(name, fold.number, scores, seconds, minority, probabilities=p)]
    if is_plain and problem.tune_thresholds:
        found.append(_move_threshold(problem, trained, found[0], thresholds, X_test, fold))
    return found


def _move_threshold(
    problem: Problem,
    trained: Trained,
    plain: Outcome,
    thresholds: Thresholds | None,
    X_test: Any,
    fold: Fold,
) -> Outcome:
    """Return the outcome of the same classifier with another threshold."""
    name = Baseline.TUNED_THRESHOLD.value
    if thresholds is None:
        return Outcome(name, fold.number, error="too few rows to choose a threshold on")
    scores = dict(plain.scores)
    scores["balanced_accuracy"] = scores["tuned_balanced_accuracy"]
    scores["f1"] = scores["tuned_f1"]
    if problem.scorer is not None:
        moved = replace(trained, cut=(problem.minority, thresholds.balanced_accuracy))
        scores["score"] = float(problem.scorer(moved, X_test, problem.y[fold.test]))
    return Outcome(name, fold.number, scores, plain.seconds, plain.minority)


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
