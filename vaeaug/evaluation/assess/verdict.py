"""From paired scores to a verdict: does it help, how sure is that, what to use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from vaeaug.evaluation.assess.expectation import Evidence
from vaeaug.evaluation.assess.metrics import METRICS, Metric
from vaeaug.evaluation.assess.other_classifiers import OTHER_CLASSIFIERS, TOGETHER
from vaeaug.evaluation.assess.statistics import Difference, estimate_difference
from vaeaug.evaluation.assess.strategies import BLENDED, Baseline
from vaeaug.utils.wording import format_change

__all__ = [
    "LEVEL",
    "Answer",
    "Comparison",
    "Verdict",
    "find_better_classifier",
    "find_least_gain",
    "judge",
    "say_share",
]

#: Name of the index of all tables of scores, which 0.1 published.
LEVEL = "arm"
#: From this probability on new rows "probably" help: two in three, as the IPCC's "likely" (Mastrandrea et al.
#: 2010, *Guidance note on consistent treatment of uncertainties*).
PROBABLE = 2 / 3
#: ... and another classifier, whose expectation leans on no other tables, is said to be better.
_SURE = 0.8
#: Gains below this make no practical difference: of scores from 0 to 1, and as a share of any other metric.
LEAST_GAIN, LEAST_SHARE = 0.005, 0.01


#: Other classifiers that a sentence speaks of as of one.
_ONE = ("random forest", "logistic regression")


class Answer(StrEnum):
    """Whether a sampler helps."""

    HELPS = "helps"
    PROBABLY = "probably helps"
    NO_EVIDENCE = "no evidence of help"
    HURTS = "hurts"


@dataclass(frozen=True)
class Comparison:
    """Scores of all strategies, fold by fold, and what differences are made of them.

    Parameters
    ----------
    scores : DataFrame
        Indexed by strategy and fold, a column per metric.
    test_share : float
        Rows tested for each row trained on.
    level : float
        Of intervals.
    subjects : sequence of str
        The strategies in question. Since the best of them is looked for, their intervals hold together
        (Bonferroni), and so do those of all others: one interval for each strategy, wherever it is shown.
    evidence : Evidence, optional
        Predictions of rows and what other tables showed: intervals then come from these. What is
        expected is drawn towards other tables, by which the best of several is judged fairly.
    """

    scores: pd.DataFrame
    test_share: float
    level: float = 0.95
    subjects: Sequence[str] = ()
    evidence: Evidence | None = None

    @property
    def strategies(self) -> list[str]:
        """Names of the strategies that ran in every fold."""
        return list(dict.fromkeys(self.scores.index.get_level_values(LEVEL)))

    def mean(self, strategy: str, metric: str) -> float:
        """Return the mean over folds."""
        return float(self._folds(strategy, metric).mean())

    def comparisons(self, strategy: str) -> int:
        """Return over how many strategies the interval of one holds."""
        others = [each for each in self.strategies if each != Baseline.NOTHING]
        return max(1, sum((each in self.subjects) == (strategy in self.subjects) for each in others))

    def _folds(self, strategy: str, metric: str) -> np.ndarray:
        return self.scores[metric].xs(strategy, level=LEVEL).to_numpy(dtype=np.float64)

    def difference(self, strategy: str, metric: str, *, than: str = Baseline.NOTHING) -> Difference | None:
        """Return the paired difference of two strategies; None where the metric cannot be had."""
        moved = self._folds(strategy, metric) - self._folds(than, metric)
        if np.isnan(moved).all():
            return None
        if self.evidence is not None and not np.isnan(moved).any():
            found = self.evidence.judge(
                strategy, metric, float(moved.mean()), than=than, plain=Baseline.NOTHING, level=self.level
            )
            if found is not None:
                return found
        comparisons = self.comparisons(strategy) if than == Baseline.NOTHING else 1
        return estimate_difference(moved, self.test_share, level=self.level, comparisons=comparisons)

    def gain(self, strategy: str, metric: Metric, *, than: str = Baseline.NOTHING) -> Difference:
        """Return the difference counted so that above 0 is better."""
        found = self.difference(strategy, metric.name, than=than)
        if found is None:
            return Difference(np.nan, np.nan, np.nan, np.nan, np.nan)
        if metric.up:
            return found
        return Difference(
            -found.mean, -found.high, -found.low, found.p, found.error, 1 - found.probability, -found.measured
        )


@dataclass(frozen=True)
class Verdict:
    """What to make of it.

    Parameters
    ----------
    answer : Answer
    sentence : str
        The finding.
    advice : str
        What to use.
    subject : str or None
        The strategy that it is about; None if none of them ran.
    probability : float
        That it helps; NaN where nothing is known.
    lead : str
        What does better than new rows, or as well for less, for the headline; empty if nothing is known to.
    use : str
        The strategy that the advice ends in.
    """

    answer: Answer
    sentence: str
    advice: str
    subject: str | None
    probability: float = np.nan
    lead: str = ""
    use: str = Baseline.NOTHING.value


def find_least_gain(metric: Metric, plain: float) -> float:
    """Return the smallest gain that makes a practical difference: .005 of a score, 1 % of a loss.

    Parameters
    ----------
    metric : Metric
    plain : float
        Of the rows as they are.
    """
    return LEAST_GAIN if metric.up and not metric.scored else LEAST_SHARE * abs(plain)


def judge(comparison: Comparison, metric: Metric, *, name: str, estimator: str) -> Verdict:
    """Say whether the best of some strategies helps, and what to use instead.

    The best is the one with the largest gain. If its interval lies above 0 it helps, if below 0 it
    hurts. Otherwise it probably helps if the probability that it does is two in three or more, and the gain
    to expect makes a practical difference (:func:`find_least_gain`); else there is no evidence.

    Parameters
    ----------
    comparison : Comparison
    metric : Metric
    name, estimator : str
        What the strategies and the classifier are called in the sentence.

    Returns
    -------
    Verdict
    """
    tried = [each for each in comparison.subjects if each in comparison.strategies]
    if not tried:
        sentence = f"{name} could not be judged: it failed in every form that was tried."
        use, advice, lead = _recommend(comparison, None, metric, estimator, Answer.NO_EVIDENCE)
        return Verdict(Answer.NO_EVIDENCE, sentence, advice, None, lead=lead, use=use)
    best = max(tried, key=lambda each: _rank(comparison, each, metric))
    gain = comparison.gain(best, metric)
    answer = Answer.HELPS if gain.low > 0 else Answer.HURTS if gain.high < 0 else Answer.NO_EVIDENCE
    least = find_least_gain(metric, comparison.mean(Baseline.NOTHING, metric.name))
    probable = answer == Answer.NO_EVIDENCE and gain.probability >= PROBABLE
    if probable and gain.mean >= least:
        answer = Answer.PROBABLY
    change = _change(comparison, best, metric, gain)
    best_of = f"{best}, the best of {len(tried)} ways," if len(tried) > 1 else best
    subject = _close(best)
    sentence = {
        Answer.HELPS: f"{subject} helps {estimator} here: {change}.",
        Answer.PROBABLY: f"{subject} probably helps {estimator} here: {change}.",
        Answer.HURTS: f"{best_of} hurts {estimator} here: {change}.",
        Answer.NO_EVIDENCE: f"There is no evidence that {name} helps {estimator} here: "
        f"with {best}, {change}.",
    }[answer]
    if probable and answer == Answer.NO_EVIDENCE:
        sentence = (
            f"{name} makes no practical difference to {estimator} here: with {best}, {change}. Gains below "
            f"{least:.2g} are not counted."
        )
    use, advice, lead = _recommend(comparison, best, metric, estimator, answer)
    remarks = [
        _explain_difference(comparison, metric, gain),
        _explain_choice(comparison, best, metric),
        advice,
        _decisions(comparison, best, metric, estimator),
    ]
    return Verdict(answer, sentence, " ".join(filter(None, remarks)), best, gain.probability, lead, use)


def _recommend(
    comparison: Comparison, best: str | None, metric: Metric, estimator: str, answer: Answer
) -> tuple[str, str, str]:
    """Return the strategy to use, the advice to use it, and what does better than new rows, or costs less."""
    (simple, advice), lead = _instead(comparison, metric), ""
    others = [each for each in (best, simple) if each not in (None, Baseline.NOTHING)]
    known = [comparison.gain(str(each), metric).mean for each in others]
    if best is not None and answer in (Answer.HELPS, Answer.PROBABLY):
        simple, advice, lead = _compare_simpler(comparison, best, metric)
    else:
        best = None
    other = find_better_classifier(comparison, metric)
    least = find_least_gain(metric, comparison.mean(Baseline.NOTHING, metric.name))
    if other is None or comparison.gain(other, metric).mean < max([0.0, *known]) + least:
        return simple, advice, lead
    advice = f"{_compare_classifiers(comparison, other, metric, estimator, best)} Use {_call(other, 'the')}"
    without = "" if best is None else " without new rows"
    why = f", which{lead.removeprefix(simple)}" if lead else ""
    stay = "" if best is None else f"; to stay with {estimator}, use {_say_how(simple)}{why}"
    lead = f"another classifier does better{without}: {_call(other)}"
    return other, f"{advice}{without}{stay}.", lead


def _rank(comparison: Comparison, strategy: str, metric: Metric) -> float:
    gain = comparison.gain(strategy, metric).mean
    return -np.inf if np.isnan(gain) else gain


def _change(comparison: Comparison, strategy: str, metric: Metric, gain: Difference) -> str:
    """Say from what to what a metric moved, and how sure that is."""
    before, after = comparison.mean(Baseline.NOTHING, metric.name), comparison.mean(strategy, metric.name)
    sign = 1 if metric.up else -1
    ends = sorted((sign * gain.low, sign * gain.high))
    verb = "rises" if after > before else "falls"
    moved = f"{verb} from {before:.3f} to {after:.3f}"
    if f"{before:.3f}" == f"{after:.3f}":
        moved = f"stays at {after:.3f}"
    interval = f"{comparison.level:.0%} interval {format_change(ends[0])} to {format_change(ends[1])}"
    if comparison.evidence is None or np.isnan(gain.probability):
        return f"{metric.title} {moved} (difference {format_change(after - before)}, {interval})"
    return (
        f"{metric.title} {moved} in the test folds; on unseen rows expect "
        f"{format_change(sign * gain.mean)} ({interval}), a gain with a probability of "
        f"{say_share(gain.probability)}"
    )


def _explain_difference(comparison: Comparison, metric: Metric, gain: Difference) -> str:
    """Say why the gain to expect is far from the one measured, where it is."""
    if comparison.evidence is None or np.isnan(gain.measured):
        return ""
    apart = abs(gain.measured - gain.mean)
    least = find_least_gain(metric, comparison.mean(Baseline.NOTHING, metric.name))
    if apart <= 2 * least or apart <= abs(gain.measured) / 3:
        return ""
    sign = 1 if metric.up else -1
    return (
        f"The folds measured {format_change(sign * gain.measured)}, which is uncertain, so "
        "that the expectation leans on the gains of 25 other tables."
    )


def _explain_choice(comparison: Comparison, best: str, metric: Metric) -> str:
    """Say why the best is the best, where another scored more in the folds or is surer to gain."""
    sign, own = 1 if metric.up else -1, comparison.gain(best, metric)
    reached = sign * comparison.mean(best, metric.name)
    for each in comparison.subjects:
        if each == best or each not in comparison.strategies:
            continue
        above = sign * comparison.mean(each, metric.name) > reached
        if above or comparison.gain(each, metric).probability > own.probability:
            return (
                f"{_close(best)} is chosen for the largest gain to expect (the difference in the table), not "
                "for the highest score in the folds or the highest probability of a gain."
            )
    return ""


def _call(classifier: str, article: str = "a") -> str:
    """Return what another classifier is called in a sentence."""
    if classifier == TOGETHER:
        *others, last = (_call(each, article) for each in OTHER_CLASSIFIERS)
        return TOGETHER if article == "the" else f"{', '.join(others)} and {last} together"
    return f"{article} {classifier}" if classifier in _ONE else classifier


def _close(strategy: str) -> str:
    """Return a strategy as the subject of a sentence."""
    return f"{strategy}," if strategy.endswith(BLENDED) else strategy


def _say_how(strategy: str) -> str:
    """Return a strategy with what makes a blend of it."""
    if strategy.endswith(BLENDED):
        return f"{strategy} with the classifier as it is (blend=True)"
    return strategy


def say_share(probability: float) -> str:
    """Return a probability as text that is never certain."""
    if probability >= 0.995:
        return "over 99 %"
    return "below 1 %" if probability < 0.005 else f"{100 * probability:.0f} %"


def _list_alternatives(comparison: Comparison, metric: Metric) -> list[str]:
    """Return the strategies that one might use instead and that can move the metric, cheap ones first."""
    left_out = {*comparison.subjects, Baseline.NOTHING, *OTHER_CLASSIFIERS, TOGETHER}
    if not metric.decides:
        left_out.add(Baseline.TUNED_THRESHOLD)
    return [each for each in comparison.strategies if each not in left_out]


def _compare_simpler(comparison: Comparison, best: str, metric: Metric) -> tuple[str, str, str]:
    """Return what to use of new rows that help and simpler strategies; sentences and a headline say so."""
    others = _list_alternatives(comparison, metric)
    if not others:
        return best, f"Nothing simpler was there to compare with. Use {_say_how(best)}.", ""
    gain, reached = comparison.gain(best, metric).mean, comparison.mean(best, metric.name)
    for each in others:
        as_good = comparison.gain(each, metric).mean >= gain / 2
        if as_good and not comparison.gain(best, metric, than=each).low > 0:
            several = each.startswith((Baseline.CLASS_WEIGHTS, Baseline.DUPLICATES))
            do, cost, it = ("do", "cost", "them") if several else ("does", "costs", "it")
            is_better = comparison.gain(each, metric, than=best).low > 0
            advice = (
                f"But {each} {do} {'better' if is_better else 'as well, within the noise'} "
                f"({comparison.mean(each, metric.name):.3f} against {reached:.3f}), and {cost} less: "
                f"use {it} first."
            )
            return each, advice, f"{each} {do} {'better' if is_better else 'as well'} and {cost} less"
    second = max(others, key=lambda each: _rank(comparison, each, metric))
    most = comparison.gain(second, metric).mean
    rest = f"the next best is {second}: expect {format_change(most if metric.up else -most)}"
    if not most > 0:
        rest = "the others gain nothing over the rows as they are"
    return best, f"Nothing simpler does as well; {rest}. Use {_say_how(best)}.", ""


def find_better_classifier(comparison: Comparison, metric: Metric) -> str | None:
    """Return the other classifier that gains most on the rows as they are, if one probably does."""
    others = [each for each in (*OTHER_CLASSIFIERS, TOGETHER) if each in comparison.strategies]
    gains = {each: comparison.gain(each, metric) for each in others}
    better = [each for each, gain in gains.items() if gain.mean > 0 and gain.probability >= _SURE]
    return max(better, key=lambda each: gains[each].mean) if better else None


def _compare_classifiers(
    comparison: Comparison, other: str, metric: Metric, estimator: str, best: str | None
) -> str:
    """Say what another classifier brings, and what new rows that help bring."""
    gain, sign = comparison.gain(other, metric), 1 if metric.up else -1
    name, verb = _call(other), "brings" if other in _ONE else "bring"
    said = (
        f"{name[:1].upper()}{name[1:]}, on the rows as they are, {verb} {format_change(sign * gain.mean)} "
        f"({say_share(gain.probability)} sure)"
    )
    if best is not None:
        said += f"; new rows bring {format_change(sign * comparison.gain(best, metric).mean)} to {estimator}"
    return f"{said}."


def _instead(comparison: Comparison, metric: Metric) -> tuple[str, str]:
    """Return what to use when new rows do not help, and the sentence that says so."""
    gains = {each: comparison.gain(each, metric) for each in _list_alternatives(comparison, metric)}
    helping = [each for each, gain in gains.items() if gain.low > 0]
    if not helping:
        return Baseline.NOTHING.value, "Train on the rows as they are."
    best = max(helping, key=lambda each: gains[each].mean)
    return best, f"Use {best} instead: {_change(comparison, best, metric, gains[best])}."


def _decisions(comparison: Comparison, best: str, metric: Metric, estimator: str) -> str:
    """Point out what a threshold does for decisions, where the verdict is not about them."""
    tuned, balanced = Baseline.TUNED_THRESHOLD, METRICS["balanced_accuracy"]
    if metric.decides or tuned not in comparison.strategies:
        return ""
    if not comparison.gain(tuned, balanced).low > 0:
        return ""
    plain, moved, ours = (comparison.mean(each, balanced.name) for each in (Baseline.NOTHING, tuned, best))
    text = (
        "To find more of the minority class, move the decision threshold: balanced accuracy "
        f"{plain:.3f} becomes {moved:.3f} with {estimator} alone"
    )
    if comparison.gain(best, balanced).low > 0:
        text += f" ({_close(best)} at the default threshold: {ours:.3f})"
    return text + "."
