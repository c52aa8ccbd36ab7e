"""The family beside a small conditional GAN and a small PixelCNN, at about the same training time."""

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import _bench as bench
import numpy as np
from _bench import Record
from _image_sets import load_images, shrink

KEY = ("set", "entrant", "seed", "scale")
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
REAL = "real images"
ENTRANTS = ("GAN", "PixelCNN", "vaeaug (default)", "vae, plain pixels", "perceptual", "adversarial")
#: Real images to learn from, and images that each generator makes.
TRAIN, MADE = 10_000, 5_000
#: What each generator is given at scale 1: about as much training as fits in two minutes of one core.
GAN_STEPS, PIXEL_STEPS, EPOCHS = 800, 700, 8
#: Of the table: a minute.
SCALE = 0.5
#: Test images whose likelihood is measured.
SCORED = 300


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    for name in TITLES:
        yield {"set": name, "entrant": REAL, "seed": 0, "scale": 0}
        for seed in options.seeds:
            for entrant in ENTRANTS:
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
        return judge.measure_against_test(images.train[rows], images.train_labels[rows])
    with tempfile.TemporaryDirectory() as folder:
        few = {"test": images.test[:SCORED], "test_labels": images.test_labels[:SCORED]}
        learned = {"train": images.train[:train], "train_labels": images.train_labels[:train]}
        np.savez(Path(folder) / "data.npz", **learned, **few)
        answer = bench.run_worker("generative:generate", cell | {"folder": folder, "made": made})
        if "error" in answer:
            return answer
        held = np.load(Path(folder) / "made.npz")
        return answer | judge.measure_against_test(held["images"], held["labels"])


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
    if job["entrant"] in ("GAN", "PixelCNN"):
        import _image_peers as peers

        kind, steps = {"GAN": (peers.GAN, GAN_STEPS), "PixelCNN": (peers.PixelCNN, PIXEL_STEPS)}[
            job["entrant"]
        ]
        return kind(steps=_scale(steps, job), seed=job["seed"])
    from vaeaug import VAEAugmenter

    settings = {"max_iter": _scale(EPOCHS, job), "device": "cpu", "random_state": job["seed"]}
    return VAEAugmenter(**settings | list_settings()[job["entrant"]])


def generate(job: dict[str, Any]) -> dict[str, Any]:
    """Train a generator, write the images it makes, and return CPU seconds and sizes."""
    held = np.load(Path(job["folder"]) / "data.npz")
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
    return bench.join_sections(sections)


OPTIONS: dict[str, dict[str, Any]] = {
    "--scale": {"type": float, "default": SCALE, "help": "times two minutes of training"},
}
