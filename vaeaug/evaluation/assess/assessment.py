"""What an assessment found: table, verdict, summary, picture, page."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaeaug.evaluation.assess.cross_validation import TUNED_THRESHOLD, Outcome
from vaeaug.evaluation.assess.metrics import METRICS, Metric, calibration_slope
from vaeaug.evaluation.assess.statistics import Difference
from vaeaug.evaluation.assess.strategies import PLAIN
from vaeaug.evaluation.assess.verdict import DECISIONS, Comparison, Verdict, judge
from vaeaug.plotting.assessment import AssessmentDisplay
from vaeaug.reports.intervals import Intervals
from vaeaug.reports.report import Report, Table, Text, library_versions
from vaeaug.utils.files import staged
from vaeaug.utils.validation import check_option

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Assessment"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHOWN = ("average_precision", "roc_auc", "tuned_balanced_accuracy", "brier")


class Assessment:
    """Scores of every way to train, and the verdict on the sampler in question.

    Made by :func:`vaeaug.assess`.

    Parameters
    ----------
    outcomes : sequence of Outcome
    truths : mapping of int to ndarray of bool
        By fold, which test rows are of the rare class.
    arms : sequence of str
        All of them, in order.
    subjects : sequence of str
        The arms that the verdict is about.
    metric : Metric
        What the verdict is about.
    test_share : float
        Rows tested for each row trained on.
    names : (str, str)
        What the sampler and the classifier are called.
    skipped : mapping of str to str
        Ways that could not be tried, and why.
    facts : mapping of str to str
        What was run.

    Attributes
    ----------
    scores : DataFrame
        Indexed by arm and fold: every metric, and seconds.
    failures : dict of str to str
        Arms that failed in a fold or more, with the first error.
    skipped : dict of str to str
        Controls that could not be tried, with the reason.
    scoring : str
        Name of the metric that the verdict is about.
    subjects : tuple of str
    """

    def __init__(
        self,
        outcomes: Sequence[Outcome],
        truths: Mapping[int, np.ndarray],
        *,
        arms: Sequence[str],
        subjects: Sequence[str],
        metric: Metric,
        test_share: float,
        names: tuple[str, str],
        skipped: Mapping[str, str],
        facts: Mapping[str, str],
    ) -> None:
        self.scoring = metric.name
        self.subjects = tuple(subjects)
        self.skipped = dict(skipped)
        self.facts = dict(facts)
        self._metrics = METRICS | {metric.name: metric}
        self._arms = list(arms)
        self._names = names
        self.failures = _failures(outcomes, len(truths))
        rows = {(o.arm, o.fold): {**o.scores, "seconds": o.seconds} for o in outcomes if not o.error}
        index = pd.MultiIndex.from_tuples(list(rows), names=["arm", "fold"])
        self.scores = pd.DataFrame(list(rows.values()), index=index)
        whole = [arm for arm in self._arms if arm not in self.failures and arm not in self.skipped]
        self._comparison = Comparison(self.scores.loc[whole], test_share, subjects=self.subjects)
        self._slopes = _slopes(outcomes, truths)

    def __repr__(self) -> str:
        return f"<Assessment: {self.verdict!r}; summary(), table, plot(), to_html(path)>"

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
        """Return how far each arm moved a metric, compared with plain training.

        Parameters
        ----------
        metric : str, optional
            By default the one of the verdict.

        Returns
        -------
        DataFrame
            Indexed by arm: ``difference`` (positive: the number rose), ``low`` and ``high`` of its 95 %
            interval, and ``p``. They are corrected for the overlap of training folds (Nadeau and Bengio 2003)
            and, since the best arm is looked for, for the number of arms (Bonferroni): the arms that the
            verdict is about hold together, and so do all others. The sentence, the table, the plot and the
            page show these same intervals.
        """
        name = self.metric(self.scoring if metric is None else metric).name
        found = {arm: self._comparison.difference(arm, name) for arm in self._comparison.arms if arm != PLAIN}
        columns = ["difference", "low", "high", "p"]
        known = {arm: each for arm, each in found.items() if isinstance(each, Difference)}
        values = [[each.mean, each.low, each.high, each.p] for each in known.values()]
        return pd.DataFrame(values, index=pd.Index(list(known), name="arm"), columns=columns, dtype=float)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Means of every arm, difference in the verdict's metric with interval, seconds a fold, status."""
        metrics = [name for name in self._metrics if name in self.scores]
        means = self._comparison.scores[[*metrics, "seconds"]].groupby(level="arm", sort=False).mean()
        moved = self.differences()[["difference", "low", "high"]]
        frame = means[metrics].assign(calibration_slope=pd.Series(self._slopes, dtype=float))
        frame = frame.join(moved).join(means["seconds"])
        status = dict.fromkeys(self.failures, "failed") | dict.fromkeys(self.skipped, "not applicable")
        order = [arm for arm in self._arms if arm in frame.index or arm in status]
        frame = frame.reindex(order + [arm for arm in status if arm not in order])
        frame["status"] = [status.get(arm, "ok") for arm in frame.index]
        return frame.rename_axis("arm")

    @cached_property
    def _judgement(self) -> Verdict:
        name, estimator = self._names
        return judge(self._comparison, self._metrics[self.scoring], name=name, estimator=estimator)

    @property
    def verdict(self) -> str:
        """One of ``"helps"``, ``"no evidence of help"``, ``"hurts"``."""
        return self._judgement.word

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        return self._judgement.sentence

    @property
    def advice(self) -> str:
        """What to use."""
        return self._judgement.advice

    def summary(self) -> str:
        """Return verdict, table of the main metrics, and what did not run, as text of 88 columns."""
        main = ["average_precision", "roc_auc", "balanced_accuracy", "tuned_f1", "brier"]
        main = list(dict.fromkeys([self.scoring, *main]))
        shown = self.table.loc[self.table["status"] == "ok", [*main[:5], "difference", "low", "high"]]
        heads = {"average_precision": "avg.prec.", "balanced_accuracy": "bal.acc.", "tuned_f1": "tuned F1"}
        heads |= {"roc_auc": "ROC AUC", "difference": "diff."}
        lines = [self.verdict.upper(), _wrap(self.sentence), _wrap(self.advice), ""]
        lines.append(shown.rename(columns=heads).rename_axis(None).round(3).to_string(na_rep="–"))
        title = self._metrics[self.scoring].title
        lines.append(_wrap(f"diff., low, high: {title}, compared with nothing. {self._how}"))
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
            f"Does augmentation help? {self.verdict.capitalize()}",
            "\n".join(filter(None, [self.sentence, self.advice])),
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
            frame[name] = [_defuse(value) for value in frame[name]]
        with staged(path) as temporary:
            frame.to_csv(temporary, index=False)

    @property
    def _how(self) -> str:
        """How intervals are made, in a sentence."""
        arms = [arm for arm in self._comparison.arms if arm != PLAIN]
        ours = sum(arm in self.subjects for arm in arms)
        others = len(arms) - ours
        first = "the strategy in question" if ours == 1 else f"the {ours} strategies in question together"
        second = "the other one" if others == 1 else f"the {others} others together"
        groups = " and for ".join(text for text, size in ((first, ours), (second, others)) if size)
        return (
            f"Intervals hold at 95% for {groups} (Bonferroni); they are corrected for training rows that "
            "folds share."
        )

    def _troubles(self) -> list[str]:
        return [f"{arm} was not tried: {why}." for arm, why in self.skipped.items()] + [
            f"{arm} failed {why}" for arm, why in self.failures.items()
        ]

    def _sections(self) -> list[Any]:
        sections: list[Any] = []
        for name in dict.fromkeys([self.scoring, *_SHOWN]):
            if name not in self.scores:
                continue
            moved = self.differences(name)
            if name not in DECISIONS:  # a threshold changes no ranking and no probability
                moved = moved.drop(index=TUNED_THRESHOLD, errors="ignore")
            if len(moved):
                sections.append(
                    Intervals(
                        f"{_capital(self._metrics[name].title)}: difference to plain training",
                        moved,
                        up=self._metrics[name].up,
                        highlighted=self.subjects,
                        note=f"{_CHART_NOTE} {self._how}" if not sections else "",
                    )
                )
        table = self.table.rename(columns=lambda name: name.replace("_", " "))
        columns = [str(name) for name in table.columns]
        decided, rest = columns[:6], columns[6:]
        moved_too: list[str] = [name for name in rest if name in ("score", "difference", "low", "high")]
        rest = [name for name in rest if name not in moved_too]
        sections.insert(1, Table("Ranking and decisions", table[decided + moved_too], note=_TABLE_NOTE))
        sections.insert(2, Table("Probabilities and cost", table[rest], note=_COST_NOTE))
        troubles = self._troubles()
        return sections + ([Text("What did not run", troubles)] if troubles else [])


