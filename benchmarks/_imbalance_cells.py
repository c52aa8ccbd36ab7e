"""What ``run.py imbalance`` measures on one half of an imbalanced set; the sets and the learners."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from _bench import time_call
from _datasets import read_table
from _gain_prior import RESULTS, estimate_corrections, estimate_prior, read_gains
from _imbalance_samplers import Bootstrap, Jittered, SharedSampler, Tvae, Typical
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline

import vaeaug.assessing
import vaeaug.classifier.selection
from vaeaug import AugmentedClassifier, VAEOverSampler, assess
from vaeaug.evaluation.assess import expectation
from vaeaug.evaluation.assess.comparison import default_ratios
from vaeaug.evaluation.assess.cross_validation import cross_validate
from vaeaug.evaluation.assess.metrics import Predictions, calibration_slope, measure
from vaeaug.evaluation.assess.named_classifiers import learner
from vaeaug.evaluation.assess.other_classifiers import OtherClassifiers
from vaeaug.evaluation.assess.problem import Fold, Outcome, Problem
from vaeaug.evaluation.assess.smote import Smote
from vaeaug.evaluation.assess.strategies import (
    BLENDED,
    ClassWeights,
    Duplicates,
    NoResampling,
    Resampled,
    Strategy,
    blend,
)
from vaeaug.evaluation.privacy import distance_to_closest
from vaeaug.utils.memory import RecentResults

#: Resamples of a bootstrap interval.
_DRAWS = 200

# name -> (table, which rows are the rare class); None: the smaller of its two classes. Where
# imbalanced-learn's list of benchmark sets makes two classes of a table, the cut is the same.
SETS: dict[str, tuple[str, Callable[[pd.Series], pd.Series] | None]] = {
    "abalone_7": ("abalone", lambda y: y == 7),
    "abalone_19": ("abalone", lambda y: y == 19),
    "arrhythmia_6": ("arrhythmia", lambda y: y.astype(str).isin(["6", "06"])),
    "bank_marketing": ("bank_marketing", None),
    "car_good": ("car_eval", lambda y: y.isin(["good", "vgood"])),
    "car_vgood": ("car_eval", lambda y: y == "vgood"),
    "caravan": ("caravan", None),
    "creditcard_fraud": ("creditcard_fraud_sample", None),
    "ecoli_imU": ("ecoli", lambda y: y == "imU"),
    "letter_Z": ("letter", lambda y: y == "Z"),
    "mammography": ("mammography", None),
    "oil_spill": ("oil_spill", None),
    "online_shoppers": ("online_shoppers", None),
    "optical_digits_8": ("optical_digits", lambda y: y.astype(str) == "8"),
    "ozone_8h": ("ozone_8h", None),
    "pen_digits_5": ("pen_digits", lambda y: y.astype(str) == "5"),
    "satimage_4": ("satimage", lambda y: y.astype(str) == "4"),
    "sick_euthyroid": ("sick_euthyroid", None),
    "solar_flare_F": ("solar_flare2", lambda y: y == "F"),
    "spectrometer_44": ("spectrometer", lambda y: y.astype(int) >= 44),
    "stroke": ("stroke", None),
    "thyroid_sick": ("thyroid_sick", None),
    "us_crime": ("us_crime", None),
    "wine_quality_4": ("wine_quality", lambda y: y <= 4),
    "yeast_ME2": ("yeast_8class", lambda y: y == "ME2"),
}

#: Name -> its short name in vaeaug, and settings.
LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "logistic regression": ("logistic", {}),
    "5-NN": ("knn", {}),
    "random forest": ("forest", {"n_estimators": 100}),
    "HistGradientBoosting": ("hgb", {"early_stopping": False}),
}


@dataclass(frozen=True)
class ImbalancedSet:
    """A table, which of its rows are of the minority class (1), and how many rows it had."""

    X: pd.DataFrame
    y: np.ndarray
    rows: int
    name: str = ""

    @property
    def ratio(self) -> float:
        """Rows of the common class for each row of the rare one."""
        return float((self.y == 0).sum() / (self.y == 1).sum())


#: Larger tables are subsampled to so many rows, class by class in proportion, seed 0: classes of few rows are
#: what over-sampling is for, and fifty halves of 25 tables are to be measured in hours, not days.
MOST_ROWS = 6_000


@lru_cache(maxsize=1)
def load_set(name: str, most: int = MOST_ROWS) -> ImbalancedSet:
    """Load a set; integer-coded categories become categories, constant columns go."""
    if name not in SETS:
        raise SystemExit(f"There is no set {name!r}; there are: {', '.join(SETS)}.")
    table, rare = SETS[name]
    frame, facts = read_table(table)
    label = frame.pop(facts["target"])
    y = np.asarray(label == label.value_counts().idxmin() if rare is None else rare(label), dtype=int)
    X = frame.assign(
        **{
            column: frame[column].astype(str).where(frame[column].notna(), None).astype("category")
            for column in frame
            if column in facts["categorical"] or frame[column].dtype.kind not in "iuf"
        }
    )
    X = X.loc[:, X.nunique() > 1].reset_index(drop=True)
    kept = np.arange(len(X))
    if len(X) > most:
        kept = np.sort(train_test_split(kept, train_size=most, stratify=y, random_state=0)[0])
    return ImbalancedSet(X.iloc[kept].reset_index(drop=True), y[kept], len(X), name)


def build_learner(name: str, X: pd.DataFrame, seed: int) -> Pipeline:
    """Return an unfitted learner for a table."""
    short, settings = LEARNERS[name]
    model = learner(short, X)
    seeded = {"random_state": seed} if "random_state" in model[-1].get_params() else {}
    model[-1].set_params(**settings, **seeded)
    return model


def list_halves(data: ImbalancedSet, repeat: int) -> list[Fold]:
    """Return the two folds of a repeat: each half is trained on once and tested on once."""
    splits = StratifiedKFold(2, shuffle=True, random_state=repeat).split(data.X, data.y)
    return [Fold(number, train, test) for number, (train, test) in enumerate(splits)]


class Half:
    """One half of a set, with the four learners; ``peer_python`` is that of the environment with ctgan."""

    def __init__(self, data: ImbalancedSet, repeat: int, fold: Fold, peer_python: str) -> None:
        self.data = data
        self.fold = fold
        self.seed = 1000 * repeat + fold.number
        self.peer_python = peer_python
        self.ratios = default_ratios(data.y)
        self.truth = data.y[fold.test] == 1
        SharedSampler.made.clear()

    @cached_property
    def known(self) -> dict[str, Any]:
        """What assess knows beforehand, estimated without the table of this set: no table judges itself."""
        table = SETS[self.data.name][0]
        with RESULTS.open(encoding="utf-8") as lines:
            others = [record for record in map(json.loads, lines) if SETS[record["set"]][0] != table]
        return estimate_prior(read_gains(others)) | estimate_corrections(others)

    def measure(self, part: str) -> dict[str, Any]:
        """Return ``{"results": {learner: {arm: numbers}}, ...}`` of a part."""
        seconds, found = time_call(getattr(self, part))
        return found | {"seconds": round(seconds, 1)}

    def simple(self) -> dict[str, Any]:
        smote = Resampled("SMOTE", SharedSampler(Smote()), [1.0])
        results = self._compare([ClassWeights(), Duplicates([1.0]), smote])
        return {"results": results, "dcr": {"SMOTE": self._measure_closeness()}}

    def vaeaug(self) -> dict[str, Any]:
        ours = Resampled("VAEOverSampler", SharedSampler(VAEOverSampler()), self.ratios, reusable=True)
        results = self._compare([ours])
        return {"results": results, "dcr": {"VAEOverSampler": self._measure_closeness()}}

    def tvae(self) -> dict[str, Any]:
        peer = SharedSampler(Tvae(self.peer_python))
        return {"results": self._compare([Resampled("ctgan TVAE", peer, [1.0], reusable=True)])}

    def attribution(self) -> dict[str, Any]:
        """Measure what filters, blends and other classifiers bring without the generator."""
        strategies: list[Strategy] = [Resampled("bootstrap", Bootstrap(), blended=True)]
        samplers = {
            "SMOTE": Smote(),
            "jittered copies": Jittered(),
            "no filter": VAEOverSampler(label_filter=None),
        }
        samplers |= {f"{name}, filtered": Typical(samplers[name]) for name in ("SMOTE", "jittered copies")}
        strategies += [
            Resampled(name, SharedSampler(sampler), [1.0], blended=True) for name, sampler in samplers.items()
        ]
        strategies.append(OtherClassifiers(self.data.X))
        results = {}
        for name in LEARNERS:
            outcomes = self._try(build_learner(name, self.data.X, self.seed), [NoResampling(), *strategies])
            results[name] = {each.strategy: self._tell(each) for each in outcomes}
        return {"results": results}

    def auto(self) -> dict[str, Any]:
        results = {}
        X, y = self._take(self.fold.train)
        X_test, _ = self._take(self.fold.test)
        # The learners share each fit of the generator.
        shared = partial(VAEOverSampler, memory=RecentResults())
        for name in LEARNERS:
            start = time.perf_counter()
            base = build_learner(name, self.data.X, self.seed)
            with mock.patch.object(vaeaug.classifier.selection, "VAEOverSampler", shared):
                model = AugmentedClassifier(base, "auto", random_state=self.seed).fit(X, y)
            p = model.predict_proba(X_test)
            numbers = self._score(np.asarray(model.predict(X_test)), p)
            numbers["seconds"] = time.perf_counter() - start
            table = model.choice_table_[["roc_auc", "average_precision", "gain", "error"]]
            choice = {"choice": model.choice_, "table": {k: _round(v) for k, v in table.T.items()}}
            results[name] = {"auto": _round(numbers) | choice}
        return {"results": results}

    def verdict(self, repeats: int | str = 1, correction: str = expectation.CORRECTION) -> dict[str, Any]:
        """Judge on the training half; see on the other half what came of it."""
        X, y = self._take(self.fold.train)
        found = {}
        for name in LEARNERS:
            model = build_learner(name, self.data.X, self.seed)
            judged = self._judge(model, X, y, _SharedOverSampler, repeats)
            subject = judged._judgement.subject
            found[name] = {"verdict": judged.verdict, "subject": subject, "probability": judged.probability}
            found[name]["correction"] = self.known[correction] or [1.0, 0.0]
            if subject is not None:
                gain = judged.differences().loc[subject]
                found[name] |= {"inner_gain": float(gain["difference"]), "inner_p": float(gain["p"])}
                found[name] |= {"inner_low": float(gain["low"]), "inner_high": float(gain["high"])}
                found[name] |= {"measured": float(gain["measured"])}
                found[name] |= self._measure_gain(model, subject)
        return {"results": found}

    def verdict_alone(self) -> dict[str, Any]:
        """Judge without blends."""
        with mock.patch.object(vaeaug.assessing, "Resampled", _Alone):
            return self.verdict(correction=expectation.CORRECTION_ALONE)

    def verdict_copies(self) -> dict[str, Any]:
        """Judge copies that pass for rows of VAEOverSampler."""
        return self._judge_without_help(*self._take(self.fold.train), _CopyingOverSampler)

    def verdict_shuffled(self) -> dict[str, Any]:
        """Judge rows made for labels that are shuffled, so that nothing can help."""
        X, y = self._take(self.fold.train)
        return self._judge_without_help(
            X, np.random.default_rng(self.seed).permutation(y), _SharedOverSampler
        )

    def _judge_without_help(self, X: pd.DataFrame, y: np.ndarray, sampler: type) -> dict[str, Any]:
        found = {}
        for name in LEARNERS:
            judged = self._judge(build_learner(name, self.data.X, self.seed), X, y, sampler)
            found[name] = {"verdict": judged.verdict, "probability": judged.probability}
        return {"results": found}

    def _judge(self, model: Any, X: pd.DataFrame, y: np.ndarray, sampler: type, repeats: Any = 1) -> Any:
        """Assess with a sampler in the place of the default, and a prior without the table at hand."""
        with (
            mock.patch.object(vaeaug.assessing, "VAEOverSampler", sampler),
            mock.patch.object(expectation, "_read_gains", return_value=self.known),
        ):
            return assess(model, X, y, cv=min(5, int(y.sum())), n_repeats=repeats, random_state=self.seed)

    def verdict_repeated(self) -> dict[str, Any]:
        """Judge with as many repeats as ``assess`` takes by itself."""
        return self.verdict("auto")

    def _take(self, rows: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
        return self.data.X.iloc[rows].reset_index(drop=True), self.data.y[rows]

    def _try(self, model: Any, strategies: list[Strategy]) -> list[Outcome]:
        problem = Problem(model, self.data.X, self.data.y, np.array([0, 1]), 1)
        return cross_validate(problem, strategies, [self.fold], seed=self.seed, n_jobs=None, verbose=False)

    def _compare(self, strategies: list[Strategy]) -> dict[str, dict[str, Any]]:
        """Try strategies beside plain training, with every learner."""
        results = {}
        for name in LEARNERS:
            model = build_learner(name, self.data.X, self.seed)
            usable = [s for s in strategies if not isinstance(s, ClassWeights) or not s.obstacle(model)]
            plain, *others = outcomes = self._try(model, [NoResampling(), *usable])
            results[name] = {
                _name_alike(outcome.strategy, usable): self._tell(outcome) for outcome in outcomes
            }
            for outcome in others:
                if outcome.strategy.startswith("VAEOverSampler") and outcome.minority is not None:
                    two = (np.column_stack([1 - each.minority, each.minority]) for each in (plain, outcome))
                    p, way = blend(*two), _name_alike(outcome.strategy, usable).replace(" (ratio 1)", "")
                    results[name][f"{way}, blended"] = _round(self._score(p.argmax(axis=1), p))
        return results

    def _tell(self, outcome: Outcome) -> dict[str, Any]:
        if outcome.error:
            return {"error": outcome.error}
        slope = np.nan if outcome.minority is None else calibration_slope(self.truth, outcome.minority)
        return _round(outcome.scores | {"calibration_slope": slope, "seconds": outcome.seconds})

    def _score(self, predicted: np.ndarray, p: np.ndarray) -> dict[str, Any]:
        numbers = measure(self.truth.astype(int), Predictions(predicted, p, p), 1)
        return numbers | {"calibration_slope": calibration_slope(self.truth, p[:, 1])}

    def distances(self) -> dict[str, Any]:
        """See how far rows of the minority class of the other half lie from those of this one."""
        X, y = self._take(self.fold.test)
        return {"dcr": {"held out": self._measure_distance(X[y == 1])}}

    def _measure_closeness(self) -> float:
        """Return the median distance of the new rows to the closest row they were learned from."""
        X, _ = self._take(self.fold.train)
        made = (rows for rows, _ in SharedSampler.made.values() if rows.iloc[: len(X)].equals(X))
        return next(
            (self._measure_distance(rows.iloc[len(X) :]) for rows in made if len(rows) > len(X)), np.nan
        )

    def _measure_distance(self, rows: pd.DataFrame) -> float:
        """Return the median distance of rows to the closest minority row of the training half."""
        X, y = self._take(self.fold.train)
        rare = X[y == 1]
        # SMOTE fills holes so; a hole beside a number would count as far away.
        middle = X.median(numeric_only=True)
        return float(np.median(distance_to_closest(rows.fillna(middle), rare.fillna(middle))))

    def _measure_gain(self, model: Any, subject: str) -> dict[str, Any]:
        """Return the gain of the judged strategy on the other half, with a bootstrap interval."""
        ratio = float(subject.removesuffix(BLENDED).rsplit(" ", 1)[1].rstrip(")"))
        ours = Resampled("VAEOverSampler", SharedSampler(VAEOverSampler()), [ratio], blended=True)
        p = {outcome.strategy: outcome.minority for outcome in self._try(model, [NoResampling(), ours])}
        before, after = p["nothing"], p[subject]
        rng = np.random.default_rng(self.seed)
        rows, gains = np.arange(len(self.truth)), []
        for draw in range(_DRAWS + 1):
            picked = rows if draw == 0 else rng.choice(rows, len(rows))
            truth = self.truth[picked]
            if truth.any():
                scores = [average_precision_score(truth, each[picked]) for each in (before, after)]
                gains.append(scores[1] - scores[0])
        low, high = np.quantile(gains[1:], [0.025, 0.975])
        areas = [roc_auc_score(self.truth, each) for each in (before, after)]
        return {
            "outer_gain": float(gains[0]),
            "outer_low": float(low),
            "outer_high": float(high),
            "outer_gain_auc": float(areas[1] - areas[0]),
        }


def _name_alike(arm: str, strategies: list[Strategy]) -> str:
    """Name the ratios of VAEOverSampler, which differ from set to set, by their place up to balance."""
    ours = next((each.names for each in strategies if arm in each.names), [])
    if not arm.startswith("VAEOverSampler") or arm == ours[-1]:
        return arm
    return f"VAEOverSampler, {('third', 'two thirds')[ours.index(arm)]} of the way"


class _SharedOverSampler(VAEOverSampler):
    """VAEOverSampler that shares its fits over the learners."""

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        return SharedSampler(VAEOverSampler(), self.sampling_strategy, self.random_state).fit_resample(X, y)


class _Alone(Resampled):
    """New rows without blends."""

    def __init__(self, *arguments: Any, blended: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)


class _CopyingOverSampler(VAEOverSampler):
    """A sampler of copies that passes for VAEOverSampler."""

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        rng, picked = np.random.default_rng(self.random_state), [np.arange(len(y))]
        for label, count in self.sampling_strategy.items():
            own = np.flatnonzero(y == label)
            picked.append(rng.choice(own, count - len(own)))
        rows = np.concatenate(picked)
        return X.iloc[rows].reset_index(drop=True), y[rows]


def _round(numbers: Any) -> dict[str, Any]:
    """Return numbers rounded for a file, NaN as None."""
    return {k: None if pd.isna(v) else round(float(v), 5) for k, v in dict(numbers).items()}
