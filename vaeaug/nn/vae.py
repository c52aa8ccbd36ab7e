"""The variational autoencoder: four swappable parts and the order in which they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from torch import Tensor, nn

from vaeaug.nn.distributions import draw

if TYPE_CHECKING:
    from torch.distributions import Distribution

__all__ = ["VAE", "Pass"]


@dataclass
class Pass:
    """What one forward produced; loss terms read it.

    Parameters
    ----------
    x : Tensor (B, ...)
        Encoded rows.
    c : Tensor (B, K)
        Contexts, as the networks saw them.
    z : Tensor (B, D)
        Codes drawn from the posterior.
    kl : Tensor (B,)
        KL from prior to posterior in nats, or one-sample estimates of it.
    reconstruction : Distribution
        Likelihood of a row given its code.
    """

    x: Tensor
    c: Tensor
    z: Tensor
    kl: Tensor
    reconstruction: Distribution


@final
class VAE(nn.Module):
    """A conditional variational autoencoder made of parts; nobody subclasses it.

    Parameters
    ----------
    encoder : Module
        ``(x, c) -> h``.
    latent : Module
        Pairs posterior and prior: ``infer(h, c)``, ``distribution(h, c)``, ``sample(c)``.
    decoder : Module
        ``(z, c) -> params``.
    likelihood : Module
        ``params -> Distribution`` over encoded rows.
    """

    # Any module with the methods named above will do.
    latent: Any

    def __init__(
        self, encoder: nn.Module, latent: nn.Module, decoder: nn.Module, likelihood: nn.Module
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.latent = latent
        self.decoder = decoder
        self.likelihood = likelihood

    def forward(self, x: Tensor, c: Tensor) -> Pass:
        """Encode rows ``(B, ...)``, draw codes, and set up the likelihood of the rows given them."""
        z, kl = self.latent.infer(self.encoder(x, c), c)
        return Pass(x, c, z, kl, self.decode(z, c))

    def encode(self, x: Tensor, c: Tensor) -> Distribution:
        """Return the posterior over codes."""
        return self.latent.distribution(self.encoder(x, c), c)

    def decode(self, z: Tensor, c: Tensor) -> Distribution:
        """Return the likelihood of rows given codes ``(B, D)``."""
        return self.likelihood(self.decoder(z, c))

    def sample(self, c: Tensor, temperature: float = 1.0) -> Tensor:
        """Draw one encoded row per context: code from the prior, row from the likelihood."""
        return draw(self.decode(self.latent.sample(c, temperature), c), temperature)
