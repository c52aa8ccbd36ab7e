"""Compare vaeaug's tables with those of other generators, in one run on the same cores.

    python benchmarks/tabular.py --peer-python PATH     measure; results go to benchmarks/results/tabular.json
    python benchmarks/tabular.py --render               write these results into benchmarks/README.md

Every generator runs in a process of its own, data set by data set, so that a slow hour of the
machine meets all of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from _common import (
    README,
    RESULTS,
    inject,
    machine,
    now,
    read_json,
    run_worker,
    versions,
    write_json,
)
from _datasets import Table, load_table
from _tabular_report import render
from sklearn.model_selection import train_test_split

WORKER = Path(__file__).with_name("_entrants.py")
DATASETS = ("adult", "default_credit", "online_shoppers", "magic_gamma", "beijing_pm25", "bank_marketing")

# The documented high-quality setting of VAEAugmenter: slower, better samples.
QUALITY: dict[str, Any] = {
    "network": {"recipe": "residual", "options": {"width": 192, "dependence": 1024}},
    "max_iter": 30,
}

METHODS: dict[str, dict[str, Any]] = {
    "vaeaug": {"entrant": "vaeaug", "settings": {}},
    "vaeaug (quality)": {"entrant": "vaeaug", "settings": QUALITY},
    "TVAE": {"entrant": "tvae", "settings": {}, "fast": {"epochs": 3}},
    "TabularARGN": {"entrant": "argn", "settings": {}, "fast": {"max_epochs": 1.0}},
    "SMOTENC": {"entrant": "smotenc", "settings": {}},
}
FAST_VAEAUG = {"max_iter": 3}


def main() -> None:
    options = _options()
    if options.render:
        inject(README, "tabular", render(read_json(options.out)))
        return
    results: dict[str, Any] = {"runs": {}, "tables": {}, "records": []}
    if options.keep and options.out.exists():
        results = read_json(options.out)
    started = now()
    results["runs"][started] = {
        "machine": machine(),
        "threads": options.threads,
        "device": options.device,
        "fast": options.fast,
        "seeds": options.seeds,
        "settings": {name: METHODS[name]["settings"] for name in options.methods},
        "judge": versions(["vaeaug", "scikit-learn", "xgboost", "sdmetrics", "pandas", "numpy"]),
    }
    for name in options.datasets:
        _measure_table(name, options, results, started)


def _measure_table(name: str, options: argparse.Namespace, results: dict[str, Any], run: str) -> None:
    # The judge needs packages that rendering does not.
    from _judge import Judge

    table = load_table(name, rows=1500 if options.fast else None)
    judge = Judge(table, options.threads)
    results["tables"][name] = {
        "source": table.source,
        "train": len(table.train),
        "test": len(table.test),
        "columns": table.train.shape[1],
        "target": table.target,
        "measure": "RMSE" if table.regression else "AUC",
        "real": judge.reference(),
        "no_resampling": None if table.regression else judge.not_resampled(),
    }
    for seed in options.seeds:
        for method in options.methods:
            record = {"table": name, "method": method, "seed": seed, "run": run, "measured": now()}
            record |= _measure(table, judge, method, seed, options)
            same = ("table", "method", "seed")
            results["records"] = [
                old for old in results["records"] if any(old[key] != record[key] for key in same)
            ] + [record]
            write_json(options.out, results)
            print(_line(record), flush=True)


def _measure(table: Table, judge: Any, method: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Run one generator on one table and judge what it made."""
    ours = METHODS[method]["entrant"] == "vaeaug"
    with tempfile.TemporaryDirectory() as folder:
        made, added = Path(folder) / "synthetic.parquet", Path(folder) / "added.parquet"
        resampled = None if table.regression else str(added)
        record = _run(table, table.train, method, seed, options, folder, resampled)
        if "error" in record:
            return record
        record["fidelity"] = judge.fidelity(pd.read_parquet(made))
        if added.exists():
            record["resample"] = judge.resampled(pd.read_parquet(added))
        if ours or options.privacy:
            classes = None if table.regression else table.train[table.target]
            half, other = train_test_split(table.train, test_size=0.5, random_state=seed, stratify=classes)
            again = _run(table, half.reset_index(drop=True), method, seed, options, folder, None)
            if "error" not in again:
                record["closest_share"] = judge.closeness(pd.read_parquet(made), half, other)
    return record


def _run(
    table: Table,
    train: pd.DataFrame,
    method: str,
    seed: int,
    options: argparse.Namespace,
    folder: str,
    resampled: str | None,
) -> dict[str, Any]:
    entry = METHODS[method]
    ours = entry["entrant"] == "vaeaug"
    settings = dict(entry["settings"])
    if options.fast:
        settings |= FAST_VAEAUG if ours else entry.get("fast", {})
    path = Path(folder) / "train.parquet"
    train.to_parquet(path)
    job = {
        "entrant": entry["entrant"],
        "settings": settings,
        "train": str(path),
        "synthetic": str(Path(folder) / "synthetic.parquet"),
        "resampled": resampled,
        "target": table.target,
        "categorical": table.categorical,
        "regression": table.regression,
        "seed": seed,
        "device": options.device,
    }
    python = sys.executable if ours else options.peer_python
    return run_worker(WORKER, job, python=python, threads=options.threads, timeout=options.timeout)


def _line(record: dict[str, Any]) -> str:
    head = f"{record['table']:16} {record['method']:17} seed {record['seed']}: "
    if "error" in record:
        return head + record["error"]
    fidelity = record["fidelity"]
    return head + (
        f"fit {record['fit_s']:.1f} s, {record['rows_per_s']:,.0f} rows/s, {record['peak_mb']:.0f} MB, "
        f"shape {fidelity['shape_error']:.2f} %, trend {fidelity['trend_error']:.2f} %, "
        f"XGB-C2ST {fidelity['c2st_xgb']:.3f}, utility {fidelity['utility']:.4f}, "
        f"closest share {record.get('closest_share', '–')}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), metavar="NAME")
    parser.add_argument(
        "--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="METHOD"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--threads", type=int, default=2, help="threads of every generator (default 2)")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or auto, for every generator")
    parser.add_argument(
        "--peer-python", default=sys.executable, help="python of the environment with the peers"
    )
    parser.add_argument("--privacy", action="store_true", help="the two-halves check for the peers as well")
    parser.add_argument("--fast", action="store_true", help="smoke test: 1,500 rows, hardly any training")
    parser.add_argument(
        "--keep", action="store_true", help="keep what the output holds and is not measured again"
    )
    parser.add_argument(
        "--timeout", type=float, default=3600.0, help="seconds for one generator on one table"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "tabular.json")
    parser.add_argument("--render", action="store_true", help="only write the results into the README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
