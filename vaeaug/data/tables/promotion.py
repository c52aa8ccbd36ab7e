"""One dtype for a column that comes in pieces, and pieces turned into it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.dtypes import mask_of
from vaeaug.errors import InputError

__all__ = ["cast", "common_dtype"]


def common_dtype(first: Any, second: Any, name: Any, where: str) -> Any:
    """Return the dtype that holds the values of two, as reading both pieces at once would give.

    Integers and floats go together, and so do categories, whose lists are joined in the order in which they
    appear, and times of different resolution. A plain integer or boolean column that meets a missing value
    becomes one of floats or objects.

    Parameters
    ----------
    first : dtype
    second : dtype or None
        None for a missing value.
    name : hashable
        Of the column, for the message.
    where : str
        Where the second comes from.

    Raises
    ------
    InputError
        For dtypes that do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.data.tables.promotion import common_dtype
    >>> common_dtype(np.dtype("int64"), np.dtype("float32"), "size", "part 2")
    dtype('float64')
    """
    if second is None:
        plain = first.kind if isinstance(first, np.dtype) else ""
        return np.dtype(np.float64) if plain in tuple("iu") else np.dtype(object) if plain == "b" else first
    if _same(first, second):
        return first
    found = _join_dtypes(first, second)
    if found is None:
        raise InputError(
            f"The column {name!r} is {_spell(second)} in {where} and {_spell(first)} before; a column needs "
            "one type in all pieces. Convert it, or write the files anew with the same types."
        )
    return found


def cast(series: pd.Series, dtype: Any) -> pd.Series:
    """Return a column in a dtype that :func:`common_dtype` found.

    Raises
    ------
    InputError
        If it holds something else.
    """
    if _same(series.dtype, dtype):
        return series
    if mask_of(series).all() and dtype != np.dtype(object):
        return pd.Series(np.nan, index=series.index, dtype=object, name=series.name).astype(dtype)
    try:
        return series.astype(dtype)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The column {series.name!r} was {_spell(dtype)} at first and now holds {_spell(series.dtype)}: "
            f"{error}. The data must not change while it is learned."
        ) from error


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, pd.CategoricalDtype) and isinstance(second, pd.CategoricalDtype):
        # Equal for pandas, categories in another order are not the same codes.
        return bool(first == second) and first.categories.equals(second.categories)
    return bool(first == second)


def _join_dtypes(first: Any, second: Any) -> Any:
    """Return the dtype of two together; None if there is none."""
    if isinstance(first, pd.CategoricalDtype) and isinstance(second, pd.CategoricalDtype):
        return _categories(first, second)
    if isinstance(first, np.dtype) and isinstance(second, np.dtype):
        kinds = {first.kind, second.kind}
        if kinds <= set("iuf") or (len(kinds) == 1 and kinds <= set("mM")):
            return np.result_type(first, second)
        return np.dtype(object) if kinds == {"b", "O"} else None
    if isinstance(first, pd.DatetimeTZDtype) and isinstance(second, pd.DatetimeTZDtype):
        if str(first.tz) != str(second.tz):
            return None
        finest = max(first.unit, second.unit, key=["s", "ms", "us", "ns"].index)
        return pd.DatetimeTZDtype(finest, first.tz)
    return None


def _categories(first: pd.CategoricalDtype, second: pd.CategoricalDtype) -> pd.CategoricalDtype | None:
    if first.ordered or second.ordered or first.categories.inferred_type != second.categories.inferred_type:
        return None
    more = second.categories.difference(first.categories, sort=False)
    return pd.CategoricalDtype(first.categories.append(more), ordered=False)


def _spell(dtype: Any) -> str:
    return "category" if isinstance(dtype, pd.CategoricalDtype) else str(dtype)
