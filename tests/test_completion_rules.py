"""Known cells that follow from unknown ones: the rest of the row is drawn so that it goes with them."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.evaluation import rules
from vaeaug.model import complete as completion

ROWS = 300
RULES = {
    "tenure": ["signup -> tenure"],
    "product": ["total == price * count"],
    "quotient": ["rate == round(100 * part / whole)"],
    "city": ["city -> state"],
    "sum": ["total == net + tax"],
    "chain": ["gross == net + tax", "paid == gross - rebate"],
    "order": ["start <= end"],
    "two": ["city -> state", "city -> zone", "total == net + tax"],
    "large": ["total == first + second"],
    "floats": ["area == length * width"],
}


def _make(name: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, ROWS)
    if name == "tenure":
        days = np.clip((age - 18) * 20 + rng.integers(0, 300, ROWS), 0, 1500)
        signup = pd.Timestamp("2024-07-01") - pd.to_timedelta(days, "D")
        return pd.DataFrame({"signup": signup, "age": age, "tenure": days // 30})
    if name == "product":
        price, count = np.round(rng.gamma(3, 5, ROWS) + 1, 2), rng.integers(1, 9, ROWS)
        return pd.DataFrame({"price": price, "count": count, "total": np.round(price * count, 2), "age": age})
    if name == "quotient":
        whole = rng.integers(50, 200, ROWS)
        part = (whole * rng.uniform(0.1, 1, ROWS)).astype(int)
        rate = np.round(100 * part / whole).astype(int)
        return pd.DataFrame({"part": part, "whole": whole, "rate": rate, "age": age})
    if name == "order":
        start = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, ROWS), "D")
        return pd.DataFrame({"start": start, "end": start + pd.to_timedelta(rng.integers(0, 9, ROWS), "D")})
    if name == "large":
        X = pd.DataFrame(
            {"first": rng.integers(10**9, 10**10, ROWS), "second": rng.integers(10**8, 10**9, ROWS)}
        )
        return X.assign(total=X["first"] + X["second"])
    if name == "floats":
        X = pd.DataFrame({"length": rng.normal(9, 1, ROWS), "width": rng.gamma(2, size=ROWS)})
        return X.assign(area=X["length"] * X["width"])
    if name == "city":
        home = rng.integers(0, 24, ROWS)
        X = pd.DataFrame({"city": [f"city{i}" for i in home], "age": age})
        return X.assign(state=[f"S{i % 6}" for i in home])
    net, tax = rng.integers(100, 999, ROWS), rng.integers(1, 40, ROWS)
    X = pd.DataFrame({"net": net, "tax": tax})
    if name == "chain":
        rebate = rng.integers(0, 50, ROWS)
        return X.assign(gross=net + tax, rebate=rebate, paid=net + tax - rebate)
    X["total"] = net + tax
    if name == "two":
        home = rng.integers(0, 24, ROWS)
        X["city"], X["state"] = [f"city{i}" for i in home], [f"S{i % 6}" for i in home]
        X["zone"] = [f"Z{i % 4}" for i in home]
    return X


@functools.cache
def _fit(name: str) -> tuple[pd.DataFrame, VAEAugmenter]:
    X = _make(name)
    return X, VAEAugmenter(max_iter=1, random_state=0, relations=RULES[name]).fit(X)


def _count_broken(X, found, name) -> float:
    return 1 - rules(X, found, relations=RULES[name])["new"].min()


GIVEN = {
    "tenure": ["tenure"],
    "product": ["total"],
    "quotient": ["rate"],
    "city": ["state"],
    "sum": ["total"],
    "chain": ["paid"],
    "order": ["end"],
    "two": ["state", "zone", "total"],
    "large": ["total"],
    "floats": ["area"],
}


@pytest.mark.parametrize("name", GIVEN)
def test_given_cells_that_follow_from_drawn_ones_keep_the_rule(name):
    X, augmenter = _fit(name)
    given = X[GIVEN[name]][:60]
    with warnings.catch_warnings():
        warnings.simplefilter("error", VaeaugWarning)
        found, _ = augmenter.sample(given=given, random_state=0)
    pd.testing.assert_frame_equal(found[GIVEN[name]], given)
    assert _count_broken(X, found, name) == 0


@pytest.mark.parametrize("name", GIVEN)
def test_filled_cells_keep_the_rule_with_known_ones(name):
    X, augmenter = _fit(name)
    holes = X[:60].copy()
    rng = np.random.default_rng(1)
    for column in X:
        if column not in GIVEN[name]:
            holes[column] = holes[column].mask(rng.random(60) < 0.8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", VaeaugWarning)
        found = augmenter.complete(holes, random_state=0)
    assert not found.isna().to_numpy().any()
    assert found.where(holes.notna()).equals(holes)
    assert _count_broken(X, found.astype(X.dtypes), name) == 0


@pytest.mark.parametrize("name", ["city", "product"])
def test_a_seed_repeats_rows_that_had_to_be_drawn_anew(name):
    X, augmenter = _fit(name)
    first, again = (augmenter.sample(given=X[GIVEN[name]][:30], random_state=3)[0] for _ in range(2))
    assert first.equals(again)


@pytest.mark.parametrize("name", ["city", "sum", "order"])
def test_given_cells_keep_rules_that_have_few_exceptions(name):
    X = _make(name)
    column = GIVEN[name][0]
    X.loc[[3, 50], column] = X[column].min() if name == "order" else X[column][[4, 53]].to_numpy()
    rule = RULES[name]
    assert 0.99 < rules(X, X, relations=rule)["real"].min() < 1
    augmenter = VAEAugmenter(max_iter=1, random_state=0, relations=rule, on_violation="keep").fit(X)
    found, _ = augmenter.sample(given=X[[column]][60:120], random_state=0)
    assert _count_broken(X, found, name) < 0.02


def test_a_rounded_result_that_no_value_gives_is_told():
    X, augmenter = _fit("product")
    holes = X[:2].assign(price=np.nan, count=3, total=[10.0, 9.99])
    with pytest.warns(
        VaeaugWarning, match="complete: 1 row of 2 could not be made to keep 'total == .*where total is 10.0"
    ):
        found = augmenter.complete(holes, random_state=0)
    assert found["price"][1] == 3.33


def test_only_rows_that_are_filled_are_told():
    X, augmenter = _fit("quotient")
    holes = X[:5].assign(part=10, whole=np.nan, rate=99, age=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", VaeaugWarning)
        augmenter.complete(holes, columns=["age"], random_state=0)


def test_the_model_chooses_among_values_that_keep_the_rule():
    rng = np.random.default_rng(0)
    home = rng.integers(0, 8, 400)
    X = pd.DataFrame({"city": [f"city{i}" for i in home], "state": [f"S{i % 2}" for i in home]})
    X["height"] = 5.0 * (home // 2) + rng.normal(size=400)
    augmenter = VAEAugmenter(max_iter=12, random_state=0, relations=["city -> state"]).fit(X)
    found, _ = augmenter.sample(given=X[["state", "height"]][:100], random_state=0)
    assert (found["city"] == X["city"][:100]).mean() > 0.8


def test_the_model_chooses_among_pairs_of_values_that_keep_the_rule():
    rng = np.random.default_rng(0)
    is_large = rng.random(400) < 0.5
    X = pd.DataFrame({"size": np.where(is_large, "large", "small"), "tax": rng.integers(0, 900, 400)})
    X["net"] = np.where(is_large, 800, 200) + rng.integers(0, 100, 400)
    X["total"] = X["net"] + X["tax"]
    augmenter = VAEAugmenter(max_iter=8, random_state=0, relations=["total == net + tax"]).fit(X)
    given = pd.DataFrame({"size": ["large", "small"] * 30, "total": 1000})
    found, _ = augmenter.sample(given=given, random_state=0)
    assert (found["net"] + found["tax"] == 1000).all()
    assert ((found["net"] > 500) == (given["size"] == "large")).mean() > 0.75


def test_cells_that_follow_from_a_given_one_follow_from_it():
    X = pd.DataFrame({"start": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(300), "D")})
    X["end"] = X["start"] + pd.to_timedelta(np.arange(300) % 9, "D")
    X["late"] = np.where(X["end"] > pd.Timestamp("2024-06-01"), "yes", "no")
    augmenter = VAEAugmenter(max_iter=1, random_state=0, relations=["start <= end", "end -> late"]).fit(X)
    found, _ = augmenter.sample(given=X[["end"]][:100], random_state=0)
    assert (found["late"] == X["late"][:100]).all()
    assert (found["start"] <= found["end"]).all()


def test_cells_that_nothing_goes_with_are_told_once():
    X, augmenter = _fit("quotient")
    given = pd.DataFrame({"part": [10, 10, 10], "rate": [99, 99, 20]}, index=["a", "b", "c"])
    with pytest.warns(VaeaugWarning) as told:
        found, _ = augmenter.sample(given=given, random_state=0)
    said = [str(warning.message) for warning in told]
    assert len(said) == 1
    assert "sample: 2 rows of 3 could not be made to keep 'rate == round(100 * part / whole)'" in said[0]
    assert "first in row 'a', where rate is 99" in said[0]
    assert found["rate"].tolist() == [99, 99, 20]
    holes = X[:3].assign(part=10, whole=None, rate=[99, 99, 20])
    with pytest.warns(VaeaugWarning) as told:
        augmenter.complete(holes, draws=2, random_state=0)
    said = [str(warning.message) for warning in told if "be made to keep" in str(warning.message)]
    assert len(said) == 1
    assert said[0].startswith("complete: 2 rows of 3 could not")


def test_rows_whose_known_cells_contradict_each_other_are_left_as_they_are():
    X, augmenter = _fit("sum")
    holes = X[:5].assign(total=5, net=[400.0, 401.0, 402.0, 403.0, np.nan], tax=[1.0, 2.0, 3.0, 4.0, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error", VaeaugWarning)
        found = augmenter.complete(holes, random_state=0)
    assert found[:4].equals(holes[:4])
    assert found["net"][4] == 3


def test_given_cells_that_no_row_can_have_are_refused():
    _, augmenter = _fit("tenure")
    given = pd.DataFrame({"tenure": [3, 900, 901]}, index=["a", "b", "c"])
    with pytest.raises(InputError) as caught:
        augmenter.sample(given=given)
    said = str(caught.value)
    assert "given: 2 rows of 3 cannot be made" in said
    assert "signup -> tenure" in said
    assert "first in row 'b', where tenure is 900" in said
    assert "from 2 to 49" in said


def test_a_missing_start_is_no_reason_to_call_the_end_far_off():
    X, augmenter = _fit("order")
    with warnings.catch_warnings():
        warnings.simplefilter("error", VaeaugWarning)
        augmenter.complete(X.assign(start=pd.NaT)[:50], random_state=0)


@pytest.mark.parametrize("name", ["tenure", "sum"])
def test_rows_that_break_a_rule_are_not_drawn_to_the_end_before_they_are_mended(name, monkeypatch):
    drawn, redraw = [], completion.redraw_cells

    def count(distribution, x, *rest):
        drawn.append(len(x))
        return redraw(distribution, x, *rest)

    monkeypatch.setattr(completion, "redraw_cells", count)
    X, augmenter = _fit(name)
    found, _ = augmenter.sample(given=X[GIVEN[name]], random_state=0)
    assert _count_broken(X, found, name) == 0
    assert sum(drawn) <= 1.1 * completion._ROUNDS * len(X)
