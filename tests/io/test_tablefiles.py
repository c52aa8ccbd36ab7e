from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.io.tables import formula_columns, read_table, write_frame
from vaeaug.utils.files import check_format
from vaeaug.utils.wording import list_names

ODD = '''id,zip,price,count,ok,country,note
1,00501,1.50,5,TRUE,NA,"a, ""b"""
2,10001,12.25,,FALSE,DE,"two
lines"
3,90210,3.00,NA,TRUE,NA,=1+1
4,90210,7.00,7,,,-
'''


def written(tmp_path: Path, text: str, name: str = "in.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_types_are_those_of_the_cells(tmp_path: Path) -> None:
    frame = read_table(written(tmp_path, ODD)).frame
    assert frame["id"].dtype == np.int64
    assert frame["price"].dtype == np.float64
    assert frame["count"].dtype == "Int64"
    assert frame["ok"].dtype == "boolean"
    for name in ("zip", "country", "note"):
        assert pd.api.types.is_object_dtype(frame[name]) or pd.api.types.is_string_dtype(frame[name])
    assert frame["zip"][0] == "00501"
    assert frame["country"].isna().tolist() == [False, False, False, True]


def test_every_cell_comes_back_with_the_characters_it_had(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, ODD))
    table.write(tmp_path / "out.csv", table.frame.iloc[:0])
    assert (tmp_path / "out.csv").read_text() == ODD


def test_new_cells_are_spelled_like_the_old(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, ODD))
    new = table.frame.iloc[[0]].assign(price=2.5, count=pd.array([8], "Int64"))
    table.write(tmp_path / "out.csv", new)
    assert (tmp_path / "out.csv").read_text() == ODD + '1,00501,2.50,8,TRUE,NA,"a, ""b"""\n'


def test_missing_cells_are_spelled_like_the_old(tmp_path: Path) -> None:
    text = "a,b\n1,x\n?,\n?,z\n"
    table = read_table(written(tmp_path, text), missing=["?"])
    assert table.frame["a"].dtype == "Int64"
    table.write(tmp_path / "out.csv", table.frame.iloc[1:2])
    assert (tmp_path / "out.csv").read_text() == text + "?,\n"


@pytest.mark.parametrize(
    ("first", "second", "new"),
    [
        ("2024-01-31", "2024-12-01", "2024-02-29"),
        ("2024-01-31 10:11:12", "2024-12-01 00:00:00", "2024-02-29 00:00:00"),
        ("31/01/2024", "01/12/2024", "29/02/2024"),
        ("01/12/2024", "31/01/2024", "29/02/2024"),
        ("01/31/2024", "12/01/2024", "02/29/2024"),
        ("Jan 31, 2024", "Dec 01, 2024", "Feb 29, 2024"),
        ("05.01.2024", "12.11.2024", "29.02.2024"),
    ],
)
def test_dates_keep_their_format(tmp_path: Path, first: str, second: str, new: str) -> None:
    text = f'day,x\n"{first}",1\n,1\n"{second}",1\n'
    table = read_table(written(tmp_path, text), parse_dates=["day"])
    assert pd.api.types.is_datetime64_any_dtype(table.frame["day"])
    row = table.frame.iloc[[0]].assign(day=pd.Timestamp("2024-02-29"))
    table.write(tmp_path / "out.csv", row)
    assert pd.read_csv(tmp_path / "out.csv")["day"].tolist()[0::3] == [first, new]


@pytest.mark.parametrize(
    ("cells", "options", "month", "is_said"),
    [
        (["01/05/2024", "02/06/2024"], {}, 1, True),
        (["1-5-2024", "2-6-2024"], {}, 1, True),
        (["01/05/2024 10:00", "02/06/2024 11:30"], {}, 1, True),
        (["01/05/2024", "02/06/2024"], {"day_first": True}, 5, False),
        (["01/05/2024", "13/06/2024"], {}, 5, False),
        (["01/05/2024", "06/13/2024"], {}, 1, False),
        (["01/05/2024", "06/13/2024"], {"day_first": True}, 1, False),
        (["05/05/2024", "06/06/2024"], {}, 5, False),
        (["01.05.2024", "02.06.2024"], {}, 5, False),
        (["2024-01-05", "2024-02-06"], {"day_first": True}, 1, False),
    ],
)
def test_cells_tell_day_from_month_or_a_note_does(tmp_path, cells, options, month, is_said) -> None:
    text = "day,x\n" + "".join(f"{cell},1\n" for cell in cells)
    table = read_table(written(tmp_path, text), parse_dates=["day"], **options)
    assert table.frame["day"].dt.month[0] == month
    said = [
        f"dates of 'day' such as {cells[0]!r} are read month first, as no cell tells month from day; if the "
        "day comes first, add --day-first"
    ]
    assert table.notes == (said if is_said else [])


def test_one_note_on_all_columns_of_dates(tmp_path: Path) -> None:
    path = written(tmp_path, "from,to\n01/05/2024,03/05/2024\n,\n")
    (note,) = read_table(path, parse_dates=["from", "to"]).notes
    assert note.startswith("dates of 'from', 'to' such as '01/05/2024' are read month first")


