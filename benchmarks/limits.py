"""Measure vaeaug at its extremes: very many categories, hardly any rows of a class, start-up, the demo.

python benchmarks/limits.py             measure; results go to benchmarks/results/limits.json
python benchmarks/limits.py --render    write these results into benchmarks/README.md
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from _common import (
    README,
    RESULTS,
    inject,
    machine,
    markdown_table,
    now,
    read_json,
    run_worker,
    versions,
    write_json,
)

WORKER = Path(__file__).with_name("_limits_jobs.py")
PARTS = ("importing", "demo", "assessment", "many_strings", "tiny_minority")
TABLES = ("adult", "magic_gamma", "online_shoppers")
FEW = (1, 2, 5, 10)


def main() -> None:
    options = _options()
    if options.render:
        inject(README, "limits", render(read_json(options.out)))
        return
    results: dict[str, Any] = read_json(options.out) if options.out.exists() else {}
    run = {
        "started": now(),
        "machine": machine(),
        "threads": options.threads,
        "versions": versions(["vaeaug", "torch", "pandas", "scikit-learn", "imbalanced-learn"]),
    }
    if "run" not in results or set(options.parts) == set(PARTS):
        results["run"] = run
    for part in options.parts:
        results[part] = [_run(job, options) for job in _jobs(part, options)]
        write_json(options.out, results)


def _jobs(part: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    if part == "many_strings":
        sizes = (2000, 1000, 5.0) if options.fast else (200_000, 100_000, None)
        names = ("rows", "distinct", "max_fit_seconds")
        return [{"job": part, "seed": 0} | dict(zip(names, sizes, strict=True))]
    if part == "assessment":
        rows = 400 if options.fast else 10_000
        return [{"job": part, "rows": rows, "columns": 20, "seed": 0}]
    if part == "tiny_minority":
        tables = TABLES[:1] if options.fast else TABLES
        few = FEW[1:2] if options.fast else FEW
        return [
            {"job": part, "table": table, "k": k, "seed": seed}
            for table in tables
            for k in few
            for seed in options.seeds
        ]
    return [{"job": part, "repeat": i} for i in range(5 if part == "importing" else 1)]


def _run(job: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    load = machine()["load_average"]
    answer = job | run_worker(WORKER, job, threads=options.threads, timeout=options.timeout)
    answer |= {"measured": now(), "load_average": load}
    print(answer, flush=True)
    return answer


def render(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    run = results["run"]
    facts = run["machine"]
    parts = [
        f"Run of {run['started']}: {facts['cpu']}, {facts['cores']} cores, {run['threads']} threads, load "
        f"{facts['load_average']} at the start; "
        + ", ".join(f"{name} {number}" for name, number in run["versions"].items())
        + "."
    ]
    if results.get("importing"):
        seconds = [r["seconds"] for r in results["importing"]]
        all_in = min(r["with_estimator"] for r in results["importing"])
        torch = any(r["torch"] for r in results["importing"])
        parts.append(
            f"`import vaeaug`: {min(seconds):.3f} s (median of {len(seconds)} processes "
            f"{statistics.median(seconds):.3f} s), {'with' if torch else 'without'} torch. With the "
            f"estimator, which imports torch and pandas: {all_in:.1f} s."
        )
    if results.get("demo"):
        parts.append(f"`vaeaug demo`, the whole process: {results['demo'][0]['seconds']:.0f} s.")
    for r in results.get("assessment", []):
        parts.append(
            f"`assess` of HistGradientBoosting on {r['rows']:,} rows × {r['columns']} columns, {r['rare']} "
            f"of them rare: {r['arms']} other ways to train, {r['folds']} folds, n_jobs=2: "
            f"{r['seconds']:.0f} s (limit 300; until {r['measured']}, load {r['load_average']} at the start)."
        )
    for r in results.get("many_strings", []):
        real, made = r["share_of_tail"]
        parts.append(
            f"A column of {r['distinct']:,} distinct strings × {r['rows']:,} rows: fit {r['fit_s']} s, peak "
            f"memory {r['peak_mb']:,.0f} MB (limit 2,000), {r['rows_per_s']:,} rows/s. A sample of as many "
            f"rows holds {r['distinct_sampled']:,} of the strings and {r['never_seen']} others; strings "
            f"beyond the 1,000 most frequent make up {made:.1%} of it, {real:.1%} of the training rows."
        )
    if results.get("tiny_minority"):
        parts.append(_tiny(results["tiny_minority"]))
    return "\n\n".join(parts)


def _tiny(records: list[dict[str, Any]]) -> str:
    failed = [f"- {r['table']}, {r['k']} rows: {r['error']}" for r in records if "error" in r]
    records = [r for r in records if "error" not in r]
    rows = []
    for table in dict.fromkeys(r["table"] for r in records):
        for k in sorted({r["k"] for r in records}):
            same = [r["found"] for r in records if (r["table"], r["k"]) == (table, k)]
            held_out = statistics.fmean(found["held-out real rows"]["distance"] for found in same)
            for name in same[0]:
                cells = {
                    key: statistics.fmean(found[name][key] for found in same)
                    for key in ("copies", "distance", "right_class")
                }
                rows.append(
                    [
                        f"{table}, {k} row{'s' if k > 1 else ''}: {name}",
                        f"{cells['copies']:.1%}",
                        f"{cells['distance'] / held_out:.2f}",
                        f"{cells['right_class']:.3f}",
                    ]
                )
    header = [
        "rare class of k rows beside 4,000 common ones",
        "exact copies",
        "distance ÷ held-out's",
        "P(right class)",
    ]
    return "\n".join([markdown_table(header, rows), *(["", "Not measured:", *failed] if failed else [])])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=1800.0)
    parser.add_argument("--fast", action="store_true", help="smoke test")
    parser.add_argument("--out", type=Path, default=RESULTS / "limits.json")
    parser.add_argument("--render", action="store_true", help="only write the results into the README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
