"""What every latent space has in common, and the flat one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaeaug.errors import InputError
from vaeaug.nn.distributions import DiagonalGaussian, draw
from vaeaug.nn.posteriors.base import Posterior
from vaeaug.nn.priors.base import Prior

__all__ = ["FlatLatent", "Latent"]


class Latent(nn.Module):
    """A posterior paired with the prior that codes are later drawn from; codes are always flat, ``(B, D)``.

    Parameters
    ----------
    prior : Prior
    latent_dim : int
        D.
    """

    #: Given the features of a row, its codes are a diagonal Gaussian.
    factorised = False
    #: Codes are entries of codebooks.
    discrete = False
    #: A row has one code.
    deterministic = False
    #: Width of the features that codes are inferred from.
    features = 0

    def __init__(self, prior: Prior, latent_dim: int) -> None:
        super().__init__()
        self.prior = prior
        self.latent_dim = latent_dim

    def bind(self) -> None:
        """Introduce this latent space to its prior; the last act of a constructor."""
        self.prior.bind(self)

    @property
    def slices(self) -> dict[str, slice]:
        """Names of the parts of a code, and where they lie in it."""
        return {"code": slice(0, self.latent_dim)}

    def distribution(self, h: Tensor, c: Tensor) -> Any:
        """Return the posterior of features ``(B, H)``; every latent says which."""
        raise NotImplementedError

    def log_prior(self, z: Tensor, c: Tensor) -> Tensor:
        """Return the log-density that codes ``(..., B, D)`` are trained against, shape ``(..., B)``.

        ``N(0, I)``, unless the prior is trained with the networks.
        """
        if self.prior.joint:
            return self.prior(c).log_prob(z)
        return DiagonalGaussian(torch.zeros_like(z), torch.ones_like(z)).log_prob(z)

    def infer(self, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Draw a code for features ``(B, H)`` and return it with its KL in nats: ``(B, D)``, ``(B,)``."""
        posterior = self.distribution(h, c)
        if posterior.has_kl and not self.prior.joint:
            return posterior.rsample(), posterior.kl_to_standard()
        z, density = posterior.transport(posterior.noise())
        return z, density - self.log_prior(z, c)

    def sample(self, c: Tensor, temperature: float = 1.0) -> Tensor:
        """Draw a code from the prior for each context, shape ``(B, D)``."""
        return draw(self.prior(c), temperature)

    def lift(self, z: Tensor) -> Tensor:
        """Return what the decoder reads of codes ``(B, D)``, of the same shape."""
        return z

    def initialise(self, h: Tensor) -> None:
        """Look at the features ``(n, H)`` of some training rows, before training."""
        self.prior.initialise(h)

    def settle(self, codes: Tensor) -> None:
        """Look at codes ``(N, D)`` of training rows, after training."""


class FlatLatent(Latent):
    """One flat code per row.

    While the networks train, the posterior is pulled towards ``N(0, I)`` unless the prior
    asks to be trained with them (``prior.joint``); a prior that is fitted afterwards
    replaces it when codes are drawn.

    Parameters
    ----------
    posterior : Posterior
    prior : Prior
    latent_dim : int
        D.
    """

    def __init__(self, posterior: Posterior, prior: Prior, latent_dim: int) -> None:
        super().__init__(prior, latent_dim)
        self.posterior = posterior
        self.features, self.factorised = posterior.features, posterior.factorised
        self.discrete, self.deterministic = posterior.discrete, posterior.deterministic
        if posterior.discrete and not prior.discrete:
            raise InputError("posterior='categorical' makes discrete codes; use it with prior='tokens'.")
        self.bind()

    def distribution(self, h: Tensor, c: Tensor) -> Distribution:
        """Return the posterior of features ``(B, H)``."""
        return self.posterior(h, c)

    def lift(self, z: Tensor) -> Tensor:
        """Return codes as the decoder is used to them: discrete ones at their entries, others unchanged."""
        # In training codes come from the posterior as they are, and carry gradients.
        return z if self.training else self.posterior.snap(z)

    def settle(self, codes: Tensor) -> None:
        """Look at codes ``(N, D)`` of training rows, after training."""
        self.posterior.settle(codes)
