"""Committee: new rows are rated beside real ones, and the typical ones are kept."""

import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.filtering.committee import Committee, typical_rows


def overlapping(rare=40, common=200, seed=0):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], [common, rare])
    return rng.normal(size=(len(y), 4)) + 1.5 * y[:, None], y


def mixed(X):
    """The same rows as a frame with a category, a hole in a column, text and a date."""
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["b"] = frame["b"].where(np.arange(len(X)) % 7 > 0)
    frame["c"] = pd.Categorical(np.where(X[:, 2] > 0.7, "high", "low"), categories=["low", "none", "high"])
    return frame.assign(
        text=np.where(X[:, 3] > 0.7, "x", "y"), day=pd.Timestamp("2020-01-01") + pd.to_timedelta(X[:, 0], "D")
    )


@pytest.mark.parametrize("wrap", [np.asarray, mixed])
def test_rows_of_another_class_are_less_typical(wrap):
    X, y = overlapping()
    committee = Committee().fit(wrap(X), y)
    fresh, label = overlapping(seed=1)
    above = committee.rate(wrap(fresh), np.ones(len(label), dtype=int))
    assert (above[label == 1] >= 0).mean() > 0.5
    assert (above[label == 0] >= 0).mean() < 0.1


def test_the_mark_is_a_quantile_of_rows_that_models_have_not_seen():
    X, y = overlapping(rare=400, common=400)
    fresh, label = overlapping(rare=400, common=400, seed=1)
    for floor in (0.1, 0.25, 0.5):
        above = Committee(floor=floor).fit(X, y).rate(fresh, label)
        # 400 fresh rows: three standard deviations of a share are 0.075, and as much again for the mark.
        for group in (0, 1):
            assert abs((above[label == group] < 0).mean() - floor) < 0.11


def test_labels_of_any_kind_and_several_classes():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 30)
    X = rng.normal(size=(90, 2)) + 6 * np.repeat([0, 1, 2], 30)[:, None]
    above = Committee().fit(X, y).rate(X, y)
    assert (above[::30] >= -1).all()
    assert (Committee().fit(X, y).rate(X, np.roll(y, 30)) < 0).all()


def test_classes_of_a_few_rows_are_not_judged():
    X, y = overlapping(rare=4)
    committee = Committee().fit(X, y)
    assert committee.marks_[1] == -np.inf
    assert np.isposinf(committee.rate(X, np.ones(len(X), dtype=int))).all()
    alone = Committee().fit(X[:4], np.array([0, 1, 2, 3]))
    assert np.isposinf(alone.rate(X[:4], np.zeros(4, dtype=int))).all()


def test_many_rows_are_subsampled_and_small_classes_kept(monkeypatch):
    X, y = overlapping(rare=40, common=600)
    committee = Committee(max_rows=200)
    seen = []
    monkeypatch.setattr(
        committee, "_train", lambda features, groups, fold: seen.append(np.bincount(groups)) or []
    )
    committee.fit(X, y)
    assert [counts.sum() for counts in seen] == [200] * 5
    assert all(counts[1] == 32 for counts in seen)


def test_ratings_repeat():
    X, y = overlapping()
    assert np.array_equal(
        Committee(random_state=3).fit(X, y).rate(X, y), Committee(random_state=3).fit(X, y).rate(X, y)
    )


def test_a_category_that_no_real_row_has_moves_no_other():
    frame, y = mixed(overlapping()[0]), overlapping()[1]
    committee = Committee().fit(frame, y)
    foreign = frame.assign(c=frame["c"].where(np.arange(len(frame)) > 0, "none"))
    np.testing.assert_array_equal(committee.rate(foreign, y)[1:], committee.rate(frame, y)[1:])


@pytest.mark.parametrize("options", [{"floor": 1.5}, {"cv": 1}, {"max_rows": 0}])
def test_bad_options(options):
    with pytest.raises(InputError):
        Committee(**options).fit(*overlapping())


# -- choosing ---------------------------------------------------------------------------------------------


class Marked:
    """A committee whose opinion is the first column of a row."""

    def rate(self, X_new, y_new):
        return X_new[:, 0]


def maker(scores):
    """Return what makes rows with scores drawn from a list, and the numbers of rows it was asked for."""
    asked = []

    def make(positions, attempt):
        asked.append(np.bincount(positions, minlength=2).tolist())
        rng = np.random.default_rng(attempt)
        rows = np.column_stack([rng.choice(scores, len(positions)), positions])
        return rows, positions + 10

    return make, asked


def test_those_that_pass_are_kept():
    make, asked = maker([-1.0, 1.0, 1.0, 1.0])
    positions = np.repeat([1, 0], [100, 20])
    rows, sources = typical_rows(make, Marked(), np.array([0, 1]), positions)
    assert rows.shape == (120, 2)
    assert (rows[:, 0] > 0).all()
    np.testing.assert_array_equal(rows[:, 1], positions)
    np.testing.assert_array_equal(sources, positions + 10)
    assert asked[0] == [30, 150]


def test_more_are_made_where_few_pass():
    make, asked = maker([-2.0, -1.0, 1.0])
    rows, _ = typical_rows(make, Marked(), np.array([0]), np.zeros(100, dtype=np.int64))
    assert (rows[:, 0] > 0).all()
    assert 100 < asked[1][0] <= 450


def test_the_best_of_the_others_fill_up():
    make, asked = maker([-3.0, -2.0, -1.0])
    rows, _ = typical_rows(make, Marked(), np.array([0]), np.zeros(50, dtype=np.int64))
    assert (rows[:, 0] == -1.0).all()
    assert sum(each[0] for each in asked) == 300


@pytest.mark.parametrize("known", [0, 1])
def test_a_table_without_values_is_not_judged(known):
    X, y = pd.DataFrame({"a": np.full(40, np.nan)}), np.arange(40) % 2
    X.loc[: known - 1, "a"] = 1.0
    assert (Committee().fit(X, y).rate(X, y) >= 0).any()


def test_numbers_beyond_single_precision_are_judged_as_others_are(numbers):
    X, y = numbers
    X_new, y_new = X[::2] + 0.1, y[::2]
    plain, huge = (
        Committee(random_state=0).fit(X * scale, y).rate(X_new * scale, y_new) for scale in (1.0, 2.0**900)
    )
    assert np.corrcoef(plain, huge)[0, 1] > 0.99
