"""How good new rows are: tables, verdict, summary, page."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property, partial

import numpy as np
import pandas as pd

from vaeaug.evaluation.quality.findings import FEW, GIVE_HELD_OUT, Figures, Finding, find, share
from vaeaug.evaluation.quality.page import build_sections
from vaeaug.evaluation.quality.real_rows import tell_real_rows
from vaeaug.reports.report import Report, library_versions

__all__ = ["Quality", "Verdict"]

#: Lines of 88 columns, which do not tear names of files.
_fill = partial(textwrap.fill, width=88, break_on_hyphens=False, break_long_words=False)

#: What the measures of a report say, and where they are best.
_MEASURES: dict[str, tuple[str, str]] = {
    "column_shapes": ("1", "agreement of each column's distribution, mean"),
    "pair_trends": ("1", "agreement of each pair of columns, mean"),
    "two_sample": ("1", "1: boosted trees cannot tell new rows from real ones, 0: always"),
    "rules_kept": ("as real", "share of rows that keep a rule of the table, mean"),
    "exact_copies": ("≤ real", "share of rows that equal another real row"),
    "near_copies": ("≤ 0.01", "share nearer to a real row than 1 % of fresh real rows"),
    "closest_distance": ("as real", "median distance to the closest other real row"),
    "repeats": ("≤ real", "share of rows that equal an earlier one of their table"),
    "utility": ("≥ real", "score on real rows of a model trained on these rows"),
}
_FEWER_ROWS = "too few rows to judge"


class Verdict(StrEnum):
    """What becomes of new rows, as the verdict says it."""

    FAITHFUL = "faithful"
    EXCEPTIONS = "faithful, with exceptions"
    UNFAITHFUL = "not faithful"
    COPIES = "copies of real rows"
    FEW = _FEWER_ROWS


class Quality:
    """What :func:`vaeaug.evaluation.report` found.

    Parameters
    ----------
    figures : Figures
    yardsticks : mapping of str to float
        What real rows score in the mean of columns and of pairs.
    remarks : sequence of str
        What was not looked at, and why.
    facts : mapping of str to str
        What was run.

    Attributes
    ----------
    findings : list of Finding
        What stands out, the worst first; each has ``text``, ``topic``, ``weight``, ``subject``.
    facts : dict of str to str
    names : tuple of str
        What sentences call the real table and the new one.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from vaeaug.evaluation import report
    >>> table = load_iris(as_frame=True).frame.sample(frac=1, random_state=0)
    >>> found = report(table[:75], table[75:], "target")
    >>> found.verdict in ("faithful", "faithful, with exceptions", "not faithful")
    True
    >>> sorted(found.table.index)[:2]
    ['petal length (cm)', 'petal width (cm)']
    >>> page = found.to_html()
    """

    def __init__(
        self,
        figures: Figures,
        yardsticks: Mapping[str, float],
        remarks: Sequence[str],
        facts: Mapping[str, str],
    ) -> None:
        self._figures, self._yardsticks = figures, dict(yardsticks)
        self.remarks, self.facts = list(remarks), dict(facts)
        self.names = ("real", "new")
        self.findings: list[Finding] = find(figures)

    def __repr__(self) -> str:
        return f"<Quality: {self.verdict!r}; summary(), table, pairs, rules, scores, to_html(path)>"

    @property
    def table(self) -> pd.DataFrame:
        """A row for each column, the one that differs most first.

        ``kind``, ``score`` (agreement), ``floor`` (what chance alone leaves all columns above in 95 of 100
        cases), ``excess`` (how far the score is below it), shares of missing cells, ``outside`` (share of new
        values beyond the range or the categories of real rows), ``unseen`` (what to expect of it), ``lost``
        (share of real rows whose category no new row has), means and standard deviations of numbers, distinct
        values, dtypes.
        """
        return self._figures.table.copy()

    @property
    def pairs(self) -> pd.DataFrame:
        """A row for each pair of columns, the one whose association differs most beyond chance first.

        ``first``, ``second``, ``score`` (agreement), ``measure`` (rank correlation or Cramér's V), its value
        among ``real`` and ``new`` rows, the ``difference``, its ``noise`` (standard deviation by chance), and
        ``excess`` (how far it is beyond what chance reaches).
        """
        return self._figures.pairs.copy()

    @property
    def rules(self) -> pd.DataFrame:
        """Rules between columns, with the shares of ``real`` and ``new`` rows that keep them.

        ``fresh``: of real rows among which it was not looked for, where that was measured.
        """
        return self._figures.rules.copy()

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row for each measure: ``value``, what ``real`` rows score, what is ``best``, ``meaning``."""
        figures, copies = self._figures, self._figures.copies
        values = {
            "column_shapes": (figures.table["score"].mean(), self._yardsticks["columns"]),
            "pair_trends": (figures.pairs["score"].mean(), self._yardsticks["pairs"]),
            # Trees that take new rows for the real ones beside them would score them best.
            "two_sample": (np.nan if figures.two_sample.is_dependent else figures.two_sample.score, 1.0),
            "rules_kept": (figures.rules["new"].mean(), figures.rules["real"].mean()),
            "utility": (figures.utility.new, figures.utility.real),
        }
        if copies is not None:
            middle = float(np.median(copies.distances)), float(np.median(copies.fresh_distances))
            values |= {
                "exact_copies": (copies.exact, copies.fresh_exact),
                "near_copies": (copies.near, 0.01),
                "closest_distance": middle,
                "repeats": (copies.repeats, copies.real_repeats),
            }
        index = pd.Index([name for name in _MEASURES if name in values], name="measure")
        frame = pd.DataFrame([values[name] for name in index], index=index, columns=["value", "real"])
        frame = frame.astype(float)
        frame["best"] = [_MEASURES[name][0] for name in index]
        frame["meaning"] = [_MEASURES[name][1] for name in index]
        if figures.utility.measure:
            frame.loc["utility", "meaning"] = (
                f"{figures.utility.measure} on real rows of a model trained on these rows; more than real: "
                "it learns more from as many new rows"
            )
        return frame

    @property
    def verdict(self) -> str:
        """The finding in a few words.

        ``"faithful"``, ``"faithful, with exceptions"``, ``"not faithful"``, ``"copies of real rows"`` or
        ``"too few rows to judge"``.
        """
        return self._judge().value

    @property
    def sentence(self) -> str:
        """The verdict as a sentence."""
        figures, verdict = self._figures, self._judge()
        if verdict == Verdict.FEW:
            real, new = figures.sides.sizes
            return f"There are {real:,} real and {new:,} new rows; from fewer than {FEW} chance decides."
        return {
            Verdict.FAITHFUL: "New rows are distributed as the real ones, as far as this page looks.",
            Verdict.EXCEPTIONS: "New rows are close to the real ones, with the exceptions below.",
            Verdict.UNFAITHFUL: "New rows differ from the real ones in what is listed below.",
            Verdict.COPIES: "New rows copy real rows: they add nothing to them, and hide nothing of them.",
        }[verdict]

    @property
    def agreement(self) -> str:
        """How columns, pairs and whole rows agree, in a sentence or two."""
        figures, scores = self._figures, self.scores
        names = {"column_shapes": "columns", "pair_trends": "pairs of columns"}
        known = [name for name in names if np.isfinite(scores["value"][name])]
        agreed = [f"{names[name]} agree to {scores['value'][name]:.3f}" for name in known]
        reached = [f"{scores['real'][name]:.3f}" for name in known if np.isfinite(scores["real"][name])]
        said = f"On average {' and '.join(agreed)}, where 1 is perfect" if agreed else ""
        said += f" and two samples of real rows reach {' and '.join(reached)}" if reached else ""
        said += "." if agreed else ""
        found = figures.two_sample
        whose = "held-out rows" if found.is_held_out else "the rows that were learned from"
        if found.is_dependent:
            said += (
                f" New rows follow {whose} so closely that boosted trees take the two for each other, and "
                "cannot tell how good they are"
            )
            said += "." if found.is_held_out else f"; {GIVE_HELD_OUT}."
        elif np.isfinite(found.score):
            said += f" Boosted trees tell them from {whose} with a ROC AUC of {found.area:.2f}"
            said += " (0.5 is guessing)."
        return said.strip()

    @property
    def held(self) -> str:
        """That the new table holds the real rows, and what is compared then; else empty."""
        sides = self._figures.sides
        return tell_real_rows(sides.held, len(sides.real), len(sides.new), self.names)

    @property
    def mix(self) -> str:
        """How classes are compared, where new rows hold another mix of them; else empty."""
        mix, sides = self._figures.sides.mix, self._figures.sides
        if mix is None:
            return ""
        return (
            f"Other classes: {mix.label!r} is the class of {share(mix.new)} of the new rows, and of "
            f"{share(mix.real)} of the real ones. That is as it should be for rows that balance classes, and "
            "a fault only if you wanted the mix of the real rows. So that it hides nothing else, columns and "
            f"pairs are compared with {len(sides.alike):,} real rows of the same mix."
        )

    def summary(self) -> str:
        """Return verdict, what stands out, and all scores, as text of 88 columns."""
        lines = [self.verdict.upper(), *map(_wrap, self._open())]
        lines += ["", "What stands out"]
        lines += [
            _fill(each.text, initial_indent=f"{i}. ", subsequent_indent="   ")
            for i, each in enumerate(self.findings[:5], start=1)
        ] or ["Nothing."]
        table = self.scores[["value", "real", "best"]].rename_axis(None)
        lines += ["", table.to_string(float_format="{:.3f}".format, na_rep="–")]
        lines.append(_wrap("real: what real rows score, as fresh rows of the same source."))
        if self._figures.utility.measure:
            lines.append(_wrap(f"utility: {self.scores['meaning']['utility']}."))
        return "\n".join([*lines, *(_wrap(remark) for remark in self.remarks)])

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
            f"New rows beside real ones: {self.verdict}",
            "\n".join(self._open()),
            build_sections(self._figures, self.findings, self.scores, self.remarks),
            {**self.facts, **library_versions()},
        )
        if path is not None:
            report.write(path)
        return report.to_html()

    def _open(self) -> list[str]:
        """Return the sentences that everything begins with."""
        return [text for text in (self.held, self.sentence, self.agreement, self.mix) if text]

    def _judge(self) -> Verdict:
        if min(self._figures.sides.sizes) < FEW:
            return Verdict.FEW
        serious = [each for each in self.findings if each.is_serious]
        if any(each.topic == "copies" and each.weight > 1 for each in serious):
            return Verdict.COPIES
        if serious:
            return Verdict.UNFAITHFUL
        return Verdict.EXCEPTIONS if self.findings else Verdict.FAITHFUL


def _wrap(text: str) -> str:
    return _fill(" ".join(text.split()))
