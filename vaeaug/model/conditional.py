"""New rows that meet conditions on their columns: candidates, their weights, and what cannot be weighed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vaeaug.data.tables.conditions import TableConditions
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.model.fitted import FittedState
from vaeaug.nn.likelihoods.conditional import Blocks, Evidence, TokenSet, draw_given
from vaeaug.utils.random import Purpose, hash_seed, isolate_torch, numpy_generator

__all__ = ["Candidates", "Request", "draw_candidates", "draw_where"]

#: Candidates that are drawn at once, and for a block of rows at least.
_CHUNK, _FEWEST = 2048, 16
#: Candidates of each group that show how many a row needs, and how many groups are looked at.
_PILOT, _PILOT_GROUPS = 512, 8
#: Equally weighted candidates that each row should choose among, and most candidates for a row.
_WANTED, _MOST = 2.5, 64
#: Candidates beside each row of the fallback.
_BESIDE = 16
#: Rows that are looked at for a row that meets conditions no token decides, at least in all, and as long as
#: none does.
_LOOKED_AT, _LEAST_LOOKED_AT, _IN_VAIN = 50, 50_000, 10_000


@dataclass(frozen=True)
class Candidates:
    """Where rows start from.

    Parameters
    ----------
    c : ndarray of float32 (N, K)
        Contexts.
    z : ndarray (N, D) or None
        Codes; None draws them from the prior.
    log_weights : ndarray of float64 (N,) or None
        What they weigh beforehand.
    given : ndarray of float32 (N, W) or None
        Encoded rows of which known tokens are given.
    """

    c: np.ndarray
    z: np.ndarray | None = None
    log_weights: np.ndarray | None = None
    given: np.ndarray | None = None


@dataclass(frozen=True)
class Request:
    """Rows to draw.

    Parameters
    ----------
    groups : ndarray of int64 (n,)
        Rows of a group are chosen among the same candidates.
    start : callable
        Takes the groups of candidates (N,), and a seed; returns candidates and a tag of each, int64 (N,).
    temperature : float
    """

    groups: np.ndarray
    start: Callable[[np.ndarray, int], tuple[Candidates, np.ndarray]]
    temperature: float = 1.0


@dataclass(frozen=True)
class _Drawn:
    x: np.ndarray
    tags: np.ndarray
    c: np.ndarray
    effective: float
    log_mass: np.ndarray


def draw_where(
    fitted: FittedState, conditions: TableConditions, request: Request, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return encoded rows that meet conditions, float32 (n, W), and the tags of their candidates, int64 (n,).

    Raises
    ------
    InputError
        Where no row was found that meets them.

    Warns
    -----
    VaeaugWarning
        Where the rows stem from few candidates, or the conditions were met by looking at rows.
    """
    share = _measure_share(fitted, conditions, request, seed)
    each = int(np.clip(np.ceil(_WANTED / share), 1, _MOST))
    if not conditions.checked:
        drawn = _draw(fitted, conditions, request, request.groups, each, hash_seed(seed, 1))
        _warn_of_few(drawn.effective, len(drawn.x), conditions)
        return drawn.x, drawn.tags
    return _look_for_rows(fitted, conditions, request, each, seed)


def _measure_share(fitted: FittedState, conditions: TableConditions, request: Request, seed: int) -> float:
    """Return the share of candidates that carry the weight, of the group where it is smallest."""
    if not conditions.stretches:
        return _WANTED
    groups, counts = np.unique(request.groups, return_counts=True)
    looked_at = groups[np.argsort(-counts, kind="stable")[:_PILOT_GROUPS]]
    sizes = np.full(len(looked_at), _PILOT)
    candidates, _ = request.start(np.repeat(looked_at, sizes), hash_seed(seed, 0))
    found = draw_candidates(fitted, conditions, candidates, sizes, np.ones(len(sizes), int), seed=seed)
    return float((found.effective / _PILOT).min())


