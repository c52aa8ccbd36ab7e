"""The distribution of encoded rows: density, drawing column by column, and drawing with gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from vaeaug.nn.distributions import pick_component
from vaeaug.nn.likelihoods.base import LikelihoodDistribution
from vaeaug.nn.likelihoods.row_weights import RowWeights
from vaeaug.nn.networks import add_up, project, silu
from vaeaug.utils.random import skip_modes

__all__ = ["RowDistribution", "RowPath", "choose_likeliest", "sharpen"]

#: Logits are softly bounded to ±_LOGIT_BOUND, so that exp() of any of them is finite and
#: the log-normalisers of all columns are one matrix product without a maximum to subtract.
_LOGIT_BOUND = 25.0


class RowDistribution(LikelihoodDistribution):
    """Distribution of encoded rows given decoder parameters, shape ``(B, P)``.

    Event columns follow the layout. ``log_prob`` skips unknown tokens (code −1).
    """

    def __init__(self, likelihood: RowWeights, params: Tensor) -> None:
        self.likelihood = likelihood
        self.params = params
        self.c: Tensor | None = None
        self.fallback: tuple[RowDistribution, Tensor] | None = None
        super().__init__(len(params), likelihood.layout.shape)

    def tilt(self, c: Tensor) -> RowDistribution:
        """Return this distribution with the tilts that contexts ``(B, K)`` ask for."""
        if not self.likelihood.tilts.any:
            return self
        found = RowDistribution(self.likelihood, self.params)
        found.c = c
        return found

    def back_off(self, other: RowDistribution, share: Tensor) -> RowDistribution:
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

    def select(self, rows: Tensor) -> RowDistribution:
        """Return the distribution of some of the rows, by number; one may be named more than once."""
        found = RowDistribution(self.likelihood, self.params[rows])
        found.c = None if self.c is None else self.c[rows]
        if self.fallback is not None:
            other, share = self.fallback
            found.fallback = other.select(rows), share[rows]
        return found

    @skip_modes
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

    @skip_modes
    def token_log_prob(self, x: Tensor, first: int = 0) -> Tensor:
        """Return the log-probability of every token of rows ``(B, W)``, from a column on: ``(B, tokens)``."""
        model = self.likelihood
        codes = x[:, model.token_columns].to(torch.int64)
        known = codes >= 0
        index = codes.clamp(min=0) + model.offsets
        start = model.cut(first).start
        logits = self.token_logits(x, index, known, first)
        normalisers = torch.log(add_up(torch.exp(logits), model.segments[start:, first:]))
        return (logits.gather(1, index[:, first:] - start) - normalisers) * known[:, first:]

    def cell_log_probs(self, x: Tensor, first: int = 0) -> Tensor:
        """Return the log-probability of every token as rows are drawn, with the fallback, from a column on.

        Shape ``(B, tokens)``.
        """
        found = self.token_log_prob(x, first)
        if self.fallback is None:
            return found
        other, share = self.fallback
        return _mix(found, other.cell_log_probs(x, first), share)

    def column_log_probs(self, x: Tensor, j: int) -> Tensor:
        """Return the log-probabilities of all tokens of column j as rows are drawn, ``(B, levels of j)``."""
        model = self.likelihood
        codes = x[:, model.token_columns].to(torch.int64)
        index = codes.clamp(min=0) + model.offsets
        found = torch.log_softmax(self.token_logits(x, index, codes >= 0, j, j + 1), 1)
        if self.fallback is None:
            return found
        other, share = self.fallback
        return _mix(found, other.column_log_probs(x, j), share)

    def token_logits(
        self, x: Tensor, index: Tensor, known: Tensor, first: int = 0, beyond: int | None = None
    ) -> Tensor:
        """Return the logits of all levels of columns, each column given those before it in x.

        Parameters
        ----------
        x : Tensor (B, W)
        index : Tensor (B, tokens), int64
            Where the tokens of x lie among all levels.
        known : Tensor (B, tokens), bool
        first, beyond : int
            Which columns; all of them by default.

        Returns
        -------
        Tensor (B, levels of these columns)
        """
        model = self.likelihood
        cut, columns = model.cut(first, beyond), slice(first, beyond)
        hidden, _ = model.split(self.params)
        # Training rows hold no unknown token; only new rows pay for the weighted sum.
        weights = None if model.training else known.to(hidden.dtype)
        read, hint_read, write = model.weights()
        hidden = hidden + F.embedding_bag(index, read, mode="sum", per_sample_weights=weights)
        hidden = hidden + x[:, model.scales.columns] @ hint_read
        shared, *own = silu(hidden).split([model.shared, *[model.own] * len(model.levels)], 1)
        logits = project(shared, write[cut], model.bias[cut])
        if model.own and logits.shape[1]:
            blocks = model.own_weights().split(model.levels)
            pairs = zip(own[columns], blocks[columns], strict=True)
            logits = logits + torch.cat([a @ b.T for a, b in pairs], 1)
        asked = model.peaks.find_columns(cut) if model.peaks is not None else None
        if model.peaks is not None and asked:
            units = torch.stack(own, 1)[:, model.scales.owners] if model.own else None
            bumps = model.peaks(shared, units, x[:, model.scales.columns], model.scales.value, asked)
            logits = logits.index_add(1, model.peaks.list_tokens(asked) - cut.start, bumps)
        return _bound_logits(logits if self.c is None else logits + model.tilts(self.c)[:, cut])

    def relax(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return drawn tokens with gradients, and those of rows ``(B, W)``, one-hot: ``(B, P)`` each.

        Each column is drawn given the columns before it in x, by the straight-through
        Gumbel-softmax estimator (Jang et al. 2017). Means of continuous columns are appended.
        """
        model = self.likelihood
        codes = x[:, model.token_columns].to(torch.int64)
        index = codes.clamp(min=0) + model.offsets
        logits = self.token_logits(x, index, codes >= 0)
        noise = torch.empty_like(logits).exponential_().clamp(min=1e-30).log()
        shares = torch.exp(_bound_logits(logits - noise))
        soft = shares / (shares @ model.segments @ model.segments.T)
        owner = model.segments.argmax(1).expand_as(logits)
        highest = torch.full_like(index, -1.0, dtype=soft.dtype).scatter_reduce(
            1, owner, soft.detach(), "amax"
        )
        hard = (soft.detach() >= highest.gather(1, owner)).to(soft)
        made, means = hard + soft - soft.detach(), model.split(self.params)[1]
        return torch.cat([made, means], 1), model.view(x)

    @torch.no_grad()
    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw one row per batch entry, shape ``(B, W)``.

        Parameters
        ----------
        temperature : float, default=1.0
            Token probabilities are raised to ``1 / temperature`` and renormalised, but for that of a
            missing cell; 0 takes the most probable token of each column and the middle of its bin.
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

    def open_paths(self) -> list[RowPath]:
        """Return what draws the columns one by one: this distribution's path, and that of its fallback."""
        model = self.likelihood
        sources = [self] if self.fallback is None else [self, self.fallback[0]]
        return [RowPath(model, model.split(source.params)[0], source.c) for source in sources]

    def _fill_tokens(self, x: Tensor, temperature: float, shares: Tensor | None = None) -> None:
        """Draw the tokens of rows ``(B, W)`` column by column, and note the hints of numbers.

        Adds each token's probability, summed over the rows, to ``shares`` if it is given.
        """
        model = self.likelihood
        scales = model.scales
        paths = self.open_paths()
        numbers = {owner: i for i, owner in enumerate(scales.token_columns)}
        columns = len(model.levels)
        codes = torch.empty(len(x), columns, dtype=torch.int64, device=x.device)
        hints = x.new_zeros(len(x), len(numbers))
        uniform = torch.rand(columns, len(x), 1, device=x.device) if temperature else None
        for j in range(columns):
            logits, *other = (path.logits(j, codes, hints) for path in paths)
            if self.fallback is not None:
                fall = torch.rand(len(x), 1, device=x.device) < self.fallback[1][:, None]
                logits = torch.where(fall, other[0], logits)
            place = None if uniform is None else uniform[j]
            if shares is None:
                codes[:, j] = _pick(logits, temperature, place, model.may_lack[j])
            else:
                start = model.starts[j]
                mass = logits.exp_()
                shares[start : start + model.levels[j]] += mass.T @ (1.0 / mass.sum(1))
                codes[:, j] = pick_component(mass, place)
            if j in numbers:
                i = numbers[j]
                position = x[:, scales.positions[i]] if scales.positions[i] >= 0 else 0.5
                hints[:, i] = scales.hint(i, codes[:, j], position)
        x[:, model.token_columns] = codes.to(x.dtype)
        x[:, scales.columns] = hints


