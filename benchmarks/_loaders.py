"""The measurements of the loader benchmark, each in a process of its own."""

import statistics
import time
from typing import Any

import numpy as np
import torch
from _image_sets import load_digit_images
from torch import nn
from torch.utils.data import DataLoader, Dataset

from vaeaug import AugmentedDataset, BatchAugment, VAEAugmenter

CLASSES = 10


def time_loading(job: dict[str, Any]) -> dict[str, Any]:
    """Fit a small model and measure training epochs, or images per second."""
    images, labels = draw_pictures(job["items"], job["size"], job["seed"])
    few, settings = job["augmenter_items"], {"max_iter": job["augmenter_epochs"], "device": job["device"]}
    augmenter = VAEAugmenter(random_state=job["seed"], **settings).fit(images[:few], labels[:few])
    return {"epoch": time_epochs, "throughput": time_throughput}[job["what"]](job, images, labels, augmenter)


def draw_pictures(items: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits, blown up, as uint8 (n, size, size): timing needs no better pictures."""
    images, labels = load_digit_images()
    rows = np.random.default_rng(seed).integers(0, len(labels), items)
    large = np.kron(images[rows], np.ones((1, size // 8, size // 8), np.uint8))
    before, rest = divmod(size % 8, 2)
    return np.pad(large, ((0, 0), *[(before, before + rest)] * 2)), labels[rows]


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
            _convolve(inputs, outputs, stride), nn.ReLU(), _convolve(outputs, outputs, 1)
        )
        plain = inputs == outputs and stride == 1
        self.skip = nn.Identity() if plain else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.skip(x))


def _convolve(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


def resnet() -> nn.Module:
    """Return ResNet-20 (He et al. 2016, section 4.2): 3 stages of 3 blocks, 16, 32 and 64 channels."""
    widths = np.repeat([16, 32, 64], 3).tolist()
    blocks = [Block(a, b, 1 + (a < b)) for a, b in zip([16, *widths], widths, strict=False)]
    return nn.Sequential(
        _convolve(1, 16, 1), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES)
    )


def time_epochs(
    job: dict[str, Any], images: np.ndarray, labels: np.ndarray, augmenter: Any
) -> dict[str, Any]:
    """Time training epochs with plain loading and with each kind of augmentation, in turns."""
    plain = Pictures(images, labels)
    common = {"p": job["p"], "random_state": job["seed"]}
    rare = AugmentedDataset(plain, augmenter, refresh_every=4, **common)
    arms: dict[str, tuple[Any, Any]] = {
        "plain": (plain, None),
        "AugmentedDataset": (AugmentedDataset(plain, augmenter, **common), None),
        "AugmentedDataset(refresh_every=4)": (rare, None),
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
            if epoch:  # the first turn starts workers and warms up
                epochs[name].append(time.perf_counter() - began)
    return {"epoch_s": epochs, "pool_s": {name: times[1:] for name, times in pools.items()}}


def time_throughput(
    job: dict[str, Any], images: np.ndarray, labels: np.ndarray, augmenter: Any
) -> dict[str, Any]:
    """Time synthetic items per second: from the pool, its making included, and one by one."""
    data = AugmentedDataset(Pictures(images, labels), augmenter, p=1.0, random_state=job["seed"])
    few = job["one_by_one_items"]
    single = OneByOne(images[:few], labels[:few], augmenter)
    found: dict[str, list[float]] = {"pool": [], "one by one": []}
    for turn in range(job["epochs"]):
        for name, items in {"pool": data, "one by one": single}.items():
            began = time.perf_counter()
            if items is data:
                data.set_epoch(turn + 1)
            count = sum(len(y) for _, y in _load(items, job))
            found[name].append(count / (time.perf_counter() - began))
    return {"items_per_s": {name: statistics.median(rates) for name, rates in found.items()}}


def _load(data: Any, job: dict[str, Any], **options: Any) -> DataLoader:
    return DataLoader(data, batch_size=job["batch_size"], shuffle=True, num_workers=job["workers"], **options)
