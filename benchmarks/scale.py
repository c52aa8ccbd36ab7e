"""Measure how fit and sample_to_parquet grow with the rows and the processes, and predict a billion rows.

The folder named by ``--data`` needs 0.7 GB for ten million rows, and while sampling 5 GB for a hundred
million. Times need a machine with nothing else to do.
"""

import argparse
import shutil
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

KEY = ("part", "rows", "processes", "source", "max_fit_seconds")
ROWS = {
    "agree": (100_000,),
    "fit": (10_000, 100_000, 1_000_000, 10_000_000),
    "speedup": (100_000,),
    "sample": (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000),
    "threads": (20_000,),
}
FAST_ROWS = 2_000
BILLION = 10**9
#: Rows of one file of the data set, and of its row groups.
FILE_ROWS, GROUP_ROWS = 500_000, 131_072


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    limit = 5.0 if options.fast else 60.0
    for part in ROWS:
        for rows in [FAST_ROWS] if options.fast else ROWS[part]:
            cell = {"part": part, "rows": rows}
            if part == "agree":
                yield from (cell | {"processes": 1, "source": source} for source in ("memory", "files"))
                continue
            cell |= {} if part in ("sample", "threads") else {"source": "files"}
            cell |= {"max_fit_seconds": limit} if part == "fit" else {}
            yield from (cell | {"processes": processes} for processes in (1, 2))


def measure(cell: Record, options: argparse.Namespace) -> Record:
    folder = options.data or temporary_folder()
    folder.mkdir(parents=True, exist_ok=True)
    job = {"max_fit_seconds": None, "data": str(folder)} | cell
    if cell["part"] == "threads":
        folds, epochs = (2, 1) if options.fast else (4, 5)
        return bench.run_worker("scale:cross_validate", job | {"folds": folds, "max_iter": epochs})
    if cell["part"] == "sample":
        job["model"] = str(folder / "model.safetensors")
        if not Path(job["model"]).exists():
            fit = {"rows": min(100_000, job["rows"]), "max_fit_seconds": 60, "source": "files"}
            bench.run_worker("scale:fit", fit | {"data": job["data"], "keep": job["model"]})
        return bench.run_worker("scale:sample", job)
    write_files(job["data"], job["rows"])
    job["judge"] = cell["part"] in ("agree", "fit")
    if cell["part"] == "speedup" or options.fast:
        job["max_iter"] = 1 if options.fast else 3
    return bench.run_worker("scale:fit", job, processes=cell["processes"])


@cache
def temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="vaeaug-scale-"))


# ---------------------------------------------------------------- jobs, each in a process of its own


