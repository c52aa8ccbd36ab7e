"""Checks of arguments that several rooms share."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.errors import InputError, InputTypeError, VaeaugWarning
from vaeaug.utils.frames import is_foreign, is_foreign_frame, refuse_lazy, split_columns, to_pandas
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.wording import hide_secrets, list_names, suggest

__all__ = [
    "as_array",
    "check_number",
    "check_option",
    "check_weights",
    "errors_of_ours",
    "refuse_mapping",
    "refuse_other_forms",
    "refuse_repeated_columns",
    "refuse_sources",
    "refuse_text",
    "restore_on_failure",
    "take_labels",
]


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
    """Return ``value`` if it is a finite number in range, or one of ``also``.

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
    kind: Any = numbers.Integral if integer else numbers.Real
    if isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value):
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
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"sample_weight must hold one number per row of X; {error}.") from error
    if weights.ndim == 0:
        weights = np.broadcast_to(weights, (n,))
    if weights.shape != (n,):
        raise InputError(
            f"sample_weight must have shape ({n},), one weight per row of X; got {weights.shape}."
        )
    unusable = int((~np.isfinite(weights) | (weights < 0)).sum())
    if unusable or not weights.any():
        got = f"{unusable} of {n} that are not" if unusable else "only zeros, so no row would count"
        raise InputError(
            f"sample_weight must hold finite numbers of 0 or more, some of them above zero; got {got}."
        )
    return weights.astype(np.float32)


def refuse_repeated_columns(X: pd.DataFrame | pd.Index, who: str = "X") -> None:
    """Raise for frames, or names of columns, in which a name comes twice.

    Raises
    ------
    InputError
    """
    columns = X if isinstance(X, pd.Index) else X.columns
    if not columns.is_unique:
        twice = list_names(columns[columns.duplicated()].unique())
        raise InputError(f"{who} has columns named twice: {twice}. Rename them so that each name is unique.")


def as_array(X: Any) -> np.ndarray:
    """Return rows as an array.

    Raises
    ------
    InputError
        For rows of different lengths, and whatever else numpy does not take.
    """
    try:
        return np.asarray(X)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"X must be an array of numbers or a DataFrame; the {type(X).__name__} given is none: {error}. "
            "Give all rows the same length, or pass a DataFrame."
        ) from error


@contextmanager
def errors_of_ours() -> Iterator[None]:
    """Let the sentences in which scikit-learn refuses data come as errors of this library."""
    try:
        # Its checks add up cells to see whether all are finite, and warn where infinities of both signs meet.
        with np.errstate(invalid="ignore"):
            yield
    except InputError:
        raise
    except TypeError as error:
        raise InputTypeError(str(error)) from error
    except ValueError as error:
        raise InputError(str(error)) from error


def refuse_other_forms(X: Any) -> None:
    """Raise for what holds rows, but not as a frame or an array: a Series, a dict, a masked array.

    Raises
    ------
    InputError
    """
    kind = type(X).__name__
    if isinstance(X, pd.Series) or (is_foreign(X) and not is_foreign_frame(X)):
        raise InputError(
            f"Expected a 2-dimensional container for X, got a {kind}, which is one column; pass X.to_frame()."
        )
    if isinstance(X, np.ma.MaskedArray):
        raise InputError(
            "X is a masked array; pass X.astype(float).filled(numpy.nan): masked cells are then missing ones."
        )
    refuse_mapping(X)
    if isinstance(X, list | tuple) and len(X) and isinstance(X[0], Mapping):
        raise InputError(
            f"X is a {kind} of {type(X[0]).__name__}s; pass the frame that they make: pandas.DataFrame(X)."
        )


def refuse_mapping(X: Any, who: str = "X") -> None:
    """Raise for a dict, whose keys numpy would take for rows; a sparse matrix by keys is none.

    Raises
    ------
    InputError
    """
    if isinstance(X, Mapping) and not hasattr(X, "toarray"):
        raise InputError(
            f"{who} is a {type(X).__name__}; pass pandas.DataFrame(X), whose columns have names and types."
        )


def refuse_sources(X: Any) -> None:
    """Raise for what holds no rows yet, but gives them when asked: a LazyFrame, a DataLoader, a path.

    Raises
    ------
    InputError
    """
    refuse_lazy(X)
    if any(kind.__name__ == "DataLoader" for kind in type(X).__mro__) and hasattr(X, "dataset"):
        raise InputError("X is a DataLoader, which gives batches; pass the Dataset, loader.dataset.")
    if isinstance(X, str | os.PathLike):
        raise InputError(
            f"X is the path {hide_secrets(os.fspath(X))}, and rows are needed here; read the file and pass "
            "the frame, such as pandas.read_csv(X)."
        )


