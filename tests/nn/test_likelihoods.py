"""The likelihood of table rows, over layouts of every kind of span."""

import copy
import itertools

import pytest
import torch
from contracts import every_parameter_has_a_gradient, stirred
from scipy import stats

from vaeaug.layout import Layout, Span
from vaeaug.nn.distributions import draw
from vaeaug.nn.likelihoods.rows import RowLikelihood

ROWS = 6
TOKEN, PLACE, HINT, REAL = "categorical", "position", "hint", "continuous"

LAYOUTS = {
    "tokens": [(TOKEN, 2), (TOKEN, 3), (TOKEN, 2)],
    "one token": [(TOKEN, 4)],
    "constant": [(TOKEN, 1), (TOKEN, 2)],
    "binned number": [(TOKEN, 3), (PLACE, 1), (HINT, 1), (TOKEN, 2)],
    "many bins": [(TOKEN, 16), (PLACE, 2), (HINT, 1), (TOKEN, 2), (TOKEN, 3), (HINT, 1)],
    "reals": [(REAL, 2)],
    "all": [(REAL, 1), (TOKEN, 3), (PLACE, 2), (HINT, 1), (TOKEN, 2), (PLACE, 1), (REAL, 2)],
}
WITH_TOKENS = [name for name in LAYOUTS if name != "reals"]


def built(name, **options):
    """Return a likelihood off its initial weights, in evaluation mode, float64."""
    layout = Layout.row([Span(*span) for span in LAYOUTS[name]])
    likelihood = stirred(RowLikelihood(layout, **options)).eval()
    likelihood.initialise(made_rows(layout, 200))
    return likelihood


def made_rows(layout, n):
    """Return encoded rows with hints that rise with the token, float64."""
    x = torch.zeros(n, layout.shape[0], dtype=torch.float64)
    start, code, place, levels = 0, None, None, 1
    for span in layout.spans:
        stop = start + span.columns
        if span.kind == TOKEN:
            levels, place = span.width, torch.full((n,), 0.5, dtype=torch.float64)
            code = torch.randint(levels, (n,)).double()
            x[:, start] = code
        elif span.kind == PLACE:
            x[:, start:stop] = torch.rand(n, span.width, dtype=torch.float64)
            place = x[:, start]
        elif span.kind == HINT:
            x[:, start] = torch.special.ndtri((code + place).clamp(0.01, levels - 0.01) / levels)
        else:
            x[:, start:stop] = torch.randn(n, span.width, dtype=torch.float64)
        start = stop
    return x


def every_row(likelihood, place=0.3):
    """Return all combinations of tokens at one place inside their bins, with the hints that go with them."""
    codes = torch.tensor(list(itertools.product(*(range(k) for k in likelihood.levels))))
    x = torch.zeros(len(codes), likelihood.layout.shape[0], dtype=torch.float64)
    x[:, likelihood.token_columns] = codes.double()
    x[:, likelihood.position_columns] = place
    scales = likelihood.scales
    for i, (owner, column) in enumerate(zip(scales.owners.tolist(), scales.columns.tolist(), strict=True)):
        inside = place if scales.positions[i] >= 0 else 0.5
        x[:, column] = scales.hint(i, codes[:, owner], inside)
    return x


@pytest.fixture(params=list(itertools.product(LAYOUTS, (0, 3))), ids=lambda p: f"{p[0]}, {p[1]} own units")
def likelihood(request):
    name, own = request.param
    return built(name, own=own, peaks=min(own, 2))


@pytest.fixture
def params(likelihood):
    return torch.randn(ROWS, likelihood.parameters_width, dtype=torch.float64)


@pytest.fixture
def x(likelihood):
    return made_rows(likelihood.layout, ROWS)


# --- shapes ----------------------------------------------------------------------------


def test_it_returns_a_distribution_over_rows(likelihood, params):
    p = likelihood(params)
    assert (p.batch_shape, p.event_shape) == ((ROWS,), likelihood.layout.shape)


def test_log_prob_is_finite_and_one_per_row(likelihood, params, x):
    found = likelihood(params).log_prob(x)
    assert found.shape == (ROWS,)
    assert found.isfinite().all()


@pytest.mark.parametrize("shape", [(), (3,)])
def test_sample_has_the_shape_of_rows(likelihood, params, shape):
    assert likelihood(params).sample(torch.Size(shape)).shape == (*shape, ROWS, *likelihood.layout.shape)


