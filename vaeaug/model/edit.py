"""Latent operations on rows: between rows, along attributes, from class to class, and around a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.labels.editing import change_context
from vaeaug.data.labels.variables import ClassBlock
from vaeaug.errors import InputError
from vaeaug.latent.directions import Directions
from vaeaug.latent.operations import Codes, Space, choose_operation, recondition, shift
from vaeaug.model.fitted import FittedState
from vaeaug.utils.random import Purpose, numpy_generator

__all__ = ["Change", "apply", "edit", "find_directions", "make_space", "transfer"]


@dataclass(frozen=True)
class Change:
    """Of which attribute an edit changes what.

    Parameters
    ----------
    attribute : hashable
    amount : float or array-like of shape (n,), optional
        How far.
    value : scalar or array-like of shape (n,), optional
        Where to, instead.
    """

    attribute: Any
    amount: Any = None
    value: Any = None


def apply(
    fitted: FittedState,
    operation: str,
    sources: Sequence[Any],
    options: Mapping[str, Any],
    y: Any,
    y_each: Any,
    seed: Callable[[], int],
) -> Any:
    """Encode rows, apply a latent operation, and decode; see :meth:`vaeaug.VAEAugmenter.apply`."""
    run = choose_operation(operation, len(sources), options)
    if y_each is not None and (np.ndim(y_each) == 0 or len(y_each) != len(sources) or y is not None):
        raise InputError(
            f"y_each must list labels for each of the {len(sources)} sources, and then y must be None; "
            f"got y_each of {'one value' if np.ndim(y_each) == 0 else len(y_each)} and "
            f"{'no y' if y is None else 'y'}."
        )
    labels = [y] * len(sources) if y_each is None else list(y_each)
    codes, like = _encode_sources(fitted, sources, labels)
    return _decode(fitted, run(make_space(fitted, seed), *codes, **options), like)


def transfer(fitted: FittedState, X: Any, y_from: Any, y_to: Any, pull: float | None) -> Any:
    """Return rows of another class in the same style; see :meth:`vaeaug.VAEAugmenter.transfer`."""
    for name, labels in {"y_from": y_from, "y_to": y_to}.items():
        if labels is None:
            raise InputError(f"transfer needs {name}, one label or one per row of X; got None.")
    (source,), like = _encode_sources(fitted, [X], [y_from])
    target = fitted.encode_labels(y_to, len(source.z))
    return _decode(fitted, recondition(make_space(fitted), source, c=target, pull=pull), like)


def find_directions(fitted: FittedState, X: Any, attributes: Any, y: Any) -> Directions:
    """Learn directions of the code; see :meth:`vaeaug.VAEAugmenter.find_directions`."""
    (source,), _ = _encode_sources(fitted, [X], [y])
    return Directions.learn(source.z, pd.DataFrame(attributes), fitted.number_classes(source.c))


def edit(
    fitted: FittedState,
    X: Any,
    y: Any,
    change: Change,
    directions: Directions | None,
    attributes: Any,
    pull: float | None,
) -> Any:
    """Return rows with one attribute changed; see :meth:`vaeaug.VAEAugmenter.edit`."""
    if directions is not None and not isinstance(directions, Directions):
        raise InputError(
            f"directions must be what find_directions returns, or None; got {type(directions).__name__}."
        )
    (source,), like = _encode_sources(fitted, [X], [y])
    space = make_space(fitted)
    if directions is None:
        if attributes is not None:
            raise InputError("attributes go with directions; without them pass control variables in y.")
        c = change_context(fitted.context, source.c, change.attribute, change.amount, change.value)
        return _decode(fitted, recondition(space, source, c=c, pull=pull), like)
    moved = directions.move(
        source.z,
        change.attribute,
        amount=change.amount,
        value=change.value,
        held=attributes,
        groups=fitted.number_classes(source.c),
        pull=pull,
    )
    return _decode(fitted, shift(space, source, by=moved - source.z), like)


def make_space(fitted: FittedState, seed: Callable[[], int] | None = None) -> Space:
    """Return what operations may know of the latent space; without a seed they draw from that of fit."""
    context = fitted.context
    kinds = [isinstance(block, ClassBlock) for block in context.blocks_]
    blocks = tuple((*cut, kind) for cut, kind in zip(context.blocks, kinds, strict=True))

    def generator() -> np.random.Generator:
        return numpy_generator(fitted.seed if seed is None else seed(), Purpose.STEPS)

    known = Codes(fitted.anchors.mean, fitted.anchors.context)
    return Space(known, fitted.model.vae.latent.slices, blocks, fitted.number_classes, generator)


def _encode_sources(
    fitted: FittedState, sources: Sequence[Any], labels: Sequence[Any]
) -> tuple[list[Codes], Any]:
    """Return the codes of every source, and the rows that give results their index."""
    found, like = [], None
    for X, y in zip(sources, labels, strict=True):
        rows = fitted.read(X, y)
        found.append(Codes(fitted.model.encode(rows.x, rows.c)[0], rows.c))
        like = rows.X if like is None or len(found[0].z) < len(rows.x) else like
    lengths = sorted({len(codes.z) for codes in found} - {1})
    if len(lengths) > 1:
        got = ", ".join(str(len(codes.z)) for codes in found)
        raise InputError(f"All sources must have as many rows as one another, or a single one; got {got}.")
    most = max(len(codes.z) for codes in found)
    found = [
        codes if len(codes.z) == most else Codes(codes.z.repeat(most, 0), codes.c.repeat(most, 0))
        for codes in found
    ]
    return found, like


def _decode(fitted: FittedState, codes: Codes, like: Any) -> Any:
    """Decode codes ``(..., n, D)`` into lists, one for each axis in front, of X-likes of n rows."""
    front = codes.z.shape[:-1]
    z = codes.z.reshape(-1, codes.z.shape[-1])
    c = np.array(np.broadcast_to(codes.c, (*front, codes.c.shape[-1]))).reshape(len(z), codes.c.shape[-1])
    x = fitted.decode(z, c)

    def nest(x: np.ndarray, axes: int) -> Any:
        return [nest(part, axes - 1) for part in x] if axes else fitted.intake.decode(x, like=like)

    return nest(x.reshape(*front, *x.shape[1:]), len(front) - 1)
