"""Start several processes that train together, as torchrun would, and wait for them."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment() -> dict[str, str]:
    """Return the variables of a quiet process that finds the package and the tests."""
    paths = [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run_ranks(ranks: int, *arguments: str, timeout: float = 120) -> list[tuple[int, str, float]]:
    """Run ``rank_tasks.py`` in so many processes; return exit code, output and seconds of each."""
    port, started = str(free_port()), time.monotonic()
    processes = []
    for rank in range(ranks):
        told = {"RANK": str(rank), "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        processes.append(
            subprocess.Popen(
                [sys.executable, str(TESTS / "rank_tasks.py"), *arguments],
                env={**environment(), **told, "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    found = []
    try:
        for process in processes:
            output, _ = process.communicate(timeout=timeout)
            found.append((process.returncode, output, time.monotonic() - started))
    finally:
        for process in processes:
            process.kill()
    return found


def run_torchrun(ranks: int, *arguments: str, timeout: float = 180) -> None:
    """Run ``rank_tasks.py`` under torchrun; raise with its output if it fails."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    command += [str(TESTS / "rank_tasks.py"), *arguments]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=timeout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
