"""Scores as dots: several strategies, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaeaug.plotting.style import CLASS_COLOURS, GRID, REAL, add_legend, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ScoresDisplay"]


@dataclass(kw_only=True, eq=False, repr=False)
class ScoresDisplay:
    """Scores of several strategies, side by side, for several classifiers.

    Parameters
    ----------
    scores : DataFrame
        A row per classifier, a column per strategy.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.plotting.displays import ScoresDisplay
    >>> scores = pd.DataFrame({"before": [0.5, 0.6], "after": [0.7, 0.6]}, index=["tree", "forest"])
    >>> ScoresDisplay(scores=scores).plot(xlabel="recall").ax_.get_xlabel()
    'recall'
    """

    scores: pd.DataFrame

    def plot(self, ax: Axes | None = None, *, xlabel: str = "score", title: str = "") -> ScoresDisplay:
        """Draw a line of dots per classifier; a new figure is made when no axes are given."""
        self.ax_, self.figure_ = new_axes(ax)
        y = np.arange(len(self.scores))[::-1]
        low, high = self.scores.min(axis=1), self.scores.max(axis=1)
        self.ax_.hlines(y, low, high, color=GRID, lw=4, zorder=1)
        between = [CLASS_COLOURS[0], *CLASS_COLOURS[2:]]  # the first is grey, the last stands out
        count = self.scores.shape[1]
        colours = [REAL, *(between[j % len(between)] for j in range(count - 2)), CLASS_COLOURS[1]][-count:]
        shift = np.linspace(0.2, -0.2, count) if count > 1 else np.zeros(1)  # or equal scores hide dots
        for j, name in enumerate(self.scores.columns):
            look: dict[str, Any] = {
                "marker": "osD^vP"[j % 6],
                "ls": "",
                "color": colours[j],
                "ms": 9,
                "mec": "white",
            }
            self.ax_.plot(self.scores[name], y + shift[j], label=str(name), **look)
        self.ax_.set_yticks(y, [str(name) for name in self.scores.index])
        self.ax_.set_ylim(-0.6, len(y) - 0.4)
        finish(self.ax_, xlabel=xlabel, title=title, grid="x")
        add_legend(self.ax_)
        return self
