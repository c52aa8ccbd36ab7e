"""Measure how fit and sample_to_parquet grow with the rows and the processes, and predict a billion rows.

    python benchmarks/scale.py --data FOLDER              measure what results/scale.json lacks
    python benchmarks/scale.py --parts sample --rows 1e8  some parts and sizes only
    python benchmarks/scale.py --render                   write these results into benchmarks/README.md

FOLDER needs 0.7 GB for ten million rows, and while sampling 5 GB for a hundred million. Measurements that are
there already are kept, unless --again is given. Times need a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import tempfile
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

WORKER = Path(__file__).with_name("_scale_jobs.py")
PARTS = ("agree", "fit", "speedup", "sample", "threads")
ROWS = {
    "agree": (100_000,),
    "fit": (10_000, 100_000, 1_000_000, 10_000_000),
    "speedup": (100_000,),
    "sample": (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000),
    "threads": (20_000,),
}
BILLION = 10**9


def main() -> None:
    options = _options()
    if options.render:
        inject(README, "scale", render(read_json(options.out)))
        return
    records = read_json(options.out)["records"] if options.out.exists() else []
    for job in (job for part in options.parts for job in _jobs(part, options)):
        if not options.again and any(
            _same(record["job"], job) and "error" not in record for record in records
        ):
            continue
        told = {**job, "data": str(options.data), "model": str(options.data / "model.safetensors")}
        if job["part"] == "sample" and not Path(told["model"]).exists():
            run_worker(WORKER, _model_job(told), threads=1, timeout=options.timeout)
        run = {"measured": now(), "machine": machine(), "shared": options.shared}
        run["versions"] = versions(["vaeaug", "torch", "numpy", "pandas", "pyarrow"])
        answer = run_worker(WORKER, told, threads=1, timeout=options.timeout)
        records = [record for record in records if not _same(record["job"], job)]
        records.append({"job": job, "run": run, **answer})
        write_json(options.out, {"records": records})
        print(job, answer, flush=True)


def _jobs(part: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the measurements of a part, each a plain description."""
    sizes = [rows for rows in ROWS[part] if options.rows is None or rows in options.rows]
    sizes = [options.fast] if options.fast else sizes
    found = []
    for rows in sizes:
        job: dict[str, Any] = {"part": part, "rows": rows}
        if part == "agree":
            fit = {"job": "fit", "processes": 1, "max_fit_seconds": None, "judge": True}
            found += [job | fit | {"source": source} for source in ("memory", "files")]
        elif part == "fit":
            fit = {"job": "fit", "max_fit_seconds": options.seconds, "source": "files", "judge": True}
            found += [job | fit | {"processes": processes} for processes in (1, 2)]
        elif part == "speedup":
            fit = {"job": "fit", "max_fit_seconds": None, "max_iter": 1 if options.fast else 3}
            found += [job | fit | {"source": "files", "processes": processes} for processes in (1, 2)]
        elif part == "sample":
            found += [job | {"job": "sample", "processes": processes} for processes in (1, 2)]
        else:
            folds, epochs = (2, 1) if options.fast else (4, 5)
            threads = {"job": "threads", "folds": folds, "max_iter": epochs}
            found += [job | threads | {"processes": processes} for processes in (1, 2)]
    return found


def _model_job(told: dict[str, Any]) -> dict[str, Any]:
    """Return the fit of the model that is sampled from."""
    rows = min(100_000, told["rows"])
    return {
        "job": "fit",
        "part": "model",
        "rows": rows,
        "processes": 1,
        "max_fit_seconds": 60,
        "source": "files",
        "data": told["data"],
        "keep": told["model"],
    }


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one == other


def render(results: dict[str, Any]) -> str:
    """Return the tables, the prediction, and where they come from."""
    done = [record for record in results["records"] if "error" not in record]
    parts = {part: [record for record in done if record["job"]["part"] == part] for part in PARTS}
    tables = {
        "Fit from Parquet files, bounded in time": _fit_table(parts["fit"]),
        "From files and from memory": _agreement(parts["agree"]),
        "Two processes beside one": _speedup(parts["speedup"]),
        "Writing new rows": "\n\n".join(
            filter(None, [_sample_table(parts["sample"]), _prediction(parts["sample"])])
        ),
        "Cross-validation side by side": _threads(parts["threads"]),
    }
    lines = [_origin(done), *(f"### {title}\n\n{text}" for title, text in tables.items() if text)]
    lines += [f"- {record['job']}: {record['error']}" for record in results["records"] if "error" in record]
    return "\n\n".join(lines)


def _origin(records: list[dict[str, Any]]) -> str:
    if not records:
        return "Not measured yet."
    last = max(records, key=lambda record: record["run"]["measured"])["run"]
    facts = last["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in last["versions"].items())
    busy = sum(record["run"]["shared"] for record in records)
    remark = f" **{busy} of {len(records)} measurements shared the machine with other work.**" if busy else ""
    return (
        f"Measured until {last['measured']}: {facts['cpu']}, {facts['cores']} cores, "
        f"{facts['gpu'] or 'no GPU'}; Python {facts['python']}, {libraries}. Every process has one "
        f"thread. 12 mixed columns.{remark}"
    )


def _load(record: dict[str, Any]) -> str:
    return f"{record['run']['machine']['load_average']}{' (shared)' if record['run']['shared'] else ''}"


def _fit_table(records: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{r['job']['rows']:,} rows, {_processes(r)}",
            f"{r['fit_s']:.0f}",
            f"{r['survey_s']:.1f}" + ("" if r["survey_share"] == 1 else f" ({r['survey_share']:.0%} seen)"),
            f"{r['survey_rows_per_s']:,}",
            f"{r['trained_rows'] / r['job']['rows']:.2f}",
            f"{r['trained_rows_per_s']:,}",
            f"{r.get('two_sample_score', float('nan')):.2f}",
            f"{r['peak_mb_per_process']:,.0f}",
            _load(r),
        ]
        for r in _sorted(records)
    ]
    header = ["max_fit_seconds = {}".format(records[0]["job"]["max_fit_seconds"])] if records else [""]
    header += ["fit s", "first pass s", "first pass rows/s", "epochs", "trained rows/s", "two-sample score"]
    return markdown_table([*header, "MB a process", "load"], rows) if rows else ""


