"""The contract of every registered latent space, with every prior."""

import copy
import itertools

import pytest
import torch
from contracts import LATENT_DIM, ROWS, one_hot, stirred

from vaeaug.errors import InputError
from vaeaug.nn.distributions import DiagonalGaussian
from vaeaug.nn.latents.registry import LATENTS
from vaeaug.nn.posteriors.registry import POSTERIORS
from vaeaug.nn.priors.base import Prior, Sizes
from vaeaug.nn.priors.registry import PRIORS

FEATURES, CLASSES = 5, 2


def built(latent, prior, posterior="gaussian"):
    parts = (
        POSTERIORS[posterior](FEATURES, LATENT_DIM),
        PRIORS[prior](Sizes(LATENT_DIM, CLASSES, (0, CLASSES))),
    )
    return stirred(LATENTS[latent](*parts, LATENT_DIM))


def fits(latent, prior, posterior):
    try:
        built(latent, prior, posterior)
    except InputError:
        return False
    return True


GRID = list(itertools.product(LATENTS, PRIORS, POSTERIORS))
FITTING = [combination for combination in GRID if fits(*combination)]


@pytest.fixture(params=FITTING, ids="-".join)
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


def test_the_bound_carries_gradients_to_the_posterior(latent, h, c):
    h = h.requires_grad_()
    z, kl = latent.train().infer(h, c)
    (latent.lift(z).square().sum() + kl.sum()).backward()
    assert h.grad.abs().sum() > 0


def test_a_code_has_a_density_under_posterior_and_prior(latent, h, c):
    z, density = latent.distribution(h, c).transport(torch.randn(ROWS, LATENT_DIM).double())
    assert density.shape == latent.prior(c).log_prob(z).shape == (ROWS,)
    assert density.isfinite().all()


def test_what_the_decoder_reads_has_the_shape_of_a_code(latent, c):
    assert latent.eval().lift(latent.sample(c)).shape == (ROWS, LATENT_DIM)


def test_state_round_trip(latent, h, c):
    twin = stirred(copy.deepcopy(latent), seed=3).eval()
    twin.load_state_dict(latent.eval().state_dict())
    noise = torch.randn(ROWS, LATENT_DIM).double()
    first, second = (each.distribution(h, c).transport(noise)[0] for each in (latent, twin))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(latent.prior(c).log_prob(first), twin.prior(c).log_prob(first), rtol=0, atol=0)


@pytest.mark.parametrize("combination", [each for each in GRID if each not in FITTING], ids="-".join)
def test_what_does_not_fit_together_is_refused_with_a_way_out(combination):
    with pytest.raises(InputError, match="use (it with )?(prior|posterior|latent)=|needs posterior="):
        built(*combination)


def test_most_combinations_are_explained_not_lost():
    assert len(FITTING) >= 24


def test_kl_of_a_gaussian_is_exact(h, c):
    latent = built("flat", "standard")
    q = latent.distribution(h, c)
    torch.testing.assert_close(latent.infer(h, c)[1], q.kl_to_standard())


class Joint(Prior):
    """A prior that is trained with the networks: N(2, 0.5²)."""

    joint = True

    def forward(self, c):
        return DiagonalGaussian(
            torch.full((len(c), LATENT_DIM), 2.0).to(c), torch.full((len(c), LATENT_DIM), 0.5).to(c)
        )


def test_kl_to_a_joint_prior_is_estimated_without_bias(h, c):
    latent = LATENTS["flat"](
        stirred(POSTERIORS["gaussian"](FEATURES, LATENT_DIM)), Joint(Sizes(LATENT_DIM)), LATENT_DIM
    )
    q = latent.distribution(h, c)
    exact = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.mean, q.scale), torch.distributions.Normal(2.0, 0.5)
    ).sum(1)
    estimates = torch.stack([latent.infer(h, c)[1] for _ in range(2000)])
    error = estimates.mean(0) - exact
    assert (error.abs() < 4 * estimates.std(0) / 2000**0.5).all()


# --- ladders ---------------------------------------------------------------------------


def test_levels_are_named_from_the_finest_and_cut_evenly():
    parts = POSTERIORS["gaussian"](FEATURES, 8), PRIORS["top_down"](Sizes(8, CLASSES, (0, CLASSES)))
    latent = LATENTS["ladder"](*parts, 8, levels=3)
    assert latent.slices == {"level_1": slice(0, 4), "level_2": slice(4, 6), "level_3": slice(6, 8)}