def test_draws_are_legal_rows(likelihood):
    layout = likelihood.layout
    x = draw(likelihood(torch.randn(500, likelihood.parameters_width, dtype=torch.float64)))
    tokens = x[:, layout.columns(TOKEN)]
    assert (tokens == tokens.round()).all()
    assert (tokens >= 0).all()
    assert (tokens < torch.as_tensor(layout.levels)).all()
    places = x[:, layout.columns(PLACE)]
    assert ((places >= 0) & (places < 1)).all()
    assert x.isfinite().all()


def test_places_are_uniform():
    likelihood = built("all")
    places = draw(likelihood(torch.zeros(2000, likelihood.parameters_width, dtype=torch.float64)))
    for column in likelihood.layout.columns(PLACE):
        assert stats.kstest(places[:, column].numpy(), "uniform").pvalue > 0.001


def test_rows_without_a_batch_are_fine(likelihood):
    none = torch.empty(0, likelihood.parameters_width, dtype=torch.float64)
    assert draw(likelihood(none)).shape == (0, *likelihood.layout.shape)


# --- probabilities ---------------------------------------------------------------------

SETTINGS = [{}, {"hidden": 5}, {"autoregressive": False}, {"own": 2, "peaks": 2}, {"peaks": 1}]


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("name", WITH_TOKENS)
def test_probabilities_of_all_token_combinations_sum_to_one(name, options):
    likelihood = built(name, **options)
    x = every_row(likelihood)
    params = torch.randn(1, likelihood.parameters_width, dtype=torch.float64).expand(len(x), -1)
    total = likelihood(params).token_log_prob(x).sum(1).exp().sum()
    torch.testing.assert_close(total, torch.ones((), dtype=torch.float64), rtol=1e-10, atol=0)


def test_reals_have_the_density_of_a_gaussian():
    likelihood = built("reals")
    params = torch.randn(ROWS, 2, dtype=torch.float64)
    x = torch.randn(ROWS, 2, dtype=torch.float64)
    theirs = torch.distributions.Normal(params, likelihood.log_scale.exp()).log_prob(x).sum(1)
    torch.testing.assert_close(likelihood(params).log_prob(x), theirs)


@torch.no_grad()
@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("name", ["tokens", "binned number", "constant"])
def test_sampling_frequencies_match_the_probabilities(name, options):
    n = 40_000
    likelihood = built(name, **options)
    params = torch.randn(1, likelihood.parameters_width, dtype=torch.float64)
    rows = every_row(likelihood)
    probability = torch.zeros(len(rows), dtype=torch.float64)
    # The place inside a bin shifts the hint, and with it what follows: average over places.
    for place in (torch.arange(64.0) + 0.5).tolist():
        rows = every_row(likelihood, place / 64)
        probability += likelihood(params.expand(len(rows), -1)).token_log_prob(rows).sum(1).exp() / 64
    drawn = draw(likelihood(params.expand(n, -1)))[:, likelihood.token_columns].long()
    size = torch.tensor(likelihood.levels)
    key = (drawn * torch.cat([size.flip(0).cumprod(0).flip(0)[1:], torch.ones(1).long()])).sum(1)
    counts = torch.bincount(key, minlength=len(rows)).double()
    expected = n * probability
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < stats.chi2.ppf(0.999, len(rows) - 1)


@torch.no_grad()
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_fallback_gives_its_share_of_every_column(share):
    """p(x) = Π_j (1 − s) p(x_j | x_<j) + s p'(x_j | x_<j), column by column."""
    n = 40_000
    likelihood = built("tokens")
    params, other = 2 * torch.randn(2, 1, likelihood.parameters_width, dtype=torch.float64)
    rows = every_row(likelihood)
    mine, theirs = (likelihood(p.expand(len(rows), -1)).token_log_prob(rows).exp() for p in (params, other))
    probability = ((1 - share) * mine + share * theirs).prod(1)
    mixed = likelihood(params.expand(n, -1)).back_off(
        likelihood(other.expand(n, -1)), torch.full((n,), share, dtype=torch.float64)
    )
    drawn = draw(mixed)[:, likelihood.token_columns].long()
    counts = torch.bincount(drawn @ torch.tensor([6, 2, 1]), minlength=len(rows)).double()
    chi_square = float(((counts - n * probability) ** 2 / (n * probability)).sum())
    assert chi_square < stats.chi2.ppf(0.999, len(rows) - 1)


