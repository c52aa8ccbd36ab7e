"""Judges of images: small classifiers of real ones, and the measures in their features."""

from functools import cached_property
from typing import Any

import numpy as np
from _image_sets import ImageSet

from vaeaug.evaluation.images import copying_share, flat_pixels, frechet_distance, gradient_energy
from vaeaug.evaluation.manifold import prdc
from vaeaug.evaluation.smallcnn import SmallConvClassifier

#: Of the benchmark of images: the judge, and every classifier that is trained on made images.
QUALITY: dict[str, dict[str, Any]] = {
    "mnist": {"width": 16, "max_steps": 3000, "shift": 2, "random_state": 0},
    "fashion_mnist": {"width": 24, "max_steps": 4000, "shift": 1, "random_state": 0},
    "letters": {"width": 16, "max_steps": 2000, "shift": 1, "random_state": 0},
}
#: Of the generative benchmark: the judge, and the classifiers that are trained on made images.
GENERATIVE: dict[str, Any] = {"width": 16, "max_steps": 1500, "shift": 1, "random_state": 0}
GENERATIVE_TWIN: dict[str, Any] = {"width": 8, "max_steps": 600, "shift": 1, "random_state": 0}
FAST: dict[str, Any] = {"width": 8, "max_steps": 30, "random_state": 0}
#: Images behind precision and recall of the generative benchmark; the work grows with the square.
_NEIGHBOURS = 2000


class Judge:
    """Measures of made images, in the features of a frozen classifier of real ones.

    Parameters
    ----------
    images : ImageSet
    size : int
        Images behind every distance; the same for all generators, because the measures depend on it.
    budget, twin : dict
        Settings of the classifier, and of those that learn from made images.
    """

    def __init__(self, images: ImageSet, size: int, budget: dict[str, Any], twin: dict[str, Any]) -> None:
        self.images, self.size, self.twin = images, size, twin
        self.classifier = SmallConvClassifier(**budget).fit(images.train, images.train_labels)
        self.test_features = self.classifier.features(images.test[:size])

    @cached_property
    def all_features(self) -> np.ndarray:
        return self.classifier.features(self.images.train)

    def measure_reference(self) -> dict[str, Any]:
        """Return what held-out real images score in the place of made ones."""
        scores = self.measure_likeness(self.images.test)
        scores["accuracy"] = float(self.classifier.score(self.images.test, self.images.test_labels))
        return scores

    def measure_likeness(self, made: np.ndarray, copying: bool = False) -> dict[str, Any]:
        """Return the distances to training images; ``copying`` looks at all of them one by one, too."""
        made, count = made[: self.size], len(self.images.train)
        features = self.classifier.features(made)
        rows = np.sort(np.random.default_rng(0).choice(count, size=min(self.size, count), replace=False))
        near = prdc(self.all_features[rows], features)
        scores = {"frechet": round(frechet_distance(self.all_features, features), 4)}
        scores |= {name: round(value, 4) for name, value in near.items()}
        if copying:
            scores["copying"] = round(copying_share(features, self.all_features, self.test_features), 5)
            pixels = [flat_pixels(x) for x in (made, self.images.train, self.images.test[: self.size])]
            scores["copying_pixels"] = round(copying_share(*pixels), 5)
        return scores

    def measure_against_test(self, made: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """Return the distances to test images, sharpness, and what made images teach."""
        features, test = self.classifier.features(made[: self.size]), self.images.test[: self.size]
        near = prdc(self.test_features[:_NEIGHBOURS], features[:_NEIGHBOURS])
        return {
            "frechet": round(frechet_distance(self.test_features, features), 3),
            **{name: round(float(near[name]), 4) for name in ("precision", "recall", "coverage")},
            "class_read": round(float(np.mean(self.classifier.predict(made) == labels)), 4),
            "sharpness": round(gradient_energy(made[: self.size]) / gradient_energy(test), 4),
        } | self.train_synthetic(made, labels)

    def train_synthetic(self, made: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
        """Train a classifier on made images (labelled by the judge if need be), test it on real ones."""
        if labels is None:
            labels = self.classifier.predict(made)
        twin = SmallConvClassifier(**self.twin).fit(made, labels)
        return {
            "tstr": round(float(twin.score(self.images.test, self.images.test_labels)), 5),
            "tstr_images": len(made),
        }
