"""Draw cells of whole rows anew, one by one, each given all other cells of its row: Gibbs sampling."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vaeaug.nn.distributions import pick_component
from vaeaug.nn.likelihoods.conditional import Allowed, RowSets, find_cell, place_token
from vaeaug.nn.likelihoods.row_distribution import RowDistribution
from vaeaug.nn.likelihoods.row_weights import RowWeights

__all__ = ["redraw_cells"]

#: Tokens that are looked at for a cell, at most, and rows that are weighed at once.
_MOST, _ROWS = 32, 4096


@torch.no_grad()
def redraw_cells(
    distribution: RowDistribution,
    x: Tensor,
    is_open: Tensor,
    sets: Mapping[int, Allowed] | None = None,
) -> Tensor:
    """Return rows whose open cells are drawn anew, column by column.

    A cell is drawn from ``p(x_j | x_<j, z) p(x_>j | x_≤j, z)``, up to a factor its distribution given all
    other cells of the row and its code. All tokens of the column are weighed; of a column with many, the
    present one beside draws from ``p(x_j | x_<j, z)``, which leaves the same distribution unchanged (Andrieu,
    Doucet and Holenstein 2010, *Particle Markov chain Monte Carlo methods*, section 4).

    Parameters
    ----------
    distribution : RowDistribution
        Of the rows, batch shape ``(B,)``.
    x : Tensor (B, W)
        Whole rows, which meet the sets.
    is_open : Tensor of bool (B, columns)
        Cells to draw.
    sets : mapping of int to TokenSet or RowSets, optional
        What cells of a column may hold, by number of the categorical column.

    Returns
    -------
    Tensor (B, W)
    """
    x = x.clone()
    for j, levels in enumerate(distribution.likelihood.levels):
        allowed = None if sets is None or j not in sets else sets[j]
        for part in _split_rows(is_open[:, j].nonzero()[:, 0], levels, allowed):
            own = None if allowed is None else allowed.select(part)
            x[part] = _redraw(distribution.select(part), x[part], j, own)
    return x


def _split_rows(rows: Tensor, levels: int, allowed: Allowed | None) -> list[Tensor]:
    """Return rows in parts that are weighed at once; those with few tokens to choose among come together."""
    if not len(rows):
        return []
    if not isinstance(allowed, RowSets):
        return list(rows.split(max(1, _ROWS // min(levels, _MOST))))
    counts = (allowed.shares[rows] > 0).sum(1).clamp(max=_MOST)
    parts, most, size = list[Tensor](), int(counts.max()), 1
    while size < 2 * most:
        some = rows[(counts <= size) & (counts > size // 2)]
        parts += some.split(_ROWS // size) if len(some) else ()
        size *= 2
    return parts


def _redraw(distribution: RowDistribution, x: Tensor, j: int, allowed: Allowed | None) -> Tensor:
    model = distribution.likelihood
    present = x[:, model.token_columns[j]].to(torch.int64)
    prior = distribution.column_log_probs(x, j)
    if allowed is not None:
        prior = prior + allowed.shares.to(prior).log()
    if j + 1 == len(model.levels):
        # No column follows: its distribution given those before is that given all others.
        made = _move_positions(model, x.clone(), j)
        place_token(model, made, j, pick_component(torch.softmax(prior, 1)), allowed)
        return made
    may_be = prior > -torch.inf
    most = int(may_be.sum(1).max())
    if most <= _MOST:
        tokens = may_be.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
        weights, own = prior.gather(1, tokens), (tokens == present[:, None]).to(torch.int8).argmax(1)
    else:
        drawn = torch.multinomial(prior.exp(), _MOST - 1, replacement=True)
        tokens = torch.cat([present[:, None], drawn], 1)
        weights, own = torch.zeros_like(tokens, dtype=prior.dtype), torch.zeros_like(present)
    each = tokens.shape[1]
    made = _move_positions(model, x.repeat_interleave(each, 0), j)
    index = torch.arange(len(x), device=x.device)
    repeated = index.repeat_interleave(each)
    own_sets = None if allowed is None else allowed.select(repeated)
    place_token(model, made, j, tokens.flatten(), own_sets)
    # The present cell competes as it is.
    made[index * each + own] = x
    later = distribution.select(repeated).cell_log_probs(made, j + 1).sum(1)
    weights = weights + later.view(-1, each)
    chosen = pick_component(torch.softmax(weights, 1))
    return made[index * each + chosen]


def _move_positions(model: RowWeights, x: Tensor, j: int) -> Tensor:
    """Return rows whose positions in column j are drawn anew, in place."""
    first, beyond = find_cell(model, j)
    places = [p for p in model.position_columns.tolist() if first < p < beyond]
    x[:, places] = torch.rand(len(x), len(places), dtype=x.dtype, device=x.device)
    return x
