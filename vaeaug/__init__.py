"""Synthetic training data from class-conditional variational autoencoders.

The public names are loaded on first use, so that ``import vaeaug`` stays quick and
imports neither torch nor torchvision, albumentations or matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "AugmentedClassifier",
    "AugmentedDataset",
    "BatchAugment",
    "Recipe",
    "VAEAugmenter",
    "VAEOverSampler",
    "VARIANTS",
    "__version__",
    "assess",
    "load",
]

__version__ = "0.1.0"

_HOMES = {
    "AugmentedClassifier": "vaeaug.classifier.augmented",
    "AugmentedDataset": "vaeaug.integrations.torch",
    "BatchAugment": "vaeaug.integrations.torch",
    "Recipe": "vaeaug.recipe",
    "VAEAugmenter": "vaeaug.augmenter",
    "VAEOverSampler": "vaeaug.sampler",
    "VARIANTS": "vaeaug.variants",
    "assess": "vaeaug.assessing",
    "load": "vaeaug.augmenter",
}

if TYPE_CHECKING:
    from vaeaug.assessing import assess
    from vaeaug.augmenter import VAEAugmenter, load
    from vaeaug.classifier.augmented import AugmentedClassifier
    from vaeaug.integrations.torch import AugmentedDataset, BatchAugment
    from vaeaug.recipe import Recipe
    from vaeaug.sampler import VAEOverSampler
    from vaeaug.variants import VARIANTS


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vaeaug' has no attribute {name!r}; it has {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
