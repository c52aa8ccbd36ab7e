"""The benchmark of extremes: its jobs run, and its results become tables."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture
def limits(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("limits")


# As in the benchmark: with seconds to train, codes may say little.
@pytest.mark.filterwarnings("ignore:The codes carry")
def test_strings_come_back_at_their_rates(limits):
    job = {"seed": 0, "rows": 3000, "distinct": 1500, "max_fit_seconds": 3.0}
    found = limits.many_strings(job)
    assert found["never_seen"] == 0
    assert 500 < found["distinct_sampled"] < 1500
    real, made = found["share_of_tail"]
    assert abs(real - made) < 0.1


def test_results_are_rendered(limits):
    def found(distance, right):
        return {"copies": 0.25, "distance": distance, "right_class": right}

    cells = {"held-out real rows": found(2.0, 0.8), "vaeaug, auto": found(3.0, 0.5)}
    machine = {"cpu": "CPU", "cores": 2, "load_average": 0.1, "python": "3.12"}
    run = {"machine": machine, "measured": "today", "load_average": 0.2}
    strings = {"rows": 2000, "distinct": 1000, "fit_s": 1.0, "rows_per_s": 5000, "distinct_sampled": 900}
    assessed = {"rows": 400, "columns": 20, "rare": 24, "arms": 7, "folds": 5, "seconds": 12.0}
    few = {"part": "tiny_minority", "table": "adult", "k": 2}
    records = [
        {"part": "importing", "seconds": 0.01, "torch": False, "with_estimator": 2.0},
        {"part": "assessment"} | assessed,
        {"part": "many_strings", "never_seen": 0, "share_of_tail": [0.5, 0.51], "peak_mb": 1e3} | strings,
        few | {"found": cells},
        few | {"seed": 1, "error": "it broke"},
    ]
    text = limits.render([run | record for record in records])
    assert "0.010 s" in text
    assert "without torch" in text
    assert "20 columns, 24 of them of the minority class: 7 strategies" in text
    assert "5 folds, n_jobs=2: 12 s" in text
    assert "1,000 distinct strings × 2,000 rows" in text
    assert "| adult, 2 rows: vaeaug, auto | 25.0% | 1.50 | 0.500 |" in text
    assert "it broke" in text
