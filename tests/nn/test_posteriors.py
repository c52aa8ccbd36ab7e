"""The contract of every registered posterior."""

import copy

import pytest
import torch
from contracts import LATENT_DIM, ROWS, every_parameter_has_a_gradient, stirred
from torch.distributions import Distribution

from vaeaug.nn.posteriors import POSTERIORS

FEATURES = 5


@pytest.fixture(params=list(POSTERIORS))
def posterior(request):
    return stirred(POSTERIORS[request.param](FEATURES, LATENT_DIM))


@pytest.fixture
def h():
    return torch.randn(ROWS, FEATURES, dtype=torch.float64)


@pytest.fixture
def c():
    return torch.zeros(ROWS, 0, dtype=torch.float64)


def test_it_returns_a_distribution_over_codes(posterior, h, c):
    q = posterior(h, c)
    assert isinstance(q, Distribution)
    assert (q.batch_shape, q.event_shape) == ((ROWS,), (LATENT_DIM,))


@pytest.mark.parametrize("shape", [(), (4,)])
def test_rsample_has_the_shape_of_codes(posterior, h, c, shape):
    assert posterior(h, c).rsample(torch.Size(shape)).shape == (*shape, ROWS, LATENT_DIM)


def test_log_prob_is_finite_and_one_per_row(posterior, h, c):
    q = posterior(h, c)
    found = q.log_prob(q.rsample())
    assert found.shape == (ROWS,)
    assert found.isfinite().all()


def test_mean_and_scale_describe_the_draws(posterior, h, c):
    q = posterior(h, c)
    drawn = q.rsample((20_000,))
    assert (q.scale > 0).all()
    assert ((drawn.mean(0) - q.mean) / q.scale).abs().max() < 0.04  # 0.007 of noise each
    assert (drawn.std(0) / q.scale - 1).abs().max() < 0.03  # 0.005 of noise each


def test_gradient_reaches_every_parameter(posterior, h, c):
    q = posterior(h, c)
    z = q.rsample()
    (z.square().sum() + q.log_prob(z).sum()).backward()
    assert every_parameter_has_a_gradient(posterior)


def test_training_and_evaluation_agree(posterior, h, c):
    z = torch.zeros(ROWS, LATENT_DIM, dtype=torch.float64)
    train, evaluate = (posterior.train(mode)(h, c).log_prob(z) for mode in (True, False))
    torch.testing.assert_close(train, evaluate, rtol=0, atol=0)


def test_rows_do_not_touch_each_other(posterior, h, c):
    z = torch.zeros(ROWS, LATENT_DIM, dtype=torch.float64)
    alone = posterior(h[2:3], c[2:3]).log_prob(z[2:3])
    torch.testing.assert_close(posterior(h, c).log_prob(z)[2:3], alone)


@pytest.mark.parametrize("size", [1e3, -1e3])
def test_extreme_features_give_finite_densities(posterior, h, c, size):
    q = posterior(size * h.abs(), c)
    assert q.log_prob(q.rsample()).isfinite().all()


def test_state_round_trip(posterior, h, c):
    twin = stirred(copy.deepcopy(posterior), seed=9)
    twin.load_state_dict(posterior.state_dict())
    z = torch.zeros(ROWS, LATENT_DIM, dtype=torch.float64)
    torch.testing.assert_close(twin(h, c).log_prob(z), posterior(h, c).log_prob(z), rtol=0, atol=0)
