"""Loss terms by name: each turns a pass into one number per row."""

from __future__ import annotations

from collections.abc import Callable

from vaeaug.losses.bounds import ImportanceWeighted, KullbackLeibler, Reconstruction
from vaeaug.losses.correlation import CriticCorrelation, MinibatchCorrelation
from vaeaug.losses.critics import Adversarial
from vaeaug.losses.perceptual import Perceptual
from vaeaug.losses.schedules import SCHEDULES, Ramp
from vaeaug.losses.term import Setting, Term

__all__ = ["SCHEDULES", "TERMS", "Ramp", "Setting", "Term"]

#: name -> class, built as ``cls(setting, **options)``.
TERMS: dict[str, Callable[..., Term]] = {
    "reconstruction": Reconstruction,
    "kl": KullbackLeibler,
    "iwae": ImportanceWeighted,
    "beta_tc": MinibatchCorrelation,
    "factor": CriticCorrelation,
    "adversarial": Adversarial,
    "perceptual": Perceptual,
}
