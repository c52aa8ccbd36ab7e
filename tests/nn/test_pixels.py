"""The contract of every registered likelihood of pixels, and what each promises."""

import math

import pytest
import torch
from contracts import every_parameter_has_a_gradient, stirred
from sklearn.datasets import load_digits

from vaeaug.layout import Layout
from vaeaug.nn.convolutions import ImageDecoder, ImageEncoder
from vaeaug.nn.distributions import DiagonalGaussian, draw
from vaeaug.nn.likelihoods.pixels import PIXELS, GaussianPixels
from vaeaug.nn.likelihoods.textures import TexturePixels, cell_of, diagonals

SHAPES = [(1, 4, 5), (3, 5, 4), (4, 1, 3)]
STEP = 2 / 255


def grey(shape, n, levels=256):
    """Return images of that many equidistant values, float64."""
    return torch.randint(levels, (n, *shape)).double() * (2 / (levels - 1)) - 1


def built(kind, shape, **options):
    """Return a likelihood off its initial weights, float64, in evaluation mode."""
    likelihood = stirred(PIXELS[kind](Layout.image(*shape), **options)).eval()
    likelihood.initialise(grey(shape, 50))
    return likelihood


def parameters(likelihood, shape, n):
    return torch.randn(n, likelihood.parameters_per_pixel * shape[1] * shape[2], dtype=torch.float64)


@pytest.fixture(params=[(kind, shape) for kind in PIXELS for shape in SHAPES], ids=str)
def case(request):
    kind, shape = request.param
    likelihood = built(kind, shape)
    return likelihood, shape, parameters(likelihood, shape, 6)


def test_shapes(case):
    likelihood, shape, params = case
    distribution = likelihood(params)
    assert distribution.batch_shape == (6,)
    assert distribution.event_shape == shape
    assert distribution.log_prob(grey(shape, 6)).shape == (6,)
    for temperature in (0.0, 0.5, 1.0):
        assert draw(distribution, temperature).shape == (6, *shape)
    assert likelihood(params[:0]).draw().shape == (0, *shape)


def test_gradients_reach_every_parameter(case):
    likelihood, shape, params = case
    params.requires_grad_()
    likelihood.train()(params).log_prob(grey(shape, 6)).sum().backward()
    assert params.grad.isfinite().all()
    assert params.grad.abs().sum() > 0
    used = likelihood.before.any() if isinstance(likelihood, TexturePixels) else True
    if used:
        assert every_parameter_has_a_gradient(likelihood)


def test_extreme_parameters_and_pixels_keep_the_log_density_finite(case):
    likelihood, shape, params = case
    for x in (torch.ones(6, *shape).double(), -torch.ones(6, *shape).double()):
        assert likelihood.float()(1e3 * params.float()).log_prob(x.float()).isfinite().all()


@pytest.mark.parametrize("kind", PIXELS)
@pytest.mark.parametrize("value", [-1.0, 0.3, 1.0])
def test_constant_images_have_a_finite_density(kind, value):
    likelihood = PIXELS[kind](Layout.image(1, 3, 3))
    x = torch.full((4, 1, 3, 3), value)
    likelihood.initialise(x)
    params = torch.zeros(4, likelihood.parameters_per_pixel * 9)
    assert likelihood(params).log_prob(x).isfinite().all()
    drawn = likelihood(params).draw()
    assert ((drawn - value).abs() < 0.05).float().mean() > 0.8


@pytest.mark.parametrize("kind", ["logistic", "texture"])
def test_probabilities_of_8_bit_values_sum_to_one(kind):
    shape = (1, 1, 2)
    likelihood = built(kind, shape)
    values = torch.arange(256, dtype=torch.float64) * STEP - 1
    x = torch.cartesian_prod(values, values).reshape(-1, *shape)
    params = parameters(likelihood, shape, 1).expand(len(x), -1)
    with torch.no_grad():
        log_mass = likelihood(params).log_prob(x) + 2 * math.log(STEP)
    assert log_mass.exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_a_gaussian_density_integrates_to_one():
    likelihood = built("gaussian", (1, 1, 1))
    params = parameters(likelihood, (1, 1, 1), 1)
    x = torch.linspace(-60, 60, 240_001, dtype=torch.float64)
    mass = likelihood(params.expand(len(x), -1)).log_prob(x.reshape(-1, 1, 1, 1)).exp().sum() * (x[1] - x[0])
    assert mass.item() == pytest.approx(1, abs=1e-6)


