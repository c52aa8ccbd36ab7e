"""A stand-in for the augmenter: real rows of the class with a little noise; no torch, no time."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator


class Jitter(BaseEstimator):
    """Varies real rows of each class; ``method="prior"`` says that no row was varied."""

    fits = 0  # counted over all copies

    def __init__(self, scale=0.01, random_state=None):
        self.scale = scale
        self.random_state = random_state

    def fit(self, X, y):
        type(self).fits += 1
        self.seen_ = X, y
        self.fit_seed_ = self.random_state
        return self

    def generate(self, y_new, X, y, *, method="auto", random_state=None):
        rng = np.random.default_rng(random_state)
        labels, wanted = np.asarray(y), np.asarray(y_new)
        sources = np.empty(len(wanted), dtype=np.int64)
        for label in np.unique(wanted):
            rows = np.flatnonzero(labels == label)
            sources[wanted == label] = rng.choice(rows, size=(wanted == label).sum())
        if isinstance(X, pd.DataFrame):
            new = X.iloc[sources].reset_index(drop=True)
            floats = new.columns[[dtype.kind == "f" for dtype in new.dtypes]]
            noise = self.scale * rng.normal(size=(len(new), len(floats)))
            new[floats] = (new[floats] + noise).astype(new.dtypes[floats])
        else:
            new = X[sources]
            if new.dtype.kind == "f":
                new = (new + self.scale * rng.normal(size=new.shape)).astype(X.dtype)
        return new, (np.full(len(new), -1) if method == "prior" else sources)
