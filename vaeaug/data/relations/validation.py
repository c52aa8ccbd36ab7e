"""Check declared relations against the training rows, and take them."""

from __future__ import annotations

import numpy as np

from vaeaug.data.relations.builder import Builder
from vaeaug.data.relations.columns import CATEGORY, OTHER, ColumnView
from vaeaug.data.relations.formula import Formula
from vaeaug.data.relations.functions import Arithmetic, Function
from vaeaug.data.relations.limits import Fill, When
from vaeaug.data.relations.objects import Condition, Dependence, Equation, Implication, Order, Relation
from vaeaug.data.relations.plans import Keep
from vaeaug.data.relations.search.implications import Implied
from vaeaug.data.relations.search.sample import Candidate
from vaeaug.errors import InputError
from vaeaug.utils.wording import list_names

__all__ = ["declare"]


def declare(builder: Builder, relation: Relation, on_violation: str = "raise") -> None:
    """Take a declared relation.

    Parameters
    ----------
    builder : Builder
        What was taken before.
    relation : Equation, Order, Dependence or Implication
    on_violation : {"raise", "keep"}
        Refuse a relation that training rows break, or keep it where they do.

    Raises
    ------
    InputError
        When rows break it, when its columns hold something else than it needs, and when it cannot be kept
        beside those that were declared before.
    """
    strict = on_violation == "raise"
    item = (
        _read_implication(builder, relation)
        if isinstance(relation, Implication)
        else _read_function(builder, relation)
    )
    _refuse_broken(relation, builder, item, strict)
    if not builder.add(item, "declared"):
        columns = list_names(list(relation.columns))
        raise InputError(
            f"relations: {str(relation)!r} cannot be kept beside the others declared about {columns}: each "
            "column follows from one relation at most, and no column from itself by way of others. Leave one "
            "of them out, or solve it for another column."
        )


def _refuse_broken(relation: Relation, builder: Builder, item: Candidate | Implied, strict: bool) -> None:
    """Raise InputError for a relation that rows break; name the first three, and show the first."""
    broken = builder.breaks(item)
    rows = np.flatnonzero(broken)
    if not rows.size or not strict:
        return
    raise InputError(
        f"relations: {str(relation)!r} does not hold in {rows.size} of {broken.size} rows of X "
        f"({builder.name_rows(rows)}). {builder.show_row(item, int(rows[0]))} Correct these rows, leave the "
        "relation out, or pass on_violation='keep' to keep it with its exceptions."
    )


def _read_function(builder: Builder, relation: Equation | Order | Dependence) -> Candidate:
    """Return a relation as what is looked for is returned."""
    positions = {name: j for j, name in enumerate(builder.names)}
    if isinstance(relation, Dependence):
        sources = [positions[name] for name in relation.sources]
        target = positions[relation.target]
        for j in (*sources, target):
            if builder.views[j].kind == OTHER:
                _refuse_kind(relation, builder.names[j], "values that repeat")
        function: Function = builder.learn_lookup(sources, target)
        return Candidate("dependence", target, function, str(relation), Keep.COMPUTED, 0.0)
    if isinstance(relation, Equation):
        target = positions[relation.target]
        formula = Formula.parse(relation.formula, builder.names)
        if formula.column is not None and builder.views[target].is_level:
            # Equal categories are equal by what they are called.
            source = positions[formula.column]
            function = builder.learn_lookup([source], target)
            if builder.views[source].kind == builder.views[target].kind:
                return Candidate("equation", target, function, str(relation), Keep.COMPUTED, 0.0)
        _check_numbers(builder, relation, (relation.target, *formula.columns))
        function = Arithmetic(relation.formula, positions)
        return Candidate("equation", target, function, str(relation), Keep.COMPUTED, 0.0)
    return _read_order(builder, relation, relation, None)


def _read_order(builder: Builder, relation: Relation, order: Order, when: When | None) -> Candidate:
    """Return an order, in all rows or in some, as a bound of the column that is still free."""
    positions = {name: j for j, name in enumerate(builder.names)}
    lower, upper = (Formula.parse(text, builder.names) for text in (order.lower, order.upper))
    _check_numbers(builder, relation, order.columns)
    sides = [(upper, order.lower, True), (lower, order.upper, False)]
    free = [(positions[own.column], bound, is_low) for own, bound, is_low in sides if own.column is not None]
    if not free:
        raise InputError(
            f"relations: {str(relation)!r} has a formula on both sides; write it so that one side is a "
            "single column."
        )
    keep, text = Keep.DIFFERENCE if when is None else None, str(relation)
    candidates = [
        Candidate("order", j, Arithmetic(bound, positions), text, keep, 0.0, is_lower, order.strict, when)
        for j, bound, is_lower in free
    ]
    for is_open in (builder.can_take, builder.can_bound):
        for candidate in candidates:
            if is_open(candidate.target, candidate.sources):
                return candidate
    return candidates[0]


def _read_implication(builder: Builder, relation: Implication) -> Implied | Candidate:
    positions = {name: j for j, name in enumerate(builder.names)}
    condition, what = relation.condition, relation.consequence
    source = positions[condition.column]
    operands: tuple[float, ...] = ()
    if condition.operator != "is missing":
        listed = condition.value if condition.operator == "in" else [condition.value]
        operands = tuple(_find_number(builder.views[source], condition, relation, value) for value in listed)
    when = When(source, condition.operator, operands)
    if isinstance(what, Order):
        return _read_order(builder, relation, what, when)
    if isinstance(what, Equation):
        found = _read_function(builder, what)
        return Implied(found.target, Fill(when, function=found.function), str(relation))
    target = positions[what.column]
    view, value = builder.views[target], np.nan
    if what.operator != "is missing":
        value = _find_number(view, what, relation, what.value)
    elif not view.allows_missing:
        raise InputError(
            f"relations: {str(relation)!r} needs missing cells in {what.column!r}, which has none and "
            "whose dtype has no place for them."
        )
    if what.operator in ("==", "is missing"):
        return Implied(target, Fill(when, value), str(relation))
    _check_numbers(builder, relation, (what.column,))
    is_lower, is_strict = what.operator in (">", ">="), what.operator in ("<", ">")
    bound = Arithmetic(repr(value), {})
    return Candidate("order", target, bound, str(relation), None, 0.0, is_lower, is_strict, when)


def _find_number(view: ColumnView, condition: Condition, relation: Relation, value: object) -> float:
    """Return the number of a value that a condition names."""
    if view.kind == OTHER:
        _refuse_kind(relation, condition.column, "numbers, dates or categories that relations can read")
    try:
        number = view.number(value)
    except (TypeError, ValueError):
        number = np.nan
    if np.isnan(number):
        raise InputError(
            f"relations: {str(relation)!r} compares {condition.column!r} with {value!r}, which no row of X "
            f"has there; {view.describe_values()}."
        )
    return number


def _check_numbers(builder: Builder, relation: Relation, names: tuple[str, ...]) -> None:
    """Raise InputError for columns that one cannot calculate with, or that cannot be compared."""
    views = {name: builder.views[builder.names.index(name)] for name in names}
    for name, view in views.items():
        if view.kind in (CATEGORY, OTHER):
            _refuse_kind(relation, name, "numbers, dates or durations")


def _refuse_kind(relation: Relation, name: str, needed: str) -> None:
    raise InputError(
        f"relations: {str(relation)!r} needs {needed} in {name!r}, which holds none. Convert the column "
        "before fit, or leave the relation out."
    )
