"""Does it help classifiers of imbalanced tables? VAEOverSampler and sampler="auto" beside baselines.

A cell is one part (some of the strategies) on one half of one set, tested on the other half: 5 repeats of 2
folds. One process, one thread. ``--only part=simple part=vaeaug set=ecoli_imU`` measures a piece of it.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import _bench as bench
import numpy as np
import pandas as pd
from _bench import Record
from _gain_prior import correct_verdicts
from scipy import stats

KEY = ("set", "repeat", "fold", "part")
PARTS = (
    "simple",
    "vaeaug",
    "auto",
    "distances",
    "attribution",
    "tvae",
    "verdict",
    "verdict_alone",
    "verdict_repeated",
    "verdict_copies",
    "verdict_shuffled",
)
#: Sets on which (repeat 0) the defaults for small classes were chosen.
CHOSEN_ON = (
    "abalone_19",
    "car_good",
    "ecoli_imU",
    "oil_spill",
    "solar_flare_F",
    "spectrometer_44",
    "wine_quality_4",
    "yeast_ME2",
)


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    from _imbalance_cells import SETS

    for repeat in range(1 if options.fast else 5):
        for name in ["ecoli_imU"] if options.fast else SETS:
            for fold in range(1 if options.fast else 2):
                yield from ({"set": name, "repeat": repeat, "fold": fold, "part": part} for part in PARTS)


def measure(cell: Record, options: argparse.Namespace) -> Record:
    # It brings vaeaug and torch, which rendering does not need.
    from _imbalance_cells import Half, list_halves, load_set

    data = load_set(cell["set"])
    fold = list_halves(data, cell["repeat"])[cell["fold"]]
    rows, columns = data.X.shape
    facts = {"rows": rows, "columns": columns, "ratio": round(data.ratio, 2), "all_rows": data.rows}
    return facts | Half(data, cell["repeat"], fold, options.peer_python).measure(cell["part"])


# ---------------------------------------------------------------- report

#: Strategies in the order of the tables, and what the tables call them.
STRATEGIES = {
    "nothing": "plain training",
    "class weights": "class weights",
    "tuned threshold": "tuned threshold",
    "duplicates (ratio 1)": "duplicates (ratio 1)",
    "SMOTE (ratio 1)": "SMOTE (ratio 1)",
    "ctgan TVAE (ratio 1)": "ctgan TVAE (ratio 1)",
    "VAEOverSampler (ratio 1)": "VAEOverSampler (default)",
    "VAEOverSampler, third of the way": "VAEOverSampler, third of the way",
    "VAEOverSampler, two thirds of the way": "VAEOverSampler, two thirds of the way",
    "VAEOverSampler, blended": "VAEOverSampler, blended",
    "auto": 'AugmentedClassifier "auto"',
}
#: Strategies that tell what the generator brings from what filters, blends and other classifiers bring.
ATTRIBUTION = {
    "bootstrap, blended": "bootstrap of the same rows, blended",
    "SMOTE (ratio 1)": "SMOTE",
    "SMOTE (ratio 1), blended": "SMOTE, blended",
    "SMOTE, filtered (ratio 1)": "SMOTE, filtered by the committee",
    "SMOTE, filtered (ratio 1), blended": "SMOTE, filtered, blended",
    "jittered copies (ratio 1)": "jittered copies",
    "jittered copies (ratio 1), blended": "jittered copies, blended",
    "jittered copies, filtered (ratio 1)": "jittered copies, filtered by the committee",
    "jittered copies, filtered (ratio 1), blended": "jittered copies, filtered, blended",
    "no filter (ratio 1)": "VAEOverSampler without its filter",
    "no filter (ratio 1), blended": "VAEOverSampler without its filter, blended",
    "VAEOverSampler (ratio 1)": "VAEOverSampler",
    "VAEOverSampler, blended": "VAEOverSampler, blended",
    "auto": 'AugmentedClassifier "auto"',
    "boosted trees": "boosted trees on the rows as they are",
    "random forest": "a random forest on the rows as they are",
    "logistic regression": "a logistic regression on the rows as they are",
    "the three together": "the three together",
}
VERDICTS = {
    "verdict": "five folds, once",
    "verdict_alone": "without blends, five folds, once",
    "verdict_repeated": "five folds, as often as assess repeats them",
}
WORDS = ("helps", "probably helps", "no evidence of help", "hurts")
#: Cells in which new rows cannot help.
NULLS = {
    "verdict_copies": "copies in the place of new rows",
    "verdict_shuffled": "labels shuffled",
}
#: Parts with the strategies of the first tables.
STRATEGY_PARTS = ("simple", "vaeaug", "auto", "tvae")
METRICS = {"roc_auc": "ROC AUC", "average_precision": "Average precision"}
OVERVIEW_NOTE = (
    "Folds are averaged for each cell, a set and a learner, and cells for the table. A difference is taken "
    "over the folds that both have; class weights are not there for 5-NN."
)
DISTANCE_NOTE = (
    "Medians over rows, divided by SMOTE's; holes are filled alike. ∞: half of SMOTE's rows are copies. Sets "
    "where half of both are copies are left out."
)
#: Gains that a verdict should tell, and losses that make "helps" wrong.
_GAIN, _LOSS = 0.01, 0.002
#: Bins of the probability that new rows help.
_BINS = 5
VERDICT_NOTE = (
    "Right is: after *helps* and *probably helps* average precision rose on the other half; after *hurts* it "
    "fell; after *no evidence of help* its 95 % bootstrap interval there does not lie above 0."
)


def render(records: list[Record]) -> str:
    """Return the results as Markdown."""
    frame = read_frame(records, STRATEGY_PARTS)
    if frame.empty:
        return "Nothing measured yet."
    measured = [record for record in records if "error" not in record]
    note = f"{frame.index.unique('set').size} sets, {_count_repeats(frame)} of 2 folds.{_list_cut(records)}"
    sections = {"": bench.tell_conditions(measured, note)}
    for metric, title in METRICS.items():
        sections[title] = f"{_tabulate_overview(frame, metric)}\n\n{OVERVIEW_NOTE}"
    sections |= {
        "Sets that were not used to choose defaults, and those that were": _split_by_choice(frame),
        "Decisions and probabilities": _tabulate_others(frame),
        "By set: ROC AUC / average precision, means over the learners": _tabulate_sets(frame),
        "Distance to the closest row of the minority class, relative to SMOTE's": _tabulate_distances(
            measured
        ),
        "What is due to the generator": _tabulate_attribution(measured),
        'What "auto" chose': _count_choices(measured),
    }
    for part, title in VERDICTS.items():
        sections[f"The verdict, and what came of it: {title}"] = _judge_verdicts(measured, part)
    sections["The verdict where nothing can help"] = _count_nulls(measured)
    sections["Strategies that failed"] = _count_failures(measured)
    sections["Not measured"] = bench.list_failures(records, ("set", "part"))
    return bench.join_sections(sections)


def read_frame(records: list[Record], parts: tuple[str, ...]) -> pd.DataFrame:
    """Return a row of numbers for each set, learner, repeat, fold and strategy of some parts."""
    rows = {
        (record["set"], learner, record["repeat"], record["fold"], name): {
            k: v for k, v in numbers.items() if not isinstance(v, dict)
        }
        for record in records
        if record.get("part") in parts
        for learner, found in record.get("results", {}).items()
        for name, numbers in found.items()
        if "error" not in numbers
    }
    names = ["set", "learner", "repeat", "fold", "strategy"]
    return pd.DataFrame(list(rows.values()), index=pd.MultiIndex.from_tuples(list(rows), names=names))


def list_strategies(frame: pd.DataFrame) -> list[str]:
    """Return the strategies that are shown, in order."""
    found = set(frame.index.unique("strategy"))
    return [name for name in STRATEGIES if name in found]


def _average_folds(values: pd.Series) -> pd.Series:
    """Average the folds of each set and learner: a set of more repeats weighs no more than another."""
    return values.groupby(["set", "learner"], sort=False).mean()


def _compare(frame: pd.DataFrame, name: str, metric: str) -> pd.Series:
    """Return each cell's difference to plain training, over the folds that both have."""
    wide = frame[metric].unstack("strategy")
    return _average_folds((wide[name] - wide["nothing"]).dropna())


