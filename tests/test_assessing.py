"""`vaeaug.assess`: VAEOverSampler beside the alternatives, fitted once a fold."""

import numpy as np
import pandas as pd
import pyarrow
import pytest
from jitter import Jitter
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

import vaeaug
from vaeaug import VAEAugmenter, VAEOverSampler, assess
from vaeaug.errors import InputError
from vaeaug.evaluation.assess.named_classifiers import LEARNERS
from vaeaug.evaluation.assess.smote import Smote

QUICK = {"cv": 3, "n_repeats": 1, "random_state": 0}


@pytest.fixture(scope="module")
def rare():
    return make_classification(n_samples=160, n_features=4, weights=[0.8], flip_y=0.02, random_state=0)


def test_it_is_part_of_the_face():
    assert vaeaug.assess is assess


def test_the_verdict_is_about_the_oversampler_at_several_ratios(rare):
    Jitter.fits = 0
    found = assess(
        LogisticRegression(),
        *rare,
        sampler=VAEOverSampler(Jitter(), method="prior", label_filter=None),
        **QUICK,
    )
    ours = [name for name in found.table.index if name.startswith("VAEOverSampler")]
    assert len(ours) == 6
    assert [name.endswith(", blended") for name in ours] == [False] * 3 + [True] * 3
    assert found.subjects == tuple(ours)
    assert "VAEOverSampler" in found.sentence
    assert "blended: a classifier trained" in " ".join(found.summary().split())
    assert (found.table["status"] == "ok").all()
    # One fit a fold serves every ratio, and the choice of thresholds.
    assert Jitter.fits == 3


def test_variations_of_real_rows_take_one_fit_a_fold_too(rare):
    Jitter.fits = 0
    sampler = VAEOverSampler(Jitter(), method="posterior", label_filter=None)
    found = assess(LogisticRegression(), *rare, sampler=sampler, ratios=[1.0], **QUICK)
    assert Jitter.fits == 3
    assert found.table["tuned_f1"].notna().all()


@pytest.mark.slow  # all strategies, twice
def test_another_sampler_is_judged_with_the_oversampler_beside_it(rare, monkeypatch):
    class Quick(VAEOverSampler):
        def fit_resample(self, X, y):
            options = {"sampling_strategy": self.sampling_strategy, "random_state": self.random_state}
            return VAEOverSampler(Jitter(), **options).fit_resample(X, y)

    monkeypatch.setattr("vaeaug.assessing.VAEOverSampler", Quick)
    found = assess(LogisticRegression(), *rare, sampler={"mine": Smote()}, ratios=[0.5, 1.0], **QUICK)
    assert found.subjects == ("mine",)
    assert "VAEOverSampler (ratio 0.5)" in found.table.index


@pytest.mark.slow  # full training
def test_with_the_real_model(rare):
    X, y = rare[0], np.where(rare[1] == 1, "yes", "no")
    sampler = VAEOverSampler(VAEAugmenter(max_iter=1))
    found = assess(
        LogisticRegression(), X, y, sampler=sampler, ratios=[1.0], cv=2, n_repeats=1, random_state=0
    )
    assert (found.table["status"] == "ok").all()
    assert found.table.loc["VAEOverSampler (ratio 1)", "seconds"] > found.table.loc["nothing", "seconds"]


@pytest.fixture(scope="module")
def mixed(rare):
    table = pd.DataFrame(rare[0]).add_prefix("x")
    table["kind"] = np.where(table["x0"] > 0, "a", "b")
    table.loc[::7, "x1"] = np.nan
    return table, rare[1]


def test_a_named_classifier_takes_any_table(mixed):
    sampler = VAEOverSampler(Jitter(), label_filter=None)
    given = [mixed[0], mixed[0].to_numpy(), pyarrow.Table.from_pandas(mixed[0])]
    found = [
        assess(
            "logistic", X, mixed[1], sampler=sampler, ratios=[1.0], cv=2, n_repeats=1, random_state=0
        ).table
        for X in given
    ]
    for table in found:
        assert table["status"].isin(["ok", "not applicable"]).all()
        assert table["roc_auc"].equals(found[0]["roc_auc"])


def test_the_target_may_be_the_name_of_a_column(mixed):
    X, y = mixed
    options = {"sampler": VAEOverSampler(Jitter(), label_filter=None), "ratios": [1.0]}
    options |= {"cv": 2, "n_repeats": 1, "random_state": 0}
    named = assess("logistic", X.assign(churn=y), "churn", **options).table
    assert named["roc_auc"].equals(assess("logistic", X, y, **options).table["roc_auc"])
    with pytest.raises(InputError, match="Did you mean 'churn'"):
        assess("logistic", X.assign(churn=y), "Churn")


@pytest.fixture(scope="module")
def gappy(rare):
    """Columns that are missing everywhere, but for one row, and in the minority class; and constant ones."""
    first = np.arange(160) == 3
    table = pd.DataFrame({"number": rare[0][:, 0], "gone": np.nan, "nothing": None, "same": 1.5, "word": "a"})
    table["once"] = np.where(first, 1.0, np.nan)
    table["day"] = pd.Series(pd.Timestamp("2024-01-01")).reindex(range(160))
    table["common only"] = np.where(rare[1] == 1, np.nan, rare[0][:, 1])
    table["said once"] = np.where(first, "x", None)
    return table, rare[1]


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "forest"])  # its trees take long
def test_a_named_classifier_takes_columns_without_values(gappy, name):
    sampler = VAEOverSampler(Jitter(), label_filter=None)
    found = assess(name, *gappy, sampler=sampler, ratios=[1.0], **{**QUICK, "cv": 2})
    assert found.table["status"].isin(["ok", "not applicable"]).all()


@pytest.mark.filterwarnings("ignore:X has columns without any value")
@pytest.mark.parametrize("container", [pd.DataFrame, np.asarray])
def test_a_table_of_nothing_but_missing_cells_can_be_resampled(rare, container):
    X = container(np.full((160, 2), np.nan))
    X_res, y_res = VAEOverSampler(VAEAugmenter(max_iter=1), random_state=0).fit_resample(X, rare[1])
    assert pd.DataFrame(X_res).isna().all(axis=None)
    assert (y_res == 1).sum() == (y_res == 0).sum()


def test_names_of_classifiers_are_checked_and_are_for_tables(rare):
    with pytest.raises(ValueError, match="estimator must be one of"):
        assess("svm", *rare)
    with pytest.raises(ValueError, match=r"is for tables, got X of shape \(20, 4, 4\)"):
        assess("hgb", np.zeros((20, 4, 4)), np.arange(20) % 2)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_classifier_that_takes_no_text_is_told_of_those_that_do(mixed, n_jobs):
    says = (
        "LogisticRegression cannot be trained on the rows as they are: could not convert string to float.*"
        "They hold text or categories in 'kind' and missing cells in 'x1'; what a classifier does not read"
    )
    sampler = VAEOverSampler(Jitter(), label_filter=None)
    with pytest.raises(InputError, match=says):
        assess(LogisticRegression(), *mixed, sampler=sampler, n_jobs=n_jobs, **QUICK)


def test_a_scorer_that_fails_is_not_laid_at_the_classifiers_door(rare):
    def broken(model, X, y):
        raise ZeroDivisionError("of the scorer")

    with pytest.raises(ZeroDivisionError, match=r"of the scorer$"):
        assess(LogisticRegression(), *rare, sampler=VAEOverSampler(Jitter()), scoring=broken, **QUICK)
