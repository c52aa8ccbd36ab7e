"""Real tables for the benchmarks: from the folder in VAEAUG_DATA, otherwise from OpenML."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

__all__ = ["DROPPED", "Table", "data_folder", "load_table"]

# Columns that identify a row, leak the target, or are known only after it.
DROPPED: dict[str, list[str]] = {
    "bank_marketing": ["duration"],
    "beijing_pm25": ["No"],
    "creditcard_fraud_sample": ["Time"],
    "oil_spill": ["A1"],
    "ozone_8h": ["Date"],
    "spectrometer": ["LRS-name"],
    "stroke": ["id"],
    "us_crime": ["ViolentCrimesPerPop", "state", "communityname", "fold"],
}

# Names as in the UCI repository, in its order. OpenML's copies have the same columns, some
# under other names (x1, V1, "class:"), so they are renamed by place after a check of the count.
# A star marks categories; the target is the last column unless named.
_OPENML: dict[str, dict[str, Any]] = {
    "adult": {
        "query": {"data_id": 1590},
        "rows": 48842,
        "train_rows": 32561,
        "columns": """
            age workclass* fnlwgt education* education_num marital_status* occupation* relationship* race*
            sex* capital_gain capital_loss hours_per_week native_country* income*""",
    },
    "bank_marketing": {
        "query": {"data_id": 1461},
        "rows": 45211,
        "columns": """
            age job* marital* education* default* balance housing* loan* contact* day month* duration
            campaign pdays previous poutcome* y*""",
    },
    "beijing_pm25": {
        "query": {"name": "Beijing PM2.5", "version": 1},
        "rows": 43824,
        "columns": "No year month day hour pm2.5 DEWP TEMP PRES cbwd* Iws Is Ir",
        "target": "pm2.5",
    },
    "default_credit": {
        "query": {"data_id": 42477},
        "rows": 30000,
        "columns": """
            LIMIT_BAL SEX* EDUCATION* MARRIAGE* AGE PAY_0* PAY_2* PAY_3* PAY_4* PAY_5* PAY_6* BILL_AMT1
            BILL_AMT2 BILL_AMT3 BILL_AMT4 BILL_AMT5 BILL_AMT6 PAY_AMT1 PAY_AMT2 PAY_AMT3 PAY_AMT4 PAY_AMT5
            PAY_AMT6 default_payment_next_month*""",
    },
    "magic_gamma": {
        "query": {"data_id": 1120},
        "rows": 19020,
        "columns": "fLength fWidth fSize fConc fConc1 fAsym fM3long fM3Trans fAlpha fDist class*",
    },
    "online_shoppers": {
        "query": {"name": "online_shoppers_intention", "version": 1},
        "rows": 12330,
        "columns": """
            Administrative Administrative_Duration Informational Informational_Duration ProductRelated
            ProductRelated_Duration BounceRates ExitRates PageValues SpecialDay* Month* OperatingSystems*
            Browser* Region* TrafficType* VisitorType* Weekend* Revenue*""",
    },
}


@dataclass(frozen=True)
class Table:
    """A real table, split, its target included."""

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    target: str
    regression: bool
    categorical: list[str]
    source: str


def data_folder() -> Path | None:
    """Return the folder of local data, or None."""
    folder = os.environ.get("VAEAUG_DATA")
    return Path(folder) if folder and (Path(folder) / "tabular").is_dir() else None


def load_table(name: str, *, rows: int | None = None) -> Table:
    """Load a table and split it: officially where there is an official split, else 80 / 20, seeded.

    ``rows`` keeps only so many training rows, and a fifth as many test rows (at least 200).
    """
    folder = data_folder()
    frame, facts = _read_folder(folder / "tabular" / name) if folder else _fetch_openml(name)
    target = facts["target"]
    dropped = DROPPED.get(name, [])
    frame = frame.drop(columns=dropped).dropna(subset=[target])
    regression = facts["task"] == "regression"
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
    categorical = [column for column in facts["categorical"] if column not in dropped]
    return Table(
        name=name,
        train=train.reset_index(drop=True),
        test=test.reset_index(drop=True),
        target=target,
        regression=regression,
        categorical=categorical,
        source=facts["source"],
    )


def _read_folder(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    if not folder.is_dir():
        known = sorted(path.name for path in folder.parent.iterdir() if path.is_dir())
        raise SystemExit(f"No table {folder.name!r} in VAEAUG_DATA; there are: {', '.join(known)}.")
    return pd.read_parquet(folder / "data.parquet"), json.loads((folder / "meta.json").read_text())


def _fetch_openml(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    from sklearn.datasets import fetch_openml

    if name not in _OPENML:
        raise SystemExit(f"{name!r} needs VAEAUG_DATA; from OpenML only: {', '.join(sorted(_OPENML))}.")
    entry = _OPENML[name]
    try:
        frame = fetch_openml(**entry["query"], as_frame=True, parser="auto").frame
    except Exception as error:
        raise SystemExit(
            f"OpenML did not hand over {name} ({entry['query']}): {type(error).__name__}: {error}. Set "
            "VAEAUG_DATA to a folder of local copies, or leave this table out with --datasets."
        ) from error
    frame = tidy_openml(name, frame)
    columns, categorical = _list_columns(name)
    target = entry.get("target", columns[-1])
    facts = {
        "target": target,
        "task": "classification" if target in categorical else "regression",
        "train_rows": entry.get("train_rows"),
        "categorical": categorical,
        "source": "OpenML " + " ".join(str(value) for value in entry["query"].values()),
    }
    return frame, facts


def tidy_openml(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Bring OpenML's copy of a table to the local one's names and dtypes; stop if it is another table."""
    entry = _OPENML[name]
    columns, categorical = _list_columns(name)
    own = {_simplify(column): column for column in frame.columns}
    if all(_simplify(column) in own for column in columns):
        frame = frame[[own[_simplify(column)] for column in columns]]
    if frame.shape != (entry["rows"], len(columns)):
        raise SystemExit(
            f"OpenML's {name} has {frame.shape[0]} rows and the columns {list(frame.columns)}; expected "
            f"{entry['rows']} rows and {columns}. Set VAEAUG_DATA to use local copies."
        )
    frame = frame.set_axis(columns, axis=1)
    for column in columns:
        if column not in categorical:
            frame[column] = pd.to_numeric(frame[column])
        elif not pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column].replace("?", None).astype("category")
    return frame


def _list_columns(name: str) -> tuple[list[str], list[str]]:
    """Return all columns of an OpenML table, and those that hold categories."""
    words = _OPENML[name]["columns"].split()
    return [word.rstrip("*") for word in words], [word[:-1] for word in words if word.endswith("*")]


def _simplify(column: str) -> str:
    return "".join(letter for letter in str(column).lower() if letter.isalnum())
