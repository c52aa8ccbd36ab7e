"""The same code on a GPU: fit there, draw there, and load what was saved on a CPU."""

import pickle

import numpy as np
import pytest
import torch
from made_images import blobs, fast
from numpy.testing import assert_allclose, assert_array_equal

from vaeaug import Recipe, VAEAugmenter, load
from vaeaug.augmenter import METHODS
from vaeaug.model.fitted import get_fitted
from vaeaug.nn.priors.registry import PRIORS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

OPTIONS = {"flow": {"width": 16, "depth": 1, "steps": 2}}


@pytest.fixture(scope="module", params=list(PRIORS))
def fitted(request, mixed):
    prior = Recipe(request.param, **OPTIONS.get(request.param, {}))
    return VAEAugmenter(prior=prior, max_iter=3, latent_dim=4, device="cuda", random_state=0).fit(*mixed)


def test_everything_lies_on_the_gpu(fitted):
    assert {value.device.type for value in get_fitted(fitted).model.vae.state_dict().values()} == {"cuda"}


@pytest.mark.parametrize("method", METHODS)
def test_rows_are_made_there(fitted, mixed, method):
    X_new, _ = fitted.sample(30, y="high", method=method, random_state=1)
    assert X_new.dtypes.equals(mixed[0].dtypes)


def test_a_seed_makes_samples_repeat(fitted):
    assert fitted.sample(30, random_state=1)[0].equals(fitted.sample(30, random_state=1)[0])


def test_what_was_saved_loads_on_a_cpu(fitted, mixed, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    on_cpu, on_gpu = (load(tmp_path / "model.safetensors", device=device) for device in ("cpu", "cuda"))
    assert_allclose(on_cpu.transform(mixed[0]), fitted.transform(mixed[0]), rtol=1e-8, atol=1e-8)
    assert_array_equal(on_gpu.sample(9, random_state=1)[1], fitted.sample(9, random_state=1)[1])
    assert len(on_cpu.sample(9)[0]) == 9
    assert {value.device.type for value in get_fitted(on_gpu).model.vae.state_dict().values()} == {"cuda"}


def test_scores_agree_with_those_of_a_cpu(fitted, mixed, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    on_cpu = load(tmp_path / "model.safetensors", device="cpu")
    scores = [model.score_samples(mixed[0][:40], mixed[1][:40], n_draws=2) for model in (fitted, on_cpu)]
    assert np.isfinite(scores[0]).all()
    assert_allclose(*scores, rtol=1e-6)


def test_a_pickle_keeps_working(fitted, mixed):
    twin = pickle.loads(pickle.dumps(fitted))
    assert_allclose(twin.transform(mixed[0]), fitted.transform(mixed[0]), rtol=1e-8, atol=1e-8)


def test_images_on_a_gpu_come_back_there(tmp_path):
    images, y = blobs()
    tensor = torch.from_numpy(images)[:, None].cuda()
    augmenter = fast(device="cuda").fit(tensor, torch.from_numpy(y).cuda())
    for made in (augmenter.sample(3)[0], augmenter.vary(tensor)):
        assert (made.dtype, made.device, made.shape[1:]) == (tensor.dtype, tensor.device, tensor.shape[1:])
    augmenter.save(tmp_path / "model.safetensors")
    assert_allclose(
        load(tmp_path / "model.safetensors", device="cpu").transform(images),
        augmenter.transform(tensor),
        rtol=1e-3,
        atol=1e-3,
    )
