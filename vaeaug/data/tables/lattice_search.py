"""Find the lattice on which numbers lie, all of them or most: whole numbers, cents, quarters, steps of 5."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vaeaug.data.tables.lattice import NOISE, Axis, is_rounded, spacing

__all__ = ["find_axes"]

_MOST_DECIMALS = 9
_EXACT = 2.0**53  # beyond it float64 no longer holds every integer
#: A lattice counts only where values would hardly lie on it by chance, as the float format has few others.
_MOST_BY_CHANCE = 0.5
#: Share of values that a lattice must hold, and by how much this must exceed the share by chance.
_LEAST_SHARE, _LEAST_EXCESS = 0.55, 0.3
#: Nats of evidence, over all distinct values, for a lattice that holds only some of them.
_EVIDENCE = 25.0
#: A step other than a decimal number: the fewest values that show one; distances that are no noise, in last
#: digits; values that tell it, and how far they may be off, in steps; and how near a whole number is one.
_FEWEST_VALUES, _LEAST_DISTANCE, _SIZES, _MOST_ERROR, _SAME = 32, 256, 512, 0.1, 1e-9
#: Values from which common steps are guessed, and how many guesses are made from how many values each.
_SAMPLE, _GUESSES, _VALUES_PER_GUESS = 4_096, 400, 4


def find_axes(
    distinct: np.ndarray, counts: np.ndarray, is_point: np.ndarray, precision: np.dtype
) -> list[Axis]:
    """Return the axis of a column, or two: that of a lattice that holds most values, and that of the others.

    Parameters
    ----------
    distinct : ndarray of int64, uint64 or float64, shape (m,)
        Sorted distinct training values, at least one.
    counts : ndarray of int64, shape (m,)
        Rows of each.
    is_point : ndarray of bool, shape (m,)
        Values that have a token of their own, on a lattice or not.
    precision : dtype
        Float dtype in which the user stores the column; decimals are judged in it.

    Returns
    -------
    list of Axis
        One, or first that of the lattice and then that of the other values.
    """
    rest, rows = distinct[~is_point], counts[~is_point]
    if distinct.dtype.kind != "f":
        return _with_coarse(_whole_axis(distinct), rest, rows)
    axis = _exact_axis(distinct, precision) or _step_axis(distinct, precision)
    if axis is not None:
        return _with_coarse(axis, rest, rows)
    smooth = Axis.smooth(distinct)
    found = _partial_axis(distinct, rest, rows, precision) if rest.size else None
    return [smooth] if found is None else [found, smooth]


def _whole_axis(distinct: np.ndarray) -> Axis:
    low, high = distinct[0].item(), distinct[-1].item()
    return Axis(distinct.dtype.name, low, high, step=_common_step(distinct), base=low)


def _exact_axis(distinct: np.ndarray, precision: np.dtype) -> Axis | None:
    """Return the coarsest lattice of decimals that holds all values."""
    sample = distinct[:: max(1, distinct.size // 64)]
    for kind in _precisions(distinct, precision):
        for decimals in range(_MOST_DECIMALS + 1):
            power = 10.0**decimals
            if float(np.abs(distinct[[0, -1]]).max()) * power >= _EXACT:
                break
            if is_rounded(sample, power, kind).all() and is_rounded(distinct, power, kind).all():
                by_chance = float(_chance(distinct, power, kind).mean())
                return (
                    None if by_chance > _MOST_BY_CHANCE else _float_axis(distinct, distinct, decimals, kind)
                )
    return None


def _step_axis(distinct: np.ndarray, precision: np.dtype) -> Axis | None:
    """Return the lattice of the multiples of a step that is no decimal number, if it holds all values."""
    for kind in _precisions(distinct, precision):
        per_one = _find_step(distinct, kind)
        if not per_one or float(np.abs(distinct[[0, -1]]).max()) * per_one >= _EXACT:
            continue
        by_chance = float(_chance(distinct, per_one, kind).mean())
        if by_chance <= _MOST_BY_CHANCE and is_rounded(distinct, per_one, kind).all():
            return _float_axis(distinct, distinct, 0, kind, per_one)
    return None


def _find_step(distinct: np.ndarray, precision: np.dtype) -> float:
    """Return how many steps 1 has, if the smallest distance between sorted values is a step; else 0.

    Larger and larger values tell the step more and more exactly.
    """
    apart, noise = np.diff(distinct), spacing(distinct[1:], precision)
    apart = np.where(apart > _LEAST_DISTANCE * noise, apart, np.inf)
    least = float(apart.min(initial=np.inf))
    if distinct.size < _FEWEST_VALUES or not np.isfinite(least):
        return 0.0
    # Of distances of one step, that between the smallest numbers is the most exact.
    per_one = 1.0 / float(apart[np.where(apart < 1.5 * least, noise, np.inf).argmin()])
    sizes = np.sort(np.abs(distinct))
    for size in sizes[np.linspace(0, sizes.size - 1, _SIZES).astype(np.int64)].tolist():
        steps = round(size * per_one) if size * per_one < _EXACT else 0
        if abs(size * per_one - steps) > _MOST_ERROR:
            return 0.0
        per_one = steps / size if steps else per_one
    counts = np.rint(distinct * per_one)
    per_one = float((counts @ counts) / (counts @ distinct))
    whole = float(round(per_one))
    return whole if whole and abs(per_one / whole - 1.0) < _SAME else per_one


def _partial_axis(
    distinct: np.ndarray, rest: np.ndarray, rows: np.ndarray, precision: np.dtype
) -> Axis | None:
    """Return the lattice of decimals that holds most rows, and the more of a surprise the better."""
    best, axis = _EVIDENCE / rest.size, None
    for kind in _precisions(rest, precision):
        for decimals in range(_MOST_DECIMALS + 1):
            power = 10.0**decimals
            on = np.abs(rest) < _EXACT / power
            on[on] = is_rounded(rest[on], power, kind)
            surprise = _surprise(rest, rows, on, _chance(rest, power, kind))
            if surprise > best:
                best, axis = surprise, _float_axis(distinct, rest[on], decimals, kind)
    return axis


def _float_axis(
    distinct: np.ndarray, on: np.ndarray, decimals: int, precision: np.dtype, per_one: float = 0.0
) -> Axis:
    """Return the axis of a column whose values ``on`` lie on a lattice of decimals, or of other units."""
    power = per_one or 10.0**decimals
    units = np.unique(np.rint(on * power).astype(np.int64))
    low, high = distinct[0].item(), distinct[-1].item()
    step = _common_step(units)
    base = _align(int(units[0]), int(np.floor(low * power)), step)
    return Axis("float64", low, high, step, decimals, base, precision=precision.name, per_one=per_one)


def _with_coarse(axis: Axis, rest: np.ndarray, rows: np.ndarray) -> list[Axis]:
    """Return a lattice, after a coarser one that holds most of the rows if there is such a one."""
    rng = np.random.default_rng(0)
    if rest.size > _SAMPLE:
        # Every k-th of sorted values would lie on a lattice of its own.
        chosen = np.sort(rng.choice(rest.size, _SAMPLE, replace=False))
        rest, rows = rest[chosen], rows[chosen]
    steps = np.rint(axis.to_axis(rest))
    if steps.size and steps[-1] >= _EXACT:
        return [axis]
    steps = steps.astype(np.int64)
    best, found = _EVIDENCE / max(1, steps.size), None
    for step in _guess_steps(steps, rng):
        residues, index = np.unique(steps % step, return_inverse=True)
        held = np.bincount(index, weights=rows)
        on = index.ravel() == held.argmax()
        surprise = _surprise(rest, rows, on, np.full(rest.size, 1.0 / step))
        if surprise > best:
            best, found = surprise, (step, int(residues[held.argmax()]))
    if found is None:
        return [axis]
    step, residue = found
    # Point 0 of the fine lattice is the smallest value; the first of the coarse one may lie below it.
    first = axis.base + axis.step * (residue - step if residue else 0)
    return [replace(axis, step=axis.step * step, base=first), axis]


def _guess_steps(steps: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Return common divisors of a few differences at a time; many guesses miss the values off the lattice."""
    if steps.size < 2 * _VALUES_PER_GUESS:
        return []
    chosen = steps[rng.integers(0, steps.size, (_GUESSES, _VALUES_PER_GUESS + 1))]
    found = np.gcd.reduce(np.abs(chosen[:, 1:] - chosen[:, :1]), axis=1)
    return [int(step) for step in np.unique(found[found > 1])]


