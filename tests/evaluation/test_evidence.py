"""Probabilities of a verdict: rows compared with and without, and what other tables showed."""

import html
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    roc_auc_score,
)
from sklearn.pipeline import Pipeline, make_pipeline

from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.evaluation.assess import cross_validation, expectation, other_classifiers
from vaeaug.evaluation.assess.comparison import Options, compare
from vaeaug.evaluation.assess.cross_validation import Limits, cross_validate_within
from vaeaug.evaluation.assess.expectation import (
    CORRECTION,
    CORRECTION_ALONE,
    Evidence,
    Expectation,
    _read_gains,
    combine,
    correct,
    find_family,
    look_up,
)
from vaeaug.evaluation.assess.metrics import MEASURES, METRICS
from vaeaug.evaluation.assess.named_classifiers import learner
from vaeaug.evaluation.assess.next_step import Setting, write_next_step
from vaeaug.evaluation.assess.paired import PairedRows
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.evaluation.assess.strategies import NoResampling
from vaeaug.evaluation.assess.verdict import Answer, Comparison, judge
from vaeaug.utils.signals import pass_interrupts

QUICK = {"cv": 3, "n_repeats": 1, "ratios": [1.0], "random_state": 0}


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    monkeypatch.setattr(other_classifiers, "_TREES", 5)


@pytest.fixture(scope="module")
def rare():
    return make_classification(n_samples=150, n_features=4, weights=[0.8], flip_y=0.05, random_state=0)


class Doubles(BaseEstimator):
    """Doubles the rare rows; breaks off in one of its fits."""

    fits = 0
    ends = 0

    def fit_resample(self, X, y):
        type(self).fits += 1
        if type(self).fits == type(self).ends:
            raise KeyboardInterrupt
        rows = np.concatenate([np.arange(len(y)), np.flatnonzero(y == 1)])
        return X[rows], y[rows]


@pytest.fixture(autouse=True)
def never_broken_off():
    Doubles.fits = Doubles.ends = 0


# --- rows --------------------------------------------------------------------------------


def make_outcome(name, fold, p):
    labels = (p >= 0.5).astype(int)
    both = np.column_stack([1 - p, p])
    decisions = dict.fromkeys(("balanced_accuracy", "f1", "tuned_balanced_accuracy", "tuned_f1"), labels)
    return Outcome(name, fold, {}, probabilities=both, ranks=both, decisions=decisions)


SCORES = {
    "average_precision": average_precision_score,
    "roc_auc": roc_auc_score,
    "balanced_accuracy": lambda y, p, **w: balanced_accuracy_score(y, p >= 0.5, **w),
    "f1": lambda y, p, **w: f1_score(y, p >= 0.5, **w),
    "log_loss": lambda y, p, **w: log_loss(y, np.clip(p, 1e-4, 1 - 1e-4), **w),
    "brier": brier_score_loss,
}


@pytest.mark.parametrize("metric", SCORES)
def test_metrics_of_weighted_rows_are_those_of_scikit_learn(metric):
    rng = np.random.default_rng(0)
    y = (rng.random(60) < 0.3).astype(int)
    p = np.clip(np.round(0.4 * y + 0.6 * rng.random(60), 1), 0.1, 0.9)  # many ties
    weights = rng.exponential(size=(3, 60))
    found = MEASURES[metric](y, make_outcome("a", 0, p), 1, weights)
    np.testing.assert_allclose(found, [SCORES[metric](y, p, sample_weight=w) for w in weights], rtol=1e-5)


def test_every_metric_has_one():
    assert set(MEASURES) == set(METRICS)


