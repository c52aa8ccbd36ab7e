"""The family against the plain VAE: does each part do what it is meant to, and how long does each take?

python benchmarks/family.py bounds       the likelihood bound of held-out images, part by part
python benchmarks/family.py times        seconds of fit of every variant, digits and Adult
python benchmarks/family.py --render     write the results into benchmarks/README.md
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from _cells import Cells, conditions
from _common import README, RESULTS, inject, markdown_table, spread

NAMES = ("part", "set", "entrant", "seed", "fast")
#: Importance weights of each bound.
DRAWS = 32
#: Side of the images, how many to learn from and to test on, and epochs.
SETS: dict[str, dict[str, int]] = {
    "digits": {"side": 8, "train": 1200, "test": 597, "epochs": 30},
    "fashion": {"side": 14, "train": 3000, "test": 1000, "epochs": 20},
}
WIDTH = 64
#: Networks between levels are half as wide as the others. A ladder learns slowly: after 20 epochs of
#: Fashion-MNIST it is a nat behind the plain VAE, and ahead after 60, when that has begun to learn by heart
#: (seen on seed 10). So for this question everybody is given three times as long.
LEVEL_WIDTH, LEVEL_PATIENCE = 32, 3
#: Of `times`: epochs that are measured; the rest of them cost what the median of these does.
MEASURED_EPOCHS = {"digits": 8, "adult": 2}
PLAIN = "vae"
#: What is asked, of codes of how many numbers, and which variants are set beside the plain VAE. Two
#: numbers leave a Gaussian posterior too little room; to priors and levels sixteen leave something to do.
QUESTIONS: dict[str, tuple[int, tuple[str, ...]]] = {
    "posterior": (2, ("flow", "iaf", "planar")),
    "prior": (16, ("mixture", "flow_matching", "vamp")),
    "levels": (16, ("ladder", "vlae")),
}
# 97.5 % points of Student's t for 1, 2, … degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def main() -> None:
    options = _options()
    cells = Cells(options.out, NAMES)
    if options.render:
        inject(README, "family", render(cells.records()))
        return
    {"bounds": _bounds, "times": _times}[options.part](cells, options)


# ---------------------------------------------------------------- bounds


def _bounds(cells: Cells, options: argparse.Namespace) -> None:
    for seed in options.seeds:
        for name in options.sets:
            for question in options.questions:
                latent_dim, variants = QUESTIONS[question]
                for entrant in (PLAIN, *variants):
                    cell = {"part": "bounds", "set": name, "entrant": f"{entrant}, {question}", "seed": seed}
                    cell["fast"] = options.fast
                    if options.again or cells.missing(cell):
                        record = cell | bound(name, entrant, question, seed, options.fast)
                        cells.store(record)
                        print(
                            name, question, entrant, seed, record["nats"], f"{record['cpu_s']} s", flush=True
                        )


def bound(name: str, entrant: str, question: str, seed: int, fast: bool) -> dict[str, Any]:
    """Train one variant on black-and-white images without labels, and bound the likelihood of others."""
    import torch

    torch.set_num_threads(1)
    settings, (latent_dim, _) = SETS[name], QUESTIONS[question]
    train, test = binary_images(name, seed)
    if fast:
        train, test = train[:80], test[:20]
    width = WIDTH
    if entrant == PLAIN and question == "levels":
        wanted = _count(_model("ladder", train.shape[1], latent_dim, WIDTH, seed))
        width = width_for(wanted, train.shape[1], latent_dim)
    model = _model(entrant, train.shape[1], latent_dim, width, seed)
    nothing = [np.zeros((len(part), 0), np.float32) for part in (train, test)]
    began = time.process_time()
    result = model.train(
        train,
        nothing[0],
        np.zeros(len(train), bool),
        weights=None,
        seed=seed,
        max_iter=1 if fast else settings["epochs"] * (LEVEL_PATIENCE if question == "levels" else 1),
        batch_size=64,
        learning_rate=4e-3,
        early_stopping=False,
    )
    model.fit_prior(train, nothing[0], seed=seed, max_iter=1 if fast else 40)
    seconds = time.process_time() - began
    scores = model.log_likelihood(test, nothing[1], draws=2 if fast else DRAWS, seed=0)
    return {
        "nats": round(float(scores.mean()), 3),
        "kl": round(result.history["train_kl"][-1], 3),
        "parameters": _count(model),
        "cpu_s": round(seconds, 1),
    }


def binary_images(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return training and test images of one seed: the pixels that vary, 0 or 1, float32 ``(n, pixels)``."""
    settings = SETS[name]
    rng = np.random.default_rng([seed, 81])
    if name == "digits":
        from sklearn.datasets import load_digits

        images = load_digits().images > 7
    else:
        from _image_sets import load_images

        full = load_images("fashion_mnist").train[:20_000]
        step = full.shape[1] // settings["side"]
        cells = full.reshape(len(full), settings["side"], step, settings["side"], step)
        images = cells.mean(axis=(2, 4)) > 100
    rows = rng.permutation(len(images))[: settings["train"] + settings["test"]]
    chosen = images[rows].reshape(len(rows), -1).astype(np.float32)
    share = chosen.mean(0)
    chosen = chosen[:, (share > 0.02) & (share < 0.98)]
    return chosen[: settings["train"]], chosen[settings["train"] :]


