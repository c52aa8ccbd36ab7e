"""Fuzz: whatever the column, type, dtype, name and legal values survive both ways."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vaeaug.data.labels.context import ContextCodec
from vaeaug.data.tables.base import ColumnOptions
from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.dtypes import mask_of
from vaeaug.data.tables.registry import column_from_state, fit_column

fuzz = settings(
    deadline=None,
    derandomize=True,
    max_examples=80,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
NULLABLE = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64")
# Codecs refuse NUL; lone surrogates are no text to Arrow.
words = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=4)
TEXT = ("object", "string", "category", "str")


@st.composite
def numbers(draw, dtype):
    """Return a column of numbers of a numpy or nullable dtype, missing values included where they can be."""
    plain = np.dtype(dtype.lower())
    size = draw(st.integers(1, 60)) * draw(st.sampled_from([1, 1, 10]))
    if plain.kind == "f":
        elements = st.floats(width=8 * plain.itemsize, allow_nan=False, allow_infinity=False)
    else:
        limits = np.iinfo(plain)
        near = st.integers(max(limits.min, -50), 50)
        elements = draw(st.sampled_from([near, st.integers(int(limits.min), int(limits.max))]))
    values = draw(arrays(plain, size, elements=elements))
    if size > 300:
        # Repetition alone gives few values: spread some of them for bins to appear.
        rng = np.random.default_rng(draw(st.integers(0, 9)))
        values = rng.permutation(np.concatenate([values[:200], _spread(values, plain, rng)]))
    series = pd.Series(values, name="x").astype(dtype)
    if plain.kind == "f" or dtype != dtype.lower():
        missing = draw(arrays(bool, series.size, elements=st.booleans()))
        series = series.mask(missing) if draw(st.booleans()) else series
    return series


def _spread(values, plain, rng):
    low, high = values.min(), values.max()
    share = rng.random(400)
    if plain.kind == "f":
        return np.clip(low * (1 - share) + high * share, low, high).astype(plain)
    return np.array([int(low) + int(s * (int(high) - int(low))) for s in share], dtype=plain)


def random_codes(codec, n, seed):
    rng = np.random.default_rng(seed)
    x, start = np.zeros((n, codec.width), dtype=np.float32), 0
    for span in codec.spans:
        if span.kind == "categorical":
            x[:, start] = rng.integers(0, span.width, n)
        elif span.kind == "position":
            x[:, start : start + span.width] = rng.random((n, span.width), dtype=np.float32)
        start += span.columns
    return x


def check_numbers(series):
    codec = fit_column(series)
    x = codec.encode(series)
    found = codec.decode(x)
    missing = mask_of(series)
    assert np.isfinite(x).all()
    assert found.dtype == series.dtype
    assert found.name == series.name
    np.testing.assert_array_equal(mask_of(found), missing)
    check_values(codec, found[~missing], series[~missing])
    check_drawn(codec, codec.decode(random_codes(codec, 100, 0)), series)
    meta, parts = codec.state()
    again = column_from_state(json.loads(json.dumps(meta, allow_nan=False)), parts)
    np.testing.assert_array_equal(again.encode(series), x)
    codes = random_codes(codec, 100, 1)
    pd.testing.assert_series_equal(again.decode(codes), codec.decode(codes), check_exact=True)


def check_values(codec, found, series):
    if not len(series):
        return
    left, right = (s.to_numpy(dtype=getattr(s.dtype, "numpy_dtype", s.dtype)) for s in (found, series))
    width = int(right.max()) - int(right.min()) if right.dtype.kind in "iu" else None
    if not codec.grids_ or (width is not None and width < 2**38):
        np.testing.assert_array_equal(left, right)
        return
    # Positions carry at least 24 bits; a knot is never closer to the next than half a row.
    span = float(right.max()) * 0.5 - float(right.min()) * 0.5
    error = np.abs(left.astype(np.float64) * 0.5 - right.astype(np.float64) * 0.5)
    assert error.max() <= 1e-4 * span


def check_drawn(codec, found, series):
    assert found.dtype == series.dtype
    if not mask_of(series).any():
        assert not mask_of(found).any()
    present, seen = found[~mask_of(found)], series[~mask_of(series)]
    if len(present):
        assert present.min() >= seen.min()
        assert present.max() <= seen.max()
        assert len(seen)


@pytest.mark.slow  # thousands of columns
@pytest.mark.parametrize("dtype", INTEGERS + FLOATS + NULLABLE)
def test_numbers(dtype):
    @fuzz
    @given(numbers(dtype))
    def check(series):
        check_numbers(series)

    check()


@fuzz
@given(
    st.integers(0, 9), st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=300), st.integers(1, 50)
)
def test_shared_decimals_come_back(decimals, units, step):
    values = np.array(units) * step / 10.0**decimals
    series = pd.Series(values, name="x")
    codec = fit_column(series)
    found = codec.decode(codec.encode(series))
    if not codec.grids_:
        np.testing.assert_array_equal(found, values)
    drawn = codec.decode(random_codes(codec, 100, 0))
    if codec.axes_[0].is_lattice:
        np.testing.assert_array_equal(np.round(drawn * 10.0**decimals) / 10.0**decimals, drawn)


@fuzz
@given(
    st.sampled_from(TEXT),
    st.lists(st.one_of(st.none(), words), min_size=1, max_size=80),
    st.integers(1, 20),
)
def test_text(dtype, values, max_levels):
    series = pd.Series(values, name="x", dtype=object)
    if dtype != "object":
        series = series.astype(dtype) if dtype != "str" else series.mask(series.isna(), np.nan)
    codec = fit_column(series, ColumnOptions(max_levels=max_levels))
    x = codec.encode(series)
    found = codec.decode(x)
    assert found.dtype == series.dtype
    np.testing.assert_array_equal(mask_of(found), mask_of(series))
    assert found.dropna().tolist() == series.dropna().tolist()
    codes = random_codes(codec, 50, 0)
    drawn = codec.decode(codes)
    assert set(drawn.dropna()) <= set(series.dropna())
    meta, parts = codec.state()
    again = column_from_state(json.loads(json.dumps(meta)), parts)
    pd.testing.assert_series_equal(again.decode(codes), drawn)


@fuzz
@given(
    st.sampled_from(["s", "ms", "us", "ns"]),
    st.sampled_from([None, "UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
    st.lists(st.one_of(st.none(), st.integers(-(10**9), 2 * 10**9)), min_size=1, max_size=200),
    st.sampled_from([1, 60, 3600, 86_400]),
)
def test_stamps(unit, zone, seconds, step):
    ticks = [np.datetime64("NaT") if s is None else np.datetime64(s // step * step, "s") for s in seconds]
    series = pd.Series(np.array(ticks, dtype=f"datetime64[{unit}]"), name="x")
    if zone is not None:
        series = series.dt.tz_localize("UTC").dt.tz_convert(zone)
    codec = fit_column(series)
    pd.testing.assert_series_equal(codec.decode(codec.encode(series)), series)
    drawn = codec.decode(random_codes(codec, 50, 0))
    assert drawn.dtype == series.dtype
    if zone is None:
        plain = drawn.dropna().to_numpy().astype("datetime64[s]").astype(np.int64)
        assert (plain % step == 0).all()


labels = st.one_of(st.text(max_size=3), st.integers(-5, 5), st.tuples(st.integers(0, 3), st.text(max_size=2)))


@fuzz
@given(st.data())
def test_frames(data):
    names = data.draw(st.lists(labels, min_size=1, max_size=5, unique=True))
    rows = data.draw(st.integers(1, 30))
    columns = {}
    for j in range(len(names)):
        dtype = data.draw(
            st.sampled_from(("int64", "uint8", "Int32", "Float64", "bool", "boolean", "category"))
        )
        values = data.draw(arrays(np.uint8, rows, elements=st.integers(0, 1 if "bool" in dtype else 9)))
        columns[j] = pd.Series(values).astype(dtype)
    frame = pd.DataFrame(columns)
    frame.columns = pd.Index(names, tupleize_cols=False)
    codec = TableCodec().fit(frame)
    x = codec.encode(frame)
    pd.testing.assert_frame_equal(codec.decode(x), frame)
    meta, parts = codec.state()
    again = TableCodec.from_state(json.loads(json.dumps(meta)), parts)
    pd.testing.assert_frame_equal(again.decode(x), frame)


@fuzz
@given(
    st.one_of(
        st.lists(words, min_size=1, max_size=30),
        st.lists(st.integers(-9, 9), min_size=1, max_size=30),
        st.lists(st.booleans(), min_size=1, max_size=30),
    ),
    st.sampled_from(["array", "series", "category"]),
)
def test_labels(y, container):
    y = np.array(y)
    if container != "array":
        y = pd.Series(y, dtype="category" if container == "category" else None)
    codec = ContextCodec().fit(y)
    c = codec.encode(y)
    assert (c.sum(axis=1) == 1).all()
    assert codec.classes_[codec.groups(y)].tolist() == np.asarray(y).tolist()
    drawn = codec.draw(20, np.random.default_rng(0))
    assert drawn.dtype == y.dtype
    assert set(np.asarray(drawn).tolist()) <= set(np.asarray(y).tolist())
