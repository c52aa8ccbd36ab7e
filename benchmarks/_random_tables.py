"""Tables in which no rule holds: columns drawn independently, and real tables with one column shuffled."""

from collections.abc import Callable

import numpy as np
import pandas as pd

__all__ = ["KINDS", "draw_table", "shuffle_column"]

Draw = Callable[[np.random.Generator, int], object]


def _draw_binary(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.random(n) < rng.uniform(0.01, 0.5)).astype(int)


def _draw_flag(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.random(n) < rng.uniform(0.01, 0.5)


def _draw_category(rng: np.random.Generator, n: int) -> np.ndarray:
    levels = int(rng.integers(2, 51))
    rates = rng.dirichlet(np.full(levels, rng.uniform(0.2, 2.0)))
    return np.array([f"level {level}" for level in range(levels)])[rng.choice(levels, n, p=rates)]


def _draw_spiky(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < rng.uniform(0.1, 0.9), 0.0, rng.lognormal(3.0, 1.0, n).round(1))


def _draw_dates(rng: np.random.Generator, n: int) -> pd.DatetimeIndex:
    start = pd.Timestamp("2001-01-01") + pd.Timedelta(days=int(rng.integers(0, 8000)))
    return start + pd.to_timedelta(rng.integers(0, rng.integers(30, 4000), n), unit="D")


def _draw_nearly_constant(rng: np.random.Generator, n: int) -> np.ndarray:
    values = np.full(n, 7)
    values[rng.choice(n, max(1, n // 200), replace=False)] = rng.integers(0, 7)
    return values


#: How a column is drawn: from a generator, so many values.
KINDS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(rng.normal(0, 100), rng.lognormal(0, 2), n),
    "heavy": lambda rng, n: rng.standard_t(1.5, n) * rng.lognormal(0, 1),
    "lognormal": lambda rng, n: rng.lognormal(rng.uniform(0, 8), rng.uniform(0.5, 2), n),
    "uniform": lambda rng, n: rng.random(n),
    "integer": lambda rng, n: rng.integers(0, rng.integers(3, 31), n),
    "amount": lambda rng, n: rng.integers(1, 1000, n) * int(rng.choice([1, 10, 100])),
    "count": lambda rng, n: rng.poisson(rng.uniform(0.2, 20), n),
    "rounded": lambda rng, n: rng.gamma(2.0, rng.lognormal(0, 2), n).round(int(rng.integers(0, 4))),
    "spiky": _draw_spiky,
    "binary": _draw_binary,
    "flag": _draw_flag,
    "category": _draw_category,
    "date": _draw_dates,
    "constant": lambda rng, n: np.full(n, rng.integers(0, 5)),
    "nearly constant": _draw_nearly_constant,
}


def draw_table(number: int) -> pd.DataFrame:
    """Draw 60 to 5,000 rows of 3 to 40 independent columns; a third of the columns lacks cells."""
    rng = np.random.default_rng([16, number])
    rows, width = (round(np.exp(rng.uniform(*np.log(ends)))) for ends in ((60, 5000), (3, 40)))
    columns = {}
    for place in range(width):
        kind = str(rng.choice(list(KINDS)))
        column = pd.Series(KINDS[kind](rng, rows))
        if rng.random() < 1 / 3:
            column = column.mask(rng.random(rows) < rng.uniform(0.01, 0.4))
        columns[f"{kind} {place}"] = column.astype("category") if kind == "category" else column
    return pd.DataFrame(columns)


def shuffle_column(frame: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, str]:
    """Return a table in which the cells of one column changed places, and the column's name."""
    rng = np.random.default_rng(seed)
    varied = [name for name in frame if frame[name].nunique() > 1]
    name = varied[int(rng.integers(len(varied)))]
    return frame.assign(**{name: frame[name].sample(frac=1, random_state=rng).set_axis(frame.index)}), name
