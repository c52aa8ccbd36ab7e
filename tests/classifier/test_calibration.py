"""Probabilities brought to what held-out rows turned out to be."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from vaeaug.classifier.calibration import Recalibration
from vaeaug.evaluation.assess.metrics import calibration_slope


def drawn(n, factor, offset=0.0, seed=0):
    """Return truth, and probabilities whose log-odds are ``factor`` times too large and off by ``offset``."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-2, 1.5, size=n)
    truth = (rng.random(n) < expit(odds)).astype(int)
    p = expit(factor * odds + offset)
    return truth, np.column_stack([1 - p, p])


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_slope_and_share_become_right(factor):
    recalibration = Recalibration.fit(*drawn(20_000, factor, offset=0.4))
    truth, p = drawn(20_000, factor, offset=0.4, seed=1)
    found = recalibration.apply(p)
    assert recalibration.slope == pytest.approx(1 / factor, rel=0.1)
    assert calibration_slope(truth == 1, found[:, 1]) == pytest.approx(1, abs=0.1)
    assert found[:, 1].mean() == pytest.approx(truth.mean(), abs=0.01)


def test_one_row_changes_little():
    recalibration = Recalibration.fit(np.array([1]), np.array([[0.6, 0.4]]))
    assert recalibration.slope == pytest.approx(1, abs=0.1)
    assert 0 < recalibration.shifts[1] < 0.2


def test_right_probabilities_stay():
    recalibration = Recalibration.fit(*drawn(20_000, 1.0))
    assert recalibration.slope == pytest.approx(1, abs=0.06)
    assert np.abs(recalibration.shifts).max() < 0.1


def test_of_two_classes_no_rows_change_places_or_tie():
    truth, p = drawn(500, 9.0)
    found = Recalibration.fit(truth, p).apply(p)
    order = np.argsort(p[:, 1])
    assert (np.diff(found[order, 1]) > 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_many_classes_each_with_a_shift():
    rng = np.random.default_rng(2)
    logs = rng.normal(size=(20_000, 3)) + np.log([0.7, 0.2, 0.1])
    truth = (softmax(logs, axis=1).cumsum(axis=1) < rng.random((len(logs), 1))).sum(axis=1)
    wrong = softmax(2 * logs + [0.5, -0.5, 0.0], axis=1)
    recalibration = Recalibration.fit(truth, wrong)
    assert recalibration.slope == pytest.approx(0.5, abs=0.05)
    assert sum(recalibration.shifts) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(
        recalibration.apply(wrong).mean(axis=0), np.bincount(truth) / len(truth), atol=0.01
    )


def test_zeros_and_ones_are_no_end(recwarn):
    p = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]] * 10)
    truth = np.array([0, 0, 1] * 10)
    recalibration = Recalibration.fit(truth, p)
    assert 0 < recalibration.slope < 0.2
    assert np.isfinite(recalibration.apply(p)).all()
    assert not recwarn


def test_kind_of_numbers_is_kept():
    truth, p = drawn(50, 2.0)
    assert Recalibration.fit(truth, p).apply(p.astype(np.float32)).dtype == np.float32
