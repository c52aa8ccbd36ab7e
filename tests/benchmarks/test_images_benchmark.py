"""The machinery of the image benchmark, on made images; neither its generators nor its data are needed."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from vaeaug import VAEAugmenter

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
    module.fit_augmenter.cache_clear()
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
        rows = sets.thin(digits, counts, seed=1)
        labels = digits.train_labels[rows]
        assert np.bincount(labels).tolist() == list(counts)
        assert len(set(rows)) == len(rows)
        assert not np.array_equal(labels, np.sort(labels))
        np.testing.assert_array_equal(rows, sets.thin(digits, counts, seed=1))
        assert not np.array_equal(rows, sets.thin(digits, counts, seed=2))

    def test_held_out_images_come_from_the_training_images(self, load, digits):
        held = load("_image_sets").hold_out(digits)
        assert (len(held.train), len(held.test)) == (750, 150)
        np.testing.assert_array_equal(np.concatenate([held.train, held.test]), digits.train)
        np.testing.assert_array_equal(
            np.concatenate([held.train_labels, held.test_labels]), digits.train_labels
        )

    def test_too_few_images(self, load, digits):
        with pytest.raises(SystemExit, match="has 90 images of class 0"):
            load("_image_sets").thin(digits, (91,), seed=0)

    def test_a_set_that_is_nowhere(self, load, monkeypatch):
        monkeypatch.delenv("VAEAUG_DATA", raising=False)
        with pytest.raises(SystemExit, match="needs VAEAUG_DATA"):
            load("_image_sets").load_images("elsewhere")


class TestTransforms:
    @pytest.fixture
    def transforms(self, load):
        return load("_image_transforms")

    @pytest.fixture
    def batch(self):
        torch.manual_seed(0)
        return torch.rand(16, 1, 12, 12), torch.eye(16)[:, :10]

    def test_operations_are_those_of_torchvision(self, transforms):
        torch.manual_seed(0)
        image = torch.randint(256, (1, 28, 20), dtype=torch.uint8)
        one = v2.RandAugment(num_ops=1)
        theirs = {one(image).numpy().tobytes() for _ in range(400)}
        ours = {apply(image).numpy().tobytes() for apply in transforms.list_operations(28, 20)}
        assert ours == theirs

    def test_images_of_a_batch_are_changed_as_each_alone(self, transforms):
        torch.manual_seed(0)
        images = torch.randint(256, (56, 1, 28, 20), dtype=torch.uint8)
        drawn = torch.arange(28).repeat(2)
        operations = transforms.list_operations(28, 20)
        alone = [operations[k](x) for x, k in zip(images, drawn.tolist(), strict=True)]
        assert torch.equal(transforms.apply_operations(images, drawn), torch.stack(alone))

    @pytest.mark.parametrize("mix", ["mix_up", "cut_mix"])
    def test_mixing_keeps_the_mass_of_labels(self, transforms, batch, mix):
        x, t = getattr(transforms, mix)(batch[0], torch.eye(10)[torch.arange(16) % 10])
        assert x.shape == (16, 1, 12, 12)
        assert (t >= 0).all()
        torch.testing.assert_close(t.sum(dim=1), torch.ones(16))

    def test_cut_mix_has_the_share_of_its_area(self, transforms):
        torch.manual_seed(0)
        x = torch.arange(16.0)[:, None, None, None].expand(16, 1, 12, 12)
        mixed, t = transforms.cut_mix(x, torch.eye(16))
        own = (mixed == x).float().mean((1, 2, 3))
        torch.testing.assert_close(t.diagonal(), own)

    def test_shifts_move_by_two_pixels_at_most(self, transforms):
        torch.manual_seed(0)
        x = torch.zeros(64, 1, 12, 12)
        x[:, :, 5, 4] = 1
        places = torch.nonzero(transforms.shift(x, flip=False))[:, 2:]
        assert set(places[:, 0].tolist()) == {3, 4, 5, 6, 7}
        assert set(places[:, 1].tolist()) == {2, 3, 4, 5, 6}
        assert torch.nonzero(transforms.shift(x, flip=True))[:, 3].max() == 9

    def test_hard_draws_change_no_image_that_the_teacher_does_not_read(self, transforms, batch):
        x, t = batch
        never = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(144, 10))
        drawn = []
        change = lambda x, t: (drawn.append(len(x)), (x, t))[1]  # noqa: E731
        hard = transforms.HardDraws(lambda: never, change)
        torch.manual_seed(1)
        made, targets = hard(x, t)
        torch.manual_seed(1)
        torch.rand(16)
        assert torch.equal(made, transforms.rand_augment(x, t)[0])
        assert torch.equal(targets, t)
        assert drawn[0] % 4 == 0

    @pytest.mark.parametrize(("bias", "share"), [(0.0, 0.0), (50.0, 0.5)])
    def test_fix_match_learns_from_what_the_network_is_sure_of(self, transforms, batch, bias, share):
        x, t = torch.rand(16, 1, 12, 12), torch.eye(10)[torch.arange(16) % 10]
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(144, 10))
        torch.nn.init.zeros_(network[1].weight)
        with torch.no_grad():
            network[1].bias.copy_(bias * torch.eye(10)[3])
        match = transforms.FixMatch(lambda: network, torch.full((5, 12, 12), 255, dtype=torch.uint8), False)
        made, targets = match(x, t)
        assert made.shape == x.shape
        assert (made[4:] == 1).all()
        assert targets[:4].sum() / 16 == 0.5
        assert targets[4:, 3].sum() / 16 == targets[4:].sum() / 16 == pytest.approx(share)


class TestStrategies:
    @pytest.fixture
    def task(self, load, digits):
        common = {"test": digits.test, "flip": True, "seed": 0, "fast": True}
        X, y = digits.train[:90], digits.train_labels[:90]
        return load("_image_strategies").Task(X, y, digits.train[90:300], **common)

    @pytest.fixture
    def augmenter(self, digits):
        X, y = digits.train[:100], digits.train_labels[:100]
        return VAEAugmenter(max_iter=1, latent_dim=4, random_state=0).fit(X, y)

    def test_every_strategy_reads_the_test_images(self, load, task):
        module = load("_image_strategies")
        for strategy in module.STRATEGIES.values():
            labels = module.read_images(task, strategy)
            assert labels.shape == (200,)
            assert set(labels.tolist()) <= set(range(10))

    @pytest.mark.parametrize("way", ["pool", "new", "random", "hard"])
    @pytest.mark.parametrize("strategy", ["RandAugment + CutMix", "hard RandAugment", "FixMatch"])
    def test_variations_join_a_strategy(self, load, task, augmenter, way, strategy):
        module = load("_image_strategies")
        variation = module.Variation(augmenter, way, 2.0)
        assert module.read_images(task, module.STRATEGIES[strategy], variation).shape == (200,)

    def test_batches_are_varied_where_there_is_a_target(self, load, digits, augmenter):
        module = load("_image_strategies")
        vary = module.BatchVariation(module.Variation(augmenter, "random", 9.0), lambda: None, 0)
        x, t = (
            torch.from_numpy(digits.train[:40, None]).float() / 255,
            torch.eye(10)[digits.train_labels[:40]],
        )
        t[20:] = 0
        made, targets = vary(x, t)
        changed = (made != x).flatten(1).any(1)
        assert 0 < changed[:20].sum() < 20
        assert not changed[20:].any()
        assert torch.equal(targets, t)

    def test_the_report_knows_every_strategy(self, load):
        report, strategies = load("images"), load("_image_strategies").STRATEGIES
        for setting, names in report.BASELINES.items():
            assert {*names, *(entrant for entrant, _, _ in report.VARIATIONS[setting])} <= set(strategies)

    def test_copies_make_classes_equal(self, load):
        labels = np.repeat([0, 1, 2], [9, 4, 1])
        none = (np.zeros(0), np.zeros(0))
        rows, names = load("_image_strategies").fill(
            np.arange(14), labels, none, True, np.random.default_rng(0)
        )
        assert np.bincount(names).tolist() == [9, 9, 9]
        assert np.bincount(rows.astype(int)[names == 1], minlength=13)[9:13].min() == 2

    @pytest.mark.parametrize(
        ("counts", "balanced", "made", "real"),
        [
            # Filled up to the largest class, at most half of it made.
            ((100, 60, 10), True, [0, 40, 50], [100, 60, 50]),
            ((100, 60, 10), False, [0, 40, 50], [100, 60, 10]),
            # Equal classes: a share of ½ means a made image to a real one.
            ((20, 20), True, [20, 20], [20, 20]),
        ],
    )
    def test_made_images_fill_the_classes(self, load, counts, balanced, made, real):
        strategies = load("_image_strategies")
        labels = np.repeat(np.arange(len(counts)), counts)
        images = np.zeros((len(labels), 8, 8), dtype=np.uint8)
        pool_labels = np.repeat(np.arange(len(counts)), 100)
        pool = np.ones((len(pool_labels), 8, 8), dtype=np.uint8)
        filled = strategies.fill(images, labels, (pool, pool_labels), balanced, np.random.default_rng(0))
        mixed, names = filled
        is_made = mixed[:, 0, 0] == 1
        assert np.bincount(names[is_made], minlength=len(counts)).tolist() == made
        assert np.bincount(names[~is_made]).tolist() == real


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
        # The second setting shares baselines with the first.
        settings = ["setting=50 a class", "setting=50 a class, others unlabelled"]
        arguments = ["--only", "part=augmentation", *settings]
        records = measure(*arguments)
        assert not [record["error"] for record in records if "error" in record]
        assert {record["seed"] for record in records} == {0, 100}
        assert all(len(record["recalls"]) == 10 for record in records)
        capsys.readouterr()
        measure(*arguments)
        assert capsys.readouterr().out == ""
        text = benchmark.render(records)
        assert "Best baseline by held-out training images: " in text
        assert "+ vaeaug" in text

    def test_quality_is_resumed_and_rendered(self, benchmark, measure, capsys):
        arguments = ["--only", "part=quality"]
        records = measure(*arguments)
        entrants = [
            "held-out images",
            "vaeaug in 5 minutes",
            "vaeaug",
            "vaeaug (5 s)",
            "pythae VAE",
            "pythae RAE-L2",
        ]
        assert [record["entrant"] for record in records] == entrants
        assert [("tstr" in point) for point in records[4]["points"]] == [False, False, True, True]
        assert all(point["copying"] == 1.0 for record in records[1:3] for point in record["points"])
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

    def test_a_choice_is_made_by_held_out_training_images(self, load):
        report = load("images")
        cells = [{"entrant": name} for name in ("a", "b", "c")]
        scores = [
            ("a", 0, 0.9),
            ("a", 100, 0.5),
            ("b", 100, 0.7),
            ("a", 101, 0.5),
            ("b", 101, 0.6),
            ("c", 100, 0.8),
        ]
        records = [{"entrant": e, "seed": s, "balanced_accuracy": a, "fast": False} for e, s, a in scores]
        # The best one on test images is not chosen, nor one that was given up after the first seed.
        assert report.choose(records, cells, False) == {"entrant": "b"}
        assert report.choose([], cells, False) == {"entrant": "a"}
