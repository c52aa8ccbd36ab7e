"""The loader benchmark's own machinery, at a size that measures nothing."""

import importlib
from pathlib import Path

import pytest

from vaeaug import VAEAugmenter

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
JOB = {
    "seed": 0,
    "p": 0.5,
    "epochs": 1,
    "batch_size": 20,
    "workers": 0,
    "device": "cpu",
    "one_by_one_items": 3,
}


def load(name, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module(name)


@pytest.fixture
def bench(monkeypatch):
    return load("dataloader", monkeypatch)


@pytest.fixture
def worker(monkeypatch):
    return load("_loaders", monkeypatch)


def made_results():
    machine = {"cpu": "Some CPU", "cores": 2, "load_average": 0.1, "gpu": None, "python": "3.12.1"}
    run = {"measured": "2026-01-01", "machine": machine, "threads": 2, "versions": {"torch": "2.15.0"}}
    run |= {"items": 20_000, "size": 28, "batch_size": 128, "p": 0.5}
    epochs = {
        "plain": [10.0, 20.0],
        "AugmentedDataset": [10.3, 20.8],
        "AugmentedDataset(refresh_every=4)": [10.0, 20.4],
        "BatchAugment": [11.0, 22.0],
    }
    pools = {"AugmentedDataset": [0.5, 0.7], "AugmentedDataset(refresh_every=4)": [0.0, 0.4]}
    records = [
        {"what": "epoch", "workers": 0, "epoch_s": epochs, "pool_s": pools},
        {"what": "throughput", "workers": 2, "items_per_s": {"pool": 50_000.0, "one by one": 500.0}},
        {"what": "epoch", "workers": 2, "error": "out of luck"},
    ]
    return [run | record for record in records]


def test_renders_every_part(bench):
    text = bench.render(made_results())
    assert "Some CPU, 2 cores, 2 threads a process" in text
    assert "| AugmentedDataset, 0 workers | 15.55 ± 7.42 | 0.60 | +3.5 % |" in text
    assert "| AugmentedDataset(refresh_every=4), 0 workers | 15.20 ± 7.35 | 0.20 | +1.0 % |" in text
    assert "| BatchAugment, 0 workers | 16.50 ± 7.78 | – | +10.0 % |" in text
    assert "| 2 workers | 50,000 | 500 | 100 × |" in text
    assert "- epoch, 2: out of luck" in text


def test_pictures_are_of_the_size_asked_for(worker):
    images, labels = worker.draw_pictures(30, 28, 0)
    assert images.shape == (30, 28, 28)
    assert labels.shape == (30,)
    assert images.max() == 255


def test_everything_is_measured(worker):
    images, labels = worker.draw_pictures(60, 8, 0)
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(images, labels)
    found = worker.time_epochs(JOB, images, labels, augmenter)
    assert {name: len(times) for name, times in found["epoch_s"].items()} == {
        "plain": 1,
        "AugmentedDataset": 1,
        "AugmentedDataset(refresh_every=4)": 1,
        "BatchAugment": 1,
    }
    assert found["pool_s"].keys() == found["epoch_s"].keys()
    assert set(worker.time_throughput(JOB, images, labels, augmenter)["items_per_s"]) == {
        "pool",
        "one by one",
    }
