"""Likelihoods: from the decoder's parameters to a distribution over encoded rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.layout import Layout
from vaeaug.nn.distributions import Drawable
from vaeaug.nn.scales import OrderedTokens
from vaeaug.nn.tilting import Classes, ClassTilts, TokenColumns

__all__ = ["LIKELIHOODS", "RowDistribution", "RowLikelihood"]

#: Logits are softly bounded to ±_LOGIT_BOUND, so that exp() of any of them is finite and
#: the log-normalisers of all columns are one matrix product without a maximum to subtract.
_LOGIT_BOUND = 25.0
#: The last layer starts small, so that training starts from the columns' marginals.
_SMALL = 0.02
#: Calibration of token shares: rounds, and the most that one round may move a bias.
_ROUNDS, _MOST_STEP = 3, 3.0


@dataclass(frozen=True)
class _Column:
    """What belongs to one column of a row: its tokens among all, what its units read, and what they write."""

    tokens: slice
    read: Tensor
    hint_read: Tensor
    write: Tensor


class RowLikelihood(nn.Module):
    """Likelihood of a table row: every column a categorical, each given the columns before it.

    ``p(x | z, c) = Π_j Categorical(x_j; softmax(b_j + Σ_{i ≤ j} V_ji silu(u_i(z, c) + Σ_{k<i} U_ik[x_k])))``

    A masked one-layer autoregressive network (Germain et al. 2015, *MADE*) whose
    pre-activations u are the decoder's output for the code and the context. Each hidden
    unit has a degree i: it reads the tokens of columns before i and feeds columns from i
    on; a quarter of the units has degree 0 and reads the code and the context alone. What
    the code does not explain (two columns that almost determine each other, say) is so
    still modelled, and the code is free to stay small. With ``autoregressive=False`` all
    units have degree 0 and the columns are independent given the code, as in a plain VAE.

    Classes of few rows may tilt the logits, see :class:`~vaeaug.nn.tilting.ClassTilts`.

    Bin and bucket positions are uniform given their token: they carry no parameters and
    add nothing to the log-density. Continuous columns are Gaussian with one learned scale
    each, given the code alone.

    Parameters
    ----------
    layout : Layout
        Of a flat row.
    hidden : int or "auto", default="auto"
        Hidden units; ``"auto"`` takes 64 per column, within 256 to 768.
    autoregressive : bool, default=True
    """

    token_columns: Tensor
    number_columns: Tensor
    position_columns: Tensor
    offsets: Tensor
    level_counts: Tensor
    segments: Tensor
    read_mask: Tensor
    write_mask: Tensor
    smooth_read_mask: Tensor
    smooth_write_mask: Tensor
    hint_mask: Tensor

    def __init__(self, layout: Layout, hidden: int | str = "auto", autoregressive: bool = True) -> None:
        super().__init__()
        levels = torch.as_tensor(layout.levels)
        columns = len(levels)
        if hidden == "auto":
            hidden = min(max(64 * columns, 256), 768)
        self.autoregressive = autoregressive
        self.layout = layout
        self.levels = [int(k) for k in levels]
        self.total = int(levels.sum())
        self.hidden = int(hidden) if columns else 0
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
            self.write = nn.Parameter(_SMALL * torch.randn(self.total, self.hidden))
            self.smooth_read = nn.Parameter(torch.randn(self.scales.width, self.hidden) / math.sqrt(columns))
            self.smooth_write = nn.Parameter(_SMALL * torch.randn(self.scales.width, self.hidden))
            self.hint_read = nn.Parameter(torch.zeros(len(self.scales.owners), self.hidden))
        if self.continuous:
            self.log_scale = nn.Parameter(torch.zeros(self.continuous))

    def _register_geometry(self, levels: Tensor) -> None:
        columns = len(levels)
        owner = torch.repeat_interleave(torch.arange(columns), levels)
        segments = F.one_hot(owner, max(columns, 1)).float() if columns else torch.zeros(0, 1)
        degree = self._degrees(columns)
        constants = {
            "token_columns": torch.as_tensor(self.layout.columns("categorical")),
            "number_columns": torch.as_tensor(self.layout.columns("continuous")),
            "position_columns": torch.as_tensor(self.layout.columns("position")),
            "offsets": torch.cumsum(levels, 0) - levels,
            "level_counts": levels,
            "segments": segments,
            "read_mask": (owner[:, None] < degree[None, :]).float(),
            "write_mask": (degree[None, :] <= owner[:, None]).float(),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.boundaries = torch.searchsorted(degree, torch.arange(columns + 1)).tolist()
        self._cut: tuple[list[Any], list[_Column]] = ([], [])

    def _degrees(self, columns: int) -> Tensor:
        """Return the degree of each hidden unit: it reads columns before, and feeds columns from there on."""
        if columns < 2 or not self.autoregressive:
            return torch.zeros(self.hidden, dtype=torch.int64)
        first = self.hidden // 4
        rest = self.hidden - first
        later = 1 + torch.arange(rest) * (columns - 1) // rest
        return torch.cat([torch.zeros(first, dtype=torch.int64), later])

    def _register_smooth_masks(self) -> None:
        degree = self._degrees(len(self.levels))[None, :]
        knots, owners = self.scales.knot_owners[:, None], self.scales.owners[:, None]
        self.register_buffer("smooth_read_mask", (knots < degree).float(), persistent=False)
        self.register_buffer("smooth_write_mask", (degree <= knots).float(), persistent=False)
        self.register_buffer("hint_mask", (owners < degree).float(), persistent=False)

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what hidden units read from tokens and from hints, and what they write to tokens."""
        scales = self.scales
        read = scales.combine(self.read, self.read_mask, self.smooth_read * self.smooth_read_mask)
        write = scales.combine(self.write, self.write_mask, self.smooth_write * self.smooth_write_mask)
        return read, self.hint_read * self.hint_mask, write

    @property
    def tolerant(self) -> bool:
        """Whether rows may be drawn in reduced precision: tokens hide it, Gaussian numbers do not."""
        return not self.continuous

    def cut_weights(self, dtype: torch.dtype) -> list[_Column]:
        """Return the weights column by column, as drawing needs them; kept until one of them changes.

        Parameters
        ----------
        dtype : torch.dtype
            Of what hidden units write.
        """
        parts = (self.read, self.write, self.smooth_read, self.smooth_write, self.hint_read)
        state = [dtype, *((p.data_ptr(), p._version, p.dtype) for p in (*parts, self.scales.heights))]
        if self._cut[0] != state:
            read, hint_read, write = self.weights()
            write, columns = write.to(dtype), []
            for j, (start, levels) in enumerate(zip(self.offsets.tolist(), self.levels, strict=True)):
                a, b = self.boundaries[j], self.boundaries[j + 1]
                tokens = slice(start, start + levels)
                own = (read[:, a:b].contiguous(), hint_read[:, a:b].contiguous(), write[tokens, :b].T)
                columns.append(_Column(tokens, *own))
            self._cut = (state, columns)
        return self._cut[1]

    @property
    def parameters_width(self) -> int:
        """P: how many numbers the decoder must deliver per row."""
        return self.hidden + self.continuous

    def initialise(self, x: Tensor) -> None:
        """Learn from rows ``(n, W)`` where numbers lie, and start at the log-frequencies of tokens."""
        with torch.no_grad():
            self.scales.measure(x, x[:, self.token_columns].to(torch.int64))
            for j, (start, width) in enumerate(zip(self.offsets.tolist(), self.levels, strict=True)):
                codes = x[:, self.token_columns[j]].to(torch.int64)
                counts = torch.bincount(codes[codes >= 0], minlength=width).to(self.bias)
                share = (counts + 0.5) / (counts.sum() + 0.5 * width)
                self.bias[start : start + width] = share.log() - share.log().mean()

    @torch.no_grad()
    def calibrate(
        self,
        x: Tensor,
        weights: Tensor | None,
        draw: Callable[[], Iterator[RowDistribution]],
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
            Returns the distributions of equal batches of rows, given codes newly drawn from the prior.
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
            shares = torch.stack([drawn.token_shares() for drawn in draw()]).mean(0)
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

        def drawn(group: int) -> tuple[np.ndarray, int]:
            batches = [(rows.token_shares(), len(rows.params)) for rows in draw(group)]
            shares = torch.stack([share for share, _ in batches]).double().mean(0)
            return shares.cpu().numpy(), sum(size for _, size in batches)

        self.tilts.fit(columns, codes, each, classes, drawn, turns)

    def split(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Cut the decoder's output into hidden pre-activations and Gaussian means."""
        hidden, means = params.split([self.hidden, self.continuous], dim=1)
        return hidden, means

    def one_hot(self, x: Tensor) -> Tensor:
        """Return rows ``(B, W)`` as one-hot tokens (all 0 where missing) beside their continuous columns."""
        codes = x[:, self.token_columns].to(torch.int64)
        tokens = x.new_zeros(len(x), self.total)
        tokens.scatter_(1, codes.clamp(min=0) + self.offsets, (codes >= 0).to(x))
        return torch.cat([tokens, x[:, self.number_columns]], 1)

    def forward(self, params: Tensor) -> RowDistribution:
        """Return the distribution of a batch: batch shape ``(B,)``, event shape ``layout.shape``."""
        return RowDistribution(self, params.to(self.bias.dtype))


class RowDistribution(Drawable):
    """Distribution of encoded rows given decoder parameters, shape ``(B, P)``.

    Event columns follow the layout. ``log_prob`` skips unknown tokens (code −1).
    """

    def __init__(self, likelihood: RowLikelihood, params: Tensor) -> None:
        self.likelihood = likelihood
        self.params = params
        self.c: Tensor | None = None
        self.fallback: tuple[RowDistribution, Tensor] | None = None
        super().__init__(len(params), likelihood.layout.shape)

    def tilted(self, c: Tensor) -> RowDistribution:
        """Return this distribution with the tilts that contexts ``(B, K)`` ask for."""
        if not self.likelihood.tilts.any:
            return self
        found = RowDistribution(self.likelihood, self.params)
        found.c = c
        return found

    def backed_off(self, other: RowDistribution, share: Tensor) -> RowDistribution:
        """Return this distribution with each column drawn from another one's conditional now and then.

        Every column of a drawn row comes from ``(1 − s) p(x_j | x_<j) + s p'(x_j | x_<j)``.
        Only drawing knows the fallback; ``log_prob`` does not.

        Parameters
        ----------
        other : RowDistribution
            p', of the same batch.
        share : Tensor (B,)
            s, in [0, 1].
        """
        found = RowDistribution(self.likelihood, self.params)
        found.c, found.fallback = self.c, (other, share)
        return found

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of rows ``(B, W)``, shape ``(B,)``."""
        model = self.likelihood
        total = x.new_zeros(len(x))
        if model.total:
            total = total + self.token_log_prob(x).sum(1)
        if model.continuous:
            means = model.split(self.params)[1]
            error = (x[:, model.number_columns] - means) * torch.exp(-model.log_scale)
            total = total - (0.5 * error.square() + model.log_scale + 0.5 * math.log(2 * math.pi)).sum(1)
        return total

    def token_log_prob(self, x: Tensor) -> Tensor:
        """Return the log-probability of every token of rows ``(B, W)``, shape ``(B, tokens)``."""
        model = self.likelihood
        codes = x[:, model.token_columns].to(torch.int64)
        known = codes >= 0
        index = codes.clamp(min=0) + model.offsets
        logits = self.token_logits(x, index, known)
        normalisers = torch.log(torch.exp(logits) @ model.segments)
        return (logits.gather(1, index) - normalisers) * known

    def token_logits(self, x: Tensor, index: Tensor, known: Tensor) -> Tensor:
        """Return the logits of all levels of all columns, each column given those before it in x.

        Parameters
        ----------
        x : Tensor (B, W)
        index : Tensor (B, tokens), int64
            Where the tokens of x lie among all levels.
        known : Tensor (B, tokens), bool

        Returns
        -------
        Tensor (B, total levels)
        """
        model = self.likelihood
        hidden, _ = model.split(self.params)
        # Training rows hold no unknown token; only new rows pay for the weighted sum.
        weights = None if model.training else known.to(hidden.dtype)
        read, hint_read, write = model.weights()
        hidden = hidden + F.embedding_bag(index, read, mode="sum", per_sample_weights=weights)
        hidden = hidden + x[:, model.scales.columns] @ hint_read
        logits = torch.addmm(model.bias, F.silu(hidden), write.T)
        return _bounded(logits if self.c is None else logits + model.tilts(self.c))

    def relaxed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return drawn tokens with gradients, and those of rows ``(B, W)``, one-hot: ``(B, P)`` each.

        Each column is drawn given the columns before it in x, by the straight-through
        Gumbel-softmax estimator (Jang et al. 2017). Means of continuous columns are appended.
        """
        model = self.likelihood
        codes = x[:, model.token_columns].to(torch.int64)
        index = codes.clamp(min=0) + model.offsets
        logits = self.token_logits(x, index, codes >= 0)
        noise = torch.empty_like(logits).exponential_().clamp(min=1e-30).log()
        shares = torch.exp(_bounded(logits - noise))
        soft = shares / (shares @ model.segments @ model.segments.T)
        owner = model.segments.argmax(1).expand_as(logits)
        highest = torch.full_like(index, -1.0, dtype=soft.dtype).scatter_reduce(
            1, owner, soft.detach(), "amax"
        )
        hard = (soft.detach() >= highest.gather(1, owner)).to(soft)
        made, means = hard + soft - soft.detach(), model.split(self.params)[1]
        return torch.cat([made, means], 1), model.one_hot(x)

    @torch.no_grad()
    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw one row per batch entry, shape ``(B, W)``.

        Parameters
        ----------
        temperature : float, default=1.0
            Token probabilities are raised to ``1 / temperature`` and renormalised; 0
            takes the most probable token of each column and the middle of its bin.
        """
        model = self.likelihood
        x = self.params.new_zeros(len(self.params), model.layout.shape[0])
        places = (len(x), len(model.position_columns))
        if temperature:
            x[:, model.position_columns] = torch.rand(places, dtype=x.dtype, device=x.device)
        else:
            x[:, model.position_columns] = 0.5
        if model.total:
            self._fill_tokens(x, temperature)
        if model.continuous:
            means = model.split(self.params)[1]
            if self.fallback is not None:
                fall = torch.rand_like(means) < self.fallback[1][:, None]
                means = torch.where(fall, model.split(self.fallback[0].params)[1], means)
            noise = temperature * torch.exp(model.log_scale) * torch.randn_like(means)
            x[:, model.number_columns] = means + noise
        return x

    @torch.no_grad()
    def token_shares(self) -> Tensor:
        """Return the mean probability of each token over one draw of the batch, shape ``(tokens,)``."""
        model = self.likelihood
        x = self.params.new_zeros(len(self.params), model.layout.shape[0])
        x[:, model.position_columns] = torch.rand_like(x[:, model.position_columns])
        shares = self.params.new_zeros(model.total)
        self._fill_tokens(x, 1.0, shares)
        return shares / max(1, len(x))

    def _fill_tokens(self, x: Tensor, temperature: float, shares: Tensor | None = None) -> None:
        """Draw the tokens of rows ``(B, W)`` column by column, and note the hints of numbers.

        Adds each token's probability, summed over the rows, to ``shares`` if it is given.
        """
        model = self.likelihood
        scales = model.scales
        sources = [self] if self.fallback is None else [self, self.fallback[0]]
        paths = [_Path(model, model.split(source.params)[0], source.c) for source in sources]
        numbers = {owner: i for i, owner in enumerate(scales.owners.tolist())}
        columns = len(model.levels)
        codes = torch.empty(len(x), columns, dtype=torch.int64, device=x.device)
        hints = x.new_zeros(len(x), len(numbers))
        uniform = torch.rand(columns, len(x), 1, device=x.device) if temperature else None
        for j in range(columns):
            logits, *other = (path.logits(j, codes, hints) for path in paths)
            if self.fallback is not None:
                fall = torch.rand(len(x), 1, device=x.device) < self.fallback[1][:, None]
                logits = torch.where(fall, other[0], logits)
            if shares is not None:
                start = int(model.offsets[j])
                mass = logits.exp()
                shares[start : start + model.levels[j]] += mass.T @ (1.0 / mass.sum(1))
            codes[:, j] = _pick(logits, temperature, None if uniform is None else uniform[j])
            if j in numbers:
                i = numbers[j]
                position = x[:, scales.positions[i]] if scales.positions[i] >= 0 else 0.5
                hints[:, i] = scales.hint(i, codes[:, j], position)
        x[:, model.token_columns] = codes.to(x.dtype)
        x[:, scales.columns] = hints


class _Path:
    """Hidden units of one set of parameters, made active column by column as rows are drawn."""

    def __init__(self, model: RowLikelihood, hidden: Tensor, c: Tensor | None) -> None:
        self.model, self.hidden, self.c = model, hidden, c
        # In reduced precision a log-probability is off by some hundredths, up as often as down.
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
        self.columns = model.cut_weights(dtype)
        self.active = torch.empty_like(hidden, dtype=dtype)

    def logits(self, j: int, codes: Tensor, hints: Tensor) -> Tensor:
        """Return the logits of column j given the columns before it, shape ``(B, levels of j)``."""
        model = self.model
        a, b = model.boundaries[j], model.boundaries[j + 1]
        column = self.columns[j]
        if b > a:
            # Units of degree j have now seen all the columns they may read.
            unit = self.hidden[:, a:b]
            if j:
                index = codes[:, :j] + model.offsets[:j]
                unit = unit + F.embedding_bag(index, column.read, mode="sum")
                unit.addmm_(hints, column.hint_read)
            self.active[:, a:b] = F.silu(unit)
        written = (self.active[:, :b] @ column.write).to(self.hidden.dtype)
        if self.c is not None and j in model.tilts.columns:
            written += model.tilts(self.c, j)
        return written.add_(model.bias[column.tokens]).div_(_LOGIT_BOUND).tanh_().mul_(_LOGIT_BOUND)


def _bounded(logits: Tensor) -> Tensor:
    return _LOGIT_BOUND * torch.tanh(logits / _LOGIT_BOUND)


def _pick(logits: Tensor, temperature: float, uniform: Tensor | None) -> Tensor:
    """Draw one level per row by inverting the cumulative distribution, shape ``(B,)``."""
    if uniform is None:
        return logits.argmax(1)
    # Bounded logits need no maximum subtracted, unless the temperature is very low.
    weights = logits.exp_() if temperature == 1 else torch.softmax(logits / temperature, 1)
    cumulative = weights.cumsum(1)
    drawn = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).squeeze(1)
    return drawn.clamp(max=logits.shape[1] - 1)


#: name -> class, built as ``cls(layout, **options)``.
LIKELIHOODS: dict[str, type[nn.Module]] = {"row": RowLikelihood}
