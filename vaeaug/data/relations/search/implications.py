"""Find values, and missing cells, that come with a value or a missing cell of another column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from vaeaug.data.relations.columns import CATEGORY, FLAG, OTHER
from vaeaug.data.relations.formula import write_name
from vaeaug.data.relations.functions import Function
from vaeaug.data.relations.limits import Fill, When
from vaeaug.data.relations.search.sample import LEVEL, MOST_EXCEPTIONS, Sample

__all__ = ["Implied", "Signs", "collect_signs", "find_implications"]

_FEWEST_ROWS, _MOST_LEVELS, _FEW_LEVELS, _MOST_SIGNS = 8, 40, 10, 800
#: Rows that break a rule, as a share of those that chance would let break it.
_MOST_OF_CHANCE = 0.02
_FEWEST_BROKEN = 0.001  # share of all rows that would break the rule by chance


@dataclass(frozen=True)
class Implied:
    """A column has a value wherever another meets a condition.

    Parameters
    ----------
    target : int
    fill : Fill
    text : str
        Reads like a sentence.
    rank : float
        The lower, the more rows chance would break.
    """

    target: int
    fill: Fill
    text: str
    rank: float = 0.0

    @property
    def function(self) -> Function | None:
        """What gives the value, if it is not one number."""
        return self.fill.function

    @property
    def sources(self) -> tuple[int, ...]:
        """Columns that must be known before the target."""
        return self.fill.sources


@dataclass(frozen=True)
class Signs:
    """Values and missing cells of columns.

    Parameters
    ----------
    rows : ndarray of bool, shape (n, m)
        Which rows have which sign.
    owners : ndarray of int64, shape (m,)
        The column of each.
    values : list of float, length m
        NaN for a missing cell.
    """

    rows: np.ndarray
    owners: np.ndarray
    values: list[float]

    def write_condition(self, i: int) -> When:
        """Return the condition that rows with a sign meet."""
        j, value = int(self.owners[i]), self.values[i]
        return When(j, "is missing") if np.isnan(value) else When(j, "==", (value,))

    def say(self, sample: Sample, i: int) -> str:
        """Return the condition as text."""
        j, value = int(self.owners[i]), self.values[i]
        name = write_name(sample.names[j])
        return f"{name} is missing" if np.isnan(value) else f"{name} == {sample.say(j, value)}"


def find_implications(sample: Sample, taken: set[int]) -> Iterator[Implied]:
    """Yield implications that chance does not explain.

    Parameters
    ----------
    sample : Sample
    taken : set of int
        Columns that are computed: nothing has to be kept about them.
    """
    found = collect_signs(sample, _MOST_SIGNS)
    signs, owners, values = found.rows, found.owners, found.values
    if len(owners) < 2:
        return
    rows = signs.sum(axis=0)
    together = signs.T.astype(np.float32) @ signs.astype(np.float32)
    share = rows / sample.rows
    tries = len(owners) ** 2
    said: set[tuple[int, float, bytes]] = set()
    for i in range(len(owners)):
        if rows[i] < _FEWEST_ROWS:
            continue
        broken = rows[i] - together[i]
        expected = rows[i] * (1 - share)
        fits = (broken <= MOST_EXCEPTIONS * rows[i]) & (broken <= _MOST_OF_CHANCE * expected)
        fits &= expected >= _FEWEST_BROKEN * sample.rows
        fits &= (owners != owners[i]) & (share < 0.98)
        likely = np.flatnonzero(fits)
        rare = bdtrc(together[i, likely] - 1, rows[i], share[likely]) < LEVEL / tries
        for k in likely[rare]:
            if int(owners[k]) in taken or not sample.holds_in_classes(~signs[:, i] | signs[:, k]):
                continue
            # Two signs of the same rows say the same.
            once = (int(owners[k]), values[k], np.packbits(signs[:, i]).tobytes())
            if once in said:
                continue
            said.add(once)
            text = f"{found.say(sample, i)} implies {found.say(sample, int(k))}"
            fill = Fill(found.write_condition(i), values[k])
            yield Implied(int(owners[k]), fill, text, 50 - float(expected[k]) / sample.rows)


def collect_signs(sample: Sample, most: int) -> Signs:
    """Return the values and missing cells that several rows have, those of half of the rows first."""
    signs, owners, values = [], [], []
    for j, view in enumerate(sample.views):
        if view.kind == OTHER:
            continue
        column = sample.values[:, j]
        missing = np.isnan(column)
        if missing.any() and not missing.all():
            signs.append(missing)
            owners.append(j)
            values.append(np.nan)
        found, counts = np.unique(column[~missing], return_counts=True)
        if found.size < 2:
            continue
        often = np.argsort(-counts, kind="stable")[:_MOST_LEVELS]
        often = np.sort(often[counts[often] >= _FEWEST_ROWS])
        if view.kind not in (CATEGORY, FLAG) and found.size > _FEW_LEVELS:
            # Of many numbers only the ends, and zero, may stand for something.
            often = often[np.isin(found[often], (found[0], 0.0, found[-1]))]
        for value in found[often]:
            signs.append(column == value)
            owners.append(j)
            values.append(float(value))
    if not signs:
        return Signs(np.zeros((sample.rows, 0), dtype=bool), np.zeros(0, dtype=np.int64), [])
    order = np.argsort([-min(sign.mean(), 1 - sign.mean()) for sign in signs], kind="stable")[:most]
    order = np.sort(order)
    kept = np.stack([signs[i] for i in order], axis=1)
    return Signs(kept, np.array(owners)[order], [values[i] for i in order])
