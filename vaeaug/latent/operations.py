"""Latent operations by name: each takes codes of rows and returns the codes to decode.

An operation is a function ``(space, *sources, **options) -> Codes``: a :class:`Space` says what is known of
the latent space, each source holds the codes of n rows. What it returns may have axes in front, such as the
steps of a walk, ``(steps, n, D)``. To add one, write the function in a file and its line in ``OPERATIONS``:
``VAEAugmenter.apply`` then finds it by its name, encodes the rows, and decodes what it returns.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaeaug.errors import InputError
from vaeaug.latent.arithmetic import (
    find_common_axes,
    find_main_axes,
    lerp,
    pull_towards,
    regress,
    slerp,
    wander,
)
from vaeaug.utils.validation import check_number, check_option

__all__ = [
    "OPERATIONS",
    "Codes",
    "Space",
    "blend",
    "choose_operation",
    "interpolate",
    "lattice",
    "recondition",
    "shift",
    "traverse",
    "walk",
]

_PATHS = {"linear": lerp, "spherical": slerp}
_BASES = ("codes", "main")
_MOST_DIMS = 8
_FEWEST_CODES = 2
#: Of the variance of codes within a class, what counts as style; how much less style is drawn to others.
_STYLE, _SPARED = 0.3, 0.75


@dataclass(frozen=True)
class Codes:
    """Codes, and the contexts they are decoded under.

    Parameters
    ----------
    z : ndarray of shape (..., n, D)
    c : ndarray of float32, shape (..., n, K)
        Broadcast against the axes in front of ``z``.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.latent.operations import Codes
    >>> codes = Codes(np.zeros((3, 2)), np.eye(3, dtype=np.float32))
    >>> codes.z.shape, codes.c.shape
    ((3, 2), (3, 3))
    """

    z: np.ndarray
    c: np.ndarray


@dataclass(frozen=True)
class Space:
    """What an operation may know of a latent space.

    Parameters
    ----------
    known : Codes
        Of training rows, ``(N, D)`` and ``(N, K)``, from their own contexts.
    slices : mapping of str to slice
        Names of the parts of a code, such as the levels of a ladder from fine to coarse.
    blocks : tuple of (int, int, bool)
        First and one past the last context column of each variable, and whether it is a class: one-hot. A
        number has its value and a 1; all columns are zero where a variable is unknown.
    classes : callable
        Contexts ``(n, K)`` to class numbers ``(n,)``; rows of unknown class share the number after the last.
    generator : callable
        Returns the random generator of this call; only what asks for it uses up randomness.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.latent.operations import OPERATIONS, Codes, Space
    >>> def draw_to_mean(space: Space, source: Codes, *, share: float = 0.5) -> Codes:
    ...     return Codes((1 - share) * source.z + share * space.known.z.mean(axis=0), source.c)
    >>> OPERATIONS["draw_to_mean"] = draw_to_mean
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X)
    >>> augmenter.apply("draw_to_mean", X[:3], share=1.0).shape
    (3, 2)
    >>> del OPERATIONS["draw_to_mean"]
    """

    known: Codes
    slices: Mapping[str, slice]
    blocks: tuple[tuple[int, int, bool], ...]
    classes: Callable[[np.ndarray], np.ndarray]
    generator: Callable[[], np.random.Generator]


def interpolate(space: Space, first: Codes, second: Codes, *, steps: int = 8, path: str = "linear") -> Codes:
    """Go from one code to another, ``(steps, n, D)``: ``z = λ z₁ + (1 − λ) z₂`` with λ from 1 to 0.

    Contexts go along in a straight line.

    Parameters
    ----------
    steps : int, default=8
        Codes on the way, both ends included.
    path : {"linear", "spherical"}, default="linear"
    """
    check_number("steps", steps, low=2, integer=True)
    check_option("path", path, _PATHS)
    weight = np.linspace(1.0, 0.0, int(steps))[:, None, None]
    c = lerp(first.c, second.c, weight).astype(np.float32)
    return Codes(_PATHS[path](first.z, second.z, weight), c)


def blend(space: Space, *sources: Codes, weight: Any = 0.5) -> Codes:
    """Mix the codes of several rows, ``z = Σ wᵢ zᵢ``.

    Parameters
    ----------
    weight : float, sequence of float, or mapping of level to these, default=0.5
        Of the first of two sources, or one per source; they must add up to 1. A mapping gives each
        level of a ladder weights of its own, ``{"level_2": 1.0, "level_1": 0.0}``: coarse from
        the first, fine from the second. Contexts are mixed by the mean of the weights.
    """
    count = len(sources)
    if count < 2:
        raise InputError(f"A blend takes at least two sources; got {count}.")
    z = np.stack([source.z for source in sources])
    if isinstance(weight, Mapping):
        names = list(space.slices)
        if set(weight) != set(names):
            raise InputError(
                f"weight must name every level of this model, {', '.join(map(repr, names))}, once; got "
                f"{', '.join(map(repr, weight))}."
            )
        found = {name: _check_weights(weight[name], count) for name in names}
        mixed = np.empty_like(sources[0].z)
        for name, cut in space.slices.items():
            mixed[..., cut] = np.einsum("s,snd->nd", found[name], z[..., cut])
        share = np.mean(list(found.values()), axis=0)
    else:
        share = _check_weights(weight, count)
        mixed = np.einsum("s,snd->nd", share, z)
    c = np.einsum("s,snk->nk", share, np.stack([source.c for source in sources])).astype(np.float32)
    return Codes(mixed, c)


def shift(space: Space, source: Codes, *, by: np.ndarray) -> Codes:
    """Move codes by ``(n, D)`` or ``(D,)``; contexts stay."""
    return Codes(source.z + by, source.c)


def recondition(space: Space, source: Codes, *, c: np.ndarray, pull: float | None = 0.75) -> Codes:
    """Decode codes under other contexts ``(n, K)``: what the code says stays, what the context says changes.

    Codes are never quite free of what the context says, and a decoder may believe the code. So codes are
    carried along, ``z' = z + E[z | c'] − E[z | c]`` (regressed on training rows), and those whose context
    changes are then drawn towards the nearest codes of training rows with like contexts. Where the class
    changes, and no number says what the style is, they go a quarter as far along the few directions in which
    rows of any class differ most.

    Parameters
    ----------
    c : ndarray of float32, shape (n, K)
    pull : float or None, default=0.75
        How far towards the nearest codes, from 0 to 1. More makes the change surer and keeps less of
        the row. None leaves the codes as they are.
    """
    check_number("pull", pull, low=0, high=1, also=[None])
    if pull is None or not c.shape[-1]:
        return Codes(source.z, c)
    known = space.known.z.astype(np.float64)
    wanted, slopes = _complete(space, c), regress(known, space.known.c)
    z = source.z + (wanted - _complete(space, source.c)) @ slopes
    numbers = [start for start, _, is_class in space.blocks if not is_class]
    before, after, groups = (_number_classes(space, each) for each in (source.c, c, space.known.c))
    other_class = (before != after).any(1)
    # A class takes the mean of many codes to be sure of; the mean of many is blurred, so a number takes one.
    # Numbers that are told hold the style themselves.
    spared = 0.0 if numbers else _SPARED
    for rows, k, spare in ((other_class, 16, spared), (~other_class & (c != source.c).any(1), 1, 0.0)):
        if rows.any():
            alike = {"groups": (after[rows], groups)}
            alike["tags"] = (wanted[rows][:, numbers], space.known.c[:, numbers])
            # What changes goes as far as codes go, what does not is to stay exactly where it is.
            stays = (c == source.c)[rows][:, numbers, None]
            moved = pull_towards(z[rows], known, pull, slopes=stays * slopes[numbers], k=k, **alike) - z[rows]
            if spare:
                axes = find_common_axes(
                    known, np.unique(groups, axis=0, return_inverse=True)[1].ravel(), _STYLE
                )
                moved -= spare * (moved @ axes) @ axes.T
            z[rows] += moved
    return Codes(z, c)


def traverse(
    space: Space,
    source: Codes,
    *,
    dims: Sequence[int] | None = None,
    steps: int = 7,
    reach: float = 2.0,
    basis: str = "codes",
) -> Codes:
    """Change one dimension of a code at a time, ``(dims, steps, n, D)``.

    Parameters
    ----------
    dims : sequence of int, optional
        Which dimensions; by default the (at most 8) in which the codes of the training rows differ most.
    steps : int, default=7
    reach : float, default=2.0
        The dimension goes over ± this many standard deviations of the training rows' codes.
    basis : {"codes", "main"}, default="codes"
        ``"codes"``: the numbers of the code, each set to values around the mean over training rows.
        ``"main"``: steps from the row itself along the directions in which codes of training rows differ
        most.
    """
    at = _place_stops(steps, reach)
    rows = [_move_along(space, source.z, dim, at, basis) for dim in _choose_dims(space, dims, basis)]
    return Codes(np.stack(rows), source.c)


def lattice(
    space: Space,
    source: Codes,
    *,
    dims: Sequence[int] = (0, 1),
    steps: int = 7,
    reach: float = 2.0,
    basis: str = "main",
) -> Codes:
    """Change two dimensions of a code together, ``(steps, steps, n, D)``: the first from row to row.

    Parameters
    ----------
    dims : sequence of two int, default=(0, 1)
    steps, reach, basis
        As in :func:`traverse`, but by default along the main directions of the codes.
    """
    at, chosen = _place_stops(steps, reach), _choose_dims(space, dims, basis)
    if len(chosen) != 2 or chosen[0] == chosen[1]:
        raise InputError(f"dims must be two different dimensions; got {dims!r}.")
    return Codes(
        _move_along(space, _move_along(space, source.z, chosen[0], at, basis), chosen[1], at, basis).swapaxes(
            0, 1
        ),
        source.c,
    )


def walk(space: Space, source: Codes, *, steps: int = 16, stride: float = 0.3) -> Codes:
    """Walk at random from each code through the region of its class, ``(steps, n, D)``.

    Parameters
    ----------
    steps : int, default=16
        Codes of the walk, the first included.
    stride : float, default=0.3
        Length of a step: 0 stands still, 1 draws afresh each time.
    """
    check_number("steps", steps, low=2, integer=True)
    check_number("stride", stride, low=0, high=1)
    classes, known = space.classes(source.c), space.classes(space.known.c)
    centre, spread = np.empty_like(source.z), np.empty_like(source.z)
    for group in np.unique(classes):
        cloud = space.known.z[known == group]
        cloud = space.known.z if len(cloud) < _FEWEST_CODES else cloud
        centre[classes == group], spread[classes == group] = cloud.mean(0), cloud.std(0)
    return Codes(wander(source.z, centre, spread, int(steps), float(stride), space.generator()), source.c)


def _complete(space: Space, c: np.ndarray) -> np.ndarray:
    """Return contexts in which variables that are unknown are those of the average training row."""
    c = c.astype(np.float64)
    for start, stop, _ in space.blocks:
        unknown = ~c[:, start:stop].any(1)
        c[unknown, start:stop] = space.known.c[:, start:stop].mean(0)
    return c


def _number_classes(space: Space, c: np.ndarray) -> np.ndarray:
    """Return the number of every class that contexts hold, −1 where unknown, int64 (n, classes + 1)."""
    cuts = [slice(start, stop) for start, stop, is_class in space.blocks if is_class]
    numbers = [np.where(c[:, cut].any(1), c[:, cut].argmax(1), -1) for cut in cuts]
    return np.stack([np.zeros(len(c), dtype=np.int64), *numbers], axis=1)


def _place_stops(steps: Any, reach: Any) -> np.ndarray:
    """Return where a dimension goes, in standard deviations."""
    check_number("steps", steps, low=2, integer=True)
    check_number("reach", reach, low=0, open_low=True)
    return np.linspace(-reach, reach, int(steps))


def _choose_dims(space: Space, dims: Any, basis: str) -> list[int]:
    """Return the dimensions to change, the most varied ones by default."""
    check_option("basis", basis, _BASES)
    width = space.known.z.shape[1]
    if dims is None:
        varied = np.argsort(-space.known.z.std(0), kind="stable")
        return (varied if basis == "codes" else np.arange(width))[:_MOST_DIMS].tolist()
    listed = [dims] if np.ndim(dims) == 0 else list(dims)
    if not listed:
        raise InputError("dims must name at least one dimension; got none.")
    return [int(check_number("dims", dim, low=0, high=width - 1, integer=True)) for dim in listed]


def _move_along(space: Space, z: np.ndarray, dim: int, at: np.ndarray, basis: str) -> np.ndarray:
    """Return codes ``(..., D)`` at each stop along one dimension, ``(stops, ..., D)``."""
    known = space.known.z.astype(np.float64)
    moved = np.repeat(z[None], len(at), axis=0)
    stops = at.reshape(-1, *[1] * (z.ndim - 1))
    if basis == "main":
        return moved + stops[..., None] * find_main_axes(known, known.shape[1])[dim]
    moved[..., dim] = known[:, dim].mean() + stops * known[:, dim].std()
    return moved


def _check_weights(weight: Any, count: int) -> np.ndarray:
    """Return one weight per source."""
    values = np.asarray(weight, dtype=np.float64) if _is_numeric(weight) else None
    if values is not None and values.ndim == 0 and count == 2:
        values = np.array([values, 1 - values])
    if values is None or values.shape != (count,) or not np.isfinite(values).all():
        raise InputError(
            f"weight must be {'a number, or ' if count == 2 else ''}one number for each of the {count} "
            f"sources; got {weight!r}."
        )
    if abs(values.sum() - 1) > 1e-6:
        raise InputError(f"weight must add up to 1; got {weight!r}, which add up to {values.sum():g}.")
    return values


def _is_numeric(weight: Any) -> bool:
    try:
        return np.asarray(weight).dtype.kind in "iuf"
    except ValueError:
        return False


#: name -> operation; a new one is one function and one line here.
OPERATIONS: dict[str, Callable[..., Codes]] = {
    "interpolate": interpolate,
    "blend": blend,
    "shift": shift,
    "recondition": recondition,
    "traverse": traverse,
    "lattice": lattice,
    "walk": walk,
}


def choose_operation(name: Any, sources: int, options: Mapping[str, Any]) -> Callable[..., Codes]:
    """Return a registered operation, if it takes so many sources and these options.

    Raises
    ------
    InputError
        For an unknown name, another number of sources, and options that it does not have or lacks.
    """
    run = OPERATIONS[check_option("operation", name, OPERATIONS)]
    taken = inspect.signature(run).parameters.values()
    allowed = {item.name: item.default for item in taken if item.kind is item.KEYWORD_ONLY}
    unknown = [option for option in options if option not in allowed]
    if unknown:
        known = ", ".join(map(repr, allowed)) or "none"
        raise InputError(f"The operation {name!r} has no option {unknown[0]!r}; it has {known}.")
    lost = [
        key for key, default in allowed.items() if default is inspect.Parameter.empty and key not in options
    ]
    if lost:
        raise InputError(f"The operation {name!r} needs {', '.join(map(repr, lost))}.")
    wanted = sum(item.kind is item.POSITIONAL_OR_KEYWORD for item in taken) - 1
    takes_any = any(item.kind is item.VAR_POSITIONAL for item in taken)
    if sources != wanted if not takes_any else not sources:
        many = "at least 1 source" if takes_any else f"{wanted} source{'' if wanted == 1 else 's'}"
        raise InputError(f"The operation {name!r} takes {many} of rows; got {sources}.")
    return run
