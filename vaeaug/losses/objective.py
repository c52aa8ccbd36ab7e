"""What is minimised: a VAE, weighted terms, and the share of labels hidden from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vaeaug.losses.term import Adversary, Term
from vaeaug.nn.vae import VAE, Pass

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
        # Registered, so that what terms have learned moves, is averaged and is set back with the rest.
        self.parts = nn.ModuleDict({n: term for n, (_, term) in terms.items() if isinstance(term, nn.Module)})
        # One whose network is given and does not learn is a yardstick like any other term.
        self.adversaries = {
            n: term
            for n, term in self.parts.items()
            if isinstance(term, Adversary) and any(p.requires_grad for p in term.parameters())
        }
        self.blocks = tuple(blocks)
        self.label_dropout = label_dropout
        self._spoilt: Tensor | None = None
        # What the critics were shown of a batch, for the step of the model that follows theirs.
        self._shown: tuple[Tensor, Pass] | None = None

    def forward(self, batch: tuple[Tensor, ...], progress: float) -> dict[str, Tensor]:
        """Return the loss and its unweighted pieces for rows and contexts, each ``(B,)``."""
        passed = self._make_pass(batch)
        with _freeze(self.critic_parameters()):
            pieces = {name: term(passed) for name, (_, term) in self.terms.items()}
        counted = pieces if self.training or not self.adversaries else self._without_adversaries(pieces)
        loss = torch.stack([self.terms[name][0](progress) * piece for name, piece in counted.items()]).sum(0)
        if self.training and self.adversaries:
            self._watch(pieces)
        return {"loss": loss, **pieces}

    def critic_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that are trained in turns with the others."""
        return [p for term in self.adversaries.values() for p in term.parameters()]

    def critic_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return what the critics minimise, shape ``(B,)``.

        The pass they look at is kept for the next :meth:`forward` of the same batch: a step of the critics
        changes nothing that it depends on.
        """
        passed = self._make_pass(batch)
        self._shown = (batch[0], passed)
        return torch.stack([term.critic_loss(passed) for term in self.adversaries.values()]).sum(0)

    def is_spoilt(self) -> bool:
        """Tell whether a critic has made the model worse than it was."""
        return self._spoilt is not None and bool(self._spoilt)

    def concede(self) -> None:
        """Go on without the critics that may do harm."""
        self._spoilt = None
        for term in self.adversaries.values():
            term.concede()

    def _make_pass(self, batch: tuple[Tensor, ...]) -> Pass:
        """Return the pass of a batch: that which the critics were shown, or else a new one."""
        shown, self._shown = self._shown, None
        x, c = batch
        if shown is not None and shown[0] is x:
            return shown[1]
        return self.vae(x, self._hide(c) if self.training else c)

    def _watch(self, pieces: dict[str, Tensor]) -> None:
        for term in self.adversaries.values():
            verdict = term.watch(pieces)
            if verdict is not None:
                self._spoilt = verdict if self._spoilt is None else self._spoilt | verdict

    def _without_adversaries(self, pieces: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: piece for name, piece in pieces.items() if name not in self.adversaries}

    def _hide(self, c: Tensor) -> Tensor:
        if not self.blocks or not self.label_dropout:
            return c
        shown = torch.rand(len(c), len(self.blocks), device=c.device) >= self.label_dropout
        widths = torch.tensor([stop - start for start, stop in self.blocks], device=c.device)
        return c * torch.repeat_interleave(shown, widths, dim=1, output_size=c.shape[1])


@contextmanager
def _freeze(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let gradients pass through networks without being worked out for their parameters."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
