"""``vaeaug report``: what stands out on the screen, the page in a file, trouble in a sentence."""

import numpy as np
import pandas as pd
import pytest

from vaeaug.cli.main import main


@pytest.fixture
def tables(tmp_path):
    rng = np.random.default_rng(0)
    size = rng.normal(size=200).round(3)
    frame = pd.DataFrame(
        {"size": size, "town": rng.choice(["A", "B"], 200), "y": np.where(size > 0, "yes", "no")}
    )
    frame.iloc[:100].to_csv(tmp_path / "real.csv", index=False)
    frame.iloc[100:].to_csv(tmp_path / "new.csv", index=False)
    return tmp_path


def run(folder, *arguments, new="new.csv"):
    return main(["report", str(folder / "real.csv"), str(folder / new), *map(str, arguments)])


def test_the_verdict_is_printed_and_the_page_is_written(tables, capsys):
    page = tables / "page.html"
    assert run(tables, "--target", "y", "-o", page) == 0
    said = capsys.readouterr().out
    assert "FAITHFUL" in said
    assert "100 real rows, and 100 rows to compare" in said
    assert "What stands out" in page.read_text(encoding="utf-8")


def test_copies_are_said_first(tables, capsys):
    (tables / "copy.csv").write_text((tables / "real.csv").read_text())
    assert run(tables, new="copy.csv") == 0
    assert "1. 100 % of the new rows are copies of a real row" in capsys.readouterr().out


def test_real_rows_in_the_new_file_are_named_and_left_out(tables, capsys):
    pd.concat([pd.read_csv(tables / f"{name}.csv") for name in ("real", "new")]).to_csv(
        tables / "more.csv", index=False
    )
    assert run(tables, "--target", "y", new="more.csv") == 0
    said = " ".join(capsys.readouterr().out.split())
    names = f"{tables / 'more.csv'} holds 100 of the 100 rows of {tables / 'real.csv'}"
    assert f"FAITHFUL {names}: only its other 100 rows are compared." in said
    assert "copies of a real row" not in said


def test_declared_rules_are_compared(tables, capsys):
    page = tables / "page.html"
    assert run(tables, "--relation", "size <= 1", "-o", page) == 1
    assert "--relation: " in capsys.readouterr().err
    for name in ("real", "new"):
        frame = pd.read_csv(tables / f"{name}.csv")
        frame.assign(top=frame["size"] + (name == "real")).to_csv(tables / f"{name}.csv", index=False)
    assert run(tables, "--relation", "top > size", "-o", page) == 0
    assert "The rule size < top holds in 100 % of real rows" in " ".join(capsys.readouterr().out.split())


def test_held_out_rows_and_identifiers(tables, capsys):
    assert run(tables, "--target", "y", "--id", "town", "--held-out", tables / "new.csv") == 0
    assert "held-out rows" in " ".join(capsys.readouterr().out.split())


def test_other_separators(tables, capsys):
    for name in ("real", "new"):
        pd.read_csv(tables / f"{name}.csv").to_csv(tables / f"{name}.csv", index=False, sep=";")
    assert run(tables, "--target", "y", "--sep", ";") == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--target", "x"], "target must be one of the columns 'size', 'town', 'y'"),
        (["-o", "{folder}/new.csv"], "is the input"),
        (["-o", "{folder}/none/page.html"], "folder"),
        (["--held-out", "{folder}/none.csv"], "does not exist"),
    ],
)
def test_trouble_is_said_in_a_sentence(tables, capsys, options, says):
    assert run(tables, *(text.format(folder=tables) for text in options)) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_tables_that_do_not_match(tables, capsys):
    pd.read_csv(tables / "new.csv").assign(flag=1).to_csv(tables / "more.csv", index=False)
    assert run(tables, new="more.csv") == 1
    assert "drop them from new" in capsys.readouterr().err


def test_a_file_without_rows(tables, capsys):
    (tables / "empty.csv").write_text("size,town,y\n")
    assert run(tables, new="empty.csv") == 1
    assert "no rows" in capsys.readouterr().err


def test_a_column_that_flags_new_rows_is_used_and_left_out(tables, capsys):
    real, new = (pd.read_csv(tables / f"{name}.csv") for name in ("real", "new"))
    both = pd.concat([real.assign(synthetic=False), new.assign(synthetic=True)])
    both.to_csv(tables / "more.csv", index=False)
    assert run(tables, "--target", "y", new="more.csv") == 0
    said = capsys.readouterr()
    assert "100 real rows, and 100 rows to compare" in said.out
    assert "'synthetic' is the flag of new rows and is left out; 100 rows of 200 compared" in said.err
    assert "another mix of classes among them is meant" in said.err


def test_a_flag_column_of_another_name_is_named(tables, capsys):
    new = pd.read_csv(tables / "new.csv")
    new.assign(vip=True).to_csv(tables / "more.csv", index=False)
    assert run(tables, new="more.csv") == 1
    said = capsys.readouterr()
    assert "has a column 'vip' that" in said.err
    assert "add --flag-column vip; if not, leave it out" in said.err
    assert run(tables, "--flag-column", "vip", new="more.csv") == 0
    assert run(tables, "--flag-column", "wip", new="more.csv") == 1
    assert "--flag-column wip: " in capsys.readouterr().err


def test_a_separator_that_was_forgotten_is_asked_for(tables, capsys):
    pd.read_csv(tables / "new.csv").to_csv(tables / "more.csv", index=False, sep=";")
    assert run(tables, new="more.csv") == 1
    assert 'set --sep ";"' in capsys.readouterr().err


def test_another_column_is_still_refused(tables, capsys):
    pd.read_csv(tables / "new.csv").assign(more=1).to_csv(tables / "more.csv", index=False)
    assert run(tables, new="more.csv") == 1
    assert "'more'" in capsys.readouterr().err
