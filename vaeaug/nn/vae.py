"""The variational autoencoder: four swappable parts and the order in which they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from torch import Tensor, nn

from vaeaug.nn.distributions import draw
from vaeaug.nn.latents.flat import Latent
from vaeaug.nn.likelihoods.base import Likelihood

__all__ = ["VAE", "Pass"]

#: Rows whose features latent spaces may look at before training.
_FIRST_LOOK = 512


@dataclass
class Pass:
    """What one forward produced; loss terms read it.

    Parameters
    ----------
    vae : VAE
        Who made it.
    x : Tensor (B, ...)
        Encoded rows.
    c : Tensor (B, K)
        Contexts, as the networks saw them.
    h : Tensor (B, H)
        Features of the rows.
    z : Tensor (B, D)
        Codes drawn from the posterior.
    kl : Tensor (B,)
        KL from prior to posterior in nats, or one-sample estimates of it.
    """

    vae: VAE
    x: Tensor
    c: Tensor
    h: Tensor
    z: Tensor
    kl: Tensor

    @cached_property
    def reconstruction(self) -> Any:
        """Likelihood of a row given its code; made when a term asks for it."""
        return self.vae.decode(self.z, self.c)

    @cached_property
    def posterior(self) -> Any:
        """Posterior of the rows; made when a term asks for it."""
        return self.vae.latent.distribution(self.h, self.c)


@final
class VAE(nn.Module):
    """A conditional variational autoencoder made of parts; nobody subclasses it.

    Parameters
    ----------
    encoder : Module
        ``(x, c) -> h``.
    latent : Latent
        Pairs posterior and prior: ``infer(h, c)``, ``distribution(h, c)``, ``sample(c)``, ``lift(z)``.
    decoder : Module
        ``(z, c) -> params``.
    likelihood : Likelihood
        ``params -> Distribution`` over encoded rows.
    """

    def __init__(
        self, encoder: nn.Module, latent: Latent, decoder: nn.Module, likelihood: Likelihood
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.latent = latent
        self.decoder = decoder
        self.likelihood = likelihood

    def initialise(self, x: Tensor, c: Tensor) -> None:
        """Let the parts that want to look at training rows and contexts, before training."""
        self.likelihood.initialise(x)
        every = max(1, len(x) // _FIRST_LOOK)
        self.latent.initialise(self.encoder(x[::every], c[::every]))

    def forward(self, x: Tensor, c: Tensor) -> Pass:
        """Encode rows ``(B, ...)`` and draw codes."""
        h = self.encoder(x, c)
        return Pass(self, x, c, h, *self.latent.infer(h, c))

    def encode(self, x: Tensor, c: Tensor) -> Any:
        """Return the posterior over codes."""
        return self.latent.distribution(self.encoder(x, c), c)

    def decode(self, z: Tensor, c: Tensor) -> Any:
        """Return the likelihood of rows given codes ``(B, D)``."""
        return self.likelihood(self.decoder(self.latent.lift(z), c)).tilt(c)

    def sample(self, c: Tensor, temperature: float = 1.0) -> Tensor:
        """Draw one encoded row per context: code from the prior, row from the likelihood."""
        return draw(self.decode(self.latent.sample(c, temperature), c), temperature)
