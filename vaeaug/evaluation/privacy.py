"""Whether synthetic rows are too close to the rows they were learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from vaeaug.errors import InputError
from vaeaug.evaluation.distances import ScaledTables, nearest
from vaeaug.evaluation.tables import JointTables, join_tables
from vaeaug.utils.random import derive_seed, numpy_generator

__all__ = [
    "attack_scores",
    "auc_error",
    "closest_share",
    "distance_to_closest",
    "exact_copies",
    "measure_copying",
    "membership_inference",
    "near_copies",
    "number_rows",
]

# The standard normal's 97.5 % point.
_NORMAL_95 = 1.959964


def distance_to_closest(
    synthetic: Any, real: Any, *, sample_size: int | None = None, random_state: Any = 0
) -> np.ndarray:
    """Measure how far each synthetic row is from the real row nearest to it.

    The distance is the sum over columns of ``|a − b|`` / (range in ``real``) for numeric,
    datetime and timedelta columns, and of 0 (equal) or 1 (different) for all others;
    a missing value is at distance 1 from any value and 0 from another missing one.

    Parameters
    ----------
    synthetic, real : DataFrame or array (rows, columns)
        Tables with the same columns.
    sample_size : int, optional
        Look only at so many randomly chosen synthetic rows. The work is proportional to
        (synthetic rows) × (real rows) × (columns): 5,000 × 32,000 × 15 take about two
        seconds on one core.
    random_state : int, RandomState instance, Generator or None, default=0
        Chooses these rows.

    Returns
    -------
    ndarray of float64, shape (min(sample_size, rows of synthetic),)
        In the order of the rows of ``synthetic``; 0 is a copy. Compare the median or a low
        quantile with that of another sampler, or of held-out real rows against ``real``.

    Raises
    ------
    InputError
        Tables that cannot be compared, or a sample size below 1.

    References
    ----------
    "DCR" of Zhao et al., *CTAB-GAN*, ACML 2021, in the mixed L1 form of Zhang et al.,
    *TabSyn*, ICLR 2024 (there a differing category counts 2).

    Examples
    --------
    >>> import pandas as pd
    >>> real = pd.DataFrame({"size": [0.0, 10.0], "colour": ["red", "green"]})
    >>> synthetic = pd.DataFrame({"size": [0.0, 4.0], "colour": ["red", "red"]})
    >>> distance_to_closest(synthetic, real)
    array([0. , 0.4])
    """
    tables = ScaledTables.join({"real": real, "synthetic": synthetic}, references=1)
    rng = numpy_generator(derive_seed(random_state))
    return nearest(tables.draw(1, sample_size, rng, "distance_to_closest"), tables.take(0))[0]


def closest_share(
    synthetic: Any,
    train: Any,
    holdout: Any,
    *,
    sample_size: int | None = None,
    random_state: Any = 0,
) -> float:
    """Measure the share of synthetic rows nearer to a training row than to a held-out one.

    ½ is ideal: the generator knows its training rows no better than others from the same
    source. 1 means copying. The larger of ``train`` and ``holdout`` is reduced at random to
    the size of the smaller, and a row at the same distance from both counts ½. With n
    synthetic rows an ideal generator lands within ½ ± 1/√n in 95 % of cases, if rows are
    independent.

    Parameters
    ----------
    synthetic : DataFrame or array (rows, columns)
        Output of a generator fitted on ``train`` only.
    train, holdout : DataFrame or array (rows, columns)
        Real rows that the generator was fitted on, and rows it has never seen. The
        published protocol splits the data in equal halves.
    sample_size : int, optional
        Look only at so many randomly chosen synthetic rows.
    random_state : int, RandomState instance, Generator or None, default=0
        Chooses rows.

    Returns
    -------
    float
        In [0, 1]. Distances as in :func:`distance_to_closest`, with ranges over both real
        tables.

    Raises
    ------
    InputError
        Tables that cannot be compared, or a sample size below 1.

    References
    ----------
    Platzer and Reutterer, *Holdout-Based Empirical Assessment of Mixed-Type Synthetic Data*,
    Frontiers in Big Data 2021; "DCR score" of Zhang et al., *TabSyn*, ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.evaluation import closest_share
    >>> rng = np.random.default_rng(0)
    >>> train, holdout, new = (rng.normal(size=(500, 3)) for _ in range(3))
    >>> round(closest_share(new, train, holdout), 1)
    0.5
    >>> closest_share(train, train, holdout)
    1.0
    """
    tables = _join(train, holdout, synthetic)
    rng = numpy_generator(derive_seed(random_state))
    made = tables.draw(2, sample_size, rng, "closest_share")
    size = min(len(tables.numbers[0]), len(tables.numbers[1]))
    to_train, to_holdout = (nearest(made, tables.draw(k, size, rng, "closest_share"))[0] for k in (0, 1))
    return float(np.mean((to_train < to_holdout) + 0.5 * (to_train == to_holdout)))


def _join(train: Any, holdout: Any, synthetic: Any) -> ScaledTables:
    return ScaledTables.join({"train": train, "holdout": holdout, "synthetic": synthetic}, references=2)


def exact_copies(synthetic: Any, real: Any) -> np.ndarray:
    """Find the synthetic rows that equal a real row in every column, missing values included.

    In a table of few, coarse columns equal rows are no sign of copying: compare with the
    share of held-out real rows that ``real`` contains.

    Parameters
    ----------
    synthetic, real : DataFrame or array (rows, columns)
        Tables with the same columns.

    Returns
    -------
    ndarray of bool, shape (rows of synthetic,)

    Raises
    ------
    InputError
        Tables that cannot be compared.

    Examples
    --------
    >>> exact_copies([[1.0, 2.0], [3.0, 4.0]], [[3.0, 4.0], [5.0, 6.0]])
    array([False,  True])
    """
    own, made = number_rows(join_tables({"real": real, "synthetic": synthetic}))
    return np.isin(made, own)


def number_rows(tables: JointTables) -> list[np.ndarray]:
    """Return a number for each row of each table, int64 (rows,); equal rows have equal numbers.

    Parameters
    ----------
    tables : JointTables
    """
    sizes = [len(block) for block in tables.numbers]
    key = np.zeros(sum(sizes), dtype=np.int64)
    numbers, codes = np.concatenate(tables.numbers), np.concatenate(tables.codes)
    for column in (*numbers.T, *codes.T):
        numbered = pd.factorize(column, use_na_sentinel=False)[0]
        # Renumbering after every column keeps the product of both numbers inside int64.
        key = pd.factorize(key * (int(numbered.max()) + 1) + numbered)[0]
    return np.split(key, np.cumsum(sizes)[:-1])


def near_copies(
    synthetic: Any,
    train: Any,
    holdout: Any,
    *,
    quantile: float = 0.01,
    sample_size: int | None = None,
    random_state: Any = 0,
) -> float:
    """Measure the share of synthetic rows closer to a training row than held-out rows ever are.

    "Ever" is the ``quantile`` of the distances from held-out rows to the training row nearest to
    each. Held-out rows themselves score exactly ``quantile``, so anything clearly above it is
    copying.

    Parameters
    ----------
    synthetic : DataFrame or array (rows, columns)
        Output of a generator fitted on ``train`` only.
    train, holdout : DataFrame or array (rows, columns)
        Real rows that the generator was fitted on, and rows it has never seen.
    quantile : float, default=0.01
        In (0, 1).
    sample_size : int, optional
        Look only at so many randomly chosen rows of ``synthetic``, and of ``holdout``.
    random_state : int, RandomState instance, Generator or None, default=0
        Chooses rows.

    Returns
    -------
    float
        In [0, 1]; ideal is at most ``quantile``. Distances as in :func:`distance_to_closest`,
        with ranges over both real tables.

    Raises
    ------
    InputError
        Tables that cannot be compared, a sample size below 1, or a quantile outside (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(3, 400, 4))
    >>> near_copies(rows[1], rows[1], rows[2]), near_copies(rows[0], rows[1], rows[2]) < 0.03
    (1.0, True)
    """
    tables = _join(train, holdout, synthetic)
    rng = numpy_generator(derive_seed(random_state))
    base = tables.take(0)
    made, fresh = (nearest(tables.draw(k, sample_size, rng, "near_copies"), base)[0] for k in (2, 1))
    return measure_copying(made, fresh, quantile)


def measure_copying(synthetic: np.ndarray, holdout: np.ndarray, quantile: float = 0.01) -> float:
    """Return the share of distances below the ``quantile`` of those of held-out rows.

    Parameters
    ----------
    synthetic, holdout : ndarray of float, shape (rows,)
        Distances to the nearest training row.
    quantile : float, default=0.01
        In (0, 1).

    Returns
    -------
    float
        In [0, 1]. Distances equal to the quantile count in part, so that ``holdout`` itself scores
        ``quantile`` whatever its ties (in coarse tables many held-out rows equal a training row).
    """
    if not 0.0 < quantile < 1.0:
        raise InputError(f"quantile must lie between 0 and 1, got {quantile!r}; 0.01 is usual.")
    threshold = np.quantile(holdout, quantile, method="inverted_cdf")
    below, at = np.mean(holdout < threshold), np.mean(holdout == threshold)
    part = (quantile - below) / at
    return float(np.mean(synthetic < threshold) + part * np.mean(synthetic == threshold))


def membership_inference(
    synthetic: Any,
    members: Any,
    non_members: Any,
    *,
    sample_size: int | None = None,
    random_state: Any = 0,
) -> pd.Series:
    """Attack a synthetic table: how well it tells which real rows its generator was fitted on.

    The attacker sees synthetic rows only, and calls a real row a member if a synthetic one lies near
    it: score = −(distance to the closest synthetic row).

    Parameters
    ----------
    synthetic : DataFrame or array (rows, columns)
        Output of a generator fitted on ``members`` (among others) and never on ``non_members``.
    members, non_members : DataFrame or array (rows, columns)
        Real rows from the same source; their numbers may differ.
    sample_size : int, optional
        Attack only so many randomly chosen rows of each.
    random_state : int, RandomState instance, Generator or None, default=0
        Chooses rows.

    Returns
    -------
    Series
        ``auc``: area under the attack's ROC curve; ½ is guessing, 1 tells all members. ``low``,
        ``high``: its 95 % interval (Hanley and McNeil). ``tpr_at_fpr_01``: share of members that are
        found where at most 1 % of the others are falsely called members.

    Raises
    ------
    InputError
        Tables that cannot be compared, or a sample size below 1.

    References
    ----------
    The full black-box attack of Chen, Yu, Zhang and Fritz, *GAN-Leaks*, CCS 2020; true positives
    at a low false positive rate after Carlini et al., *Membership Inference Attacks From First
    Principles*, 2022; Hanley and McNeil, *Radiology* 143, 1982.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(2, 300, 3))
    >>> float(membership_inference(rows[0], rows[0], rows[1])["auc"])
    1.0
    """
    named = {"members": members, "non_members": non_members, "synthetic": synthetic}
    tables = ScaledTables.join(named, references=2)
    rng = numpy_generator(derive_seed(random_state))
    made, who = tables.take(2), "membership_inference"
    return attack_scores(*(-nearest(tables.draw(k, sample_size, rng, who), made)[0] for k in (0, 1)))


def auc_error(auc: float, m: int, n: int) -> float:
    """Return the standard error of an area under the ROC curve of m and n rows (Hanley and McNeil)."""
    # The variances of a row's chance to outrank another, under the exponential model of both scores.
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (m - 1) * (q1 - auc**2) + (n - 1) * (q2 - auc**2)) / (m * n)
    return float(np.sqrt(max(variance, 0.0)))


def attack_scores(members: np.ndarray, non_members: np.ndarray) -> pd.Series:
    """Return how well an attack's scores tell members from others.

    Parameters
    ----------
    members, non_members : ndarray of float, shape (rows,)
        Scores of rows; larger means "rather a member".

    Returns
    -------
    Series
        ``auc``, ``low``, ``high``, ``tpr_at_fpr_01`` as in :func:`membership_inference`.
    """
    m, n = len(members), len(non_members)
    auc = float(roc_auc_score(np.repeat([1, 0], [m, n]), np.concatenate([members, non_members])))
    reach = _NORMAL_95 * auc_error(auc, m, n)
    # At most 1 % of the others may score above the bar.
    bar = np.sort(non_members)[::-1][int(0.01 * n)]
    return pd.Series(
        {
            "auc": auc,
            "low": max(auc - reach, 0.0),
            "high": min(auc + reach, 1.0),
            "tpr_at_fpr_01": float(np.mean(members > bar)),
        }
    )
