"""What a synthetic table is worth as training data: train on it, test on real rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring, roc_auc_score

from vaeaug.errors import InputError
from vaeaug.evaluation.columns import as_array, empty_columns, fill_columns
from vaeaug.evaluation.images import channels_first
from vaeaug.evaluation.smallcnn import SmallConvClassifier
from vaeaug.evaluation.tables import CLASSIFIER_LEVELS, JointTables, build_trees, join_tables
from vaeaug.utils.random import derive_seed

__all__ = ["are_classes", "image_train_synthetic_test_real", "train_synthetic_test_real"]


def train_synthetic_test_real(
    synthetic: Any,
    test: Any,
    *,
    target: Hashable,
    real: Any = None,
    estimator: BaseEstimator | None = None,
    scoring: str | Callable[..., float] | None = None,
    random_state: Any = 0,
) -> pd.Series:
    """Score a model trained on synthetic rows on real rows it has not seen.

    Parameters
    ----------
    synthetic : DataFrame or array (rows, columns)
        The rows to train on, target included.
    test : DataFrame or array (rows, columns)
        Real rows that the generator has not seen.
    target : hashable
        Name of the column to predict. A float column, or a numeric one with more than 20
        distinct values in ``test``, is a regression; anything else a classification.
    real : DataFrame or array (rows, columns), optional
        Real training rows; the same model is trained on them for comparison.
    estimator : scikit-learn estimator, optional
        By default HistGradientBoosting with 100 trees. Features arrive as for
        :func:`vaeaug.evaluation.fidelity.two_sample_score`; classes arrive as integers 0, 1, …
    scoring : str or callable, optional
        As in scikit-learn: larger is better. By default the area under the ROC curve
        (the mean of one-vs-rest areas for more than two classes; a class that the model
        never met counts ½), or the negative root mean squared error of a regression.
    random_state : int, RandomState instance, Generator or None, default=0
        Seeds the default estimator.

    Returns
    -------
    Series
        ``"synthetic"`` and, when ``real`` is given, ``"real"``.

    Raises
    ------
    InputError
        Tables that cannot be compared, an unknown target, or one with missing values.

    References
    ----------
    Esteban, Hyland and Rätsch, *Real-valued (Medical) Time Series Generation with Recurrent
    Conditional GANs*, 2017 ("TSTR").

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from vaeaug.evaluation import train_synthetic_test_real
    >>> table = load_iris(as_frame=True).frame.sample(frac=1, random_state=0)
    >>> scores = train_synthetic_test_real(
    ...     table[:50], table[100:], target="target", real=table[50:100], estimator=KNeighborsClassifier()
    ... )
    >>> sorted(scores.index)
    ['real', 'synthetic']
    """
    named = {"test": test, "synthetic": synthetic} | ({} if real is None else {"real": real})
    tables = join_tables(named)
    if not isinstance(target, Hashable) or target not in tables.columns:
        raise InputError(
            f"train_synthetic_test_real: target must be one of the columns {list(tables.columns)}, "
            f"got {target!r}."
        )
    seed = derive_seed(random_state)
    labels, regression = _labels(tables, target, list(named))
    frames = [tables.frame(k, CLASSIFIER_LEVELS, without=[target]) for k in range(len(named))]
    if not frames[0].shape[1]:
        raise InputError(
            f"train_synthetic_test_real: tables must have a column besides the target {target!r}."
        )
    model = build_trees(seed, is_regression=regression) if estimator is None else estimator
    scores = {}
    for k, name in list(enumerate(named))[1:]:
        if not regression and len(np.unique(labels[k])) == 1:
            scores[name] = 0.5 if scoring is None else np.nan
            continue
        # Some classifiers insist on classes 0, 1, … without gaps.
        classes, codes = np.unique(labels[k], return_inverse=True) if not regression else (None, labels[k])
        empty = empty_columns(frames[k])
        fitted = clone(model).fit(fill_columns(frames[k], empty), codes)
        held = fill_columns(frames[0], empty)
        if scoring is not None:
            truth = labels[0] if classes is None else _recode(labels[0], classes)
            scores[name] = float(check_scoring(fitted, scoring)(fitted, held, truth))
        elif classes is None:
            scores[name] = -float(np.sqrt(np.mean((fitted.predict(held) - labels[0]) ** 2)))
        else:
            scores[name] = _one_vs_rest(fitted, held, labels[0], classes)
    return pd.Series(scores, dtype=float, name="score")


def image_train_synthetic_test_real(
    synthetic: Any,
    labels: Any,
    test: Any,
    test_labels: Any,
    *,
    real: Any = None,
    real_labels: Any = None,
    estimator: BaseEstimator | None = None,
    scoring: str | Callable[..., float] | None = None,
    random_state: Any = 0,
) -> pd.Series:
    """Score a classifier trained on synthetic images on real images it has not seen.

    Parameters
    ----------
    synthetic, test, real : array or tensor
        Images ``(n, H, W)``, ``(n, H, W, C)`` or ``(n, C, H, W)`` of one dtype: the ones to train on, real
        ones that the generator has not seen, and (optional) real training images for comparison.
    labels, test_labels, real_labels : array (n,)
        Their classes.
    estimator : scikit-learn classifier, optional
        Its ``fit`` and ``predict`` take images as arrays ``(n, C, H, W)``. By default
        :class:`~vaeaug.evaluation.smallcnn.SmallConvClassifier`.
    scoring : str or callable, optional
        As in scikit-learn; by default the accuracy.
    random_state : int, RandomState instance, Generator or None, default=0
        Seeds the default classifier.

    Returns
    -------
    Series
        ``"synthetic"`` and, when ``real`` is given, ``"real"``.

    Raises
    ------
    InputError
        Images of different kinds, or ``real`` without ``real_labels``.

    References
    ----------
    Ravuri and Vinyals, *Classification Accuracy Score for Conditional Generative Models*, NeurIPS 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from vaeaug.evaluation import image_train_synthetic_test_real
    >>> images, labels = load_digits().images.astype("uint8"), load_digits().target
    >>> def flatten(batch):
    ...     return batch.reshape(len(batch), -1)
    >>> model = make_pipeline(FunctionTransformer(flatten), KNeighborsClassifier())
    >>> scores = image_train_synthetic_test_real(
    ...     images[:300], labels[:300], images[900:], labels[900:],
    ...     real=images[300:600], real_labels=labels[300:600], estimator=model,
    ... )
    >>> scores.round(2).to_dict()
    {'synthetic': 0.91, 'real': 0.93}
    """
    if (real is None) != (real_labels is None):
        raise InputError("image_train_synthetic_test_real: give real and real_labels together, or neither.")
    goal = channels_first(test, "test")
    sets = {"synthetic": (channels_first(synthetic, "synthetic"), as_array(labels, "labels"))}
    truth = as_array(test_labels, "test_labels")
    if real is not None:
        sets["real"] = (channels_first(real, "real"), as_array(real_labels, "real_labels"))
    for name, rows, classes in [("test", goal, truth), *((name, *found) for name, found in sets.items())]:
        if classes.shape != (len(rows),):
            raise InputError(
                f"image_train_synthetic_test_real: {name} has {len(rows)} images and needs as many labels, "
                f"got an array of shape {classes.shape}."
            )
    seed, scores = derive_seed(random_state), {}
    for name, (images, classes) in sets.items():
        if images.dtype != goal.dtype or images.shape[1:] != goal.shape[1:]:
            raise InputError(
                f"image_train_synthetic_test_real: images of {name} are {images.shape[1:]} of "
                f"{images.dtype}, those of test {goal.shape[1:]} of {goal.dtype}; bring them to one size "
                "and dtype."
            )
        model = SmallConvClassifier(random_state=seed) if estimator is None else clone(estimator)
        fitted = model.fit(images, classes)
        scores[name] = float(check_scoring(fitted, scoring)(fitted, goal, truth))
    return pd.Series(scores, dtype=float, name="score")


def are_classes(numbers: np.ndarray) -> bool:
    """Whether numbers of a target are classes: whole, and no more than 20 different ones."""
    distinct = np.unique(numbers)
    return bool(len(distinct) <= 20 and np.all(distinct % 1 == 0))


def _labels(tables: JointTables, target: Hashable, names: list[str]) -> tuple[list[np.ndarray], bool]:
    """Return the target of every table (test first) and whether it is a regression."""
    numeric = target in tables.continuous
    if numeric:
        labels = [block[:, tables.continuous.index(target)] for block in tables.numbers]
        holes = [np.isnan(column) for column in labels]
    else:
        labels = [block[:, tables.discrete.index(target)] for block in tables.codes]
        holes = [column < 0 for column in labels]
    for name, hole in zip(names, holes, strict=True):
        if hole.any():
            raise InputError(
                f"train_synthetic_test_real: the target {target!r} has {int(hole.sum())} missing value(s) in "
                f"{name}; drop these rows."
            )
    if numeric and not are_classes(labels[0]):
        return labels, True
    _, codes = np.unique(np.concatenate(labels), return_inverse=True)
    return np.split(codes, np.cumsum([len(column) for column in labels])[:-1]), False


def _recode(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Number labels as the model does; classes it never met come after those it knows."""
    unknown = np.setdiff1d(labels, classes)
    known = np.concatenate([classes, unknown])
    order = np.argsort(known)
    return order[np.searchsorted(known, labels, sorter=order)]


def _one_vs_rest(fitted: Any, X: pd.DataFrame, labels: np.ndarray, classes: np.ndarray) -> float:
    probabilities = fitted.predict_proba(X)
    present = np.unique(labels)
    if len(present) == 1:
        return np.nan
    if len(present) == 2 and len(classes) == 2 and np.array_equal(present, classes):
        return float(roc_auc_score(labels == classes[1], probabilities[:, 1]))
    areas = [
        roc_auc_score(labels == label, probabilities[:, np.searchsorted(classes, label)])
        if label in classes
        else 0.5
        for label in present
    ]
    return float(np.mean(areas))
