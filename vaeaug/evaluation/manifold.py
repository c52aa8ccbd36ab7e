"""Whether synthetic rows lie where real ones do, and everywhere they do: precision and recall of sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vaeaug.errors import InputError
from vaeaug.evaluation.distances import (
    Points,
    ScaledTables,
    choose_rows,
    distance_blocks,
    nearest,
    neighbour_radii,
    read_points,
    row_count,
)
from vaeaug.evaluation.tables import CLASSIFIER_LEVELS
from vaeaug.utils.random import derive_seed, numpy_generator

__all__ = ["alpha_precision_beta_recall", "manifold_scores", "prdc"]

# Shares of the data at which the curves of α-precision and β-recall are read.
_LEVELS = np.linspace(0.0, 1.0, 31)

# A row on the rim of a ball is outside, however its distance was rounded.
_RIM = 1.0 - 1e-9


def prdc(real: Any, synthetic: Any, *, k: int = 5) -> pd.Series:
    """Score precision, recall, density and coverage of synthetic points among real ones.

    Around every point lies a ball that reaches to its k-th nearest neighbour in its own set.

    Parameters
    ----------
    real, synthetic : array (rows, features)
        Points in a space where Euclidean distance means something, such as the features of a
        network; for tables see :func:`manifold_scores`.
    k : int, default=5
        Below the number of rows of both sets.

    Returns
    -------
    Series
        ``precision``: share of synthetic points inside a real ball. ``recall``: share of real points
        inside a synthetic ball. ``density``: how many real balls a synthetic point lies in, over
        k (about 1 for points of the same distribution; may exceed it). ``coverage``: share of
        real balls that hold a synthetic point (1 − 2⁻ᵏ or so for as many points of the same
        distribution).

    Raises
    ------
    InputError
        Sets of different width, values that are not finite, or too few rows for ``k``.

    Notes
    -----
    The work is that of three full distance matrices; they are never held, so 50,000 × 50,000 points
    take time, not memory. The first three measures depend on the number of rows: compare sets of
    one size.

    References
    ----------
    Kynkäänniemi et al., *Improved Precision and Recall Metric for Assessing Generative Models*,
    NeurIPS 2019; Naeem et al., *Reliable Fidelity and Diversity Metrics for Generative Models*,
    ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.random.default_rng(0).normal(size=(100, 3))
    >>> prdc(points, points).tolist(), prdc(points, points + 100).tolist()
    ([1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0])
    """
    real, synthetic = _points(real, synthetic)
    return _prdc(real, synthetic, k)


def alpha_precision_beta_recall(real: Any, synthetic: Any) -> pd.Series:
    """Score α-precision and β-recall over all α and β, and authenticity.

    Parameters
    ----------
    real, synthetic : array (rows, features)
        Points in a Euclidean space; for tables see :func:`manifold_scores`.

    Returns
    -------
    Series
        ``alpha_precision``: 1 − 2 ∫|P(α) − α| dα, where P(α) is the share of synthetic points in the
        smallest ball about the real mean that holds a share α of the real points. ``beta_recall``:
        the same of R(β), the share of real points whose nearest synthetic point lies among the
        share β of synthetic points nearest to their mean, and no farther away than the nearest
        other real point. Both are 1 at best. ``authenticity``: share of synthetic points that are
        farther from their nearest real point than that one is from the real point nearest to it:
        somewhat below ½ for fresh points, 0 for copies.

    Raises
    ------
    InputError
        Sets of different width, values that are not finite, or fewer than two rows.

    References
    ----------
    Alaa, van Breugel, Saveliev and van der Schaar, *How Faithful is your Synthetic Data?*, ICML
    2022, without its learned embedding.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.random.default_rng(0).normal(size=(301, 3))
    >>> alpha_precision_beta_recall(points, points).round(2).to_dict()
    {'alpha_precision': 1.0, 'beta_recall': 1.0, 'authenticity': 0.0}
    """
    real, synthetic = _points(real, synthetic)
    own = neighbour_radii(real, 1)
    to_centre = np.linalg.norm(real - real.mean(axis=0), axis=1)
    radii = np.quantile(to_centre, _LEVELS)
    inside = np.linalg.norm(synthetic - real.mean(axis=0), axis=1)[:, None] <= radii
    made_to_centre = np.linalg.norm(synthetic - synthetic.mean(axis=0), axis=1)
    to_made, made = nearest(real, synthetic)
    met = (to_made <= own)[:, None] & (made_to_centre[made][:, None] <= np.quantile(made_to_centre, _LEVELS))
    to_real, closest = nearest(synthetic, real)
    return pd.Series(
        {
            "alpha_precision": _agreement(inside.mean(axis=0)),
            "beta_recall": _agreement(met.mean(axis=0)),
            "authenticity": float(np.mean(to_real > own[closest])),
        }
    )


def manifold_scores(
    real: Any, synthetic: Any, *, k: int = 5, sample_size: int | None = 5000, random_state: Any = 0
) -> pd.Series:
    """Score whether the rows of a synthetic table lie where real rows do, and cover them.

    Parameters
    ----------
    real, synthetic : DataFrame or array (rows, columns)
        Tables with the same columns, of any types, with or without missing values.
    k : int, default=5
        As in :func:`prdc`.
    sample_size : int or None, default=5000
        Look only at so many randomly chosen rows of each table. Both are cut to the same number,
        because the measures depend on it.
    random_state : int, RandomState instance, Generator or None, default=0
        Chooses rows.

    Returns
    -------
    Series
        The four of :func:`prdc`, by the distance of
        :func:`vaeaug.evaluation.privacy.distance_to_closest`, and the three of
        :func:`alpha_precision_beta_recall`, with numbers divided by their range, a 0/1 column for
        each category, and missing numbers at the median with a 0/1 column that marks them.

    Raises
    ------
    InputError
        Tables that cannot be compared, or too few rows for ``k``.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.evaluation import manifold_scores
    >>> rng = np.random.default_rng(0)
    >>> real, new = rng.normal(size=(300, 2)), rng.normal(size=(300, 2))
    >>> scores = manifold_scores(real, new)
    >>> bool(scores["precision"] > 0.8 and scores["coverage"] > 0.8)
    True
    """
    tables = ScaledTables.join({"real": real, "synthetic": synthetic}, references=1)
    rng = numpy_generator(derive_seed(random_state))
    sizes = [len(block) for block in tables.numbers]
    size = min(sizes) if sample_size is None else min(*sizes, sample_size)
    rows = [choose_rows(n, size, rng, "manifold_scores") for n in sizes]
    mixed = [tables.take(t, rows[t]) for t in (0, 1)]
    spread = [_embed(tables, t)[rows[t]] for t in (0, 1)]
    return pd.concat([_prdc(mixed[0], mixed[1], k), alpha_precision_beta_recall(*spread)])


def _prdc(real: Points, synthetic: Points, k: int) -> pd.Series:
    radii, made_radii = (neighbour_radii(points, k) * _RIM for points in (real, synthetic))
    held = np.zeros(row_count(synthetic), dtype=np.int64)
    recalled, covered = (np.zeros(row_count(real), dtype=bool) for _ in range(2))
    for block, between in distance_blocks(synthetic, real):
        inside = between <= radii[None, :]
        held[block] = inside.sum(axis=1)
        covered |= inside.any(axis=0)
        recalled |= (between <= made_radii[block, None]).any(axis=0)
    return pd.Series(
        {
            "precision": float(np.mean(held > 0)),
            "recall": float(recalled.mean()),
            "density": float(held.mean() / k),
            "coverage": float(covered.mean()),
        }
    )


def _agreement(curve: np.ndarray) -> float:
    """Return 1 − 2 ∫|curve(α) − α| dα on the grid of levels."""
    return float(1.0 - np.abs(curve - _LEVELS).sum() / _LEVELS.sum())


def _points(real: Any, synthetic: Any) -> tuple[np.ndarray, np.ndarray]:
    arrays = read_points(real, "real"), read_points(synthetic, "synthetic")
    if arrays[0].shape[1] != arrays[1].shape[1]:
        raise InputError(
            f"real and synthetic must have the same number of features, got {arrays[0].shape[1]} and "
            f"{arrays[1].shape[1]}."
        )
    return arrays


def _embed(scaled: ScaledTables, table: int) -> np.ndarray:
    """Return one table as numbers in a Euclidean space, float64 ``(rows, features)``."""
    parts, tables = [], scaled.tables
    for j in range(len(tables.continuous)):
        columns = [block[:, j] for block in scaled.numbers]
        known, missing = columns[0][~np.isnan(columns[0])], np.isnan(columns[table])
        parts.append(np.where(missing, np.median(known) if len(known) else 0.0, columns[table])[:, None])
        if any(np.isnan(column).any() for column in columns):
            parts.append(missing[:, None].astype(np.float64))
    if tables.discrete:
        frame = tables.frame(table, CLASSIFIER_LEVELS)
        for name in tables.discrete:
            column = frame.iloc[:, tables.columns.index(name)].cat
            codes, levels = column.codes.to_numpy(), len(column.categories)
            # A missing value is one more category.
            parts.append(np.eye(levels + 1)[codes])
    return np.hstack(parts)
