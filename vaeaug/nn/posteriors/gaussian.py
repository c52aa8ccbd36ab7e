"""Posteriors without a flow: the diagonal Gaussian, and the point of a plain autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vaeaug.nn.distributions import DiagonalGaussian
from vaeaug.nn.posteriors.base import Posterior
from vaeaug.utils.random import skip_modes

__all__ = ["GaussianPosterior", "PointCode", "PointPosterior"]

_LOG_SCALE_MIN, _LOG_SCALE_MAX = -5.0, 1.5
#: How far variations of a point code reach, in standard deviations of all codes.
_REACH = 0.1


class GaussianPosterior(Posterior):
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

    factorised = True

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__(features)
        self.out = nn.Linear(features, 2 * latent_dim)

    @skip_modes
    def forward(self, h: Tensor, c: Tensor) -> DiagonalGaussian:
        """Return the posterior of a batch: batch shape ``(B,)``, event shape ``(D,)``."""
        mean, log_scale = self.out(h).chunk(2, dim=-1)
        # A soft bound: a hard clamp would stop the gradient of whatever it caught.
        middle = (_LOG_SCALE_MAX + _LOG_SCALE_MIN) / 2
        half = (_LOG_SCALE_MAX - _LOG_SCALE_MIN) / 2
        log_scale = middle + half * torch.tanh((log_scale - middle) / half)
        return DiagonalGaussian(mean, log_scale.exp())


class PointPosterior(Posterior):
    """No posterior at all: a row has one code, ``z = f(h)``, as in a plain autoencoder.

    Training draws nothing and has no KL (Hinton and Salakhutdinov 2006, *Reducing the
    Dimensionality of Data with Neural Networks*). Where a distribution is needed afterwards
    (variations of a row, and the proposal of ``score_samples``, whose bound holds for any
    proposal) the point is the middle of a Gaussian a tenth as wide as the spread of all codes.

    Parameters
    ----------
    features : int
        Width of the encoder's output.
    latent_dim : int
        D.
    """

    deterministic = True
    reach: Tensor

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__(features)
        self.out = nn.Linear(features, latent_dim)
        self.register_buffer("reach", torch.full((latent_dim,), _REACH))

    def forward(self, h: Tensor, c: Tensor) -> PointCode:
        """Return the points of a batch: batch shape ``(B,)``, event shape ``(D,)``."""
        mean = self.out(h)
        return PointCode(mean, self.reach.expand_as(mean))

    def settle(self, codes: Tensor) -> None:
        """Measure the spread of codes ``(N, D)`` once the networks are trained."""
        self.reach.copy_(_REACH * codes.std(0, correction=0).clamp(min=1e-6))


class PointCode(DiagonalGaussian):
    """A code that is a point when drawn, and a narrow Gaussian when noise is carried to it."""

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Return the point, shape ``sample_shape + (B, D)``."""
        return self.centre.expand(torch.Size(sample_shape) + self.centre.shape)

    def kl_to_standard(self) -> Tensor:
        """Return zeros, shape ``(B,)``: a plain autoencoder does not weigh its codes against a prior."""
        return self.centre.new_zeros(len(self.centre))
