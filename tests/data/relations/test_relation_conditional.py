"""Orders, equalities and bounds of numbers that hold in some rows: found, declared, kept."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from test_relation_keeping import learn, shuffle_codes

from vaeaug.data.tables.codec import TableCodec
from vaeaug.errors import InputError
from vaeaug.evaluation import rules

RNG = np.random.default_rng(11)
N = 800
STATE = RNG.choice(["paid", "late", "open"], N)
BILL = RNG.integers(1, 900, N)
PAYMENT = RNG.integers(1, 900, N)
IS_PAID = STATE == "paid"
PAID = pd.DataFrame({"state": STATE, "bill": BILL})
ORDER = PAID.assign(payment=np.where(IS_PAID, BILL + RNG.integers(0, 2, N) * PAYMENT, PAYMENT))
EQUAL = PAID.assign(payment=np.where(IS_PAID, BILL, PAYMENT))
BOUND = PAID.assign(age=np.where(IS_PAID, RNG.integers(0, 18, N), RNG.integers(0, 90, N)))
GAPS = ORDER.assign(state=ORDER["state"].where(~IS_PAID))
#: Tables, a rule of each, and which rows keep it.
RULES = {
    "order": (ORDER, "state == 'paid' implies bill <= payment", lambda t: t["bill"] <= t["payment"]),
    "equality": (EQUAL, "state == 'paid' implies bill == payment", lambda t: t["bill"] == t["payment"]),
    "upper": (BOUND, "state == 'paid' implies age <= 17", lambda t: t["age"] <= 17),
    "missing": (GAPS, "state is missing implies bill <= payment", lambda t: t["bill"] <= t["payment"]),
}


def meets(frame: pd.DataFrame) -> pd.Series:
    """Return the rows that the rules are about."""
    return frame["state"].isna() | (frame["state"] == "paid")


@pytest.mark.parametrize("relations", ["auto", "declared"])
@pytest.mark.parametrize("name", RULES)
def test_rule_of_some_rows_is_found_declared_and_kept(name, relations):
    frame, text, keeps = RULES[name]
    codec = learn(frame, "auto" if relations == "auto" else [text])
    table = codec.relations_.table().set_index("formula")
    assert (table.loc[text, "kind"], table.loc[text, "exceptions"]) == ("implication", 0)
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    assert keeps(made)[meets(made)].all()
    assert not keeps(made)[~meets(made)].all()
    meta, arrays = codec.state()
    loaded = TableCodec.from_state(json.loads(json.dumps(meta)), arrays)
    pd.testing.assert_frame_equal(shuffle_codes(loaded, frame), made)


def test_lower_bound_of_dates_reads_as_a_date():
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.where(IS_PAID, 300 + BILL // 20, PAYMENT // 2), "D")
    frame = pd.DataFrame({"state": STATE, "day": day})
    text = "state == 'paid' implies day >= '2024-10-27'"
    assert text in learn(frame).relations_.table()["formula"].tolist()
    made = shuffle_codes(learn(frame, [text]), frame)
    assert (made.loc[made["state"] == "paid", "day"] >= pd.Timestamp("2024-10-27")).all()


def test_exceptions_of_some_rows_keep_their_rate():
    frame = ORDER.copy()
    spoilt = np.flatnonzero(IS_PAID)[:3]
    frame.loc[spoilt, "payment"] = 0
    codec = learn(frame)
    table = codec.relations_.table().set_index("formula")
    assert table.loc["state == 'paid' implies bill <= payment", "exceptions"] == 3
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    assert (made["bill"] > made["payment"])[meets(made)].mean() < 0.05


def test_equal_columns_are_not_said_to_be_in_order_too():
    assert not any("<=" in text for text in learn(EQUAL).relations_.table()["formula"])


def test_equality_reads_with_the_column_that_is_set_first():
    codec = learn(EQUAL, ["bill == payment", "auto"], on_violation="keep")
    found = codec.relations_.table()["formula"].tolist()
    assert found == ["bill == payment", "state == 'paid' implies bill == payment"]
    assert learn(EQUAL, found, on_violation="keep").relations_.table()["formula"].tolist() == found


def test_order_that_all_rows_keep_is_said_once():
    frame = PAID.assign(payment=BILL + PAYMENT)
    assert learn(frame).relations_.table()["formula"].tolist() == ["bill <= payment"]


def test_order_that_follows_from_what_a_column_is_then_is_not_said():
    frame = PAID.assign(payment=np.where(IS_PAID, 2_000, PAYMENT))
    assert not any("<=" in text for text in learn(frame).relations_.table()["formula"])


def test_end_of_a_thinning_tail_is_no_bound():
    frame = PAID.assign(age=np.rint(np.where(IS_PAID, RNG.normal(30, 3, N), RNG.normal(50, 20, N))))
    assert not any("age" in text for text in learn(frame).relations_.table()["formula"])


def test_condition_on_a_range_is_declared():
    frame = pd.DataFrame({"age": BILL // 10, "school": np.where(BILL < 100, PAYMENT // 90, PAYMENT // 9)})
    texts = ["age < 10 implies school <= age + 9", "age >= 80 implies school >= 1"]
    made = shuffle_codes(learn(frame, texts, on_violation="keep"), frame)
    young = made["age"] < 10
    assert (made["school"] <= made["age"] + 9)[young].all()
    assert (made["school"] > 18)[~young].any()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("state == 'paid' implies bill + payment <= age", "there is no column 'age'"),
        (
            "state == 'paid' implies bill + 1 <= payment + state",
            "needs numbers, dates or durations in 'state'",
        ),
        ("state == 'paid' implies state <= 3", "on both sides"),
        ("bill > 5 implies state <= 3", "no row of X has there"),
        ("state == 'paid' implies payment > bill", "does not hold in"),
    ],
)
def test_rules_of_some_rows_that_cannot_be_kept_are_refused(text, says):
    with pytest.raises(InputError, match=says):
        learn(EQUAL, [text])


def test_rules_of_some_rows_are_compared():
    new = ORDER.assign(payment=np.where(IS_PAID & (np.arange(N) < 400), 0, ORDER["payment"]))
    table = rules(ORDER, new).set_index("formula")
    found = table.loc["state == 'paid' implies bill <= payment"]
    assert found["real"] == 1
    assert found["new"] == 1 - (IS_PAID & (np.arange(N) < 400)).mean()


def make_two_sources() -> pd.DataFrame:
    """Return rows in which two columns never say two things about a third."""
    first, second = RNG.choice(list("xyz"), N), RNG.choice(list("pqr"), N)
    second = np.where((first == "x") & (second == "p"), "q", second)
    value = np.select([first == "x", second == "p"], [5, 2_000], BILL + 9)
    return pd.DataFrame({"first": first, "second": second, "value": value})


@pytest.mark.parametrize(
    "relations", ["auto", ["first == 'x' implies value == 5", "second == 'p' implies value == 2000"]]
)
def test_two_values_of_one_column_do_not_meet_in_a_row(relations):
    frame = make_two_sources()
    codec = learn(frame, relations)
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    assert (made["value"] == 5)[made["first"] == "x"].all()
    assert (made["value"] == 2000)[made["second"] == "p"].all()
    assert {"x", "p"} <= set(made["first"]) | set(made["second"])


def test_a_value_that_is_set_keeps_the_orders_of_its_column():
    frame = pd.DataFrame({"kind": STATE, "low": BILL, "high": BILL + PAYMENT})
    frame.loc[IS_PAID, ["low", "high"]] = np.column_stack([BILL[IS_PAID] // 9, np.full(IS_PAID.sum(), 100)])
    codec = learn(frame, ["low <= high", "kind == 'paid' implies high == 100"])
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    assert (made["high"] == 100)[made["kind"] == "paid"].all()
    assert (made["low"] <= made["high"]).all()


def test_rules_of_different_rows_about_one_column_are_both_kept():
    frame = pd.DataFrame({"kind": STATE, "site": RNG.choice(["n", "s"], N), "own": BILL, "cost": PAYMENT})
    at_site = frame["site"] == "n"
    frame.loc[IS_PAID & at_site, "own"] = BILL[IS_PAID & at_site] // 10
    frame.loc[IS_PAID, "cost"] = PAYMENT[IS_PAID] // 10
    frame.loc[at_site, "cost"] = frame.loc[at_site, "own"]
    codec = learn(frame, ["kind == 'paid' implies cost <= 90", "site == 'n' implies cost == own"])
    pd.testing.assert_frame_equal(codec.decode(codec.encode(frame)), frame)
    made = shuffle_codes(codec, frame)
    assert (made["cost"] <= 90)[made["kind"] == "paid"].all()
    assert (made["cost"] == made["own"])[made["site"] == "n"].all()


def test_bounds_by_a_multiple_and_by_a_column_make_room_for_each_other():
    frame = pd.DataFrame({"low": BILL, "size": BILL + PAYMENT})
    frame["value"] = frame["low"] + (2 * frame["size"] - frame["low"]) * (BILL % 7) // 7
    codec = learn(frame, ["low <= value", "value <= 2 * size"])
    made = shuffle_codes(codec, frame)
    assert ((made["low"] <= made["value"]) & (made["value"] <= 2 * made["size"])).all()
