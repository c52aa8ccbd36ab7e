"""Which tokens, and which positions inside them, decode to cells that meet a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vaeaug.data.tables.base import ColumnCodec
from vaeaug.data.tables.quantiles import join_position, split_position

__all__ = ["Stretches", "count_positions", "find_stretches", "lay_out", "probe"]

#: Positions at which each token is looked at, and halvings that find where a stretch begins.
_PLACES, _HALVINGS = 32, 44
_BELOW_ONE = 1.0 - 2.0**-30
#: A value that no position but its own gives still has this share of its token.
_LEAST = 1e-9


@dataclass(frozen=True)
class Stretches:
    """Stretches of positions inside tokens.

    Parameters
    ----------
    token : ndarray of int64 (k,)
        Rising.
    low, high : ndarray of float64 (k,)
        Ends of each stretch, from 0 to 1; both belong to it.
    """

    token: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __and__(self, other: Stretches) -> Stretches:
        """Return what both allow."""
        i, j = (part.ravel() for part in np.indices((len(self.token), len(other.token))))
        low = np.maximum(self.low[i], other.low[j])
        high = np.minimum(self.high[i], other.high[j])
        kept = (self.token[i] == other.token[j]) & (low <= high)
        return Stretches(self.token[i][kept], low[kept], high[kept])

    @property
    def is_empty(self) -> bool:
        """Whether nothing is allowed."""
        return not len(self.token)

    @property
    def weighted(self) -> Stretches:
        """Return stretches of which none has a length of 0, so that each can be drawn."""
        return Stretches(self.token, self.low, np.maximum(self.high, self.low + _LEAST))

    def clip(self, token: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Return positions moved to the nearest stretch below, or the first one, of their token."""
        first = np.searchsorted(self.token, token)
        keys = self.token + np.minimum(self.low, _BELOW_ONE)
        found = np.searchsorted(keys, token + np.minimum(position, _BELOW_ONE), side="right") - 1
        found = np.maximum(found, first)
        return np.clip(position, self.low[found], self.high[found])

    def first(self, token: np.ndarray) -> np.ndarray:
        """Return the first position allowed in each token."""
        return self.low[np.searchsorted(self.token, token)]


def lay_out(codec: ColumnCodec, token: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return encoded columns of tokens and positions, float32 (n, w); hints are 0."""
    x = np.zeros((len(token), codec.width), dtype=np.float32)
    x[:, 0] = token
    columns = count_positions(codec)
    if columns:
        x[:, 1 : 1 + columns] = split_position(position, columns)
    return x


def count_positions(codec: ColumnCodec) -> int:
    """Return how many encoded columns hold the position."""
    return sum(span.columns for span in codec.spans if span.kind == "position")


def probe(codec: ColumnCodec) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens and positions that show about all that a column decodes to, both (m,)."""
    places = np.array([0.5])
    if count_positions(codec):
        places = np.concatenate([[0.0], (np.arange(_PLACES) + 0.5) / _PLACES, [_BELOW_ONE]])
    token = np.repeat(np.arange(codec.spans[0].width), len(places))
    return token, np.tile(places, codec.spans[0].width)


def find_stretches(
    codec: ColumnCodec, holds: Callable[[np.ndarray], np.ndarray], named: pd.Series | None = None
) -> Stretches:
    """Find which positions of which tokens meet a condition, by decoding some of them.

    Where a condition begins or ends inside a token, halving finds the place.

    Parameters
    ----------
    codec : ColumnCodec
    holds : callable
        Takes encoded columns (n, w); returns which rows meet the condition, bool (n,).
    named : Series, optional
        Cells near which a condition may begin or end.
    """
    token, position = probe(codec)
    columns = count_positions(codec)
    if named is not None and len(named) and columns:
        x = codec.encode(named)
        known = x[:, 0] >= 0
        token = np.concatenate([token, x[known, 0].astype(np.int64)])
        position = np.concatenate([position, join_position(x[known, 1 : 1 + columns])])
    order = np.lexsort((position, token))
    token, position = token[order], position[order]

    def meets(tokens: np.ndarray, positions: np.ndarray) -> np.ndarray:
        return holds(lay_out(codec, tokens, positions))

    kept = meets(token, position)
    begins = kept & np.append(True, (token[1:] != token[:-1]) | ~kept[:-1])
    ends = kept & np.append((token[1:] != token[:-1]) | ~kept[1:], True)
    first, last = np.flatnonzero(begins), np.flatnonzero(ends)
    if not columns:
        return Stretches(token[first], np.zeros(len(first)), np.ones(len(first)))
    low, high = position[first].copy(), position[last].copy()
    before, after = first - 1, np.minimum(last + 1, len(token) - 1)
    for place, others, own in ((low, before, first), (high, after, last)):
        inside = np.flatnonzero(
            (others >= 0) & (others != own) & (token[np.maximum(others, 0)] == token[own])
        )
        good, bad = place[inside].copy(), position[others[inside]]
        for _ in range(_HALVINGS if len(inside) else 0):
            middle = 0.5 * (good + bad)
            fits = meets(token[own[inside]], middle)
            good, bad = np.where(fits, middle, good), np.where(fits, bad, middle)
        place[inside] = good
    return Stretches(token[first], low, np.where(high >= _BELOW_ONE, 1.0, high))
