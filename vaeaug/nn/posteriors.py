"""Approximate posteriors: from the encoder's features to a distribution over codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaeaug.nn.distributions import DiagonalGaussian

__all__ = ["POSTERIORS", "GaussianPosterior"]

_LOG_SCALE_MIN, _LOG_SCALE_MAX = -5.0, 1.5


class GaussianPosterior(nn.Module):
    """Diagonal Gaussian posterior, ``q(z | x, c) = N(μ(h), diag σ²(h))``.

    Sampled by the reparameterisation trick, ``z = μ + σ ⊙ ε`` with ``ε ~ N(0, I)``
    (Kingma and Welling 2014, *Auto-Encoding Variational Bayes*, eq. 10).

    Parameters
    ----------
    features : int
        Width of the encoder's output.
    latent_dim : int
        D.
    """

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.out = nn.Linear(features, 2 * latent_dim)

    def forward(self, h: Tensor, c: Tensor) -> DiagonalGaussian:
        """Return the posterior of a batch: batch shape ``(B,)``, event shape ``(D,)``."""
        mean, log_scale = self.out(h).chunk(2, dim=-1)
        # A soft bound: a hard clamp would stop the gradient of whatever it caught.
        middle = (_LOG_SCALE_MAX + _LOG_SCALE_MIN) / 2
        half = (_LOG_SCALE_MAX - _LOG_SCALE_MIN) / 2
        log_scale = middle + half * torch.tanh((log_scale - middle) / half)
        return DiagonalGaussian(mean, log_scale.exp())


#: name -> class, built as ``cls(features, latent_dim, **options)``.
POSTERIORS: dict[str, type[nn.Module]] = {"gaussian": GaussianPosterior}