def draw_pair(seed, rows=300, repeats=1):
    """Two classifiers of one set of rows, the second a little better."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.25).astype(int)
    common = rng.normal(size=rows)
    first, second = (
        1 / (1 + np.exp(-(gain * y + common + 0.5 * rng.normal(size=rows)))) for gain in (1.0, 1.3)
    )
    y, first, second = (np.tile(each, repeats) for each in (y, first, second))
    fold = Fold(0, np.arange(0), np.arange(len(y)))
    outcomes = [make_outcome("nothing", 0, first), make_outcome("ours", 0, second)]
    problem = Problem(None, None, y, np.array([0, 1]), 1)
    return problem, outcomes, [fold], roc_auc_score(y, second) - roc_auc_score(y, first)


def test_the_error_is_what_differences_of_other_rows_spread_by():
    errors, gains = [], []
    for seed in range(60):
        problem, outcomes, folds, gain = draw_pair(seed)
        errors.append(PairedRows(problem, outcomes, folds, 0).error("ours", "roc_auc", "nothing"))
        gains.append(gain)
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.25)  # a spread of 60 is known to 10 %


def test_rows_of_one_group_count_once():
    problem, outcomes, folds, _ = draw_pair(0, repeats=4)
    once = PairedRows(*draw_pair(0)[:3], 0).error("ours", "roc_auc", "nothing")
    groups = np.arange(len(problem.y)) % 300
    together = PairedRows(problem, outcomes, folds, 0, groups).error("ours", "roc_auc", "nothing")
    apart = PairedRows(problem, outcomes, folds, 0).error("ours", "roc_auc", "nothing")
    assert together == pytest.approx(once, rel=1e-4)
    assert apart == pytest.approx(once / 2, rel=0.15)


def test_what_trainings_differ_by_is_added():
    problem, outcomes, _, _ = draw_pair(0)
    ranks = {each.strategy: each.ranks[:, 1] for each in outcomes}
    folds = [Fold(k, np.arange(300)[np.arange(300) % 3 != k], np.arange(k, 300, 3)) for k in range(3)]

    def error(bad_fold):
        parts = [
            make_outcome(name, fold.number, p[fold.test] if fold.number or not bad_fold else 1 - p[fold.test])
            for name, p in ranks.items()
            for fold in folds
        ]
        spoilt = [each for each in parts if not (bad_fold and each.strategy == "nothing" and each.fold == 0)]
        whole = [*spoilt, *([make_outcome("nothing", 0, ranks["nothing"][folds[0].test])] * bad_fold)]
        return PairedRows(problem, whole, folds, 0).error("ours", "roc_auc", "nothing")

    assert error(bad_fold=True) > 3 * error(bad_fold=False)


def test_nothing_is_expected_where_the_classifier_ranks_no_better_than_chance():
    problem, outcomes, folds, _ = draw_pair(0)
    noise = np.random.default_rng(1).random(len(problem.y))
    blind = [make_outcome("nothing", 0, noise), outcomes[1]]
    known = {"ours": {"roc_auc": {"any": [0.05, 0.0, 0.001]}}}
    found = [
        Evidence(PairedRows(problem, each, folds, 0), {"ours": "ours"}, "any", 100.0, known).judge(
            "ours", "roc_auc", 0.0, than="nothing", plain="nothing", level=0.95
        )
        for each in (outcomes, blind)
    ]
    assert [round(each.mean, 3) for each in found] == [0.05, 0.0]


def test_scores_of_a_scorer_have_no_rows():
    assert PairedRows(*draw_pair(0)[:3], 0).error("ours", "score", "nothing") is None


# --- what other tables showed ----------------------------------------------------------------


def test_a_vague_measurement_is_drawn_towards_what_was_expected():
    before = Expectation(0.01, 0.02)
    sure, vague = (combine(0.05, error, before, 0.95) for error in (1e-4, 1.0))
    assert sure.mean == pytest.approx(0.05, abs=1e-3)
    assert vague.mean == pytest.approx(0.01, abs=1e-3)
    assert vague.high - vague.low == pytest.approx(2 * 1.96 * 0.02, rel=1e-2)
    assert sure.measured == vague.measured == 0.05


def test_without_expectation_the_measurement_stands():
    found = combine(0.02, 0.01, None, 0.95)
    assert found.mean == 0.02
    assert found.probability == pytest.approx(0.977, abs=1e-3)


def test_no_change_and_no_error_is_no_gain():
    assert combine(0.0, 0.0, None, 0.95).probability == 0.5


def test_gains_of_tables_are_there_for_all_strategies_and_metrics():
    kinds = [
        "class weights",
        "duplicates",
        "SMOTE",
        *(f"VAEOverSampler {way}" for way in ("1/3", "2/3", "1")),
    ]
    for kind in kinds:
        for metric in METRICS:
            for family in ("linear", "boosting", "forest", "neighbours", "any"):
                found = look_up(kind, metric, family, 100)
                assert abs(found.mean) < 0.3
                assert 0 <= found.spread < 0.5
    assert look_up("VAEOverSampler 1", "score", "linear", 100) is None
    assert look_up(None, "roc_auc", "linear", 100) is None


def test_of_an_unknown_sampler_nothing_is_expected_but_a_spread():
    found = look_up("other", "average_precision", "boosting", 50)
    assert found.mean == 0
    assert 0.01 < found.spread < 0.1


def test_a_correction_widens_and_lowers_what_is_expected():
    found = combine(0.04, 0.02, None, 0.95)
    rise, fall = (correct(found, (1.5, 0.5), 0.95, up=up) for up in (True, False))
    assert rise.mean == pytest.approx(0.03)
    assert fall.mean == pytest.approx(0.05)
    assert rise.high - rise.low == pytest.approx(1.5 * (found.high - found.low))
    assert rise.measured == found.measured
    assert rise.probability < found.probability


@pytest.mark.parametrize(
    ("kind", "others", "than", "corrected_by"),
    [
        ("VAEOverSampler 1/3", ["VAEOverSampler 1/3, blended"], "nothing", CORRECTION),
        ("VAEOverSampler 1/3", [], "nothing", CORRECTION_ALONE),
        ("other", ["VAEOverSampler 1/3, blended"], "nothing", CORRECTION_ALONE),
        ("SMOTE", [], "nothing", None),
        ("VAEOverSampler 1/3", [], "SMOTE", None),
    ],
)
def test_expectations_of_new_rows_over_plain_training_are_corrected(kind, others, than, corrected_by):
    class Rows:
        def error(self, strategy, metric, than):
            return 0.02

        def ranks_better_than_chance(self, plain):
            return True

    about = {"average_precision": {"any": [0.0, 0.0, 0.03]}}
    gains = dict.fromkeys(("VAEOverSampler 1/3", "VAEOverSampler 1", "SMOTE"), about)
    kinds = {"ours": kind} | {name: name for name in others}
    plain, *found = (
        Evidence(Rows(), kinds, "any", 100.0, known).judge(
            "ours", "average_precision", 0.03, than=than, plain="nothing", level=0.95
        )
        for known in (gains, *(gains | {name: (1.5, 0.5)} for name in (CORRECTION, CORRECTION_ALONE)))
    )
    is_lower = [each.mean < plain.mean for each in found]
    assert is_lower == [name == corrected_by for name in (CORRECTION, CORRECTION_ALONE)]


def test_without_blends_expectations_were_too_sure_and_too_high():
    gains = _read_gains()
    wider, lower = gains[CORRECTION_ALONE]
    assert 1 <= wider < 2
    assert 0 <= lower < 1
    assert gains[CORRECTION][0] < wider
    assert gains[CORRECTION][1] < lower


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("RandomForestClassifier", "forest"),
        ("XGBClassifier", "boosting"),
        ("KNeighborsClassifier", "neighbours"),
    ],
)
def test_families(name, family):
    assert find_family(name) == family


# --- verdicts ------------------------------------------------------------------------------------


def compare_gains(gains, subject, error=0.01):
    """Compare strategies of given gains in average precision, all of one standard error."""

    class Rows:
        def error(self, strategy, metric, than):
            return error

    names = {"nothing": 0.0} | gains
    index = pd.MultiIndex.from_product([list(names), range(2)], names=["arm", "fold"])
    reached = np.repeat([0.5 + value for value in names.values()], 2)
    scores = pd.DataFrame({"average_precision": reached}, index)
    evidence = Evidence(Rows(), {subject: None}, "any", 100.0)
    return Comparison(scores, 0.25, subjects=(subject,), evidence=evidence)


def judge_gain(gain, error, **others):
    """Judge a strategy of a given gain in average precision and standard error, beside others."""
    gains = {"ours": gain} | {name.replace("_", " "): value for name, value in others.items()}
    found = compare_gains(gains, "ours", error)
    return judge(found, METRICS["average_precision"], name="Ours", estimator="a tree")


def test_a_score_that_is_printed_alike_does_not_rise():
    assert "average precision stays at 0.500" in judge_gain(0.0002, 0.01).sentence


@pytest.mark.parametrize(
    ("gain", "answer"),
    [(0.03, Answer.HELPS), (0.008, Answer.PROBABLY), (0.003, Answer.NO_EVIDENCE), (-0.03, Answer.HURTS)],
)
def test_the_answer_follows_interval_and_probability(gain, answer):
    found = judge_gain(gain, 0.01)
    assert found.answer == answer
    assert (found.probability >= 2 / 3) == (answer in (Answer.HELPS, Answer.PROBABLY))
    assert f"{gain:+.3f}" in found.sentence


def test_a_better_classifier_is_named_in_one_line():
    found = judge_gain(0.03, 0.01, boosted_trees=0.09, random_forest=0.05)
    assert "Boosted trees, on the rows as they are, bring +0.090" in found.advice
    assert "; new rows bring +0.030 to a tree. Use boosted trees without new rows;" in found.advice
    assert "on the rows as they are" not in judge_gain(0.03, 0.01, boosted_trees=-0.02).advice


def test_no_classifier_is_taken_for_a_simpler_way():
    assert "Nothing simpler was there" in judge_gain(0.03, 0.01, boosted_trees=0.01).advice


def test_an_assessment_has_a_probability(rare):
    found = compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK))
    moved = found.differences().loc["Doubles"]
    assert 0 <= found.probability <= 1
    assert found.probability == moved["probability"] == found.table.loc["Doubles", "probability"]
    assert moved["low"] < moved["difference"] < moved["high"]
    means = found.table["average_precision"]
    assert moved["measured"] == pytest.approx(means["Doubles"] - means["nothing"])


def test_losses_that_fall_are_gains(rare):
    found = compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK))
    moved = found.differences("log_loss")
    assert (moved["probability"] > 0.5).equals(moved["difference"] < 0)


# --- what to do next ------------------------------------------------------------------------------


class Shifted(BaseEstimator):
    """Makes rows that are real ones of the class."""

    def fit(self, X, y):
        return self

    def generate(self, y_new, X, y, *, method="auto", random_state=None):
        rows = [int(np.flatnonzero(np.asarray(y) == label)[0]) for label in y_new]
        return X.iloc[rows].reset_index(drop=True), np.array(rows)


OURS = "VAEOverSampler (ratio 0.5)"
BLEND = f"{OURS}, blended"


@pytest.mark.parametrize(
    ("gains", "does"),
    [
        ({OURS: 0.03}, "VAEOverSampler(sampling_strategy=0.5))"),
        ({BLEND: 0.03}, "VAEOverSampler(sampling_strategy=0.5), blend=True)"),
        ({OURS: 0.03, "boosted trees": 0.09}, "HistGradientBoostingClassifier()"),
        ({OURS: 0.03, "the three together": 0.09}, "VotingClassifier(members"),
        ({OURS: 0.03, "boosted trees": 0.01}, "VAEOverSampler(sampling_strategy=0.5)"),
        ({OURS: 0.0}, "model = classifier.fit(X, y)"),
    ],
)
def test_the_lines_to_paste_train_what_did_best(rare, gains, does):
    code = write_next_step(judge_gains(gains), Setting(rare[1]))
    assert does in code
    assert not re.search(r"vaeaug\.\w", code)  # public names alone
    scope = paste(code, X=pd.DataFrame(rare[0]), y=rare[1], classifier=LogisticRegression())
    assert scope["model"].predict(scope["X"]).shape == rare[1].shape


def judge_gains(gains):
    found = compare_gains(gains, next(iter(gains)))
    return judge(found, METRICS["average_precision"], name="ours", estimator="a tree")


def paste(code, **scope):
    """Run lines as a user would, with a generator that takes no time."""
    quick = {"VAEOverSampler": lambda **options: VAEOverSampler(Shifted(), label_filter=None, **options)}
    code = code.replace("AugmentedClassifier, VAEOverSampler", "AugmentedClassifier")
    scope |= quick
    exec(code, scope)
    return scope


@pytest.mark.parametrize(
    ("estimator", "does"),
    [
        (LogisticRegression(), 'compute_sample_weight("balanced", y)'),
        (make_pipeline(LogisticRegression()), "logisticregression__sample_weight="),
    ],
)
def test_the_lines_to_paste_weigh_classes_where_the_advice_does(rare, estimator, does):
    verdict = judge_gains({OURS: 0.0, "class weights": 0.1})
    assert verdict.use == "class weights"
    X = pd.DataFrame(rare[0])
    code = write_next_step(verdict, Setting(rare[1]).look(X, estimator))
    assert does in code
    assert paste(code, X=X, y=rare[1], classifier=estimator)["model"].predict(X).shape == rare[1].shape


@pytest.mark.parametrize("use", ["SMOTE (ratio 0.5)", "duplicates (ratio 0.5)"])
def test_the_lines_to_paste_resample_as_the_advice_does(rare, use):
    pytest.importorskip("imblearn")
    code = write_next_step(judge_gains({OURS: 0.0, use: 0.1}), Setting(rare[1]))
    scope = paste(code, X=pd.DataFrame(rare[0]), y=rare[1], classifier=LogisticRegression())
    assert scope["model"].predict(scope["X"]).shape == rare[1].shape


@pytest.mark.parametrize("name", ["", "logistic", "hgb", "knn", "forest"])
@pytest.mark.parametrize("better", [None, "logistic regression", "the three together"])
def test_the_lines_to_paste_read_any_column(name, better):
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(40) * 9, "D")
    X = pd.DataFrame(
        {
            "id": [f"C{k}" for k in range(40)],
            "age": [20.0, None, 40.0, 50.0] * 10,
            "job": ["clerk", None, "nurse", "clerk"] * 10,
            "since": days,
            "zone": days.tz_localize("Europe/Paris"),
            "text": days.strftime("%d.%m.%Y"),
            "took": pd.to_timedelta(np.arange(40), "h"),
        }
    )
    y, before = np.array([0, 1, 1, 0] * 10), X.copy()
    gains = {OURS: 0.0} | ({} if better is None else {better: 0.09})
    estimator = learner(name, X) if name else LogisticRegression()
    setting = Setting(y, hidden=("id",), name=name).look(X, estimator)
    code = write_next_step(judge_gains(gains), setting)
    classifier = learner("logistic", X)  # of the user, who has encoded the columns
    scope = paste(code, X=X, y=y) if name or better else paste(code, X=X, y=y, classifier=classifier)
    assert scope["model"].predict(scope["X"]).shape == (40,)
    assert "id" not in scope["X"] or scope["X"]["id"].nunique() == 1
    if name or better:
        dates = scope["X"][["since", "zone", "text", "took"]]
        assert (dates.dtypes == "float64").all()
        assert dates.notna().all(axis=None)
    pd.testing.assert_frame_equal(X, before)


def test_the_lines_to_paste_take_arrays(rare):
    code = write_next_step(judge_gains({OURS: 0.0, "boosted trees": 0.09}), Setting(rare[1], is_frame=False))
    assert paste(code, X=np.asarray(rare[0]), y=rare[1])["model"].n_features_in_ == rare[0].shape[1]


def test_the_lines_to_paste_keep_the_settings_of_the_sampler():
    sampler = VAEOverSampler(VAEAugmenter(max_iter=5, id_columns=["a"]), random_state=1)
    code = write_next_step(judge_gains({OURS: 0.03}), Setting(np.repeat([0, 1], [40, 4]), sampler=sampler))
    assert "from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler" in code
    assert "VAEAugmenter(id_columns=['a'], max_iter=5)" in code
    assert "random_state=1, sampling_strategy=0.5)" in code
    odd = Setting(np.repeat([0, 1], [40, 4]), sampler=VAEOverSampler(Shifted()))
    assert "VAEOverSampler(sampling_strategy=0.5)" in write_next_step(judge_gains({OURS: 0.03}), odd)


@pytest.mark.parametrize(
    ("gains", "does"),
    [
        ({OURS: 0.03}, "VAEOverSampler(random_state=7, sampling_strategy=0.5)"),
        ({OURS: 0.0, "boosted trees": 0.09}, "HistGradientBoostingClassifier(random_state=7)"),
        ({OURS: 0.0, "random forest": 0.09}, "min_samples_leaf=2, random_state=7)"),
        ({OURS: 0.0, "SMOTE (ratio 0.5)": 0.09}, "SMOTE(sampling_strategy=0.5, random_state=7)"),
        ({OURS: 0.0, "duplicates (ratio 1)": 0.09}, "RandomOverSampler(random_state=7)"),
        ({OURS: 0.0}, "classifier.set_params(**{'forest__random_state': 7})"),
    ],
)
def test_the_lines_to_paste_carry_the_seed(rare, gains, does):
    classifier = Pipeline([("forest", RandomForestClassifier(5))])
    setting = Setting(rare[1], sampler=VAEOverSampler(), seed=7).look(pd.DataFrame(rare[0]), classifier)
    code = write_next_step(judge_gains(gains), setting)
    assert does in code
    if "imblearn" in code:
        pytest.importorskip("imblearn")
    X = pd.DataFrame(rare[0])
    scope = [paste(code, X=X, y=rare[1], classifier=clone(classifier)) for _ in range(2)]
    first, second = (each["model"].predict_proba(each["X"]) for each in scope)
    np.testing.assert_array_equal(first, second)


def test_a_seed_of_the_sampler_stays_and_a_stream_is_replaced():
    y = np.repeat([0, 1], [40, 4])
    for own, shown in ((3, 3), (np.random.RandomState(3), 7)):
        setting = Setting(y, sampler=VAEOverSampler(VAEAugmenter(max_iter=5), random_state=own), seed=7)
        code = write_next_step(judge_gains({OURS: 0.03}), setting)
        assert f"VAEOverSampler(augmenter=VAEAugmenter(max_iter=5), random_state={shown}," in " ".join(
            code.split()
        )


@pytest.mark.parametrize("state", [None, 5, np.random.RandomState(0), np.random.default_rng(0)])
def test_the_seed_that_is_shown_gives_the_same_numbers(rare, state):
    found = compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK | {"random_state": state}))
    seed = int(found.facts["Seed"])
    assert state != 5 or seed == 5
    again = compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK | {"random_state": seed}))
    pd.testing.assert_frame_equal(found.scores.drop(columns="seconds"), again.scores.drop(columns="seconds"))


def test_of_three_classes_the_lines_count_rows():
    y = np.repeat(["a", "b", "c"], [40, 20, 5])
    code = write_next_step(judge_gains({"VAEOverSampler (ratio 0.6)": 0.05}), Setting(y))
    assert "sampling_strategy={'b': 24, 'c': 24}" in code


def test_the_page_answers_on_top(rare):
    found = compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK))
    page = found.to_html()
    top = page[: page.index("difference to plain training")]
    assert "Probability of a gain" in top
    assert "What to do next" in top
    assert found.code in html.unescape(top)


# --- groups ------------------------------------------------------------------------------------------


def test_groups_stay_on_one_side(rare, monkeypatch):
    X, y = rare
    groups = np.repeat(np.arange(50), 3)
    seen = []

    class Watching(Doubles):
        def fit_resample(self, X, y):
            seen.append({int(value) for value in X[:, 4]})
            return X, y

    with_group = np.column_stack([X, groups])
    found = compare(LogisticRegression(), with_group, y, Watching(), Options(**QUICK, groups=groups))
    assert len(seen) == 3
    assert all(len(part) < 50 for part in seen)
    assert sum(50 - len(part) for part in seen) == 50  # each group is left out whole, once
    assert found.table.loc["Watching", "status"] == "ok"


@pytest.mark.parametrize(
    ("groups", "cv", "says"),
    [
        (np.arange(10), 3, r"one value per row \(150\)"),
        (np.where(np.arange(150) < 3, np.nan, 1), 3, "3 are missing"),
        (np.arange(150) % 2, 3, r"2 group\(s\) cannot be shared among 3 folds"),
        (
            np.zeros(150),
            [(np.arange(75), np.arange(75, 150)), (np.arange(75, 150), np.arange(75))],
            "both sides",
        ),
    ],
)
def test_groups_that_cannot_be_kept_are_refused(rare, groups, cv, says):
    with pytest.raises(InputError, match=says):
        compare(LogisticRegression(), *rare, Doubles(), Options(**{**QUICK, "cv": cv}, groups=groups))


# --- time --------------------------------------------------------------------------------------------------


def test_time_that_is_up_leaves_what_was_measured(rare):
    found = compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK, max_seconds=1e-6))
    assert "Stopped after 1 of 3 folds" in found.stopped
    assert "all would take about" in found.summary()
    assert "Stopped after 1 of 3 folds" in found.to_html()
    assert found.verdict in ("helps", "probably helps", "no evidence of help", "hurts")
    assert len(found.scores.xs("Doubles", level="arm")) == 1


def test_the_headline_says_how_many_folds_it_comes_from(rare):
    found = compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK, max_seconds=1e-6))
    assert "from 1 of 3 folds: stopped after 1 s" in found.summary().splitlines()[0]
    assert "(from 1 of 3 folds: stopped after 1 s)" in repr(found)
    page = found.to_html()
    assert page.count("(from 1 of 3 folds: stopped after 1 s)") == 2  # title and heading
    assert "1 of 3; every sampler" in page
    assert "less than one fold took" in found.stopped
    assert "One fold does not tell how much training varies." in found.stopped


class Clock:
    """Time that passes only where it is told to."""

    now = 1000.0

    def __call__(self):
        return self.now


class Waits(NoResampling):
    """Takes so many seconds in each of the folds."""

    def __init__(self, name, clock, *seconds):
        self.names = (name,)
        self.is_reference = name == "nothing"
        self.clock, self.seconds = clock, list(seconds)

    def trainings(self, X, y, seed):
        self.clock.now += self.seconds.pop(0)
        return super().trainings(X, y, seed)


@pytest.mark.parametrize(
    ("bound", "first", "second", "done", "ends"),
    [
        (100, [10, 10, 10, 10], [20, 20, 20, 20], 3, 90),  # a fourth fold would end at 120
        (100, [10, 10, 10, 10], [20, 30, 20, 20], 2, 70),  # the longest fold tells, not the mean
        (100, [10, 65, 10, 10], [20, 20, 20, 20], 1, 95),  # a fold that is late already is broken off
        (25, [10, 10, 10, 10], [20, 20, 20, 20], 1, 30),  # one fold in any case
        (130, [10, 10, 10, 10], [20, 20, 20, 20], 4, 120),
    ],
)
def test_nothing_begins_that_would_end_too_late(rare, monkeypatch, bound, first, second, done, ends):
    clock = Clock()
    monkeypatch.setattr(cross_validation, "perf_counter", clock)
    X, y = rare
    folds = [Fold(k, np.arange(len(y)), np.arange(k, len(y), 4)) for k in range(4)]
    strategies = [Waits("nothing", clock, *first), Waits("later", clock, *second)]
    problem = Problem(LogisticRegression(), X, y, np.array([0, 1]), 1)
    limits = Limits(max_seconds=bound)
    outcomes, stop = cross_validate_within(problem, strategies, folds, 0, limits)
    assert {each.fold for each in outcomes} == set(range(done))
    assert clock.now - 1000 == ends
    assert stop.brief == ("" if done == 4 else f"from {done} of 4 folds: stopped after {ends} s")


def test_time_counts_from_the_call_on(rare, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(cross_validation, "perf_counter", clock)
    X, y = rare
    folds = [Fold(k, np.arange(len(y)), np.arange(k, len(y), 4)) for k in range(4)]
    problem = Problem(LogisticRegression(), X, y, np.array([0, 1]), 1)
    limits = Limits(max_seconds=100, began=clock.now - 50)
    _, stop = cross_validate_within(problem, [Waits("nothing", clock, 20, 20, 20, 20)], folds, 0, limits)
    assert stop.brief == "from 2 of 4 folds: stopped after 90 s"
    assert stop.sentence == "Stopped after 2 of 4 folds by max_seconds=100; all would take about 80 seconds."


def test_ctrl_c_leaves_what_was_measured(rare):
    Doubles.ends = 3
    found = compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK))
    assert found.stopped == "Interrupted after 2 of 3 folds."
    assert "from 2 of 3 folds: interrupted" in found.summary().splitlines()[0]
    assert np.isfinite(found.probability)


def test_ctrl_c_in_the_first_fold_is_ctrl_c(rare):
    Doubles.ends = 1
    with pytest.raises(KeyboardInterrupt):
        compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK))


def test_a_fit_that_ctrl_c_broke_off_is_not_judged():
    said = "Training was interrupted after 2 of 9 epochs; the weights are kept."
    with pytest.raises(KeyboardInterrupt), pass_interrupts():
        warnings.warn(said, VaeaugWarning, stacklevel=1)


def test_long_work_is_announced_after_the_first_fold(rare, monkeypatch):
    said = []
    compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK, announce=said.append))
    assert not said
    monkeypatch.setattr(cross_validation, "_LONG", 0.0)
    compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK, announce=said.append))
    assert len(said) == 1
    assert said[0].startswith("3 folds will take about ")
    assert "max_seconds" in said[0]


@pytest.mark.parametrize("seconds", [0, -1, "soon"])
def test_a_bound_that_is_none_is_refused(rare, seconds):
    with pytest.raises(InputError, match="max_seconds must be"):
        compare(LogisticRegression(), *rare, Doubles(), Options(**QUICK, max_seconds=seconds))


def test_the_file_of_gains_names_its_source():
    text = expectation.files("vaeaug.evaluation.assess").joinpath("gains.json").read_text(encoding="utf-8")
    assert "imbalance.jsonl" in text
