"""A network that learns to tell reconstructions from real rows, and whom the model learns to fool."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vaeaug.checks import check_number
from vaeaug.losses.term import Adversary, Setting
from vaeaug.losses.views import Spectator, views
from vaeaug.nn.vae import Pass

__all__ = ["Adversarial"]

_DECAY = 0.98
#: Steps before the guard judges: until then the running means are still moving.
_GRACE = 100


class Adversarial(Adversary):
    """Fool a critic that learns to tell reconstructions from real rows.

    The model minimises ``−N log D(x̂)``, the critic ``−log D(x) − log(1 − D(x̂))`` (Goodfellow et al. 2014,
    *Generative Adversarial Nets*; in a VAE, Larsen et al. 2016, *Autoencoding beyond Pixels*). N is the
    number of values in a row, over which a log-likelihood sums: without it one verdict per image has
    no say beside hundreds of pixels. Two guards: the critic rests while it is right more often than
    ``limit``; and when the running mean of the reconstruction loss has risen by more than ``tolerance``
    above its lowest value, training goes back to the last good weights and continues without this term.

    Parameters
    ----------
    setting : Setting
    width : int
        Of the critic.
    limit : float
        Accuracy in (0.5, 1] above which the critic rests.
    tolerance : float
        Share of the lowest reconstruction loss, or nats per value where that is more; above 0.
    """

    accuracy: Tensor
    active: Tensor
    recent: Tensor
    lowest: Tensor
    steps: Tensor

    def __init__(
        self, setting: Setting, *, width: int = 64, limit: float = 0.85, tolerance: float = 0.1
    ) -> None:
        super().__init__()
        check_number("width", width, low=1, integer=True)
        self.limit = check_number("limit", limit, low=0.5, high=1, open_low=True)
        self.tolerance = check_number("tolerance", tolerance, low=0, open_low=True)
        self.values = setting.values
        self.critic = Spectator(setting.shape, 1, width)
        for name, value in (
            ("accuracy", 0.5),
            ("active", 1.0),
            ("recent", 0.0),
            ("lowest", 1e30),
            ("steps", 0.0),
        ):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, passed: Pass) -> Tensor:
        """Return how far each reconstruction is from fooling the critic, shape ``(B,)``."""
        made, _ = views(passed)
        return self.active * self.values * F.softplus(-self.critic(made).squeeze(1))

    def critic_loss(self, passed: Pass) -> Tensor:
        """Return the cross-entropy of the critic, zero while it rests, shape ``(B,)``."""
        with torch.no_grad():
            made, real = views(passed)
        told, known = self.critic(made).squeeze(1), self.critic(real).squeeze(1)
        with torch.no_grad():
            right = 0.5 * ((told < 0).to(told).mean() + (known > 0).to(told).mean())
            self.accuracy.lerp_(right, 1 - _DECAY)
            awake = (self.accuracy < self.limit).to(told)
        return awake * 0.5 * (F.softplus(-known) + F.softplus(told))

    @torch.no_grad()
    def lost(self, pieces: dict[str, Tensor]) -> Tensor | None:
        """Return whether reconstructions have become worse than they were."""
        if "reconstruction" not in pieces:
            return None
        self.steps += 1
        # A running mean that forgets its start quickly.
        self.recent.lerp_(pieces["reconstruction"].mean(), 1.0 / self.steps.clamp(max=1 / (1 - _DECAY)))
        settled = (self.steps > _GRACE) & (self.active > 0)
        self.lowest.copy_(torch.where(settled, torch.minimum(self.lowest, self.recent), self.lowest))
        # A log-density may be near 0 by chance, so its size alone is no measure.
        allowed = self.tolerance * self.lowest.abs().clamp(min=float(self.values))
        return settled & (self.recent > self.lowest + allowed)

    def concede(self) -> None:
        """Weigh nothing from now on."""
        self.active.zero_()
