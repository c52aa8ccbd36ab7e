"""What a loss term is, and what it is told when it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from vaeaug.nn.vae import VAE, Pass

__all__ = ["Adversary", "Setting", "Term"]

#: A term maps a pass to one loss per row, shape ``(B,)``.
Term = Callable[[Pass], Tensor]


@dataclass(frozen=True)
class Setting:
    """What a term may know of the model it belongs to.

    Parameters
    ----------
    vae : VAE
        The networks. A term that is a module must not keep them as an attribute.
    latent_dim : int
        D.
    class_block : (int, int)
        Context columns of the one-hot class label; equal if there is none.
    shape : tuple of int
        Shape of what critics are shown of a row: see ``losses.critic_views.make_views``.
    values : int
        Columns of a table, or values of an image: what a log-likelihood of a row sums over.

    Examples
    --------
    >>> import torch
    >>> from vaeaug.losses.term import Setting
    >>> from vaeaug.nn.vae import Pass
    >>> class CodeSize:
    ...     def __init__(self, setting: Setting) -> None:
    ...         self.latent_dim = setting.latent_dim
    ...
    ...     def __call__(self, passed: Pass) -> torch.Tensor:
    ...         return passed.z.square().sum(-1) / self.latent_dim
    >>> CodeSize.__name__
    'CodeSize'
    """

    vae: VAE
    latent_dim: int
    class_block: tuple[int, int]
    shape: tuple[int, ...]
    values: int = 1


class Adversary(nn.Module):
    """A term with a network of its own, which is trained in turns with the model.

    The network is improved on :meth:`critic_loss`, before each step of the model; the term is
    what the model is then told. Its verdict on held-out rows is recorded but not part of
    their loss: a yardstick must not change while it measures.
    """

    def forward(self, passed: Pass) -> Tensor:
        """Return the loss of the model, shape ``(B,)``; an adversary must define it."""
        raise NotImplementedError

    def critic_loss(self, passed: Pass) -> Tensor:
        """Return the loss of the network that is trained in turns, shape ``(B,)``.

        The pass is that of the model's own next step: what a critic reads of it, it must detach. An
        adversary must define this.
        """
        raise NotImplementedError

    def watch(self, pieces: dict[str, Tensor]) -> Tensor | None:
        """Watch the pieces of the loss; return whether this term has spoilt the model, or None."""
        return None

    def concede(self) -> None:
        """Take no further part in training; the model was set back to what it was."""
