"""Priors by name: from the context to a distribution over codes; a new one is a file and a line here."""

from __future__ import annotations

from vaeaug.nn.discrete import TokenPrior
from vaeaug.nn.latents.ladders import TopDownPrior
from vaeaug.nn.priors.base import Prior, StandardPrior
from vaeaug.nn.priors.flow import FlowPrior
from vaeaug.nn.priors.gaussian import GaussianPrior
from vaeaug.nn.priors.mixture import MixturePrior
from vaeaug.nn.priors.vamp import VampPrior

__all__ = ["PRIORS"]

#: name -> class, built as ``cls(sizes, **options)``.
PRIORS: dict[str, type[Prior]] = {
    "standard": StandardPrior,
    "gaussian": GaussianPrior,
    "mixture": MixturePrior,
    "flow": FlowPrior,
    "vamp": VampPrior,
    "tokens": TokenPrior,
    "top_down": TopDownPrior,
}
