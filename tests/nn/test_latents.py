"""The contract of every registered latent space, with every prior."""

import pytest
import torch
from contracts import LATENT_DIM, ROWS, one_hot, stirred
from torch import nn

from vaeaug.nn.distributions import DiagonalGaussian
from vaeaug.nn.latents import LATENTS
from vaeaug.nn.posteriors import POSTERIORS
from vaeaug.nn.priors import PRIORS

FEATURES, CLASSES = 5, 2


def built(latent, prior, posterior="gaussian"):
    parts = POSTERIORS[posterior](FEATURES, LATENT_DIM), PRIORS[prior](LATENT_DIM, CLASSES, (0, CLASSES))
    return stirred(LATENTS[latent](*parts, LATENT_DIM))


@pytest.fixture(params=[(latent, prior) for latent in LATENTS for prior in PRIORS], ids="-".join)
def latent(request):
    return built(*request.param)


@pytest.fixture
def h():
    return torch.randn(ROWS, FEATURES, dtype=torch.float64)


@pytest.fixture
def c():
    return one_hot([0, 1, -1, 0, 1, 1], CLASSES)


def test_infer_returns_one_code_and_one_kl_per_row(latent, h, c):
    z, kl = latent.infer(h, c)
    assert z.shape == (ROWS, LATENT_DIM)
    assert kl.shape == (ROWS,)
    assert kl.isfinite().all()


def test_sample_returns_one_code_per_context(latent, c):
    z = latent.sample(c)
    assert z.shape == (ROWS, LATENT_DIM)
    assert z.isfinite().all()


def test_slices_cut_the_code_without_gap(latent):
    covered = torch.zeros(LATENT_DIM, dtype=torch.int64)
    for part in latent.slices.values():
        covered[part] += 1
    assert (covered == 1).all()


def test_distribution_is_what_infer_draws_from(latent, h, c):
    q = latent.distribution(h, c)
    assert (q.batch_shape, q.event_shape) == ((ROWS,), (LATENT_DIM,))


def test_kl_carries_gradients_to_the_posterior(latent, h, c):
    latent.infer(h, c)[1].sum().backward()
    assert all(parameter.grad is not None for parameter in latent.posterior.parameters())


def test_kl_of_a_gaussian_is_exact(h, c):
    latent = built("flat", "standard")
    q = latent.distribution(h, c)
    torch.testing.assert_close(latent.infer(h, c)[1], q.kl_to_standard())


class Joint(nn.Module):
    """A prior that is trained with the networks: N(2, 0.5²)."""

    joint = True

    def forward(self, c):
        return DiagonalGaussian(
            torch.full((len(c), LATENT_DIM), 2.0).to(c), torch.full((len(c), LATENT_DIM), 0.5).to(c)
        )


def test_kl_to_a_joint_prior_is_estimated_without_bias(h, c):
    latent = LATENTS["flat"](stirred(POSTERIORS["gaussian"](FEATURES, LATENT_DIM)), Joint(), LATENT_DIM)
    q = latent.distribution(h, c)
    exact = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.mean, q.scale), torch.distributions.Normal(2.0, 0.5)
    ).sum(1)
    estimates = torch.stack([latent.infer(h, c)[1] for _ in range(2000)])
    error = estimates.mean(0) - exact
    assert (error.abs() < 4 * estimates.std(0) / 2000**0.5).all()
