"""Rows that meet conditions on their columns."""

from __future__ import annotations

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from made_loans import LOAN_RULES, make_loans
from made_tables import made_labels, made_table

import vaeaug
from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.errors import InputError, VaeaugWarning


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    frame = made_table(300)
    rng = np.random.default_rng(1)
    frame["price"] = rng.lognormal(3, 1, 300)
    frame["cents"] = np.round(rng.lognormal(3, 1, 300), 2)
    frame["fee"] = [Decimal(int(n)) / 100 for n in rng.integers(100, 900, 300)]
    return frame


@pytest.fixture(scope="module")
def augmenter(table) -> VAEAugmenter:
    return VAEAugmenter(max_iter=2, random_state=0).fit(table, made_labels(300))


CONDITIONS = {
    "at least": ({"size": ">= 1.2"}, lambda X: X["size"] >= 1.2),
    "between": ({"nullable": ">= 10 and < 20"}, lambda X: X["nullable"].between(10, 19)),
    "range": ({"cents": (20, 20.5)}, lambda X: X["cents"].between(20, 20.5)),
    "open range": ({"price": (None, 15)}, lambda X: X["price"] <= 15),
    "cents": ({"cents": 21.37}, lambda X: X["cents"] == 21.37),
    "a real number": ({"price": [21.1234567, 30.7]}, lambda X: X["price"].isin([21.1234567, 30.7])),
    "list": ({"town": ["Aix", "Cork"]}, lambda X: X["town"].isin(["Aix", "Cork"])),
    "not": ({"town": "!= Aix"}, lambda X: X["town"].isin(["Bonn", "Cork"])),
    "order of categories": ({"kind": "> small"}, lambda X: X["kind"] == "large"),
    "flag": ({"flag": True}, lambda X: X["flag"]),
    "days": ({"day": ("2024-02-10", "2024-02-20")}, lambda X: X["day"].dt.day.between(10, 20)),
    "missing": ({"weight": None}, lambda X: X["weight"].isna()),
    "not missing": ({"maybe": "is not missing"}, lambda X: X["maybe"].notna()),
    "decimals": ({"fee": ">= 5"}, lambda X: X["fee"] >= 5),
    "two columns": ({"size": "> 0", "string": "x"}, lambda X: (X["size"] > 0) & (X["string"] == "x")),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_row_meets_the_condition(augmenter, table, name):
    where, holds = CONDITIONS[name]
    X, y = augmenter.sample(40, where=where, random_state=0)
    assert holds(X).all()
    assert len(y) == 40
    assert X.dtypes.equals(table.dtypes)


WAYS = {
    "prior": lambda a, X, w: a.sample(30, y="low", where=w, random_state=0)[0],
    "posterior": lambda a, X, w: a.sample(30, where=w, method="posterior", random_state=0)[0],
    "interpolate": lambda a, X, w: a.sample(30, y="mid", where=w, method="interpolate", random_state=0)[0],
    "cold": lambda a, X, w: a.sample(30, where=w, temperature=0.0, random_state=0)[0],
    "hot": lambda a, X, w: a.sample(30, where=w, temperature=2.0, random_state=0)[0],
    "a label for each": lambda a, X, w: a.sample(y=["low", "high"] * 15, where=w, random_state=0)[0],
    "vary": lambda a, X, w: a.vary(X[:30], where=w, random_state=0),
    "resample": lambda a, X, w: a.resample(X, made_labels(300), where=w, random_state=0)[0][300:],
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_new_rows_takes_conditions(augmenter, table, way):
    X = WAYS[way](augmenter, table, {"town": "Cork", "size": "<= 0.5"})
    assert len(X) >= 30
    assert ((X["town"] == "Cork") & (X["size"] <= 0.5)).all()


def test_oversampled_rows_meet_the_conditions(table):
    sampler = VAEOverSampler(VAEAugmenter(max_iter=1), where={"town": "Cork"}, random_state=0)
    X, _ = sampler.fit_resample(table, made_labels(300))
    assert sampler.is_synthetic_.any()
    assert (X.loc[sampler.is_synthetic_, "town"] == "Cork").all()


def test_variations_that_meet_conditions_keep_their_index(augmenter, table):
    found = augmenter.vary(table[:60], where={"town": "Bonn"}, random_state=0)
    assert found.index.equals(table.index[:60])
    assert (found["town"] == "Bonn").all()


@pytest.mark.filterwarnings("ignore::vaeaug.errors.PosteriorCollapseWarning")
def test_labels_that_are_left_open_follow_the_condition():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b"], [900, 100])
    X = pd.DataFrame(
        {"noise": rng.normal(size=1000), "mark": np.where((y == "b") & (np.arange(1000) > 901), "yes", "no")}
    )
    X["twice"] = 2 * X["noise"] + 0.1 * rng.normal(size=1000)
    augmenter = VAEAugmenter(max_iter=5, random_state=0, relations=None).fit(X, y)
    _, labels = augmenter.sample(300, where={"mark": "yes"}, random_state=0)
    assert np.mean(labels == "b") > 0.8


def test_a_condition_gives_the_rows_that_rejection_gives(augmenter):
    plain, _ = augmenter.sample(30_000, random_state=0)
    found, _ = augmenter.sample(3_000, where={"day": ("2024-04-01", None), "town": "Cork"}, random_state=1)
    kept = plain[(plain["day"] >= pd.Timestamp("2024-04-01", tz="Europe/Paris")) & (plain["town"] == "Cork")]
    assert len(kept) > 300
    for column in ("size", "nullable"):
        slack = 5 * kept[column].std() / len(kept) ** 0.5
        assert abs(found[column].mean() - kept[column].mean()) < slack
    for column in ("kind", "flag", "string"):
        shares = [part[column].value_counts(normalize=True).sort_index() for part in (found, kept)]
        assert np.abs(shares[0] - shares[1]).max() < 0.12


def test_the_same_seed_gives_the_same_rows(augmenter, tmp_path):
    first = augmenter.sample(20, where={"size": "> 0"}, random_state=3)[0]
    assert first.equals(augmenter.sample(20, where={"size": "> 0"}, random_state=3)[0])
    augmenter.save(tmp_path / "model.safetensors")
    again = vaeaug.load(tmp_path / "model.safetensors")
    assert first.equals(again.sample(20, where={"size": "> 0"}, random_state=3)[0])


def test_arrays_are_conditioned_by_position(numbers):
    X, y = numbers
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
    found, _ = augmenter.sample(20, where={1: "<= 0"}, random_state=0)
    assert isinstance(found, np.ndarray)
    assert (found[:, 1] <= 0).all()


WRONG = [
    ({"age": 3}, "names 'age', which is no column of X"),
    ({"size": ">= 120"}, r"no training row has size >= 120; the smallest is .*, the largest"),
    ({"town": "Rome"}, "no training row has 'town' equal to 'Rome'; it has 'Aix'"),
    ({"size": "tall"}, "holds numbers; got 'tall'"),
    ({"size": True}, "holds numbers; got True"),
    ({"day": 5}, "holds times or durations; got 5"),
    ({"town": "> Aix"}, "has no order"),
    ({"town": ("Aix", "Bonn")}, "for one of several values pass a list"),
    ({"count": []}, "list for 'count' is empty"),
    ({"count": (5, 2)}, "is empty; its low end comes first"),
    ({"count": (1, 2, 3)}, "a range is"),
    ({"count": (None, None)}, "has no end"),
    ({"count": {"a": 1}}, "a condition is a value"),
    (
        {"count": "> 2 and < 2"},
        "no training row has count > 2 and < 2|no training row has count > 2 and count < 2",
    ),
    ("count > 2", "where must be a dict"),
    ({"flag": None}, "no training row has flag is missing"),
    ({"size": "= 4"}, "got '= 4'. A condition is a value, '== 40', '>= 40'"),
    ({"size": "< 2 or > 8"}, "got '< 2 or > 8'"),
    ({"town": "aix"}, "Did you mean 'Aix'"),
    (
        {"day": ">= 01.02.2024"},
        "'01.02.2024' may have the day or the month first; for 'day' write year-month",
    ),
    ({"day": ("1/2/2024", None)}, "'1/2/2024' may have the day or the month first"),
]


@pytest.mark.parametrize(("where", "message"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_conditions_that_cannot_be_met_are_refused(augmenter, where, message):
    calls = augmenter.calls_
    with pytest.raises(InputError, match=message):
        augmenter.sample(5, where=where)
    assert augmenter.calls_ == calls


@pytest.mark.filterwarnings("ignore::vaeaug.errors.ColumnNote")
def test_dates_written_as_text_are_conditioned_in_their_own_form_and_in_iso():
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(200), "D")
    X = pd.DataFrame({"day": days.strftime("%d.%m.%Y"), "size": np.arange(200) % 7})
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X)
    for asked in (("01.02.2024", "05.02.2024"), ("2024-02-01", "2024-02-05")):
        found = augmenter.sample(20, where={"day": asked}, random_state=0)[0]["day"]
        assert set(found) <= {f"0{day}.02.2024" for day in range(1, 6)}
    with pytest.raises(InputError, match="may have the day or the month first"):
        augmenter.sample(20, where={"day": "2/1/2024"})


def test_identifiers_are_not_conditioned(table):
    X = table.assign(customer_id=[f"C{i:05d}" for i in range(300)])
    with pytest.warns(VaeaugWarning):
        augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X)
    with pytest.raises(InputError, match="names each row"):
        augmenter.sample(5, where={"customer_id": "C00001"})


def test_images_have_no_columns(numbers):
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(np.random.default_rng(0).random((20, 8, 8)))
    with pytest.raises(InputError, match="columns of a table"):
        augmenter.sample(2, where={0: 1})


@pytest.fixture(scope="module")
def loans() -> VAEAugmenter:
    return VAEAugmenter(max_iter=2, random_state=0).fit(make_loans(300))


def test_conditions_and_rules_hold_together(loans):
    X = make_loans(300)
    tried = 0
    for column in X:
        if X[column].dtype.kind in "if":
            where = {column: (None, float(X[column].median()))}
            found = loans.sample(25, where=where, random_state=0)[0]
            assert (found[column] <= X[column].median()).all()
            assert all(rule(found).all() for rule in LOAN_RULES.values())
            tried += 1
    assert tried > 3


def test_a_column_that_follows_from_another_is_conditioned_by_it():
    rng = np.random.default_rng(0)
    city = rng.choice(["Lyon", "Nice", "Ulm", "Jena"], 400, p=[0.4, 0.4, 0.15, 0.05])
    X = pd.DataFrame({"city": city, "size": rng.normal(size=400)})
    X["land"] = X["city"].map({"Lyon": "F", "Nice": "F", "Ulm": "D", "Jena": "D"})
    augmenter = VAEAugmenter(max_iter=2, random_state=0, relations=["city -> land"]).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, _ = augmenter.sample(200, where={"land": "D"}, random_state=0)
    assert set(found["city"]) == {"Ulm", "Jena"}
    with pytest.raises(InputError, match="contradict each other"):
        augmenter.sample(5, where={"land": "D", "city": "Nice"})


def test_rows_that_can_only_be_looked_at_share_what_decides_and_say_so():
    rng = np.random.default_rng(0)
    parts = rng.integers(0, 100, (500, 2))
    X = pd.DataFrame({"a": parts[:, 0], "b": parts[:, 1], "other": rng.normal(size=500)})
    X["sum"] = X["a"] + X["b"]
    augmenter = VAEAugmenter(max_iter=2, random_state=0, relations=["sum == a + b"]).fit(X)
    with pytest.warns(VaeaugWarning, match="share their values of a, b, sum"):
        found, _ = augmenter.sample(600, where={"sum": "<= 10"}, random_state=0)
    assert (found["sum"] <= 10).all()
    assert (found["sum"] == found["a"] + found["b"]).all()
    assert found["other"].nunique() > 500
