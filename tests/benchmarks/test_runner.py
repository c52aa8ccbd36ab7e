"""What all benchmarks share: runner, records, workers, pages."""

import importlib
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = sorted(path.stem for path in (FOLDER / "results").glob("*.jsonl"))
MACHINE = {"cpu": "CPU", "cores": 2, "load_average": 0.5, "python": "3.12"}


@pytest.fixture
def load(monkeypatch):
    """Import benchmark files as the runner does, from their own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.fixture
def bench(load):
    return load("_bench")


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """Write a module with one function ``work`` that processes of workers find."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(body):
        (tmp_path / "somework.py").write_text(f"def work(job):\n    {body}\n")
        return "somework:work"

    return write


def toy(measure):
    """Return a benchmark of two cells."""
    benchmark = types.ModuleType("toy", "A toy.")
    benchmark.KEY = ("entrant", "seed")
    benchmark.list_cells = lambda options: [{"entrant": "a", "seed": seed} for seed in options.seeds]
    benchmark.measure = measure
    benchmark.OPTIONS = {"--size": {"type": int, "default": 3}}
    benchmark.DEFAULTS = {"seeds": [0, 1]}
    return benchmark


def run_toy(load, tmp_path, measure):
    run, benchmark = load("run"), toy(measure)
    options = run.parse(benchmark, ["--out", str(tmp_path / "toy.jsonl")])
    run.run(benchmark, options)
    return load("_bench").Records(options.out, benchmark.KEY).read()


def test_the_runner_knows_all_benchmarks(load):
    assert sorted(load("run").NAMES) == NAMES


def test_a_record_says_what_where_and_with_what(load, tmp_path):
    record = run_toy(load, tmp_path, lambda cell, options: {"score": options.size * cell["seed"]})[1]
    assert (record["entrant"], record["seed"], record["score"], record["fast"]) == ("a", 1, 3, False)
    assert {"measured", "machine", "versions", "threads", "device"} <= set(record)


def test_cells_are_measured_once(load, tmp_path, capsys):
    run_toy(load, tmp_path, lambda cell, options: {})
    assert "a 0" in capsys.readouterr().out
    run_toy(load, tmp_path, lambda cell, options: {})
    assert capsys.readouterr().out == ""


def test_a_failure_is_a_record_and_is_tried_again(load, tmp_path):
    def fail(cell, options):
        raise ValueError("out of luck")

    assert run_toy(load, tmp_path, fail)[0]["error"] == "ValueError: out of luck"
    assert "error" not in run_toy(load, tmp_path, lambda cell, options: {"score": 1})[0]


def test_cells_are_chosen_by_their_fields(load, tmp_path):
    def run(*only):
        options = load("run").parse(toy(None), ["--out", str(tmp_path / "toy.jsonl"), "--only", *only])
        return [
            cell["seed"]
            for cell in toy(None).list_cells(options)
            if load("run").is_wanted(cell, options.only)
        ]

    assert run("seed=1") == [1]
    assert run("seed=0", "seed=1", "entrant=a") == [0, 1]
    assert run("entrant=b", "seed=1") == []


def test_a_field_that_no_cell_has_is_refused(load, capsys):
    with pytest.raises(SystemExit):
        load("run").parse(toy(None), ["--only", "sead=1"])
    assert "cells have entrant, seed" in capsys.readouterr().err


def test_fast_results_are_kept_apart(load):
    run = load("run")
    options = run.parse(toy(None), ["--fast"])
    assert FOLDER not in options.out.parents
    assert run.parse(toy(None), []).out == FOLDER / "results" / "toy.jsonl"


def test_a_line_that_was_cut_short_is_left_out(bench, tmp_path):
    records = bench.Records(tmp_path / "lines.jsonl", ("a",))
    records.append({"a": 1})
    with records.path.open("a") as file:
        file.write('{"a": 2, "b"')
    assert records.read() == [{"a": 1}]
    records.append({"a": 3})
    assert records.read() == [{"a": 1}, {"a": 3}]


