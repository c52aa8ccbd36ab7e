"""Codes and what is made of them: transform, inverse_transform, reconstruct, vary, score_samples."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.datasets import load_wine
from sklearn.metrics import roc_auc_score

from vaeaug import VAEAugmenter


def fast(**parameters):
    return VAEAugmenter(max_iter=3, latent_dim=4, device="cpu", random_state=0).set_params(**parameters)


@pytest.fixture(scope="module")
def fitted(mixed):
    return fast(max_iter=30).fit(*mixed)


@pytest.fixture(scope="module")
def wine():
    return load_wine(as_frame=True, return_X_y=True)


@pytest.fixture(scope="module")
def of_wine(wine):
    return VAEAugmenter(max_iter=60, beta=0.3, device="cpu", random_state=0).fit(*wine)


# --- codes -----------------------------------------------------------------------------


def test_transform_returns_one_code_per_row(fitted, mixed):
    codes = fitted.transform(mixed[0])
    assert codes.shape == (300, 4)
    assert codes.dtype == np.float64


def test_transform_is_deterministic(fitted, mixed):
    assert_array_equal(fitted.transform(mixed[0]), fitted.transform(mixed[0]))


def test_a_code_does_not_depend_on_the_rows_beside_it(fitted, mixed):
    assert_allclose(fitted.transform(mixed[0])[40:50], fitted.transform(mixed[0].iloc[40:50]), rtol=1e-12)


def test_values_unseen_in_fit_have_a_code(fitted, mixed):
    X = mixed[0].astype({"town": object}).copy()
    X.loc[5, "town"] = "Oslo"
    X.loc[5, "size"] = 1e9
    assert np.isfinite(fitted.transform(X)).all()


def test_no_rows_give_no_codes(fitted, mixed):
    assert fitted.transform(mixed[0].iloc[:0]).shape == (0, 4)


def test_inverse_transform_gives_rows_of_the_container(fitted, mixed):
    X = fitted.inverse_transform(np.zeros((7, 4)), y="mid")
    assert X.shape == (7, mixed[0].shape[1])
    assert X.dtypes.equals(mixed[0].dtypes)


def test_inverse_transform_is_deterministic(fitted):
    codes = np.random.default_rng(0).normal(size=(9, 4))
    assert_frame_equal(fitted.inverse_transform(codes), fitted.inverse_transform(codes))


def test_inverse_transform_takes_a_frame_of_codes(fitted):
    codes = pd.DataFrame(np.zeros((3, 4)), columns=fitted.get_feature_names_out())
    assert len(fitted.inverse_transform(codes)) == 3


# --- rows from rows --------------------------------------------------------------------


def share_of_equal_cells(A, B):
    return (A.reset_index(drop=True) == B.reset_index(drop=True)).to_numpy(dtype=bool, na_value=False).mean()


def test_reconstruction_is_nearer_than_a_random_row(fitted, mixed):
    X, y = mixed
    columns = ["kind", "town", "flag", "count"]
    made = fitted.reconstruct(X, y)[columns].astype(object)
    real = X[columns].astype(object)
    shuffled = real.sample(frac=1, random_state=0)
    assert share_of_equal_cells(made, real) > share_of_equal_cells(shuffled, real) + 0.1


def test_reconstruction_keeps_dtypes_and_index(fitted, mixed):
    made = fitted.reconstruct(mixed[0])
    assert made.dtypes.equals(mixed[0].dtypes)
    assert made.index.equals(mixed[0].index)


def test_reconstruction_is_deterministic_and_leaves_the_sequence_of_samples(numbers):
    first, second = (fast().fit(*numbers) for _ in range(2))
    assert_array_equal(first.reconstruct(numbers[0]), first.reconstruct(numbers[0]))
    assert_array_equal(first.sample(3)[0], second.sample(3)[0])


def test_variation_of_strength_zero_is_the_reconstruction(fitted, mixed):
    X, y = mixed
    assert_frame_equal(fitted.vary(X, y, strength=0), fitted.reconstruct(X, y))


def test_variations_differ_from_call_to_call_unless_seeded(fitted, mixed):
    first, second = fitted.vary(mixed[0]), fitted.vary(mixed[0])
    assert not first.equals(second)
    assert_frame_equal(fitted.vary(mixed[0], random_state=1), fitted.vary(mixed[0], random_state=1))


def test_more_strength_moves_rows_further(of_wine, wine):
    X, y = wine
    scale = X.std()
    moved = [
        ((of_wine.vary(X, y, strength=strength, random_state=1) - X).abs() / scale).to_numpy().mean()
        for strength in (0.0, 0.5, 3.0)
    ]
    assert moved[0] < moved[1] < moved[2]


def test_one_label_may_serve_all_rows(fitted, mixed):
    assert_frame_equal(
        fitted.vary(mixed[0], "low", random_state=1), fitted.vary(mixed[0], ["low"] * 300, random_state=1)
    )


# --- scores ----------------------------------------------------------------------------


def test_scores_rank_real_rows_above_rows_with_broken_dependence(of_wine, wine):
    X, y = wine
    rng = np.random.default_rng(0)
    broken = X.apply(lambda column: rng.permutation(column.to_numpy()))
    scores = np.concatenate([of_wine.score_samples(X, y), of_wine.score_samples(broken, y)])
    assert roc_auc_score(np.repeat([1, 0], len(X)), scores) > 0.85  # measured: .93 to .97 over seeds


def test_a_score_depends_on_its_row_only(of_wine, wine):
    X, y = wine
    assert_allclose(
        of_wine.score_samples(X, y)[50:60], of_wine.score_samples(X.iloc[50:60], y.iloc[50:60]), rtol=1e-10
    )


def test_the_right_label_scores_higher(of_wine, wine):
    X, y = wine
    assert of_wine.score_samples(X, y).mean() > of_wine.score_samples(X, (y + 1) % 3).mean() + 1


def test_more_draws_tighten_the_bound(of_wine, wine):
    X, y = wine
    few, many = (of_wine.score_samples(X, y, n_draws=draws).mean() for draws in (1, 32))
    assert few < many
