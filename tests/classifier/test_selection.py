"""What ``AugmentedClassifier(sampler="auto")`` chooses, and that it stays plain unless another is better."""

import numpy as np
import pandas as pd
import pytest
from jitter import Jitter
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier

import vaeaug.classifier.selection
from vaeaug import AugmentedClassifier, VAEOverSampler
from vaeaug.classifier.selection import _decide, blend, choose
from vaeaug.errors import InputError


def replace_sampler(monkeypatch):
    """Let rows come from a stand-in that takes no time."""
    monkeypatch.setattr(
        vaeaug.classifier.selection, "VAEOverSampler", lambda: VAEOverSampler(Jitter(0.3), label_filter=None)
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    replace_sampler(monkeypatch)


@pytest.fixture(scope="module")
def rare():
    return make_classification(
        n_samples=600,
        n_features=5,
        n_informative=4,
        n_redundant=0,
        weights=[0.9],
        class_sep=0.8,
        random_state=1,
    )


@pytest.fixture(scope="module")
def fitted(rare):
    with pytest.MonkeyPatch.context() as monkeypatch:
        replace_sampler(monkeypatch)
        return AugmentedClassifier(KNeighborsClassifier(), "auto", random_state=0).fit(*rare)


def scores(**candidates):
    """Inner scores of made-up candidates, as (ROC AUC, average precision) by fold."""
    return {
        name.replace("_", " "): [{"roc_auc": a, "average_precision": p} for a, p in folds]
        for name, folds in candidates.items()
    }


@pytest.mark.slow  # all candidates, twice
@pytest.mark.parametrize("container", [np.asarray, lambda X: pd.DataFrame(X).add_prefix("x")])
def test_columns_that_are_missing_in_every_row_or_in_a_fold(rare, container):
    gone = np.where(np.arange(600) == 7, 1.0, np.nan)
    X = container(np.column_stack([rare[0], np.full(600, np.nan), gone]))
    model = AugmentedClassifier(HistGradientBoostingClassifier(max_iter=5), "auto", random_state=0)
    model.fit(X, rare[1])
    assert model.choice_table_["roc_auc"].notna().all()
    assert roc_auc_score(rare[1], model.predict_proba(X)[:, 1]) > 0.7


def test_a_classifier_that_reads_no_text_is_named_before_the_work(rare):
    X = pd.DataFrame(rare[0]).add_prefix("x").assign(kind="a")
    with pytest.raises(InputError, match="LogisticRegression cannot be trained on the rows as they are"):
        AugmentedClassifier(LogisticRegression(), "auto").fit(X, rare[1])


# --- the rule --------------------------------------------------------------------------

PLAIN = [(0.80, 0.40), (0.82, 0.42), (0.81, 0.41)]


@pytest.mark.parametrize(
    ("other", "chosen", "why"),
    [
        ([(0.85, 0.46), (0.86, 0.47), (0.86, 0.46)], "other", "chosen"),
        (PLAIN, "nothing", "gain within the noise"),
        ([(0.85, 0.30), (0.86, 0.50), (0.78, 0.47)], "nothing", "gain within the noise"),
        ([(0.90, 0.39), (0.92, 0.41), (0.91, 0.40)], "nothing", "average precision falls"),
        ([(0.79, 0.50), (0.81, 0.52), (0.80, 0.51)], "nothing", "roc auc falls"),
        ([(0.79, 0.39), (0.81, 0.41), (0.80, 0.40)], "nothing", "roc auc and average precision fall"),
    ],
)
def test_plain_training_stays_unless_both_measures_say_otherwise(other, chosen, why):
    choice = _decide(scores(nothing=PLAIN, other=other), {}, 0.5)
    assert choice.name == chosen
    assert choice.table.loc["other", "status"] == why


def test_of_convincing_candidates_the_largest_gain():
    better, best = ([(a + d, p + d) for a, p in PLAIN] for d in (0.02, 0.05))
    choice = _decide(scores(nothing=PLAIN, better=better, best=best), {}, 0.5)
    assert choice.name == "best"
    assert choice.table.loc["better", "status"] == "better than nothing"


BLEND = "other, blended"


@pytest.mark.parametrize(
    ("blend", "chosen"),
    [
        ([(0.81, 0.38), (0.80, 0.44), (0.83, 0.40)], BLEND),
        ([(0.76, 0.35), (0.79, 0.36), (0.77, 0.36)], "nothing"),
    ],
)
def test_a_blend_is_taken_unless_the_folds_speak_against_it(blend, chosen):
    made = scores(nothing=PLAIN) | {BLEND: scores(blend=blend)["blend"]}
    assert _decide(made, {}, 0.5).name == chosen
    alone = scores(nothing=PLAIN) | {"other": made[BLEND]}
    assert _decide(alone, {}, 0.5).name == "nothing"


# --- the candidates --------------------------------------------------------------------


def test_candidates(rare):
    table = choose(LogisticRegression(), *rare, cv=3, seed=0).table
    names = list(table.index)
    assert names[:2] == ["nothing", "class weights"]
    assert len([name for name in names if name.startswith("synthetic")]) == 9
    assert len([name for name in names if name.endswith("blended")]) == 6
    assert len([name for name in names if name.endswith("soft labels, blended")]) == 3
    assert (table["status"] != "").all()
    assert table["status"].str.startswith("chosen").sum() == 1


def test_the_sampler_is_fitted_once_a_fold(rare):
    Jitter.fits = 0
    choose(KNeighborsClassifier(), *rare, cv=4, seed=0)
    assert Jitter.fits == 4


def test_without_weights_and_probabilities_fewer_candidates(rare, fitted):
    assert "class weights" not in fitted.choice_table_.index
    ridge = choose(RidgeClassifier(), *rare, cv=3, seed=0).table
    assert not ridge.index.str.endswith("blended").any()


def test_a_sampler_that_fails_leaves_plain_training(rare, monkeypatch):
    class Broken(Jitter):
        def fit(self, X, y):
            raise RuntimeError("no luck")

    monkeypatch.setattr(
        vaeaug.classifier.selection, "VAEOverSampler", lambda: VAEOverSampler(Broken(), label_filter=None)
    )
    table = choose(KNeighborsClassifier(), *rare, cv=3, seed=0).table
    assert table.loc["nothing", "status"].startswith("chosen")
    assert "RuntimeError: no luck" in table.loc["synthetic (ratio 1)", "status"]


def test_a_class_of_one_row_leaves_plain_training():
    X, y = np.arange(20.0)[:, None], np.r_[np.zeros(19), 1]
    model = AugmentedClassifier(LogisticRegression(), "auto", random_state=0).fit(X, y)
    assert model.choice_ == "nothing"
    assert "one row only" in model.choice_table_.loc["nothing", "status"]
    assert model.sampler_ is None


# --- the classifier --------------------------------------------------------------------


def test_where_nothing_is_chosen_it_is_the_plain_classifier(rare, monkeypatch):
    nothing = vaeaug.classifier.selection.Choice(
        "nothing", pd.DataFrame({"status": ["chosen"]}, index=["nothing"])
    )
    monkeypatch.setattr("vaeaug.classifier.augmented.choose", lambda *args, **kwargs: nothing)
    model = AugmentedClassifier(LogisticRegression(), "auto", random_state=0).fit(*rare)
    plain = LogisticRegression().fit(*rare)
    assert model.choice_ == "nothing"
    np.testing.assert_array_equal(model.predict_proba(rare[0]), plain.predict_proba(rare[0]))
    np.testing.assert_array_equal(model.predict(rare[0]), plain.predict(rare[0]))


@pytest.mark.parametrize(
    "name",
    [
        "class weights",
        "synthetic (ratio 0.48)",
        "synthetic (ratio 1), blended",
        "synthetic (ratio 0.48), soft labels, blended",
    ],
)
def test_every_choice_can_be_trained_and_stays_calibrated(rare, monkeypatch, name):
    X, X_test, y, y_test = train_test_split(*rare, stratify=rare[1], random_state=0)
    table = pd.DataFrame({"status": ["chosen"]}, index=[name])
    monkeypatch.setattr(
        "vaeaug.classifier.augmented.choose",
        lambda *args, **kwargs: vaeaug.classifier.selection.Choice(name, table),
    )
    model = AugmentedClassifier(LogisticRegression(), "auto", random_state=0).fit(X, y)
    p = model.predict_proba(X_test)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert p[:, 1].mean() == pytest.approx(y_test.mean(), abs=0.05)
    assert roc_auc_score(y_test, p[:, 1]) > 0.7
    assert model.predict(X_test).mean() > (p[:, 1] > 0.5).mean()
    assert (model.sampler_ is None) == (name == "class weights")
    if name.endswith("blended"):
        np.testing.assert_array_equal(model.decision_function(X_test) > 0, model.predict(X_test) == 1)


def test_the_chosen_candidate_is_as_sure_as_held_out_rows_allow(rare):
    X, X_test, y, y_test = train_test_split(*rare, stratify=rare[1], random_state=0)
    model = AugmentedClassifier(KNeighborsClassifier(), "auto", random_state=0).fit(X, y)
    assert model.choice_ != "nothing"
    sure = model.predict_proba(X_test)
    assert 0 < model.recalibration_.slope < 1  # neighbours vote 0 : 5 where the truth is 1 in 20
    model.recalibration_ = None
    raw = model.predict_proba(X_test)
    assert log_loss(y_test, sure) < log_loss(y_test, raw)
    assert roc_auc_score(y_test, sure[:, 1]) == pytest.approx(roc_auc_score(y_test, raw[:, 1]))


def test_of_uncorrected_probabilities_nothing_is_corrected(rare):
    model = AugmentedClassifier(KNeighborsClassifier(), "auto", prior_correction=False, random_state=0).fit(
        *rare
    )
    assert model.recalibration_ is not None
    np.testing.assert_array_equal(model.predict_proba(rare[0]), model.estimator_.predict_proba(rare[0]))


def test_what_it_chose_is_told(fitted):
    assert fitted.choice_ in fitted.choice_table_.index
    assert fitted.choice_table_.loc[fitted.choice_, "status"].startswith("chosen")
    assert {"roc_auc", "average_precision", "gain", "error", "status"} <= set(fitted.choice_table_)


def test_same_seed_same_model(rare, fitted):
    again = clone(fitted).fit(*rare)
    assert again.choice_ == fitted.choice_
    np.testing.assert_array_equal(again.predict_proba(rare[0]), fitted.predict_proba(rare[0]))


@pytest.mark.slow  # all candidates in three folds
def test_text_labels_and_frames_in_cross_validation(rare):
    X, y = pd.DataFrame(rare[0], columns=list("abcde")), np.where(rare[1] == 1, "yes", "no")
    model = AugmentedClassifier(KNeighborsClassifier(), "auto", random_state=0)
    assert cross_val_score(model, X, y, cv=2, scoring="roc_auc").min() > 0.6


def test_three_classes():
    X, y = make_classification(
        n_samples=400, n_informative=4, n_classes=3, weights=[0.7, 0.2], random_state=0
    )
    model = AugmentedClassifier(KNeighborsClassifier(), "auto", random_state=0).fit(X, y)
    assert model.predict_proba(X).shape == (400, 3)


def test_blends_are_geometric_means():
    mixed = blend(np.array([[0.9, 0.1]]), np.array([[0.1, 0.9]]))
    np.testing.assert_allclose(mixed, [[0.5, 0.5]])
    np.testing.assert_allclose(blend(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])), [[1, 0]], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "weights", "says"),
    [
        ({"cv": 1}, None, "cv must be"),
        ({"synthetic_weight": 0.5}, None, "weighs rows by itself"),
        ({}, np.ones(600), "weighs rows by itself"),
        ({"sampler": "best"}, None, 'None, "auto" or an object'),
    ],
)
def test_bad_input(rare, options, weights, says):
    model = AugmentedClassifier(LogisticRegression(), **{"sampler": "auto", **options})
    with pytest.raises(InputError, match=says):
        model.fit(*rare, sample_weight=weights)


def test_one_class_is_refused(rare):
    with pytest.raises(InputError, match="two classes"):
        AugmentedClassifier(LogisticRegression(), "auto").fit(rare[0], np.zeros(600))
