"""Does a sampler help this classifier on these rows? Cross-validated beside every baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import get_scorer
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedGroupKFold
from sklearn.utils.validation import check_consistent_length

from vaeaug.data.labels.targets import as_column, read_labels
from vaeaug.errors import InputError
from vaeaug.evaluation.assess.assessment import Assessment, Experiment
from vaeaug.evaluation.assess.cross_validation import Limits, cross_validate_within
from vaeaug.evaluation.assess.expectation import Evidence, find_family
from vaeaug.evaluation.assess.giveaway import PERFECT, describe_perfection, find_giveaways
from vaeaug.evaluation.assess.metrics import METRICS, Metric
from vaeaug.evaluation.assess.next_step import Setting
from vaeaug.evaluation.assess.other_classifiers import OTHER_CLASSIFIERS, TOGETHER, OtherClassifiers
from vaeaug.evaluation.assess.paired import PairedRows
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.evaluation.assess.scorers import about_class
from vaeaug.evaluation.assess.smote import Smote, smote_is_there
from vaeaug.evaluation.assess.strategies import (
    Baseline,
    ClassWeights,
    Duplicates,
    NoResampling,
    Resampled,
    Strategy,
)
from vaeaug.evaluation.columns import as_array
from vaeaug.utils.estimators import describe, spell_estimator, weight_keyword
from vaeaug.utils.frames import to_pandas
from vaeaug.utils.random import derive_seed, hash_seed
from vaeaug.utils.validation import check_number, check_weights, refuse_mapping, refuse_repeated_columns
from vaeaug.utils.wording import list_names

__all__ = ["Options", "check_rows", "choose_ratios", "compare", "default_ratios"]

#: Classes this close in size are not imbalanced; new rows then enlarge all of them.
_EVEN = 2 / 3


@dataclass(frozen=True)
class Options:
    """What :func:`vaeaug.assess` takes beside classifier, data and sampler; see there."""

    scoring: Any = None
    cv: Any = 5
    n_repeats: int | str = "auto"
    ratios: Sequence[float] | str = "auto"
    pos_label: Any = None
    n_jobs: int | None = None
    random_state: Any = None
    verbose: int | bool = 0
    groups: Any = None
    max_seconds: float | None = None
    announce: Callable[[str], None] | None = None
    hidden: Sequence[Any] = ()
    sample_weight: Any = None
    #: Of the classifier, if it was chosen by a name; and lines that read X and y, for the lines to paste.
    name: str = ""
    reading: str = ""
    #: From when on ``max_seconds`` counts, by ``perf_counter``.
    began: float = field(default_factory=perf_counter)


def compare(
    estimator: Any, X: Any, y: Any, sampler: Any, options: Options, own: Resampled | None = None
) -> Assessment:
    """Cross-validate a classifier with a sampler's rows, beside every baseline.

    Parameters
    ----------
    estimator : classifier
    X : rows
    y : array-like (n,)
    sampler : sampler, list or dict of them, or None
    options : Options
    own : Resampled, optional
        One more strategy, which the verdict is about if no sampler is given.

    Returns
    -------
    Assessment

    Raises
    ------
    InputError
        If the data or arguments cannot be used.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from vaeaug.evaluation.assess.smote import Smote
    >>> from vaeaug.evaluation.assess.comparison import Options, compare
    >>> X, y = make_classification(n_samples=200, weights=[0.9], random_state=0)
    >>> found = compare(LogisticRegression(), X, y, Smote(), Options(cv=3, n_repeats=1, random_state=0))
    >>> found.verdict in ("helps", "probably helps", "no evidence of help", "hurts")
    True
    """
    _check_estimator(estimator)
    labels = read_labels(as_column(y), "assess")
    X = check_rows(X)
    check_consistent_length(X, labels)
    weights = _read_weights(options.sample_weight, len(labels), estimator)
    check_number("max_seconds", options.max_seconds, low=0, open_low=True, also=(None,))
    state = options.random_state
    # An integer that gives the same numbers again.
    given = int(state) if isinstance(state, Integral) else derive_seed(state) % (2**31 - 1)
    seed = derive_seed(given)
    groups = _read_groups(options.groups, len(labels))
    folds = _split(X, labels, groups, options, seed)
    classes, counts = np.unique(labels, return_counts=True)
    minority = _find_minority(classes, counts, options.pos_label)
    metrics, scorers = _find_metrics(options.scoring, classes, minority)
    handed = [Resampled(name, each) for name, each in _name_samplers(sampler).items()]
    baselines, skipped = _list_baselines(estimator, X, choose_ratios(options.ratios, labels))
    strategies = [*baselines, *([own] if own else []), *handed]
    nothing, *names = [name for each in strategies for name in (*each.names, *each.members)]
    if len({nothing, *names}) <= len(names):
        raise InputError(
            f"assess: strategies must have different names, got {[nothing, *names]}; rename the samplers."
        )
    subjects = handed or ([own] if own else [])
    if not subjects:
        raise InputError("assess: hand in a sampler; there is nothing to judge.")
    problem = Problem(estimator, X, labels, classes, minority, scorers, weights=weights)
    limits = Limits(
        options.n_jobs, options.max_seconds, bool(options.verbose), options.announce, options.began
    )
    outcomes, stopped = cross_validate_within(problem, strategies, folds, seed, limits)
    done = {outcome.fold for outcome in outcomes}
    finished = [fold for fold in folds if fold.number in done]
    facts = _describe_run(
        problem, counts, f"{len(finished)} of {len(folds)}", given, metrics[0], options.name
    )
    if options.hidden:
        facts["Columns hidden from classifiers"] = f"{list_names(options.hidden)}, which name each row"
    facts["Time"] = f"{perf_counter() - options.began:.0f} seconds"
    if stopped.sentence:
        facts["Stopped"] = stopped.sentence
    kinds = {name: each.kind(name, labels) for each in strategies for name in (*each.names, *each.members)}
    kinds[Baseline.TUNED_THRESHOLD.value] = Baseline.TUNED_THRESHOLD.value
    bare = replace(problem, estimator=None, X=None, scorers={})
    rare = float(np.mean([(labels[fold.train] == classes[minority]).sum() for fold in finished]))
    return Assessment(
        Experiment(
            outcomes,
            {fold.number: labels[fold.test] == classes[minority] for fold in finished},
            strategies=[nothing, Baseline.TUNED_THRESHOLD.value, *names],
            subjects=[name for each in subjects for name in (*each.names, *each.members)],
            metrics=metrics,
            test_share=float(np.mean([len(fold.test) / len(fold.train) for fold in finished])),
            names=(" or ".join(each.name for each in subjects), describe(estimator)),
            skipped=skipped,
            facts=facts,
            evidence=Evidence(
                PairedRows(bare, outcomes, finished, seed, groups),
                kinds,
                find_family(describe(estimator)),
                rare,
            ),
            stopped=stopped.sentence,
            partial=stopped.brief,
            weights=None if weights is None else {fold.number: weights[fold.test] for fold in finished},
            perfect=_look_for_perfection(problem, outcomes, metrics[0]),
            setting=Setting(
                labels,
                hidden=tuple(options.hidden),
                name=options.name,
                reading=options.reading,
                sampler=None if own is None else own.sampler,
                seed=given,
            ).look(X, estimator),
        )
    )


def _look_for_perfection(problem: Problem, outcomes: Sequence[Outcome], metric: Metric) -> str:
    """Say that the classifier needs no rows, and which column makes it so; empty for any other."""
    areas = [each.scores.get("roc_auc", np.nan) for each in outcomes if each.strategy == Baseline.NOTHING]
    if not np.mean(areas) >= PERFECT:
        return ""
    giveaways = find_giveaways(problem.X, problem.y == problem.classes[problem.minority])
    return describe_perfection(metric.title, giveaways)


def default_ratios(y: np.ndarray) -> tuple[float, ...]:
    """Return ratios to try: two on the way to balance, evenly on a logarithmic scale, and balance.

    Where the classes are of about the same size already, all of them are enlarged, to 1.5 and 2 times the
    largest.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.evaluation.assess.comparison import default_ratios
    >>> default_ratios(np.repeat([0, 1], [1000, 8]))
    (0.04, 0.2, 1.0)
    """
    counts = np.unique(y, return_counts=True)[1]
    start = counts.min() / counts.max()
    if start > _EVEN:
        return (1.5, 2.0)
    return (float(f"{start ** (2 / 3):.2g}"), float(f"{start ** (1 / 3):.2g}"), 1.0)


def choose_ratios(ratios: Sequence[float] | str, y: np.ndarray) -> tuple[float, ...]:
    """Return the ratios to try, those by default for ``"auto"``.

    Raises
    ------
    InputError
        If they are no numbers above 0.
    """
    if isinstance(ratios, str) and ratios == "auto":
        return default_ratios(y)
    values = list(ratios) if not isinstance(ratios, str) else []
    if not values:
        raise InputError(f'assess: ratios must be "auto" or a list of numbers above 0, got {ratios!r}.')
    return tuple(float(check_number("ratios", value, low=0, open_low=True)) for value in values)


def _check_estimator(estimator: Any) -> None:
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict") and hasattr(estimator, "get_params")):
        raise InputError(
            f"assess: estimator must be a classifier with fit() and predict(), got {estimator!r}."
        )
    if not (hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function")):
        raise InputError(
            f"assess: {describe(estimator)} has neither predict_proba() nor decision_function(), so its "
            "rows cannot be ranked; take a classifier with one of them (for some a setting, such as "
            "probability=True, or CalibratedClassifierCV around it)."
        )


def check_rows(X: Any) -> Any:
    """Return rows in a container that has positions: a frame of pandas, a sparse matrix, or an array.

    Raises
    ------
    InputError
        For anything else, and for two columns of one name.
    """
    refuse_mapping(X, "assess: X")
    X = to_pandas(X)
    if isinstance(X, pd.DataFrame):
        refuse_repeated_columns(X)
        return X
    if hasattr(X, "tocsr"):
        return X
    rows = as_array(X, "assess: X")
    if rows.ndim < 2:
        raise InputError(f"assess: X must have rows and columns, got {rows.ndim} dimension(s).")
    return rows


def _read_groups(groups: Any, rows: int) -> np.ndarray | None:
    """Return the number of the group of each row (n,)."""
    if groups is None:
        return None
    values = np.asarray(to_pandas(groups))
    if values.shape != (rows,):
        raise InputError(f"assess: groups must hold one value per row ({rows}), got shape {values.shape}.")
    if pd.isna(values).any():
        raise InputError(
            f"assess: groups must name the group of every row; {int(pd.isna(values).sum())} are missing. "
            "Give such rows groups of their own, or drop them."
        )
    return np.unique(values.astype(str), return_inverse=True)[1]


def _read_weights(sample_weight: Any, rows: int, estimator: Any) -> np.ndarray | None:
    """Return the weight of each row (n,)."""
    if sample_weight is None:
        return None
    weights = check_weights(sample_weight, rows)
    assert weights is not None
    if not weights.all():
        raise InputError(
            f"assess: sample_weight must be above 0, got {int((weights == 0).sum())} row(s) of weight 0, "
            "which would count neither in training nor in a score; leave these rows out."
        )
    if weight_keyword(estimator) is None:
        raise InputError(
            f"assess: sample_weight needs an estimator whose fit takes sample_weight, and "
            f"{describe(estimator)}'s does not; leave it out, or take another estimator."
        )
    return weights.astype(np.float64)


def _split(X: Any, labels: np.ndarray, groups: np.ndarray | None, options: Options, seed: int) -> list[Fold]:
    cv, n_repeats = options.cv, options.n_repeats
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise InputError(f"assess: y must hold two classes or more, got {len(classes)}: {classes.tolist()}.")
    if hasattr(cv, "split"):
        splits = list(cv.split(X, labels, groups))
    elif isinstance(cv, Integral) and not isinstance(cv, bool):
        check_number("cv", cv, low=2, integer=True)
        smallest = classes.tolist()[counts.argmin()]
        if counts.min() < cv:
            next_step = (
                f"set cv to {counts.min()} or less"
                if counts.min() > 1
                else "drop the class, or join it with another"
            )
            raise InputError(
                f"assess: class {smallest!r} has {counts.min()} row(s), fewer than the {cv} folds, so not "
                f"every fold could be tested; {next_step}."
            )
        repeats = n_repeats
        if n_repeats == "auto":  # few rows make noisy folds, and cost little
            repeats = 3 if len(labels) <= 500 else 2 if len(labels) <= 1_000 else 1
        check_number("n_repeats", repeats, low=1, integer=True, also=["auto"])
        splits = _repeat_folds(labels, groups, int(cv), int(repeats), seed)
    else:
        splits = [(np.asarray(a), np.asarray(b)) for a, b in cv]
    if len(splits) < 2:
        raise InputError(f"assess: cv must give two splits or more, got {len(splits)}.")
    for train, test in splits:
        lost = np.setdiff1d(classes, labels[train])
        if len(lost) or not len(test):
            what = f"no row of class {lost.tolist()[0]!r} to train on" if len(lost) else "no row to test on"
            way = (
                "use stratified splits" if groups is None else "use fewer folds, or larger classes of groups"
            )
            raise InputError(f"assess: a split of cv has {what}; {way}.")
        if np.intersect1d(train, test).size:
            raise InputError("assess: a split of cv trains on rows it tests on; use disjoint ones.")
        if groups is not None and np.intersect1d(groups[train], groups[test]).size:
            raise InputError(
                "assess: a split of cv has rows of one group on both sides; use a splitter that keeps groups "
                "together, such as StratifiedGroupKFold, or an integer."
            )
    return [Fold(i, np.asarray(train), np.asarray(test)) for i, (train, test) in enumerate(splits)]


def _repeat_folds(
    labels: np.ndarray, groups: np.ndarray | None, folds: int, repeats: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return stratified folds, as often as wanted; those of groups keep each of them together."""
    rows = np.zeros(len(labels))
    if groups is None:
        splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
        return list(splitter.split(rows, labels))
    if (found := len(np.unique(groups))) < folds:
        raise InputError(f"assess: {found} group(s) cannot be shared among {folds} folds; set cv to fewer.")
    splits = []
    for repeat in range(repeats):
        state = hash_seed(seed, repeat)
        grouped = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=state)
        splits += list(grouped.split(rows, labels, groups))
    return splits


