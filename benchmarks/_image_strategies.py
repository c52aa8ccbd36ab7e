"""How a classifier learns from a small or imbalanced set of training images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from _image_transforms import FixMatch, HardDraws, Transform, cut_mix, mix_up, rand_augment
from torch import Tensor

from vaeaug import BatchAugment, VAEAugmenter
from vaeaug.evaluation.smallcnn import SmallConvClassifier

#: The classifier of every strategy: 2,000 steps of 128 images, whatever it learns from.
BUDGET: dict[str, Any] = {"width": 16, "max_steps": 2000}
FAST_BUDGET: dict[str, Any] = {"width": 4, "max_steps": 4}
#: The largest share of made images in a class.
SHARE = 0.5
#: Probability from which on a label of the network is learned from.
_SURE = 0.95


@dataclass(frozen=True)
class Task:
    """Training images uint8 ``(n, H, W)`` with labels 0, 1, …, others without, and images to be read."""

    images: np.ndarray
    labels: np.ndarray
    unlabelled: np.ndarray
    test: np.ndarray
    flip: bool
    seed: int
    fast: bool = False


@dataclass(frozen=True)
class Strategy:
    """What is done to training images and batches.

    Classes are made equal with copies if ``balanced``; batches pass through RandAugment, with a hard choice
    of its draws if ``hard``, and are mixed with ``mix``. With ``adjusted``, scores are divided by the shares
    of the classes (Menon et al. 2021). ``unlabelled`` says how images without a label are used.
    """

    balanced: bool = True
    augmented: bool = True
    hard: bool = False
    mix: Transform | None = None
    adjusted: bool = False
    unlabelled: str = ""


#: Ways to use images that are made before training.
_POOLS = ("pool", "new")


@dataclass(frozen=True)
class Variation:
    """What a fitted augmenter adds to a strategy.

    ``"pool"``: variations take the place of copies, up to half of a class. ``"new"``: images from the prior
    do. ``"random"``: half of each batch is varied; with hard choice half of the candidates, before their draw
    of RandAugment. ``"hard"``: half of each batch becomes the hardest of four variations.
    """

    augmenter: VAEAugmenter
    way: str
    strength: float


STRATEGIES: dict[str, Strategy] = {
    "plain": Strategy(balanced=False, augmented=False),
    "copies": Strategy(augmented=False),
    "RandAugment": Strategy(),
    "RandAugment + CutMix": Strategy(mix=cut_mix),
    "RandAugment + MixUp": Strategy(mix=mix_up),
    "RandAugment + logit adjustment": Strategy(balanced=False, adjusted=True),
    "pseudo-labels": Strategy(unlabelled="pseudo-labels"),
    "FixMatch": Strategy(unlabelled="FixMatch"),
}
STRATEGIES |= {
    f"hard {name}": replace(each, hard=True) for name, each in STRATEGIES.items() if each.augmented
}


def read_images(task: Task, strategy: Strategy, variation: Variation | None = None) -> np.ndarray:
    """Train a classifier by a strategy, and return the labels that it reads from the images of the test."""
    images, labels = task.images, task.labels
    if variation and variation.way in _POOLS:
        pool = make_pool(task, variation)
        images, labels = fill(images, labels, pool, strategy.balanced, np.random.default_rng([task.seed, 72]))
    elif strategy.balanced:
        none = (images[:0], labels[:0])
        images, labels = fill(images, labels, none, True, np.random.default_rng([task.seed, 72]))
    fitted = _train(images, labels, task, strategy, variation)
    if strategy.unlabelled == "pseudo-labels":
        shares = fitted.predict_proba(task.unlabelled)
        sure = shares.max(1) >= _SURE
        images = np.concatenate([images, task.unlabelled[sure]])
        labels = np.concatenate([labels, shares.argmax(1)[sure]])
        fitted = _train(images, labels, task, strategy, variation)
    shares = fitted.predict_proba(task.test)
    if strategy.adjusted:
        shares = shares / np.bincount(labels)
    return shares.argmax(1)


def _train(
    images: np.ndarray, labels: np.ndarray, task: Task, strategy: Strategy, variation: Variation | None
) -> SmallConvClassifier:
    budget = FAST_BUDGET if task.fast else BUDGET
    classifier = SmallConvClassifier(**budget, random_state=task.seed)
    steps = list_steps(task, strategy, variation, lambda: classifier.network_)
    return classifier.set_params(batch_transform=partial(_apply, steps)).fit(images, labels)


def _apply(steps: list[Transform], x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    for step in steps:
        x, t = step(x, t)
    return x, t


def list_steps(
    task: Task, strategy: Strategy, variation: Variation | None, network: Callable[[], torch.nn.Module]
) -> list[Transform]:
    """Return the transforms of training batches, in their order."""
    steps: list[Transform] = []
    if strategy.unlabelled == "FixMatch":
        steps.append(FixMatch(network, torch.from_numpy(task.unlabelled), task.flip))
    varied = variation and variation.way not in _POOLS
    change = BatchVariation(variation, network, task.seed) if varied else None
    if strategy.hard:
        steps.append(HardDraws(network, change))
    else:
        steps += [change] if change else []
        steps += [rand_augment] if strategy.augmented else []
    return [*steps, strategy.mix] if strategy.mix else steps


class BatchVariation:
    """Half of the images that have a target become variations of themselves.

    With an augmenter that knows classes it is ``BatchAugment``; with one of images alone, its ``vary``.
    """

    def __init__(self, variation: Variation, network: Callable[[], torch.nn.Module], seed: int) -> None:
        self.variation, self.network, self.seed = variation, network, seed
        self.augment: Transform | None = None

    def __call__(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        self.augment = self.augment or self._build()
        known = t.sum(1) > 0
        if not known.any():
            return x, t
        x = x.clone()
        x[known], _ = self.augment(x[known], t[known].argmax(1))
        return x, t

    def _build(self) -> Transform:
        augmenter, strength = self.variation.augmenter, self.variation.strength
        if augmenter.classes_ is None:
            return partial(_vary, augmenter, strength)
        hard = {"select": "hard", "model": self.network()} if self.variation.way == "hard" else {}
        common = {"temperature": strength, "random_state": self.seed} | hard
        return BatchAugment(augmenter, method="posterior", **common)


def _vary(augmenter: VAEAugmenter, strength: float, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    rows = torch.nonzero(torch.rand(len(x)) < 0.5)[:, 0]
    if len(rows):
        images = (x[rows, 0] * 255.0).round().to(torch.uint8).numpy()
        seed = int(torch.randint(2**31, ()))
        made = augmenter.vary(images, strength=strength, random_state=seed)
        x[rows, 0] = torch.from_numpy(made).float() / 255.0
    return x, y


def make_pool(task: Task, variation: Variation) -> tuple[np.ndarray, np.ndarray]:
    """Return variations of real images or new ones, as many of each class as `fill` may take, and labels."""
    counts = np.bincount(task.labels)
    y = np.repeat(np.arange(len(counts)), int(SHARE * _find_total(counts)) + 1)
    method = "posterior" if variation.way == "pool" else "prior"
    how = {"method": method, "sharp": True, "temperature": variation.strength}
    made, _ = variation.augmenter.generate(y, task.images, task.labels, random_state=task.seed + 1, **how)
    return made, y


def _find_total(counts: np.ndarray) -> int:
    """Return the size to which classes grow: where all are equal, half of each class is made."""
    return int(max(counts.max(), round(counts.min() / (1 - SHARE))))


def fill(
    images: np.ndarray,
    labels: np.ndarray,
    pool: tuple[np.ndarray, np.ndarray],
    balanced: bool,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill each class with made images up to their share, and with copies if ``balanced``."""
    made, made_labels = pool
    counts = np.bincount(labels)
    total = _find_total(counts) if len(made) else int(counts.max())
    parts, names = [], []
    for label in np.unique(labels):
        real, own = np.flatnonzero(labels == label), np.flatnonzero(made_labels == label)
        wanted = max(min(total - len(real), int(SHARE * total), len(own)), 0)
        size = total - wanted if balanced else len(real)
        parts += [images[np.resize(rng.permutation(real), size)], made[rng.permutation(own)[:wanted]]]
        names += [np.full(size + wanted, label)]
    return np.concatenate(parts), np.concatenate(names)
