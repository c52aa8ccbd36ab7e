"""Text files come back with the characters they had, and new rows in the same manner."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaeaug.errors import InputError
from vaeaug.io.cells import read_column
from vaeaug.io.csv import TextTable, check_encoding, read_names, read_text, write_text


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "in.csv"
    path.write_bytes(text.encode(encoding))
    return path


def composed(table: TextTable, *rows: tuple[str, ...], flag: str | None = None) -> str:
    columns = list(zip(*rows, strict=True)) or [()] * len(table.names)
    return "".join(table.compose(columns, flag))


CASES = {
    "plain": ("a,b\n1,x\n", "2,y", "a,b\n1,x\n2,y\n"),
    "carriage returns": ("a,b\r\n1,x\r\n", "2,y", "a,b\r\n1,x\r\n2,y\r\n"),
    "old ones": ("a,b\r1,x\r", "2,y", "a,b\r1,x\r2,y\r"),
    "mixed line ends": ("a,b\r\n1,x\n1,z\r\n", "2,y", "a,b\r\n1,x\n1,z\r\n2,y\r\n"),
    "no last line end": ("a,b\n1,x", "2,y", "a,b\n1,x\n2,y"),
    "all quoted": ('"a","b"\n"1","x"\n"","x"\n', "2,", '"a","b"\n"1","x"\n"","x"\n"2",""\n'),
    "text quoted": ('"a","b"\n1,"x"\n,"x"\n', "2,y", '"a","b"\n1,"x"\n,"x"\n2,"y"\n'),
    "quoted but for empty ones": ('a,b\n"1","x"\n"2",\n', "2,", 'a,b\n"1","x"\n"2",\n"2",\n'),
    "some quoted": ('a,b\n1,"x, z"\n2,y\n', "2,y", 'a,b\n1,"x, z"\n2,y\n2,y\n'),
    "trailing separators": ("a,b,\n1,x,\n", "2,y", "a,b,\n1,x,\n2,y,\n"),
    "trailing separators in rows": ("a,b\n1,x,\n3,x,\n", "2,y", "a,b\n1,x,\n3,x,\n2,y,\n"),
    "short rows": ("a,b,c\n1,x\n1,x,\n1,x,z\n1,x,z\n", "2,y,q", "a,b,c\n1,x\n1,x,\n1,x,z\n1,x,z\n2,y,q\n"),
    "empty lines": ("\n\na,b\n\n1,x\n\n\n", "2,y", "\n\na,b\n\n1,x\n2,y\n\n\n"),
    "nulls": ("a,b\n1,x\0y\n", "2,x\0z", "a,b\n1,x\0y\n2,x\0z\n"),
    "odd spaces": ("a,b\n1,x\x0b\x1c\u2028\x85\n", "2,\u2028", "a,b\n1,x\x0b\x1c\u2028\x85\n2,\u2028\n"),
    "lines in cells": ('a,b\n1,"x\r\ny\n"\n', "2,y", 'a,b\n1,"x\r\ny\n"\n2,"y"\n'),
    "quotes in cells": ('a,b\n1,5" x\n2,"x ""y"""\n', "2,y", 'a,b\n1,5" x\n2,"x ""y"""\n2,y\n'),
    "one column": ('a\n1\n""\n', "", 'a\n1\n""\n""\n'),
    "names only": ("a,b\n", "2,y", "a,b\n2,y\n"),
    "names without a line end": ("a,b", "2,y", "a,b\n2,y"),
}


@pytest.mark.parametrize("case", CASES)
def test_old_rows_keep_their_characters_and_new_ones_follow_them(tmp_path: Path, case: str) -> None:
    text, new, expected = CASES[case]
    table = read_text(written(tmp_path, text), ",")
    assert composed(table) == text
    assert composed(table, tuple(new.split(","))) == expected


FLAGGED = {
    "plain": ("a,b\n1,x\n", "a,b,new\n1,x,False\n2,y,True\n"),
    "carriage returns": ("a,b\r\n1,x\r\n", "a,b,new\r\n1,x,False\r\n2,y,True\r\n"),
    "no last line end": ("a,b\n1,x", "a,b,new\n1,x,False\n2,y,True"),
    "all quoted": ('"a","b"\n"1","x"\n', '"a","b","new"\n"1","x",False\n"2","y",True\n'),
    "trailing separators": ("a,b,\n1,x,\n", "a,b,,new\n1,x,,False\n2,y,,True\n"),
    "trailing separators in rows": ("a,b\n1,x,\n", "a,b,new\n1,x,False\n2,y,True\n"),
    "short rows": ("a,b\n1\n1,x\n", "a,b,new\n1,,False\n1,x,False\n2,y,True\n"),
    "lines in cells": ('a,b\n1,"x\n"\n', 'a,b,new\n1,"x\n",False\n2,"y",True\n'),
}


@pytest.mark.parametrize("case", FLAGGED)
def test_a_flag_stands_behind_the_last_name(tmp_path: Path, case: str) -> None:
    text, expected = FLAGGED[case]
    table = read_text(written(tmp_path, text), ",")
    assert composed(table, ("2", "y"), flag="new") == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_kept_and_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "ä,b\n1,€\n", encoding)
    table = read_text(path, ",")
    assert table.names == ["ä", "b"]
    write_text(tmp_path / "out.csv", table.compose([("2",), ("ß",)]), table.encoding, table.mark)
    assert (tmp_path / "out.csv").read_bytes() == "ä,b\n1,€\n2,ß\n".encode(encoding)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "utf-16-be", "shift_jis", "utf-8"])
def test_an_encoding_that_is_named(tmp_path: Path, encoding: str) -> None:
    text = "é,b\n1,ü\n" if encoding != "shift_jis" else "表,b\n1,ソ\n"
    table = read_text(written(tmp_path, text, encoding), ",", encoding)
    assert table.names[0] == text[0]
    write_text(tmp_path / "out.csv", table.compose([(), ()]), table.encoding, table.mark)
    assert (tmp_path / "out.csv").read_bytes() == text.encode(encoding)


def test_utf_16_without_a_mark_is_seen(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="looks like UTF-16 without its mark; add --encoding utf-16-le"):
        read_text(written(tmp_path, "a,b\n1,2\n", "utf-16-le"), ",")


def test_encodings_that_cannot_be_used(tmp_path: Path) -> None:
    for name in ("klingon", "rot13", "nu\0ll"):
        with pytest.raises(InputError, match="is no encoding of text"):
            check_encoding(name)
    table = read_text(written(tmp_path, "a\n1\n", "cp1252"), ",", "cp1252")
    with pytest.raises(InputError, match="'☂' is no character of cp1252"):
        write_text(tmp_path / "out.csv", table.compose([("☂",)]), table.encoding)
    assert not (tmp_path / "out.csv").exists()


CELL = st.text(st.characters(codec="utf-8") | st.sampled_from('",\n\r\0 ;'), max_size=6)


@given(
    rows=st.lists(st.tuples(CELL, CELL), max_size=6),
    new=st.lists(st.tuples(CELL, CELL), max_size=3),
    manner=st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r")]),
)
def test_any_cells_there_and_back(tmp_path_factory, rows, new, manner) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=manner[0], lineterminator=manner[1])
    writer.writerows([("a", "b"), *rows])
    path = written(tmp_path_factory.mktemp("any"), text.getvalue())
    table = read_text(path, ",")
    assert list(zip(*(cells.tolist() for cells in table.cells), strict=True)) == rows
    assert composed(table) == text.getvalue()
    path.write_bytes(composed(table, *new).encode())
    again = read_text(path, ",")
    assert list(zip(*(cells.tolist() for cells in again.cells), strict=True)) == [*rows, *new]


def test_names_alone_are_read_without_pandas(tmp_path: Path) -> None:
    path = written(tmp_path, '\ufeff"a, b";c\n1;2\n')
    assert read_names(path, ";") == ["a, b", "c"]
    code = f"import sys\nfrom vaeaug.io.csv import read_names\nread_names({str(path)!r}, ',')\n"
    subprocess.run([sys.executable, "-c", code + "sys.exit('pandas' in sys.modules)"], check=True)


def test_cells_of_any_length(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    table = read_text(written(tmp_path, f"a,b\n1,{'x' * 200_000}\n"), ",")
    assert len(table.cells[1][0]) == 200_000
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("days", [["31/12/2021", "1/2/2021"], ["5 March 2021", "6 May 2021"], ["2021-05-06"]])
def test_text_that_may_be_dates_is_said(days):
    (note,) = read_column(pd.Series(days * 3, name="day", dtype=object)).notes()
    assert "--parse-dates day" in note
