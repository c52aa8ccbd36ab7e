"""Tables come back as they were, and drawn codes give rows that keep the rules."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from made_loans import LOAN_RULES, make_loans

from vaeaug.data.tables.codec import TableCodec
from vaeaug.errors import InputError


def learn(frame: pd.DataFrame, relations="auto", **options) -> TableCodec:
    """Return a fitted codec."""
    return TableCodec(None, relations=relations, **options).fit(frame)


def shuffle_codes(codec: TableCodec, frame: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return rows whose columns were drawn without any regard to each other."""
    rng = np.random.default_rng(seed)
    x = codec.encode(frame)
    start = 0
    for part in codec.codecs_:
        stop = start + part.width
        x[:, start:stop] = x[rng.permutation(len(x)), start:stop]
        start = stop
    return codec.decode(x)


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    return make_loans()


@pytest.fixture(scope="module")
def codec(loans) -> TableCodec:
    return learn(loans)


def test_real_rows_come_back(codec, loans):
    pd.testing.assert_frame_equal(codec.decode(codec.encode(loans)), loans)


@pytest.mark.parametrize("name", LOAN_RULES)
def test_any_codes_keep_the_rules(codec, loans, name):
    assert LOAN_RULES[name](shuffle_codes(codec, loans)).all()


def test_fewer_columns_are_modelled(codec, loans):
    assert codec.layout.shape < TableCodec(None).fit(loans).layout.shape


def test_saved_codec_decodes_the_same(codec, loans):
    meta, arrays = codec.state()
    other = TableCodec.from_state(json.loads(json.dumps(meta)), arrays)
    x = codec.encode(loans)
    pd.testing.assert_frame_equal(other.decode(x), codec.decode(x))
    assert other.relations_.table().equals(codec.relations_.table())


def test_codecs_of_0_1_have_no_relations():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    meta, arrays = TableCodec().fit(frame).state()
    del meta["relations"]
    assert TableCodec.from_state(meta, arrays).relations_.table().empty


def convert_to_nullable(frame):
    return frame.convert_dtypes()


def convert_to_arrow(frame):
    pytest.importorskip("pyarrow")
    return frame.convert_dtypes(dtype_backend="pyarrow")


def convert_to_categories(frame):
    return frame.astype(dict.fromkeys(["grade", "subgrade", "smoker"], "category"))


def convert_to_small(frame):
    return frame.astype({"limit": "float32", "years": "int8", "company": "uint8", "role": "int16"})


def convert_to_zones(frame):
    return frame.assign(start=frame["start"].dt.tz_localize("UTC"), end=frame["end"].dt.tz_localize("UTC"))


@pytest.mark.parametrize(
    "convert",
    [convert_to_nullable, convert_to_arrow, convert_to_categories, convert_to_small, convert_to_zones],
)
def test_dtypes_come_back_and_rules_are_kept(convert, loans):
    frame = convert(loans)
    codec = learn(frame)
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    assert made.dtypes.equals(frame.dtypes)
    plain = made.astype(loans.dtypes.drop(["start", "end"]).to_dict())
    assert [name for name, rule in LOAN_RULES.items() if not rule(plain).all()] == []


def test_arrays_keep_rules_too():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 50, (300, 2)).astype(float)
    X = np.column_stack([X, X.sum(axis=1)])
    codec = learn(X)
    assert codec.relations_.table()["formula"].tolist() == ["x2 == x0 + x1"]
    made = shuffle_codes(codec, X)
    assert (made[:, 0] + made[:, 1] == made[:, 2]).all()


