"""Find columns that are products of powers, or sums with products and quotients, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from vaeaug.data.relations.formula import write_name
from vaeaug.data.relations.search.equations import agree, confirm, shorten, write_sum
from vaeaug.data.relations.search.sample import ENDLESS, Candidate, Sample, choose_complete

__all__ = ["Term", "find_products"]

_MOST_IN_POWERS, _MOST_IN_SUMS = 40, 20  # columns
_FEWEST_LEVELS = 8  # of a column that follows from others
_ROWS, _FEWEST_ROWS = 250, 60
_MOST_TERMS, _FOLLOWED = 3, 2  # terms of a formula; of a step, the best candidates, which are followed
_HIGHEST_POWER = 3
_WHOLE = 0.1  # distance of a power, or a factor, from a whole number
_MOST_LEFT = 0.1  # of a column of length 1, where a formula is worth a look
_SAID = 1e-6  # of a term of length 1, what is left of one that others give
_LEAST = 0.35  # correlation of a term with what is left; the largest of three equal ones has more than half


@dataclass(frozen=True)
class Term:
    """A part of a formula.

    Parameters
    ----------
    text : str
    sources : tuple of int
        The columns that it reads.
    values : ndarray of float64, shape (n,)
    """

    text: str
    sources: tuple[int, ...]
    values: np.ndarray


def find_products(sample: Sample) -> Iterator[Candidate]:
    """Yield products and quotients of up to three terms, and sums in which these occur."""
    tries = max(1, sample.numeric.size) ** 4 * 8
    seen = set()
    with np.errstate(all="ignore"):  # what has no result, or an endless one, is left out
        proposed = [*_propose_powers(sample), *_propose_sums(sample)]
    for target, text, count in proposed:
        if (target, text) not in seen:
            seen.add((target, text))
            yield from confirm(sample, target, text, count, tries)


def _propose_powers(sample: Sample) -> Iterator[tuple[int, str, int]]:
    """Yield products and quotients of powers: their logarithms are sums."""
    terms = _list_columns(sample, _MOST_IN_POWERS)
    sums = [
        Term(f"({one.text} + {other.text})", one.sources + other.sources, one.values + other.values)
        for one, other in combinations(_list_columns(sample, _MOST_IN_SUMS), 2)
    ]
    terms, values = _choose(terms + _list_shares(terms) + sums, is_positive=True)
    logs = np.log(values)
    for k, target in enumerate(terms):
        if not _can_follow(sample, target):
            continue
        for chosen, weights in _pursue(logs, k, terms):
            powers = np.rint(weights)
            was_tried = len(chosen) == 2 and all(len(terms[i].sources) == 1 for i in chosen)
            if (
                np.abs(weights - powers).max() > _WHOLE
                or not powers.all()
                or np.abs(powers).max() > _HIGHEST_POWER
                or (was_tried and (np.abs(powers) == 1).all())
            ):
                continue
            goal, made = values[:, k], np.exp(logs[:, chosen] @ powers)
            ratio = goal / made
            for factor in dict.fromkeys((1.0, shorten(float(np.median(ratio)), ratio))):
                if agree(goal, factor * made, sample.decimals(target.sources[0])):
                    text = _write_powers([terms[i].text for i in chosen], powers)
                    text = text if factor == 1 else f"{factor!r} * ({text})"
                    yield target.sources[0], text, _count(terms, chosen)
                    break


def _propose_sums(sample: Sample) -> Iterator[tuple[int, str, int]]:
    """Yield sums and differences of terms, some of which are products or quotients of two columns."""
    columns = _list_columns(sample, _MOST_IN_SUMS)
    products = [
        Term(f"{one.text} * {other.text}", one.sources + other.sources, one.values * other.values)
        for one, other in combinations(columns, 2)
    ]
    products += [
        Term(f"{one.text} * {other.text} / 100", one.sources + other.sources, one.values * other.values / 100)
        for other in columns
        if _find_unit(other.values) == 100
        for one in columns
        if one is not other
    ]
    quotients = [
        Term(f"{one.text} / {other.text}", one.sources + other.sources, one.values / other.values)
        for one, other in permutations(columns, 2)
    ]
    terms, values = _choose(columns + products + quotients)
    for k, target in enumerate(terms):
        if not _can_follow(sample, target):
            continue
        for chosen, weights in _pursue(values, k, terms):
            # A growth may be counted in hundredths.
            unit = 100 if np.abs(weights).min() > 50 else 1
            signs = np.rint(weights / unit)
            has_product = any(len(terms[i].sources) > 1 for i in chosen)
            if np.abs(weights / unit - signs).max() > _WHOLE or (np.abs(signs) != 1).any() or not has_product:
                continue
            goal, made = values[:, k], unit * (values[:, chosen] @ signs)
            constant = shorten(float(np.median(goal - made)), goal - made, zero=float(np.abs(goal).max()))
            if agree(goal, made + constant, sample.decimals(target.sources[0])):
                parts = [(float(sign), terms[i].text) for i, sign in zip(chosen, signs, strict=True)]
                if constant:
                    parts.append((float(np.sign(constant)), repr(abs(constant / unit))))
                text = write_sum(parts)
                text = text if unit == 1 else f"100 * ({text})"
                yield target.sources[0], text, _count(terms, chosen)


def _count(terms: list[Term], chosen: list[int]) -> int:
    """Return how many columns some terms read."""
    return len({j for i in chosen for j in terms[i].sources})


def _list_columns(sample: Sample, most: int) -> list[Term]:
    """Return the numbers that vary, those with the most values first."""
    numbers = sample.of_kind("number")
    numbers = numbers[sample.levels[numbers] > 2]
    numbers = np.sort(numbers[np.argsort(-sample.levels[numbers], kind="stable")[:most]])
    return [Term(write_name(sample.names[j]), (int(j),), sample.values[:, j]) for j in numbers]


def _list_shares(columns: list[Term]) -> list[Term]:
    """Return what a share or a percentage leaves of an amount, and what it makes of it: 1 - p and 1 + p."""
    found = []
    for column in columns:
        unit = _find_unit(column.values)
        for sign in "-+" if unit else "":
            own = column.values / unit
            text = column.text if unit == 1 else f"{column.text} / 100"
            found.append(Term(f"(1 {sign} {text})", column.sources, 1 - own if sign == "-" else 1 + own))
    return found


def _find_unit(values: np.ndarray) -> float:
    """Return 1 for shares, 100 for percentages, and 0 for anything else."""
    known = values[~np.isnan(values)]
    low, high = known.min(initial=np.inf), known.max(initial=-np.inf)
    return 0.0 if low < 0 or high > 100 else 1.0 if high <= 1 else 100.0


def _choose(terms: list[Term], is_positive: bool = False) -> tuple[list[Term], np.ndarray]:
    """Return the terms of which enough rows have all values, and these values, shape (n, m)."""
    if len(terms) < 3:
        return [], np.empty((0, 0))
    values = np.column_stack([term.values for term in terms])
    values = np.where(np.abs(values) < ENDLESS, values, np.nan)
    if is_positive:
        values = np.where(values > 0, values, np.nan)
    members = choose_complete(values, np.arange(len(terms)), 0, _FEWEST_ROWS)
    values = values[:, members]
    return [terms[i] for i in members], values[~np.isnan(values).any(axis=1)][:_ROWS]


def _can_follow(sample: Sample, term: Term) -> bool:
    """Whether a term is a column that has enough values to tell formulas apart."""
    j = term.sources[0]
    return term.text == write_name(sample.names[j]) and bool(sample.levels[j] >= _FEWEST_LEVELS)


def _pursue(values: np.ndarray, k: int, terms: list[Term]) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yield few terms of which one is nearly a weighted sum and a constant, and the weights.

    Term by term, those are added that explain most of what is left (orthogonal matching pursuit).
    """
    own = terms[k].sources[0]
    usable = np.array([own not in term.sources for term in terms])
    centred = values - values.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    z = centred / np.where(size > 0, size, 1.0)
    usable &= size > 0
    states: list[tuple[list[int], np.ndarray]] = [([], np.empty((len(z), 0)))]
    seen = set()
    for _ in range(_MOST_TERMS):
        following = []
        for chosen, directions in states:
            goal = z[:, k] - directions @ (directions.T @ z[:, k])
            left = z - directions @ (directions.T @ z)
            rest = np.linalg.norm(left, axis=0)
            match = np.where(usable & (rest > _SAID), np.abs(goal @ left) / np.maximum(rest, _SAID), -1.0)
            match[chosen] = -1.0
            for i in np.argsort(-match, kind="stable")[:_FOLLOWED]:
                members = sorted([*chosen, int(i)])
                if match[i] < _LEAST * np.linalg.norm(goal) or frozenset(members) in seen:
                    continue
                seen.add(frozenset(members))
                basis = np.column_stack([directions, left[:, i] / rest[i]])
                following.append((members, basis))
                if np.linalg.norm(z[:, k] - basis @ (basis.T @ z[:, k])) < _MOST_LEFT:
                    yield members, np.linalg.lstsq(centred[:, members], centred[:, k], rcond=None)[0]
        states = following


def _write_powers(texts: list[str], powers: np.ndarray) -> str:
    """Return a product of powers as a formula: what is multiplied first, then what divides."""
    parts = [
        (text if abs(power) == 1 else f"{text} ** {abs(power):g}", power > 0)
        for text, power in zip(texts, powers, strict=True)
    ]
    above, below = ([text for text, is_above in parts if is_above == wanted] for wanted in (True, False))
    return " / ".join([" * ".join(above) or "1", *below])
