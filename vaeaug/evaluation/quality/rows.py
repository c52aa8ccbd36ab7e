"""New rows as wholes: copies and near copies, what boosted trees make of them, rules that they keep."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import hypergeom
from sklearn.model_selection import train_test_split

from vaeaug.data.relations.parsing import parse_relations
from vaeaug.data.relations.relations import name_columns
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.evaluation.distances import ScaledTables, choose_rows, measure_reach, nearest
from vaeaug.evaluation.downstream import train_synthetic_test_real
from vaeaug.evaluation.fidelity import two_sample_areas
from vaeaug.evaluation.privacy import auc_error, exact_copies, measure_copying
from vaeaug.evaluation.quality.sides import Sides, take_some
from vaeaug.evaluation.table_rules import count_kept
from vaeaug.evaluation.tables import JointTables, build_trees, join_tables
from vaeaug.utils.random import numpy_generator

__all__ = [
    "Copies",
    "TwoSample",
    "Utility",
    "compare_rules",
    "find_chance",
    "measure_copies",
    "measure_two_sample",
    "measure_utility",
]

#: Rows whose nearest real row is looked for; distances times columns that are computed at most.
_MOST_QUERIES, _FEWEST_QUERIES, _MOST_CELLS = 3000, 100, 2_000_000_000
#: Rows of each table for classifiers and for the search of rules.
_MOST_ROWS, _MOST_RULE_ROWS, _MOST_RULE_COLUMNS = 10_000, 20_000, 60
#: Cells of each table for classifiers.
_MOST_CLASSIFIER_CELLS = 1_000_000
_TREES = 100
_MOST_CLASSES = 50
_FEWEST_ROWS = 20
_TEST_SHARE = 1 / 3
#: Share of fresh rows that lie nearer to a real row than those that count as very near.
_NEAR = 0.01
#: Folds share rows, so that the mean of their areas varies more than one area of as many rows does: 1.0 to
#: 1.5 times as much in 250 tables dealt to two sides.
_FOLDS = 1.5


@dataclass(frozen=True)
class Copies:
    """How near new rows lie to real ones, beside how near other real rows do.

    Parameters
    ----------
    exact, fresh_exact : float
        Share of new rows that equal a real row, and of fresh real rows: held-out ones, or every real row
        among all others.
    near : float
        Share of new rows nearer to a real row than 1 % of fresh rows.
    repeats, real_repeats : float
        Share of rows that equal an earlier one of their own table, among as many rows.
    distances, fresh_distances : ndarray of float64
        To the nearest real row, of some rows.
    is_held_out : bool
        Whether fresh rows are held-out ones.
    exact_chance, near_chance : float
        Probability that chance alone brings as many copies, and as many rows so near, to new rows of the same
        source; from real rows and fresh ones apart, see :attr:`Sides.parts`.
    """

    exact: float
    fresh_exact: float
    near: float
    repeats: float
    real_repeats: float
    distances: np.ndarray
    fresh_distances: np.ndarray
    is_held_out: bool
    exact_chance: float
    near_chance: float


@dataclass(frozen=True)
class Utility:
    """Scores on real rows of a model trained on new rows, and on as many real ones.

    Parameters
    ----------
    new, real : float
    measure : str
        ``"ROC AUC"`` or ``"R²"``; empty where nothing was measured.
    error : float
        Standard error of their difference, at most.
    facts : mapping of str to int
        Rows to train on and to test on.
    why : str
        Why nothing was measured.
    """

    new: float = np.nan
    real: float = np.nan
    measure: str = ""
    error: float = np.nan
    facts: dict[str, int] = field(default_factory=dict)
    why: str = ""

    @property
    def lost(self) -> float:
        """Share of what real rows teach that new rows do not; 0 at best."""
        blind = 0.5 if self.measure == "ROC AUC" else 0.0
        if not self.measure or not self.real - blind > 0.05:
            return 0.0
        return float(np.clip((self.real - self.new) / (self.real - blind), 0, 1))


@dataclass(frozen=True)
class TwoSample:
    """How well boosted trees tell new rows from real ones.

    Parameters
    ----------
    score : float
        As from :func:`~vaeaug.evaluation.fidelity.two_sample_score`; NaN where nothing was measured.
    area : float
        Mean area under the ROC curve. Below ½, new rows depend on the real rows beside them.
    error : float
        Standard error of an area of ½.
    is_held_out : bool
        Whether the real rows are held-out ones.
    """

    score: float = np.nan
    area: float = np.nan
    error: float = np.nan
    is_held_out: bool = False

    @property
    def is_dependent(self) -> bool:
        """Whether new rows follow the real ones so closely that the score means little."""
        return self.area < 0.5 - 3 * self.error

    @property
    def is_told(self) -> bool:
        """Whether trees do better than by chance, and so well that it matters."""
        return self.score < 0.95 and self.area > 0.5 + 3 * self.error


def measure_copies(sides: Sides, joined: JointTables) -> Copies | None:
    """Look for copies; None where there is no second real row to compare with."""
    if len(sides.real) < 2:
        return None
    named = {"real": sides.real, "new": sides.new}
    if sides.unseen is not None:
        named["fresh"] = sides.unseen
    tables = ScaledTables.join(named, references=1)
    everything, rng = tables.take(0), numpy_generator(sides.seed, 4)
    cells = len(sides.real) * max(sides.real.shape[1], 1)
    size = int(np.clip(_MOST_CELLS // cells, _FEWEST_QUERIES, _MOST_QUERIES))
    queries = tables.draw(1, size, rng, "report")
    distances = nearest(queries, everything)[0]
    known, unknown = sides.parts
    exact = [exact_copies(rows, known) for rows in (sides.new, unknown)]
    if sides.unseen is not None:
        apart = distances, nearest(tables.draw(2, size, rng, "report"), everything)[0]
        fresh, fresh_exact = apart[1], float(exact[1].mean())
    else:
        own = sides.alike[choose_rows(len(sides.alike), size, rng, "report")]
        fresh = measure_reach(tables.take(0, own), everything, own, 1)
        fresh_exact = float(np.mean(fresh == 0))
        half, others = (part.index.to_numpy() for part in (known, unknown))
        others = others[choose_rows(len(others), size, rng, "report")]
        base = tables.take(0, half)
        apart = nearest(queries, base)[0], nearest(tables.take(0, others), base)[0]
    least = min(sides.sizes)
    repeats = [_count_repeats(joined, k, least, rng) for k in (0, 1)]
    return Copies(
        exact=float(exact_copies(sides.new, sides.real).mean()),
        fresh_exact=fresh_exact,
        near=measure_copying(distances, fresh, _NEAR),
        repeats=repeats[1],
        real_repeats=repeats[0],
        distances=distances,
        fresh_distances=fresh,
        is_held_out=sides.unseen is not None,
        exact_chance=find_chance(*exact),
        near_chance=_find_chance_nearer(*apart),
    )


def find_chance(new: np.ndarray, fresh: np.ndarray) -> float:
    """Return how probably as many new rows are marked by chance, if fresh ones are as often (Fisher's test).

    Parameters
    ----------
    new, fresh : ndarray of bool, shape (rows,)
    """
    marked = [int(np.count_nonzero(side)) for side in (new, fresh)]
    return float(hypergeom.sf(marked[0] - 1, len(new) + len(fresh), sum(marked), len(new)))


def _find_chance_nearer(new: np.ndarray, fresh: np.ndarray) -> float:
    """Return how probably as many new rows lie nearer than 99 % of fresh ones do, if both are of one source.

    Of rows of one source, any may be the nearest. Each of the nearest is then a new row as often as in a draw
    without replacement from all of them.
    """
    if not len(fresh):
        return 1.0
    k = int(np.ceil(_NEAR * len(fresh)))
    nearer = int(np.count_nonzero(new < np.sort(fresh)[k - 1]))
    return float(hypergeom.cdf(k - 1, len(new) + len(fresh), len(fresh), nearer + k - 1))


def measure_two_sample(sides: Sides) -> TwoSample:
    """Let boosted trees tell at most 10,000 new rows from real ones, held-out ones if there are any."""
    rows, rng = _count_rows(sides), numpy_generator(sides.seed, 5)
    fresh = sides.reference if sides.unseen is None else sides.unseen
    real, new = take_some(fresh, rows, rng), take_some(sides.new, rows, rng)
    if min(len(real), len(new)) < _FEWEST_ROWS:
        return TwoSample()
    areas = two_sample_areas(real, new, random_state=sides.seed)
    score = float(np.mean(1 - (2 * np.maximum(areas, 0.5) - 1)))
    area, error = float(areas.mean()), _FOLDS * auc_error(0.5, len(real), len(new))
    return TwoSample(score, area, error, sides.unseen is not None)


def measure_utility(sides: Sides) -> Utility:
    """Train on new rows and on as many real ones, and test both on real rows."""
    if sides.target is None:
        return Utility(why="no target was given")
    target = sides.target
    real, new = _drop_unlabelled(sides.real, target), _drop_unlabelled(sides.new, target)
    test = None if sides.held_out is None else _drop_unlabelled(sides.held_out, target)
    why = _find_obstacle(sides, real, new)
    if why:
        return Utility(why=why)
    if test is None:
        labels = real[target].astype(str) if sides.is_classification else None
        if labels is not None and labels.value_counts().min() < 2:
            labels = None
        cut = {"test_size": _TEST_SHARE, "stratify": labels, "random_state": sides.seed}
        real, test = train_test_split(real, **cut)
    rng = numpy_generator(sides.seed, 7)
    size = min(len(new), len(real), _count_rows(sides))
    real, new, test = (
        take_some(part, most, rng) for part, most in ((real, size), (new, size), (test, _MOST_ROWS))
    )
    facts = {"train": size, "test": len(test)}
    try:
        scores = train_synthetic_test_real(
            new, test, target=target, real=real, estimator=_build_classifier(sides), random_state=sides.seed
        )
    except InputError as error:
        return Utility(why=str(error).removeprefix("train_synthetic_test_real: ").rstrip("."))
    if sides.is_classification:
        if np.isnan(scores["real"]):
            return Utility(why="the real rows to test on are of one class")
        rarest = int(test[target].value_counts().pipe(lambda counts: counts[counts > 0]).min())
        new_area, real_area = float(scores["synthetic"]), float(scores["real"])
        # That of an area of ½: by the formula, few rows would know areas near 0 and 1 exactly.
        spread = float(np.sqrt(2)) * auc_error(0.5, rarest, len(test) - rarest)
        return Utility(new_area, real_area, "ROC AUC", spread, facts)
    spread = float(np.var(join_tables({"test": test[[target]]}).numbers[0]))
    if spread == 0:
        return Utility(why="the target is constant")
    new_skill, real_skill = (1 - float(scores[side]) ** 2 / spread for side in ("synthetic", "real"))
    return Utility(new_skill, real_skill, "R²", 1 / float(np.sqrt(len(test))), facts)


def compare_rules(sides: Sides, relations: Any) -> tuple[pd.DataFrame, str]:
    """Return the rules of all real rows with the shares that keep them, and a remark on their search.

    Shares are those of rows of one mix of classes. Real rows keep every rule that is found among them, some
    by chance. So, where new rows break rules, ``fresh`` is the share of fresh real rows that keep the same
    rule if it is found without them, and missing if it is not.
    """
    columns, remark = list(sides.real.columns), ""
    listed = [relations] if isinstance(relations, str) else list(relations)
    declared, is_searched = [one for one in listed if one != "auto"], "auto" in listed
    if len(columns) > _MOST_RULE_COLUMNS and is_searched:
        names = name_columns(sides.real.columns, len(columns))
        named = {name for rule in parse_relations(declared, names) for name in rule.columns}
        columns = [c for j, c in enumerate(columns) if j < _MOST_RULE_COLUMNS or names[j] in named]
        remark = f"Rules were looked for among the first {_MOST_RULE_COLUMNS} columns."
    real, new = (frame[columns] for frame in sides.draw(_MOST_RULE_ROWS, 8))
    source = real
    if sides.mix is not None:
        source = take_some(sides.real[columns], _MOST_RULE_ROWS, numpy_generator(sides.seed, 10))
    classes = None
    if sides.is_classification and sides.target in columns:
        classes = source[sides.target]
    new = pd.DataFrame({j: _restore_dtype(new[name], real[name]) for j, name in enumerate(columns)})
    new.columns = real.columns
    with warnings.catch_warnings():
        # Notes for those who fit a model.
        warnings.simplefilter("ignore", VaeaugWarning)
        try:
            found = count_kept(source, {"real": real, "new": new}, classes, relations)
            found["fresh"] = found["real"]
            if is_searched and (found["new"] < found["real"]).any():
                known, fresh = (part[columns].reset_index(drop=True) for part in sides.parts)
                known = take_some(known, _MOST_RULE_ROWS, numpy_generator(sides.seed, 12))
                classes = None if classes is None else known[sides.target]
                again = count_kept(known, {"real": fresh, "new": new}, classes, relations)
                found["fresh"] = found["formula"].map(dict(zip(again["formula"], again["real"], strict=True)))
            return found, remark
        except (InputError, TypeError, ValueError) as error:
            if declared or not is_searched:
                raise
            empty = pd.DataFrame(columns=["kind", "columns", "formula", "real", "new", "fresh"])
            return empty, f"Rules could not be compared: {str(error).rstrip('.')}."


def _count_rows(sides: Sides) -> int:
    """Return how many rows of each table classifiers learn from at most."""
    return int(np.clip(_MOST_CLASSIFIER_CELLS // sides.real.shape[1], 1000, _MOST_ROWS))


def _count_repeats(joined: JointTables, table: int, rows: int, rng: np.random.Generator) -> float:
    """Return the share of rows that equal an earlier one, among so many."""
    chosen = choose_rows(len(joined.numbers[table]), rows, rng, "report")
    parts = (joined.numbers[table][chosen], joined.codes[table][chosen])
    frame = pd.concat([pd.DataFrame(part) for part in parts], axis=1, ignore_index=True)
    return float(frame.duplicated().mean())


def _drop_unlabelled(frame: pd.DataFrame, target: Hashable) -> pd.DataFrame:
    return frame[frame[target].notna()].reset_index(drop=True)


def _find_obstacle(sides: Sides, real: pd.DataFrame, new: pd.DataFrame) -> str:
    """Return why the target cannot be learned from new rows; nothing if it can."""
    if min(len(real), len(new)) < _FEWEST_ROWS:
        return f"fewer than {_FEWEST_ROWS} rows of a table have a target"
    if real.shape[1] < 2:
        return "there is no column besides the target"
    if not sides.is_classification:
        return ""
    if new[sides.target].astype(str).nunique() < 2:
        return "new rows are of one class; ask vaeaug.assess whether they help when added to real rows"
    classes = real[sides.target].nunique()
    return f"the target has {classes:,} classes" if classes > _MOST_CLASSES else ""


def _build_classifier(sides: Sides) -> Any:
    """Return boosted trees for many classes, fewer for each; None for the usual ones."""
    if not sides.is_classification:
        return None
    classes = sides.real[sides.target].nunique()
    if classes <= 3:
        return None
    return build_trees(sides.seed, max_iter=max(3 * _TREES // classes, 10))


def _restore_dtype(new: pd.Series, real: pd.Series) -> pd.Series:
    """Return a new column in the dtype of the real one, where its values allow that."""
    if new.dtype == real.dtype:
        return new
    try:
        found = new.astype(real.dtype)
        # A cast to integers cuts fractions off.
        is_same = (found == new) | new.isna()
    except (TypeError, ValueError, ArithmeticError):
        return new
    return found if bool(is_same.fillna(False).all()) else new
