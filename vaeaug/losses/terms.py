"""Loss terms: each turns a pass into one number per row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from vaeaug.nn.vae import Pass

__all__ = ["TERMS", "Ramp", "Term", "kl_divergence", "reconstruction"]

#: A term maps a pass to one loss per row, shape ``(B,)``.
Term = Callable[[Pass], Tensor]


@dataclass(frozen=True)
class Ramp:
    """A weight that rises linearly from 0 to ``value`` over the first ``warmup`` share of training.

    Parameters
    ----------
    value : float
        Final weight, 0 or more.
    warmup : float
        In [0, 1].
    """

    value: float
    warmup: float = 0.0

    def __call__(self, progress: float) -> float:
        """Return the weight at ``progress`` in [0, 1]."""
        return self.value * min(1.0, progress / self.warmup) if self.warmup else self.value


def reconstruction(passed: Pass) -> Tensor:
    """Return the negative log-likelihood of each row given its code, in nats, shape ``(B,)``."""
    return -passed.reconstruction.log_prob(passed.x)


def kl_divergence(passed: Pass) -> Tensor:
    """Return the KL from prior to posterior of each row, in nats, shape ``(B,)``."""
    return passed.kl


#: name -> function.
TERMS: dict[str, Term] = {"reconstruction": reconstruction, "kl": kl_divergence}