def test_dates_with_offsets_become_utc(tmp_path: Path) -> None:
    text = "day\n2024-01-31T10:00:00+01:00\n2024-06-30T10:00:00+02:00\n"
    table = read_table(written(tmp_path, text), parse_dates=["day"])
    assert table.frame["day"].dt.hour.tolist() == [9, 8]
    table.write(tmp_path / "out.csv", table.frame.iloc[:1])
    assert (tmp_path / "out.csv").read_text() == text + "2024-01-31 09:00:00+00:00\n"


def test_a_cell_that_is_no_date_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "day\n2024-01-31\nsoon\n")
    with pytest.raises(InputError, match="as dates: 'soon' is not one, or not written like '2024-01-31'"):
        read_table(path, parse_dates=["day"])
    with pytest.raises(InputError, match="as dates: 'Basic' is not one; correct it"):
        read_table(written(tmp_path, "plan\nBasic\nPlus\n"), parse_dates=["plan"])
    path = written(tmp_path, "day\n2024-01-31\n")
    with pytest.raises(InputError, match="has no column 'date'; it has 'day'"):
        read_table(path, parse_dates=["date"])
    with pytest.raises(InputError, match="no dates: all its cells are empty"):
        read_table(written(tmp_path, "day,x\n,1\n"), parse_dates=["day"])


def test_names_of_things_are_not_numbers(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "zip,account\n00501,99999999999999999999\n10001,1\n"))
    assert table.frame["zip"].tolist() == ["00501", "10001"]
    assert table.frame["account"].tolist() == ["99999999999999999999", "1"]


def test_notes_tell_of_columns_that_may_be_something_else(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-{1 + i % 28:02d},{i}.5,word\n" for i in range(40))
    notes = read_table(written(tmp_path, "day,bmi,text\n" + rows + "2024-02-01,?,word\n")).notes
    assert len(notes) == 2
    assert "'day' is read as text; if it holds dates, add --parse-dates day" in notes[0]
    assert "'bmi' is read as text, because of cells such as '?'" in notes[1]
    assert '--missing "?"' in notes[1]


def test_a_flag_column_marks_new_rows(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a\n1\n2\n"))
    table.write(tmp_path / "out.csv", table.frame, flag_column="new")
    assert (tmp_path / "out.csv").read_text() == "a,new\n1,False\n2,False\n1,True\n2,True\n"
    with pytest.raises(InputError, match="has a column 'a' already"):
        table.write(tmp_path / "out.csv", table.frame, flag_column="a")


def test_other_separators(tmp_path: Path) -> None:
    for name, text, separator in [("a.tsv", "a\tb\n1\tx\n", None), ("a.csv", "a;b\n1;x\n", ";")]:
        table = read_table(written(tmp_path, text, name), separator=separator)
        assert list(table.frame.columns) == ["a", "b"]
        table.write(tmp_path / f"out{Path(name).suffix}", table.frame.iloc[:0])
        assert (tmp_path / f"out{Path(name).suffix}").read_text() == text


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert list(read_table(written(tmp_path, "\ufeffa,b\n1,2\n")).frame.columns) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,a\n1,2\n", "names the column 'a' more than once"),
        ("a,b\n1,2,3\n", "more cells than its first line"),
        ("a,b\n1,2\n1,2,3\n", "row 3 has 3, and there are 2 names"),
        ('a,b\n1,"2\n', "a quote that opens in it is never closed"),
        (",,\n,,\n", "holds no names"),
        ("\n\n", "is empty"),
    ],
)
def test_improper_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_table(written(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; give the path of a table"):
        read_table(tmp_path / "no.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path / "folder.csv")
    (tmp_path / "latin.csv").write_bytes("a\né\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"is not UTF-8 text .* such as --encoding cp1252"):
        read_table(tmp_path / "latin.csv")
    with pytest.raises(InputError, match=r"must end in .csv, .tsv or .parquet"):
        check_format("table.xlsx")
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_table(written(tmp_path, "no parquet", "a.parquet"))


def test_parquet_keeps_every_dtype(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], "Int32"),
            "c": pd.Categorical(["b", "a"], categories=["b", "a", "z"], ordered=True),
            "t": pd.to_datetime(["2024-01-01", None], utc=True),
            "s": ["x", None],
            "b": [True, False],
        }
    )
    write_frame(tmp_path / "in.parquet", frame)
    table = read_table(tmp_path / "in.parquet")
    table.write(tmp_path / "out.parquet", table.frame)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "out.parquet"), pd.concat([table.frame] * 2, ignore_index=True)
    )


def test_a_named_index_of_parquet_is_a_column(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index(["x", "y"], name="id")).to_parquet(tmp_path / "in.parquet")
    table = read_table(tmp_path / "in.parquet")
    assert list(table.frame.columns) == ["id", "a"]
    assert "index" in table.notes[0]


def test_without_pyarrow_parquet_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaeaug.utils.versions.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install vaeaug\[parquet\]"):
        check_format("a.parquet")


