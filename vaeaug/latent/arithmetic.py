"""Pure functions on codes: each takes arrays and returns arrays, and knows no model."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from vaeaug.layout import Layout

__all__ = [
    "add_back",
    "find_common_axes",
    "measure_disagreement",
    "lerp",
    "find_main_axes",
    "average_nearby",
    "perturb",
    "pick_sources",
    "pull_towards",
    "regress",
    "pick_neighbours",
    "slerp",
    "wander",
]

_RIDGE = 1e-6  # relative to the variance of the contexts
_TAG = 2.5
_STRAIGHT = 1e-6  # sines below it: the great circle is a line, or not unique


def lerp(first: np.ndarray, second: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """Blend codes in a straight line, ``weight · first + (1 − weight) · second``.

    Parameters
    ----------
    first, second : ndarray of shape (n, D)
    weight : float or ndarray broadcastable to (n, D)
        1 returns ``first``, 0 returns ``second``.

    Examples
    --------
    >>> import numpy as np
    >>> lerp(np.array([[0.0, 2.0]]), np.array([[4.0, 2.0]]), 0.25)
    array([[3., 2.]])
    """
    return weight * first + (1 - weight) * second


def slerp(first: np.ndarray, second: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """Blend codes along the great circle between their directions, and their lengths in a straight line.

    ``sin(wθ)/sin θ · a/‖a‖ + sin((1−w)θ)/sin θ · b/‖b‖``, times ``w‖a‖ + (1−w)‖b‖``, with θ the angle between
    the codes (Shoemake 1985; White 2016, *Sampling Generative Networks*). Codes of a Gaussian lie near a
    sphere, which the straight line leaves for emptier space. Where there is no such circle, because a code is
    zero or both point the same or the opposite way, the line is taken.

    Parameters
    ----------
    first, second : ndarray of shape (..., D)
    weight : float or ndarray broadcastable to (..., 1)
        1 returns ``first``, 0 returns ``second``.

    Examples
    --------
    >>> import numpy as np
    >>> slerp(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 0.5).round(3)
    array([[0.707, 0.707]])
    """
    lengths = [np.linalg.norm(each, axis=-1, keepdims=True) for each in (first, second)]
    units = [
        each / np.where(length > 0, length, 1.0)
        for each, length in zip((first, second), lengths, strict=True)
    ]
    angle = np.arccos(np.clip((units[0] * units[1]).sum(-1, keepdims=True), -1.0, 1.0))
    sine = np.sin(angle)
    is_arc = (sine > _STRAIGHT) & (lengths[0] > 0) & (lengths[1] > 0)
    safe = np.where(is_arc, sine, 1.0)
    arc = (np.sin(weight * angle) * units[0] + np.sin((1 - weight) * angle) * units[1]) / safe
    return np.where(is_arc, arc * lerp(lengths[0], lengths[1], weight), lerp(first, second, weight))


def find_main_axes(codes: np.ndarray, count: int) -> np.ndarray:
    """Return the directions in which codes spread most, each as long as its standard deviation.

    Parameters
    ----------
    codes : ndarray of shape (n, D)
    count : int
        Number of directions, at most D.

    Returns
    -------
    ndarray of shape (count, D)
        The largest number of each axis is positive, so that the axes do not flip from run to run.
    """
    centred = codes - codes.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / max(len(codes) - 1, 1))
    axes = (vectors * np.sqrt(np.maximum(values, 0.0))).T[::-1][:count]
    largest = np.abs(axes).argmax(1)
    return axes * np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)[:, None]


def find_common_axes(codes: np.ndarray, groups: np.ndarray, share: float) -> np.ndarray:
    """Return the directions in which codes of one group differ most, whichever group: the style of rows.

    Parameters
    ----------
    codes : ndarray of shape (n, D)
    groups : ndarray of int, shape (n,)
    share : float
        Of the variance within groups, how much they hold together at most, in [0, 1].

    Returns
    -------
    ndarray of shape (D, m)
        Orthonormal, the most varied first; m may be 0.

    Examples
    --------
    >>> import numpy as np
    >>> slant, class_ = np.tile([-2.0, 2.0], 50), np.repeat([0.0, 9.0], 50)
    >>> codes = np.stack([slant, class_, np.random.default_rng(0).normal(size=100)], 1)
    >>> np.abs(find_common_axes(codes, class_.astype(int), share=0.9)).round().ravel()
    array([1., 0., 0.])
    """
    _, index = np.unique(groups, return_inverse=True)
    sums = np.zeros((index.max(initial=0) + 1, codes.shape[1]))
    np.add.at(sums, index, codes)
    within = codes - (sums / np.bincount(index)[:, None])[index]
    values, vectors = np.linalg.eigh(within.T @ within)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    held = np.cumsum(values) / max(float(values.sum()), 1e-300)
    return vectors[:, : int(np.searchsorted(held, share, side="right"))]


def regress(codes: np.ndarray, contexts: np.ndarray) -> np.ndarray:
    """Return how the mean of codes depends on their contexts: B in ``E[z | c] ≈ m + c B``.

    Ridge regression; with one class label, ``c B`` are the means of the classes.

    Parameters
    ----------
    codes : ndarray of shape (n, D)
    contexts : ndarray of shape (n, K)

    Returns
    -------
    ndarray of shape (K, D)

    Examples
    --------
    >>> import numpy as np
    >>> codes, contexts = np.array([[1.0], [1.0], [5.0]]), np.array([[1.0, 0], [1, 0], [0, 1]])
    >>> B = regress(codes, contexts)
    >>> (B[1] - B[0]).round(2)
    array([4.])
    """
    c = contexts.astype(np.float64) - contexts.mean(0, dtype=np.float64)
    gram = c.T @ c
    ridge = _RIDGE * max(float(np.trace(gram)) / max(len(gram), 1), 1e-12) * np.eye(len(gram))
    return np.linalg.solve(gram + ridge, c.T @ (codes - codes.mean(0)))


def average_nearby(
    values: np.ndarray,
    codes: np.ndarray,
    cloud: np.ndarray,
    *,
    groups: tuple[np.ndarray, np.ndarray] | None = None,
    tags: tuple[np.ndarray, np.ndarray] | None = None,
    k: int = 16,
) -> np.ndarray:
    """Return the mean of what is known of the k nearest codes of a cloud, NaN where there are none.

    Parameters
    ----------
    values : ndarray of shape (m, v)
        What is known of the cloud.
    codes : ndarray of shape (n, D)
    cloud : ndarray of shape (m, D)
    groups : tuple of two ndarray of int, shapes (n, g) and (m, g), optional
        Only codes of the cloud count that agree with a code in all of them.
    tags : tuple of two ndarray, shapes (n, t) and (m, t), optional
        Numbers of unit scale in which near codes are alike: one standard deviation counts as much as
        2.5 times the spread of the cloud.
    k : int, default=16
        All of a group of fewer codes.

    Returns
    -------
    ndarray of shape (n, v)
    """
    if groups is None:
        groups = (np.zeros((len(codes), 1), np.int64), np.zeros((len(cloud), 1), np.int64))
    places = [codes, cloud]
    if tags is not None:
        spread = _TAG * np.sqrt(cloud.var(0).sum())
        places = [np.concatenate([place, spread * tag], 1) for place, tag in zip(places, tags, strict=True)]
    found = np.full((len(codes), values.shape[1]), np.nan)
    for group in np.unique(groups[0], axis=0):
        rows = np.flatnonzero((groups[0] == group).all(1))
        members = np.flatnonzero((groups[1] == group).all(1))
        if len(members):
            chosen = _find_neighbours(places[1][members], places[0][rows], min(k, len(members)))
            found[rows] = values[members][chosen].mean(1)
    return found


def _find_neighbours(points: np.ndarray, asked: np.ndarray, k: int) -> np.ndarray:
    """Return the positions of the k nearest points of each one asked for, (m, k)."""
    from sklearn.neighbors import NearestNeighbors  # takes longer to import than all of the library

    found: np.ndarray = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(asked, return_distance=False)
    return found


def pull_towards(
    codes: np.ndarray, cloud: np.ndarray, share: float, *, slopes: np.ndarray | None = None, **alike: Any
) -> np.ndarray:
    """Bring codes nearer to a cloud: ``(1 − s) z + s · mean of the codes of the cloud nearest to z``.

    The mean of near codes lies where codes are common, as in a step of the mean shift (Comaniciu and Meer
    2002). Tags of near codes are not quite those asked for, and at the edge of the cloud all are off to
    one side; slopes make up for that, as a local line does for a local mean (Fan 1993, *Local Linear
    Regression Smoothers*).

    Parameters
    ----------
    codes : ndarray of shape (n, D)
    cloud : ndarray of shape (m, D)
    share : float
        s in [0, 1].
    slopes : ndarray of shape (t, D) or (n, t, D), optional
        How codes change with each tag; 0 for tags that need not be reached, such as those beyond the cloud.
    **alike
        As in :func:`average_nearby`; a code without any like it stays.
    """
    if slopes is None or "tags" not in alike:
        means = average_nearby(cloud, codes, cloud, **alike)
    else:
        wanted, tags = alike["tags"]
        found = average_nearby(np.concatenate([cloud, tags], 1), codes, cloud, **alike)
        means, reached = np.split(found, [cloud.shape[1]], axis=1)
        each = np.broadcast_to(slopes, (len(codes), *slopes.shape[-2:]))
        means = means + np.einsum("nt,ntd->nd", wanted - reached, each)
    return np.where(np.isnan(means), codes, lerp(means, codes, share))


def wander(
    start: np.ndarray,
    centre: np.ndarray,
    spread: np.ndarray,
    steps: int,
    stride: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Walk at random from each code without leaving the region where codes lie.

    ``z' = m + √(1 − t²) (z − m) + t s ⊙ ε`` with ε ~ N(0, I): however long the walk, its codes have
    mean m and standard deviation s (the autoregressive walk of Neal 1998, *Regression and
    Classification Using Gaussian Process Priors*, eq. 15).

    Parameters
    ----------
    start : ndarray of shape (n, D)
        The first codes.
    centre, spread : ndarray broadcastable to (n, D)
        m and s.
    steps : int
        Codes of each walk, ``start`` included.
    stride : float
        t in [0, 1]: 0 stands still, 1 draws afresh each time.
    rng : Generator

    Returns
    -------
    ndarray of shape (steps, n, D)
    """
    path = [start]
    for _ in range(steps - 1):
        noise = rng.standard_normal(start.shape)
        path.append(centre + np.sqrt(1 - stride**2) * (path[-1] - centre) + stride * spread * noise)
    return np.stack(path)


