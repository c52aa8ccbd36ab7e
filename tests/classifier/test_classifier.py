"""Resampling inside fit only, honest probabilities, weights that arrive, and scikit-learn's checks."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.combine import SMOTEENN
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as imblearn_pipeline
from imblearn.under_sampling import RandomUnderSampler
from imblearn.utils.estimator_checks import estimator_checks_generator
from jitter import Jitter
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, make_scorer, recall_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import vaeaug.classifier.selection
from vaeaug.classifier.augmented import AugmentedClassifier
from vaeaug.errors import InputError
from vaeaug.sampler import VAEOverSampler


def sampler(**options):
    return VAEOverSampler(Jitter(), random_state=0, label_filter=None, **options)


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what it was fitted on."""

    def fit(self, X, y, sample_weight=None):
        self.X_, self.y_, self.weight_ = X, np.asarray(y), sample_weight
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


@pytest.fixture(scope="module")
def rare():
    """Two overlapping classes, 5 % of the rows in the second."""
    return make_classification(
        n_samples=4000,
        n_features=6,
        n_informative=4,
        weights=[0.95],
        flip_y=0.02,
        class_sep=0.8,
        random_state=0,
    )


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=10), "b": rng.normal(size=10)})
    return X, np.array([0] * 8 + [1] * 2)


def test_the_target_may_be_the_name_of_a_column(small):
    X, y = small
    named = X.assign(churn=y)
    model = AugmentedClassifier(LogisticRegression(), sampler())
    expected = clone(model).fit(X, y).predict_proba(X)
    model.fit(named, "churn")
    for rows in (X, named):  # the target may stay
        np.testing.assert_array_equal(model.predict_proba(rows), expected)
    assert model.n_features_in_ == 2
    with pytest.raises(InputError, match="Did you mean 'churn'"):
        model.fit(named, "Churn")


class Untouched(BaseEstimator):
    """A sampler that must not be reached."""

    def fit_resample(self, X, y):
        raise AssertionError("the long work has begun")


ODD = {
    "text": (
        {"c": ["u", "v"] * 20},
        "could not convert string to float.*They hold text or categories in 'c'",
    ),
    "dates": ({"c": pd.date_range("2020", periods=40)}, "They hold dates in 'c'"),
    "missing cells": ({"c": [np.nan, *range(39)]}, "contains NaN.*They hold missing cells in 'c'"),
    "one missing cell of many": ({"c": [*np.arange(39.0), np.nan]}, "They hold missing cells in 'c'"),
    "categories": ({"c": pd.Categorical(["u", "v"] * 20)}, "text or categories in 'c'"),
    "durations": ({"c": pd.to_timedelta(range(40), "D")}, "text or categories in 'c'"),
}


@pytest.mark.parametrize("case", ODD)
def test_a_classifier_that_cannot_read_the_cells_is_found_out_before_the_work(case):
    columns, says = ODD[case]
    X = pd.DataFrame({"a": np.arange(40.0), **columns})
    y = np.arange(40) % 4 == 0
    with pytest.raises(InputError, match=f"AugmentedClassifier: LogisticRegression cannot be.*{says}"):
        AugmentedClassifier(LogisticRegression(), Untouched()).fit(X, y)
    if case != "missing cells":
        return
    with pytest.raises(InputError, match="hold missing cells; what a classifier does not read"):
        AugmentedClassifier(LogisticRegression(), Untouched()).fit(X.to_numpy(), y)


def test_a_classifier_that_wants_more_than_some_rows_is_asked_with_all_of_them():
    class Greedy(Recorder):
        def fit(self, X, y, sample_weight=None):
            if len(X) < 300:
                raise ValueError("more rows, please")
            return super().fit(X, y)

    X = pd.DataFrame({"a": np.arange(400.0) / 3, "b": ["u", "v"] * 200})
    model = AugmentedClassifier(Greedy(), sampler()).fit(X, np.arange(400) % 4 == 0)
    assert len(model.estimator_.X_) == 600


def test_plain_numbers_are_not_tried_beforehand(small):
    fits = []

    class Counting(Recorder):
        def fit(self, X, y, sample_weight=None):
            fits.append(len(X))
            return super().fit(X, y)

    AugmentedClassifier(Counting(), sampler()).fit(*small)
    assert fits == [16]


