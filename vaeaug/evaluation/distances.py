"""Distances from every row of one set to every row of another, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics.pairwise import manhattan_distances

from vaeaug.errors import InputError
from vaeaug.evaluation.columns import as_array
from vaeaug.evaluation.tables import JointTables, join_tables

__all__ = [
    "MixedRows",
    "Points",
    "ScaledTables",
    "choose_rows",
    "distance_blocks",
    "measure_reach",
    "nearest",
    "neighbour_radii",
    "read_points",
    "row_count",
]

# Distances held at once: 2 M float64 stay in the last-level cache of small machines.
_BLOCK_CELLS = 2_000_000

# Squares below this share of the squared lengths are rounding, not distance.
_ROUNDING = 1e-13


class MixedRows(NamedTuple):
    """Rows of a table, ready for mixed L1 distances (see ``privacy.distance_to_closest``)."""

    full: np.ndarray  # (rows, columns) scaled numbers without a missing value in any table
    gappy: list[np.ndarray]  # scaled numbers with missing values, a column each
    codes: list[np.ndarray]  # what must be equal, a column each


#: Rows of a table (mixed L1 distance), or an array ``(rows, features)`` (Euclidean distance).
Points = MixedRows | np.ndarray


def row_count(points: Points) -> int:
    """Return the number of rows."""
    return len(points.full) if isinstance(points, MixedRows) else len(points)


def choose_rows(rows: int, size: int | None, rng: np.random.Generator, who: str) -> slice | np.ndarray:
    """Return the numbers of the rows to look at, in order: all, or ``size`` chosen at random."""
    if size is None or size >= rows:
        return slice(None)
    if size < 1:
        raise InputError(f"{who}: sample_size must be at least 1 or None, got {size!r}.")
    return np.sort(rng.choice(rows, size=size, replace=False))


@dataclass(frozen=True)
class ScaledTables:
    """Tables whose rows are compared by mixed L1 distances.

    Parameters
    ----------
    tables : JointTables
    numbers : list of ndarray
        As those of the tables, divided by their range.
    """

    tables: JointTables
    numbers: list[np.ndarray]

    @classmethod
    def join(cls, tables: Mapping[str, Any], references: int) -> ScaledTables:
        """Read tables as :func:`join_tables` does; ranges are those of the first ``references``."""
        joined = join_tables(tables)
        spread = np.ones(len(joined.continuous))
        for j in range(len(spread)):
            known = np.concatenate([block[:, j] for block in joined.numbers[:references]])
            known = known[~np.isnan(known)]
            if len(known) and known.max() > known.min():
                spread[j] = known.max() - known.min()
        return cls(joined, [block / spread for block in joined.numbers])

    def take(self, table: int, rows: slice | np.ndarray = slice(None)) -> MixedRows:
        """Return rows of one table, ready for distances to rows of the others."""
        holed = np.any([np.isnan(block).any(axis=0) for block in self.numbers], axis=0)
        numbers = self.numbers[table][rows]
        gappy = [numbers[:, j] for j in np.flatnonzero(holed)]
        codes = [
            self.tables.codes[table][rows, j].astype(np.min_scalar_type(-max(int(size), 1)))
            for j, size in enumerate(self.tables.levels)
        ]
        # Whether a number is missing is one more thing to be equal in.
        return MixedRows(numbers[:, ~holed], gappy, codes + [np.isnan(column) for column in gappy])

    def draw(self, table: int, size: int | None, rng: np.random.Generator, who: str) -> MixedRows:
        """Return ``size`` rows of one table, chosen at random, or all; see :func:`choose_rows`."""
        return self.take(table, choose_rows(len(self.numbers[table]), size, rng, who))


def distance_blocks(queries: Points, references: Points) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield ``(rows, distances)``: float64 ``(len(rows), references)`` for consecutive queries.

    Memory stays the same for any number of queries: about two million distances at once, or
    one query's where there are more references than that.
    """
    rows, width = row_count(queries), max(1, row_count(references))
    step = max(1, _BLOCK_CELLS // width)
    if isinstance(queries, MixedRows) and isinstance(references, MixedRows):
        measure = _mix(queries, references)
    else:
        measure = _euclidean(np.asarray(queries), np.asarray(references))
    for start in range(0, rows, step):
        block = slice(start, min(start + step, rows))
        yield block, measure(block)


def nearest(queries: Points, references: Points) -> tuple[np.ndarray, np.ndarray]:
    """Return each query's distance to the nearest reference, and that reference's row number."""
    rows = row_count(queries)
    distances, places = np.empty(rows), np.empty(rows, dtype=np.int64)
    for block, between in distance_blocks(queries, references):
        places[block] = between.argmin(axis=1)
        distances[block] = np.take_along_axis(between, places[block, None], axis=1)[:, 0]
    return distances, places


def neighbour_radii(points: Points, k: int) -> np.ndarray:
    """Return each row's distance to its k-th nearest *other* row, float64 ``(rows,)``."""
    rows = row_count(points)
    if not 1 <= k < rows:
        raise InputError(f"k must be between 1 and {rows - 1} for {rows} rows, got {k!r}.")
    return measure_reach(points, points, np.arange(rows), k)


def measure_reach(queries: Points, points: Points, own: np.ndarray, k: int) -> np.ndarray:
    """Return the distance of some rows, at positions ``own``, to their k-th nearest other row, (m,)."""
    reach = np.empty(len(own))
    for block, between in distance_blocks(queries, points):
        between[np.arange(block.stop - block.start), own[block]] = np.inf
        reach[block] = np.partition(between, k - 1, axis=1)[:, k - 1]
    return reach


def read_points(values: Any, name: str) -> np.ndarray:
    """Return features as float64 (rows, features).

    Raises
    ------
    InputError
        Another shape, fewer than two rows, or values that are not finite.
    """
    array = as_array(values, name, np.float64)
    if array.ndim != 2 or len(array) < 2:
        raise InputError(
            f"{name} must be an array (rows, features) with at least two rows, got shape {array.shape}; "
            "image_features and flat_pixels make such arrays of images."
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name} has values that are not finite; drop or replace them.")
    return array


def _euclidean(queries: np.ndarray, references: np.ndarray) -> Callable[[slice], np.ndarray]:
    # About a common centre less is lost when large squares cancel.
    centre = references.mean(axis=0, dtype=np.float64)
    a, b = queries - centre, references - centre
    a_squares, b_squares = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)

    def measure(block: slice) -> np.ndarray:
        sizes = a_squares[block, None] + b_squares[None, :]
        squares = a[block] @ b.T
        squares *= -2.0
        squares += sizes
        squares[squares <= _ROUNDING * sizes] = 0.0
        return np.sqrt(squares, out=squares)

    return measure


def _mix(queries: MixedRows, references: MixedRows) -> Callable[[slice], np.ndarray]:
    def measure(block: slice) -> np.ndarray:
        mismatches = np.zeros((block.stop - block.start, len(references.full)), dtype=np.uint16)
        for own, other in zip(queries.codes, references.codes, strict=True):
            mismatches += own[block, None] != other[None, :]
        distances = mismatches.astype(np.float64)
        if queries.full.shape[1]:
            distances += manhattan_distances(queries.full[block], references.full)
        for own, other in zip(queries.gappy, references.gappy, strict=True):
            distances += np.nan_to_num(np.abs(own[block, None] - other[None, :]), copy=False)
        return distances

    return measure
