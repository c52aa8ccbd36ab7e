"""What the contract tests of the networks' parts share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ROWS, LATENT_DIM = 6, 3


def every_parameter_has_a_gradient(module: nn.Module) -> bool:
    """Tell whether the last backward pass reached all parameters, with finite values, not all zero."""
    gradients = [parameter.grad for parameter in module.parameters() if parameter.numel()]
    return all(g is not None and bool(g.isfinite().all()) and bool(g.abs().sum() > 0) for g in gradients)


def stirred(module: nn.Module, seed: int = 0) -> nn.Module:
    """Return the module in float64 with every parameter moved off its initial value."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module


def one_hot(labels: list[int], classes: int) -> Tensor:
    """Return one-hot contexts, float64; label −1 is unknown."""
    return (torch.tensor(labels)[:, None] == torch.arange(classes)).double()


def grid(low: float, high: float, points: int) -> tuple[Tensor, float]:
    """Return the points of a square grid in two dimensions, and the area of a cell."""
    axis = torch.linspace(low, high, points, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis), float((axis[1] - axis[0]) ** 2)
