"""A small class-conditional GAN and a small gated PixelCNN in plain PyTorch, for grey images of 8 bits."""

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel

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


class GAN:
    """Train a conditional GAN and draw from the running mean of its generator.

    Hinge loss (Lim and Ye 2017), spectral normalisation of the critic (Miyato et al. 2018), Adam with two
    learning rates (Heusel et al. 2017) that fall to zero in a cosine.
    """

    def __init__(self, *, steps: int = 2500, batch_size: int = 64, width: int = 24, seed: int = 0) -> None:
        self.steps, self.batch_size, self.width, self.seed = steps, batch_size, width, seed

    def fit(self, images: np.ndarray, labels: np.ndarray) -> Self:
        torch.manual_seed(self.seed)
        rng = np.random.default_rng(self.seed)
        classes = int(labels.max()) + 1
        generator, critic = _Generator(classes, self.width), _Critic(classes, self.width)
        self.network = AveragedModel(generator, avg_fn=_follow, use_buffers=True)
        rates = ((generator, 2e-4 * 2.5), (critic, 4e-4 * 2.5))
        optimisers = [torch.optim.Adam(net.parameters(), rate, betas=(0.0, 0.9)) for net, rate in rates]
        falls = [torch.optim.lr_scheduler.CosineAnnealingLR(each, self.steps) for each in optimisers]
        x, y = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
        for _ in range(self.steps):
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
            self.network.update_parameters(generator)
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


def _follow(mean: Tensor, new: Tensor, steps: Tensor) -> Tensor:
    return mean + (new - mean) * max(0.002, 10 / (int(steps) + 10))


# ---------------------------------------------------------------- PixelCNN

_HALF = 1 / 255
_FIRST = 3  # rows above and pixels to the left that the first layer reads


