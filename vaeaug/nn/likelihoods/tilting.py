"""Exponential tilts: what a small class says about single columns, and a trained model does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor, nn

__all__ = ["ClassTilts", "Classes", "TokenColumns", "find_tilts"]

#: Rows of the classes that are looked at, from the first number on and below the second: fewer rows
#: show nothing, more are learned in training.
_FEWEST, _ENOUGH = 6, 1_000
_ROUNDS = 3

#: Chance that a column is tilted though nothing is wrong with it.
_LEVEL = 0.05
#: How strongly a tilt is drawn to none: the precision of its coefficients beforehand.
_PRECISION = 1.0
#: Rows that a category's present share counts for beside the observed ones.
_SHRINKAGE = 2.0
_NEWTON_STEPS, _LONGEST_STEP, _CLOSE = 50, 1.0, 1e-6
#: The most that a round moves a log-odds.
_MOST = 3.0
_TINY = 1e-12
#: Shares are kept this far off 0 and 1, where log-odds end.
_RAREST = 1e-6


@dataclass(frozen=True)
class TokenColumns:
    """Where the tokens of columns lie, one column after the other, and what those of numbers are worth.

    Parameters
    ----------
    levels : ndarray of int64 (d,)
        Tokens of each column, at least one.
    ordered : ndarray of bool (d,)
        Whether a column's tokens are numbers.
    values : ndarray of float64 (tokens,)
        What numbers are worth, on a scale where they are about standard normal; 0 of exactly a missing one.
    """

    levels: np.ndarray
    ordered: np.ndarray
    values: np.ndarray

    @cached_property
    def owners(self) -> np.ndarray:
        """The column of each token, int64 (tokens,)."""
        return np.repeat(np.arange(len(self.levels)), self.levels)

    def sums(self, x: np.ndarray) -> np.ndarray:
        """Add ``(tokens, ...)`` up column by column, ``(d, ...)``."""
        return np.add.reduceat(x, np.cumsum(self.levels) - self.levels, axis=0)

    def shares(self, x: np.ndarray) -> np.ndarray:
        """Divide ``(tokens,)``, none below 0, by their sums; of a column of zeros all share alike."""
        sums = self.sums(x)[self.owners]
        return np.where(sums > 0, x / np.maximum(sums, _TINY), 1.0 / self.levels[self.owners])


@dataclass(frozen=True)
class Classes:
    """The classes of rows, and where contexts tell them.

    Parameters
    ----------
    numbers : ndarray of int (n,)
        Of each row; from K on where the class is unknown.
    block : (int, int)
        The first context column of classes, and one past the last.
    contexts : int
        Context columns in all.
    """

    numbers: np.ndarray
    block: tuple[int, int]
    contexts: int

    def small(self) -> np.ndarray:
        """Return the numbers of the classes that may be tilted."""
        start, stop = self.block
        counts = np.bincount(self.numbers, minlength=stop - start)[: stop - start]
        return np.flatnonzero((counts >= _FEWEST) & (counts < _ENOUGH))


class ClassTilts(nn.Module):
    """What the contexts of small classes add to the logits of tokens; nothing before :meth:`fit`.

    Parameters
    ----------
    levels : list of int
        Tokens of each column.
    """

    table: Tensor

    def __init__(self, levels: list[int]) -> None:
        super().__init__()
        self._ends = np.cumsum([0, *levels])
        # A row for each context column, or none at all as long as no class is tilted.
        self.register_buffer("table", torch.zeros(0, int(self._ends[-1])))
        #: Numbers of the columns that some class tilts: drawing looks at no others.
        self.columns: frozenset[int] = frozenset()

    @property
    def any(self) -> bool:
        """Whether some class is tilted."""
        return bool(self.columns)

    def forward(self, c: Tensor, j: int | None = None) -> Tensor:
        """Return what contexts ``(B, K)`` add to all logits ``(B, tokens)``, or to those of column j."""
        table = self.table if j is None else self.table[:, self._ends[j] : self._ends[j + 1]]
        return c.to(table) @ table if len(table) else table.new_zeros(len(c), table.shape[1])

    def fit(
        self,
        columns: TokenColumns,
        codes: np.ndarray,
        weights: np.ndarray | None,
        classes: Classes,
        draw: Callable[[int], tuple[np.ndarray, int]],
        turns: Callable[[int], Iterable[int]] = range,
    ) -> None:
        """Compare the rows of each small class with rows drawn for it, and tilt what lies off.

        Parameters
        ----------
        columns : TokenColumns
        codes : ndarray of int64 (n, d)
            Tokens of the rows, below 0 where unknown.
        weights : ndarray (n,) or None
        classes : Classes
        draw : callable
            Takes a class number; returns the share of each token ``(tokens,)`` among rows drawn for it with
            the tilts so far, and how many rows these were.
        turns : callable
            Gives the numbers of the rounds to go, from the number wanted.
        """
        self.clear()
        small = classes.small() if len(columns.levels) else np.zeros(0, dtype=np.int64)
        each = np.ones(len(codes)) if weights is None else weights
        counts = {group: self._count(codes, np.where(classes.numbers == group, each, 0.0)) for group in small}
        table = self.table.new_zeros(classes.contexts, self.table.shape[1])
        open_classes = set(small.tolist())
        for turn in turns(_ROUNDS):
            for group in sorted(open_classes):
                found, rows = counts[group]
                shares, drawn = draw(group)
                # Drawn rows are a sample too: both together are worth less.
                tilts = find_tilts(columns, found, shares, rows * drawn / (rows + drawn))
                if not tilts.any():
                    open_classes.remove(group)
                # Later rounds take smaller steps, so that the noise of their draws averages out.
                table[classes.block[0] + group] += torch.from_numpy(tilts / (1.0 + 0.5 * turn)).to(table)
            if table.any():
                self._set(table.clone())

    def _count(self, codes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the weight of each token, and how many rows of equal weight the rows are worth (Kish)."""
        rows = np.flatnonzero(weights)
        known = codes[rows] >= 0
        index = (codes[rows] + self._ends[:-1])[known]
        each = np.broadcast_to(weights[rows, None], known.shape)[known]
        counts = np.bincount(index, each, minlength=self._ends[-1])
        return counts, float(weights.sum() ** 2 / np.square(weights).sum())

    def clear(self) -> None:
        """Tilt nothing."""
        self._set(self.table[:0])

    def _set(self, table: Tensor) -> None:
        self.table = table
        tokens = np.flatnonzero(table.any(0).cpu().numpy()) if len(table) else np.zeros(0, dtype=np.int64)
        self.columns = frozenset((np.searchsorted(self._ends, tokens, side="right") - 1).tolist())

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object, **kwargs: object) -> None:
        # How many rows there are depends on the classes; early files have none.
        table = state_dict.setdefault(prefix + "table", self.table[:0])
        self._set(table.to(self.table))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def find_tilts(columns: TokenColumns, counts: np.ndarray, shares: np.ndarray, rows: float) -> np.ndarray:
    """Return what to add to a class's logits, so that its columns lie where its rows do.

    A network that learned a class from a dozen rows among thousands of values gives its new rows
    the heart rates of everybody, though the dozen's are all low: one column in hundreds hardly
    shows in the loss. A column is tilted if its values among the class's rows lie elsewhere than
    among drawn ones by more than chance explains (5 %):

    - of numbers v by ``exp(θ₁ v + θ₂ v² + θ₃ [v missing])``, the smallest change that moves their
      mean, spread and share of missing ones to a given place (exponential tilting; Csiszár 1975,
      "I-divergence geometry of probability distributions"). θ is the most probable one given the
      rows, normal around 0 beforehand; the test is the likelihood ratio's.
    - of a category by the log-odds that take its share to that among the rows, shrunk by two rows
      of the present share; the test is the binomial one, for each category (Bonferroni).

    Parameters
    ----------
    columns : TokenColumns
    counts : ndarray of float64 (tokens,)
        Rows of the class with each token.
    shares : ndarray of float64 (tokens,)
        Share of each token in its column among rows drawn for the class.
    rows : float
        How many independent rows the counts are worth; no more than they add up to.

    Returns
    -------
    ndarray of float64 (tokens,)
        0 throughout where nothing is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.nn.likelihoods.tilting import TokenColumns, find_tilts
    >>> columns = TokenColumns(np.array([3, 2]), np.array([True, False]), np.array([-1.0, 0.1, 1.0, 0, 0]))
    >>> drawn = np.array([0.3, 0.4, 0.3, 0.5, 0.5])
    >>> tilts = find_tilts(columns, np.array([12.0, 0, 0, 6, 6]), drawn, rows=12)
    >>> bool(tilts[0] > 1), tilts[3:].tolist()
    (True, [0.0, 0.0])
    """
    if not len(columns.levels):
        return np.zeros(0)
    p, q = columns.shares(np.asarray(shares, np.float64)), columns.shares(np.asarray(counts, np.float64))
    seen = columns.sums(counts) > 0
    numbers = np.where((columns.ordered & seen)[columns.owners], _tilt_numbers(columns, p, q, rows), 0.0)
    others = (~columns.ordered & seen & (columns.levels > 1))[columns.owners]
    return np.where(others, _tilt_categories(columns, p, q, rows), numbers)


