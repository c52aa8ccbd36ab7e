"""Missing cells filled, and rows some of whose cells are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_loans import LOAN_RULES, make_loans
from made_tables import CONTAINERS, made_labels, made_table

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return made_table(300)


@pytest.fixture(scope="module")
def augmenter(table) -> VAEAugmenter:
    return VAEAugmenter(max_iter=3, random_state=0).fit(table, made_labels(300))


def test_missing_cells_are_filled_and_others_kept(augmenter, table):
    before = table.copy()
    found = augmenter.complete(table, random_state=0)
    assert not found.isna().to_numpy().any()
    assert found.dtypes.equals(table.dtypes)
    assert found.index.equals(table.index)
    assert found.where(table.notna()).equals(table.where(table.notna()))
    assert table.equals(before)


def test_draws_differ_and_a_seed_repeats_them(augmenter, table):
    first = augmenter.complete(table, draws=2, random_state=0)
    again = augmenter.complete(table, draws=2, random_state=0)
    assert not first[0].equals(first[1])
    assert all(a.equals(b) for a, b in zip(first, again, strict=True))


def test_only_some_columns_are_filled(augmenter, table):
    some = [name for name in table if table[name].isna().any()][:2]
    found = augmenter.complete(table, columns=some[:1], random_state=0)
    assert found[some[0]].notna().all()
    pd.testing.assert_frame_equal(found.drop(columns=some[0]), table.drop(columns=some[0]))
    everything = augmenter.complete(table, columns=list(table), random_state=0)
    pd.testing.assert_frame_equal(everything, augmenter.complete(table, random_state=0))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["nobody"], "columns names 'nobody', which is no column of X"),
        ("size", "For one column, pass a list"),
    ],
)
def test_columns_that_are_not_there_are_refused(augmenter, table, columns, words):
    with pytest.raises(InputError, match=words):
        augmenter.complete(table, columns=columns)


def test_progress_is_shown_if_asked_for(augmenter, table, capsys, monkeypatch):
    monkeypatch.setattr("vaeaug.model.complete._DELAY", 0)
    augmenter.complete(table)
    assert not capsys.readouterr().err
    augmenter.verbose = 1
    try:
        augmenter.complete(table, draws=2)
    finally:
        augmenter.verbose = 0
    rows = 2 * table.isna().any(axis=1).sum()
    assert f"{rows}/{rows}" in capsys.readouterr().err


def test_a_long_completion_is_told(augmenter, table, caplog, monkeypatch):
    monkeypatch.setattr("vaeaug.model.complete._CHUNK", 64)
    monkeypatch.setattr("vaeaug.model.complete._LONG", 0)
    with caplog.at_level("INFO", logger="vaeaug"):
        augmenter.complete(table)
    assert [record.getMessage()[:35] for record in caplog.records] == ["Filling the cells will take up to a"]


def test_a_table_with_nothing_missing_comes_back_as_it_is(augmenter, table):
    whole = table.dropna()
    found = augmenter.complete(whole)
    assert found.equals(whole)
    assert found is not whole


def test_a_row_without_any_cell_is_drawn_from_the_prior(augmenter, table):
    nothing = table[:150].copy()
    for column in nothing:
        nothing[column] = pd.Series([None] * 150, index=nothing.index, dtype=object)
    found = augmenter.complete(nothing, random_state=0)
    assert not found.isna().to_numpy().any()
    assert found["town"].nunique() == 3
    assert found["size"].astype(float).std() > 0.3


def test_filled_cells_follow_from_observed_ones():
    rng = np.random.default_rng(0)
    size = rng.normal(size=800)
    X = pd.DataFrame(
        {
            "double": 2 * size + 0.1 * rng.normal(size=800),
            "sign": np.where(size > 0, "up", "down"),
            "size": size,
        }
    )
    augmenter = VAEAugmenter(max_iter=15, random_state=0, relations=None).fit(X)
    holes = X[:200].copy()
    holes.loc[:99, "double"] = None
    holes.loc[100:, "sign"] = None
    found = augmenter.complete(holes, random_state=0)
    assert np.corrcoef(found["double"][:100], X["double"][:100])[0, 1] > 0.8
    assert (found["sign"][100:] == X["sign"][100:200]).mean() > 0.8


def test_the_label_is_used(augmenter, table):
    holes = table[:200].copy()
    holes[list(set(table) - {"constant"})] = None
    means = [
        augmenter.complete(holes, label, random_state=0)["size"].astype(float).mean()
        for label in ("low", "high")
    ]
    assert means[0] < means[1]


@pytest.mark.parametrize("name", ["float64 array", "float32 array", "nullable frame"])
def test_every_container_comes_back(numbers, name):
    X = CONTAINERS[name](numbers[0])
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X)
    holes = X.copy()
    if isinstance(holes, pd.DataFrame):
        holes.iloc[:5, 1] = None
    else:
        holes[:5, 1] = np.nan
    found = augmenter.complete(holes, random_state=0)
    assert type(found) is type(X)
    assert not pd.isna(pd.DataFrame(found)).to_numpy().any()
    assert getattr(found, "dtypes", getattr(found, "dtype", None)) is not None
    assert (pd.DataFrame(found).iloc[5:].to_numpy() == pd.DataFrame(X).iloc[5:].to_numpy()).all()


def test_filled_rows_keep_the_rules():
    X = make_loans(300)
    augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(X)
    rng = np.random.default_rng(0)
    holes = X[:100].astype(object)
    for i in range(100):
        holes.iloc[i, rng.integers(X.shape[1])] = None
    holes = pd.DataFrame({c: holes[c].infer_objects() for c in holes}, index=X.index[:100])
    found = augmenter.complete(holes, random_state=0)
    assert not found.isna().to_numpy()[X[:100].notna().to_numpy()].any()
    kept = {name: np.mean(rule(found.astype(X.dtypes))) for name, rule in LOAN_RULES.items()}
    # That nobody but those who never smoked did so for 0 years is no rule of the model.
    assert kept.pop("years") > 0.9
    assert min(kept.values()) == 1


def test_unknown_draws_and_images_are_refused(augmenter, table):
    with pytest.raises(InputError, match="draws must be an integer >= 1; got 0"):
        augmenter.complete(table, draws=0)
    images = VAEAugmenter(max_iter=1, random_state=0).fit(np.random.default_rng(0).random((20, 8, 8)))
    with pytest.raises(InputError, match="fills the cells of a table"):
        images.complete(np.zeros((2, 8, 8)))


def test_given_cells_come_back_and_the_rest_is_drawn(augmenter, table):
    given = pd.DataFrame({"town": ["Cork", None, "Aix"] * 10, "size": np.linspace(-1, 1, 30)})
    found, labels = augmenter.sample(given=given, random_state=0)
    assert found.dtypes.equals(table.dtypes)
    assert len(labels) == 30
    assert found["size"].equals(given["size"])
    assert (found["town"] == given["town"])[given["town"].notna()].all()
    assert found["count"].nunique() > 3


@pytest.mark.filterwarnings("ignore::vaeaug.errors.PosteriorCollapseWarning")
def test_labels_follow_from_given_cells():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b"], 300)
    X = pd.DataFrame({"size": rng.normal(size=600) + 4 * (y == "b"), "noise": rng.normal(size=600)})
    augmenter = VAEAugmenter(max_iter=8, random_state=0).fit(X, y)
    _, labels = augmenter.sample(given=pd.DataFrame({"size": [-1.0, 5.0] * 30}), random_state=0)
    assert (labels[::2] == "a").mean() > 0.8
    assert (labels[1::2] == "b").mean() > 0.8


@pytest.fixture(scope="module")
def of_churn() -> VAEAugmenter:
    rng = np.random.default_rng(0)
    y = pd.Series(["no", "yes"] * 20, name="churn")
    return VAEAugmenter(max_iter=1, latent_dim=2, random_state=0).fit(
        pd.DataFrame({"fee": rng.normal(size=40)}), y
    )


@pytest.mark.parametrize(
    ("cells", "label"),
    [
        (["yes", "yes"], "y='yes'"),
        (["yes", "no"], r"y=given\['churn'\]"),
        (["yes", None], r"y=given\['churn'\]"),
        ([None, None], "y='no'"),
    ],
)
def test_given_labels_are_to_be_passed_as_y(of_churn, cells, label):
    given = pd.DataFrame({"fee": [0.5, 1.0], "churn": cells})
    with pytest.raises(InputError, match=f"given names 'churn'.* but the target; pass {label} for it"):
        of_churn.sample(given=given)


@pytest.mark.parametrize(("asked", "label"), [("yes", "y='yes'"), ("!= no", "y='no'")])
def test_a_condition_on_the_target_is_to_be_passed_as_y(of_churn, asked, label):
    with pytest.raises(InputError, match=f"where names 'churn'.* but the target; pass {label} for it"):
        of_churn.sample(where={"churn": asked})


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]"])
def test_whole_numbers_are_filled_with_fractions_where_fit_had_some(dtype):
    rng = np.random.default_rng(0)
    learned = pd.DataFrame({"price": rng.integers(100, 900, 60) / 100, "count": rng.integers(1, 9, 60)})
    model = VAEAugmenter(max_iter=1, latent_dim=2, random_state=0).fit(learned)
    X = pd.DataFrame({"price": [2, None, 3, None, None], "count": [1, None, None, 2, None]}).astype(dtype)
    found = model.complete(X, random_state=0)
    assert found["price"][[0, 2]].tolist() == [2.0, 3.0]
    assert (found["price"].astype(float) % 1 > 0).any()
    assert found["count"].dtype == dtype
    assert not found.isna().to_numpy().any()


def test_booleans_of_which_some_are_missing_are_filled_by_a_model_of_whole_columns():
    learned = pd.DataFrame({"flag": [True, False, True] * 20, "size": np.arange(60) % 9 / 2})
    model = VAEAugmenter(max_iter=1, latent_dim=2, random_state=0).fit(learned)
    X = pd.DataFrame({"flag": pd.array([True, None], dtype="boolean"), "size": [3.0, 5.0]})
    found = model.complete(X, random_state=0)
    assert found["flag"].dtype == "boolean"
    assert found["flag"].notna().all()


def test_given_columns_of_arrays_are_named_by_position(numbers):
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(*numbers)
    found, _ = augmenter.sample(given=pd.DataFrame({1: [0.5, 0.25]}), y=1, random_state=0)
    assert found[:, 1].tolist() == [0.5, 0.25]


def test_given_cells_and_rules():
    X = pd.DataFrame({"net": np.arange(100) % 37, "tax": np.arange(100) % 11})
    X["total"] = X["net"] + X["tax"]
    X["noise"] = np.random.default_rng(0).normal(size=100)
    augmenter = VAEAugmenter(max_iter=1, random_state=0, relations=["total == net + tax"]).fit(X)
    found, _ = augmenter.sample(given=X[["net", "tax"]], random_state=0)
    assert found["total"].equals(X["total"])
    found, _ = augmenter.sample(given=X[["total", "net"]].assign(tax=None), random_state=0)
    assert found["tax"].equals(X["tax"])
    found, _ = augmenter.sample(given=X[["total", "net"]], random_state=0)
    assert found["tax"].equals(X["tax"])


@pytest.fixture(scope="module")
def ruled():
    """Return a model of a table with a sum, a lookup, a bound and a value that is implied."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"city": rng.choice(["Bonn", "Koeln", "Paris", "Madrid"], 300)})
    X["country"] = X["city"].map({"Bonn": "DE", "Koeln": "DE", "Paris": "FR", "Madrid": "ES"})
    X["net"], X["tax"] = rng.integers(1, 100, 300), rng.integers(1, 20, 300)
    X["total"] = X["net"] + X["tax"]
    X["start"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 300), "D")
    X["end"] = X["start"] + pd.to_timedelta(rng.integers(0, 100, 300), "D")
    X["smoker"] = rng.choice(["yes", "no"], 300)
    X["packs"] = np.where(X["smoker"] == "no", 0, rng.integers(0, 5, 300))
    rules = ["total == net + tax", "city -> country", "start <= end", "smoker == 'no' implies packs == 0"]
    return VAEAugmenter(max_iter=1, random_state=0, relations=rules).fit(X)


