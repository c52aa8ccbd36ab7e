"""Hierarchical latent spaces: codes in levels, from fine ones to coarse ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vaeaug.errors import InputError
from vaeaug.nn.distributions import DiagonalGaussian, TransportedDistribution
from vaeaug.nn.latents.flat import Latent
from vaeaug.nn.networks import ResidualBlock
from vaeaug.nn.posteriors.base import Posterior
from vaeaug.nn.posteriors.gaussian import GaussianPosterior
from vaeaug.nn.priors.base import Prior, StandardPrior
from vaeaug.utils.validation import check_number

__all__ = ["LadderLatent", "TopDown", "TopDownDistribution", "TopDownPrior", "VariationalLadder"]


def _cut(latent_dim: int, levels: int) -> list[slice]:
    """Cut D dimensions into levels, the finest first; it takes what does not divide."""
    if latent_dim < levels:
        raise InputError(f"{levels} levels need at least as many dimensions; got latent_dim={latent_dim}.")
    each = latent_dim // levels
    ends = [latent_dim - each * (levels - 1 - i) for i in range(levels)]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _check_gaussian(posterior: Posterior, latent: str) -> None:
    if not isinstance(posterior, GaussianPosterior):
        raise InputError(
            f"latent={latent!r} infers a Gaussian at each level; use it with posterior='gaussian'."
        )


class _BottomUp(nn.Module):
    """Features of each level, from the finest to the coarsest, every one a block above the one before.

    Parameters
    ----------
    features, levels, width : int
    """

    def __init__(self, features: int, levels: int, width: int) -> None:
        super().__init__()
        self.entry = nn.Linear(features, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(levels))

    def forward(self, h: Tensor) -> list[Tensor]:
        h = self.entry(h)
        found = []
        for block in self.blocks:
            h = block(h)
            found.append(h)
        return found


class TopDown(nn.Module):
    """The generative half of a ladder: the coarsest level given the context, then each given those above.

    Parameters
    ----------
    cuts : list of slice
        Where each level lies in a code, the finest first.
    context_width, width : int
    """

    def __init__(self, cuts: list[slice], context_width: int, width: int) -> None:
        super().__init__()
        self.cuts = cuts
        self.start = nn.Parameter(torch.zeros(width))
        self.context = nn.Linear(context_width, width, bias=False) if context_width else None
        sizes = [cut.stop - cut.start for cut in cuts]
        self.heads = nn.ModuleList(GaussianPosterior(width, size) for size in sizes)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in cuts)
        # What the finest level says, no other level reads.
        self.reads = nn.ModuleList(nn.Linear(size, width) for size in sizes[1:])

    def begin(self, c: Tensor) -> Tensor:
        """Return the state at the top, shape ``(B, width)``."""
        state = self.start.expand(len(c), -1)
        return state if self.context is None else state + self.context(c)

    def step(
        self, level: int, state: Tensor, above: Tensor | None, c: Tensor
    ) -> tuple[Tensor, DiagonalGaussian]:
        """Return the state at a level and the prior of its code, given the code of the level above."""
        if above is not None:
            state = state + self.reads[level](above)
        state = self.blocks[level](state)
        return state, self.heads[level](state, c)


class TopDownDistribution(TransportedDistribution):
    """Codes drawn level by level from the top, each given the levels above it.

    Parameters
    ----------
    top_down : TopDown
    c : Tensor (B, K)
    evidence : list of DiagonalGaussian, optional
        What the row says about each level; without it this is the prior.
    """

    def __init__(self, top_down: TopDown, c: Tensor, evidence: list[DiagonalGaussian] | None = None) -> None:
        self.top_down, self.c, self.evidence = top_down, c, evidence
        super().__init__(top_down.start.new_zeros(1).expand(len(c), top_down.cuts[-1].stop))

    def transport(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Carry noise ``(..., B, D)`` to codes, with their log-densities ``(..., B)``."""
        z, density, _ = self.descend(noise=noise)
        return z, density

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density of codes ``(..., B, D)``, shape ``(..., B)``."""
        return self.descend(codes=z)[1]

    def descend(
        self, *, noise: Tensor | None = None, codes: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Go down the levels along drawn or given codes.

        Returns
        -------
        z : Tensor (..., B, D)
        log_density : Tensor (..., B)
        kl : Tensor (..., B)
            Sum over levels of the exact KL from the prior given the levels above.
        """
        parts: list[Tensor] = []
        density = kl = self.c.new_zeros(len(self.c))
        state, above = self.top_down.begin(self.c), None
        for level in reversed(range(len(self.top_down.cuts))):
            cut = self.top_down.cuts[level]
            state, prior = self.top_down.step(level, state, above, self.c)
            own = prior if self.evidence is None else _combine(self.evidence[level], prior)
            if codes is None:
                above, part = own.transport(noise[..., cut])  # type: ignore[index]
            else:
                above = codes[..., cut]
                part = own.log_prob(above)
            density = density + part
            if self.evidence is not None:
                kl = kl + _gaussian_kl(own, prior)
            parts.append(above)
        return torch.cat(parts[::-1], -1), density, kl


