"""The contract of every registered prior, before and after it was fitted, and how small classes borrow."""

import pytest
import torch
from contracts import every_parameter_has_a_gradient, grid, one_hot, stirred
from torch.distributions import Distribution
from torch.nn import functional as F

from vaeaug.nn.distributions import draw
from vaeaug.nn.priors.base import Sizes
from vaeaug.nn.priors.flow import FlowPrior
from vaeaug.nn.priors.gaussian import GaussianPrior
from vaeaug.nn.priors.mixture import MixturePrior
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.utils.random import isolate_torch

CLASSES, D = 2, 2
LABELS = [0] * 150 + [1] * 50
FITTED = [name for name in PRIORS if name != "standard" and not PRIORS[name].bound]
IN_CLOSED_FORM = ["gaussian", "mixture"]


def made_codes():
    """Return 200 codes in two dimensions: class 0 around (1, 0), class 1 around (−2, 1)."""
    noise = torch.randn(200, D, dtype=torch.float64)
    heaps = torch.tensor([[1.0, 0.0], [-2.0, 1.0]], dtype=torch.float64)
    return heaps[torch.tensor(LABELS)] + 0.5 * noise, one_hot(LABELS, CLASSES)


def fitted(name, codes, contexts, draws=1, class_block=None, updates=250, **options):
    """Build a prior and fit it as a model would, with a short training where it needs one."""
    prior = PRIORS[name](
        Sizes(codes.shape[1], contexts.shape[1], class_block or (0, contexts.shape[1])), **options
    )
    prior.double()
    prior.estimate(codes, contexts, draws)
    objective = prior.objective(codes, contexts, draws)
    if objective is not None:
        optimizer = torch.optim.Adam(objective.parameters(), lr=1e-2)
        for _ in range(updates):
            optimizer.zero_grad()
            objective((codes, contexts), 0.0)["loss"].mean().backward()
            optimizer.step()
    return prior.eval()


#: Smaller, and solved more finely, than in use.
OPTIONS = {"flow": {"width": 32, "depth": 1, "steps": 20}}


