"""One column of a text file: what its cells mean, and how new cells are spelled like them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from vaeaug.errors import InputError
from vaeaug.utils.dates import share_of_dates

__all__ = ["TextColumn", "describe_dates", "describe_gaps", "read_column"]

# What stands for a missing number. In a column of text only the empty cell does: "NA" may be Namibia.
_NO_NUMBER = frozenset(
    {"", "#N/A", "-NaN", "-nan", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "NaT"}
)
#: Cells of text that may mean the same.
_MAY_BE_MISSING = (_NO_NUMBER | {"-", "--", "?", "."}) - {""}
_WHOLE = r"\s*[+-]?\d+\s*"
_WITH_COMMA = r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*"
_THOUSANDS = r"\s*[+-]?\d{1,3},\d{3}\s*"
_GROUPED = r"\s*[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?\s*"
_LEADING_ZERO = r"\s*[+-]?0\d.*"
_ISO = "ISO8601"
#: Day and month lead, in either order; dots stand where the day comes first.
_TWO_NUMBERS = re.compile(r"\s*\d{1,2}([-/.])\d{1,2}\1")
_MOSTLY = 0.8
#: Characters of a cell that a note shows.
_SHOWN = 40
#: Columns that a note lists.
_LISTED = 5
_NULL_SIGN = "\N{SYMBOL FOR NULL}"


@dataclass
class TextColumn:
    """The cells of a column as text, and as values of a type.

    Parameters
    ----------
    cells : Series of str
        As in the file.
    values : Series
        Of the same length: integers, floats, booleans, dates or text, with missing values.
    date_format : str, optional
        How dates are spelled.
    decimal : {".", ","}
        What numbers have before their fraction.
    thousands : str, optional
        What stands between groups of three digits.
    style : str, optional
        How dates were read.
    is_ambiguous : bool
        Whether dates are others with day and month exchanged, and no cell tells which is meant.
    """

    cells: pd.Series
    values: pd.Series
    date_format: str | None = None
    decimal: str = "."
    thousands: str | None = None
    style: str | None = None
    is_ambiguous: bool = False

    def spell(self, new: pd.Series) -> pd.Series:
        """Return new values as text, in the manner of the cells.

        A value that occurred is spelled as it mostly was, a missing one too; other numbers get the decimals
        that all cells had, if they all had the same, and dates their format.

        Parameters
        ----------
        new : Series
            Of the dtype of ``values``.

        Returns
        -------
        Series of str
        """
        new = new.reset_index(drop=True)
        missing = new.isna()
        text = self._plain(new)
        known = pd.DataFrame({"value": self.values, "cell": self.cells})[self.values.notna()]
        if len(known) and self.date_format is None:
            usual = known.value_counts(sort=True).reset_index().drop_duplicates("value")
            spelled = new.map(pd.Series(usual["cell"].to_numpy(), index=pd.Index(usual["value"])))
            text = text.where(spelled.isna(), spelled.astype(object))
        empty = self.cells[self.values.isna()]
        return text.mask(missing, empty.mode().iloc[0] if len(empty) else "").astype(object)

    def notes(self) -> list[str]:
        """Return what the user should know about the way this column was read."""
        if not _is_text(self.values):
            return []
        texts = self.values.dropna().astype(str)
        distinct = pd.Series(texts.unique(), dtype=object)
        if not len(distinct):
            return []
        name = self.cells.name
        if self.cells.str.contains("\0", regex=False).any():
            return [f"cells of {name!r} hold null characters; a saved model has {_NULL_SIGN} in their place"]
        if share_of_dates(distinct.tolist()) > _MOSTLY:
            return [f"column {name!r} is read as text; if it holds dates, add --parse-dates {_quote(name)}"]
        if distinct.str.fullmatch(_THOUSANDS).mean() > _MOSTLY:
            return [
                f'column {name!r} is read as text; if its commas group thousands, add --thousands ",", '
                'if they stand before a fraction, --decimal ","'
            ]
        if distinct.str.fullmatch(_WITH_COMMA).mean() > _MOSTLY:
            return [f'column {name!r} is read as text; if it holds decimal numbers, add --decimal ","']
        if distinct.str.contains(r"\..*,").any() and distinct.str.fullmatch(_GROUPED).mean() > _MOSTLY:
            return [
                f"column {name!r} is read as text; if it holds decimal numbers, add "
                '--decimal "," --thousands "."'
            ]
        odd = distinct[pd.to_numeric(distinct, errors="coerce").isna()]
        if 0 < len(odd) < (1 - _MOSTLY) * len(distinct):
            example = min(odd, key=len)
            if len(example) > _SHOWN:
                return [f"column {name!r} is read as text, because of cells such as {example[:_SHOWN]!r}…"]
            return [
                f"column {name!r} is read as text, because of cells such as {example!r}; if these mean "
                f"missing, add --missing {_quote(example)}"
            ]
        return []

    def _plain(self, new: pd.Series) -> pd.Series:
        if self.date_format == _ISO:
            return pd.Series([*map(str, new)], dtype=object)
        if self.date_format is not None:
            return new.dt.strftime(self.date_format).astype(object)
        if pd.api.types.is_float_dtype(new):
            pattern = rf"^[+-]?[^{re.escape(self.decimal)}]+{re.escape(self.decimal)}(\d+)$"
            known = self.cells[self.values.notna()].str.strip()
            decimals = known.str.extract(pattern)[0].str.len()
            if len(decimals) and decimals.notna().all() and decimals.nunique() == 1:
                fixed = np.char.mod(f"%.{int(decimals.iloc[0])}f", new.to_numpy(dtype=np.float64))
                return self._group(self._with_decimal(pd.Series(fixed, dtype=object)))
            text = new.astype(str).astype(object)
            if not known.str.contains(self.decimal, regex=False).all():  # whole numbers are written as such
                text = text.str.removesuffix(".0")
            return self._group(self._with_decimal(text))
        text = new.astype(str).astype(object)
        return self._group(text) if pd.api.types.is_integer_dtype(new) else text

    def _group(self, numbers: pd.Series) -> pd.Series:
        """Return spelled numbers with their thousands in groups."""
        if self.thousands is None:
            return numbers
        parts = numbers.str.extract(r"^([+-]?\d+)?(.*)$").fillna("")
        return parts[0].str.replace(r"(?<=\d)(?=(?:\d{3})+$)", self.thousands, regex=True) + parts[1]

    def _with_decimal(self, numbers: pd.Series) -> pd.Series:
        return numbers if self.decimal == "." else numbers.str.replace(".", self.decimal, regex=False)


def describe_gaps(columns: Sequence[TextColumn]) -> list[str]:
    """Return a note on cells of text that usually mean missing, if there are any."""
    found: dict[str, list[str]] = {}
    for column in columns:
        if _is_text(column.values):
            shares = column.values[column.values.isin(_MAY_BE_MISSING)].value_counts() / len(column.values)
            for text, share in shares.items():
                found.setdefault(str(text), []).append(
                    f"{column.cells.name!r} {share:.1%}".replace("%", " %")
                )
    if not found:
        return []
    listed = ", ".join(f"{text!r} ({', '.join(names[:_LISTED])})" for text, names in found.items())
    more = ", and so on" if len(found) > 1 else ""
    return [
        f"text columns have cells that may mean missing, and are read as text: {listed}. If "
        f"{'one' if more else 'it'} means missing, add --missing {_quote(next(iter(found)))}{more}"
    ]


def describe_dates(columns: Sequence[TextColumn]) -> list[str]:
    """Return a note on dates of which no cell tells day from month, if there are any."""
    found = [column for column in columns if column.is_ambiguous]
    if not found:
        return []
    names = ", ".join(repr(column.cells.name) for column in found[:_LISTED])
    cells = found[0].cells
    example = cells[cells.str.match(_TWO_NUMBERS)].iloc[0]
    return [
        f"dates of {names} such as {example!r} are read month first, as no cell tells month from day; if the "
        "day comes first, add --day-first"
    ]


def read_column(
    cells: pd.Series,
    *,
    missing: Set[str] = frozenset(),
    dates: bool = False,
    day_first: bool = False,
    decimal: str = ".",
    thousands: str | None = None,
) -> TextColumn:
    """Find out what the cells of a column mean.

    Numbers with leading zeros, and whole numbers too long for a computer's integers, are names of something
    and stay text.

    Parameters
    ----------
    cells : Series of str
    missing : set of str
        Texts that mean "missing", besides the usual.
    dates : bool
        Whether the column holds dates.
    day_first : bool
        Whether the day comes first in dates such as 01/05/2024 where no cell tells.
    decimal : {".", ",", "auto"}
        What numbers have before their fraction; "auto": a comma where that cannot be meant otherwise.
    thousands : str, optional
        What stands between groups of three digits.

    Raises
    ------
    InputError
        If ``dates`` and a cell is none.
    """
    if dates:
        return _read_dates(cells, cells.isin(_NO_NUMBER | missing), day_first)
    empty = cells.isin(_NO_NUMBER | missing)
    filled = cells[~empty]
    if len(filled):
        grouped = thousands is not None and _is_grouped(filled, thousands)
        if decimal == "auto":
            decimal = "." if grouped and thousands == "," else _find_decimal(filled)
        values = _numbers(filled.str.replace(str(thousands), "", regex=False) if grouped else filled, decimal)
        if values is None:
            values = _booleans(filled)
        if values is not None:
            return TextColumn(
                cells,
                _with_gaps(values, cells.index),
                decimal=decimal,
                thousands=thousands if grouped else None,
            )
    values = cells.astype(object).mask(cells.isin({"", *missing}), None)
    return TextColumn(cells, _without_nulls(values))


def _is_grouped(filled: pd.Series, thousands: str) -> bool:
    """Tell whether a sign stands between groups of three digits wherever it stands."""
    some = filled[filled.str.contains(thousands, regex=False)]
    sign = re.escape(thousands)
    return len(some) > 0 and bool(some.str.fullmatch(rf"\s*[+-]?\d{{1,3}}({sign}\d{{3}})+(\D\d*)?\s*").all())


def _find_decimal(filled: pd.Series) -> str:
    """Return "," if all cells are numbers with decimal commas, and these cannot separate thousands."""
    with_comma = filled[filled.str.contains(",", regex=False)]
    if not len(with_comma) or not filled.str.fullmatch(_WITH_COMMA + "|" + _WHOLE).all():
        return "."
    return "." if with_comma.str.fullmatch(_THOUSANDS).all() else ","


def _numbers(filled: pd.Series, decimal: str) -> pd.Series | None:
    """Return the cells as integers or floats; None if they are something else."""
    if decimal != ".":
        if filled.str.contains(".", regex=False).any():
            return None
        filled = filled.str.replace(decimal, ".", regex=False)
    if filled.str.contains("\0", regex=False).any():  # where parsers written in C stop reading
        return None
    values = pd.to_numeric(filled, errors="coerce")
    if values.isna().any() or filled.str.fullmatch(_LEADING_ZERO).any():
        return None
    if pd.api.types.is_float_dtype(values) and filled.str.fullmatch(_WHOLE).all():
        return None
    return values


def _booleans(filled: pd.Series) -> pd.Series | None:
    lower = filled.str.lower()
    return lower == "true" if lower.isin(["true", "false"]).all() else None


def _without_nulls(values: pd.Series) -> pd.Series:
    """Return texts with a visible sign for the null character, at which code written in C stops reading."""
    if not values.str.contains("\0", regex=False, na=False).any():
        return values
    signs = [_NULL_SIGN, *map(chr, range(0xE000, 0xF8FF))]
    free = next(sign for sign in signs if not values.str.contains(sign, regex=False, na=False).any())
    return values.str.replace("\0", free, regex=False)


def _with_gaps(values: pd.Series, index: pd.Index) -> pd.Series:
    """Return values for all rows, missing where there is none; integers and booleans stay what they are."""
    if len(values) == len(index):
        return values.astype(bool) if pd.api.types.is_bool_dtype(values) else values
    if pd.api.types.is_bool_dtype(values):
        values = values.astype("boolean")
    elif pd.api.types.is_integer_dtype(values):
        values = values.astype("UInt64" if values.dtype.kind == "u" else "Int64")
    return values.reindex(index)


def _read_dates(cells: pd.Series, empty: pd.Series, day_first: bool) -> TextColumn:
    filled = cells[~empty]
    if not len(filled):
        raise InputError(f"Column {cells.name!r} has no dates: all its cells are empty.")
    styles = _date_styles(filled.iloc[0], day_first)
    for style in styles:
        values = _parse_dates(filled, style)
        if values.notna().all():
            kept = style != _ISO and (values.dt.strftime(style) == filled).all()
            return TextColumn(
                cells,
                values.reindex(cells.index),
                style if kept else _ISO,
                style=style,
                is_ambiguous=style.startswith("%m") and _fits_another(filled, values, styles),
            )
    odd = filled[_parse_dates(filled, styles[0]).isna()].iloc[0]
    others = "" if odd == filled.iloc[0] else f", or not written like {filled.iloc[0]!r}"
    raise InputError(
        f"Column {cells.name!r} cannot be read as dates: {odd!r} is not one{others}; correct it, or read the "
        "column as text."
    )


def _parse_dates(filled: pd.Series, style: str) -> pd.Series:
    """Return the cells as dates, missing where they are not of this style; in UTC where offsets differ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = pd.to_datetime(filled, format=style, errors="coerce")
        except ValueError:  # offsets that differ, from pandas 3 on
            return pd.to_datetime(filled, format=style, errors="coerce", utc=True)
        if pd.api.types.is_datetime64_any_dtype(values):
            return values
        return pd.to_datetime(filled, format=style, errors="coerce", utc=True)


def _fits_another(filled: pd.Series, values: pd.Series, styles: Sequence[str]) -> bool:
    """Whether another style that begins with the day reads all cells, some of them as other dates."""
    others = [_parse_dates(filled, style) for style in styles if style.startswith("%d")]
    return any(other.notna().all() and (other != values).any() for other in others)


def _date_styles(example: str, day_first: bool = False) -> list[str]:
    """Return formats to try, the likeliest first: the day leads where dots stand between the numbers."""
    leading = _TWO_NUMBERS.match(example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = leading is not None and (day_first or leading[1] == ".")
        guesses = [guess_datetime_format(example, dayfirst=each) for each in (first, not first)]
    return [*dict.fromkeys(guess for guess in guesses if guess), _ISO]


def _is_text(values: pd.Series) -> bool:
    return bool(pd.api.types.is_object_dtype(values) or pd.api.types.is_string_dtype(values))


def _quote(text: object) -> str:
    plain = str(text)
    return plain if re.fullmatch(r"[\w.-]+", plain) else f'"{plain}"'
