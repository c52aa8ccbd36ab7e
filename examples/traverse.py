"""Look around one image
=====================

Change numbers of a code, draw a grid, take a walk.
``traverse`` changes one number of a code at a time, ``lattice`` two directions together, and ``walk``
wanders through the codes of the class. Writes ``traverse.png``.

To run it::

    python examples/traverse.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from vaeaug import VAEAugmenter
from vaeaug.plotting import FramesDisplay

FAST = os.environ.get("VAEAUG_FAST") == "1"


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's 8×8 digits as bytes, and their classes; in fast mode a few."""
    data = load_digits()
    images = (data.images * 255 / 16).round().astype(np.uint8)
    return (images[:200], data.target[:200]) if FAST else (images, data.target)


def main(folder: Path) -> None:
    images, labels = digits()
    augmenter = VAEAugmenter(latent_dim=8, max_iter=2 if FAST else 60, random_state=0).fit(images, labels)
    some = slice(3, 4)
    x, y = images[some], labels[some]
    figure = Figure(figsize=(10.5, 3.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    FramesDisplay.from_traversal(augmenter, x, y, dims=range(7), steps=7, reach=2.5, ax=left)
    left.set_title("one number of the code a row", loc="left", fontweight="bold")
    grid = np.array(augmenter.lattice(x, y, steps=7, reach=2.5))[:, :, 0]
    FramesDisplay(frames=grid / 255).plot(middle, title="two main directions")
    walk = np.array(augmenter.walk(images[:7], labels[:7], steps=7, stride=0.5, random_state=0))
    FramesDisplay(frames=walk.swapaxes(0, 1) / 255).plot(right, title="a walk a row")
    figure.savefig(folder / "traverse.png", dpi=110)
    steps = np.abs(np.diff(walk.astype(float), axis=0)).mean() / 255
    print(f"A step of the walks changes a pixel by {steps:.1%} of its range on average")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