def _find_minority(classes: np.ndarray, counts: np.ndarray, pos_label: Any) -> int:
    if pos_label is None:
        # Of equally small classes the last, as 1 is the positive one of 0 and 1.
        return int(len(counts) - 1 - counts[::-1].argmin())
    found = np.flatnonzero(classes == pos_label)
    if not len(found):
        raise InputError(f"assess: pos_label must be one of {classes.tolist()[:20]}, got {pos_label!r}.")
    return int(found[0])


def _find_metrics(
    scoring: Any, classes: np.ndarray, minority: int
) -> tuple[list[Metric], dict[str, Callable[..., float]]]:
    """Return the metrics asked for, the verdict's first, and the scorers of those that are not ours."""
    if isinstance(scoring, Mapping):
        found = [_find_metric(one, classes, minority, str(name)) for name, one in scoring.items()]
    elif isinstance(scoring, Sequence) and not isinstance(scoring, str):
        found = [
            _find_metric(
                one, classes, minority, one if isinstance(one, str) else getattr(one, "__name__", "score")
            )
            for one in scoring
        ]
    else:
        found = [_find_metric(scoring, classes, minority, "score")]
    if not found:
        raise InputError("assess: scoring is empty; name a metric, or leave it out for average precision.")
    names = [metric.name for metric, _ in found]
    for metric, _ in found:
        if names.count(metric.name) > 1 or (metric.scored and metric.name in METRICS):
            raise InputError(
                f"assess: scoring has two metrics called {metric.name!r}; name each once, scorers by a dict "
                "of names."
            )
    return [metric for metric, _ in found], {metric.name: one for metric, one in found if one is not None}


