"""Check declared relations against the training rows, and take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaeaug.data.relations.columns import CATEGORY, FLAG, OTHER, ColumnView
from vaeaug.data.relations.formula import Formula
from vaeaug.data.relations.functions import Arithmetic, Function, Lookup
from vaeaug.data.relations.objects import Condition, Dependence, Equation, Implication, Order, Relation
from vaeaug.data.relations.plans import Fill, Keep
from vaeaug.data.relations.search.implications import Implied
from vaeaug.data.relations.search.sample import Candidate
from vaeaug.errors import InputError
from vaeaug.utils.wording import list_names

if TYPE_CHECKING:
    from vaeaug.data.relations.builder import Builder

__all__ = ["declare"]

_MOST_NAMED = 3


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
    if isinstance(relation, Implication):
        implied = _read_implication(builder, relation)
        broken = builder.breaks_implied(implied)
        _refuse_broken(relation, broken, strict)
        taken = builder.add_implied(implied, "declared")
    else:
        candidate = _read_function(builder, relation)
        broken = builder.breaks(candidate)
        _refuse_broken(relation, broken, strict)
        taken = builder.add(candidate, "declared")
    if not taken:
        columns = list_names(list(relation.columns))
        raise InputError(
            f"relations: {str(relation)!r} cannot be kept beside the others declared about {columns}: each "
            "column follows from one relation at most, and no column from itself by way of others. Leave one "
            "of them out, or solve it for another column."
        )


def _refuse_broken(relation: Relation, broken: np.ndarray, strict: bool) -> None:
    """Raise InputError for a relation that rows break; name the first three."""
    rows = np.flatnonzero(broken)
    if not rows.size or not strict:
        return
    named = ", ".join(str(row) for row in rows[:_MOST_NAMED])
    more = ", ..." if rows.size > _MOST_NAMED else ""
    raise InputError(
        f"relations: {str(relation)!r} does not hold in {rows.size} of {broken.size} rows of X (rows "
        f"{named}{more} by position). Correct these rows, leave the relation out, or pass "
        "on_violation='keep' to keep it with its exceptions."
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
        numbers = builder.read((*sources, target))
        function: Function = Lookup.learn(sources, [numbers[j] for j in sources], numbers[target])
        return Candidate("dependence", target, function, str(relation), Keep.COMPUTED, 0.0)
    if isinstance(relation, Equation):
        target = positions[relation.target]
        formula = Formula.parse(relation.formula, builder.names)
        categories = {CATEGORY, FLAG}
        if formula.column is not None and builder.views[target].kind in categories:
            # Equal categories are equal by what they are called.
            source = positions[formula.column]
            numbers = builder.read((source, target))
            function = Lookup.learn([source], [numbers[source]], numbers[target])
            if builder.views[source].kind == builder.views[target].kind:
                return Candidate("equation", target, function, str(relation), Keep.COMPUTED, 0.0)
        _check_numbers(builder, relation, (relation.target, *formula.columns))
        function = Arithmetic(relation.formula, positions)
        return Candidate("equation", target, function, str(relation), Keep.COMPUTED, 0.0)
    lower, upper = (Formula.parse(text, builder.names) for text in (relation.lower, relation.upper))
    _check_numbers(builder, relation, relation.columns)
    if upper.column is not None:
        target, bound, is_lower = positions[upper.column], relation.lower, True
    elif lower.column is not None:
        target, bound, is_lower = positions[lower.column], relation.upper, False
    else:
        raise InputError(
            f"relations: {str(relation)!r} has a formula on both sides; write it so that one side is a "
            "single column."
        )
    if (
        upper.column is not None
        and lower.column is not None
        and not builder.can_take(target, (positions[lower.column],))
    ):
        target, bound, is_lower = positions[lower.column], relation.upper, False
    function = Arithmetic(bound, positions)
    return Candidate(
        "order", target, function, str(relation), Keep.DIFFERENCE, 0.0, is_lower, relation.strict
    )


def _read_implication(builder: Builder, relation: Implication) -> Implied:
    positions = {name: j for j, name in enumerate(builder.names)}
    condition, consequence = relation.condition, relation.consequence
    source, target = positions[condition.column], positions[consequence.column]
    operands: tuple[float, ...] = ()
    if condition.operator != "is missing":
        listed = condition.value if condition.operator == "in" else [condition.value]
        operands = tuple(_find_number(builder.views[source], condition, relation, value) for value in listed)
    value = np.nan
    if consequence.operator == "==":
        value = _find_number(builder.views[target], consequence, relation, consequence.value)
    elif not builder.views[target].allows_missing:
        raise InputError(
            f"relations: {str(relation)!r} needs missing cells in {consequence.column!r}, which has none and "
            "whose dtype has no place for them."
        )
    fill = Fill(source, condition.operator, operands, value)
    return Implied(target, fill, str(relation))


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
