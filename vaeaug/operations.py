"""Pure functions on codes: each takes arrays and returns arrays, and knows no model."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

__all__ = ["add_back", "lerp", "pick_sources", "perturb", "same_class_neighbours"]


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


def same_class_neighbours(
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
        near = NearestNeighbors(n_neighbors=min(k + 1, len(rows))).fit(codes[rows])
        asked, inverse = np.unique(sources[slots], return_inverse=True)
        found = rows[near.kneighbors(codes[asked], return_distance=False)]
        # Ties may put another row first, so "not itself" is checked rather than assumed.
        own = found == asked[:, None]
        own[~own.any(1), -1] = True
        others = found[~own].reshape(len(asked), -1)
        partner[slots] = others[inverse, rng.integers(others.shape[1], size=len(slots))]
    return partner
