"""Items of every kind that fit takes: PIL modes, dtypes of tensors and arrays; new ones are of that kind."""

import io

import numpy as np
import pytest
import torch
from made_images import Pairs, blobs, fast, pictures
from PIL import Image
from torchvision import tv_tensors

from vaeaug import AugmentedDataset, BatchAugment
from vaeaug.errors import InputError
from vaeaug.integrations.conversion import Kind
from vaeaug.integrations.torchvision import VAEVariation

X, Y = blobs(24)
LABELS = torch.from_numpy(Y)
MODES = ["1", "L", "LA", "RGB", "RGBA", "RGBX", "I", "I;16", "F", "P", "PA", "CMYK", "YCbCr", "HSV"]


def of_mode(mode):
    if mode == "I;16":
        return pictures(X.astype(np.uint16) * 200)
    if mode == "1":
        return pictures(X > 100)
    return [image.convert(mode) for image in pictures(X)]


def new_items(augmenter, items, **options):
    data = AugmentedDataset(Pairs(items, Y), augmenter, **({"p": 1.0, "random_state": 0} | options))
    return [image for image, _ in data]


@pytest.mark.parametrize("method", ["prior", "posterior"])
@pytest.mark.parametrize("mode", MODES)
def test_pictures_of_every_mode(mode, method):
    real = of_mode(mode)
    augmenter = fast().fit(Pairs(real, Y))
    for image in new_items(augmenter, real, method=method):
        assert (image.mode, image.size) == (mode, (9, 8))
    change = VAEVariation(augmenter, p=1.0, random_state=0)(real[0])
    assert (change.mode, change.size) == (mode, (9, 8))


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA"])
def test_new_pictures_are_as_bright_as_real_ones(mode):
    real = of_mode(mode)
    new = new_items(fast(max_iter=5).fit(Pairs(real, Y)), real)
    means = [
        np.mean([np.asarray(image.convert("L"), dtype=float) for image in images]) for images in (real, new)
    ]
    assert abs(means[0] - means[1]) < 25


def test_pictures_of_other_modes_are_named():
    with pytest.raises(
        InputError, match=r"of mode 'L' .*another is a PIL image of mode 'RGB' of shape \(8, 9, 3\)"
    ):
        new_items(fast().fit(X, Y), [*pictures(X[:-1]), Image.new("RGB", (9, 8))])


def test_pictures_of_other_modes_may_pass_after_the_first_ones():
    real = pictures(np.concatenate([X, X]))
    data = AugmentedDataset(Pairs(real, np.tile(Y, 2)), fast().fit(X, Y), p=0.0, transform=Image.Image.copy)
    real[1] = real[1].convert("RGB")
    assert data[1][0].mode == "RGB"


def test_a_file_that_ends_too_early_is_named():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(file, "png")
    broken = Image.open(io.BytesIO(file.getvalue()[:2000]))
    data = AugmentedDataset(Pairs(images := pictures(X), Y), fast().fit(X, Y), p=0.0)
    images[5] = broken
    with pytest.raises(InputError, match="cannot be read.*Mend the file"):
        data[5]


