"""Synthetic rows of all classes whose labels are probabilities, given by classifiers of the real rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from vaeaug.evaluation.assess.strategies import Resampled, Training
from vaeaug.filtering.committee import Committee
from vaeaug.utils.estimators import clone_with_seed
from vaeaug.utils.memory import RecentResults, with_memory
from vaeaug.utils.rows import drop_columns, select_rows, stack_rows

__all__ = ["SOFT_LABELS", "SoftLabels"]

SOFT_LABELS = "soft labels"
#: Synthetic rows for each real one, up to a number of rows.
_SURPLUS, _MOST = 3, 9_000
#: Labels of a lower probability are left out.
_LEAST = 2e-3


class SoftLabels(Resampled):
    """Rows of ``VAEOverSampler`` up to several ratios, and beside them rows of all classes with soft labels.

    The generator makes as many rows of each class. A committee of classifiers, trained on the real rows,
    says how probable each class is for each of them. A classifier learns from the real rows, and from every
    new row once for each class, weighted by its probability. So it learns what the committee found, in many
    more places than there are real rows (Hinton, Vinyals and Dean 2015, *Distilling the knowledge in a neural
    network*; Fakoor et al. 2020, *Fast, accurate, and simple models for tabular data via augmented
    distillation*).
    """

    def __init__(self, name: str, sampler: Any, ratios: Sequence[float]) -> None:
        super().__init__(name, sampler, ratios)
        self.names = [*self.names, SOFT_LABELS]

    def remember(self, memory: Any) -> SoftLabels:
        """Return the same with a sampler that shares fits with others through a memory."""
        return SoftLabels(self.name, with_memory(clone(self.sampler), memory), self.ratios or ())

    def trainings(self, X: Any, y: np.ndarray, seed: int) -> Mapping[str, Training]:
        """Run the sampler, and label more of its rows where there is a table to learn from."""
        # Both runs of the sampler share one fit.
        own = Resampled(self.name, with_memory(clone(self.sampler), RecentResults()), self.ratios)
        found = dict(own.trainings(X, y, seed))
        self.fitted_ = own.fitted_
        start = perf_counter()
        soft = _label_softly(own.sampler, self.fitted_, X, y, seed) if np.ndim(X) == 2 else None
        if soft is not None:
            rows, labels, weights = soft
            seconds = next(iter(found.values())).seconds + perf_counter() - start
            found[SOFT_LABELS] = Training(rows, labels, None, seconds=seconds, sample_weight=weights)
        return found


def _label_softly(
    sampler: Any, fitted: Any, X: Any, y: np.ndarray, seed: int
) -> tuple[Any, np.ndarray, np.ndarray] | None:
    """Return real and new rows, labels and weights; None where no classifier could be trained."""
    classes, counts = np.unique(y, return_counts=True)
    each = -(-min(_SURPLUS * len(y), max(_MOST, len(y))) // len(classes))
    wanted = {label: int(count) + each for label, count in zip(classes.tolist(), counts, strict=True)}
    unfiltered = clone_with_seed(sampler, seed).set_params(label_filter=None, sampling_strategy=wanted)
    made, _ = unfiltered.fit_resample(X, y)
    new = select_rows(made, np.arange(len(y), len(y) + each * len(classes)))
    ids = list(getattr(fitted.augmenter_, "id_columns_", []))
    committee = Committee(random_state=seed).fit(drop_columns(X, ids), y)
    probabilities = committee.predict_proba(drop_columns(new, ids))
    if probabilities is None:
        return None
    row, column = np.nonzero(probabilities > _LEAST)
    rows = stack_rows(X, select_rows(new, row))
    if isinstance(rows, pd.DataFrame):
        rows = rows.reset_index(drop=True)
    labels = np.concatenate([y, committee.classes_[column]])
    return rows, labels, np.concatenate([np.ones(len(y)), probabilities[row, column]])
