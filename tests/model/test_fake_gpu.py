"""Every part of the family on a pretended GPU: nothing is made beside the batch, no value is waited for.

Torch's fake tensors have a device and a shape and hold nothing, so a CUDA device may be named where there is
none. An operation over two devices is an error there, as is reading a value, for which one would have to wait
on a real GPU.
"""

import pytest
import torch
from made_calls import fit_images, fit_table
from torch._subclasses.fake_tensor import FakeTensorMode

from vaeaug import VARIANTS
from vaeaug.model.builder import build
from vaeaug.model.fitted import get_fitted
from vaeaug.nn.distributions import draw
from vaeaug.utils import random
from vaeaug.utils.random import isolate_torch

GPU = torch.device("cuda", 0)
ROWS = 32


@pytest.fixture(autouse=True)
def no_generators(monkeypatch):
    """Let random functions do without a generator: torch makes none for a device that is absent."""
    monkeypatch.setattr(random._Streams, "on", lambda self, device: None)


def move_to_fake_gpu(module, mode):
    """Replace all parameters and buffers by fake ones on the GPU."""
    for part in module.modules():
        for group in (part._parameters, part._buffers):
            for name, value in group.items():
                if value is not None:
                    fake = mode.from_tensor(value.detach())
                    with mode:
                        fake = fake.to(GPU)
                        wanted = isinstance(value, torch.nn.Parameter)
                        group[name] = torch.nn.Parameter(fake, value.requires_grad) if wanted else fake
    return module


@pytest.mark.slow  # all variants
@pytest.mark.parametrize("fit", [fit_table, fit_images])
@pytest.mark.parametrize("variant", ["default", *VARIANTS])
def test_a_training_pass_and_a_draw_stay_on_the_device_of_the_batch(variant, fit):
    if (variant, fit) == ("adversarial", fit_images):
        pytest.skip("its loss asks for gradients, which torch computes on no fake GPU")
    augmenter = fit(**({} if variant == "default" else VARIANTS[variant]), max_iter=1)
    blueprint = get_fitted(augmenter).model.blueprint
    mode = FakeTensorMode()
    with isolate_torch(0):
        objective = move_to_fake_gpu(build(blueprint), mode)
    with mode, isolate_torch(0):
        x = torch.zeros(ROWS, *blueprint.layout.shape, device=GPU)
        c = torch.zeros(ROWS, get_fitted(augmenter).context.width, device=GPU)
        pieces = objective((x, c), 0.5)
        if list(objective.critic_parameters()):
            pieces["critic"] = objective.critic_loss((x, c))
        assert {piece.device for piece in pieces.values()} == {GPU}
        vae = objective.eval().vae
        with torch.no_grad():
            assert draw(vae.decode(vae.latent.sample(c, 1.0), c), 1.0).device == GPU
