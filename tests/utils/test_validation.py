"""Checks of arguments: what they let through, and what they say."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from scipy import sparse

from vaeaug.errors import InputError, InputTypeError
from vaeaug.utils.validation import (
    appended,
    check_number,
    check_option,
    check_weights,
    extended,
    refuse_repeated_columns,
    refuse_text,
    restored_on_failure,
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
    "X", [[[1, 2]], np.ones((2, 2)), np.array([[1, None]], dtype=object), sparse.eye_array(2)]
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
        with restored_on_failure(thing):
            thing.kept, thing.new = 2, 3
            raise error

    with pytest.raises(error):
        fail()
    assert vars(thing) == {"kept": 1}


def test_attributes_are_kept_on_success():
    thing = Thing()
    with restored_on_failure(thing):
        thing.kept, thing.new = 2, 3
    assert vars(thing) == {"kept": 2, "new": 3}


def test_rows_are_appended_in_the_container_of_the_first():
    old = pd.DataFrame({"a": pd.array([1, None], dtype="Int8"), "b": ["x", "y"]}, index=[5, 3])
    both = appended(old, old)
    assert both.dtypes.equals(old.dtypes)
    assert both.index.equals(pd.RangeIndex(4))
    assert_frame_equal(appended(old, old[:0]), old.reset_index(drop=True))
    array = np.ones((2, 2), dtype=np.float32)
    assert appended(array, np.zeros((1, 2))).dtype == np.float32


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(["a", "b"], index=[7, 3], dtype="category"),
        np.array([1, 2], dtype="i1"),
        pd.DataFrame({"t": [1, 2]}),
    ],
)
def test_labels_are_extended_in_their_container(y):
    found = extended(y, np.array([1, 1]))
    assert type(found) is type(y)
    first, second = np.asarray(y).ravel()
    assert np.asarray(found).ravel().tolist() == [first, second, second, second]
    assert np.asarray(found).dtype == np.asarray(y).dtype


def test_rows_take_the_dtype_of_those_they_follow():
    whole = appended(np.array([[1], [2]]), np.array([[2.6]]))
    assert whole.dtype == np.int64
    assert whole[-1, 0] == 3
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int8")})
    assert appended(frame, np.array([[2.0]])).dtypes.equals(frame.dtypes)


def test_new_rows_take_the_text_and_time_dtypes_of_the_old_ones():
    old = pd.DataFrame(
        {
            "kind": pd.Categorical(["a", "b"], categories=pd.Index(["a", "b"], dtype="string"), ordered=True),
            "day": pd.to_datetime(["2024-01-01", "2024-01-02"]).as_unit("s"),
            "text": pd.array(["x", None], dtype="string"),
            "count": [1, 2],
        }
    )
    new = pd.DataFrame(
        {
            "kind": pd.Categorical(["b"], categories=pd.Index(["a", "b"], dtype=object), ordered=True),
            "day": pd.to_datetime(["2024-01-03"]).as_unit("ns"),
            "text": pd.Series(["y"], dtype=object),
            "count": [3],
        }
    )
    both = appended(old, new)
    assert both.dtypes.equals(old.dtypes)
    assert both["kind"].tolist() == ["a", "b", "b"]
    assert both["day"].iloc[2] == pd.Timestamp("2024-01-03")
    assert new["text"].dtype == object  # the argument is not changed


def test_values_that_the_old_dtype_cannot_hold_are_kept():
    old = pd.DataFrame({"kind": pd.Categorical(["a", "b"])})
    new = pd.DataFrame({"kind": pd.Categorical(["c"])})
    assert appended(old, new)["kind"].tolist() == ["a", "b", "c"]
