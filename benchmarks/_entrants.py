"""The generators that are compared, each run alone in a process: ``_entrants.py job.json answer.json``.

Only pandas and the entrant's own library are imported, so that the process's time and memory
are the entrant's. Importing is not part of any time.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _common import own_peak_mb, versions

PACKAGES = (
    "vaeaug",
    "torch",
    "ctgan",
    "mostlyai-engine",
    "imbalanced-learn",
    "scikit-learn",
    "pandas",
    "numpy",
)


class Vaeaug:
    """VAEAugmenter with the target as context."""

    def __init__(self, job: dict[str, Any]) -> None:
        import torch  # noqa: F401  (the cost of importing is not the cost of fitting)

        from vaeaug import Recipe, VAEAugmenter

        self.seed = job["seed"]
        self.target = job["target"]
        settings = {
            name: Recipe.from_json(value) if isinstance(value, dict) and "recipe" in value else value
            for name, value in job["settings"].items()
        }
        self.model = VAEAugmenter(**{"device": job["device"], "random_state": self.seed} | settings)

    def fit(self, table: pd.DataFrame) -> None:
        self.model.fit(table.drop(columns=[self.target]), table[self.target])

    def sample(self, rows: int) -> pd.DataFrame:
        X, y = self.model.sample(rows, random_state=self.seed + 1)
        return self._join(X, y)

    def resample(self, table: pd.DataFrame) -> pd.DataFrame:
        X, y = table.drop(columns=[self.target]), table[self.target]
        X_res, y_res = self.model.resample(X, y, random_state=self.seed + 2)
        return self._join(X_res.iloc[len(X) :], y_res[len(X) :])

    def _join(self, X: pd.DataFrame, y: Any) -> pd.DataFrame:
        return X.reset_index(drop=True).assign(**{self.target: pd.Series(y).reset_index(drop=True)})


class Tvae:
    """ctgan's TVAE as released: 300 epochs of batches of 500."""

    def __init__(self, job: dict[str, Any]) -> None:
        import torch
        from ctgan import TVAE

        torch.manual_seed(job["seed"])
        self.categorical = job["categorical"]
        self.model = TVAE(enable_gpu=job["device"] != "cpu", **job["settings"])
        self.model.set_random_state(job["seed"])

    def fit(self, table: pd.DataFrame) -> None:
        # It fits numeric columns with missing values but cannot sample them again.
        numeric = table.drop(columns=self.categorical).columns
        table = table.fillna({column: table[column].median() for column in numeric if table[column].hasnans})
        self.model.fit(table, self.categorical)

    def sample(self, rows: int) -> pd.DataFrame:
        return self.model.sample(rows)


class TabularArgn:
    """mostlyai-engine's TabularARGN as released."""

    def __init__(self, job: dict[str, Any]) -> None:
        from mostlyai.engine import TabularARGN

        device = "cpu" if job["device"] == "cpu" else None
        self.model = TabularARGN(random_state=job["seed"], device=device, **job["settings"])

    def fit(self, table: pd.DataFrame) -> None:
        self.model.fit(X=table)

    def sample(self, rows: int) -> pd.DataFrame:
        return self.model.sample(n_samples=rows)


class Smotenc:
    """imbalanced-learn's SMOTENC (SMOTE without categorical columns); nothing to fit.

    A whole table is made by doubling every class and keeping the new rows, as in the
    comparison of TabDDPM (Kotelnikov et al., ICML 2023). Missing categories are a category.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        from imblearn.over_sampling import SMOTE, SMOTENC

        if job["regression"]:
            raise SystemExit("not applicable: SMOTENC needs classes")
        self.target = job["target"]
        self.features = [column for column in job["categorical"] if column != self.target]
        self.seed = job["seed"]
        self.make = lambda strategy: (
            SMOTENC(self.features, sampling_strategy=strategy, random_state=self.seed)
            if self.features
            else SMOTE(sampling_strategy=strategy, random_state=self.seed)
        )

    def fit(self, table: pd.DataFrame) -> None:
        self.table = table

    def sample(self, rows: int) -> pd.DataFrame:
        counts = self.table[self.target].value_counts()
        doubled = {
            label: int(count + round(count * rows / len(self.table))) for label, count in counts.items()
        }
        return self._new_rows(self.table, doubled)

    def resample(self, table: pd.DataFrame) -> pd.DataFrame:
        return self._new_rows(table, "auto")

    def _new_rows(self, table: pd.DataFrame, strategy: Any) -> pd.DataFrame:
        X = table.drop(columns=[self.target])
        X = X.assign(
            **{c: X[c].astype(object).where(X[c].notna(), "<missing>").astype(str) for c in self.features}
        )
        X_res, y_res = self.make(strategy).fit_resample(X, table[self.target])
        X_new = X_res.iloc[len(X) :].replace("<missing>", None)
        return X_new.assign(**{self.target: np.asarray(y_res)[len(X) :]}).reset_index(drop=True)


ENTRANTS = {"vaeaug": Vaeaug, "tvae": Tvae, "argn": TabularArgn, "smotenc": Smotenc}


def main(request: str, answer: str) -> None:
    job = json.loads(Path(request).read_text())
    table = pd.read_parquet(job["train"])
    entrant = ENTRANTS[job["entrant"]](job)
    result: dict[str, Any] = {}
    result["fit_s"], _ = _timed(entrant.fit, table)
    result["sample_s"], synthetic = _timed(entrant.sample, len(table))
    result["rows_per_s"] = round(len(synthetic) / result["sample_s"], 1)
    synthetic.to_parquet(job["synthetic"])
    if job.get("resampled") and hasattr(entrant, "resample"):
        result["resample_s"], rows = _timed(entrant.resample, table)
        rows.to_parquet(job["resampled"])
    result["peak_mb"] = own_peak_mb()
    result["versions"] = versions(PACKAGES)
    Path(answer).write_text(json.dumps(result))


def _timed(function: Any, argument: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    value = function(argument)
    return round(time.perf_counter() - start, 3), value


if __name__ == "__main__":
    main(*sys.argv[1:])
