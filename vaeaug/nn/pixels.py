"""Likelihoods of pixels: from the decoder's parameters to a distribution over images in [−1, 1]."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.nn.distributions import Drawable

__all__ = ["PIXELS", "GaussianPixels", "GaussianPixelsDistribution"]

#: Least noise, half a step of 8-bit grey: a constant pixel would otherwise have an infinite density.
_LEAST_LOG_SCALE = math.log(1 / 255)
#: Adam moves every number by about its learning rate; a scale should move faster than a weight.
_HASTE = 10.0


class GaussianPixels(nn.Module):
    """Gaussian pixels with one learned standard deviation for all.

    ``p(x | z, c) = Π N(x_i; μ_i(z, c), σ²)``. The σ that maximises the likelihood is the
    root mean squared error of the reconstructions, so that the balance between
    reconstruction and KL needs no tuning (Rybkin et al. 2021, *Simple and Effective VAE
    Training with Calibrated Decoders*).

    Parameters
    ----------
    layout : Layout
        Of one image.
    """

    centre: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.register_buffer("centre", torch.zeros(layout.shape))
        self.raw_scale = nn.Parameter(torch.zeros(()))

    @property
    def parameters_per_pixel(self) -> int:
        """How many numbers per pixel the decoder must deliver."""
        return self.layout.shape[0]

    @property
    def log_scale(self) -> Tensor:
        """``log σ``, softly bounded from below."""
        return _LEAST_LOG_SCALE + F.softplus(_HASTE * self.raw_scale - _LEAST_LOG_SCALE)

    def initialise(self, x: Tensor) -> None:
        """Start from the mean of images ``(n, C, H, W)`` and their spread around it."""
        with torch.no_grad():
            self.centre.copy_(x.mean(0))
            log_scale = 0.5 * (x - self.centre).square().mean().clamp(min=1e-8).log()
            excess = (log_scale - _LEAST_LOG_SCALE).clamp(min=0.1)
            self.raw_scale.copy_((torch.log(torch.expm1(excess)) + _LEAST_LOG_SCALE) / _HASTE)

    def forward(self, params: Tensor) -> GaussianPixelsDistribution:
        """Return the distribution of a batch: batch shape ``(B,)``, event shape ``(C, H, W)``."""
        mean = params.reshape(-1, *self.layout.shape) + self.centre
        return GaussianPixelsDistribution(mean, self.log_scale)


class GaussianPixelsDistribution(Drawable):
    """``N(mean, scale²)`` for every pixel of images ``(B, C, H, W)``."""

    def __init__(self, mean: Tensor, log_scale: Tensor) -> None:
        self.centre, self.log_scale = mean, log_scale
        super().__init__(len(mean), mean.shape[1:])

    @property
    def mean(self) -> Tensor:
        """Mean image, shape ``(B, C, H, W)``."""
        return self.centre

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of images ``(B, C, H, W)``, shape ``(B,)``."""
        error = ((x - self.centre) * torch.exp(-self.log_scale)).square()
        constant = self.log_scale + 0.5 * math.log(2 * math.pi)
        return -(0.5 * error + constant).flatten(1).sum(1)

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Return the mean image, at any temperature.

        What σ measures is what the code could not explain: independent noise of that
        size on every pixel would be grain that no real image has.
        """
        return self.centre


#: name -> class, built as ``cls(layout, **options)``.
PIXELS: dict[str, type[nn.Module]] = {"gaussian": GaussianPixels}
