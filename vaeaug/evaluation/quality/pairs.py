"""Which pairs of columns go together among real rows, and whether they do among new ones."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm

from vaeaug.evaluation.fidelity import correlate, pair_trends
from vaeaug.evaluation.quality.sides import Sides, take_some
from vaeaug.evaluation.tables import JointTables, join_tables
from vaeaug.utils.random import numpy_generator

__all__ = ["PairFigures", "associate", "bin_columns", "compare_pairs", "find_cuts"]

#: Bins of numbers, and categories apart from the rest, for associations.
BINS, LEVELS = 10, 10
#: Columns whose pairs are compared, rows they are chosen by, and rows times pairs that are counted.
_MOST_COLUMNS, _FEW_ROWS, _MOST_CELLS = 100, 2000, 200_000_000
#: Columns among which they are looked for.
_MOST_CANDIDATES = 500
_MOST_ROWS, _MOST_ASSOCIATED = 20_000, 600_000
#: Deals of the rows to both sides at random, the chance of a false alarm among all pairs, and how much
#: farther chance is taken to reach, since so few deals tell its spread.
_DEALS, _FALSE_ALARM, _UNCERTAIN = 16, 0.05, 1.15
#: Rows of both sides that a value must have for an association to be judged by it.
_FEWEST = 20
#: Deviations of the largest of so many normal numbers, and some more.
_LARGEST = 2.5


class PairFigures:
    """Figures of pairs, and what they are of.

    Attributes
    ----------
    table : DataFrame
        A row for each pair, the one whose association differs most first: ``first``, ``second``, ``score``
        (see :func:`~vaeaug.evaluation.fidelity.pair_trends`), ``measure`` (``"rank correlation"`` or
        ``"Cramér's V"``), its value among ``real`` and ``new`` rows, ``difference`` = new − real, its
        ``noise`` (standard deviation by chance) and ``excess`` (how far it is beyond what chance reaches).
    columns : list
        Columns that were paired.
    yardstick : float
        Mean score that two samples of real rows would have; NaN for fewer than four.
    """

    def __init__(self, table: pd.DataFrame, columns: list[Hashable], yardstick: float) -> None:
        self.table, self.columns, self.yardstick = table, columns, yardstick


def compare_pairs(sides: Sides, joined: JointTables, halves: list[pd.DataFrame]) -> PairFigures:
    """Compare all pairs of columns; of more than 100 columns those whose pairs seem to differ most.

    Parameters
    ----------
    sides : Sides
    joined : JointTables
        The reference and the new rows.
    halves : list of two DataFrames, or of none
        Of the reference, to see what chance does.
    """
    columns, count = list(joined.columns), len(joined.columns)
    if count > _MOST_COLUMNS:
        strongest = _choose_columns(joined, sides.seed)
        columns = [columns[j] for j in strongest]
    pairs = max(len(columns) * (len(columns) - 1) // 2, 1)
    rng = numpy_generator(sides.seed, 2)
    frames = [frame[columns] for frame in (sides.reference, sides.new, *halves)]
    frames = [take_some(frame, max(_MOST_CELLS // pairs, 1000), rng) for frame in frames]
    scores = pair_trends(frames[0], frames[1])
    yardstick = pair_trends(frames[2], frames[3]).mean() if halves else np.nan
    most = int(np.clip(_MOST_ASSOCIATED // len(columns), 4000, _MOST_ROWS))
    small = [take_some(frame, most, rng) for frame in frames[:2]]
    table = _list_pairs(join_tables({"real": small[0], "new": small[1]}), scores, rng)
    return PairFigures(table, columns, float(yardstick))


def associate(codes: np.ndarray, levels: int) -> np.ndarray:
    """Return Cramér's V of all pairs of columns, corrected for bias, float64 (d, d) in [0, 1].

    Parameters
    ----------
    codes : ndarray of int64, shape (n, d)
        In [0, levels).
    levels : int

    References
    ----------
    Bergsma, *A bias-correction for Cramér's V and Tschuprow's T*, Journal of the Korean Statistical
    Society 42, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.evaluation.quality.pairs import associate
    >>> codes = np.array([[0, 0, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]] * 50)
    >>> associate(codes, 2).round(2).tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    n, d = codes.shape
    # Sums of float32 ones are exact up to 16 million rows.
    flags = np.zeros((n, d * levels), dtype=np.float32)
    flags[np.arange(n)[:, None], np.arange(d) * levels + codes] = 1
    joint = (flags.T @ flags).astype(np.float64) / n
    share = joint.diagonal().copy()
    expected = np.outer(share, share)
    terms = np.divide(joint**2, expected, out=np.zeros_like(joint), where=expected > 0)
    phi = terms.reshape(d, levels, d, levels).sum(axis=(1, 3)) - 1
    used = (share.reshape(d, levels) > 0).sum(axis=1).astype(np.float64)
    if n < 2:
        return np.zeros((d, d))
    phi = np.maximum(phi - np.outer(used - 1, used - 1) / (n - 1), 0)
    room = used - (used - 1) ** 2 / (n - 1)
    most = np.minimum(room[:, None], room[None, :]) - 1
    return np.sqrt(np.minimum(np.divide(phi, most, out=np.zeros_like(phi), where=most > 1e-9), 1))


