"""Compare vaeaug's tables with those of other generators, in one run on the same cores.

Every generator runs in a process of its own, data set by data set, so that a slow hour of the machine meets
all of them.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import _bench as bench
import pandas as pd
from _bench import Record
from _datasets import Table, load_table
from sklearn.model_selection import train_test_split

KEY = ("table", "method", "seed")
DATASETS = (
    "adult",
    "default_credit",
    "online_shoppers",
    "magic_gamma",
    "beijing_pm25",
    "bank_marketing",
    "news_popularity",
)
REAL = "held-out real rows"

# The documented high-quality setting of VAEAugmenter: slower, better samples.
QUALITY: dict[str, Any] = {
    "network": {"recipe": "residual", "options": {"width": 192, "dependence": 1024, "peaks": 2}},
    "max_iter": 30,
}
METHODS: dict[str, dict[str, Any]] = {
    "vaeaug": {"generator": "vaeaug", "settings": {}, "fast": {"max_iter": 3}},
    "vaeaug (quality)": {"generator": "vaeaug", "settings": QUALITY, "fast": {"max_iter": 3}},
    "TVAE": {"generator": "tvae", "settings": {}, "fast": {"epochs": 3}},
    "TabularARGN": {"generator": "argn", "settings": {}, "fast": {"max_epochs": 1.0}},
    "SMOTENC": {"generator": "smotenc", "settings": {}, "fast": {}},
}


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    for table in DATASETS[:1] if options.fast else DATASETS:
        yield {"table": table, "method": REAL, "seed": 0}
        for seed in options.seeds:
            yield from ({"table": table, "method": method, "seed": seed} for method in METHODS)


@cache
def judge_of(name: str, fast: bool, threads: int) -> Any:
    """Return what measures against a table; it needs packages that rendering does not."""
    from _table_judge import Judge

    return Judge(load_table(name, rows=1500 if fast else None), threads)


def measure(cell: Record, options: argparse.Namespace) -> Record:
    """Run one generator on one table and judge what it made."""
    judge = judge_of(cell["table"], options.fast, options.threads)
    table, seed, entry = judge.table, cell["seed"], METHODS.get(cell["method"])
    if cell["method"] == REAL:
        return judge.describe()
    with tempfile.TemporaryDirectory() as folder:
        made, added = (Path(folder) / f"{name}.parquet" for name in ("synthetic", "added"))
        record = generate(entry, table, seed, options, folder, resample=not table.regression)
        if "error" in record:
            return record
        record["fidelity"] = judge.measure_fidelity(pd.read_parquet(made))
        if added.exists():
            record["resample"] = judge.measure_added(pd.read_parquet(added))
        if entry["generator"] == "vaeaug":
            classes = None if table.regression else table.train[table.target]
            half, other = train_test_split(table.train, test_size=0.5, random_state=seed, stratify=classes)
            halved = replace(table, train=half.reset_index(drop=True))
            again = generate(entry, halved, seed, options, folder, resample=False)
            if "error" not in again:
                record["closest_share"] = judge.measure_closeness(pd.read_parquet(made), half, other)
    return record


def generate(
    entry: dict[str, Any], table: Table, seed: int, options: argparse.Namespace, folder: str, resample: bool
) -> Record:
    """Fit a generator of ``METHODS`` to training rows, and write its rows into a folder."""
    settings = entry["settings"] | (entry["fast"] if options.fast else {})
    table.train.to_parquet(Path(folder) / "train.parquet")
    job = {"generator": entry["generator"], "settings": settings, "folder": folder, "resample": resample}
    job |= {"target": table.target, "categorical": table.categorical, "regression": table.regression}
    job |= {"seed": seed, "device": options.device}
    python = sys.executable if entry["generator"] == "vaeaug" else options.peer_python
    return bench.run_worker("_table_generators:generate", job, python=python) | {"settings": settings}


# ---------------------------------------------------------------- report

DETAILS = (
    bench.Column("fit s", "fit_s", 1),
    bench.Column("fit CPU s", "fit_cpu_s", 1),
    bench.Column("rows/s", "rows_per_s", 0),
    bench.Column("peak MB", "peak_mb", 0),
    bench.Column("shape err %", "fidelity.shape_error"),
    bench.Column("trend err %", "fidelity.trend_error"),
    bench.Column("XGB-C2ST", "fidelity.c2st_xgb", 3),
    bench.Column("… default XGB", "fidelity.c2st_xgb_default", 3),
    bench.Column("… held-out rows", "fidelity.c2st_held_out", 3),
    bench.Column("AUC", "fidelity.utility", 4),
)
#: Tables of a number for each method and each table of data.
OVERVIEWS = (
    bench.Column("XGB-C2ST (1: cannot be told apart)", "fidelity.c2st_xgb", 3),
    bench.Column("XGB-C2ST against rows that no generator has seen", "fidelity.c2st_held_out", 3),
    bench.Column("Pair-trend error, %", "fidelity.trend_error"),
    bench.Column("Column-shape error, %", "fidelity.shape_error"),
    bench.Column(
        "Trained on synthetic, tested on real: AUC (RMSE for beijing_pm25; last row: trained on real rows)",
        "fidelity.utility",
        4,
    ),
)
TIMES = (bench.Column("Fit, CPU seconds", "fit_cpu_s", 1), bench.Column("Sampling, rows/s", "rows_per_s", 0))
ADDED = (
    bench.Column("copies %", "resample.copies_share", 2, 100),
    bench.Column("HGB AUC", "resample.auc_hgb", 4),
    bench.Column("HGB AP", "resample.ap_hgb", 4),
    bench.Column("XGB AUC", "resample.auc_xgb", 4),
    bench.Column("XGB AP", "resample.ap_xgb", 4),
)
COPYING_NOTE = (
    "Share of rows nearer to the half of the training rows that was fitted than to the other half (½ is "
    "ideal) / median distance to the closest training row, relative to that of held-out real rows / exact "
    "copies of training rows."
)
RARE_NOTE = (
    "Of the categories with at least 5 training rows: how many are off their expected count by more than 3 "
    "binomial standard deviations / how many never appear / the largest deviation."
)
ADDED_NOTE = (
    "DCR: median distance of the added rows to the closest training row; in class: of the rarest class's "
    "rows to the closest training row of that class. The rows *none* show these distances for held-out "
    "real rows of the rarest class: they are what new rows of that class are really like."
)


def render(records: list[Record]) -> str:
    """Return the results as Markdown."""
    known = [record for record in records if "fidelity" in record]
    generated = [record for record in known if record["method"] != REAL]
    # Real rows stand in the place of a generator, below the others.
    last = generated + [record for record in known if record["method"] == REAL]
    sections = {"": bench.tell_conditions(records, "One seed, 0.")}
    adult = [record for record in last if record["table"] == "adult"]
    if adult:
        text = bench.summarize(bench.group(adult, _title), DETAILS)
        sections["Adult"] = text[:-2] + " (trained on real) |" if adult[-1]["method"] == REAL else text
    for column in OVERVIEWS:
        sections[column.title] = _tabulate(last, column.show)
    for column in TIMES:
        sections[column.title] = _tabulate(generated, column.show)
    copying = _tabulate(last, lambda found: _show_copying(found, known))
    sections["Copying"] = copying and f"{COPYING_NOTE}\n\n{copying}"
    rare = _tabulate(generated, _show_rare)
    sections["Rare categories"] = rare and f"{RARE_NOTE}\n\n{rare}"
    sections["Rows added by `resample` / `fit_resample`"] = _tabulate_added(known)
    sections["Not measured"] = bench.list_failures(records, KEY)
    return bench.join_sections(sections)


def _title(record: Record) -> str:
    return f"*{REAL}*" if record["method"] == REAL else record["method"]


def _tabulate(records: list[Record], cell: Callable[[list[Record]], str]) -> str:
    """Return a table of methods and tables of data."""
    tables = bench.group(records, "table")
    rows = [
        [title, *(cell(found) if (found := bench.group(mine, "table").get(name)) else "–" for name in tables)]
        for title, mine in bench.group(records, _title).items()
    ]
    return bench.markdown_table(["", *tables], rows)


def _show_copying(found: list[Record], known: list[Record]) -> str:
    copies = bench.spread([100 * record["fidelity"]["copies_share"] for record in found])
    if found[0]["method"] == REAL:
        return f"½ / 1 / {copies} %"
    real = next((r for r in known if (r["table"], r["method"]) == (found[0]["table"], REAL)), None)
    base = real["fidelity"]["dcr_median"] if real else 0
    ratios = bench.spread([r["fidelity"]["dcr_median"] / base for r in found] if base else [])
    return f"{bench.Column('', 'closest_share', 3).show(found)} / {ratios} / {copies} %"


def _show_rare(found: list[Record]) -> str:
    columns = (("categories_beyond_3_sd", 0), ("categories_lost", 0), ("category_z_max", 1))
    beyond, lost, z = (bench.Column("", f"fidelity.{name}", digits).show(found) for name, digits in columns)
    return f"{beyond} of {found[0]['fidelity']['categories']} / {lost} / {z}"


def _tabulate_added(known: list[Record]) -> str:
    rows = []
    for table, mine in bench.group([record for record in known if record.get("resample")], "table").items():
        methods = bench.group(mine, "method")
        for method, found in sorted(methods.items(), key=lambda item: item[0] != REAL):
            row = [f"{table}, *none*" if method == REAL else f"{table}, {method}"]
            for name in ("dcr_median", "dcr_class_median"):
                base = fmean([r["resample"][name] for r in methods.get("SMOTENC", [])] or [0.0])
                values = [r["resample"][name] for r in found]
                row += [
                    bench.spread(values, 3),
                    bench.spread([value / base for value in values] if base else []),
                ]
            rows.append([*row, *(column.show(found) for column in ADDED)])
    header = ["table, sampler", "DCR", "× SMOTENC", "DCR in class", "× SMOTENC"]
    text = bench.markdown_table([*header, *(column.title for column in ADDED)], rows)
    return text and f"{ADDED_NOTE}\n\n{text}"


DEFAULTS = {"threads": 2}
