"""What is to be expected of a strategy: what other tables showed, and what the rows at hand show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from vaeaug.evaluation.assess.metrics import METRICS
from vaeaug.evaluation.assess.paired import PairedRows
from vaeaug.evaluation.assess.statistics import Difference
from vaeaug.evaluation.assess.strategies import BLENDED

__all__ = [
    "CORRECTION",
    "CORRECTION_ALONE",
    "Evidence",
    "Expectation",
    "combine",
    "correct",
    "find_family",
    "look_up",
]

#: Strategies of which nothing is known beforehand are expected to change nothing, give or take this kind's.
_UNKNOWN, _LIKE = "other", "VAEOverSampler 1"
#: What the file of gains calls the corrections of expectations, where blends are judged and where none are.
CORRECTION, CORRECTION_ALONE = "correction", "correction without blends"
_OURS = "VAEOverSampler"
#: Minority rows of the tables that the numbers come from, and at which the means are stated.
_RANGE, _CENTRE = (15.0, 2000.0), 100.0
_FAMILIES = {
    "boosting": ("Boost", "XGB", "LGBM"),
    "forest": ("Forest", "Trees", "DecisionTree", "Bagging"),
    "neighbours": ("Neighbors",),
    "linear": ("Logistic", "Linear", "Ridge", "SGD", "Perceptron"),
}


@dataclass(frozen=True)
class Expectation:
    """How far a metric will move, as a normal distribution.

    Parameters
    ----------
    mean, spread : float
    """

    mean: float
    spread: float


def find_family(name: str) -> str:
    """Return which classifiers of the benchmark a classifier is most like, ``"any"`` where it is unknown.

    Examples
    --------
    >>> from vaeaug.evaluation.assess.expectation import find_family
    >>> find_family("HistGradientBoostingClassifier"), find_family("SVC")
    ('boosting', 'any')
    """
    found = [family for family, parts in _FAMILIES.items() if any(part in name for part in parts)]
    return found[0] if found else "any"


@cache
def _read_gains() -> dict[str, Any]:
    text = files("vaeaug.evaluation.assess").joinpath("gains.json").read_text(encoding="utf-8")
    gains: dict[str, Any] = json.loads(text)["gains"]
    return gains


def look_up(
    kind: str | None, metric: str, family: str, rare: float, gains: Mapping[str, Any] | None = None
) -> Expectation | None:
    """Return how far a strategy moved a metric on the tables of the benchmark.

    Parameters
    ----------
    kind : str or None
        Of the strategy; ``"other"`` for those that the benchmark does not know. Of None nothing is expected.
    metric : str
    family : str
        Of the classifier, see :func:`find_family`.
    rare : float
        Rows of the minority class that are trained on.
    gains : mapping, optional
        Other numbers than those of the package.

    Returns
    -------
    Expectation or None
        None where nothing is known of the metric.
    """
    known = _read_gains() if gains is None else gains
    about = known.get(_LIKE if kind == _UNKNOWN else str(kind), {}).get(metric)
    if about is None:
        return None
    mean, slope, spread = about.get(family, about["any"])
    if kind == _UNKNOWN:
        return Expectation(0.0, float(np.hypot(about["any"][0], about["any"][2])))
    size = np.log10(np.clip(rare, *_RANGE) / _CENTRE)
    return Expectation(mean + slope * size, spread)


def combine(mean: float, error: float, before: Expectation | None, level: float) -> Difference:
    """Return what to expect after a measurement: the mean of a normal distribution with a normal prior.

    Examples
    --------
    >>> from vaeaug.evaluation.assess.expectation import Expectation, combine
    >>> found = combine(0.04, 0.02, Expectation(0.0, 0.02), 0.95)
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3), round(found.probability, 2)
    (0.02, -0.008, 0.048, 0.92)
    """
    spread = error
    expected = mean
    if before is not None:
        trust = before.spread**2 / max(before.spread**2 + error**2, 1e-300)
        expected = trust * mean + (1 - trust) * before.mean
        spread = float(np.sqrt(trust)) * error
    if spread <= 0:
        p = 1.0 if expected == 0 else 0.0
        return Difference(expected, expected, expected, p, 0.0, float(np.sign(expected) + 1) / 2, mean)
    reach = float(ndtri(0.5 + level / 2)) * spread
    rises = float(ndtr(expected / spread))
    p = 2 * min(rises, 1 - rises)
    return Difference(expected, expected - reach, expected + reach, p, spread, rises, mean)


def correct(
    found: Difference, correction: tuple[float, float], level: float, *, up: bool = True
) -> Difference:
    """Widen an expectation and lower it, by as much as those of other tables were too sure and too high.

    The best of several strategies is judged, and training sets overlap: paired rows show neither. Where
    expectations were not sure enough, or too low, the numbers are below 1 and below 0.

    Parameters
    ----------
    found : Difference
    correction : (float, float)
        How many times as wide the interval is to be, and by how many spreads less is to be expected.
    level : float
        Of the interval.
    up : bool, default=True
        Whether more is better.

    Examples
    --------
    >>> from vaeaug.evaluation.assess.expectation import combine, correct
    >>> found = correct(combine(0.04, 0.02, None, 0.95), (1.25, 0.4), 0.95)
    >>> round(found.mean, 3), round(found.low, 3), round(found.probability, 2)
    (0.032, -0.017, 0.9)
    """
    wider, lower = correction
    mean = found.mean - (lower if up else -lower) * found.error
    return replace(combine(mean, wider * found.error, None, level), measured=found.measured)


@dataclass(frozen=True)
class Evidence:
    """What is known of the strategies: paired predictions, and what other tables showed.

    Parameters
    ----------
    rows : PairedRows
    kinds : mapping of str to str or None
        Of each strategy, see :func:`look_up`.
    family : str
        Of the classifier.
    rare : float
        Rows of the minority class that are trained on.
    gains : mapping, optional
        See :func:`look_up`.
    """

    rows: PairedRows
    kinds: Mapping[str, str | None]
    family: str
    rare: float
    gains: Mapping[str, Any] | None = None

    def judge(
        self, strategy: str, metric: str, mean: float, *, than: str, plain: str, level: float
    ) -> Difference | None:
        """Return what to expect of a strategy, given what it gained; None where rows do not tell."""
        error = self.rows.error(strategy, metric, than)
        if error is None:
            return None
        before = None
        if than == plain:
            before = look_up(self.kinds.get(strategy), metric, self.family, self.rare, self.gains)
            if before is not None and not self.rows.ranks_better_than_chance(plain):
                before = Expectation(0.0, before.spread)  # where there is nothing to learn, rows add nothing
        found = combine(mean, error, before, level)
        kind, known = str(self.kinds.get(strategy)), _read_gains() if self.gains is None else self.gains
        has_blends = any(str(each).endswith(BLENDED) for each in self.kinds.values())
        correction = known.get(CORRECTION if kind.startswith(_OURS) and has_blends else CORRECTION_ALONE)
        if correction is None or than != plain or not kind.startswith((_OURS, _UNKNOWN)):
            return found
        up = METRICS[metric].up if metric in METRICS else True
        return correct(found, correction, level, up=up)
