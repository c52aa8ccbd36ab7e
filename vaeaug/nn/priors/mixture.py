"""A mixture of Gaussians that all classes share, weighed anew for each context."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from vaeaug.nn.distributions import CodeDistribution, GaussianMixture, gaussian_log_prob
from vaeaug.nn.priors.base import Prior, Sizes, Turns
from vaeaug.utils.validation import check_number

__all__ = ["JITTER", "MixturePrior"]

#: Variance added to every fitted covariance, in squared code units (codes have unit scale).
JITTER = 1e-3
_EM_CHUNK = 4096
#: Rounds of a mixture that was fitted before.
_MORE_ROUNDS = 2


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
        sizes: Sizes,
        *,
        components: int | str = "auto",
        iterations: int = 12,
        pseudo_count: float = 10.0,
    ) -> None:
        super().__init__(sizes, pseudo_count=pseudo_count)
        self.components = check_number("components", components, low=1, integer=True, also=["auto"])
        self.iterations = check_number("iterations", iterations, low=0, integer=True)
        self._allocate(1 if components == "auto" else int(components), torch.empty(0))

    log_weights: Tensor
    gate: Tensor
    means: Tensor
    factors: Tensor

    def _allocate(self, size: int, like: Tensor) -> None:
        self.register_buffer("log_weights", like.new_full((self.classes + 1, size), -math.log(size)))
        self.register_buffer("gate", like.new_zeros(self.context_width, size))
        self.register_buffer("means", like.new_zeros(size, self.latent_dim))
        self.register_buffer("factors", torch.eye(self.latent_dim).to(like).repeat(size, 1, 1))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object, **kwargs: object) -> None:
        # The number of components is learned, so the buffers take the size of what is loaded.
        if prefix + "means" in state_dict:
            self._allocate(len(state_dict[prefix + "means"]), self.means)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def forward(self, c: Tensor) -> CodeDistribution:
        """Return the mixture with the weights of each context."""
        logits = self.log_weights[self.group(c)]
        if self.context_width > self.classes:
            logits = logits + c @ self.gate
        return GaussianMixture(torch.softmax(logits, 1), self.means, self.factors)

    @torch.no_grad()
    def estimate(self, codes: Tensor, contexts: Tensor, draws: int, turns: Turns = range) -> None:
        """Run k-means, then expectation-maximisation, then weigh the components per context.

        A mixture of as many components that was fitted before is where a few rounds go on from.
        """
        rows = len(codes) / draws
        wanted = math.ceil(rows / 64) if self.components == "auto" else int(self.components)
        size = max(1, min(wanted, 128 if self.components == "auto" else wanted, len(codes)))
        goes_on = self.is_fitted and size == len(self.means)
        responsibility = self._start_over(codes) if goes_on else _kmeans(codes, size, turns)
        pooled = (
            torch.cov(codes.T).reshape(self.latent_dim, -1) if len(codes) > 1 else torch.eye(self.latent_dim)
        )
        prior_rows = float(self.latent_dim)
        for _ in turns(min(self.iterations, _MORE_ROUNDS) if goes_on else self.iterations):
            weights, means, factors, pooled = _maximise(codes, responsibility, pooled, prior_rows * draws)
            responsibility = _expect(codes, weights, means, factors)
        weights, means, factors, _ = _maximise(codes, responsibility, pooled, prior_rows * draws)
        self._allocate(size, self.means)
        self.means.copy_(means)
        self.factors.copy_(factors)
        self._weigh(responsibility, contexts, weights, draws)

    @property
    def is_fitted(self) -> bool:
        """Whether components were learned."""
        return bool(self.means.any())

    def _start_over(self, codes: Tensor) -> Tensor:
        """Return the responsibilities of the components there are, ``(N, M)``."""
        return _expect(codes, self.log_weights[-1].exp(), self.means, self.factors)

    def _weigh(self, responsibility: Tensor, contexts: Tensor, weights: Tensor, draws: int) -> None:
        group = self.group(contexts)
        counts = torch.zeros_like(self.log_weights).index_add_(0, group, responsibility) / draws
        counts[-1] = 0
        own = counts + self.pseudo_count * weights
        self.log_weights.copy_((own / own.sum(1, keepdim=True)).clamp(min=1e-12).log())
        if self.context_width > self.classes:
            self.gate.copy_(_fit_gate(responsibility, contexts, self.log_weights[group]))


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
    covariance = 0.5 * (covariance + covariance.transpose(1, 2)) + JITTER * torch.eye(dim).to(codes)
    factors, info = torch.linalg.cholesky_ex(covariance)
    safe = torch.diag_embed(torch.diagonal(covariance, dim1=1, dim2=2).clamp(min=JITTER).sqrt())
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
