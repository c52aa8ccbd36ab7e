"""One Gaussian per class; small classes lean on what the classes share."""

from __future__ import annotations

import torch
from torch import Tensor

from vaeaug.nn.priors.base import Sizes, Turns
from vaeaug.nn.priors.mixture import JITTER, MixturePrior

__all__ = ["GaussianPrior"]


class GaussianPrior(MixturePrior):
    """One full-covariance Gaussian per class; a class of few rows borrows what the classes share.

    ``Σ_y = (S_y + κ W) / (n_y + κ)``, with S_y the scatter of the class about its own mean and W the
    covariance within classes: few rows vary as those of other classes do, and not towards them.
    ``μ_y = (n_y x̄_y + λ x̄) / (n_y + λ)``, with λ the variance within classes over that between
    them, both traces, the second without what chance adds (empirical Bayes, as in Efron and Morris
    1973): where classes lie apart, a few rows tell where theirs is. Without classes, and for rows
    without a label, one Gaussian for all.
    """

    def __init__(self, sizes: Sizes, *, pseudo_count: float = 10.0) -> None:
        start, stop = sizes.class_block
        super().__init__(sizes, components=stop - start + 1, pseudo_count=pseudo_count)
        self._set_weights()

    def _set_weights(self) -> None:
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
        self._set_weights()

    def _factor(self, covariance: Tensor) -> Tensor:
        return torch.linalg.cholesky(covariance + JITTER * torch.eye(self.latent_dim).to(covariance))


def _find_shrinkage(means: Tensor, within: Tensor, rows: Tensor) -> Tensor:
    """Return the variance within classes over that between them: means ``(K, D)`` of rows ``(K, 1)`` each.

    At least a thousandth, so that a class without rows takes the mean of all, and at most a thousand.
    """
    known = rows[:, 0] > 0
    own = means[known]
    spread = (own - own.mean(0)).square().sum() / max(1, len(own) - 1)
    between = spread - (within / rows[known]).mean()
    return (within / between.clamp(min=1e-3 * float(within) + 1e-12)).clamp(min=1e-3)
