"""Text that a reader would take for dates or times, however it is written."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import pandas as pd

__all__ = ["share_of_dates"]

#: Texts that are looked at.
_MOST = 100
_ORDINAL, _MONTH = r"\d{1,2}(st|nd|rd|th)?", "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAY_LIKE = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})"
    rf"|{_ORDINAL}[-/., ]+{_MONTH}[-/., ]+\d{{2,4}}|{_MONTH} {_ORDINAL},? \d{{4}}"
)
_CLOCK_LIKE = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[ap]\.?m\.?)?"
_DATE_LIKE = re.compile(rf"([a-z]{{3,9}},? )?({_DAY_LIKE})([T ,].*)?|{_CLOCK_LIKE}", re.IGNORECASE)


def share_of_dates(texts: Sequence[str]) -> float:
    """Return the share of texts, of the first of them, that are dates or times in any form.

    Examples
    --------
    >>> from vaeaug.utils.dates import share_of_dates
    >>> share_of_dates(["5 March 2021", "12/31/2021", "2021-02-30", "A-12-2021"])
    0.5
    """
    some = list(texts[:_MOST])
    like = [text for text in some if _DATE_LIKE.fullmatch(text.strip())]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times = pd.to_datetime(pd.Series(like, dtype=object), format="mixed", errors="coerce", utc=True)
    return float(times.notna().sum()) / max(1, len(some))
