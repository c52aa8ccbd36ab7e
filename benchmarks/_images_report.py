"""The results of the image benchmark as Markdown."""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import Any

from _common import markdown_table, spread

__all__ = ["SIMPLE_NAMES", "best_simple", "paired", "render"]

#: Names of the recipes without a generator, in the order of the table.
SIMPLE_NAMES = (
    "plain",
    "class weights",
    "oversampling",
    "oversampling + RandAugment",
    "oversampling + TrivialAugment",
    "oversampling + MixUp",
)

#: Programs per core from which on wall times say little.
_BUSY = 1.5

# 97.5 % points of Student's t for 1, 2, … degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def render(records: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    parts = [_conditions(records)]
    for name in dict.fromkeys(record["set"] for record in records):
        quality = [r for r in records if r["part"] == "quality" and r["set"] == name and "points" in r]
        if quality:
            parts += [f"### {name}: quality", _quality(quality), _times(quality)]
        for setting in dict.fromkeys(r.get("setting") for r in records if r["set"] == name):
            if setting is not None:
                parts += [
                    f"### {name}, {setting}: balanced accuracy, %",
                    _augmentation(records, name, setting),
                ]
    tried = [record for record in records if record["part"] == "choice"]
    if tried:
        parts += ["### What the defaults were chosen from", _choices(tried)]
    failed = [record for record in records if "error" in record]
    if failed:
        lines = (f"- {r['set']}, {r['entrant']}, seed {r['seed']}: {r['error']}" for r in failed)
        parts += ["### Not measured", "\n".join(lines)]
    return "\n\n".join(part for part in parts if part)


def _conditions(records: list[dict[str, Any]]) -> str:
    places = []
    for record in records:
        facts = record["machine"]
        used = record["judge"] | record.get("versions", {})
        gpu = facts["gpu"] if record["device"] != "cpu" and facts["gpu"] else None
        places.append(
            f"{gpu or facts['cpu']}, {facts['cores']} cores, {record['threads']} threads each, "
            f"{facts['memory_gb']} GB; Python {facts['python']}, torch {used.get('torch', '?')}."
            + (" **Smoke test, not a result.**" if record["fast"] else "")
        )
    days = sorted(record["measured"] for record in records)
    span = f"Measured {days[0]} to {days[-1]}. " if days else "Nothing measured yet."
    return span + " ".join(dict.fromkeys(places)) + _crowd(records)


def _crowd(records: list[dict[str, Any]]) -> str:
    """Warn of times that were taken beside other work."""
    loads = [(r["machine"].get("load_average") or 0.0, r["machine"]["cores"]) for r in records]
    busy = [load for load, cores in loads if load > _BUSY * cores]
    if not busy:
        return ""
    return (
        f" **Other programs ran beside these** (load up to {max(busy):.1f}): wall times are those of "
        "a crowded machine, two to three times a quiet one's; CPU seconds, where given, are not."
    )


