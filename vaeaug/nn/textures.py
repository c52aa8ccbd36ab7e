"""A likelihood of pixels that draws textures: each pixel given the code and its neighbours."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.nn.distributions import Drawable

__all__ = ["TextureDistribution", "TexturePixels"]

#: Cells that the range of a pixel is cut into: the values of 8 bits.
_CELLS = 256
#: Neighbours that a pixel reads, as (rows, columns) from it: all lie before it on its diagonal sweep.
_NEIGHBOURS = [
    (-2, -2),
    (-2, -1),
    (-2, 0),
    (-2, 1),
    (-2, 2),
    (-1, -2),
    (-1, -1),
    (-1, 0),
    (-1, 1),
    (0, -2),
    (0, -1),
]
_REACH = 2
_SMALL = 0.02


class TexturePixels(nn.Module):
    """Pixels as levels of grey, each given the code and the eleven pixels above and before it.

    ``p(x | z, c) = Π_i Categorical(level(x_i); softmax(b + V silu(u_i(z, c) + Σ_k U_k x_{i+k})))``

    A decoder whose pixels are independent given the code can only blur what the code
    leaves open: strokes' edges, weave, grain. Here they are drawn, one pixel after the
    other, as in PixelVAE (Gulrajani et al. 2017) but from a neighbourhood so small that
    whole diagonals of the image are drawn at once, and that the code still has to tell all
    that is larger.

    The 256 values of 8 bits are gathered into levels, from the training pixels: frequent
    values (black paper, white ink) are levels of their own, rare ones share one. Inside a
    level the training frequencies decide. So near-binary images, 8-bit greys and
    photographs need no different likelihoods.

    Parameters
    ----------
    layout : Layout
        Of one image.
    hidden : int
        Hidden units per pixel and channel.
    levels : int
        Most levels.
    """

    level: Tensor
    log_share: Tensor
    cumulative: Tensor
    value: Tensor
    used: Tensor

    def __init__(self, layout: Layout, *, hidden: int = 24, levels: int = 32) -> None:
        super().__init__()
        self.layout = layout
        self.hidden, self.levels = hidden, levels
        channels = layout.shape[0]
        self.parameters_per_pixel = 8 + 8 * channels
        units = torch.randn(self.parameters_per_pixel, channels * hidden)
        self.units = nn.Parameter(units / math.sqrt(self.parameters_per_pixel))
        self.read = nn.Parameter(torch.randn(len(_NEIGHBOURS) * channels, channels * hidden) / 6)
        # Channel by channel: later ones also read the earlier ones of their own pixel.
        self.mix = nn.Parameter(torch.zeros(channels, channels * hidden))
        before = torch.arange(channels)[:, None] < torch.arange(channels).repeat_interleave(hidden)
        self.register_buffer("before", before.float(), persistent=False)
        self.write = nn.Parameter(_SMALL * torch.randn(channels, hidden, levels))
        self.bias = nn.Parameter(torch.zeros(channels, levels))
        self._set_levels(torch.ones(_CELLS))

    before: Tensor

    def _set_levels(self, counts: Tensor) -> None:
        """Gather the 256 cells into levels of about equal frequency, frequent cells alone."""
        share = (counts + 1e-3 * counts.sum() / _CELLS + 1e-9).double()
        share = share / share.sum()
        level = _gathered(share, self.levels)
        mass = torch.zeros(self.levels, dtype=torch.float64).index_add_(0, level, share)
        inside = share / mass[level]
        centres = (torch.arange(_CELLS, dtype=torch.float64) * 2 / (_CELLS - 1)) - 1
        value = torch.zeros(self.levels, dtype=torch.float64).index_add_(0, level, inside * centres)
        found = {
            "level": level,
            "log_share": inside.log().float(),
            "cumulative": share.cumsum(0).float(),
            "value": value.float(),
            "used": torch.zeros(self.levels).index_add_(0, level, torch.ones(_CELLS)) > 0,
        }
        for name, tensor in found.items():
            if hasattr(self, name):
                getattr(self, name).copy_(tensor)
            else:
                self.register_buffer(name, tensor)
        with torch.no_grad():
            self.bias.copy_(
                torch.where(mass > 0, mass.clamp(min=1e-12).log(), -30.0).float().expand_as(self.bias)
            )

    def initialise(self, x: Tensor) -> None:
        """Choose the levels from the pixels of images ``(n, C, H, W)``."""
        counts = torch.bincount(cell_of(x).flatten(), minlength=_CELLS).float().cpu()
        self._set_levels(counts)

    def forward(self, params: Tensor) -> TextureDistribution:
        """Return the distribution of a batch: batch shape ``(B,)``, event shape ``(C, H, W)``."""
        return TextureDistribution(self, params)


class TextureDistribution(Drawable):
    """Distribution of images given decoder parameters ``(B, P)``, in the order (row, column, unit)."""

    def __init__(self, model: TexturePixels, params: Tensor) -> None:
        self.model = model
        _, height, width = model.layout.shape
        self.params = params.reshape(len(params), height, width, model.parameters_per_pixel)
        super().__init__(len(params), model.layout.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of images ``(B, C, H, W)``, shape ``(B,)``.

        A probability of 8-bit values, spread evenly over the 2/255 that each stands for.
        """
        model = self.model
        channels = model.layout.shape[0]
        hidden = self.hidden(x)
        hidden = hidden.unflatten(-1, (channels, model.hidden))
        cell = cell_of(x).permute(0, 2, 3, 1)
        total = model.log_share[cell].sum((1, 2, 3))
        for c in range(channels):
            logits = F.silu(hidden[..., c, :]) @ model.write[c] + model.bias[c]
            target = model.level[cell[..., c]]
            nll = F.cross_entropy(logits.flatten(0, 2), target.flatten(), reduction="none")
            total = total - nll.reshape(cell.shape[:-1]).sum((1, 2))
        pixels = math.prod(model.layout.shape)
        return total + pixels * math.log((_CELLS - 1) / 2)

    def hidden(self, x: Tensor) -> Tensor:
        """Return the pre-activations of all pixels given their neighbours, ``(B, H, W, C · hidden)``."""
        model = self.model
        channels = model.layout.shape[0]
        kernel = x.new_zeros(channels * model.hidden, channels, _REACH + 1, 2 * _REACH + 1)
        read = model.read.T.reshape(channels * model.hidden, len(_NEIGHBOURS), channels)
        rows = [_REACH + dy for dy, _ in _NEIGHBOURS]
        columns = [_REACH + dx for _, dx in _NEIGHBOURS]
        kernel[:, :, rows, columns] = read.transpose(1, 2)
        context = F.conv2d(F.pad(x, (_REACH, _REACH, _REACH, 0), value=-1.0), kernel)
        hidden = self.params @ model.units + context.permute(0, 2, 3, 1)
        if channels > 1:
            hidden = hidden + x.permute(0, 2, 3, 1) @ (model.mix * model.before)
        return hidden

    @torch.no_grad()
    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw an image per batch entry along diagonals, shape ``(B, C, H, W)``.

        Parameters
        ----------
        temperature : float, default=1.0
            Probabilities of levels are raised to ``1 / temperature`` and renormalised; 0
            takes the mean of each pixel given the means before it, an image without grain.
        """
        model = self.model
        channels, height, width = model.layout.shape
        batch = len(self.params)
        params = self.params.flatten(1, 2).transpose(0, 1).contiguous()
        wide = width + 2 * _REACH
        canvas = params.new_full(((height + _REACH) * wide, batch, channels), -1.0)
        shifts = torch.tensor([dy * wide + dx for dy, dx in _NEIGHBOURS], device=params.device)
        for rows, columns in diagonals(height, width):
            rows, columns = rows.to(params.device), columns.to(params.device)
            place = (rows + _REACH) * wide + columns + _REACH
            seen = canvas[place[:, None] + shifts]
            seen = seen.permute(0, 2, 1, 3).flatten(2)
            hidden = params[rows * width + columns] @ model.units + seen @ model.read
            for c in range(channels):
                part = slice(c * model.hidden, (c + 1) * model.hidden)
                unit = hidden[..., part]
                if c:
                    unit = unit + canvas[place][..., :c] @ model.mix[:c, part]
                logits = F.silu(unit) @ model.write[c] + model.bias[c]
                canvas[place, :, c] = self._pick(logits.flatten(0, 1), temperature).reshape(len(place), batch)
        image = canvas.reshape(height + _REACH, wide, batch, channels)
        return image[_REACH:, _REACH:-_REACH].permute(2, 3, 0, 1).contiguous()

    def _pick(self, logits: Tensor, temperature: float) -> Tensor:
        """Draw one value per row of logits ``(N, levels)``, or take the mean; shape ``(N,)``."""
        model = self.model
        if not temperature:
            return torch.softmax(logits, 1) @ model.value
        weights = torch.softmax(logits / temperature, 1).cumsum(1)
        uniform = torch.rand(2, len(logits), dtype=logits.dtype, device=logits.device)
        level = torch.searchsorted(weights, uniform[0, :, None] * weights[:, -1:], right=True).squeeze(1)
        level = level.clamp(max=model.levels - 1)
        return model.value[level] if temperature < 0 else _inside(model, level, uniform[1])


def _inside(model: TexturePixels, level: Tensor, uniform: Tensor) -> Tensor:
    """Draw one of the values that share each level, as often as they occurred in training."""
    first = torch.searchsorted(model.level, level)
    last = torch.searchsorted(model.level, level, right=True) - 1
    low = torch.where(first > 0, model.cumulative[(first - 1).clamp(min=0)], 0.0)
    aim = low + uniform * (model.cumulative[last.clamp(min=0)] - low)
    cell = torch.searchsorted(model.cumulative, aim, right=True)
    cell = torch.minimum(torch.maximum(cell, first), last)
    return cell.to(uniform.dtype) * (2 / (_CELLS - 1)) - 1


def cell_of(x: Tensor) -> Tensor:
    """Return the nearest 8-bit value of pixels in [−1, 1], int64 in [0, 255]."""
    return ((x + 1) * ((_CELLS - 1) / 2)).round().clamp(0, _CELLS - 1).to(torch.int64)


def diagonals(height: int, width: int) -> list[tuple[Tensor, Tensor]]:
    """Return rows and columns of pixels that can be drawn at once: of equal ``2 · row + column``."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    turn = 2 * rows + columns
    order = torch.argsort(turn, stable=True)
    sizes = torch.bincount(turn).tolist()
    return [(rows[index], columns[index]) for index in order.split(sizes) if len(index)]


def _gathered(share: Tensor, levels: int) -> Tensor:
    """Return the level of each cell, int64 and not falling: cuts where the cumulative share has grown most.

    A cell that holds more than its part of what is left stays alone.
    """
    level = torch.zeros(len(share), dtype=torch.int64)
    current, mass, left, free = 0, 0.0, 1.0, levels
    values = share.tolist()
    for i, part in enumerate(values):
        wanted = left / free
        if mass and free > 1 and (mass + 0.5 * part > wanted or part > wanted):
            current, left, free, mass = current + 1, left - mass, free - 1, 0.0
        level[i] = current
        mass += part
    return level
