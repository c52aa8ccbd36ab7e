"""Draw rows some of whose columns are given, or must lie in a set: sequential importance sampling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vaeaug.nn.distributions import pick_component
from vaeaug.nn.likelihoods.row_distribution import RowDistribution, choose_likeliest, sharpen
from vaeaug.nn.likelihoods.row_weights import RowWeights

__all__ = [
    "Allowed",
    "Blocks",
    "ChosenRows",
    "Evidence",
    "RowSets",
    "TokenSet",
    "draw_given",
    "find_cell",
    "place_token",
]

#: Candidates are chosen anew where fewer than this share of them carries the weight.
_FEWEST_EFFECTIVE = 0.5
_TINY = 1e-37


@dataclass(frozen=True)
class TokenSet:
    """What a condition allows of one column: stretches of positions inside tokens.

    Parameters
    ----------
    levels : int
        Tokens of the column.
    token : Tensor of int64 (k,)
        Of each stretch, rising.
    low, high : Tensor of float64 (k,)
        Where a stretch begins and ends inside its token, from 0 to 1; those of a token do not overlap.
    """

    levels: int
    token: Tensor
    low: Tensor
    high: Tensor
    shares: Tensor = field(init=False)
    _ends: Tensor = field(init=False)
    _before: Tensor = field(init=False)
    _last: Tensor = field(init=False)

    def __post_init__(self) -> None:
        length = self.high - self.low
        shares = length.new_zeros(self.levels).index_add_(0, self.token, length)
        counts = torch.bincount(self.token, minlength=self.levels)
        parts = {
            "shares": shares,
            "_ends": torch.cumsum(length, 0),
            "_before": torch.cumsum(shares, 0) - shares,
            "_last": torch.cumsum(counts, 0) - 1,
        }
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    def to(self, device: torch.device) -> TokenSet:
        """Return the same set on a device."""
        return TokenSet(self.levels, *(a.to(device) for a in (self.token, self.low, self.high)))

    def place(self, codes: Tensor, uniform: Tensor) -> Tensor:
        """Return a position in the stretches of each token ``(B,)``, given numbers from 0 to 1 ``(B,)``."""
        along = self._before[codes] + uniform * self.shares[codes]
        stretch = torch.searchsorted(self._ends, along, right=True).minimum(self._last[codes])
        place = self.high[stretch] - (self._ends[stretch] - along)
        return torch.clamp(place, self.low[stretch], self.high[stretch])

    def select(self, rows: Tensor) -> TokenSet:
        """Return the same set: it is that of every row."""
        return self


@dataclass(frozen=True)
class RowSets:
    """What each row may have in one column: for each token one stretch of positions.

    Parameters
    ----------
    shares : Tensor of float64 (B, levels)
        Share of each token that is allowed.
    low, high : Tensor of float64 (B, levels)
        Where that begins and ends inside the token, from 0 to 1.
    """

    shares: Tensor
    low: Tensor
    high: Tensor

    def place(self, codes: Tensor, uniform: Tensor) -> Tensor:
        """Return a position in the stretch of each token ``(B,)``, given numbers from 0 to 1 ``(B,)``."""
        low, high = (ends.gather(1, codes[:, None])[:, 0] for ends in (self.low, self.high))
        return low + uniform * (high - low)

    def select(self, rows: Tensor) -> RowSets:
        """Return the sets of some of the rows, by number; one may be named more than once."""
        return RowSets(self.shares[rows], self.low[rows], self.high[rows])


#: What cells of one column may be, in all rows or in each.
Allowed = TokenSet | RowSets


@dataclass(frozen=True)
class Evidence:
    """What drawn rows are to meet.

    Parameters
    ----------
    sets : mapping of int to TokenSet or RowSets
        By number of the categorical column.
    given : Tensor (B, W) or None
        Encoded rows; tokens below 0 are not given.
    log_weights : Tensor (B,) or None
        What the candidates weigh beforehand: log of the density of their codes over that of their draws.
    """

    sets: Mapping[int, Allowed] = field(default_factory=dict)
    given: Tensor | None = None
    log_weights: Tensor | None = None


@dataclass(frozen=True)
class Blocks:
    """Candidates lie block by block; rows are chosen among those of a block.

    Parameters
    ----------
    candidates, rows : Tensor of int64 (b,)
        How many there are, and how many of them are wanted.
    """

    candidates: Tensor
    rows: Tensor


@dataclass(frozen=True)
class ChosenRows:
    """Rows that meet the evidence.

    Parameters
    ----------
    x : Tensor (n, W)
        Block by block.
    candidates : Tensor of int64 (n,)
        Whose code each row has.
    log_mass : Tensor of float64 (b,)
        Estimate of the log-probability of the evidence, for each block.
    effective : Tensor of float64 (b,)
        How many equally weighted candidates those of the block are worth.
    """

    x: Tensor
    candidates: Tensor
    log_mass: Tensor
    effective: Tensor


@torch.no_grad()
def draw_given(
    distribution: RowDistribution, evidence: Evidence, blocks: Blocks, temperature: float = 1.0
) -> ChosenRows:
    """Draw rows that meet the evidence, exactly; their weights are those of sequential importance sampling.

    Columns are drawn in their order. Where one is given, or must lie in a set A, it is drawn from
    ``p(x_j | x_<j, z) 1[x_j ∈ A]``, and the candidate's weight is multiplied by ``p(x_j ∈ A | x_<j, z)``.
    Candidates are chosen anew in proportion to their weights (Doucet and Johansen 2009, *A tutorial on
    particle filtering and smoothing*, section 3.5), the last time after the last such column: the columns
    behind it are drawn for the chosen rows alone.

    Parameters
    ----------
    distribution : RowDistribution
        Of the candidates, batch shape ``(B,)``.
    evidence : Evidence
    blocks : Blocks
    temperature : float, default=1.0
        As in :meth:`RowDistribution.draw`.
    """
    walk = _Walk(distribution, evidence, blocks, temperature)
    asked = [j for j in range(len(distribution.likelihood.levels)) if walk.asks(j)]
    last = asked[-1] if asked else -1
    for j in range(last + 1):
        walk.step(j)
        if j < last and walk.asks(j):
            walk.refresh()
    walk.choose(blocks.rows)
    for j in range(last + 1, len(distribution.likelihood.levels)):
        walk.step(j)
    return walk.finish()


class _Walk:
    """Candidates on their way through the columns."""

    def __init__(
        self, distribution: RowDistribution, evidence: Evidence, blocks: Blocks, temperature: float
    ) -> None:
        self.model = model = distribution.likelihood
        self.temperature, self.blocks, self.sets = temperature, blocks, evidence.sets
        self.paths, self.fallback = distribution.open_paths(), distribution.fallback
        params, rows = distribution.params, len(distribution.params)
        self.share = None if self.fallback is None else self.fallback[1]
        self.x = params.new_zeros(rows, model.layout.shape[0])
        self.x[:, model.position_columns] = (
            torch.rand_like(self.x[:, model.position_columns]) if temperature else 0.5
        )
        self.codes = torch.empty(rows, len(model.levels), dtype=torch.int64, device=params.device)
        self.hints = params.new_zeros(rows, len(model.scales.token_columns))
        self.numbers = {owner: i for i, owner in enumerate(model.scales.token_columns)}
        self.given = evidence.given
        self.columns = model.token_columns.tolist()
        self._find_given()
        wide = torch.float32 if params.device.type == "mps" else torch.float64
        weights = evidence.log_weights
        self.log_weights = torch.zeros(rows, dtype=wide, device=params.device) if weights is None else weights
        self.owners = torch.repeat_interleave(blocks.candidates)
        self.sizes = blocks.candidates
        self.origin = torch.arange(rows, device=params.device)
        self.log_mass = torch.zeros(len(blocks.rows), dtype=wide, device=params.device)
        self.kept = torch.ones_like(self.log_mass)

    def _find_given(self) -> None:
        self.known = None if self.given is None else self.given[:, self.columns].to(torch.int64)
        self.is_given = [] if self.known is None else (self.known >= 0).any(0).tolist()

    def asks(self, j: int) -> bool:
        """Whether column j is given or must lie in a set."""
        return j in self.sets or (bool(self.is_given) and self.is_given[j])

    def step(self, j: int) -> None:
        """Draw column j, and weigh the candidates by how probable what is asked of it was."""
        logits, *other = (path.logits(j, self.codes, self.hints) for path in self.paths)
        if self.share is not None:
            fall = torch.rand(len(logits), 1, device=logits.device) < self.share[:, None]
            logits = torch.where(fall, other[0], logits)
        may_lack = self.model.may_lack[j]
        shares = sharpen(logits, self.temperature or 1.0, may_lack)
        known = self.known[:, j] if self.known is not None and self.is_given[j] else None
        if known is not None:
            found = shares.gather(1, known.clamp(min=0)[:, None])[:, 0].clamp(min=_TINY)
            self.log_weights += torch.where(known >= 0, found.log(), 0.0)
        if j in self.sets:
            shares = shares * self.sets[j].shares.to(shares)
            mass = shares.sum(1).clamp(min=_TINY).log()
            self.log_weights += mass if known is None else torch.where(known < 0, mass, 0.0)
        code = pick_component(shares) if self.temperature else choose_likeliest(shares, may_lack)
        self.codes[:, j] = code if known is None else torch.where(known >= 0, known, code)
        place_token(self.model, self.x, j, self.codes[:, j], self.sets.get(j), bool(self.temperature))
        if known is not None and self.given is not None:
            part = slice(*find_cell(self.model, j))
            self.x[:, part] = torch.where(known[:, None] >= 0, self.given[:, part], self.x[:, part])
        if j in self.numbers:
            i = self.numbers[j]
            self.hints[:, i] = self.x[:, self.model.scales.columns[i]]

    def refresh(self) -> None:
        """Choose candidates anew, as many as before, where few of them carry the weight."""
        if float(self._measure_effective().min()) < _FEWEST_EFFECTIVE:
            self.choose(self.sizes)

    def _measure_effective(self) -> Tensor:
        """Return the share of candidates of each block that carry the weight, ``(b,)``."""
        weights = self._scale()[0]
        zeros = torch.zeros_like(self.log_mass)
        total = zeros.index_add(0, self.owners, weights)
        return total.square() / zeros.index_add(0, self.owners, weights.square()) / self.sizes

    def _scale(self) -> tuple[Tensor, Tensor]:
        """Return weights with a maximum of 1 in each block ``(B,)``, and the logs of the maxima ``(b,)``."""
        highest = torch.full_like(self.log_mass, -torch.inf)
        highest = highest.scatter_reduce(0, self.owners, self.log_weights, "amax")
        return (self.log_weights - highest[self.owners]).exp(), highest

    def choose(self, rows: Tensor) -> None:
        """Go on with as many rows of each block as asked for, by systematic choice; all weigh alike then."""
        self.kept = self.kept * self._measure_effective()
        weights, highest = self._scale()
        total = torch.zeros_like(self.log_mass).index_add(0, self.owners, weights)
        self.log_mass = self.log_mass + highest + (total / self.sizes).log()
        along = weights.cumsum(0)
        ends = self.sizes.cumsum(0)
        before = along[ends - 1] - total
        owners = torch.repeat_interleave(rows)
        rank = torch.arange(len(owners), device=rows.device) - (rows.cumsum(0) - rows)[owners]
        start = torch.rand(len(rows), dtype=along.dtype, device=rows.device)
        wanted = before[owners] + (rank + start[owners]) / rows[owners] * total[owners]
        index = torch.searchsorted(along, wanted, right=True)
        index = index.maximum((ends - self.sizes)[owners]).minimum(ends[owners] - 1)
        for path in self.paths:
            path.choose(index)
        self.x, self.codes, self.hints = self.x[index], self.codes[index], self.hints[index]
        self.share = None if self.share is None else self.share[index]
        self.given = None if self.given is None else self.given[index]
        self.known = None if self.known is None else self.known[index]
        self.sets = {j: allowed.select(index) for j, allowed in self.sets.items()}
        self.origin, self.owners, self.sizes = self.origin[index], owners, rows
        self.log_weights = torch.zeros_like(wanted)

    def finish(self) -> ChosenRows:
        """Return the rows as they are."""
        return ChosenRows(self.x, self.origin, self.log_mass, self.kept * self.blocks.candidates)


def find_cell(model: RowWeights, j: int) -> tuple[int, int]:
    """Return where the j-th categorical column begins and ends, with position and hint."""
    columns = [*model.token_columns.tolist(), model.layout.shape[0]]
    return columns[j], columns[j + 1]


def place_token(
    model: RowWeights,
    x: Tensor,
    j: int,
    codes: Tensor,
    allowed: Allowed | None,
    is_random: bool = True,
) -> None:
    """Write tokens of column j into rows ``(B, W)``, with their positions and hints.

    Parameters
    ----------
    model : RowWeights
    x : Tensor (B, W)
        Changed in place.
    j : int
    codes : Tensor of int64 (B,)
    allowed : TokenSet, RowSets or None
        Where positions may lie; None leaves those of a number as they are.
    is_random : bool, default=True
        Draw positions; if not, they are in the middle.
    """
    first, beyond = find_cell(model, j)
    x[:, first] = codes.to(x)
    if allowed is not None and beyond > first + 1:
        uniform = torch.rand(len(codes), dtype=allowed.low.dtype, device=codes.device)
        place = allowed.place(codes, uniform if is_random else torch.full_like(uniform, 0.5))
        x[:, first + 1] = place.to(x)
    scales = model.scales
    if j in scales.token_columns:
        i = scales.token_columns.index(j)
        position = x[:, scales.positions[i]] if scales.positions[i] >= 0 else 0.5
        x[:, scales.columns[i]] = scales.hint(i, codes, position)
