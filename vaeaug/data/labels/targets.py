"""Class labels: one column of them in any container, and those of Datasets."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from vaeaug.data.labels.sampling_strategy import class_counts
from vaeaug.data.tables.dtypes import get_kind
from vaeaug.errors import InputError
from vaeaug.utils.frames import to_pandas
from vaeaug.utils.validation import errors_of_ours

__all__ = [
    "group_rows",
    "as_column",
    "is_indicator",
    "is_missing",
    "list_labels",
    "plain_label",
    "probe_rows",
    "read_labels",
    "stack_labels",
]

#: More labels than this are values of a control variable, not classes.
_MOST_CLASSES = 100

#: Classes of which an item is read to see whether a list of labels is true.
_MOST_PROBED = 64


def read_labels(y: Any, who: str = "Resampling") -> np.ndarray:
    """Return class labels as one dimension, whatever they came in.

    Parameters
    ----------
    y : array-like (n,), (n, 1), or a one-vs-rest indicator matrix (n, k)
        Also a Series of any dtype, categorical and nullable ones too.
    who : str
        Who needs them, for the message.

    Returns
    -------
    ndarray (n,)
        Column numbers where y is an indicator matrix.

    Raises
    ------
    InputError
        If a label is missing, a row has several labels or none, or the target is continuous.

    Examples
    --------
    >>> from vaeaug.data.labels.targets import read_labels
    >>> read_labels([["cat"], ["dog"]]).tolist(), read_labels([[0, 1], [1, 0]]).tolist()
    (['cat', 'dog'], [1, 0])
    """
    if y is None:
        # The second half is what scikit-learn's checks of estimators look for.
        raise InputError(
            f"{who} needs y, the class of each row: it requires y to be passed, but the target y is None."
        )
    with errors_of_ours():
        return _read_labels(to_pandas(y))


def as_column(y: Any, warn: bool = False) -> Any:
    """Return labels in one column: a Series as it is, anything else as an array (n,); None stays None.

    Parameters
    ----------
    y : None, or array-like (n,) or (n, 1), or a tensor
    warn : bool
        Whether to warn of an array with two dimensions, as scikit-learn's classifiers do.

    Raises
    ------
    InputError
        For several columns.
    """
    y = y.detach().cpu().numpy() if hasattr(y, "detach") else to_pandas(y)
    if isinstance(y, pd.DataFrame) and y.shape[1] == 1 and not warn:
        return y.iloc[:, 0]
    if y is None or isinstance(y, pd.Series):
        return y
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise InputError(
            f"y must be one column of class labels, got {labels.shape[1]} columns. Multilabel and "
            "multioutput targets are not supported."
        )
    return column_or_1d(labels, warn=warn)


def group_rows(y: Any, rows: int) -> np.ndarray | None:
    """Return the number of each row's class, int64 of shape (n,); None without labels of few classes."""
    if y is None:
        return None
    labels = np.asarray(y, dtype=object)
    if labels.shape != (rows,):
        return None
    try:
        codes, classes = pd.factorize(labels, use_na_sentinel=False)
    except TypeError:  # lists and the like, which whoever reads labels refuses in a sentence
        return None
    return codes if len(classes) <= _MOST_CLASSES else None


def is_indicator(y: Any) -> bool:
    """Whether labels are a one-vs-rest indicator matrix."""
    if np.ndim(y) != 2 or np.shape(y)[1] == 1:
        return False
    if isinstance(y, pd.DataFrame) and not all(get_kind(dtype) in "biuf" for dtype in y.dtypes):
        return False
    return bool(type_of_target(y) == "multilabel-indicator")


def _read_labels(y: Any) -> np.ndarray:
    if is_indicator(y):
        indicators = np.asarray(y)
        marks = indicators.sum(axis=1)
        none = np.flatnonzero(marks == 0)
        if (marks > 1).any():
            raise InputError(
                "y must hold one class for each row. Multilabel and multioutput targets are not supported."
            )
        if len(none):
            raise InputError(
                f"y must hold one class for each row, but {len(none)} of its {len(marks)} rows hold zeros "
                f"only, the first in row {none[0]}. Mark their class in a column, or leave these rows out."
            )
        return indicators.argmax(axis=1)
    column = as_column(y)
    labels = column_or_1d(column)
    odd = next((label for label in labels.tolist() if not _is_label(label)), None)
    if odd is not None:
        raise InputError(
            "y must hold class labels that are numbers, booleans or text, got objects of type "
            f"{type(odd).__name__}; convert them, for example with astype(str)."
        )
    class_counts(column)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise InputError("y must hold class labels, got infinite values.")
    if labels.dtype == object:
        # Nullable dtypes arrive as objects; give numbers and booleans their own dtype back.
        listed = labels.tolist()
        has_text = any(isinstance(label, str) for label in listed)
        labels = np.asarray(listed, dtype=object if has_text else None)
    try:
        check_classification_targets(labels)
    except ValueError as error:
        raise InputError(f"y must hold class labels; {error}") from error
    return labels


def _is_label(label: Any) -> bool:
    """Whether a label is a number, a boolean, text, or missing."""
    return isinstance(label, str | bool | numbers.Real) or label is None or label is pd.NA or label is pd.NaT