def width_for(wanted: int, pixels: int, latent_dim: int) -> int:
    """Return the width of networks with which the plain VAE has about as many parameters as wanted."""
    sizes = range(WIDTH, 3 * WIDTH)
    return min(sizes, key=lambda width: abs(_count(_model(PLAIN, pixels, latent_dim, width, 0)) - wanted))


def _model(entrant: str, pixels: int, latent_dim: int, width: int, seed: int) -> Any:
    """Build a model of rows of black or white pixels, independent given the code."""
    from vaeaug import VARIANTS, Recipe
    from vaeaug.assembly import Blueprint, weighed
    from vaeaug.layout import Layout, Span
    from vaeaug.model import Model
    from vaeaug.training.runtime import Runtime

    variant = dict(VARIANTS[entrant])
    posterior = Recipe.of(variant.get("posterior", "gaussian"))
    latent = Recipe.of(variant.get("latent", "flat"))
    if latent != Recipe("flat"):
        latent = latent.replace(width=LEVEL_WIDTH)
    blueprint = Blueprint(
        layout=Layout.row([Span("categorical", 2)] * pixels),
        context_width=0,
        blocks=(),
        class_block=(0, 0),
        latent_dim=latent_dim,
        network=Recipe("residual", width=width, depth=1, dependence=0),
        prior=Recipe.of(variant["prior"]),
        posterior=posterior,
        latent=latent,
        losses=weighed(variant.get("losses"), variant["beta"], posterior),
    )
    return Model.create(blueprint, Runtime("cpu"), seed)


def _count(model: Any) -> int:
    """Return the number of parameters; those of a prior that is fitted afterwards are not among them."""
    latent = model.vae.latent
    joint = getattr(latent.prior, "joint", False)
    fitted = set() if joint else {id(p) for p in latent.prior.parameters()}
    return sum(p.numel() for p in model.vae.parameters() if id(p) not in fitted)


# ---------------------------------------------------------------- times


def _times(cells: Cells, options: argparse.Namespace) -> None:
    from vaeaug import VARIANTS

    for name in options.sets:
        for entrant in options.entrants or list(VARIANTS):
            measured = "adult" if name == "adult" else "digits"
            cell = {"part": "times", "set": measured, "entrant": entrant, "seed": 0, "fast": options.fast}
            if options.again or cells.missing(cell):
                record = cell | {"adult": _adult_time, "digits": _digits_time}[measured](entrant, options)
                cells.store(record)
                print(measured, entrant, f"{record['cpu_s']} s", flush=True)


