"""The sampler and the classifier with the real augmenter, made tiny: every check, every pipeline."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from imblearn.ensemble import BalancedBaggingClassifier
from imblearn.pipeline import make_pipeline as imblearn_pipeline
from imblearn.utils.estimator_checks import estimator_checks_generator
from pandas.testing import assert_frame_equal
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import check_dataframe_column_names_consistency, parametrize_with_checks

from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler
from vaeaug.recipe import Recipe
from vaeaug.training.runtime import limit_threads


def tiny(**options):
    network = Recipe("residual", width=16, depth=1, dependence=16)
    return VAEAugmenter(max_iter=2, batch_size=256, latent_dim=2, network=network, device="cpu", **options)


def sampler(**options):
    # The filter of labels has tests of its own, and costs as much as the rest.
    return VAEOverSampler(tiny(), **{"random_state": 0, "label_filter": None} | options)


@pytest.fixture(scope="module")
def numbers():
    return make_classification(n_samples=150, n_features=4, weights=[0.8], flip_y=0, random_state=0)


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    n = 120
    X = pd.DataFrame(
        {
            "amount": rng.normal(size=n).round(2),
            "missing": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "count": pd.array(rng.integers(0, 9, n), dtype="Int64"),
            "city": pd.Categorical(rng.choice(["Graz", "Linz", "Wien"], n)),
            "flag": rng.random(n) < 0.5,
        }
    )
    return X, np.where(X["amount"] + rng.normal(size=n) > 1.6, "yes", "no")


# --- conformance -----------------------------------------------------------------------

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "A row of weight 2 is one row to vary and to count, a row given twice is two: "
        "how many rows a class gets is counted in rows, as in imbalanced-learn."
    ),
}


@parametrize_with_checks(
    [sampler(), AugmentedClassifier(LogisticRegression(), sampler())],
    expected_failed_checks=lambda estimator: (
        EXPECTED_FAILURES if isinstance(estimator, AugmentedClassifier) else {}
    ),
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def check_name(value):
    return getattr(getattr(value, "func", None), "__name__", type(value).__name__)


@pytest.mark.slow  # hundreds of fits
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        *estimator_checks_generator(sampler()),
        *estimator_checks_generator(AugmentedClassifier(LogisticRegression(max_iter=1000), sampler())),
    ],
    ids=check_name,
)
def test_imbalanced_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator", [sampler(), AugmentedClassifier(LogisticRegression(), sampler())], ids=check_name
)
def test_column_names_are_checked(estimator):
    """A check that scikit-learn runs on itself and leaves out of the list for others."""
    check_dataframe_column_names_consistency(type(estimator).__name__, estimator)


# --- data ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "prior", "posterior", "interpolate"])
def test_a_mixed_frame_comes_back_with_its_dtypes(mixed, method):
    X, y = mixed
    fitted = sampler(method=method, label_filter="auto")
    X_res, y_res = fitted.fit_resample(X, y)
    assert_frame_equal(X_res.iloc[: len(X)], X)
    assert X_res.dtypes.equals(X.dtypes)
    assert (y_res == "yes").sum() == (y_res == "no").sum() == (y == "no").sum()
    sources = fitted.source_indices_[fitted.is_synthetic_]
    if method == "prior":
        assert set(sources) == {-1}
    else:
        assert (sources == -1).any() == (method == "auto")
        assert set(y[sources[sources >= 0]]) == {"yes"}


@pytest.mark.parametrize("dtype", ["float32", "int16", "bool", "object", "str"])
def test_an_array_comes_back_with_its_dtype_and_its_values(dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (60, 3)).astype(dtype)
    X_res, _ = sampler().fit_resample(X, [0] * 50 + [1] * 10)
    assert X_res.dtype == X.dtype
    np.testing.assert_array_equal(X_res[:60], X)
    assert set(X_res.ravel().tolist()) == set(X.ravel().tolist())


@pytest.mark.parametrize("rare", [1, 2, 5])
def test_very_few_rows_of_a_class(mixed, rare):
    X, y = mixed
    kept = np.concatenate([np.flatnonzero(y == "no"), np.flatnonzero(y == "yes")[:rare]])
    _, y_res = sampler(label_filter="auto").fit_resample(X.iloc[kept], y[kept])
    assert (y_res == "yes").sum() == (y_res == "no").sum()


@pytest.mark.slow  # two processes
def test_one_seed_one_result_in_another_process_too(mixed):
    """With equally many threads: sums over threads round differently in the last bit."""
    with limit_threads(1):
        here = sampler().fit_resample(*mixed)[0]
    there = joblib.Parallel(n_jobs=2)([joblib.delayed(sampler().fit_resample)(*mixed)])[0][0]
    assert_frame_equal(here, there)


# --- pipelines -------------------------------------------------------------------------


def encoder():
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include=["category"])),
        remainder="passthrough",
    )


@pytest.mark.slow  # two cross-validations
def test_the_plain_pipeline_scores_like_imbalanced_learns(numbers):
    X, y = numbers
    ours = make_pipeline(StandardScaler(), AugmentedClassifier(LogisticRegression(), sampler()))
    theirs = imblearn_pipeline(StandardScaler(), sampler(), LogisticRegression())
    scores = [cross_val_score(m, X, y, scoring="f1", error_score="raise", cv=3) for m in (ours, theirs)]
    np.testing.assert_array_equal(*scores)


def test_mixed_data_in_cross_validation(mixed):
    model = AugmentedClassifier(
        make_pipeline(encoder(), HistGradientBoostingClassifier(max_iter=5)), sampler(), synthetic_weight=0.5
    )
    scores = cross_val_score(model, *mixed, scoring="roc_auc", cv=3, error_score="raise")
    assert np.isfinite(scores).all()


@pytest.mark.slow  # grids
@pytest.mark.parametrize(("kind", "n_jobs"), [("plain", 1), ("plain", 2), ("imbalanced-learn", 1)])
def test_grid_search(numbers, kind, n_jobs):
    X, y = numbers
    if kind == "plain":
        model, prefix = AugmentedClassifier(LogisticRegression(), sampler()), "sampler__"
    else:
        model, prefix = imblearn_pipeline(sampler(), LogisticRegression()), "vaeoversampler__"
    grid = [
        {f"{prefix}augmenter__latent_dim": [size], f"{prefix}method": [method]}
        for size, method in ((1, "prior"), (2, "interpolate"))
    ]
    search = GridSearchCV(model, grid, scoring="roc_auc", cv=2, n_jobs=n_jobs, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_balanced_bagging(numbers):
    X, y = numbers
    model = BalancedBaggingClassifier(
        LogisticRegression(), sampler=sampler(), n_estimators=2, random_state=0, n_jobs=2
    ).fit(X, y)
    assert model.score(X, y) > 0.7


def test_fitted_estimators_are_pickled(mixed):
    X, y = mixed
    fitted = sampler()
    fitted.fit_resample(X, y)
    model = AugmentedClassifier(make_pipeline(encoder(), HistGradientBoostingClassifier()), sampler()).fit(
        X, y
    )
    copy, again = pickle.loads(pickle.dumps((fitted, model)))
    assert_frame_equal(
        copy.augmenter_.sample(3, y="yes", random_state=0)[0],
        fitted.augmenter_.sample(3, y="yes", random_state=0)[0],
    )
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
