"""AugmentedDataset behaves as map-style Datasets do: indexes of any form, samplers, subclasses, wrappers."""

import numpy as np
import pytest
import torch
from made_augmenter import MadeAugmenter, Pictures, same
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    SequentialSampler,
    Subset,
    random_split,
)
from torchvision import tv_tensors

from vaeaug import AugmentedDataset
from vaeaug.errors import InputError


def made(kind="uint8", cls=AugmentedDataset, dataset=None, **options):
    return cls(dataset or Pictures(kind=kind), MadeAugmenter(), **({"random_state": 0} | options))


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([5, -1, 5], [5, 63, 5]),
        ([torch.tensor(3), torch.tensor(4)], [3, 4]),
        (range(2, 8, 3), [2, 5]),
        (torch.tensor([9, 8]), [9, 8]),
        (torch.tensor([-1], dtype=torch.int32), [63]),
        (np.array([1, 2], dtype=np.uint8), [1, 2]),
        (slice(4), [0, 1, 2, 3]),
        (slice(-2, None), [62, 63]),
        (slice(None, None, -32), [63, 31]),
        (np.arange(64) < 2, [0, 1]),
        (torch.arange(64) > 61, [62, 63]),
        ([True] + [False] * 63, [0]),
    ],
)
def test_several_items_are_a_batch(index, rows):
    data = made()
    images, labels = data[index]
    single = [data[row] for row in rows]
    assert torch.equal(images, torch.stack([image for image, _ in single]))
    assert labels.tolist() == [label for _, label in single]


@pytest.mark.parametrize("index", [7, np.int64(7), np.uint8(7), torch.tensor(7), np.array(7), -57])
def test_one_item_is_an_item(index):
    data = made()
    assert same(data[index], data[7])


@pytest.mark.parametrize("index", [[], slice(5, 5), torch.tensor([], dtype=torch.long), np.zeros(64, bool)])
def test_no_items_are_an_empty_batch(index):
    images, labels = made()[index]
    assert len(images) == len(labels) == 0


def test_pictures_come_as_a_list():
    images, labels = made("pil")[[0, 1, 60]]
    assert [type(image).__name__ for image in images] == ["Image"] * 3
    assert labels.tolist() == [0, 0, 2]


@pytest.mark.parametrize("index", [64, -65, [0, 64], torch.tensor([100]), np.ones(63, bool)])
def test_an_index_outside_is_an_index_error(index):
    with pytest.raises(IndexError, match="AugmentedDataset has 64 items; got"):
        made()[index]


@pytest.mark.parametrize(
    "index", [1.0, "a", None, ..., (1, 2), [1.5], [[1, 2], [3, 4]], {"a": 1}, torch.ones(2)]
)
def test_what_is_no_index_is_refused(index):
    with pytest.raises(InputError, match="an index must be an integer, a slice, a sequence"):
        made()[index]


def test_iteration_ends():
    assert len(list(made())) == 64


@pytest.mark.parametrize("kind", ["uint8", "floats", "array"])
def test_a_batch_sampler_gives_the_batches_of_a_loader(kind):
    data = made(kind)
    sampler = BatchSampler(SequentialSampler(data), 10, drop_last=False)
    batches = list(DataLoader(data, batch_size=None, sampler=sampler))
    expected = list(DataLoader(data, batch_size=10))
    assert len(batches) == len(expected) == 7
    for found, batch in zip(batches, expected, strict=True):
        assert torch.equal(found[0], batch[0])
        assert torch.equal(found[1], batch[1])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda d: Subset(d, [3, 1, 60]),
        lambda d: Subset(d, torch.tensor([3, 1, 60])),
        lambda d: ConcatDataset([Subset(d, [3]), Subset(d, [1, 60])]),
    ],
)
def test_parts_of_it_show_its_items(wrap):
    data = made()
    images, labels = next(iter(DataLoader(wrap(data), batch_size=3)))
    expected = data[[3, 1, 60]]
    assert torch.equal(images, expected[0])
    assert torch.equal(labels, expected[1])


