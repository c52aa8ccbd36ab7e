"""Datasets of images that are read again in every epoch."""

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

import vaeaug.data.streams.images as imagestream
from vaeaug import VAEAugmenter
from vaeaug.data.streams.images import StreamedImages, is_image_stream
from vaeaug.errors import InputError


class Discs(Dataset):
    """Bright and dark squares, a few of a third kind; counts how often it is read."""

    def __init__(self, rows=90, labels=True, broken=None):
        rng = np.random.default_rng(0)
        self.labels = np.where(np.arange(rows) < 3, 2, rng.integers(0, 2, rows))
        self.images = (100 * self.labels[:, None, None] + rng.integers(0, 50, (rows, 8, 8))).astype(np.uint8)
        self.labelled, self.broken, self.reads = labels, broken, 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        if i == self.broken:
            raise OSError("truncated file")
        self.reads += 1
        image = torch.from_numpy(self.images[i][None])
        return (image, int(self.labels[i])) if self.labelled else image


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    monkeypatch.setattr(imagestream, "_MOST_VALUES", 1000)
    monkeypatch.setattr(imagestream, "_LEAST_IMAGES", 40)
    monkeypatch.setattr(imagestream, "_SAMPLE_VALUES", 40 * 64)
    monkeypatch.setattr(imagestream, "_BLOCK_VALUES", 16 * 64)


def fast(**parameters):
    return VAEAugmenter(**{"max_iter": 2, "random_state": 0, "device": "cpu", **parameters})


def test_only_large_datasets_are_streams():
    assert is_image_stream(Discs())
    assert not is_image_stream(Discs(10))
    assert not is_image_stream(np.zeros((100, 8, 8)))


def test_images_of_a_stream_are_learned():
    model = fast().fit(Discs())
    X, y = model.sample(6, y=2, random_state=0)
    assert X.shape == (6, 1, 8, 8)
    assert X.dtype == torch.uint8
    assert model.classes_.tolist() == [0, 1, 2]
    assert set(np.asarray(y)) == {2}
    assert model.sample(4, method="posterior", random_state=0)[0].shape == (4, 1, 8, 8)


def test_every_image_comes_once_an_epoch_with_the_weight_of_its_class():
    images = Discs()
    source = StreamedImages(fast(), images, None, 0)
    held = np.zeros(len(source.x), bool)
    held[-5:] = True
    read, n = source.training_rows(held)
    blocks = list(read(1, 0, 0, 1))
    x = np.concatenate([block[0] for block in blocks])
    assert len(x) == n == 85
    everything = source.intake.codec.encode(images.images[:, None])
    kept = np.setdiff1d(np.arange(90), source._numbers[held])
    np.testing.assert_allclose(np.sort(x.sum((1, 2, 3))), np.sort(everything[kept].sum((1, 2, 3))), rtol=1e-5)
    weights = np.concatenate([block[-1] for block in blocks])
    counts = np.bincount(images.labels)
    assert np.unique(weights).max() / np.unique(weights).min() == pytest.approx(
        (counts.max() / counts.min()) ** 0.5, rel=1e-5
    )


def test_small_classes_are_in_the_sample():
    source = StreamedImages(fast(), Discs(), None, 0)
    assert (source.groups == 2).sum() == 3
    assert source.mass[source.groups == 2].sum() / source.mass.sum() == pytest.approx(3 / 90, rel=1e-5)


def test_labels_of_a_dataset_that_lists_them_are_not_read_one_by_one():
    images = Discs()
    images.targets = images.labels.tolist()
    source = StreamedImages(fast(), images, None, 0)
    # The first image, the sample, and those that show that the list is true.
    assert images.reads <= 1 + len(source.x) + 16 + 3


class Remapped(Discs):
    """Lists labels that its items do not carry, from item ``since`` on."""

    def __init__(self, since=0):
        super().__init__()
        self.targets, self.since = self.labels.tolist(), since

    def __getitem__(self, i):
        image, label = super().__getitem__(i)
        return image, label + 10 if i >= self.since else label


def test_labels_of_items_win_over_those_that_are_listed():
    assert fast(max_iter=1).fit(Remapped()).classes_.tolist() == [10, 11, 12]


def test_a_target_transform_wins_over_the_list():
    images = Remapped()
    images.target_transform = lambda label: label + 10
    assert StreamedImages(fast(), images, None, 0).context.classes_.tolist() == [10, 11, 12]


def test_a_list_that_turns_out_wrong_is_an_error_that_names_the_item():
    images = Remapped(since=90)
    source = StreamedImages(fast(), images, None, 0)
    images.since = 0
    read, _ = source.training_rows(np.zeros(len(source.x), bool))
    with pytest.raises(InputError, match=r"X\[\d+\] of the Dataset Remapped carries the label 1\d.*Pass y"):
        list(read(1, 0, 0, 1))


def test_a_list_that_raises_is_no_list():
    class Secretive(Discs):
        @property
        def targets(self):
            raise RuntimeError("download the labels first")

    assert fast(max_iter=1).fit(Secretive()).classes_.tolist() == [0, 1, 2]


def test_labels_may_be_given_and_may_be_absent():
    given = fast(max_iter=1).fit(Discs(labels=False), np.array(["a", "b", "c"])[Discs().labels])
    assert given.classes_.tolist() == ["a", "b", "c"]
    assert fast(max_iter=1).fit(Discs(labels=False)).classes_ is None
    with pytest.raises(InputError, match="X has 90 rows, y has 3"):
        fast().fit(Discs(), [0, 1, 0])


def test_an_image_that_cannot_be_read_is_named():
    with pytest.raises(InputError, match=r"X\[61\] cannot be read: .*truncated file"):
        fast().fit(Discs(broken=61))


def test_processes_share_the_images():
    source = StreamedImages(fast(), Discs(), None, 0)
    read, n = source.training_rows(np.zeros(len(source.x), bool))
    assert sum(len(block[0]) for rank in range(4) for block in read(1, 0, rank, 4)) == n


def test_torchs_stream_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    fast(max_iter=1).fit(Discs())
    assert torch.equal(torch.rand(2), expected)
