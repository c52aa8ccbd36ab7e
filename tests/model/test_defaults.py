"""What "auto" means, and which rows are held out."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from vaeaug.data.labels.class_weights import class_weights
from vaeaug.data.tables.quantiles import bins_for
from vaeaug.model.defaults import choose_backoff, choose_prior, choose_units, hold_out, resolve
from vaeaug.recipe import Recipe

AUTO = {
    "latent_dim": "auto",
    "max_iter": "auto",
    "batch_size": "auto",
    "learning_rate_init": "auto",
    "beta": "auto",
    "validation_fraction": 0.1,
    "early_stopping": True,
}


def plan(rows, **changes):
    shape = changes.pop("shape", ())
    return resolve(SimpleNamespace(**{**AUTO, **changes}), rows, shape)


@pytest.mark.parametrize("rows", [2, 10, 150, 3_000, 32_000, 1_000_000])
def test_auto_is_sensible_for_every_size(rows):
    found = plan(rows)
    assert 1 <= found.latent_dim <= 64
    assert 1 <= found.max_iter <= 1000
    assert 1 <= found.batch_size <= 4096
    assert 0 < found.learning_rate < 0.1
    assert 0 <= found.beta <= 1
    assert 0 <= found.held_out <= rows // 2


def test_larger_tables_get_larger_batches_and_fewer_epochs():
    plans = [plan(rows) for rows in (100, 1_000, 10_000, 100_000, 1_000_000)]
    batches = [found.batch_size for found in plans]
    epochs = [found.max_iter for found in plans]
    assert batches == sorted(batches)
    assert epochs == sorted(epochs, reverse=True)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (4, 128, 128)])
@pytest.mark.parametrize("rows", [2, 80, 1_797, 60_000, 1_000_000])
def test_auto_is_sensible_for_images(rows, shape):
    found = plan(rows, shape=shape)
    assert 4 <= found.max_iter <= 150
    assert 32 <= found.batch_size <= 128
    assert 0 < found.beta <= 1
    assert plan(rows, shape=shape, beta=2.0, max_iter=3, latent_dim=5).beta == 2.0


def test_few_images_keep_their_codes_together():
    betas = [plan(rows, shape=(1, 28, 28)).beta for rows in (100, 2_000, 20_000, 60_000)]
    assert betas == sorted(betas, reverse=True)
    assert betas[0] > 2 * betas[-1]


def test_a_code_holds_fewer_numbers_than_the_image():
    for shape in [(1, 4, 4), (1, 8, 8), (3, 32, 32)]:
        assert plan(500, shape=shape).latent_dim < np.prod(shape)


def test_the_prior_of_many_images_is_trained_in_fewer_epochs():
    epochs = [plan(rows, shape=(1, 28, 28)).prior_max_iter for rows in (100, 60_000, 1_000_000)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[-1] >= 10


def test_a_short_training_of_images_has_a_short_prior():
    epochs = [plan(1_000, shape=(1, 28, 28), max_iter=count).prior_max_iter for count in (1, 30, 150, 600)]
    assert epochs[0] <= 10
    assert epochs[0] < epochs[1] < epochs[2] == epochs[3]


def test_the_flow_of_images_is_guided_and_options_given_are_kept():
    assert choose_prior("flow", (1, 28, 28), 500).options["guidance"] > 1
    given = Recipe("flow", guidance=1.0, steps=3)
    assert choose_prior(given, (1, 28, 28), 500).options.items() >= given.options.items()


def test_the_usual_prior_is_a_mixture_for_tables_and_depends_on_their_number_for_images():
    assert choose_prior("auto", (7,), 60_000) == choose_prior("auto", (7,), 50) == "mixture"
    assert choose_prior("auto", (1, 28, 28), 500) == "gaussian"
    assert choose_prior("auto", (1, 28, 28), 500, labelled=False) == "mixture"
    assert choose_prior("auto", (1, 28, 28), 60_000) == choose_prior("flow", (1, 28, 28), 60_000)


@pytest.mark.parametrize("shape", [(1, 8, 8), (7,)])
def test_the_prior_of_discrete_codes_is_as_wide_as_there_are_rows_for(shape):
    widths = [choose_prior("tokens", shape, rows).options["hidden"] for rows in (50, 1_800, 60_000)]
    assert widths[0] < widths[1] < widths[2]
    assert choose_prior(Recipe("tokens", hidden="auto"), shape, 50).options["hidden"] == "auto"


@pytest.mark.parametrize("prior", ["flow", Recipe("flow"), Recipe("mixture")])
def test_the_priors_of_tables_are_left_as_they_are(prior):
    assert choose_prior(prior, (7,), 500) == prior


def test_few_tiny_images_are_learned_in_fewer_epochs():
    epochs = [plan(500, shape=(1, side, side)).max_iter for side in (4, 8, 20, 28, 32)]
    assert epochs == sorted(epochs)
    assert epochs[0] == epochs[1] == 65 < epochs[2] < epochs[-1] == 150


def test_larger_images_are_seen_less_often():
    epochs = [plan(10_000, shape=(1, side, side)).max_iter for side in (8, 28, 64, 128)]
    assert epochs == sorted(epochs, reverse=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("latent_dim", 3), ("max_iter", 7), ("batch_size", 11), ("learning_rate", 0.5), ("beta", 2.0)],
)
def test_what_the_user_chose_is_kept(name, value):
    parameter = "learning_rate_init" if name == "learning_rate" else name
    assert getattr(plan(1000, **{parameter: value}), name) == value


def test_nothing_is_held_out_without_early_stopping():
    assert plan(1000, early_stopping=False).held_out == 0
    assert plan(1000).held_out == 100


def test_nothing_is_held_out_by_default_of_tables_with_rows_enough():
    auto = {"early_stopping": "auto"}
    assert plan(3_000, **auto).held_out == 0
    assert plan(2_999, **auto).held_out == 300
    assert plan(3_000, max_iter=20, **auto).held_out == 300
    assert plan(3_000, shape=(1, 8, 8), **auto).held_out == 300


def test_columns_have_units_of_their_own_where_rows_allow_it():
    assert choose_units(2_999, 10)[1] == 0
    assert choose_units(3_000, 10) == (128, 64, 2)
    # Wide tables: a fit must not take longer than with shared units alone.
    shared, own, _ = choose_units(3_000, 60)
    assert shared + 60 * own <= 128 + 2 * choose_units(2_999, 60)[0]
    assert choose_units(3_000, 300)[1:] == (0, 2)
    assert choose_units(2_999, 10)[2] == 0


def test_few_rows_are_all_trained_on():
    assert plan(20).held_out == 0


def test_no_more_is_held_out_than_is_useful():
    assert plan(1_000_000).held_out == 5_000


def test_finer_bins_need_more_rows():
    bins = [bins_for(rows) for rows in (2, 50, 300, 2_000, 10_000, 1_000_000)]
    assert bins == sorted(bins)
    assert bins[0] >= 2
    assert bins[-1] == 64
    assert all(rows / found >= 4 for rows, found in zip((50, 300, 2_000), bins[1:4], strict=True))


# --- weights ---------------------------------------------------------------------------


def test_rare_classes_weigh_more_but_not_as_much_as_all_others():
    groups = np.repeat([0, 1], [900, 100])
    weights = class_weights(groups, None)
    assert weights.dtype == np.float32
    assert_allclose(weights.mean(), 1, rtol=1e-6)
    assert_allclose(weights[-1] / weights[0], 3, rtol=1e-6)  # the root of nine


def test_the_weights_of_the_user_count_beside_those_of_the_classes():
    groups = np.repeat([0, 1], [900, 100])
    own = np.linspace(1, 2, 1000, dtype=np.float32)
    assert_allclose(class_weights(groups, own), own * class_weights(groups, None), rtol=1e-6)


def test_without_classes_only_the_weights_of_the_user_count():
    own = np.linspace(1, 2, 10, dtype=np.float32)
    assert class_weights(None, None) is None
    assert class_weights(None, own) is own


# --- hold out --------------------------------------------------------------------------


def test_the_wanted_number_is_held_out():
    assert hold_out(None, 500, 50, seed=0).sum() == 50


def test_rows_are_held_out_evenly_over_the_classes():
    groups = np.repeat([0, 1, 2], [800, 150, 50])
    held_out = hold_out(groups, 1000, 100, seed=0)
    assert_array_equal(np.bincount(groups[held_out]), [80, 15, 5])


def test_small_classes_are_kept_for_training():
    groups = np.repeat([0, 1], [500, 9])
    assert not hold_out(groups, 509, 50, seed=0)[500:].any()


def test_unknown_labels_are_a_class_of_their_own():
    groups = np.repeat([-1, 0], [400, 100])
    assert hold_out(groups, 500, 50, seed=0)[:400].sum() == 40


def test_the_seed_decides():
    first, again, other = (hold_out(None, 500, 50, seed=seed) for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_tiny_classes_lean_on_the_model_of_all_rows():
    groups = np.repeat([0, 1, 2, -1], [500, 1, 2, 3])
    assert choose_backoff(groups, 4) == (0.0, 0.5, 0.2, 1.0)  # the last has no rows at all


@pytest.mark.parametrize("groups", [None, np.repeat([0, 1], [50, 7])])
def test_classes_of_seven_rows_stand_alone(groups):
    assert choose_backoff(groups, 2) == ()


def test_small_tables_get_steps_enough():
    for rows in (200, 300, 1_000, 8_000):
        found = plan(rows)
        assert found.max_iter * rows / found.batch_size >= 400 * 0.95


def test_a_prior_keeps_its_rate_unless_one_is_given():
    assert plan(8_000).prior_learning_rate < plan(8_000).learning_rate
    assert plan(8_000, learning_rate_init=0.01).prior_learning_rate == 0.01


def test_codes_of_small_tables_are_held_back_less():
    betas = [plan(rows).beta for rows in (100, 4_000, 10_000, 32_000, 1_000_000)]
    assert betas[0] == betas[1] < betas[2] < betas[3] == betas[4]
