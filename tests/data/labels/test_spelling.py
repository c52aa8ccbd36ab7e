"""Classes that look like misspellings of others are named before they get rows."""

import warnings

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.data.labels.spelling import find_misspellings, warn_of_classes
from vaeaug.errors import VaeaugWarning


@pytest.mark.parametrize("label", ["Yes", "yes ", " YES", "yess", "ye s"])
def test_slips_are_found(label):
    assert find_misspellings({"yes": 1_000, label: 2, "no": 5_000}) == {label: "yes"}


@pytest.mark.parametrize(("meant", "label"), [("early", "eraly"), ("early", "earli"), ("early", "erly")])
def test_one_letter_is_a_slip(meant, label):
    assert find_misspellings({meant: 300, label: 1}) == {label: meant}


@pytest.mark.parametrize(
    "counts",
    [
        {"no": 900, "yes": 2},
        {"class1": 900, "class2": 2},
        {"cat": 900, "car": 2},
        {"male": 900, "female": 2},
        {"early": 900, "earli": 200},
        {"yes": 30, "Yes": 20},
        {0: 900, 1: 2},
        {"north": 900, "south": 5},
    ],
)
def test_other_classes_are_not_suspected(counts):
    assert find_misspellings(counts) == {}


def test_only_classes_that_get_rows_are_named():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_classes({"yes": 900, "yess": 1, "no": 50}, {"no": 850})


@pytest.mark.parametrize("way", ["sampler", "resample"])
def test_a_misspelled_class_is_named_at_the_line_of_the_user(way):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    y = pd.Series(np.repeat(["no", "yes", "yess"], [50, 29, 1]))
    augmenter = VAEAugmenter(max_iter=1, random_state=0)
    resample = VAEOverSampler(augmenter, random_state=0).fit_resample
    if way == "resample":
        resample = augmenter.fit(X, y).resample
    said = r"'yess' \(1\) beside 'yes'.*replace\(\{'yess': 'yes'\}\)"
    with pytest.warns(VaeaugWarning, match=said) as found:
        _, y_res = resample(X, y)
    assert [note.filename for note in found if "yess" in str(note.message)] == [__file__]
    assert (y_res == "yess").sum() == 50  # as imbalanced-learn's samplers do


@pytest.mark.parametrize("way", ["sampler", "resample"])
def test_many_rows_of_a_class_of_one_row_are_called_guesses(way):
    X = np.random.default_rng(0).normal(size=(61, 2))
    y = np.repeat(["common", "rare"], [60, 1])
    augmenter = VAEAugmenter(max_iter=1, random_state=0)
    resample = VAEOverSampler(augmenter, random_state=0).fit_resample
    if way == "resample":
        resample = augmenter.fit(X, y).resample
    with pytest.warns(VaeaugWarning, match=r"fewer than 5 rows.*guesses: 'rare' \(1\)") as found:
        resample(X, y)
    assert [note.filename for note in found] == [__file__]


@pytest.mark.parametrize(("rows", "new"), [(5, 500), (4, 39), (1, 0)])
def test_classes_of_some_rows_and_few_new_rows_are_not_remarked_on(rows, new):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_classes({"common": 900, "rare": rows}, {"rare": new})
