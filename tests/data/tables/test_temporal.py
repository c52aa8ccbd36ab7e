"""Dates, zones, durations: exact round trips and learned resolution."""

import datetime

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.tables.datetime import TemporalCodec
from vaeaug.errors import InputError

BERLIN = "Europe/Berlin"


def drawn(series, n=5000):
    return TemporalCodec().fit(series).draw(n, np.random.default_rng(0))


def stamps(rng, step, n=3000):
    steps = pd.to_timedelta(rng.integers(0, 20_000, n) * step, unit="s")
    return pd.Series(pd.Timestamp("2001-01-01") + steps, name="when")


@pytest.mark.parametrize("step", [60, 3600, 86_400])
def test_resolution_is_learned(rng, step):
    found = drawn(stamps(rng, step))
    seconds = (found - pd.Timestamp("2001-01-01")).dt.total_seconds()
    assert (seconds % step == 0).all()


def test_local_days_stay_local_midnights_across_daylight_saving(rng):
    series = stamps(rng, 86_400).dt.tz_localize(BERLIN)
    found = drawn(series)
    assert found.dtype == series.dtype
    assert (found == found.dt.normalize()).all()


def test_both_passes_of_the_repeated_hour_come_back():
    series = pd.Series(pd.date_range("2021-10-30 22:00", "2021-10-31 03:00", freq="15min", tz="UTC"))
    series = series.dt.tz_convert(BERLIN)
    codec = TemporalCodec().fit(series)
    assert codec.decode(codec.encode(series)).equals(series)


def test_stamps_of_another_unit_or_zone_are_read(rng):
    series = stamps(rng, 3600).dt.tz_localize("UTC")
    codec = TemporalCodec().fit(series)
    other = series.dt.as_unit("s").dt.tz_convert(BERLIN)
    np.testing.assert_array_equal(codec.encode(other), codec.encode(series))


def test_dates_stay_dates(rng):
    series = stamps(rng, 86_400).dt.date
    assert {type(value) for value in drawn(series)} == {datetime.date}


@pytest.mark.parametrize("values", [["soon", "later"], [1.5, 2.5]])
def test_what_is_no_date_is_refused_by_name(rng, values):
    codec = TemporalCodec().fit(stamps(rng, 3600))
    with pytest.raises(InputError, match="'when' had dtype datetime64"):
        codec.encode(pd.Series(values, name="when"))


def test_naive_and_zoned_stamps_are_not_confused(rng):
    codec = TemporalCodec().fit(stamps(rng, 3600))
    with pytest.raises(InputError, match="'when' had dtype datetime64"):
        codec.encode(stamps(rng, 3600).dt.tz_localize("UTC"))
