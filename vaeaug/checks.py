"""Checks of arguments that several rooms share."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.errors import InputError

__all__ = ["appended", "check_number", "check_option", "check_weights", "refuse_images"]


def check_number(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    integer: bool = False,
    open_low: bool = False,
    also: Iterable[Any] = (),
) -> Any:
    """Return ``value`` if it is a number in range, or one of ``also``.

    Parameters
    ----------
    name : str
        Of the parameter, for the message.
    value : object
    low, high : float, optional
        Bounds; ``high`` is included, ``low`` too unless ``open_low``.
    integer : bool
        Whether it must be a whole number.
    also : iterable
        Other values that are allowed, such as ``"auto"`` or None.

    Raises
    ------
    InputError
    """
    others = list(also)
    if any(value is other or (isinstance(value, str) and value == other) for other in others):
        return value
    kind = numbers.Integral if integer else numbers.Real
    fits = isinstance(value, kind) and not isinstance(value, bool)
    if fits and value == value:
        below = low is not None and (value <= low if open_low else value < low)
        if not below and not (high is not None and value > high):
            return value
    noun = "an integer" if integer else "a number"
    left = "" if low is None else f" {'>' if open_low else '>='} {low}"
    right = "" if high is None else f"{' and' if left else ''} <= {high}"
    alternative = "".join(f", or {other!r}" for other in others)
    raise InputError(f"{name} must be {noun}{left}{right}{alternative}; got {value!r}.")


def check_option(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """Return ``value`` if it is one of ``allowed``.

    Raises
    ------
    InputError
    """
    options = list(allowed)
    if isinstance(value, str) and value in options:
        return value
    raise InputError(f"{name} must be one of {', '.join(map(repr, options))}; got {value!r}.")


def check_weights(sample_weight: Any, n: int) -> np.ndarray | None:
    """Return row weights as float32 of shape (n,), or None.

    Raises
    ------
    InputError
        For another number of weights, negative or non-finite ones, or none above 0.
    """
    if sample_weight is None:
        return None
    if np.ndim(sample_weight) == 0:
        return np.ones(n, dtype=np.float32)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise InputError(
            f"sample_weight must have shape ({n},), one weight per row of X; got {weights.shape}."
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise InputError("sample_weight must hold finite numbers of 0 or more, at least one of them above 0.")
    return weights.astype(np.float32)


def refuse_images(X: Any) -> None:
    """Raise for arrays of more than two dimensions.

    Raises
    ------
    InputError
    """
    shape = getattr(X, "shape", ())
    if len(shape) > 2:
        raise InputError(
            f"Found array with dim {len(shape)}, while VAEAugmenter expected <= 2: it takes tables of shape "
            f"(n, d), got {tuple(shape)}. Images are not supported yet; flatten them to (n, height * width)."
        )


def appended(X: Any, X_new: Any) -> Any:
    """Return the rows of X followed by new ones, in the container of X, with a fresh index."""
    if isinstance(X, pd.DataFrame):
        return pd.concat([X, X_new], ignore_index=True) if len(X_new) else X.reset_index(drop=True)
    old = np.asarray(X)
    new = X_new.to_numpy() if isinstance(X_new, pd.DataFrame) else X_new
    return np.concatenate([old, np.asarray(new).astype(old.dtype, copy=False)])
