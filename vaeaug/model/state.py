"""A fitted augmenter as a manifest and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from vaeaug.data.adapters import INTAKES
from vaeaug.data.labels.context import ContextCodec
from vaeaug.model.builder import Blueprint
from vaeaug.model.fitted import Anchors, Fitted
from vaeaug.model.model import Model
from vaeaug.recipe import parameter_from_json, parameter_to_json
from vaeaug.training.runtime import Runtime

__all__ = ["from_state", "to_state"]

T = TypeVar("T", bound=Fitted)


def to_state(augmenter: Fitted) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return everything that a file has to hold: a JSON-able manifest, and arrays by name."""
    intake, intake_arrays = augmenter._intake.state()
    context, context_arrays = augmenter._context.state()
    history = augmenter.history_
    parameters = augmenter.get_params(deep=False)
    # Where a fit keeps its unfinished state is nobody's business who loads the model.
    parameters.pop("checkpoint_dir", None)
    manifest = {
        "class": type(augmenter).__name__,
        "parameters": {name: parameter_to_json(value) for name, value in parameters.items()},
        "blueprint": augmenter._model.blueprint.to_json(),
        "data": augmenter._intake.kind,
        "codec": intake,
        "context": context,
        "history": history.astype(object).where(history.notna(), None).to_dict("list"),
        "seed": augmenter._seed,
        "n_features_in": augmenter.n_features_in_,
        "feature_names_in": list(getattr(augmenter, "feature_names_in_", [])) or None,
    }
    groups = {
        "model": augmenter._model.state(),
        "codec": intake_arrays,
        "context": context_arrays,
        "anchors": augmenter._anchors.arrays(),
    }
    arrays = {f"{group}/{name}": a for group, part in groups.items() for name, a in part.items()}
    return manifest, arrays


def from_state(
    kind: type[T],
    manifest: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    device: str,
    runtime: Runtime,
) -> T:
    """Rebuild an augmenter of a class from :func:`to_state`.

    Raises
    ------
    KeyError, TypeError, ValueError, RuntimeError
        If something is missing, or does not fit together.
    """

    def part(group: str) -> dict[str, np.ndarray]:
        start = group + "/"
        return {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}

    parameters = {name: parameter_from_json(value) for name, value in manifest["parameters"].items()}
    augmenter = kind(**{**parameters, "device": device})
    blueprint = Blueprint.from_json(manifest["blueprint"])
    # Files of before there were images do not say what kind of data they are for.
    intake = INTAKES[manifest.get("data", "table")]
    augmenter._intake = intake.from_state(manifest["codec"], part("codec"))
    augmenter._context = ContextCodec.from_state(manifest["context"], part("context"))
    augmenter._model = Model.from_state(blueprint, part("model"), runtime)
    augmenter._anchors = Anchors(**part("anchors"))
    augmenter._seed, augmenter._calls = int(manifest["seed"]), 0
    augmenter._n_features_out = blueprint.latent_dim
    augmenter.classes_ = augmenter._context.classes_
    history = pd.DataFrame(manifest["history"])
    augmenter.history_ = history.astype({name: float for name in history if name not in ("stage", "epoch")})
    augmenter.n_iter_ = int((augmenter.history_["stage"] == "network").sum())
    augmenter._intake.describe(augmenter)
    augmenter.n_features_in_ = int(manifest["n_features_in"])
    if manifest["feature_names_in"] is not None:
        augmenter.feature_names_in_ = np.asarray(manifest["feature_names_in"], dtype=object)
    return augmenter
