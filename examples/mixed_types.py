"""A table with every kind of column
=================================

Columns come back in the dtypes that they had.
A made table of loans: whole numbers, amounts with two decimals, ordered and unordered categories, text, a
flag, dates with a time zone, and missing values in most of them. Writes ``mixed_types.png``.

To run it::

    python examples/mixed_types.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vaeaug import VAEAugmenter
from vaeaug.plotting import MarginalsDisplay

FAST = os.environ.get("VAEAUG_FAST") == "1"


def loans(rows: int, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Make a table in which columns depend on each other, and on whether the loan was paid back."""
    rng = np.random.default_rng(seed)
    late = rng.random(rows) < 0.06
    age = np.clip(rng.gamma(9, 4.5, rows) + 4 * ~late, 18, 90)
    grade = np.digitize(age / 20 + rng.normal(size=rows) - 1.5 * late, [1, 2, 3])
    amount = np.round(np.exp(7 + 0.5 * grade + 0.6 * rng.normal(size=rows)), 2)
    start = pd.Timestamp("2022-01-01", tz="Europe/Paris") + pd.to_timedelta(rng.integers(0, 900, rows), "D")
    frame = pd.DataFrame(
        {
            "age": pd.array(age.astype(int), "Int64"),
            "amount": amount,
            "months": rng.choice([12, 24, 36, 60], rows, p=[0.4, 0.3, 0.2, 0.1]),
            "grade": pd.Categorical.from_codes(grade, ["D", "C", "B", "A"], ordered=True),
            "purpose": rng.choice(["car", "home", "other", "boat"], rows, p=[0.5, 0.3, 0.19, 0.01]),
            "online": pd.array(rng.random(rows) < 0.4 + 0.3 * late, "boolean"),
            "start": start,
        }
    )
    for name, share in [("age", 0.05), ("purpose", 0.1), ("online", 0.2), ("start", 0.03)]:
        frame.loc[rng.random(rows) < share, name] = None
    return frame, pd.Series(np.where(late, "late", "paid"), name="outcome")


def main(folder: Path) -> None:
    X, y = loans(300 if FAST else 3000)
    augmenter = VAEAugmenter(max_iter=2 if FAST else "auto", random_state=0).fit(X, y)
    new, _ = augmenter.sample(1000, "late", random_state=0)
    assert new.dtypes.equals(X.dtypes)

    print("Real rows that were paid late:", X[y == "late"].head(6).to_string(index=False), sep="\n")
    print("\nSynthetic ones:", new.head(6).to_string(index=False), sep="\n")
    shares = pd.DataFrame({"real": X[y == "late"].isna().mean(), "synthetic": new.isna().mean()})
    print("\nShare of missing cells:", shares.T.round(3).to_string(), sep="\n")

    many, outcome = loans(20_000, seed=1)  # the truth, as this table is made
    figure = Figure(figsize=(9.5, 6.4), layout="constrained")
    display = MarginalsDisplay(real=many[outcome == "late"], synthetic=new)
    display.plot(figure, names=("late loans, truth", "late loans, synthetic"))
    figure.savefig(folder / "mixed_types.png", dpi=100)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
