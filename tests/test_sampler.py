"""The sampler keeps containers and dtypes, plans like imbalanced-learn, and passes its checks."""

import numpy as np
import pandas as pd
import pytest
from imblearn.ensemble import BalancedBaggingClassifier
from imblearn.pipeline import make_pipeline
from imblearn.utils.estimator_checks import estimator_checks_generator
from jitter import Jitter
from pandas.testing import assert_frame_equal, assert_series_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from vaeaug import VAEAugmenter
from vaeaug.data.labels.targets import read_labels
from vaeaug.errors import InputError
from vaeaug.filtering import LabelFilter
from vaeaug.sampler import VAEOverSampler

N = 40


def sampler(**options):
    # What the filter does is tested beside; it takes a second each time.
    return VAEOverSampler(Jitter(), **{"random_state": 0, "label_filter": None} | options)


@pytest.fixture
def y():
    return np.array(["no"] * 30 + ["yes"] * 7 + ["may"] * 3)[np.random.default_rng(1).permutation(N)]


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "float": rng.normal(size=N),
            "float32": rng.normal(size=N).astype(np.float32),
            "int8": rng.integers(0, 5, N).astype(np.int8),
            "nullable": pd.array([1, None] * 20, dtype="Int64"),
            "boolean": pd.array([True, None] * 20, dtype="boolean"),
            "category": pd.Categorical(["a", "b"] * 20, categories=["c", "b", "a"], ordered=True),
            "text": ["x", None] * 20,
            "string": pd.array(["x", None] * 20, dtype="string"),
            "time": pd.date_range("2020-01-01", periods=N, tz="Europe/Vienna"),
            "missing": [np.nan] * N,
        },
        index=np.arange(N) * 7 + 3,
    )


@pytest.fixture
def numbers():
    return make_classification(n_samples=200, weights=[0.9], class_sep=1.5, random_state=0)


# --- containers ------------------------------------------------------------------------


def test_a_frame_keeps_rows_columns_and_dtypes(frame, y):
    X_res, _ = sampler().fit_resample(frame, y)
    assert_frame_equal(X_res.iloc[:N], frame.reset_index(drop=True))
    assert X_res.dtypes.equals(frame.dtypes)
    assert isinstance(X_res.index, pd.RangeIndex)
    assert len(X_res) == 90


def test_the_input_is_not_changed(frame, y):
    before, labels = frame.copy(deep=True), y.copy()
    sampler().fit_resample(frame, y)
    assert_frame_equal(frame, before)
    np.testing.assert_array_equal(y, labels)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "bool", "object"])
def test_an_array_keeps_rows_and_dtype(y, dtype):
    X = np.random.default_rng(0).integers(0, 2, (N, 3)).astype(dtype)
    X_res, _ = sampler().fit_resample(X, y)
    np.testing.assert_array_equal(X_res[:N], X)
    assert X_res.dtype == X.dtype
    assert X_res.shape == (90, 3)


def test_images_keep_their_shape(y):
    X = np.random.default_rng(0).integers(0, 255, (N, 5, 4, 3)).astype(np.uint8)
    X_res, _ = sampler().fit_resample(X, y)
    assert X_res.shape == (90, 5, 4, 3)
    assert X_res.dtype == np.uint8


def test_lists_of_mixed_types_stay_as_they_are(y):
    X = [[i, "a", None] for i in range(N)]
    X_res, y_res = sampler().fit_resample(X, y.tolist())
    assert X_res[:N] == X
    assert {type(row[0]) for row in X_res} == {int}
    assert isinstance(y_res, list)


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: pd.Series(y, name="target", index=np.arange(N) + 100),
        lambda y: pd.Series(y, dtype="string"),
        lambda y: pd.Series(pd.Categorical(y, categories=["yes", "no", "may", "never"])),
        lambda y: pd.Series((y == "yes") + 2 * (y == "no"), dtype="Int64"),
        lambda y: pd.Series(y == "yes", dtype="boolean"),
        lambda y: (y == "no").astype(np.int8),
    ],
)
def test_labels_keep_their_dtype(frame, y, convert):
    y = convert(y)
    _, y_res = sampler().fit_resample(frame, y)
    assert y_res.dtype == y.dtype
    if isinstance(y, pd.Series):
        assert_series_equal(y_res.iloc[:N], y.reset_index(drop=True))
    assert len(set(pd.Series(y_res).value_counts().drop("never", errors="ignore"))) == 1