def _digits_time(entrant: str, options: argparse.Namespace) -> dict[str, Any]:
    """Fit all digits as images, a few epochs and the prior."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images * 255 / 16).astype(np.uint8)
    return _timed(entrant, images, digits.target, options.fast, MEASURED_EPOCHS["digits"])


def _adult_time(entrant: str, options: argparse.Namespace) -> dict[str, Any]:
    """Fit two epochs of Adult, and its prior."""
    from _datasets import load_table

    table = load_table("adult")
    rows = slice(None, 400) if options.fast else slice(None)
    X = table.train.drop(columns=table.target).iloc[rows]
    return _timed(entrant, X, table.train[table.target].iloc[rows], options.fast, MEASURED_EPOCHS["adult"])


def _timed(entrant: str, X: Any, y: Any, fast: bool, epochs: int) -> dict[str, Any]:
    import torch

    from vaeaug import VARIANTS, VAEAugmenter
    from vaeaug.settings import resolve

    torch.set_num_threads(1)
    shape = (1, *X.shape[1:]) if np.ndim(X) == 3 else ()
    epochs = 2 if fast else epochs
    # CPU time of one thread: what a free core takes, whoever else is on the machine.
    augmenter = VAEAugmenter(**VARIANTS[entrant], device="cpu", random_state=0, max_iter=epochs)
    began, began_wall = time.process_time(), time.perf_counter()
    augmenter.fit(X, y)
    seconds, wall = time.process_time() - began, time.perf_counter() - began_wall
    record = {"measured_s": round(seconds, 1), "epochs": augmenter.n_iter_, "rows": len(X)}
    auto = dict.fromkeys(("latent_dim", "max_iter", "batch_size", "learning_rate", "beta"), "auto")
    plan = resolve(len(X), **auto, validation_fraction=0.1, early_stopping=True, shape=shape)
    # The history counts wall time, of which this process had a share.
    passed = augmenter.history_.query("stage == 'network'")["seconds"]
    each = float(np.median(np.diff(passed))) * seconds / wall
    return record | {
        "epoch_s": round(each, 2),
        "all_epochs": plan.max_iter,
        "cpu_s": round(seconds + each * (plan.max_iter - epochs), 1),
    }


# ---------------------------------------------------------------- report


def render(records: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    parts = [conditions(records, "Seconds are CPU seconds of that thread.")]
    for name in SETS:
        mine = [r for r in records if r["part"] == "bounds" and r["set"] == name and "nats" in r]
        if mine:
            parts += [f"### {name}: log-likelihood bound of held-out images, nats", _bound_table(mine)]
    times = [r for r in records if r["part"] == "times" and "cpu_s" in r]
    if times:
        parts += ["### Time of fit, CPU seconds of one thread", _time_table(times)]
    return "\n\n".join(parts)


def _bound_table(records: list[dict[str, Any]]) -> str:
    rows = []
    for question, (latent_dim, variants) in QUESTIONS.items():
        by_name = {
            name: {r["seed"]: r for r in records if r["entrant"] == f"{name}, {question}"}
            for name in (PLAIN, *variants)
        }
        for name, mine in by_name.items():
            if not mine:
                continue
            rows.append(
                [
                    name,
                    question,
                    str(latent_dim),
                    str(len(mine)),
                    spread([r["nats"] for r in mine.values()], 2),
                    "–" if name == PLAIN else gained(mine, by_name[PLAIN]),
                    spread([r["kl"] for r in mine.values()], 2),
                    f"{next(iter(mine.values()))['parameters']:,}",
                    spread([r["cpu_s"] for r in mine.values()], 0),
                ]
            )
    header = ["", "question", "code", "seeds", "bound", "gain", "KL", "parameters", "CPU s"]
    note = (
        f"Importance-weighted bound with {DRAWS} draws, higher is better. *Gain*: over the plain VAE of the "
        "same seed and code, mean and 95 % confidence interval. *levels*: that plain VAE is so wide that it "
        "has as many parameters as the ladder."
    )
    return markdown_table(header, rows) + "\n\n" + note


def gained(mine: dict[int, dict[str, Any]], other: dict[int, dict[str, Any]]) -> str:
    """Return the mean difference over seeds that both have, with its 95 % interval."""
    found = [mine[seed]["nats"] - other[seed]["nats"] for seed in mine if seed in other]
    if not found:
        return "–"
    if len(found) == 1:
        return f"{found[0]:+.2f}"
    half = _T[len(found) - 2] * stdev(found) / math.sqrt(len(found))
    return f"{fmean(found):+.2f} [{fmean(found) - half:+.2f}, {fmean(found) + half:+.2f}]"


def _time_table(records: list[dict[str, Any]]) -> str:
    rows = []
    for name in dict.fromkeys(record["entrant"] for record in records):
        found = {r["set"]: r for r in records if r["entrant"] == name}
        cells = []
        for each in ("digits", "adult"):
            mine = found.get(each)
            told = f"{mine['epoch_s']:.2f} × {mine['all_epochs']}" if mine else "–"
            cells += [f"{mine['cpu_s']:.0f}" if mine else "–", told]
        rows.append([name, *cells])
    digits, adult = MEASURED_EPOCHS["digits"], MEASURED_EPOCHS["adult"]
    note = (
        f"Digits: 1,797 images with labels. Adult: 32,561 rows. The first {digits} and {adult} epochs and "
        "the prior are measured; the others, up to the number trained by default, are added at the median "
        "price. Early stopping may end it sooner. A second core makes a fit shorter, other work on the "
        "machine longer."
    )
    return markdown_table(["", "digits", "of it, epochs", "Adult", "of it, epochs"], rows) + "\n\n" + note


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", default="bounds", choices=["bounds", "times"])
    parser.add_argument("--sets", nargs="+", default=None, choices=[*SETS, "adult"])
    parser.add_argument("--entrants", nargs="*", default=None, help="of `times`; default: all")
    parser.add_argument("--questions", nargs="+", default=list(QUESTIONS), choices=list(QUESTIONS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--again", action="store_true", help="also what was measured before")
    parser.add_argument("--out", type=Path, default=RESULTS / "family.jsonl")
    parser.add_argument("--fast", action="store_true", help="smoke test: few rows, hardly any training")
    parser.add_argument("--render", action="store_true", help="only write the results into the README")
    options = parser.parse_args()
    if options.sets is None:
        options.sets = list(SETS) if options.part == "bounds" else ["digits", "adult"]
    return options


if __name__ == "__main__":
    main()