TENSORS = ["bool", "uint8", "uint16", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
WHITE = {"bool": 1, "uint8": 255, "uint16": 65535, "int16": 255, "int32": 255, "int64": 255}


def of_dtype(name):
    white = WHITE.get(name, 1)
    values = torch.from_numpy(X / 255 * white)[:, None]
    return (values.round() if name in WHITE else values).to(getattr(torch, name))


@pytest.fixture(scope="module")
def by_dtype():
    return {
        name: fast().fit(of_dtype(name).float().numpy() if name == "bfloat16" else of_dtype(name).numpy(), Y)
        for name in TENSORS
    }


@pytest.mark.parametrize("method", ["prior", "posterior"])
@pytest.mark.parametrize("name", TENSORS)
def test_tensors_of_every_dtype(by_dtype, name, method):
    real = of_dtype(name)
    for wrap in (list, lambda x: [tv_tensors.Image(image) for image in x]):
        for image in new_items(by_dtype[name], wrap(real), method=method):
            assert (image.dtype, image.shape) == (real.dtype, real.shape[1:])
    new, _ = BatchAugment(by_dtype[name], p=1.0, method=method, random_state=0)(real, LABELS)
    assert (new.dtype, new.shape) == (real.dtype, real.shape)
    assert name == "bool" or not torch.equal(new, real)
    change = VAEVariation(by_dtype[name], p=1.0, random_state=0)(real)
    assert (change.dtype, change.shape) == (real.dtype, real.shape)


@pytest.mark.parametrize("fitted", ["uint8", "float32"])
@pytest.mark.parametrize("name", ["bool", "uint8", "uint16", "float16", "bfloat16", "float32", "float64"])
def test_black_and_white_are_kept_between_dtypes(by_dtype, fitted, name):
    real, white = of_dtype(name), WHITE.get(name, 1)
    bytes_ = BatchAugment(by_dtype[fitted], p=1.0, random_state=0)(of_dtype("uint8"), LABELS)[0]
    new = BatchAugment(by_dtype[fitted], p=1.0, random_state=0)(real, LABELS)[0]
    step = 0.5 if name == "bool" else 0.01
    assert torch.allclose(new.double() / white, bytes_.double() / 255, atol=step)


@pytest.mark.parametrize(
    "name", [*(name for name in TENSORS if name != "bfloat16"), ">f4", ">u2", "uint32", "int8"]
)
def test_arrays_of_every_dtype(name):
    white = {">u2": 65535, "uint32": 255, "int8": 127}.get(name, WHITE.get(name, 1))
    real = np.asarray(X / 255 * white).astype(name)
    for image in new_items(fast().fit(real.astype(real.dtype.newbyteorder("=")), Y), list(real)):
        assert (image.dtype, image.shape) == (real.dtype, (8, 9))


@pytest.mark.parametrize(("fitted", "name"), [("uint8", "int64"), ("int64", "uint8"), ("int32", "float32")])
def test_dtypes_without_a_known_white_are_refused(by_dtype, fitted, name):
    for call in (
        lambda: new_items(by_dtype[fitted], list(of_dtype(name))),
        lambda: BatchAugment(by_dtype[fitted], p=1.0)(of_dtype(name), LABELS),
        lambda: VAEVariation(by_dtype[fitted], p=1.0)(of_dtype(name)),
    ):
        with pytest.raises(InputError, match="no telling how these were scaled.*fit the augmenter on such"):
            call()


def test_items_of_another_dtype_are_refused_as_they_pass(by_dtype):
    images = list(of_dtype("uint8"))
    data = AugmentedDataset(Pairs(images, Y), by_dtype["uint8"], p=0.0)
    images[5] = images[5].float()
    with pytest.raises(InputError, match="all items must be alike.*item 5 is of dtype float32"):
        data[5]


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e4m3fn])
def test_batches_of_other_dtypes_are_refused(by_dtype, dtype):
    images = torch.zeros(24, 1, 8, 9).to(dtype)
    with pytest.raises(InputError, match="must be of dtype"):
        BatchAugment(by_dtype["uint8"], p=1.0)(images, LABELS)
    with pytest.raises(InputError, match="must be of dtype"):
        VAEVariation(by_dtype["uint8"], p=1.0)(images)


def test_rows_of_pixels_in_a_frame_fill_images():
    import pandas as pd

    frame = pd.DataFrame(X.reshape(24, -1), columns=[f"p{i}" for i in range(72)])
    augmenter = fast(image_shape=(8, 9)).fit(frame, Y)
    for image in new_items(augmenter, pictures(X), method="posterior"):
        assert image.mode == "L"


def test_a_table_with_text_makes_no_tensors():
    import pandas as pd

    from vaeaug import VAEAugmenter

    frame = pd.DataFrame({"a": np.arange(24.0) % 5, "b": ["x", "x", "y"] * 8})
    with pytest.raises(InputError, match="items hold numbers only, and the augmenter makes rows of"):
        new_items(VAEAugmenter(max_iter=1).fit(frame, Y), list(torch.zeros(24, 2)))


def test_kinds_describe_themselves():
    assert (
        str(Kind.of(Image.new("CMYK", (9, 8))))
        == "a PIL image of mode 'CMYK' of shape (8, 9, 3) and dtype uint8"
    )
    assert (
        str(Kind.of(torch.zeros(1, 2, dtype=torch.bfloat16))) == "a tensor of shape (1, 2) and dtype bfloat16"
    )