def test_the_last_line_of_a_cell_counts(bench, tmp_path):
    records = bench.Records(tmp_path / "lines.jsonl", ("a",))
    for line in ({"a": 1, "score": 1}, {"a": 2, "score": 2}, {"a": 1, "score": 3}):
        records.append(line)
    assert [record["score"] for record in records.read()] == [3, 2]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_the_results(load, bench, name):
    benchmark = load(name)
    text = benchmark.render(bench.Records(FOLDER / "results" / f"{name}.jsonl", benchmark.KEY).read())
    page = (FOLDER / f"{name}.md").read_text()
    shown = page.split(f"<!-- {name}:begin -->")[1].split(f"<!-- {name}:end -->")[0]
    assert shown.strip() == text.strip()


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_rectangular(name):
    for block in (FOLDER / f"{name}.md").read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_the_summary_links_to_every_page():
    linked = set(re.findall(r"\]\((\w+)\.md\)", (FOLDER / "README.md").read_text()))
    assert linked == set(NAMES)


def test_inject_replaces_only_what_is_between_the_markers(bench, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- t:begin -->\nold\n<!-- t:end -->\nbelow\n")
    bench.inject(page, "t", "new")
    bench.inject(page, "t", "newer")
    assert page.read_text() == "above\n<!-- t:begin -->\n\nnewer\n\n<!-- t:end -->\nbelow\n"
    with pytest.raises(SystemExit, match="markers"):
        bench.inject(page, "other", "new")


def test_differences_are_paired_by_seed(bench):
    # Differences .1, .2, .3: mean .2, deviation .1, t(2) = 4.303.
    mine = [{"seed": seed, "nats": nats} for seed, nats in ((0, 3.0), (1, 5.0), (2, 7.0), (9, 10.0))]
    other = [{"seed": seed, "nats": nats} for seed, nats in ((0, 2.0), (1, 3.0), (2, 4.0))]
    assert bench.compare_seeds(mine, other, "nats") == "+2.00 [-0.48, +4.48]"
    assert bench.compare_seeds(mine[:1], other[:1], "nats") == "–"


@pytest.mark.parametrize(("load_average", "busy"), [(1.0, False), (6.0, True)])
def test_a_busy_machine_is_told(bench, load_average, busy):
    record = {"measured": "today", "machine": MACHINE | {"load_average": load_average}}
    assert ("Other programs" in bench.tell_conditions([record])) == busy


def test_a_worker_answers_and_is_measured(bench, worker):
    function = worker("import os; return {'twice': 2 * job['n'], 'threads': os.environ['OMP_NUM_THREADS']}")
    with bench.limit_workers(3):
        answer = bench.run_worker(function, {"n": 21}, timeout=60)
    assert (answer["twice"], answer["threads"]) == (42, "3")
    assert "numpy" in answer["versions"]


def test_a_worker_that_fails_answers(bench, worker):
    answer = bench.run_worker(worker("raise SystemExit('out of luck')"), {}, timeout=60)
    assert "out of luck" in answer["error"]


def test_a_worker_that_hangs_is_stopped(bench, worker):
    answer = bench.run_worker(worker("import time; time.sleep(60)"), {}, timeout=0.3)
    assert "stopped after" in answer["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_interrupt_ends_the_worker(worker, tmp_path):
    told = tmp_path / "pid"
    function = worker(f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    code = (
        f"import sys; sys.path[:0] = [{str(FOLDER)!r}]; import _bench; _bench.run_worker({function!r}, {{}})"
    )
    runner = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    runner.send_signal(signal.SIGINT)
    runner.wait(timeout=60)
    assert not Path("/proc", told.read_text()).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the figure is getrusage's")
def test_peak_memory_is_the_workers_own(bench, worker):
    ballast = np.ones(300_000_000 // 8)  # must not show in the worker
    answer = bench.run_worker(worker("block = b'x' * 50_000_000; return {}"), {}, timeout=60)
    assert 50 < answer["peak_mb"] < 200
    del ballast
