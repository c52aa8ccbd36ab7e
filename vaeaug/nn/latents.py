"""Latent spaces: a posterior paired with the prior that its codes are later drawn from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaeaug.nn.distributions import DiagonalGaussian, draw

__all__ = ["LATENTS", "FlatLatent"]


class FlatLatent(nn.Module):
    """One flat code per row.

    While the networks train, the posterior is pulled towards ``N(0, I)`` unless the prior
    asks to be trained with them (``prior.joint``); a prior that is fitted afterwards
    replaces it when codes are drawn.

    Parameters
    ----------
    posterior : Module
        ``(h, c) -> Distribution``.
    prior : Module
        ``c -> Distribution``.
    latent_dim : int
        D.
    """

    def __init__(self, posterior: nn.Module, prior: nn.Module, latent_dim: int) -> None:
        super().__init__()
        self.posterior = posterior
        self.prior = prior
        self.latent_dim = latent_dim

    @property
    def slices(self) -> dict[str, slice]:
        """Names of the parts of a code, and where they lie in it."""
        return {"code": slice(0, self.latent_dim)}

    def infer(self, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Draw a code for features ``(B, H)`` and return it with its KL in nats: ``(B, D)``, ``(B,)``."""
        posterior = self.posterior(h, c)
        z = posterior.rsample()
        if getattr(self.prior, "joint", False):
            return z, posterior.log_prob(z) - self.prior(c).log_prob(z)
        if isinstance(posterior, DiagonalGaussian):
            return z, posterior.kl_to_standard()
        standard = DiagonalGaussian(torch.zeros_like(z), torch.ones_like(z))
        return z, posterior.log_prob(z) - standard.log_prob(z)

    def distribution(self, h: Tensor, c: Tensor) -> Distribution:
        """Return the posterior of features ``(B, H)``."""
        return self.posterior(h, c)

    def sample(self, c: Tensor, temperature: float = 1.0) -> Tensor:
        """Draw a code from the prior for each context, shape ``(B, D)``."""
        return draw(self.prior(c), temperature)


#: name -> class, built as ``cls(posterior, prior, latent_dim, **options)``.
LATENTS: dict[str, type[nn.Module]] = {"flat": FlatLatent}
