"""Encoder and decoder networks: rows and codes to hidden features, conditioned on the context."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.utils.random import skip_modes

__all__ = ["CodeDecoder", "ResidualBlock", "RowEncoder", "SteadyNorm", "Trunk", "add_up", "project", "silu"]

#: Terms that a product adds up at once. Longer sums some processors cut in the middle where there are two
#: threads, and then the last digits depend on how many there are.
_MOST_TERMS = 512


class _Silu(torch.autograd.Function):
    """``x · sigmoid(x)``, whose bytes do not depend on how threads share the work.

    torch computes the ends of a thread's share one by one, with another exponential than the rest; its
    hyperbolic tangent is the same everywhere.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        share = torch.tanh(0.5 * x).mul_(0.5).add_(0.5)
        ctx.save_for_backward(x, share)
        return x * share

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, share = ctx.saved_tensors
        return gradients[0] * (share * (1 + x * (1 - share)))


def silu(x: Tensor) -> Tensor:
    """Return ``x · sigmoid(x)``, of the same bytes for any number of threads."""
    return _Silu.apply(x)


class SteadyNorm(nn.LayerNorm):
    """Layer norm whose gradients have the same bytes for any number of threads.

    torch adds up the gradients of weight and bias thread by thread; outside of its kernel they are sums of
    columns.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(..., width)`` over the last axis."""
        if not self.training:
            return super().forward(x)
        return torch.addcmul(self.bias, F.layer_norm(x, self.normalized_shape, eps=self.eps), self.weight)


class ResidualBlock(nn.Module):
    """Pre-norm residual block ``x + W₂ silu(W₁ LayerNorm(x))`` that starts as the identity.

    Parameters
    ----------
    width : int
        Features in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = SteadyNorm(width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, width)`` to ``(B, width)``."""
        return x + self.outer(silu(self.inner(self.norm(x))))


class Trunk(nn.Sequential):
    """A stack of residual blocks, closed by a layer norm.

    Parameters
    ----------
    width : int
    depth : int
        Number of blocks, at least 0.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__(*(ResidualBlock(width) for _ in range(depth)), SteadyNorm(width))


class RowEncoder(nn.Module):
    """Read an encoded table row: the sum of its tokens' embeddings plus a linear map of its numbers.

    Parameters
    ----------
    layout : Layout
        Of a flat row. ``"position"`` columns are not read: the code and the hint tell
        the encoder where a value lies.
    context_width : int
        K; an all-zero context means "unknown" and adds nothing.
    width, depth : int
        Of the residual trunk.
    """

    token_columns: Tensor
    number_columns: Tensor
    offsets: Tensor

    def __init__(self, layout: Layout, context_width: int, width: int, depth: int) -> None:
        super().__init__()
        self.width = width
        levels = torch.as_tensor(layout.levels)
        self.total = int(levels.sum())
        numbers = sorted([*layout.columns("hint"), *layout.columns("continuous")])
        self.register_buffer(
            "token_columns", torch.as_tensor(layout.columns("categorical")), persistent=False
        )
        self.register_buffer("offsets", torch.cumsum(levels, 0) - levels, persistent=False)
        self.register_buffer("number_columns", torch.as_tensor(numbers, dtype=torch.int64), persistent=False)
        # One row more than there are tokens: the last stands for "unknown" and stays zero.
        self.embedding = nn.EmbeddingBag(self.total + 1, width, mode="sum", padding_idx=self.total)
        nn.init.normal_(self.embedding.weight, std=1.0 / math.sqrt(max(1, len(levels))))
        with torch.no_grad():
            self.embedding.weight[self.total].zero_()
        self.numbers = nn.Linear(len(numbers), width) if numbers else None
        self.context = nn.Linear(context_width, width, bias=False) if context_width else None
        self.trunk = Trunk(width, depth)

    @skip_modes
    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Map rows ``(B, W)`` and contexts ``(B, K)`` to features ``(B, width)``."""
        h = x.new_zeros(len(x), self.width)
        if len(self.offsets):
            codes = x[:, self.token_columns].to(torch.int64)
            h = h + self.embedding(torch.where(codes < 0, self.total, codes + self.offsets))
        if self.numbers is not None:
            h = h + self.numbers(x[:, self.number_columns])
        if self.context is not None:
            h = h + self.context(c)
        return self.trunk(h)


def project(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``h · weightᵀ + bias``; gradients of h are the same for any number of threads."""
    if not h.requires_grad or len(weight) <= _MOST_TERMS:
        return F.linear(h, weight, bias)
    parts = zip(weight.split(_MOST_TERMS), bias.split(_MOST_TERMS), strict=True)
    return torch.cat([F.linear(h, part, more) for part, more in parts], 1)


def add_up(x: Tensor, weights: Tensor) -> Tensor:
    """Return ``x · weights``, the same for any number of threads."""
    if len(weights) <= _MOST_TERMS:
        return x @ weights
    parts = zip(x.split(_MOST_TERMS, 1), weights.split(_MOST_TERMS), strict=True)
    return torch.stack([part @ others for part, others in parts]).sum(0)


class CodeDecoder(nn.Module):
    """Turn codes and contexts into the parameters of a likelihood.

    Parameters
    ----------
    latent_dim, context_width : int
        D and K.
    parameters : int
        P, the number of outputs that the likelihood asks for.
    width, depth : int
        Of the residual trunk.
    """

    def __init__(self, latent_dim: int, context_width: int, parameters: int, width: int, depth: int) -> None:
        super().__init__()
        self.code = nn.Linear(latent_dim, width)
        self.context = nn.Linear(context_width, width, bias=False) if context_width else None
        self.trunk = Trunk(width, depth)
        self.out = nn.Linear(width, parameters)

    @skip_modes
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Map codes ``(B, D)`` and contexts ``(B, K)`` to parameters ``(B, P)``."""
        h = self.code(z)
        if self.context is not None:
            h = h + self.context(c)
        return project(self.trunk(h), self.out.weight, self.out.bias)
