"""Count how often new rows break the rules that real rows of their table keep.

The rules are those of ``rules.toml``. Two further parts count the rules that are found where there are none:
in tables of independent columns, and in real tables with one column shuffled.
"""

import argparse
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import _bench as bench
import pandas as pd
import tabular
from _bench import Record
from _datasets import Table, load_table
from _random_tables import draw_table, shuffle_column
from _rules import RATES, RULES, find_kept, list_lines
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

KEY = ("part", "table", "method", "seed")
REAL = tabular.REAL
FINDER = "vaeaug.evaluation.rules"
VAEAUG = tabular.METHODS["vaeaug"]
METHODS: dict[str, dict[str, Any]] = {
    "vaeaug": VAEAUG,
    "vaeaug (relations=None)": VAEAUG | {"settings": {"relations": None}},
    **{name: tabular.METHODS[name] for name in ("TVAE", "TabularARGN", "SMOTENC")},
}
RANDOM_TABLES = 50
#: Tables of which one column is shuffled.
SHUFFLED = [name for name in RULES if name != "breast_cancer"]
SHUFFLED += ["car_eval", "caravan", "magic_gamma", "yeast_8class"]
MOST_ROWS = 20_000
FAST_ROWS = 15_000


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    for table in RULES:
        yield {"part": "table", "table": table, "method": REAL, "seed": 0}
        for seed in options.seeds:
            for method in METHODS:
                yield {"part": "table", "table": table, "method": method, "seed": seed}
    for number in range(RANDOM_TABLES):
        yield {"part": "random", "table": f"random {number}", "method": FINDER, "seed": number}
    for table in SHUFFLED:
        for seed in options.seeds:
            yield {"part": "shuffled", "table": table, "method": FINDER, "seed": seed}


def measure(cell: Record, options: argparse.Namespace) -> Record:
    if cell["part"] == "random":
        return _find_false(draw_table(cell["seed"]), None, None)
    table = load(cell["table"], rows=FAST_ROWS if options.fast else None)
    if cell["part"] == "shuffled":
        X, shuffled = shuffle_column(table.train.drop(columns=[table.target]), cell["seed"])
        return _find_false(X, None if table.regression else table.train[table.target], shuffled)
    if cell["method"] == REAL:
        return {"source": table.source} | judge(table, table.test)
    # A target that is no class is a column like the others.
    fitted = replace(table, target=None) if table.regression else table
    with tempfile.TemporaryDirectory() as folder:
        record = tabular.generate(
            METHODS[cell["method"]], fitted, cell["seed"], options, folder, resample=False
        )
        if "error" in record:
            return {"error": find_reason(record["error"])}
        return record | judge(table, pd.read_parquet(Path(folder) / "synthetic.parquet"))


def find_reason(error: str) -> str:
    """Return the line of a worker's last lines that says what failed; others name files of the machine."""
    lines = error.split(" | ")
    return next((line.strip() for line in lines if re.match(r"\w+Error: ", line)), lines[-1].strip())


def load(name: str, rows: int | None = None) -> Table:
    """Load a table; that of ``vaeaug demo`` comes with scikit-learn."""
    if name != "breast_cancer":
        return load_table(name, rows=rows)
    frame = load_breast_cancer(as_frame=True).frame
    train, test = train_test_split(frame, test_size=0.2, random_state=0, stratify=frame["target"])
    train, test = (part.reset_index(drop=True) for part in (train, test))
    return Table(name, train, test, "target", False, ["target"], "scikit-learn")


def judge(table: Table, new: pd.DataFrame) -> Record:
    """Return the share of the real rows that keep each rule, and that of the new rows that break it.

    What real rows break is subtracted. Rates of partial equality are given as they are, real and new.
    """
    new = new.sample(min(len(new), MOST_ROWS), random_state=0)
    # Categories may be numbers: then they are compared as numbers.
    plain = dict.fromkeys(table.categorical, object)
    real, new = (table.conform(frame).astype(plain).infer_objects() for frame in (table.train, new))
    optional = {name for name in real if real[name].hasnans}
    kept = {rule: find_kept(rule, real, optional).mean() for rule in list_lines(RULES[table.name])}
    broken = {rule: max(0.0, share - find_kept(rule, new, optional).mean()) for rule, share in kept.items()}
    rates = {
        rule: [round(float(find_kept(rule, frame, set()).mean()), 5) for frame in (real, new)]
        for rule in list_lines(RATES.get(table.name, ""))
    }
    return {
        "train": len(real),
        "rows": len(new),
        "kept": {rule: round(float(share), 6) for rule, share in kept.items()},
        "broken": {rule: round(float(share), 6) for rule, share in broken.items()},
        "rates": rates,
    }


