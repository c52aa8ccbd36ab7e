"""Real tables for the benchmarks: from the folder in VAEAUG_DATA, otherwise from OpenML."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_openml
from sklearn.model_selection import train_test_split

# Columns that identify a row, leak the target, or are known only after it.
DROPPED: dict[str, list[str]] = {
    "bank_marketing": ["duration", "V12"],
    "beijing_pm25": ["No"],
    "creditcard_fraud_sample": ["Time"],
    "oil_spill": ["A1"],
    "ozone_8h": ["Date"],
    "spectrometer": ["LRS-name"],
    "stroke": ["id"],
    "us_crime": ["ViolentCrimesPerPop", "state", "communityname", "fold"],
}

# Where there is no local copy. OpenML names some columns otherwise and keeps some categories as numbers, so
# figures are near those of the pages, not the same.
_OPENML: dict[str, dict[str, Any]] = {
    "adult": {"data_id": 1590},
    "bank_marketing": {"data_id": 1461},
    "beijing_pm25": {"name": "Beijing PM2.5", "version": 1, "target_column": "pm2.5"},
    "default_credit": {"data_id": 42477},
    "magic_gamma": {"data_id": 1120},
    "online_shoppers": {"name": "online_shoppers_intention", "version": 1, "target_column": "Revenue"},
}


@dataclass(frozen=True)
class Table:
    """A real table, split, its target included."""

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    target: str | None
    regression: bool
    categorical: list[str]
    source: str

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Give a generated table the columns and, where values allow it, the dtypes of the real one.

        Peers hand back other dtypes than they were given (strings for categories, Int64 for
        int64); that is not what is judged here, so values that print alike count as equal.
        """
        real = self.train
        columns = {}
        for name in real.columns:
            values = frame[name].reset_index(drop=True)
            if name in self.categorical:
                known = {_spell(value): value for value in real[name].dropna().unique()}
                text = values.astype(object).map(_spell, na_action="ignore")
                columns[name] = text.map(
                    lambda value, known=known: known.get(value, value), na_action="ignore"
                )
                columns[name] = columns[name].astype("category")
            else:
                columns[name] = pd.to_numeric(values, errors="coerce").astype("float64")
        return pd.DataFrame(columns)


def _spell(value: Any) -> str:
    """Return one spelling for 1, 1.0, "1", True and "True"."""
    value = {"True": "1", "False": "0"}.get(str(value), value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return str(int(number)) if number.is_integer() else repr(number)


def load_table(name: str, *, rows: int | None = None) -> Table:
    """Load a table and split it: officially where there is an official split, else 80 / 20, seeded.

    ``rows`` keeps only so many training rows, and a fifth as many test rows (at least 200).
    """
    frame, facts = read_table(name)
    target, regression = facts["target"], facts["task"] == "regression"
    if facts.get("train_rows"):
        train, test = frame.iloc[: facts["train_rows"]], frame.iloc[facts["train_rows"] :]
    else:
        classes = None if regression else frame[target]
        train, test = train_test_split(frame, test_size=0.2, random_state=0, stratify=classes)
    if rows is not None:
        rng = np.random.default_rng(0)
        train, test = (
            part.iloc[np.sort(rng.permutation(len(part))[:size])]
            for part, size in ((train, rows), (test, max(rows // 5, 200)))
        )
    train, test = (part.reset_index(drop=True) for part in (train, test))
    categorical = [column for column in facts["categorical"] if column in frame]
    return Table(name, train, test, target, regression, categorical, facts["source"])


def read_table(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the rows that have a target, without columns that are to be dropped, and facts of a table."""
    root = Path(os.environ.get("VAEAUG_DATA", "")) / "tabular"
    if "VAEAUG_DATA" in os.environ and root.is_dir():
        if not (root / name).is_dir():
            known = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir()))
            raise SystemExit(f"No table {name!r} in VAEAUG_DATA; there are: {known}.")
        frame = pd.read_parquet(root / name / "data.parquet")
        facts = json.loads((root / name / "meta.json").read_text())
    else:
        frame, facts = _fetch_openml(name)
    return frame.drop(columns=DROPPED.get(name, []), errors="ignore").dropna(subset=[facts["target"]]), facts


def _fetch_openml(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    if name not in _OPENML:
        raise SystemExit(f"{name!r} needs VAEAUG_DATA; from OpenML only: {', '.join(_OPENML)}.")
    found = fetch_openml(**_OPENML[name], as_frame=True)
    (target,) = found.target_names
    categorical = list(found.frame.select_dtypes("category"))
    return found.frame, {
        "target": target,
        "task": "classification" if target in categorical else "regression",
        "train_rows": 32_561 if name == "adult" else None,
        "categorical": categorical,
        "source": f"OpenML {found.details['id']}",
    }