def _agreement(records: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{r['job']['rows']:,} rows from {r['job']['source']}",
            f"{r['fit_s']:.0f}",
            f"{r['two_sample_score']:.3f}",
            f"{r['peak_mb_per_process']:,.0f}",
        ]
        for r in records
    ]
    return markdown_table(["", "fit s", "two-sample score", "MB"], rows) if rows else ""


def _speedup(records: list[dict[str, Any]]) -> str:
    by = {r["job"]["processes"]: r for r in records}
    if set(by) != {1, 2}:
        return ""
    one, two = by[1]["trained_rows_per_s"], by[2]["trained_rows_per_s"]
    return (
        f"One process trains {one:,} rows/s, two under torchrun {two:,} rows/s: {two / one:.2f} times as "
        f"many (load {_load(by[1])} and {_load(by[2])})."
    )


def _sample_table(records: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{r['job']['rows']:,} rows, {_processes(r)}",
            f"{r['seconds']:.1f}",
            f"{r['rows_per_s']:,}",
            f"{r['gigabytes']:.2f}",
            f"{r['peak_mb_per_process']:,.0f}",
            _load(r),
        ]
        for r in _sorted(records)
    ]
    return markdown_table(["", "s", "rows/s", "GB", "MB a worker", "load"], rows) if rows else ""


def cost_model(records: list[dict[str, Any]]) -> tuple[float, float, float] | None:
    """Return seconds to begin, seconds of one core per row, and bytes per row of writing rows.

    ``seconds = begin + rows · cost / processes``, through the smallest and the largest measurement of one
    process.
    """
    alone = _sorted([r for r in records if r["job"]["processes"] == 1])
    if len(alone) < 2:
        return None
    first, last = alone[0], alone[-1]
    cost = (last["seconds"] - first["seconds"]) / (last["job"]["rows"] - first["job"]["rows"])
    begin = max(0.0, first["seconds"] - cost * first["job"]["rows"])
    return begin, cost, 1e9 * last["gigabytes"] / last["job"]["rows"]


def _prediction(records: list[dict[str, Any]]) -> str:
    found = cost_model(records)
    if found is None:
        return ""
    begin, cost, size = found
    rows = [
        [
            f"{cores:,} cores",
            f"{(begin + BILLION * cost / cores) / 60:,.0f}",
            f"{BILLION / cores * size / 1e9:.1f}",
        ]
        for cores in (2, 16, 64, 256)
    ]
    checked = [
        f"{r['job']['rows']:,} rows with {_processes(r)}: predicted "
        f"{begin + r['job']['rows'] * cost / r['job']['processes']:.0f} s, measured {r['seconds']:.0f} s"
        for r in _sorted(records)
        if r["job"]["processes"] > 1 and r["job"]["rows"] >= 1_000_000
    ]
    return "\n\n".join(
        [
            f"`seconds = {begin:.1f} + rows × {1e6 * cost:.1f} µs / processes`, and {size:.0f} bytes a "
            + "row on disk. "
            + (f"Against it: {'; '.join(checked)}. " if checked else "")
            + f"For a billion rows ({BILLION * size / 1e9:.0f} GB) that is, as long as the disk keeps up:",
            markdown_table(["", "minutes", "GB a core"], rows),
        ]
    )


def _threads(records: list[dict[str, Any]]) -> str:
    by = {r["job"]["processes"]: r for r in records}
    if set(by) != {1, 2}:
        return ""
    one, two = by[1]["seconds_per_fit"], by[2]["seconds_per_fit"]
    return (
        f"`cross_val_score` of an `AugmentedClassifier` takes {one:.2f} s of a worker per fit with "
        f"`n_jobs=1` and {two:.2f} s with `n_jobs=2`: {two / one:.2f} times as long (load {_load(by[1])} and "
        f"{_load(by[2])})."
    )


def _processes(record: dict[str, Any]) -> str:
    count = record["job"]["processes"]
    return f"{count} process" + ("es" if count > 1 else "")


def _sorted(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(records, key=lambda record: (record["job"]["rows"], record["job"]["processes"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    add("--rows", nargs="+", type=lambda text: int(float(text)), help="only these sizes, such as 1e6")
    add("--seconds", type=float, default=60.0, help="max_fit_seconds of the part 'fit' (default: 60)")
    add("--data", type=Path, help="folder for data and new rows (default: a temporary one)")
    add("--out", type=Path, default=RESULTS / "scale.json")
    add("--timeout", type=float, default=7200.0, help="seconds after which a measurement is given up")
    add("--again", action="store_true", help="measure also what is there")
    add("--shared", action="store_true", help="note that the machine has other work to do")
    add("--fast", type=int, metavar="ROWS", help="one tiny size for every part: does everything run?")
    add("--render", action="store_true")
    options = parser.parse_args()
    if options.data is None:
        options.data = Path(tempfile.mkdtemp(prefix="vaeaug-scale-"))
    options.data.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
