"""Rows on a grid of codes, class by class: what the page of ``vaeaug studio`` lets one walk through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.latent.operations import Codes, lattice, traverse
from vaeaug.model.edit import make_space
from vaeaug.model.fitted import FittedState
from vaeaug.utils.frames import to_pandas
from vaeaug.utils.validation import check_number

__all__ = ["Explored", "Scene", "explore"]

_MOST_CLASSES = 12
_MOST_DIMS = 6
#: Values of all images together, at most: pages that are larger than this open slowly.
_MOST_VALUES = 6_000_000
_FEWEST_STEPS = 5


@dataclass(frozen=True)
class Scene:
    """What is shown of one class.

    Parameters
    ----------
    name : str
        Of the class.
    grid, lines : ndarray of shape (n, C, H, W), or DataFrame of n rows
        ``steps²`` rows, the first direction changing slowest (``steps`` rows where a code is one number); and
        ``steps`` rows for each dimension.
    """

    name: str
    grid: Any
    lines: Any


@dataclass(frozen=True)
class Explored:
    """A latent space as rows.

    Parameters
    ----------
    scenes : list of Scene
        One per class.
    stops : list of float
        Where the directions go, in standard deviations.
    dims : list of int
        Numbers of the code that are changed one at a time.
    left_out : int
        Classes that are not shown.
    is_image : bool
    """

    scenes: list[Scene]
    stops: list[float]
    dims: list[int]
    left_out: int
    is_image: bool


def explore(
    fitted: FittedState, class_names: Sequence[str] | None = None, *, steps: int = 11, reach: float = 2.5
) -> Explored:
    """Decode a grid of codes around the mean of each class.

    Parameters
    ----------
    fitted : FittedState
    class_names : sequence of str, optional
        Names of the classes 0, 1, …
    steps : int, default=11
        Along each direction; fewer for images so large that the page would be.
    reach : float, default=2.5
        How far the directions go, in standard deviations of the codes of training rows.

    Raises
    ------
    InputError
        For steps and a reach out of range.
    """
    check_number("steps", steps, low=2, integer=True)
    names, numbers, contexts, left_out = _choose_classes(fitted, class_names)
    layout, width = fitted.codec.layout, fitted.model.blueprint.latent_dim
    dims = min(_MOST_DIMS, width)
    if layout.is_image:
        images = _MOST_VALUES / (len(names) * int(np.prod(layout.shape)))
        steps = max(min(steps, int(images**0.5)), min(steps, _FEWEST_STEPS))
    options: dict[str, Any] = {"steps": int(steps), "reach": reach}
    space = make_space(fitted)
    groups = space.classes(space.known.c)
    scenes, chosen = [], np.argsort(-space.known.z.std(0), kind="stable")[:dims].tolist()
    for name, number, c in zip(names, numbers, contexts, strict=True):
        cloud = space.known.z[groups == number] if number is not None else space.known.z
        middle = Codes((cloud if len(cloud) else space.known.z).mean(0, dtype=np.float64)[None], c[None])
        lines = traverse(space, middle, dims=chosen, **options)
        # A code of one number has no second direction, and so no grid.
        grid = lattice(space, middle, **options) if width > 1 else lines
        scenes.append(Scene(name, _decode(fitted, grid.z, c), _decode(fitted, lines.z, c)))
    stops = np.linspace(-reach, reach, int(steps)).round(3).tolist()
    return Explored(scenes, stops, chosen, left_out, layout.is_image)


def _choose_classes(
    fitted: FittedState, known: Sequence[str] | None
) -> tuple[list[str], list[int | None], np.ndarray, int]:
    """Return names, numbers and contexts of the classes to show, and how many more there are."""
    context, classes = fitted.context, fitted.context.classes_
    if classes is None or context.counts_ is None:
        return ["all rows"], [None], context.encode(None, 1), 0
    start = context.class_block[0]
    order = np.sort(np.argsort(-context.counts_, kind="stable")[:_MOST_CLASSES])
    contexts = np.zeros((len(order), context.width), dtype=np.float32)
    contexts[np.arange(len(order)), start + order] = 1.0
    names = [str(known[i] if known and i < len(known) else classes[i]) for i in order]
    return names, order.tolist(), contexts, len(classes) - len(order)


def _decode(fitted: FittedState, z: np.ndarray, c: np.ndarray) -> Any:
    """Decode codes ``(..., 1, D)``: images as they are encoded, tables as frames."""
    flat = z.reshape(-1, z.shape[-1])
    x = fitted.decode(flat, np.repeat(c[None], len(flat), 0))
    return x if fitted.is_image else pd.DataFrame(to_pandas(fitted.intake.decode(x)))
