"""The family against the plain VAE: does each part do what it is meant to, and how long does each take?

The part *bounds*: the likelihood bound of held-out images, part by part. *times*: seconds of fit of every
variant, digits and Adult.
"""

import argparse
import time
from collections.abc import Iterator
from typing import Any

import _bench as bench
import numpy as np
from _bench import Record
from _datasets import load_table
from _image_sets import load_digit_images, load_images

KEY = ("part", "set", "entrant", "seed")
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


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    from vaeaug import VARIANTS

    for seed in options.seeds:
        for name in SETS:
            for question, (_, variants) in QUESTIONS.items():
                for entrant in (PLAIN, *variants):
                    who = f"{entrant}, {question}"
                    yield {"part": "bounds", "set": name, "entrant": who, "seed": seed}
    for name in MEASURED_EPOCHS:
        for entrant in VARIANTS:
            yield {"part": "times", "set": name, "entrant": entrant, "seed": 0}


def measure(cell: Record, options: argparse.Namespace) -> Record:
    if cell["part"] == "times":
        return measure_time(cell["set"], cell["entrant"], options.fast)
    return measure_bound(cell["set"], *cell["entrant"].split(", "), cell["seed"], options.fast)


# ---------------------------------------------------------------- bounds


def measure_bound(name: str, entrant: str, question: str, seed: int, fast: bool) -> dict[str, Any]:
    """Train one variant on black-and-white images without labels, and bound the likelihood of others."""
    from vaeaug.model.training import TrainingRows, fit_prior, train_networks
    from vaeaug.training.options import Options
    from vaeaug.training.run import Conditions

    settings, (latent_dim, _) = SETS[name], QUESTIONS[question]
    train, test = load_binary_images(name, seed)
    if fast:
        train, test = train[:80], test[:20]
    width = WIDTH
    if entrant == PLAIN and question == "levels":
        wanted = count_parameters(build_model("ladder", train.shape[1], latent_dim, WIDTH, seed))
        width = find_width(wanted, train.shape[1], latent_dim)
    model = build_model(entrant, train.shape[1], latent_dim, width, seed)
    rows, held_out = (TrainingRows(part, np.zeros((len(part), 0), np.float32)) for part in (train, test))
    epochs = settings["epochs"] * (LEVEL_PATIENCE if question == "levels" else 1)
    steps = Options(1 if fast else epochs, batch_size=64, learning_rate=4e-3, early_stopping=False)
    began = time.process_time()
    result = train_networks(model, rows, np.zeros(len(train), bool), steps, Conditions(seed))
    fit_prior(model, rows, Options(1 if fast else 40), Conditions(seed))
    seconds = time.process_time() - began
    scores = model.log_likelihood(held_out.x, held_out.c, draws=2 if fast else DRAWS, seed=0)
    return {
        "nats": round(float(scores.mean()), 3),
        "kl": round(result.history["train_kl"][-1], 3),
        "parameters": count_parameters(model),
        "cpu_s": round(seconds, 1),
    }


