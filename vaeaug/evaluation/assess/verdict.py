"""From paired scores to a verdict, in the words of a colleague."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vaeaug.evaluation.assess.metrics import METRICS, Metric
from vaeaug.evaluation.assess.statistics import Difference, corrected_interval

__all__ = ["DECISIONS", "HELPS", "HURTS", "NO_EVIDENCE", "Comparison", "Verdict", "judge"]

HELPS, NO_EVIDENCE, HURTS = "helps", "no evidence of help", "hurts"
#: Metrics that a decision threshold can move.
DECISIONS = ("balanced_accuracy", "f1", "score")


@dataclass(frozen=True)
class Comparison:
    """Scores of all arms, fold by fold, and what differences are made of them.

    Parameters
    ----------
    scores : DataFrame
        Indexed by arm and fold, a column per metric.
    test_share : float
        Rows tested for each row trained on.
    level : float
        Of intervals.
    subjects : sequence of str
        The arms in question. Since the best of them is looked for, their intervals hold together
        (Bonferroni), and so do those of all others: one interval for each arm, wherever it is shown.
    """

    scores: pd.DataFrame
    test_share: float
    level: float = 0.95
    subjects: Sequence[str] = ()

    @property
    def arms(self) -> list[str]:
        """Names of the arms that ran in every fold."""
        return list(dict.fromkeys(self.scores.index.get_level_values("arm")))

    def mean(self, arm: str, metric: str) -> float:
        """Return the mean over folds."""
        return float(self._folds(arm, metric).mean())

    def comparisons(self, arm: str) -> int:
        """Return over how many arms the interval of one holds."""
        others = [each for each in self.arms if each != "nothing"]
        return max(1, sum((each in self.subjects) == (arm in self.subjects) for each in others))

    def _folds(self, arm: str, metric: str) -> np.ndarray:
        return self.scores[metric].xs(arm, level="arm").to_numpy(dtype=np.float64)

    def difference(self, arm: str, metric: str, *, than: str = "nothing") -> Difference | None:
        """Return the paired difference of two arms; None where the metric cannot be had."""
        moved = self._folds(arm, metric) - self._folds(than, metric)
        if np.isnan(moved).all():
            return None
        comparisons = self.comparisons(arm) if than == "nothing" else 1
        return corrected_interval(moved, self.test_share, level=self.level, comparisons=comparisons)

    def gain(self, arm: str, metric: Metric, *, than: str = "nothing") -> Difference:
        """Return the difference counted so that above 0 is better."""
        found = self.difference(arm, metric.name, than=than)
        if found is None:
            return Difference(np.nan, np.nan, np.nan, np.nan, np.nan)
        if metric.up:
            return found
        return Difference(-found.mean, -found.high, -found.low, found.p, found.error)


@dataclass(frozen=True)
class Verdict:
    """What to make of it.

    Parameters
    ----------
    word : {"helps", "no evidence of help", "hurts"}
    sentence : str
        The finding.
    advice : str
        What to use.
    subject : str or None
        The arm that it is about; None if none of them ran.
    """

    word: str
    sentence: str
    advice: str
    subject: str | None


def judge(comparison: Comparison, metric: Metric, *, name: str, estimator: str) -> Verdict:
    """Say whether the best of some arms helps, and what to use instead.

    The best is the one with the largest mean. If its interval lies above 0 it helps, if below 0 it
    hurts, and otherwise there is no evidence.

    Parameters
    ----------
    comparison : Comparison
    metric : Metric
    name, estimator : str
        What the arms and the classifier are called in the sentence.

    Returns
    -------
    Verdict
    """
    subjects = comparison.subjects
    tried = [arm for arm in subjects if arm in comparison.arms]
    if not tried:
        return Verdict(
            NO_EVIDENCE,
            f"{name} could not be judged: it failed in every form that was tried.",
            _instead(comparison, subjects, metric),
            None,
        )
    best = max(tried, key=lambda arm: _rank(comparison.gain(arm, metric).mean))
    gain = comparison.gain(best, metric)
    word = HELPS if gain.low > 0 else HURTS if gain.high < 0 else NO_EVIDENCE
    change = _change(comparison, best, metric, gain)
    if word == HELPS:
        sentence = f"{best} helps {estimator} here: {change}."
        advice = _alternative(comparison, best, subjects, metric)
    elif word == HURTS:
        best_of = f"{best}, the best of {len(tried)} ratios," if len(tried) > 1 else best
        sentence = f"{best_of} hurts {estimator} here: {change}."
        advice = _instead(comparison, subjects, metric)
    else:
        sentence = f"There is no evidence that {name} helps {estimator} here: with {best}, {change}."
        advice = _instead(comparison, subjects, metric)
    return Verdict(
        word, sentence, " ".join(filter(None, [advice, _decisions(comparison, best, metric)])), best
    )


def _rank(value: float) -> float:
    return -np.inf if np.isnan(value) else value


def _change(comparison: Comparison, arm: str, metric: Metric, gain: Difference) -> str:
    """Say from what to what a metric moved, and how sure that is."""
    before, after = comparison.mean("nothing", metric.name), comparison.mean(arm, metric.name)
    sign = 1 if metric.up else -1
    ends = sorted((sign * gain.low, sign * gain.high))
    verb = "rises" if after > before else "falls" if after < before else "stays"
    return (
        f"{metric.title} {verb} from {before:.3f} to {after:.3f} (difference {after - before:+.3f}, "
        f"{comparison.level:.0%} interval {ends[0]:+.3f} to {ends[1]:+.3f})"
    )


def _others(comparison: Comparison, subjects: Sequence[str], metric: Metric) -> list[str]:
    """Return the arms that one might use instead and that can move the metric."""
    still = () if metric.name in DECISIONS else ("tuned threshold",)
    return [arm for arm in comparison.arms if arm not in (*subjects, "nothing", *still)]


def _alternative(comparison: Comparison, best: str, subjects: Sequence[str], metric: Metric) -> str:
    """Say whether something simpler does as well."""
    others = _others(comparison, subjects, metric)
    if not others:
        return "Nothing simpler was there to compare with."
    gain = comparison.gain(best, metric).mean
    as_good = [
        arm
        for arm in others
        if comparison.gain(arm, metric).mean >= gain / 2
        and not comparison.gain(best, metric, than=arm).low > 0
    ]
    if as_good:
        # The order of the arms is that of their cost.
        chosen = as_good[0]
        return (
            f"But {_plural(chosen)} as well, within the noise ({comparison.mean(chosen, metric.name):.3f} "
            f"against {comparison.mean(best, metric.name):.3f}), and cost less: take those first."
        )
    second = max(others, key=lambda arm: _rank(comparison.gain(arm, metric).mean))
    return (
        f"Nothing simpler does as well; the next best is {second} with "
        f"{comparison.mean(second, metric.name):.3f}. Use {best}."
    )


def _plural(arm: str) -> str:
    """Return an arm with the verb that fits it."""
    several = arm == "class weights" or arm.startswith("duplicates")
    return f"{arm} {'do' if several else 'does'}"


def _instead(comparison: Comparison, subjects: Sequence[str], metric: Metric) -> str:
    """Say what to use when new rows do not help."""
    others = _others(comparison, subjects, metric)
    gains = {arm: comparison.gain(arm, metric) for arm in others}
    helping = [arm for arm, gain in gains.items() if gain.low > 0]
    if helping:
        best = max(helping, key=lambda arm: gains[arm].mean)
        return f"Use {best} instead: {_change(comparison, best, metric, gains[best])}."
    return "Train on the rows as they are."


def _decisions(comparison: Comparison, best: str, metric: Metric) -> str:
    """Point out what a threshold does for decisions, where the verdict is not about them."""
    if metric.name in DECISIONS or "tuned threshold" not in comparison.arms:
        return ""
    balanced = METRICS["balanced_accuracy"]
    plain, moved = (comparison.mean(arm, balanced.name) for arm in ("nothing", "tuned threshold"))
    if not comparison.gain("tuned threshold", balanced).low > 0:
        return ""
    ours = comparison.mean(best, balanced.name)
    text = (
        f"To find more of the rare rows, move the decision threshold: balanced accuracy {plain:.3f} becomes "
        f"{moved:.3f} with the same model"
    )
    if comparison.gain(best, balanced).low > 0:
        text += f" ({best} at the default threshold: {ours:.3f})"
    return text + "."
