"""A training loop that could train anything that returns its loss in pieces."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from vaeaug.errors import VaeaugWarning
from vaeaug.training.callbacks import Callback
from vaeaug.training.distributed import SharedClock, Team
from vaeaug.training.options import Options, TrainingResult
from vaeaug.training.rows import HeldRows, StreamedRows
from vaeaug.training.run import Keeper, Run
from vaeaug.training.runtime import Runtime
from vaeaug.utils.random import isolate_torch, neutral_torch

if TYPE_CHECKING:
    from collections.abc import Callable as Function
    from collections.abc import Sequence

__all__ = ["train"]

_TRAINING_STREAM = 0


@neutral_torch()
def train(
    objective: nn.Module,
    data: Sequence[Tensor] | StreamedRows,
    *,
    validation: Sequence[Tensor] | None = None,
    weights: Tensor | None = None,
    validation_weights: Tensor | None = None,
    seed: int = 0,
    runtime: Runtime | None = None,
    callbacks: Sequence[Callback] = (),
    clock: Function[[], float] = time.perf_counter,
    team: Team | None = None,
    keeper: Keeper | None = None,
    **options: Any,
) -> TrainingResult:
    """Minimise an objective over rows, and leave good weights in it.

    The objective is called as ``objective(batch, progress)`` with a tuple of tensors of B
    rows and the share of the run that is done (1 in validation). It returns a dict of
    tensors ``(B,)``: ``"loss"`` is minimised, the others are recorded. It may draw from
    torch's global random stream, which is seeded for the run and given back after it.

    An objective with critics that train against it has ``critic_parameters()``, the
    parameters that are theirs, and ``critic_loss(batch)``, shape ``(B,)``. Each step then
    improves the critics first and the rest next. When its ``is_spoilt()`` is true, because a critic
    has done more harm than good, the run goes back to the last good state, calls its
    ``concede()`` and continues.

    Parameters
    ----------
    objective : Module
        Moved to the device; in evaluation mode afterwards.
    data : sequence of Tensor, each (n, ...), or StreamedRows
        Held on the device, or read again in every epoch.
    validation : sequence of Tensor, each (m, ...), optional
        Rows held out; the same random numbers are drawn for them after each epoch.
    weights, validation_weights : Tensor (n,) and (m,), optional
        Importance of the rows, 0 or more; only ratios count. A stream brings its own.
    seed : int
        Decides order and noise; the same seed gives the same bytes on a CPU.
    runtime : Runtime, optional
        By default the best device there is.
    callbacks : sequence of Callback
    clock : callable
        Returns seconds.
    team : Team, optional
        Processes that train together, by default this one alone. Each takes its share of every batch, and
        gradients are those of the whole batch, so that all end with the same weights.
    keeper : Keeper, optional
        Is given the state after every epoch; a run goes on from what it has.
    **options
        Of :class:`Options`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    InputError
        If there are no rows, or weights that cannot be used.
    TrainingDivergedError
        If losses or gradients are non-finite again after going back and halving the
        learning rate; the objective then holds the last good weights.

    Warns
    -----
    VaeaugWarning
        If a keyboard interrupt stopped the run; the objective holds the weights so far.
    """
    runtime, team = runtime or Runtime(), team or Team()
    objective.to(runtime.device)
    plan = Options(**options)
    plan = replace(plan, max_seconds=team.first(plan.max_seconds))
    rows = data if isinstance(data, StreamedRows) else HeldRows(data, weights, runtime.device)
    held_out = None
    if validation is not None and len(validation[0]):
        held_out = HeldRows(validation, validation_weights, runtime.device)
    if team.size > 1:
        # Gradients alone keep processes together only if they begin together.
        begun = {name: value.cpu() for name, value in objective.state_dict().items()}
        objective.load_state_dict(team.first(begun))
    shared = SharedClock(team, clock)
    run = Run(objective, rows, held_out, plan, seed, runtime, shared, team, callbacks, keeper)
    work = sum(p.numel() for p in objective.parameters()) * min(rows.n, plan.batch_size)
    key = (seed, _TRAINING_STREAM) if team.is_first else (seed, _TRAINING_STREAM, team.rank)
    with runtime.session(work), isolate_torch(*key):
        try:
            run.epochs()
        except KeyboardInterrupt:
            if team.size > 1:
                # The others would wait for this process for ever.
                raise
            run.result.stop_reason = "interrupted"
            warnings.warn(
                f"Training was interrupted after {run.result.n_iter} of {run.options.max_iter} epochs; "
                "the weights reached so far are kept.",
                VaeaugWarning,
                stacklevel=2,
            )
        finally:
            run.finish()
    return run.result
