"""Peaks in the distributions of ordered columns: a number lies near what the columns before it say."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Peaks"]

#: How much wider than the spread of a column a peak may be (its logarithm).
_BLUNTEST = -3.0
#: How much narrower each further peak of a column is at the start (its logarithm), and how high all are.
_NARROWER, _HEIGHT = 1.2, 1.0
#: A regression tells of a column that it leaves at most so much of the spread of.
_TELLING = 0.7
#: A peak starts at the regression on so many columns at most, learned from so many rows at most.
_PREDICTORS, _ROWS = 16, 5_000
#: So far from a peak, in its widths, it counts for nothing. Below the range of single precision exp() takes
#: some processors thirty times as long.
_REACH = 9.0
#: Rounds of the regression, which leans on the rows that it fits (least absolute deviations).
_ROUNDS = 8
_SMALL = 0.02


class Peaks(nn.Module):
    """Peaks in the log-probabilities of the tokens of ordered columns.

    ``Σ_k h_k exp(−½ (e^{s_k} (v_b − m_k))²)`` is added to the logit of token b, whose value is v_b. Heights h
    and sharpnesses s of the K peaks of a column are linear in the units that the column may read; places m
    also in the values of the numbers before it. Two columns that nearly determine each other need a ridge as
    narrow as a bin. Free weights learn it bin by bin, from the rows of each; a peak learns it from all rows.

    Parameters
    ----------
    blocks : list of (int, int)
        First token and number of tokens of each ordered column.
    owners : Tensor of int (n,)
        Number of each ordered column among all.
    degrees : Tensor of int (units,)
        Units that a column may read have its number or less.
    own : int
        Units of each column's own.
    peaks : int
        K.
    """

    tokens: Tensor
    taken: Tensor
    owned: Tensor
    unit_mask: Tensor
    number_mask: Tensor
    sharpest: Tensor

    def __init__(
        self, blocks: list[tuple[int, int]], owners: Tensor, degrees: Tensor, own: int, peaks: int
    ) -> None:
        super().__init__()
        self.peaks = peaks
        self.blocks = blocks
        self.numbers = {int(owner): i for i, owner in enumerate(owners)}
        count, widest = len(blocks), max(levels for _, levels in blocks)
        ranks = torch.arange(widest)
        inside = torch.stack([ranks < levels for _, levels in blocks])
        tokens = torch.stack([first + ranks.clamp(max=levels - 1) for first, levels in blocks])
        constants = {
            "tokens": tokens,
            "taken": inside.flatten().nonzero()[:, 0],
            "owned": torch.cat([torch.arange(first, first + levels) for first, levels in blocks]),
            "unit_mask": (degrees[None, :] <= owners[:, None]).float(),
            "number_mask": torch.ones(count, count - 1).tril(-1),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        # Narrower than half the way from token to token, a peak would lie unseen between two of them.
        self.register_buffer("sharpest", torch.full((count, 1), 5.0))
        # Of each column: places, sharpnesses and heights of its peaks.
        self.bias = nn.Parameter(torch.zeros(count, 3 * peaks))
        self.read = nn.Parameter(_SMALL * torch.randn(count, 3 * peaks, len(degrees)))
        self.own_read = nn.Parameter(_SMALL * torch.randn(count, 3 * peaks, own))
        self.number_read = nn.Parameter(torch.zeros(count, peaks, count - 1))

    @torch.no_grad()
    def initialise(self, numbers: Tensor, values: Tensor) -> None:
        """Start at regressions of each column on those before it.

        Parameters
        ----------
        numbers : Tensor (n, columns)
            Values of training rows, 0 where one is missing.
        values : Tensor (tokens,)
            Value of each token, 0 for the missing one.
        """
        for i, (first, levels) in enumerate(self.blocks):
            own = values[first : first + levels]
            steps = own[own != 0].sort().values.diff()
            if len(steps) and float(steps.median()) > 0:
                self.sharpest[i] = math.log(2 / float(steps.median()))
        rows = numbers[:: max(1, len(numbers) // _ROWS)].double()
        known = rows != 0
        for i in range(len(self.blocks)):
            own = rows[known[:, i]]
            if len(own) < 2 * _PREDICTORS:
                continue
            weights, middle, spread = _regress(own[:, :i], own[:, i])
            self.number_read[i, :, :i] = weights.to(self.number_read)
            places, sharpness, heights = self.bias[i].chunk(3)
            narrower = torch.arange(self.peaks).to(sharpness) * _NARROWER - math.log(spread)
            places.fill_(middle)
            sharpness.copy_(narrower.clamp(_BLUNTEST, float(self.sharpest[i])))
            # Where the columns before say little, a peak is there to be found, and says nothing at first.
            usual = float((own[:, i] - own[:, i].median()).abs().median()) * 1.48
            heights.fill_(_HEIGHT if spread < _TELLING * usual else 0.0)

    def forward(
        self,
        shared: Tensor,
        own: Tensor | None,
        numbers: Tensor,
        values: Tensor,
        columns: range | None = None,
    ) -> Tensor:
        """Return what is added to the logits of the tokens of ordered columns, see :meth:`list_tokens`.

        Parameters
        ----------
        shared : Tensor (B, units)
        own : Tensor (B, columns, own) or None
            Active units.
        numbers : Tensor (B, columns)
            Values of the columns, of which each reads those before it.
        values : Tensor (tokens,)
            Value of each token, 0 for the missing one.
        columns : range, optional
            Which of the ordered columns; all by default.

        Returns
        -------
        Tensor (B, tokens of these columns)
        """
        columns = range(len(self.blocks)) if columns is None else columns
        part = slice(columns.start, columns.stop)
        count, width = self.bias[part].shape
        read = (self.read[part] * self.unit_mask[part, None]).flatten(0, 1)
        found = torch.addmm(self.bias[part].flatten(), shared, read.T).view(-1, count, width)
        if own is not None:
            found = found + torch.einsum("bcu,cou->bco", own[:, part], self.own_read[part])
        numbers_read = (self.number_read[part] * self.number_mask[part, None]).flatten(0, 1)
        places, rest = found.split([self.peaks, 2 * self.peaks], 2)
        places = places + (numbers[:, :-1] @ numbers_read.T).view(-1, count, self.peaks)
        sharpness, heights = rest.chunk(2, 2)
        sharpness = sharpness.clamp(min=_BLUNTEST).minimum(self.sharpest[part])
        bump: Tensor = _Bumps.apply(places, sharpness, heights, values[self.tokens[part]])
        padding = columns.start * self.tokens.shape[1]
        return bump.flatten(1)[:, self.taken[self._cut(columns)] - padding]

    def find_columns(self, tokens: slice) -> range:
        """Return which of the ordered columns have their tokens in a stretch of all tokens."""
        found = [i for i, (first, _) in enumerate(self.blocks) if tokens.start <= first < tokens.stop]
        return range(found[0], found[-1] + 1) if found else range(0)

    def list_tokens(self, columns: range) -> Tensor:
        """Return the tokens of some of the ordered columns, int64."""
        return self.owned[self._cut(columns)]

    def _cut(self, columns: range) -> slice:
        ends = [0, *accumulate(levels for _, levels in self.blocks)]
        return slice(ends[columns.start], ends[columns.stop])

    def add_column(
        self, i: int, written: Tensor, active: Tensor, own: int, numbers: Tensor, values: Tensor
    ) -> None:
        """Add the peaks of one ordered column to its logits ``(B, levels)``, in place.

        Parameters
        ----------
        i : int
            Number of the column among the ordered ones.
        written : Tensor (B, levels)
        active : Tensor (B, ready + own)
            Active units, those of the column's own last.
        own : int
        numbers : Tensor (B, columns)
        values : Tensor (tokens,)
        """
        ready = active.shape[1] - own
        read = torch.cat([self.read[i, :, :ready], self.own_read[i]], 1)
        found = torch.addmm(self.bias[i], active, read.T)
        places, sharpness, heights = found.chunk(3, 1)
        if i:
            places = places + numbers[:, :i] @ self.number_read[i, :, :i].T
        first, levels = self.blocks[i]
        own_values = values[first : first + levels]
        sharpness = sharpness.clamp(min=_BLUNTEST).minimum(self.sharpest[i])
        for k in range(self.peaks):
            apart = (own_values - places[:, k, None]).mul_(sharpness[:, k, None].exp())
            apart.clamp_(-_REACH, _REACH)
            written.addcmul_(apart.square_().mul_(-0.5).exp_(), heights[:, k, None] * (own_values != 0))


def _regress(predictors: Tensor, target: Tensor) -> tuple[Tensor, float, float]:
    """Return weights, intercept and spread of a regression of least absolute deviations."""
    weights = predictors.new_zeros(predictors.shape[1])
    centred = predictors - predictors.mean(0)
    spread = centred.square().mean(0).sqrt().clamp(min=1e-9)
    strength = (centred * (target - target.mean())[:, None]).mean(0).abs() / spread
    chosen = strength.argsort(descending=True, stable=True)[:_PREDICTORS]
    design = torch.cat([predictors[:, chosen], torch.ones_like(target)[:, None]], 1)
    ridge = 1e-3 * len(target) * torch.eye(design.shape[1], dtype=design.dtype, device=design.device)
    trust = torch.ones_like(target)
    for _ in range(_ROUNDS):
        weighted = design * trust[:, None]
        found = torch.linalg.solve(weighted.T @ design + ridge, weighted.T @ target)
        error = (target - design @ found).abs()
        middle = float(error.median())
        trust = 1 / error.clamp(min=0.1 * middle + 1e-6)
        trust = trust / trust.mean()
    weights[chosen] = found[:-1]
    return weights, float(found[-1]), 1.48 * middle + 1e-3


class _Bumps(torch.autograd.Function):
    """Sums of bell-shaped peaks at tokens, shape ``(B, columns, tokens)``.

    Inputs are places, sharpnesses and heights ``(B, columns, peaks)``, and values of tokens ``(columns,
    tokens)``. By hand, since autograd would keep and read three times as much.
    """

    @staticmethod
    def forward(ctx: Any, places: Tensor, sharpness: Tensor, heights: Tensor, values: Tensor) -> Tensor:
        steep = sharpness.exp()
        total = places.new_zeros(*places.shape[:2], values.shape[1])
        there = values != 0
        kept = []
        for k in range(places.shape[2]):
            apart = (values - places[..., k, None]).mul_(steep[..., k, None]).clamp_(-_REACH, _REACH)
            bell = apart.square().mul_(-0.5).exp_().mul_(there)
            total.addcmul_(heights[..., k, None], bell)
            kept += [apart, bell]
        ctx.save_for_backward(steep, heights, *kept)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        steep, heights, *kept = ctx.saved_tensors
        moved: list[list[Tensor]] = [[], [], []]
        for k, (apart, bell) in enumerate(zip(kept[::2], kept[1::2], strict=True)):
            share = gradient * bell
            moved[2].append(share.sum(2))
            share.mul_(apart)
            moved[0].append(share.sum(2) * heights[..., k] * steep[..., k])
            moved[1].append(-share.mul_(apart).sum(2) * heights[..., k])
        places, sharpness, height = (torch.stack(each, 2) for each in moved)
        return places, sharpness, height, None
