"""Disentanglement on rendered sprites: do the dimensions of a code stand for the factors that were drawn?

python benchmarks/run.py sprites             measure: some minutes for each cell
python benchmarks/run.py sprites --render    write the results into benchmarks/sprites.md
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import _bench as bench
import numpy as np
from _bench import Record
from _sprites import draw_sprites

SIDE, EPOCHS = 16, 60
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
            if not options.entrants or any(name.startswith(each) for each in options.entrants):
                for start in range(options.starts):
                    yield {"entrant": name + longer, "seed": seed, "start": start}


def measure(cell: Record, options: argparse.Namespace) -> Record:
    """Fit one model to all sprites and score its codes."""
    from vaeaug import Recipe, VAEAugmenter
    from vaeaug.evaluation import disentanglement_scores

    name, _, epochs = cell["entrant"].partition(", ")
    counts = {"shape": 2, "size": 2, "angle": 3, "column": 4, "row": 4} if options.fast else None
    sprites = draw_sprites(SIDE, counts)
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
    augmenter.fit(sprites.images)
    seconds = time.process_time() - began
    codes = augmenter.transform(sprites.images)
    scores = disentanglement_scores(codes, sprites.factors, random_state=0)
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


OPTIONS: dict[str, dict[str, Any]] = {
    "--epochs": {"type": int, "default": EPOCHS},
    "--starts": {"type": int, "default": 1, "help": "fits of each seed, from other weights"},
    "--entrants": {"nargs": "*", "default": None, "help": "starts of names; default: all"},
}
DEFAULTS = {"seeds": [0, 1, 2]}
