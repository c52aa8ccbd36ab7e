"""`AugmentedClassifier`: a classifier that trains on resampled rows and predicts like any other."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from vaeaug.classifier.selection import Blend, choose, train_choice
from vaeaug.data.labels.leakage import warn_of_leaks
from vaeaug.data.labels.targets import as_column, read_labels
from vaeaug.errors import ColumnNote, InputError
from vaeaug.evaluation.assess.named_classifiers import LEARNERS, learner
from vaeaug.evaluation.assess.strategies import Trained, explain_failure, fit_rows
from vaeaug.evaluation.columns import fill_columns, odd_cells
from vaeaug.evaluation.identifiers import HiddenColumns, hide_identifiers
from vaeaug.sampler import VAEOverSampler
from vaeaug.utils.choices import Auto, Classifier, RandomState, Resampler
from vaeaug.utils.estimators import clone_with_seed, offer_if, refuse_nested, weight_keyword
from vaeaug.utils.frames import to_pandas
from vaeaug.utils.memory import open_memory, with_memory
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.random import derive_seed, numpy_generator
from vaeaug.utils.rows import begin_alike
from vaeaug.utils.validation import (
    check_number,
    refuse_mapping,
    refuse_repeated_columns,
    take_labels,
)
from vaeaug.utils.wording import list_names

__all__ = ["AugmentedClassifier"]

#: Rows of each class that a classifier is tried on before the long work.
_PROBED = 30


def _estimator_has(method: str) -> Callable[[AugmentedClassifier], bool]:
    """Say whether the wrapped classifier has a method, fitted or not."""

    def check(self: AugmentedClassifier) -> bool:
        # The AttributeError of the estimator says more than ours would.
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class AugmentedClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Train any classifier on a data set with synthetic rows added, inside ``fit`` only.

    It is the last step of a plain scikit-learn Pipeline, and right in ``cross_val_score``
    and ``GridSearchCV``: test folds are never resampled, and synthetic rows are made from
    the training fold alone.

    Parameters
    ----------
    estimator : classifier
        A copy is trained on the resampled rows.
    sampler : object with ``fit_resample`` or "auto", optional
        A copy makes the rows. By default ``VAEOverSampler()``; any sampler of
        imbalanced-learn will do. ``"auto"`` tries plain training, class weights and
        synthetic rows on inner folds, and takes what is likely to be best; see Notes.
    synthetic_weight : float, default=1.0
        Weight of a synthetic row in training, where a real row weighs 1 (or, with
        ``sample_weight``, where the real rows of its class weigh their mean). Other
        values than 1 need an estimator that takes ``sample_weight``.
    prior_correction : bool, default=True
        Whether ``predict_proba`` speaks of the class shares of the data (True) or of the
        resampled training set (False). Has no influence on ``predict``.
    cv : int, default=3
        Inner folds of ``sampler="auto"``; it fits a ``VAEOverSampler`` once in each.
    blend : bool, default=False
        Whether a second classifier, trained on the rows as they are, has an equal say: probabilities are the
        normalised geometric mean of both. That loses less often than new rows alone. ``"auto"`` chooses by
        itself.
    random_state : None, int, RandomState or Generator
        Decides folds and rows of ``sampler="auto"``. A sampler has a ``random_state`` of its own.
    memory : None, path of a folder or joblib.Memory, default=None
        Where fitted generators are kept, as in scikit-learn's Pipeline: a grid search over parameters of
        the classifier fits one for each training fold, and a call with the same data, parameters and seed
        none. Handed on to a sampler with a ``memory`` of its own, such as ``VAEOverSampler``. Without a seed,
        ``sampler="auto"`` draws one for each data set, and keeps it there.

    Attributes
    ----------
    estimator_, sampler_
        The fitted copies; of a blend ``estimator_`` holds both. ``sampler_`` is None where ``"auto"``
        chose to make no rows.
    choice_ : str
        Only with ``sampler="auto"``: ``"nothing"``, ``"class weights"``, or ``"synthetic (ratio …)"``, where
        the ratio is the size of a class after resampling as a share of the largest, and
        ``", blended"`` at its end says that a second classifier, trained on the rows as they are, has an
        equal say, and ``", soft labels, blended"`` that a third has one, trained on soft labels.
    choice_table_ : DataFrame
        Only with ``sampler="auto"``: a row per candidate, with its ROC AUC and average precision on the inner
        folds, the mean ``gain`` of both over plain training, its standard ``error``, and why it was
        chosen or not.
    recalibration_ : Recalibration or None
        Only with ``sampler="auto"``: the slope and shifts that ``predict_proba`` is corrected by; see Notes.
    classes_ : ndarray (k,)
    class_prior_ : ndarray (k,)
        Shares of the classes in the data, by weight.
    training_prior_ : ndarray (k,)
        Shares of the classes in the resampled training set, by weight.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only if the columns have names.

    Notes
    -----
    *Two questions, two answers.* ``predict`` and ``decision_function`` are those of the classifier
    trained on the resampled rows. That is what resampling is for: with classes filled up to equal
    size, the most probable class is the one that does best on the *balanced* accuracy, so
    that minority classes are found. ``predict_proba`` answers another question, how
    probable each class is, and a balanced training set makes a classifier overrate rare ones.
    It is therefore corrected for the change of the class shares, by Bayes' rule,

    .. math:: p(k \\mid x) \\propto q(k \\mid x) \\, \\pi_k / \\tau_k,

    where q is the probability given by the trained classifier, π the shares in the data
    (``class_prior_``) and τ those in the training set (``training_prior_``), both by weight
    (Elkan 2001, "The foundations of cost-sensitive learning", theorem 2; Saerens, Latinne
    & Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori
    probabilities", equation 2.4). So wherever rows were added, ``predict`` finds more rare
    rows than ``predict_proba > 0.5`` does, as with a tuned threshold. For the most
    probable class, with fewer false alarms, take ``classes_[predict_proba(X).argmax(axis=1)]``.

    *What "auto" chooses.* Candidates are the rows as they are, class weights (where the estimator takes
    them), synthetic rows up to three ratios, and blends: the normalised geometric mean of the probabilities
    of two classifiers, trained without and with the synthetic rows, or of three. The third is trained on
    *soft labels*: three times as many synthetic rows of all classes, each with the probabilities that a
    random forest and a logistic regression give to the classes (Hinton, Vinyals and Dean 2015,
    "Distilling the knowledge in a neural network"). Of ROC AUC and average precision on
    the inner folds, neither may fall, and the candidate with the largest gain is taken. Since few folds
    of few rows say little, the changes are drawn towards those to be expected: a small gain for blends,
    which are therefore taken unless the folds speak against them; none for the others, which must
    also gain more than half a standard error (corrected for the overlap of folds).

    What the chosen candidate said about the held-out rows of the inner folds also tells how sure it may be:
    log-probabilities are multiplied by a slope and shifted for each class, as fits these rows best, both
    drawn towards no change where rows are few. Where plain training is chosen, nothing is corrected;
    neither with ``prior_correction=False``.

    *Identifiers.* Columns of a frame that name each row, by ``id_columns`` of the augmenter, are hidden from
    the classifier, with a warning: it sees the same cell in every row, the first value of a column of numbers
    or else the number 0. A ``ColumnTransformer`` that names such a column finds it, and learns nothing there.

    The correction knows of the rows added, not of what the estimator does
    inside: leave its ``class_weight`` alone.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler
    >>> X, y = make_classification(n_samples=100, weights=[0.9], random_state=0)
    >>> sampler = VAEOverSampler(VAEAugmenter(max_iter=2), random_state=0)
    >>> model = AugmentedClassifier(LogisticRegression(), sampler).fit(X, y)
    >>> model.class_prior_, model.training_prior_
    (array([0.91, 0.09]), array([0.5, 0.5]))
    >>> model.predict_proba(X).shape
    (100, 2)
    """

    def __init__(
        self,
        estimator: Classifier,
        sampler: Auto | Resampler | None = None,
        *,
        synthetic_weight: float = 1.0,
        prior_correction: bool = True,
        cv: int = 3,
        blend: bool = False,
        random_state: RandomState = None,
        memory: Any = None,
    ) -> None:
        self.estimator = estimator
        self.sampler = sampler
        self.synthetic_weight = synthetic_weight
        self.prior_correction = prior_correction
        self.cv = cv
        self.blend = blend
        self.random_state = random_state
        self.memory = memory

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and those of sampler and estimator as ``sampler__method``; return self.

        Raises
        ------
        InputError
            For parameters of a sampler that is None or ``"auto"``.
        """
        refuse_nested(self, "sampler", "VAEOverSampler(VAEAugmenter())", params)
        super().set_params(**params)
        return self

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Resample the rows and train the classifier on them.

        Parameters
        ----------
        X : DataFrame or array-like (n, d)
        y : array-like (n,), or the name of a column of the frame X
            Class labels. Of a column that is named, ``predict`` takes no notice, so that it may stay in X.
        sample_weight : array-like (n,), optional
            Weights of the rows; rows of weight 0 are not resampled either. The
            sampler does not see the other weights.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the parameters do not fit together, or the data cannot be used.
        """
        self._check_parameters(weighted=sample_weight is not None)
        columns = getattr(X, "columns", ())
        self._target = y if isinstance(y, str | int) and y in list(columns) else None
        X, y = take_labels(X, y)
        X, y = _table(X), as_column(y, warn=True)
        labels = read_labels(y)
        check_consistent_length(X, labels)
        warn_of_leaks(X, y)
        chosen = None if self._is_auto() else self.sampler
        self._hidden, chosen = hide_identifiers(X, VAEOverSampler() if chosen is None else chosen)
        X = self._hidden.apply(X)
        self._probe(X, y, labels)
        validate_data(self, X, skip_check_array=True)
        if self._hidden.names:
            warn_caller(
                f"AugmentedClassifier: X has columns that name each row: {list_names(self._hidden.names)}. "
                "The classifier does not see them. To choose them yourself, pass id_columns=[...], or None "
                "for none, to VAEAugmenter.",
                ColumnNote,
            )
        if self._is_auto():
            return self._fit_choice(np.asarray(X) if isinstance(X, list) else X, labels)
        weight = np.ones(len(labels))
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
            kept = np.flatnonzero(weight > 0)
            X, y = _safe_indexing(X, kept), _safe_indexing(y, kept)
            labels, weight = labels[kept], weight[kept]

        self.sampler_ = with_memory(clone(chosen), self.memory)
        X_res, y_res = self.sampler_.fit_resample(X, y)
        labels_res = read_labels(y_res)
        weight_res = np.ones(len(labels_res))
        arguments = {}
        if sample_weight is not None or self.synthetic_weight != 1:
            synthetic, source = _find_origins(self.sampler_, X, X_res)
            classes, codes = np.unique(labels, return_inverse=True)
            means = np.bincount(codes, weight) / np.bincount(codes)
            filled = self.synthetic_weight * means[np.searchsorted(classes, labels_res)]
            weight_res = np.where(synthetic, filled, weight[np.where(synthetic, 0, source)])
            arguments = {str(weight_keyword(self.estimator)): weight_res}
        self.estimator_ = clone(self.estimator)
        self._empty = fit_rows(self.estimator_, X_res, labels_res, **arguments)
        self.classes_ = np.asarray(getattr(self.estimator_, "classes_", np.unique(labels_res)))
        self.class_prior_ = _shares(labels, weight, self.classes_)
        self.training_prior_ = _shares(labels_res, weight_res, self.classes_)
        if self.blend:
            own = {} if sample_weight is None else {str(weight_keyword(self.estimator)): weight}
            self._blend_with_plain(X, labels, own)
        return self

    def _blend_with_plain(self, X: Any, labels: np.ndarray, arguments: dict[str, Any]) -> None:
        """Train a second classifier on the rows as they are, and let both vote."""
        plain, even = clone(self.estimator), np.ones(len(self.classes_))
        empty = fit_rows(plain, X, labels, **arguments)
        shift = self.class_prior_ / self.training_prior_
        members = [
            (Trained(plain, self.classes_, even, np.nan, tuple(empty)), even),
            (Trained(self.estimator_, self.classes_, shift, np.nan, tuple(self._empty)), shift),
        ]
        self.estimator_ = Blend(members, corrected=self.prior_correction)
        self.training_prior_ = self.class_prior_

    def _probe(self, X: Any, y: Any, labels: np.ndarray) -> None:
        """Find out on some rows, before the long work, whether the classifier reads such cells at all.

        Raises
        ------
        InputError
            If it does not.
        """
        if not odd_cells(X):
            return
        rng = numpy_generator(0)
        some = np.concatenate(
            [rng.choice(np.flatnonzero(labels == label), _PROBED) for label in np.unique(labels)]
        )
        if isinstance(X, pd.DataFrame):
            some = np.concatenate([some, *(np.flatnonzero(X[name].isna())[:1] for name in X)])
        everything = np.arange(len(labels))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Some rows may be too few for a classifier that the whole suits: then all of them decide.
            for rows in (some, np.concatenate([everything, some])):
                model, part = clone_with_seed(self.estimator, 0), _safe_indexing(X, rows)
                try:
                    with explain_failure(self.estimator, X, y, "AugmentedClassifier"):
                        fit_rows(model, part, labels[rows])
                    return
                except Exception:
                    if len(rows) > len(labels):
                        raise

    def _is_auto(self) -> bool:
        return isinstance(self.sampler, str) and self.sampler == "auto"

    def _fit_choice(self, X: Any, labels: np.ndarray) -> Self:
        """Choose what to train on by inner cross-validation, and train on it."""
        if len(np.unique(labels)) < 2:
            raise InputError("AugmentedClassifier: y must hold two classes or more, got 1 class.")
        seed = derive_seed(self.random_state)
        if self.random_state is None and self.memory is not None:
            seed = open_memory(self.memory, "AugmentedClassifier").cache(_keep, ignore=["seed"])(
                X, labels, seed
            )
        choice = choose(self.estimator, X, labels, cv=self.cv, seed=seed, memory=self.memory)
        self.choice_, self.choice_table_ = choice.name, choice.table
        self.recalibration_ = choice.recalibration
        trained, members, resampled = train_choice(
            choice.name, self.estimator, X, labels, seed=seed, memory=self.memory
        )
        self.sampler_ = None if resampled is None else resampled.fitted_
        self.classes_ = trained.classes_
        self.class_prior_ = _shares(labels, np.ones(len(labels)), self.classes_)
        self.training_prior_ = self.class_prior_ / trained.shift
        self.estimator_, self._empty = trained.model, np.array(trained.empty, dtype=np.int64)
        if members:
            self.estimator_ = Blend(members, corrected=self.prior_correction)
            self.training_prior_ = self.class_prior_
        return self

    @offer_if(_estimator_has("predict"))
    def predict(self, X: Any) -> np.ndarray:
        """Return the class that the trained classifier chooses for each row, ``(n,)``; see Notes."""
        X = self._check(X)
        return self.estimator_.predict(X)

    @offer_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, ``(n, k)``, for the class shares of the data; see Notes.

        With ``prior_correction=False``, for those of the resampled training set.
        """
        X = self._check(X)
        trained = self.estimator_.predict_proba(X)
        odds = self.class_prior_ / self.training_prior_
        if not self.prior_correction:
            return trained
        if not np.allclose(odds, odds[0], rtol=1e-12, atol=0):
            trained = trained * odds.astype(trained.dtype)
            trained = trained / trained.sum(axis=1, keepdims=True)
        recalibration = getattr(self, "recalibration_", None)
        return trained if recalibration is None else recalibration.apply(trained)

    @offer_if(_estimator_has("predict_proba"))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @offer_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the trained classifier's scores, ``(n,)`` or ``(n, k)``; they agree with :meth:`predict`."""
        X = self._check(X)
        return self.estimator_.decision_function(X)

    def _check(self, X: Any) -> Any:
        check_is_fitted(self)
        X = _table(X)
        if isinstance(X, pd.DataFrame) and getattr(self, "_target", None) in X:
            X = X.drop(columns=self._target)
        X = validate_data(self, X, reset=False, skip_check_array=True)
        return fill_columns(getattr(self, "_hidden", HiddenColumns()).apply(X), self._empty)

    def _check_parameters(self, *, weighted: bool) -> None:
        """Refuse, before the long work, what cannot end well."""
        check_number("synthetic_weight", self.synthetic_weight, low=0.0, high=1e9)
        open_memory(self.memory, "AugmentedClassifier")
        if not (hasattr(self.estimator, "fit") and hasattr(self.estimator, "predict")):
            named = ""
            if isinstance(self.estimator, str) and self.estimator in LEARNERS:
                named = (
                    f" Names are for assess; what it trains is learner({self.estimator!r}, X) of "
                    f"{learner.__module__}."
                )
            raise InputError(
                "AugmentedClassifier: estimator must be a classifier with fit() and predict(), such as "
                f"HistGradientBoostingClassifier(); got {self.estimator!r}.{named}"
            )
        if self.blend and not (self._is_auto() or hasattr(self.estimator, "predict_proba")):
            raise InputError(
                f"AugmentedClassifier: blend=True needs a classifier with predict_proba(), and "
                f"{type(self.estimator).__name__} has none; leave it out, or put the classifier into "
                "CalibratedClassifierCV."
            )
        if self._is_auto():
            check_number("cv", self.cv, low=2, integer=True)
            if weighted or self.synthetic_weight != 1:
                raise InputError(
                    'AugmentedClassifier: sampler="auto" weighs rows by itself; leave sample_weight out and '
                    "synthetic_weight at 1, or choose a sampler, such as VAEOverSampler()."
                )
        elif self.sampler is not None and not hasattr(self.sampler, "fit_resample"):
            raise InputError(
                'AugmentedClassifier: sampler must be None, "auto" or an object with fit_resample(), such as '
                f"VAEOverSampler() or imblearn's SMOTE(); got {self.sampler!r}."
            )
        if (weighted or self.synthetic_weight != 1) and weight_keyword(self.estimator) is None:
            cause = "sample_weight" if weighted else f"synthetic_weight={self.synthetic_weight}"
            raise InputError(
                f"AugmentedClassifier: {cause} needs an estimator whose fit takes sample_weight, and "
                f"{type(self.estimator).__name__}'s does not; leave it out, or take another estimator."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        own = self.sampler is None or isinstance(self.sampler, str)
        sampler = get_tags(VAEOverSampler() if own else self.sampler)
        if inner.classifier_tags is not None:
            tags.classifier_tags = inner.classifier_tags
        for name in ("allow_nan", "categorical", "string", "sparse", "positive_only"):
            given = getattr(inner.input_tags, name), getattr(sampler.input_tags, name)
            setattr(tags.input_tags, name, any(given) if name == "positive_only" else all(given))
        return tags


def _keep(X: Any, labels: np.ndarray, seed: int) -> int:
    """Return the seed that a memory keeps for rows: the first one it was asked about."""
    return seed


def _find_origins(sampler: Any, X: Any, X_res: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are synthetic, and the input row that each other one is.

    Raises
    ------
    InputError
        If the sampler does not tell, and does not keep the input rows in front.
    """
    n, n_res = _num_samples(X), _num_samples(X_res)
    later = np.arange(n_res) >= n
    own = np.where(later, -1, np.arange(n_res))
    synthetic = getattr(sampler, "is_synthetic_", None)
    if synthetic is not None and len(synthetic) == n_res:
        return np.asarray(synthetic), np.asarray(sampler.source_indices_)
    picked = getattr(sampler, "sample_indices_", None)
    if picked is not None and len(picked) == n_res:  # imbalanced-learn's samplers that only pick rows
        picked = np.asarray(picked)
        keeps_all = n_res >= n and np.array_equal(picked[:n], np.arange(n))
        return (later if keeps_all else np.zeros(n_res, dtype=bool)), picked
    if n_res >= n and begin_alike(X, X_res):
        return later, own
    raise InputError(
        f"AugmentedClassifier: {type(sampler).__name__} does not tell which rows are synthetic, so they "
        "cannot be weighted; leave sample_weight out and synthetic_weight at 1, or take a sampler that keeps "
        "the input rows in front, such as VAEOverSampler()."
    )


def _shares(labels: np.ndarray, weight: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the share of each class by weight, shape (k,)."""
    return np.array([weight[labels == label].sum() for label in classes]) / weight.sum()


def _table(X: Any) -> Any:
    """Return X in a container that has rows: frames, arrays, sparse matrices and lists as they are."""
    refuse_mapping(X)
    X = to_pandas(X)
    if isinstance(X, pd.DataFrame):
        refuse_repeated_columns(X)
    if not hasattr(X, "shape") and not isinstance(X, list):
        X = np.asarray(X)
    if getattr(X, "ndim", 2) == 1:
        raise InputError(
            "X must have rows and columns, got one dimension. Reshape your data: X.reshape(1, -1) makes "
            "one row of it, X.reshape(-1, 1) one column."
        )
    return X
