"""Images without a label teach what images look like."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from vaeaug import VAEAugmenter
from vaeaug.data.streams import images as image_streams
from vaeaug.errors import InputError


def make_bars(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 (n, 12, 12) of a bar that lies or stands, and which: 0 or 1."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    images = rng.integers(0, 40, (n, 12, 12), dtype=np.uint8)
    for image, label, place in zip(images, y, rng.integers(3, 9, n), strict=True):
        image[(slice(None), place) if label else (place, slice(None))] += 180
    return images, y


def hide(y: np.ndarray, known: int, value: object) -> list[object]:
    """Return labels of which only the first are known."""
    return [label if i < known else value for i, label in enumerate(y.tolist())]


def fit(X: object, y: object = None, **options: object) -> VAEAugmenter:
    return VAEAugmenter(**{"max_iter": 8, "random_state": 0, "latent_dim": 8} | options).fit(X, y)


class Bars(Dataset):
    """Images as tensors, with labels of which some are missing."""

    def __init__(self, n: int, known: int, value: object, *, listed: bool = False) -> None:
        self.images, y = make_bars(n)
        self.marks = hide(y, known, value)
        if listed:
            self.targets = np.array(self.marks, dtype=float)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, object]:
        return torch.from_numpy(self.images[i]), self.marks[i]


@pytest.mark.parametrize("value", [None, np.nan])
def test_labels_of_arrays_and_datasets_may_be_missing(value):
    X, y = make_bars(60)
    for augmenter in (fit(X, hide(y, 20, value), max_iter=1), fit(Bars(60, 20, value), max_iter=1)):
        assert augmenter.classes_.tolist() == [0, 1]
        assert set(augmenter.sample(20, random_state=0)[1]) <= {0, 1}
        assert len(augmenter.sample(4, y=1, random_state=0)[0]) == 4


@pytest.mark.parametrize("listed", [False, True])
def test_labels_of_streams_may_be_missing(monkeypatch, listed):
    monkeypatch.setattr(image_streams, "_MOST_VALUES", 1000)
    augmenter = fit(Bars(60, 20, float("nan"), listed=listed), max_iter=1)
    assert augmenter.classes_.tolist() == [0, 1]
    assert set(augmenter.sample(20, random_state=0)[1]) <= {0, 1}


def test_images_without_any_label_are_refused():
    X, y = make_bars(20)
    with pytest.raises(InputError, match="no label: all 20 are missing"):
        fit(X, hide(y, 0, None))


def test_missing_labels_change_nothing_where_all_are_given():
    X, y = make_bars(60)
    given, listed = fit(X, y, max_iter=1), fit(X, [*y.tolist()], max_iter=1)
    assert np.array_equal(given.sample(5, random_state=0)[0], listed.sample(5, random_state=0)[0])
