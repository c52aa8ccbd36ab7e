"""Tables in CSV and Parquet files, read so that writing them again changes no cell."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from vaeaug.errors import InputError
from vaeaug.files import staged
from vaeaug.textcolumns import TextColumn, read_column

__all__ = ["TableFile", "check_format", "formula_columns", "read_table", "shortened", "write_frame"]

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")
_FORMULA = r"^[=+\-@\t\r]"


@dataclass
class TableFile:
    """A table and how its cells were spelled.

    Parameters
    ----------
    frame : DataFrame
        Typed: integers, floats, booleans, dates where asked for, and text.
    spelling : list of TextColumn, optional
        For each column of a text file what its cells looked like.
    separator : str
    notes : list of str
        What the user should know about the way the file was read.
    """

    frame: pd.DataFrame
    spelling: list[TextColumn] | None = None
    separator: str = ","
    notes: list[str] = field(default_factory=list)

    def write(self, path: str | os.PathLike[str], new: pd.DataFrame, flag_column: str | None = None) -> None:
        """Write the rows as they were read, followed by new ones.

        From text to text, every cell of the old rows is written with the characters it had, and the new ones
        are spelled in the same manner.

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
        if self.spelling is not None and suffix in _SEPARATORS:
            columns = {
                j: pd.concat([column.cells, column.spell(new.iloc[:, j])], ignore_index=True)
                for j, column in enumerate(self.spelling)
            }
            whole = pd.DataFrame(columns)
            whole.columns = self.frame.columns
        else:
            whole = pd.concat([self.frame, new], ignore_index=True)
        if flag_column is not None:
            whole[flag_column] = whole.index >= len(self.frame)
        write_frame(path, whole, self.separator if suffix == ".csv" else None)


def check_format(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a table file, in lower case.

    Raises
    ------
    InputError
        If it is neither text nor Parquet, or pyarrow is not installed for the latter.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (*_SEPARATORS, *_PARQUET):
        raise InputError(f"{path} must end in .csv, .tsv or .parquet, which tells the format of the file.")
    if suffix in _PARQUET and find_spec("pyarrow") is None:
        raise InputError(f"{path}: Parquet files need pyarrow; run: pip install vaeaug[parquet]")
    return suffix


def read_table(
    path: str | os.PathLike[str],
    *,
    parse_dates: Sequence[str] = (),
    missing: Iterable[str] = (),
    separator: str | None = None,
) -> TableFile:
    """Read a table; the suffix of its name tells the format.

    Parameters
    ----------
    path : path-like
        ``.csv`` or ``.tsv`` (UTF-8, names in the first line) or ``.parquet``.
    parse_dates : sequence of str
        Columns of a text file that hold dates.
    missing : iterable of str
        Texts that mean "missing" in a text file, besides the empty cell (and, among numbers, besides
        "NA", "NaN", "null" and the like).
    separator : str, optional
        Between the cells of a text file; by default a comma, or a tab in ``.tsv``.

    Raises
    ------
    InputError
        If the file cannot be read as a table, or lacks a column of ``parse_dates``.
    """
    suffix = check_format(path)
    if not Path(path).is_file():
        what = "is a folder" if Path(path).is_dir() else "does not exist"
        raise InputError(f"{path} {what}; give the path of a table.")
    if suffix in _PARQUET:
        return _read_parquet(path)
    cells, separator = _read_cells(path, separator or _SEPARATORS[suffix])
    unknown = [name for name in parse_dates if name not in cells.columns]
    if unknown:
        raise InputError(
            f"{path} has no column {unknown[0]!r}; it has {', '.join(map(repr, cells.columns))}."
        )
    missing = frozenset(missing)
    columns = [
        read_column(cells.iloc[:, j], missing=missing, dates=name in parse_dates)
        for j, name in enumerate(cells.columns)
    ]
    frame = pd.DataFrame({j: column.values for j, column in enumerate(columns)})
    frame.columns = cells.columns
    return TableFile(frame, columns, separator, [note for column in columns for note in column.notes()])


def write_frame(path: str | os.PathLike[str], frame: pd.DataFrame, separator: str | None = None) -> None:
    """Write a frame to a file, whole or not at all; the suffix of its name tells the format.

    Cells are written as they are, also those that a spreadsheet program would run as a formula; see
    :func:`formula_columns`.

    Raises
    ------
    InputError
        If the path cannot be written.
    """
    suffix = check_format(path)
    with staged(path) as temporary:
        if suffix in _PARQUET:
            try:
                frame.to_parquet(temporary, index=False, engine="pyarrow")
            except (ValueError, TypeError, ArithmeticError) as error:  # pyarrow's errors derive from these
                raise InputError(f"{path} cannot be written: {_first_line(error)}") from error
        else:
            frame.to_csv(
                temporary,
                index=False,
                sep=separator or _SEPARATORS[suffix],
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


def shortened(names: Iterable[Any], most: int = 12) -> str:
    """Return names as text for a message, cut where it gets long."""
    listed = [repr(name) for name in names]
    return ", ".join(listed[:most]) + (f", … ({len(listed)} in all)" if len(listed) > most else "")


def _read_parquet(path: str | os.PathLike[str]) -> TableFile:
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (ValueError, TypeError, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {_first_line(error)}") from error
    notes = []
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
        notes.append("the index of the Parquet file is read as a column")
    return TableFile(frame.reset_index(drop=True), notes=notes)


def _read_cells(path: str | os.PathLike[str], separator: str) -> tuple[pd.DataFrame, str]:
    """Return all cells of a text file as text."""
    options: dict[str, Any] = {"sep": separator, "dtype": str, "na_filter": False, "encoding": "utf-8-sig"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header lose cells
            names = pd.read_csv(path, header=None, nrows=1, **options).iloc[0].tolist()
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise InputError(f"{path} names the column {twice[0]!r} more than once; rename one of them.")
            cells = pd.read_csv(path, header=0, names=names, index_col=False, **options)
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path} is empty; it should hold a line of column names, then rows.") from error
    except pd.errors.ParserWarning as error:
        raise InputError(f"{path} has rows with more cells than its first line has names.") from error
    except pd.errors.ParserError as error:
        raise InputError(f"{path} is not a proper table: {_first_line(error)}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it as UTF-8 first.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return cells, separator


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".") + "."
