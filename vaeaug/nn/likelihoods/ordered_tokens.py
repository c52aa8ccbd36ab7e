"""Tokens that are numbers: their order, and what a number looks like to the network."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.utils.random import skip_modes

__all__ = ["OrderedTokens"]

#: Hat functions per ordered column, and the levels below which a column gets none.
_KNOTS = 12
_FEWEST_LEVELS = 12
#: How strongly an ordered token may deviate from what its neighbours say.
_FREEDOM = 0.3


class _AddScaled(torch.autograd.Function):
    """``bent + free · share``, written over ``bent``; the share needs no gradient.

    These are the largest arrays of a step: torch's own ``addcmul`` goes over them three times more.
    """

    @staticmethod
    def forward(ctx: Any, bent: Tensor, free: Tensor, share: Tensor) -> Tensor:
        ctx.mark_dirty(bent)
        ctx.save_for_backward(share)
        return bent.addcmul_(free, share)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (share,) = ctx.saved_tensors
        return gradient, gradient * share, None


class OrderedTokens(nn.Module):
    """Knows which categorical columns of a row are binned numbers, and where their tokens lie.

    A categorical column that a hint follows is a number: its tokens have an order. Weights
    that belong to such tokens are written as ``share · free + basis @ smooth``, a smooth
    function of the token's rank plus a damped deviation, so that neighbouring bins learn
    from each other. The basis holds linear B-splines ("hats") over the rank, of which at most two
    neighbours differ from 0 at any token: only these are kept.

    The hint of a sampled value, which later columns read, is ``value + slope · (position − ½)``
    of its token; both are measured on the training rows.

    Parameters
    ----------
    layout : Layout
        Of a flat row.
    """

    hats: Tensor
    heights: Tensor
    freedom: Tensor
    value: Tensor
    slope: Tensor
    columns: Tensor
    owners: Tensor

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        owners, columns, self.positions = _numbers(layout)
        self.token_columns = owners
        levels = layout.levels.tolist()
        starts = [sum(levels[:j]) for j in range(len(levels))]
        self.blocks = [(starts[j], levels[j]) for j in owners]
        self.knots = [_KNOTS if levels[j] >= _FEWEST_LEVELS else 0 for j in owners]
        total = sum(levels)
        freedom = torch.ones(total)
        for (start, width), knots in zip(self.blocks, self.knots, strict=True):
            if knots:
                freedom[start : start + width] = _FREEDOM
        self.register_buffer("owners", torch.tensor(owners, dtype=torch.int64), persistent=False)
        self.register_buffer("columns", torch.tensor(columns, dtype=torch.int64), persistent=False)
        self.register_buffer("freedom", freedom[:, None], persistent=False)
        self.register_buffer("hats", torch.zeros(total, 2, dtype=torch.int64), persistent=False)
        self.register_buffer("heights", torch.zeros(total, 2), persistent=False)
        self.register_buffer("value", torch.zeros(total))
        self.register_buffer("slope", torch.zeros(total))

    @property
    def width(self) -> int:
        """Number of hat functions of all columns together."""
        return sum(self.knots)

    @property
    def knot_owners(self) -> Tensor:
        """Which categorical column each hat function belongs to, shape ``(width,)``."""
        return torch.repeat_interleave(self.owners, torch.tensor(self.knots, dtype=torch.int64))

    def measure(self, x: Tensor, codes: Tensor) -> None:
        """Measure where tokens lie from training rows ``(n, W)`` and their codes ``(n, tokens)``."""
        for i, (first, levels) in enumerate(self.blocks):
            code, hint = codes[:, int(self.owners[i])], x[:, int(self.columns[i])]
            known = code >= 0
            code, hint = code[known], hint[known]
            rows = torch.bincount(code, minlength=levels).clamp(min=1)
            value = hint.new_zeros(levels).index_add_(0, code, hint) / rows
            self.value[first : first + levels] = value
            if self.positions[i] >= 0:
                offset = x[known, self.positions[i]] - 0.5
                rise = hint.new_zeros(levels).index_add_(0, code, offset * (hint - value[code]))
                spread = hint.new_zeros(levels).index_add_(0, code, offset.square())
                self.slope[first : first + levels] = rise / spread.clamp(min=1e-6)
        self._place_hats()

    def _place_hats(self) -> None:
        """Find the two hats over each token's rank, and their heights there, from the values."""
        start = 0
        for (first, levels), knots in zip(self.blocks, self.knots, strict=True):
            if not knots:
                continue
            token = slice(first, first + levels)
            rank = 0.5 * (1 + torch.erf(self.value[token] / math.sqrt(2))) * (knots - 1)
            left = rank.floor().clamp(0, knots - 2)
            self.hats[token] = start + torch.stack([left, left + 1], 1).to(torch.int64)
            # A value of exactly 0 marks a missing one, which has no place in the order.
            right = rank - left
            self.heights[token] = torch.stack([1 - right, right], 1) * (self.value[token] != 0)[:, None]
            start += knots

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object, **kwargs: object) -> None:
        state_dict.pop(prefix + "basis", None)  # early files held the whole basis
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._place_hats()

    def combine(self, free: Tensor, share: Tensor, smooth: Tensor) -> Tensor:
        """Return one weight row per token: ``share · free``, both ``(tokens, r)``, plus the smooth part."""
        if not self.width:
            return share * free
        bent = F.embedding_bag(self.hats, smooth, mode="sum", per_sample_weights=self.heights)
        made: Tensor = _AddScaled.apply(bent, free, share)
        return made

    @skip_modes
    def hint(self, i: int, code: Tensor, position: Tensor | float) -> Tensor:
        """Return the hint of sampled codes ``(B,)`` of the i-th ordered column."""
        token = code + self.blocks[i][0]
        return self.value[token] + self.slope[token] * (position - 0.5)


def _numbers(layout: Layout) -> tuple[list[int], list[int], list[int]]:
    """Return for each number its categorical column, its hint's and its position's encoded column (or −1)."""
    owners: list[int] = []
    hints: list[int] = []
    positions: list[int] = []
    token, column, position = -1, 0, -1
    for span in layout.spans:
        if span.kind == "categorical":
            token, position = token + 1, -1
        elif span.kind == "position" and position < 0:
            position = column
        elif span.kind == "hint" and token >= 0:
            owners.append(token)
            hints.append(column)
            positions.append(position)
        column += span.columns
    return owners, hints, positions
