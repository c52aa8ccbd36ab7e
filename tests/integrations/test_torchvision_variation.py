"""VAEVariation of torchvision: images only, any container, its own randomness, no torch stream."""

import pickle

import numpy as np
import pytest
import torch
from made_augmenter import MadeAugmenter
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from vaeaug.errors import InputError
from vaeaug.integrations.torchvision import VAEVariation

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


@pytest.mark.parametrize("options", [{"p": 2}, {"strength": -1}])
def test_unusable_options_are_refused(options):
    with pytest.raises(InputError):
        variation(**options)
