"""Latent spaces by name: a posterior paired with the prior that its codes are later drawn from."""

from __future__ import annotations

from vaeaug.nn.latents.flat import FlatLatent, Latent
from vaeaug.nn.latents.ladders import LadderLatent, VariationalLadder

__all__ = ["LATENTS"]

#: name -> class, built as ``cls(posterior, prior, latent_dim, **options)``.
LATENTS: dict[str, type[Latent]] = {
    "flat": FlatLatent,
    "ladder": LadderLatent,
    "vlae": VariationalLadder,
}
