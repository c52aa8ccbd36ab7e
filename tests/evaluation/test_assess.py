"""Every sampler stays inside its training fold, baselines are always there, and trouble is reported."""

import functools
import inspect
import re

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import average_precision_score, balanced_accuracy_score, make_scorer, recall_score
from sklearn.model_selection import PredefinedSplit, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import vaeaug
from vaeaug.errors import InputError
from vaeaug.evaluation.assess import comparison, other_classifiers, smote
from vaeaug.evaluation.assess.comparison import Options, compare, default_ratios
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.evaluation.assess.smote import Smote
from vaeaug.evaluation.assess.strategies import Resampled
from vaeaug.evaluation.assess.tuning import tune_across_folds

OTHERS = ["boosted trees", "random forest", "logistic regression", "the three together"]
BASELINES = [
    "nothing",
    "tuned threshold",
    "class weights",
    "duplicates (ratio 1)",
    "SMOTE (ratio 1)",
    *OTHERS,
]
QUICK = {"cv": 3, "n_repeats": 1, "ratios": [1.0], "random_state": 0}
#: Where one score a fold says it all.
BRIEF = QUICK | {"cv": 2}


@pytest.fixture(autouse=True, scope="module")
def small_forests():
    """Few trees: the forest that stands beside every assessment would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(other_classifiers, "_TREES", 5)
        yield


class Copies(BaseEstimator):
    """Doubles the rare rows; remembers every row that any copy of it was given."""

    seen: list = []

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit_resample(self, X, y):
        type(self).seen.append(np.asarray(X).copy())
        rare = np.flatnonzero(y == 1)
        rows = np.concatenate([np.arange(len(y)), rare])
        return X[rows], y[rows]


class Broken(BaseEstimator):
    """Fails in its second fit: the second fold."""

    fits = 0

    def fit_resample(self, X, y):
        type(self).fits += 1
        if type(self).fits == 2:
            raise RuntimeError("out of <b>luck</b>")
        return X, y


class Flat(LogisticRegression):
    """Remembers all rows that it was fitted on."""

    seen: list = []

    def fit(self, X, y, sample_weight=None):
        type(self).seen.append(np.asarray(X).copy())
        return super().fit(X, y, sample_weight=sample_weight)


def assess(estimator, X, y, *, sampler, **options):
    return compare(estimator, X, y, sampler, Options(**options))


@pytest.fixture(scope="module")
def rare():
    return make_classification(
        n_samples=240,
        n_features=4,
        n_informative=3,
        n_redundant=0,
        weights=[0.85],
        flip_y=0.02,
        random_state=0,
    )


@pytest.fixture(scope="module")
def found(rare):
    return assess(LogisticRegression(), *rare, sampler={"copies": Copies()}, **QUICK)


# --- what is compared ------------------------------------------------------------------


def test_the_baselines_are_always_there(found):
    assert found.table.index.tolist() == [*BASELINES, "copies"]
    assert (found.table["status"] == "ok").all()


def test_no_argument_switches_a_baseline_off():
    names = set(inspect.signature(vaeaug.assess).parameters)
    assert not [name for name in names if "baseline" in name or "smote" in name.lower()]


def test_every_metric_is_there(found):
    wanted = {"average_precision", "roc_auc", "balanced_accuracy", "f1", "tuned_f1", "log_loss", "brier"}
    assert wanted | {"calibration_slope", "difference", "low", "high", "seconds"} <= set(found.table)
    assert (
        found.table.drop(columns=["difference", "low", "high", "probability", "status"]).notna().all().all()
    )


def test_the_threshold_changes_decisions_and_nothing_else(found):
    plain, moved = found.table.loc["nothing"], found.table.loc["tuned threshold"]
    assert moved["roc_auc"] == plain["roc_auc"]
    assert moved["brier"] == plain["brier"]
    assert moved["f1"] == plain["tuned_f1"] != plain["f1"]


def test_scores_of_nothing_are_those_of_plain_cross_validation(rare):
    from sklearn.model_selection import cross_val_score

    X, y = rare
    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    found = assess(LogisticRegression(), X, y, sampler=Copies(), cv=folds, ratios=[1.0], random_state=0)
    expected = cross_val_score(LogisticRegression(), X, y, cv=folds, scoring="roc_auc")
    assert found.scores["roc_auc"].xs("nothing", level="arm").to_numpy() == pytest.approx(expected)


def test_same_seed_same_numbers_whatever_the_jobs(rare):
    with parallel_config(backend="threading"):
        one, two = (
            assess(KNeighborsClassifier(), *rare, sampler=Smote(), **QUICK, n_jobs=jobs) for jobs in (None, 2)
        )
    pd.testing.assert_frame_equal(one.scores.drop(columns="seconds"), two.scores.drop(columns="seconds"))


def test_global_random_streams_are_left_alone(rare):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assess(LogisticRegression(), *rare, sampler=Copies(), **{**QUICK, "random_state": None})
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_ratios_share_one_fit(rare):
    Copies.seen.clear()
    from vaeaug.evaluation.assess.strategies import Resampled

    strategy = Resampled("SMOTE again", Smote(), [0.3, 0.6, 1.0])
    made = strategy.trainings(*rare, seed=0)
    sizes = [(training.y == 1).sum() / (training.y == 0).sum() for training in made.values()]
    assert sizes == pytest.approx([0.3, 0.6, 1.0], abs=0.01)
    new = [set(map(tuple, training.X[len(rare[1]) :])) for training in made.values()]
    assert new[0] < new[1] < new[2] or new[0] < new[2] > new[1]


def test_a_blend_is_the_joint_vote_with_the_rows_as_they_are(rare):
    X, y = rare
    folds = list(StratifiedKFold(2, shuffle=True, random_state=0).split(X, y))
    options = Options(cv=folds, ratios=[1.0], random_state=0)
    own = Resampled("ours", Copies(), blended=True)
    found = compare(LogisticRegression(), X, y, None, options, own)
    assert found.subjects == ("ours", "ours, blended")
    for number, (train, test) in enumerate(folds):
        plain, doubled = (
            LogisticRegression().fit(*rows)
            for rows in ((X[train], y[train]), Copies().fit_resample(X[train], y[train]))
        )
        share = (y[train] == 1).mean()
        odds = [
            model.predict_proba(X[test])[:, 1] / model.predict_proba(X[test])[:, 0]
            for model in (plain, doubled)
        ]
        trained = 2 * share / (1 - share)
        corrected = np.sqrt(odds[0] * odds[1] * share / (1 - share) / trained)
        scores = found.scores.loc["ours, blended", number]
        assert scores["average_precision"] == pytest.approx(average_precision_score(y[test], corrected))
        assert scores["brier"] == pytest.approx(
            np.mean((corrected / (1 + corrected) - y[test]) ** 2), abs=1e-6
        )
        decided = np.sqrt(odds[0] * odds[1]) > 1
        assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y[test], decided))


def test_default_ratios():
    assert default_ratios(np.repeat([0, 1], [125, 1])) == (0.04, 0.2, 1.0)
    assert default_ratios(np.repeat([0, 1], [100, 90])) == (1.5, 2.0)


def test_a_threshold_is_chosen_on_rows_of_other_folds(rare):
    """Thresholds fit the labels of the other fold, so those of a fold may change without changing its own."""
    X, y = rare
    halves = [np.flatnonzero(np.arange(len(y)) % 2 == k) for k in range(2)]
    folds = [Fold(k, halves[1 - k], halves[k]) for k in range(2)]
    ranks = np.column_stack([-X[:, 0], X[:, 0]])
    outcomes = [Outcome("nothing", fold.number, {}, ranks=ranks[fold.test]) for fold in folds]

    def find_cuts(labels):
        problem = Problem(None, X, labels, np.array([0, 1]), 1)
        found = tune_across_folds(problem, outcomes, folds)
        return [
            each.decisions["tuned_balanced_accuracy"] for each in found if each.strategy == "tuned threshold"
        ]

    changed = np.where(np.isin(np.arange(len(y)), halves[0]), 1 - y, y)
    before, after = find_cuts(y), find_cuts(changed)
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[1], after[1])


def test_splits_that_test_the_same_rows_choose_thresholds_among_them(rare):
    split = next(iter(StratifiedKFold(3).split(*rare)))
    found = assess(LogisticRegression(), *rare, sampler=Copies(), **{**QUICK, "cv": [split, split]})
    assert not found.failures
    assert found.table[["tuned_balanced_accuracy", "tuned_f1"]].notna().all(axis=None)


def test_a_threshold_of_one_fold_is_chosen_on_the_other_half_of_its_rows(rare):
    """Ranks are the truth, higher by 10 in one half: a threshold of its own would do better."""
    X, y = rare
    fold = Fold(0, np.arange(120), np.arange(120, 240))
    first = np.zeros(120, dtype=bool)
    for label in (0, 1):
        rows = np.flatnonzero(y[fold.test] == label)
        first[rows[: len(rows) // 2]] = True
    truth = y[fold.test].astype(float)
    score = np.where(first, truth, 10 + truth)
    outcome = Outcome("nothing", 0, {}, ranks=np.column_stack([-score, score]))
    found = tune_across_folds(Problem(None, X, y, np.array([0, 1]), 1), [outcome], [fold])
    decided = found[1].decisions["balanced_accuracy"]
    assert found[1].strategy == "tuned threshold"
    assert not decided[first].any()  # 10.5 is the threshold of the second half
    assert decided[~first].all()  # and .5 that of the first


def test_a_threshold_that_cannot_be_chosen_says_what_is_missing(rare):
    X, y = rare
    rows = np.append(np.flatnonzero(y == 0)[:20], np.flatnonzero(y == 1)[0])
    outcome = Outcome("nothing", 0, {}, ranks=np.column_stack([-X[rows, 0], X[rows, 0]]))
    problem = Problem(None, X, y, np.array([0, 1]), 1)
    found = tune_across_folds(problem, [outcome], [Fold(0, np.arange(100), rows)])
    assert "fewer than 2 rows of a class" in found[1].error


# --- no test row is ever seen ----------------------------------------------------------


def test_a_poisoned_test_fold_reaches_no_fit(rare):
    """Rows of a test fold carry a mark that no fit, of sampler or classifier, may ever meet in that fold."""
    X, y = rare
    for fold in range(2):
        halves = np.arange(len(y)) % 2
        poisoned = X.copy()
        poisoned[halves == fold] += 1e6
        Copies.seen.clear()
        Flat.seen.clear()
        splits = [(np.flatnonzero(halves != fold), np.flatnonzero(halves == fold))] * 2
        assess(Flat(), poisoned, y, sampler=Copies(), cv=splits, ratios=[0.5, 1.0], random_state=0)
        assert len(Copies.seen) >= 2
        assert len(Flat.seen) >= 12
        assert max(rows.max() for rows in Copies.seen + Flat.seen) < 1e5


def test_splits_that_overlap_are_refused(rare):
    rows = np.arange(240)
    with pytest.raises(InputError, match="trains on rows it tests on"):
        assess(LogisticRegression(), *rare, sampler=Copies(), cv=[(rows, rows[:100])] * 2)


# --- kinds of data and classifiers -----------------------------------------------------


def test_frames_with_categories_and_holes():
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], [90, 18])
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=108) + (y == "yes"),
            "count": pd.array(rng.poisson(3, 108), dtype="Int64"),
            "town": pd.Categorical(rng.choice(["A", "B"], 108)),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 50, 108), "D"),
        }
    )
    frame.loc[::9, ["size", "count", "town", "day"]] = None
    numbers = FunctionTransformer(lambda X: X[["size"]].fillna(0).to_numpy())
    found = assess(make_pipeline(numbers, LogisticRegression()), frame, y, sampler=Smote(), **QUICK)
    assert (found.table["status"] == "ok").all()
    X_res, y_res = Smote(random_state=0).fit_resample(frame, y)
    assert X_res.dtypes.equals(frame.dtypes)
    pd.testing.assert_frame_equal(X_res.iloc[:108], frame)
    assert (y_res[108:] == "yes").all()
    assert len(y_res) == 180


def test_three_classes():
    X, y = make_classification(
        n_samples=300, n_informative=4, n_classes=3, weights=[0.7, 0.2], random_state=0
    )
    labels = np.array(["a", "b", "c"])[y]
    found = assess(LogisticRegression(max_iter=500), X, labels, sampler=Smote(), **QUICK)
    assert (found.table["status"] == "ok").all()
    assert "the minority class is c" in found.facts["Data"]


def test_images():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [60, 15])
    images = (rng.integers(0, 99, (75, 6, 6)) + 80 * y[:, None, None]).astype(np.uint8)
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255)
    found = assess(make_pipeline(flat, LogisticRegression()), images, y, sampler=Smote(), **QUICK)
    assert (found.table["status"].drop(OTHERS) == "ok").all()
    assert found.skipped == dict.fromkeys(OTHERS, "it is for tables")
    assert Smote().fit_resample(images, y)[0].dtype == np.uint8


def test_decision_values_will_do(rare):
    found = assess(RidgeClassifier(), *rare, sampler=Copies(), **QUICK)
    assert found.table.loc["nothing", "roc_auc"] > 0.55
    assert found.table["brier"].drop(OTHERS).isna().all()
    assert found.table["tuned_f1"].notna().all()
    assert "Brier score: difference" not in found.to_html()


def test_a_classifier_that_cannot_be_weighted_says_so(rare):
    found = assess(KNeighborsClassifier(), *rare, sampler=Copies(), **QUICK)
    assert found.table.loc["class weights", "status"] == "not applicable"
    said = " ".join(found.summary().split())
    assert "class weights were not tried: the estimator takes neither sample_weight nor class_weight" in said


def test_weights_reach_the_last_step_of_a_pipeline(rare):
    X, y = rare
    folds = StratifiedKFold(3)
    inside, outside = (
        assess(model, X, y, sampler=Copies(), cv=folds, ratios=[1.0], random_state=0)
        for model in (
            make_pipeline(StandardScaler(), LogisticRegression()),
            make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")),
        )
    )
    assert inside.table.loc["class weights", "f1"] == pytest.approx(outside.table.loc["nothing", "f1"])


def test_a_scorer_of_scikit_learn(rare):
    found = assess(
        LogisticRegression(), *rare, sampler=Copies(), scoring="recall", **{**QUICK, "ratios": [0.5, 1]}
    )
    assert found.scoring == "score"
    assert found.table.loc["tuned threshold", "score"] > found.table.loc["nothing", "score"]
    assert "recall" in found.sentence


def find_mean(y_true, y_pred):
    return float(np.mean(y_pred))


def test_several_metrics_at_once(rare):
    found = assess(LogisticRegression(), *rare, sampler=Copies(), scoring=["recall", "roc_auc"], **BRIEF)
    alone = assess(LogisticRegression(), *rare, sampler=Copies(), scoring="recall", **BRIEF)
    assert found.scoring == "recall"
    assert found.verdict == alone.verdict
    pd.testing.assert_series_equal(found.table["recall"], alone.table["score"], check_names=False)
    assert {"recall", "roc_auc"} <= set(found.summary().replace("ROC AUC", "roc_auc").split())
    assert found.differences("recall").loc["Copies", "measured"] > 0
    named = {"share": make_scorer(find_mean), "f1": "f1"}
    assert "share" in assess(LogisticRegression(), *rare, sampler=Copies(), scoring=named, **BRIEF).table


@pytest.mark.parametrize(
    ("scoring", "said"),
    [
        ([], "scoring is empty"),
        ({}, "scoring is empty"),
        (["recall", "recall"], "two metrics called 'recall'"),
        ({"f1": "recall"}, "two metrics called 'f1'"),
        (["recall", "recal"], "got 'recal'"),
    ],
)
def test_metrics_that_cannot_be_told_apart(rare, scoring, said):
    with pytest.raises(InputError, match=re.escape(said)):
        assess(LogisticRegression(), *rare, sampler=Copies(), scoring=scoring, **BRIEF)


class Weighed(LogisticRegression):
    """A classifier that remembers the weights of its rows."""

    seen = []

    def fit(self, X, y, sample_weight=None):
        type(self).seen.append((len(y), sample_weight))
        return super().fit(X, y, sample_weight)


def test_weights_of_rows_count_in_training_and_scores(rare):
    X, y = rare
    weights = np.where(X[:, 0] > 0, 3.0, 1.0)
    Weighed.seen.clear()
    found = assess(Weighed(), X, y, sampler=Copies(), sample_weight=weights, scoring="recall", **BRIEF)
    plain = assess(Weighed(), X, y, sampler=Copies(), scoring="recall", **BRIEF)
    assert not found.failures
    rows, first = Weighed.seen[0]
    assert set(first[:rows]) == {1.0, 3.0}
    longer = next(each for size, each in Weighed.seen if each is not None and size > rows)
    assert (longer[:rows] == first).all()
    assert len(np.unique(longer[rows:])) == 1  # the mean of the class
    assert 1 < longer[-1] < 3
    for name in ("average_precision", "brier", "score", "tuned_f1"):
        assert found.table.loc["nothing", name] != pytest.approx(plain.table.loc["nothing", name])


def test_even_weights_change_nothing(rare):
    X, y = rare
    found, plain = (
        assess(LogisticRegression(), X, y, sampler=Copies(), sample_weight=each, **BRIEF)
        for each in (np.ones(len(y)), None)
    )
    own = ["nothing", "tuned threshold", "class weights", "duplicates (ratio 1)", "Copies"]
    columns = [name for name in plain.table if name != "seconds"]
    pd.testing.assert_frame_equal(found.table.loc[own, columns], plain.table.loc[own, columns])


def test_weights_that_cannot_be_used(rare):
    X, y = rare
    for weights, said in (
        (np.arange(len(y)), "1 row(s) of weight 0"),
        (np.ones(3), "must have shape"),
        (np.full(len(y), np.nan), "that are not"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            assess(LogisticRegression(), X, y, sampler=Copies(), sample_weight=weights, **BRIEF)
    with pytest.raises(InputError, match="KNeighborsClassifier's does not"):
        assess(KNeighborsClassifier(), X, y, sampler=Copies(), sample_weight=np.ones(len(y)), **BRIEF)
    samplers = {"fewer": Fewer(), "copies": Copies()}
    found = assess(LogisticRegression(), X, y, sampler=samplers, sample_weight=np.ones(len(y)), **BRIEF)
    assert set(found.failures) == {"fewer"}
    assert "sample_weight cannot be followed" in found.failures["fewer"]


class Fewer(BaseEstimator):
    """A sampler that drops rows."""

    def fit_resample(self, X, y):
        return X[5:], y[5:]


LABELS = {
    "text": np.array(["yes", "no"], dtype=object),
    "text, rare first": np.array(["no", "yes"], dtype=object),
    "booleans": np.array([False, True]),
    "booleans, rare False": np.array([True, False]),
    "rare 0": np.array([1, 0]),
    "strings": pd.array(["yes", "no"], dtype="string"),
    "integers": np.array([7, 3]),
}


def score_plainly(X, y, scoring):
    found = assess(LogisticRegression(), X, y, sampler=Copies(), scoring=scoring, **BRIEF)
    return found.scores["score"].xs("nothing", level="arm")


@pytest.fixture(scope="module")
def score_rare_ones(rare):
    """Return what a scorer says of the labels 0 and 1, of which 1 is rare; once for each scorer."""
    return functools.cache(lambda scoring: score_plainly(*rare, scoring))


@pytest.mark.parametrize("scoring", ["recall", "precision", "jaccard", "neg_brier_score", "recall_macro"])
@pytest.mark.parametrize("labels", LABELS)
def test_a_scorer_by_name_is_about_the_rare_class(rare, score_rare_ones, labels, scoring):
    found = score_plainly(rare[0], pd.Series(LABELS[labels][rare[1]]), scoring)
    np.testing.assert_allclose(found, score_rare_ones(scoring))


def test_a_scorer_that_was_made_keeps_its_label(rare):
    y = np.array(["no", "yes"])[rare[1]]
    scorers = {
        "of no": make_scorer(recall_score, pos_label="no"),
        "of yes": make_scorer(recall_score, pos_label="yes"),
        "of nobody": make_scorer(recall_score),
    }
    means = {name: score_plainly(rare[0], y, scorer).mean() for name, scorer in scorers.items()}
    assert means["of no"] > means["of yes"] == means["of nobody"]
    assert score_plainly(*rare, make_scorer(recall_score)).mean() == pytest.approx(means["of yes"])


def test_a_scorer_of_two_classes_is_about_the_rare_one_of_several(rare):
    y = np.where(np.arange(240) % 2, "odd", "even")
    y[rare[1] == 1] = "rare"
    found = assess(KNeighborsClassifier(), rare[0], y, sampler=Smote(), scoring="recall", **BRIEF)
    of_all = assess(KNeighborsClassifier(), rare[0], y, sampler=Smote(), scoring="recall_macro", **BRIEF)
    assert found.scores["score"].notna().all()
    assert "recall of the minority class" in found.sentence
    assert not found.scores["score"].equals(of_all.scores["score"])


def test_pos_label_says_whose_recall(rare):
    y = np.array(["no", "yes"])[rare[1]]
    options = {"sampler": Smote(), "scoring": "recall", **QUICK}
    common = assess(LogisticRegression(), rare[0], y, pos_label="no", **options)
    assert common.table.loc["nothing", "score"] > 0.9


def test_one_interval_in_sentence_table_plot_and_page(rare):
    found = assess(LogisticRegression(), *rare, sampler=Smote(), **{**BRIEF, "ratios": [0.4, 0.7, 1.0]})
    ours = assess(
        LogisticRegression(),
        *rare,
        sampler={f"smote {i}": Smote() for i in range(3)},
        **BRIEF,
    )
    for each in (found, ours):
        best = each.subjects[0] if len(each.subjects) == 1 else each.sentence.split("with ")[1].split(",")[0]
        low, high = each.table.loc[best, ["low", "high"]]
        ends = f"{low:+.3f} to {high:+.3f}"
        assert ends in each.sentence
        assert ends.replace("-", "−") in each.to_html()
        drawn = each.plot()
        assert drawn.differences.loc[best, "low"] == low
        assert "what 25 other tables showed" in " ".join(each.summary().split())


def test_a_scorer_judges_folds_not_rows(rare):
    found = assess(LogisticRegression(), *rare, sampler=Smote(), scoring="recall", **BRIEF)
    moved = found.differences().loc["Smote"]
    assert moved["difference"] == moved["measured"]
    assert "Bonferroni" in found.summary()


def test_losses_are_better_when_smaller(rare):
    found = assess(LogisticRegression(), *rare, sampler=Copies(), scoring="log_loss", **QUICK)
    assert found.metric("log_loss").up is False
    assert "log-loss" in found.sentence


def test_smote_that_is_not_installed_is_named(rare, monkeypatch):
    monkeypatch.setattr(comparison, "smote_is_there", lambda: False)
    found = assess(LogisticRegression(), *rare, sampler=Copies(), **QUICK)
    assert found.skipped == {"SMOTE": "imbalanced-learn is not installed"}
    assert "SMOTE was not tried: imbalanced-learn is not installed." in found.summary()
    assert smote.smote_is_there()


# --- trouble ---------------------------------------------------------------------------


def test_a_sampler_that_fails_in_one_fold_is_reported_and_the_rest_goes_on(rare):
    Broken.fits = 0
    found = assess(LogisticRegression(), *rare, sampler={"broken": Broken(), "copies": Copies()}, **QUICK)
    assert found.table.loc["broken", "status"] == "failed"
    assert np.isnan(found.table.loc["broken", "roc_auc"])
    assert "RuntimeError: out of <b>luck</b>" in found.failures["broken"]
    assert found.table.loc["copies", "status"] == "ok"
    assert "copies" in found.sentence
    page = found.to_html()
    assert "out of &lt;b&gt;luck&lt;/b&gt;" in page
    assert "<b>luck" not in page


def test_when_all_in_question_fails_the_verdict_says_so(rare):
    class Never(BaseEstimator):
        def fit_resample(self, X, y):
            raise ValueError("no")

    found = assess(LogisticRegression(), *rare, sampler=Never(), **QUICK)
    assert found.verdict == "no evidence of help"
    assert "could not be judged" in found.sentence


def test_an_estimator_that_fails_is_not_hidden(rare):
    class Wrong(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            raise ZeroDivisionError("mine")

        def predict(self, X): ...

        def predict_proba(self, X): ...

    with pytest.raises(ZeroDivisionError, match="mine"):
        assess(Wrong(), *rare, sampler=Copies(), **QUICK)


def test_columns_that_are_missing_in_a_training_fold(rare):
    X = rare[0].copy()
    X[:, 1] = np.nan
    X[:3, 2] = np.nan
    X = np.column_stack([X, np.where(np.arange(240) == 5, 1.0, np.nan)])
    for each in (X, pd.DataFrame(X)):
        found = assess(HistGradientBoostingClassifier(max_iter=5), each, rare[1], sampler=Smote(), **QUICK)
        assert (found.table["status"] == "ok").all()
        assert found.table["roc_auc"].notna().all()


def test_a_polars_frame_is_a_table(rare):
    polars = pytest.importorskip("polars")
    frame = pd.DataFrame(rare[0]).add_prefix("x")
    X, y = polars.from_pandas(frame), polars.Series("y", np.array(["no", "yes"])[rare[1]])
    found = assess(LogisticRegression(), X, y, sampler=Smote(), **BRIEF)
    expected = assess(LogisticRegression(), frame, rare[1], sampler=Smote(), **BRIEF)
    np.testing.assert_allclose(found.table["roc_auc"], expected.table["roc_auc"])


class Silent(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"y": np.zeros(240)}, "two classes or more, got 1"),
        ({"y": np.r_[np.ones(2), np.zeros(238)]}, r"class 1.0 has 2 row\(s\), fewer than the 3 folds"),
        ({"y": np.r_[np.ones(1), np.zeros(239)]}, "drop the class, or join it"),
        ({"y": np.r_[np.nan, np.ones(100), np.zeros(139)]}, "missing labels, got 1"),
        ({"y": np.linspace(0, 1, 240)}, "class labels"),
        ({"y": np.zeros((240, 2))}, "one column"),
        ({"y": None}, "needs y"),
        ({"X": np.zeros(240)}, "rows and columns"),
        ({"X": {"a": np.zeros(240)}}, r"X is a dict; pass pandas.DataFrame\(X\)"),
        ({"X": pd.DataFrame(np.zeros((240, 2)), columns=["a", "a"])}, "X has columns named twice: 'a'"),
        ({"estimator": Silent()}, "neither predict_proba"),
        ({"estimator": StandardScaler()}, "must be a classifier"),
        ({"sampler": StandardScaler()}, "must have fit_resample"),
        ({"sampler": [Copies(), Copies()]}, "a dict with a name"),
        ({"sampler": {"nothing": Copies()}}, "different names"),
        ({"sampler": None}, "nothing to judge"),
        ({"scoring": "beauty"}, "scoring must be one of average_precision"),
        ({"cv": 1}, "cv must be"),
        ({"cv": PredefinedSplit(np.arange(240) % 2 - 1)}, "two splits or more, got 1"),
        ({"ratios": []}, "ratios must be"),
        ({"ratios": [0.0]}, "ratios must be"),
        ({"n_repeats": 0}, "n_repeats must be"),
        ({"pos_label": 7}, "pos_label must be one of"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(rare, change, says):
    arguments = {"estimator": LogisticRegression(), "X": rare[0], "y": rare[1], "sampler": Copies(), **QUICK}
    arguments |= change
    estimator, X, y = (arguments.pop(name) for name in ("estimator", "X", "y"))
    with pytest.raises(InputError, match=says):
        assess(estimator, X, y, **arguments)
