"""A small class-conditional gated PixelCNN in plain PyTorch, for grey images of 8 bits."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PixelCNN"]

_HALF = 1 / 255
_FIRST = 3  # rows above and pixels to the left that the first layer reads


class _Layer(nn.Module):
    """One gated layer of the two stacks (van den Oord et al. 2016, *Conditional Image Generation*, fig. 2).

    The vertical stack sees the rows above, the horizontal one the pixels to the left; the first
    layer excludes the pixel itself and its row, so that later layers may include their own place.
    """

    def __init__(self, inputs: int, width: int, classes: int, first: bool) -> None:
        super().__init__()
        self.first, self.width = first, width
        rows, columns = (_FIRST, 2 * _FIRST - 1) if first else (2, 3)
        self.vertical = nn.Conv2d(inputs, 2 * width, (rows, columns), padding=(0, columns // 2))
        self.horizontal = nn.Conv2d(inputs, 2 * width, (1, _FIRST if first else 2))
        self.across = nn.Conv2d(2 * width, 2 * width, 1)
        self.classes = nn.Embedding(classes, 4 * width)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, v: Tensor, h: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        above, beside = self.classes(labels)[:, :, None, None].chunk(2, 1)
        rows, columns = v.shape[2:]
        reach = _FIRST if self.first else 1
        seen = self.vertical(F.pad(v, (0, 0, reach, 0)))[:, :, :rows]
        left = self.horizontal(F.pad(h, (reach, 0)))[:, :, :, :columns]
        made = self.out(gate(left + self.across(seen) + beside))
        return gate(seen + above), made if self.first else h + made


def gate(x: Tensor) -> Tensor:
    signal, valve = x.chunk(2, 1)
    return torch.tanh(signal) * torch.sigmoid(valve)


class _Network(nn.Module):
    def __init__(self, classes: int, width: int, depth: int, mixtures: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _Layer(2 if i == 0 else width, width, classes, first=i == 0) for i in range(depth)
        )
        self.head = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, 2 * width, 1), nn.ReLU(), nn.Conv2d(2 * width, 3 * mixtures, 1)
        )

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Map images ``(B, 1, H, W)`` in [−1, 1] to the parameters of each pixel, ``(B, 3 M, H, W)``."""
        # A second channel of ones tells pixels from what lies outside.
        v = h = torch.cat([x, torch.ones_like(x)], 1)
        for layer in self.layers:
            v, h = layer(v, h, labels)
        return self.head(h)


def log_prob(params: Tensor, x: Tensor) -> Tensor:
    """Return each pixel's log-probability under a mixture of discretised logistics (Salimans et al. 2017)."""
    logits, centre, log_scale = params.chunk(3, 1)
    rate = torch.exp(-log_scale.clamp(min=-7.0))
    high, low = (x + _HALF - centre) * rate, (x - _HALF - centre) * rate
    inside = F.logsigmoid(high) + F.logsigmoid(-low) + torch.log(-torch.expm1(low - high))
    edge = 1 - _HALF
    each = torch.where(x > edge, F.logsigmoid(-low), torch.where(x < -edge, F.logsigmoid(high), inside))
    return torch.logsumexp(torch.log_softmax(logits, 1) + each, 1)


