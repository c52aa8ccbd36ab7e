"""Columns that come in pieces get the dtype they would have had at once."""

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.tables.promotion import cast, common_dtype
from vaeaug.errors import InputError

CATEGORIES = (
    pd.CategoricalDtype(["a", "b"]),
    pd.CategoricalDtype(["b", "c"]),
    pd.CategoricalDtype(["a", "b", "c"]),
)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (np.dtype("int64"), np.dtype("float64"), np.dtype("float64")),
        (np.dtype("int8"), np.dtype("int32"), np.dtype("int32")),
        (np.dtype("int64"), None, np.dtype("float64")),
        (np.dtype("bool"), None, np.dtype(object)),
        (np.dtype("bool"), np.dtype(object), np.dtype(object)),
        (np.dtype("float32"), None, np.dtype("float32")),
        (pd.Int16Dtype(), None, pd.Int16Dtype()),
        (np.dtype("datetime64[s]"), np.dtype("datetime64[ns]"), np.dtype("datetime64[ns]")),
        (pd.DatetimeTZDtype("s", "UTC"), pd.DatetimeTZDtype("us", "UTC"), pd.DatetimeTZDtype("us", "UTC")),
        CATEGORIES,
    ],
)
def test_what_goes_together(first, second, both):
    found = common_dtype(first, second, "x", "part 2")
    assert found == both
    if isinstance(both, pd.CategoricalDtype):
        assert found.categories.tolist() == both.categories.tolist()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.dtype("int64"), np.dtype(object)),
        (np.dtype("int64"), np.dtype("datetime64[ns]")),
        (np.dtype("bool"), np.dtype("int64")),
        (pd.CategoricalDtype(["a"], ordered=True), pd.CategoricalDtype(["b"], ordered=True)),
        (pd.CategoricalDtype(["a"]), pd.CategoricalDtype([1])),
        (pd.DatetimeTZDtype("s", "UTC"), pd.DatetimeTZDtype("s", "Europe/Paris")),
    ],
)
def test_what_does_not(first, second):
    with pytest.raises(InputError, match="The column 'x' is .* in part 2 and .* before"):
        common_dtype(first, second, "x", "part 2")


def test_pieces_are_cast():
    wide = cast(pd.Series(pd.Categorical(["b"])), CATEGORIES[2])
    assert wide.cat.codes.tolist() == [1]
    assert cast(pd.Series([np.nan]), np.dtype("datetime64[ns]")).isna().all()
    assert cast(pd.Series([None], dtype=object), np.dtype(object))[0] is None


def test_data_that_change_are_refused():
    with pytest.raises(InputError, match="'x' was int64 at first and now holds object"):
        cast(pd.Series(["a"], dtype=object, name="x"), np.dtype("int64"))
