"""Point masses, bins, decimals and hints of numeric columns."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, norm

from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.quantiles import find_gaps
from vaeaug.errors import InputError


def fit(values, **options):
    return NumericCodec(**options).fit(pd.Series(values, name="v"))


def kinds(codec):
    return [(span.kind, span.width) for span in codec.spans]


def drawn(codec, n=20_000, seed=0):
    return codec.draw(n, np.random.default_rng(seed)).to_numpy()


def test_few_repeated_values_are_tokens():
    codec = fit(np.arange(512) % 256)
    assert kinds(codec) == [("categorical", 256), ("hint", 1)]


def test_many_values_are_binned(rng):
    codec = fit(rng.normal(size=2000))
    assert kinds(codec) == [("categorical", 64), ("position", 1), ("hint", 1)]


def test_max_bins_is_kept(rng):
    assert kinds(fit(rng.normal(size=2000), max_bins=10))[0] == ("categorical", 10)


def test_values_that_hardly_repeat_are_binned_in_small_tables(rng):
    codec = fit(rng.normal(size=100))
    assert kinds(codec)[:2] == [("categorical", 20), ("position", 1)]


def test_missing_adds_one_token_only_if_seen(rng):
    values = rng.normal(size=2000)
    values[:5] = np.nan
    codec = fit(values)
    assert codec.spans[0].width == 65
    assert (codec.encode(pd.Series(values))[:5, 0] == 0).all()


def test_frequent_values_become_point_masses_between_bins(rng):
    values = np.where(rng.random(5000) < 0.5, 0.0, rng.normal(size=5000))
    codec = fit(values)
    assert codec.points_.tolist() == [0.0]
    (grid,) = codec.grids_
    assert (grid.upper[grid.lower < 0] < 0).all()
    found = drawn(codec)
    assert abs((found == 0).mean() - (values == 0).mean()) < 0.02
    assert ks_2samp(found[found != 0], values[values != 0]).pvalue > 0.01


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).normal(size=3000),
        np.exp(np.random.default_rng(2).normal(size=3000) * 4),
        np.random.default_rng(3).poisson(300, 3000),
        np.round(np.random.default_rng(4).gamma(2.0, 200.0, 3000), -1),
    ],
    ids=["normal", "heavy tail", "counts", "tens"],
)
def test_uniform_positions_draw_the_training_distribution(values):
    assert ks_2samp(drawn(fit(values)), values).pvalue > 0.01


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n", [5_000, 100_000])
def test_heavy_tails_weigh_as_much_as_the_real_ones(n, sign):
    values = sign * np.exp(np.random.default_rng(0).normal(0, 3, n))
    found = drawn(fit(values), 400_000)
    assert found.mean() == pytest.approx(values.mean(), rel=0.15)
    rare = np.quantile(np.abs(values), 1 - 5 / n)
    assert np.quantile(np.abs(found), 1 - 5 / n) == pytest.approx(rare, rel=0.5)
    assert np.abs(found).max() <= np.abs(values).max()


def test_dense_integers_come_back_at_their_rates(rng):
    values = rng.binomial(20_000, 0.5, size=200_000)
    codec = fit(values, max_bins=16)
    assert codec.grids_
    rate = pd.Series(values).value_counts(normalize=True)
    found = pd.Series(drawn(codec, 200_000)).value_counts(normalize=True).reindex(rate.index, fill_value=0)
    common = rate[rate > 0.005]
    assert np.abs(found[common.index] / common - 1).max() < 0.15


def test_repeated_reals_come_back_as_themselves(rng):
    # 200 prices on 8 rows each among as many unique reals: too rare for tokens of their own.
    prices = rng.random(200)
    values = np.concatenate([np.repeat(prices, 8), rng.random(1600)])
    found = drawn(fit(values))
    assert np.isin(found, prices).mean() > 0.2


def test_continuous_values_are_interpolated_not_copied(rng):
    values = rng.normal(size=3000)
    found = drawn(fit(values))
    assert np.isin(found, values).mean() < 0.01
    assert found.min() >= values.min()
    assert found.max() <= values.max()


def test_nothing_is_drawn_between_a_point_mass_and_the_other_values(rng):
    values = np.where(rng.random(2000) < 0.5, 0.0, 1000 + rng.exponential(100, 2000))
    found = drawn(fit(values))
    assert found[found > 0].min() >= values[values > 0].min()


@pytest.mark.parametrize("decimals", [0, 1, 3, 6])
def test_decimals_are_learned(rng, decimals):
    values = np.round(rng.normal(size=2000) * 100, decimals)
    codec = fit(values)
    back = codec.decode(codec.encode(pd.Series(values)))
    np.testing.assert_allclose(back, values, rtol=0, atol=0 if decimals < 6 else 1e-4)
    found = drawn(codec)
    np.testing.assert_array_equal(np.round(found, decimals), found)


def test_coarse_steps_are_learned(rng):
    found = drawn(fit(rng.integers(0, 2000, 5000) * 25 + 7))
    assert set(found % 25) == {7}


@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_wide_integers_get_a_finer_position(rng, dtype):
    values = rng.integers(0, 2**40, 3000).astype(dtype)
    codec = fit(values)
    assert kinds(codec)[1] == ("position", 2)
    np.testing.assert_array_equal(codec.decode(codec.encode(pd.Series(values))), values)
    assert ks_2samp(drawn(codec), values).pvalue > 0.01


def test_integers_beyond_float64_survive_as_tokens():
    values = np.array([2**53, 2**53 + 1, 2**62 + 1, -(2**63), 2**63 - 1] * 3)
    codec = fit(values)
    np.testing.assert_array_equal(codec.decode(codec.encode(pd.Series(values))), values)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_integers_over_the_whole_range_stay_close_and_inside(rng, dtype):
    limits = np.iinfo(dtype)
    values = rng.integers(limits.min, limits.max, 3000, dtype=dtype, endpoint=True)
    codec = fit(values)
    back = codec.decode(codec.encode(pd.Series(values))).to_numpy()
    error = np.maximum(back, values).astype(np.uint64) - np.minimum(back, values).astype(np.uint64)
    assert error.max() < 2**64 * 1e-12
    found = drawn(codec)
    assert found.min() >= values.min()
    assert found.max() <= values.max()


def test_the_float64_limits_do_not_overflow(rng):
    values = rng.uniform(-1.0, 1.0, 3000) * 1.7e308
    codec = fit(values)
    back = codec.decode(codec.encode(pd.Series(values))).to_numpy()
    assert np.abs(back / 1.7e308 - values / 1.7e308).max() < 1e-6
    assert np.isfinite(drawn(codec)).all()


def test_unseen_values_go_to_the_nearest(rng):
    codec = fit(np.repeat([1, 5, 9], 10))
    back = codec.decode(codec.encode(pd.Series([-100, 2, 4, 100])))
    assert back.tolist() == [1, 1, 5, 9]
    codec = fit(rng.normal(size=2000))
    back = codec.decode(codec.encode(pd.Series([-np.float64(1e9), 1e9]))).to_numpy()
    np.testing.assert_allclose(back, [codec.axes_[0].low, codec.axes_[0].high], rtol=1e-6)


def test_an_unseen_value_beside_a_point_mass_picks_the_nearer():
    values = np.concatenate([np.zeros(2000), 10 + 10 * np.linspace(0, 1, 2000) ** 2])
    codec = fit(values)
    back = codec.decode(codec.encode(pd.Series([0.1, 9.5, 15.00001]))).to_numpy()
    np.testing.assert_allclose(back, [0.0, 10.0, 15.00001], atol=1e-4)


def test_floats_are_read_by_a_codec_of_integers():
    codec = fit(np.repeat([1, 5, 9], 10))
    back = codec.decode(codec.encode(pd.Series([5.2, np.inf * 0, 8.9])))
    assert back.tolist() == [5, 1, 9]


def test_text_is_refused_by_a_codec_of_numbers():
    with pytest.raises(InputError, match="'v' held numbers in fit"):
        fit([1.0, 2.0]).encode(pd.Series(["a", "b"], name="v"))


def test_hints_are_normal_scores(rng):
    values = rng.exponential(size=4000)
    hint = fit(values).hint(pd.Series(values))
    rank = (np.argsort(np.argsort(values)) + 0.5) / values.size
    error = np.abs(hint - norm.ppf(rank))
    assert np.quantile(error, 0.99) < 0.01
    assert error.max() < 0.2


def test_hints_rise_with_the_value_and_vanish_where_missing():
    values = pd.Series([3.0, 1.0, np.nan, 2.0] * 100)
    codec = fit(values)
    hint = codec.encode(values)[:4, -1]
    assert hint[1] < hint[3] < hint[0]
    assert hint[2] == 0


def test_halves_are_decoded_into_range(rng):
    values = rng.normal(size=2000).astype(np.float16)
    codec = fit(values)
    found = drawn(codec)
    assert found.dtype == np.float16
    assert found.min() >= values.min()
    assert found.max() <= values.max()


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e6])
def test_no_new_value_lies_in_a_wide_gap(scale):
    rng = np.random.default_rng(0)
    values = scale * np.concatenate([rng.normal(0, 1, 400), rng.normal(30, 2, 20)])
    codec = NumericCodec().fit(pd.Series(values))
    new = codec.draw(4000, rng) / scale
    assert not ((new > 5) & (new < 20)).any()
    assert (new >= 20).mean() == pytest.approx(20 / 420, abs=0.015)


@pytest.mark.parametrize("rows", [20, 300, 3000])
@pytest.mark.parametrize("draw", ["normal", "exponential", "lognormal", "standard_cauchy"])
def test_smooth_columns_have_no_gaps(draw, rows):
    found = [find_gaps(np.sort(getattr(np.random.default_rng(s), draw)(size=rows))) for s in range(40)]
    assert sum(gaps.any() for gaps in found) <= 2
