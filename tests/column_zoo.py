"""Columns of every dtype that the codecs promise to keep, small and seeded."""

from __future__ import annotations

import datetime
import uuid
import zoneinfo
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytz
from dateutil import tz

ROWS = 400


def zoo() -> dict[str, pd.Series]:
    """Return named columns; the name says what is special about each."""
    rng = np.random.default_rng(0)
    missing = rng.random(ROWS) < 0.1
    found: dict[str, pd.Series] = {}
    for part in (_numbers, _decimals, _times, _clocks, _categories, _arrow, _corners):
        found |= part(rng, missing)
    return {name: series.rename(name) for name, series in found.items()}


def holes(values, missing, dtype=None, marker=pd.NA) -> pd.Series:
    """Return a column with the given entries missing."""
    series = pd.Series(values, dtype=dtype) if dtype is object else pd.Series(values).astype(dtype)
    return series.mask(missing, marker) if dtype is not object else _objects(values, missing, marker)


def _objects(values, missing, marker) -> pd.Series:
    objects = np.empty(len(values), dtype=object)
    objects[:] = list(values)
    objects[missing] = marker
    return pd.Series(objects, dtype=object)


def _numbers(rng, missing) -> dict[str, pd.Series]:
    found = {}
    for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32"):
        limits = np.iinfo(name)
        found[name] = pd.Series(rng.integers(limits.min, limits.max, ROWS, dtype=name, endpoint=True))
        few = np.array([limits.min, 0, limits.max], dtype=name)
        found[f"{name} few"] = pd.Series(rng.choice(few, ROWS))
    found["int64 limits"] = pd.Series(rng.choice(np.array([-(2**63), 2**63 - 1, 2**53 + 1]), ROWS))
    found["uint64 limits"] = pd.Series(rng.choice(np.array([0, 2**64 - 1, 2**53 + 1], dtype=np.uint64), ROWS))
    for name in ("float32", "float64"):
        found[f"{name} cents"] = pd.Series(np.round(rng.random(ROWS) * 100, 2).astype(name))
        found[f"{name} integers"] = pd.Series(rng.integers(0, 10**5, ROWS).astype(name))
        found[f"{name} half missing"] = pd.Series(
            np.where(missing, np.nan, rng.integers(0, 5, ROWS)).astype(name)
        )
    for name in ("Int8", "Int64", "UInt16", "UInt64", "Float32", "Float64"):
        found[name] = holes(rng.integers(0, 100, ROWS), missing, name)
    for kind in (pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64()):
        found[f"arrow {kind}"] = holes(rng.integers(0, 100, ROWS), missing, pd.ArrowDtype(kind))
    found["float16"] = pd.Series(rng.normal(size=ROWS).astype("float16"))
    found["float16 limits"] = pd.Series(rng.choice(np.array([-65504, 0, 65504], dtype="float16"), ROWS))
    found["float16 tenths"] = pd.Series(np.round(rng.random(ROWS) * 9, 1).astype("float16"))
    found["beyond float64"] = pd.Series(2**60 + rng.integers(0, 1000, ROWS))
    mixed = [int(v) if v % 2 else v + 0.5 for v in rng.integers(0, 1000, ROWS).tolist()]
    found["object int and float"] = _objects(mixed, missing, None)
    found["object int and float, NaN"] = _objects(mixed, missing, np.nan)
    for name, fill in (("float64", np.nan), ("float64", 0.0), ("int64", 0)):
        values = np.where(missing, rng.integers(1, 9, ROWS), fill).astype(name)
        found[f"sparse {name}, {fill}"] = pd.Series(pd.arrays.SparseArray(values, fill_value=fill))
    found["object int"] = holes(rng.integers(0, 10**6, ROWS).tolist(), missing, object, None)
    found["object float"] = holes(np.round(rng.normal(size=ROWS), 2).tolist(), missing, object, np.nan)
    return found


def _decimals(rng, missing) -> dict[str, pd.Series]:
    cents = [Decimal(v).scaleb(-2) for v in rng.integers(-(10**6), 10**6, ROWS).tolist()]
    shown = [Decimal(v) for v in rng.choice(["1.5", "2.25", "30", "0.0625"], ROWS).tolist()]
    long = [Decimal(10**30 + v).scaleb(-10) for v in range(8)]
    found = {
        "object decimal": _objects(cents, missing, None),
        "object decimal of several places": _objects(shown, missing, np.nan),
        "object decimal beyond 64 bits": _objects([Decimal(10**30)] * ROWS, missing, None),
        "object decimal constant": _objects([Decimal("1.50")] * ROWS, missing, None),
    }
    for kind in (pa.decimal128(10, 2), pa.decimal128(38, 10), pa.decimal256(50, 2)):
        dtype = pd.ArrowDtype(kind)
        values = [None if gap else value for value, gap in zip(cents, missing, strict=True)]
        found[f"arrow {kind}"] = pd.Series(pd.array(values, dtype=dtype))
    found["arrow decimal beyond 64 bits"] = pd.Series(
        pd.array([long[0]] * ROWS, dtype=pd.ArrowDtype(pa.decimal128(38, 10)))
    )
    return found


