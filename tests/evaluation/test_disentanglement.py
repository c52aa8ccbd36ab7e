"""Disentanglement scores on made codes whose right answer is known."""

import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.evaluation.disentanglement import (
    dci_scores,
    disentanglement_scores,
    factor_vae_score,
    mutual_information_gap,
)

N, VALUES = 1600, (3, 5, 8, 4)


@pytest.fixture(scope="module")
def factors():
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(count, size=N) for count in VALUES], 1)


def standardised(factors):
    return (factors - factors.mean(0)) / factors.std(0)


@pytest.fixture(scope="module")
def perfect(factors):
    """One dimension each, in another order, scaled, with a little noise, and two dimensions of noise only."""
    rng = np.random.default_rng(1)
    codes = 3 * standardised(factors)[:, [2, 0, 3, 1]] + 0.1 * rng.normal(size=(N, len(VALUES)))
    return np.hstack([codes, 0.1 * rng.normal(size=(N, 2))])


@pytest.fixture(scope="module")
def rotated(factors):
    """The same information, every factor spread evenly over all dimensions."""
    signs = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    return standardised(factors) @ signs / 2


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(2).normal(size=(N, 6))


class TestKnownAnswers:
    def test_perfect_codes(self, perfect, factors):
        scores = disentanglement_scores(perfect, factors)
        assert scores["factor_vae"] == 1.0
        assert scores["mig"] > 0.95
        assert (scores[["disentanglement", "completeness", "informativeness"]] > 0.95).all()

    def test_rotated_codes_inform_and_are_entangled(self, rotated, factors):
        scores = disentanglement_scores(rotated, factors)
        assert scores["factor_vae"] < 0.5
        assert scores["mig"] < 0.1
        assert scores["disentanglement"] < 0.4
        assert scores["completeness"] < 0.4
        assert scores["informativeness"] > 0.8

    def test_noise_is_a_guess(self, noise, factors):
        scores = disentanglement_scores(noise, factors)
        assert abs(scores["factor_vae"] - 1 / len(VALUES)) < 0.1
        assert scores["mig"] < 0.02
        assert abs(scores["informativeness"] - np.mean([1 / count for count in VALUES])) < 0.05

    def test_a_dimension_of_two_factors_costs_disentanglement_only(self, factors):
        # Dimension 0 tells factors 0 and 1, both of which no other dimension tells.
        codes = np.stack([factors[:, 0] * VALUES[1] + factors[:, 1], factors[:, 2], factors[:, 3]], 1)
        scores = dci_scores(codes, factors)
        assert scores["completeness"] > 0.95
        assert scores["disentanglement"] == pytest.approx(0.75, abs=0.05)  # two rows of 1, half the mass of ½

    def test_a_factor_in_two_dimensions_costs_completeness_only(self, factors):
        codes = np.hstack([factors, factors[:, :1]])
        scores = dci_scores(codes, factors)
        assert scores["disentanglement"] > 0.95
        assert scores["completeness"] < 0.98
        assert mutual_information_gap(codes, factors) == pytest.approx(0.75, abs=0.01)
        assert factor_vae_score(codes, factors) == 1.0


class TestMeasures:
    def test_the_gap_by_its_definition(self, factors):
        # A dimension that merges values two by two tells log 2 less, of log 8 and of log 4.
        codes = np.stack([factors[:, 2], factors[:, 2] // 2, factors[:, 3], factors[:, 3] // 2], 1)
        expected = np.mean([1 / 3, 1 / 2])
        assert mutual_information_gap(codes, factors[:, 2:]) == pytest.approx(expected, abs=0.01)

    def test_scale_does_not_matter(self, perfect, factors):
        codes = perfect * np.array([1, 10, 0.1, 5, 1, 1])
        assert mutual_information_gap(codes, factors) == pytest.approx(
            mutual_information_gap(perfect, factors)
        )

    def test_seeded(self, noise, factors):
        first, again, other = (factor_vae_score(noise, factors, random_state=seed) for seed in (3, 3, 4))
        assert first == again
        assert first != other

    def test_dimensions_that_say_nothing_have_no_vote(self, factors):
        rng = np.random.default_rng(5)
        quiet = 1e-3 * rng.normal(size=(N, 1))
        assert factor_vae_score(np.hstack([factors.astype(float), quiet]), factors) == 1.0

    def test_constant_codes(self, factors):
        assert factor_vae_score(np.zeros((N, 3)), factors) == 1 / len(VALUES)
        assert mutual_information_gap(np.zeros((N, 3)), factors) == 0.0

    def test_one_dimension(self, factors):
        assert mutual_information_gap(factors[:, :1], factors[:, :1]) == pytest.approx(1.0)
        assert dci_scores(factors[:, :1], factors[:, :1])["completeness"] == 1.0

    def test_names_and_frames(self, perfect, factors):
        frame = pd.DataFrame(factors, columns=list("abcd")).astype({"a": "string"})
        pd.testing.assert_series_equal(
            disentanglement_scores(perfect, frame, sample_size=1000),
            disentanglement_scores(perfect, factors, sample_size=1000),
        )


class TestBadInput:
    @pytest.mark.parametrize(
        ("codes", "factors", "message"),
        [
            (np.zeros((5, 2)), np.zeros((4, 1)), "as many rows"),
            (np.zeros(5), np.zeros((5, 1)), r"got shapes \(5,\)"),
            (np.full((8, 2), np.nan), np.arange(8)[:, None] % 2, "not finite"),
            (np.zeros((8, 2)), np.zeros((8, 1)), "0 has 1 different values"),
            (np.zeros((8, 2)), pd.DataFrame({"tilt": np.arange(8.0)}), "'tilt' has 8 .* into bins first"),
        ],
    )
    def test_refused(self, codes, factors, message):
        with pytest.raises(InputError, match=message):
            disentanglement_scores(codes, factors)
