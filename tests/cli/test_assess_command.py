"""``vaeaug assess``: verdict on the screen, report and table in files, trouble in a sentence."""

import warnings
from argparse import Namespace

import numpy as np
import pandas as pd
import pytest
from jitter import Jitter

import vaeaug.cli.assess
from vaeaug import VAEOverSampler
from vaeaug.cli.main import _parser, main
from vaeaug.cli.pasting import write_reading
from vaeaug.errors import ColumnNote
from vaeaug.io.tables import read_table


@pytest.fixture
def table(tmp_path, monkeypatch):
    quick = VAEOverSampler(Jitter(), label_filter=None)
    monkeypatch.setattr(vaeaug.cli.assess, "VAEOverSampler", lambda augmenter: quick)
    monkeypatch.setattr(
        "vaeaug.evaluation.assess.comparison.smote_is_there", lambda: False
    )  # it takes most of the time
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "<b>yes"], [90, 24])
    frame = pd.DataFrame({"size": rng.normal(size=114) + (y != "no"), "=town()": rng.choice(["A", "B"], 114)})
    path = tmp_path / "in.csv"
    frame.assign(y=y).to_csv(path, index=False)
    return path


def run(*arguments):
    return main(["assess", *map(str, arguments), "--repeats", "1"])


def test_the_verdict_is_printed_and_the_files_are_written(table, capsys):
    page, scores = table.with_name("report.html"), table.with_name("scores.csv")
    options = ["--target", "y", "--estimator", "logistic", "--folds", "2", "-o", page, "--csv", scores]
    assert run(table, *options) == 0
    said = capsys.readouterr()
    assert any(word in said.out for word in ("HELPS", "NO EVIDENCE OF HELP", "HURTS"))
    assert "VAEOverSampler" in said.out
    assert "&lt;b&gt;yes" in page.read_text(encoding="utf-8")
    assert "<b>yes" not in page.read_text(encoding="utf-8")
    assert "nothing" in set(pd.read_csv(scores)["arm"])


def test_a_note_is_said_once_for_all_folds(table, capsys, monkeypatch):
    def warn(*arguments, **options):
        for _ in range(3):
            warnings.warn_explicit("X has columns that name each row: 'a'.", ColumnNote, "m", 1, registry={})
        return judge(*arguments, **options)

    judge = vaeaug.cli.assess.judge
    monkeypatch.setattr(vaeaug.cli.assess, "judge", warn)
    assert run(table, "--target", "y", "--estimator", "logistic", "--folds", "2") == 0
    assert capsys.readouterr().err.count("The table has columns that name each row: 'a'.") == 1


def test_another_estimator(table, capsys):
    assert run(table, "--target", "y", "--estimator", "knn", "--folds", "2") == 0
    said = capsys.readouterr().out
    assert "avg.prec." in said
    assert "class weights were not tried: the estimator takes neither" in said


def test_advice_on_long_folds_names_options(table, capsys, monkeypatch):
    monkeypatch.setattr("vaeaug.evaluation.assess.cross_validation._LONG", 0.0)
    assert run(table, "--target", "y", "--estimator", "logistic", "--folds", "2") == 0
    assert "--max-seconds bounds the time, a lower --folds shortens it" in capsys.readouterr().err


def test_same_seed_same_words(table, capsys):
    said = []
    for _ in range(2):
        run(table, "--target", "y", "--estimator", "logistic", "--folds", "2", "--scoring", "roc_auc")
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "ROC AUC" in said[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--target", "z"], "has no column 'z'"),
        (["--target", "y", "--folds", "30"], "fewer than the 30 folds"),
        (["--target", "size"], "class"),
        (["--target", "y", "--scoring", "beauty"], "scoring must be one of"),
        (["--target", "y", "-o", "{folder}"], "is a folder"),
        (["--target", "y", "-o", "{folder}/in.csv"], "is the input"),
    ],
)
def test_trouble_in_a_sentence(table, capsys, options, says):
    filled = [option.format(folder=table.parent) for option in options]
    assert run(table, "--estimator", "logistic", *filled) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("options", [["--estimator", "svm"], ["--jobs", "0"], ["--folds", "x"]])
def test_wrong_usage(table, options):
    with pytest.raises(SystemExit) as stopped:
        run(table, "--target", "y", *options)
    assert stopped.value.code == 2


def test_options_left_out_are_chosen_by_assess():
    options = _parser().parse_args(["assess", "table.csv", "--target", "y"])
    assert options.repeats is None
    assert options.estimator == "hgb"


@pytest.mark.parametrize("name", ["logistic", "hgb"])
def test_the_lines_to_paste_run_as_they_stand(tmp_path, monkeypatch, capsys, name):
    quick = VAEOverSampler(Jitter(), label_filter=None)
    monkeypatch.setattr(vaeaug.cli.assess, "VAEOverSampler", lambda augmenter: quick)
    monkeypatch.setattr("vaeaug.evaluation.assess.comparison.smote_is_there", lambda: False)
    monkeypatch.setattr(
        "vaeaug.evaluation.assess.comparison.OtherClassifiers.obstacle", lambda X: "it is slow"
    )
    found = []
    write = vaeaug.cli.assess.judge
    monkeypatch.setattr(vaeaug.cli.assess, "judge", lambda *a: found.append(write(*a)) or found[0])
    rng = np.random.default_rng(0)
    rows = [
        f"{k};C{k:04d};{rng.normal():.2f};{1 + k % 9:02d}/{1 + k % 11:02d}/2024;00{k % 7};?;{label}\n"
        for k, label in enumerate(["no"] * 90 + ["yes"] * 24)
    ]
    table = tmp_path / "it's a table.csv"
    table.write_text(";customer;size;day;code;gap;y\n" + "".join(row.replace(".", ",") for row in rows))
    options = ["--sep", ";", "--parse-dates", "day", "--missing", "?", "--estimator", name, "--folds", "2"]
    assert run(table, "--target", "y", *options, "--seed", 0) == 0
    assert f"What to do next, in Python:\n\n{found[0].code}\n" in capsys.readouterr().out
    assert name == "logistic" or "HistGradientBoostingClassifier(random_state=0)" in found[0].code
    scope = {}
    exec(found[0].code, scope)
    X = scope["X"]
    assert scope["model"].predict(X).shape == (114,)
    assert X.columns.tolist() == ["size", "day", "code", "gap"]  # without names of rows
    assert X["size"].dtype == X["day"].dtype == "float64"
    assert X["code"].iloc[3] == "003"
    assert (X["day"] - X["day"].min()).max() < 400
    assert scope["y"].value_counts().to_dict() == {"no": 90, "yes": 24}


def test_the_lines_to_paste_read_parquet(tmp_path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": [1, 2], "y": ["no", "yes"]}).to_parquet(path)
    scope = {}
    exec(write_reading(Namespace(table=str(path), target="y"), read_table(path)), scope)
    assert scope["X"].columns.tolist() == ["a"]
    assert scope["y"].tolist() == ["no", "yes"]
