"""Text files of cells: read so that writing them again changes no character."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice, repeat
from typing import Any

from vaeaug.errors import InputError
from vaeaug.utils.files import replace_file
from vaeaug.utils.wording import count

__all__ = ["TextTable", "check_encoding", "read_names", "read_text", "suggest_separator", "write_text"]

# The longer ones first: that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Encodings that write a mark by themselves, and what they are without.
_WITHOUT_MARK = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_CHUNK = 50_000
#: Records that are looked at to learn which columns are quoted.
_LOOKED_AT = 1_000
#: Characters of a file that are read for its names alone.
_FIRST = 1_000_000
_END = re.compile(r"(\r\n|\r|\n)?\Z")


@dataclass
class TextTable:
    """The records of a text file, as cells and with the characters they had.

    Parameters
    ----------
    names : list of str
    cells : list of Series of str
        One for each name.
    separator : str
    encoding : str
    mark : bool
        Whether the file begins with a byte-order mark.
    head : str
        The record of names with its line end, and empty lines before it.
    records : list of str
        Each with its line end, and empty lines before it.
    widths : list of int
        Cells of each record; some end early, or with separators behind the last name.
    tail : str
        Empty lines at the end.
    quoted : list of (bool, bool)
        For each column, whether cells are quoted that need not be, and whether empty ones are.
    """

    names: list[str]
    cells: list[Any]
    separator: str
    encoding: str
    mark: bool
    head: str
    records: list[str]
    widths: list[int]
    tail: str = ""
    quoted: list[tuple[bool, bool]] = field(default_factory=list)

    def use_separator(self, separator: str) -> TextTable:
        """Return the table with another separator; quotes stay only where they are needed."""
        if separator == self.separator:
            return self
        end, plain = self._end(), [(False, False)] * len(self.names)
        rows = zip(*self.cells, strict=True)
        return replace(
            self,
            separator=separator,
            head=_spell(self.names, separator, plain) + end,
            records=[_spell(row, separator, plain) + end for row in rows],
            widths=[len(self.names)] * len(self.records),
            tail="",
            quoted=plain,
        )

    def compose(self, new: Sequence[Sequence[str]], flag_column: str | None = None) -> Iterator[str]:
        """Yield the file as it was, record by record, followed by new rows in the same manner.

        Parameters
        ----------
        new : sequence of sequence of str
            Cells of new rows, column by column.
        flag_column : str, optional
            Name of a last column, False for the rows that were there and True for the new ones.
        """
        count = len(new[0]) if new else 0
        head, records, end = self.head, self.records, self._end()
        flagged = flag_column is not None
        width = Counter(self.widths).most_common(1)[0][0] if self.widths else len(self.names)
        width = max(width, len(self.names))
        if flagged:
            width = max(len(_split(self.head, self.separator)), len(self.names))
            quoted = bool(self.quoted) and all(always for always, _ in self.quoted)
            cell = _spell([str(flag_column)], self.separator, [(quoted, quoted)])
            head = self._extend(head, width, width, cell)
            records = [
                self._extend(record, own, width, "False")
                for record, own in zip(records, self.widths, strict=True)
            ]
        last = [head, *records[-1:]][-1]
        yield head
        yield from records
        lacks_end = not last.endswith(("\r", "\n"))
        more = self.separator * (width - len(self.names)) + (self.separator + "True" if flagged else "")
        for i, row in enumerate(zip(*new, strict=True)):
            if i == 0 and lacks_end:
                yield end
            closing = "" if lacks_end and i == count - 1 else end
            yield _spell(row, self.separator, self.quoted) + more + closing
        yield self.tail

    def fill(self, new: Mapping[int, Mapping[int, str]]) -> Iterator[str]:
        """Yield the file as it was, record by record, with new cells in the place of some.

        Parameters
        ----------
        new : mapping of int to mapping of int to str
            By number of the record, new cells by column.
        """
        yield self.head
        for i, (record, own) in enumerate(zip(self.records, self.widths, strict=True)):
            yield self._replace(record, own, new[i]) if i in new else record
        yield self.tail

    def _replace(self, record: str, own: int, new: Mapping[int, str]) -> str:
        """Return a record of ``own`` cells with new ones in the place of some; it may grow by some."""
        blank = re.match(rf"([^\S\r\n{re.escape(self.separator)}]*(\r\n|\r|\n))*", record)
        start = blank.end() if blank else 0
        place = _END.search(record)
        stop = place.start() if place else len(record)
        cells = [found["cell"] for found in _match_cells(record[start:stop], self.separator)][:own]
        cells += [""] * (max(new) + 1 - len(cells))
        for j, cell in new.items():
            cells[j] = _spell([cell], self.separator, [self.quoted[j]])
        return record[:start] + self.separator.join(cells) + record[stop:]

    def _end(self) -> str:
        """Return how lines end."""
        found = _END.search(self.head)
        return (found.group() if found else "") or "\n"

    def _extend(self, record: str, own: int, width: int, cell: str) -> str:
        """Return a record of ``own`` cells with one more cell in the place behind ``width`` others."""
        place = _END.search(record)
        body, end = (record[: place.start()], place.group()) if place else (record, "")
        if own > width:  # what stands behind the last name is empty
            lines = body[: len(body) - len(body.lstrip("\r\n"))]
            body = lines + _spell(_split(body, self.separator)[:width], self.separator, self.quoted)
        return body + self.separator * (max(width - own, 0) + 1) + cell + end


def check_encoding(name: str) -> str:
    """Return the name of a text encoding that Python knows.

    Raises
    ------
    InputError
    """
    try:
        "".encode(name)
    except (LookupError, ValueError) as error:
        raise InputError(
            f"{name!r} is no encoding of text; known are utf-8, utf-16, cp1252, latin-1 and others."
        ) from error
    return name


def read_names(path: str | os.PathLike[str], separator: str, encoding: str | None = None) -> list[str]:
    """Return the names in the first record of a text file.

    Raises
    ------
    InputError
        As :func:`read_text`.
    """
    text, _, _ = _decode(path, encoding, most=_FIRST)
    names = _split(text, separator)
    if not names:
        raise _is_without_names(path)
    return names


def suggest_separator(names: Sequence[str], separator: str | None = None) -> str:
    """Return what to do where the only name looks like several in one; empty where it does not.

    Parameters
    ----------
    names : sequence of str
        Of the first record.
    separator : str, optional
        The one that the user named.

    Examples
    --------
    >>> from vaeaug.io.csv import suggest_separator
    >>> suggest_separator(["age;fee;churn"])
    ' If these are several names in one, set --sep ";".'
    """
    if len(names) != 1 or separator is not None and separator in names[0]:
        return ""
    found = max(";\t|,", key=names[0].count)
    if not names[0].count(found):
        return ""
    shown = "\\t" if found == "\t" else found
    return f' If these are several names in one, set --sep "{shown}".'


def read_text(path: str | os.PathLike[str], separator: str, encoding: str | None = None) -> TextTable:
    """Read a text file whose first record holds the names.

    Parameters
    ----------
    path : path-like
    separator : str
        One character.
    encoding : str, optional
        By default what a byte-order mark says, or else UTF-8.

    Raises
    ------
    InputError
        If the file cannot be read, holds no names, or has rows with more cells than names.
    """
    text, encoding, mark = _decode(path, encoding)
    lines = list(io.StringIO(text, newline=""))
    rows, records, widths, chunks = _records(lines, separator, path), [], [], []
    start = 0
    with _any_length():
        while chunk := list(islice(rows, _CHUNK)):
            for _, stop in chunk:
                records.append("".join(lines[start:stop]))
                start = stop
            chunks.append([row for row, _ in chunk])
            widths += [len(row) for row, _ in chunk]
    if not records:
        raise _is_without_names(path)
    names = chunks[0].pop(0)
    width = _width(path, names, chunks)
    _refuse_repeated(path, names[:width])
    return TextTable(
        names[:width],
        _columns(chunks, width),
        separator,
        encoding,
        mark,
        records[0],
        records[1:],
        widths[1:],
        "".join(lines[start:]),
        _find_quoted(records[1 : _LOOKED_AT + 1], separator, width),
    )


def write_text(
    path: str | os.PathLike[str], pieces: Iterable[str], encoding: str = "utf-8", mark: bool = False
) -> None:
    """Write text to a file, whole or not at all, without changing its line ends.

    Raises
    ------
    InputError
        If the path cannot be written, or the encoding lacks a character.
    """
    with replace_file(path) as temporary, open(temporary, "w", encoding=encoding, newline="") as file:
        try:
            file.write("\ufeff" if mark else "")
            file.writelines(pieces)
        except UnicodeEncodeError as error:
            raise InputError(
                f"{path} cannot be written: {error.object[error.start]!r} is no character of {encoding}."
            ) from error


def _decode(
    path: str | os.PathLike[str], encoding: str | None, most: int | None = None
) -> tuple[str, str, bool]:
    """Return text, encoding, and whether there was a byte-order mark; at most the first bytes of the file."""
    try:
        with open(path, "rb") as file:
            content = file.read() if most is None else file.read(most)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    mark, name = next((found for found in _MARKS if content.startswith(found[0])), (b"", None))
    chosen = name or check_encoding(encoding or "utf-8")
    chosen = _WITHOUT_MARK.get(codecs.lookup(chosen).name, chosen)
    try:
        # A character that is cut by the end of the first bytes is no error.
        decoder = codecs.getincrementaldecoder(chosen)()
        text = decoder.decode(content[len(mark) :], final=most is None or len(content) < most)
    except UnicodeDecodeError as error:
        said = "UTF-8" if encoding is None else chosen
        raise InputError(
            f"{path} is not {said} text (byte {error.start + len(mark):,} is none of it); name its encoding, "
            "such as --encoding cp1252."
        ) from error
    first = text[:2_000]
    if name is None and encoding is None and first.count("\0") * 3 > len(first):
        raise InputError(f"{path} looks like UTF-16 without its mark; add --encoding utf-16-le or utf-16-be.")
    return text, chosen, bool(mark)


@contextmanager
def _any_length() -> Iterator[None]:
    """Let csv read cells of any length meanwhile."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _records(lines: Sequence[str], separator: str, path: Any) -> Iterator[tuple[list[str], int]]:
    """Yield the cells of each record that is not empty, and the number of the line behind it."""
    # The line behind the last one is a record of its own, unless a quote was never closed.
    reader = csv.reader([*lines, "\n"], delimiter=separator)
    for row in reader:
        if _is_empty(row):
            continue
        if reader.line_num > len(lines):
            raise InputError(f"{path} is not a proper table: a quote that opens in it is never closed.")
        yield row, reader.line_num


