"""The VampPrior: a mixture of posteriors, trained together with the networks."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from vaeaug.errors import InputError
from vaeaug.nn.distributions import CodeDistribution, pick_component
from vaeaug.nn.priors.base import Prior, Sizes
from vaeaug.utils.validation import check_number

__all__ = ["DiagonalMixture", "VampPrior"]

_JITTER = 0.01


class VampPrior(Prior):
    """A mixture of the posteriors of learned pseudo-rows, weighed by the context.

    ``p(z | c) = Σ_m π_m(c) q(z | u_m)`` (Tomczak and Welling 2018, *VAE with a VampPrior*, eq. 9),
    trained jointly with the networks in place of ``N(0, I)``. A pseudo-row u_m is learned where
    the posterior reads it, as the encoder's features: a table row holds tokens, which have
    no gradient. It starts at the features of a training row.

    Parameters
    ----------
    components : int
        M.
    """

    joint = True
    bound = True
    latent: Any

    def __init__(
        self,
        sizes: Sizes,
        *,
        components: int = 64,
        pseudo_count: float = 10.0,
    ) -> None:
        super().__init__(sizes, pseudo_count=pseudo_count)
        self.components = check_number("components", components, low=1, integer=True)
        self.level = nn.Parameter(torch.zeros(components))
        self.gate = nn.Parameter(torch.zeros(sizes.context_width, components))

    def bind(self, latent: Any) -> None:
        """Borrow the posterior of a latent space; it must be a diagonal Gaussian given the features."""
        if not latent.factorised:
            raise InputError(
                "prior='vamp' mixes the Gaussian posteriors of learned pseudo-rows, so it needs "
                "posterior='gaussian' and latent='flat' or 'vlae'."
            )
        self.pseudo = nn.Parameter(torch.randn(self.components, latent.features))
        self.borrow(latent=latent)

    @torch.no_grad()
    def initialise(self, features: Tensor) -> None:
        """Start at features of training rows ``(n, H)``, evenly picked."""
        rows = torch.linspace(0, len(features) - 1, self.components, device=features.device).long()
        self.pseudo.copy_(features[rows] + _JITTER * torch.randn_like(self.pseudo))

    def forward(self, c: Tensor) -> DiagonalMixture:
        """Return the mixture with the weights of each context."""
        parts = self.latent.distribution(self.pseudo, c.new_zeros(self.components, self.context_width))
        return DiagonalMixture(torch.log_softmax(self.level + c @ self.gate, 1), parts.mean, parts.scale)


class DiagonalMixture(CodeDistribution):
    """A mixture of diagonal Gaussians, with weights of its own for every batch entry.

    Parameters
    ----------
    log_weights : Tensor (B, M)
    means, scales : Tensor (M, D)
    """

    def __init__(self, log_weights: Tensor, means: Tensor, scales: Tensor) -> None:
        self.log_weights, self.means, self.scales = log_weights, means, scales
        super().__init__(len(log_weights), means.shape[1])

    @property
    def mean(self) -> Tensor:
        """Mean, shape ``(B, D)``."""
        return self.log_weights.exp() @ self.means

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw a component, then a code around its mean with the noise scaled by ``temperature``."""
        component = pick_component(self.log_weights.exp())
        noise = torch.randn_like(self.means[component])
        return self.means[component] + temperature * self.scales[component] * noise

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density of codes ``(..., B, D)``, shape ``(..., B)``."""
        error = ((z[..., None, :] - self.means) / self.scales).square().sum(-1)
        constant = self.scales.log().sum(-1) + 0.5 * self.means.shape[1] * math.log(2 * math.pi)
        return torch.logsumexp(self.log_weights - 0.5 * error - constant, -1)
