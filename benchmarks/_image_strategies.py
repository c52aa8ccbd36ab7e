"""What is done to a small or imbalanced set of training images before the same classifier learns from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from vaeaug.evaluation.smallcnn import SmallConvClassifier

__all__ = ["STRATEGIES", "Strategy", "Synthetic", "train_classifier"]

#: The classifier of every strategy: 500 steps of 128 images, whatever it learns from.
BUDGET: dict[str, Any] = {"width": 16, "max_steps": 500}
FAST_BUDGET: dict[str, Any] = {"width": 4, "max_steps": 10}

#: Images of one batch that share a random transform; one for each would cost more than the network.
_GROUP = 8


@dataclass(frozen=True)
class Strategy:
    """How to train on few or unequal numbers of images."""

    #: "none" leaves the classes as they are, "weights" weighs their loss, "copies" makes them equal.
    balance: str
    #: Of training batches.
    transform: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None


@dataclass(frozen=True)
class Synthetic:
    """How made images join a strategy, written ``method:share``, such as ``posterior:0.5``.

    ``posterior+residual`` keeps what reconstruction loses; ``@3`` behind a method is another temperature
    than 1. The share is the largest one of made images in a class: a class with many real ones gets fewer.
    """

    method: str
    share: float

    @classmethod
    def parse(cls, text: str) -> Synthetic:
        method, _, share = text.partition(":")
        if method.partition("@")[0] not in ("prior", "posterior", "interpolate", "posterior+residual"):
            raise SystemExit(f"unknown way to sample {method!r} in {text!r}.")
        return cls(method, float(share))


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


#: The strategies that need no generator.
STRATEGIES: dict[str, Strategy] = {
    "plain": Strategy("none"),
    "class weights": Strategy("weights"),
    "oversampling": Strategy("copies"),
    "oversampling + RandAugment": Strategy("copies", _group(v2.RandAugment())),
    "oversampling + TrivialAugment": Strategy("copies", _group(v2.TrivialAugmentWide())),
    "oversampling + MixUp": Strategy("copies", _mix_up),
}


def train_classifier(
    images: np.ndarray,
    labels: np.ndarray,
    strategy: Strategy,
    *,
    pool: tuple[np.ndarray, np.ndarray] | None = None,
    synthetic: Synthetic | None = None,
    seed: int,
    fast: bool = False,
) -> SmallConvClassifier:
    """Train a classifier of the thinned set by a strategy.

    With a ``pool`` of made images and their labels, classes are filled up to equal numbers by these instead
    of copies, as far as the share of ``synthetic`` allows.
    """
    budget = (FAST_BUDGET if fast else BUDGET) | {"batch_transform": strategy.transform, "random_state": seed}
    weights = None
    rng = np.random.default_rng([seed, 72])
    if pool is not None and synthetic is not None:
        images, labels = _add_made(images, labels, *pool, synthetic, strategy.balance, rng)
    elif strategy.balance == "copies":
        rows = _fill(labels, rng)
        images, labels = images[rows], labels[rows]
    if strategy.balance == "weights":
        weights = 1.0 / np.bincount(labels)[labels]
    return SmallConvClassifier(**budget).fit(images, labels, weights)


def _fill(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return row numbers in which each class has as many as the largest."""
    total = int(np.bincount(labels).max())
    return np.concatenate(
        [_repeat(np.flatnonzero(labels == label), total, rng) for label in np.unique(labels)]
    )


def _repeat(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``count`` of the rows: whole rounds, then a random part of one."""
    rounds = np.tile(rows, count // len(rows))
    return np.concatenate([rounds, rng.permutation(rows)[: count % len(rows)]])


def _add_made(
    images: np.ndarray,
    labels: np.ndarray,
    made: np.ndarray,
    made_labels: np.ndarray,
    synthetic: Synthetic,
    balance: str,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill each class with made images: to the size of the largest, or beyond where all are small."""
    counts = np.bincount(labels)
    # Where classes are equal, a share of s still means s made images to 1 − s real ones.
    total = int(max(counts.max(), round(counts.min() / max(1.0 - synthetic.share, 0.1))))
    parts, names = [], []
    for label in np.unique(labels):
        real, own = np.flatnonzero(labels == label), np.flatnonzero(made_labels == label)
        wanted = min(total - len(real), int(synthetic.share * total), len(own))
        wanted = max(wanted, 0)
        size = len(real) if balance == "none" else total - wanted
        parts += [images[_repeat(real, size, rng)], made[rng.permutation(own)[:wanted]]]
        names += [np.full(size + wanted, label)]
    return np.concatenate(parts), np.concatenate(names)
