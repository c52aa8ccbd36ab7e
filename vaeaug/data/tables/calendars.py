"""Dates and times written as numbers, as columns of times and back: 20090301, 200903, 1330."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.dtypes import NumberStorage, as_series, mask_of
from vaeaug.data.tables.translation import Translation
from vaeaug.errors import InputError, RejectedColumn

__all__ = ["YEARS", "DateNumbers", "Form", "early"]

_DAY = 86_400
#: With fewer distinct values, or where these repeat, each is a token: nothing but dates would be made anyway.
_FEW, _FEW_REPEATED = 10, 256
_MOST = 10**14 - 1
#: Nats of evidence that numbers are dates: each would be one by chance with the share of its form.
_EVIDENCE = 25.0
#: Numbers that are no dates, such as 0 or 99991231, and the share of rows that have one of them, at most.
_MOST_SPECIAL, _MOST_SPECIAL_ROWS = 3, 0.1
#: Years of ordinary dates; others stand for something else.
YEARS = (1800, 2199)
#: What a special number becomes: a time so early that no calendar has it.
_BEFORE_ALL = -(10**7) * _DAY

#: field -> digits, smallest and largest value.
_FIELDS = {"Y": (4, 1, 9999), "y": (2, 0, 99), "m": (2, 1, 12), "d": (2, 1, 31), "j": (3, 1, 366)} | {
    field: (2, 0, most) for field, most in (("H", 23), ("M", 59), ("S", 59))
}
#: Forms in the order in which they are tried, and the share of numbers in their range that are such a date.
_FORMS = {
    "YmdHMS": 0.004,
    "YmdHM": 0.006,
    "YmdH": 0.01,
    "Ymd": 0.04,
    "dmY": 0.04,
    "mdY": 0.04,
    "Yj": 0.4,
    "Ym": 0.12,
    "ymd": 0.04,
    "dmy": 0.04,
    "mdy": 0.04,
    "HMS": 0.36,
    "HM": 0.6,
}


@dataclass(frozen=True)
class Form:
    """A way to write a date or time as one number, leading zeros lost.

    Parameters
    ----------
    fields : str
        Of ``strftime``, from left to right: ``"Ymd"`` for 20090301.
    """

    fields: str

    def read(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return seconds since 1970 and which numbers are dates, both (n,); others become the nearest field.

        Parameters
        ----------
        numbers : ndarray of int64, shape (n,)
        """
        rest, parts = np.abs(numbers), {}
        valid = numbers >= 0
        for field in reversed(self.fields):
            digits, low, high = _FIELDS[field]
            part = rest % 10**digits
            rest = rest // 10**digits
            parts[field] = np.clip(part, low, high)
            valid &= parts[field] == part
        valid &= rest == 0
        year = parts.get("Y", np.full(numbers.shape, 1970))
        if "y" in parts:
            year = parts["y"] + np.where(parts["y"] < 69, 2000, 1900)  # as strptime reads them
        months = (year - 1970) * 12 + parts.get("m", 1) - 1
        first, next_first = (_days(months + more) for more in (0, 1))
        day = parts.get("d", np.ones(numbers.shape, dtype=np.int64))
        if "j" in parts:
            day, next_first = parts["j"], _days(months + 12)
        inside = np.minimum(day, next_first - first)
        valid &= inside == day
        clock = (parts.get("H", 0) * 60 + parts.get("M", 0)) * 60 + parts.get("S", 0)
        return (first + inside - 1) * _DAY + clock, valid

    def write(self, seconds: np.ndarray) -> np.ndarray:
        """Return dates as numbers, int64 of shape (n,)."""
        days, clock = seconds // _DAY, seconds % _DAY
        stamps = days.astype("datetime64[D]")
        months, years = stamps.astype("datetime64[M]"), stamps.astype("datetime64[Y]")
        year = years.astype(np.int64) + 1970
        parts = {
            "Y": year,
            "y": year % 100,
            "m": months.astype(np.int64) % 12 + 1,
            "d": days - months.astype("datetime64[D]").astype(np.int64) + 1,
            "j": days - years.astype("datetime64[D]").astype(np.int64) + 1,
            "H": clock // 3600,
            "M": clock // 60 % 60,
            "S": clock % 60,
        }
        numbers = np.zeros(seconds.shape, dtype=np.int64)
        for field in self.fields:
            numbers = numbers * 10 ** _FIELDS[field][0] + parts[field]
        return numbers

    @property
    def example(self) -> str:
        """How the first of March 2009, 13:30, is written."""
        texts = {"Y": "2009", "y": "09", "m": "03", "d": "01", "j": "060", "H": "13", "M": "30", "S": "00"}
        return str(int("".join(texts[field] for field in self.fields)))


