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

__all__ = ["BUDGET", "FAST_BUDGET", "SIMPLE", "Recipe", "Synthetic", "run_arm", "safe"]

#: The classifier of every arm: 500 steps of 128 images, whatever it learns from.
BUDGET: dict[str, Any] = {"width": 16, "max_steps": 500}
FAST_BUDGET: dict[str, Any] = {"width": 4, "max_steps": 10}

#: Images of one batch that share a random transform; one for each would cost more than the network.
_GROUP = 8


@dataclass(frozen=True)
class Recipe:
    """A simple way to train on few or unequal numbers of images.

    Parameters
    ----------
    balance : {"none", "weights", "copies"}
        Leave the classes as they are; weigh their loss; or repeat images until classes are equal.
    transform : callable, optional
        On training batches.
    """

    balance: str
    transform: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None


@dataclass(frozen=True)
class Synthetic:
    """How made images join a recipe, written ``method:share[:guard]``, such as ``posterior:0.5:cnn``.

    Parameters
    ----------
    method : str
        ``prior``, ``posterior`` or ``interpolate``, with ``+residual`` for the residual add-back, and
        ``@3`` behind it for another temperature than 1.
    share : float
        Largest share of made images in a class, in (0, 1]; a class with many real ones gets fewer.
    guard : {"", "filter", "cnn"}
        What leaves out made images that look like another class: nothing; vaeaug's ``LabelFilter``; or
        the arm's own network, trained on copies of the real ones (moved by up to 2 pixels), which
        must give their label at least an even chance.
    """

    method: str
    share: float
    guard: str

    @classmethod
    def parse(cls, text: str) -> Synthetic:
        method, share, guard = [*text.split(":"), ""][:3]
        if method.partition("@")[0].removesuffix("+residual") not in ("prior", "posterior", "interpolate"):
            raise SystemExit(f"unknown way to sample {method!r} in {text!r}.")
        if guard not in ("", "filter", "cnn"):
            raise SystemExit(f"unknown guard {guard!r} in {text!r}; known are filter and cnn.")
        return cls(method, float(share), guard)


def _grouped(transform: Any) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def apply(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        parts = (x * 255.0).round().to(torch.uint8).split(_GROUP)
        return torch.cat([transform(part) for part in parts]).float() / 255.0, t

    return apply


def _mixup(x: Tensor, t: Tensor, alpha: float = 0.2) -> tuple[Tensor, Tensor]:
    weight = torch.distributions.Beta(alpha, alpha).sample((len(x),))
    other = torch.randperm(len(x))
    w, v = weight[:, None, None, None], weight[:, None]
    return w * x + (1 - w) * x[other], v * t + (1 - v) * t[other]


#: The recipes that need no generator.
SIMPLE: dict[str, Recipe] = {
    "plain": Recipe("none"),
    "class weights": Recipe("weights"),
    "oversampling": Recipe("copies"),
    "oversampling + RandAugment": Recipe("copies", _grouped(v2.RandAugment())),
    "oversampling + TrivialAugment": Recipe("copies", _grouped(v2.TrivialAugmentWide())),
    "oversampling + MixUp": Recipe("copies", _mixup),
}


def run_arm(
    images: np.ndarray,
    labels: np.ndarray,
    recipe: Recipe,
    *,
    pool: tuple[np.ndarray, np.ndarray] | None = None,
    synthetic: Synthetic | None = None,
    seed: int,
    fast: bool = False,
) -> SmallConvClassifier:
    """Train the arm's classifier.

    Parameters
    ----------
    images, labels : ndarray
        The thinned training set.
    recipe : Recipe
    pool : tuple of ndarray, optional
        Made images and their labels, with ``synthetic``: how they are used. Classes are then filled
        up to equal numbers by made images instead of copies, as far as the share allows.
    seed : int
        Seeds the classifier.
    """
    budget = (FAST_BUDGET if fast else BUDGET) | {"batch_transform": recipe.transform, "random_state": seed}
    weights = None
    rng = np.random.default_rng([seed, 72])
    if pool is not None and synthetic is not None:
        images, labels = _mixed(images, labels, *pool, synthetic, recipe.balance, rng)
    elif recipe.balance == "copies":
        rows = _filled(labels, rng)
        images, labels = images[rows], labels[rows]
    if recipe.balance == "weights":
        weights = 1.0 / np.bincount(labels)[labels]
    return SmallConvClassifier(**budget).fit(images, labels, weights)


def safe(
    images: np.ndarray,
    labels: np.ndarray,
    pool: tuple[np.ndarray, np.ndarray],
    guard: str,
    *,
    seed: int,
    fast: bool = False,
) -> np.ndarray:
    """Return which made images a guard lets pass, bool ``(n,)``."""
    if guard == "filter":
        from vaeaug.filtering import LabelFilter

        return LabelFilter(random_state=seed).fit(images, labels).judge(*pool).keep
    rows = _filled(labels, np.random.default_rng([seed, 73]))
    budget = (FAST_BUDGET if fast else BUDGET) | {"shift": 2, "random_state": seed + 1000}
    network = SmallConvClassifier(**budget).fit(images[rows], labels[rows])
    chances = network.predict_proba(pool[0])
    own = chances[np.arange(len(chances)), np.searchsorted(network.classes_, pool[1])]
    return own >= 0.5


def _filled(labels: np.ndarray, rng: np.random.Generator, total: int | None = None) -> np.ndarray:
    """Return row numbers in which each class has as many as the largest (or ``total``)."""
    total = int(np.bincount(labels).max()) if total is None else total
    return np.concatenate(
        [_repeated(np.flatnonzero(labels == label), total, rng) for label in np.unique(labels)]
    )


def _repeated(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``count`` of the rows: whole rounds, then a random part of one."""
    rounds = np.tile(rows, count // len(rows))
    return np.concatenate([rounds, rng.permutation(rows)[: count % len(rows)]])


def _mixed(
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
        parts += [images[_repeated(real, size, rng)], made[rng.permutation(own)[:wanted]]]
        names += [np.full(size + wanted, label)]
    return np.concatenate(parts), np.concatenate(names)
