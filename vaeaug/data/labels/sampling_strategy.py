"""How many rows to add to each class: imbalanced-learn's ``sampling_strategy``, for over-sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.errors import InputError
from vaeaug.utils.wording import list_names

__all__ = ["STRATEGIES", "class_counts", "targets", "targets_of_counts"]

STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")

Counts = dict[Any, int]


def targets(
    sampling_strategy: str | float | Mapping[Any, int] | Callable[[np.ndarray], Mapping[Any, int]],
    y: Any,
) -> Counts:
    """Plan how many rows each class gets, with the meanings that imbalanced-learn gives to its samplers.

    Parameters
    ----------
    sampling_strategy : str, float, mapping or callable
        - ``"auto"`` or ``"not majority"``: fill up every class to the size of the largest.
        - ``"minority"``: only the smallest; ``"not minority"``: all but the smallest;
          ``"all"``: every class (the largest gets 0).
        - float in (0, 1], for two classes only: size of the minority after resampling,
          as a share of the majority.
        - mapping from label to its number of rows *after* resampling.
        - callable: takes y, returns such a mapping.
    y : array-like (n,)
        Class labels.

    Returns
    -------
    dict
        Label to number of rows to add, 0 or more, sorted by label; classes that are not
        targeted are left out. Of classes of one size, the first counts as the
        largest or the smallest.

    Raises
    ------
    InputError
        If y holds fewer than two classes or missing labels, or the strategy is unknown,
        names an unknown label, or asks for fewer rows than there are.

    Examples
    --------
    >>> from vaeaug.data.labels.sampling_strategy import targets
    >>> targets("auto", ["a", "b", "b", "c", "c", "c"])
    {'a': 2, 'b': 1}
    >>> targets(0.5, [0] * 10 + [1] * 2)
    {1: 3}
    >>> targets({"a": 4}, ["a", "b", "b"])
    {'a': 3}
    """
    counts = class_counts(y)
    if callable(sampling_strategy):
        _check_several(counts)
        return _from_totals(sampling_strategy(np.asarray(y)), counts)
    return targets_of_counts(sampling_strategy, counts)


def targets_of_counts(
    sampling_strategy: str | float | Mapping[Any, int], counts: Mapping[Any, int]
) -> Counts:
    """Plan how many rows each class gets, as :func:`targets` does, when only the sizes of classes are known.

    Parameters
    ----------
    sampling_strategy : str, float or mapping
        As in :func:`targets`; a callable would need the labels themselves.
    counts : mapping
        Label to number of rows.

    Raises
    ------
    InputError
        As in :func:`targets`.

    Examples
    --------
    >>> from vaeaug.data.labels.sampling_strategy import targets_of_counts
    >>> targets_of_counts("auto", {"no": 900_000_000, "yes": 100_000_000})
    {'yes': 800000000}
    """
    counts = dict(counts)
    _check_several(counts)
    if isinstance(sampling_strategy, Mapping):
        return _from_totals(sampling_strategy, counts)
    if isinstance(sampling_strategy, str):
        return _from_name(sampling_strategy, counts)
    if isinstance(sampling_strategy, Real):
        return _from_ratio(float(sampling_strategy), counts)
    raise InputError(
        f"sampling_strategy must be one of {STRATEGIES}, a float, a dict or a callable, "
        f"got {sampling_strategy!r}."
    )


def class_counts(y: Any) -> Counts:
    """Count the rows of each class, sorted by label.

    Raises
    ------
    InputError
        If a label is missing, or labels of several types cannot be sorted.
    """
    labels = np.asarray(y)
    missing = int(np.sum(pd.isna(labels)))
    if missing:
        raise InputError(f"y must not have missing labels, got {missing}; drop those rows first.")
    try:
        found, sizes = np.unique(labels, return_counts=True)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in labels.tolist()})
        raise InputError(f"y must hold labels of one type, got {types}; convert them to strings.") from error
    return dict(zip(found.tolist(), sizes.tolist(), strict=True))


def _check_several(counts: Counts) -> None:
    if len(counts) < 2:
        raise InputError(
            f"y must hold more than 1 class to be resampled, got {len(counts)} class; "
            "add rows of another class, or use sample()."
        )


def _from_name(name: str, counts: Counts) -> Counts:
    largest, smallest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if name == "majority":
        raise InputError(
            f'sampling_strategy="majority" adds nothing when over-sampling; use one of {STRATEGIES}.'
        )
    chosen = {
        "auto": counts.keys() - {largest},
        "not majority": counts.keys() - {largest},
        "not minority": counts.keys() - {smallest},
        "minority": {smallest},
        "all": set(counts),
    }
    if name not in chosen:
        raise InputError(f"sampling_strategy must be one of {STRATEGIES} when it is a string, got {name!r}.")
    return {label: counts[largest] - count for label, count in counts.items() if label in chosen[name]}


def _from_totals(totals: Mapping[Any, int], counts: Counts) -> Counts:
    if not isinstance(totals, Mapping):
        raise InputError(f"A callable sampling_strategy must return a dict, got {type(totals).__name__}.")
    unknown = [label for label in totals if label not in counts]
    if unknown:
        raise InputError(
            f"sampling_strategy names the target class {unknown[0]!r}, which is not present in the data; "
            f"there are {list_names(counts, most=10)}."
        )
    for label, total in totals.items():
        if isinstance(total, bool) or not isinstance(total, Integral):
            raise InputError(
                f"sampling_strategy must give whole numbers of rows, got {total!r} for class {label!r}."
            )
        if total < 0:
            raise InputError(
                f"The number of samples in a class cannot be negative, got {total} for class {label!r}."
            )
        if total < counts[label]:
            raise InputError(
                f"sampling_strategy asks for {total} rows of class {label!r}, which has {counts[label]} "
                "already; ask for at least as many, since over-sampling removes none."
            )
    return {label: int(totals[label]) - count for label, count in counts.items() if label in totals}


def _from_ratio(ratio: float, counts: Counts) -> Counts:
    if not 0 < ratio <= 1:
        raise InputError(
            f"sampling_strategy should be in the range (0, 1] when it is a float, got {ratio!r}."
        )
    if len(counts) != 2:
        raise InputError(
            "sampling_strategy can be a float only when y is binary, and y has "
            f"{len(counts)} classes; use a dict instead."
        )
    largest = max(counts, key=counts.__getitem__)
    added = {
        label: int(counts[largest] * ratio - count) for label, count in counts.items() if label != largest
    }
    if min(added.values()) <= 0:
        raise InputError(
            f"sampling_strategy={ratio} would remove rows of the minority class, or add none, because it "
            f"already has {min(counts.values()) / counts[largest]:.3g} of the majority's; increase the ratio."
        )
    return added
