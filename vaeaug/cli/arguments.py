"""What the arguments of the command line may be; a refusal says what is allowed."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from vaeaug.errors import InputError
from vaeaug.io.csv import check_encoding

__all__ = [
    "parse_count",
    "parse_device",
    "parse_encoding",
    "parse_jobs",
    "parse_not_negative",
    "parse_positive",
    "parse_seed",
    "parse_separator",
    "parse_strategy",
]

STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")


def parse_strategy(text: str) -> str | float | dict[str, int]:
    """Return a strategy of how many rows are added: a name, a ratio, or rows of each class."""
    if text in STRATEGIES:
        return text
    if "=" in text:
        pairs = [pair.rpartition("=") for pair in text.split(",")]
        if all(label and rows.strip().isdigit() for label, _, rows in pairs):
            return {label.strip(): int(rows) for label, _, rows in pairs}
        raise argparse.ArgumentTypeError(
            f"{text!r} does not give each class a whole number of rows, as yes=500,maybe=300 does"
        )
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is none of {', '.join(STRATEGIES)}, a ratio such as 0.5, or yes=500,maybe=300"
        ) from None


def _read(text: str, kind: Callable[[str], Any], is_allowed: Callable[[Any], bool], what: str) -> Any:
    try:
        value = kind(text)
        if is_allowed(value):
            return value
    except (ValueError, ArithmeticError):
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not {what}")


def parse_seed(text: str) -> int:
    """Return a seed."""
    return int(_read(text, int, lambda value: 0 <= value < 2**32, "a whole number from 0 to 4294967295"))


def parse_count(text: str) -> int:
    """Return a whole number of 1 or more; ``1e9`` is one."""
    # Decimals are exact, so that 1e9 is a billion and 1.5 is refused.
    is_whole = lambda value: value.is_finite() and value >= 1 and value == int(value)  # noqa: E731
    return int(_read(text, Decimal, is_whole, "a whole number of 1 or more"))


def parse_jobs(text: str) -> int:
    """Return a number of processes, or -1 for all cores."""
    return int(
        _read(text, int, lambda value: value >= 1 or value == -1, "a whole number of 1 or more, or -1")
    )


def parse_positive(text: str) -> float:
    """Return a number above 0."""
    return float(_read(text, float, lambda value: 0 < value < math.inf, "a number above 0"))


def parse_not_negative(text: str) -> float:
    """Return a number of 0 or more."""
    return float(_read(text, float, lambda value: 0 <= value < math.inf, "a number of 0 or more"))


def parse_separator(text: str) -> str:
    """Return the character between cells; ``\\\\t`` is a tab."""
    separator = text.encode().decode("unicode_escape") if text.startswith("\\") else text
    if len(separator) != 1 or separator in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is not one character that can separate cells")
    return separator


def parse_encoding(text: str) -> str:
    """Return the name of an encoding that there is."""
    try:
        return check_encoding(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_device(text: str) -> str:
    """Return the name of a device."""
    if not re.fullmatch(r"[a-z]+(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is none of auto, cpu, cuda, cuda:0, ...")
    return text
