"""Compare vaeaug's images with pythae's, and its augmentation with simple recipes, on the same cores.

    python benchmarks/images.py quality --peer-python PATH    how good the images are, and after how long
    python benchmarks/images.py augmentation                  what they add for a classifier of few images
    python benchmarks/images.py --render                      write all results into benchmarks/README.md

Each cell (a generator or a recipe, on one set, with one seed) is one line of
benchmarks/results/images.jsonl. Cells that are there are not measured again, so a run may be stopped
and continued, or done in pieces; delete a line to measure it anew.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _common import README, RESULTS, inject, machine, now, run_worker, versions
from _image_sets import SETTINGS, ImageSet, cache_folder, load_images, shrink, thin
from _images_report import best_simple, render

WORKER = Path(__file__).with_name("_image_entrants.py")
SETS = ("mnist", "fashion_mnist", "cifar10", "pneumoniamnist")

#: How vaeaug samples: codes from the prior, around real images, between them; and with what the
#: reconstruction lost added back.
METHODS = ("prior", "posterior", "interpolate", "posterior+residual", "interpolate+residual")
ENTRANTS: dict[str, dict[str, Any]] = {
    "vaeaug": {"entrant": "vaeaug", "settings": {}, "methods": METHODS},
    "pythae VAE": {"entrant": "pythae", "model": "vae", "samplers": ("normal", "gmm")},
    "pythae RAE-L2": {"entrant": "pythae", "model": "rae", "samplers": ("gmm",)},
}

#: Made images behind each distance.
SAMPLE = 5000

#: Settings of vaeaug for the thinned sets: epochs that take about a minute of one core.
FITS: dict[str, dict[str, Any]] = {"imbalanced": {"max_iter": 8}, "50 a class": {"max_iter": 60}}


def main() -> None:
    options = _options()
    if options.render:
        inject(README, "images", render(read_lines(options.out)))
        return
    if options.fast:
        _make_fast(options)
    {"quality": _quality, "augmentation": _augmentation}[options.part](options)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the records of a results file; of a cell measured twice the later line counts."""
    if not path.exists():
        return []
    records = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return list({_key(record): record for record in records}.values())


def append_line(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lines:
        lines.write(json.dumps(record, ensure_ascii=False) + "\n")


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record.get(name) for name in ("part", "set", "setting", "entrant", "seed", "fast"))


def _missing(options: argparse.Namespace, cell: dict[str, Any]) -> bool:
    """Whether a cell is still to be measured; failed cells are."""
    done = {_key(record) for record in read_lines(options.out) if "error" not in record}
    return _key(cell | {"fast": options.fast}) not in done


def _store(options: argparse.Namespace, record: dict[str, Any], line: str) -> None:
    facts = {
        "fast": options.fast,
        "threads": options.threads,
        "device": options.device,
        "measured": now(),
        "machine": machine(),
        "judge": versions(["vaeaug", "torch", "torchvision", "scikit-learn", "numpy"]),
    }
    append_line(options.out, record | facts)
    print(f"{record['set']:14} {record['entrant']:34} seed {record['seed']}: {line}", flush=True)


# ---------------------------------------------------------------- quality of the images


def _quality(options: argparse.Namespace) -> None:
    for name in options.sets:
        images = _loaded(name, options)
        cells = list(_quality_cells(images, options))
        if not any(_missing(options, cell) for cell, _ in cells):
            continue
        from _image_judge import Judge

        _limit_threads(options.threads)
        judge = Judge(images, options.sample, options.fast)
        real = {"part": "quality", "set": name, "entrant": "held-out images", "seed": 0}
        if _missing(options, real):
            record = real | {"points": [{"sampler": "", "seconds": 0.0} | judge.reference()]}
            _store(options, record, f"{record['points'][0]}")
        for cell, job in cells:
            if _missing(options, cell):
                _measure(images, judge, cell, job, options)