def test_the_trial_leaves_numpys_stream_alone(small):
    X = small[0].assign(c=["u", "v"] * 5)
    model = make_pipeline(make_column_transformer((OneHotEncoder(), ["c"])), RandomForestClassifier(3))
    np.random.seed(0)  # noqa: NPY002 - the stream of the caller
    AugmentedClassifier(model.set_params(randomforestclassifier__random_state=0), sampler()).fit(X, small[1])
    after = np.random.random()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    assert after == np.random.random()  # noqa: NPY002


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_a_column_without_a_value_stops_no_classifier(container):
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=60), np.full(60, np.nan)])
    y = np.arange(60) % 3 == 0
    model = AugmentedClassifier(HistGradientBoostingClassifier(max_iter=3), sampler())
    model.fit(container(rows), y)
    filled = np.nan_to_num(rows, nan=5.0)
    np.testing.assert_array_equal(
        model.predict_proba(container(rows)), model.predict_proba(container(filled))
    )


@pytest.mark.parametrize("kind", [sampler, lambda: "auto"], ids=["a sampler", "auto"])
def test_polars_frames(kind, monkeypatch):
    polars = pytest.importorskip("polars")
    monkeypatch.setattr(vaeaug.classifier.selection, "VAEOverSampler", sampler)
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=60), "b": rng.integers(0, 9, 60)})
    y = pd.Series(np.where(rng.random(60) < 0.3, "yes", "no"), name="y")
    models = [
        AugmentedClassifier(HistGradientBoostingClassifier(max_iter=3), kind(), random_state=0).fit(*data)
        for data in ((X, y), (polars.from_pandas(X), polars.from_pandas(y)))
    ]
    assert models[1].feature_names_in_.tolist() == ["a", "b"]
    expected = models[0].predict_proba(X)
    np.testing.assert_allclose(models[1].predict_proba(polars.from_pandas(X)), expected)


def test_tables_that_are_none_are_refused_in_a_sentence(small):
    X, y = small
    model = AugmentedClassifier(LogisticRegression(), sampler())
    with pytest.raises(InputError, match=r"X is a dict; pass pandas.DataFrame\(X\)"):
        model.fit(dict(X), y)
    with pytest.raises(InputError, match="X has columns named twice: 'a'"):
        model.fit(X.set_axis(["a", "a"], axis=1), y)


# --- what it promises ------------------------------------------------------------------


def test_predict_finds_the_rare_class_and_probabilities_stay_honest(rare):
    X_train, X_test, y_train, y_test = train_test_split(*rare, random_state=0, stratify=rare[1])
    plain = LogisticRegression().fit(X_train, y_train)
    model = AugmentedClassifier(LogisticRegression(), sampler()).fit(X_train, y_train)
    raw = AugmentedClassifier(LogisticRegression(), sampler(), prior_correction=False).fit(X_train, y_train)
    assert recall_score(y_test, model.predict(X_test)) > recall_score(y_test, plain.predict(X_test)) + 0.3
    losses = [log_loss(y_test, fitted.predict_proba(X_test)) for fitted in (plain, model, raw)]
    assert losses[1] < losses[0] + 0.02
    assert losses[1] < losses[2] - 0.2
    assert model.predict_proba(X_test)[:, 1].mean() == pytest.approx(y_test.mean(), abs=0.03)


def test_the_correction_is_bayes_rule(rare):
    X, y = rare
    model = AugmentedClassifier(LogisticRegression(), sampler()).fit(X, y)
    trained = model.estimator_.predict_proba(X)
    rate = (y == 1).mean()
    odds = trained[:, 1] / trained[:, 0] * rate / (1 - rate)
    np.testing.assert_allclose(model.class_prior_, [1 - rate, rate])
    np.testing.assert_allclose(model.training_prior_, [0.5, 0.5])
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], odds / (1 + odds), rtol=1e-12)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), rtol=1e-12)


def test_a_dummy_trained_on_balanced_rows_gives_the_true_shares():
    X = np.zeros((100, 1))
    y = np.repeat(["a", "b", "c"], [70, 20, 10])
    model = AugmentedClassifier(DummyClassifier(strategy="prior"), sampler()).fit(X, y)
    np.testing.assert_allclose(model.estimator_.predict_proba(X[:1])[0], [1 / 3] * 3)
    np.testing.assert_allclose(model.predict_proba(X[:1])[0], [0.7, 0.2, 0.1])


