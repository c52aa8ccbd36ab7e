"""Every measure of a synthetic set at once, beside what held-out real data score: one table to read."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.errors import InputError
from vaeaug.evaluation.columns import as_frame
from vaeaug.evaluation.downstream import image_train_synthetic_test_real, train_synthetic_test_real
from vaeaug.evaluation.fidelity import column_shapes, pair_trends, two_sample_score
from vaeaug.evaluation.images import (
    channels_first,
    copying_share,
    flat_pixels,
    frechet_distance,
    image_features,
    image_membership_inference,
)
from vaeaug.evaluation.manifold import manifold_scores, prdc
from vaeaug.evaluation.privacy import (
    closest_share,
    distance_to_closest,
    exact_copies,
    membership_inference,
    near_copies,
)
from vaeaug.evaluation.smallcnn import SmallConvClassifier
from vaeaug.utils.random import derive_seed, numpy_generator

__all__ = ["compare_images", "compare_tables"]


@dataclass(frozen=True)
class _Measure:
    """How a measure is called, grouped and read."""

    group: str
    best: str
    meaning: str


_TABLES: dict[str, _Measure] = {
    "column_shapes": _Measure("fidelity", "1", "agreement of each column's distribution, mean"),
    "pair_trends": _Measure("fidelity", "1", "agreement of each pair of columns, mean"),
    "two_sample": _Measure("fidelity", "1", "1: boosted trees cannot tell rows from real ones, 0: always"),
    "precision": _Measure("fidelity", "1", "share of rows among real rows"),
    "density": _Measure("fidelity", "1", "how densely real rows surround rows"),
    "alpha_precision": _Measure("fidelity", "1", "rows spread about the centre as real ones do"),
    "recall": _Measure("coverage", "1", "share of real rows among rows"),
    "coverage": _Measure("coverage", "1", "share of real neighbourhoods with a row"),
    "beta_recall": _Measure("coverage", "1", "real rows that have a row as near as a real one"),
    "utility": _Measure("utility", "highest", "score on held-out rows of a model trained on these rows"),
    "authenticity": _Measure("privacy", "≥ held-out", "rows that are no mere neighbours of a training row"),
    "exact_copies": _Measure("privacy", "≤ held-out", "share of rows that equal a training row"),
    "near_copies": _Measure("privacy", "≤ 0.01", "share nearer to a training row than 1 % of held-out rows"),
    "closest_distance": _Measure("privacy", "≥ held-out", "median distance to the closest training row"),
    "closest_share": _Measure("privacy", "0.5", "share nearer to a training row than to a held-out one"),
    "membership_auc": _Measure("privacy", "0.5", "how well an attacker tells training from held-out rows"),
    "membership_tpr_at_fpr_01": _Measure("privacy", "0.01", "training rows found at 1 % false alarms"),
}

_IMAGES: dict[str, _Measure] = {
    "frechet_distance": _Measure("fidelity", "≤ held-out", "Fréchet distance to training images in features"),
    "precision": _Measure("fidelity", "1", "share of images among real images"),
    "density": _Measure("fidelity", "1", "how densely real images surround images"),
    "recall": _Measure("coverage", "1", "share of real images among images"),
    "coverage": _Measure("coverage", "1", "share of real neighbourhoods with an image"),
    "utility": _Measure("utility", "highest", "accuracy on held-out images of a classifier trained on these"),
    "copying": _Measure("privacy", "≤ 0.01", "share nearer to a training image than 1 % of held-out images"),
    "copying_pixels": _Measure("privacy", "≤ 0.01", "the same by pixels"),
    "membership_auc": _Measure("privacy", "0.5", "how well an attacker tells training from held-out images"),
    "membership_tpr_at_fpr_01": _Measure("privacy", "0.01", "training images found at 1 % false alarms"),
}


def compare_tables(
    train: Any,
    synthetic: Any,
    *,
    holdout: Any = None,
    target: Hashable | None = None,
    k: int = 5,
    sample_size: int = 5000,
    random_state: Any = 0,
) -> pd.DataFrame:
    """Judge a synthetic table in every respect: fidelity, coverage, utility, privacy.

    Parameters
    ----------
    train : DataFrame or array (rows, columns)
        The real rows that the generator was fitted on.
    synthetic : DataFrame or array (rows, columns)
        What it made.
    holdout : DataFrame or array (rows, columns), optional
        Real rows that it has never seen. With them every measure is also taken with held-out rows in
        the place of synthetic ones, and privacy can be judged: without them there is no telling
        how near a fresh row may lie.
    target : hashable, optional
        Column to predict, for the utility; needs ``holdout``.
    k : int, default=5
        Neighbours for precision, recall, density and coverage.
    sample_size : int, default=5000
        Rows of each table that the measures by distance look at (chosen at random). These take
        time in proportion to its square, or to it times the rows of ``train``.
    random_state : int, RandomState instance, Generator or None, default=0

    Returns
    -------
    DataFrame
        One row per measure, which is the index. Columns: ``group`` (fidelity, coverage, utility,
        privacy), ``value``, ``held_out`` (what held-out real rows score; for the utility what a model
        trained on real rows does), ``best`` and ``meaning`` (text).

    Raises
    ------
    InputError
        Tables that cannot be compared, or a target without held-out rows.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(3, 200, 3))
    >>> table = compare_tables(rows[0], rows[0], holdout=rows[1])  # a "generator" that copies
    >>> table.loc[["precision", "exact_copies", "membership_auc"], "value"].tolist()
    [1.0, 1.0, 1.0]
    """
    if target is not None and holdout is None:
        raise InputError(
            "compare_tables: the utility is measured on held-out rows; give holdout, or no target."
        )
    seed = derive_seed(random_state)
    frames = {"train": as_frame(train, "train"), "synthetic": as_frame(synthetic, "synthetic")}
    values = _table_likeness(frames["train"], frames["synthetic"], k, sample_size, seed)
    held: dict[str, float] = {}
    if holdout is not None:
        fresh = as_frame(holdout, "holdout")
        held = _table_likeness(frames["train"], fresh, k, sample_size, seed)
        values |= _table_privacy(frames["train"], frames["synthetic"], fresh, sample_size, seed)
        held |= {"near_copies": 0.01, "closest_share": 0.5, "membership_auc": 0.5}
        held["membership_tpr_at_fpr_01"] = 0.01
        if target is not None:
            score = train_synthetic_test_real(
                frames["synthetic"], fresh, target=target, real=frames["train"], random_state=seed
            )
            values["utility"], held["utility"] = score["synthetic"], score["real"]
    return _tidy(_TABLES, values, held)


def compare_images(
    train: Any,
    synthetic: Any,
    *,
    holdout: Any = None,
    labels: tuple[Any, Any, Any] | None = None,
    network: Callable[..., Any] | None = None,
    estimator: Any = None,
    k: int = 5,
    sample_size: int = 5000,
    random_state: Any = 0,
) -> pd.DataFrame:
    """Judge a set of synthetic images in every respect: fidelity, coverage, utility, privacy.

    Parameters
    ----------
    train : array or tensor
        The real images that the generator was fitted on: ``(n, H, W)``, ``(n, H, W, C)`` or
        ``(n, C, H, W)``.
    synthetic : array or tensor
        What it made, of the same size and dtype.
    holdout : array or tensor, optional
        Real images that it has never seen; see :func:`compare_tables`.
    labels : tuple of three arrays, optional
        Classes of ``train``, ``synthetic`` and ``holdout`` (None where there is no ``holdout``), for
        the utility and for the default network.
    network : torch.nn.Module or callable, optional
        Turns images, given as ``(batch, C, H, W)``, into features, as for
        :func:`vaeaug.evaluation.images.image_features`. By default those of a
        :class:`~vaeaug.evaluation.smallcnn.SmallConvClassifier` trained on ``train``, which needs
        labels. Figures of different networks do not compare.
    estimator : scikit-learn classifier, optional
        Takes images ``(n, C, H, W)``; measures the utility, as in
        :func:`vaeaug.evaluation.downstream.image_train_synthetic_test_real`.
    k, sample_size, random_state
        As in :func:`compare_tables`. ``sample_size`` also bounds the images behind the Fréchet
        distance, since that depends on their number.

    Returns
    -------
    DataFrame
        As from :func:`compare_tables`.

    Raises
    ------
    InputError
        Images of different kinds, or neither a network nor labels.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from vaeaug.evaluation import compare_images
    >>> images = load_digits().images.astype("uint8")
    >>> def flatten(batch):
    ...     return batch.reshape(len(batch), -1)
    >>> found = compare_images(images[:100], images[100:200], holdout=images[200:300], network=flatten)
    >>> sorted(found.columns)
    ['best', 'group', 'held_out', 'meaning', 'value']
    """
    seed = derive_seed(random_state)
    sets = {"train": channels_first(train, "train"), "synthetic": channels_first(synthetic, "synthetic")}
    if holdout is not None:
        sets["holdout"] = channels_first(holdout, "holdout")
    _check_alike(sets)
    if network is None:
        if labels is None:
            raise InputError("compare_images: give a feature network, or labels to train one with.")
        network = SmallConvClassifier(random_state=seed).fit(sets["train"], labels[0]).features
    rng = numpy_generator(seed, 1)
    size = min(sample_size, *(len(images) for images in sets.values()))
    drawn = {name: images[_some(len(images), size, rng)] for name, images in sets.items()}
    features = {name: image_features(images, network) for name, images in drawn.items()}
    values = _image_likeness(features["train"], features["synthetic"], k)
    held: dict[str, float] = {}
    if holdout is not None:
        held = _image_likeness(features["train"], features["holdout"], k)
        values |= _image_privacy(sets, drawn, features, network)
        held |= {"copying": 0.01, "copying_pixels": 0.01, "membership_auc": 0.5}
        held["membership_tpr_at_fpr_01"] = 0.01
        if labels is not None:
            score = image_train_synthetic_test_real(
                sets["synthetic"],
                labels[1],
                sets["holdout"],
                labels[2],
                real=sets["train"],
                real_labels=labels[0],
                estimator=estimator,
                random_state=seed,
            )
            values["utility"], held["utility"] = score["synthetic"], score["real"]
    return _tidy(_IMAGES, values, held)


def _tidy(
    measures: Mapping[str, _Measure], values: Mapping[str, float], held: Mapping[str, float]
) -> pd.DataFrame:
    index = pd.Index([name for name in measures if name in values], name="measure")
    table = pd.DataFrame([measures[name] for name in index], index=index)
    table.insert(1, "value", [float(values[name]) for name in index])
    table.insert(2, "held_out", [float(held.get(name, np.nan)) for name in index])
    return table


def _table_likeness(
    train: pd.DataFrame, rows: pd.DataFrame, k: int, sample_size: int, seed: int
) -> dict[str, float]:
    """Return what needs no held-out rows; ``rows`` may be synthetic or held-out ones."""
    return {
        "column_shapes": column_shapes(train, rows).mean(),
        "pair_trends": pair_trends(train, rows).mean(),
        "two_sample": two_sample_score(train, rows, random_state=seed),
        **manifold_scores(train, rows, k=k, sample_size=sample_size, random_state=seed),
        "exact_copies": exact_copies(rows, train).mean(),
        "closest_distance": float(
            np.median(distance_to_closest(rows, train, sample_size=sample_size, random_state=seed))
        ),
    }


def _table_privacy(
    train: pd.DataFrame, synthetic: pd.DataFrame, holdout: pd.DataFrame, sample_size: int, seed: int
) -> dict[str, float]:
    some = {"sample_size": sample_size, "random_state": seed}
    attack = membership_inference(synthetic, train, holdout, **some)
    return {
        "near_copies": near_copies(synthetic, train, holdout, **some),
        "closest_share": closest_share(synthetic, train, holdout, **some),
        "membership_auc": attack["auc"],
        "membership_tpr_at_fpr_01": attack["tpr_at_fpr_01"],
    }


def _image_likeness(train: np.ndarray, made: np.ndarray, k: int) -> dict[str, float]:
    return {"frechet_distance": frechet_distance(train, made), **prdc(train, made, k=k)}


def _image_privacy(
    sets: Mapping[str, np.ndarray],
    drawn: Mapping[str, np.ndarray],
    features: Mapping[str, np.ndarray],
    network: Any,
) -> dict[str, float]:
    # Copies are looked for among all training images, not among those drawn.
    everything = image_features(sets["train"], network)
    attack = image_membership_inference(features["synthetic"], features["train"], features["holdout"])
    pixels = {name: flat_pixels(images) for name, images in drawn.items()}
    return {
        "copying": copying_share(features["synthetic"], everything, features["holdout"]),
        "copying_pixels": copying_share(pixels["synthetic"], flat_pixels(sets["train"]), pixels["holdout"]),
        "membership_auc": attack["auc"],
        "membership_tpr_at_fpr_01": attack["tpr_at_fpr_01"],
    }


def _check_alike(sets: Mapping[str, np.ndarray]) -> None:
    kinds = {name: (images.shape[1:], images.dtype) for name, images in sets.items()}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{name} {shape} of {dtype}" for name, (shape, dtype) in kinds.items())
        raise InputError(
            f"compare_images: images must be of one size and dtype, got {told}; convert them first."
        )


def _some(rows: int, size: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(rows, size=size, replace=False))
