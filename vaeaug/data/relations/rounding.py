"""Numbers with the decimals that a column shares, and what counts as the same number."""

from __future__ import annotations

import numpy as np

__all__ = ["FINE", "SAME", "is_rounded", "is_same", "round_to", "snap_to"]

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


def is_rounded(values: np.ndarray, found: np.ndarray, decimals: int | None) -> np.ndarray:
    """Return where values are what was found, rounded either way where it lies half-way between two numbers.

    The order of the operations decides which way 1123.485 goes.
    """
    same = is_same(values, round_to(found, decimals), decimals)
    if decimals is None:
        return same
    unit = 10.0**-decimals
    with np.errstate(invalid="ignore"):
        return same | (np.abs(values - found) <= 0.5 * unit + SAME * np.maximum(np.abs(found), unit))


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
