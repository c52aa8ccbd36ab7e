"""The perceptual term: a classifier of its own, a network that is given, a torchvision model with a file."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import vaeaug
from vaeaug import Recipe, VAEAugmenter
from vaeaug.errors import InputError
from vaeaug.losses.perceptual import Perceptual
from vaeaug.losses.term import Setting
from vaeaug.nn.vae import Pass
from vaeaug.utils.random import isolate_torch

B, SHAPE = 6, (1, 12, 12)
SETTING = Setting(None, 4, (0, 2), SHAPE, 144)


@pytest.fixture(autouse=True)
def clone_with_seed():
    with isolate_torch(7):
        yield


class Made:
    def __init__(self, mean):
        self.mean = mean

    def relax(self, x):
        return self.mean, x


def passed(made, real):
    found = Pass(None, real, torch.eye(2)[torch.arange(len(real)) % 2], None, None, None)
    found.__dict__["reconstruction"] = Made(made)
    return found


@pytest.fixture
def images():
    return torch.rand(B, *SHAPE) * 2 - 1


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(400, 3)
    )


class TestDistance:
    @pytest.mark.parametrize("given", [False, True])
    def test_nothing_for_the_same_image_and_more_for_another(self, given, images):
        term = Perceptual(SETTING, network=network() if given else None)
        assert not term(passed(images.clone(), images)).any()
        near, far = (term(passed(images + s * torch.randn(B, *SHAPE), images)) for s in (0.05, 0.5))
        assert far.mean() > 3 * near.mean()

    def test_the_scale_of_the_features_does_not_count(self, images):
        other = images.flip(0)
        plain, large = (
            Perceptual(SETTING, network=lambda x, s=s: s * x.flatten(1))(passed(other, images))
            for s in (1.0, 1e3)
        )
        torch.testing.assert_close(plain, large)

    def test_by_its_formula(self, images):
        other = images.flip(0)
        a, b = 0.5 * (other + 1), 0.5 * (images + 1)
        expected = 144 * (a - b).square().flatten(1).mean(1) / b.square().mean()
        torch.testing.assert_close(
            Perceptual(SETTING, network=nn.Identity())(passed(other, images)), expected
        )

    def test_stages_are_added(self, images):
        other = images.flip(0)
        one = Perceptual(SETTING, network=nn.Identity())(passed(other, images))
        two = Perceptual(SETTING, network=lambda x: [x, x])(passed(other, images))
        torch.testing.assert_close(two, 2 * one)

    def test_layers_by_name(self, images):
        given = network()
        term = Perceptual(SETTING, network=given, layers=["0", "5"])
        assert [part.shape[1] for part in term.judge(images)] == [4, 3]
        assert not any(module._forward_hooks for module in term.modules())

    def test_a_given_network_is_copied_frozen_and_never_in_training_mode(self, images):
        given = network().train()
        term = Perceptual(SETTING, network=given).train()
        other = (images.flip(0)).requires_grad_()
        torch.testing.assert_close(term(passed(other, images)), term(passed(other, images)))  # no dropout
        term(passed(other, images)).sum().backward()
        assert other.grad.abs().sum() > 0
        assert given.training
        assert all(p.requires_grad and p.grad is None for p in given.parameters())
        assert not any(p.requires_grad for p in term.parameters())


class TestTorchvision:
    def test_weights_come_from_a_file(self, tmp_path):
        models = pytest.importorskip("torchvision.models")
        model, path = models.get_model("squeezenet1_1", weights=None), tmp_path / "weights.pth"
        torch.save(model.state_dict(), path)
        term = Perceptual(Setting(None, 4, (0, 0), (1, 32, 32), 1024), network="squeezenet1_1", weights=path)
        torch.testing.assert_close(term.judge.network[1][0].weight, model.features[0].weight)
        wide = torch.rand(2, 1, 32, 32)
        assert [part.shape[1] for part in term.judge(wide)] == [64, 128, 256]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"network": "vgg16"}, "needs weights=.*nothing is downloaded"),
            ({"network": "vgg61", "weights": "here"}, "no model 'vgg61'"),
            ({"network": "squeezenet1_1", "weights": "nowhere.pth"}, "cannot be read from nowhere.pth"),
        ],
    )
    def test_refused(self, options, message):
        pytest.importorskip("torchvision")
        with pytest.raises(InputError, match=message):
            Perceptual(SETTING, **options)

    def test_weights_of_another_model(self, tmp_path):
        pytest.importorskip("torchvision")
        torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
        with pytest.raises(InputError, match="not those of torchvision's 'squeezenet1_1'"):
            Perceptual(SETTING, network="squeezenet1_1", weights=tmp_path / "other.pth")


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"network": nn.Sequential(nn.Flatten(), nn.Linear(784, 8))},
                r"not take images of shape \(1, 12, 12\)",
            ),
            ({"network": nn.Conv2d(3, 4, 3)}, "made for this size"),
            ({"network": nn.MaxPool2d(16)}, "made for this size"),
            ({"network": lambda x: x.mean()}, "tensor of 2 rows"),
            ({"network": lambda x: x.detach()}, "no gradient comes back"),
            ({"network": 3}, "network must be a torch module"),
            (
                {"network": nn.Identity(), "weights": "file"},
                "weights go with the name of a torchvision model",
            ),
            ({"network": network(), "layers": ["head"]}, "no layer 'head'; it has '0', '1'"),
        ],
    )
    def test_one_clear_sentence(self, options, message):
        with pytest.raises(InputError, match=message) as refusal:
            Perceptual(SETTING, **options)
        assert len(str(refusal.value)) < 330

    def test_a_torchvision_model_does_not_take_tables(self):
        with pytest.raises(InputError, match="needs images"):
            Perceptual(Setting(None, 4, (0, 0), (5,)), network="vgg16", weights="file")


class TestInFit:
    @pytest.fixture(scope="class")
    def pictures(self):
        return np.random.default_rng(0).integers(0, 255, size=(60, 12, 12), dtype=np.uint8)

    def augmenter(self, given):
        losses = {
            "reconstruction": 1.0,
            "kl": 1.0,
            "perceptual": Recipe("perceptual", weight=0.5, network=given),
        }
        plain = Recipe("convolutional", width=4, features=8, likelihood="gaussian")
        return VAEAugmenter(losses=losses, network=plain, max_iter=2, latent_dim=4, random_state=0)

    def test_a_given_network_needs_no_labels_and_the_file_does_not_hold_it(self, pictures, tmp_path):
        augmenter = clone(self.augmenter(network())).fit(pictures)
        assert (augmenter.history_["train_perceptual"].dropna() > 0).all()
        augmenter.save(tmp_path / "model.safetensors")
        again = vaeaug.load(tmp_path / "model.safetensors", device="cpu")
        np.testing.assert_array_equal(again.transform(pictures), augmenter.transform(pictures))
        copied = pickle.loads(pickle.dumps(augmenter))
        np.testing.assert_array_equal(copied.transform(pictures), augmenter.transform(pictures))

    def test_it_counts_on_held_out_images_since_it_does_not_change(self, pictures):
        history = self.augmenter(network()).fit(pictures).history_
        parts = history["valid_reconstruction"] + history["valid_kl"] + 0.5 * history["valid_perceptual"]
        np.testing.assert_allclose(history["valid_loss"].dropna(), parts.dropna(), rtol=1e-5)

    def test_a_network_of_the_wrong_size_is_refused_before_training(self, pictures):
        augmenter = self.augmenter(nn.Sequential(nn.Flatten(), nn.Linear(784, 8)))
        with pytest.raises(InputError, match=r"does not take images of shape \(1, 12, 12\)"):
            augmenter.fit(pictures)
        assert not hasattr(augmenter, "history_")
