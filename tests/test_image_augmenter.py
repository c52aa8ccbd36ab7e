"""VAEAugmenter on images: every container there and back, every method, files, pipelines, and bad input."""

import copy
import io
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from made_images import IMAGE_CONTAINERS, Pairs, blobs, digits, fast, pictures
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from torch.utils.data import Subset, TensorDataset
from torchvision.datasets import ImageFolder

import vaeaug.model.builder
from vaeaug import AugmentedClassifier, Recipe, VAEAugmenter, VAEOverSampler, load
from vaeaug.data.images.containers import read_mode
from vaeaug.errors import InputError, TrainingDivergedError, UnknownLabelError
from vaeaug.io import archive
from vaeaug.model.fitted import get_fitted

X, Y = blobs()
METHODS = ["prior", "posterior", "interpolate"]


@pytest.fixture(scope="module")
def fitted():
    return fast().fit(X, Y)


def form(images):
    """Describe a container: what must be the same in all that comes back, but for the number of images."""
    if isinstance(images, list):
        assert len({form(image) for image in images}) == 1
        return list, form(images[0])
    if isinstance(images, Image.Image):
        return Image.Image, images.mode, images.size
    if isinstance(images, pd.DataFrame):
        return pd.DataFrame, tuple(images.columns), tuple(images.dtypes)
    return type(images), images.dtype, tuple(images.shape[1:])


def pixels(images):
    """Return images of any container as one array."""
    if isinstance(images, list):
        return np.stack([pixels(image) for image in images])
    return images.float().numpy() if isinstance(images, torch.Tensor) else np.asarray(images)


# --- containers ------------------------------------------------------------------------


@pytest.mark.parametrize("container", list(IMAGE_CONTAINERS))
def test_every_method_gives_the_container_back(container):
    images = IMAGE_CONTAINERS[container](X)
    augmenter = fast().fit(images, Y)
    made = [augmenter.sample(3, method=method)[0] for method in METHODS]
    made += [
        augmenter.vary(images, Y),
        augmenter.reconstruct(images),
        augmenter.inverse_transform(np.zeros((2, 4))),
    ]
    made += [augmenter.generate([0, 1, 1], images, Y, method=method)[0] for method in METHODS]
    for found in made:
        assert form(found) == form(images)
        values = pixels(found).astype(float)
        assert np.isfinite(values).all()
        assert pixels(images).min() <= values.min() <= values.max() <= max(255 * 200, pixels(images).max())
    assert augmenter.transform(images).shape == (40, 4)
    assert len(made[3]) == len(made[4]) == 40


@pytest.mark.parametrize("container", list(IMAGE_CONTAINERS))
def test_resampling_keeps_the_images_and_adds_new_ones(container):
    kept = np.r_[0:20, 21:40:4]
    images, labels = IMAGE_CONTAINERS[container](X[kept]), Y[kept]
    balanced, y = fast().fit(images, labels).resample(images, labels)
    assert form(balanced) == form(images)
    assert len(balanced) == len(y) == 2 * max(np.bincount(labels))
    assert_array_equal(pixels(balanced)[: len(kept)], pixels(images))
    assert np.bincount(y).tolist() == [max(np.bincount(labels))] * 2


def test_frames_of_pixels_come_back():
    frame = pd.DataFrame(X.reshape(40, -1), index=range(100, 140)).add_prefix("pixel")
    augmenter = fast(image_shape=(8, 9)).fit(frame, pd.Series(Y, index=frame.index))
    made, y = augmenter.sample(3)
    assert form(made) == form(frame)
    assert isinstance(y, pd.Series)
    assert augmenter.vary(frame).index.equals(frame.index)
    assert augmenter.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        augmenter.transform(frame[frame.columns[::-1]])


def test_flattened_images_come_back_flattened():
    rows = X.reshape(40, -1).astype(float)
    augmenter = fast(image_shape=(8, 9)).fit(rows, Y)
    assert get_fitted(augmenter).codec.layout.shape == (1, 8, 9)
    assert augmenter.n_features_in_ == 72
    assert form(augmenter.sample(2)[0]) == form(rows)
    assert_array_equal(augmenter.transform(rows), augmenter.transform(X))