def bin_columns(joined: JointTables, bins: int = BINS, levels: int = LEVELS) -> list[np.ndarray]:
    """Return both sides as codes below ``max(bins, levels + 1) + 1``; missing is 0.

    Numbers are cut at quantiles of real rows; of categories the most frequent stay apart.
    """
    sides = [np.zeros((len(block), len(joined.columns)), dtype=np.int64) for block in joined.numbers]
    place = {name: j for j, name in enumerate(joined.columns)}
    for j, name in enumerate(joined.continuous):
        cuts = find_cuts(joined.numbers[0][:, j], bins)
        for side, block in zip(sides, joined.numbers, strict=True):
            values = block[:, j]
            side[:, place[name]] = np.where(
                np.isnan(values), 0, np.searchsorted(cuts, values, side="left") + 1
            )
    for j, name in enumerate(joined.discrete):
        counts = joined.count_levels(j)
        rank = np.empty(len(counts[0]) + 1, dtype=np.int64)
        # By real rows first, so that both sides are cut alike; a last place for what is missing.
        rank[np.lexsort((-counts[1], -counts[0]))] = np.minimum(np.arange(len(counts[0])), levels) + 1
        rank[-1] = 0
        for side, block in zip(sides, joined.codes, strict=True):
            side[:, place[name]] = rank[block[:, j]]
    return sides


def find_cuts(values: np.ndarray, bins: int) -> np.ndarray:
    """Return where numbers are cut into at most so many bins; a bin ends with its cut."""
    present = values[~np.isnan(values)]
    if not len(present):
        return np.zeros(0)
    distinct = np.unique(present)
    if len(distinct) <= bins:
        return distinct[:-1]
    cuts = np.unique(np.quantile(present, np.arange(1, bins) / bins, method="inverted_cdf"))
    return cuts[cuts < distinct[-1]]


def _choose_columns(joined: JointTables, seed: int) -> list[int]:
    """Return the columns of the pairs whose association differs most, by few rows."""
    rng = numpy_generator(seed, 3)
    columns = np.arange(len(joined.columns))
    if len(columns) > _MOST_CANDIDATES:
        columns = np.sort(rng.choice(columns, size=_MOST_CANDIDATES, replace=False))
    sides = []
    for side in bin_columns(joined, 4, 4):
        rows = rng.choice(len(side), size=min(len(side), _FEW_ROWS), replace=False)
        sides.append(associate(side[np.ix_(rows, columns)], 6))
    gap = np.abs(sides[0] - sides[1])
    np.fill_diagonal(gap, 0)
    return np.sort(columns[np.argsort(-gap.max(axis=0), kind="stable")[:_MOST_COLUMNS]]).tolist()


def _list_pairs(joined: JointTables, scores: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    codes = _join_rare(bin_columns(joined))
    measured = [_measure(*side) for side in zip(codes, map(_rank, joined.numbers), strict=True)]
    noise = _measure_noise(np.concatenate(codes), np.concatenate(joined.numbers), len(codes[0]), rng)
    number = {name: j for j, name in enumerate(joined.continuous)}
    known, rows = scores.to_dict(), []
    for (i, first), (j, second) in combinations(enumerate(joined.columns), 2):
        k, place = 0, (i, j)
        found = [float(side[0][place]) for side in measured]
        if first in number and second in number:
            ranked = (number[first], number[second])
            other = [float(side[1][ranked]) for side in measured]
            # Among numbers a correlation says more, unless what differs is not monotone.
            if abs(other[0] - other[1]) + 0.05 >= abs(found[0] - found[1]):
                k, place, found = 1, ranked, other
        measure = ("Cramér's V", "rank correlation")[k]
        score = float(known[first, second])
        rows.append((first, second, score, measure, *found, found[1] - found[0], float(noise[k][place])))
    names = ["first", "second", "score", "measure", "real", "new", "difference", "noise"]
    table = pd.DataFrame(rows, columns=names)
    size = table["difference"].abs().to_numpy(dtype=float)
    reach = _UNCERTAIN * float(norm.isf(_FALSE_ALARM / 2 / max(len(rows), 1)))
    table["excess"] = np.maximum(size - reach * table["noise"].to_numpy(dtype=float), 0)
    return table.iloc[np.lexsort((-size, -table["excess"].to_numpy(dtype=float)))].reset_index(drop=True)


def _join_rare(codes: list[np.ndarray]) -> list[np.ndarray]:
    """Return both sides with values that few rows have as the most frequent one: chance deals them out."""
    joined = [side.copy() for side in codes]
    for j in range(codes[0].shape[1]):
        counts = np.bincount(np.concatenate([side[:, j] for side in codes]))
        translate = np.where(counts < _FEWEST, np.argmax(counts), np.arange(len(counts)))
        for side in joined:
            side[:, j] = translate[side[:, j]]
    return joined


def _rank(numbers: np.ndarray) -> np.ndarray:
    # A few extreme values decide on Pearson's correlation, and differ from sample to sample.
    return pd.DataFrame(numbers).rank().to_numpy()


def _measure(codes: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Cramér's V of all columns, and rank correlations of all numbers."""
    return associate(codes, max(BINS, LEVELS + 1) + 1), np.nan_to_num(correlate(ranks))


def _measure_noise(
    codes: np.ndarray, numbers: np.ndarray, real: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return the standard deviations of differences between two sides that are dealt at random.

    Rare categories and missing cells may leave an association to a few rows, which no formula knows of.
    """
    ranks = _rank(numbers)
    floor = np.asarray(0.75**2 * (1 / real + 1 / max(len(codes) - real, 1)))
    squares: list[list[np.ndarray]] = [[], []]
    for _ in range(_DEALS):
        order = rng.permutation(len(codes))
        one, other = (_measure(codes[part], ranks[part]) for part in (order[:real], order[real:]))
        for k in (0, 1):
            squares[k].append((one[k] - other[k]) ** 2)
    # Few deals may agree by chance: not less than three quarters of what independent ranks would have, nor
    # much less than the largest difference, which a single row may make.
    return [
        np.sqrt(np.maximum(np.maximum(np.mean(each, axis=0), np.max(each, axis=0) / _LARGEST**2), floor))
        for each in squares
    ]
