"""New rows: their container, their labels, their randomness, and which real rows they vary."""

import hashlib
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_tables import CONTAINERS, made_labels, made_table
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal

from vaeaug import VAEAugmenter
from vaeaug.augmenter import METHODS
from vaeaug.model.generate import find_variation_shares

NEEDS_A_CLASS = ("posterior", "interpolate")


def fast(**parameters):
    return VAEAugmenter(max_iter=3, latent_dim=4, device="cpu", random_state=0).set_params(**parameters)


@pytest.fixture(scope="module")
def fitted(mixed):
    return fast().fit(*mixed)


@pytest.fixture
def of_numbers(numbers):
    return fast().fit(*numbers)


# --- containers ------------------------------------------------------------------------


def test_sample_comes_in_the_container_of_fit(container, numbers):
    X_new, _ = fast().fit(container, numbers[1]).sample(25, random_state=1)
    assert type(X_new) is type(container)
    assert X_new.shape == (25, 3)
    if isinstance(container, pd.DataFrame):
        assert X_new.dtypes.equals(container.dtypes)
        assert X_new.columns.equals(container.columns)
        assert X_new.index.equals(pd.RangeIndex(25))
    else:
        assert X_new.dtype == container.dtype


def test_every_dtype_comes_back(fitted, mixed):
    X_new, _ = fitted.sample(50, random_state=1)
    assert X_new.dtypes.equals(mixed[0].dtypes)
    assert X_new.columns.equals(mixed[0].columns)


@pytest.mark.parametrize(
    "column", ["kind", "town", "string", "flag", "maybe", "nullable", "count", "constant"]
)
def test_values_are_legal(fitted, mixed, column):
    X_new, _ = fitted.sample(300, random_state=1)
    assert set(X_new[column].dropna()) <= set(mixed[0][column].dropna())


@pytest.mark.parametrize("column", ["size", "weight", "day"])
def test_numbers_stay_within_the_range_of_fit(fitted, mixed, column):
    X_new, _ = fitted.sample(300, random_state=1)
    assert X_new[column].min() >= mixed[0][column].min()
    assert X_new[column].max() <= mixed[0][column].max()


def test_missing_values_are_drawn_too(fitted, mixed):
    X_new, _ = fitted.sample(2000, random_state=1)
    share = X_new.isna().mean()
    assert (share[mixed[0].isna().any()] > 0).all()
    assert (share[~mixed[0].isna().any()] == 0).all()


def test_categories_keep_their_order(fitted):
    X_new, _ = fitted.sample(5, random_state=1)
    assert list(X_new["kind"].cat.categories) == ["small", "large", "unused"]
    assert X_new["kind"].cat.ordered


def test_columns_may_have_any_names(numbers):
    X = pd.DataFrame(numbers[0], columns=[3, 1, 2])
    X_new, _ = fast().fit(X).sample(4)
    assert X_new.columns.equals(X.columns)


def test_a_list_of_rows_gives_an_array(numbers):
    X_new, _ = fast().fit(numbers[0].tolist(), numbers[1].tolist()).sample(4)
    assert isinstance(X_new, np.ndarray)


# --- labels ----------------------------------------------------------------------------


def test_one_label_for_all_rows(fitted):
    _, y_new = fitted.sample(6, y="high", random_state=1)
    assert_series_equal(y_new, pd.Series(["high"] * 6, name="label"))


@pytest.mark.parametrize(
    "wrap", [list, np.array, pd.Series, lambda labels: pd.Series(labels, index=[4, 2, 9])]
)
def test_one_label_per_row(fitted, wrap):
    wanted = ["low", "high", "mid"]
    X_new, y_new = fitted.sample(y=wrap(wanted), random_state=1)
    assert_series_equal(y_new, pd.Series(wanted, name="label"))
    assert len(X_new) == 3


