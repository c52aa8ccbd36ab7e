"""A small class-conditional GAN in plain PyTorch for 28×28 grey images: hinge loss, spectral norm."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["ConditionalGAN"]

_NOISE = 48


class _Generator(nn.Module):
    """Noise and class to an image in [−1, 1]: a 7×7 grid that is doubled twice."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.classes, self.width = classes, width
        self.entry = nn.Linear(_NOISE + classes, 4 * width * 49)
        self.stages = nn.ModuleList(
            nn.Conv2d(a * width, b * width, 3, padding=1) for a, b in ((4, 2), (2, 1))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(a * width) for a in (4, 2, 1))
        self.out = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        both = torch.cat([noise, F.one_hot(labels, self.classes).to(noise)], 1)
        h = F.relu(self.norms[0](self.entry(both).unflatten(1, (-1, 7, 7))))
        for stage, norm in zip(self.stages, list(self.norms)[1:], strict=True):
            h = F.relu(norm(stage(F.interpolate(h, scale_factor=2.0))))
        return torch.tanh(self.out(h))


class _Critic(nn.Module):
    """How real an image looks among images of its class (Miyato and Koyama 2018, *cGANs with Projection*)."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        sizes = [1, width, 2 * width, 4 * width]
        self.stages = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4 if i < 2 else 3, stride=2 if i < 2 else 1, padding=1))
            for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False))
        )
        self.out = spectral_norm(nn.Linear(4 * width, 1))
        self.classes = spectral_norm(nn.Embedding(classes, 4 * width))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.1)
        h = x.mean((2, 3))
        return self.out(h).squeeze(1) + (self.classes(labels) * h).sum(1)


class ConditionalGAN:
    """Train a conditional GAN and draw from the running mean of its generator.

    Hinge loss (Lim and Ye 2017), spectral normalisation of the critic (Miyato et al. 2018), Adam with two
    learning rates (Heusel et al. 2017) that fall to zero in a cosine.
    """

    def __init__(self, *, steps: int = 2500, batch_size: int = 64, width: int = 24, seed: int = 0) -> None:
        self.steps, self.batch_size, self.width, self.seed = steps, batch_size, width, seed

    def fit(self, images: np.ndarray, labels: np.ndarray) -> ConditionalGAN:
        torch.manual_seed(self.seed)
        rng = np.random.default_rng(self.seed)
        classes = int(labels.max()) + 1
        generator, critic = _Generator(classes, self.width), _Critic(classes, self.width)
        self.network = copy.deepcopy(generator).requires_grad_(False)
        rates = ((generator, 2e-4 * 2.5), (critic, 4e-4 * 2.5))
        optimisers = [torch.optim.Adam(net.parameters(), rate, betas=(0.0, 0.9)) for net, rate in rates]
        falls = [torch.optim.lr_scheduler.CosineAnnealingLR(each, self.steps) for each in optimisers]
        x, y = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
        for step in range(self.steps):
            rows = torch.from_numpy(rng.choice(len(x), self.batch_size, replace=False))
            real, own = x[rows, None].float() / 127.5 - 1, y[rows]
            with torch.no_grad():
                made = generator(torch.randn(len(rows), _NOISE), own)
            both = critic(torch.cat([real, made]), torch.cat([own, own]))
            loss = F.relu(1 - both[: len(rows)]).mean() + F.relu(1 + both[len(rows) :]).mean()
            _descend(optimisers[1], loss)
            asked = torch.from_numpy(rng.integers(classes, size=self.batch_size))
            fooled = critic(generator(torch.randn(self.batch_size, _NOISE), asked), asked)
            _descend(optimisers[0], -fooled.mean())
            for fall in falls:
                fall.step()
            _follow(self.network, generator, min(0.998, step / (step + 10)))
        return self

    @torch.no_grad()
    def sample(self, labels: np.ndarray, seed: int) -> np.ndarray:
        """Draw one image, uint8 ``(n, 28, 28)``, for each label."""
        torch.manual_seed(seed)
        self.network.eval()
        wanted = torch.from_numpy(labels.astype(np.int64))
        parts = [self.network(torch.randn(len(part), _NOISE), part) for part in wanted.split(500)]
        return ((torch.cat(parts)[:, 0] + 1) * 127.5).round().to(torch.uint8).numpy()


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


@torch.no_grad()
def _follow(mean: nn.Module, network: nn.Module, decay: float) -> None:
    for kept, new in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)
