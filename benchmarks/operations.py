"""Do the latent operations do what they say, and nothing else? On handwritten digits.

python benchmarks/operations.py             measure: two models for each seed
python benchmarks/operations.py --render    write the results into benchmarks/README.md

Every seed is two lines of benchmarks/results/operations.jsonl: a model that was given the class, and one that
was given the class, the slant and the stroke thickness. Lines that are there are not measured again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from _cells import Cells, conditions
from _common import README, RESULTS, inject, markdown_table
from _image_sets import cache_folder, load_images
from scipy.stats import spearmanr

NAMES = ("set", "given", "seed", "fast")
GIVEN = ("class", "class, slant, thickness")
#: Images the models learn from, images that are changed, epochs, and steps of the judge.
SETS: dict[str, dict[str, int]] = {
    "mnist": {"train": 10_000, "test": 1_000, "epochs": 10, "judge_steps": 1_500},
    "digits": {"train": 800, "test": 300, "epochs": 30, "judge_steps": 600},
}
STYLE = ("slant", "thickness")


def main() -> None:
    options = _options()
    cells = Cells(options.out, NAMES)
    if options.render:
        inject(README, "operations", render(cells.records()))
        return
    for seed in options.seeds:
        for given in options.given:
            cell = {"set": options.set, "given": given, "seed": seed, "fast": options.fast}
            if options.again or cells.missing(cell):
                record = cell | measured(options.set, given, seed, options.fast)
                cells.store(record)
                print(given, seed, f"{record['fit_cpu_s']} s", record["rows"], flush=True)


# ---------------------------------------------------------------- data, and what is measured on it


def style_of(images: np.ndarray) -> pd.DataFrame:
    """Return slant and stroke thickness of images ``(n, H, W)``, bright strokes on black.

    Slant is how far a stroke moves sideways for each pixel upwards: ``−Σ p dx dy / Σ p dy²`` around the
    centre of the ink p. Thickness is in pixels, twice the ink over its outline, ``2 Σ p / Σ |∇p|``. Ink
    counts from a quarter to three quarters of the brightest pixel: soft edges are no thicker strokes.
    """
    ink = images.astype(np.float64)
    ink = np.clip(ink / (ink.max((1, 2), keepdims=True) + 1e-9) * 2 - 0.5, 0, 1)
    whole = ink.sum((1, 2)) + 1e-9
    rows, columns = np.mgrid[: ink.shape[1], : ink.shape[2]]
    dx = columns - ((ink * columns).sum((1, 2)) / whole)[:, None, None]
    dy = rows - ((ink * rows).sum((1, 2)) / whole)[:, None, None]
    slant = -(ink * dx * dy).sum((1, 2)) / ((ink * dy * dy).sum((1, 2)) + 1e-9)
    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    outline = np.sqrt(across**2 + down**2).sum((1, 2)) + 1e-9
    return pd.DataFrame({"slant": slant, "thickness": 2 * whole / outline})


def split(name: str, seed: int, fast: bool) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return images and classes to learn from, to change, and for the judge, no image in two of them."""
    sizes = SETS[name]
    if name == "digits":
        from sklearn.datasets import load_digits

        data = load_digits()
        images, labels = (data.images * 255 / 16).round().astype(np.uint8), data.target.astype(np.int64)
        order = np.random.default_rng([seed, 91]).permutation(len(images))
        cuts = np.split(order, [sizes["train"], sizes["train"] + sizes["test"]])
        parts = [(images[rows], labels[rows]) for rows in cuts]
    else:
        found = load_images(name)
        order = np.random.default_rng([seed, 91]).permutation(len(found.train))
        learned, judged = order[: sizes["train"]], order[sizes["train"] :]
        tested = np.random.default_rng([seed, 92]).permutation(len(found.test))[: sizes["test"]]
        parts = [
            (found.train[learned], found.train_labels[learned]),
            (found.test[tested], found.test_labels[tested]),
            (found.train[judged], found.train_labels[judged]),
        ]
    return tuple((images[:120], labels[:120]) if fast else (images, labels) for images, labels in parts)


