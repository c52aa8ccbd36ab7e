"""The scale benchmark's own machinery, at a size that measures nothing."""

import importlib
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"

pytest.importorskip("pyarrow")


def load(name, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module(name)


@pytest.fixture
def bench(monkeypatch):
    return load("scale", monkeypatch)


def record(part, rows, processes, **found):
    machine = {"cpu": "Some CPU", "cores": 2, "load_average": 0.1, "gpu": None, "python": "3.12.1"}
    facts = {"measured": "2026-01-01", "machine": machine, "versions": {"torch": "2.15"}}
    cell = {"part": part, "rows": rows, "processes": processes, "max_fit_seconds": 60.0, "source": "files"}
    return cell | facts | found


def fitted(part, rows, processes, rate):
    return record(
        part,
        rows,
        processes,
        fit_s=61.2,
        survey_s=0.5,
        survey_rows_per_s=1_234_567,
        survey_share=1.0 if rows < 10_000_000 else 0.75,
        trained_rows=2 * rows,
        trained_rows_per_s=rate,
        two_sample_score=0.8,
        peak_mb_per_process=1234.0,
    )


def sampled(rows, processes, seconds):
    made = {"seconds": seconds, "rows_per_s": round(rows / seconds), "gigabytes": rows * 50 / 1e9}
    return record("sample", rows, processes, **made, peak_mb_per_process=900.0)


def results():
    return [
        *(fitted("fit", rows, 1, 30_000) for rows in (10_000, 10_000_000)),
        *(fitted("speedup", 100_000, processes, 20_000 * processes) for processes in (1, 2)),
        fitted("agree", 100_000, 1, 10_000),
        sampled(10_000, 1, 2.1),
        sampled(1_000_000, 1, 12.0),
        sampled(1_000_000, 2, 7.5),
        *(record("threads", 20_000, p, seconds_per_fit=2.0 + p) for p in (1, 2)),
        record("fit", 7, 1) | {"error": "out of luck"},
    ]


def test_renders_every_part(bench):
    text = bench.render(results())
    cells = "| 10,000,000 rows, 1 process | 61 | 0.5 | 1,234,567 | 0.75 | 2.00 | 30,000 | 0.80 | 1,234 |"
    assert cells in text
    assert "20,000 rows/s, two under torchrun 40,000 rows/s: 2.00 times" in text
    assert "4.00 s with `n_jobs=2`: 1.33 times" in text
    assert "out of luck" in text
    assert bench.render([]).startswith("Nothing measured yet")


def test_the_cost_model_goes_through_what_was_measured(bench):
    begin, cost, size = bench.fit_cost([sampled(10_000, 1, 2.1), sampled(1_000_000, 1, 12.0)])
    assert (begin, cost, size) == pytest.approx((2.0, 1e-5, 50.0))
    text = bench.render(results())
    assert "1,000,000 rows with 2 processes: predicted 7 s, measured 8 s" in text
    assert "| 64 cores | 3 | 0.8 |" in text


def test_parts_and_sizes_are_cells(bench, monkeypatch):
    options = load("run", monkeypatch).parse(bench, [])
    cells = [(cell["part"], cell["rows"], cell["processes"]) for cell in bench.list_cells(options)]
    assert {("fit", 10_000, 1), ("fit", 10_000, 2), ("sample", 10**8, 2), ("agree", 100_000, 1)} <= set(cells)
    assert ("agree", 100_000, 2) not in cells


def test_the_data_are_seeded_and_mixed(bench, tmp_path):
    frame = bench.make_rows(500, 3)
    pd.testing.assert_frame_equal(frame, bench.make_rows(500, 3))
    assert not frame.equals(bench.make_rows(500, 4))
    assert frame.shape == (500, 12)
    folder = bench.write_files(str(tmp_path), 300)
    assert len(pd.read_parquet(folder)) == 300
    assert bench.write_files(str(tmp_path), 300) == folder


def test_a_fit_answers(bench, tmp_path):
    job = {"rows": 300, "max_fit_seconds": None, "max_iter": 1, "source": "files"}
    job |= {"data": str(tmp_path), "keep": str(tmp_path / "model")}
    found = bench.fit(job)
    assert found["epochs"] == 1
    assert found["trained_rows"] >= 270
    assert found["survey_rows_per_s"] > 0
    job = {"rows": 50, "processes": 1, "data": str(tmp_path), "model": str(tmp_path / "model")}
    assert bench.sample(job)["rows_per_s"] > 0