def test_without_labels_there_are_none(numbers):
    assert fast().fit(numbers[0]).sample(4)[1] is None


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda y: y.astype("category"), id="category"),
        pytest.param(lambda y: y.astype("string"), id="string"),
        pytest.param(lambda y: y.to_numpy(), id="object array"),
        pytest.param(lambda y: y.to_numpy().astype("U"), id="text array"),
        pytest.param(lambda y: (y == "high").to_numpy(), id="bool array"),
        pytest.param(lambda y: pd.factorize(y)[0].astype(np.int32), id="int32 array"),
        pytest.param(lambda y: y.to_frame(), id="frame"),
    ],
)
def test_labels_come_in_the_container_of_fit(mixed, wrap):
    y = wrap(mixed[1])
    _, y_new = fast(max_iter=1).fit(mixed[0], y).sample(8, random_state=1)
    assert type(y_new) is type(y)
    if isinstance(y, pd.DataFrame):
        assert y_new.dtypes.equals(y.dtypes)
    else:
        assert y_new.dtype == y.dtype


def test_labels_are_drawn_at_their_training_rates(fitted, mixed):
    n = 4000
    drawn = fitted.sample(n, random_state=1)[1].value_counts()
    rate = mixed[1].value_counts(normalize=True)
    spread = np.sqrt(n * rate * (1 - rate))
    assert ((drawn - n * rate).abs() < 3 * spread).all()


def test_samples_follow_their_label(numbers):
    X, y = numbers
    augmenter = fast(max_iter=40).fit(X, y)
    means = [augmenter.sample(400, y=label, random_state=1)[0][:, 0].mean() for label in (0, 1)]
    real = [X[y == label, 0].mean() for label in (0, 1)]
    assert np.allclose(means, real, atol=0.5)  # the classes are 2 apart


# Given the target the columns are independent noise, so there is nothing for a code to carry.
@pytest.mark.filterwarnings("ignore::vaeaug.errors.PosteriorCollapseWarning")
def test_samples_follow_a_continuous_target():
    rng = np.random.default_rng(0)
    y = rng.normal(size=400)
    X = np.stack([y + 0.3 * rng.normal(size=400), rng.normal(size=400)], axis=1)
    augmenter = fast(max_iter=15).fit(X, y)
    low, high = (augmenter.sample(300, y=value, random_state=1)[0][:, 0].mean() for value in (-1.0, 1.0))
    assert low < -0.3
    assert high > 0.3


@pytest.mark.filterwarnings("ignore::vaeaug.errors.PosteriorCollapseWarning")
def test_samples_follow_two_control_variables():
    rng = np.random.default_rng(0)
    controls = pd.DataFrame({"colour": rng.choice(["red", "blue"], 400), "dose": rng.normal(size=400)})
    red = (controls["colour"] == "red").to_numpy()
    X = np.stack([3.0 * red, controls["dose"]], axis=1) + 0.3 * rng.normal(size=(400, 2))
    augmenter = fast(max_iter=20).fit(X, controls)
    made = {
        (colour, dose): augmenter.sample(300, y={"colour": colour, "dose": dose}, random_state=1)[0].mean(0)
        for colour in ("red", "blue")
        for dose in (-1.0, 1.0)
    }
    assert made["red", 1.0][0] > 1.5 > made["blue", 1.0][0]
    assert made["red", 1.0][1] > made["red", -1.0][1] + 0.6


def test_one_row_of_control_variables_serves_all_rows():
    controls = pd.DataFrame({"colour": ["red", "blue"] * 30, "dose": np.arange(60.0)})
    augmenter = fast().fit(np.random.default_rng(0).normal(size=(60, 2)), controls)
    X_new, y_new = augmenter.sample(5, y=controls.iloc[0])
    assert X_new.shape == (5, 2)
    assert (y_new["colour"] == "red").all()
    assert len(augmenter.sample(y=controls.iloc[0])[0]) == 1


# --- randomness ------------------------------------------------------------------------


def test_successive_samples_differ(of_numbers):
    assert not np.array_equal(of_numbers.sample(5)[0], of_numbers.sample(5)[0])


def test_a_seed_makes_samples_repeat(of_numbers):
    assert_array_equal(of_numbers.sample(5, random_state=4)[0], of_numbers.sample(5, random_state=4)[0])


