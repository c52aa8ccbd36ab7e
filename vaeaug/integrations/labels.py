"""The labels of a torch Dataset, and items read from it, with failures that name the item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from vaeaug.data.images.datasets import length
from vaeaug.data.labels.targets import list_labels, plain_label, probe_rows, stack_labels
from vaeaug.errors import InputError, UnknownLabelError
from vaeaug.utils.wording import list_names, suggest_offset

__all__ = [
    "Labels",
    "check_dataset",
    "explain_unknown_labels",
    "fetch_items",
    "find_labels",
    "goes_past_items",
    "pair",
    "refuse_shifted",
]

#: Items that are read evenly to see what a dataset holds, and how many are read at once for their labels.
_EXAMPLES, _AT_ONCE = 16, 64
_SOURCES = {
    "given": "labels=",
    "listed": "the dataset's list of labels",
    "read": "the item when it was read first",
}


class Labels:
    """Class labels of all items, as class numbers and as the objects that items carry.

    Parameters
    ----------
    values : ndarray (n,)
        One label per item.
    examples : mapping of label to object
        Labels of some items as the dataset returns them: ints, texts, torch or numpy scalars, arrays (1,).
        New items get labels of the same type.
    source : {"given", "listed", "read"}
        Where the labels come from.

    Attributes
    ----------
    classes : ndarray (K,)
    groups : ndarray of int64 (n,)
        Class number of each item.
    """

    def __init__(self, values: np.ndarray, examples: dict[Any, Any], source: str) -> None:
        self.values, self.source = values, source
        self.classes, groups = np.unique(values, return_inverse=True)
        self.groups = groups.astype(np.int64)
        first = next(iter(examples.values()))
        self.objects = [_like(value, examples.get(value, first)) for value in self.classes.tolist()]

    def of(self, group: int) -> Any:
        """Return the label of a new item of a class; one that can be changed is a copy."""
        label = self.objects[group]
        if isinstance(label, torch.Tensor):
            return label.clone()
        return label.copy() if isinstance(label, np.ndarray | list) else label

    def check(self, row: int, label: Any, who: str) -> None:
        """Refuse an item whose label is another one than was known.

        Raises
        ------
        InputError
        """
        plain = plain_label(label, f"item {row}")
        if plain != self.values[row]:
            known = self.values[row : row + 1].tolist()[0]
            raise InputError(
                f"{who}: item {row} carries the label {plain!r}, but {_SOURCES[self.source]} says {known!r}. "
                "Pass labels=, one per item, as the items carry them."
            )


def find_labels(dataset: Any, labels: Any, who: str) -> tuple[Labels, list[Any]]:
    """Return the labels of a dataset of (image, label), and some of its images.

    Parameters
    ----------
    dataset : Dataset
    labels : array-like (n,) or (n, 1), or None
        None: what the dataset lists, if some items read to see carry the same (one of each class among them);
        otherwise every item is read once.
    who : str
        For error messages.

    Raises
    ------
    InputError
        If items are no pairs, or labels are not one class per item.
    """
    count = len(dataset)
    given = None if labels is None else _as_given(labels, count, who)
    known = list_labels(dataset) if given is None else given
    if known is None:
        rows = np.unique(np.linspace(0, count - 1, _EXAMPLES).astype(np.int64))
    else:
        rows = probe_rows(known, _EXAMPLES)
    pairs = [pair(item, who) for item in fetch_items(dataset, rows.tolist(), who)]
    examples: dict[Any, Any] = {}
    for row, (_, label) in zip(rows.tolist(), pairs, strict=True):
        plain = plain_label(label, f"item {row}")
        if plain is None:
            raise InputError(f"{who}: item {row} has no label (None); give every item a class.")
        examples.setdefault(plain, label)
        if known is not None and plain != known[row]:
            if given is not None:
                Labels(given, examples, "given").check(row, label, who)
            known = None
    source = "read" if known is None else "listed" if given is None else "given"
    values = _read_all(dataset, who) if known is None else known
    _check_classes(values, who)
    return Labels(values, examples, source), [image for image, _ in pairs]


def check_dataset(dataset: Any, who: str) -> None:
    """Refuse what has no items by number.

    Raises
    ------
    InputError
    """
    count = length(dataset)
    if not hasattr(dataset, "__getitem__") or count is None:
        raise InputError(
            f"{who}: dataset must be map-style, with __getitem__ and __len__; got {type(dataset).__name__}. "
            "Behind an iterable one use BatchAugment, after the loader."
        )
    if not count:
        raise InputError(f"{who}: dataset has no items; check its path or its filter.")


@contextmanager
def explain_unknown_labels(who: str) -> Iterator[None]:
    """Let errors about labels that the augmenter does not know name who was given them, and a next step."""
    try:
        yield
    except UnknownLabelError as error:
        raise UnknownLabelError(
            f"{who}: the augmenter was fitted on other classes: {error} Give the items the labels of fit, or "
            "fit the augmenter on these classes."
        ) from error


def refuse_shifted(classes: np.ndarray, augmenter: Any, who: str) -> None:
    """Refuse classes of a dataset that are numbered from another number on than those of fit.

    Some of them then have the name of another class of fit, and would get its items.

    Raises
    ------
    UnknownLabelError
    """
    known = getattr(augmenter, "classes_", None)
    if known is None:
        return
    if hint := suggest_offset(classes, known):
        raise UnknownLabelError(
            f"{who}: the items have the labels {list_names(classes)}, and the augmenter was fitted on "
            f"{list_names(known)}.{hint}"
        )


def fetch_items(dataset: Any, rows: Sequence[int], who: str) -> list[Any]:
    """Return items of a dataset, in one call if it can do that.

    Raises
    ------
    InputError
        If the dataset raises; the message says at which item.
    """
    batched = getattr(dataset, "__getitems__", None)
    if goes_past_items(type(dataset)):
        batched = None
    found: list[Any] = []
    try:
        if batched:
            found = list(batched(rows))
        else:
            for row in rows:
                found.append(dataset[row])
    except Exception as error:
        which = f"one of the items {list(rows)}" if batched and len(rows) > 1 else f"item {rows[len(found)]}"
        raise InputError(
            f"{who}: {which} cannot be read: the Dataset {type(dataset).__name__} raised "
            f"{type(error).__name__}: {error}. Mend that item, or leave it out with torch.utils.data.Subset."
        ) from error
    if len(found) != len(rows):
        raise InputError(
            f"{who}: __getitems__ of the Dataset {type(dataset).__name__} returned {len(found)} items for "
            f"{len(rows)} numbers; it must return a list with one item for each."
        )
    return found


def goes_past_items(kind: type) -> bool:
    """Tell whether a class has a ``__getitem__`` of its own that an inherited ``__getitems__`` does not know.

    A subclass of ``Subset`` that transforms what it returns is one: ``Subset.__getitems__`` goes past it.
    """

    def depth(name: str) -> int:
        return next(i for i, owner in enumerate(kind.__mro__) if name in vars(owner))

    return hasattr(kind, "__getitems__") and depth("__getitem__") < depth("__getitems__")


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


def _as_given(labels: Any, count: int, who: str) -> np.ndarray:
    """Return labels that the caller gave as an array (n,)."""
    if isinstance(labels, torch.Tensor):
        array = labels.detach().cpu().numpy()
    elif hasattr(labels, "dtype"):
        array = np.asarray(labels)
    else:
        array = (
            stack_labels(list(labels), "list in labels=")
            if hasattr(labels, "__iter__")
            else np.asarray(labels)
        )
    if array.shape == (count, 1):
        array = array[:, 0]
    if array.shape != (count,):
        raise InputError(
            f"{who}: labels must hold one class label for each of the {count} items; got shape {array.shape}."
        )
    return array


def _read_all(dataset: Any, who: str) -> np.ndarray:
    """Read every item for its label."""
    labels: list[Any] = []
    for start in range(0, len(dataset), _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, len(dataset)))
        labels += [pair(item, who)[1] for item in fetch_items(dataset, rows, who)]
    return stack_labels(labels, f"Dataset {type(dataset).__name__}")


def _check_classes(values: np.ndarray, who: str) -> None:
    """Refuse labels that are no classes: numbers that are not whole, and what has no order."""
    kind = values.dtype.kind
    whole = kind != "f" or bool((values == np.rint(values)).all())
    if kind not in "biufUS" or not whole:
        got = f"dtype {values.dtype}" if whole else f"{values[values != np.rint(values)][0]!s}"
        raise InputError(
            f"{who}: each label must be one class, a whole number or a text; got {got}. Number the classes, "
            "or cut a quantity into classes, for example with numpy.digitize."
        )


def _like(value: Any, example: Any) -> Any:
    """Return a label as an object of the type and shape of an example."""
    if isinstance(example, torch.Tensor):
        return torch.full(example.shape, value, dtype=example.dtype, device=example.device)
    if isinstance(example, np.ndarray):
        wide = example.dtype.kind in "US"  # a longer text would be cut
        return np.full(example.shape, value, dtype=None if wide else example.dtype)
    if isinstance(example, np.str_ | np.bytes_):
        return type(example)(value)
    if isinstance(example, np.generic):
        return np.asarray(value, dtype=example.dtype)[()]
    if isinstance(example, list | tuple):
        return type(example)([_like(value, example[0])])
    return type(example)(value) if isinstance(example, bool | int | float | str) else value
