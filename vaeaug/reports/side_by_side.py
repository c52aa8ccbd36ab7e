"""Real and new rows side by side as sections of a report: findings, small charts, maps of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from vaeaug.reports.pages import render

__all__ = ["Bars", "Card", "Cards", "Findings", "Heatmap", "Heatmaps", "Histogram"]

_HEIGHT = 40.0
_LONGEST, _LONGEST_BELOW = 15, 9
#: Sizes of a map, in pixels of a wide screen.
_LEFT, _BELOW, _ACROSS, _DOWN, _LINE = 104, 52, 240, 160, 26


@dataclass(frozen=True)
class Findings:
    """Sentences in order, each with a word for its weight.

    Parameters
    ----------
    title : str
    items : sequence of (str, str)
        ``"serious"`` or ``"minor"``, and a sentence.
    note : str
    """

    title: str
    items: Sequence[tuple[str, str]]
    note: str = ""

    def to_html(self) -> str:
        """Return the section as HTML."""
        return render("findings.html", title=self.title, items=self.items, note=self.note)


@dataclass(frozen=True)
class Bars:
    """Shares of categories.

    Parameters
    ----------
    rows : sequence of (str, float, float)
        Label, and shares of real and of new rows, in [0, 1].
    """

    rows: Sequence[tuple[str, float, float]]

    @property
    def lines(self) -> list[dict[str, str]]:
        """What the template shows of each row."""
        most = max((max(real, new) for _, real, new in self.rows), default=1) or 1
        return [
            {
                "label": label,
                "real": f"{100 * real / most:.2f}%",
                "new": f"{100 * new / most:.2f}%",
                "texts": f"{_spell_share(real)} / {_spell_share(new)} %",
            }
            for label, real, new in self.rows
        ]


@dataclass(frozen=True)
class Histogram:
    """Shares of rows in bins of equal width.

    Parameters
    ----------
    real, new : sequence of float
        In [0, 1], one for each bin.
    low, high : str
        Where bins begin and end.
    """

    real: Sequence[float]
    new: Sequence[float]
    low: str
    high: str

    @property
    def paths(self) -> tuple[str, str]:
        """Outlines of both sides in a box of 100 by 40."""
        most = max(*self.real, *self.new, 1e-12)
        return _outline(self.real, most), _outline(self.new, most)


@dataclass(frozen=True)
class Card:
    """One small chart.

    Parameters
    ----------
    title, remark : str
    chart : Bars, Histogram or None
    lines : sequence of str
        Below it.
    is_odd : bool
        Whether it stands out.
    """

    title: str
    remark: str
    chart: Bars | Histogram | None = None
    lines: Sequence[str] = field(default=())
    is_odd: bool = False

    @property
    def kind(self) -> str:
        """Which chart it is, for the template."""
        return type(self.chart).__name__


@dataclass(frozen=True)
class Cards:
    """Small charts side by side.

    Parameters
    ----------
    title : str
    cards : sequence of Card
    note : str

    Examples
    --------
    >>> from vaeaug.reports.side_by_side import Bars, Card, Cards
    >>> page = Cards("Columns", [Card("<b>", "category", Bars([("yes", 0.25, 0.5)]))]).to_html()
    >>> "&lt;b&gt;" in page, "25 / 50 %" in page
    (True, True)
    """

    title: str
    cards: Sequence[Card]
    note: str = ""

    def to_html(self) -> str:
        """Return the section as HTML."""
        return render("cards.html", title=self.title, cards=self.cards, note=self.note)


@dataclass(frozen=True)
class Heatmap:
    """How the values of one column go with those of another, on both sides.

    Parameters
    ----------
    title : str
    below, left : sequence of str
        Names of columns and rows of squares, from the left and from the top.
    real, new : sequence of sequence of float
        Shares in [0, 1] by row and column.
    captions : (str, str)
    """

    title: str
    below: Sequence[str]
    left: Sequence[str]
    real: Sequence[Sequence[float]]
    new: Sequence[Sequence[float]]
    captions: tuple[str, str]

    @property
    def panels(self) -> list[dict[str, object]]:
        """What the template draws of either side."""
        wide, down = _ACROSS / max(len(self.below), 1), min(_DOWN, _LINE * max(len(self.left), 1))
        high = down / max(len(self.left), 1)
        most = max((value for side in (self.real, self.new) for row in side for value in row), default=1) or 1
        tops = [i * high for i in range(len(self.left))]
        found = []
        for side, caption in zip((self.real, self.new), self.captions, strict=True):
            squares = [
                (
                    f"{_LEFT + j * wide:.1f}",
                    f"{tops[i]:.1f}",
                    f"{value / most:.3f}",
                    f"{value:.0%}".replace("%", " %"),
                )
                for i, row in enumerate(side)
                for j, value in enumerate(row)
            ]
            found.append({"caption": caption, "squares": squares})
        rows = [
            (f"{top + high / 2 + 4:.1f}", _cut(name, _LONGEST))
            for top, name in zip(tops, self.left, strict=True)
        ]
        columns = [
            (f"{_LEFT + (j + 0.5) * wide + 3:.1f}", _cut(name, _LONGEST_BELOW))
            for j, name in enumerate(self.below)
        ]
        size = {"width": f"{wide - 1:.1f}", "height": f"{high - 1:.1f}", "rows": rows, "columns": columns}
        box = {
            "left": _LEFT - 6,
            "bottom": f"{down + 12:.0f}",
            "box": f"0 0 {_LEFT + _ACROSS} {down + _BELOW:.0f}",
        }
        return [panel | size | box for panel in found]


@dataclass(frozen=True)
class Heatmaps:
    """Maps of pairs of columns.

    Parameters
    ----------
    title : str
    maps : sequence of Heatmap
    note : str
    """

    title: str
    maps: Sequence[Heatmap]
    note: str = ""

    def to_html(self) -> str:
        """Return the section as HTML."""
        return render("heatmaps.html", title=self.title, maps=self.maps, note=self.note)


def _outline(shares: Sequence[float], most: float) -> str:
    """Return the steps of a histogram as the path of an SVG."""
    wide = 100 / len(shares)
    tops = [_HEIGHT * (1 - share / most) for share in shares]
    path = [f"M0,{_HEIGHT:.0f}V{tops[0]:.2f}"]
    path += [f"H{(i + 1) * wide:.3f}V{after:.2f}" for i, (_, after) in enumerate(pairwise(tops))]
    return "".join([*path, f"H100V{_HEIGHT:.0f}"])


def _spell_share(value: float) -> str:
    if 0 < value < 0.0005:
        return "<0.1"
    return f"{100 * value:.{0 < value < 0.0995:d}f}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