def _tilt_numbers(columns: TokenColumns, p: np.ndarray, q: np.ndarray, rows: float) -> np.ndarray:
    v, owners = columns.values, columns.owners
    features = np.column_stack([v, v**2, v == 0.0])
    wanted = columns.sums(q[:, None] * features)
    theta = np.zeros_like(wanted)
    identity = np.eye(features.shape[1])
    for _ in range(_NEWTON_STEPS):
        tilted, _ = _tilt(columns, p, features, theta)
        mean = columns.sums(tilted[:, None] * features)
        off = features - mean[owners]
        spread = columns.sums(tilted[:, None, None] * off[:, :, None] * off[:, None, :])
        slope = rows * (wanted - mean) - _PRECISION * theta
        step = np.linalg.solve(rows * spread + _PRECISION * identity, slope[:, :, None])[:, :, 0]
        step *= np.minimum(1.0, _LONGEST_STEP / np.maximum(np.abs(step).max(1), _TINY))[:, None]
        theta += step
        if np.abs(step).max() < _CLOSE:
            break
    _, normaliser = _tilt(columns, p, features, theta)
    ratio = 2 * rows * ((theta * wanted).sum(1) - normaliser)
    mean = columns.sums(p[:, None] * features)
    freedom = (columns.sums(p[:, None] * (features - mean[owners]) ** 2) > _TINY).sum(1)
    wrong = stats.chi2.sf(ratio, np.maximum(freedom, 1)) < _LEVEL
    moved = (features * theta[owners]).sum(1)
    moved -= columns.sums(p * moved)[owners]
    return np.where(wrong[owners], np.clip(moved, -_MOST, _MOST), 0.0)


def _tilt(
    columns: TokenColumns, p: np.ndarray, features: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return shares times ``exp(features · θ)``, divided by their sums, and the logs of these."""
    exponent = (features * theta[columns.owners]).sum(1)
    highest = np.maximum.reduceat(exponent, np.cumsum(columns.levels) - columns.levels)
    mass = p * np.exp(exponent - highest[columns.owners])
    total = np.maximum(columns.sums(mass), np.finfo(np.float64).tiny)
    return mass / total[columns.owners], highest + np.log(total)


def _tilt_categories(columns: TokenColumns, p: np.ndarray, q: np.ndarray, rows: float) -> np.ndarray:
    n = max(1, round(rows))
    observed = np.round(q * n)
    beyond = np.minimum(stats.binom.cdf(observed, n, p), stats.binom.sf(observed - 1, n, p))
    wrong = 2 * beyond * columns.levels[columns.owners] < _LEVEL
    share = (q * rows + _SHRINKAGE * p) / (rows + _SHRINKAGE)
    after, before = special.logit(np.clip([share, p], _RAREST, 1 - _RAREST))
    return np.where(wrong, np.clip(after - before, -_MOST, _MOST), 0.0)
