"""What fit learns, reports and leaves behind: parts, weights, history, stops, interruptions, refits."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from vaeaug import Recipe, VAEAugmenter
from vaeaug.augmenter import METHODS
from vaeaug.errors import PosteriorCollapseWarning, TrainingDivergedError, VaeaugWarning
from vaeaug.losses.objective import Objective
from vaeaug.model.fit import warn_if_collapsed
from vaeaug.nn.priors.mixture import MixturePrior
from vaeaug.nn.priors.registry import PRIORS


def fast(**parameters):
    return VAEAugmenter(max_iter=3, latent_dim=4, device="cpu", random_state=0).set_params(**parameters)


def network_epochs(augmenter):
    return augmenter.history_[augmenter.history_["stage"] == "network"]


# --- parts -----------------------------------------------------------------------------


#: A small one, since it is trained.
SMALL = {"flow": Recipe("flow", width=32, depth=1)}
#: Priors that belong to other codes than the flat Gaussian ones.
PARTNERS = {"tokens": {"posterior": "categorical"}, "top_down": {"latent": "ladder"}}


@pytest.fixture(scope="module", params=list(PRIORS))
def of_prior(request, mixed):
    name = request.param
    with warnings.catch_warnings():
        # Three epochs are too few for the codes of a ladder.
        warnings.simplefilter("ignore", PosteriorCollapseWarning)
        return fast(prior=SMALL.get(name, name), **PARTNERS.get(name, {})).fit(*mixed)


@pytest.mark.parametrize("method", METHODS)
def test_every_prior_makes_rows(of_prior, mixed, method):
    X_new, _ = of_prior.sample(10, y="high", method=method, random_state=1)
    assert X_new.dtypes.equals(mixed[0].dtypes)


def test_every_prior_scores_rows(of_prior, mixed):
    scores = of_prior.score_samples(mixed[0][:20], mixed[1][:20], n_draws=2)
    assert scores.shape == (20,)
    assert np.isfinite(scores).all()


def test_every_prior_is_saved_and_loaded(of_prior, tmp_path):
    from vaeaug import load

    of_prior.save(tmp_path / "model.safetensors")
    twin = load(tmp_path / "model.safetensors", device="cpu")
    assert twin.sample(5, random_state=1)[0].equals(of_prior.sample(5, random_state=1)[0])


@pytest.mark.parametrize(
    "parameters",
    [
        {"prior": Recipe("mixture", components=3)},
        {"prior": Recipe("flow", width=16, depth=1, steps=2)},
        {"network": Recipe("residual", width=32, depth=1, dependence=0)},
        {"network": "residual"},
        {"latent": Recipe("flat"), "posterior": Recipe("gaussian")},
        {"losses": {"reconstruction": 1.0}},
        {"losses": {"reconstruction": 1.0, "kl": 2}},
        {"beta": 0},
        {"latent_dim": 1},
        {"batch_size": 7},
        {"batch_size": 10_000},
        {"early_stopping": False},
        {"categorical_features": [2]},
        {"verbose": 0},
    ],
    ids=str,
)
def test_parameters_in_many_forms(numbers, parameters):
    # Without early stopping nothing warns of the collapse that a heavy KL may cause.
    X_new, _ = fast(max_iter=1).set_params(**parameters).fit(*numbers).sample(4)
    assert X_new.shape == (4, 3)


def test_progress_is_shown_on_request(numbers, capsys):
    fast(verbose=1).fit(*numbers)
    assert "networks" in capsys.readouterr().err


def test_no_progress_is_shown_by_default(numbers, capsys):
    fast().fit(*numbers)
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""


# --- weights ---------------------------------------------------------------------------


def two_heaps():
    """Return 200 rows at 0 and 200 rows at 10, and the mask of the latter."""
    rng = np.random.default_rng(0)
    heap = np.repeat([False, True], 200)
    return (rng.normal(size=400) + 10 * heap)[:, None].repeat(2, axis=1), heap


@pytest.mark.slow  # full training
@pytest.mark.parametrize("prior", ["mixture", "gaussian"])
def test_weights_shift_the_mixture_of_rows(prior):
    X, heap = two_heaps()
    shares = []
    for weight in (1 / 9, 9.0):
        augmenter = fast(max_iter=15, prior=prior, beta=0.05).fit(
            X, sample_weight=np.where(heap, weight, 1.0)
        )
        shares.append((augmenter.sample(1000, random_state=1)[0][:, 0] > 5).mean())
    # Nine to one: a tenth, and nine tenths.
    assert shares[0] < 0.25 < 0.75 < shares[1]


def test_rows_of_weight_zero_do_not_count():
    X, heap = two_heaps()
    augmenter = fast(max_iter=15, beta=0.05).fit(X, sample_weight=~heap)
    for method in METHODS:
        assert (augmenter.sample(300, method=method, random_state=1)[0] < 5).mean() > 0.95


def test_equal_weights_are_no_weights(numbers):
    plain = fast().fit(*numbers)
    weighted = fast().fit(*numbers, sample_weight=np.full(120, 2.5))
    assert_array_equal(plain.sample(5)[0], weighted.sample(5)[0])


# --- history ---------------------------------------------------------------------------


def test_history_has_a_row_per_epoch(numbers):
    augmenter = fast(max_iter=4).fit(*numbers)
    epochs = network_epochs(augmenter)
    assert epochs["epoch"].tolist() == [1, 2, 3, 4]
    assert augmenter.n_iter_ == 4
    assert (epochs["seconds"].diff().iloc[1:] >= 0).all()


def test_history_names_the_pieces_of_the_loss(numbers):
    history = fast().fit(*numbers).history_
    pieces = [f"{part}_{name}" for part in ("train", "valid") for name in ("loss", "reconstruction", "kl")]
    assert list(history.columns) == ["stage", "epoch", "seconds", *pieces]
    assert np.isfinite(history[pieces]).all().all()


def test_history_tells_of_the_prior_that_was_trained(numbers):
    history = fast(prior=Recipe("flow", width=16, depth=1, steps=2)).fit(*numbers).history_
    assert list(history["stage"].unique()) == ["network", "prior"]
    assert np.isfinite(history.loc[history["stage"] == "prior", "train_loss"]).all()


def test_nothing_is_held_out_without_early_stopping(numbers):
    history = fast(early_stopping=False).fit(*numbers).history_
    assert not [name for name in history if name.startswith("valid")]


def test_the_loss_falls(mixed):
    losses = network_epochs(fast(max_iter=10).fit(*mixed))["train_reconstruction"]
    assert losses.iloc[-1] < losses.iloc[0] - 1


def test_early_stopping_stops_early(numbers):
    X, y = numbers
    augmenter = fast(max_iter=400, n_iter_no_change=2, learning_rate_init=0.02).fit(X, y)
    assert augmenter.n_iter_ < 400


def test_stopping_early_is_said_beside_a_progress_bar(numbers, capsys):
    options = {"max_iter": 400, "n_iter_no_change": 2, "learning_rate_init": 0.02}
    made = fast(verbose=1, **options).fit(*numbers)
    said = capsys.readouterr().err
    assert f"Training stopped after {made.n_iter_} of 400 epochs: for 2 epochs the loss of held-out" in said
    fast(**options).fit(*numbers)
    assert not capsys.readouterr().err


def test_a_fit_with_enough_time_says_nothing_of_it(numbers, recwarn):
    fast(max_iter=3, max_fit_seconds=600).fit(*numbers)
    assert not recwarn.list


def test_collapse_is_warned_of():
    X = np.random.default_rng(0).normal(size=(300, 3))
    with pytest.warns(PosteriorCollapseWarning, match="nats about a row.*max_iter=5.*lower beta"):
        augmenter = fast(max_iter=5, beta=100).fit(X)
    assert augmenter.sample(3)[0].shape == (3, 3)


def test_codes_of_a_fit_without_time_are_not_blamed_on_beta():
    history = pd.DataFrame({"stage": "network", "train_kl": [0.05], "seconds": [2.0]})
    with pytest.warns(PosteriorCollapseWarning, match="cut short after 1 epoch by max_fit_seconds=3: give"):
        warn_if_collapsed(history, 300, max_seconds=3)
    with pytest.warns(PosteriorCollapseWarning, match="Lower beta"):
        warn_if_collapsed(history, 300, max_seconds=60)


@pytest.mark.parametrize(
    ("max_iter", "advice"),
    [(2, 'ended after max_iter=2 epochs: try more, or "auto".*lower beta'), (3, "Lower"), ("auto", "Lower")],
)
def test_codes_of_a_short_fit_may_need_more_epochs(max_iter, advice):
    history = pd.DataFrame({"stage": "network", "train_kl": [0.2, 0.05], "seconds": [1.0, 2.0]})
    with pytest.warns(PosteriorCollapseWarning, match=advice):
        warn_if_collapsed(history, 300, max_iter=max_iter)


# --- stops -----------------------------------------------------------------------------


@pytest.mark.parametrize("prior", ["mixture", "flow"])
def test_a_budget_bounds_fit_and_leaves_a_model(mixed, prior):
    with pytest.warns(VaeaugWarning, match="max_fit_seconds=1e-06 in epoch 1 of 100000 .*more time") as said:
        augmenter = fast(max_iter=100_000, max_fit_seconds=1e-6, prior=prior).fit(*mixed)
    assert said[0].filename == __file__
    # At least one step is made in each stage, and no epoch after the one that it belongs to.
    assert augmenter.n_iter_ == 1
    assert (augmenter.history_.groupby("stage").size() == 1).all()
    assert len(augmenter.sample(5)[0]) == 5


@pytest.mark.parametrize("stop_at", [1, 5])
def test_interrupting_fit_keeps_the_model_trained_so_far(numbers, monkeypatch, stop_at):
    calls = []
    original = Objective.forward

    def forward(self, batch, progress):
        calls.append(progress)
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        return original(self, batch, progress)

    monkeypatch.setattr(Objective, "forward", forward)
    augmenter = fast(max_iter=50, batch_size=20)
    with pytest.warns(VaeaugWarning, match="interrupted after .* of 50 epochs"):
        augmenter.fit(*numbers)
    assert len(calls) < 50
    assert np.isfinite(augmenter.sample(20, y=1)[0]).all()
    assert augmenter.n_iter_ == len(network_epochs(augmenter))


def test_interrupting_the_fit_of_the_prior_keeps_the_networks(numbers, monkeypatch):
    def estimate(self, codes, contexts, draws, turns):
        raise KeyboardInterrupt

    monkeypatch.setattr(MixturePrior, "estimate", estimate)
    with pytest.warns(VaeaugWarning, match="prior"):
        augmenter = fast().fit(*numbers)
    assert np.isfinite(augmenter.sample(20, y=1)[0]).all()
    assert np.isfinite(augmenter.sample(20, y=1, method="posterior")[0]).all()


def test_diverging_losses_are_an_error_that_names_the_way_out(numbers, monkeypatch):
    original = Objective.forward

    def forward(self, batch, progress):
        return {name: piece * np.nan for name, piece in original(self, batch, progress).items()}

    monkeypatch.setattr(Objective, "forward", forward)
    with pytest.raises(TrainingDivergedError, match="learning rate"):
        fast().fit(*numbers)


# --- refits ----------------------------------------------------------------------------


def state_of(augmenter):
    return {name: id(value) for name, value in vars(augmenter).items()}


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda X, y: (X[:1], y[:1]), id="one row"),
        pytest.param(lambda X, y: (X[:, :2], y[:-1]), id="y of another length"),
        pytest.param(lambda X, y: (np.where(X > 0, np.inf, X), y), id="infinite values"),
        pytest.param(lambda X, y: (pd.DataFrame(X, columns=["a", "a", "b"]), y), id="columns named twice"),
        pytest.param(lambda X, y: (X, np.full(len(y), np.nan)), id="no labels"),
    ],
)
def test_a_refit_that_fails_leaves_the_first_fit_as_it_was(numbers, spoil):
    augmenter = fast().fit(pd.DataFrame(numbers[0], columns=list("abc")), numbers[1])
    before, expected = state_of(augmenter), augmenter.sample(5, random_state=1)[0]
    with pytest.raises(ValueError):
        augmenter.fit(*spoil(*numbers))
    assert state_of(augmenter) == before
    assert augmenter.sample(5, random_state=1)[0].equals(expected)


def test_a_refit_that_breaks_down_leaves_the_first_fit_as_it_was(numbers, monkeypatch):
    augmenter = fast().fit(*numbers)
    before, expected = state_of(augmenter), augmenter.sample(5, random_state=1)[0]

    def forward(self, batch, progress):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Objective, "forward", forward)
    with pytest.raises(RuntimeError, match="out of memory"):
        augmenter.fit(numbers[0][:, :2], numbers[1])
    assert state_of(augmenter) == before
    assert_array_equal(augmenter.sample(5, random_state=1)[0], expected)


def test_a_first_fit_that_fails_leaves_an_unfitted_estimator(numbers):
    augmenter = fast()
    with pytest.raises(ValueError):
        augmenter.fit(numbers[0], numbers[1][:-1])
    assert vars(augmenter) == vars(fast())


def test_new_rows_of_a_class_of_one_are_neither_copies_nor_rows_of_the_other_class():
    """Columns depend on each other; the single rare row sits far out in the first of them."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=600)
    table = pd.DataFrame(
        {
            "first": first,
            "second": first + 0.3 * rng.normal(size=600),
            "kind": rng.choice(["a", "b", "c"], 600, p=[0.6, 0.3, 0.1]),
            "other": rng.choice(["u", "v", "w"], 600),
        }
    )
    table.loc[0] = [3.0, 3.1, "c", "w"]
    label = np.where(np.arange(600) == 0, "rare", "common")
    augmenter = VAEAugmenter(max_iter=25, device="cpu", random_state=0).fit(table, label)
    new = augmenter.sample(400, y="rare", random_state=1)[0]
    same = (new["kind"] == "c") & (new["other"] == "w") & (new["first"].sub(3).abs() < 0.5)
    assert same.mean() < 0.6  # not the one row again and again
    assert (new["kind"] == "c").mean() > 0.3  # nor as in the other class, where it is one in ten
    assert new["first"].median() > 0.7
