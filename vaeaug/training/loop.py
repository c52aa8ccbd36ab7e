"""A training loop that could train anything that returns its loss in pieces."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from vaeaug.errors import VaeaugWarning
from vaeaug.training.options import Options, TrainingResult
from vaeaug.training.rows import HeldRows, Rows
from vaeaug.training.run import Conditions, Run
from vaeaug.utils.random import isolate_torch, neutral_torch

__all__ = ["train"]

_TRAINING_STREAM = 0


@neutral_torch()
def train(
    objective: nn.Module,
    data: Rows | Sequence[Tensor],
    options: Options,
    conditions: Conditions,
    *,
    validation: HeldRows | Sequence[Tensor] | None = None,
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
    data : HeldRows, StreamedRows, or sequence of Tensor, each (n, ...)
        Held on the device, or read again in every epoch. Tensors alone count all rows alike.
    options : Options
        How to train.
    conditions : Conditions
        Seed, device and processes, and who watches.
    validation : HeldRows, or sequence of Tensor, each (m, ...), optional
        Rows held out, if any; the same random numbers are drawn for them after each epoch.

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
    team, runtime = conditions.team, conditions.runtime
    objective.to(runtime.device)
    options = replace(options, max_seconds=team.first(options.max_seconds))
    rows = HeldRows(data, None, runtime.device) if isinstance(data, Sequence) else data
    if isinstance(validation, Sequence):
        validation = HeldRows(validation, None, runtime.device) if len(validation[0]) else None
    if team.size > 1:
        # Gradients alone keep processes together only if they begin together.
        start = {name: value.cpu() for name, value in objective.state_dict().items()}
        objective.load_state_dict(team.first(start))
    run = Run(objective, rows, validation, options, conditions)
    work = sum(p.numel() for p in objective.parameters()) * min(rows.n, options.batch_size)
    key = (conditions.seed, _TRAINING_STREAM, *([] if team.is_first else [team.rank]))
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
