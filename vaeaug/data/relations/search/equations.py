"""Find columns that are sums, differences, products, quotients or multiples of others, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from vaeaug.data.relations.formula import UNITS, write_name
from vaeaug.data.relations.functions import Arithmetic
from vaeaug.data.relations.plans import Keep
from vaeaug.data.relations.rounding import is_same
from vaeaug.data.relations.search.sample import MOST_EXCEPTIONS, Candidate, Sample, choose_complete

__all__ = ["agree", "confirm", "find_equations", "shorten", "write_sum"]

_PROBES, _FEWEST_PROBES = 64, 12
_MOST_FOR_PAIRS = 40
_MOST_IN_SUM, _TOTAL = 4, 500
_STRAIGHT = 0.98  # correlation; rounding bends a line a little
_AGREE = 0.9  # of the probes that have all values
_NOISE = 1e-3  # units of the last place
_DEPENDENT = 0.02
_WHOLE = 0.02
_MOST_MISSING = (0.2, 0.5)  # share of missing cells of columns in sums: first those that lack few
_UNEVEN = 0.25  # spread of slopes, as a share of the slope, beyond which a line is none; rounding makes some


def find_equations(sample: Sample) -> Iterator[Candidate]:
    """Yield equations that nearly all rows keep, those of the fewest columns first."""
    numeric, varied = sample.numeric, sample.numeric[(sample.levels > 2)[sample.numeric]]
    tries = max(1, numeric.size) ** 3 * 8
    seen, same = set(), set[int]()
    for generate, members in (
        (_propose_multiples, varied),
        (_propose_pairs, varied),
        (_propose_sums, numeric),
    ):
        # Of columns that say the same, the first one stands for all in longer formulas.
        rest = np.setdiff1d(members, list(same))
        for target, text, count in generate(sample, rest):
            if (target, text) in seen:
                continue
            seen.add((target, text))
            for candidate in confirm(sample, target, text, count, tries):
                yield candidate
                source = candidate.sources[0]
                if count == 1 and source < target and sample.levels[source] == sample.levels[target]:
                    same.add(target)


def confirm(sample: Sample, target: int, text: str, count: int, tries: int) -> Iterator[Candidate]:
    """Yield an equation, as it is or rounded, if nearly all rows keep it and chance does not explain it.

    Parameters
    ----------
    sample : Sample
    target : int
    text : str
        The formula.
    count : int
        Columns that it reads.
    tries : int
        Formulas that were looked at.
    """
    for rounded in _roundings(text, sample.decimals(target)):
        function = Arithmetic(rounded, sample.positions)
        hits, known = sample.holds(function, target), sample.knows(function, target)
        if not sample.has_enough(function, target) or hits[known].mean() < 1 - MOST_EXCEPTIONS:
            continue
        if sample.is_beyond_chance(function, target, tries) and sample.holds_in_classes(hits, known):
            shown = f"{write_name(sample.names[target])} == {function.formula}"
            # What is derived from others mostly stands after them, and has few values of its own.
            own = np.floor(4 * sample.measure_gaps(function, target)) / 4
            rank = 0.1 * count + own - 1e-6 * target
            yield Candidate("equation", target, function, shown, Keep.COMPUTED, rank)
            break


def _roundings(text: str, decimals: int | None) -> list[str]:
    """Return a formula as it is (its results are rounded anyway), rounded down, and rounded up."""
    if decimals is None:
        return [text]
    digits = f", {decimals}" if decimals else ""
    return [text, f"floor({text}{digits})", f"ceil({text}{digits})"]


def _probe(sample: Sample, numeric: np.ndarray) -> np.ndarray:
    """Return a few rows, those with the fewest missing cells, float64 of shape (p, d).

    Columns that most of these lack bring as many rows of their own.
    """
    values = sample.values[:, numeric]
    missing = np.isnan(values)
    rows = np.argsort(missing.sum(axis=1), kind="stable")[:_PROBES]
    is_poor = (~missing[rows]).sum(axis=0) < _FEWEST_PROBES
    if is_poor.any():
        rows = np.append(rows, np.argsort(missing[:, is_poor].sum(axis=1), kind="stable")[:_PROBES])
    return values[rows]


def _propose_multiples(sample: Sample, numeric: np.ndarray) -> Iterator[tuple[int, str, int]]:
    """Yield columns that are a multiple of another, plus a number: the slope between rows is constant."""
    values = _probe(sample, numeric)
    for i, k in zip(*np.nonzero(_are_straight(values, values)), strict=True):
        source, target = int(numeric[i]), int(numeric[k])
        if i == k or not _can_mix(sample, [source], target):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = np.diff(values[:, k]) / np.diff(values[:, i])
        known = slopes[np.isfinite(slopes)]
        middle = float(np.median(known)) if known.size else 0.0
        # Where the slope changes from row to row, no digits of it are worth a look.
        if not middle or np.median(np.abs(known - middle)) > _UNEVEN * abs(middle):
            continue
        slope = shorten(middle, known)
        rest = values[:, k] - slope * values[:, i]
        constant = shorten(float(np.nanmedian(rest)), rest, zero=float(np.nanmax(np.abs(values[:, k]))))
        if agree(values[:, k], slope * values[:, i] + constant, sample.decimals(target)):
            yield target, write_sum([(slope, write_name(sample.names[source]))], constant), 1


def _propose_pairs(sample: Sample, numeric: np.ndarray) -> Iterator[tuple[int, str, int]]:
    """Yield sums, differences, products and quotients of two columns that agree with a third."""
    if numeric.size > _MOST_FOR_PAIRS:
        numeric = numeric[np.argsort(-sample.levels[numeric], kind="stable")[:_MOST_FOR_PAIRS]]
    if numeric.size < 3:
        return
    values = _probe(sample, numeric)
    first, second = np.array(list(combinations(range(numeric.size), 2))).T
    for operation, result in _combine(values[:, first], values[:, second]):
        size = np.abs(result)
        middles = _median(size)
        for pair, k in zip(*np.nonzero(_are_straight(result, values)), strict=True):
            a, b, target = int(numeric[first[pair]]), int(numeric[second[pair]]), int(numeric[k])
            is_product = "*" in operation or "/" in operation
            if target in (a, b) or not _can_mix(sample, [a, b], target, is_product or "+" in operation):
                continue
            goal, made, decimals = values[:, k], result[:, pair], sample.decimals(target)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(size[:, pair] >= middles[pair], goal / made, np.nan)
            ratio = ratio[np.isfinite(ratio)]
            if not ratio.size:
                continue
            unit, scale = _unit_of(sample, a, target, float(np.median(ratio)))
            made, ratio = made / scale, ratio * scale
            factor = float(np.median(ratio))
            if factor < 0 and "-" in operation and not is_product:
                continue
            slack = 0.0 if decimals is None else 1.01 * 10.0**-decimals
            known = np.isfinite(goal) & np.isfinite(made)
            for tried in dict.fromkeys((1.0, factor)):
                near = np.abs(goal - tried * made) <= slack + 1e-4 * np.abs(goal)
                if tried and (near & known).sum() >= max(_AGREE * known.sum(), _FEWEST_PROBES):
                    short = 1.0 if tried == 1 else shorten(factor, ratio)
                    if not agree(goal, short * made, decimals):
                        continue
                    text = operation.format(write_name(sample.names[a]), write_name(sample.names[b]))
                    text = f"{unit}({text})" if unit else text
                    yield target, text if short == 1 else f"{short!r} * ({text})", 2
                    break


def agree(goal: np.ndarray, made: np.ndarray, decimals: int | None) -> bool:
    """Whether most numbers are the others, rounded to decimals, rounded down or rounded up."""
    known = np.isfinite(goal) & np.isfinite(made)
    if not known.any():
        return False
    if decimals is None:
        return bool(is_same(goal, made, None)[known].mean() >= _AGREE)
    off = (goal - made)[known] * 10.0**decimals
    ranges = ((-0.5, 0.5), (-1.0, 0.0), (0.0, 1.0))
    return any(((off >= low - _NOISE) & (off <= high + _NOISE)).mean() >= _AGREE for low, high in ranges)


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median of each column; NaN of an empty one."""
    found, known = np.full(values.shape[1], np.nan), ~np.isnan(values).all(axis=0)
    found[known] = np.nanmedian(values[:, known], axis=0)
    return found


