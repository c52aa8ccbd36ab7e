"""The family beside a small conditional GAN and a small PixelCNN, at about the same training time.

python benchmarks/run.py generative              measure: a few minutes of one core for each cell
python benchmarks/run.py generative --render     write table and picture
python benchmarks/run.py generative --scale 5    ten times the training, kept beside the shorter runs
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import _bench as bench
import numpy as np
from _bench import Record
from _image_sets import load_images, shrink

KEY = ("set", "entrant", "seed", "scale")
SAMPLES = bench.RESULTS / "generative_samples.npz"
FIGURE = bench.BENCHMARKS / "figures" / "generative.png"
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
REAL = "real images"
#: In the picture, from top to bottom.
SHOWN = (REAL, "GAN", "PixelCNN", "vaeaug (default)", "vae, plain pixels", "perceptual", "adversarial")
#: Real images to learn from, and images that each generator makes.
TRAIN, MADE = 10_000, 5_000
#: What each generator is given at scale 1: about as much training as fits in two minutes of one core.
GAN_STEPS, PIXEL_STEPS, EPOCHS = 800, 700, 8
#: Of the table: a minute.
SCALE = 0.5
#: Test images whose likelihood is measured.
SCORED = 300


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    for name in options.sets:
        yield {"set": name, "entrant": REAL, "seed": 0, "scale": 0}
        for seed in options.seeds:
            for entrant in options.entrants:
                yield {"set": name, "entrant": entrant, "seed": seed, "scale": options.scale}


@cache
def judge_of(name: str, fast: bool) -> Any:
    from _image_judge import FAST, GENERATIVE, GENERATIVE_TWIN, Judge

    images = load_images(name)
    if fast:
        return Judge(shrink(images, 400, 200), 100, FAST, FAST)
    return Judge(images, min(MADE, len(images.test)), GENERATIVE, GENERATIVE_TWIN)


def measure(cell: Record, options: argparse.Namespace) -> Record:
    judge = judge_of(cell["set"], options.fast)
    images = judge.images
    train, made = (200, 100) if options.fast else (TRAIN, MADE)
    if cell["entrant"] == REAL:
        # Other real images, in the place of made ones.
        rows = slice(train, train + made)
        _keep_samples(options, cell, images.train[rows], images.train_labels[rows])
        return judge.measure_against_test(images.train[rows], images.train_labels[rows])
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(
            data,
            train=images.train[:train],
            train_labels=images.train_labels[:train],
            test=images.test[:SCORED],
            test_labels=images.test_labels[:SCORED],
        )
        job = cell | {"data": str(data), "folder": folder, "made": made}
        answer = bench.run_worker("generative:generate", job, timeout=options.timeout)
        if "error" in answer:
            return answer
        held = np.load(Path(folder) / "made.npz")
        if cell["seed"] == options.seeds[0]:
            _keep_samples(options, cell, held["images"], held["labels"])
        return answer | judge.measure_against_test(held["images"], held["labels"])


def _keep_samples(options: argparse.Namespace, cell: Record, images: np.ndarray, labels: np.ndarray) -> None:
    """Keep the first two images of each class, for the picture."""
    path = options.out.parent / SAMPLES.name
    kept = dict(np.load(path)) if path.exists() else {}
    rows = [np.flatnonzero(labels == label)[:2] for label in range(10)]
    if all(len(row) == 2 for row in rows):
        kept[_name_sample(cell)] = images[np.stack(rows, 1)]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **kept)


def _name_sample(cell: Record) -> str:
    return f"{cell['set']}|{cell['entrant']}|{cell['scale']:g}"


# ---------------------------------------------------------------- generators, each alone in a process


def list_settings() -> dict[str, dict[str, Any]]:
    """Return the keyword arguments of VAEAugmenter for each member of the family."""
    from vaeaug import Recipe

    # Pixels independent given the code, as in the papers: what they blur, the last two sharpen.
    plain = {"prior": "mixture", "network": Recipe("convolutional", likelihood="gaussian")}
    bound = {"reconstruction": 1.0, "kl": 1.0}
    return {
        "vaeaug (default)": {},
        "vae, plain pixels": plain | {"beta": 1.0},
        "perceptual": plain | {"losses": bound | {"perceptual": Recipe("perceptual", weight=5.0)}},
        "adversarial": plain | {"losses": bound | {"adversarial": Recipe("adversarial", weight=1.0)}},
    }


def build(job: dict[str, Any]) -> Any:
    """Return an unfitted generator."""
    if job["entrant"] == "GAN":
        from _gan import ConditionalGAN

        return ConditionalGAN(steps=_scale(GAN_STEPS, job), seed=job["seed"])
    if job["entrant"] == "PixelCNN":
        from _pixelcnn import PixelCNN

        return PixelCNN(steps=_scale(PIXEL_STEPS, job), seed=job["seed"])
    from vaeaug import VAEAugmenter

    settings = {"max_iter": _scale(EPOCHS, job), "device": "cpu", "random_state": job["seed"]}
    return VAEAugmenter(**settings | list_settings()[job["entrant"]])


def generate(job: dict[str, Any]) -> dict[str, Any]:
    """Train a generator, write the images it makes, and return CPU seconds and sizes."""
    held = np.load(job["data"])
    wanted = np.random.default_rng([job["seed"], 5]).permutation(np.resize(np.arange(10), job["made"]))
    model = build(job)
    began = time.process_time()
    model.fit(held["train"], held["train_labels"])
    trained = time.process_time()
    if hasattr(model, "history_"):
        from vaeaug.model.fitted import get_fitted

        made, _ = model.sample(len(wanted), wanted, random_state=job["seed"] + 1)
        network = get_fitted(model).model.vae
    else:
        made, network = model.sample(wanted, job["seed"] + 1), model.network
    drawn = time.process_time()
    np.savez(Path(job["folder"]) / "made.npz", images=made, labels=wanted)
    found = {"fit_s": round(trained - began, 2), "sample_s": round(drawn - trained, 2)}
    if hasattr(model, "bits_per_dim"):
        found["bits"] = round(model.bits_per_dim(held["test"], held["test_labels"]), 4)
    return found | {"parameters": sum(p.numel() for p in network.parameters())}


def _scale(size: int, job: dict[str, Any]) -> int:
    return 2 if job["fast"] else max(1, round(size * job["scale"]))


# ---------------------------------------------------------------- report


def read_speed(record: Record) -> float | None:
    return record.get("made", MADE) / record["sample_s"] if record.get("sample_s") else None


COLUMNS = (
    bench.Column("fit CPU s", "fit_s", 0),
    bench.Column("images/s", read_speed, 0),
    bench.Column("Fréchet", "frechet"),
    bench.Column("precision", "precision", 3),
    bench.Column("recall", "recall", 3),
    bench.Column("class read %", "class_read", 1, 100),
    bench.Column("TSTR %", "tstr", 1, 100),
    bench.Column("sharpness", "sharpness"),
    bench.Column("bits/pixel", "bits", 3),
    bench.Column("parameters", "parameters", 0),
)


def render(records: list[Record]) -> str:
    """Return the results as Markdown; runs of longer training are in the text of the page only."""
    records = [record for record in records if record["scale"] in (SCALE, 0)]
    measured = [record for record in records if "frechet" in record]
    sections = {"": bench.tell_conditions(measured, "Times are CPU seconds of one thread.")}
    for name, mine in bench.group(measured, "set").items():
        who = bench.group(
            mine, lambda record: f"*{REAL}*" if record["entrant"] == REAL else record["entrant"]
        )
        sections[TITLES[name]] = bench.summarize(who, COLUMNS, count="seeds")
    sections["Not measured"] = bench.list_failures(records, KEY)
    picture = "![A row of images for each generator, one of each class](figures/generative.png)"
    return bench.join_sections(sections) + (f"\n\n{picture}" if measured else "")


def draw(records: list[Record], samples: Path = SAMPLES, path: Path = FIGURE) -> None:
    """Write one picture: a row of images for each generator, a column for each class, set beside set."""
    from matplotlib.figure import Figure
    from PIL import Image

    records = [record for record in records if record["scale"] in (SCALE, 0)]
    held = dict(np.load(samples))
    kept = {(r["set"], r["entrant"]): held[_name_sample(r)] for r in records if _name_sample(r) in held}
    sets = [name for name in TITLES if any(name == each for each, _ in kept)]
    shown = [who for who in SHOWN if any(who == each for _, each in kept)]
    figure = Figure(figsize=(1.6 + 6.2 * len(sets), 0.85 * len(shown) + 0.4), dpi=90, layout="constrained")
    axes = figure.subplots(len(shown), len(sets), squeeze=False)
    for column, name in enumerate(sets):
        axes[0, column].set_title(TITLES[name], fontsize=12)
        for row, who in enumerate(shown):
            ax = axes[row, column]
            ax.set(xticks=[], yticks=[])
            for edge in ax.spines.values():
                edge.set_visible(False)
            if column == 0:
                ax.set_ylabel(who, rotation=0, ha="right", va="center", fontsize=10)
            if (name, who) in kept:
                ax.imshow(np.hstack(kept[name, who][0]), cmap="gray", vmin=0, vmax=255)
                ax.set_xlabel(_caption(records, name, who), fontsize=8, loc="left", labelpad=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = BytesIO()
    figure.savefig(drawn)
    # Sixty-four greys are all that is to be seen, in a quarter of the bytes.
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)


def _caption(records: list[Record], name: str, who: str) -> str:
    """Return how good and how quick a generator was on a set, in a few words."""
    mine = [r for r in records if (r["set"], r["entrant"]) == (name, who) and "frechet" in r]
    if not mine:
        return ""
    words = [f"Fréchet {np.mean([r['frechet'] for r in mine]):.1f}"]
    words.append(f"a classifier learns {100 * np.mean([r['tstr'] for r in mine]):.0f} % from them")
    if who != REAL:
        words.append(f"fit {np.mean([r['fit_s'] for r in mine]):.0f} s")
        words.append(f"1,000 images in {np.mean([1000 / read_speed(r) for r in mine]):.1f} s")
    return " · ".join(words)


OPTIONS: dict[str, dict[str, Any]] = {
    "--sets": {"nargs": "+", "default": list(TITLES), "choices": list(TITLES)},
    "--entrants": {"nargs": "+", "default": list(SHOWN[1:]), "choices": SHOWN[1:], "metavar": "NAME"},
    "--scale": {"type": float, "default": SCALE, "help": "times two minutes of training"},
}
