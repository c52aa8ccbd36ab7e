import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.evaluation import distances
from vaeaug.evaluation.privacy import (
    attack_scores,
    closest_share,
    distance_to_closest,
    exact_copies,
    measure_copying,
    membership_inference,
    near_copies,
)


def slow_distances(synthetic: pd.DataFrame, real: pd.DataFrame) -> np.ndarray:
    """Nearest distances by the definition, one pair of rows at a time."""
    out = []
    for _, s in synthetic.iterrows():
        best = np.inf
        for _, r in real.iterrows():
            total = 0.0
            for column in real:
                if pd.isna(s[column]) or pd.isna(r[column]):
                    total += float(pd.isna(s[column]) != pd.isna(r[column]))
                elif column in ("size", "weight", "count", "day"):
                    total += abs(s[column] - r[column]) / (real[column].max() - real[column].min())
                else:
                    total += float(s[column] != r[column])
            best = min(best, total)
        out.append(best)
    return np.array(out)


class TestDistanceToClosest:
    def test_matches_the_definition(self, real, twin):
        a, b = twin.sample(12, random_state=0), real.head(40)
        np.testing.assert_allclose(distance_to_closest(a, b), slow_distances(a, b), rtol=1e-9)

    def test_blocks_change_nothing(self, real, twin, monkeypatch):
        whole = distance_to_closest(twin, real)
        monkeypatch.setattr(distances, "_BLOCK_CELLS", 7 * len(real))
        np.testing.assert_array_equal(distance_to_closest(twin, real), whole)

    def test_copies_are_at_zero(self, real):
        assert (distance_to_closest(real.sample(50, random_state=0), real) == 0).all()

    def test_sample_size(self, real, twin):
        few = distance_to_closest(twin, real, sample_size=30, random_state=5)
        assert few.shape == (30,)
        np.testing.assert_array_equal(few, distance_to_closest(twin, real, sample_size=30, random_state=5))
        assert distance_to_closest(twin, real, sample_size=10**6).shape == (len(twin),)

    @pytest.mark.parametrize("columns", [["size"], ["town", "flag"], ["town"]])
    def test_tables_of_one_kind(self, real, twin, columns):
        assert np.isfinite(distance_to_closest(twin[columns], real[columns])).all()

    def test_more_levels_than_a_byte(self):
        names = pd.DataFrame({"name": [f"n{i}" for i in range(300)]})
        np.testing.assert_array_equal(distance_to_closest(names, names), 0)
        np.testing.assert_array_equal(distance_to_closest(names.head(150), names.tail(150)), 1)

    def test_constant_column(self):
        real = pd.DataFrame({"a": [2.0, 2.0], "b": [0.0, 4.0]})
        assert distance_to_closest(pd.DataFrame({"a": [2.0], "b": [1.0]}), real)[0] == 0.25

    def test_bad_sample_size(self, real):
        with pytest.raises(InputError, match="sample_size"):
            distance_to_closest(real, real, sample_size=0)


class TestClosestShare:
    def test_fresh_rows_are_at_one_half(self, real, twin):
        train, holdout = real.iloc[:750], real.iloc[750:]
        # Standard error .5/√1500 = .013.
        assert closest_share(twin, train, holdout) == pytest.approx(0.5, abs=0.05)

    def test_copies_are_at_one(self, real):
        train, holdout = real.iloc[:750], real.iloc[750:]
        assert closest_share(train, train, holdout) > 0.99

    def test_sizes_are_made_equal(self, real, twin):
        # Without that the larger training set would be nearer to most rows.
        assert closest_share(twin, real.iloc[:1300], real.iloc[1300:]) == pytest.approx(0.5, abs=0.08)

    def test_ties_are_split(self):
        rows = pd.DataFrame({"c": list("aabb")})
        assert closest_share(rows, rows, rows) == 0.5

    def test_mirror(self, real, twin):
        train, holdout = real.iloc[:750], real.iloc[750:]
        shares = closest_share(twin, train, holdout), closest_share(twin, holdout, train)
        assert sum(shares) == pytest.approx(1.0)


