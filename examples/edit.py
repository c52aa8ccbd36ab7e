"""Change one attribute of an image
================================

Slant and boldness are measured on 600 training images; ``find_directions`` learns along which directions of
the code they change, with the class and the other attribute held. ``edit`` moves new images along one of
them. Writes ``edit.png``.

To run it::

    python examples/edit.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
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


def attributes_of(images: np.ndarray) -> pd.DataFrame:
    """Return slant (sideways for each pixel upwards) and boldness (mean ink) of digits."""
    ink = images / 255.0
    whole = ink.sum((1, 2)) + 1e-9
    rows, columns = np.mgrid[:8, :8]
    dx = columns - ((ink * columns).sum((1, 2)) / whole)[:, None, None]
    dy = rows - ((ink * rows).sum((1, 2)) / whole)[:, None, None]
    slant = -(ink * dx * dy).sum((1, 2)) / ((ink * dy * dy).sum((1, 2)) + 1e-9)
    return pd.DataFrame({"slant": slant, "boldness": ink.mean((1, 2))})


def main(folder: Path) -> None:
    images, labels = digits()
    new = slice(0, 60)  # these are edited, and not learned from
    train, classes = images[60:], labels[60:]
    augmenter = VAEAugmenter(max_iter=2 if FAST else 60, random_state=0).fit(train, classes)
    directions = augmenter.find_directions(train, attributes_of(train), classes)
    print("Share of each attribute that the codes tell:", directions.explained.round(2).to_dict())

    usual, before = attributes_of(train), attributes_of(images[new])
    versions = {"before": images[new]}
    for attribute in ("slant", "boldness"):
        for share, word in ((0.1, "less"), (0.9, "more")):
            value = usual[attribute].quantile(share)
            made = augmenter.edit(
                images[new], labels[new], attribute=attribute, value=value, directions=directions
            )
            versions[f"{word} {attribute}"] = made
            after = (attributes_of(made) - before).mean() / usual.std()
            print(f"{word} {attribute}: changed by {after.round(2).to_dict()} standard deviations")

    shown = [int(np.flatnonzero(labels[new] == label)[0]) for label in range(10)]
    figure = Figure(figsize=(7.4, 3.5), layout="constrained")
    FramesDisplay.from_edits({name: made[shown] for name, made in versions.items()}, ax=figure.add_subplot())
    figure.savefig(folder / "edit.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