def _find_metric(
    scoring: Any, classes: np.ndarray, minority: int, name: str
) -> tuple[Metric, Callable[..., float] | None]:
    """Return a metric, and the scorer, with a name for its column, where it is not one of ours."""
    if scoring is None:
        return METRICS["average_precision"], None
    if isinstance(scoring, str) and scoring in METRICS:
        return METRICS[scoring], None
    try:
        scorer = get_scorer(scoring)
    except ValueError as error:
        raise InputError(
            f"assess: scoring must be one of {', '.join(METRICS)}, a scorer of scikit-learn or a callable; "
            f"got {scoring!r}. sklearn.metrics.get_scorer_names() lists scikit-learn's."
        ) from error
    if not callable(scorer):
        raise InputError(f"assess: scoring must be a name or a callable, got {scoring!r}.")
    own = str(scoring if isinstance(scoring, str) else getattr(scoring, "__name__", name))
    about, scorer = about_class(scorer, classes, minority, named=isinstance(scoring, str))
    title = own.replace("_", " ") + (" of the minority class" if about else "")
    return Metric(name, title, scored=True), scorer


def _name_samplers(sampler: Any) -> dict[str, Any]:
    """Return samplers by name."""
    if sampler is None:
        return {}
    if isinstance(sampler, Mapping):
        named = {str(name): each for name, each in sampler.items()}
    elif isinstance(sampler, Sequence):
        named = {describe(each): each for each in sampler}
        if len(named) < len(sampler):
            raise InputError("assess: several samplers of one class; hand in a dict with a name for each.")
    else:
        named = {describe(sampler): sampler}
    for name, each in named.items():
        if not hasattr(each, "fit_resample"):
            raise InputError(
                f"assess: sampler {name!r} must have fit_resample(), as VAEOverSampler() or imblearn's "
                f"SMOTE() have; got {each!r}."
            )
    return named