def measured(name: str, given: str, seed: int, fast: bool) -> dict[str, Any]:
    """Fit one model, change images that it has not seen, and see what has changed."""
    import torch

    from vaeaug import VAEAugmenter, load

    torch.set_num_threads(1)
    (train, labels), (test, classes), (other, truth) = split(name, seed, fast)
    style = style_of(train)
    y: Any = labels if given == "class" else style.assign(digit=labels)
    epochs = 1 if fast else SETS[name]["epochs"]
    # Fits are kept, so that what is measured on them can be measured anew.
    kept = cache_folder() / f"operations-{name}-{GIVEN.index(given)}-{seed}-{epochs}.safetensors"
    if not kept.exists():
        began = time.process_time()
        VAEAugmenter(max_iter=epochs, random_state=seed).fit(train, y).save(kept)
        kept.with_suffix(".txt").write_text(f"{time.process_time() - began:.1f}")
    augmenter, seconds = load(kept), float(kept.with_suffix(".txt").read_text())
    judge = judge_of(name, seed, fast, other, truth)
    world = World(judge, style, test, classes, style_of(test))
    wanted = (classes + np.random.default_rng([seed, 93]).integers(1, 10, len(classes))) % 10
    known: Any = classes if given == "class" else world.style.assign(digit=classes)
    aim: Any = wanted if given == "class" else world.style.assign(digit=wanted)
    rows: dict[str, Any] = {"as they are": world.kept(test, classes)}
    rows["reconstruct"] = world.kept(augmenter.reconstruct(test, known), classes)
    rows["transfer"] = world.kept(augmenter.transfer(test, known, aim), wanted)
    rows["transfer, pull=None"] = world.kept(augmenter.transfer(test, known, aim, pull=None), wanted)
    if given == "class":
        directions = augmenter.find_directions(train, style, labels)
    for attribute in STYLE:
        value = world.other_side(attribute)
        call = {"attribute": attribute, "value": value}
        if given != "class":
            rows[f"edit {attribute}"] = world.edited(augmenter.edit(test, known, **call), **call)
            continue
        call |= {"directions": directions}
        for how, held in {"told": world.style, "read": None}.items():
            made = augmenter.edit(test, known, attributes=held, **call)
            rows[f"edit {attribute}, others {how}"] = world.edited(made, attribute, value)
        made = augmenter.edit(test, known, pull=0.0, **call)
        rows[f"edit {attribute}, pull=0"] = world.edited(made, attribute, value)
    return {
        "fit_cpu_s": seconds,
        "judge": round(float(judge.score(test, classes)), 4),
        "rows": rows,
    }


def judge_of(name: str, seed: int, fast: bool, images: np.ndarray, labels: np.ndarray) -> Any:
    """Return a classifier of the images that nobody else has seen; kept for the next cell of the seed."""
    from safetensors.torch import load_file, save_file

    from vaeaug.evaluation.smallcnn import SmallConvClassifier

    steps = 30 if fast else SETS[name]["judge_steps"]
    kept = cache_folder() / f"operations-judge-{name}-{seed}-{steps}.safetensors"
    judge = SmallConvClassifier(max_steps=steps, shift=0 if name == "digits" else 2, random_state=seed)
    if kept.exists():
        # Without a step, fit only builds the network.
        judge.set_params(max_steps=0).fit(images, labels)
        judge.network_.load_state_dict(load_file(kept))
        return judge
    judge.fit(images, labels)
    save_file(judge.network_.state_dict(), kept)
    return judge


