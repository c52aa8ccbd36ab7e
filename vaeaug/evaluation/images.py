"""How close a set of synthetic images is to a real one, in the features of a given network."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.errors import InputError
from vaeaug.evaluation.columns import as_array
from vaeaug.evaluation.distances import nearest, read_points
from vaeaug.evaluation.privacy import attack_scores, measure_copying
from vaeaug.utils.random import neutral_torch

__all__ = [
    "channels_first",
    "copying_share",
    "find_white",
    "flat_pixels",
    "frechet_distance",
    "gradient_energy",
    "image_features",
    "image_membership_inference",
]


def channels_first(images: Any, who: str = "images") -> np.ndarray:
    """Return images as an array ``(n, channels, height, width)`` of the dtype they have.

    Parameters
    ----------
    images : array or tensor
        ``(n, H, W)``, ``(n, H, W, C)`` or ``(n, C, H, W)`` with at most 4 channels. Where both
        ends could be channels, the first is.
    who : str
        How an error names the argument.

    Raises
    ------
    InputError
        Another shape, no images, or values that are not finite numbers.
    """
    array = as_array(images, who)
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and any(array.shape[1] > most >= array.shape[3] for most in (4, 8)):
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] > 8 or 0 in array.shape or array.dtype.kind not in "buif":
        raise InputError(
            f"{who} must be an array of numbers (n, H, W), (n, H, W, C) or (n, C, H, W) with 1 to 8 "
            f"channels, got shape {array.shape} of {array.dtype}."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{who} hold pixels that are not finite; replace them or drop these images.")
    return array


def find_white(images: np.ndarray) -> float:
    """Return what stands for white: the largest value of a dtype of integers, 1 of others."""
    return float(np.iinfo(images.dtype).max) if images.dtype.kind in "ui" else 1.0


def image_features(images: Any, network: Any, *, batch_size: int = 512) -> np.ndarray:
    """Run images through a feature network, a batch at a time.

    Parameters
    ----------
    images : array or tensor
        ``(n, H, W)``, ``(n, H, W, C)`` or ``(n, C, H, W)``, of integers or floats.
    network : torch.nn.Module or callable
        A module gets float32 tensors ``(batch, C, H, W)``, integers divided by the largest value
        of their dtype, on its own device, in evaluation mode, without gradients; its modes are
        restored afterwards. Any other callable gets arrays of the shape and dtype of ``images``.
        Either returns ``(batch, …)``; what is beyond the first axis is flattened.
    batch_size : int, default=512

    Returns
    -------
    ndarray of float64, shape (n, features)

    Raises
    ------
    InputError
        Images of another shape, or a network that returns another number of rows or values that
        are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> image_features(np.ones((3, 8, 8)), lambda batch: batch.mean(axis=2)).shape
    (3, 8)
    """
    if not callable(network):
        raise InputError(
            f"image_features: network must be a torch.nn.Module or another callable, got {network!r}."
        )
    # Where torch was never imported nobody can hand in a module.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(network, torch.nn.Module):
        batches = _module_batches(channels_first(images), network, batch_size)
    else:
        channels_first(images)
        array = as_array(images, "images")
        batches = (network(array[k : k + batch_size]) for k in range(0, len(array), batch_size))
    parts = [_plain(part) for part in batches]
    features = np.concatenate([part.reshape(len(part), -1) for part in parts])
    if len(features) != len(images):
        raise InputError(
            f"image_features: the network returned {len(features)} rows for {len(images)} images; it must "
            "return one row for each image."
        )
    if not np.isfinite(features).all():
        raise InputError("image_features: the network returned values that are not finite.")
    return features


def frechet_distance(real: Any, synthetic: Any) -> float:
    """Measure the Fréchet distance of two sets of features, each taken as a Gaussian.

    ``|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)``, which is 0 for equal means and covariances. It depends on
    the network behind the features and on the number of rows (few rows raise it): compare
    figures only where both are the same.

    Parameters
    ----------
    real, synthetic : array (rows, features)
        Features of images, as :func:`image_features` returns them.

    Returns
    -------
    float
        Not negative.

    Raises
    ------
    InputError
        Arrays of another shape, or fewer than two rows.

    References
    ----------
    Dowson and Landau, *Journal of Multivariate Analysis* 12, 1982; Heusel et al., *GANs Trained by a
    Two Time-Scale Update Rule*, NeurIPS 2017 ("FID", with the features of Inception v3).

    Examples
    --------
    >>> import numpy as np
    >>> features = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(frechet_distance(features, features + [3.0, 4.0, 0.0]), 6)
    25.0
    """
    a, b = (read_points(rows, name) for rows, name in ((real, "real"), (synthetic, "synthetic")))
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"frechet_distance: both sets must have the same number of features, got {a.shape[1]} and "
            f"{b.shape[1]}."
        )
    shift = a.mean(axis=0) - b.mean(axis=0)
    roots = [_root(np.atleast_2d(np.cov(rows, rowvar=False))) for rows in (a, b)]
    # tr (Σ₁ Σ₂)^½ is the sum of the singular values of Σ₁^½ Σ₂^½: no root of an unsymmetric matrix.
    cross = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    traces = sum(np.square(root).sum() for root in roots)
    return float(max(shift @ shift + traces - 2.0 * cross, 0.0))


def copying_share(synthetic: Any, train: Any, holdout: Any, *, quantile: float = 0.01) -> float:
    """Measure the share of synthetic images nearer to a training image than held-out images ever are.

    "Ever" is the ``quantile`` of the distances from held-out images to the training image nearest
    to each. Held-out images themselves score ``quantile``.

    Parameters
    ----------
    synthetic, train, holdout : array (rows, features)
        Features of images, or their pixels (:func:`flat_pixels`); distances are Euclidean. The generator
        has seen ``train`` and not ``holdout``.
    quantile : float, default=0.01
        In (0, 1).

    Returns
    -------
    float
        In [0, 1]; ideal is at most ``quantile``, 1 are copies.

    Raises
    ------
    InputError
        Arrays of another shape, or a quantile outside (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> train, holdout = np.random.default_rng(0).normal(size=(2, 200, 5))
    >>> copying_share(train[:50], train, holdout), round(copying_share(holdout, train, holdout), 6)
    (1.0, 0.01)
    """
    rows = [read_points(a, name) for a, name in _name(synthetic, train, holdout)]
    return measure_copying(nearest(rows[0], rows[1])[0], nearest(rows[2], rows[1])[0], quantile)


def image_membership_inference(synthetic: Any, members: Any, non_members: Any) -> pd.Series:
    """Attack a set of synthetic images: how well it tells which images its generator was fitted on.

    As :func:`vaeaug.evaluation.privacy.membership_inference`, by Euclidean distance.

    Parameters
    ----------
    synthetic, members, non_members : array (rows, features)
        Features of images, or their pixels (:func:`flat_pixels`).

    Returns
    -------
    Series
        ``auc``, ``low``, ``high``, ``tpr_at_fpr_01``.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.evaluation import image_membership_inference
    >>> rng = np.random.default_rng(0)
    >>> members, others, new = (rng.normal(size=(200, 10)) for _ in range(3))
    >>> honest = image_membership_inference(new, members, others)
    >>> bool(honest["low"] < 0.5 < honest["high"])
    True
    >>> float(image_membership_inference(members, members, others)["auc"])
    1.0
    """
    rows = [read_points(a, name) for a, name in _name(synthetic, members, non_members)]
    return attack_scores(*(-nearest(real, rows[0])[0] for real in rows[1:]))


def gradient_energy(images: Any) -> float:
    """Measure how sharp a set of images is: the mean square of the step from a pixel to the next.

    Blurred images have less of it than real ones, noisy images more; compare the ratio of two sets.

    Parameters
    ----------
    images : array or tensor
        ``(n, H, W)``, ``(n, H, W, C)`` or ``(n, C, H, W)``; integers count as shares of the largest.

    Returns
    -------
    float
        Mean over images, pixels and channels of the squared step to the right plus that downwards.

    Raises
    ------
    InputError
        Images of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> board = np.indices((8, 8)).sum(axis=0) % 2 * 1.0
    >>> gradient_energy(board[None]), gradient_energy(np.ones((1, 8, 8)))
    (2.0, 0.0)
    """
    array = channels_first(images)
    pixels = array.astype(np.float32) / find_white(array)
    return float(sum(np.square(np.diff(pixels, axis=axis)).mean(dtype=np.float64) for axis in (2, 3)))


def flat_pixels(images: Any) -> np.ndarray:
    """Return each image as one row of pixels, float64; integers divided by their dtype's largest value.

    Examples
    --------
    >>> import numpy as np
    >>> flat_pixels(np.full((1, 2, 2), 255, dtype=np.uint8))
    array([[1., 1., 1., 1.]])
    """
    array = channels_first(images)
    return array.reshape(len(array), -1) / find_white(array)


def _module_batches(images: np.ndarray, network: Any, batch_size: int) -> Any:
    import torch

    first = next(iter(network.parameters()), None)
    device = torch.device("cpu") if first is None else first.device
    scale = find_white(images)
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        for k in range(0, len(images), batch_size):
            batch = np.ascontiguousarray(images[k : k + batch_size], dtype=np.float32)
            # A block that is open across the yield would hold for the caller's code as well.
            with neutral_torch(), torch.no_grad():
                made = network(torch.from_numpy(batch).to(device) / scale)
            yield made
    finally:
        for module, training in modes.items():
            module.training = training


def _plain(part: Any) -> np.ndarray:
    detach = getattr(part, "detach", None)
    return np.asarray(detach().cpu().double() if detach is not None else part, dtype=np.float64)


def _name(synthetic: Any, train: Any, holdout: Any) -> tuple[tuple[Any, str], ...]:
    return (synthetic, "synthetic"), (train, "train"), (holdout, "holdout")


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric root of a covariance; directions without variance stay without."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
