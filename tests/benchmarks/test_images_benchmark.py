"""The machinery of the image benchmark, on made images; neither its generators nor its data are needed."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import benchmark files as their scripts do."""
    monkeypatch.syspath_prepend(str(FOLDER))
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

    return load("_image_sets").ImageSet("mnist", *make(900), *make(200))


@pytest.fixture
def benchmark(load, digits, monkeypatch):
    """The benchmark with made data, and with real images as the output of every generator."""
    module = load("images")
    calls = []

    def run_worker(function, job, **kwargs):
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

    monkeypatch.setattr(module, "load_images", lambda name: digits)
    monkeypatch.setattr(load("_bench"), "run_worker", run_worker)
    module.calls = calls
    module.judge_of.cache_clear()
    return module


@pytest.fixture
def measure(benchmark, load, tmp_path):
    """Run the benchmark with options, and return its records."""

    def measure(*arguments):
        out = tmp_path / "images.jsonl"
        options = load("run").parse(benchmark, [*arguments, "--fast", "--threads", "1", "--out", str(out)])
        load("run").run(benchmark, options)
        return load("_bench").Records(out, benchmark.KEY).read()

    return measure


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
            load("_image_sets").load_images("elsewhere")


class TestStrategies:
    def test_every_baseline_trains(self, load, digits):
        module = load("_image_strategies")
        X, y = digits.train[:90], digits.train_labels[:90]
        for strategy in module.STRATEGIES:
            fitted = module.train_classifier(X, y, strategy, seed=0, fast=True)
            assert fitted.predict_proba(digits.test).shape == (200, 10)

    def test_names_agree_with_the_report(self, load):
        assert tuple(load("_image_strategies").STRATEGIES) == load("images").BASELINES

    def test_copies_make_classes_equal(self, load):
        labels = np.repeat([0, 1, 2], [9, 4, 1])
        none = (np.zeros(0), np.zeros(0), 0.0)
        rows, names = load("_image_strategies").fill(
            np.arange(14), labels, none, "copies", np.random.default_rng(0)
        )
        assert np.bincount(names).tolist() == [9, 9, 9]
        assert np.bincount(rows.astype(int)[names == 1], minlength=13)[9:13].min() == 2

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
        arms = load("_image_strategies")
        labels = np.repeat(np.arange(len(counts)), counts)
        images = np.zeros((len(labels), 8, 8), dtype=np.uint8)
        pool_labels = np.repeat(np.arange(len(counts)), 100)
        pool = np.ones((len(pool_labels), 8, 8), dtype=np.uint8)
        filled = arms.fill(images, labels, (pool, pool_labels, share), balance, np.random.default_rng(0))
        mixed, names = filled
        is_made = mixed[:, 0, 0] == 1
        assert np.bincount(names[is_made], minlength=len(counts)).tolist() == made
        assert np.bincount(names[~is_made]).tolist() == real

    def test_mixup_keeps_the_mass_of_labels(self, load):
        torch.manual_seed(0)
        x, t = load("_image_strategies")._mix_up(torch.rand(16, 1, 4, 4), torch.eye(16)[:, :10])
        assert x.shape == (16, 1, 4, 4)
        assert (t >= 0).all()
        assert (t.sum(dim=1) <= 1 + 1e-6).all()


class TestJudge:
    @pytest.fixture
    def judge(self, load, digits):
        module = load("_image_judge")
        return module.Judge(digits, 100, module.FAST, module.FAST)

    def test_copies_are_seen(self, judge, digits):
        copied = judge.measure_likeness(digits.train[:100], copying=True)
        assert copied["copying"] == copied["copying_pixels"] == 1.0
        assert judge.measure_likeness(digits.test, copying=True)["copying_pixels"] == pytest.approx(0.01)

    def test_labels_come_from_the_judge_where_there_are_none(self, judge, digits):
        scores = judge.train_synthetic(digits.train[:150], None)
        assert scores["tstr_images"] == 150
        assert 0 <= scores["tstr"] <= 1


class TestRuns:
    def test_augmentation_is_resumed_and_rendered(self, benchmark, measure, capsys):
        arguments = ["--seeds", "0", "1", "--only", "part=augmentation", "setting=50 a class"]
        records = measure(*arguments)
        assert len(records) == 2 * 7
        assert {job["seed"] for job in benchmark.calls} == {0, 1}
        assert all(len(record["recalls"]) == 10 for record in records)
        capsys.readouterr()
        measure(*arguments)
        assert capsys.readouterr().out == ""
        text = benchmark.render(records)
        assert "*best baseline*" in text
        assert "vaeaug posterior+residual:0.5" in text

    def test_quality_is_resumed_and_rendered(self, benchmark, measure, capsys):
        arguments = ["--only", "part=quality"]
        records = measure(*arguments)
        entrants = ["held-out images", "vaeaug", "vaeaug (5 s)", "pythae VAE", "pythae RAE-L2"]
        assert [record["entrant"] for record in records] == entrants
        assert [("tstr" in point) for point in records[3]["points"]] == [False, False, True, True]
        assert all(point["copying"] == 1.0 for point in records[1]["points"])
        capsys.readouterr()
        measure(*arguments)
        assert capsys.readouterr().out == ""
        text = benchmark.render(records)
        assert "| vaeaug, prior |" in text
        assert "| pythae VAE, gmm |" in text
        assert "Smoke test" in text

    def test_failures_are_kept_and_shown(self, benchmark, load, measure, monkeypatch):
        monkeypatch.setattr(load("_bench"), "run_worker", lambda *args, **kwargs: {"error": "out of luck"})
        records = measure("--only", "part=quality", "entrant=pythae VAE")
        assert "pythae VAE, 0: out of luck" in benchmark.render(records)


class TestReport:
    def test_time_to_the_peers_best_is_not_extrapolated(self, load):
        report = load("images")
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
        text = report._compare_times(records)
        assert "30 s: 1/20.0 of the time" in text
        assert f"{38 / 40:.2f} |" in text  # what took 2,000 s does not count at equal time

    def test_a_busy_machine_is_told(self, load):
        record = {"part": "quality", "set": "mnist", "entrant": "x", "seed": 0, "fast": False, "threads": 1}
        record |= {"device": "cpu", "measured": "today", "judge": {}, "error": "out of luck"}
        facts = {"cpu": "c", "cores": 2, "memory_gb": 8, "gpu": None, "python": "3"}
        told = {
            load_average: "Other programs"
            in load("images").render([record | {"machine": facts | {"load_average": load_average}}])
            for load_average in (1.0, 6.0)
        }
        assert told == {1.0: False, 6.0: True}
