"""What strategies gain on the tables of the imbalance benchmark: the prior of assess, as a file.

``python benchmarks/_gain_prior.py`` writes vaeaug/evaluation/assess/gains.json from results/imbalance.jsonl.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri

RESULTS = Path(__file__).parent / "results" / "imbalance.jsonl"
TARGET = Path(__file__).parent.parent / "vaeaug" / "evaluation" / "assess" / "gains.json"
METRICS = (
    "average_precision",
    "roc_auc",
    "balanced_accuracy",
    "f1",
    "tuned_balanced_accuracy",
    "tuned_f1",
    "log_loss",
    "brier",
)
#: What the package calls the strategies of the benchmark.
KINDS = {
    "tuned threshold": "tuned threshold",
    "class weights": "class weights",
    "duplicates (ratio 1)": "duplicates",
    "SMOTE (ratio 1)": "SMOTE",
    "VAEOverSampler, third of the way": "VAEOverSampler 1/3",
    "VAEOverSampler, two thirds of the way": "VAEOverSampler 2/3",
    "VAEOverSampler (ratio 1)": "VAEOverSampler 1",
    "VAEOverSampler, third of the way, blended": "VAEOverSampler 1/3, blended",
    "VAEOverSampler, two thirds of the way, blended": "VAEOverSampler 2/3, blended",
    "VAEOverSampler, blended": "VAEOverSampler 1, blended",
}
#: Of blends, the benchmark decides by corrected probabilities, and assess does not.
OF_BLENDS = ("average_precision", "roc_auc", "log_loss", "brier")
LEARNERS = {
    "logistic regression": "linear",
    "5-NN": "neighbours",
    "random forest": "forest",
    "HistGradientBoosting": "boosting",
}
#: Minority rows at which the means are stated.
CENTRE = 100.0
#: A spread between tables is at least this share of what the means of cells show.
_LEAST = 0.5
#: What the package calls the corrections, and the verdicts that they come from: blends are judged, or not.
CORRECTIONS = {"correction": "verdict", "correction without blends": "verdict_alone"}
#: Verdicts from which a correction is estimated, and spreads from 0 beyond which they count as that far.
_FEWEST_VERDICTS, _FARTHEST = 40, 4.0


def read_gains(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return a row for each set, learner, strategy and half: what every metric gained over plain training."""
    numbers: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in records:
        if record.get("part") in ("simple", "vaeaug") and "results" in record:
            rare = record["rows"] / (1 + record["ratio"]) / 2
            for learner, found in record["results"].items():
                for name in set(found) & set(KINDS):
                    if "error" not in found[name] and "error" not in found["nothing"]:
                        key = record["set"], rare, LEARNERS[learner], KINDS[name]
                        moved = {m: _subtract(found[name].get(m), found["nothing"].get(m)) for m in METRICS}
                        numbers[*key, record["repeat"], record["fold"]] = moved
    names = ["set", "rare", "learner", "kind", "repeat", "fold"]
    return pd.DataFrame(
        list(numbers.values()), index=pd.MultiIndex.from_tuples(list(numbers), names=names), dtype=float
    )


def estimate_prior(gains: pd.DataFrame) -> dict[str, Any]:
    """Return mean, slope by the logarithm of the minority rows, and spread between tables.

    The slope is that of all learners together. The spread is what is left when the noise of the halves, of
    which each cell has several, is taken away.
    """
    found: dict[str, Any] = {}
    for kind, own in gains.groupby("kind"):
        for metric in OF_BLENDS if str(kind).endswith(", blended") else METRICS:
            cells = own[metric].dropna().groupby(["set", "rare", "learner"]).agg(["mean", "var", "count"])
            if not cells.empty:
                found.setdefault(str(kind), {})[metric] = _fit(cells.reset_index())
    return found


def _fit(cells: pd.DataFrame) -> dict[str, list[float]]:
    x = np.log10(cells["rare"].to_numpy() / CENTRE)
    learners = sorted(cells["learner"].unique())
    member = (cells["learner"].to_numpy()[:, None] == np.array(learners)).astype(float)
    # Values far out are real, and would decide alone: they count as far as three spreads.
    y = cells["mean"].to_numpy()
    middle = np.median(y)
    reach = 3 * 1.4826 * np.median(np.abs(y - middle)) + 1e-6
    y = np.clip(y, middle - reach, middle + reach)
    weights, *_ = np.linalg.lstsq(np.column_stack([member, x]), y, rcond=None)
    left = cells["mean"].to_numpy() - np.column_stack([member, x]) @ weights
    noise = (cells["var"] / cells["count"]).fillna(0).to_numpy()
    found = {}
    for number, name in enumerate(learners):
        rows = member[:, number] == 1
        found[name] = [weights[number], weights[-1], _spread(left[rows], noise[rows])]
    means = np.array([each[0] for each in found.values()])
    spread = np.sqrt(np.mean([each[2] ** 2 for each in found.values()]) + means.var())
    found["any"] = [float(means.mean()), weights[-1], float(spread)]
    return {name: [round(float(value), 5) for value in each] for name, each in found.items()}


