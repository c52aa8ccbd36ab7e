"""Labels and dtypes as JSON: what comes back, and what is refused."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.tables.serialization import dtype_to_json, scalar_from_json, scalar_to_json
from vaeaug.errors import ArchiveError

SCALARS = [
    True,
    2**70,
    0.1,
    "text",
    b"\x00\xff",
    np.int16(3),
    np.float32(0.1),
    (1, ("a", 2.5)),
    pd.Timestamp("2024-02-29 12:30", tz="Europe/Vienna"),
    pd.Timedelta("1 days 00:00:01"),
    pd.Interval(0, 1.5, closed="left"),
    pd.Period("2024-03", freq="M"),
    datetime.datetime(2024, 2, 29, 12, 30, 1),
    datetime.date(2024, 2, 29),
    datetime.time(23, 59),
    decimal.Decimal("1.10"),
]


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_a_label_comes_back_as_it_was(value):
    found = scalar_from_json(json.loads(json.dumps(scalar_to_json(value))))
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("value", [pd.NaT, pd.NA], ids=repr)
def test_a_missing_label_comes_back_as_it_was(value):
    assert scalar_from_json(json.loads(json.dumps(scalar_to_json(value)))) is value


def test_a_label_of_another_type_is_refused():
    with pytest.raises(ArchiveError, match=r"Cannot write the label .* of type complex"):
        scalar_to_json(1j)


def test_a_label_of_a_newer_version_is_refused():
    with pytest.raises(ArchiveError, match="unknown kind 'colour'"):
        scalar_from_json({"colour": "red"})


def test_a_dtype_that_cannot_be_rebuilt_is_refused():
    with pytest.raises(ArchiveError, match="Cannot write the dtype"):
        dtype_to_json(np.dtype([("a", "i4"), ("b", "f8")]))
