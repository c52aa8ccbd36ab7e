"""What chance explains of the difference of two strategies: the same rows, compared row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vaeaug.evaluation.assess.metrics import MEASURES
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.utils.random import numpy_generator

__all__ = ["PairedRows"]

_WEIGHTS = 71
#: Numbers that the weights of rows take, at most, and how many draws that may mean.
_MOST_WEIGHTS, _FEWEST_DRAWS, _MOST_DRAWS = 4_000_000, 50, 200


@dataclass(frozen=True)
class PairedRows:
    """Predictions that strategies made of the same held-out rows.

    Rows are weighted at random (the Bayesian bootstrap, Rubin 1981: weights are exponential), in all folds
    and for all strategies alike. What a difference of two strategies then varies by is what chance explains
    of the choice of rows. What their differences vary by from fold to fold beyond that is due to the training
    of classifiers and samplers.

    Parameters
    ----------
    problem : Problem
    outcomes : sequence of Outcome
    folds : sequence of Fold
    seed : int
    groups : ndarray of int (n,), optional
        Rows of one group weigh alike: they depend on each other.
    """

    problem: Problem
    outcomes: Sequence[Outcome]
    folds: Sequence[Fold]
    seed: int
    groups: np.ndarray | None = None
    _drawn: dict[tuple[str, str], np.ndarray | None] = field(default_factory=dict)

    def error(self, strategy: str, metric: str, than: str) -> float | None:
        """Return the standard error of the mean difference of a metric between two strategies.

        None where it cannot be had: for scores of a scorer, and strategies that did not run in every fold.
        """
        first, second = self._draw(strategy, metric), self._draw(than, metric)
        if first is None or second is None:
            return None
        moved = first - second  # (folds, 1 + draws), at first without weights
        rows = float(moved[:, 1:].mean(axis=0).var(ddof=1))
        if len(moved) < 2:
            return float(np.sqrt(rows))
        within = float(moved[:, 1:].var(axis=1, ddof=1).mean())
        between = max(0.0, float(moved[:, 0].var(ddof=1)) - within)
        # Training rows of folds overlap, so that their trainings are alike too (Nadeau and Bengio 2003).
        share = float(np.mean([len(fold.test) / len(fold.train) for fold in self.folds]))
        return float(np.sqrt(rows + between * (1 / len(moved) + min(share, 1.0))))

    def ranks_better_than_chance(self, strategy: str) -> bool:
        """Tell whether a strategy's ROC AUC lies two standard errors above 0.5; True where it has none."""
        drawn = self._draw(strategy, "roc_auc")
        if drawn is None:
            return True
        means = drawn.mean(axis=0)
        return bool(means[0] - 2 * means[1:].std(ddof=1) > 0.5)

    def _draw(self, strategy: str, metric: str) -> np.ndarray | None:
        """Return a metric in each fold (rows), without weights and under every draw of them (columns)."""
        if (strategy, metric) not in self._drawn:
            self._drawn[strategy, metric] = self._measure(strategy, metric)
        return self._drawn[strategy, metric]

    def _measure(self, strategy: str, metric: str) -> np.ndarray | None:
        mine = {each.fold: each for each in self.outcomes if each.strategy == strategy and not each.error}
        measure = MEASURES.get(metric)
        if measure is None or len(mine) < len(self.folds):
            return None
        found = []
        for fold in self.folds:
            truth = self.problem.codes(fold.test)
            values = measure(truth, mine[fold.number], self.problem.minority, self._weights[:, fold.test])
            if values is None:
                return None
            found.append(values)
        return np.array(found)

    @property
    def _weights(self) -> np.ndarray:
        """Weights of all rows: their own in the first line, those of a draw in each of the others."""
        key: Any = ("weights", "")
        if key not in self._drawn:
            units = np.arange(len(self.problem.y)) if self.groups is None else self.groups
            size = int(units.max()) + 1
            draws = int(np.clip(_MOST_WEIGHTS // size, _FEWEST_DRAWS, _MOST_DRAWS))
            rng = numpy_generator(self.seed, _WEIGHTS)
            drawn = rng.standard_exponential((draws, size), dtype=np.float32)
            whole = np.concatenate([np.ones((1, size), dtype=np.float32), drawn])
            own = self.problem.weights
            self._drawn[key] = whole[:, units] if own is None else whole[:, units] * own.astype(np.float32)
        return np.asarray(self._drawn[key])
