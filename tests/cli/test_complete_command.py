"""``vaeaug complete``: missing cells are filled, all others stay, trouble in a sentence."""

import warnings

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter, load
from vaeaug.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("complete")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=60).round(2), "town": rng.choice(["A", "B"], 60)})
    VAEAugmenter(max_iter=2, random_state=0).fit(frame).save(path / "model.safetensors")
    frame.loc[:4, "size"], frame.loc[3:7, "town"] = None, None
    frame.assign(y="yes").to_csv(path / "in.csv", index=False)
    return path


def run(folder, *options, table="in.csv", out="out.csv"):
    files = [str(folder / name) for name in ("model.safetensors", table)]
    return main(["complete", *files, "-o", str(folder / out), *options])


def test_missing_cells_are_filled_and_others_stay(folder, capsys):
    assert run(folder) == 0
    before, after = (pd.read_csv(folder / name) for name in ("in.csv", "out.csv"))
    assert not after.isna().any(axis=None)
    assert after.columns.tolist() == ["size", "town", "y"]
    pd.testing.assert_frame_equal(after.where(before.notna()), before)
    assert "10 missing cells filled" in capsys.readouterr().out


def test_only_some_columns_are_filled(folder, capsys):
    assert run(folder, "--column", "size", out="some.csv") == 0
    before, after = (pd.read_csv(folder / name) for name in ("in.csv", "some.csv"))
    assert after["size"].notna().all()
    pd.testing.assert_series_equal(after["town"], before["town"])
    assert "5 missing cells filled\n" in capsys.readouterr().out


def test_a_column_that_the_model_lacks_is_refused(folder, capsys):
    assert run(folder, "--column", "sise", out="none.csv") == 1
    assert "--column names 'sise', which is no column of the model" in capsys.readouterr().err


def test_each_draw_has_a_file(folder):
    assert run(folder, "--draws", "2", out="many.csv") == 0
    first, second = (pd.read_csv(folder / f"many-{k}.csv") for k in (1, 2))
    assert not first.equals(second)
    assert first.iloc[8:].equals(second.iloc[8:])


def test_a_table_of_other_columns_is_refused(folder, capsys):
    pd.DataFrame({"size": [1.0]}).to_csv(folder / "other.csv", index=False)
    assert run(folder, table="other.csv", out="none.csv") == 1
    assert "lacks columns of the model: 'town'" in capsys.readouterr().err
    assert not (folder / "none.csv").exists()


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """A model of rows with a class and dates as text, and rows with missing cells."""
    path = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    label = rng.choice(["a", "b"], 300)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, 300), "D")
    frame = pd.DataFrame(
        {"size": np.where(label == "a", 0, 50) + rng.integers(0, 9, 300), "day": days.strftime("%d/%m/%Y")}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = VAEAugmenter(max_iter=40, random_state=0).fit(frame, pd.Series(label, name="kind"))
    model.save(path / "model.safetensors")
    holes = frame.assign(kind=label, size=frame["size"].where(np.arange(300) > 200)).head(260)
    holes.loc[:9, "kind"] = None
    holes.to_csv(path / "in.csv", index=False)
    return path


def test_the_class_of_a_row_is_used_where_the_table_has_it(classes, capsys):
    assert run(classes, "--seed", "3") == 0
    said = capsys.readouterr()
    before, after = (pd.read_csv(classes / name) for name in ("in.csv", "out.csv"))
    model = load(classes / "model.safetensors")
    expected = model.complete(before[["size", "day"]], before["kind"], random_state=3)
    assert after["size"].tolist() == expected["size"].tolist()
    assert after["kind"].equals(before["kind"])
    assert "given the class in 'kind', which 10 rows lack" in said.out


def test_classes_that_the_model_does_not_know_are_refused(classes, capsys):
    pd.read_csv(classes / "in.csv").assign(kind="c").to_csv(classes / "other.csv", index=False)
    assert run(classes, table="other.csv", out="none.csv") == 1
    assert "'kind'" in capsys.readouterr().err
    assert not (classes / "none.csv").exists()


def test_text_that_the_model_reads_as_dates_gets_no_note(classes, capsys):
    pd.read_csv(classes / "in.csv").tail(5).to_csv(classes / "few.csv", index=False)
    assert run(classes, table="few.csv") == 0
    assert "--parse-dates" not in capsys.readouterr().err
