"""What every posterior has in common."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Posterior"]


class Posterior(nn.Module):
    """Base of all posteriors: ``(h, c) -> Distribution`` with batch shape ``(B,)`` and event shape ``(D,)``.

    Parameters
    ----------
    features : int
        Width H of the encoder's output.

    Examples
    --------
    >>> import torch
    >>> from vaeaug.nn.posteriors.gaussian import GaussianPosterior
    >>> posterior = GaussianPosterior(features=8, latent_dim=2)
    >>> posterior(torch.randn(5, 8), torch.zeros(5, 0)).rsample().shape
    torch.Size([5, 2])
    """

    #: Given the features of a row, its codes are a diagonal Gaussian.
    factorised = False
    #: Codes are entries of codebooks.
    discrete = False
    #: A row has one code.
    deterministic = False

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def snap(self, z: Tensor) -> Tensor:
        """Move codes ``(..., D)`` to the nearest ones that the decoder is used to."""
        return z

    def settle(self, codes: Tensor) -> None:
        """Look at codes ``(N, D)`` of training rows, after training."""
