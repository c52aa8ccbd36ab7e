"""How long does a default fit take, in units of a fixed piece of work, and how good are its rows?

A cell is a table, cut to a size, and a seed.
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


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    for name in ("credit_g",) if options.fast else TABLES:
        yield from ({"table": name, "seed": seed} for seed in options.seeds)


def measure(cell: Record, options: argparse.Namespace) -> Record:
    """Fit with all defaults between two pieces of fixed work, and judge as many new rows."""
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
    return "\n\n".join(filter(None, [*parts, bench.list_failures(records, KEY)]))
