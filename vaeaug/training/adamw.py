"""AdamW without the compiler, which torch's own imports at its first step: a second or two of every fit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from vaeaug.utils.random import skip_modes

__all__ = ["AdamW"]

_EPSILON = 1e-8


class AdamW:
    """AdamW (Loshchilov & Hutter 2019, *Decoupled Weight Decay Regularization*, algorithm 2).

    The arithmetic is that of torch's fused kernel where there is one. Biases and gains do not decay.

    Parameters
    ----------
    parameters : iterable of Parameter
    betas : (float, float)
        Decay of the first and of the second moment.
    weight_decay : float
        Per unit of learning rate, of parameters with more than one axis.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], betas: tuple[float, float], weight_decay: float
    ) -> None:
        # Those that decay come first; checkpoints number moments in this order.
        self.parameters = sorted(parameters, key=lambda p: p.ndim <= 1)
        self.decays = [weight_decay if p.ndim > 1 else 0.0 for p in self.parameters]
        self.betas = betas
        self._first = [torch.zeros_like(p.detach()) for p in self.parameters]
        self._second = [torch.zeros_like(p.detach()) for p in self.parameters]
        self._steps = [torch.zeros((), device=p.device) for p in self.parameters]
        self._fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in self.parameters)

    @skip_modes
    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    @skip_modes
    def step(self, learning_rate: float, clip_norm: float | None = None) -> Tensor:
        """Move the parameters that have a gradient; return the norm of all gradients together.

        Parameters
        ----------
        learning_rate : float
        clip_norm : float, optional
            Longer gradients are first scaled down to this norm.
        """
        found = [(i, p.grad) for i, p in enumerate(self.parameters) if p.grad is not None]
        if not found:
            return torch.zeros((), device=self._steps[0].device)
        norm = torch.stack(torch._foreach_norm([gradient for _, gradient in found])).norm()
        # The kernel divides gradients by this, on its way through them.
        excess = (norm / (clip_norm or math.inf)).clamp(min=1.0).float()
        move = self._move_by_kernel if self._fused else self._move_plainly
        for decay in sorted({self.decays[i] for i, _ in found}):
            numbers, gradients = zip(*((i, g) for i, g in found if self.decays[i] == decay), strict=True)
            move(numbers, gradients, learning_rate, decay, excess)
        return norm

    def _move_by_kernel(
        self,
        numbers: Sequence[int],
        gradients: Sequence[Tensor],
        learning_rate: float,
        decay: float,
        excess: Tensor,
    ) -> None:
        steps = [self._steps[i] for i in numbers]
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            [self.parameters[i] for i in numbers],
            list(gradients),
            [self._first[i] for i in numbers],
            [self._second[i] for i in numbers],
            [],
            steps,
            lr=learning_rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=decay,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
            grad_scale=excess,
        )

    def _move_plainly(
        self,
        numbers: Sequence[int],
        gradients: Sequence[Tensor],
        learning_rate: float,
        decay: float,
        excess: Tensor,
    ) -> None:
        slow, slower = self.betas
        for i, unscaled in zip(numbers, gradients, strict=True):
            parameter, first, second = self.parameters[i], self._first[i], self._second[i]
            gradient = unscaled / excess
            self._steps[i] += 1
            step = float(self._steps[i])
            parameter.mul_(1 - learning_rate * decay)
            first.lerp_(gradient, 1 - slow)
            second.mul_(slower).addcmul_(gradient, gradient, value=1 - slower)
            spread = second.sqrt().div_(math.sqrt(1 - slower**step)).add_(_EPSILON)
            parameter.addcdiv_(first, spread, value=-learning_rate / (1 - slow**step))

    def state(self) -> dict[str, Tensor]:
        """Return what is remembered of each parameter, by number and name; not a copy."""
        parts = {"step": self._steps, "exp_avg": self._first, "exp_avg_sq": self._second}
        return {f"{i}.{name}": value for name, part in parts.items() for i, value in enumerate(part)}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what :meth:`state` returned; what is missing there has not been moved yet."""
        for name, value in self.state().items():
            value.copy_(state[name]) if name in state else value.zero_()
