"""Images as users hold them: arrays, tensors, lists of pictures, frames of pixels, torch Datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from vaeaug.data.labels.targets import stack_labels
from vaeaug.data.tables.serialization import dtype_from_json, dtype_to_json, index_from_json, index_to_json
from vaeaug.errors import InputError
from vaeaug.utils.rows import append_rows

__all__ = [
    "CONTAINERS",
    "Arrays",
    "Container",
    "Frames",
    "Opened",
    "Pictures",
    "Tensors",
    "holds_images",
    "is_dataset",
    "item",
    "joined",
    "length",
    "opened",
    "picture_array",
    "read",
    "read_mode",
    "tensor_array",
]

#: Modes of pictures that an array says everything about; others are read as the one beside them.
_OWN_MODES = ("1", "L", "LA", "RGB", "RGBA", "I", "I;16", "F")
_READ_AS = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA", "I;16B": "I", "I;16L": "I", "I;16N": "I"}


@dataclass(frozen=True)
class Arrays:
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

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Arrays:
        """Undo :meth:`to_json`."""
        return cls(**data)


@dataclass(frozen=True)
class Tensors:
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

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tensors:
        """Undo :meth:`to_json`."""
        return cls(**data)


@dataclass(frozen=True)
class Pictures:
    """Lists of PIL images of one mode."""

    channels = "last"

    def wrap(self, images: np.ndarray, like: Any = None) -> list[Image.Image]:
        """Return images as the user holds them."""
        return [Image.fromarray(image) for image in images]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pictures:
        """Undo :meth:`to_json`."""
        return cls()


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


def holds_images(X: Any) -> bool:
    """Tell whether data can only be images: three or more dimensions, pictures, pairs, or a torch Dataset.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.data.images.containers import holds_images
    >>> holds_images(np.zeros((5, 8, 8))), holds_images(np.zeros((5, 64)))
    (True, False)
    """
    if is_dataset(X) or _is_pairs(X) or len(getattr(X, "shape", ())) > 2:
        return True
    listed = isinstance(X, list | tuple) or (
        isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 1
    )
    return bool(listed and len(X) and (isinstance(X[0], Image.Image) or _dimensions(X[0]) >= 2))


def read(X: Any) -> tuple[Any, Container]:
    """Return images as one array (or what becomes one), and what puts arrays back into their container.

    Parameters
    ----------
    X : array, tensor, list of pictures, tensors or arrays, DataFrame
        No Dataset; see :func:`opened`.

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
    if _is_tensor(X):
        return tensor_array(X), Tensors(str(X.dtype).removeprefix("torch."), str(X.device))
    if isinstance(X, list | tuple) and len(X):
        if any(isinstance(image, Image.Image) for image in X):
            for i, image in enumerate(X):
                if not isinstance(image, Image.Image):
                    raise InputError(f"X must hold PIL images only; X[{i}] is a {type(image).__name__}.")
            arrays = [picture_array(image, f"X[{i}]") for i, image in enumerate(X)]
            return _stacked(arrays, [read_mode(image.mode) for image in X]), Pictures()
        if all(_is_tensor(image) for image in X):
            form = Tensors(str(X[0].dtype).removeprefix("torch."), str(X[0].device), listed=True)
            return _stacked([tensor_array(image) for image in X]), form
        if all(isinstance(image, np.ndarray) for image in X):
            return _stacked(X), Arrays(listed=True)
        for i, image in enumerate(X):
            if _is_tensor(image) != _is_tensor(X[0]):
                raise InputError(
                    f"X must hold images of one kind: X[0] is a {type(X[0]).__name__}, X[{i}] a "
                    f"{type(image).__name__}."
                )
    return X, Arrays()


def joined(X: Any, X_new: Any) -> Any:
    """Return images followed by new ones, in the container and dtype of the first.

    Parameters
    ----------
    X, X_new : array, tensor, list of images, or DataFrame
        In the same layout; the second may be in another container.
    """
    if isinstance(X, list | tuple):
        return [*X, *X_new]
    if _is_tensor(X):
        import torch

        new = X_new if _is_tensor(X_new) else torch.from_numpy(np.asarray(X_new))
        return torch.cat([X, new.to(device=X.device, dtype=X.dtype)])
    return append_rows(X, X_new)


@dataclass(frozen=True)
class Opened:
    """What a Dataset holds.

    Parameters
    ----------
    X : tensor, array, or list of pictures
        Its images.
    y : ndarray or None
        Its labels, or those given in their place.
    class_names : list of str or None
        Names of the classes 0, 1, …, if the Dataset knows them.
    """

    X: Any
    y: Any
    class_names: list[str] | None = None


