"""Change one control variable of encoded contexts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.labels.context import ContextCodec
from vaeaug.data.labels.variables import Block, ValueBlock
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.utils.notes import warn_caller

__all__ = ["change_context", "control_names"]

#: Scores of numbers lie within ± this.
_END = 3.5


def control_names(context: ContextCodec) -> list[Any]:
    """Return the names of the variables of y: columns of a frame, a Series' name, or ``"y"``."""
    if context.columns_ is not None:
        return list(context.columns_)
    if not context.blocks_:
        return []
    return ["y" if context.name_ is None else context.name_]


def change_context(
    context: ContextCodec, c: np.ndarray, name: Any, amount: Any = None, value: Any = None
) -> np.ndarray:
    """Return contexts in which one variable has another value.

    Parameters
    ----------
    context : ContextCodec
    c : ndarray of float32, shape (n, K)
    name : hashable
        Of the variable, as :func:`control_names` has it.
    amount : float or array-like of shape (n,), optional
        Of a number: how many standard deviations to add to it, on the scale where it is Gaussian.
    value : scalar or array-like of shape (n,), optional
        Instead of an amount: its new value.

    Raises
    ------
    InputError
        For a variable that y did not have in fit, and an amount or value that does not fit it.

    Warns
    -----
    VaeaugWarning
        For a value beyond those of fit, which is taken for the nearest of them.
    """
    block, place = _find_block(context, name)
    if (amount is None) == (value is None):
        raise InputError(
            f"An edit of {name!r} takes either amount or value; got amount={amount!r}, value={value!r}."
        )
    c = np.array(c)
    if value is not None:
        given = pd.Series([value] * len(c) if np.ndim(value) == 0 else np.asarray(value), name=name)
        if len(given) != len(c):
            raise InputError(
                f"value must be one value, or one for each of the {len(c)} rows; got {len(given)}."
            )
        c[:, place] = block.encode(given)
        if isinstance(block, ValueBlock) and (outside := block.is_outside(given)).any():
            low, high = block.ends
            warn_caller(
                f"edit: the value {given[outside].iloc[0]} of {name!r} is beyond the training rows, which "
                f"have {low} to {high}, and is taken for the nearer of these. Pass a value in that range.",
                VaeaugWarning,
            )
        return c
    if not isinstance(block, ValueBlock):
        raise InputError(f"{name!r} is a class, which has no amount; give value, one of its levels.")
    if not c[:, place.stop - 1].all():
        raise InputError(
            f"An edit by amount starts from the {name!r} that rows have: pass it in y, or give value."
        )
    steps = np.asarray(amount)
    if steps.dtype.kind not in "iuf" or not np.isfinite(steps).all() or steps.shape not in ((), (len(c),)):
        raise InputError(f"amount must be a finite number, or one per row; got {amount!r}.")
    c[:, place.start] = np.clip(c[:, place.start] + steps, -_END, _END)
    return c


def _find_block(context: ContextCodec, name: Any) -> tuple[Block, slice]:
    """Return the block of a variable, and its context columns."""
    names = control_names(context)
    if name not in names:
        known = f"y had {', '.join(map(repr, names))}" if names else "it was given no y"
        raise InputError(
            f"attribute must be a variable of the y of fit; {known}, got {name!r}. To edit anything "
            "else, learn it from rows: pass directions=find_directions(rows, attributes)."
        )
    at = names.index(name)
    return context.blocks_[at], slice(*context.blocks[at])