def _count_repeats(frame: pd.DataFrame) -> str:
    """Say how often the strategies were measured; those of one part were measured alike."""
    seen = frame.index.to_frame(index=False).drop_duplicates(["set", "strategy", "repeat"])
    counts = seen.groupby(["strategy", "set"]).size().groupby("strategy").agg(["min", "max"])
    names = {
        "SMOTE (ratio 1)": "baselines",
        "VAEOverSampler (ratio 1)": "VAEOverSampler",
        "auto": '"auto"',
        "ctgan TVAE (ratio 1)": "ctgan TVAE",
    }
    known = {name: counts.loc[key] for key, name in names.items() if key in counts.index}
    return "repeats: " + ", ".join(
        f"{name} {' to '.join(map(str, dict.fromkeys(ends)))}" for name, ends in known.items()
    )


def _list_cut(records: list[Record]) -> str:
    large = {r["set"]: r["all_rows"] for r in records if r.get("all_rows", 0) > r.get("rows", 0)}
    cut = ", ".join(f"{name} (of {rows:,} rows)" for name, rows in large.items())
    return f" Subsampled: {cut}." if cut else ""


def _tabulate_overview(frame: pd.DataFrame, metric: str) -> str:
    """Means by learner, difference to plain training, a paired test over sets, share of cells that lose."""
    learners = list(frame.index.unique("learner"))
    rows = []
    for name in list_strategies(frame):
        own = _average_folds(frame.xs(name, level="strategy")[metric])
        by_learner = own.groupby("learner").mean().reindex(learners)
        row = [STRATEGIES[name], *(_show(mean, 4) for mean in by_learner), _show(own.mean(), 4)]
        if name == "nothing":
            rows.append([*row, "–", "–", "–"])
            continue
        gain = _compare(frame, name, metric)
        by_set = gain.groupby("set").mean()
        p = stats.wilcoxon(by_set).pvalue if len(by_set) > 5 and by_set.abs().max() > 0 else np.nan
        rows.append([*row, f"{gain.mean():+.4f}", _show(p), f"{100 * (gain < -0.005).mean():.0f} %"])
    header = ["", *learners, "all", "− plain", "p (Wilcoxon, sets)", "cells below −.005"]
    return bench.markdown_table(header, rows)


