"""Pictures of an assessment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaeaug.plotting.style import CLASS_COLOURS, SOFT, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AssessmentDisplay"]


@dataclass(kw_only=True, eq=False, repr=False)
class AssessmentDisplay:
    """How far each strategy moves a metric, with intervals, compared with plain training.

    Parameters
    ----------
    differences : DataFrame
        Indexed by strategy, with ``difference``, ``low`` and ``high``.
    subjects : sequence of str
        Strategies that stand out.
    metric : str
        Name for the axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.plotting.assessment import AssessmentDisplay
    >>> moved = pd.DataFrame({"difference": [0.02], "low": [-0.01], "high": [0.05]}, index=["SMOTE"])
    >>> AssessmentDisplay(differences=moved, metric="ROC AUC").plot().ax_.get_xlabel()
    'difference in ROC AUC to plain training'
    """

    differences: pd.DataFrame
    subjects: Any = ()
    metric: str = "score"

    @classmethod
    def from_assessment(
        cls, assessment: Any, *, metric: str | None = None, ax: Axes | None = None
    ) -> AssessmentDisplay:
        """Draw an :class:`Assessment`.

        Parameters
        ----------
        assessment : Assessment
        metric : str, optional
            By default the one of the verdict.
        ax : matplotlib Axes, optional
        """
        chosen = assessment.scoring if metric is None else metric
        display = cls(
            differences=assessment.differences(chosen),
            subjects=assessment.subjects,
            metric=assessment.metric(chosen).title,
        )
        return display.plot(ax=ax)

    def plot(self, ax: Axes | None = None, *, title: str = "") -> AssessmentDisplay:
        """Draw a dot and an interval per strategy; a new figure is made when no axes are given."""
        rows = self.differences.dropna(subset=["difference"])
        self.ax_, self.figure_ = new_axes(ax, (6.4, 1.2 + 0.32 * max(len(rows), 2)))
        y = np.arange(len(rows))[::-1]
        colours = [CLASS_COLOURS[name in self.subjects] for name in rows.index]
        self.ax_.axvline(0, color=SOFT, lw=1, ls="--", zorder=1)
        self.ax_.hlines(y, rows["low"], rows["high"], color=colours, lw=2.2, zorder=2)
        self.ax_.scatter(rows["difference"], y, s=46, color=colours, ec="white", lw=0.8, zorder=3)
        self.ax_.set_yticks(y, [_plain(name) for name in rows.index])
        self.ax_.set_ylim(-0.7, max(len(rows) - 0.3, 0.7))
        xlabel = f"difference in {_plain(self.metric)} to plain training"
        finish(self.ax_, xlabel=xlabel, title=title, grid="x")
        return self


def _plain(text: Any) -> str:
    """Return text that matplotlib does not read as mathematics."""
    return str(text).replace("$", r"\$")
