"""All that the model side learns about the data: the kinds and widths of an encoded row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["KINDS", "Layout", "Span"]

KINDS = ("categorical", "position", "hint", "continuous", "pixels")


@dataclass(frozen=True)
class Span:
    """A stretch of an encoded row.

    Parameters
    ----------
    kind : {"categorical", "position", "hint", "continuous", "pixels"}
        - ``"categorical"``: **one** encoded column that holds an integer code in
          ``[0, width)``, or −1 for "unknown" (no embedding, no loss).
        - ``"position"``: ``width`` columns in ``[0, 1)``, the place of a value inside its
          bin or bucket; uniform given the code, so it is drawn, not learned.
        - ``"hint"``: ``width`` real columns that only the encoder reads.
        - ``"continuous"``: ``width`` real columns, of about unit scale, with a Gaussian
          likelihood.
        - ``"pixels"``: an image; ``width`` counts channels × height × width.
    width : int
        Number of levels for ``"categorical"``, number of encoded columns otherwise.
    missing : bool, default=False
        Whether level 0 of a ``"categorical"`` span says that the cell is missing.

    Examples
    --------
    >>> from vaeaug.layout import Span
    >>> job = Span("categorical", 5)
    >>> job.columns, job.parameters
    (1, 5)
    """

    kind: str
    width: int
    missing: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Span: kind must be one of {KINDS}, got {self.kind!r}.")
        if self.width < 1:
            raise ValueError(f"Span: width must be at least 1, got {self.width!r}.")

    @property
    def columns(self) -> int:
        """Number of encoded columns."""
        return 1 if self.kind == "categorical" else self.width

    @property
    def parameters(self) -> int:
        """Number of decoder outputs."""
        return 0 if self.kind in ("position", "hint") else self.width


@dataclass(frozen=True)
class Layout:
    """The spans of an encoded row, in order.

    Parameters
    ----------
    spans : sequence of Span
    shape : tuple of int
        Shape of one encoded row: ``(width,)`` for tables, ``(C, H, W)`` for images.

    Examples
    --------
    >>> from vaeaug.layout import Layout, Span
    >>> Layout.row([Span("categorical", 5), Span("continuous", 1)]).shape
    (2,)
    >>> Layout.image(3, 32, 32).shape
    (3, 32, 32)
    """

    spans: tuple[Span, ...]
    shape: tuple[int, ...]

    @classmethod
    def row(cls, spans: Sequence[Span]) -> Layout:
        """Lay spans side by side in one flat row."""
        return cls(tuple(spans), (sum(span.columns for span in spans),))

    @classmethod
    def image(cls, channels: int, height: int, width: int) -> Layout:
        """Describe one image, channels first."""
        return cls((Span("pixels", channels * height * width),), (channels, height, width))

    @property
    def is_image(self) -> bool:
        """Whether a row is an image."""
        return len(self.shape) == 3

    @property
    def parameters(self) -> int:
        """Total number of decoder outputs."""
        return sum(span.parameters for span in self.spans)

    def columns(self, kind: str) -> np.ndarray:
        """Return the encoded column numbers of one kind, shape ``(k,)``, int64."""
        found: list[int] = []
        start = 0
        for span in self.spans:
            if span.kind == kind:
                found.extend(range(start, start + span.columns))
            start += span.columns
        return np.asarray(found, dtype=np.int64)

    @property
    def quantities(self) -> tuple[np.ndarray, np.ndarray]:
        """Encoded columns that tell values apart: real ones, and integer codes of categories; both int64.

        A number has an integer code for its bin and a hint for its place: the hint counts.
        """
        real: list[int] = []
        codes: list[int] = []
        start = 0
        for span in self.spans:
            if span.kind == "categorical":
                codes.append(start)
            elif span.kind != "position":
                if span.kind == "hint" and codes and (not real or codes[-1] > real[-1]):
                    codes.pop()
                real.extend(range(start, start + span.columns))
            start += span.columns
        return np.asarray(real, dtype=np.int64), np.asarray(codes, dtype=np.int64)

    @property
    def levels(self) -> np.ndarray:
        """Number of levels of each categorical column, in order, int64."""
        widths = [span.width for span in self.spans if span.kind == "categorical"]
        return np.asarray(widths, dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {
            "spans": [[span.kind, span.width, *[True] * span.missing] for span in self.spans],
            "shape": list(self.shape),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Layout:
        """Rebuild a layout from :meth:`to_json`."""
        return cls(tuple(Span(*span) for span in data["spans"]), tuple(data["shape"]))