@pytest.mark.parametrize("correction", [True, False])
def test_predict_is_the_resampled_classifiers_own(rare, correction):
    X, y = rare
    model = AugmentedClassifier(LogisticRegression(), sampler(), prior_correction=correction).fit(X, y)
    by_hand = LogisticRegression().fit(*sampler().fit_resample(X, y))
    np.testing.assert_array_equal(model.predict(X), by_hand.predict(X))
    np.testing.assert_array_equal(model.decision_function(X), by_hand.decision_function(X))
    agrees = model.classes_[model.predict_proba(X).argmax(axis=1)] == model.predict(X)
    assert agrees.all() == (not correction)


@pytest.mark.parametrize("correction", [True, False])
def test_a_blend_is_the_geometric_mean_of_two_classifiers(rare, correction):
    X, y = rare
    parts = LogisticRegression(), sampler()
    model = AugmentedClassifier(*parts, blend=True, prior_correction=correction).fit(X, y)
    plain, ours = LogisticRegression().fit(X, y), AugmentedClassifier(*parts).fit(X, y)
    corrected = ours.predict_proba(X), ours.estimator_.predict_proba(X)
    odds = [p[:, 1] / p[:, 0] for p in (plain.predict_proba(X), *corrected)]
    raw = np.sqrt(odds[0] * odds[2])
    told = np.sqrt(odds[0] * odds[1]) if correction else raw
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], told / (1 + told), rtol=1e-9, atol=2e-6)
    np.testing.assert_array_equal(model.predict(X), (raw > 1).astype(int))
    np.testing.assert_array_equal(model.decision_function(X) > 0, raw > 1)


def test_a_blend_weighs_rows_in_both_classifiers():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), np.repeat([0, 1], [48, 12])
    X[y == 1] += 1
    model = AugmentedClassifier(LogisticRegression(), sampler(), blend=True)
    even, heavy = (
        clone(model).fit(X, y, sample_weight=np.where(y == 0, weight, 1.0)) for weight in (1.0, 5.0)
    )
    for (before, _), (after, _) in zip(even.estimator_.members, heavy.estimator_.members, strict=True):
        assert (after.predict_proba(X)[:, 0] > before.predict_proba(X)[:, 0]).all()
    assert (heavy.predict_proba(X)[:, 0] > even.predict_proba(X)[:, 0]).all()


def test_a_blend_needs_probabilities(small):
    with pytest.raises(InputError, match="blend=True needs a classifier with predict_proba.*LinearSVC"):
        AugmentedClassifier(LinearSVC(), sampler(), blend=True).fit(*small)


def test_without_synthetic_rows_it_is_the_plain_classifier():
    X, y = make_classification(n_samples=200, flip_y=0, random_state=0)
    assert y.sum() == 100
    model = AugmentedClassifier(LogisticRegression(), sampler()).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), LogisticRegression().fit(X, y).predict_proba(X))


def test_it_scores_like_imbalanced_learns_pipeline(rare):
    X, y = rare
    ours = cross_val_score(
        AugmentedClassifier(LogisticRegression(), SMOTE(random_state=0)), X, y, scoring="f1"
    )
    theirs = cross_val_score(
        imblearn_pipeline(SMOTE(random_state=0), LogisticRegression()), X, y, scoring="f1"
    )
    np.testing.assert_array_equal(ours, theirs)


def test_test_folds_are_never_resampled(rare):
    X, y = rare
    assert len(cross_val_predict(AugmentedClassifier(LogisticRegression(), sampler()), X, y)) == len(y)


# --- weights ---------------------------------------------------------------------------


def test_synthetic_rows_get_their_weight(small):
    model = AugmentedClassifier(Recorder(), sampler(), synthetic_weight=0.25).fit(*small)
    np.testing.assert_array_equal(model.estimator_.weight_, [1.0] * 10 + [0.25] * 6)
    np.testing.assert_allclose(model.training_prior_, [8 / 11.5, 3.5 / 11.5])


def test_synthetic_rows_weigh_the_mean_of_their_class(small):
    weight = np.array([1.0] * 8 + [2.0, 6.0])
    model = AugmentedClassifier(Recorder(), sampler(), synthetic_weight=0.5).fit(*small, sample_weight=weight)
    np.testing.assert_array_equal(model.estimator_.weight_, [*weight, *[2.0] * 6])
    np.testing.assert_allclose(model.class_prior_, [0.5, 0.5])


def test_no_weights_are_passed_when_there_are_none(small):
    assert AugmentedClassifier(Recorder(), sampler()).fit(*small).estimator_.weight_ is None


