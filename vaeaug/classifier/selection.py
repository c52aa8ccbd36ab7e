"""What ``AugmentedClassifier(sampler="auto")`` trains on: plain rows unless inner folds say otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold

from vaeaug.classifier.calibration import Recalibration
from vaeaug.evaluation.assess.comparison import default_ratios
from vaeaug.evaluation.assess.cross_validation import cross_validate
from vaeaug.evaluation.assess.metrics import Predictions, measure
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.evaluation.assess.statistics import Difference, estimate_difference
from vaeaug.evaluation.assess.strategies import (
    Baseline,
    ClassWeights,
    NoResampling,
    Resampled,
    Strategy,
    Trained,
    train,
)
from vaeaug.sampler import VAEOverSampler
from vaeaug.utils.memory import with_memory
from vaeaug.utils.random import numpy_generator

__all__ = ["BLENDED", "Blend", "Choice", "blend", "choose", "train_choice"]

SYNTHETIC = "synthetic"
PLAIN = Baseline.NOTHING.value
#: End of the name of a candidate that shares its vote with the classifier trained on the rows as they are.
BLENDED = ", blended"
_MEASURES = ("roc_auc", "average_precision")
#: Standard errors by which a candidate other than a blend must beat plain training.
CAUTION = 0.5
#: What blends gain over plain training before one has looked: their means over halves of ten small tables
#: and four classifiers (benchmarks/imbalance.py). Gains of single cells spread about twice as far.
EXPECTED = {"roc_auc": 0.01, "average_precision": 0.02}
_SPREAD = 2.0
_FOLD, _FINAL = 51, 52


@dataclass(frozen=True)
class Choice:
    """What to train on, and why.

    Parameters
    ----------
    name : str
        Of the candidate.
    table : DataFrame
        A row per candidate: means of ROC AUC and average precision over the inner folds, their ``gain``
        over plain training (mean of both), its standard ``error``, and ``status``.
    recalibration : Recalibration, optional
        How sure the candidate may be, as learned from what it said about held-out rows. None for plain
        training, whose probabilities stay what the classifier says.
    """

    name: str
    table: pd.DataFrame
    recalibration: Recalibration | None = None


class Blend(ClassifierMixin, BaseEstimator):
    """Two fitted classifiers, one trained on the rows as they are, one with synthetic rows, of equal say.

    Probabilities are multiplied (log-odds averaged), those of the second corrected for its class
    shares. Decisions take the second as it is, and so find more minority rows than the first alone.

    Parameters
    ----------
    plain, augmented : Trained
    corrected : bool
        Whether probabilities speak of the class shares of the data.
    """

    def __init__(self, plain: Trained, augmented: Trained, corrected: bool = True) -> None:
        self.plain = plain
        self.augmented = augmented
        self.corrected = corrected

    def fit(self, X: Any, y: Any) -> Blend:
        """Return itself; both are trained already."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> np.ndarray:
        """Labels (k,)."""
        return self.plain.classes_

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities (n, k)."""
        return self._mix(X, self.corrected)

    def predict(self, X: Any) -> np.ndarray:
        """Return the class that the average vote chooses, (n,)."""
        return self.classes_[self._mix(X, corrected=False).argmax(axis=1)]

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the average log-odds (n,), or log-probabilities (n, k), that :meth:`predict` decides by."""
        logs = np.log(self._mix(X, corrected=False))
        return logs[:, 1] - logs[:, 0] if logs.shape[1] == 2 else logs

    def _mix(self, X: Any, corrected: bool) -> np.ndarray:
        second = self.augmented.predict_proba(X)
        if not corrected:
            second = second / self.augmented.shift
            second = second / second.sum(axis=1, keepdims=True)
        return blend(self.plain.predict_proba(X), second)


