"""The labels of a torch Dataset, found without reading its images where it lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from vaeaug.errors import InputError

__all__ = ["Labels", "fetched", "labels_of", "pair"]


class Labels:
    """Class labels of all items, as class numbers and as the objects that items carry.

    Parameters
    ----------
    labels : array-like (n,)
        One label per item, as the augmenter knows them.
    example : object
        The label of one item as the dataset returns it: an int, a str, a torch or numpy
        scalar. New items get labels of the same type.

    Attributes
    ----------
    classes : ndarray (K,)
    groups : ndarray of int64 (n,)
        Class number of each item.
    """

    def __init__(self, labels: Any, example: Any) -> None:
        self.values = np.asarray(labels)
        self.classes, groups = np.unique(self.values, return_inverse=True)
        self.groups = groups.astype(np.int64)
        self.objects = [_like(value, example) for value in self.classes.tolist()]


def labels_of(dataset: Any, labels: Any, who: str) -> Labels:
    """Return the labels of a dataset of (image, label) pairs.

    Parameters
    ----------
    dataset : Dataset
    labels : array-like (n,) or None
        None: taken from ``targets``, ``labels`` or the last tensor of the dataset, through
        ``Subset`` and ``ConcatDataset``; where there are none (or a ``target_transform``
        changes them) every item is read once.
    who : str
        For error messages.

    Raises
    ------
    InputError
        If items are no pairs, or labels are not one scalar per item.
    """
    example = _label(dataset, 0, who)
    if labels is None:
        labels = _listed(dataset)
    if labels is None:
        labels = [_scalar(_label(dataset, i, who), who) for i in range(len(dataset))]
    found = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if found.shape != (len(dataset),):
        raise InputError(
            f"{who}: labels must hold one class label for each of the {len(dataset)} items; got shape "
            f"{found.shape}."
        )
    if found[0] != _scalar(example, who):
        raise InputError(
            f"{who}: the dataset's list says that item 0 is of class {found[:1].tolist()[0]!r}, the item "
            f"itself says {example!r}. Pass labels=, one per item, as the items carry them."
        )
    return Labels(found, example)


def fetched(dataset: Any, rows: Sequence[int], who: str) -> list[Any]:
    """Return items of a dataset, in one call if it can do that.

    Raises
    ------
    InputError
        If the dataset raises; the message says at which item.
    """
    batched = getattr(dataset, "__getitems__", None)
    found: list[Any] = []
    try:
        if batched:
            return list(batched(rows))
        for row in rows:
            found.append(dataset[row])
    except Exception as error:
        which = f"one of the items {list(rows)}" if batched and len(rows) > 1 else f"item {rows[len(found)]}"
        raise InputError(
            f"{who}: {which} cannot be read: the Dataset {type(dataset).__name__} raised "
            f"{type(error).__name__}: {error}. Mend that item, or leave it out with torch.utils.data.Subset."
        ) from error
    return found


def pair(item: Any, who: str) -> tuple[Any, Any]:
    """Return (image, label) of an item.

    Raises
    ------
    InputError
        If the item is no pair.
    """
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], item[1]
    length = f" of length {len(item)}" if isinstance(item, (tuple, list)) else ""
    raise InputError(
        f"{who}: an item of the dataset must be a pair (image, label); got a {type(item).__name__}{length}. "
        "Wrap the dataset in one whose __getitem__ returns such pairs."
    )


def _label(dataset: Any, row: int, who: str) -> Any:
    return pair(fetched(dataset, [row], who)[0], who)[1]


def _listed(dataset: Any) -> Any:
    """Return the labels that a dataset lists, or None."""
    if getattr(dataset, "target_transform", None) is not None:
        return None
    if isinstance(dataset, Subset):
        whole = _listed(dataset.dataset)
        return None if whole is None else np.asarray(whole)[np.asarray(dataset.indices, dtype=np.int64)]
    if isinstance(dataset, ConcatDataset):
        parts = [_listed(part) for part in dataset.datasets]
        return None if any(part is None for part in parts) else np.concatenate([np.asarray(p) for p in parts])
    if isinstance(dataset, TensorDataset):
        return dataset.tensors[-1]
    for name in ("targets", "labels"):
        found = getattr(dataset, name, None)
        if found is not None and np.ndim(found) == 1 and len(found) == len(dataset):
            return found
    return None


def _scalar(label: Any, who: str) -> Any:
    if isinstance(label, torch.Tensor | np.ndarray):
        if label.ndim or (isinstance(label, torch.Tensor) and label.is_floating_point()):
            raise InputError(
                f"{who}: an item's label must be one class (an int or a str); got a "
                f"{type(label).__name__} of shape {tuple(label.shape)}, dtype {label.dtype}."
            )
        return label.item()
    return label


def _like(value: Any, example: Any) -> Any:
    if isinstance(example, torch.Tensor):
        return torch.tensor(value, dtype=example.dtype)
    if isinstance(example, np.generic | np.ndarray):
        return np.asarray(value, dtype=example.dtype)[()]
    return value