def _draw(
    fitted: FittedState,
    conditions: TableConditions,
    request: Request,
    groups: np.ndarray,
    each: int,
    seed: int,
) -> _Drawn:
    """Draw one row for each entry of groups, choosing among ``each`` times as many candidates."""
    rng = numpy_generator(seed, Purpose.CONDITIONS)
    # Rows that share a candidate do not lie side by side.
    order = np.lexsort((rng.random(len(groups)), groups))
    owners, rows = np.unique(groups, return_counts=True)
    most = max(1, _CHUNK // each)
    parts = -(-rows // most)
    owner = np.repeat(np.arange(len(owners)), parts)
    rank = np.arange(len(owner)) - (np.cumsum(parts) - parts)[owner]
    wanted = np.minimum(rows[owner] - rank * most, most)
    sizes = np.maximum(wanted * each, _FEWEST)
    candidates, tags = request.start(np.repeat(owners[owner], sizes), seed)
    found = draw_candidates(
        fitted, conditions, candidates, sizes, wanted, seed=seed, temperature=request.temperature
    )
    x, chosen = np.empty_like(found.x), np.empty_like(found.candidates)
    x[order], chosen[order] = found.x, found.candidates
    x = conditions.settle(x)
    return _Drawn(x, tags[chosen], candidates.c[chosen], float(found.effective.sum()), found.log_mass)


@dataclass(frozen=True)
class _Found:
    x: np.ndarray
    candidates: np.ndarray
    log_mass: np.ndarray
    effective: np.ndarray


def draw_candidates(
    fitted: FittedState,
    conditions: TableConditions | None,
    candidates: Candidates,
    sizes: np.ndarray,
    rows: np.ndarray,
    *,
    seed: int,
    temperature: float = 1.0,
) -> _Found:
    """Choose rows among blocks of candidates, as many blocks at a time as a pass takes.

    Parameters
    ----------
    sizes, rows : ndarray of int64 (b,)
        Candidates of each block, and rows that are chosen among them.
    """
    model = fitted.model
    device = model.runtime.device
    sets = {} if conditions is None else _as_sets(fitted, conditions, device)
    ends = np.cumsum(sizes)
    chunk = (ends - sizes) // _CHUNK
    groups = np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(chunk)) + 1)

    def choose(i: int) -> list[np.ndarray]:
        blocks = groups[i]
        part = slice(ends[blocks[0]] - sizes[blocks[0]], ends[blocks[-1]])

        def take(values: np.ndarray | None) -> Any:
            return None if values is None else torch.from_numpy(np.ascontiguousarray(values[part])).to(device)

        with isolate_torch(seed, i):
            c = take(candidates.c)
            z = take(candidates.z)
            z = model.vae.latent.sample(c, temperature).to(c.dtype) if z is None else z.to(c.dtype)
            evidence = Evidence(sets, take(candidates.given), take(candidates.log_weights))
            wanted = Blocks(*(torch.from_numpy(np.asarray(a)[blocks]).to(device) for a in (sizes, rows)))
            rows_of: Any = model.new_rows(z, c)
            drawn = draw_given(rows_of, evidence, wanted, temperature)
        arrays = (drawn.x, drawn.candidates + part.start, drawn.log_mass, drawn.effective)
        return [a.cpu().numpy() for a in arrays]

    found = model.runtime.map(choose, len(groups), small=True)
    return _Found(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _as_sets(fitted: FittedState, conditions: TableConditions, device: torch.device) -> dict[int, TokenSet]:
    """Return what conditions allow, by number of the token column."""
    layout = fitted.codec.layout
    columns = layout.columns("categorical").tolist()
    sets = {}
    for j, stretches in conditions.stretches.items():
        token = columns.index(fitted.codec.slices[j].start)
        allowed = stretches.weighted
        arrays = (torch.from_numpy(a).to(device) for a in (allowed.token, allowed.low, allowed.high))
        sets[token] = TokenSet(int(layout.levels[token]), *arrays)
    return sets


def _look_for_rows(
    fitted: FittedState, conditions: TableConditions, request: Request, each: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw many rows, and keep those that meet conditions which no token decides."""
    n = len(request.groups)
    x = np.empty((n, fitted.codec.layout.shape[0]), dtype=np.float32)
    tags, c = np.full(n, -1, dtype=np.int64), np.empty((n, fitted.context.width), np.float32)
    missing = np.arange(n)
    budget = max(_LEAST_LOOKED_AT, _LOOKED_AT * n) // each
    looked_at, met, times = 0, 0, 1.2
    while len(missing) and looked_at < (budget if met else _IN_VAIN):
        most = budget if met else _IN_VAIN
        asked = np.resize(missing, int(min(len(missing) * times + 256, most)))
        drawn = _draw(fitted, conditions, request, request.groups[asked], each, hash_seed(seed, 2, looked_at))
        kept = np.flatnonzero(conditions.meet(conditions.snap(fitted.codec.decode(drawn.x))))
        looked_at, met = looked_at + len(asked), met + len(kept)
        # Each missing row takes the next one of its group.
        taken, rows = _pair(request.groups[missing], request.groups[asked][kept])
        filled, chosen = missing[rows], kept[taken]
        x[filled], tags[filled], c[filled] = drawn.x[chosen], drawn.tags[chosen], drawn.c[chosen]
        missing = np.setdiff1d(missing, filled)
        times = min(1.2 * looked_at / max(met, 1), 64.0)
    if not met:
        raise InputError(
            f"where: none of {looked_at:,} new rows meets {conditions.describe()}, of which "
            f"{_list_columns(fitted, conditions.checked)} follows from other columns; loosen the conditions, "
            "or put them on the columns it follows from."
        )
    if len(missing):
        lost = np.setdiff1d(request.groups[missing], np.delete(request.groups, missing))
        if len(lost):
            raise InputError(
                f"where: of {looked_at:,} new rows none of some labels meets {conditions.describe()}; loosen "
                "the conditions, or leave y out."
            )
        x, tags = _repeat_rows(fitted, conditions, request, (x, tags, c), missing, seed)
        warnings.warn(
            f"where: {met:,} of {looked_at:,} new rows meet {conditions.describe()}, and {n:,} are asked "
            "for: some share their values of "
            f"{_list_columns(fitted, conditions.deciding_columns)}, and differ elsewhere. "
            "Ask for fewer rows, or loosen the conditions.",
            VaeaugWarning,
            stacklevel=5,
        )
    return x, tags


def _pair(wanted: np.ndarray, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which offers go to which wishes of the same group, one to one: numbers of both."""

    def rank(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(groups, kind="stable")
        ordered = groups[order]
        return order, np.arange(len(groups)) - np.searchsorted(ordered, ordered)

    (first, a), (second, b) = rank(wanted), rank(offered)
    most = max(len(wanted), len(offered)) + 1
    keys, others = wanted[first] * most + a, offered[second] * most + b
    _, i, j = np.intersect1d(keys, others, assume_unique=True, return_indices=True)
    return second[j], first[i]


def _repeat_rows(
    fitted: FittedState,
    conditions: TableConditions,
    request: Request,
    found: tuple[np.ndarray, np.ndarray, np.ndarray],
    missing: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Give missing rows the columns that decide from rows of their group, and draw the others given these."""
    x, tags, c = found
    rng = numpy_generator(seed, Purpose.CHOICE)
    known = np.setdiff1d(np.arange(len(x)), missing)
    order = known[np.argsort(request.groups[known], kind="stable")]
    low = np.searchsorted(request.groups[order], request.groups[missing])
    high = np.searchsorted(request.groups[order], request.groups[missing], side="right")
    source = order[low + (rng.random(len(missing)) * (high - low)).astype(np.int64)]
    given = x[source].copy()
    free = [j for j in range(len(fitted.codec.codecs_)) if j not in conditions.deciding_columns]
    for j in free:
        part = fitted.codec.slices[j]
        given[:, part.start : part.stop][:, :1] = -1
    each = np.full(len(missing), _BESIDE)
    candidates = Candidates(np.repeat(c[source], each, axis=0), given=np.repeat(given, each, axis=0))
    drawn = draw_candidates(
        fitted, None, candidates, each, np.ones_like(each), seed=seed, temperature=request.temperature
    )
    x[missing], tags[missing] = drawn.x, tags[source]
    return x, tags


def _list_columns(fitted: FittedState, columns: list[int]) -> str:
    return ", ".join(str(fitted.codec.codecs_[j].name) for j in columns)


def _warn_of_few(effective: float, rows: int, conditions: TableConditions) -> None:
    if effective < min(rows, 1000) / 4 and rows > 1:
        warnings.warn(
            f"where: {conditions.describe()} is so unlike other rows that {rows:,} rows stem from about "
            f"{max(1, round(effective)):,} independent ones: many share their first columns. Ask for fewer "
            "rows, or loosen the conditions.",
            VaeaugWarning,
            stacklevel=5,
        )