def _show(value: float, digits: int = 3) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def _split_by_choice(frame: pd.DataFrame) -> str:
    """Differences to plain training (ROC AUC / average precision), apart for sets that chose the defaults."""
    chosen_on = frame.index.get_level_values("set").isin(CHOSEN_ON)
    rows = []
    for name in list_strategies(frame)[1:]:
        row = [STRATEGIES[name]]
        for part in (frame[~chosen_on], frame[chosen_on]):
            if name in part.index.unique("strategy"):
                gains = [_compare(part, name, metric) for metric in METRICS]
                row += [" / ".join(f"{gain.mean():+.4f}" for gain in gains)]
                row += [str(gains[0].index.unique("set").size)]
            else:
                row += ["–", "–"]
        rows.append(row)
    return bench.markdown_table(["", "not used", "sets", "used", "sets"], rows)


def _tabulate_attribution(records: list[Record]) -> str:
    """Return differences to plain training on the halves where filters and blends were taken apart."""
    name_half = lambda record: tuple(record[key] for key in ("set", "repeat", "fold"))  # noqa: E731
    halves = {name_half(record) for record in records if record.get("part") == "attribution"}
    own = [record for record in records if name_half(record) in halves]
    frame = read_frame(own, ("vaeaug", "auto", "attribution"))
    rows = []
    for name, title in ATTRIBUTION.items() if len(frame) else ():
        if name in frame.index.unique("strategy"):
            gains = [_compare(frame, name, metric) for metric in METRICS]
            row = [title, *(f"{gain.groupby('set').mean().mean():+.4f}" for gain in gains)]
            rows.append(row + [f"{100 * (gain < -0.005).mean():.0f} %" for gain in gains])
    header = ["", *METRICS.values(), *(f"{title}, cells below −.005" for title in METRICS.values())]
    sets = len({half[0] for half in halves})
    note = f"Differences to plain training of the same learner, on {len(halves)} halves of {sets} sets."
    return bench.markdown_table(header, rows) + (f"\n\n{note}" if rows else "")


