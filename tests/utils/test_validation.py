"""Checks of arguments: what they let through, and what they say."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from vaeaug.errors import InputError, InputTypeError, VaeaugWarning
from vaeaug.utils.validation import (
    check_number,
    check_option,
    check_weights,
    refuse_repeated_columns,
    refuse_text,
    restore_on_failure,
    take_labels,
)


@pytest.mark.parametrize("value", [0, 1, 2.5, np.float32(0.5), np.int8(3)])
def test_numbers_pass(value):
    assert check_number("t", value, low=0) is value


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (-1, {"low": 0}, "t must be a number >= 0; got -1."),
        (0, {"low": 0, "open_low": True}, "t must be a number > 0; got 0."),
        (3, {"low": 0, "high": 2}, "t must be a number >= 0 and <= 2; got 3."),
        (3, {"high": 2}, "t must be a number <= 2; got 3."),
        (1.5, {"low": 1, "integer": True}, "t must be an integer >= 1; got 1.5."),
        (True, {"low": 0}, "t must be a number >= 0; got True."),
        ("1", {"low": 0}, "t must be a number >= 0; got '1'."),
        (np.nan, {"low": 0}, "t must be a number >= 0; got nan."),
        (np.inf, {"low": 0}, "t must be a number >= 0; got inf."),
        (None, {}, "t must be a number; got None."),
        (
            "all",
            {"low": 0, "also": ["auto", None]},
            "t must be a number >= 0, or 'auto', or None; got 'all'.",
        ),
        (np.ones(2), {}, "t must be a number; got array([1., 1.])."),
    ],
    ids=str,
)
def test_numbers_that_do_not_pass(value, options, message):
    with pytest.raises(InputError) as caught:
        check_number("t", value, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", ["auto", None])
def test_other_values_that_were_allowed_pass(value):
    assert check_number("t", value, low=0, also=["auto", None]) is value


def test_options():
    assert check_option("method", "prior", ("prior", "posterior")) == "prior"
    for value in ("smote", None, 3, np.array(["prior"])):
        with pytest.raises(InputError, match="method must be one of 'prior', 'posterior'; got"):
            check_option("method", value, ("prior", "posterior"))


@pytest.mark.parametrize("weights", [[1, 2, 0], np.array([1.0, 2, 0]), pd.Series([1, 2, 0], index=[7, 8, 9])])
def test_weights_become_float32(weights):
    found = check_weights(weights, 3)
    assert found.dtype == np.float32
    assert_array_equal(found, [1, 2, 0])


def test_no_weights_and_one_weight():
    assert check_weights(None, 3) is None
    assert_array_equal(check_weights(2.0, 3), [2, 2, 2])


@pytest.mark.parametrize(
    "X", [[[1, 2]], np.ones((2, 2)), np.array([[1, None]], dtype=object), sparse.csr_array(np.eye(2))]
)
def test_numbers_in_any_array_are_no_text(X):
    refuse_text(X)


def test_text_in_tables_of_other_libraries_is_told_of_their_own_way_to_pandas():
    pyarrow = pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match=r"got a pyarrow.Table with text .* Pass X.to_pandas\(\)"):
        refuse_text(pyarrow.table({"a": [1, 2], "b": ["x", "y"]}))


def test_cells_that_are_no_numbers_at_all_are_a_type_error():
    with pytest.raises(InputTypeError, match="argument must be a string or a real number"):
        refuse_text(np.array([[{}, 1]], dtype=object))


def test_repeated_columns_are_named_once():
    refuse_repeated_columns(pd.DataFrame(np.ones((1, 3)), columns=list("abc")))
    with pytest.raises(InputError, match="named twice: 'a', 'b'. Rename"):
        refuse_repeated_columns(pd.DataFrame(np.ones((1, 6)), columns=list("abacab")))


class Thing:
    def __init__(self):
        self.kept = 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_attributes_are_put_back_on_failure(error):
    thing = Thing()

    def fail():
        with restore_on_failure(thing):
            thing.kept, thing.new = 2, 3
            raise error

    with pytest.raises(error):
        fail()
    assert vars(thing) == {"kept": 1}


def test_attributes_are_kept_on_success():
    thing = Thing()
    with restore_on_failure(thing):
        thing.kept, thing.new = 2, 3
    assert vars(thing) == {"kept": 2, "new": 3}


@pytest.mark.parametrize("index", [[2.5, 0.5, 1.5], [1.0, np.nan, 3.0]])
def test_a_column_is_taken_from_rows_with_any_index(index):
    X = pd.DataFrame({"age": [1, 2, 3], "y": [0, 1, 1]}, index=index)
    found, y = take_labels(X, "y")
    assert list(found) == ["age"]
    assert y.tolist() == [0, 1, 1]
    assert take_labels(X, y.to_numpy())[0] is X


def test_labels_in_another_order_than_the_rows_are_told():
    X = pd.DataFrame({"age": range(6)}, index=list("abcdef"))
    y = pd.Series([0, 0, 0, 1, 1, 1], index=list("fedcba"))
    with pytest.warns(VaeaugWarning, match=r"same index in another order.*y\.loc\[X\.index\].*y\.to_numpy"):
        found_X, found_y = take_labels(X, y)
    assert found_X is X
    assert found_y is y
    with pytest.warns(VaeaugWarning, match="another order"):
        take_labels(X.sample(frac=1, random_state=0), y.to_frame())


@pytest.mark.parametrize(
    "index",
    [list("abcdef"), range(6), list("aabcde"), list("ghijkl"), list("abcde")],
    ids=["equal", "fresh", "repeated", "other labels", "other length"],
)
def test_labels_of_any_other_index_are_taken_by_position(index):
    X = pd.DataFrame({"age": range(6)}, index=list("abcdef"))
    take_labels(X, pd.Series(np.arange(len(index)), index=index))
