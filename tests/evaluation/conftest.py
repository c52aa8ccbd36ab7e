import numpy as np
import pandas as pd
import pytest


def make_table(rows: int, seed: int) -> pd.DataFrame:
    """Make a table of related columns of every common dtype, with missing values."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    cool = np.where(rng.random(rows) < 0.9, "green", "blue")
    colour = np.where(size + rng.normal(size=rows) > 0, "red", cool)
    days = pd.to_timedelta(rng.integers(0, 99, rows), "D")
    frame = pd.DataFrame(
        {
            "size": size,
            "weight": size * 2 + rng.normal(size=rows),
            "count": pd.array(rng.poisson(3, rows), dtype="Int64"),
            "colour": pd.Categorical(colour, categories=["red", "green", "blue", "unused"]),
            "town": rng.choice(["A", "B", "C", "D"], rows, p=[0.6, 0.3, 0.09, 0.01]),
            "ok": pd.array(rng.random(rows) < 0.3, dtype="boolean"),
            "flag": size > 0.5,
            "day": pd.Timestamp("2024-01-01", tz="Europe/Paris") + days,
        }
    )
    for column in ("weight", "count", "colour", "town", "ok", "day"):
        frame.loc[rng.random(rows) < 0.05, column] = None
    return frame


@pytest.fixture
def real() -> pd.DataFrame:
    return make_table(1500, seed=1)


@pytest.fixture
def twin() -> pd.DataFrame:
    return make_table(1500, seed=2)