def test_rows_of_no_weight_are_not_varied(small):
    X, y = small
    model = AugmentedClassifier(Recorder(), sampler()).fit(X, y, sample_weight=[1] * 9 + [0])
    assert len(model.sampler_.is_synthetic_) == 9 + 7
    assert set(model.sampler_.source_indices_[9:]) == {8}


@pytest.mark.parametrize("other", [SMOTE(k_neighbors=1, random_state=0), RandomOverSampler(random_state=0)])
def test_rows_of_other_over_samplers_are_found(small, other):
    model = AugmentedClassifier(Recorder(), other, synthetic_weight=0.5).fit(*small)
    np.testing.assert_array_equal(model.estimator_.weight_, [1.0] * 10 + [0.5] * 6)


def test_weights_follow_the_rows_of_an_under_sampler(small):
    X, y = small
    weight = np.arange(1.0, 11.0)
    model = AugmentedClassifier(Recorder(), RandomUnderSampler(random_state=0)).fit(
        X, y, sample_weight=weight
    )
    picked = model.sampler_.sample_indices_
    assert len(picked) == 4
    np.testing.assert_array_equal(model.estimator_.weight_, weight[picked])


def test_an_under_sampler_is_corrected_too(rare):
    X, y = rare
    model = AugmentedClassifier(LogisticRegression(), RandomUnderSampler(random_state=0)).fit(X, y)
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), abs=0.02)


def test_a_sampler_that_does_not_tell(rare):
    X, y = rare
    AugmentedClassifier(LogisticRegression(), SMOTEENN(random_state=0)).fit(X, y)
    with pytest.raises(InputError, match="SMOTEENN does not tell which rows are synthetic"):
        AugmentedClassifier(LogisticRegression(), SMOTEENN(random_state=0), synthetic_weight=0.5).fit(X, y)


def test_weights_reach_the_last_step_of_a_pipeline(small):
    model = AugmentedClassifier(make_pipeline(StandardScaler(), Recorder()), sampler(), synthetic_weight=0.5)
    model.fit(*small)
    assert set(model.estimator_[-1].weight_) == {1.0, 0.5}


def test_weights_that_nobody_takes_are_refused_before_the_work(small):
    before = Jitter.fits
    for options, weight in (({"synthetic_weight": 0.5}, None), ({}, np.ones(10))):
        with pytest.raises(InputError, match=r"needs an estimator whose fit takes sample_weight.*KNeighbors"):
            AugmentedClassifier(KNeighborsClassifier(), sampler(), **options).fit(
                *small, sample_weight=weight
            )
    assert Jitter.fits == before


# --- parameters ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.5, np.nan, "1", None, np.inf])
def test_a_synthetic_weight_that_cannot_be(small, value):
    with pytest.raises(InputError, match="synthetic_weight must be a number"):
        AugmentedClassifier(LogisticRegression(), synthetic_weight=value).fit(*small)


@pytest.mark.parametrize("value", ["smote", 3, StandardScaler()])
def test_a_sampler_that_cannot_be(small, value):
    with pytest.raises(InputError, match='sampler must be None, "auto" or an object'):
        AugmentedClassifier(LogisticRegression(), value).fit(*small)


@pytest.mark.parametrize("value", [None, StandardScaler(), "forest"])
def test_an_estimator_that_cannot_be(small, value):
    with pytest.raises(InputError, match="estimator must be a classifier"):
        AugmentedClassifier(value).fit(*small)


@pytest.mark.parametrize(
    ("sampler", "name"),
    [
        (VAEOverSampler(), "sampler__augmenter__max_iter"),
        (None, "sampler__method"),
        ("auto", "sampler__augmenter__max_iter"),
    ],
)
def test_parameters_of_a_part_that_is_left_out_cannot_be_searched(small, sampler, name):
    search = GridSearchCV(AugmentedClassifier(LogisticRegression(), sampler), {name: [5]}, cv=2)
    part = "augmenter=None" if isinstance(sampler, VAEOverSampler) else f"sampler={sampler!r}"
    with pytest.raises(InputError, match=rf"{part} has none to set; pass one, such as VAEOverSampler\(VAE"):
        search.fit(*small)


def test_the_name_of_a_classifier_says_where_it_is(small):
    with pytest.raises(InputError, match=r"Names are for assess.*learner\('hgb', X\) of vaeaug\.evaluation"):
        AugmentedClassifier("hgb").fit(*small)


def test_one_class_is_refused(small):
    with pytest.raises(InputError, match="more than 1 class"):
        AugmentedClassifier(LogisticRegression(), sampler()).fit(small[0], np.zeros(10))


