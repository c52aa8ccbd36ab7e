"""Columns of X that are the labels are named; columns that merely resemble them are not."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler, assess
from vaeaug.data.labels.leakage import find_leaks, warn_of_leaks
from vaeaug.errors import InputError, VaeaugWarning

LABELS = np.array(["no", "yes", "no", "no"] * 20)
AGES = np.random.default_rng(0).integers(20, 80, len(LABELS))


def with_column(cells):
    return pd.DataFrame({"age": AGES, "left": cells})


@pytest.mark.parametrize(
    "cells",
    [
        LABELS,
        LABELS == "yes",
        np.where(LABELS == "yes", 7.0, np.nan),
        pd.Categorical(LABELS, categories=["yes", "no", "maybe"]),
        pd.array(LABELS, dtype="string"),
    ],
    ids=["equal", "booleans", "missing for no", "categories", "nullable"],
)
def test_a_column_that_is_the_labels_in_any_coding_is_found(cells):
    assert find_leaks(with_column(cells), LABELS) == ["left"]
    assert find_leaks(with_column(cells), pd.Series(LABELS, index=range(80, 0, -1))) == ["left"]


def test_several_classes_and_arrays():
    y = np.arange(90) % 3
    X = np.column_stack([np.arange(90), 2 - y, y * 0])
    assert find_leaks(X, y) == [1]
    with pytest.warns(VaeaugWarning, match=r"are the labels, row by row: 1\..*numpy\.delete\(X, \[1\], 1\)"):
        warn_of_leaks(X, y)


@pytest.mark.parametrize(
    ("cells", "y"),
    [
        (np.where(np.arange(80) == 41, "no", LABELS), LABELS),
        (np.where(LABELS == "yes", "yes", np.where(AGES > 50, "old", "young")), LABELS),
        (LABELS, np.where(LABELS == "yes", "yes", np.where(AGES > 50, "old", "young"))),
        (np.zeros(80), np.zeros(80)),
        (np.arange(80) == 7, np.arange(80) == 7),
        (np.arange(80) * 0.5, np.arange(80)),
        ([[1]] * 80, LABELS),
    ],
    ids=["one row differs", "finer", "coarser", "constant", "one row", "unlike any class", "lists"],
)
def test_columns_that_are_not_the_labels_are_left_alone(cells, y):
    X = pd.DataFrame({"left": pd.Series(cells)})
    assert find_leaks(X, y) == []


def test_few_rows_and_what_is_no_table_have_no_leaks():
    assert find_leaks(with_column(LABELS)[:19], LABELS[:19]) == []
    assert find_leaks(np.zeros((80, 4, 4)), LABELS) == []


def fast():
    return VAEOverSampler(VAEAugmenter(max_iter=1, latent_dim=2, device="cpu"), random_state=0)


@pytest.mark.parametrize(
    "call",
    [
        lambda X, y: fast().augmenter.fit(X, y),
        lambda X, y: fast().fit_resample(X, y),
        lambda X, y: AugmentedClassifier(LogisticRegression(max_iter=1000), fast()).fit(X, y),
    ],
    ids=["fit", "fit_resample", "AugmentedClassifier"],
)
def test_whoever_learns_from_labels_warns(call):
    with pytest.warns(VaeaugWarning, match=r"are the labels.*'left'.*X\.drop\(columns=\['left'\]\)"):
        call(with_column((LABELS == "yes").astype(int)), LABELS)


@pytest.mark.parametrize("cells", [LABELS, (LABELS == "yes").astype(int)], ids=["text", "numbers"])
@pytest.mark.parametrize(
    "call",
    [
        lambda X, y: AugmentedClassifier(LogisticRegression(max_iter=1000), fast()).fit(X, y),
        lambda X, y: assess(LogisticRegression(max_iter=1000), X, y, sampler=fast(), cv=2, n_repeats=1),
    ],
    ids=["AugmentedClassifier", "assess"],
)
@pytest.mark.filterwarnings("ignore::vaeaug.errors.VaeaugWarning")
def test_where_training_fails_the_error_names_the_column_of_labels_first(cells, call):
    town = np.random.default_rng(1).choice(["A", "B", "C"], (len(LABELS), 5))
    X = pd.DataFrame(town).add_prefix("town ").assign(churn=cells)
    with pytest.raises(InputError) as found:
        call(X, pd.Series(LABELS, name="churn"))
    said = str(found.value)
    assert said.index("are the labels, row by row: 'churn'") < said.index("cannot be trained")
    assert "X.drop(columns=['churn'])" in said


def test_a_copy_of_the_labels_under_their_own_name_is_found_among_few_rows():
    y = pd.Series(LABELS[:8], name="left", index=range(8, 0, -1))
    assert find_leaks(with_column(LABELS)[:8], y) == ["left"]
    assert find_leaks(with_column(LABELS)[:8], y.rename("other")) == []
    assert find_leaks(with_column(LABELS)[:8], y.replace("yes", "maybe")) == []


def test_assess_warns_once_and_not_in_every_fold():
    X = with_column((LABELS == "yes").astype(int))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        assess(LogisticRegression(max_iter=1000), X, LABELS, sampler=fast(), cv=2, n_repeats=1)
    assert sum("are the labels" in str(each.message) for each in found) == 1
