"""Kinds of items that datasets and transforms hand out, and the way from one kind to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image as PILImage
from torchvision import tv_tensors

from vaeaug.errors import InputError

__all__ = ["Exchange", "Kind", "rescaled"]

#: What stands for white in each dtype; floats of images count from 0 to 1.
_WHITE = {"bool": 1, "uint8": 255, "uint16": 65535, "float16": 1, "float32": 1, "float64": 1}
#: What rounding may leave outside of 0 to 1.
_SLACK = 1e-4
#: Samples drawn to see what an augmenter makes.
_PROBES = 8
_MODES = ("L", "RGB", "RGBA", "I;16", "F")


@dataclass(frozen=True)
class Kind:
    """What one item is, so that others can be made like it.

    Parameters
    ----------
    container : {"tensor", "image", "array", "pil"}
        A torch tensor, a ``tv_tensors.Image``, a numpy array or a PIL image.
    shape : tuple of int
        Of the item as an array, e.g. (C, H, W), (H, W) or (d,).
    dtype : str
        numpy's name of it.
    """

    container: str
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, item: Any, who: str = "vaeaug") -> Kind:
        """Describe an item.

        Raises
        ------
        InputError
            If it is none of the containers, or of a mode or dtype without a numpy twin.
        """
        if isinstance(item, PILImage.Image):
            if item.mode not in _MODES:
                raise InputError(
                    f"{who}: PIL images must be of mode {', '.join(_MODES)}; got {item.mode!r}. Convert them "
                    'first, for example with image.convert("RGB").'
                )
            container = "pil"
        elif isinstance(item, torch.Tensor):
            container = "image" if isinstance(item, tv_tensors.Image) else "tensor"
        elif isinstance(item, np.ndarray):
            container = "array"
        else:
            raise InputError(
                f"{who}: an item must be a PIL image, a torch tensor or a numpy array; got "
                f"{type(item).__name__}."
            )
        array = _array(item, who)
        if not array.ndim:
            raise InputError(f"{who}: an item must have at least one dimension; got a single number.")
        return cls(container, tuple(array.shape), str(array.dtype))

    def stack(self, items: Sequence[Any], who: str = "vaeaug") -> np.ndarray:
        """Return items of this kind as one array (m, *shape).

        Raises
        ------
        InputError
            If one of them is of another kind.
        """
        stacked = np.empty((len(items), *self.shape), dtype=self.dtype)
        for i, item in enumerate(items):
            found = Kind.of(item, who)
            if found != self:
                raise InputError(
                    f"{who}: all items must be alike; the first is {self}, another is {found}. Give the "
                    "wrapped dataset a transform that brings them to one size and type."
                )
            stacked[i] = _array(item, who)
        return stacked

    def items(self, rows: torch.Tensor) -> list[Any]:
        """Return rows (m, *shape) as m items of this kind; a row may be stored as uint8 instead of floats."""
        if self.dtype.startswith("float") and rows.dtype == torch.uint8:
            rows = rows.to(_torch_dtype(self.dtype)).div(255)
        if self.container == "tensor":
            return list(rows.unbind(0))
        if self.container == "image":
            return [tv_tensors.Image(row) for row in rows.unbind(0)]
        array = rows.numpy()
        if self.container == "array":
            return list(array)
        return [PILImage.fromarray(row) for row in array]

    def __str__(self) -> str:
        names = {
            "tensor": "a tensor",
            "image": "a tv_tensors.Image",
            "array": "an array",
            "pil": "a PIL image",
        }
        return f"{names[self.container]} of shape {self.shape} and dtype {self.dtype}"


class Exchange:
    """Translate between the items of a dataset and what an augmenter takes and makes.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted. A few samples of it are drawn to see what it makes.
    kind : Kind
        Of the items.
    examples : ndarray (m, *kind.shape)
        Some real items; where floats and whole numbers meet, they tell whether the floats
        count from 0 to 1.
    who : str
        For error messages.
    compact : bool
        Whether floats that stand for k / 255, as far as ``examples`` tell, are returned as bytes k.

    Attributes
    ----------
    stored : str
        The dtype of what :meth:`to_items` returns: that of the kind, or uint8 if compact.
    is_image : bool

    Raises
    ------
    InputError
        If there is no clear way from one to the other.
    """

    def __init__(
        self, augmenter: Any, kind: Kind, examples: np.ndarray, who: str = "vaeaug", *, compact: bool = False
    ) -> None:
        self.kind, self.who = kind, who
        made = augmenter.sample(_PROBES, random_state=0)[0]
        self._frame = made if isinstance(made, pd.DataFrame) else None
        self._container = "frame" if self._frame is not None else Kind.of(made[0], who).container
        rows = self._rows(made)
        self._made = Kind("array", tuple(rows.shape[1:]), str(rows.dtype))
        shape = getattr(augmenter, "image_shape_", None)
        self._shape = self._made.shape
        if len(self._shape) == 1 and shape is not None and len(shape) > 1:
            self._shape = tuple(shape)  # flattened images
        self._order = _order(self._shape, kind.shape, who)
        self.is_image = max(len(self._shape), len(kind.shape)) > 1
        # Floats beyond 1 count as the whole numbers do.
        self._rescales = self.is_image and not (rows.dtype.kind == "f" and rows.max(initial=0) > 1 + _SLACK)
        if self.is_image:
            self._check_ranges(examples)
        self.stored = "uint8" if compact and self._rescales and _on_grid(examples) else kind.dtype

    def _check_ranges(self, examples: np.ndarray) -> None:
        made, item = np.dtype(self._made.dtype), np.dtype(self.kind.dtype)
        for dtype, whose in ((made, "augmenter makes"), (item, "dataset holds")):
            if str(dtype) not in _WHITE:
                raise InputError(
                    f"{self.who}: images must be of dtype {', '.join(_WHITE)}; the {whose} {dtype}."
                )
        if (made.kind == "f") != (item.kind == "f") and item.kind == "f" and len(examples):
            low, high = float(examples.min()), float(examples.max())
            if low < -_SLACK or high > 1 + _SLACK:
                raise InputError(
                    f"{self.who}: the augmenter makes images of dtype {made}, the real ones are {item} from "
                    f"{low:.3g} to {high:.3g}, which is not 0 to 1, so there is no telling how they were "
                    "scaled. Scale or normalise after augmentation (transform=), or fit the augmenter on "
                    "such images."
                )

    def to_items(self, made: Any) -> torch.Tensor:
        """Return what the augmenter made as rows (m, *kind.shape) of dtype ``stored``."""
        rows = self._rows(made)
        rows = rows.reshape(len(rows), *self._shape)
        rows = _laid_out(rows, self._order, self.kind.shape)
        rows = rescaled(rows, self.stored) if self._rescales else _cast(rows, self.stored)
        return torch.from_numpy(np.ascontiguousarray(rows))

    def to_augmenter(self, rows: np.ndarray) -> Any:
        """Return items (m, *kind.shape) in the container, layout and dtype that the augmenter takes."""
        if self._frame is not None:
            return pd.DataFrame(rows, columns=self._frame.columns).astype(self._frame.dtypes.to_dict())
        rows = _laid_out(rows, np.argsort(self._order).tolist(), tuple(self._shape))
        rows = rescaled(rows, self._made.dtype) if self._rescales else _cast(rows, self._made.dtype)
        rows = np.ascontiguousarray(rows).reshape(len(rows), *self._made.shape)
        if self._container == "pil":
            return [PILImage.fromarray(row) for row in rows]
        return torch.from_numpy(rows) if self._container in ("tensor", "image") else rows

    def _rows(self, made: Any) -> np.ndarray:
        if isinstance(made, pd.DataFrame):
            return made.to_numpy()
        if isinstance(made, torch.Tensor):
            return made.detach().cpu().numpy()
        if isinstance(made, np.ndarray):
            return made
        return np.stack([_array(item, self.who) for item in made])


def rescaled(images: np.ndarray, dtype: str) -> np.ndarray:
    """Return images in another dtype with black and white kept: 255 of uint8 is 1 of floats.

    Parameters
    ----------
    images : ndarray
        uint8, uint16, or floats of which 1 is white.
    dtype : str

    Examples
    --------
    >>> import numpy as np
    >>> rescaled(np.array([0.0, 0.5, 1.2]), "uint8")
    array([  0, 128, 255], dtype=uint8)
    """
    source, target = str(images.dtype), np.dtype(dtype)
    if source == str(target):
        return images
    if images.dtype.kind == "f" and target.kind == "f":
        return images.astype(target)
    white, wanted = _WHITE[source], _WHITE[str(target)]
    if target.kind == "f":
        return (images.astype(np.promote_types(target, np.float32)) / white).astype(target)
    # Doubles, so that the rounding of a value does not depend on the way it came.
    scaled = np.clip(images.astype(np.float64) / white, 0, 1) * wanted
    return np.rint(scaled).astype(target)


def _array(item: Any, who: str) -> np.ndarray:
    if isinstance(item, torch.Tensor):
        if item.dtype == torch.bfloat16:
            raise InputError(f"{who}: items of dtype bfloat16 are not supported; convert them to float32.")
        return item.detach().cpu().numpy()
    return np.asarray(item)


def _torch_dtype(name: str) -> torch.dtype:
    return torch.from_numpy(np.zeros(0, dtype=name)).dtype


def _cast(rows: np.ndarray, dtype: str) -> np.ndarray:
    """Return numbers in a dtype; whole numbers are rounded, not cut, and stay in its range."""
    if np.dtype(dtype).kind in "iu" and rows.dtype.kind == "f":
        limits = np.iinfo(dtype)
        rows = np.clip(np.rint(rows), limits.min, limits.max)
    return rows.astype(dtype, copy=False)


def _order(source: tuple[int, ...], target: tuple[int, ...], who: str) -> tuple[int, ...]:
    """Return the order of axes that turns ``source`` into ``target``, up to axes of length 1.

    Raises
    ------
    InputError
    """
    orders = [tuple(range(len(source)))]
    if len(source) == 3:
        orders += [(1, 2, 0), (2, 0, 1)]  # channels to the back, to the front
    for order in orders:
        moved = tuple(source[axis] for axis in order)
        if moved == target or _squeezed(moved) == _squeezed(target):
            return order
    raise InputError(
        f"{who}: the augmenter makes items of shape {source}, the real ones have shape {target}. Fit the "
        "augmenter on items of that size, or resize them before they reach it."
    )


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def _laid_out(rows: np.ndarray, order: Sequence[int], shape: tuple[int, ...]) -> np.ndarray:
    if rows.ndim == len(order) + 1:
        rows = rows.transpose(0, *(axis + 1 for axis in order))
    return rows.reshape(len(rows), *shape)


def _on_grid(examples: np.ndarray) -> bool:
    """Tell whether all values are some k / 255, as float images that were bytes once."""
    if examples.dtype.kind != "f" or not examples.size or examples.min() < 0 or examples.max() > 1:
        return False
    if not examples.any():
        return False
    steps = examples.astype(np.float64) * 255
    return bool(np.abs(steps - np.rint(steps)).max() < 255 * np.finfo(examples.dtype).eps)
