import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vaeaug.cli.augment
import vaeaug.cli.demo
import vaeaug.cli.demo_images
from vaeaug import VAEAugmenter, load
from vaeaug.cli.main import _parser, main
from vaeaug.cli.options import read_conditions
from vaeaug.errors import InputError

QUICK = partial(VAEAugmenter, max_iter=2)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table with 30 + 8 rows in a folder of its own; training is short."""
    monkeypatch.setattr(vaeaug.cli.augment, "VAEAugmenter", QUICK)
    rng = np.random.default_rng(0)
    label = ["no"] * 30 + ["yes"] * 8
    rows = (
        f"{i},{label[i]},{rng.normal():.2f},{rng.choice(['red', 'green', ''])},2024-01-{1 + i % 28:02d}"
        for i in rng.permutation(38)
    )
    path = tmp_path / "in.csv"
    path.write_text("\n".join(["id,y,size,colour,day", *rows]) + "\n")
    return path


def test_augment_writes_the_real_rows_unchanged_and_then_the_new_ones(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = table.with_name("out.csv")
    assert main(["augment", str(table), "--target", "y", "-o", str(out), "--parse-dates", "day"]) == 0
    text = out.read_text()
    assert text.startswith(table.read_text())
    frame = pd.read_csv(out)
    assert frame["y"].value_counts().to_dict() == {"no": 30, "yes": 30}
    assert (frame["y"][38:] == "yes").all()
    assert frame["id"].dtype == np.int64
    assert frame["day"].str.fullmatch(r"2024-\d\d-\d\d").all()
    assert frame["size"].map(lambda value: round(value, 2) == value).all()
    assert sorted(frame["id"]) == list(range(60))
    said = capsys.readouterr()
    assert "38 real rows, then 22 synthetic rows (yes: +22)" in said.out
    assert said.err.count("note: ") == 1
    assert "columns that name each row: 'id'." in said.err
    assert "To choose them yourself, add --id COLUMN. With --no-guessing, columns are taken" in said.err


def test_guesses_about_columns_can_be_overruled(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = table.with_name("out.csv")
    arguments = ["augment", str(table), "--target", "y", "-o", str(out), "--parse-dates", "day"]
    assert main([*arguments, "--no-guessing"]) == 0
    assert capsys.readouterr().err == ""
    assert sorted(pd.read_csv(out)["id"]) != list(range(60))
    assert main([*arguments, "--category", "id"]) == 0
    assert set(pd.read_csv(out)["id"]) == set(range(38))
    assert main([*arguments, "--id", "nothing"]) == 1
    assert "has no column 'nothing'" in capsys.readouterr().err


def test_notes_speak_of_options_and_not_of_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vaeaug.cli.augment, "VAEAugmenter", QUICK)
    rng = np.random.default_rng(0)
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 120), "D")
    frame = pd.DataFrame(
        {
            "key": [f"A-{k:04}" for k in range(120)],
            "zip": rng.choice(np.arange(10_000, 99_999), 120, replace=False),
            "day": days.strftime("%Y%m%d").astype(int),
            "y": ["no"] * 90 + ["yes"] * 30,
            "coded": [0] * 90 + [1] * 30,
        }
    )
    frame.to_csv(tmp_path / "in.csv", index=False)
    assert _augment(tmp_path / "in.csv") == 0
    said = capsys.readouterr().err
    leak = "'coded'", "Take them out of the table."
    for found in ("'key'", "'zip'", "'day'", "--id COLUMN", "--category COLUMN", *leak):
        assert found in said
    for parameter in ("id_columns", "categorical_features", " X ", "X.drop"):
        assert parameter not in said


def test_progress_is_shown_on_a_terminal(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _augment(table) == 0
    assert "epoch" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert _augment(table) == 0
    assert "epoch" in capsys.readouterr().err


def test_long_training_is_announced_without_a_terminal(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaeaug.training.callbacks._TELLING", 0.0)
    monkeypatch.setattr("vaeaug.training.callbacks._LONG", 0.0)
    assert _augment(table) == 0
    said = capsys.readouterr().err
    assert said.count("vaeaug: note: Training will take up to about") == 1
    assert "--max-fit-seconds bounds it" in said


@pytest.fixture
def rules_table(table: Path) -> Path:
    """The table with two sums, of which the second has an exception; its names have spaces."""
    a, b = np.random.default_rng(0).integers(10, 99, (2, 60))
    frame = pd.DataFrame(
        {"a": a, "b": b, "a sum": a + b, "nearly": a + 2 * b, "y": ["no"] * 45 + ["yes"] * 15}
    )
    frame.loc[7, "nearly"] += 1
    frame.to_csv(table, index=False)
    return table


def _augment(table: Path, *options: str) -> int:
    return main(["augment", str(table), "--target", "y", "-o", str(table.with_name("out.csv")), *options])


def test_rules_between_columns_are_found_kept_and_said(
    rules_table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _augment(rules_table) == 0
    assert re.search(
        r"New rows keep \d+ rules? between columns:\n  `a sum` == a \+ b\n", capsys.readouterr().out
    )
    frame = pd.read_csv(rules_table.with_name("out.csv"))
    assert (frame["a"] + frame["b"] == frame["a sum"]).all()


def test_no_rules_are_looked_for_when_told_so(rules_table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _augment(rules_table, "--no-relations") == 0
    assert "New rows keep" not in capsys.readouterr().out


def test_a_declared_rule_is_kept_alone(rules_table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _augment(rules_table, "--no-relations", "--relation", "a <= `a sum`") == 0
    assert "New rows keep 1 rule between columns:\n  a <= `a sum`\n" in capsys.readouterr().out
    frame = pd.read_csv(rules_table.with_name("out.csv"))
    assert (frame["a"] <= frame["a sum"]).all()


def test_rows_of_a_saved_model_keep_its_rules_and_say_so(
    rules_table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, more = (str(rules_table.with_name(name)) for name in ("m.safetensors", "more.csv"))
    _augment(rules_table, "--no-relations", "--relation", "a <= `a sum`", "--model-out", model)
    assert main(["sample", model, "-n", "40", "-o", more]) == 0
    assert capsys.readouterr().out.endswith("\nNew rows keep 1 rule between columns: a <= `a sum`\n")
    frame = pd.read_csv(more)
    assert (frame["a"] <= frame["a sum"]).all()


def test_a_declared_rule_may_have_exceptions(rules_table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _augment(rules_table, "--relation", "nearly == a + 2 * b", "--on-violation", "keep") == 0
    assert "  nearly == a + 2 * b\n" in capsys.readouterr().out


BAD_RULES = {
    "a ==": "expected a column, a number, a function or '(', got the end.\n    a ==\n        ^\n",
    "a = b": "got '='; write ==.\n    a = b\n      ^\n",
    "a <= c": "there is no column 'c'",
    "a sum >= a": "A name that is no plain word needs backticks: `a sum`",
    "y -> a": "'y -> a' names 'y', the column of classes. Name the other columns only",
    "auto": "there is no column 'auto'",
    "nearly == a + 2 * b": "does not hold in 1 of 60 rows of X (rows 7; row 0 is the first). In row 7, "
    "nearly is 160, a is 11, b is 74, and a + 2 * b gives 159. Correct these rows, leave the relation out, "
    "or pass --on-violation keep to keep it with its exceptions.\n",
}


@pytest.mark.parametrize("rule", BAD_RULES)
def test_a_rule_that_cannot_be_kept_is_an_error_that_says_what_to_do(
    rules_table: Path, capsys: pytest.CaptureFixture[str], rule: str
) -> None:
    assert _augment(rules_table, "--relation", rule) == 1
    error = capsys.readouterr().err
    assert error.startswith("vaeaug: error: --relation: ")
    assert BAD_RULES[rule] in error
    assert os.listdir(rules_table.parent) == ["in.csv"]


def test_same_seed_same_file(table: Path) -> None:
    found = []
    for name, seed in [("a.csv", "1"), ("b.csv", "1"), ("c.csv", "2")]:
        assert (
            main(["augment", str(table), "--target=y", "-o", str(table.with_name(name)), "--seed", seed]) == 0
        )
        found.append(table.with_name(name).read_bytes())
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("strategy", "rows"), [("0.5", 45), ("yes=10", 40), ("minority", 60), ("yes=12,no=31", 43)]
)
def test_strategies(table: Path, strategy: str, rows: int) -> None:
    out = table.with_name("out.csv")
    assert main(["augment", str(table), "--target=y", "-o", str(out), "--strategy", strategy]) == 0
    assert len(pd.read_csv(out)) == rows


def test_flag_column_method_and_parquet(table: Path) -> None:
    pytest.importorskip("pyarrow")
    out = table.with_name("out.parquet")
    options = ["--flag-column", "new", "--method", "posterior"]
    assert main(["augment", str(table), "--target", "y", "-o", str(out), *options]) == 0
    frame = pd.read_parquet(out)
    assert frame["new"].tolist() == [False] * 38 + [True] * 22
    again = table.with_name("again.parquet")
    assert main(["augment", str(out), "--target", "new", "-o", str(again)]) == 0
    assert pd.read_parquet(again).dtypes.equals(frame.dtypes)
    pd.testing.assert_frame_equal(pd.read_parquet(again)[:60], frame)


def test_a_saved_model_makes_more_rows(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out, more = (str(table.with_name(name)) for name in ("m.safetensors", "out.csv", "more.csv"))
    assert main(["augment", str(table), "--target", "y", "-o", out, "--model-out", model]) == 0
    assert load(model).classes_.tolist() == ["no", "yes"]
    assert main(["sample", model, "-n", "7", "--label", "yes", "-o", more]) == 0
    frame = pd.read_csv(more)
    assert frame["y"].tolist() == ["yes"] * 7
    assert set(frame) == {"id", "y", "size", "colour", "day"}
    assert main(["sample", model, "-n", "50", "-o", more, "--seed", "3"]) == 0
    assert set(pd.read_csv(more)["y"]) == {"no", "yes"}
    assert "7 synthetic rows of yes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("age > 40 and job == 'nurse'", """--where "age > 40" --where "job == 'nurse'"."""),
        ("age > 40 and age < 50", '--where "age > 40" --where "age < 50".'),
        ('age > 40 & job == "nurse"', """--where "age > 40" --where 'job == "nurse"'."""),
        ("age > 40 and late == yes", '--where "age > 40" --where "late == yes".'),
    ],
)
def test_two_conditions_in_one_are_to_be_given_apart(text: str, parts: str) -> None:
    with pytest.raises(InputError) as caught:
        read_conditions([text], ["age", "job"], ["late"])
    assert str(caught.value) == f"--where {text!r} holds 2 conditions; give --where once for each: {parts}"


@pytest.mark.parametrize("text", ["age >= 40 and < 60", "job == sand and job", "job in b and in, c"])
def test_one_condition_may_hold_an_and(text: str) -> None:
    assert read_conditions([text], ["age", "job"]) is not None


def test_whole_numbers_as_classes_are_noted(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"age": np.arange(60) % 24, "size": np.arange(60) / 2})
    frame.to_csv(table, index=False)
    assert main(["augment", str(table), "--target", "age", "-o", str(table.with_name("out.csv"))]) == 0
    said = capsys.readouterr().err
    assert (
        "'age' holds 24 different numbers, and each is taken for a class. If it is a quantity, name" in said
    )


def test_rows_of_a_class_that_are_no_number(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["augment", str(table), "--target", "y", "-o", "out.csv", "--strategy", "yes=many"])
    assert "'yes=many' does not give each class a whole number of rows, as yes=5" in capsys.readouterr().err


def test_rows_of_a_saved_model_meet_conditions(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = table.with_name("m.safetensors"), table.with_name("out.csv")
    X = pd.read_csv(table, usecols=["size", "colour"])
    QUICK(random_state=0).fit(X).save(model)
    conditions = ["--where", "size >= -0.5", "--where", "size < 0.5", "--where", "colour in red, green"]
    assert main(["sample", str(model), "-n", "9", *conditions, "-o", str(out)]) == 0
    frame = pd.read_csv(out)
    assert frame["size"].between(-0.5, 0.5).all()
    assert set(frame["colour"]) <= {"red", "green"}
    assert main(["sample", str(model), "--where", "colour == blue", "-o", str(out)]) == 1
    assert "no training row has 'colour' equal to 'blue'" in capsys.readouterr().err
    assert main(["sample", str(model), "--where", "weight > 2", "-o", str(out)]) == 1
    assert "is no condition on a column of the model" in capsys.readouterr().err
    assert main(["sample", str(model), "--where", "colours == red", "-o", str(out)]) == 1
    assert "Did you mean 'colour'?" in capsys.readouterr().err
    assert main(["sample", str(model), "--where", "size > big", "-o", str(out)]) == 1
    assert "error: --where: column 'size' holds numbers; got '> big'" in capsys.readouterr().err
    assert main(["sample", str(model), "--where", "size > 0", "-o", str(table.with_name("rows"))]) == 1
    assert "--where goes with one file" in capsys.readouterr().err
    QUICK(random_state=0).fit(pd.read_csv(table, usecols=["size", "colour", "y"]), "y").save(model)
    assert main(["sample", str(model), "--where", "y == yes", "-o", str(out)]) == 1
    assert "'y' holds the classes; ask for one with --label" in capsys.readouterr().err


def test_a_model_of_images_writes_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = str(tmp_path / "m.safetensors"), str(tmp_path / "out.csv")
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
    VAEAugmenter(max_iter=1, random_state=0).fit(images, [0, 1] * 10).save(model)
    for options in ([], ["--where", "age >= 40"]):
        assert main(["sample", model, "-o", out, *options]) == 1
        said = capsys.readouterr().err
        assert "makes images, and vaeaug sample writes tables" in said
        assert "vaeaug studio" in said
    assert not os.path.exists(out)


def test_a_model_of_an_array_without_labels_can_be_sampled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = tmp_path / "m.safetensors", tmp_path / "out.csv"
    QUICK(random_state=0).fit(np.random.default_rng(0).normal(size=(30, 2))).save(model)
    assert main(["sample", str(model), "-n", "3", "-o", str(out)]) == 0
    assert pd.read_csv(out).columns.tolist() == ["x0", "x1"]
    assert main(["sample", str(model), "--where", "x0 > 1", "-o", str(out)]) == 1
    assert "--where needs a model of a table with column names" in capsys.readouterr().err


def test_balanced_classes_are_written_as_they_are(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fit(*_: object) -> None:
        raise AssertionError("there is nothing to learn for")

    monkeypatch.setattr(VAEAugmenter, "fit", fit)
    text = "\n".join(["a,y", *(f"{i},{'no' if i % 2 else 'yes'}" for i in range(20))]) + "\n"
    table.write_text(text)
    out = table.with_name("out.csv")
    assert main(["augment", str(table), "--target", "y", "-o", str(out)]) == 0
    assert out.read_text() == text
    assert "no class lacks rows by this strategy" in capsys.readouterr().err


BAD = {
    "a target that names each row": (
        ["IN", "--target", "id", "-o", "OUT"],
        "The column 'id' has another value in each of 38 rows, and a column of classes has few; name that "
        "one with --target. Those whose values repeat: 'y', 'size', 'colour', 'day'.",
    ),
    "unknown target": (["IN", "--target", "z", "-o", "OUT"], "has no column 'z'; it has 'id', 'y'"),
    "misspelled target": (["IN", "--target", "Seize", "-o", "OUT"], "Did you mean 'size'?"),
    "no input": (["no.csv", "--target", "y", "-o", "OUT"], "no.csv does not exist"),
    "over the input": (["IN", "--target", "y", "-o", "IN"], "is the input; write to another file"),
    "twice": (["IN", "--target", "y", "-o", "OUT", "--model-out", "OUT"], "is named twice"),
    "unknown suffix": (["IN", "--target", "y", "-o", "out.xls"], "must end in .csv"),
    "no folder": (["IN", "--target", "y", "-o", "no/out.csv"], "there is no folder"),
    "no folder for the model": (
        ["IN", "--target", "y", "-o", "OUT", "--model-out", "no/m"],
        "there is no folder",
    ),
    "too small a ratio": (["IN", "--target", "y", "-o", "OUT", "--strategy", "0.01"], "increase the ratio"),
    "too few rows": (
        ["IN", "--target", "y", "-o", "OUT", "--strategy", "yes=5"],
        "--strategy asks for 5 rows of class 'yes', which has 8 already",
    ),
    "unknown class": (
        ["IN", "--target", "y", "-o", "OUT", "--strategy", "may=9"],
        "error: --strategy names the class 'may', which the column 'y' does not have; it has 'no', 'yes'.",
    ),
    "missing labels": (
        ["IN", "--target", "colour", "-o", "OUT"],
        "'colour' cannot be balanced: y must not have",
    ),
    "no classes": (
        ["IN", "--target", "size", "-o", "OUT"],
        "different numbers, and a column of classes, such as yes and no, is needed. Name one with --target, "
        "or cut the numbers into groups in the table first. Those of few values: 'y', 'colour'.",
    ),
    "no such dates": (
        ["IN", "--target", "y", "-o", "OUT", "--parse-dates", "size"],
        "cannot be read as dates",
    ),
    "flag is there": (
        ["IN", "--target", "y", "-o", "OUT", "--flag-column", "id"],
        "has a column 'id' already",
    ),
    "separator": (
        ["IN", "--target", "y", "-o", "OUT", "--sep", ";"],
        "it has 'id,y,size,colour,day'. If these are several names in one, set --sep \",\".",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_an_error_is_one_sentence_and_writes_nothing(
    table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(table.parent)
    before = table.read_bytes()
    arguments, message = BAD[case]
    names = {"IN": str(table), "OUT": str(table.with_name("out.csv"))}
    assert main(["augment", *(names.get(each, each) for each in arguments)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("vaeaug: error: ")
    assert error.count("\n") == 1
    assert table.read_bytes() == before
    assert os.listdir(table.parent) == ["in.csv"]


def test_an_empty_table_is_refused(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write_text("a,y\n")
    assert main(["augment", str(table), "--target", "y", "-o", str(table.with_name("out.csv"))]) == 1
    assert "has column names, but no rows" in capsys.readouterr().err


def test_wrong_models_and_labels(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = table.with_name("m.safetensors"), table.with_name("out.csv")
    QUICK(random_state=0).fit(pd.DataFrame({"a": range(20)}), ["x"] * 10 + ["y"] * 10).save(model)
    assert main(["sample", str(model), "--label", "z", "-o", str(out)]) == 1
    assert "There is no class 'z'; there are 'x', 'y'." in capsys.readouterr().err
    assert main(["sample", str(table), "-o", str(out)]) == 1
    assert "is a table; give the file of a fitted model" in capsys.readouterr().err
    copy = table.rename(table.with_suffix(".safetensors"))
    assert main(["sample", str(copy), "-o", str(out)]) == 1
    assert "is no model of vaeaug. Give the file that save() wrote" in capsys.readouterr().err
    assert main(["sample", str(table.with_name("no")), "-o", str(out)]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["augment", "a.csv", "-o", "b.csv"],
        ["augment", "a.csv", "--target=y", "-o", "b.csv", "--strategy", "some"],
        ["augment", "a.csv", "--target=y", "-o", "b.csv", "--seed", "-1"],
        ["augment", "a.csv", "--target=y", "-o", "b.csv", "--max-fit-seconds", "0"],
        ["augment", "a.csv", "--target=y", "-o", "b.csv", "--sep", "ab"],
        ["sample", "m", "-n", "0", "-o", "b.csv"],
        ["sample", "m", "--temperature", "nan", "-o", "b.csv"],
    ],
)
def test_wrong_usage_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "usage: vaeaug" in said
    assert re.search(r"^vaeaug( \w+)?: error: ", said, re.MULTILINE)


COMMANDS = ["demo", "augment", "sample", "assess", "report", "studio", "doctor"]


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_fits_a_screen_and_shows_an_example(
    command: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main([*([command] if command else []), "--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 46
    assert max(map(len, lines)) <= 80
    examples = [line for line in lines if line.startswith("  vaeaug ")]
    assert examples
    for line in examples:
        _parser().parse_args(shlex.split(line)[1:])


def test_columns_of_names_are_called_as_in_python_too() -> None:
    named = ["--id=k", "--id-columns=m"]
    options = _parser().parse_args(["augment", "a.csv", "--target=y", "-o", "b.csv", *named])
    assert options.id == ["k", "m"]


ONE_MORE = ["--strategy", "yes=9"]


def test_one_row_is_a_row(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, model = str(table.with_name("out.csv")), str(table.with_name("m.safetensors"))
    assert main(["augment", str(table), "--target=y", "-o", out, "--model-out", model, *ONE_MORE]) == 0
    assert "38 real rows, then 1 synthetic row (yes: +1)\n" in capsys.readouterr().out
    assert main(["sample", model, "-n", "1", "-o", out]) == 0
    assert capsys.readouterr().out == f"Wrote {out}: 1 synthetic row\n"


def test_a_table_of_few_rows_is_noted(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write_text("a,y\n1,no\n2,no\n3,yes\n")
    assert main(["augment", str(table), "--target=y", "-o", str(table.with_name("out.csv"))]) == 0
    assert "note: the table has 3 rows, too few to learn how" in capsys.readouterr().err


def test_a_class_of_one_row_is_noted(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write_text("\n".join(["a,y", *(f"{i},no" for i in range(40)), "40,rare"]) + "\n")
    assert main(["augment", str(table), "--target=y", "-o", str(table.with_name("out.csv"))]) == 0
    assert capsys.readouterr().err.count("note: The table has classes of fewer than 5 rows") == 1


def test_bytes_of_the_old_rows_are_kept(table: Path) -> None:
    lines = table.read_text().splitlines()
    text = "\r\n".join([lines[0] + ",", *(f"{line}," for line in lines[1:])]).replace("red", "r\0ed")
    table.write_bytes(("\ufeff" + text + "\r\n").encode())
    out = table.with_name("out.csv")
    assert main(["augment", str(table), "--target=y", "-o", str(out)]) == 0
    assert out.read_bytes().startswith(table.read_bytes())
    new = out.read_bytes()[len(table.read_bytes()) :].decode()
    assert new.count("\r\n") == new.count("\n") == new.count(",\r\n") == 22
    assert {line.split(",")[3] for line in new.splitlines()} <= {"r\0ed", "green", ""}


def test_encoding_and_decimal_comma(table: Path) -> None:
    lines = table.read_text().replace("red", "rot wäre").replace(".", ",").splitlines()
    rows = [";".join([line.split(",")[0], *line.split(",", 1)[1].rsplit(",", 4)]) for line in lines[1:]]
    table.write_bytes("\n".join(["id;y;a;b;colour;day", *rows]).encode("cp1252"))
    assert "é" not in table.read_bytes().decode("cp1252")
    out = table.with_name("out.csv")
    options = ["--sep", ";", "--encoding", "cp1252", "--decimal", ","]
    assert main(["augment", str(table), "--target=y", "-o", str(out), *options]) == 0
    assert out.read_bytes().startswith(table.read_bytes())


def test_formula_like_cells_are_kept_and_noted(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table.write_text("\n".join(["a,y", *["=1+1,no"] * 12, *["@x,yes"] * 4]) + "\n")
    out = table.with_name("out.csv")
    assert main(["augment", str(table), "--target", "y", "-o", str(out)]) == 0
    assert set(pd.read_csv(out)["a"]) == {"=1+1", "@x"}
    assert "cells of 'a' begin with =, +, - or @" in capsys.readouterr().err


def test_an_old_output_survives_a_failed_write(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, model = table.with_name("out.csv"), table.with_name("m.safetensors")
    out.write_text("old")
    model.write_text("old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    assert main(["augment", str(table), "--target=y", "-o", str(out), "--model-out", str(model)]) == 1
    assert out.read_text() == model.read_text() == "old"
    assert sorted(os.listdir(table.parent)) == ["in.csv", "m.safetensors", "out.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_an_interrupt_during_fit_writes_nothing(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fit(self: VAEAugmenter, *arguments: object) -> VAEAugmenter:
        with suppress(KeyboardInterrupt):  # as the training loop does, which keeps the weights so far
            signal.raise_signal(signal.SIGINT)
        return original(self, *arguments)

    original = VAEAugmenter.fit
    monkeypatch.setattr(VAEAugmenter, "fit", fit)
    before = signal.getsignal(signal.SIGINT)
    assert main(["augment", str(table), "--target=y", "-o", str(table.with_name("out.csv"))]) == 130
    assert "interrupted; no table was written" in capsys.readouterr().err
    assert os.listdir(table.parent) == ["in.csv"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow  # writes a million rows
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals differ")
@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", None)])
def test_a_process_that_is_ended_while_it_writes_leaves_no_temporary_file(table: Path, number: int) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("whoever started the tests ignores this signal, as nohup does")
    model, folder = table.with_name("m.safetensors"), table.with_name("out")
    folder.mkdir()
    QUICK(random_state=0).fit(pd.DataFrame({"a": range(20)}), ["x"] * 10 + ["y"] * 10).save(model)
    (folder / "out.csv").write_text("old")
    command = [sys.executable, "-m", "vaeaug", "sample", str(model), "-n", "1e6", "-o", "out/out.csv"]
    with subprocess.Popen(command, cwd=table.parent, stderr=subprocess.PIPE, text=True) as running:
        while len(os.listdir(folder)) < 2:
            assert running.poll() is None
            time.sleep(0.005)
        running.send_signal(number)
        _, said = running.communicate()
    assert said == f"vaeaug: ended by signal {int(number)}; no table was written\n"
    assert running.returncode == 128 + number
    assert os.listdir(folder) == ["out.csv"]
    assert (folder / "out.csv").read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_a_caller_who_ignores_the_signal_keeps_it_ignored(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(self: VAEAugmenter, *arguments: object) -> VAEAugmenter:
        signal.raise_signal(signal.SIGTERM)
        return original(self, *arguments)

    original = VAEAugmenter.fit
    monkeypatch.setattr(VAEAugmenter, "fit", fit)
    arguments = ["augment", str(table), "--target=y", "-o", str(table.with_name("out.csv"))]
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert main(arguments) == 0
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert main(arguments) == 128 + signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_unexpected_error_is_one_sentence_too(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(vaeaug.cli.augment, "read_table", break_down)
    arguments = ["augment", str(table), "--target=y", "-o", str(table.with_name("out.csv"))]
    assert main(arguments) == 1
    assert capsys.readouterr().err == (
        "vaeaug: error: RuntimeError: two lines (set VAEAUG_DEBUG=1 to see where)\n"
    )
    monkeypatch.setenv("VAEAUG_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(arguments)


WRONG = [
    ["augment", "--help"],
    ["augment", "IN", "--target", "y", "-o", "b.csv", "--sep", "ab"],
    ["augment", "IN", "--target", "y", "-o", "b.csv", "--decimal", ";"],
    ["augment", "IN", "--target", "y", "-o", "b.csv", "--encoding", "klingon"],
    ["augment", "IN", "--target", "y", "-o", "b.csv", "--device", "GPU 0"],
    ["augment", "no.csv", "--target", "y", "-o", "b.csv"],
    ["augment", "IN", "--target", "z", "-o", "b.csv"],
    ["augment", "IN", "--target", "y", "-o", "no/b.csv"],
    ["augment", "IN", "--target", "y", "-o", "b.xls"],
    ["augment", "IN", "--target", "y", "-o", "b.csv", "--parse-dates", "z"],
    ["augment", "IN", "--target", "y", "-o", "b.csv", "--flag-column", "id"],
    ["sample", "no.safetensors", "-o", "b.csv"],
    ["sample", "IN", "-o", "no/b.csv"],
    ["sample", "IN", "-o", "b.csv", "--jobs", "2"],
    ["assess", "no.csv", "--target", "y"],
    ["assess", "IN", "--target", "z"],
    ["assess", "IN", "--target", "y", "-o", "no/b.html"],
    ["studio", "no.safetensors"],
    ["studio", "IN", "-o", "no/b.html"],
    ["demo", "-o", "IN"],
]


def test_wrong_usage_says_what_was_meant_and_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    told = {
        "augment a.csv --target y -o b.csv --methode prior": "Did you mean '--method'?",
        "augment a.csv --target y -o b.csv my file": "'my' is one argument too many; quote names",
        "augment a.csv --target y -o b.csv --method pior": "invalid choice: 'pior' (choose from",
        "augment a.csv -o b.csv": "required: --target",
        "augmen a.csv": "invalid choice: 'augmen' (choose from",
    }
    for line, message in told.items():
        with pytest.raises(SystemExit, match="2"):
            main(line.split())
        said = capsys.readouterr().err
        assert message in said
        command = "vaeaug augment" if line.startswith("augment ") else "vaeaug"
        assert said.endswith(f"'{command} --help' says what there is.\n")


def test_what_is_wrong_is_said_before_anything_slow_is_imported(table: Path) -> None:
    names = [[str(table) if part == "IN" else part for part in arguments] for arguments in WRONG]
    code = (
        "import sys, contextlib, io\nfrom vaeaug.cli.main import _parser, main\n"
        f"for arguments in {names!r}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
        "        try:\n            code = main(arguments)\n"
        "        except SystemExit as ended:\n            code = ended.code\n"
        "    slow = sorted({'torch', 'pandas', 'numpy', 'sklearn', 'matplotlib'} & set(sys.modules))\n"
        "    print(code, slow, arguments[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=table.parent
    )
    codes = [0, 2, 2, 2, 2, *[1] * (len(WRONG) - 5)]
    expected = [f"{code} [] {arguments[0]}" for code, arguments in zip(codes, WRONG, strict=True)]
    assert done.stdout.splitlines() == expected


def test_python_m_vaeaug_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vaeaug", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"vaeaug {vaeaug.__version__}\n"


@pytest.mark.slow  # the whole demo
def test_demo_writes_a_report_and_says_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vaeaug.cli.demo, "VAEAugmenter", QUICK)
    out = tmp_path / "deep" / "demo"
    assert main(["demo", "-o", str(out), "--seed", "5"]) == 0
    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines() if str(out) not in line) <= 90
    for word in (
        "logistic regression",
        "random forest",
        "as it is",
        "copies",
        "synthetic",
        "recall",
        "ROC AUC",
    ):
        assert word in said
    pictures = ["codes.png", "columns.png", "loss.png", "rows.png", "scores.png"]
    assert sorted(os.listdir(out)) == sorted([*pictures, "augmented.csv", "index.html", "model.safetensors"])
    page = (out / "index.html").read_text()
    assert page.count("data:image/png;base64,") == len(pictures)
    for told in (" ".join(said.split()), page):
        assert re.search(r"rules between columns: \d+ found, such as .* [Aa]ll 194 synthetic rows keep", told)
    frame = pd.read_csv(out / "augmented.csv")
    assert frame.groupby("synthetic").size().to_dict() == {False: 234, True: 194}
    assert (frame["diagnosis"][frame["synthetic"]] == "malignant").all()


def test_demo_into_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["demo", "-o", str(tmp_path / "file")]) == 1
    assert "cannot be made a folder" in capsys.readouterr().err


def test_demo_of_images_writes_a_report_and_says_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vaeaug.cli.demo_images, "VAEAugmenter", QUICK)
    monkeypatch.setattr("vaeaug.training.callbacks._TELLING", 0.0)
    monkeypatch.setattr("vaeaug.training.callbacks._LONG", 0.0)
    out = tmp_path / "demo"
    assert main(["demo", "--images", "-o", str(out)]) == 0
    said, remarks = capsys.readouterr()
    assert remarks.count("vaeaug: note: Training will take up to about") == 1
    for word in (
        "5 nearest neighbours",
        "as it is",
        "copies",
        "synthetic",
        "recall of 3 and 8",
        "on the mean",
    ):
        assert word in said
    assert sorted(os.listdir(out)) == ["images.png", "index.html", "model.safetensors", "transfer.png"]
    assert (out / "index.html").read_text().count("data:image/png;base64,") == 2
    new, labels = load(out / "model.safetensors").sample(3, y=8)
    assert new.shape == (3, 8, 8)
    assert set(labels) == {8}


def test_dates_that_fit_reads_are_said_once(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(120) * 7, "D")
    y = np.repeat(["no", "yes"], [90, 30])
    pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "y": y}).assign(a=np.arange(120) % 7).to_csv(
        table, index=False
    )
    assert main(["augment", str(table), "--target", "y", "-o", str(table.with_name("out.csv"))]) == 0
    said = capsys.readouterr().err
    assert "written as %Y-%m-%d" in said
    assert "--parse-dates" not in said


def test_advice_on_collapsed_codes_is_about_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vaeaug.cli.augment, "VAEAugmenter", partial(VAEAugmenter, max_iter=5, beta=100.0))
    numbers = np.random.default_rng(0).normal(size=(300, 3))
    pd.DataFrame(numbers).add_prefix("x").assign(y=["no"] * 250 + ["yes"] * 50).to_csv(
        tmp_path / "in.csv", index=False
    )
    assert _augment(tmp_path / "in.csv") == 0
    said = capsys.readouterr().err
    assert "nats about a row: variations of rows (--method posterior) and the sliders" in said
    assert "heck whether the columns depend on each other" in said
    for code in ("beta", "transform", "vary ", "max_fit_seconds", '"auto"'):
        assert code not in said


def test_notes_name_options_instead_of_code(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 120), "D")
    frame = pd.DataFrame({"price": [f"€{price:.2f}" for price in rng.uniform(1, 99, 120)]})
    frame["paid"] = [
        f"{paid:,.2f}".translate(str.maketrans(",.", ".,")) for paid in rng.uniform(1, 9999, 120)
    ]
    frame["used"] = [f"{k}" if k % 9 else "unlimited" for k in range(120)]
    frame["when"] = [f"{day.day}th {day:%B %Y}" for day in days]
    frame["y"] = ["no"] * 90 + ["yes"] * 29 + ["yess"]
    frame.to_csv(table, index=False)
    assert main(["augment", str(table), "--target", "y", "-o", str(table.with_name("out.csv"))]) == 0
    said = capsys.readouterr().err
    for words in (
        "), take the signs off in the file",
        'add --decimal "," --thousands "."',
        "'used' ('unlimited'), add --missing for such texts",
        "add --parse-dates 'when'",
        "add --category COLUMN",
        "write them alike in the table first",
    ):
        assert words in said
    for code in ("X[", "y.replace", "categorical_features", "read the file"):
        assert code not in said
    assert said.count("--parse-dates") == 1
    assert said.count("'used'") == 1
