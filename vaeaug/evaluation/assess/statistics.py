"""Paired differences over overlapping folds, with intervals that know of the overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from vaeaug.errors import InputError

__all__ = ["Difference", "estimate_difference"]


@dataclass(frozen=True)
class Difference:
    """A mean paired difference, its interval, and how probable one as large is by chance.

    Parameters
    ----------
    mean, low, high : float
        Difference and the ends of its interval; the ends are NaN for fewer than two folds.
    p : float
        Two-sided p-value of "no difference".
    error : float
        Standard error, overlap included.
    probability : float
        That it is above 0 for new rows.
    measured : float
        The mean before it was drawn towards what other tables showed, where it was.
    """

    mean: float
    low: float
    high: float
    p: float
    error: float
    probability: float = np.nan
    measured: float = np.nan


def estimate_difference(
    differences: np.ndarray, test_share: float, *, level: float = 0.95, comparisons: int = 1
) -> Difference:
    """Return the mean of fold-wise differences with Nadeau and Bengio's corrected interval.

    Training sets of cross-validation overlap, so fold-wise differences are correlated and their
    plain standard error is too small. The corrected variance of their mean over J folds is

    .. math:: \\Big(\\frac1J + \\frac{n_\\text{test}}{n_\\text{train}}\\Big) s^2,

    with s² the sample variance of the differences; the interval takes the t distribution with J − 1
    degrees of freedom.

    Parameters
    ----------
    differences : ndarray (J,)
        One per fold, of all repeats. NaN are left out.
    test_share : float
        Rows tested for each row trained on, 1 / (folds − 1) in k-fold cross-validation.
    level : float, default=0.95
    comparisons : int, default=1
        Over how many such intervals the level is to hold together (Bonferroni); p is multiplied by it.

    Returns
    -------
    Difference

    Raises
    ------
    InputError
        If nothing is left to average, or test_share is not above 0.

    References
    ----------
    Nadeau and Bengio, *Inference for the generalization error*, Machine Learning 52, 2003, section 4;
    for repeated cross-validation: Bouckaert and Frank, PAKDD 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.evaluation.assess.statistics import estimate_difference
    >>> found = estimate_difference(np.array([0.01, 0.03, 0.02, 0.04, 0.03]), 0.25)
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    (0.026, 0.005, 0.047)
    """
    if not test_share > 0:
        raise InputError(f"estimate_difference: test_share must be above 0, got {test_share!r}.")
    known = np.asarray(differences, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        raise InputError("estimate_difference: there is no difference to average; every fold is missing.")
    mean = float(known.mean())
    if len(known) < 2:
        return Difference(mean, np.nan, np.nan, np.nan, np.nan, measured=mean)
    error = float(np.sqrt((1 / len(known) + test_share) * known.var(ddof=1)))
    freedom = len(known) - 1
    reach = float(stats.t.ppf(1 - (1 - level) / (2 * comparisons), freedom)) * error
    surprise = abs(mean) / error if error else np.inf if mean else 0.0
    p = min(1.0, comparisons * float(2 * stats.t.sf(surprise, freedom)))
    # With Bonferroni's caution here too: the best of several looks better than it is.
    rises = 1 - p / 2 if mean > 0 else p / 2 if mean < 0 else 0.5
    return Difference(mean, mean - reach, mean + reach, p, error, rises, mean)
