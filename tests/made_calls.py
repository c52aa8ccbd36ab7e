"""Every public call that computes with torch, as a table from names to arrays, for tests of repeatability."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from vaeaug import AugmentedClassifier, AugmentedDataset, BatchAugment, VAEAugmenter, VAEOverSampler, load

ROWS = 40


def make_rows():
    """Return 60 mixed rows with two columns of numbers, one of text, one of dates, and two classes."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "amount": rng.lognormal(3, 1, 60).round(2),
            "age": rng.integers(18, 90, 60),
            "job": rng.choice(["clerk", "nurse", "pilot"], 60),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 60), "D"),
        }
    )
    return X, np.repeat(["no", "yes"], [44, 16])


def make_pictures():
    """Return 60 grey images of 8 × 8, uint8, and two classes."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [40, 20])
    images = rng.integers(0, 60, (60, 8, 8)) + 150 * (np.arange(8)[None, :, None] // 4 == y[:, None, None])
    return images.astype(np.uint8), y


def fit_table(**options):
    return VAEAugmenter(**{"max_iter": 2, "random_state": 0} | options).fit(*make_rows())


def fit_images(**options):
    return VAEAugmenter(**{"max_iter": 2, "random_state": 0} | options).fit(*make_pictures())


def table_calls(augmenter):
    """Return the calls of a fitted table model: name -> function without arguments that returns arrays."""
    X, y = make_rows()
    some = X.head(ROWS)
    calls = {
        f"sample {method}": lambda method=method: augmenter.sample(
            ROWS, y="yes", method=method, random_state=1
        )
        for method in ("prior", "posterior", "interpolate")
    }
    calls |= {
        "resample": lambda: augmenter.resample(X, y, random_state=1),
        "generate": lambda: augmenter.generate(["yes"] * 9, X, y, random_state=1),
        "transform": lambda: augmenter.transform(some),
        "inverse_transform": lambda: augmenter.inverse_transform(augmenter.transform(some), y[:ROWS]),
        "reconstruct": lambda: augmenter.reconstruct(some, y[:ROWS]),
        "vary": lambda: augmenter.vary(some, y[:ROWS], random_state=1),
        "score_samples": lambda: augmenter.score_samples(some, y[:ROWS]),
        "uncertainty": lambda: augmenter.uncertainty(some, y[:ROWS]),
        "interpolate": lambda: augmenter.interpolate(some.head(3), some.tail(3), steps=4),
        "transfer": lambda: augmenter.transfer(some, y[:ROWS], ["yes"] * ROWS),
        "blend": lambda: augmenter.blend(some.head(3), some.tail(3)),
        "traverse": lambda: augmenter.traverse(some.head(2)),
        "save and load": lambda: load_again(augmenter).sample(ROWS, random_state=1),
    }
    return calls


def image_calls(augmenter):
    """Return the calls of a fitted model of images."""
    images, y = make_pictures()
    calls = {
        f"images: sample {method}": lambda method=method: augmenter.sample(
            ROWS, y=1, method=method, random_state=1
        )
        for method in ("prior", "posterior", "interpolate")
    }
    calls |= {
        "images: sample sharp": lambda: augmenter.sample(
            ROWS, y=1, method="posterior", sharp=True, random_state=1
        ),
        "images: resample": lambda: augmenter.resample(images, y, random_state=1),
        "images: transform": lambda: augmenter.transform(images),
        "images: reconstruct": lambda: augmenter.reconstruct(images, y),
        "images: vary": lambda: augmenter.vary(images, y, random_state=1),
        "images: score_samples": lambda: augmenter.score_samples(images, y),
        "AugmentedDataset": lambda: read_dataset(augmenter),
        "BatchAugment": lambda: run_batches(augmenter),
        "torchvision VAEVariation": lambda: run_torchvision(augmenter),
        "albumentations VAEVariation": lambda: run_albumentations(augmenter),
    }
    return calls


def fit_calls():
    """Return calls that train."""
    X, y = make_rows()
    return {
        "fit": lambda: fit_table().sample(ROWS, random_state=1),
        "images: fit": lambda: fit_images().sample(ROWS, random_state=1),
        "VAEOverSampler": lambda: VAEOverSampler(
            VAEAugmenter(max_iter=1, random_state=0), label_filter=None, random_state=0
        ).fit_resample(X, y),
        "AugmentedClassifier": fit_classifier,
    }


def fit_classifier():
    from sklearn.linear_model import LogisticRegression

    X, y = make_rows()
    X = X[["amount", "age"]]
    sampler = VAEOverSampler(VAEAugmenter(max_iter=1, random_state=0), random_state=0)
    return AugmentedClassifier(LogisticRegression(), sampler).fit(X, y).predict_proba(X)


def load_again(augmenter):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        augmenter.save(path)
        return load(path)


def read_dataset(augmenter):
    import torch

    images, y = make_pictures()
    data = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(y))
    augmented = AugmentedDataset(data, augmenter, p=0.7, random_state=0)
    augmented.set_epoch(1)
    return [np.asarray(augmented[i][0]) for i in range(len(augmented))]


def run_batches(augmenter):
    import torch

    images, y = make_pictures()
    mix = BatchAugment(augmenter, p=0.7, random_state=0)
    return [part.numpy() for part in mix(torch.from_numpy(images), torch.from_numpy(y))]


def run_torchvision(augmenter):
    import torch

    from vaeaug.integrations.torchvision import VAEVariation

    images, _ = make_pictures()
    vary = VAEVariation(augmenter, p=1.0, random_state=0)
    return np.asarray(vary(torch.from_numpy(images[:5, None])))


def run_albumentations(augmenter):
    import albumentations

    from vaeaug.integrations.albumentations import VAEVariation

    images, y = make_pictures()
    vary = albumentations.Compose([VAEVariation(augmenter, p=1.0)], seed=0)
    return vary(image=images[0][..., None], label=int(y[0]))["image"]


def to_bytes(found):
    """Turn whatever a call returned into bytes, so that two results are equal or not."""
    if isinstance(found, (tuple, list)):
        return b"|".join(to_bytes(part) for part in found)
    if isinstance(found, pd.DataFrame):
        return found.to_csv().encode() + str(found.dtypes.to_dict()).encode()
    if isinstance(found, pd.Series):
        return to_bytes(found.to_frame())
    if found is None:
        return b""
    array = np.asarray(found)
    return repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
