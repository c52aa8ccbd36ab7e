"""Numbers, lists and errors as messages put them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

__all__ = [
    "count",
    "describe_seconds",
    "first_line",
    "format_change",
    "format_number",
    "hide_secrets",
    "list_names",
    "suggest",
    "suggest_offset",
]

#: User names and passwords of URLs, which may hold slashes, and parameters that are secrets.
_USERS = re.compile(r"(?<=://)(?:[^\s@?#]*:[^\s@?#]*|[^\s@?#/]*)@")
_SECRETS = re.compile(
    r"([?&;][^=&\s]*(?:key|secret|token|pass|pwd|sig|auth|credential)[^=&\s]*=)[^&#\s'\"]+", re.IGNORECASE
)


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number of things as text.

    Examples
    --------
    >>> from vaeaug.utils.wording import count
    >>> count(1, "row"), count(1200, "row"), count(2, "class", "classes")
    ('1 row', '1,200 rows', '2 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def describe_seconds(seconds: float) -> str:
    """Return a duration as a reader takes it in.

    Examples
    --------
    >>> from vaeaug.utils.wording import describe_seconds
    >>> describe_seconds(34.4), describe_seconds(200), describe_seconds(9000)
    ('34 seconds', '3 minutes', '2.5 hours')
    """
    if seconds < 100:
        return count(round(seconds), "second")
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def format_number(value: float, decimals: int = 3) -> str:
    """Return a rounded number as text; what rounds to 0 has no sign.

    Examples
    --------
    >>> from vaeaug.utils.wording import format_number
    >>> format_number(-0.0312), format_number(-0.0004)
    ('-0.031', '0.000')
    """
    text = f"{value:.{decimals}f}"
    return text if text.strip("-0.") else text.lstrip("-")


def format_change(value: float) -> str:
    """Return a difference as text, with its sign unless it rounds to 0.

    Examples
    --------
    >>> from vaeaug.utils.wording import format_change
    >>> format_change(0.0312), format_change(-0.0004)
    ('+0.031', '0.000')
    """
    text = format_number(value)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def list_names(names: Iterable[Any], most: int = 12) -> str:
    """Return names as text for a message, cut where it gets long.

    Examples
    --------
    >>> from vaeaug.utils.wording import list_names
    >>> list_names(["a", 2, 3.5], most=2)
    "'a', 2, … (3 in all)"
    """
    listed = [repr(_to_plain(name)) for name in names]
    return ", ".join(listed[:most]) + (f", … ({len(listed)} in all)" if len(listed) > most else "")


def _to_plain(name: Any) -> Any:
    """Return a scalar of numpy as Python's own; numpy is not imported for it, since --help needs none."""
    return name.item() if type(name).__module__ == "numpy" and hasattr(name, "item") else name


def suggest(name: str, known: Iterable[Any]) -> str:
    """Return a question after the names that were probably meant; empty where none is near.

    Examples
    --------
    >>> from vaeaug.utils.wording import suggest
    >>> suggest("Chrun", ["city", "churn"]), suggest("size", ["city", "churn"])
    (" Did you mean 'churn'?", '')
    """
    folded = {str(each).casefold(): _to_plain(each) for each in known}
    near = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=2, cutoff=0.65)]
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def suggest_offset(labels: Iterable[Any], known: Iterable[Any]) -> str:
    """Return what to do with labels that are all one more, or one less, than known ones; empty for others.

    Examples
    --------
    >>> from vaeaug.utils.wording import suggest_offset
    >>> suggest_offset([1, 2, 3], [0, 1, 2])[:43]
    ' All are one more than a label of fit: if c'
    >>> suggest_offset([1, 2], [0, 1, 2]), suggest_offset([0, 2, 9], [0, 1, 2]), suggest_offset([3], [2])
    ('', '', '')
    """
    found, own = set(map(_to_plain, labels)), set(map(_to_plain, known))
    numbers = all(isinstance(label, int | float) and not isinstance(label, bool) for label in found | own)
    if not numbers or len(found) < 2 or found <= own:
        return ""
    for step, word, way in ((1, "more", "labels - 1"), (-1, "less", "labels + 1")):
        if {label - step for label in found} <= own:
            return (
                f" All are one {word} than a label of fit: if classes are numbered from "
                f"{min(own) + step:g} here and from {min(own):g} there, pass {way}."
            )
    return ""


def hide_secrets(text: str) -> str:
    """Return text with what URLs in it say of users, passwords and keys replaced.

    Examples
    --------
    >>> from vaeaug.utils.wording import hide_secrets
    >>> hide_secrets("s3://me:s3/cret@bucket/rows?region=eu&session_token=abc cannot be read")
    's3://***@bucket/rows?region=eu&session_token=*** cannot be read'
    """
    return _SECRETS.sub(r"\1***", _USERS.sub("***@", text))


def first_line(error: Exception) -> str:
    """Return the first line of an error's message as a sentence; its type where there is none."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".") + "."