class RowPath:
    """Hidden units of one set of parameters, made active column by column as rows are drawn."""

    def __init__(self, model: RowWeights, hidden: Tensor, c: Tensor | None) -> None:
        self.model, self.hidden, self.c = model, hidden, c
        self.columns = model.cut_weights()
        # Shared units in their order; behind those that are ready, the present column's own.
        self.active = hidden.new_empty(len(hidden), model.shared + model.own)

    @skip_modes
    def logits(self, j: int, codes: Tensor, hints: Tensor) -> Tensor:
        """Return the logits of column j given the columns before it, shape ``(B, levels of j)``."""
        model = self.model
        ready, own = model.units(j)
        column = self.columns[j]
        active = self.active[:, : ready.stop]
        if column.read.shape[1]:
            # Units of degree j have now seen all the columns they may read.
            unit = torch.cat([self.hidden[:, ready], self.hidden[:, own]], 1)
            if j:
                index = codes[:, :j] + model.offsets[:j]
                unit += F.embedding_bag(index, column.read, mode="sum")
                unit.addmm_(hints, column.hint_read)
            active = self.active[:, : ready.stop + model.own]
            active[:, ready.start :] = F.silu(unit)
        written = active @ column.write
        if model.peaks is not None and j in model.peaks.numbers:
            model.peaks.add_column(
                model.peaks.numbers[j], written, active, model.own, hints, model.scales.value
            )
        if self.c is not None and j in model.tilts.columns:
            written += model.tilts(self.c, j)
        return written.add_(model.bias[column.tokens]).div_(_LOGIT_BOUND).tanh_().mul_(_LOGIT_BOUND)

    def choose(self, rows: Tensor) -> None:
        """Go on with some of the rows, by number; one may be named more than once."""
        self.hidden, self.active = self.hidden[rows], self.active[rows]
        self.c = None if self.c is None else self.c[rows]


