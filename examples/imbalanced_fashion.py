"""Imbalanced images in a torch training loop
==========================================

Synthetic images are made on the fly.
From 2,000 T-shirts down to 30 ankle boots. One small network learns from the images as they are, one
with the rare ones repeated, and two with ``AugmentedDataset``, which makes new synthetic images in every
epoch: filling the rare classes up with them, and in the place of some of the repeated ones. The images
come from the folder named in VAEAUG_DATA, otherwise through torchvision (a download of 30 MB). Writes
``imbalanced_fashion.png``.

To run it::

    python examples/imbalanced_fashion.py [FOLDER]
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset, WeightedRandomSampler

from vaeaug import AugmentedDataset, VAEAugmenter

FAST = os.environ.get("VAEAUG_FAST") == "1"
NAMES = ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
COUNTS = [60 - 5 * k for k in range(10)] if FAST else [2000, 1200, 800, 500, 300, 200, 120, 80, 50, 30]
BATCHES, SHOWN = 10 if FAST else 1000, 6


def main(folder: Path) -> None:
    train, (X_test, y_test) = load()
    y = torch.tensor([label for _, label in train])
    images = np.stack([np.asarray(image[0]) for image, _ in train])
    augmenter = VAEAugmenter(max_iter=1 if FAST else 25, random_state=0).fit(images, y.numpy())
    filled = AugmentedDataset(train, augmenter, p=0.0, balance=True, random_state=0)
    replaced = AugmentedDataset(train, augmenter, p=0.3, random_state=0)
    evenly = WeightedRandomSampler((1 / torch.bincount(y).double())[y], len(filled))
    loaders = {
        "as they are": DataLoader(train, 64, shuffle=True),
        "rare ones repeated": DataLoader(train, 64, sampler=evenly),
        "filled up with synthetic ones": DataLoader(filled, 64, shuffle=True),
        "repeated, 3 in 10 synthetic": DataLoader(replaced, 64, sampler=evenly),
    }
    recalls = {}
    for name, loader in loaders.items():
        network = learn(loader)
        with torch.no_grad():
            right = (network(X_test).argmax(1) == y_test).double()
        recalls[name] = np.array([right[y_test == k].mean() for k in range(10)])
        rare = recalls[name][5:].mean()
        print(f"{name}: balanced accuracy {recalls[name].mean():.3f}, of the rarest five {rare:.3f}")

    figure = Figure(figsize=(14, 7), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.2, 1])
    new, _ = augmenter.sample(y=np.repeat(np.arange(10), SHOWN), random_state=0)
    real = np.concatenate([images[y == k][:SHOWN] for k in range(10)])
    beside(left, real.reshape(10, SHOWN, *new.shape[1:]), new.reshape(10, SHOWN, *new.shape[1:]))
    bars(right, recalls)
    figure.savefig(folder / "imbalanced_fashion.png", dpi=100)


def learn(loader: DataLoader) -> nn.Module:
    """Train a small network for a fixed number of batches, whatever the size of the dataset."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveMaxPool2d(3),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 9, 10),
    )  # fmt: skip
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, BATCHES)
    done, epoch = 0, 0
    while done < BATCHES:
        if isinstance(loader.dataset, AugmentedDataset):
            loader.dataset.set_epoch(epoch)  # new synthetic images
        for x, y in loader:
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x), y).backward()
            optimiser.step()
            schedule.step()
            done += 1
            if done == BATCHES:
                break
        epoch += 1
    return network.eval()


def load() -> tuple[Subset, tuple[torch.Tensor, torch.Tensor]]:
    """Return an imbalanced training Dataset of (image, label), and balanced test images with labels."""
    root = os.environ.get("VAEAUG_DATA")
    if FAST:
        digits = load_digits()  # stand-ins that come with scikit-learn
        parts = [(digits.images * 15.9, digits.target)] * 2
    elif root:
        folder = Path(root) / "images" / "fashion_mnist"
        held = [np.load(folder / f"{split}.npz") for split in ("train", "test")]
        parts = [(part["images"], part["labels"]) for part in held]
    else:
        from torchvision.datasets import FashionMNIST

        cache = Path(tempfile.gettempdir()) / "vaeaug-examples"
        found = [FashionMNIST(cache, train=train, download=True) for train in (True, False)]
        parts = [(part.data.numpy(), part.targets.numpy()) for part in found]
    tensors = [
        (torch.tensor(np.asarray(X, dtype=np.float32) / 255)[:, None], torch.tensor(y.astype(np.int64)))
        for X, y in parts
    ]
    y = tensors[0][1].numpy()
    order = np.random.default_rng(0).permutation(len(y))
    rows = np.concatenate([order[y[order] == k][:count] for k, count in enumerate(COUNTS)])
    return Subset(TensorDataset(*tensors[0]), rows.tolist()), tensors[1]


def beside(figure, real: np.ndarray, new: np.ndarray) -> None:
    """Draw real images beside synthetic ones, a row per class."""
    axes = figure.subplots(1, 2)
    for ax, images, title in zip(axes, (real, new), ("real", "synthetic"), strict=True):
        framed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0.5)
        ax.imshow(np.block([list(row) for row in framed]), cmap="gray", interpolation="nearest")
        ax.set_title(title, loc="left", fontweight="bold")
        ax.set_xticks([])
        ax.set_yticks([])
    side = real.shape[2] + 2
    names = [f"{name} ({count})" for name, count in zip(NAMES, COUNTS, strict=True)]
    axes[0].set_yticks(np.arange(10) * side + side / 2, names)


def bars(figure, recalls: dict[str, np.ndarray]) -> None:
    """Draw the recall of every class, each way to learn."""
    ax = figure.subplots()
    colours = ("#9aa5b1", "#56B4E9", "#E69F00", "#D55E00")
    for i, ((name, values), colour) in enumerate(zip(recalls.items(), colours, strict=True)):
        label = f"{name}: {values.mean():.1%}"
        ax.barh(np.arange(10) + 0.2 * i - 0.3, values, height=0.2, color=colour, label=label)
    ax.set_yticks(range(10), NAMES)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_title("share of test images told right", loc="left", fontweight="bold")
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, title="mean over classes")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
