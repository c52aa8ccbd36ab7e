"""The page of a report, section by section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.evaluation.quality.columns import list_categories
from vaeaug.evaluation.quality.findings import GIVE_HELD_OUT, Figures, Finding, share
from vaeaug.evaluation.quality.pairs import bin_columns, find_cuts
from vaeaug.evaluation.quality.sides import list_records
from vaeaug.evaluation.tables import JointTables, join_tables
from vaeaug.plotting.style import bin_edges
from vaeaug.reports.report import Table, Text
from vaeaug.reports.side_by_side import Bars, Card, Cards, Findings, Heatmap, Heatmaps, Histogram
from vaeaug.utils.wording import count, list_names

__all__ = ["build_sections"]

_MOST_COLUMNS, _MOST_PAIRS, _MOST_PICTURES, _MOST_RULES = 30, 15, 4, 20
_MOST_LEVELS, _HEAT_LEVELS = 7, 7
_SHOWN_FINDINGS = 5


def build_sections(
    figures: Figures, findings: Sequence[Finding], scores: pd.DataFrame, remarks: Sequence[str]
) -> list[Any]:
    """Return the sections of the page: what stands out, columns, pairs, rules, copies, use, all scores."""
    sections = [
        Findings(
            "What stands out",
            [("serious" if each.is_serious else "minor", each.text) for each in findings[:_SHOWN_FINDINGS]],
            note=_count_hidden(findings),
        ),
        _show_columns(figures, findings),
        *_show_pairs(figures, remarks),
        _show_rules(figures, remarks),
        *_show_copies(figures),
        _show_use(figures),
        _show_two_sample(figures),
        Table("All scores", scores[["value", "real", "best", "meaning"]], note=_SCORES_NOTE),
        _list_columns(figures),
    ]
    return [section for section in sections if section is not None]


_SCORES_NOTE = (
    "real: what fresh real rows score. column_shapes and pair_trends are the Column Shapes and the Column "
    "Pair Trends of sdmetrics' QualityReport, with its thresholds at 0."
)
_COLUMNS_NOTE = (
    "The column that differs most beyond chance comes first: in its distribution, its missing cells, values "
    "that no real row has, or lost categories; then by agreement. Agreement is 1 minus the largest gap "
    "between the two cumulative distributions (numbers, dates), or 1 minus half the sum of the gaps of all "
    "shares (categories). Bars of numbers at either end hold the most extreme 0.5 % too."
)
_PAIRS_NOTE = (
    "The pair whose association differs most beyond chance comes first. Cramér's V runs from 0 "
    "(independent) to 1; numbers are cut at quantiles of the real rows. Rank correlation is Spearman's, "
    "from −1 to 1. noise: standard deviation of new − real when rows are dealt to both sides at random. "
    "score: agreement of the pair as in sdmetrics."
)
_HEAT_NOTE = (
    "Each column of squares adds up to 1: the darker a square, the more of the rows with the value below it "
    "have the value at its left. Where all columns of squares look alike, nothing goes together."
)


def _count_hidden(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nothing: no figure differs by more than chance and 0.02."
    hidden = len(findings) - _SHOWN_FINDINGS
    return f"{count(hidden, 'more finding')}: see the sections below." if hidden > 0 else ""


def _show_columns(figures: Figures, findings: Sequence[Finding]) -> Cards:
    odd = {
        column
        for each in findings
        if each.topic in ("columns", "missing", "categories")
        for column in each.subject
    }
    table = figures.table
    cards = [_draw_column(figures, name, name in odd) for name in table.index[:_MOST_COLUMNS]]
    note = _COLUMNS_NOTE
    if len(table) > _MOST_COLUMNS:
        note = f"The {_MOST_COLUMNS} columns that differ most, of {len(table):,}. {note}"
    for each in figures.sides.identifiers:
        note += (
            f" {list_names([each.column])} names each row and is left out of all figures: "
            f"{count(each.repeats, 'new row')} repeat a name, {each.taken:,} have the name of a real row."
        )
    return Cards("Columns side by side", cards, note=note)


def _draw_column(figures: Figures, name: Any, is_odd: bool) -> Card:
    row = figures.columns[name]
    remarks = []
    if row["real_missing"] or row["new_missing"]:
        remarks.append(f"missing: real {share(row['real_missing'])}, new {share(row['new_missing'])}")
    if row["outside"] > 0 and row["outside"] >= row["unseen"]:
        what = "beyond the real range" if row["kind"] in ("number", "date", "duration") else "in no real row"
        remarks.append(f"{what}: {share(row['outside'])} of new values")
    if row["lost"] > 0:
        remarks.append(f"categories without a new row: {share(row['lost'])} of real rows")
    if row["real_dtype"] != row["new_dtype"]:
        remarks.append(f"dtype: real {row['real_dtype']}, new {row['new_dtype']}")
    score = f"agreement {row['score']:.2f}" if np.isfinite(row["score"]) else "nothing to compare"
    chart = _draw_chart(figures, name)
    if chart is None:
        score = "no values on one side" if np.isnan(row["score"]) else score
    return Card(str(name), f"{row['kind']}, {score}", chart, remarks, is_odd)


def _draw_chart(figures: Figures, name: Any) -> Bars | Histogram | None:
    joined = figures.joined
    if name in joined.continuous:
        j = joined.continuous.index(name)
        real, new = (block[~np.isnan(block[:, j]), j] for block in joined.numbers)
        if not len(real) and not len(new):
            return None
        kind = figures.columns[name]["kind"]
        return _draw_histogram(real, new, lambda value: _spell(value, kind, joined.origins[j]))
    levels = list_categories(joined, name)
    if not len(levels):
        return None
    rows = [
        (str(label), *shares) for label, shares in zip(levels.index, levels.to_numpy().tolist(), strict=True)
    ]
    if len(rows) > _MOST_LEVELS + 1:
        rest = levels.iloc[_MOST_LEVELS:].sum()
        rows = [*rows[:_MOST_LEVELS], (f"{len(levels) - _MOST_LEVELS:,} others", rest["real"], rest["new"])]
    return Bars(rows)


def _draw_histogram(real: np.ndarray, new: np.ndarray, spell: Any) -> Histogram:
    """Return a histogram of both sides over common bins."""
    both = np.concatenate([real, new])
    edges = np.asarray(bin_edges(both, len(real)))
    if edges[-1] <= edges[0]:
        edges = np.array([both[0] - 0.5, both[0] + 0.5])
    parts = [
        np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0] / max(len(side), 1) for side in (real, new)
    ]
    is_whole = bool((both == np.round(both)).all())
    ends = (np.ceil(edges[0]), np.floor(edges[-1])) if is_whole else (edges[0], edges[-1])
    low, high = (max(ends[0], both.min()), min(ends[1], both.max())) if is_whole else ends
    texts = [
        ("≤ " if both.min() < low else "") + spell(low),
        ("≥ " if both.max() > high else "") + spell(high),
    ]
    return Histogram(parts[0].tolist(), parts[1].tolist(), texts[0], texts[1])


def _spell(value: float, kind: str, origin: Any) -> str:
    """Return a number, a date or a duration as text."""
    if kind == "date":
        start = pd.Timestamp(0, tz="UTC") if origin is None else origin
        return f"{start + pd.Timedelta(seconds=float(value)):%Y-%m-%d}"
    if kind == "duration":
        return str(pd.Timedelta(seconds=round(float(value))))
    value = float(value + (origin or 0))
    if value.is_integer() and abs(value) < 1e9:
        return f"{int(value):,}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def _show_pairs(figures: Figures, remarks: Sequence[str]) -> list[Any]:
    pairs = figures.pairs
    if not len(pairs):
        return []
    drawn = pairs[pairs["excess"] > 0].head(_MOST_PICTURES)
    shown = pairs.head(_MOST_PAIRS).copy()
    index = [f"{first} and {second}" for first, second in zip(shown["first"], shown["second"], strict=True)]
    shown.index = pd.Index(index, name="pair")
    note = " ".join([_PAIRS_NOTE, *(remark for remark in remarks if remark.startswith("Pairs"))])
    if len(pairs) > _MOST_PAIRS:
        note = f"{_MOST_PAIRS} of {len(pairs):,} pairs. {note}"
    columns = ["measure", "real", "new", "score", "noise"]
    sections: list[Any] = [Table("Pairs that differ most", shown[columns], decimals=2, note=note)]
    if len(drawn):
        maps = [_draw_pair(figures, pair) for pair in list_records(drawn)]
        sections.append(Heatmaps("Pairs side by side", maps, note=_HEAT_NOTE))
    return sections


def _draw_pair(figures: Figures, pair: dict[str, Any]) -> Heatmap:
    """Return shares of the rows of each value of one column, by the values of the other."""
    below, left = pair["first"], pair["second"]
    if below not in figures.joined.continuous and left in figures.joined.continuous:
        below, left = left, below
    frames = [frame[[below, left]] for frame in (figures.sides.reference, figures.sides.new)]
    joined = join_tables({"real": frames[0], "new": frames[1]})
    names = [_name_codes(figures, joined, name) for name in (below, left)]
    shares = []
    for side in bin_columns(joined, _HEAT_LEVELS, _HEAT_LEVELS):
        counts = np.zeros((len(names[1]), len(names[0])))
        np.add.at(counts, (side[:, 1], side[:, 0]), 1)
        shares.append(counts / np.maximum(counts.sum(axis=0), 1))
    used = [np.flatnonzero(sum(part.sum(axis=axis) for part in shares) > 0) for axis in (0, 1)]
    if left in joined.continuous:
        used[1] = used[1][::-1]  # numbers grow upwards
    parts = [part[np.ix_(used[1], used[0])].tolist() for part in shares]
    what = [f"{pair['measure']} {pair[side]:.2f}".replace("-", "−") for side in ("real", "new")]
    return Heatmap(
        f"{left} by {below}",
        below=[names[0][k] for k in used[0]],
        left=[names[1][k] for k in used[1]],
        real=parts[0],
        new=parts[1],
        captions=(f"real: {what[0]}", f"new: {what[1]}"),
    )


def _name_codes(figures: Figures, joined: JointTables, name: Any) -> list[str]:
    """Return what the codes of :func:`bin_columns` stand for."""
    if name in joined.discrete:
        j = joined.discrete.index(name)
        counts = joined.count_levels(j)
        order = np.lexsort((-counts[1], -counts[0]))
        return ["missing", *(str(joined.values[j][k]) for k in order[:_HEAT_LEVELS]), "others"]
    j = joined.continuous.index(name)
    cuts, kind = find_cuts(joined.numbers[0][:, j], _HEAT_LEVELS), figures.columns[name]["kind"]
    texts = [_spell(cut, kind, joined.origins[j]) for cut in cuts]
    return ["missing", *(f"≤ {text}" for text in texts), f"> {texts[-1]}" if texts else "all"]


def _show_rules(figures: Figures, remarks: Sequence[str]) -> Any:
    title, rules = "Rules kept and broken", figures.rules
    said = [remark for remark in remarks if remark.startswith("Rules")]
    if not len(rules):
        return Text(title, said or ["No rule between columns was found in the real rows."])
    table = rules.head(_MOST_RULES)
    shown = pd.DataFrame(
        {
            "kind": list(table["kind"]),
            "real": list(map(share, table["real"])),
            "new": list(map(share, table["new"])),
        },
        index=pd.Index(table["formula"], name="rule"),
    )
    drop = (table["real"] - table["new"]).to_numpy(dtype=float)
    marks = pd.DataFrame("", index=shown.index, columns=shown.columns)
    marks["new"] = np.where(drop > 0.005, "worse", "")
    note = "Shares of rows that keep each rule; the one that new rows break most comes first."
    if len(rules) > len(table):
        note = f"{len(table)} of {len(rules):,} rules. {note}"
    return Table(title, shown, marks=marks, note=" ".join([note, *said]))


def _show_copies(figures: Figures) -> list[Any]:
    title, copies = "Copies and nearest real rows", figures.copies
    if copies is None:
        return [Text(title, ["There is one real row, and none to compare its distance with."])]
    fresh = "Held-out real rows" if copies.is_held_out else "Real rows, among all others"
    frame = pd.DataFrame(
        {
            "equal a real row": [share(copies.exact), share(copies.fresh_exact)],
            "very near to one": [share(copies.near), share(0.01)],
            "median distance": [np.median(copies.distances), np.median(copies.fresh_distances)],
            "repeat a row of their table": [share(copies.repeats), share(copies.real_repeats)],
        },
        index=["New rows", fresh],
    )
    chart = _draw_histogram(copies.fresh_distances, copies.distances, lambda value: f"{value:.2g}")
    cards = [Card("", "Grey: fresh real rows. Orange: new rows.", chart)]
    note = (
        "Distance: the sum over columns of |a − b| / range, and of 1 for categories that differ. Very near: "
        "nearer than 99 % of fresh real rows lie. New rows that lie nearer than fresh ones (further left) "
        "follow single real rows."
    )
    return [Table(title, frame, decimals=2), Cards("Distance to the nearest real row", cards, note=note)]


def _show_use(figures: Figures) -> Any:
    title, utility = "Use as training data", figures.utility
    if not utility.measure:
        return Text(title, [f"Not measured: {utility.why}."])
    rows = utility.facts["train"]
    frame = pd.DataFrame(
        {utility.measure: [utility.new, utility.real]},
        index=[f"trained on {rows:,} new rows", f"trained on {rows:,} real rows"],
    )
    tested = f"Boosted trees predict {figures.sides.target!r}; tested on {utility.facts['test']:,} real rows"
    if figures.sides.held_out is None:
        seen = (
            f"{tested}, cut off from the real ones: a generator that learned from all of them has seen "
            "these. Give held_out rows (--held-out on the command line) to be sure."
        )
    else:
        seen = f"{tested} that the generator has not seen."
    return Table(title, frame, note=seen)


def _show_two_sample(figures: Figures) -> Text:
    title, found = "Two-sample score", figures.two_sample
    if np.isnan(found.score):
        return Text(title, ["Not measured: too few rows."])
    if found.is_dependent:
        more = "." if found.is_held_out else f"; {GIVE_HELD_OUT}."
        return Text(
            title,
            [
                "Not measured: new rows follow the real rows that they are compared with so closely that "
                f"boosted trees take the two for each other (ROC AUC {found.area:.3f}, where 0.5 is "
                f"guessing){more}"
            ],
        )
    said = [
        f"{found.score:.3f}: 1 if boosted trees cannot tell new rows from real ones (ROC AUC 0.5), 0 if they "
        f"always can. Here their ROC AUC is {found.area:.3f}."
    ]
    if found.is_held_out:
        said.append("The real rows are held-out ones, which the generator has not seen.")
    else:
        said.append(
            "The real rows are those that the generator learned from. New rows depend on them, which "
            "flatters the score. Give held_out rows (--held-out on the command line) to see what new rows "
            "are worth beside others."
        )
    return Text(title, said)


def _list_columns(figures: Figures) -> Table:
    table = figures.table.head(_MOST_COLUMNS)
    names = ["score", "floor", "real_mean", "new_mean", "real_sd", "new_sd", "real_distinct", "new_distinct"]
    shown = table[["kind", *names]].copy()
    for name in ("real_mean", "new_mean", "real_sd", "new_sd"):
        shown[name] = [
            f"{value:.4g}".replace("-", "−") if np.isfinite(value) else "–" for value in shown[name]
        ]
    shown["missing real / new"] = [
        f"{share(a)} / {share(b)}" for a, b in zip(table["real_missing"], table["new_missing"], strict=True)
    ]
    note = "floor: what all columns of two samples of one source stay above in about 95 of 100 cases."
    return Table(
        "Columns in figures", shown.rename(columns=lambda name: name.replace("_", " ")), decimals=3, note=note
    )
