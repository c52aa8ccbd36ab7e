"""Find columns that equal another in a share of the rows that chance does not explain."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import bdtrc

from vaeaug.data.relations.formula import write_name
from vaeaug.data.relations.functions import Arithmetic
from vaeaug.data.relations.plans import Keep
from vaeaug.data.relations.search.sample import LEVEL, Candidate, Sample

__all__ = ["find_equalities"]

_LEAST_SHARE, _MOST_SHARE = 0.02, 0.99
_FEWEST_LEVELS, _MOST_COLUMNS = 60, 200
#: So many times as many values must be equal as are one step apart: coarse numbers that go together are not
#: equal.
_MORE_THAN_BESIDE = 3


def find_equalities(sample: Sample) -> Iterator[Candidate]:
    """Yield pairs of numeric columns that are equal far more often than their values make likely.

    The commonest value of each column does not count: two columns of many zeros are equal by chance.
    """
    for kind in sorted({sample.views[j].kind for j in sample.numeric} - {"flag"}):
        members = sample.of_kind(kind)
        members = members[sample.levels[members] >= _FEWEST_LEVELS][:_MOST_COLUMNS]
        if members.size < 2:
            continue
        values = sample.values[:, members].copy()
        peaks = [_peak(column) for column in values.T]
        values[values == peaks] = np.nan
        dealt = values[sample.rng.permutation(len(values))]
        for i, target in enumerate(members):
            hits = (values[:, [i]] == values).sum(axis=0)
            share = hits / len(values)
            often = (share >= _LEAST_SHARE) & (share <= _MOST_SHARE)
            often[i] = False
            if not often.any():
                continue
            others = np.flatnonzero(often)
            chance = ((values[:, [i]] == dealt[:, others]).sum(axis=0) + 1) / (len(values) + 1)
            rare = (share[others] >= 5 * chance) & (
                bdtrc(hits[others] - 1, len(values), chance) < LEVEL / members.size**2
            )
            others = others[rare]
            beside = _count_beside(sample, values[:, [i, *others]], members[[i, *others]])
            for k in others[hits[others] > _MORE_THAN_BESIDE * beside]:
                source = write_name(sample.names[members[k]])
                shown = f"{write_name(sample.names[target])} and {source} are equal"
                function = Arithmetic(source, sample.positions)
                yield Candidate(
                    "partial equality", int(target), function, shown, Keep.MARKED, 20 - float(share[k])
                )


def _count_beside(sample: Sample, values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return how many values of the first column lie one step beside the others', mean of both sides."""
    decimals = [sample.decimals(int(j)) for j in members]
    if decimals[0] is None:
        return np.zeros(members.size - 1)
    step = 10.0 ** -np.array([min(decimals[0], 9 if own is None else own) for own in decimals[1:]])
    distance = np.abs(values[:, 1:] - values[:, [0]])
    return np.asarray((np.abs(distance - step) < 0.1 * step).sum(axis=0) / 2)


def _peak(column: np.ndarray) -> float:
    found, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return float(found[counts.argmax()]) if found.size else np.nan
