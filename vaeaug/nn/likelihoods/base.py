"""What every likelihood of rows or images has in common."""

from __future__ import annotations

from torch import Tensor, nn

from vaeaug.nn.distributions import Drawable

__all__ = ["Likelihood", "LikelihoodDistribution"]


class Likelihood(nn.Module):
    """Base of all likelihoods: the decoder's parameters ``(B, P)`` to a distribution of encoded rows."""

    #: Rows hold tokens, whose shares are calibrated and which rows of tiny classes borrow.
    has_tokens = False

    def initialise(self, x: Tensor) -> None:
        """Look at training rows ``(n, ...)``, before training."""

    def view(self, x: Tensor) -> Tensor:
        """Return real rows ``(B, ...)`` in the numbers in which critics compare them."""
        return x


class LikelihoodDistribution(Drawable):
    """Distribution of encoded rows given their codes: batch shape ``(B,)``, event shape ``layout.shape``."""

    def tilt(self, c: Tensor) -> LikelihoodDistribution:
        """Return this distribution with what contexts ``(B, K)`` change about it after training."""
        return self

    def relax(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return draws with gradients, and rows ``(B, ...)`` in the same numbers; by default the mean."""
        return self.mean, x
