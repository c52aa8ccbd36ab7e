"""Arithmetic on columns, read from text, computed on arrays and written as algebra."""

from __future__ import annotations

import functools
import keyword
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from vaeaug.errors import InputError
from vaeaug.utils.wording import list_names, suggest

__all__ = ["UNITS", "Formula", "Operation", "Reader", "Token", "write_name"]

#: Words of relations and of Python's constants; columns of these names need backticks.
_RESERVED = {"implies", "in", "is", "and", "or", "not", "True", "False", "None"}
#: What people write by habit, and what is read instead.
_MEANT = {"=": "==", "=<": "<=", "=>": "'>=' or 'implies'", "≤": "<=", "≥": ">=", "→": "->", "^": "**"}
_MEANT |= {"−": "-", "×": "*", "÷": "/"}
_MOST_NESTED = 50

_TOKEN = re.compile(
    r"""(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[^\W\d]\w*)
      | (?P<column>`(?:[^`]|``)*`)
      | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<sign>->|\*\*|[<>=!]=|=[<>]|[^\s])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """A piece of a text: a number, a word, a column in backticks, a quoted text, a sign, or the end."""

    kind: str
    text: str  #: as written, without quotes
    place: int
    end: int


@dataclass(frozen=True)
class Operation:
    """What a formula does with its parts.

    Attributes
    ----------
    name : str
        ``"+"`` or ``"*"`` for a chain of sums or products, ``"**"``, ``"-"`` of one part, or a function.
    parts : tuple of Node
        Numbers, columns and operations.
    signs : tuple of str
        In a chain, the sign before each part after the first.
    """

    name: str
    parts: tuple[Node, ...]
    signs: tuple[str, ...] = ()


#: A number, a column's name, or an operation.
Node = float | str | Operation


@dataclass(frozen=True)
class Formula:
    """Arithmetic on columns.

    Columns, numbers, ``+ - * / **``, parentheses, and the functions ``round(x, k)``, ``floor(x, k)`` and
    ``ceil(x, k)`` to k decimals (0 where k is left out), ``min``, ``max``, ``mean``, ``sum``, ``log``,
    ``exp`` and ``sqrt``. A column whose name is no plain word is written in backticks, and a backtick in it
    twice.

    Attributes
    ----------
    text : str
        The formula as it was written.
    columns : tuple of str
        Columns in the order in which they appear, each once.

    Examples
    --------
    >>> from vaeaug.data.relations.formula import Formula
    >>> formula = Formula.parse("(limit-`BILL AMT-1`) / limit", ["limit", "BILL AMT-1"])
    >>> formula.columns
    ('limit', 'BILL AMT-1')
    >>> formula.evaluate({"limit": np.array([8.0, 0.0]), "BILL AMT-1": np.array([2.0, 1.0])})
    array([0.75,  nan])
    >>> print(formula)
    (limit - `BILL AMT-1`) / limit
    """

    text: str = field(compare=False)
    root: Node = field(repr=False)

    @classmethod
    def parse(cls, text: str, names: Sequence[str] | None = None) -> Formula:
        """Read a formula.

        Parameters
        ----------
        text : str
            The formula.
        names : sequence of str, optional
            Columns that there are; without it, any name is taken for a column.

        Raises
        ------
        InputError
            The text cannot be read or names an unknown column; the message shows the place.
        """
        reader = Reader(text, names)
        formula = reader.formula()
        reader.finish()
        return formula

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns in the order in which they appear, each once."""
        return tuple(dict.fromkeys(_list_columns(self.root)))

    @property
    def column(self) -> str | None:
        """The column, where the formula is nothing but one column; else None."""
        return self.root if isinstance(self.root, str) else None

    def evaluate(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Compute the formula row by row.

        Parameters
        ----------
        values : mapping of str to ndarray of shape (n,)
            Numbers or booleans of each column.

        Returns
        -------
        ndarray of shape (n,), float64
            NaN where an operand is missing or a result is not finite.
        """
        with np.errstate(all="ignore"):
            result = _compute(self.root, values)
        shape = np.shape(next(iter(values.values()), 0.0))
        return result if result.ndim else np.full(shape, result)

    def __str__(self) -> str:
        return _write(self.root)


class Reader:
    """Reads a text from left to right, and shows the place of what it cannot read.

    Parameters
    ----------
    text : str
        A formula or a relation.
    names : sequence of str, optional
        Columns that there are; without it, any name is taken for a column.
    """

    def __init__(self, text: str, names: Sequence[str] | None = None) -> None:
        if not isinstance(text, str):
            raise InputError(f"relations: a formula is a text, got {type(text).__name__}.")
        self.text = text
        self.names = None if names is None else list(names)
        self.tokens = list(_split(text))
        self.position = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        """The piece that is read next."""
        return self.tokens[self.position]

    def sees(self, *texts: str) -> bool:
        """Return whether the next piece is one of these signs or words."""
        return self.token.kind in ("sign", "word") and self.token.text in texts

    def take(self, *texts: str) -> Token | None:
        """Return the next piece and go on where it is one of these signs or words; else None."""
        return self.advance() if self.sees(*texts) else None

    def advance(self) -> Token:
        """Return the next piece and go on."""
        token = self.token
        self.position += token.kind != "end"
        return token

    def expect(self, text: str) -> Token:
        """Return the next sign or word, which has to be this one."""
        return self.take(text) or self.refuse(f"expected {text!r}")

    def finish(self) -> None:
        """Refuse whatever is left."""
        if self.token.kind != "end":
            self.refuse("expected an operator or the end")

    def refuse(self, expected: str) -> NoReturn:
        """Raise that something else was expected here."""
        token = self.token
        shown = "the end" if token.kind == "end" else repr(token.text)
        if token.kind == "sign" and token.text in "'\"`":
            self.fail(f"the quote {token.text} is not closed", token)
        meant = _MEANT.get(token.text, "") if token.kind == "sign" else ""
        self.fail(f"{expected}, got {shown}" + (f"; write {meant}" if meant else ""), token)

    def fail(self, message: str, token: Token) -> NoReturn:
        """Raise an InputError that shows the place of a token."""
        start = max(token.place - 60, 0)
        line = "".join(sign if sign.isprintable() else " " for sign in self.text[start : token.place + 40])
        before = line[: token.place - start]
        indent = sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in before)
        odd = [
            name for name in self.names or () if write_name(name) != name and self._lies_in(name, token.place)
        ]
        hint = f" A name that is no plain word needs backticks: {write_name(odd[0])}" if odd else ""
        raise InputError(f"relations: {message.rstrip('.')}.{hint}\n    {line}\n    {' ' * indent}^")

    def _lies_in(self, name: str, place: int) -> bool:
        """Return whether a place of the text lies in a column's name."""
        found = re.finditer(re.escape(name), self.text)
        return any(match.start() <= place < match.end() for match in found)

    def column(self, expected: str = "expected a column") -> str:
        """Read a column's name."""
        token = self.token
        if token.kind != "column" and (token.kind != "word" or token.text in _RESERVED):
            self.refuse(expected)
        name = self.advance().text
        if self.names is None or name in self.names:
            return name
        # Letters with accents have two spellings that look alike.
        alike = {unicodedata.normalize("NFC", known): known for known in self.names}
        if (composed := unicodedata.normalize("NFC", name)) in alike:
            return alike[composed]
        meant = suggest(name, self.names)
        self.fail(f"there is no column {name!r}.{meant} The columns are {list_names(self.names)}", token)

    def formula(self) -> Formula:
        """Read a formula up to the first sign that belongs to none."""
        start = self.token.place
        root = self._sum()
        return Formula(self.text[start : self.tokens[self.position - 1].end], root)

    def _sum(self) -> Node:
        return self._chain("+", "+-", lambda: self._chain("*", "*/", self._factor))

    def _chain(self, name: str, signs: str, read: Callable[[], Node]) -> Node:
        parts, found = [read()], []
        while sign := self.take(*signs):
            part = read()
            opposite = _negate(part) if name == "+" else None  # a - -b reads better as a + b
            parts.append(part if opposite is None else opposite)
            found.append(sign.text if opposite is None else {"+": "-", "-": "+"}[sign.text])
        if not found:
            return parts[0]
        first = parts[0]
        if isinstance(first, Operation) and first.name == name:
            # (a + b) + c is a + b + c, in floating point too.
            return Operation(name, (*first.parts, *parts[1:]), (*first.signs, *found))
        return Operation(name, tuple(parts), tuple(found))

    def _factor(self) -> Node:
        """Read a power, or a minus and its operand: as in Python, -a ** -b is -(a ** (-b))."""
        self.depth += 1
        if self.depth > _MOST_NESTED:
            self.fail(f"this is nested more than {_MOST_NESTED} deep; write it flatter", self.token)
        node: Node
        if self.take("-"):
            part = self._factor()
            opposite = _negate(part)
            node = Operation("-", (part,)) if opposite is None else opposite
        else:
            node = self._atom()
            if self.take("**"):
                node = Operation("**", (node, self._factor()))
        self.depth -= 1
        return node

    def _atom(self) -> Node:
        token = self.token
        if token.kind == "number":
            number = float(self.advance().text)
            return number if math.isfinite(number) else self.fail("this number is too large", token)
        if self.take("("):
            node = self._sum()
            self.expect(")")
            return node
        if token.kind == "word" and self.tokens[self.position + 1].text == "(":
            return self._call()
        if token.kind == "text":
            self.fail(
                "texts stand in conditions of 'implies' only; columns are written in backticks, and new rows "
                'are bounded by a date with where={"day": ">= 2024-01-31"}, not with a rule',
                token,
            )
        return self.column("expected a column, a number, a function or '('")

    def _call(self) -> Node:
        token = self.advance()
        if token.text not in _FUNCTIONS:
            self.fail(f"there is no function {token.text!r}; there are {', '.join(_FUNCTIONS)}", token)
        self.expect("(")
        parts = [self._sum()]
        while self.take(","):
            parts.append(self._sum())
        self.expect(")")
        if token.text in _ROUNDINGS:
            if len(parts) > 2 or (len(parts) == 2 and _read_decimals(parts[1]) is None):
                self.fail(f"write {token.text}(x, k) with a whole number k from -15 to 15", token)
        elif token.text in _OF_ONE and len(parts) > 1:
            self.fail(f"{token.text} takes one argument, got {len(parts)}", token)
        return Operation(token.text, tuple(parts))


def _split(text: str) -> Iterator[Token]:
    """Yield the pieces of a text, and the end."""
    for match in _TOKEN.finditer(text):
        kind, piece = str(match.lastgroup), match.group()
        if kind in ("column", "text"):
            piece = piece[1:-1].replace(piece[0] * 2, piece[0])
        yield Token(kind, piece, match.start(), match.end())
    yield Token("end", "", len(text), len(text))


def write_name(name: str) -> str:
    """Return a column's name as a formula writes it, in backticks where it is no plain word.

    Examples
    --------
    >>> from vaeaug.data.relations.formula import write_name
    >>> print(write_name("age"), write_name("BILL AMT-1"), write_name("class"))
    age `BILL AMT-1` `class`
    """
    plain = name.isascii() and name.isidentifier() and name not in _RESERVED and not keyword.iskeyword(name)
    return name if plain else "`" + name.replace("`", "``") + "`"


def _list_columns(node: Node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Operation):
        for part in node.parts:
            yield from _list_columns(part)


def _negate(node: Node) -> Node | None:
    """Return what a minus stands before, or None where there is none."""
    return node.parts[0] if isinstance(node, Operation) and node.name == "-" else None


def _read_decimals(node: Node) -> int | None:
    """Return a count of decimals, or None where the node is no whole number from -15 to 15."""
    opposite = _negate(node)
    number = node if opposite is None else opposite
    if not isinstance(number, float) or not number.is_integer() or number > 15:
        return None
    return int(number) if opposite is None else -int(number)


def _compute(node: Node, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Compute a node; what is not finite becomes NaN at once, lest 1 / (1 / 0) be 0."""
    if isinstance(node, float):
        return np.array(node)
    if isinstance(node, str):
        result = _numbers(node, values)
    else:
        parts = [_compute(part, values) for part in node.parts]
        if node.signs:
            result = parts[0]
            for sign, part in zip(node.signs, parts[1:], strict=True):
                result = _SIGNS[sign](result, part)
        else:
            result = _OPERATIONS[node.name](*parts)
    return np.where(np.isfinite(result), result, np.nan)


def _numbers(name: str, values: Mapping[str, np.ndarray]) -> np.ndarray:
    if name not in values:
        raise InputError(f"relations: a formula needs column {name!r}, which is not among the values.")
    column = np.asarray(values[name])
    if column.dtype.kind not in "biuf":
        raise InputError(f"relations: column {name!r} holds {column.dtype}; a formula needs numbers.")
    return column.astype(np.float64)


def _count(size: float, microseconds: np.ndarray) -> np.ndarray:
    return microseconds / size


def _power(base: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Return a power; numpy's 1 ** NaN and NaN ** 0 are 1."""
    return np.where(np.isnan(base) | np.isnan(exponent), np.nan, np.power(base, exponent))


def _round_by(
    method: Callable[[np.ndarray], np.ndarray], number: np.ndarray, decimals: np.ndarray | int = 0
) -> np.ndarray:
    """Round to decimals; a number too large to have any stays as it is."""
    scale = 10.0 ** abs(int(decimals))
    scaled = number * scale if decimals >= 0 else number / scale
    whole = np.rint(scaled)
    # 0.29 * 100 is 28.999999999999996, and its floor at two decimals is still 0.29.
    near = np.abs(scaled - whole) <= 4 * np.finfo(np.float64).eps * np.abs(scaled)
    rounded = np.where(near, whole, method(scaled))
    back = rounded / scale if decimals >= 0 else rounded * scale
    # A sum with zero makes 0 of -0, which rows would show as "-0.0".
    return np.where(np.abs(scaled) < 2.0**52, back, number) + 0.0


def _add_all(*parts: np.ndarray) -> np.ndarray:
    return functools.reduce(np.add, parts)


_SIGNS: dict[str, Callable[..., np.ndarray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
_ROUNDINGS: dict[str, Callable[..., np.ndarray]] = {
    "round": functools.partial(_round_by, np.rint),
    "floor": functools.partial(_round_by, np.floor),
    "ceil": functools.partial(_round_by, np.ceil),
}
#: Microseconds of the units in which a formula counts a time between two dates.
UNITS = {"days": 86_400e6, "hours": 3_600e6, "minutes": 60e6, "seconds": 1e6, "weeks": 7 * 86_400e6}
_OF_ONE: dict[str, Callable[..., np.ndarray]] = {
    **{"log": np.log, "exp": np.exp, "sqrt": np.sqrt},
    **{unit: functools.partial(_count, size) for unit, size in UNITS.items()},
}
_FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    **_ROUNDINGS,
    "min": lambda *parts: functools.reduce(np.minimum, parts),
    "max": lambda *parts: functools.reduce(np.maximum, parts),
    "mean": lambda *parts: _add_all(*parts) / len(parts),
    "sum": _add_all,
    **_OF_ONE,
}
_OPERATIONS: dict[str, Callable[..., np.ndarray]] = {**_FUNCTIONS, "**": _power, "-": np.negative}
#: How tightly an operation binds; functions, numbers and columns bind more.
_STRENGTH = {"+": 1, "*": 2, "-": 3, "**": 4}


def _write(node: Node, least: int = 0) -> str:
    """Write a node as algebra, in parentheses where it binds less than asked."""
    if isinstance(node, float):
        return repr(node).removesuffix(".0")
    if isinstance(node, str):
        return write_name(node)
    if node.name not in _STRENGTH:
        return f"{node.name}({', '.join(map(_write, node.parts))})"
    strength = _STRENGTH[node.name]
    if node.name == "-":
        text = "-" + _write(node.parts[0], strength)
    elif node.name == "**":
        text = f"{_write(node.parts[0], 5)} ** {_write(node.parts[1], 3)}"
    else:
        text = _write(node.parts[0], strength + 1)
        for sign, part in zip(node.signs, node.parts[1:], strict=True):
            text += f" {sign} {_write(part, strength + 1)}"
    return f"({text})" if strength < least else text
