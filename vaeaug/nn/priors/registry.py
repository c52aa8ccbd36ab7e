"""Priors: from the context to a distribution over codes, most of them fitted after the networks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.nn.discrete import TokenPrior
from vaeaug.nn.distributions import CodeDistribution, GaussianMixture, gaussian_log_prob
from vaeaug.nn.latents.ladders import TopDownPrior
from vaeaug.nn.priors.base import Prior, StandardPrior, Turns, borrowing_shares
from vaeaug.nn.priors.flow_matching import FlowDistribution, FlowMatchingObjective, VelocityField
from vaeaug.nn.priors.vamp import VampPrior
from vaeaug.utils.validation import check_number

__all__ = [
    "PRIORS",
    "FlowPrior",
    "GaussianPrior",
    "MixturePrior",
    "Prior",
    "StandardPrior",
    "TokenPrior",
    "TopDownPrior",
    "VampPrior",
]

#: Variance added to every fitted covariance, in squared code units (codes have unit scale).
_JITTER = 1e-3
_EM_CHUNK = 4096


class MixturePrior(Prior):
    """A mixture of full-covariance Gaussians shared by all classes, weighed anew for each context.

    Fitted by expectation-maximisation to codes drawn from the aggregate posterior, after
    the networks. ``π_m(y) = (n_y π̂_m(y) + κ π̂_m) / (n_y + κ)``: small classes are shrunk
    towards the shared weights. Contexts with more than a class block get their weights
    from a regularised multinomial regression of the responsibilities on the context.

    Parameters
    ----------
    components : int or "auto"
        M; ``"auto"`` takes one per 64 rows, at most 128.
    iterations : int
        Of expectation-maximisation, after k-means.
    """

    def __init__(
        self,
        latent_dim: int,
        context_width: int,
        class_block: tuple[int, int],
        *,
        components: int | str = "auto",
        iterations: int = 12,
        pseudo_count: float = 10.0,
    ) -> None:
        super().__init__(latent_dim, context_width, class_block, pseudo_count=pseudo_count)
        self.components = check_number("components", components, low=1, integer=True, also=["auto"])
        self.iterations = check_number("iterations", iterations, low=0, integer=True)
        size = 1 if components == "auto" else int(components)
        self._allocate(size)

    log_weights: Tensor
    gate: Tensor
    means: Tensor
    factors: Tensor

    def _allocate(self, size: int) -> None:
        like = getattr(self, "means", torch.empty(0))  # new buffers lie where the old ones lay
        self.register_buffer("log_weights", like.new_full((self.classes + 1, size), -math.log(size)))
        self.register_buffer("gate", like.new_zeros(self.context_width, size))
        self.register_buffer("means", like.new_zeros(size, self.latent_dim))
        self.register_buffer("factors", torch.eye(self.latent_dim).to(like).repeat(size, 1, 1))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object, **kwargs: object) -> None:
        # The number of components is learned, so the buffers take the size of what is loaded.
        if prefix + "means" in state_dict:
            self._allocate(len(state_dict[prefix + "means"]))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def forward(self, c: Tensor) -> CodeDistribution:
        """Return the mixture with the weights of each context."""
        logits = self.log_weights[self.group(c)]
        if self.context_width > self.classes:
            logits = logits + c @ self.gate
        return GaussianMixture(torch.softmax(logits, 1), self.means, self.factors)

    @torch.no_grad()
    def estimate(self, codes: Tensor, contexts: Tensor, draws: int, turns: Turns = range) -> None:
        """Run k-means, then expectation-maximisation, then weigh the components per context."""
        rows = len(codes) / draws
        wanted = math.ceil(rows / 64) if self.components == "auto" else int(self.components)
        size = max(1, min(wanted, 128 if self.components == "auto" else wanted, len(codes)))
        responsibility = _kmeans(codes, size, turns)
        pooled = (
            torch.cov(codes.T).reshape(self.latent_dim, -1) if len(codes) > 1 else torch.eye(self.latent_dim)
        )
        prior_rows = float(self.latent_dim)
        for _ in turns(self.iterations):
            weights, means, factors, pooled = _maximise(codes, responsibility, pooled, prior_rows * draws)
            responsibility = _expect(codes, weights, means, factors)
        weights, means, factors, _ = _maximise(codes, responsibility, pooled, prior_rows * draws)
        self._allocate(size)
        self.means.copy_(means)
        self.factors.copy_(factors)
        self._weigh(responsibility, contexts, weights, draws)

    def _weigh(self, responsibility: Tensor, contexts: Tensor, weights: Tensor, draws: int) -> None:
        group = self.group(contexts)
        counts = torch.zeros_like(self.log_weights).index_add_(0, group, responsibility) / draws
        counts[-1] = 0
        own = counts + self.pseudo_count * weights
        self.log_weights.copy_((own / own.sum(1, keepdim=True)).clamp(min=1e-12).log())
        if self.context_width > self.classes:
            self.gate.copy_(_fit_gate(responsibility, contexts, self.log_weights[group]))


class GaussianPrior(MixturePrior):
    """One full-covariance Gaussian per class; a class of few rows borrows what the classes share.

    ``Σ_y = (S_y + κ W) / (n_y + κ)``, with S_y the scatter of the class about its own mean and W the
    covariance within classes: few rows vary as those of other classes do, and not towards them.
    ``μ_y = (n_y x̄_y + λ x̄) / (n_y + λ)``, with λ the variance within classes over that between
    them, both traces, the second without what chance adds (empirical Bayes, as in Efron and Morris
    1973): where classes lie apart, a few rows tell where theirs is. Without classes, and for rows
    without a label, one Gaussian for all.
    """

    def __init__(
        self, latent_dim: int, context_width: int, class_block: tuple[int, int], *, pseudo_count: float = 10.0
    ) -> None:
        components = class_block[1] - class_block[0] + 1
        super().__init__(
            latent_dim, context_width, class_block, components=components, pseudo_count=pseudo_count
        )
        self._one_each()

    def _one_each(self) -> None:
        self.log_weights.copy_(torch.where(torch.eye(self.classes + 1) > 0, 0.0, -1e4))

    @torch.no_grad()
    def estimate(self, codes: Tensor, contexts: Tensor, draws: int, turns: Turns = range) -> None:
        """Take the moments of every class and shrink them."""
        group, overall = self.group(contexts), codes.mean(0)
        counts = torch.bincount(group, minlength=self.classes + 1).to(codes)[:, None]
        own = torch.zeros_like(self.means).to(codes).index_add_(0, group, codes) / counts.clamp(min=1)
        apart = codes - own[group]
        within = apart.T @ apart / len(codes)
        rows, kappa = counts / draws, self.pseudo_count
        ratio = _find_shrinkage(own, within.trace(), rows)
        self.means.copy_((rows * own + ratio * overall) / (rows + ratio))
        self.means[-1] = overall
        self.factors[:] = self._factor((codes - overall).T @ (codes - overall) / len(codes))
        for k in counts[:-1, 0].nonzero()[:, 0].tolist():
            members = apart[group == k]
            covariance = (members.T @ members / draws + kappa * within) / (rows[k] + kappa)
            self.factors[k] = self._factor(covariance)
        self._one_each()

    def _factor(self, covariance: Tensor) -> Tensor:
        return torch.linalg.cholesky(covariance + _JITTER * torch.eye(self.latent_dim).to(covariance))


def _find_shrinkage(means: Tensor, within: Tensor, rows: Tensor) -> Tensor:
    """Return the variance within classes over that between them: means ``(K, D)`` of rows ``(K, 1)`` each.

    At least a thousandth, so that a class without rows takes the mean of all, and at most a thousand.
    """
    known = rows[:, 0] > 0
    own = means[known]
    spread = (own - own.mean(0)).square().sum() / max(1, len(own) - 1)
    between = spread - (within / rows[known]).mean()
    return (within / between.clamp(min=1e-3 * float(within) + 1e-12)).clamp(min=1e-3)


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
        latent_dim: int,
        context_width: int,
        class_block: tuple[int, int],
        *,
        width: int = 128,
        depth: int = 2,
        steps: int = 6,
        guidance: float = 1.0,
        pseudo_count: float = 10.0,
    ) -> None:
        super().__init__(latent_dim, context_width, class_block, pseudo_count=pseudo_count)
        check_number("width", width, low=1, integer=True)
        check_number("depth", depth, low=0, integer=True)
        self.guidance = float(check_number("guidance", guidance, low=0))
        self.steps = check_number("steps", steps, low=1, integer=True)
        self.field = VelocityField(latent_dim, context_width, width, depth)
        self.register_buffer("centre", torch.zeros(latent_dim))
        self.register_buffer("spread", torch.ones(latent_dim))
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
            self.borrowing.copy_(borrowing_shares(self, contexts, draws))
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


def _kmeans(codes: Tensor, size: int, turns: Turns, iterations: int = 8) -> Tensor:
    """Assign codes to ``size`` centres by Lloyd's algorithm; return one-hot assignments ``(N, size)``."""
    centres = codes[torch.randperm(len(codes), device=codes.device)[:size]].clone()
    nearest = torch.zeros(len(codes), dtype=torch.int64, device=codes.device)
    for _ in turns(iterations):
        nearest = torch.cat([torch.cdist(block, centres).argmin(1) for block in codes.split(_EM_CHUNK)])
        sums = torch.zeros_like(centres).index_add_(0, nearest, codes)
        counts = torch.bincount(nearest, minlength=size)
        stray = codes[torch.randint(len(codes), (size,), device=codes.device)]
        centres = torch.where((counts > 0)[:, None], sums / counts.clamp(min=1)[:, None], stray)
    return F.one_hot(nearest, size).to(codes)


