"""Classifiers for a table of any dtypes, by a short name: what the command line tries."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline

from vaeaug.evaluation.encoders import PlainColumns, build_encoder, build_ordinal_encoder
from vaeaug.utils.validation import check_option

__all__ = ["LEARNERS", "learner"]

LEARNERS = ("hgb", "logistic", "knn", "forest")


def learner(name: str, X: pd.DataFrame) -> Pipeline:
    """Return an unfitted classifier for the columns of a table.

    Parameters
    ----------
    name : {"hgb", "logistic", "knn", "forest"}
        Gradient boosting, logistic regression, 5 nearest neighbours, a random forest of 200 trees.
    X : DataFrame
        Numbers and dates, also those written as text, are used as numbers, everything else as
        categories; missing values are allowed.

    Returns
    -------
    Pipeline

    Raises
    ------
    InputError
        For another name.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.evaluation.assess.named_classifiers import learner
    >>> X = pd.DataFrame({"age": [20, 30, None, 50], "job": ["clerk", "nurse", None, "clerk"]})
    >>> learner("hgb", X).fit(X, ["a", "b", "a", "b"]).predict(X).shape
    (4,)
    """
    check_option("estimator", name, LEARNERS)
    plain, numbers, others = PlainColumns.read_kinds(X)
    if name == "hgb":
        categories: Any = list(range(len(others))) or None
        boosting = HistGradientBoostingClassifier(categorical_features=categories)
        return make_pipeline(plain, build_ordinal_encoder(numbers, others), boosting)
    classifiers = {
        "logistic": LogisticRegression(max_iter=1000),
        "knn": KNeighborsClassifier(),
        "forest": RandomForestClassifier(200, min_samples_leaf=2),
    }
    return make_pipeline(plain, build_encoder(numbers, others, scaled=name != "forest"), classifiers[name])
