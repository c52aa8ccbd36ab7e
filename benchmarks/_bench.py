"""What all benchmarks share: records as lines of JSON, workers in their own process, tables in pages."""

from __future__ import annotations

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

BENCHMARKS = Path(__file__).resolve().parent
RESULTS = BENCHMARKS / "results"
PACKAGES = (
    "vaeaug",
    "torch",
    "torchvision",
    "ctgan",
    "imbalanced-learn",
    "mostlyai-engine",
    "numpy",
    "pandas",
    "pyarrow",
    "pythae",
    "scikit-learn",
    "sdmetrics",
    "xgboost",
)
MB = 1_000_000
#: Programs per core from which on wall times say little.
BUSY = 1.5

Record = dict[str, Any]


class Records:
    """A file of records, one line of JSON each; ``key`` are the fields that tell cells apart.

    Of a cell that was measured twice the later line counts; one that failed is to be measured again.
    """

    def __init__(self, path: Path, key: tuple[str, ...]) -> None:
        self.path, self.key = path, (*key, "fast")

    def read(self) -> list[Record]:
        """Return the latest record of each cell, in the order of first measuring.

        A line of a run without fields of a cell holds facts of all lines of that run. A line that was cut
        short, because the process was stopped, is left out.
        """
        if not self.path.exists():
            return []
        runs: dict[str, Record] = {}
        found: dict[tuple[Any, ...], Record] = {}
        for text in self.path.read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if not any(name in line for name in self.key[:-1]):
                runs[line["run"]] = line
            else:
                found[self._identify(line)] = runs.get(line.get("run"), {}) | line
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
        # Files of before say nothing where a field has its usual value.
        return tuple(record.get(name) or 0 for name in self.key)


# ---------------------------------------------------------------- facts


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that have to do with results."""
    found = {}
    for package in PACKAGES:
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
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    asked = subprocess.run(query, capture_output=True, text=True, check=False)
    return asked.stdout.strip().splitlines()[0] if asked.returncode == 0 and asked.stdout.strip() else None


def cache_folder() -> Path:
    """Return where trained judges and made images are kept between runs."""
    root = os.environ.get("VAEAUG_BENCHMARK_CACHE")
    folder = Path(root) if root else Path(tempfile.gettempdir()) / "vaeaug-benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# ---------------------------------------------------------------- workers


def run_worker(
    function: str,
    job: Mapping[str, Any],
    *,
    python: str = sys.executable,
    threads: int = 1,
    timeout: float = 3600.0,
    processes: int = 1,
) -> dict[str, Any]:
    """Call ``module:function`` with a job in a process of its own, or several under torchrun.

    The answer gains ``versions`` and ``peak_mb``: the larger of the process's own high-water mark and the
    largest sum over it and its children that was seen. A worker that fails or takes longer than
    ``timeout`` seconds answers ``{"error": last lines of its output}``.
    """
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    environment = os.environ | dict.fromkeys(limits, str(threads))
    folders = [str(BENCHMARKS), str(BENCHMARKS.parent), os.environ.get("PYTHONPATH")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    with tempfile.TemporaryDirectory() as folder:
        request, answer, log = (Path(folder) / name for name in ("job.json", "answer.json", "log.txt"))
        request.write_text(json.dumps(dict(job)))
        command = [python, *(torchrun if processes > 1 else []), str(BENCHMARKS / "_bench.py")]
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, function, str(request), str(answer)],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            tree_peak, late = _watch(process, timeout)
        if process.returncode != 0 or not answer.exists():
            tail = log.read_text(errors="replace").strip().splitlines()[-3:]
            return {"error": f"stopped after {timeout:.0f} s" if late else " | ".join(tail)}
        result = json.loads(answer.read_text())
    result["peak_mb"] = round(max(result["peak_mb"], tree_peak / MB), 1)
    return result


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


def _watch(process: subprocess.Popen[bytes], timeout: float) -> tuple[int, bool]:
    """Wait for a process; return the largest memory of its family in bytes and whether it was late."""
    peak, look = 0, time.monotonic()
    deadline = look + timeout
    try:
        while process.poll() is None:
            now = time.monotonic()
            if now > deadline:
                return peak, True
            if now >= look:
                family = _list_family(process.pid)
                # Alone, the worker's own high-water mark is exact and costs nothing.
                if len(family) > 1:
                    peak = max(peak, sum(_read_kb(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in family))
                # Walking a family's pages stops its threads; at one part in a hundred that does no harm.
                look = now + max(0.25, 100 * (time.monotonic() - now))
            time.sleep(0.1)
        return peak, False
    finally:
        # Late, or this process was interrupted: nobody waits for the answer any more.
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _list_family(pid: int) -> list[int]:
    members, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        members.append(current)
        for children in Path(f"/proc/{current}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                waiting.extend(int(child) for child in children.read_text().split())
    return members


def _read_kb(path: str, name: str) -> int:
    """Return a size in bytes that the system gives in kB; 0 where it gives none."""
    text = _read_field(path, name)
    return 1024 * int(text.split()[0]) if text else 0


def read_peak_mb() -> float:
    """Return the calling process's largest resident memory so far, in MB (10⁶ bytes).

    Linux keeps ``getrusage``'s figure across ``exec``, so a small worker started by a large parent would
    report the parent's; the high-water mark of the address space does not.
    """
    peak = _read_kb("/proc/self/status", "VmHWM:")
    if not peak:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return peak / MB


def time_call(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return the wall seconds of a call, and its value."""
    began = time.perf_counter()
    value = function(*arguments)
    return round(time.perf_counter() - began, 3), value


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


