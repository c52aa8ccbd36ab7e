"""Diversity against quality
=========================

With a temperature below 1, ``sample`` draws codes nearer to the middle of the prior. Digits are then read
better and look more alike. A classifier of real digits reads the samples. Diversity is their mean distance
to the nearest other sample of the class, beside that of as many real digits. Writes ``diversity.png``.

To run it::

    python examples/diversity.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC

from vaeaug import VAEAugmenter
from vaeaug.plotting import FramesDisplay

FAST = os.environ.get("VAEAUG_FAST") == "1"


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's 8×8 digits as bytes, and their classes; in fast mode a few."""
    data = load_digits()
    images = (data.images * 255 / 16).round().astype(np.uint8)
    return (images[:200], data.target[:200]) if FAST else (images, data.target)


def spread(images: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean distance of an image to the nearest other one of its class."""
    found = []
    for label in np.unique(labels):
        rows = images[labels == label].reshape((labels == label).sum(), -1) / 255.0
        found.append(NearestNeighbors(n_neighbors=2).fit(rows).kneighbors(rows)[0][:, 1])
    return float(np.concatenate(found).mean())


def main(folder: Path) -> None:
    images, labels = digits()
    augmenter = VAEAugmenter(prior="gaussian", latent_dim=8, max_iter=2 if FAST else 60, random_state=0).fit(
        images, labels
    )
    reader = SVC().fit(images.reshape(len(images), -1), labels)
    wanted = np.repeat(np.arange(10), 10 if FAST else 100)
    real = np.concatenate([np.flatnonzero(labels == k)[: len(wanted) // 10] for k in range(10)])
    temperatures = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
    read, varied, shown = [], [], []
    for temperature in temperatures:
        made, y = augmenter.sample(len(wanted), wanted, temperature=temperature, random_state=0)
        read.append((reader.predict(made.reshape(len(made), -1)) == y).mean())
        varied.append(spread(made, y))
        shown.append(made[:: len(wanted) // 10][:10])
        print(f"temperature {temperature:.2f}: {read[-1]:.1%} read right, diversity {varied[-1]:.2f}")
    print(f"real digits: diversity {spread(images[real], labels[real]):.2f}")

    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(varied, read, "o-", color="#0072B2", lw=2)
    for x, y, name in zip(varied, read, temperatures, strict=True):
        left.annotate(f"{name:g}", (x, y), textcoords="offset points", xytext=(5, 5), color="#5b6675")
    left.axvline(spread(images[real], labels[real]), color="#8a94a0", ls="--", label="real digits")
    left.set_xlabel("diversity: distance to the nearest other sample of the class")
    left.set_ylabel("share read as asked for")
    left.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, loc="lower left")
    FramesDisplay.from_edits({f"{t:g}": each for t, each in zip(temperatures, shown, strict=True)}, ax=right)
    right.set_title("a temperature a row", loc="left", fontweight="bold")
    figure.savefig(folder / "diversity.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
