"""Coarse from one image, fine from another
========================================

In a variational ladder autoencoder the code has levels that reach the image through different depths of
network. ``blend`` mixes codes with weights, for each level if asked to: here the coarse level of the image
at the left with the fine one of the image above. Writes ``blend.png``.

To run it::

    python examples/blend.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from vaeaug import Recipe, VAEAugmenter
from vaeaug.plotting import FramesDisplay

FAST = os.environ.get("VAEAUG_FAST") == "1"


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's 8×8 digits as bytes, and their classes; in fast mode a few."""
    data = load_digits()
    images = (data.images * 255 / 16).round().astype(np.uint8)
    return (images[:200], data.target[:200]) if FAST else (images, data.target)


def main(folder: Path) -> None:
    images, labels = digits()
    augmenter = VAEAugmenter(
        latent=Recipe("vlae", levels=2), latent_dim=12, max_iter=2 if FAST else 60, random_state=0
    ).fit(images)
    left = images[[np.flatnonzero(labels == k)[0] for k in range(8)]]
    above = images[[np.flatnonzero(labels == k)[5] for k in (0, 1, 3, 4, 6, 7, 8, 9)]]
    A, B = np.repeat(left, 8, axis=0), np.tile(above, (8, 1, 1))
    titles = {
        "coarse from the left, fine from above": {"level_2": 1.0, "level_1": 0.0},
        "fine from the left, coarse from above": {"level_2": 0.0, "level_1": 1.0},
        "half of each": 0.5,
    }
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for ax, (title, weight) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        made = augmenter.blend(A, B, weight=weight) / 255.0
        frames = np.ones((9, 9, 8, 8))
        frames[1:, 0], frames[0, 1:], frames[1:, 1:] = left / 255, above / 255, made.reshape(8, 8, 8, 8)
        FramesDisplay(frames=frames).plot(ax, title=title)
        near = [np.abs(made - each / 255).mean() for each in (A, B)]
        print(f"{title}: mean difference {near[0]:.3f} from the left image, {near[1]:.3f} from the one above")
    figure.savefig(folder / "blend.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
