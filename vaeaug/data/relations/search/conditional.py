"""Find orders, equalities and bounds of numbers that hold where a column has a value or a missing cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import bdtr, pdtr

from vaeaug.data.relations.formula import write_name
from vaeaug.data.relations.functions import Arithmetic
from vaeaug.data.relations.limits import Fill
from vaeaug.data.relations.search.implications import Implied, Signs, collect_signs
from vaeaug.data.relations.search.sample import LEVEL, MOST_EXCEPTIONS, Candidate, Sample

__all__ = ["find_conditional"]

_MOST_COLUMNS, _MOST_SIGNS, _MOST_ROWS = 40, 120, 4_000
#: Share of the rows with the sign that may break a rule; it may be broken in MOST_EXCEPTIONS of all rows.
_MOST_BROKEN = 0.03
#: Rows that break a rule, as a share of those that do without the sign, and of those that chance would let
#: break it among rows with the sign.
_MOST_OF_OTHERS = _MOST_OF_CHANCE = 0.05
_DEALS = 3
#: Share of all rows that would break a bound if it were none; rows with the sign that are at it, and their
#: share.
_FEWEST_BEYOND, _FEWEST_AT_BOUND, _LEAST_AT_BOUND = 0.005, 5, 0.01


def find_conditional(sample: Sample, taken: set[int]) -> Iterator[Candidate | Implied]:
    """Yield orders and equalities of two numeric columns, and bounds of one, that hold beside a sign.

    A sign is a value or a missing cell of a further column. The rule must be broken by other rows, and by the
    rows with the sign if their cells were dealt to each other anew.

    Parameters
    ----------
    sample : Sample
    taken : set of int
        Columns that are computed: nothing has to be kept about them.
    """
    signs = collect_signs(sample, _MOST_SIGNS)
    if not signs.values:
        return
    for kind in sorted({sample.views[j].kind for j in sample.numeric} - {"flag"}):
        members = sample.of_kind(kind)
        members = members[sample.levels[members] > 2]
        if members.size > _MOST_COLUMNS:
            members = np.sort(members[np.argsort(-sample.levels[members], kind="stable")[:_MOST_COLUMNS]])
        if members.size > 1:
            yield from _find_pairs(sample, signs, members, taken)
        yield from _find_bounds(sample, signs, members, taken)


def _find_pairs(
    sample: Sample, signs: Signs, members: np.ndarray, taken: set[int]
) -> Iterator[Candidate | Implied]:
    """Yield orders and equalities of two columns."""
    values, rows = sample.values[:_MOST_ROWS, members], signs.rows[:_MOST_ROWS]
    first, second = (side.ravel() for side in np.indices((members.size, members.size)))
    keep = first != second
    first, second = first[keep], second[keep]
    for is_order in (True, False):
        if not is_order:
            first, second = first[first < second], second[first < second]
        compare = np.greater if is_order else np.not_equal
        known = ~np.isnan(values[:, first]) & ~np.isnan(values[:, second])
        with np.errstate(invalid="ignore"):
            broken = compare(values[:, first], values[:, second]) & known
        marked = rows.T.astype(np.float32)
        inside, both = marked @ broken.astype(np.float32), marked @ known.astype(np.float32)
        outside = (broken.sum(axis=0) - inside) / np.maximum(known.sum(axis=0) - both, 1)
        limit = LEVEL / inside.size
        fits = (inside <= _MOST_BROKEN * both) & (inside <= MOST_EXCEPTIONS * len(values))
        # Each row that breaks the rule would have the sign as often as other rows have it.
        usual = both / np.maximum(known.sum(axis=0), 1)
        fits &= (inside <= _MOST_OF_OTHERS * outside * both) & (
            bdtr(inside, broken.sum(axis=0), usual) < limit
        )
        for i, pair in zip(*np.nonzero(fits), strict=True):
            a, b = int(members[first[pair]]), int(members[second[pair]])
            if signs.owners[i] in (a, b) or {a, b} <= taken:
                continue
            own = values[rows[:, i]][:, [first[pair], second[pair]]]
            own = own[~np.isnan(own).any(axis=1)]
            if is_order and (own[:, 0] == own[:, 1]).mean() > 1 - MOST_EXCEPTIONS:
                continue
            dealt = [compare(own[:, 0], sample.rng.permutation(own[:, 1])).sum() for _ in range(_DEALS)]
            chance, hits = float(np.mean(dealt)), ~broken[:, pair] | ~rows[:, i]
            is_rare = inside[i, pair] <= _MOST_OF_CHANCE * chance and pdtr(inside[i, pair], chance) < limit
            if is_rare and sample.holds_in_classes(np.append(hits, np.ones(sample.rows - hits.size, bool))):
                yield from _write_pair(sample, signs, int(i), (a, b), is_order, chance / len(values))


def _write_pair(
    sample: Sample, signs: Signs, i: int, pair: tuple[int, int], is_order: bool, chance: float
) -> Iterator[Candidate | Implied]:
    """Yield an order or an equality as a rule for either of its columns."""
    low, high = (write_name(sample.names[j]) for j in pair)
    when, said, rank = signs.write_condition(i), signs.say(sample, i), 60 - chance
    if is_order:
        for j, text, is_lower in ((pair[0], high, False), (pair[1], low, True)):
            function, shown = Arithmetic(text, sample.positions), f"{said} implies {low} <= {high}"
            yield Candidate("order", j, function, shown, None, rank, is_lower, when=when)
        return
    for j, own, text in ((pair[1], high, low), (pair[0], low, high)):
        fill = Fill(when, function=Arithmetic(text, sample.positions))
        yield Implied(j, fill, f"{said} implies {own} == {text}", rank)


def _find_bounds(sample: Sample, signs: Signs, members: np.ndarray, taken: set[int]) -> Iterator[Candidate]:
    """Yield bounds that several rows with the sign meet, none exceeds, and many others do."""
    tries = max(1, len(signs.values) * members.size * 2)
    for i, j in np.ndindex(len(signs.values), members.size):
        target = int(members[j])
        if target in taken or target == signs.owners[i]:
            continue
        column, rows = sample.values[:, target], signs.rows[:, i]
        own, others = (part[~np.isnan(part)] for part in (column[rows], column[~rows]))
        half = own.size // 2
        if not half or not others.size or own.min() == own.max():
            continue
        for is_lower, end in ((True, own.min()), (False, own.max())):
            count = int((others < end if is_lower else others > end).sum())
            beyond, at_bound = count / others.size * own.size, own == end
            chance = bdtr(0, count, own.size / (own.size + others.size))
            if beyond < _FEWEST_BEYOND * sample.rows or chance >= LEVEL / tries:
                continue
            # Rows that are met by chance would hardly end at the same place in either half.
            if not (at_bound[:half].any() and at_bound[half:].any()):
                continue
            if at_bound.sum() < max(_FEWEST_AT_BOUND, _LEAST_AT_BOUND * own.size):
                continue
            name, sign = write_name(sample.names[target]), ">=" if is_lower else "<="
            shown = f"{signs.say(sample, i)} implies {name} {sign} {sample.say(target, end)}"
            function, when = Arithmetic(repr(float(end)), {}), signs.write_condition(i)
            rank = 70 - beyond / sample.rows
            yield Candidate("order", target, function, shown, None, rank, is_lower, when=when)
