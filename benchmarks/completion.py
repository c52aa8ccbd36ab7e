"""Are missing cells filled well? VAEAugmenter.complete beside scikit-learn's imputers and boosted trees.

A model learns 4,000 whole rows of a real table. Of 600 held-out rows, 10 or 30 % of the cells are hidden,
at random or more often where the first number is large. One process, one thread.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import _bench as bench
import numpy as np
import pandas as pd
from _bench import Record

KEY = ("table", "rate", "how", "seed")
TABLES = ("adult", "online_shoppers", "magic_gamma", "bank_marketing", "default_credit", "beijing_pm25")
#: What was hidden lies between the smallest and the largest of 19 right draws in 18 of 20 cases.
ROWS, HELD_OUT, DRAWS = 4000, 600, 19
#: Where cells are hidden depending on a column, the most and the least likely rows differ by this factor.
_ODDS = 3.0


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    tables = TABLES[:1] if options.fast else TABLES
    for seed in options.seeds:
        for table in tables:
            for how in ("random", "dependent"):
                yield from ({"table": table, "rate": rate, "how": how, "seed": seed} for rate in (0.1, 0.3))


def measure(cell: Record, options: argparse.Namespace) -> Record:
    train, test, numbers = load_rows(cell["table"], cell["seed"], 400 if options.fast else ROWS)
    hidden = hide_cells(test, numbers, cell)
    holes = test.astype(dict.fromkeys(numbers, "float64")).mask(hidden)
    ways: dict[str, Callable[[], Any]] = {
        "mean, mode": lambda: [fill_plain(train, holes, numbers)],
        "KNNImputer": lambda: [fill_by_codes(train, holes, numbers, "knn")],
        "IterativeImputer": lambda: [fill_by_codes(train, holes, numbers, "iterative")],
        "HistGradientBoosting": lambda: [fill_by_boosting(train, holes, numbers)],
        "vaeaug": lambda: fill_vae(train, holes, cell["seed"], options),
    }
    results = {}
    for name, fill in ways.items():
        seconds, draws = bench.time_call(fill)
        results[name] = judge(draws, test, hidden, train, numbers) | {"seconds": seconds}
    return {"columns": test.shape[1], "results": results}


def load_rows(table: str, seed: int, rows: int) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return rows to learn from, held-out rows, and the columns of numbers; all without missing cells."""
    from _datasets import read_table

    frame, facts = read_table(table)
    frame = frame.dropna().sample(rows + HELD_OUT, random_state=seed).reset_index(drop=True)
    named = [c for c in frame if c not in facts["categorical"] and pd.api.types.is_numeric_dtype(frame[c])]
    numbers = [c for c in named if frame[c].dtype.kind in "iuf" and frame[c].nunique() > 2]
    frame = frame.astype({c: "object" for c in frame if c not in numbers})
    frame = frame.astype({c: str for c in frame if c not in numbers})
    return frame.iloc[:rows].reset_index(drop=True), frame.iloc[rows:].reset_index(drop=True), numbers


def hide_cells(test: pd.DataFrame, numbers: list[str], cell: Record) -> np.ndarray:
    """Return which cells are hidden, bool (n, d)."""
    rng = np.random.default_rng([cell["seed"], round(100 * cell["rate"])])
    share = np.full(test.shape, cell["rate"])
    if cell["how"] == "dependent":
        # The column that decides stays as it is.
        rank = test[numbers[0]].rank(pct=True).to_numpy()
        odds = 1 + (_ODDS - 1) * rank
        share = np.minimum(cell["rate"] * (odds / odds.mean())[:, None] * np.ones(test.shape), 0.95)
        share[:, list(test).index(numbers[0])] = 0.0
    return rng.random(test.shape) < share


def fill_vae(train: pd.DataFrame, holes: pd.DataFrame, seed: int, options: argparse.Namespace) -> Any:
    """Return draws of VAEAugmenter.complete."""
    from vaeaug import VAEAugmenter

    settings = {"max_iter": 1} if options.fast else {}
    model = VAEAugmenter(random_state=seed, device=options.device, id_columns=None, **settings).fit(train)
    return model.complete(holes, draws=DRAWS, random_state=seed)


