"""Columns counted piece by piece are as if they had been counted at once."""

import numpy as np
import pandas as pd
import pytest
from column_zoo import zoo

import vaeaug.data.streams.sketches as digests
from vaeaug.data.streams.sketches import ColumnDigest
from vaeaug.data.tables.registry import ColumnOptions, fit_column
from vaeaug.errors import InputError

ZOO = zoo()


def pieces(series, size=7):
    return [series.iloc[start : start + size] for start in range(0, len(series), size)]


def digested(parts):
    digest = ColumnDigest()
    for part in parts:
        digest.add(part)
    return digest


def same_state(one, other):
    (first, first_arrays), (second, second_arrays) = one.state(), other.state()
    for meta in (first, second):
        meta.pop("max_levels", None)
    assert first == second
    assert first_arrays.keys() == second_arrays.keys()
    for name, array in first_arrays.items():
        np.testing.assert_array_equal(second_arrays[name], array, err_msg=name)


@pytest.mark.parametrize("name", list(ZOO))
def test_a_codec_of_the_digest_is_that_of_the_column(name):
    column = ZOO[name]
    digest = digested(pieces(column))
    assert (digest.rows, digest.missing) == (len(column), int(column.isna().sum()))
    assert digest.final_dtype() == column.dtype
    values, counts = digest.part(column)
    same_state(fit_column(values, counts=counts), fit_column(column))


@pytest.mark.parametrize("name", list(ZOO))
def test_digests_of_parts_can_be_merged(name):
    column = ZOO[name]
    half = len(column) // 2
    first, second = digested(pieces(column[:half])), digested(pieces(column[half:]))
    first.merge(second)
    values, counts = first.part(column)
    same_state(fit_column(values, counts=counts), fit_column(column))


def test_counts_are_rows():
    column = pd.Series([3, 1, 3, 3, None], dtype="Int64", name="n")
    values, counts = digested(pieces(column, 2)).part()
    codec = fit_column(values, counts=counts)
    assert codec.rows_.tolist() == [1, 3]
    assert codec.offset_ == 1


def test_of_many_numbers_the_ends_are_exact_and_the_rest_is_sampled(monkeypatch):
    monkeypatch.setattr(digests, "_MOST_NUMBERS", 100)
    monkeypatch.setattr(digests, "_WAITING", 300)
    rng = np.random.default_rng(0)
    column = pd.Series(rng.normal(size=5000), name="x")
    column[17], column[4003] = -50.0, 60.0
    digest = digested(pieces(column, 250))
    assert not digest.is_complete
    sample = column.iloc[::10]
    values, counts = digest.part(sample)
    assert counts is None
    assert (values.min(), values.max()) == (-50.0, 60.0)
    codec = fit_column(values)
    assert (codec.axes_[0].low, codec.axes_[0].high) == (-50.0, 60.0)
    inner = codec.decode(codec.encode(pd.Series(np.linspace(-1, 1, 9), name="x")))
    np.testing.assert_allclose(inner, np.linspace(-1, 1, 9), atol=1e-6)


def test_the_ends_of_merged_digests_are_those_of_both(monkeypatch):
    monkeypatch.setattr(digests, "_MOST_NUMBERS", 10)
    column = pd.Series(np.random.default_rng(0).permutation(1000), name="x")
    first, second = digested(pieces(column[:400], 50)), digested(pieces(column[400:], 50))
    first.merge(second)
    values, counts = first.part(column[::100])
    assert counts is None
    assert (values.min(), values.max()) == (0, 999)


def test_missing_entries_that_no_sampled_row_shows_are_known(monkeypatch):
    monkeypatch.setattr(digests, "_MOST_NUMBERS", 10)
    column = pd.Series(np.arange(100.0), name="x")
    column[50] = np.nan
    values, _ = digested(pieces(column, 20)).part(column[:10])
    assert values.isna().sum() == 1
    assert fit_column(values).offset_ == 1


def test_of_very_many_levels_the_commonest_are_kept(monkeypatch):
    monkeypatch.setattr(digests, "_MOST_LEVELS", 50)
    monkeypatch.setattr(digests, "_WAITING", 200)
    names = [f"id{i}" for i in range(1000)] + ["often"] * 300
    column = pd.Series(np.random.default_rng(0).permutation(names), dtype=object, name="id")
    digest = digested(pieces(column, 100))
    values, counts = digest.part()
    assert len(values) <= 50
    assert not digest.is_complete
    assert counts[values.tolist().index("often")] == 300
    codec = fit_column(values, ColumnOptions(max_levels=10), counts)
    unseen = pd.Series(["never"], dtype=object, name="id")
    assert codec.encode(unseen)[0, 0] == -1
    assert codec.stand_in == codec.spans[0].width - 1


def test_a_type_that_changes_is_refused_by_name_and_place():
    digest = digested([pd.Series([1, 2], name="size")])
    with pytest.raises(InputError, match="'size' is object in part 7 and int64 before"):
        digest.add(pd.Series(["a"], dtype=object, name="size"), "part 7")


def test_pieces_without_values_say_nothing_about_the_type():
    empty = pd.Series([np.nan, np.nan], name="word")
    digest = digested([empty, pd.Series(["a", "b"], dtype=object, name="word"), empty])
    assert digest.final_dtype() == np.dtype(object)
    assert digest.missing == 4
    assert digested([empty]).part(empty)[0].isna().all()
