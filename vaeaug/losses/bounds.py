"""The bounds that a variational autoencoder is trained on: reconstruction, KL, importance weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vaeaug.errors import InputError
from vaeaug.losses.term import Setting
from vaeaug.nn.vae import Pass
from vaeaug.utils.validation import check_number

__all__ = ["ImportanceWeighted", "KullbackLeibler", "Reconstruction"]


class Reconstruction:
    """Negative log-likelihood of each row given its code, ``−log p(x | z, c)``, in nats.

    Parameters
    ----------
    setting : Setting
    """

    def __init__(self, setting: Setting) -> None:
        pass

    def __call__(self, passed: Pass) -> Tensor:
        """Return one loss per row, shape ``(B,)``."""
        return -passed.reconstruction.log_prob(passed.x)


class KullbackLeibler:
    """KL from prior to posterior of each row, ``KL(q(z | x, c) ‖ p(z))``, in nats.

    With free bits, it is not minimised any further where its mean over the batch is below
    ``free_bits`` nats (Kingma et al. 2016, *Improved Variational Inference with Inverse
    Autoregressive Flow*, eq. 15 with all dimensions as one group).

    Parameters
    ----------
    setting : Setting
    free_bits : float
        λ in nats per row, 0 or more.
    """

    def __init__(self, setting: Setting, *, free_bits: float = 0.0) -> None:
        self.free_bits = check_number("free_bits", free_bits, low=0)

    def __call__(self, passed: Pass) -> Tensor:
        """Return one loss per row, shape ``(B,)``."""
        kl = passed.kl
        if not self.free_bits:
            return kl
        return torch.where(kl.detach().mean() > self.free_bits, kl, kl.detach())


class ImportanceWeighted:
    """Importance-weighted bound, in place of reconstruction and KL.

    ``−log (1/S) Σ_s p(x|z_s,c) p(z_s) / q(z_s|x,c)`` (Burda et al. 2016, *Importance Weighted
    Autoencoders*, eq. 8): tighter with every draw, and kinder to a posterior that is too simple.

    Parameters
    ----------
    setting : Setting
    draws : int
        S.
    """

    def __init__(self, setting: Setting, *, draws: int = 5) -> None:
        self.draws = check_number("draws", draws, low=1, integer=True)
        if setting.vae.latent.discrete or setting.vae.latent.deterministic:
            raise InputError(
                "losses='iwae' weighs draws of a continuous posterior; use another posterior than "
                "'categorical' or 'none'."
            )

    def __call__(self, passed: Pass) -> Tensor:
        """Return one loss per row, shape ``(B,)``."""
        posterior, vae, draws = passed.posterior, passed.vae, self.draws
        z, density = posterior.transport(posterior.noise((draws,)))
        c, x = (tensor.repeat(draws, *(1 for _ in tensor.shape[1:])) for tensor in (passed.c, passed.x))
        likelihood = vae.decode(z.flatten(0, 1), c).log_prob(x).unflatten(0, (draws, -1))
        weights = likelihood + vae.latent.log_prior(z, passed.c) - density
        return math.log(draws) - torch.logsumexp(weights, 0)
