"""AugmentedDataset: the same bytes however they are asked for, new ones each epoch, and what is refused."""

import pickle

import numpy as np
import pytest
import torch
from made_augmenter import AS, MadeAugmenter, Pictures, same
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, Subset, TensorDataset
from torchvision import tv_tensors

from vaeaug import AugmentedDataset, VAEAugmenter
from vaeaug.errors import InputError, UnknownLabelError, VaeaugWarning
from vaeaug.filtering import LabelFilter


def pictures(kind="uint8", augmenter=None, **options):
    options = {"p": 0.5, "random_state": 0} | options
    return AugmentedDataset(Pictures(kind=kind), augmenter or MadeAugmenter(), **options)


def listed(items):
    return items  # module level, so that spawned workers find it


def gathered(data, **options):
    """Return all items of the present epoch, by index, as a loader hands them out."""
    order = options.pop("order", list(range(len(data))))
    loader = DataLoader(data, sampler=order, collate_fn=listed, **options)
    found = [item for batch in loader for item in batch]
    return dict(zip(order, found, strict=True))


def alike(first, second):
    return first.keys() == second.keys() and all(same(first[i], second[i]) for i in first)


# --- the same bytes --------------------------------------------------------------------


# Four workers on a machine of two cores are slow, which does not matter here.
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 4])
def test_items_do_not_depend_on_the_number_of_workers(workers):
    alone, others = pictures(balance=True, epoch=2), pictures(balance=True, epoch=2)
    assert alike(gathered(alone, batch_size=7), gathered(others, batch_size=7, num_workers=workers))


@pytest.mark.parametrize("batch_size", [1, 13, 200])
def test_items_do_not_depend_on_the_batch_size(batch_size):
    assert alike(gathered(pictures(), batch_size=7), gathered(pictures(), batch_size=batch_size))


def test_items_do_not_depend_on_the_order():
    order = np.random.default_rng(0).permutation(64).tolist()
    assert alike(gathered(pictures()), gathered(pictures(), batch_size=5, order=order))


def test_one_item_is_the_item_of_the_batch():
    data = pictures()
    assert all(same(data[i], item) for i, item in gathered(data, batch_size=9).items())


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_an_epoch_is_the_same_after_a_resume(method):
    whole = pictures(method=method)
    for epoch in range(4):
        whole.set_epoch(epoch)
    assert alike(gathered(whole), gathered(pictures(method=method, epoch=3)))


def test_going_back_gives_the_old_epoch():
    data = pictures()
    before = gathered(data)
    data.set_epoch(5)
    data.set_epoch(0)
    assert alike(before, gathered(data))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a single core
def test_running_workers_see_the_new_epoch():
    data, alone = pictures(), pictures()
    loader = DataLoader(data, batch_size=16, num_workers=2, persistent_workers=True, collate_fn=listed)
    for epoch in (0, 1):
        data.set_epoch(epoch)
        alone.set_epoch(epoch)
        found = [item for batch in loader for item in batch]
        assert alike(dict(enumerate(found)), gathered(alone))


def test_no_model_travels_to_a_spawned_worker(monkeypatch):
    data = pictures()
    monkeypatch.setattr("vaeaug.integrations.torch.get_spawning_popen", lambda: "starting")
    sent = pickle.loads(pickle.dumps(data))
    assert sent._pool is None
    assert alike(gathered(data), gathered(sent))
    with pytest.raises(InputError, match="set_epoch must be called in the process"):
        sent.set_epoch(1)


@pytest.mark.slow
def test_spawned_workers_get_the_pool_and_no_model():
    data = pictures(kind="bytes", transform=np.asarray)
    data.set_epoch(0)
    found = gathered(data, batch_size=32, num_workers=1, multiprocessing_context="spawn")
    assert alike(found, gathered(data))


def test_a_pickled_dataset_goes_on():
    data = pictures(method="posterior")
    again = pickle.loads(pickle.dumps(data))
    for one in (data, again):
        one.set_epoch(7)
    assert alike(gathered(data), gathered(again, num_workers=1))