def _tabulate_others(frame: pd.DataFrame) -> str:
    names = ("balanced_accuracy", "f1", "tuned_f1", "log_loss", "brier", "seconds")
    folds = frame["calibration_slope"].unstack("strategy")
    cells = folds.groupby(["set", "learner"], sort=False).median()
    rows = []
    for name in list_strategies(frame):
        own = frame.xs(name, level="strategy")
        known = cells[name].dropna()
        row = [STRATEGIES[name], *(_show(_average_folds(own[each]).mean()) for each in names)]
        row += [f"{known.median():.2f}", _share_fine(known)]
        rows.append([*row, _share_kept(cells, name), _share_kept(folds, name)])
    header = ["", "balanced accuracy", "F1", "F1, tuned", "log-loss", "Brier", "seconds"]
    header += ["slope, median", "slope fine", "kept, cells", "kept, folds"]
    note = (
        "Probabilities are corrected for the class shares. The calibration slope of a cell, a set and a "
        "learner, is the median over its folds. Slope fine: share of the cells where it lies within 0.9 and "
        "1.1; kept: the same among the cells, or the folds, where that of plain training "
        f"does{_share_by_chance(folds['nothing'])}."
    )
    return bench.markdown_table(header, rows) + "\n\n" + note


def _is_fine(slopes: pd.Series) -> pd.Series:
    return slopes.between(0.9, 1.1)


def _share_fine(slopes: pd.Series) -> str:
    return f"{100 * _is_fine(slopes).mean():.0f} %" if len(slopes) else "–"


def _share_kept(slopes: pd.DataFrame, name: str) -> str:
    """Return how often a strategy has a fine slope among the cells or folds where plain training has one."""
    own = slopes.loc[_is_fine(slopes["nothing"]), name].dropna()
    return f"{_share_fine(own)} of {len(own)}" if len(own) else "–"


def _share_by_chance(plain: pd.Series) -> str:
    """Say how often plain training itself keeps such a slope from one half of a set to the other."""
    slopes = plain.unstack("fold").dropna()
    if set(slopes) != {0, 1}:
        return ""
    other = pd.concat([slopes.loc[_is_fine(slopes[a]), b] for a, b in ((0, 1), (1, 0))])
    said = f" (plain training itself keeps it from one fold to the other in {_share_fine(other)})"
    return said if len(other) else ""


def _tabulate_sets(frame: pd.DataFrame) -> str:
    means = frame.groupby(["set", "strategy"], sort=False)[list(METRICS)].mean()
    cells = means.apply(lambda row: " / ".join(f"{value:.3f}" for value in row), axis=1).unstack("strategy")
    cells = cells.loc[frame.index.unique("set"), list_strategies(frame)].fillna("–")
    header = ["", *(STRATEGIES[name] for name in cells)]
    return bench.markdown_table(
        header, ([name, *row] for name, row in zip(cells.index, cells.values, strict=True))
    )


def _tabulate_distances(records: list[Record]) -> str:
    found = pd.DataFrame([{"set": r["set"]} | r["dcr"] for r in records if "dcr" in r])
    means = found.groupby("set", sort=False).mean().rename(columns={"held out": "held-out real rows"})
    shown = [name for name in ("VAEOverSampler", "held-out real rows") if name in means]
    if "SMOTE" not in means or not shown:
        return "–"
    # Nothing by nothing is not a number, anything else by nothing is infinite.
    ratios = means[shown].div(means["SMOTE"], axis=0).dropna(how="all")
    middle = ["**median**", *(f"**{ratios[name].median():.2f}**" for name in shown)]
    cells = ratios.map(lambda value: "∞" if np.isinf(value) else _show(value, 2))
    each = [[name, *row] for name, row in zip(cells.index, cells.values, strict=True)]
    return bench.markdown_table(["", *shown], [middle, *each]) + f"\n\n{DISTANCE_NOTE}"


def _count_failures(records: list[Record]) -> str:
    """Say which strategies could not be trained, in how many cells, and why."""
    tried = pd.DataFrame(
        [
            {"strategy": name, "error": numbers.get("error"), "set": record["set"]}
            for record in records
            if record.get("part") in ("simple", "vaeaug", "tvae")
            for found in record["results"].values()
            for name, numbers in found.items()
        ]
    )
    if tried.empty:
        return ""
    cells = tried["strategy"].value_counts()
    return "\n".join(
        f"- {name}: {error}, in {len(own)} of {cells[name]} cells ({', '.join(own['set'].unique())})."
        for (name, error), own in tried.groupby(["strategy", "error"], sort=False)
    )


