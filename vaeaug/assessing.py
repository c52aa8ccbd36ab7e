"""`assess`: whether VAEOverSampler, or any sampler handed in, helps a classifier on a data set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import pandas as pd

from vaeaug.data.labels.leakage import warn_of_leaks
from vaeaug.data.labels.targets import as_column, read_labels
from vaeaug.errors import InputError
from vaeaug.evaluation.assess.assessment import Assessment
from vaeaug.evaluation.assess.comparison import Options, check_rows, choose_ratios, compare
from vaeaug.evaluation.assess.named_classifiers import learner
from vaeaug.evaluation.assess.strategies import Resampled
from vaeaug.evaluation.identifiers import hide_identifiers, say_columns
from vaeaug.sampler import VAEOverSampler
from vaeaug.utils.choices import Auto, Classifier, ClassifierName, RandomState, Resampler, ScoringName
from vaeaug.utils.validation import take_labels

__all__ = ["assess", "run_assessment"]

Scorer: TypeAlias = Callable[..., float]


def assess(
    estimator: ClassifierName | Classifier,
    X: Any,
    y: Any,
    *,
    sampler: Resampler | Sequence[Resampler] | Mapping[str, Resampler] | None = None,
    scoring: ScoringName | Scorer | Sequence[str | Scorer] | Mapping[str, str | Scorer] | None = None,
    cv: Any = 5,
    n_repeats: int | Auto = "auto",
    ratios: Sequence[float] | Auto = "auto",
    pos_label: Any = None,
    n_jobs: int | None = None,
    random_state: RandomState = None,
    verbose: int | bool = 0,
    groups: Any = None,
    max_seconds: float | None = None,
    sample_weight: Any = None,
) -> Assessment:
    """Say whether synthetic rows help this classifier on these data, beside every baseline.

    The classifier is cross-validated as it is, with class weights, with a tuned decision threshold, with
    random copies of minority rows, with SMOTE (where imbalanced-learn is installed), with
    :class:`VAEOverSampler`, also blended with the classifier as it is, and with the samplers handed in.
    Everything that is fitted is fitted on the
    training rows of a fold. The baselines cannot be left out. Columns that name each row, by
    ``id_columns`` of the augmenter, are hidden from all of them.

    Parameters
    ----------
    estimator : classifier, or {"hgb", "logistic", "knn", "forest"}
        With ``predict_proba`` or ``decision_function``; a Pipeline will do. Copies are trained. A name stands
        for gradient boosting, logistic regression, 5 nearest neighbours or a random forest, for any table:
        text, categories, dates and missing cells are encoded before it.
    X : DataFrame, array-like (n, d) or array of images (n, H, W[, C])
    y : array-like (n,), or the name of a column of the frame X
        Class labels, two or more.
    sampler : sampler, list or dict of them, optional
        Objects with ``fit_resample``, such as those of imbalanced-learn, run as they are. The
        verdict is about them; by default, about ``VAEOverSampler()``. A ``VAEOverSampler`` takes the
        place of that default.
    scoring : str, callable, or a list or dict of them, optional
        What the verdict is about: ``"average_precision"`` (the default), ``"roc_auc"``,
        ``"balanced_accuracy"``, ``"f1"`` (of the minority class), ``"tuned_balanced_accuracy"``,
        ``"tuned_f1"``, ``"log_loss"``, ``"brier"``, or a scorer of scikit-learn. ``"recall"``,
        ``"precision"`` and the like are those of the minority class. Of several, the verdict is about the
        first, and all are in the table, by their names or the keys of the dict, and in ``differences(name)``.
    cv : int, splitter or iterable of (train, test), default=5
        Stratified folds.
    n_repeats : int or "auto", default="auto"
        How often an integer ``cv`` is repeated with other folds; ``"auto"``: 3 times up to 500 rows, twice
        up to 1,000, else once.
    ratios : sequence of float or "auto", default="auto"
        How far copies, SMOTE and ``VAEOverSampler`` fill up each class: rows as a share of the
        largest class. ``"auto"``: two on the way to balance, and 1, which is balance; classes of
        about the same size are enlarged, to 1.5 and 2 times the largest.
    pos_label : label, optional
        The class that counts; by default the rarest.
    n_jobs : int, optional
        Folds tried at the same time, as joblib takes it.
    random_state : None, int, RandomState or Generator
        Decides folds, samplers, and classifiers without a ``random_state`` of their own.
    verbose : int, default=0
        1 shows a progress bar and says, after the first fold, about how long all will take.
    groups : array-like (n,), optional
        Which rows belong together, such as those of one patient: they are never on both sides of a split.
    max_seconds : float, optional
        A fold that would end later is not begun, or is broken off between two strategies; the first is tried
        in any case. What was measured in whole folds is returned, with the remark ``stopped``, and the
        headline says from how many folds it comes. So it is after Ctrl-C.
    sample_weight : array-like (n,), optional
        How much each row counts, above 0: in training, in every score, and in the choice of thresholds. New
        rows count as much as the real rows of their class on the mean; samplers do not see the weights.

    Returns
    -------
    Assessment
        With ``verdict``, ``probability``, ``sentence``, ``advice``, ``table``, ``summary()``, ``plot()``,
        ``to_html(path)``.

    Raises
    ------
    InputError
        If the data or arguments cannot be used. A sampler that fails is reported in the result instead.

    Notes
    -----
    *How it is judged.* Strategies predict the same held-out rows, so their scores are compared row by
    row: the rows are weighted at random, 50 to 200 times (Bayesian bootstrap), and what the difference
    then varies by is due to the choice of rows. What it varies by from fold to fold beyond that is due to
    training, and is added. The difference is then drawn towards what the same strategy brought to the
    same kind of classifier, with as many minority rows, on the 25 tables of the library's benchmark, as
    far as the measurement leaves it open (a normal distribution with a normal prior; nothing is expected
    where the classifier ranks no better than chance). Such expectations of new rows were checked on other
    halves of these tables, and are corrected by as much as they were off there. That gives the gain to expect
    of new rows, its 95 % interval, and the probability of a gain. The verdict is "helps" if
    the interval lies above 0, "hurts" if below, "probably helps" if a gain has a probability of two in three
    or more and is expected to be .005 or more (1 % of losses and of scorers of scikit-learn), and otherwise
    "no evidence of help". Scorers of scikit-learn judge folds, not rows: there, intervals
    are those of Nadeau and Bengio (2003), corrected for the number of strategies (Bonferroni).

    *A better classifier* on the rows as they are, boosted trees, a random forest, a logistic regression and
    the three together, stands beside the strategies for tables. It often brings more than any rows.

    *Blended* is the normalised geometric mean of the probabilities of two classifiers, one trained on the
    rows as they are and one with new rows: ``AugmentedClassifier(classifier, VAEOverSampler(), blend=True)``.
    It loses less often than new rows alone.

    *One model per fold.* The sampler is fitted once in each training fold, for the largest ratio; smaller
    ratios use a random part of its rows. Probabilities are corrected for the class shares that
    resampling or weights changed, as :class:`AugmentedClassifier` does; decisions
    (``balanced_accuracy``, ``f1``) are those of the classifier as trained. The threshold of a fold
    is chosen on the test rows of the other folds, as classifiers that were trained without these rows
    score them.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from vaeaug import VAEAugmenter, VAEOverSampler, assess
    >>> X, y = make_classification(n_samples=200, n_features=4, weights=[0.9], random_state=0)
    >>> sampler = VAEOverSampler(VAEAugmenter(max_iter=2))
    >>> found = assess(LogisticRegression(), X, y, sampler=sampler, cv=3, n_repeats=1, random_state=0)
    >>> found.verdict in ("helps", "probably helps", "no evidence of help", "hurts")
    True
    """
    options = Options(
        scoring,
        cv,
        n_repeats,
        ratios,
        pos_label,
        n_jobs,
        random_state,
        verbose,
        groups,
        max_seconds,
        announce=_print_beside if verbose else None,
        sample_weight=sample_weight,
    )
    return run_assessment(estimator, X, y, sampler, options)


def _print_beside(text: str) -> None:
    print(text, file=sys.stderr)


def run_assessment(estimator: Any, X: Any, y: Any, sampler: Any, options: Options) -> Assessment:
    """Do the work of :func:`assess`."""
    target, name = y, estimator if isinstance(estimator, str) else ""
    X, y = take_labels(X, y)
    if isinstance(target, str):
        column = f"X[{target!r}], X.drop(columns=[{target!r}])"
        options = replace(options, reading=f"y, X = {column}\n")
    X = _as_frame(X, estimator) if isinstance(estimator, str) else check_rows(X)
    warn_of_leaks(X, y)
    own, others = (sampler, None) if isinstance(sampler, VAEOverSampler) else (VAEOverSampler(), sampler)
    hidden, own = hide_identifiers(X, own)
    X = hidden.apply(X)
    say_columns(X, hidden, own, "assess")
    if isinstance(estimator, str):
        estimator = learner(estimator, X)
    chosen = choose_ratios(options.ratios, read_labels(as_column(y), "assess"))
    # Rows drawn from the prior are tied to no real row, so they may serve inside the training fold too.
    reusable, blended = own.method in ("auto", "prior"), hasattr(estimator, "predict_proba")
    ours = Resampled("VAEOverSampler", own, chosen, reusable=reusable, blended=blended)
    return compare(estimator, X, y, others, replace(options, hidden=tuple(hidden.names), name=name), ours)


def _as_frame(X: Any, name: str) -> pd.DataFrame:
    rows = check_rows(X)
    if isinstance(rows, pd.DataFrame):
        return rows
    rows = rows.toarray() if hasattr(rows, "toarray") else rows
    if rows.ndim != 2:
        raise InputError(
            f"assess: estimator={name!r} is for tables, got X of shape {rows.shape}; pass a classifier for "
            "such data."
        )
    return pd.DataFrame(rows).infer_objects()
