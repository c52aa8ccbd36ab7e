"""A fitted augmenter as a manifest and arrays, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from vaeaug.data.adapters import INTAKES
from vaeaug.data.labels.context import ContextCodec
from vaeaug.errors import ArchiveError, VaeaugWarning
from vaeaug.io import archive
from vaeaug.model.builder import Blueprint
from vaeaug.model.fitted import Anchors, FittedState, adopt, copy_features, get_fitted
from vaeaug.model.model import Model
from vaeaug.model.warm_start import list_fixed_parameters
from vaeaug.recipe import parameter_from_json, parameter_to_json
from vaeaug.training.runtime import Runtime
from vaeaug.utils.choices import Device
from vaeaug.utils.notes import warn_caller

__all__ = ["from_state", "load", "save", "to_state"]

#: Suffixes of files that other readers would try, in vain.
_FOREIGN = (".pkl", ".pickle", ".joblib", ".pt", ".pth")

T = TypeVar("T")


def save(augmenter: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted augmenter to a file; see :meth:`vaeaug.VAEAugmenter.save`."""
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix in _FOREIGN:
        warn_caller(
            f"{path} is written as safetensors, not as what {suffix!r} promises: read it with vaeaug.load, "
            "or name it .safetensors.",
            VaeaugWarning,
        )
    archive.write(path, *to_state(augmenter))


def load(path: str | os.PathLike[str], classes: Mapping[str, type[T]], device: Device) -> T:
    """Read an augmenter of one of some classes, by name, from a file; see :func:`vaeaug.load`."""
    manifest, arrays = archive.read(path)
    name = str(manifest.get("class"))
    if name not in classes:
        raise ArchiveError(f"{path} holds a {name!r}; this version of vaeaug can load {', '.join(classes)}.")
    runtime = Runtime(device)
    try:
        return from_state(classes[name], manifest, arrays, device, runtime)
    except ArchiveError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArchiveError(
            f"{path} cannot be rebuilt by this version of vaeaug: {error}. Load it with the version that "
            "wrote it."
        ) from error


def to_state(augmenter: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return everything that a file has to hold: a JSON-able manifest, and arrays by name."""
    fitted = get_fitted(augmenter)
    intake, intake_arrays = fitted.intake.state()
    context, context_arrays = fitted.context.state()
    history = augmenter.history_
    parameters = augmenter.get_params(deep=False)
    # Whoever loads the model has no use for the folder that an unfinished fit goes on from.
    parameters.pop("checkpoint_dir", None)
    manifest = {
        "class": type(augmenter).__name__,
        "parameters": {name: parameter_to_json(value) for name, value in parameters.items()},
        "blueprint": fitted.model.blueprint.to_json(),
        "data": fitted.intake.kind,
        "codec": intake,
        "context": context,
        "history": history.astype(object).where(history.notna(), None).to_dict("list"),
        "seed": fitted.seed,
        "rows": fitted.rows,
        "fixed": fitted.parameters,
        "n_features_in": augmenter.n_features_in_,
        "feature_names_in": list(getattr(augmenter, "feature_names_in_", [])) or None,
    }
    groups = {
        "model": fitted.model.state(),
        "codec": intake_arrays,
        "context": context_arrays,
        "anchors": fitted.anchors.arrays(),
    }
    arrays = {f"{group}/{name}": a for group, part in groups.items() for name, a in part.items()}
    return manifest, arrays


def from_state(
    kind: type[T],
    manifest: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    device: Device,
    runtime: Runtime,
) -> T:
    """Rebuild an augmenter of a class from what :func:`save` writes.

    Raises
    ------
    KeyError, TypeError, ValueError, RuntimeError
        If something is missing, or does not fit together.
    """

    def part(group: str) -> dict[str, np.ndarray]:
        start = group + "/"
        return {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}

    parameters = {name: parameter_from_json(value) for name, value in manifest["parameters"].items()}
    augmenter: Any = kind(**{**parameters, "device": device})
    blueprint = Blueprint.from_json(manifest["blueprint"])
    # Files of before there were images do not say what kind of data they are for.
    intake = INTAKES[manifest.get("data", "table")].from_state(manifest["codec"], part("codec"))
    intake.describe(augmenter)
    augmenter.n_features_in_ = int(manifest["n_features_in"])
    if manifest["feature_names_in"] is not None:
        augmenter.feature_names_in_ = np.asarray(manifest["feature_names_in"], dtype=object)
    fitted = FittedState(
        intake,
        ContextCodec.from_state(manifest["context"], part("context")),
        Model.from_state(blueprint, part("model"), runtime),
        Anchors(**part("anchors")),
        int(manifest["seed"]),
        copy_features(augmenter),
        int(manifest.get("rows", 0)),
        manifest.get("fixed", list_fixed_parameters(augmenter)),
    )
    history = pd.DataFrame(manifest["history"])
    adopt(
        augmenter,
        fitted,
        history.astype({name: float for name in history if name not in ("stage", "epoch")}),
    )
    found: T = augmenter
    return found
