import numpy as np
import pytest
import torch

from vaeaug.errors import InputError
from vaeaug.evaluation.images import (
    channels_first,
    copying_share,
    flat_pixels,
    frechet_distance,
    gradient_energy,
    image_features,
    image_membership_inference,
)


def gaussian(rows, mean, covariance, seed=0):
    """Draw rows whose mean and covariance are exactly those given."""
    raw = np.random.default_rng(seed).normal(size=(rows, len(mean)))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T
    return white @ np.linalg.cholesky(covariance).T + mean


class TestFrechet:
    def test_closed_form_of_commuting_covariances(self):
        # |Δμ|² + Σ (σ₁ − σ₂)² along the axes.
        a = gaussian(50, [0, 0, 0], np.diag([1.0, 4.0, 9.0]))
        b = gaussian(70, [1, 2, 2], np.diag([4.0, 4.0, 1.0]), seed=1)
        assert frechet_distance(a, b) == pytest.approx(9 + 1 + 0 + 4)

    def test_closed_form_of_rotated_covariances(self):
        # In two dimensions tr (Σ₁Σ₂)^½ = √(tr Σ₁Σ₂ + 2 √det Σ₁Σ₂).
        one, two = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, -0.3], [-0.3, 3.0]])
        product = one @ two
        cross = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
        truth = np.trace(one) + np.trace(two) - 2 * cross
        found = frechet_distance(gaussian(40, [0, 0], one), gaussian(40, [0, 0], two, seed=1))
        assert found == pytest.approx(truth)

    def test_identical_sets(self):
        rows = np.random.default_rng(0).normal(size=(30, 64))  # fewer rows than features
        assert frechet_distance(rows, rows[::-1]) == pytest.approx(0.0, abs=1e-9)

    def test_symmetric_and_blind_to_order(self):
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(90, 5)), rng.gamma(2.0, size=(60, 5))
        assert frechet_distance(a, b) == pytest.approx(frechet_distance(b[::-1], a))

    def test_features_that_never_fire(self):
        a, b = np.zeros((9, 3)), np.zeros((9, 3))
        b[:, 0] = 2.0
        assert frechet_distance(a, b) == pytest.approx(4.0)

    def test_bad_input(self):
        with pytest.raises(InputError, match="same number of features"):
            frechet_distance(np.zeros((4, 2)), np.zeros((4, 3)))
        with pytest.raises(InputError, match="at least two rows"):
            frechet_distance(np.zeros((1, 2)), np.zeros((4, 2)))


class TestCopying:
    def test_planted_copies_are_counted(self):
        train, holdout, fresh = np.random.default_rng(0).normal(size=(3, 400, 8))
        mixed = np.vstack([train[:100], fresh[:300]])
        # A quarter are copies; of the others about the quantile lies as near by chance.
        assert copying_share(mixed, train, holdout) == pytest.approx(0.25 + 0.75 * 0.01, abs=0.02)

    def test_fresh_images_score_the_quantile(self):
        train, holdout, fresh = np.random.default_rng(1).normal(size=(3, 1000, 4))
        assert copying_share(fresh, train, holdout, quantile=0.1) == pytest.approx(0.1, abs=0.03)
        assert copying_share(holdout, train, holdout, quantile=0.1) == pytest.approx(0.1)

    def test_bad_quantile(self):
        with pytest.raises(InputError, match="between 0 and 1"):
            copying_share(*np.zeros((3, 4, 2)), quantile=1.0)

    def test_membership_leak(self):
        members, others, fresh = np.random.default_rng(0).normal(size=(3, 400, 6))
        assert image_membership_inference(members, members, others)["auc"] == 1.0
        guess = image_membership_inference(fresh, members, others)
        assert guess["low"] < 0.5 < guess["high"]


class TestImages:
    @pytest.mark.parametrize(
        ("shape", "expected"),
        [
            ((5, 9, 7), (5, 1, 9, 7)),
            ((5, 9, 7, 3), (5, 3, 9, 7)),
            ((5, 3, 9, 7), (5, 3, 9, 7)),
            ((5, 9, 7, 1), (5, 1, 9, 7)),
        ],
    )
    def test_every_layout(self, shape, expected):
        images = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        found = channels_first(images)
        assert found.shape == expected
        assert found.dtype == np.uint8
        assert channels_first(torch.from_numpy(images)).shape == expected
        last = (
            images if images.ndim == 4 and shape[-1] <= 4 else images.reshape(expected).transpose(0, 2, 3, 1)
        )
        np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), last)

    @pytest.mark.parametrize("images", [np.zeros((5, 9)), np.zeros((5, 9, 9, 9)), np.zeros((0, 9, 9))])
    def test_other_shapes_are_refused(self, images):
        with pytest.raises(InputError, match="1 to 8 channels"):
            channels_first(images)

    def test_pixels_that_are_not_finite(self):
        with pytest.raises(InputError, match="not finite"):
            flat_pixels(np.full((2, 8, 8), np.nan))

    def test_pixels_are_scaled_by_the_dtype(self):
        assert flat_pixels(np.full((2, 3, 3), 65535, dtype=np.uint16)).tolist() == [[1.0] * 9] * 2
        assert flat_pixels(np.full((2, 3, 3), 7.0)).tolist() == [[7.0] * 9] * 2

    def test_a_module_sees_scaled_tensors_in_evaluation_mode(self):
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(16))
        network[1].eval()
        images = np.full((10, 4, 4), 255, dtype=np.uint8)
        features = image_features(images, network, batch_size=3)
        np.testing.assert_allclose(features, 1.0, rtol=1e-4)
        assert features.dtype == np.float64
        assert [module.training for module in network] == [True, False, True]
        assert network[2].num_batches_tracked == 0

    def test_any_callable(self):
        images = np.random.default_rng(0).random((10, 4, 4))
        features = image_features(images, lambda batch: torch.from_numpy(batch * 2), batch_size=4)
        np.testing.assert_array_equal(features, images.reshape(10, 16) * 2)

    @pytest.mark.parametrize(
        ("network", "message"),
        [
            (lambda b: b[:1].mean(axis=1), "returned 2 rows"),
            (lambda b: b.mean(axis=1) + np.inf, "not finite"),
        ],
    )
    def test_networks_that_cannot_be_used(self, network, message):
        with pytest.raises(InputError, match=message):
            image_features(np.zeros((4, 4, 4)), network, batch_size=2)

    def test_autocast_of_the_caller_changes_nothing(self):
        images = np.random.default_rng(0).random((6, 4, 4), dtype=np.float32)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        expected = image_features(images, network)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = image_features(images, network)
        np.testing.assert_array_equal(found, expected)


class TestGradientEnergy:
    def test_by_hand(self):
        image = np.zeros((1, 3, 3))
        image[0, 1, 1] = 1.0  # four steps of 1, of six across and six down
        assert gradient_energy(image) == pytest.approx(4 / 6)

    def test_integers_and_channels(self):
        images = np.random.default_rng(0).integers(0, 256, size=(4, 9, 7, 3), dtype=np.uint8)
        assert gradient_energy(images) == pytest.approx(gradient_energy(images / 255.0), rel=1e-5)
        assert gradient_energy(images) == pytest.approx(gradient_energy(images.transpose(0, 3, 1, 2)))

    def test_blur_lowers_it(self):
        images = np.random.default_rng(0).random((5, 12, 12))
        blurred = (images + np.roll(images, 1, 1) + np.roll(images, 1, 2)) / 3
        assert gradient_energy(blurred) < 0.6 * gradient_energy(images)
