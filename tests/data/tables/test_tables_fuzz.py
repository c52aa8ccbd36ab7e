"""Fuzz: a frame of any columns, with any labels, ends in rows of the same dtypes or in an error of ours.

``VAEAUG_FUZZ=2000`` runs so many examples instead of thirty.
"""

import datetime
import os
import uuid
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from vaeaug import Recipe, VAEAugmenter, VAEOverSampler
from vaeaug.errors import VaeaugError, VaeaugWarning
from vaeaug.utils.frames import Home

pl = pytest.importorskip("polars")

fuzz = settings(
    deadline=None,
    derandomize="VAEAUG_FUZZ" not in os.environ,
    max_examples=int(os.environ.get("VAEAUG_FUZZ", 30)),
    suppress_health_check=list(HealthCheck),
    database=None,
)

DAY = datetime.datetime(2021, 3, 28)
WORDS = np.array(["a", "bb", "", "ü", "nan", "1", "None"], dtype=object)


def objects(values):
    found = np.empty(len(values), dtype=object)
    found[:] = list(values)
    return pd.Series(found, dtype=object)


def arrow(values, kind):
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(list(values), type=kind)))


def moments(rng, n):
    return [DAY + datetime.timedelta(seconds=int(s)) for s in rng.integers(0, 10**7, n)]


