"""A fit that goes on: what the earlier model hands over to one of more rows, and what has changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from vaeaug.data.labels.context import ContextCodec
from vaeaug.data.labels.variables import ClassBlock
from vaeaug.data.tables.growth import ANOTHER, ColumnChange, match_tokens
from vaeaug.errors import InputError
from vaeaug.model.builder import Blueprint
from vaeaug.model.fitted import FittedState
from vaeaug.model.model import Model
from vaeaug.recipe import parameter_to_json
from vaeaug.utils.random import neutral_torch
from vaeaug.utils.wording import list_names

__all__ = [
    "check_growth",
    "continue_blueprint",
    "describe_changes",
    "find_earlier",
    "list_fixed_parameters",
    "transfer_weights",
]

#: Parameters that decide what a model is made of, and how its data is read.
_FIXED = (
    *("latent_dim", "prior", "posterior", "latent", "network", "categorical_features", "id_columns"),
    *("relations", "on_violation", "image_shape", "channels"),
)
#: New values of a column that are listed.
_MOST_NEW = 10
#: What the entries of weights stand for along an axis, by the end of their names.
_AXES = {
    "encoder.embedding.weight": {0: "tokens"},
    "encoder.numbers.weight": {1: "numbers"},
    **{f"likelihood.{name}": {0: "tokens"} for name in ("read", "write", "own_write")},
    **{f"likelihood.smooth_{name}": {0: "knots"} for name in ("read", "write", "own_write")},
    "likelihood.hint_read": {0: "numbers"},
    **{f"peaks.{name}": {0: "numbers"} for name in ("sharpest", "bias", "read", "own_read")},
    "peaks.number_read": {0: "numbers", 2: "numbers"},
    "context.weight": {1: "contexts"},
    "encoder.control.weight": {1: "contexts"},
    "decoder.control.weight": {1: "codes"},
    "decoder.code.weight": {1: "codes"},
    "prior.gate": {0: "contexts"},
}


def list_fixed_parameters(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator that a warm fit cannot change, as a file holds them."""
    return {name: parameter_to_json(getattr(estimator, name)) for name in _FIXED}


def find_earlier(estimator: Any) -> FittedState | None:
    """Return what a warm fit goes on with; None for a fit from scratch.

    Raises
    ------
    InputError
        If a parameter has changed that decides what the model is made of.
    """
    earlier: FittedState | None = getattr(estimator, "fitted_", None) if estimator.warm_start else None
    if earlier is None:
        return None
    now = list_fixed_parameters(estimator)
    for name, then in earlier.parameters.items():
        if now[name] != then:
            raise InputError(
                f"warm_start goes on with the model of the last fit, which had {name}={then!r}; got "
                f"{name}={getattr(estimator, name)!r}. Set it back, or set warm_start=False to learn anew."
            )
    return earlier


def continue_blueprint(earlier: FittedState, blueprint: Blueprint) -> Blueprint:
    """Return the blueprint of a model of more rows that is made of the parts of an earlier one."""
    old = earlier.model.blueprint
    parts = {name: getattr(old, name) for name in ("network", "prior", "posterior", "latent", "latent_dim")}
    # The weight of the KL does not rise anew.
    return replace(blueprint, **parts, warmup=0.0)


def check_growth(earlier: FittedState | None, codec: Any, context: ContextCodec) -> None:
    """Check that labels, and most columns, are those of an earlier fit, if there was one.

    Raises
    ------
    InputError
    """
    if earlier is None:
        return
    context.match(earlier.context)
    changes = getattr(codec, "changes_", {})
    others = [change for change in changes.values() if change.drift >= ANOTHER]
    if len(others) > len(changes) / 2:
        named = list_names([change.column for change in others])
        raise InputError(
            f"warm_start goes on with the table of the last fit, to which rows were added; of {len(changes)} "
            f"columns, {len(others)} hold other values than then: {named}. Pass the rows of before together "
            "with the new ones, or set warm_start=False to learn another table."
        )


def describe_changes(earlier: FittedState, codec: Any, context: ContextCodec, rows: int) -> pd.DataFrame:
    """Return what a warm fit has found changed: a row for each column and target, and one for all rows."""
    found = [change for _, change in sorted(getattr(codec, "changes_", {}).items())]
    for old, new in zip(earlier.context.blocks_, context.blocks_, strict=True):
        listed = []
        if isinstance(old, ClassBlock) and isinstance(new, ClassBlock):
            listed = [label for label in new.classes.tolist() if label not in set(old.classes.tolist())]
        name = new.codec.name if context.container == "frame" else context.name_
        name = "y" if name is None else name
        found.append(ColumnChange(name, "target", "extended" if listed else "kept", listed))
    relations = getattr(codec, "relations_", None)
    for name, text, count in [] if relations is None else relations.broken:
        found.append(ColumnChange(name, "rule", "broken", [text], note=f"by {count:,} rows"))
    before = f"{earlier.rows:,} before" if earlier.rows else "unknown before"
    found.append(ColumnChange("", "rows", "extended", [], note=f"{rows:,} rows, {before}"))
    return pd.DataFrame([{**vars(change), "new": _shorten(change.new)} for change in found])


def _shorten(values: list[Any]) -> list[Any]:
    """Return the first values, and how many more there are."""
    more = len(values) - _MOST_NEW
    return [*values[:_MOST_NEW], f"and {more:,} more"] if more > 0 else values


