"""Whole tables: containers, labels, categorical_features, and what is refused."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from column_zoo import zoo
from scipy.sparse import csr_matrix

from vaeaug.data.tables.codec import TableCodec
from vaeaug.errors import InputError, RejectedColumn, VaeaugWarning

EMPTY = ("all NaN", "all None", "all NaT", "all NA", "no category", "no string", "arrow null")


@pytest.fixture
def frame(rng):
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, 300),
            "income": np.round(rng.gamma(2.0, 900.0, 300), 2),
            "job": pd.Categorical.from_codes(rng.integers(-1, 3, 300), ["clerk", "nurse", "pilot"]),
            "married": rng.random(300) < 0.5,
            "since": pd.Timestamp("2020-02-29", tz="Europe/Rome")
            + pd.to_timedelta(rng.integers(0, 999, 300), "D"),
            "visits": pd.array(rng.integers(0, 9, 300), dtype="Int16"),
        }
    )


def round_trip(codec, X):
    return codec.decode(codec.encode(X))


@pytest.mark.filterwarnings("ignore::vaeaug.errors.ColumnNote")
def test_a_frame_of_every_dtype_comes_back():
    columns = {name: series for name, series in zoo().items() if name not in EMPTY}
    frame = pd.DataFrame(columns)
    pd.testing.assert_frame_equal(round_trip(TableCodec().fit(frame), frame), frame, check_exact=True)


def test_input_is_left_alone(frame):
    before = frame.copy(deep=True)
    round_trip(TableCodec().fit(frame), frame)
    pd.testing.assert_frame_equal(frame, before)


def test_the_index_is_fresh(frame):
    moved = frame.set_axis([f"row {i}" for i in range(len(frame))])
    assert round_trip(TableCodec().fit(moved), moved).index.equals(pd.RangeIndex(len(frame)))


LABELS = {
    "range": pd.RangeIndex(6),
    "ints": pd.Index([5, 3, 1, 9, 7, 11]),
    "mixed": pd.Index(["a", 1, ("t", 2), None, 2.5, False], dtype=object, tupleize_cols=False),
    "named": pd.Index(list("abcdef"), name="letters"),
    "multi": pd.MultiIndex.from_product([["x", "y"], [1, 2, 3]], names=["side", None]),
    "dates": pd.date_range("2024-01-01", periods=6),
}


@pytest.mark.parametrize("labels", list(LABELS))
def test_column_labels_come_back(frame, labels):
    frame.columns = LABELS[labels]
    codec = TableCodec().fit(frame)
    pd.testing.assert_frame_equal(round_trip(codec, frame), frame)
    meta, arrays = codec.state()
    again = TableCodec.from_state(json.loads(json.dumps(meta)), arrays)
    pd.testing.assert_frame_equal(round_trip(again, frame), frame, check_column_type=labels != "dates")


@pytest.mark.parametrize(
    "dtype", ["int8", "int64", "uint64", "float16", "float32", "float64", bool, "<U3", object]
)
def test_arrays_come_back_in_their_dtype(rng, dtype):
    array = rng.integers(0, 2 if dtype is bool else 100, size=(200, 3)).astype(dtype)
    before = array.copy()
    array.flags.writeable = False
    found = round_trip(TableCodec().fit(array), array)
    assert type(found) is np.ndarray
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(array, before)


def test_object_arrays_keep_a_type_per_column():
    array = np.array([[1, "a", None], [2, "b", True], [1, None, False]], dtype=object)
    assert round_trip(TableCodec().fit(array), array).tolist() == array.tolist()


def test_a_list_of_lists_is_an_array():
    assert round_trip(TableCodec().fit([[1, 2], [3, 4]]), [[3, 2]]).tolist() == [[3, 2]]


def test_a_frame_codec_reads_arrays_by_position(frame):
    numeric = frame[["age", "income"]]
    codec = TableCodec().fit(numeric)
    np.testing.assert_array_equal(codec.encode(numeric.to_numpy()), codec.encode(numeric))


def test_layout_covers_the_row(frame):
    codec = TableCodec().fit(frame)
    assert codec.encode(frame).shape == (300, codec.layout.shape[0])
    assert sum(span.columns for span in codec.layout.spans) == codec.layout.shape[0]


@pytest.mark.parametrize("again", [lambda c: pickle.loads(pickle.dumps(c)), None], ids=["pickle", "state"])
def test_saved_codecs_decode_the_same_bytes(frame, rng, again):
    codec = TableCodec().fit(frame)
    if again is None:
        meta, arrays = codec.state()
        loaded = TableCodec.from_state(json.loads(json.dumps(meta)), arrays)
    else:
        loaded = again(codec)
    x = codec.encode(frame)
    x[:, codec.layout.columns("position")] = rng.random((300, len(codec.layout.columns("position"))))
    assert loaded.layout == codec.layout
    pd.testing.assert_frame_equal(loaded.decode(x), codec.decode(x), check_exact=True)
    np.testing.assert_array_equal(loaded.encode(frame), codec.encode(frame))


@pytest.mark.parametrize(
    "marked", [["age", "visits"], [0, 5], [True, False, False, False, False, True], np.array([0, 5])]
)
def test_categorical_features_take_names_positions_and_masks(frame, marked):
    codec = TableCodec(marked).fit(frame)
    assert [part.kind == "categorical" for part in codec.codecs_] == [True, False, True, True, False, True]
    pd.testing.assert_frame_equal(round_trip(codec, frame), frame)


@pytest.mark.parametrize("unmarked", [None, "from_dtype", []])
def test_without_marks_the_dtype_decides(frame, unmarked):
    codec = TableCodec(unmarked).fit(frame)
    assert [part.kind == "categorical" for part in codec.codecs_] == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("marked", "pattern"),
    [
        ("age", "allowed are 'from_dtype'"),
        (3, "allowed are 'from_dtype'"),
        (["height"], "'height', which is no column of X"),
        ([6], r"positions lie in \[0, 5\], got 6"),
        ([-1], r"positions lie in \[0, 5\], got -1"),
        ([True, False], r"one entry per column \(6\), got 2"),
    ],
)
def test_wrong_categorical_features_are_explained(frame, marked, pattern):
    with pytest.raises(InputError, match=pattern):
        TableCodec(marked).fit(frame)


def test_empty_columns_warn_once_by_name_and_come_back():
    frame = pd.DataFrame({"a": [1, 2], "b": [np.nan, np.nan], "c": pd.Series([None, None], dtype="category")})
    with pytest.warns(VaeaugWarning, match="without any value: 'b', 'c'"):
        codec = TableCodec().fit(frame)
    pd.testing.assert_frame_equal(round_trip(codec, frame), frame)


@pytest.mark.parametrize(
    ("table", "pattern"),
    [
        (pd.DataFrame(index=range(3)), r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required"),
        (pd.DataFrame({"a": []}), "X has no rows"),
        (np.empty((0, 2)), "X has no rows"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), "named twice: 'a'"),
        (np.zeros(3), "Expected 2D array, got 1D array"),
        (np.zeros((2, 2, 2)), "Expected 2D array, got 3D array"),
        (pd.Series([1, 2]), "to_frame"),
        (csr_matrix((2, 2)), "sparse csr_matrix"),
        (np.zeros((2, 2), dtype=complex), "Complex data not supported"),
        (np.zeros((2, 2), dtype=np.longdouble), "up to 64 bits"),
        (np.array([[1.0, np.inf], [2.0, 3.0]]), r"Column 1 contains infinity \(1 of 2 values\)"),
    ],
)
def test_unusable_tables_are_explained(table, pattern):
    with pytest.raises(InputError, match=pattern):
        TableCodec().fit(table)


def test_mixed_columns_are_named():
    frame = pd.DataFrame({"ok": [1, 2], "bad": pd.Series([1, "x"], dtype=object)})
    with pytest.raises(RejectedColumn, match="'bad' mixes types"):
        TableCodec().fit(frame)


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (lambda X: X[list(X.columns[::-1])], "must be in the same order as they were in fit"),
        (lambda X: X.drop(columns="job"), "seen at fit time, yet now missing:\n- job\n"),
        (lambda X: X.assign(extra=1), "unseen at fit time:\n- extra\n"),
        (lambda X: X[["age", "age", *X.columns[2:], "income"]], "must not appear twice"),
        (lambda X: X.to_numpy()[:, :4], "X has 4 features, but TableCodec is expecting 6 features as input"),
    ],
)
def test_other_columns_are_explained(frame, change, pattern):
    codec = TableCodec().fit(frame)
    with pytest.raises(InputError, match=pattern):
        codec.encode(change(frame))


def test_numbers_of_a_small_class_get_bins_where_they_lie():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": np.concatenate([rng.normal(size=1500), rng.normal(50, 20, size=10)])})
    groups = np.repeat([0, 1], [1500, 10])
    own, alike = (TableCodec().fit(X, g).encode(X)[1500:, 0] for g in (groups, None))
    assert len(set(alike)) == 1
    assert len(set(own)) >= 4


def test_bins_do_not_depend_on_classes_of_equal_size():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=300)})
    np.testing.assert_array_equal(
        TableCodec().fit(X, np.arange(300) % 3).encode(X), TableCodec().fit(X).encode(X)
    )


def test_weighted_bins_give_every_value_back_and_draw_as_often_as_rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": np.concatenate([rng.normal(size=990), rng.normal(9, 1, size=10)])})
    codec = TableCodec().fit(X, np.repeat([0, 1], [990, 10]))
    np.testing.assert_allclose(codec.decode(codec.encode(X))["a"], X["a"], rtol=1e-5, atol=1e-6)
    drawn = codec.codecs_[0].draw(20_000, rng)
    # 20,000 draws of 1 %: three standard deviations are 0.2 %.
    assert abs((drawn > 5).mean() - 0.01) < 0.003
