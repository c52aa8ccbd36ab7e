"""A chart of differences with intervals as a section of a report: text stays text, on any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.reports.pages import render
from vaeaug.utils.wording import format_change

__all__ = ["Intervals"]


@dataclass(frozen=True)
class Intervals:
    """Differences, their intervals, and the middle line of no difference.

    Parameters
    ----------
    title : str
    frame : DataFrame
        A row per line of the chart, with ``difference``, ``low`` and ``high``; ends may be missing.
    up : bool, default=True
        Whether positive differences are good; if not, the axis is mirrored, so that right is better.
    highlighted : sequence of str
        Rows that stand out.
    note : str
        Shown below the chart.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.reports.intervals import Intervals
    >>> moved = pd.DataFrame({"difference": [0.02], "low": [-0.01], "high": [0.05]}, index=["<b>"])
    >>> "&lt;b&gt;" in Intervals("Differences", moved).to_html()
    True
    """

    title: str
    frame: pd.DataFrame
    up: bool = True
    highlighted: Sequence[str] = ()
    note: str = ""

    def to_html(self) -> str:
        """Return the section as HTML."""
        ends = self.frame[["difference", "low", "high"]].to_numpy(dtype=float)
        finite = np.abs(ends[np.isfinite(ends)])
        reach = 1.05 * finite.max() if len(finite) and finite.max() > 0 else 1.0
        rows = [
            self._describe_row(str(name), values, reach)
            for name, values in zip(self.frame.index, ends, strict=True)
        ]
        return render("intervals.html", title=self.title, rows=rows, note=self.note)

    def _describe_row(self, name: str, values: np.ndarray, reach: float) -> dict[str, Any]:
        """Return what the template shows of a row; text is empty where a number is missing."""
        middle, low, high = values
        return {
            "name": name,
            "own": name in self.highlighted,
            "places": [f"{self._place(value, reach):.2f}%" for value in values],
            "middle": _sign(middle) if np.isfinite(middle) else "",
            "ends": f"{_sign(low)} to {_sign(high)}" if np.isfinite(low) and np.isfinite(high) else "",
        }

    def _place(self, value: float, reach: float) -> float:
        """Return where a value lies, in per cent of the width."""
        return 50 + (50 if self.up else -50) * value / reach


def _sign(value: float) -> str:
    return format_change(value).replace("-", "−")