def make_rows(rows: int, seed: int) -> pd.DataFrame:
    """Return rows of 12 mixed columns that depend on each other, with a rare class; no two seeds alike."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    kind = rng.choice(8, rows, p=np.arange(8, 0, -1) / 36)
    amount = np.exp(1 + 0.6 * size + 0.2 * kind + 0.3 * rng.normal(size=rows)).round(2)
    rate = 1 / (1 + np.exp(-(size + 0.5 * rng.normal(size=rows))))
    rare = rng.random(rows) < 0.04 * rate * (1 + (kind == 7))
    seconds = rng.integers(0, 86_400 * 365, rows)
    frame = pd.DataFrame(
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
    return frame


def write_files(folder: str, rows: int) -> Path:
    """Return the folder of a data set of so many rows, written the first time."""
    target = Path(folder) / f"rows_{rows}"
    if not (target / "_whole").exists():
        target.mkdir(parents=True, exist_ok=True)
        for number, start in enumerate(range(0, rows, FILE_ROWS)):
            part = make_rows(min(FILE_ROWS, rows - start), number)
            part.to_parquet(target / f"part-{number:03d}.parquet", row_group_size=GROUP_ROWS, index=False)
        (target / "_whole").touch()
    return target


def fit(job: dict[str, Any]) -> dict[str, Any]:
    """Fit from Parquet files in one process or several, bounded in time; or from memory."""
    from vaeaug import VAEAugmenter
    from vaeaug.data.streams import table
    from vaeaug.training.distributed import current_team
    from vaeaug.training.run import Run

    folder = write_files(job["data"], job["rows"])
    spent: dict[str, float] = {"rows": 0, "survey": 0.0}
    survey, improve = table.survey, Run._improve

    def time_survey(*arguments: Any, **options: Any) -> Any:
        spent["survey"], found = bench.time_call(lambda: survey(*arguments, **options))
        spent["seen"] = found.rows
        return found

    def count_rows(run: Any, batch: Any) -> Any:
        # The prior of the defaults is fitted without steps, so that these are those of the networks.
        spent.setdefault("began", time.perf_counter())
        found = improve(run, batch)
        spent["last"] = time.perf_counter()
        spent["rows"] += batch.total
        return found

    limits = {"max_fit_seconds": job["max_fit_seconds"], "max_iter": job.get("max_iter", "auto")}
    model = VAEAugmenter(random_state=0, device="cpu", **limits)
    began = time.perf_counter()
    with mock.patch.object(table, "survey", time_survey), mock.patch.object(Run, "_improve", count_rows):
        if job["source"] == "memory":
            frame = pd.read_parquet(folder)
            model.fit(frame.drop(columns="label"), frame["label"])
        else:
            model.fit(folder, y="label")
    ended = time.perf_counter()
    team = current_team()
    answer = {
        "fit_s": round(ended - began, 2),
        "survey_s": round(spent["survey"], 2),
        "survey_rows_per_s": round(spent["seen"] / spent["survey"]) if spent["survey"] else None,
        "survey_share": spent.get("seen", 0) / job["rows"],
        "trained_rows": int(spent["rows"]),
        "trained_rows_per_s": round(spent["rows"] / max(spent["last"] - spent["began"], 1e-9)),
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

    real = make_rows(20_000, 10_000_000)
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
        workers(joblib.delayed(_warm_up)() for _ in twice)
        began = time.perf_counter()
        folder = model.sample_to_parquet(job["rows"], out / "rows", random_state=0, n_jobs=job["processes"])
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
        peaks = workers(joblib.delayed(_warm_up)() for _ in twice)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return {
        "seconds": round(seconds, 2),
        "rows_per_s": round(job["rows"] / seconds),
        "gigabytes": round(size / 1e9, 3),
        "peak_mb_per_process": max(peaks),
    }


def _warm_up() -> float:
    """Import what writing rows needs, and return the memory that was used so far."""
    import vaeaug.augmenter  # noqa: F401

    time.sleep(0.5)
    return bench.read_peak_mb()


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
    parts = {part: [record for record in done if record["part"] == part] for part in ROWS}
    sections = {
        "": bench.tell_conditions(done, "Every process has one thread. 12 mixed columns."),
        "Fit from Parquet files, bounded in time": _tabulate_fits(parts["fit"]),
        "From files and from memory": bench.summarize(
            bench.group(parts["agree"][::-1], lambda r: f"{r['rows']:,} rows from {r['source']}"), AGREE
        ),
        "Two processes beside one": _compare(
            parts["speedup"],
            "trained_rows_per_s",
            "One process trains {0:,} rows/s, two under torchrun {1:,} rows/s: {2:.2f} times as many",
        ),
        "Writing new rows": "\n\n".join(
            [bench.summarize(bench.group(parts["sample"], _name_size), SAMPLE), _predict(parts["sample"])]
        ).strip(),
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
    bench.Column("first pass s", "survey_s", 1),
    bench.Column("first pass rows/s", "survey_rows_per_s", 0),
    bench.Column("seen", "survey_share", 2),
    bench.Column("epochs", lambda r: r["trained_rows"] / r["rows"]),
    bench.Column("trained rows/s", "trained_rows_per_s", 0),
    bench.Column("two-sample score", "two_sample_score"),
    bench.Column("MB a process", "peak_mb_per_process", 0),
    LOAD,
)
AGREE = (
    bench.Column("fit s", "fit_s", 0),
    bench.Column("two-sample score", "two_sample_score", 3),
    bench.Column("MB", "peak_mb_per_process", 0),
)
SAMPLE = (
    bench.Column("s", "seconds", 1),
    bench.Column("rows/s", "rows_per_s", 0),
    bench.Column("GB", "gigabytes"),
    bench.Column("MB a worker", "peak_mb_per_process", 0),
    LOAD,
)


def _tabulate_fits(records: list[Record]) -> str:
    table = bench.summarize(bench.group(records, _name_size), FIT)
    return table and f"max_fit_seconds = {records[0]['max_fit_seconds']:g}.\n\n{table}"


def _name_size(record: Record, link: str = ",") -> str:
    return f"{record['rows']:,} rows{link} {record['processes']} process" + "es" * (record["processes"] > 1)


def _compare(records: list[Record], field: str, sentence: str) -> str:
    """Put two processes beside one, where both were measured."""
    if [r["processes"] for r in records] != [1, 2]:
        return ""
    one, two = (r[field] for r in records)
    loads = " and ".join(str(r["machine"]["load_average"]) for r in records)
    return f"{sentence.format(one, two, two / one)} (load {loads})."


def fit_cost(records: list[Record]) -> tuple[float, float, float] | None:
    """Return seconds to begin, seconds of one core per row, and bytes per row of writing rows.

    ``seconds = begin + rows · cost / processes``, through the smallest and the largest measurement of one
    process.
    """
    alone = sort_records([r for r in records if r["processes"] == 1])
    if len(alone) < 2:
        return None
    first, last = alone[0], alone[-1]
    cost = (last["seconds"] - first["seconds"]) / (last["rows"] - first["rows"])
    begin = max(0.0, first["seconds"] - cost * first["rows"])
    return begin, cost, 1e9 * last["gigabytes"] / last["rows"]


def _predict(records: list[Record]) -> str:
    found = fit_cost(records)
    if found is None:
        return ""
    begin, cost, size = found
    cores = pd.Series([2, 16, 64, 256])
    minutes, gigabytes = (begin + BILLION * cost / cores) / 60, BILLION / cores * size / 1e9
    rows = [
        [f"{n:,} cores", f"{m:,.0f}", f"{g:.1f}"] for n, m, g in zip(cores, minutes, gigabytes, strict=True)
    ]
    checked = "; ".join(
        f"{_name_size(r, ' with')}: predicted "
        f"{begin + r['rows'] * cost / r['processes']:.0f} s, measured {r['seconds']:.0f} s"
        for r in records
        if r["processes"] > 1 and r["rows"] >= 1_000_000
    )
    return (
        f"`seconds = {begin:.1f} + rows × {1e6 * cost:.1f} µs / processes`, and {size:.0f} bytes a row on "
        f"disk. Against it: {checked or 'nothing'}. "
        f"For a billion rows ({BILLION * size / 1e9:.0f} GB) that is, as long as the disk keeps up:\n\n"
        + bench.markdown_table(["", "minutes", "GB a core"], rows)
    )


def sort_records(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record["rows"], record["processes"]))


OPTIONS: dict[str, dict[str, Any]] = {
    "--data": {"type": Path, "help": "folder for data and new rows (default: a temporary one)"},
}