class World:
    """Images to change, and the judge of what became of them."""

    def __init__(
        self, judge: Any, usual: pd.DataFrame, images: np.ndarray, classes: np.ndarray, style: pd.DataFrame
    ) -> None:
        self.judge, self.usual, self.images, self.classes, self.style = judge, usual, images, classes, style

    def kept(self, made: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
        """Return how often the wanted class is read, and the rank correlations of style before and after."""
        after = style_of(made)
        found = {"class": float((self.judge.predict(made) == wanted).mean())}
        found |= {name: float(spearmanr(self.style[name], after[name])[0]) for name in STYLE}
        return {name: round(value, 4) for name, value in found.items()}

    def other_side(self, attribute: str) -> np.ndarray:
        """Return for each image the 20 % or 80 % quantile of an attribute, the one across the median."""
        low, middle, high = self.usual[attribute].quantile([0.2, 0.5, 0.8])
        return np.where(self.style[attribute] > middle, low, high)

    def edited(self, made: np.ndarray, attribute: str, value: np.ndarray) -> dict[str, float]:
        """Return how often an edit hits, and how often the others stay.

        ``hit``: on the wanted side of the median. ``near``: within half a standard deviation of the value
        asked for. ``class``: read as it was. ``other``: the other attribute has changed by less than half a
        standard deviation; ``rank`` is its rank correlation.
        """
        (other,) = set(STYLE) - {attribute}
        after, spread, middle = style_of(made), self.usual.std(), self.usual[attribute].median()
        found = {
            "hit": ((after[attribute] > middle) == (value > middle)).mean(),
            "near": ((after[attribute] - value).abs() < spread[attribute] / 2).mean(),
            "class": (self.judge.predict(made) == self.classes).mean(),
            "other": ((after[other] - self.style[other]).abs() < spread[other] / 2).mean(),
            "rank": spearmanr(after[other], self.style[other])[0],
        }
        return {name: round(float(share), 4) for name, share in found.items()}


# ---------------------------------------------------------------- report


def render(records: list[dict[str, Any]]) -> str:
    """Return the results as Markdown: means over seeds."""
    records = [record for record in records if not record["fast"]]
    if not records:
        return "Nothing measured yet."
    parts = [conditions(records, "Means over the seeds.")]
    for name in SETS:
        for given in GIVEN:
            own = [record for record in records if (record["set"], record["given"]) == (name, given)]
            if own:
                parts += [_table(name, given, own)]
    return "\n\n".join(parts)


def _table(name: str, given: str, records: list[dict[str, Any]]) -> str:
    seeds = len(records)
    head = (
        f"**{name}, a model given the {given}**: {SETS[name]['train']:,} images, {SETS[name]['epochs']} "
        f"epochs ({fmean(r['fit_cpu_s'] for r in records):.0f} s of one core), "
        f"{seeds} seed{'s' if seeds > 1 else ''}. "
        f"The judge reads {fmean(r['judge'] for r in records):.1%} of real images right."
    )
    rows = records[0]["rows"]
    kept = [row for row in rows if "hit" not in rows[row]]
    edits = [row for row in rows if "hit" in rows[row]]

    def mean(row: str, column: str) -> float:
        return fmean(record["rows"][row][column] for record in records)

    first = markdown_table(
        ("", "wanted class read", "slant, rank corr.", "thickness, rank corr."),
        [(row, f"{mean(row, 'class'):.1%}", *(f"{mean(row, each):.2f}" for each in STYLE)) for row in kept],
    )
    second = markdown_table(
        ("", "hit", "near the value", "class kept", "other attribute kept", "its rank corr."),
        [
            (
                row,
                *(f"{mean(row, each):.1%}" for each in ("hit", "near", "class", "other")),
                f"{mean(row, 'rank'):.2f}",
            )
            for row in edits
        ],
    )
    return "\n\n".join([head, first, second])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--set", choices=list(SETS), default="mnist")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--given", nargs="+", default=list(GIVEN), choices=list(GIVEN), help="what the models are given")
    add("--again", action="store_true", help="also measure what was measured before, on fits that are kept")
    add("--out", type=Path, default=RESULTS / "operations.jsonl")
    add("--fast", action="store_true", help="hardly train, to see that it runs")
    add("--render", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
