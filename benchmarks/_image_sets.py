"""Real image sets for the benchmarks: from the folder in VAEAUG_DATA, otherwise through torchvision."""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

#: Images of class 0, 1, … in the imbalanced sets of Dablain et al., *DeepSMOTE*, 2021.
DEEPSMOTE_COUNTS = (4000, 2000, 1000, 750, 500, 350, 200, 100, 60, 40)

#: How the part "augmentation" thins the training sets: name -> images of each class.
UNLABELLED = "50 a class, others unlabelled"
SETTINGS: dict[str, tuple[int, ...]] = {
    "50 a class": (50,) * 10,
    UNLABELLED: (50,) * 10,
    "imbalanced": DEEPSMOTE_COUNTS,
}

_LETTERS = "AEGKMRSTXe"
_TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


@dataclass(frozen=True)
class ImageSet:
    """Images uint8 ``(n, H, W)`` or ``(n, H, W, C)`` with integer labels, in the official split."""

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def load_images(name: str) -> ImageSet:
    """Load ``mnist`` or ``fashion_mnist``, or draw ``letters``.

    The training images are shuffled (seed 0), because one copy is sorted by class.
    """
    if name == "letters":
        return draw_letters()
    folder = Path(os.environ.get("VAEAUG_DATA", "")) / "images" / name
    if (folder / "train.npz").exists():
        held = [np.load(folder / f"{split}.npz") for split in ("train", "test")]
        parts = [(part["images"], part["labels"]) for part in held]
    elif name in _TORCHVISION:
        from torchvision import datasets

        load, root = getattr(datasets, _TORCHVISION[name]), Path(tempfile.gettempdir()) / "torchvision"
        found = [load(root, train=train, download=True) for train in (True, False)]
        parts = [(part.data.numpy(), part.targets.numpy()) for part in found]
    else:
        raise SystemExit(f"{name} needs VAEAUG_DATA; torchvision offers {', '.join(_TORCHVISION)}.")
    (train, labels), (test, test_labels) = parts
    order = np.random.default_rng(0).permutation(len(train))
    return ImageSet(name, train[order], labels[order].astype(np.int64), test, test_labels.astype(np.int64))


def draw_letters(train: int = 60_000, test: int = 10_000) -> ImageSet:
    """Draw ten letters in the fonts of matplotlib, turned, slanted, stretched, moved and shaded."""
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    names = [*sorted(folder.glob("DejaVu*.ttf")), *sorted(folder.glob("STIXGeneral*.ttf"))]
    fonts = [
        ImageFont.truetype(str(path), size)
        for path in names
        if "Display" not in path.name
        for size in (17, 20)
    ]
    rng = np.random.default_rng(0)
    labels = rng.integers(len(_LETTERS), size=train + test)
    images = np.empty((train + test, 28, 28), np.uint8)
    for k, label in enumerate(labels):
        canvas = Image.new("L", (28, 28))
        ink = int(rng.integers(120, 256))
        font = fonts[rng.integers(len(fonts))]
        ImageDraw.Draw(canvas).text((14, 14), _LETTERS[label], ink, font=font, anchor="mm")
        angle, slant = rng.normal(0, 0.15), rng.normal(0, 0.2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.diag(rng.uniform(0.8, 1.25, 2)) @ turn @ np.array([[1, slant], [0, 1]])
        shift = 14 - matrix @ (14 + rng.normal(0, 1.5, 2))
        placed = (*matrix[0], shift[0], *matrix[1], shift[1])
        canvas = canvas.transform((28, 28), Image.Transform.AFFINE, placed, Image.Resampling.BILINEAR)
        grain = rng.normal(0, rng.uniform(0, 12), (28, 28))
        images[k] = np.clip(np.asarray(canvas) + grain, 0, 255).round()
    return ImageSet("letters", images[:train], labels[:train], images[train:], labels[train:])


def load_digit_images() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits as uint8 ``(1797, 8, 8)``, and their labels."""
    digits = load_digits()
    return (digits.images * 255 / 16).round().astype(np.uint8), digits.target.astype(np.int64)


def shrink(images: ImageSet, train: int, test: int) -> ImageSet:
    """Return a smaller set for smoke tests."""
    learned = {"train": images.train[:train], "train_labels": images.train_labels[:train]}
    return replace(images, **learned, test=images.test[:test], test_labels=images.test_labels[:test])


def hold_out(images: ImageSet, share: int = 6) -> ImageSet:
    """Return the set with one in ``share`` of its training images in the place of the test images."""
    kept = len(images.train) - len(images.train) // share
    held = {"test": images.train[kept:], "test_labels": images.train_labels[kept:]}
    return replace(shrink(images, kept, 0), **held)


def thin(images: ImageSet, counts: tuple[int, ...], seed: int) -> np.ndarray:
    """Return the numbers of so many random training images of class 0, 1, …; shuffled."""
    rng = np.random.default_rng([seed, 71])
    rows = []
    for label, count in enumerate(counts):
        members = np.flatnonzero(images.train_labels == label)
        if len(members) < count:
            raise SystemExit(
                f"{images.name} has {len(members)} images of class {label}, {count} are asked for."
            )
        rows.append(rng.choice(members, size=count, replace=False))
    return rng.permutation(np.concatenate(rows))
