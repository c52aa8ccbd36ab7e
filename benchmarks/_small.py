"""What ``run.py small`` measures: small classes cut from real tables, their baselines, and how rows lie."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from _datasets import read_table
from _imbalance_cells import SETS
from _table_generators import add_smote_rows
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from vaeaug.evaluation.manifold import prdc

#: Rows of the other class, rows made, held-out rows compared at most.
OTHERS, NEW, MOST_HELD_OUT = 1500, 500, 1500
_NEIGHBOURS = 5
#: Two categories that differ are as far apart as two numbers by one standard deviation.
_CATEGORY = 0.5**0.5
#: Sets of the imbalance benchmark, and others: name -> (table, which rows are the class).
CLASSES: dict[str, tuple[str, Callable[[pd.Series], pd.Series]]] = {
    "adult": ("adult", lambda y: y == ">50K"),
    "credit_g": ("credit_g", lambda y: y == "bad"),
    "default_credit": ("default_credit", lambda y: y.astype(int) == 1),
    "magic_gamma": ("magic_gamma", lambda y: y == "h"),
}


@dataclass(frozen=True)
class Cut:
    """A class of ``k`` rows beside others, and the rows of the class that were held out."""

    others: pd.DataFrame
    given: pd.DataFrame
    held_out: pd.DataFrame
    categorical: list[str]
    seed: int

    @property
    def X(self) -> pd.DataFrame:
        return pd.concat([self.others, self.given], ignore_index=True)

    @property
    def y(self) -> np.ndarray:
        return np.repeat([0, 1], [len(self.others), len(self.given)])


@lru_cache(2)
def load_class(name: str) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Return the predictors of a table, which rows are of the class, and the categorical columns."""
    table, is_class = CLASSES.get(name) or SETS[name]
    frame, facts = read_table(table)
    y = frame[facts["target"]]
    rare = y == y.value_counts().index[-1] if is_class is None else is_class(y)
    X = frame.drop(columns=[facts["target"]])
    categorical = [c for c in X if c in facts["categorical"] or not pd.api.types.is_numeric_dtype(X[c])]
    return X.reset_index(drop=True), rare.to_numpy(bool), categorical


def cut(name: str, k: int, seed: int) -> Cut:
    """Cut the class of a table to ``k`` rows; rows that occur twice stay on one side."""
    X, rare, categorical = load_class(name)
    rng = np.random.default_rng([seed, k])
    first = ~X.duplicated().to_numpy()
    mine, others = (rng.permutation(np.flatnonzero(first & side)) for side in (rare, ~rare))
    take = lambda rows: X.iloc[rows].reset_index(drop=True)  # noqa: E731
    held_out = mine[k : k + MOST_HELD_OUT]
    return Cut(take(others[:OTHERS]), take(mine[:k]), take(held_out), categorical, seed)


