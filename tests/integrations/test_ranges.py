"""Ranges: images on another scale than those of fit are refused at every call, plausible ones are not."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from made_images import blobs, digits, fast
from torch.utils.data import Dataset, TensorDataset
from torchvision.transforms import v2

from vaeaug import AugmentedDataset, BatchAugment
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.integrations.albumentations import VAEVariation as AlbumentationsVariation
from vaeaug.integrations.quiet import A
from vaeaug.integrations.torchvision import VAEVariation

BYTES, LABELS = digits(3)
BYTES, LABELS = BYTES[:120, None], torch.from_numpy(LABELS[:120])

SCALES = {
    "bytes": lambda x: x,
    "0 to 1": lambda x: (x / 255).astype(np.float32),
    "-1 to 1": lambda x: (x / 127.5 - 1).astype(np.float32),
    "0 to 255": lambda x: x.astype(np.float32),
    "standardised": lambda x: ((x / 255 - 0.3) / 0.35).astype(np.float32),
    "0 to 16": lambda x: np.rint(x / 255 * 16).astype(np.uint8),
    "16 bits": lambda x: x.astype(np.uint16) * 257,
}
#: What images become in another dtype of the same black and white; bytes are also floats from 0 to 255.
ALIKE = {
    "bytes": {"bytes", "0 to 1", "16 bits"},
    "0 to 1": {"bytes", "0 to 1", "16 bits"},
    "-1 to 1": {"-1 to 1"},
    "0 to 255": {"bytes", "0 to 255"},
    "standardised": {"standardised"},
    "0 to 16": {"0 to 16"},
    "16 bits": {"bytes", "0 to 1", "16 bits"},
}


@pytest.fixture(scope="module")
def augmenters():
    return {name: fast().fit(scale(BYTES), LABELS.numpy()) for name, scale in SCALES.items()}


def items(name, rows=slice(None)):
    return torch.from_numpy(SCALES[name](BYTES[rows]))


def from_dataset(augmenter, images, method="prior"):
    data = AugmentedDataset(
        TensorDataset(images, LABELS[: len(images)]), augmenter, random_state=0, method=method
    )
    return data[data.provenance_table()["synthetic"].to_numpy()][0]


def from_batch(augmenter, images, method="prior"):
    return BatchAugment(augmenter, p=1.0, random_state=0, method=method)(images, LABELS[: len(images)])[0]


WAYS = {
    "AugmentedDataset": from_dataset,
    "AugmentedDataset, posterior": lambda a, x: from_dataset(a, x, "posterior"),
    "BatchAugment": from_batch,
    "BatchAugment, posterior": lambda a, x: from_batch(a, x, "posterior"),
    "torchvision": lambda a, x: VAEVariation(a, p=1.0, random_state=0)(x),
    "albumentations": lambda a, x: torch.from_numpy(
        AlbumentationsVariation(a, p=1.0).apply_to_images(x.numpy()[:, 0, :, :, None])
    ),
}


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("fitted", list(SCALES))
def test_images_of_another_scale_are_refused_and_others_come_back_on_it(augmenters, fitted, way):
    for name in SCALES:
        images = items(name, slice(0, 60))
        if name in ALIKE[fitted]:
            new, span = (
                WAYS[way](augmenters[fitted], images).float(),
                float(images.float().max()) - float(images.float().min()),
            )
            assert abs(float(new.mean()) - float(images.float().mean())) < 0.08 * span, name
        else:
            with pytest.raises(InputError, match=r"goes from .*, not .*, the range of|no telling how"):
                print(name, "passes as", WAYS[way](augmenters[fitted], images))


@pytest.mark.parametrize("first", [0.0, 0.5])
@pytest.mark.parametrize(
    ("fitted", "name"), [("0 to 1", "-1 to 1"), ("-1 to 1", "0 to 1"), ("0 to 255", "0 to 1")]
)
def test_every_call_is_checked(augmenters, fitted, name, first):
    """Neither an image of one value nor a good batch lets later ones pass."""
    augment, vary = BatchAugment(augmenters[fitted], p=1.0), VAEVariation(augmenters[fitted], p=1.0)
    for call in (lambda x: augment(x, LABELS[:20]), vary):
        call(torch.full((20, 1, 8, 8), first))
        call(items(fitted, slice(0, 20)))
        with pytest.raises(InputError, match="the range of float.* images for this augmenter"):
            call(items(name, slice(0, 20)))


class Shifting(Dataset):
    """Digits from 0 to 1, and from item 40 on from −1 to 1, unless told otherwise."""

    def __init__(self, bad=None):
        self.good, self.bad = items("0 to 1"), items("-1 to 1") if bad is None else bad
        self.since = 120

    def __len__(self):
        return 120

    def __getitem__(self, i):
        return (self.bad if i >= self.since else self.good)[i], LABELS[i]


def test_items_are_checked_as_they_pass(augmenters):
    data = AugmentedDataset(Shifting(), augmenters["0 to 1"], p=0.0)
    data.dataset.since = 40
    assert float(data[39][0].max()) == 1
    with pytest.raises(
        InputError, match="AugmentedDataset: item 40 goes from -1 to 1, not 0 to 1.*transform="
    ):
        data[40]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(augmenters, value):
    images = items("0 to 1").clone()
    images[50, 0, 3, 3] = value
    augmenter = augmenters["0 to 1"]
    with pytest.raises(InputError, match=r"images\[50\] holds NaN or infinite"):
        BatchAugment(augmenter, p=0.9, random_state=0)(images, LABELS)
    with pytest.raises(InputError, match="image 50 holds NaN or infinite"):
        VAEVariation(augmenter, p=1.0)(images)
    with pytest.raises(InputError, match="the image holds NaN or infinite"):
        A.Compose([AlbumentationsVariation(augmenter, p=1.0)])(image=images[50, 0, :, :, None].numpy())
    data = AugmentedDataset(Shifting(images), augmenter, p=0.0)
    data.dataset.since = 0
    with pytest.raises(InputError, match="item 50 holds NaN or infinite"):
        data[50]
    with pytest.raises(InputError, match="NaN or infinite"):
        AugmentedDataset(TensorDataset(images[50:51], LABELS[50:51]), augmenter)


def test_a_refused_batch_counts_for_nothing(augmenters):
    augment = BatchAugment(augmenters["0 to 1"], random_state=0)
    with pytest.raises(InputError):
        augment(items("-1 to 1"), LABELS)
    again = BatchAugment(augmenters["0 to 1"], random_state=0)
    assert torch.equal(augment(items("0 to 1"), LABELS)[0], again(items("0 to 1"), LABELS)[0])


def noisy(x, share):
    return x + share * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


#: Of floats from 0 to 1; what augmentation does to images, and images that are odd but possible.
PLAUSIBLE = {
    "as they are": lambda x: x,
    "a little noise": lambda x: noisy(x, 0.05),
    "much noise": lambda x: noisy(x, 0.1),
    "overshoot": lambda x: torch.nn.functional.interpolate(x, scale_factor=2, mode="bicubic")[..., ::2, ::2],
    "brighter": lambda x: x * 1.4,
    "lighter": lambda x: x + 0.2,
    "lifted": lambda x: (x + 0.4).clamp(0, 1),
    "half as bright": lambda x: x * 0.5,
    "dark": lambda x: x * 0.2,
    "very dark": lambda x: x * 0.05,
    "nearly black": lambda x: x * 0.01,
    "black": lambda x: x * 0,
    "white": lambda x: x * 0 + 1,
    "grey": lambda x: x * 0 + 0.5,
    "inverted": lambda x: 1 - x,
    "little contrast": lambda x: 0.4 * x + 0.2,
    "hardly any contrast": lambda x: 0.1 * x + 0.4,
    "black and white": lambda x: (x > 0.5).float(),
    "a hole": lambda x: torch.cat([x[..., :4] * 0, x[..., 4:]], -1),
    "mixed": lambda x: (x + x.flip(0)) / 2,
    "solarised": lambda x: torch.where(x > 0.5, 1 - x, x),
    "gamma": lambda x: x**0.4,
}


#: Of these, all are unlike images of fit, and that is said.
TOLD = {
    *("lighter", "lifted", "dark", "very dark", "nearly black", "inverted", "hardly any contrast"),
    "solarised",
}


@pytest.mark.parametrize("fitted", ["0 to 1", "-1 to 1", "0 to 255", "standardised"])
@pytest.mark.parametrize("case", list(PLAUSIBLE))
def test_plausible_images_pass(augmenters, fitted, case):
    changed = PLAUSIBLE[case](items("0 to 1")) * 255
    images = torch.from_numpy(SCALES[fitted](changed.numpy()))
    augment, vary = BatchAugment(augmenters[fitted], p=1.0), VAEVariation(augmenters[fitted], p=1.0)
    with pytest.warns(VaeaugWarning, match="unlike those") if case in TOLD else nullcontext():
        assert torch.isfinite(augment(images, LABELS)[0]).all()
    augment(images, LABELS)  # once is enough
    for image in images[::10]:
        assert torch.isfinite(vary(image)).all()


def test_dark_bytes_pass(augmenters):
    dark = items("bytes") // 10
    with pytest.warns(VaeaugWarning, match="unlike"):
        new, _ = BatchAugment(augmenters["bytes"], p=1.0)(dark, LABELS)
    assert new.dtype == torch.uint8


def test_one_hot_pixel_passes(augmenters):
    images = items("0 to 1").clone()
    images[3, 0, 0, 0] = 4.0
    BatchAugment(augmenters["0 to 1"], p=1.0)(images, LABELS)


def test_statistics_that_were_not_applied_are_found(augmenters):
    augment = BatchAugment(augmenters["0 to 1"], p=1.0, mean=[0.5], std=[0.5])
    assert float(augment(items("-1 to 1"), LABELS)[0].min()) == -1
    with pytest.raises(InputError, match="the range of float.* images for this augmenter"):
        augment(items("0 to 1"), LABELS)


def test_statistics_that_were_left_out_are_found(augmenters):
    with pytest.raises(InputError, match="Pass the mean= and std="):
        BatchAugment(augmenters["0 to 1"], p=1.0)(items("standardised"), LABELS)


def test_models_of_constant_images_take_any(augmenters):
    augmenter = fast().fit(np.full((20, 8, 8), 7, dtype=np.uint8), np.arange(20) % 2)
    images = torch.full((6, 8, 8), 7, dtype=torch.uint8)
    assert torch.equal(BatchAugment(augmenter, p=1.0)(images, torch.arange(6) % 2)[0], images)


def draw_photos(n=120):
    """Return images with as much dark as bright, of many levels of brightness, and classes by brightness."""
    rng = np.random.default_rng(0)
    level, tone = rng.uniform(0.3, 0.7, (n, 1, 1)), rng.uniform(0.2, 0.3, (n, 1, 1))
    waves = np.sin(np.arange(8)[:, None] * rng.uniform(0.5, 2, (n, 1, 1)) + np.arange(8))
    return np.rint(255 * (level + tone * waves)).astype(np.uint8), (level.ravel() > 0.6).astype(np.int64)


SETS = {"digits": lambda: digits(3), "blobs": lambda: blobs(120, shape=(8, 8)), "photos": draw_photos}


@pytest.fixture(scope="module", params=list(SETS))
def fitted_set(request):
    """Return an augmenter of floats from 0 to 1, its images (n, 1, 8, 8), and their labels."""
    images, labels = (part[:120] for part in SETS[request.param]())
    images = (images[:, None] / 255).astype(np.float32)
    return request.param, fast().fit(images, labels), torch.from_numpy(images), torch.from_numpy(labels)


def replace_corners(x):
    """Give two pixels of each image values beyond the range."""
    x = x.clone()
    x[..., 0, 0], x[..., 0, 1] = -0.7, 1.7
    return x


UNLIKE = {
    "divided by 255 twice": (lambda x: x / 255, "values of most span 0.00.*divided by 255 twice"),
    "normalised otherwise": (replace_corners, "from about -0.7 to 1.7, not 0 to 1. .*normalised otherwise"),
    "inverted": (lambda x: 1 - x, "mean values are about .*brightened, or inverted"),
}


@pytest.mark.parametrize("case", UNLIKE)
@pytest.mark.parametrize("size", [4, 60])
def test_images_unlike_those_of_fit_are_said_once(fitted_set, case, size):
    name, augmenter, images, labels = fitted_set
    change, words = UNLIKE[case]
    if (name, case) == ("photos", "inverted"):
        pytest.skip("inverted, they are as bright as before")
    augment = BatchAugment(augmenter, p=1.0, random_state=0)

    def run_epoch():
        for start in range(0, 120, size):
            augment(change(images[start : start + size]), labels[start : start + size])

    words = f"images are unlike .*{words}"
    with pytest.warns(VaeaugWarning, match=f"BatchAugment: the first (16|60) {words}") as told:
        run_epoch()
    assert len(told) == 1
    assert told[0].filename == __file__
    data = TensorDataset(change(images), labels)
    with pytest.warns(VaeaugWarning, match=f"AugmentedDataset: .*{words}") as told:
        AugmentedDataset(data, augmenter, random_state=0)
    assert len(told) == 1


USUAL = {
    "as they are": v2.Identity(),
    "flips": v2.RandomHorizontalFlip(),
    "RandAugment": v2.RandAugment(),
    "colours": v2.ColorJitter(0.5, 0.5),
    "moved": v2.RandomAffine(20, (0.2, 0.2), (0.8, 1.2)),
    "erased": v2.RandomErasing(p=1.0),
}


@pytest.mark.parametrize("case", USUAL)
@pytest.mark.parametrize("size", [4, 32])
def test_augmented_images_and_those_of_one_class_are_not(fitted_set, case, size):
    _, augmenter, images, labels = fitted_set
    torch.manual_seed(0)
    pixels = (images * 255).round().to(torch.uint8)
    for group in (labels >= 0, labels == 0, labels == 1):
        mine, own = pixels[group], labels[group]
        augment = BatchAugment(augmenter, p=1.0, random_state=0)
        for start in range(0, min(64, len(own)), size):
            changed = torch.stack([USUAL[case](image) for image in mine[start : start + size]])
            augment(changed / 255, own[start : start + size])
