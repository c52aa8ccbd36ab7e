"""Rows that meet evidence are drawn from the distribution that rejection would give."""

import math

import pytest
import torch

from vaeaug.layout import Layout, Span
from vaeaug.nn.likelihoods import gibbs
from vaeaug.nn.likelihoods.conditional import Blocks, Evidence, RowSets, TokenSet, draw_given
from vaeaug.nn.likelihoods.gibbs import redraw_cells
from vaeaug.nn.likelihoods.rows import RowLikelihood

LAYOUT = Layout.row([Span("categorical", 4), Span("position", 1), Span("hint", 1), Span("categorical", 3)])
ROWS = 40_000


@pytest.fixture(scope="module")
def distribution():
    """Return the distribution of many rows of one code, in which the second column follows the first."""
    torch.manual_seed(2)  # of this seed both columns vary, and depend on each other
    likelihood = RowLikelihood(LAYOUT, hidden=32).eval()
    with torch.no_grad():
        for weights in (likelihood.read, likelihood.write, likelihood.bias):
            weights.copy_(0.4 * torch.randn_like(weights))
        x = torch.rand(500, 4)
        x[:, 0], x[:, 3] = torch.randint(4, (500,)), torch.randint(3, (500,))
        likelihood.scales.measure(x, x[:, [0, 3]].long())
        return likelihood(torch.randn(1, likelihood.parameters_width).expand(ROWS, -1))


def one_block(rows: int) -> Blocks:
    return Blocks(torch.tensor([ROWS]), torch.tensor([rows]))


def shares(x: torch.Tensor) -> torch.Tensor:
    """Return how often each pair of tokens occurs."""
    return torch.bincount((3 * x[:, 0] + x[:, 3]).long(), minlength=12) / len(x)


def test_without_evidence_rows_are_those_of_a_plain_draw(distribution):
    found = draw_given(distribution, Evidence(), one_block(ROWS))
    assert shares(found.x).allclose(shares(distribution.draw()), atol=0.015)
    assert found.log_mass.item() == 0.0


def test_a_set_of_the_last_column_changes_the_first_one_as_rejection_does(distribution):
    plain = distribution.draw()
    kept = plain[plain[:, 3] == 2]
    sets = {1: TokenSet(3, torch.tensor([2]), torch.zeros(1).double(), torch.ones(1).double())}
    found = draw_given(distribution, Evidence(sets), one_block(8_000))
    assert (found.x[:, 3] == 2).all()
    assert shares(found.x).allclose(shares(kept), atol=0.03)
    assert found.log_mass.exp().item() == pytest.approx(len(kept) / ROWS, rel=0.1)


def test_positions_lie_in_the_stretches_evenly(distribution):
    sets = {
        0: TokenSet(
            4,
            torch.tensor([1, 1, 3]),
            torch.tensor([0.0, 0.5, 0.2]).double(),
            torch.tensor([0.1, 0.8, 0.3]).double(),
        )
    }
    x = draw_given(distribution, Evidence(sets), one_block(8_000)).x
    token, place = x[:, 0], x[:, 1]
    first = place[token == 1]
    assert set(token.tolist()) <= {1.0, 3.0}
    assert ((first <= 0.1) | ((first >= 0.5) & (first <= 0.8))).all()
    assert ((place[token == 3] >= 0.2) & (place[token == 3] <= 0.3)).all()
    assert (first <= 0.1).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert first[first >= 0.5].mean().item() == pytest.approx(0.65, abs=0.02)


def test_given_cells_are_kept_and_the_others_follow_from_them(distribution):
    plain = distribution.draw()
    given = torch.full((ROWS, 4), -1.0)
    given[:, 3] = 1
    found = draw_given(distribution, Evidence(given=given), one_block(8_000))
    assert (found.x[:, 3] == 1).all()
    assert shares(found.x).allclose(shares(plain[plain[:, 3] == 1]), atol=0.03)


def test_rows_of_a_block_stem_from_its_candidates(distribution):
    blocks = Blocks(torch.tensor([30_000, 10_000]), torch.tensor([5, 7]))
    found = draw_given(distribution, Evidence(), blocks)
    assert ((found.candidates < 30_000) == (torch.arange(12) < 5)).all()


