"""``vaeaug complete``: missing cells are filled, all others stay, trouble in a sentence."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter, load
from vaeaug.cli.labels import match_labels
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


@pytest.fixture(scope="module", params=["text", "int", "float"])
def code_model(request, tmp_path_factory):
    """A model of rows with the classes 0 and 1 in one of several types, and rows with missing cells."""
    path = tmp_path_factory.mktemp("coded")
    size, label = np.random.default_rng(0).normal(size=60).round(2), np.arange(60) % 2
    y = pd.Series(label, name="y").astype({"text": str, "int": int, "float": float}[request.param])
    VAEAugmenter(max_iter=1, random_state=0).fit(pd.DataFrame({"size": size, "more": size}), y).save(
        path / "model.safetensors"
    )
    pd.DataFrame({"size": size, "more": None, "y": label}).to_csv(path / "in.csv", index=False)
    return path


@pytest.mark.parametrize("written", ["0 1", "0.0 1.0", "00 01"])
def test_labels_that_differ_by_type_only_are_taken(code_model, capsys, written):
    frame = pd.read_csv(code_model / "in.csv")
    frame.assign(y=frame["y"].map(dict(enumerate(written.split())))).to_csv(
        code_model / "typed.csv", index=False
    )
    assert run(code_model, table="typed.csv") == 0
    assert pd.read_csv(code_model / "out.csv", dtype=str)["y"].tolist() == written.split() * 30
    assert "given the class in 'y'" in capsys.readouterr().out


def test_a_label_that_differs_by_type_only_is_sampled(code_model, capsys):
    for label in ("1", "1.0"):
        out = code_model / "new.csv"
        assert (
            main(
                ["sample", str(code_model / "model.safetensors"), "-n", "5", "--label", label, "-o", str(out)]
            )
            == 0
        )
        assert pd.read_csv(out)["y"].tolist() == [1] * 5


@pytest.mark.parametrize(
    ("found", "known"),
    [(["1", "1.0"], [1, 2]), ([1, 2], ["1", "01", "2"]), (["yes "], ["yes"]), ([True], ["1"])],
)
def test_labels_that_could_mean_another_stay_as_they_are(found, known):
    assert match_labels(pd.Series(found), known).tolist() == found


def test_labels_that_the_model_lacks_are_named_alone(code_model, capsys):
    frame = pd.read_csv(code_model / "in.csv")
    frame.assign(y=frame["y"].map({0: "0x", 1: "1"})).to_csv(code_model / "other.csv", index=False)
    assert run(code_model, table="other.csv", out="none.csv") == 1
    assert "'0x'; allowed are" in capsys.readouterr().err


def test_text_that_the_model_reads_as_dates_gets_no_note(classes, capsys):
    pd.read_csv(classes / "in.csv").tail(5).to_csv(classes / "few.csv", index=False)
    assert run(classes, table="few.csv") == 0
    assert "--parse-dates" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def prices(tmp_path_factory):
    """A model of prices, codes, remarks and days."""
    path = tmp_path_factory.mktemp("prices")
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, 80), "D")
    frame = pd.DataFrame(
        {
            "price": rng.integers(400, 200_000, 80) / 100,
            "code": [f"{k:03}" for k in rng.integers(1, 20, 80)],
            "remark": rng.choice(["good; new", "used", 'so "so"'], 80),
            "count": rng.integers(1, 9, 80),
            "day": days,
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = VAEAugmenter(max_iter=1, latent_dim=2, random_state=0).fit(frame)
    model.save(path / "model.safetensors")
    return path


GERMAN = (
    "\ufeffprice;code;remark;count;day;extra\r\n"
    '1.049,90;007;"good; new";3;15.01.2024;"kept"\r\n'
    ";012;used;;06.01.2024;\r\n"
    '\r\n12,50;"";"so ""so""";+4;;x\r\n'
    '0,90;;;5;07.01.2024;"y ""z"""\r\n'
    "7,00;003;used"
)


def test_cells_that_were_there_keep_their_characters(prices):
    (prices / "in.csv").write_bytes(GERMAN.encode("utf-8"))
    options = ["--sep", ";", "--decimal", ",", "--thousands", ".", "--parse-dates", "day"]
    assert run(prices, *options) == 0
    price, number, code = r"(\d|\d\.)+,\d\d", r"\+?[1-8]", r"0\d\d"
    day, remark = r"\d\d\.\d\d\.\d{4}", r'("good; new"|used|"so ""so""")'
    expected = (
        "\ufeffprice;code;remark;count;day;extra\r\n"
        r'1\.049,90;007;"good; new";3;15\.01\.2024;"kept"' + "\r\n"
        rf"{price};012;used;{number};06\.01\.2024;" + "\r\n"
        rf'\r\n12,50;{code};"so ""so""";\+4;{day};x' + "\r\n"
        rf'0,90;{code};{remark};5;07\.01\.2024;"y ""z"""' + "\r\n"
        rf"7,00;003;used;{number};{day}"
    )
    assert re.fullmatch(expected, (prices / "out.csv").read_bytes().decode("utf-8"))


def test_a_table_without_gaps_comes_back_byte_for_byte(prices):
    text = '"price"\t"code"\tremark\tcount\tday\n49.90\t007\tused\t 3\t2024-01-05\n1e2\t7\té\t4\t2024-01-06\n'
    (prices / "in.tsv").write_bytes(text.encode("latin-1"))
    assert run(prices, "--encoding", "latin-1", table="in.tsv", out="out.tsv") == 0
    assert (prices / "out.tsv").read_bytes() == text.encode("latin-1")


def test_each_suffix_has_its_separator(prices):
    (prices / "in.csv").write_text("price,code,remark,count,day\n49.90,007,used,,2024-01-05\n")
    assert run(prices, out="out.tsv") == 0
    assert (prices / "out.tsv").read_text().startswith("price\tcode\tremark\tcount\tday\n49.90\t007\tused\t")
    assert run(prices, out="out.parquet") == 0
    assert pd.read_parquet(prices / "out.parquet")["price"].tolist() == [49.9]


def test_new_numbers_have_the_decimals_of_their_column(prices):
    cells = ["49.90", "12.50", "", "0.90", ""]
    lines = [
        f"{cell},007,used,{count},2024-01-05"
        for cell, count in zip(cells, ["1", "2", "", "4", "5"], strict=True)
    ]
    (prices / "in.csv").write_text("\n".join(["price,code,remark,count,day", *lines]))
    assert run(prices) == 0
    written = [line.split(",") for line in (prices / "out.csv").read_text().splitlines()[1:]]
    assert [row[0] for row in written][:2] == cells[:2]
    assert all(re.fullmatch(r"\d+\.\d\d", row[0]) for row in written)
    assert all(re.fullmatch(r"\d", row[3]) for row in written)
