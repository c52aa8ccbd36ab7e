"""Real image sets for the benchmarks: from the folder in VAEAUG_DATA, otherwise through torchvision."""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
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
    """Load ``mnist`` or ``fashion_mnist``.

    The training images are shuffled (seed 0), because one copy is sorted by class.
    """
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
