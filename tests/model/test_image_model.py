"""A model of images in use: trained on digits, numpy in, numpy out."""

import contextlib

import numpy as np
import pytest
import torch
from made_blueprint import blueprint
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

import vaeaug.model.model
from vaeaug.layout import Layout
from vaeaug.model.model import Model
from vaeaug.model.training import TrainingRows, fit_prior, train_networks
from vaeaug.recipe import Recipe
from vaeaug.training.options import Options
from vaeaug.training.run import Conditions
from vaeaug.training.runtime import Runtime

CLASSES = 3


def digits():
    data = load_digits()
    rows = data.target < CLASSES
    x = (data.images[rows] / 8 - 1).astype(np.float32)[:, None]
    return x, np.eye(CLASSES, dtype=np.float32)[data.target[rows]]


@pytest.fixture(scope="module", params=["texture", "gaussian"])
def model(request):
    x, c = digits()
    plan = blueprint(
        layout=Layout.image(1, 8, 8),
        context_width=CLASSES,
        blocks=((0, CLASSES),),
        class_block=(0, CLASSES),
        latent_dim=6,
        network=Recipe("convolutional", width=8, features=32, likelihood=request.param),
        prior=Recipe("mixture", components=6),
    )
    found = Model.create(plan, Runtime("cpu", threads=1), seed=0)
    none = np.zeros(len(x), dtype=bool)
    train_networks(
        found,
        TrainingRows(x, c),
        none,
        Options(max_iter=15, batch_size=64, learning_rate=5e-3),
        Conditions(0),
    )
    fit_prior(found, TrainingRows(x, c), Options(), Conditions(0))
    return found


def test_samples_are_images_of_the_class_that_was_asked_for(model):
    x, c = digits()
    centres = np.stack([x[c[:, k] == 1].mean(0) for k in range(CLASSES)])
    made = model.sample(np.repeat(np.eye(CLASSES, dtype=np.float32), 40, axis=0), temperature=1.0, seed=1)
    assert made.shape == (3 * 40, 1, 8, 8)
    assert made.dtype == np.float32
    distance = np.square(made[:, None] - centres[None]).sum((2, 3, 4))
    assert (distance.argmin(1) == np.repeat(range(CLASSES), 40)).mean() > 0.8


def test_tensors_stay_tensors_and_give_what_arrays_give(model):
    x, c = (torch.from_numpy(array[:5]) for array in digits())
    found = [*model.encode(x, c), model.sample(c, temperature=1.0, seed=1)]
    found.append(model.decode(found[0], c, temperature=0.0, seed=1))
    expected = [*model.encode(x.numpy(), c.numpy()), model.sample(c.numpy(), temperature=1.0, seed=1)]
    expected.append(model.decode(expected[0], c.numpy(), temperature=0.0, seed=1))
    for tensor, array in zip(found, expected, strict=True):
        assert isinstance(tensor, torch.Tensor)
        assert_array_equal(tensor.numpy(), array)


@pytest.mark.parametrize(
    "prior", [Recipe("flow", guidance=1.25), Recipe("gaussian")], ids=["flow", "gaussian"]
)
def test_samples_in_reduced_precision_are_those_of_single_precision_up_to_a_few_greys(monkeypatch, prior):
    x, c = digits()
    plan = blueprint(
        layout=Layout.image(1, 8, 8),
        context_width=CLASSES,
        blocks=((0, CLASSES),),
        class_block=(0, CLASSES),
        latent_dim=6,
        network=Recipe("convolutional", width=8, features=32),
        prior=prior,
    )
    drawn = Model.create(plan, Runtime("cpu", threads=1), seed=0)
    none = np.zeros(len(x), dtype=bool)
    train_networks(
        drawn, TrainingRows(x, c), none, Options(max_iter=8, batch_size=64, learning_rate=5e-3), Conditions(0)
    )
    fit_prior(drawn, TrainingRows(x, c), Options(max_iter=3), Conditions(0))
    fast = drawn.sample(c, temperature=1.0, seed=1)
    monkeypatch.setattr(vaeaug.model.model, "reduce_precision", lambda device: contextlib.nullcontext())
    exact = drawn.sample(c, temperature=1.0, seed=1)
    assert fast.dtype == np.float32
    # A mean of two greys of 256; where a code lies at a border of what the decoder draws, single pixels more.
    assert np.abs(fast - exact).mean() < 4 / 255
    assert np.abs(fast - exact).max() < 0.5


def test_codes_bring_an_image_back(model):
    x, c = digits()
    mean, scale = model.encode(x, c)
    assert mean.dtype == scale.dtype == np.float64
    again = model.decode(mean, c, temperature=0.0, seed=0)
    assert np.square(again - x).mean() < 0.6 * np.square(x - x.mean(0)).mean()


def test_likelihoods_prefer_images_to_noise(model):
    x, c = digits()
    noise = np.random.default_rng(0).permuted(x[:50].reshape(50, -1), axis=1).reshape(50, 1, 8, 8)
    real = model.log_likelihood(x[:50], c[:50], draws=4, seed=0)
    assert real.mean() > model.log_likelihood(noise, c[:50], draws=4, seed=0).mean() + 5


def test_a_model_travels_as_arrays(model):
    again = Model.from_state(model.blueprint, model.state(), Runtime("cpu", threads=1))
    c = np.eye(CLASSES, dtype=np.float32)
    assert_array_equal(again.sample(c, temperature=1.0, seed=3), model.sample(c, temperature=1.0, seed=3))


def test_no_rows_give_no_images(model):
    nothing = np.zeros((0, CLASSES), dtype=np.float32)
    assert model.sample(nothing, temperature=1.0, seed=0).shape == (0, 1, 8, 8)
    assert model.decode(np.zeros((0, 6)), nothing, temperature=1.0, seed=0).shape == (0, 1, 8, 8)


def test_large_images_are_worked_through_in_smaller_chunks(model, monkeypatch):
    x, c = digits()
    whole, _ = model.encode(x[:20], c[:20])
    sizes = []
    encode = model.vae.encode

    def count(images, contexts):
        sizes.append(len(images))
        return encode(images, contexts)

    monkeypatch.setattr(vaeaug.model.model, "_CHUNK_PIXELS", 64 * 7)
    monkeypatch.setattr(model.vae, "encode", count)
    parts, _ = model.encode(x[:20], c[:20])
    assert sorted(sizes) == [6, 7, 7]
    assert_allclose(parts, whole, atol=1e-4)
