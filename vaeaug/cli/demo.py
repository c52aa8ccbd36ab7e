"""``vaeaug demo``: the main job on real data, with a before/after table, a report page and pictures."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaeaug.augmenter import VAEAugmenter
from vaeaug.cli.demo_report import (
    COMMON,
    COPIES,
    METRICS,
    OURS,
    PLAIN,
    RARE,
    Outcome,
    Split,
    describe_rules,
    write_all,
)
from vaeaug.utils.files import make_folder
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.signals import interruptible

__all__ = ["run"]

_RARE_ROWS = 20
_SPLITS = 3
_TEST_SHARE = 0.4


def run(folder: str, seed: int = 0) -> pd.DataFrame:
    """Run the demonstration and write what it makes into a folder.

    Parameters
    ----------
    folder : str
        Made if it is not there. Files of an earlier run are replaced.
    seed : int, default=0
        Of splits, models and rows.

    Returns
    -------
    DataFrame
        Mean test scores, by classifier and by what it was trained on.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    start = perf_counter()
    out = make_folder(folder, parents=True)
    seeds = [seed + i for i in range(_SPLITS)]
    splits = [_split(each) for each in seeds]
    print(splits[0].describe())
    print(f"\nTraining on {_SPLITS} splits ", end="", flush=True)
    fits, scores = [], []
    for split, each in zip(splits, seeds, strict=True):
        with interruptible():
            augmenter = VAEAugmenter(random_state=each).fit(split.X, split.y)
            X_res, y_res = augmenter.resample(split.X, split.y, random_state=each)
        fits.append((augmenter, X_res, y_res))
        scores.append(_compare(split, X_res, y_res, each).assign(seed=each))
        print(".", end="", flush=True)
    print(f" {perf_counter() - start:.0f} s\n")
    remark = describe_rules(splits[0], fits[0][1].iloc[len(splits[0].X) :])
    outcome = Outcome(pd.concat(scores).set_index(["classifier", "trained on", "seed"]), remark)
    print(outcome.as_text())
    print("\n".join(["", *outcome.in_words(width=88)]))
    write_all(out, splits[0], *fits[0], outcome, perf_counter() - start)
    print(
        f"\nWritten to the folder {out} in {perf_counter() - start:.0f} s:\n"
        "  index.html          the report; open it in a browser\n"
        "  *.png               its pictures\n"
        "  augmented.csv       the training rows of the first split, then the synthetic ones\n"
        "  model.safetensors   the model that made them; for more of them:\n"
        f"  vaeaug sample {out / 'model.safetensors'} -n 100 --label {RARE} -o more.csv"
    )
    return outcome.means


def _split(seed: int) -> Split:
    """Hold out 40 % of the data as they are; of the other malignant rows keep 20."""
    data = load_breast_cancer(as_frame=True)
    y = pd.Series(np.where(data.target == 0, RARE, COMMON), name="diagnosis")
    X, X_test, y, y_test = train_test_split(
        data.data, y, test_size=_TEST_SHARE, stratify=y, random_state=seed
    )
    rare = numpy_generator(seed).permutation(np.flatnonzero(y == RARE))
    rows = np.sort(np.concatenate([np.flatnonzero(y == COMMON), rare[:_RARE_ROWS]]))
    unseen = pd.concat([X.iloc[rare[_RARE_ROWS:]], X_test[y_test == RARE]])
    X, y = X.iloc[rows].reset_index(drop=True), y.iloc[rows].reset_index(drop=True)
    return Split(X, y, X_test, y_test, unseen)


def _classifiers(seed: int) -> dict[str, Any]:
    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "5 nearest neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier()),
        "random forest": RandomForestClassifier(100, random_state=seed),
    }


def _compare(split: Split, X_res: pd.DataFrame, y_res: pd.Series, seed: int) -> pd.DataFrame:
    """Return test scores of every classifier, trained on the rows as they are, with copies, and with ours."""
    rare = np.flatnonzero(split.y == RARE)
    copied = numpy_generator(seed, 1).choice(rare, len(y_res) - len(split.y))
    rows = np.concatenate([np.arange(len(split.y)), copied])
    tables = {
        PLAIN: (split.X, split.y),
        COPIES: (split.X.iloc[rows], split.y.iloc[rows]),
        OURS: (X_res, y_res),
    }
    found = []
    for name, classifier in _classifiers(seed).items():
        for trained_on, (X, y) in tables.items():
            classifier.fit(X, y)
            truth, guess = split.y_test == RARE, classifier.predict(split.X_test) == RARE
            chance = classifier.predict_proba(split.X_test)[:, list(classifier.classes_).index(RARE)]
            values = (
                recall_score(truth, guess),
                precision_score(truth, guess, zero_division=0.0),
                balanced_accuracy_score(truth, guess),
                roc_auc_score(truth, chance),
                average_precision_score(truth, chance),
            )
            found.append((name, trained_on, *values))
    return pd.DataFrame(found, columns=["classifier", "trained on", *METRICS])
