"""Measure vaeaug at its extremes: very many categories, hardly any rows of a class, start-up, ``assess``."""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import _bench as bench
import numpy as np
import pandas as pd
from _bench import Record

KEY = ("part", "table", "k", "seed", "repeat")
TABLES = ("adult", "magic_gamma", "online_shoppers")
FEW = (1, 2, 5, 10)
#: Rows of the minority class that are drawn and judged.
NEW_ROWS = 500
#: Rows of the other class.
COMMON_ROWS = 4000


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    yield from ({"part": "importing", "repeat": repeat} for repeat in range(5))
    yield {"part": "assessment", "seed": 0}
    yield {"part": "many_strings", "seed": 0}
    for table in TABLES[:1] if options.fast else TABLES:
        for k in FEW[1:2] if options.fast else FEW:
            for seed in options.seeds:
                yield {"part": "tiny_minority", "table": table, "k": k, "seed": seed}


def measure(cell: Record, options: argparse.Namespace) -> Record:
    sizes: Record = {}
    if cell["part"] == "many_strings":
        rows, distinct, seconds = (2000, 1000, 5.0) if options.fast else (200_000, 100_000, None)
        sizes = {"rows": rows, "distinct": distinct, "max_fit_seconds": seconds}
    elif cell["part"] == "assessment":
        sizes = {"rows": 10_000, "columns": 20, "folds": 5, "max_iter": "auto"}
        sizes |= {"rows": 200, "folds": 2, "max_iter": 1} if options.fast else {}
    load = bench.describe_machine()["load_average"]
    return sizes | bench.run_worker(f"limits:{cell['part']}", cell | sizes) | {"load_average": load}