def load_binary_images(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return training and test images of one seed: the pixels that vary, 0 or 1, float32 ``(n, pixels)``."""
    settings = SETS[name]
    rng = np.random.default_rng([seed, 81])
    if name == "digits":
        images = load_digit_images()[0] > 7.5 * 255 / 16
    else:
        full = load_images("fashion_mnist").train[:20_000]
        step = full.shape[1] // settings["side"]
        cells = full.reshape(len(full), settings["side"], step, settings["side"], step)
        images = cells.mean(axis=(2, 4)) > 100
    rows = rng.permutation(len(images))[: settings["train"] + settings["test"]]
    chosen = images[rows].reshape(len(rows), -1).astype(np.float32)
    share = chosen.mean(0)
    chosen = chosen[:, (share > 0.02) & (share < 0.98)]
    return chosen[: settings["train"]], chosen[settings["train"] :]


def find_width(wanted: int, pixels: int, latent_dim: int) -> int:
    """Return the width of networks with which the plain VAE has about as many parameters as wanted."""

    def miss(width: int) -> int:
        return abs(count_parameters(build_model(PLAIN, pixels, latent_dim, width, 0)) - wanted)

    return min(range(WIDTH, 3 * WIDTH), key=miss)


def build_model(entrant: str, pixels: int, latent_dim: int, width: int, seed: int) -> Any:
    """Build a model of rows of black or white pixels, independent given the code."""
    from vaeaug import VARIANTS, Recipe
    from vaeaug.layout import Layout, Span
    from vaeaug.model.builder import Blueprint, weigh_losses
    from vaeaug.model.model import Model
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
        losses=weigh_losses(variant.get("losses"), variant["beta"], posterior),
    )
    return Model.create(blueprint, Runtime("cpu"), seed)


def count_parameters(model: Any) -> int:
    """Return the number of parameters; those of a prior that is fitted afterwards are not among them."""
    latent = model.vae.latent
    joint = getattr(latent.prior, "joint", False)
    fitted = set() if joint else {id(p) for p in latent.prior.parameters()}
    return sum(p.numel() for p in model.vae.parameters() if id(p) not in fitted)


# ---------------------------------------------------------------- times


def measure_time(name: str, entrant: str, fast: bool) -> Record:
    """Fit some epochs and the prior to all digits as images, or to Adult; add the epochs that are missing."""
    from vaeaug import VARIANTS, VAEAugmenter
    from vaeaug.model.defaults import resolve

    X, y = _load_rows(name, fast)
    epochs = 2 if fast else MEASURED_EPOCHS[name]
    augmenter = VAEAugmenter(**VARIANTS[entrant], device="cpu", random_state=0, max_iter=epochs)
    # CPU time of one thread: what a free core takes, whoever else is on the machine.
    began, began_wall = time.process_time(), time.perf_counter()
    augmenter.fit(X, y)
    seconds, wall = time.process_time() - began, time.perf_counter() - began_wall
    shape = (1, *X.shape[1:]) if np.ndim(X) == 3 else ()
    plan = resolve(VAEAugmenter(), len(X), shape)
    # The history counts wall time, of which this process had a share.
    passed = augmenter.history_.query("stage == 'network'")["seconds"]
    each = float(np.median(np.diff(passed))) * seconds / wall
    return {
        "measured_s": round(seconds, 1),
        "epochs": augmenter.n_iter_,
        "rows": len(X),
        "epoch_s": round(each, 2),
        "all_epochs": plan.max_iter,
        "cpu_s": round(seconds + each * (plan.max_iter - epochs), 1),
    }


def _load_rows(name: str, fast: bool) -> tuple[Any, Any]:
    if name == "digits":
        return load_digit_images()
    table = load_table("adult")
    rows = table.train.iloc[: 400 if fast else None]
    return rows.drop(columns=table.target), rows[table.target]


# ---------------------------------------------------------------- report

BOUND_NOTE = (
    f"Importance-weighted bound with {DRAWS} draws, higher is better. *Gain*: over the plain VAE of the same "
    "seed and code, mean and 95 % confidence interval. *levels*: that plain VAE is so wide that it has as "
    "many parameters as the ladder."
)
TIME_NOTE = (
    f"Digits: 1,797 images with labels. Adult: 32,561 rows. The first {MEASURED_EPOCHS['digits']} and "
    f"{MEASURED_EPOCHS['adult']} epochs and the prior are measured. The other epochs, up to the number that "
    "is trained by default, are added at the median time of these. Early stopping may end a fit sooner. A "
    "second core makes a fit shorter, other work on the machine makes it longer."
)


def render(records: list[Record]) -> str:
    """Return the results as Markdown."""
    sections = {"": bench.tell_conditions(records, "Seconds are CPU seconds of one thread.")}
    for name in SETS:
        mine = [r for r in records if (r["part"], r["set"]) == ("bounds", name) and "nats" in r]
        title = f"{name}: log-likelihood bound of held-out images, nats"
        sections[title] = mine and f"{_tabulate_bounds(mine)}\n\n{BOUND_NOTE}"
    times = [r for r in records if r["part"] == "times" and "cpu_s" in r]
    title = "Time of fit, CPU seconds of one thread"
    sections[title] = times and f"{_tabulate_times(times)}\n\n{TIME_NOTE}"
    sections["Not measured"] = bench.list_failures(records, KEY)
    return bench.join_sections(sections)


def _tabulate_bounds(records: list[Record]) -> str:
    bound, kl, size, seconds = (
        bench.Column("bound", "nats"),
        bench.Column("KL", "kl"),
        bench.Column("parameters", "parameters", 0),
        bench.Column("CPU s", "cpu_s", 0),
    )
    known = bench.group(records, "entrant")
    rows = []
    for question, (latent_dim, variants) in QUESTIONS.items():
        plain = known.get(f"{PLAIN}, {question}", [])
        for name in (PLAIN, *variants):
            if mine := known.get(f"{name}, {question}", []):
                gain = "–" if name == PLAIN else bench.compare_seeds(mine, plain, "nats")
                row = [name, question, str(latent_dim), str(len(mine)), bound.show(mine), gain, kl.show(mine)]
                rows.append([*row, size.show(mine[:1]), seconds.show(mine)])
    header = ["", "question", "code", "seeds", "bound", "gain", "KL", "parameters", "CPU s"]
    return bench.markdown_table(header, rows)


def _tabulate_times(records: list[Record]) -> str:
    rows = []
    for name, mine in bench.group(records, "entrant").items():
        row = [name]
        for each in ("digits", "adult"):
            r = next((r for r in mine if r["set"] == each), None)
            row += [f"{r['cpu_s']:.0f}", f"{r['epoch_s']:.2f} × {r['all_epochs']}"] if r else ["–", "–"]
        rows.append(row)
    return bench.markdown_table(["", "digits", "of it, epochs", "Adult", "of it, epochs"], rows)


DEFAULTS = {"seeds": [0, 1, 2]}
