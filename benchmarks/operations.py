"""Do the latent operations do what they say, and nothing else? On handwritten digits.

A cell is a model that was given the class, or the class, the slant and the stroke thickness.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import _bench as bench
import numpy as np
import pandas as pd
from _bench import Record
from _image_sets import load_digit_images, load_images
from scipy.stats import spearmanr

KEY = ("set", "given", "seed")
GIVEN = ("class", "class, slant, thickness")
#: Images the models learn from, images that are changed, epochs, and steps of the judge.
SETS: dict[str, dict[str, int]] = {
    "mnist": {"train": 10_000, "test": 1_000, "epochs": 10, "judge_steps": 1_500},
    "digits": {"train": 800, "test": 300, "epochs": 30, "judge_steps": 600},
}
STYLE = ("slant", "thickness")


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    for name in ("digits",) if options.fast else SETS:
        for seed in options.seeds:
            yield from ({"set": name, "given": given, "seed": seed} for given in GIVEN)


# ---------------------------------------------------------------- data, and what is measured on it


def measure_style(images: np.ndarray) -> pd.DataFrame:
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
        images, labels = load_digit_images()
        order = np.random.default_rng([seed, 91]).permutation(len(images))
        cuts = np.split(order, np.cumsum([sizes["train"], sizes["test"]]))
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


def measure(cell: Record, options: argparse.Namespace) -> Record:
    """Fit one model, change images that it has not seen, and see what has changed."""
    from vaeaug import VAEAugmenter
    from vaeaug.evaluation.smallcnn import SmallConvClassifier

    name, given, seed, fast = cell["set"], cell["given"], cell["seed"], options.fast
    (train, labels), (test, classes), (other, truth) = split(name, seed, fast)
    style = measure_style(train)
    y: Any = labels if given == "class" else style.assign(digit=labels)
    epochs = 1 if fast else SETS[name]["epochs"]
    began = time.process_time()
    augmenter = VAEAugmenter(max_iter=epochs, random_state=seed).fit(train, y)
    seconds = round(time.process_time() - began, 1)
    steps, shift = 30 if fast else SETS[name]["judge_steps"], 0 if name == "digits" else 2
    judge = SmallConvClassifier(max_steps=steps, shift=shift, random_state=seed).fit(other, truth)
    trial = Trial(judge, style, test, classes, measure_style(test))
    wanted = (classes + np.random.default_rng([seed, 93]).integers(1, 10, len(classes))) % 10
    known: Any = classes if given == "class" else trial.style.assign(digit=classes)
    aim: Any = wanted if given == "class" else trial.style.assign(digit=wanted)
    rows: dict[str, Any] = {"as they are": trial.compare_style(test, classes)}
    rows["reconstruct"] = trial.compare_style(augmenter.reconstruct(test, known), classes)
    rows["transfer"] = trial.compare_style(augmenter.transfer(test, known, aim), wanted)
    rows["transfer, pull=None"] = trial.compare_style(augmenter.transfer(test, known, aim, pull=None), wanted)
    if given == "class":
        directions = augmenter.find_directions(train, style, labels)
    for attribute in STYLE:
        value = trial.pick_values(attribute)
        call = {"attribute": attribute, "value": value}
        if given != "class":
            rows[f"edit {attribute}"] = trial.measure_edit(augmenter.edit(test, known, **call), **call)
            continue
        call |= {"directions": directions}
        for how, held in {"told": trial.style, "read": None}.items():
            made = augmenter.edit(test, known, attributes=held, **call)
            rows[f"edit {attribute}, others {how}"] = trial.measure_edit(made, attribute, value)
        made = augmenter.edit(test, known, pull=0.0, **call)
        rows[f"edit {attribute}, pull=0"] = trial.measure_edit(made, attribute, value)
    return {
        "fit_cpu_s": seconds,
        "judge": round(float(judge.score(test, classes)), 4),
        "rows": rows,
    }


@dataclass
class Trial:
    """Images to change, and the judge of what became of them."""

    judge: Any
    usual: pd.DataFrame
    images: np.ndarray
    classes: np.ndarray
    style: pd.DataFrame

    def compare_style(self, made: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
        """Return how often the wanted class is read, and the rank correlations of style before and after."""
        after = measure_style(made)
        found = {"class": float((self.judge.predict(made) == wanted).mean())}
        found |= {name: float(spearmanr(self.style[name], after[name])[0]) for name in STYLE}
        return {name: round(value, 4) for name, value in found.items()}

    def pick_values(self, attribute: str) -> np.ndarray:
        """Return for each image the 20 % or 80 % quantile of an attribute, the one across the median."""
        low, middle, high = self.usual[attribute].quantile([0.2, 0.5, 0.8])
        return np.where(self.style[attribute] > middle, low, high)

    def measure_edit(self, made: np.ndarray, attribute: str, value: np.ndarray) -> dict[str, float]:
        """Return how often an edit hits, and how often the others stay.

        ``hit``: on the wanted side of the median. ``near``: within half a standard deviation of the value
        asked for. ``class``: read as it was. ``other``: the other attribute has changed by less than half a
        standard deviation; ``rank`` is its rank correlation.
        """
        (other,) = set(STYLE) - {attribute}
        after, spread, middle = measure_style(made), self.usual.std(), self.usual[attribute].median()
        found = {
            "hit": ((after[attribute] > middle) == (value > middle)).mean(),
            "near": ((after[attribute] - value).abs() < spread[attribute] / 2).mean(),
            "class": (self.judge.predict(made) == self.classes).mean(),
            "other": ((after[other] - self.style[other]).abs() < spread[other] / 2).mean(),
            "rank": spearmanr(after[other], self.style[other])[0],
        }
        return {name: round(float(share), 4) for name, share in found.items()}


# ---------------------------------------------------------------- report

#: Columns of both tables: title and format.
KEPT = {"class": ("wanted class read", ".1%")}
KEPT |= {"slant": ("slant, rank corr.", ".2f"), "thickness": ("thickness, rank corr.", ".2f")}
EDITED = {"hit": ("hit", ".1%"), "near": ("near the value", ".1%"), "class": ("class kept", ".1%")}
EDITED |= {"other": ("other attribute kept", ".1%"), "rank": ("its rank corr.", ".2f")}


def render(records: list[Record]) -> str:
    """Return the results as Markdown: means over seeds."""
    records = [record for record in records if not record["fast"]]
    parts = [bench.tell_conditions(records, "Means over the seeds.")]
    for name in SETS:
        for given in GIVEN:
            own = [r for r in records if (r["set"], r["given"]) == (name, given) and "rows" in r]
            if own:
                parts.append(_tabulate(name, given, own))
    return "\n\n".join(filter(None, [*parts, bench.list_failures(records, KEY)]))


def _tabulate(name: str, given: str, records: list[Record]) -> str:
    seeds = len(records)
    head = (
        f"**{name}, a model given the {given}**: {SETS[name]['train']:,} images, {SETS[name]['epochs']} "
        f"epochs ({fmean(r['fit_cpu_s'] for r in records):.0f} s of one core), "
        f"{seeds} seed{'s' if seeds > 1 else ''}. "
        f"The judge reads {fmean(r['judge'] for r in records):.1%} of real images right."
    )
    rows = pd.DataFrame([record["rows"] for record in records])
    means = pd.DataFrame({row: pd.DataFrame(list(rows[row])).mean() for row in rows}).T
    edited = means["hit"].notna()
    parts = [head]
    for each, columns in ((means[~edited], KEPT), (means[edited], EDITED)):
        cells = [[format(row[c], form) for c, (_, form) in columns.items()] for _, row in each.iterrows()]
        header = ["", *(title for title, _ in columns.values())]
        parts.append(bench.markdown_table(header, [[k, *c] for k, c in zip(each.index, cells, strict=True)]))
    return "\n\n".join(parts)


DEFAULTS = {"seeds": [0, 1, 2]}
