"""Round trips of real tables."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.errors import VaeaugWarning

ROOT = Path(os.environ.get("VAEAUG_DATA", "")) / "tabular"
NAMES = ("adult", "thyroid_sick", "online_shoppers", "stroke", "beijing_pm25", "ozone_8h")

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        "VAEAUG_DATA" not in os.environ or not ROOT.is_dir(), reason="VAEAUG_DATA names no folder with tables"
    ),
]


@pytest.fixture(params=NAMES)
def table(request):
    return pd.read_parquet(ROOT / request.param / "data.parquet")


def fitted(table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VaeaugWarning)  # columns without any value
        return TableCodec(id_columns=None).fit(table)


def test_real_tables_come_back(table):
    codec = fitted(table)
    x = codec.encode(table)
    found = codec.decode(x)
    meta, arrays = codec.state()
    again = TableCodec.from_state(json.loads(json.dumps(meta)), arrays)
    pd.testing.assert_frame_equal(found, again.decode(x), check_exact=True)
    assert found.dtypes.equals(table.dtypes)
    for part in codec.codecs_:
        left, right = found[part.name], table[part.name]
        if isinstance(part, NumericCodec) and part.grids_ and right.dtype.kind == "f":
            np.testing.assert_allclose(left, right, rtol=0, atol=2e-6 * (right.max() - right.min()))
        else:
            pd.testing.assert_series_equal(left, right)


def test_real_numbers_are_drawn_from_their_distribution(table):
    rng = np.random.default_rng(0)
    for part in fitted(table).codecs_:
        if isinstance(part, NumericCodec) and part.grids_:
            values = table[part.name].dropna().to_numpy(dtype=float)
            drawn = part.draw(10_000, rng).to_numpy(dtype=float)
            assert ks_2samp(values, drawn).pvalue > 1e-4, part.name
