"""``vaeaug.evaluation.report``: how good the rows of any generator are, on one page."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.evaluation.fidelity import column_shapes
from vaeaug.evaluation.quality.columns import compare_columns
from vaeaug.evaluation.quality.findings import Figures
from vaeaug.evaluation.quality.pairs import compare_pairs
from vaeaug.evaluation.quality.quality import Quality
from vaeaug.evaluation.quality.rows import compare_rules, measure_copies, measure_two_sample, measure_utility
from vaeaug.evaluation.quality.sides import Sides
from vaeaug.evaluation.tables import join_tables
from vaeaug.utils.choices import Auto, Columns, RandomState
from vaeaug.utils.files import check_writable
from vaeaug.utils.random import derive_seed, numpy_generator
from vaeaug.utils.wording import count

__all__ = ["report"]


def report(
    real: Any,
    new: Any,
    target: Hashable | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    held_out: Any = None,
    id_columns: Auto | Columns = "auto",
    relations: Auto | Sequence[str] = "auto",
    random_state: RandomState = 0,
) -> Quality:
    """Judge the rows of any generator beside real ones, and put everything on one page.

    What stands out comes first, in sentences: copies, columns that are distributed differently, missing
    cells, categories that are lost or invented, associations of columns that are lost, broken rules, and what
    a model trained on the new rows is worth.

    Parameters
    ----------
    real : DataFrame or array of shape (n, d)
        The rows that the generator learned from.
    new : DataFrame or array of shape (m, d)
        The rows that it made; the same columns in any order. Where the real rows are among them, as after
        :meth:`vaeaug.VAEAugmenter.resample`, they are left out and the first sentence says so. Where nothing
        else is among them, they are copies.
    target : hashable, optional
        Column to predict. If it is a class and the new rows hold another mix of classes, as those of an
        oversampler do, columns and pairs are compared with real rows of the same mix. Rules are looked for
        in all real rows.
    path : path-like, optional
        Where to write the page; :meth:`Quality.to_html` writes it later.
    held_out : DataFrame or array of shape (k, d), optional
        Real rows that the generator has not seen, to test models on and to tell copies by. Without them a
        third of the real rows is cut off for the test, and copies are judged by how near real rows lie to
        each other.
    id_columns : "auto", list or None, default="auto"
        Columns that name each row. Their names are checked, and they are left out of everything else.
        ``"auto"`` looks for them.
    relations : "auto" or list of str, default="auto"
        Rules between columns to check, as in :func:`vaeaug.evaluation.rules`; ``["auto", "end >= start"]``
        adds declared ones to those that are found.
    random_state : int, RandomState instance, Generator or None, default=0
        Chooses rows and seeds the classifiers.

    Returns
    -------
    Quality
        With ``verdict``, ``findings``, ``table`` (a row for each column), ``pairs``, ``rules``, ``scores``,
        ``summary()`` and ``to_html(path)``.

    Raises
    ------
    InputError
        Tables without rows or with other columns, values that cannot be compared, an unknown target, or a
        path that cannot be written.

    Notes
    -----
    ``score`` of a column is KSComplement or TVComplement of sdmetrics, ``score`` of a pair its
    CorrelationSimilarity or ContingencySimilarity with both thresholds at 0; the mean of both means is the
    overall score of its QualityReport. Its DiagnosticReport is here as ``outside`` (adherence to ranges and
    categories), dtypes, and repeated names of rows. Of ydata-profiling's comparison there are distributions,
    missing cells, distinct values, associations and repeated rows; statistics of text and plots of every two
    numbers are left out, since they judge no generator. Time series and several tables are not compared.

    Columns and their pairs are measured on all rows (pairs on fewer where there are very many); rules,
    classifiers and nearest rows on at most 20,000, 10,000 and 3,000 rows. Of more than 100 columns, pairs are
    those of the 100 whose associations seem to differ most. 30,000 rows of 15 columns take a few seconds.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from vaeaug.evaluation import report
    >>> age, shift = np.random.default_rng(0).integers(20, 60, (2, 400))
    >>> real = pd.DataFrame({"age": age, "income": 1000 * age + 300 * shift})
    >>> new = real.assign(income=real["income"].sample(frac=1, random_state=0).to_numpy())
    >>> quality = report(real, new)
    >>> quality.verdict
    'not faithful'
    >>> print(quality.findings[0].text)
    The association of 'age' and 'income' is lost: rank correlation 0.96 among real rows, 0.05 among new ones.
    """
    if path is not None:
        check_writable(path)
    tables = {"real": real, "new": new} | ({} if held_out is None else {"held_out": held_out})
    sides = Sides.read(tables, target, id_columns, derive_seed(random_state))
    joined = join_tables({"real": sides.reference, "new": sides.new})
    halves = _halve(sides)
    pairs = compare_pairs(sides, joined, halves)
    found_rules, remark = compare_rules(sides, relations)
    figures = Figures(
        sides=sides,
        joined=joined,
        table=compare_columns(sides, joined),
        pairs=pairs.table,
        rules=found_rules,
        copies=measure_copies(sides, joined),
        utility=measure_utility(sides),
        two_sample=measure_two_sample(sides),
    )
    remarks = [remark] if remark else []
    if len(pairs.columns) < len(joined.columns):
        remarks.append(
            f"Pairs are those of {len(pairs.columns)} of the {len(joined.columns)} columns, whose "
            "associations seem to differ most."
        )
    quality = Quality(figures, _expect_scores(sides, halves, pairs.yardstick), remarks, _describe_run(sides))
    if path is not None:
        quality.to_html(path)
    return quality


def _halve(sides: Sides) -> list[pd.DataFrame]:
    """Return two halves of the reference, chosen at random; nothing for fewer than four rows."""
    rows = len(sides.reference)
    if rows < 4:
        return []
    order = numpy_generator(sides.seed, 9).permutation(rows)
    return [sides.reference.iloc[np.sort(part)] for part in (order[: rows // 2], order[rows // 2 :])]


def _expect_scores(sides: Sides, halves: list[pd.DataFrame], pairs: float) -> dict[str, float]:
    """Return the mean agreement of columns and pairs that samples of one source would have."""
    if not halves:
        return {"columns": np.nan, "pairs": np.nan}
    # Halves are smaller than the tables, and chance differences are in proportion to √(1/n + 1/m).
    scale = sides.spread / float(np.sqrt(sum(1 / len(half) for half in halves)))
    columns = float(column_shapes(*halves, missing="drop").mean())
    return {name: 1 - scale * (1 - value) for name, value in (("columns", columns), ("pairs", pairs))}


def _describe_run(sides: Sides) -> dict[str, str]:
    rows = [count(len(side), "row") for side in (sides.real, sides.new)]
    facts = {"Real": rows[0], "New": rows[1]}
    if sides.held_out is not None:
        facts["Held out"] = count(len(sides.held_out), "row")
    facts["Columns"] = f"{sides.real.shape[1]:,}" + (
        f" and {len(sides.identifiers)} that name each row" if sides.identifiers else ""
    )
    facts["Target"] = "none" if sides.target is None else str(sides.target)
    return facts | {"Seed": str(sides.seed)}
