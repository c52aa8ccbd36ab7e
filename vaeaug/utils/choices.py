"""What options may be, and what goes in and out, for editors and type checkers.

``tests/test_typing.py`` compares the names with the registries.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import torch

__all__ = [
    "Array",
    "Auto",
    "Basis",
    "Channels",
    "Classifier",
    "ClassifierName",
    "Columns",
    "Device",
    "Frame",
    "GenerateMethod",
    "ItemMethod",
    "LatentName",
    "OnViolation",
    "OperationName",
    "PathName",
    "PosteriorName",
    "PriorName",
    "RandomState",
    "Resampler",
    "SampleMethod",
    "ScoringName",
    "Strategy",
    "StrategyName",
]

Auto: TypeAlias = Literal["auto"]
PriorName: TypeAlias = Literal[
    "auto", "standard", "gaussian", "mixture", "flow", "vamp", "tokens", "top_down"
]
PosteriorName: TypeAlias = Literal["gaussian", "none", "planar", "coupling", "iaf", "categorical"]
LatentName: TypeAlias = Literal["flat", "ladder", "vlae"]
Channels: TypeAlias = Literal["auto", "first", "last"]
OnViolation: TypeAlias = Literal["raise", "keep"]
#: A device of torch, such as "cuda:1".
Device: TypeAlias = 'Literal["auto", "cpu", "cuda", "mps"] | str | torch.device'

SampleMethod: TypeAlias = Literal["prior", "posterior", "interpolate"]
GenerateMethod: TypeAlias = Literal["auto", "prior", "posterior", "interpolate"]
ItemMethod: TypeAlias = Literal["prior", "posterior"]
PathName: TypeAlias = Literal["linear", "spherical"]
Basis: TypeAlias = Literal["codes", "main"]
#: Users may register more.
OperationName: TypeAlias = (
    Literal["interpolate", "blend", "recondition", "shift", "traverse", "lattice", "walk"] | str
)

StrategyName: TypeAlias = Literal["auto", "minority", "not minority", "not majority", "all"]
Strategy: TypeAlias = StrategyName | float | Mapping[Any, int] | Callable[[Any], Mapping[Any, int]]

ClassifierName: TypeAlias = Literal["hgb", "logistic", "knn", "forest"]
#: Names of ours; scorers of scikit-learn have names too.
ScoringName: TypeAlias = (
    Literal[
        "average_precision",
        "roc_auc",
        "balanced_accuracy",
        "f1",
        "tuned_balanced_accuracy",
        "tuned_f1",
        "log_loss",
        "brier",
    ]
    | str
)

RandomState: TypeAlias = int | np.random.RandomState | np.random.Generator | None
#: Columns by name or position, or a mask.
Columns: TypeAlias = Sequence[Hashable] | np.ndarray | None

#: What comes back as it went in.
Frame = TypeVar("Frame", bound=pd.DataFrame)
Array = TypeVar("Array", bound=np.ndarray)


class Classifier(Protocol):
    """Anything that is trained as scikit-learn's classifiers are."""

    def fit(self, X: Any, y: Any, /) -> Any:
        """Train on rows and labels."""


class Resampler(Protocol):
    """Anything that resamples as imbalanced-learn's samplers do."""

    def fit_resample(self, X: Any, y: Any, /) -> tuple[Any, Any]:
        """Return rows and labels with some added or left out."""
