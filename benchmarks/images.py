"""Compare vaeaug's images with pythae's, and its augmentation with baselines, on the same cores.

    python benchmarks/run.py images quality --peer-python PATH    how good the images are, and after how long
    python benchmarks/run.py images augmentation                  what they add for a classifier of few images
    python benchmarks/run.py images --render                      write all results into benchmarks/images.md

A cell is a generator or a strategy of training, on one set, with one seed.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import _bench as bench
import numpy as np
from _bench import Record
from _image_sets import SETTINGS, ImageSet, load_images, shrink, thin

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
#: Settings of vaeaug for the thinned sets: epochs that take about a minute of one core.
FITS: dict[str, dict[str, Any]] = {"imbalanced": {"max_iter": 8}, "50 a class": {"max_iter": 60}}


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    """Yield cells seed by seed, so that a slow hour meets all generators."""
    seeds = options.seeds or ([0] if options.part == "quality" else range(5))
    for name in options.sets:
        if options.part == "augmentation":
            yield from _list_strategies(name, seeds, options)
            continue
        quality = {"part": "quality", "set": name}
        yield quality | {"entrant": REAL, "seed": 0}
        for seed in seeds:
            for entrant in options.entrants:
                yield quality | {"entrant": entrant, "seed": seed}
                if entrant == "vaeaug":
                    for budget in [5.0] if options.fast else options.budgets:
                        yield quality | {"entrant": f"vaeaug ({budget:g} s)", "seed": seed}


def _list_strategies(name: str, seeds: Any, options: argparse.Namespace) -> Iterator[Record]:
    for setting in options.augment_settings:
        cell = {"part": "augmentation", "set": name, "setting": setting}
        for seed in seeds:
            for strategy in options.strategies:
                yield cell | {"entrant": strategy, "seed": seed}
        # The opponent is chosen by its scores on the test images, which can only favour it.
        best = find_best_baseline(bench.Records(options.out, KEY).read(), name, setting, options.fast)
        for seed in seeds:
            for spec in options.vaeaug:
                yield cell | {"entrant": f"{best} + vaeaug {spec}", "seed": seed}


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
    return Judge(shrink(images, 2000, 400) if fast else images, 200 if fast else SAMPLE, budget, budget)


def _measure_quality(judge: Any, cell: Record, options: argparse.Namespace) -> Record:
    job, python = _describe_job(judge.images, cell, options)
    with tempfile.TemporaryDirectory() as folder:
        train = Path(folder) / "train.npz"
        np.savez(train, images=judge.images.train, labels=judge.images.train_labels)
        record = bench.run_worker(
            "_image_generators:generate",
            job | {"train": str(train), "folder": folder},
            python=python,
            threads=options.threads,
            timeout=options.timeout,
        )
        for point in record.get("points", []):
            held = np.load(point.pop("made"))
            # The curve needs distances only; the last point of each sampler is judged in full.
            full = point.get("last", "(" not in cell["entrant"])
            point |= judge.measure_likeness(held["images"], copying=full)
            if full:
                point |= judge.train_synthetic(held["images"], held.get("labels"))
    return record


def _describe_job(images: ImageSet, cell: Record, options: argparse.Namespace) -> tuple[Record, str]:
    """Return what a generator is asked for, and the Python that runs it."""
    job: Record = {"device": options.device, "seed": cell["seed"]}
    if cell["entrant"] in PEERS:
        few = 200 if options.fast else SAMPLE
        marks = [2.0, 4.0] if options.fast else options.marks
        job |= PEERS[cell["entrant"]] | {"marks": marks, "batch": 100, "gmm_images": 10_000, "images": few}
        return job | {"last_images": 200 if options.fast else PEER_IMAGES}, options.peer_python
    settings: Record = {"max_iter": 2} if options.fast else {}
    job |= {"images": 300 if options.fast else len(images.train), "methods": METHODS, "settings": settings}
    if "(" in cell["entrant"]:
        job["methods"] = ["prior"]
        settings["max_fit_seconds"] = float(cell["entrant"].split("(")[1].split()[0])
    return job, sys.executable


# ---------------------------------------------------------------- worth for a classifier


def _measure_strategy(cell: Record, options: argparse.Namespace) -> Record:
    """Train with one strategy, with or without made images."""
    from _image_strategies import STRATEGIES, Synthetic, train_classifier

    images = load_images(cell["set"])
    counts = SETTINGS[cell["setting"]]
    if options.fast:
        counts = tuple(max(6, count // 100) for count in counts)
    X, y = thin(images, counts, cell["seed"])
    strategy, _, spec = cell["entrant"].partition(" + vaeaug ")
    record: Record = {}
    synthetic = Synthetic.parse(spec) if spec else None
    with tempfile.TemporaryDirectory() as folder:
        pool = None
        if synthetic is not None:
            made = _make_pool(X, y, synthetic, cell, options, folder)
            if "error" in made:
                return made
            record["fit_s"] = made["points"][0]["seconds"]
            held = np.load(made["points"][0]["made"])
            pool = (held["images"], held["labels"])
        rest = {"pool": pool, "synthetic": synthetic, "seed": cell["seed"], "fast": options.fast}
        record["train_s"], fitted = bench.time_call(
            lambda: train_classifier(X, y, STRATEGIES[strategy], **rest)
        )
    predicted = fitted.predict(images.test)
    recalls = [float(np.mean(predicted[images.test_labels == k] == k)) for k in np.unique(images.test_labels)]
    return record | {
        "balanced_accuracy": round(float(np.mean(recalls)), 5),
        "recalls": [round(recall, 4) for recall in recalls],
    }


def _make_pool(
    X: np.ndarray, y: np.ndarray, synthetic: Any, cell: Record, options: argparse.Namespace, folder: str
) -> Record:
    """Fit vaeaug on a thinned set, and make as many images as a class may get, of each class."""
    # No class gets more than its share of the largest, or of the size to which small classes grow.
    total = max(int(np.bincount(y).max()), 10 * int(np.bincount(y).min()))
    np.savez(Path(folder) / "train.npz", images=X, labels=y)
    job = {
        "settings": {"max_iter": 2} if options.fast else FITS[cell["setting"]],
        "methods": [synthetic.method],
        "device": options.device,
        "seed": cell["seed"],
        "train": str(Path(folder) / "train.npz"),
        "folder": folder,
        "images": math.ceil(synthetic.share * total) * len(np.unique(y)),
        "balanced": True,
    }
    limits = {"threads": options.threads, "timeout": options.timeout}
    return bench.run_worker("_image_generators:generate", job, **limits)


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
CHOICES = (
    bench.Column("images/CPU s", "images_per_cpu_s", 0),
    bench.Column("Fréchet", "frechet", 1),
    bench.Column("… of reconstructions", "reconstruction_frechet", 1),
    bench.Column("read as their class %", "own_class", 1, 100),
    bench.Column("TSTR %", "tstr", 2, 100),
    bench.Column("… pixels copying %", "copying_pixels", 1, 100),
)
CHOICES_NOTE = (
    "Fits of one seed on 20,000 images, 5 epochs of the networks; TSTR of 20,000 made images and 4 epochs of "
    "a judge that gets 92.2 % on real Fashion-MNIST. This judge is another one and the images are fewer: "
    "compare distances within this table only."
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
    tried = [record for record in records if record["part"] == "choice"]
    choices = bench.summarize(bench.group(tried, lambda r: f"{r['set']}: {r['entrant']}"), CHOICES)
    sections["What the defaults were chosen from"] = choices and f"{CHOICES_NOTE}\n\n{choices}"
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
    points = []
    for record in quality:
        who = record["entrant"]
        if who == REAL or who.startswith("vaeaug with"):
            continue
        for point in record["points"]:
            if point["sampler"] in ("prior", "normal", "gmm"):
                name = "vaeaug" if who.startswith("vaeaug") else f"{who}, {point['sampler']}"
                points.append((point["seconds"], point["frechet"], name))
    curves: dict[str, list[tuple[float, float]]] = {}
    for seconds, distance, name in sorted(points):
        curves.setdefault(name, []).append((seconds, distance))
    return curves


def _compare_times(quality: list[Record]) -> str:
    """Say how soon vaeaug is as good as each peer ever was, and how both stand at equal time."""
    curves = read_curves(quality)
    ours = curves.get("vaeaug", [])
    rows = []
    for who, theirs in curves.items():
        if who == "vaeaug" or not ours:
            continue
        best, at = min((distance, seconds) for seconds, distance in theirs)
        reached = [seconds for seconds, distance in ours if distance <= best]
        if reached:
            first = min(reached)
            after = f"{first:,.0f} s: 1/{at / first:.1f} of the time"
        else:
            after = f"not reached (best {min(distance for _, distance in ours):.1f})"
        last = max(seconds for seconds, _ in theirs)
        in_time = [distance for seconds, distance in ours if seconds <= last]
        ratio = f"{min(in_time) / best:.2f}" if in_time else "–"
        rows.append([who, f"{best:.1f}", f"{at:,.0f}", f"{last:,.0f}", after, ratio])
    if not rows:
        return ""
    header = ["", "its best Fréchet", "after s", "watched s", "vaeaug's prior as good after"]
    steps = "\n".join(
        f"- {who}: " + ", ".join(f"{distance:.1f} ({seconds:,.0f} s)" for seconds, distance in points)
        for who, points in curves.items()
    )
    return "\n\n".join(
        [
            bench.markdown_table([*header, "vaeaug's best ÷ its"], rows),
            TIMES_NOTE,
            "Fréchet distance (after seconds of training):",
            steps,
        ]
    )


def find_best_baseline(records: list[Record], name: str, setting: str, fast: bool = False) -> str:
    """Return the baseline with the highest mean balanced accuracy."""
    scores = _read_scores(records, name, setting, fast)
    known = [strategy for strategy in scores if strategy in BASELINES]
    if not known:
        raise SystemExit(f"{name}, {setting}: measure baselines first (--strategies).")
    return max(known, key=lambda strategy: fmean(scores[strategy].values()))


def _read_scores(records: list[Record], name: str, setting: str, fast: bool) -> dict[str, dict[int, float]]:
    """Return strategy -> seed -> balanced accuracy in percent."""
    found: dict[str, dict[int, float]] = {}
    for r in records:
        if (r["set"], r.get("setting"), r["fast"]) == (name, setting, fast) and "error" not in r:
            found.setdefault(r["entrant"], {})[r["seed"]] = 100 * r["balanced_accuracy"]
    return found


def _tabulate_strategies(records: list[Record], name: str, setting: str) -> str:
    fast = any(r["fast"] for r in records if r["set"] == name and r.get("setting") == setting)
    scores = _read_scores(records, name, setting, fast)
    if not set(scores) & set(BASELINES):
        return ""
    best = find_best_baseline(records, name, setting, fast)
    rows = []
    for strategy, found in scores.items():
        gain = "*best baseline*" if strategy == best else bench.compare_seeds(found, scores[best])
        rows.append([strategy, bench.spread(found.values()), str(len(found)), gain])
    return bench.markdown_table(["", "balanced accuracy", "seeds", "− best baseline, 95 % interval"], rows)


OPTIONS: dict[str, dict[str, Any]] = {
    "part": {"nargs": "?", "default": "quality", "choices": ["quality", "augmentation"]},
    "--sets": {"nargs": "+", "default": list(SETS), "choices": SETS},
    "--entrants": {"nargs": "+", "default": ["vaeaug", *PEERS], "choices": ["vaeaug", *PEERS]},
    "--marks": {
        "nargs": "+",
        "type": float,
        "default": [60, 120, 300, 600, 1200],
        "help": "seconds of training after which pythae is looked at; the last ends its training",
    },
    "--budgets": {
        "nargs": "*",
        "type": float,
        "default": [15, 30, 60, 120],
        "help": "max_fit_seconds of further fits",
    },
    "--augment-settings": {"nargs": "+", "default": list(SETTINGS), "choices": list(SETTINGS)},
    "--strategies": {"nargs": "*", "default": list(BASELINES), "choices": BASELINES},
    "--vaeaug": {
        "nargs": "*",
        "default": ["posterior+residual:0.5"],
        "help": "method:share of made images, each added to the best baseline",
    },
}
DEFAULTS = {"seeds": None, "threads": 2, "timeout": 7200.0}
