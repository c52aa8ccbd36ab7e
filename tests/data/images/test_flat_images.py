"""Tables of flattened images are told; wide tables of other things are not."""

import warnings

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter
from vaeaug.data.images.flat import find_flat_images
from vaeaug.errors import ColumnNote

ROWS = 60
RNG = np.random.default_rng(0)


def draw_discs(side, colours=()):
    """Return discs at random places, from 0 to 1, (n, side, side, *colours), on a noisy ground."""
    x, y, radius = RNG.uniform(0.3, 0.7, (3, ROWS, 1, 1)) * side
    i, j = np.indices((side, side))
    discs = 1 / (1 + np.exp(np.hypot(i - x, j - y) - radius / 2))
    discs = discs.reshape(discs.shape + (1,) * len(colours)) * RNG.uniform(0.4, 1, (ROWS, 1, 1, *colours))
    return np.clip(discs + 0.05 * RNG.normal(size=discs.shape), 0, 1)


FLAT = {
    "floats": ((20, 20), draw_discs(20)),
    "bytes": ((28, 28), np.rint(255 * draw_discs(28)).astype(np.uint8)),
    "whole floats": ((16, 16), np.rint(255 * draw_discs(16))),
    "colours last": ((16, 16, 3), draw_discs(16, (3,))),
    "colours first": ((3, 16, 16), draw_discs(16, (3,)).transpose(0, 3, 1, 2)),
}
TIME = np.arange(784)
TABLES = {
    "permuted pixels": RNG.permutation(draw_discs(28).reshape(ROWS, -1), axis=1),
    "noise": RNG.random((ROWS, 784)),
    "counts of words": RNG.poisson(0.5, (ROWS, 1024)) * RNG.integers(1, 9, (ROWS, 1024)),
    "TF-IDF": RNG.random((ROWS, 2500)) * (RNG.random((ROWS, 2500)) < 0.03),
    "indicators": (RNG.random((ROWS, 400)) < 0.2).astype(np.int64),
    "a few factors": RNG.random((ROWS, 4)) @ RNG.random((4, 784)) / 4,
    "a wave": (np.sin(2 * np.pi * TIME / 24 + RNG.uniform(0, 7, (ROWS, 1))) + 1) / 2,
    "beats": np.exp(-((TIME % 100 - RNG.uniform(20, 80, (ROWS, 1))) ** 2) / 20),
    "sorted": np.sort(RNG.random((ROWS, 784)), axis=1),
    "few columns": draw_discs(15).reshape(ROWS, -1),
    "no square": draw_discs(20).reshape(ROWS, -1)[:, :399],
    "few rows": draw_discs(20).reshape(ROWS, -1)[:19],
    "standardised": draw_discs(20).reshape(ROWS, -1) - 0.5,
    "holes": np.where(RNG.random((ROWS, 400)) < 0.01, np.nan, draw_discs(20).reshape(ROWS, -1)),
}


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("wrap", [lambda X: X, pd.DataFrame], ids=["array", "frame"])
def test_flattened_images_are_found(name, wrap):
    shape, images = FLAT[name]
    assert find_flat_images(wrap(images.reshape(ROWS, -1))) == shape


@pytest.mark.parametrize("name", TABLES)
def test_wide_tables_are_no_images(name):
    assert find_flat_images(TABLES[name]) is None
    assert find_flat_images(pd.DataFrame(TABLES[name])) is None


def test_text_among_the_columns_is_no_image():
    X = pd.DataFrame(FLAT["floats"][1].reshape(ROWS, -1))
    assert find_flat_images(X.assign(**{"0": "a"}).iloc[:, 1:]) is None


def test_fit_says_how_to_learn_them_as_images():
    images = FLAT["whole floats"][1]
    augmenter = VAEAugmenter(max_iter=1, latent_dim=2, relations=None, random_state=0)
    with pytest.warns(
        ColumnNote, match=r"256 columns .*pass image_shape=\(16, 16\).*reshape X to \(n, 16, 16\)"
    ):
        augmenter.fit(images.reshape(ROWS, -1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmenter.set_params(image_shape=(16, 16)).fit(images.reshape(ROWS, -1))
