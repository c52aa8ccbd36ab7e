"""Rows on another scale than those of fit are said; drifted, few and odd ones are not."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import TensorDataset

from vaeaug import AugmentedDataset, BatchAugment, VAEAugmenter
from vaeaug.errors import VaeaugWarning

ROWS = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
LABELS = np.repeat([0, 1], [45, 15])


@pytest.fixture(scope="module")
def table():
    return VAEAugmenter(max_iter=1, random_state=0).fit(ROWS, LABELS)


def wrap(table, rows, **options):
    data = TensorDataset(torch.from_numpy(rows), torch.from_numpy(LABELS[: len(rows)]))
    return AugmentedDataset(data, table, random_state=0, **options)


WAYS = {
    "vary": lambda table, rows: table.vary(torch.from_numpy(rows), torch.from_numpy(LABELS[: len(rows)])),
    "transform": lambda table, rows: table.transform(rows),
    "AugmentedDataset": lambda table, rows: wrap(table, rows, p=0, balance=True),
    "BatchAugment": lambda table, rows: BatchAugment(table)(
        torch.from_numpy(rows), torch.from_numpy(LABELS[: len(rows)])
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_table_on_another_scale_is_said(table, way):
    who = way if way[0].isupper() else "X"
    with pytest.warns(VaeaugWarning, match=f"{who}: .*columns 0, 1, 2 .*in fit from -") as said:
        WAYS[way](table, 100 * ROWS)
    assert len(said) == 1
    assert said[0].filename == __file__


@pytest.mark.parametrize("way", WAYS)
def test_drifted_rows_are_not(table, way):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WAYS[way](table, 1.5 * ROWS + 1)


@pytest.mark.parametrize("way", ["vary", "transform", "BatchAugment"])
def test_few_rows_are_not_judged(table, way):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WAYS[way](table, 100 * ROWS[:9])


def test_a_batch_is_looked_at_once(table):
    augment = BatchAugment(table, random_state=0)
    rows, labels = torch.from_numpy(100 * ROWS), torch.from_numpy(LABELS)
    with pytest.warns(VaeaugWarning):
        augment(rows, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augment(rows, labels)


def test_only_columns_of_numbers_count():
    frame = pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=60),
            "key": [f"k{i:05}" for i in range(60)],
            "size": ROWS[:, 0],
            "same": 1.0,
        }
    )
    table = VAEAugmenter(max_iter=1, random_state=0, id_columns=["key"]).fit(frame)
    later = frame.assign(day=frame["day"] + pd.Timedelta(days=4000), same=9.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table.transform(later)
    with pytest.warns(VaeaugWarning, match="X: most values of the column 'size'"):
        table.transform(later.assign(size=100 * ROWS[:, 0]))


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.integers(18, 99, 80), "fee": rng.gamma(2, 30, 80), "zone": ["a", "b"] * 40})
    X.loc[:9, "fee"] = 9999.0
    X["total"], X["day"] = X["age"] + 5, pd.date_range("2024-01-01", periods=80)
    return VAEAugmenter(max_iter=1, random_state=0, relations=["total == age + 5"]).fit(X)


def test_given_numbers_far_outside_are_said_once(people):
    given = pd.DataFrame({"age": [40, 900, 200], "fee": [-9e5, 20.0, None]}, index=["x", "y", "z"])
    with pytest.warns(VaeaugWarning) as said:
        found, _ = people.sample(given=given, random_state=0)
    assert len(said) == 1
    assert said[0].filename == __file__
    told = str(said[0].message)
    assert "given: " in told
    assert "2 cells of 'age', first in row 'y': 900, in fit from 18 to 98" in told
    assert "1 cell of 'fee', first in row 'x': -900000, in fit from" in told
    assert found["age"].tolist() == [40, 900, 200]


def test_numbers_of_a_column_with_a_rule_are_said_too(people):
    with pytest.warns(VaeaugWarning, match="1 cell of 'total', first in row 0: 500, in fit from 23 to 103"):
        people.sample(given=pd.DataFrame({"total": [500], "age": [495]}), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        people.sample(given=pd.DataFrame({"total": [90]}), random_state=0)


def test_numbers_far_outside_are_said_of_rows_that_are_filled(people):
    rows, _ = people.sample(3, random_state=0)
    rows.loc[[1, 2], ["age", "total"]] = 900, 905
    rows.loc[1, "zone"] = None
    with pytest.warns(VaeaugWarning) as said:
        people.complete(rows, random_state=0)
    (told,) = [str(each.message) for each in said]
    assert told.startswith(
        "complete: numbers lie far outside the range of the training rows: 1 cell of 'age'"
    )
    assert "first in row 1: 900" in told
    assert "1 cell of 'total'" in told


def test_given_numbers_a_little_outside_are_not(people):
    later = pd.Timestamp("2031-01-01")
    given = pd.DataFrame({"age": [17, 105], "fee": [9999.0, 0.0], "zone": "b", "day": later})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        people.sample(given=given, random_state=0)
