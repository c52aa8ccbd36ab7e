import numpy as np
import pytest
from scipy import stats

from vaeaug.errors import InputError
from vaeaug.evaluation.assess.statistics import estimate_difference


def test_the_formula_of_nadeau_and_bengio():
    moved = np.array([0.02, 0.05, -0.01, 0.03, 0.04, 0.02])
    found = estimate_difference(moved, 0.25)
    error = np.sqrt((1 / 6 + 0.25) * moved.var(ddof=1))
    assert found.error == pytest.approx(error)
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 5) * error)
    assert found.p == pytest.approx(2 * stats.t.sf(found.mean / error, 5))


@pytest.mark.slow  # thousands of simulated studies
def test_the_level_holds_for_means_that_share_their_training_rows():
    # Folds with a common part in their noise, as large as the correction presumes.
    rng = np.random.default_rng(0)
    common = rng.normal(size=(4000, 1)) * np.sqrt(0.2)
    moved = common + rng.normal(size=(4000, 10)) * np.sqrt(0.8)
    found = [estimate_difference(row, 0.25) for row in moved]
    missed = np.mean([each.low > 0 or each.high < 0 for each in found])
    plain = [stats.ttest_1samp(row, 0).pvalue < 0.05 for row in moved]
    assert missed < 0.06 < 0.2 < np.mean(plain)


def test_several_comparisons_widen_the_interval():
    moved = np.array([0.02, 0.05, -0.01, 0.03])
    one, three = estimate_difference(moved, 0.5), estimate_difference(moved, 0.5, comparisons=3)
    assert three.low < one.low < one.mean == three.mean < one.high < three.high


def test_missing_folds_are_left_out():
    moved = np.array([0.02, np.nan, 0.05, 0.01])
    assert estimate_difference(moved, 0.5) == estimate_difference(moved[[0, 2, 3]], 0.5)


def test_no_difference_at_all():
    found = estimate_difference(np.zeros(5), 0.25)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_one_fold_has_no_interval():
    found = estimate_difference(np.array([0.3]), 0.25)
    assert found.mean == 0.3
    assert np.isnan([found.low, found.high, found.p]).all()


@pytest.mark.parametrize(
    ("moved", "share", "says"), [([np.nan], 0.5, "no difference"), ([1.0], 0, "above 0")]
)
def test_what_cannot_be_averaged(moved, share, says):
    with pytest.raises(InputError, match=says):
        estimate_difference(np.array(moved), share)
