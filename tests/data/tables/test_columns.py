"""Every registered column codec against its contract, on columns of every dtype."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from column_zoo import ROWS, zoo

from vaeaug.data.tables.base import ColumnOptions
from vaeaug.data.tables.dtypes import mask_of
from vaeaug.data.tables.identifiers import IdCodec
from vaeaug.data.tables.registry import REGISTRY, TranslatedCodec, column_from_state, fit_column
from vaeaug.errors import ArchiveError, InputError, RejectedColumn

ZOO = zoo()
MARKED = ColumnOptions(categorical=True)


@pytest.fixture(params=list(ZOO))
def column(request):
    return ZOO[request.param]


def legal_codes(codec, n, rng):
    """Return encoded rows as a model may produce them: any code, any position, zeros for hints."""
    x, start = np.zeros((n, codec.width), dtype=np.float32), 0
    for span in codec.spans:
        if span.kind == "categorical":
            x[:, start] = rng.integers(0, span.width, n)
        elif span.kind == "position":
            x[:, start : start + span.width] = rng.random((n, span.width), dtype=np.float32)
        start += span.columns
    return x


def plain_kind(codec):
    """Return the kind of the codec that does the work."""
    return codec.codec_.kind if isinstance(codec, TranslatedCodec) else codec.kind


def holds_missing(dtype):
    plain = dtype.subtype if isinstance(dtype, pd.SparseDtype) else dtype
    return not (isinstance(plain, np.dtype) and plain.kind in "biu")


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    assert found.name == expected.name
    missing = mask_of(expected)
    np.testing.assert_array_equal(mask_of(found), missing)
    left, right = found[~missing].tolist(), expected[~missing].tolist()
    assert left == right
    if found.dtype == object:
        assert set(map(type, left)) == set(map(type, right))
        assert set(map(type, found[missing])) == set(map(type, expected[missing]))


@pytest.mark.parametrize("options", [ColumnOptions(), MARKED], ids=["by dtype", "marked"])
def test_decode_of_encode_is_the_column(column, options):
    codec = fit_column(column, options)
    assert_same(codec.decode(codec.encode(column)), column)


def test_spans_describe_the_encoded_columns(column):
    codec = fit_column(column)
    x = codec.encode(column)
    assert x.dtype == np.float32
    assert x.shape == (ROWS, sum(span.columns for span in codec.spans))
    start = 0
    for span in codec.spans:
        part = x[:, start : start + span.columns]
        if span.kind == "categorical":
            assert set(np.unique(part)) <= set(range(span.width))
        elif span.kind == "position":
            assert part.min() >= 0
            assert part.max() < 1
        else:
            assert np.abs(part).max() <= 3.5
        start += span.columns


def test_input_is_left_alone(column):
    before = column.copy(deep=True)
    codec = fit_column(column)
    codec.encode(column)
    pd.testing.assert_series_equal(column, before)


@pytest.mark.parametrize("options", [ColumnOptions(), MARKED], ids=["by dtype", "marked"])
def test_state_survives_json(column, options):
    codec = fit_column(column, options)
    meta, arrays = codec.state()
    again = column_from_state(json.loads(json.dumps(meta, allow_nan=False)), arrays)
    assert all(array.dtype.kind in "biuf" for array in arrays.values())
    assert again.spans == codec.spans
    np.testing.assert_array_equal(again.encode(column), codec.encode(column))
    x = legal_codes(codec, 200, np.random.default_rng(0))
    assert_same(again.decode(x), codec.decode(x))


def test_any_legal_code_decodes_to_a_legal_value(column):
    codec = fit_column(column)
    found = codec.decode(legal_codes(codec, 300, np.random.default_rng(1)))
    assert found.dtype == column.dtype
    if not mask_of(column).any():
        assert not mask_of(found).any()
    made, seen = (series[~mask_of(series)].to_numpy(dtype=object) for series in (found, column))
    if plain_kind(codec) == "categorical":
        assert set(made) <= set(seen)
    elif made.size:
        assert made.min() >= seen.min()
        assert made.max() <= seen.max()


def test_an_unknown_code_decodes_to_missing_or_the_commonest(column):
    codec = fit_column(column)
    x = legal_codes(codec, 3, np.random.default_rng(2))
    x[:, 0] = -1
    found = codec.decode(x)
    assert found.dtype == column.dtype
    assert mask_of(found).all() == holds_missing(column.dtype)


def test_no_rows_and_other_index_are_fine(column):
    codec = fit_column(column)
    assert codec.decode(codec.encode(column.iloc[:0])).dtype == column.dtype
    moved = column.set_axis(np.arange(ROWS)[::-1])
    np.testing.assert_array_equal(codec.encode(moved), codec.encode(column))


def test_missing_values_unseen_in_fit_get_the_unknown_code(column):
    present = column[column.notna()]
    if present.empty or (not holds_missing(column.dtype) and column.dtype.kind not in "iu"):
        pytest.skip("nothing to learn, or no place for missing values")
    if not holds_missing(column.dtype):
        later = pd.Series([np.nan], name=column.name)
    else:
        later = pd.Series([None], dtype=column.dtype, name=column.name)
    assert fit_column(present).encode(later)[0, 0] == -1


@pytest.mark.parametrize("codec_type", [kind for kind in REGISTRY if kind is not IdCodec])
def test_registered_codecs_work_with_defaults(codec_type):
    taken = [fit_column(column) for column in ZOO.values()]
    mine = [codec for codec in taken if type(codec) is codec_type]
    assert mine
    for codec in mine:
        again = codec_type.build(ColumnOptions())
        column = ZOO[codec.name]
        assert again.fit(column) is again
        assert again.spans == codec.spans


@pytest.mark.parametrize("codec_type", REGISTRY)
def test_a_codec_that_does_not_apply_names_the_column(codec_type):
    odd = pd.Series([[1], [2]], dtype=object, name="odd one")
    with pytest.raises(RejectedColumn, match="'odd one'"):
        codec_type.build(ColumnOptions()).accepts(odd)


REJECTED = {
    "mixed int and text": (pd.Series([1, "a", "b"], dtype=object), r"mixes types: str \(2\), int \(1\)"),
    "mixed bool and int": (pd.Series([True, 2], dtype=object), r"mixes types: bool \(1\), int \(1\)"),
    "numbers and text": (pd.Series([1, 2.5, "3+"], dtype=object), r"pd\.to_numeric"),
    "zones that differ": (
        pd.Series([pd.Timestamp("2020-01-01", tz=zone) for zone in ("UTC", "Asia/Tokyo")] * 2, dtype=object),
        r"utc=True",
    ),
    "lists": (pd.Series([[1], [2]], dtype=object), r"type list \(2\)"),
    "bytes": (pd.Series([b"a", None], dtype=object), r"str\.decode"),
    "complex": (pd.Series([1j, 2j]), "Complex data not supported"),
    "sparse complex": (pd.Series(pd.arrays.SparseArray([0j, 1j])), "Complex data not supported"),
    "Arrow lists": (pd.Series(pd.array([[1], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))), "dtype list"),
    "long double": (pd.Series(np.zeros(2, dtype=np.longdouble)), "64 bits"),
    "big int": (pd.Series([2**70, 1], dtype=object), "beyond 64 bits"),
}


@pytest.mark.parametrize("name", list(REJECTED))
@pytest.mark.parametrize("options", [ColumnOptions(), MARKED], ids=["by dtype", "marked"])
def test_refusal_names_the_column_and_says_what_to_do(name, options):
    series, pattern = REJECTED[name]
    if name == "big int" and options is MARKED:
        pytest.skip("as categories, integers of any size are fine")
    with pytest.raises(RejectedColumn, match=pattern) as caught:
        fit_column(series.rename("odd one"), options)
    assert "odd one" in str(caught.value)


@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64", object])
@pytest.mark.parametrize("options", [ColumnOptions(), MARKED], ids=["by dtype", "marked"])
def test_infinite_values_are_counted(dtype, options):
    series = pd.Series([1.0, np.inf, -np.inf], name="ratio").astype(dtype)
    with pytest.raises(InputError, match=r"'ratio' contains infinity \(2 of 3 values\)"):
        fit_column(series, options)


def test_infinite_values_at_encode_are_counted():
    codec = fit_column(pd.Series([1.0, 2.0], name="ratio"))
    with pytest.raises(InputError, match=r"'ratio' contains infinity \(1 of 1 values\)"):
        codec.encode(pd.Series([np.inf], name="ratio"))


def test_a_codec_of_a_newer_version_is_named():
    with pytest.raises(ArchiveError, match="'telepathic'"):
        column_from_state({"kind": "telepathic"}, {})


def test_huge_decimals_are_read_exactly():
    values = [Decimal(10**30 + n).scaleb(-4) for n in range(40)]
    series = pd.Series(values * 3, dtype=object)
    codec = fit_column(series)
    assert codec.decode(codec.encode(series)).tolist() == series.tolist()


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (pd.Series([1.25, np.nan]), [Decimal("1.25"), None]),
        (pd.Series([1, 2], dtype=object), [Decimal("1.00"), Decimal("2.00")]),
        (pd.Series([Decimal("99"), Decimal("-99")], dtype=object), [Decimal("3.00"), Decimal("1.00")]),
    ],
    ids=["floats", "integers", "beyond the range"],
)
def test_decimals_are_read_from_other_numbers(later, expected):
    series = pd.Series([Decimal(v).scaleb(-2) for v in range(100, 301)] + [None], dtype=object)
    codec = fit_column(series)
    assert codec.decode(codec.encode(later)).tolist() == expected


@pytest.mark.parametrize(
    "name",
    ["object decimal", "object time", "object datetime", "object int and float", "interval"],
)
def test_another_type_than_in_fit_is_refused_by_name(name):
    codec = fit_column(ZOO[name])
    with pytest.raises(InputError, match=f"Column '{name}' held"):
        codec.encode(pd.Series([[1], [2]], name=name, dtype=object))


def test_endless_decimals_are_counted():
    series = pd.Series([Decimal("1"), Decimal("Infinity")], name="ratio", dtype=object)
    with pytest.raises(InputError, match=r"'ratio' contains infinity \(1 of 2 values\)"):
        fit_column(series)
