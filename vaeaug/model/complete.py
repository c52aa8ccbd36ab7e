"""Missing cells filled: codes and cells are drawn in turn, each given all others of the row."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vaeaug.data.tables.cells import KnownCells
from vaeaug.data.tables.solutions import CANDIDATES, Solutions, solve_rules
from vaeaug.errors import InputError
from vaeaug.model.fitted import FittedState
from vaeaug.nn.distributions import pick_component
from vaeaug.nn.likelihoods.conditional import Allowed, Blocks, Evidence, RowSets, TokenSet, draw_given
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
#: Rounds of codes and cells, and candidates for a code in each.
_ROUNDS, _EACH = 2, 8
#: Rows that begin at once.
_FEW = 128
#: Times that cells are drawn where a rule does not hold with the observed ones.
_ATTEMPTS = 8
#: Unknown cells that are solved for from nothing else that was drawn.
_SOLVED = 2
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
    intake: Any = fitted.intake
    data = intake.open(X, y)
    rows = intake.respell(data.X, "complete")
    x = fitted.encode(rows)
    c = fitted.encode_labels(data.y, len(x))
    wanted = intake.find_columns(columns)
    cells = intake.read_cells(rows, wanted)
    drawn = seed()
    made, broken = [], np.zeros((cells.rows, 1), dtype=bool)
    with _show_progress(verbose, int(draws) * int(cells.is_open.sum())) as count_rows:
        for i in range(int(draws)):
            found, _, unmet = draw_cells(fitted, cells, c, hash_seed(drawn, Purpose.CELLS, i), count_rows)
            made.append(intake.fill(rows, found, wanted))
            broken = broken | unmet
    cells.warn_of_broken("complete", broken)
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
        labels = context.draw(rows * CANDIDATES, numpy_generator(drawn, Purpose.LABELS))
        c = context.encode(labels, rows * CANDIDATES).reshape(rows, CANDIDATES, context.width)
    else:
        c = context.encode(labels, rows)
    columns, chosen, broken = draw_cells(fitted, cells, c, hash_seed(drawn, Purpose.CELLS))
    cells.warn_of_broken("sample", broken)
    if y is None and labels is not None:
        labels = select_rows(labels, np.arange(rows) * CANDIDATES + chosen)
    return intake.contain(columns), context.hand_out(labels)


def draw_cells(
    fitted: FittedState,
    cells: KnownCells,
    c: np.ndarray,
    seed: int,
    count_rows: Callable[[int], object] = lambda rows: None,
) -> tuple[list[pd.Series], np.ndarray, np.ndarray]:
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
    ndarray of bool (n, plans)
        Which known cells are not what the relations make of the row.
    """
    x, chosen, cells = cells.given.copy(), np.zeros(cells.rows, dtype=np.int64), cells.copy()
    rows: np.ndarray = np.arange(cells.rows) if c.ndim == 3 else np.flatnonzero(cells.is_open)
    if len(rows):
        free = _Rows(cells.given[rows], c[rows], numbers=rows)
        x[rows], chosen[rows] = _draw(fitted, cells, free, hash_seed(seed, 0), count_rows)
    given = cells.given.copy()
    for attempt in range(1, _ATTEMPTS):
        rows = rows[cells.find_broken(cells.decode(x[rows], rows), rows).any(1)]
        for i in range(math.ceil(len(rows) / _CHUNK)):
            part = rows[i * _CHUNK : (i + 1) * _CHUNK]
            x[part], given[part], chosen[part] = _mend(
                fitted, cells, (x[part], given[part], part, c[part]), attempt, hash_seed(seed, attempt, i)
            )
    made = cells.decode(x, np.arange(len(x)))
    broken = cells.find_broken(made, np.arange(len(x)), allows_exceptions=True)
    return made, chosen if c.ndim == 3 else np.zeros_like(chosen), broken


