"""Weights of a masked autoregressive network over the columns of a row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.nn.likelihoods.base import Likelihood
from vaeaug.nn.likelihoods.ordered_tokens import OrderedTokens
from vaeaug.nn.likelihoods.peaks import Peaks
from vaeaug.nn.likelihoods.tilting import ClassTilts

__all__ = ["RowColumn", "RowWeights"]

#: The last layer starts small, so that training starts from the columns' marginals.
_SMALL = 0.02


@dataclass(frozen=True)
class RowColumn:
    """What belongs to one column of a row: its tokens among all, what its units read, and what they write."""

    tokens: slice
    read: Tensor
    hint_read: Tensor
    write: Tensor


class RowWeights(Likelihood):
    """Who reads and feeds what in a row: weights, their masks, and where the columns lie.

    Each shared unit has a degree i: it reads the tokens of columns before i and feeds columns
    from i on (Germain et al. 2015, *MADE*). A quarter of the units has degree 0 and reads no token.
    Each column may also have units of its own, which read all columns before it and feed it alone.

    Parameters
    ----------
    layout : Layout
        Of a flat row.
    hidden : int or "auto", default="auto"
        Shared units; ``"auto"`` takes 64 per column, within 256 to 768.
    autoregressive : bool, default=True
        If not, all units have degree 0.
    own : int, default=0
        Units that each column has of its own.
    peaks : int, default=0
        Peaks of each ordered column, see :class:`~vaeaug.nn.likelihoods.peaks.Peaks`.
    """

    token_columns: Tensor
    number_columns: Tensor
    position_columns: Tensor
    offsets: Tensor
    segments: Tensor
    read_mask: Tensor
    write_mask: Tensor
    smooth_read_mask: Tensor
    smooth_write_mask: Tensor
    hint_mask: Tensor

    def __init__(
        self,
        layout: Layout,
        hidden: int | str = "auto",
        autoregressive: bool = True,
        own: int = 0,
        peaks: int = 0,
    ) -> None:
        super().__init__()
        levels = torch.as_tensor(layout.levels)
        columns = len(levels)
        if hidden == "auto":
            hidden = min(max(64 * columns, 256), 768)
        self.autoregressive = autoregressive
        self.layout = layout
        self.levels = [int(k) for k in levels]
        self.may_lack = [span.missing for span in layout.spans if span.kind == "categorical"]
        #: Where the tokens of each column begin: reading the buffer would wait for a GPU.
        self.starts = [sum(self.levels[:j]) for j in range(columns)]
        self.total = int(levels.sum())
        #: Shared units come first, then those of each column.
        self.shared = int(hidden) if columns else 0
        self.own = own
        self.hidden = self.shared + own * columns
        self.continuous = len(layout.columns("continuous"))
        self._register_geometry(levels)
        self.scales = OrderedTokens(layout)
        self._register_smooth_masks()
        # One mask says which free weights there are, and how far they may go.
        self.read_mask *= self.scales.freedom
        self.write_mask *= self.scales.freedom
        self.bias = nn.Parameter(torch.zeros(self.total))
        self.tilts = ClassTilts(self.levels)
        if columns:
            self.read = nn.Parameter(torch.randn(self.total, self.hidden) / math.sqrt(columns))
            self.write = nn.Parameter(_SMALL * torch.randn(self.total, self.shared))
            self.smooth_read = nn.Parameter(torch.randn(self.scales.width, self.hidden) / math.sqrt(columns))
            self.smooth_write = nn.Parameter(_SMALL * torch.randn(self.scales.width, self.shared))
            if own:
                self.own_write = nn.Parameter(_SMALL * torch.randn(self.total, own))
                self.smooth_own_write = nn.Parameter(_SMALL * torch.randn(self.scales.width, own))
            self.hint_read = nn.Parameter(torch.zeros(len(self.scales.owners), self.hidden))
        self.peaks = None
        if peaks and autoregressive and self.scales.blocks:
            degrees = self._degrees(columns)
            self.peaks = Peaks(self.scales.blocks, self.scales.owners, degrees, own, peaks)
        if self.continuous:
            self.log_scale = nn.Parameter(torch.zeros(self.continuous))

    def _register_geometry(self, levels: Tensor) -> None:
        columns = len(levels)
        owner = torch.repeat_interleave(torch.arange(columns), levels)
        segments = F.one_hot(owner, max(columns, 1)).float() if columns else torch.zeros(0, 1)
        shared = self._degrees(columns)
        degree = self._add_own(shared, columns)
        constants = {
            "token_columns": torch.as_tensor(self.layout.columns("categorical")),
            "number_columns": torch.as_tensor(self.layout.columns("continuous")),
            "position_columns": torch.as_tensor(self.layout.columns("position")),
            "offsets": torch.cumsum(levels, 0) - levels,
            "segments": segments,
            "read_mask": (owner[:, None] < degree[None, :]).float(),
            "write_mask": (shared[None, :] <= owner[:, None]).float(),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.boundaries = torch.searchsorted(shared, torch.arange(columns + 1)).tolist()
        self._cut: tuple[list[Any], list[RowColumn], tuple[Tensor, ...]] = ([], [], ())

    def _degrees(self, columns: int) -> Tensor:
        """Return the degree of each shared unit: it reads columns before, and feeds columns from there on."""
        if columns < 2 or not self.autoregressive:
            return torch.zeros(self.shared, dtype=torch.int64)
        first = self.shared // 4
        rest = self.shared - first
        later = 1 + torch.arange(rest) * (columns - 1) // rest
        return torch.cat([torch.zeros(first, dtype=torch.int64), later])

    def _add_own(self, shared: Tensor, columns: int) -> Tensor:
        """Return the degrees of shared units, followed by those of the columns' own units."""
        own = torch.arange(columns) if self.autoregressive else torch.zeros(columns, dtype=torch.int64)
        return torch.cat([shared, own.repeat_interleave(self.own)])

    def _register_smooth_masks(self) -> None:
        shared = self._degrees(len(self.levels))
        degree = self._add_own(shared, len(self.levels))[None, :]
        knots, owners = self.scales.knot_owners[:, None], self.scales.owners[:, None]
        self.register_buffer("smooth_read_mask", (knots < degree).float(), persistent=False)
        self.register_buffer("smooth_write_mask", (shared[None, :] <= knots).float(), persistent=False)
        self.register_buffer("hint_mask", (owners < degree).float(), persistent=False)

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what units read from tokens and from hints, and what shared units write to tokens."""
        scales = self.scales
        read = scales.combine(self.read, self.read_mask, self.smooth_read * self.smooth_read_mask)
        write = scales.combine(self.write, self.write_mask, self.smooth_write * self.smooth_write_mask)
        # Laid out by unit: the gradient of a few rows of units is then the same for any number of threads.
        hint_read = (self.hint_read * self.hint_mask).T.contiguous().T
        return read, hint_read, write

    def own_weights(self) -> Tensor:
        """Return what each column's own units write to its tokens, shape ``(tokens, own)``."""
        # Laid out by unit, as hints are.
        write = self.scales.combine(self.own_write, self.scales.freedom, self.smooth_own_write)
        return write.T.contiguous().T

    def cut_weights(self) -> list[RowColumn]:
        """Return the weights column by column, as drawing needs them; kept until one of them changes."""
        parts = [self.read, self.write, self.smooth_read, self.smooth_write, self.hint_read]
        parts += [self.own_write, self.smooth_own_write] if self.own else []
        state = [(id(p), p._version, p.dtype, p.device) for p in (*parts, self.scales.heights)]
        kept, columns, _ = self._cut
        if kept != state:
            read, hint_read, write = self.weights()
            own_write = self.own_weights() if self.own else write[:, :0]
            columns = []
            for j, (start, levels) in enumerate(zip(self.starts, self.levels, strict=True)):
                b = self.boundaries[j + 1]
                tokens = slice(start, start + levels)
                units = self.units(j)
                reads, hints = (
                    torch.cat([weights[:, part] for part in units], 1) for weights in (read, hint_read)
                )
                writes = torch.cat([write[tokens, :b], own_write[tokens]], 1).T
                columns.append(RowColumn(tokens, reads, hints, writes))
            # One assignment: other threads may draw from the same model.
            # The parts are held so that no later one takes over the identity of one of them.
            self._cut = (state, columns, tuple(parts))
        return columns

    def cut(self, first: int, beyond: int | None = None) -> slice:
        """Return where the levels of some columns lie among all levels."""
        ends = [*self.starts, self.total]
        return slice(ends[first], ends[-1 if beyond is None else beyond])

    def units(self, j: int) -> tuple[slice, slice]:
        """Return the shared units that have seen all they read when column j is drawn, and its own units."""
        first = self.shared + j * self.own
        return slice(self.boundaries[j], self.boundaries[j + 1]), slice(first, first + self.own)

    @property
    def parameters_width(self) -> int:
        """P: how many numbers the decoder must deliver per row."""
        return self.hidden + self.continuous

    def split(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Cut the decoder's output into hidden pre-activations and Gaussian means."""
        hidden, means = params.split([self.hidden, self.continuous], dim=1)
        return hidden, means

    def view(self, x: Tensor) -> Tensor:
        """Return rows ``(B, W)`` as one-hot tokens (all 0 where missing) beside their continuous columns."""
        codes = x[:, self.token_columns].to(torch.int64)
        tokens = x.new_zeros(len(x), self.total)
        tokens.scatter_(1, codes.clamp(min=0) + self.offsets, (codes >= 0).to(x))
        return torch.cat([tokens, x[:, self.number_columns]], 1)
