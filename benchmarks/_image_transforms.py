"""Transforms of training batches: RandAugment with a draw for each image, mixtures, hard choice, FixMatch.

Each takes float images ``(n, 1, H, W)`` in [0, 1] and targets ``(n, classes)``, and returns as many.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.v2 import functional as F

from vaeaug.integrations.hard_examples import HardChoice

#: Operations in a row, as in torchvision's RandAugment; images among which hard choice has a choice.
_OPERATIONS, _CANDIDATES = 2, 4
#: FixMatch: probability from which on a label is sure, and the share of unlabelled images in a batch.
_SURE, _UNLABELLED = 0.95, 0.75
#: Pixels of the largest shift of a weak view.
_SHIFT = 2

Network = Callable[[], nn.Module]
Transform = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def list_operations(height: int, width: int) -> list[Callable[[Tensor], Tensor]]:
    """Return the 14 operations of torchvision's RandAugment at magnitude 9 of 31, each with both signs.

    Those without a sign are there twice, so that each operation is as likely.
    """
    level = 9 / 30
    found: list[Callable[[Tensor], Tensor]] = []
    for sign in (1, -1):
        lean, factor = math.degrees(math.atan(sign * 0.3 * level)), 1 + sign * 0.9 * level
        across, down = (int(sign * level * size * 150 / 331) for size in (width, height))
        found += [
            torch.clone,
            partial(_move, shear=[lean, 0.0], center=[0, 0]),
            partial(_move, shear=[0.0, lean], center=[0, 0]),
            partial(_move, translate=[across, 0]),
            partial(_move, translate=[0, down]),
            partial(F.rotate, angle=sign * 30.0 * level),
            partial(F.adjust_brightness, brightness_factor=factor),
            partial(F.adjust_saturation, saturation_factor=factor),
            partial(F.adjust_contrast, contrast_factor=factor),
            partial(F.adjust_sharpness, sharpness_factor=factor),
            partial(F.posterize, bits=7),
            partial(F.solarize, threshold=255 * (1 - level)),
            F.autocontrast,
            F.equalize,
        ]
    return found


def _move(x: Tensor, **options: Any) -> Tensor:
    return F.affine(x, **{"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]} | options)


@lru_cache(maxsize=4)
def _tabulate_operations(height: int, width: int) -> tuple[Tensor, Tensor, dict[int, Any]]:
    """Return what operations do: whence a pixel comes, what a grey becomes; and those that are neither.

    Moves are rows of numbers of pixels from 1 on, 0 for what lies outside (28, H · W); changes of greys that
    do not depend on the image are rows of greys (28, 256).
    """
    operations = list_operations(height, width)
    places = torch.arange(1, height * width + 1).float().reshape(1, 1, height, width)
    greys = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    sources, tones, others = places.repeat(28, 1, 1, 1), greys.repeat(28, 1, 1, 1), {}
    for number, apply in enumerate(operations):
        if number % 14 in (1, 2, 3, 4, 5):
            sources[number] = apply(places)
        elif number % 14 in (6, 10, 11):
            tones[number] = apply(greys)
        elif number % 14 in (8, 9, 12, 13):
            others[number] = apply
    return sources.long().flatten(1), tones.flatten(1), others


def rand_augment(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Apply torchvision's RandAugment with a draw for each image, to all images at once."""
    x = (x * 255.0).round().to(torch.uint8)
    for _ in range(_OPERATIONS):
        x = apply_operations(x, torch.randint(28, (len(x),)))
    return x.float() / 255.0, t


def apply_operations(x: Tensor, drawn: Tensor) -> Tensor:
    """Apply an operation to each image, uint8 ``(n, 1, H, W)``, by its number in `list_operations` (n,)."""
    sources, tones, others = _tabulate_operations(*x.shape[2:])
    framed = functional.pad(x.flatten(1), (1, 0))
    moved = framed.gather(1, sources[drawn])
    changed = tones[drawn].gather(1, moved.long()).reshape(x.shape)
    for number, apply in others.items():
        rows = torch.nonzero(drawn == number)[:, 0]
        if len(rows):
            changed[rows] = apply(changed[rows])
    return changed


