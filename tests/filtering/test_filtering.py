"""LabelFilter: drops what looks like another class and what copies a row, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from vaeaug.errors import InputError, UnknownLabelError, VaeaugWarning
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


def noisy(n, seed, grain=70.0, side=10):
    """Return images of two classes, a bright square left or right under noise, and smooth ones without it."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    smooth = np.full((n, side, side), 90.0)
    for image, label in zip(smooth, y, strict=True):
        image[3:7, 1 + 4 * label : 5 + 4 * label] += rng.uniform(40, 80)
    return smooth + rng.normal(0, grain, smooth.shape), smooth, y


def test_smooth_images_beside_noisy_ones_are_no_copies():
    real, _, y = noisy(200, 0)
    _, smooth, labels = noisy(100, 1)
    judge = LabelFilter(tolerance=None, random_state=0).fit(real, y)
    # Nearer to the real images than these are to each other, and far from all of them.
    assert (judge.judge(smooth, labels).reasons == "duplicate").mean() <= 0.03


def test_less_noise_than_real_images_have_is_no_copy():
    real, _, y = noisy(200, 0)
    weaker, _, labels = noisy(100, 1, grain=35.0)
    judge = LabelFilter(tolerance=None, random_state=0).fit(real, y)
    assert (judge.judge(weaker, labels).reasons == "duplicate").mean() <= 0.05


@pytest.mark.parametrize("jitter", [0.0, 5.0, 15.0])
def test_copies_of_noisy_images_are_dropped(jitter):
    real, _, y = noisy(200, 0)
    judge = LabelFilter(tolerance=None, random_state=0).fit(real, y)
    copies = real + np.random.default_rng(2).normal(0, 1, real.shape) * jitter
    assert (judge.judge(copies, y).reasons == "duplicate").all()


def test_pure_noise_lets_other_noise_pass():
    rng = np.random.default_rng(0)
    real, new = rng.integers(0, 256, (2, 150, 8, 8))
    judge = LabelFilter(random_state=0).fit(real, np.zeros(150, dtype=int))
    assert judge.keep(new, np.zeros(150, dtype=int)).mean() > 0.9
    assert not judge.keep(real, np.zeros(150, dtype=int)).any()


def test_copies_of_an_image_that_has_a_twin_are_dropped(digits):
    images = np.concatenate([digits[0], digits[0][:2]])
    labels = np.concatenate([digits[1], digits[1][:2]])
    judge = LabelFilter(random_state=0).fit(images, labels)
    near = images[:2] + np.random.default_rng(0).normal(0, 0.3, images[:2].shape)
    assert (judge.judge(near, labels[:2]).reasons == "duplicate").all()


@pytest.mark.parametrize("rows", [2, 3, 4, 6])
def test_copies_of_the_rows_of_a_tiny_class_are_dropped(rows):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60 + rows, 8)), np.repeat([0, 1], [60, rows])
    judge = LabelFilter(tolerance=None, random_state=0).fit(X, y)
    copies = X[-rows:] + 0.01 * rng.normal(size=(rows, 8))
    assert not judge.keep(copies, np.ones(rows, dtype=int)).any()


@pytest.mark.parametrize("known", [0, 1])
def test_a_column_that_is_nearly_always_empty_is_managed(known):
    X, y = table(120, 0)
    X["empty"] = np.nan
    X.loc[: known - 1, "empty"] = 1.5
    new, labels = table(40, 1)
    judge = LabelFilter(random_state=0).fit(X, y)
    assert judge.keep(new.assign(empty=np.nan), labels).mean() > 0.9


def test_a_table_without_any_value_is_managed():
    X, y = pd.DataFrame({"a": np.full(40, np.nan)}), np.arange(40) % 2
    assert LabelFilter(random_state=0).fit(X, y).keep(X, y).all()


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


def test_a_classifier_that_cannot_tell_images_apart_is_said():
    rng = np.random.default_rng(0)
    noise, labels = rng.integers(0, 255, (300, 9, 9)), np.arange(300) % 3
    with pytest.warns(VaeaugWarning, match=r"would keep \d+% of the real images under the label of another"):
        blind = LabelFilter(random_state=0).fit(noise, labels)
    kept = blind.judge(noise, (labels + 1) % 3).keep.mean()
    assert kept > 0.5
