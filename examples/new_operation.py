"""A latent operation of your own
==============================

One function, and one line in the registry.
A caricature takes what sets a row apart from the mean of its class, and more of it. An operation sees codes
and what is known of the latent space (``vaeaug/latent/operations.py``); ``VAEAugmenter.apply`` encodes the
rows, calls it by its name and decodes what it returns, for images and tables alike. Inside the library the
function goes into a file of its own and its line into ``OPERATIONS``, where the contract tests find it.
Writes ``new_operation.png``.

To run it::

    python examples/new_operation.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from vaeaug import VAEAugmenter
from vaeaug.latent.operations import OPERATIONS, Codes, Space
from vaeaug.plotting import FramesDisplay
from vaeaug.utils.validation import check_number

FAST = os.environ.get("VAEAUG_FAST") == "1"


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's 8×8 digits as bytes, and their classes; in fast mode a few."""
    data = load_digits()
    images = (data.images * 255 / 16).round().astype(np.uint8)
    return (images[:200], data.target[:200]) if FAST else (images, data.target)


def caricature(space: Space, source: Codes, *, amount: float = 2.0) -> Codes:
    """Exaggerate rows: ``z' = m + amount · (z − m)``, with m the mean code of the class.

    Parameters
    ----------
    amount : float, default=2.0
        1 leaves rows as they are, 0 makes all rows of a class the same.
    """
    check_number("amount", amount, low=0)
    known, own = space.classes(space.known.c), space.classes(source.c)
    means = np.stack([space.known.z[known == k].mean(0) for k in np.unique(own)])
    middle = means[np.searchsorted(np.unique(own), own)]
    return Codes(middle + amount * (source.z - middle), source.c)


# The registry line. In the library it stands in vaeaug/latent/operations.py.
OPERATIONS["caricature"] = caricature


def main(folder: Path) -> None:
    images, labels = digits()
    augmenter = VAEAugmenter(latent_dim=12, max_iter=2 if FAST else 60, random_state=0).fit(images, labels)
    shown = np.array([np.flatnonzero(labels == k)[2] for k in range(10)])
    versions = {"as it is": images[shown]}
    for amount in (0.0, 0.5, 1.0, 1.5, 2.0):
        versions[f"{amount:g} ×"] = augmenter.apply(
            "caricature", images[shown], y=labels[shown], amount=amount
        )
    figure = Figure(figsize=(7, 4.3), layout="constrained")
    FramesDisplay.from_edits(versions, ax=figure.add_subplot())
    figure.savefig(folder / "new_operation.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