def blend(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the normalised geometric mean of probabilities (n, k), none of them below 1e-6."""
    logs = (np.log(np.clip(first, 1e-6, None)) + np.log(np.clip(second, 1e-6, None))) / 2
    mixed = np.exp(logs - logs.max(axis=1, keepdims=True))
    return mixed / mixed.sum(axis=1, keepdims=True)


def choose(estimator: Any, X: Any, labels: np.ndarray, *, cv: int, seed: int, memory: Any = None) -> Choice:
    """Try the candidates on inner folds.

    Candidates are the rows as they are, class weights (where the estimator takes them), synthetic rows up
    to three ratios, and for each of these a blend of the classifiers trained without and with
    them. The changes of ROC AUC and of average precision are drawn towards what was to be expected, the more
    the less the folds agree: towards a small gain for blends, which lower either measure rarely, and towards
    0 for the others. The candidate with the largest mean of the two is chosen, if neither falls; one
    that is no blend must also gain more than half a standard error. Otherwise the rows stay as they
    are. The sampler is fitted once in each fold.

    Parameters
    ----------
    estimator : classifier
    X : rows
    labels : ndarray (n,)
    cv : int
        Folds; fewer if the rarest class has fewer rows.
    seed : int
    memory : folder or joblib.Memory, optional
        Where fitted samplers are kept.

    Returns
    -------
    Choice
    """
    classes, counts = np.unique(labels, return_counts=True)
    folds = min(cv, int(counts.min()))
    if folds < 2:
        table = _table({PLAIN: []}, {})
        table.loc[PLAIN, "status"] = f"chosen: class {classes.tolist()[counts.argmin()]!r} has one row only"
        return Choice(PLAIN, table)
    state = int(numpy_generator(seed, _FOLD).integers(2**31 - 1))
    splits = StratifiedKFold(folds, shuffle=True, random_state=state).split(np.zeros(len(labels)), labels)
    numbered = [Fold(number, kept, held, seed + number) for number, (kept, held) in enumerate(splits)]
    minority = int(counts.argmin())
    problem = Problem(
        estimator, X, labels, classes, minority, tune_thresholds=False, caller="AugmentedClassifier"
    )
    strategies: list[Strategy] = [NoResampling(), _make_synthetic(default_ratios(labels), memory)]
    if ClassWeights.obstacle(estimator) is None:
        strategies.insert(1, ClassWeights())
    outcomes = cross_validate(problem, strategies, numbered, seed=seed, n_jobs=1, verbose=False)
    truths = [problem.codes(fold.test) for fold in numbered]
    outcomes += _blend_outcomes(outcomes, truths, minority)
    scores: dict[str, list[dict[str, float]]] = {}
    for outcome in outcomes:
        if not outcome.error:
            scores.setdefault(outcome.strategy, []).append(outcome.scores)
    failed = {outcome.strategy: f"failed: {outcome.error}" for outcome in outcomes if outcome.error}
    whole = {name: each for name, each in scores.items() if len(each) == folds}
    choice = _decide(whole, failed, 1 / (folds - 1))
    return replace(choice, recalibration=_fit_recalibration(choice.name, outcomes, truths))


def _blend_outcomes(
    outcomes: Sequence[Outcome], truths: Sequence[np.ndarray], minority: int
) -> list[Outcome]:
    """Return outcomes of the blends of plain training with each strategy that has synthetic rows."""
    plain = {outcome.fold: outcome.probabilities for outcome in outcomes if outcome.strategy == PLAIN}
    found = []
    for outcome in outcomes:
        first, second = plain[outcome.fold], outcome.probabilities
        if outcome.strategy.startswith(SYNTHETIC) and first is not None and second is not None:
            mixed = blend(first, second)
            scores = measure(
                truths[outcome.fold], Predictions(mixed.argmax(axis=1), mixed, mixed), minority, None
            )
            found.append(Outcome(outcome.strategy + BLENDED, outcome.fold, scores, probabilities=mixed))
    return found


def _fit_recalibration(
    name: str, outcomes: Sequence[Outcome], truths: Sequence[np.ndarray]
) -> Recalibration | None:
    """Return what the held-out rows say about the probabilities of the chosen candidate."""
    chosen = [outcome for outcome in outcomes if outcome.strategy == name]
    probabilities = [outcome.probabilities for outcome in chosen if outcome.probabilities is not None]
    if name == PLAIN or not probabilities:
        return None
    truth = np.concatenate([truths[outcome.fold] for outcome in chosen])
    return Recalibration.fit(truth, np.concatenate(probabilities))


def train_choice(
    name: str, estimator: Any, X: Any, labels: np.ndarray, *, seed: int, memory: Any = None
) -> tuple[Trained, Trained | None, Resampled | None]:
    """Train what was chosen on all rows.

    Returns
    -------
    Trained
        The classifier; of a blend the part trained with synthetic rows.
    Trained or None
        Of a blend, the part trained on the rows as they are.
    Resampled or None
        What made the synthetic rows; its fitted sampler is ``fitted_``.
    """
    classes = np.unique(labels)
    seed = int(numpy_generator(seed, _FINAL).integers(2**31 - 1))
    base = name.removesuffix(BLENDED)
    plain = NoResampling().trainings(X, labels, seed)[PLAIN]
    if base in (PLAIN, Baseline.CLASS_WEIGHTS):
        training = plain if base == PLAIN else ClassWeights().trainings(X, labels, seed)[base]
        return train(estimator, training, labels, classes, seed), None, None
    ratios = default_ratios(labels)
    ratio = ratios[list(_make_synthetic(ratios).names).index(base)]
    only = _make_synthetic([ratio], memory)
    trained = train(estimator, only.trainings(X, labels, seed)[base], labels, classes, seed)
    partner = train(estimator, plain, labels, classes, seed) if name.endswith(BLENDED) else None
    return trained, partner, only


def _make_synthetic(ratios: Sequence[float], memory: Any = None) -> Resampled:
    return Resampled(SYNTHETIC, with_memory(VAEOverSampler(), memory), ratios)


def _table(scores: Mapping[str, list[dict[str, float]]], failed: Mapping[str, str]) -> pd.DataFrame:
    means = [
        pd.DataFrame(each, columns=list(_MEASURES), dtype=float).mean(skipna=False)
        for each in scores.values()
    ]
    table = pd.DataFrame(means, index=list(scores))
    table = table.assign(gain=np.nan, error=np.nan, status="").rename_axis("candidate")
    lost = [name for name in failed if name not in table.index]
    table = table.reindex([*table.index, *lost])
    table.loc[lost, "status"] = [failed[name] for name in lost]
    return table


def _decide(
    scores: Mapping[str, list[dict[str, float]]], failed: Mapping[str, str], test_share: float
) -> Choice:
    """Apply the rule, and write down for each candidate what came of it."""
    table = _table(scores, failed)
    plain = scores[PLAIN]
    convincing: dict[str, float] = {}
    for name, each in scores.items():
        if name == PLAIN:
            continue
        moved = np.array([[a[m] - b[m] for m in _MEASURES] for a, b in zip(each, plain, strict=True)])
        if np.isnan(moved).any():
            table.loc[name, "status"] = "cannot be ranked"
            continue
        gain = estimate_difference(moved.mean(axis=1), test_share)
        table.loc[name, ["gain", "error"]] = gain.mean, gain.error
        is_blend = name.endswith(BLENDED)
        likely = {
            m: _shrink(estimate_difference(each, test_share), EXPECTED[m], is_blend)
            for m, each in zip(_MEASURES, moved.T, strict=True)
        }
        fallen = " and ".join(m.replace("_", " ") for m, change in likely.items() if change < 0)
        if fallen:
            table.loc[name, "status"] = f"{fallen} falls"
        elif not is_blend and not gain.mean > CAUTION * gain.error:
            table.loc[name, "status"] = "gain within the noise"
        else:
            convincing[name] = float(np.mean(list(likely.values())))
            table.loc[name, "status"] = "better than nothing"
    best = max(convincing, key=convincing.__getitem__) if convincing else PLAIN
    table.loc[best, "status"] = "chosen" if convincing else "chosen: nothing else is better beyond noise"
    return Choice(best, table)


def _shrink(change: Difference, expected: float, is_blend: bool) -> float:
    """Return a measured change drawn towards what was expected, as far as its standard error allows.

    The mean of a normal distribution with a normal prior: 0 or ``expected``, with a standard deviation of
    twice ``expected``.
    """
    trust = (_SPREAD * expected) ** 2
    trust /= trust + change.error**2
    return trust * change.mean + (1 - trust) * (expected if is_blend else 0.0)