def _mix(own: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Return ``log((1 − s) p + s p')`` of log-probabilities ``(B, k)`` and shares ``(B,)``."""
    return torch.logaddexp(own + torch.log1p(-share)[:, None], other + share.log()[:, None])


def _bound_logits(logits: Tensor) -> Tensor:
    return _LOGIT_BOUND * torch.tanh(logits / _LOGIT_BOUND)


def _pick(logits: Tensor, temperature: float, uniform: Tensor | None, may_lack: bool) -> Tensor:
    """Draw one level per row, the likeliest one without random numbers, shape ``(B,)``."""
    if uniform is None:
        return choose_likeliest(torch.softmax(logits, 1), may_lack) if may_lack else logits.argmax(1)
    # Bounded logits need no maximum subtracted, unless the temperature is very low.
    weights = logits.exp_() if temperature == 1 else sharpen(logits, temperature, may_lack)
    return pick_component(weights, uniform)


def sharpen(logits: Tensor, temperature: float, may_lack: bool) -> Tensor:
    """Return probabilities raised to ``1 / temperature`` and made to sum to 1, shape ``(B, k)``.

    Level 0 says that the cell is missing, if it ``may_lack``, and keeps its probability: beside the many
    bins of a number it would otherwise nearly always be the likeliest.
    """
    shares = torch.softmax(logits / temperature, 1)
    if not may_lack or temperature == 1 or logits.shape[1] < 2:
        return shares
    lacking = torch.softmax(logits, 1)[:, :1]
    return torch.cat([lacking, (1.0 - lacking) * torch.softmax(logits[:, 1:] / temperature, 1)], 1)


def choose_likeliest(shares: Tensor, may_lack: bool) -> Tensor:
    """Return the likeliest level of each row, ``(B,)``; a cell is missing if that has more than one half."""
    if not may_lack or shares.shape[1] < 2:
        return shares.argmax(1)
    lacking = shares[:, 0] > 0.5 * shares.sum(1)
    return torch.where(lacking, 0, 1 + shares[:, 1:].argmax(1))
