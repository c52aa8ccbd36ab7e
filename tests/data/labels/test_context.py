"""Labels and control variables: containers, unknowns, draws."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from vaeaug.data.labels.context import ContextCodec
from vaeaug.errors import InputError, UnknownLabelError

CLASSES = {
    "list": ["b", "a", "b"],
    "text array": np.array(["b", "a", "b"]),
    "object array": np.array(["b", "a", "b"], dtype=object),
    "int array": np.array([2, 1, 2], dtype=np.int8),
    "big-endian array": np.array([2, 1, 2], dtype=">i4"),
    "bool array": np.array([True, False, True]),
    "float array": np.array([1.0, 0.0, 1.0]),
    "column vector": np.array([[2], [1], [2]]),
    "series": pd.Series(["b", "a", "b"], name="label", index=[7, 8, 9]),
    "categorical": pd.Series(["b", "a", "b"], dtype=pd.CategoricalDtype(["b", "z", "a"], ordered=True)),
    "nullable": pd.Series([2, 1, 2], dtype="Int64", name="label"),
    "nullable bool": pd.Series([True, False, True], dtype="boolean"),
    "string": pd.Series(["b", "a", "b"], dtype="string"),
}


@pytest.fixture
def controls(rng):
    return pd.DataFrame(
        {
            "height": rng.normal(170, 10, 60),
            "sex": np.tile(np.array(["f", "m", None], dtype=object), 20),
            "smoker": pd.array([True, False, None] * 20, dtype="boolean"),
            "year": rng.integers(1990, 1995, 60),
        }
    )


def loaded(codec):
    meta, arrays = codec.state()
    return ContextCodec.from_state(json.loads(json.dumps(meta, allow_nan=False)), arrays)


def assert_like(found, expected):
    if isinstance(expected, list):
        expected = np.asarray(expected)
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    if isinstance(expected, pd.Series):
        assert found.name == expected.name
        assert found.index.equals(pd.RangeIndex(len(found)))


@pytest.mark.parametrize("kind", list(CLASSES))
def test_classes_are_one_hot_in_sorted_order(kind):
    codec = ContextCodec().fit(CLASSES[kind])
    assert codec.blocks == [(0, 2)]
    np.testing.assert_array_equal(codec.encode(CLASSES[kind]), np.eye(2, dtype=np.float32)[[1, 0, 1]])
    assert codec.classes_.tolist() == sorted(set(np.ravel(CLASSES[kind]).tolist()))
    assert codec.counts_.tolist() == [1, 2]
    assert codec.groups(CLASSES[kind]).tolist() == [1, 0, 1]


@pytest.mark.parametrize("kind", list(CLASSES))
def test_labels_come_back_in_their_container(kind):
    y = CLASSES[kind]
    codec = ContextCodec().fit(y)
    drawn = codec.draw(50, np.random.default_rng(0))
    assert_like(drawn, y)
    assert set(np.asarray(drawn).tolist()) == set(codec.classes_.tolist())
    assert_like(codec.as_labels(codec.classes_[0], 4), y)
    assert np.asarray(codec.as_labels(codec.classes_[0], 4)).tolist() == [codec.classes_[0]] * 4
    assert_like(codec.as_labels(y, 3), y)


@pytest.mark.parametrize("kind", list(CLASSES))
def test_state_survives_json(kind):
    y = CLASSES[kind]
    codec = ContextCodec().fit(y)
    again = loaded(codec)
    np.testing.assert_array_equal(again.encode(y), codec.encode(y))
    assert again.classes_.tolist() == codec.classes_.tolist()
    assert again.classes_.dtype == codec.classes_.dtype
    left, right = (c.draw(9, np.random.default_rng(1)) for c in (codec, again))
    assert_like(left, right)
    assert np.asarray(left).tolist() == np.asarray(right).tolist()


def test_draws_follow_the_training_frequencies():
    codec = ContextCodec().fit(np.repeat(["rare", "common"], [10, 990]))
    drawn = codec.draw(20_000, np.random.default_rng(0))
    assert abs((drawn == "rare").mean() - 0.01) < 0.003


def test_no_labels_at_all():
    codec = ContextCodec().fit(None)
    assert codec.width == 0
    assert codec.blocks == []
    assert codec.encode(None, 3).shape == (3, 0)
    assert codec.draw(3, np.random.default_rng(0)) is None
    assert codec.groups(None) is None
    assert codec.classes_ is None
    assert loaded(codec).width == 0
    with pytest.raises(InputError, match="fitted without y"):
        codec.as_labels("a", 2)


def test_unknown_is_all_zeros():
    assert not ContextCodec().fit(["a", "b"]).encode(None, 5).any()


@pytest.mark.parametrize("y", [["a", "c"], pd.Series(["c"]), "c"])
def test_unknown_labels_list_the_allowed(y):
    codec = ContextCodec().fit(["a", "b", "a"])
    with pytest.raises(UnknownLabelError, match="fit has not seen: 'c'; allowed are 'a', 'b'"):
        codec.as_labels(y, np.size(y))


def test_text_longer_than_in_fit_is_not_cut_into_a_known_label():
    with pytest.raises(UnknownLabelError, match="'ab'"):
        ContextCodec().fit(np.array(["a", "b"])).encode(np.array(["ab"]))


@pytest.mark.parametrize("y", [["a", None, "b"], [1.5, np.nan, 2.5], pd.Series([1, None, 2], dtype="Int64")])
def test_missing_labels_are_unknown_and_others_are_learned(y):
    codec = ContextCodec().fit(y)
    c = codec.encode(y)
    assert not c[1].any()
    assert c[0].any()
    assert c[2].any()
    if codec.classes_ is not None:
        assert codec.groups(y).tolist() == [0, -1, 1]
        assert codec.counts_.tolist() == [1, 1]
    assert not pd.isna(codec.draw(20, np.random.default_rng(0))).any()


@pytest.mark.parametrize("y", [[None, None], [np.nan] * 3, pd.Series([pd.NA, pd.NA], dtype="Int64")])
def test_labels_that_are_all_missing_are_refused(y):
    with pytest.raises(InputError, match="all [23] are missing"):
        ContextCodec().fit(y)


def test_labels_to_make_are_not_missing():
    with pytest.raises(InputError, match="1 of 2 labels are missing"):
        ContextCodec().fit(["a", "b"]).as_labels(["a", None], 2)


@pytest.mark.parametrize(
    ("y", "pattern"),
    [
        (np.zeros((3, 2)), r"shape \(3, 2\)"),
        ([], "no rows"),
        ([1.5, np.inf], "infinity"),
        (pd.Series([1, "a"], dtype=object), "mixes types"),
        (pd.DataFrame(), "at least one column"),
        (pd.DataFrame({"a": []}), "no rows"),
        (pd.DataFrame({"a": [None, None], "b": [1, 2]}), "'a' has no value"),
    ],
)
def test_unusable_labels_are_explained(y, pattern):
    with pytest.raises(InputError, match=pattern):
        ContextCodec().fit(y)


@pytest.mark.parametrize("y", [np.eye(4)[[0, 1, 3]], np.eye(2, dtype=int)])
def test_one_hot_labels_are_told_from_control_variables(y):
    with pytest.raises(InputError, match=r"one-hot labels: pass y.argmax\(1\)"):
        ContextCodec().fit(y)
    with pytest.raises(InputError, match="control variables as a DataFrame"):
        ContextCodec().fit(y + y[:, ::-1])


@pytest.mark.parametrize("wrap", [np.array, torch.tensor])
def test_one_label_may_be_an_array_or_tensor_of_no_dimension(wrap):
    codec = ContextCodec().fit(torch.tensor([0, 1, 1]))
    assert codec.as_labels(wrap(1), 2).tolist() == [1, 1]
    with pytest.raises(UnknownLabelError, match="fit has not seen: 7; allowed are 0, 1"):
        codec.as_labels(wrap(7), 2)
    named = ContextCodec().fit(pd.DataFrame({"digit": [0, 1, 1]}))
    assert named.as_labels({"digit": wrap(1)}, 2)["digit"].tolist() == [1, 1]


def test_the_number_of_labels_must_fit():
    with pytest.raises(InputError, match="y has 2 labels, but 3 rows"):
        ContextCodec().fit(["a", "b"]).as_labels(["a", "b"], 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "Float64"])
def test_a_continuous_target_is_a_score_and_a_flag(rng, dtype):
    y = pd.Series(rng.normal(size=500)).astype(dtype)
    codec = ContextCodec().fit(y)
    c = codec.encode(y)
    assert codec.blocks == [(0, 2)]
    assert codec.classes_ is None
    assert codec.groups(y) is None
    assert (c[:, 1] == 1).all()
    assert np.corrcoef(c[:, 0], y.astype(float))[0, 1] > 0.99
    drawn = codec.draw(2000, rng)
    assert drawn.dtype == y.dtype
    assert drawn.between(y.min(), y.max()).all()
    assert codec.as_labels(0.5, 3).tolist() == [0.5] * 3


def test_many_integers_are_a_quantity_and_stay_integers(rng):
    y = rng.integers(0, 10_000, 2000)
    codec = ContextCodec().fit(y)
    assert codec.classes_ is None
    assert codec.draw(5, rng).dtype == y.dtype
    assert codec.as_labels(123_456, 2).tolist() == [123_456] * 2


def test_dates_are_quantities(rng):
    y = pd.Series(pd.date_range("2020-01-01", periods=300))
    codec = ContextCodec().fit(y)
    assert codec.width == 2
    assert codec.draw(5, rng).dtype == y.dtype


def test_a_frame_has_a_block_per_column(controls):
    codec = ContextCodec().fit(controls)
    assert codec.blocks == [(0, 2), (2, 4), (4, 6), (6, 11)]
    c = codec.encode(controls)
    assert c.shape == (60, 11)
    assert (c[:, 2:4].sum(axis=1) == controls["sex"].notna()).all()
    assert codec.classes_.tolist() == ["f", "m"]
    assert codec.groups(controls)[:3].tolist() == [0, 1, -1]


def test_frame_draws_keep_combinations(controls):
    codec = ContextCodec().fit(controls)
    drawn = codec.draw(500, np.random.default_rng(0))
    pd.testing.assert_series_equal(drawn.dtypes, controls.dtypes)
    pairs = set(zip(drawn["sex"].fillna("-"), drawn["smoker"].astype(object).map(repr), strict=True))
    assert pairs == {("f", "True"), ("m", "False"), ("-", "<NA>")}
    again = loaded(codec)
    pd.testing.assert_frame_equal(again.draw(500, np.random.default_rng(0)), drawn)


def test_a_frame_row_may_be_a_mapping_with_gaps(controls):
    codec = ContextCodec().fit(controls)
    rows = codec.as_labels({"sex": "m", "year": 1992}, 3)
    assert len(rows) == 3
    assert rows.columns.equals(controls.columns)
    c = codec.encode(rows)
    assert not c[:, :2].any()
    assert c[:, 2:4].tolist() == [[0, 1]] * 3
    full = codec.as_labels(controls.iloc[0], 2)
    pd.testing.assert_series_equal(full.dtypes, controls.dtypes)
    pd.testing.assert_frame_equal(full, controls.iloc[[0, 0]].reset_index(drop=True))


def test_frame_columns_are_found_by_name(controls):
    codec = ContextCodec().fit(controls)
    swapped = controls[list(controls.columns[::-1])]
    np.testing.assert_array_equal(codec.encode(swapped), codec.encode(controls))


@pytest.mark.parametrize(
    ("y", "pattern"),
    [
        ({"weight": 3}, r"\['weight'\] are no columns"),
        ({"sex": "x"}, "column 'sex', has labels that fit has not seen: 'x'"),
        (np.zeros(2), "fitted with a DataFrame"),
        (pd.DataFrame({"sex": ["f", "m"]}), r"missing \['height', 'smoker', 'year'\]"),
    ],
)
def test_unusable_frame_labels_are_explained(controls, y, pattern):
    with pytest.raises(InputError, match=pattern):
        ContextCodec().fit(controls).as_labels(y, 2)


@pytest.mark.parametrize("labels", [["a", float("nan"), "b"], ["a", None, "b"]])
def test_missing_labels_in_a_list_are_not_taken_for_text(labels):
    assert ContextCodec().fit(labels).classes_.tolist() == ["a", "b"]


def test_a_list_of_text_and_numbers_is_refused():
    with pytest.raises(InputError, match=r"mixes types"):
        ContextCodec().fit(["a", 1, "b"])


def test_a_list_of_text_is_text():
    codec = ContextCodec().fit(["b", "a", "b"])
    assert codec.classes_.tolist() == ["a", "b"]
    assert codec.encode([["a"], ["b"]]).argmax(1).tolist() == [0, 1]


def test_examples_show_every_class_and_every_combination():
    assert ContextCodec().fit(["b", "a", "b"]).examples().tolist() == ["a", "b"]
    series = pd.Series([2, 1, 2], dtype="Int64", name="label")
    assert ContextCodec().fit(series).examples().dtype == series.dtype
    frame = pd.DataFrame({"class": ["x", "y", None, "x"], "age": [1.5, 2.5, 3.5, 1.5]})
    found = ContextCodec().fit(frame).examples()
    assert found.dtypes.equals(frame.dtypes)
    assert set(found["class"].dropna()) == {"x", "y"}
    assert len(found) == 3
    assert ContextCodec().fit(None).examples() is None
    assert len(ContextCodec().fit(np.linspace(0, 1, 400)).examples()) > 1


def test_one_column_of_labels_may_come_as_a_frame():
    codec = ContextCodec().fit(["b", "a", "b"])
    np.testing.assert_array_equal(codec.encode(pd.DataFrame({"x": ["a", "b"]})), np.eye(2))
    with pytest.raises(InputError, match="got a DataFrame of 2 columns; pass one column"):
        codec.encode(pd.DataFrame({"x": ["a"], "y": ["b"]}))


def test_of_very_many_combinations_an_even_part_is_kept():
    rng = np.random.default_rng(0)
    values = pd.DataFrame({"height": rng.normal(size=60_000), "sex": rng.choice(["f", "m"], 60_000)})
    _, arrays = ContextCodec().fit(values).state()
    assert 49_000 < max(len(array) for array in arrays.values()) <= 50_000
