"""How fit learns: settings, networks, prior, and the rows kept as anchors; no mathematics."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from vaeaug.data.labels.class_weights import class_numbers, class_weights
from vaeaug.errors import PosteriorCollapseWarning, VaeaugWarning
from vaeaug.model.builder import NETWORKS, Blueprint, choose_recipe, complete_recipe, weigh_losses
from vaeaug.model.defaults import (
    Parameters,
    Plan,
    choose_backoff,
    choose_prior,
    choose_units,
    hold_out,
    resolve,
    shorten,
)
from vaeaug.model.fitted import Anchors
from vaeaug.model.model import Model
from vaeaug.model.training import (
    TrainingRows,
    calibrate,
    fit_prior,
    is_steady,
    share_weights,
    train_networks,
)
from vaeaug.model.training_data import Session, TrainingData
from vaeaug.model.warm_start import continue_blueprint, transfer_weights
from vaeaug.nn.latents.registry import LATENTS
from vaeaug.nn.posteriors.registry import POSTERIORS
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.training.callbacks import DurationNote, ProgressBar
from vaeaug.training.distributed import Team
from vaeaug.training.options import Options, TrainingResult
from vaeaug.training.run import Conditions
from vaeaug.training.runtime import Runtime
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.random import Purpose, numpy_generator
from vaeaug.utils.wording import count

__all__ = ["Learned", "learn", "warn_if_collapsed"]

#: What the command line listens to, with or without a progress bar.
_LOG = logging.getLogger("vaeaug.fit")
_FEWEST_ANCHORS, _MOST_ANCHORS = 1_000, 20_000
#: Pixels kept beside the codes, at most, so that a saved model stays of a size that can be sent around.
_MOST_ANCHOR_VALUES = 1 << 25
#: Share of the time of a bounded fit that has passed when the networks, and when the prior, must be done.
_NETWORKS_DONE, _CODES_DONE, _PRIOR_DONE = 0.75, 0.82, 0.92
#: Rows for each of several processes from which "auto" batches grow with their number.
_ROWS_FOR_LARGER_BATCHES = 50_000
_COLLAPSED, _FEWEST_TO_JUDGE = 0.1, 200  # nats, rows
#: Share of the time of a bounded fit from which its networks were stopped by the clock.
_CUT_SHORT = 0.5
#: Share of the steps planned below which a fit that was ended by the clock is warned of.
_TOO_SHORT = 0.1


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


def learn(parameters: Parameters, data: TrainingData, session: Session) -> Learned:
    """Build a model for encoded rows and train it.

    Parameters
    ----------
    parameters : Parameters
        Those of the estimator.
    data : TrainingData
    session : Session

    Raises
    ------
    InputError
        For parameters that cannot be used.
    TrainingDivergedError
        When the loss stays non-finite.
    """
    seed, team, deadline = session.seed, session.team, session.deadline
    plan, earlier = _make_plan(parameters, data, team), session.earlier
    blueprint = _make_blueprint(parameters, data, plan)
    if earlier is not None:
        plan = shorten(plan, parameters, data.rows, data.layout.shape)
        blueprint = continue_blueprint(earlier, blueprint)
    model = Model.create(blueprint, Runtime(parameters.device), seed)
    if earlier is not None:
        transfer_weights(earlier, model, data.intake.codec, data.context, data.x)
    history = _train(parameters, model, data, plan, session)
    rows, is_begun = TrainingRows(data.x, data.c, data.weights), earlier is not None
    calibrate(model, rows, seed=seed, turns=deadline.turns(), is_begun=is_begun)
    share_weights(model, team)
    return Learned(model, team.first(history), _keep_anchors(model, data, session))


def _make_plan(parameters: Parameters, data: TrainingData, team: Team) -> Plan:
    plan = resolve(parameters, data.rows, data.layout.shape)
    if parameters.batch_size == "auto" and data.rows >= _ROWS_FOR_LARGER_BATCHES * team.size:
        # Each process keeps the batch of one: with less work a step than that, talking takes the time.
        plan = replace(plan, batch_size=plan.batch_size * team.size)
    return plan


def _make_blueprint(parameters: Parameters, data: TrainingData, plan: Plan) -> Blueprint:
    layout, context = data.layout, data.context
    usual = "convolutional" if layout.is_image else "residual"
    network = choose_recipe(
        usual if parameters.network == "auto" else parameters.network, NETWORKS, "network"
    )
    if parameters.network == "auto" and not layout.is_image:
        shared, own, peaks = choose_units(data.rows, len(layout.levels))
        network = network.replace(dependence=shared, own=own, peaks=peaks)
    posterior = choose_recipe(parameters.posterior, POSTERIORS, "posterior")
    start, stop = context.class_block
    prior = choose_prior(parameters.prior, layout.shape, data.rows, labelled=stop > start)
    return Blueprint(
        layout=layout,
        context_width=context.width,
        blocks=tuple(context.blocks),
        class_block=context.class_block,
        latent_dim=plan.latent_dim,
        network=complete_recipe(network),
        prior=choose_recipe(prior, PRIORS, "prior"),
        posterior=posterior,
        latent=choose_recipe(parameters.latent, LATENTS, "latent"),
        losses=weigh_losses(parameters.losses, plan.beta, posterior),
        backoff=choose_backoff(data.groups, stop - start),
    )


def _train(
    parameters: Parameters, model: Model, data: TrainingData, plan: Plan, session: Session
) -> pd.DataFrame:
    """Train the networks, then the prior; return the history of both."""
    seed, team, deadline, checkpoints = session.seed, session.team, session.deadline, session.checkpoints
    held_out = hold_out(data.groups, len(data.x), plan.held_out, seed)
    stream = data.stream
    balanced = class_weights(data.groups, data.weights) if stream is None else stream.balance()
    rows = TrainingRows(data.x, data.c, balanced)
    verbose = parameters.verbose and team.is_first
    keepers = {
        name: None if checkpoints is None else checkpoints.stage(name) for name in ("network", "prior")
    }
    conditions = Conditions(seed, model.runtime, team=team)
    told = []
    if team.is_first and not parameters.max_fit_seconds:
        told = [DurationNote(_tell(verbose), _share_of_networks(model))]
    with _progress(verbose, "networks") as bars:
        options = Options(
            max_iter=plan.max_iter,
            batch_size=plan.batch_size,
            learning_rate=plan.learning_rate,
            weight_decay=plan.weight_decay,
            early_stopping=plan.held_out > 0,
            n_iter_no_change=parameters.n_iter_no_change,
            max_seconds=deadline.left(_NETWORKS_DONE),
            max_steps=plan.max_steps,
            free_threads=is_steady(model.blueprint),
        )
        result = train_networks(
            model,
            rows,
            held_out,
            options,
            replace(conditions, callbacks=[*bars, *told], keeper=keepers["network"]),
            stream=None if stream is None else stream.training_rows(held_out),
            is_begun=session.earlier is not None,
        )
    if team.is_first:
        _say_end(result, parameters, plan.max_iter)
    stages = [pd.DataFrame(result.history).assign(stage="network")]
    with _progress(verbose, "prior") as bars:
        options = Options(
            max_iter=plan.prior_max_iter,
            batch_size=plan.prior_batch_size,
            learning_rate=plan.prior_learning_rate,
            max_seconds=deadline.left(_PRIOR_DONE),
        )
        fitted = fit_prior(
            model,
            rows,
            options,
            replace(conditions, callbacks=bars, keeper=keepers["prior"]),
            turns=deadline.turns(_PRIOR_DONE),
            # Processes that train together must have the same codes.
            reading=None if deadline.max_seconds is None or team.size > 1 else deadline.turns(_CODES_DONE),
        )
    if fitted is not None:
        stages.append(pd.DataFrame(fitted.history).assign(stage="prior"))
    history = pd.concat(stages, ignore_index=True)
    return history[["stage", *(name for name in history if name != "stage")]]


def _say_end(result: TrainingResult, parameters: Parameters, planned: int) -> None:
    """Warn if time was up long before the end of training; beside a progress bar, say if it stopped early."""
    if result.stop_reason == "max_seconds" and result.share < _TOO_SHORT:
        warn_caller(
            f"Training was ended by max_fit_seconds={parameters.max_fit_seconds:g} in epoch {result.n_iter} "
            f"of {planned} planned, after {result.share:.1%} of its steps: what it makes is of little "
            "use yet. Give it more time.",
            VaeaugWarning,
        )
    elif result.stop_reason == "early_stopping" and parameters.verbose:
        _tell(True)(
            f"Training stopped after {result.n_iter} of {planned} epochs: for {parameters.n_iter_no_change} "
            "epochs the loss of held-out rows got no better. The weights of epoch "
            f"{result.best_epoch} are kept"
        )


def _share_of_networks(model: Model) -> float:
    """Return what share of a fit the networks usually take."""
    prior = model.vae.latent.prior
    trained = not prior.joint and any(weight.requires_grad for weight in prior.parameters())
    return _NETWORKS_DONE if trained or not model.blueprint.layout.is_image else 1.0


def _keep_anchors(model: Model, data: TrainingData, session: Session) -> Anchors:
    """Return the codes of training rows that later calls may vary, as many as there is time for."""
    x, c, most = data.x, data.c, _MOST_ANCHORS
    if data.layout.is_image:
        most = min(most, max(1, _MOST_ANCHOR_VALUES // int(np.prod(data.layout.shape))))
    if session.team.size == 1:
        count_affordable = session.deadline.count_affordable
        most = count_affordable(lambda n: model.encode(x[:n], c[:n]), _FEWEST_ANCHORS, min(most, len(x)))
    kept = _choose_anchors(class_numbers(c, data.context.class_block), most, session.seed)
    mean, scale = model.encode(x[kept], c[kept])
    return Anchors(mean.astype(np.float32), scale.astype(np.float32), c[kept], data.intake.pack(x[kept]))


def _choose_anchors(groups: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Choose the training rows to keep (at most so many) for variations without the data; sorted, int64."""
    if len(groups) <= most:
        return np.arange(len(groups))
    order = numpy_generator(seed, Purpose.CHOICE).permutation(len(groups))
    # Small classes are kept whole: order rows by their rank within the class.
    rank = pd.Series(groups[order]).groupby(groups[order]).cumcount().to_numpy()
    return np.sort(order[np.argsort(rank, kind="stable")[:most]])


