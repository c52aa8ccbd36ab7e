"""Two rare digits in a scikit-learn pipeline
==========================================

Handwritten digits of 8×8 pixels of which 15 threes and 15 eights are known and about 120 of every other
digit. The same pipeline learns from them as they are and balanced by ``VAEOverSampler``; both are
tested on images that neither has seen. Writes ``balanced_digits.png``.

To run it::

    python examples/balanced_digits.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler

FAST = os.environ.get("VAEAUG_FAST") == "1"
RARE, KNOWN, SHOWN = (3, 8), 15, 6


def main(folder: Path) -> None:
    digits = load_digits()
    X = digits.images.astype(np.uint8).reshape(-1, 64)  # one row of 64 grey values (0 to 16) per image
    X_train, X_test, y_train, y_test = train_test_split(
        X, digits.target, test_size=0.33, stratify=digits.target, random_state=0
    )
    kept = np.concatenate([np.flatnonzero(y_train == k)[: KNOWN if k in RARE else None] for k in range(10)])
    X_train, y_train = X_train[kept], y_train[kept]

    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    painter = VAEAugmenter(image_shape=(8, 8), max_iter=2 if FAST else "auto", random_state=0)
    balanced = AugmentedClassifier(plain, VAEOverSampler(painter, random_state=0))
    recalls = {
        name: recall_score(y_test, model.fit(X_train, y_train).predict(X_test), average=None)
        for name, model in (("as they are", plain), ("balanced", balanced))
    }
    painter.fit(X_train, y_train)
    new, _ = painter.sample(y=np.repeat(np.arange(10), SHOWN), random_state=0)

    figure = Figure(figsize=(12.5, 5.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.15, 1])
    real = np.concatenate([X_train[y_train == k][:SHOWN] for k in range(10)])
    beside(left, real.reshape(10, SHOWN, 8, 8), new.reshape(10, SHOWN, 8, 8))
    bars(right, recalls)
    for name, values in recalls.items():
        rare = np.mean([values[k] for k in RARE])
        print(f"{name}: balanced accuracy {values.mean():.3f}, recall of the rare digits {rare:.3f}")
    figure.savefig(folder / "balanced_digits.png", dpi=110)


def beside(figure, real: np.ndarray, new: np.ndarray) -> None:
    """Draw real images beside synthetic ones, a row per class."""
    axes = figure.subplots(1, 2)
    for ax, images, title in zip(axes, (real, new), ("real", "synthetic"), strict=True):
        framed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=8)
        ax.imshow(np.block([list(row) for row in framed]), cmap="gray", interpolation="nearest")
        ax.set_title(title, loc="left", fontweight="bold")
        ax.set_xticks([])
        ax.set_yticks([])
    axes[0].set_yticks(np.arange(10) * 10 + 4.5, [f"{k} (rare)" if k in RARE else str(k) for k in range(10)])


def bars(figure, recalls: dict[str, np.ndarray]) -> None:
    """Draw the recall of every digit, before and after."""
    ax = figure.subplots()
    for shift, (name, values), colour in zip(
        (-0.2, 0.2), recalls.items(), ("#9aa5b1", "#D55E00"), strict=True
    ):
        ax.bar(np.arange(10) + shift, values, width=0.4, color=colour, label=name)
    ax.set_xticks(range(10))
    ax.set_xlabel("digit")
    ax.set_ylim(0, 1)
    ax.set_title("share of unseen images told right", loc="left", fontweight="bold")
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
