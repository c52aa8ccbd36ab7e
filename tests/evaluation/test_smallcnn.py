import numpy as np
import pytest
import torch
from sklearn.base import clone

from vaeaug.errors import InputError
from vaeaug.evaluation.downstream import image_train_synthetic_test_real
from vaeaug.evaluation.smallcnn import SmallConvClassifier, _batches, _shift


def stripes(rows, seed, channels=None):
    """Make images of vertical (0), horizontal (1) and no (2) stripes under noise, with their labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    images = rng.random((rows, 12, 12)) * 150
    images[:, ::2] += 100 * (y == 1)[:, None, None]
    images[:, :, ::2] += 100 * (y == 0)[:, None, None]
    images = images.astype(np.uint8)
    return (images if channels is None else np.repeat(images[..., None], channels, axis=3)), y


@pytest.fixture(scope="module")
def fitted():
    images, y = stripes(240, 0)
    return SmallConvClassifier(max_steps=60, batch_size=32, width=8).fit(images, np.array(list("vhn"))[y])


def test_learns(fitted):
    images, y = stripes(150, 1)
    assert fitted.classes_.tolist() == ["h", "n", "v"]
    assert fitted.score(images, np.array(list("vhn"))[y]) > 0.95
    np.testing.assert_allclose(fitted.predict_proba(images).sum(axis=1), 1.0)


def test_features_precede_the_last_layer(fitted):
    images, _ = stripes(20, 2)
    features = fitted.features(images)
    assert features.shape == (20, 32)
    last = fitted.network_[-1]
    scores = features @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    assert (fitted.classes_[scores.argmax(axis=1)] == fitted.predict(images)).all()


def test_same_seed_same_network_and_nobody_elses_stream():
    images, y = stripes(60, 0, channels=3)
    make = lambda: SmallConvClassifier(max_steps=4, shift=1, random_state=5).fit(images, y)  # noqa: E731
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = make().predict_proba(images)
    torch.testing.assert_close(torch.rand(3), expected)
    np.testing.assert_array_equal(first, make().predict_proba(images))


def test_weights_move_the_decision():
    images, y = stripes(120, 0)
    muted = np.where(y == 2, 1e-6, 1.0)
    fitted = SmallConvClassifier(max_steps=60, batch_size=32, width=8).fit(images, y, muted)
    assert (fitted.predict(images) != 2).mean() > 0.95


def test_the_transform_sees_every_batch():
    seen = []

    def note(images, targets):
        seen.append((images.shape, float(images.max()) <= 1.0, targets.sum().item()))
        return images, targets

    images, y = stripes(40, 0)
    SmallConvClassifier(max_steps=5, batch_size=16, batch_transform=note).fit(images, y)
    assert seen == [((16, 1, 12, 12), True, 16.0)] * 5


def test_clone_keeps_parameters():
    assert clone(SmallConvClassifier(width=3, shift=2)).get_params()["shift"] == 2


def test_passes_are_whole():
    batches = list(_batches(10, 4, 5, np.random.default_rng(0)))
    assert [len(batch) for batch in batches] == [4] * 5
    assert sorted(np.concatenate(batches)[:10]) == list(range(10))


def test_shifts_move_whole_images():
    x = torch.arange(49.0).reshape(1, 1, 7, 7).repeat(400, 2, 1, 1)
    moved = _shift(x, 1)
    centres = moved[:, 0, 3, 3] - 24
    assert set(centres.int().tolist()) == {-8, -7, -6, -1, 0, 1, 6, 7, 8}
    torch.testing.assert_close(moved[:, 0], moved[:, 1])
    torch.testing.assert_close(moved[:, 0, 3, 4] - moved[:, 0, 3, 3], torch.ones(400))


@pytest.mark.parametrize(
    ("images", "y", "message"),
    [(np.zeros((4, 7, 9)), np.zeros(4), "from 8 × 8"), (np.zeros((4, 9, 9)), np.zeros(3), "one label")],
)
def test_bad_input(images, y, message):
    with pytest.raises(InputError, match=message):
        SmallConvClassifier().fit(images, y)


class TestTrainSyntheticTestReal:
    def test_good_and_useless_images(self):
        real, test = stripes(240, 0), stripes(150, 1)
        noise = np.random.default_rng(0).integers(0, 255, (240, 12, 12), dtype=np.uint8)
        judge = SmallConvClassifier(max_steps=60, batch_size=32, width=8)
        scores = image_train_synthetic_test_real(
            noise, real[1], *test, real=real[0], real_labels=real[1], estimator=judge
        )
        assert scores["real"] > 0.95
        assert scores["synthetic"] < 0.6

    def test_images_of_another_kind(self):
        images, y = stripes(30, 0)
        with pytest.raises(InputError, match="one size and dtype"):
            image_train_synthetic_test_real(images / 255.0, y, images, y)
        with pytest.raises(InputError, match="real_labels together"):
            image_train_synthetic_test_real(images, y, images, y, real=images)
