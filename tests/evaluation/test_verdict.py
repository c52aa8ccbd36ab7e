"""Verdicts on made-up scores: the answer follows the interval, the sentence says what to use."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from vaeaug.evaluation.assess.metrics import METRICS
from vaeaug.evaluation.assess.statistics import Difference
from vaeaug.evaluation.assess.verdict import Answer, Comparison, judge

AP = METRICS["average_precision"]


def comparison(folds=10, noise=0.01, **gains):
    """Strategies whose average precision and balanced accuracy are .5 plus a gain, with noise by fold."""
    rng = np.random.default_rng(0)
    rows = {}
    for name, gain in {"nothing": 0.0, **gains}.items():
        ranking, decisions = gain if isinstance(gain, tuple) else (gain, 0.0)
        for fold in range(folds):
            rows[name.replace("_", " "), fold] = {
                "average_precision": 0.5 + ranking + noise * rng.normal(),
                "balanced_accuracy": 0.6 + decisions + noise * rng.normal(),
                "log_loss": 0.4 - ranking + noise * rng.normal(),
            }
    index = pd.MultiIndex.from_tuples(list(rows), names=["arm", "fold"])
    return Comparison(pd.DataFrame(list(rows.values()), index=index), 0.25)


def verdict(found, metric=AP, subjects=("ours",)):
    return judge(replace(found, subjects=subjects), metric, name="Ours", estimator="a tree")


@pytest.mark.parametrize(
    ("gain", "answer"), [(0.1, Answer.HELPS), (0.0, Answer.NO_EVIDENCE), (-0.1, Answer.HURTS)]
)
def test_the_answer_follows_the_interval(gain, answer):
    assert verdict(comparison(ours=gain)).answer == answer


@pytest.mark.parametrize(("gain", "answer"), [(0.1, Answer.HELPS), (-0.1, Answer.HURTS)])
def test_losses_count_the_other_way_round(gain, answer):
    found = verdict(comparison(ours=gain), METRICS["log_loss"])
    assert found.answer == answer
    assert ("falls" if gain > 0 else "rises") in found.sentence


def test_noise_alone_rarely_helps():
    rng = np.random.default_rng(1)
    answers = []
    for _ in range(150):
        # Differences that share a fifth of their variance, as training folds share rows.
        shared = rng.normal(size=(3, 1)) * np.sqrt(0.2) + rng.normal(size=(3, 10)) * np.sqrt(0.8)
        frame = pd.DataFrame(
            {"average_precision": np.concatenate([np.zeros(10), shared.ravel() / 100])},
            index=pd.MultiIndex.from_product([["nothing", "a", "b", "c"], range(10)], names=["arm", "fold"]),
        )
        answers.append(verdict(Comparison(frame, 0.25), subjects=("a", "b", "c")).answer)
    assert np.mean([answer == Answer.HELPS for answer in answers]) <= 0.05


def test_the_best_of_several_is_judged():
    found = verdict(comparison(low=-0.1, high=0.1), subjects=("low", "high"))
    assert (found.answer, found.subject) == (Answer.HELPS, "high")


def test_hurting_at_every_ratio_hurts():
    found = verdict(comparison(low=-0.2, high=-0.1), subjects=("low", "high"))
    assert found.answer == Answer.HURTS
    assert "the best of 2 ways" in found.sentence


def test_something_simpler_that_does_as_well_is_named():
    found = verdict(comparison(class_weights=0.1, ours=0.1))
    assert found.answer == Answer.HELPS
    assert "class weights do as well" in found.advice


def test_nothing_simpler_does_as_well():
    found = verdict(comparison(class_weights=0.01, ours=0.1))
    assert "Nothing simpler does as well" in found.advice
    assert found.advice.count("Use ours.") == 1


def test_without_help_the_better_strategy_is_named():
    found = verdict(comparison(class_weights=0.1, ours=0.0))
    assert found.answer == Answer.NO_EVIDENCE
    assert "Use class weights instead" in found.advice


def test_without_any_help_rows_stay_as_they_are():
    assert "Train on the rows as they are." in verdict(comparison(class_weights=0.0, ours=0.0)).advice


def test_a_threshold_is_pointed_out_where_only_decisions_improve():
    found = verdict(comparison(tuned_threshold=(0.0, 0.2), ours=(0.0, 0.2)))
    assert found.answer == Answer.NO_EVIDENCE
    assert "move the decision threshold" in found.advice
    assert "0.599 becomes 0.801 with a tree alone" in found.advice


def test_a_threshold_is_no_alternative_for_ranking():
    assert "tuned threshold" not in verdict(comparison(tuned_threshold=0.0, ours=0.1)).advice


def test_nothing_to_judge():
    found = verdict(comparison(class_weights=0.1), subjects=("gone",))
    assert (found.answer, found.subject) == (Answer.NO_EVIDENCE, None)
    assert "could not be judged" in found.sentence


def expecting(mean, spread, measured=None):
    """Evidence that expects the same of every strategy but boosted trees, which bring .3."""

    class Expecting:
        def judge(self, strategy, metric, moved, **options):
            centre = 0.3 if strategy == "boosted trees" else mean
            rises = float(ndtr(centre / spread))
            low, high = centre - 1.96 * spread, centre + 1.96 * spread
            return Difference(centre, low, high, 0.1, spread, rises, moved if measured is None else measured)

    return Expecting()


@pytest.mark.parametrize(
    ("mean", "answer"), [(0.002, Answer.NO_EVIDENCE), (0.004, Answer.NO_EVIDENCE), (0.006, Answer.PROBABLY)]
)
def test_negligible_gains_are_no_help(mean, answer):
    found = verdict(replace(comparison(ours=0.01), evidence=expecting(mean, 0.8 * mean)))
    assert found.probability > 0.8
    assert found.answer == answer
    assert ("no practical difference" in found.sentence) == (answer == Answer.NO_EVIDENCE)


def test_what_helps_more_leads():
    found = verdict(replace(comparison(ours=0.03, boosted_trees=0.3), evidence=expecting(0.03, 0.02)))
    assert found.lead == "another classifier does better without new rows: boosted trees"
    assert verdict(comparison(ours=0.1)).lead == ""


def test_what_helps_more_is_what_to_use():
    found = verdict(replace(comparison(ours=0.03, boosted_trees=0.3), evidence=expecting(0.03, 0.02)))
    assert found.answer == Answer.PROBABLY
    assert found.use == "boosted trees"
    assert "Use boosted trees without new rows; to stay with a tree, use ours." in found.advice
    assert found.advice.count("Use ") == 1
    assert "Nothing simpler" not in found.advice


@pytest.mark.parametrize("gain", [0.1, 0.02, 0.0, -0.1])
@pytest.mark.parametrize("other", [{}, {"random forest": 0.05}, {"boosted trees": 0.2}])
@pytest.mark.parametrize("simple", [{}, {"class weights": 0.0}, {"class weights": 0.1}, {"SMOTE": 0.1}])
@pytest.mark.parametrize("is_blended", [False, True])
def test_verdict_sentence_and_advice_agree(gain, other, simple, is_blended):
    best = "VAEOverSampler, blended" if is_blended else "VAEOverSampler"
    rest = "VAEOverSampler" if is_blended else "VAEOverSampler, blended"
    gains = {best: gain, rest: gain - 0.02} | other | simple
    told = Told(**{name: (value, 0.02) for name, value in gains.items()}, nothing=(0.0, 0.02))
    found = verdict(replace(comparison(**gains), evidence=told), subjects=(best, rest))
    helps = found.answer in (Answer.HELPS, Answer.PROBABLY)
    asked = [text for text in ("Use ", "use it", "use them", "Train on") if text in found.advice]
    assert len(asked) == 1  # one next step
    assert found.use == max({"nothing": 0.0, **gains}, key=lambda name: {"nothing": 0.0, **gains}[name]) or (
        # What costs less comes first.
        found.use in simple and helps
    )
    # What is used instead of new rows that help is in the headline.
    assert bool(found.lead) == (found.use in other or (helps and found.use in simple))
    assert ("to stay with a tree" in found.advice) == (found.use in other and helps)
    assert (
        ("without new rows" in found.lead)
        == ("without new rows" in found.advice)
        == (found.use in other and helps)
    )
    assert ("blend=True" in found.advice) == (
        helps
        and is_blended
        and found.use not in simple
        and (found.use not in other or not simple or simple.get("class weights") == 0.0)
    )
    assert ", blended probably" not in found.sentence
    assert ", blended helps" not in found.sentence


@pytest.mark.parametrize(
    ("simple", "gain", "says", "lead"),
    [
        ("class weights", 0.1, "But class weights do better (", "class weights do better and cost less"),
        (
            "class weights",
            0.05,
            "But class weights do as well, within the noise (",
            "class weights do as well and cost less",
        ),
        ("SMOTE", 0.05, "), and costs less: use it first.", "SMOTE does as well and costs less"),
    ],
)
def test_what_costs_less_comes_first(simple, gain, says, lead):
    told = Told(**{"ours": (0.05, 0.01), simple: (gain, 0.01)})
    found = verdict(replace(comparison(**{"ours": 0.05, simple: gain}), evidence=told))
    assert says in found.advice
    assert found.lead == lead
    assert found.use == simple


@pytest.mark.parametrize(
    ("simple", "says"),
    [
        ("SMOTE", "use SMOTE, which does as well and costs less."),
        ("class weights", "use class weights, which do as well and cost less."),
    ],
)
def test_what_costs_less_beside_a_better_classifier_says_why(simple, says):
    gains = {"ours": (0.05, 0.01), simple: (0.05, 0.01), "boosted trees": (0.2, 0.01)}
    found = replace(comparison(**{name: gain for name, (gain, _) in gains.items()}), evidence=Told(**gains))
    assert f"to stay with a tree, {says}" in verdict(found).advice


def test_several_classifiers_are_named_in_words():
    gains = {"ours": (0.0, 0.01), "boosted trees": (0.1, 0.01), "the three together": (0.2, 0.01)}
    names = {name: value for name, (value, _) in gains.items()}
    found = verdict(replace(comparison(**names), evidence=Told(**gains)))
    words = "boosted trees, a random forest and a logistic regression together"
    assert found.lead == f"another classifier does better: {words}"
    assert "bring +0.200" in found.advice
    assert found.advice.endswith("Use the three together.")


class Told:
    """Evidence that expects a given gain of each strategy."""

    def __init__(self, **gains):
        self.gains = {name.replace("_", " "): gain for name, gain in gains.items()}

    def judge(self, strategy, metric, moved, *, than="nothing", **options):
        mean, spread = self.gains[strategy]
        if than != "nothing":
            mean -= self.gains[than][0]
        return Difference(mean, mean - 2 * spread, mean + 2 * spread, 0.1, spread, float(ndtr(mean / spread)))


def test_the_next_best_is_told_by_what_is_to_be_expected():
    found = comparison(ours=0.1, duplicates=0.05, SMOTE=0.04)
    told = Told(ours=(0.1, 0.01), duplicates=(0.005, 0.01), SMOTE=(0.02, 0.01))
    assert "the next best is SMOTE: expect +0.020" in verdict(replace(found, evidence=told)).advice
    worse = Told(ours=(0.1, 0.01), duplicates=(-0.005, 0.01), SMOTE=(-0.02, 0.01))
    advice = verdict(replace(found, evidence=worse)).advice
    assert "the others gain nothing over the rows as they are. Use ours." in advice


def test_a_ratio_with_less_score_than_another_is_explained():
    found = comparison(low=0.09, high=0.05)
    told = Told(low=(0.01, 0.01), high=(0.03, 0.01))
    chosen = verdict(replace(found, evidence=told), subjects=("low", "high"))
    assert chosen.subject == "high"
    assert "chosen for the largest gain to expect" in chosen.advice
    assert "is chosen" not in verdict(comparison(low=0.05, high=0.1), subjects=("low", "high")).advice


def test_a_measured_gain_far_from_the_expected_one_is_explained():
    far = replace(comparison(ours=0.1), evidence=expecting(0.01, 0.008, measured=0.1))
    near = replace(comparison(ours=0.1), evidence=expecting(0.09, 0.03, measured=0.1))
    assert "The folds measured +0.100, which is uncertain" in verdict(far).advice
    assert "The folds measured" not in verdict(near).advice
