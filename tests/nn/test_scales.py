"""Tokens that are numbers: found in the layout, measured on rows, smooth over their rank."""

import pytest
import torch

from vaeaug.layout import Layout, Span
from vaeaug.nn.likelihoods.ordered_tokens import OrderedTokens

LEVELS = 20
LAYOUT = Layout.row(
    [
        Span("categorical", 3),
        Span("categorical", LEVELS),
        Span("position", 1),
        Span("hint", 1),
        Span("categorical", 4),
        Span("hint", 1),
    ]
)


@pytest.fixture
def rows():
    """Return rows whose hint is linear in token and place."""
    x = torch.zeros(4000, 6, dtype=torch.float64)
    x[:, 0] = torch.randint(3, (4000,))
    x[:, 1] = torch.randint(LEVELS, (4000,))
    x[:, 2] = torch.rand(4000)
    x[:, 3] = 0.2 * (x[:, 1] - LEVELS / 2 + x[:, 2]) + 0.05
    x[:, 4] = torch.randint(4, (4000,))
    x[:, 5] = x[:, 4] - 1.3
    return x


@pytest.fixture
def scales(rows):
    found = OrderedTokens(LAYOUT).double()
    found.measure(rows, rows[:, [0, 1, 4]].long())
    return found


def test_numbers_are_tokens_that_a_hint_follows(scales):
    assert scales.owners.tolist() == [1, 2]
    assert scales.columns.tolist() == [3, 5]
    assert scales.positions == [2, -1]


def test_the_hint_of_a_draw_is_that_of_the_rows(scales, rows):
    found = scales.hint(0, rows[:, 1].long(), rows[:, 2])
    torch.testing.assert_close(found, rows[:, 3], rtol=0, atol=0.02)  # 200 rows a token
    torch.testing.assert_close(scales.hint(1, rows[:, 4].long(), 0.5), rows[:, 5])


def test_hats_sum_to_one_over_ranks(scales):
    heights = scales.heights[3 : 3 + LEVELS]
    assert (heights >= 0).all()
    torch.testing.assert_close(heights.sum(1), torch.ones(LEVELS, dtype=torch.float64))


def test_smooth_weights_are_linear_between_knots(scales):
    ranks = torch.special.ndtr(scales.value[3 : 3 + LEVELS])
    line = torch.linspace(0, 1, scales.width, dtype=torch.float64)[:, None]  # knot k lies at rank k / (K − 1)
    found = scales.combine(*torch.zeros(2, 3 + LEVELS + 4, 1, dtype=torch.float64), line)[3 : 3 + LEVELS, 0]
    torch.testing.assert_close(found, ranks)


def test_other_tokens_have_no_hats(scales):
    assert (scales.heights[:3] == 0).all()
    assert (scales.heights[3 + LEVELS :] == 0).all()


def test_smooth_weights_change_little_from_rank_to_rank(scales):
    smooth = torch.randn(scales.width, 5, dtype=torch.float64)
    weights = scales.combine(*torch.zeros(2, 3 + LEVELS + 4, 5, dtype=torch.float64), smooth)[3 : 3 + LEVELS]
    assert weights.diff(dim=0).abs().max() < smooth.diff(dim=0).abs().max()


def test_a_layout_without_numbers_has_free_weights_only():
    scales = OrderedTokens(Layout.row([Span("categorical", 3)]))
    free = torch.randn(3, 5)
    share = torch.tensor([[1.0], [0.3], [0.0]])
    torch.testing.assert_close(scales.combine(free, share, torch.zeros(0, 5)), share * free)


def test_what_was_measured_is_saved(scales):
    fresh = OrderedTokens(LAYOUT).double()
    fresh.load_state_dict(scales.state_dict())
    for name in ("hats", "heights", "value", "slope"):
        torch.testing.assert_close(getattr(fresh, name), getattr(scales, name))