def _spread(left: np.ndarray, noise: np.ndarray) -> float:
    whole = float(np.mean(left**2))
    return float(np.sqrt(max(whole - float(noise.mean()), _LEAST**2 * whole)))


def estimate_corrections(records: Sequence[dict[str, Any]]) -> dict[str, list[float] | None]:
    """Return the corrections by the names that the package has for them."""
    return {name: estimate_correction(records, part) for name, part in CORRECTIONS.items()}


def estimate_correction(records: Iterable[dict[str, Any]], part: str = "verdict") -> list[float] | None:
    """Return how many times too narrow expectations were, and by how many spreads too high.

    So that, of the cells with one probability of a gain, as large a share gains on the other half: this is
    likeliest for what came of the verdicts. None where there are too few to tell.
    """
    cells = [
        each
        for record in records
        if record.get("part") == part and "results" in record
        for each in record["results"].values()
        if "outer_gain" in each and "correction" in each
    ]
    if len(cells) < _FEWEST_VERDICTS:
        return None
    told = pd.DataFrame(cells)
    mean, spread = _undo_correction(told)
    # As far from 0 as it was before it was corrected.
    place = np.clip(mean / np.maximum(spread, 1e-9), -_FARTHEST, _FARTHEST)
    helped = (told["outer_gain"] > 0).to_numpy()

    def lack_of_fit(numbers: np.ndarray) -> float:
        p = np.clip(ndtr((place - numbers[1]) / max(numbers[0], 1e-3)), 1e-4, 1 - 1e-4)
        return -float(np.log(np.where(helped, p, 1 - p)).mean())

    return [round(float(value), 3) for value in minimize(lack_of_fit, [1.0, 0.0], method="Nelder-Mead").x]


def _undo_correction(told: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return what was expected before it was corrected: means and spreads (n,)."""
    wider, lower = np.array(told["correction"].tolist()).T
    spread = (told["inner_high"] - told["inner_low"]).to_numpy() / (2 * ndtri(0.975)) / wider
    return told["inner_gain"].to_numpy() + lower * spread, spread


def correct_verdicts(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return verdicts as they are with the correction that the other tables give, for each record.

    Names of sets begin with their table. Cells keep what came of them on the other half. Where the other
    tables have too few verdicts, nothing is corrected.
    """
    # It brings vaeaug, which rendering does not need where there is no verdict.
    from vaeaug.evaluation.assess.expectation import combine, correct
    from vaeaug.evaluation.assess.verdict import LEAST_GAIN, PROBABLE

    tables = [str(record["set"]).rsplit("_", 1)[0] for record in records]
    found = []
    for record, table in zip(records, tables, strict=True):
        others = [one for one, name in zip(records, tables, strict=True) if name != table]
        correction = estimate_correction(others, str(record["part"]))
        for cell in record["results"].values():
            if correction is None or "correction" not in cell:
                found.append(cell)
                continue
            mean, spread = _undo_correction(pd.DataFrame([cell]))
            own = correct(combine(mean[0], spread[0], None, 0.95), tuple(correction), 0.95)
            word = "helps" if own.low > 0 else "hurts" if own.high < 0 else "no evidence of help"
            if own.low <= 0 and own.probability >= PROBABLE and own.mean >= LEAST_GAIN:
                word = "probably helps"
            found.append(cell | {"verdict": word, "probability": own.probability})
    return found


def _subtract(after: float | None, before: float | None) -> float:
    return np.nan if after is None or before is None else after - before


def main() -> None:
    records = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    gains = read_gains(records)
    content = {
        "source": "benchmarks/results/imbalance.jsonl: halves of "
        f"{gains.index.unique('set').size} tables with two classes, four classifiers; "
        "written by benchmarks/_gain_prior.py",
        "numbers": "mean gain over plain training at 100 minority rows, change for ten times as many, "
        "spread; correction: how many times too narrow expectations were, and by how many spreads too high",
        "gains": estimate_prior(gains) | estimate_corrections(records),
    }
    text = json.dumps(content, indent=1)
    # Three numbers a line.
    text = re.sub(r"\[\s+([^\[\]]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
    TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
