"""How fit learns: settings, networks, prior, and the rows kept as anchors; no mathematics."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from vaeaug.data.labels.class_weights import class_numbers, class_weights
from vaeaug.data.labels.context import ContextCodec
from vaeaug.errors import PosteriorCollapseWarning
from vaeaug.io.checkpoints import Checkpoints
from vaeaug.layout import Layout
from vaeaug.model.builder import NETWORKS, Blueprint, chosen, settled, weighed
from vaeaug.model.defaults import (
    Plan,
    backoff_for,
    hold_out,
    prior_for,
    resolve,
    units_for,
)
from vaeaug.model.fitted import Anchors
from vaeaug.model.model import Model
from vaeaug.nn.latents.registry import LATENTS
from vaeaug.nn.posteriors.registry import POSTERIORS
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.recipe import Recipe
from vaeaug.training.callbacks import ProgressBar
from vaeaug.training.distributed import Team
from vaeaug.training.optimisation import Deadline
from vaeaug.training.rows import Block
from vaeaug.training.runtime import Runtime
from vaeaug.utils.random import numpy_generator

__all__ = ["Learned", "Parameters", "Stream", "learn", "warn_if_collapsed"]

_FEWEST_ANCHORS, _MOST_ANCHORS = 1_000, 20_000
#: Pixels kept beside the codes, at most, so that a saved model stays of a size that can be sent around.
_MOST_ANCHOR_VALUES = 1 << 25
_CHOICE = 12
#: Share of the time of a bounded fit that has passed when the networks, and when the prior, must be done.
_NETWORKS_DONE, _CODES_DONE, _PRIOR_DONE = 0.75, 0.82, 0.92
#: Rows for each of several processes from which "auto" batches grow with their number.
_ROWS_FOR_LARGER_BATCHES = 50_000
_COLLAPSED, _FEWEST_TO_JUDGE = 0.1, 200  # nats, rows


class Stream(Protocol):
    """Rows that are read again in every epoch."""

    rows: int

    def balance(self) -> np.ndarray:
        """Return the weights of the rows of the sample, float32 (n,)."""

    def training_rows(self, held_out: np.ndarray) -> tuple[Callable[..., Iterator[Block]], int]:
        """Return how to read the rows that are not held out, and how many there are."""


class Parameters(Protocol):
    """The parameters of the estimator that decide how a model is learned."""

    latent_dim: int | str
    beta: float | str
    prior: str | Recipe
    posterior: str | Recipe
    latent: str | Recipe
    network: str | Recipe
    losses: Mapping[str, float | Recipe] | None
    max_iter: int | str
    batch_size: int | str
    learning_rate_init: float | str
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    max_fit_seconds: float | None
    device: str
    verbose: int | bool


@dataclass(frozen=True)
class Learned:
    """What comes out of training.

    Parameters
    ----------
    model : Model
    history : DataFrame
        As the estimator's ``history_``.
    anchors : Anchors
    """

    model: Model
    history: pd.DataFrame
    anchors: Anchors


def learn(
    parameters: Parameters,
    layout: Layout,
    context: ContextCodec,
    x: np.ndarray,
    c: np.ndarray,
    *,
    groups: np.ndarray | None,
    weights: np.ndarray | None,
    pack: Callable[[np.ndarray], np.ndarray | None],
    seed: int,
    team: Team | None = None,
    stream: Stream | None = None,
    checkpoints: Checkpoints | None = None,
    deadline: Deadline | None = None,
) -> Learned:
    """Build a model for encoded rows and train it.

    Parameters
    ----------
    parameters : Parameters
        Those of the estimator.
    layout : Layout
        Of a row.
    context : ContextCodec
    x : ndarray of float32, shape (n, W) or (n, C, H, W)
    c : ndarray of float32, shape (n, K)
    groups : ndarray of int, shape (n,), or None
        Class numbers.
    weights : ndarray of float32, shape (n,), or None
        Importance of the rows, above 0.
    pack : callable
        Turns encoded rows into what is kept of them beside their codes, None for nothing.
    seed : int
    team : Team, optional
        Processes that train together.
    stream : Stream, optional
        The rows, where x and c are a sample of them and weights what each row of it stands for.
    checkpoints : Checkpoints, optional
        Where the state of training is kept.
    deadline : Deadline, optional
        By default ``max_fit_seconds`` from now on.

    Raises
    ------
    InputError
        For parameters that cannot be used.
    TrainingDivergedError
        When the loss stays non-finite.
    """
    deadline = deadline or Deadline(parameters.max_fit_seconds)
    team = team or Team()
    n = len(x) if stream is None else stream.rows
    plan = resolve(
        n,
        latent_dim=parameters.latent_dim,
        max_iter=parameters.max_iter,
        batch_size=parameters.batch_size,
        learning_rate=parameters.learning_rate_init,
        beta=parameters.beta,
        validation_fraction=parameters.validation_fraction,
        early_stopping=parameters.early_stopping,
        shape=layout.shape,
    )
    if parameters.batch_size == "auto" and n >= _ROWS_FOR_LARGER_BATCHES * team.size:
        # Each process keeps the batch of one: with less work a step than that, talking takes the time.
        plan = replace(plan, batch_size=plan.batch_size * team.size)
    blueprint = _blueprint(parameters, layout, context, plan, groups, n)
    model = Model.create(blueprint, Runtime(parameters.device), seed)
    held_out = hold_out(groups, len(x), plan.held_out, seed)
    each = class_weights(groups, weights) if stream is None else stream.balance()
    rows = None if stream is None else stream.training_rows(held_out)
    history = _train(
        parameters,
        model,
        x,
        c,
        held_out,
        each,
        plan,
        deadline,
        seed,
        rows,
        team=team,
        checkpoints=checkpoints,
    )
    model.calibrate(x, c, weights=weights, seed=seed, turns=deadline.turns())
    model.agree(team)
    most = _MOST_ANCHORS
    if layout.is_image:
        most = min(most, max(1, _MOST_ANCHOR_VALUES // int(np.prod(layout.shape))))
    if team.size == 1:
        most = deadline.affordable(lambda n: model.encode(x[:n], c[:n]), _FEWEST_ANCHORS, min(most, len(x)))
    kept = _anchor_rows(class_numbers(c, context.class_block), most, seed)
    mean, scale = model.encode(x[kept], c[kept])
    anchors = Anchors(mean.astype(np.float32), scale.astype(np.float32), c[kept], pack(x[kept]))
    return Learned(model, team.first(history), anchors)


def _blueprint(
    parameters: Parameters,
    layout: Layout,
    context: ContextCodec,
    plan: Plan,
    groups: np.ndarray | None,
    rows: int,
) -> Blueprint:
    usual = "convolutional" if layout.is_image else "residual"
    network = chosen(usual if parameters.network == "auto" else parameters.network, NETWORKS, "network")
    if parameters.network == "auto" and not layout.is_image:
        network = network.replace(dependence=units_for(rows, len(layout.levels)))
    posterior = chosen(parameters.posterior, POSTERIORS, "posterior")
    start, stop = context.class_block
    return Blueprint(
        layout=layout,
        context_width=context.width,
        blocks=tuple(context.blocks),
        class_block=context.class_block,
        latent_dim=plan.latent_dim,
        network=settled(network),
        prior=chosen(prior_for(parameters.prior, layout.shape, rows, labelled=stop > start), PRIORS, "prior"),
        posterior=posterior,
        latent=chosen(parameters.latent, LATENTS, "latent"),
        losses=weighed(parameters.losses, plan.beta, posterior),
        backoff=backoff_for(groups, stop - start),
    )


def _train(
    parameters: Parameters,
    model: Model,
    x: np.ndarray,
    c: np.ndarray,
    held_out: np.ndarray,
    weights: np.ndarray | None,
    plan: Plan,
    deadline: Deadline,
    seed: int,
    stream: tuple[Callable[..., Iterator[Block]], int] | None,
    *,
    team: Team,
    checkpoints: Checkpoints | None,
) -> pd.DataFrame:
    stages = []
    verbose = parameters.verbose and team.is_first
    keepers = {
        name: None if checkpoints is None else checkpoints.stage(name) for name in ("network", "prior")
    }
    with _progress(verbose, "networks") as bars:
        result = model.train(
            x,
            c,
            held_out,
            weights=weights,
            seed=seed,
            callbacks=bars,
            stream=stream,
            team=team,
            keeper=keepers["network"],
            max_iter=plan.max_iter,
            batch_size=plan.batch_size,
            learning_rate=plan.learning_rate,
            weight_decay=plan.weight_decay,
            early_stopping=parameters.early_stopping,
            n_iter_no_change=parameters.n_iter_no_change,
            max_seconds=deadline.left(_NETWORKS_DONE),
        )
    stages.append(pd.DataFrame(result.history).assign(stage="network"))
    with _progress(verbose, "prior") as bars:
        fitted = model.fit_prior(
            x,
            c,
            weights=weights,
            seed=seed,
            callbacks=bars,
            team=team,
            keeper=keepers["prior"],
            max_iter=plan.prior_max_iter,
            batch_size=plan.prior_batch_size,
            learning_rate=plan.learning_rate,
            turns=deadline.turns(_PRIOR_DONE),
            # Processes that train together must have the same codes.
            reading=None if deadline.max_seconds is None or team.size > 1 else deadline.turns(_CODES_DONE),
            max_seconds=deadline.left(_PRIOR_DONE),
        )
    if fitted is not None:
        stages.append(pd.DataFrame(fitted.history).assign(stage="prior"))
    history = pd.concat(stages, ignore_index=True)
    return history[["stage", *(name for name in history if name != "stage")]]


def _anchor_rows(groups: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Choose the training rows to keep (at most so many) for variations without the data; sorted, int64."""
    if len(groups) <= most:
        return np.arange(len(groups))
    order = numpy_generator(seed, _CHOICE).permutation(len(groups))
    # Small classes are kept whole: order rows by their rank within the class.
    rank = pd.Series(groups[order]).groupby(groups[order]).cumcount().to_numpy()
    return np.sort(order[np.argsort(rank, kind="stable")[:most]])


@contextmanager
def _progress(verbose: int | bool, description: str) -> Iterator[Sequence[ProgressBar]]:
    """Yield the callbacks that show progress, if the user asked for it."""
    if not verbose:
        yield ()
        return
    with ProgressBar(description) as bar:
        yield (bar,)


def warn_if_collapsed(history: pd.DataFrame, rows: int) -> None:
    """Warn that the codes of fit say (almost) nothing about the rows; few rows are not judged."""
    if "train_kl" not in history:
        return
    kl = history.loc[history["stage"] == "network", "train_kl"]
    if rows >= _FEWEST_TO_JUDGE and kl.iloc[-1] < _COLLAPSED:
        warnings.warn(
            f"The codes carry {kl.iloc[-1]:.3f} nats about a row: transform, vary and interpolate have "
            "little to work with (samples are not affected). Lower beta, or check whether the columns depend "
            "on each other.",
            PosteriorCollapseWarning,
            stacklevel=3,
        )
