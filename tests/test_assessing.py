"""`vaeaug.assess`: VAEOverSampler beside the alternatives, fitted once a fold."""

import numpy as np
import pytest
from jitter import Jitter
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

import vaeaug
from vaeaug import VAEAugmenter, VAEOverSampler, assess
from vaeaug.evaluation.neighbours import Smote

QUICK = {"cv": 3, "n_repeats": 1, "random_state": 0}


@pytest.fixture(scope="module")
def rare():
    return make_classification(n_samples=160, n_features=4, weights=[0.8], flip_y=0.02, random_state=0)


def test_it_is_part_of_the_face():
    assert vaeaug.assess is assess


def test_the_verdict_is_about_the_oversampler_at_several_ratios(rare):
    Jitter.fits = 0
    found = assess(LogisticRegression(), *rare, sampler=VAEOverSampler(Jitter(), method="prior"), **QUICK)
    ours = [arm for arm in found.table.index if arm.startswith("VAEOverSampler")]
    assert len(ours) == 3
    assert found.subjects == tuple(ours)
    assert "VAEOverSampler" in found.sentence
    assert (found.table["status"] == "ok").all()
    # One fit a fold serves every ratio, and the choice of thresholds.
    assert Jitter.fits == 3


def test_variations_of_real_rows_are_made_anew_where_thresholds_are_chosen(rare):
    Jitter.fits = 0
    sampler = VAEOverSampler(Jitter(), method="posterior")
    assess(LogisticRegression(), *rare, sampler=sampler, ratios=[1.0], **QUICK)
    assert Jitter.fits == 3 * (1 + 3)


def test_another_sampler_is_judged_with_the_oversampler_beside_it(rare, monkeypatch):
    monkeypatch.setattr("vaeaug.assessing.VAEOverSampler", lambda: VAEOverSampler(Jitter()))
    monkeypatch.setattr("vaeaug.assessing.isinstance", lambda thing, kind: False, raising=False)
    found = assess(LogisticRegression(), *rare, sampler={"mine": Smote()}, ratios=[0.5, 1.0], **QUICK)
    assert found.subjects == ("mine",)
    assert "VAEOverSampler (ratio 0.5)" in found.table.index


def test_with_the_real_model(rare):
    X, y = rare[0], np.where(rare[1] == 1, "yes", "no")
    sampler = VAEOverSampler(VAEAugmenter(max_iter=1))
    found = assess(
        LogisticRegression(), X, y, sampler=sampler, ratios=[1.0], cv=2, n_repeats=1, random_state=0
    )
    assert (found.table["status"] == "ok").all()
    assert found.table.loc["VAEOverSampler (ratio 1)", "seconds"] > found.table.loc["nothing", "seconds"]
