"""All ways of augmentation on the fly with a model of real digits: one small fit, many uses."""

import numpy as np
import pytest
import torch
from made_augmenter import same
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset
from torchvision import tv_tensors

import vaeaug
from vaeaug import AugmentedDataset, BatchAugment, VAEAugmenter
from vaeaug.filtering import LabelFilter
from vaeaug.integrations.albumentations import VAEVariation as AlbumentationsVariation
from vaeaug.integrations.quiet import A
from vaeaug.integrations.torchvision import VAEVariation


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    chosen = np.concatenate([np.flatnonzero(y == k)[: 40 if k < 2 else 10] for k in range(4)])
    return (X.reshape(-1, 8, 8)[chosen] / 16 * 255).astype(np.uint8), y[chosen]


@pytest.fixture(scope="module")
def augmenter(digits):
    return VAEAugmenter(max_iter=3, random_state=0).fit(*digits)


def wrapped(digits, augmenter, **options):
    images, labels = digits
    data = TensorDataset(torch.from_numpy(images)[:, None].float().div(255), torch.from_numpy(labels))
    return AugmentedDataset(data, augmenter, **({"random_state": 0, "balance": True} | options))


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_loading_with_and_without_workers(digits, augmenter, method):
    data, again = (wrapped(digits, augmenter, method=method, epoch=epoch) for epoch in (0, 1))
    data.set_epoch(1)
    batches = [
        torch.cat([images for images, _ in DataLoader(data, batch_size=size, num_workers=workers)])
        for size, workers in ((17, 0), (64, 1))
    ]
    assert torch.equal(*batches)
    assert torch.equal(batches[0], torch.stack([again[i][0] for i in range(160)]))
    assert batches[0].shape == (160, 1, 8, 8)
    assert torch.equal(batches[0] * 255, (batches[0] * 255).round())
    labels = torch.tensor([label for _, label in data])
    assert torch.bincount(labels).tolist() == [40] * 4
    assert len({data[i][0].numpy().tobytes() for i in range(160)}) == 160


def test_a_saved_model_makes_the_same_items(digits, augmenter, tmp_path):
    augmenter.save(tmp_path / "m.safetensors")
    data, again = (
        wrapped(digits, model) for model in (augmenter, vaeaug.load(tmp_path / "m.safetensors", device="cpu"))
    )
    assert all(same(data[i], again[i]) for i in range(160))


def test_provenance_repeats_the_draw(digits, augmenter):
    data = wrapped(digits, augmenter)
    table = data.provenance_table()
    index = int(np.flatnonzero(table["synthetic"])[3])
    alike = table[table["seed"] == table["seed"][index]].sort_values("position")
    made, _ = augmenter.sample(
        len(alike), y=alike["label"].to_numpy(), random_state=int(table["seed"][index])
    )
    found = made[alike["position"].tolist().index(table["position"][index])]
    assert np.array_equal(found, (data[index][0][0] * 255).round().numpy().astype(np.uint8))


def test_filtered_items(digits, augmenter):
    data = wrapped(digits, augmenter, label_filter=LabelFilter(random_state=0))
    assert (data.dropped_["made"] >= data.dropped_["kept"]).all()
    assert data.dropped_["made"].sum() >= len(data._schedule.slot_groups)
    new = np.flatnonzero(data.provenance_table()["synthetic"])
    images = torch.stack([data[int(i)][0] for i in new]).numpy()
    assert data._pool.label_filter.keep(images, np.array([int(data[int(i)][1]) for i in new])).all()


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_batches(digits, augmenter, method):
    images = torch.from_numpy(digits[0])[:, None].float().div(255)
    new, _ = BatchAugment(augmenter, p=1.0, method=method, random_state=0)(
        images, torch.from_numpy(digits[1])
    )
    assert new.shape == images.shape
    assert 0 <= float(new.min()) < float(new.max()) <= 1
    assert not torch.equal(new, images)


def test_transforms_of_both_worlds(digits, augmenter, tmp_path):
    image = digits[0][0]
    vary = VAEVariation(augmenter, p=1.0, random_state=0)
    assert vary(tv_tensors.Image(image[None])).shape == (1, 8, 8)
    assert vary(Image.fromarray(image)).size == (8, 8)
    augmenter.save(tmp_path / "m.safetensors")
    chain = A.Compose([AlbumentationsVariation(tmp_path / "m.safetensors", label="label", p=1.0)], seed=0)
    new = chain(image=image, label=int(digits[1][0]))["image"]
    assert (new.dtype, new.shape) == (image.dtype, image.shape)
    assert (new != image).any()