def take_labels(X: Any, y: Any, features: Iterable[Any] | None = None) -> tuple[Any, Any]:
    """Return X and y, where y may name a column of the frame X, or be a list of names: these become y.

    Parameters
    ----------
    X : frame or any other container
    y : labels, or the name of a column, or a list of names
    features : iterable, optional
        Columns that a model knows; none of these is taken for y, and a scalar that names no other column is a
        label. Without them, a scalar must be the name of a column.

    Raises
    ------
    InputError

    Warns
    -----
    VaeaugWarning
        Where y has the index of X in another order.
    """
    refuse_sources(X)
    is_one = _is_scalar(y)
    is_frame = isinstance(X, pd.DataFrame) or is_foreign_frame(X)
    # A frame may have an index that [:0] would look up.
    columns = list((X if isinstance(X, pd.DataFrame) else to_pandas(X[:0])).columns) if is_frame else []
    if is_one or (isinstance(y, tuple) and y in columns):
        known = list(features) if features is not None else []
        if y in columns and y not in known:
            return _split(X, y, columns)
        if features is None and is_frame:
            raise InputError(
                f"y is {y!r}, which is no column of X; X has {list_names(columns)}."
                f"{suggest(str(y), columns)} Pass one label per row, or the name of a column."
            )
        if features is None:
            raise InputError(
                f"y is the single value {y!r}; it must hold one label per row of X, or name a column of a "
                "frame."
            )
    elif isinstance(y, list) and is_frame and y and len(y) != len(X):
        named = all(isinstance(name, Hashable) and name in columns for name in y)
        if named and len(set(y)) == len(y):
            return _split(X, y, columns)
    _warn_of_other_order(X, y)
    return X, y


def _warn_of_other_order(X: Any, y: Any) -> None:
    """Warn of labels with the index of the rows in another order: they are taken by position."""
    if not (isinstance(X, pd.DataFrame) and isinstance(y, pd.Series | pd.DataFrame)) or len(X) != len(y):
        return
    if X.index.equals(y.index) or not (X.index.is_unique and y.index.is_unique):
        return
    is_alike = X.index.nlevels == y.index.nlevels and X.index.dtype == y.index.dtype
    if is_alike and y.index.isin(X.index).all():
        i = int(np.flatnonzero(X.index != y.index)[0])
        warn_caller(
            "X and y have the same index in another order, and rows are paired by position: row "
            f"{list_names(X.index[[i]])} of X gets the label of {list_names(y.index[[i]])}. Pass "
            "y.loc[X.index], or, if the order is right as it is, y.to_numpy().",
            VaeaugWarning,
        )


def _is_scalar(y: Any) -> bool:
    """Whether y is one value, which may be the name of a column, and not labels in any container."""
    if isinstance(y, str | np.generic):
        return True
    return (
        y is not None and isinstance(y, Hashable) and not (hasattr(y, "__array__") or hasattr(y, "__iter__"))
    )


def _split(X: Any, names: Any, columns: list[Any]) -> tuple[Any, Any]:
    listed = names if isinstance(names, list) else [names]
    if any(columns.count(name) > 1 for name in listed):
        raise InputError(
            f"y names {list_names(listed)}, and X has two columns of that name; rename one of them."
        )
    if len(listed) == len(columns):
        raise InputError("y names all columns of X; nothing is left to learn.")
    return split_columns(X, names)


def refuse_text(X: Any) -> None:
    """Raise for arrays and lists that hold text among (or instead of) numbers.

    Raises
    ------
    InputError
    """
    if hasattr(X, "toarray"):
        return
    array = as_array(X)
    if array.dtype.kind == "O":
        try:
            array.astype(np.float64)
        except TypeError as error:
            raise InputTypeError(str(_text(X, str(error)))) from error
        except (ValueError, OverflowError) as error:
            raise _text(X, str(error)) from error
    elif array.dtype.kind in "US":
        raise _text(X, f"dtype {array.dtype}")


def _text(X: Any, got: str) -> InputError:
    if hasattr(X, "to_pandas"):
        kind = f"{type(X).__module__.partition('.')[0]}.{type(X).__name__}"
        return InputError(
            f"X must be an array of numbers or a DataFrame, got a {kind} with text ({got}). "
            "Pass X.to_pandas()."
        )
    typed = "pandas.DataFrame(X)" + ("" if isinstance(X, list | tuple) else ".infer_objects()")
    return InputError(
        f"X must be an array of numbers or a DataFrame, got an array with cells that are no numbers ({got}). "
        f"Pass {typed}, whose columns have types of their own."
    )


@contextmanager
def restore_on_failure(estimator: Any) -> Iterator[None]:
    """Put back all attributes of an object if the block does not end well, Ctrl-C included."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
