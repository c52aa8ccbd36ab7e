"""The generators of tables that are compared, each alone in a process.

Only pandas and the generator's own library are imported, so that the process's time and memory are the
generator's. Importing is not part of any time.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _bench import count_cpu_seconds, time_call

#: Draws of as many rows as were trained on, in search of the rare class; so many without a row of it, and it
#: counts as lost. A model that kept its share would have drawn each real row of it once a draw.
MOST_DRAWS, EMPTY_DRAWS = 200, 20


class Vaeaug:
    """VAEAugmenter with the target, if there is one, as context."""

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
        self.model.fit(*self._split(table))

    def sample(self, rows: int) -> pd.DataFrame:
        return self._join(*self.model.sample(rows, random_state=self.seed + 1))

    def resample(self, table: pd.DataFrame) -> pd.DataFrame:
        X_res, y_res = self.model.resample(*self._split(table), random_state=self.seed + 2)
        return self._join(X_res.iloc[len(table) :], y_res[len(table) :])

    def _split(self, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series | None]:
        if self.target is None:
            return table, None
        return table.drop(columns=[self.target]), table[self.target]

    def _join(self, X: pd.DataFrame, y: Any) -> pd.DataFrame:
        X = X.reset_index(drop=True)
        return X if y is None else X.assign(**{self.target: pd.Series(y).reset_index(drop=True)})


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
        self.empty = [column for column in numeric if table[column].isna().all()]
        table = table.drop(columns=self.empty)
        gaps = [column for column in numeric.difference(self.empty) if table[column].hasnans]
        table = table.fillna({column: table[column].median() for column in gaps})
        self.model.fit(table, self.categorical)

    def sample(self, rows: int) -> pd.DataFrame:
        return self.model.sample(rows).assign(**dict.fromkeys(self.empty, np.nan))


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

    def sample_given(self, cells: pd.DataFrame) -> pd.DataFrame:
        """Return a row for each row of cells, which stay as they are."""
        return self.model.sample(seed_data=cells)


class Smotenc:
    """imbalanced-learn's SMOTENC (SMOTE without categorical columns); nothing to fit.

    A whole table is made by doubling every class and keeping the new rows, as in the comparison of TabDDPM
    (Kotelnikov et al., ICML 2023). Missing categories are a category.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        if job["regression"]:
            raise SystemExit("not applicable: SMOTENC needs classes")
        self.target = job["target"]
        self.features = [column for column in job["categorical"] if column != self.target]
        self.seed = job["seed"]

    def fit(self, table: pd.DataFrame) -> None:
        self.table = table

    def sample(self, rows: int) -> pd.DataFrame:
        counts = self.table[self.target].value_counts()
        share = rows / len(self.table)
        doubled = {label: int(count + round(count * share)) for label, count in counts.items()}
        return self._add_rows(self.table, doubled)

    def resample(self, table: pd.DataFrame) -> pd.DataFrame:
        return self._add_rows(table, "auto")

    def _add_rows(self, table: pd.DataFrame, strategy: Any) -> pd.DataFrame:
        X, y = table.drop(columns=[self.target]), table[self.target]
        X_new, y_new = add_smote_rows(X, y, self.features, strategy, self.seed)
        return X_new.replace("<missing>", None).assign(**{self.target: y_new}).reset_index(drop=True)


def add_smote_rows(
    X: pd.DataFrame, y: pd.Series, categorical: list[str], strategy: Any, seed: int, neighbours: int = 5
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the new rows of SMOTENC, or of SMOTE without categories; missing categories are a category."""
    from imblearn.over_sampling import SMOTE, SMOTENC

    common = {"sampling_strategy": strategy, "k_neighbors": neighbours, "random_state": seed}
    sampler = SMOTENC(categorical, **common) if categorical else SMOTE(**common)
    X = X.assign(**{c: X[c].astype(object).where(X[c].notna(), "<missing>").astype(str) for c in categorical})
    X_res, y_res = sampler.fit_resample(X, y)
    return X_res.iloc[len(X) :], np.asarray(y_res)[len(X) :]


GENERATORS = {"vaeaug": Vaeaug, "tvae": Tvae, "argn": TabularArgn, "smotenc": Smotenc}


def generate(job: dict[str, Any]) -> dict[str, Any]:
    """Fit a generator to a table, and write new rows: as many as there are, and those that balance it."""
    folder = Path(job["folder"])
    table = pd.read_parquet(folder / "train.parquet")
    generator = GENERATORS[job["generator"]](job)
    result: dict[str, Any] = {}
    began = count_cpu_seconds()
    result["fit_s"], _ = time_call(generator.fit, table)
    result["fit_cpu_s"] = round(count_cpu_seconds() - began, 3)
    result["sample_s"], synthetic = time_call(generator.sample, len(table))
    result["rows_per_s"] = round(len(synthetic) / result["sample_s"], 1)
    synthetic.to_parquet(folder / "synthetic.parquet")
    if job["resample"] and hasattr(generator, "resample"):
        result["resample_s"], rows = time_call(generator.resample, table)
        rows.to_parquet(folder / "added.parquet")
    return result


def draw_rare(job: dict[str, Any]) -> dict[str, Any]:
    """Fit a peer to a table with its class (``label``) and keep rows of class 1 of what it draws."""
    table = pd.read_parquet(Path(job["folder"]) / "train.parquet").astype({"label": str})
    for name in job["categorical"]:
        column = table[name].astype(object)
        table[name] = column.where(column.notna(), "<missing>").astype(str)
    categorical = [*job["categorical"], "label"]
    kind = GENERATORS[job.get("generator", "tvae")]
    generator = kind(job | {"categorical": categorical, "device": "cpu", "settings": {}})
    table = table.astype({name: float for name in table if name not in categorical})
    fit_s, _ = time_call(generator.fit, table)
    if hasattr(generator, "sample_given"):
        kept, drawn = generator.sample_given(pd.DataFrame({"label": ["1"] * job["rows"]})), job["rows"]
    else:
        kept, drawn = _search_rare(generator, len(table), job["rows"])
    if not len(kept):
        raise SystemExit(f"the rare class was never drawn in {drawn} rows")
    kept.drop(columns=["label"]).to_parquet(Path(job["folder"]) / "made.parquet")
    return {"fit_s": fit_s, "drawn": drawn}


def _search_rare(generator: Any, size: int, wanted: int) -> tuple[pd.DataFrame, int]:
    """Draw rows until enough are of class 1, and return these and how many were drawn."""
    kept, drawn = [], 0
    for draw in range(MOST_DRAWS):
        rows = generator.sample(size)
        kept.append(rows[rows["label"].astype(int) == 1])
        drawn += size
        found = sum(map(len, kept))
        if found >= wanted or (draw + 1 >= EMPTY_DRAWS and not found):
            break
    return pd.concat(kept, ignore_index=True).iloc[:wanted], drawn
