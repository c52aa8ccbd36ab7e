"""Convolutional encoder and decoder for images, conditioned on the context."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.nn.precision import reduce_precision

__all__ = ["ImageDecoder", "ImageEncoder", "Pyramid", "ResidualConvolution"]

#: No side of the coarsest grid is longer than this.
_COARSEST = 8
#: Features that contexts (and codes) are turned into before they modulate channels.
_CONTROL = 64


class Pyramid:
    """Grids and channels of the stages between an image and its coarsest features.

    The finest grid has one cell per pixel below 8 pixels a side, per 2×2 pixels up to 48 and
    per 4×4 above, since convolutions on the finest grids cost the most and see the least. Each further stage
    halves the grid (rounding up) and doubles the channels, up to four times ``width``.

    Parameters
    ----------
    height, width : int
        Of the images, in pixels.
    channels : int
        Of the finest stage.

    Examples
    --------
    >>> from vaeaug.nn.convolutions import Pyramid
    >>> Pyramid(28, 28, 32).grids, Pyramid(28, 28, 32).channels
    ([(14, 14), (7, 7)], [32, 64])
    """

    def __init__(self, height: int, width: int, channels: int) -> None:
        longest = max(height, width)
        self.patch = 1 if longest < 8 else 2 if longest <= 48 else 4
        grid = (math.ceil(height / self.patch), math.ceil(width / self.patch))
        self.size = (height, width)
        self.grids = [grid]
        self.channels = [channels]
        while max(self.grids[-1]) > _COARSEST or len(self.grids) < 2:
            rows, columns = self.grids[-1]
            self.grids.append((math.ceil(rows / 2), math.ceil(columns / 2)))
            self.channels.append(min(2 * self.channels[-1], 4 * channels))

    @property
    def coarsest(self) -> int:
        """Number of features of the coarsest stage."""
        rows, columns = self.grids[-1]
        return self.channels[-1] * rows * columns


class ResidualConvolution(nn.Module):
    """Residual block ``x + W₂ ∗ silu((1 + γ) ⊙ (W₁ ∗ silu(x)) + β)`` that starts as the identity.

    γ and β are linear in the control features (FiLM, Perez et al. 2018, *Visual Reasoning
    with a General Conditioning Layer*). There is no normalisation: the branch starts at
    zero, which is enough for nets of this depth, and a batch norm would make an image's
    code depend on the images beside it.

    Parameters
    ----------
    channels : int
    control : int
        Width of the control features.
    """

    def __init__(self, channels: int, control: int) -> None:
        super().__init__()
        self.inner = _make_convolution(channels, channels)
        self.film = nn.Linear(control, 2 * channels)
        self.outer = _make_convolution(channels, channels)
        for layer in (self.film, self.outer):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, control: Tensor) -> Tensor:
        """Map ``(B, channels, h, w)`` and control features ``(B, control)`` to the same grid."""
        gain, shift = self.film(control)[:, :, None, None].chunk(2, dim=1)
        return x + self.outer(F.silu(torch.addcmul(shift, self.inner(F.silu(x)), 1 + gain)))


class ImageEncoder(nn.Module):
    """Turn images and contexts into features.

    Parameters
    ----------
    layout : Layout
        Of one image.
    context_width : int
        K; an all-zero context means "unknown".
    width : int
        Channels of the finest stage.
    depth : int
        Residual blocks per stage, on all grids but the finest.
    features : int
        H.
    """

    def __init__(self, layout: Layout, context_width: int, width: int, depth: int, features: int) -> None:
        super().__init__()
        channels, *size = layout.shape
        pyramid = Pyramid(size[0], size[1], width)
        self.pyramid = pyramid
        self.control = nn.Linear(context_width, _CONTROL) if context_width else None
        self.stem = _make_convolution(channels * pyramid.patch**2, width)
        self.shrinks = nn.ModuleList(
            _make_convolution(a, b, stride=2)
            for a, b in zip(pyramid.channels, pyramid.channels[1:], strict=False)
        )
        # None on the finest grid: reading needs less there than drawing does.
        self.stages = nn.ModuleList(
            nn.ModuleList(ResidualConvolution(c, _CONTROL) for _ in range(depth if i else 0))
            for i, c in enumerate(pyramid.channels)
        )
        self.out = nn.Linear(pyramid.coarsest, features)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Map images ``(B, C, H, W)`` and contexts ``(B, K)`` to features ``(B, features)``."""
        control = x.new_zeros(len(x), _CONTROL) if self.control is None else F.silu(self.control(c))
        with _reduce_in_training(self, x):
            h = self.stem(_cut_patches(x, self.pyramid).contiguous(memory_format=torch.channels_last))
            for i, blocks in enumerate(self.stages):
                if i:
                    h = self.shrinks[i - 1](F.silu(h))
                for block in blocks:  # type: ignore[attr-defined]
                    h = block(h, control)
            h = self.out(F.silu(h).flatten(1))
        return F.silu(h.to(x.dtype))


