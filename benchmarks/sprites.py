"""Disentanglement on rendered sprites: do the dimensions of a code stand for the factors that were drawn?"""

import argparse
import time
from collections.abc import Iterator
from typing import Any

import _bench as bench
import numpy as np
from _bench import Record

#: Side of the images, and epochs of a fit.
SIDE, EPOCHS = 16, 60
#: name -> number of values. A quarter turn of angles: a square looks the same after it.
FACTORS: dict[str, int] = {"shape": 3, "size": 4, "angle": 8, "column": 8, "row": 8}
#: Radius of the smallest and the largest sprite, and how far its centre moves, as shares of the side.
_RADII, _REACH = (0.13, 0.24), 0.19
#: Points a side that a pixel is the mean of.
_FINE = 6
#: Images are small so that they train fast; this is how much larger their likelihood would be at 32×32.
PIXEL_WEIGHT = 4.0
KEY = ("entrant", "seed", "start")
COLUMNS = (
    bench.Column("FactorVAE score", "scores.factor_vae", 3),
    bench.Column("MIG", "scores.mig", 3),
    bench.Column("DCI disentanglement", "scores.disentanglement", 3),
    bench.Column("completeness", "scores.completeness", 3),
    bench.Column("informativeness", "scores.informativeness", 3),
    bench.Column("−log p(x given z)", "reconstruction", 1),
    bench.Column("KL", "kl", 1),
    bench.Column("active dimensions", "active", 1),
    bench.Column("CPU s", "cpu_s", 0),
)


def list_losses() -> dict[str, dict[str, Any]]:
    """Return the losses of each model."""
    from vaeaug import Recipe

    def losses(beta: float = 1.0, **more: Any) -> dict[str, Any]:
        kl = Recipe("kl", weight=beta, schedule="constant")
        return {"reconstruction": PIXEL_WEIGHT, "kl": kl, **more}

    return {
        "FactorVAE (γ = 10)": losses(factor=10.0),
        "β-VAE (β = 4)": losses(4.0),
        "β-TC-VAE (β = 6)": losses(beta_tc=5.0),
        "VAE": losses(),
    }


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    longer = "" if options.epochs == EPOCHS else f", {options.epochs} epochs"
    for seed in options.seeds:
        for name in list_losses():
            for start in range(options.starts):
                yield {"entrant": name + longer, "seed": seed, "start": start}


def measure(cell: Record, options: argparse.Namespace) -> Record:
    """Fit one model to all sprites and score its codes."""
    from vaeaug import Recipe, VAEAugmenter
    from vaeaug.evaluation import disentanglement_scores

    name, _, epochs = cell["entrant"].partition(", ")
    counts = {"shape": 2, "size": 2, "angle": 3, "column": 4, "row": 4} if options.fast else None
    images, factors = draw_sprites(SIDE, counts)
    network = Recipe("convolutional", width=8, features=128, likelihood="bernoulli")
    augmenter = VAEAugmenter(
        prior="standard",
        losses=list_losses()[name],
        latent_dim=6,
        network=network,
        max_iter=1 if options.fast else int((epochs or str(EPOCHS)).split()[0]),
        batch_size=64,
        early_stopping=False,
        device="cpu",
        random_state=cell["seed"] + 1000 * cell["start"],
    )
    began = time.process_time()
    augmenter.fit(images)
    seconds = time.process_time() - began
    codes = augmenter.transform(images)
    scores = disentanglement_scores(codes, factors, random_state=0)
    last = augmenter.history_.iloc[-1]
    return {
        "cpu_s": round(seconds, 1),
        "images": len(codes),
        "active": int(np.sum(codes.var(axis=0) > 0.05 * codes.var(axis=0).max())),
        "scores": {name: round(float(value), 4) for name, value in scores.items()},
        "reconstruction": round(float(last["train_reconstruction"]), 3),
        "kl": round(float(last["train_kl"]), 3),
    }