def _clocks(rng, missing) -> dict[str, pd.Series]:
    """Times of day, and objects of Python's datetime module."""
    seconds = rng.integers(0, 86_400, ROWS)
    midnight = datetime.datetime(2020, 1, 1)
    moments = [midnight + datetime.timedelta(seconds=int(s)) for s in seconds]
    clock = [moment.time() for moment in moments]
    gaps = [moment - midnight for moment in moments]
    zone = datetime.timezone(datetime.timedelta(hours=-3))
    found = {
        "object time": _objects(clock, missing, None),
        "object timedelta": _objects(gaps, missing, None),
        "object Timedelta": _objects([*map(pd.Timedelta, gaps)], missing, pd.NaT),
        "object datetime": _objects(moments, missing, None),
        "object datetime in a zone": _objects([m.replace(tzinfo=zone) for m in moments], missing, None),
        "object Timestamp": _objects([*map(pd.Timestamp, moments)], missing, pd.NaT),
    }
    for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        values = [None if gap else value for value, gap in zip(clock, missing, strict=True)]
        found[f"arrow {kind}"] = pd.Series(pd.array(values, dtype=pd.ArrowDtype(kind)))
    return found


def _arrow(rng, missing) -> dict[str, pd.Series]:
    """Arrow types that pandas can hold and not reckon with."""
    words = [
        None if gap else word
        for word, gap in zip(rng.choice(["a", "bb"], ROWS).tolist(), missing, strict=True)
    ]
    days = [None if gap else datetime.date(2020, 1, 1 + i % 28) for i, gap in enumerate(missing)]
    kinds = {
        "dictionary of text": pa.array(words).dictionary_encode(),
        "dictionary of integers": pa.array(rng.integers(0, 5, ROWS)).dictionary_encode(),
        "ordered dictionary": pa.DictionaryArray.from_arrays(
            pa.array(rng.integers(0, 2, ROWS).astype("int16")), ["lo", "hi", "never"], ordered=True
        ),
        "null": pa.nulls(ROWS),
        "halffloat": pa.array(rng.normal(size=ROWS).astype("float16")),
        "date64": pa.array(days, type=pa.date64()),
    }
    return {f"arrow {name}": pd.Series(pd.arrays.ArrowExtensionArray(array)) for name, array in kinds.items()}


def _times(rng, missing) -> dict[str, pd.Series]:
    found = {}
    stamps = pd.Series(pd.Timestamp("2019-01-01") + pd.to_timedelta(rng.integers(0, 10**8, ROWS), unit="s"))
    days = stamps.dt.normalize()
    for unit in ("s", "ms", "us", "ns"):
        found[f"datetime {unit}"] = stamps.astype(f"datetime64[{unit}]").mask(missing)
        found[f"timedelta {unit}"] = (stamps - stamps[0]).astype(f"timedelta64[{unit}]").mask(missing)
    found["days"] = days
    zones = (
        "Europe/Berlin",
        "America/Sao_Paulo",
        "UTC",
        zoneinfo.ZoneInfo("Asia/Kolkata"),
        datetime.timezone(datetime.timedelta(hours=2)),
        datetime.timezone(datetime.timedelta(hours=-1, minutes=-30), "AZOT"),
        pytz.FixedOffset(330),
        pytz.timezone("Asia/Tokyo"),
        tz.gettz("America/Lima"),
        tz.tzutc(),
        tz.tzoffset("CET", 3600),
    )
    for zone in filter(_is_known, zones):
        found[f"stamps in {zone}"] = stamps.dt.tz_localize("UTC").dt.tz_convert(zone).mask(missing)
        local = days.dt.tz_localize(zone, ambiguous=np.ones(ROWS, bool), nonexistent="shift_forward")
        found[f"days in {zone}"] = local.mask(missing)
    found["period day"] = days.dt.to_period("D")
    found["period month"] = days.dt.to_period("M").mask(missing)
    found["object date"] = holes(days.dt.date.tolist(), missing, object, None)
    found["arrow timestamp"] = holes(stamps, missing, pd.ArrowDtype(pa.timestamp("us")))
    zoned = stamps.dt.tz_localize("UTC")
    found["arrow zoned"] = holes(zoned, missing, pd.ArrowDtype(pa.timestamp("ns", "Europe/Berlin")))
    found["arrow date"] = holes(stamps, missing, pd.ArrowDtype(pa.date32()))
    found["arrow duration"] = holes(stamps - stamps[0], missing, pd.ArrowDtype(pa.duration("ms")))
    return found


