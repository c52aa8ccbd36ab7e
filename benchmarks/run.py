"""Run a benchmark: measure what its results lack, or write its results into its page.

    python benchmarks/run.py NAME             measure; --help tells the options of a benchmark
    python benchmarks/run.py NAME --only set=mnist seed=0    cells of which fields have these values
    python benchmarks/run.py NAME --fast      does everything run? Hardly any training, results are not kept
    python benchmarks/run.py NAME --render    write results/NAME.jsonl into NAME.md

A benchmark is a module with ``KEY`` (fields that tell cells apart), ``list_cells`` (options to all cells, in
order; read while cells are measured), ``measure`` (a cell and options to what was measured) and ``render``
(records to Markdown), a page with two markers, and a line in the README. It may have ``OPTIONS`` (flag to
arguments of ``add_argument``) and ``DEFAULTS`` (of the options here). Each cell is measured once and is then
a line of results: the fields of the cell, what was measured, and when, where and with which packages. So a
run may be stopped and continued, or done in pieces.
"""

import argparse
import contextlib
import importlib
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import _bench as bench
from _bench import Record

NAMES = sorted(path.stem for path in bench.BENCHMARKS.glob("[a-z]*.py") if path.stem != "run")


def parse(benchmark: Any, arguments: list[str]) -> argparse.Namespace:
    """Return the options of a benchmark."""
    name = benchmark.__name__
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(f"run.py {name}", description=benchmark.__doc__, formatter_class=raw)
    add = parser.add_argument
    for flag, settings in getattr(benchmark, "OPTIONS", {}).items():
        add(flag, **settings)
    fields = (
        f"only cells with these values, of {', '.join(benchmark.KEY)}; several of a field are alternatives"
    )
    add("--only", nargs="+", default=[], metavar="FIELD=VALUE", help=fields)
    add("--seeds", nargs="+", type=int, default=[0])
    add("--threads", type=int, default=1, help="threads of each process")
    add("--device", default="cpu", help="cpu, cuda or auto")
    add("--peer-python", default=sys.executable, help="python of the environment with the peers")
    add("--again", action="store_true", help="measure also what the results hold")
    add("--fast", action="store_true", help="hardly train; results go to a temporary folder")
    add("--out", type=Path, default=None, help=f"results (default: results/{name}.jsonl)")
    add("--render", action="store_true", help=f"only write the results into {name}.md")
    parser.set_defaults(**getattr(benchmark, "DEFAULTS", {}))
    options = parser.parse_args(arguments)
    if unknown := {text.partition("=")[0] for text in options.only} - set(benchmark.KEY):
        parser.error(f"--only names {', '.join(sorted(unknown))}; cells have {', '.join(benchmark.KEY)}")
    if options.out is None:
        folder = Path(tempfile.mkdtemp(prefix="vaeaug-fast-")) if options.fast else bench.RESULTS
        options.out = folder / f"{name}.jsonl"
    return options


def run(benchmark: Any, options: argparse.Namespace) -> None:
    """Measure the cells that are missing, or write what was measured into the page."""
    records = bench.Records(options.out, benchmark.KEY)
    if options.render:
        name = benchmark.__name__
        bench.inject(bench.BENCHMARKS / f"{name}.md", name, benchmark.render(records.read()))
        return
    with limit_threads(options.threads):
        for cell in benchmark.list_cells(options):
            cell = cell | {"fast": options.fast}
            if is_wanted(cell, options.only) and (options.again or records.lack(cell)):
                record = measure_cell(benchmark, cell, options)
                records.append(record)
                found = {k: v for k, v in record.items() if k not in (*cell, "machine", "versions")}
                text = record.get("error") or json.dumps(found, ensure_ascii=False)
                print(*(value for value in cell.values() if value is not False), text[:300], flush=True)


def is_wanted(cell: Record, only: list[str]) -> bool:
    """Tell whether each field that is named has one of the values beside its name."""
    wanted = bench.group(only, lambda text: text.partition("=")[0])
    return all(f"{name}={cell.get(name)}" in texts for name, texts in wanted.items())


def measure_cell(benchmark: Any, cell: Record, options: argparse.Namespace) -> Record:
    """Return the record of a cell; what fails is a record, too."""
    facts = {"machine": bench.describe_machine(), "threads": options.threads, "device": options.device}
    try:
        found = benchmark.measure(cell, options)
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    facts["versions"] = bench.versions() | found.pop("versions", {})
    return cell | found | facts | {"measured": bench.now()}


@contextlib.contextmanager
def limit_threads(threads: int) -> Any:
    """Let this process and its workers compute with so many threads; hush learners that do not converge."""
    import sklearn.ensemble
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with bench.limit_workers(threads), threadpool_limits(threads), warnings.catch_warnings():
            warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
            yield
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in NAMES:
        raise SystemExit(f"{__doc__}\nNAME is one of {', '.join(NAMES)}.")
    module = importlib.import_module(sys.argv[1])
    run(module, parse(module, sys.argv[2:]))
