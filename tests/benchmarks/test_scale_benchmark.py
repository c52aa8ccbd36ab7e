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
        cpu_s=58.0,
        survey_s=0.5,
        survey_rows_per_s=1_234_567,
        survey_share=1.0 if rows < 10_000_000 else 0.75,
        trained_rows=2 * rows,
        trained_rows_per_s=rate,
        trained_rows_per_cpu_s=rate + 1_000,
        two_sample_score=0.8,
        peak_mb_per_process=1234.0,
    )


def sampled(rows, processes, seconds):
    made = {
        "seconds": seconds,
        "cpu_s": seconds * processes,
        "rows_per_s": round(rows / seconds),
        "gigabytes": rows * 50 / 1e9,
    }
    return record("sample", rows, processes, **made, peak_mb_per_process=900.0)


def engine(name, seed, loss):
    found = {"source": "adult", "engine": name, "seed": seed, "loss": loss, "fit_s": 40.0}
    return record("engines", 44_842, 1 if name == "one" else 2) | found


def make_balance():
    found = {"seconds": 10.0, "gigabytes": 0.05}
    ways = dict.fromkeys(("resample", "sample", "copy", "sample_to_parquet"), found)
    return record("balance", 10**6, 2, **ways | {"resample": found | {"seconds": 11.5}}, new_rows=960_000)


def results():
    return [
        engine("one", 0, 18.0),
        engine("one", 1, 20.0),
        engine("torchrun", 0, 19.38),
        engine("dask", 0, 19.38),
        make_balance(),
        *(fitted("fit", rows, 1, 30_000) for rows in (10_000, 10_000_000)),
        *(fitted("speedup", 100_000, processes, 20_000 * processes) for processes in (1, 2)),
        sampled(10_000, 1, 2.1),
        sampled(1_000_000, 1, 12.0),
        sampled(1_000_000, 2, 7.5),
        *(record("threads", 20_000, p, seconds_per_fit=2.0 + p) for p in (1, 2)),
        record("fit", 7, 1) | {"error": "out of luck"},
    ]


def test_renders_every_part(bench):
    text = bench.render(results())
    cells = "2026-01-01, at most 60 s | 61 | 58 | 0.5 | 1,234,567 | 0.75 | 2.00 | 30,000 | 31,000 | 0.80 |"
    assert cells in text
    assert "20,000 rows/s, two under torchrun 40,000 rows/s: 2.00 times" in text
    assert "4.00 s with `n_jobs=2`: 1.33 times" in text
    assert "| torchrun | 1 | 19.380 | 1.0200 | – | 40 |" in text
    assert "| Dask | 1 | 19.380 | 1.0200 | 0.000000 | 40 |" in text
    assert "written: all rows | 11.5 | 1.15 | 50 |" in text
    assert "out of luck" in text
    assert bench.render([]).startswith("Every process has one thread")


def test_the_law_goes_through_what_one_process_took(bench):
    assert bench.fit_law([sampled(10_000, 1, 2.1), sampled(1_000_000, 1, 12.0)]) == pytest.approx((2.0, 1e-5))
    text = bench.render(results())
    assert "counted; 50 bytes a row" in text
    assert "| 1,000,000 rows, 2 processes, 2026-01-01 | 7.0 | 7.5 | 7.5 |" in text
    assert "| 64 cores | 3 | 0.8 |" in text


def test_parts_and_sizes_are_cells(bench, monkeypatch):
    options = load("run", monkeypatch).parse(bench, [])
    cells = list(bench.list_cells(options))
    wide, last = (
        {"part": "fit", "rows": 10**7, "columns": 60},
        {"source": "adult", "engine": "ray", "seed": 1},
    )
    assert all(any(wanted.items() <= cell.items() for cell in cells) for wanted in (wide, last))
    cells = [(cell["part"], cell["rows"], cell["processes"]) for cell in cells]
    assert {("fit", 10_000, 1), ("fit", 10_000, 2), ("sample", 10**8, 2), ("fit", 10**8, 1)} <= set(cells)
    assert ("fit", 10**8, 2) not in cells


def test_the_data_are_seeded_and_mixed(bench, tmp_path):
    frame = bench.make_rows(500, 3)
    pd.testing.assert_frame_equal(frame, bench.make_rows(500, 3))
    assert not frame.equals(bench.make_rows(500, 4))
    assert frame.shape == (500, 12)
    wide = bench.make_rows(500, 3, 60)
    assert wide.shape == (500, 60)
    assert frame.columns.isin(wide.columns).all()
    assert wide["size"].corr(wide["size_5"]) == pytest.approx(0.6, abs=0.1)
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


def test_a_real_table_is_cut_into_rows_to_fit_and_rows_to_judge(bench, tmp_path, monkeypatch):
    engines = load("_engines", monkeypatch)
    frame = pd.DataFrame({"size": range(9_000), "income": ["no", "yes"] * 4_500})
    monkeypatch.setattr(engines, "read_table", lambda name: (frame, {"target": "income"}))
    job = {"data": str(tmp_path), "source": "adult", "rows": 5_000}
    path, target, held = engines.write_table(job)
    fitted = pd.read_parquet(path)
    assert (target, len(fitted), len(held)) == ("income", 5_000, 4_000)
    assert sorted([*fitted["size"], *held["size"]]) == list(range(9_000))
