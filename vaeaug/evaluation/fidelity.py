"""How close a synthetic table is to a real one: columns, pairs of columns, rare values, whole rows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, check_cv

from vaeaug.errors import InputError
from vaeaug.evaluation.columns import empty_columns, fill_columns
from vaeaug.evaluation.tables import CLASSIFIER_LEVELS, JointTables, build_trees, join_tables
from vaeaug.utils.random import derive_seed
from vaeaug.utils.validation import check_option

__all__ = [
    "column_shapes",
    "correlate",
    "pair_trends",
    "rare_category_counts",
    "two_sample_areas",
    "two_sample_score",
]

#: Columns whose numbers are larger or smaller than this are scaled before they are multiplied or subtracted.
_LARGE, _SMALL = 1e70, 1e-70


def column_shapes(real: Any, synthetic: Any, *, missing: Literal["count", "drop"] = "count") -> pd.Series:
    """Score how well each column's own distribution is kept; 1 is perfect.

    One minus the Kolmogorov–Smirnov statistic for numeric, datetime and timedelta columns;
    one minus the total variation distance, ``½ Σ |p − q|``, for all others. A table of
    independent columns passes this test, so it is a floor, not a proof.

    Parameters
    ----------
    real, synthetic : DataFrame or array (rows, columns)
        Tables with the same columns; the number of rows may differ. The types of ``real``
        decide how a column is compared.
    missing : {"count", "drop"}, default="count"
        - ``"count"``: the share of missing values is part of the distribution: a category of
          its own, or a value past the largest number.
        - ``"drop"``: compare the values that are there, as sdmetrics does.

    Returns
    -------
    Series
        Scores in [0, 1], indexed by column name; NaN where nothing can be compared (a
        column without any value in one of the tables, with ``missing="drop"``).

    Raises
    ------
    InputError
        Tables that cannot be compared, or an unknown ``missing``.

    References
    ----------
    ``KSComplement`` and ``TVComplement`` of sdmetrics, the measures behind the "Shape" error
    of Zhang et al., *Mixed-Type Tabular Data Synthesis with Score-based Diffusion in Latent
    Space* (TabSyn), ICLR 2024.

    Examples
    --------
    >>> import pandas as pd
    >>> real = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "colour": list("rrgb")})
    >>> synthetic = pd.DataFrame({"size": [1.0, 2.0, 3.0, 3.0], "colour": list("rrgg")})
    >>> column_shapes(real, synthetic).to_dict()
    {'size': 0.75, 'colour': 0.75}
    """
    check_option("column_shapes: missing", missing, ("count", "drop"))
    tables = join_tables({"real": real, "synthetic": synthetic})
    scores: dict[Hashable, float] = {}
    for j, name in enumerate(tables.continuous):
        a, b = (block[:, j] for block in tables.numbers)
        scores[name] = 1.0 - _kolmogorov_smirnov(a, b, missing)
    for j, name in enumerate(tables.discrete):
        a, b = (block[:, j] for block in tables.codes)
        if missing == "drop":
            a, b = a[a >= 0], b[b >= 0]
        scores[name] = 1.0 - _total_variation(a + 1, b + 1, int(tables.levels[j]) + 1)
    return pd.Series(scores, dtype=float, name="column_shape").reindex(pd.Index(tables.columns))


def pair_trends(
    real: Any, synthetic: Any, *, bins: int = 10, edges: Literal["own", "real"] = "own"
) -> pd.Series:
    """Score how well the relation of each pair of columns is kept; 1 is perfect.

    Two continuous columns: ``1 − ½ |r_real − r_synthetic|``, with Pearson's r over the rows
    that have both values. Any other pair: one minus the total variation distance of the two
    contingency tables, continuous columns cut into bins of equal width, missing values as
    a category of their own.

    Parameters
    ----------
    real, synthetic : DataFrame or array (rows, columns)
        Tables with the same columns.
    bins : int, default=10
        Number of bins for a continuous column that is paired with a discrete one.
    edges : {"own", "real"}, default="own"
        Which range the bins divide. ``"own"``: each table its own range, which is what
        sdmetrics' quality report does and so what published figures mean; a single outlier
        moves all bins. ``"real"``: the range of ``real`` for both tables.

    Returns
    -------
    Series
        Scores in [0, 1], indexed by (first column, second column). NaN for a pair of
        continuous columns without a correlation in ``real`` (one of them is constant); where
        only the synthetic column is constant its correlation counts as 0.

    Raises
    ------
    InputError
        Tables that cannot be compared, fewer than one bin, or unknown ``edges``.

    References
    ----------
    ``CorrelationSimilarity`` and ``ContingencySimilarity`` as combined by the quality report
    of sdmetrics with both of its thresholds at 0: the "Trend" error of Zhang et al., *TabSyn*,
    ICLR 2024.

    Examples
    --------
    >>> import pandas as pd
    >>> real = pd.DataFrame({"a": list("xxyy"), "b": list("uuvv")})
    >>> synthetic = pd.DataFrame({"a": list("xxyy"), "b": list("uvuv")})
    >>> float(pair_trends(real, synthetic)["a", "b"])
    0.5
    """
    check_option("pair_trends: edges", edges, ("own", "real"))
    if bins < 1:
        raise InputError(f"pair_trends: bins must be at least 1, got {bins!r}.")
    tables = join_tables({"real": real, "synthetic": synthetic})
    keys = _contingency_keys(tables, bins, edges)
    sizes = dict.fromkeys(tables.continuous, bins + 3)
    sizes |= {name: int(size) + 1 for name, size in zip(tables.discrete, tables.levels, strict=True)}
    position = {name: j for j, name in enumerate(tables.continuous)}
    correlations = [correlate(block) for block in tables.numbers]
    scores: dict[tuple[Hashable, Hashable], float] = {}
    for first, second in combinations(tables.columns, 2):
        if first in position and second in position:
            r, s = (matrix[position[first], position[second]] for matrix in correlations)
            scores[first, second] = 1.0 - abs(r - np.nan_to_num(s)) / 2.0
        else:
            a, b = (key[first] * sizes[second] + key[second] for key in keys)
            scores[first, second] = 1.0 - _total_variation(a, b, sizes[first] * sizes[second])
    index = pd.MultiIndex.from_tuples(list(scores), names=["first", "second"]) if scores else None
    return pd.Series(list(scores.values()), index=index, dtype=float, name="pair_trend")


def two_sample_score(
    real: Any,
    synthetic: Any,
    *,
    estimator: BaseEstimator | None = None,
    cv: Any = 3,
    random_state: Any = 0,
) -> float:
    """Score whether a classifier can tell synthetic rows from real ones; 1: it cannot.

    The mean over folds of 1 − (2 · max(AUC, ½) − 1) (classifier two-sample test): 1 is
    indistinguishable, 0 is always told apart. Copies of real rows also score 1, so read it
    beside :func:`vaeaug.evaluation.privacy.closest_share`. Rows of a generator depend on those
    that it learned from, which may bring the AUC below ½ and the score to 1; rows that the
    generator has not seen, as ``real``, show what it is worth.

    Parameters
    ----------
    real, synthetic : DataFrame or array (rows, columns)
        Tables with the same columns. Missing values may occur in any of them.
    estimator : scikit-learn classifier, optional
        Trained on float64 columns and ``category`` columns with integer categories (values
        beyond the 249 most frequent of a column are merged); both may hold missing values.
        By default :class:`~sklearn.ensemble.HistGradientBoostingClassifier` with 100 trees.
        ``XGBClassifier(n_estimators=100, max_depth=6, enable_categorical=True)`` gives the
        XGB-C2ST of the benchmarks.
    cv : int, splitter or iterable, default=3
        An int: so many stratified, shuffled folds.
    random_state : int, RandomState instance, Generator or None, default=0
        Seeds the folds and the default estimator.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        Tables that cannot be compared, or with fewer rows than folds.

    References
    ----------
    Lopez-Paz and Oquab, *Revisiting Classifier Two-Sample Tests*, ICLR 2017; the scale is
    that of sdmetrics' ``LogisticDetection``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from vaeaug.evaluation import two_sample_score
    >>> rng = np.random.default_rng(0)
    >>> real, alike, other = (rng.normal(mean, size=(300, 2)) for mean in (0, 0, 3))
    >>> two_sample_score(real, alike, estimator=LogisticRegression()) > 0.9
    True
    >>> two_sample_score(real, other, estimator=LogisticRegression()) < 0.1
    True
    """
    areas = two_sample_areas(real, synthetic, estimator=estimator, cv=cv, random_state=random_state)
    return float(np.mean(1.0 - (2.0 * np.maximum(areas, 0.5) - 1.0)))


def two_sample_areas(
    real: Any, synthetic: Any, *, estimator: BaseEstimator | None = None, cv: Any = 3, random_state: Any = 0
) -> np.ndarray:
    """Return the area under the ROC curve of each fold of :func:`two_sample_score`, float64 (folds,).

    Areas below ½ show that rows of both tables depend on each other.
    """
    tables = join_tables({"real": real, "synthetic": synthetic})
    seed = derive_seed(random_state)
    rows = [len(block) for block in tables.numbers]
    if isinstance(cv, int) and min(rows) < cv:
        raise InputError(
            f"two_sample_score: {cv} folds need at least {cv} rows in both tables, got {rows[0]} real and "
            f"{rows[1]} synthetic; give more rows or a smaller cv."
        )
    X = pd.concat([tables.frame(0, CLASSIFIER_LEVELS), tables.frame(1, CLASSIFIER_LEVELS)], ignore_index=True)
    y = np.repeat([0, 1], rows)
    folds = StratifiedKFold(cv, shuffle=True, random_state=seed) if isinstance(cv, int) else check_cv(cv, y)
    model = build_trees(seed) if estimator is None else estimator
    areas = []
    for train, test in folds.split(X, y):
        empty = empty_columns(X.iloc[train])
        fitted = clone(model).fit(fill_columns(X.iloc[train], empty), y[train])
        areas.append(roc_auc_score(y[test], _positive_scores(fitted, fill_columns(X.iloc[test], empty))))
    return np.array(areas, dtype=np.float64)


def rare_category_counts(
    real: Any,
    synthetic: Any,
    *,
    min_count: int = 5,
    max_share: float = 0.01,
    columns: Sequence[Hashable] | None = None,
) -> pd.DataFrame:
    """Tabulate how often each rare category should appear in a synthetic table, and does.

    Parameters
    ----------
    real, synthetic : DataFrame or array (rows, columns)
        Tables with the same columns.
    min_count : int, default=5
        Leave out categories with fewer rows than this in ``real``.
    max_share : float, default=0.01
        Leave out categories with a larger share of the rows of ``real``; 1 keeps all.
    columns : sequence of hashable, optional
        Columns to look at; by default all that are not numeric, datetime or timedelta.
        Naming an integer column treats it as categories.

    Returns
    -------
    DataFrame
        One row per category, rarest first: ``column``, ``category``, ``real`` (count),
        ``expected`` = n·p, ``observed`` and ``z`` = (observed − n·p) / √(n·p·(1 − p)), with p
        the share in ``real`` and n the number of synthetic rows. Missing values count as
        the category ``None``. A faithful generator has ``|z| < 3`` in 99.7 % of the rows.

    Raises
    ------
    InputError
        Tables that cannot be compared, or unknown ``columns``.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.evaluation import rare_category_counts
    >>> real = pd.DataFrame({"job": ["clerk"] * 995 + ["diver"] * 5})
    >>> new = pd.DataFrame({"job": ["clerk"] * 200})
    >>> rare_category_counts(real, new)[["expected", "observed"]].to_dict("records")
    [{'expected': 1.0, 'observed': 0}]
    """
    tables = join_tables({"real": real, "synthetic": synthetic})
    if columns is not None:
        unknown = [name for name in columns if name not in tables.columns]
        if unknown:
            raise InputError(f"rare_category_counts: columns {unknown} are not among {list(tables.columns)}.")
    chosen = tables.discrete if columns is None else columns
    parts = [_category_counts(tables, name) for name in chosen]
    names = ["column", "category", "real", "expected", "observed", "z"]
    if not parts:
        return pd.DataFrame(columns=names)
    counts = pd.concat(parts, ignore_index=True)
    n_real, n = (len(block) for block in tables.numbers)
    share = counts["real"] / n_real
    counts["expected"] = n * share
    surplus, spread = counts["observed"] - counts["expected"], (n * share * (1.0 - share)) ** 0.5
    # A category that fills its column has no spread: z is 0 as expected, infinite otherwise.
    counts["z"] = (surplus / spread).where(surplus != 0, 0.0)
    kept = counts[(counts["real"] >= min_count) & (share <= max_share)]
    return kept.sort_values("real", kind="stable", ignore_index=True)[names]


def _kolmogorov_smirnov(a: np.ndarray, b: np.ndarray, missing: str) -> float:
    rows = (len(a), len(b))
    a, b = np.sort(a[~np.isnan(a)]), np.sort(b[~np.isnan(b)])
    if missing == "drop":
        if not len(a) or not len(b):
            return np.nan
        rows = (len(a), len(b))
    places = np.concatenate([a, b])
    if not len(places):
        return 0.0
    below = np.searchsorted(a, places, side="right") / rows[0]
    return float(np.abs(below - np.searchsorted(b, places, side="right") / rows[1]).max())


def _total_variation(a: np.ndarray, b: np.ndarray, size: int) -> float:
    """Return ½ Σ |p − q| of two samples of keys in [0, size)."""
    if not len(a) or not len(b):
        return np.nan
    if size > 8 * (len(a) + len(b)):
        # Two columns of many levels have more possible pairs than memory; count those that occur.
        found, keys = np.unique(np.concatenate([a, b]), return_inverse=True)
        size, a, b = len(found), keys[: len(a)], keys[len(a) :]
    p = np.bincount(a, minlength=size) / len(a)
    q = np.bincount(b, minlength=size) / len(b)
    return float(0.5 * np.abs(p - q).sum())


def correlate(numbers: np.ndarray) -> np.ndarray:
    """Return Pearson's r of columns, over the rows that have both; NaN where one of them is constant."""
    largest = np.nan_to_num(np.abs(numbers)).max(axis=0, initial=0.0)
    exponents = np.frexp(largest)[1]
    exponents[(largest >= _SMALL) & (largest <= _LARGE)] = 0
    # Squares of very large and very small numbers would be beyond floats.
    return pd.DataFrame(np.ldexp(numbers, -exponents)).corr().to_numpy()