def fill_plain(train: pd.DataFrame, holes: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """Return rows with the mean of a number, and the most frequent category."""
    return holes.fillna({c: train[c].mean() if c in numbers else train[c].mode()[0] for c in train})


def fill_by_codes(train: pd.DataFrame, holes: pd.DataFrame, numbers: list[str], kind: str) -> pd.DataFrame:
    """Return rows filled by an imputer of scikit-learn on standardised numbers and 0/1 columns."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer

    mean, std = train[numbers].mean(), train[numbers].std().replace(0, 1)
    levels = {c: sorted(train[c].unique()) for c in train if c not in numbers}

    def encode(frame: pd.DataFrame) -> np.ndarray:
        parts = [((frame[numbers] - mean) / std).to_numpy(float)]
        for c, names in levels.items():
            own = (frame[c].to_numpy()[:, None] == np.array(names, dtype=object)).astype(float)
            own[frame[c].isna().to_numpy()] = np.nan
            parts.append(own)
        return np.concatenate(parts, axis=1)

    imputer = KNNImputer(n_neighbors=10) if kind == "knn" else IterativeImputer(max_iter=5, random_state=0)
    found = (
        imputer.fit(encode(train)).transform(encode(holes))
        if kind == "knn"
        else _iterate(imputer, encode, train, holes)
    )
    filled = holes.copy()
    guesses = pd.DataFrame(found[:, : len(numbers)], columns=numbers) * std + mean
    start = len(numbers)
    for c in numbers:
        filled[c] = holes[c].fillna(guesses[c])
    for c, names in levels.items():
        best = np.array(names, dtype=object)[found[:, start : start + len(names)].argmax(1)]
        filled[c] = holes[c].where(holes[c].notna(), best)
        start += len(names)
    return filled


def _iterate(
    imputer: Any, encode: Callable[[pd.DataFrame], np.ndarray], train: Any, holes: Any
) -> np.ndarray:
    # Fitted on whole rows it would learn nothing: rows with holes take part.
    both = np.concatenate([encode(train), encode(holes)])
    return np.asarray(imputer.fit_transform(both))[len(train) :]


def fill_by_boosting(train: pd.DataFrame, holes: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """Return rows filled column by column by boosted trees of all other columns, which may be missing."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kinds = {c: pd.CategoricalDtype(sorted(train[c].unique())) for c in train if c not in numbers}
    inputs, asked = train.astype(kinds), holes.astype(kinds)
    # As many holes as there will be, so that trees know of them.
    rng = np.random.default_rng(0)
    inputs = inputs.mask(rng.random(inputs.shape) < holes.isna().to_numpy().mean())
    filled = holes.copy()
    for c in train:
        model = HistGradientBoostingRegressor if c in numbers else HistGradientBoostingClassifier
        learner = model(categorical_features="from_dtype", random_state=0, max_iter=100)
        gaps = holes[c].isna().to_numpy()
        if gaps.any():
            learner.fit(inputs.drop(columns=c), train[c])
            filled.loc[gaps, c] = learner.predict(asked.drop(columns=c)[gaps])
    return filled


def judge(
    draws: list[pd.DataFrame], test: pd.DataFrame, hidden: np.ndarray, train: pd.DataFrame, numbers: list[str]
) -> Record:
    """Return how near the mean or the most frequent draw is to what was hidden, and how often draws hold it.

    The error of a number is in standard deviations of its column; all are means over columns.
    """
    errors, hits, covered = [], [], []
    for j, c in enumerate(test):
        rows = hidden[:, j]
        if not rows.any():
            continue
        true = test[c].to_numpy()[rows]
        made = np.stack([draw[c].to_numpy()[rows] for draw in draws])
        if c in numbers:
            values, scale = made.astype(float), train[c].std() or 1.0
            errors.append(np.sqrt(np.mean((values.mean(0) - true) ** 2)) / scale)
            if len(draws) > 1:
                covered.append(np.mean(_lie_between(true, values)))
        else:
            best = pd.DataFrame(made).mode().iloc[0].to_numpy()
            hits.append(np.mean(best == true))
    found = {"rmse": errors, "accuracy": hits, "coverage": covered}
    return {name: round(float(np.mean(values)), 4) for name, values in found.items() if values}


def _lie_between(true: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return which values lie between the smallest and the largest draw; among equal ones, chance decides."""
    rng = np.random.default_rng(0)
    equal = (draws == true).sum(0)
    rank = (draws < true).sum(0) + rng.integers(0, equal + 1)
    return (rank > 0) & (rank < len(draws))


# ---------------------------------------------------------------- report

NOTE = (
    "*Error*: root mean square of what was filled less what was hidden, in standard deviations of the "
    "column, mean over columns of numbers; of vaeaug, the mean of 19 draws. *Right*: share of categories, "
    "mean over columns; of vaeaug, the most frequent of the draws. *Coverage*: share of hidden numbers "
    "between the smallest and the largest of the draws, equal ones placed by chance; .90 is right."
)


def render(records: list[Record]) -> str:
    """Return the results as Markdown."""
    good = [record for record in records if "error" not in record and not record.get("fast")]
    if not good:
        return "Nothing measured yet."
    rows = [
        {"table": r["table"], "hidden": f"{r['rate']:.0%}, {r['how']}", "way": way} | numbers
        for r in good
        for way, numbers in r["results"].items()
    ]
    frame = pd.DataFrame(rows)
    sections = {"": bench.tell_conditions(good)}
    for measure_of, title in (("rmse", "Error of numbers"), ("accuracy", "Categories that are right")):
        sections[title] = _tabulate(frame, measure_of)
    mine = frame[frame["way"] == "vaeaug"]
    sections["Coverage of 90 % ranges, vaeaug"] = _tabulate(mine, "coverage")
    sections["Not measured"] = bench.list_failures(records, KEY)
    return f"{NOTE}\n\n{bench.join_sections(sections)}"


def _tabulate(frame: pd.DataFrame, column: str) -> str:
    means = frame.groupby(["table", "hidden", "way"], sort=False)[column].mean().unstack("way")
    lines = [
        [*map(str, index), *("–" if np.isnan(v) else f"{v:.3f}" for v in line)]
        for index, line in means.iterrows()
    ]
    return bench.markdown_table(["table", "hidden", *map(str, means.columns)], lines)
