"""Find columns that never exceed others: a start and its end, a minimum, a mean and a maximum."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import pdtr

from vaeaug.data.relations.formula import write_name
from vaeaug.data.relations.functions import Arithmetic
from vaeaug.data.relations.plans import Keep
from vaeaug.data.relations.search.sample import LEVEL, Candidate, Sample

__all__ = ["find_orders"]

_MOST_EXCEPTIONS = 0.002
#: Share of rows that would break the order if the columns had nothing to do with each other.
_FEWEST_BROKEN = 0.003
#: From this share on the distance is what the model sees.
_CLOSE = 0.02
#: ... if it spreads at most so widely, as a share of the column's own spread: else that is easier to draw.
_NARROW = 0.5
_DEALS = 3
_MOST_CELLS = 4_000_000
_FEWEST_AT_BOUND = 5


def find_orders(sample: Sample) -> Iterator[Candidate]:
    """Yield orders between columns of one kind that chance does not explain.

    Orders that follow from two others are left out: with a <= b and b <= c nothing is said about a and c.
    """
    for kind in sorted({sample.views[j].kind for j in sample.numeric} - {"flag"}):
        members = sample.of_kind(kind)
        if members.size < 2:
            continue
        values = sample.values[:, members]
        below = _find_below(sample, values)
        shifted = _find_shifted(sample, members) if kind == "number" else {}
        for (a, b), constant in shifted.items():
            yield from _write(sample, a, b, constant)
        for i, k in zip(*np.nonzero(_reduce(below)), strict=True):
            a, b = int(members[i]), int(members[k])
            if (a, b) not in shifted:
                yield from _write(sample, a, b, 0.0)


def _find_below(sample: Sample, values: np.ndarray) -> np.ndarray:
    """Return which columns (rows of the result) stay below which others, bool of shape (d, d)."""
    d = values.shape[1]
    rows = values[: max(200, _MOST_CELLS // d**2)]
    dealt = [rows[sample.rng.permutation(len(rows))] for _ in range(_DEALS)]
    below = np.zeros((d, d), dtype=bool)
    limit = LEVEL / d**2
    for i in range(d):
        own = rows[:, [i]]
        known = (~np.isnan(own) & ~np.isnan(rows)).sum(axis=0)
        with np.errstate(invalid="ignore"):
            broken = (own > rows).sum(axis=0)
            expected = np.mean([(own > other).sum(axis=0) for other in dealt], axis=0)
            same = (own == rows).sum(axis=0)
        fits = (
            (broken <= _MOST_EXCEPTIONS * known)
            & (broken <= 0.02 * expected)
            & (expected >= _FEWEST_BROKEN * known)
            & (same < 0.99 * known)
        )
        fits[i] = False
        others = np.flatnonzero(fits)
        below[i, others] = pdtr(broken[others], np.maximum(expected[others], 1e-9)) < limit
    both = below & below.T
    return below & ~both


def _reduce(below: np.ndarray) -> np.ndarray:
    """Leave out the orders that follow from two others."""
    steps = below.astype(np.float32)
    return below & ~(steps @ steps > 0)


def _find_shifted(sample: Sample, members: np.ndarray) -> dict[tuple[int, int], float]:
    """Return orders of whole numbers with a constant between: an age and the years in a job since 18.

    The constant must be met by several rows: any two columns keep some distance.
    """
    whole = np.array([j for j in members if sample.decimals(int(j)) == 0], dtype=np.int64)
    if not 2 <= whole.size <= 60:
        return {}
    found: dict[tuple[int, int], float] = {}
    values = sample.values[:, whole]
    dealt = values[sample.rng.permutation(len(values))]
    limit = LEVEL / whole.size**2
    for i in range(whole.size):
        gap = values - values[:, [i]]
        known = (~np.isnan(gap)).sum(axis=0)
        with np.errstate(invalid="ignore"):
            least = np.nanmin(np.where(np.isnan(gap), np.inf, gap), axis=0)
            at_bound = (gap == least).sum(axis=0)
            expected = (dealt - values[:, [i]] < least).sum(axis=0)
        fits = (pdtr(0, np.maximum(expected, 1e-9)) < limit) & (expected >= 0.02 * known)
        fits &= (least > 0) & (at_bound >= np.maximum(_FEWEST_AT_BOUND, 0.004 * known))
        fits &= np.isfinite(least)
        found |= {(int(whole[i]), int(whole[k])): float(least[k]) for k in np.flatnonzero(fits)}
    return found


def _write(sample: Sample, lower: int, upper: int, constant: float) -> Iterator[Candidate]:
    """Yield the order as a bound of the column for which the distance is the easier thing to model.

    The other column follows, in case that the first one must not depend on it.
    """
    low, high = write_name(sample.names[lower]), write_name(sample.names[upper])
    plus = f" + {constant:.15g}" if constant else ""
    shown = f"{low}{plus} <= {high}"
    gap = np.round(sample.values[:, upper] - sample.values[:, lower], 9)
    spikes = _peaks(gap)
    spare_upper = spikes - _peaks(sample.values[:, upper])
    spare_lower = spikes - _peaks(sample.values[:, lower])
    target, is_lower = (upper, True) if spare_upper >= spare_lower - 0.05 else (lower, False)
    bounds = {
        is_low: Arithmetic(text, sample.positions)
        for is_low, text in ((True, f"{low}{plus}"), (False, f"{high}{plus.replace('+', '-')}"))
    }
    dealt = sample.values[sample.rng.permutation(sample.rows), upper]
    with np.errstate(invalid="ignore"):
        by_chance = float((sample.values[:, lower] + constant > dealt).mean())
    spare = spare_upper if is_lower else spare_lower
    is_narrow = _measure_spread(gap) <= _NARROW * _measure_spread(sample.values[:, target])
    is_close = by_chance >= _CLOSE and spare >= -0.1 and is_narrow
    keep = Keep.DIFFERENCE if is_close else None
    other, rank = (lower if is_lower else upper), 40 - by_chance
    yield Candidate("order", target, bounds[is_lower], shown, keep, rank, is_lower)
    yield Candidate("order", other, bounds[not is_lower], shown, None, rank + 5, not is_lower)


def _measure_spread(values: np.ndarray) -> float:
    """Return the width of the middle nine tenths."""
    low, high = np.nanquantile(values, [0.05, 0.95])
    return float(high - low)


def _peaks(values: np.ndarray) -> float:
    """Return the share of rows whose value many others have too."""
    known = values[~np.isnan(values)]
    counts = np.unique(known, return_counts=True)[1]
    return float(counts[counts > len(known) / 64].sum() / max(1, len(known)))
