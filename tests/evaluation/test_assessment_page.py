"""Picture, page and file of an assessment; whatever comes from the data is shown as text."""

import re
from copy import copy
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from vaeaug.errors import InputError
from vaeaug.evaluation.assess.comparison import Options, compare
from vaeaug.evaluation.assess.named_classifiers import learner
from vaeaug.evaluation.assess.smote import Smote
from vaeaug.plotting.assessment import AssessmentDisplay
from vaeaug.reports.intervals import Intervals

EVIL = "=cmd()<script>alert(1)</script>"


class Failing(BaseEstimator):
    def fit_resample(self, X, y):
        raise ValueError("<img src=x onerror=alert(2)>")


@pytest.fixture(scope="module")
def found():
    X, y = make_classification(n_samples=150, n_features=4, weights=[0.8], random_state=0)
    X = pd.DataFrame(X, columns=["<i>a</i>", "b", "c", "$d_1^"])
    y = np.where(y == 1, "<b>+yes</b>", "no")
    samplers = {EVIL: Smote(), "@bad": Failing()}
    return compare(
        LogisticRegression(), X, y, samplers, Options(cv=3, n_repeats=1, ratios=[1.0], random_state=0)
    )


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_verdict_is_on_top(found):
    page = found.to_html()
    assert page.index(found.verdict.capitalize()) < page.index("<section>")
    assert found.verdict in ("helps", "probably helps", "no evidence of help", "hurts")


def test_the_page_needs_nothing_from_outside(found):
    parser = Tags()
    parser.feed(found.to_html())
    assert {tag for tag, _ in parser.found}.isdisjoint({"script", "link", "iframe", "img", "b", "i"})
    for _, attributes in parser.found:
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "src")]


def test_names_labels_and_errors_are_escaped(found):
    page = found.to_html()
    assert "=cmd()&lt;script&gt;" in page
    assert "&lt;b&gt;+yes&lt;/b&gt;" in page
    assert "&lt;img src=x" in page
    assert "<script" not in page


def test_the_page_says_what_was_run(found, tmp_path):
    path = tmp_path / "report.html"
    page = found.to_html(path)
    assert path.read_text(encoding="utf-8") == page
    for text in ("LogisticRegression()", "150 × 4", "Seed", "scikit-learn", "What did not run"):
        assert text in page


def test_a_classifier_and_a_stream_are_shown_briefly():
    X, y = make_classification(n_samples=60, n_features=4, weights=[0.8], random_state=0)
    state = np.random.RandomState(0)
    options = Options(cv=2, n_repeats=1, ratios=[1.0], random_state=state)
    facts = compare(LogisticRegression(random_state=state), X, y, Smote(), options).facts
    assert facts["Classifier"] == "LogisticRegression(random_state=RandomState)"
    assert facts["Seed"].isdigit()
    X = pd.DataFrame(X)
    facts = compare(learner("logistic", X), X, y, Smote(), replace(options, name="logistic")).facts
    assert facts["Classifier"] == "LogisticRegression, by the name 'logistic', after encoders"


def test_a_page_that_cannot_be_written(found, tmp_path):
    with pytest.raises(InputError, match="folder"):
        found.to_html(tmp_path)


def test_formulas_are_defused_in_csv(found, tmp_path):
    found.to_csv(tmp_path / "table.csv")
    names = pd.read_csv(tmp_path / "table.csv")["arm"]
    assert "'" + EVIL in set(names)
    assert "'@bad" in set(names)
    assert not names.str.match(r"[=+@-]").any()


def test_numbers_of_the_csv_are_those_of_the_table(found, tmp_path):
    found.to_csv(tmp_path / "table.csv")
    back = pd.read_csv(tmp_path / "table.csv")["difference"]
    assert back.to_numpy() == pytest.approx(found.table["difference"].to_numpy(), nan_ok=True)


def test_the_summary_fits_a_terminal(found):
    lines = found.summary().splitlines()
    assert lines[0] == found.verdict.upper()
    prose = [line for line in lines if not re.search(r"\d\.\d{3} +\d", line)]
    assert max(map(len, prose)) <= 110


def test_probabilities_are_never_certain_and_empty_where_nothing_differs(found):
    sure = copy(found)
    sure.table = found.table.assign(probability=1.0)
    moves = ~((sure.table["low"] == 0) & (sure.table["high"] == 0))
    assert not moves["tuned threshold"]  # which changes no ranking
    ends = {line[:20].strip(): line.split()[-1] for line in sure.summary().splitlines() if line}
    assert ends["tuned threshold"] == "–"
    assert ends["random forest"] == "0.999"
    assert sure.to_html().count(">0.999<") == moves.sum()


def test_new_rows_are_synthetic_and_others_are_unseen(found):
    assert "on unseen rows expect" in found.sentence
    for text in (found.summary(), found.to_html()):
        assert "other classifiers on the rows as they are" in " ".join(text.split())


def test_a_percent_sign_stays_with_its_number(found):
    wide = copy(found)
    wide.stopped = "99 % " * 99
    assert not re.search("^%", wide.summary(), flags=re.MULTILINE)


def test_what_rounds_to_nothing_has_no_sign(found):
    tiny = copy(found)
    tiny.table = found.table.assign(difference=-1e-4, low=-1e-5, high=1e-5)
    assert "-0.000" not in tiny.summary()
    assert "0.000" in tiny.summary()
    assert "-0.000" not in tiny.to_html()


def test_the_picture_has_a_row_per_strategy(found):
    display = found.plot()
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert len(names) == len(found.differences()) == 9
    assert "average precision" in display.ax_.get_xlabel()
    plt.close(display.figure_)


def test_the_picture_goes_where_it_is_told_and_draws_any_metric(found):
    figure, ax = plt.subplots()
    display = AssessmentDisplay.from_assessment(found, metric="roc_auc", ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    figure.canvas.draw()
    plt.close(figure)
    with pytest.raises(InputError, match="metric must be one of"):
        found.plot(metric="beauty")


def test_bars_lie_where_the_numbers_say():
    moved = pd.DataFrame({"difference": [0.1], "low": [0.0], "high": [0.2]}, index=["a"])
    right, left = (Intervals("t", moved, up=up).to_html() for up in (True, False))
    assert 'cx="73.81%"' in right
    assert 'x1="50.00%" x2="97.62%"' in right
    assert 'cx="26.19%"' in left


def test_differences_without_intervals_are_drawn_too():
    moved = pd.DataFrame({"difference": [0.1, np.nan], "low": np.nan, "high": np.nan}, index=["a", "b"])
    page = Intervals("t", moved).to_html()
    assert page.count("<circle") == 1
    assert "–" in page
