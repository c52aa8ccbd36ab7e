"""Put a verdict, tables and pictures on one self-contained HTML page; judges nothing, knows no model."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from numbers import Integral, Real
from platform import machine, python_version, system
from typing import Any

import pandas as pd

from vaeaug.errors import InputError
from vaeaug.reports.pages import render
from vaeaug.utils.files import replace_file
from vaeaug.utils.versions import find_versions
from vaeaug.utils.wording import format_number

__all__ = ["Picture", "Report", "Table", "Text", "library_versions"]

_LIBRARIES = ("vaeaug", "numpy", "pandas", "scikit-learn", "torch")
_MARKS = {"": "", "better": "▲", "worse": "▼"}
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Text:
    """Paragraphs under a heading.

    Parameters
    ----------
    title : str
    paragraphs : sequence of str
    """

    title: str
    paragraphs: Sequence[str]

    def to_html(self) -> str:
        """Return the section as HTML."""
        return render("text.html", title=self.title, paragraphs=self.paragraphs)


@dataclass(frozen=True)
class Table:
    """A DataFrame under a heading; its index becomes row headings.

    Parameters
    ----------
    title : str
    frame : DataFrame
        Cells of any type. Floats are rounded, missing values shown as "–".
    decimals : int, default=3
    marks : DataFrame of str, optional
        Of the shape of ``frame``: ``"better"`` and ``"worse"`` get an arrow and a colour, ``""`` nothing.
    note : str
        Shown below the table.
    """

    title: str
    frame: pd.DataFrame
    decimals: int = 3
    marks: pd.DataFrame | None = None
    note: str = ""

    def to_html(self) -> str:
        """Return the section as HTML.

        Raises
        ------
        InputError
            If the marks are of another shape than the table, or hold other words.
        """
        marks = self._read_marks()
        if self.frame.columns.nlevels > 1:
            raise InputError("Table: a report shows one level of column names; join the levels into one.")
        numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in self.frame.dtypes]
        cells = [
            [
                (_format_cell(value, self.decimals), mark, _MARKS[mark], is_number)
                for value, mark, is_number in zip(row, marks[i], numeric, strict=True)
            ]
            for i, row in enumerate(self.frame.itertuples(index=False))
        ]
        return render(
            "table.html",
            title=self.title,
            levels=[name if name is not None else "" for name in self.frame.index.names],
            columns=list(zip(self.frame.columns, numeric, strict=True)),
            rows=list(zip(_list_headings(self.frame.index), cells, strict=True)),
            note=self.note,
        )

    def _read_marks(self) -> list[list[str]]:
        if self.marks is None:
            return [[""] * self.frame.shape[1]] * len(self.frame)
        if self.marks.shape != self.frame.shape:
            raise InputError(
                f"Table: marks must have the shape of the table, {self.frame.shape}; got {self.marks.shape}."
            )
        rows: list[list[str]] = self.marks.to_numpy().tolist()
        unknown = {mark for row in rows for mark in row} - _MARKS.keys()
        if unknown:
            raise InputError(f"Table: marks must be of {list(_MARKS)}; got {sorted(map(str, unknown))}.")
        return rows


@dataclass(frozen=True)
class Picture:
    """A picture under a heading.

    Parameters
    ----------
    title : str
    png : bytes
        The content of a PNG file; it becomes part of the page.
    alt : str
        What the picture shows, for those who cannot see it.
    note : str
        Shown below the picture.
    """

    title: str
    png: bytes
    alt: str
    note: str = ""

    def to_html(self) -> str:
        """Return the section as HTML.

        Raises
        ------
        InputError
            If the bytes are not those of a PNG file.
        """
        if not bytes(self.png).startswith(_PNG):
            raise InputError(f"Picture {self.title!r}: png must hold the bytes of a PNG file; it does not.")
        data = base64.b64encode(self.png).decode("ascii")
        return render("picture.html", title=self.title, data=data, alt=self.alt, note=self.note)


@dataclass(frozen=True)
class Report:
    """One page: title, verdict, sections, and what was run.

    Everything given is shown as plain text; markup in it is escaped.

    Parameters
    ----------
    title : str
    verdict : str
        The answer, on top: a sentence or two, or a line of them for each paragraph.
    sections : sequence of Text, Table and Picture
    facts : mapping of str to str
        What was run: settings, seeds, versions; shown at the end.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.reports.report import Report, Table
    >>> scores = pd.DataFrame({"recall": [0.5, 0.75]}, index=["before", "after"])
    >>> page = Report("Recall", "It rose.", [Table("Scores", scores)]).to_html()
    >>> "<td class=\\"number\\">0.750</td>" in page
    True
    """

    title: str
    verdict: str
    sections: Sequence[Text | Table | Picture] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_html(self) -> str:
        """Return the page as HTML, without any link to something outside it."""
        return render(
            "report.html",
            title=self.title,
            verdict=self.verdict.splitlines(),
            sections=[section.to_html() for section in self.sections],
            facts=self.facts,
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, or leave the file that was there as it was.

        Raises
        ------
        InputError
            If the path cannot be written.
        """
        page = self.to_html()
        with replace_file(path) as temporary:
            temporary.write_text(page, encoding="utf-8")


def library_versions(names: Sequence[str] = _LIBRARIES) -> dict[str, str]:
    """Return the versions of Python, of the system and of installed packages, without importing them."""
    python = f"{python_version()}, {system()} {machine()}"
    return {"Python": python, **find_versions(names, absent="not installed")}


def _list_headings(index: pd.Index) -> list[list[tuple[Any, int]]]:
    """Return the headings of each row, with the rows that each spans.

    The first of several levels spans the rows it is the same for.
    """
    rows = [tuple(label) if isinstance(label, tuple) else (label,) for label in index]
    headings: list[list[tuple[Any, int]]] = []
    for _, members in groupby(rows, key=lambda labels: labels[0] if len(labels) > 1 else object()):
        group = list(members)
        for i, (first, *rest) in enumerate(group):
            headings.append(([] if i else [(first, len(group))]) + [(label, 1) for label in rest])
    return headings


def _format_cell(value: Any, decimals: int) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "–"
    if isinstance(value, Integral) and not isinstance(value, bool):
        return f"{int(value):,}"
    if isinstance(value, Real) and not isinstance(value, bool):
        return format_number(float(value), decimals)
    return str(value)
