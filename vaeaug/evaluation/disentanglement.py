"""Whether each dimension of a code stands for one factor: three scores from codes and known factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from vaeaug.errors import InputError
from vaeaug.evaluation.columns import as_array
from vaeaug.utils.random import derive_seed, numpy_generator

__all__ = ["dci_scores", "disentanglement_scores", "factor_vae_score", "mutual_information_gap"]

_VOTES, _FOREST, _SPLIT, _CHOICE = 0, 1, 2, 3


def disentanglement_scores(
    codes: Any, factors: Any, *, sample_size: int | None = 10_000, random_state: Any = 0
) -> pd.Series:
    """Score codes by :func:`factor_vae_score`, :func:`mutual_information_gap` and :func:`dci_scores`.

    Parameters
    ----------
    codes : array (rows, dimensions)
        Such as ``augmenter.transform(X)``.
    factors : array or DataFrame (rows, factors)
        The value of each factor in each row: numbers or names of which each occurs often.
    sample_size : int or None, default=10_000
        Rows looked at, at most.
    random_state : int, RandomState instance, Generator or None, default=0

    Returns
    -------
    Series
        ``factor_vae``, ``mig``, ``disentanglement``, ``completeness``, ``informativeness``: 1 at best.

    Raises
    ------
    InputError
        Arrays of another shape, codes that are not finite, or a factor that cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> factors = np.random.default_rng(0).integers(4, size=(2000, 2))
    >>> disentanglement_scores(factors, factors).round(2).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    codes, factors = _check(codes, factors)
    seed = derive_seed(random_state)
    if sample_size is not None and sample_size < len(codes):
        rows = numpy_generator(seed, _CHOICE).choice(len(codes), sample_size, replace=False)
        codes, factors = codes[rows], factors[rows]
    scores = {
        "factor_vae": factor_vae_score(codes, factors, random_state=seed),
        "mig": mutual_information_gap(codes, factors),
    }
    return pd.concat([pd.Series(scores), dci_scores(codes, factors, random_state=seed)])


def factor_vae_score(
    codes: Any,
    factors: Any,
    *,
    votes: int = 1600,
    batch_size: int = 64,
    least_spread: float = 0.05,
    random_state: Any = 0,
) -> float:
    """Measure how well the dimension that varies least tells which factor was held still.

    A vote draws ``batch_size`` rows that agree in one factor, and names the dimension of smallest
    variance relative to its variance over all rows. Half of the votes decide which factor each
    dimension stands for; the score is the share of the others that they get right.

    Parameters
    ----------
    codes : array (rows, dimensions)
    factors : array or DataFrame (rows, factors)
        Of discrete values.
    votes : int, default=1600
    batch_size : int, default=64
        Rows of a vote.
    least_spread : float, default=0.05
        Dimensions whose variance is below this share of the largest say nothing, and have no vote.
    random_state : int, RandomState instance, Generator or None, default=0

    Returns
    -------
    float
        In [0, 1]; guessing scores about one over the number of factors.

    Raises
    ------
    InputError
        Arrays of another shape, codes that are not finite, or a factor that cannot be used.

    References
    ----------
    Kim and Mnih, *Disentangling by Factorising*, ICML 2018, section 4 and appendix B.

    Examples
    --------
    >>> import numpy as np
    >>> factors = np.random.default_rng(0).integers(4, size=(2000, 2))
    >>> factor_vae_score(factors, factors)
    1.0
    """
    codes, factors = _check(codes, factors)
    rng = numpy_generator(derive_seed(random_state), _VOTES)
    variance = codes.var(axis=0)
    used = variance > least_spread * variance.max()
    if not used.any():
        return 1.0 / factors.shape[1]  # constant codes: a guess
    codes = codes[:, used] / np.sqrt(variance[used])
    held = rng.integers(factors.shape[1], size=votes)
    named = np.empty(votes, dtype=np.int64)
    for factor in range(factors.shape[1]):
        mine = np.flatnonzero(held == factor)
        rows = _alike(factors[:, factor], len(mine), batch_size, rng)
        named[mine] = codes[rows].var(axis=1).argmin(axis=1)
    ballot = np.zeros((codes.shape[1], factors.shape[1]))
    half = votes // 2
    np.add.at(ballot, (named[:half], held[:half]), 1)
    return float(np.mean(ballot.argmax(axis=1)[named[half:]] == held[half:]))


def mutual_information_gap(codes: Any, factors: Any, *, bins: int = 20) -> float:
    """Measure how much more the best dimension tells about each factor than the second best.

    The mean over factors of ``(I(z₁; v) − I(z₂; v)) / H(v)``, with z₁ and z₂ the two dimensions of largest
    mutual information with the factor v.

    Parameters
    ----------
    codes : array (rows, dimensions)
    factors : array or DataFrame (rows, factors)
        Of discrete values.
    bins : int, default=20
        Into which the range of each dimension is cut evenly.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        Arrays of another shape, codes that are not finite, or a factor that cannot be used.

    References
    ----------
    Chen et al., *Isolating Sources of Disentanglement in Variational Autoencoders*, NeurIPS 2018, eq. 6;
    the bins are those of Locatello et al., *Challenging Common Assumptions*, ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> factors = np.random.default_rng(0).integers(4, size=(2000, 2))
    >>> round(mutual_information_gap(factors, factors), 2)
    1.0
    """
    codes, factors = _check(codes, factors)
    low, high = codes.min(axis=0), codes.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    cells = np.minimum((bins * (codes - low) / width).astype(np.int64), bins - 1)
    gaps = []
    for factor in factors.T:
        information = np.sort([_information(cell, factor, bins) for cell in cells.T])
        second = information[-2] if len(information) > 1 else 0.0
        gaps.append((information[-1] - second) / _entropy(np.bincount(factor)))
    return float(np.mean(gaps))


