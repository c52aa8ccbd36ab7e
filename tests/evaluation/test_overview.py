import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.evaluation.overview import compare_images, compare_tables
from vaeaug.evaluation.smallcnn import SmallConvClassifier


class TestTables:
    @pytest.fixture(scope="class")
    def tables(self):
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(1200, 4))
        frame = pd.DataFrame(rows, columns=list("abcd")).assign(y=np.where(rows[:, 0] > rows[:, 1], "u", "v"))
        return frame[:400], frame[400:800].reset_index(drop=True), frame[800:].reset_index(drop=True)

    def test_an_ideal_generator(self, tables):
        train, made, holdout = tables
        table = compare_tables(train, made, holdout=holdout, target="y")
        assert set(table["group"]) == {"fidelity", "coverage", "utility", "privacy"}
        assert np.isfinite(table[["value", "held_out"]].to_numpy()).all()
        both = table.drop(index=["two_sample"])
        assert (abs(both["value"] - both["held_out"]) < 0.12).all()
        assert table.at["utility", "value"] > 0.9

    def test_a_generator_that_copies(self, tables):
        train, _, holdout = tables
        table = compare_tables(train, train, holdout=holdout)["value"]
        assert (
            table[["precision", "exact_copies", "near_copies", "closest_share", "membership_auc"]].eq(1).all()
        )
        assert table["authenticity"] == 0
        assert "utility" not in table

    def test_without_held_out_rows(self, tables):
        table = compare_tables(*tables[:2])
        assert table["held_out"].isna().all()
        assert "membership_auc" not in table.index
        with pytest.raises(InputError, match="give holdout"):
            compare_tables(*tables[:2], target="y")

    def test_the_seed_decides(self, tables):
        first, again = (compare_tables(*tables[:2], sample_size=150, random_state=3) for _ in range(2))
        pd.testing.assert_frame_equal(first, again)


class TestImages:
    @pytest.fixture(scope="class")
    def images(self):
        rng = np.random.default_rng(0)
        y = np.arange(600) % 2
        images = rng.normal(100, 20, (600, 8, 8)) + 60 * y[:, None, None]
        return images.clip(0, 255).astype(np.uint8), y

    def test_an_ideal_generator_with_a_trained_network(self, images):
        X, y = images
        judge = SmallConvClassifier(max_steps=30, width=4)
        labels = (y[:200], y[200:400], y[400:])
        network = judge.fit(X[:200], y[:200]).features
        table = compare_images(
            X[:200],
            X[200:400],
            holdout=X[400:],
            labels=labels,
            network=network,
            estimator=judge,
            sample_size=150,
        )
        assert np.isfinite(table[["value", "held_out"]].to_numpy()).all()
        assert table.at["utility", "value"] > 0.95
        assert table.at["copying", "value"] < 0.06
        assert abs(table.at["membership_auc", "value"] - 0.5) < 0.1

    def test_copies_and_a_given_network(self, images):
        X, _ = images
        table = compare_images(X[:200], X[:200], holdout=X[400:], network=lambda batch: batch[:, 0, :3])[
            "value"
        ]
        np.testing.assert_allclose(table[["frechet_distance"]], 0.0, atol=1e-6)
        assert table[["precision", "coverage", "copying", "copying_pixels", "membership_auc"]].eq(1).all()

    def test_bad_input(self, images):
        X, _ = images
        with pytest.raises(InputError, match="labels to train one"):
            compare_images(X[:9], X[9:18])
        with pytest.raises(InputError, match="one size and dtype"):
            compare_images(X[:9], X[9:18] / 255.0, network=np.mean)
