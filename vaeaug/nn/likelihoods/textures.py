"""A likelihood of pixels that draws textures: each pixel given the code and its neighbours."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.nn.distributions import pick_component
from vaeaug.nn.likelihoods.base import Likelihood, LikelihoodDistribution
from vaeaug.utils.validation import check_number

__all__ = ["TextureDistribution", "TexturePixels", "cell_of", "diagonals"]

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
#: What lies outside the image.
_OUTSIDE = -1.0
_SMALL = 0.02
#: Logit of a level without a value, and the precision that a pixel is like its neighbours with at first.
_NEVER = -30.0
_PRECISION = 4.0


class TexturePixels(Likelihood):
    """Pixels as levels of grey, each given the code and the eleven pixels above and before it.

    ``p(x | z, c) = Π_i Categorical(level(x_i); softmax_k(w_ik − ½ τ_i (v_k − m_i)²))``, where
    v_k is the value of level k and the centre m, the precision τ and the free logits w are
    ``m = M s + V₁ h``, ``log τ = V₂ h`` and ``w = b + V₃ h`` of hidden units
    ``h = silu(U s)``; s holds the decoder's features of the pixel and its neighbours.

    A decoder whose pixels are independent given the code can only blur what the code
    leaves open: strokes' edges, weave, grain. Here they are drawn, one pixel after the
    other, as in PixelVAE (Gulrajani et al. 2017) but from a neighbourhood so small that
    whole diagonals of the image are drawn at once, and that the code still has to tell all
    that is larger. The quadratic term says from the start that a pixel is like those beside
    it, which free logits would have to learn level by level.

    Neighbours tell so much that the code would be left with too little to say: a share of
    the pixels is therefore learned from the code alone, with weights U and M of its own.
    That second reading of the code gives the image without grain.

    The 256 values of 8 bits are gathered into levels, from the training pixels: frequent
    values (black paper, white ink) are levels of their own, rare ones share one. Inside a
    level the training frequencies decide. So near-binary images, 8-bit greys and
    photographs need no different likelihoods.

    Parameters
    ----------
    layout : Layout
        Of one image.
    hidden : int
        Hidden units per pixel and channel. These products over all pixels are tall and thin, and
        cost as much as the convolutions: one less than a multiple of 16 fits the processor best.
    levels : int
        Most levels.
    alone : float
        Share of pixels, in [0, 1), that are learned without their neighbours in training.
    """

    level: Tensor
    log_share: Tensor
    cumulative: Tensor
    value: Tensor
    before: Tensor

    def __init__(self, layout: Layout, *, hidden: int = 15, levels: int = 24, alone: float = 0.5) -> None:
        super().__init__()
        check_number("hidden", hidden, low=1, integer=True)
        check_number("levels", levels, low=2, high=_CELLS, integer=True)
        self.layout = layout
        check_number("alone", alone, low=0, high=0.99)
        self.hidden, self.levels, self.alone = hidden, levels, alone
        channels = layout.shape[0]
        self.parameters_per_pixel = 8 + 8 * channels
        #: Pre-activations per channel; the last is the linear part of the centre.
        self.width = hidden + 1
        units = torch.randn(2, self.parameters_per_pixel, channels, self.width)
        units[..., -1] *= 0.1
        units = (units / math.sqrt(self.parameters_per_pixel)).flatten(2)
        self.units, self.units_alone = nn.Parameter(units[0]), nn.Parameter(units[1])
        self.bias_alone = nn.Parameter(torch.zeros(channels * self.width))
        read = torch.randn(len(_NEIGHBOURS), channels, channels, self.width) / 6
        read[..., -1] = 0
        for beside in ((0, -1), (-1, 0)):
            read[_NEIGHBOURS.index(beside), :, :, -1] = 0.5 * torch.eye(channels)
        self.read = nn.Parameter(read.flatten(2).flatten(0, 1))
        # Later channels also read the earlier ones of their own pixel.
        self.mix = nn.Parameter(torch.zeros(channels, channels * self.width))
        before = torch.arange(channels)[:, None] < torch.arange(channels).repeat_interleave(self.width)
        self.register_buffer("before", before.float(), persistent=False)
        self.write = nn.Parameter(_SMALL * torch.randn(channels, hidden, levels))
        self.bias = nn.Parameter(torch.zeros(channels, levels))
        self.peak = nn.Parameter(_SMALL * torch.randn(channels, hidden, 2))
        self.peak_bias = nn.Parameter(torch.zeros(channels, 2))
        for name, tensor in _choose_levels(torch.ones(_CELLS), levels).items():
            self.register_buffer(name, tensor)

    def initialise(self, x: Tensor) -> None:
        """Choose the levels from the pixels of images ``(n, C, H, W)``, and start from their frequencies."""
        counts = torch.stack(
            [torch.bincount(cell_of(plane).flatten(), minlength=_CELLS) for plane in x.unbind(1)]
        ).double()
        found = _choose_levels(counts.sum(0).cpu(), self.levels)
        for name, tensor in found.items():
            getattr(self, name).copy_(tensor)
        mass = counts.cpu() @ F.one_hot(found["level"], self.levels).double() + 0.5 / self.levels
        log_share = (mass / mass.sum(1, keepdim=True)).log()
        log_share[:, ~(F.one_hot(found["level"], self.levels).sum(0) > 0)] = _NEVER
        with torch.no_grad():
            self.bias.copy_(log_share)

    def forward(self, params: Tensor) -> TextureDistribution:
        """Return the distribution of a batch: batch shape ``(B,)``, event shape ``(C, H, W)``."""
        return TextureDistribution(self, params)

    def logits(self, units: Tensor, channel: int) -> Tensor:
        """Turn one channel's pre-activations ``(..., width)`` into logits ``(..., levels)``."""
        hidden = F.silu(units[..., :-1])
        shift, log_precision = (hidden @ self.peak[channel] + self.peak_bias[channel]).split(1, dim=-1)
        precision = _PRECISION * torch.exp(_bound(log_precision))
        # The square of (v − m) without m², which the softmax does not see, is linear in what stands here.
        peak = [hidden, precision * (units[..., -1:] + shift), -0.5 * precision]
        values = torch.stack([self.value, self.value.square()])
        return torch.cat(peak, -1) @ torch.cat([self.write[channel], values]) + self.bias[channel]


