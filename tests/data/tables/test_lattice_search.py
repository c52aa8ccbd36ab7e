"""Rounded numbers, whatever their dtype and step: new ones are rounded as often as the real ones."""

import json

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.tables.datetime import TemporalCodec
from vaeaug.data.tables.numeric import NumericCodec

ROWS = 3000
RNG = np.random.default_rng(5)
AMOUNTS = np.round(RNG.lognormal(6, 2, ROWS), 2)
STEPS = RNG.integers(0, 5000, ROWS)


def unround(values, share):
    """Return values of which a share is not rounded."""
    return np.where(RNG.random(ROWS) < share, values * 1.0001234567, values)


def rate(values, step):
    """Return the share of floats that are rounded to a step, as precisely as their dtype holds it."""
    exact = values.astype(np.float64)
    points = np.rint(exact / step) * step
    if values.dtype == np.float64:
        return np.isclose(points, exact, rtol=1e-11, atol=0).mean()
    return (points.astype(values.dtype) == values).mean()


ROUNDED = {
    "cents": (AMOUNTS, 0.01),
    "cents, float32": (AMOUNTS.astype("float32"), 0.01),
    "1 % unrounded": (unround(AMOUNTS, 0.01), 0.01),
    "1 % unrounded, float32": (unround(AMOUNTS, 0.01).astype("float32"), 0.01),
    "20 % unrounded": (unround(AMOUNTS, 0.2), 0.01),
    "negative, 1 % unrounded": (unround(-AMOUNTS, 0.01), 0.01),
    "quarters": (STEPS / 4 - 100, 0.25),
    "quarters, 2 % unrounded": (unround(STEPS / 4 - 100, 0.02), 0.25),
    "twentieths": (np.round(STEPS * 0.05, 2), 0.05),
    "twentieths, float32, 2 % unrounded": (unround(np.round(STEPS * 0.05, 2), 0.02).astype("float32"), 0.05),
    "fives as floats": (STEPS * 5.0, 5.0),
    "tenths, float16": (np.round(STEPS % 600 / 10, 1).astype("float16"), 0.1),
    "halves, float16": ((STEPS % 1500 / 2).astype("float16"), 0.5),
    "products": (19.99 * STEPS, 0.01),
    "sums": (np.cumsum(np.round(RNG.normal(5, 20, ROWS), 2)), 0.01),
    "one huge value": (np.append(AMOUNTS[1:], 1e17), 0.01),
    "wholes and tenths": (
        np.where(RNG.random(ROWS) < 0.6, STEPS % 900, np.round(RNG.random(ROWS) * 900, 1)),
        1,
    ),
    "sevenths": (STEPS / 7, 1 / 7),
    "sevenths, float32": ((STEPS / 7).astype("float32"), 1 / 7),
    "1/1024": (STEPS * 20 / 1024, 1 / 1024),
    "1/1024, float32": ((STEPS / 1024).astype("float32"), 1 / 1024),
    "degrees in radians": (np.radians(STEPS / 2), np.pi / 360),
    "picometres": (STEPS * 1e-12, 1e-12),
    "smooth": (RNG.normal(size=ROWS), 0.01),
    "smooth, float32": (RNG.normal(size=ROWS).astype("float32"), 0.01),
}


@pytest.mark.parametrize("name", list(ROUNDED))
def test_new_values_are_rounded_as_often_as_the_real_ones(name):
    values, step = ROUNDED[name]
    codec = NumericCodec().fit(pd.Series(values, name="v"))
    found = codec.draw(10_000, np.random.default_rng(0)).to_numpy()
    assert rate(found, step) == pytest.approx(rate(values, step), abs=0.012 + 0.1 * (step == 1))


@pytest.mark.parametrize("step", [5, 60, 100, 1000])
@pytest.mark.parametrize("offset", [0, 7])
def test_integers_keep_a_coarse_step_that_some_break(step, offset):
    values = RNG.integers(-(10**5), 10**5, ROWS) * step + offset
    values = np.where(RNG.random(ROWS) < 0.05, values + 1, values)
    found = NumericCodec().fit(pd.Series(values)).draw(10_000, np.random.default_rng(0))
    real = (values % step == offset % step).mean()
    assert (found % step == offset % step).mean() == pytest.approx(real, abs=0.01)


def test_dates_of_which_some_have_a_time_keep_their_rate():
    days = pd.Timestamp("2015-01-01") + pd.to_timedelta(RNG.integers(0, 3000, ROWS), "D")
    times = pd.to_timedelta(np.where(RNG.random(ROWS) < 0.05, RNG.integers(1, 86_400, ROWS), 0), "s")
    found = TemporalCodec().fit(pd.Series(days + times)).draw(10_000, np.random.default_rng(0))
    assert (found == found.dt.normalize()).mean() == pytest.approx(0.95, abs=0.015)


def test_float32_that_became_float64_keeps_its_lattice():
    values = AMOUNTS.astype("float32").astype("float64")
    found = NumericCodec().fit(pd.Series(values)).draw(5000, np.random.default_rng(0)).to_numpy()
    np.testing.assert_array_equal(np.round(found, 2).astype("float32"), found)


@pytest.mark.parametrize(
    "values", [np.round(RNG.lognormal(9, 3, ROWS), 2), np.round(RNG.random(ROWS) * 1e11, 2)]
)
def test_wide_ranging_cents_come_back_exactly(values):
    codec = NumericCodec().fit(pd.Series(values))
    back = codec.decode(codec.encode(pd.Series(values)))
    assert (back != values).mean() < 0.002


def test_a_step_that_is_no_decimal_survives_a_file():
    series = pd.Series(STEPS / 7, name="v")
    meta, arrays = NumericCodec().fit(series).state()
    again = NumericCodec.from_state(json.loads(json.dumps(meta)), arrays)
    assert rate(again.draw(500, np.random.default_rng(3)).to_numpy(), 1 / 7) == 1


def test_a_lattice_ends_at_the_largest_value():
    values = np.round(RNG.lognormal(9, 3, ROWS), 2).clip(max=1e7)
    found = NumericCodec().fit(pd.Series(values)).draw(50_000, np.random.default_rng(0))
    assert found.min() >= values.min()
    assert values.max() * 0.9 < found.max() <= values.max()


def test_evens_and_odds_of_ordinary_integers_share_their_bins():
    codec = NumericCodec().fit(pd.Series(np.rint(RNG.normal(size=ROWS) * 1e4).astype(int)))
    assert len(codec.grids_) == 1


def test_two_groups_of_bins_survive_a_file():
    series = pd.Series(unround(AMOUNTS, 0.1), name="v")
    codec = NumericCodec().fit(series)
    meta, arrays = codec.state()
    again = NumericCodec.from_state(json.loads(json.dumps(meta)), arrays)
    assert len(again.grids_) == 2
    np.testing.assert_array_equal(again.encode(series), codec.encode(series))
    assert again.draw(500, np.random.default_rng(3)).equals(codec.draw(500, np.random.default_rng(3)))


def test_hints_rise_with_the_value_across_both_groups():
    series = pd.Series(unround(AMOUNTS, 0.1))
    codec = NumericCodec().fit(series)
    assert series.corr(pd.Series(codec.hint(series)), method="spearman") > 0.98
