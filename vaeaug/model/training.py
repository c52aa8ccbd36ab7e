"""How a model learns: its networks, then its prior, then the calibration of the rows that it draws."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vaeaug.data.labels.class_weights import class_numbers
from vaeaug.errors import VaeaugWarning
from vaeaug.model.builder import Blueprint
from vaeaug.model.model import Model
from vaeaug.nn.distributions import CodeDistribution
from vaeaug.nn.likelihoods.tilting import Classes
from vaeaug.nn.priors.base import Turns
from vaeaug.training.distributed import Team
from vaeaug.training.loop import train
from vaeaug.training.options import Options, TrainingResult
from vaeaug.training.rows import Block, HeldRows, StreamedRows
from vaeaug.training.run import Conditions
from vaeaug.utils.random import Purpose, isolate_torch, neutral_torch

__all__ = ["TrainingRows", "calibrate", "fit_prior", "is_steady", "share_weights", "train_networks"]

#: Parts whose training gives the same bytes with one thread and with two; none for images, whose convolutions
#: add up gradients thread by thread.
_STEADY = {"network": "residual", "posterior": "gaussian", "latent": "flat"}
_STEADY_LOSSES = {"reconstruction", "kl"}

#: Rows whose codes are computed, or that are drawn, between two looks at the clock.
_BLOCK = 2048
#: Codes that a prior is fitted to, at most: more cost time and add little.
_PRIOR_CODES = 65_536
_LEAST_CODES = 8_192
#: Rows drawn in each round of calibration, at most.
_CALIBRATION_ROWS = 49_152
#: Cells of the rows that few given rows need in a round, and rows of so many columns that they have fewer.
_CALIBRATION_CELLS, _FEWEST_OF_WIDE = 1 << 20, 1_024
#: Divides those of small classes in a model that was calibrated before.
_FEWER = 3
#: Rows drawn for each small class in such a round, at least.
_FEWEST_DRAWN = 256


@dataclass(frozen=True)
class TrainingRows:
    """Encoded rows, their contexts, and how much they count.

    Parameters
    ----------
    x : ndarray of float32, shape (n, W) or (n, C, H, W)
    c : ndarray of float32, shape (n, K)
    weights : ndarray of float32, shape (n,), or None
        Importance of the rows; None counts them alike.
    """

    x: np.ndarray
    c: np.ndarray
    weights: np.ndarray | None = None


def is_steady(blueprint: Blueprint) -> bool:
    """Tell whether the networks of a blueprint come out the same with one thread and with two."""
    known = all(getattr(blueprint, part).name == name for part, name in _STEADY.items())
    return known and set(blueprint.losses) <= _STEADY_LOSSES


@neutral_torch()
def train_networks(
    model: Model,
    rows: TrainingRows,
    held_out: np.ndarray,
    options: Options,
    conditions: Conditions,
    *,
    stream: tuple[Callable[[int, int, int, int], Iterator[Block]], int] | None = None,
    is_begun: bool = False,
) -> TrainingResult:
    """Train the networks of a model.

    Parameters
    ----------
    model : Model
    rows : TrainingRows
    held_out : ndarray of bool, shape (n,)
        Rows for validation; may be none.
    options : Options
    conditions : Conditions
        With the seed of the whole fit; the device is that of the model.
    stream : (callable, int), optional
        How to read the rows to train on, as :class:`vaeaug.training.rows.StreamedRows` asks for, and how
        many there are; ``rows`` are then a sample of them.
    is_begun : bool, default=False
        Go on from the weights there are; otherwise the parts first look at the rows.
    """
    kept = ~held_out
    x, c, weights = rows.x, rows.c, rows.weights
    model.forget_copies()
    device = model.runtime.device
    if not is_begun:
        with _open_session(model), isolate_torch(conditions.seed, Purpose.INITIAL), torch.no_grad():
            model.vae.initialise(torch.from_numpy(x[kept]).to(device), torch.from_numpy(c[kept]).to(device))

    def hold(mask: np.ndarray) -> HeldRows:
        tensors = [torch.from_numpy(x[mask]), torch.from_numpy(c[mask])]
        return HeldRows(tensors, None if weights is None else torch.from_numpy(weights[mask]), device)

    return train(
        model.objective,
        hold(kept) if stream is None else StreamedRows(*stream, device),
        options,
        _derive_conditions(conditions, model, Purpose.NETWORK),
        validation=hold(held_out) if held_out.any() else None,
    )


def fit_prior(
    model: Model,
    rows: TrainingRows,
    options: Options,
    conditions: Conditions,
    *,
    turns: Turns = range,
    reading: Turns | None = None,
) -> TrainingResult | None:
    """Fit the prior to codes of all rows, drawn from the posterior; return its training if any.

    Parameters
    ----------
    model : Model
    rows : TrainingRows
    options : Options
        Of the training, for priors that are trained; they may take a share of its epochs.
    conditions : Conditions
        With the seed of the whole fit; the device is that of the model.
    turns : callable
        Gives the numbers of the rounds to go, from the number wanted: for fits in rounds.
    reading : callable, optional
        The same for blocks of rows whose codes are computed; where there is no time for all, those
        of a random part are. By default of all rows.

    Warns
    -----
    VaeaugWarning
        If a keyboard interrupt stopped the fit in closed form; the prior is then as built.
    """
    model.forget_copies()
    try:
        objective, codes = _estimate_prior(model, rows, conditions.seed, turns, reading)
    except KeyboardInterrupt:
        warnings.warn(
            'Fitting the prior was interrupted: method="prior" draws codes from N(0, I). Fit again for '
            'better rows, or use method="posterior" or "interpolate".',
            VaeaugWarning,
            stacklevel=2,
        )
        return None
    if objective is None:
        return None
    epochs = max(1, round(model.vae.latent.prior.epochs_share * options.max_iter))
    conditions = _derive_conditions(conditions, model, Purpose.PRIOR_FIT)
    return train(objective, codes, replace(options, max_iter=epochs), conditions)


def calibrate(
    model: Model, rows: TrainingRows, *, seed: int, turns: Turns = range, is_begun: bool = False
) -> None:
    """Make drawn rows hold every token as often as the given rows do, where there are tokens.

    Parameters
    ----------
    model : Model
    rows : TrainingRows
        Contexts are drawn from the rows with their weights.
    seed : int
    turns : callable
        Gives the numbers of the rounds to go, from the number wanted.
    is_begun : bool, default=False
        The model was calibrated before: the first, coarse round will do, and fewer rows of small classes.
    """
    likelihood: Any = model.vae.likelihood
    if not likelihood.has_tokens:
        return
    model.forget_copies()
    x, c, weights = rows.x, rows.c, rows.weights
    rng = np.random.default_rng(_derive(seed, Purpose.CALIBRATION))
    share = None if weights is None else weights.astype(np.float64) / weights.sum(dtype=np.float64)
    most = int(np.clip(4 * len(x), _bound_rows(likelihood, _LEAST_CODES), _CALIBRATION_ROWS))

    def batches(part: float) -> Iterator[Any]:
        drawn = math.ceil(part * most)
        if drawn > _BLOCK:
            drawn = math.ceil(drawn / _BLOCK) * _BLOCK
        return _draw_likelihoods(model, c[rng.choice(len(x), drawn, p=share)])

    with _open_session(model), isolate_torch(seed, Purpose.CALIBRATION), torch.no_grad():
        tensor = torch.from_numpy(x).to(model.runtime.device)
        each = None if weights is None else torch.from_numpy(weights).to(model.runtime.device)
        # Each round leaves a model in good order, so an interrupt keeps what was done.
        with contextlib.suppress(KeyboardInterrupt):
            likelihood.calibrate(tensor, each, batches, (lambda _: turns(1)) if is_begun else turns)
            drawn = _CALIBRATION_ROWS // (_FEWER if is_begun else 1)
            _calibrate_classes(model, tensor, each, c, seed, turns, drawn)


def share_weights(model: Model, team: Team) -> None:
    """Take the weights that the first of several processes has."""
    if team.size > 1:
        model.load(team.first(model.state()))


def _calibrate_classes(
    model: Model,
    x: Tensor,
    weights: Tensor | None,
    c: np.ndarray,
    seed: int,
    turns: Turns,
    most: int,
) -> None:
    """Make rows drawn for small classes lie, column by column, where those of the class do; draws so many."""
    likelihood: Any = model.vae.likelihood
    block = model.blueprint.class_block
    numbers = class_numbers(c, block)
    small = Classes(numbers, block, c.shape[1]).small()
    if not len(small):
        return
    kept = np.flatnonzero(np.isin(numbers, small))
    c, classes = c[kept], Classes(numbers[kept], block, c.shape[1])
    kept_rows = torch.from_numpy(kept).to(x.device)
    rng = np.random.default_rng(_derive(seed, Purpose.CLASS_CALIBRATION))
    drawn = int(np.clip(most // len(small), _FEWEST_DRAWN, _bound_rows(likelihood, 2 * _BLOCK)))

    def batches(group: int) -> Iterator[Any]:
        rows = rng.choice(np.flatnonzero(classes.numbers == group), drawn)
        return _draw_likelihoods(model, c[rows])

    each = None if weights is None else weights[kept_rows]
    likelihood.calibrate_classes(x[kept_rows], each, classes, batches, turns)


def _bound_rows(likelihood: Any, rows: int) -> int:
    """Return so many rows, or fewer of a table of many columns."""
    return int(np.clip(_CALIBRATION_CELLS // len(likelihood.levels), _FEWEST_OF_WIDE, rows))


def _draw_likelihoods(model: Model, c: np.ndarray) -> Iterator[Any]:
    """Yield the likelihoods of rows, a chunk each, for codes drawn from the prior given contexts."""
    for (contexts,) in model.chunks(c):
        yield model.vae.decode(model.vae.latent.sample(contexts), contexts)


def _estimate_prior(
    model: Model, rows: TrainingRows, seed: int, turns: Turns, reading: Turns | None
) -> tuple[nn.Module | None, tuple[Tensor, Tensor]]:
    """Fit the prior in closed form; return what is left to train, and the codes to train it on."""
    x, c, prior = rows.x, rows.c, model.vae.latent.prior
    rng = np.random.default_rng(_derive(seed, Purpose.PRIOR_DRAW))
    numbers = _choose_rows(rows.weights, len(x), rng)
    if reading is not None:
        rng.shuffle(numbers)
    blocks = np.array_split(numbers, math.ceil(len(numbers) / _BLOCK))
    with _open_session(model), isolate_torch(seed, Purpose.PRIOR_DRAW), torch.no_grad():
        parts = []
        for turn in (range if reading is None else reading)(len(blocks)):
            parts += _encode(model, x[blocks[turn]], c[blocks[turn]])
        if not parts:
            parts = _encode(model, x[blocks[0]], c[blocks[0]])
        draws = max(1, math.ceil(_LEAST_CODES / sum(len(b) for _, b in parts)))
        z = torch.cat([q.rsample(torch.Size([draws])).flatten(0, 1) for q, _ in parts])
        contexts = torch.cat([b.repeat(draws, 1) for _, b in parts])
        model.vae.latent.settle(z)
        prior.estimate(z, contexts, draws, turns)
        return prior.objective(z, contexts, draws), (z, contexts)


def _encode(model: Model, x: np.ndarray, c: np.ndarray) -> list[tuple[CodeDistribution, Tensor]]:
    """Return the posteriors of rows, a chunk each, with their contexts."""
    return [(model.vae.encode(a, b), b) for a, b in model.chunks(x, c)]


def _choose_rows(weights: np.ndarray | None, n: int, rng: np.random.Generator) -> np.ndarray:
    """Choose the rows a prior is fitted to, each as often as its weight asks for; sorted, int64.

    Systematic resampling: equal steps through the cumulative weights.
    """
    if weights is None:
        return np.arange(n) if n <= _PRIOR_CODES else np.sort(rng.choice(n, _PRIOR_CODES, replace=False))
    size = min(n, _PRIOR_CODES)
    ends = np.cumsum(weights, dtype=np.float64)
    steps = (np.arange(size) + rng.random()) * (ends[-1] / size)
    return np.minimum(np.searchsorted(ends, steps, side="right"), n - 1)


def _open_session(model: Model) -> AbstractContextManager[None]:
    """Return a session; blocks of table rows are too little work for a second thread."""
    return model.runtime.session(None if model.blueprint.layout.is_image else 0.0)


def _derive(seed: int, purpose: Purpose) -> int:
    """Return the seed of one purpose within a run."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0])


def _derive_conditions(conditions: Conditions, model: Model, purpose: Purpose) -> Conditions:
    """Return the conditions of one purpose: a seed of its own, on the device of the model."""
    return replace(conditions, seed=_derive(conditions.seed, purpose), runtime=model.runtime)
