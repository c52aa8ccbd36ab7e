"""Relations as small values: what a user declares and what the search finds.

Each one's text is what :func:`vaeaug.data.relations.parsing.parse_relation` reads back.
"""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from vaeaug.data.relations.formula import Formula, write_name
from vaeaug.errors import InputError

__all__ = ["Condition", "Dependence", "Equation", "Implication", "Order", "Relation", "write_value"]

_OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in", "is missing")


@dataclass(frozen=True)
class Equation:
    """A column equals a formula of other columns.

    Attributes
    ----------
    target : str
        The column that is computed.
    formula : str
        Text of a :class:`~vaeaug.data.relations.formula.Formula`.

    Examples
    --------
    >>> from vaeaug.data.relations.objects import Equation
    >>> print(Equation("total", "net+tax"))
    total == net + tax
    """

    target: str
    formula: str

    def __post_init__(self) -> None:
        _check_names(self.target)
        object.__setattr__(self, "formula", _rewrite(self.formula))
        if self.target in self.columns[1:]:
            raise InputError(f"relations: {self} names {self.target!r} on both sides; name it on one only.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The target, then the formula's columns."""
        return (self.target, *Formula.parse(self.formula).columns)

    def __str__(self) -> str:
        return f"{write_name(self.target)} == {self.formula}"


@dataclass(frozen=True)
class Order:
    """A formula is at most another one.

    Attributes
    ----------
    lower, upper : str
        Texts of formulas that share no column.
    strict : bool
        Whether the sides must differ.

    Examples
    --------
    >>> from vaeaug.data.relations.objects import Order
    >>> print(Order("start", "end + 1", strict=True))
    start < end + 1
    """

    lower: str
    upper: str
    strict: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", _rewrite(self.lower))
        object.__setattr__(self, "upper", _rewrite(self.upper))
        object.__setattr__(self, "strict", bool(self.strict))
        shared = set(Formula.parse(self.lower).columns) & set(Formula.parse(self.upper).columns)
        if shared:
            raise InputError(f"relations: {self} names {min(shared)!r} on both sides; name it on one only.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The lower side's columns, then the upper side's."""
        return Formula.parse(self.lower).columns + Formula.parse(self.upper).columns

    def __str__(self) -> str:
        return f"{self.lower} {'<' if self.strict else '<='} {self.upper}"


@dataclass(frozen=True)
class Dependence:
    """A column is determined by others: equal sources, equal target.

    Attributes
    ----------
    sources : tuple of str
        The columns that determine; one may be passed as text.
    target : str
        The column that is determined.

    Examples
    --------
    >>> from vaeaug.data.relations.objects import Dependence
    >>> print(Dependence(("zip", "street"), "city"))
    zip, street -> city
    """

    sources: tuple[str, ...]
    target: str

    def __post_init__(self) -> None:
        sources = (self.sources,) if isinstance(self.sources, str) else self.sources
        if not isinstance(sources, tuple | list) or not sources:
            raise InputError(
                f"relations: sources of a dependence are columns' names, got {reprlib.repr(sources)}."
            )
        object.__setattr__(self, "sources", tuple(sources))
        _check_names(*self.columns)
        if len(set(self.columns)) < len(self.columns):
            raise InputError(f"relations: {self} names a column twice; name each once.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The sources, then the target."""
        return (*self.sources, self.target)

    def __str__(self) -> str:
        return f"{', '.join(map(write_name, self.sources))} -> {write_name(self.target)}"


@dataclass(frozen=True)
class Condition:
    """What a cell of a column is; half of an implication.

    Attributes
    ----------
    column : str
        The column.
    operator : str
        ``== != < <= > >=``, ``"in"`` or ``"is missing"``.
    value : str, int, float, bool or tuple of these, or None
        What is compared with: a tuple for ``"in"``, None for ``"is missing"``. Dates become ISO texts.

    Examples
    --------
    >>> from vaeaug.data.relations.objects import Condition
    >>> print(Condition("status", "in", ["a", "b"]))
    status in ('a', 'b')
    """

    column: str
    operator: str
    value: Any = None

    def __post_init__(self) -> None:
        _check_names(self.column)
        if self.operator not in _OPERATORS:
            allowed = ", ".join(_OPERATORS)
            raise InputError(
                f"relations: a condition's operator is one of {allowed}, got {reprlib.repr(self.operator)}."
            )
        object.__setattr__(self, "value", self._check_value())

    def _check_value(self) -> Any:
        """Return the value in Python's own types."""
        value = self.value.tolist() if isinstance(self.value, np.ndarray) else self.value
        if self.operator == "is missing":
            if value is not None:
                raise InputError(f"relations: 'is missing' takes no value, got {reprlib.repr(value)}.")
            return None
        if self.operator != "in":
            return _plain(value)
        if not isinstance(value, tuple | list) or not value:
            raise InputError(
                f"relations: 'in' takes one or more values, as ('a', 'b'), got {reprlib.repr(value)}."
            )
        return tuple(_plain(one) for one in value)

    def __str__(self) -> str:
        if self.operator == "is missing":
            return f"{write_name(self.column)} is missing"
        values = [write_value(one) for one in (self.value if self.operator == "in" else (self.value,))]
        shown = f"({', '.join(values)})" if self.operator == "in" else values[0]
        return f"{write_name(self.column)} {self.operator} {shown}"


@dataclass(frozen=True)
class Implication:
    """Where a condition holds, something else does.

    Attributes
    ----------
    condition : Condition
        When.
    consequence : Condition, Order or Equation
        What follows: a condition of another column (not ``!=`` or ``in``), or a relation of two others.

    Examples
    --------
    >>> from vaeaug.data.relations.objects import Condition, Implication
    >>> print(Implication(Condition("smoker", "==", "no"), Condition("years", "==", 0)))
    smoker == 'no' implies years == 0
    >>> from vaeaug.data.relations.objects import Order
    >>> print(Implication(Condition("state", "==", "paid"), Order("due", "payment")))
    state == 'paid' implies due <= payment
    """

    condition: Condition
    consequence: Condition | Order | Equation

    def __post_init__(self) -> None:
        if not isinstance(self.condition, Condition):
            raise InputError(
                f"relations: an implication begins with a Condition, got {reprlib.repr(self.condition)}."
            )
        if isinstance(self.consequence, Order | Equation):
            return
        if not isinstance(self.consequence, Condition):
            raise InputError(
                "relations: what an implication says is a Condition, an Order or an Equation, got "
                f"{reprlib.repr(self.consequence)}."
            )
        if self.consequence.operator in ("!=", "in"):
            raise InputError(
                f"relations: what follows is ==, <, <=, >, >= or 'is missing', got {self.consequence}."
            )
        if self.condition.column == self.consequence.column:
            raise InputError(
                f"relations: {self} names {self.condition.column!r} on both sides; name two columns."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The condition's column, then those of the consequence, each once."""
        what = self.consequence
        columns = (what.column,) if isinstance(what, Condition) else what.columns
        return tuple(dict.fromkeys((self.condition.column, *columns)))

    def __str__(self) -> str:
        return f"{self.condition} implies {self.consequence}"


Relation = Equation | Order | Dependence | Implication


def write_value(value: str | float | bool) -> str:
    """Return a condition's value as a relation writes it: texts in quotes, a quote in them twice.

    Examples
    --------
    >>> from vaeaug.data.relations.objects import write_value
    >>> print(write_value("it's"), write_value(2.5), write_value(True))
    'it''s' 2.5 True
    """
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _plain(value: Any) -> str | int | float | bool:
    """Return a value in Python's own type, a date as ISO text."""
    if isinstance(value, np.datetime64):
        value = None if np.isnat(value) else str(value)
    elif isinstance(value, np.generic) and not isinstance(value, np.timedelta64):
        value = value.item()
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int) and value.bit_length() <= 64:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, date) and value == value:  # pandas' NaT is a date, and not itself
        return value.isoformat()
    shown = "a number beyond 64 bits" if isinstance(value, int) else reprlib.repr(value)
    raise InputError(
        "relations: a condition's value is a text, a finite number, True, False or a date, "
        f"got {shown}; of missing cells write 'is missing'."
    )


def _check_names(*names: str) -> None:
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"relations: a column's name is a text, got {reprlib.repr(name)}.")


def _rewrite(text: str) -> str:
    """Return a formula as algebra; one that names no column relates nothing."""
    formula = Formula.parse(text)
    if not formula.columns:
        raise InputError(f"relations: {text!r} names no column; each side of a relation names one.")
    return str(formula)
