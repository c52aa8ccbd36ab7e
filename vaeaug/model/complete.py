"""Missing cells filled: codes and cells are drawn in turn, each given all others of the row."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vaeaug.data.tables.cells import KnownCells
from vaeaug.errors import InputError
from vaeaug.model.fitted import FittedState
from vaeaug.nn.distributions import pick_component
from vaeaug.nn.likelihoods.conditional import Blocks, Evidence, TokenSet, draw_given
from vaeaug.nn.likelihoods.gibbs import redraw_cells
from vaeaug.utils.frames import to_pandas
from vaeaug.utils.random import Purpose, hash_seed, isolate_torch, numpy_generator
from vaeaug.utils.rows import select_rows
from vaeaug.utils.validation import check_number
from vaeaug.utils.wording import describe_seconds

__all__ = ["complete", "draw_cells", "sample_given"]

#: What the command line listens to.
_LOG = logging.getLogger("vaeaug.complete")
#: Seconds after which a progress bar is shown, and from which on a duration is worth telling.
_DELAY, _LONG = 1.0, 10.0
#: Rounds of codes and cells, candidates for a code in each, and candidates for a row in the first round.
_ROUNDS, _EACH, _FIRST = 2, 8, 32
#: Rows that begin at once.
_FEW = 128
#: Times that cells are drawn where a rule does not hold with the observed ones.
_ATTEMPTS = 6
#: Rows that are drawn at once.
_CHUNK = 1024


def complete(
    fitted: FittedState,
    X: Any,
    y: Any,
    columns: Sequence[Any] | None,
    draws: int,
    seed: Callable[[], int],
    verbose: int | bool = False,
) -> Any:
    """Return rows with their missing cells filled; see :meth:`vaeaug.VAEAugmenter.complete`."""
    check_number("draws", draws, low=1, integer=True)
    if fitted.is_image:
        raise InputError("complete fills the cells of a table, and this model makes images.")
    data = fitted.intake.open(X, y)
    x = fitted.encode(data.X)
    c = fitted.encode_labels(data.y, len(x))
    intake: Any = fitted.intake
    wanted = intake.find_columns(columns)
    cells = intake.read_cells(data.X, wanted)
    drawn = seed()
    made = []
    with _show_progress(verbose, int(draws) * int(cells.is_open.sum())) as count_rows:
        for i in range(int(draws)):
            found, _ = draw_cells(fitted, cells, c, hash_seed(drawn, Purpose.CELLS, i), count_rows)
            made.append(intake.fill(data.X, found, wanted))
    return made[0] if draws == 1 else made


@contextmanager
def _show_progress(verbose: int | bool, rows: int) -> Iterator[Callable[[int], object]]:
    """Yield what is told of rows that are filled: a progress bar, or a note on a long duration in the log."""
    if verbose:
        from tqdm.auto import tqdm

        with tqdm(total=rows, desc="complete", unit="row", delay=_DELAY) as bar:
            yield bar.update
        return
    start, told = perf_counter(), list[int]()

    def tell(done: int) -> None:
        if told or done >= rows:
            return
        told.append(done)
        whole = (perf_counter() - start) * rows / done
        if whole >= _LONG:
            _LOG.info(f"Filling the cells will take up to about {describe_seconds(whole)}")

    yield tell


def sample_given(
    fitted: FittedState, given: Any, y: Any, where: Mapping[Any, Any] | None, seed: Callable[[], int]
) -> tuple[Any, Any]:
    """Return new rows with given cells, and their labels; see :meth:`vaeaug.VAEAugmenter.sample`."""
    if fitted.is_image:
        raise InputError("given gives cells of the rows of a table, and this model makes images.")
    intake: Any = fitted.intake
    given = to_pandas(given)
    fitted.refuse_targets("given", given if isinstance(given, pd.DataFrame) else {})
    cells, context = intake.read_given(given), fitted.context
    conditions = fitted.condition(where)
    rows = cells.rows
    if conditions is not None:
        raise InputError("sample takes where or given; put what where says of single values into given.")
    labels = None if y is None else context.as_labels(y, rows)
    drawn = seed()
    if y is None:
        # Each candidate of a row has a label of its own; the given cells choose among them.
        labels = context.draw(rows * _FIRST, numpy_generator(drawn, Purpose.LABELS))
        c = context.encode(labels, rows * _FIRST).reshape(rows, _FIRST, context.width)
    else:
        c = context.encode(labels, rows)
    columns, chosen = draw_cells(fitted, cells, c, hash_seed(drawn, Purpose.CELLS))
    if y is None and labels is not None:
        labels = select_rows(labels, np.arange(rows) * _FIRST + chosen)
    return intake.contain(columns), context.hand_out(labels)


def draw_cells(
    fitted: FittedState,
    cells: KnownCells,
    c: np.ndarray,
    seed: int,
    count_rows: Callable[[int], object] = lambda rows: None,
) -> tuple[list[pd.Series], np.ndarray]:
    """Return the columns of rows whose unknown cells are drawn given the known ones.

    Parameters
    ----------
    c : ndarray of float32 (n, K) or (n, candidates, K)
        Contexts of the rows, or of each of their candidates.
    count_rows : callable, optional
        Is given a number of rows as soon as these are drawn.

    Returns
    -------
    list of Series of n cells
    ndarray of int64 (n,)
        Which candidate's context each row has; 0 where there is one.
    """
    x, chosen = cells.given.copy(), np.zeros(cells.rows, dtype=np.int64)
    rows: np.ndarray = np.arange(cells.rows) if c.ndim == 3 else np.flatnonzero(cells.is_open)
    for attempt in range(_ATTEMPTS):
        if not len(rows):
            break
        hear = (lambda rows: None) if attempt else count_rows
        x[rows], chosen[rows] = _draw(fitted, cells, rows, c[rows], hash_seed(seed, attempt), hear)
        is_kept = cells.keep_rules(cells.decode(x[rows], rows)) | ~cells.is_open[rows]
        rows = rows[np.flatnonzero(~is_kept)]
    return cells.decode(x, np.arange(len(x))), chosen


def _draw(
    fitted: FittedState,
    cells: KnownCells,
    rows: np.ndarray,
    c: np.ndarray,
    seed: int,
    count_rows: Callable[[int], object],
) -> tuple[np.ndarray, np.ndarray]:
    """Return encoded rows ``(m, W)`` whose unknown tokens are drawn, and the candidates chosen ``(m,)``."""
    model = fitted.model
    device = model.runtime.device
    sets = {
        token: TokenSet(levels, *(torch.from_numpy(a).to(device) for a in stretches))
        for token, levels, stretches in cells.sets
    }

    def draw(i: int) -> list[np.ndarray]:
        part = slice(i * _CHUNK, (i + 1) * _CHUNK)
        with isolate_torch(seed, i):
            given = torch.from_numpy(cells.given[rows[part]]).to(device)
            drawn = _run_rounds(model, given, torch.from_numpy(c[part]).to(device), sets)
        count_rows(len(given))
        return [a.cpu().numpy() for a in drawn]

    found = model.runtime.map(draw, math.ceil(len(rows) / _CHUNK), small=True)
    x, chosen = zip(*found, strict=True)
    return np.concatenate(x), np.concatenate(chosen)


def _run_rounds(model: Any, given: Tensor, c: Tensor, sets: dict[int, TokenSet]) -> tuple[Tensor, Tensor]:
    """Draw codes from the prior first and from the posterior of the filled row then, and each cell anew."""
    rows, several = len(given), c.dim() == 3
    found = [_begin(model, *parts, sets) for parts in zip(given.split(_FEW), c.split(_FEW), strict=True)]
    x, chosen = (torch.cat(parts) for parts in zip(*found, strict=True))
    own = c[torch.arange(rows, device=c.device), chosen] if several else c
    is_open = given[:, model.vae.likelihood.token_columns] < 0
    for _ in range(_ROUNDS):
        z = _draw_codes(model.vae, x, own)
        x = redraw_cells(model.new_rows(z, own), x, is_open, sets)
    return x, chosen if several else torch.zeros_like(chosen)


def _begin(model: Any, given: Tensor, c: Tensor, sets: dict[int, TokenSet]) -> tuple[Tensor, Tensor]:
    """Return a row for each given one, of the codes that the prior draws for it, and which code that is."""
    c = c.flatten(0, 1) if c.dim() == 3 else c.repeat_interleave(_FIRST, 0)
    z = model.vae.latent.sample(c, 1.0).to(c.dtype)
    blocks = Blocks(*(torch.full((len(given),), size, device=given.device) for size in (_FIRST, 1)))
    drawn = draw_given(model.new_rows(z, c), Evidence(sets, given.repeat_interleave(_FIRST, 0)), blocks)
    return drawn.x, drawn.candidates - _FIRST * torch.arange(len(given), device=c.device)


def _draw_codes(vae: Any, x: Tensor, c: Tensor) -> Tensor:
    """Draw a code of each row ``(B, D)``: of some from the posterior one, by its importance weight.

    The weight is ``p(x | z) p(z) / q(z | x)``.
    """
    posterior, prior = vae.encode(x, c), vae.latent.prior(c)
    codes, weights = [], []
    for _ in range(_EACH):
        z, density = posterior.transport(posterior.noise())
        codes.append(z)
        weights.append((vae.decode(z.to(c.dtype), c).log_prob(x) + prior.log_prob(z) - density).double())
    chosen = pick_component(torch.softmax(torch.stack(weights, 1), 1))
    return torch.stack(codes, 1)[torch.arange(len(x), device=x.device), chosen].to(c.dtype)
