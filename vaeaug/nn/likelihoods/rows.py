"""Likelihoods: from the decoder's parameters to a distribution over encoded rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from vaeaug.nn.likelihoods.row_distribution import RowDistribution
from vaeaug.nn.likelihoods.row_weights import RowWeights
from vaeaug.nn.likelihoods.tilting import Classes, TokenColumns

__all__ = ["RowLikelihood"]

#: Calibration of token shares: rounds, and the most that one round may move a bias.
_ROUNDS, _MOST_STEP = 3, 3.0


class RowLikelihood(RowWeights):
    """Likelihood of a table row: every column a categorical, each given the columns before it.

    ``p(x | z, c) = Π_j Categorical(x_j; softmax(b_j + Σ_{i ≤ j} V_ji silu(u_i(z, c) + Σ_{k<i} U_ik[x_k])))``

    A masked one-layer autoregressive network (Germain et al. 2015, *MADE*) whose
    pre-activations u are the decoder's output for the code and the context. Each hidden
    unit has a degree i: it reads the tokens of columns before i and feeds columns from i
    on; a quarter of the units has degree 0 and reads the code and the context alone. Units of
    a column's own read all columns before it and feed it alone. What
    the code does not explain (two columns that almost determine each other, say) is so
    still modelled, and the code is free to stay small. With ``autoregressive=False`` all
    units have degree 0 and the columns are independent given the code, as in a plain VAE.

    Classes of few rows may tilt the logits, see :class:`~vaeaug.nn.likelihoods.tilting.ClassTilts`.

    Bin and bucket positions are uniform given their token: they carry no parameters and
    add nothing to the log-density. Continuous columns are Gaussian with one learned scale
    each, given the code alone. Parameters are those of
    :class:`~vaeaug.nn.likelihoods.row_weights.RowWeights`.
    """

    has_tokens = True

    def initialise(self, x: Tensor) -> None:
        """Learn from rows ``(n, W)`` where numbers lie, and start at the log-frequencies of tokens."""
        with torch.no_grad():
            self.scales.measure(x, x[:, self.token_columns].to(torch.int64))
            if self.peaks is not None:
                self.peaks.initialise(x[:, self.scales.columns], self.scales.value)
            for j, (start, width) in enumerate(zip(self.starts, self.levels, strict=True)):
                codes = x[:, self.token_columns[j]].to(torch.int64)
                counts = torch.bincount(codes[codes >= 0], minlength=width).to(self.bias)
                share = (counts + 0.5) / (counts.sum() + 0.5 * width)
                self.bias[start : start + width] = share.log() - share.log().mean()

    @torch.no_grad()
    def calibrate(
        self,
        x: Tensor,
        weights: Tensor | None,
        draw: Callable[[float], Iterator[RowDistribution]],
        turns: Callable[[int], Iterable[int]] = range,
    ) -> None:
        """Move the biases until drawn rows hold each token as often as the rows ``(n, W)`` do.

        What a category of a dozen rows is worth hardly shows in a sum over thousands of rows,
        so training leaves its share off by more than counting noise. Rounds of ``bias +=
        log(wanted share / drawn share)`` correct that; shares of drawn rows are means of the
        probabilities they were drawn from, far less noisy than counts.

        Parameters
        ----------
        weights : Tensor (n,) or None
            Importance of the rows.
        draw : callable
            Takes a share of the rows that the last round needs; returns the distributions of equal batches of
            so many rows, given codes newly drawn from the prior.
        turns : callable
            Gives the numbers of the rounds to go, from the number wanted.
        """
        self.tilts.clear()  # they stand beside the biases that are found here
        if not self.total:
            return
        index = x[:, self.token_columns].to(torch.int64) + self.offsets
        each = (
            torch.ones(len(x), dtype=torch.float64, device=x.device) if weights is None else weights.double()
        )
        counts = torch.zeros(self.total, dtype=torch.float64, device=x.device)
        counts.index_add_(0, index.flatten(), each.repeat_interleave(index.shape[1]))
        rows = float(each.sum())
        for turn in turns(_ROUNDS):
            # The first rounds are coarse, and later ones correct their noise.
            part = 2.0 ** (turn + 1 - _ROUNDS)
            shares = torch.stack([drawn.token_shares() for drawn in draw(part)]).mean(0)
            # Half a row on both sides: a token of two rows moves less than one of two thousand.
            step = ((counts + 0.5) / (rows * shares.double() + 0.5)).log()
            # Later rounds take smaller steps, so that the noise of their draws averages out.
            gain = 1.0 / (1.0 + 0.5 * turn)
            self.bias.add_((gain * step.clamp(-_MOST_STEP, _MOST_STEP)).to(self.bias))

    @torch.no_grad()
    def calibrate_classes(
        self,
        x: Tensor,
        weights: Tensor | None,
        classes: Classes,
        draw: Callable[[int], Iterator[RowDistribution]],
        turns: Callable[[int], Iterable[int]] = range,
    ) -> None:
        """Tilt the logits of small classes, where columns of drawn rows lie off those of their rows.

        What one column says about a class of a dozen rows hardly shows in training either, and a bias
        for all classes does not correct it. Rounds follow one another, since columns depend on those before.

        Parameters
        ----------
        x : Tensor (n, W)
            Rows.
        weights : Tensor (n,) or None
            Importance of the rows.
        classes : Classes
            Of the rows.
        draw : callable
            Takes a class number; returns the distributions of equal batches of rows, given codes newly drawn
            for that class.
        turns : callable
            Gives the numbers of the rounds to go, from the number wanted.
        """
        ordered = np.isin(np.arange(len(self.levels)), self.scales.owners.cpu().numpy())
        values = self.scales.value.double().cpu().numpy()
        columns = TokenColumns(np.asarray(self.levels, dtype=np.int64), ordered, values)
        codes = x[:, self.token_columns].to(torch.int64).cpu().numpy()
        each = None if weights is None else weights.double().cpu().numpy()

        def measure_shares(group: int) -> tuple[np.ndarray, int]:
            batches = [(rows.token_shares(), len(rows.params)) for rows in draw(group)]
            shares = torch.stack([share for share, _ in batches]).double().mean(0)
            return shares.cpu().numpy(), sum(size for _, size in batches)

        self.tilts.fit(columns, codes, each, classes, measure_shares, turns)

    def forward(self, params: Tensor) -> RowDistribution:
        """Return the distribution of a batch: batch shape ``(B,)``, event shape ``layout.shape``."""
        return RowDistribution(self, params.to(self.bias.dtype))
