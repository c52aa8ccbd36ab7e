"""Where results of costly functions are kept: in a folder as joblib does it, or in this process."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from inspect import signature
from typing import Any

import joblib
from sklearn.utils.validation import check_memory

from vaeaug.errors import InputError

__all__ = ["RecentResults", "open_memory", "with_memory"]

_MOST = 4


def open_memory(memory: Any, who: str) -> Any:
    """Return an object with ``cache(function, ignore=…)`` for what a user hands over.

    Parameters
    ----------
    memory : None, path of a folder, joblib.Memory, or object with ``cache``
        None keeps nothing.
    who : str
        Named in errors.

    Raises
    ------
    InputError
        For anything else.
    """
    try:
        return check_memory(os.fspath(memory) if isinstance(memory, os.PathLike) else memory)
    except ValueError as error:
        raise InputError(
            f"{who}: memory must be None, a folder or a joblib.Memory, got {memory!r}."
        ) from error


def with_memory(estimator: Any, memory: Any) -> Any:
    """Give an estimator a memory, in place, if it takes one and has none; return it."""
    takes_one = hasattr(estimator, "get_params") and "memory" in estimator.get_params(deep=False)
    if memory is not None and takes_one and estimator.memory is None:
        estimator.set_params(memory=memory)
    return estimator


class RecentResults:
    """Keep the last few results of functions in this process; copies of the object share them.

    Examples
    --------
    >>> from vaeaug.utils.memory import RecentResults
    >>> calls = []
    >>> def double(number, remark):
    ...     calls.append(number)
    ...     return 2 * number
    >>> kept = RecentResults().cache(double, ignore=["remark"])
    >>> kept(2, "first"), kept(2, "second"), len(calls)
    (4, 4, 1)
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def __deepcopy__(self, memo: Any) -> RecentResults:
        return self

    def cache(self, function: Callable[..., Any], ignore: Any = ()) -> Callable[..., Any]:
        """Return a function that looks first whether it was called with these arguments before.

        Arguments named in ``ignore`` do not count.
        """
        names = signature(function)

        def look(*args: Any, **options: Any) -> Any:
            given = names.bind(*args, **options).arguments
            counted = {name: value for name, value in given.items() if name not in ignore}
            try:
                key = joblib.hash((function.__qualname__, counted))
            except Exception:  # what cannot be pickled has no key
                return function(*args, **options)
            if key not in self._kept:
                self._kept[key] = function(*args, **options)
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            return self._kept[key]

        return look