class ImageDecoder(nn.Module):
    """Turn codes and contexts into the parameters of a pixel likelihood.

    The code enters twice: as the coarsest features, and as a control of every block. Grids
    grow by repeating cells before a convolution and the last one by sub-pixel
    convolution whose cells start out equal (Aitken et al. 2017), so that no
    checkerboard shows, as transposed convolutions leave.

    Parameters
    ----------
    latent_dim, context_width : int
        D and K.
    layout : Layout
        Of one image.
    parameters : int
        Numbers per pixel that the likelihood asks for; P is this times the pixels.
    width, depth : int
        As for :class:`ImageEncoder`.
    """

    def __init__(
        self, latent_dim: int, context_width: int, layout: Layout, parameters: int, width: int, depth: int
    ) -> None:
        super().__init__()
        pyramid = Pyramid(layout.shape[1], layout.shape[2], width)
        self.pyramid = pyramid
        self.control = nn.Linear(latent_dim + context_width, 2 * _CONTROL)
        self.code = nn.Linear(latent_dim + context_width, pyramid.coarsest)
        self.stages = nn.ModuleList(
            nn.ModuleList(ResidualConvolution(c, 2 * _CONTROL) for _ in range(depth))
            for c in pyramid.channels
        )
        self.grows = nn.ModuleList(
            nn.Conv2d(b, a, 1) for a, b in zip(pyramid.channels, pyramid.channels[1:], strict=False)
        )
        self.out = _make_convolution(width, parameters * pyramid.patch**2)
        self.parameters_per_pixel = parameters
        with torch.no_grad():
            # One small filter per parameter, the same for all pixels of a cell.
            first = 0.3 * self.out.weight[:parameters]
            self.out.weight.copy_(first.repeat(pyramid.patch**2, 1, 1, 1))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map codes ``(B, D)`` and contexts ``(B, K)`` to parameters ``(B, P)``, pixel by pixel."""
        both = torch.cat([z, c], 1)
        control = F.silu(self.control(both))
        rows, columns = self.pyramid.grids[-1]
        with _reduce_in_training(self, z):
            h = self.code(both).reshape(len(z), -1, rows, columns)
            h = h.contiguous(memory_format=torch.channels_last)
            for i in reversed(range(len(self.stages))):
                for block in self.stages[i]:  # type: ignore[attr-defined]
                    h = block(h, control)
                if i:
                    rows, columns = self.pyramid.grids[i - 1]
                    h = F.interpolate(self.grows[i - 1](h), scale_factor=2.0, mode="nearest")
                    h = h[:, :, :rows, :columns]
            h = self._unfold(self.out(F.silu(h)))
        height, width = self.pyramid.size
        return h[:, :height, :width].to(z.dtype).flatten(1)

    def _unfold(self, h: Tensor) -> Tensor:
        """Turn channels ``(B, patch · patch · parameters, h, w)`` into pixels ``(B, H, W, parameters)``."""
        patch, (rows, columns) = self.pyramid.patch, self.pyramid.grids[0]
        h = h.permute(0, 2, 3, 1).reshape(len(h), rows, columns, patch, patch, self.parameters_per_pixel)
        return h.transpose(2, 3).reshape(len(h), rows * patch, columns * patch, -1)


def _make_convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3×3 convolution that keeps the variance of what it reads."""
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
    nn.init.normal_(layer.weight, std=1.0 / math.sqrt(9 * inputs))
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def _cut_patches(x: Tensor, pyramid: Pyramid) -> Tensor:
    """Turn patches of pixels into channels, repeating the last row and column of sizes that do not divide."""
    missing = [
        cells * pyramid.patch - side for cells, side in zip(pyramid.grids[0], pyramid.size, strict=True)
    ]
    if any(missing):
        x = F.pad(x, (0, missing[1], 0, missing[0]), mode="replicate")
    return F.pixel_unshuffle(x, pyramid.patch)


def _reduce_in_training(module: nn.Module, like: Tensor) -> AbstractContextManager[object]:
    """Return :func:`reduce_precision` while a module in single precision is trained.

    Only the convolutions run in it; weights, codes and likelihoods stay in single precision.
    """
    if module.training and like.dtype == torch.float32:
        return reduce_precision(like.device)
    return nullcontext()