def _quality_cells(
    images: ImageSet, options: argparse.Namespace
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield (cell, job): seed by seed, so that a slow hour meets all entrants."""
    common = {"device": options.device, "images": options.sample}
    for seed in options.seeds:
        for entrant in options.entrants:
            name = options.name if entrant == "vaeaug" else entrant
            cell = {"part": "quality", "set": images.name, "entrant": name, "seed": seed}
            job = dict(ENTRANTS[entrant]) | common | {"seed": seed}
            if job["entrant"] == "pythae":
                job |= {"marks": options.marks, "batch": 100, "gmm_images": 10_000}
                yield cell, job | {"last_images": options.peer_images}
                continue
            job |= {"settings": options.settings, "methods": options.methods}
            yield cell, job | {"images": options.made_images or len(images.train)}
            for budget in options.budgets:
                limited = job | {
                    "methods": ["prior"],
                    "settings": job["settings"] | {"max_fit_seconds": budget},
                }
                yield cell | {"entrant": f"{name} ({budget:g} s)"}, limited


def _measure(
    images: ImageSet, judge: Any, cell: dict[str, Any], job: dict[str, Any], options: argparse.Namespace
) -> None:
    python = sys.executable if job["entrant"] == "vaeaug" else options.peer_python
    with tempfile.TemporaryDirectory() as folder:
        train = Path(folder) / "train.npz"
        np.savez(train, images=images.train, labels=images.train_labels)
        job = job | {"train": str(train), "folder": folder}
        record = cell | run_worker(
            WORKER, job, python=python, threads=options.threads, timeout=options.timeout
        )
        for point in record.get("points", []):
            held = np.load(point.pop("made"))
            # The curve needs distances only; the last point of each sampler is judged in full.
            full = point.get("last", "(" not in cell["entrant"])
            point |= judge.likeness(held["images"], copying=full)
            if full and job["entrant"] not in options.no_tstr:
                point |= judge.train_synthetic(held["images"], held.get("labels"))
    _store(options, record, record.get("error") or _points_line(record["points"]))


def _points_line(points: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{p['sampler']} {p['seconds']:.0f} s FD {p['frechet']:.1f}"
        + (f" TSTR {p['tstr']:.4f}" if "tstr" in p else "")
        for p in points
    )


# ---------------------------------------------------------------- worth for a classifier


def _augmentation(options: argparse.Namespace) -> None:
    _limit_threads(options.threads)
    for name in options.sets:
        if name not in ("mnist", "fashion_mnist"):
            continue
        images = _loaded(name, options)
        for setting in options.augment_settings:
            for seed in options.seeds:
                for arm in options.arms:
                    _run_cell(images, setting, arm, None, seed, options)
            # The opponent is chosen by its scores on the test images, which can only favour it.
            best = best_simple(read_lines(options.out), name, setting, options.fast)
            for seed in options.seeds:
                for spec in options.vaeaug:
                    _run_cell(images, setting, best, spec, seed, options)


def _run_cell(
    images: ImageSet, setting: str, arm: str, spec: str | None, seed: int, options: argparse.Namespace
) -> None:
    """Measure one recipe, with or without made images."""
    entrant = arm if spec is None else f"{arm} + {options.name} {spec}"
    cell = {"part": "augmentation", "set": images.name, "setting": setting, "entrant": entrant, "seed": seed}
    if not _missing(options, cell):
        return
    from _image_arms import SIMPLE, Synthetic, run_arm, safe

    counts = SETTINGS[setting]
    if options.fast:
        counts = tuple(max(6, count // 100) for count in counts)
    X, y = thin(images, counts, seed)
    record: dict[str, Any] = dict(cell)
    pool, synthetic = None, None
    if spec is not None:
        synthetic = Synthetic.parse(spec)
        made = _pool(X, y, setting, synthetic.method, images.name, seed, options)
        if "error" in made:
            _store(options, cell | made, made["error"])
            return
        held = np.load(made["made"])
        pool = (held["images"], held["labels"])
        record["fit_s"] = made["seconds"]
        if synthetic.guard:
            kept = safe(X, y, pool, synthetic.guard, seed=seed, fast=options.fast)
            pool = (pool[0][kept], pool[1][kept])
            record["kept"] = round(float(kept.mean()), 4)
    began = time.perf_counter()
    fitted = run_arm(X, y, SIMPLE[arm], pool=pool, synthetic=synthetic, seed=seed, fast=options.fast)
    record["train_s"] = round(time.perf_counter() - began, 1)
    predicted = fitted.predict(images.test)
    recalls = [float(np.mean(predicted[images.test_labels == k] == k)) for k in np.unique(images.test_labels)]
    record |= {
        "balanced_accuracy": round(float(np.mean(recalls)), 5),
        "recalls": [round(recall, 4) for recall in recalls],
    }
    _store(options, record, f"{setting}: {record['balanced_accuracy']:.4f} ({record['train_s']} s)")


def _pool(
    X: np.ndarray,
    y: np.ndarray,
    setting: str,
    method: str,
    name: str,
    seed: int,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Fit vaeaug on a thinned set, once for all ways to sample, and keep what it made."""
    from _image_arms import Synthetic

    specs = [Synthetic.parse(spec) for spec in options.vaeaug]
    # No class gets more than its share of the largest, or of the size to which small classes grow.
    total = max(int(np.bincount(y).max()), 10 * int(np.bincount(y).min()))
    size = math.ceil(max(spec.share for spec in specs) * total)
    methods = sorted({spec.method for spec in specs})
    words = ["pool", name, setting, str(seed), "fast" if options.fast else "full", options.name, str(size)]
    words += methods
    folder = cache_folder() / "-".join(words).replace(" ", "-")
    folder.mkdir(exist_ok=True)
    answer = folder / "answer.json"
    if not answer.exists():
        np.savez(folder / "train.npz", images=X, labels=y)
        job = dict(ENTRANTS["vaeaug"]) | {
            "settings": FITS[setting] | options.settings,
            "methods": methods,
            "device": options.device,
            "seed": seed,
            "train": str(folder / "train.npz"),
            "folder": str(folder),
            "images": size * len(np.unique(y)),
            "balanced": True,
        }
        made = run_worker(WORKER, job, threads=options.threads, timeout=options.timeout)
        if "error" in made:
            return made
        answer.write_text(json.dumps(made))
    points = {point["sampler"]: point for point in json.loads(answer.read_text())["points"]}
    return points[method]


# ---------------------------------------------------------------- command line


def _loaded(name: str, options: argparse.Namespace) -> ImageSet:
    images = load_images(name)
    return shrink(images, 2000, 400) if options.fast and options.part == "quality" else images


def _limit_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _make_fast(options: argparse.Namespace) -> None:
    options.sample, options.peer_images, options.made_images = 200, 200, 300
    options.marks, options.budgets = [2.0, 4.0], [5.0]
    options.settings = {"max_iter": 2} | options.settings


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("part", nargs="?", default="quality", choices=["quality", "augmentation"])
    add("--sets", nargs="+", default=list(SETS[:2]), choices=SETS)
    add("--seeds", nargs="+", type=int, default=None, help="default: 0; five seeds for augmentation")
    add("--threads", type=int, default=2, help="threads of every entrant (default 2)")
    add("--device", default="cpu", help="cpu (default), cuda or auto, for every generator")
    add("--settings", type=json.loads, default={}, help="keyword arguments of VAEAugmenter, as JSON")
    add("--name", default="vaeaug", help="what the table calls vaeaug with these settings")
    add("--peer-python", default=sys.executable, help="python of the environment with pythae")
    add("--fast", action="store_true", help="smoke test: few images, hardly any training")
    add("--timeout", type=float, default=7200.0, help="seconds for one generator on one set")
    add("--out", type=Path, default=RESULTS / "images.jsonl")
    add("--render", action="store_true", help="only write the results into the README")
    quality = parser.add_argument_group("quality")
    quality.add_argument("--entrants", nargs="+", default=list(ENTRANTS), choices=list(ENTRANTS))
    quality.add_argument(
        "--marks",
        nargs="+",
        type=float,
        default=[60, 120, 300, 600, 1200],
        help="seconds of training after which pythae is looked at; the last ends its training",
    )
    quality.add_argument(
        "--budgets", nargs="*", type=float, default=[15, 30, 60, 120], help="max_fit_seconds of further fits"
    )
    quality.add_argument("--sample", type=int, default=SAMPLE, help="made images behind each distance")
    quality.add_argument("--made-images", type=int, default=None, help="vaeaug's; default: as trained on")
    quality.add_argument("--peer-images", type=int, default=20_000, help="images of pythae's last point")
    quality.add_argument(
        "--methods", nargs="+", default=METHODS, choices=METHODS, help="how vaeaug samples; default: all ways"
    )
    quality.add_argument(
        "--no-tstr",
        nargs="*",
        default=(),
        choices=("vaeaug", "pythae"),
        help="train no classifier on images made by these",
    )
    augmentation = parser.add_argument_group("augmentation")
    augmentation.add_argument(
        "--augment-settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS), metavar="SETTING"
    )
    augmentation.add_argument(
        "--arms", nargs="*", default=None, metavar="RECIPE", help="default: all simple ones"
    )
    augmentation.add_argument(
        "--vaeaug", nargs="*", default=["posterior:0.5:cnn"], help="method:share[:guard], each an arm"
    )
    options = parser.parse_args()
    if options.seeds is None:
        options.seeds = list(range(5)) if options.part == "augmentation" else [0]
    if options.arms is None:
        from _images_report import SIMPLE_NAMES

        options.arms = list(SIMPLE_NAMES)
    return options


if __name__ == "__main__":
    main()