def _unit_of(sample: Sample, source: int, target: int, ratio: float) -> tuple[str, float]:
    """Return the unit in which a number counts a time between two columns, and its microseconds."""
    if sample.views[target].kind != "number" or sample.views[source].kind in ("number", "flag"):
        return "", 1.0
    return next(
        ((unit, size) for unit, size in UNITS.items() if abs(abs(ratio) * size - 1) < 0.01), ("", 1.0)
    )


def _are_straight(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return which columns of two tables rise together in a straight line, bool of shape (d, e).

    Half of the rows are enough: the other half may hold a row that breaks the rule.
    """
    half = len(left) // 2
    found = np.zeros((left.shape[1], right.shape[1]), dtype=bool)
    for part in (slice(0, half), slice(half, None)):
        found |= np.abs(_correlate(left[part], right[part])) > _STRAIGHT
    return found


def _correlate(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return correlations of columns in rows that have both cells, shape (d, e); 0 where few have."""
    a, b = _standardise(left), _standardise(right)
    knows_a, knows_b = (~np.isnan(side) * 1.0 for side in (left, right))
    rows = knows_a.T @ knows_b
    if rows.min(initial=len(left)) == len(left):
        return np.asarray(a.T @ b)
    sums_a, sums_b = a.T @ knows_b, knows_a.T @ b
    with np.errstate(divide="ignore", invalid="ignore"):
        spread_a, spread_b = (
            np.square(a).T @ knows_b - sums_a**2 / rows,
            knows_a.T @ np.square(b) - sums_b**2 / rows,
        )
        found = (a.T @ b - sums_a * sums_b / rows) / np.sqrt(spread_a * spread_b)
    return np.where((rows >= _FEWEST_PROBES / 2) & np.isfinite(found), found, 0.0)


def _standardise(values: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and length 1; of missing cells, and of constant columns, zeros."""
    known = ~np.isnan(values)
    rows = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - np.where(known, values, 0.0).sum(axis=0) / rows, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.sqrt(np.square(centred).sum(axis=0))
    return np.where(np.isfinite(length) & (length > 0), centred / np.where(length > 0, length, 1.0), 0.0)


def _combine(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what can be calculated from two columns: a formula, and its results (NaN for none)."""
    with np.errstate(all="ignore"):
        for text, result in (
            ("{0} - {1}", left - right),
            ("{1} - {0}", right - left),
            ("{0} + {1}", left + right),
            ("{0} * {1}", left * right),
            ("{0} / {1}", left / right),
            ("{1} / {0}", right / left),
            *_take_shares(left, right, "{0}", "{1}"),
            *_take_shares(right, left, "{1}", "{0}"),
        ):
            yield text, np.where(np.isfinite(result), result, np.nan)


def _take_shares(
    amount: np.ndarray, share: np.ndarray, whole: str, part: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield amounts less a share of them and with it, where shares lie in 0 to 1, or are percentages."""
    # Of columns without a number, no share fits.
    low, high = np.fmin.reduce(share, axis=0), np.fmax.reduce(share, axis=0)
    for size, written, fits in (
        (1.0, part, (low >= 0) & (high <= 1)),
        (100.0, f"{part} / 100", (low >= 0) & (high > 1) & (high <= 100)),
    ):
        if not fits.any():
            continue
        own = np.where(fits, share / size, np.nan)
        for sign in "-+":
            yield f"{whole} * (1 {sign} {written})", amount * (1 - own if sign == "-" else 1 + own)


def _propose_sums(sample: Sample, numeric: np.ndarray) -> Iterator[tuple[int, str, int]]:
    """Yield columns that are sums and differences of earlier ones, by elimination.

    Columns that do not depend on earlier ones form a basis; in it, each of the others has one solution.
    """
    missing = np.isnan(sample.values[:, numeric]).mean(axis=0)
    tried: list[np.ndarray] = []
    for most in _MOST_MISSING:
        members = choose_complete(sample.values, numeric[missing < most], 2, 20)
        if members.size >= 3 and not any(np.array_equal(members, one) for one in tried):
            tried.append(members)
            yield from _eliminate(sample, members)


def _eliminate(sample: Sample, numeric: np.ndarray) -> Iterator[tuple[int, str, int]]:
    """Yield the sums and differences among columns, in rows that have all of them."""
    values = sample.values[:, numeric]
    values = values[~np.isnan(values).any(axis=1)][: max(_TOTAL, 4 * numeric.size)]
    centred = values - values.mean(axis=0)
    scale = np.sqrt(np.square(centred).mean(axis=0))
    usable = np.flatnonzero(scale > 0)
    basis: list[int] = []
    directions = np.empty((len(values), 0))
    for k in usable:
        column = centred[:, k] / scale[k]
        rest = column - directions @ (directions.T @ column)
        rest -= directions @ (directions.T @ rest)
        size = float(np.sqrt(np.square(rest).mean()))
        if size < _DEPENDENT and len(basis) > 1:
            solved = np.linalg.lstsq(centred[:, basis] / scale[basis], column, rcond=None)[0]
            weights = solved * scale[k] / scale[basis]
            kept = np.abs(solved) > _WHOLE
            whole = np.rint(weights)
            if (
                kept.sum() >= 2
                and (np.abs(weights - whole)[kept] < 0.05).all()
                and (np.abs(whole[kept]) == 1).all()
            ):
                members = [basis[i] for i in np.flatnonzero(kept)]
                terms = [
                    (float(whole[i]), write_name(sample.names[numeric[basis[i]]]))
                    for i in np.flatnonzero(kept)
                ]
                rest = values[:, k] - values[:, members] @ whole[kept]
                constant = shorten(float(np.median(rest)), rest, zero=float(np.abs(values[:, k]).max()))
                if _can_mix(sample, [int(numeric[m]) for m in members], int(numeric[k])):
                    yield int(numeric[k]), write_sum(terms, constant), len(terms)
        if size > 1e-7:
            basis.append(int(k))
            directions = np.column_stack([directions, rest / np.linalg.norm(rest)])


def _can_mix(sample: Sample, sources: Sequence[int], target: int, products: bool = False) -> bool:
    """Whether an equation of such kinds makes sense: times only give times, and differences durations."""
    kinds = {sample.views[j].kind for j in sources}
    own = sample.views[target].kind
    if kinds | {own} <= {"number", "flag"}:
        return own == "number" or kinds == {"flag"}
    if products:
        return False
    return (
        len(kinds | {own}) == 1
        or (own == "duration" and len(kinds) == 1 and len(sources) == 2)
        or (own in kinds and kinds == {own, "duration"})
        or (own == "number" and len(kinds) == 1 and len(sources) == 2)
    )


def write_sum(terms: Sequence[tuple[float, str]], constant: float = 0.0) -> str:
    """Return terms, each a factor and a text, and a constant as a formula."""
    # A formula begins with a term that is added, where there is one.
    ordered = sorted(terms, key=lambda term: term[0] < 0)
    text = ""
    for weight, name in ordered:
        factor = "" if abs(weight) == 1 else f"{abs(weight)!r} * "
        sign = (" - " if weight < 0 else " + ") if text else ("-" if weight < 0 else "")
        text += f"{sign}{factor}{name}"
    if constant:
        text += f"{' - ' if constant < 0 else ' + '}{abs(constant)!r}"
    return text


def shorten(value: float, samples: np.ndarray, zero: float = 0.0) -> float:
    """Return the shortest decimal number that the samples do not tell from a value."""
    known = samples[np.isfinite(samples)]
    spread = float(np.median(np.abs(known - value))) * 3 + 1e-12 * abs(value)
    if zero and abs(value) <= max(spread, 1e-9 * zero):
        return 0.0
    for digits in range(1, 16):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= min(spread, 0.01 * abs(value)):
            return short
    return value
