"""Displays of rows, codes, images and assessments."""

from vaeaug.plotting.displays import *  # noqa: F403
from vaeaug.plotting.displays import __all__

__all__ = list(__all__)
