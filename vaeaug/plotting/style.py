"""The look that all pictures share, and how one column of two tables is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "CLASS_COLOURS",
    "GRID",
    "INK",
    "REAL",
    "SOFT",
    "add_legend",
    "bin_edges",
    "densities",
    "finish",
    "is_number",
    "new_axes",
    "shares",
    "thin_out",
]

# Okabe and Ito's palette: told apart with every common kind of colour vision.
CLASS_COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"),
    *("#999999", "#7A4419"),  # for ten classes
)
REAL, REAL_FILL, SYNTHETIC = "#8a94a0", "#bcc4cd", "#D55E00"
INK, SOFT, GRID = "#1c2430", "#5b6675", "#e3e7ec"
_MOST_POINTS = 1500
_MOST_LEVELS = 8
_MOST_BINS = 24


def new_axes(ax: Axes | None, size: tuple[float, float] = (5.6, 4.0)) -> tuple[Axes, Figure]:
    """Return the axes given, or those of a new figure of a size in inches, and their figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(figsize=size, layout="constrained").add_subplot()
    return ax, ax.figure  # type: ignore[return-value]


def finish(
    ax: Axes, *, xlabel: str = "", ylabel: str = "", title: str = "", size: int = 12, grid: str = ""
) -> None:
    """Give axes the common look, with lines of a grid across ``"x"`` or ``"y"``."""
    if grid:
        ax.grid(axis=grid, color=GRID)  # type: ignore[arg-type]
        ax.set_axisbelow(True)
    ax.set_xlabel(xlabel, color=SOFT)
    ax.set_ylabel(ylabel, color=SOFT)
    ax.set_title(title, color=INK, fontsize=size, loc="left", fontweight="bold")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#b8c0ca")
    ax.tick_params(colors=SOFT, labelsize=size - 3)


def add_legend(ax: Axes) -> None:
    """Put a legend below axes, where it covers no data; inside them where the figure makes no room for it."""
    from matplotlib.transforms import ScaledTranslation

    look: Any = {"frameon": False, "labelcolor": INK, "fontsize": 9, "handletextpad": 0.4}
    if ax.figure.get_layout_engine() is None:
        ax.legend(**look)
        return
    # Below ticks and the name of the axis, which are as high as their letters, whatever the size of the axes.
    below = ax.transAxes + ScaledTranslation(0, -0.5, ax.figure.dpi_scale_trans)
    widest = max((len(name) for name in ax.get_legend_handles_labels()[1]), default=0)
    columns = 2 if widest > 20 else 3 if widest > 11 else 4
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below, ncols=columns, **look)


def is_number(column: pd.Series) -> bool:
    """Tell whether a column is drawn as a density: numbers and dates, not categories and booleans."""
    kinds = pd.api.types
    if kinds.is_bool_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return bool(kinds.is_numeric_dtype(column) or kinds.is_datetime64_any_dtype(column))


def densities(ax: Axes, real: pd.Series, new: pd.Series, names: tuple[str, str]) -> None:
    """Draw numbers or dates of both tables as densities over the same bins."""
    dates = not pd.api.types.is_numeric_dtype(real)
    ax.set_yticks([])
    values = [_as_floats(part) for part in (real, new)]
    both = np.concatenate(values)
    if not len(both):
        return
    edges = bin_edges(both, len(values[0]))
    styles: list[dict[str, Any]] = [
        {"histtype": "stepfilled", "color": REAL_FILL},
        {"histtype": "step", "color": SYNTHETIC, "lw": 1.8},
    ]
    for part, name, style in zip(values, names, styles, strict=True):
        if len(part):
            ax.hist(np.clip(part, edges[0], edges[-1]), list(edges), density=True, label=name, **style)
    if dates:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=2, maxticks=4)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        ax.locator_params(axis="x", nbins=4)


def bin_edges(values: np.ndarray, rows: int) -> np.ndarray:
    """Return the edges of bins for values of both tables, given the number of real rows."""
    # Extreme values would squeeze the rest into one bar.
    low, high = np.quantile(values, [0.005, 0.995])
    if (values == np.round(values)).all():
        low, high = np.floor(low), np.ceil(high)
        width = np.ceil((high - low + 1) / _MOST_BINS)  # whole numbers: as many of them in every bin
        return np.arange(low, high + width + 0.5, width) - 0.5
    bins = int(np.clip(2 * rows ** (1 / 3), 8, _MOST_BINS))
    return np.histogram_bin_edges(values, bins, (low, high) if high > low else None)


def _as_floats(column: pd.Series) -> np.ndarray:
    """Return numbers as they are, dates in days since 1970."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64)
    naive = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz is not None else column
    return naive.to_numpy(dtype="datetime64[us]").astype(np.int64) / 86_400e6


def shares(ax: Axes, real: pd.Series, new: pd.Series, names: tuple[str, str]) -> None:
    """Draw the shares of the most frequent values of both tables as pairs of bars."""
    found = [part.astype(str).value_counts(normalize=True) for part in (real, new)]
    order = found[0].add(found[1], fill_value=0).sort_values(ascending=False).index[:_MOST_LEVELS]
    if isinstance(real.dtype, pd.CategoricalDtype) and real.dtype.ordered:
        order = pd.Index([str(level) for level in real.dtype.categories if str(level) in order])
    y = np.arange(len(order))[::-1]
    for share, name, colour, shift in zip(found, names, (REAL_FILL, SYNTHETIC), (0.2, -0.2), strict=True):
        ax.barh(y + shift, share.reindex(order, fill_value=0), 0.38, color=colour, label=name)
    ax.set_yticks(y, [level if len(level) <= 12 else level[:11] + "…" for level in order])
    room = max(3 - len(order), 0) / 2
    ax.set_ylim(-0.7 - room, len(order) - 0.3 + room)
    ax.set_xticks([])


def thin_out(rows: np.ndarray) -> np.ndarray:
    """Return at most 1,500 rows, evenly spaced."""
    if len(rows) <= _MOST_POINTS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _MOST_POINTS).astype(np.int64)]
