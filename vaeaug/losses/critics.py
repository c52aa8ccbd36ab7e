"""A network that learns to tell reconstructions from real rows, and whom the model learns to fool."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from vaeaug.losses.critic_views import Spectator, make_views
from vaeaug.losses.term import Adversary, Setting
from vaeaug.nn.vae import Pass
from vaeaug.utils.validation import check_number

__all__ = ["Adversarial", "PatchCritic"]

_DECAY = 0.98
#: Of critics, and of critics of images with no side longer than this.
_WIDTH, _WIDTH_OF_TINY, _TINY = 64, 16, 16
#: Steps before the guard judges: until then the running means are still moving.
_GRACE = 100
#: What errors and gradients are at least: half a step of 8-bit pixels between −1 and 1, and hardly anything.
_LEAST_ERROR, _LEAST_PULL = 1 / 255, 1e-8


class PatchCritic(nn.Module):
    """Judge the patches of an image, each by the 11×11 pixels or so around it.

    Parameters
    ----------
    shape : tuple of int
        ``(C, H, W)``.
    width : int
        Channels of the first layer; the next has twice as many.
    """

    def __init__(self, shape: Sequence[int], width: int) -> None:
        super().__init__()
        sizes, strides = [shape[0], width, 2 * width, 1], (2, 2 if min(shape[1:]) > 8 else 1, 1)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 3, stride=stride, padding=1))
            for a, b, stride in zip(sizes, sizes[1:], strides, strict=False)
        )

    def forward(self, view: Tensor) -> Tensor:
        """Map images ``(B, C, H, W)`` to one verdict a patch, ``(B, patches)``."""
        *inner, last = self.layers
        for layer in inner:
            view = F.leaky_relu(layer(view), 0.2)
        return last(view).flatten(1)


class Adversarial(Adversary):
    """Fool a critic that learns to tell reconstructions from real rows.

    The model minimises ``−λ log D(x̂)``, the critic ``−log D(x) − log(1 − D(x̂))`` (Goodfellow et al. 2014,
    *Generative Adversarial Nets*; in a VAE, Larsen et al. 2016, *Autoencoding beyond Pixels*). Of a table,
    λ is the number of columns, over which a log-likelihood sums: without it one verdict per row has no
    say beside them. Of images, λ is such that a critic which is not fooled at all pulls at the pixels of
    a reconstruction as hard as the likelihood of a Gaussian does whose variance is the present error,
    ``λ ‖∇ logit D(x̂)‖ = ‖x̂ − x‖ / σ²`` (after Esser et al. 2021, *Taming Transformers*, equation 7, who
    take gradients of weights); the more it is fooled, the less it pulls.
    It judges every patch by itself, with spectrally normalised layers (Isola et al. 2017,
    *Image-to-Image Translation*; Miyato et al. 2018, *Spectral Normalization*), and D stands for each
    patch in turn. Two guards: the critic rests while it is right more often than ``limit``; and when the
    running mean of the reconstruction loss has risen by more than ``tolerance`` above its lowest value,
    training goes back to the last good weights and continues without this term.

    Parameters
    ----------
    setting : Setting
    width : int or "auto"
        Of the critic; by default 64, and 16 for images of at most 16 pixels a side.
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
    balance: Tensor

    def __init__(
        self, setting: Setting, *, width: int | str = "auto", limit: float = 0.85, tolerance: float = 0.1
    ) -> None:
        super().__init__()
        check_number("width", width, low=1, integer=True, also=["auto"])
        self.limit = check_number("limit", limit, low=0.5, high=1, open_low=True)
        self.tolerance = check_number("tolerance", tolerance, low=0, open_low=True)
        self.values = setting.values
        self.is_image = len(setting.shape) == 3
        usual = _WIDTH_OF_TINY if self.is_image and max(setting.shape[1:]) <= _TINY else _WIDTH
        units = usual if width == "auto" else int(width)
        self.critic = (
            PatchCritic(setting.shape, units) if self.is_image else Spectator(setting.shape, 1, units)
        )
        for name, value in (
            ("accuracy", 0.5),
            ("active", 1.0),
            ("recent", 0.0),
            ("lowest", 1e30),
            ("steps", 0.0),
            ("balance", 0.0 if self.is_image else float(setting.values)),
        ):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, passed: Pass) -> Tensor:
        """Return how far each reconstruction is from fooling the critic, shape ``(B,)``."""
        made, real = make_views(passed)
        verdicts = self.critic(made)
        if self.is_image and made.requires_grad:
            self._weigh(verdicts, made, real)
        return self.active * self.balance * F.softplus(-verdicts).mean(1)

    def _weigh(self, verdicts: Tensor, made: Tensor, real: Tensor) -> None:
        """Find the weight at which a critic that is not fooled pulls as hard as the likelihood."""
        (pull,) = torch.autograd.grad(verdicts.mean(1).sum(), made, retain_graph=True)
        with torch.no_grad():
            error = (made - real).square().mean().sqrt().clamp(min=_LEAST_ERROR)
            self.balance.copy_(1.0 / (error * pull.square().mean().sqrt().clamp(min=_LEAST_PULL)))

    def critic_loss(self, passed: Pass) -> Tensor:
        """Return the cross-entropy of the critic, zero while it rests, shape ``(B,)``."""
        # The model reads these reconstructions next, so they are made with gradients, which stay with it.
        _ = passed.reconstruction
        with torch.no_grad():
            made, real = make_views(passed)
        told, known = self.critic(torch.cat([made.detach(), real])).chunk(2)
        with torch.no_grad():
            right = 0.5 * ((told < 0).to(told).mean() + (known > 0).to(told).mean())
            self.accuracy.lerp_(right, 1 - _DECAY)
            awake = (self.accuracy < self.limit).to(told)
        return awake * 0.5 * (F.softplus(-known) + F.softplus(told)).mean(1)

    @torch.no_grad()
    def watch(self, pieces: dict[str, Tensor]) -> Tensor | None:
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