def test_formula_columns_are_text_that_begins_like_a_formula() -> None:
    frame = pd.DataFrame({"a": ["x", "=1"], "b": [-1.0, 2], "c": ["+49", None], "d": ["a=b", "-4,5"]})
    assert formula_columns(frame) == ["a", "c"]


@pytest.mark.parametrize(
    ("separator", "cells", "expected"),
    [
        (";", ["1,5", "2", "-3,25"], [1.5, 2.0, -3.25]),
        (";", ["1,500", "2,250"], ["1,500", "2,250"]),  # thousands, or not
        (";", ["1.5", "2,5"], ["1.5", "2,5"]),
        (";", ["0,5", "a"], ["0,5", "a"]),
        (";", ["00,5", "1,5"], ["00,5", "1,5"]),
        (",", ['"1,5"', '"2,5"'], ["1,5", "2,5"]),
    ],
)
def test_decimal_commas_where_they_can_be_nothing_else(
    tmp_path: Path, separator: str, cells: list[str], expected: list[object]
) -> None:
    text = "".join(f"{cell}{separator}x\n" for cell in ["n", *cells])
    assert read_table(written(tmp_path, text), separator=separator).frame["n"].tolist() == expected


def test_decimal_commas_that_are_asked_for_and_written(tmp_path: Path) -> None:
    text = 'n,x\n"1,500",a\n,a\n"2,250",a\n'
    table = read_table(written(tmp_path, text), decimal=",")
    assert table.frame["n"].dropna().tolist() == [1.5, 2.25]
    assert not table.notes
    table.write(tmp_path / "out.csv", table.frame.iloc[[0]].assign(n=3.0))
    assert (tmp_path / "out.csv").read_text() == text + '"3,000",a\n'


def test_a_note_tells_of_decimal_commas(tmp_path: Path) -> None:
    notes = read_table(written(tmp_path, 'n,x\n"1,5",a\n"2,5",b\n')).notes
    assert notes == ["column 'n' is read as text; if it holds decimal numbers, add --decimal \",\""]


def test_a_note_tells_of_decimal_commas_and_points_between_thousands(tmp_path: Path) -> None:
    cells = 'n\n"1.154,79"\n"9,99"\n"12"\n'
    notes = read_table(written(tmp_path, cells)).notes
    assert notes[0].endswith('holds decimal numbers, add --decimal "," --thousands "."')
    table = read_table(written(tmp_path, cells), decimal=",", thousands=".")
    assert table.frame["n"].tolist() == [1154.79, 9.99, 12.0]


def test_a_note_names_texts_that_usually_mean_missing(tmp_path: Path) -> None:
    rows = "".join(
        f"{(f'{i} GB', f'{i}', 'n/a', f'{i} MB')[i % 4]},{'NA' if i % 2 else 'DE'},{i}\n" for i in range(40)
    )
    notes = read_table(written(tmp_path, "usage,land,n\n" + rows + "3 GB,-,NA\n")).notes
    assert notes == [
        "text columns have cells that may mean missing, and are read as text: 'n/a' ('usage' 24.4 %), "
        "'NA' ('land' 48.8 %), '-' ('land' 2.4 %). If one means missing, add --missing \"n/a\", and so on"
    ]
    table = read_table(written(tmp_path, "usage,land,n\n" + rows), missing=["n/a", "NA"])
    assert not table.notes
    assert table.frame["usage"].isna().sum() == 10


def test_a_note_shows_the_beginning_of_a_long_cell(tmp_path: Path) -> None:
    text = "a,n\n" + "".join(f"{i},1\n" for i in range(20)) + "z" * 500 + ",1\n"
    assert read_table(written(tmp_path, text)).notes == [
        f"column 'a' is read as text, because of cells such as '{'z' * 40}'…"
    ]


@pytest.mark.skipif(int(pd.__version__[0]) < 3, reason="pandas 2 reads text up to a null character")
def test_null_characters_are_told_apart_and_written(tmp_path: Path) -> None:
    text = "a,n\nx\0b1,1\nx\0b0,2\nx,3\n\u2400,4\n"
    table = read_table(written(tmp_path, text))
    assert table.frame["a"].nunique() == 4
    assert not table.frame["a"].str.contains("\0", regex=False).any()
    assert "cells of 'a' hold null characters" in table.notes[0]
    table.write(tmp_path / "out.csv", table.frame.iloc[[1, 0, 3]])
    assert (tmp_path / "out.csv").read_text() == text + "x\0b0,2\nx\0b1,1\n\u2400,4\n"


def test_separators_follow_the_suffix(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, 'a\tb\r\n1\t"x, y"\r\n', "in.tsv"))
    table.write(tmp_path / "out.csv", table.frame.iloc[:1], flag_column="new")
    expected = 'a,b,new\r\n1,"x, y",False\r\n1,"x, y",True\r\n'
    assert (tmp_path / "out.csv").read_bytes().decode() == expected


def test_long_lists_are_cut() -> None:
    assert list_names(range(20), most=2) == "0, 1, … (20 in all)"
