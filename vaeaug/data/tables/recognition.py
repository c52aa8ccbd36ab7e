"""Tell codes and identifiers from quantities, by the name of a column and by how values repeat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "CODE_NAMES",
    "ID_NAMES",
    "are_decimals",
    "are_grouped_decimals",
    "find_number_signs",
    "find_words",
    "is_called",
    "looks_like_codes",
    "mostly_repeat",
    "rows_with_room",
]

_GROUPS = 64
#: A number with signs around it, and thousands that are grouped.
_SIGNS = "$€£¥₹%"
_SIGNED = re.compile(
    rf"[+-]?[{_SIGNS}]?\s?[+-]?(\d{{1,3}}(?P<sign>[,.' \u00a0\u202f])\d{{3}}((?P=sign)\d{{3}})*|\d+)"
    rf"([.,]\d+)?\s?[{_SIGNS}]?"
)
_DECIMAL = re.compile(r"\s*[+-]?(0|[1-9]\d*)?([.,]\d+)?\s*")
_POINT_DECIMAL = re.compile(r"\s*[+-]?(0|[1-9]\d*)(\.\d+)?\s*")
#: Numbers with a comma before their fraction, and points between thousands: 1.154,79.
_COMMA_DECIMAL = re.compile(r"\s*[+-]?(\d{1,3}(\.\d{3})+|0|[1-9]\d*)(,\d+)?\s*")
#: Texts that are numbers, as a share of the distinct ones, and texts that are looked at.
_MOSTLY_NUMBERS, _LOOKED_AT = 0.95, 1_000
#: Texts beside numbers, at most, and their share.
_FEW_WORDS, _WORD_SHARE = 3, 0.2
_FEWEST_ROWS = 50
#: Share of rows whose value occurs once: about that of unseen values among new real rows (Good and Turing).
_FEW_UNSEEN, _SOME_UNSEEN = 0.15, 0.5
#: Distinct values, as a share of those that numbers of a smooth distribution would have.
_CROWDED, _RATHER_CROWDED = 0.6, 0.75
#: What columns of codes, and of identifiers, are called.
CODE_NAMES = re.compile(r"(^|[^a-z])(zip|zipcode|postal|postcode|plz|fips|sku)([^a-z]|$)|code$")
_ID_WORDS = "(id|ids|uid|uuid|guid|identifier|rownumber|rownum|rowid)"
#: At the beginning or at the end of a name: user_id_count is a count, and price_index a price.
ID_NAMES = re.compile(
    rf"^{_ID_WORDS}([^a-z]|$)|(^|[^a-z]){_ID_WORDS}[^a-z]*$|^(row[^a-z])?index$|^unnamed: 0$"
)


def find_number_signs(texts: Sequence[Any]) -> str:
    """Return the signs that keep text from being read as numbers: of thousands, of a currency, of percent.

    Empty if few of the texts are numbers, or none has such a sign.

    Examples
    --------
    >>> from vaeaug.data.tables.recognition import find_number_signs
    >>> find_number_signs(["1,234.50", "$ 12.00", "7"]), find_number_signs(["12", "007"])
    ('$,', '')
    """
    some = [text.strip() for text in texts[:_LOOKED_AT] if isinstance(text, str)]
    forms = [_SIGNED.fullmatch(text) for text in some]
    if not some or len(some) < len(texts[:_LOOKED_AT]) or sum(map(bool, forms)) < _MOSTLY_NUMBERS * len(some):
        return ""
    found = {form["sign"] for form in forms if form is not None and form["sign"] not in (None, ".")}
    return "".join(sorted(found | {sign for sign in _SIGNS for text in some if sign in text}))


def are_decimals(texts: Sequence[Any]) -> bool:
    """Whether texts are plain numbers with a fraction, some of them maybe whole.

    Examples
    --------
    >>> from vaeaug.data.tables.recognition import are_decimals
    >>> are_decimals(["1739.00", "-12"]), are_decimals(["0,5", "12,25"]), are_decimals(["12", "007"])
    (True, True, False)
    """
    some = texts[:_LOOKED_AT]
    return (
        bool(some)
        and all(isinstance(text, str) and _DECIMAL.fullmatch(text) for text in some)
        and any(re.search("[.,]", text) for text in some)
    )


def are_grouped_decimals(texts: Sequence[Any]) -> bool:
    """Whether texts are numbers with decimal commas, and with points between thousands.

    Examples
    --------
    >>> from vaeaug.data.tables.recognition import are_grouped_decimals
    >>> are_grouped_decimals(["1.154,79", "9,99", "12"]), are_grouped_decimals(["1.154", "9,99"])
    (True, False)
    """
    some = texts[:_LOOKED_AT]
    return (
        bool(some)
        and all(isinstance(text, str) and _COMMA_DECIMAL.fullmatch(text) for text in some)
        and any("." in text and "," in text for text in some)
    )


def find_words(texts: Sequence[Any]) -> list[str]:
    """Return the few texts among distinct ones that are no numbers; none if there are many, or signs.

    Examples
    --------
    >>> from vaeaug.data.tables.recognition import find_words
    >>> find_words([*map(str, range(20)), "unlimited"]), find_words(["1", "7 GB", "007"])
    (['unlimited'], [])
    """
    words: list[str] = []
    for text in texts:
        if isinstance(text, str) and _POINT_DECIMAL.fullmatch(text):
            continue
        words.append(text)
        if len(words) > _FEW_WORDS or any(character.isdigit() for character in str(text)):
            return []
    return words if len(words) <= _WORD_SHARE * len(texts) else []


def is_called(name: Any, names: re.Pattern[str]) -> bool:
    """Whether the name of a column has one of some words in it."""
    return names.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name)).lower()) is not None


def rows_with_room(t: np.ndarray, rows: np.ndarray, is_lattice: bool) -> float:
    """Return how many distinct values rows of a smooth distribution would have.

    Parameters
    ----------
    t : ndarray of float64, shape (m,)
        Sorted coordinates of the distinct values; on a lattice, in steps of it.
    rows : ndarray of int64, shape (m,)
        Rows of each.
    is_lattice : bool
        Off a lattice no two rows would share a value.

    Notes
    -----
    Inside each of up to 64 stretches of as many rows, m rows fall evenly on w lattice points and meet
    ``w (1 − (1 − 1/w)^m)`` of them.
    """
    total = float(rows.sum())
    if not is_lattice or not t.size:
        return total
    middle = np.cumsum(rows) - 0.5 * rows
    group = np.floor(middle * min(_GROUPS, max(1, t.size // 8)) / total)
    first = np.flatnonzero(np.diff(group, prepend=-1.0))
    last = np.append(first[1:], t.size) - 1
    points, here = t[last] - t[first] + 1.0, np.add.reduceat(rows, first)
    met = -points * np.expm1(here * np.log1p(-1.0 / np.maximum(points, 1.0 + 1e-9)))
    return float(np.minimum(met, points).sum())


def mostly_repeat(values: np.ndarray, rows: np.ndarray, room: float) -> bool:
    """Whether a new real row would nearly always repeat a value seen, though there is room for others."""
    few_unseen = (rows == 1).sum() <= _FEW_UNSEEN * rows.sum()
    return bool(rows.sum() >= _FEWEST_ROWS and few_unseen and values.size <= _CROWDED * room)


def looks_like_codes(name: Any, values: np.ndarray, rows: np.ndarray, room: float) -> bool:
    """Whether whole numbers are codes: zip codes, article numbers.

    Their column is called so; or they all have the same number of digits, which they use from end to end, and
    repeat far more often than quantities would.

    Parameters
    ----------
    name : hashable
        Of the column.
    values, rows : ndarray, shape (m,)
        Sorted distinct values, and rows of each.
    room : float
        See :func:`rows_with_room`.
    """
    if is_called(name, CODE_NAMES):
        return True
    low, high = int(values[0]), int(values[-1])
    digits = len(str(low))
    fills = low > 0 and len(str(high)) == digits >= 3 and high >= 5 * low
    some_unseen = (rows == 1).sum() <= _SOME_UNSEEN * rows.sum()
    crowded = rows.sum() >= _FEWEST_ROWS and values.size <= _RATHER_CROWDED * room
    return bool(fills and some_unseen and crowded)
