"""Warnings that point to the line of the user."""

from __future__ import annotations

import inspect
import os
import warnings

__all__ = ["warn_caller"]

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
#: Packages between a user's line and ours, such as a Pipeline that calls fit.
_BETWEEN = tuple(f"{os.sep}{name}{os.sep}" for name in ("sklearn", "joblib", "imblearn", "torch"))


def warn_caller(text: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is neither ours nor of the packages that call us.

    Parameters
    ----------
    text : str
    category : type of Warning
    """
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_back is not None and _is_inside(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


def _is_inside(file: str) -> bool:
    path = os.path.abspath(file)
    standard = os.path.basename(path) == "contextlib.py"
    return standard or path.startswith(_HERE) or any(part in path for part in _BETWEEN)
