"""The answer of a report on one screen: a few figures, and what to do next as lines to paste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vaeaug.reports.pages import render

__all__ = ["Answer", "Figure"]


@dataclass(frozen=True)
class Figure:
    """A figure that is read first.

    Parameters
    ----------
    title : str
    value : str
    remark : str
        Below it, in small letters.
    """

    title: str
    value: str
    remark: str = ""


@dataclass(frozen=True)
class Answer:
    """Figures side by side, and code below them.

    Parameters
    ----------
    figures : sequence of Figure
    code : str
        Lines of Python; none where it is empty.

    Examples
    --------
    >>> from vaeaug.reports.answer import Answer, Figure
    >>> "<pre>x &lt; 1</pre>" in Answer([Figure("Probability", "93 %")], "x < 1").to_html()
    True
    """

    figures: Sequence[Figure]
    code: str = ""

    def to_html(self) -> str:
        """Return the section as HTML."""
        return render("answer.html", figures=self.figures, code=self.code)
