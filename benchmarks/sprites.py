"""Disentanglement on rendered sprites: do the dimensions of a code stand for the factors that were drawn?

python benchmarks/sprites.py             measure (resumable, cell by cell; some minutes each)
python benchmarks/sprites.py --render    write the results into benchmarks/README.md
python benchmarks/sprites.py --fast      does everything run?
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from _cells import Cells, conditions
from _common import README, RESULTS, inject, markdown_table, spread
from _sprites import draw_sprites

SIDE, EPOCHS = 16, 60
#: Images are small so that they train fast; this is how much larger their likelihood would be at 32×32.
PIXEL_WEIGHT = 4.0
NAMES = ("entrant", "seed", "start", "fast")
SCORES = {
    "FactorVAE score": "factor_vae",
    "MIG": "mig",
    "DCI disentanglement": "disentanglement",
    "completeness": "completeness",
    "informativeness": "informativeness",
}


def entrants() -> dict[str, dict[str, Any]]:
    """Return the losses of each entrant."""
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


def main() -> None:
    options = _options()
    cells = Cells(options.out, NAMES)
    if options.render:
        inject(README, "sprites", render(cells.records()))
        return
    for seed in options.seeds:
        for name, losses in entrants().items():
            if options.entrants and not any(name.startswith(each) for each in options.entrants):
                continue
            for start in range(options.starts):
                cell = {"entrant": _titled(name, options.epochs), "seed": seed, "fast": options.fast} | (
                    {"start": start} if start else {}
                )
                if cells.missing(cell):
                    record = cell | measure(losses, seed + 1000 * start, options.epochs, options.fast)
                    cells.store(record)
                    print(cell["entrant"], seed, start, record["scores"], f"{record['cpu_s']} s", flush=True)


def _titled(name: str, epochs: int) -> str:
    return name if epochs == EPOCHS else f"{name}, {epochs} epochs"


def measure(losses: dict[str, Any], seed: int, epochs: int, fast: bool) -> dict[str, Any]:
    """Fit one entrant to all sprites and score its codes."""
    import torch

    from vaeaug import Recipe, VAEAugmenter
    from vaeaug.evaluation import disentanglement_scores

    torch.set_num_threads(1)
    counts = {"shape": 2, "size": 2, "angle": 3, "column": 4, "row": 4} if fast else None
    sprites = draw_sprites(SIDE, counts)
    network = Recipe("convolutional", width=8, features=128, likelihood="bernoulli")
    augmenter = VAEAugmenter(
        prior="standard",
        losses=losses,
        latent_dim=6,
        network=network,
        max_iter=1 if fast else epochs,
        batch_size=64,
        early_stopping=False,
        device="cpu",
        random_state=seed,
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


def render(records: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    measured = [record for record in records if "scores" in record]
    rows = []
    for name in dict.fromkeys(record["entrant"] for record in measured):
        mine = [record for record in measured if record["entrant"] == name]
        rows.append(_row(name, [record for record in mine if not record.get("start")]))
        starts = 1 + max(record.get("start", 0) for record in mine)
        if starts > 1:
            rows.append(_row(f"{name}, best of {starts} starts", best_starts(mine, starts)))
    header = ["", "seeds", *SCORES, "−log p(x given z)", "KL", "active dimensions", "CPU s"]
    return (
        conditions(measured, "Means ± standard deviations over seeds.")
        + "\n\n"
        + markdown_table(header, rows)
    )


def best_starts(records: list[dict[str, Any]], starts: int) -> list[dict[str, Any]]:
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


def _row(name: str, records: list[dict[str, Any]]) -> list[str]:
    cells = [spread([r["scores"][key] for r in records], 3) for key in SCORES.values()]
    facts = [spread([r[key] for r in records], 1) for key in ("reconstruction", "kl", "active")]
    return [name, str(len(records)), *cells, *facts, spread([r["cpu_s"] for r in records], 0)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--starts", type=int, default=1, help="fits of each seed, from other weights")
    parser.add_argument("--entrants", nargs="*", default=None, help="starts of names; default: all")
    parser.add_argument("--out", type=Path, default=RESULTS / "sprites.jsonl")
    parser.add_argument("--fast", action="store_true", help="smoke test: few sprites, one epoch")
    parser.add_argument("--render", action="store_true", help="only write the results into the README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
