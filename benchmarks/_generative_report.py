"""The results of the generative benchmark: a table for each set, and one picture."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from _cells import conditions
from _common import markdown_table, spread

__all__ = ["draw", "render", "sample_key"]

#: title, field, digits, factor.
FIELDS = (
    ("fit CPU s", "fit_s", 0, 1),
    ("images/s", "speed", 0, 1),
    ("Fréchet", "frechet", 2, 1),
    ("precision", "precision", 3, 1),
    ("recall", "recall", 3, 1),
    ("class read %", "class_read", 1, 100),
    ("TSTR %", "tstr", 1, 100),
    ("sharpness", "sharpness", 2, 1),
    ("bits/pixel", "bits", 3, 1),
    ("parameters", "parameters", 0, 1),
)
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
REAL = "real images"
#: In the picture, from top to bottom.
SHOWN = (
    REAL,
    "GAN",
    "PixelCNN",
    "vaeaug (default)",
    "flow_matching",
    "ladder",
    "vae, texture pixels",
    "vae, plain pixels",
    "perceptual",
    "adversarial",
)


def render(records: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    measured = [record for record in records if "frechet" in record]
    parts = [conditions(measured, "Times are CPU seconds of that thread.")]
    for name in dict.fromkeys(record["set"] for record in measured):
        mine = [record for record in measured if record["set"] == name]
        parts += [f"### {TITLES[name]}", _table(mine)]
    failed = [record for record in records if "error" in record]
    if failed:
        lines = [f"- {r['set']}, {r['entrant']}, seed {r['seed']}: {r['error']}" for r in failed]
        parts += ["### Not measured", "\n".join(lines)]
    if measured:
        parts.append("![A row of images for each generator, one of each class](figures/generative.png)")
    return "\n\n".join(parts)


def _table(records: list[dict[str, Any]]) -> str:
    rows = []
    for name in dict.fromkeys(record["entrant"] for record in records):
        mine = [record for record in records if record["entrant"] == name]
        cells = []
        for _, field, digits, factor in FIELDS:
            found = [_value(record, field) for record in mine]
            cells.append(spread([factor * value for value in found if value is not None], digits))
        rows.append([f"*{name}*" if name == REAL else name, str(len(mine)), *cells])
    return markdown_table(["", "seeds", *(title for title, *_ in FIELDS)], rows)


def _value(record: dict[str, Any], field: str) -> float | None:
    if field == "speed":
        made = record.get("made", 5000)
        return made / record["sample_s"] if record.get("sample_s") else None
    return record.get(field)


def sample_key(cell: dict[str, Any]) -> str:
    """Return the name that the images of a cell are kept under; those of longer training stay apart."""
    return f"{cell['set']}|{cell['entrant']}|{cell['scale']:g}"


def draw(records: list[dict[str, Any]], samples: Path, path: Path) -> None:
    """Write one picture: a row of images for each generator, a column for each class, set beside set."""
    from matplotlib.figure import Figure
    from PIL import Image

    held = dict(np.load(samples))
    kept = {(r["set"], r["entrant"]): held[sample_key(r)] for r in records if sample_key(r) in held}
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


def _caption(records: list[dict[str, Any]], name: str, who: str) -> str:
    """Return how good and how quick a generator was on a set, in a few words."""
    mine = [r for r in records if (r["set"], r["entrant"]) == (name, who) and "frechet" in r]
    if not mine:
        return ""
    told = [f"Fréchet {np.mean([r['frechet'] for r in mine]):.1f}"]
    told.append(f"a classifier learns {100 * np.mean([r['tstr'] for r in mine]):.0f} % from them")
    if who != REAL:
        told.append(f"fit {np.mean([r['fit_s'] for r in mine]):.0f} s")
        told.append(
            f"1,000 images in {np.mean([1000 * r['sample_s'] / r.get('made', 5000) for r in mine]):.1f} s"
        )
    return " · ".join(told)
