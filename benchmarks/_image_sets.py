"""Real image sets for the benchmarks: from the folder in VAEAUG_DATA, otherwise through torchvision."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _bench import cache_folder

__all__ = ["DEEPSMOTE_COUNTS", "SETTINGS", "ImageSet", "load_images", "shrink", "thin"]

#: Images of class 0, 1, … in the imbalanced sets of Dablain et al., *DeepSMOTE*, 2021.
DEEPSMOTE_COUNTS = (4000, 2000, 1000, 750, 500, 350, 200, 100, 60, 40)

#: How the part "augmentation" thins the training sets: name -> images of each class.
SETTINGS: dict[str, tuple[int, ...]] = {"imbalanced": DEEPSMOTE_COUNTS, "50 a class": (50,) * 10}

_TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


@dataclass(frozen=True)
class ImageSet:
    """Images uint8 ``(n, H, W)`` or ``(n, H, W, C)`` with integer labels, in the official split."""

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    source: str


def load_images(name: str) -> ImageSet:
    """Load ``mnist`` or ``fashion_mnist``.

    The training images are shuffled (seed 0), because one copy is sorted by class.
    """
    root = os.environ.get("VAEAUG_DATA")
    folder = Path(root) / "images" / name if root else None
    if folder is not None and folder.exists():
        parts = [_read_local(folder, split) for split in ("train", "test")]
        source = f"images/{name} of VAEAUG_DATA"
    elif name in _TORCHVISION:
        parts = [_download(name, train) for train in (True, False)]
        source = f"torchvision {_TORCHVISION[name]}"
    else:
        raise SystemExit(f"{name} needs VAEAUG_DATA; torchvision offers {', '.join(_TORCHVISION)}.")
    (train, labels), (test, test_labels) = parts
    order = np.random.default_rng(0).permutation(len(train))
    return ImageSet(name, train[order], labels[order], test, test_labels, source)


def shrink(images: ImageSet, train: int, test: int) -> ImageSet:
    """Return a smaller set for smoke tests."""
    learned = {"train": images.train[:train], "train_labels": images.train_labels[:train]}
    return replace(images, **learned, test=images.test[:test], test_labels=images.test_labels[:test])


def thin(images: ImageSet, counts: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw so many training images of class 0, 1, …; shuffled."""
    rng = np.random.default_rng([seed, 71])
    rows = []
    for label, count in enumerate(counts):
        members = np.flatnonzero(images.train_labels == label)
        if len(members) < count:
            raise SystemExit(
                f"{images.name} has {len(members)} images of class {label}, {count} are asked for."
            )
        rows.append(rng.choice(members, size=count, replace=False))
    order = rng.permutation(np.concatenate(rows))
    return images.train[order], images.train_labels[order]


def _read_local(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    if not (folder / "full_jpeg.npz").exists():
        held = np.load(folder / f"{split}.npz")
        return held["images"], held["labels"].astype(np.int64)
    from PIL import Image

    held = np.load(folder / "full_jpeg.npz")
    raw, cuts = held[f"{split}_bytes"].tobytes(), held[f"{split}_offsets"]
    pixels = [np.asarray(Image.open(io.BytesIO(raw[a:b]))) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    return np.stack(pixels), held[f"{split}_labels"].astype(np.int64)


def _download(name: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
    from torchvision import datasets

    found = getattr(datasets, _TORCHVISION[name])(cache_folder() / "torchvision", train=train, download=True)
    return np.asarray(found.data), np.asarray(found.targets, dtype=np.int64)
