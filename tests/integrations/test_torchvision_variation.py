"""VAEVariation of torchvision: images only, any container, its own randomness, no torch stream."""

import pickle

import numpy as np
import pytest
import torch
from made_augmenter import MadeAugmenter
from made_images import blobs, fast
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from vaeaug.errors import InputError
from vaeaug.integrations.torchvision import VAEVariation
from vaeaug.utils.random import hash_seed

GREY = torch.full((1, 6, 5), 100, dtype=torch.uint8)


def variation(augmenter=None, **options):
    return VAEVariation(augmenter or MadeAugmenter(), **({"p": 1.0, "random_state": 0} | options))


def sample():
    return {
        "image": tv_tensors.Image(GREY),
        "mask": tv_tensors.Mask(GREY[0]),
        "boxes": tv_tensors.BoundingBoxes([[0, 0, 3, 3]], format="XYXY", canvas_size=(6, 5)),
        "number": torch.tensor([7.0]),
        "label": 1,
    }


@pytest.mark.parametrize(
    "image",
    [
        GREY,
        tv_tensors.Image(GREY),
        GREY.float() / 255,
        GREY.expand(4, 1, 6, 5).clone(),
        tv_tensors.Image(GREY.expand(2, 3, 1, 6, 5).clone()),
        Image.fromarray(GREY[0].numpy()),
    ],
)
def test_the_kind_of_an_image_is_kept(image):
    new = variation()(image)
    assert type(new) is type(image)
    a, b = np.asarray(image), np.asarray(new)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    difference = np.abs(a.astype(float) - b.astype(float)) * (1 if a.dtype == np.uint8 else 255)
    assert 0 < difference.max() <= 15.5


def test_only_images_are_varied():
    before, after = sample(), variation()(sample())
    assert not torch.equal(after["image"], before["image"])
    for name in ("mask", "boxes", "number"):
        assert type(after[name]) is type(before[name])
        assert torch.equal(after[name], before[name])
    assert after["label"] == 1


def test_it_composes():
    chain = v2.Compose([variation(), v2.RandomCrop(4), v2.ToDtype(torch.float32, scale=True)])
    after = chain(sample())
    assert after["image"].shape == (1, 4, 4)
    assert after["image"].dtype == torch.float32
    assert after["mask"].shape == (4, 4)


def test_each_image_of_a_batch_has_its_own_chance():
    new = variation(p=0.5)(GREY.expand(400, 1, 6, 5))
    share = float((new != 100).flatten(1).any(1).float().mean())
    assert share == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 400))


def test_never_means_untouched():
    assert variation(p=0.0)(GREY) is GREY


def test_two_images_of_a_sample_agree():
    first, second = variation()((tv_tensors.Image(GREY), tv_tensors.Image(GREY)))
    assert torch.equal(first, second)


class Labelled(MadeAugmenter):
    def vary(self, X, y=None, **options):
        self.labels = y
        return super().vary(X, y, **options)


def test_labels_reach_the_augmenter():
    augmenter = Labelled()
    variation(augmenter, labels_getter=lambda s: s[1])(GREY.expand(3, 1, 6, 5), torch.tensor([0, 2, 1]))
    assert augmenter.labels.tolist() == [0, 2, 1]
    variation(augmenter, labels_getter=lambda s: s["label"])(sample())
    assert augmenter.labels.tolist() == [1]
    variation(augmenter)(sample())
    assert augmenter.labels is None


def test_runs_repeat_and_calls_differ():
    one, two = variation(), variation()
    first = [one(GREY) for _ in range(3)]
    assert all(torch.equal(a, two(GREY)) for a in first)
    assert not torch.equal(first[0], first[1])
    fresh = variation(random_state=None)
    assert not torch.equal(fresh(GREY), variation(random_state=None)(GREY))


def test_global_streams_are_left_alone():
    before = torch.get_rng_state()
    variation(random_state=None)(GREY)
    variation()(GREY)
    assert torch.equal(before, torch.get_rng_state())


class Varied(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return self.transform(GREY)


def test_workers_and_epochs_do_not_repeat_each_other():
    loader = DataLoader(Varied(variation()), batch_size=3, num_workers=2)
    seen = {image.numpy().tobytes() for _ in range(2) for images in loader for image in images}
    assert len(seen) == 24


class Forked(MadeAugmenter):
    def vary(self, *args, **options):
        raise RuntimeError("Cannot re-initialize CUDA in forked subprocess.")


def test_a_gpu_in_a_worker_is_explained():
    with pytest.raises(InputError, match="VAEVariation: the augmenter is on a GPU.*num_workers=0"):
        variation(Forked())(GREY)


def test_it_pickles():
    again = pickle.loads(pickle.dumps(variation()))
    assert torch.equal(again(GREY), variation()(GREY))


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (GREY[0], {}, r"\(\.\.\., C, H, W\)"),
        (torch.zeros(1, 9, 9, dtype=torch.uint8), {}, r"shape \(6, 5\)"),
        (GREY, {"labels_getter": lambda s: [0, 1]}, "one class, or one for each of the 1 images"),
        (GREY.float(), {}, "not 0 to 1"),
    ],
)
def test_unusable_samples_are_refused(image, options, message):
    with pytest.raises(InputError, match=message):
        variation(**options)(image)