def test_a_sparse_frame_comes_back_sparse(y):
    X = pd.DataFrame(np.eye(N)[:, :3], dtype=pd.SparseDtype(float, 0.0))
    X_res, _ = sampler().fit_resample(X, y)
    assert all(isinstance(dtype, pd.SparseDtype) for dtype in X_res.dtypes)


# --- what it tells afterwards ----------------------------------------------------------


def test_synthetic_rows_are_marked_and_traced(frame, y):
    fitted = sampler()
    X_res, y_res = fitted.fit_resample(frame, y)
    assert fitted.is_synthetic_.tolist() == [False] * N + [True] * 50
    np.testing.assert_array_equal(fitted.source_indices_[:N], np.arange(N))
    np.testing.assert_array_equal(y[fitted.source_indices_], y_res)
    np.testing.assert_allclose(frame["float"].to_numpy()[fitted.source_indices_], X_res["float"], atol=0.1)


def test_draws_from_the_prior_have_no_source(frame, y):
    fitted = sampler(method="prior")
    fitted.fit_resample(frame, y)
    assert set(fitted.source_indices_[N:]) == {-1}


def test_the_plan_is_kept(frame, y):
    fitted = sampler(sampling_strategy={"may": 10})
    _, y_res = fitted.fit_resample(frame, y)
    assert fitted.sampling_strategy_ == {"may": 7}
    assert (y_res == "may").sum() == 10
    assert fitted.n_features_in_ == 10
    assert list(fitted.feature_names_in_) == list(frame.columns)


def test_nothing_to_add_trains_nothing(frame):
    y = np.array([0, 1] * 20)
    before = Jitter.fits
    fitted = sampler()
    X_res, y_res = fitted.fit_resample(frame, y)
    assert Jitter.fits == before
    assert_frame_equal(X_res, frame.reset_index(drop=True))
    np.testing.assert_array_equal(y_res, y)
    assert not fitted.is_synthetic_.any()


def test_the_augmenter_given_is_copied(frame, y):
    augmenter = Jitter(scale=0.5)
    fitted = VAEOverSampler(augmenter).fit(frame, y)
    fitted.fit_resample(frame, y)
    assert not hasattr(augmenter, "seen_")
    assert fitted.augmenter_.scale == 0.5


# --- randomness ------------------------------------------------------------------------


def test_one_seed_decides_everything(frame, y):
    one, two, other = (VAEOverSampler(Jitter(), random_state=seed) for seed in (0, 0, 1))
    assert_frame_equal(one.fit_resample(frame, y)[0], two.fit_resample(frame, y)[0])
    assert not one.fit_resample(frame, y)[0].equals(other.fit_resample(frame, y)[0])
    assert one.augmenter_.fit_seed_ == two.augmenter_.fit_seed_ is not None


def test_an_augmenter_with_a_seed_keeps_it(frame, y):
    fitted = VAEOverSampler(Jitter(random_state=7), random_state=0)
    fitted.fit_resample(frame, y)
    assert fitted.augmenter_.fit_seed_ == 7


def test_without_a_seed_draws_differ(frame, y):
    fitted = VAEOverSampler(Jitter(random_state=7))
    assert not fitted.fit_resample(frame, y)[0].equals(fitted.fit_resample(frame, y)[0])


