"""What may watch a training run, and stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from vaeaug.utils.wording import describe_seconds

__all__ = ["Callback", "DurationNote", "EpochState", "ProgressBar"]

#: Seconds of training after which its duration can be told, and from which on it is worth telling.
_TELLING, _LONG = 1.0, 10.0


@dataclass(frozen=True)
class EpochState:
    """What a callback is told after an epoch.

    Parameters
    ----------
    epoch : int
        Number of the epoch just finished, from 1.
    max_iter : int
        Number of epochs planned.
    progress : float
        Share of the plan that is done, in ``[0, 1]``; time counts when it is bounded.
    record : dict of str to float
        The row of the history just written: ``epoch``, ``train_…``, ``valid_…``, ``seconds``.
    """

    epoch: int
    max_iter: int
    progress: float
    record: dict[str, float]


class Callback:
    """Watches a run; what a subclass does not override does nothing."""

    def on_begin(self, max_iter: int) -> None:
        """Hear that a run of at most so many epochs begins."""

    def on_step(self, seconds: float, progress: float) -> None:
        """Hear, after a step, how long the run has taken and what share of it is done."""

    def on_epoch_end(self, state: EpochState) -> bool | None:
        """Look at an epoch; return True to stop."""


class DurationNote(Callback):
    """Say once, after the first seconds, about how long training will take, if that is long.

    It reckons from the second step on: the first is slow, and an epoch of many images takes a minute.

    Parameters
    ----------
    say : callable
        Is given a sentence.
    share : float, default=1.0
        What share of the whole fit this training usually is; the sentence is about the whole.
    """

    def __init__(self, say: Callable[[str], object], share: float = 1.0) -> None:
        self.say, self.share = say, share
        self._first: tuple[float, float] | None = None
        self._told = False

    def on_step(self, seconds: float, progress: float) -> None:
        """Reckon from the steps so far, once they took long enough."""
        if self._told or progress <= 0:
            return
        if self._first is None:
            self._first = seconds, progress
        taken, done = seconds - self._first[0], progress - self._first[1]
        if taken < _TELLING or done <= 0:
            return
        self._told = True
        whole = (seconds + max(1.0 - progress, 0.0) * taken / done) / self.share
        if whole >= _LONG:
            self.say(
                f"Training will take up to about {describe_seconds(whole)}; max_fit_seconds bounds it, at "
                "some cost in quality"
            )


class ProgressBar(Callback):
    """Show a progress bar with the losses, at the terminal or in a notebook.

    Use it as a context manager around training, and hand it over as a callback.

    Parameters
    ----------
    description : str
        Text on the left of the bar.
    **options
        Handed to ``tqdm.auto.tqdm``.
    """

    def __init__(self, description: str = "fit", **options: Any) -> None:
        self.description = description
        self.options = options
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def on_begin(self, max_iter: int) -> None:
        """Show an empty bar, so that a long first epoch has one."""
        from tqdm.auto import tqdm

        self._bar = tqdm(total=max_iter, desc=self.description, unit="epoch", **self.options)

    def on_epoch_end(self, state: EpochState) -> None:
        """Move the bar to this epoch and show its losses."""
        losses = {key: value for key, value in state.record.items() if key.endswith("_loss")}
        self._bar.set_postfix({key: f"{value:.4g}" for key, value in losses.items()}, refresh=False)
        if state.progress > 0:  # a run bounded in time ends before its last epoch
            self._bar.total = min(state.max_iter, max(state.epoch, round(state.epoch / state.progress)))
        self._bar.update(state.epoch - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