class _Layer(nn.Module):
    """One gated layer of the two stacks (van den Oord et al. 2016, *Conditional Image Generation*, fig. 2).

    The vertical stack sees the rows above, the horizontal one the pixels to the left; the first
    layer excludes the pixel itself and its row, so that later layers may include their own place.
    """

    def __init__(self, inputs: int, width: int, classes: int, first: bool) -> None:
        super().__init__()
        self.first = first
        # Rows above, or pixels to the left, where the image ends; and how many are read at once.
        self.reach, self.size = (_FIRST, _FIRST) if first else (1, 2)
        columns = 2 * _FIRST - 1 if first else 3
        self.vertical = nn.Conv2d(inputs, 2 * width, (self.size, columns), padding=(0, columns // 2))
        self.horizontal = nn.Conv2d(inputs, 2 * width, (1, self.size))
        self.across = nn.Conv2d(2 * width, 2 * width, 1)
        self.classes = nn.Embedding(classes, 4 * width)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, v: Tensor, h: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = v.shape[2:]
        v, across = self.look_up(F.pad(v, (0, 0, self.reach, 0))[:, :, : rows + self.size - 1], labels)
        return v, self.look_left(F.pad(h, (self.reach, 0))[:, :, :, : columns + self.size - 1], across)

    def look_up(self, v: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows of the next vertical stack, and what they tell the horizontal one."""
        above, beside = self.classes(labels)[:, :, None, None].chunk(2, 1)
        seen = self.vertical(v)
        return gate(seen + above), self.across(seen) + beside

    def look_left(self, h: Tensor, across: Tensor) -> Tensor:
        """Return pixels of the next horizontal stack."""
        made = self.out(gate(self.horizontal(h) + across))
        return made if self.first else h[:, :, :, 1:] + made


def gate(x: Tensor) -> Tensor:
    signal, valve = x.chunk(2, 1)
    return torch.tanh(signal) * torch.sigmoid(valve)


class _Network(nn.Module):
    def __init__(self, classes: int, width: int, depth: int, mixtures: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _Layer(2 if i == 0 else width, width, classes, first=i == 0) for i in range(depth)
        )
        self.head = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, 2 * width, 1), nn.ReLU(), nn.Conv2d(2 * width, 3 * mixtures, 1)
        )

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Map images ``(B, 1, H, W)`` in [−1, 1] to the parameters of each pixel, ``(B, 3 M, H, W)``."""
        # A second channel of ones tells pixels from what lies outside.
        v = h = torch.cat([x, torch.ones_like(x)], 1)
        for layer in self.layers:
            v, h = layer(v, h, labels)
        return self.head(h)


def log_prob(params: Tensor, x: Tensor) -> Tensor:
    """Return each pixel's log-probability under a mixture of discretised logistics (Salimans et al. 2017)."""
    logits, centre, log_scale = params.chunk(3, 1)
    rate = torch.exp(-log_scale.clamp(min=-7.0))
    high, low = (x + _HALF - centre) * rate, (x - _HALF - centre) * rate
    inside = F.logsigmoid(high) + F.logsigmoid(-low) + torch.log(-torch.expm1(low - high))
    edge = 1 - _HALF
    each = torch.where(x > edge, F.logsigmoid(-low), torch.where(x < -edge, F.logsigmoid(high), inside))
    return torch.logsumexp(torch.log_softmax(logits, 1) + each, 1)


class PixelCNN:
    """Train a gated PixelCNN of ``width`` channels and ``depth`` layers; draw from it pixel by pixel.

    A pixel is a mixture of ``mixtures`` logistics. Drawing keeps every layer's past.
    """

    def __init__(
        self, *, steps: int = 1500, width: int = 16, depth: int = 5, mixtures: int = 5, seed: int = 0
    ) -> None:
        self.steps, self.batch_size, self.seed = steps, 32, seed
        self.width, self.depth, self.mixtures = width, depth, mixtures

    def fit(self, images: np.ndarray, labels: np.ndarray) -> Self:
        torch.manual_seed(self.seed)
        rng = np.random.default_rng(self.seed)
        self.network = _Network(int(labels.max()) + 1, self.width, self.depth, self.mixtures)
        self.side = images.shape[1]
        optimiser = torch.optim.Adam(self.network.parameters(), 4e-3, betas=(0.9, 0.99))
        fall = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=self.steps, pct_start=0.1)
        x, y = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
        for _ in range(self.steps):
            rows = torch.from_numpy(rng.choice(len(x), self.batch_size, replace=False))
            real = x[rows, None].float() / 127.5 - 1
            loss = -log_prob(self.network(real, y[rows]), real).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimiser.step()
            fall.step()
        self.network.eval()
        return self

    @torch.no_grad()
    def bits_per_dim(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Return the mean negative log-likelihood of 8-bit images, in bits per pixel."""
        x, y = (
            torch.from_numpy(images)[:, None].float() / 127.5 - 1,
            torch.from_numpy(labels.astype(np.int64)),
        )
        parts = [log_prob(self.network(a, b), a) for a, b in zip(x.split(250), y.split(250), strict=True)]
        return float(-torch.cat(parts).double().mean() / math.log(2))

    @torch.no_grad()
    def sample(self, labels: np.ndarray, seed: int) -> np.ndarray:
        """Draw one image, uint8 ``(n, side, side)``, for each label."""
        torch.manual_seed(seed)
        parts = torch.from_numpy(labels.astype(np.int64)).split(2500)
        drawn = torch.cat([_draw_pixels(self.network, part, self.side) for part in parts])
        return ((drawn + 1) * 127.5).round().to(torch.uint8).numpy()


def _draw_pixels(network: _Network, labels: Tensor, side: int) -> Tensor:
    """Draw images ``(B, side, side)``: the vertical stack row by row, the horizontal one pixel by pixel."""
    layers = list(network.layers)
    # Rows above and columns beside the image are zeros, in both channels.
    canvas = torch.zeros(len(labels), 2, side + _FIRST, side + _FIRST)
    width = layers[0].out.in_channels
    above = [torch.zeros(len(labels), width, 1, side) for _ in layers]
    for row in range(side):
        v, across = canvas[:, :, row : row + _FIRST, _FIRST:], []
        for i, layer in enumerate(layers):
            if i:
                v, above[i] = torch.cat([above[i], v], 2), v
            v, told = layer.look_up(v, labels)
            across.append(told)
        before = [torch.zeros(len(labels), width, 1, 1) for _ in layers]
        for column in range(side):
            h = canvas[:, :, row + _FIRST, None, column : column + _FIRST]
            for i, layer in enumerate(layers):
                if i:
                    h, before[i] = torch.cat([before[i], h], 3), h
                h = layer.look_left(h, across[i][:, :, :, column, None])
            canvas[:, 0, row + _FIRST, column + _FIRST] = _draw_values(network.head(h))
            canvas[:, 1, row + _FIRST, column + _FIRST] = 1.0
    return canvas[:, 0, _FIRST:, _FIRST:]


def _draw_values(params: Tensor) -> Tensor:
    """Draw the 8-bit values, in [−1, 1], of pixels with parameters ``(B, 3 M, 1, 1)``."""
    logits, centre, log_scale = params[:, :, 0, 0].chunk(3, 1)
    choice = torch.distributions.Categorical(logits=logits).sample()[:, None]
    level = torch.rand(len(params), 1).clamp(1e-5, 1 - 1e-5)
    scale = torch.exp(log_scale.clamp(min=-7.0).gather(1, choice))
    value = centre.gather(1, choice) + scale * torch.logit(level)
    return ((value.clamp(-1, 1) + 1) * 127.5).round().squeeze(1) / 127.5 - 1
