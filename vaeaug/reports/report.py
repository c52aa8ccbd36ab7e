"""Put a verdict, tables and pictures on one self-contained HTML page; judges nothing, knows no model."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from numbers import Integral, Real
from platform import machine, python_version, system
from typing import Any

import pandas as pd

from vaeaug.errors import InputError
from vaeaug.utils.files import staged
from vaeaug.utils.versions import installed_versions

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
        return _section(self.title, "".join(f"<p>{escape(text)}</p>" for text in self.paragraphs))


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
        marks = self._checked_marks()
        names = [name if name is not None else "" for name in self.frame.index.names]
        if self.frame.columns.nlevels > 1:
            raise InputError("Table: a report shows one level of column names; join the levels into one.")
        numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in self.frame.dtypes]
        head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in names)
        head += "".join(
            f'<th scope="col"{_number_class(is_number)}>{escape(str(name))}</th>'
            for name, is_number in zip(self.frame.columns, numeric, strict=True)
        )
        body = "".join(
            f"<tr>{heading}{self._cells(row, marks[i], numeric)}</tr>"
            for i, (heading, row) in enumerate(
                zip(_row_headings(self.frame.index), self.frame.itertuples(index=False), strict=True)
            )
        )
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return _section(self.title, f'<div class="wide" tabindex="0">{table}</div>{note}')

    def _cells(self, row: Sequence[Any], marks: Sequence[str], numeric: Sequence[bool]) -> str:
        cells = []
        for value, mark, is_number in zip(row, marks, numeric, strict=True):
            text = escape(_shown(value, self.decimals))
            if mark:
                text = f'<span class="{mark}">{text} {_MARKS[mark]}</span>'
            cells.append(f"<td{_number_class(is_number)}>{text}</td>")
        return "".join(cells)

    def _checked_marks(self) -> list[list[str]]:
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
        note = f"<figcaption>{escape(self.note)}</figcaption>" if self.note else ""
        image = f'<img src="data:image/png;base64,{data}" alt="{escape(self.alt)}">'
        return _section(self.title, f"<figure>{image}{note}</figure>")


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
        facts = "".join(
            f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in self.facts.items()
        )
        return _PAGE.format(
            title=escape(self.title),
            verdict="".join(f"<p>{escape(line)}</p>" for line in self.verdict.splitlines()),
            style=_STYLE,
            sections="\n".join(section.to_html() for section in self.sections),
            facts=_section("What was run", f"<dl>{facts}</dl>") if facts else "",
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, or leave the file that was there as it was.

        Raises
        ------
        InputError
            If the path cannot be written.
        """
        page = self.to_html()
        with staged(path) as temporary:
            temporary.write_text(page, encoding="utf-8")


def library_versions(names: Sequence[str] = _LIBRARIES) -> dict[str, str]:
    """Return the versions of Python, of the system and of installed packages, without importing them."""
    python = f"{python_version()}, {system()} {machine()}"
    return {"Python": python, **installed_versions(names, absent="not installed")}


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _number_class(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def _row_headings(index: pd.Index) -> list[str]:
    """Return the heading cells of each row; the first of several levels spans the rows it is the same for."""
    rows = [tuple(label) if isinstance(label, tuple) else (label,) for label in index]
    headings: list[str] = []
    for _, members in groupby(rows, key=lambda labels: labels[0] if len(labels) > 1 else object()):
        group = list(members)
        for i, labels in enumerate(group):
            first, *rest = labels
            span = f' rowspan="{len(group)}" class="group"' if len(group) > 1 else ""
            cells = "" if i else f'<th scope="row"{span}>{escape(str(first))}</th>'
            headings.append(cells + "".join(f'<th scope="row">{escape(str(label))}</th>' for label in rest))
    return headings


def _shown(value: Any, decimals: int) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "–"
    if isinstance(value, Integral) and not isinstance(value, bool):
        return f"{int(value):,}"
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{float(value):.{decimals}f}"
    return str(value)


_STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #5b6675;
  --line: #dfe3e9; --accent: #0a67a8; --better: #00684d; --worse: #a63d00; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #12161c; --card: #1b2129; --ink: #e8ecf1; --soft: #a3aebb; --line: #323b47;
    --accent: #6fb8ee; --better: #4fd0a5; --worse: #ff9d66; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.55;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 .75rem; text-wrap: balance; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 0 0 .6rem; }
p { margin: .4rem 0; max-width: 46rem; overflow-wrap: anywhere; }
.verdict { border-left: .3rem solid var(--accent); padding: .05rem 0 .05rem .9rem; }
.verdict p:first-child { font-size: 1.15rem; font-weight: 600; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1.1rem 1.25rem; margin: 1.25rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: 60%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
td { white-space: nowrap; }
tbody th { min-width: 4.5rem; }
th:last-child, td:last-child { padding-right: .2rem; }
thead th { color: var(--soft); font-weight: 600; font-size: .9rem; vertical-align: bottom; }
tbody th { font-weight: 400; }
tbody th.group { font-weight: 600; }
.number { text-align: right; }
.better { color: var(--better); font-weight: 600; }
.worse { color: var(--worse); font-weight: 600; }
.note, figcaption { color: var(--soft); font-size: .92rem; margin-top: .6rem; max-width: 46rem; }
figure { margin: 0; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: .35rem; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .25rem 1.2rem; margin: 0;
  font-size: .92rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  main { padding: 1.25rem .75rem 2rem; }
  section { padding: .9rem .85rem; }
  th, td { padding-right: .55rem; font-size: .85rem; line-height: 1.35; }
  thead th { font-size: .8rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; } }
@media print { body { background: none; } section { break-inside: avoid; } }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<div class="verdict">{verdict}</div>
{sections}
{facts}
</main>
</body>
</html>
"""
