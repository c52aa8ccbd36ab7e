"""How to train, and what a training run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Options", "TrainingResult"]


@dataclass(frozen=True)
class Options:
    """How to train.

    Parameters
    ----------
    max_iter : int
        Number of epochs.
    batch_size : int
        Most rows of a batch; an epoch is cut into batches of equal size, give or take a row.
    learning_rate : float
        Peak of the one cycle that the learning rate describes.
    betas, weight_decay
        AdamW's.
    warmup : float in [0, 1)
        Share of the run in which the learning rate rises.
    ema_decay : float in [0, 1)
        Of the moving average of the weights; validation and the result use the average.
    clip_norm : float or None
        Longest gradient.
    early_stopping, n_iter_no_change, tol
        Stop when the validation loss has not fallen by more than ``tol`` in
        ``n_iter_no_change`` validations, and keep the weights of the lowest one.
    max_seconds : float or None
        Bound on the whole call, validation included; the learning rate comes down in
        time. At least one step is made.
    validate_every : int
        Epochs between validations; the last epoch is always validated.
    max_steps : int, optional
        Steps, at most: the last epoch may be a part of one.
    free_threads : bool
        Results are the same bytes with one thread and with two, so that a run may change between them to
        whichever is faster at present.
    """

    max_iter: int = 50
    batch_size: int = 1024
    learning_rate: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    warmup: float = 0.2
    ema_decay: float = 0.999
    clip_norm: float | None = 1.0
    early_stopping: bool = True
    n_iter_no_change: int = 10
    tol: float = 1e-4
    max_seconds: float | None = None
    validate_every: int = 1
    max_steps: int | None = None
    free_threads: bool = False


@dataclass
class TrainingResult:
    """What a run left behind, besides the weights.

    Parameters
    ----------
    history : dict of str to list of float
        One entry per epoch under ``epoch`` (from 1), ``seconds`` (since the start),
        ``train_<piece>`` and, with validation data, ``valid_<piece>`` (NaN in epochs that
        were not validated) for each piece of the loss. The last epoch may be a part of one.
    n_iter : int
        Number of epochs in the history.
    stop_reason : {"max_iter", "early_stopping", "max_seconds", "interrupted", "callback"}
    best_epoch : int or None
        Epoch of the lowest validation loss; None without validation.
    share : float
        Of the steps planned, those that were made when time was up; otherwise 1.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    n_iter: int = 0
    stop_reason: str = "max_iter"
    best_epoch: int | None = None
    share: float = 1.0
