"""Other classifiers on the rows as they are: what a better learner brings, beside what new rows bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from vaeaug.evaluation.assess.named_classifiers import learner
from vaeaug.evaluation.assess.strategies import Strategy, Training

__all__ = ["OTHER_CLASSIFIERS", "TOGETHER", "OtherClassifiers", "as_table"]

#: Names in tables, and those that :func:`learner` knows.
OTHER_CLASSIFIERS = {"boosted trees": "hgb", "random forest": "forest", "logistic regression": "logistic"}
TOGETHER = "the three together"
#: Trees of the forest: half of what a user would take, as it is there to compare.
_TREES = 100


def as_table(X: Any) -> pd.DataFrame:
    """Return rows as a frame of typed columns."""
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X)).infer_objects()


class OtherClassifiers(Strategy):
    """Boosted trees, a random forest and a logistic regression on the rows as they are, and their mean vote.

    Parameters
    ----------
    X : DataFrame or ndarray (n, d)
        All rows; tells which columns hold numbers.
    """

    names = tuple(OTHER_CLASSIFIERS)
    members: Mapping[str, tuple[str, ...]] = {TOGETHER: tuple(OTHER_CLASSIFIERS)}

    def __init__(self, X: Any) -> None:
        self.classifiers = {name: _make(short, as_table(X)) for name, short in OTHER_CLASSIFIERS.items()}

    def trainings(self, X: Any, y: np.ndarray, seed: int) -> Mapping[str, Training]:
        """Return the rows, once for each classifier."""
        return {name: Training(X, y, estimator=model) for name, model in self.classifiers.items()}

    @staticmethod
    def obstacle(X: Any) -> str | None:
        """Say why rows are not for these classifiers; None if they are."""
        is_table = isinstance(X, pd.DataFrame) or (isinstance(X, np.ndarray) and X.ndim == 2)
        return None if is_table else "it is for tables"


def _make(short: str, X: pd.DataFrame) -> Pipeline:
    model = learner(short, X)
    if short == "forest":
        model[-1].set_params(n_estimators=_TREES)
    return Pipeline([("table", FunctionTransformer(as_table)), *model.steps])