# --- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize("X", [sparse.csr_matrix(np.eye(3)), sparse.csr_array(np.eye(3))])
def test_sparse_matrices_are_refused(X):
    with pytest.raises(InputError, match=r"must be dense.*toarray"):
        sampler().fit_resample(X, [0, 1, 1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        ([0] * N, "more than 1 class"),
        ([0, 1], "inconsistent numbers of samples"),
        ([0, None] * 20, "missing labels, got 20"),
        (np.linspace(0, 1, N), "Unknown label type"),
        (np.ones((N, 2), dtype=int), "Multilabel and multioutput targets are not supported"),
    ],
)
def test_labels_that_cannot_be_used(frame, y, message):
    with pytest.raises(ValueError, match=message):
        sampler().fit_resample(frame, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "smote"}, "method must be one of 'auto', 'prior'"),
        ({"sampling_strategy": "most"}, "sampling_strategy must be one of"),
        ({"sampling_strategy": {"z": 3}}, "class 'z', which is not present"),
    ],
)
def test_parameters_that_cannot_be_used(frame, y, options, message):
    before = Jitter.fits
    with pytest.raises(InputError, match=message):
        sampler(**options).fit_resample(frame, y)
    assert Jitter.fits == before


def test_an_augmenter_that_is_none(frame, y):
    with pytest.raises(InputError, match=r"augmenter must have generate\(\).*got LogisticRegression"):
        VAEOverSampler(LogisticRegression()).fit_resample(frame, y)


def test_an_empty_frame_is_refused(frame):
    with pytest.raises(ValueError, match="at least 1 row|0 sample"):
        sampler().fit_resample(frame.iloc[:0], [])


def test_labels_of_an_indicator_matrix():
    np.testing.assert_array_equal(read_labels([[0, 1, 0], [1, 0, 0]]), [1, 0])


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, lambda y: np.asarray(y, dtype=bool)])
def test_rows_of_an_indicator_matrix_without_a_class_are_refused(frame, container):
    y = np.eye(3, dtype=int)[np.arange(len(frame)) % 3]
    y[[4, 9]] = 0
    with pytest.raises(InputError, match=rf"2 of its {len(frame)} rows hold zeros only, the first in row 4"):
        sampler().fit_resample(frame, container(y))


@pytest.mark.filterwarnings("ignore::vaeaug.errors.ColumnNote")
def test_new_rows_have_identifiers_of_their_own():
    rng = np.random.default_rng(0)
    keys = [f"K{i:05d}" for i in range(60)]
    X = pd.DataFrame({"key": keys, "a": rng.normal(size=60), "b": rng.normal(size=60)})
    augmenter = VAEAugmenter(max_iter=1, random_state=0)
    twice = VAEOverSampler(augmenter, label_filter=LabelFilter(), random_state=0)
    found, _ = twice.fit_resample(X, np.repeat(["no", "yes"], [44, 16]))
    assert found["key"].is_unique


# --- conformance -----------------------------------------------------------------------


@parametrize_with_checks([VAEOverSampler(Jitter(), random_state=0, label_filter=None)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    estimator_checks_generator(VAEOverSampler(Jitter(), random_state=0, label_filter=None)),
    ids=lambda value: getattr(getattr(value, "func", None), "__name__", ""),
)
def test_imbalanced_learns_checks(estimator, check):
    check(estimator)


def test_as_a_step_of_imbalanced_learns_pipeline(numbers):
    X, y = numbers
    model = make_pipeline(sampler(), LogisticRegression())
    scores = cross_val_score(model, X, y, scoring="balanced_accuracy", error_score="raise")
    assert scores.mean() > 0.7
    search = GridSearchCV(
        model, {"vaeoversampler__augmenter__scale": [0.1, 1.0]}, scoring="roc_auc", error_score="raise"
    )
    search.fit(X, y)
    assert search.best_params_["vaeoversampler__augmenter__scale"] in (0.1, 1.0)


def test_in_a_balanced_bagging_ensemble(numbers):
    X, y = numbers
    model = BalancedBaggingClassifier(
        LogisticRegression(), sampler=sampler(), n_estimators=3, random_state=0
    ).fit(X, y)
    assert model.predict(X).shape == y.shape
    steps = [pipeline[0] for pipeline in model.estimators_]
    assert all(step.is_synthetic_.any() for step in steps)
    assert len({step.random_state for step in steps}) == 3


def test_clone_keeps_parameters():
    copy = clone(sampler(sampling_strategy=0.5, method="prior"))
    assert copy.get_params()["augmenter__scale"] == 0.01
    assert (copy.sampling_strategy, copy.method, copy.random_state) == (0.5, "prior", 0)
