"""Classes that get rows and may not be meant to: misspelled ones, and those of a row or a few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vaeaug.errors import VaeaugWarning
from vaeaug.utils.notes import warn_caller

__all__ = ["find_misspellings", "warn_of_classes", "warn_of_tiny_classes"]

#: Rows of a class up to which one letter is a slip, and its size beside the other class, at most.
_FEW, _SMALL = 5, 0.1
_FEWEST_LETTERS = 3
_MOST_CLASSES, _MOST_SHOWN = 500, 5
#: A class of fewer rows says little of what it is like; told where it gets so many times its rows.
_TOO_FEW, _MANY = 5, 10


def find_misspellings(counts: Mapping[Any, int]) -> dict[str, str]:
    """Return labels that are probably misspelled, with the label that is probably meant.

    A label is suspect if it differs by case or white space from one with at least ten times its rows, or,
    with at most 5 rows, by one letter.

    Parameters
    ----------
    counts : mapping
        Label to number of rows.

    Examples
    --------
    >>> from vaeaug.data.labels.spelling import find_misspellings
    >>> find_misspellings({"yes": 900, "Yes ": 40, "yess": 1, "no": 2_000, "not": 300})
    {'Yes ': 'yes', 'yess': 'yes'}
    """
    texts = {label: count for label, count in counts.items() if isinstance(label, str)}
    if len(texts) > _MOST_CLASSES:
        return {}
    found = {}
    for label, count in texts.items():
        larger = [other for other, rows in texts.items() if count <= _SMALL * rows]
        near = [other for other in larger if _plain(other) == _plain(label)]
        if not near and count <= _FEW:
            near = [other for other in larger if _is_one_letter_off(_plain(label), _plain(other))]
        if near:
            found[label] = max(near, key=lambda other: texts[other])
    return found


def warn_of_classes(counts: Mapping[Any, int], wanted: Mapping[Any, int]) -> None:
    """Warn of classes that get new rows and are probably misspelled, or too small to learn from.

    Parameters
    ----------
    counts : mapping
        Label to number of rows.
    wanted : mapping
        Label to number of new rows.

    Warns
    -----
    VaeaugWarning
    """
    misspelled = find_misspellings(counts)
    _warn_of_misspellings(counts, {label: misspelled[label] for label in wanted if label in misspelled})
    rest = {label: rows for label, rows in wanted.items() if label not in misspelled}
    warn_of_tiny_classes(counts, rest, "ask for fewer new ones with sampling_strategy")


def warn_of_tiny_classes(counts: Mapping[Any, int], wanted: Mapping[Any, int], otherwise: str) -> None:
    """Warn of classes too small to learn from that get many new rows.

    Parameters
    ----------
    counts, wanted : as of :func:`warn_of_classes`
    otherwise : str
        What to do if there are no more real rows.

    Warns
    -----
    VaeaugWarning
    """
    tiny = [
        f"{label!r} ({counts[label]:,})"
        for label, rows in wanted.items()
        if counts[label] < _TOO_FEW and rows >= _MANY * counts[label]
    ]
    if tiny:
        more = len(tiny) - _MOST_SHOWN
        shown = ", ".join(tiny[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
        warn_caller(
            f"y has classes of fewer than {_TOO_FEW} rows, and their many new rows are guesses: {shown}. "
            f"Collect more real rows, or {otherwise}.",
            VaeaugWarning,
        )


def _warn_of_misspellings(counts: Mapping[Any, int], found: Mapping[Any, str]) -> None:
    """Warn of classes that get new rows and are probably misspellings of others."""
    if not found:
        return
    listed = [f"{label!r} ({counts[label]:,}) beside {meant!r}" for label, meant in found.items()]
    more = len(listed) - _MOST_SHOWN
    shown = ", ".join(listed[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
    repair = dict(list(found.items())[:_MOST_SHOWN])
    warn_caller(
        f"y has classes that look misspelled and get rows of their own: {shown}. If they are the same class, "
        f"write them alike first: y = y.replace({repair!r}).",
        VaeaugWarning,
    )


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def _is_one_letter_off(one: str, other: str) -> bool:
    """Whether a letter was added, left out, replaced, or swapped with the next; digits tell classes apart."""
    short, long = sorted((one, other), key=len)
    if len(short) < _FEWEST_LETTERS or len(long) - len(short) > 1:
        return False
    k = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return long[k].isalpha() and short[k:] == long[k + 1 :]
    if not (short[k : k + 1].isalpha() and long[k].isalpha()):
        return False
    swapped = short[k + 1 : k + 2] + short[k] + short[k + 2 :]
    return len(short) > _FEWEST_LETTERS and (short[k + 1 :] == long[k + 1 :] or swapped == long[k:])
