"""Synthetic rows whose labels are the probabilities of a committee."""

import numpy as np
import pandas as pd
import pytest
from jitter import Jitter
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from vaeaug import VAEOverSampler
from vaeaug.classifier.soft_labels import SOFT_LABELS, SoftLabels
from vaeaug.evaluation.assess.strategies import train


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc"))
    return X.assign(d=np.where(X["a"] > 0, "left", "right")), np.where(rng.random(200) < 0.2, "yes", "no")


def make(X, y, seed=0):
    return SoftLabels("synthetic", VAEOverSampler(Jitter()), [0.5, 1.0]).trainings(X, y, seed)


def test_real_rows_first_then_new_ones_once_for_each_probable_class(table):
    X, y = table
    X["a"] += 3 * (y == "yes")
    found = make(X, y)[SOFT_LABELS]
    pd.testing.assert_frame_equal(found.X.iloc[:200], X)
    np.testing.assert_array_equal(found.y[:200], y)
    np.testing.assert_array_equal(found.sample_weight[:200], 1)
    new = found.X.iloc[200:].assign(w=found.sample_weight[200:])
    each = new.groupby(list("abcd"))["w"].sum()
    assert len(each) == 600
    np.testing.assert_allclose(each, 1, atol=0.004)


def test_labels_follow_the_committee(table):
    X, y = table
    X["a"] += 6 * (y == "yes")
    found = make(X, y)[SOFT_LABELS]
    new = found.X.iloc[200:].assign(w=found.sample_weight[200:], y=found.y[200:])
    far = new[(new["a"] > 5) & (new["y"] == "yes")]
    assert far["w"].mean() > 0.8


@pytest.mark.parametrize("model", [LogisticRegression(), KNeighborsClassifier()])
def test_probabilities_are_those_of_the_data(table, model):
    X, y = table
    X = X[list("abc")]
    classes = np.unique(y)
    trained = train(model, make(X, y)[SOFT_LABELS], y, classes, 0)
    assert trained.predict_proba(X)[:, 1].mean() == pytest.approx((y == "yes").mean(), abs=0.1)


def test_the_generator_is_fitted_once(table):
    Jitter.fits = 0
    make(*table)
    assert Jitter.fits == 1


def test_images_and_tables_without_values_have_no_soft_labels():
    y = np.repeat(["no", "yes"], [30, 10])
    images = np.random.default_rng(0).random((40, 4, 4))
    assert SOFT_LABELS not in make(images, y)
    rare = np.repeat(["no", "yes"], [3, 2])
    assert SOFT_LABELS not in make(np.random.default_rng(0).random((5, 3)), rare)


def test_same_seed_same_rows(table):
    first, second = (make(*table)[SOFT_LABELS] for _ in range(2))
    pd.testing.assert_frame_equal(first.X, second.X)
    np.testing.assert_array_equal(first.sample_weight, second.sample_weight)
