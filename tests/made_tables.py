"""Tables whose columns, and the relations between them, are known."""

import numpy as np
import pandas as pd

#: The same numbers in every container that users own.
CONTAINERS = {
    "float64 array": lambda X: X,
    "float32 array": lambda X: X.astype(np.float32),
    "int64 array": lambda X: np.rint(10 * X).astype(np.int64),
    "numpy frame": lambda X: pd.DataFrame(X, columns=list("abc")),
    "nullable frame": lambda X: pd.DataFrame(X, columns=list("abc")).convert_dtypes(),
    "frame with an index": lambda X: pd.DataFrame(X, columns=list("abc"), index=np.arange(len(X))[::-1] * 3),
}


def made_table(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return a table of every common dtype with missing values; some columns depend on each other."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    kind = np.where(size + 0.5 * rng.normal(size=rows) > 0, "large", "small")
    frame = pd.DataFrame(
        {
            "size": size,
            "weight": (2 * size + rng.normal(size=rows)).astype(np.float32),
            "count": rng.poisson(3, rows),
            "nullable": pd.array(rng.integers(0, 50, rows), dtype="Int16"),
            "kind": pd.Categorical(kind, categories=["small", "large", "unused"], ordered=True),
            "town": rng.choice(["Aix", "Bonn", "Cork"], rows, p=[0.6, 0.3, 0.1]),
            "string": pd.array(rng.choice(["x", "y"], rows), dtype="string"),
            "flag": size > 0.3,
            "maybe": pd.array(rng.random(rows) < 0.4, dtype="boolean"),
            "day": pd.Timestamp("2024-02-01", tz="Europe/Paris")
            + pd.to_timedelta(rng.integers(0, 90, rows), "D"),
            "constant": 7,
        },
        index=np.arange(rows) * 2 + 5,
    )
    for column in ("weight", "nullable", "kind", "town", "string", "maybe", "day"):
        frame.loc[rng.random(rows) < 0.06, column] = None
    return frame


def made_labels(rows: int, seed: int = 0) -> pd.Series:
    """Return labels of three classes for ``made_table(rows, seed)``; they depend on its first column."""
    size = np.random.default_rng(seed).normal(size=rows)
    label = np.where(size > 0.9, "high", np.where(size > 0, "mid", "low"))
    return pd.Series(label, name="label", index=np.arange(rows) * 2 + 5)
