"""A small image classifier with a fixed budget: the same judge for every set of images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from vaeaug.errors import InputError
from vaeaug.evaluation.columns import as_array
from vaeaug.evaluation.images import channels_first, find_white, image_features
from vaeaug.utils.random import derive_seed, isolate_torch, numpy_generator

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["SmallConvClassifier"]


class SmallConvClassifier(ClassifierMixin, BaseEstimator):
    """Classify small images with three convolutions, trained for a fixed number of steps.

    It judges sets of training images: whatever their size, they get the same number of steps of the
    same size, so that only the images differ.

    Parameters
    ----------
    width : int, default=16
        Channels of the first convolution; the second has twice, the third four times as many, and so
        has the layer of features before the last.
    max_steps : int, default=1000
        Optimiser steps (AdamW, one-cycle).
    batch_size : int, default=128
        Images a step. Each pass over the images takes them in a new random order.
    learning_rate : float, default=4e-3
        The largest rate of the cycle.
    weight_decay : float, default=0.01
    shift : int, default=0
        Move every training image by up to so many pixels each way; 0 leaves images alone.
    batch_transform : callable, optional
        ``(images, targets) -> (images, targets)`` on training batches: float32 tensors
        ``(batch, C, H, W)`` in [0, 1] and ``(batch, classes)``. Inside, torch's global stream is
        seeded by ``random_state``.
    random_state : int, RandomState instance, Generator or None, default=0

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    network_ : torch.nn.Module
        Standardises, convolves, and returns class scores; ``network_[:-1]`` returns the features.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> images = (rng.random((200, 8, 8)) * 100 + 100 * y[:, None, None]).astype(np.uint8)
    >>> SmallConvClassifier(max_steps=30).fit(images, y).score(images, y) > 0.9
    True
    """

    def __init__(
        self,
        *,
        width: int = 16,
        max_steps: int = 1000,
        batch_size: int = 128,
        learning_rate: float = 4e-3,
        weight_decay: float = 0.01,
        shift: int = 0,
        batch_transform: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.width = width
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.shift = shift
        self.batch_transform = batch_transform
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SmallConvClassifier:
        """Train on images and labels.

        Parameters
        ----------
        X : array or tensor
            ``(n, H, W)``, ``(n, H, W, C)`` or ``(n, C, H, W)``, at least 8 × 8.
        y : array (n,)
        sample_weight : array (n,), optional
            What each image's loss counts.

        Raises
        ------
        InputError
            Images that cannot be used, or not as many labels as images.
        """
        images, labels = channels_first(X), as_array(y, "y")
        if min(images.shape[2:]) < 8:
            raise InputError(f"SmallConvClassifier takes images from 8 × 8 on, got {images.shape[2:]}.")
        if labels.shape != (len(images),):
            raise InputError(f"y must hold one label for each of {len(images)} images, got {labels.shape}.")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        weights = np.ones(len(images)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        weights = weights / weights.mean()
        seed = derive_seed(self.random_state)
        with isolate_torch(seed, 1):
            self.network_ = _network(images, self.width, len(self.classes_))
            self._train(images, codes, weights, numpy_generator(seed, 2))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return class probabilities, float64 ``(n, classes)``."""
        check_is_fitted(self)
        scores = image_features(X, self.network_)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest label of each image."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def features(self, X: Any) -> np.ndarray:
        """Return the values before the last layer, float64 ``(n, 4 · width)``."""
        check_is_fitted(self)
        return image_features(X, self.network_[:-1])

    def _train(
        self, images: np.ndarray, codes: np.ndarray, weights: np.ndarray, rng: np.random.Generator
    ) -> None:
        import torch

        scale = find_white(images)
        # With the channels of a pixel side by side, small convolutions take two thirds of the time.
        network = self.network_.train().to(memory_format=torch.channels_last)
        targets = np.eye(len(self.classes_), dtype=np.float32)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        cycle = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _cycle(step, self.max_steps))
        for rows in _batches(len(images), self.batch_size, self.max_steps, rng):
            x = torch.from_numpy(images[rows].astype(np.float32)) / scale
            t, w = torch.from_numpy(targets[codes[rows]]), torch.from_numpy(weights[rows].astype(np.float32))
            if self.shift:
                x = _shift(x, self.shift)
            if self.batch_transform is not None:
                x, t = self.batch_transform(x, t)
            scores = network(x.contiguous(memory_format=torch.channels_last))
            loss = (w * torch.nn.functional.cross_entropy(scores, t, reduction="none")).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            cycle.step()
        network.eval().to(memory_format=torch.contiguous_format)  # in which weights can be saved


def _network(images: np.ndarray, width: int, classes: int) -> nn.Sequential:
    from torch import nn

    channels, height, breadth = images.shape[1:]
    convolutions: list[nn.Module] = []
    for taken, made in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
        # A maximum of what ReLU leaves is ReLU of the maximum, which has a quarter of the values.
        convolutions += [nn.Conv2d(taken, made, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
    cells = (height // 8) * (breadth // 8)
    return nn.Sequential(
        _standardise(images),
        *convolutions,
        nn.Flatten(),
        nn.Linear(4 * width * cells, 4 * width),
        nn.ReLU(),
        nn.Linear(4 * width, classes),
    )


def _standardise(images: np.ndarray) -> nn.Module:
    """Return a layer that takes each channel to mean 0 and deviation 1, by these images."""
    import torch
    from torch import nn

    scale = find_white(images)
    mean = images.mean(axis=(0, 2, 3), dtype=np.float64) / scale
    deviation = np.maximum(images.std(axis=(0, 2, 3), dtype=np.float64) / scale, 1e-6)
    channels = images.shape[1]
    layer = nn.Conv2d(channels, channels, 1, groups=channels)
    slope = torch.as_tensor(1.0 / deviation, dtype=torch.float32)[:, None, None, None]
    layer.load_state_dict({"weight": slope, "bias": torch.as_tensor(-mean / deviation, dtype=torch.float32)})
    return layer.requires_grad_(False)


def _cycle(step: int, steps: int) -> float:
    """Return the share of the largest rate: up in a line for a fifth of the steps, down in a cosine."""
    rise = max(1, steps // 5)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1.0 + math.cos(math.pi * (step - rise + 1) / (steps - rise + 1)))


def _batches(rows: int, size: int, steps: int, rng: np.random.Generator) -> Any:
    """Yield row numbers: pass after pass over all rows in random order, whole batches only."""
    waiting = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        while len(waiting) < size:
            waiting = np.concatenate([waiting, rng.permutation(rows)])
        yield waiting[:size]
        waiting = waiting[size:]


def _shift(x: Tensor, most: int) -> Tensor:
    """Move each image by its own whole number of pixels; what comes in repeats the edge."""
    import torch

    n, _, height, width = x.shape
    padded = torch.nn.functional.pad(x, (most,) * 4, mode="replicate")
    down, right = torch.randint(2 * most + 1, (2, n))
    rows = (down[:, None] + torch.arange(height))[:, :, None]
    columns = (right[:, None] + torch.arange(width))[:, None, :]
    return padded[torch.arange(n)[:, None, None], :, rows, columns].permute(0, 3, 1, 2)
