"""Labels of Datasets: what counts as one class, and which lists are believed."""

import numpy as np
import pytest
import torch
from made_images import Pairs, blobs, fast, pictures
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from vaeaug.data.labels.targets import list_labels, plain_label, probe_rows, stack_labels
from vaeaug.errors import InputError

X, Y = blobs(20)


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        (3, 3),
        ("cat", "cat"),
        (True, True),
        (2.0, 2.0),
        (np.int8(3), 3),
        (np.str_("cat"), "cat"),
        (np.array(3), 3),
        (np.array([3], dtype=np.uint8), 3),
        (np.array(["cat"]), "cat"),
        (torch.tensor(3), 3),
        (torch.tensor([3]), 3),
        (torch.tensor(1.0), 1.0),
        (torch.tensor(1.0, dtype=torch.bfloat16), 1.0),
        (torch.tensor(True), True),
        ([3], 3),
        (("cat",), "cat"),
        (None, None),
    ],
)
def test_labels_of_one_value_are_plain_values(label, plain):
    found = plain_label(label, "item 0")
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    ("label", "got"),
    [
        (np.array([0, 1]), r"shape \(2,\)"),
        (torch.zeros(3), r"shape \(3,\)"),
        (torch.zeros(1, 1), r"shape \(1, 1\)"),
        ([], "a list of 0"),
        ([1, 2], "a list of 2"),
        ({"boxes": 1}, "a dict of 1"),
        (float("nan"), "is NaN"),
        (np.array([np.nan]), "is NaN"),
        (torch.tensor(3, device="meta"), "cannot be read"),
    ],
)
def test_labels_of_several_values_are_refused(label, got):
    with pytest.raises(InputError, match=f"The label of item 0.*{got}"):
        plain_label(label, "item 0")


def test_stacked_labels_keep_their_kind():
    assert stack_labels([np.array([1]), 2, torch.tensor(0)], "list").dtype.kind == "i"
    assert stack_labels(["a", np.str_("bcd")], "list").tolist() == ["a", "bcd"]
    assert stack_labels([0, 1.5], "list").dtype.kind == "f"


@pytest.mark.parametrize("labels", [["a", 1], [1, "a"], [b"a", "a", 0]])
def test_texts_among_numbers_are_refused(labels):
    with pytest.raises(InputError, match="mix texts and numbers"):
        stack_labels(labels, "list")


@pytest.mark.parametrize(
    "labels",
    [
        Y.reshape(-1, 1),
        [np.array([y]) for y in Y],
        [torch.tensor(int(y)) for y in Y],
        [torch.tensor([int(y)]) for y in Y],
        [int(y) for y in Y],
    ],
)
def test_fit_takes_labels_of_items_in_any_form_of_one_value(labels):
    assert fast().fit(Pairs(pictures(X), labels)).classes_.tolist() == [0, 1]


@pytest.mark.parametrize("images", [X, pictures(X), list(torch.from_numpy(X))])
@pytest.mark.parametrize("make", [list, tuple])
def test_fit_takes_a_list_of_images_with_labels(images, make):
    augmenter = fast().fit(make(zip(images, Y.tolist(), strict=True)))
    assert augmenter.classes_.tolist() == [0, 1]
    assert augmenter.vary(list(zip(images, Y.tolist(), strict=True))[:3], random_state=0)[0].size


def test_labels_that_are_given_take_the_place_of_any_in_the_items():
    assert fast().fit(Pairs(pictures(X), np.zeros((20, 4))), Y).classes_.tolist() == [0, 1]


class Listing(Dataset):
    def __init__(self, **lists):
        self.__dict__.update(lists)

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return X[i], int(Y[i])


@pytest.mark.parametrize(
    ("dataset", "found"),
    [
        (Listing(targets=Y.tolist()), Y),
        (Listing(targets=torch.from_numpy(Y)), Y),
        (Listing(labels=Y.reshape(-1, 1)), Y),
        (Listing(targets=Y, target_transform=str), None),
        (Listing(targets=Y[:5]), None),
        (Listing(targets=[{"boxes": 1}] * 20), None),
        (Listing(targets=[[1], [1, 2]] * 10), None),
        (Listing(targets=[0, "a"] * 10), None),
        (Subset(Listing(targets=Y), [0, 1, 4]), Y[[0, 1, 4]]),
        (ConcatDataset([Listing(targets=Y), Listing(targets=Y)]), np.tile(Y, 2)),
        (ConcatDataset([Listing(targets=Y), Listing()]), None),
        (ConcatDataset([Listing(targets=Y), Listing(targets=list("ab") * 10)]), None),
        (TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), Y),
        (TensorDataset(torch.from_numpy(X)), None),
        (Listing(), None),
    ],
)
def test_lists_of_labels_are_found(dataset, found):
    labels = list_labels(dataset)
    assert (labels is None) == (found is None)
    assert found is None or labels.tolist() == found.tolist()


def test_every_class_is_probed():
    labels = np.zeros(1000, dtype=int)
    labels[[777, 778]] = 1, 2
    assert {0, 777, 778, 999} <= set(probe_rows(labels, 16).tolist())
    assert len(probe_rows(np.arange(5000), 16)) <= 16 + 64
