"""Draw cells of whole rows anew, one by one, each given all other cells of its row: Gibbs sampling."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vaeaug.nn.distributions import pick_component
from vaeaug.nn.likelihoods.conditional import Allowed, find_cell, place_token
from vaeaug.nn.likelihoods.row_distribution import RowDistribution

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
        rows = is_open[:, j].nonzero()[:, 0]
        for part in rows.split(max(1, _ROWS // min(levels, _MOST))) if len(rows) else ():
            allowed = None if sets is None or j not in sets else sets[j].select(part)
            x[part] = _redraw(distribution.select(part), x[part], j, allowed)
    return x


def _redraw(distribution: RowDistribution, x: Tensor, j: int, allowed: Allowed | None) -> Tensor:
    model = distribution.likelihood
    present = x[:, model.token_columns[j]].to(torch.int64)
    prior = distribution.column_log_probs(x, j)
    if allowed is not None:
        prior = prior + allowed.shares.to(prior).log()
    if prior.shape[1] <= _MOST:
        tokens, weights = torch.arange(prior.shape[1], device=x.device).expand_as(prior), prior
        own = present
    else:
        drawn = torch.multinomial(prior.exp(), _MOST - 1, replacement=True)
        tokens = torch.cat([present[:, None], drawn], 1)
        weights, own = torch.zeros_like(tokens, dtype=prior.dtype), torch.zeros_like(present)
    each = tokens.shape[1]
    made = x.repeat_interleave(each, 0)
    first, beyond = find_cell(model, j)
    places = [p for p in model.position_columns.tolist() if first < p < beyond]
    made[:, places] = torch.rand(len(made), len(places), dtype=x.dtype, device=x.device)
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
