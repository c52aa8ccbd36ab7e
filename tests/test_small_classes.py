"""Classes of a few rows: what only they have is kept, and many small classes are no trouble."""

import warnings

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.errors import InputError, PosteriorCollapseWarning, UnknownLabelError, VaeaugWarning

pytestmark = pytest.mark.filterwarnings("ignore:y has classes of fewer than 5 rows")


def make_frame(n, rng):
    size = rng.normal(size=n)
    return pd.DataFrame(
        {
            "size": size,
            "age": np.rint(40 + 8 * size + rng.normal(size=n)).astype(int),
            "kind": np.where(size + 0.3 * rng.normal(size=n) > 0, "x", "y"),
            "dose": np.exp(size + 0.2 * rng.normal(size=n)),
        }
    )


@pytest.fixture(scope="module")
def new_rows():
    """400 new rows of a class of 20 rows whose sizes, kinds and missing doses no other row has."""
    rng = np.random.default_rng(0)
    X = make_frame(420, rng)
    X.loc[400:, "size"] = rng.normal(30, 4, 20)
    X.loc[400:411, "kind"] = "z"
    X.loc[400:, "dose"] = np.nan
    y = np.repeat(["many", "few"], [400, 20])
    with warnings.catch_warnings():
        # Four columns that depend on each other leave little to the codes.
        warnings.simplefilter("ignore", PosteriorCollapseWarning)
        augmenter = VAEAugmenter(random_state=0).fit(X, y)
    new, _ = augmenter.generate(["few"] * 400, X, y, random_state=0)
    return new


def test_a_category_that_only_a_small_class_has_keeps_its_rate(new_rows):
    # 12 of 20 rows: a share of .6, give or take .11.
    assert 0.35 < (new_rows["kind"] == "z").mean() < 0.85


def test_cells_that_are_missing_in_all_rows_of_a_class_are_missing_in_new_ones(new_rows):
    assert new_rows["dose"].isna().mean() > 0.9


def test_numbers_lie_where_the_class_lies(new_rows):
    # No real row of the others is above 4, and none of the class below 20. No filter drops what lies off.
    assert (new_rows["size"] > 15).mean() > 0.7
    # The spread of 20 values of standard deviation 4, not a point and not the whole range.
    assert 1.5 < new_rows.loc[new_rows["size"] > 15, "size"].std() < 6


def test_ten_classes_of_five_rows():
    rng = np.random.default_rng(0)
    X, y = make_frame(50, rng), np.repeat(np.arange(10), 5)
    X["size"] += 20.0 * y
    sampler = VAEOverSampler(sampling_strategy=dict.fromkeys(range(10), 25), random_state=0)
    X_res, y_res = sampler.fit_resample(X, y)
    assert np.bincount(y_res).tolist() == [25] * 10
    assert X_res.dtypes.equals(X.dtypes)
    new = X_res["size"].to_numpy()[sampler.is_synthetic_]
    distance = np.abs(new - 20.0 * y_res[sampler.is_synthetic_])
    # A class that is not learned would be 66 away on the mean.
    assert np.median(distance) < 20


@pytest.mark.slow  # full training
@pytest.mark.parametrize("rows", [2, 10])
def test_a_class_whose_rows_are_all_the_same(rows):
    rng = np.random.default_rng(0)
    X = make_frame(101, rng)
    X = X.iloc[[*range(100), *[100] * rows]].reset_index(drop=True)
    y = np.repeat([0, 1], [100, rows])
    X_res, y_res = VAEOverSampler(random_state=0).fit_resample(X, y)
    assert (y_res == 1).sum() == 100
    new = X_res[100 + rows :]
    assert new.notna().all(axis=None)
    assert new["size"].between(X["size"].min(), X["size"].max()).all()


