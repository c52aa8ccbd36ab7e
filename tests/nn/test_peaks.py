"""Peaks of ordered columns: where they start, and their gradients."""

import numpy as np
import pandas as pd
import pytest
import torch

from vaeaug import Recipe, VAEAugmenter
from vaeaug.nn.likelihoods.peaks import Peaks, _Bumps

BLOCKS = [(0, 5), (7, 20), (30, 9)]
OWNERS = torch.tensor([0, 2, 3])


def build(peaks=2, own=3):
    torch.manual_seed(0)
    return Peaks(BLOCKS, OWNERS, torch.tensor([0, 0, 1, 2, 3]), own, peaks)


def make_numbers(n=400):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 3, generator=generator)
    x[:, 2] = 0.8 * x[:, 0] - 0.5 * x[:, 1] + 0.2 + 0.01 * torch.randn(n, generator=generator)
    return x


def make_values():
    values = torch.zeros(39)
    for first, levels in BLOCKS:
        values[first : first + levels] = torch.linspace(-2.1, 1.9, levels)
    return values


def test_gradients_are_those_of_the_formula():
    torch.manual_seed(0)
    parts = [torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    values = torch.randn(3, 6, dtype=torch.float64)
    values[1, 2] = 0.0
    assert torch.autograd.gradcheck(lambda *p: _Bumps.apply(*p, values), parts)
    places, sharpness, heights = (part[..., None] for part in parts)
    apart = (values[:, None] - places) * sharpness.exp()
    wanted = (heights * torch.exp(-0.5 * apart**2)).sum(2) * (values != 0)
    torch.testing.assert_close(_Bumps.apply(*parts, values), wanted)


def test_they_start_at_regressions():
    module, numbers, values = build(), make_numbers(), make_values()
    with torch.no_grad():
        module.read.zero_()
        module.own_read.zero_()
    module.initialise(numbers, values)
    bumps = module(torch.zeros(400, 5), torch.zeros(400, 3, 3), numbers, values)
    apart = (values[30:39][bumps[:, 25:].argmax(1)] - numbers[:, 2]).abs()
    assert apart[numbers[:, 2].abs() < 1.9].max() < 0.3  # tokens are 0.5 apart
    # Those before do not tell of the second column: its peaks are wide, and say nothing yet.
    assert module.bias[2, 2] > module.bias[1, 2] + 1
    assert (module.bias[2, 4:] == 1).all()
    assert (module.bias[1, 4:] == 0).all()


def test_a_value_that_is_missing_has_no_peak():
    module, values = build(), make_values()
    values[7] = 0.0
    found = module(torch.randn(6, 5), torch.randn(6, 3, 3), torch.randn(6, 3), values)
    assert (found[:, 5] == 0).all()
    assert (found[:, 6] != 0).any()


@pytest.mark.parametrize(
    ("tokens", "columns"), [((0, 39), 3), ((7, 39), 2), ((7, 27), 1), ((27, 39), 1), ((5, 7), 0)]
)
def test_some_columns_are_as_among_all(tokens, columns):
    module, values = build(), make_values()
    with torch.no_grad():
        for weights in module.parameters():
            weights.normal_()
    shared, own, numbers = torch.randn(6, 5), torch.randn(6, 3, 3), torch.randn(6, 3)
    asked = module.find_columns(slice(*tokens))
    assert len(asked) == columns
    if asked:
        every, some = values.new_zeros(6, 39), values.new_zeros(6, 39)
        every[:, module.owned] = module(shared, own, numbers, values)
        some[:, module.list_tokens(asked)] = module(shared, own, numbers, values, asked)
        torch.testing.assert_close(some[:, slice(*tokens)], every[:, slice(*tokens)])


@pytest.mark.parametrize("numbers", [torch.zeros(50, 3), torch.ones(2, 3), torch.full((90, 3), 0.5)])
def test_columns_that_say_nothing_start_finite(numbers):
    module = build()
    module.initialise(numbers, make_values())
    assert all(parameter.isfinite().all() for parameter in module.parameters())


def test_a_peak_far_away_has_a_finite_gradient():
    module = build()
    found = module(torch.full((2, 5), 1e30), torch.full((2, 3, 3), 1e30), torch.ones(2, 3), make_values())
    found.sum().backward()
    assert found.isfinite().all()


@pytest.mark.filterwarnings("ignore::vaeaug.errors.PosteriorCollapseWarning")
def test_numbers_that_nearly_determine_each_other_stay_together():
    rng = np.random.default_rng(0)
    size = rng.normal(size=800)
    X = pd.DataFrame({"size": size, "other": rng.normal(size=800)})
    X["sum"] = size - X["other"] + 0.05 * rng.normal(size=800)
    apart = {}
    for peaks in (0, 2):
        network = Recipe("residual", width=32, depth=1, dependence=64, peaks=peaks)
        model = VAEAugmenter(network=network, max_iter=10, relations=None, random_state=0).fit(X)
        new, _ = model.sample(2000, random_state=0)
        apart[peaks] = float((new["sum"] - new["size"] + new["other"]).abs().median())
    assert apart[2] < 0.7 * apart[0], apart
