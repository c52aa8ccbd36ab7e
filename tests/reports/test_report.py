import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.reports.intervals import Intervals
from vaeaug.reports.report import Picture, Report, Table, Text, library_versions

EVIL = "<script src='http://evil.example/x.js'>alert(1)</script>\"&"


def tiny_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


class Elements(HTMLParser):
    """Collects start tags with their attributes, text, and tags that do not match."""

    EMPTY = ("meta", "img", "br", "hr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def full_report(word: str = "fine") -> Report:
    frame = pd.DataFrame({word: [0.12345, np.nan], "n": [1234, 5]}, index=pd.Index([word, "b"], name=word))
    marks = pd.DataFrame([["better", ""], ["", "worse"]])
    return Report(
        word,
        f"{word}\nsecond",
        [
            Text(word, [word, "more"]),
            Table(word, frame, marks=marks, note=word),
            Picture(word, tiny_png(), word, note=word),
        ],
        {word: word},
    )


def test_the_page_needs_nothing_from_outside() -> None:
    elements = Elements(full_report().to_html())
    for tag, attributes in elements.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        assert "href" not in attributes
        source = attributes.get("src")
        assert source is None or source.startswith("data:image/png;base64,")
    policies = [a["content"] for t, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies
    assert "default-src 'none'" in str(policies[0])
    style = elements.texts[elements.texts.index(next(t for t in elements.texts if "color-scheme" in t))]
    assert "url(" not in style
    assert "@import" not in style


def test_everything_given_is_escaped() -> None:
    evil, fine = Elements(full_report(EVIL).to_html()), Elements(full_report().to_html())
    assert [tag for tag, _ in evil.tags] == [tag for tag, _ in fine.tags]
    assert evil.texts.count(EVIL) == fine.texts.count("fine")
    for _, attributes in evil.tags:
        assert not any(name.startswith("on") for name in attributes)


def test_cells_that_are_no_numbers_are_escaped() -> None:
    page = Table("t", pd.DataFrame({"a": [EVIL, None, True]})).to_html()
    assert "<script" not in page
    assert "&lt;script" in page
    assert "<td>–</td>" in page
    assert "<td>True</td>" in page


def test_numbers_are_rounded_and_grouped() -> None:
    page = full_report().to_html()
    assert '<td class="number"><span class="better">0.123 ▲</span></td>' in page
    assert '<td class="number">1,234</td>' in page
    assert '<span class="worse">5 ▼</span>' in page
    assert '<td class="number">–</td>' in page


def test_the_first_of_two_index_levels_spans_its_rows() -> None:
    index = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")], names=["k", None])
    page = Table("t", pd.DataFrame({"v": [1, 2, 3]}, index=index)).to_html()
    assert page.count('<th scope="row" rowspan="2" class="group">a</th>') == 1
    assert page.count("<tr>") == 4
    Elements(page)


def test_wide_windows_phones_and_dark_rooms_are_thought_of() -> None:
    page = full_report().to_html()
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page
    assert "max-width: 100%" in page
    assert "overflow-x: auto" in page


def test_a_page_without_sections_is_a_page() -> None:
    Elements(Report("t", "v").to_html())


def test_write_is_whole_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    full_report("Grüße").write(path)
    assert "Grüße" in path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="must hold the bytes of a PNG"):
        Report("t", "v", [Picture("p", b"no picture", "alt")]).write(path)
    assert "Grüße" in path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="there is no folder"):
        full_report().write(tmp_path / "no" / "index.html")


def test_marks_must_fit() -> None:
    frame = pd.DataFrame({"a": [1.0]})
    with pytest.raises(InputError, match="must have the shape of the table"):
        Table("t", frame, marks=pd.DataFrame([["", ""]])).to_html()
    with pytest.raises(InputError, match="marks must be of .*got \\['great'\\]"):
        Table("t", frame, marks=pd.DataFrame([["great"]])).to_html()
    with pytest.raises(InputError, match="one level of column names"):
        Table("t", pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")]))).to_html()


def test_versions_name_what_is_installed() -> None:
    found = library_versions(["numpy", "surely-not-installed"])
    assert found["numpy"] == np.__version__
    assert found["surely-not-installed"] == "not installed"


@pytest.mark.parametrize("value", [-0.0001, -0.0, 0.0001])
def test_what_rounds_to_nothing_has_no_sign(value):
    moved = pd.DataFrame({"difference": [value], "low": [value], "high": [value]}, index=["a"])
    for section in (Table("t", moved), Intervals("t", moved)):
        page = section.to_html()
        assert "0.000" in page
        assert not re.search("[+−-]0\\.000", page)
