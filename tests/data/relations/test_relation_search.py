"""What is found in rows, and what is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_loans import make_loans

from vaeaug import VAEAugmenter
from vaeaug.data.tables.codec import TableCodec
from vaeaug.errors import ColumnNote


def find(frame: pd.DataFrame, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Return the relations of a frame."""
    return TableCodec(categorical_features=None, relations="auto").fit(frame, groups).relations_.table()


def formulas(frame: pd.DataFrame, groups: np.ndarray | None = None) -> list[str]:
    """Return the relations of a frame as they read."""
    return find(frame, groups)["formula"].tolist()


RNG = np.random.default_rng(7)
N = 400
A, B, C, D = (RNG.integers(1, 90, N).astype(float) for _ in range(4))
CENTS = np.round(RNG.gamma(2, 50, N), 2)
PERCENT = np.random.default_rng(8).choice([0.0, 5.0, 10.0, 12.5, 20.0, 25.0], N)
CITY = RNG.choice(["Paris", "Lyon", "Rome", "Milan", "Bonn"], N)
STATE = pd.Series(CITY).map({"Paris": "F", "Lyon": "F", "Rome": "I", "Milan": "I", "Bonn": "D"})
RADIUS = RNG.gamma(9, 1, N)
FLAG = RNG.random(N) < 0.4
SMOKES = RNG.choice(["no", "now", "before"], N)

EXPECTED = {
    "sum": ({"a": A, "b": B, "c": A + B}, "c == a + b"),
    "difference": ({"a": A, "b": B, "c": A - B}, "c == a - b"),
    "sum of four": ({"a": A, "b": B, "c": C, "d": D, "e": A + B - C + D}, "e == a + b + d - c"),
    "total": ({f"x{i}": RNG.integers(0, 9, N) for i in range(12)}, None),
    "product": ({"a": A, "b": CENTS, "c": np.round(A * CENTS, 2)}, "c == a * b"),
    "quotient": ({"a": A, "b": B, "c": np.round(A / B, 3)}, "c == a / b"),
    "percentage": ({"a": A, "b": B, "c": np.round(100 * A / B, 1)}, "c == 100 * (a / b)"),
    "less a percentage": (
        {"a": CENTS, "b": PERCENT, "c": np.round(CENTS * (1 - PERCENT / 100), 2)},
        "c == a * (1 - b / 100)",
    ),
    "less a share": (
        {"a": PERCENT / 100, "b": CENTS, "c": np.round(CENTS * (1 - PERCENT / 100), 2)},
        "c == b * (1 - a)",
    ),
    "with a percentage": (
        {"a": CENTS, "b": PERCENT, "c": np.round(CENTS * (1 + PERCENT / 100), 2)},
        "c == a * (1 + b / 100)",
    ),
    "product of three": (
        {"a": CENTS, "b": A, "d": PERCENT, "c": np.round(CENTS * A * (1 - PERCENT / 100), 2)},
        "c == a * b * (1 - d / 100)",
    ),
    "quotient of three": ({"a": CENTS, "b": A, "d": B, "c": np.round(CENTS * A / B, 3)}, "c == a * b / d"),
    "square": (
        {"a": CENTS, "b": A / 100 + 1, "c": np.round(CENTS / (A / 100 + 1) ** 2, 2)},
        "c == a / b ** 2",
    ),
    "product and sum": (
        {"a": CENTS, "b": A, "d": D, "c": np.round(CENTS * A + D, 2)},
        "c == d + a * b",
    ),
    "less two products": (
        {"a": CENTS, "b": A, "d": PERCENT, "c": np.round(100 + A - CENTS * PERCENT / 100, 2)},
        "c == b + 100 - a * d / 100",
    ),
    "part of a sum": ({"a": CENTS, "b": A, "c": np.round(CENTS / (CENTS + A), 4)}, "c == a / (a + b)"),
    "growth": ({"a": CENTS, "b": A, "c": np.round(CENTS / A - 1, 4)}, "c == a / b - 1"),
    "growth in percent": (
        {"a": CENTS, "b": A, "c": np.round(100 * (CENTS - A) / A, 1)},
        "c == 100 * (a / b - 1)",
    ),
    "margin": ({"a": CENTS, "b": A, "c": np.round((CENTS - A) / CENTS, 4)}, "c == 1 - b / a"),
    "rounded down": ({"a": 9 * A, "b": B, "c": np.floor(9 * A / B)}, "c == floor(a / b)"),
    "multiple": ({"a": A, "b": B, "c": np.round(2.54 * A, 2)}, "c == 2.54 * a"),
    "scale": ({"a": CENTS, "b": B, "c": np.round(1.8 * CENTS + 32, 3)}, "c == 1.8 * a + 32"),
    "equal": ({"a": CENTS, "b": B, "c": CENTS}, "c == a"),
    "dependence": ({"a": A, "city": CITY, "state": STATE}, "city -> state"),
    "steps": ({"age": A, "b": B, "group": pd.cut(A, [0, 30, 60, 100]).astype(str)}, "age -> group"),
    "two sources": (
        {"p": RNG.integers(0, 4, N), "q": RNG.integers(0, 4, N), "a": A},
        None,
    ),
    "order": ({"low": A, "high": A + RNG.integers(0, 30, N), "b": B}, "low <= high"),
    "shifted order": ({"age": A % 50 + 18, "worked": A % 50 * (B % 3 > 0), "b": B}, "worked + 18 <= age"),
    "implication": (
        {"a": A, "smokes": SMOKES, "years": np.where(SMOKES == "no", 0, B)},
        "smokes == 'no' implies years == 0",
    ),
    "missing": (
        {"a": A, "t": np.where(FLAG, B, np.nan), "u": np.where(FLAG, C, np.nan)},
        "t is missing implies u is missing",
    ),
    "partial equality": (
        {"a": np.round(CENTS), "b": np.where(FLAG, np.round(CENTS), np.round(C * 7.7))},
        None,
    ),
    "near": ({"radius": RADIUS, "area": np.pi * RADIUS**2 * np.exp(RNG.normal(0, 0.01, N)), "b": B}, None),
}


