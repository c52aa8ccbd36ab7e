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
#: Values of a column that changes a few times along rising numbers, such as months since a day, at most.
_MOST_ALONG = 1024
#: Share of numbers that were not seen for which the nearest one must be right.
_RIGHT = 0.8
#: Rows in which a column that changes in more than a share of them is given up.
_FEW, _OFTEN = 100, 0.2


def find_lookups(sample: Sample) -> Iterator[Candidate]:
    """Yield the columns that one or two others determine.

    Along rows sorted by one column, another that it determines changes only where that one does. How often
    it would change if the two had nothing to do with each other follows from its shares. A missing cell is a
    value like others first; then rows that lack one of the cells are left out.
    """
    codes, levels, missing = sample.codes, sample.levels, np.isnan(sample.values)
    lacks = missing.any(axis=0)
    usable = np.array([view.kind != OTHER for view in sample.views]) & (levels > 1)
    variety = 1 - np.array([np.square(np.bincount(c) / sample.rows).sum() for c in codes.T])
    tries = int(usable.sum()) ** 2 * 2
    determined = np.zeros(levels.size, dtype=bool)
    for j in np.flatnonzero(usable):
        others = usable & (levels - lacks <= levels[j])
        others[j] = False
        found: set[int] = set()
        if levels[j] <= _REPEATED * sample.rows:
            found.update(_find_determined(codes[:, j], codes, np.flatnonzero(others), variety, tries))
            rest = np.flatnonzero(others & (lacks | lacks[j]))
            found.update(_find_in_known(sample, codes[:, j], ~missing[:, j], rest, tries))
        few = others & (levels <= _MOST_ALONG)
        found.update(_find_steps(sample, int(j), np.flatnonzero(few), variety, tries))
        if sample.views[int(j)].kind != CATEGORY:
            rest = np.flatnonzero(few & (lacks | lacks[j]))
            found.update(_find_in_known(sample, sample.values[:, j], ~missing[:, j], rest, tries, True))
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
        found = set(_find_determined(key, codes, others, variety, tries * levels.size))
        rest = others[lacks[others] | lacks[a] | lacks[b]]
        found.update(_find_in_known(sample, key, ~missing[:, [a, b]].any(axis=1), rest, tries * levels.size))
        for target in sorted(found):
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


def _find_in_known(
    sample: Sample,
    key: np.ndarray,
    has_key: np.ndarray,
    others: np.ndarray,
    tries: int,
    is_rising: bool = False,
) -> list[int]:
    """Return which of the other columns a key determines in rows that have both.

    They change hardly ever among rows with the same key or, along rising numbers, a few times.
    """
    order = np.argsort(key, kind="stable")
    order = order[has_key[order]]
    codes, missing = sample.codes, np.isnan(sample.values)
    places = np.flatnonzero((key[order][1:] == key[order][:-1]) | is_rising)
    few = places[:: max(1, places.size // _FEW)]
    both = ~missing[order[few + 1]][:, others] & ~missing[order[few]][:, others]
    often = (both & (codes[order[few + 1]] != codes[order[few]])[:, others]).sum(axis=0)
    others = others[often <= _OFTEN * both.sum(axis=0)]
    changes, expected, pairs = np.zeros((3, others.size))
    for i, k in enumerate(others):
        rows = order[~missing[order, k]]
        near = (key[rows][1:] == key[rows][:-1]) | is_rising
        changes[i] = (codes[rows, k][1:] != codes[rows, k][:-1])[near].sum()
        pairs[i], share = near.sum(), np.bincount(codes[rows, k]) / max(rows.size, 1)
        expected[i] = (1 - np.square(share).sum()) * pairs[i]
    most = _MOST_STEPS * sample.levels[others] if is_rising else 2 * MOST_EXCEPTIONS * pairs
    return others[_is_rare(changes, expected, most, tries)].tolist()


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
    """Return a dependence if it holds in all rows or, where that fails, in those that lack no cell."""
    known = np.ones(sample.rows, dtype=bool)
    if _holds(sample, sources, target, known):
        return _write(sample, sources, target, known)
    known = ~np.isnan(sample.values[:, [*sources, target]]).any(axis=1)
    if known.all() or known.sum() < 2 * _FEWEST_TRIED or not _holds(sample, sources, target, known):
        return None
    candidate = _write(sample, sources, target, known)
    return candidate if sample.has_enough(candidate.function, target) else None


def _holds(sample: Sample, sources: tuple[int, ...], target: int, known: np.ndarray) -> bool:
    """Learn the table on half of the rows, and try it on those rows of the other half that it knows."""
    rows = np.flatnonzero(known)
    half = rows.size // 2
    columns = [sample.values[:, j] for j in sources]
    table = Lookup.learn(
        sources, [column[rows[:half]] for column in columns], sample.values[rows[:half], target]
    )
    hits, later = sample.holds(table, target), known.copy()
    later[rows[:half]] = False
    tried, most = later & table.knows(columns), MOST_EXCEPTIONS
    if tried.sum() < _FEWEST_TRIED:
        # Numbers that hardly repeat are read as the nearest one, which may lie beyond a step.
        tried, most = later, MOST_EXCEPTIONS + sample.levels[target] / half
    if not _may_be_read_as_nearest(sample, sources, hits[later & ~table.knows(columns)]):
        return False
    return bool(hits[tried].mean() >= 1 - most and sample.holds_in_classes(hits | ~tried))


def _may_be_read_as_nearest(sample: Sample, sources: tuple[int, ...], hits: np.ndarray) -> bool:
    """Tell whether a table of numbers is right for most of the numbers that it has not seen.

    New rows have such numbers, too. A total that nearly always goes with one fee tells nothing of the fee of
    the next total.
    """
    are_numbers = all(sample.views[j].kind != CATEGORY for j in sources)
    return not are_numbers or hits.size < _FEWEST_TRIED or bool(hits.mean() >= _RIGHT)


def _write(sample: Sample, sources: tuple[int, ...], target: int, known: np.ndarray) -> Candidate:
    """Return a dependence, its table learned from the rows that count."""
    columns = [sample.values[known, j] for j in sources]
    names = ", ".join(write_name(sample.names[j]) for j in sources)
    function = Lookup.learn(sources, columns, sample.values[known, target])
    rank = 1 + len(sources) + sample.levels[list(sources)].prod() / 1e9
    shown = f"{names} -> {write_name(sample.names[target])}"
    return Candidate("dependence", target, function, shown, Keep.COMPUTED, rank)
