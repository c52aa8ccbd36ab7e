"""Encoder and decoder networks: what they read, and what they ignore."""

import pytest
import torch
from contracts import every_parameter_has_a_gradient, stirred

from vaeaug.layout import Layout, Span
from vaeaug.nn.networks import CodeDecoder, ResidualBlock, RowEncoder, Trunk, add_up, project

LAYOUT = Layout.row(
    [
        Span("categorical", 3),
        Span("position", 1),
        Span("hint", 1),
        Span("categorical", 2),
        Span("continuous", 1),
    ]
)
K = 2


@pytest.fixture
def encoder():
    return stirred(RowEncoder(LAYOUT, K, width=8, depth=1))


@pytest.fixture
def x():
    return torch.tensor([[2, 0.3, -0.5, 1, 1.5], [0, 0.9, 0.1, 0, -0.2]], dtype=torch.float64)


@pytest.fixture
def c():
    return torch.eye(K, dtype=torch.float64)


def test_a_new_residual_block_is_the_identity():
    x = torch.randn(4, 8)
    torch.testing.assert_close(ResidualBlock(8)(x), x, rtol=0, atol=0)


def test_a_trunk_of_no_blocks_is_a_norm():
    assert len(Trunk(8, 0)) == 1


def test_encoder_returns_one_row_of_features_per_row(encoder, x, c):
    assert encoder(x, c).shape == (2, 8)


@pytest.mark.parametrize("column", [0, 2, 3, 4])
def test_encoder_reads_tokens_hints_and_numbers(encoder, x, c, column):
    other = x.clone()
    other[:, column] = 1 - other[:, column].round() if column == 3 else 1.0
    assert (encoder(other, c) - encoder(x, c)).abs().sum(1).min() > 1e-6


def test_encoder_does_not_read_positions(encoder, x, c):
    other = x.clone()
    other[:, 1] = 0.0
    torch.testing.assert_close(encoder(other, c), encoder(x, c), rtol=0, atol=0)


def test_encoder_reads_the_context(encoder, x, c):
    assert (encoder(x, c) - encoder(x, 0 * c)).abs().sum() > 1e-6


def test_an_unknown_token_adds_nothing(encoder, x, c):
    x[:, 0] = -1
    with torch.no_grad():
        encoder.embedding.weight[:3] += 7.0
        before = encoder(x, c)
        encoder.embedding.weight[:3] -= 7.0
    torch.testing.assert_close(encoder(x, c), before)


def test_the_row_of_unknown_tokens_is_never_trained(encoder, x, c):
    x[:, 0] = -1
    encoder(x, c).sum().backward()
    assert (encoder.embedding.weight.grad[encoder.total] == 0).all()


def test_gradient_reaches_every_parameter_of_the_encoder(encoder, x, c):
    encoder(x, c).square().sum().backward()
    assert every_parameter_has_a_gradient(encoder)


@pytest.mark.parametrize("kind", ["categorical", "continuous", "hint"])
@pytest.mark.parametrize("context", [0, K])
def test_encoder_of_a_single_span(kind, context):
    layout = Layout.row([Span(kind, 1)])
    encoder = RowEncoder(layout, context, width=4, depth=1)
    assert encoder(torch.zeros(3, 1), torch.zeros(3, context)).shape == (3, 4)


def test_decoder_returns_the_parameters_asked_for(c):
    decoder = stirred(CodeDecoder(3, K, parameters=7, width=8, depth=2))
    found = decoder(torch.randn(2, 3, dtype=torch.float64), c)
    assert found.shape == (2, 7)
    found.square().sum().backward()
    assert every_parameter_has_a_gradient(decoder)


def test_decoder_works_without_context():
    assert CodeDecoder(3, 0, 7, 8, 1)(torch.randn(2, 3), torch.zeros(2, 0)).shape == (2, 7)


def test_long_sums_are_products():
    h, weight, bias = torch.randn(7, 5, requires_grad=True), torch.randn(1_300, 5), torch.randn(1_300)
    made = project(h, weight, bias)
    torch.testing.assert_close(made, h @ weight.T + bias)
    torch.testing.assert_close(add_up(made, weight), made @ weight, rtol=1e-4, atol=1e-3)
    made.sum().backward()
    torch.testing.assert_close(h.grad, weight.sum(0).expand(7, -1), rtol=1e-4, atol=1e-3)
