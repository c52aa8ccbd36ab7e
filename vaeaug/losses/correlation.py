"""Total correlation of the codes: how far their dimensions are from independent."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.errors import InputError
from vaeaug.losses.term import Adversary, Setting
from vaeaug.nn.vae import Pass
from vaeaug.utils.validation import check_number

__all__ = ["CriticCorrelation", "MinibatchCorrelation", "permute"]

#: Codes of a batch whose densities are estimated.
_ASKED = 256


class MinibatchCorrelation:
    """Total correlation, ``KL(q(z) ‖ Π_j q(z_j))``, with densities estimated within the batch.

    ``log q(z) ≈ log (1/B) Σ_i q(z | x_i)``, and the same for each dimension (Chen et al. 2018, *Isolating
    Sources of Disentanglement in VAEs*, eq. 3 to 5, up to a constant). Added with weight
    β − 1 to the bound, this is β-TC-VAE. Of a batch of more than 256, the first 256 codes are asked for
    their densities under all B posteriors, and stand for the others: batches are in random order.

    Parameters
    ----------
    setting : Setting
    """

    def __init__(self, setting: Setting) -> None:
        if not setting.vae.latent.factorised:
            raise InputError(
                "losses='beta_tc' needs the density of each dimension of a code; use posterior='gaussian' "
                "with latent='flat' or 'vlae', or losses='factor'."
            )

    def __call__(self, passed: Pass) -> Tensor:
        """Return one estimate per row, shape ``(B,)``; their mean is that of the batch."""
        q, (rows, dim) = passed.posterior, passed.z.shape
        found = _DensityRatio.apply(passed.z[:_ASKED], q.mean, q.scale) + (dim - 1) * math.log(rows)
        return found.repeat(-(-rows // len(found)))[:rows] if rows else found


class _DensityRatio(torch.autograd.Function):
    """``log Σ_i q(z | x_i) − Σ_j log Σ_i q(z_j | x_i)`` of codes ``(A, D)`` and Gaussians ``(B, D)``.

    Written out, since autograd would keep half a dozen tensors of shape ``(A, B, D)``, and fill them anew
    in every step: here one is kept, and everything else is done in the cache, dimension by dimension.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        precision = scale.reciprocal()
        shift, height = mean * precision, -scale.log() - 0.5 * math.log(2 * math.pi)
        joint, marginals, kept = z.new_zeros(len(z), len(mean)), z.new_zeros(len(z)), []
        for j in range(z.shape[1]):
            error = torch.addr(-shift[:, j], z[:, j], precision[:, j])
            each = torch.addcmul(height[:, j], error, error, value=-0.5)
            joint.add_(each)
            densities, size, total = _shares(each)
            marginals.add_(size + total.log())
            kept += [densities, total]
        densities, size, total = _shares(joint)
        ctx.save_for_backward(z, mean, precision, densities.div_(total[:, None]), *kept)
        return size + total.log() - marginals

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (rate,) = gradients
        z, mean, precision, joint, *kept = ctx.saved_tensors
        found = torch.empty_like(z), torch.empty_like(mean), torch.empty_like(mean)
        for j in range(z.shape[1]):
            densities, total = kept[2 * j], kept[2 * j + 1]
            # How much each Gaussian has to do with each code, jointly and less so by this dimension.
            share = torch.addcmul(joint, densities, total.reciprocal()[:, None], value=-1.0)
            code, centre, square = z[:, j], mean[:, j], precision[:, j].square()
            pulls = share @ torch.stack([square, centre * square], 1)
            found[0][:, j] = rate * (pulls[:, 1] - code * pulls[:, 0])
            pushed = torch.stack([rate, rate * code]) @ share
            found[1][:, j] = square * (pushed[1] - centre * pushed[0])
            spread = rate @ (code[:, None] - centre).square_().mul_(share)
            found[2][:, j] = precision[:, j] * (square * spread - pushed[0])
        return found


def _shares(logs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``exp(logs − size)``, written over logs ``(A, B)``, the size of each row, and the rows' sums."""
    size = logs.amax(1)
    shares = logs.sub_(size[:, None]).exp_()
    return shares, size, shares.sum(1)


class CriticCorrelation(Adversary):
    """Total correlation, as a critic sees it that tells codes from codes with shuffled dimensions.

    ``TC(z) ≈ E log D(z) / (1 − D(z))`` (Kim and Mnih 2018, *Disentangling by Factorising*, eq. 3). The
    critic D learns to tell ``z ~ q(z)`` from codes whose dimensions were permuted over the batch. It
    sees codes standardised by the batch, which total correlation does not depend on: otherwise
    the model could escape the critic by moving all codes where it has not learned. For the same
    reason it need not learn what is linear: ``log D / (1 − D)`` is the log-ratio of Gaussians with the
    correlations of the batch, plus what a network adds to it. A network alone lags behind, and in
    short training the model is driven into correlations that it does not see yet.

    Parameters
    ----------
    setting : Setting
    width, depth : int
        Of the critic.
    """

    def __init__(self, setting: Setting, *, width: int = 128, depth: int = 2) -> None:
        super().__init__()
        check_number("width", width, low=1, integer=True)
        check_number("depth", depth, low=1, integer=True)
        if setting.latent_dim < 2:
            raise InputError(
                f"losses='factor' compares dimensions of a code; it needs latent_dim >= 2, got "
                f"{setting.latent_dim}."
            )
        sizes = [setting.latent_dim, *([width] * depth)]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]
        self.critic = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, passed: Pass) -> Tensor:
        """Return the critic's log-ratio of each code, shape ``(B,)``."""
        z = _standardise(passed.z)
        return self._log_ratio(z, _excess(z))

    def critic_loss(self, passed: Pass) -> Tensor:
        """Return the cross-entropy of the critic, shape ``(B,)``."""
        z = _standardise(passed.z.detach())
        excess = _excess(z)
        found, shuffled = self._log_ratio(z, excess), self._log_ratio(permute(z), excess)
        return 0.5 * (F.softplus(-found) + F.softplus(shuffled))

    def _log_ratio(self, z: Tensor, excess: tuple[Tensor, Tensor]) -> Tensor:
        precision, constant = excess
        return constant - 0.5 * ((z @ precision) * z).sum(1) + self.critic(z).squeeze(1)


def _standardise(z: Tensor) -> Tensor:
    return (z - z.mean(0)) / (z.std(0, correction=0) + 1e-4)


@torch.no_grad()
def _excess(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the Gaussian of standardised codes ``(B, D)`` has in excess of independent ones.

    Its precision less the identity, and half the log-determinant of the precision. Correlations are
    shrunk by ``D / (B + D)``, so that few rows do not seem to depend on each other.
    """
    rows, dim = z.shape
    identity = torch.eye(dim, dtype=z.dtype, device=z.device)
    share = dim / (rows + dim)
    correlation = torch.lerp(z.T @ z / rows, identity, share)
    # Constant dimensions have no variance after standardising.
    correlation.diagonal().fill_(1.0)
    return torch.linalg.inv(correlation) - identity, -0.5 * torch.linalg.slogdet(correlation)[1]


def permute(z: Tensor) -> Tensor:
    """Return codes ``(B, D)`` with every dimension shuffled over the batch on its own."""
    order = torch.rand_like(z).argsort(0)
    return z.gather(0, order)
