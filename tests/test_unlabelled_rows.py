"""Rows without a label teach what rows look like."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_tables import made_labels, made_table

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError


def hide(y: pd.Series, value: object) -> object:
    """Return labels of which every second one is missing."""
    return [value if i % 2 else label for i, label in enumerate(y)]


@pytest.mark.parametrize("value", [None, np.nan, pd.NA])
def test_labels_may_be_missing(value):
    X, y = made_table(200), made_labels(200)
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, hide(y, value))
    assert augmenter.classes_.tolist() == ["high", "low", "mid"]
    found, labels = augmenter.sample(50, random_state=0)
    assert set(labels) <= {"high", "low", "mid"}
    assert len(augmenter.sample(5, y="high", random_state=0)[0]) == 5
    assert len(augmenter.vary(X[:10], hide(y[:10], value), random_state=0)) == 10


def test_numbers_may_be_missing(numbers):
    X, _ = numbers
    y = X[:, 0].copy()
    y[::3] = np.nan
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, y)
    assert np.isfinite(augmenter.sample(20, random_state=0)[1]).all()


def test_unlabelled_rows_are_learned_from():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"size": rng.normal(size=600), "kind": rng.choice(["a", "b"], 600)})
    X.loc[300:, "kind"] = "c"
    y = pd.Series(["no", "yes"] * 150 + [None] * 300)
    augmenter = VAEAugmenter(max_iter=3, random_state=0).fit(X, y)
    assert (augmenter.reconstruct(X[300:])["kind"] == "c").mean() > 0.9
    assert (augmenter.sample(20, where={"kind": "c"}, random_state=0)[0]["kind"] == "c").all()


def test_classes_are_learned_from_labelled_rows():
    rng = np.random.default_rng(0)
    y = np.repeat(["no", "yes"], [500, 100])
    X = pd.DataFrame({"size": rng.normal(size=600) + 4 * (y == "yes"), "other": rng.normal(size=600)})
    X["twice"] = 2 * X["size"] + rng.normal(size=600)
    shown = pd.Series(y).where(rng.random(600) < 0.3)
    augmenter = VAEAugmenter(max_iter=10, random_state=0).fit(X, shown)
    means = [augmenter.sample(200, y=label, random_state=0)[0]["size"].mean() for label in ("no", "yes")]
    assert means[1] - means[0] > 2.5


def test_balancing_needs_every_label():
    X, y = made_table(120), made_labels(120)
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X, hide(y, None))
    with pytest.raises(InputError, match="missing"):
        augmenter.resample(X, hide(y, None))
