"""Measure how fit and sample_to_parquet grow with rows, columns and processes, and what engines do alike.

The folder named by ``--data`` needs 7 GB for a hundred million rows, 4 GB for ten million of 60 columns, and
4 GB while new rows are written. Times need a machine with nothing else to do. The parts ``engines`` and
``balance`` need ``pip install -e ".[cluster]"`` and Java 17.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import _bench as bench
import numpy as np
import pandas as pd
from _bench import Record

KEY = ("part", "rows", "columns", "processes", "source", "engine", "seed", "max_fit_seconds")
PARTS = ("fit", "speedup", "sample", "threads", "engines", "balance")
#: Ways to fit one table.
ENGINES = ("one", "memory", "torchrun", "dask", "ray", "spark")
#: Columns of the data set, and of a wide one.
COLUMNS, WIDE = 12, 60
#: Rows of a real table beside those held out, and of one for which several processes take larger batches.
ADULT_ROWS, MADE_ROWS = 44_842, 120_000
FAST_ROWS = 2_000
BILLION = 10**9
#: Rows of one file of the data set, and of its row groups.
FILE_ROWS, GROUP_ROWS = 500_000, 131_072


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    done = []
    for cell in _list_cells():
        cell = {name: value for name, value in cell.items() if value is not None}
        if options.fast:
            cell |= {"rows": FAST_ROWS} | ({"max_fit_seconds": 5.0} if cell["part"] == "fit" else {})
        if cell not in done and not (options.fast and cell.get("seed")):
            done.append(cell)
            yield cell


def _list_cells() -> Iterator[Record]:
    one, both, files = (1,), (1, 2), {"source": "files"}
    small, large = (10_000, 100_000, 1_000_000), (10_000_000, 100_000_000)
    for seconds, rows, columns, processes in (
        *((60.0, rows, None, both) for rows in (*small, large[0])),
        (60.0, large[0], WIDE, both),
        *((600.0, rows, None, one) for rows in (small[-1], *large)),
    ):
        cell = {"part": "fit", "rows": rows, "columns": columns, "max_fit_seconds": seconds} | files
        yield from (cell | {"processes": n} for n in processes)
    yield from ({"part": "speedup", "rows": 100_000, "processes": n} | files for n in both)
    for rows, columns in (*((rows, None) for rows in (*small, *large)), (small[1], WIDE), (large[0], WIDE)):
        yield from ({"part": "sample", "rows": rows, "columns": columns, "processes": n} for n in both)
    yield from ({"part": "threads", "rows": 20_000, "processes": n} for n in both)
    for source, rows in (("adult", ADULT_ROWS), ("made", MADE_ROWS)):
        for engine in ENGINES:
            seeds = range(6 if engine in ("one", "torchrun") else 2)
            cell = {"part": "engines", "rows": rows, "source": source, "engine": engine}
            cell["processes"] = 1 if engine in ("one", "memory") else 2
            yield from (cell | {"seed": seed} for seed in seeds)
    yield from ({"part": "balance", "rows": rows, "processes": 2} for rows in (small[-1], large[0]))


def measure(cell: Record, options: argparse.Namespace) -> Record:
    folder = options.data or temporary_folder()
    folder.mkdir(parents=True, exist_ok=True)
    job = {"max_fit_seconds": None, "data": str(folder)} | cell
    if cell["part"] == "threads":
        folds, epochs = (2, 1) if options.fast else (4, 5)
        return bench.run_worker("scale:cross_validate", job | {"folds": folds, "max_iter": epochs})
    if cell["part"] in ("sample", "balance"):
        columns = cell.get("columns", COLUMNS)
        job["model"] = str(folder / f"model_{columns}.safetensors")
        if not Path(job["model"]).exists():
            fit = {"rows": min(100_000, job["rows"]), "max_fit_seconds": 60, "source": "files"}
            found = bench.run_worker(
                "scale:fit", fit | {"data": job["data"], "keep": job["model"], "columns": columns}
            )
            if "error" in found:
                return found
        return bench.run_worker("scale:sample" if cell["part"] == "sample" else "_engines:balance", job)
    if cell["part"] == "engines":
        job["max_iter"] = 1 if options.fast else "auto"
        processes = 2 if cell["engine"] == "torchrun" else 1
        return bench.run_worker("_engines:fit", job, processes=processes)
    write_files(job["data"], job["rows"], job.get("columns", COLUMNS))
    job["judge"] = cell["part"] == "fit"
    if cell["part"] == "speedup" or options.fast:
        job["max_iter"] = 1 if options.fast else 3
    return bench.run_worker("scale:fit", job, processes=cell["processes"])


@cache
def temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="vaeaug-scale-"))


# ---------------------------------------------------------------- jobs, each in a process of its own


def make_rows(rows: int, seed: int, columns: int = COLUMNS) -> pd.DataFrame:
    """Return rows of mixed columns that depend on each other, with a rare class; no two seeds alike.

    More than 12 columns are further twelves, each with its own size, which follows that of the first.
    """
    rng = np.random.default_rng(seed)
    first = rng.normal(size=rows)
    parts = [_make_columns(rng, first)]
    for number in range(2, columns // COLUMNS + 1):
        parts.append(_make_columns(rng, 0.6 * first + 0.8 * rng.normal(size=rows)).add_suffix(f"_{number}"))
    return pd.concat(parts, axis=1)


def _make_columns(rng: np.random.Generator, size: np.ndarray) -> pd.DataFrame:
    rows = len(size)
    kind = rng.choice(8, rows, p=np.arange(8, 0, -1) / 36)
    amount = np.exp(1 + 0.6 * size + 0.2 * kind + 0.3 * rng.normal(size=rows)).round(2)
    rate = 1 / (1 + np.exp(-(size + 0.5 * rng.normal(size=rows))))
    rare = rng.random(rows) < 0.04 * rate * (1 + (kind == 7))
    seconds = rng.integers(0, 86_400 * 365, rows)
    return pd.DataFrame(
        {
            "size": size,
            "amount": amount,
            "rate": rate.astype(np.float32),
            "balance": 1000 * size + 300 * rng.normal(size=rows),
            "count": rng.poisson(2 + kind),
            "age": np.clip(40 + 12 * size + 6 * rng.normal(size=rows), 18, 95).astype(np.int64),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, "s"),
            "kind": pd.Categorical.from_codes(kind, list("ABCDEFGH")),
            "town": np.array(["Aix", "Bonn", "Cork", "Delft", "Espoo"])[
                (kind + rng.integers(0, 2, rows)) % 5
            ],
            "flag": rng.random(rows) < rate,
            "gap": np.where(rng.random(rows) < 0.1, np.nan, size**2 + 0.1 * rng.normal(size=rows)),
            "label": np.where(rare, "yes", "no"),
        }
    )


def write_files(folder: str, rows: int, columns: int = COLUMNS) -> Path:
    """Return the folder of a data set of so many rows, written the first time."""
    target = Path(folder) / f"rows_{rows}x{columns}"
    if not (target / "_whole").exists():
        target.mkdir(parents=True, exist_ok=True)
        for number, start in enumerate(range(0, rows, FILE_ROWS)):
            part = make_rows(min(FILE_ROWS, rows - start), number, columns)
            # Spark reads no times of nanoseconds.
            options = {"row_group_size": GROUP_ROWS, "coerce_timestamps": "us", "index": False}
            part.to_parquet(target / f"part-{number:03d}.parquet", **options)
        (target / "_whole").touch()
    return target


def fit(job: dict[str, Any]) -> dict[str, Any]:
    """Fit from Parquet files in one process or several, bounded in time or in epochs."""
    from vaeaug import VAEAugmenter
    from vaeaug.data.streams import table
    from vaeaug.training.distributed import current_team
    from vaeaug.training.run import Run

    columns = job.get("columns", COLUMNS)
    folder = write_files(job["data"], job["rows"], columns)
    spent: dict[str, float] = {"rows": 0, "survey": 0.0}
    survey, improve = table.survey, Run._improve

    def time_survey(*arguments: Any, **options: Any) -> Any:
        spent["survey"], found = bench.time_call(lambda: survey(*arguments, **options))
        spent["seen"] = found.rows
        return found

    def count_rows(run: Any, batch: Any) -> Any:
        # The prior of the defaults is fitted without steps, so that these are those of the networks.
        spent.setdefault("began", time.perf_counter())
        spent.setdefault("cpu_began", time.process_time())
        found = improve(run, batch)
        spent["last"], spent["cpu_last"] = time.perf_counter(), time.process_time()
        spent["rows"] += batch.total
        return found

    limits = {"max_fit_seconds": job["max_fit_seconds"], "max_iter": job.get("max_iter", "auto")}
    model = VAEAugmenter(random_state=0, device="cpu", **limits)
    began, cpu_began = time.perf_counter(), time.process_time()
    with mock.patch.object(table, "survey", time_survey), mock.patch.object(Run, "_improve", count_rows):
        model.fit(folder, y="label")
    ended, cpu_ended = time.perf_counter(), time.process_time()
    team = current_team()
    training = sum(team.every(spent["cpu_last"] - spent["cpu_began"]))
    answer = {
        "fit_s": round(ended - began, 2),
        "cpu_s": round(sum(team.every(cpu_ended - cpu_began)), 2),
        "survey_s": round(spent["survey"], 2),
        "survey_rows_per_s": round(spent["seen"] / spent["survey"]) if spent["survey"] else None,
        "survey_share": spent.get("seen", 0) / job["rows"],
        "trained_rows": int(spent["rows"]),
        "trained_rows_per_s": round(spent["rows"] / max(spent["last"] - spent["began"], 1e-9)),
        "trained_rows_per_cpu_s": round(spent["rows"] / max(training, 1e-9)),
        "epochs": model.n_iter_,
        "peak_mb_per_process": max(team.every(bench.read_peak_mb())),
    }
    if job.get("judge") and team.is_first:
        answer |= score_rows(model, job)
    if job.get("keep") and team.is_first:
        model.save(job["keep"])
    return answer


def score_rows(model: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Return how well new rows pass for real ones that no fit has seen."""
    from vaeaug.evaluation.fidelity import two_sample_score

    real = make_rows(20_000, 10_000_000, job.get("columns", COLUMNS))
    X, y = model.sample(len(real), random_state=1)
    new = X.assign(label=np.asarray(y))
    return {"two_sample_score": round(float(two_sample_score(real, new, random_state=0)), 4)}


