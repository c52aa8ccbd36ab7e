"""Arrays of images: encoded into [−1, 1] channels first, and back as they were."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from vaeaug.data.images.axes import find_arrangement
from vaeaug.data.images.codec import ImageCodec
from vaeaug.errors import InputError

#: layout -> (shape of an array of 5 images of height 9 and width 12, parameters of the codec, its rows)
LAYOUTS = {
    "plain": ((5, 9, 12), {}, (5, 1, 9, 12)),
    "one channel last": ((5, 9, 12, 1), {}, (5, 1, 9, 12)),
    "one channel first": ((5, 1, 9, 12), {}, (5, 1, 9, 12)),
    "two channels": ((5, 9, 12, 2), {}, (5, 2, 9, 12)),
    "colours last": ((5, 9, 12, 3), {}, (5, 3, 9, 12)),
    "colours first": ((5, 3, 9, 12), {}, (5, 3, 9, 12)),
    "four channels": ((5, 4, 9, 12), {}, (5, 4, 9, 12)),
    "flat": ((5, 108), {"image_shape": (9, 12)}, (5, 1, 9, 12)),
    "flat, colours last": ((5, 324), {"image_shape": (9, 12, 3)}, (5, 3, 9, 12)),
    "flat, colours first": ((5, 324), {"image_shape": [3, 9, 12]}, (5, 3, 9, 12)),
    "narrow, said to be first": ((5, 3, 9, 4), {"channels": "first"}, (5, 3, 9, 4)),
    "narrow, said to be last": ((5, 4, 9, 3), {"channels": "last"}, (5, 3, 4, 9)),
    "flat and narrow": ((5, 108), {"image_shape": (3, 9, 4), "channels": "first"}, (5, 3, 9, 4)),
}

#: kind of values -> function of (shape, generator)
VALUES = {
    "uint8": lambda shape, rng: rng.integers(0, 256, shape).astype(np.uint8),
    "uint8, dark": lambda shape, rng: rng.integers(3, 40, shape).astype(np.uint8),
    "bool": lambda shape, rng: rng.random(shape) < 0.4,
    "uint16": lambda shape, rng: rng.integers(0, 65536, shape).astype(np.uint16),
    "uint16, big-endian": lambda shape, rng: rng.integers(0, 4096, shape).astype(">u2"),
    "int16": lambda shape, rng: rng.integers(-1000, 3000, shape).astype(np.int16),
    "int64": lambda shape, rng: rng.integers(0, 17, shape),
    "float32 in 0 to 1": lambda shape, rng: rng.random(shape, dtype=np.float32),
    "float16 in 0 to 1": lambda shape, rng: rng.random(shape).astype(np.float16),
    "float64 in 0 to 255": lambda shape, rng: rng.integers(0, 256, shape).astype(np.float64),
    "float64, fractions in 0 to 255": lambda shape, rng: 255 * rng.random(shape),
    "standardised": lambda shape, rng: rng.normal(size=shape),
    "far from 0": lambda shape, rng: 1e6 + rng.random(shape),
    "tiny": lambda shape, rng: 1e-30 * rng.random(shape),
}


def images(shape=(5, 9, 12), values="uint8", seed=0):
    return VALUES[values](shape, np.random.default_rng(seed))


# --- there and back --------------------------------------------------------------------


@pytest.mark.parametrize("values", list(VALUES))
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_images_come_back(layout, values):
    shape, parameters, encoded = LAYOUTS[layout]
    X = images(shape, values)
    before = X.copy()
    codec = ImageCodec(**parameters).fit(X)
    x = codec.encode(X)
    assert x.dtype == np.float32
    assert x.shape == encoded == (5, *codec.layout.shape)
    assert -1 <= x.min() < x.max() <= 1
    found = codec.decode(x)
    assert found.shape == shape
    assert found.dtype == X.dtype.newbyteorder("=")
    if X.dtype.kind == "f":
        assert_allclose(found, X, rtol=0, atol=1e-3 if X.dtype == np.float16 else np.ptp(codec.range_) * 2e-7)
    else:
        assert_array_equal(found, X)
    assert_array_equal(X, before)


@given(
    st.integers(4, 33),
    st.integers(4, 33),
    st.sampled_from([0, 1, 2, 3, 4]),
    st.sampled_from(["first", "last"]),
    st.booleans(),
    st.sampled_from(list(VALUES)),
    st.integers(0, 99),
)
def test_any_size_comes_back(height, width, channels, axis, flat, values, seed):
    size = {"first": (channels, height, width), "last": (height, width, channels)}[axis]
    item = size if channels else (height, width)
    X = images((3, *item), values, seed)
    X = X.reshape(3, -1) if flat else X
    codec = ImageCodec(item if flat else None, axis).fit(X)
    assert codec.layout.shape == (channels or 1, height, width)
    again = ImageCodec.from_state(json.loads(json.dumps(codec.state()[0])), codec.state()[1])
    for one in (codec, again):
        found = one.decode(one.encode(X))
        assert (found.shape, found.dtype) == (X.shape, X.dtype.newbyteorder("="))
        atol = 0 if X.dtype.kind != "f" else 1e-3 if X.dtype == np.float16 else np.ptp(codec.range_) * 2e-7
        assert_allclose(found, X, rtol=0, atol=atol)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_where_they_were(channels):
    X = images((4, 8, 10, channels))
    x = ImageCodec().fit(X).encode(X)
    assert_allclose(x[2, channels - 1, 3, 7], X[2, 3, 7, channels - 1] / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "dtype", "expected"),
    [
        (0, 255, np.uint8, (0, 255)),
        (5, 200, np.uint8, (0, 255)),
        (0, 16, np.uint8, (0, 16)),
        (0, 1, np.uint8, (0, 1)),
        (0.02, 0.9, float, (0, 1)),
        (-0.8, 0.9, float, (-1, 1)),
        (0.0, 254.6, np.float32, (0, 255)),
        (0.0, 0.25, float, (0, 0.25)),
        (-2.5, 3.25, float, (-2.5, 3.25)),
        (0, 4095, np.uint16, (0, 4095)),
        (0, 60000, np.uint16, (0, 65535)),
        (7, 7, np.uint8, (7, 7)),
    ],
)
def test_the_range_is_the_usual_one_or_that_of_the_values(low, high, dtype, expected):
    X = np.full((2, 8, 8), low, dtype=dtype)
    X[1, 0, 0] = high
    assert ImageCodec().fit(X).range_ == pytest.approx(expected)


@pytest.mark.parametrize("values", ["uint8", "float32 in 0 to 1", "standardised", "bool", "int16"])
def test_decoded_values_are_clipped_and_rounded(values):
    X = images(values=values)
    codec = ImageCodec().fit(X)
    low, high = codec.range_
    found = codec.decode(np.linspace(-3, 3, 108, dtype=np.float32).reshape(1, 1, 9, 12))
    assert found.dtype == X.dtype
    assert (found.min(), found.max()) == (pytest.approx(low), pytest.approx(high))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("value", [0, 1, 7, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_constant_images_stay_constant(value, dtype):
    X = np.full((3, 8, 8), value, dtype=dtype)
    codec = ImageCodec().fit(X)
    x = codec.encode(X)
    assert np.isfinite(x).all()
    assert_array_equal(codec.decode(x), X)
    assert_allclose(codec.unpack(codec.pack(x)), x, atol=1e-4)


@pytest.mark.parametrize("layout", ["plain", "one channel last", "one channel first", "flat"])
def test_another_layout_of_the_same_size_is_recognised(layout):
    X = images()
    codec = ImageCodec().fit(X)
    assert_array_equal(codec.encode(X.reshape(LAYOUTS[layout][0])), codec.encode(X))


def test_colours_are_recognised_first_and_last():
    X = images((5, 9, 12, 3))
    codec = ImageCodec().fit(X)
    assert_array_equal(codec.encode(np.moveaxis(X, -1, 1)), codec.encode(X))


def test_floats_of_whole_numbers_are_the_integers():
    X = images()
    codec = ImageCodec().fit(X)
    assert_array_equal(codec.encode(X.astype(float)), codec.encode(X))


def test_values_beyond_the_range_are_cut_to_it():
    codec = ImageCodec().fit(images(values="standardised"))
    outlier = images(values="standardised", seed=1)
    outlier[0, 0, 0] = 50
    assert codec.encode(outlier).max() == 1


def test_many_images_are_converted_in_parts(monkeypatch):
    X = images((50, 9, 12), "standardised")
    whole = ImageCodec().fit(X)
    x = whole.encode(X)
    monkeypatch.setattr("vaeaug.data.images.codec._CHUNK_VALUES", 300)
    parts = ImageCodec().fit(X)
    assert_array_equal(parts.encode(X), x)
    assert_array_equal(parts.decode(x), whole.decode(x))
    assert_array_equal(parts.pack(x), whole.pack(x))


def test_an_array_of_arrays_is_stacked():
    X = images()
    listed = np.empty(5, dtype=object)
    listed[:] = list(X)
    assert_array_equal(ImageCodec().fit(listed).encode(listed), ImageCodec().fit(X).encode(X))


# --- kept images -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ("uint8", np.uint8),
        ("uint8, dark", np.uint8),
        ("bool", np.uint8),
        ("int64", np.uint8),
        ("float64 in 0 to 255", np.uint8),
        ("uint16", np.uint16),
        ("int16", np.uint16),
        ("standardised", np.uint16),
        ("float32 in 0 to 1", np.uint16),
    ],
)
def test_images_are_kept_in_the_fewest_bits(values, dtype):
    X = images(values=values)
    codec = ImageCodec().fit(X)
    packed = codec.pack(codec.encode(X))
    assert packed.dtype == dtype
    found = codec.decode(codec.unpack(packed))
    exact = X.dtype.kind != "f" or dtype == np.uint8
    assert_allclose(found, X, rtol=0, atol=1e-5 if exact else np.ptp(codec.range_) / 65535)


def test_pixels_of_8_bits_scaled_to_one_are_kept_in_8_bits():
    X = images() / np.float32(255)
    codec = ImageCodec().fit(X)
    assert codec.pack(codec.encode(X)).dtype == np.uint8


def test_unpacked_images_are_left_as_they_are():
    X = images()
    codec = ImageCodec().fit(X)
    x = codec.encode(X)
    assert codec.unpack(x) is x


# --- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "parameters", "message"),
    [
        ((5, 64), {}, "rows of 64 values.*give image_shape"),
        ((5, 64), {"image_shape": (9, 9)}, r"image_shape=\(9, 9\) has 81 values, but the rows of X have 64"),
        ((5, 64), {"image_shape": (64,)}, r"image_shape must be \(H, W\)"),
        ((5, 64), {"image_shape": (8, 8.0)}, r"image_shape must be \(H, W\)"),
        ((5, 8, 8), {"image_shape": (4, 16)}, "is not that of the images of X"),
        ((5, 3, 9, 3), {}, 'both the first and the last axis.*channels="first"'),
        ((5, 5, 9, 5), {}, 'both the first and the last axis.*1 to 8.*channels="first"'),
        ((5, 10, 9, 9), {}, "neither the first nor the last axis holds 1 to 8 channels, as images have"),
        ((5, 8, 9, 10), {"channels": "last"}, "1 to 8 channels; got 10"),
        ((5, 8, 2), {}, r"at least 4 pixels.*got 8 × 2.*single colour image pass X\[None\]"),
        ((64,), {}, "dim 1: images come as"),
        ((2, 3, 4, 5, 6), {}, "dim 5: images come as"),
        ((0, 8, 8), {}, r"0 sample\(s\)"),
        ((5, 0, 8), {}, "X has no images"),
    ],
)
def test_shapes_that_are_no_images(shape, parameters, message):
    with pytest.raises(InputError, match=message):
        ImageCodec(**parameters).fit(np.zeros(shape))


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
@pytest.mark.parametrize("step", ["fit", "encode"])
def test_the_image_with_a_missing_or_infinite_pixel_is_named(value, word, step):
    X = images(values="standardised")
    codec = ImageCodec().fit(X)
    X[3, 2, 1] = value
    with pytest.raises(InputError, match=rf"contains {word}.*X\[3\] does, and 1 of 5"):
        getattr(codec, step)(X)


@pytest.mark.parametrize("dtype", [complex, "U3", "M8[s]", np.longdouble])
def test_dtypes_that_are_no_pixels(dtype):
    with pytest.raises(InputError, match="booleans, integers or floats"):
        ImageCodec().fit(np.zeros((3, 8, 8)).astype(dtype))


def test_mixed_sizes_are_named():
    with pytest.raises(InputError, match=r"X\[0\] has shape \(8, 8\), X\[2\] has shape \(8, 9\)"):
        ImageCodec().fit([np.zeros((8, 8)), np.zeros((8, 8)), np.zeros((8, 9))])


@pytest.mark.parametrize("shape", [(5, 9, 13), (5, 9, 12, 3), (5, 107), (5, 2, 9, 12)])
def test_another_size_than_in_fit(shape):
    codec = ImageCodec().fit(images())
    with pytest.raises(InputError, match="images of fit were 9 × 12 pixels with 1 channel, shape .n, 9, 12"):
        codec.encode(np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize(
    ("fitted", "given", "message"),
    [
        ("uint8", "float32 in 0 to 1", "another scale.*X ends at"),
        ("float64 in 0 to 255", "float32 in 0 to 1", "another scale.*X ends at"),
        ("float32 in 0 to 1", "uint8", r"another scale.*X\[0\] has a mean of"),
        ("standardised", "uint8", r"another scale.*X\[0\] has a mean of"),
    ],
)
def test_another_scale_than_in_fit(fitted, given, message):
    codec = ImageCodec().fit(images(values=fitted))
    with pytest.raises(InputError, match=message):
        codec.encode(images(values=given))


def test_values_too_far_apart():
    X = images(values="standardised")
    X[0, 0, 0], X[1, 0, 0] = -1e308, 1e308
    with pytest.raises(InputError, match="too far apart"):
        ImageCodec().fit(X)


def test_sides_of_an_arrangement():
    assert find_arrangement((7, 8, 9, 3)).size == find_arrangement((7, 3, 8, 9)).size == (3, 8, 9)
    assert find_arrangement((7, 216), (8, 9, 3)).item == (216,)


def test_up_to_four_channels_come_before_up_to_eight():
    assert find_arrangement((7, 8, 8, 3)).size == (3, 8, 8)
    assert find_arrangement((7, 16, 12, 8)).size == find_arrangement((7, 8, 16, 12)).size == (8, 16, 12)
