"""Cross-validation of several ways to train: every one is fitted inside the training fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

from vaeaug.evaluation.assess.metrics import Thresholds, best_thresholds, measure
from vaeaug.evaluation.assess.strategies import (
    PLAIN,
    Trained,
    Training,
    Way,
    explain_failure,
    train,
)
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.rows import select_rows, stack_rows

__all__ = ["TUNED_THRESHOLD", "Fold", "Outcome", "Problem", "cross_validate"]

#: The arm of plain training with another decision threshold.
TUNED_THRESHOLD = "tuned threshold"

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
    rare : int
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
    rare: int
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
    """Scores and predictions of one arm in one fold.

    Parameters
    ----------
    arm : str
    fold : int
    scores : dict of str to float
        By metric; empty if it failed.
    seconds : float
        Making rows, fitting and predicting, the shared work counted in full.
    rare : ndarray (n_test,) or None
        Probability given to the rare class.
    probabilities : ndarray (n_test, k) or None
        Of all classes.
    error : str
        Why it failed; empty if it did not.
    """

    arm: str
    fold: int
    scores: dict[str, float] = field(default_factory=dict)
    seconds: float = np.nan
    rare: np.ndarray | None = None
    error: str = ""
    probabilities: np.ndarray | None = None


def cross_validate(
    problem: Problem, ways: Sequence[Way], folds: Sequence[Fold], *, seed: int, n_jobs: Any, verbose: bool
) -> list[Outcome]:
    """Try every way in every fold.

    Parameters
    ----------
    problem : Problem
    ways : sequence of Way
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
        By fold, then by way.
    """
    work = (delayed(_try_fold)(problem, ways, fold, fold.derive_seed(seed)) for fold in folds)
    found = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(work)
    outcomes = [outcome for part in _show_progress(found, len(folds), verbose) for outcome in part]
    place = {name: i for i, name in enumerate(name for way in ways for name in _list_arms(way))}
    return sorted(outcomes, key=lambda outcome: (outcome.fold, place[outcome.arm]))


def _list_arms(way: Way) -> list[str]:
    return [*way.names, TUNED_THRESHOLD] if way.is_baseline else list(way.names)


def _show_progress(parts: Iterator[list[Outcome]], count: int, verbose: bool) -> Iterator[list[Outcome]]:
    if not verbose:
        yield from parts
        return
    from tqdm.auto import tqdm

    yield from tqdm(parts, total=count, desc="folds", unit="fold")


def _try_fold(problem: Problem, ways: Sequence[Way], fold: Fold, seed: int) -> list[Outcome]:
    """Try every way in one fold; only the rows of ``fold.train`` are ever fitted."""
    X, y = select_rows(problem.X, fold.train), problem.y[fold.train]
    X_test = select_rows(problem.X, fold.test)
    parts = _split_inner(problem.codes(fold.train), seed) if problem.tune_thresholds else []
    found = []
    for way in ways:
        try:
            trainings = way.trainings(X, y, seed)
        except Exception as error:
            if way.is_baseline:
                raise
            found += [Outcome(name, fold.number, error=_describe_error(error)) for name in way.names]
            continue
        inner = _make_inner_trainings(way, X, y, parts, trainings, seed)
        for name, training in trainings.items():
            try:
                found += _judge(problem, name, training, inner[name], (X, y, X_test), fold, seed)
            except Exception as error:
                if way.is_baseline:
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
    way: Way, X: Any, y: np.ndarray, parts: Sequence[tuple[np.ndarray, np.ndarray]], whole: Any, seed: int
) -> dict[str, _Inner]:
    """Return what each arm trains on in the inner parts; none if that fails, and so no threshold."""
    inner: dict[str, _Inner] = {name: [] for name in whole}
    for kept, held in parts:
        X_kept, y_kept = select_rows(X, kept), y[kept]
        if way.reusable and all(training.added is not None for training in whole.values()):
            made = {name: _reuse(training, X_kept, y_kept, len(y)) for name, training in whole.items()}
        else:
            try:
                made = dict(way.trainings(X_kept, y_kept, seed))
            except Exception:
                # Any sampler may be handed in, and one that managed the whole fold may refuse a part of
                # it (fewer rare rows than neighbours). The arm's scores stand; those at a tuned
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
    with explain_failure(problem.estimator, X, problem.caller) if name == PLAIN else nullcontext():
        trained = train(problem.estimator, training, y, problem.classes, seed)
        start = perf_counter()
        predictions = trained.predictions(X_test)
    seconds = trained.seconds + perf_counter() - start
    thresholds = _choose_thresholds(problem, inner, X, y, seed)
    truth = problem.codes(fold.test)
    scores = measure(truth, predictions, problem.rare, thresholds)
    rare = None if predictions.probabilities is None else predictions.probabilities[:, problem.rare]
    if problem.scorer is not None:
        scores["score"] = float(problem.scorer(trained, X_test, problem.y[fold.test]))
    found = [Outcome(name, fold.number, scores, seconds, rare, probabilities=predictions.probabilities)]
    if name == PLAIN and problem.tune_thresholds:
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
    if thresholds is None:
        return Outcome(TUNED_THRESHOLD, fold.number, error="too few rows to choose a threshold on")
    scores = dict(plain.scores)
    scores["balanced_accuracy"] = scores["tuned_balanced_accuracy"]
    scores["f1"] = scores["tuned_f1"]
    if problem.scorer is not None:
        moved = Trained(
            trained.model,
            trained.classes_,
            trained.shift,
            trained.seconds,
            cut=(problem.rare, thresholds.balanced_accuracy),
            empty=trained.empty,
        )
        scores["score"] = float(problem.scorer(moved, X_test, problem.y[fold.test]))
    return Outcome(TUNED_THRESHOLD, fold.number, scores, plain.seconds, plain.rare)


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
    return best_thresholds(np.concatenate(truths), np.concatenate(scores), problem.rare)
