"""Tables whose columns follow rules."""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_loans(rows: int = 900, seed: int = 0) -> pd.DataFrame:
    """Return loans: sums, quotients, products, orders, dependences, implications, missing cells together."""
    rng = np.random.default_rng(seed)
    limit = rng.integers(500, 20_000, rows).astype(float)
    balance = np.round(limit * rng.beta(2, 4, rows), 2)
    grade = rng.choice(list("ABCDE"), rows)
    smoker = rng.choice(["never", "former", "current"], rows, p=[0.6, 0.25, 0.15])
    company = rng.integers(0, 30, rows)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1_000, rows), unit="D")
    end = start + pd.to_timedelta(rng.integers(0, 60, rows), unit="D")
    volume, price = np.round(rng.gamma(2, 3, rows), 1), np.round(rng.gamma(3, 10, rows), 2)
    frame = pd.DataFrame(
        {
            "limit": limit,
            "balance": balance,
            "remaining": np.round(limit - balance, 2),
            "used": np.round(balance / limit, 4),
            "grade": grade,
            "subgrade": np.char.add(grade, rng.integers(1, 6, rows).astype(str)),
            "smoker": smoker,
            "years": np.where(smoker == "never", 0, rng.integers(1, 40, rows)),
            "company": company,
            "role": np.minimum(company, rng.integers(0, 20, rows)),
            "start": start,
            "end": end,
            "days": (end - start).days,
            "volume": volume,
            "price": price,
            "total": np.round(volume * price, 2),
        }
    )
    frame.loc[rng.random(rows) < 0.2, ["volume", "price", "total"]] = np.nan
    return frame


#: What every row of :func:`make_loans` keeps, as predicates of a frame.
LOAN_RULES = {
    "remaining": lambda t: np.round(t["limit"] - t["balance"], 2) == t["remaining"],
    "used": lambda t: np.round(t["balance"] / t["limit"], 4) == t["used"],
    "grade": lambda t: t["subgrade"].astype(str).str[0] == t["grade"].astype(str),
    "years": lambda t: (t["smoker"] == "never") == (t["years"] == 0),
    "role": lambda t: t["role"] <= t["company"],
    "dates": lambda t: t["start"] <= t["end"],
    "days": lambda t: (t["end"] - t["start"]).dt.days == t["days"],
    "total": lambda t: (np.round(t["volume"] * t["price"], 2) == t["total"]) | t["total"].isna(),
    "missing": lambda t: (t["volume"].isna() == t["price"].isna()) & (t["price"].isna() == t["total"].isna()),
}
