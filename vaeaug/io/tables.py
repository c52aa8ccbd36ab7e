"""Tables in CSV and Parquet files, read so that writing them again changes no cell."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from vaeaug.errors import InputError
from vaeaug.io.cells import TextColumn, describe_dates, describe_gaps, read_column
from vaeaug.io.csv import TextTable, read_text, write_text
from vaeaug.utils.files import PARQUET, SEPARATORS, check_format, check_readable, replace_file
from vaeaug.utils.wording import first_line

__all__ = ["TableFile", "formula_columns", "read_table", "write_frame"]

_FORMULA = r"^(?!-[\d.,' ]+%?$)[=+\-@\t\r]"  # a number with its sign is none


@dataclass
class TableFile:
    """A table and how its cells were spelled.

    Parameters
    ----------
    frame : DataFrame
        Typed: integers, floats, booleans, dates where asked for, and text.
    spelling : list of TextColumn, optional
        For each column of a text file what its cells looked like.
    text : TextTable, optional
        The characters of a text file.
    separators : mapping of str to str
        Between the cells of text files to write, by suffix.
    notes : list of str
        What the user should know about the way the file was read.
    """

    frame: pd.DataFrame
    spelling: list[TextColumn] | None = None
    text: TextTable | None = None
    separators: Mapping[str, str] = field(default_factory=lambda: dict(SEPARATORS))
    notes: list[str] = field(default_factory=list)

    def write(self, path: str | os.PathLike[str], new: pd.DataFrame, flag_column: str | None = None) -> None:
        """Write the rows as they were read, followed by new ones.

        From text to text, the old rows are written with the characters they had, quotes, line ends and a
        byte-order mark too, and the new ones are spelled in the same manner.

        Parameters
        ----------
        path : path-like
            ``.csv``, ``.tsv`` or ``.parquet``.
        new : DataFrame
            With the columns of ``frame``.
        flag_column : str, optional
            Name of a last column that is True for new rows.

        Raises
        ------
        InputError
            If the path cannot be written, or its suffix or the name of the flag column cannot be used.
        """
        suffix = check_format(path)
        if flag_column is not None and flag_column in self.frame.columns:
            raise InputError(
                f"The table has a column {flag_column!r} already; name the flag column otherwise."
            )
        if self.text is not None and self.spelling is not None and suffix in SEPARATORS:
            text = self.text.use_separator(self.separators[suffix])
            cells = [column.spell(new.iloc[:, j]).tolist() for j, column in enumerate(self.spelling)]
            write_text(path, text.compose(cells, flag_column), text.encoding, text.mark)
            return
        whole = pd.concat([self.frame, new], ignore_index=True)
        if flag_column is not None:
            whole[flag_column] = whole.index >= len(self.frame)
        write_frame(path, whole)

    def fill(self, path: str | os.PathLike[str], filled: pd.DataFrame) -> None:
        """Write the table with its missing cells filled.

        From text to text, all other cells are written with the characters they had, and new ones are spelled
        like the others of their column.

        Parameters
        ----------
        path : path-like
            ``.csv``, ``.tsv`` or ``.parquet``.
        filled : DataFrame
            Columns of ``frame`` with fewer missing cells.

        Raises
        ------
        InputError
            If the path cannot be written, or its suffix cannot be used.
        """
        suffix = check_format(path)
        if self.text is None or self.spelling is None or suffix not in SEPARATORS:
            whole = self.frame.copy()
            whole[filled.columns] = filled
            write_frame(path, whole)
            return
        new: dict[int, dict[int, str]] = defaultdict(dict)
        for name in filled.columns:
            j = self.text.names.index(name)
            rows = np.flatnonzero((self.frame[name].isna() & filled[name].notna()).to_numpy())
            for i, cell in zip(rows.tolist(), self.spelling[j].spell(filled[name].iloc[rows]), strict=True):
                new[i][j] = cell
        text = self.text.use_separator(self.separators[suffix])
        write_text(path, text.fill(new), text.encoding, text.mark)


def read_table(
    path: str | os.PathLike[str],
    *,
    parse_dates: Sequence[str] = (),
    day_first: bool = False,
    missing: Iterable[str] = (),
    separator: str | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
) -> TableFile:
    """Read a table; the suffix of its name tells the format.

    Parameters
    ----------
    path : path-like
        ``.csv`` or ``.tsv`` (names in the first line) or ``.parquet``.
    parse_dates : sequence of str
        Columns of a text file that hold dates.
    day_first : bool, default=False
        Whether the day comes first in dates such as 01/05/2024, where no cell of the column tells.
    missing : iterable of str
        Texts that mean "missing" in a text file, besides the empty cell (and, among numbers, besides
        "NA", "NaN", "null" and the like).
    separator : str, optional
        Between the cells of a text file; by default a comma, or a tab in ``.tsv``.
    encoding : str, optional
        Of a text file; by default what a byte-order mark says, or else UTF-8.
    decimal : {".", ","}, optional
        What numbers of a text file have before their fraction. By default a point; and a comma in columns
        that cannot be meant otherwise, where cells are not separated by commas.
    thousands : str, optional
        What stands between groups of three digits in numbers of a text file.

    Raises
    ------
    InputError
        If the file cannot be read as a table, or lacks a column of ``parse_dates``.
    """
    suffix = check_format(path)
    check_readable(path)
    if suffix in PARQUET:
        return _read_parquet(path)
    text = read_text(path, separator or SEPARATORS[suffix], encoding)
    if thousands is not None and thousands == (decimal or "."):
        raise InputError(
            f"--thousands and --decimal are both {thousands!r}; numbers need two signs. Name another one."
        )
    unknown = [name for name in parse_dates if name not in text.names]
    if unknown:
        raise InputError(f"{path} has no column {unknown[0]!r}; it has {', '.join(map(repr, text.names))}.")
    missing = frozenset(missing)
    if decimal is None:
        decimal = "." if text.separator == "," else "auto"
    columns = [
        read_column(
            cells.rename(name),
            missing=missing,
            dates=name in parse_dates,
            day_first=day_first,
            decimal=decimal,
            thousands=thousands,
        )
        for name, cells in zip(text.names, text.cells, strict=True)
    ]
    frame = pd.DataFrame({j: column.values for j, column in enumerate(columns)})
    frame.columns = pd.Index(text.names)
    separators = {**SEPARATORS, suffix: text.separator}
    if separator is not None:
        separators = dict.fromkeys(SEPARATORS, separator)
    said = [column.notes() for column in columns]
    gaps = describe_gaps([column for column, own in zip(columns, said, strict=True) if not own])
    notes = [note for own in said for note in own] + gaps + describe_dates(columns)
    return TableFile(frame, columns, text, separators, notes)


def write_frame(path: str | os.PathLike[str], frame: pd.DataFrame) -> None:
    """Write a frame to a file, whole or not at all; the suffix of its name tells the format.

    Cells are written as they are, also those that a spreadsheet program would run as a formula; see
    :func:`formula_columns`.

    Raises
    ------
    InputError
        If the path cannot be written.
    """
    suffix = check_format(path)
    with replace_file(path) as temporary:
        if suffix in PARQUET:
            try:
                frame.to_parquet(temporary, index=False, engine="pyarrow")
            except (ValueError, TypeError, ArithmeticError) as error:  # pyarrow's errors derive from these
                raise InputError(f"{path} cannot be written: {first_line(error)}") from error
        else:
            frame.to_csv(
                temporary,
                index=False,
                sep=SEPARATORS[suffix],
                encoding="utf-8",
                lineterminator="\n",
            )


def formula_columns(frame: pd.DataFrame) -> list[str]:
    """Return the names of text columns with cells that a spreadsheet program may run as a formula.

    Such cells begin with ``=``, ``+``, ``-`` or ``@``. A table must come back as it was, so they are not
    changed; whoever opens it in such a program should know.
    """
    found = []
    for j, name in enumerate(frame.columns):
        column = frame.iloc[:, j]
        if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
            continue
        texts = pd.Series(column.dropna().unique()).astype(str)
        if texts.str.contains(_FORMULA, regex=True).any():
            found.append(str(name))
    return found


def _read_parquet(path: str | os.PathLike[str]) -> TableFile:
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (ValueError, TypeError, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {first_line(error)}") from error
    notes = []
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
        notes.append("the index of the Parquet file is read as a column")
    return TableFile(frame.reset_index(drop=True), notes=notes)
