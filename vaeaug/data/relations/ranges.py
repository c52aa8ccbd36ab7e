"""Formulas that are sums of columns: their terms, and what keeps their results within a range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from vaeaug.data.relations.formula import Formula, Node, Operation, write_name

__all__ = ["bound_terms", "list_terms"]


def list_terms(formula: Formula) -> tuple[list[tuple[float, str]], float] | None:
    """Return the weights and columns of a sum, and its constant; None for any other formula.

    Examples
    --------
    >>> from vaeaug.data.relations.formula import Formula
    >>> from vaeaug.data.relations.ranges import list_terms
    >>> list_terms(Formula.parse("a - 2 * b + 1"))
    ([(1.0, 'a'), (-2.0, 'b')], 1.0)
    >>> list_terms(Formula.parse("a * b"))
    """
    terms: dict[str, float] = {}
    constant = 0.0
    for sign, part in _split(formula.root):
        found = _read_term(part)
        if found is None:
            return None
        weight, name = found
        if name is None:
            constant += sign * weight
        else:
            terms[name] = terms.get(name, 0.0) + sign * weight
    return [(weight, name) for name, weight in terms.items() if weight], constant


def bound_terms(
    formula: Formula, columns: Mapping[str, np.ndarray], limits: tuple[float, float]
) -> Iterator[tuple[str, str, bool]]:
    """Yield bounds of the columns of a sum, one after the other, that keep its result within limits.

    Each column leaves as much as the later ones need at least.

    Parameters
    ----------
    formula : Formula
    columns : mapping of str to ndarray of float64, shape (n,)
        Training values of the columns that it names.
    limits : tuple of float
        Smallest and largest result that is allowed.

    Yields
    ------
    name : str
        The column that is bounded.
    bound : str
        A formula of the columns before it.
    is_lower : bool
    """
    found = list_terms(formula)
    if found is None or not np.isfinite(limits).all():
        return
    terms, constant = found
    values = [weight * columns[name] for weight, name in terms]
    for end, least, most in ((limits[1], np.nanmin, np.nanmax), (limits[0], np.nanmax, np.nanmin)):
        reach = constant + sum(float(most(part)) for part in values)
        if limits[0] <= reach <= limits[1]:
            continue
        rest = end - constant - sum(float(least(part)) for part in values)
        for i, (weight, name) in enumerate(terms):
            rest += float(least(values[i]))
            text = repr(rest) + "".join(f" - {w!r} * {write_name(n)}" for w, n in terms[:i])
            yield name, f"({text}) / {weight!r}", (least is np.nanmin) == (weight < 0)


def _split(node: Node) -> list[tuple[float, Node]]:
    if not isinstance(node, Operation) or node.name != "+":
        return [(1.0, node)]
    signs = [1.0, *(-1.0 if sign == "-" else 1.0 for sign in node.signs)]
    return list(zip(signs, node.parts, strict=True))


def _read_term(node: Node) -> tuple[float, str | None] | None:
    """Return the weight and the column of a term, no column for a number; None for anything else."""
    if isinstance(node, float):
        return node, None
    if isinstance(node, str):
        return 1.0, node
    if node.name == "-":
        found = _read_term(node.parts[0])
        return None if found is None else (-found[0], found[1])
    if node.name == "*" and len(node.parts) == 2 and node.signs == ("*",):
        factor, name = node.parts
        if isinstance(factor, float) and isinstance(name, str):
            return factor, name
    return None
