"""Kinds of items that datasets and transforms hand out, to and from arrays."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image as PILImage

from vaeaug.data.images.containers import picture_array, read_mode, tensor_array
from vaeaug.errors import InputError
from vaeaug.utils.versions import import_torchvision

__all__ = ["WHITE", "Kind", "as_array", "rescale"]

#: What stands for white in each dtype; floats of images count from 0 to 1.
WHITE = {"bool": 1, "uint8": 255, "uint16": 65535, "float16": 1, "float32": 1, "float64": 1}
#: Of batches; an item of an array may also be in another byte order.
_DTYPES = [*(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)), "bool"]
_DTYPES += ["float16", "bfloat16", "float32", "float64"]


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
        numpy's name of it, or "bfloat16", which numpy does not have.
    mode : str
        Of a PIL image.
    """

    container: str
    shape: tuple[int, ...]
    dtype: str
    mode: str = ""

    @classmethod
    def of(cls, item: Any, who: str = "vaeaug") -> Kind:
        """Describe an item.

        Raises
        ------
        InputError
            If it is none of the containers, or holds something else than numbers.
        """
        return cls.of_array(item, as_array(item, who), who)

    @classmethod
    def of_rows(cls, rows: np.ndarray | torch.Tensor, who: str = "vaeaug") -> Kind:
        """Describe the rows of a batch (m, ...), arrays or tensors.

        Raises
        ------
        InputError
            For other dtypes than booleans, integers and floats up to 64 bits.
        """
        tensors = isinstance(rows, torch.Tensor)
        name = str(rows.dtype).removeprefix("torch.")
        if rows.ndim < 2 or 0 in rows.shape[1:]:
            raise InputError(
                f"{who}: a batch must hold images, or rows of numbers; got shape {tuple(rows.shape)}."
            )
        if name not in _DTYPES:
            raise InputError(f"{who}: a batch must be of dtype {', '.join(_DTYPES)}; got {name}.")
        return cls("tensor" if tensors else "array", tuple(rows.shape[1:]), name)

    @classmethod
    def of_array(cls, item: Any, array: np.ndarray, who: str) -> Kind:
        """Describe an item that was read into an array already."""
        if isinstance(item, PILImage.Image):
            container = "pil"
        elif isinstance(item, torch.Tensor):
            container = "image" if _is_tv_image(item) else "tensor"
        else:
            container = "array"
        if not array.ndim or not array.size:
            got = f"one of shape {array.shape}" if array.ndim else "a single number"
            raise InputError(f"{who}: an item must have at least one dimension and one value; got {got}.")
        is_half = isinstance(item, torch.Tensor) and item.dtype == torch.bfloat16
        dtype = "bfloat16" if is_half else str(array.dtype)
        return cls(
            container, tuple(array.shape), dtype, getattr(item, "mode", "") if container == "pil" else ""
        )

    @property
    def array_dtype(self) -> np.dtype:
        """The dtype of items as arrays, in the byte order of the machine."""
        return np.dtype("float32" if self.dtype == "bfloat16" else self.dtype).newbyteorder("=")

    def stack(self, items: Sequence[Any], who: str = "vaeaug") -> np.ndarray:
        """Return items of this kind as one array (m, *shape).

        Raises
        ------
        InputError
            If one of them is of another kind.
        """
        stacked = np.empty((len(items), *self.shape), dtype=self.array_dtype)
        for i, item in enumerate(items):
            array = as_array(item, who)
            found = Kind.of_array(item, array, who)
            if found != self:
                raise InputError(
                    f"{who}: all items must be alike; the first is {self}, another is {found}. Give the "
                    "wrapped dataset a transform that brings them to one size and type."
                )
            stacked[i] = array
        return stacked

    def items(self, rows: torch.Tensor) -> list[Any]:
        """Return rows (m, *shape) as m items of this kind; a row may be stored as uint8 instead of floats."""
        if self.array_dtype.kind == "f" and rows.dtype == torch.uint8:
            rows = (rows.double() if self.dtype == "float64" else rows.float()).div(255)
        if self.container == "pil":
            return [_picture(row, self.mode) for row in rows.numpy().astype(self.array_dtype, copy=False)]
        if self.container == "array":
            return list(rows.numpy().astype(self.dtype, copy=False))
        rows = rows.to(getattr(torch, self.dtype))
        if self.container == "tensor":
            return list(rows.unbind(0))
        tv_tensors = import_torchvision("tv_tensors")
        # The default device is the caller's, and may be another one.
        return [tv_tensors.Image(row, device=row.device) for row in rows.unbind(0)]

    def __str__(self) -> str:
        names = {
            "tensor": "a tensor",
            "image": "a tv_tensors.Image",
            "array": "an array",
            "pil": f"a PIL image of mode {self.mode!r}",
        }
        return f"{names[self.container]} of shape {self.shape} and dtype {self.dtype}"


def as_array(item: Any, who: str) -> np.ndarray:
    """Return an item as an array of numbers; bfloat16 as float32.

    Raises
    ------
    InputError
        If it is no PIL image, tensor or array, cannot be read, or holds something else than numbers.
    """
    if isinstance(item, PILImage.Image):
        return picture_array(item, f"{who}: an item")
    if isinstance(item, torch.Tensor):
        array = tensor_array(item)
    elif isinstance(item, np.ndarray):
        array = np.asarray(item)
    else:
        raise InputError(
            f"{who}: an item must be a PIL image, a torch tensor or a numpy array; got {type(item).__name__}."
        )
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InputError(
            f"{who}: items must hold booleans, integers or floats up to 64 bits; got dtype {array.dtype}."
        )
    return array


def _is_tv_image(item: torch.Tensor) -> bool:
    """Whether a tensor is a ``tv_tensors.Image``: of tables and plain images none is, without torchvision."""
    tv_tensors = sys.modules.get("torchvision.tv_tensors")
    return tv_tensors is not None and isinstance(item, tv_tensors.Image)


def rescale(images: np.ndarray, dtype: Any) -> np.ndarray:
    """Return images in another dtype with black and white kept: 255 of uint8 is 1 of floats.

    Parameters
    ----------
    images : ndarray
        bool, uint8, uint16, or floats of which 1 is white.
    dtype : dtype

    Examples
    --------
    >>> import numpy as np
    >>> rescale(np.array([0.0, 0.5, 1.2]), "uint8")
    array([  0, 128, 255], dtype=uint8)
    """
    source, target = images.dtype, np.dtype(dtype)
    if source == target:
        return images
    if source.kind == "f" and target.kind == "f":
        return images.astype(target)
    white, wanted = WHITE[source.name], WHITE[target.name]
    if target.kind == "f":
        return (images.astype(np.promote_types(target, np.float32)) / white).astype(target)
    # Doubles, so that the rounding of a value does not depend on the way it came.
    scaled = np.clip(images.astype(np.float64) / white, 0, 1) * wanted
    return np.rint(scaled).astype(target)


def _picture(array: np.ndarray, mode: str) -> PILImage.Image:
    """Return a PIL image of a mode from an array of the mode that it is read in."""
    picture = PILImage.fromarray(array)
    if read_mode(mode) == mode:
        return picture
    if mode == "P":
        return picture.convert("P", palette=PILImage.Palette.ADAPTIVE)
    return picture.convert(mode)