@dataclass
class DateNumbers(Translation):
    """Numbers that are dates or times of day, such as 20090301, 200903 or 1330.

    Parameters
    ----------
    storage : NumberStorage
        How the column is stored.
    fields : str
        See :class:`Form`.
    special : list of int
        Numbers that are no dates, such as 0, 99999999 or 99991231; they stay what they are.
    native : str
        Dtype in which the storage reads them.
    """

    storage: NumberStorage
    fields: str
    special: list[int]
    native: str
    kind = "dates as numbers"

    @classmethod
    def of(cls, series: pd.Series) -> DateNumbers | None:
        """Take numbers that are hardly anything else."""
        try:
            storage = NumberStorage.of(series)
            values, missing = storage.read(series)
        except (RejectedColumn, InputError):
            return None
        distinct, rows = np.unique(values[~missing], return_counts=True)
        few = distinct.size <= _FEW_REPEATED and rows.sum() >= 2 * distinct.size
        if distinct.size <= _FEW or few or distinct[0] < 0 or distinct[-1] > _MOST:
            return None
        numbers = distinct.astype(np.int64)
        if (numbers != distinct).any():
            return None
        for fields, chance in _FORMS.items():
            special = _find_special(Form(fields), numbers, rows)
            evidence = (numbers.size - len(special or ())) * -np.log(chance)
            if special is not None and evidence >= _EVIDENCE:
                return cls(storage, fields, special, values.dtype.name)
        return None

    def forward(self, series: pd.Series) -> pd.Series:
        """Return times."""
        values, missing = self.storage.read(series)
        numbers = np.rint(np.clip(np.where(missing, 0, values), 0, _MOST)).astype(np.int64)
        seconds, _ = Form(self.fields).read(numbers)
        for k, number in enumerate(self.special):
            seconds[numbers == number] = early(k)
        seconds[missing] = np.iinfo(np.int64).min
        return pd.Series(seconds.view("datetime64[s]"), index=series.index, name=series.name)

    def backward(self, series: pd.Series) -> pd.Series:
        """Return numbers."""
        missing = mask_of(series)
        seconds = np.where(missing, 0, series.to_numpy().view(np.int64))
        is_special = seconds < _BEFORE_ALL
        numbers = Form(self.fields).write(np.where(is_special, 0, seconds))
        for k, number in enumerate(self.special):
            numbers[seconds == early(k)] = number
        return as_series(self.storage.write(numbers.astype(self.native), missing), series.name)

    @property
    def points(self) -> tuple[int, ...]:
        """The times that special numbers become."""
        return tuple(early(k) for k in range(len(self.special)))

    @property
    def note(self) -> str:
        """How dates are written."""
        return f"dates or times, written like {Form(self.fields).example}"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {**super().to_json(), "storage": self.storage.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DateNumbers:
        """Rebuild from :meth:`to_json`."""
        return super().from_json({**data, "storage": NumberStorage.from_json(data["storage"])})


def _days(months: np.ndarray) -> np.ndarray:
    """Return the first days of months since 1970, in days since 1970."""
    return np.asarray(months).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def early(k: int) -> int:
    """Return the time that the k-th special value becomes, in seconds since 1970."""
    return _BEFORE_ALL * (k + 2)


def _find_special(form: Form, numbers: np.ndarray, rows: np.ndarray) -> list[int] | None:
    """Return the few numbers that are no ordinary dates of a form; None if they are too many."""
    seconds, valid = form.read(numbers)
    if "Y" in form.fields:
        years = seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
        valid &= (years >= YEARS[0]) & (years <= YEARS[1])
    if (~valid).sum() > _MOST_SPECIAL or rows[~valid].sum() > _MOST_SPECIAL_ROWS * rows.sum():
        return None
    if form.fields[0] == "H" and np.unique(seconds[valid] // 3600).size < 5:
        return None  # numbers below 60 are minutes of the first hour, and anything else
    least = 10 if numbers[-1] < 10_000 else 3
    if "y" in form.fields and np.unique(numbers[valid] // 100).size < least:
        return None  # 101 to 131, or 101 to 920: rooms, prices, courses
    if form.fields == "HM" and (numbers[valid] % 100).max() < 30:
        return None  # times reach the second half of an hour; rooms 101 to 928 do not
    return [int(number) for number in numbers[~valid]]
