"""What an assessment found: table, verdict, summary, picture, page."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaeaug.evaluation.assess.expectation import Evidence
from vaeaug.evaluation.assess.metrics import METRICS, Metric, calibration_slope
from vaeaug.evaluation.assess.next_step import Setting, write_next_step
from vaeaug.evaluation.assess.other_classifiers import OTHER_CLASSIFIERS, TOGETHER
from vaeaug.evaluation.assess.problem import Outcome
from vaeaug.evaluation.assess.strategies import BLENDED, Baseline
from vaeaug.evaluation.assess.verdict import (
    LEVEL,
    Comparison,
    Verdict,
    find_better_classifier,
    judge,
    say_share,
)
from vaeaug.plotting.assessment import AssessmentDisplay
from vaeaug.reports.answer import Answer, Figure
from vaeaug.reports.intervals import Intervals
from vaeaug.reports.report import Report, Table, Text, library_versions
from vaeaug.utils.files import replace_file
from vaeaug.utils.validation import check_option
from vaeaug.utils.wording import format_change, format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Assessment", "Experiment", "Status"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHOWN = ("average_precision", "roc_auc", "tuned_balanced_accuracy", "brier")


class Status(StrEnum):
    """How a strategy got on, as the table says it."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "not applicable"


@dataclass(frozen=True)
class Experiment:
    """What was tried, and what came of it.

    Parameters
    ----------
    outcomes : sequence of Outcome
    truths : mapping of int to ndarray of bool
        By fold, which test rows are of the minority class.
    strategies : sequence of str
        All of them, in order.
    subjects : sequence of str
        The strategies that the verdict is about.
    metrics : sequence of Metric
        What is measured beside the metrics that always are; the verdict is about the first.
    test_share : float
        Rows tested for each row trained on.
    names : (str, str)
        What the sampler and the classifier are called.
    skipped : mapping of str to str
        Baselines that could not be tried, and why.
    facts : mapping of str to str
        What was run.
    evidence : Evidence, optional
        From which intervals come, see :class:`Comparison`.
    perfect : str
        What to say of a classifier that needs no rows; empty for any other.
    weights : mapping of int to ndarray, optional
        By fold, what the test rows weigh.
    setting : Setting
        What the lines to paste start from.
    stopped : str
        Why not every fold was tried, in a sentence; empty if all were.
    partial : str
        The same for the headline.
    """

    outcomes: Sequence[Outcome]
    truths: Mapping[int, np.ndarray]
    strategies: Sequence[str]
    subjects: Sequence[str]
    metrics: Sequence[Metric]
    test_share: float
    names: tuple[str, str]
    skipped: Mapping[str, str]
    facts: Mapping[str, str]
    evidence: Evidence | None = None
    stopped: str = ""
    partial: str = ""
    perfect: str = ""
    weights: Mapping[int, np.ndarray] | None = None
    setting: Setting = field(default_factory=Setting)


