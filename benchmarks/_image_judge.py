"""The judge of the image benchmark: one classifier per set, trained once on all real training images."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from _image_sets import ImageSet, cache_folder
from safetensors.torch import load_file, save_file

from vaeaug.evaluation.images import copying_share, flat_pixels, frechet_distance
from vaeaug.evaluation.manifold import prdc
from vaeaug.evaluation.smallcnn import SmallConvClassifier

__all__ = ["BUDGETS", "Judge", "trained_once"]

#: The judge's settings, and those of every classifier that is trained on made images.
BUDGETS: dict[str, dict[str, Any]] = {
    "mnist": {"width": 16, "max_steps": 3000, "shift": 2},
    "fashion_mnist": {"width": 24, "max_steps": 4000, "shift": 1},
    "cifar10": {"width": 32, "max_steps": 5000, "shift": 2},
    "pneumoniamnist": {"width": 16, "max_steps": 1500, "shift": 2},
}
FAST = {"width": 8, "max_steps": 30}


def trained_once(images: ImageSet, budget: dict[str, Any], purpose: str) -> SmallConvClassifier:
    """Return a classifier of the training images; the second time the one that was kept in the cache."""
    key = json.dumps([images.name, len(images.train), budget], sort_keys=True)
    path = cache_folder() / f"{purpose}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
    classifier = SmallConvClassifier(**budget)
    if path.exists():
        # Without a step, fit only builds the network.
        classifier.set_params(max_steps=0).fit(images.train, images.train_labels)
        classifier.network_.load_state_dict(load_file(path))
        return classifier
    classifier.fit(images.train, images.train_labels)
    temporary = path.with_suffix(".tmp")
    save_file(classifier.network_.state_dict(), temporary)
    temporary.replace(path)
    return classifier


class Judge:
    """Measures of made images, in the features of a frozen classifier.

    Parameters
    ----------
    images : ImageSet
    sample_size : int
        Images behind every distance; the same for all entrants, because the measures depend on it.
    fast : bool
        Hardly train.
    """

    def __init__(self, images: ImageSet, sample_size: int, fast: bool = False) -> None:
        self.images, self.size = images, sample_size
        self.budget = (FAST if fast else BUDGETS[images.name]) | {"random_state": 0}
        self.classifier = trained_once(images, self.budget, "judge")
        rng = np.random.default_rng(0)
        rows = np.sort(rng.choice(len(images.train), size=min(sample_size, len(images.train)), replace=False))
        self.all_features = self.classifier.features(images.train)
        self.train_features = self.all_features[rows]
        self.test_features = self.classifier.features(images.test[:sample_size])

    def reference(self) -> dict[str, Any]:
        """Return what held-out real images score in the place of made ones."""
        scores = self.likeness(self.images.test)
        scores["accuracy"] = float(self.classifier.score(self.images.test, self.images.test_labels))
        return scores

    def likeness(self, made: np.ndarray, copying: bool = False) -> dict[str, Any]:
        """Return the distances of made images; ``copying`` looks at all training images, too."""
        made = made[: self.size]
        features = self.classifier.features(made)
        scores = {"frechet": round(frechet_distance(self.all_features, features), 4)}
        scores |= {name: round(value, 4) for name, value in prdc(self.train_features, features).items()}
        if copying:
            scores["copying"] = round(copying_share(features, self.all_features, self.test_features), 5)
            pixels = [flat_pixels(x) for x in (made, self.images.train, self.images.test[: self.size])]
            scores["copying_pixels"] = round(copying_share(*pixels), 5)
        return scores

    def train_synthetic(self, made: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
        """Train the judge's twin on made images (labelled by the judge if need be), test it on real ones."""
        if labels is None:
            labels = self.classifier.predict(made)
        twin = SmallConvClassifier(**self.budget).fit(made, labels)
        return {
            "tstr": round(float(twin.score(self.images.test, self.images.test_labels)), 5),
            "tstr_images": len(made),
        }
