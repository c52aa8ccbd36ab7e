"""What is done to a small or imbalanced set of training images before the same classifier learns from it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from vaeaug.evaluation.smallcnn import SmallConvClassifier

#: The classifier of every strategy: 500 steps of 128 images, whatever it learns from.
BUDGET: dict[str, Any] = {"width": 16, "max_steps": 500}
FAST_BUDGET: dict[str, Any] = {"width": 4, "max_steps": 10}

#: Images of one batch that share a random transform; one for each would cost more than the network.
_GROUP = 8


def _group(transform: Any) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def apply(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        parts = (x * 255.0).round().to(torch.uint8).split(_GROUP)
        return torch.cat([transform(part) for part in parts]).float() / 255.0, t

    return apply


def _mix_up(x: Tensor, t: Tensor, alpha: float = 0.2) -> tuple[Tensor, Tensor]:
    weight = torch.distributions.Beta(alpha, alpha).sample((len(x),))
    other = torch.randperm(len(x))
    w, v = weight[:, None, None, None], weight[:, None]
    return w * x + (1 - w) * x[other], v * t + (1 - v) * t[other]


#: The strategies that need no generator: "none" leaves the classes as they are, "weights" weighs their loss,
#: "copies" makes them equal; and a transform of training batches.
STRATEGIES: dict[str, tuple[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None]] = {
    "plain": ("none", None),
    "class weights": ("weights", None),
    "oversampling": ("copies", None),
    "oversampling + RandAugment": ("copies", _group(v2.RandAugment())),
    "oversampling + TrivialAugment": ("copies", _group(v2.TrivialAugmentWide())),
    "oversampling + MixUp": ("copies", _mix_up),
}


def train_classifier(
    images: np.ndarray,
    labels: np.ndarray,
    strategy: str,
    *,
    pool: tuple[np.ndarray, np.ndarray, float] | None = None,
    seed: int,
    fast: bool = False,
) -> SmallConvClassifier:
    """Train a classifier of the thinned set by a strategy.

    With a ``pool`` of made images, their labels and a share, classes are filled up to equal numbers by these
    instead of copies. The share is the largest one of made images in a class: a class with many real ones
    gets fewer.
    """
    balance, transform = STRATEGIES[strategy]
    budget = (FAST_BUDGET if fast else BUDGET) | {"batch_transform": transform, "random_state": seed}
    weights = None
    rng = np.random.default_rng([seed, 72])
    if pool is not None or balance == "copies":
        images, labels = fill(images, labels, pool or (images[:0], labels[:0], 0.0), balance, rng)
    elif balance == "weights":
        weights = 1.0 / np.bincount(labels)[labels]
    return SmallConvClassifier(**budget).fit(images, labels, weights)


def fill(
    images: np.ndarray,
    labels: np.ndarray,
    pool: tuple[np.ndarray, np.ndarray, float],
    balance: str,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill each class with made images: to the size of the largest, or beyond where all are small."""
    made, made_labels, share = pool
    counts = np.bincount(labels)
    # Where classes are equal, a share of s still means s made images to 1 − s real ones.
    total = int(max(counts.max(), round(counts.min() / max(1.0 - share, 0.1))))
    parts, names = [], []
    for label in np.unique(labels):
        real, own = np.flatnonzero(labels == label), np.flatnonzero(made_labels == label)
        wanted = min(total - len(real), int(share * total), len(own))
        wanted = max(wanted, 0)
        size = len(real) if balance == "none" else total - wanted
        parts += [images[np.resize(rng.permutation(real), size)], made[rng.permutation(own)[:wanted]]]
        names += [np.full(size + wanted, label)]
    return np.concatenate(parts), np.concatenate(names)