def test_the_seed_decides():
    assert not alike(gathered(pictures()), gathered(pictures(random_state=1)))
    fresh = pictures(random_state=None)
    assert alike(gathered(fresh), gathered(pictures(random_state=fresh.seed)))


def test_global_streams_are_left_alone():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    data = pictures(random_state=None)
    data.set_epoch(1)
    data.__getitems__(range(64))
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002


# --- no repetition ---------------------------------------------------------------------


def synthetic_bytes(data):
    table = data.provenance_table()
    return [np.asarray(data[i][0]).tobytes() for i in np.flatnonzero(table["synthetic"])]


@pytest.mark.parametrize("method", ["prior", "posterior"])
def test_no_synthetic_item_comes_twice(method):
    data, seen = pictures(balance=True, method=method), []
    for epoch in range(5):
        data.set_epoch(epoch)
        seen += synthetic_bytes(data)
    assert len(seen) > 200
    assert len(set(seen)) == len(seen)


def test_other_items_are_replaced_in_another_epoch():
    data = pictures()
    first = data.provenance_table(0)["synthetic"]
    assert (first != data.provenance_table(1)["synthetic"]).any()


def test_a_pool_may_serve_several_epochs():
    data = pictures(refresh_every=2)
    epochs = []
    for epoch in range(4):
        data.set_epoch(epoch)
        epochs.append(set(synthetic_bytes(data)))
    assert epochs[0] == epochs[1]
    assert epochs[2] == epochs[3]
    assert not epochs[1] & epochs[2]


def test_a_small_pool_is_shown_several_times():
    data = pictures(p=1.0, pool_size=8)
    found = synthetic_bytes(data)
    assert len(found) == 64
    assert len(set(found)) <= 8
    assert {data[i][1] for i in range(64)} == {0, 1, 2}


# --- shares and classes ----------------------------------------------------------------


def test_the_share_of_synthetic_items_is_p_in_every_class():
    data = pictures(p=0.25)
    shares = np.mean(
        [data.provenance_table(e).groupby("label")["synthetic"].mean() for e in range(20)], axis=0
    )
    assert shares == pytest.approx([0.25] * 3, abs=1e-12)


def test_a_share_that_is_not_whole_is_met_on_average():
    data = pictures(p=0.37)
    counts = [data.provenance_table(e).groupby("label")["synthetic"].sum() for e in range(60)]
    assert set(np.unique([c[2] for c in counts])) == {1, 2}
    # 0.48 of the epochs have a second one: within four standard errors.
    assert np.mean([c[2] for c in counts]) == pytest.approx(4 * 0.37, abs=4 * np.sqrt(0.25 / 60))


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_none_or_all(p):
    assert pictures(p=p).provenance_table()["synthetic"].eq(bool(p)).all()


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_balanced_classes_are_even(p):
    data = pictures(p=p, balance=True)
    labels = [label for _, label in gathered(data, batch_size=11).values()]
    assert np.bincount(labels).tolist() == [40, 40, 40]
    assert data.provenance_table()["synthetic"][64:].all()


def test_balance_takes_the_strategies_of_resampling():
    data = pictures(balance={2: 10})
    assert len(data) == 70
    assert [data[i][1] for i in range(64, 70)] == [2] * 6


def test_its_representation_says_what_an_epoch_holds():
    shown = "AugmentedDataset(real=64, added={1: 20, 2: 36}, p=0.5, method='prior', epoch=0)"
    assert repr(pictures(balance=True)) == shown
    assert "added={}, p=0.25" in repr(pictures(p=0.25))


@pytest.mark.parametrize("balance", [False, True])
def test_it_lists_the_labels_of_all_its_items(balance):
    data = pictures(balance=balance)
    assert data.targets.tolist() == [data[i][1] for i in range(len(data))]