def mix_up(x: Tensor, t: Tensor, alpha: float = 0.2) -> tuple[Tensor, Tensor]:
    """Blend each image, and its target, with another one (Zhang et al. 2018)."""
    weight = torch.distributions.Beta(alpha, alpha).sample((len(x),))
    other = torch.randperm(len(x))
    w, v = weight[:, None, None, None], weight[:, None]
    return w * x + (1 - w) * x[other], v * t + (1 - v) * t[other]


def cut_mix(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Put a rectangle of another image into each; targets by area (Yun et al. 2019, α = 1)."""
    n, _, height, width = x.shape
    other, side = torch.randperm(n), torch.rand(n).sqrt()
    masks = []
    for size in (height, width):
        middle, half = torch.rand(n) * size, side * size / 2
        places = torch.arange(size) + 0.5
        masks.append((places - middle[:, None]).abs() < half[:, None])
    mask = masks[0][:, :, None] & masks[1][:, None, :]
    share = mask.float().mean((1, 2))[:, None]
    return torch.where(mask[:, None], x[other], x), (1 - share) * t + share * t[other]


def shift(x: Tensor, flip: bool) -> Tensor:
    """Move each image by up to two pixels each way, and mirror half of them if ``flip``."""
    n, _, height, width = x.shape
    padded = functional.pad(x, (_SHIFT,) * 4)
    down, right = torch.randint(2 * _SHIFT + 1, (2, n))
    rows = (down[:, None] + torch.arange(height))[:, :, None]
    columns = (right[:, None] + torch.arange(width))[:, None, :]
    moved = padded[torch.arange(n)[:, None, None], :, rows, columns].permute(0, 3, 1, 2)
    mirrored = torch.rand(n)[:, None, None, None] < (0.5 if flip else 0.0)
    return torch.where(mirrored, moved.flip(3), moved)


class HardDraws:
    """RandAugment: half of the images by one draw, the others by the hardest of four.

    Parameters
    ----------
    network : callable
        Returns the network in training.
    change : callable, optional
        Changes candidates before their draw: variations, for instance.
    """

    def __init__(self, network: Network, change: Transform | None = None) -> None:
        self.network, self.change, self.choice = network, change, None

    def __call__(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        if self.choice is None:
            self.choice = HardChoice(self.network(), None, "HardDraws")
        rows = torch.nonzero((torch.rand(len(x)) < 0.5) & (t.sum(1) > 0))[:, 0]
        new, _ = rand_augment(x, t)
        if len(rows):
            many = (part[rows].repeat_interleave(_CANDIDATES, 0) for part in (x, t))
            candidates, targets = self.change(*many) if self.change else many
            candidates, _ = rand_augment(candidates, targets)
            taken, found = self.choice(_lay_out(candidates), t[rows].argmax(1), _CANDIDATES)
            new[rows[found]] = candidates[taken[found]]
        return new, t


class FixMatch:
    """Put unlabelled images in the place of three in four, with the network's label of a weak view as target.

    Sohn et al. (2020), *FixMatch*: an image counts if the network is sure of its weak view; the strong view
    that learns the label is the business of the transforms behind this one. The labelled and the unlabelled
    half of the loss weigh the same.

    Parameters
    ----------
    network : callable
        Returns the network in training.
    images : Tensor of uint8 (n, H, W)
    flip : bool
        Whether a weak view may be mirrored.
    """

    def __init__(self, network: Network, images: Tensor, flip: bool) -> None:
        self.network, self.images, self.flip = network, images, flip

    def __call__(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        count = int(_UNLABELLED * len(x))
        fresh = self.images[torch.randint(len(self.images), (count,))][:, None].float() / 255.0
        with torch.no_grad():
            shares = self.network()(_lay_out(shift(fresh, self.flip))).softmax(1)
        sure, label = shares.max(1)
        found = functional.one_hot(label, t.shape[1]) * (sure >= _SURE)[:, None]
        kept = len(x) - count
        targets = torch.cat([t[:kept] * len(x) / (2 * kept), found * len(x) / (2 * count)])
        return torch.cat([shift(x[:kept], self.flip), fresh]), targets


def _lay_out(x: Tensor) -> Tensor:
    # In which the network is trained; otherwise its convolutions take half as long again.
    return x.contiguous(memory_format=torch.channels_last)
