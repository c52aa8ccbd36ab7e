"""Distributions over codes: what every prior and posterior hands back for a context."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaeaug.utils.random import skip_modes

__all__ = [
    "CodeDistribution",
    "DiagonalGaussian",
    "Drawable",
    "GaussianMixture",
    "TransportedDistribution",
    "draw",
    "gaussian_log_prob",
    "pick_component",
]

_LOG_2PI = math.log(2 * math.pi)


class Drawable(Distribution):
    """A distribution that draws one event per batch entry, more or less boldly."""

    arg_constraints: dict[str, Any] = {}

    def __init__(self, batch: int, event: Sequence[int]) -> None:
        super().__init__(torch.Size([batch]), torch.Size(event), validate_args=False)

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw one event per batch entry, shape ``(B, …)``.

        Parameters
        ----------
        temperature : float, default=1.0
            Scales the noise: 1 samples the distribution, below 1 stays nearer to its
            typical events, 0 returns the most typical one.
        """
        # Each distribution has a way of its own.
        raise NotImplementedError

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draw events, shape ``sample_shape + (B, …)``."""
        with torch.no_grad():
            count = math.prod(sample_shape)
            drawn = torch.stack([self.draw() for _ in range(count)])
            return drawn.reshape(*sample_shape, *self.batch_shape, *self.event_shape)


class CodeDistribution(Drawable):
    """A distribution over codes: batch shape ``(B,)``, event shape ``(D,)``."""

    def __init__(self, batch: int, latent_dim: int) -> None:
        super().__init__(batch, (latent_dim,))


def draw(distribution: Distribution, temperature: float = 1.0) -> Tensor:
    """Draw one event per batch entry from any distribution; only ours know a temperature."""
    if isinstance(distribution, Drawable):
        return distribution.draw(temperature)
    return distribution.rsample() if distribution.has_rsample else distribution.sample()


class TransportedDistribution(CodeDistribution):
    """What becomes of standard normal noise that a map carries to codes.

    Whatever draws codes for a row (a Gaussian, a flow, a ladder) is such a map, and
    :meth:`transport` is all that it must say; the density of its own draws comes with them,
    which is cheap even where the density of any other code is not.

    Parameters
    ----------
    like : Tensor (..., B, D)
        Tells shape, dtype and device of the codes.
    """

    has_rsample = True
    #: Its KL to the standard has a closed form, ``kl_to_standard()``.
    has_kl = False

    def __init__(self, like: Tensor) -> None:
        self.like = like
        super().__init__(*like.shape[-2:])

    def transport(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Carry noise ``(..., B, D)`` to codes of that shape, with their log-densities ``(..., B)``."""
        # The map is what a subclass is about.
        raise NotImplementedError

    def noise(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draw standard normal noise, shape ``sample_shape + (B, D)``."""
        shape = torch.Size(sample_shape) + self.like.shape
        return torch.randn(shape, dtype=self.like.dtype, device=self.like.device)

    @property
    def mean(self) -> Tensor:
        """Where the map carries the middle of the noise, shape ``(B, D)``; the mean if it is affine."""
        return self.transport(torch.zeros_like(self.like))[0]

    @property
    def scale(self) -> Tensor:
        """Standard deviation of the codes about :attr:`mean`, shape ``(B, D)``.

        By the spherical cubature rule: the mean square over the 2D points ``±√D e_i``
        (Arasaratnam and Haykin 2009, *Cubature Kalman Filters*, eq. 26), exact for affine maps.
        """
        rows, dim = self.like.shape
        points = math.sqrt(dim) * torch.eye(dim, dtype=self.like.dtype, device=self.like.device)
        centre, total = self.mean, torch.zeros_like(self.like)
        for point in torch.cat([points, -points]):
            total = total + (self.transport(point.expand(rows, dim))[0] - centre).square()
        return (total / (2 * dim)).sqrt()

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Carry noise of scale ``temperature`` to codes, shape ``(B, D)``."""
        return self.transport(temperature * self.noise())[0]

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draw differentiably, shape ``sample_shape + (B, D)``."""
        return self.transport(self.noise(sample_shape))[0]


class DiagonalGaussian(TransportedDistribution):
    """``N(mean, diag scale²)``, both of shape ``(B, D)``."""

    has_kl = True

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        self.centre, self.spread = mean, scale
        super().__init__(mean)

    @property
    def mean(self) -> Tensor:
        """Mean, shape ``(B, D)``."""
        return self.centre

    @property
    def scale(self) -> Tensor:
        """Standard deviation, shape ``(B, D)``."""
        return self.spread

    def transport(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Carry noise to ``mean + scale ⊙ noise``, with the log-density there."""
        density = -(0.5 * (noise.square() + _LOG_2PI) + self.spread.log()).sum(-1)
        return self.centre + self.spread * noise, density

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw by the reparameterisation ``mean + temperature · scale ⊙ ε``, ``ε ~ N(0, I)``."""
        return self.centre + temperature * self.spread * torch.randn_like(self.centre)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draw differentiably, shape ``sample_shape + (B, D)``."""
        return self.centre + self.spread * self.noise(sample_shape)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density of codes ``(..., B, D)``, shape ``(..., B)``."""
        error = ((z - self.centre) / self.scale).square()
        return -(0.5 * (error + _LOG_2PI) + self.scale.log()).sum(-1)

    @skip_modes
    def kl_to_standard(self) -> Tensor:
        """Return ``KL(self ‖ N(0, I))`` in nats, shape ``(B,)`` (Kingma and Welling 2014, appendix B)."""
        variance = self.scale.square()
        return 0.5 * (self.centre.square() + variance - 1 - variance.log()).sum(-1)


class GaussianMixture(CodeDistribution):
    """A mixture of full-covariance Gaussians, with weights of its own for every batch entry.

    Parameters
    ----------
    weights : Tensor (B, M)
        Rows sum to 1.
    means : Tensor (M, D)
    factors : Tensor (M, D, D)
        Lower Cholesky factors of the covariances.
    """

    def __init__(self, weights: Tensor, means: Tensor, factors: Tensor) -> None:
        self.weights, self.means, self.factors = weights, means, factors
        super().__init__(len(weights), means.shape[1])

    @property
    def mean(self) -> Tensor:
        """Mean, shape ``(B, D)``."""
        return self.weights @ self.means

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw a component, then a code around its mean with the noise scaled by ``temperature``."""
        component = pick_component(self.weights)
        noise = torch.randn(
            len(component), self.means.shape[1], dtype=self.means.dtype, device=self.means.device
        )
        # One matrix product per component would be a Python loop; a gather of D×D factors is not.
        shift = torch.einsum("bij,bj->bi", self.factors[component], noise)
        return self.means[component] + temperature * shift

    def component_log_prob(self, z: Tensor) -> Tensor:
        """Return each component's log-density of codes ``(B, D)``, shape ``(B, M)``."""
        return gaussian_log_prob(z, self.means, self.factors)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density of codes ``(..., B, D)``, shape ``(..., B)``."""
        flat = z.reshape(-1, z.shape[-1])
        parts = self.component_log_prob(flat).reshape(*z.shape[:-1], -1)
        return torch.logsumexp(parts + self.weights.log(), -1)


def pick_component(weights: Tensor, uniform: Tensor | None = None) -> Tensor:
    """Draw one component per row of weights ``(B, M)`` by inverting their cumulative sum, int64 ``(B,)``.

    The weights need not sum to 1; ``uniform`` are numbers from 0 to 1, ``(B, 1)``, drawn here if not given.
    """
    if uniform is None:
        uniform = torch.rand(len(weights), 1, dtype=weights.dtype, device=weights.device)
    return _invert(weights, uniform)


@skip_modes
def _invert(weights: Tensor, uniform: Tensor) -> Tensor:
    cumulative = weights.cumsum(1)
    component = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).squeeze(1)
    return component.clamp(max=weights.shape[1] - 1)


@skip_modes
def gaussian_log_prob(z: Tensor, means: Tensor, factors: Tensor, chunk: int = 256) -> Tensor:
    """Log-densities of N codes under M full-covariance Gaussians, shape ``(N, M)``.

    One matrix product whitens all codes for all components; ``chunk`` rows at a time, so that the ``M · D``
    columns of the product stay in the cache.
    """
    components, dim = means.shape
    identity = torch.eye(dim, dtype=means.dtype, device=means.device)
    whitening = torch.linalg.solve_triangular(factors, identity.expand_as(factors), upper=False)
    centres = torch.einsum("mij,mj->mi", whitening, means).reshape(-1)
    matrix = whitening.reshape(components * dim, dim).T
    constant = -torch.diagonal(factors, dim1=1, dim2=2).log().sum(1) - 0.5 * dim * _LOG_2PI
    parts = []
    for block in z.split(chunk):
        error = torch.addmm(-centres, block, matrix).square_()
        parts.append(constant - 0.5 * error.reshape(len(block), components, dim).sum(2))
    return torch.cat(parts) if parts else z.new_zeros(0, components)
