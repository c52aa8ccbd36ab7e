"""The benchmark of extremes: its jobs run, and its results become tables."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import _limits_jobs
    import limits

    yield limits, _limits_jobs
    for name in ("limits", "_limits_jobs", "_common"):
        sys.modules.pop(name, None)


# As in the benchmark: with seconds to train, codes may say little.
@pytest.mark.filterwarnings("ignore:The codes carry")
def test_strings_come_back_at_their_rates(modules):
    job = {"seed": 0, "rows": 3000, "distinct": 1500, "max_fit_seconds": 3.0}
    found = modules[1].many_strings(job)
    assert found["never_seen"] == 0
    assert 500 < found["distinct_sampled"] < 1500
    real, made = found["share_of_tail"]
    assert abs(real - made) < 0.1


def test_results_are_rendered(modules):
    def found(distance, right):
        return {"copies": 0.25, "distance": distance, "right_class": right}

    cells = {"held-out real rows": found(2.0, 0.8), "vaeaug, auto": found(3.0, 0.5)}
    results = {
        "run": {
            "started": "today",
            "machine": {"cpu": "CPU", "cores": 2, "load_average": 0.1},
            "threads": 1,
            "versions": {"torch": "2"},
        },
        "importing": [{"seconds": 0.01, "torch": False, "with_estimator": 2.0}],
        "demo": [{"seconds": 40.0}],
        "assessment": [
            {"rows": 400, "columns": 20, "rare": 24, "arms": 7, "folds": 5, "seconds": 12.0}
            | {"measured": "today", "load_average": 0.2}
        ],
        "many_strings": [
            {
                "rows": 2000,
                "distinct": 1000,
                "fit_s": 1.0,
                "rows_per_s": 5000,
                "distinct_sampled": 900,
                "never_seen": 0,
                "share_of_tail": [0.5, 0.51],
                "peak_mb": 1000.0,
            }
        ],
        "tiny_minority": [
            {"table": "adult", "k": 2, "found": cells},
            {"table": "adult", "k": 2, "error": "it broke"},
        ],
    }
    text = modules[0].render(results)
    assert "0.010 s" in text
    assert "without torch" in text
    assert "20 columns, 24 of them rare: 7 other ways to train, 5 folds, n_jobs=2: 12 s" in text
    assert "1,000 distinct strings × 2,000 rows" in text
    assert "| adult, 2 rows: vaeaug, auto | 25.0% | 1.50 | 0.500 |" in text
    assert "it broke" in text
