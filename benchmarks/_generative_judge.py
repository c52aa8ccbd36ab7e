"""The judge of the generative benchmark: one small classifier per set, and what it makes of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from _image_judge import trained_once
from _image_sets import ImageSet

from vaeaug.evaluation.images import frechet_distance, gradient_energy
from vaeaug.evaluation.manifold import prdc
from vaeaug.evaluation.smallcnn import SmallConvClassifier

__all__ = ["Judge"]

BUDGET: dict[str, Any] = {"width": 16, "max_steps": 1500, "shift": 1, "random_state": 0}
#: Of the classifiers that are trained on made images.
TWIN: dict[str, Any] = {"width": 8, "max_steps": 600, "shift": 1, "random_state": 0}
FAST: dict[str, Any] = {"width": 4, "max_steps": 5, "random_state": 0}
#: Images behind precision and recall, whose work grows with the square.
_NEIGHBOURS = 2000


class Judge:
    """Measures of made images beside real ones that no generator has seen.

    Parameters
    ----------
    images : ImageSet
        Its training images teach the judge; its test images are what made ones are compared with.
    size : int
        Images behind each distance.
    fast : bool
        Hardly train.
    """

    def __init__(self, images: ImageSet, size: int, fast: bool = False) -> None:
        self.images, self.size, self.fast = images, size, fast
        self.classifier = trained_once(images, FAST if fast else BUDGET, "generative")
        self.real = self.classifier.features(images.test[:size])
        self.energy = gradient_energy(images.test[:size])

    def scores(self, made: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """Return how like real images made ones are, and what they teach."""
        features = self.classifier.features(made[: self.size])
        near = prdc(self.real[:_NEIGHBOURS], features[:_NEIGHBOURS])
        twin = SmallConvClassifier(**(FAST if self.fast else TWIN)).fit(made, labels)
        return {
            "frechet": round(frechet_distance(self.real, features), 3),
            **{name: round(float(near[name]), 4) for name in ("precision", "recall", "coverage")},
            "class_read": round(float(np.mean(self.classifier.predict(made) == labels)), 4),
            "sharpness": round(gradient_energy(made[: self.size]) / self.energy, 4),
            "tstr": round(float(twin.score(self.images.test, self.images.test_labels)), 4),
        }
