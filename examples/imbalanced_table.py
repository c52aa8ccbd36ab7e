"""An imbalanced table, before and after
=====================================

Where do the new rows lie, and which classifiers do they help?
Twenty malignant rows are left in the training part of scikit-learn's breast cancer data; the test part
stays as it is. Writes ``imbalanced_table.png``.

To run it::

    python examples/imbalanced_table.py [FOLDER]
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

BLUE, ORANGE, INK, SOFT = "#0072B2", "#D55E00", "#1c2430", "#5b6675"  # colours that everybody can tell apart
LABEL = {"fontsize": 11, "fontweight": "bold", "va": "top"}
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
    figure = Figure(figsize=(13, 4.3), layout="constrained")
    before, after, found = figure.subplots(1, 3, width_ratios=[1, 1, 1.1])
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
            draw_rows((before, after), X, y, X_res[sampler.is_synthetic_], unseen)
    table = pd.DataFrame(scores, columns=["classifier", "trained", "recall", "average precision"])
    means = table.groupby(["classifier", "trained"], sort=False).mean().unstack()
    print(means.round(3).to_string())
    draw_recall(found, means["recall"])
    for ax in (before, after, found):
        ax.set_title(ax.get_title(), loc="center", fontsize=12, fontweight="bold", color=INK)
        ax.xaxis.label.set_color(SOFT)
        ax.yaxis.label.set_color(SOFT)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(colors=SOFT)
    figure.savefig(folder / "imbalanced_table.png", dpi=100)


def draw_rows(axes, X: pd.DataFrame, y: pd.Series, new: pd.DataFrame, unseen: pd.DataFrame) -> None:
    """Draw training rows on the left, and new rows beside malignant rows never seen on the right."""
    project = make_pipeline(StandardScaler(), PCA(2)).fit(pd.concat([X, unseen]))
    benign, known = project.transform(X[y == "benign"]), project.transform(X[y == "malignant"])
    held_back = project.transform(unseen)
    limits = np.quantile(np.concatenate([benign, held_back]), [0.005, 0.995], axis=0)
    before, after = axes
    for ax in axes:
        ax.scatter(*benign.T, s=16, color=BLUE, alpha=0.5, lw=0)
        ax.set(xlim=limits[:, 0] + [-1, 1], ylim=limits[:, 1] + [-1, 6], xticks=[], yticks=[])
        ax.set(xlabel="first main axis of the columns", ylabel="second main axis")
        ax.text(0.03, 0.97, "benign", color=BLUE, **LABEL, transform=ax.transAxes)
    before.scatter(*known.T, s=44, color=ORANGE, edgecolor="white")
    before.text(0.97, 0.97, "malignant", color=ORANGE, ha="right", **LABEL, transform=before.transAxes)
    before.set_title(f"{len(known)} malignant rows are known …")
    after.scatter(*held_back.T, s=34, facecolor="none", edgecolor=INK, lw=1)
    after.scatter(*project.transform(new).T, s=26, marker="x", color=ORANGE, lw=1.2)
    after.text(0.97, 0.97, "× new rows", color=ORANGE, ha="right", **LABEL, transform=after.transAxes)
    after.text(
        0.97, 0.9, "○ real rows, never seen", color=INK, ha="right", **LABEL, transform=after.transAxes
    )
    after.set_title("… new ones lie where unseen ones lie …")


def draw_recall(ax, recall: pd.DataFrame) -> None:
    """Draw an arrow per classifier, from its recall before to its recall after."""
    for place, (name, row) in enumerate(recall.iloc[::-1].iterrows()):
        end = {"arrowstyle": "-|>", "color": ORANGE, "lw": 2.5, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (row["after"], place), (row["before"], place), arrowprops=end)
        ax.plot(row["before"], place, "o", color=SOFT, ms=9)
        ax.text(row["before"] - 0.008, place, f"{row['before']:.0%}", color=SOFT, ha="right", va="center")
        ax.text(row["after"] + 0.008, place, f"{row['after']:.0%}", color=ORANGE, va="center", weight="bold")
        ax.text(row["before"], place + 0.2, name, color=INK, fontsize=11)
    low, high = recall.to_numpy().min(), recall.to_numpy().max()
    ax.set(xlim=[low - 0.06, high + 0.06], ylim=[-0.5, len(recall) - 0.2], yticks=[])
    ax.set(xlabel="share of malignant test rows that are found")
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.spines["left"].set_visible(False)
    better = int((recall["after"] > recall["before"]).sum())
    ax.set_title(f"… and {better} of {len(recall)} classifiers find more")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
