"""What stands out when new rows are compared with real ones, in sentences, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.texts import find_single_texts
from vaeaug.evaluation.quality.columns import list_categories
from vaeaug.evaluation.quality.rows import Copies, TwoSample, Utility, find_chance
from vaeaug.evaluation.quality.sides import Sides, list_records
from vaeaug.evaluation.tables import JointTables
from vaeaug.utils.wording import count, list_names

__all__ = ["FEW", "GIVE_HELD_OUT", "SERIOUS", "Figures", "Finding", "find", "share"]

#: Weight from which a finding is serious, and from which it is one at all.
SERIOUS, _NOTABLE = 0.1, 0.02
#: From fewer rows nothing is found.
FEW = 20
#: Findings that are shown, and those of one topic among them.
_MOST, _MOST_OF_TOPIC = 5, 2
#: A value that so many real rows have, and that explains so much of a difference, is named.
_SPIKE, _EXPLAINS = 0.1, 0.5
_SMALL_RULE = 0.005
#: What chance alone brings less often than this is no chance.
_CHANCE = 0.001
#: The next step where new rows depend on the real ones beside them.
GIVE_HELD_OUT = "give held_out rows (--held-out on the command line) to see how they agree with others"


@dataclass(frozen=True)
class Finding:
    """One thing that stands out.

    Parameters
    ----------
    topic : str
        ``copies``, ``columns``, ``missing``, ``categories``, ``pairs``, ``rules``, ``use`` or ``telling``.
    weight : float
        How bad it is; 1 is as bad as a share or a distance can be, copies weigh more.
    text : str
        A sentence.
    subject : tuple
        Columns that it is about.
    """

    topic: str
    weight: float
    text: str
    subject: tuple[Any, ...] = ()

    @property
    def is_serious(self) -> bool:
        """Whether the rows should not be used before this is understood."""
        return self.weight >= SERIOUS


@dataclass(frozen=True)
class Figures:
    """All that was measured.

    Parameters
    ----------
    sides : Sides
    joined : JointTables
        The reference and the new rows.
    table, pairs, rules : DataFrame
    copies : Copies or None
    utility : Utility
    two_sample : TwoSample
    """

    sides: Sides
    joined: JointTables
    table: pd.DataFrame
    pairs: pd.DataFrame
    rules: pd.DataFrame
    copies: Copies | None
    utility: Utility
    two_sample: TwoSample

    @cached_property
    def columns(self) -> dict[Any, dict[str, Any]]:
        """Rows of the table by column."""
        return dict(zip(self.table.index, list_records(self.table), strict=True))


def find(figures: Figures) -> list[Finding]:
    """Return all findings, the most serious first.

    No more than two of a topic come among the first five, as long as other topics have any. From fewer than
    20 rows there are none: everything may be chance.
    """
    if min(figures.sides.sizes) < FEW:
        return []
    searches = (
        _find_copies,
        _find_single_texts,
        _find_columns,
        _find_missing,
        _find_categories,
        _find_pairs,
        _find_rules,
    )
    found = [each for search in (*searches, _find_use, _find_telling) for each in search(figures)]
    found = sorted((each for each in found if each.weight >= _NOTABLE), key=lambda each: -each.weight)
    first: list[Finding] = []
    for each in found:
        of_topic = sum(other.topic == each.topic for other in first)
        if len(first) < _MOST and of_topic < _MOST_OF_TOPIC:
            first.append(each)
    return first + [each for each in found if each not in first]


def share(value: float) -> str:
    """Return a share in per cent, with a digit that tells it from none and from all.

    Examples
    --------
    >>> from vaeaug.evaluation.quality.findings import share
    >>> share(0.5), share(0.0004), share(0.9999), share(0.0)
    ('50.0 %', 'under 0.1 %', 'over 99.9 %', '0 %')
    """
    if not np.isfinite(value):
        return "–"
    if value in (0.0, 1.0):
        return f"{value:.0%}".replace("%", " %")
    if value < 0.0005 or value > 0.9995:
        return "under 0.1 %" if value < 0.5 else "over 99.9 %"
    return f"{100 * value:.1f} %"


def _find_copies(figures: Figures) -> Iterator[Finding]:
    copies = figures.copies
    if copies is None:
        return
    surplus = copies.exact - copies.fresh_exact
    fresh = "held-out real rows" if copies.is_held_out else "real rows that equal another real row"
    if surplus > 0.005 and copies.exact_chance < _CHANCE:
        yield Finding(
            "copies",
            # Copies come first, unless there are few of them.
            (1 + surplus) if surplus > 0.05 else 2 * surplus + _NOTABLE,
            f"{share(copies.exact)} of the new rows are copies of a real row ({fresh}: "
            f"{share(copies.fresh_exact)}). If new holds the real rows too, compare the synthetic ones only.",
        )
    elif copies.near > 0.03 and copies.near_chance < _CHANCE:
        yield Finding(
            "copies",
            copies.near,
            f"{share(copies.near)} of the new rows lie nearer to a real row than 99 % of fresh real rows do: "
            "they are variations of single rows. resample and vaeaug augment make some rows so; "
            "method='prior' (--method prior) makes none.",
        )
    repeated = copies.repeats - copies.real_repeats
    if repeated > max(0.02, 3 * figures.sides.spread * np.sqrt(max(copies.real_repeats, 0.01))):
        yield Finding(
            "copies",
            repeated,
            f"{share(copies.repeats)} of the new rows repeat an earlier new row "
            f"({share(copies.real_repeats)} among as many real rows).",
        )


def _find_single_texts(figures: Figures) -> Iterator[Finding]:
    (known, fresh), real, new = figures.sides.parts, figures.sides.real, figures.sides.new
    for name in real.columns:
        single = find_single_texts(real[name])
        repeated = float(new[name].isin(single).mean()) if len(single) else 0.0
        if repeated < _NOTABLE:
            continue
        apart = find_single_texts(known[name])
        if find_chance(*(side[name].isin(apart).to_numpy() for side in (new, fresh))) > _CHANCE:
            continue
        yield Finding(
            "copies",
            # What to share is for the user to judge.
            min(repeated, SERIOUS - 0.01),
            f"{share(repeated)} of the new rows repeat a text of {list_names([name])} that one real row "
            f"alone has ({len(single):,} of {real[name].nunique():,} texts occur once). Drop the column "
            "before you share new rows.",
            (name,),
        )


def _find_columns(figures: Figures) -> Iterator[Finding]:
    far = {name: row for name, row in figures.columns.items() if row["excess"] >= _NOTABLE}
    worst = sorted(far, key=lambda name: -far[name]["excess"])
    for i, name in enumerate(worst):
        row = far[name]
        more = _mention(len(worst) - 1, "column") if i == 0 else ""
        yield Finding(
            "columns",
            float(row["excess"]),
            f"{list_names([name])} is distributed differently: {_describe(figures, name, row)} (agreement "
            f"{row['score']:.2f}; chance alone stays above {row['floor']:.2f}).{more}",
            (name,),
        )


def _describe(figures: Figures, name: Any, row: dict[str, Any]) -> str:
    """Return how the distribution of a column differs, in words."""
    if row["kind"] in ("category", "text"):
        if row["outside"] > 0.99:
            types = (
                f" ({row['real_dtype']} and {row['new_dtype']})"
                if row["real_dtype"] != row["new_dtype"]
                else ""
            )
            return f"new rows hold none of the values of real rows{types}; bring both to one spelling"
        levels = list_categories(figures.joined, name)
        place = int(np.abs((levels["new"] - levels["real"]).to_numpy(dtype=float)).argmax())
        level = list_records(levels.iloc[[place]])[0]
        value = levels.index[place]
        return f"{value!r} in {share(level['real'])} of real rows, {share(level['new'])} of new ones"
    real, new = (side[name].dropna() for side in (figures.sides.reference, figures.sides.new))
    if row["kind"] != "number":
        median = [
            pd.Series(pd.to_datetime(side) if row["kind"] == "date" else side).median()
            for side in (real, new)
        ]
        texts = [f"{value:%Y-%m-%d}" if row["kind"] == "date" else str(value) for value in median]
        return f"median {texts[0]} among real rows, {texts[1]} among new ones"
    j = figures.joined.continuous.index(name)
    sides = [block[:, j] for block in figures.joined.numbers]
    sides = [values[~np.isnan(values)] for values in sides]
    values, counts = np.unique(sides[0], return_counts=True)
    top = values[counts.argmax()]
    spikes = [float(np.mean(side == top)) for side in sides]
    if spikes[0] >= _SPIKE and abs(spikes[0] - spikes[1]) >= _EXPLAINS * (1 - row["score"]):
        origin = figures.joined.origins[j] or 0
        return f"{top + origin:g} in {share(spikes[0])} of real rows, {share(spikes[1])} of new ones"
    return (
        f"mean {row['real_mean']:.4g} among real rows, {row['new_mean']:.4g} among new ones; standard "
        f"deviation {row['real_sd']:.4g} and {row['new_sd']:.4g}"
    )


def _find_missing(figures: Figures) -> Iterator[Finding]:
    table = figures.table
    p = (table["real_missing"] + table["new_missing"]) / 2
    gap = (table["real_missing"] - table["new_missing"]).abs()
    gap = gap.where(gap > 3 * figures.sides.spread * np.sqrt(p * (1 - p)), 0.0)
    gap = gap[gap >= _NOTABLE].sort_values(ascending=False, kind="stable")
    for i, name in enumerate(gap.index):
        row = figures.columns[name]
        more = _mention(len(gap) - 1, "column") if i == 0 else ""
        yield Finding(
            "missing",
            float(gap.iloc[i]),
            f"Missing cells of {list_names([name])}: {share(row['real_missing'])} of real rows, "
            f"{share(row['new_missing'])} of new ones.{more}",
            (name,),
        )


def _find_categories(figures: Figures) -> Iterator[Finding]:
    n, m = figures.sides.sizes
    for name, row in figures.columns.items():
        if row["kind"] != "category":
            surplus = row["outside"] - row["unseen"]
            # The chance that k new rows lie beyond all real ones falls as (m / (n + m))ᵏ, at two ends of
            # every column.
            most = np.log(2000 * len(figures.columns)) / np.log1p(n / m) / m
            if row["kind"] != "text" and surplus > max(0.01, most):
                yield Finding(
                    "categories",
                    float(surplus),
                    f"{share(row['outside'])} of the new values of {list_names([name])} lie beyond the range "
                    "of real ones.",
                    (name,),
                )
            continue
        levels = list_categories(figures.joined, name)
        chance = 2 * (np.sqrt(row["unseen"] / n + 1 / n**2) + np.sqrt(max(row["outside"], 0) / m))
        if row["outside"] - row["unseen"] > 0.005 + chance and row["outside"] <= 0.99:
            invented = levels[(levels["real"] == 0) & (levels["new"] > 0)].index
            yield Finding(
                "categories",
                max(float(row["outside"]), _NOTABLE),
                f"{list_names([name])} has {count(len(invented), 'category', 'categories')} that no real row "
                f"has, in {share(row['outside'])} of the new rows: {list_names(invented, most=3)}.",
                (name,),
            )
        if row["lost"] > 0 and row["outside"] <= 0.99:
            lost = levels[(levels["new"] == 0) & (levels["real"] * figures.sides.sizes[1] >= 10)].index
            yield Finding(
                "categories",
                max(float(row["lost"]), _NOTABLE),
                f"{count(len(lost), 'category', 'categories')} of {list_names([name])} "
                f"{'is' if len(lost) == 1 else 'are'} missing among new rows, with {share(row['lost'])} of "
                f"the real rows: {list_names(lost, most=3)}.",
                (name,),
            )


def _find_pairs(figures: Figures) -> Iterator[Finding]:
    pairs = figures.pairs
    far = pairs[(pairs["excess"] >= _NOTABLE) & (pairs["difference"].abs() >= 0.1)]
    for i, pair in enumerate(list_records(far)):
        more = _mention(len(far) - 1, "pair") if i == 0 else ""
        first, second = pair["first"], pair["second"]
        a, b = abs(pair["real"]), abs(pair["new"])
        if pair["real"] * pair["new"] < 0 and min(a, b) > 0.1:
            what = "is reversed"
        elif a >= b:
            what = "is lost" if b < 0.3 * a else "is weaker"
        else:
            what = "is invented" if a < 0.3 * b else "is stronger"
        yield Finding(
            "pairs",
            float(abs(pair["difference"]) - 2 * pair["noise"]),
            f"The association of {list_names([first])} and {list_names([second])} {what}: {pair['measure']} "
            f"{_sign(pair['real'])} among real rows, {_sign(pair['new'])} among new ones.{more}",
            (first, second),
        )


def _find_rules(figures: Figures) -> Iterator[Finding]:
    rules = figures.rules
    real, new = rules[["real", "fresh"]].astype(float).min(axis=1, skipna=False), rules["new"].astype(float)
    middle = (real + new) / 2
    broken = rules[real - new > _SMALL_RULE + 4 * figures.sides.spread * np.sqrt(middle * (1 - middle))]
    for i, rule in enumerate(list_records(broken)):
        more = _mention(len(broken) - 1, "rule") if i == 0 else ""
        yield Finding(
            "rules",
            max(float(min(rule["real"], rule["fresh"]) - rule["new"]), _NOTABLE),
            f"The rule {rule['formula']} holds in {share(rule['real'])} of real rows, in "
            f"{share(rule['new'])} of new ones.{more}",
            tuple(rule["columns"]),
        )


def _find_use(figures: Figures) -> Iterator[Finding]:
    utility = figures.utility
    if utility.lost < 0.05 or utility.real - utility.new < 3 * utility.error:
        return
    yield Finding(
        "use",
        utility.lost,
        f"A model trained on new rows scores a {utility.measure} of {utility.new:.3f} on real rows; trained "
        f"on as many real rows, {utility.real:.3f}.",
        (figures.sides.target,),
    )


def _find_telling(figures: Figures) -> Iterator[Finding]:
    found = figures.two_sample
    # Where there are copies, trees say no more.
    if found.is_dependent and not any(_find_copies(figures)):
        more = "." if found.is_held_out else f"; {GIVE_HELD_OUT}."
        yield Finding(
            "telling",
            min(0.5 - found.area, SERIOUS - 0.01),
            "New rows follow the real rows that they are compared with: boosted trees take them for each "
            f"other (ROC AUC {found.area:.2f}, where 0.5 is guessing). Variations of real rows do so, and "
            "rows of a generator that learned from few. That is no fault where new rows were added to real "
            f"ones{more}",
        )
    if found.is_told:
        yield Finding(
            "telling",
            # It sums up what other findings say.
            max((1 - found.score) / 3, _NOTABLE),
            f"Boosted trees tell new rows from real ones (ROC AUC {found.area:.2f}; 0.5 is guessing).",
        )


def _mention(others: int, noun: str) -> str:
    """Return that others differ as well; nothing if there are none."""
    return f" {count(others, f'more {noun}')} {'differs' if others == 1 else 'differ'}." if others > 0 else ""


def _sign(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