@torch.no_grad()
@pytest.mark.parametrize("context", [0, 1])
@pytest.mark.parametrize("name", ["tokens", "binned number"])
def test_tilts_of_a_context_move_drawn_rows_and_their_density_alike(name, context):
    n = 40_000
    likelihood = built(name)
    table = torch.zeros(2, likelihood.total, dtype=torch.float64)
    table[1, :3] = torch.tensor([2.0, -1.0, 0.5])  # of the second context only, and not in every column
    likelihood.load_state_dict({**likelihood.state_dict(), "tilts.table": table})
    c = torch.eye(2, dtype=torch.float64)[context]
    params = torch.randn(1, likelihood.parameters_width, dtype=torch.float64)
    probability, plain = 0, 0
    for place in (torch.arange(64.0) + 0.5).tolist():
        rows = every_row(likelihood, place / 64)
        found = likelihood(params.expand(len(rows), -1))
        probability += found.tilt(c.expand(len(rows), -1)).token_log_prob(rows).sum(1).exp() / 64
        plain += found.token_log_prob(rows).sum(1).exp() / 64
    assert float(probability.sum()) == pytest.approx(1)
    assert (float((probability - plain).abs().sum()) > 0.2) == bool(context)
    mixed = likelihood(params.expand(n, -1)).tilt(c.expand(n, -1))
    drawn = draw(mixed)[:, likelihood.token_columns].long()
    size = torch.tensor(likelihood.levels)
    key = (drawn * torch.cat([size.flip(0).cumprod(0).flip(0)[1:], torch.ones(1).long()])).sum(1)
    expected = n * probability
    counts = torch.bincount(key, minlength=len(expected)).double()
    assert float(((counts - expected) ** 2 / expected).sum()) < stats.chi2.ppf(0.999, len(expected) - 1)


@torch.no_grad()
def test_a_fallback_replaces_means_too():
    likelihood = built("reals")
    params = torch.zeros(2000, likelihood.parameters_width, dtype=torch.float64)
    mixed = likelihood(params).back_off(likelihood(params + 100), torch.full((2000,), 0.25).double())
    assert abs(float((draw(mixed) > 50).double().mean()) - 0.25) < 0.03


@pytest.mark.parametrize("peaks", [0, 2])
@pytest.mark.parametrize("name", ["tokens", "binned number", "many bins", "all"])
def test_a_token_depends_on_earlier_columns_only(name, peaks):
    likelihood = built(name, peaks=peaks)
    x = made_rows(likelihood.layout, 1)
    params = torch.randn(1, likelihood.parameters_width, dtype=torch.float64)
    before = likelihood(params).token_log_prob(x)[0]
    columns = likelihood.token_columns.tolist()
    for k, width in enumerate(likelihood.levels):
        other = x.clone()
        other[0, columns[k]] = (x[0, columns[k]] + 1) % width
        for hint in likelihood.scales.columns[likelihood.scales.owners == k].tolist():
            other[0, hint] += 1.0
        after = likelihood(params).token_log_prob(other)[0]
        torch.testing.assert_close(after[:k], before[:k], rtol=0, atol=1e-12)
        # What comes later does change, or the columns would be independent given the code.
        assert k == len(columns) - 1 or (after[k + 1 :] - before[k + 1 :]).abs().min() > 1e-9


@pytest.mark.parametrize("name", ["tokens", "binned number", "many bins"])
def test_columns_are_independent_given_the_code_if_asked_for(name):
    likelihood = built(name, autoregressive=False, peaks=2)
    x, y = made_rows(likelihood.layout, 2)
    params = torch.randn(1, likelihood.parameters_width, dtype=torch.float64)
    first = likelihood.token_columns[0]
    mixed = x.clone()
    mixed[first] = y[first]
    before, after = (likelihood(params).token_log_prob(row[None])[0, 1:] for row in (x, mixed))
    torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_tokens_start_at_their_frequencies():
    layout = Layout.row([Span(*span) for span in LAYOUTS["tokens"]])
    likelihood = RowLikelihood(layout).double().eval()
    x = torch.tensor([[0, 2, 1]] * 60 + [[1, 0, 1]] * 20, dtype=torch.float64)
    likelihood.initialise(x)
    params = torch.zeros(1, likelihood.parameters_width, dtype=torch.float64)
    found = likelihood(params).token_log_prob(x[:1])[0].exp()
    torch.testing.assert_close(found, torch.tensor([0.75, 0.75, 1.0]).double(), rtol=0.2, atol=0)


# --- special values --------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_TOKENS)
@pytest.mark.parametrize("training", [False, True])
def test_an_unknown_token_costs_nothing(name, training):
    likelihood = built(name).train(training)
    x = made_rows(likelihood.layout, ROWS)
    x[:, likelihood.token_columns[0]] = -1
    params = torch.randn(ROWS, likelihood.parameters_width, dtype=torch.float64, requires_grad=True)
    found = likelihood(params).token_log_prob(x)
    assert (found[:, 0] == 0).all()
    found.sum().backward()
    assert params.grad.isfinite().all()


