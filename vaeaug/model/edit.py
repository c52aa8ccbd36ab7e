"""Latent operations on rows: between rows, along attributes, from class to class, and around a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from vaeaug.data.labels.editing import changed_context
from vaeaug.data.labels.variables import ClassBlock
from vaeaug.errors import InputError
from vaeaug.latent.directions import Directions
from vaeaug.latent.operations import Codes, Space, chosen_operation, recondition, shift
from vaeaug.model.fitted import Fitted
from vaeaug.utils.random import numpy_generator

__all__ = ["Editing"]

_STEPS = 14


class Editing(Fitted):
    """The methods of an augmenter that change rows by their codes."""

    def interpolate(
        self,
        A: Any,
        B: Any,
        *,
        steps: int = 8,
        y: Any = None,
        y_each: Any = None,
        path: str = "linear",
    ) -> list[Any]:
        """Return the frames between rows of A and rows of B.

        Decodes ``z = λ z₁ + (1 − λ) z₂`` of the posterior means, with λ from 1 to 0.

        Parameters
        ----------
        A, B : as X in fit
            As many rows each; a single row goes with every row of the other.
        steps : int, default=8
            Frames, those of both ends included.
        y : scalar, array-like of shape (n,) or None
            Labels that the rows of A and of B share, if known.
        y_each : sequence of two, optional
            Labels of A and labels of B instead, where they differ; the label then changes along the way.
        path : {"linear", "spherical"}, default="linear"
            ``"spherical"`` goes along a great circle, where codes of a Gaussian lie.

        Returns
        -------
        list of ``steps`` X-likes
            Row i of each is a frame between row i of A and row i of B.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from vaeaug import VAEAugmenter
        >>> images = load_digits().images.astype("uint8")
        >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(images[:200])
        >>> frames = augmenter.interpolate(images[:2], images[2:4], steps=5)
        >>> len(frames), frames[0].shape
        (5, (2, 8, 8))
        """
        return self.apply("interpolate", A, B, y=y, y_each=y_each, steps=steps, path=path)

    def blend(self, *sources: Any, weight: Any = 0.5, y: Any = None, y_each: Any = None) -> Any:
        """Return mixtures of the rows of several sources, ``z = Σ wᵢ zᵢ``.

        Parameters
        ----------
        *sources : as X in fit
            Two or more, of as many rows each; a single row goes with every row of the others.
        weight : float, sequence of float, or mapping of level to these, default=0.5
            Share of the first of two sources, or one share per source, which add up to 1. For a model with
            levels (``latent="ladder"`` or ``"vlae"``) a mapping names each of them: ``{"level_2": 1.0,
            "level_1": 0.0}`` takes what is coarse from the first and what is fine from the second.
        y : scalar, array-like of shape (n,) or None
            Labels that all sources share, if known.
        y_each : sequence, optional
            Labels of each source instead; their contexts are mixed alike.

        Returns
        -------
        X : as in fit
            Row by row.

        Raises
        ------
        InputError
            For weights that do not add up to 1, unknown levels, and sources of different numbers of rows.
        """
        return self.apply("blend", *sources, y=y, y_each=y_each, weight=weight)

    def transfer(self, X: Any, y_from: Any, y_to: Any, *, pull: float | None = 0.75) -> Any:
        """Return rows of another class in the same style: encoded under one label, decoded under another.

        Parameters
        ----------
        X : as in fit
        y_from : scalar or array-like of shape (n,)
            Labels that the rows have.
        y_to : scalar or array-like of shape (n,)
            Labels that they are to have.
        pull : float or None, default=0.75
            Codes are never quite free of the class, so they are carried to those of the new class, and then
            this far (from 0 to 1) towards the nearest of these, a quarter as far along what rows of
            any class differ in most: more makes the class surer and keeps less of the style. None
            only decodes under the other label.

        Returns
        -------
        X : as in fit
            Row by row; a frame keeps its index.

        Raises
        ------
        InputError
            Without labels in fit or in the call.
        UnknownLabelError
            For labels that fit has not seen.
        """
        check_is_fitted(self)
        for name, labels in {"y_from": y_from, "y_to": y_to}.items():
            if labels is None:
                raise InputError(f"transfer needs {name}, one label or one per row of X; got None.")
        space, (source,), like = self._opened([X], [y_from])
        target = self._labels(y_to, len(source.z))
        return self._closed(recondition(space, source, c=target, pull=pull), like)

    def find_directions(self, X: Any, attributes: Any, y: Any = None) -> Directions:
        """Learn from rows along which directions of the code their attributes change, one at a time.

        Parameters
        ----------
        X : as in fit
            Rows whose attributes are known; a few hundred will do.
        attributes : DataFrame of n rows
            A column per attribute: numbers, flags or classes. Give all that should stay as it is when one of
            them is edited, such as the class.
        y : scalar, array-like of shape (n,) or None
            Labels of the rows, if they will be known in :meth:`edit` too.

        Returns
        -------
        Directions
            For :meth:`edit`; its ``explained`` says how much of each attribute the codes tell.

        Raises
        ------
        InputError
            For attributes that do not fit the rows, or that are the same in all of them.
        """
        check_is_fitted(self)
        _, (source,), _ = self._opened([X], [y])
        return Directions.learn(source.z, pd.DataFrame(attributes), self._group(source.c))

    def edit(
        self,
        X: Any,
        y: Any = None,
        *,
        attribute: Any,
        amount: Any = None,
        value: Any = None,
        directions: Directions | None = None,
        attributes: Any = None,
        pull: float | None = 0.7,
    ) -> Any:
        """Return rows with one attribute changed and the others kept.

        Parameters
        ----------
        X : as in fit
        y : scalar, array-like of shape (n,), DataFrame or None
            Labels or control variables of the rows, if known.
        attribute : hashable
            Without ``directions`` a variable of the y of fit (a column of a frame of control variables): rows
            are decoded under its new value. With them, one of their attributes: codes are moved along it.
        amount : float or array-like of shape (n,), optional
            How far, in standard deviations of the attribute among training rows, or among the rows of the
            directions; of a flag there, 1 goes from False to True.
        value : scalar or array-like of shape (n,), optional
            Where to, instead of how far.
        directions : Directions, optional
            From :meth:`find_directions`.
        attributes : DataFrame of n rows, optional
            With directions: what is known of the attributes that the rows have and should keep. The others
            are read from the codes.
        pull : float or None, default=0.7
            How far codes are drawn, from 0 to 1, towards codes of rows that have the attribute as
            wanted and are alike otherwise. 0 only moves codes along the direction.

        Returns
        -------
        X : as in fit
            Row by row; a frame keeps its index.

        Raises
        ------
        InputError
            For an attribute that was never given, and an amount or value that does not fit it.
        """
        check_is_fitted(self)
        if directions is not None and not isinstance(directions, Directions):
            raise InputError(
                f"directions must be what find_directions returns, or None; got {type(directions).__name__}."
            )
        space, (source,), like = self._opened([X], [y])
        if directions is None:
            if attributes is not None:
                raise InputError("attributes go with directions; without them pass control variables in y.")
            c = changed_context(self._context, source.c, attribute, amount, value)
            return self._closed(recondition(space, source, c=c, pull=pull), like)
        moved = directions.move(
            source.z,
            attribute,
            amount=amount,
            value=value,
            held=attributes,
            groups=self._group(source.c),
            pull=pull,
        )
        return self._closed(shift(space, source, by=moved - source.z), like)

    def traverse(
        self,
        X: Any,
        y: Any = None,
        *,
        dims: Sequence[int] | None = None,
        steps: int = 7,
        reach: float = 2.0,
        basis: str = "codes",
    ) -> list[list[Any]]:
        """Return rows as one dimension of their code changes at a time.

        Parameters
        ----------
        X : as in fit
        y : scalar, array-like of shape (n,) or None
            Labels of the rows, if known.
        dims : sequence of int, optional
            Which dimensions; by default the (at most 8) in which the codes of training rows differ most.
        steps : int, default=7
        reach : float, default=2.0
            How far to go to both sides, in standard deviations of the codes of training rows.
        basis : {"codes", "main"}, default="codes"
            ``"codes"``: the numbers of the code, around their mean. ``"main"``: from the row itself along the
            directions in which the codes of training rows differ most.

        Returns
        -------
        list of lists of X-likes
            ``found[i][j]`` are the rows at step j of the i-th dimension.
        """
        return self.apply("traverse", X, y=y, dims=dims, steps=steps, reach=reach, basis=basis)

    def lattice(
        self,
        X: Any,
        y: Any = None,
        *,
        dims: Sequence[int] = (0, 1),
        steps: int = 7,
        reach: float = 2.0,
        basis: str = "main",
    ) -> list[list[Any]]:
        """Return rows on a grid of two dimensions of their code.

        Parameters
        ----------
        X, y, steps, reach, basis
            As in :meth:`traverse`.
        dims : sequence of two int, default=(0, 1)

        Returns
        -------
        list of lists of X-likes
            ``found[i][j]`` are the rows at step i of the first and step j of the second dimension.
        """
        return self.apply("lattice", X, y=y, dims=dims, steps=steps, reach=reach, basis=basis)

    def walk(
        self, X: Any, y: Any = None, *, steps: int = 16, stride: float = 0.3, random_state: Any = None
    ) -> list[Any]:
        """Return the frames of a random walk from each row through the codes of its class.

        Parameters
        ----------
        X : as in fit
        y : scalar, array-like of shape (n,) or None
            Labels of the rows, if known.
        steps : int, default=16
            Frames, the first one included.
        stride : float, default=0.3
            From 0 (stands still) to 1 (a fresh draw each time).
        random_state : int, RandomState or None

        Returns
        -------
        list of ``steps`` X-likes
        """
        return self.apply("walk", X, y=y, steps=steps, stride=stride, random_state=random_state)

    def apply(
        self,
        operation: str,
        *sources: Any,
        y: Any = None,
        y_each: Any = None,
        random_state: Any = None,
        **options: Any,
    ) -> Any:
        """Encode rows, apply a registered latent operation to their codes, and decode what comes out.

        Parameters
        ----------
        operation : str
            A name in ``vaeaug.latent.operations.OPERATIONS``.
        *sources : as X in fit
            As many as the operation takes, of as many rows each.
        y : scalar, array-like of shape (n,) or None
            Labels that all sources share, if known.
        y_each : sequence, optional
            Labels of each source instead.
        random_state : int, RandomState or None
            For operations that draw at random.
        **options
            Of the operation.

        Returns
        -------
        X : as in fit, or lists of them
            A list for each axis that the operation adds in front of the rows.
        """
        check_is_fitted(self)
        run = chosen_operation(operation, len(sources), options)
        if y_each is not None and (np.ndim(y_each) == 0 or len(y_each) != len(sources) or y is not None):
            raise InputError(
                f"y_each must list labels for each of the {len(sources)} sources, and then y must be None; "
                f"got y_each of {'one value' if np.ndim(y_each) == 0 else len(y_each)} and "
                f"{'no y' if y is None else 'y'}."
            )
        labels = [y] * len(sources) if y_each is None else list(y_each)
        space, codes, like = self._opened(sources, labels, random_state)
        return self._closed(run(space, *codes, **options), like)

    def _opened(
        self, sources: Sequence[Any], labels: Sequence[Any], random_state: Any = None
    ) -> tuple[Space, list[Codes], Any]:
        """Return the latent space, the codes of every source, and the rows that give results their index."""
        found, like = [], None
        for X, y in zip(sources, labels, strict=True):
            data = self._intake.open(X, y)
            x = self._encode(data.X)
            c = self._labels(data.y, len(x))
            found.append(Codes(self._model.encode(x, c)[0], c))
            like = data.X if like is None or len(found[0].z) < len(x) else like
        rows = sorted({len(codes.z) for codes in found} - {1})
        if len(rows) > 1:
            got = ", ".join(str(len(codes.z)) for codes in found)
            raise InputError(
                f"All sources must have as many rows as one another, or a single one; got {got}."
            )
        most = max(len(codes.z) for codes in found)
        found = [
            codes if len(codes.z) == most else Codes(codes.z.repeat(most, 0), codes.c.repeat(most, 0))
            for codes in found
        ]
        return self._space(random_state), found, like

    def _space(self, random_state: Any = None) -> Space:
        """Return what operations may know of the latent space."""
        kinds = [isinstance(block, ClassBlock) for block in self._context.blocks_]
        blocks = tuple((*cut, kind) for cut, kind in zip(self._context.blocks, kinds, strict=True))

        def generator() -> np.random.Generator:
            return numpy_generator(self._next_seed(random_state), _STEPS)

        known = Codes(self._anchors.mean, self._anchors.context)
        return Space(known, self._model.vae.latent.slices, blocks, self._group, generator)

    def _closed(self, codes: Codes, like: Any) -> Any:
        """Decode codes ``(..., n, D)`` into lists, one for each axis in front, of X-likes of n rows."""
        front = codes.z.shape[:-1]
        z = codes.z.reshape(-1, codes.z.shape[-1])
        c = np.array(np.broadcast_to(codes.c, (*front, codes.c.shape[-1]))).reshape(len(z), codes.c.shape[-1])
        x = self._model.decode(z, c, temperature=0.0, seed=self._seed)
        return self._nested(x.reshape(*front, *x.shape[1:]), len(front) - 1, like)

    def _nested(self, x: np.ndarray, axes: int, like: Any) -> Any:
        if not axes:
            return self._intake.decode(x, like=like)
        return [self._nested(part, axes - 1, like) for part in x]
