"""Compare vaeaug's images with pythae's, and its augmentation with baselines, on the same cores.

The part *quality*: how good the images are, and after how long. *augmentation*: what they add for a
classifier of few images. A cell is a generator or a strategy of training, on one set, with one seed.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from statistics import fmean
from typing import Any

import _bench as bench
import numpy as np
from _bench import Record
from _image_sets import SETTINGS, load_images, shrink, thin
from sklearn.metrics import recall_score

KEY = ("part", "set", "setting", "entrant", "seed")
SETS = ("mnist", "fashion_mnist")
REAL = "held-out images"
#: How vaeaug samples: codes from the prior, around real images, between them.
METHODS = ("prior", "posterior", "interpolate", "posterior+residual")
PEERS: dict[str, dict[str, Any]] = {
    "pythae VAE": {"model": "vae", "samplers": ("normal", "gmm")},
    "pythae RAE-L2": {"model": "rae", "samplers": ("gmm",)},
}
#: Strategies that need no generator, in the order of the table; `_image_strategies.py` says what they do.
BASELINES = (
    "plain",
    "class weights",
    "oversampling",
    "oversampling + RandAugment",
    "oversampling + TrivialAugment",
    "oversampling + MixUp",
)
#: Made images behind each distance, and those of pythae's last point, from which a classifier learns.
SAMPLE, PEER_IMAGES = 5000, 20_000
#: Seconds of training after which pythae is looked at, the last of which ends it; max_fit_seconds of vaeaug.
MARKS, BUDGETS = [60.0, 120.0, 300.0, 600.0, 1200.0], [15.0, 30.0, 60.0, 120.0]
#: How vaeaug joins the best baseline: the way to sample, and the largest share of made images in a class.
METHOD, SHARE = "posterior+residual", 0.5
#: Settings of vaeaug for the thinned sets: epochs that take about a minute of one core.
FITS: dict[str, dict[str, Any]] = {"imbalanced": {"max_iter": 8}, "50 a class": {"max_iter": 60}}


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    """Yield cells seed by seed, so that a slow hour meets all generators."""
    budgets = [5.0] if options.fast else BUDGETS
    for name in SETS[:1] if options.fast else SETS:
        quality = {"part": "quality", "set": name}
        yield quality | {"entrant": REAL, "seed": 0}
        for seed in options.seeds:
            for entrant in ("vaeaug", *(f"vaeaug ({budget:g} s)" for budget in budgets), *PEERS):
                yield quality | {"entrant": entrant, "seed": seed}
        for setting in SETTINGS:
            cell = {"part": "augmentation", "set": name, "setting": setting}
            seeds = options.seeds if options.fast else range(5)
            for seed in seeds:
                yield from (cell | {"entrant": strategy, "seed": seed} for strategy in BASELINES)
            # The opponent is chosen by its scores on the test images, which can only favour it.
            best = find_best_baseline(bench.Records(options.out, KEY).read(), name, setting, options.fast)
            if best:
                yield from (
                    cell | {"entrant": f"{best} + vaeaug {METHOD}:{SHARE}", "seed": seed} for seed in seeds
                )


def measure(cell: Record, options: argparse.Namespace) -> Record:
    if cell["part"] == "augmentation":
        return _measure_strategy(cell, options)
    judge = judge_of(cell["set"], options.fast)
    if cell["entrant"] == REAL:
        return {"points": [{"sampler": "", "seconds": 0.0} | judge.measure_reference()]}
    return _measure_quality(judge, cell, options)


# ---------------------------------------------------------------- quality of the images


@cache
def judge_of(name: str, fast: bool) -> Any:
    from _image_judge import FAST, QUALITY, Judge

    images, budget = load_images(name), FAST if fast else QUALITY[name]
    return Judge(shrink(images, 300, 200) if fast else images, 200 if fast else SAMPLE, budget, budget)


def _measure_quality(judge: Any, cell: Record, options: argparse.Namespace) -> Record:
    images, fast = judge.images, options.fast
    # The curve needs distances only; the last point of each sampler is judged in full.
    budget, peer = "(" in cell["entrant"], PEERS.get(cell["entrant"])
    if peer:
        job = peer | {"marks": [2.0, 4.0] if fast else MARKS, "batch": 100, "gmm_images": 10_000}
        job |= {"images": 200 if fast else SAMPLE, "last_images": 200 if fast else PEER_IMAGES}
    else:
        settings: Record = {"max_iter": 2} if fast else {}
        if budget:
            settings["max_fit_seconds"] = float(cell["entrant"].split("(")[1].split()[0])
        job = {"methods": METHODS[:1] if budget else METHODS, "settings": settings}
        job["images"] = 300 if fast else len(images.train)
    with tempfile.TemporaryDirectory() as folder:
        record = _generate(job, images.train, images.train_labels, cell, options, folder)
        for point in record.get("points", []):
            held = np.load(point.pop("made"))
            full = point.get("last", not budget)
            point |= judge.measure_likeness(held["images"], copying=full)
            if full:
                point |= judge.train_synthetic(held["images"], held.get("labels"))
    return record


def _generate(
    job: Record, X: np.ndarray, y: np.ndarray, cell: Record, options: argparse.Namespace, folder: str
) -> Record:
    """Let a generator learn from images, in a process of its own."""
    np.savez(Path(folder) / "train.npz", images=X, labels=y)
    job |= {"device": options.device, "seed": cell["seed"], "folder": folder}
    python = options.peer_python if "model" in job else sys.executable
    return bench.run_worker("_image_generators:generate", job, python=python)


# ---------------------------------------------------------------- worth for a classifier


def _measure_strategy(cell: Record, options: argparse.Namespace) -> Record:
    """Train with one strategy, with or without made images."""
    from _image_strategies import train_classifier

    images = load_images(cell["set"])
    counts = SETTINGS[cell["setting"]]
    if options.fast:
        counts = tuple(max(6, count // 100) for count in counts)
    X, y = thin(images, counts, cell["seed"])
    strategy, _, with_made = cell["entrant"].partition(" + vaeaug ")
    record: Record = {}
    pool = None
    if with_made:
        # No class gets more than its share of the largest, or of the size to which small classes grow.
        total = max(int(np.bincount(y).max()), 10 * int(np.bincount(y).min()))
        job = {"settings": {"max_iter": 2} if options.fast else FITS[cell["setting"]], "methods": [METHOD]}
        job |= {"images": math.ceil(SHARE * total) * len(np.unique(y)), "balanced": True}
        with tempfile.TemporaryDirectory() as folder:
            made = _generate(job, X, y, cell, options, folder)
            if "error" in made:
                return made
            record["fit_s"] = made["points"][0]["seconds"]
            held = np.load(made["points"][0]["made"])
            pool = (held["images"], held["labels"], SHARE)
    rest = {"pool": pool, "seed": cell["seed"], "fast": options.fast}
    train = partial(train_classifier, X, y, strategy, **rest)
    record["train_s"], fitted = bench.time_call(train)
    recalls = recall_score(images.test_labels, fitted.predict(images.test), average=None)
    return record | {
        "balanced_accuracy": round(float(np.mean(recalls)), 5),
        "recalls": [round(float(recall), 4) for recall in recalls],
    }


# ---------------------------------------------------------------- report

QUALITY = (
    bench.Column("train s", "seconds", 0),
    bench.Column("CPU s", "cpu_s", 0),
    bench.Column("images/s", "images_per_s", 0),
    bench.Column("Fréchet", "frechet", 1),
    bench.Column("precision", "precision", 3),
    bench.Column("recall", "recall", 3),
    bench.Column("density", "density", 3),
    bench.Column("coverage", "coverage", 3),
    bench.Column("copying %", "copying", 2, 100),
    bench.Column("… pixels %", "copying_pixels", 2, 100),
    bench.Column("TSTR %", "tstr", 2, 100),
    bench.Column("of images", "tstr_images", 0),
)
TIMES_NOTE = (
    "Seconds of training: all of `fit` for vaeaug; for the peer its optimiser steps only, not the fit of its "
    "mixture. The last column compares the best within the time that the peer was watched. Nothing is "
    "extrapolated: where the peer was still improving at the end, its time to any better distance is at "
    "least what is shown."
)


def render(records: list[Record]) -> str:
    """Return the results as Markdown."""
    sections = {"": bench.tell_conditions(records)}
    for name, mine in bench.group(records, "set").items():
        quality = [r for r in mine if r["part"] == "quality" and "points" in r]
        sections[f"{name}: quality"] = "\n\n".join(
            filter(None, [_tabulate_quality(quality), _compare_times(quality)])
        )
        for setting in dict.fromkeys(r["setting"] for r in mine if r.get("setting")):
            sections[f"{name}, {setting}: balanced accuracy, %"] = _tabulate_strategies(
                records, name, setting
            )
    sections["Not measured"] = bench.list_failures(records, KEY)
    return bench.join_sections(sections)


def _tabulate_quality(quality: list[Record]) -> str:
    """Return a row for each (generator, sampler) that was judged in full."""
    points: dict[str, list[Record]] = {}
    for record in quality:
        for point in record["points"]:
            if point.get("last", True) and "(" not in record["entrant"]:
                who = f"*{REAL}*" if record["entrant"] == REAL else f"{record['entrant']}, {point['sampler']}"
                points.setdefault(who, []).append(point)
    rows = [[who, *(column.show(mine) for column in QUALITY)] for who, mine in points.items()]
    for row in rows:
        if row[0] == f"*{REAL}*":
            row[1], row[-2] = "–", f"{100 * points[row[0]][0]['accuracy']:.2f} (trained on real)"
    return bench.markdown_table(["", *(column.title for column in QUALITY)], rows)


def read_curves(quality: list[Record]) -> dict[str, list[tuple[float, float]]]:
    """Return (seconds, Fréchet distance) of each peer and of vaeaug, from its prior and with its defaults."""
    curves: dict[str, list[tuple[float, float]]] = {}
    points = (
        (point["seconds"], point["frechet"], record["entrant"], point["sampler"])
        for record in quality
        for point in record["points"]
        if point["sampler"] in ("prior", "normal", "gmm") and not record["entrant"].startswith("vaeaug with")
    )
    for seconds, distance, who, sampler in sorted(points):
        name = "vaeaug" if who.startswith("vaeaug") else f"{who}, {sampler}"
        curves.setdefault(name, []).append((seconds, distance))
    return curves


def _compare_times(quality: list[Record]) -> str:
    """Say how soon vaeaug is as good as each peer ever was, and how both stand at equal time."""
    curves = read_curves(quality)
    ours = curves.get("vaeaug")
    rows = []
    for who, theirs in curves.items() if ours else ():
        if who == "vaeaug":
            continue
        best, at = min((distance, seconds) for seconds, distance in theirs)
        last = max(seconds for seconds, _ in theirs)
        after = f"not reached (best {min(distance for _, distance in ours):.1f})"
        if reached := [seconds for seconds, distance in ours if distance <= best]:
            after = f"{min(reached):,.0f} s: 1/{at / min(reached):.1f} of the time"
        in_time = [distance for seconds, distance in ours if seconds <= last]
        ratio = f"{min(in_time) / best:.2f}" if in_time else "–"
        rows.append([who, f"{best:.1f}", f"{at:,.0f}", f"{last:,.0f}", after, ratio])
    if not rows:
        return ""
    header = ["", "its best Fréchet", "after s", "watched s", "vaeaug's prior as good after"]
    table = bench.markdown_table([*header, "vaeaug's best ÷ its"], rows)
    steps = "\n".join(
        f"- {who}: " + ", ".join(f"{distance:.1f} ({seconds:,.0f} s)" for seconds, distance in points)
        for who, points in curves.items()
    )
    return "\n\n".join([table, TIMES_NOTE, "Fréchet distance (after seconds of training):", steps])


def find_best_baseline(records: list[Record], name: str, setting: str, fast: bool = False) -> str:
    """Return the baseline with the highest mean balanced accuracy, if one was measured."""
    found = _group_strategies(records, name, setting, fast)
    known = [strategy for strategy in found if strategy in BASELINES]
    return max(known, key=lambda each: fmean(r["balanced_accuracy"] for r in found[each]), default="")


def _group_strategies(records: list[Record], name: str, setting: str, fast: bool) -> dict[str, list[Record]]:
    mine = [r for r in records if (r["set"], r.get("setting"), r["fast"]) == (name, setting, fast)]
    return bench.group([r for r in mine if "error" not in r], "entrant")


def _tabulate_strategies(records: list[Record], name: str, setting: str) -> str:
    fast = any(r["fast"] for r in records if r["set"] == name and r.get("setting") == setting)
    best = find_best_baseline(records, name, setting, fast)
    if not best:
        return ""
    found = _group_strategies(records, name, setting, fast)
    accuracy, rows = bench.Column("", "balanced_accuracy", 2, 100), []
    for strategy, mine in found.items():
        gain = bench.compare_seeds(mine, found[best], "balanced_accuracy", 100)
        rows.append([strategy, accuracy.show(mine), str(len(mine)), gain])
        if strategy == best:
            rows[-1][-1] = "*best baseline*"
    return bench.markdown_table(["", "balanced accuracy", "seeds", "− best baseline, 95 % interval"], rows)


DEFAULTS = {"threads": 2}