@pytest.mark.parametrize(
    ("images", "shape"),
    [(X, (8, 9)), (X[..., None], (8, 9, 1)), (np.repeat(X[:, None], 3, 1), (3, 8, 9))],
    ids=["plain", "last", "first"],
)
def test_the_shape_of_an_image_is_an_attribute(images, shape):
    augmenter = fast().fit(images, Y)
    assert augmenter.image_shape_ == shape
    assert augmenter.n_features_in_ == np.prod(shape)


def test_the_layout_may_be_another_when_images_are_used(fitted):
    assert_array_equal(fitted.transform(X[:, None]), fitted.transform(X))
    assert_array_equal(fitted.transform(pictures(X)), fitted.transform(torch.from_numpy(X)))


def test_images_handed_in_are_not_changed():
    images = X.copy()
    fast().fit(images, Y).vary(images)
    assert_array_equal(images, X)


# --- Datasets --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pictures", "tensors", "arrays"])
def test_a_dataset_brings_its_labels(kind):
    items = {"pictures": pictures(X), "tensors": torch.from_numpy(X)[:, None] / 255, "arrays": X}[kind]
    dataset = Pairs(items, Y.tolist(), classes=["left", "right"])
    augmenter = fast().fit(dataset)
    assert augmenter.classes_.tolist() == [0, 1]
    assert augmenter.class_names_ == ["left", "right"]
    with pytest.raises(UnknownLabelError, match="They number the classes 'left', 'right'"):
        augmenter.sample(2, y="left")
    made, y = augmenter.sample(3, y=1)
    assert form(made) == form(items)
    assert y.tolist() == [1, 1, 1]
    assert_array_equal(augmenter.transform(dataset), augmenter.transform(items))
    assert_array_equal(augmenter.score_samples(dataset), augmenter.score_samples(items, Y))
    assert_array_equal(
        pixels(augmenter.vary(dataset, random_state=0)), pixels(augmenter.vary(items, Y, random_state=0))
    )


def test_a_dataset_is_resampled():
    kept = np.r_[0:20, 21:40:4]
    dataset = Subset(Pairs(pictures(X), Y, classes=["left", "right"]), kept.tolist())
    augmenter = fast().fit(dataset)
    balanced, y = augmenter.resample(dataset)
    assert len(balanced) == len(y) == 2 * np.bincount(Y[kept]).max()
    assert_array_equal(pixels(balanced)[: len(kept)], X[kept])
    assert augmenter.class_names_ == ["left", "right"]


def test_given_labels_take_the_place_of_those_of_the_dataset():
    augmenter = fast().fit(Pairs(pictures(X), Y), np.where(Y, "b", "a"))
    assert augmenter.classes_.tolist() == ["a", "b"]


def test_labels_in_a_tensor_come_back_as_an_array():
    images, labels = torch.from_numpy(X), torch.from_numpy(Y)
    augmenter = fast().fit(images, labels)
    made, y = augmenter.sample(3)
    assert isinstance(y, np.ndarray)
    assert augmenter.score_samples(images, labels).shape == (40,)
    assert len(augmenter.resample(images[:31], labels[:31])[0]) == 32
    assert VAEOverSampler(fast()).fit_resample(images[:31], labels[:31])[0].shape == (32, 8, 9)


def test_a_tensor_dataset_and_one_without_labels():
    images = torch.from_numpy(X)[:, None]
    assert fast().fit(TensorDataset(images, torch.from_numpy(Y))).classes_.tolist() == [0, 1]
    for dataset in (TensorDataset(images), Pairs(images)):
        augmenter = fast().fit(dataset)
        assert augmenter.classes_ is None
        assert augmenter.sample(2)[1] is None


def test_an_image_folder(tmp_path):
    for i, picture in enumerate(pictures(np.repeat(X[..., None], 3, axis=-1))):
        folder = tmp_path / ["left", "right"][Y[i]]
        folder.mkdir(exist_ok=True)
        picture.save(folder / f"{i}.png")
    augmenter = fast().fit(ImageFolder(tmp_path))
    assert augmenter.class_names_ == ["left", "right"]
    made, y = augmenter.sample(2, y=0)
    assert form(made) == (list, (Image.Image, "RGB", (9, 8)))
    augmenter.save(tmp_path / "model")
    assert load(tmp_path / "model", device="cpu").class_names_ == ["left", "right"]


# --- sharpness -------------------------------------------------------------------------


def test_variations_of_strength_0_are_the_images_unless_they_are_decoded(fitted):
    assert_array_equal(fitted.vary(X, Y, strength=0), X)
    decoded = fitted.vary(X, Y, strength=0, sharp=False)
    assert_array_equal(decoded, fitted.reconstruct(X, Y))
    assert np.abs(decoded.astype(float) - X).mean() > 5


