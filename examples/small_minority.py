"""A minority class of 1, 2, 5 and 10 rows
=======================================

New malignant rows of scikit-learn's breast cancer data, learned from very few, beside the malignant
rows that were held out, and below them those of SMOTE from the same rows. Writes ``small_minority.png``.

From two and five rows some new rows lie where no tumour does, with a large radius and few concave
points. From one row they stay near the benign ones. The guide says more.

To run it::

    python examples/small_minority.py [FOLDER]
"""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer

from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.errors import VaeaugWarning
from vaeaug.evaluation import distance_to_closest, exact_copies

FAST = os.environ.get("VAEAUG_FAST") == "1"
SHOWN = ["mean radius", "mean concave points"]
NEW = 100


def make_rows(benign: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that VAEOverSampler adds."""
    X = pd.concat([benign, known], ignore_index=True)
    y = np.repeat(["benign", "malignant"], [len(benign), len(known)])
    augmenter = VAEAugmenter(max_iter=2 if FAST else "auto", random_state=0)
    sampler = VAEOverSampler(augmenter, sampling_strategy={"malignant": len(known) + NEW}, random_state=0)
    with warnings.catch_warnings():
        # "y has classes of fewer than 5 rows": that is what this example shows.
        warnings.simplefilter("ignore", VaeaugWarning)
        return sampler.fit_resample(X, y)[0].iloc[len(X) :]


def make_lines(known: pd.DataFrame) -> pd.DataFrame | None:
    """Return rows between a row and one of its five nearest neighbours: SMOTE (Chawla et al. 2002)."""
    rows = known.to_numpy()
    if len(rows) < 2:
        return None
    rng = np.random.default_rng(0)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    nearest = np.linalg.norm(scaled[:, None] - scaled, axis=2).argsort(axis=1)[:, 1:6]
    start = rng.integers(len(rows), size=NEW)
    other = nearest[start, rng.integers(nearest.shape[1], size=NEW)]
    return pd.DataFrame(
        rows[start] + rng.random((NEW, 1)) * (rows[other] - rows[start]), columns=known.columns
    )


def main(folder: Path) -> None:
    data = load_breast_cancer(as_frame=True)
    X, is_malignant = data.data, data.target == 0
    order = np.random.default_rng(0).permutation(np.flatnonzero(is_malignant))
    benign = X[~is_malignant]
    counts = (1, 10) if FAST else (1, 2, 5, 10)
    figure = Figure(figsize=(13, 6.4), layout="constrained")
    axes = figure.subplots(2, len(counts), sharex=True, sharey=True)
    report = []
    for column, count in zip(axes.T, counts, strict=True):
        known, held_out = X.iloc[order[:count]], X.iloc[order[count:]]
        made = {"VAEOverSampler": make_rows(benign, known), "SMOTE": make_lines(known)}
        for ax, (name, new) in zip(column, made.items(), strict=True):
            ax.scatter(*benign[SHOWN].to_numpy().T, s=8, color="#c9d0d8", label="benign")
            ax.scatter(*held_out[SHOWN].to_numpy().T, s=10, color="#56B4E9", label="malignant, held out")
            if new is not None:
                crosses = {"s": 22, "marker": "x", "lw": 1, "color": "#D55E00"}
                ax.scatter(*new[SHOWN].to_numpy().T, **crosses, label="malignant, new")
                report.append(
                    {
                        "malignant rows": count,
                        "made by": name,
                        f"copies among {NEW} new rows": int(exact_copies(new, known).sum()),
                        "nearest held-out malignant row": np.median(distance_to_closest(new, held_out)),
                        "nearest benign row": np.median(distance_to_closest(new, benign)),
                    }
                )
            else:
                ax.text(0.03, 0.93, "SMOTE needs two rows", transform=ax.transAxes)
            ax.scatter(*known[SHOWN].to_numpy().T, s=70, marker="*", color="black", label="malignant, given")
            ax.set_title(
                f"{name}: {count} malignant row{'s' * (count > 1)}",
                loc="left",
                fontweight="bold",
                fontsize=10,
            )
            ax.spines[["top", "right"]].set_visible(False)
        column[-1].set_xlabel(SHOWN[0])
    for ax in axes[:, 0]:
        ax.set_ylabel(SHOWN[1])
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    print(pd.DataFrame(report).set_index(["malignant rows", "made by"]).round(3).T.to_string())
    figure.savefig(folder / "small_minority.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
