"""What the extremes benchmark runs, each job alone in a process: ``_limits_jobs.py job.json answer.json``."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _common import own_peak_mb

#: Rows of the rare class that are drawn and judged.
NEW_ROWS = 500
#: Rows of the common class beside it.
COMMON_ROWS = 4000


def many_strings(job: dict[str, Any]) -> dict[str, Any]:
    """Fit a table with one column of very many distinct strings, and sample as many rows again."""
    from vaeaug import VAEAugmenter

    rng = np.random.default_rng(job["seed"])
    rows, distinct = job["rows"], job["distinct"]
    # Every string at least once; the rest of the rows follow a long tail.
    popularity = 1.0 / np.arange(1, distinct + 1)
    more = rng.choice(distinct, rows - distinct, p=popularity / popularity.sum())
    which = rng.permutation(np.concatenate([np.arange(distinct), more]))
    amount = rng.lognormal(3 + 0.3 * (which % 7), 0.5)
    table = pd.DataFrame(
        {
            "merchant": pd.Series(which).map("merchant-{:06d}".format),
            "amount": amount.round(2),
            "hour": rng.integers(0, 24, rows),
        }
    )
    label = np.where(rng.random(rows) < 0.02, "fraud", "fine")
    augmenter = VAEAugmenter(random_state=job["seed"], max_fit_seconds=job["max_fit_seconds"])
    began = time.perf_counter()
    augmenter.fit(table, label)
    fitted = time.perf_counter()
    X, _ = augmenter.sample(rows, random_state=1)
    ended = time.perf_counter()
    top = table["merchant"].value_counts(normalize=True)
    new = X["merchant"].value_counts(normalize=True)
    tail = top.index[1000:]
    return {
        "rows": rows,
        "distinct": distinct,
        "fit_s": round(fitted - began, 1),
        "rows_per_s": round(rows / (ended - fitted)),
        "distinct_sampled": int(X["merchant"].nunique()),
        "never_seen": int((~X["merchant"].isin(top.index)).sum()),
        "share_of_tail": [round(float(top[tail].sum()), 4), round(float(new.reindex(tail).sum()), 4)],
        "peak_mb": own_peak_mb(),
    }


def tiny_minority(job: dict[str, Any]) -> dict[str, Any]:
    """Add rows to a class of ``k`` rows; say whether they are copies, and whether they are noise."""
    from _datasets import load_table
    from sklearn.ensemble import HistGradientBoostingClassifier

    from vaeaug.evaluation.privacy import exact_copies

    table = load_table(job["table"], rows=None)
    target = table.target
    counts = table.train[target].value_counts()
    common, rare = counts.index[0], counts.index[-1]
    levels = {c: pd.unique(table.train[c].dropna()) for c in table.categorical if c != target}

    def features(rows: pd.DataFrame) -> pd.DataFrame:
        kept = rows.drop(columns=[target])
        return kept.assign(**{c: pd.Categorical(kept[c], categories=levels[c]) for c in levels})

    # The judge has seen all real training rows, hundreds or thousands of the rare class among them.
    oracle = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    oracle.fit(features(table.train), table.train[target] == rare)
    held_out = table.test[table.test[target] == rare].drop(columns=[target])
    noise = table.test[table.test[target] == common].drop(columns=[target])

    rng = np.random.default_rng(job["seed"])
    draw = int(rng.integers(1 << 31))
    few = table.train[table.train[target] == rare].sample(job["k"], random_state=draw)
    many = table.train[table.train[target] == common].sample(COMMON_ROWS, random_state=draw)
    train = pd.concat([many, few], ignore_index=True)
    few = few.drop(columns=[target])
    numbers = few.select_dtypes("number").columns
    ranges = (table.train[numbers].max() - table.train[numbers].min()).to_numpy(dtype=float)

    def closest(rows: pd.DataFrame) -> float:
        """Median over rows of the L1 distance to the nearest of the few; ranges are those of all rows."""
        rows = rows.iloc[:NEW_ROWS]
        gaps = np.abs(rows[numbers].to_numpy(dtype=float)[:, None] - few[numbers].to_numpy(dtype=float))
        distance = np.nansum(gaps / np.where(ranges > 0, ranges, 1.0), axis=2)
        for name in levels:
            old, new = (frame[name].astype(object).fillna("<missing>").to_numpy() for frame in (few, rows))
            distance += new[:, None] != old
        return float(np.median(distance.min(axis=1)))

    def judged(rows: pd.DataFrame) -> dict[str, float]:
        rows = rows[few.columns]
        return {
            "copies": round(float(exact_copies(rows, few).mean()), 4),
            "distance": round(closest(rows), 4),
            "right_class": round(
                float(oracle.predict_proba(features(rows.assign(**{target: rare})))[:, 1].mean()), 4
            ),
        }

    found = {"held-out real rows": judged(held_out), "rows of the other class": judged(noise)}
    for name, rows in _added(train, target, rare, levels, job).items():
        found[name] = judged(rows)
    return {"found": found, "peak_mb": own_peak_mb()}


def _added(
    train: pd.DataFrame, target: str, rare: Any, levels: dict[str, Any], job: dict[str, Any]
) -> dict[str, Any]:
    """Return new rows of the rare class from vaeaug, and from SMOTE where it can work."""
    from imblearn.over_sampling import SMOTE, SMOTENC

    from vaeaug import VAEAugmenter

    X, y = train.drop(columns=[target]), train[target]
    wanted = {rare: job["k"] + NEW_ROWS}
    augmenter = VAEAugmenter(random_state=job["seed"]).fit(X, y)
    found = {
        f"vaeaug, {method}": augmenter.resample(
            X, y, sampling_strategy=wanted, method=method, random_state=job["seed"]
        )[0].iloc[len(X) :]
        for method in ("auto", "prior", "interpolate")
    }
    if job["k"] > 1:
        neighbours = min(5, job["k"] - 1)
        plain = X.assign(**{c: X[c].astype(object).fillna("<missing>").astype(str) for c in levels})
        plain = plain.fillna(plain.median(numeric_only=True))
        sampler = (
            SMOTENC(list(levels), sampling_strategy=wanted, k_neighbors=neighbours, random_state=job["seed"])
            if levels
            else SMOTE(sampling_strategy=wanted, k_neighbors=neighbours, random_state=job["seed"])
        )
        new = sampler.fit_resample(plain, y)[0].iloc[len(X) :]
        # Categories that are no strings are given back as what they were; "<missing>" becomes a hole.
        own = {c: {str(v): v for v in X[c].dropna().unique()} for c in levels}
        found["SMOTE / SMOTENC"] = new.assign(**{c: new[c].map(own[c]) for c in levels})
    return found


def importing(job: dict[str, Any]) -> dict[str, Any]:
    """Time ``import vaeaug`` in this process, and say whether it imported torch."""
    began = time.perf_counter()
    import vaeaug

    package, torch = time.perf_counter() - began, "torch" in sys.modules
    _ = vaeaug.VAEAugmenter
    return {
        "seconds": round(package, 4),
        "torch": torch,
        "with_estimator": round(time.perf_counter() - began, 3),
    }


def demo(job: dict[str, Any]) -> dict[str, Any]:
    """Time the demo from the start of its process to the end."""
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "vaeaug", "demo", "-o", folder], check=True, capture_output=True
        )
        return {"seconds": round(time.perf_counter() - began, 1)}


def assessment(job: dict[str, Any]) -> dict[str, Any]:
    """Time ``assess`` with its defaults on a made table of numbers, and say what took it."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import HistGradientBoostingClassifier

    from vaeaug import assess

    rows, columns = job["rows"], job["columns"]
    X, y = make_classification(
        rows, columns, n_informative=8, weights=[0.95], flip_y=0.02, class_sep=0.8, random_state=job["seed"]
    )
    began = time.perf_counter()
    found = assess(HistGradientBoostingClassifier(random_state=0), X, y, n_jobs=2, random_state=0)
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "rare": int(y.sum()),
        "verdict": found.verdict,
        "arms": len(found.differences()),
        "folds": int(found.scores.index.get_level_values("fold").nunique()),
    }


JOBS = {
    "many_strings": many_strings,
    "tiny_minority": tiny_minority,
    "importing": importing,
    "demo": demo,
    "assessment": assessment,
}


def main(request: str, answer: str) -> None:
    job = json.loads(Path(request).read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = JOBS[job["job"]](job)
    Path(answer).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