def test_a_variation_adds_what_decoding_changes(fitted):
    state = get_fitted(fitted)
    rows = state.read(X, Y)
    noise = np.random.default_rng(0).normal(size=(40, 4))
    mean, scale = state.model.encode(rows.x, rows.c)
    z = mean + scale * noise
    before, after = (state.model.decode(code, rows.c, temperature=0, seed=0) for code in (mean, z))
    found = state.change_images(rows.x, (mean, rows.c), (z, rows.c))
    assert_allclose(found, np.clip(rows.x + after - before, -1, 1), atol=1e-6)


@pytest.mark.parametrize("known", [True, False])
def test_posterior_samples_are_as_sharp_as_the_images(fitted, known):
    def roughness(images):
        return np.abs(np.diff(images.astype(float), axis=-1)).mean()

    if known:
        made = [fitted.generate(Y, X, Y, method="posterior", sharp=sharp)[0] for sharp in (True, False)]
    else:
        made = [fitted.sample(200, method="posterior", sharp=sharp)[0] for sharp in (True, False)]
    assert abs(roughness(made[0]) / roughness(X) - 1) < 0.1
    assert roughness(made[1]) < 0.9 * roughness(X)


def test_sharp_resampling_differs_from_decoding(fitted):
    kept = np.r_[0:20, 21:40:4]
    made = [
        fitted.resample(X[kept], Y[kept], method="posterior", sharp=sharp, random_state=0)[0]
        for sharp in (True, False)
    ]
    assert_array_equal(made[0][: len(kept)], made[1][: len(kept)])
    assert not np.array_equal(made[0], made[1])


def test_new_images_are_decoded_unless_they_are_asked_for_sharp(fitted):
    kept = np.r_[0:20, 21:40:4]

    def made(**options):
        options = {"method": "posterior", "random_state": 0} | options
        return [
            fitted.sample(6, **options)[0],
            fitted.generate(Y, X, Y, **options)[0],
            fitted.resample(X[kept], Y[kept], **options)[0],
        ]

    for default, decoded, sharp in zip(made(), made(sharp=False), made(sharp=True), strict=True):
        assert_array_equal(default, decoded)
        assert not np.array_equal(default, sharp)


# --- learning --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned():
    images, y = digits(3)
    network = Recipe("convolutional", width=8, features=32)
    return fast(max_iter=20, latent_dim=8, learning_rate_init=6e-3, network=network).fit(images, y)


@pytest.mark.parametrize("method", METHODS)
def test_samples_of_digits_are_read_as_the_digit_asked_for(learned, method):
    images, y = digits(3)
    reader = LogisticRegression(max_iter=500).fit(images.reshape(len(images), -1) / 255, y)
    made, wanted = learned.sample(300, y=np.arange(300) % 3, method=method, random_state=0)
    assert (reader.predict(made.reshape(300, -1) / 255) == wanted).mean() > 0.9
    assert np.abs(made.astype(float).mean(0) - images[np.isin(y, wanted)].mean(0)).mean() < 20


def test_a_reader_trained_on_synthetic_digits_reads_real_ones(learned):
    images, y = digits(3)
    made, wanted = learned.sample(300, random_state=0)
    reader = LogisticRegression(max_iter=500).fit(made.reshape(300, -1) / 255, wanted)
    assert reader.score(images.reshape(len(images), -1) / 255, y) > 0.9


def test_codes_tell_digits_apart(learned):
    images, y = digits(3)
    codes = learned.transform(images)
    assert LogisticRegression(max_iter=1000).fit(codes, y).score(codes, y) > 0.9


def test_unusual_images_score_low(learned):
    images, y = digits(3)
    noise = np.random.default_rng(0).integers(0, 256, (50, 8, 8)).astype(np.uint8)
    assert np.median(learned.score_samples(noise)) < np.quantile(learned.score_samples(images), 0.05)


# --- copies and files ------------------------------------------------------------------


def test_a_copy_makes_the_same_images(fitted):
    for twin in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        for method in METHODS:
            first, second = (one.sample(4, method=method, random_state=3)[0] for one in (fitted, twin))
            assert_array_equal(first, second)
    assert clone(fitted).get_params()["latent_dim"] == 4