def sample(job: dict[str, Any]) -> dict[str, Any]:
    """Write new rows of a saved model with one worker or several."""
    import joblib

    from vaeaug import load

    model = load(job["model"], device="cpu")
    out = Path(tempfile.mkdtemp(dir=job["data"]))
    try:
        workers, twice = joblib.Parallel(n_jobs=job["processes"]), range(2 * job["processes"])
        # Workers are started, and have imported everything, before the clock is.
        before = dict(workers(joblib.delayed(_look)() for _ in twice))
        began = time.perf_counter()
        folder = model.sample_to_parquet(job["rows"], out / "rows", random_state=0, n_jobs=job["processes"])
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
        after = dict(workers(joblib.delayed(_look)() for _ in twice))
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return {
        "seconds": round(seconds, 2),
        "cpu_s": round(sum(cpu - before.get(worker, (0.0, 0.0))[0] for worker, (cpu, _) in after.items()), 2),
        "rows_per_s": round(job["rows"] / seconds),
        "gigabytes": round(size / 1e9, 6),
        "peak_mb_per_process": max(peak for _, peak in after.values()),
    }


def _look() -> tuple[int, tuple[float, float]]:
    """Import what writing rows needs; return this process with its processor seconds and memory so far."""
    import vaeaug.augmenter  # noqa: F401

    time.sleep(0.5)
    return os.getpid(), (time.process_time(), bench.read_peak_mb())


