"""VAEAugmenter is a scikit-learn estimator: the checks of scikit-learn, and what its users rely on."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from vaeaug import Recipe, VAEAugmenter
from vaeaug.model.fitted import get_fitted

CHECKED = VAEAugmenter(
    max_iter=1, network=Recipe("residual", width=16, depth=1, dependence=16), device="cpu", random_state=0
)

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "training is stochastic gradient descent on minibatches: a row of weight 2 is in one batch, "
        "two copies of it may be in two"
    ),
}

#: Checks that scikit-learn runs on its own estimators, outside check_estimator.
EXTRA = [
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


def fast(**parameters):
    return VAEAugmenter(max_iter=1, device="cpu", random_state=0).set_params(**parameters)


@pytest.fixture(scope="module")
def fitted(mixed):
    return fast(latent_dim=3).fit(*mixed)


# Some checks take the first column of X for y.
@pytest.mark.filterwarnings("ignore:X has columns that are the labels")
@parametrize_with_checks([CHECKED], expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_scikit_learn_check(estimator, check):
    check(estimator)


# Some of these fit an array and transform a frame on purpose, or the other way about, and
# scikit-learn warns of that.
@pytest.mark.filterwarnings("ignore:X has feature names, but VAEAugmenter was fitted without")
@pytest.mark.filterwarnings("ignore:X does not have valid feature names, but VAEAugmenter was fitted")
@pytest.mark.parametrize("name", EXTRA)
def test_check_that_scikit_learn_runs_on_itself(name):
    getattr(estimator_checks, name)("VAEAugmenter", clone(CHECKED))


def test_default_parameters_survive_a_clone():
    original = VAEAugmenter()
    assert clone(original).get_params() == original.get_params()


def test_clone_keeps_a_recipe():
    original = VAEAugmenter(prior=Recipe("mixture", components=4))
    assert clone(original).prior == Recipe("mixture", components=4)


def test_set_params_takes_a_recipe(numbers):
    augmenter = fast().set_params(prior=Recipe("mixture", components=4)).fit(*numbers)
    assert get_fitted(augmenter).model.vae.latent.prior.components == 4


def test_repr_shows_what_is_not_the_default():
    shown = repr(VAEAugmenter(latent_dim=3, prior=Recipe("mixture", components=4)))
    assert shown == "VAEAugmenter(latent_dim=3, prior=Recipe('mixture', components=4))"


def test_html_repr_is_drawn():
    assert "VAEAugmenter" in VAEAugmenter()._repr_html_()


@pytest.mark.parametrize(
    "copied",
    [
        pytest.param(lambda fitted, path: pickle.loads(pickle.dumps(fitted)), id="pickle"),
        pytest.param(lambda fitted, path: copy.deepcopy(fitted), id="deepcopy"),
        pytest.param(lambda fitted, path: joblib.load(joblib.dump(fitted, path)[0]), id="joblib"),
    ],
)
def test_copy_makes_the_same_rows(copied, fitted, mixed, tmp_path):
    twin = copied(fitted, tmp_path / "model.joblib")
    X, y = fitted.sample(20, random_state=3)
    X_twin, y_twin = twin.sample(20, random_state=3)
    pd.testing.assert_frame_equal(X, X_twin)
    pd.testing.assert_series_equal(y, y_twin)
    assert_array_equal(fitted.transform(mixed[0]), twin.transform(mixed[0]))


def test_copy_continues_the_sequence_of_samples(numbers):
    augmenter = fast().fit(*numbers)
    augmenter.sample(3)
    twin = pickle.loads(pickle.dumps(augmenter))
    assert_array_equal(augmenter.sample(3)[0], twin.sample(3)[0])


def test_pickle_of_a_cpu_model_stays_on_the_cpu(numbers):
    twin = pickle.loads(pickle.dumps(fast().fit(*numbers)))
    assert get_fitted(twin).model.runtime.device.type == "cpu"


def test_set_output_gives_named_codes(fitted, mixed):
    twin = copy.deepcopy(fitted).set_output(transform="pandas")
    codes = twin.transform(mixed[0])
    assert list(codes.columns) == ["vaeaugmenter0", "vaeaugmenter1", "vaeaugmenter2"]
    assert codes.index.equals(mixed[0].index)


def test_grid_search_in_a_plain_pipeline(mixed):
    X, y = mixed[0].iloc[:60], mixed[1][:60]
    pipeline = make_pipeline(fast(), LogisticRegression())
    search = GridSearchCV(pipeline, {"vaeaugmenter__latent_dim": [2, 4]}, cv=2).fit(X, y)
    assert search.predict(X).shape == y.shape
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_refit_forgets_the_first_fit(numbers, mixed):
    again = fast().fit(*mixed).fit(*numbers)
    once = fast().fit(*numbers)
    assert not hasattr(again, "feature_names_in_")
    assert_array_equal(again.sample(5)[0], once.sample(5)[0])
