"""Dates and times written as text, as columns of times and back: "01.03.2009", "3/1/2009 1:30 PM"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.calendars import YEARS, early
from vaeaug.data.tables.dtypes import is_text, mask_of, read_objects
from vaeaug.data.tables.translation import TypedTranslation
from vaeaug.utils.dates import share_of_dates
from vaeaug.utils.wording import list_names

__all__ = ["DateTexts", "are_dates", "are_few_texts"]

#: With fewer distinct texts, or where these repeat, each is a category.
_FEW, _FEW_REPEATED = 10, 24
_LONGEST_TEXT = 40
#: Distinct texts beside the dates that are none, such as "0000-00-00" or "N/A", at most.
_MOST_SPECIAL = 8
#: Texts that rule out most forms.
_FIRST = 50
#: What stands for a zone after a time of day, if it is the same in all texts.
_ZONE = re.compile(r":\d\d(?:\.\d+)?( ?(?:[+-]\d\d(?::?\d\d)?|Z|GMT|UTC))$")
#: Forms also have "%-d", a day without its leading zero, and "%3f", milliseconds; marks of what to cut there.
_CUT_ZERO, _CUT_DIGITS = "\x01", "\x02"


@dataclass
class DateTexts(TypedTranslation):
    """Text that is dates or times, all written in one form.

    Parameters
    ----------
    dtype, marker
        See :class:`TypedTranslation`.
    form : str
        Of ``strftime``; besides ``%-d`` for numbers without leading zero, and ``%3f`` for milliseconds.
    special : list of str
        Texts that are no dates, such as "0000-00-00" or "N/A"; they stay what they are.
    """

    form: str = ""
    special: list[str] = field(default_factory=list)
    kind = "dates as text"

    @classmethod
    def of(cls, series: pd.Series) -> DateTexts | None:
        """Take text that is dates, and a few other texts beside; of few dates, each is a category."""
        present, marker = read_objects(series)
        if is_text(series.dtype):
            present = series.dropna().to_numpy(dtype=object).tolist()
        if not present or any(not isinstance(text, str) for text in present):
            return None
        distinct = pd.unique(np.array(present, dtype=object))
        found = None if are_few_texts(len(distinct), len(present)) else _find_form(distinct)
        return None if found is None else cls(series.dtype, marker, *found)

    def read(self, series: pd.Series) -> pd.Series:
        """Return times; text that is none becomes missing."""
        texts = series.astype(object).mask(mask_of(series) | series.isin(self.special), None)
        return _parse(texts, self.form).astype(self._plain)

    def forward(self, series: pd.Series) -> pd.Series:
        """Return times, very early ones for special texts; other text that is none becomes missing."""
        times = self.read(series)
        for text, point in zip(self.special, self.points, strict=True):
            times[series.isin([text])] = np.array([point]).view(self._plain)[0]
        return times

    def backward(self, series: pd.Series) -> pd.Series:
        """Return text."""
        ticks = series.astype(self._plain).to_numpy().view(np.int64)
        texts = _write(series.mask(np.isin(ticks, self.points)), self.form)
        for text, point in zip(self.special, self.points, strict=True):
            texts[ticks == point] = text
        return self.restore(texts, str).astype(self.dtype)

    @property
    def points(self) -> tuple[int, ...]:
        """The times that special texts become, in the unit of the plain column."""
        per_second = {"s": 1, "ms": 10**3, "us": 10**6}[_unit(self.form)]
        return tuple(early(k) * per_second for k in range(len(self.special)))

    @property
    def note(self) -> str:
        """How dates are written."""
        kept = f"; cells such as {list_names(self.special)} stay as they are" if self.special else ""
        return f"dates or times, written as {self.form}{kept}"

    @property
    def _plain(self) -> Any:
        """Dtype of the plain column."""
        return np.dtype(f"datetime64[{_unit(self.form)}]")


def are_few_texts(distinct: int, rows: int) -> bool:
    """Whether text has so few distinct values that each is a category, dates or not."""
    return distinct <= _FEW or (distinct <= _FEW_REPEATED and rows >= 2 * distinct)


def are_dates(texts: Sequence[str]) -> bool:
    """Whether most texts are dates or times, in one form or several."""
    return share_of_dates(texts) > 0.5 or _find_form(np.array(texts, dtype=object)) is not None


def _unit(form: str) -> str:
    return "us" if "%f" in form else "ms" if "%3f" in form else "s"


def _parse(texts: pd.Series, form: str) -> pd.Series:
    return pd.to_datetime(texts, format=form.replace("%-", "%").replace("%3f", "%f"), errors="coerce")


def _write(times: pd.Series, form: str) -> pd.Series:
    """Return times as text; strftime has no numbers without leading zeros on every system."""
    marked = form.replace("%-", f"{_CUT_ZERO}%").replace("%3f", f"%f{_CUT_DIGITS}")
    texts = times.dt.strftime(marked).astype(object)
    if marked == form:
        return texts
    return texts.str.replace(rf"{_CUT_ZERO}0?|\d{{3}}{_CUT_DIGITS}", "", regex=True).astype(object)


def _shape(text: Any) -> str:
    """Return text with 9 for each number and a for each word."""
    short = text[:_LONGEST_TEXT] if isinstance(text, str) else ""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", short))


def _list_forms() -> dict[str, list[str]]:
    """Return forms of dates as text by their shape."""
    days = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d"]
    days += ["%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%y", "%a, %d %b %Y"]
    days += ["%A, %d %B %Y", "%A, %B %d, %Y", "%Y-%m", "%m/%Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y"]
    days += [_cut_zeros(day) for day in days if day not in ("%Y%m%d", "%Y-%m")]
    clocks = ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S.%3f", "%I:%M %p", "%I:%M:%S %p"]
    clocks += [re.sub("^%", "%-", clock) for clock in clocks]
    forms = [*days, *clocks, *(f"{day}{gap}{clock}" for day, gap, clock in product(days, " T", clocks))]
    found: dict[str, list[str]] = {}
    for form in forms:
        shape = re.sub("%-?[YymdHIMSf]|%3f", "9", re.sub("%[abABp]|T", "a", form))
        found.setdefault(re.sub("9+", "9", shape), []).append(form)
    return found


def _cut_zeros(form: str) -> str:
    return re.sub("%([md])", r"%-\1", form)


_FORMS = _list_forms()


def _forms_of(some: Sequence[str]) -> list[str]:
    """Return the forms that most texts may have, with their zone."""
    zone = Counter(found[1] if (found := _ZONE.search(text)) else "" for text in some).most_common(1)[0][0]
    shape = Counter(_shape(text.removesuffix(zone)) for text in some).most_common(1)[0][0]
    return [form + zone for form in _FORMS.get(shape, ())]


def _find_form(texts: np.ndarray) -> tuple[str, list[str]] | None:
    """Return the form of distinct texts, and those that are no dates of it; None if there are too many."""
    best: tuple[str, list[str]] | None = None
    for form in _forms_of(texts[:_FIRST].tolist()):
        special = _find_special(texts, form)
        if special is not None and (best is None or len(special) < len(best[1])):
            best = form, special
        if best and not best[1]:
            break
    return best


def _find_special(texts: np.ndarray, form: str) -> list[str] | None:
    """Return the few texts that are not written like ordinary dates of a form; None if they are too many."""
    for part in (texts[:_FIRST], texts):  # most forms are ruled out by the first few
        times = _parse(pd.Series(part, dtype=object), form)
        odd = times.isna().to_numpy() | (_write(times, form) != part).to_numpy()
        if odd.sum() > _MOST_SPECIAL:
            return None
    far = odd | ~times.dt.year.between(*(YEARS if "%Y" in form else (0, 9999))).to_numpy()
    odd = far if far.sum() <= _MOST_SPECIAL else odd
    # Beside very early times, floats would not hold microseconds.
    if (~odd).sum() <= _FEW or (odd.any() and _unit(form) == "us"):
        return None
    return list(texts[odd])
