import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import sparse

from vaeaug.utils.rows import append_rows, begin_alike, extend_labels, select_rows


def test_rows_are_appended_in_the_container_of_the_first():
    old = pd.DataFrame({"a": pd.array([1, None], dtype="Int8"), "b": ["x", "y"]}, index=[5, 3])
    both = append_rows(old, old)
    assert both.dtypes.equals(old.dtypes)
    assert both.index.equals(pd.RangeIndex(4))
    assert_frame_equal(append_rows(old, old[:0]), old.reset_index(drop=True))
    array = np.ones((2, 2), dtype=np.float32)
    assert append_rows(array, np.zeros((1, 2))).dtype == np.float32


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(["a", "b"], index=[7, 3], dtype="category"),
        np.array([1, 2], dtype="i1"),
        pd.DataFrame({"t": [1, 2]}),
    ],
)
def test_labels_are_extended_in_their_container(y):
    found = extend_labels(y, np.array([1, 1]))
    assert type(found) is type(y)
    first, second = np.asarray(y).ravel()
    assert np.asarray(found).ravel().tolist() == [first, second, second, second]
    assert np.asarray(found).dtype == np.asarray(y).dtype


def test_rows_take_the_dtype_of_those_they_follow():
    whole = append_rows(np.array([[1], [2]]), np.array([[2.6]]))
    assert whole.dtype == np.int64
    assert whole[-1, 0] == 3
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int8")})
    assert append_rows(frame, np.array([[2.0]])).dtypes.equals(frame.dtypes)


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
    both = append_rows(old, new)
    assert both.dtypes.equals(old.dtypes)
    assert both["kind"].tolist() == ["a", "b", "b"]
    assert both["day"].iloc[2] == pd.Timestamp("2024-01-03")
    assert new["text"].dtype == object  # the argument is not changed


def test_values_that_the_old_dtype_cannot_hold_are_kept():
    old = pd.DataFrame({"kind": pd.Categorical(["a", "b"])})
    new = pd.DataFrame({"kind": pd.Categorical(["c"])})
    assert append_rows(old, new)["kind"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("X", [np.arange(6).reshape(3, 2), sparse.coo_matrix(np.eye(3)), ["a", "b", "c"]])
def test_rows_are_selected_in_their_container(X):
    found = select_rows(X, np.array([2, 0]))
    dense = [found[0], found[1]] if isinstance(X, list) else found
    assert type(found) is (sparse.csr_matrix if sparse.issparse(X) else type(X))
    assert len(dense if isinstance(X, list) else dense.toarray() if sparse.issparse(X) else dense) == 2


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame, sparse.csr_matrix])
def test_rows_in_front_are_compared(form, changed):
    longer = np.arange(8.0).reshape(4, 2)
    assert begin_alike(form(longer[:3] + changed), form(longer)) is not changed
