"""What the user should know about text that is learned as categories: numbers, dates, single texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from vaeaug.data.tables.datetexts import are_few_texts
from vaeaug.data.tables.dtypes import is_object, is_text, is_view
from vaeaug.data.tables.recognition import are_decimals, are_grouped_decimals, find_number_signs, find_words
from vaeaug.utils.dates import share_of_dates

__all__ = ["describe_texts", "find_single_texts"]

_MOST_LISTED = 10
_MOSTLY_DATES = 0.5
#: Texts that occur once, at least, and their share of all texts: of cities and words two in three may, and of
#: few rows most.
_MANY_SINGLE, _MOSTLY_SINGLE = 100, 0.8
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
_CONVERT_SOME = (
    "convert it: X[{name!r}] = pd.to_numeric(X[{name!r}], errors='coerce'), which leaves such texts missing"
)
_READ_DATES = "convert it: X[{name!r}] = pd.to_datetime(X[{name!r}], format='mixed')"
_READ_ZONES = "convert it: X[{name!r}] = pd.to_datetime(X[{name!r}], format='mixed', utc=True)"
_OFFSET = re.compile(r":\d\d(\.\d+)? ?[+-]\d\d:?\d\d$")


class _Advice(NamedTuple):
    """What text could be learned as, and how; ``{name!r}`` stands for the column."""

    kind: str
    how: str


def describe_texts(columns: Iterable[pd.Series]) -> list[str]:
    """Return notes on columns of text that are learned as categories.

    Some could be numbers or dates; in others most texts are those of single rows.

    Parameters
    ----------
    columns : iterable of Series
        Those of other types are left out.
    """
    found: dict[_Advice, dict[Any, str]] = {}
    single = []
    for series in columns:
        if not _holds_text(series):
            continue
        texts = series.dropna().unique().tolist()
        if not texts or any(not isinstance(text, str) for text in texts):
            continue
        advice, example = _advise_numbers(texts, len(series)) or _advise_dates(texts, len(series))
        if advice is not None:
            found.setdefault(advice, {})[series.name] = example
        elif once := len(find_single_texts(series)):
            single.append(f"{series.name!r} ({once:,} of {len(texts):,} texts occur once)")
    notes = []
    if found:
        ways = " ".join(_describe(advice, examples) for advice, examples in found.items())
        notes.append(
            "X has text that could be numbers or dates. Each text is learned as a category, so new rows have "
            f"known texts only. {ways} To keep categories, list them in categorical_features."
        )
    if single:
        notes.append(
            f"X has texts of single rows: {', '.join(single[:_MOST_LISTED])}. New rows repeat them word for "
            "word: drop such columns before you share new rows. To keep categories, list them in "
            "categorical_features."
        )
    return notes


def find_single_texts(series: pd.Series) -> pd.Index:
    """Return the texts that occur once, if these are many, and most of the texts; else none.

    Such a column holds comments, names or addresses. Categories mostly repeat.
    """
    if not _holds_text(series):
        return pd.Index([])
    counts = series.value_counts()
    single = counts.index[counts == 1]
    return single if len(single) >= max(_MANY_SINGLE, _MOSTLY_SINGLE * len(counts)) else single[:0]


def _holds_text(series: pd.Series) -> bool:
    return not is_view(series.dtype) and (is_object(series.dtype) or is_text(series.dtype))


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
    if words := find_words(texts):
        return _Advice("numbers", _CONVERT_SOME), words[0]
    if not are_decimals(texts):
        return None
    return _Advice("numbers", 'read the file with decimal=","' if has_comma else _CONVERT), texts[0]


def _advise_dates(texts: Sequence[str], rows: int) -> tuple[_Advice | None, str]:
    if are_few_texts(len(texts), rows) or share_of_dates(texts) <= _MOSTLY_DATES:
        return None, ""
    return _Advice("dates", _READ_ZONES if any(map(_OFFSET.search, texts)) else _READ_DATES), texts[0]