#: Builders of columns: of a generator and a number of rows.
NUMBERS = {
    **{
        name: lambda rng, n, name=name: pd.Series(rng.integers(0, 100, n)).astype(name)
        for name in (
            "int8",
            "uint8",
            "int64",
            "uint64",
            "Int16",
            "UInt64",
            "float16",
            "Float32",
            "int32[pyarrow]",
        )
    },
    "reals": lambda rng, n: pd.Series(rng.normal(size=n)),
    "halves": lambda rng, n: pd.Series(rng.normal(size=n).astype("float16")),
    "singles": lambda rng, n: pd.Series(np.round(rng.lognormal(5, 2, n), 2).astype("float32")),
    "cents": lambda rng, n: pd.Series(np.round(rng.lognormal(5, 2, n), 2)),
    "huge": lambda rng, n: pd.Series(rng.normal(size=n) * 1e307),
    "tiny": lambda rng, n: pd.Series(rng.normal(size=n) * 1e-310),
    "wide": lambda rng, n: pd.Series(10.0 ** rng.uniform(-300, 300, n)),
    "limits": lambda rng, n: pd.Series(rng.choice(np.array([-(2**63), 0, 2**63 - 1]), n)),
    "beyond floats": lambda rng, n: pd.Series(2**60 + rng.integers(0, 10**6, n)),
    "unsigned limits": lambda rng, n: pd.Series(rng.integers(0, 2**64, n, dtype=np.uint64)),
    "endless": lambda rng, n: pd.Series(rng.choice([1.0, np.inf, -np.inf], n)),
    "complex": lambda rng, n: pd.Series(rng.normal(size=n) * 1j),
    "sparse": lambda rng, n: pd.Series(pd.arrays.SparseArray(rng.integers(0, 2, n))),
    "row numbers": lambda rng, n: pd.Series(np.arange(n)),
    "codes": lambda rng, n: pd.Series(rng.choice(rng.integers(10_000, 99_999, max(1, n // 3)), n)),
    "dates as numbers": lambda rng, n: objects([int(m.strftime("%Y%m%d")) for m in moments(rng, n)]).astype(
        int
    ),
    "decimals": lambda rng, n: objects([Decimal(int(v)).scaleb(-2) for v in rng.integers(0, 10**4, n)]),
    "huge decimals": lambda rng, n: objects([Decimal(int(v)).scaleb(20) for v in rng.integers(0, 10**4, n)]),
    "arrow decimals": lambda rng, n: arrow(
        [Decimal(int(v)).scaleb(-2) for v in rng.integers(0, 10**4, n)], pa.decimal128(10, 2)
    ),
    "mixed numbers": lambda rng, n: objects(
        [int(v) if v % 2 else v / 2 for v in rng.integers(0, 99, n).tolist()]
    ),
    "huge integers": lambda rng, n: objects([2**70 + int(v) for v in rng.integers(0, 99, n)]),
    "numpy objects": lambda rng, n: objects(rng.integers(0, 9, n).astype("int8")),
}
TIMES = {
    "stamps": lambda rng, n: pd.Series(pd.DatetimeIndex(moments(rng, n))),
    "zoned": lambda rng, n: pd.Series(
        pd.DatetimeIndex(moments(rng, n), tz="UTC").tz_convert("Europe/Berlin")
    ),
    "days": lambda rng, n: pd.Series(pd.DatetimeIndex(moments(rng, n)).normalize()),
    "durations": lambda rng, n: pd.Series(pd.DatetimeIndex(moments(rng, n)) - DAY),
    "periods": lambda rng, n: pd.Series(pd.DatetimeIndex(moments(rng, n)).to_period("M")),
    "date objects": lambda rng, n: objects([m.date() for m in moments(rng, n)]),
    "time objects": lambda rng, n: objects([m.time() for m in moments(rng, n)]),
    "datetime objects": lambda rng, n: objects(moments(rng, n)),
    "zoned objects": lambda rng, n: objects([m.astimezone(datetime.UTC) for m in moments(rng, n)]),
    "timedelta objects": lambda rng, n: objects([m - DAY for m in moments(rng, n)]),
    "arrow times": lambda rng, n: arrow([m.time() for m in moments(rng, n)], pa.time64("us")),
    "arrow dates": lambda rng, n: arrow([m.date() for m in moments(rng, n)], pa.date32()),
    "arrow stamps": lambda rng, n: arrow(moments(rng, n), pa.timestamp("ns", "America/Lima")),
    "dates as text": lambda rng, n: objects([m.strftime("%d.%m.%Y") for m in moments(rng, n)]),
    "far dates": lambda rng, n: objects([datetime.date(int(y), 1, 1) for y in rng.integers(1, 9999, n)]),
}
OTHERS = {
    **{
        str(dtype): lambda rng, n, dtype=dtype: objects(rng.choice(WORDS, n)).astype(dtype)
        for dtype in (object, "string", "str", "category", "string[pyarrow]")
    },
    "long text": lambda rng, n: objects(["x" * int(k) for k in rng.integers(0, 500, n)]),
    "NUL text": lambda rng, n: objects(rng.choice(np.array(["a\0b", "a"], dtype=object), n)),
    "surrogates": lambda rng, n: objects(rng.choice(np.array(["\ud800", "a"], dtype=object), n)),
    "bool": lambda rng, n: pd.Series(rng.random(n) < 0.5),
    "boolean": lambda rng, n: pd.Series(rng.random(n) < 0.5).astype("boolean"),
    "bool objects": lambda rng, n: objects((rng.random(n) < 0.5).tolist()),
    "numbers and text": lambda rng, n: objects([["a", 1, 2.5][k] for k in rng.integers(0, 3, n)]),
    "odd categories": lambda rng, n: pd.Series(
        pd.Categorical.from_codes(rng.integers(0, 3, n), pd.Index([1.5, "x", (1, 2)], dtype=object))
    ),
    "endless categories": lambda rng, n: pd.Series(pd.Categorical(rng.choice([1.0, np.inf], n))),
    "ordered": lambda rng, n: pd.Series(
        pd.Categorical.from_codes(rng.integers(0, 2, n), ["lo", "hi", "no"], True)
    ),
    "intervals": lambda rng, n: pd.Series(pd.interval_range(0, 3)[rng.integers(0, 3, n)]),
    "overlapping intervals": lambda rng, n: pd.Series(
        pd.arrays.IntervalArray.from_tuples([(0, int(k) + 1) for k in rng.integers(0, 3, n)])
    ),
    "cut": lambda rng, n: pd.Series(pd.cut(np.append(rng.normal(size=n), [-9, 9])[:n], [-10, 0, 10])),
    "UUIDs": lambda rng, n: objects([uuid.UUID(int=int(k)) for k in rng.integers(0, 2**62, n)]),
    "lists": lambda rng, n: objects([[int(k)] for k in rng.integers(0, 3, n)]),
    "dicts": lambda rng, n: objects([{"a": int(k)} for k in rng.integers(0, 3, n)]),
    "sets": lambda rng, n: objects([frozenset({int(k)}) for k in rng.integers(0, 3, n)]),
    "bytes": lambda rng, n: objects([[b"a", b"\xff"][int(k)] for k in rng.integers(0, 2, n)]),
    "dictionary": lambda rng, n: pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array(rng.choice(WORDS, n)).dictionary_encode())
    ),
    "nulls": lambda rng, n: pd.Series(pd.arrays.ArrowExtensionArray(pa.nulls(n))),
    "arrow lists": lambda rng, n: arrow([[1]] * n, pa.list_(pa.int64())),
    "keys": lambda rng, n: objects([f"K{k}" for k in rng.permutation(n)]),
}
COLUMNS = NUMBERS | TIMES | OTHERS
LABELS = [name for name in COLUMNS if name not in ("arrow lists", "nulls")]
NAMES = st.one_of(
    st.text(max_size=3), st.integers(-2, 5), st.tuples(st.integers(0, 1), st.text(max_size=1)), st.none(),
    st.sampled_from(["id", "zip", "y", "day", "a\0"]),
)  # fmt: skip


@st.composite
def columns(draw, kinds, n):
    """Return a column of one of some kinds: all values, one value, or some or all of them missing."""
    kind = draw(st.sampled_from(sorted(kinds)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    series = COLUMNS[kind](rng, n)
    if draw(st.sampled_from([False, False, False, True])):
        series = series.iloc[[0] * n].reset_index(drop=True)
    holes = draw(st.sampled_from([None, None, "some", "all", "all but one"]))
    if holes is not None and series.dtype.kind not in "biu":
        missing = {"some": rng.random(n) < 0.3, "all": np.ones(n, bool), "all but one": np.arange(n) > 0}[
            holes
        ]
        marker = draw(st.sampled_from([None, np.nan, pd.NA, pd.NaT])) if series.dtype == object else None
        series = objects([marker if gap else v for v, gap in zip(series, missing, strict=True)]) if (
            series.dtype == object
        ) else series.mask(missing)  # fmt: skip
    note(f"{kind}, {holes}")
    return series


@st.composite
def tables(draw):
    """Return X, y in any container."""
    n = draw(st.sampled_from([30, 60, 12, 30, 5, 30, 3, 2, 60, 1, 0]))
    width = draw(st.integers(1, 4))
    names = draw(st.lists(NAMES, min_size=width, max_size=width))
    plain = draw(st.sampled_from([True, True, True, True, False]))
    frame = pd.DataFrame({j: draw(columns(COLUMNS, n)) if n else [] for j in range(width)})
    frame.columns = pd.Index([f"c{j}" for j in range(width)] if plain else names, tupleize_cols=False)
    y = draw(labels(frame, n))
    container = draw(
        st.sampled_from(["pandas"] * 4 + ["polars", "pyarrow", "array", "object array", "lists", "dict"])
    )
    note(f"{container}, {n} rows, y {type(y).__name__}")
    return contain(frame, container), y


@st.composite
def labels(draw, frame, n):
    kind = draw(
        st.sampled_from(["none", "few", "few", "few", "column", "array", "list", "frame", "name", "short"])
    )
    if kind == "none" or not n:
        return None
    if kind == "few":
        return pd.Series(np.where(np.arange(n) % 3 == 0, "yes", "no"), name="label")
    if kind == "frame":
        return pd.DataFrame({"a": draw(columns(LABELS, n)), "b": draw(columns(NUMBERS, n))})
    if kind == "name":
        return draw(st.sampled_from([*frame.columns, "nobody"]))
    series = draw(columns(LABELS, n))
    return {"array": series.array, "list": series.tolist(), "short": series[: n // 2]}.get(kind, series)


def contain(frame, container):
    """Return a frame in another container, or as it is where that does not hold it."""
    try:
        if container == "polars":
            return pl.from_pandas(frame)
        if container == "pyarrow":
            return pa.Table.from_pandas(frame, preserve_index=False)
    except Exception:  # whatever the other library says of this frame
        return frame
    if container == "dict":
        return {str(name): frame.iloc[:, j].tolist() for j, name in enumerate(frame.columns)}
    if container == "lists":
        return frame.to_numpy(dtype=object).tolist()
    return (
        frame.to_numpy(dtype={"array": None, "object array": object}[container])
        if "array" in container
        else frame
    )


def fast():
    network = Recipe("residual", width=8, depth=1, dependence=8)
    return VAEAugmenter(max_iter=1, latent_dim=2, network=network, device="cpu", random_state=0)


def check_like(made, X):
    if isinstance(X, list):
        assert isinstance(made, list | np.ndarray)
        return
    assert type(made) is type(X)
    if isinstance(made, pd.DataFrame):
        assert made.columns.equals(X.columns)
        assert made.dtypes.equals(X.dtypes)
    elif Home.of(made) is not None:
        assert made.schema == X.schema


@fuzz
@given(tables(), st.booleans())
def test_rows_of_the_same_dtypes_or_an_error_of_ours(table, resampled):
    X, y = table
    before = X.copy() if isinstance(X, pd.DataFrame) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VaeaugWarning)
        warnings.filterwarnings("ignore", "The number of unique classes is greater", UserWarning)
        try:
            if resampled:
                made, _ = VAEOverSampler(fast(), random_state=0, label_filter=None).fit_resample(X, y)
            else:
                augmenter = fast().fit(X, y)
                made, _ = augmenter.sample(7, random_state=0)
                augmenter.score_samples(made)
        except VaeaugError:
            made = None
    if before is not None:
        assert before.equals(X)
    if made is not None and not isinstance(y, str | int | tuple):
        check_like(made, X)
