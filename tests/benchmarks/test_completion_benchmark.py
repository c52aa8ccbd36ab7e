"""How cells are hidden, and how filled ones are judged."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def completion(monkeypatch):
    """Import the benchmark file as the runner does, from its own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("completion")


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    size = rng.normal(size=2000)
    return pd.DataFrame({"size": size, "twice": 2 * size, "kind": np.where(size > 0, "up", "down")}).astype(
        {"kind": object}
    )


@pytest.mark.parametrize("how", ["random", "dependent"])
def test_as_many_cells_are_hidden_as_asked_for(completion, rows, how):
    hidden = completion.hide_cells(rows, ["size", "twice"], {"rate": 0.3, "how": how, "seed": 0})
    assert hidden[:, 1:].mean() == pytest.approx(0.3, abs=0.03)
    large = rows["size"] > rows["size"].quantile(0.8)
    assert (hidden[large, 1:].mean() > 0.35) == (how == "dependent")


def test_right_draws_hold_nine_tenths(completion, rows):
    rng = np.random.default_rng(1)
    hidden = np.ones(rows.shape, dtype=bool)
    draws = [
        rows.sample(len(rows), random_state=rng.integers(2**31)).reset_index(drop=True) for _ in range(19)
    ]
    found = completion.judge(draws, rows, hidden, rows, ["size", "twice"])
    assert found["coverage"] == pytest.approx(0.9, abs=0.02)
    assert found["rmse"] == pytest.approx((1 + 1 / 19) ** 0.5, abs=0.05)
    assert found["accuracy"] == pytest.approx(0.5, abs=0.1)


def test_true_cells_are_without_error(completion, rows):
    hidden = np.ones(rows.shape, dtype=bool)
    found = completion.judge([rows], rows, hidden, rows, ["size", "twice"])
    assert found == {"rmse": 0.0, "accuracy": 1.0}


@pytest.mark.parametrize("way", ["fill_plain", "fill_by_boosting", "knn", "iterative"])
def test_every_baseline_fills_every_cell(completion, rows, way):
    holes = rows[:100].copy()
    holes.loc[:40, "twice"] = np.nan
    holes.loc[50:, "kind"] = None
    if way in ("knn", "iterative"):
        found = completion.fill_by_codes(rows[100:400].reset_index(drop=True), holes, ["size", "twice"], way)
    else:
        found = getattr(completion, way)(rows[100:400].reset_index(drop=True), holes, ["size", "twice"])
    assert not found.isna().to_numpy().any()
    assert found["size"].equals(holes["size"])
    if way != "fill_plain":
        assert np.corrcoef(found["twice"][:40], rows["twice"][:40])[0, 1] > 0.8
