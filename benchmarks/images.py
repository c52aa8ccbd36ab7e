"""Compare vaeaug's images with pythae's, and its augmentation with baselines, on the same cores.

The part *quality*: how good the images are, and after how long. *augmentation*: what they add for a
classifier of few images. A cell is a generator or a strategy of training, on one set, with one seed.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import _bench as bench
import numpy as np
from _bench import Record
from _image_sets import SETTINGS, UNLABELLED, ImageSet, hold_out, load_images, shrink, thin
from sklearn.metrics import recall_score

from vaeaug import Recipe

KEY = ("part", "set", "setting", "entrant", "variation", "strength", "seed")
SETS = ("fashion_mnist", "mnist", "letters")
REAL = "held-out images"
#: How vaeaug samples: codes from the prior, around real images, between them.
METHODS = ("prior", "posterior", "interpolate", "posterior+residual")
PEERS: dict[str, dict[str, Any]] = {
    "pythae VAE": {"model": "vae", "samplers": ("normal", "gmm")},
    "pythae RAE-L2": {"model": "rae", "samplers": ("gmm",)},
}
#: Made images behind each distance, and those of pythae's last point, from which a classifier learns.
SAMPLE, PEER_IMAGES = 5000, 20_000
#: Seconds of training after which pythae is looked at, the last of which ends it; max_fit_seconds of vaeaug.
MARKS, BUDGETS = [60.0, 120.0, 300.0, 600.0, 1200.0], [15.0, 30.0, 60.0, 120.0]
#: Fits that are bounded in seconds, and judged in full: of the set that decided nothing, no others.
LIMITED: dict[str, dict[str, float]] = {
    "fashion_mnist": {"vaeaug in 5 minutes": 300.0},
    "mnist": {"vaeaug in 2 minutes": 120.0},
    "letters": {"vaeaug in 90 seconds": 90.0},
}
#: Seeds of the tables; those on which baseline and variation are chosen by held-out training images.
TABLE_SEEDS, CHOICE_SEEDS = tuple(range(5)), (100, 101)
#: Strategies that need no generator; `_image_strategies.py` says what they do.
BASELINES: dict[str, tuple[str, ...]] = {
    "50 a class": (
        "RandAugment",
        "hard RandAugment",
        "RandAugment + CutMix",
        "RandAugment + MixUp",
        "plain",
    ),
    UNLABELLED: ("RandAugment", "hard RandAugment", "pseudo-labels", "FixMatch"),
    "imbalanced": (
        "RandAugment",
        "RandAugment + logit adjustment",
        "RandAugment + CutMix",
        "RandAugment + MixUp",
        "copies",
        "plain",
    ),
}
#: The opponents that are measured with all seeds of a table, beside the best one.
OPPONENTS = ("RandAugment", "hard RandAugment")
#: What vaeaug adds: to which strategy, how its variations are used, and their strength.
VARIATIONS: dict[str, tuple[tuple[str, str, float], ...]] = {
    "50 a class": (
        ("RandAugment", "new", 1),
        ("RandAugment", "pool", 1),
        ("RandAugment", "hard", 5),
        ("hard RandAugment", "random", 5),
    ),
    UNLABELLED: (
        ("hard RandAugment", "random", 5),
        ("RandAugment", "random", 5),
        ("FixMatch", "random", 5),
    ),
    "imbalanced": (
        ("RandAugment", "new", 1),
        ("RandAugment", "pool", 1),
        ("RandAugment + logit adjustment", "random", 5),
    ),
}
#: Settings of vaeaug for the thinned sets: epochs that take about a minute of one core.
FITS: dict[str, dict[str, Any]] = {
    "50 a class": {"max_iter": 60, "network": Recipe("convolutional", width=16)},
    UNLABELLED: {"max_fit_seconds": 300.0, "prior": "gaussian"},
    "imbalanced": {"max_iter": 8},
}


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    """Yield cells seed by seed, so that a slow hour meets all generators."""
    budgets = [5.0] if options.fast else BUDGETS
    for name in SETS[:1] if options.fast else SETS:
        quality = {"part": "quality", "set": name}
        yield quality | {"entrant": REAL, "seed": 0}
        for seed in options.seeds:
            others = ("vaeaug", *(f"vaeaug ({budget:g} s)" for budget in budgets), *PEERS)
            for entrant in (*LIMITED[name], *(others if name != "letters" else ())):
                yield quality | {"entrant": entrant, "seed": seed}
        for setting in SETTINGS if name != "letters" else ():
            yield from _list_strategies({"part": "augmentation", "set": name, "setting": setting}, options)


def _list_strategies(cell: Record, options: argparse.Namespace) -> Iterator[Record]:
    """Yield the cells of a choice, then those of what was chosen; other baselines have one seed."""
    choice_seeds, seeds = (CHOICE_SEEDS[:1], options.seeds) if options.fast else (CHOICE_SEEDS, TABLE_SEEDS)
    baselines = list_baselines(cell["set"], cell["setting"])
    varied = [
        cell | {"entrant": entrant, "variation": way, "strength": strength}
        for entrant, way, strength in VARIATIONS[cell["setting"]]
    ]
    for seed in choice_seeds:
        yield from (each | {"seed": seed} for each in (*baselines, *varied))
    records = bench.Records(options.out, KEY).read()
    best, chosen = (choose(records, each, options.fast) for each in (baselines, varied))
    entered = [each for each in baselines if each == best or each["entrant"] in OPPONENTS]
    for seed in seeds:
        yield from (each | {"seed": seed} for each in (*entered, chosen))
    yield from (each | {"seed": seeds[0]} for each in baselines if each not in entered)


def list_baselines(name: str, setting: str) -> list[Record]:
    """Return the cells of the baselines of a setting, without seeds."""
    cell = {"part": "augmentation", "set": name, "setting": setting}
    # What does not look at images without a label is measured once.
    shared = OPPONENTS if setting == UNLABELLED else ()
    return [
        cell | {"entrant": entrant} | ({"setting": "50 a class"} if entrant in shared else {})
        for entrant in BASELINES[setting]
    ]


def choose(records: list[Record], cells: list[Record], fast: bool) -> Record:
    """Return the best cell by held-out training images, the first one where nothing was measured on these.

    Cells with fewer seeds were given up before.
    """
    scored = []
    for cell in cells:
        mine = [r for r in records if r["seed"] in CHOICE_SEEDS and _match(r, cell | {"fast": fast})]
        found = [r["balanced_accuracy"] for r in mine if "error" not in r]
        scored.append((len(found), fmean(found or [0.0])))
    return cells[max(range(len(cells)), key=lambda k: scored[k])]


def _match(record: Record, cell: Record) -> bool:
    names = ("part", "set", "setting", "entrant", "variation", "strength", "fast")
    return all(record.get(name) == cell.get(name) for name in names)


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
        limit = LIMITED[cell["set"]].get(cell["entrant"])
        if limit is not None and not fast:
            settings["max_fit_seconds"] = limit
        job = {"methods": METHODS[:1] if budget or limit else METHODS, "settings": settings}
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
    """Train with one strategy, with or without variations."""
    from _image_strategies import STRATEGIES, Variation, read_images

    images = find_images(cell)
    task = build_task(images, cell, options.fast)
    record, variation = {}, None
    if cell.get("variation"):
        seed = 0 if cell["setting"] == UNLABELLED else cell["seed"]
        known = (cell["set"], cell["setting"], seed, options.fast, options.device)
        record["fit_s"], augmenter = fit_augmenter(*known)
        variation = Variation(augmenter, cell["variation"], cell["strength"])
    strategy = STRATEGIES[cell["entrant"]]
    record["train_s"], labels = bench.time_call(read_images, task, strategy, variation)
    recalls = recall_score(images.test_labels, labels, average=None)
    return record | {
        "balanced_accuracy": round(float(np.mean(recalls)), 5),
        "recalls": [round(float(recall), 4) for recall in recalls],
    }


def find_images(cell: Record) -> ImageSet:
    """Return the images of a cell; for a choice, training images take the place of test images."""
    images = load_images(cell["set"])
    return hold_out(images) if cell["seed"] in CHOICE_SEEDS else images


def build_task(images: ImageSet, cell: Record, fast: bool) -> Any:
    """Return what a strategy gets to know."""
    from _image_strategies import Task

    counts = SETTINGS[cell["setting"]]
    if fast:
        counts = tuple(max(6, count // 100) for count in counts)
    rows = thin(images, counts, cell["seed"])
    others = np.setdiff1d(np.arange(len(images.train)), rows)
    return Task(
        images.train[rows],
        images.train_labels[rows],
        unlabelled=images.train[others if cell["setting"] == UNLABELLED else others[:0]],
        test=images.test,
        flip=images.name == "fashion_mnist",
        seed=cell["seed"],
        fast=fast,
    )


@lru_cache(maxsize=1)
def fit_augmenter(name: str, setting: str, seed: int, fast: bool, device: str) -> tuple[float, Any]:
    """Return the seconds of a fit, and the augmenter; cells that only use it otherwise share it.

    Where there are images without a label it learns from these alone, once for all seeds.
    """
    from vaeaug import VAEAugmenter

    settings = {"max_iter": 1} if fast else FITS[setting]
    augmenter = VAEAugmenter(device=device, random_state=seed, **settings)
    if setting == UNLABELLED:
        images = hold_out(load_images(name)).train
        return bench.time_call(augmenter.fit, images[:200] if fast else images)
    cell = {"set": name, "setting": setting, "seed": seed}
    task = build_task(find_images(cell), cell, fast)
    return bench.time_call(augmenter.fit, task.images, task.labels)


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
        if point["sampler"] in ("prior", "normal", "gmm")
        and not record["entrant"].startswith(("vaeaug with", "vaeaug in"))
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


def _tabulate_strategies(records: list[Record], name: str, setting: str) -> str:
    """Return the table of test images, and that of the held-out training images by which was chosen."""
    baselines = list_baselines(name, setting)
    fast = any(r["fast"] for r in records)
    mine = [
        r
        for r in records
        if (r["set"], r.get("setting")) == (name, setting)
        or any(_match(r, b | {"fast": fast}) for b in baselines)
    ]
    mine = [r for r in mine if "error" not in r and r["fast"] == fast]
    if not mine:
        return ""
    best = choose(mine, baselines, fast)
    chosen = bench.group([r for r in mine if r["seed"] in CHOICE_SEEDS], name_strategy)
    tested = bench.group([r for r in mine if r["seed"] not in CHOICE_SEEDS], name_strategy)
    opponents = [who for who in dict.fromkeys([best["entrant"], *OPPONENTS]) if who in tested]
    accuracy, rows = bench.Column("", "balanced_accuracy", 2, 100), []
    for who, found in tested.items():
        gains = [
            "–" if who == other else bench.compare_seeds(found, tested[other], "balanced_accuracy", 100)
            for other in opponents
        ]
        rows.append([who, accuracy.show(found), str(len(found)), *gains])
    header = ["test images", "balanced accuracy", "seeds", *(f"− {who}, 95 % interval" for who in opponents)]
    choice = [[who, accuracy.show(found), str(len(found))] for who, found in chosen.items()]
    parts = [
        bench.markdown_table(header, rows),
        bench.markdown_table(["held-out training images", *header[1:3]], choice),
    ]
    if len(set(BASELINES[setting]) & set(chosen)) > 1:
        parts.append(f"Best baseline by held-out training images: {best['entrant']}.")
    return "\n\n".join(filter(None, parts))


def name_strategy(record: Record) -> str:
    """Return how the tables call a strategy."""
    if not record.get("variation"):
        return record["entrant"]
    return f"{record['entrant']} + vaeaug {record['variation']}, strength {record['strength']:g}"


DEFAULTS = {"threads": 2}
