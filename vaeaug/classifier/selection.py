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
from vaeaug.classifier.soft_labels import SOFT_LABELS, SoftLabels
from vaeaug.evaluation.assess.comparison import default_ratios
from vaeaug.evaluation.assess.cross_validation import cross_validate
from vaeaug.evaluation.assess.metrics import Predictions, measure
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.evaluation.assess.statistics import Difference, estimate_difference
from vaeaug.evaluation.assess.strategies import (
    BLENDED,
    Baseline,
    ClassWeights,
    NoResampling,
    Resampled,
    Strategy,
    Trained,
    blend,
    ratio_name,
    train,
)
from vaeaug.sampler import VAEOverSampler
from vaeaug.utils.memory import with_memory
from vaeaug.utils.random import numpy_generator

__all__ = ["Blend", "Choice", "choose", "train_choice"]

SYNTHETIC = "synthetic"
PLAIN = Baseline.NOTHING.value
#: End of the name of one that shares its vote with a classifier trained on soft labels, too.
SOFTLY_BLENDED = f", {SOFT_LABELS}{BLENDED}"
_MEASURES = ("roc_auc", "average_precision")
#: Standard errors by which a candidate other than a blend must beat plain training.
CAUTION = 0.5
#: What blends gain over plain training before one has looked: their means over halves of ten small tables
#: and four classifiers (benchmarks/imbalance.py). Gains of single cells spread about twice as far.
EXPECTED = {"roc_auc": 0.01, "average_precision": 0.02}
#: The same for blends with soft labels: means over halves of eight tables that chose other defaults too.
EXPECTED_SOFT = {"roc_auc": 0.014, "average_precision": 0.03}
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
    """Fitted classifiers of equal say: one trained on the rows as they are, the others with synthetic rows.

    Probabilities are multiplied (log-odds averaged), all for the class shares of the data. Decisions take
    those that classifiers trained with synthetic rows give for classes of other shares, and so find more
    minority rows than plain training does.

    Parameters
    ----------
    members : list of (Trained, ndarray (k,))
        Classifiers, and the class shares of the data by those that their decisions are for.
    corrected : bool
        Whether probabilities speak of the class shares of the data.
    """

    def __init__(self, members: list[tuple[Trained, np.ndarray]], corrected: bool = True) -> None:
        self.members = members
        self.corrected = corrected

    def fit(self, X: Any, y: Any) -> Blend:
        """Return itself; all are trained already."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> np.ndarray:
        """Labels (k,)."""
        return self.members[0][0].classes_

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
        votes = []
        for model, shift in self.members:
            vote = model.predict_proba(X)
            if not corrected:
                vote = vote / shift
                vote = vote / vote.sum(axis=1, keepdims=True)
            votes.append(vote)
        return blend(*votes)


def choose(estimator: Any, X: Any, labels: np.ndarray, *, cv: int, seed: int, memory: Any = None) -> Choice:
    """Try the candidates on inner folds.

    Candidates are the rows as they are, class weights (where the estimator takes them), synthetic rows up
    to three ratios, and for each of these a blend of the classifiers trained without and with them, and
    one with a third classifier, trained on soft labels. The changes of ROC AUC and of average precision are
    drawn towards what was to be expected, the more the less the folds agree: towards a small gain for
    blends, which lower either measure rarely, and towards 0 for the others. The candidate with the largest
    mean of the two is chosen, if neither falls; one that is no blend must also gain more than half a
    standard error. Otherwise the rows stay as they
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
    synthetic = SoftLabels(SYNTHETIC, with_memory(VAEOverSampler(), memory), default_ratios(labels))
    strategies: list[Strategy] = [NoResampling(), synthetic]
    if ClassWeights.obstacle(estimator) is None:
        strategies.insert(1, ClassWeights())
    outcomes = cross_validate(problem, strategies, numbered, seed=seed, n_jobs=1, verbose=False)
    truths = [problem.codes(fold.test) for fold in numbered]
    outcomes += _blend_outcomes(outcomes, truths, minority)
    scores: dict[str, list[dict[str, float]]] = {}
    for outcome in outcomes:
        if not outcome.error and outcome.strategy != SOFT_LABELS:  # it has a say in blends only
            scores.setdefault(outcome.strategy, []).append(outcome.scores)
    failed = {
        outcome.strategy: f"failed: {outcome.error}"
        for outcome in outcomes
        if outcome.error and outcome.strategy != SOFT_LABELS
    }
    whole = {name: each for name, each in scores.items() if len(each) == folds}
    choice = _decide(whole, failed, 1 / (folds - 1))
    return replace(choice, recalibration=_fit_recalibration(choice.name, outcomes, truths))