@pytest.mark.parametrize("kind", ["equation", "dependence", "implication", "order"])
def test_exceptions_come_back_and_keep_their_rate(kind):
    rng = np.random.default_rng(3)
    n = 2_000
    a, b = rng.integers(0, 60, n), rng.integers(0, 60, n)
    flag = rng.choice(["no", "yes", "perhaps"], n)
    frame = {
        "equation": pd.DataFrame({"a": a, "b": b, "c": a + b}),
        "dependence": pd.DataFrame({"a": a // 6, "b": b, "c": pd.Series(a // 6).map(lambda v: f"g{v % 4}")}),
        "implication": pd.DataFrame({"b": b, "a": flag, "c": np.where(flag == "no", 0, a + 1)}),
        "order": pd.DataFrame({"a": a, "b": flag, "c": a + b}),
    }[kind]
    spoilt = (
        np.flatnonzero(frame["a"] == "no")[:5]
        if kind == "implication"
        else np.arange(3 if kind == "order" else 10)
    )
    other = {"equation": 999, "dependence": "g9", "implication": 7, "order": -5}[kind]
    frame.loc[spoilt, "c"] = other
    codec = learn(frame)
    table = codec.relations_.table()
    assert table.loc[table["kind"] == kind, "exceptions"].max() == len(spoilt)
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    holds = {
        "equation": lambda t: t["a"] + t["b"] == t["c"],
        "dependence": lambda t: t["c"] == t["a"].map(lambda v: f"g{v % 4}"),
        "implication": lambda t: (t["a"] != "no") | (t["c"] == 0),
        "order": lambda t: t["a"] <= t["c"],
    }[kind]
    assert (~holds(made)).mean() <= 1.2 * (~holds(frame)).mean() + 0.001


DECLARED = {
    "end >= start": lambda t: t["end"] >= t["start"],
    "role <= company": lambda t: t["role"] <= t["company"],
    "remaining == limit - balance": LOAN_RULES["remaining"],
    "balance == limit - remaining": LOAN_RULES["remaining"],
    "subgrade -> grade": LOAN_RULES["grade"],
    "smoker == 'never' implies years == 0": LOAN_RULES["years"],
    "volume is missing implies price is missing": lambda t: t["volume"].isna() == t["price"].isna(),
    "days == days(end - start)": LOAN_RULES["days"],
    "years > 0 implies smoker == 'current'": None,
    "balance < limit": lambda t: t["balance"] < t["limit"],
}


@pytest.mark.parametrize("text", [text for text, rule in DECLARED.items() if rule])
def test_declared_rules_are_kept(text, loans):
    codec = learn(loans, [text])
    assert codec.relations_.table()[["formula", "origin"]].to_numpy()[0, 1] == "declared"
    assert len(codec.relations_.table()) == 1
    assert DECLARED[text](shuffle_codes(codec, loans)).all()


def test_declared_rules_stand_beside_found_ones(loans):
    table = learn(loans, ["auto", "role <= company"]).relations_.table()
    assert set(table["origin"]) == {"found", "declared"}
    assert not table["formula"].duplicated().any()


def test_broken_rule_names_rows(loans):
    with pytest.raises(
        InputError,
        match=r"does not hold in \d+ of 900 rows of X \(rows \d+, \d+, \d+, \.\.\.; row 0 is the first\)",
    ):
        learn(loans, ["years > 0 implies smoker == 'current'"])


def test_broken_rule_names_rows_by_their_labels(loans):
    labelled = loans.set_axis([f"loan {i}" for i in range(len(loans))])
    with pytest.raises(InputError, match=r"\(rows labelled 'loan \d+', 'loan \d+', 'loan \d+', \.\.\.\)"):
        learn(labelled, ["years > 0 implies smoker == 'current'"])


@pytest.mark.parametrize(
    "relations",
    [
        ["tens <= age", "age -> tens"],
        ["age -> tens", "tens <= age"],
        ["tens <= age", "auto"],
        ["age >= tens"],
    ],
)
def test_order_that_follows_from_another_rule_is_taken(relations):
    age = np.random.default_rng(0).integers(1, 99, 500)
    frame = pd.DataFrame({"age": age, "tens": age // 10})
    codec = learn(frame, relations)
    assert "tens <= age" in codec.relations_.table()["formula"].tolist()
    made = shuffle_codes(codec, frame)
    assert (made["tens"] <= made["age"]).all()
    if len(relations) > 1:
        assert (made["tens"] == made["age"] // 10).all()


def test_broken_rule_is_kept_with_its_exceptions(loans):
    codec = learn(loans, ["years > 0 implies smoker == 'current'"], on_violation="keep")
    pd.testing.assert_frame_equal(codec.decode(codec.encode(loans)), loans)
    assert codec.relations_.table()["exceptions"].item() > 100


@pytest.mark.parametrize(
    ("relations", "says"),
    [
        (["smoker <= years"], "needs numbers, dates or durations in 'smoker'"),
        (["smoker == 'sometimes' implies years == 0"], "which no row of X has"),
        (["smoker == 'never' implies years is missing"], "needs missing cells in 'years'"),
        (["total == volume * price", "total == volume + price"], "total"),
        (["volume + price <= total + days"], "single column"),
    ],
)
def test_declared_rules_that_cannot_be_kept_are_refused(relations, says, loans):
    with pytest.raises(InputError, match=says):
        learn(loans, relations)


def test_everything_may_follow_from_one_column():
    a = np.random.default_rng(0).integers(0, 500, 600)
    frame = pd.DataFrame({"a": a, "b": 2 * a, "c": a + 5, "d": (a > 250).astype(int)})
    codec = learn(frame)
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    assert sum(part.width > 0 for part in codec.codecs_) == 1


@pytest.fixture(scope="module")
def contracts() -> pd.DataFrame:
    """Contracts whose totals were added up month by month, so that half cents went either way."""
    rng = np.random.default_rng(0)
    fee, tenure, share = (
        rng.integers(2000, 9000, 4000) / 100,
        rng.integers(1, 60, 4000),
        rng.integers(0, 30, 4000),
    )
    exact = fee * tenure * (1 - share / 100)
    hundredths = np.rint(fee * 100).astype(int) * tenure * (100 - share)
    is_tie, up = hundredths % 100 == 50, rng.random(4000) < 0.5
    total = np.where(is_tie, (hundredths // 100 + up) / 100, np.round(exact, 2))
    assert (is_tie & (total != np.round(exact, 2))).sum() > 10
    return pd.DataFrame({"fee": fee, "tenure": tenure, "share": share, "total": total})


TOTAL = "total == fee * tenure * (1 - share / 100)"


def test_half_cents_may_be_rounded_either_way(contracts):
    codec = learn(contracts, [TOTAL])
    (rule,) = codec.relations_.rules
    assert (rule.rows, rule.exceptions, rule.kept) == (
        4000,
        0,
        "computed, and half-way cases rounded either way",
    )
    pd.testing.assert_frame_equal(codec.decode(codec.encode(contracts)), contracts)
    new = shuffle_codes(codec, contracts)
    exact = new.fee * new.tenure * (1 - new.share / 100)
    assert (abs(new.total - exact) < 0.005001).all()


def test_a_saved_rule_knows_half_cents(contracts):
    codec = learn(contracts, [TOTAL])
    meta, arrays = codec.state()
    other = TableCodec.from_state(json.loads(json.dumps(meta)), arrays)
    x = codec.encode(contracts)
    pd.testing.assert_frame_equal(other.decode(x), contracts)


def test_a_whole_cent_is_no_rounding(contracts):
    wrong = contracts.assign(total=(contracts.total + 0.01 * (contracts.index == 7)).round(2))
    row = wrong.loc[7]
    gives = round(row.fee * row.tenure * (1 - row.share / 100), 2)
    shown = f"In row 7, total is {row.total}, fee is {row.fee}, tenure is {row.tenure:.0f}"
    with pytest.raises(InputError, match="does not hold in 1 of 4000 rows") as caught:
        learn(wrong, [TOTAL])
    assert f"{shown}, share is {row.share:.0f}, and fee * tenure * (1 - share / 100) gives {gives}." in str(
        caught.value
    )