@pytest.mark.parametrize("name", ["ladder", "vlae"])
def test_more_levels_than_dimensions_are_refused(name):
    parts = POSTERIORS["gaussian"](FEATURES, 2), PRIORS["mixture"](Sizes(2, CLASSES, (0, CLASSES)))
    with pytest.raises(InputError, match="3 levels need at least as many dimensions; got latent_dim=2"):
        LATENTS[name](*parts, 2, levels=3)


def test_kl_of_a_ladder_is_that_of_its_densities_on_average(h, c):
    latent = built("ladder", "top_down")
    q = latent.distribution(h, c)
    z, density = q.transport(q.noise((4000,)))
    estimates = density - latent.log_prior(z, c)
    exact = torch.stack([latent.infer(h, c)[1] for _ in range(200)]).mean(0)
    noise = estimates.std(0) / 4000**0.5 + exact.std() / 200**0.5
    assert ((estimates.mean(0) - exact).abs() < 5 * noise).all()


def test_density_of_a_ladder_is_that_of_the_noise_over_the_volume(h, c):
    q = built("ladder", "top_down").distribution(h[:1], c[:1])
    noise = q.noise()
    jacobian = torch.autograd.functional.jacobian(lambda e: q.transport(e)[0], noise)[0, :, 0]
    base = torch.distributions.Normal(0.0, 1.0).log_prob(noise).sum()
    torch.testing.assert_close(q.transport(noise)[1][0], base - jacobian.det().abs().log())


def test_a_level_of_a_ladder_listens_to_the_levels_above_only(c):
    prior = built("ladder", "top_down").prior(c)
    noise = prior.noise()
    coarse = LATENT_DIM - 1
    moved = noise.clone()
    moved[:, coarse] += 1
    assert ((prior.transport(moved)[0] - prior.transport(noise)[0]).abs() > 1e-6).all()
    moved = noise.clone()
    moved[:, :coarse] += 1
    torch.testing.assert_close(prior.transport(moved)[0][:, coarse], prior.transport(noise)[0][:, coarse])


# --- priors made from parts of the latent ----------------------------------------------


def test_vamp_is_the_mixture_of_its_pseudo_rows(c):
    latent = built("flat", "vamp")
    z = torch.randn(ROWS, LATENT_DIM).double()
    parts = latent.distribution(latent.prior.pseudo, torch.zeros(64, CLASSES).double())
    each = parts.log_prob(z[:, None, :]) + torch.log_softmax(latent.prior.level + c @ latent.prior.gate, 1)
    torch.testing.assert_close(latent.prior(c).log_prob(z), torch.logsumexp(each, 1))


def test_vamp_starts_at_features_of_rows(h):
    latent = built("flat", "vamp")
    latent.initialise(h)
    assert torch.cdist(latent.prior.pseudo, h).min(1).values.max() < 0.1


def test_draws_of_a_vamp_are_spread_like_its_density(c):
    prior = built("flat", "vamp").prior(c[:1])
    drawn = torch.cat([prior.draw() for _ in range(4000)])
    assert ((drawn.mean(0) - prior.mean[0]).abs() < 5 * drawn.std(0) / 4000**0.5).all()


def test_token_probabilities_sum_to_one(c):
    posterior = POSTERIORS["categorical"](FEATURES, 4, groups=2, levels=3)
    prior = PRIORS["tokens"](Sizes(4, CLASSES, (0, CLASSES)))
    latent = stirred(LATENTS["flat"](posterior, prior, 4)).eval()
    prior.borrowing.fill_(0.25)
    tokens = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    z = posterior.codebook.look_up(tokens)
    total = latent.prior(c[:1].expand(9, -1)).log_prob(z).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_token_prior_learns_the_tokens_of_each_class():
    posterior = POSTERIORS["categorical"](FEATURES, 4, groups=2, levels=3)
    prior = PRIORS["tokens"](Sizes(4, CLASSES, (0, CLASSES)))
    LATENTS["flat"](posterior, prior, 4)
    label = torch.arange(400) % 2
    # The second token repeats the first; class 1 knows no token 0.
    first = torch.where(torch.rand(400) < 0.5, label, 2)
    codes = posterior.codebook.look_up(torch.stack([first, first], 1)).detach()
    contexts = torch.eye(2)[label]
    objective = prior.objective(codes, contexts, 1)
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        objective((codes, contexts), 0.0)["loss"].mean().backward()
        optimizer.step()
    drawn = posterior.codebook.tokens(prior(torch.eye(2)[torch.ones(500, dtype=torch.int64)]).draw())
    assert (drawn[:, 0] == drawn[:, 1]).float().mean() > 0.95
    assert (drawn[:, 0] == 0).float().mean() < 0.1