@neutral_torch()
def transfer_weights(
    earlier: FittedState, model: Model, codec: Any, context: ContextCodec, x: np.ndarray
) -> None:
    """Start a model where an earlier one has ended.

    Weights of tokens go to the tokens of the same values; those of new categories start at the mean of their
    column, and those of new classes at the mean of all classes.

    Parameters
    ----------
    earlier : FittedState
    model : Model
        Newly built.
    codec : TableCodec or ImageCodec
        Of the rows of now.
    context : ContextCodec
    x : ndarray of float32, shape (n, ...)
        These rows, encoded.
    """
    old, new = earlier.model.state(), model.state()
    likelihood: Any = model.vae.likelihood
    matches = _match_contexts(context, earlier.context, model.blueprint)
    if likelihood.has_tokens:
        matches |= _match_columns(codec, earlier, likelihood)
    same_context = np.array_equal(matches["contexts"].index, np.arange(earlier.context.width))
    for name in new.keys() & old.keys():
        found = old[name]
        if name.startswith("latent.prior.") and same_context and context.width == earlier.context.width:
            new[name] = found  # a prior that is fitted to codes has learned its size
            continue
        for axis, kind in next((axes for end, axes in _AXES.items() if name.endswith(end)), {}).items():
            found = matches[kind].take(found, new[name], axis)
        if found.shape == new[name].shape:
            new[name] = found
    if likelihood.has_tokens:
        codes = (
            x[:, likelihood.token_columns.cpu().numpy()].astype(np.int64) + likelihood.offsets.cpu().numpy()
        )
        counts = np.bincount(codes[codes >= 0], minlength=likelihood.total)
        new["likelihood.bias"] = matches["tokens"].move_bias(old["likelihood.bias"], counts)
    model.load(new)
    if likelihood.has_tokens:
        rows = torch.from_numpy(x).to(model.runtime.device)
        likelihood.scales.measure(rows, rows[:, likelihood.token_columns].to(torch.int64))


@dataclass(frozen=True)
class _Match:
    """Which old entry each new one continues (−1: none), and the old ones whose mean stands for none."""

    index: np.ndarray
    kin: list[slice]

    def take(self, old: np.ndarray, fresh: np.ndarray, axis: int) -> np.ndarray:
        """Return old weights in the new order, with those of ``fresh`` where nothing stands for them."""
        before, like = np.moveaxis(old, axis, 0), np.moveaxis(fresh, axis, 0)
        found = np.zeros((len(like), *before.shape[1:]), before.dtype)
        if like.shape == found.shape:
            found[:] = like
        for i, (source, kin) in enumerate(zip(self.index[: len(found)], self.kin, strict=False)):
            if 0 <= source < len(before):
                found[i] = before[source]
            elif kin.stop > kin.start:
                found[i] = before[kin].mean(0)
        return np.moveaxis(found, 0, axis)

    def move_bias(self, old: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return biases of new tokens, of which several that continue one share what it had by their rows."""
        rows, known = counts + 0.5, self.index >= 0
        mass = np.bincount(self.index[known], rows[known], len(old))
        base = np.where(mass > 0, old - np.log(np.maximum(mass, 0.5)), np.nan)
        found = [
            base[source]
            if source >= 0
            else np.nan_to_num(np.nanmean(np.append(base[kin], np.nan if mass[kin].any() else 0)))
            for source, kin in zip(self.index, self.kin, strict=True)
        ]
        return (np.asarray(found) + np.log(rows)).astype(old.dtype)


def _match_contexts(context: ContextCodec, earlier: ContextCodec, blueprint: Blueprint) -> dict[str, _Match]:
    """Match context columns, alone and, where decoders of images read them so, behind the codes."""
    index = context.match(earlier)
    pairs = zip(earlier.blocks, context.blocks, strict=True)
    kin = [slice(*old) for old, (start, stop) in pairs for _ in range(start, stop)]
    lead = blueprint.latent_dim
    codes = _Match(np.arange(lead), [slice(0, 0)] * lead)
    if blueprint.layout.is_image:
        moved = np.where(index < 0, -1, index + lead)
        behind = [slice(one.start + lead, one.stop + lead) for one in kin]
        codes = _Match(np.append(codes.index, moved), codes.kin + behind)
    return {"contexts": _Match(index, kin), "codes": codes}


def _match_columns(codec: Any, earlier: FittedState, likelihood: Any) -> dict[str, _Match]:
    """Match tokens, ordered columns, and the hat functions of these."""
    before: Any = earlier.model.vae.likelihood
    both = [pair for pair in zip(earlier.codec.codecs_, codec.codecs_, strict=True) if pair[1].width]
    index, kin = [], []
    for (old, new), start, levels in zip(both, before.starts, before.levels, strict=True):
        found = match_tokens(old, new)
        index.append(np.where(found < 0, -1, found + start))
        kin += [slice(start, start + levels)] * len(found)
    places = {owner: i for i, owner in enumerate(before.scales.token_columns)}
    ends = np.cumsum([0, *before.scales.knots])
    numbers = [places.get(owner, -1) for owner in likelihood.scales.token_columns]
    knots = []
    for i, count in zip(numbers, likelihood.scales.knots, strict=True):
        has_knots = i >= 0 and before.scales.knots[i] == count
        knots += (ends[i] + np.arange(count) if has_knots else np.full(count, -1)).tolist()
    none = slice(0, 0)
    return {
        "tokens": _Match(np.concatenate(index), kin),
        "numbers": _Match(np.asarray(numbers, dtype=np.int64), [none] * len(numbers)),
        "knots": _Match(np.asarray(knots, dtype=np.int64), [none] * len(knots)),
    }
