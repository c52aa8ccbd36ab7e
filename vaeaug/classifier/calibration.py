"""How sure a classifier may be: its probabilities, brought to the truth of rows that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

__all__ = ["Recalibration"]

#: Below this, log-probabilities are drawn together: a few that are all but 0, or 0 as neighbours vote, must
#: not decide alone. They keep their order.
_EDGE, _LEAST = 1e-4, 1e-300
_DRAWN = 0.25
#: How far slope and shifts lie from 1 and 0 before one has looked, as standard deviations.
_SPREAD_OF_SLOPE, _SPREAD_OF_SHIFTS = 0.5, 0.5
_FLATTEST = 0.05


@dataclass(frozen=True)
class Recalibration:
    """A slope and a shift for each class: ``log p'_k = slope · log p_k + shifts_k − normaliser``.

    Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks") with a bias
    for each class; of two classes it is the logistic correction of Platt (1999) on log-odds.

    Parameters
    ----------
    slope : float
        Below 1 where the classifier was too sure of itself.
    shifts : tuple of float
        One for each class; they add up to 0.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.classifier.calibration import Recalibration
    >>> rng = np.random.default_rng(0)
    >>> odds = rng.normal(size=5000)
    >>> truth = (rng.random(5000) < 1 / (1 + np.exp(-odds))).astype(int)
    >>> too_sure = 1 / (1 + np.exp(-2 * odds))
    >>> found = Recalibration.fit(truth, np.column_stack([1 - too_sure, too_sure]))
    >>> round(found.slope, 1)
    0.5
    """

    slope: float
    shifts: tuple[float, ...]

    @classmethod
    def fit(cls, truth: np.ndarray, probabilities: np.ndarray) -> Recalibration:
        """Learn slope and shifts from rows that the classifier has not seen.

        The most probable ones given the rows, where the slope is 1 ± 0.5 and each shift 0 ± 0.5 (normal
        distributions) beforehand: few rows change less than they would by themselves.

        Parameters
        ----------
        truth : ndarray of int (n,)
            Classes, 0 to k − 1.
        probabilities : ndarray (n, k)
        """
        count = probabilities.shape[1]
        logs, hits = _logs(probabilities), np.eye(count)[truth]

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            said = log_softmax(weights[0] * logs + weights[1:], axis=1)
            missed = np.exp(said) - hits
            off = (weights - start) / spread**2
            value = float(0.5 * off @ (weights - start) - (said * hits).sum())
            return value, np.r_[(missed * logs).sum(), missed.sum(axis=0)] + off

        start = np.r_[1.0, np.zeros(count)]
        spread = np.r_[_SPREAD_OF_SLOPE, np.full(count, _SPREAD_OF_SHIFTS)]
        bounds = [(_FLATTEST, None)] + [(None, None)] * count
        weights = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
        return cls(float(weights[0]), tuple((weights[1:] - weights[1:].mean()).tolist()))

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return corrected probabilities (n, k). Of two classes, the order of rows stays as it was."""
        found = softmax(self.slope * _logs(probabilities) + np.asarray(self.shifts), axis=1)
        return found.astype(probabilities.dtype, copy=False)


def _logs(probabilities: np.ndarray) -> np.ndarray:
    """Return log-probabilities, those below the edge drawn together."""
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST))
    below = np.minimum(logs - np.log(_EDGE), 0.0)
    return logs - below - _DRAWN * np.log1p(-below)