def _count_choices(records: list[Record]) -> str:
    kinds = []
    for record in records:
        for learner, found in record.get("results", {}).items() if record.get("part") == "auto" else ():
            name = found["auto"]["choice"]
            kind = "synthetic" if name.startswith("synthetic") else name
            ends = (end for end in (", soft labels, blended", ", blended") if name.endswith(end))
            kinds.append((learner, kind + next(ends, "")))
    learners = list(dict.fromkeys(learner for learner, _ in kinds))
    rows = [
        [STRATEGIES.get(kind, kind), *(str(kinds.count((learner, kind))) for learner in learners)]
        for kind in dict.fromkeys(kind for _, kind in kinds)
    ]
    return bench.markdown_table(["times chosen", *learners], rows)


def _judge_verdicts(records: list[Record], part: str) -> str:
    """Return each verdict on one half beside what happened on the other, judged without its own table."""
    own = [record for record in records if record.get("part") == part]
    found = [each for each in correct_verdicts(own) if "outer_gain" in each]
    rows, right = [], 0
    for word in WORDS:
        own = [each for each in found if each["verdict"] == word]
        agreed = sum(map(_agrees, own))
        right += agreed
        if own:
            gain = np.mean([each["outer_gain"] for each in own])
            rows.append([word, str(len(own)), str(agreed), f"{gain:+.4f}"])
    table = bench.markdown_table(["verdict", "cells", "right", "mean gain there"], rows)
    if not table:
        return ""
    share = f"Agreement in {100 * right / len(found):.0f} % of {len(found)} cells. {_describe_gains(found)}"
    return "\n\n".join(filter(None, [table, f"{share} {VERDICT_NOTE}", _tabulate_probabilities(found)]))


def _describe_gains(found: list[dict[str, Any]]) -> str:
    """Say how many gains were told, and how often "helps" was wrong."""
    gains = [each["verdict"] in WORDS[:2] for each in found if each["outer_gain"] > _GAIN]
    lost = [each["outer_gain"] < -_LOSS for each in found if each["verdict"] == WORDS[0]]
    return (
        f"Of {len(gains)} cells with a gain above {_GAIN} there, {sum(gains)} are told *helps* or *probably "
        f"helps*. Of {len(lost)} told *helps*, {sum(lost)} lost more than {_LOSS}."
    )


def _count_nulls(records: list[Record]) -> str:
    """Return how often each verdict was given where new rows cannot help."""
    rows = []
    for part, title in NULLS.items():
        said = [each["verdict"] for r in records if r.get("part") == part for each in r["results"].values()]
        words = [f"{100 * said.count(word) / len(said):.0f} %" for word in WORDS] if said else []
        rows += [[title, str(len(said)), *words]] if said else []
    return bench.markdown_table(["", "cells", *WORDS], rows)


def _agrees(each: dict[str, Any]) -> bool:
    if each["verdict"] == "no evidence of help":
        return not each["outer_low"] > 0
    return bool(each["outer_gain"] < 0 if each["verdict"] == "hurts" else each["outer_gain"] > 0)


def _tabulate_probabilities(found: list[dict[str, Any]]) -> str:
    """Return how often new rows helped on the other half, by the probability that was said."""
    cells = pd.DataFrame([each for each in found if each.get("probability") is not None])
    if cells.empty:
        return ""
    ends = np.linspace(0, 1, _BINS + 1)
    bins = pd.cut(cells["probability"], ends, include_lowest=True)
    rows, error = [], 0.0
    for part, own in cells.groupby(bins, observed=True):
        said, helped = own["probability"].mean(), (own["outer_gain"] > 0).mean()
        error += len(own) / len(cells) * abs(said - helped)
        span = f"{100 * max(part.left, 0):.0f} to {100 * part.right:.0f} %"
        rows.append([span, str(len(own)), f"{100 * said:.0f} %", f"{100 * helped:.0f} %"])
    table = bench.markdown_table(["probability of help", "cells", "mean", "helped there"], rows)
    return (
        f"{table}\n\nCalibration error: {error:.3f}. Prior and correction of a cell are estimated without "
        "its table."
    )
