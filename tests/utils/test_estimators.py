from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaeaug.utils.estimators import class_weight_keyword, clone_with_seed, describe, weight_keyword


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
