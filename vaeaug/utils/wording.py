"""Numbers and lists as messages put them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["count", "shortened"]


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number of things as text.

    Examples
    --------
    >>> from vaeaug.utils.wording import count
    >>> count(1, "row"), count(1200, "row"), count(2, "class", "classes")
    ('1 row', '1,200 rows', '2 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def shortened(names: Iterable[Any], most: int = 12) -> str:
    """Return names as text for a message, cut where it gets long."""
    listed = [repr(name) for name in names]
    return ", ".join(listed[:most]) + (f", … ({len(listed)} in all)" if len(listed) > most else "")
