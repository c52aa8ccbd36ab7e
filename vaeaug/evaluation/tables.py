"""Bring tables of mixed types onto one common footing, so that they can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaeaug.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

__all__ = ["CLASSIFIER_LEVELS", "JointTables", "as_frame", "is_continuous", "join_tables", "tidied"]

# HistGradientBoosting takes at most 255 categories a column.
CLASSIFIER_LEVELS = 250


@dataclass(frozen=True)
class JointTables:
    """Several tables with the same columns, as numbers that mean the same in all of them.

    Parameters
    ----------
    columns : tuple of hashable
        All column names, in the order of the first table.
    continuous : tuple of hashable
        Names of the numeric, datetime and timedelta columns.
    discrete : tuple of hashable
        Names of all other columns.
    numbers : tuple of ndarray
        One float64 array ``(rows, len(continuous))`` per table; missing is NaN. Datetimes
        are seconds since the earliest one in the first table.
    codes : tuple of ndarray
        One int64 array ``(rows, len(discrete))`` per table; equal values have equal codes
        in every table, missing is −1.
    levels : ndarray
        Number of distinct values of each discrete column over all tables, int64
        ``(len(discrete),)``.
    values : tuple of ndarray
        The distinct values of each discrete column; code ``k`` stands for ``values[j][k]``.
    """

    columns: tuple[Hashable, ...]
    continuous: tuple[Hashable, ...]
    discrete: tuple[Hashable, ...]
    numbers: tuple[np.ndarray, ...]
    codes: tuple[np.ndarray, ...]
    levels: np.ndarray
    values: tuple[np.ndarray, ...]

    def frame(self, table: int, max_levels: int | None = None) -> pd.DataFrame:
        """Return one table as float64 and (integer-valued) category columns for a classifier.

        Parameters
        ----------
        table : int
            Number of the table.
        max_levels : int, optional
            Merge all but the ``max_levels − 1`` most frequent values of a column (counted
            over all tables) into one; gradient boosting limits the number of categories.
        """
        parts: dict[Hashable, Any] = {}
        for j, name in enumerate(self.continuous):
            parts[name] = self.numbers[table][:, j]
        for j, name in enumerate(self.discrete):
            codes, levels = self.codes[table][:, j], int(self.levels[j])
            if max_levels is not None and levels > max_levels:
                everywhere = np.concatenate([block[:, j] for block in self.codes])
                counts = np.bincount(everywhere[everywhere >= 0], minlength=levels)
                rank = np.empty(levels, dtype=np.int64)
                rank[np.argsort(-counts, kind="stable")] = np.arange(levels)
                codes = np.where(codes < 0, -1, np.minimum(rank[codes], max_levels - 1))
                levels = max_levels
            parts[name] = pd.Categorical.from_codes(codes, categories=pd.RangeIndex(levels))
        rows = len(self.numbers[table])
        return pd.DataFrame({name: parts[name] for name in self.columns}, index=range(rows))


def join_tables(tables: Mapping[str, Any]) -> JointTables:
    """Check that tables have the same columns and express them in common numbers and codes.

    Parameters
    ----------
    tables : mapping of str to DataFrame or array (rows, columns)
        Argument name → table. The first one decides the order of the columns, and which of
        them are numeric.

    Returns
    -------
    JointTables

    Raises
    ------
    InputError
        No rows, no columns, duplicated or different column names, a column that is numeric
        in the first table and not in another, infinite values, or values that cannot be
        compared.
    """
    frames = {name: as_frame(table, name) for name, table in tables.items()}
    first_name, first = next(iter(frames.items()))
    for name, frame in frames.items():
        missing = [column for column in first.columns if column not in frame.columns]
        extra = [column for column in frame.columns if column not in first.columns]
        if missing or extra:
            raise InputError(
                f"{first_name} and {name} must have the same columns; {name} lacks {missing} and adds "
                f"{extra}. Select the columns to compare in both."
            )
    continuous = tuple(column for column in first.columns if is_continuous(first[column]))
    discrete = tuple(column for column in first.columns if not is_continuous(first[column]))
    numeric = [_numbers({name: frame[c] for name, frame in frames.items()}) for c in continuous]
    coded = [_codes({name: frame[c] for name, frame in frames.items()}) for c in discrete]
    sizes = [len(frame) for frame in frames.values()]
    return JointTables(
        columns=tuple(first.columns),
        continuous=continuous,
        discrete=discrete,
        numbers=tuple(_stack([c[k] for c in numeric], n, np.float64) for k, n in enumerate(sizes)),
        codes=tuple(_stack([c[0][k] for c in coded], n, np.int64) for k, n in enumerate(sizes)),
        levels=np.asarray([len(values) for _, values in coded], dtype=np.int64),
        values=tuple(values for _, values in coded),
    )


def as_frame(table: Any, name: str) -> pd.DataFrame:
    """Return a table as a DataFrame with rows, columns and unique column names, not copied."""
    if not isinstance(table, pd.DataFrame):
        table = np.asarray(table)
        if table.ndim != 2:
            raise InputError(
                f"{name} must be a DataFrame or a 2-d array (rows, columns), got {table.ndim} dimension(s)."
            )
        table = pd.DataFrame(table)
    if table.shape[0] == 0 or table.shape[1] == 0:
        raise InputError(
            f"{name} must have at least one row and one column, got {table.shape[0]} rows and "
            f"{table.shape[1]} columns."
        )
    if not table.columns.is_unique:
        twice = list(table.columns[table.columns.duplicated()].unique())
        raise InputError(f"{name} has duplicated column names {twice}; rename or drop them.")
    return table


def is_continuous(column: pd.Series) -> bool:
    """Whether a column is compared by its order: numeric (not boolean), datetime or timedelta."""
    types = pd.api.types
    if types.is_bool_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return (
        (types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype))
        or types.is_datetime64_any_dtype(column.dtype)
        or types.is_timedelta64_dtype(column.dtype)
    )


def _stack(columns: list[np.ndarray], rows: int, dtype: type) -> np.ndarray:
    return np.column_stack(columns) if columns else np.empty((rows, 0), dtype=dtype)


def _numbers(columns: dict[str, pd.Series]) -> list[np.ndarray]:
    """Express one continuous column of every table as float64."""
    first_name, first = next(iter(columns.items()))
    read = _reader(first)
    out = []
    for name, series in columns.items():
        try:
            numbers = read(series).astype("float64").to_numpy()
        except (TypeError, ValueError) as error:
            raise InputError(
                f"column {series.name!r} is {first.dtype} in {first_name}, but {name} has values of dtype "
                f"{series.dtype} that cannot be read so; convert them first ({error})."
            ) from error
        infinite = int(np.isinf(numbers).sum())
        if infinite:
            raise InputError(
                f"column {series.name!r} of {name} has {infinite} infinite value(s); replace them by finite "
                "or missing ones."
            )
        out.append(numbers)
    return out


def _reader(first: pd.Series) -> Callable[[pd.Series], pd.Series]:
    """Choose how the columns of all tables become numbers, by the dtype of the first."""
    types = pd.api.types
    if types.is_datetime64_any_dtype(first.dtype):
        origin = pd.to_datetime(first, utc=True).min()
        return lambda series: (pd.to_datetime(series, utc=True) - origin).dt.total_seconds()
    if types.is_timedelta64_dtype(first.dtype):
        return lambda series: pd.to_timedelta(series).dt.total_seconds()
    return pd.to_numeric


def _codes(columns: dict[str, pd.Series]) -> tuple[list[np.ndarray], np.ndarray]:
    """Express one discrete column of every table in common codes, −1 where missing."""
    parts = []
    for name, series in columns.items():
        try:
            if isinstance(series.dtype, pd.CategoricalDtype):
                parts.append((series.cat.codes.to_numpy(), np.asarray(series.cat.categories, dtype=object)))
            else:
                parts.append(pd.factorize(series.to_numpy(dtype=object)))
        except TypeError as error:
            raise InputError(
                f"column {series.name!r} of {name} has values that cannot be compared ({error}); turn them "
                "into strings or drop the column."
            ) from error
    common, values = pd.factorize(np.concatenate([values for _, values in parts]))
    out, start = [], 0
    for codes, own in parts:
        translate = np.append(common[start : start + len(own)], -1).astype(np.int64)
        out.append(translate[codes])
        start += len(own)
    used = np.zeros(len(values) + 1, dtype=bool)
    for codes in out:
        used[codes] = True
    # Declared but unused categories do not count as levels.
    rank = np.append(np.cumsum(used[:-1]) - 1, -1)
    return [rank[codes] for codes in out], values[used[:-1]]


def tidied(X: Any) -> pd.DataFrame:
    """Return a table as a frame, without categories that no row has: they would shift the codes of others."""
    if not isinstance(X, pd.DataFrame):
        return pd.DataFrame(np.asarray(X))
    names = [name for name, dtype in X.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    return X.assign(**{str(name): X[name].cat.remove_unused_categories() for name in names}) if names else X