@pytest.mark.parametrize("name", [name for name, (_, text) in EXPECTED.items() if text])
def test_rules_are_found(name):
    columns, text = EXPECTED[name]
    assert text in formulas(pd.DataFrame(columns))


def test_total_of_many_columns():
    frame = pd.DataFrame(EXPECTED["total"][0])
    assert formulas(frame.assign(total=frame.sum(axis=1))) == [f"total == {' + '.join(frame)}"]


def test_dummies_sum_to_one():
    kind = RNG.integers(0, 4, N)
    frame = pd.DataFrame({f"is{i}": (kind == i).astype(int) for i in range(4)}).assign(a=A)
    assert "is3 == -is0 - is1 - is2 + 1" in formulas(frame)


@pytest.mark.filterwarnings("ignore::vaeaug.errors.ColumnNote")
def test_months_since_a_day_follow_from_the_day():
    rng = np.random.default_rng(3)
    day = pd.Series(pd.Timestamp("2018-01-01") + pd.to_timedelta(rng.integers(0, 2600, 3000), "D"))
    months = (2025 - day.dt.year) * 12 + 6 - day.dt.month
    frame = pd.DataFrame({"signup": day, "tenure": months})
    frame["fee"] = rng.normal(50, 9, 3000).round(2)
    frame["calls"] = rng.poisson(3, 3000)
    assert formulas(frame) == ["signup -> tenure"]
    assert formulas(frame.assign(tenure=rng.permutation(months))) == []
    written = frame.assign(signup=day.dt.strftime("%d.%m.%Y"))
    augmenter = VAEAugmenter(max_iter=1, latent_dim=2, random_state=0).fit(written)
    assert augmenter.relations_["formula"].tolist() == ["signup -> tenure"]


def test_column_that_two_determine_together():
    frame = pd.DataFrame(EXPECTED["two sources"][0])
    table = np.random.default_rng(1).permutation(16).reshape(4, 4)
    found = formulas(
        frame.assign(r=[f"v{table[p, q] % 5}" for p, q in zip(frame["p"], frame["q"], strict=True)])
    )
    assert "p, q -> r" in found


@pytest.mark.parametrize(
    ("name", "kind"), [("partial equality", "partial equality"), ("near", "near equation")]
)
def test_rules_that_leave_something_open(name, kind):
    assert kind in set(find(pd.DataFrame(EXPECTED[name][0]))["kind"])


def test_columns_that_nearly_follow_from_each_other_form_a_chain():
    rng = np.random.default_rng(2)
    a, noise = rng.normal(0, 20, 900), rng.normal(0, 1, (900, 2))
    c = a + noise[:, 0]
    frame = pd.DataFrame({"a": a, "b": (a + c) / 2 + 0.2 * noise[:, 1], "c": c}).round(2)
    # What follows most closely from two others leaves one of these to the other.
    columns = find(frame)["columns"].tolist()
    assert sorted(columns[0]) == ["a", "b", "c"]
    assert columns[0][-1] == "b"
    assert sorted(columns[1]) == ["a", "c"]


def test_coarse_numbers_nearly_follow_from_others_but_spikes_do_not():
    rng = np.random.default_rng(3)
    a = np.rint(rng.gamma(3, 4, 2_000)) / 100
    a[:100] = np.linspace(0, 1, 100).round(2)
    b = np.clip(a + rng.choice([-0.01, 0, 0.01], a.size, p=[0.1, 0.8, 0.1]), 0, None).round(2)
    assert "near equation" in set(find(pd.DataFrame({"a": a, "b": b}))["kind"])
    spiky = np.where(rng.random(a.size) < 0.3, 0.55, np.round(a + rng.normal(0, 0.1, a.size), 4))
    spiky = pd.DataFrame({"a": spiky, "b": np.round(spiky + rng.normal(0, 0.001, a.size), 4)})
    assert "near equation" not in set(
        find(spiky.assign(b=np.where(spiky["a"] == 0.55, 0.55, spiky["b"])))["kind"]
    )


