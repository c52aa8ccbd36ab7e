"""Images drawn from the prior take what the decoder leaves out from training images like them."""

import numpy as np
import pytest
import torch
from made_images import blobs, digits, fast
from numpy.testing import assert_array_equal

from vaeaug import BatchAugment, Recipe, load
from vaeaug.errors import InputError
from vaeaug.model.detail import ImageDetail
from vaeaug.model.fitted import get_fitted

X, Y = blobs()


@pytest.fixture(scope="module")
def fitted():
    return fast().fit(X, Y)


def measure_roughness(images):
    return np.abs(np.diff(np.asarray(images, float), axis=-1)).mean()


@pytest.fixture(scope="module")
def learned():
    images, y = digits(3)
    network = Recipe("convolutional", width=8, features=32)
    return fast(max_iter=20, latent_dim=8, learning_rate_init=6e-3, network=network).fit(images, y)


@pytest.mark.parametrize("label", np.unique(Y).tolist())
def test_a_new_image_has_what_the_copy_of_one_image_of_its_class_lacks(fitted, label):
    state = get_fitted(fitted)
    c = state.context.encode(np.full(30, label), 30)
    z = state.model.sample_codes(c, temperature=1.0, seed=3)
    plain = state.model.decode(z, c, temperature=0.0, seed=3, backoff=True)
    found = ImageDetail.find(state).sample(c, temperature=1.0, seed=3)
    rows = state.read(X, Y)
    before = state.decode(state.anchors.mean, state.anchors.context)
    lacking = rows.x - before
    own = np.flatnonzero(np.asarray(Y) == label)
    for image, made in zip(plain, found, strict=True):
        changed, most = (
            np.linalg.norm(a.reshape(len(own), -1), axis=1) for a in (image - before[own], lacking[own])
        )
        share = np.minimum(changed / most, 1)[:, None, None, None]
        misses = np.abs(np.clip(image + share * lacking[own], -1, 1) - made).reshape(len(own), -1).max(1)
        assert misses.min() < 1e-5


def test_a_decoder_that_draws_all_images_alike_gives_back_none_of_them(fitted):
    made, labels = fitted.sample(200, random_state=0)
    before = get_fitted(fitted).decode(
        *(getattr(get_fitted(fitted).anchors, name) for name in ("mean", "context"))
    )
    lacking = (
        np.linalg.norm((get_fitted(fitted).read(X, Y).x - before).reshape(len(X), -1), axis=1).min() * 127.5
    )
    apart = np.linalg.norm((made[:, None].astype(float) - X[None]).reshape(len(made), len(X), -1), axis=2)
    # An image whose copy lacks r is at least r / √2 away; clipping and rounding take a little.
    assert apart.min() > 0.9 * lacking / np.sqrt(2)


def test_the_images_that_give_detail_are_the_nearest(fitted, monkeypatch):
    monkeypatch.setattr("vaeaug.model.detail._NEIGHBOURS", 1)
    state = get_fitted(fitted)
    rows = state.read(X, Y)
    source = ImageDetail(state)
    groups = state.number_classes(rows.c)
    codes = torch.from_numpy(state.anchors.mean)
    chosen = source._choose_sources(codes, groups, np.zeros(len(codes), int))
    assert_array_equal(chosen.numpy(), np.arange(len(codes)))


def test_samples_are_rougher_than_what_is_decoded(learned):
    images, _ = digits(3)
    made = {sharp: learned.sample(300, sharp=sharp, random_state=0)[0] for sharp in ("auto", True, False)}
    assert_array_equal(made["auto"], made[True])
    rough = {sharp: measure_roughness(found) for sharp, found in made.items()}
    assert rough[False] < 0.97 * rough["auto"]
    assert abs(rough["auto"] / measure_roughness(images) - 1) < abs(
        rough[False] / measure_roughness(images) - 1
    )
    assert made["auto"].dtype == images.dtype


def test_resampled_images_have_detail_and_name_no_source(fitted):
    made = [fitted.generate(Y, X, Y, sharp=sharp, random_state=0) for sharp in ("auto", False)]
    assert (made[0][1] == -1).all()
    assert not np.array_equal(made[0][0], made[1][0])


def test_batches_have_the_same_detail(learned):
    images, y = digits(3)
    made, _ = BatchAugment(learned, p=1.0, method="prior", random_state=0)(
        torch.from_numpy(images), torch.from_numpy(y)
    )
    assert measure_roughness(made) > 1.015 * measure_roughness(learned.sample(len(y), y, sharp=False)[0])


def test_the_same_seed_gives_the_same_images_after_loading(fitted, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors", device="cpu")
    assert_array_equal(again.sample(30, random_state=1)[0], fitted.sample(30, random_state=1)[0])


@pytest.mark.parametrize("dtype", ["uint16", "float32", "bool"])
def test_images_of_any_range_have_detail(dtype):
    kinds = {"uint16": X.astype(np.uint16) * 200, "float32": X.astype(np.float32) / 255, "bool": X > 100}
    images, white = kinds[dtype], {"uint16": 65_535}.get(dtype, 1)
    augmenter = fast().fit(images, Y)
    made, _ = augmenter.sample(50, random_state=0)
    assert made.dtype == images.dtype
    assert made.min() >= 0
    assert made.max() <= white
    assert not np.array_equal(made, augmenter.sample(50, sharp=False, random_state=0)[0])


def test_images_without_labels_have_detail():
    augmenter = fast().fit(X)
    made = [augmenter.sample(100, sharp=sharp, random_state=0)[0] for sharp in ("auto", False)]
    assert not np.array_equal(*made)


def test_images_drawn_with_a_texture_are_left_alone():
    augmenter = fast(network=Recipe("convolutional", likelihood="texture", width=8, features=32)).fit(X, Y)
    made = {sharp: augmenter.sample(20, sharp=sharp, random_state=0)[0] for sharp in ("auto", True, False)}
    assert_array_equal(made["auto"], made[False])
    assert not np.array_equal(made[True], made[False])


def test_interpolated_images_have_detail_where_it_is_asked_for(fitted):
    made = {
        sharp: fitted.sample(100, method="interpolate", sharp=sharp, random_state=0)[0]
        for sharp in ("auto", True, False)
    }
    assert_array_equal(made["auto"], made[False])
    assert measure_roughness(made[False]) < 0.9 * measure_roughness(made[True])


def test_another_value_is_refused(fitted):
    with pytest.raises(InputError, match="sharp must be True, False or 'auto'; got 'very'"):
        fitted.sample(3, sharp="very")
