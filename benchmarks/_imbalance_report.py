"""The results of the imbalance benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from _common import markdown_table
from _imbalanced_sets import CHOSEN_ON
from scipy import stats

__all__ = ["arms_of", "frame_of", "render"]

_RENAMED = {"auto": 'AugmentedClassifier "auto"', "VAEOverSampler (ratio 1)": "VAEOverSampler (default)"}
_VERDICTS = {
    "verdict": "five folds, once",
    "verdict_repeated": "five folds, as often as assess repeats them",
}
#: Parts that hold no scores of ways to train.
_OTHER_PARTS = (None, "distances", *_VERDICTS)
_ORDER = (
    "nothing",
    "class weights",
    "tuned threshold",
    "duplicates (ratio 1)",
    "SMOTE (ratio 1)",
    "ctgan TVAE (ratio 1)",
    "VAEOverSampler (ratio 1)",
    "VAEOverSampler, third of the way",
    "VAEOverSampler, two thirds of the way",
    "VAEOverSampler, blended",
    "auto",
)


def frame_of(lines: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return a row per set, learner, repeat, fold and arm; the last measurement of a cell counts."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in lines:
        if "error" in line or line.get("part") in _OTHER_PARTS:
            continue
        for learner, arms in line["results"].items():
            for arm, numbers in arms.items():
                if "error" in numbers:
                    continue
                name = _uniform(arm, arms)
                key = line["set"], learner, line["repeat"], line["fold"], name
                known = {k: v for k, v in numbers.items() if not isinstance(v, dict)}
                rows[key] = known
    names = ["set", "learner", "repeat", "fold", "arm"]
    index = pd.MultiIndex.from_tuples(list(rows), names=names)
    return pd.DataFrame(list(rows.values()), index=index)


def _uniform(arm: str, arms: dict[str, Any]) -> str:
    """Name ratios, which differ from set to set, by their place on the way to balance."""
    if not arm.startswith("VAEOverSampler"):
        return arm
    base, _, mixed = arm.partition(", ")
    ratios = sorted(
        float(a.split("ratio ")[1].rstrip(")")) for a in arms if a.startswith("VAE") and "," not in a
    )
    place = ratios.index(float(base.split("ratio ")[1].rstrip(")")))
    if mixed:
        return "VAEOverSampler, blended" if place == len(ratios) - 1 else f"blended {place}"
    words = ("VAEOverSampler, third of the way", "VAEOverSampler, two thirds of the way")
    return "VAEOverSampler (ratio 1)" if place == len(ratios) - 1 else words[place]


def _by_cell(values: pd.Series) -> pd.Series:
    """Average the folds of each set and learner: a set of more repeats weighs no more than another."""
    return values.groupby(["set", "learner"], sort=False).mean()


def arms_of(frame: pd.DataFrame) -> list[str]:
    """Return the arms that are shown, in order."""
    found = set(frame.index.get_level_values("arm"))
    return [arm for arm in _ORDER if arm in found]


def render(lines: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    frame = frame_of(lines)
    if frame.empty:
        return "Nothing measured yet."
    arms = arms_of(frame)
    parts = [_conditions(lines, frame)]
    for metric, title in (("roc_auc", "ROC AUC"), ("average_precision", "Average precision")):
        parts += [f"### {title}", _overview(frame, arms, metric)]
    parts += ["### Sets that had no say in the defaults, and those that had", _fairness(frame, arms)]
    parts += ["### Decisions and probabilities", _others(frame, arms)]
    parts += ["### By set: ROC AUC / average precision, means over the learners", _by_set(frame, arms)]
    parts += ["### Distance to the closest rare row, relative to SMOTE's", _closeness(lines)]
    chosen = _choices(lines)
    if chosen:
        parts += ['### What "auto" chose', chosen]
    for part, title in _VERDICTS.items():
        verdicts = _verdicts(lines, part)
        if verdicts:
            parts += [f"### The verdict, and what came of it: {title}", verdicts]
    lost = _failures(lines)
    if lost:
        parts += ["### Ways that failed", lost]
    failed = [line for line in lines if "error" in line]
    if failed:
        listed = "\n".join(f"- {line['set']} {line['part']}: {line['error']}" for line in failed)
        parts += ["### Not measured", listed]
    return "\n\n".join(parts)


def _conditions(lines: list[dict[str, Any]], frame: pd.DataFrame) -> str:
    runs = [line for line in lines if "machine" in line]
    used = {name: number for line in runs for name, number in line["versions"].items()}
    sets = frame.index.get_level_values("set").nunique()
    large = {line["set"]: line["all_rows"] for line in lines if line.get("all_rows", 0) > line.get("rows", 0)}
    cut = f" Subsampled: {', '.join(f'{k} (of {v:,} rows)' for k, v in large.items())}." if large else ""
    return (
        f"{sets} sets, {_repeats(frame)} of 2 folds; {runs[0]['machine']['cpu'] if runs else ''}, one "
        "thread; " + ", ".join(f"{name} {number}" for name, number in sorted(used.items())) + f".{cut}"
    )


def _repeats(frame: pd.DataFrame) -> str:
    """Say how often the ways were measured; those of one part were measured alike."""
    seen = frame.index.to_frame(index=False).drop_duplicates(["set", "arm", "repeat"])
    counts = seen.groupby(["arm", "set"]).size().groupby("arm").agg(["min", "max"])
    said = []
    for arm, name in (
        ("SMOTE (ratio 1)", "simple ways"),
        ("VAEOverSampler (ratio 1)", "VAEOverSampler"),
        ("auto", '"auto"'),
        ("ctgan TVAE (ratio 1)", "ctgan TVAE"),
    ):
        if arm in counts.index:
            low, high = counts.loc[arm]
            said.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
    return "repeats: " + ", ".join(said)


def _paired(frame: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """Return plain training and an arm side by side, where both were measured."""
    wide = frame[metric].unstack("arm")
    if arm == "nothing":
        return wide[["nothing", "nothing"]].dropna()
    return wide[["nothing", arm]].dropna()


def _overview(frame: pd.DataFrame, arms: list[str], metric: str) -> str:
    """Means by learner, difference to plain training, a paired test over sets, share of cells that lose."""
    learners = list(dict.fromkeys(frame.index.get_level_values("learner")))
    rows = []
    for arm in arms:
        own = _by_cell(frame.xs(arm, level="arm")[metric])
        cells = [
            f"{own.xs(name, level='learner').mean():.4f}" if name in own.index.unique("learner") else "–"
            for name in learners
        ]
        if arm == "nothing":
            rows.append([arm, *cells, f"{own.mean():.4f}", "–", "–", "–"])
            continue
        pair = _paired(frame, arm, metric)
        moved = _by_cell(pair[arm] - pair["nothing"])
        by_set = moved.groupby("set").mean()
        p = stats.wilcoxon(by_set).pvalue if len(by_set) > 5 and by_set.abs().max() > 0 else np.nan
        test = "–" if np.isnan(p) else f"{p:.3f}"
        rows.append(
            [_RENAMED.get(arm, arm), *cells, f"{own.mean():.4f}", f"{moved.mean():+.4f}", test]
            + [f"{100 * (moved < -0.005).mean():.0f} %"]
        )
    header = ["", *learners, "all", "− nothing", "p (Wilcoxon, sets)", "cells below −.005"]
    note = (
        "Folds are averaged for each cell, a set and a learner, and cells for the table. A difference is "
        "taken over the folds that both have; class weights are not there for 5-NN."
    )
    return markdown_table(header, rows) + "\n\n" + note


def _fairness(frame: pd.DataFrame, arms: list[str]) -> str:
    """Differences to plain training (ROC AUC / average precision), apart for sets that chose the defaults."""
    chosen_on = frame.index.get_level_values("set").isin(CHOSEN_ON)
    rows = []
    for arm in arms[1:]:
        cells = []
        for part in (frame[~chosen_on], frame[chosen_on]):
            if arm not in part.index.get_level_values("arm"):
                cells += ["–", "–"]
                continue
            pairs = [_paired(part, arm, metric) for metric in ("roc_auc", "average_precision")]
            moved = " / ".join(f"{_by_cell(pair[arm] - pair['nothing']).mean():+.4f}" for pair in pairs)
            cells += [moved, str(pairs[0].index.get_level_values("set").nunique())]
        rows.append([_RENAMED.get(arm, arm), *cells])
    return markdown_table(["", "no say", "sets", "chosen on", "sets"], rows)


def _others(frame: pd.DataFrame, arms: list[str]) -> str:
    names = ("balanced_accuracy", "f1", "tuned_f1", "log_loss", "brier", "seconds")
    folds = frame["calibration_slope"].unstack("arm")
    cells = folds.groupby(["set", "learner"], sort=False).median()
    rows = []
    for arm in arms:
        means = [_by_cell(frame.xs(arm, level="arm")[name]).mean() for name in names]
        row = ["–" if np.isnan(mean) else f"{mean:.3f}" for mean in means]
        known = cells[arm].dropna()
        row += [f"{known.median():.2f}", _share(_fine(known))]
        rows.append([_RENAMED.get(arm, arm), *row, _kept(cells, arm), _kept(folds, arm)])
    header = ["", "balanced accuracy", "F1", "F1, tuned", "log-loss", "Brier", "seconds"]
    header += ["slope, median", "slope fine", "kept, cells", "kept, folds"]
    note = (
        "Probabilities are corrected for the class shares. The calibration slope of a cell, a set and a "
        "learner, is the median over its folds. Slope fine: share of the cells where it lies within 0.9 and "
        "1.1; kept: the same among the cells, or the folds, where that of plain training "
        f"does{_kept_by_chance(frame)}."
    )
    return markdown_table(header, rows) + "\n\n" + note


def _fine(slopes: Any) -> Any:
    return slopes.between(0.9, 1.1)


def _share(these: pd.Series) -> str:
    return f"{100 * these.mean():.0f} %" if len(these) else "–"


def _kept(slopes: pd.DataFrame, arm: str) -> str:
    """Return how often an arm has a fine slope among the cells or folds where plain training has one."""
    own = slopes.loc[_fine(slopes["nothing"]), arm].dropna()
    return f"{_share(_fine(own))} of {len(own)}" if len(own) else "–"


def _kept_by_chance(frame: pd.DataFrame) -> str:
    """Say how often plain training itself keeps such a slope from one half of a set to the other."""
    slopes = frame["calibration_slope"].unstack("arm")["nothing"].unstack("fold")
    if set(slopes) != {0, 1}:
        return ""
    slopes = slopes.dropna()
    other = pd.concat([slopes.loc[_fine(slopes[a]), b] for a, b in ((0, 1), (1, 0))])
    if other.empty:
        return ""
    return f" (plain training itself keeps it from one fold to the other in {_share(_fine(other))})"


def _by_set(frame: pd.DataFrame, arms: list[str]) -> str:
    both = frame.groupby(["set", "arm"])[["roc_auc", "average_precision"]].mean()
    rows = []
    for name in dict.fromkeys(frame.index.get_level_values("set")):
        cells = []
        for arm in arms:
            if (name, arm) in both.index:
                auc, ap = both.loc[(name, arm)]
                cells.append(f"{auc:.3f} / {ap:.3f}")
            else:
                cells.append("–")
        rows.append([name, *cells])
    return markdown_table(["", *(_RENAMED.get(arm, arm) for arm in arms)], rows)


def _closeness(lines: list[dict[str, Any]]) -> str:
    found: dict[tuple[str, int, int], dict[str, float]] = {}
    for line in lines:
        if "dcr" in line:
            found.setdefault((line["set"], line["repeat"], line["fold"]), {}).update(line["dcr"])
    means = pd.DataFrame([{"set": key[0]} | each for key, each in found.items()])
    means = means.groupby("set", sort=False).mean().rename(columns={"held out": "real rows held out"})
    shown = [name for name in ("VAEOverSampler", "real rows held out") if name in means]
    if "SMOTE" not in means or not shown:
        return "–"
    # Nothing by nothing is not a number, anything else by nothing is infinite.
    ratios = means[shown].div(means["SMOTE"], axis=0)
    ratios = ratios[ratios.notna().any(axis=1)]
    middle = ["**median**", *(f"**{ratios[name].median():.2f}**" for name in shown)]
    signs = {np.inf: "∞"}
    each = [
        [name, *("–" if np.isnan(v) else signs.get(v, f"{v:.2f}") for v in row)]
        for name, row in ratios.iterrows()
    ]
    note = (
        "Medians over rows, divided by SMOTE's; holes are filled alike. ∞: half of SMOTE's rows are copies; "
        "sets where those of both are, are left out."
    )
    return markdown_table(["", *shown], [middle, *each]) + "\n\n" + note


def _failures(lines: list[dict[str, Any]]) -> str:
    """Say which ways could not be trained, in how many cells, and why."""
    tried: dict[str, int] = {}
    failed: dict[tuple[str, str], dict[str, int]] = {}
    for line in lines:
        if line.get("part") in ("simple", "vaeaug", "tvae"):
            for arms in line.get("results", {}).values():
                for arm, numbers in arms.items():
                    tried[arm] = tried.get(arm, 0) + 1
                    if "error" in numbers:
                        sets = failed.setdefault((arm, numbers["error"]), {})
                        sets[line["set"]] = sets.get(line["set"], 0) + 1
    return "\n".join(
        f"- {arm}: {error}, in {sum(sets.values())} of {tried[arm]} cells ({', '.join(sets)})."
        for (arm, error), sets in failed.items()
    )


def _choices(lines: list[dict[str, Any]]) -> str:
    rows: dict[str, dict[str, int]] = {}
    for line in lines:
        if line.get("part") == "auto" and "results" in line:
            for learner, arms in line["results"].items():
                name = arms["auto"]["choice"]
                kind = "synthetic" if name.startswith("synthetic") else name
                kind += ", blended" if name.endswith("blended") else ""
                rows.setdefault(kind, {}).setdefault(learner, 0)
                rows[kind][learner] += 1
    learners = list(dict.fromkeys(name for each in rows.values() for name in each))
    return (
        markdown_table(
            ["times chosen", *learners], [[k, *(str(v.get(n, 0)) for n in learners)] for k, v in rows.items()]
        )
        if rows
        else ""
    )


def _verdicts(lines: list[dict[str, Any]], part: str) -> str:
    """Verdict on one half against the outcome on the other."""
    found = [
        each
        for line in lines
        if line.get("part") == part and "results" in line
        for each in line["results"].values()
        if "outer_gain" in each
    ]
    if not found:
        return ""
    rows, agreed = [], 0
    for word in ("helps", "no evidence of help", "hurts"):
        own = [each for each in found if each["verdict"] == word]
        right = [each for each in own if _agrees(each)]
        agreed += len(right)
        if own:
            mean = np.mean([each["outer_gain"] for each in own])
            rows.append([word, str(len(own)), str(len(right)), f"{mean:+.4f}"])
    note = (
        f"Agreement in {100 * agreed / len(found):.0f} % of {len(found)} cells. Right is: after *helps* "
        "average precision rose on the other half; after *hurts* it fell; after *no evidence of help* its "
        "95 % bootstrap interval there does not lie above 0."
    )
    return markdown_table(["verdict", "cells", "right", "mean gain there"], rows) + "\n\n" + note


def _agrees(each: dict[str, Any]) -> bool:
    if each["verdict"] == "helps":
        return bool(each["outer_gain"] > 0)
    if each["verdict"] == "hurts":
        return bool(each["outer_gain"] < 0)
    return not each["outer_low"] > 0
