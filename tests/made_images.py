"""Small sets of images, and the containers users hold them in."""

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import Dataset

from vaeaug import Recipe, VAEAugmenter


def digits(classes=10):
    """Return 8×8 digits as uint8 in 0 to 255, (n, 8, 8), and their classes."""
    X, y = load_digits(return_X_y=True)
    kept = y < classes
    return (X[kept] * 255 / 16).round().astype(np.uint8).reshape(-1, 8, 8), y[kept]


def blobs(n=40, shape=(8, 9), seed=0, classes=2):
    """Return uint8 images with a bright square, left for class 0, and ever farther right; and the classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    images = rng.integers(0, 60, (n, *shape)).astype(np.uint8)
    for image, label in zip(images, y, strict=True):
        image[2:6, 2 * label : 2 * label + 3] += np.uint8(150)
    return images, y


def fast(**parameters):
    """Return an augmenter that learns little, in a moment."""
    small = {"max_iter": 1, "latent_dim": 4, "network": Recipe("convolutional", width=4, features=16)}
    return VAEAugmenter(device="cpu", random_state=0, **{**small, **parameters})


class Pairs(Dataset):
    """A Dataset of (image, label), with or without names of classes; item ``broken`` raises."""

    def __init__(self, images, labels=None, classes=None, broken=None):
        self.images, self.labels, self.broken = images, labels, broken
        if classes is not None:
            self.classes = classes

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        if i == self.broken:
            raise OSError("truncated file")
        return self.images[i] if self.labels is None else (self.images[i], self.labels[i])


def pictures(images):
    return [Image.fromarray(image) for image in images]


#: container -> function of uint8 images (n, H, W)
IMAGE_CONTAINERS = {
    "array": lambda X: X,
    "floats": lambda X: X / 255,
    "channels last": lambda X: X[..., None],
    "colours first": lambda X: np.repeat(X[:, None], 3, axis=1),
    "tensor": lambda X: torch.from_numpy(X),
    "float tensor": lambda X: torch.from_numpy(X)[:, None].float() / 255,
    "bfloat16 tensor": lambda X: torch.from_numpy(X)[:, None].to(torch.bfloat16),
    "list of tensors": lambda X: list(torch.from_numpy(X)),
    "list of arrays": lambda X: list(X),
    "grey pictures": pictures,
    "colour pictures": lambda X: pictures(np.repeat(X[..., None], 3, axis=-1)),
    "black-and-white pictures": lambda X: pictures(X > 100),
    "16-bit pictures": lambda X: pictures(X.astype(np.uint16) * 200),
    "pictures with transparency": lambda X: pictures(np.stack([X, X, X, 255 - X], axis=-1)),
}
