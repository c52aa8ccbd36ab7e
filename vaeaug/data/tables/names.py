"""Names of rows: a count that goes on, or text of a pattern, each time another."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vaeaug.data.tables.serialization import Arrays

__all__ = [
    "Counted",
    "Names",
    "Patterned",
    "find_count",
    "learn_numbers",
    "learn_texts",
    "names_from_state",
]

#: Beyond this the chance of meeting a known name again is nil, and known ones need not be kept.
_ENDLESS = 2**62
#: Rows for each text around the number of a name, at least.
_ROWS_PER_TURN = 8


class Names(ABC):
    """The names of rows that fit has seen, and new ones: numbers 0, 1, … give different ones, none known."""

    kind: ClassVar[str]

    @abstractmethod
    def spell(self, numbers: np.ndarray) -> list[str]:
        """Return new names, as text, by their numbers, int64 of shape (n,)."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""


class Counted(Names):
    """Names that count: integers, or text with a number in it; new ones go on after the largest.

    Parameters
    ----------
    last, step : int
    around : sequence of (str, str)
        Of text: what stands before and after the number; several of them take turns.
    width : int
        Digits of text, with leading zeros.
    """

    kind = "counted"

    def __init__(
        self, last: int, step: int = 1, around: Sequence[Sequence[str]] = (("", ""),), width: int = 0
    ) -> None:
        self.last, self.step, self.width = last, step, width
        self.around = [list(pair) for pair in around]

    def count(self, numbers: np.ndarray) -> list[int]:
        """Return integers that go on after the largest."""
        return [self.last + self.step * (number + 1) for number in numbers.tolist()]

    def spell(self, numbers: np.ndarray) -> list[str]:
        """Return the integers as text."""
        turns = [self.around[number % len(self.around)] for number in numbers.tolist()]
        counted = self.count(numbers)
        return [f"{a}{number:0{self.width}d}{b}" for (a, b), number in zip(turns, counted, strict=True)]

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        return {"kind": self.kind, **vars(self)}, {}


class Patterned(Names):
    """Text of one length that has certain letters at each place, such as UUIDs.

    Names are numbered by mixed radix and called in a scattered order, ``(a k + b) mod capacity``; the known
    ones are left out.

    Parameters
    ----------
    places : list of str
        The letters of each place.
    taken : ndarray of int64, shape (m,)
        Sorted numbers, in that order, of the known names; none where they are endless.
    """

    kind = "patterned"

    def __init__(self, places: Sequence[str], taken: np.ndarray) -> None:
        self.places, self.taken = list(places), taken
        self.capacity = math.prod(len(place) for place in self.places)
        self._shift = self.capacity // 3
        self._factor = max(1, int(self.capacity * 0.6180339887))
        while math.gcd(self._factor, self.capacity) > 1:
            self._factor += 1
        # How many of the free names come before each known one.
        self._free_before = taken - np.arange(taken.size)

    @classmethod
    def learn(cls, texts: Sequence[str]) -> Patterned:
        """Return the pattern of texts of one length."""
        places = ["".join(sorted(set(letters))) for letters in zip(*texts, strict=True)]
        empty = cls(places, np.zeros(0, dtype=np.int64))
        if empty.capacity >= _ENDLESS:
            return empty
        return cls(places, np.sort(empty.number(texts)))

    def number(self, texts: Sequence[str]) -> np.ndarray:
        """Return the numbers of known names in the order in which names are called, int64 of shape (n,)."""
        back = pow(self._factor, -1, self.capacity)
        orders = [{letter: k for k, letter in enumerate(place)} for place in self.places]
        found = np.empty(len(texts), dtype=np.int64)
        for i, text in enumerate(texts):
            number = 0
            for order, letter in zip(orders, text, strict=True):
                number = number * len(order) + order[letter]
            found[i] = (number - self._shift) * back % self.capacity
        return found

    @property
    def room(self) -> int:
        """Number of new names."""
        return self.capacity - self.taken.size

    def spell(self, numbers: np.ndarray) -> list[str]:
        """Return new text of the pattern, and beyond its room longer text."""
        return [self._name(number) for number in numbers.tolist()]

    def _name(self, number: int) -> str:
        more, free = divmod(number, max(1, self.room))
        place = free + int(np.searchsorted(self._free_before, free, side="right")) if self.room else number
        rest = (self._factor * place + self._shift) % self.capacity
        letters = []
        for place_letters in reversed(self.places):
            rest, k = divmod(rest, len(place_letters))
            letters.append(place_letters[k])
        # Longer than any known name, and so new as well.
        return "".join(reversed(letters)) + (f"-{more}" if more or not self.room else "")

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        arrays = {"taken": self.taken} if self.taken.size else {}
        return {"kind": self.kind, "places": self.places}, arrays


def find_count(texts: Sequence[str]) -> Counted | None:
    """Return how to go on counting where texts have a number, and little else that differs; None if not."""
    parts = [re.split(r"(\d+)", text) for text in texts]
    if len({len(part) for part in parts}) > 1 or len(parts[0]) == 1:
        return None
    variety = [len(set(digits)) for digits in list(zip(*parts, strict=True))[1::2]]
    k = 2 * int(np.argmax(variety)) + 1
    around = dict.fromkeys(("".join(part[:k]), "".join(part[k + 1 :])) for part in parts)
    if len(around) > max(1, len(texts) // _ROWS_PER_TURN):
        return None
    digits = [part[k] for part in parts]
    numbers = sorted(set(map(int, digits)))
    step = max(1, math.gcd(*(b - a for a, b in zip(numbers[:-1], numbers[1:], strict=True))))
    width = len(digits[0]) if len(set(map(len, digits))) == 1 else 0
    return Counted(numbers[-1], step, list(around), width)


def learn_texts(texts: list[str]) -> Names:
    """Return how to name new rows like texts that name the known ones."""
    counted = find_count(texts)
    if counted is not None:
        return counted
    longest = max(map(len, texts))
    if min(map(len, texts)) == longest:
        return Patterned.learn(texts)
    # Names of any form: new ones have the same letters, and are longer than all known ones.
    letters = "".join(sorted({letter for text in texts for letter in text if not letter.isspace()}))
    return Patterned([letters] * (longest + 1), np.zeros(0, dtype=np.int64))


def learn_numbers(values: np.ndarray) -> Names:
    """Return how to number new rows after whole numbers; a ValueError for others, and for none."""
    numbers = np.unique(values)
    if not numbers.size or (np.rint(numbers) != numbers).any():
        raise ValueError("not whole")
    listed = [int(number) for number in numbers[-10_000:]]
    step = max(1, math.gcd(*(b - a for a, b in zip(listed[:-1], listed[1:], strict=True))))
    return Counted(listed[-1], step)


def names_from_state(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Names:
    """Rebuild names from their state."""
    options = {key: value for key, value in meta.items() if key != "kind"}
    if meta["kind"] == Counted.kind:
        return Counted(**options)
    return Patterned(options["places"], arrays.get("taken", np.zeros(0, dtype=np.int64)))
