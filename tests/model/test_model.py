"""A model in use: seeded chunks, double-precision codes, and rows chosen by weight for the prior."""

import pickle

import numpy as np
import pytest
import torch
from made_blueprint import LAYOUT, blueprint
from numpy.testing import assert_allclose, assert_array_equal

from vaeaug.model import model as module
from vaeaug.model import training
from vaeaug.model.model import Model
from vaeaug.model.training import TrainingRows, calibrate, fit_prior, train_networks
from vaeaug.recipe import Recipe
from vaeaug.training.options import Options
from vaeaug.training.run import Conditions
from vaeaug.training.runtime import Runtime

N = 50


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    token = rng.integers(3, size=N)
    place = rng.random(N)
    x = np.stack([token, place, token + place - 1.5, rng.integers(2, size=N)], axis=1)
    c = np.eye(2)[rng.integers(2, size=N)]
    context = np.concatenate([c, rng.normal(size=(N, 1)), np.ones((N, 1))], axis=1)
    return x.astype(np.float32), context.astype(np.float32)


@pytest.fixture
def trained(data):
    found = Model.create(blueprint(), Runtime("cpu"), seed=1)
    rows = TrainingRows(*data)
    train_networks(found, rows, np.zeros(N, dtype=bool), Options(max_iter=2, batch_size=16), Conditions(1))
    fit_prior(found, rows, Options(), Conditions(1))
    return found


def test_codes_are_float64_and_apart_from_their_neighbours(trained, data):
    mean, scale = trained.encode(*data)
    assert mean.shape == scale.shape == (N, 3)
    assert mean.dtype == scale.dtype == np.float64
    assert_allclose(trained.encode(data[0][9:10], data[1][9:10])[0], mean[9:10], rtol=1e-12)


def test_devices_without_double_precision_leave_codes_to_the_cpu(trained, monkeypatch):
    monkeypatch.setattr(trained.runtime, "device", torch.device("mps"))
    assert trained._precise_device.type == "cpu"


def test_training_renews_the_precise_copy(trained, data):
    before = trained.encode(*data)[0]
    rows = TrainingRows(*data)
    train_networks(trained, rows, np.zeros(N, dtype=bool), Options(max_iter=1, batch_size=16), Conditions(2))
    assert not np.allclose(trained.encode(*data)[0], before)


def test_rows_are_drawn_in_chunks_that_have_streams_of_their_own(trained, data, monkeypatch):
    whole = trained.sample(data[1], temperature=1.0, seed=3)
    monkeypatch.setattr(module, "_CHUNK", 20)
    first = trained.sample(data[1], temperature=1.0, seed=3)
    again = trained.sample(data[1], temperature=1.0, seed=3)
    assert whole.shape == first.shape == (N, 4)
    assert_array_equal(first, again)
    # The same context in two chunks must not give the same rows.
    same = np.repeat(data[1][:1], 40, axis=0)
    drawn = trained.sample(same, temperature=1.0, seed=3)
    assert not np.array_equal(drawn[:20], drawn[20:])


def test_chunks_do_not_change_codes_and_scores(trained, data, monkeypatch):
    mean, score = trained.encode(*data)[0], trained.log_likelihood(*data, draws=4, seed=1)
    monkeypatch.setattr(module, "_CHUNK", 7)
    assert_allclose(trained.encode(*data)[0], mean, rtol=1e-12)
    assert_allclose(trained.log_likelihood(*data, draws=4, seed=1), score, rtol=1e-10)


def test_wide_tables_are_scored_in_smaller_chunks(trained, data, monkeypatch):
    score = trained.log_likelihood(*data, draws=4, seed=1)
    monkeypatch.setattr(module, "_SCORED_CELLS", 1)  # a row at a time
    assert_allclose(trained.log_likelihood(*data, draws=4, seed=1), score, rtol=1e-10)


@pytest.mark.parametrize("call", ["sample", "decode", "encode", "score"])
def test_no_rows_are_fine(trained, call):
    x, c, z = (np.zeros((0, width), dtype=np.float32) for width in (4, 4, 3))
    found = {
        "sample": lambda: trained.sample(c, temperature=1.0, seed=0),
        "decode": lambda: trained.decode(z, c, temperature=1.0, seed=0),
        "encode": lambda: trained.encode(x, c)[1],
        "score": lambda: trained.log_likelihood(x, c, draws=2, seed=0)[:, None],
    }[call]()
    assert len(found) == 0


def test_more_draws_do_not_loosen_the_bound(trained, data):
    one = np.mean([trained.log_likelihood(*data, draws=1, seed=seed).mean() for seed in range(20)])
    many = trained.log_likelihood(*data, draws=64, seed=0).mean()
    assert one <= many


def test_state_round_trip(trained, data):
    twin = Model.from_state(trained.blueprint, trained.state(), Runtime("cpu"))
    for a, b in zip(trained.encode(*data), twin.encode(*data), strict=True):
        assert_array_equal(a, b)
    first, second = (m.sample(data[1], temperature=1.0, seed=3) for m in (trained, twin))
    assert_array_equal(first, second)