def _is_without_names(path: Any) -> InputError:
    return InputError(f"{path} is empty; it should hold a line of column names, then rows.")


def _is_empty(row: Sequence[str]) -> bool:
    """Tell whether a record is an empty line; a single cell that is empty is quoted."""
    return not row or (len(row) == 1 and row[0].isspace())


def _split(record: str, separator: str) -> list[str]:
    """Return the cells of the first record."""
    rows = csv.reader(io.StringIO(record, newline=""), delimiter=separator)
    with _any_length():
        return next((row for row in rows if not _is_empty(row)), [])


def _spell(cells: Sequence[str], separator: str, quoted: Sequence[tuple[bool, bool]]) -> str:
    """Return cells as a record without a line end."""
    special = re.compile(f'[{re.escape(separator)}"\r\n]')
    spelled = [
        '"' + cell.replace('"', '""') + '"' if (always if cell else empty) or special.search(cell) else cell
        for cell, (always, empty) in zip(cells, chain(quoted, repeat((False, False))), strict=False)
    ]
    alone = len(spelled) == 1 and (not spelled[0] or spelled[0].isspace())
    return f'"{spelled[0]}"' if alone else separator.join(spelled)


def _width(path: Any, names: Sequence[str], chunks: Sequence[Sequence[Sequence[str]]]) -> int:
    """Return how many columns there are, without those at the end that have neither name nor cells."""
    named = next((j + 1 for j in reversed(range(len(names))) if names[j]), 0)
    width, number = named, 1
    for chunk in chunks:
        for row in chunk:
            number += 1
            if len(row) > named and any(row[named:]):
                width = max(width, next(j + 1 for j in reversed(range(len(row))) if row[j]))
                if width > len(names):
                    raise InputError(
                        f"{path} has rows with more cells than its first line has names: row {number:,} has "
                        f"{len(row)}, and there {'is' if len(names) == 1 else 'are'} "
                        f"{count(len(names), 'name')}.{suggest_separator(names)}"
                    )
    if not width:
        raise InputError(f"{path} holds no names; its first line should name the columns.")
    return width


