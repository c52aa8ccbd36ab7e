"""Networks that judge reconstructions: an adversary, and a classifier whose features are compared."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vaeaug.checks import check_number
from vaeaug.errors import InputError
from vaeaug.losses.term import Adversary, Setting
from vaeaug.losses.views import Spectator, views
from vaeaug.nn.vae import Pass

__all__ = ["Adversarial", "Perceptual"]

_DECAY = 0.98
#: Steps before the guard judges: until then the running means are still moving.
_GRACE = 100


class Adversarial(Adversary):
    """Fool a critic that learns to tell reconstructions from real rows.

    The model minimises ``−log D(x̂)``, the critic ``−log D(x) − log(1 − D(x̂))`` (Goodfellow et al. 2014,
    *Generative Adversarial Nets*; in a VAE, Larsen et al. 2016, *Autoencoding beyond Pixels*). Two
    guards: the critic rests while it is right more often than ``limit``; and when the running mean of
    the reconstruction loss has risen by more than ``tolerance`` of its lowest value, training goes
    back to the last good weights and continues without this term.

    Parameters
    ----------
    setting : Setting
    width : int
        Of the critic.
    limit : float
        Accuracy in (0.5, 1] above which the critic rests.
    tolerance : float
        Share of the lowest reconstruction loss (at least of one nat), above 0.
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
        return self.active * F.softplus(-self.critic(made).squeeze(1))

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
        return settled & (self.recent > self.lowest + self.tolerance * self.lowest.abs().clamp(min=1.0))

    def concede(self) -> None:
        """Weigh nothing from now on."""
        self.active.zero_()


class Perceptual(Adversary):
    """Distance between reconstruction and row in the features of a classifier of the same labels.

    ``Σ_l ‖φ_l(x̂) − φ_l(x)‖² / n_l`` over the stages l of a small network (Johnson et al. 2016, *Perceptual
    Losses*; in a VAE, Hou et al. 2017, *Deep Feature Consistent VAE*). The network learns to tell
    the classes of the training rows apart, in turns with the model, so nothing is downloaded.

    Parameters
    ----------
    setting : Setting
    width : int
        Of the classifier.
    """

    def __init__(self, setting: Setting, *, width: int = 32) -> None:
        super().__init__()
        check_number("width", width, low=1, integer=True)
        self.block = setting.class_block
        classes = self.block[1] - self.block[0]
        if classes < 2:
            raise InputError(
                "losses='perceptual' compares features of a classifier, which needs labels of two classes or "
                "more; call fit(X, y) with class labels."
            )
        self.classifier = Spectator(setting.shape, classes, width)

    def forward(self, passed: Pass) -> Tensor:
        """Return the distance of each reconstruction, shape ``(B,)``."""
        return self.classifier.distance(*views(passed))

    def critic_loss(self, passed: Pass) -> Tensor:
        """Return the classifier's cross-entropy on real rows, zero without a label, shape ``(B,)``."""
        with torch.no_grad():
            _, real = views(passed)
        wanted = passed.c[:, self.block[0] : self.block[1]]
        return -(wanted * torch.log_softmax(self.classifier(real), 1)).sum(1)