def test_images_show_their_labels():
    data = pictures(balance=True)
    for image, label in gathered(data).values():
        assert abs(float(image[0, 1:].float().mean()) - (60 * label + 40)) < 8


def test_real_items_come_as_they_are():
    data, plain = pictures(), Pictures(kind="uint8")
    kept = np.flatnonzero(~data.provenance_table()["synthetic"])
    assert 0 < len(kept) < 64
    assert all(same(data[i], plain[i]) for i in kept)


def test_synthetic_items_are_not_read_from_the_dataset():
    data = pictures(p=1.0)
    data.dataset.read.clear()
    gathered(data)
    assert not data.dataset.read


def test_the_model_is_called_in_batches():
    augmenter = MadeAugmenter()
    data = pictures(augmenter=augmenter, balance=True)
    gathered(data)
    assert [rows for rows, _ in augmenter.asked] == [8, len(data._schedule.slot_groups)]


def test_a_batched_dataset_is_read_in_batches():
    data = AugmentedDataset(Pictures(batched=True, kind="uint8"), MadeAugmenter(), random_state=0)
    assert alike(gathered(data, batch_size=8), gathered(pictures(), batch_size=8))


# --- kinds of items --------------------------------------------------------------------

AUGMENTERS = {
    "bytes": {},
    "bytes, channel last": {"channels": 1},
    "bytes, channel first": {"channels": 1, "layout": "first"},
    "floats": {"dtype": "float32"},
    "float tensors, channel first": {
        "channels": 1,
        "layout": "first",
        "dtype": "float32",
        "container": "tensor",
    },
    "PIL": {"container": "pil"},
}


@pytest.mark.parametrize("method", ["prior", "posterior"])
@pytest.mark.parametrize("made", list(AUGMENTERS))
@pytest.mark.parametrize("kind", list(AS))
def test_synthetic_items_are_of_the_kind_of_the_real_ones(kind, made, method):
    data = pictures(kind, MadeAugmenter(**AUGMENTERS[made]), p=1.0, method=method)
    real, label = data.dataset[5]
    image, found = data[5]
    assert type(image) is type(real)
    assert type(found) is type(label)
    assert found == label
    a, b = np.asarray(image), np.asarray(real)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    assert abs(float(a.mean()) - 40 * (1 if b.dtype == np.uint8 else 1 / 255)) < 8


def test_bytes_become_the_floats_that_real_items_are():
    data, bytes_ = pictures("floats", p=1.0), pictures("uint8", p=1.0)
    for i in range(64):
        assert torch.equal(data[i][0], bytes_[i][0].float().div(255))


def test_the_pool_holds_bytes_where_items_were_bytes_once():
    assert pictures("floats")._images.dtype == torch.uint8
    assert pictures("array")._images.dtype == torch.uint8


def test_tensors_of_torchvision_stay_such():
    class Tagged(Pictures):
        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return tv_tensors.Image(image), torch.tensor(label)

    data = AugmentedDataset(Tagged(kind="uint8"), MadeAugmenter(), p=1.0, random_state=0)
    image, label = data[0]
    assert type(image) is tv_tensors.Image
    assert isinstance(label, torch.Tensor)
    assert label.dtype == torch.int64


def test_colours_change_their_place():
    rows = torch.arange(4 * 3 * 6 * 5).reshape(4, 3, 6, 5).to(torch.uint8)
    data = AugmentedDataset(
        TensorDataset(rows, torch.tensor([0, 0, 1, 1])), MadeAugmenter(channels=3), p=1.0, random_state=0
    )
    made = MadeAugmenter(channels=3).sample(4, y=[0, 0, 1, 1], random_state=data.provenance(0).seed)[0]
    position = data.provenance(0).position
    assert np.array_equal(data[0][0].numpy(), made[position].transpose(2, 0, 1))


def test_transform_meets_real_and_synthetic_items():
    data = pictures("pil", transform=lambda image: np.asarray(image).shape)
    assert {image for image, _ in gathered(data).values()} == {(6, 5)}


