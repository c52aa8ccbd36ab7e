"""Relations that users declare, as text or as objects: read, and checked for what their form alone tells."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise, takewhile
from typing import TypeVar

from vaeaug.data.relations.formula import Formula, Reader, Token, write_name
from vaeaug.data.relations.objects import Condition, Dependence, Equation, Implication, Order, Relation
from vaeaug.errors import InputError

__all__ = ["parse_relation", "parse_relations"]

_BOUNDS = ("<", "<=", ">", ">=")
_COMPARISONS = (*_BOUNDS, "==")
_FORMS = (
    "a relation reads as 'end >= start', 'low <= mid <= high', 'total == net + tax', 'city -> state' "
    "or \"smoker == 'no' implies years == 0\""
)
_Built = TypeVar("_Built", Equation, Order, Dependence, Condition, Implication)


def parse_relation(declared: str | Relation, names: Sequence[str]) -> list[Relation]:
    """Read a declared relation.

    Parameters
    ----------
    declared : str, Equation, Order, Dependence or Implication
        ``"end >= start"``, ``"low <= mid <= high"`` (two orders), ``"total == net + tax"``,
        ``"zip, street -> city"``, ``"smoker == 'no' implies years == 0"``,
        ``"status in ('a', 'b') implies fee is missing"``, ``"status == 'paid' implies due <= payment"``.
    names : sequence of str
        Columns that there are.

    Returns
    -------
    list of Equation, Order, Dependence or Implication
        One, or one for each sign of a chain.

    Raises
    ------
    InputError
        The text cannot be read, or names an unknown column; the message shows the place.

    Examples
    --------
    >>> from vaeaug.data.relations.parsing import parse_relation
    >>> [str(relation) for relation in parse_relation("high >= mid >= low", ["low", "mid", "high"])]
    ['mid <= high', 'low <= mid']
    """
    if not isinstance(declared, str | Relation) or not str(declared).strip():
        raise InputError(f"relations: {_FORMS}; got {reprlib.repr(declared)}.")
    reader = Reader(str(declared), names)
    if any(token.kind == "word" and token.text == "implies" for token in reader.tokens):
        return list(_read_implications(reader))
    if any(token.kind == "sign" and token.text == "->" for token in reader.tokens):
        return list(_read_dependences(reader))
    return _read_comparisons(reader)


def parse_relations(declared: Sequence[str | Relation], names: Sequence[str]) -> list[Relation]:
    """Read declared relations, and refuse what they cannot all be by their form.

    Parameters
    ----------
    declared : list of str, Equation, Order, Dependence or Implication
        As for :func:`parse_relation`.
    names : sequence of str
        Columns that there are.

    Raises
    ------
    InputError
        As for :func:`parse_relation`; also repeats, contradictions and circles, with the relations named.
    """
    if not isinstance(declared, list | tuple):
        raise InputError(f"relations: expected a list of relations, got {reprlib.repr(declared)}.")
    relations = [relation for one in declared for relation in parse_relation(one, names)]
    _refuse_repeats(relations)
    _refuse_two_results(relations)
    _refuse_circles(relations)
    _refuse_circular_orders(relations)
    return relations


def _read_implications(reader: Reader) -> Iterable[Implication]:
    condition = _read_condition(reader)
    sign = reader.expect("implies")
    if not _sees_value(reader):
        for relation in _read_comparisons(reader):
            yield _build(reader, sign, Implication, condition, relation)
        return
    consequence = _read_condition(reader)
    reader.finish()
    yield _build(reader, sign, Implication, condition, consequence)


def _sees_value(reader: Reader) -> bool:
    """Whether a column and a value come next, and not two sides with columns: one piece says which."""
    pieces = list(takewhile(lambda piece: piece.text != "implies", reader.tokens[reader.position + 1 :]))
    values = ("True", "False", "None", "nan", "NaN", "NA", "is", "in", "missing")
    is_compared = any(piece.text in (*_COMPARISONS, "!=") for piece in pieces)
    return not is_compared or not any(
        piece.kind == "column" or (piece.kind == "word" and piece.text not in values) for piece in pieces
    )


def _read_condition(reader: Reader) -> Condition:
    column, sign = reader.column(), reader.token
    if reader.take("is"):
        reader.expect("missing")
        return Condition(column, "is missing")
    if reader.take("in"):
        reader.expect("(")
        values = [_read_value(reader)]
        while reader.take(",") and not reader.sees(")"):
            values.append(_read_value(reader))
        reader.expect(")")
        return _build(reader, sign, Condition, column, "in", values)
    if reader.take("!=", *_COMPARISONS):
        return _build(reader, sign, Condition, column, sign.text, _read_value(reader))
    reader.refuse("expected ==, !=, <, <=, >, >=, 'in' or 'is missing'")


def _read_value(reader: Reader) -> str | int | float | bool:
    minus = reader.take("-")
    token = reader.token
    if token.kind == "number":
        text = reader.advance().text
        whole = text.isdecimal()
        if whole and len(text) > 1 and text[0] == "0" or reader.sees("-"):
            reader.fail("dates, and codes that begin with 0, are put in quotes", token)
        number = int(text) if whole and len(text) <= 20 else float(text)
        return (
            (-number if minus else number)
            if math.isfinite(number)
            else reader.fail("this number is too large", token)
        )
    if token.kind == "text" and not minus:
        return reader.advance().text
    if not minus and (found := reader.take("True", "False")):
        return found.text == "True"
    if token.text in ("None", "nan", "NaN", "NA"):
        reader.fail("a missing value is no value to compare with; write 'is missing'", token)
    reader.refuse("expected a number, True, False, or a text or date in quotes")


def _read_dependences(reader: Reader) -> Iterable[Dependence]:
    sources = _read_columns(reader)
    sign = reader.expect("->")
    for target in _read_columns(reader):
        yield _build(reader, sign, Dependence, sources, target)
    reader.finish()


def _read_columns(reader: Reader) -> list[str]:
    columns = [reader.column()]
    while reader.take(","):
        columns.append(reader.column())
    return columns


def _read_comparisons(reader: Reader) -> list[Relation]:
    relations: list[Relation] = []
    left, sign = _read_side(reader), reader.token
    while reader.take(*_COMPARISONS):
        right = _read_side(reader)
        relations.append(_compare(reader, left, sign, right))
        left, sign = right, reader.token
    if sign.kind == "end":
        return relations or reader.fail(_FORMS, sign)
    if reader.sees("is", "in"):
        reader.fail("a condition alone is no relation; join two by 'implies'", sign)
    reader.refuse("expected an operator" if relations else "expected <, <=, >, >=, == or an operator")


def _read_side(reader: Reader) -> Formula:
    start, formula = reader.token, reader.formula()
    if not formula.columns:
        reader.fail(f"the side {formula.text} names no column; each side of a relation names one", start)
    return formula


def _compare(reader: Reader, left: Formula, sign: Token, right: Formula) -> Relation:
    if sign.text != "==":
        lower, upper = (left, right) if sign.text in ("<", "<=") else (right, left)
        return _build(reader, sign, Order, str(lower), str(upper), sign.text in ("<", ">"))
    if left.column is None:
        left, right = right, left
    if left.column is None:
        reader.fail("neither side is a single column; solve for one, as 'total == net + tax'", sign)
    return _build(reader, sign, Equation, left.column, str(right))


def _build(reader: Reader, sign: Token, kind: Callable[..., _Built], *values: object) -> _Built:
    """Build an object; where its form is wrong, show the place."""
    try:
        return kind(*values)
    except InputError as error:
        reader.fail(str(error).removeprefix("relations: "), sign)


def _refuse_repeats(relations: Sequence[Relation]) -> None:
    met: dict[object, Relation] = {}
    for relation in relations:
        key: object = relation
        if isinstance(relation, Order):  # of "a <= b" and "a < b", one says all that the other says
            key = (relation.lower, relation.upper)
        elif isinstance(relation, Dependence):
            key = (frozenset(relation.sources), relation.target)
        if key in met:
            raise InputError(f"relations: {str(relation)!r} repeats {str(met[key])!r}; leave one out.")
        met[key] = relation


def _refuse_two_results(relations: Sequence[Relation]) -> None:
    """Refuse one column of two equations, and one condition of two consequences for a column."""
    met: dict[object, Relation] = {}
    for relation in relations:
        if isinstance(relation, Equation):
            key: object = relation.target
            advice = "a column is computed once: turn one round, or leave it out"
        elif isinstance(relation, Implication):
            what = relation.consequence
            if isinstance(what, Order) or (isinstance(what, Condition) and what.operator in _BOUNDS):
                continue
            key = (relation.condition, what.column if isinstance(what, Condition) else what.target)
            advice = "one condition, two consequences: leave one out"
        else:
            continue
        other = met.setdefault(key, relation)
        if other is not relation:
            raise InputError(f"relations: {str(other)!r} contradicts {str(relation)!r}; {advice}.")


def _refuse_circles(relations: Sequence[Relation]) -> None:
    """Refuse columns that are computed from one another."""
    edges: dict[tuple[str, str], Relation] = {}
    for relation in relations:
        if isinstance(relation, Equation | Dependence):
            sources = set(relation.columns) - {relation.target}
            edges |= {(source, relation.target): relation for source in sources}
    if circle := _find_circle(edges):
        shown = _list_in_order(relations, {edges[edge] for edge in pairwise(circle)})
        path = " -> ".join(map(repr, circle))
        raise InputError(f"relations: {shown} compute {circle[0]!r} from itself, {path}; leave one out.")


def _refuse_circular_orders(relations: Sequence[Relation]) -> None:
    """Refuse orders by which a side is at most itself; sides of an equation count as one."""
    equations = {write_name(one.target): one for one in relations if isinstance(one, Equation)}

    def solve(side: str) -> tuple[str, set[Relation]]:
        """Follow the equations from a side; they form no circle."""
        used: set[Relation] = set()
        while side in equations:
            used.add(equations[side])
            side = equations[side].formula
        return side, used

    edges: dict[tuple[str, str], set[Relation]] = {}
    for order in relations:
        if isinstance(order, Order):
            (lower, used), (upper, also) = solve(order.lower), solve(order.upper)
            edges.setdefault((lower, upper), {order, *used, *also})
    if circle := _find_circle(edges):
        involved = set().union(*(edges[edge] for edge in pairwise(circle)))
        shown = _list_in_order(relations, involved)
        if any(isinstance(one, Order) and one.strict for one in involved):
            raise InputError(f"relations: {shown} contradict each other; leave one out.")
        raise InputError(f"relations: {shown} leave only equal sides; write == alone.")


def _find_circle(edges: Iterable[tuple[str, str]]) -> list[str]:
    """Return the nodes of a circle, the first one again at the end, or nothing."""
    graph: TopologicalSorter[str] = TopologicalSorter()
    for source, target in sorted(edges):
        graph.add(target, source)
    try:
        graph.prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _list_in_order(relations: Sequence[Relation], involved: set[Relation]) -> str:
    return " and ".join(repr(str(one)) for one in relations if one in involved)
