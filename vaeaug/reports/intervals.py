"""A chart of differences with intervals as a section of a report: text stays text, on any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

__all__ = ["Intervals"]

_STYLE = """<style>
.intervals { width: 100%; min-width: 0; table-layout: fixed; }
.intervals th { width: 30%; white-space: normal; overflow-wrap: anywhere; }
.intervals th, .intervals td { vertical-align: middle; }
.intervals td.number { width: 15rem; padding-left: .6rem; }
.intervals .ends { color: var(--soft); }
.intervals td.bar { padding: .1rem 0; }
.intervals svg { display: block; width: 100%; height: 1.5rem; overflow: visible; }
.intervals .zero { stroke: var(--soft); stroke-dasharray: 3 3; }
.intervals .range { stroke: var(--accent); stroke-width: 2.5; }
.intervals .dot { fill: var(--accent); }
.intervals .own .range { stroke: var(--worse); }
.intervals .own .dot { fill: var(--worse); }
.intervals .own th { font-weight: 600; }
@media (max-width: 40rem) { .intervals th { width: 43%; font-size: .8rem; }
  .intervals td.number { width: 3.7rem; padding: 0; }
  .intervals .ends { display: none; } }
</style>"""


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
        rows = "".join(
            self._row(str(name), values, reach) for name, values in zip(self.frame.index, ends, strict=True)
        )
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        return (
            f"<section><h2>{escape(self.title)}</h2>{_STYLE}"
            f'<table class="intervals"><tbody>{rows}</tbody></table>{note}</section>'
        )

    def _row(self, name: str, values: np.ndarray, reach: float) -> str:
        own = ' class="own"' if name in self.highlighted else ""
        middle, low, high = values
        where = [f"{self._place(value, reach):.2f}%" for value in values]
        line = dot = ""
        if np.isfinite(low) and np.isfinite(high):
            line = f'<line class="range" x1="{where[1]}" x2="{where[2]}" y1="50%" y2="50%"/>'
        if np.isfinite(middle):
            dot = f'<circle class="dot" cx="{where[0]}" cy="50%" r="5"/>'
        ends = f' <span class="ends">({_signed(low)} to {_signed(high)})</span>' if line else ""
        number = f"{_signed(middle)}{ends}" if dot else "–"
        picture = (
            '<svg aria-hidden="true"><line class="zero" x1="50%" x2="50%" y1="0" y2="100%"/>'
            f"{line}{dot}</svg>"
        )
        return (
            f'<tr{own}><th scope="row">{escape(name)}</th><td class="bar">{picture}</td>'
            f'<td class="number">{number}</td></tr>'
        )

    def _place(self, value: float, reach: float) -> float:
        """Return where a value lies, in per cent of the width."""
        return 50 + (50 if self.up else -50) * value / reach


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
