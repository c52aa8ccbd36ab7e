"""Levels, unknowns, and the bucket of rare values."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.errors import InputError


def text(values, **options):
    return pd.Series(values, name="c", **options)


def test_order_unused_categories_and_flag_come_back():
    dtype = pd.CategoricalDtype(["small", "never", "large"], ordered=True)
    series = text(["large", "small", None], dtype=dtype)
    codec = CategoricalCodec().fit(series)
    assert codec.spans[0].width == 3  # missing and two seen levels
    assert codec.decode(codec.encode(series)).dtype == dtype


def test_unseen_levels_are_unknown():
    codec = CategoricalCodec().fit(text(["a", "b"]))
    assert codec.encode(text(["b", "z"]))[:, 0].tolist() == [1, -1]


def test_a_declared_but_unseen_category_is_unknown():
    codec = CategoricalCodec().fit(text(["a", "b"], dtype=pd.CategoricalDtype(["a", "b", "c"])))
    assert codec.encode(text(["c"], dtype=pd.CategoricalDtype(["c", "a"])))[0, 0] == -1


@pytest.mark.parametrize("dtype", ["category", "string", object])
def test_text_is_recognised_in_any_dtype(dtype):
    codec = CategoricalCodec().fit(text(["a", "b", None], dtype=object))
    assert codec.encode(text(["b", None, "a"]).astype(dtype))[:, 0].tolist() == [2, 0, 1]


def test_tokens_do_not_depend_on_row_order():
    series = text(["b", "c", "a"])
    left, right = CategoricalCodec().fit(series), CategoricalCodec().fit(series[::-1])
    np.testing.assert_array_equal(left.encode(series), right.encode(series))


@pytest.fixture
def diverse(rng):
    """40 common names on half of the rows, 3,000 rare ones on the other half."""
    names = np.array([f"name {i}" for i in range(3040)], dtype=object)
    picked = np.where(rng.random(20_000) < 0.5, rng.integers(0, 40, 20_000), rng.integers(40, 3040, 20_000))
    return text(names[picked])


def test_rare_levels_share_a_bucket_and_still_come_back(diverse):
    codec = CategoricalCodec(max_levels=40).fit(diverse)
    assert [(span.kind, span.width) for span in codec.spans] == [("categorical", 41), ("position", 1)]
    assert codec.decode(codec.encode(diverse)).tolist() == diverse.tolist()


def test_levels_below_five_rows_never_earn_a_token(diverse):
    codec = CategoricalCodec(max_levels=2000).fit(diverse)
    own = codec.counts_[codec.level_of_[:-1]]
    assert own.min() >= 5


def test_uniform_positions_draw_rare_values_at_their_rates(diverse, rng):
    codec = CategoricalCodec(max_levels=40).fit(diverse)
    x = np.stack([np.full(200_000, 40), rng.random(200_000)], axis=1).astype(np.float32)
    found = codec.decode(x).value_counts()
    counts = diverse.value_counts()
    rate = counts[counts.index.isin(found.index)]
    expected = rate / rate.sum() * 200_000
    z = (found.reindex(rate.index, fill_value=0) - expected) / np.sqrt(expected)
    assert set(found.index) <= set(counts.index)
    assert abs(z.mean()) < 0.1
    assert 0.9 < z.std() < 1.1


def test_no_bucket_up_to_max_levels():
    series = text([f"v{i}" for i in range(1000)])
    assert [span.width for span in CategoricalCodec(max_levels=1000).fit(series).spans] == [1000]


def test_distinct_text_in_the_hundred_thousands_stays_small(rng):
    ids = np.concatenate([np.arange(100_000), rng.integers(0, 100_000, 100_000)])
    series = text(np.array([f"user {i:06d}" for i in range(100_000)], dtype=object)[ids])
    tracemalloc.start()
    codec = CategoricalCodec().fit(series)
    x = codec.encode(series)
    back = codec.decode(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6
    assert codec.spans[0].width <= 1001
    assert back.equals(series)
    meta, arrays = codec.state()
    again = CategoricalCodec.from_state(meta, arrays)
    assert again.decode(x).equals(series)


@pytest.mark.parametrize("marker", [None, np.nan, pd.NA])
def test_the_missing_marker_that_was_used_comes_back(marker):
    series = pd.Series(np.array(["a", marker, "b", "a"], dtype=object), dtype=object)
    codec = CategoricalCodec().fit(series)
    assert codec.decode(codec.encode(series))[1] is marker


def test_text_that_pandas_would_merge_is_refused():
    with pytest.raises(InputError, match="'c' holds text with NUL"):
        CategoricalCodec().fit(text(["", "\0a"], dtype=object))


def test_numbers_marked_as_categories_keep_all_values():
    series = pd.Series(np.arange(5000, dtype=np.int32))
    codec = CategoricalCodec(max_levels=10_000, marked=True).fit(series)
    assert codec.spans[0].width == 5000
    assert codec.decode(codec.encode(series)).equals(series)
