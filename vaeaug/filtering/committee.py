"""Which of many new rows to keep: those that classifiers of real rows find typical of their class."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from vaeaug.evaluation.encoders import PlainColumns, build_encoder
from vaeaug.evaluation.tables import join_tables, tidy_table
from vaeaug.filtering.cross_fitting import cross_fit, find_quantiles
from vaeaug.utils.random import hash_seed, numpy_generator
from vaeaug.utils.rows import select_rows, stack_rows
from vaeaug.utils.validation import check_number

__all__ = ["Committee", "typical_rows"]

#: Classes with fewer rows are not judged: a share of their scores says nothing.
_FEWEST = 5
_TREES = 50
#: Probabilities of a forest are whole numbers of its trees; beyond this they say no more.
_LEAST = 1e-3
#: Numbers beyond this are scaled down before they are judged.
_LARGE = 1e30
_FOLDS, _ROWS, _MODEL = 61, 62, 63
#: Rows made for each one wanted, of which the typical ones are kept: at first, and in all.
_SURPLUS, _MOST_SURPLUS = 1.5, 6.0


class Committee(BaseEstimator):
    """Rate new rows by how typical of their class they are, beside real rows of that class.

    A random forest and a logistic regression are trained on real rows by cross-fitting. The score of
    a row is the mean of their log-odds for its label. Real rows are scored by the models that have
    not seen them; the ``floor`` quantile of their scores is the mark of their class.

    Rows above the mark are worth more to a classifier than all rows that a generator makes: they
    tell it, in many rows, what a forest and a linear model together can tell from the few real ones,
    and they leave out those that lie where the other class is at home. It is these that lower the average
    precision of a classifier trained on them.

    Parameters
    ----------
    floor : float, default=0.25
        Share of real rows of a class that score below its mark.
    cv : int, default=5
        Models of each kind; fewer where the rarest judged class has fewer rows.
    max_rows : int, default=10000
        Rows that a model learns from, at most.
    random_state : int, default=0

    Attributes
    ----------
    classes_ : ndarray (K,)
    marks_ : ndarray (K,)
        Log-odds that a row of each class is to reach; −inf for classes of fewer than 5 rows, and for
        tables without any value.
    """

    def __init__(
        self, *, floor: float = 0.25, cv: int = 5, max_rows: int = 10_000, random_state: int = 0
    ) -> None:
        self.floor = floor
        self.cv = cv
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Committee:
        """Learn from real rows what their classes look like.

        Parameters
        ----------
        X : DataFrame or array (n, d)
        y : array-like (n,)
            Class labels.

        Returns
        -------
        self
        """
        check_number("floor", self.floor, low=0, high=1)
        check_number("cv", self.cv, low=2, integer=True)
        check_number("max_rows", self.max_rows, low=2, integer=True)
        self.classes_, groups = np.unique(np.asarray(y), return_inverse=True)
        self._real = tidy_table(X)
        counts = np.bincount(groups)
        self.marks_ = np.full(len(self.classes_), -np.inf)
        self._models: list[tuple[Any, np.ndarray]] = []
        judged = counts >= _FEWEST
        if not judged.any() or len(self.classes_) < 2:
            return self
        folds = min(self.cv, int(counts[judged].min()))
        features = self._features(X)

        def fit(rows: np.ndarray, k: int) -> Any:
            rows = self._choose_rows(rows, groups, k)
            if len(np.unique(groups[rows])) < 2:  # the only row of the other class was left out
                return None
            if features.iloc[rows].isna().all(axis=None):  # nothing to learn from
                return None
            return self._train(features.iloc[rows], groups[rows], k)

        def score(models: Any, rows: np.ndarray) -> np.ndarray:
            return _log_odds(models, features.iloc[rows], groups[rows], len(counts))

        found, scores = cross_fit(groups, folds, numpy_generator(self.random_state, _FOLDS), fit, score)
        self._models = [model for models in found for model in models]
        marks = find_quantiles(scores, groups, len(counts), self.floor)
        self.marks_[judged] = marks[judged]
        return self

    def predict_proba(self, X_new: Any) -> np.ndarray | None:
        """Return the mean probability of each class for rows, (m, K); None where no model was trained.

        Parameters
        ----------
        X_new : like X in fit, (m, d)
        """
        check_is_fitted(self, "marks_")
        if not self._models:
            return None
        features, size = self._features(X_new), len(self.classes_)
        return np.mean([_predict(model, features, size) for model in self._models], axis=0)

    def rate(self, X_new: Any, y_new: Any) -> np.ndarray:
        """Return how far new rows lie above the mark of their class, in log-odds (m,).

        Parameters
        ----------
        X_new : like X in fit, (m, d)
        y_new : array-like (m,)
            The labels that the rows were made for.

        Returns
        -------
        ndarray of float64 (m,)
            Below 0 for rows that are less typical than most real ones; +inf where there is no mark.
        """
        check_is_fitted(self, "marks_")
        groups = np.searchsorted(self.classes_, np.asarray(y_new))
        above = np.full(len(groups), np.inf)
        judged = np.flatnonzero(np.isfinite(self.marks_[groups]))
        if len(judged) and self._models:
            features = self._features(X_new).iloc[judged]
            found = _log_odds(self._models, features, groups[judged], len(self.classes_))
            above[judged] = found - self.marks_[groups[judged]]
        return above

    def _choose_rows(self, rows: np.ndarray, groups: np.ndarray, fold: int) -> np.ndarray:
        """Return at most ``max_rows`` of the rows, small classes whole."""
        if len(rows) <= self.max_rows:
            return rows
        order = numpy_generator(self.random_state, _ROWS, fold).permutation(rows)
        rank = pd.Series(groups[order]).groupby(groups[order]).cumcount().to_numpy()
        most = self.max_rows // len(self.classes_)
        small = order[rank < most]
        rest = order[rank >= most]
        return np.sort(np.concatenate([small, rest[: max(0, self.max_rows - len(small))]]))

    def _train(self, features: pd.DataFrame, groups: np.ndarray, fold: int) -> list[tuple[Any, np.ndarray]]:
        seed = hash_seed(self.random_state, _MODEL, fold)
        kinds = PlainColumns.find_kinds(features)
        plain, scaled = (
            build_encoder(*kinds, scaled=each, unknown="infrequent_if_exist") for each in (False, True)
        )
        forest = RandomForestClassifier(_TREES, min_samples_leaf=3, random_state=seed)
        members = [
            make_pipeline(plain, forest),
            make_pipeline(scaled, LogisticRegression(C=0.3, max_iter=500)),
        ]
        return [(model.fit(features, groups), np.asarray(model[-1].classes_)) for model in members]

    def _features(self, rows: Any) -> pd.DataFrame:
        """Return rows as columns of float64 and categories that mean the same for all rows."""
        tables = join_tables({"X": self._real, "X_new": tidy_table(rows)})
        real, frame = tables.frame(0), tables.frame(1)
        for name in real.select_dtypes("number"):
            # Forests read single precision, and squares of large numbers overflow.
            reach = float(real[name].abs().max())
            if reach > _LARGE:
                frame[name] = np.ldexp(frame[name].to_numpy(np.float64), -math.frexp(reach)[1])
        frame.columns = pd.RangeIndex(frame.shape[1])
        return frame


def _predict(model: tuple[Any, np.ndarray], features: pd.DataFrame, size: int) -> np.ndarray:
    """Return probabilities (m, size), 0 for classes that a model has not met."""
    chances = np.zeros((len(features), size))
    chances[:, model[1]] = model[0].predict_proba(features)
    return chances


def _log_odds(
    models: list[tuple[Any, np.ndarray]], features: pd.DataFrame, groups: np.ndarray, size: int
) -> np.ndarray:
    """Return the mean log-odds that models give to the class of each row, (m,)."""
    total = np.zeros(len(groups))
    for model in models:
        chances = _predict(model, features, size)
        own = np.clip(chances[np.arange(len(groups)), groups], _LEAST, 1 - _LEAST)
        total += np.log(own / (1 - own))
    return total / max(1, len(models))


def typical_rows(
    make: Callable[[np.ndarray, int], tuple[Any, np.ndarray]],
    committee: Committee,
    labels: np.ndarray,
    positions: np.ndarray,
) -> tuple[Any, np.ndarray]:
    """Make more rows than are wanted, and return those that the committee finds typical.

    Parameters
    ----------
    make : callable
        Takes positions of labels, and the number of the attempt; returns a row for each, and where it
        stems from.
    committee : Committee
        Fitted.
    labels : ndarray (n,)
        Of the real rows.
    positions : ndarray of int64 (m,)
        For each row wanted, the position of its label; one position for each class.

    Returns
    -------
    rows : as ``make`` returns them, (m, d)
        Where too few pass, the best of the others too.
    sources : ndarray (m,)
    """
    wanted = {int(p): int((positions == p).sum()) for p in np.unique(positions)}
    made: Any = None
    owner, above, sources = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64)
    more = {position: int(np.ceil(_SURPLUS * count)) for position, count in wanted.items()}
    for attempt in range(2):
        asked = np.repeat(np.array(list(more), dtype=np.int64), list(more.values()))
        if not len(asked):
            break
        new, stems = make(asked, attempt)
        made = new if made is None else stack_rows(made, new)
        sources = np.concatenate([sources, np.asarray(stems)])
        owner = np.concatenate([owner, asked])
        above = np.concatenate([above, committee.rate(new, labels[asked])])
        more = {position: _lacking(above[owner == position], count) for position, count in wanted.items()}
    kept = np.empty(len(positions), dtype=np.int64)
    for position, count in wanted.items():
        rows = np.flatnonzero(owner == position)
        kept[positions == position] = rows[_best(above[rows], count)]
    return select_rows(made, kept), sources[kept]


def _lacking(above: np.ndarray, wanted: int) -> int:
    """Return how many more rows to make so that enough pass, judged by the share that passed."""
    passed = int((above >= 0).sum())
    if passed >= wanted:
        return 0
    most = int(np.ceil(_MOST_SURPLUS * wanted)) - len(above)
    return min(most, int(np.ceil(1.1 * (wanted - passed) * len(above) / max(passed, 1))))


def _best(above: np.ndarray, wanted: int) -> np.ndarray:
    """Return the first rows that pass; where there are too few, the best of the others too."""
    passing = np.flatnonzero(above >= 0)
    if len(passing) >= wanted:
        return passing[:wanted]
    return np.argsort(-above, kind="stable")[:wanted]
