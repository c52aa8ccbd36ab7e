"""Identifiers are hidden from classifiers, and dates as text are read as dates."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler, assess
from vaeaug.errors import ColumnNote
from vaeaug.evaluation.assess.named_classifiers import learner
from vaeaug.evaluation.identifiers import hide_identifiers


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 150), "D")
    X = pd.DataFrame(
        {"id": np.arange(1000, 1150), "day": days.strftime("%Y-%m-%d"), "a": rng.normal(size=150)}
    )
    return X, np.where(days > pd.Timestamp("2022-01-01"), "late", "early")


class Seen(ClassifierMixin, BaseEstimator):
    """Remembers how many identifiers it has seen."""

    distinct: list[int] = []

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        Seen.distinct.append(X["id"].nunique())
        return self

    def predict_proba(self, X):
        Seen.distinct.append(X["id"].nunique())
        return np.full((len(X), 2), 0.5)

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def quick(**options):
    return VAEOverSampler(VAEAugmenter(max_iter=2, random_state=0, **options), random_state=0)


@pytest.mark.parametrize("name", ["logistic", "hgb"])
def test_dates_as_text_are_numbers_for_classifiers(table, name):
    X, y = table
    train, test = np.arange(0, 150, 2), np.arange(1, 150, 2)  # other days than those of training
    model = learner(name, X[["day"]]).fit(X.loc[train, ["day"]], y[train])
    assert (model.predict(X.loc[test, ["day"]]) == y[test]).mean() > 0.9


def test_smote_makes_dates_in_their_form(table):
    smote = pytest.importorskip("vaeaug.evaluation.assess.smote")
    if not smote.smote_is_there():
        pytest.skip("imbalanced-learn is not installed")
    X, y = table
    new = smote.Smote(random_state=0).fit_resample(X[["day", "a"]], y)[0]["day"][150:]
    assert pd.to_datetime(new, format="%Y-%m-%d").notna().all()
    assert not new.isin(X["day"]).all()


@pytest.mark.slow  # all strategies
@pytest.mark.parametrize("options", [{}, {"id_columns": ["id"]}])
def test_assess_shows_no_identifier_to_classifiers(table, options):
    X, y = table
    Seen.distinct.clear()
    before = X.copy()
    with pytest.warns(ColumnNote) as notes:
        found = assess(Seen(), X, y, sampler=quick(**options), cv=2, n_repeats=1, ratios=[1.0])
    assert set(Seen.distinct) == {1}
    assert len(notes) == 1
    assert "'id'" in str(notes[0].message)
    assert notes[0].filename == __file__
    assert "'id'" in found.facts["Columns hidden from classifiers"]
    pd.testing.assert_frame_equal(X, before)


def test_identifiers_that_are_none_stay(table):
    X, y = table
    assert hide_identifiers(X, quick(id_columns=None))[0].names == []
    assert hide_identifiers(X.to_numpy(), quick())[0].names == []


def test_augmented_classifier_shows_no_identifier(table):
    X, y = table[0].drop(columns="day"), table[1]
    Seen.distinct.clear()
    with pytest.warns(ColumnNote, match="'id'") as notes:
        model = AugmentedClassifier(Seen(), quick()).fit(X, y)
    model.predict_proba(X)
    assert set(Seen.distinct) == {1}
    assert notes[0].filename == __file__


@pytest.fixture
def customers():
    rng = np.random.default_rng(0)
    fee = rng.normal(size=150)
    X = pd.DataFrame({"customer_id": [f"C{n:05}" for n in range(150)], "monthly_fee": fee})
    return X, np.where(fee > 0.8, "yes", "no")


@pytest.mark.filterwarnings("ignore::vaeaug.errors.ColumnNote")
def test_a_plain_classifier_needs_no_encoder_for_an_identifier_of_text(customers):
    X, y = customers
    model = AugmentedClassifier(LogisticRegression(), quick()).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.8
    found = assess(LogisticRegression(), X, y, sampler=quick(), cv=2, n_repeats=1, ratios=[1.0])
    assert not found.failures


@pytest.mark.filterwarnings("ignore::vaeaug.errors.ColumnNote")
def test_a_pipeline_that_encodes_the_identifier_still_finds_it(customers):
    X, y = customers
    encoder = make_column_transformer((OneHotEncoder(), ["customer_id"]), remainder="passthrough")
    model = AugmentedClassifier(make_pipeline(encoder, LogisticRegression()), quick()).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.8


def test_notes_point_to_the_line_of_the_user(table):
    X, _ = table
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        VAEAugmenter(max_iter=1, random_state=0).fit(X)
    assert {note.filename for note in notes} == {__file__}


def test_a_note_is_said_once_in_all_folds_and_fits(customers, monkeypatch):
    monkeypatch.setattr("vaeaug.utils.notes._SAID", set())
    X, y = customers
    model = AugmentedClassifier(LogisticRegression(), quick())
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("default")
        cross_val_score(model, X, y, cv=3)
        model.fit(X, y)  # another line
    assert len(notes) == 1


def test_whoever_wants_all_notes_gets_them(customers):
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        cross_val_score(AugmentedClassifier(LogisticRegression(), quick()), *customers, cv=2)
    assert len(notes) == 2


def test_a_table_without_identifiers_is_not_remarked_on():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    y = np.where(X["a"] > 0.8, 1, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AugmentedClassifier(LogisticRegression(), quick()).fit(X, y)
