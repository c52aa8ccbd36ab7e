"""Ways to ask a Dataset for items: by number, slice, list, tensor or mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from vaeaug.errors import InputError

__all__ = ["items_one_by_one", "positions", "collate"]


def items_one_by_one(dataset: Any, indices: Sequence[int]) -> list[tuple[Any, Any]]:
    """Return items as a subclass hands them out."""
    return [
        dataset[index]
        for index in np.atleast_1d(positions(indices, len(dataset), type(dataset).__name__)).tolist()
    ]


def positions(index: Any, size: int, who: str) -> np.ndarray:
    """Return the numbers of items, int64, of shape () for one and (m,) for several.

    Raises
    ------
    IndexError
        For numbers that there are none of.
    InputError
        For anything else than numbers, slices and masks.
    """
    try:
        if isinstance(index, slice):
            return np.arange(size)[index]
        index = index.detach().cpu() if isinstance(index, torch.Tensor) else index
        rows = np.asarray([] if index is None or isinstance(index, tuple | dict | set) else index)
    except (TypeError, ValueError, RuntimeError):
        rows = np.asarray("")
    if rows.dtype.kind == "b" and rows.ndim == 1:
        if len(rows) != size:
            raise IndexError(f"{who} has {size} items; got a mask of {len(rows)}.")
        return np.flatnonzero(rows)
    empty = isinstance(index, Sequence | np.ndarray | torch.Tensor) and not isinstance(index, tuple | str)
    if rows.ndim > 1 or not (rows.dtype.kind in "iu" or (not rows.size and empty)):
        raise InputError(
            f"{who}: an index must be an integer, a slice, a sequence of integers, or a mask of {size} "
            f"booleans; got {index!r:.80}."
        )
    rows = rows.astype(np.int64)
    outside = (rows < -size) | (rows >= size)
    if outside.any():
        raise IndexError(f"{who} has {size} items; got index {int(np.extract(outside, rows)[0])}.")
    return np.asarray(rows % size)


def collate(parts: Sequence[Any]) -> Any:
    """Return parts of items as a batch; as a list where there is no other, such as of PIL images."""
    try:
        return default_collate(list(parts)) if parts else []
    except (TypeError, ValueError, RuntimeError):
        return list(parts)
