"""A classifier that is perfect without new rows is told of, with the column that makes it so."""

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from vaeaug import VAEAugmenter, VAEOverSampler, assess
from vaeaug.evaluation.assess.giveaway import find_giveaways

RNG = np.random.default_rng(0)
Y = np.repeat(["no", "yes"], [70, 30])


@pytest.mark.parametrize(
    "leak",
    [
        np.where(Y == "yes", 5.0, 1.0) + RNG.random(100),
        np.where(Y == "yes", -1, 1),
        np.where(Y == "yes", "gone", np.where(np.arange(100) % 2, "here", "there")),
        pd.Categorical(np.where(Y == "yes", "a", "b")),
        np.where(Y == "yes", True, False),
    ],
)
def test_the_column_is_found(leak):
    X = pd.DataFrame({"size": RNG.normal(size=100), "town": RNG.choice(["A", "B"], 100), "leak": leak})
    assert find_giveaways(X, Y == "yes") == ["leak"]


def test_other_columns_are_not_suspected():
    X = pd.DataFrame({"good": np.where(Y == "yes", 2.0, 0.0) + RNG.normal(size=100), "one": 1.0})
    X["text"] = [f"word {i}" for i in range(100)]
    X["gaps"] = np.where(Y == "yes", np.nan, 1.0)
    assert find_giveaways(X, Y == "yes") == []
    assert find_giveaways(RNG.random((100, 4, 4)), Y == "yes") == []


@pytest.mark.slow  # all strategies
def test_assess_says_that_nothing_can_be_gained():
    X = pd.DataFrame({"size": RNG.normal(size=100), "leak": np.where(Y == "yes", 5.0, 1.0) + RNG.random(100)})
    sampler = VAEOverSampler(VAEAugmenter(max_iter=1, random_state=0), random_state=0)
    found = assess(DecisionTreeClassifier(), X, Y, sampler=sampler, cv=2, n_repeats=1, ratios=[1.0])
    assert found.verdict == "no evidence of help"
    assert "nothing to gain" in found.sentence
    assert "'leak' separates the classes alone" in found.summary().replace("\n", " ")
    assert "nothing to gain" in found.to_html()