class Space:
    """Rows as points: numbers in standard deviations of the other class, a 0/1 column for each category."""

    def __init__(self, data: Cut) -> None:
        self.numbers = [c for c in data.X if c not in data.categorical]
        others, every = (self._read(frame) for frame in (data.others, data.X))
        # A column without values is one of zeros.
        self.median = np.nan_to_num(pd.DataFrame(every).median().to_numpy())
        self.gaps = np.isnan(every).any(axis=0)
        filled = np.where(np.isnan(others), self.median, others)
        spread = filled.std(axis=0)
        spread = np.where(spread > 0, spread, np.where(np.isnan(every), self.median, every).std(axis=0))
        self.centre, self.spread = filled.mean(axis=0), np.where(spread > 0, spread, 1.0)
        frames = pd.concat([data.X, data.held_out])
        self.levels = {c: sorted(set(_spell(frames[c]))) for c in data.categorical}

    def _read(self, frame: pd.DataFrame) -> np.ndarray:
        return frame[self.numbers].astype("float64").to_numpy()

    def place(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the points of rows, (n, width)."""
        numbers = self._read(frame)
        missing = np.isnan(numbers)
        parts = [(np.where(missing, self.median, numbers) - self.centre) / self.spread]
        parts.append(_CATEGORY * missing[:, self.gaps])
        for name, levels in self.levels.items():
            cells = _spell(frame[name])
            parts.append(_CATEGORY * (np.asarray(cells, object)[:, None] == np.asarray(levels, object)))
        return np.hstack(parts)


def _spell(column: pd.Series) -> list[str]:
    cells = column.astype(object)
    return [str(cell) for cell in cells.where(cells.notna(), "<missing>")]


# ---------------------------------------------------------------- baselines: points from points


def copy(own: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return given rows as they are."""
    return own[rng.integers(len(own), size=NEW)]


def jitter(own: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return given rows with noise of Silverman's width, in standard deviations of the other class."""
    d = own.shape[1]
    width = (4 / (d + 2)) ** (1 / (d + 4)) * len(own) ** (-1 / (d + 4))
    noise = rng.normal(size=(NEW, d)) * others.std(axis=0)
    return copy(own, others, rng) + width * noise * 0.5


def draw_gaussian(own: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows of a Gaussian: mean of the class, covariance shrunk towards that of the other class.

    The weight of the class's own covariance is n / (n + d), Ledoit and Wolf's (2004) order of magnitude.
    """
    target = LedoitWolf().fit(others).covariance_
    n, d = own.shape
    scatter = np.cov(own.T) if n > 1 else target
    covariance = (n * scatter + d * target) / (n + d)
    return rng.multivariate_normal(own.mean(axis=0), covariance, size=NEW, check_valid="ignore")


def draw_locally(own: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows of Gaussians of a row and its neighbours: multivariate Gaussian SMOTE (Sakho 2024)."""
    k = min(_NEIGHBOURS, len(own) - 1)
    nearest = np.argsort(cdist(own, own), axis=1)[:, : k + 1]
    centre = rng.integers(len(own), size=NEW)
    group = own[nearest[centre]]
    weights = rng.normal(size=(NEW, k + 1)) / np.sqrt(k + 1)
    mean = group.mean(axis=1)
    return mean + np.einsum("nk,nkd->nd", weights, group - mean[:, None])


BASELINES = {
    "copies": copy,
    "jittered copies": jitter,
    "shrunk Gaussian": draw_gaussian,
    "local Gaussian": draw_locally,
}


def add_smote(data: Cut) -> pd.DataFrame | None:
    """Return rows of SMOTE(NC), with fewer neighbours where there are fewer rows."""
    if len(data.given) < 2:
        return None
    X = data.X
    numbers = [c for c in X if c not in data.categorical]
    X[numbers] = X[numbers].astype("float64")
    X[numbers] = X[numbers].fillna(X[numbers].median()).fillna(0.0)
    counts = {0: len(data.others), 1: len(data.given) + NEW}
    neighbours = min(_NEIGHBOURS, len(data.given) - 1)
    new, _ = add_smote_rows(X, pd.Series(data.y), data.categorical, counts, data.seed, neighbours)
    return new.replace("<missing>", None)


# ---------------------------------------------------------------- measures


class Ruler:
    """Measures of points that are to lie as the held-out rows of a class do."""

    def __init__(self, data: Cut) -> None:
        self.space = Space(data)
        self.own, self.others, self.held_out = map(self.space.place, (data.given, data.others, data.held_out))
        self._within = _mean_distance(self.held_out, self.held_out)
        X = np.vstack([self.others, self.own, self.held_out])
        y = np.repeat([0, 1], [len(self.others), len(self.own) + len(self.held_out)])
        folds = StratifiedKFold(3, shuffle=True, random_state=data.seed).split(X, y)
        theirs, self._judges = np.zeros(len(X)), []
        for train, test in folds:
            judge = HistGradientBoostingClassifier(max_iter=60, class_weight="balanced", random_state=0)
            self._judges.append(judge.fit(X[train], y[train]))
            theirs[test] = judge.predict(X[test])
        self.theirs = float(theirs[-len(self.held_out) :].mean())
        self._reach = float(np.median(cdist(self.held_out, self.own).min(axis=1)))

    def measure(self, new: np.ndarray) -> dict[str, float]:
        """Return how far points lie from the held-out rows, by several measures."""
        between = _mean_distance(new, self.held_out)
        energy = 2 * between - _mean_distance(new, new) - self._within
        size = min(len(new), len(self.held_out))
        both = np.vstack([new[:size], self.held_out[:size]])
        real = np.repeat([0, 1], size)
        model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
        guess = cross_val_predict(model, both, real, cv=folds, method="predict_proba")[:, 1]
        theirs = np.mean([judge.predict_proba(new)[:, 1] for judge in self._judges], axis=0)
        to_given = cdist(new, self.own).min(axis=1)
        found = {
            "energy": energy,
            "two_sample": 2 * (1 - max(roc_auc_score(real, guess), 0.5)),
            "theirs": float((theirs >= 0.5).mean()) / self.theirs,
            "reach": float(np.median(to_given)) / self._reach if self._reach else 1.0,
            "copies": float((to_given < 1e-9).mean()),
        }
        found |= prdc(self.held_out[:size], new[:size]).to_dict()
        return {name: round(float(value), 5) for name, value in found.items()}


def _mean_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean distance of a point of one set to one of the other; to itself, 0, counts."""
    return float(np.mean([cdist(block, b).mean(axis=1).sum() for block in np.array_split(a, 8)])) * 8 / len(a)