_CHART_NOTE = (
    "Dot: mean over the test folds. Line: interval of the mean (Nadeau and Bengio 2003), the same as in the "
    "sentence above and in the table. Right of the middle line is better."
)
_TABLE_NOTE = (
    "Means over test folds. f1: of the rare class. tuned: at a threshold chosen inside each training fold. "
    "difference, low, high: of the verdict's metric, compared with nothing."
)
_COST_NOTE = (
    "Probabilities are corrected for the class shares that resampling or weights changed. Smaller log loss "
    "and Brier score are better; a calibration slope of 1 is right, below 1 is overconfident. seconds: of "
    "making rows and training, a fold; ratios share their rows, and each is charged all of it."
)


def _wrap(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 88)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _defuse(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _failures(outcomes: Sequence[Outcome], folds: int) -> dict[str, str]:
    failed: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.error:
            failed.setdefault(outcome.arm, []).append(outcome.error)
    return {arm: f"in {len(errors)} of {folds} folds: {errors[0]}" for arm, errors in failed.items()}


def _slopes(outcomes: Sequence[Outcome], truths: Mapping[int, np.ndarray]) -> dict[str, float]:
    """Return calibration slopes over the test rows of all folds together."""
    together: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.rare is not None:
            together.setdefault(outcome.arm, []).append(outcome)
    return {
        arm: calibration_slope(
            np.concatenate([truths[o.fold] for o in found]),
            np.concatenate([o.rare for o in found if o.rare is not None]),
        )
        for arm, found in together.items()
    }
