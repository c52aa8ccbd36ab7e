"""The rows drawn from a stream: evenly, seeded, and all of small classes."""

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.streams.reservoir import Reservoir


def table(rows=20_000, rare=6):
    label = np.full(rows, "common", dtype=object)
    label[np.random.default_rng(1).choice(rows, rare, replace=False)] = "rare"
    return pd.DataFrame({"value": np.arange(rows), "label": label})


def filled(frame, size=500, piece=1000, seed=0, **options):
    reservoir = Reservoir(size, seed, "label", class_rows=100, **options)
    for start in range(0, len(frame), piece):
        reservoir.add(frame.iloc[start : start + piece].reset_index(drop=True), start)
    return reservoir


def drawn(reservoir, frame):
    return reservoir.sample(frame.dtypes.to_dict())


def test_rows_are_those_of_the_table_in_its_order():
    frame = table()
    sample = drawn(filled(frame), frame)
    assert sample.even.sum() == 500
    assert (np.diff(sample.numbers) > 0).all()
    pd.testing.assert_frame_equal(sample.frame, frame.iloc[sample.numbers].reset_index(drop=True))


def test_a_short_table_is_kept_whole():
    frame = table(400)
    sample = drawn(filled(frame), frame)
    pd.testing.assert_frame_equal(sample.frame, frame)
    assert sample.even.all()


def test_small_classes_are_kept_whole_and_marked():
    frame = table()
    sample = drawn(filled(frame), frame)
    assert (sample.frame["label"] == "rare").sum() == 6
    assert not sample.even[sample.frame["label"] == "rare"].all()
    assert len(sample.only_even().frame) == 500


def test_rows_are_drawn_evenly():
    frame = table(rare=0)
    values = np.concatenate(
        [drawn(filled(frame, seed=seed), frame).only_even().numbers for seed in range(20)]
    )
    counts = np.histogram(values, bins=10, range=(0, 20_000))[0]
    # 10,000 draws over ten tenths: 1,000 each, give or take four standard deviations of 30.
    assert np.abs(counts - 1000).max() < 120


def test_the_seed_decides():
    frame = table()
    first, again, other = (drawn(filled(frame, seed=seed), frame).numbers for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_reservoirs_of_parts_can_be_merged():
    frame = table()
    whole = drawn(filled(frame), frame)
    first, second = Reservoir(500, 0, "label", 100), Reservoir(500, 0, "label", 100)
    for start in range(0, len(frame), 1000):
        part = first if start % 2000 else second
        part.add(frame.iloc[start : start + 1000].reset_index(drop=True), start)
    first.merge(second)
    np.testing.assert_array_equal(drawn(first, frame).numbers, whole.numbers)


def test_a_column_of_many_values_is_none_of_classes():
    frame = table().assign(label=np.arange(20_000))
    sample = drawn(filled(frame, most_classes=50), frame)
    assert len(sample.frame) == 500
    assert sample.even.all()


def test_memory_does_not_grow_with_the_rows():
    frame = table(100_000)
    reservoir = filled(frame)
    assert reservoir._held <= 2 * (500 + 100)


@pytest.mark.parametrize("dtype", ["Int64", "category"])
def test_pieces_of_different_dtypes_are_put_together(dtype):
    frame = table(3000).assign(value=pd.array(np.arange(3000) % 5, dtype="Int64"))
    frame["value"] = frame["value"].astype(dtype)
    sample = drawn(filled(frame), frame)
    assert sample.frame["value"].dtype == frame["value"].dtype