def test_rows_of_a_table(numbers):
    X, y = torch.from_numpy(numbers[0]).float(), torch.from_numpy(numbers[1])
    augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(X.numpy(), y.numpy())
    data = AugmentedDataset(TensorDataset(X, y), augmenter, balance=True, random_state=0)
    rows, labels = next(iter(DataLoader(data, batch_size=len(data))))
    assert rows.shape == (180, 3)
    assert rows.dtype == torch.float32
    assert torch.bincount(labels).tolist() == [90, 90]
    assert bool(torch.isfinite(rows).all())


# --- labels ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda d: Subset(d, list(range(0, 64, 2))),
        lambda d: ConcatDataset([d, d]),
        lambda d: Subset(ConcatDataset([d, d]), [0, 50, 64, 127]),
    ],
)
def test_labels_are_found_without_reading_items(wrap):
    inner = Pictures(kind="uint8")
    data = AugmentedDataset(wrap(inner), MadeAugmenter(), p=0.0)
    assert len(set(inner.read)) <= 17
    assert [data[i][1] for i in range(len(data))] == data._labels.values.tolist()


def test_unlisted_labels_are_read_from_the_items():
    data = AugmentedDataset(Pictures(listed=False), MadeAugmenter(), random_state=0)
    assert data.classes.tolist() == [0, 1, 2]


def test_labels_may_be_given():
    plain = Pictures(listed=False)
    data = AugmentedDataset(plain, MadeAugmenter(), labels=plain.labels_, random_state=0)
    assert len(set(plain.read)) <= 17
    assert len(data) == 64


# --- provenance ------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [0, 3])
def test_provenance_repeats_a_draw(epoch):
    data = pictures(epoch=epoch)
    index = int(np.flatnonzero(data.provenance_table()["synthetic"])[-1])
    found = data.provenance(index)
    labels = data.classes[data._schedule.slot_groups]
    made, _ = MadeAugmenter().sample(len(labels), y=labels, random_state=found.seed)
    assert np.array_equal(made[found.position], data[index][0][0].numpy())
    assert (found.source, found.label) == (-1, data[index][1])


def test_provenance_names_the_item_that_was_varied():
    data = pictures(method="posterior")
    table = data.provenance_table()
    for index in np.flatnonzero(table["synthetic"]):
        source = int(table["source"][index])
        assert data.dataset.labels_[source] == table["label"][index]
        # The real item's number is its first pixel, varied by at most 15.
        assert abs(int(data[index][0][0, 0, 0]) - source) <= 15


def test_sources_are_used_evenly():
    sources = pictures(method="posterior", p=1.0).provenance_table()["source"]
    assert sorted(sources) == list(range(64))


def test_provenance_of_another_epoch_is_that_epochs():
    data = pictures()
    ahead = data.provenance_table(4)
    data.set_epoch(4)
    assert ahead.equals(data.provenance_table())


def test_real_items_are_their_own_source():
    table = pictures().provenance_table()
    kept = table[~table["synthetic"]]
    assert (kept["source"] == kept.index).all()
    assert (kept["seed"] == -1).all()


# --- the filter ------------------------------------------------------------------------


class Muddled(MadeAugmenter):
    """Makes every third image of class 2 look like class 0."""

    def sample(self, n_samples=1, y=None, *, method="prior", temperature=1.0, random_state=None):
        _, y = super().sample(n_samples, y, random_state=random_state)
        shown = np.where((y == 2) & (np.arange(len(y)) % 3 == 0), 0, y)
        return super().sample(n_samples, shown, random_state=random_state)[0], y


def test_mislabelled_items_are_made_anew():
    data = pictures(
        "floats", Muddled(), balance=True, label_filter=LabelFilter(closeness=None, random_state=0)
    )
    for image, label in gathered(data).values():
        assert abs(float(image[0, 1:].mean()) * 255 - (60 * label + 40)) < 8
    assert data.dropped_["label"].tolist()[:2] == [0, 0]
    assert data.dropped_["label"][2] >= 12
    assert data.provenance_table(0).equals(data.provenance_table())


