"""A minority class of 1, 2, 5 and 10 rows
=======================================

Synthetic malignant rows of scikit-learn's breast cancer data, learned from very few, beside the malignant
rows that were held back. Writes ``small_minority.png``.

To run it::

    python examples/small_minority.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer

from vaeaug import VAEAugmenter
from vaeaug.evaluation import distance_to_closest, exact_copies

FAST = os.environ.get("VAEAUG_FAST") == "1"
SHOWN = ["mean radius", "mean concave points"]


def main(folder: Path) -> None:
    data = load_breast_cancer(as_frame=True)
    X, rare = data.data, data.target == 0
    order = np.random.default_rng(0).permutation(np.flatnonzero(rare))
    counts = (1, 10) if FAST else (1, 2, 5, 10)
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    axes = figure.subplots(1, len(counts), sharex=True, sharey=True)
    report = []
    for ax, count in zip(axes, counts, strict=True):
        known, held_back = X.iloc[order[:count]], X.iloc[order[count:]]
        train = pd.concat([X[~rare], known], ignore_index=True)
        labels = ["benign"] * int((~rare).sum()) + ["malignant"] * count
        augmenter = VAEAugmenter(max_iter=2 if FAST else "auto", random_state=0).fit(train, labels)
        new, _ = augmenter.sample(100, "malignant", random_state=0)
        report.append(
            {
                "malignant rows": count,
                "copies among 100 new rows": int(exact_copies(new, known).sum()),
                "nearest held-back malignant row": np.median(distance_to_closest(new, held_back)),
                "nearest benign row": np.median(distance_to_closest(new, X[~rare])),
            }
        )
        ax.scatter(*X.loc[~rare, SHOWN].to_numpy().T, s=8, color="#c9d0d8", label="benign")
        ax.scatter(*held_back[SHOWN].to_numpy().T, s=10, color="#56B4E9", label="malignant, held back")
        ax.scatter(
            *new[SHOWN].to_numpy().T, s=22, marker="x", lw=1, color="#D55E00", label="malignant, synthetic"
        )
        ax.scatter(
            *known[SHOWN].to_numpy().T, s=70, marker="*", color="black", label="malignant, learned from"
        )
        ax.set_title(f"{count} malignant row{'s' * (count > 1)}", loc="left", fontweight="bold")
        ax.set_xlabel(SHOWN[0])
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel(SHOWN[1])
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    print(pd.DataFrame(report).set_index("malignant rows").round(3).T.to_string())
    figure.savefig(folder / "small_minority.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
