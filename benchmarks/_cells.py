"""Results that grow cell by cell: one line of JSON each, so that a run may be stopped and continued."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from _common import machine, now, versions

__all__ = ["Cells", "conditions"]


class Cells:
    """A file of measured cells.

    Parameters
    ----------
    path : Path
    names : tuple of str
        Fields that tell cells apart. A cell that was measured twice counts as it was last; one that
        failed is to be measured again.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self.path, self.names = path, names

    def records(self) -> list[dict[str, Any]]:
        """Return the latest record of each cell, in the order of first measuring."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text().splitlines() if line.strip()]
        return list({self._key(line): line for line in lines}.values())

    def missing(self, cell: dict[str, Any]) -> bool:
        """Tell whether a cell is still to be measured."""
        done = {self._key(record) for record in self.records() if "error" not in record}
        return self._key(cell) not in done

    def store(self, record: dict[str, Any]) -> None:
        """Append a measured cell, with when and where it was measured."""
        facts = {
            "measured": now(),
            "machine": machine(),
            "versions": versions(["vaeaug", "torch", "scikit-learn", "numpy"]),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as lines:
            lines.write(json.dumps(record | facts, ensure_ascii=False) + "\n")

    def _key(self, record: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(record.get(name) for name in self.names)


def conditions(records: list[dict[str, Any]], what: str) -> str:
    """Return a sentence on when and where records were measured."""
    if not records:
        return "Nothing measured yet."
    days = sorted(record["measured"] for record in records)
    places = dict.fromkeys(
        f"{r['machine']['cpu']}, one thread; Python {r['machine']['python']}, torch {r['versions']['torch']}."
        for r in records
    )
    smoke = " **Smoke test, not a result.**" if any(record.get("fast") for record in records) else ""
    return f"Measured {days[0]} to {days[-1]}. {' '.join(places)} {what}{smoke}"
