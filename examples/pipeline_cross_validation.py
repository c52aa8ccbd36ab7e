"""Augmentation inside cross-validation
====================================

The last step of a plain scikit-learn Pipeline augments, without leakage.
In scikit-learn's wine data one kind of wine is made rare. Ways to treat the imbalance are compared in the
same folds; rows are only ever added to the training part of a fold. Writes ``pipeline_cross_validation.png``.

To run it::

    python examples/pipeline_cross_validation.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler
from vaeaug.plotting import ScoresDisplay

FAST = os.environ.get("VAEAUG_FAST") == "1"


def main(folder: Path) -> None:
    X, kinds = load_wine(return_X_y=True, as_frame=True)
    y = (kinds == 2).map({True: "rare", False: "common"})
    rows = np.concatenate([np.flatnonzero(y == "common"), np.flatnonzero(y == "rare")[:12]])
    X, y = X.iloc[rows].reset_index(drop=True), y.iloc[rows].reset_index(drop=True)

    sampler = VAEOverSampler(VAEAugmenter(max_iter=2 if FAST else "auto"), random_state=0)
    classifier = LogisticRegression(C=0.01, max_iter=1000)  # so shrunken that it leans to the common class
    models = {
        "as it is": classifier,
        "class weights": LogisticRegression(C=0.01, max_iter=1000, class_weight="balanced"),
        "synthetic rows": AugmentedClassifier(classifier, sampler),
        "synthetic rows, weight 0.2": AugmentedClassifier(classifier, sampler, synthetic_weight=0.2),
    }
    folds = RepeatedStratifiedKFold(n_splits=2 if FAST else 4, n_repeats=1 if FAST else 2, random_state=0)
    scoring = ["balanced_accuracy", "average_precision", "neg_brier_score"]
    found = {}
    for name, model in models.items():
        pipeline = make_pipeline(StandardScaler(), model)
        scores = cross_validate(pipeline, X, y == "rare", cv=folds, scoring=scoring)
        found[name] = {metric: scores[f"test_{metric}"].mean() for metric in scoring}
    table = pd.DataFrame(found).T
    print(table.round(3).to_string())

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    shown = table[["balanced_accuracy", "average_precision"]].rename(
        columns=lambda name: name.replace("_", " ")
    )
    ScoresDisplay(scores=shown).plot(
        figure.add_subplot(), title="The same folds, four ways to train", xlabel="mean score"
    )
    figure.savefig(folder / "pipeline_cross_validation.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
