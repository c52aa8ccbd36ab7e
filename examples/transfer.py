"""Write another digit in the same hand
====================================

``transfer`` encodes an image under the class that it has and decodes it under another: what the class says
changes, what the code says (slant, boldness, width) stays. The rows are ten hands, the columns ten digits;
the marked images are real. Writes ``transfer.png``.

To run it::

    python examples/transfer.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

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
    same = [labels == label for label in range(10)]
    by_ink = [members[np.argsort(images[members].mean((1, 2)))] for members in map(np.flatnonzero, same)]
    # A bold hand, then a thin one, and so on.
    sources = np.array([rows[-3 if k % 2 else 2] for k, rows in enumerate(by_ink)])
    train = np.setdiff1d(np.arange(len(images)), sources)
    augmenter = VAEAugmenter(max_iter=2 if FAST else 60, random_state=0).fit(images[train], labels[train])
    repeated, wanted = np.repeat(sources, 10), np.tile(np.arange(10), 10)
    made = augmenter.transfer(images[repeated], labels[repeated], wanted)

    reader = KNeighborsClassifier(1).fit(images[train].reshape(len(train), -1), labels[train])
    read = (reader.predict(made.reshape(len(made), -1)) == wanted).mean()
    ink, usual = made.mean((1, 2)), np.array([images[labels == k].mean() for k in range(10)])
    own = images[repeated].mean((1, 2)) - usual[labels[repeated]]
    print(
        f"{read:.0%} are read as the digit asked for; boldness beside other digits of the class goes with ",
        end="",
    )
    print(f"that of the source: correlation {np.corrcoef(ink - usual[wanted], own)[0, 1]:.2f}")

    frames = made.reshape(10, 10, 8, 8) / 255
    frames[range(10), range(10)] = images[sources] / 255
    figure = Figure(figsize=(5.6, 5.8), layout="constrained")
    display = FramesDisplay(frames=frames, column_names=[str(k) for k in range(10)])
    display.plot(figure.add_subplot(), marked=[(k, k) for k in range(10)])
    figure.savefig(folder / "transfer.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
