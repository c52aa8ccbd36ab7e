"""Columns that grow: kept, extended, cut anew, or refused; and the tokens that new ones continue."""

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.data.tables.growth import grow_column, match_tokens
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.registry import fit_column
from vaeaug.errors import InputError


def grow(before, now):
    """Return the old codec, the grown one and the change of a column."""
    old = fit_column(pd.Series(before, name="x"))
    series = pd.Series(now, name="x")
    return old, *grow_column(old, fit_column(series), series)


def normal(rows, seed=0, **shape):
    return np.random.default_rng(seed).normal(size=rows, **shape)


def test_numbers_that_do_not_drift_keep_their_bins():
    values = normal(400)
    old, codec, change = grow(values, np.concatenate([values, normal(400, 1)]))
    assert change.change == "kept"
    assert codec.spans == old.spans
    np.testing.assert_array_equal(match_tokens(old, codec), np.arange(old.spans[0].width))


def test_numbers_that_drift_are_cut_anew_and_the_note_says_where():
    values = normal(400)
    _, codec, change = grow(values, np.concatenate([values, normal(400, 1) + 4]))
    assert change.change == "recut"
    assert change.drift > 0.3
    assert "of rows up to" in change.note
    assert codec.decode(codec.encode(pd.Series([6.0]))).iloc[0] == pytest.approx(6.0, abs=0.1)


def test_new_bins_continue_the_old_ones_of_their_values():
    values = normal(400)
    old, codec, _ = grow(values, np.concatenate([values, normal(400, 1) + 4]))
    found = match_tokens(old, codec)
    assert found[0] <= 1
    assert found[-1] == old.spans[0].width - 1
    assert (np.diff(found) >= 0).all()


def test_values_counted_one_by_one_are_added():
    old, codec, change = grow([1, 2, 3] * 20, [1, 2, 3] * 40 + [5])
    assert (change.change, change.new) == ("extended", [5])
    assert match_tokens(old, codec).tolist() == [0, 1, 2, 2]


def test_missing_values_that_are_new_get_a_token():
    values = normal(400)
    old, codec, change = grow(values, np.append(values, np.nan))
    assert change.change == "kept"
    assert match_tokens(old, codec).tolist() == [-1, *range(old.spans[0].width)]


def test_new_categories_come_last():
    old, codec, change = grow(["b", "c"] * 9, ["b", "c", "a"] * 9)
    assert codec.levels_.tolist() == ["b", "c", "a"]
    assert (change.change, change.new) == ("extended", ["a"])
    assert match_tokens(old, codec).tolist() == [0, 1, -1]


def test_categories_without_rows_are_dropped():
    old, codec, _ = grow(["a", "b", "c"] * 9, ["b", "c"] * 9)
    assert codec.levels_.tolist() == ["b", "c"]
    assert match_tokens(old, codec).tolist() == [1, 2]


def test_new_categories_continue_the_token_of_rare_ones():
    before = pd.Series(["a"] * 20 + ["b"] * 20 + ["c", "d", "e"], name="x")
    now = pd.concat([before, pd.Series(["f"] * 30, name="x")], ignore_index=True)
    old, fresh = (CategoricalCodec(max_levels=3).fit(series) for series in (before, now))
    codec, _ = grow_column(old, fresh, now)
    assert match_tokens(old, codec).tolist() == [0, 1, old.stand_in, old.stand_in]


def test_the_old_codec_is_not_changed():
    before = pd.Series(normal(100), name="x")
    old = NumericCodec().fit(before)
    state = repr(old.state())
    now = pd.Series(np.append(before, np.nan), name="x")
    grow_column(old, NumericCodec().fit(now), now)
    assert repr(old.state()) == state


def test_a_column_of_another_kind_is_refused():
    with pytest.raises(InputError, match="'x' was read as numeric .* now, read as categorical"):
        grow([1.5, 2.5, 3.5], ["a", "b", "c"])


def test_a_column_without_values_may_become_anything():
    _, codec, _ = grow([np.nan] * 5, ["a", "b"] * 5)
    assert codec.levels_.tolist() == ["a", "b"]


def test_dates_grow():
    days = pd.date_range("2024-01-01", periods=200)
    _, codec, change = grow(days, days.append(days + pd.Timedelta(days=400)))
    assert (change.kind, change.change) == ("temporal", "recut")
    assert codec.decode(codec.encode(pd.Series(days[-1:] + pd.Timedelta(days=400)))).iloc[0].year == 2025


def test_new_dates_are_said_as_they_are_written():
    days = pd.Series(pd.date_range("2024-01-01", periods=40)).dt.strftime("%d.%m.%Y").repeat(9).tolist()
    _, _, change = grow(days, [*days, "11.02.2024"])
    assert (change.change, change.new) == ("extended", ["11.02.2024"])
    _, _, change = grow(days, days + ["11.02.2024"] * 90)
    assert "of rows up to 08.02.2024, before" in change.note
    stamps = pd.to_datetime(days, format="%d.%m.%Y").to_series()
    _, _, change = grow(stamps, [*stamps, pd.Timestamp("2024-02-11")])
    assert change.new == [pd.Timestamp("2024-02-11")]


def test_cells_beside_dates_are_not_mistaken_for_new_ones():
    days = pd.Series(pd.date_range("2018-01-01", periods=400)).dt.strftime("%Y-%m-%d").tolist()
    before = ["0000-00-00", *days]
    now = ["N/A", *before]
    old, codec, _ = grow(before, now)
    assert codec.decode(codec.encode(pd.Series(now, name="x"))).tolist() == now
    zeros = codec.encode(pd.Series(["0000-00-00"], name="x"))[0, 0]
    assert match_tokens(old, codec)[int(zeros)] == old.encode(pd.Series(["0000-00-00"]))[0, 0]