def _mend(
    fitted: FittedState,
    cells: KnownCells,
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    attempt: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows that break a rule with values that keep it, what they were given, and their candidates.

    Parameters
    ----------
    drawn : tuple of ndarray
        Encoded rows (m, W), what they were given (m, W), their numbers (m,), and contexts.
    """
    x, given, rows, c = drawn
    x, given, chosen = x.copy(), given.copy(), np.zeros(len(rows), dtype=np.int64)
    rest = np.ones(len(rows), dtype=bool)
    rng = numpy_generator(seed, Purpose.CELLS)
    for k, found in enumerate(Solutions.join([*solve_rules(cells, x, given, rows, attempt, rng)])):
        mine = found.rows
        x[mine], chosen[mine] = _draw(fitted, cells, _Rows(found.given, c[mine], found), hash_seed(seed, k))
        candidates = chosen[mine] % found.given.shape[1]
        given[mine] = found.given[np.arange(len(mine)), candidates]
        for j in np.unique(found.columns).tolist():
            own, part = found.columns == j, cells.codec.slices[j]
            if found.numbers is None:
                x[mine] = found.settle(x[mine], part)
                given[mine, part] = x[mine, part]
            else:
                numbers = found.numbers[np.arange(len(mine)), candidates]
                cells.set_numbers(j, rows[mine[own]], numbers[own])
        rest[mine] = False
    free = np.flatnonzero(rest)
    if len(free):
        cells.unset_numbers(rows[free])
        given[free] = cells.given[rows[free]]
        again = rows[free] if attempt + 1 < _ATTEMPTS else None
        x[free], chosen[free] = _draw(
            fitted, cells, _Rows(given[free], c[free], numbers=again), hash_seed(seed)
        )
    return x, given, chosen


@dataclass(frozen=True)
class _Rows:
    """Rows to draw.

    Parameters
    ----------
    given : ndarray of float32 (m, W) or (m, candidates, W)
        Tokens that are drawn are −1.
    c : ndarray of float32 (m, K) or (m, candidates, K)
    solutions : Solutions or None
        What else the rows are to keep.
    numbers : ndarray of int64 (m,) or None
        Of the rows, if those that break a rule are only begun, as they are drawn anew.
    """

    given: np.ndarray
    c: np.ndarray
    solutions: Solutions | None = None
    numbers: np.ndarray | None = None


def _draw(
    fitted: FittedState,
    cells: KnownCells,
    rows: _Rows,
    seed: int,
    count_rows: Callable[[int], object] = lambda rows: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return encoded rows ``(m, W)`` whose unknown tokens are drawn, and the candidates chosen ``(m,)``."""
    model = fitted.model
    device = model.runtime.device
    sets: dict[int, Allowed] = {
        token: TokenSet(levels, *(torch.from_numpy(a).to(device) for a in stretches))
        for token, levels, stretches in cells.sets
    }
    restricted, weights = _restrict(cells, rows.solutions)

    def draw(i: int) -> list[np.ndarray]:
        part = slice(i * _CHUNK, (i + 1) * _CHUNK)

        def take(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array[part])).to(device)

        own = sets | {token: RowSets(*map(take, arrays)) for token, arrays in restricted.items()}
        with isolate_torch(seed, i):
            x, chosen = _begin_all(
                model, take(rows.given), take(rows.c), own, None if weights is None else take(weights)
            )
            kept = torch.arange(len(x), device=device)
            if rows.numbers is not None:
                kept = kept[
                    torch.from_numpy(~_find_solved(cells, x.cpu().numpy(), rows.numbers[part])).to(device)
                ]
            if len(kept):
                given, c = (_choose(take(a), chosen)[kept] for a in (rows.given, rows.c))
                own = {token: allowed.select(kept) for token, allowed in own.items()}
                x[kept] = _run_rounds(model, x[kept], given, c, own)
        count_rows(len(x))
        return [a.cpu().numpy() for a in (x, chosen)]

    found = model.runtime.map(draw, math.ceil(len(rows.given) / _CHUNK), small=True)
    x, chosen = zip(*found, strict=True)
    return np.concatenate(x), np.concatenate(chosen)


def _find_solved(cells: KnownCells, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return which rows break a rule, and are solved for it whatever was drawn of them, bool (m,)."""
    if not cells.codec.relations_.plans:
        return np.zeros(len(rows), dtype=bool)
    broken = cells.find_broken(cells.decode(x, rows), rows)
    return broken.any(1) & (cells.find_causes(broken, rows).sum(1) <= _SOLVED)


def _restrict(
    cells: KnownCells, solutions: Solutions | None
) -> tuple[dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]], np.ndarray | None]:
    """Return what each row may have in a token column, and what its candidates weigh."""
    if solutions is None:
        return {}, None
    if solutions.values is None:
        return {}, solutions.log_weights
    j, codec = int(solutions.columns[0]), cells.codec
    number = codec.layout.columns("categorical").tolist().index(codec.slices[j].start)
    return {number: solutions.weigh_tokens(codec.codecs_[j].spans[0].width)}, None


def _begin_all(
    model: Any, given: Tensor, c: Tensor, sets: Mapping[int, Allowed], weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what :func:`_begin` does, a few rows at a time."""
    found = []
    for part in torch.arange(len(given), device=given.device).split(_FEW):
        own = {j: allowed.select(part) for j, allowed in sets.items()}
        found.append(_begin(model, given[part], c[part], own, None if weights is None else weights[part]))
    x, chosen = (torch.cat(parts) for parts in zip(*found, strict=True))
    return x, chosen


def _run_rounds(model: Any, x: Tensor, given: Tensor, c: Tensor, sets: Mapping[int, Allowed]) -> Tensor:
    """Draw codes of rows ``(B, W)`` from the posterior and each cell that is not given anew, in turn."""
    is_open = given[:, model.vae.likelihood.token_columns] < 0
    for _ in range(_ROUNDS):
        z = _draw_codes(model.vae, x, c)
        x = redraw_cells(model.new_rows(z, c), x, is_open, sets)
    return x


def _begin(
    model: Any, given: Tensor, c: Tensor, sets: Mapping[int, Allowed], weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return a row for each given one, of the codes that the prior draws for it, and which code that is."""
    rows = len(given)
    owner = torch.arange(rows, device=c.device).repeat_interleave(CANDIDATES)
    c, given = _repeat(c), _repeat(given)
    z = model.vae.latent.sample(c, 1.0).to(c.dtype)
    blocks = Blocks(*(torch.full((rows,), size, device=c.device) for size in (CANDIDATES, 1)))
    own = {j: allowed.select(owner) for j, allowed in sets.items()}
    evidence = Evidence(own, given, None if weights is None else _repeat(weights[..., None])[:, 0].clone())
    drawn = draw_given(model.new_rows(z, c), evidence, blocks)
    return drawn.x, drawn.candidates - CANDIDATES * torch.arange(rows, device=c.device)


def _repeat(values: Tensor) -> Tensor:
    """Return what each candidate has ``(B · candidates, K)``, of one for each row or each candidate."""
    several = values.dim() == 3 and values.shape[1] > 1
    return values.flatten(0, 1) if several else values.flatten(1).repeat_interleave(CANDIDATES, 0)


def _choose(values: Tensor, chosen: Tensor) -> Tensor:
    """Return what the chosen candidate of each row has ``(B, K)``."""
    if values.dim() == 2:
        return values
    return values[torch.arange(len(values), device=values.device), chosen % values.shape[1]]


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