class Wrong(MadeAugmenter):
    """Makes images of class 0, whatever is asked for."""

    def sample(self, n_samples=1, y=None, **options):
        return super().sample(n_samples, np.zeros(n_samples, dtype=int), **options)[0], y


def test_where_nothing_passes_real_items_stand_in():
    data = pictures("uint8", Wrong(), balance=True, label_filter=LabelFilter(closeness=None, random_state=0))
    table = data.provenance_table()
    assert not table["synthetic"][table["label"] > 0].any()
    plain = Pictures(kind="uint8")
    for index in np.flatnonzero(table["label"] == 2):
        assert same(data[index], plain[table["source"][index]])


# --- refusals --------------------------------------------------------------------------


class Stream(IterableDataset):
    def __iter__(self):
        yield None


class Triples(Pictures):
    def __getitem__(self, index):
        return (*super().__getitem__(index), index)


class Growing(Pictures):
    def __getitem__(self, index):
        return torch.zeros(1, 6 + index % 2, 5), int(self.labels_[index])


class Normalised(Pictures):
    def __getitem__(self, index):
        return (AS["floats"](self.rows[index]) - 0.5) / 0.25, int(self.labels_[index])


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Stream(), "dataset must be map-style.*BatchAugment"),
        (Subset(Pictures(), []), "no items"),
        (Triples(kind="uint8"), r"pair \(image, label\); got a tuple of length 3"),
        (Growing(kind="uint8"), "all items must be alike.*one size"),
        (Normalised(kind="uint8"), r"not 0 to 1.*transform="),
        (TensorDataset(torch.zeros(4, 1, 9, 9), torch.tensor([0, 0, 1, 1])), r"shape \(6, 5\).*\(1, 9, 9\)"),
        (TensorDataset(torch.zeros(4, 1, 6, 5), torch.rand(4)), "must be one class"),
        (
            TensorDataset(torch.zeros(4, 1, 6, 5, dtype=torch.int64), torch.ones(4).long()),
            "of dtype bool, uint8",
        ),
    ],
)
def test_unusable_datasets_are_refused(dataset, message):
    with pytest.raises(InputError, match=message):
        AugmentedDataset(dataset, MadeAugmenter())


class Damaged(Pictures):
    broken = 11

    def __getitem__(self, index):
        if index == self.broken:
            raise OSError("truncated file")
        return super().__getitem__(index)


class DamagedBatches(Damaged):
    def __getitems__(self, indices):
        return [self[index] for index in indices]


def test_an_item_that_cannot_be_read_is_named():
    message = "AugmentedDataset: item 11 cannot be read: the Dataset Damaged raised OSError: truncated file"
    data = AugmentedDataset(Damaged(kind="uint8"), MadeAugmenter(), p=0.0)
    with pytest.raises(InputError, match=message):
        data[11]
    with pytest.raises(InputError, match=message):
        next(iter(DataLoader(data, batch_size=16)))
    with pytest.raises(InputError, match=message):  # labels that are not listed are read item by item
        AugmentedDataset(Damaged(kind="uint8", listed=False), MadeAugmenter())
    batched = AugmentedDataset(DamagedBatches(kind="uint8"), MadeAugmenter(), p=0.0)
    with pytest.raises(InputError, match=r"one of the items \[10, 11\] cannot be read.*truncated"):
        batched.__getitems__([10, 11])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 1.5}, "AugmentedDataset: p must be a number"),
        ({"method": "interpolate"}, "AugmentedDataset: method must be one of 'prior', 'posterior'"),
        ({"pool_size": 0}, "pool_size"),
        ({"refresh_every": 0.5}, "refresh_every"),
        ({"epoch": -1}, "epoch"),
        ({"labels": [0, 1]}, "one class label for each of the 64 items"),
        ({"balance": "most"}, "sampling_strategy"),
    ],
)
def test_unusable_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        pictures(**options)


