"""What is minimised: a VAE, weighted terms, and the share of labels hidden from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from vaeaug.losses.terms import Term
from vaeaug.nn.vae import VAE

__all__ = ["Objective"]


class Objective(nn.Module):
    """The weighted sum of loss terms over one pass of a VAE.

    The classical choice, ``reconstruction + β · kl``, is β times a KL off the evidence
    lower bound (Higgins et al. 2017, *β-VAE*; β = 1 is the bound itself).

    Parameters
    ----------
    vae : VAE
    terms : mapping of str to (weight, term)
        ``weight(progress)`` returns the term's weight; ``term(pass)`` its values ``(B,)``.
    blocks : sequence of (int, int)
        Where each control variable lies in the context, as (start, stop).
    label_dropout : float
        Share of rows, in [0, 1), from which each control variable is hidden in training,
        so that the model also knows rows whose label it is not told.
    """

    def __init__(
        self,
        vae: VAE,
        terms: Mapping[str, tuple[Callable[[float], float], Term]],
        *,
        blocks: Sequence[tuple[int, int]] = (),
        label_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.vae = vae
        self.terms = dict(terms)
        self.blocks = tuple(blocks)
        self.label_dropout = label_dropout

    def forward(self, batch: tuple[Tensor, ...], progress: float) -> dict[str, Tensor]:
        """Return the loss and its unweighted pieces for rows and contexts, each ``(B,)``."""
        x, c = batch
        passed = self.vae(x, self._hide(c) if self.training else c)
        pieces = {name: term(passed) for name, (_, term) in self.terms.items()}
        loss = torch.stack([self.terms[name][0](progress) * piece for name, piece in pieces.items()]).sum(0)
        return {"loss": loss, **pieces}

    def _hide(self, c: Tensor) -> Tensor:
        if not self.blocks or not self.label_dropout:
            return c
        shown = torch.rand(len(c), len(self.blocks), device=c.device) >= self.label_dropout
        widths = torch.tensor([stop - start for start, stop in self.blocks], device=c.device)
        return c * torch.repeat_interleave(shown, widths, dim=1)