def test_it_can_be_split_at_random():
    first, second = random_split(made(), [50, 14])
    assert (len(first), len(second)) == (50, 14)
    assert first[[0, 1]][0].shape == (2, 1, 6, 5)


# --- subclasses ------------------------------------------------------------------------


class Inverted(AugmentedDataset):
    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return 255 - image, label


class Doubled(Inverted):
    """A subclass of a subclass, which asks for whole batches itself."""

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image, label, index


class Batched(AugmentedDataset):
    def __getitem__(self, index):
        raise AssertionError("batches are asked for")

    def __getitems__(self, indices):
        return [(0, 0) for _ in indices]


class Numbering:
    def __getitem__(self, index):
        return index


class Numbered(Numbering, AugmentedDataset):
    pass


class Plain(AugmentedDataset):
    pass


def test_a_loader_asks_a_subclass_for_its_items():
    data, plain = made(cls=Inverted), made()
    images, labels = next(iter(DataLoader(data, batch_size=9)))
    assert torch.equal(images, 255 - plain[:9][0])
    assert torch.equal(labels, plain[:9][1])
    assert torch.equal(next(iter(DataLoader(Subset(data, [4]), batch_size=1)))[0][0], 255 - plain[4][0])


def test_a_loader_asks_a_subclass_of_a_subclass():
    *_, numbers = next(iter(DataLoader(made(cls=Doubled), batch_size=5)))
    assert numbers.tolist() == [0, 1, 2, 3, 4]


def test_a_loader_asks_what_is_mixed_in():
    assert next(iter(DataLoader(made(cls=Numbered), batch_size=5))).tolist() == [0, 1, 2, 3, 4]


def test_a_subclass_may_hand_out_batches_itself():
    assert next(iter(DataLoader(made(cls=Batched), batch_size=5)))[0].tolist() == [0] * 5


def test_a_subclass_without_items_of_its_own_is_asked_for_batches():
    assert Plain.__getitems__ is AugmentedDataset.__getitems__
    assert torch.equal(made(cls=Plain)[:5][0], made()[:5][0])


class BatchedPictures(Dataset):
    """A Dataset that hands out batches, such as ``Subset``."""

    def __init__(self):
        self.whole = Pictures(kind="uint8")
        self.targets = self.whole.targets

    def __len__(self):
        return len(self.whole)

    def __getitem__(self, index):
        return self.whole[index]

    def __getitems__(self, indices):
        return [self.whole[index] for index in indices]


class Darkened(BatchedPictures):
    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image // 2, label


def test_a_wrapped_subclass_is_asked_for_its_items():
    data, plain = made(dataset=Darkened(), p=0.0), made(dataset=BatchedPictures(), p=0.0)
    assert torch.equal(data[:9][0], plain[:9][0] // 2)


class Forgetful(BatchedPictures):
    def __getitems__(self, indices):
        return super().__getitems__(indices)[:-1]


def test_a_dataset_that_returns_too_few_items_is_refused():
    with pytest.raises(
        InputError, match="__getitems__ of the Dataset Forgetful returned 15 items for 16 numbers"
    ):
        made(dataset=Forgetful())


# --- the caller's torch ----------------------------------------------------------------


def test_it_can_be_made_under_inference_mode():
    with torch.inference_mode():
        data = made()
    data.set_epoch(1)
    expected = made(epoch=1)
    assert torch.equal(data[:][0], expected[:][0])


def test_the_default_device_and_dtype_change_nothing():
    class Tagged(Pictures):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return tv_tensors.Image(image, device="cpu"), torch.tensor([label], device="cpu")

    expected = made(dataset=Tagged(kind="floats"))
    torch.set_default_device("meta")
    torch.set_default_dtype(torch.float64)
    try:
        data = made(dataset=Tagged(kind="floats"))
        found = [data[i] for i in range(64)]
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    for i, (image, label) in enumerate(found):
        assert type(image) is tv_tensors.Image
        assert torch.equal(image, expected[i][0])
        assert torch.equal(label, expected[i][1])
