import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.evaluation.tables import is_continuous, join_tables


def test_kinds(real):
    assert [name for name in real if is_continuous(real[name])] == ["size", "weight", "count", "day"]


def test_timedelta_is_continuous():
    assert is_continuous(pd.Series(pd.to_timedelta([1, 2], "h")))


def test_equal_values_get_equal_codes(real, twin):
    tables = join_tables({"real": real, "twin": twin})
    for j, name in enumerate(tables.discrete):
        for frame, codes in zip((real, twin), tables.codes, strict=True):
            present = codes[:, j] >= 0
            np.testing.assert_array_equal(present, frame[name].notna().to_numpy())
            np.testing.assert_array_equal(
                tables.values[j][codes[present, j]], frame[name][present].to_numpy(dtype=object)
            )


def test_unused_categories_are_no_levels(real):
    tables = join_tables({"real": real})
    assert tables.levels[tables.discrete.index("colour")] == 3


def test_other_containers_mean_the_same(real):
    plain = real.assign(
        count=real["count"].astype("float64"),
        colour=real["colour"].astype(object),
        town=real["town"].astype("string"),
        ok=real["ok"].astype(object),
        day=real["day"].dt.tz_convert("UTC"),
    )
    tables = join_tables({"real": real, "plain": plain})
    np.testing.assert_array_equal(tables.numbers[0], tables.numbers[1])
    np.testing.assert_array_equal(tables.codes[0], tables.codes[1])


def test_pyarrow_dtypes_mean_the_same(real):
    pytest.importorskip("pyarrow")
    arrow = real.convert_dtypes(dtype_backend="pyarrow")
    tables = join_tables({"real": real, "arrow": arrow})
    np.testing.assert_allclose(tables.numbers[0], tables.numbers[1])
    np.testing.assert_array_equal(tables.codes[0], tables.codes[1])


def test_column_order_follows_the_first_table(real, twin):
    tables = join_tables({"real": real, "twin": twin[twin.columns[::-1]]})
    straight = join_tables({"real": real, "twin": twin})
    np.testing.assert_array_equal(tables.numbers[1], straight.numbers[1])
    np.testing.assert_array_equal(tables.codes[1], straight.codes[1])


def test_inputs_are_left_alone(real, twin):
    before = real.copy(deep=True)
    join_tables({"real": real, "twin": twin}).frame(0)
    pd.testing.assert_frame_equal(real, before)


def test_frame_merges_the_tail_of_many_levels():
    names = pd.DataFrame({"name": [f"n{i}" for i in range(50) for _ in range(1 + (i == 7))]})
    frame = join_tables({"names": names}).frame(0, max_levels=10)
    assert len(frame["name"].cat.categories) == 10
    assert (frame["name"] == 0).sum() == 2  # the most frequent one keeps a level to itself


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_all_missing_column(dtype):
    table = pd.DataFrame({"x": pd.Series([None, None], dtype=dtype), "y": [1.0, 2.0]})
    tables = join_tables({"real": table})
    assert (tables.codes[0] == -1).all()
    assert tables.levels[0] == 0


BAD = {
    "no rows": (pd.DataFrame({"a": []}), "at least one row"),
    "no columns": (pd.DataFrame(index=[0, 1]), "at least one row and one column"),
    "one dimension": (np.zeros(3), "2-d"),
    "other columns": (pd.DataFrame({"b": [1.0]}), r"lacks \['a'\] and adds \['b'\]"),
    "twice": (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "duplicated column names"),
    "infinite": (pd.DataFrame({"a": [np.inf, 1.0]}), "1 infinite"),
    "words for numbers": (pd.DataFrame({"a": ["x"]}), "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_sentence(name):
    bad, sentence = BAD[name]
    with pytest.raises(InputError, match=sentence):
        join_tables({"real": pd.DataFrame({"a": [1.0, 2.0]}), "synthetic": bad})


def test_unhashable_values():
    lists = pd.DataFrame({"a": [[1], [2]]})
    with pytest.raises(InputError, match="cannot be compared"):
        join_tables({"real": lists})
