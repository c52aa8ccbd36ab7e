"""The strategies that are compared: the rows as they are, class weights, copies, a sampler's rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline

from vaeaug.data.labels.leakage import describe_leaks
from vaeaug.errors import InputError
from vaeaug.evaluation.assess.metrics import Predictions
from vaeaug.evaluation.columns import empty_columns, fill_columns, odd_cells
from vaeaug.utils.estimators import class_weight_keyword, clone_with_seed, describe, weight_keyword
from vaeaug.utils.memory import with_memory
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.rows import begin_alike, select_rows

__all__ = [
    "BLENDED",
    "Baseline",
    "ClassWeights",
    "Duplicates",
    "NoResampling",
    "Resampled",
    "Strategy",
    "Trained",
    "Training",
    "blend",
    "explain_failure",
    "fill_up",
    "fit_rows",
    "ratio_name",
    "train",
]

_COPIES, _KEEP = 31, 33
#: End of the name of a strategy that shares its vote with the classifier trained on the rows as they are.
BLENDED = ", blended"


class Baseline(StrEnum):
    """What a sampler is compared with, by the names that tables show."""

    NOTHING = "nothing"
    TUNED_THRESHOLD = "tuned threshold"
    CLASS_WEIGHTS = "class weights"
    DUPLICATES = "duplicates"
    SMOTE = "SMOTE"


@dataclass(frozen=True)
class Training:
    """What a classifier is trained on.

    Parameters
    ----------
    X, y : rows and their labels
        The real rows first, if ``added`` says how many are not.
    added : int or None
        Number of new rows at the end; None if the rows were changed in another way.
    balanced : bool
        Whether every class is to weigh the same.
    seconds : float
        What making it took.
    estimator : classifier, optional
        Trained instead of the one in question.
    sample_weight : ndarray (m,), optional
        Weights of the rows, between 0 and 1, under which the classes of alike rows have the shares that they
        have in the data. For classifiers without weights, rows are kept with these probabilities.
    """

    X: Any
    y: np.ndarray
    added: int | None = 0
    balanced: bool = False
    seconds: float = 0.0
    estimator: Any = None
    sample_weight: np.ndarray | None = None


class Strategy(ABC):
    """How training rows are made: one strategy, or several that share their work.

    Attributes
    ----------
    names : sequence of str
        Of each.
    is_reference : bool
        Whether the others are compared with it.
    reusable : bool
        Whether its new rows may serve, unchanged, on any part of the rows they were made from.
    members : mapping of str to sequence of str
        Strategies that are the joint vote of others.
    """

    names: Sequence[str]
    is_reference: bool = False
    reusable: bool = False
    members: Mapping[str, Sequence[str]] = {}

    @abstractmethod
    def trainings(self, X: Any, y: np.ndarray, seed: int) -> Mapping[str, Training]:
        """Return what to train on, by name; only the rows given may be used."""

    def kind(self, name: str, y: np.ndarray) -> str | None:
        """Return what tables of the benchmark call the strategy of a name; None if nothing is expected."""
        return None

    def remember(self, memory: Any) -> Strategy:
        """Return a strategy that keeps what it fits in a memory, if it can."""
        return self

    def join(self, *probabilities: np.ndarray) -> np.ndarray:
        """Return the joint vote (n, k) of members that gave these probabilities: their mean."""
        return np.mean(probabilities, axis=0)


class NoResampling(Strategy):
    """The rows as they are."""

    names = (Baseline.NOTHING.value,)
    is_reference = True

    def trainings(self, X: Any, y: np.ndarray, seed: int) -> Mapping[str, Training]:
        """Return the rows."""
        return {self.names[0]: Training(X, y)}


class ClassWeights(Strategy):
    """The rows as they are, each class of the same weight in all."""

    names = (Baseline.CLASS_WEIGHTS.value,)

    def trainings(self, X: Any, y: np.ndarray, seed: int) -> Mapping[str, Training]:
        """Return the rows, to be weighted."""
        return {self.names[0]: Training(X, y, balanced=True)}

    def kind(self, name: str, y: np.ndarray) -> str | None:
        """Return the name itself."""
        return name

    @staticmethod
    def obstacle(estimator: Any) -> str | None:
        """Say why an estimator cannot be weighted; None if it can."""
        if weight_keyword(estimator) or class_weight_keyword(estimator):
            return None
        return "the estimator takes neither sample_weight nor class_weight"


class Duplicates(Strategy):
    """Random copies of the rows of small classes, up to several ratios.

    Parameters
    ----------
    ratios : sequence of float
        Rows of a class after resampling, as a share of the largest class.
    """

    def __init__(self, ratios: Sequence[float]) -> None:
        self.ratios = tuple(ratios)
        self.names = [ratio_name(Baseline.DUPLICATES, ratio) for ratio in self.ratios]

    def kind(self, name: str, y: np.ndarray) -> str | None:
        """Return the name without the ratio."""
        return Baseline.DUPLICATES.value

    def trainings(self, X: Any, y: np.ndarray, seed: int) -> Mapping[str, Training]:
        """Return the rows followed by copies."""
        rng = numpy_generator(seed, _COPIES)
        made = {}
        for name, ratio in zip(self.names, self.ratios, strict=True):
            added = [
                rng.choice(np.flatnonzero(y == label), count) for label, count in fill_up(y, ratio).items()
            ]
            picked = np.concatenate([np.arange(len(y)), *added]).astype(np.int64)
            made[name] = Training(select_rows(X, picked), y[picked], len(picked) - len(y))
        return made


class Resampled(Strategy):
    """Rows made by a sampler with ``fit_resample``.

    Parameters
    ----------
    name : str
    sampler : object with ``fit_resample``
        A copy is fitted on what is trained on, and on nothing else.
    ratios : sequence of float, optional
        If given, the sampler is run once, for the largest ratio (as its ``sampling_strategy``, a dict),
        and serves the smaller ones with a random part of its new rows. Otherwise it runs as it is.
    reusable : bool, default=False
        See :class:`Strategy`.
    blended : bool, default=False
        Whether there is also a blend of each with the rows as they are, see :func:`blend`.
    """

    def __init__(
        self,
        name: str,
        sampler: Any,
        ratios: Sequence[float] | None = None,
        *,
        reusable: bool = False,
        blended: bool = False,
    ) -> None:
        self.name = name
        self.sampler = sampler
        self.ratios = None if ratios is None else tuple(ratios)
        self.names = [name] if ratios is None else [ratio_name(name, ratio) for ratio in ratios]
        self.reusable = reusable
        if blended:
            self.members = {each + BLENDED: (Baseline.NOTHING.value, each) for each in self.names}

    def join(self, *probabilities: np.ndarray) -> np.ndarray:
        """Return the blend (n, k) of members that gave these probabilities."""
        return blend(*probabilities)

    def kind(self, name: str, y: np.ndarray) -> str | None:
        """Return which sampler of the benchmark this one is; of ``VAEOverSampler`` also how far it fills."""
        if name.endswith(BLENDED):
            kind = str(self.kind(name.removesuffix(BLENDED), y))
            return kind + BLENDED if kind.startswith("VAEOverSampler") else "other"
        kind = type(self.sampler).__name__
        if "smote" in kind.lower():
            return Baseline.SMOTE.value
        if kind == "RandomOverSampler":
            return Baseline.DUPLICATES.value
        if not any(each.__name__ == "VAEOverSampler" for each in type(self.sampler).__mro__):
            return "other"
        counts = _counts(y).values()
        start, ratios = min(counts) / max(counts), dict(zip(self.names, self.ratios or (), strict=False))
        way = 1.0 if start == 1 else 1 - np.log(ratios.get(name, 1.0)) / np.log(start)
        return f"VAEOverSampler {'1/3' if way < 0.5 else '2/3' if way < 5 / 6 else '1'}"

    def remember(self, memory: Any) -> Resampled:
        """Return the same with a sampler that shares fits with others through a memory, if it can."""
        if not hasattr(self.sampler, "memory"):
            return self
        sampler = with_memory(clone(self.sampler), memory)
        return Resampled(self.name, sampler, self.ratios, reusable=self.reusable, blended=bool(self.members))

    def trainings(self, X: Any, y: np.ndarray, seed: int) -> Mapping[str, Training]:
        """Run the sampler."""
        sampler = clone_with_seed(self.sampler, seed)
        if self.ratios is not None:
            counts = _counts(y)
            wanted = fill_up(y, max(self.ratios))
            total = {label: counts[label] + count for label, count in wanted.items() if count}
            sampler.set_params(sampling_strategy=total)
        start = perf_counter()
        X_res, y_res = sampler.fit_resample(X, y)
        seconds = perf_counter() - start
        self.fitted_ = sampler
        y_res = np.asarray(y_res)
        kept = begin_alike(y, y_res) and begin_alike(X, X_res)
        if self.ratios is None:
            added = len(y_res) - len(y) if kept else None
            return {self.names[0]: Training(X_res, y_res, added, seconds=seconds)}
        if not kept:
            raise InputError(
                f"{type(sampler).__name__} does not return the rows it was given, followed by new ones, so "
                "it cannot be tried at several ratios; hand it in as it is."
            )
        return {
            name: _thin(X_res, y_res, y, ratio, seed, seconds)
            for name, ratio in zip(self.names, self.ratios, strict=True)
        }


def blend(*probabilities: np.ndarray) -> np.ndarray:
    """Return the normalised geometric mean of probabilities (n, k), none of them below 1e-6."""
    logs = sum(np.log(np.clip(each, 1e-6, None)) for each in probabilities) / len(probabilities)
    mixed = np.exp(logs - logs.max(axis=1, keepdims=True))
    return mixed / mixed.sum(axis=1, keepdims=True)


def ratio_name(name: str, ratio: float) -> str:
    """Return the name of a strategy that fills classes up to a share of the largest."""
    return f"{name} (ratio {ratio:.2g})"


def fill_up(y: np.ndarray, ratio: float) -> dict[Any, int]:
    """Return how many rows each class lacks of a share of the largest class, 0 where it has them."""
    counts = _counts(y)
    goal = int(np.ceil(ratio * max(counts.values())))
    return {label: max(goal - count, 0) for label, count in counts.items()}


def _counts(y: np.ndarray) -> dict[Any, int]:
    found, counts = np.unique(y, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _thin(X_res: Any, y_res: np.ndarray, y: np.ndarray, ratio: float, seed: int, seconds: float) -> Training:
    """Keep so many of the new rows as a ratio takes, chosen at random class by class."""
    rng = numpy_generator(seed, _COPIES + 1)
    kept = [np.arange(len(y))]
    for label, count in fill_up(y, ratio).items():
        new = len(y) + np.flatnonzero(y_res[len(y) :] == label)
        kept.append(np.sort(rng.permutation(new)[:count]))
    rows = np.concatenate(kept)
    return Training(select_rows(X_res, rows), y_res[rows], len(rows) - len(y), seconds=seconds)


# -- training on it ---------------------------------------------------------------------------------------


def train(
    estimator: Any,
    training: Training,
    y_real: np.ndarray,
    classes: np.ndarray,
    seed: int,
    weights: np.ndarray | None = None,
) -> Trained:
    """Fit a copy of an estimator.

    Parameters
    ----------
    estimator : classifier
    training : Training
    y_real : ndarray (n,)
        Labels of the real rows: the class shares that probabilities are to speak of.
    classes : ndarray (k,)
        Sorted labels.
    seed : int
        For a ``random_state`` that is None.
    weights : ndarray (n,), optional
        Of the real rows, all above 0. New rows weigh as much as the real rows of their class on the mean.

    Returns
    -------
    Trained

    Raises
    ------
    InputError
        If there are weights, and the training does not begin with the real rows.
    """
    model = clone_with_seed(estimator if training.estimator is None else training.estimator, seed)
    codes, real_codes = (np.searchsorted(classes, labels) for labels in (training.y, y_real))
    own = None if weights is None else _extend_weights(weights, real_codes, codes, training)
    counts = np.bincount(codes, own, minlength=len(classes)).astype(np.float64)
    fit_with: dict[str, Any] = {}
    if own is not None:
        fit_with = {str(weight_keyword(model)): own}
    if training.balanced:
        keyword = weight_keyword(model)
        if keyword is not None:
            even = counts.sum() / (len(classes) * counts)
            fit_with = {keyword: even[codes] * (1.0 if own is None else own)}
        else:
            model.set_params(**{str(class_weight_keyword(model)): "balanced"})
        counts = np.ones(len(classes))
    rows, labels = training.X, training.y
    if training.sample_weight is not None:
        keyword = weight_keyword(model)
        if keyword is not None:
            fit_with = {keyword: training.sample_weight}
        else:
            drawn = numpy_generator(seed, _KEEP).random(len(labels))
            kept = np.flatnonzero(drawn < training.sample_weight)
            rows, labels = select_rows(rows, kept), labels[kept]
    start = perf_counter()
    empty = fit_rows(model, rows, labels, **fit_with)
    seconds = training.seconds + perf_counter() - start
    real = np.bincount(real_codes, weights, minlength=len(classes))
    real = real / real.sum()
    trained_on = counts / counts.sum()
    with np.errstate(divide="ignore"):
        shift = np.where(trained_on > 0, real / trained_on, 1.0)
    if training.sample_weight is not None:
        shift = np.ones(len(classes))
    return Trained(model, classes, shift, seconds, empty=tuple(empty.tolist()))


def _extend_weights(
    weights: np.ndarray, real_codes: np.ndarray, codes: np.ndarray, training: Training
) -> np.ndarray:
    """Return the weights of all rows of a training, (m,)."""
    if training.added is None:
        raise InputError(
            "It does not return the rows it was given, followed by new ones, so sample_weight cannot be "
            "followed; leave the weights out, or the sampler."
        )
    means = np.bincount(real_codes, weights) / np.maximum(np.bincount(real_codes), 1)
    return np.concatenate([weights, means[codes[len(weights) :]]])


def fit_rows(model: Any, X: Any, y: np.ndarray, **arguments: Any) -> np.ndarray:
    """Fit a classifier in place, with zeros for columns without a value; return the positions of these."""
    empty = empty_columns(X)
    model.fit(fill_columns(X, empty), y, **arguments)
    return empty


@contextmanager
def explain_failure(estimator: Any, X: Any, y: Any, who: str) -> Iterator[None]:
    """Say, where a classifier cannot be trained on cells that not every classifier reads, what to do next.

    Columns that are the labels y are named first.

    Raises
    ------
    InputError
        From the error of the classifier, if the rows hold such cells; other errors stay what they are.
    """
    try:
        yield
    except Exception as error:
        odd = odd_cells(X)
        if not odd or isinstance(error, InputError):
            raise
        said, leaks = " ".join(str(error).split())[:300].rstrip("."), describe_leaks(X, y)
        raise InputError(
            f"{who}: {leaks + ' ' if leaks else ''}{describe(estimator)} cannot be trained on the rows as "
            f"they are: {said}. They hold {odd}; what a classifier does not read needs an encoder before "
            "it, in a Pipeline, such as scikit-learn's OneHotEncoder for text and SimpleImputer for missing "
            "cells."
        ) from error


@dataclass(repr=False, eq=False)
class Trained(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose probabilities speak of the class shares of the real rows.

    It stands in for the classifier where a scorer of scikit-learn wants one.

    Parameters
    ----------
    model : fitted classifier
    classes_ : ndarray (k,)
    shift : ndarray (k,)
        Share of each class among real rows, divided by that in training.
    seconds : float
        What making the rows and fitting took.
    empty : tuple of int
        Positions of columns that had no value in training, where the classifier is given zeros.
    """

    model: Any
    classes_: np.ndarray
    shift: np.ndarray
    seconds: float
    empty: tuple[int, ...] = ()

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> Trained:
        """Refuse; scorers only ask whether there is such a method."""
        raise InputError("A trained classifier is not trained again.")

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels of the classifier itself."""
        return np.asarray(self.model.predict(self._fill(X)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return corrected probabilities (n, k)."""
        return self._correct(self.model.predict_proba(self._fill(X)))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return decision values, (n,) for two classes."""
        return np.asarray(self.model.decision_function(self._fill(X)))

    def predictions(self, X: Any) -> Predictions:
        """Return everything that metrics want to know about rows."""
        rows, model = self._fill(X), self.model
        if type(model) is Pipeline and len(model) > 1:
            # Encoding takes as long as predicting, and once will do.
            rows, model = model[:-1].transform(rows), model[-1]
        probabilities = None
        if hasattr(model, "predict_proba"):
            probabilities = scores = self._correct(model.predict_proba(rows))
        else:
            scores = self._as_scores(model.decision_function(rows))
        labels = np.searchsorted(self.classes_, model.predict(rows))
        return Predictions(np.clip(labels, 0, len(self.classes_) - 1), scores, probabilities)

    def _correct(self, probabilities: np.ndarray) -> np.ndarray:
        corrected = self._align(probabilities) * self.shift
        return corrected / np.maximum(corrected.sum(axis=1, keepdims=True), 1e-300)

    def _as_scores(self, values: np.ndarray) -> np.ndarray:
        values = np.asarray(values)
        return np.column_stack([-values, values]) if values.ndim == 1 else self._align(values)

    def _fill(self, X: Any) -> Any:
        return fill_columns(X, np.array(self.empty, dtype=np.int64))

    def _align(self, values: np.ndarray) -> np.ndarray:
        """Return columns in the order of the classes; those of a class the model never met are 0."""
        values = np.asarray(values, dtype=np.float64)
        own = np.asarray(getattr(self.model, "classes_", self.classes_))
        if np.array_equal(own, self.classes_):
            return values
        full = np.zeros((len(values), len(self.classes_)))
        full[:, np.searchsorted(self.classes_, own)] = values
        return full
