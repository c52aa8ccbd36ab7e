"""Distributions over codes against torch's own."""

import pytest
import torch
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from vaeaug.nn.distributions import DiagonalGaussian, GaussianMixture, draw, gaussian_log_prob
from vaeaug.utils.random import isolate_torch

DTYPE = torch.float64


@pytest.fixture
def gaussian():
    return DiagonalGaussian(torch.randn(5, 3, dtype=DTYPE), torch.rand(5, 3, dtype=DTYPE) + 0.2)


@pytest.fixture
def mixture():
    root = torch.randn(4, 3, 3, dtype=DTYPE)
    factors = torch.linalg.cholesky(root @ root.mT + torch.eye(3, dtype=DTYPE))
    weights = torch.softmax(torch.randn(5, 4, dtype=DTYPE), 1)
    return GaussianMixture(weights, 3 * torch.randn(4, 3, dtype=DTYPE), factors)


def torch_mixture(mixture):
    parts = MultivariateNormal(
        mixture.means.expand(5, 4, 3), scale_tril=mixture.factors.expand(5, 4, 3, 3), validate_args=False
    )
    return MixtureSameFamily(Categorical(mixture.weights), parts)


def test_kl_to_standard_is_that_of_torch(gaussian):
    ours = gaussian.kl_to_standard()
    standard = Normal(torch.zeros(5, 3, dtype=DTYPE), 1.0)
    torch.testing.assert_close(ours, kl_divergence(Normal(gaussian.mean, gaussian.scale), standard).sum(1))


def test_gaussian_log_prob_is_that_of_torch(gaussian):
    z = torch.randn(7, 5, 3, dtype=DTYPE)
    theirs = Independent(Normal(gaussian.mean, gaussian.scale), 1)
    torch.testing.assert_close(gaussian.log_prob(z), theirs.log_prob(z))


def test_mixture_log_prob_is_that_of_torch(mixture):
    z = torch.randn(7, 5, 3, dtype=DTYPE)
    torch.testing.assert_close(mixture.log_prob(z), torch_mixture(mixture).log_prob(z))


def test_mixture_mean_is_that_of_torch(mixture):
    torch.testing.assert_close(mixture.mean, torch_mixture(mixture).mean)


def test_chunks_do_not_change_a_density(mixture):
    z = torch.randn(50, 3, dtype=DTYPE)
    whole = gaussian_log_prob(z, mixture.means, mixture.factors)
    torch.testing.assert_close(gaussian_log_prob(z, mixture.means, mixture.factors, chunk=7), whole)


def test_no_codes_have_no_density(mixture):
    assert gaussian_log_prob(torch.empty(0, 3, dtype=DTYPE), mixture.means, mixture.factors).shape == (0, 4)


@pytest.mark.parametrize("name", ["gaussian", "mixture"])
@pytest.mark.parametrize("shape", [(), (4,), (2, 4)])
def test_sample_shape(request, name, shape):
    distribution = request.getfixturevalue(name)
    assert distribution.sample(torch.Size(shape)).shape == (*shape, 5, 3)


def test_rsample_carries_gradients(gaussian):
    mean = torch.zeros(2, 3, requires_grad=True)
    DiagonalGaussian(mean, torch.ones(2, 3)).rsample((4,)).sum().backward()
    assert (mean.grad == 4).all()


def test_sample_carries_none(gaussian):
    gaussian.centre.requires_grad_()
    assert not gaussian.sample((3,)).requires_grad


def test_mixture_draws_have_its_moments(mixture):
    n = 40_000
    drawn = GaussianMixture(mixture.weights[:1].repeat(n, 1), mixture.means, mixture.factors).draw()
    theirs = torch_mixture(mixture)
    spread = theirs.variance[0].sqrt() / n**0.5
    assert ((drawn.mean(0) - theirs.mean[0]).abs() < 4 * spread).all()
    # The variance of a mixture's square is at most a few times that of a normal's.
    assert (drawn.var(0) / theirs.variance[0] - 1).abs().max() < 0.05


def test_mixture_components_are_drawn_at_their_weights():
    weights = torch.tensor([[0.5, 0.0, 0.3, 0.2]]).repeat(30_000, 1)
    means = torch.arange(4.0)[:, None]
    drawn = GaussianMixture(weights, means, torch.full((4, 1, 1), 1e-3)).draw().round().long().flatten()
    counts = torch.bincount(drawn, minlength=4)
    expected = 30_000 * weights[0]
    assert counts[1] == 0
    chi_square = ((counts - expected) ** 2 / expected)[[0, 2, 3]].sum()
    assert chi_square < 13.8  # 99.9 % quantile with 2 degrees of freedom


def test_temperature_scales_the_noise(gaussian):
    wide, narrow = ((gaussian_draw(gaussian, t) - gaussian.mean) for t in (1.0, 0.25))
    torch.testing.assert_close(narrow, 0.25 * wide)


def gaussian_draw(gaussian, temperature):
    with isolate_torch(3):
        return draw(gaussian, temperature)


def test_draw_takes_distributions_of_torch():
    assert draw(Normal(torch.zeros(4), 1.0), 0.3).shape == (4,)
    assert draw(Categorical(torch.ones(4, 2)), 0.3).shape == (4,)
