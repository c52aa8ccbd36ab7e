"""An imbalanced table before and after: where the new rows lie, and which classifiers they help.

    python examples/imbalanced_table.py [FOLDER]

Twenty malignant rows are left in the training part of scikit-learn's breast cancer data; the test part
stays as it is. Writes ``imbalanced_table.png``.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.plotting import LatentScatterDisplay, ScoresDisplay

FAST = os.environ.get("VAEAUG_FAST") == "1"
CLASSIFIERS = {
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "5 nearest neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier()),
    "naive Bayes": GaussianNB(),
    "random forest": RandomForestClassifier(random_state=0),
    "gradient boosting": HistGradientBoostingClassifier(random_state=0),
}


def imbalanced(seed: int):
    """Return training rows with 20 malignant ones, test rows, and the malignant rows that were left out."""
    data = load_breast_cancer(as_frame=True)
    y = pd.Series(np.where(data.target == 0, "malignant", "benign"))
    X, X_test, y, y_test = train_test_split(data.data, y, test_size=0.4, stratify=y, random_state=seed)
    rare = np.random.default_rng(seed).permutation(np.flatnonzero(y == "malignant"))
    rows = np.concatenate([np.flatnonzero(y == "benign"), rare[:20]])
    return X.iloc[rows], y.iloc[rows], X_test, y_test, X.iloc[rare[20:]]


def main(folder: Path) -> None:
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    axes = figure.subplots(1, 3)
    scores = []
    for seed in range(1 if FAST else 3):
        X, y, X_test, y_test, left_out = imbalanced(seed)
        augmenter = VAEAugmenter(max_iter=2 if FAST else "auto")
        # All rows that the model makes: for recall. The default keeps the typical ones, for ranking.
        sampler = VAEOverSampler(augmenter, method="prior", label_filter=None, random_state=seed)
        X_res, y_res = sampler.fit_resample(X, y)
        for name, classifier in CLASSIFIERS.items():
            for trained_on, rows in {"before": (X, y), "after": (X_res, y_res)}.items():
                fitted = classifier.fit(*rows)
                chance = fitted.predict_proba(X_test)[:, list(fitted.classes_).index("malignant")]
                recall = recall_score(y_test, fitted.predict(X_test), pos_label="malignant")
                precision = average_precision_score(y_test, chance, pos_label="malignant")
                scores.append((name, trained_on, recall, precision))
        if seed == 0:
            unseen = pd.concat([left_out, X_test[y_test == "malignant"]])
            draw_rows(axes, X, y, X_res[sampler.is_synthetic_], unseen)
    table = pd.DataFrame(scores, columns=["classifier", "trained", "recall", "average precision"])
    means = table.groupby(["classifier", "trained"], sort=False).mean().unstack()
    print(means.round(3).to_string())
    ScoresDisplay(scores=means["recall"]).plot(
        axes[2], title="Malignant rows found", xlabel="recall on test rows"
    )
    figure.savefig(folder / "imbalanced_table.png", dpi=110)


def draw_rows(axes, X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, unseen: pd.DataFrame) -> None:
    """Draw training rows on the left, and synthetic rows beside malignant rows never seen in the middle."""
    project = make_pipeline(StandardScaler(), PCA(2)).fit(pd.concat([X, unseen]))
    codes, labels = project.transform(X), y.to_numpy()
    LatentScatterDisplay.from_codes(
        codes, labels, codes[:0], labels[:0], ax=axes[0], title="Before: 20 malignant rows"
    )
    LatentScatterDisplay.from_codes(
        np.concatenate([codes[labels == "benign"], project.transform(unseen)]),
        ["benign"] * int(np.sum(labels == "benign")) + ["malignant, never seen"] * len(unseen),
        project.transform(new),
        ["malignant"] * len(new),
        ax=axes[1],
        title="After: synthetic malignant rows",
    )
    limits = np.quantile(project.transform(pd.concat([X, unseen])), [0.005, 0.995], axis=0)
    for ax in axes[:2]:
        ax.set(
            xlim=limits[:, 0] + [-1, 1],
            ylim=limits[:, 1] + [-1, 1],
            xlabel="main axis 1",
            ylabel="main axis 2",
        )


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