def test_bernoulli_probabilities_of_binary_images_sum_to_one():
    shape = (1, 2, 2)
    likelihood = built("bernoulli", shape)
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    x = torch.cartesian_prod(ends, ends, ends, ends).reshape(-1, *shape)
    params = parameters(likelihood, shape, 1).expand(len(x), -1)
    assert likelihood(params).log_prob(x).exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("kind", [kind for kind in PIXELS if kind != "texture"])
def test_independent_pixels_are_drawn_as_their_mean(kind):
    likelihood = built(kind, (1, 4, 5))
    distribution = likelihood(parameters(likelihood, (1, 4, 5), 3))
    torch.testing.assert_close(distribution.draw(1.0), distribution.mean)


def test_sigma_settles_at_the_root_mean_squared_error():
    likelihood = GaussianPixels(Layout.image(1, 2, 2))
    x = 0.05 * torch.randn(500, 1, 2, 2)
    likelihood.initialise(torch.rand(10, 1, 2, 2))
    likelihood.centre.zero_()
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        (-likelihood(torch.zeros(500, 4)).log_prob(x).mean()).backward()
        optimizer.step()
    assert likelihood.log_scale.exp().item() == pytest.approx(0.05, rel=0.05)


# --- textures --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (8, 8)])
def test_diagonals_visit_every_pixel_after_the_neighbours_it_reads(size):
    height, width = size
    turn = torch.full(size, -1)
    for i, (rows, columns) in enumerate(diagonals(height, width)):
        assert (turn[rows, columns] == -1).all()
        turn[rows, columns] = i
    assert (turn >= 0).all()
    assert (turn[:, 1:] > turn[:, :-1]).all()
    assert (turn[1:, :-1] > turn[:-1, 1:]).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_pixel_depends_on_the_code_and_on_pixels_drawn_before_it_only(shape):
    likelihood = built("texture", shape)
    params = parameters(likelihood, shape, 1)
    x = grey(shape, 1).requires_grad_()
    units = likelihood(params).units(x).unflatten(-1, (shape[0], -1))
    turn = 2 * torch.arange(shape[1])[:, None] + torch.arange(shape[2])
    channels = torch.arange(shape[0])[:, None, None]
    for i, j in [(0, 0), (shape[1] - 1, shape[2] - 1), (shape[1] // 2, shape[2] // 2)]:
        for c in range(shape[0]):
            (gradient,) = torch.autograd.grad(units[0, i, j, c].abs().sum(), x, retain_graph=True)
            later = (turn > turn[i, j]) | ((turn == turn[i, j]) & (channels >= c))
            assert (gradient[0][later.expand(shape)] == 0).all()


def test_the_image_without_grain_has_a_gradient():
    likelihood = built("texture", (2, 3, 3))
    params = parameters(likelihood, (2, 3, 3), 2).requires_grad_()
    mean = likelihood(params).mean
    assert mean.shape == (2, 2, 3, 3)
    mean.sum().backward()
    assert params.grad.abs().sum() > 0


def test_in_training_a_share_of_pixels_is_judged_by_the_code_alone():
    likelihood = built("texture", (1, 6, 6), alone=0.5)
    params = parameters(likelihood, (1, 6, 6), 1)
    x = grey((1, 6, 6), 1)
    evaluated = likelihood(params).log_prob(x)
    assert torch.equal(evaluated, likelihood(params).log_prob(x))
    trained = likelihood.train()(params.expand(500, -1)).log_prob(x.expand(500, -1, -1, -1))
    likelihood.alone = 0.0
    torch.testing.assert_close(likelihood(params).log_prob(x), evaluated)
    # With half of the pixels each way, the mean lies half way between the two judgements.
    likelihood.alone = 1.0
    alone = likelihood(params).log_prob(x)
    standard_error = trained.std() / 500**0.5
    assert (trained.mean() - 0.5 * (alone + evaluated)).abs() < 5 * standard_error


def test_draws_follow_the_probabilities():
    shape = (2, 1, 2)
    likelihood = built("texture", shape, levels=3)
    # Three values only: inside a level, the value drawn would matter to the next pixel.
    likelihood.initialise(grey(shape, 500, levels=3))
    params = parameters(likelihood, shape, 1)
    n = 20_000
    drawn = likelihood(params.expand(n, -1)).draw()
    levels = likelihood.level[cell_of(drawn)].flatten(1)
    number = (levels * 3 ** torch.arange(4)).sum(1)
    found = torch.bincount(number, minlength=81) / n
    grid = torch.cartesian_prod(*[torch.arange(3)] * 4)
    one = torch.tensor([0, 128, 255])
    assert likelihood.level[one].tolist() == [0, 1, 2]
    x = (one[grid].double() * STEP - 1).reshape(-1, *shape)
    distribution = likelihood(params.expand(81, -1))
    with torch.no_grad():
        inside = likelihood.log_share[cell_of(x)].flatten(1).sum(1)
        wanted = (distribution.log_prob(x) + 4 * math.log(STEP) - inside).exp()
    wanted = wanted[torch.argsort((grid * 3 ** torch.arange(4)).sum(1))]
    assert wanted.sum().item() == pytest.approx(1, abs=1e-5)
    # Half the absolute difference of 81 shares of 20,000 draws is about .02 by chance.
    assert 0.5 * (found - wanted).abs().sum() < 0.04


def test_frequent_values_are_levels_of_their_own():
    x = torch.rand(100, 1, 8, 8) * 2 - 1
    x[torch.rand(x.shape) < 0.5] = -1.0
    likelihood = TexturePixels(Layout.image(1, 8, 8), levels=16)
    likelihood.initialise(x)
    assert (likelihood.level == likelihood.level[0]).sum() == 1
    assert 12 <= len(likelihood.level.unique()) <= 16
    assert (likelihood.level.diff() >= 0).all()


def test_few_values_are_all_levels_and_nothing_else_is_drawn():
    x = grey((1, 6, 6), 50, levels=5).float()
    likelihood = TexturePixels(Layout.image(1, 6, 6))
    likelihood.initialise(x)
    params = torch.randn(50, likelihood.parameters_per_pixel * 36)
    drawn = likelihood(params).draw()
    nearest = (drawn[..., None] - torch.linspace(-1, 1, 5)).abs().amin(-1)
    assert (nearest < 0.01).float().mean() > 0.98


def test_without_temperature_images_are_means_and_repeat_themselves():
    likelihood = built("texture", (1, 8, 8))
    distribution = likelihood(parameters(likelihood, (1, 8, 8), 4))
    torch.testing.assert_close(distribution.draw(0.0), distribution.draw(0.0))
    assert (distribution.draw(1.0) != distribution.draw(1.0)).any()


# --- learning --------------------------------------------------------------------------


@pytest.mark.slow  # trains on all digits
@pytest.mark.parametrize("kind", PIXELS)
def test_digits_are_learned_and_the_code_tells_them_apart(kind):
    data = load_digits()
    x = torch.from_numpy(data.images[:250]).float()[:, None] / 8 - 1
    layout = Layout.image(1, 8, 8)
    likelihood = PIXELS[kind](layout)
    likelihood.initialise(x)
    encoder = ImageEncoder(layout, 0, 8, 1, 16)
    decoder = ImageDecoder(8, 0, layout, likelihood.parameters_per_pixel, 8, 1)
    model = torch.nn.ModuleList([encoder, torch.nn.Linear(16, 8), decoder, likelihood])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    none = torch.zeros(len(x), 0)

    def reconstruction():
        z = DiagonalGaussian(model[1](encoder(x, none)), torch.full((len(x), 8), 0.1)).rsample()
        return likelihood(decoder(z, none))

    before = reconstruction().log_prob(x).mean().item()
    for _ in range(90):
        optimizer.zero_grad()
        (-reconstruction().log_prob(x).mean()).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        distribution = reconstruction()
        own, others = distribution.log_prob(x).mean(), distribution.log_prob(x.roll(1, 0)).mean()
        error = (distribution.draw(0.0) - x).square().mean()
    assert own > before + 5
    assert own > others + 2
    assert error < 0.7 * (x - x.mean(0)).square().mean()