class TestExactCopies:
    def test_finds_copies_with_missing_values(self, real, twin):
        mixed = pd.concat([twin.head(10), real.sample(5, random_state=0)], ignore_index=True)
        np.testing.assert_array_equal(exact_copies(mixed, real), [False] * 10 + [True] * 5)

    def test_one_changed_cell_is_no_copy(self, real):
        changed = real.assign(size=np.nextafter(real["size"], np.inf))
        assert not exact_copies(changed, real).any()

    def test_many_columns_do_not_overflow(self):
        rng = np.random.default_rng(0)
        wide = pd.DataFrame(rng.random((400, 60)))
        np.testing.assert_array_equal(exact_copies(wide, wide.iloc[:100]), np.arange(400) < 100)


class TestNearCopies:
    def test_planted_copies_with_a_little_noise(self, real, twin):
        train, holdout = real.iloc[:750], real.iloc[750:]
        jittered = train.iloc[:200].assign(size=train["size"].iloc[:200] + 1e-9)
        mixed = pd.concat([jittered, twin.iloc[:600]], ignore_index=True)
        # A quarter are copies; fresh rows add the quantile.
        assert near_copies(mixed, train, holdout) == pytest.approx(0.25 + 0.75 * 0.01, abs=0.03)

    def test_ties_do_not_hide_or_make_copies(self):
        # Every held-out row equals a training row, so a copy is nothing special.
        coarse = pd.DataFrame({"c": list("abab") * 10})
        assert near_copies(coarse, coarse, coarse) == pytest.approx(0.01)

    def test_held_out_distances_score_the_quantile(self):
        distances = np.random.default_rng(0).integers(0, 30, 1000).astype(float)
        for quantile in (0.01, 0.2, 0.5):
            assert measure_copying(distances, distances, quantile) == pytest.approx(quantile)
        assert measure_copying(np.zeros(5), distances + 1) == 1.0
        assert measure_copying(np.full(5, 99.0), distances) == 0.0


class TestMembershipInference:
    def test_a_planted_leak(self, real):
        members, others = real.iloc[:700], real.iloc[700:]
        # Half of the members are published as they are: these are found, the others are guessed.
        attack = membership_inference(members.iloc[::2], members, others)
        assert attack["auc"] == pytest.approx(0.5 + 0.5 * 0.5, abs=0.04)
        assert attack["low"] < attack["auc"] < attack["high"]
        assert attack["tpr_at_fpr_01"] == pytest.approx(0.5, abs=0.03)

    def test_fresh_rows_tell_nothing(self, real, twin):
        attack = membership_inference(twin, real.iloc[:750], real.iloc[750:])
        assert attack["low"] < 0.5 < attack["high"]
        assert attack["tpr_at_fpr_01"] < 0.04

    def test_copies_tell_all(self, real):
        attack = membership_inference(real.iloc[:700], real.iloc[:700], real.iloc[700:])
        assert attack["auc"] == pytest.approx(1.0, abs=1e-3)

    def test_sample_size(self, real, twin):
        few = [
            membership_inference(twin, real.iloc[:750], real.iloc[750:], sample_size=90, random_state=2)
            for _ in range(2)
        ]
        pd.testing.assert_series_equal(*few)

    def test_interval_of_hanley_and_mcneil(self):
        # AUC ¾ from 2 × 2 scores: Q1 = .6, Q2 = 1.125/1.75; variance by their equation 1.
        scores = attack_scores(np.array([2.0, 4.0]), np.array([1.0, 3.0]))
        assert scores["auc"] == 0.75
        variance = (0.75 * 0.25 + (0.6 - 0.5625) + (1.125 / 1.75 - 0.5625)) / 4
        assert scores["low"] == pytest.approx(0.75 - 1.959964 * variance**0.5)
