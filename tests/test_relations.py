"""What every way to new rows keeps: the rules of the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_loans import LOAN_RULES, make_loans
from sklearn.base import clone

import vaeaug
from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.errors import InputError
from vaeaug.evaluation import rules

LOANS = make_loans(300)
Y = np.where(np.arange(300) < 40, "late", "paid")


@pytest.fixture(scope="module")
def augmenter() -> VAEAugmenter:
    return VAEAugmenter(max_iter=2, random_state=0).fit(LOANS, Y)


WAYS = {
    "sample": lambda a: a.sample(60, "late", random_state=1)[0],
    "hot sample": lambda a: a.sample(60, temperature=2.0, random_state=1)[0],
    "vary": lambda a: a.vary(LOANS[:50], random_state=1),
    "reconstruct": lambda a: a.reconstruct(LOANS[:50]),
    "interpolate": lambda a: a.interpolate(LOANS[:2], LOANS[2:4], steps=5)[0],
    "transfer": lambda a: a.transfer(LOANS[:20], "late", "paid"),
    "inverse_transform": lambda a: a.inverse_transform(a.transform(LOANS[:50])),
    "resample": lambda a: a.resample(LOANS, Y, random_state=1)[0],
}


def broken(rows: pd.DataFrame) -> list[str]:
    """Return the rules that rows break."""
    return [name for name, rule in LOAN_RULES.items() if not rule(rows).all()]


@pytest.mark.parametrize("way", WAYS)
def test_new_rows_keep_the_rules(augmenter, way):
    assert broken(WAYS[way](augmenter)) == []


def test_oversampled_rows_keep_the_rules():
    X, _ = VAEOverSampler(VAEAugmenter(max_iter=2), random_state=0, label_filter=None).fit_resample(LOANS, Y)
    assert len(X) > len(LOANS)
    assert broken(X) == []


def test_relations_are_shown(augmenter):
    table = augmenter.relations_
    assert list(table) == ["kind", "columns", "formula", "rows", "exceptions", "origin", "kept"]
    row = table.set_index("formula").loc["remaining == limit - balance"]
    assert (row["rows"], row["exceptions"], row["origin"], row["kept"]) == (300, 0, "found", "computed")


def test_loaded_model_keeps_the_rules(augmenter, tmp_path):
    augmenter.save(tmp_path / "model.vaeaug")
    loaded = vaeaug.load(tmp_path / "model.vaeaug")
    assert loaded.relations_.equals(augmenter.relations_)
    made = loaded.sample(60, "late", random_state=1)[0]
    pd.testing.assert_frame_equal(made, augmenter.sample(60, "late", random_state=1)[0])
    assert broken(made) == []


def test_without_relations_none_are_looked_for():
    augmenter = VAEAugmenter(relations=None, max_iter=1, random_state=0).fit(LOANS, Y)
    assert augmenter.relations_.empty
    assert broken(augmenter.sample(200, random_state=1)[0])


def test_rows_of_weight_0_break_no_rule():
    spoilt = LOANS.assign(remaining=LOANS["remaining"].where(np.arange(300) >= 30, -1.0))
    weights = (np.arange(300) >= 30).astype(float)
    augmenter = VAEAugmenter(relations=["remaining == limit - balance", "auto"], max_iter=1, random_state=0)
    table = augmenter.fit(spoilt, Y, sample_weight=weights).relations_.set_index("formula")
    row = table.loc["remaining == limit - balance"]
    assert (row["rows"], row["exceptions"]) == (270, 0)
    with pytest.raises(InputError, match="does not hold in 30 of 300 rows"):
        augmenter.fit(spoilt, Y)


def test_rows_that_break_a_declared_rule_are_named_as_the_user_names_them():
    labelled = LOANS.set_axis([f"loan {i}" for i in range(300)])
    augmenter = VAEAugmenter(relations=["role == company"], max_iter=1)
    with pytest.raises(InputError, match=r"rows labelled 'loan \d+'"):
        augmenter.fit(labelled)


def test_a_single_text_is_one_rule():
    augmenter = VAEAugmenter(relations="end >= start", max_iter=1, random_state=0).fit(LOANS)
    assert augmenter.relations_["formula"].tolist() == ["start <= end"]


def test_declared_relations_survive_clone():
    declared = ["end >= start", "subgrade -> grade"]
    augmenter = clone(VAEAugmenter(relations=declared, max_iter=1, random_state=0)).fit(LOANS)
    assert augmenter.relations_["formula"].tolist() == ["start <= end", "subgrade -> grade"]
    assert set(broken(augmenter.sample(100, random_state=1)[0])).isdisjoint({"dates", "grade"})


@pytest.mark.parametrize(
    ("relations", "says"),
    [
        (["end >= begin"], "begin"),
        (["end = start"], "write =="),
        (["role == company"], "does not hold in"),
        ("all", "relations"),
        ([3], "relations"),
    ],
)
def test_relations_that_cannot_be_kept_are_refused_before_work(relations, says):
    augmenter = VAEAugmenter(relations=relations, max_iter=1)
    with pytest.raises((InputError, ValueError), match=says):
        augmenter.fit(LOANS)
    assert not hasattr(augmenter, "relations_")


def test_rules_compares_real_and_new_rows(augmenter):
    new = LOANS.assign(remaining=LOANS["remaining"] + np.where(np.arange(300) < 30, 1, 0))
    table = rules(LOANS, new)
    worst = table.iloc[0]
    assert "remaining" in worst["columns"]
    assert (worst["real"], worst["new"]) == (1.0, 0.9)
    assert (rules(LOANS, augmenter.sample(200, random_state=1)[0])["new"] == 1).all()


def test_sum_with_missing_cells_is_kept_by_rows_that_meet_conditions_and_by_filled_cells():
    rng = np.random.default_rng(0)
    net, tax = rng.integers(100, 999, (2, 300)).astype(float)
    X = pd.DataFrame({"net": net, "tax": tax, "total": net + tax})
    X = X.mask(rng.random(X.shape) < [0.0, 0.05, 0.1])
    augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(X, Y)
    lacking = augmenter.sample(20, where={"total": "is missing"}, random_state=0)[0]
    assert lacking["total"].isna().all()
    for rows in (augmenter.sample(20, where={"total": "> 900"}, random_state=0)[0], augmenter.complete(X)):
        known = rows.dropna()
        assert len(known)
        assert (known["net"] + known["tax"] == known["total"]).all()
