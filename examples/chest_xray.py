"""Chest X-rays with few healthy lungs
===================================

What do variations of 80 images add?
PneumoniaMNIST (Yang et al. 2023, *MedMNIST v2*; 28×28 pixels) has fewer healthy than ill children; here 80
healthy ones are left. A small network learns from the images as they are, with the healthy ones
repeated, and with synthetic healthy ones added, three times each. A ``LabelFilter`` drops synthetic
images that look ill or copy a real one, and says how many. Expects ``images/pneumoniamnist/train.npz`` and
``test.npz``, with arrays ``images`` and ``labels``, in the folder named in VAEAUG_DATA. Writes
``chest_xray.png``.

To run it::

    python examples/chest_xray.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import balanced_accuracy_score

from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.evaluation.smallcnn import SmallConvClassifier
from vaeaug.filtering import LabelFilter

FAST = os.environ.get("VAEAUG_FAST") == "1"
NAMES = ("healthy", "pneumonia")
KNOWN, SHOWN = 30 if FAST else 80, 15


def main(folder: Path) -> None:
    (X, y), (X_test, y_test) = load()
    X, y = few_healthy(X, y)
    augmenter = VAEAugmenter(max_iter=1 if FAST else 30)
    sampler = VAEOverSampler(augmenter, random_state=0, label_filter=LabelFilter(random_state=0))
    X_res, y_res = sampler.fit_resample(X, y)
    print(sampler.dropped_.to_string())
    repeated = np.concatenate([np.arange(len(y)), np.resize(np.flatnonzero(y == 0), np.ptp(np.bincount(y)))])
    arms = {
        "as they are": (X, y),
        "healthy ones repeated": (X[repeated], y[repeated]),
        "synthetic healthy ones added": (X_res, y_res),
    }
    scores = {name: [] for name in arms}
    for seed in range(1 if FAST else 3):
        for name, (images, labels) in arms.items():
            network = SmallConvClassifier(max_steps=10 if FAST else 400, shift=2, random_state=seed)
            predicted = network.fit(images, labels).predict(X_test)
            scores[name].append(balanced_accuracy_score(y_test, predicted))
    for name, values in scores.items():
        print(f"{name}: balanced accuracy {np.mean(values):.3f} ({', '.join(f'{v:.3f}' for v in values)})")

    figure = Figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.7, 1])
    new, _ = sampler.augmenter_.sample(y=np.repeat([0, 1], SHOWN), random_state=0)
    beside(left, [X[y == 0][:SHOWN], new[:SHOWN], X[y == 1][:SHOWN], new[SHOWN:]])
    dots(right, scores)
    figure.savefig(folder / "chest_xray.png", dpi=100)


def few_healthy(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave so many images of class 0."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.permutation(np.flatnonzero(y == 0))[:KNOWN], np.flatnonzero(y == 1)])
    rows = rng.permutation(rows)
    return X[rows], y[rows]


def load() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (images, labels) for training and for testing; class 0 is healthy."""
    root = os.environ.get("VAEAUG_DATA")
    if FAST:
        return [made(240, seed) for seed in (0, 1)]
    if not root:
        raise SystemExit("This example needs PneumoniaMNIST in the folder named in VAEAUG_DATA.")
    folder = Path(root) / "images" / "pneumoniamnist"
    held = [np.load(folder / f"{split}.npz") for split in ("train", "test")]
    return [(part["images"], part["labels"].astype(np.int64).ravel()) for part in held]


def made(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return drawings of two dark lungs, with a bright cloud in every second pair."""
    rng = np.random.default_rng(seed)
    y, (v, u) = np.arange(count) % 2, np.mgrid[:28, :28]
    x = np.full((count, 28, 28), 180.0)
    for side in (8.5, 19.5):
        centre = side + rng.normal(0, 0.7, (count, 1, 1))
        x -= 110 * np.exp(-(((u - centre) / 4) ** 4) - ((v - 14) / 9) ** 4)
    spot = rng.uniform(8, 20, (2, count, 1, 1))
    x += 90 * y[:, None, None] * np.exp(-((u - spot[0]) ** 2 + (v - spot[1]) ** 2) / 20)
    return (x + rng.normal(0, 5, x.shape)).clip(0, 255).astype(np.uint8), y


def beside(figure, rows: list[np.ndarray]) -> None:
    """Draw two lines of images each: real and synthetic ones of both classes."""
    axes = figure.subplots(2, 2)
    titles = [f"{name}, {kind}" for name in NAMES for kind in ("real", "synthetic")]
    for ax, images, title in zip(axes.T.ravel(), rows, titles, strict=True):
        framed = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=255)
        lines = framed.reshape(-1, 5, *framed.shape[1:])
        ax.imshow(np.block([list(line) for line in lines]), cmap="gray", interpolation="nearest")
        ax.set_title(title, loc="left", fontweight="bold")
        ax.set_axis_off()


def dots(figure, scores: dict[str, list[float]]) -> None:
    """Draw the balanced accuracy of every run, and its mean."""
    ax = figure.subplots()
    for i, values in enumerate(scores.values()):
        ax.plot(values, [i] * len(values), "o", color="#9aa5b1")
        ax.plot(np.mean(values), i, "D", color="#D55E00")
    ax.set_yticks(range(len(scores)), list(scores))
    ax.set_ylim(len(scores) - 0.5, -0.5)
    ax.set_xlabel("balanced accuracy on test images")
    ax.set_title("dots: runs, diamond: mean", loc="left")
    ax.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