# ---------------------------------------------------------------- jobs, each in a process of its own


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
    fit_s, _ = bench.time_call(augmenter.fit, table, label)
    sample_s, (X, _) = bench.time_call(lambda: augmenter.sample(rows, random_state=1))
    top = table["merchant"].value_counts(normalize=True)
    new = X["merchant"].value_counts(normalize=True)
    tail = top.index[1000:]
    return {
        "rows": rows,
        "distinct": distinct,
        "fit_s": round(fit_s, 1),
        "rows_per_s": round(rows / sample_s),
        "distinct_sampled": int(X["merchant"].nunique()),
        "never_seen": int((~X["merchant"].isin(top.index)).sum()),
        "share_of_tail": [round(float(top[tail].sum()), 4), round(float(new.reindex(tail).sum()), 4)],
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
        kept = rows.drop(columns=target, errors="ignore")
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

    def measure_distance(rows: pd.DataFrame) -> float:
        """Median over rows of the L1 distance to the nearest of the few; ranges are those of all rows."""
        rows = rows.iloc[:NEW_ROWS]
        gaps = np.abs(rows[numbers].to_numpy(dtype=float)[:, None] - few[numbers].to_numpy(dtype=float))
        distance = np.nansum(gaps / np.where(ranges > 0, ranges, 1.0), axis=2)
        for name in levels:
            old, new = (frame[name].astype(object).fillna("<missing>").to_numpy() for frame in (few, rows))
            distance += new[:, None] != old
        return float(np.median(distance.min(axis=1)))

    def judge(rows: pd.DataFrame) -> dict[str, float]:
        rows = rows[few.columns]
        return {
            "copies": round(float(exact_copies(rows, few).mean()), 4),
            "distance": round(measure_distance(rows), 4),
            "right_class": round(float(oracle.predict_proba(features(rows))[:, 1].mean()), 4),
        }

    real = {"held-out real rows": held_out, "rows of the other class": noise}
    made = real | _add_rows(train, target, rare, levels, job)
    return {"found": {name: judge(rows) for name, rows in made.items()}}


def _add_rows(
    train: pd.DataFrame, target: str, rare: Any, levels: dict[str, Any], job: dict[str, Any]
) -> dict[str, Any]:
    """Return new rows of the rare class from vaeaug, and from SMOTE where it can work."""
    from _table_generators import add_smote_rows

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
        plain = X.fillna(X.median(numeric_only=True))
        new, _ = add_smote_rows(plain, y, list(levels), wanted, job["seed"], min(5, job["k"] - 1))
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


def assessment(job: dict[str, Any]) -> dict[str, Any]:
    """Time ``assess`` with its defaults on a made table of numbers, and say what took it."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import HistGradientBoostingClassifier

    from vaeaug import VAEAugmenter, VAEOverSampler, assess

    rows, columns = job["rows"], job["columns"]
    X, y = make_classification(
        rows, columns, n_informative=8, weights=[0.95], flip_y=0.02, class_sep=0.8, random_state=job["seed"]
    )
    model = HistGradientBoostingClassifier(random_state=0)
    sampler = VAEOverSampler(VAEAugmenter(max_iter=job["max_iter"]))
    rest = {"sampler": sampler, "cv": job["folds"], "n_jobs": 2, "random_state": 0}
    seconds, found = bench.time_call(lambda: assess(model, X, y, **rest))
    return {
        "seconds": round(seconds, 1),
        "rare": int(y.sum()),
        "verdict": found.verdict,
        "arms": len(found.differences()),
        "folds": int(found.scores.index.get_level_values("fold").nunique()),
    }


# ---------------------------------------------------------------- report


def render(records: list[Record]) -> str:
    """Return the results as Markdown."""
    known = bench.group([record for record in records if "error" not in record], "part")
    parts = [bench.tell_conditions(records)]
    if starts := known.get("importing"):
        seconds = [r["seconds"] for r in starts]
        torch = "with" if any(r["torch"] for r in starts) else "without"
        parts.append(
            f"`import vaeaug`: {min(seconds):.3f} s (median of {len(seconds)} processes "
            f"{statistics.median(seconds):.3f} s), {torch} torch. With "
            "the estimator, which imports torch and pandas: "
            f"{min(r['with_estimator'] for r in starts):.1f} s."
        )
    for r in known.get("assessment", []):
        parts.append(
            f"`assess` of HistGradientBoosting on {r['rows']:,} rows × {r['columns']} columns, {r['rare']} "
            f"of them of the minority class: {r['arms']} strategies beside plain training, {r['folds']} "
            f"folds, n_jobs=2: {r['seconds']:.0f} s (limit 300; until {r['measured']}, load "
            f"{r['load_average']} at the start)."
        )
    for r in known.get("many_strings", []):
        real, made = r["share_of_tail"]
        parts.append(
            f"A column of {r['distinct']:,} distinct strings × {r['rows']:,} rows: fit {r['fit_s']} s, peak "
            f"memory {r['peak_mb']:,.0f} MB (limit 2,000), {r['rows_per_s']:,} rows/s. A sample of as many "
            f"rows holds {r['distinct_sampled']:,} of the strings and {r['never_seen']} others; strings "
            f"beyond the 1,000 most frequent make up {made:.1%} of it, {real:.1%} of the training rows."
        )
    parts.append(_tabulate(known.get("tiny_minority", [])))
    failed = bench.list_failures(records, KEY)
    return bench.join_sections({"": "\n\n".join(filter(None, parts)), "Not measured": failed})


def _tabulate(records: list[Record]) -> str:
    rows = []
    for (table, k), mine in bench.group(records, lambda r: (r["table"], r["k"])).items():
        held_out = statistics.fmean(r["found"]["held-out real rows"]["distance"] for r in mine)
        for name in mine[0]["found"]:
            copies, distance, right = (
                statistics.fmean(bench.look_up(r["found"][name], key) for r in mine)
                for key in ("copies", "distance", "right_class")
            )
            title = f"{table}, {k} row{'s' if k > 1 else ''}: {name}"
            rows.append([title, f"{copies:.1%}", f"{distance / held_out:.2f}", f"{right:.3f}"])
    header = ["minority class of k rows beside 4,000 rows of the other", "exact copies"]
    return bench.markdown_table([*header, "distance ÷ held-out's", "P(right class)"], rows)


DEFAULTS = {"threads": 2}