def render(records: list[Record]) -> str:
    """Return the results as Markdown."""
    measured = [record for record in records if "scores" in record]
    groups = {}
    for name, mine in bench.group(measured, "entrant").items():
        groups[name] = [record for record in mine if not record.get("start")]
        starts = 1 + max(record.get("start", 0) for record in mine)
        if starts > 1:
            groups[f"{name}, best of {starts} starts"] = pick_best_starts(mine, starts)
    parts = [bench.tell_conditions(measured, "Means ± standard deviations over seeds.")]
    parts += [bench.summarize(groups, COLUMNS, count="seeds"), bench.list_failures(records, KEY)]
    return "\n\n".join(filter(None, parts))


def pick_best_starts(records: list[dict[str, Any]], starts: int) -> list[dict[str, Any]]:
    """Return, of each seed with as many starts, the one of the lowest loss; nobody looks at factors.

    The loss is that of the bound, ``−4 log p(x | z) + KL``, with the CPU time of all starts.
    """
    found = []
    for seed in dict.fromkeys(record["seed"] for record in records):
        mine = [record for record in records if record["seed"] == seed]
        if len(mine) == starts:
            best = min(mine, key=lambda record: PIXEL_WEIGHT * record["reconstruction"] + record["kl"])
            found.append(best | {"cpu_s": sum(record["cpu_s"] for record in mine)})
    return found


# ---------------------------------------------------------------- pictures of one shape each


def draw_sprites(side: int, factors: dict[str, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw every combination of factors once: squares, ellipses and hearts, uint8, and their factors.

    ``factors`` are other numbers of values; the number of shapes stays at most 3.
    """
    counts = FACTORS if factors is None else factors
    grids = np.meshgrid(*(np.arange(count) for count in counts.values()), indexing="ij")
    values = np.stack([grid.ravel() for grid in grids], 1)
    shares = {name: values[:, k] / max(1, count - 1) for k, (name, count) in enumerate(counts.items())}
    radius = _RADII[0] + (_RADII[1] - _RADII[0]) * shares["size"]
    angle = 0.5 * np.pi * values[:, 2] / counts["angle"]
    centre = 0.5 + _REACH * (2 * np.stack([shares["column"], shares["row"]]) - 1)
    images = np.empty((len(values), side, side), np.uint8)
    for start in range(0, len(values), 256):
        part = slice(start, start + 256)
        images[part] = _draw_batch(side, values[part, 0], radius[part], angle[part], centre[:, part])
    return images, values


def _draw_batch(
    side: int, shape: np.ndarray, radius: np.ndarray, angle: np.ndarray, centre: np.ndarray
) -> np.ndarray:
    """Draw a batch: which of its points each pixel's shape covers."""
    line = ((np.arange(side * _FINE) + 0.5) / (side * _FINE)).astype(np.float32)
    x = (line[None, None, :] - centre[0][:, None, None]) / radius[:, None, None]
    y = (line[None, :, None] - centre[1][:, None, None]) / radius[:, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    u, v = (cos * x + sin * y).astype(np.float32), (cos * y - sin * x).astype(np.float32)
    inside = np.empty(u.shape, bool)
    for number, covers in enumerate((_cover_square, _cover_ellipse, _cover_heart)):
        chosen = shape == number
        inside[chosen] = covers(u[chosen], v[chosen])
    cells = inside.reshape(len(shape), side, _FINE, side, _FINE).mean(axis=(2, 4))
    return np.rint(255 * cells).astype(np.uint8)


def _cover_square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) <= 0.8


def _cover_ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.square(u / 1.2) + np.square(v / 0.6) <= 1


def _cover_heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # The curve (u² + v² − 1)³ = u² v³, whose tip points along v.
    u, v = 1.15 * u, 0.1 - 1.15 * v
    return (u * u + v * v - 1) ** 3 <= u * u * v**3


OPTIONS: dict[str, dict[str, Any]] = {
    "--epochs": {"type": int, "default": EPOCHS},
    "--starts": {"type": int, "default": 1, "help": "fits of each seed, from other weights"},
}
DEFAULTS = {"seeds": [0, 1, 2]}
