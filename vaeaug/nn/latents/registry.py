"""Latent spaces by name: a posterior paired with the prior that its codes are later drawn from."""

from __future__ import annotations

from torch import nn

from vaeaug.nn.latents.flat import FlatLatent, Latent
from vaeaug.nn.latents.ladders import LadderLatent, VariationalLadder

__all__ = ["LATENTS", "FlatLatent", "LadderLatent", "Latent", "VariationalLadder"]

#: name -> class, built as ``cls(posterior, prior, latent_dim, **options)``.
LATENTS: dict[str, type[nn.Module]] = {
    "flat": FlatLatent,
    "ladder": LadderLatent,
    "vlae": VariationalLadder,
}
