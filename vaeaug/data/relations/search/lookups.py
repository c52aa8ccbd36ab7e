"""Find columns that others determine: the state of a city, the group of an age."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from scipy.special import pdtr

from vaeaug.data.relations.columns import CATEGORY, OTHER
from vaeaug.data.relations.formula import write_name
from vaeaug.data.relations.functions import Lookup
from vaeaug.data.relations.plans import Keep
from vaeaug.data.relations.search.sample import LEVEL, MOST_EXCEPTIONS, Candidate, Sample

__all__ = ["find_lookups"]

#: A key that determines a column is seen again in at least this share of the rows.
_REPEATED = 0.5
_MOST_FOR_PAIRS, _MOST_LEVELS, _MOST_STEPS, _FEWEST_TRIED = 24, 64, 3, 20
#: Rows in which a column that changes in more than a share of them is given up.
_FEW, _OFTEN = 100, 0.2


def find_lookups(sample: Sample) -> Iterator[Candidate]:
    """Yield the columns that one or two others determine.

    Along rows sorted by one column, another that it determines changes only where that one does. How often
    it would change if the two had nothing to do with each other follows from its shares.
    """
    codes, levels = sample.codes, sample.levels
    usable = np.array([view.kind != OTHER for view in sample.views]) & (levels > 1)
    variety = 1 - np.array([np.square(np.bincount(c) / sample.rows).sum() for c in codes.T])
    tries = int(usable.sum()) ** 2 * 2
    determined = np.zeros(levels.size, dtype=bool)
    for j in np.flatnonzero(usable):
        others = usable & (levels <= levels[j])
        others[j] = False
        found: set[int] = set()
        if levels[j] <= _REPEATED * sample.rows:
            found.update(_find_determined(codes[:, j], codes, np.flatnonzero(others), variety, tries))
        found.update(
            _find_steps(sample, int(j), np.flatnonzero(others & (levels <= _MOST_LEVELS)), variety, tries)
        )
        for target in sorted(found):
            candidate = _judge(sample, (int(j),), target)
            if candidate is not None:
                determined[target] = True
                yield candidate
    few = np.flatnonzero(usable & (levels <= _MOST_LEVELS))[:_MOST_FOR_PAIRS]
    open_ = usable & ~determined & (levels <= _MOST_LEVELS)
    for a, b in combinations(few.tolist(), 2):
        if levels[a] * levels[b] > sample.rows / 10:
            continue
        key = np.unique(codes[:, a].astype(np.int64) * levels[b] + codes[:, b], return_inverse=True)[1]
        others = np.setdiff1d(np.flatnonzero(open_), (a, b))
        for target in _find_determined(key, codes, others, variety, tries * levels.size):
            candidate = _judge(sample, (a, b), target)
            if candidate is not None:
                yield candidate


def _find_determined(
    key: np.ndarray, codes: np.ndarray, others: np.ndarray, variety: np.ndarray, tries: int
) -> list[int]:
    """Return which of the other columns change hardly ever among rows with the same key."""
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    others = _leave_out_restless(order, same, codes, others)
    changes = np.array([(codes[order, k][same + 1] != codes[order, k][same]).sum() for k in others])
    return others[
        _is_rare(changes, variety[others] * same.size, 2 * MOST_EXCEPTIONS * same.size, tries)
    ].tolist()


def _leave_out_restless(
    order: np.ndarray, places: np.ndarray, codes: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Return those of the other columns that do not change in many of a few steps along an order of rows."""
    if not places.size:
        return others
    few = places[:: max(1, places.size // _FEW)]
    often = (codes[order[few + 1]] != codes[order[few]]).mean(axis=0)
    return others[~(often[others] > _OFTEN)]


def _find_steps(sample: Sample, j: int, others: np.ndarray, variety: np.ndarray, tries: int) -> list[int]:
    """Return which of the other columns change only a few times along rising numbers."""
    if not others.size or sample.views[j].kind == CATEGORY or np.isnan(sample.values[:, j]).any():
        return []
    order = np.argsort(sample.values[:, j], kind="stable")
    others = _leave_out_restless(order, np.arange(sample.rows - 1), sample.codes, others)
    changes = np.array([(np.diff(sample.codes[order, k]) != 0).sum() for k in others])
    expected = variety[others] * (sample.rows - 1)
    return others[_is_rare(changes, expected, _MOST_STEPS * sample.levels[others], tries)].tolist()


def _is_rare(changes: np.ndarray, expected: np.ndarray, most: np.ndarray | float, tries: int) -> np.ndarray:
    if not changes.size:
        return np.zeros(0, dtype=bool)
    rare = pdtr(changes, np.maximum(expected, 1e-9)) < LEVEL / tries
    return rare & (changes <= most) & (changes <= 0.05 * expected)


def _judge(sample: Sample, sources: tuple[int, ...], target: int) -> Candidate | None:
    """Learn the table on half of the rows, and try it on those rows of the other half that it knows."""
    half = sample.rows // 2
    columns = [sample.values[:, j] for j in sources]
    table = Lookup.learn(sources, [column[:half] for column in columns], sample.values[:half, target])
    hits = sample.holds(table, target)
    hits[:half] = True
    tried, most = (np.arange(sample.rows) >= half) & table.knows(columns), MOST_EXCEPTIONS
    if tried.sum() < _FEWEST_TRIED:
        # Numbers that hardly repeat are read as the nearest one, which may lie beyond a step.
        tried, most = np.arange(sample.rows) >= half, MOST_EXCEPTIONS + sample.levels[target] / half
    if hits[tried].mean() < 1 - most or not sample.holds_in_classes(hits | ~tried):
        return None
    names = ", ".join(write_name(sample.names[j]) for j in sources)
    function = Lookup.learn(sources, columns, sample.values[:, target])
    rank = 1 + len(sources) + sample.levels[list(sources)].prod() / 1e9
    shown = f"{names} -> {write_name(sample.names[target])}"
    return Candidate("dependence", target, function, shown, Keep.COMPUTED, rank)