def _contingency_keys(tables: JointTables, bins: int, edges: str) -> list[dict[Hashable, np.ndarray]]:
    """Return, per table, every column as integer keys from 0 (discrete: missing is 0)."""
    keys: list[dict[Hashable, np.ndarray]] = [{} for _ in tables.numbers]
    for j, name in enumerate(tables.continuous):
        columns = [block[:, j] for block in tables.numbers]
        for key, column in zip(keys, columns, strict=True):
            reference = columns[0] if edges == "real" else column
            present = reference[~np.isnan(reference)]
            cuts = _bin_edges(present, bins) if len(present) else np.zeros(1)
            # As in sdmetrics the largest value has a bin to itself; missing is set apart.
            key[name] = np.where(np.isnan(column), bins + 2, np.digitize(column, cuts))
    for j, name in enumerate(tables.discrete):
        for key, block in zip(keys, tables.codes, strict=True):
            key[name] = block[:, j] + 1
    return keys


def _bin_edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Return the edges of bins of equal width; where floats leave no room for so many, some are equal."""
    low, high = values.min(), values.max()
    if low == high:
        low, high = low - 0.5, high + 0.5
    if high / 2 - low / 2 < _LARGE:
        return np.linspace(low, high, bins + 1)
    return 2 * np.linspace(low / 2, high / 2, bins + 1)  # the range itself may be beyond floats


def _positive_scores(fitted: Any, X: pd.DataFrame) -> np.ndarray:
    if hasattr(fitted, "predict_proba"):
        return fitted.predict_proba(X)[:, 1]
    return fitted.decision_function(X)


def _category_counts(tables: JointTables, name: Hashable) -> pd.DataFrame:
    """Count every value of one column in both tables; missing counts as None."""
    if name in tables.discrete:
        j = tables.discrete.index(name)
        values = np.array([*tables.values[j], None], dtype=object)
        codes = [np.where(block[:, j] < 0, len(values) - 1, block[:, j]) for block in tables.codes]
    else:
        j = tables.continuous.index(name)
        blocks = [block[:, j] for block in tables.numbers]
        levels, codes_all = np.unique(np.concatenate(blocks), return_inverse=True)
        values, known = levels.astype(object), ~np.isnan(levels)
        if isinstance(tables.origins[j], int):
            values[known] = [int(level) + tables.origins[j] for level in levels[known]]
        values[~known] = None
        codes = [codes_all[: len(blocks[0])], codes_all[len(blocks[0]) :]]
    real, observed = (np.bincount(column, minlength=len(values)) for column in codes)
    table = pd.DataFrame({"column": name, "real": real, "observed": observed})
    return table.assign(category=pd.Series(values, dtype=object)).query("real > 0 or observed > 0")