class Assessment:
    """Scores of every strategy, and the verdict on the sampler in question.

    Made by :func:`vaeaug.assess`. Strategies are called arms in the index of its tables.

    Parameters
    ----------
    experiment : Experiment

    Attributes
    ----------
    scores : DataFrame
        Indexed by strategy (``arm``) and ``fold``: every metric, and seconds.
    failures : dict of str to str
        Strategies that failed in a fold or more, with the first error.
    skipped : dict of str to str
        Baselines that could not be tried, with the reason.
    scoring : str
        Name of the metric that the verdict is about.
    subjects : tuple of str
        The strategies that the verdict is about.
    facts : dict of str to str
        What was run.
    stopped : str
        Why not every fold was tried, in a sentence; empty if all were.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from vaeaug import VAEAugmenter, VAEOverSampler, assess
    >>> X, y = make_classification(n_samples=90, n_features=4, weights=[0.8], random_state=0)
    >>> sampler = VAEOverSampler(VAEAugmenter(max_iter=1), random_state=0)
    >>> options = {"cv": 2, "n_repeats": 1, "ratios": [0.5], "random_state": 0}
    >>> found = assess(KNeighborsClassifier(), X, y, sampler=sampler, **options)
    >>> found.verdict in ("helps", "probably helps", "no evidence of help", "hurts")
    True
    >>> page = found.to_html()
    >>> found.differences("roc_auc").columns.tolist()[:3]
    ['difference', 'low', 'high']
    """

    def __init__(self, experiment: Experiment) -> None:
        metric, outcomes = experiment.metrics[0], experiment.outcomes
        self.scoring = metric.name
        self._asked = [each.name for each in experiment.metrics]
        self.subjects = tuple(experiment.subjects)
        self.skipped = dict(experiment.skipped)
        self.facts = dict(experiment.facts)
        self.stopped = experiment.stopped
        self._partial = f" ({experiment.partial})" if experiment.partial else ""
        self._perfect = experiment.perfect
        self._metrics = METRICS | {each.name: each for each in experiment.metrics}
        self._strategies = list(experiment.strategies)
        self._names = experiment.names
        self._setting = experiment.setting
        self.failures = _list_failures(outcomes, len(experiment.truths))
        rows = {(o.strategy, o.fold): {**o.scores, "seconds": o.seconds} for o in outcomes if not o.error}
        index = pd.MultiIndex.from_tuples(list(rows), names=[LEVEL, "fold"])
        self.scores = pd.DataFrame(list(rows.values()), index=index)
        whole = [each for each in self._strategies if each not in self.failures and each not in self.skipped]
        self._comparison = Comparison(
            self.scores.loc[whole],
            experiment.test_share,
            subjects=self.subjects,
            evidence=experiment.evidence,
        )
        self._slopes = _measure_slopes(outcomes, experiment.truths, experiment.weights)

    def __repr__(self) -> str:
        return f"<Assessment: {self.verdict!r}{self._partial}; summary(), table, plot(), to_html(path)>"

    def metric(self, name: str) -> Metric:
        """Return what is known about a metric.

        Raises
        ------
        InputError
            If it was not measured.
        """
        check_option("metric", name, self._metrics)
        return self._metrics[name]

    def differences(self, metric: str | None = None) -> pd.DataFrame:
        """Return how far each strategy moved a metric, compared with plain training.

        Parameters
        ----------
        metric : str, optional
            By default the one of the verdict.

        Returns
        -------
        DataFrame
            Indexed by strategy (``arm``): ``difference`` (positive: the number rises) to be expected of new
            rows, ``low`` and ``high`` of its 95 % interval, ``p``, the ``probability`` that it is better than
            plain training, and the difference as ``measured``. The sentence, the table, the plot and the page
            show these same intervals; see the notes of :func:`vaeaug.assess`.
        """
        name = self.metric(self.scoring if metric is None else metric).name
        moved: dict[str, list[float]] = {}
        for each in self._comparison.strategies:
            found = None if each == Baseline.NOTHING else self._comparison.difference(each, name)
            if found is not None:
                better = found.probability if self._metrics[name].up else 1 - found.probability
                moved[each] = [found.mean, found.low, found.high, found.p, better, found.measured]
        columns = ["difference", "low", "high", "p", "probability", "measured"]
        index = pd.Index(list(moved), name=LEVEL)
        return pd.DataFrame(list(moved.values()), index=index, columns=columns, dtype=float)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Means of every strategy, difference in the verdict's metric with interval, seconds, status."""
        metrics = [name for name in self._metrics if name in self.scores]
        means = self._comparison.scores[[*metrics, "seconds"]].groupby(level=LEVEL, sort=False).mean()
        moved = self.differences()[["difference", "low", "high", "probability"]]
        frame = means[metrics].assign(calibration_slope=pd.Series(self._slopes, dtype=float))
        frame = frame.join(moved).join(means["seconds"])
        status = dict.fromkeys(self.failures, Status.FAILED) | dict.fromkeys(self.skipped, Status.SKIPPED)
        order = [each for each in self._strategies if each in frame.index or each in status]
        frame = frame.reindex(order + [each for each in status if each not in order])
        frame["status"] = [status.get(each, Status.OK).value for each in frame.index]
        return frame.rename_axis(LEVEL)

    @property
    def _display(self) -> pd.DataFrame:
        """The table with probabilities that are never certain, and none where nothing can differ."""
        differs = (self.table["low"] != 0) | (self.table["high"] != 0)
        return self.table.assign(probability=self.table["probability"].clip(0.001, 0.999).where(differs))

    @cached_property
    def _judgement(self) -> Verdict:
        name, estimator = self._names
        return judge(self._comparison, self._metrics[self.scoring], name=name, estimator=estimator)

    @property
    def verdict(self) -> str:
        """One of ``"helps"``, ``"probably helps"``, ``"no evidence of help"``, ``"hurts"``."""
        return self._judgement.answer.value

    @property
    def probability(self) -> float:
        """Probability that the sampler helps the classifier on these data, NaN if it could not be judged."""
        return self._judgement.probability

    @property
    def sentence(self) -> str:
        """The finding in a sentence or two; of a perfect score, that nothing can be gained."""
        return self._perfect or self._judgement.sentence

    @property
    def advice(self) -> str:
        """What to use."""
        return "" if self._perfect else self._judgement.advice

    @property
    def _headline(self) -> str:
        """The verdict, from how many folds if not all, and what helps more than new rows."""
        lead = "" if self._perfect else self._judgement.lead
        return "; ".join(filter(None, [self.verdict + self._partial, lead]))

    @property
    def code(self) -> str:
        """What to do next: lines of Python that do what the advice ends in.

        ``X``, ``y`` and ``classifier`` are those handed to :func:`vaeaug.assess`.
        """
        verdict = self._judgement
        return write_next_step(
            replace(verdict, use=Baseline.NOTHING) if self._perfect else verdict, self._setting
        )

    def summary(self) -> str:
        """Return verdict, table of the main metrics, and what did not run, as text of 88 columns."""
        main = ["average_precision", "roc_auc", "balanced_accuracy", "tuned_f1", "brier"]
        main = list(dict.fromkeys([*self._asked, *main]))[: max(5, len(self._asked))]
        shown = self._display.loc[
            self.table["status"] == Status.OK, [*main, "difference", "low", "high", "probability"]
        ]
        heads = {"average_precision": "avg.prec.", "balanced_accuracy": "bal.acc.", "tuned_f1": "tuned F1"}
        heads |= {"roc_auc": "ROC AUC", "difference": "diff.", "probability": "prob."}
        lead = self._headline.removeprefix(self.verdict)
        lines = [self.verdict.upper() + lead, _wrap(self.sentence)]
        lines += [_wrap(self.advice)] * bool(self.advice)
        lines += [_wrap(self.stopped)] * bool(self.stopped) + [""]
        lines.append(
            shown.rename(columns=heads).rename_axis(None).to_string(na_rep="–", float_format=format_number)
        )
        title = self._metrics[self.scoring].title
        legend = f"diff., low, high: change of {title} to expect on unseen rows. {_NOTHING} {self._how}"
        lines.append(_wrap(legend))
        return "\n".join([*lines, *(_wrap(line) for line in self._troubles())])

    def plot(self, ax: Axes | None = None, *, metric: str | None = None) -> AssessmentDisplay:
        """Draw the differences to plain training with their intervals.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        metric : str, optional
            By default the one of the verdict.

        Returns
        -------
        AssessmentDisplay
        """
        return AssessmentDisplay.from_assessment(self, metric=metric, ax=ax)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the report as one HTML page without outside resources, and write it if a path is given.

        Parameters
        ----------
        path : path-like, optional

        Raises
        ------
        InputError
            If the path cannot be written.
        """
        report = Report(
            f"Does augmentation help? {self._headline[:1].upper()}{self._headline[1:]}",
            "\n".join(filter(None, [self.sentence, self.advice, self.stopped])),
            self._sections(),
            {**self.facts, **library_versions()},
        )
        if path is not None:
            report.write(path)
        return report.to_html()

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table; text that a spreadsheet program would run as a formula gets an apostrophe.

        Raises
        ------
        InputError
            If the path cannot be written.
        """
        frame = self.table.reset_index()
        for name in frame.select_dtypes(exclude="number"):
            frame[name] = [
                f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
                for value in frame[name]
            ]
        with replace_file(path) as temporary:
            frame.to_csv(temporary, index=False)

    @property
    def _how(self) -> str:
        """How intervals are made and what names mean, in sentences."""
        how = (
            "Intervals (95%) come from predictions of the same rows, drawn towards what 25 other tables "
            "showed. prob.: of a gain."
        )
        if not self._rows_tell:
            how = "Intervals (95%) are corrected for rows that folds share and for their number (Bonferroni)."
        others = [each for each in (*OTHER_CLASSIFIERS, TOGETHER) if each in self._comparison.strategies]
        if others:
            how += f" {', '.join(others)}: other classifiers on the rows as they are."
        if any(each.endswith(BLENDED) for each in self._comparison.strategies):
            how += " blended: a classifier trained on the rows as they are has an equal say."
        return how

    @property
    def _rows_tell(self) -> bool:
        """Whether intervals of the verdict's metric come from rows, not from means of folds."""
        evidence = self._comparison.evidence
        names = [each for each in self._comparison.strategies if each != Baseline.NOTHING]
        return evidence is not None and any(
            evidence.rows.error(each, self.scoring, Baseline.NOTHING) is not None for each in names
        )

    def _troubles(self) -> list[str]:
        skipped = [
            f"{name} {'were' if name.endswith('s') else 'was'} not tried: {why}."
            for name, why in self.skipped.items()
        ]
        return skipped + [f"{name} failed {why}" for name, why in self.failures.items()]

    def _answer(self) -> Answer:
        """Return the figures that are read first, and what to do next."""
        metric, subject = self._metrics[self.scoring], self._judgement.subject
        figures = []
        if subject is not None and np.isfinite(self.probability):
            moved = self.differences().loc[subject].to_dict()
            interval = (
                f"95% interval {format_change(moved['low'])} to {format_change(moved['high'])}; "
                f"measured in the folds: {format_change(moved['measured'])}; {subject}"
            )
            figures.append(Figure("Probability of a gain", say_share(self.probability)))
            figures.append(
                Figure(f"Change of {metric.title} to expect", format_change(moved["difference"]), interval)
            )
        other = find_better_classifier(self._comparison, metric)
        if other is not None:
            change = float(self.differences()["difference"][other])
            remark = f"{other}, on the rows as they are"
            figures.append(Figure("Another classifier", format_change(change), remark))
        figures = [replace(each, value=each.value.replace("-", "−")) for each in figures]
        return Answer(figures, self.code)

    def _sections(self) -> list[Any]:
        sections: list[Any] = []
        for name in dict.fromkeys([*self._asked, *_SHOWN]):
            if name not in self.scores:
                continue
            moved = self.differences(name)
            if not self._metrics[name].decides:  # a threshold changes no ranking and no probability
                moved = moved.drop(index=Baseline.TUNED_THRESHOLD, errors="ignore")
            title = self._metrics[name].title
            if len(moved):
                sections.append(
                    Intervals(
                        f"{title[:1].upper()}{title[1:]}: difference to plain training",
                        moved,
                        up=self._metrics[name].up,
                        highlighted=self.subjects,
                        note=f"{_CHART_NOTE} {self._how}" if not sections else "",
                    )
                )
        table = self._display.rename(columns=lambda name: name.replace("_", " "))
        columns = [str(name) for name in table.columns]
        decided, rest = columns[:6], columns[6:]
        asked = [name.replace("_", " ") for name in self._metrics if self._metrics[name].scored]
        moved_too: list[str] = [
            name for name in rest if name in asked or name in ("difference", "low", "high", "probability")
        ]
        rest = [name for name in rest if name not in moved_too]
        sections.insert(0, self._answer())
        sections.insert(2, Table("Ranking and decisions", table[decided + moved_too], note=_TABLE_NOTE))
        sections.insert(3, Table("Probabilities and cost", table[rest], note=_COST_NOTE))
        troubles = self._troubles()
        return sections + ([Text("What did not run", troubles)] if troubles else [])


