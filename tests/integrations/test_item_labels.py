"""Labels of AugmentedDataset: items win over lists, any form of one class, and clear refusals."""

import numpy as np
import pytest
import torch
from made_augmenter import MadeAugmenter, Pictures, same
from made_images import Pairs, blobs, fast
from torch.utils.data import Dataset, Subset, TensorDataset

from vaeaug import AugmentedDataset, BatchAugment, VAEAugmenter
from vaeaug.errors import InputError, UnknownLabelError


def augmented(dataset, augmenter=None, **options):
    return AugmentedDataset(dataset, augmenter or MadeAugmenter(), **({"random_state": 0} | options))


class Remapped(Pictures):
    """Lists classes 0, 1, 2 and hands out what ``mapping`` makes of them."""

    def __init__(self, mapping):
        super().__init__(kind="uint8")
        self.mapping = mapping

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image, self.mapping.get(label, label)


@pytest.mark.parametrize("mapping", [{0: 1, 1: 0}, {2: 1}, {0: 0.0, 1: 1.0, 2: 0.0}])
@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: Subset(d, range(64))])
def test_labels_of_items_win_over_a_list(mapping, wrap):
    dataset = Remapped(mapping)
    data = augmented(wrap(dataset), p=1.0)
    expected = [mapping.get(label, label) for label in dataset.targets]
    assert [data[i][1] for i in range(64)] == expected
    assert data.provenance_table()["label"].tolist() == expected


def test_a_rare_class_is_looked_at():
    class Rare(Remapped):
        def __init__(self):
            super().__init__({2: 1})
            self.targets = self.labels_ = np.where(np.arange(64) == 1, 2, 0)

    assert augmented(Rare()).classes.tolist() == [0, 1]


def test_a_list_that_turns_out_wrong_is_an_error():
    dataset = Remapped({})
    data = augmented(dataset, p=0.0)
    dataset.mapping = {0: 2}
    message = "item 1 carries the label 2, but the dataset's list of labels says 0. Pass labels="
    with pytest.raises(InputError, match=message):
        data[1]


def test_labels_that_change_are_an_error():
    dataset = Remapped({})
    del dataset.targets
    data = augmented(dataset, p=0.0)
    dataset.mapping = {0: 1}
    with pytest.raises(
        InputError, match="item 3 carries the label 1, but the item when it was read first says 0"
    ):
        data[3]


def test_given_labels_must_be_those_of_the_items():
    dataset = Pictures(kind="uint8", listed=False)
    wrong = np.where(dataset.labels_ == 2, 1, dataset.labels_)
    with pytest.raises(InputError, match=r"item 6\d carries the label 2, but labels= says 1"):
        augmented(dataset, labels=wrong)


def test_a_list_that_raises_is_no_list():
    class Secretive(Pictures):
        @property
        def targets(self):
            raise RuntimeError("download the labels first")

    assert augmented(Secretive(kind="uint8", listed=False)).classes.tolist() == [0, 1, 2]


FORMS = {
    "int": int,
    "numpy": np.int16,
    "array of shape ()": np.array,
    "array of shape (1,)": lambda label: np.array([label], dtype=np.uint8),
    "tensor of shape ()": torch.tensor,
    "tensor of shape (1,)": lambda label: torch.tensor([label], dtype=torch.int32),
    "float": float,
    "float tensor": lambda label: torch.tensor(float(label)),
    "float tensor of shape (1,)": lambda label: torch.tensor([float(label)]),
    "numpy float": np.float32,
    "bool": lambda label: bool(label),
    "list": lambda label: [label],
}


class Formed(Dataset):
    def __init__(self, form, **lists):
        self.images, self.plain = blobs(20)
        self.form = form
        self.__dict__.update(lists)

    def __len__(self):
        return 20

    def __getitem__(self, i):
        return self.images[i], self.form(int(self.plain[i]))


@pytest.fixture(scope="module")
def augmenter():
    return fast().fit(*blobs(20))


@pytest.mark.parametrize("form", list(FORMS))
def test_new_items_carry_labels_in_the_form_of_the_real_ones(augmenter, form):
    dataset = Formed(FORMS[form])
    data = augmented(dataset, augmenter, p=0.5)
    for i in range(20):
        label, real = data[i][1], dataset[i][1]
        assert type(label) is type(real)
        assert label == real
        assert getattr(label, "shape", ()) == getattr(real, "shape", ())
        assert getattr(label, "dtype", 0) == getattr(real, "dtype", 0)


def test_labels_that_can_be_changed_are_not_shared(augmenter):
    data = augmented(Formed(FORMS["array of shape (1,)"]), augmenter, p=1.0)
    data[0][1][0] = 77
    assert [int(label[0]) for _, label in data] == data.dataset.plain.tolist()


@pytest.mark.parametrize(
    "give", [lambda y: y, lambda y: y.reshape(-1, 1), list, lambda y: [np.array([v]) for v in y]]
)
def test_labels_may_be_given_in_any_form(augmenter, give):
    dataset = Formed(FORMS["array of shape (1,)"])
    assert augmented(dataset, augmenter, labels=give(dataset.plain)).classes.tolist() == [0, 1]


def test_long_texts_are_not_cut():
    names = np.array(["a", "bb", "a much longer name"])
    images, y = blobs(30, classes=3)
    augmenter = fast().fit(images, names[y])
    data = augmented(Pairs(images, [np.str_(names[label]) for label in y]), augmenter, p=1.0)
    assert {str(label) for _, label in data} == set(names)


