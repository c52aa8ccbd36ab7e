"""The VAE asks its parts in the right order and hands their answers on."""

import pytest
import torch
from contracts import every_parameter_has_a_gradient, one_hot, stirred

from vaeaug.layout import Layout, Span
from vaeaug.nn.distributions import draw
from vaeaug.nn.latents.flat import FlatLatent
from vaeaug.nn.likelihoods.rows import RowLikelihood
from vaeaug.nn.networks import CodeDecoder, RowEncoder
from vaeaug.nn.posteriors.gaussian import GaussianPosterior
from vaeaug.nn.priors.base import Sizes, StandardPrior
from vaeaug.nn.vae import VAE
from vaeaug.utils.random import isolate_torch

LAYOUT = Layout.row([Span("categorical", 3), Span("categorical", 4)])
D, K, B = 2, 2, 5


@pytest.fixture
def vae():
    likelihood = RowLikelihood(LAYOUT)
    latent = FlatLatent(GaussianPosterior(8, D), StandardPrior(Sizes(D, K, (0, K))), D)
    encoder = RowEncoder(LAYOUT, K, width=8, depth=1)
    return stirred(VAE(encoder, latent, CodeDecoder(D, K, likelihood.parameters_width, 8, 1), likelihood))


@pytest.fixture
def x():
    return torch.stack([torch.randint(3, (B,)), torch.randint(4, (B,))], 1).double()


@pytest.fixture
def c():
    return one_hot([0, 1, -1, 0, 1], K)


def test_a_pass_holds_what_went_in_and_what_came_out(vae, x, c):
    passed = vae(x, c)
    assert passed.x is x
    assert passed.c is c
    assert passed.z.shape == (B, D)
    assert passed.kl.shape == (B,)
    assert passed.reconstruction.log_prob(x).shape == (B,)


def test_the_reconstruction_is_decoded_from_the_code_of_the_pass(vae, x, c):
    passed = vae(x, c)
    torch.testing.assert_close(passed.reconstruction.log_prob(x), vae.decode(passed.z, c).log_prob(x))


def test_kl_is_that_of_the_encoded_posterior(vae, x, c):
    torch.testing.assert_close(vae(x, c).kl, vae.encode(x, c).kl_to_standard())


def test_sample_returns_one_row_per_context(vae, c):
    assert vae.sample(c).shape == (B, 2)


def test_sample_is_a_draw_of_the_prior_decoded(vae, c):
    with isolate_torch(5):
        sampled = vae.sample(c, 0.7)
    with isolate_torch(5):
        codes = vae.latent.sample(c, 0.7)
        torch.testing.assert_close(sampled, draw(vae.decode(codes, c), 0.7), rtol=0, atol=0)


def test_gradient_of_the_bound_reaches_every_parameter(vae, x, c):
    passed = vae(x, c)
    (passed.kl - passed.reconstruction.log_prob(x)).sum().backward()
    assert every_parameter_has_a_gradient(vae)
