"""Imbalanced two-class tables and the learners they are tried with, for ``imbalance.py``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from _datasets import DROPPED, data_folder
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from vaeaug.evaluation.assess.named_classifiers import learner

__all__ = ["LEARNERS", "SETS", "ImbalancedSet", "build_learner", "load_set"]

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
    """A table, which of its rows are of the minority class (1), and which columns are categories."""

    name: str
    X: pd.DataFrame
    y: np.ndarray
    rows: int

    @property
    def ratio(self) -> float:
        """Rows of the common class for each row of the rare one."""
        return float((self.y == 0).sum() / (self.y == 1).sum())


def load_set(name: str, most: int = 6_000) -> ImbalancedSet:
    """Load a set; integer-coded categories become categories, constant columns go."""
    folder = data_folder()
    if folder is None:
        raise SystemExit("Set VAEAUG_DATA to the folder of the tables; see _datasets.py.")
    if name not in SETS:
        raise SystemExit(f"There is no set {name!r}; there are: {', '.join(SETS)}.")
    table, rare = SETS[name]
    frame = pd.read_parquet(folder / "tabular" / table / "data.parquet")
    meta = json.loads((folder / "tabular" / table / "meta.json").read_text())
    frame = frame.drop(columns=DROPPED.get(table, [])).dropna(subset=[meta["target"]])
    label = frame.pop(meta["target"])
    if rare is None:
        least = label.value_counts().idxmin()
        y = np.asarray(label == least, dtype=int)
    else:
        y = np.asarray(rare(label), dtype=int)
    X = frame.assign(
        **{
            column: frame[column].astype(str).where(frame[column].notna(), None).astype("category")
            for column in frame
            if column in meta["categorical"] or not pd.api.types.is_numeric_dtype(frame[column])
        }
    )
    X = X.assign(**{column: X[column].astype("category") for column in X if X[column].dtype == bool})
    X = X.loc[:, X.nunique() > 1].reset_index(drop=True)
    rows = len(X)
    if rows > most:
        kept, _ = train_test_split(np.arange(rows), train_size=most, stratify=y, random_state=0)
        kept = np.sort(kept)
        X, y = X.iloc[kept].reset_index(drop=True), y[kept]
    return ImbalancedSet(name, X, y, rows)


def build_learner(name: str, X: pd.DataFrame, seed: int) -> Pipeline:
    """Return an unfitted learner for a table."""
    short, settings = LEARNERS[name]
    model = learner(short, X)
    seeded = {"random_state": seed} if "random_state" in model[-1].get_params() else {}
    model[-1].set_params(**settings, **seeded)
    return model
