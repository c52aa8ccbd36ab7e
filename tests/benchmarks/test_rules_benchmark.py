"""The rules that new rows are held against, and the tables in which there are none."""

import argparse
import importlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import a benchmark file as the runner does, from its own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.fixture
def benchmark(load):
    return load("rules")


FRAME = pd.DataFrame({"a": [1.0, 2.0, np.nan], "two words": [2.0, 1.0, 0.0], "sick": ["f", "sick", None]})


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("a <= `two words`", [True, False, False]),
        ("a == 1 -> `two words` == 2", [True, True, True]),
        ("a == 1 <-> `two words` > 0", [True, False, True]),
        ("0 <= `two words` <= 1", [False, True, True]),
        ("a in [2, 3] -> sick == 'f'", [True, False, True]),
        ("a.isna() <-> sick.isna()", [True, True, True]),
    ],
)
def test_a_rule_is_read(load, rule, kept):
    assert load("_rules").find_kept(rule, FRAME, set()).tolist() == kept


def test_a_missing_cell_breaks_a_rule_only_where_real_rows_lack_none(load):
    find_kept = load("_rules").find_kept
    assert find_kept("a > 0", FRAME, set()).tolist() == [True, True, False]
    assert find_kept("a > 0", FRAME, {"a"}).tolist() == [True, True, True]


def test_a_rule_about_missing_cells_excuses_none(load):
    assert not load("_rules").find_kept("a.isna() -> sick == 'f'", FRAME, {"a", "sick"})[2]


def test_text_that_reads_like_a_column_is_no_column(load):
    # "sick" is lacking in the last row, but the rule speaks of another column.
    frame = FRAME.assign(b=["x", "x", "sick"])
    assert load("_rules").find_kept("b != 'sick'", frame, {"sick"}).tolist() == [True, True, False]


def check_real_rows(load, frame, name):
    rules = load("_rules")
    frame = frame.astype(dict.fromkeys(frame.select_dtypes("category"), object))
    optional = {column for column in frame if frame[column].hasnans}
    for rule in rules.list_lines(rules.RULES[name]):
        assert rules.find_kept(rule, frame, optional).mean() >= 0.99, rule
    for rate in rules.list_lines(rules.RATES.get(name, "")):
        assert 0.01 < rules.find_kept(rate, frame, set()).mean() < 0.9, rate


TABLES = ["news_popularity", "adult", "default_credit", "online_shoppers", "bank_marketing", "stroke"]
TABLES += ["us_crime", "beijing_pm25", "thyroid_sick", "sick_euthyroid", "credit_g", "abalone"]
TABLES += ["wine_quality", "ozone_8h", "solar_flare2", "letter"]


def test_every_table_is_checked(load):
    assert set(load("_rules").RULES) == {*TABLES, "breast_cancer"}


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("VAEAUG_DATA"), reason="needs the folder named by VAEAUG_DATA")
@pytest.mark.parametrize("name", TABLES)
def test_real_rows_keep_the_rules(load, name):
    frame = pd.read_parquet(Path(os.environ["VAEAUG_DATA"], "tabular", name, "data.parquet"))
    check_real_rows(load, frame, name)


def test_the_rows_of_the_demo_keep_the_rules(load, benchmark):
    table = benchmark.load("breast_cancer")
    check_real_rows(load, pd.concat([table.train, table.test]), "breast_cancer")


def test_rows_that_break_a_rule_are_counted(benchmark):
    table = benchmark.load("breast_cancer")
    tampered = table.train["mean texture"].where(table.train.index % 4 > 0, 1e6)
    found = benchmark.judge(table, table.train.assign(**{"mean texture": tampered}))
    broken = {rule: share for rule, share in found["broken"].items() if share}
    assert broken == {"`mean texture` <= `worst texture`": pytest.approx(0.25, abs=0.01)}