def _combine(evidence: DiagonalGaussian, prior: DiagonalGaussian) -> DiagonalGaussian:
    """Weigh two Gaussians by their precision (Sønderby et al. 2016, eq. 17 to 19)."""
    first, second = evidence.scale.square().reciprocal(), prior.scale.square().reciprocal()
    precision = first + second
    mean = (evidence.mean * first + prior.mean * second) / precision
    return DiagonalGaussian(mean, precision.rsqrt())


def _gaussian_kl(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    ratio = (q.scale / p.scale).square()
    return 0.5 * (ratio + ((q.mean - p.mean) / p.scale).square() - 1 - ratio.log()).sum(-1)


class LadderLatent(Latent):
    """Ladder: levels of codes, inferred and generated in the same order, from the top down.

    ``p(z) = p(z_L | c) Π_l N(z_l; m_l(z_{>l}), s_l²(z_{>l}))``. The posterior of a level weighs what the
    row says about it and what the levels above say, by their precision (Sønderby et al. 2016,
    *Ladder Variational Autoencoders*). The decoder reads all levels, so that each can be edited; in
    the paper it reads the finest alone. ``prior="top_down"`` draws from p(z), which is trained with
    the networks; a prior that is fitted afterwards replaces it.

    Parameters
    ----------
    posterior : GaussianPosterior
        Says that levels are Gaussian, and how wide the features are.
    prior : Prior
    latent_dim : int
        D, cut evenly into levels: ``"level_1"`` is the finest.
    levels : int
        L.
    width : int
        Of the networks between levels.
    """

    def __init__(
        self, posterior: Posterior, prior: Prior, latent_dim: int, *, levels: int = 2, width: int = 128
    ) -> None:
        super().__init__(prior, latent_dim)
        _check_gaussian(posterior, "ladder")
        check_number("levels", levels, low=1, integer=True)
        check_number("width", width, low=1, integer=True)
        if isinstance(prior, StandardPrior) or prior.joint:
            raise InputError(
                "latent='ladder' is trained against a top-down prior of its own; use prior='top_down', or "
                "one that is fitted after the networks: 'mixture', 'flow' or 'gaussian'."
            )
        self.features = posterior.features
        cuts = _cut(latent_dim, levels)
        self.bottom_up = _BottomUp(self.features, levels, width)
        self.heads = nn.ModuleList(GaussianPosterior(width, cut.stop - cut.start) for cut in cuts)
        self.top_down = TopDown(cuts, prior.context_width, width)
        self.bind()

    @property
    def slices(self) -> dict[str, slice]:
        """Names of the levels, and where they lie in a code."""
        return {f"level_{i + 1}": cut for i, cut in enumerate(self.top_down.cuts)}

    def distribution(self, h: Tensor, c: Tensor) -> TopDownDistribution:
        """Return the posterior of features ``(B, H)``."""
        features = self.bottom_up(h)
        return TopDownDistribution(
            self.top_down, c, [head(each, c) for head, each in zip(self.heads, features, strict=True)]
        )

    def log_prior(self, z: Tensor, c: Tensor) -> Tensor:
        """Return the log-density of codes ``(..., B, D)`` under the top-down prior, shape ``(..., B)``."""
        return TopDownDistribution(self.top_down, c).log_prob(z)

    def infer(self, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Draw a code for features ``(B, H)`` and return it with its KL in nats: ``(B, D)``, ``(B,)``."""
        posterior = self.distribution(h, c)
        z, _, kl = posterior.descend(noise=posterior.noise())
        return z, kl


class TopDownPrior(Prior):
    """The prior that a ladder is trained with: levels drawn from the top down, given the context."""

    bound = True
    top_down: TopDown

    def bind(self, latent: Any) -> None:
        """Borrow the generative half of a ladder."""
        if not isinstance(latent, LadderLatent):
            raise InputError("prior='top_down' is the prior of a ladder; use it with latent='ladder'.")
        self.borrow(top_down=latent.top_down)

    def forward(self, c: Tensor) -> TopDownDistribution:
        """Return the distribution over codes for each context."""
        return TopDownDistribution(self.top_down, c)


class VariationalLadder(Latent):
    """Variational ladder autoencoder: independent levels that reach the row through different depths.

    Level l is read from features l blocks above the encoder and passes l blocks on its way to
    the decoder, ``z̃_l = f_l(z̃_{l+1}, z_l)``; the prior stays flat, and the levels part by how much
    network they need (Zhao et al. 2017, *Learning Hierarchical Features from Generative
    Models*, section 4).

    Parameters
    ----------
    posterior : GaussianPosterior
        Says that levels are Gaussian, and how wide the features are.
    prior : Prior
    latent_dim : int
        D, cut evenly into levels: ``"level_1"`` is the finest.
    levels : int
        L.
    width : int
        Of the networks between levels.
    """

    factorised = True

    def __init__(
        self, posterior: Posterior, prior: Prior, latent_dim: int, *, levels: int = 2, width: int = 128
    ) -> None:
        super().__init__(prior, latent_dim)
        _check_gaussian(posterior, "vlae")
        check_number("levels", levels, low=1, integer=True)
        check_number("width", width, low=1, integer=True)
        self.features = posterior.features
        self.cuts = _cut(latent_dim, levels)
        sizes = [cut.stop - cut.start for cut in self.cuts]
        self.bottom_up = _BottomUp(self.features, levels, width)
        self.heads = nn.ModuleList(GaussianPosterior(width, size) for size in sizes)
        self.reads = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in sizes)
        self.out = nn.Linear(width, latent_dim)
        self.bind()

    @property
    def slices(self) -> dict[str, slice]:
        """Names of the levels, and where they lie in a code."""
        return {f"level_{i + 1}": cut for i, cut in enumerate(self.cuts)}

    def distribution(self, h: Tensor, c: Tensor) -> DiagonalGaussian:
        """Return the posterior of features ``(B, H)``."""
        parts = [head(each, c) for head, each in zip(self.heads, self.bottom_up(h), strict=True)]
        return DiagonalGaussian(
            torch.cat([part.mean for part in parts], -1), torch.cat([part.scale for part in parts], -1)
        )

    def lift(self, z: Tensor) -> Tensor:
        """Send every level through the blocks below it, shape ``(B, D)``."""
        state = z.new_zeros(())
        for cut, read, block in list(zip(self.cuts, self.reads, self.blocks, strict=True))[::-1]:
            state = block(state + read(z[..., cut]))
        return self.out(state)