def _tell(verbose: int | bool) -> Callable[[str], object]:
    """Return what says a sentence about a fit: to the log, and beside the progress bar where there is one."""

    def say(text: str) -> None:
        _LOG.info(text)
        if verbose:
            from tqdm.auto import tqdm

            tqdm.write(text, file=sys.stderr)  # above the bar, not into it

    return say


@contextmanager
def _progress(verbose: int | bool, description: str) -> Iterator[Sequence[ProgressBar]]:
    """Yield the callbacks that show progress, if the user asked for it."""
    if not verbose:
        yield ()
        return
    with ProgressBar(description) as bar:
        yield (bar,)


def warn_if_collapsed(
    history: pd.DataFrame, rows: int, max_seconds: float | None = None, max_iter: int | str = "auto"
) -> None:
    """Warn that the codes of fit say (almost) nothing about the rows; few rows are not judged.

    Parameters
    ----------
    history : DataFrame
        As the estimator's ``history_``.
    rows : int
    max_seconds : float, optional
        Bound on the time of fit.
    max_iter : int or "auto"
        Bound on the epochs.
    """
    if "train_kl" not in history:
        return
    networks = history[history["stage"] == "network"]
    kl = networks["train_kl"]
    advice = "Lower beta, or check whether the columns depend on each other."
    if max_seconds is not None and networks["seconds"].iloc[-1] > _CUT_SHORT * max_seconds:
        advice = (
            f"Training was cut short after {count(len(networks), 'epoch')} by "
            f"max_fit_seconds={max_seconds:g}: give it more time."
        )
    elif len(networks) == max_iter:
        advice = (
            f'Training ended after max_iter={max_iter} epochs: try more, or "auto". Or lower beta, or check '
            "whether the columns depend on each other."
        )
    if rows >= _FEWEST_TO_JUDGE and kl.iloc[-1] < _COLLAPSED:
        warnings.warn(
            f"The codes carry {kl.iloc[-1]:.3f} nats about a row: transform, vary and interpolate have "
            f"little to work with (samples are not affected). {advice}",
            PosteriorCollapseWarning,
            stacklevel=3,
        )