def test_unfitted_use():
    with pytest.raises(NotFittedError):
        AugmentedClassifier(LogisticRegression(), sampler()).predict([[0.0]])


def test_the_parts_given_are_copied(small):
    estimator, resampler = LogisticRegression(), sampler()
    AugmentedClassifier(estimator, resampler).fit(*small)
    assert not hasattr(estimator, "coef_")
    assert not hasattr(resampler, "is_synthetic_")


def test_methods_follow_the_estimator():
    with_both = AugmentedClassifier(LogisticRegression())
    assert hasattr(with_both, "predict_proba")
    assert hasattr(with_both, "decision_function")
    assert not hasattr(AugmentedClassifier(LinearSVC()), "predict_proba")
    assert not hasattr(AugmentedClassifier(LinearSVC()), "predict_log_proba")
    assert not hasattr(AugmentedClassifier(RandomForestClassifier()), "decision_function")


# --- data ------------------------------------------------------------------------------


def test_a_mixed_frame_through_a_pipeline():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "amount": rng.normal(size=120),
            "city": pd.Categorical(rng.choice(["Graz", "Linz"], 120)),
            "count": pd.array(rng.integers(0, 9, 120), dtype="Int64"),
        }
    )
    y = pd.Series(np.where(X["amount"] + rng.normal(size=120) > 1.5, "yes", "no"), dtype="category")
    encoder = make_column_transformer((OneHotEncoder(), ["city"]), remainder=StandardScaler())
    model = AugmentedClassifier(make_pipeline(encoder, LogisticRegression()), sampler())
    scores = cross_val_score(model, X, y, scoring="roc_auc", error_score="raise", cv=3)
    assert scores.mean() > 0.7
    model.fit(X, y)
    assert list(model.classes_) == ["no", "yes"]
    assert list(model.feature_names_in_) == ["amount", "city", "count"]
    assert set(model.predict(X)) == {"no", "yes"}
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X[["city", "amount", "count"]])


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "string", "category"])
def test_labels_in_any_dtype(rare, dtype):
    X, y = rare[0][:500], pd.Series(rare[1][:500])
    y = y.astype(bool).astype("boolean") if dtype == "boolean" else y.astype(str).astype(dtype)
    model = AugmentedClassifier(LogisticRegression(), sampler()).fit(X, y)
    assert len(model.classes_) == 2
    np.testing.assert_allclose(model.training_prior_, [0.5, 0.5])


# --- in company ------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_nested_parameters(rare, n_jobs):
    X, y = rare[0][:600], rare[1][:600]
    model = make_pipeline(StandardScaler(), AugmentedClassifier(LogisticRegression(), sampler()))
    grid = {
        "augmentedclassifier__estimator__C": [0.1, 1.0],
        "augmentedclassifier__sampler__sampling_strategy": [0.3, 1.0],
        "augmentedclassifier__sampler__augmenter__scale": [0.1],
    }
    search = GridSearchCV(model, grid, scoring="roc_auc", n_jobs=n_jobs, cv=3, error_score="raise")
    search.fit(X, y)
    assert search.best_score_ > 0.7


def test_weights_through_metadata_routing(rare):
    X, y = rare[0][:300], rare[1][:300]
    with sklearn.config_context(enable_metadata_routing=True):
        model = AugmentedClassifier(LogisticRegression(), sampler()).set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=False)
        scores = cross_val_score(
            model, X, y, params={"sample_weight": np.ones(300)}, scoring=scorer, error_score="raise"
        )
    assert np.isfinite(scores).all()


def test_clone_keeps_parameters():
    copy = clone(AugmentedClassifier(LogisticRegression(C=3), synthetic_weight=0.5, prior_correction=False))
    assert (copy.estimator.C, copy.sampler, copy.synthetic_weight, copy.prior_correction) == (
        3,
        None,
        0.5,
        False,
    )


# --- conformance -----------------------------------------------------------------------

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "A row of weight 2 is one row to vary and to count, a row given twice is two: "
        "how many rows a class gets is counted in rows, as in imbalanced-learn."
    ),
}


@parametrize_with_checks(
    [AugmentedClassifier(LogisticRegression(), VAEOverSampler(Jitter(), random_state=0))],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    estimator_checks_generator(AugmentedClassifier(LogisticRegression(max_iter=1000), sampler())),
    ids=lambda value: getattr(getattr(value, "func", None), "__name__", ""),
)
def test_imbalanced_learns_checks(estimator, check):
    check(estimator)