def test_the_seed_of_fit_decides_the_sequence_of_samples(numbers):
    first, second = (fast().fit(*numbers) for _ in range(2))
    for _ in range(2):
        assert_array_equal(first.sample(5)[0], second.sample(5)[0])


def test_another_seed_gives_another_model(numbers):
    first, second = (fast(random_state=seed).fit(*numbers).transform(numbers[0]) for seed in (0, 1))
    assert not np.allclose(first, second)


def test_without_a_seed_every_fit_is_new(numbers):
    first, second = (fast(random_state=None).fit(*numbers).sample(5)[0] for _ in range(2))
    assert not np.array_equal(first, second)


def test_a_random_state_object_is_advanced(of_numbers):
    stream = np.random.RandomState(0)
    first, second = (of_numbers.sample(5, random_state=stream)[0] for _ in range(2))
    assert not np.array_equal(first, second)


PROGRAM = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from made_tables import made_table, made_labels
from vaeaug import VAEAugmenter
augmenter = VAEAugmenter(max_iter=3, latent_dim=4, device="cpu", random_state=0)
augmenter.fit(made_table(300), made_labels(300))
print(hashlib.sha256(augmenter.sample(40)[0].to_json().encode()).hexdigest())
"""


def test_same_seed_same_bytes_in_another_process():
    here = Path(__file__).parent
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(here)],
        cwd=here.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    own = fast().fit(made_table(300), made_labels(300)).sample(40)[0]
    assert found.stdout.strip() == hashlib.sha256(own.to_json().encode()).hexdigest()


def stream_states():
    """Return the states of all global random streams, as bytes."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    return (
        random.getstate(),
        numpy_state[1].tobytes(),
        numpy_state[2],
        torch.get_rng_state().numpy().tobytes(),
    )


@pytest.mark.parametrize("seed", [0, None])
def test_global_random_streams_are_not_moved(numbers, seed):
    before = stream_states()
    augmenter = fast(random_state=seed).fit(*numbers)
    for method in METHODS:
        augmenter.sample(5, y=1, method=method)
        augmenter.resample(*numbers, method=method)
    augmenter.transform(numbers[0])
    augmenter.vary(numbers[0])
    augmenter.score_samples(numbers[0])
    assert stream_states() == before


@pytest.mark.parametrize("method", METHODS)
def test_global_random_streams_are_not_read(of_numbers, method):
    torch.manual_seed(1)
    first = of_numbers.sample(5, method=method, random_state=3)[0]
    torch.manual_seed(2)
    assert_array_equal(of_numbers.sample(5, method=method, random_state=3)[0], first)


# --- where new rows come from ----------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_rows_of_the_label(fitted, mixed, method):
    X_new, y_new = fitted.sample(30, y="mid", method=method, random_state=1)
    assert X_new.dtypes.equals(mixed[0].dtypes)
    assert set(y_new) == {"mid"}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_works_without_labels(numbers, method):
    X_new, _ = fast().fit(numbers[0]).sample(30, method=method)
    assert X_new.shape == (30, 3)


@pytest.mark.parametrize("method", NEEDS_A_CLASS)
def test_sources_are_rows_of_the_class(fitted, mixed, method):
    wanted = ["high"] * 20 + ["low"] * 20
    _, sources = fitted.generate(wanted, *mixed, method=method, random_state=1)
    assert sources.dtype == np.int64
    assert mixed[1].iloc[sources].tolist() == wanted


def test_draws_from_the_prior_have_no_source(fitted, mixed):
    _, sources = fitted.generate(["high"] * 5, *mixed, method="prior")
    assert_array_equal(sources, -1)


def test_by_default_real_rows_are_varied_now_and_then(fitted, mixed):
    X, y = mixed
    rows = int((y == "high").sum())
    _, sources = fitted.generate(["high"] * 400, X, y, random_state=0)
    varied = sources[sources >= 0]
    share = find_variation_shares(np.array([rows]))[0]
    # Three standard deviations of a share among 400.
    assert abs(len(varied) / 400 - share) < 0.075
    assert_array_equal(y.iloc[varied], "high")


