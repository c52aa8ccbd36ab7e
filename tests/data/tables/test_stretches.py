"""Which positions of which tokens meet a condition."""

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.tables.categorical import CategoricalCodec
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.stretches import find_stretches


def share_of(codec, found) -> float:
    """Return the share of rows that stretches hold, were tokens as frequent as in fit."""
    rate = codec.rows_ / codec.rows_.sum()
    return float((rate[found.token - codec.offset_] * (found.high - found.low)).sum())


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.2, 0.7), (0.512, 0.513), (0.3, 0.3001)])
def test_stretches_hold_the_share_of_a_range(low, high):
    series = pd.Series(np.linspace(0.0, 1.0, 20_001), name="x")
    codec = NumericCodec().fit(series)
    named = pd.Series([low, high], name="x")
    found = find_stretches(codec, lambda x: codec.decode(x).between(low, high).to_numpy(), named)
    assert share_of(codec, found) == pytest.approx(high - low, abs=1e-4)


def test_a_rare_category_is_found_in_its_bucket():
    values = [f"v{i:04d}" for i in range(3000)]
    codec = CategoricalCodec(max_levels=100).fit(pd.Series(values, name="x"))
    named = pd.Series(["v1234"], name="x")
    found = find_stretches(codec, lambda x: (codec.decode(x) == "v1234").to_numpy(), named)
    assert (found.high - found.low).sum() == pytest.approx(1 / 3000, rel=1e-3)


def test_what_two_conditions_allow_is_what_both_do():
    codec = NumericCodec().fit(pd.Series(np.linspace(0.0, 1.0, 20_001), name="x"))
    parts = [
        find_stretches(
            codec, lambda x, a=a: (codec.decode(x) >= a[0]).to_numpy() & (codec.decode(x) <= a[1]).to_numpy()
        )
        for a in ((0.2, 0.6), (0.5, 0.9))
    ]
    assert share_of(codec, parts[0] & parts[1]) == pytest.approx(0.1, abs=0.005)
    assert (find_stretches(codec, lambda x: (codec.decode(x) > 2).to_numpy()) & parts[0]).is_empty
