"""Approximate posteriors by name: from the encoder's features to a distribution over codes."""

from __future__ import annotations

from vaeaug.nn.discrete import CategoricalPosterior
from vaeaug.nn.posteriors.base import Posterior
from vaeaug.nn.posteriors.flows import AutoregressivePosterior, CouplingPosterior, PlanarPosterior
from vaeaug.nn.posteriors.gaussian import GaussianPosterior, PointPosterior

__all__ = ["POSTERIORS"]

#: name -> class, built as ``cls(features, latent_dim, **options)``.
POSTERIORS: dict[str, type[Posterior]] = {
    "gaussian": GaussianPosterior,
    "none": PointPosterior,
    "planar": PlanarPosterior,
    "coupling": CouplingPosterior,
    "iaf": AutoregressivePosterior,
    "categorical": CategoricalPosterior,
}
