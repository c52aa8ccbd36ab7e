"""What all benchmarks share: records as lines of JSON, workers in their own process, tables in pages."""

import contextlib
import importlib
import json
import math
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest import mock

BENCHMARKS = Path(__file__).resolve().parent
RESULTS = BENCHMARKS / "results"
PACKAGES = ("vaeaug", "torch", "torchvision", "numpy", "pandas", "pyarrow", "scikit-learn", "xgboost")
PEERS = ("ctgan", "imbalanced-learn", "mostlyai-engine", "pythae")
MB = 1_000_000
#: Seconds after which a worker is stopped.
TIMEOUT = 7200.0
#: Programs per core from which on wall times say little.
BUSY = 1.5

Record = dict[str, Any]


class Records:
    """A file of records, one line of JSON each; ``key`` are the fields that tell cells apart.

    Of a cell that was measured twice the later line counts; one that failed is to be measured again. A line
    that was cut short, because the process was stopped, is left out.
    """

    def __init__(self, path: Path, key: tuple[str, ...]) -> None:
        self.path, self.key = path, (*key, "fast")

    def read(self) -> list[Record]:
        """Return the latest record of each cell, in the order of first measuring."""
        found: dict[tuple[Any, ...], Record] = {}
        for text in self.path.read_text().splitlines() if self.path.exists() else ():
            with contextlib.suppress(ValueError):
                line = json.loads(text)
                found[self._identify(line)] = line
        return list(found.values())

    def lack(self, cell: Record) -> bool:
        """Tell whether a cell is still to be measured."""
        done = {self._identify(record) for record in self.read() if "error" not in record}
        return self._identify(cell) not in done

    def append(self, record: Record) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cut = self.path.exists() and self.path.stat().st_size and not self.path.read_text().endswith("\n")
        with self.path.open("a") as lines:
            lines.write(("\n" if cut else "") + json.dumps(record, ensure_ascii=False) + "\n")

    def _identify(self, record: Record) -> tuple[Any, ...]:
        # Files say nothing where a field has its usual value.
        return tuple(record.get(name) or 0 for name in self.key)


# ---------------------------------------------------------------- facts


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that have to do with results."""
    found = {}
    for package in PACKAGES + PEERS:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def describe_machine() -> dict[str, Any]:
    """Describe the machine as far as it bears on a measured time; no host or user name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _read_field("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(memory / 1e9, 1),
        "gpu": _name_gpu(),
        "python": platform.python_version(),
        # Shows whether the machine was quiet when the run began.
        "load_average": round(os.getloadavg()[0], 2),
    }


def _read_field(path: str, name: str) -> str | None:
    """Return a field of a text file of the system, or None."""
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    return None


def _name_gpu() -> str | None:
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    if shutil.which(query[0]) is None:
        return None
    return (
        subprocess.run(query, capture_output=True, text=True, check=False).stdout.partition("\n")[0] or None
    )


# ---------------------------------------------------------------- workers