@pytest.mark.parametrize("container", ["array", "float tensor", "grey pictures", "list of arrays", "frame"])
def test_a_loaded_model_does_what_the_saved_one_did(tmp_path, container):
    frame = {"frame": lambda X: pd.DataFrame(X.reshape(40, -1)).add_prefix("p")}
    images = (IMAGE_CONTAINERS | frame)[container](X)
    augmenter = fast(image_shape=(8, 9) if container == "frame" else None).fit(images, Y)
    augmenter.save(tmp_path / "one")
    again = load(tmp_path / "one", device="cpu")
    again.save(tmp_path / "two")
    assert again.image_shape_ == augmenter.image_shape_
    assert again.n_features_in_ == augmenter.n_features_in_
    for method in METHODS:
        first, second = (one.sample(5, method=method, random_state=1) for one in (augmenter, again))
        assert form(first[0]) == form(second[0])
        assert_array_equal(pixels(first[0]), pixels(second[0]))
    assert_array_equal(
        pixels(augmenter.vary(images, random_state=1)), pixels(again.vary(images, random_state=1))
    )
    one, two = (archive.read(tmp_path / name) for name in ("one", "two"))
    assert one[0] == two[0]
    assert one[1].keys() == two[1].keys()
    assert all(np.array_equal(one[1][name], two[1][name]) for name in one[1])


@pytest.mark.parametrize("written", ["all options", "likelihood auto", "no likelihood"])
def test_a_saved_model_outlives_a_change_of_the_defaults(tmp_path, monkeypatch, written):
    path = tmp_path / "images.safetensors"
    augmenter = fast().fit(X, Y)
    augmenter.save(path)
    manifest, arrays = archive.read(path)
    options = manifest["blueprint"]["network"]["options"]
    assert options == {"width": 4, "depth": 1, "features": 16, "likelihood": "gaussian"}
    if written == "likelihood auto":  # as files were written once
        options["likelihood"] = "auto"
    elif written == "no likelihood":
        del options["likelihood"], options["depth"]
    archive.write(path, manifest, arrays)
    monkeypatch.setattr(vaeaug.model.builder, "_USUAL_PIXELS", "texture")
    assert get_fitted(fast().fit(X, Y)).model.blueprint.network.options["likelihood"] == "texture"
    again = load(path, device="cpu")
    assert_array_equal(again.sample(6, random_state=0)[0], augmenter.sample(6, random_state=0)[0])


def test_saving_twice_writes_the_same_bytes(fitted, tmp_path):
    fitted.save(tmp_path / "a")
    fitted.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_training_images_are_kept_in_8_bits_and_not_too_many(monkeypatch):
    monkeypatch.setattr("vaeaug.model.fit._MOST_ANCHOR_VALUES", 10 * 72)
    anchors = get_fitted(fast().fit(X, Y)).anchors
    assert anchors.rows.dtype == np.uint8
    assert anchors.rows.shape == (10, 1, 8, 9)
    assert len(anchors.mean) == len(anchors.context) == 10


def test_refitting_on_a_table_forgets_the_images(numbers):
    augmenter = fast(network="auto").fit(X, Y).fit(*numbers)
    assert augmenter.image_shape_ is None
    assert augmenter.n_features_in_ == 3
    assert_array_equal(augmenter.sample(3)[0], fast(network="auto").fit(*numbers).sample(3)[0])


# --- other estimators ------------------------------------------------------------------


@pytest.mark.parametrize(
    "container", ["array", "channels last", "colours first", "tensor", "grey pictures", "list of arrays"]
)
def test_the_over_sampler_takes_images(container):
    kept = np.r_[0:20, 21:40:4]
    images = IMAGE_CONTAINERS[container](X[kept])
    sampler = VAEOverSampler(fast(), method="posterior", random_state=0)
    balanced, y = sampler.fit_resample(images, Y[kept])
    assert form(balanced) == form(images)
    assert np.bincount(y).tolist() == [np.bincount(Y[kept]).max()] * 2
    assert_array_equal(pixels(balanced)[: len(kept)], pixels(images))
    assert (Y[kept][sampler.source_indices_[sampler.is_synthetic_]] == y[sampler.is_synthetic_]).all()


def test_the_over_sampler_takes_a_dataset():
    kept = np.r_[0:20, 21:40:4]
    balanced, y = VAEOverSampler(fast(), random_state=0).fit_resample(Pairs(pictures(X[kept]), Y[kept]), None)
    assert all(isinstance(image, Image.Image) for image in balanced)
    assert len(balanced) == len(y) == 2 * np.bincount(Y[kept]).max()