def plain_label(label: Any, what: str) -> Any:
    """Return the label of one item as a plain value: an int, a float, a str; None stays None.

    Parameters
    ----------
    label : object
        Also a tensor or array of one value, of shape () or (1,).
    what : str
        Whose label it is, for the message.

    Raises
    ------
    InputError
        If it holds several values, none, or NaN.

    Examples
    --------
    >>> import numpy as np
    >>> plain_label(np.array([3]), "item 0"), plain_label("cat", "item 1")
    (3, 'cat')
    """
    if isinstance(label, list | tuple) and len(label) == 1:
        return plain_label(label[0], what)
    plain = label
    if hasattr(label, "shape") and hasattr(label, "item"):
        if tuple(label.shape) not in ((), (1,)):
            raise _refuse(what, f"shape {tuple(label.shape)}")
        try:
            plain = label.item()
        except (RuntimeError, NotImplementedError) as error:
            raise InputError(f"The label of {what} cannot be read: {error}") from error
    elif np.ndim(label) or isinstance(label, dict | set):
        raise _refuse(what, f"a {type(label).__name__} of {len(label)}")
    if isinstance(plain, float) and plain != plain:
        raise InputError(f"The label of {what} is NaN; give every item a class, or leave that item out.")
    return plain


def stack_labels(labels: Sequence[Any], who: str, *, may_miss: bool = False) -> np.ndarray:
    """Return the labels of items as one array (n,); its dtype says what they are.

    Parameters
    ----------
    labels : sequence
        As :func:`plain_label` takes them.
    who : str
        Whose labels they are, for messages.
    may_miss : bool
        Whether None, NA and NaN stand for items without a label: None in an array of objects.

    Raises
    ------
    InputError
        If one is no class, or missing where none may be, or texts and numbers are mixed: an array would
        make texts of all.
    """
    labels = [
        None if may_miss and is_missing(label) else plain_label(label, f"item {i} of the {who}")
        for i, label in enumerate(labels)
    ]
    first: dict[str, int] = {}
    for i, label in enumerate(labels):
        kind = "text" if isinstance(label, str | bytes) else "missing" if label is None else "number"
        first.setdefault(kind, i)
    lacking = first.pop("missing", None)
    if lacking is not None and not may_miss:
        raise InputError(
            f"Item {lacking} of the {who} has no label, and others have one; give a class to every "
            "item, or to none."
        )
    if len(first) > 1:
        text, number = first["text"], first["number"]
        raise InputError(
            f"The labels of the {who} mix texts and numbers: item {text} has {labels[text]!r}, item {number} "
            f"has {labels[number]!r}. Make texts of all, for example with str(label), or numbers of all."
        )
    return np.asarray(labels, dtype=None if lacking is None else object)


def is_missing(label: Any) -> bool:
    """Whether the label of an item is None, NA or NaN, in a tensor or array of one value too."""
    if isinstance(label, list | tuple) and len(label) == 1:
        return is_missing(label[0])
    if hasattr(label, "shape") and hasattr(label, "item") and tuple(label.shape) in ((), (1,)):
        return is_missing(label.item())
    return label is None or label is pd.NA or (isinstance(label, float) and label != label)


def list_labels(dataset: Any) -> np.ndarray | None:
    """Return the labels that a Dataset lists beside its items, (n,), or None.

    Looks at ``targets``, ``labels`` and the last tensor of a ``TensorDataset``, through ``Subset`` and
    ``ConcatDataset``. What is listed may differ from what items carry: see :func:`probe_rows`.
    """
    try:
        return _find_list(dataset)
    except Exception:  # a property of the user's class may raise anything; items have labels too
        return None


def probe_rows(labels: np.ndarray, spread: int) -> np.ndarray:
    """Return the numbers of items that show whether a list of labels is true: sorted, int64.

    Parameters
    ----------
    labels : ndarray (n,)
    spread : int
        Items taken evenly; besides, one is taken of each class that is not among them (of 64 classes, if
        there are more).
    """
    even = np.unique(np.linspace(0, len(labels) - 1, spread).astype(np.int64))
    classes, first = np.unique(labels, return_index=True)
    first = first[~np.isin(classes, labels[even])]
    some = first[
        np.unique(np.linspace(0, max(len(first) - 1, 0), _MOST_PROBED).astype(np.int64))[: len(first)]
    ]
    return np.union1d(even, some)


def _find_list(dataset: Any) -> np.ndarray | None:
    from torch.utils.data import ConcatDataset, Subset, TensorDataset

    if getattr(dataset, "target_transform", None) is not None:
        return None
    if isinstance(dataset, Subset):
        whole = _find_list(dataset.dataset)
        return None if whole is None else whole[np.asarray(dataset.indices, dtype=np.int64)]
    if isinstance(dataset, ConcatDataset):
        parts = [_find_list(part) for part in dataset.datasets]
        known = [part for part in parts if part is not None]
        # numpy would make texts of numbers beside texts.
        mixed = len({part.dtype.kind in "US" for part in known}) > 1
        return None if mixed or len(known) < len(parts) else np.concatenate(known)
    if isinstance(dataset, TensorDataset):
        return _as_list(dataset.tensors[-1], len(dataset)) if len(dataset.tensors) == 2 else None
    for name in ("targets", "labels"):
        found = _as_list(getattr(dataset, name, None), len(dataset))
        if found is not None:
            return found
    return None


def _as_list(labels: Any, rows: int) -> np.ndarray | None:
    """Return labels as an array (rows,), or None if they are not that."""
    if labels is None:
        return None
    array = labels.detach().cpu().numpy() if hasattr(labels, "detach") else np.asarray(labels)
    if array.dtype.kind in "US" and not hasattr(labels, "dtype"):
        array = stack_labels(list(labels), "list")  # refuses numbers among texts
    array = array.reshape(rows) if array.shape == (rows, 1) else array
    return array if array.shape == (rows,) and array.dtype.kind in "biufUS" else None


def _refuse(what: str, got: str) -> InputError:
    return InputError(
        f"The label of {what} must be one class, such as an int or a str; got {got}. Wrap the dataset in one "
        "whose items carry one class, or pass one label per item in their place."
    )
