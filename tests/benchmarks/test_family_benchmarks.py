"""The benchmarks of the family: made sprites, peers that do what they say, cells that are resumed."""

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
def images():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 10
    return (rng.integers(0, 30, (120, 28, 28)) + 22 * y[:, None, None]).astype(np.uint8), y


FEWER = {"shape": 3, "size": 3, "angle": 8, "column": 3, "row": 3}


class TestSprites:
    @pytest.fixture
    def drawn(self, load):
        return load("sprites").draw_sprites(16, FEWER)

    def test_every_combination_once(self, drawn):
        images, factors = drawn
        counts = tuple(FEWER.values())
        assert images.shape == (np.prod(counts), 16, 16)
        assert len(np.unique(factors, axis=0)) == len(factors)
        assert tuple(factors.max(0) + 1) == counts

    def test_every_combination_looks_its_own_way(self, drawn):
        flat = drawn[0].reshape(len(drawn[0]), -1)
        assert len(np.unique(flat, axis=0)) == len(flat)

    def test_factors_do_what_they_say(self, drawn):
        mass, factors = drawn[0].astype(float), drawn[1]
        total = mass.sum((1, 2))
        x, y = (mass.sum(axis) @ np.arange(16) / total for axis in (1, 2))
        for found, factor in ((total, "size"), (x, "column"), (y, "row")):
            k = list(FEWER).index(factor)
            means = [found[factors[:, k] == value].mean() for value in range(factors[:, k].max() + 1)]
            assert (np.diff(means) > 0).all()
            other = [found[factors[:, 2] == value].mean() for value in range(8)]
            assert np.ptp(other) < 0.1 * np.ptp(means)

    def test_nothing_is_cut_off(self, drawn):
        largest = drawn[0].sum((1, 2)).reshape(3, 3, 8, 9)[:, -1]  # the last axis: nine places
        assert (np.ptp(largest, axis=2) < 0.08 * largest.mean(2)).all()


class TestPixelCNN:
    @pytest.fixture
    def network(self, load):
        torch.manual_seed(0)
        return load("_image_peers")._Network(classes=3, width=8, depth=4, mixtures=2)

    def test_a_pixel_sees_only_those_before_it(self, network):
        x, y = torch.rand(1, 1, 6, 6), torch.tensor([1])
        changed = x.clone()
        changed[0, 0, 3, 2] += 0.5
        with torch.no_grad():
            moved = (network(changed, y) - network(x, y)).abs().sum(1)[0] > 1e-7
        assert not moved.flatten()[: 3 * 6 + 3].any()
        assert moved[3, 3]
        assert moved[4].all()

    def test_drawing_and_training_read_the_same_network(self, network, load, monkeypatch):
        module, seen = load("_image_peers"), []
        picked = module._draw_values

        def watched(params):
            seen.append(params[:, :, 0, 0].clone())
            return picked(params)

        monkeypatch.setattr(module, "_draw_values", watched)
        y = torch.tensor([0, 2])
        with torch.no_grad():
            drawn = module._draw_pixels(network, y, 5)
            torch.testing.assert_close(
                torch.stack(seen, 2).unflatten(2, (5, 5)), network(drawn[:, None], y), atol=1e-5, rtol=1e-4
            )

    def test_probabilities_add_up_to_one(self, load):
        params = torch.randn(1, 9, 1, 1)
        values = torch.arange(256) / 127.5 - 1
        found = load("_image_peers").log_prob(params.expand(256, -1, -1, -1), values.reshape(-1, 1, 1, 1))
        assert float(found.exp().sum()) == pytest.approx(1.0, abs=1e-3)

    def test_it_learns_which_grey_belongs_to_a_class(self, load, images):
        x, y = images[0][:, :8, :8], images[1]
        module = load("_image_peers")
        short, longer = (module.PixelCNN(steps=steps, width=8, depth=2).fit(x, y) for steps in (2, 60))
        assert longer.bits_per_dim(x, y) < short.bits_per_dim(x, y) - 0.5
        assert longer.sample(np.array([0, 9, 9]), 0).shape == (3, 8, 8)


class TestGAN:
    def test_it_trains_and_draws_what_the_seed_says(self, load, images):
        module = load("_image_peers")
        gan = module.GAN(steps=3, batch_size=16, width=4).fit(*images)
        labels = np.array([0, 9, 9])
        made = gan.sample(labels, 0)
        assert (made.shape, made.dtype) == ((3, 28, 28), np.uint8)
        np.testing.assert_array_equal(gan.sample(labels, 0), made)
        assert not np.array_equal(gan.sample(np.array([1, 9, 9]), 0)[0], made[0])

    def test_the_critic_is_smooth_and_knows_the_class(self, load):
        torch.manual_seed(0)
        critic = load("_image_peers")._Critic(10, 4)
        x, y = torch.randn(8, 1, 28, 28), torch.arange(8)
        for _ in range(20):
            critic(x, y)  # power iterations
        critic.eval()
        with torch.no_grad():
            step = 0.1 * torch.randn_like(x)
            moved = (critic(x + step, y) - critic(x, y)).abs()
            assert (moved < 10 * step.flatten(1).norm(dim=1)).all()
            assert (critic(x, y) != critic(x, y + 1)).all()


class TestRuns:
    def test_generative_is_resumed_and_rendered(self, load, images, monkeypatch, capsys):
        module, sets, run = load("generative"), load("_image_sets"), load("run")
        X, y = (np.tile(part, (5,) + (1,) * (part.ndim - 1)) for part in images)
        monkeypatch.setattr(module, "load_images", lambda name: sets.ImageSet(name, X, y, X[:200], y[:200]))
        options = run.parse(module, ["--fast", "--only", "set=mnist", "entrant=GAN", "entrant=real images"])
        run.run(module, options)
        assert "mnist GAN" in capsys.readouterr().out
        run.run(module, options)
        assert capsys.readouterr().out == ""
        records = load("_bench").Records(options.out, module.KEY).read()
        text = module.render(records)
        assert "| *real images* | 1 |" in text
        assert "| GAN | 1 |" in text
        assert "Smoke test" in text

    def test_a_bound_is_measured(self, load):
        found = load("family").measure_bound("digits", "vae", "posterior", 0, fast=True)
        assert found["nats"] < 0

    def test_as_many_parameters(self, load):
        family = load("family")
        wanted = family.count_parameters(family.build_model("ladder", 40, 16, family.WIDTH, 0))
        width = family.find_width(wanted, 40, 16)
        assert family.count_parameters(family.build_model("vae", 40, 16, width, 0)) == pytest.approx(
            wanted, rel=0.02
        )

    def test_the_best_of_some_starts_is_that_of_the_lowest_loss(self, load):
        losses = {(0, 0): 20.0, (0, 1): 12.0, (0, 2): 15.0, (1, 0): 9.0}
        records = [
            {"seed": seed, "start": start, "reconstruction": 10.0, "kl": kl, "cpu_s": 2.0}
            for (seed, start), kl in losses.items()
        ]
        (best,) = load("sprites").pick_best_starts(records, 3)
        assert (best["seed"], best["start"], best["cpu_s"]) == (0, 1, 6.0)
