"""Read the rules of ``rules.toml``, which real rows of a table keep, and tell which rows keep them.

Rates are no rules: they hold in a share of the real rows, which new rows should have, too.
"""

import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["RATES", "RULES", "find_kept", "list_lines"]

#: Years of schooling, as ranks.
EDUCATION = (
    "Preschool 1st-4th 5th-6th 7th-8th 9th 10th 11th 12th HS-grad Some-college Assoc-voc Assoc-acdm "
    "Bachelors Masters Prof-school Doctorate"
)
NAMES = {"rank": {name: rank for rank, name in enumerate(EDUCATION.split(), 1)}}

_TABLES = tomllib.loads((Path(__file__).parent / "rules.toml").read_text())
#: Lines of rules, and of rates, by table.
RULES: dict[str, str] = {name: table["rules"] for name, table in _TABLES.items()}
RATES: dict[str, str] = {name: table["rates"] for name, table in _TABLES.items() if "rates" in table}


def list_lines(text: str) -> list[str]:
    """Return the rules of a table."""
    return [line.strip() for line in text.strip().splitlines()]


def find_kept(rule: str, frame: pd.DataFrame, optional: set[str]) -> np.ndarray:
    """Tell of each row whether it keeps a rule.

    ``optional`` are the columns in which real rows lack cells. A row that lacks such a cell keeps every rule
    of that column that does not speak of missing cells.
    """
    *premise, conclusion = re.split(" (<->|->) ", rule)
    kept = _evaluate(conclusion, frame)
    if premise:
        given = _evaluate(premise[0], frame)
        kept = given == kept if premise[1] == "<->" else ~given | kept
    if ".isna()" in rule:
        return kept
    lacking = sorted(_list_columns(rule) & optional & set(frame.columns))
    return kept | frame[lacking].isna().any(axis=1).to_numpy()


def _evaluate(expression: str, frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(frame.eval(expression, engine="python", local_dict=NAMES), dtype=bool)


def _list_columns(rule: str) -> set[str]:
    """Return all words of a rule that may be columns."""
    bare = re.sub("'[^']*'", "", rule)
    return {*re.findall("`([^`]+)`", bare), *re.findall(r"\w+", re.sub("`[^`]+`", "", bare))}
