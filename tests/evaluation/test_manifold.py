import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.evaluation.manifold import alpha_precision_beta_recall, manifold_scores, prdc


def cloud(rows, seed, width=3, scale=1.0, shift=0.0):
    return np.random.default_rng(seed).normal(size=(rows, width)) * scale + shift


def slow_prdc(real, synthetic, k):
    """The four measures by their definition."""
    between = np.linalg.norm(synthetic[:, None] - real[None], axis=2)
    radii, made_radii = (
        np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=1)[:, k] for x in (real, synthetic)
    )
    inside = between < radii
    return [
        inside.any(axis=1).mean(),
        (between < made_radii[:, None]).any(axis=0).mean(),
        inside.sum() / (k * len(synthetic)),
        inside.any(axis=0).mean(),
    ]


class TestPrdc:
    @pytest.mark.parametrize("k", [1, 5])
    def test_matches_the_definition(self, k):
        real, made = cloud(80, 0), cloud(60, 1, scale=1.3)
        np.testing.assert_allclose(prdc(real, made, k=k), slow_prdc(real, made, k))

    def test_identical_sets(self):
        points = cloud(200, 0)
        assert prdc(points, points).tolist() == [1.0, 1.0, 1.0, 1.0]

    def test_disjoint_sets(self):
        assert prdc(cloud(200, 0), cloud(200, 1, shift=1e3)).tolist() == [0.0, 0.0, 0.0, 0.0]

    def test_coverage_of_fresh_points(self):
        # For two samples of one distribution its expectation is 1 − (n−1)…(n−k) / ((2n−1)…(2n−k)).
        n, k = 1500, 3
        expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])
        scores = prdc(cloud(n, 0, width=2), cloud(n, 1, width=2), k=k)
        assert scores["coverage"] == pytest.approx(expected, abs=0.04)
        assert scores["density"] == pytest.approx(1.0, abs=0.06)

    def test_a_collapsed_generator_is_precise_and_covers_little(self):
        scores = prdc(cloud(500, 0), cloud(500, 1, scale=0.1))
        assert scores["precision"] > 0.99
        assert scores["recall"] < 0.1
        assert scores["coverage"] < 0.3

    def test_a_wide_generator_recalls_and_is_not_precise(self):
        scores = prdc(cloud(500, 0), cloud(500, 1, scale=4.0))
        assert scores["recall"] > 0.9
        assert scores["precision"] < 0.5

    @pytest.mark.parametrize(
        ("made", "message"),
        [
            (np.zeros((9, 4)), "same number of features"),
            (np.full((9, 3), np.nan), "not finite"),
            (np.zeros(9), "rows, features"),
            (np.zeros((4, 3)), "between 1 and 3"),
        ],
    )
    def test_bad_input(self, made, message):
        with pytest.raises(InputError, match=message):
            prdc(cloud(20, 0), made)


class TestAlphaBeta:
    def test_identical_sets(self):
        points = cloud(1201, 0)
        scores = alpha_precision_beta_recall(points, points)
        np.testing.assert_allclose(scores[["alpha_precision", "beta_recall"]], 1.0, atol=2e-3)
        assert scores["authenticity"] == 0.0

    def test_disjoint_sets(self):
        scores = alpha_precision_beta_recall(cloud(300, 0), cloud(300, 1, shift=1e3))
        np.testing.assert_allclose(scores, [0.0, 0.0, 1.0], atol=0.01)

    def test_fresh_points(self):
        scores = alpha_precision_beta_recall(cloud(2000, 0), cloud(2000, 1))
        assert scores["alpha_precision"] > 0.95
        # A fresh point is the nearer one to a real point in half of the cases.
        assert scores["beta_recall"] == pytest.approx(0.5, abs=0.05)
        assert 0.35 < scores["authenticity"] < 0.55

    def test_half_of_the_radius(self):
        # Uniform on [−1, 1] against uniform on [−½, ½]: P(α) = min(2α, 1), so 1 − 2·∫|P − α| = ½.
        rng = np.random.default_rng(0)
        real, made = rng.uniform(-1, 1, (20_000, 1)), rng.uniform(-0.5, 0.5, (1_000, 1))
        scores = alpha_precision_beta_recall(real[:6000], made)
        assert scores["alpha_precision"] == pytest.approx(0.5, abs=0.03)


class TestTables:
    def test_fresh_rows_of_every_type(self, real, twin):
        scores = manifold_scores(real.head(600), twin.head(600))
        assert (scores[["precision", "recall", "coverage", "alpha_precision"]] > 0.85).all()
        assert scores["density"] == pytest.approx(1.0, abs=0.15)

    def test_identical_tables(self, real):
        scores = manifold_scores(real.head(400), real.head(400))
        np.testing.assert_allclose(scores.drop(["alpha_precision", "beta_recall", "authenticity"]), 1.0)

    def test_rows_that_were_shuffled_by_column_are_less_precise(self, real, twin):
        rng = np.random.default_rng(0)
        mixed = pd.DataFrame({c: twin[c].to_numpy()[rng.permutation(len(twin))] for c in twin})
        whole, torn = (manifold_scores(real, table, sample_size=600) for table in (twin, mixed))
        assert torn["density"] < whole["density"] - 0.1
        assert torn["precision"] < whole["precision"]

    def test_sizes_are_made_equal_and_seeded(self, real, twin):
        first, again = (manifold_scores(real, twin.head(300), random_state=4) for _ in range(2))
        pd.testing.assert_series_equal(first, again)

    @pytest.mark.parametrize("columns", [["size"], ["town"], ["weight", "ok"]])
    def test_tables_of_one_kind(self, real, twin, columns):
        assert np.isfinite(manifold_scores(real[columns].head(99), twin[columns].head(99))).all()