def test_flattened_images_in_a_pipeline():
    kept = np.r_[0:20, 21:40:2]
    sampler = VAEOverSampler(fast(image_shape=(8, 9)), random_state=0)
    model = make_pipeline(MinMaxScaler(), AugmentedClassifier(LogisticRegression(), sampler))
    scores = cross_val_score(model, X[kept].reshape(len(kept), -1), Y[kept], cv=2)
    assert scores.mean() > 0.8


def test_codes_in_a_pipeline():
    model = make_pipeline(fast(image_shape=(8, 9)), LogisticRegression()).fit(X.reshape(40, -1), Y)
    assert model.predict(X.reshape(40, -1)).shape == (40,)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "RGB", "RGBA", "I", "I;16", "F", "P", "PA", "CMYK", "YCbCr", "HSV"]
)
def test_pictures_of_every_mode(mode):
    grey = pictures(X.astype(np.uint16) * 200) if mode == "I;16" else pictures(X)
    images = grey if mode == "I;16" else [image.convert(mode) for image in grey]
    augmenter = fast().fit(images, Y)
    made = augmenter.sample(3, random_state=0)[0] + augmenter.vary(images[:3], random_state=0)
    assert {image.mode for image in made} == {read_mode(mode)}
    assert {image.size for image in made} == {(9, 8)}


