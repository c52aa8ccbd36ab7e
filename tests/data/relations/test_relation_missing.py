"""Rules are found, declared and kept where some cells are missing."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from test_relation_keeping import learn, shuffle_codes
from test_relation_search import draw_columns, formulas

from vaeaug.data.tables.codec import TableCodec
from vaeaug.errors import InputError
from vaeaug.evaluation import rules

N = 2_000
CITIES = dict(zip("abcdefgh", "xxxyyyzw", strict=True))


def make_bills(seed: int = 0) -> pd.DataFrame:
    """Return rows whose total is a sum, in cents."""
    rng = np.random.default_rng(seed)
    net = rng.gamma(2, 50, N).round(2) + 1
    tax = (net * rng.choice([0.07, 0.19], N)).round(2)
    return pd.DataFrame({"net": net, "tax": tax, "total": (net + tax).round(2)})


def drop_cells(frame: pd.DataFrame, shares: dict[str, float], seed: int = 1) -> pd.DataFrame:
    """Return a frame that lacks a share of the cells of some columns."""
    rng = np.random.default_rng(seed)
    return frame.assign(
        **{name: frame[name].mask(rng.random(len(frame)) < share) for name, share in shares.items()}
    )


def count_broken(frame: pd.DataFrame) -> int:
    """Return the rows that have all cells and whose total is no sum."""
    known = frame.dropna().astype(float)
    return int((known["net"] + known["tax"] - known["total"]).abs().gt(0.005).sum())


GAPS = [
    *({"total": share} for share in (0.005, 0.02, 0.05, 0.2)),
    *({"net": share} for share in (0.05, 0.2)),
    {"net": 0.05, "tax": 0.03, "total": 0.05},
    {"net": 0.3, "tax": 0.3, "total": 0.3},
]


@pytest.mark.parametrize("shares", GAPS, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "Float64"])
def test_sum_is_found_and_kept_where_cells_are_missing(shares, dtype):
    frame = drop_cells(make_bills().astype(dtype), shares)
    codec = learn(frame)
    table = codec.relations_.table()
    assert "equation" in set(table["kind"])
    assert table.loc[table["kind"] == "equation", "exceptions"].item() == 0
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    assert made.dtypes.equals(frame.dtypes)
    assert count_broken(made) == 0
    pd.testing.assert_series_equal(made.isna().mean(), frame.isna().mean(), atol=0.001, rtol=0)


def test_rows_of_a_rule_are_those_that_have_its_cells():
    frame = drop_cells(make_bills(), {"total": 0.1, "net": 0.05})
    table = learn(frame).relations_.table().set_index("formula")
    assert table.loc["total == net + tax", "rows"] == len(frame.dropna())


def test_saved_codec_keeps_a_sum_with_missing_cells():
    frame = drop_cells(make_bills(), {"total": 0.1, "net": 0.05})
    codec = learn(frame)
    meta, arrays = codec.state()
    other, x = TableCodec.from_state(json.loads(json.dumps(meta)), arrays), codec.encode(frame)
    pd.testing.assert_frame_equal(other.decode(x), frame)


def test_total_without_missing_cells_never_becomes_zero():
    frame = make_bills().round(0)
    frame = drop_cells(frame.assign(total=(frame["net"] + frame["tax"]).astype("int64")), {"net": 0.1})
    made = shuffle_codes(learn(frame), frame)
    assert made["total"].min() >= frame["total"].min()


RNG = np.random.default_rng(7)
A, B, C = (RNG.integers(1, 90, N).astype(float) for _ in range(3))
PARTS = {name: RNG.integers(0, 9, N).astype(float) for name in "abdefghijkl"}
CITY = pd.Series(RNG.choice(list(CITIES), N))
DAY = pd.Timestamp("2024-01-01") + pd.to_timedelta(A, "D")
RADIUS = RNG.gamma(9, 1, N)
FOUND = {
    "product": ({"a": A, "b": B, "c": A * B}, "c == a * b"),
    "quotient": ({"a": A, "b": B, "c": (A / B).round(3)}, "c == a / b"),
    "multiple": ({"a": A, "b": B, "c": 2.5 * A + 1}, "c == 2.5 * a + 1"),
    "rounded down": ({"a": 9 * A, "b": B, "c": np.floor(9 * A / B)}, "c == floor(a / b)"),
    "total": ({**PARTS, "c": sum(PARTS.values())}, f"c == {' + '.join(PARTS)}"),
    "duration": ({"a": DAY, "b": DAY + pd.to_timedelta(B, "D"), "c": B}, "c == days(b - a)"),
    "order": ({"a": A, "b": B, "c": A + C // 2}, "a <= c"),
    "dependence": ({"a": A, "b": CITY, "c": CITY.map(CITIES)}, "b -> c"),
    "steps": ({"a": A, "b": B, "c": pd.Series(pd.cut(A, [0, 30, 60, 100])).astype(str)}, "a -> c"),
    "two sources": (
        {
            "a": A % 4,
            "b": B % 4,
            "c": pd.Series(np.random.default_rng(1).permutation(16)[(A % 4 * 4 + B % 4).astype(int)] % 5).map(
                "v{}".format
            ),
        },
        "a, b -> c",
    ),
    "near": (
        {"a": RADIUS, "b": B, "c": RADIUS**2 * np.exp(RNG.normal(0, 0.01, N))},
        "c is nearly a function of a",
    ),
}


@pytest.mark.parametrize("shares", [{"c": 0.05}, {"c": 0.25}, {"a": 0.03, "b": 0.03}], ids=str)
@pytest.mark.parametrize("name", FOUND)
def test_rules_are_found_and_kept_where_cells_are_missing(name, shares):
    whole = pd.DataFrame(FOUND[name][0])
    frame = drop_cells(whole, shares)
    codec = learn(frame)
    table = codec.relations_.table()
    assert FOUND[name][1] in table["formula"].tolist()
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    compared = rules(
        whole, shuffle_codes(codec, frame), relations=[FOUND[name][1]] if name != "near" else "auto"
    )
    assert (compared["new"] == 1).all() or name == "near"


def test_sums_are_found_in_a_wide_table_with_scattered_missing_cells():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 999, (N, 40)).astype(float)).add_prefix("x")
    frame["total"] = frame["x3"] + frame["x4"]
    frame["sum"] = frame["x5"] + frame["x6"] + frame["x7"]
    found = formulas(drop_cells(frame, dict.fromkeys(frame, 0.04)))
    assert "total == x3 + x4" in found


def test_sum_is_found_where_only_some_rows_have_its_columns():
    frame = make_bills().assign(p=A, q=B, r=C, s=A * B % 97)
    frame.loc[: N // 5 * 3, ["net", "tax", "total"]] = np.nan
    frame.loc[N // 5 * 3 + 1 :, list("pqrs")] = np.nan
    assert "total == net + tax" in formulas(frame)


@pytest.mark.parametrize("name", ["b", "c"])
def test_column_of_the_same_with_missing_cells_follows_from_the_other(name):
    frame = drop_cells(pd.DataFrame({"a": A, "b": CITY, "c": CITY.map(str.upper)}), {name: 0.1})
    assert set(formulas(frame)) & {"b -> c", "c -> b"}
    made = shuffle_codes(learn(frame), frame).dropna()
    assert (made["b"].str.upper() == made["c"]).all()


def test_dependence_on_a_missing_cell_stays_one():
    kind = pd.Series(RNG.choice(["p", "q", None], N), dtype=object)
    frame = pd.DataFrame({"kind": kind, "a": A, "rate": kind.map({"p": "low", "q": "high"}).fillna("none")})
    codec = learn(frame)
    made = shuffle_codes(codec, frame)
    assert (made["rate"].eq("none") == made["kind"].isna()).all()


@pytest.mark.parametrize("seed", range(20, 32))
@pytest.mark.parametrize("share", [0.03, 0.4])
def test_independent_columns_with_missing_cells_have_no_rules(seed, share):
    frame = draw_columns(seed)
    rng = np.random.default_rng(seed)
    assert formulas(frame.mask(rng.random(frame.shape) < share)) == []


DECLARED = {
    "total == net + tax": make_bills(),
    "net <= total": make_bills(),
    "net < total": make_bills(),
    "city -> state": pd.DataFrame({"city": CITY, "state": CITY.map(CITIES)}),
    "kind == 'x' implies c == a + b": pd.DataFrame(
        {"kind": np.where(A > 40, "x", "y"), "a": A, "b": B, "c": np.where(A > 40, A + B, C)}
    ),
    "kind == 'x' implies a <= c": pd.DataFrame(
        {"kind": np.where(A > 40, "x", "y"), "a": A, "c": np.where(A > 40, A + B, C)}
    ),
}


@pytest.mark.parametrize("text", DECLARED)
def test_declared_rules_are_kept_where_cells_are_missing(text):
    frame = drop_cells(DECLARED[text], {name: 0.05 for name in DECLARED[text] if name != "kind"})
    codec = learn(frame, [text])
    assert codec.relations_.table()["exceptions"].item() == 0
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    assert rules(frame, made, relations=[text])["new"].item() == 1
    pd.testing.assert_series_equal(made.isna().mean(), frame.isna().mean(), atol=0.02, rtol=0)


def test_refusal_counts_only_rows_that_have_the_cells():
    frame = drop_cells(make_bills(), {"total": 0.02})
    frame.loc[frame.dropna().index[:3], "total"] += 1
    with pytest.raises(InputError, match="does not hold in 3 of 2000 rows"):
        learn(frame, ["total == net + tax"])


def test_implication_about_a_value_counts_missing_cells():
    frame = pd.DataFrame({"kind": np.where(A > 40, "x", "y"), "a": A, "c": np.where(A > 40, 0, C)})
    frame.loc[np.flatnonzero(A > 40)[:5], "c"] = np.nan
    with pytest.raises(InputError, match="does not hold in 5 of 2000 rows"):
        learn(frame, ["kind == 'x' implies c == 0"])


def test_order_that_follows_from_a_sum_is_kept_beside_missing_cells():
    frame = drop_cells(make_bills(), {"net": 0.1, "tax": 0.1})
    made = shuffle_codes(learn(frame, ["total == net + tax", "net <= total"]), frame)
    assert count_broken(made) == 0
    assert not (made["net"] > made["total"]).any()


def test_rules_count_only_rows_that_have_the_cells():
    real = make_bills()
    new = drop_cells(real, {"total": 0.5})
    known = new.dropna().index
    new.loc[known[: len(known) // 4], "total"] += 1
    compared = rules(real, new, relations=["total == net + tax", "net <= total"]).set_index("formula")["new"]
    assert compared["total == net + tax"] == pytest.approx(0.75, abs=0.01)
    assert compared["net <= total"] == 1


@pytest.mark.parametrize("shares", [{}, {"net": 0.05}, {"total": 0.1}], ids=str)
def test_bounds_do_not_break_a_sum_that_has_exceptions(shares):
    frame = make_bills()
    frame.loc[:3, "total"] += 7
    frame = drop_cells(frame, shares)
    codec = learn(frame)
    table = codec.relations_.table().set_index("formula")
    assert table.loc["total == net + tax", "exceptions"] == len(frame.loc[:3].dropna())
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    assert count_broken(made) <= 6


def test_more_rows_with_missing_cells_extend_what_is_looked_up():
    frame = pd.DataFrame({"a": A, "city": CITY, "state": CITY.map(CITIES)})
    frame = drop_cells(frame, {"city": 0.05, "state": 0.05})
    more = pd.concat([frame, frame[::-1]], ignore_index=True)
    codec = learn(frame)
    views, names = codec.relations_.views, list(frame)
    own = [views[j].codec if j in views else one for j, one in enumerate(codec.codecs_)]
    grown = codec.relations_.grow(own, [more[name] for name in names], names)
    assert grown.broken == []
