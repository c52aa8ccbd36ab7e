import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from vaeaug.errors import InputError
from vaeaug.evaluation.assess.named_classifiers import LEARNERS, learner


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], [80, 40])
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=120) + 2 * (y == "yes"),
            "count": pd.array(rng.poisson(3, 120), dtype="Int64"),
            "town": rng.choice(["A", "B", "C"], 120),
            "job": pd.Categorical(rng.choice(["x", "y"], 120)),
            "ok": pd.array(rng.random(120) < 0.5, dtype="boolean"),
            "flag": rng.random(120) < 0.5,
            "day": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 9, 120), "D"),
            "wait": pd.to_timedelta(rng.integers(0, 9, 120), "h"),
        }
    )
    for j, name in enumerate(frame.columns.drop("flag")):
        frame.loc[j::11, name] = None
    return frame, y


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_takes_every_dtype(name, table):
    X, y = table
    model = clone(learner(name, X)).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.75
    assert model.predict_proba(X).shape == (120, 2)


@pytest.mark.parametrize("name", LEARNERS)
def test_unseen_categories_are_no_error(name, table):
    X, y = table
    model = learner(name, X).fit(X, y)
    assert len(model.predict(X.assign(town="Z"))) == 120


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("columns", [["size"], ["town", "job"]])
def test_one_kind_of_column(name, columns, table):
    X, y = table
    assert len(learner(name, X[columns]).fit(X[columns], y).predict(X[columns])) == 120


def test_another_name_is_refused(table):
    with pytest.raises(InputError, match="estimator must be one of 'hgb', 'logistic'"):
        learner("svm", table[0])
