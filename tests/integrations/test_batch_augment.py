"""BatchAugment: batches after the loader, repeatable, resumable, before MixUp and CutMix."""

import numpy as np
import pytest
import torch
from made_augmenter import MadeAugmenter
from torchvision.transforms import v2

from vaeaug import BatchAugment
from vaeaug.errors import InputError, UnknownLabelError

LABELS = torch.tensor([0, 1, 2, 1] * 10)


def batch(dtype=torch.uint8):
    images = (60 * LABELS + 40).reshape(-1, 1, 1, 1).expand(-1, 1, 6, 5).to(torch.uint8).contiguous()
    return images if dtype == torch.uint8 else images.to(dtype) / 255


def augment(augmenter=None, **options):
    return BatchAugment(augmenter or MadeAugmenter(), **({"random_state": 0} | options))


def changed(images, new):
    return (images != new).flatten(1).any(1)


@pytest.mark.parametrize("method", ["prior", "posterior"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_images_keep_their_kind_and_class(dtype, method):
    images = batch(dtype)
    new, labels = augment(p=1.0, method=method)(images, LABELS)
    assert new.dtype == dtype
    assert new.shape == images.shape
    assert labels is LABELS
    scale = 1 if dtype == torch.uint8 else 255
    assert bool(((new.float() - images.float()).abs() * scale <= 16.5).all())
    assert bool(changed(images, new).all())


def test_the_input_is_not_changed():
    images = batch()
    before = images.clone()
    augment(p=1.0)(images, LABELS)
    assert torch.equal(images, before)


def test_the_share_is_p():
    module, images = augment(p=0.3), batch()
    share = np.mean([float(changed(images, module(images, LABELS)[0]).float().mean()) for _ in range(60)])
    # 2,400 images: within four standard errors.
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 2400))


def test_batches_differ_and_runs_repeat():
    images = batch()
    one, two = augment(), augment()
    first = [one(images, LABELS)[0] for _ in range(3)]
    assert all(torch.equal(a, two(images, LABELS)[0]) for a in first)
    assert not torch.equal(first[0], first[1])


def test_a_resumed_run_goes_on():
    images = batch()
    whole = augment()
    for _ in range(3):
        whole(images, LABELS)
    again = augment(random_state=5)
    again.load_state_dict(whole.state_dict())
    assert torch.equal(whole(images, LABELS)[0], again(images, LABELS)[0])


def test_ranks_make_different_images(monkeypatch):
    images, found = batch(), []
    for rank in (0, 1):
        monkeypatch.setattr("vaeaug.integrations.batches._rank", lambda rank=rank: rank)
        found.append(augment(p=1.0)(images, LABELS)[0])
    assert bool(changed(found[0], found[1]).all())


def test_evaluation_mode_leaves_batches_alone():
    module, images = augment(p=1.0).eval(), batch()
    new, labels = module(images, LABELS)
    assert new is images
    assert labels is LABELS


def test_no_image_chosen_is_no_call():
    augmenter = MadeAugmenter()
    assert augment(augmenter, p=0.0)(batch(), LABELS)[0].shape == batch().shape
    assert not augmenter.asked


def test_one_call_makes_all_images_of_a_batch():
    augmenter = MadeAugmenter()
    augment(augmenter, p=1.0)(batch(), LABELS)
    assert [rows for rows, _ in augmenter.asked] == [8, 40]


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_normalised_images(method):
    mean, std = [0.2], [0.3]
    images = v2.functional.normalize(batch(torch.float32), mean, std)
    new, _ = augment(p=1.0, method=method, mean=mean, std=std)(images, LABELS)
    back = new * 0.3 + 0.2
    assert bool(((back - batch(torch.float32)).abs() * 255 <= 16.5).all())
    assert bool(changed(images, new).all())


@pytest.mark.parametrize("mix", [v2.MixUp, v2.CutMix])
def test_mixing_follows(mix):
    chain = v2.Compose([augment(p=1.0), mix(num_classes=3)])
    torch.manual_seed(0)
    images, labels = chain(batch(torch.float32), LABELS)
    assert images.shape == (40, 1, 6, 5)
    assert labels.shape == (40, 3)
    assert torch.allclose(labels.sum(1), torch.ones(40))


def test_global_streams_are_left_alone():
    before = torch.get_rng_state()
    augment(random_state=None)(batch(), LABELS)
    assert torch.equal(before, torch.get_rng_state())


def test_the_representation_shows_settings_only():
    assert repr(augment()) == "BatchAugment(p=0.5, method='prior', temperature=1.0)"


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (batch(), torch.rand(40, 3), "before MixUp or CutMix"),
        (batch(), LABELS[:3], "one class number per image"),
        (batch(), LABELS.float(), "dtype torch.float32"),
        (torch.zeros(40, 1, 9, 9, dtype=torch.uint8), LABELS, r"shape \(6, 5\).*\(1, 9, 9\)"),
        (batch(torch.float32) * 4 - 2, LABELS, "not 0 to 1"),
    ],
)
def test_unusable_batches_are_refused(images, labels, message):
    with pytest.raises(InputError, match=message):
        augment(p=1.0)(images, labels)


def test_unknown_labels_are_refused():
    with pytest.raises(UnknownLabelError):
        augment(p=1.0)(batch(), LABELS + 5)


def test_mean_without_std_is_refused():
    with pytest.raises(InputError, match="belong together"):
        augment(mean=[0.5])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_stay_on_the_gpu():
    new, labels = augment(p=1.0)(batch().cuda(), LABELS.cuda())
    assert new.is_cuda
    assert labels.is_cuda
    assert torch.equal(new.cpu(), augment(p=1.0)(batch(), LABELS)[0])
