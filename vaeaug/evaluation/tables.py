"""Bring tables of mixed types onto one common footing, so that they can be compared."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from vaeaug.errors import InputError
from vaeaug.evaluation.columns import as_frame, find_origin, is_continuous, read_numbers, simplify

__all__ = ["CLASSIFIER_LEVELS", "JointTables", "build_trees", "join_tables", "tidy_table"]

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
        are seconds since the earliest one, integers beyond 2⁵³ are counted from the smallest one, of
        the first table with a value.
    codes : tuple of ndarray
        One int64 array ``(rows, len(discrete))`` per table; equal values have equal codes
        in every table, missing is −1.
    levels : ndarray
        Number of distinct values of each discrete column over all tables, int64
        ``(len(discrete),)``.
    values : tuple of ndarray
        The distinct values of each discrete column; code ``k`` stands for ``values[j][k]``.
    origins : tuple
        For each continuous column from where it is counted, None if that is 0.
    """

    columns: tuple[Hashable, ...]
    continuous: tuple[Hashable, ...]
    discrete: tuple[Hashable, ...]
    numbers: tuple[np.ndarray, ...]
    codes: tuple[np.ndarray, ...]
    levels: np.ndarray
    values: tuple[np.ndarray, ...]
    origins: tuple[Any, ...] = ()

    def count_levels(self, j: int) -> list[np.ndarray]:
        """Return how many rows of each table have each value of a discrete column, int64 (levels,)."""
        columns = [block[:, j] for block in self.codes]
        return [np.bincount(codes[codes >= 0], minlength=int(self.levels[j])) for codes in columns]

    def frame(
        self, table: int, max_levels: int | None = None, without: Sequence[Hashable] = ()
    ) -> pd.DataFrame:
        """Return one table as float64 and (integer-valued) category columns for a classifier.

        Columns keep their names if all of these are text; otherwise, since scikit-learn takes no others, they
        are numbered.

        Parameters
        ----------
        table : int
            Number of the table.
        max_levels : int, optional
            Merge all but the ``max_levels − 1`` most frequent values of a column (counted
            over all tables) into one; gradient boosting limits the number of categories.
        without : sequence of hashable
            Columns to leave out.
        """
        parts: dict[Hashable, Any] = {}
        for j, name in enumerate(self.continuous):
            parts[name] = self.numbers[table][:, j]
        for j, name in enumerate(self.discrete):
            codes, levels = self.codes[table][:, j], int(self.levels[j])
            if max_levels is not None and levels > max_levels:
                rank = np.empty(levels, dtype=np.int64)
                rank[np.argsort(-sum(self.count_levels(j)), kind="stable")] = np.arange(levels)
                codes = np.where(codes < 0, -1, np.minimum(rank[codes], max_levels - 1))
                levels = max_levels
            parts[name] = pd.Categorical.from_codes(codes, categories=pd.RangeIndex(levels))
        rows, names = len(self.numbers[table]), [name for name in self.columns if name not in without]
        found = pd.DataFrame({j: parts[name] for j, name in enumerate(names)}, index=range(rows))
        return found.set_axis(names, axis=1) if all(isinstance(name, str) for name in names) else found


def join_tables(tables: Mapping[str, Any]) -> JointTables:
    """Check that tables have the same columns and express them in common numbers and codes.

    Parameters
    ----------
    tables : mapping of str to DataFrame or array (rows, columns)
        Argument name → table. The first one decides the order of the columns, and the first one in which a
        column has a value, whether it is numeric.

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
    numeric, coded, continuous, discrete = [], [], [], []
    for column in first.columns:
        simple = {name: simplify(frame[column]) for name, frame in frames.items()}
        # A column without a value says nothing of its kind.
        lead = next((name for name, series in simple.items() if series.notna().any()), first_name)
        if is_continuous(simple[lead]):
            continuous.append(column)
            numeric.append(_numbers(simple, lead))
        else:
            discrete.append(column)
            coded.append(_codes(simple))
    sizes = [len(frame) for frame in frames.values()]
    return JointTables(
        columns=tuple(first.columns),
        continuous=tuple(continuous),
        discrete=tuple(discrete),
        numbers=tuple(_stack([c[k] for c, _ in numeric], n, np.float64) for k, n in enumerate(sizes)),
        codes=tuple(_stack([c[0][k] for c in coded], n, np.int64) for k, n in enumerate(sizes)),
        levels=np.asarray([len(values) for _, values in coded], dtype=np.int64),
        values=tuple(values for _, values in coded),
        origins=tuple(origin for _, origin in numeric),
    )


def _stack(columns: list[np.ndarray], rows: int, dtype: type) -> np.ndarray:
    return np.column_stack(columns) if columns else np.empty((rows, 0), dtype=dtype)


def _numbers(columns: dict[str, pd.Series], lead: str) -> tuple[list[np.ndarray], Any]:
    """Express one continuous column of every table as float64, and say from where it is counted."""
    origin, out = find_origin(columns[lead]), []
    for name, series in columns.items():
        try:
            numbers = read_numbers(series, origin)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"column {series.name!r} is {columns[lead].dtype} in {lead}, but {name} has values of dtype "
                f"{series.dtype} that cannot be read so; convert them first ({error})."
            ) from error
        infinite = int(np.isinf(numbers).sum())
        if infinite:
            raise InputError(
                f"column {series.name!r} of {name} has {infinite} infinite value(s); replace them by finite "
                "or missing ones."
            )
        out.append(numbers)
    return out, origin


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


def build_trees(seed: int, *, is_regression: bool = False, max_iter: int = 100) -> Any:
    """Return boosted trees for the frames of :meth:`JointTables.frame`, of a fixed size."""
    kind = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    return kind(max_iter=max_iter, early_stopping=False, categorical_features="from_dtype", random_state=seed)


def tidy_table(X: Any) -> pd.DataFrame:
    """Return a table as a frame, without categories that no row has: they would shift the codes of others."""
    frame = as_frame(X, "X")
    names = [name for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    if not names:
        return frame
    frame = frame.copy(deep=False)
    for name in names:
        frame[name] = frame[name].cat.remove_unused_categories()
    return frame
