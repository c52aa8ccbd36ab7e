"""Measure what augmentation on the fly costs on top of plain loading.

    python benchmarks/dataloader.py             measure; results go to benchmarks/results/dataloader.json
    python benchmarks/dataloader.py --render    write these results into benchmarks/README.md

Needs a quiet machine: the claim is a few per cent of an epoch. Each measurement runs in a process of its own,
in which epochs with and without augmentation take turns.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from _common import (
    README,
    RESULTS,
    inject,
    machine,
    markdown_table,
    now,
    read_json,
    run_worker,
    spread,
    versions,
    write_json,
)

WORKER = Path(__file__).with_name("_loader_worker.py")
ARMS = ("plain", "AugmentedDataset", "AugmentedDataset(refresh_every=4)", "BatchAugment")
FAST = {
    "items": 600,
    "epochs": 1,
    "augmenter_items": 200,
    "augmenter_epochs": 1,
    "one_by_one_items": 20,
    "batch_size": 100,
}


def main() -> None:
    options = _options()
    if options.render:
        inject(README, "dataloader", render(read_json(options.out)))
        return
    results: dict[str, Any] = {
        "run": {
            "measured": now(),
            "machine": machine(),
            "threads": options.threads,
            "device": options.device,
            "fast": options.fast,
            "judge": versions(["vaeaug", "torch", "numpy"]),
        },
        "settings": _job(options, "epoch", 0),
        "records": [],
    }
    for workers in options.workers:
        for what in ("epoch", "throughput"):
            job = _job(options, what, workers)
            answer = run_worker(WORKER, job, threads=options.threads, timeout=options.timeout)
            results["records"].append({"what": what, "workers": workers} | answer)
            write_json(options.out, results)
            print(what, workers, answer, flush=True)


def _job(options: argparse.Namespace, what: str, workers: int) -> dict[str, Any]:
    job = {
        "what": what,
        "workers": workers,
        "threads": options.threads,
        "device": options.device,
        "seed": 0,
        "p": 0.5,
        "size": 28,
        "items": options.items,
        "epochs": options.epochs,
        "batch_size": 128,
        # Speed does not depend on how well the model is trained.
        "augmenter_items": 2_000,
        "augmenter_epochs": 2,
        "one_by_one_items": 500,
    }
    return job | (FAST if options.fast else {})


def render(results: dict[str, Any]) -> str:
    """Return both tables and the line that says where they come from."""
    run, settings = results["run"], results["settings"]
    facts = run["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in run["judge"].items())
    lines = [
        f"Run of {run['measured']}: {facts['cpu']}, {facts['cores']} cores, {run['threads']} threads, load "
        f"{facts['load_average']} at the start; {facts['gpu'] or 'no GPU'}; Python {facts['python']}, "
        f"{libraries}. "
        f"{settings['items']:,} images of {settings['size']}×{settings['size']}, batches of "
        f"{settings['batch_size']}, p = {settings['p']}"
        + ("; **a smoke run, no measurement**." if run["fast"] else "."),
        "### Cost of an epoch of ResNet-20",
        _epoch_table(results["records"]),
        "### Synthetic images per second",
        _throughput_table(results["records"]),
    ]
    failures = [r for r in results["records"] if "error" in r]
    lines += [f"- {r['what']}, {r['workers']} workers: {r['error']}" for r in failures]
    return "\n\n".join(line for line in lines if line)


def _epoch_table(records: list[dict[str, Any]]) -> str:
    rows = []
    for record in records:
        if record["what"] != "epoch" or "error" in record:
            continue
        plain = record["epoch_s"]["plain"]
        for arm in ARMS:
            times = record["epoch_s"][arm]
            # Turns of one round met the same machine, so they are compared with each other; the mean,
            # since a pool that serves four epochs is paid for in one of them.
            extra = statistics.fmean(100 * (a / b - 1) for a, b in zip(times, plain, strict=True))
            pool = f"{statistics.fmean(record['pool_s'][arm]):.2f}" if arm in ARMS[1:3] else "–"
            cost = "–" if arm == "plain" else f"{extra:+.1f} %"
            rows.append([f"{arm}, {record['workers']} workers", spread(times), pool, cost])
    return markdown_table(["loading", "epoch s", "of it the pool s", "on top of plain"], rows) if rows else ""


def _throughput_table(records: list[dict[str, Any]]) -> str:
    rows = []
    for record in records:
        if record["what"] == "throughput" and "error" not in record:
            rates = record["items_per_s"]
            pool, single = rates["pool"], rates["one by one"]
            cells = [
                f"{record['workers']} workers",
                f"{pool:,.0f}",
                f"{single:,.0f}",
                f"{pool / single:.0f} ×",
            ]
            rows.append(cells)
    return markdown_table(["", "AugmentedDataset", "one by one", "ratio"], rows) if rows else ""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", nargs="+", type=int, default=[0, 2], metavar="N")
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=4, help="turns that count, after one that warms up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds for each measurement")
    parser.add_argument(
        "--fast", action="store_true", help="a smoke run: shows that it works, measures nothing"
    )
    parser.add_argument("--render", action="store_true", help="write kept results into README.md")
    parser.add_argument("--out", type=Path, default=RESULTS / "dataloader.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
