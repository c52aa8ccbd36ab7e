"""Images drawn from the prior take what the decoder leaves out from training images like them."""

import numpy as np
import pytest
import torch
from made_images import blobs, fast
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


@pytest.mark.parametrize("label", np.unique(Y).tolist())
def test_a_new_image_has_what_the_copy_of_one_image_of_its_class_lacks(fitted, label):
    state = get_fitted(fitted)
    c = state.context.encode(np.full(30, label), 30)
    z = state.model.sample_codes(c, temperature=1.0, seed=3)
    plain = state.model.decode(z, c, temperature=0.0, seed=3, backoff=True)
    found = ImageDetail.find(state).sample(c, temperature=1.0, seed=3)
    rows = state.read(X, Y)
    lacking = rows.x - state.decode(state.anchors.mean, state.anchors.context)
    own = np.flatnonzero(np.asarray(Y) == label)
    for image, made in zip(plain, found, strict=True):
        misses = np.abs(np.clip(image + lacking[own], -1, 1) - made).reshape(len(own), -1).max(1)
        assert misses.min() < 1e-5


def test_the_images_that_give_detail_are_the_nearest(fitted, monkeypatch):
    monkeypatch.setattr("vaeaug.model.detail._NEIGHBOURS", 1)
    state = get_fitted(fitted)
    rows = state.read(X, Y)
    source = ImageDetail(state)
    groups = state.number_classes(rows.c)
    codes = torch.from_numpy(state.anchors.mean)
    chosen = source._choose_sources(codes, groups, np.zeros(len(codes), int))
    assert_array_equal(chosen.numpy(), np.arange(len(codes)))


def test_samples_are_as_rough_as_the_images(fitted):
    made = {sharp: fitted.sample(200, sharp=sharp, random_state=0)[0] for sharp in ("auto", True, False)}
    assert_array_equal(made["auto"], made[True])
    assert abs(measure_roughness(made["auto"]) / measure_roughness(X) - 1) < 0.25
    assert measure_roughness(made[False]) < 0.9 * measure_roughness(made["auto"])
    assert made["auto"].dtype == X.dtype


def test_resampled_images_have_detail_and_name_no_source(fitted):
    made = [fitted.generate(Y, X, Y, sharp=sharp, random_state=0) for sharp in ("auto", False)]
    assert (made[0][1] == -1).all()
    assert measure_roughness(made[1][0]) < 0.9 * measure_roughness(made[0][0])


def test_batches_have_detail_too(fitted):
    batch, labels = torch.from_numpy(X), torch.from_numpy(np.asarray(Y))
    made, _ = BatchAugment(fitted, p=1.0, method="prior", random_state=0)(batch, labels)
    assert abs(measure_roughness(made) / measure_roughness(X) - 1) < 0.25


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
    assert abs(measure_roughness(made) / measure_roughness(images) - 1) < 0.35


def test_images_without_labels_have_detail():
    augmenter = fast().fit(X)
    made = [augmenter.sample(100, sharp=sharp, random_state=0)[0] for sharp in ("auto", False)]
    assert measure_roughness(made[1]) < 0.9 * measure_roughness(made[0])


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
