"""Convolutional networks over sizes and channels of images."""

import pytest
import torch
from contracts import every_parameter_has_a_gradient, one_hot, stirred
from torch import nn

from vaeaug.layout import Layout
from vaeaug.nn.convolutions import ImageDecoder, ImageEncoder, Pyramid

LATENT_DIM, CLASSES, FEATURES, PER_PIXEL = 3, 2, 7, 5
SHAPES = [(1, 8, 8), (3, 9, 13), (1, 28, 28), (2, 31, 17), (3, 32, 32), (4, 64, 50), (1, 128, 128)]
TINY = [(1, 1, 1), (2, 1, 9), (1, 5, 40)]


def networks(shape, classes=CLASSES, depth=1, width=4):
    layout = Layout.image(*shape)
    return (
        ImageEncoder(layout, classes, width, depth, FEATURES),
        ImageDecoder(LATENT_DIM, classes, layout, PER_PIXEL, width, depth),
    )


def images(shape, n=2):
    return torch.rand(n, *shape) * 2 - 1


@pytest.mark.parametrize("shape", SHAPES + TINY, ids=str)
def test_every_size_is_encoded_and_decoded(shape):
    encoder, decoder = networks(shape)
    c = one_hot([0, -1], CLASSES).float()
    assert encoder(images(shape), c).shape == (2, FEATURES)
    assert decoder(torch.randn(2, LATENT_DIM), c).shape == (2, PER_PIXEL * shape[1] * shape[2])


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("classes", [0, CLASSES])
def test_depth_and_context_are_free(classes, depth):
    encoder, decoder = networks((1, 8, 8), classes, depth)
    c = torch.zeros(2, classes)
    assert encoder(images((1, 8, 8)), c).shape == (2, FEATURES)
    assert decoder(torch.randn(2, LATENT_DIM), c).isfinite().all()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 17, 20)], ids=str)
def test_every_parameter_is_trained(shape):
    encoder, decoder = (stirred(module).eval() for module in networks(shape))
    c = one_hot([0, 1], CLASSES)
    (encoder(images(shape).double(), c).square().sum()).backward()
    (decoder(torch.randn(2, LATENT_DIM).double(), c).square().sum()).backward()
    assert every_parameter_has_a_gradient(encoder)
    assert every_parameter_has_a_gradient(decoder)


def test_an_image_does_not_depend_on_the_images_beside_it():
    encoder, _ = (stirred(module).eval() for module in networks((1, 28, 28)))
    x, c = images((1, 28, 28), 4).double(), one_hot([0, 1, 0, -1], CLASSES)
    torch.testing.assert_close(encoder(x, c)[:1], encoder(x[:1], c[:1]))


def test_the_context_matters():
    encoder, decoder = (stirred(module).eval() for module in networks((1, 8, 8)))
    x, z = images((1, 8, 8)).double()[:1], torch.randn(1, LATENT_DIM).double()
    first, second, unknown = (one_hot([label], CLASSES) for label in (0, 1, -1))
    for network, argument in ((encoder, x), (decoder, z)):
        outputs = [network(argument, c) for c in (first, second, unknown)]
        assert all((outputs[i] - outputs[j]).abs().max() > 1e-3 for i, j in ((0, 1), (0, 2), (1, 2)))


def test_training_in_reduced_precision_keeps_single_precision_outside():
    encoder, decoder = (module.train() for module in networks((1, 28, 28), width=16))
    x, c = images((1, 28, 28)), one_hot([0, 1], CLASSES).float()
    trained = encoder(x, c)
    assert trained.dtype == torch.float32
    assert decoder(torch.randn(2, LATENT_DIM), c).dtype == torch.float32
    torch.testing.assert_close(trained, encoder.eval()(x, c), atol=0.05, rtol=0.05)


def test_an_image_of_28_by_28_pixels_takes_10_to_20_million_multiply_adds():
    layout, counted = Layout.image(1, 28, 28), []

    def count(layer, inputs, found):
        cells = found.shape[2] * found.shape[3] if isinstance(layer, nn.Conv2d) else 1
        counted.append(layer.weight.numel() * cells)

    # As vaeaug.model.builder builds them by default, with the codes that vaeaug.model.defaults gives them.
    parts = ImageEncoder(layout, 10, 32, 1, 256), ImageDecoder(64, 10, layout, 1, 32, 1)
    for layer in (layer for part in parts for layer in part.modules()):
        assert not isinstance(layer, nn.modules.batchnorm._BatchNorm)
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    c = one_hot([3], 10).float()
    parts[0](torch.zeros(1, *layout.shape), c)
    parts[1](torch.zeros(1, 64), c)
    assert 10e6 < sum(counted) < 20e6


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (1, 64, 64)], ids=str)
def test_an_untrained_decoder_draws_no_checkerboard(shape):
    _, decoder = networks(shape, width=16)
    decoder.eval()
    with torch.no_grad():
        plane = decoder(torch.randn(64, LATENT_DIM), torch.zeros(64, CLASSES))
    plane = plane.reshape(64, shape[1], shape[2], PER_PIXEL)[:, 4:-4, 4:-4]
    # Energy of the finest alternation, relative to that of all steps between neighbours.
    row, column = plane.diff(dim=1), plane.diff(dim=2)
    corner = plane.diff(dim=1).diff(dim=2)
    assert corner.square().mean() < 0.5 * (row.square().mean() + column.square().mean())


@pytest.mark.parametrize("shape", SHAPES + TINY, ids=str)
def test_the_coarsest_grid_is_small_and_the_grids_cover_the_image(shape):
    pyramid = Pyramid(shape[1], shape[2], 32)
    assert max(pyramid.grids[-1]) <= 8
    assert pyramid.coarsest <= 128 * 64
    for grid, side in zip(pyramid.grids[0], shape[1:], strict=True):
        assert 0 <= grid * pyramid.patch - side < pyramid.patch
    assert len(pyramid.grids) == len(pyramid.channels)