def dci_scores(codes: Any, factors: Any, *, trees: int = 40, random_state: Any = 0) -> pd.Series:
    """Score disentanglement, completeness and informativeness by forests that read factors from codes.

    A random forest predicts each factor from all dimensions; ``R[i, j]`` is the importance of dimension
    i for factor j.

    Parameters
    ----------
    codes : array (rows, dimensions)
    factors : array or DataFrame (rows, factors)
        Of discrete values.
    trees : int, default=40
    random_state : int, RandomState instance, Generator or None, default=0

    Returns
    -------
    Series
        ``disentanglement``: 1 where each dimension matters for one factor only, the mean over dimensions
        of one minus the normalised entropy of their row of R, weighed by the row's sum.
        ``completeness``: 1 where each factor is read from one dimension only, the same of columns.
        ``informativeness``: share of held-out rows whose factors are read correctly, the mean over
        factors.

    Raises
    ------
    InputError
        Arrays of another shape, codes that are not finite, or a factor that cannot be used.

    References
    ----------
    Eastwood and Williams, *A Framework for the Quantitative Evaluation of Disentangled
    Representations*, ICLR 2018, section 2, with classifiers since the factors are discrete.

    Examples
    --------
    >>> import numpy as np
    >>> factors = np.random.default_rng(0).integers(4, size=(2000, 2))
    >>> dci_scores(factors, factors).round(2).to_dict()
    {'disentanglement': 1.0, 'completeness': 1.0, 'informativeness': 1.0}
    """
    codes, factors = _check(codes, factors)
    seed = derive_seed(random_state)
    split = int(numpy_generator(seed, _SPLIT).integers(2**31 - 1))
    importance, accuracy = [], []
    for number, factor in enumerate(factors.T):
        learned, held, wanted, true = train_test_split(codes, factor, test_size=0.3, random_state=split)
        forest_seed = int(numpy_generator(seed, _FOREST, number).integers(2**31 - 1))
        # All dimensions compete at each split: otherwise the poor ones get importance by being drawn.
        forest = RandomForestClassifier(
            trees, max_features=None, min_samples_leaf=3, random_state=forest_seed
        ).fit(learned, wanted)
        importance.append(forest.feature_importances_)
        accuracy.append(forest.score(held, true))
    relevance = np.stack(importance, axis=1)
    return pd.Series(
        {
            "disentanglement": _focus(relevance),
            "completeness": _focus(relevance.T),
            "informativeness": float(np.mean(accuracy)),
        }
    )


def _focus(relevance: np.ndarray) -> float:
    """Return the weighted mean over rows of one minus their normalised entropy."""
    options = relevance.shape[1]
    mass = relevance.sum(axis=1)
    if options < 2 or not mass.sum():
        return 1.0
    shares = relevance / np.where(mass > 0, mass, 1.0)[:, None]
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
    return float(np.average(1.0 - entropy / np.log(options), weights=mass))


def _alike(factor: np.ndarray, votes: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows ``(votes, size)`` that agree in a factor, whose value each vote draws evenly."""
    order, counts = np.argsort(factor, kind="stable"), np.bincount(factor)
    value = rng.integers(len(counts), size=votes)[:, None]
    starts = np.cumsum(counts) - counts
    return order[starts[value] + (rng.random((votes, size)) * counts[value]).astype(np.int64)]


def _information(cell: np.ndarray, factor: np.ndarray, bins: int) -> float:
    """Return the mutual information of two discrete variables in nats."""
    values = int(factor.max()) + 1
    joint = np.bincount(cell * values + factor, minlength=bins * values).reshape(bins, values)
    return _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1)) - _entropy(joint.ravel())


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _check(codes: Any, factors: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return codes as float64 and factors as value numbers from 0 on, int64."""
    found = as_array(codes, "codes", np.float64)
    columns = as_array(factors, "factors")
    if found.ndim != 2 or columns.ndim != 2 or len(found) != len(columns) or not found.size:
        raise InputError(
            "codes must be an array (rows, dimensions) and factors one (rows, factors) of as many rows, got "
            f"shapes {found.shape} and {columns.shape}."
        )
    if not np.isfinite(found).all():
        raise InputError("codes hold values that are not finite.")
    names = getattr(factors, "columns", range(columns.shape[1]))
    numbers = np.empty(columns.shape, dtype=np.int64)
    for k, name in enumerate(names):
        values, numbers[:, k] = np.unique(columns[:, k], return_inverse=True)
        if not 2 <= len(values) <= len(found) / 4:
            raise InputError(
                f"factors: {name!r} has {len(values)} different values in {len(found)} rows; a factor must "
                "have at least 2, each in several rows. Cut a continuous factor into bins first."
            )
    return found, numbers