def _find_false(X: pd.DataFrame, y: Any, shuffled: str | None) -> Record:
    """Return the rules found, those of a shuffled column if one is named: all of them are false."""
    from vaeaug.evaluation import rules

    seconds, found = bench.time_call(rules, X, X, y)
    false = [
        text
        for columns, text in zip(found["columns"], found["formula"], strict=True)
        if shuffled is None or shuffled in columns
    ]
    shape = {"rows": len(X), "columns": X.shape[1], "shuffled": shuffled}
    return shape | {"seconds": seconds, "found": len(found), "false": false}


# ---------------------------------------------------------------- report

TABLES_NOTE = (
    "Share of new rows that break a rule, above that of real rows, in %: mean over the rules of a table / "
    "its worst rule. *all*: of the tables that have a figure in the column."
)
RULES_NOTE = "*kept*: share of real rows that keep the rule; then the share of new rows that break it, in %."
RATES_NOTE = "Share of rows in which two cells are equal, in %."
FALSE_NOTE = (
    "Rules found in tables of independent random columns, and rules found with a column of a real table "
    "whose cells changed places. None of them is true."
)


def render(records: list[Record]) -> str:
    """Return the results as Markdown."""
    judged = [record for record in records if "broken" in record]
    sections = {"": bench.tell_conditions(records)}
    sections["Tables"] = _add_note(TABLES_NOTE, _render_tables(judged))
    sections["False rules"] = _add_note(FALSE_NOTE, _render_false([r for r in records if "false" in r]))
    rates = [record for record in judged if record["rates"]]
    sections["Partial equality"] = _add_note(RATES_NOTE, _render_lines(rates, "rates", "real", _show_rates))
    sections["Rules"] = _add_note(RULES_NOTE, _render_lines(judged, "kept", "kept", _show_kept))
    sections["Not measured"] = bench.list_failures(records, KEY)
    return bench.join_sections(sections)


def _add_note(note: str, text: str) -> str:
    return text and f"{note}\n\n{text}"


def _render_tables(judged: list[Record]) -> str:
    methods = bench.group(judged, "method")
    rows = []
    for table, mine in bench.group(judged, "table").items():
        found = bench.group(mine, "method")
        cells = [_show_broken(found.get(name, [])) for name in methods]
        rows.append([table, str(len(mine[0]["broken"])), *cells])
    count = sum(int(row[1]) for row in rows)
    rows.append(["all", str(count), *(_show_broken(mine) for mine in methods.values())])
    return bench.markdown_table(["", "rules", *methods], rows)


def _show_broken(records: list[Record]) -> str:
    """Return the mean over all rules of all records, and the worst rule's mean over seeds."""
    if not records:
        return "–"
    shares: dict[tuple[str, str], list[float]] = {}
    for record in records:
        for rule, share in record["broken"].items():
            shares.setdefault((record["table"], rule), []).append(100 * share)
    means = [fmean(values) for values in shares.values()]
    return f"{fmean(means):.2f} / {max(means):.1f}"


def _render_lines(
    records: list[Record], field: str, first: str, show: Callable[[list[Record], str], list[str]]
) -> str:
    """Return a table for each real table: a row for each line of a field."""
    blocks = []
    for table, mine in bench.group(records, "table").items():
        methods = bench.group(mine, "method")
        rows = []
        for line in mine[0][field]:
            shown = [show(found, line) for found in methods.values()]
            rows.append([f"`{line.replace('`', '')}`", shown[0][0], *(pair[1] for pair in shown)])
        blocks.append(bench.markdown_table([f"**{table}**", first, *methods], rows))
    return "\n\n".join(blocks)


def _show_kept(records: list[Record], rule: str) -> list[str]:
    broken = fmean(100 * record["broken"][rule] for record in records)
    return [f"{100 * records[0]['kept'][rule]:.2f}", f"{broken:.2f}"]


def _show_rates(records: list[Record], rule: str) -> list[str]:
    return [f"{100 * fmean(record['rates'][rule][place] for record in records):.1f}" for place in (0, 1)]


def _render_false(records: list[Record]) -> str:
    rows = []
    for part, mine in bench.group(records, "part").items():
        false = [f"{record['table']}: {text}" for record in mine for text in record["false"]]
        slowest = f"{max(record['seconds'] for record in mine):.2f}"
        rows.append([part, str(len(mine)), str(len(false)), slowest, "; ".join(false).replace("|", "/")])
    return bench.markdown_table(["", "tables", "false rules", "slowest search, s", "which"], rows)
