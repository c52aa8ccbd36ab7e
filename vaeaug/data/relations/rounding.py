"""Numbers with the decimals that a column shares, and what counts as the same number."""

from __future__ import annotations

import numpy as np

__all__ = ["FINE", "SAME", "is_same", "round_to", "snap_to"]

SAME = 1e-9  # relative difference up to which numbers without shared decimals are the same
FINE = 1e-6  # relative difference by which numbers without shared decimals may come back


def is_same(values: np.ndarray, others: np.ndarray, decimals: int | None) -> np.ndarray:
    """Return where two columns are equal, or both missing, bool of shape (n,)."""
    if decimals is None:
        with np.errstate(invalid="ignore"):
            close = np.abs(values - others) <= SAME * np.maximum(np.abs(values), np.abs(others))
    else:
        close = values == others
    return close | (np.isnan(values) & np.isnan(others))


def round_to(values: np.ndarray, decimals: int | None) -> np.ndarray:
    """Return numbers with so many decimals; as they are for None."""
    # Adding zero turns -0.0 into 0.0.
    return values if decimals is None else np.round(values, decimals) + 0.0


def snap_to(values: np.ndarray, decimals: int | None, tolerance: float = SAME) -> np.ndarray:
    """Return numbers without the noise of arithmetic: those near one with so many decimals become it."""
    if decimals is None:
        return values
    nearest = round_to(values, decimals)
    slack = tolerance * np.maximum(np.abs(values), 10.0**-decimals)
    return np.where(np.abs(values - nearest) <= slack, nearest, values)
