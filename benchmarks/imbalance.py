"""Does it help classifiers of imbalanced tables? VAEOverSampler and sampler="auto" beside the alternatives.

    python benchmarks/imbalance.py --parts simple vaeaug auto         measure; a line per cell is appended
    python benchmarks/imbalance.py --datasets ecoli_imU --repeats 0   a piece of it
    python benchmarks/imbalance.py --render                           only write them into the README

A cell is one part (some of the ways to train) on one half of one set, tested on the other half: 5 repeats of
2 folds. Cells that the result file holds are not measured again, so a run may be stopped and continued. One
process, one thread.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from _common import README, RESULTS, inject, machine, now, versions
from _imbalance_report import render
from _imbalanced_sets import MOST_ROWS, SETS, load_set
from threadpoolctl import threadpool_limits

PARTS = ("simple", "vaeaug", "auto", "distances", "tvae", "verdict", "verdict_repeated")
KEY = ("set", "repeat", "fold", "part")


def main() -> None:
    options = _options()
    if options.render:
        inject(README, "imbalance", render(read_lines(options.out)))
        return
    warnings.filterwarnings("ignore")  # of learners that do not converge, the same for every way to train
    # It brings vaeaug and torch, which rendering does not need.
    import torch
    from _imbalance_cells import Cell, halves

    # Several such processes would fight over the cores otherwise.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        _measure(options, Cell, halves)


def _measure(options: argparse.Namespace, cell_type: Any, halves: Any) -> None:
    done = {tuple(line[key] for key in KEY) for line in read_lines(options.out) if "part" in line}
    run = now()
    started = False
    for repeat in options.repeats:
        for name in options.datasets:
            wanted = [
                (fold, part)
                for fold in options.folds
                for part in options.parts
                if (name, repeat, fold, part) not in done
            ]
            if not wanted:
                continue
            if not started:
                append(options.out, _conditions(run))
                started = True
            data = load_set(name, options.rows)
            folds = halves(data, repeat)
            for fold, part in wanted:
                line: dict[str, Any] = {"set": name, "repeat": repeat, "fold": fold, "part": part, "run": run}
                line |= {"rows": len(data.X), "columns": data.X.shape[1], "ratio": round(data.ratio, 2)}
                line["all_rows"] = data.rows
                try:
                    cell = cell_type(data, repeat, folds[fold], options.peer_python)
                    line |= cell.measure(part)
                except Exception as error:
                    line["error"] = f"{type(error).__name__}: {error}"
                append(options.out, line)
                print(f"{name} {repeat}.{fold} {part}: {line.get('error', line.get('seconds'))}", flush=True)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a result file; a last line cut short by an end of the process is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line to a result file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    broken = path.exists() and not path.read_text().endswith("\n") and path.stat().st_size
    with path.open("a") as file:
        file.write(("\n" if broken else "") + json.dumps(line, ensure_ascii=False) + "\n")


def _conditions(run: str) -> dict[str, Any]:
    packages = ["vaeaug", "torch", "scikit-learn", "imbalanced-learn", "pandas", "numpy"]
    return {"run": run, "machine": machine(), "versions": versions(packages)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=list(SETS), choices=list(SETS), metavar="NAME")
    parser.add_argument("--repeats", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--folds", nargs="+", type=int, default=[0, 1], choices=[0, 1])
    parser.add_argument("--parts", nargs="+", default=list(PARTS[:4]), choices=PARTS)
    parser.add_argument("--rows", type=int, default=MOST_ROWS, help="larger sets are subsampled to so many")
    parser.add_argument("--peer-python", default=sys.executable, help="python of an environment with ctgan")
    parser.add_argument("--out", type=Path, default=RESULTS / "imbalance.jsonl")
    parser.add_argument("--render", action="store_true", help="only write the results into the README")
    return parser.parse_args()


if __name__ == "__main__":
    main()
