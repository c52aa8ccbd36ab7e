"""How long do a default fit, assess and "auto" take, in units of a fixed piece of work?

A cell is a table, cut to a size, or a question about one, and a seed. Of a fit, the quality of its rows
stands beside the time.
"""

import argparse
import time
from collections.abc import Iterator
from statistics import fmean

import _bench as bench
from _bench import Record
from _datasets import load_table

KEY = ("table", "seed")
#: Training rows, and the units that a fit may take.
TABLES: dict[str, tuple[int | None, float]] = {
    "adult": (None, 13.0),
    "online_shoppers": (7_000, 5.0),
    "default_credit": (8_000, 9.0),
    "credit_g": (None, 2.0),
}
#: Questions about a table: its name, the rows it is cut to, and the units that the answer may take.
QUESTIONS: dict[str, tuple[str, int, float]] = {
    'assess("hgb"), three folds, once': ("thyroid_sick", 1_470, 15.0),
    'assess("hgb")': ("thyroid_sick", 1_470, 30.0),
    'assess("hgb"), more rows': ("bank_marketing", 5_000, 45.0),
    'AugmentedClassifier(forest, "auto")': ("thyroid_sick", 1_470, 22.5),
}


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    for name in ("credit_g", 'assess("hgb"), three folds, once') if options.fast else (*TABLES, *QUESTIONS):
        yield from ({"table": name, "seed": seed} for seed in options.seeds)


def measure(cell: Record, options: argparse.Namespace) -> Record:
    """Fit with all defaults between two pieces of fixed work, and judge as many new rows."""
    if cell["table"] in QUESTIONS:
        return measure_answer(cell, options)
    # They bring vaeaug and XGBoost, which rendering does not need.
    from _table_judge import Judge

    from vaeaug import VAEAugmenter

    table = load_table(cell["table"], rows=200 if options.fast else TABLES[cell["table"]][0])
    X, y = table.train.drop(columns=table.target), table.train[table.target]
    # What is imported once is not counted.
    VAEAugmenter(max_iter=1, random_state=0).fit(X.head(200), y.head(200))
    unit = measure_unit()
    began = time.process_time()
    augmenter = VAEAugmenter(max_iter=1 if options.fast else "auto", random_state=cell["seed"]).fit(X, y)
    seconds = time.process_time() - began
    unit = fmean([unit, measure_unit()])
    made, labels = augmenter.sample(len(X), random_state=cell["seed"])
    rows = made.assign(**{table.target: labels})[list(table.train)]
    found = Judge(table, options.threads).measure_fidelity(rows, downstream=False)
    kept = {name: found[name] for name in ("c2st_xgb", "trend_error", "shape_error")}
    size = {"rows": len(X), "columns": X.shape[1]}
    return size | {"fit_cpu_s": round(seconds, 1), "unit_cpu_s": round(unit, 2)} | kept


def measure_answer(cell: Record, options: argparse.Namespace) -> Record:
    """Ask a question of a table between two pieces of fixed work."""
    from vaeaug import AugmentedClassifier, VAEAugmenter, assess
    from vaeaug.evaluation.assess.named_classifiers import learner

    name, rows, _ = QUESTIONS[cell["table"]]
    table = load_table(name, rows=200 if options.fast else rows)
    X, y = table.train.drop(columns=table.target), table.train[table.target]
    VAEAugmenter(max_iter=1, random_state=0).fit(X.head(200), y.head(200))
    unit = measure_unit()
    began = time.process_time()
    if cell["table"].startswith("assess"):
        folds = {"cv": 3, "n_repeats": 1} if "three folds" in cell["table"] else {}
        answer = assess("hgb", X, y, random_state=cell["seed"], **folds).verdict
    else:
        model = AugmentedClassifier(learner("forest", X), "auto", random_state=cell["seed"])
        answer = model.fit(X, y).choice_
    seconds = time.process_time() - began
    unit = fmean([unit, measure_unit()])
    size = {"rows": len(X), "columns": X.shape[1]}
    return size | {"answer_cpu_s": round(seconds, 1), "unit_cpu_s": round(unit, 2), "answer": answer}


def measure_unit() -> float:
    """Return the seconds of the fixed work: 60 AdamW steps of a 4 × 512 perceptron on 512 rows."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(512, 512), nn.SiLU())))
    optimiser, x = torch.optim.AdamW(net.parameters()), torch.randn(512, 512)
    began = time.process_time()
    for _ in range(60):
        optimiser.zero_grad()
        (net(x) - x).square().mean().backward()
        optimiser.step()
    return time.process_time() - began


def render(records: list[Record]) -> str:
    """Return the results as Markdown: means over seeds."""
    records = [record for record in records if not record["fast"]]
    parts = [bench.tell_conditions(records, "Means over the seeds.")]
    header = (
        "table",
        "rows × columns",
        "seeds",
        "units of a fit",
        "wanted",
        "XGB-C2ST",
        "trend error",
        "shape error",
    )
    rows = []
    for name, (_, wanted) in TABLES.items():
        own = [record for record in records if record["table"] == name and "fit_cpu_s" in record]
        if own:
            units = fmean(record["fit_cpu_s"] / record["unit_cpu_s"] for record in own)
            quality = [fmean(r[field] for r in own) for field in ("c2st_xgb", "trend_error", "shape_error")]
            size = f"{own[0]['rows']:,} × {own[0]['columns']}"
            cells = [format(value, form) for value, form in zip(quality, (".3f", ".2f", ".2f"), strict=True)]
            rows.append([name, size, str(len(own)), f"{units:.1f}", f"{wanted:g}", *cells])
    parts.append(bench.markdown_table(header, rows))
    parts.append(_render_answers(records))
    return "\n\n".join(filter(None, [*parts, bench.list_failures(records, KEY)]))


def _render_answers(records: list[Record]) -> str:
    """Return the time of answers as a table."""
    rows = []
    for name, (table, _, wanted) in QUESTIONS.items():
        own = [record for record in records if record["table"] == name and "answer_cpu_s" in record]
        if own:
            units = fmean(record["answer_cpu_s"] / record["unit_cpu_s"] for record in own)
            seconds = fmean(record["answer_cpu_s"] for record in own)
            size = f"{own[0]['rows']:,} × {own[0]['columns']}"
            rows.append([name, table, size, str(len(own)), f"{seconds:.0f}", f"{units:.1f}", f"{wanted:g}"])
    header = ("", "table", "rows × columns", "seeds", "CPU seconds", "units", "wanted")
    return bench.markdown_table(header, rows) if rows else ""
