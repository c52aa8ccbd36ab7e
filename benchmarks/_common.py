"""What all benchmarks share: machine facts, measured subprocesses, results as JSON, tables for the README."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BENCHMARKS = Path(__file__).resolve().parent
RESULTS = BENCHMARKS / "results"
README = BENCHMARKS / "README.md"
MB = 1_000_000


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of those packages that are installed."""
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def machine() -> dict[str, Any]:
    """Describe the machine as far as it bears on a measured time; no host or user name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(memory / 1e9, 1),
        "gpu": _gpu_model(),
        "python": platform.python_version(),
        # Shows whether the machine was quiet when the run began.
        "load_average": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _gpu_model() -> str | None:
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    asked = subprocess.run(query, capture_output=True, text=True, check=False)
    return asked.stdout.strip().splitlines()[0] if asked.returncode == 0 and asked.stdout.strip() else None


def run_worker(
    script: Path, job: Mapping[str, Any], *, python: str = sys.executable, threads: int, timeout: float
) -> dict[str, Any]:
    """Run ``script job.json answer.json`` in a process of its own and return its answer.

    The answer gains ``peak_mb``: the larger of what the script reports for itself and the
    largest sum over it and its children that was seen. A worker that fails or takes
    longer than ``timeout`` seconds answers ``{"error": last lines of its output}``.
    """
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    environment = os.environ | dict.fromkeys(limits, str(threads))
    root = str(BENCHMARKS.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        request, answer, log = (Path(folder) / name for name in ("job.json", "answer.json", "log.txt"))
        request.write_text(json.dumps(dict(job)))
        with log.open("w") as output:
            process = subprocess.Popen(
                [python, str(script), str(request), str(answer)],
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
    result["peak_mb"] = round(max(result.get("peak_mb", 0.0), tree_peak / MB), 1)
    return result


def _watch(process: subprocess.Popen[bytes], timeout: float) -> tuple[int, bool]:
    """Wait for a process; return the largest memory of its family in bytes and whether it was late."""
    peak, began = 0, time.monotonic()
    deadline, look = began + timeout, began
    while process.poll() is None:
        now = time.monotonic()
        if now > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return peak, True
        if now >= look:
            family = _family(process.pid)
            # Alone, the worker's own high-water mark is exact and costs nothing.
            if len(family) > 1:
                peak = max(peak, sum(map(_proportional_bytes, family)))
            # Walking a family's pages stops its threads; at one part in a hundred that does no harm.
            spent = time.monotonic() - now
            look = now + max(0.25, 100 * spent)
        time.sleep(0.1)
    return peak, False


def _family(pid: int) -> list[int]:
    members, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        members.append(current)
        for children in Path(f"/proc/{current}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                waiting.extend(int(child) for child in children.read_text().split())
    return members


def _proportional_bytes(pid: int) -> int:
    """Memory of a process, pages shared by k processes counted 1/k; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def own_peak_mb() -> float:
    """Return the calling process's largest resident memory so far, in MB (10⁶ bytes).

    Linux keeps ``getrusage``'s figure across ``exec``, so a small worker started by a large
    parent would report the parent's; the high-water mark of the address space does not.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / MB
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB


def write_json(path: Path, content: Any) -> None:
    """Write results, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    temporary.replace(path)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are numbers."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "--:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def inject(path: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name:begin -->`` and ``<!-- name:end -->`` in a file."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    content = path.read_text()
    if content.count(begin) != 1 or content.count(end) != 1:
        raise SystemExit(f"{path.name} must hold the markers {begin} and {end} exactly once each.")
    before, rest = content.split(begin)
    _, after = rest.split(end)
    path.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")


def spread(values: Iterable[float | None], digits: int = 2) -> str:
    """Return ``mean`` or, for several values, ``mean ± standard deviation``; ``–`` for none."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    text = f"{statistics.fmean(known):,.{digits}f}"
    return f"{text} ± {statistics.stdev(known):,.{digits}f}" if len(known) > 1 else text