def test_classes_that_the_augmenter_does_not_know_are_refused_with_a_next_step():
    four = Pictures(kind="uint8", counts=(10, 5, 5, 5))
    with pytest.raises(UnknownLabelError, match="AugmentedDataset: .*fit the augmenter on these classes"):
        AugmentedDataset(four, MadeAugmenter(), random_state=0)


def test_an_index_outside_is_refused():
    with pytest.raises(IndexError, match="64 items; got index 64"):
        pictures()[64]
    assert same(pictures()[-1], pictures()[63])


class Forked(MadeAugmenter):
    def sample(self, *args, random_state=None, **options):
        if random_state == 0:
            return super().sample(*args, random_state=random_state, **options)
        raise RuntimeError("Cannot re-initialize CUDA in forked subprocess. Use the 'spawn' start method")


def test_a_gpu_in_a_forked_process_is_explained():
    with pytest.raises(InputError, match='num_workers=0, or BatchAugment.*device="cpu"'):
        pictures(augmenter=Forked())


def test_an_epoch_beyond_int64_is_refused_and_changes_nothing():
    data = pictures()
    data.set_epoch(0)
    before = gathered(data)
    with pytest.raises(InputError, match="epoch must be an integer"):
        data.set_epoch(1 << 63)
    assert alike(before, gathered(data))


def test_workers_do_not_make_pools(monkeypatch):
    data = pictures()
    monkeypatch.setattr("vaeaug.integrations.torch.is_worker", lambda: True)
    with pytest.raises(InputError, match="set_epoch must be called in the process"):
        data.set_epoch(1)
    with pytest.raises(InputError, match="worker processes know no provenance"):
        data.provenance(0)


def test_a_pool_beyond_the_shared_memory_is_refused(monkeypatch):
    class Small:
        f_bavail = f_frsize = 1

    monkeypatch.setattr("vaeaug.integrations.shared_memory.os.path.isdir", lambda path: True)
    monkeypatch.setattr("vaeaug.integrations.shared_memory.os.statvfs", lambda path: Small)
    with pytest.raises(InputError, match="shared memory.*pool_size"):
        pictures()


# --- a forgotten set_epoch ---------------------------------------------------------------


def test_a_second_epoch_without_set_epoch_is_warned_of_once():
    data = pictures()
    gathered(data, batch_size=8)
    with pytest.warns(VaeaugWarning, match=r"set_epoch\(\) was never called") as found:
        gathered(data, batch_size=8)
    gathered(data, batch_size=8)
    assert [note.filename for note in found] == [__file__]


def test_a_second_epoch_with_set_epoch_is_not():
    data = pictures()
    for epoch in (0, 1):
        data.set_epoch(epoch)
        for _ in range(2):
            gathered(data, batch_size=8)


def test_worker_processes_count_what_they_showed():
    data = pictures()
    assert len(gathered(data, batch_size=8, num_workers=1)) == len(data)
    with pytest.warns(VaeaugWarning, match=r"set_epoch\(\) was never called"):
        gathered(data, batch_size=8)


def test_balance_says_which_classes_it_cannot_fill():
    with pytest.warns(VaeaugWarning, match="no items of the class 2, which the augmenter knows"):
        data = AugmentedDataset(Pictures(counts=(40, 20)), MadeAugmenter(), p=0, balance=True, random_state=0)
    assert np.bincount(data.targets).tolist() == [40, 40]


def test_an_augmenter_without_labels_is_refused():
    images = np.random.default_rng(0).integers(0, 255, (24, 6, 5)).astype(np.uint8)
    augmenter = VAEAugmenter(max_iter=1, latent_dim=2, random_state=0).fit(images)
    with pytest.raises(
        InputError, match="AugmentedDataset: the augmenter was fitted without labels.*Fit it with y"
    ):
        AugmentedDataset(Pictures(), augmenter)