def _maximise(
    codes: Tensor, responsibility: Tensor, pooled: Tensor, prior_rows: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """M-step with covariances shrunk towards the pooled within-component covariance."""
    dim = codes.shape[1]
    counts = responsibility.sum(0)
    weights = (counts + 1e-3) / (counts + 1e-3).sum()
    means = responsibility.T @ codes / counts.clamp(min=1e-6)[:, None]
    scatter = codes.new_zeros(len(counts), dim * dim)
    for block, part in zip(codes.split(_EM_CHUNK), responsibility.split(_EM_CHUNK), strict=True):
        scatter += part.T @ (block[:, :, None] * block[:, None, :]).reshape(len(block), -1)
    outer = (means[:, :, None] * means[:, None, :]).reshape(len(counts), -1)
    scatter = (scatter - counts[:, None] * outer).reshape(-1, dim, dim)
    new_pooled = scatter.sum(0) / len(codes)
    covariance = (scatter + prior_rows * pooled) / (counts + prior_rows)[:, None, None]
    covariance = 0.5 * (covariance + covariance.transpose(1, 2)) + _JITTER * torch.eye(dim).to(codes)
    factors, info = torch.linalg.cholesky_ex(covariance)
    safe = torch.diag_embed(torch.diagonal(covariance, dim1=1, dim2=2).clamp(min=_JITTER).sqrt())
    return weights, means, torch.where((info == 0)[:, None, None], factors, safe), new_pooled


def _expect(codes: Tensor, weights: Tensor, means: Tensor, factors: Tensor) -> Tensor:
    """E-step: responsibilities ``(N, M)``."""
    return torch.softmax(gaussian_log_prob(codes, means, factors) + weights.log(), 1)


def _fit_gate(responsibility: Tensor, contexts: Tensor, base: Tensor, ridge: float = 1e-2) -> Tensor:
    """Fit ``softmax(base + c W)`` to responsibilities by L-BFGS with a ridge; return W ``(K, M)``."""
    rows = torch.randperm(len(contexts), device=contexts.device)[:20_000]
    target, c, start = responsibility[rows], contexts[rows], base[rows]
    with torch.enable_grad():
        weight = torch.zeros(c.shape[1], target.shape[1], dtype=c.dtype, device=c.device, requires_grad=True)
        solver = torch.optim.LBFGS([weight], max_iter=30, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            solver.zero_grad()
            loss = F.cross_entropy(start + c @ weight, target) + ridge * weight.square().sum() / len(c) ** 0.5
            loss.backward()
            return loss

        solver.step(closure)
    return weight.detach()


#: name -> class, built as ``cls(latent_dim, context_width, class_block, **options)``.
PRIORS: dict[str, type[Prior]] = {
    "standard": StandardPrior,
    "gaussian": GaussianPrior,
    "mixture": MixturePrior,
    "flow": FlowPrior,
    "vamp": VampPrior,
    "tokens": TokenPrior,
    "top_down": TopDownPrior,
}