def _refuse_repeated(path: Any, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{path} names the column {twice[0]!r} more than once; rename one of them.")


def _columns(chunks: Sequence[Sequence[list[str]]], width: int) -> list[Any]:
    """Return cells column by column, short rows filled up with empty ones."""
    import pandas as pd

    parts: list[list[Any]] = [[] for _ in range(width)]
    for chunk in filter(None, chunks):
        filled = [row if len(row) == width else [*row, *[""] * width][:width] for row in chunk]
        for part, cells in zip(parts, zip(*filled, strict=True), strict=True):
            part.append(pd.Series(cells, dtype=str))
    empty = pd.Series([], dtype=str)
    return [pd.concat(part, ignore_index=True) if part else empty for part in parts]


def _match_cells(body: str, separator: str) -> Iterator[re.Match[str]]:
    """Return the cells of a record as they are written; one that is empty may come on top."""
    sign = re.escape(separator)
    return re.finditer(rf'(?P<cell>(?P<quoted>"(?:[^"]|"")*")?(?P<rest>[^{sign}\r\n]*))(?:{sign}|\Z)', body)


def _find_quoted(records: Sequence[str], separator: str, width: int) -> list[tuple[bool, bool]]:
    """Return, for each column, whether cells are quoted that need not be, and whether empty ones are."""
    seen = [[True, True, False, False] for _ in range(width)]  # always quoted, also if empty; any of both
    for record in records:
        body = record.strip("\r\n")
        for column, found in zip(seen, _match_cells(body, separator), strict=False):
            text = found["quoted"] or ""
            empty = text in ("", '""') and not found["rest"]
            column[int(empty)] &= bool(text)
            column[2 + int(empty)] = True
    return [
        (always and filled, also if empties else always and filled) for always, also, filled, empties in seen
    ]