def cross_validate(job: dict[str, Any]) -> dict[str, Any]:
    """Time cross-validation of a classifier with augmentation, one fit at a time or several."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.preprocessing import StandardScaler

    from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler

    frame = make_rows(job["rows"], 0)
    X = StandardScaler().fit_transform(frame[["size", "amount", "rate", "balance", "count", "age"]])
    sampler = VAEOverSampler(
        VAEAugmenter(max_iter=job["max_iter"], random_state=0, device="cpu"), random_state=0
    )
    classifier = AugmentedClassifier(LogisticRegression(max_iter=200), sampler)
    cross_val_score(classifier, X[:400], frame["label"][:400], cv=2, n_jobs=job["processes"])
    began = time.perf_counter()
    scores = cross_val_score(classifier, X, frame["label"], cv=job["folds"], n_jobs=job["processes"])
    seconds = time.perf_counter() - began
    return {
        "seconds": round(seconds, 2),
        "seconds_per_fit": round(seconds * job["processes"] / job["folds"], 2),
        "score": round(float(scores.mean()), 4),
    }


# ---------------------------------------------------------------- report


def render(records: list[Record]) -> str:
    """Return the tables, the prediction, and where they come from."""
    done = sort_records([record for record in records if "error" not in record])
    done = [record | {"day": record["measured"][:10]} for record in done]
    parts = {part: [record for record in done if record["part"] == part] for part in PARTS}
    sections = {
        "": "\n\n".join(
            [
                "Every process has one thread. 12 mixed columns, where no other number is named.",
                *(bench.tell_conditions(mine) for mine in bench.group(done, "day").values()),
            ]
        ),
        "Fit from Parquet files, bounded in time": _tabulate_fits(parts["fit"]),
        "One fit by two workers": _compare_engines(parts["engines"]),
        "A frame of Spark balanced": _tabulate_balance(parts["balance"]),
        "Two processes beside one": _compare(
            parts["speedup"],
            "trained_rows_per_s",
            "One process trains {0:,} rows/s, two under torchrun {1:,} rows/s: {2:.2f} times as many",
        ),
        "Writing new rows": _tabulate_samples(parts["sample"]),
        "Cross-validation side by side": _compare(
            parts["threads"],
            "seconds_per_fit",
            "`cross_val_score` of an `AugmentedClassifier` takes {0:.2f} s of a worker per fit with "
            "`n_jobs=1` and {1:.2f} s with `n_jobs=2`: {2:.2f} times as long",
        ),
        "Not measured": bench.list_failures(records, KEY),
    }
    return bench.join_sections(sections)


LOAD = bench.Column("load", "machine.load_average", 2)
FIT = (
    bench.Column("fit s", "fit_s", 0),
    bench.Column("CPU s", "cpu_s", 0),
    bench.Column("first pass s", "survey_s", 1),
    bench.Column("first pass rows/s", "survey_rows_per_s", 0),
    bench.Column("seen", "survey_share", 2),
    bench.Column("epochs", lambda r: r["trained_rows"] / r["rows"]),
    bench.Column("trained rows/s", "trained_rows_per_s", 0),
    bench.Column("rows/CPU s", "trained_rows_per_cpu_s", 0),
    bench.Column("two-sample score", "two_sample_score"),
    bench.Column("MB a process", "peak_mb_per_process", 0),
    LOAD,
)
WAYS = {
    "one": "one process",
    "memory": "one process, from memory",
    "torchrun": "torchrun",
    "dask": "Dask",
    "ray": "Ray",
    "spark": "Spark",
}
TABLES = {"adult": "rows of Adult, 15 columns", "made": "rows of 12 made columns"}
BALANCED = {
    "resample": "`spark.resample`, written: all rows",
    "sample": "`spark.sample`, written: the new rows",
    "copy": "Spark reads and writes the rows there were",
    "sample_to_parquet": "`sample_to_parquet`, one process: the new rows",
}
SAMPLE = (
    bench.Column("s", "seconds", 1),
    bench.Column("CPU s a process", lambda r: r["cpu_s"] / r["processes"] if "cpu_s" in r else None, 1),
    bench.Column("rows/s", "rows_per_s", 0),
    bench.Column("GB", "gigabytes"),
    bench.Column("bytes a row", lambda r: 1e9 * r["gigabytes"] / r["rows"] or None, 0),
    bench.Column("MB a worker", "peak_mb_per_process", 0),
    LOAD,
)


def _tabulate_fits(records: list[Record]) -> str:
    records = sorted(records, key=lambda r: (r["max_fit_seconds"], r.get("columns", 0)))
    return bench.summarize(
        bench.group(records, lambda r: f"{_name_with_date(r)}, at most {r['max_fit_seconds']:.0f} s"), FIT
    )


def _name_size(record: Record, link: str = ",") -> str:
    columns = f" × {record['columns']} columns" if record.get("columns") else ""
    processes = f"{record['processes']} process" + "es" * (record["processes"] > 1)
    return f"{record['rows']:,} rows{columns}{link} {processes}"


def _name_with_date(record: Record) -> str:
    return f"{_name_size(record)}, {record['day']}"


def _compare_engines(records: list[Record]) -> str:
    """Put the losses of several ways to fit a table beside that of one process."""
    parts = []
    for source, mine in bench.group(records, "source").items():
        ways = bench.group(sorted(mine, key=lambda r: ENGINES.index(r["engine"])), "engine")
        one = [r["loss"] for r in ways.get("one", [])]
        two = {r["seed"]: r["loss"] for r in ways.get("torchrun", [])}

        def tell_ratio(r: Record, one: list[float] = one) -> float | None:
            return r["loss"] / statistics.fmean(one) if one else None

        def tell_difference(r: Record, two: dict[int, float] = two) -> float | None:
            is_engine = r["engine"] in ("dask", "ray", "spark") and r["seed"] in two
            return r["loss"] - two[r["seed"]] if is_engine else None

        columns = [
            bench.Column("loss", "loss", 3),
            bench.Column("ratio to one process", tell_ratio, 4),
            bench.Column("loss minus that of torchrun, same seed", tell_difference, 6),
            bench.Column("fit s", "fit_s", 0),
            LOAD,
        ]
        table = bench.summarize({WAYS[w]: runs for w, runs in ways.items()}, columns, count="seeds")
        parts.append(f"{mine[0]['rows']:,} {TABLES[source]}:\n\n{table}")
    return "\n\n".join(parts)


def _tabulate_balance(records: list[Record]) -> str:
    """Return what a balanced frame takes beside its new rows alone."""
    parts = []
    for record in records:
        alone = record["sample"]["seconds"]
        rows = [
            [title, f"{r['seconds']:.1f}", f"{r['seconds'] / alone:.2f}", f"{1000 * r['gigabytes']:.0f}"]
            for r, title in ((record[way], title) for way, title in BALANCED.items())
        ]
        table = bench.markdown_table(["", "s", "ratio to `spark.sample`", "MB"], rows)
        load = record["machine"]["load_average"]
        parts.append(f"{record['rows']:,} rows, {record['new_rows']:,} new ones (load {load}):\n\n{table}")
    return "\n\n".join(parts)


def _compare(records: list[Record], field: str, sentence: str) -> str:
    """Put two processes beside one, where both were measured."""
    if [r["processes"] for r in records] != [1, 2]:
        return ""
    one, two = (r[field] for r in records)
    loads = " and ".join(str(r["machine"]["load_average"]) for r in records)
    return f"{sentence.format(one, two, two / one)} (load {loads}, {records[0]['day']})."


def fit_law(records: list[Record]) -> tuple[float, float] | None:
    """Return begin and cost of ``seconds = begin + rows · cost / processes``.

    Least squares of the relative errors, over the processor seconds of one process: those of the clock
    depend on what else the machine does. Where they were not counted, those of the clock.
    """
    alone = [r for r in records if r["processes"] == 1 and not r.get("columns")]
    counted = [r for r in alone if "cpu_s" in r]
    alone = counted if len({r["rows"] for r in counted}) > 1 else alone
    if len({r["rows"] for r in alone}) < 2:
        return None
    seconds = np.array([r.get("cpu_s", r["seconds"]) for r in alone])
    table = np.column_stack([1 / seconds, np.array([r["rows"] for r in alone]) / seconds])
    begin, cost = np.linalg.lstsq(table, np.ones(len(alone)), rcond=None)[0]
    return max(0.0, float(begin)), float(cost)


def _tabulate_samples(records: list[Record]) -> str:
    """Return what writing took beside the law of one process, and what that says of a billion rows."""
    found = fit_law(records)
    if found is None:
        return bench.summarize(bench.group(records, _name_with_date), SAMPLE)
    begin, cost = found
    narrow = [r for r in records if not r.get("columns")]
    size = 1e9 * narrow[-1]["gigabytes"] / narrow[-1]["rows"]

    def predict(r: Record) -> float | None:
        return None if r.get("columns") else begin + r["rows"] * cost / r["processes"]

    law = bench.Column("law s", predict, 1)
    cores = pd.Series([2, 16, 64, 256])
    minutes, gigabytes = (begin + BILLION * cost / cores) / 60, BILLION / cores * size / 1e9
    rows = [
        [f"{n:,} cores", f"{m:,.0f}", f"{g:.1f}"] for n, m, g in zip(cores, minutes, gigabytes, strict=True)
    ]
    return "\n\n".join(
        [
            bench.summarize(bench.group(records, _name_with_date), (law, *SAMPLE)),
            f"The law is `seconds = {begin:.2f} + rows × {1e6 * cost:.1f} µs / processes`, fitted to "
            f"the CPU seconds of one process where they were counted; {size:.0f} bytes a row on disk. For a "
            f"billion rows ({BILLION * size / 1e9:.0f} GB) it says, as long as the disk keeps up:",
            bench.markdown_table(["", "minutes", "GB a core"], rows),
        ]
    )


def sort_records(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda r: (r.get("columns", 0), r["rows"], r["processes"], r.get("seed", 0)))


OPTIONS: dict[str, dict[str, Any]] = {
    "--data": {"type": Path, "help": "folder for data and new rows (default: a temporary one)"},
}
