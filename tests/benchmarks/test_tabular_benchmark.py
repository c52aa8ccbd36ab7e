"""The benchmark's own machinery; the generators it compares are not run here."""

import importlib
import os
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name, monkeypatch):
    """Import a benchmark file as its scripts do, from their own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module(name)


@pytest.fixture
def report(monkeypatch):
    return load("tabular", monkeypatch)


@pytest.fixture
def datasets(monkeypatch):
    return load("_datasets", monkeypatch)


def made_results():
    """Make a tiny result file: two tables, three methods, two seeds, one failure."""
    fidelity = {
        "shape_error": 0.7,
        "trend_error": 1.6,
        "c2st_xgb": 0.85,
        "c2st_xgb_default": 0.84,
        "utility": 0.921,
        "dcr_median": 0.2,
        "copies_share": 0.0005,
        "categories": 90,
        "categories_beyond_3_sd": 1,
        "categories_lost": 0,
        "category_z_max": 3.4,
    }
    scores = {"auc_hgb": 0.92, "ap_hgb": 0.8, "auc_xgb": 0.92, "ap_xgb": 0.8}
    added = {"dcr_median": 0.3, "dcr_class_median": 0.4, "copies_share": 0.0} | scores
    records = []
    for table in ("adult", "beijing_pm25"):
        for seed in (0, 1):
            for method in ("vaeaug", "TVAE"):
                records.append(
                    {
                        "table": table,
                        "method": method,
                        "seed": seed,
                        "measured": "2026-01-01",
                        "fit_s": 50.0 + 10 * seed,
                        "fit_cpu_s": 90.0 + 2 * seed,
                        "rows_per_s": 60_000.0,
                        "peak_mb": 900.0,
                        "versions": {"torch": "2.15.0"},
                        "fidelity": fidelity | {"trend_error": 1.6 if method == "vaeaug" else 9.5},
                    }
                )
    records[0] |= {"closest_share": 0.503, "resample": added}
    smote = {**records[1], "method": "SMOTENC", "resample": added | {"dcr_median": 0.1}}
    failed = {"table": "beijing_pm25", "method": "SMOTENC", "seed": 0, "measured": "2026-01-01"}
    failed["error"] = "no classes"
    machine = {"cpu": "Some CPU", "cores": 2, "memory_gb": 8.0, "gpu": None}
    machine |= {"load_average": 0.1, "python": "3.12.1"}
    run = {"machine": machine, "threads": 2, "device": "cpu", "fast": False}
    real = {"method": "held-out real rows", "seed": 0, "fidelity": fidelity}
    tables = [real | {"table": "adult", "resample": added}, real | {"table": "beijing_pm25"}]
    return [*tables, *(run | record for record in [*records, smote, failed])]


def test_renders_every_part(report):
    text = report.render(made_results())
    assert "Some CPU, 2 cores, 2 threads a process" in text
    assert "| vaeaug | 55.0 ± 7.1 | 91.0 ± 1.4 | 60,000 ± 0 | 900 ± 0 |" in text
    assert "| TVAE | 9.50 ± 0.00 | 9.50 ± 0.00 |" in text
    assert "| adult, vaeaug | 0.300 | 3.00 | 0.400 | 1.00 |" in text
    assert "- beijing_pm25, SMOTENC, 0: no classes" in text
    assert "nan" not in text


def test_tables_are_rectangular(report):
    for block in report.render(made_results()).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_failures_alone_still_render(report):
    failed = [record for record in made_results() if "error" in record]
    assert "no classes" in report.render(failed)


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("VAEAUG_DATA"), reason="needs the folder named by VAEAUG_DATA")
@pytest.mark.parametrize("name", ["adult", "beijing_pm25", "online_shoppers"])
def test_local_tables(datasets, name):
    table = datasets.load_table(name)
    assert list(table.train.columns) == list(table.test.columns)
    assert not table.train[table.target].hasnans
    assert set(table.categorical) <= set(table.train.columns)
    assert not set(datasets.DROPPED.get(name, [])) & set(table.train.columns)
    rows = len(table.train) + len(table.test)
    assert len(table.train) == 32561 if name == "adult" else abs(len(table.train) - 0.8 * rows) < 1
    assert len(datasets.load_table(name, rows=300).train) == 300


def test_unknown_table_without_a_folder(datasets, monkeypatch):
    monkeypatch.delenv("VAEAUG_DATA", raising=False)
    with pytest.raises(SystemExit, match="needs VAEAUG_DATA"):
        datasets.load_table("nope")


def test_a_table_reads_peers_dtypes(datasets):
    real = pd.DataFrame(
        {"n": [1, 2, 3, 4], "c": [1, 0, 1, 0], "b": [True, False, True, True], "t": list("xyxy")}
    )
    table = datasets.Table("made", real, real, "t", False, ["c", "b", "t"], "made")
    peers = real.astype({"n": "Int64", "c": "string", "b": "string", "t": "string"})
    pd.testing.assert_frame_equal(table.conform(peers), table.conform(real))
