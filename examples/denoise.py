"""Take the noise out of images
============================

``reconstruct`` returns the most probable image of an image's code. A code has no room for noise, so what
comes back is a clean digit near the noisy one. Writes ``denoise.png``.

To run it::

    python examples/denoise.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from vaeaug import VAEAugmenter
from vaeaug.plotting import FramesDisplay

FAST = os.environ.get("VAEAUG_FAST") == "1"


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's 8×8 digits as bytes, and their classes; in fast mode a few."""
    data = load_digits()
    images = (data.images * 255 / 16).round().astype(np.uint8)
    return (images[:200], data.target[:200]) if FAST else (images, data.target)


def error_of(images: np.ndarray, clean: np.ndarray) -> float:
    """Return the root mean squared error as a share of the range."""
    return float(np.sqrt(((images.astype(float) - clean) ** 2).mean()) / 255)


def main(folder: Path) -> None:
    images, labels = digits()
    rng = np.random.default_rng(0)
    new = slice(0, 100)
    augmenter = VAEAugmenter(latent_dim=12, max_iter=2 if FAST else 60, random_state=0).fit(images[100:])
    clean = images[new]
    noisy = np.clip(clean + rng.normal(0, 60, clean.shape), 0, 255).astype(np.uint8)
    noisy[rng.random(clean.shape) < 0.05] = 255
    widths = np.arange(0.3, 1.2, 0.1)
    smoothed = [gaussian_filter(noisy, (0, width, width)) for width in widths]
    best = min(smoothed, key=lambda found: error_of(found, clean))  # as if the truth were known
    made = augmenter.reconstruct(noisy)
    for name, found in {"noisy": noisy, "best Gaussian filter": best, "reconstruct": made}.items():
        print(f"{name:20} root mean squared error {error_of(found, clean):.3f}")
    shown = [int(np.flatnonzero(labels[new] == label)[0]) for label in range(10)]
    versions = {"clean": clean, "noisy": noisy, "best Gaussian filter": best, "reconstruct": made}
    figure = Figure(figsize=(7, 3.0), layout="constrained")
    FramesDisplay.from_edits({name: each[shown] for name, each in versions.items()}, ax=figure.add_subplot())
    figure.savefig(folder / "denoise.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
