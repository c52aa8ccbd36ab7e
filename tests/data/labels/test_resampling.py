"""The plan agrees with imbalanced-learn's on every strategy that it knows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.utils import check_sampling_strategy

from vaeaug.data.labels.sampling_strategy import STRATEGIES, class_counts, targets, targets_of_counts
from vaeaug.errors import InputError

LABELS = {
    "int": [0, 1, 2, 10],
    "negative": [-1, 1, 5, 7],
    "str": ["no", "yes", "☂", "maybe"],
    "bool": [False, True],
    "float": [0.0, 1.0, 2.0],
    "object": np.array(["b", "a", "c"], dtype=object),
}


@st.composite
def label_arrays(draw):
    labels = LABELS[draw(st.sampled_from(sorted(LABELS)))]
    k = draw(st.integers(2, len(labels)))
    sizes = draw(st.lists(st.integers(1, 30), min_size=k, max_size=k))
    y = np.repeat(np.asarray(labels[:k]), sizes)
    return draw(st.permutations(range(len(y))).map(lambda order: y[list(order)]))


@st.composite
def totals(draw, y):
    found, counts = np.unique(y, return_counts=True)
    chosen = draw(st.lists(st.sampled_from(range(len(found))), unique=True))
    return {found[i]: int(counts[i]) + draw(st.integers(-2, 20)) for i in chosen}


def agree(strategy, y):
    """Both return the same plan, or both raise ValueError."""
    try:
        theirs = check_sampling_strategy(strategy, y, "over-sampling")
    except ValueError:
        with pytest.raises(InputError):
            targets(strategy, y)
        return
    ours = targets(strategy, y)
    assert ours == dict(theirs)
    assert list(ours) == list(theirs)


@pytest.mark.parametrize("strategy", [*STRATEGIES, "majority", "most", ""])
@given(y=label_arrays())
def test_names(strategy, y):
    agree(strategy, y)


@given(y=label_arrays(), ratio=st.one_of(st.floats(-0.5, 1.5), st.sampled_from([0, 1, 0.5, 1.0])))
def test_ratios(y, ratio):
    agree(ratio, y)


@given(data=st.data(), y=label_arrays())
def test_dicts(data, y):
    agree(data.draw(totals(y)), y)


@given(data=st.data(), y=label_arrays())
def test_callables(data, y):
    chosen = data.draw(totals(y))
    agree(lambda labels: chosen, y)


@pytest.mark.parametrize("strategy", ["auto", 0.5, {"a": 3}])
@pytest.mark.parametrize("y", [["a", "a"], []])
def test_one_class_is_refused_in_scikit_learns_words(strategy, y):
    with pytest.raises(InputError, match="class"):
        targets(strategy, y)


@pytest.mark.parametrize("strategy", [None, ["a"], object()])
def test_other_types_are_refused(strategy):
    with pytest.raises(InputError, match="sampling_strategy must be one of"):
        targets(strategy, ["a", "b"])


@pytest.mark.parametrize("total", [2.5, "3", None, True])
def test_totals_are_whole_numbers(total):
    with pytest.raises(InputError, match="whole numbers"):
        targets({"a": total}, ["a", "b", "b"])


def test_an_unknown_label_is_named():
    with pytest.raises(InputError, match=r"class 'z', which is not present in the data; there are 'a', 'b'"):
        targets({"z": 3}, ["a", "b", "b"])


def test_too_few_rows_are_explained():
    with pytest.raises(InputError, match="asks for 1 rows of class 'b', which has 2 already"):
        targets({"b": 1}, ["a", "b", "b"])


def test_a_callable_sees_y_and_must_return_a_dict():
    assert targets(lambda y: {"a": len(y)}, ["a", "b", "b"]) == {"a": 2}
    with pytest.raises(InputError, match="must return a dict"):
        targets(lambda y: 3, ["a", "b", "b"])


@pytest.mark.parametrize(
    "y", [["a", None, "b"], [0.0, np.nan, 1.0], pd.Series(["a", "b", pd.NA], dtype="string")]
)
def test_missing_labels_are_counted(y):
    with pytest.raises(InputError, match="missing labels, got 1"):
        targets("auto", y)


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(["b", "a", "b"], dtype="category"),
        pd.Series(["b", "a", "b"], dtype="string"),
        pd.Series([1, 0, 1], dtype="Int64"),
        pd.Series([True, False, True], dtype="boolean"),
    ],
)
def test_pandas_labels(y):
    counts = class_counts(y)
    assert list(counts.values()) == [1, 2]
    assert targets("auto", y) == {min(counts, key=counts.get): 1}


def test_keys_are_plain_values():
    assert {type(label) for label in targets("all", np.array([1, 2, 2]))} == {int}
    assert {type(label) for label in targets("all", np.array(["a", "b"]))} == {str}


def test_labels_of_mixed_types_are_refused():
    with pytest.raises(InputError, match=r"labels of one type, got \['int', 'str'\]"):
        class_counts(np.array([1, "a"], dtype=object))


@pytest.mark.parametrize("strategy", [*STRATEGIES, {"a": 7, "c": 4}])
def test_sizes_of_classes_are_enough_for_a_plan(strategy):
    y = ["a"] * 5 + ["b"] * 9 + ["c"] * 2
    assert targets_of_counts(strategy, class_counts(y)) == targets(strategy, y)


def test_sizes_of_one_class_give_no_plan():
    with pytest.raises(InputError, match="more than 1 class"):
        targets_of_counts("auto", {"a": 10**9})
