"""The flow-matching prior: a velocity field over codes, and where it carries noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vaeaug.nn.distributions import CodeDistribution, DiagonalGaussian
from vaeaug.nn.networks import ResidualBlock
from vaeaug.nn.priors.base import Prior, Sizes, find_borrowing_shares
from vaeaug.utils.validation import check_number

__all__ = ["FlowDistribution", "FlowMatchingObjective", "FlowPrior", "VelocityField"]

_FREQUENCIES = 16
_FASTEST = 64.0


class VelocityField(nn.Module):
    """A network ``v(z, t, c)`` that says where a code at time t is going.

    Parameters
    ----------
    latent_dim, context_width : int
        D and K.
    width, depth : int
        Of the residual trunk.
    """

    frequencies: Tensor

    def __init__(self, latent_dim: int, context_width: int, width: int, depth: int) -> None:
        super().__init__()
        self.code = nn.Linear(latent_dim, width)
        self.context = nn.Linear(context_width, width, bias=False) if context_width else None
        self.time = nn.Linear(2 * _FREQUENCIES, width)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(depth)), nn.SiLU())
        self.out = nn.Linear(width, latent_dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        frequencies = torch.exp(torch.linspace(0, math.log(_FASTEST), _FREQUENCIES))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, z: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """Map codes ``(B, D)``, times ``(B,)`` and contexts ``(B, K)`` to velocities ``(B, D)``."""
        angle = t[:, None] * self.frequencies
        h = self.code(z) + self.time(torch.cat([angle.sin(), angle.cos()], 1))
        if self.context is not None:
            h = h + self.context(c)
        return self.out(self.blocks(h))


class FlowMatchingObjective(nn.Module):
    """Regress the velocity of straight paths from noise to codes.

    ``E ‖v((1−t)·ε + t·z, t, c) − (z − ε)‖²`` with ``ε ~ N(0, I)`` and a logit-normal t
    (Lipman et al. 2023, *Flow Matching for Generative Modeling*; Esser et al. 2024 for
    the times).

    Parameters
    ----------
    field : VelocityField
    """

    def __init__(self, field: VelocityField) -> None:
        super().__init__()
        self.field = field

    def forward(self, batch: tuple[Tensor, ...], progress: float) -> dict[str, Tensor]:
        """Take ``(codes (B, D), contexts (B, K))`` and return the loss, shape ``(B,)``."""
        z, c = batch
        noise = torch.randn_like(z)
        t = torch.sigmoid(torch.randn(len(z), dtype=z.dtype, device=z.device))
        path = noise + t[:, None] * (z - noise)
        return {"loss": (self.field(path, t, c) - (z - noise)).square().sum(1)}


class FlowDistribution(CodeDistribution):
    """Where the flow of a velocity field carries ``N(0, I)`` from time 0 to time 1.

    Parameters
    ----------
    field : VelocityField
    c : Tensor (B, K)
    steps : int
        Of Heun's method; each step asks the field twice.
    centre, spread : Tensor (D,)
        The codes the field was trained on were standardised with these.
    borrowing : Tensor (B,), optional
        Probability in [0, 1) that a code is drawn as if its context were unknown (all zero).
    guidance : float
        g of ``v(z, t, 0) + g · (v(z, t, c) − v(z, t, 0))``: above 1, codes are more typical of their context
        than the training codes are (Ho and Salimans 2022, *Classifier-Free Diffusion Guidance*).
    """

    def __init__(
        self,
        field: VelocityField,
        c: Tensor,
        steps: int,
        centre: Tensor,
        spread: Tensor,
        borrowing: Tensor | None = None,
        guidance: float = 1.0,
    ) -> None:
        self.field, self.c, self.steps = field, c, steps
        self.centre, self.spread, self.borrowing, self.guidance = centre, spread, borrowing, guidance
        super().__init__(len(c), len(centre))

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Carry noise of scale ``temperature`` along the flow, shape ``(B, D)``."""
        shape = (len(self.c), len(self.centre))
        z = temperature * torch.randn(shape, dtype=self.centre.dtype, device=self.centre.device)
        c = self.c
        if self.borrowing is not None:
            c = c * (torch.rand_like(self.borrowing) >= self.borrowing)[:, None]
        step = 1.0 / self.steps
        for i in range(self.steps):
            start = self._velocity(z, i * step, c)
            end = self._velocity(z + step * start, (i + 1) * step, c)
            z = z + 0.5 * step * (start + end)
        return z * self.spread + self.centre

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density of codes ``(B, D)`` by flowing back, shape ``(B,)``.

        Uses the instantaneous change of variables, ``d log p / dt = −tr ∂v/∂z`` (Chen et
        al. 2018), with the exact trace: D backward passes a step.
        """
        own = self._log_prob(z, self.c)
        if self.borrowing is None:
            return own
        shared = self._log_prob(z, torch.zeros_like(self.c))
        return torch.logaddexp(own + torch.log1p(-self.borrowing), shared + self.borrowing.log())

    def _log_prob(self, z: Tensor, c: Tensor) -> Tensor:
        z = (z - self.centre) / self.spread
        log_volume = -self.spread.log().sum().expand(len(z))
        step = 1.0 / self.steps
        for i in reversed(range(self.steps)):
            end, trace_end = self._velocity_and_trace(z, (i + 1) * step, c)
            start, trace_start = self._velocity_and_trace(z - step * end, i * step, c)
            z = z - 0.5 * step * (start + end)
            log_volume = log_volume - 0.5 * step * (trace_start + trace_end)
        base = DiagonalGaussian(torch.zeros_like(z), torch.ones_like(z))
        return base.log_prob(z) + log_volume

    def _velocity(self, z: Tensor, time: float, c: Tensor) -> Tensor:
        t = torch.full((len(z),), time, dtype=z.dtype, device=z.device)
        if self.guidance == 1 or not c.shape[1]:
            return self.field(z, t, c)
        both = self.field(z.repeat(2, 1), t.repeat(2), torch.cat([torch.zeros_like(c), c]))
        unknown, known = both.chunk(2)
        return torch.lerp(unknown, known, self.guidance)

    def _velocity_and_trace(self, z: Tensor, time: float, c: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            point = z.detach().requires_grad_()
            velocity = self._velocity(point, time, c)
            trace = torch.zeros(len(z), dtype=z.dtype, device=z.device)
            for d in range(z.shape[1]):
                row = torch.autograd.grad(velocity[:, d].sum(), point, retain_graph=d < z.shape[1] - 1)[0]
                trace = trace + row[:, d]
        return velocity.detach(), trace.detach()


class FlowPrior(Prior):
    """A flow-matching prior: a small conditional network carries noise to the codes.

    Trained after the networks on codes drawn from the posterior and standardised by the
    aggregate posterior. A class of n rows asks the flow of unlabelled rows with
    probability ``κ / (n + κ)``, which shrinks small classes towards the shared prior.

    Parameters
    ----------
    width, depth : int
        Of the velocity network.
    steps : int
        Of Heun's method when sampling; each asks the network twice.
    guidance : float
        Above 1, drawn codes are more typical of their context than the training codes; below,
        less. 1 leaves the network as it was trained.
    """

    tolerant = True

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 128,
        depth: int = 2,
        steps: int = 6,
        guidance: float = 1.0,
        pseudo_count: float = 10.0,
    ) -> None:
        super().__init__(sizes, pseudo_count=pseudo_count)
        check_number("width", width, low=1, integer=True)
        check_number("depth", depth, low=0, integer=True)
        self.guidance = float(check_number("guidance", guidance, low=0))
        self.steps = check_number("steps", steps, low=1, integer=True)
        self.field = VelocityField(sizes.latent_dim, sizes.context_width, width, depth)
        self.register_buffer("centre", torch.zeros(sizes.latent_dim))
        self.register_buffer("spread", torch.ones(sizes.latent_dim))
        self.register_buffer("borrowing", torch.zeros(self.classes + 1))

    centre: Tensor
    spread: Tensor
    borrowing: Tensor

    def forward(self, c: Tensor) -> CodeDistribution:
        """Return where the flow carries noise for each context."""
        borrowing = self.borrowing[self.group(c)] if self.context_width else None
        return FlowDistribution(self.field, c, self.steps, self.centre, self.spread, borrowing, self.guidance)

    def objective(self, codes: Tensor, contexts: Tensor, draws: int) -> nn.Module:
        """Standardise by the codes' moments and return the regression of straight paths."""
        with torch.no_grad():
            self.centre.copy_(codes.mean(0))
            self.spread.copy_(codes.std(0, correction=0).clamp(min=1e-4))
            self.borrowing.copy_(find_borrowing_shares(self, contexts, draws))
        return _StandardisedObjective(self)


class _StandardisedObjective(nn.Module):
    """Flow matching on standardised codes, with the context hidden from a tenth of the rows."""

    def __init__(self, prior: FlowPrior) -> None:
        super().__init__()
        self.prior = prior
        self.matching = FlowMatchingObjective(prior.field)

    def forward(self, batch: tuple[Tensor, ...], progress: float) -> dict[str, Tensor]:
        codes, contexts = batch
        z = (codes - self.prior.centre) / self.prior.spread
        shown = torch.rand(len(z), 1, device=z.device) >= 0.1
        return self.matching((z, contexts * shown), progress)
