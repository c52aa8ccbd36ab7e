import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    roc_auc_score,
)

from vaeaug.evaluation.assess.metrics import (
    METRICS,
    Predictions,
    Thresholds,
    apply_thresholds,
    best_thresholds,
    calibration_slope,
    decide_classes,
    measure,
)


@pytest.fixture
def two():
    rng = np.random.default_rng(0)
    truth = (rng.random(400) < 0.2).astype(int)
    odds = rng.normal(size=400) + 2 * truth - 1.5
    p = 1 / (1 + np.exp(-odds))
    return truth, np.column_stack([1 - p, p])


def predictions(p):
    return Predictions(p.argmax(axis=1), p, p)


def test_two_classes_agree_with_scikit_learn(two):
    truth, p = two
    moved = predictions(p).decisions | apply_thresholds(p, 1, Thresholds(0.3, 0.2))
    found = measure(truth, SimpleNamespace(ranks=p, probabilities=p, decisions=moved), 1)
    assert found["average_precision"] == pytest.approx(average_precision_score(truth, p[:, 1]))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, p[:, 1]))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, p[:, 1] > 0.5))
    assert found["f1"] == pytest.approx(f1_score(truth, p[:, 1] > 0.5))
    assert found["tuned_f1"] == pytest.approx(f1_score(truth, p[:, 1] >= 0.3))
    assert found["tuned_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, p[:, 1] >= 0.2))
    assert found["log_loss"] == pytest.approx(log_loss(truth, p), rel=1e-3)
    assert found["brier"] == pytest.approx(brier_score_loss(truth, p[:, 1]))
    assert set(found) == set(METRICS)


def test_the_rare_class_may_be_the_first(two):
    truth, p = two
    found, mirrored = (
        measure(t, predictions(q), rare) for t, q, rare in ((truth, p, 1), (1 - truth, p[:, ::-1], 0))
    )
    assert found == pytest.approx(mirrored, nan_ok=True)


def test_three_classes_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    truth = rng.choice(3, 300, p=[0.6, 0.3, 0.1])
    p = rng.random((300, 3)) + np.eye(3)[truth]
    p /= p.sum(axis=1, keepdims=True)
    found = measure(truth, predictions(p), 2)
    assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, p, multi_class="ovr"))
    assert found["average_precision"] == pytest.approx(average_precision_score(np.eye(3)[truth], p))
    assert found["brier"] == pytest.approx(((p - np.eye(3)[truth]) ** 2).sum(1).mean())
    assert found["f1"] == pytest.approx(f1_score(truth == 2, p.argmax(1) == 2))


def test_decision_values_have_no_probability_metrics(two):
    truth, p = two
    found = measure(truth, Predictions(p.argmax(1), p, None), 1)
    assert np.isnan([found["log_loss"], found["brier"], found["tuned_f1"]]).all()
    assert found["roc_auc"] > 0.5


def test_a_fold_of_one_class_is_no_error(two):
    truth, p = two
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(np.zeros(400, dtype=int), predictions(p), 1)
    assert np.isnan([found["roc_auc"], found["average_precision"]]).all()


def test_a_row_of_weight_three_counts_as_three_rows(two):
    truth, p = two
    weights = np.random.default_rng(1).integers(1, 4, len(truth))
    many = np.repeat(np.arange(len(truth)), weights)
    found = measure(truth, predictions(p), 1, weights)
    assert found == pytest.approx(measure(truth[many], predictions(p[many]), 1), nan_ok=True)
    assert found["average_precision"] != pytest.approx(measure(truth, predictions(p), 1)["average_precision"])
    assert best_thresholds(truth, p, 1, weights) == best_thresholds(truth[many], p[many], 1)
    slope = calibration_slope(truth == 1, p[:, 1], weights)
    assert slope == pytest.approx(calibration_slope(truth[many] == 1, p[many, 1]))


def test_thresholds_are_the_best_of_all_cuts(two):
    truth, p = two
    found = best_thresholds(truth, p, 1)
    cuts = np.append(np.unique(p[:, 1]), -np.inf)
    f1 = [f1_score(truth, p[:, 1] >= cut) for cut in cuts]
    balanced = [balanced_accuracy_score(truth, p[:, 1] >= cut) for cut in cuts]
    assert f1_score(truth, p[:, 1] >= found.f1) == pytest.approx(max(f1))
    assert balanced_accuracy_score(truth, p[:, 1] >= found.balanced_accuracy) == pytest.approx(max(balanced))


def test_thresholds_of_few_distinct_scores():
    scores = np.array([0.0, 0.2, 0.2, 0.4, 0.4, 0.4])
    truth = np.array([0, 0, 0, 1, 1, 0])
    found = best_thresholds(truth, np.column_stack([1 - scores, scores]), 1)
    assert found.f1 == pytest.approx(0.3)


def test_decisions_fall_back_on_the_best_of_the_others():
    scores = np.array([[0.5, 0.3, 0.2], [0.3, 0.6, 0.1], [0.1, 0.0, 0.9]])
    assert decide_classes(scores, 2, 0.15).tolist() == [2, 1, 2]
    assert decide_classes(scores, 2, 2.0).tolist() == [0, 1, 0]


def test_the_slope_is_that_of_a_logistic_regression(two):
    truth, p = two
    odds = np.log(p[:, 1] / p[:, 0])
    expected = LogisticRegression(C=np.inf).fit(odds[:, None], truth).coef_[0, 0]
    assert calibration_slope(truth == 1, p[:, 1]) == pytest.approx(expected, rel=1e-3)
    # A shift of the log-odds, as resampling makes, leaves it alone.
    shifted = 1 / (1 + np.exp(-odds - 1.0))
    assert calibration_slope(truth == 1, shifted) == pytest.approx(expected, rel=1e-3)


def test_slopes_that_there_are_not():
    assert np.isnan(calibration_slope(np.ones(4, dtype=bool), np.linspace(0.1, 0.9, 4)))
    assert np.isnan(calibration_slope(np.array([True, False]), np.full(2, 0.3)))
    assert np.isnan(calibration_slope(np.array([False] * 5 + [True] * 5), np.linspace(0.1, 0.9, 10)))