CONTRADICTIONS = {
    "sum": ({"net": 5, "tax": 6, "total": 90}, "total == net + tax"),
    "lookup": ({"city": "Koeln", "country": "ES"}, "city -> country"),
    "bound": ({"start": pd.Timestamp("2024-05-01"), "end": pd.Timestamp("2024-04-01")}, "start <= end"),
    "implied": ({"smoker": "no", "packs": 3}, "smoker == 'no' implies packs == 0"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_given_cells_that_contradict_a_rule_are_refused(ruled, name):
    cells, rule = CONTRADICTIONS[name]
    given = pd.DataFrame([dict.fromkeys(cells), cells, cells], index=["a", "b", "c"])
    for column, value in cells.items():
        if isinstance(value, pd.Timestamp):
            given[column] = pd.to_datetime(given[column])
    with pytest.raises(InputError) as caught:
        ruled.sample(given=given)
    said = str(caught.value)
    assert "given: 2 rows of 3 cannot be made" in said
    assert rule in said
    assert "first in row 'b', where" in said
    assert all(f"{column} is {value}" in said for column, value in cells.items())


def test_given_cells_that_keep_the_rules_are_no_contradiction(ruled):
    X, _ = ruled.sample(50, random_state=0)
    found, _ = ruled.sample(given=X, random_state=0)
    assert found.equals(X)


def test_given_cells_may_break_a_rule_that_has_exceptions():
    X = pd.DataFrame({"low": np.arange(200) % 50, "high": np.arange(200) % 50 + 5})
    X.loc[7, "high"] = 0
    rules = {"relations": ["low <= high"], "on_violation": "keep"}
    augmenter = VAEAugmenter(max_iter=1, random_state=0, **rules).fit(X)
    given = pd.DataFrame({"low": [30], "high": [3]})
    assert augmenter.sample(given=given)[0].equals(given)


WRONG = {
    "column": (pd.DataFrame({"age": [3]}), {}, "given names 'age', which is no column of X"),
    "category": (pd.DataFrame({"town": ["Aix", "Rome"]}), {}, "no training row has 'town' equal to 'Rome'"),
    "type": (pd.DataFrame({"size": ["tall"]}), {}, "'size' held numbers in fit"),
    "length": (
        pd.DataFrame({"size": [1.0, 2.0]}),
        {"n_samples": 5},
        "given has 2 rows, but 5 are to be made",
    ),
    "labels": (pd.DataFrame({"size": [1.0, 2.0]}), {"y": ["low"] * 3}, "y has 3 labels, but 2 rows"),
    "no frame": ({"size": 1.0}, {}, "given must be a DataFrame"),
    "method": (pd.DataFrame({"size": [1.0]}), {"method": "posterior"}, "given goes with method='prior'"),
    "where": (pd.DataFrame({"size": [1.0]}), {"where": {"town": "Aix"}}, "takes where or given"),
}


@pytest.mark.parametrize("name", WRONG)
def test_given_cells_that_do_not_fit_are_refused(augmenter, name):
    given, options, message = WRONG[name]
    calls = augmenter.calls_
    with pytest.raises(InputError, match=message):
        augmenter.sample(given=given, **options)
    assert augmenter.calls_ == calls
