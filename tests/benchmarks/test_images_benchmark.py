"""The machinery of the image benchmark, on made images; neither its generators nor its data are needed."""

import argparse
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Import benchmark files as their scripts do, with a cache of their own."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("VAEAUG_BENCHMARK_CACHE", str(tmp_path / "cache"))
    return importlib.import_module


@pytest.fixture
def digits(load):
    """Ten classes of 12 × 12 images: a bright square at a place of its own."""
    rng = np.random.default_rng(0)

    def make(rows):
        y = np.arange(rows) % 10
        images = rng.integers(0, 90, (rows, 12, 12))
        for k in range(10):
            images[y == k, 2 * (k // 4) : 2 * (k // 4) + 3, 3 * (k % 4) : 3 * (k % 4) + 3] += 150
        return images.astype(np.uint8), y

    return load("_image_sets").ImageSet("mnist", *make(900), *make(200), "made")


def options(tmp_path, **changes):
    plain = {
        "fast": True,
        "out": tmp_path / "images.jsonl",
        "threads": torch.get_num_threads(),
        "device": "cpu",
        "settings": {},
        "name": "vaeaug",
        "seeds": [0, 1],
        "sets": ["mnist"],
        "sample": 100,
        "timeout": 60.0,
        "peer_python": "python",
        "entrants": ["vaeaug", "pythae VAE"],
        "marks": [1.0, 2.0],
        "budgets": [5.0],
        "made_images": None,
        "peer_images": 100,
        "no_tstr": (),
        "methods": ("prior", "posterior", "interpolate"),
        "augment_settings": ["50 a class"],
        "arms": ["plain", "oversampling"],
        "vaeaug": ["posterior:0.5:cnn", "prior:0.3"],
        "part": "augmentation",
    }
    return argparse.Namespace(**plain | changes)


@pytest.fixture
def benchmark(load, digits, monkeypatch):
    """The benchmark with made data, and with real images as the output of every generator."""
    script = load("images")
    calls = []

    def run_worker(worker, job, **kwargs):
        calls.append(job)
        rows = np.arange(job["images"]) % len(digits.train)
        points = []
        for k, seconds in enumerate(job.get("marks", [1.0])):
            for method in job.get("samplers", job.get("methods")):
                path = Path(job["folder"]) / f"{method}-{k}.npz"
                np.savez(path, images=digits.train[rows], labels=digits.train_labels[rows])
                made = {"sampler": method, "seconds": seconds, "images_per_s": 9.0, "made": str(path)}
                last = {"last": k == 1} if "marks" in job else {}
                points.append(made | last)
        return {"points": points, "peak_mb": 1.0, "versions": {"torch": "2"}}

    monkeypatch.setattr(script, "load_images", lambda name: digits)
    monkeypatch.setattr(script, "run_worker", run_worker)
    script.calls = calls
    return script


class TestSets:
    def test_thinned_to_the_counts(self, load, digits):
        sets = load("_image_sets")
        counts = (40, 30, 20, 10, 8, 6, 5, 4, 3, 2)
        images, labels = sets.thin(digits, counts, seed=1)
        assert np.bincount(labels).tolist() == list(counts)
        assert not np.array_equal(labels, np.sort(labels))
        again = sets.thin(digits, counts, seed=1)
        np.testing.assert_array_equal(images, again[0])
        assert not np.array_equal(images, sets.thin(digits, counts, seed=2)[0])

    def test_too_few_images(self, load, digits):
        with pytest.raises(SystemExit, match="has 90 images of class 0"):
            load("_image_sets").thin(digits, (91,), seed=0)

    def test_a_set_that_is_nowhere(self, load, monkeypatch):
        monkeypatch.delenv("VAEAUG_DATA", raising=False)
        with pytest.raises(SystemExit, match="needs VAEAUG_DATA"):
            load("_image_sets").load_images("pneumoniamnist")


class TestArms:
    def test_every_simple_recipe_trains(self, load, digits):
        arms = load("_image_arms")
        for recipe in arms.SIMPLE.values():
            fitted = arms.run_arm(digits.train[:90], digits.train_labels[:90], recipe, seed=0, fast=True)
            assert fitted.predict_proba(digits.test).shape == (200, 10)

    def test_names_agree_with_the_report(self, load):
        assert tuple(load("_image_arms").SIMPLE) == load("_images_report").SIMPLE_NAMES

    def test_copies_make_classes_equal(self, load):
        labels = np.repeat([0, 1, 2], [9, 4, 1])
        rows = load("_image_arms")._filled(labels, np.random.default_rng(0))
        assert np.bincount(labels[rows]).tolist() == [9, 9, 9]
        assert np.bincount(rows[labels[rows] == 1], minlength=13)[9:13].min() == 2

    @pytest.mark.parametrize(
        ("counts", "share", "balance", "made", "real"),
        [
            # Filled up to the largest class, at most half of it made.
            ((100, 60, 10), 0.5, "copies", [0, 40, 50], [100, 60, 50]),
            ((100, 60, 10), 0.5, "none", [0, 40, 50], [100, 60, 10]),
            # Equal classes: a share of ¾ means three made images to a real one.
            ((20, 20), 0.75, "copies", [60, 60], [20, 20]),
        ],
    )
    def test_made_images_fill_the_classes(self, load, counts, share, balance, made, real):
        arms = load("_image_arms")
        labels = np.repeat(np.arange(len(counts)), counts)
        images = np.zeros((len(labels), 8, 8), dtype=np.uint8)
        pool_labels = np.repeat(np.arange(len(counts)), 100)
        pool = np.ones((len(pool_labels), 8, 8), dtype=np.uint8)
        mixed, names = arms._mixed(
            images,
            labels,
            pool,
            pool_labels,
            arms.Synthetic("prior", share, ""),
            balance,
            np.random.default_rng(0),
        )
        is_made = mixed[:, 0, 0] == 1
        assert np.bincount(names[is_made], minlength=len(counts)).tolist() == made
        assert np.bincount(names[~is_made]).tolist() == real

    def test_the_guard_stops_wrong_labels(self, load, digits, monkeypatch):
        arms = load("_image_arms")
        monkeypatch.setattr(arms, "FAST_BUDGET", {"width": 8, "max_steps": 120, "batch_size": 64})
        wrong = (digits.train_labels[:200] + (np.arange(200) < 100)) % 10
        kept = arms.safe(digits.train, digits.train_labels, (digits.test, wrong), "cnn", seed=0, fast=True)
        assert kept[:100].mean() < 0.1
        assert kept[100:].mean() > 0.9

    def test_mixup_keeps_the_mass_of_labels(self, load):
        torch.manual_seed(0)
        x, t = load("_image_arms")._mixup(torch.rand(16, 1, 4, 4), torch.eye(16)[:, :10])
        assert x.shape == (16, 1, 4, 4)
        assert (t >= 0).all()
        assert (t.sum(dim=1) <= 1 + 1e-6).all()

    def test_specifications(self, load):
        made = load("_image_arms").Synthetic
        assert made.parse("prior:0.3") == made("prior", 0.3, "")
        assert made.parse("posterior+residual:1:filter") == made("posterior+residual", 1.0, "filter")
        assert made.parse("posterior+residual@3:0.5") == made("posterior+residual@3", 0.5, "")
        with pytest.raises(SystemExit, match="unknown guard"):
            made.parse("prior:0.3:dog")
        with pytest.raises(SystemExit, match="unknown way to sample"):
            made.parse("dog:0.3")


class TestJudge:
    def test_trained_once_and_kept(self, load, digits, monkeypatch):
        module = load("_image_judge")
        first = module.Judge(digits, 100, fast=True)
        monkeypatch.setattr(module, "save_file", None)  # a second training would fail
        again = module.Judge(digits, 100, fast=True)
        np.testing.assert_allclose(first.test_features, again.test_features, rtol=1e-5, atol=1e-6)
        assert first.reference().keys() == {
            "frechet",
            "precision",
            "recall",
            "density",
            "coverage",
            "accuracy",
        }

    def test_copies_are_seen(self, load, digits):
        judge = load("_image_judge").Judge(digits, 100, fast=True)
        copied = judge.likeness(digits.train[:100], copying=True)
        assert copied["copying"] == copied["copying_pixels"] == 1.0
        assert judge.likeness(digits.test, copying=True)["copying_pixels"] == pytest.approx(0.01)

    def test_labels_come_from_the_judge_where_there_are_none(self, load, digits):
        scores = load("_image_judge").Judge(digits, 100, fast=True).train_synthetic(digits.train[:150], None)
        assert scores["tstr_images"] == 150
        assert 0 <= scores["tstr"] <= 1


class TestRuns:
    def test_augmentation_is_resumed_and_rendered(self, benchmark, load, tmp_path, capsys):
        benchmark._augmentation(options(tmp_path))
        records = benchmark.read_lines(tmp_path / "images.jsonl")
        assert len(records) == 2 * 4
        assert {job["seed"] for job in benchmark.calls} == {0, 1}  # one fit serves all ways to sample
        assert all(len(record["recalls"]) == 10 for record in records)
        capsys.readouterr()
        benchmark._augmentation(options(tmp_path))
        assert capsys.readouterr().out == ""
        text = load("_images_report").render(records)
        assert "*best simple*" in text
        assert "vaeaug posterior:0.5:cnn" in text

    def test_quality_is_resumed_and_rendered(self, benchmark, load, tmp_path, capsys):
        benchmark._quality(options(tmp_path, seeds=[0]))
        records = benchmark.read_lines(tmp_path / "images.jsonl")
        entrants = ["held-out images", "vaeaug", "vaeaug (5 s)", "pythae VAE"]
        assert [record["entrant"] for record in records] == entrants
        assert [("tstr" in point) for point in records[3]["points"]] == [False, False, True, True]
        assert all(point["copying"] == 1.0 for point in records[1]["points"])
        capsys.readouterr()
        benchmark._quality(options(tmp_path, seeds=[0]))
        assert capsys.readouterr().out == ""
        text = load("_images_report").render(records)
        assert "| vaeaug, prior |" in text
        assert "| pythae VAE, gmm |" in text
        assert "Smoke test" in text

    def test_failures_are_kept_shown_and_tried_again(self, benchmark, load, tmp_path, monkeypatch):
        monkeypatch.setattr(benchmark, "run_worker", lambda *args, **kwargs: {"error": "out of luck"})
        few = options(tmp_path, seeds=[0], entrants=["pythae VAE"])
        benchmark._quality(few)
        records = benchmark.read_lines(few.out)
        assert "out of luck" in load("_images_report").render(records)
        cell = {name: records[-1].get(name) for name in ("part", "set", "entrant", "seed")}
        assert benchmark._missing(few, cell)


class TestReport:
    def test_paired_intervals(self, load):
        paired = load("_images_report").paired
        mean, low, high = paired({0: 0.3, 1: 0.5, 2: 0.7, 9: 1.0}, {0: 0.2, 1: 0.3, 2: 0.4})
        # Differences .1, .2, .3: mean .2, deviation .1, t(2) = 4.303.
        assert mean == pytest.approx(0.2)
        assert high - mean == pytest.approx(4.303 * 0.1 / 3**0.5)
        assert mean - low == pytest.approx(high - mean)
        assert paired({0: 1.0}, {0: 1.0}) is None

    def test_time_to_the_peers_best_is_not_extrapolated(self, load):
        report = load("_images_report")
        peer = [(60.0, 90.0), (600.0, 40.0), (1200.0, 50.0)]
        mine = [(15.0, 60.0), (30.0, 38.0), (2000.0, 5.0)]
        records = [
            {
                "entrant": "pythae VAE",
                "points": [{"sampler": "gmm", "seconds": s, "frechet": d} for s, d in peer],
            },
            {
                "entrant": "vaeaug",
                "points": [{"sampler": "prior", "seconds": s, "frechet": d} for s, d in mine],
            },
        ]
        text = report._times(records)
        assert "30 s: 1/20.0 of the time" in text
        assert f"{38 / 40:.2f} |" in text  # what took 2,000 s does not count at equal time

    def test_a_crowded_machine_is_told(self, load):
        record = {"part": "quality", "set": "mnist", "entrant": "x", "seed": 0, "fast": False, "threads": 1}
        record |= {"device": "cpu", "measured": "today", "judge": {}, "error": "out of luck"}
        facts = {"cpu": "c", "cores": 2, "memory_gb": 8, "gpu": None, "python": "3"}
        told = {
            load_average: "crowded"
            in load("_images_report").render([record | {"machine": facts | {"load_average": load_average}}])
            for load_average in (1.0, 6.0)
        }
        assert told == {1.0: False, 6.0: True}

    def test_the_choice_of_the_defaults_is_shown(self, load):
        record = {
            "part": "choice",
            "set": "mnist",
            "entrant": "gaussian",
            "seed": 0,
            "tstr": 0.5,
            "fast": False,
        }
        record |= {"device": "cpu", "threads": 1, "measured": "today", "judge": {}}
        record["machine"] = {"cpu": "c", "cores": 2, "memory_gb": 8, "gpu": None, "python": "3"}
        assert "| mnist: gaussian | – | – | – | – | 50.00 | – |" in load("_images_report").render([record])

    def test_the_readme_has_the_markers(self, load):
        assert load("_common").README.read_text().count("<!-- images:begin -->") == 1

    def test_committed_results_render(self, load):
        path = FOLDER / "results" / "images.jsonl"
        assert "quality" in load("_images_report").render(
            [json.loads(x) for x in path.read_text().splitlines()]
        )