def opened(X: Any, y: Any = None) -> Opened:
    """Read a torch Dataset, or a list, of images or of (image, label); pass on anything else.

    Parameters
    ----------
    X : Dataset or any container of images
    y : labels, optional
        Take the place of those in the Dataset. A tensor becomes an array.

    Raises
    ------
    InputError
        For a Dataset that is empty, has no length, raises, or holds something else than images.
    """
    if y is not None and _is_tensor(y):
        y = tensor_array(y)
    if not is_dataset(X) and not _is_pairs(X):
        return Opened(X, y)
    name = f"Dataset {type(X).__name__}" if is_dataset(X) else "list"
    count = length(X)
    if count is None:
        raise InputError(
            f"X is a {name}, which has no length; pass a map-style Dataset, or its images as an array."
        )
    if not count:
        raise InputError(f"X is a {name} without images: 0 sample(s) while a minimum of 1 is required.")
    images, labels = zip(*(item(X, i, name) for i in range(count)), strict=True)
    if y is None and not all(label is None for label in labels):
        y = stack_labels(labels, name)
    if _is_tensor(images[0]) or isinstance(images[0], np.ndarray):
        pixels, form = read(list(images))
        stacked = Tensors(form.dtype, form.device) if isinstance(form, Tensors) else Arrays()
        return Opened(stacked.wrap(pixels), y, _class_names(X, y))
    return Opened(list(images), y, _class_names(X, y))


def item(dataset: Any, i: int, name: str) -> tuple[Any, Any]:
    """Return image i of a Dataset and its label as they are, None without one."""
    try:
        found = dataset[i]
    except Exception as error:
        raise InputError(
            f"X[{i}] cannot be read: the {name} raised {type(error).__name__}: {error}. Mend that "
            "item, or leave it out with torch.utils.data.Subset."
        ) from error
    image, label = found, None
    if isinstance(found, tuple | list) and len(found):
        image, label = found[0], (found[1] if len(found) > 1 else None)
    if not (isinstance(image, Image.Image | np.ndarray) or _is_tensor(image)):
        raise InputError(
            f"X[{i}] of the {name} must be an image or a pair (image, label), the image a tensor, an "
            f"array or a PIL image; got {type(image).__name__}."
        )
    return image, label


def length(X: Any) -> int | None:
    """Return the number of items, None where X does not tell."""
    try:
        return len(X)
    except (TypeError, NotImplementedError, AttributeError):
        return None


def _class_names(dataset: Any, y: Any) -> list[str] | None:
    """Return the names of a Dataset's classes, through Subsets, if the labels are numbers of them."""
    while getattr(dataset, "classes", None) is None and is_dataset(getattr(dataset, "dataset", None)):
        dataset = dataset.dataset
    names, labels = getattr(dataset, "classes", None), np.asarray(y)
    if not isinstance(names, list | tuple) or labels.dtype.kind not in "iu" or not labels.size:
        return None
    return [str(name) for name in names] if labels.min() >= 0 and labels.max() < len(names) else None


def is_dataset(X: Any) -> bool:
    """Tell whether X is a torch Dataset."""
    if X is None or isinstance(X, np.ndarray | pd.DataFrame | list | tuple | str):
        return False
    from torch.utils.data import Dataset

    return isinstance(X, Dataset)


def _is_pairs(X: Any) -> bool:
    """Tell whether X is a list of (image, label), as a Dataset hands them out."""
    if not isinstance(X, list | tuple) or not len(X):
        return False
    first = X[0]
    if not isinstance(first, list | tuple) or len(first) != 2:
        return False
    image, label = first
    if isinstance(image, Image.Image):
        return True
    if not (isinstance(image, np.ndarray) or _is_tensor(image)):
        return False
    # Two numbers, or two arrays of one shape, are rather a row of a table, or two images.
    return getattr(label, "shape", None) != image.shape and not (image.ndim == 0 and np.isscalar(label))


def _is_tensor(X: Any) -> bool:
    if X is None or isinstance(X, np.ndarray | pd.DataFrame | list | tuple | str | int | float):
        return False
    from torch import Tensor

    return isinstance(X, Tensor)


def _dimensions(image: Any) -> int:
    if hasattr(image, "ndim"):
        return int(image.ndim)
    # A row of a table, as a list: nested only if it holds sequences itself.
    return 2 if isinstance(image, list | tuple) and len(image) and isinstance(image[0], list | tuple) else 0


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


def _stacked(images: Sequence[np.ndarray], modes: Sequence[str] | None = None) -> np.ndarray:
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
        f"X[{other}] has shape {shape}{its_mode}. Resize, crop or convert them first."
    )
