"""Cross-validation of several strategies: every one is fitted inside the training fold."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

from vaeaug.data.labels.leakage import LEAKAGE
from vaeaug.errors import ColumnNote, VaeaugWarning
from vaeaug.evaluation.assess.metrics import (
    Predictions,
    Thresholds,
    apply_thresholds,
    best_thresholds,
)
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.evaluation.assess.strategies import (
    Baseline,
    Strategy,
    Training,
    explain_failure,
    train,
)
from vaeaug.evaluation.assess.tuning import Replayed, tune, tune_across_folds
from vaeaug.utils.memory import RecentResults
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.rows import select_rows, stack_rows
from vaeaug.utils.signals import pass_interrupts
from vaeaug.utils.wording import describe_seconds

__all__ = ["Limits", "Stop", "cross_validate", "cross_validate_within"]

_INNER = 42
_FEW_ROWS = 2_000


@dataclass(frozen=True)
class Limits:
    """How a cross-validation goes about its folds.

    Parameters
    ----------
    n_jobs : int or None
        Folds tried at the same time, as joblib takes it.
    max_seconds : float or None
        No strategy is begun in a fold that would end later, judged by the folds before; the first fold is
        tried in any case.
    verbose : bool
        Whether to show a progress bar.
    announce : callable, optional
        Is told in a sentence about how long all will take, when the first fold is done.
    """

    n_jobs: Any = None
    max_seconds: float | None = None
    verbose: bool = False
    announce: Callable[[str], None] | None = None
    #: From when on seconds count, by ``perf_counter``; from the first fold on if None.
    began: float | None = None


class Stop(NamedTuple):
    """Why not every fold was tried, for a headline and as a sentence; both empty if all were."""

    brief: str = ""
    sentence: str = ""


#: Seconds from which on a user wants to know beforehand.
_LONG = 10.0


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
    outcomes, stopped = cross_validate_within(
        problem, strategies, folds, seed, Limits(n_jobs, verbose=verbose)
    )
    if stopped.sentence:
        raise KeyboardInterrupt
    return outcomes


def cross_validate_within(
    problem: Problem, strategies: Sequence[Strategy], folds: Sequence[Fold], seed: int, limits: Limits
) -> tuple[list[Outcome], Stop]:
    """Try every strategy in as many folds as there is time for, or until Ctrl-C.

    Returns
    -------
    list of Outcome
        Those of whole folds.
    Stop

    Raises
    ------
    KeyboardInterrupt
        If there is no fold to tell of.
    """
    several = len(folds) > 1
    each = replace(problem, tune_thresholds=problem.tune_thresholds and not several)
    start, jobs = perf_counter(), effective_n_jobs(limits.n_jobs)
    began = start if limits.began is None else limits.began
    end = np.inf if limits.max_seconds is None else began + limits.max_seconds
    took: list[list[float]] = []  # seconds of every strategy, by fold
    work = (
        delayed(_try_fold)(each, strategies, fold, fold.derive_seed(seed), end if k else np.inf, list(took))
        for k, fold in enumerate(folds)
    )
    parts: Any = Parallel(n_jobs=limits.n_jobs, return_as="generator")(work)
    outcomes: list[Outcome] = []
    stopped = Stop()
    with _show_progress(limits.verbose, len(folds)) as advance:
        try:
            for part, seconds in parts:
                if len(seconds) == len(strategies):
                    outcomes += part
                    took.append(seconds)
                    advance()
                    if len(took) == 1 and limits.announce is not None:
                        _announce(perf_counter() - start, len(folds), limits)
                # Folds that are tried at the same time end at the same time.
                is_late = len(took) % jobs == 0 and perf_counter() + max(map(sum, took)) > end
                if len(seconds) < len(strategies) or (is_late and len(took) < len(folds)):
                    stopped = _explain_stop(took, len(folds), jobs, perf_counter() - began, limits)
                    break
        except KeyboardInterrupt:
            if not took:
                raise
            shares = f"{len(took)} of {len(folds)} folds"
            stopped = Stop(f"from {shares}: interrupted", f"Interrupted after {shares}.")
        finally:
            parts.close()
    if several and problem.tune_thresholds:
        outcomes = tune_across_folds(problem, outcomes, folds[: len(took)])
    return outcomes, stopped


def _explain_stop(
    took: Sequence[Sequence[float]], folds: int, jobs: int, spent: float, limits: Limits
) -> Stop:
    """Say that time was up."""
    done, shares = len(took), f"{len(took)} of {folds} folds"
    mean = sum(map(sum, took)) / done
    bound, least = limits.max_seconds or 0.0, ""
    if done == 1 and mean > bound:
        least = f", less than one fold took ({describe_seconds(mean)})"
    alone = " One fold does not tell how much training varies." if done == 1 else ""
    return Stop(
        f"from {shares}: stopped after {max(1, round(spent))} s",
        f"Stopped after {shares} by max_seconds={bound:g}{least}; all would take about "
        f"{describe_seconds(mean * -(-folds // jobs))}.{alone}",
    )


def _announce(spent: float, folds: int, limits: Limits) -> None:
    """Say how long all folds will take, if that is long."""
    jobs = effective_n_jobs(limits.n_jobs)
    whole = spent * -(-folds // jobs)
    bounded = limits.max_seconds is not None and limits.max_seconds < whole
    if whole >= _LONG and limits.announce is not None and not bounded:
        limits.announce(
            f"{folds} folds will take about {describe_seconds(whole)}; max_seconds bounds the time, fewer "
            "folds or ratios shorten it"
        )


@contextmanager
def _show_progress(verbose: bool, folds: int) -> Iterator[Callable[[], object]]:
    """Yield what moves a progress bar on, if one is wanted."""
    if not verbose:
        yield lambda: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=folds, desc="folds", unit="fold") as bar:
        yield lambda: bar.update(1)


def _try_fold(
    problem: Problem,
    strategies: Sequence[Strategy],
    fold: Fold,
    seed: int,
    end: float,
    took: Sequence[Sequence[float]],
) -> tuple[list[Outcome], list[float]]:
    """Try every strategy in one fold, without notes on columns: these are the same in every fold.

    Returns
    -------
    list of Outcome
    list of float
        Seconds of every strategy; fewer than there are strategies if the rest would have ended too late.
    """
    left = np.zeros(len(strategies))  # from each strategy on
    for seconds in took:
        left = np.maximum(left, np.cumsum(seconds[::-1])[::-1])
    X, y = select_rows(problem.X, fold.train), problem.y[fold.train]
    data = X, y, select_rows(problem.X, fold.test)
    memory = RecentResults()  # samplers that differ in what they draw share what they fit
    parts = _split_inner(problem.codes(fold.train), seed) if problem.tune_thresholds else []
    found: list[Outcome] = []
    spent: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ColumnNote)
        warnings.filterwarnings("ignore", LEAKAGE, VaeaugWarning)
        for strategy in strategies:
            start = perf_counter()
            if start + left[len(spent)] > end:
                break
            found += _try_strategy(problem, strategy.remember(memory), data, parts, fold, seed, found)
            spent.append(perf_counter() - start)
    return found, spent


def _try_strategy(
    problem: Problem,
    strategy: Strategy,
    data: tuple[Any, np.ndarray, Any],
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    fold: Fold,
    seed: int,
    before: Sequence[Outcome],
) -> list[Outcome]:
    """Try one strategy in one fold, after others; only the rows of ``fold.train`` are ever fitted."""
    X, y, _ = data
    try:
        with pass_interrupts():
            trainings = strategy.trainings(X, y, seed)
    except Exception as error:
        if strategy.is_reference:
            raise
        return [Outcome(name, fold.number, error=_describe_error(error)) for name in strategy.names]
    inner = _make_inner_trainings(strategy, X, y, parts, trainings, seed)
    found = []
    for name, training in trainings.items():
        try:
            found += _judge(problem, name, training, inner[name], data, fold, seed)
        except Exception as error:
            if strategy.is_reference:
                raise
            found.append(Outcome(name, fold.number, error=_describe_error(error)))
    return found + _join_votes(problem, strategy, fold, [*before, *found])


def _join_votes(
    problem: Problem, strategy: Strategy, fold: Fold, outcomes: Sequence[Outcome]
) -> list[Outcome]:
    """Return outcomes of the joint votes of several strategies, where all of them have probabilities.

    Decisions are for the class shares that the members were trained on, as theirs are.
    """
    ready = {each.strategy: each for each in outcomes if each.probabilities is not None}
    joined = []
    for name, members in strategy.members.items():
        votes = [ready[each] for each in members if each in ready]
        if len(votes) < len(members):
            joined.append(Outcome(name, fold.number, error="one of them failed"))
            continue
        p = strategy.join(*(np.asarray(each.probabilities) for each in votes))
        labels = strategy.join(*map(_undo_shift, votes)).argmax(axis=1)
        said = Predictions(labels, p, p)
        scores = problem.measure(said, fold.test)
        outcome = Outcome(name, fold.number, scores, sum(each.seconds for each in votes))
        outcome.minority, outcome.probabilities, outcome.ranks = p[:, problem.minority], p, p
        outcome.decisions = said.decisions
        with _silence_scorers():
            scores |= problem.ask_scorers(Replayed(problem.classes, outcome), fold.test)
        joined.append(outcome)
    return joined


def _undo_shift(outcome: Outcome) -> np.ndarray:
    """Return the probabilities (n, k) of an outcome for the class shares of its training."""
    p = np.asarray(outcome.probabilities) / (1.0 if outcome.shift is None else outcome.shift)
    return np.asarray(p / p.sum(axis=1, keepdims=True))


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


@contextmanager
def _silence_scorers() -> Iterator[None]:
    """Drop what scorers say of predictions without any positive, for classifiers that no user chose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        yield


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
    with explain_failure(problem.estimator, X, y, problem.caller) if is_plain else nullcontext():
        weights = problem.weigh(fold.train)
        trained = train(problem.estimator, training, y, problem.classes, seed, weights)
        start = perf_counter()
        said = trained.predictions(X_test)
    seconds = trained.seconds + perf_counter() - start
    thresholds = _choose_thresholds(problem, inner, X, fold, seed)
    scores = problem.measure(said, fold.test)
    p = said.probabilities
    minority = None if p is None else p[:, problem.minority]
    with nullcontext() if training.estimator is None else _silence_scorers():
        scores |= problem.ask_scorers(trained, fold.test)
    outcome = Outcome(name, fold.number, scores, seconds, minority, probabilities=p)
    outcome.ranks, outcome.decisions, outcome.shift = said.ranks, said.decisions, trained.shift
    if not problem.tune_thresholds:
        return [outcome]
    moved = None if thresholds is None else apply_thresholds(said.ranks, problem.minority, thresholds)
    return tune(problem, outcome, moved, fold)


def _choose_thresholds(problem: Problem, inner: _Inner, X: Any, fold: Fold, seed: int) -> Thresholds | None:
    """Choose thresholds on rows of the training fold that the inner classifiers were not trained on."""
    rows, ranks = [], []
    for training, held in inner:
        kept = np.delete(fold.train, held)
        weights = problem.weigh(kept)
        trained = train(problem.estimator, training, problem.y[kept], problem.classes, seed, weights)
        ranks.append(trained.predictions(select_rows(X, held)).ranks)
        rows.append(fold.train[held])
    if not ranks:
        return None
    told = np.concatenate(rows)
    return best_thresholds(problem.codes(told), np.concatenate(ranks), problem.minority, problem.weigh(told))
