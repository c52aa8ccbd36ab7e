"""The contract of every registered posterior."""

import copy
import subprocess
import sys

import pytest
import torch
from contracts import LATENT_DIM, ROWS, every_parameter_has_a_gradient, stirred
from torch.distributions import Distribution

from vaeaug.nn.posteriors.registry import POSTERIORS

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


#: Moments that are not those of the draws: the draws are points, or the map is not affine.
OTHER_MOMENTS = {"none", "planar", "coupling", "iaf"}
CONTINUOUS = [name for name in POSTERIORS if name != "categorical"]


@pytest.mark.parametrize("name", [name for name in POSTERIORS if name not in OTHER_MOMENTS])
def test_mean_and_scale_describe_the_draws(name, h, c):
    q = stirred(POSTERIORS[name](FEATURES, LATENT_DIM))(h, c)
    drawn = q.rsample((20_000,))
    assert (q.scale > 0).all()
    assert ((drawn.mean(0) - q.mean) / q.scale).abs().max() < 0.04  # 0.007 of noise each
    assert (drawn.std(0) / q.scale - 1).abs().max() < 0.03  # 0.005 of noise each


@pytest.mark.parametrize("name", ["coupling", "iaf"])
def test_fresh_maps_are_the_identity_and_their_moments_exact(name, h, c):
    posterior = POSTERIORS[name](FEATURES, LATENT_DIM).double()
    q, base = posterior(h, c), posterior.base(h, c)
    torch.testing.assert_close(q.mean, base.mean)
    torch.testing.assert_close(q.scale, base.scale)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_transport_comes_with_the_density_of_where_it_arrives(name, h, c):
    q = stirred(POSTERIORS[name](FEATURES, LATENT_DIM))(h, c)
    z, density = q.transport(q.noise((4,)))
    assert (z.shape, density.shape) == ((4, ROWS, LATENT_DIM), (4, ROWS))
    torch.testing.assert_close(q.log_prob(z), density, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_density_is_that_of_the_noise_over_the_volume(name, h, c):
    q = stirred(POSTERIORS[name](FEATURES, LATENT_DIM))(h[:1], c[:1])
    noise = q.noise()
    jacobian = torch.autograd.functional.jacobian(lambda e: q.transport(e)[0], noise)[0, :, 0]
    base = torch.distributions.Normal(0.0, 1.0).log_prob(noise).sum()
    torch.testing.assert_close(q.transport(noise)[1][0], base - jacobian.det().abs().log())


def test_a_discrete_posterior_draws_entries_of_its_codebook_as_often_as_it_says(h, c):
    posterior = stirred(POSTERIORS["categorical"](FEATURES, 4, levels=3))
    q = posterior(h[:1], c[:1])
    expected = q.log_shares.exp()[0, 0]
    for z in (
        q.rsample((20_000,)),
        q.transport(q.noise((20_000,)))[0],
        torch.cat([q.draw() for _ in range(3000)]),
    ):
        tokens = posterior.codebook.tokens(z).reshape(-1, 2)
        torch.testing.assert_close(posterior.snap(z), z)
        shares = torch.bincount(tokens[:, 0], minlength=3) / len(tokens)
        assert (shares - expected).abs().max() < 4 * (0.25 / len(tokens)) ** 0.5


def test_kl_of_a_discrete_posterior_is_that_to_uniform_choices(h, c):
    q = stirred(POSTERIORS["categorical"](FEATURES, 4, levels=3))(h, c)
    uniform = torch.distributions.Categorical(logits=torch.zeros(ROWS, 2, 3).double())
    own = torch.distributions.Categorical(logits=q.log_shares)
    torch.testing.assert_close(q.kl_to_standard(), torch.distributions.kl_divergence(own, uniform).sum(1))


def test_a_point_is_drawn_without_noise_and_has_no_kl(h, c):
    q = POSTERIORS["none"](FEATURES, LATENT_DIM).double()(h, c)
    torch.testing.assert_close(q.rsample(), q.mean, rtol=0, atol=0)
    assert not q.kl_to_standard().any()


def test_the_checks_of_distributions_are_as_they_were():
    # In a process of its own: zuko is imported once, and torch.compile switches the checks off for good.
    code = (
        "from torch.distributions import Distribution\n"
        "from vaeaug.nn.posteriors.registry import POSTERIORS\n"
        f"POSTERIORS['iaf']({FEATURES}, {LATENT_DIM})\n"
        "assert Distribution._validate_args\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
