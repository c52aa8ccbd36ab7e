"""Schedules: how the weight of a loss term changes while a model trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vaeaug.utils.validation import check_number

__all__ = ["SCHEDULES", "Cycle", "Ramp", "Schedule"]

#: From the share of training that is done, in [0, 1], to a weight.
Schedule = Callable[[float], float]


@dataclass(frozen=True)
class Ramp:
    """A weight that rises linearly from 0 to ``value`` over the first ``warmup`` share of training.

    Keeps codes informative while the decoder is still poor (Bowman et al. 2016, *Generating
    Sentences from a Continuous Space*; Sønderby et al. 2016).

    Parameters
    ----------
    value : float
        Final weight, 0 or more.
    warmup : float
        In [0, 1]; 0 holds the weight constant.
    """

    value: float
    warmup: float = 0.0

    def __post_init__(self) -> None:
        check_number("warmup", self.warmup, low=0, high=1)

    def __call__(self, progress: float) -> float:
        """Return the weight at ``progress`` in [0, 1]."""
        return self.value * min(1.0, progress / self.warmup) if self.warmup else self.value


@dataclass(frozen=True)
class Cycle:
    """A weight that rises from 0 to ``value`` again and again, and rests there in between.

    Each cycle rises linearly over a share ``rise`` of itself (Fu et al. 2019, *Cyclical Annealing
    Schedule*, eq. 6 to 8). The last one ends at ``value``.

    Parameters
    ----------
    value : float
        Weight at the end of each rise, 0 or more.
    cycles : int
    rise : float
        In [0, 1].
    """

    value: float
    cycles: int = 4
    rise: float = 0.5

    def __post_init__(self) -> None:
        check_number("cycles", self.cycles, low=1, integer=True)
        check_number("rise", self.rise, low=0, high=1)

    def __call__(self, progress: float) -> float:
        """Return the weight at ``progress`` in [0, 1]."""
        place = 1.0 if progress >= 1 else (progress * self.cycles) % 1.0
        return self.value * min(1.0, place / self.rise) if self.rise else self.value


def _constant(value: float) -> Ramp:
    return Ramp(value, 0.0)


#: name -> function of (value, **options) that returns the weight at each point of training.
SCHEDULES: dict[str, Callable[..., Any]] = {"constant": _constant, "linear": Ramp, "cyclical": Cycle}
