"""What the scale benchmark runs, each job alone in a process: ``_scale_jobs.py job.json answer.json``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _common import own_peak_mb

#: Rows of one file of the data set, and of its row groups.
FILE_ROWS, GROUP_ROWS = 500_000, 131_072


def made(rows: int, seed: int) -> pd.DataFrame:
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


def written(folder: str, rows: int) -> Path:
    """Return the folder of a data set of so many rows, written the first time."""
    target = Path(folder) / f"rows_{rows}"
    if not (target / "_whole").exists():
        target.mkdir(parents=True, exist_ok=True)
        for number, start in enumerate(range(0, rows, FILE_ROWS)):
            part = made(min(FILE_ROWS, rows - start), number)
            part.to_parquet(target / f"part-{number:03d}.parquet", row_group_size=GROUP_ROWS, index=False)
        (target / "_whole").touch()
    return target


def fit(job: dict[str, Any]) -> dict[str, Any]:
    """Fit from Parquet files in one process or several, bounded in time; or from memory."""
    import vaeaug.streaming
    from vaeaug import VAEAugmenter
    from vaeaug.training.run import Run
    from vaeaug.training.team import current_team

    folder = written(job["data"], job["rows"])
    spent: dict[str, float] = {"rows": 0, "survey": 0.0}
    survey, improve = vaeaug.streaming.survey, Run._improve

    def timed_survey(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        found = survey(*arguments, **options)
        spent["survey"], spent["seen"] = time.perf_counter() - began, found.rows
        return found

    def counted(run: Any, batch: Any) -> Any:
        # The prior of the defaults is fitted without steps, so that these are those of the networks.
        spent.setdefault("began", time.perf_counter())
        found = improve(run, batch)
        spent["last"] = time.perf_counter()
        spent["rows"] += batch.total
        return found

    model = VAEAugmenter(
        random_state=0,
        max_fit_seconds=job["max_fit_seconds"],
        max_iter=job.get("max_iter", "auto"),
        device="cpu",
    )
    began = time.perf_counter()
    vaeaug.streaming.survey, Run._improve = timed_survey, counted
    try:
        if job["source"] == "memory":
            frame = pd.read_parquet(folder)
            model.fit(frame.drop(columns="label"), frame["label"])
        else:
            model.fit(folder, y="label")
    finally:
        vaeaug.streaming.survey, Run._improve = survey, improve
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
        "peak_mb_per_process": max(team.every(round(own_peak_mb(), 1))),
        "peak_mb": own_peak_mb(),
    }
    if job.get("judge") and team.is_first:
        answer |= judged(model, job)
    if job.get("keep") and team.is_first:
        model.save(job["keep"])
    return answer


def judged(model: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Return how well new rows pass for real ones that no fit has seen."""
    from vaeaug.evaluation.fidelity import two_sample_score

    real = made(20_000, 10_000_000)
    X, y = model.sample(len(real), random_state=1)
    new = X.assign(label=np.asarray(y))
    return {"two_sample_score": round(float(two_sample_score(real, new, random_state=0)), 4)}


def together(job: dict[str, Any], request: str, answer: str) -> None:
    """Run the same job in several processes under torchrun; the first of them answers."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(job["processes"]), __file__, request, answer]
    subprocess.run(command, check=True)


def sample(job: dict[str, Any]) -> dict[str, Any]:
    """Write new rows of a saved model with one worker or several."""
    import joblib

    from vaeaug import load

    model = load(job["model"], device="cpu")
    out = Path(tempfile.mkdtemp(dir=job["data"]))
    try:
        # Workers are started, and have imported everything, before the clock is.
        joblib.Parallel(n_jobs=job["processes"])(joblib.delayed(_warm)() for _ in range(2 * job["processes"]))
        began = time.perf_counter()
        folder = model.sample_to_parquet(job["rows"], out / "rows", random_state=0, n_jobs=job["processes"])
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
        peaks = joblib.Parallel(n_jobs=job["processes"])(
            joblib.delayed(_peak)() for _ in range(2 * job["processes"])
        )
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return {
        "seconds": round(seconds, 2),
        "rows_per_s": round(job["rows"] / seconds),
        "gigabytes": round(size / 1e9, 3),
        "peak_mb_per_process": max(peaks),
        "peak_mb": own_peak_mb(),
    }


def _warm() -> None:
    import vaeaug.augmenter  # noqa: F401

    time.sleep(0.5)


def _peak() -> float:
    time.sleep(0.5)
    return round(own_peak_mb(), 1)


def threads(job: dict[str, Any]) -> dict[str, Any]:
    """Time cross-validation of a classifier with augmentation, one fit at a time or several."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.preprocessing import StandardScaler

    from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler

    frame = made(job["rows"], 0)
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
        "peak_mb": own_peak_mb(),
    }


def main(request: str, answer: str) -> None:
    job = json.loads(Path(request).read_text())
    if job["job"] == "fit" and job["processes"] > 1 and "RANK" not in os.environ:
        written(job["data"], job["rows"])
        together(job, request, answer)
        return
    found = {"fit": fit, "sample": sample, "threads": threads}[job["job"]](job)
    if os.environ.get("RANK", "0") == "0":
        Path(answer).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:3])