@pytest.fixture(params=[name for name in PRIORS if not PRIORS[name].bound], scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def prior(name):
    with isolate_torch(1):
        return fitted(name, *made_codes(), **OPTIONS.get(name, {}))


@pytest.fixture
def c():
    return one_hot([0, 1, -1, 0], CLASSES)


# --- the contract ----------------------------------------------------------------------


def test_it_returns_a_distribution_over_codes(prior, c):
    p = prior(c)
    assert isinstance(p, Distribution)
    assert (p.batch_shape, p.event_shape) == ((4,), (D,))


@pytest.mark.parametrize("shape", [(), (3,)])
def test_sample_has_the_shape_of_codes(prior, c, shape):
    assert prior(c).sample(torch.Size(shape)).shape == (*shape, 4, D)


def test_log_prob_is_finite_and_one_per_context(prior, c):
    found = prior(c).log_prob(torch.randn(4, D, dtype=torch.float64))
    assert found.shape == (4,)
    assert found.isfinite().all()


@pytest.mark.parametrize("label", [0, 1, -1])
def test_density_integrates_to_one(prior, label):
    points, area = grid(-6, 6, 61)
    density = prior(one_hot([label], CLASSES).expand(len(points), -1)).log_prob(points).exp()
    assert abs(float(density.sum()) * area - 1) < 5e-3


@pytest.mark.parametrize("label", [0, 1, -1])
def test_draws_have_the_moments_of_the_density(prior, label):
    points, area = grid(-6, 6, 61)
    density = prior(one_hot([label], CLASSES).expand(len(points), -1)).log_prob(points).exp() * area
    mean = density @ points
    variance = density @ (points - mean).square()
    drawn = draw(prior(one_hot([label], CLASSES).expand(8000, -1)))
    assert ((drawn.mean(0) - mean) / variance.sqrt()).abs().max() < 0.05  # 0.011 of noise
    assert (drawn.var(0) / variance - 1).abs().max() < 0.1  # 0.02 to 0.03 of noise


def test_temperature_zero_leaves_no_noise(prior, c):
    # What is left is the choice of a component, and of the shared prior in place of the class's.
    drawn = draw(prior(c[:1].expand(200, -1)), 0.0)
    choices = len(getattr(prior, "means", [0])) + 1
    assert len(drawn.round(decimals=6).unique(dim=0)) <= choices


def test_no_context_is_fine(name):
    bare = PRIORS[name](Sizes(D, 0, (0, 0))).double()
    c = torch.zeros(5, 0, dtype=torch.float64)
    assert bare(c).log_prob(draw(bare(c))).isfinite().all()


def test_training_and_evaluation_agree(prior, c):
    z = torch.randn(4, D, dtype=torch.float64)
    train, evaluate = (prior.train(mode)(c).log_prob(z) for mode in (True, False))
    torch.testing.assert_close(train, evaluate, rtol=0, atol=0)


def test_state_round_trip_into_a_fresh_prior(name, prior, c):
    fresh = PRIORS[name](Sizes(D, CLASSES, (0, CLASSES)), **OPTIONS.get(name, {})).double()
    fresh.load_state_dict(prior.state_dict())
    z = torch.randn(4, D, dtype=torch.float64)
    # Where weights lie in memory decides the order of sums.
    torch.testing.assert_close(fresh(c).log_prob(z), prior(c).log_prob(z), rtol=1e-12, atol=0)


def test_fitting_and_loading_keep_the_dtype(prior):
    state = prior.state_dict()
    prior.load_state_dict(state)
    assert {value.dtype for value in prior.state_dict().values()} <= {torch.float64}


def test_fitting_raises_the_likelihood_of_held_out_codes(name):
    if name == "standard":
        pytest.skip("N(0, I) is not fitted")
    codes, contexts = made_codes()
    even = slice(0, None, 2)
    prior = fitted(name, codes[even], contexts[even], **OPTIONS.get(name, {}))
    standard = PRIORS["standard"](Sizes(D, CLASSES, (0, CLASSES)))
    held_out = codes[1::2], contexts[1::2]
    gain = (prior(held_out[1]).log_prob(held_out[0]) - standard(held_out[1]).log_prob(held_out[0])).mean()
    assert gain > 0.8  # nats a row


def test_gradient_reaches_every_parameter(name):
    codes, contexts = made_codes()
    prior = PRIORS[name](Sizes(D, CLASSES, (0, CLASSES)), **OPTIONS.get(name, {})).double()
    prior.estimate(codes, contexts, 1)
    objective = prior.objective(codes, contexts, 1)
    if objective is None:
        assert not list(prior.parameters())
        return
    stirred(objective)  # layers that start at zero hold back what lies behind them
    objective((codes, contexts), 0.0)["loss"].sum().backward()
    assert every_parameter_has_a_gradient(prior)


def test_the_objective_returns_one_loss_per_row(name):
    codes, contexts = made_codes()
    objective = PRIORS[name](Sizes(D, CLASSES, (0, CLASSES))).double().objective(codes, contexts, 1)
    assert objective is None or objective((codes[:7], contexts[:7]), 0.5)["loss"].shape == (7,)


# --- classes ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FITTED)
def test_classes_have_densities_of_their_own(name):
    prior = fitted(name, *made_codes(), **OPTIONS.get(name, {}))
    means = [draw(prior(one_hot([label], CLASSES).expand(2000, -1))).mean(0) for label in (0, 1)]
    # 50 rows against a pseudo-count of 10: a sixth of class 1 is borrowed.
    assert means[0][0] > 0.6
    assert means[1][0] < -1.1


@pytest.mark.parametrize("name", FITTED)
def test_a_class_without_codes_draws_from_the_shared_prior(name):
    codes, contexts = made_codes()
    wider = F.pad(contexts, (0, 1))  # a third class, without a row
    prior = fitted(name, codes, wider, updates=30)
    z = torch.randn(40, D, dtype=torch.float64)
    empty, unknown = (prior(one_hot([label], 3).expand(40, -1)).log_prob(z) for label in (2, -1))
    torch.testing.assert_close(empty, unknown, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", FITTED)
def test_a_class_of_one_code_borrows_nearly_everything(name):
    codes, contexts = made_codes()
    contexts = F.pad(contexts, (0, 1))
    contexts[0] = one_hot([2], 3)[0]
    prior = fitted(name, codes, contexts, updates=60, **OPTIONS.get(name, {}))
    lone, unknown, own = (draw(prior(one_hot([label], 3).expand(4000, -1))) for label in (2, -1, 0))
    # Weight 1 / (1 + 10) of its own: its mean lies within a tenth of the way to its code.
    assert (lone.mean(0) - unknown.mean(0)).norm() < 0.35 * (own.mean(0) - unknown.mean(0)).norm() + 0.1


def within_classes(codes):
    """Return the means of both classes and the covariance within them."""
    labels = torch.tensor(LABELS)
    means = torch.stack([codes[labels == k].mean(0) for k in range(CLASSES)])
    return means, torch.cov((codes - means[labels]).T, correction=0)


def test_gaussian_mean_is_shrunk_as_promised():
    """λ = tr(within) / tr(between), the latter without what chance adds to the distance of two means."""
    codes, contexts = made_codes()
    prior = fitted("gaussian", codes, contexts, pseudo_count=25.0)
    overall, (means, within) = codes.mean(0), within_classes(codes)
    spread = (means[0] - means[1]).square().sum() / 2 - within.trace() * (1 / 150 + 1 / 50) / 2
    ratio = within.trace() / spread
    for label, n in ((0, 150), (1, 50)):
        expected = (n * means[label] + ratio * overall) / (n + ratio)
        torch.testing.assert_close(prior(one_hot([label], CLASSES)).mean[0], expected)


def test_gaussian_means_of_classes_that_lie_together_are_shared():
    codes = torch.randn(40, D, dtype=torch.float64)
    codes[::2] -= codes[::2].mean(0)
    codes[1::2] -= codes[1::2].mean(0) - 0.1  # less than chance would bring about
    prior = fitted("gaussian", codes, one_hot([0, 1] * 20, CLASSES))
    assert (prior.means[0] - prior.means[1]).abs().max() < 0.01


def test_a_gaussian_of_one_code_lies_near_it_and_varies_as_others_do():
    codes, contexts = made_codes()
    contexts = F.pad(contexts, (0, 1))
    contexts[0] = one_hot([2], 3)[0]
    codes[0] = torch.tensor([9.0, 9.0])
    prior = fitted("gaussian", codes, contexts)
    lone = draw(prior(one_hot([2], 3).expand(4000, -1)))
    assert (lone.mean(0) - codes[0]).norm() < 0.1 * (codes.mean(0) - codes[0]).norm()
    others = draw(prior(one_hot([0], 3).expand(4000, -1)))
    torch.testing.assert_close(lone.std(0), others.std(0), rtol=0.2, atol=0.0)


def test_gaussian_of_a_class_without_rows_is_that_of_all():
    codes, contexts = made_codes()
    prior = fitted("gaussian", codes, F.pad(contexts, (0, 1)))
    torch.testing.assert_close(prior.means[2], codes.mean(0))


def test_gaussian_of_all_rows_serves_unknown_labels():
    codes, contexts = made_codes()
    p = fitted("gaussian", codes, contexts)(one_hot([-1], CLASSES))
    z = torch.randn(9, D, dtype=torch.float64)
    overall = torch.distributions.MultivariateNormal(codes.mean(0), torch.cov(codes.T, correction=0))
    torch.testing.assert_close(p.log_prob(z[:, None])[:, 0], overall.log_prob(z), rtol=0.01, atol=0.01)


def test_gaussian_covariance_is_shrunk_as_promised():
    codes, contexts = made_codes()
    kappa = 25.0
    prior = fitted("gaussian", codes, contexts, pseudo_count=kappa)
    means, within = within_classes(codes)
    for label, n in ((0, 150), (1, 50)):
        about = codes[torch.tensor(LABELS) == label] - means[label]
        expected = (about.T @ about + kappa * within) / (n + kappa) + 1e-3 * torch.eye(D)
        torch.testing.assert_close(prior.factors[label] @ prior.factors[label].T, expected)


def test_mixture_weights_are_shrunk_as_promised():
    """π_m(y) = (n_y π̂_m(y) + κ π̂_m) / (n_y + κ), with π̂ the mean responsibilities."""
    codes, contexts = made_codes()
    kappa = 25.0
    prior = fitted("mixture", codes, contexts, components=3, pseudo_count=kappa)
    log_parts = prior(one_hot([-1], CLASSES).expand(200, -1)).component_log_prob(codes)
    shared = prior(one_hot([-1], CLASSES)).weights[0]
    responsibility = torch.softmax(log_parts + shared.log(), 1)
    for label, n in ((0, 150), (1, 50)):
        own = responsibility[torch.tensor(LABELS) == label].mean(0)
        expected = (n * own + kappa * shared) / (n + kappa)
        found = prior(one_hot([label], CLASSES)).weights[0]
        torch.testing.assert_close(found, expected, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("name", IN_CLOSED_FORM)
def test_drawing_each_row_several_times_does_not_make_classes_larger(name):
    codes, contexts = made_codes()
    once = fitted(name, codes, contexts, draws=1, **({"components": 1} if name == "mixture" else {}))
    twice = fitted(
        name,
        codes.repeat(2, 1),
        contexts.repeat(2, 1),
        draws=2,
        **({"components": 1} if name == "mixture" else {}),
    )
    z = torch.randn(40, D, dtype=torch.float64)
    c = one_hot([1], CLASSES).expand(40, -1)
    torch.testing.assert_close(once(c).log_prob(z), twice(c).log_prob(z), rtol=2e-3, atol=2e-3)


# --- what is special about each --------------------------------------------------------


def test_flow_borrows_with_the_promised_probability():
    codes, contexts = made_codes()
    prior = FlowPrior(Sizes(D, CLASSES, (0, CLASSES)), pseudo_count=25.0).double()
    prior.objective(codes, contexts, 1)
    expected = torch.tensor([25 / 175, 25 / 75, 1.0], dtype=torch.float64)
    torch.testing.assert_close(prior.borrowing, expected)


def test_mixture_takes_one_component_per_64_rows():
    codes, contexts = made_codes()
    assert len(fitted("mixture", codes, contexts).means) == 4


def test_mixture_never_has_more_components_than_codes():
    codes, contexts = made_codes()
    prior = fitted("mixture", codes[:3], contexts[:3], components=50)
    assert len(prior.means) == 3
    assert prior(contexts[:3]).log_prob(codes[:3]).isfinite().all()


def test_mixture_follows_a_continuous_context():
    value = torch.linspace(-2, 2, 400, dtype=torch.float64)[:, None]
    codes = torch.cat([value, torch.zeros_like(value)], 1) + 0.2 * torch.randn(400, 2, dtype=torch.float64)
    contexts = torch.cat([value, torch.ones_like(value)], 1)
    prior = fitted("mixture", codes, contexts, components=6, class_block=(0, 0))
    low, high = (prior(torch.tensor([[v, 1.0]], dtype=torch.float64)).mean[0, 0] for v in (-1.5, 1.5))
    assert low < -0.8
    assert high > 0.8


@pytest.mark.parametrize("cls", [GaussianPrior, MixturePrior])
def test_one_code_and_equal_codes_can_be_fitted(cls):
    for n in (1, 5):
        codes, contexts = torch.ones(n, D, dtype=torch.float64), one_hot([0] * n, CLASSES)
        prior = cls(Sizes(D, CLASSES, (0, CLASSES))).double()
        prior.estimate(codes, contexts, 1)
        assert prior(contexts).log_prob(draw(prior(contexts))).isfinite().all()
