"""Warnings that point to the line of the user."""

from __future__ import annotations

import inspect
import os
import re
import warnings
from types import FrameType
from typing import Any

from vaeaug.errors import ColumnNote

__all__ = ["warn_caller"]

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
#: Packages between a user's line and ours, such as a Pipeline that calls fit.
_BETWEEN = tuple(f"{os.sep}{name}{os.sep}" for name in ("sklearn", "joblib", "imblearn", "torch"))

#: Text, category, file and line of what was said; of notes on columns without file and line.
_SAID: set[tuple[str, type[Warning], str, int]] = set()


def warn_caller(text: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is neither ours nor of the packages that call us.

    Where Python would say a text once for each line, it is said once, also if filters change meanwhile: then
    Python forgets what it has said, and every fold of a cross-validation would say it again. A ``ColumnNote``
    is said once for all lines.

    Parameters
    ----------
    text : str
    category : type of Warning
    """
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_back is not None and _is_inside(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    if frame is not None and _find_action(text, category, frame) == "default":
        # What a table is like is told of the table, wherever it is fitted again.
        is_same = issubclass(category, ColumnNote)
        place = ("", 0) if is_same else (frame.f_code.co_filename, frame.f_lineno)
        said = (text, category, *place)
        if said in _SAID:
            return
        _SAID.add(said)
    warnings.warn(text, category, stacklevel=level)


def _find_action(text: str, category: type[Warning], frame: FrameType) -> str:
    """Return what the filters of Python say is to be done with a warning at a line."""
    module, line = frame.f_globals.get("__name__", ""), frame.f_lineno
    for action, message, kind, where, number in warnings.filters:
        fits = issubclass(category, kind) and _matches(message, text) and _matches(where, module)
        if fits and number in (0, line):
            return action
    return "default"


def _matches(pattern: Any, text: str) -> bool:
    return pattern is None or bool(re.match(pattern, text))


def _is_inside(file: str) -> bool:
    path = os.path.abspath(file)
    standard = os.path.basename(path) == "contextlib.py"
    return standard or path.startswith(_HERE) or any(part in path for part in _BETWEEN)