def _rows(quality: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the points of each (entrant, sampler) that were judged in full, over seeds."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in quality:
        if "(" in record["entrant"]:
            continue
        for point in record["points"]:
            if point.get("last", True):
                rows.setdefault((record["entrant"], point["sampler"]), []).append(point)
    return rows


def _quality(quality: list[dict[str, Any]]) -> str:
    fields = (
        ("train s", "seconds", 0, 1),
        ("CPU s", "cpu_s", 0, 1),
        ("images/s", "images_per_s", 0, 1),
        ("Fréchet", "frechet", 1, 1),
        ("precision", "precision", 3, 1),
        ("recall", "recall", 3, 1),
        ("density", "density", 3, 1),
        ("coverage", "coverage", 3, 1),
        ("copying %", "copying", 2, 100),
        ("… pixels %", "copying_pixels", 2, 100),
        ("TSTR %", "tstr", 2, 100),
        ("of images", "tstr_images", 0, 1),
    )
    lines = []
    for (entrant, sampler), points in _rows(quality).items():
        cells = []
        for _, key, digits, scale in fields:
            known = [
                scale * p[key]
                for p in points
                if key in p and not (entrant == "held-out images" and key == "seconds")
            ]
            cells.append(spread(known, digits))
        if entrant == "held-out images":
            cells[-2] = f"{100 * points[0]['accuracy']:.2f} (trained on real)"
        lines.append([f"{entrant}, {sampler}" if sampler else f"*{entrant}*", *cells])
    return markdown_table(["", *(title for title, *_ in fields)], lines)


def _choices(tried: list[dict[str, Any]]) -> str:
    """Return the experiments behind the defaults: many small fits, one judge that is not the one above."""
    fields = (
        ("images/CPU s", "images_per_cpu_s", 0, 1),
        ("Fréchet", "frechet", 1, 1),
        ("… of reconstructions", "reconstruction_frechet", 1, 1),
        ("told as their class %", "own_class", 1, 100),
        ("TSTR %", "tstr", 2, 100),
        ("… pixels copying %", "copying_pixels", 1, 100),
    )
    lines = [
        [
            f"{r['set']}: {r['entrant']}",
            *(spread([scale * r[k]] if k in r else [], d) for _, k, d, scale in fields),
        ]
        for r in tried
    ]
    note = (
        "Fits of one seed on 20,000 images, 5 epochs of the networks; TSTR of 20,000 made images and 4 "
        "epochs of a judge that gets 92.2 % on real Fashion-MNIST. A judge of its own and fewer images: "
        "distances compare within this table only."
    )
    return note + "\n\n" + markdown_table(["", *(title for title, *_ in fields)], lines)


def curve(quality: list[dict[str, Any]]) -> list[tuple[float, float, str]]:
    """Return (seconds, Fréchet distance, who) of all points: vaeaug's from its prior, with its defaults."""
    points = []
    for record in quality:
        if record["entrant"].startswith("vaeaug with"):
            continue
        for point in record["points"]:
            if record["entrant"] == "held-out images" or point["sampler"] not in ("prior", "normal", "gmm"):
                continue
            who = (
                "vaeaug"
                if record["entrant"].startswith("vaeaug")
                else f"{record['entrant']}, {point['sampler']}"
            )
            points.append((point["seconds"], point["frechet"], who))
    return sorted(points)


def _times(quality: list[dict[str, Any]]) -> str:
    """Tell how soon vaeaug is as good as each peer ever was, and how both stand at equal time."""
    points = curve(quality)
    ours = [(seconds, distance) for seconds, distance, who in points if who == "vaeaug"]
    if not ours:
        return ""
    lines = []
    for who in dict.fromkeys(who for *_, who in points if who != "vaeaug"):
        theirs = [(seconds, distance) for seconds, distance, name in points if name == who]
        best, at = min((distance, seconds) for seconds, distance in theirs)
        reached = [seconds for seconds, distance in ours if distance <= best]
        if reached:
            first = min(reached)
            told = f"{first:,.0f} s: 1/{at / first:.1f} of the time"
        else:
            told = f"not reached (best {min(distance for _, distance in ours):.1f})"
        last = max(seconds for seconds, _ in theirs)
        in_time = [distance for seconds, distance in ours if seconds <= last]
        ratio = f"{min(in_time) / best:.2f}" if in_time else "–"
        lines.append([who, f"{best:.1f}", f"{at:,.0f}", f"{last:,.0f}", told, ratio])
    if not lines:
        return ""
    header = [
        "",
        "its best Fréchet",
        "after s",
        "watched s",
        "vaeaug's prior as good after",
        "vaeaug's best ÷ its",
    ]
    note = (
        "Seconds of training: all of `fit` for vaeaug; for the peer its optimiser steps only, not the fit "
        "of its mixture. The last column compares the best within the time that the peer was watched. "
        "Nothing is extrapolated: where the peer was still improving at the end, its time to any better "
        "distance is at least what is shown."
    )
    steps = "\n".join(
        f"- {who}: "
        + ", ".join(f"{distance:.1f} ({seconds:,.0f} s)" for seconds, distance, name in points if name == who)
        for who in dict.fromkeys(who for *_, who in points)
    )
    return (
        markdown_table(header, lines)
        + "\n\n"
        + note
        + "\n\nFréchet distance (after seconds of training):\n\n"
        + steps
    )


def best_simple(records: list[dict[str, Any]], name: str, setting: str, fast: bool = False) -> str:
    """Return the simple recipe with the highest mean balanced accuracy."""
    scores = {
        arm: list(found.values())
        for arm, found in _scores(records, name, setting, fast).items()
        if arm in SIMPLE_NAMES
    }
    if not scores:
        raise SystemExit(f"{name}, {setting}: measure simple recipes first (--arms).")
    return max(scores, key=lambda arm: fmean(scores[arm]))


def _scores(
    records: list[dict[str, Any]], name: str, setting: str, fast: bool
) -> dict[str, dict[int, float]]:
    """Return entrant -> seed -> balanced accuracy."""
    found: dict[str, dict[int, float]] = {}
    for r in records:
        same = r["part"] == "augmentation" and r["set"] == name and r.get("setting") == setting
        if same and r["fast"] == fast and "error" not in r:
            found.setdefault(r["entrant"], {})[r["seed"]] = r["balanced_accuracy"]
    return found


def paired(a: dict[int, float], b: dict[int, float]) -> tuple[float, float, float] | None:
    """Return the mean of a − b over common seeds and its 95 % interval (Student's t); None below two."""
    differences = [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]
    if len(differences) < 2:
        return None
    reach = _T[min(len(differences) - 2, len(_T) - 1)] * stdev(differences) / math.sqrt(len(differences))
    mean = fmean(differences)
    return mean, mean - reach, mean + reach


def _augmentation(records: list[dict[str, Any]], name: str, setting: str) -> str:
    fast = any(r["fast"] for r in records if r["set"] == name and r.get("setting") == setting)
    scores = _scores(records, name, setting, fast)
    if not any(arm in SIMPLE_NAMES for arm in scores):
        return ""
    best = best_simple(records, name, setting, fast)
    lines = []
    for arm, found in scores.items():
        difference = paired(found, scores[best]) if arm != best else None
        told = "–" if arm != best else "*best simple*"
        if difference is not None:
            told = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(100 * value for value in difference))
        lines.append([arm, spread((100 * v for v in found.values()), 2), str(len(found)), told])
    return markdown_table(["", "balanced accuracy", "seeds", "− best simple, 95 % interval"], lines)
