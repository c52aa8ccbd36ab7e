"""What to do after a verdict, as lines of Python to paste."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaeaug.evaluation.assess.metrics import Metric
from vaeaug.evaluation.assess.other_classifiers import OTHER_CLASSIFIERS, TOGETHER
from vaeaug.evaluation.assess.strategies import BLENDED, Baseline, fill_up
from vaeaug.evaluation.assess.verdict import (
    Answer,
    Comparison,
    Verdict,
    find_better_classifier,
)

__all__ = ["write_next_step"]

#: Where the other classifiers come from, and how they are made.
_CLASSIFIERS = {
    "boosted trees": (
        "sklearn.ensemble import HistGradientBoostingClassifier",
        "HistGradientBoostingClassifier()",
    ),
    "random forest": (
        "sklearn.ensemble import RandomForestClassifier",
        "RandomForestClassifier(200, min_samples_leaf=2)",
    ),
    "logistic regression": (
        "sklearn.linear_model import LogisticRegression",
        "LogisticRegression(max_iter=1000)",
    ),
}
#: Names of scikit-learn alone, so that the lines can be pasted anywhere.
_ENCODER = """\
from sklearn.compose import make_column_selector as columns, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
# X is a DataFrame. Drop columns that name rows, and turn dates into numbers.
numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
others = OneHotEncoder(handle_unknown="ignore", max_categories=30, sparse_output=False)
encoder = make_column_transformer(
    (numbers, columns(dtype_include="number")), (others, columns(dtype_exclude="number"))
)
"""


def write_next_step(verdict: Verdict, comparison: Comparison, metric: Metric, y: np.ndarray | None) -> str:
    """Return lines that train what did best; ``classifier``, X and y are the user's.

    Parameters
    ----------
    verdict : Verdict
    comparison : Comparison
    metric : Metric
    y : ndarray (n,) or None
        Labels, for the number of rows that each class gets.
    """
    other = find_better_classifier(comparison, metric)
    helps = verdict.subject is not None and verdict.answer in (Answer.HELPS, Answer.PROBABLY)
    if other is not None and verdict.lead:
        return _train_other(other)
    if helps and verdict.subject is not None:
        return _train_resampled(verdict.subject, y)
    tuned = Baseline.TUNED_THRESHOLD.value
    if metric.decides and tuned in comparison.strategies and comparison.gain(tuned, metric).low > 0:
        return (
            "from sklearn.model_selection import TunedThresholdClassifierCV\n"
            'model = TunedThresholdClassifierCV(classifier, scoring="balanced_accuracy")\n'
            "model.fit(X, y)"
        )
    return "model = classifier.fit(X, y)"


def _train_other(name: str) -> str:
    names = OTHER_CLASSIFIERS if name == TOGETHER else [name]
    made = ",\n    ".join(f"make_pipeline(encoder, {_CLASSIFIERS[each][1]})" for each in names)
    imports = "".join(f"from {_CLASSIFIERS[each][0]}\n" for each in names)
    if name != TOGETHER:
        return f"{imports}{_ENCODER}model = {made}.fit(X, y)"
    return (
        f"{imports}from sklearn.ensemble import VotingClassifier\n{_ENCODER}"
        f"members = list(zip('abc', [\n    {made},\n]))\n"
        'model = VotingClassifier(members, voting="soft").fit(X, y)'
    )


def _train_resampled(subject: str, y: np.ndarray | None) -> str:
    if not subject.startswith("VAEOverSampler"):
        return (
            "from vaeaug import AugmentedClassifier\n"
            "model = AugmentedClassifier(classifier, sampler)\n"
            "model.fit(X, y)"
        )
    strategy = _describe_strategy(subject.removesuffix(BLENDED), y)
    blend = ", blend=True" if subject.endswith(BLENDED) else ""
    return (
        "from vaeaug import AugmentedClassifier, VAEOverSampler\n"
        f"model = AugmentedClassifier(classifier, VAEOverSampler({strategy}){blend})\n"
        "model.fit(X, y)"
    )


def _describe_strategy(subject: str, y: np.ndarray | None) -> str:
    """Return the sampling strategy of a ratio; of several classes, and above balance, row by row."""
    ratio = float(subject.rsplit(" ", 1)[1].rstrip(")")) if subject.endswith(")") else 1.0
    if ratio == 1.0 or y is None:
        return ""
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) == 2 and ratio < 1:
        return f"sampling_strategy={ratio:g}"
    have: dict[Any, int] = dict(zip(classes.tolist(), counts.tolist(), strict=True))
    total = {label: have[label] + more for label, more in fill_up(y, ratio).items() if more}
    return f"sampling_strategy={total!r}"
