"""Real rows among new ones: what ``augment`` and ``resample`` return holds them, which is no copying."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vaeaug.evaluation.privacy import number_rows
from vaeaug.evaluation.tables import join_tables

__all__ = ["find_real_rows", "tell_real_rows"]

#: Share of the real rows that is found at least: of all of them in any order, or of those of one block.
_ALL, _MOST = 0.99, 0.5
#: Chance that rows of the same source equal the real ones in their order, at most.
_CHANCE = 1e-6


def find_real_rows(real: pd.DataFrame, new: pd.DataFrame) -> np.ndarray | None:
    """Return which new rows are the real ones, each of them once; None where new rows do not hold them.

    Where nothing but real rows is in the new table, they are copies, and it holds none.

    Parameters
    ----------
    real : DataFrame of shape (n, d)
    new : DataFrame of shape (m, d)

    Returns
    -------
    ndarray of bool, shape (m,), or None

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.evaluation.quality.real_rows import find_real_rows
    >>> real, more = pd.DataFrame({"a": range(30)}), pd.DataFrame({"a": range(90, 100)})
    >>> int(find_real_rows(real, pd.concat([real, more])).sum()), find_real_rows(real, real)
    (30, None)
    """
    own, made = number_rows(join_tables({"real": real, "new": new}))
    counts = np.bincount(own, minlength=int(made.max(initial=0)) + 1)
    is_real = pd.Series(made).groupby(made).cumcount().to_numpy() < counts[made]
    found, n, m = int(is_real.sum()), len(own), len(made)
    if found < _MOST * n or found == m:
        return None
    # As many rows of the same source would equal a real one no more often, by the sum of the chances.
    is_telling = 2 * max(m / max(n - 1, 1), 1.0) * float(np.mean(counts[own] > 1)) < found / n
    if is_telling and not np.isin(made, own).all() and (_is_block(is_real) or (found >= _ALL * n and m > n)):
        return is_real
    return is_real if not is_telling and _is_in_order(own, made, counts) else None


def tell_real_rows(held: int, real: int, rest: int, names: tuple[str, str]) -> str:
    """Return what is said of real rows among new ones; nothing where there are none."""
    if not held:
        return ""
    return (
        f"{names[1]} holds {held:,} of the {real:,} rows of {names[0]}: only its other {rest:,} rows are "
        "compared. If none should be in it, they are copies."
    )


def _is_block(is_real: np.ndarray) -> bool:
    """Whether nearly all rows that are marked follow each other."""
    places = np.flatnonzero(is_real)
    strays = len(places) // 200
    inner = places[strays : len(places) - strays]
    return int(inner[-1] - inner[0]) < len(inner) / _ALL


def _is_in_order(own: np.ndarray, made: np.ndarray, counts: np.ndarray) -> bool:
    """Whether the new rows begin or end with the real ones, and chance does not explain it."""
    n = len(own)
    same = max(float(np.mean(part == own)) for part in (made[:n], made[-n:])) if len(made) > n else 0.0
    chance = n * np.log(float(np.sum((counts / n) ** 2)))
    return same >= _ALL and chance < np.log(_CHANCE)
