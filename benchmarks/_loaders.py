"""The measurements of the loader benchmark, each in a process of its own."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset

from vaeaug import AugmentedDataset, BatchAugment, VAEAugmenter

CLASSES = 10


def time_loading(job: dict[str, Any]) -> dict[str, Any]:
    """Fit a small model and measure training epochs, or images per second."""
    torch.set_num_threads(job["threads"])
    images, labels = draw_pictures(job["items"], job["size"], job["seed"])
    few, settings = job["augmenter_items"], {"max_iter": job["augmenter_epochs"], "device": job["device"]}
    augmenter = VAEAugmenter(random_state=job["seed"], **settings).fit(images[:few], labels[:few])
    time_part = {"epoch": time_epochs, "throughput": time_throughput}[job["what"]]
    return time_part(job, images, labels, augmenter)


def draw_pictures(items: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits, blown up, as uint8 (n, size, size): timing needs no better pictures."""
    digits = load_digits()
    rows = np.random.default_rng(seed).integers(0, len(digits.target), items)
    scale = size // 8
    large = np.kron(digits.images[rows] / 16 * 255, np.ones((1, scale, scale))).astype(np.uint8)
    margin = size - 8 * scale
    return np.pad(
        large, ((0, 0), (margin // 2, margin - margin // 2), (margin // 2, margin - margin // 2))
    ), (digits.target[rows])


class Pictures(Dataset):
    """Items as torchvision's data sets with ToTensor give them: floats (1, H, W) and an int."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.targets = images, labels.tolist()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.images[index])[None].float().div(255), self.targets[index]


class OneByOne(Pictures):
    """The obvious way: every item asks the model for itself."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, augmenter: Any) -> None:
        super().__init__(images, labels)
        self.augmenter = augmenter

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        label = self.targets[index]
        made, _ = self.augmenter.sample(1, y=label, random_state=index)
        return torch.from_numpy(np.asarray(made[0]))[None].float().div(255), label


class Block(nn.Module):
    """A residual block of two 3×3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        plain = inputs == outputs and stride == 1
        self.skip = nn.Identity() if plain else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.skip(x))


def resnet() -> nn.Module:
    """Return ResNet-20 (He et al. 2016, section 4.2): 3 stages of 3 blocks, 16, 32 and 64 channels."""
    blocks, inputs = [], 16
    for outputs in (16, 32, 64):
        for turn in range(3):
            blocks.append(Block(inputs, outputs, 2 if turn == 0 and outputs > 16 else 1))
            inputs = outputs
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, CLASSES),
    )


def time_epochs(
    job: dict[str, Any], images: np.ndarray, labels: np.ndarray, augmenter: Any
) -> dict[str, Any]:
    """Time training epochs with plain loading and with each kind of augmentation, in turns."""
    plain = Pictures(images, labels)
    common = {"p": job["p"], "random_state": job["seed"]}
    arms: dict[str, tuple[Any, Any]] = {
        "plain": (plain, None),
        "AugmentedDataset": (AugmentedDataset(plain, augmenter, **common), None),
        "AugmentedDataset(refresh_every=4)": (
            AugmentedDataset(plain, augmenter, refresh_every=4, **common),
            None,
        ),
        "BatchAugment": (plain, BatchAugment(augmenter, **common)),
    }
    device = torch.device("cuda" if torch.cuda.is_available() and job["device"] != "cpu" else "cpu")
    torch.manual_seed(job["seed"])
    model = resnet().to(device)
    optimiser = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    loaders = {
        name: _load(data, job, persistent_workers=job["workers"] > 0) for name, (data, _) in arms.items()
    }
    epochs: dict[str, list[float]] = {name: [] for name in arms}
    pools: dict[str, list[float]] = {name: [] for name in arms}
    for epoch in range(job["epochs"] + 1):
        for name, (data, after) in arms.items():
            began = time.perf_counter()
            if hasattr(data, "set_epoch"):
                data.set_epoch(epoch + 1)  # epoch 0 was made by the constructor
            pools[name].append(time.perf_counter() - began)
            for x, y in loaders[name]:
                x, y = x.to(device), y.to(device)
                if after is not None:
                    x, y = after(x, y)
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimiser.step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            epochs[name].append(time.perf_counter() - began)
    # The first turn starts workers and warms up.
    return {
        "epoch_s": {name: times[1:] for name, times in epochs.items()},
        "pool_s": {name: times[1:] for name, times in pools.items()},
    }


def time_throughput(
    job: dict[str, Any], images: np.ndarray, labels: np.ndarray, augmenter: Any
) -> dict[str, Any]:
    """Time synthetic items per second: from the pool, its making included, and one by one."""
    data = AugmentedDataset(Pictures(images, labels), augmenter, p=1.0, random_state=job["seed"])
    few = job["one_by_one_items"]
    single = OneByOne(images[:few], labels[:few], augmenter)
    found: dict[str, list[float]] = {"pool": [], "one by one": []}
    for turn in range(job["epochs"]):
        began = time.perf_counter()
        data.set_epoch(turn + 1)
        count = sum(len(y) for _, y in _load(data, job))
        found["pool"].append(count / (time.perf_counter() - began))
        began = time.perf_counter()
        count = sum(len(y) for _, y in _load(single, job))
        found["one by one"].append(count / (time.perf_counter() - began))
    return {"items_per_s": {name: statistics.median(rates) for name, rates in found.items()}}


def _load(data: Any, job: dict[str, Any], **options: Any) -> DataLoader:
    return DataLoader(data, batch_size=job["batch_size"], shuffle=True, num_workers=job["workers"], **options)
