"""What critics are shown: a reconstruction with gradients beside the real row, in the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.nn.vae import Pass

__all__ = ["Spectator", "view_rows", "count_values", "view_shape", "make_views"]


def view_shape(layout: Layout) -> tuple[int, ...]:
    """Return the shape of what critics are shown of one row: pixels, or one number per token."""
    return layout.shape if layout.is_image else (layout.parameters,)


def count_values(layout: Layout) -> int:
    """Return how many values a row has that a log-likelihood sums over: pixels, or columns."""
    if layout.is_image:
        return math.prod(layout.shape)
    return sum(span.columns for span in layout.spans if span.parameters)


def make_views(passed: Pass) -> tuple[Tensor, Tensor]:
    """Return reconstructions and real rows as critics see them, each ``(B, ...)``.

    Images are shown as the mean image, rows of tables as one-hot tokens that were drawn with gradients.
    """
    found: tuple[Tensor, Tensor] = passed.reconstruction.relax(passed.x)
    return found


def view_rows(passed: Pass) -> Tensor:
    """Return the real rows alone as critics see them, ``(B, ...)``, without asking for reconstructions."""
    return passed.vae.likelihood.view(passed.x)


class Spectator(nn.Module):
    """A small network over views, in stages whose outputs may be compared.

    Parameters
    ----------
    shape : tuple of int
        ``(W,)`` for rows, ``(C, H, W)`` for images.
    outputs : int
    width : int
        Units of the first stage (channels for images); images double it at each stage.
    """

    def __init__(self, shape: Sequence[int], outputs: int, width: int) -> None:
        super().__init__()
        self.is_image = len(shape) == 3
        sizes = [shape[0], width, 2 * width if self.is_image else width]
        make = _make_convolution if self.is_image else nn.Linear
        self.stages = nn.ModuleList(make(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        last = 4 * 4 * sizes[-1] if self.is_image else sizes[-1]
        self.out = nn.Linear(last, outputs)

    def features(self, view: Tensor) -> list[Tensor]:
        """Return the output of each stage."""
        found = []
        for stage in self.stages:
            view = F.leaky_relu(stage(view), 0.2)
            found.append(view)
        return found

    def forward(self, view: Tensor) -> Tensor:
        """Map views ``(B, ...)`` to ``(B, outputs)``."""
        h = self.features(view)[-1]
        return self.out((F.adaptive_avg_pool2d(h, 4) if self.is_image else h).flatten(1))


def _make_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