# --- tensors, videos, and numbers of labels --------------------------------------------

PICTURE = Image.fromarray(GREY[0].numpy())
REAL = fast().fit(*blobs(30, shape=(6, 5), classes=3))


@pytest.mark.parametrize("make", [MadeAugmenter, lambda: REAL])
def test_frames_of_a_video_are_varied_alike(make):
    frames = GREY.expand(4, 1, 6, 5)
    video = tv_tensors.Video(torch.stack([frames, frames]))  # two videos of four equal frames
    new = variation(make())(video)
    assert type(new) is tv_tensors.Video
    assert new.shape == video.shape
    assert not torch.equal(new, video)
    assert torch.equal(new, new[:, :1].expand_as(new))


def test_each_video_has_its_own_chance():
    videos = tv_tensors.Video(GREY.expand(200, 2, 1, 6, 5))
    new = variation(p=0.5)(videos)
    whole = (new != videos).flatten(2).any(2)
    assert torch.equal(whole[:, 0], whole[:, 1])
    assert float(whole[:, 0].float().mean()) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 200))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float16, torch.bfloat16, torch.float64])
def test_every_dtype_and_the_memory_format_are_kept(dtype):
    images = (torch.rand(4, 3, 6, 5) * (1 if dtype.is_floating_point else 200)).to(dtype)
    images = images.to(memory_format=torch.channels_last)
    augmenter = fast().fit(np.random.default_rng(0).integers(0, 256, (30, 3, 6, 5)).astype(np.uint8))
    new = variation(augmenter)(images)
    assert new.dtype == dtype
    assert new.is_contiguous(memory_format=torch.channels_last)


def test_gradients_reach_images_that_were_kept():
    images = (GREY.expand(40, 1, 6, 5) / 255).requires_grad_()
    images.retain_grad()
    variation(REAL, p=0.5)(images).sum().backward()
    assert set(images.grad.flatten().tolist()) == {0.0, 1.0}


def test_tensors_are_varied_as_the_augmenter_varies_arrays():
    images, labels = blobs(30, shape=(6, 5), classes=3)
    seen = torch.from_numpy(images)[:, None]
    transform = variation(REAL, labels_getter=lambda sample: sample[1])
    found = transform(seen, torch.from_numpy(labels))[0]
    seed = hash_seed(0, 0, 1, 52)
    made = REAL.vary(images, labels, random_state=seed)
    assert np.abs(found[:, 0].numpy().astype(int) - made.astype(int)).max() <= 1


def default_device():
    return torch.device("meta")


@pytest.mark.parametrize(
    "context",
    [torch.no_grad, torch.inference_mode, default_device, lambda: torch.autocast("cpu", torch.bfloat16)],
)
def test_the_callers_torch_changes_nothing(context):
    sample = {"image": GREY / 255, "video": tv_tensors.Video(GREY.expand(2, 1, 6, 5)), "picture": PICTURE}
    expected = variation(REAL)(sample)
    with context():
        found = variation(REAL)(sample)
    for name in sample:
        assert np.array_equal(np.asarray(found[name]), np.asarray(expected[name]))


@pytest.mark.parametrize("label", [2, [2], torch.tensor(2), torch.tensor([2]), np.array([[2]]), np.int8(2)])
def test_a_label_in_any_form(label):
    expected = variation(REAL, labels_getter=lambda s: 2)(GREY)
    assert torch.equal(variation(REAL, labels_getter=lambda s: label)(GREY), expected)


def test_texts_among_numbers_are_refused():
    with pytest.raises(InputError, match="mix texts and numbers"):
        variation(labels_getter=lambda s: ["a", 1])(GREY.expand(2, 1, 6, 5))


@pytest.mark.parametrize("augmenter", ["model.safetensors", None])
def test_what_is_no_augmenter_is_refused(augmenter):
    with pytest.raises(InputError, match="augmenter must be a fitted VAEAugmenter"):
        VAEVariation(augmenter)


@pytest.mark.parametrize("options", [{"p": 2}, {"strength": -1}])
def test_unusable_options_are_refused(options):
    with pytest.raises(InputError):
        variation(**options)