def test_state_is_plain_arrays_on_the_cpu(trained):
    assert all(type(array) is np.ndarray for array in trained.state().values())


def test_pickle_holds_no_code_of_torch(trained):
    content = pickle.dumps(trained)
    assert b"torch" not in content
    assert pickle.loads(content).runtime.device == torch.device("cpu")


# --- rows for the prior ----------------------------------------------------------------


def watch_codes(monkeypatch):
    """Return a list of how many rows are encoded at a time, in blocks of up to 20."""
    monkeypatch.setattr(training, "_BLOCK", 20)
    seen, encode = [], training._encode
    monkeypatch.setattr(training, "_encode", lambda model, x, c: seen.append(len(x)) or encode(model, x, c))
    return seen


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_a_prior_is_fitted_to_the_codes_there_is_time_for(trained, data, monkeypatch, blocks):
    seen = watch_codes(monkeypatch)
    fit_prior(
        trained,
        TrainingRows(*data),
        Options(),
        Conditions(0),
        reading=lambda wanted: range(min(blocks, wanted)),
    )
    assert seen == [17, 17, 16][: max(1, blocks)]


def test_a_prior_is_fitted_to_all_codes_where_time_is_not_bounded(trained, data, monkeypatch):
    seen = watch_codes(monkeypatch)
    fit_prior(trained, TrainingRows(*data), Options(), Conditions(0))
    assert sum(seen) == len(data[0])


@pytest.mark.slow  # trains two flows
def test_a_prior_that_learns_soon_gets_fewer_epochs(data):
    def fitted(**changes):
        made = Model.create(blueprint(**changes), Runtime("cpu"), seed=1)
        return fit_prior(made, TrainingRows(*data), Options(max_iter=9, batch_size=32), Conditions(0))

    assert fitted(prior=Recipe("flow", width=8, depth=1)).n_iter == 9
    assert fitted(prior=Recipe("tokens"), posterior=Recipe("categorical")).n_iter == 4


def test_without_weights_the_prior_sees_every_row_once():
    assert_array_equal(training._choose_rows(None, 7, np.random.default_rng(0)), np.arange(7))


def test_with_equal_weights_too():
    assert_array_equal(training._choose_rows(np.full(7, 0.3), 7, np.random.default_rng(0)), np.arange(7))


def test_rows_are_seen_as_often_as_their_weight_asks_for():
    weights = np.array([0.0, 1.0, 4.0, 0.5, 2.5, 0.0])
    counts = np.zeros(6)
    for seed in range(300):
        counts += np.bincount(training._choose_rows(weights, 6, np.random.default_rng(seed)), minlength=6)
    assert_allclose(counts / 300, 6 * weights / weights.sum(), atol=0.1)
    assert counts[0] == counts[5] == 0


@pytest.mark.parametrize("weights", [None, np.ones(1000)])
def test_large_tables_are_thinned(monkeypatch, weights):
    monkeypatch.setattr(training, "_PRIOR_CODES", 100)
    rows = training._choose_rows(weights, 1000, np.random.default_rng(0))
    assert len(rows) == len(set(rows)) == 100


def test_layout_of_the_blueprint_is_that_of_the_rows(trained):
    assert trained.blueprint.layout == LAYOUT


def test_calibration_gives_every_token_the_share_it_has_in_the_rows(trained, data):
    """Two epochs of training leave the shares far off; calibration must not."""
    x, c = data
    x = np.tile(x, (40, 1))
    c = np.tile(c, (40, 1))
    x[:, 0] = np.random.default_rng(1).choice(3, len(x), p=[0.9, 0.09, 0.01])

    def error():
        drawn = trained.sample(np.tile(c, (10, 1)), temperature=1.0, seed=3)
        wanted = np.bincount(x[:, 0].astype(int), minlength=3) / len(x)
        found = np.bincount(drawn[:, 0].astype(int), minlength=3) / len(drawn)
        return np.abs(np.log(found / wanted)).max()

    assert error() > 1
    calibrate(trained, TrainingRows(x, c), seed=1)
    assert error() < 0.35  # the rarest: 20 of 2,000 rows, drawn 200 times


def test_calibration_counts_rows_by_their_weight(trained, data):
    x, c = (np.tile(part, (40, 1)) for part in data)
    weights = np.where(x[:, 0] == 1, 5.0, 1.0)
    calibrate(trained, TrainingRows(x, c, weights), seed=1)
    drawn = trained.sample(np.tile(c, (5, 1)), temperature=1.0, seed=3)
    wanted = np.bincount(x[:, 0].astype(int), weights) / weights.sum()
    assert_allclose(np.bincount(drawn[:, 0].astype(int)) / len(drawn), wanted, atol=0.03)


def test_calibration_is_repeatable_and_undisturbing(data):
    states = []
    for _ in range(2):
        model = Model.create(blueprint(), Runtime("cpu"), seed=1)
        torch.manual_seed(7)
        calibrate(model, TrainingRows(*data), seed=5)
        assert torch.initial_seed() == 7
        assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(7)))
        states.append(model.vae.likelihood.bias.detach().numpy().copy())
    assert_array_equal(*states)