def perturb(mean: np.ndarray, scale: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Draw ``mean + strength · scale ⊙ ε`` with ``ε ~ N(0, I)``; all of shape (n, D)."""
    return mean + strength * scale * rng.standard_normal(mean.shape)


def add_back(rows: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Give images the change that was made to their decoded copies, ``x' = x + after − before``.

    What the decoder cannot draw (grain, edges) is in ``x − before`` and stays, so that a variation is as
    sharp as the image it starts from.

    Parameters
    ----------
    rows : ndarray of shape (n, C, H, W)
        Images in [−1, 1].
    before, after : ndarray of the same shape
        Decoded from the codes of the images, and from the changed codes.

    Returns
    -------
    ndarray of shape (n, C, H, W)
        Clipped to [−1, 1].
    """
    return np.clip(rows + (after - before), -1.0, 1.0)


def measure_disagreement(draws: Iterable[np.ndarray], layout: Layout) -> np.ndarray:
    """Return how much encoded rows that were drawn again and again differ, shape (n,).

    Every draw is compared with the one before it, and the first with the last: half the mean squared
    difference estimates the variance, the share of different codes the chance that two draws differ.

    Parameters
    ----------
    draws : iterable of ndarray of shape (n, W) or (n, C, H, W)
        Two or more; only three are held at once.
    layout : Layout
        Of a row. A categorical column followed by hints is a number, which counts by its hints.
    """
    numbers, categories = layout.quantities
    first = before = None
    squares = changes = count = 0
    for draw in itertools.chain(draws, [None]):
        now = first if draw is None else draw.reshape(len(draw), -1)
        if before is not None and now is not None:
            squares = squares + (now[:, numbers] - before[:, numbers]).astype(np.float64) ** 2 / 2
            changes = changes + (now[:, categories] != before[:, categories])
            count += 1
        first, before = now if first is None else first, now
    variance = np.asarray(squares) / count
    if layout.is_image:
        return np.sqrt(variance.mean(1)) / 2
    return np.concatenate([np.sqrt(variance), np.asarray(changes) / count], axis=1).mean(1)


def pick_sources(wanted: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pick a row of the wanted class for each entry, evenly: no row is used twice before all are used once.

    Parameters
    ----------
    wanted : ndarray of int, shape (m,)
        Class numbers.
    groups : ndarray of int, shape (n,)
        Class number of each row that may be picked.

    Returns
    -------
    ndarray of int64, shape (m,)
        Row numbers; −1 where the class has no row.
    """
    picked = np.full(len(wanted), -1, dtype=np.int64)
    for group in np.unique(wanted):
        slots, rows = np.flatnonzero(wanted == group), np.flatnonzero(groups == group)
        if len(rows):
            rounds = -(-len(slots) // len(rows))
            order = np.concatenate([rng.permutation(rows) for _ in range(rounds)])[: len(slots)]
            picked[slots] = rng.permutation(order)
    return picked


def pick_neighbours(
    sources: np.ndarray, codes: np.ndarray, groups: np.ndarray, k: int, rng: np.random.Generator
) -> np.ndarray:
    """Pick for each source row one of its k nearest rows of the same class, itself if it is alone.

    Parameters
    ----------
    sources : ndarray of int, shape (m,)
        Row numbers into ``codes``.
    codes : ndarray of shape (n, D)
    groups : ndarray of int, shape (n,)
    k : int

    Returns
    -------
    ndarray of int64, shape (m,)
    """
    partner = sources.copy()
    for group in np.unique(groups[sources]):
        rows = np.flatnonzero(groups == group)
        slots = np.flatnonzero(groups[sources] == group)
        if len(rows) < 2:
            continue
        asked, inverse = np.unique(sources[slots], return_inverse=True)
        found = rows[_find_neighbours(codes[rows], codes[asked], min(k + 1, len(rows)))]
        # Ties may put another row first, so "not itself" is checked rather than assumed.
        own = found == asked[:, None]
        own[~own.any(1), -1] = True
        others = found[~own].reshape(len(asked), -1)
        partner[slots] = others[inverse, rng.integers(others.shape[1], size=len(slots))]
    return partner