def limit_workers(threads: int) -> Any:
    """Let workers that are started inside this context compute with so many threads."""
    names = (f"{name}_NUM_THREADS" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"))
    return mock.patch.dict(os.environ, dict.fromkeys(names, str(threads)))


def run_worker(
    function: str,
    job: Mapping[str, Any],
    *,
    python: str = sys.executable,
    processes: int = 1,
    timeout: float = TIMEOUT,
) -> dict[str, Any]:
    """Call ``module:function`` with a job in a process of its own, or several under torchrun.

    The answer gains ``versions`` and ``peak_mb``, the largest memory of the (first) process. A worker that
    fails or takes longer than ``timeout`` seconds answers ``{"error": last lines of its output}``.
    """
    folders = filter(None, [str(BENCHMARKS), str(BENCHMARKS.parent), os.environ.get("PYTHONPATH")])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    with tempfile.TemporaryDirectory() as folder:
        request, answer, log = (Path(folder) / name for name in ("job.json", "answer.json", "log.txt"))
        request.write_text(json.dumps(dict(job)))
        command = [python, *(torchrun if processes > 1 else []), str(BENCHMARKS / "_bench.py")]
        command += [function, str(request), str(answer)]
        with log.open("w") as output:
            common = {"env": environment, "stderr": subprocess.STDOUT, "start_new_session": True}
            process = subprocess.Popen(command, stdout=output, **common)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                return {"error": f"stopped after {timeout:.0f} s"}
            finally:
                # Late, or this process was interrupted: nobody waits for the answer any more.
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if process.returncode != 0 or not answer.exists():
            return {"error": " | ".join(log.read_text(errors="replace").strip().splitlines()[-3:])}
        return json.loads(answer.read_text())


def answer_job(function: str, request: str, answer: str) -> None:
    """Do a job in this process; of several processes the first one answers."""
    module, name = function.split(":")
    job = json.loads(Path(request).read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = getattr(importlib.import_module(module), name)(job)
    if os.environ.get("RANK", "0") == "0":
        found = {"peak_mb": read_peak_mb(), "versions": versions()} | found
        Path(answer).write_text(json.dumps(found))


def read_peak_mb() -> float:
    """Return the calling process's largest resident memory so far, in MB (10⁶ bytes).

    Linux keeps ``getrusage``'s figure across ``exec``, so a small worker started by a large parent would
    report the parent's; the high-water mark of the address space does not.
    """
    if text := _read_field("/proc/self/status", "VmHWM:"):
        return round(1024 * int(text.split()[0]) / MB, 1)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB, 1)


def time_call(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return the wall seconds of a call, and its value."""
    began = time.perf_counter()
    value = function(*arguments)
    return round(time.perf_counter() - began, 3), value


def count_cpu_seconds() -> float:
    """Return the processor seconds of this process and of its children that ended."""
    return sum(os.times()[:4])


# ---------------------------------------------------------------- pages


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, where a record has the number, and how it is written.

    ``value`` is a field (``"fidelity.utility"`` for one inside another) or a function of a record.
    """

    title: str
    value: str | Callable[[Record], float | None]
    digits: int = 2
    factor: float = 1.0

    def show(self, records: Iterable[Record]) -> str:
        """Return the mean over records, with its standard deviation where there are several."""
        read = self.value if callable(self.value) else lambda record: look_up(record, self.value)
        known = [self.factor * value for value in map(read, records) if value is not None]
        return spread(known, self.digits)


def look_up(record: Record, path: str) -> Any:
    """Return a field, or None; dots lead into fields."""
    found: Any = record
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def group(records: Iterable[Record], key: str | Callable[[Record], str]) -> dict[str, list[Record]]:
    """Return records by a field, or by a function of them, in the order of first appearance."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(key(record) if callable(key) else record[key], []).append(record)
    return found


def summarize(groups: Mapping[str, Sequence[Record]], columns: Sequence[Column], *, count: str = "") -> str:
    """Return a table of a row for each group; ``count`` titles a column of the numbers of records."""
    header = ["", *([count] if count else []), *(column.title for column in columns)]
    rows = [
        [name, *([str(len(mine))] if count else []), *(column.show(mine) for column in columns)]
        for name, mine in groups.items()
    ]
    return markdown_table(header, rows)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are numbers; nothing without rows."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(header) + " |", "|---|" + "--:|" * (len(header) - 1), *lines])


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Return ``mean`` or, for several values, ``mean ± standard deviation``; ``–`` for none."""
    known = list(values)
    if not known:
        return "–"
    text = f"{statistics.fmean(known):,.{digits}f}"
    return f"{text} ± {statistics.stdev(known):,.{digits}f}" if len(known) > 1 else text


def compare_seeds(records: list[Record], others: list[Record], field: str, factor: float = 1.0) -> str:
    """Return the mean difference over common seeds and Student's 95 % interval; ``–`` below two seeds."""
    mine, other = ({r["seed"]: factor * r[field] for r in each} for each in (records, others))
    found = [mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())]
    if len(found) < 2:
        return "–"
    from scipy.stats import t

    mean = statistics.fmean(found)
    reach = t.ppf(0.975, len(found) - 1) * statistics.stdev(found) / math.sqrt(len(found))
    return f"{mean:+.2f} [{mean - reach:+.2f}, {mean + reach:+.2f}]"


def join_sections(sections: Mapping[str, str]) -> str:
    """Return sections with their titles; those without text are left out, the first needs no title."""
    return "\n\n".join(
        f"### {title}\n\n{text}" if title else text for title, text in sections.items() if text
    )


def tell_conditions(records: list[Record], note: str = "") -> str:
    """Say when, where and with which packages records were measured: a paragraph a machine."""
    known = [record for record in records if "machine" in record]
    if not known:
        return "Nothing measured yet."
    parts = []
    for place, mine in group(known, _name_place).items():
        used = {name: number for r in mine for name, number in r.get("versions", {}).items()}
        times, loads = sorted(r["measured"] for r in mine), sorted(map(_read_load, mine))
        when, load = (
            " to ".join(dict.fromkeys(f"{x[i]:{f}}" for i in (0, -1))) for x, f in ((times, ""), (loads, "g"))
        )
        parts.append(
            f"Measured {when}: {place}, load {load}; "
            + ", ".join(f"{name} {number}" for name, number in sorted(used.items()))
            + "."
        )
    remarks = [note] if note else []
    if any(record.get("fast") for record in known):
        remarks.append("**Smoke test, not a result.**")
    if any(_read_load(r) > BUSY * r["machine"]["cores"] for r in known):
        remarks.append(
            f"**Other programs ran at the same time** (load up to {max(map(_read_load, known)):.1f}): wall "
            "times are those of a busy machine, two to three times those of a quiet one. CPU seconds are not "
            "affected."
        )
    return "\n\n".join([*parts, " ".join(remarks)]).strip()


def _read_load(record: Record) -> float:
    return record["machine"].get("load_average") or 0.0


def _name_place(record: Record) -> str:
    facts, threads = record["machine"], record.get("threads", 1)
    gpu = facts.get("gpu") if record.get("device", "cpu") != "cpu" else None
    memory = f", {facts['memory_gb']} GB" if "memory_gb" in facts else ""
    cores = f"{facts['cores']} core" + "s" * (facts["cores"] > 1)
    where = f"{gpu or facts['cpu']}, {cores}, {threads} thread{'s' * (threads > 1)} a process{memory}"
    return f"{where}; Python {facts['python']}"


def list_failures(records: list[Record], key: Sequence[str]) -> str:
    """Return what could not be measured, and why."""
    return "\n".join(
        f"- {', '.join(str(record[name]) for name in key if record.get(name) is not None)}: {record['error']}"
        for record in records
        if "error" in record
    )


def inject(path: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name:begin -->`` and ``<!-- name:end -->`` in a file."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    content = path.read_text()
    if content.count(begin) != 1 or content.count(end) != 1:
        raise SystemExit(f"{path.name} must hold the markers {begin} and {end} exactly once each.")
    before, rest = content.split(begin)
    _, after = rest.split(end)
    path.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")


if __name__ == "__main__":
    answer_job(*sys.argv[1:])
