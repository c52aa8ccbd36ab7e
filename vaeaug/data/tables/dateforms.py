"""Dates in another spelling than that of fit: read where that is certain, refused elsewhere."""

from __future__ import annotations

import datetime
import numbers
import re
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.calendars import DateNumbers
from vaeaug.data.tables.datetexts import DateTexts
from vaeaug.data.tables.datetime import TimeStorage
from vaeaug.data.tables.dtypes import as_series, mask_of
from vaeaug.data.tables.registry import TranslatedCodec
from vaeaug.data.tables.stretches import lay_out, probe
from vaeaug.errors import InputError
from vaeaug.utils.wording import count, list_names

__all__ = ["respell_dates"]

#: Year, month and day, and a time: no other order of them is written so.
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?")


def respell_dates(codec: ColumnCodec, series: pd.Series, who: str) -> pd.Series:
    """Return a column of dates as fit saw them; one that is so already, or holds no dates, as it is.

    Parameters
    ----------
    codec : ColumnCodec
        Fitted on the column as the user sees it.
    series : Series of shape (n,)
    who : str
        Begins the message.

    Raises
    ------
    InputError
        For cells that cannot be read, or say more than cells of fit do, such as a time beside days.
    """
    translation: Any = codec.translation_ if isinstance(codec, TranslatedCodec) else None
    inner = codec.codec_ if isinstance(codec, TranslatedCodec) else codec
    storage: Any = getattr(inner, "storage_", None)
    is_read = translation is None or isinstance(translation, DateTexts | DateNumbers)
    if not (isinstance(storage, TimeStorage) and is_read and _has_days(storage.plain)):
        return series
    missing = mask_of(series)
    other = ~missing & ~_find_own(series, storage, translation)
    if not other.any():
        return series
    found = _parse(series[other].reset_index(drop=True), getattr(storage.plain, "tz", None))
    kept = found.dt.normalize() if storage.plain is None else found.astype(storage.plain)
    good = (kept == found).to_numpy()
    if translation is None:
        spelled = as_series(storage.write(*storage.read(kept)), series.name)
    else:
        spelled = translation.backward(kept)
        good = good & (translation.forward(spelled) == kept).to_numpy()
    if not good.all():
        raise _refuse(codec, series[other][~good], who)
    made = series.astype(object)
    made[other] = spelled.to_numpy(dtype=object)
    return _convert(made, spelled.dtype)


def _has_days(plain: Any) -> bool:
    """Whether times of such a dtype are dates, not durations or periods."""
    return plain is None or (plain.kind == "M" and not isinstance(plain, pd.PeriodDtype))


def _find_own(series: pd.Series, storage: TimeStorage, translation: Any) -> np.ndarray:
    """Return which cells are written as in fit, bool (n,)."""
    if isinstance(translation, DateTexts):
        is_text = _are(series, str)
        read = translation.read(series.astype(object).where(is_text, None))
        return is_text & (series.isin(translation.special) | read.notna()).to_numpy(dtype=bool)
    if isinstance(translation, DateNumbers):
        return _are(series, numbers.Number)
    if storage.plain is None:
        return _are(series, datetime.date) & ~_are(series, datetime.datetime)
    is_zoned = getattr(series.dtype, "tz", None) is not None
    same = getattr(series.dtype, "kind", "") == "M" and is_zoned == hasattr(storage.plain, "tz")
    return np.full(len(series), same or series.dtype == storage.dtype)


def _are(series: pd.Series, kind: Any) -> np.ndarray:
    """Return which cells are of a type, bool (n,)."""
    return np.array([isinstance(cell, kind) for cell in series.astype(object)], dtype=bool)


def _parse(series: pd.Series, zone: Any) -> pd.Series:
    """Return times; NaT for cells that are none, or have a zone where the column has none."""
    cells = series.astype(object)
    forms = [_ISO.fullmatch(cell.strip()) if isinstance(cell, str) else None for cell in cells]
    is_zoned = np.array([bool(form and form[1]) for form in forms])
    is_zoned |= [getattr(cell, "tzinfo", None) is not None for cell in cells]
    is_read = _are(cells, (datetime.date, np.datetime64)) | np.array([form is not None for form in forms])
    local = _read(cells.where(is_read & ~is_zoned, None))
    if zone is None:
        return local
    there = _read(cells.where(is_read & is_zoned, None), utc=True).dt.tz_convert(zone)
    return local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").fillna(there)


def _read(cells: pd.Series, utc: bool = False) -> pd.Series:
    return pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=utc)


def _convert(made: pd.Series, dtype: Any) -> pd.Series:
    """Return cells of fit's spelling in its dtype; whole numbers beside missing ones as floats."""
    is_whole = isinstance(dtype, np.dtype) and dtype.kind in "iu"
    return made.astype(np.float64 if is_whole and made.isna().any() else dtype)


def _refuse(codec: ColumnCodec, cells: pd.Series, who: str) -> InputError:
    """Return the error for cells that cannot be read."""
    seen = codec.decode(lay_out(codec, *probe(codec))).dropna()
    return InputError(
        f"{who}: column {cells.name!r} has {count(len(cells), 'cell')} that cannot be read as dates of the "
        f"column, first in row {list_names(cells.index[:1])}: {list_names(cells[:1])}. Fit saw cells such as "
        f"{str(seen.iloc[len(seen) // 2])!r}. Write them so, or as year-month-day, such as '2024-12-31', or "
        "leave them missing."
    )
