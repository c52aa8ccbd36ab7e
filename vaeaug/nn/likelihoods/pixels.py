"""Likelihoods of pixels: from the decoder's parameters to a distribution over images in [−1, 1]."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.nn.likelihoods.base import Likelihood, LikelihoodDistribution
from vaeaug.nn.likelihoods.textures import TexturePixels

__all__ = [
    "PIXELS",
    "BernoulliPixels",
    "GaussianPixels",
    "IndependentPixels",
    "IndependentPixelsDistribution",
    "LogisticPixels",
]

#: Least noise, half a step of 8-bit grey: a constant pixel would otherwise have an infinite density.
_LEAST_LOG_SCALE = math.log(1 / 255)
#: Half the width of one of the 256 values of 8 bits on a range of 2.
_HALF_STEP = 1 / 255
#: Adam moves every number by about its learning rate; a scale should move faster than a weight.
_HASTE = 10.0


class IndependentPixels(Likelihood):
    """Base of likelihoods whose pixels are independent given the code.

    Their draws are mean images: what such a likelihood calls noise is whatever the code
    could not explain, and noise that is independent from pixel to pixel is grain that no
    real image has. :class:`~vaeaug.nn.likelihoods.textures.TexturePixels` draws.

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

    @property
    def parameters_per_pixel(self) -> int:
        """How many numbers per pixel the decoder must deliver."""
        return self.layout.shape[0]

    def initialise(self, x: Tensor) -> None:
        """Start from the mean of images ``(n, C, H, W)``."""
        with torch.no_grad():
            self.centre.copy_(x.mean(0))

    def planes(self, params: Tensor) -> Tensor:
        """Turn parameters ``(B, P)``, in the order (row, column, number), into planes ``(B, ·, H, W)``."""
        _, height, width = self.layout.shape
        return params.reshape(len(params), height, width, self.parameters_per_pixel).permute(0, 3, 1, 2)


