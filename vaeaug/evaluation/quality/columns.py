"""How each column of new rows compares with real rows: shape, missing cells, values that one side lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vaeaug.evaluation.columns import simplify
from vaeaug.evaluation.fidelity import column_shapes
from vaeaug.evaluation.quality.sides import Sides
from vaeaug.evaluation.tables import JointTables

__all__ = ["compare_columns", "list_categories"]

#: Chance that a column of all of one source lies below its floor.
_FALSE_ALARM = 0.05
#: Share of distinct values from which a column is text that hardly repeats.
_TEXT = 0.5
#: Categories that new rows should have so often are missed.
_EXPECTED = 10


def compare_columns(sides: Sides, joined: JointTables) -> pd.DataFrame:
    """Return a row for each column, the one that differs most first.

    Parameters
    ----------
    sides : Sides
    joined : JointTables
        The reference and the new rows.

    Returns
    -------
    DataFrame
        Indexed by ``column``. ``kind``: number, date, duration, category or text. ``score``: agreement of the
        values that are there, in [0, 1] (see :func:`~vaeaug.evaluation.fidelity.column_shapes`). ``floor``:
        what all columns
        of two samples of one source stay above in about 95 of 100 cases. ``excess``: how far the score is
        below it. ``real_missing``, ``new_missing``: shares of cells. ``outside``: share of new values that
        lie beyond the real range or are no real category; ``unseen`` what to expect of it. ``lost``:
        share of real rows whose category no new row has. ``real_mean``, ``new_mean``, ``real_sd``, ``new_sd``
        of numbers. ``real_distinct``, ``new_distinct``, ``real_dtype``, ``new_dtype``.
    """
    scores = column_shapes(sides.reference, sides.new, missing="drop").to_dict()
    # Where the distribution of Kolmogorov and Smirnov ends, √(−½ ln(α / 2)), shared among all columns.
    reach = float(np.sqrt(-0.5 * np.log(_FALSE_ALARM / len(joined.columns) / 2)))
    rows: dict[Any, dict[str, Any]] = {}
    for j, name in enumerate(joined.continuous):
        rows[name] = _compare_numbers(joined.numbers[0][:, j], joined.numbers[1][:, j], reach)
        rows[name]["kind"] = _name_kind(sides, name)
        if rows[name]["kind"] != "number":
            rows[name] |= dict.fromkeys(("real_mean", "new_mean", "real_sd", "new_sd"), np.nan)
    for j, name in enumerate(joined.discrete):
        rows[name] = _compare_codes(joined.codes[0][:, j], joined.codes[1][:, j], reach)
    for name in joined.columns:
        rows[name] |= {"score": scores[name]}
        rows[name] |= {"real_dtype": str(sides.real[name].dtype), "new_dtype": str(sides.new[name].dtype)}
    index = pd.Index(list(joined.columns), name="column", tupleize_cols=False)
    table = pd.DataFrame([rows[name] for name in joined.columns], index=index)
    table["excess"] = (table["floor"] - table["score"]).clip(lower=0)
    names = ["kind", "score", "floor", "excess", "real_missing", "new_missing", "outside", "unseen", "lost"]
    names += ["real_mean", "new_mean", "real_sd", "new_sd", "real_distinct", "new_distinct"]
    table = table.reindex(columns=[*names, "real_dtype", "new_dtype"])
    order = _worst_first(table)
    return table.iloc[order]


def list_categories(joined: JointTables, name: Any) -> pd.DataFrame:
    """Return the categories of a column, the most frequent first, with ``real`` and ``new`` shares of rows.

    Shares are those of the rows where the column is not missing.
    """
    j = joined.discrete.index(name)
    shares = [counts / max(counts.sum(), 1) for counts in joined.count_levels(j)]
    found = dict(zip(("real", "new"), shares, strict=True))
    frame = pd.DataFrame(found, index=pd.Index([str(value) for value in joined.values[j]], dtype=object))
    order = np.argsort(-(frame["real"] + frame["new"]).to_numpy(), kind="stable")
    return frame.iloc[order]


def _worst_first(table: pd.DataFrame) -> np.ndarray:
    """Return positions by how much a column differs in any respect."""
    respects = [
        table["excess"],
        (table["real_missing"] - table["new_missing"]).abs(),
        (table["outside"] - table["unseen"]).clip(lower=0),
        table["lost"],
    ]
    worst = np.nanmax(np.column_stack([np.nan_to_num(each) for each in respects]), axis=1)
    # Among columns that chance explains, the lower score comes first.
    return np.lexsort((np.nan_to_num(table["score"], nan=2.0), -worst.round(6)))


def _name_kind(sides: Sides, name: Any) -> str:
    column = next((c for c in (sides.real[name], sides.new[name]) if c.notna().any()), sides.real[name])
    dtype = simplify(column).dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    return "duration" if pd.api.types.is_timedelta64_dtype(dtype) else "number"


def _compare_numbers(real: np.ndarray, new: np.ndarray, reach: float) -> dict[str, Any]:
    sides = [values[~np.isnan(values)] for values in (real, new)]
    missing = [1 - len(present) / len(values) for present, values in zip(sides, (real, new), strict=True)]
    found: dict[str, Any] = {"real_missing": missing[0], "new_missing": missing[1]}
    a, b = sides
    found |= {"real_distinct": len(np.unique(a)), "new_distinct": len(np.unique(b))}
    found |= {"floor": np.nan, "outside": np.nan, "unseen": 0.0, "lost": 0.0}
    for side, values in zip(("real", "new"), sides, strict=True):
        found |= {f"{side}_mean": values.mean() if len(values) else np.nan}
        found |= {f"{side}_sd": values.std(ddof=1) if len(values) > 1 else np.nan}
    if len(a) and len(b):
        found["floor"] = max(0.0, 1 - reach * float(np.sqrt(1 / len(a) + 1 / len(b))))
        found["outside"] = float(np.mean((b < a.min()) | (b > a.max())))
        found["unseen"] = 2 / (len(a) + 1)
    return found


def _compare_codes(real: np.ndarray, new: np.ndarray, reach: float) -> dict[str, Any]:
    sides = [codes[codes >= 0] for codes in (real, new)]
    levels = int(max(real.max(), new.max(), 0)) + 1
    p, q = (np.bincount(codes, minlength=levels) for codes in sides)
    n, m = len(sides[0]), len(sides[1])
    found: dict[str, Any] = {"kind": "category", "real_missing": 1 - n / len(real)}
    found |= {"new_missing": 1 - m / len(new), "floor": np.nan, "outside": np.nan, "unseen": 0.0}
    found |= {"lost": 0.0, "real_distinct": int((p > 0).sum()), "new_distinct": int((q > 0).sum())}
    if not n or not m:
        return found
    if found["real_distinct"] > max(_TEXT * n, 20):
        found["kind"] = "text"
    # A total variation distance spreads by no more than ½ √(1/n + 1/m) about its expectation.
    beyond = (reach - 0.36) * float(np.sqrt(1 / n + 1 / m))
    found["floor"] = max(0.0, 1 - _expect_distance(p + q, n, m) - beyond)
    found["outside"] = float(q[p == 0].sum() / m)
    # Good and Turing: new values come as often as values that were met once.
    found["unseen"] = float((p == 1).sum() / n)
    found["lost"] = float(p[(q == 0) & (p * m / n >= _EXPECTED)].sum() / n)
    return found


def _expect_distance(counts: np.ndarray, n: int, m: int) -> float:
    """Return the total variation distance to expect of samples of n and m rows, by their joint counts."""
    share = counts / (n + m)
    normal = np.sqrt(2 / np.pi * share * (1 - share) * (1 / n + 1 / m))
    # A value met once is on one side only.
    return float(0.5 * np.where(counts == 1, 2 * share, normal).sum())