BAD = {
    "texts among numbers": (["a", 1] * 10, "mix texts and numbers: item 0 has 'a', item 1 has 1"),
    "none": ([None, 1] * 10, r"item 0 has no label \(None\)"),
    "none later": ([0] * 10 + [None] * 10, r"has no label"),
    "NaN": ([float("nan")] * 20, "is NaN"),
    "a quantity": ([0.37, 1.0] * 10, "must be one class.*got 0.37"),
    "a quantity as tensors": (list(torch.tensor([0.37, 1.0] * 10)), "must be one class"),
    "several": (np.zeros((20, 3)), r"must be one class.*shape \(3,\)"),
    "boxes": ([{"boxes": 1}] * 20, "must be one class.*dict"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_labels_that_are_no_classes_are_refused(augmenter, case):
    labels, message = BAD[case]
    with pytest.raises(InputError, match=message):
        augmented(Pairs(blobs(20)[0], labels), augmenter)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"each of the 64 items; got shape \(2,\)"),
        (np.zeros((64, 2)), r"got shape \(64, 2\)"),
        (["a"] * 63 + [1], "mix texts and numbers"),
        ([None] * 64, "no label|carries"),
        (3, r"got shape \(\)"),
    ],
)
def test_given_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        augmented(Pictures(kind="uint8"), labels=labels)


# --- what is no Dataset of pairs -------------------------------------------------------


class Lengthless(Dataset):
    def __getitem__(self, index):
        return torch.zeros(1, 6, 5, dtype=torch.uint8), 0


class Silent(Lengthless):
    def __len__(self):
        raise NotImplementedError


@pytest.mark.parametrize("dataset", [Lengthless(), Silent(), iter([]), 7, None, {1, 2}])
def test_what_has_no_numbered_items_is_refused(dataset):
    with pytest.raises(InputError, match="dataset must be map-style.*BatchAugment"):
        augmented(dataset)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ([], "no items"),
        ({"a": 1}, "item 0 cannot be read.*KeyError"),
        ("text", "must be a pair"),
        ([(torch.zeros(1, 6, 5), 0, 0)], "must be a pair.*length 3"),
        ([{"image": 1}], "must be a pair.*got a dict"),
        ([(3, 0)], "must be a PIL image, a torch tensor or a numpy array; got int"),
        ([("file.png", 0)], "got str"),
        ([(torch.tensor(3), 0)], "got a single number"),
        ([(torch.zeros(0, 6, 5), 0)], r"got one of shape \(0, 6, 5\)"),
        ([(np.array([["a"]]), 0)], "got dtype <U1"),
        ([(torch.zeros(1, 6, 5, dtype=torch.complex64), 0)], "got dtype complex64"),
        ([(torch.zeros(1, 6, 5, device="meta"), 0)], "on meta cannot be read"),
        ([(torch.zeros(1, 6, 5).to_sparse(), 0)], "cannot be read"),
    ],
)
def test_items_that_are_no_pairs_of_images_and_labels_are_refused(dataset, message):
    with pytest.raises(InputError, match=message):
        augmented(dataset)


def test_a_list_of_pairs_is_a_dataset():
    dataset = Pictures(kind="uint8")
    data = augmented([dataset[i] for i in range(64)])
    assert all(same(data[i], item) for i, item in enumerate(augmented(dataset)))


@pytest.mark.parametrize("augmenter", ["model.safetensors", None, MadeAugmenter])
def test_what_is_no_augmenter_is_refused(augmenter):
    if augmenter is MadeAugmenter:
        augmenter = object()
    with pytest.raises(InputError, match="augmenter must be a fitted VAEAugmenter.*vaeaug.load"):
        AugmentedDataset(TensorDataset(torch.zeros(4, 1, 6, 5), torch.zeros(4)), augmenter)


def fit_on(kind, labels):
    images, y = blobs(60, classes=3)
    if kind == "images":
        return fast().fit(images, labels[y]), torch.from_numpy(images)[:, None], torch.from_numpy(y)
    rows = images.reshape(60, -1)[:, :6].astype(np.float32)
    table = VAEAugmenter(max_iter=1, random_state=0).fit(rows, labels[y])
    return table, torch.from_numpy(rows), torch.from_numpy(y)


@pytest.mark.parametrize("kind", ["images", "table"])
@pytest.mark.parametrize(("first", "step"), [(0, 1), (1, -1)])
def test_classes_numbered_from_another_number_on_are_refused(kind, first, step):
    augmenter, images, y = fit_on(kind, np.arange(3) + first)
    shifted = y + first + step
    words = {1: "All are one more than a label of fit.*labels - 1", -1: r"All are one less .*labels \+ 1"}[
        step
    ]
    with pytest.raises(UnknownLabelError, match=f"(?s)BatchAugment: .*allowed are {first}, .*{words}"):
        BatchAugment(augmenter, p=0.1, random_state=0)(images, shifted)
    # The class that fit does not know is the largest, and gets no new items.
    kept = torch.cat([torch.arange(60), (shifted == first + (3 if step > 0 else -1)).nonzero()[:, 0]])
    with pytest.raises(UnknownLabelError, match=f"AugmentedDataset: .*fitted on {first}, .*{words}"):
        AugmentedDataset(TensorDataset(images[kept], shifted[kept]), augmenter, p=0, balance=True)


def test_some_of_the_classes_of_fit_are_no_other_numbering():
    augmenter, images, y = fit_on("images", np.arange(3))
    kept = y > 0
    BatchAugment(augmenter, p=0.5, random_state=0)(images[kept], y[kept])
    AugmentedDataset(TensorDataset(images[kept], y[kept]), augmenter, random_state=0)