_CHART_NOTE = (
    "Dot: the difference to expect. Line: its interval, the same as in the sentence above and in the table. "
    "Right of the middle line is better."
)
_NOTHING = "nothing: the rows as they are, which all others are compared with."
_TABLE_NOTE = (
    "Means over test folds. f1: of the minority class. tuned: at a threshold chosen on the test rows of the "
    "other folds. difference, low, high: change of the verdict's metric to expect on unseen rows. "
    f"{_NOTHING}"
)
_COST_NOTE = (
    "Probabilities are corrected for the class shares that resampling or weights changed. Smaller log loss "
    "and Brier score are better; a calibration slope of 1 is right, below 1 is overconfident. seconds: of "
    "making rows and training, a fold; ratios share their rows, and each is charged all of it."
)


def _wrap(text: str) -> str:
    joined = " ".join(text.split()).replace(" %", "\0%")  # stays on the line of its number
    return textwrap.fill(joined, 88).replace("\0", " ")


def _list_failures(outcomes: Sequence[Outcome], folds: int) -> dict[str, str]:
    failed: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.error:
            failed.setdefault(outcome.strategy, []).append(outcome.error)
    return {name: f"in {len(errors)} of {folds} folds: {errors[0]}" for name, errors in failed.items()}


def _measure_slopes(
    outcomes: Sequence[Outcome],
    truths: Mapping[int, np.ndarray],
    weights: Mapping[int, np.ndarray] | None,
) -> dict[str, float]:
    """Return calibration slopes over the test rows of all folds together."""
    together: dict[str, list[tuple[np.ndarray, ...]]] = {}
    for outcome in outcomes:
        if outcome.minority is not None:
            parts = (truths[outcome.fold], outcome.minority)
            own = () if weights is None else (weights[outcome.fold],)
            together.setdefault(outcome.strategy, []).append((*parts, *own))
    return {
        name: calibration_slope(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
        for name, found in together.items()
    }