def _surprise(values: np.ndarray, rows: np.ndarray, on: np.ndarray, chance: np.ndarray) -> float:
    """Return how far the share of rows on a lattice exceeds that by chance, in nats; 0 if too little.

    Each quarter of the rows, from the smallest to the largest values, must do so (the smallest divergence of
    Kullback and Leibler counts): numbers of so many significant digits are rounder the larger they are, and
    that is another matter.
    """
    order = np.argsort(np.abs(values.astype(np.float64)), kind="stable")
    middle = np.cumsum(rows[order]) - 0.5 * rows[order]
    found = []
    for part in np.split(order, np.searchsorted(middle, np.array([0.25, 0.5, 0.75]) * rows.sum())):
        if not part.size:
            return 0.0
        share = float(rows[part[on[part]]].sum() / rows[part].sum())
        by_chance = max(float(np.average(chance[part], weights=rows[part])), 1e-30)
        if share < _LEAST_SHARE or share - by_chance < _LEAST_EXCESS or by_chance > _MOST_BY_CHANCE:
            return 0.0
        other = 0.0 if share == 1.0 else (1.0 - share) * np.log((1.0 - share) / (1.0 - by_chance))
        found.append(float(share * np.log(share / by_chance) + other))
    return min(found)


def _chance(values: np.ndarray, power: float, precision: np.dtype) -> np.ndarray:
    """Return for each value how probable it is that a float near it lies on a lattice of decimals."""
    room = 1.0 + 2.0 * NOISE if precision == np.dtype(np.float64) else 1.0
    return np.minimum(spacing(values, precision) * power * room, 1.0)


def _precisions(values: np.ndarray, precision: np.dtype) -> list[np.dtype]:
    """Return float dtypes in which values may have been rounded, the most probable first."""
    single = np.dtype(np.float32)
    if precision != np.dtype(np.float64):
        return [precision]
    with np.errstate(over="ignore"):
        # Numbers that were float32 once, and are stored as float64, keep its grain.
        was_single = np.array_equal(values.astype(single).astype(np.float64), values)
    return [precision, single] if was_single else [precision]


def _common_step(integers: np.ndarray) -> int:
    """Greatest common divisor of the distances from the first of the sorted integers, at least 1."""
    if integers.size < 2:
        return 1
    distances = integers[1:].astype(np.uint64) - np.uint64(int(integers[0]) % 2**64)
    return max(1, int(np.gcd.reduce(distances)))


def _align(point: int, low: int, step: int) -> int:
    """Return the last point of a lattice that is not above ``low``."""
    return point - -(-(point - low) // step) * step if point > low else point