def test_weights_beforehand_choose_candidates(distribution):
    weights = torch.full((ROWS,), -math.inf, dtype=torch.float64)
    weights[17] = 0.0
    found = draw_given(distribution, Evidence(log_weights=weights), one_block(3))
    assert found.candidates.tolist() == [17, 17, 17]
    assert found.effective.item() == pytest.approx(1.0)


@pytest.mark.parametrize("most", [32, 3], ids=["all tokens are weighed", "some are drawn"])
def test_redrawn_cells_follow_from_later_ones_too(distribution, most, monkeypatch):
    monkeypatch.setattr(gibbs, "_MOST", most)
    plain = distribution.draw()
    x = torch.rand(ROWS, 4)
    x[:, 0], x[:, 3] = 0, 2
    is_open = torch.tensor([True, False]).expand(ROWS, 2)
    for _ in range(8 if most == 3 else 1):
        x = redraw_cells(distribution, x, is_open)
    assert (x[:, 3] == 2).all()
    assert shares(x).allclose(shares(plain[plain[:, 3] == 2]), atol=0.03)
    assert 0 <= x[:, 1].min() < 0.01 < 0.99 < x[:, 1].max() <= 1


@pytest.mark.parametrize("most", [32, 3])
def test_redrawing_leaves_the_distribution_of_rows_alone(distribution, most, monkeypatch):
    monkeypatch.setattr(gibbs, "_MOST", most)
    other = type(distribution)(distribution.likelihood, -distribution.params)
    mixed = distribution.back_off(other, torch.full((ROWS,), 0.3))
    plain = mixed.draw()
    x = redraw_cells(mixed, plain, torch.ones(ROWS, 2, dtype=torch.bool))
    assert shares(x).allclose(shares(plain), atol=0.015)
    assert not x.equal(plain)


def test_redrawn_cells_stay_in_their_set(distribution):
    low, high = torch.tensor([[0.0, 0.2], [0.1, 0.3]]).double()
    sets = {0: TokenSet(4, torch.tensor([1, 3]), low, high)}
    before = draw_given(distribution, Evidence(sets), one_block(8_000)).x
    some = distribution.select(torch.arange(8_000))
    x = redraw_cells(some, before, torch.ones(8_000, 2, dtype=torch.bool), sets)
    assert set(x[:, 0].tolist()) == {1.0, 3.0}
    assert ((x[:, 1] <= 0.1) | ((x[:, 1] >= 0.2) & (x[:, 1] <= 0.3))).all()
    assert shares(x).allclose(shares(before), atol=0.03)


def test_each_row_may_have_a_set_of_its_own(distribution):
    half = ROWS // 2
    allowed = torch.zeros(ROWS, 4).double()
    allowed[:half, 1], allowed[half:, 3], allowed[half:, 0] = 0.1, 0.5, 0.25
    low = torch.full((ROWS, 4), 0.2).double()
    sets = {0: RowSets(allowed, low, low + allowed)}
    blocks = Blocks(torch.tensor([half, half]), torch.tensor([4_000, 4_000]))
    x = draw_given(distribution, Evidence(sets), blocks).x
    plain = distribution.draw()
    # Of the second half, tokens 0 and 3 in the proportion of a fourth to a half.
    rest = plain[(plain[:, 0] == 3) | ((plain[:, 0] == 0) & (torch.rand(ROWS) < 0.5))]
    some = distribution.select(torch.arange(8_000))
    own = {0: sets[0].select(torch.cat([torch.arange(4_000), half + torch.arange(4_000)]))}
    for rows in (x, redraw_cells(some, x, torch.ones(8_000, 2, dtype=torch.bool), own)):
        first, second = rows[:4_000], rows[4_000:]
        assert (first[:, 0] == 1).all()
        assert shares(first).allclose(shares(plain[plain[:, 0] == 1]), atol=0.03)
        assert shares(second).allclose(shares(rest), atol=0.03)
        assert 0.2 <= first[:, 1].min() < first[:, 1].max() <= 0.3
        assert 0.2 <= second[:, 1].min() < 0.5 < second[:, 1].max() <= 0.7
