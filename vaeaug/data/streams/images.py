"""Datasets of images larger than memory: a sample teaches the codec, every epoch reads the images again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from vaeaug.data.adapters import ImageIntake, Intake
from vaeaug.data.images.containers import read
from vaeaug.data.images.datasets import is_dataset, length, open_images, read_item, show_reading
from vaeaug.data.labels.class_weights import class_weights
from vaeaug.data.labels.context import ContextCodec
from vaeaug.data.labels.targets import is_missing, list_labels, plain_label, probe_rows, stack_labels
from vaeaug.errors import InputError
from vaeaug.training.rows import Block
from vaeaug.utils.random import numpy_generator, torch_generator

__all__ = ["StreamedImages", "is_image_stream"]

_SAMPLE, _EPOCH_ORDER = 23, 24
#: Items read evenly to see whether the labels that a Dataset lists are those of its items.
_PROBES = 16
#: Values from which a Dataset is read again in every epoch: 1 GB of encoded images.
_MOST_VALUES = 1 << 28
#: Values of the images drawn to learn from, and how many images these are at least and at most.
_SAMPLE_VALUES, _LEAST_IMAGES, _MOST_IMAGES = 1 << 26, 1_000, 20_000
#: Values that are read and encoded at a time.
_BLOCK_VALUES = 1 << 22


def is_image_stream(X: Any) -> bool:
    """Tell whether X is a Dataset of more images than are to be held in memory; reads one image.

    Raises
    ------
    InputError
        If that image cannot be read.
    """
    count = (length(X) or 0) if is_dataset(X) else 0
    return count > 0 and count * _values(X) > _MOST_VALUES


def _values(dataset: Any) -> int:
    """Return the number of values of the first image."""
    return int(np.asarray(read([read_item(dataset, 0, _name(dataset))[0]])[0]).size)


def _name(dataset: Any) -> str:
    return f"Dataset {type(dataset).__name__}"


class _Items:
    """A Dataset whose items are images and labels, and whose failures name the item."""

    def __init__(self, dataset: Any) -> None:
        self._dataset, self._name = dataset, _name(dataset)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        return read_item(self._dataset, i, self._name)


class StreamedImages:
    """A Dataset of images that are read again in every epoch, through a ``DataLoader``.

    Parameters
    ----------
    estimator : VAEAugmenter
        Its parameters say how images are to be read; it is told their shape.
    dataset : torch.utils.data.Dataset
        Map-style, of images or (image, label).
    y : labels or None
        One per image; None takes those of the Dataset, from its ``targets`` if it has them and they are those
        of its items, or else by reading all items once.
    seed : int
    earlier : Intake, optional
        Of the model that a warm fit goes on with.

    Attributes
    ----------
    intake, context, rows, x, c, groups, mass
        As of :class:`vaeaug.data.streams.table.StreamedTable`. Range and layout of the images are
        those of the sample; values beyond the range are cut to it.

    Raises
    ------
    InputError
        For images and labels that cannot be learned from; the message names the item.
    """

    def __init__(
        self, estimator: Any, dataset: Any, y: Any, seed: int, earlier: Intake | None = None
    ) -> None:
        from torch.utils.data import Subset

        self._dataset, self._seed, self._verbose = dataset, seed, estimator.verbose
        self.rows, values = len(dataset), _values(dataset)
        self._block = max(1, _BLOCK_VALUES // values)
        self._listed: np.ndarray | None = None
        y = self._labels() if y is None else open_images(y, y).y
        if y is not None and len(y) != self.rows:
            raise InputError(
                f"X and y have inconsistent numbers of samples: X has {self.rows} rows, y has {len(y)}; pass "
                "one label per image."
            )
        self.context = ContextCodec().fit(y)
        contexts = self.context.encode(y, self.rows)
        groups = self.context.groups(y) if self.context.width else None
        size = int(np.clip(_SAMPLE_VALUES // values, _LEAST_IMAGES, _MOST_IMAGES))
        self._numbers = _draw_images(groups, self.rows, size, numpy_generator(seed, _SAMPLE))
        found = open_images(Subset(dataset, self._numbers.tolist()), verbose=self._verbose)
        self.intake, self.x = ImageIntake.fit(estimator, found.X, found.class_names, earlier)
        self.c = contexts[self._numbers]
        self.groups = None if groups is None else groups[self._numbers]
        balance = class_weights(groups, None)
        self._contexts = contexts
        self._weights = np.ones(self.rows, np.float32) if balance is None else balance
        self.mass = np.ones(len(self.x), np.float32)
        if groups is not None:
            _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
            drawn = np.bincount(index[self._numbers], minlength=len(counts))
            mass = (counts / np.maximum(drawn, 1))[index[self._numbers]]
            self.mass = (mass / mass.mean()).astype(np.float32)

    def balance(self) -> np.ndarray:
        """Return the weights of the images of the sample: what they stand for, times that of their class."""
        return self.mass * self._weights[self._numbers]

    def training_rows(self, held_out: np.ndarray) -> tuple[Callable[..., Iterator[Block]], int]:
        """Return how to read the images to train on, and how many there are.

        Parameters
        ----------
        held_out : ndarray of bool, shape (n,)
            Images of the sample that are not to be trained on.
        """
        trained = np.setdiff1d(np.arange(self.rows), self._numbers[held_out], assume_unique=True)

        def read_images(epoch: int, turn: int, rank: int, ranks: int) -> Iterator[Block]:
            rng = numpy_generator(self._seed, _EPOCH_ORDER, epoch, turn)
            mine = trained[rng.permutation(len(trained))[rank::ranks]]
            for images, labels, numbers in self._read(mine, epoch, turn):
                self._check_listed(labels, numbers)
                x = self.intake.codec.encode(read(images)[0])
                yield x, self._contexts[numbers], self._weights[numbers]

        return read_images, len(trained)

    def digest(self) -> str:
        """Return what tells these data from others: labels, and the images of the sample."""
        code = hashlib.blake2b(repr((type(self._dataset).__name__, self.rows)).encode(), digest_size=16)
        for part in (self.x, self._contexts):
            code.update(np.ascontiguousarray(part).view(np.uint8).data)
        return code.hexdigest()

    def _labels(self) -> np.ndarray | None:
        """Return the labels of the Dataset; None where it has none."""
        listed = list_labels(self._dataset)
        if listed is not None:
            some = probe_rows(listed, _PROBES)
            found = [label for _, labels, _ in self._read(some, 0, 0) for label in labels]
            told = [_read_label(label, i) for label, i in zip(listed[some], some, strict=True)]
            if [_read_label(label, i) for label, i in zip(found, some, strict=True)] == told:
                self._listed = listed
                return listed
        every = (label for _, found, _ in self._read(np.arange(self.rows), 0, 0) for label in found)
        labels = list(show_reading(every, self._verbose, self.rows))
        if all(label is None for label in labels):
            return None
        return stack_labels(labels, _name(self._dataset), may_miss=True)

    def _check_listed(self, labels: list[Any], numbers: np.ndarray) -> None:
        """Refuse items whose labels differ from what the Dataset lists."""
        if self._listed is None:
            return
        for i, label in zip(numbers.tolist(), labels, strict=True):
            plain = _read_label(label, i)
            if plain != _read_label(self._listed[i], i):
                raise InputError(
                    f"X[{i}] of the {_name(self._dataset)} carries the label {plain!r}, and its list of "
                    f"labels says {self._listed[i : i + 1].tolist()[0]!r}. Pass y, one label per image."
                )

    def _read(self, numbers: np.ndarray, *key: int) -> Iterator[tuple[list[Any], list[Any], np.ndarray]]:
        """Yield images, labels and numbers of some items, block by block."""
        from torch.utils.data import DataLoader

        loader: Any = DataLoader(
            _Items(self._dataset),  # type: ignore[arg-type]
            batch_size=self._block,
            sampler=numbers.tolist(),
            collate_fn=list,
            generator=torch_generator(self._seed, _EPOCH_ORDER, *key),
        )
        for i, block in enumerate(loader):
            images, labels = (list(part) for part in zip(*block, strict=True))
            yield images, labels, numbers[i * self._block : (i + 1) * self._block]


def _read_label(label: Any, i: int) -> Any:
    """Return the label of an item as a plain value, None where it is missing."""
    return None if is_missing(label) else plain_label(label, f"X[{i}]")


def _draw_images(groups: np.ndarray | None, rows: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Choose images: half of them evenly, half of them as many of each class; sorted, int64."""
    order = rng.permutation(rows)
    if rows <= size or groups is None:
        return np.sort(order[:size])
    labels = groups[order]
    each = max(1, size // (2 * len(np.unique(labels))))
    by_class = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[by_class], labels[by_class])
    rank = np.empty(rows, dtype=np.int64)
    rank[by_class] = np.arange(rows) - starts
    # The first of a random order are drawn evenly, and so are the first of a class from the class.
    return np.sort(order[(np.arange(rows) < size // 2) | (rank < each)])