def test_the_only_row_of_a_class_is_never_varied(fitted, mixed):
    X, y = mixed
    few = np.concatenate([np.flatnonzero(y == "high")[:1], np.flatnonzero(y != "high")])
    _, sources = fitted.generate(["high"] * 50, X.iloc[few], y.iloc[few], random_state=0)
    assert_array_equal(sources, -1)


def test_a_class_of_very_many_rows_is_hardly_varied():
    shares = find_variation_shares(np.array([0, 1, 2, 10, 100, 1_000, 100_000]))
    assert_array_equal(shares[:2], 0)
    assert (np.diff(shares[1:5]) > 0).all()
    assert (np.diff(shares[4:]) < 0).all()
    assert shares.max() < 0.5
    assert shares[-1] < 0.01


def test_sources_are_used_evenly(fitted, mixed):
    rows = int((mixed[1] == "high").sum())
    _, sources = fitted.generate(["high"] * 2 * rows, *mixed, method="posterior")
    assert (np.bincount(sources, minlength=len(mixed[0]))[mixed[1] == "high"] == 2).all()


def test_posterior_rows_resemble_their_source(numbers):
    augmenter = fast(max_iter=60, beta=0.05).fit(*numbers)
    X, y = numbers
    X_new, sources = augmenter.generate(y, X, y, method="posterior", random_state=1)
    own = np.abs(X_new - X[sources])[:, 0].mean()
    other = np.abs(X_new - X[np.roll(sources, 7)])[:, 0].mean()
    assert own < 0.7 * other


def test_generate_may_vary_rows_that_fit_has_not_seen(fitted):
    X, y = made_table(20, seed=9), made_labels(20, seed=9)
    X_new, sources = fitted.generate(y, X, y, method="posterior")
    assert len(X_new) == 20
    assert sources.max() < 20


@pytest.mark.parametrize("method", METHODS)
def test_one_row_of_a_class_is_enough(numbers, method):
    X, y = numbers[0], numbers[1].copy()
    y[:] = 0
    y[17] = 1
    X_new, _ = fast().fit(X, y).sample(10, y=1, method=method, random_state=1)
    assert np.isfinite(X_new).all()
    assert len(np.unique(X_new, axis=0)) > 1


@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.parametrize("conditions", [{}, {"where": {"kind": ["a", "b"]}}])
def test_a_lower_temperature_leaves_as_many_cells_empty(temperature, conditions):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"size": rng.normal(size=400).round(2), "kind": rng.choice(["a", "b"], 400)})
    X.loc[rng.random(400) < 0.1, "size"] = np.nan
    augmenter = VAEAugmenter(max_iter=5, random_state=0).fit(X, np.repeat([0, 1], 200))
    rows, _ = augmenter.sample(500, temperature=temperature, random_state=0, **conditions)
    assert rows["size"].isna().mean() < 0.2


@pytest.mark.parametrize("method", METHODS)
def test_lower_temperature_means_less_diversity(numbers, method):
    augmenter = fast(max_iter=20).fit(*numbers)
    spread = [
        augmenter.sample(400, y=0, method=method, temperature=temperature, random_state=1)[0][:, 2].std()
        for temperature in (0.0, 0.5, 1.0)
    ]
    assert spread[0] < spread[1] < spread[2]


# --- resampling ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "added"),
    [
        ("auto", {"high": 160 - 56, "mid": 160 - 84}),
        ("minority", {"high": 160 - 56}),
        ("not minority", {"mid": 160 - 84}),
        ("all", {"high": 160 - 56, "mid": 160 - 84}),
        ({"high": 60, "mid": 84}, {"high": 4}),
        (lambda y: {"mid": 100}, {"mid": 16}),
    ],
    ids=["auto", "minority", "not minority", "all", "dict", "callable"],
)
def test_resample_adds_what_the_strategy_asks_for(fitted, mixed, strategy, added):
    assert mixed[1].value_counts().to_dict() == {"low": 160, "mid": 84, "high": 56}
    _, y_res = fitted.resample(*mixed, sampling_strategy=strategy)
    new = y_res.iloc[len(mixed[1]) :]
    assert new.value_counts().to_dict() == added


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_resample_leaves_the_users_rows_untouched(fitted, mixed, method):
    X_res, y_res = fitted.resample(*mixed, method=method, random_state=1)
    n = len(mixed[0])
    assert_frame_equal(X_res.iloc[:n], mixed[0].reset_index(drop=True))
    assert_series_equal(y_res.iloc[:n], mixed[1].reset_index(drop=True))
    assert X_res.index.equals(pd.RangeIndex(len(X_res)))


