"""Measure what augmentation on the fly costs on top of plain loading.

Needs a quiet machine: the claim is a few per cent of an epoch. Each measurement runs in a process of its own,
in which epochs with and without augmentation take turns.
"""

import argparse
import statistics
from collections.abc import Iterator

import _bench as bench
from _bench import Record

KEY = ("what", "workers")
ARMS = ("plain", "AugmentedDataset", "AugmentedDataset(refresh_every=4)", "BatchAugment")
#: Speed does not depend on how well the model is trained. Of the epochs, those that count, after one that
#: warms up.
SETTINGS = {"seed": 0, "p": 0.5, "size": 28, "items": 20_000, "epochs": 4, "batch_size": 128}
SETTINGS |= {"augmenter_items": 2_000, "augmenter_epochs": 2, "one_by_one_items": 500}
FAST = {"items": 600, "epochs": 1, "augmenter_items": 200, "augmenter_epochs": 1, "one_by_one_items": 20}


def list_cells(options: argparse.Namespace) -> Iterator[Record]:
    for workers in (0, 2):
        for what in ("epoch", "throughput"):
            yield {"what": what, "workers": workers}


def measure(cell: Record, options: argparse.Namespace) -> Record:
    settings = SETTINGS | (FAST if options.fast else {})
    return settings | bench.run_worker("_loaders:time_loading", cell | settings | {"device": options.device})


def render(records: list[Record]) -> str:
    """Return both tables and the line that says where they come from."""
    known = [record for record in records if "error" not in record]
    r = SETTINGS | (known[0] if known else {})
    sizes = f"{r['items']:,} images of {r['size']}×{r['size']}, batches of {r['batch_size']}, p = {r['p']}."
    return bench.join_sections(
        {
            "": bench.tell_conditions(records, sizes),
            "Cost of an epoch of ResNet-20": _tabulate_epochs(known),
            "Synthetic images per second": _tabulate_throughput(known),
            "Not measured": bench.list_failures(records, KEY),
        }
    )


def _tabulate_epochs(records: list[Record]) -> str:
    rows = []
    for record in records:
        if record["what"] == "epoch":
            plain = record["epoch_s"]["plain"]
            for arm in ARMS:
                times = record["epoch_s"][arm]
                # Turns of one round met the same machine, so they are compared with each other; the mean,
                # since a pool that serves four epochs is paid for in one of them.
                extra = statistics.fmean(100 * (a / b - 1) for a, b in zip(times, plain, strict=True))
                pool = f"{statistics.fmean(record['pool_s'][arm]):.2f}" if arm in ARMS[1:3] else "–"
                cost = "–" if arm == "plain" else f"{extra:+.1f} %"
                rows.append([f"{arm}, {record['workers']} workers", bench.spread(times), pool, cost])
    return bench.markdown_table(["loading", "epoch s", "of it the pool s", "on top of plain"], rows)


def _tabulate_throughput(records: list[Record]) -> str:
    rows = []
    for record in records:
        if record["what"] == "throughput":
            pool, single = record["items_per_s"]["pool"], record["items_per_s"]["one by one"]
            name = f"{record['workers']} workers"
            rows.append([name, f"{pool:,.0f}", f"{single:,.0f}", f"{pool / single:.0f} ×"])
    return bench.markdown_table(["", "AugmentedDataset", "one by one", "ratio"], rows)


DEFAULTS = {"threads": 2}
