"""Images as users hold them: arrays, tensors, lists of pictures, frames of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from vaeaug.data.tables.serialization import (
    Described,
    dtype_from_json,
    dtype_to_json,
    index_from_json,
    index_to_json,
)
from vaeaug.errors import InputError
from vaeaug.utils.rows import append_rows

__all__ = [
    "CONTAINERS",
    "Arrays",
    "Container",
    "Frames",
    "Pictures",
    "Tensors",
    "is_tensor",
    "join_images",
    "picture_array",
    "read",
    "read_mode",
    "tensor_array",
]

#: Modes of pictures that an array says everything about; others are read as the one beside them.
_OWN_MODES = ("1", "L", "LA", "RGB", "RGBA", "I", "I;16", "F")
_READ_AS = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA", "I;16B": "I", "I;16L": "I", "I;16N": "I"}


@dataclass(frozen=True)
class Arrays(Described):
    """numpy arrays; anything else that numpy understands comes back as one.

    Parameters
    ----------
    listed : bool
        Whether they came, and are to come back, as a list of images.
    """

    listed: bool = False
    channels = "auto"

    def wrap(self, images: np.ndarray, like: Any = None) -> Any:
        """Return images as the user holds them."""
        return list(images) if self.listed else images


@dataclass(frozen=True)
class Tensors(Described):
    """torch tensors on any device.

    Parameters
    ----------
    dtype : str
        Such as ``"float32"``.
    device : str
        Where there is no such device any more, tensors come back on the CPU.
    listed : bool
        Whether they came, and are to come back, as a list of tensors.
    """

    dtype: str
    device: str = "cpu"
    listed: bool = False
    channels = "auto"

    def wrap(self, images: np.ndarray, like: Any = None) -> Any:
        """Return images as the user holds them."""
        import torch

        found = torch.from_numpy(np.ascontiguousarray(images)).to(getattr(torch, self.dtype))
        try:
            found = found.to(self.device)
        except (RuntimeError, AssertionError):
            found = found.cpu()
        return list(found.unbind()) if self.listed else found


@dataclass(frozen=True)
class Pictures(Described):
    """Lists of PIL images of one mode."""

    channels = "last"

    def wrap(self, images: np.ndarray, like: Any = None) -> list[Image.Image]:
        """Return images as the user holds them."""
        return [Image.fromarray(image) for image in images]


@dataclass(frozen=True)
class Frames:
    """DataFrames with one image per row and one column per value.

    Parameters
    ----------
    columns : Index
    dtypes : list of dtype
    """

    columns: pd.Index
    dtypes: list[Any] = field(default_factory=list)
    channels = "auto"

    def wrap(self, images: np.ndarray, like: Any = None) -> pd.DataFrame:
        """Return images as the user holds them; with the index of ``like`` if that is a frame."""
        index = like.index if isinstance(like, pd.DataFrame) else None
        found = pd.DataFrame(images, columns=self.columns, index=index)
        return found.astype(dict(zip(self.columns, self.dtypes, strict=True)))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {
            "columns": index_to_json(self.columns),
            "dtypes": [dtype_to_json(dtype) for dtype in self.dtypes],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Frames:
        """Undo :meth:`to_json`."""
        return cls(index_from_json(data["columns"]), [dtype_from_json(dtype) for dtype in data["dtypes"]])


Container = Arrays | Tensors | Pictures | Frames

#: Names of containers in files.
CONTAINERS: dict[str, Any] = {"arrays": Arrays, "tensors": Tensors, "pictures": Pictures, "frames": Frames}


def read(X: Any) -> tuple[Any, Container]:
    """Return images as one array (or what becomes one), and what puts arrays back into their container.

    Parameters
    ----------
    X : array, tensor, list of pictures, tensors or arrays, DataFrame
        No Dataset; see :func:`vaeaug.data.images.datasets.open_images`.

    Returns
    -------
    images : array-like of shape (n, ...)
    container : Container

    Raises
    ------
    InputError
        For images that differ in size or mode.
    """
    if isinstance(X, pd.DataFrame):
        return X.to_numpy(), Frames(X.columns[:], list(X.dtypes))
    if is_tensor(X):
        return tensor_array(X), Tensors(str(X.dtype).removeprefix("torch."), str(X.device))
    if isinstance(X, list | tuple) and len(X):
        if any(isinstance(image, Image.Image) for image in X):
            for i, image in enumerate(X):
                if not isinstance(image, Image.Image):
                    raise InputError(f"X must hold PIL images only; X[{i}] is a {type(image).__name__}.")
            arrays = [picture_array(image, f"X[{i}]") for i, image in enumerate(X)]
            return _stack_images(arrays, [read_mode(image.mode) for image in X]), Pictures()
        if all(is_tensor(image) for image in X):
            form = Tensors(str(X[0].dtype).removeprefix("torch."), str(X[0].device), listed=True)
            return _stack_images([tensor_array(image) for image in X]), form
        if all(isinstance(image, np.ndarray) for image in X):
            return _stack_images(X), Arrays(listed=True)
        for i, image in enumerate(X):
            if is_tensor(image) != is_tensor(X[0]):
                raise InputError(
                    f"X must hold images of one kind: X[0] is a {type(X[0]).__name__}, X[{i}] a "
                    f"{type(image).__name__}."
                )
    return X, Arrays()


def join_images(X: Any, X_new: Any) -> Any:
    """Return images followed by new ones, in the container and dtype of the first.

    Parameters
    ----------
    X, X_new : array, tensor, list of images, or DataFrame
        In the same layout; the second may be in another container.
    """
    if isinstance(X, list | tuple):
        return [*X, *X_new]
    if is_tensor(X):
        import torch

        new = X_new if is_tensor(X_new) else torch.from_numpy(np.asarray(X_new))
        return torch.cat([X, new.to(device=X.device, dtype=X.dtype)])
    return append_rows(X, X_new)


def is_tensor(X: Any) -> bool:
    """Tell whether X is a tensor, without importing torch for what cannot be one."""
    if X is None or isinstance(X, np.ndarray | pd.DataFrame | list | tuple | str | int | float):
        return False
    from torch import Tensor

    return isinstance(X, Tensor)


def tensor_array(X: Any) -> np.ndarray:
    """Return a tensor on any device as an array; bfloat16, which numpy does not have, as float32.

    Raises
    ------
    InputError
        If numpy cannot hold it.
    """
    import torch

    try:
        values = X.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise InputError(
            f"A tensor of dtype {X.dtype} on {X.device} cannot be read: {error}. Convert it to a dense one "
            "of float32 or uint8."
        ) from error


def picture_array(image: Image.Image, what: str) -> np.ndarray:
    """Return the pixels of a PIL image in the mode of :func:`read_mode`.

    Raises
    ------
    InputError
        If PIL cannot read or convert it.
    """
    mode = read_mode(image.mode)
    try:
        return np.asarray(image if image.mode == mode else image.convert(mode))
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"{what}, a PIL image of mode {image.mode!r}, cannot be read: {error}. Mend the file, or convert "
            'the image first, for example with image.convert("RGB").'
        ) from error


def read_mode(mode: str) -> str:
    """Return the mode that pictures of a mode are read in: their own, or the next that arrays can hold."""
    return mode if mode in _OWN_MODES else _READ_AS.get(mode, "RGB")


def _stack_images(images: Sequence[np.ndarray], modes: Sequence[str] | None = None) -> np.ndarray:
    """Put images of one shape (and mode) into one array."""
    for i, image in enumerate(images):
        if image.dtype.kind not in "biuf":
            raise InputError(
                f"Images must hold booleans, integers or floats; X[{i}] is of dtype {image.dtype}."
            )
    kinds = [(np.shape(image), None if modes is None else modes[i]) for i, image in enumerate(images)]
    other = next((i for i, kind in enumerate(kinds) if kind != kinds[0]), None)
    if other is None:
        return np.stack(images)
    (first, mode), (shape, other_mode) = kinds[0], kinds[other]
    first_mode, its_mode = ("" if m is None else f" and mode {m!r}" for m in (mode, other_mode))
    raise InputError(
        f"X must hold images of one size and one number of channels: X[0] has shape {first}{first_mode}, "
        f"X[{other}] has shape {shape}{its_mode}. Resize, crop or convert them first; an ImageFolder takes "
        "transform=v2.Resize((48, 48))."
    )
