"""What Ctrl-C and the signals that end a process do to a command: it stops, and cleans up first."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vaeaug.errors import VaeaugWarning

__all__ = ["Terminated", "interruptible", "pass_interrupts", "terminable"]


#: How the warning of a fit begins that was broken off by Ctrl-C.
INTERRUPTED = "Training was interrupted"


class Terminated(BaseException):
    """The process was told to end. No KeyboardInterrupt, which ``fit`` answers by keeping what it reached.

    Parameters
    ----------
    number : int
        Of the signal.
    hint : str
        What has become of the files.
    """

    def __init__(self, number: int, hint: str = "") -> None:
        super().__init__(number, hint)
        self.number = number
        self.hint = hint


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise :class:`Terminated` in the block, so that no temporary file stays."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before: dict[int, Any] = {}

    def end(number: int, frame: Any) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)  # a second one must not break off the cleaning up
        raise Terminated(number)

    if threading.current_thread() is threading.main_thread():
        # A signal that is ignored, as under nohup, or has a handler already, keeps that.
        before = {each: signal.SIG_DFL for each in numbers if signal.getsignal(each) is signal.SIG_DFL}
    for each in before:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def pass_interrupts() -> Iterator[None]:
    """Let Ctrl-C during a fit in the block raise KeyboardInterrupt; ``fit`` alone would warn and go on."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C comes to the main thread only
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=INTERRUPTED, category=VaeaugWarning)
        try:
            yield
        except VaeaugWarning as warning:
            if str(warning).startswith(INTERRUPTED):
                raise KeyboardInterrupt from warning
            raise


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end the block: ``fit`` itself answers it by keeping the model reached so far."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False
    before = signal.getsignal(signal.SIGINT)

    def remember(number: int, frame: Any) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt
