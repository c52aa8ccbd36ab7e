"""A check of synthetic samples: drop those that look like another class, and copies of real rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from vaeaug.errors import InputError, UnknownLabelError, VaeaugWarning
from vaeaug.evaluation.columns import empty_columns, fill_columns
from vaeaug.evaluation.distances import ScaledTables, measure_reach, nearest
from vaeaug.evaluation.tables import CLASSIFIER_LEVELS, join_tables, tidy_table
from vaeaug.filtering.cross_fitting import cross_fit, find_quantiles
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.random import derive_seed, hash_seed, numpy_generator
from vaeaug.utils.validation import check_number

__all__ = ["REASONS", "LabelFilter", "Verdict"]

#: Why a sample is dropped.
REASONS = ("label", "duplicate")
#: Arrays with more columns than this are taken for flattened images.
_WIDE = 64
_COMPONENTS, _LANDMARKS = 64, 300
_MOST_QUERIES = 2_000
#: A copy is nearer to its row than this share of the way to the k-th nearest real row. With k = 1 a row that
#: has a twin could be copied unseen. The mean of pure noise is at 1/√2 of the way.
_NEIGHBOUR, _SHARE = 5, 0.5
#: Share of real images kept under a wrong label, from which on the filter is said to be of little use.
_BLIND = 0.5
_FOLDS, _ROWS, _MODEL, _RADII, _PROJECTION = 41, 42, 43, 44, 45


@dataclass(frozen=True)
class Verdict:
    """What a filter thinks of some samples.

    Parameters
    ----------
    keep : ndarray of bool (m,)
    reasons : ndarray of object (m,)
        ``"label"``, ``"duplicate"``, or ``""`` for samples to keep.
    counts : DataFrame
        One row per class: samples ``made``, ``kept``, and dropped for each reason.
    """

    keep: np.ndarray
    reasons: np.ndarray
    counts: pd.DataFrame


class LabelFilter(BaseEstimator):
    """Find synthetic samples that look like another class, or like a copy of a real row.

    A classifier is trained on real rows by cross-fitting: each of ``cv`` models leaves out
    one fold. A sample's margin is the probability of its own label minus the largest other
    one, averaged over the models. A sample is dropped when its margin is negative *and* lower
    than all but the share ``tolerance`` of margins that real rows of its class got from the model
    that had not seen them. So classes that overlap in truth may overlap in synthetic
    rows, and a minority class is not judged by how hard it is.

    A sample is a near-duplicate when it is nearer to a real row of its class than real
    rows are to each other, all but the share ``closeness`` of them, and nearer to it than half the
    way from that row to the fifth nearest of the others. (Distances are compared with the median of
    their class, and the share is taken over all classes.) Smooth samples among noisy images are nearer to
    all of them than these are to each other, and copy none: only the second condition tells.

    Parameters
    ----------
    estimator : classifier, optional
        With ``predict_proba``. It gets images flattened to (n, d), and tables as
        float and category columns. By default gradient boosting for tables, and a
        kernel classifier on principal components for images.
    tolerance : float or None, default=0.02
        None does not look at labels.
    closeness : float or None, default=0.01
        None does not look for duplicates. Distance: Euclidean for images (on 64
        principal components), for tables as in
        :func:`vaeaug.evaluation.distance_to_closest`.
    cv : int, default=5
    max_rows : int, default=20000
        Rows that a model learns from, at most.
    random_state : None, int, RandomState or Generator
        Decides folds and models.

    Attributes
    ----------
    classes_ : ndarray (K,)
    thresholds_ : ndarray (K,)
        Margin below which a sample of each class is dropped, 0 or less; −inf for classes too
        small to tell.
    radii_ : ndarray (K,)
        Distance below which a sample may be a near-duplicate; 0 for classes of one row.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.filtering.label_filter import LabelFilter
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 100)
    >>> X = rng.normal(size=(200, 2)) + 6 * y[:, None]
    >>> judge = LabelFilter(random_state=0).fit(X, y)
    >>> X_new = np.array([[0.1, 0.2], [6.0, 6.1], X[0]])
    >>> judge.judge(X_new, [0, 0, 0]).reasons.tolist()
    ['', 'label', 'duplicate']
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        tolerance: float | None = 0.02,
        closeness: float | None = 0.01,
        cv: int = 5,
        max_rows: int = 20_000,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.tolerance = tolerance
        self.closeness = closeness
        self.cv = cv
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> LabelFilter:
        """Learn from real rows what their classes look like, and how close real rows are.

        Parameters
        ----------
        X : DataFrame or array (n, d), or images (n, ...)
        y : array-like (n,)
            Class labels.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For data or parameters that cannot be used.
        """
        check_number("tolerance", self.tolerance, low=0, high=1, also=(None,))
        check_number("closeness", self.closeness, low=0, high=1, also=(None,))
        check_number("cv", self.cv, low=2, integer=True)
        check_number("max_rows", self.max_rows, low=2, integer=True)
        if self.estimator is not None and not hasattr(self.estimator, "predict_proba"):
            raise InputError(
                "LabelFilter: estimator must have predict_proba, to tell how sure it is; got "
                f"{type(self.estimator).__name__}. Wrap it in sklearn.calibration.CalibratedClassifierCV."
            )
        labels = np.asarray(y)
        if labels.ndim != 1 or len(labels) != len(X) or not len(labels):
            raise InputError(
                f"LabelFilter: y must hold one class per row of X ({len(X)}); got {labels.shape}."
            )
        self.classes_, groups = np.unique(labels, return_inverse=True)
        self._seed = derive_seed(self.random_state)
        self._groups = groups.astype(np.int64)
        self._real = _as_images(X) if _is_image(X) else tidy_table(X)
        self._shape = self._real.shape[1:]
        self._projection: Any = None
        if _is_image(X) and self._real.shape[1] > _COMPONENTS and len(self._real) > _COMPONENTS:
            seed = hash_seed(self._seed, _PROJECTION)
            self._projection = PCA(_COMPONENTS, svd_solver="randomized", random_state=seed).fit(self._real)
        self._fit_models()
        if not isinstance(self._real, pd.DataFrame):
            self._real = self._project(self._real)  # all that is needed from here on
        self._measure_radii()
        return self

    def judge(self, X_new: Any, y_new: Any) -> Verdict:
        """Say which samples to keep, and why not the others.

        Parameters
        ----------
        X_new : like X in fit, (m, ...)
        y_new : array-like (m,)
            The labels that the samples were made for.

        Raises
        ------
        InputError
            If samples are of another shape than the rows of fit.
        UnknownLabelError
            For a label that fit has not seen.
        """
        check_is_fitted(self, "classes_")
        labels = np.asarray(y_new)
        unknown = ~np.isin(labels, self.classes_)
        if unknown.any():
            raise UnknownLabelError(
                f"LabelFilter: label {labels[unknown].tolist()[0]!r} was not seen in fit; it knows "
                f"{', '.join(map(repr, self.classes_.tolist()[:20]))}."
            )
        groups = np.searchsorted(self.classes_, labels)
        reasons = np.full(len(labels), "", dtype=object)
        if len(labels):
            new = self._read(X_new, len(labels))
            if self.closeness is not None:
                reasons[self._copies(new, groups)] = "duplicate"
            if self._models:
                reasons[
                    self._margins(self._features(new), groups, self._models) < self.thresholds_[groups]
                ] = "label"
        return Verdict(reasons == "", reasons, self._counts(groups, reasons))

    def keep(self, X_new: Any, y_new: Any) -> np.ndarray:
        """Return which samples to keep, bool (m,); see :meth:`judge`."""
        return self.judge(X_new, y_new).keep

    def no_counts(self) -> pd.DataFrame:
        """Return the table of counts before any sample is judged."""
        check_is_fitted(self, "classes_")
        return self._counts(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=object))

    # -- labels ---------------------------------------------------------------------

    def _fit_models(self) -> None:
        """Fit one model per fold, and find how sure they are of real rows they have not seen."""
        size = len(self.classes_)
        self._models: list[tuple[Any, np.ndarray, np.ndarray]] = []
        self.thresholds_ = np.full(size, -np.inf)
        if self.tolerance is None or size < 2:
            return
        features = self._features(self._real)

        def fit(rows: np.ndarray, k: int) -> Any:
            if len(rows) > self.max_rows:
                rng = numpy_generator(self._seed, _ROWS, k)
                rows = np.sort(rng.choice(rows, self.max_rows, replace=False))
            if len(np.unique(self._groups[rows])) < 2:
                return None
            part = _take(features, rows)
            empty = empty_columns(part)
            model = self._model(len(rows), k).fit(fill_columns(part, empty), self._groups[rows])
            return model, np.asarray(model.classes_, dtype=np.int64), empty

        others, mistaken = (self._groups + 1) % size, np.full(len(self._groups), np.nan)

        def score(model: Any, rows: np.ndarray) -> np.ndarray:
            mistaken[rows] = self._margins(_take(features, rows), others[rows], [model])
            return self._margins(_take(features, rows), self._groups[rows], [model])

        rng = numpy_generator(self._seed, _FOLDS)
        self._models, margins = cross_fit(self._groups, self.cv, rng, fit, score)
        self.thresholds_ = np.minimum(0.0, find_quantiles(margins, self._groups, size, self.tolerance))
        kept = float(np.mean(mistaken >= self.thresholds_[others]))
        if kept > _BLIND and not isinstance(self._real, pd.DataFrame):
            warn_caller(
                f"LabelFilter: its classifier would keep {kept:.0%} of the real images under the label of "
                "another class, so it drops hardly any new image for its label. Pass estimator= with a "
                "classifier that tells these classes apart, such as your own network with predict_proba.",
                VaeaugWarning,
            )

    def _model(self, rows: int, fold: int) -> Any:
        if self.estimator is not None:
            return clone(self.estimator)
        seed = hash_seed(self._seed, _MODEL, fold)
        if isinstance(self._real, pd.DataFrame):
            return HistGradientBoostingClassifier(class_weight="balanced", random_state=seed)
        width = min(_COMPONENTS, self._real.shape[1], rows - 1)
        # The width of a support vector machine's kernel, gamma="scale".
        gamma = 1 / (float(self._real.var(axis=0, dtype=np.float64).sum()) or 1.0)
        return make_pipeline(
            PCA(width, svd_solver="randomized", random_state=seed),
            Nystroem(gamma=gamma, n_components=min(_LANDMARKS, rows), random_state=seed),
            LogisticRegression(C=100.0, class_weight="balanced", max_iter=2000),
        )

    def _margins(self, features: Any, groups: np.ndarray, models: Sequence[Any]) -> np.ndarray:
        """Return how much likelier models find the labels than any other class, (m,) in [−1, 1]."""
        total, votes = np.zeros(len(groups)), np.zeros(len(groups))
        every = np.arange(len(groups))
        for model, classes, empty in models:
            chances = np.zeros((len(groups), len(self.classes_)))
            chances[:, classes] = model.predict_proba(fill_columns(features, empty))
            own = chances[every, groups]
            chances[every, groups] = -1.0
            # A model that never met a class cannot judge it.
            able = np.isin(groups, classes)
            total += np.where(able, own - chances.max(axis=1), 0.0)
            votes += able
        return np.where(votes > 0, total / np.maximum(votes, 1), np.nan)

    def _features(self, rows: Any) -> Any:
        if not isinstance(rows, pd.DataFrame):
            return rows
        tables = join_tables({"X": self._real, "X_new": rows})
        return tables.frame(1, CLASSIFIER_LEVELS)

    # -- duplicates -----------------------------------------------------------------

    def _measure_radii(self) -> None:
        """Find how close the closest real rows of each class are to each other."""
        self.radii_ = np.zeros(len(self.classes_))
        if self.closeness is None:
            return
        rng = numpy_generator(self._seed, _RADII)
        real, _ = self._points(None)
        typical, shares = np.zeros(len(self.classes_)), []
        for group in range(len(self.classes_)):
            rows = np.flatnonzero(self._groups == group)
            if len(rows) < 2:
                continue
            asked = np.sort(rng.choice(len(rows), min(_MOST_QUERIES, len(rows)), replace=False))
            found = measure_reach(real(rows[asked]), real(rows), asked, 1)
            typical[group] = np.median(found)
            if typical[group] > 0:
                shares.append(found / typical[group])
        if shares:
            # One row in a hundred of a class of sixty is a matter of luck; of all classes it is not.
            self.radii_ = typical * np.quantile(np.concatenate(shares), self.closeness)

    def _project(self, images: np.ndarray) -> np.ndarray:
        return images if self._projection is None else self._projection.transform(images)

    def _copies(self, new: Any, groups: np.ndarray) -> np.ndarray:
        """Tell which samples are near-duplicates of a real row of their class, bool (m,)."""
        real, made = self._points(new)
        copied = np.zeros(len(groups), dtype=bool)
        for group in np.unique(groups):
            rows, samples = np.flatnonzero(self._groups == group), np.flatnonzero(groups == group)
            found, row = nearest(made(samples), real(rows))
            near = np.flatnonzero(found < self.radii_[group])
            if len(near):
                asked, which = np.unique(row[near], return_inverse=True)
                k = min(_NEIGHBOUR, len(rows) - 1)
                reach = measure_reach(real(rows[asked]), real(rows), asked, k)
                copied[samples[near]] = found[near] < _SHARE * reach[which]
        return copied

    def _points(self, new: Any) -> tuple[Any, Any]:
        """Return two functions from row numbers to points, one for real rows, one for samples."""
        if not isinstance(self._real, pd.DataFrame):
            made = None if new is None else self._project(new)
            return self._real.__getitem__, None if made is None else made.__getitem__
        named = {"X": self._real} | ({} if new is None else {"X_new": new})
        tables = ScaledTables.join(named, references=1)
        return partial(tables.take, 0), partial(tables.take, 1)

    # -- rows -----------------------------------------------------------------------

    def _read(self, X_new: Any, rows: int) -> Any:
        """Return samples in the form of the real rows."""
        new = tidy_table(X_new) if isinstance(self._real, pd.DataFrame) else _as_images(X_new)
        if new.shape[1:] != self._shape or len(new) != rows:
            raise InputError(
                f"LabelFilter: it was fitted on rows of {self._shape[0]} values; got samples of "
                f"{new.shape[1]} values, {len(new)} of them with {rows} labels."
            )
        return new

    def _counts(self, groups: np.ndarray, reasons: np.ndarray) -> pd.DataFrame:
        def count(mask: Any) -> np.ndarray:
            return np.bincount(groups[mask], minlength=len(self.classes_))

        columns = {"made": count(slice(None)), "kept": count(reasons == "")}
        columns |= {reason: count(reasons == reason) for reason in REASONS}
        return pd.DataFrame(columns, index=pd.Index(self.classes_, name="class"))


def _is_image(X: Any) -> bool:
    if isinstance(X, pd.DataFrame):
        return False
    shape = np.shape(X)
    return len(shape) > 2 or (len(shape) == 2 and shape[1] > _WIDE)


def _as_images(X: Any) -> np.ndarray:
    """Return images as rows of float32 (n, d)."""
    images = np.asarray(X)
    rows = images.reshape(len(images), -1).astype(np.float32)
    if not np.isfinite(rows).all():
        raise InputError("LabelFilter: images must hold finite values only; got NaN or infinite pixels.")
    return rows


def _take(rows: Any, positions: np.ndarray) -> Any:
    return rows.iloc[positions] if isinstance(rows, pd.DataFrame) else rows[positions]
