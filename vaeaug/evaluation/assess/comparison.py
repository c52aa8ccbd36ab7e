"""Does a sampler help this classifier on these rows? Cross-validated beside every simple alternative."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.metrics import get_scorer
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from vaeaug.errors import InputError
from vaeaug.evaluation.assess.assessment import Assessment
from vaeaug.evaluation.assess.cross_validation import TUNED_THRESHOLD, Fold, Problem, cross_validate
from vaeaug.evaluation.assess.metrics import METRICS, Metric
from vaeaug.evaluation.assess.scorers import about_class
from vaeaug.evaluation.assess.smote import Smote, smote_is_there
from vaeaug.evaluation.assess.strategies import (
    CLASS_WEIGHTS,
    PLAIN,
    ClassWeights,
    Duplicates,
    Nothing,
    Resampled,
    Way,
)
from vaeaug.evaluation.columns import as_array
from vaeaug.utils.estimators import describe
from vaeaug.utils.frames import to_pandas
from vaeaug.utils.random import derive_seed
from vaeaug.utils.validation import check_number, refuse_repeated_columns

__all__ = ["assess", "check_rows", "default_ratios", "labels_of"]

#: Classes this close in size are not imbalanced; new rows then enlarge all of them.
_EVEN = 2 / 3


def assess(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    sampler: Any = None,
    scoring: str | Callable[..., float] | None = None,
    cv: Any = 5,
    n_repeats: int | str = "auto",
    ratios: Sequence[float] | str = "auto",
    pos_label: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int | bool = 0,
    ways: Sequence[Way] = (),
    subject: str | None = None,
) -> Assessment:
    """Say whether a sampler's rows help a classifier, by cross-validation beside simple alternatives.

    Like :func:`vaeaug.assess`, for any sampler, without arms of its own for ``VAEOverSampler``.

    Parameters
    ----------
    estimator, X, y, sampler, scoring, cv, n_repeats, ratios, pos_label, n_jobs, random_state, verbose
        As there; a sampler must be handed in, or a way.
    ways : sequence of Way
        More ways to train, compared with the others.
    subject : str, optional
        The sampler that the verdict is about, by name; by default those handed in as ``sampler``.

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
    >>> from vaeaug.evaluation.assess.comparison import assess
    >>> X, y = make_classification(n_samples=200, weights=[0.9], random_state=0)
    >>> found = assess(LogisticRegression(), X, y, sampler=Smote(), cv=3, n_repeats=1, random_state=0)
    >>> found.verdict in ("helps", "no evidence of help", "hurts")
    True
    """
    start = perf_counter()
    _check_estimator(estimator)
    labels = labels_of(y)
    X = check_rows(X)
    check_consistent_length(X, labels)
    seed = derive_seed(random_state)
    folds = _split(X, labels, cv, n_repeats, seed)
    classes, counts = np.unique(labels, return_counts=True)
    rare = _find_rare(classes, counts, pos_label)
    metric, scorer = _metric(scoring, classes, rare)
    handed = _name_samplers(sampler)
    chosen = default_ratios(labels) if isinstance(ratios, str) and ratios == "auto" else _check_ratios(ratios)
    everything, skipped = _list_baselines(estimator, chosen)
    everything += ways
    everything += [Resampled(name, each) for name, each in handed.items()]
    arms = [name for way in everything for name in way.names]
    if len(set(arms)) < len(arms):
        raise InputError(f"assess: arms must have different names, got {arms}; rename the samplers.")
    if not handed and not ways:
        raise InputError("assess: hand in a sampler; there is nothing to judge.")
    problem = Problem(estimator, X, labels, classes, rare, scorer)
    outcomes = cross_validate(problem, everything, folds, seed=seed, n_jobs=n_jobs, verbose=bool(verbose))
    about = [way for way in ways if subject is None or any(name.startswith(subject) for name in way.names)]
    subjects = list(handed) or [name for way in about for name in way.names]
    facts = _describe_run(problem, counts, folds, seed, metric)
    facts["Time"] = f"{perf_counter() - start:.0f} seconds"
    return Assessment(
        outcomes,
        {fold.number: labels[fold.test] == classes[rare] for fold in folds},
        arms=[PLAIN, TUNED_THRESHOLD, *arms[1:]],
        subjects=subjects,
        metric=metric,
        test_share=float(np.mean([len(fold.test) / len(fold.train) for fold in folds])),
        names=(" or ".join(handed) or subject or subjects[0], describe(estimator)),
        skipped=skipped,
        facts=facts,
    )


def labels_of(y: Any) -> np.ndarray:
    """Return class labels as one dimension.

    Raises
    ------
    InputError
        If labels are missing, continuous, of mixed types or in several columns.
    """
    if y is None:
        raise InputError("assess needs y, one class label per row of X; got None.")
    y = to_pandas(y)
    column = y.iloc[:, 0] if isinstance(y, pd.DataFrame) and y.shape[1] == 1 else y
    labels = as_array(column, "assess: y")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise InputError(f"assess: y must be one column of class labels, got shape {labels.shape}.")
    missing = int(np.sum(pd.isna(labels)))
    if missing:
        raise InputError(f"assess: y must not have missing labels, got {missing}; drop those rows first.")
    if labels.dtype == object:
        labels = np.asarray(labels.tolist(), dtype=object if isinstance(labels[:1].item(), str) else None)
    try:
        check_classification_targets(labels)
        np.unique(labels)
    except (ValueError, TypeError) as error:
        raise InputError(f"assess: y must hold class labels of one type; {error}") from error
    return labels


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


def check_rows(X: Any, who: str = "assess") -> Any:
    """Return rows in a container that has positions: a frame of pandas, a sparse matrix, or an array.

    Raises
    ------
    InputError
        For anything else, and for two columns of one name.
    """
    if isinstance(X, dict) and not sparse.issparse(X):
        raise InputError(f"{who}: X is a dict; pass pandas.DataFrame(X), whose columns have names and types.")
    X = to_pandas(X)
    if isinstance(X, pd.DataFrame):
        refuse_repeated_columns(X)
        return X
    if hasattr(X, "tocsr"):
        return X
    rows = as_array(X, f"{who}: X")
    if rows.ndim < 2:
        raise InputError(f"{who}: X must have rows and columns, got {rows.ndim} dimension(s).")
    return rows


def _split(X: Any, labels: np.ndarray, cv: Any, n_repeats: int | str, seed: int) -> list[Fold]:
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise InputError(f"assess: y must hold two classes or more, got {len(classes)}: {classes.tolist()}.")
    if hasattr(cv, "split"):
        splits = list(cv.split(X, labels))
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
        repeats = _repeats(len(labels)) if n_repeats == "auto" else n_repeats
        check_number("n_repeats", repeats, low=1, integer=True, also=["auto"])
        splitter = RepeatedStratifiedKFold(n_splits=int(cv), n_repeats=int(repeats), random_state=seed)
        splits = list(splitter.split(np.zeros(len(labels)), labels))
    else:
        splits = [(np.asarray(a), np.asarray(b)) for a, b in cv]
    if len(splits) < 2:
        raise InputError(f"assess: cv must give two splits or more, got {len(splits)}.")
    for train, test in splits:
        lost = np.setdiff1d(classes, labels[train])
        if len(lost) or not len(test):
            what = f"no row of class {lost.tolist()[0]!r} to train on" if len(lost) else "no row to test on"
            raise InputError(f"assess: a split of cv has {what}; use stratified splits.")
        if np.intersect1d(train, test).size:
            raise InputError("assess: a split of cv trains on rows it tests on; use disjoint ones.")
    return [Fold(i, np.asarray(train), np.asarray(test)) for i, (train, test) in enumerate(splits)]


def _repeats(rows: int) -> int:
    """Return how often cross-validation is repeated: few rows make noisy folds, and cost little."""
    return 3 if rows <= 2_000 else 2 if rows <= 6_000 else 1


def _find_rare(classes: np.ndarray, counts: np.ndarray, pos_label: Any) -> int:
    if pos_label is None:
        # Of equally rare classes the last, as 1 is the positive one of 0 and 1.
        return int(len(counts) - 1 - counts[::-1].argmin())
    found = np.flatnonzero(classes == pos_label)
    if not len(found):
        raise InputError(f"assess: pos_label must be one of {classes.tolist()[:20]}, got {pos_label!r}.")
    return int(found[0])


def _metric(scoring: Any, classes: np.ndarray, rare: int) -> tuple[Metric, Callable[..., float] | None]:
    """Return what the verdict is about, and the scorer where it is not one of our metrics."""
    if scoring is None:
        return METRICS["average_precision"], None
    if isinstance(scoring, str) and scoring in METRICS:
        return METRICS[scoring], None
    try:
        scorer = get_scorer(scoring)
    except ValueError as error:
        raise InputError(
            f"assess: scoring must be one of {', '.join(METRICS)}, a scorer of scikit-learn or a callable; "
            f"got {scoring!r}."
        ) from error
    if not callable(scorer):
        raise InputError(f"assess: scoring must be a name or a callable, got {scoring!r}.")
    title = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    about, scorer = about_class(scorer, classes, rare, named=isinstance(scoring, str))
    return Metric("score", str(title).replace("_", " ") + (" of the rare class" if about else "")), scorer


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


def _check_ratios(ratios: Any) -> tuple[float, ...]:
    values = list(ratios) if not isinstance(ratios, str) else []
    if not values:
        raise InputError(f'assess: ratios must be "auto" or a list of numbers above 0, got {ratios!r}.')
    return tuple(float(check_number("ratios", value, low=0, open_low=True)) for value in values)


def _list_baselines(estimator: Any, ratios: Sequence[float]) -> tuple[list[Way], dict[str, str]]:
    """Return the ways that are always tried, and those that cannot be, with the reason."""
    skipped: dict[str, str] = {}
    ways: list[Way] = [Nothing()]
    obstacle = ClassWeights.obstacle(estimator)
    if obstacle is None:
        ways.append(ClassWeights())
    else:
        skipped[CLASS_WEIGHTS] = obstacle
    ways.append(Duplicates(ratios))
    if smote_is_there():
        ways.append(Resampled("SMOTE", Smote(), ratios))
    else:
        skipped["SMOTE"] = "imbalanced-learn is not installed"
    return ways, skipped


def _describe_run(
    problem: Problem, counts: np.ndarray, folds: Sequence[Fold], seed: int, metric: Metric
) -> dict[str, str]:
    classes = problem.classes
    listed = ", ".join(f"{label}: {count:,}" for label, count in list(zip(classes, counts, strict=True))[:12])
    more = f", … ({len(classes)} classes)" if len(classes) > 12 else ""
    shape = " × ".join(f"{size:,}" for size in problem.X.shape)
    return {
        "Data": f"{shape}; rows of each class: {listed}{more}; the rare class is {classes[problem.rare]}",
        "Classifier": " ".join(str(problem.estimator).split()),
        "Verdict about": metric.title,
        "Test folds": f"{len(folds)}; every sampler is fitted on the training rows of a fold only",
        "Seed": str(seed),
    }
