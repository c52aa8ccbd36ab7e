"""From one digit to another
=========================

``interpolate`` decodes ``z = λ z₁ + (1 − λ) z₂`` of the codes of two images, with λ from 1 to 0. A mix of
the pixels would fade one image out and the other in; a mix of the codes moves the strokes. Writes
``interpolation.png``.

To run it::

    python examples/interpolation.py [FOLDER]
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
    augmenter = VAEAugmenter(max_iter=2 if FAST else 60, random_state=0).fit(images, labels)
    wanted = [(0, 0), (3, 8), (4, 9), (1, 7), (5, 6)]
    first = images[[np.flatnonzero(labels == a)[0] for a, _ in wanted]]
    second = images[[np.flatnonzero(labels == b)[7] for _, b in wanted]]

    figure = Figure(figsize=(10.2, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    display = FramesDisplay.from_interpolation(augmenter, first, second, steps=9, ax=left)
    left.set_title("codes mixed", loc="left", fontweight="bold")
    weights = np.linspace(1, 0, 9)[None, :, None, None]
    faded = (weights * first[:, None] + (1 - weights) * second[:, None]) / 255
    FramesDisplay(frames=faded, column_names=display.column_names).plot(right)
    right.set_title("pixels mixed", loc="left", fontweight="bold")
    figure.savefig(folder / "interpolation.png", dpi=110)

    between = display.frames[:, 4]
    print(
        f"Half-way frames: contrast {between.std():.3f} from codes, {faded[:, 4].std():.3f} from pixels, ",
        end="",
    )
    print(f"{images.std() / 255:.3f} of real digits")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
