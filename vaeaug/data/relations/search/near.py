"""Find numbers that nearly follow from others: a circle's area from its radius, an instalment from a loan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement

import numpy as np

from vaeaug.data.relations.formula import write_name
from vaeaug.data.relations.functions import Arithmetic
from vaeaug.data.relations.plans import Keep
from vaeaug.data.relations.search.sample import Candidate, Sample, choose_complete

__all__ = ["NEAR", "find_near_equations"]

#: Ranks of near equations lie below this.
NEAR = 11.0

_MOST_COLUMNS, _MOST_SOURCES, _DEGREE = 120, 3, 3
_FEWEST_LEVELS, _HIGHEST_PEAK, _HIGHEST_AT_AN_END, _MOST_MISSING = 60, 0.05, 0.2, 0.3
_ROUGH = (
    0.25  # spread around the straight line, as a share of the column's own, at which polynomials are tried
)
#: Largest spread of what is left, as a share of the column's own spread.
_LEFT = 0.15
#: ... and of a column that takes what is open after others were chosen: the remainders of a chain add up.
_LEFT_IN_CHAINS = 0.07
_GAIN = 0.7  # a further source, or a higher degree, must bring the spread down to this share
_FEWEST_ROWS_A_TERM = 15
_FEWEST_LOOKED_AT, _MOST_CELLS = 1_500, 200_000
_SAID = 1e-3  # of a column of spread 1, what is left of one that others give
#: Correlation of logarithms from which ratios may have a bound, the powers that are tried, and how near they
#: must be; how far beyond its 95 % quantile a ratio that piles up at a bound goes, from the median.
_STRAIGHT, _POWERS, _NEAR_POWER, _SHARP = 0.97, (0.5, 1.0, 2.0, 3.0), 0.06, 0.5

#: Of a target and its sources.
CanTake = Callable[[int, tuple[int, ...]], bool]


def find_near_equations(sample: Sample, can_take: CanTake | None = None) -> Iterator[Candidate]:
    """Yield columns that a polynomial of up to three others gives but for a small remainder.

    Positive columns are taken by their logarithms: products, quotients and powers are straight lines then.

    Parameters
    ----------
    sample : Sample
    can_take : callable, optional
        Whether a column may be made to follow from others, asked anew for each column; without it all may.
    """
    # What lies beyond the range is moved to its ends, so a peak there comes back; one between is lost.
    most = np.where(
        [_peaks_at_an_end(column) for column in sample.values.T], _HIGHEST_AT_AN_END, _HIGHEST_PEAK
    )
    spikes = np.array([_measure_spike(column) for column in sample.values.T])
    smooth = (sample.levels >= _FEWEST_LEVELS) & (spikes <= most)
    numbers = sample.of_kind("number")
    numbers = numbers[np.isnan(sample.values[:, numbers]).mean(axis=0) <= _MOST_MISSING]
    targets = [j for j in numbers if smooth[j]][:_MOST_COLUMNS]
    sources = numbers[sample.levels[numbers] >= 2][:_MOST_COLUMNS]
    if len(sources) < 2 or not targets:
        return
    members = choose_complete(sample.values, np.union1d(sources, targets), 0, 10 * _FEWEST_ROWS_A_TERM)
    targets, sources = [j for j in targets if j in members], sources[np.isin(sources, members)]
    if len(sources) < 2 or not targets:
        return
    complete = ~np.isnan(sample.values[:, members]).any(axis=1)
    values = sample.values[complete][: max(_FEWEST_LOOKED_AT, _MOST_CELLS // len(sources))]
    for is_log in (True, False):
        usable = [int(j) for j in sources if not is_log or values[:, j].min() > 0]
        if len(usable) < 2:
            continue
        x = np.log(values[:, usable]) if is_log else values[:, usable]
        centre, scale = x.mean(axis=0), x.std(axis=0)
        z = (x - centre) / np.where(scale > 0, scale, 1.0)
        for k, target in enumerate(usable):
            if target not in targets or (can_take is not None and not can_take(target, ())):
                continue
            barred = None
            if can_take is not None:
                barred = [i for i, j in enumerate(usable) if not can_take(target, (j,))]
            yield from _fit(sample, z, (k, barred), usable, (centre, scale), is_log)
        if is_log and can_take is None:
            yield from _bound(sample, x, z, usable, set(targets))


def _fit(
    sample: Sample,
    z: np.ndarray,
    asked: tuple[int, list[int] | None],
    usable: list[int],
    standard: tuple[np.ndarray, np.ndarray],
    is_log: bool,
) -> Iterator[Candidate]:
    """Yield the polynomial for one column, with as few sources as do; some columns may not be sources."""
    k, barred = asked
    half = len(z) // 2
    own = _measure_spread(z[half:, k] - np.median(z[:, k]))
    chosen: list[int] = []
    best, found = 1.0, None
    left = z.copy()
    for _ in range(min(_MOST_SOURCES, z.shape[1] - 1)):
        # What a source adds is what earlier ones do not say of it already.
        size = np.sqrt(np.square(left).mean(axis=0))
        match = np.abs(left[:, k] @ left) / np.where(size > _SAID, size, np.inf)
        match[[k, *(barred or ()), *chosen]] = -1
        if match.max() <= 0:
            # The other columns add nothing, or are constant where no cell is missing.
            break
        chosen.append(int(match.argmax()))
        direction = left[:, chosen[-1]] / np.linalg.norm(left[:, chosen[-1]])
        left = left - np.outer(direction, direction @ left)
        basis = np.column_stack([np.ones(len(z)), z[:, chosen]])
        rest = z[:, k] - basis @ np.linalg.lstsq(basis[:half], z[:half, k], rcond=None)[0]
        if _measure_spread(rest[half:]) > _ROUGH * own:
            continue
        for degree in range(1, _DEGREE + 1):
            terms = _terms(len(chosen), degree)
            if len(terms) * _FEWEST_ROWS_A_TERM > half:
                break
            design = np.column_stack([z[:, [chosen[i] for i in term]].prod(axis=1) for term in terms])
            weights = np.linalg.lstsq(design[:half], z[:half, k], rcond=None)[0]
            size = _measure_spread((z[:, k] - design @ weights)[half:]) / max(own, 1e-12)
            if size < _GAIN * best:
                best, found = size, (list(chosen), terms, weights)
    if found is None or best > (_LEFT if barred is None else _LEFT_IN_CHAINS):
        return
    text = _write(sample, found, usable, standard, k, is_log)
    function = Arithmetic(text, sample.positions)
    target = usable[k]
    shown = f"{write_name(sample.names[target])} is nearly a function of " + ", ".join(
        write_name(sample.names[usable[i]]) for i in found[0]
    )
    keep = Keep.RATIO if is_log else Keep.DIFFERENCE
    yield Candidate("near equation", target, function, shown, keep, 10 + round(best, 2) - 1e-6 * target)


def _bound(
    sample: Sample, x: np.ndarray, z: np.ndarray, usable: list[int], targets: set[int]
) -> Iterator[Candidate]:
    """Yield bounds at which ratios pile up: no area is larger than that of the circle of its perimeter."""
    together = np.abs(z.T @ z) / len(z)
    for i, k in zip(*np.nonzero(together > _STRAIGHT), strict=True):
        if usable[k] not in targets or usable[i] >= usable[k]:
            continue
        slope = float(x[:, k].std() / x[:, i].std())
        power = min(_POWERS, key=lambda power: abs(power - slope))
        if abs(power - slope) > _NEAR_POWER * power:
            continue
        ratio = x[:, k] - power * x[:, i]
        middle, edges = float(np.median(ratio)), np.quantile(ratio, [0.05, 0.95])
        for is_lower, end, edge in ((False, ratio.max(), edges[1]), (True, ratio.min(), edges[0])):
            if abs(end - edge) > _SHARP * abs(edge - middle) or (power == 1 and abs(end) < 1e-4):
                # Of the columns themselves, an order says it exactly.
                continue
            # Rounded outwards, so that the rows themselves are within.
            factor = float(f"{np.exp(end) * (1 - 1e-5 if is_lower else 1 + 1e-5):.5g}")
            source, target = (write_name(sample.names[usable[j]]) for j in (i, k))
            text = f"{factor!r} * {source}" + ("" if power == 1 else f" ** {power:g}")
            shown = f"{target} {'>=' if is_lower else '<='} {text}"
            # Solved for either column: the one that other bounds leave free is moved.
            solved = f"({target} / {factor!r})" + ("" if power == 1 else f" ** {1 / power!r}")
            for j, formula, moves_up in ((i, solved, not is_lower), (k, text, is_lower)):
                bound = Arithmetic(formula, sample.positions)
                yield Candidate("order", usable[j], bound, shown, None, 45.0, moves_up)


def _peaks_at_an_end(column: np.ndarray) -> bool:
    """Whether the commonest value is the smallest or the largest."""
    found, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return found.size > 0 and counts.argmax() in (0, found.size - 1)


def _measure_spike(column: np.ndarray) -> float:
    """Return by how much the share of a value exceeds that of its neighbours, at most."""
    counts = np.unique(column[~np.isnan(column)], return_counts=True)[1]
    beside = np.pad(counts, 1)
    excess = counts - (beside[:-2] + beside[2:]) / 2
    return float(excess.max() / counts.sum()) if counts.size else 0.0


def _terms(sources: int, degree: int) -> list[tuple[int, ...]]:
    """Return the products of up to so many sources; the first, of none, is the constant."""
    return [
        term for size in range(degree + 1) for term in combinations_with_replacement(range(sources), size)
    ]


def _measure_spread(rest: np.ndarray) -> float:
    """Return how far most values are from zero: nine in ten, on the scale of a normal distribution."""
    # np.quantile says the same, four times as slowly.
    place = 0.9 * (len(rest) - 1)
    low, high = int(place), min(int(place) + 1, len(rest) - 1)
    near = np.partition(np.abs(rest), (low, high))
    return float((near[low] + (place - low) * (near[high] - near[low])) / 1.645)


def _write(
    sample: Sample,
    found: tuple[list[int], list[tuple[int, ...]], np.ndarray],
    usable: list[int],
    standard: tuple[np.ndarray, np.ndarray],
    k: int,
    is_log: bool,
) -> str:
    """Return the polynomial as a formula on the columns themselves."""
    chosen, terms, weights = found
    centre, scale = standard

    def write_source(i: int) -> str:
        name = write_name(sample.names[usable[chosen[i]]])
        value = f"log({name})" if is_log else name
        return f"(({value} - {_number(centre[chosen[i]])}) / {_number(scale[chosen[i]])})"

    parts = [
        " * ".join([_number(weight), *(write_source(i) for i in term)])
        for term, weight in zip(terms, weights, strict=True)
    ]
    text = f"{_number(centre[k])} + {_number(scale[k])} * ({' + '.join(parts)})"
    return f"exp({text})" if is_log else text


def _number(value: float) -> str:
    """Return a number as a formula writes it: rounded, so that all machines agree on it."""
    short = repr(float(f"{value:.9g}"))
    return f"({short})" if value < 0 else short