class PixelCNN:
    """Train a gated PixelCNN of ``width`` channels and ``depth`` layers; draw from it pixel by pixel.

    A pixel is a mixture of ``mixtures`` logistics. Drawing keeps every layer's past.
    """

    def __init__(
        self, *, steps: int = 1500, width: int = 16, depth: int = 5, mixtures: int = 5, seed: int = 0
    ) -> None:
        self.steps, self.batch_size, self.seed = steps, 32, seed
        self.width, self.depth, self.mixtures = width, depth, mixtures

    def fit(self, images: np.ndarray, labels: np.ndarray) -> PixelCNN:
        torch.manual_seed(self.seed)
        rng = np.random.default_rng(self.seed)
        self.network = _Network(int(labels.max()) + 1, self.width, self.depth, self.mixtures)
        self.side = images.shape[1]
        optimiser = torch.optim.Adam(self.network.parameters(), 4e-3, betas=(0.9, 0.99))
        fall = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=self.steps, pct_start=0.1)
        x, y = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
        for _ in range(self.steps):
            rows = torch.from_numpy(rng.choice(len(x), self.batch_size, replace=False))
            real = x[rows, None].float() / 127.5 - 1
            loss = -log_prob(self.network(real, y[rows]), real).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimiser.step()
            fall.step()
        self.network.eval()
        return self

    @torch.no_grad()
    def bits_per_dim(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Return the mean negative log-likelihood of 8-bit images, in bits per pixel."""
        x, y = (
            torch.from_numpy(images)[:, None].float() / 127.5 - 1,
            torch.from_numpy(labels.astype(np.int64)),
        )
        parts = [log_prob(self.network(a, b), a) for a, b in zip(x.split(250), y.split(250), strict=True)]
        return float(-torch.cat(parts).double().mean() / math.log(2))

    @torch.no_grad()
    def sample(self, labels: np.ndarray, seed: int) -> np.ndarray:
        """Draw one image, uint8 ``(n, side, side)``, for each label."""
        torch.manual_seed(seed)
        parts = torch.from_numpy(labels.astype(np.int64)).split(500)
        drawn = torch.cat([_draw_pixels(self.network, part, self.side) for part in parts])
        return ((drawn + 1) * 127.5).round().to(torch.uint8).numpy()


def _draw_pixels(network: _Network, labels: Tensor, side: int) -> Tensor:
    """Draw images ``(B, side, side)``: the vertical stack row by row, the horizontal one pixel by pixel."""
    layers = [_Step(layer, labels) for layer in network.layers]
    # Rows above and columns beside the image are zeros, in both channels.
    canvas = torch.zeros(len(labels), 2, side + _FIRST, side + _FIRST)
    for row in range(side):
        below = canvas[:, :, row : row + _FIRST, _FIRST:]
        for step in layers:
            below = step.descend(below)
        for column in range(side):
            left = canvas[:, :, row + _FIRST, column : column + _FIRST].flatten(1)
            for step in layers:
                left = step.go_right(left, column)
            params = network.head(left[:, :, None, None])
            canvas[:, 0, row + _FIRST, column + _FIRST] = _draw_values(params)
            canvas[:, 1, row + _FIRST, column + _FIRST] = 1.0
    return canvas[:, 0, _FIRST:, _FIRST:]


class _Step:
    """One layer while images are drawn: what it still needs of the row above and the pixel before."""

    def __init__(self, layer: _Layer, labels: Tensor) -> None:
        self.layer = layer
        self.above, self.beside = layer.classes(labels)[:, :, None, None].chunk(2, 1)
        self.row_before: Tensor | None = None
        self.weight = layer.horizontal.weight[:, :, 0].flatten(1).T.contiguous()

    def descend(self, rows: Tensor) -> Tensor:
        """Take the rows that come in from above, and return one row for the next layer."""
        if not self.layer.first:
            before = torch.zeros_like(rows) if self.row_before is None else self.row_before
            self.row_before = rows
            rows = torch.cat([before, rows], 2)
        seen = self.layer.vertical(rows)
        self.across = (self.layer.across(seen) + self.beside)[:, :, 0] + self.layer.horizontal.bias[:, None]
        self.pixel_before = torch.zeros(len(seen), self.layer.width)
        return gate(seen + self.above)

    def go_right(self, pixel: Tensor, column: int) -> Tensor:
        """Take this layer's input at a pixel, and return the next layer's."""
        read = pixel
        if not self.layer.first:
            read = torch.stack([self.pixel_before, pixel], 2).flatten(1)
            self.pixel_before = pixel
        made = gate(read @ self.weight + self.across[:, :, column])
        made = made @ self.layer.out.weight[:, :, 0, 0].T + self.layer.out.bias
        return made if self.layer.first else pixel + made


def _draw_values(params: Tensor) -> Tensor:
    """Draw the 8-bit values, in [−1, 1], of pixels with parameters ``(B, 3 M, 1, 1)``."""
    logits, centre, log_scale = params[:, :, 0, 0].chunk(3, 1)
    choice = torch.distributions.Categorical(logits=logits).sample()[:, None]
    level = torch.rand(len(params), 1).clamp(1e-5, 1 - 1e-5)
    scale = torch.exp(log_scale.clamp(min=-7.0).gather(1, choice))
    value = centre.gather(1, choice) + scale * torch.logit(level)
    return ((value.clamp(-1, 1) + 1) * 127.5).round().squeeze(1) / 127.5 - 1