class IndependentPixelsDistribution(LikelihoodDistribution):
    """Images ``(B, C, H, W)`` whose pixels are independent; a draw is the mean image, at any temperature.

    Parameters
    ----------
    mean : Tensor (B, C, H, W)
    """

    def __init__(self, mean: Tensor) -> None:
        self._mean = mean
        super().__init__(len(mean), mean.shape[1:])

    @property
    def mean(self) -> Tensor:
        """Mean image, shape ``(B, C, H, W)``."""
        return self._mean

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of images ``(B, C, H, W)``, shape ``(B,)``."""
        return self.pixel_log_prob(x).flatten(1).sum(1)

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of every pixel, shape ``(B, C, H, W)``; each kind of pixel defines it."""
        raise NotImplementedError

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Return the mean image, whatever the temperature."""
        return self._mean


class GaussianPixels(IndependentPixels):
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

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.raw_scale = nn.Parameter(torch.zeros(()))

    @property
    def log_scale(self) -> Tensor:
        """``log σ``, softly bounded from below."""
        return _LEAST_LOG_SCALE + F.softplus(_HASTE * self.raw_scale - _LEAST_LOG_SCALE)

    def initialise(self, x: Tensor) -> None:
        """Start from the mean of images ``(n, C, H, W)`` and their spread around it."""
        super().initialise(x)
        with torch.no_grad():
            log_scale = 0.5 * (x - self.centre).square().mean().clamp(min=1e-8).log()
            excess = (log_scale - _LEAST_LOG_SCALE).clamp(min=0.1)
            self.raw_scale.copy_((torch.log(torch.expm1(excess)) + _LEAST_LOG_SCALE) / _HASTE)

    def forward(self, params: Tensor) -> IndependentPixelsDistribution:
        """Return the distribution of a batch: batch shape ``(B,)``, event shape ``(C, H, W)``."""
        return _Gaussian(self.planes(params) + self.centre, self.log_scale)


class _Gaussian(IndependentPixelsDistribution):
    def __init__(self, mean: Tensor, log_scale: Tensor) -> None:
        super().__init__(mean)
        self.log_scale = log_scale

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        error = ((x - self.mean) * torch.exp(-self.log_scale)).square()
        return -0.5 * error - self.log_scale - 0.5 * math.log(2 * math.pi)


class BernoulliPixels(IndependentPixels):
    """Black or white pixels; a grey one counts as that share of white.

    ``log p(x | z, c) = Σ v_i log π_i + (1 − v_i) log(1 − π_i)`` with ``v = (x + 1) / 2``: a
    probability of binary images, and a cross-entropy for others.

    Parameters
    ----------
    layout : Layout
        Of one image.
    """

    def initialise(self, x: Tensor) -> None:
        """Start from the log-odds of the mean of images ``(n, C, H, W)``."""
        with torch.no_grad():
            share = (0.5 * (x.mean(0) + 1)).clamp(0.01, 0.99)
            self.centre.copy_(torch.logit(share))

    def forward(self, params: Tensor) -> IndependentPixelsDistribution:
        """Return the distribution of a batch: batch shape ``(B,)``, event shape ``(C, H, W)``."""
        return _Bernoulli(self.planes(params) + self.centre)


class _Bernoulli(IndependentPixelsDistribution):
    def __init__(self, logits: Tensor) -> None:
        super().__init__(2 * torch.sigmoid(logits) - 1)
        self.logits = logits

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(self.logits, 0.5 * (x + 1), reduction="none")


class LogisticPixels(IndependentPixels):
    """Discretised logistic pixels, for the 256 values of 8 bits.

    ``P(x_i) = s((x_i + δ − μ_i) / σ_i) − s((x_i − δ − μ_i) / σ_i)`` with the logistic
    function s and half a step δ; the outermost values take the tails (Salimans et al. 2017,
    *PixelCNN++*). Means and scales vary from pixel to pixel. The log-density spreads each
    probability over the 2δ it stands for.

    Parameters
    ----------
    layout : Layout
        Of one image.
    """

    log_spread: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.register_buffer("log_spread", torch.zeros(()))

    @property
    def parameters_per_pixel(self) -> int:
        """How many numbers per pixel the decoder must deliver: means and scales."""
        return 2 * self.layout.shape[0]

    def initialise(self, x: Tensor) -> None:
        """Start from the mean of images ``(n, C, H, W)`` and their spread around it."""
        super().initialise(x)
        variance = (x - self.centre).square().mean().clamp(min=1e-4)
        # The variance of a logistic of scale 1 is π²/3.
        self.log_spread.copy_(0.5 * torch.log(3 * variance / math.pi**2))

    def forward(self, params: Tensor) -> IndependentPixelsDistribution:
        """Return the distribution of a batch: batch shape ``(B,)``, event shape ``(C, H, W)``."""
        mean, log_scale = self.planes(params).chunk(2, dim=1)
        log_scale = _LEAST_LOG_SCALE + F.softplus(log_scale + self.log_spread - _LEAST_LOG_SCALE)
        return _Logistic(mean + self.centre, log_scale)


class _Logistic(IndependentPixelsDistribution):
    def __init__(self, centre: Tensor, log_scale: Tensor) -> None:
        # Black and white pixels pull the centre beyond the range.
        super().__init__(centre.clamp(-1, 1))
        self.centre, self.log_scale = centre, log_scale

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        precision = torch.exp(-self.log_scale)
        high = (x + _HALF_STEP - self.centre) * precision
        low = (x - _HALF_STEP - self.centre) * precision
        # log(s(high) − s(low)), where neither tail may underflow.
        inside = F.logsigmoid(high) + F.logsigmoid(-low) + torch.log(-torch.expm1(low - high))
        edge = 1 - _HALF_STEP
        found = torch.where(x > edge, F.logsigmoid(-low), torch.where(x < -edge, F.logsigmoid(high), inside))
        return found - math.log(2 * _HALF_STEP)


#: name -> class, built as ``cls(layout, **options)``.
PIXELS: dict[str, type[nn.Module]] = {
    "gaussian": GaussianPixels,
    "bernoulli": BernoulliPixels,
    "logistic": LogisticPixels,
    "texture": TexturePixels,
}