def _is_known(zone):
    """Whether pandas can work with a time zone: pandas 2 cannot with zones that dateutil 4 reads."""
    try:
        pd.Series(pd.to_datetime(["2024-01-01"])).dt.tz_localize(zone)
    except AttributeError:
        return False
    return True


def _categories(rng, missing) -> dict[str, pd.Series]:
    words = rng.choice(np.array(["a", "bb", "ü", "", "nan", "None"]), ROWS)
    found = {"object text": _objects(words.tolist(), missing, "a")}
    for marker in (None, np.nan, pd.NA):
        found[f"object text, {marker!r}"] = _objects(words.tolist(), missing, marker)
        found[f"object bool, {marker!r}"] = _objects((words == "a").tolist(), missing, marker)
    texts = ("string[python]", "string[pyarrow]", "str", "category")
    for dtype in (*texts, pd.ArrowDtype(pa.string()), pd.ArrowDtype(pa.large_string())):
        found[f"text {dtype!r}"] = holes(words.astype(object), missing, dtype)
    found["bool"] = pd.Series(words == "a")
    found["boolean"] = holes(words == "a", missing, "boolean")
    found["arrow bool"] = holes(words == "a", missing, pd.ArrowDtype(pa.bool_()))
    codes = np.where(missing, -1, rng.integers(0, 3, ROWS))
    found["ordered"] = pd.Series(pd.Categorical.from_codes(codes, ["lo", "mid", "hi", "never"], ordered=True))
    found["category int"] = pd.Series(rng.integers(0, 5, ROWS)).astype("category")
    found["category float"] = pd.Series(rng.choice([0.1, 0.2], ROWS)).astype("category")
    found["category bool"] = pd.Series(words == "a").astype("category")
    found["category interval"] = pd.Series(pd.cut(rng.normal(size=ROWS), 5))
    found["category timestamp"] = pd.Series(pd.date_range("2020-01-01", periods=4))[codes + 1].astype(
        "category"
    )
    found["category timestamp"] = found["category timestamp"].reset_index(drop=True)
    found["category tuple"] = pd.Series(
        pd.Categorical.from_codes(codes, pd.Index([("a", 1), ("b", 2), ("c", 3)], tupleize_cols=False))
    )
    codes = rng.integers(0, 3, ROWS)
    for name, levels in {
        "numbers and text": [1.0, 2.0, "3+"],
        "decimals": [Decimal("1.5"), Decimal("2.50"), Decimal("3")],
        "dates": [datetime.date(2020, 1, day) for day in (1, 2, 3)],
        "times": [datetime.time(hour) for hour in (1, 2, 3)],
        "UUIDs": [uuid.UUID(int=n) for n in (1, 2, 3)],
        "bytes": [b"a", b"b", b"c"],
    }.items():
        categories = pd.Index(np.array(levels, dtype=object), dtype=object)
        found[f"category of {name}"] = pd.Series(pd.Categorical.from_codes(codes, categories))
    offset = pd.date_range("2020-01-01", periods=3, tz=pytz.FixedOffset(330))
    found["category of zoned stamps"] = pd.Series(offset[codes]).astype("category")
    found["category of periods"] = pd.Series(pd.period_range("2020-01", periods=3, freq="M")[codes])
    found["category of periods"] = found["category of periods"].astype("category")
    found["interval"] = pd.Series(pd.interval_range(0.0, 3.0)[codes])
    found["object UUID"] = _objects([uuid.UUID(int=int(n) + 7) for n in codes], missing, None)
    found["sparse bool"] = pd.Series(pd.arrays.SparseArray(words == "a"))
    found["many levels"] = pd.Series(rng.integers(0, 1500, ROWS).astype(str).astype(object))
    return found


def _corners(rng, missing) -> dict[str, pd.Series]:
    return {
        "all NaN": pd.Series(np.full(ROWS, np.nan)),
        "all None": pd.Series(np.full(ROWS, None), dtype=object),
        "all NaT": pd.Series(pd.DatetimeIndex([pd.NaT] * ROWS)),
        "all NA": pd.Series([pd.NA] * ROWS, dtype="Int64"),
        "no category": pd.Series([None] * ROWS, dtype=pd.CategoricalDtype(["a"])),
        "no string": pd.Series([pd.NA] * ROWS, dtype="string"),
        "constant": pd.Series(np.full(ROWS, 3.5)),
        "constant text": pd.Series(["x"] * ROWS, dtype=object),
        "both zeros": pd.Series(rng.choice([0.0, -0.0], ROWS)),
        "subnormal": pd.Series(rng.integers(0, 10**6, ROWS) * 5e-324),
        "zero inflated": pd.Series(np.where(missing, np.round(rng.random(ROWS), 3), 0.0)),
        "tens": pd.Series(rng.integers(0, 1000, ROWS) * 10),
    }