def summarize(
    groups: Mapping[str, Sequence[Record]], columns: Sequence[Column], *, first: str = "", count: str = ""
) -> str:
    """Return a table of a row for each group; ``count`` titles a column of the numbers of records."""
    header = [first, *([count] if count else []), *(column.title for column in columns)]
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


def compare_seeds(mine: Mapping[int, float], other: Mapping[int, float]) -> str:
    """Return the mean difference over common seeds and Student's 95 % interval; ``–`` below two seeds."""
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
    """Say when, where and with which packages records were measured: a paragraph a run or a machine."""
    known = [record for record in records if "machine" in record]
    if not known:
        return "Nothing measured yet."
    paragraphs = []
    for mine in group(known, lambda record: record.get("run", "") + _place(record)).values():
        times = sorted({record.get("run") or record["measured"] for record in mine})
        loads = sorted({record["machine"].get("load_average") or 0.0 for record in mine})
        used = {name: number for record in mine for name, number in _packages(record).items()}
        paragraphs.append(
            f"Measured {' to '.join(dict.fromkeys((times[0], times[-1])))}: {_place(mine[0])}, load "
            f"{' to '.join(dict.fromkeys((f'{loads[0]:g}', f'{loads[-1]:g}')))}; "
            + ", ".join(f"{name} {number}" for name, number in sorted(used.items()))
            + "."
        )
    remarks = [note] if note else []
    if any(record.get("fast") for record in known):
        remarks.append("**Smoke test, not a result.**")
    busy = [r["machine"].get("load_average") or 0.0 for r in known]
    if any(load > BUSY * r["machine"]["cores"] for load, r in zip(busy, known, strict=True)):
        remarks.append(
            f"**Other programs ran at the same time** (load up to {max(busy):.1f}): wall times are those of "
            "a busy machine, two to three times those of a quiet one. CPU seconds are not affected."
        )
    return "\n\n".join([*paragraphs, " ".join(remarks)]).strip()


def _place(record: Record) -> str:
    facts, threads = record["machine"], record.get("threads", 1)
    gpu = facts.get("gpu") if record.get("device", "cpu") != "cpu" else None
    memory = f", {facts['memory_gb']} GB" if "memory_gb" in facts else ""
    cores = f"{facts['cores']} core" + ("s" if facts["cores"] > 1 else "")
    return (
        f"{gpu or facts['cpu']}, {cores}, {threads} thread{'s' if threads > 1 else ''} a process{memory}; "
        f"Python {facts['python']}"
    )


def _packages(record: Record) -> dict[str, str]:
    # Records of images and tables name the packages of what judged them, too.
    judge = record.get("judge")
    return (judge if isinstance(judge, dict) else {}) | record.get("versions", {})


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
