"""torch Datasets of images, and lists of images with labels, read as images and labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from vaeaug.data.images.containers import Arrays, Tensors, is_tensor, read, tensor_array
from vaeaug.data.labels.targets import stack_labels
from vaeaug.errors import InputError

__all__ = ["Opened", "holds_images", "is_dataset", "length", "open_images", "read_item", "show_reading"]

#: Seconds of reading after which a progress bar is worth showing.
_LONG = 1.0


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


def holds_images(X: Any) -> bool:
    """Tell whether data can only be images: three or more dimensions, pictures, pairs, or a torch Dataset.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.data.images.datasets import holds_images
    >>> holds_images(np.zeros((5, 8, 8))), holds_images(np.zeros((5, 64)))
    (True, False)
    """
    if is_dataset(X) or _is_pairs(X) or isinstance(X, Image.Image) or len(getattr(X, "shape", ())) > 2:
        return True
    listed = isinstance(X, list | tuple) or (
        isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 1
    )
    return bool(listed and len(X) and (isinstance(X[0], Image.Image) or _dimensions(X[0]) >= 2))


def is_dataset(X: Any) -> bool:
    """Tell whether X is a torch Dataset."""
    if X is None or isinstance(X, np.ndarray | pd.DataFrame | list | tuple | str):
        return False
    from torch.utils.data import Dataset

    return isinstance(X, Dataset)


def open_images(X: Any, y: Any = None, verbose: int | bool = 0) -> Opened:
    """Read a torch Dataset, or a list, of images or of (image, label); pass on anything else.

    Parameters
    ----------
    X : Dataset or any container of images
    y : labels, optional
        Take the place of those in the Dataset. A tensor becomes an array.
    verbose : int or bool
        Whether a progress bar is shown where reading takes longer than a second.

    Raises
    ------
    InputError
        For a Dataset that is empty, has no length, raises, or holds something else than images.
    """
    if isinstance(X, Image.Image):
        raise InputError("X is one PIL image; pass a list of images, [X] for this one.")
    if y is not None and is_tensor(y):
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
    images, labels = zip(*(read_item(X, i, name) for i in show_reading(range(count), verbose)), strict=True)
    if y is None and not all(label is None for label in labels):
        y = stack_labels(labels, name, may_miss=True)
    if is_tensor(images[0]) or isinstance(images[0], np.ndarray):
        pixels, form = read(list(images))
        stacked = Tensors(form.dtype, form.device) if isinstance(form, Tensors) else Arrays()
        return Opened(stacked.wrap(pixels), y, _class_names(X, y))
    return Opened(list(images), y, _class_names(X, y))


def show_reading(items: Iterable[Any], verbose: int | bool, total: int | None = None) -> Iterable[Any]:
    """Return images to read, or their numbers, that move a progress bar if one is wanted."""
    if not verbose:
        return items
    from tqdm.auto import tqdm

    bar: Iterable[Any] = tqdm(items, desc="reading images", total=total, unit="image", delay=_LONG)
    return bar


def read_item(dataset: Any, i: int, name: str) -> tuple[Any, Any]:
    """Return image i of a Dataset and its label as they are, None without one."""
    try:
        found = dataset[i]
    except Exception as error:
        raise InputError(
            f"X[{i}] cannot be read: the {name} raised {type(error).__name__}: {error}. Mend that "
            "item, or leave it out with torch.utils.data.Subset."
        ) from error
    image, label, size = found, None, ""
    if isinstance(found, tuple | list) and len(found) in (1, 2):
        image, label = found[0], (found[1] if len(found) > 1 else None)
    elif isinstance(found, tuple | list):
        size = f" of length {len(found)}"
    if not (isinstance(image, Image.Image | np.ndarray) or is_tensor(image)):
        raise InputError(
            f"X[{i}] of the {name} must be an image or a pair (image, label), the image a tensor, an array "
            f"or a PIL image; got {type(image).__name__}{size}. Wrap the dataset in one whose __getitem__ "
            "returns such pairs."
        )
    return image, label


def length(X: Any) -> int | None:
    """Return the number of items, None where X does not tell."""
    try:
        return len(X)
    except (TypeError, NotImplementedError, AttributeError):
        # Streams have no length, and datasets around a stream or a lazy source say so in these three ways.
        return None


def _class_names(dataset: Any, y: Any) -> list[str] | None:
    """Return the names of a Dataset's classes, through Subsets, if the labels are numbers of them."""
    while getattr(dataset, "classes", None) is None and is_dataset(getattr(dataset, "dataset", None)):
        dataset = dataset.dataset
    names, labels = getattr(dataset, "classes", None), np.asarray(y)
    if not isinstance(names, list | tuple) or labels.dtype.kind not in "iu" or not labels.size:
        return None
    return [str(name) for name in names] if labels.min() >= 0 and labels.max() < len(names) else None


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
    if not (isinstance(image, np.ndarray) or is_tensor(image)):
        return False
    # Two numbers, or two arrays of one shape, are rather a row of a table, or two images.
    return getattr(label, "shape", None) != image.shape and not (image.ndim == 0 and np.isscalar(label))


def _dimensions(image: Any) -> int:
    if hasattr(image, "ndim"):
        return int(image.ndim)
    # A row of a table, as a list: nested only if it holds sequences itself.
    return 2 if isinstance(image, list | tuple) and len(image) and isinstance(image[0], list | tuple) else 0