def test_a_row_of_unknown_tokens_costs_nothing():
    likelihood = built("tokens")
    params = torch.randn(ROWS, likelihood.parameters_width, dtype=torch.float64)
    assert (likelihood(params).log_prob(torch.full((ROWS, 3), -1.0, dtype=torch.float64)) == 0).all()


@pytest.mark.parametrize("name", WITH_TOKENS)
@pytest.mark.parametrize("own", [0, 3])
def test_densities_of_later_columns_alone(name, own):
    likelihood = built(name, own=own, peaks=min(own, 2))
    x, columns = made_rows(likelihood.layout, ROWS), len(likelihood.levels)
    params = torch.randn(ROWS, likelihood.parameters_width, dtype=torch.float64)
    found = likelihood(params).back_off(likelihood(params.flip(0)), torch.full((ROWS,), 0.1).double())
    whole = found.cell_log_probs(x)
    for first in range(columns + 1):
        torch.testing.assert_close(found.cell_log_probs(x, first), whole[:, first:])


def test_an_unknown_token_tells_later_columns_nothing():
    likelihood = built("tokens")
    params = torch.randn(1, likelihood.parameters_width, dtype=torch.float64)
    rows = torch.tensor([[-1, 1, 1], [-2, 1, 1]], dtype=torch.float64)
    first, second = (likelihood(params).token_log_prob(row[None]) for row in rows)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_parameters_give_finite_densities(likelihood, params, x, size):
    tokens = likelihood(size * params)
    assert tokens.token_log_prob(x).isfinite().all() if likelihood.total else True
    assert draw(tokens).isfinite().all()


# --- temperature -----------------------------------------------------------------------


def test_temperature_zero_is_deterministic(likelihood, params):
    first, second = (draw(likelihood(params), 0.0) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_temperature_zero_takes_the_middle_of_a_bin(likelihood, params):
    assert (draw(likelihood(params), 0.0)[:, likelihood.position_columns] == 0.5).all()


def test_temperature_zero_takes_the_likeliest_first_token():
    likelihood = built("one token")
    params = torch.randn(ROWS, likelihood.parameters_width, dtype=torch.float64)
    levels = torch.arange(4.0).double()[:, None]
    scores = torch.stack([likelihood(row.expand(4, -1)).log_prob(levels) for row in params])
    assert (draw(likelihood(params), 0.0)[:, 0] == scores.argmax(1)).all()


def test_temperature_sharpens_the_probabilities():
    likelihood, n = built("one token"), 20_000
    params = torch.randn(1, likelihood.parameters_width, dtype=torch.float64)
    probability = likelihood(params.expand(4, -1)).log_prob(torch.arange(4.0).double()[:, None]).exp()
    sharper = probability.square() / probability.square().sum()
    drawn = draw(likelihood(params.expand(n, -1)), 0.5)[:, 0].long()
    share = torch.bincount(drawn, minlength=4) / n
    assert ((share - sharper).abs() < 4 * (sharper * (1 - sharper) / n).sqrt() + 1e-9).all()


# --- as a module -----------------------------------------------------------------------


def test_gradient_reaches_every_parameter_and_the_decoder(likelihood, x):
    params = torch.randn(ROWS, likelihood.parameters_width, dtype=torch.float64, requires_grad=True)
    likelihood(params).log_prob(x).sum().backward()
    assert params.grad.abs().sum() > 0
    if len(likelihood.levels) != 1:  # a single column reads no other
        assert every_parameter_has_a_gradient(likelihood)


def test_training_and_evaluation_agree(likelihood, params, x):
    train, evaluate = (likelihood.train(mode)(params).log_prob(x) for mode in (True, False))
    torch.testing.assert_close(train, evaluate)


def test_rows_do_not_touch_each_other(likelihood, params, x):
    torch.testing.assert_close(likelihood(params).log_prob(x)[2:3], likelihood(params[2:3]).log_prob(x[2:3]))


def test_state_round_trip_into_a_fresh_likelihood(likelihood, params, x):
    peaks = likelihood.peaks.peaks if likelihood.peaks else 0
    fresh = stirred(type(likelihood)(likelihood.layout, own=likelihood.own, peaks=peaks), seed=9).eval()
    fresh.load_state_dict(copy.deepcopy(likelihood.state_dict()))
    torch.testing.assert_close(fresh(params).log_prob(x), likelihood(params).log_prob(x), rtol=0, atol=0)