class TextureDistribution(LikelihoodDistribution):
    """Distribution of images given decoder parameters ``(B, P)``, in the order (row, column, number)."""

    def __init__(self, model: TexturePixels, params: Tensor) -> None:
        self.model = model
        _, height, width = model.layout.shape
        self.params = params.reshape(len(params), height, width, model.parameters_per_pixel)
        super().__init__(len(params), model.layout.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of images ``(B, C, H, W)``, shape ``(B,)``.

        A probability of 8-bit values, spread evenly over the 2/255 that each stands for. In
        training some pixels are judged without their neighbours.
        """
        model = self.model
        cell = cell_of(x).permute(0, 2, 3, 1)
        total = model.log_share[cell].sum((1, 2, 3))
        units = self.units(x)
        if model.training and model.alone:
            hidden = torch.rand(units.shape[:-1], device=x.device) < model.alone
            units = torch.where(hidden[..., None], self._alone(), units)
        for c, logits in enumerate(self._logits(units)):
            target = model.level[cell[..., c]]
            nll = F.cross_entropy(logits.flatten(0, 2), target.flatten(), reduction="none")
            total = total - nll.reshape(cell.shape[:-1]).sum((1, 2))
        pixels = math.prod(model.layout.shape)
        return total + pixels * math.log((_CELLS - 1) / 2)

    @property
    def mean(self) -> Tensor:
        """Image without grain: the mean of each pixel given the code alone, shape ``(B, C, H, W)``."""
        model = self.model
        means = [torch.softmax(logits, -1) @ model.value for logits in self._logits(self._alone())]
        return torch.stack(means, 1)

    def _logits(self, units: Tensor) -> list[Tensor]:
        """Turn pre-activations ``(B, H, W, C · width)`` into each channel's logits ``(B, H, W, levels)``."""
        each = units.unflatten(-1, (self.model.layout.shape[0], self.model.width)).unbind(-2)
        return [self.model.logits(unit, c) for c, unit in enumerate(each)]

    def _alone(self) -> Tensor:
        return self.params @ self.model.units_alone + self.model.bias_alone

    def units(self, x: Tensor) -> Tensor:
        """Return the pre-activations of all pixels given their neighbours, ``(B, H, W, C · width)``."""
        model = self.model
        channels, height, width = model.layout.shape
        beyond = F.pad(x, (_REACH, _REACH, _REACH, 0), value=_OUTSIDE).permute(0, 2, 3, 1)
        seen = [
            beyond[:, _REACH + dy : _REACH + dy + height, _REACH + dx : _REACH + dx + width]
            for dy, dx in _NEIGHBOURS
        ]
        units = torch.cat([self.params, *seen], -1) @ torch.cat([model.units, model.read])
        if channels > 1:
            units = units + x.permute(0, 2, 3, 1) @ (model.mix * model.before)
        return units

    @torch.no_grad()
    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw an image per batch entry along diagonals, shape ``(B, C, H, W)``.

        Parameters
        ----------
        temperature : float, default=1.0
            Probabilities of levels are raised to ``1 / temperature`` and renormalised; 0
            returns :attr:`mean`, the image without grain.
        """
        if not temperature:
            return self.mean
        model = self.model
        channels, height, width = model.layout.shape
        batch = len(self.params)
        params = self.params.flatten(1, 2).transpose(0, 1).contiguous()
        wide = width + 2 * _REACH
        canvas = params.new_full(((height + _REACH) * wide, batch, channels), _OUTSIDE)
        shifts = torch.tensor([dy * wide + dx for dy, dx in _NEIGHBOURS], device=params.device)
        for rows, columns in diagonals(height, width):
            rows, columns = rows.to(params.device), columns.to(params.device)
            place = (rows + _REACH) * wide + columns + _REACH
            seen = canvas[place[:, None] + shifts]
            seen = seen.permute(0, 2, 1, 3).flatten(2)
            units = params[rows * width + columns] @ model.units + seen @ model.read
            for c in range(channels):
                part = slice(c * model.width, (c + 1) * model.width)
                unit = units[..., part]
                if c:
                    unit = unit + canvas[place][..., :c] @ model.mix[:c, part]
                logits = model.logits(unit, c)
                canvas[place, :, c] = self._pick(logits.flatten(0, 1), temperature).reshape(len(place), batch)
        image = canvas.reshape(height + _REACH, wide, batch, channels)
        return image[_REACH:, _REACH:-_REACH].permute(2, 3, 0, 1).contiguous()

    def _pick(self, logits: Tensor, temperature: float) -> Tensor:
        """Draw one value per row of logits ``(N, levels)``, shape ``(N,)``."""
        uniform = torch.rand(2, len(logits), dtype=logits.dtype, device=logits.device)
        level = pick_component(torch.softmax(logits / temperature, 1), uniform[0, :, None])
        return _draw_inside(self.model, level, uniform[1])


def _draw_inside(model: TexturePixels, level: Tensor, uniform: Tensor) -> Tensor:
    """Draw one of the values that share each level, as often as they occurred in training."""
    first = torch.searchsorted(model.level, level)
    last = torch.searchsorted(model.level, level, right=True) - 1
    low = torch.where(first > 0, model.cumulative[(first - 1).clamp(min=0)], 0.0)
    aim = low + uniform * (model.cumulative[last.clamp(min=0)] - low)
    cell = torch.searchsorted(model.cumulative, aim, right=True)
    cell = torch.minimum(torch.maximum(cell, first), last)
    return cell.to(uniform.dtype) * (2 / (_CELLS - 1)) - 1


def _bound(log_precision: Tensor) -> Tensor:
    """Keep a log-precision within reach of exp, softly."""
    return 8 * torch.tanh(log_precision / 8)


def cell_of(x: Tensor) -> Tensor:
    """Return the nearest 8-bit value of pixels in [−1, 1], int64 in [0, 255]."""
    return ((x + 1) * ((_CELLS - 1) / 2)).round().clamp(0, _CELLS - 1).to(torch.int64)


@functools.lru_cache(maxsize=8)
def diagonals(height: int, width: int) -> list[tuple[Tensor, Tensor]]:
    """Return rows and columns of pixels that can be drawn at once: of equal ``2 · row + column``."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    rows, columns = rows.flatten(), columns.flatten()
    turn = 2 * rows + columns
    order = torch.argsort(turn, stable=True)
    sizes = torch.bincount(turn).tolist()
    return [(rows[index], columns[index]) for index in order.split(sizes) if len(index)]


def _choose_levels(counts: Tensor, levels: int) -> dict[str, Tensor]:
    """Gather the 256 cells into levels of about equal frequency, frequent cells alone.

    Returns
    -------
    dict
        ``level`` of each cell, the ``log_share`` that a cell has of its level, the
        ``cumulative`` share of the cells up to each, and the mean ``value`` of each level.
    """
    share = (counts + 1e-3 * counts.sum() / _CELLS + 1e-9).double()
    share = share / share.sum()
    level = _group_cells(share, levels)
    mass = torch.zeros(levels, dtype=torch.float64).index_add_(0, level, share)
    inside = share / mass[level]
    centres = torch.linspace(-1, 1, _CELLS, dtype=torch.float64)
    value = torch.zeros(levels, dtype=torch.float64).index_add_(0, level, inside * centres)
    return {
        "level": level,
        "log_share": inside.log().float(),
        "cumulative": share.cumsum(0).float(),
        "value": value.float(),
    }


def _group_cells(share: Tensor, levels: int) -> Tensor:
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
