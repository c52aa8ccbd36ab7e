"""LabelFilter: drops what looks like another class and what copies a row, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from vaeaug.errors import InputError, UnknownLabelError
from vaeaug.filtering import LabelFilter


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))[:900]
    images, labels = X[order].reshape(-1, 8, 8).astype(np.uint8), y[order]
    return images[:600], labels[:600], images[600:], labels[600:]


@pytest.fixture(scope="module")
def fitted(digits):
    return LabelFilter(random_state=0).fit(digits[0], digits[1])


def table(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return pd.DataFrame(
        {
            "size": rng.normal(size=n) + 4 * y,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "colour": pd.Categorical(np.where(rng.random(n) < 0.9, y, 1 - y), categories=[0, 1, 7]),
            "word": rng.choice(["a", "b", None], n),
        }
    ), np.where(y == 1, "yes", "no")


def test_unseen_real_images_pass(digits, fitted):
    counts = fitted.judge(digits[2], digits[3]).counts.sum()
    # At most `closeness` of 300 are duplicates: 3, within three binomial standard deviations.
    assert counts["duplicate"] <= 3 + 3 * np.sqrt(3)
    assert counts["label"] <= 6 + 3 * np.sqrt(6)


def test_wrong_labels_are_dropped(digits, fitted):
    verdict = fitted.judge(digits[2], (digits[3] + 1) % 10)
    assert (verdict.reasons == "label").mean() > 0.95


def test_copies_are_dropped(digits, fitted):
    noise = np.random.default_rng(0).normal(0, 0.3, digits[0].shape)
    verdict = fitted.judge(digits[0] + noise, digits[1])
    assert (verdict.reasons == "duplicate").mean() > 0.95


def test_counts_say_what_happened_to_each_class(digits, fitted):
    labels = digits[3].copy()
    labels[labels == 3] = 8
    verdict = fitted.judge(digits[2], labels)
    assert verdict.counts["made"].sum() == len(labels)
    assert (verdict.counts[["kept", "label", "duplicate"]].sum(axis=1) == verdict.counts["made"]).all()
    assert verdict.counts.loc[8, "label"] >= 0.9 * (digits[3] == 3).sum()
    assert verdict.counts.loc[3, "made"] == 0
    assert (verdict.keep == (verdict.reasons == "")).all()
    assert verdict.counts["kept"].sum() == fitted.keep(digits[2], labels).sum()


def test_a_sample_is_judged_by_itself(digits, fitted):
    whole = fitted.judge(digits[2], digits[3]).reasons
    parts = [fitted.judge(digits[2][i : i + 50], digits[3][i : i + 50]).reasons for i in range(0, 300, 50)]
    assert (whole == np.concatenate(parts)).all()


def test_large_images_are_compared_on_principal_components(digits):
    large = np.kron(digits[0], np.ones((1, 2, 2), np.uint8))
    judge = LabelFilter(random_state=0).fit(large, digits[1])
    assert judge._projection is not None
    new = np.kron(digits[2], np.ones((1, 2, 2), np.uint8))
    assert judge.keep(new, digits[3]).mean() > 0.9
    assert not judge.keep(large, digits[1]).any()


def test_tables_of_every_kind():
    X, y = table(300, 0)
    judge = LabelFilter(random_state=0).fit(X, y)
    new, labels = table(200, 1)
    wrong = np.where(labels == "yes", "no", "yes")
    assert judge.keep(new, labels).mean() > 0.93
    assert (judge.judge(new, wrong).reasons == "label").mean() > 0.85
    assert not judge.keep(X, y).any()


def test_a_category_first_met_in_samples_shifts_nothing():
    X, y = table(300, 0)
    judge = LabelFilter(random_state=0).fit(X, y)
    new, labels = table(200, 1)
    before = judge.judge(new, labels).reasons
    odd = new.head(1).assign(colour=pd.Categorical([7], categories=[7, 1, 0]), word="never seen")
    odd = pd.concat([new.astype({"colour": object}), odd.astype({"colour": object})])
    assert (judge.judge(odd, np.append(labels, labels[0])).reasons[:-1] == before).all()


def test_classes_that_overlap_in_truth_are_not_stripped():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [900, 60])  # the rare class lies inside the frequent one
    X = rng.normal(size=(960, 3)) * np.where(y == 1, 0.6, 1.0)[:, None]
    judge = LabelFilter(LogisticRegression(), closeness=None, random_state=0).fit(X, y)
    rare = rng.normal(size=(400, 3)) * 0.6
    assert judge.estimator is not None
    # 2 % of real rows of the class would be dropped; within the noise of 60 rows.
    assert judge.keep(rare, np.ones(400, dtype=int)).mean() > 0.85


def test_values_that_repeat_by_nature_are_no_copies():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 2, (300, 4)), rng.integers(0, 2, 300)
    judge = LabelFilter(tolerance=None, random_state=0).fit(X, y)
    assert judge.keep(X, y).all()


@pytest.mark.parametrize(("option", "reason"), [("tolerance", "label"), ("closeness", "duplicate")])
def test_each_check_can_be_left_out(digits, option, reason):
    judge = LabelFilter(**{option: None}, random_state=0).fit(digits[0], digits[1])
    images, labels = np.concatenate([digits[0], digits[2]]), np.concatenate([digits[1], (digits[3] + 1) % 10])
    counts = judge.judge(images, labels).counts.sum()
    assert counts[reason] == 0
    assert counts["kept"] < 610


def test_the_same_seed_gives_the_same_verdicts(digits, fitted):
    again = clone(fitted).fit(digits[0], digits[1])
    assert (again.thresholds_ == fitted.thresholds_).all()
    assert (again.radii_ == fitted.radii_).all()


def test_a_class_of_one_row_is_not_judged_by_models_that_miss_it():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(41, 2)), np.repeat([0, 1], [40, 1])
    judge = LabelFilter(random_state=0).fit(X, y)
    assert judge.thresholds_[1] == -np.inf
    assert judge.keep(rng.normal(size=(5, 2)), np.ones(5, dtype=int)).all()


def test_one_class_is_judged_by_copies_only():
    X = np.random.default_rng(0).normal(size=(50, 2))
    judge = LabelFilter(random_state=0).fit(X, np.zeros(50))
    assert not judge.keep(X, np.zeros(50)).any()


def test_no_samples_are_fine(fitted, digits):
    assert fitted.keep(digits[0][:0], digits[1][:0]).shape == (0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 2}, "tolerance must be a number"),
        ({"closeness": -1}, "closeness must be a number"),
        ({"cv": 1}, "cv must be an integer"),
        ({"estimator": LinearSVC()}, "must have predict_proba.*CalibratedClassifierCV"),
    ],
)
def test_unusable_parameters_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        LabelFilter(**options).fit(np.zeros((4, 2)), [0, 0, 1, 1])


def test_labels_must_belong_to_the_rows():
    with pytest.raises(InputError, match="one class per row"):
        LabelFilter().fit(np.zeros((4, 2)), [0, 1])


def test_samples_of_another_shape_are_refused(fitted):
    with pytest.raises(InputError, match="fitted on rows of 64 values; got samples of 81"):
        fitted.keep(np.zeros((2, 9, 9)), [0, 1])


def test_an_unknown_label_is_refused(fitted):
    with pytest.raises(UnknownLabelError, match="label 11 was not seen"):
        fitted.keep(np.zeros((1, 8, 8)), [11])


def test_pixels_must_be_finite(digits):
    with pytest.raises(InputError, match="finite"):
        LabelFilter().fit(np.full((20, 8, 8), np.nan), digits[1][:20])
