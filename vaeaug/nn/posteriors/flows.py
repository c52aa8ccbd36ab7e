"""Normalizing-flow posteriors: a Gaussian whose draws invertible maps carry further."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional as F

from vaeaug.nn.distributions import DiagonalGaussian, TransportedDistribution
from vaeaug.nn.posteriors.base import Posterior
from vaeaug.nn.posteriors.gaussian import GaussianPosterior
from vaeaug.utils.validation import check_number

__all__ = [
    "AutoregressivePosterior",
    "CouplingPosterior",
    "FlowedGaussian",
    "InvertibleMap",
    "PlanarMap",
    "PlanarPosterior",
]

_BISECTIONS = 60
_IMPORTING = Lock()
#: A planar map at least keeps this share of a volume, so that its logarithm is finite.
_LEAST_VOLUME = 1e-6


class InvertibleMap(Protocol):
    """A map of codes ``(..., B, D)`` with a map of its own for every row of a batch."""

    def call_and_ladj(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes carried on, and ``log |det ∂f/∂z|`` of shape ``(..., B)``."""

    @property
    def inv(self) -> Any:
        """The map back, to be called with codes."""


class FlowedGaussian(TransportedDistribution):
    """A diagonal Gaussian carried on by invertible maps.

    ``log q(z_K) = log N(z_0; μ, diag σ²) − Σ_k log |det ∂f_k/∂z_{k−1}|`` (Rezende and Mohamed
    2015, *Variational Inference with Normalizing Flows*, eq. 7).

    Parameters
    ----------
    base : DiagonalGaussian
    maps : sequence of InvertibleMap
        In the order in which they are applied.
    """

    def __init__(self, base: DiagonalGaussian, maps: Sequence[InvertibleMap]) -> None:
        self.base, self.maps = base, tuple(maps)
        super().__init__(base.mean)

    def transport(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Carry noise through the Gaussian and all maps, with the log-density where it arrives."""
        z, density = self.base.transport(noise)
        for step in self.maps:
            z, volume = step.call_and_ladj(z)
            density = density - volume
        return z, density

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density of codes ``(..., B, D)``, shape ``(..., B)``, by going back."""
        volumes = z.new_zeros(z.shape[:-1])
        for step in reversed(self.maps):
            z = step.inv(z)
            volumes = volumes + step.call_and_ladj(z)[1]
        return self.base.log_prob(z) - volumes


class PlanarPosterior(Posterior):
    """Planar flow posterior, ``f(z) = z + û tanh(w·z + b)`` a few times over.

    û, w and b are linear in the features of the row; û is u moved along w until the map is
    invertible, ``w·û > −1`` (Rezende and Mohamed 2015, eq. 10 and appendix A.1).

    Parameters
    ----------
    features : int
        Width of the encoder's output.
    latent_dim : int
        D.
    transforms : int
        Number of maps.
    """

    def __init__(self, features: int, latent_dim: int, *, transforms: int = 8) -> None:
        super().__init__(features)
        self.transforms = check_number("transforms", transforms, low=1, integer=True)
        self.latent_dim = latent_dim
        self.base = GaussianPosterior(features, latent_dim)
        self.out = nn.Linear(features, transforms * (2 * latent_dim + 1))
        with torch.no_grad():
            # Start near the identity (u small), with directions w that the features only refine.
            self.out.weight.mul_(0.1)
            bias = self.out.bias.view(transforms, 2 * latent_dim + 1)
            bias[:, :latent_dim].mul_(0.1)
            bias[:, latent_dim:-1].copy_(torch.randn(transforms, latent_dim) / latent_dim**0.5)

    def forward(self, h: Tensor, c: Tensor) -> FlowedGaussian:
        """Return the posterior of a batch: batch shape ``(B,)``, event shape ``(D,)``."""
        table = self.out(h).unflatten(-1, (self.transforms, -1))
        maps = [
            PlanarMap(*part.split([self.latent_dim, self.latent_dim, 1], dim=-1)) for part in table.unbind(1)
        ]
        return FlowedGaussian(self.base(h, c), maps)


class PlanarMap:
    """``f(z) = z + û tanh(w·z + b)``, invertible.

    Parameters
    ----------
    u, w : Tensor (B, D)
    b : Tensor (B, 1)
    """

    def __init__(self, u: Tensor, w: Tensor, b: Tensor) -> None:
        along = (u * w).sum(-1, keepdim=True)
        # softplus shifted so that u = 0 stays 0: a fresh map is the identity.
        wanted = F.softplus(along + 0.5413248546) - 1
        length = w.square().sum(-1, keepdim=True) + 1e-6
        self.u = u + (wanted - along) * w / length
        self.w, self.b = w, b
        self.slope = (self.u * w).sum(-1, keepdim=True)

    def call_and_ladj(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``f(z)`` and ``log(1 + w·û (1 − tanh²))``."""
        bend = torch.tanh((z * self.w).sum(-1, keepdim=True) + self.b)
        volume = (1 + self.slope * (1 - bend.square())).clamp(min=_LEAST_VOLUME).log()
        return z + self.u * bend, volume.squeeze(-1)

    def inv(self, y: Tensor) -> Tensor:
        """Return z with ``f(z) = y``: ``α = w·z`` is the root of a rising function of one variable."""
        target = (y * self.w).sum(-1, keepdim=True)
        with torch.no_grad():
            low, high = target - self.slope.abs(), target + self.slope.abs()
            for _ in range(_BISECTIONS):
                middle = 0.5 * (low + high)
                above = middle + self.slope * torch.tanh(middle + self.b) > target
                low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        root = 0.5 * (low + high)
        bend = torch.tanh(root + self.b)
        # One Newton step: it polishes the root, and carries the gradient that bisection has none of.
        rise = (1 + self.slope * (1 - bend.square())).clamp(min=_LEAST_VOLUME)
        root = root - (root + self.slope * bend - target) / rise.detach()
        return y - self.u * torch.tanh(root + self.b)


class _MaskedPosterior(Posterior):
    """Affine maps whose shifts and scales come from a masked network of the code and the features.

    Parameters
    ----------
    features, latent_dim : int
    transforms, width : int
        Number of maps, and hidden units of each.
    passes : int
        Into how many groups the dimensions are cut; each sees the groups before it.
    """

    def __init__(self, features: int, latent_dim: int, transforms: int, width: int, passes: int) -> None:
        super().__init__(features)
        check_number("transforms", transforms, low=1, integer=True)
        check_number("width", width, low=1, integer=True)
        self.base = GaussianPosterior(features, latent_dim)
        order = torch.arange(latent_dim)
        self.maps = nn.ModuleList(
            _make_affine_map(latent_dim, features, passes, order.flip(0) if i % 2 else order, width)
            for i in range(transforms)
        )

    def forward(self, h: Tensor, c: Tensor) -> FlowedGaussian:
        """Return the posterior of a batch: batch shape ``(B,)``, event shape ``(D,)``."""
        return FlowedGaussian(self.base(h, c), [step(h) for step in self.maps])


class CouplingPosterior(_MaskedPosterior):
    """Flow posterior of affine coupling maps: one half of a code moves given the other, in turns.

    ``z_b ← s(z_a, h) ⊙ z_b + m(z_a, h)`` (Dinh et al. 2017, *Density Estimation Using Real NVP*, eq.
    7). Density and draws cost one pass of the networks each.

    Parameters
    ----------
    features : int
        Width of the encoder's output.
    latent_dim : int
        D.
    transforms : int
        Number of maps.
    width : int
        Hidden units of each map.
    """

    def __init__(self, features: int, latent_dim: int, *, transforms: int = 4, width: int = 64) -> None:
        super().__init__(features, latent_dim, transforms, width, passes=2)


class AutoregressivePosterior(_MaskedPosterior):
    """Inverse autoregressive flow: every dimension moves given those before it, in one pass.

    ``z_i ← s_i(z_{<i}, h) · z_i + m_i(z_{<i}, h)``, all i at once, the order of the dimensions turned
    round from map to map (Kingma et al. 2016, *Improved Variational Inference with Inverse
    Autoregressive Flow*, eq. 10). Draws and their densities cost one pass; the density of
    another code costs D.

    Parameters
    ----------
    features : int
        Width of the encoder's output.
    latent_dim : int
        D.
    transforms : int
        Number of maps.
    width : int
        Hidden units of each map.
    """

    def __init__(self, features: int, latent_dim: int, *, transforms: int = 2, width: int = 128) -> None:
        super().__init__(features, latent_dim, transforms, width, passes=latent_dim)


def _make_affine_map(latent_dim: int, context: int, passes: int, order: Tensor, width: int) -> nn.Module:
    """Return a masked autoregressive affine map that starts as the identity."""
    # Importing zuko switches torch's checks of distributions off for the whole process; a thread that looked
    # while another imports would find them off.
    with _IMPORTING:
        checked = bool(Distribution._validate_args)
        import zuko.flows.autoregressive as masked

        Distribution.set_default_validate_args(checked)
    step = masked.MaskedAutoregressiveTransform(
        latent_dim, context, passes=passes, order=order, hidden_features=(width,), activation=nn.SiLU
    )
    last = step.hyper[-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return step