def test_what_real_rows_break_is_not_held_against_new_ones(benchmark):
    table = benchmark.load("breast_cancer")
    found = benchmark.judge(table, table.train)
    assert min(found["kept"].values()) < 1
    assert set(found["broken"].values()) == {0.0}


def test_rows_are_judged_whatever_their_dtypes(benchmark):
    table = benchmark.load("breast_cancer")
    texts = table.train.astype(str)
    assert set(benchmark.judge(table, texts)["broken"].values()) == {0.0}


def test_random_tables_differ_and_repeat(load):
    draw_table = load("_random_tables").draw_table
    pd.testing.assert_frame_equal(draw_table(7), draw_table(7))
    assert draw_table(7).shape != draw_table(8).shape


def test_random_tables_hold_all_kinds_of_columns(load):
    module = load("_random_tables")
    tables = [module.draw_table(number) for number in range(50)]
    assert {name.rsplit(" ", 1)[0] for table in tables for name in table} == set(module.KINDS)
    assert all(60 <= len(table) <= 5000 and 3 <= table.shape[1] <= 40 for table in tables)
    assert any(table.isna().any(axis=None) for table in tables)


def test_one_column_is_shuffled(load):
    frame = pd.DataFrame({"a": range(90), "b": pd.Categorical(list("xyz") * 30), "c": 1})
    mixed, name = load("_random_tables").shuffle_column(frame, 0)
    assert name in ("a", "b")
    assert not mixed[name].equals(frame[name])
    assert mixed[name].sort_values().tolist() == frame[name].sort_values().tolist()
    pd.testing.assert_frame_equal(mixed.drop(columns=name), frame.drop(columns=name))
    assert mixed.dtypes.equals(frame.dtypes)


def test_cells_of_all_parts(benchmark):
    cells = list(benchmark.list_cells(argparse.Namespace(seeds=[0, 1])))
    parts = pd.Series([cell["part"] for cell in cells]).value_counts()
    assert parts.to_dict() == {"table": 17 * 11, "random": 50, "shuffled": 40}
    assert len({tuple(cell[name] for name in benchmark.KEY) for cell in cells}) == len(cells)


def judged(method, seed, first, second):
    return {
        "part": "table",
        "table": "t",
        "method": method,
        "seed": seed,
        "kept": {"a <= b": 1.0, "`c d` > 0 -> a == b": 0.995},
        "broken": {"a <= b": first, "`c d` > 0 -> a == b": second},
        "rates": {"a == b": [0.14, first]},
    }


def test_the_page_has_means_over_seeds_and_worst_rules(benchmark):
    records = [judged("vaeaug", 0, 0.02, 0.0), judged("vaeaug", 1, 0.04, 0.0), judged("TVAE", 0, 0.5, 0.1)]
    text = benchmark.render(records)
    assert "| t | 2 | 1.50 / 3.0 | 30.00 / 50.0 |" in text
    assert "| `c d > 0 -> a == b` | 99.50 | 0.00 | 10.00 |" in text
    assert "| `a == b` | 14.0 | 3.0 | 50.0 |" in text


def test_the_page_names_false_rules(benchmark):
    common = {"method": "vaeaug.evaluation.rules", "seed": 0, "seconds": 0.5}
    records = [
        {"part": "random", "table": "random 1", "false": []} | common,
        {"part": "shuffled", "table": "adult", "false": ["age <= x"]} | common,
    ]
    text = benchmark.render(records)
    assert "| random | 1 | 0 | 0.50 |  |" in text
    assert "| shuffled | 1 | 1 | 0.50 | adult: age <= x |" in text


def test_a_failure_is_told_without_files_of_the_machine(benchmark):
    error = '  File "x.py", line 8 |     raise error | ValueError: Input contains NaN. | See below.'
    assert benchmark.find_reason(error) == "ValueError: Input contains NaN."
    assert benchmark.find_reason("not applicable: SMOTENC needs classes").startswith("not applicable")