def test_equality_of_some_rows_says_how_many():
    table = find(pd.DataFrame(EXPECTED["partial equality"][0])).set_index("kind")
    row = table.loc["partial equality"]
    assert row["formula"] == f"a and b are equal in {row['rows'] / N:.1%} of rows"
    assert row["exceptions"] == 0


def test_loans_have_all_their_rules():
    found = formulas(make_loans())
    assert {"remaining == limit - balance", "days == days(end - start)", "subgrade -> grade"} <= set(found)


@pytest.mark.parametrize("share", [0.002, 0.008])
def test_rule_with_exceptions_says_how_many(share):
    total = A + B
    total[: int(share * N)] += 7
    table = find(pd.DataFrame({"a": A, "b": B, "total": total}))
    assert table.set_index("formula").loc["total == a + b", "exceptions"] == int(share * N)


def test_five_in_a_hundred_are_no_exceptions():
    total = A + B
    total[:20] += RNG.integers(5, 50, 20)
    assert "equation" not in set(find(pd.DataFrame({"a": A, "b": B, "total": total}))["kind"])


def test_rule_that_the_minority_breaks_is_none():
    groups = (np.arange(N) < 12).astype(np.int64)
    total = np.where(groups == 1, A + B + np.arange(N) % 9, A + B)
    frame = pd.DataFrame({"a": A, "b": B, "total": total})
    assert "total == a + b" not in formulas(frame, groups)


def test_rule_of_the_whole_table_holds_for_a_small_class():
    groups = (np.arange(N) < 5).astype(np.int64)
    assert "c == a + b" in formulas(pd.DataFrame(EXPECTED["sum"][0]), groups)


def draw_columns(seed: int) -> pd.DataFrame:
    """Return columns that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    rows = int(rng.choice([70, 150, 400, 1500]))
    level = rng.choice(["x", "y", "z"], rows, p=[0.9, 0.07, 0.03])
    columns = {
        "normal": rng.normal(size=rows),
        "heavy": rng.standard_t(2, rows),
        "small": rng.integers(0, 4, rows),
        "large": rng.integers(0, 300, rows),
        "rare": rng.random(rows) < 0.03,
        "flag": rng.integers(0, 2, rows),
        "level": level,
        "many": [f"k{i}" for i in rng.integers(0, 40, rows)],
        "spiky": np.where(rng.random(rows) < 0.7, 0.0, np.round(rng.gamma(1, 100, rows), 2)),
        "count": rng.poisson(2, rows),
        "share": np.round(rng.random(rows), 2),
        "date": pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), unit="D"),
        "gaps": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
        "holes": np.where(rng.random(rows) < 0.1, None, rng.permutation(level)),
    }
    return pd.DataFrame(columns)


@pytest.mark.parametrize("seed", range(12))
def test_independent_columns_have_no_rules(seed):
    assert formulas(draw_columns(seed)) == []


def test_identifiers_and_constants_take_no_part():
    frame = pd.DataFrame({"id": range(N), "one": 1, "a": A, "b": B})
    with pytest.warns(ColumnNote, match="name each row"):
        assert formulas(frame) == []


def test_same_rows_same_rules():
    assert formulas(make_loans()) == formulas(make_loans())


def test_numbers_that_hardly_repeat_determine_nothing_where_the_next_number_does_not():
    # Nearly every total goes with one fee, but that of the next total is another one.
    rng = np.random.default_rng(1)
    plan = rng.choice(4, 6000, p=[0.45, 0.3, 0.15, 0.1])
    fees = (np.array([9.99, 19.99, 39.99, 29.99])[plan] + rng.choice([0, 2.5, 5], 6000)).round(2)
    months = rng.integers(1, 82, 6000)
    discount = rng.choice([0, 5, 10, 15, 20], 6000, p=[0.6, 0.1, 0.15, 0.05, 0.1])
    total = (fees * (1 - discount / 100) * months).round(2)
    columns = {"plan": np.array(list("ABCD"))[plan], "fee": fees, "discount": discount, "months": months}
    found = formulas(pd.DataFrame(columns | {"total": total}))
    assert "fee -> plan" in found
    assert not [text for text in found if text.startswith("total ->")]


def test_numbers_determine_what_the_nearest_number_does():
    rng = np.random.default_rng(1)
    age = rng.normal(40, 12, 3000).clip(18, 90).round(1)
    group = np.array(["young", "middle", "old"])[np.digitize(age, [30.0, 55.0])]
    assert "age -> group" in formulas(
        pd.DataFrame({"age": age, "group": group, "noise": rng.normal(size=3000)})
    )