def _list_baselines(estimator: Any, X: Any, ratios: Sequence[float]) -> tuple[list[Strategy], dict[str, str]]:
    """Return the strategies that are always tried, and those that cannot be, with the reason."""
    skipped: dict[str, str] = {}
    strategies: list[Strategy] = [NoResampling()]
    obstacle = ClassWeights.obstacle(estimator)
    if obstacle is None:
        strategies.append(ClassWeights())
    else:
        skipped[Baseline.CLASS_WEIGHTS.value] = obstacle
    strategies.append(Duplicates(ratios))
    if smote_is_there():
        strategies.append(Resampled(Baseline.SMOTE, Smote(), ratios))
    else:
        skipped[Baseline.SMOTE.value] = "imbalanced-learn is not installed"
    obstacle = OtherClassifiers.obstacle(X)
    if obstacle is None:
        strategies.append(OtherClassifiers(X))
    else:
        skipped |= dict.fromkeys([*OTHER_CLASSIFIERS, TOGETHER], obstacle)
    return strategies, skipped


def _describe_run(
    problem: Problem, counts: np.ndarray, folds: str, seed: int, metric: Metric, name: str
) -> dict[str, str]:
    classes = problem.classes
    listed = ", ".join(f"{label}: {count:,}" for label, count in list(zip(classes, counts, strict=True))[:12])
    more = f", … ({len(classes)} classes)" if len(classes) > 12 else ""
    named = f"{describe(problem.estimator)}, by the name {name!r}, after encoders" if name else ""
    shape = " × ".join(f"{size:,}" for size in problem.X.shape)
    return {
        "Data": f"{shape}; rows of each class: {listed}{more}; "
        f"the minority class is {classes[problem.minority]}",
        "Classifier": named or spell_estimator(problem.estimator),
        "Verdict about": metric.title,
        "Test folds": f"{folds}; every sampler is fitted on the training rows of a fold only",
        "Seed": str(seed),
    }
