"""What every prior has in common, and the standard normal one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vaeaug.nn.distributions import CodeDistribution, DiagonalGaussian
from vaeaug.utils.validation import check_number

__all__ = ["Prior", "Sizes", "StandardPrior", "Turns", "find_borrowing_shares"]

#: Gives the numbers of the rounds to go, from the number wanted: ``range``, or fewer when time runs out.
Turns = Callable[[int], Iterable[int]]


@dataclass(frozen=True)
class Sizes:
    """What a prior is told of the codes and contexts of a model.

    Parameters
    ----------
    latent_dim, context_width : int
        D and K.
    class_block : (int, int)
        Context columns from the first up to the second are one-hot class labels; equal if there are none.
    """

    latent_dim: int
    context_width: int = 0
    class_block: tuple[int, int] = (0, 0)


class Prior(nn.Module):
    """Base of all priors: ``c -> Distribution`` with batch shape ``(B,)`` and event shape ``(D,)``.

    Parameters
    ----------
    sizes : Sizes
        Rows without a label (all zero) draw from the shared prior.
    pseudo_count : float
        κ: a class of n rows gets its own estimate with weight ``n / (n + κ)`` and the
        shared one with the rest, so that a class of one row borrows nearly everything.

    Examples
    --------
    >>> import torch
    >>> from vaeaug.nn.priors.base import Sizes
    >>> from vaeaug.nn.priors.gaussian import GaussianPrior
    >>> prior = GaussianPrior(Sizes(latent_dim=2, context_width=3, class_block=(0, 3)))
    >>> prior(torch.eye(3)).sample().shape
    torch.Size([3, 2])
    """

    #: Trained together with the networks, in place of N(0, I).
    joint = False
    #: Made from parts of the latent space it belongs to, which :meth:`bind` names.
    bound = False
    #: Draws discrete codes.
    discrete = False
    #: Share of the usual epochs that it takes; with more, it would learn the codes of few rows by heart.
    epochs_share = 1.0
    #: Draws as well with products in reduced precision.
    tolerant = False

    def __init__(self, sizes: Sizes, *, pseudo_count: float = 10.0) -> None:
        super().__init__()
        self.latent_dim = sizes.latent_dim
        self.context_width = sizes.context_width
        self.class_block = sizes.class_block
        self.classes = sizes.class_block[1] - sizes.class_block[0]
        self.pseudo_count = check_number("pseudo_count", pseudo_count, low=0, open_low=True)

    def group(self, c: Tensor) -> Tensor:
        """Return the class number of each context, ``classes`` where the label is unknown, shape ``(B,)``."""
        block = c[:, self.class_block[0] : self.class_block[1]]
        if not self.classes:
            return torch.zeros(len(c), dtype=torch.int64, device=c.device)
        return torch.where(block.sum(1) > 0.5, block.argmax(1), self.classes)

    def bind(self, latent: Any) -> None:
        """Get to know the latent space that codes are inferred in, before anything is trained.

        Raises
        ------
        InputError
            If this prior cannot be used with that latent space.
        """

    def borrow(self, **modules: nn.Module) -> None:
        """Keep modules of the latent space as attributes, without saving or counting them a second time."""
        self.__dict__.update(modules)

    def initialise(self, features: Tensor) -> None:
        """Look at the encoder's features ``(n, H)`` of some training rows, before training."""

    def estimate(self, codes: Tensor, contexts: Tensor, draws: int, turns: Turns = range) -> None:
        """Fit in closed form to codes ``(N, D)`` drawn from the posterior, ``draws`` per row.

        Whatever goes in rounds asks ``turns`` for them.
        """

    def objective(self, codes: Tensor, contexts: Tensor, draws: int) -> nn.Module | None:
        """Return what to train on ``(codes, contexts)`` to fit this prior, or None."""
        return None


class StandardPrior(Prior):
    """``N(0, I)``, whatever the context."""

    def forward(self, c: Tensor) -> CodeDistribution:
        """Return the standard normal."""
        zeros = c.new_zeros(len(c), self.latent_dim)
        return DiagonalGaussian(zeros, torch.ones_like(zeros))


def find_borrowing_shares(prior: Prior, contexts: Tensor, draws: int) -> Tensor:
    """Return how often a class is drawn as if unknown, ``κ / (n + κ)``, shape ``(classes + 1,)``."""
    counts = torch.bincount(prior.group(contexts), minlength=prior.classes + 1) / draws
    return prior.pseudo_count / (counts + prior.pseudo_count)