# --- few and odd images ----------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        pytest.param([0] * 38 + [1] * 2, id="two of a class"),
        pytest.param([0] * 39 + [1], id="one of a class"),
        pytest.param([0] * 40, id="one class"),
        pytest.param(None, id="no labels"),
        pytest.param(np.linspace(0, 1, 40), id="continuous"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_few_images_of_a_class(y, method):
    augmenter = fast().fit(X, y)
    label = 1 if y is not None and 1 in list(y)[-1:] and len(set(y)) == 2 else None
    made, _ = augmenter.sample(4, y=label, method=method)
    assert made.shape == (4, 8, 9)
    assert np.isfinite(augmenter.transform(X)).all()
    assert np.isfinite(augmenter.score_samples(X, y)).all()


@pytest.mark.parametrize("shape", [(8, 12, 16), (12, 16, 8)])
def test_images_of_eight_channels(shape, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    augmenter = fast().fit(images, Y)
    augmenter.save(tmp_path / "model.safetensors")
    assert load(tmp_path / "model.safetensors").sample(3, y=1)[0].shape == (3, *shape)
    assert augmenter.vary(images[:4], Y[:4]).shape == (4, *shape)
    assert augmenter.resample(images[:30], Y[:30] * 0 + (np.arange(30) > 20))[0].shape == (42, *shape)


def test_two_images_are_enough():
    augmenter = fast().fit(X[:2], Y[:2])
    assert augmenter.sample(3, y=1)[0].shape == (3, 8, 9)


@pytest.mark.parametrize("value", [0, 7, 255, 0.5, -3.0])
def test_constant_images(value):
    images = np.full((30, 8, 8), value)
    augmenter = fast().fit(images, np.arange(30) % 2)
    made = augmenter.sample(5, random_state=0)[0]
    assert made.dtype == images.dtype
    assert np.isfinite(made).all()
    assert np.isfinite(augmenter.transform(images)).all()
    assert np.isfinite(augmenter.score_samples(images)).all()


@pytest.mark.parametrize("scale", [1e-20, 1.0, 255.0, 1e12])
def test_floats_of_any_range(scale):
    images = X / 255 * scale
    augmenter = fast().fit(images, Y)
    made = augmenter.sample(5)[0]
    assert np.isfinite(made).all()
    assert 0 <= made.min() < made.max() <= scale
    assert made.max() > 0.3 * scale


def test_images_of_odd_sizes():
    images, y = blobs(shape=(11, 13))
    assert fast().fit(images, y).sample(2)[0].shape == (2, 11, 13)


# --- bad input -------------------------------------------------------------------------


def spoilt(value):
    images = X / 255
    images[7, 3, 2] = value
    return images


def truncated():
    """Return a picture whose file was cut, as PIL opens it: without reading it."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(file, "png")
    return Image.open(io.BytesIO(file.getvalue()[:2000]))


class Lengthless(torch.utils.data.Dataset):
    def __getitem__(self, i):
        return X[i], int(Y[i])

    def __len__(self):
        raise NotImplementedError


BAD = {
    "NaN": (lambda: spoilt(np.nan), r"contains NaN.*X\[7\]"),
    "infinity": (lambda: spoilt(np.inf), r"contains infinity.*X\[7\]"),
    "mixed sizes": (
        lambda: [*pictures(X), *pictures(X[:, 1:])],
        r"X\[0\] has shape \(8, 9\).*X\[40\] has shape \(7, 9\)",
    ),
    "mixed modes": (lambda: [*pictures(X), Image.new("RGB", (9, 8))], r"mode 'L'.*X\[40\].*mode 'RGB'"),
    "mixed arrays": (lambda: [X[0], X[1, 1:]], r"X\[1\] has shape \(7, 9\)"),
    "pictures and more": (lambda: [*pictures(X), X[0]], r"PIL images only; X\[40\] is a ndarray"),
    "nine channels": (lambda: np.zeros((9, 12, 12, 9)), "neither the first nor the last axis holds 1 to 8"),
    "a video": (lambda: np.zeros((9, 8, 9, 3, 2)), "dim 5"),
    "an empty list": (lambda: [], "X is an empty list"),
    "a dtype that numpy does not have": (
        lambda: torch.zeros(9, 8, 8).to(torch.float8_e4m3fn),
        "dtype torch.float8_e4m3fn on cpu cannot be read.*float32",
    ),
    "tensors among arrays": (lambda: [X[0], torch.from_numpy(X[1])], r"X\[0\] is a ndarray, X\[1\] a Tensor"),
    "times as pixels": (lambda: list(X.astype("M8[s]")), r"X\[0\] is of dtype datetime64"),
    "no images": (lambda: X[:0], r"0 sample\(s\)"),
    "one image": (lambda: X[:1], "at least 2 rows"),
    "text": (lambda: np.full((9, 8, 8), "a"), "booleans, integers or floats"),
    "an empty Dataset": (lambda: Pairs([]), r"Pairs without images: 0 sample\(s\)"),
    "a Dataset that raises": (
        lambda: Pairs(pictures(X), Y, broken=11),
        r"X\[11\] cannot be read: the Dataset Pairs raised OSError: truncated file",
    ),
    "a Dataset of sentences": (lambda: Pairs(["a", "b"], [0, 1]), r"X\[0\] of the Dataset.*got str"),
    "a Dataset of triples": (
        lambda: Pairs(list(zip(X, Y, Y, strict=True))),
        r"X\[0\] of the Dataset.*got tuple of length 3. Wrap the dataset in one whose __getitem__ returns",
    ),
    "a Dataset of dicts": (
        lambda: Pairs([{"image": X[0], "label": 0}] * 2),
        "got dict. Wrap the dataset in one whose __getitem__ returns such pairs",
    ),
    "a Dataset of rows": (
        lambda: TensorDataset(torch.zeros(9, 5), torch.zeros(9)),
        r"rows of 5 values.*For a table pass.*fit\(X, y\), of a TensorDataset fit\(\*dataset.tensors\)",
    ),
    "a Dataset of mixed sizes": (
        lambda: Pairs([*pictures(X), Image.new("L", (5, 5))], [0] * 41),
        r"X\[40\].*an ImageFolder takes transform=v2.Resize\(\(48, 48\)\)",
    ),
    "a Dataset of boxes": (
        lambda: Pairs(pictures(X), np.zeros((40, 4))),
        r"item 0 of the Dataset Pairs must be one class",
    ),
    "numbers among texts": (
        lambda: Pairs(pictures(X), [0, "a"] * 20),
        "mix texts and numbers: item 1 has 'a'",
    ),
    "a Dataset that hides its length": (lambda: Lengthless(), "Lengthless, which has no length"),
    "a list with an item that is no pair": (lambda: [*zip(X, Y, strict=True), 7], r"X\[40\] of the list"),
    "a file that ends too early": (
        lambda: [*pictures(X), truncated()],
        r"X\[40\], a PIL image of mode 'L', cannot be read",
    ),
}


@pytest.mark.parametrize("case", list(BAD))
def test_fit_refuses(case):
    make, message = BAD[case]
    images = make()
    augmenter = fast()
    before = dict(vars(augmenter))
    with pytest.raises(InputError, match=message):
        augmenter.fit(images)
    assert vars(augmenter) == before


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "cat").mkdir()
    with pytest.raises(InputError, match=r"ImageFolder without images: 0 sample\(s\)"):
        fast().fit(ImageFolder(tmp_path, allow_empty=True))
    with pytest.raises(InputError, match="got the folder .*pass torchvision.datasets.ImageFolder"):
        fast().fit(tmp_path)


def test_a_stream_of_images_is_refused():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            yield X[0], 0

    with pytest.raises(InputError, match="Stream, which has no length; pass a map-style Dataset"):
        fast().fit(Stream())


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy])
def test_one_image_alone_is_refused_with_its_next_step(wrap, colours):
    images = np.repeat(X[..., None], 3, -1) if colours else X
    augmenter = fast().fit(wrap(images), Y)
    with pytest.raises(InputError, match=r"X is one image, of shape .*; pass X\[None\]"):
        augmenter.vary(wrap(images)[0], 0)


def test_one_picture_alone_is_refused_with_its_next_step():
    augmenter = fast().fit(pictures(X), Y)
    for call in (augmenter.vary, augmenter.transform, fast().fit):
        with pytest.raises(
            InputError, match=r"X is one PIL image; pass a list of images, \[X\] for this one"
        ):
            call(pictures(X)[0])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.repeat(X[..., None], 3, -1), "images of fit were 8 × 9 pixels with 1 channel"),
        (X[:, 1:], "images of fit were 8 × 9 pixels"),
        (X.reshape(40, -1)[:, 1:], "images of fit were 8 × 9 pixels"),
        (X / 255, "another scale"),
        (spoilt(np.nan), r"NaN.*X\[7\]"),
        (X[:0], r"0 sample\(s\)"),
    ],
)
def test_transform_refuses(fitted, images, message):
    for method in (fitted.transform, fitted.vary, fitted.score_samples):
        with pytest.raises(InputError, match=message):
            method(images)


def test_weights_that_blow_up_are_an_error_and_no_model():
    augmenter = fast(learning_rate_init=1e3, max_iter=3)
    with pytest.raises(TrainingDivergedError, match="learning rate"):
        augmenter.fit(X, Y)
    assert not hasattr(augmenter, "classes_")


def test_steps_that_are_far_too_large_leave_finite_weights():
    augmenter = fast(learning_rate_init=1.0, max_iter=3).fit(X, Y)
    assert all(np.isfinite(value).all() for value in get_fitted(augmenter).model.state().values())
    assert np.isfinite(augmenter.sample(5, random_state=0)[0]).all()


def test_a_network_for_tables_is_refused():
    with pytest.raises(InputError, match="residual"):
        fast(network="residual").fit(X, Y)


def test_another_number_of_labels_is_refused():
    with pytest.raises(InputError, match="X has 40 rows, y has 39"):
        fast().fit(X, Y[:-1])


def test_the_default_is_a_convolutional_network():
    augmenter = VAEAugmenter(max_iter=1, device="cpu", random_state=0).fit(X, Y)
    assert get_fitted(augmenter).model.blueprint.network.name == "convolutional"


@pytest.mark.parametrize("form", ["array", "Dataset", "stream"])
def test_a_long_fit_is_announced_before_its_first_epoch_has_ended(form, monkeypatch, capsys):
    monkeypatch.setattr("vaeaug.training.callbacks._TELLING", 0.0)
    monkeypatch.setattr("vaeaug.training.callbacks._LONG", 0.0)
    monkeypatch.setattr("vaeaug.data.images.datasets._LONG", 0.0)
    if form == "stream":
        monkeypatch.setattr("vaeaug.data.streams.images._MOST_VALUES", 1000)
    data = (X, Y) if form == "array" else (Pairs(torch.from_numpy(X), Y),)
    fast(verbose=1, batch_size=8).fit(*data)
    said = capsys.readouterr().err
    assert said.count("Training will take up to about") == 1
    before, after = said.split("Training will take up to about")
    assert "networks:   0%" in before  # the bar is there from the start
    assert "1/1" not in before.rpartition("networks:")[2]
    assert "1/1" in after
    assert ("reading images" in before) == (form != "array")


def test_nothing_is_said_unless_asked_for(monkeypatch, capsys):
    monkeypatch.setattr("vaeaug.training.callbacks._TELLING", 0.0)
    monkeypatch.setattr("vaeaug.training.callbacks._LONG", 0.0)
    fast(batch_size=8).fit(Pairs(torch.from_numpy(X), Y))
    assert not any(capsys.readouterr())
