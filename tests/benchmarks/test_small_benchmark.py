"""The ruler of small classes, and the baselines beside which new rows are measured."""

import argparse
import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def small(monkeypatch):
    """Import the benchmark file as the runner does, from its own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("_small")


def make_rows(n, shift, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(shift, 1.0, (n, 3)) * [1.0, 100.0, 0.01], columns=list("abc"))
    frame["kind"] = rng.choice(["x", "y", None], n, p=[0.2 + 0.3 * (shift > 0), 0.5 - 0.3 * (shift > 0), 0.3])
    frame.loc[rng.random(n) < 0.1, "a"] = np.nan
    return frame


@pytest.fixture
def generators(small):
    return importlib.import_module("_table_generators")


@pytest.fixture
def data(small):
    return small.Cut(make_rows(300, 0.0, 0), make_rows(12, 2.0, 1), make_rows(200, 2.0, 2), ["kind"], 0)


def test_rows_of_the_class_are_nearer_than_rows_of_the_others(small, data):
    ruler = small.Ruler(data)
    fresh, others = (ruler.measure(ruler.space.place(make_rows(200, shift, 3))) for shift in (2.0, 0.0))
    assert fresh["energy"] < 0.05 < 1 < others["energy"]
    assert fresh["theirs"] > 0.8 > 0.3 > others["theirs"]
    assert fresh["two_sample"] > 0.7 > 0.4 > others["two_sample"]
    assert 0.7 < fresh["reach"] < 1.4


def test_numbers_count_in_standard_deviations_of_the_others(small, data):
    points = small.Space(data).place(data.others)
    np.testing.assert_allclose(points[:, :3].std(axis=0), 1.0)
    # A missing number is at the median, and marked; categories that differ are one apart.
    assert points.shape[1] == 3 + 1 + 3
    np.testing.assert_allclose(np.linalg.norm(points[:1, 4:] - points[:, 4:], axis=1).max(), 1.0)


def test_copies_are_counted(small, data):
    ruler = small.Ruler(data)
    rng = np.random.default_rng(0)
    shares = {
        name: ruler.measure(draw(ruler.own, ruler.others, rng))["copies"]
        for name, draw in small.BASELINES.items()
    }
    assert shares.pop("copies") == 1.0
    assert max(shares.values()) < 0.01


@pytest.mark.parametrize("rows", [1, 2, 12])
def test_baselines_make_rows_of_any_small_class(small, data, rows):
    space = small.Space(data)
    own, others = space.place(data.given)[:rows], space.place(data.others)
    rng = np.random.default_rng(0)
    for draw in small.BASELINES.values():
        new = draw(own, others, rng)
        assert new.shape == (small.NEW, own.shape[1])
        assert np.isfinite(new).all()


class Loser:
    """A generator that draws the rare class in one row of a thousand, or never."""

    share = 0.001

    def __init__(self, job):
        self.draws = 0

    def fit(self, table):
        self.table = table

    def sample(self, rows):
        self.draws += 1
        labels = np.where(np.arange(rows) < self.share * rows, "1", "0")
        return self.table.sample(rows, replace=True).assign(label=labels)


class Conditional(Loser):
    """A generator that takes cells of new rows."""

    def sample_given(self, cells):
        return self.table.sample(len(cells), replace=True).assign(label=cells["label"].to_numpy())


def draw(generators, kind, data, folder, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "peer", kind)
    data.X.assign(label=data.y).to_parquet(folder / "train.parquet")
    job = {"generator": "peer", "folder": str(folder), "seed": 0, "rows": 500, "categorical": ["kind"]}
    return generators.draw_rare(job), folder / "made.parquet"


def test_a_peer_is_asked_until_it_has_drawn_enough_or_too_often(generators, data, tmp_path, monkeypatch):
    found, made = draw(generators, Loser, data, tmp_path, monkeypatch)
    assert found["drawn"] == generators.MOST_DRAWS * 312
    assert len(pd.read_parquet(made)) == generators.MOST_DRAWS


def test_a_peer_that_never_draws_the_class_is_given_up_early(generators, data, tmp_path, monkeypatch):
    monkeypatch.setattr(Loser, "share", 0.0)
    with pytest.raises(SystemExit, match=f"never drawn in {generators.EMPTY_DRAWS * 312} rows"):
        draw(generators, Loser, data, tmp_path, monkeypatch)


def test_a_peer_that_takes_the_class_is_asked_once(generators, data, tmp_path, monkeypatch):
    found, made = draw(generators, Conditional, data, tmp_path, monkeypatch)
    assert found["drawn"] == len(pd.read_parquet(made)) == 500


def test_too_few_rows_of_a_peer_are_said_and_not_judged(generators, data, tmp_path, monkeypatch):
    benchmark = importlib.import_module("small")
    monkeypatch.setattr("_small.cut", lambda *_: data)

    def answer(function, job, python):
        made = data.given.iloc[:4].astype({"kind": object})
        made.to_parquet(Path(job["folder"]) / "made.parquet")
        return {"fit_s": 1.0, "drawn": 30_000, "versions": {"ctgan": "1.0", "torch": "1.0"}}

    monkeypatch.setattr(benchmark.bench, "run_worker", answer)
    cell = {"table": "adult", "k": 12, "seed": 0, "part": "tvae"}
    found = benchmark.measure(cell, argparse.Namespace(peer_python="python"))
    assert found["error"] == "4 rows of the class among 30000: too few to judge"
    assert "results" not in found
    assert found["versions"] == {"ctgan": "1.0"}


def test_peers_stand_beside_ours_and_in_no_mean_of_all_tables(small):
    benchmark = importlib.import_module("small")
    energies = {
        "baselines": {"SMOTE": 2.0, "copies": 4.0},
        "vaeaug": {"VAEOverSampler": 1.0},
        "argn": {"TabularARGN": 3.0},
    }
    machine = {"system": "", "cpu": "", "cores": 1, "memory_gb": 1, "gpu": None, "python": "3"}
    cell = {"table": "adult", "k": 10, "seed": 0, "threads": 1, "machine": machine, "measured": ""}
    other = dict.fromkeys(benchmark.MEASURES, 0.9)
    records = [
        cell | {"part": part, "results": {name: other | {"energy": e} for name, e in found.items()}}
        for part, found in energies.items()
    ]
    records.append(cell | {"part": "tvae", "error": "the rare class was never drawn in 31000 rows"})
    page = benchmark.render(records)
    assert "| adult | 10 | 0.50 (0.90) | 1.50 (0.90) | never |" in page
    assert "| **mean where TabularARGN was judged** |  | **0.50** | **1.50** |  |" in page
    assert page.count("TabularARGN") == page[page.index("### Other generators") :].count("TabularARGN")
    assert "Not measured" not in page
