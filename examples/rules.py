"""New rows keep the rules of their table
======================================

Without rules, new rows break them.
A made table of loans: the remaining credit is the limit minus the balance, a sub-grade belongs to one grade,
a loan starts before it ends, and who never smoked has no years of smoking. Writes ``rules.png``.

To run it::

    python examples/rules.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vaeaug import VAEAugmenter
from vaeaug.evaluation import rules

FAST = os.environ.get("VAEAUG_FAST") == "1"


def loans(rows: int, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Make a table whose columns follow rules, and say which loans were paid late."""
    rng = np.random.default_rng(seed)
    late = rng.random(rows) < 0.08
    limit = np.round(np.exp(8 + 0.5 * rng.normal(size=rows)), -2)
    balance = np.round(limit * rng.beta(2 + 2 * late, 4), 2)
    grade = np.array(list("ABCD"))[np.clip(rng.poisson(1 + late), 0, 3)]
    smoker = rng.choice(["never", "former", "current"], rows, p=[0.6, 0.2, 0.2])
    start = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), "D")
    frame = pd.DataFrame(
        {
            "limit": limit,
            "balance": balance,
            "remaining": np.round(limit - balance, 2),
            "grade": grade,
            "sub_grade": np.char.add(grade, rng.integers(1, 6, rows).astype(str)),
            "smoker": smoker,
            "smoking_years": np.where(smoker == "never", 0, rng.integers(1, 40, rows)),
            "start": start,
            "end": start + pd.to_timedelta(rng.integers(30, 1500, rows), "D"),
        }
    )
    return frame, pd.Series(np.where(late, "late", "paid"), name="outcome")


def main(folder: Path) -> None:
    X, y = loans(300 if FAST else 1000)
    shares = {}
    for name, relations in [("without rules", None), ("with rules", "auto")]:
        augmenter = VAEAugmenter(
            relations=relations, max_iter=2 if FAST else 20, early_stopping=False, random_state=0
        ).fit(X, y)
        new, _ = augmenter.sample(1000, "late", random_state=0)
        shares[name] = rules(X, new, y).set_index("formula")["new"]
    print("Found in the real rows:", augmenter.relations_.to_string(index=False), sep="\n")
    compared = pd.DataFrame(shares).sort_values("without rules")
    print("\nShare of new rows that keep each rule:", compared.round(3).to_string(), sep="\n")

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    ax = figure.add_subplot()
    compared.iloc[::-1].plot.barh(ax=ax, legend=False, color=["#c9d0d8", "#D55E00"], width=0.7)
    ax.set(xlabel="share of new rows that keep the rule", ylabel="", xlim=(0, 1))
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(folder / "rules.png", dpi=100)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