def _blend_outcomes(
    outcomes: Sequence[Outcome], truths: Sequence[np.ndarray], minority: int
) -> list[Outcome]:
    """Return outcomes of the blends of plain training with each strategy that has synthetic rows."""
    plain, soft = (
        {outcome.fold: outcome.probabilities for outcome in outcomes if outcome.strategy == name}
        for name in (PLAIN, SOFT_LABELS)
    )
    found = []
    for outcome in outcomes:
        first, second, third = plain[outcome.fold], outcome.probabilities, soft.get(outcome.fold)
        if outcome.strategy.startswith(SYNTHETIC) and first is not None and second is not None:
            ways: dict[str, tuple[np.ndarray, ...]] = {BLENDED: (first, second)}
            if third is not None:
                ways[SOFTLY_BLENDED] = (first, second, third)
            for end, votes in ways.items():
                mixed = blend(*votes)
                said = Predictions(mixed.argmax(axis=1), mixed, mixed)
                scores = measure(truths[outcome.fold], said, minority)
                found.append(Outcome(outcome.strategy + end, outcome.fold, scores, probabilities=mixed))
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
) -> tuple[Trained, list[tuple[Trained, np.ndarray]], Resampled | None]:
    """Train what was chosen on all rows.

    Returns
    -------
    Trained
        The classifier; of a blend the part trained with synthetic rows.
    list of (Trained, ndarray (k,))
        The members of a blend, see :class:`Blend`; empty for others.
    Resampled or None
        What made the synthetic rows; its fitted sampler is ``fitted_``.
    """
    classes = np.unique(labels)
    seed = int(numpy_generator(seed, _FINAL).integers(2**31 - 1))
    base = name.removesuffix(SOFTLY_BLENDED).removesuffix(BLENDED)
    plain = NoResampling().trainings(X, labels, seed)[PLAIN]
    if base in (PLAIN, Baseline.CLASS_WEIGHTS):
        training = plain if base == PLAIN else ClassWeights().trainings(X, labels, seed)[base]
        return train(estimator, training, labels, classes, seed), [], None
    ratio = next(ratio for ratio in default_ratios(labels) if ratio_name(SYNTHETIC, ratio) == base)
    softly = name.endswith(SOFTLY_BLENDED)
    only = (SoftLabels if softly else Resampled)(SYNTHETIC, with_memory(VAEOverSampler(), memory), [ratio])
    made = only.trainings(X, labels, seed)
    trained = train(estimator, made[base], labels, classes, seed)
    if not name.endswith(BLENDED):
        return trained, [], only
    partner = train(estimator, plain, labels, classes, seed)
    members = [(partner, np.ones(len(classes))), (trained, trained.shift)]
    if softly and SOFT_LABELS in made:
        shares = np.array([(labels == label).mean() for label in classes])
        soft = train(estimator, made[SOFT_LABELS], labels, classes, seed)
        members.append((soft, shares * len(classes)))  # it decides as if all classes were of one size
    return trained, members, only


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
            m: _shrink(estimate_difference(each, test_share), _expect(name)[m], is_blend)
            for m, each in zip(_MEASURES, moved.T, strict=True)
        }
        fallen = " and ".join(m.replace("_", " ") for m, change in likely.items() if change < 0)
        if fallen:
            table.loc[name, "status"] = f"{fallen} {'fall' if ' and ' in fallen else 'falls'}"
        elif not is_blend and not gain.mean > CAUTION * gain.error:
            table.loc[name, "status"] = "gain within the noise"
        else:
            convincing[name] = float(np.mean(list(likely.values())))
            table.loc[name, "status"] = "better than nothing"
    best = max(convincing, key=convincing.__getitem__) if convincing else PLAIN
    table.loc[best, "status"] = "chosen" if convincing else "chosen: nothing else is better beyond noise"
    return Choice(best, table)


def _expect(name: str) -> Mapping[str, float]:
    return EXPECTED_SOFT if name.endswith(SOFTLY_BLENDED) else EXPECTED


def _shrink(change: Difference, expected: float, is_blend: bool) -> float:
    """Return a measured change drawn towards what was expected, as far as its standard error allows.

    The mean of a normal distribution with a normal prior: 0 or ``expected``, with a standard deviation of
    twice ``expected``.
    """
    trust = (_SPREAD * expected) ** 2
    trust /= trust + change.error**2
    return trust * change.mean + (1 - trust) * (expected if is_blend else 0.0)