def test_resample_keeps_an_array_an_array(container, numbers):
    X_res, y_res = fast().fit(container, numbers[1]).resample(container, numbers[1])
    assert type(X_res) is type(container)
    assert X_res.shape == (180, 3)
    assert_array_equal(np.bincount(y_res), [90, 90])


LABELS_AS = {
    "series": lambda y: y,
    "array": lambda y: y.to_numpy(),
    "list": lambda y: y.tolist(),
    "category": lambda y: y.astype("category"),
    "string": lambda y: y.astype("string"),
}


@pytest.mark.parametrize("in_fit", ["series", "array", "category"])
@pytest.mark.parametrize("in_use", list(LABELS_AS))
def test_resample_keeps_the_container_of_the_labels_it_is_given(numbers, in_fit, in_use):
    X, y = numbers[0], pd.Series(np.where(numbers[1], "rare", "common"), name="label")
    given = LABELS_AS[in_use](y)
    _, y_res = fast(max_iter=1).fit(X, LABELS_AS[in_fit](y)).resample(X, given)
    assert type(y_res) is (np.ndarray if in_use in ("list", "array") else pd.Series)
    assert len(y_res) == 180
    if in_use != "list":
        assert y_res.dtype == given.dtype
    assert set(y_res[120:]) == {"rare"}


def test_labels_in_a_frame_are_balanced_in_a_frame(numbers):
    X, y = numbers[0], pd.DataFrame({"label": numbers[1]})
    _, y_res = fast(max_iter=1).fit(X, y).resample(X, y)
    assert y_res["label"].value_counts().tolist() == [90, 90]
    assert y_res.dtypes.equals(y.dtypes)


@pytest.mark.parametrize("in_fit", ["numpy frame", "float64 array"])
@pytest.mark.filterwarnings("ignore:X .* feature names")  # frames and arrays are mixed on purpose
@pytest.mark.filterwarnings("ignore:X. most values")  # whole numbers are tens of those of fit
def test_resample_keeps_the_container_of_the_rows_it_is_given(container, numbers, in_fit):
    augmenter = fast(max_iter=1).fit(CONTAINERS[in_fit](numbers[0]), numbers[1])
    X_res, _ = augmenter.resample(container, numbers[1])
    assert type(X_res) is type(container)
    if isinstance(container, pd.DataFrame):
        assert X_res.dtypes.equals(container.dtypes)
    else:
        assert X_res.dtype == container.dtype
    assert_array_equal(np.asarray(X_res)[:120], np.asarray(container))


def test_resample_of_balanced_classes_adds_nothing(of_numbers, numbers):
    X, y = numbers[0][60:], numbers[1][60:]
    X_res, y_res = of_numbers.resample(X, y)
    assert_array_equal(X_res, X)
    assert_array_equal(y_res, y)


# --- nothing of the user's is changed --------------------------------------------------


def test_inputs_are_never_changed(mixed):
    X, y = mixed[0].copy(deep=True), mixed[1].copy(deep=True)
    weights = np.ones(len(X))
    augmenter = fast().fit(X, y, sample_weight=weights)
    augmenter.resample(X, y)
    augmenter.resample(X, y, method="interpolate")
    augmenter.transform(X)
    augmenter.vary(X, y)
    augmenter.score_samples(X, y)
    assert_frame_equal(X, mixed[0])
    assert_series_equal(y, mixed[1])
    assert (weights == 1).all()


def test_read_only_arrays_are_fine(numbers):
    X, y = numbers
    X.flags.writeable = y.flags.writeable = False
    X_res, _ = fast().fit(X, y).resample(X, y)
    assert len(X_res) == 180
