"""Samplers that ``run.py imbalance`` compares beside those of the package."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _bench import run_worker
from sklearn.base import BaseEstimator, clone

from vaeaug.filtering.committee import Committee, typical_rows


class SharedSampler(BaseEstimator):
    """A sampler that runs once for the same rows and settings, so that the four learners share its fit."""

    made: dict[str, tuple[Any, Any]] = {}

    def __init__(self, sampler: Any, sampling_strategy: Any = "auto", random_state: Any = None) -> None:
        self.sampler = sampler
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        self.sampler.set_params(sampling_strategy=self.sampling_strategy, random_state=self.random_state)
        rows = pd.util.hash_pandas_object(X).to_numpy().tobytes() + np.asarray(y).tobytes()
        key = hashlib.sha256(rows + repr(self.sampler).encode()).hexdigest()
        if key not in self.made:
            self.made[key] = self.sampler.fit_resample(X, y)
        return self.made[key]


class Tvae(BaseEstimator):
    """ctgan's TVAE with the class as one more column; of what it draws, the minority class is kept."""

    def __init__(self, python: str, sampling_strategy: Any = "auto", random_state: Any = None) -> None:
        self.python = python
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        wanted = int(self.sampling_strategy[1] - np.sum(y == 1))
        with tempfile.TemporaryDirectory() as folder:
            X.assign(label=y).to_parquet(Path(folder) / "train.parquet")
            job = {"folder": folder, "rows": wanted, "seed": int(self.random_state)}
            job["categorical"] = [name for name in X if X[name].dtype == "category"]
            answer = run_worker("_table_generators:draw_rare", job, python=self.python)
            if "error" in answer:
                raise RuntimeError(answer["error"])
            new = pd.read_parquet(Path(folder) / "made.parquet")
        new = pd.DataFrame({name: _restore_dtype(new[name], X[name]) for name in X})
        return pd.concat([X, new], ignore_index=True), np.r_[y, np.ones(len(new), dtype=y.dtype)]


def _restore_dtype(new: pd.Series, old: pd.Series) -> pd.Series:
    if old.dtype == "category":
        return new.where(new != "<missing>", None).astype(old.dtype)
    return pd.to_numeric(new).astype(old.dtype)


class Jittered(BaseEstimator):
    """Copies with noise: numbers move by half of Silverman's width in standard deviations of their class."""

    def __init__(self, sampling_strategy: Any = "auto", random_state: Any = None) -> None:
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        rng = np.random.default_rng(self.random_state)
        own = np.flatnonzero(y == 1)
        made = X.iloc[rng.choice(own, int(self.sampling_strategy[1]) - len(own))].reset_index(drop=True)
        numbers = X.select_dtypes("number")
        d = max(1, numbers.shape[1])
        width = (4 / (d + 2)) ** (1 / (d + 4)) * len(own) ** (-1 / (d + 4))
        for name in numbers:
            noise = rng.normal(size=len(made)) * X[name].iloc[own].std(ddof=0) * width / 2
            moved = made[name] + np.nan_to_num(noise)
            made[name] = (moved.round() if X[name].dtype.kind in "iu" else moved).astype(X[name].dtype)
        return pd.concat([X, made], ignore_index=True), np.r_[y, np.ones(len(made), dtype=y.dtype)]


class Typical(BaseEstimator):
    """Rows of another sampler that the committee of ``VAEOverSampler`` finds typical of the class."""

    def __init__(self, sampler: Any, sampling_strategy: Any = "auto", random_state: Any = None) -> None:
        self.sampler = sampler
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        own = np.flatnonzero(y == 1)
        wanted = np.full(int(self.sampling_strategy[1]) - len(own), own[0])

        def draw(asked: np.ndarray, attempt: int) -> tuple[pd.DataFrame, np.ndarray]:
            total = {1: len(own) + len(asked)}
            seed = 2 * int(self.random_state) + attempt
            sampler = clone(self.sampler).set_params(sampling_strategy=total, random_state=seed)
            return sampler.fit_resample(X, y)[0].iloc[len(X) :].reset_index(drop=True), np.zeros(len(asked))

        committee = Committee(random_state=self.random_state).fit(X, y)
        made, _ = typical_rows(draw, committee, y, wanted)
        return pd.concat([X, made], ignore_index=True), np.r_[y, np.ones(len(made), dtype=y.dtype)]


class Bootstrap(BaseEstimator):
    """As many of the rows as there are, drawn with replacement class by class: nothing new."""

    def __init__(self, random_state: Any = None) -> None:
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        rng = np.random.default_rng(self.random_state)
        rows = np.concatenate([rng.choice(own, len(own)) for own in map(np.flatnonzero, (y == 0, y == 1))])
        return X.iloc[rows].reset_index(drop=True), y[rows]
