"""A quick stand-in for a fitted augmenter, whose images show the class and the seed; and small data sets."""

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from vaeaug.errors import UnknownLabelError

CLASSES = 3


class MadeAugmenter:
    """Makes 6×5 images: class k is grey level 60·k + 40 with noise of ±15 that the seed decides."""

    def __init__(self, channels=None, layout="last", dtype="uint8", container="array"):
        self.channels, self.layout, self.dtype, self.container = channels, layout, dtype, container
        self.classes_ = np.arange(CLASSES)
        self.asked = []

    @property
    def shape(self):
        if self.channels is None:
            return 6, 5
        return (6, 5, self.channels) if self.layout == "last" else (self.channels, 6, 5)

    def sample(self, n_samples=1, y=None, *, method="prior", temperature=1.0, random_state=None):
        rng = np.random.default_rng(random_state)
        y = rng.integers(0, CLASSES, n_samples) if y is None else np.asarray(y)
        self.asked.append((len(y), random_state))
        if not np.isin(y, self.classes_).all():
            raise UnknownLabelError(f"label not seen in fit: {y!r}")
        base = 60 * y.reshape(-1, *(1,) * len(self.shape)) + 40
        noise = temperature * rng.integers(-15, 16, (len(y), *self.shape))
        return self.contained(base + noise), y

    def vary(self, X, y=None, *, strength=1.0, random_state=None):
        rows = np.stack([np.asarray(item) for item in X])
        assert rows.shape[1:] == self.shape
        assert str(rows.dtype) == self.dtype
        self.asked.append((len(rows), random_state))
        grey = rows.astype(float) if self.dtype == "uint8" else 255 * rows.astype(float)
        noise = strength * np.random.default_rng(random_state).integers(-15, 16, rows.shape)
        return self.contained(grey + noise)

    def contained(self, grey):
        rows = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
        if self.dtype != "uint8":
            rows = (rows / 255).astype(self.dtype)
        if self.container == "pil":
            return [Image.fromarray(row) for row in rows]
        return torch.from_numpy(rows) if self.container == "tensor" else rows


class Pictures(Dataset):
    """Real images: exactly the grey level 60·k + 40, with the item's number in the first pixel."""

    def __init__(self, counts=(40, 20, 4), kind="pil", batched=False, listed=True):
        labels = np.repeat(np.arange(len(counts)), counts)
        if listed:
            self.targets = labels.tolist()
        self.labels_ = labels
        rows = np.repeat(60 * labels + 40, 30).reshape(-1, 6, 5).astype(np.uint8)
        rows[:, 0, 0] = np.arange(len(labels))
        self.rows, self.kind, self.read = rows, kind, []
        if batched:
            self.__class__ = BatchedPictures

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        self.read.append(index)
        return AS[self.kind](self.rows[index]), int(self.labels_[index])


class BatchedPictures(Pictures):
    def __getitems__(self, indices):
        return [self[index] for index in indices]


def as_floats(row):
    return torch.from_numpy(row)[None].float().div(255)


AS = {
    "pil": Image.fromarray,
    "uint8": lambda row: torch.from_numpy(row.copy())[None],
    "floats": as_floats,
    "array": lambda row: row[..., None].astype(np.float64) / 255,
    "bytes": lambda row: row.copy(),
}


def same(first, second):
    """Tell whether two items are equal to the last byte, type included."""
    if type(first[0]) is not type(second[0]) or first[1] != second[1]:
        return False
    a, b = np.asarray(first[0]), np.asarray(second[0])
    return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
