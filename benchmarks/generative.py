"""The family beside a small conditional GAN and a small PixelCNN, at about the same training time.

python benchmarks/generative.py              measure (resumable; a few minutes of one core for each cell)
python benchmarks/generative.py --render     write table and picture
python benchmarks/generative.py --scale 5    five times the training, kept beside the shorter runs
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _cells import Cells
from _common import README, RESULTS, inject, run_worker
from _generative_report import draw, render, sample_key
from _image_sets import ImageSet, load_images, shrink

WORKER = Path(__file__).with_name("_generative_worker.py")
FIGURE = Path(__file__).with_name("figures") / "generative.png"
NAMES = ("set", "entrant", "seed", "scale", "fast")
ENTRANTS = (
    "PixelCNN",
    "GAN",
    "vaeaug (default)",
    "vae, plain pixels",
    "vae, texture pixels",
    "perceptual",
    "adversarial",
    "vae",
    "flow_matching",
    "vamp",
    "iaf",
    "ladder",
    "discrete",
)
#: Real images that entrants learn from, and images that each makes.
TRAIN, MADE = 10_000, 5_000
REAL = "real images"


def main() -> None:
    options = _options()
    cells = Cells(options.out, NAMES)
    if options.render:
        records = [r for r in cells.records() if r["scale"] in (options.scale, 0)]
        inject(README, "generative", render(records))
        draw(records, options.samples, FIGURE)
        return
    for name in options.sets:
        wanted = [
            {"set": name, "entrant": entrant, "seed": seed, "scale": options.scale, "fast": options.fast}
            for seed in options.seeds
            for entrant in options.entrants
        ]
        missing = [cell for cell in wanted if cells.missing(cell)]
        if missing:
            _measure(name, missing, cells, options)


def _measure(name: str, missing: list[dict[str, Any]], cells: Cells, options: argparse.Namespace) -> None:
    import torch
    from _generative_judge import Judge

    torch.set_num_threads(1)
    images = load_images(name)
    images = shrink(images, 400, 200) if options.fast else images
    train, made = (200, 100) if options.fast else (TRAIN, MADE)
    judge = Judge(images, min(made, len(images.test)), options.fast)
    real = {"set": name, "entrant": REAL, "seed": 0, "scale": 0, "fast": options.fast}
    if cells.missing(real):
        # Other real images, in the place of made ones.
        rows = slice(train, train + made)
        _keep(options.samples, real, images.train[rows], images.train_labels[rows])
        cells.store(real | judge.scores(images.train[rows], images.train_labels[rows]))
    for cell in missing:
        record = cell | _run(cell, images, train, made, judge, options)
        cells.store(record)
        shown = {k: record.get(k) for k in ("fit_s", "frechet", "sharpness", "tstr", "bits", "error")}
        print(name, cell["entrant"], cell["seed"], shown, flush=True)


def _run(
    cell: dict[str, Any], images: ImageSet, train: int, made: int, judge: Any, options: argparse.Namespace
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(
            data,
            train=images.train[:train],
            train_labels=images.train_labels[:train],
            test=images.test,
            test_labels=images.test_labels,
        )
        job = cell | {"data": str(data), "folder": folder, "made": made, "threads": 1}
        answer = run_worker(WORKER, job, threads=1, timeout=options.timeout)
        if "error" in answer:
            return answer
        held = np.load(Path(folder) / "made.npz")
        if cell["seed"] == options.seeds[0]:
            _keep(options.samples, cell, held["images"], held["labels"])
        return answer | judge.scores(held["images"], held["labels"])


def _keep(path: Path, cell: dict[str, Any], images: np.ndarray, labels: np.ndarray) -> None:
    """Keep the first two images of each class, for the picture."""
    kept = dict(np.load(path)) if path.exists() else {}
    rows = [np.flatnonzero(labels == label)[:2] for label in range(10)]
    if all(len(row) == 2 for row in rows):
        kept[sample_key(cell)] = images[np.stack(rows, 1)]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **kept)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sets", nargs="+", default=["mnist", "fashion_mnist"], choices=["mnist", "fashion_mnist"])
    add("--entrants", nargs="+", default=list(ENTRANTS), choices=list(ENTRANTS), metavar="ENTRANT")
    add("--seeds", nargs="+", type=int, default=[0])
    add("--scale", type=float, default=1.0, help="times the training of the table")
    add("--timeout", type=float, default=3600.0, help="seconds for one entrant on one set")
    add("--out", type=Path, default=RESULTS / "generative.jsonl")
    add("--samples", type=Path, default=RESULTS / "generative_samples.npz")
    add("--fast", action="store_true", help="smoke test: few images, hardly any training")
    add("--render", action="store_true", help="only write the results into the README, and the picture")
    return parser.parse_args()


if __name__ == "__main__":
    main()
