from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaeaug.utils.estimators import (
    class_weight_keyword,
    clone_with_seed,
    describe,
    spell_estimator,
    weight_keyword,
)


def test_where_weights_go():
    assert weight_keyword(LogisticRegression()) == "sample_weight"
    assert weight_keyword(KNeighborsClassifier()) is None
    nested = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), LogisticRegression()))
    assert weight_keyword(nested) == "pipeline__logisticregression__sample_weight"
    assert weight_keyword(make_pipeline(StandardScaler(), "passthrough")) is None


def test_where_class_weights_are_set():
    model = make_pipeline(StandardScaler(), RandomForestClassifier())
    name = class_weight_keyword(model)
    assert model.set_params(**{name: "balanced"})[-1].class_weight == "balanced"
    assert class_weight_keyword(KNeighborsClassifier()) is None


def test_only_open_random_states_are_set():
    model = make_pipeline(StandardScaler(), HistGradientBoostingClassifier())
    copy = clone_with_seed(model, 7)
    assert copy[-1].random_state == 7
    assert model[-1].random_state is None
    assert clone_with_seed(RandomForestClassifier(random_state=3), 7).random_state == 3
    assert isinstance(clone_with_seed(BaseEstimator(), 7), BaseEstimator)


def test_names():
    assert describe(make_pipeline(StandardScaler(), LogisticRegression())) == "LogisticRegression"


@pytest.mark.parametrize(
    ("estimator", "text"),
    [
        (LogisticRegression(C=0.5), "LogisticRegression(C=0.5)"),
        (
            RandomForestClassifier(random_state=np.random.RandomState(0)),
            "RandomForestClassifier(random_state=RandomState)",
        ),
        (
            LogisticRegression(random_state=np.random.default_rng(0)),
            "LogisticRegression(random_state=Generator)",
        ),
        (LogisticRegression(C=object()), "LogisticRegression(C=object)"),
        (LogisticRegression(C=Path.is_dir), "LogisticRegression(C=is_dir)"),
        (
            make_pipeline(StandardScaler(with_mean=False), LogisticRegression(C=0.5)),
            "StandardScaler → LogisticRegression(C=0.5)",
        ),
        (
            LogisticRegression(class_weight=dict.fromkeys(range(99), 1)),
            "LogisticRegression(class_weight={0: 1, 1:…",
        ),
    ],
)
def test_an_estimator_is_shown_on_one_short_line(estimator, text):
    shown = spell_estimator(estimator)
    assert shown.startswith(text.removesuffix("…"))
    assert shown.endswith("…") == text.endswith("…")
    assert len(shown) <= 160