def sample_quickly(X, y):
    return VAEOverSampler(VAEAugmenter(max_iter=25, random_state=0), random_state=0).fit_resample(X, y)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_class_of_one_or_two_rows_is_not_copied(rows):
    X = make_frame(100 + rows, np.random.default_rng(0))
    X.loc[100:, "size"] += 3.0
    y = np.repeat([0, 1], [100, rows])
    X_res, y_res = sample_quickly(X, y)
    assert (y_res == 1).sum() == 100
    new = X_res[100 + rows :]
    assert new.merge(X[100:]).empty
    # They come off the others, towards the class.
    assert new["size"].median() > X["size"][:100].median() + 0.8


@pytest.mark.slow  # full training
@pytest.mark.parametrize("rows", [1, 5])
def test_other_classes_whose_rows_are_all_the_same(rows):
    X = make_frame(60 + rows, np.random.default_rng(0))
    X.loc[60:, "size"] += 3.0
    X = X.iloc[[0] * 60 + list(range(60, 60 + rows))].reset_index(drop=True)
    y = np.repeat([0, 1], [60, rows])
    X_res, y_res = sample_quickly(X, y)
    assert (y_res == 1).sum() == 60
    new = X_res[60 + rows :]
    assert new["size"].between(X["size"].min(), X["size"].max()).all()
    assert set(new["kind"]) <= set(X["kind"])
    assert new["size"].std() > 0


def test_a_class_of_which_every_row_misses_some_cell():
    rng = np.random.default_rng(0)
    X = make_frame(220, rng).astype({"age": float})
    for row in range(200, 220):
        X.loc[row, ["size", "dose"][row % 2]] = np.nan
    y = np.repeat([0, 1], [200, 20])
    X_res, _ = sample_quickly(X, y)
    new = X_res[220:]
    assert new["age"].notna().all()
    # Half of the class's rows miss one, half the other; no row of the other class misses any.
    assert 0.2 < new["size"].isna().mean() < 0.8
    assert 0.2 < new["dose"].isna().mean() < 0.8


def test_a_class_without_any_value():
    X = make_frame(70, np.random.default_rng(0)).astype({"age": float})
    X.loc[60:] = np.nan
    y = np.repeat([0, 1], [60, 10])
    X_res, _ = sample_quickly(X, y)
    assert X_res[70:].isna().all(axis=None)


def test_the_largest_class_grows_too_and_others_outgrow_it():
    X, y = make_frame(60, np.random.default_rng(0)), np.repeat([0, 1], [20, 40])
    augmenter = VAEAugmenter(max_iter=1, random_state=0)
    sampler = VAEOverSampler(augmenter, sampling_strategy={0: 90, 1: 50}, random_state=0)
    assert np.bincount(sampler.fit_resample(X, y)[1]).tolist() == [90, 50]


def test_a_class_that_only_unlabelled_rows_have_is_unknown():
    X = make_frame(60, np.random.default_rng(0))
    y = pd.Series(pd.Categorical(["a"] * 40 + ["b"] * 10 + [None] * 10, categories=["a", "b", "c"]))
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
    with pytest.raises(UnknownLabelError, match="not seen: 'c'; allowed are 'a', 'b'"):
        augmenter.sample(5, y="c")
    with pytest.raises(InputError, match="must not have missing labels, got 10; drop those rows"):
        VAEOverSampler().fit_resample(X, y)
    with pytest.raises(InputError, match="'c', which is not present"):
        VAEOverSampler(sampling_strategy={"c": 50}).fit_resample(X[:50], y[:50])


def test_many_draws_of_a_tiny_class_are_guesses():
    rng = np.random.default_rng(0)
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(make_frame(41, rng), ["many"] * 40 + ["one"])
    with pytest.warns(VaeaugWarning, match=r"guesses: 'one' \(1\)\. Collect more real rows, or draw fewer"):
        augmenter.sample(50, y="one")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmenter.sample(50, y="many")
        augmenter.sample(5, y="one")
        augmenter.sample(50)
