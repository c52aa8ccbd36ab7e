"""What the user should know about text that is learned as categories, and could be numbers or dates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from vaeaug.data.tables.datetexts import are_few_texts
from vaeaug.data.tables.dtypes import is_object, is_text, is_view
from vaeaug.data.tables.recognition import are_decimals, are_grouped_decimals, find_number_signs
from vaeaug.utils.dates import share_of_dates

__all__ = ["describe_texts"]

_MOST_LISTED = 10
_MOSTLY_DATES = 0.5
#: Signs between thousands alone.
_THOUSANDS = (",", "'", " ", "\u00a0", "\u202f")
_TAKE_OFF = (
    "take the signs off: X[{name!r}] = X[{name!r}].str.replace(r'[^0-9.+-]', '', regex=True).astype(float)"
)
_TAKE_OFF_COMMA = (
    "take the signs off: X[{name!r}] = X[{name!r}].str.replace(r'[^0-9,+-]', '', regex=True)"
    ".str.replace(',', '.').astype(float)"
)
_CONVERT = "convert it: X[{name!r}] = pd.to_numeric(X[{name!r}])"
_READ_DATES = "convert it: X[{name!r}] = pd.to_datetime(X[{name!r}], format='mixed')"
_READ_ZONES = "convert it: X[{name!r}] = pd.to_datetime(X[{name!r}], format='mixed', utc=True)"
_OFFSET = re.compile(r":\d\d(\.\d+)? ?[+-]\d\d:?\d\d$")


class _Advice(NamedTuple):
    """What text could be learned as, and how; ``{name!r}`` stands for the column."""

    kind: str
    how: str


def describe_texts(columns: Iterable[pd.Series]) -> list[str]:
    """Return a note on columns of text that are learned as categories, and could be numbers or dates.

    Parameters
    ----------
    columns : iterable of Series
        Those of other types are left out.
    """
    found: dict[_Advice, dict[Any, str]] = {}
    for series in columns:
        if is_view(series.dtype) or not (is_object(series.dtype) or is_text(series.dtype)):
            continue
        texts = series.dropna().unique().tolist()
        if not texts or any(not isinstance(text, str) for text in texts):
            continue
        advice, example = _advise_numbers(texts, len(series)) or _advise_dates(texts, len(series))
        if advice is not None:
            found.setdefault(advice, {})[series.name] = example
    if not found:
        return []
    ways = " ".join(_describe(advice, examples) for advice, examples in found.items())
    return [
        "X has text that could be numbers or dates. Each text is learned as a category, so new rows have "
        f"known texts only. {ways} To keep categories, list them in categorical_features."
    ]


def _describe(advice: _Advice, examples: dict[Any, str]) -> str:
    listed = ", ".join(f"{name!r} ({example!r})" for name, example in list(examples.items())[:_MOST_LISTED])
    return f"To learn {advice.kind} from {listed}, {advice.how.format(name=next(iter(examples)))}."


def _advise_numbers(texts: Sequence[str], rows: int) -> tuple[_Advice, str] | None:
    signs = find_number_signs(texts)
    has_comma = any(re.search(r",(\d{1,2}|\d{4,})\D*$", text) for text in texts)
    if signs:
        example = next(text for text in texts if set(text) & set(signs))
        off = _TAKE_OFF_COMMA if has_comma else _TAKE_OFF
        return _Advice(
            "numbers", f'read the file with thousands="{signs}"' if signs in _THOUSANDS else off
        ), example
    if are_few_texts(len(texts), rows):
        return None
    if are_grouped_decimals(texts):
        example = next(text for text in texts if "." in text and "," in text)
        return _Advice("numbers", 'read the file with decimal=",", thousands="."'), example
    if not are_decimals(texts):
        return None
    return _Advice("numbers", 'read the file with decimal=","' if has_comma else _CONVERT), texts[0]


def _advise_dates(texts: Sequence[str], rows: int) -> tuple[_Advice | None, str]:
    if are_few_texts(len(texts), rows) or share_of_dates(texts) <= _MOSTLY_DATES:
        return None, ""
    return _Advice("dates", _READ_ZONES if any(map(_OFFSET.search, texts)) else _READ_DATES), texts[0]
