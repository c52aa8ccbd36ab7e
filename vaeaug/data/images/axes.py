"""How the values of images lie in an array: plain, channels first or last, or one image per row."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from vaeaug.errors import InputError

__all__ = ["Arrangement", "find_arrangement", "match_arrangement"]

#: Channels that images may have, and those that the usual ones have, which are looked for first.
_MOST_CHANNELS, _USUAL_CHANNELS = 8, 4
_LEAST_SIDE = 4


@dataclass(frozen=True)
class Arrangement:
    """How the values of one image lie in an array.

    Parameters
    ----------
    shape : tuple of int
        Of one image: (H, W), (H, W, C) or (C, H, W).
    channels : {"none", "first", "last"}
    flat : bool
        Whether the array holds one image per row.
    """

    shape: tuple[int, ...]
    channels: str
    flat: bool = False

    @property
    def size(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        if self.channels == "none":
            return (1, self.shape[0], self.shape[1])
        return self.shape if self.channels == "first" else (self.shape[2], *self.shape[:2])  # type: ignore[return-value]

    @property
    def item(self) -> tuple[int, ...]:
        """Shape of one entry of the array."""
        return (int(np.prod(self.shape)),) if self.flat else self.shape

    def to_planes(self, images: np.ndarray) -> np.ndarray:
        """View images as (n, C, H, W)."""
        images = images.reshape(len(images), *self.shape)
        if self.channels == "none":
            return images[:, None]
        return images if self.channels == "first" else np.moveaxis(images, -1, 1)

    def from_planes(self, planes: np.ndarray) -> np.ndarray:
        """Undo :meth:`to_planes`."""
        if self.channels == "last":
            planes = np.moveaxis(planes, 1, -1)
        return np.ascontiguousarray(planes).reshape(len(planes), *self.item)


def find_arrangement(shape: tuple[int, ...], image_shape: Any = None, channels: str = "auto") -> Arrangement:
    """Tell how images lie in an array.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    image_shape : tuple of int, optional
        (H, W), (H, W, C) or (C, H, W), for arrays (n, d).
    channels : {"auto", "first", "last"}

    Raises
    ------
    InputError
        If it cannot be told, or the images are too small or have too many channels.

    Examples
    --------
    >>> from vaeaug.data.images.axes import find_arrangement
    >>> find_arrangement((100, 32, 28, 3)).size
    (3, 32, 28)
    """
    given = _check_shape(image_shape)
    if len(shape) == 2:
        if given is None:
            raise InputError(
                f"X has shape {shape}: rows of {shape[1]} values. To learn them as images, give image_shape. "
                "For a table pass the rows and labels themselves: fit(X, y), of a TensorDataset "
                "fit(*dataset.tensors)."
            )
        if shape[1] != np.prod(given):
            raise InputError(
                f"image_shape={given} has {int(np.prod(given))} values, but the rows of X have {shape[1]} "
                "features; give the height, width and channels that the images were flattened from."
            )
        found = Arrangement(given, _channel_axis(given, channels, "image_shape"), flat=True)
    elif len(shape) in (3, 4):
        if given is not None and given != shape[1:]:
            raise InputError(
                f"image_shape={given} is not that of the images of X, {shape[1:]}; leave it out."
            )
        found = Arrangement(shape[1:], _channel_axis(shape[1:], channels, "X[0]"))
    else:
        raise InputError(
            f"Found array with dim {len(shape)}: images come as (n, H, W), (n, H, W, C), (n, C, H, W), or as "
            f"rows (n, d) with image_shape; got {shape}."
        )
    count, height, width = found.size
    if not 1 <= count <= _MOST_CHANNELS:
        raise InputError(f"Images have 1 to {_MOST_CHANNELS} channels; got {count} ({_spell_shape(shape)}).")
    if min(height, width) < _LEAST_SIDE:
        alone = " For a single colour image pass X[None]." if len(shape) == 3 else ""
        raise InputError(
            f"Images must be at least {_LEAST_SIDE} pixels high and wide; got {height} × {width} "
            f"({_spell_shape(shape)}).{alone}"
        )
    return found


def match_arrangement(shape: tuple[int, ...], own: Arrangement) -> Arrangement:
    """Return how images of a known size lie in an array of another shape; ``own`` comes first.

    Raises
    ------
    InputError
        If they are of another size or number of channels.
    """
    channels, height, width = own.size
    likely = [
        own,
        Arrangement((channels, height, width), "first"),
        Arrangement((height, width, channels), "last"),
    ]
    if channels == 1:
        likely.append(Arrangement((height, width), "none"))
    likely.append(Arrangement(own.shape, own.channels, flat=True))
    for arrangement in likely:
        if shape[1:] == arrangement.item:
            return arrangement
    if any(shape == arrangement.item for arrangement in likely):
        raise InputError(f"X is one image, of shape {shape}; pass X[None], images come as (n, ...).")
    raise InputError(
        f"X has {_spell_shape(shape)}, but the images of fit were {_spell_size(own.size)}, "
        f"{_spell_shape((0, *own.item))}; pass images of that size and number of channels, resized or "
        "converted if need be."
    )


def _check_shape(image_shape: Any) -> tuple[int, ...] | None:
    if image_shape is None:
        return None
    given: tuple[Any, ...] = tuple(image_shape)
    if len(given) not in (2, 3) or not all(isinstance(side, Integral) and int(side) > 0 for side in given):
        raise InputError(
            f"image_shape must be (H, W), (H, W, C) or (C, H, W), whole numbers; got {image_shape!r}."
        )
    return tuple(int(side) for side in given)


def _channel_axis(shape: tuple[int, ...], channels: str, what: str) -> str:
    """Say where the channels of an image of this shape are."""
    if len(shape) == 2:
        return "none"
    if channels != "auto":
        return channels
    for most in (_USUAL_CHANNELS, _MOST_CHANNELS):
        first, last = (1 <= shape[axis] <= most for axis in (0, -1))
        if first and last:
            raise InputError(
                f"{what} has shape {shape}, where both the first and the last axis could hold 1 to {most} "
                'channels; say which with channels="first" or channels="last".'
            )
        if first or last:
            return "first" if first else "last"
    raise InputError(
        f"{what} has shape {shape}, where neither the first nor the last axis holds 1 to {_MOST_CHANNELS} "
        "channels, as images have; choose some of them, or pass them as rows of a table."
    )


def _spell_shape(shape: tuple[int, ...]) -> str:
    return f"shape ({', '.join(['n', *map(str, shape[1:])])})"


def _spell_size(size: tuple[int, int, int]) -> str:
    channels, height, width = size
    return f"{height} × {width} pixels with {channels} channel{'s' if channels > 1 else ''}"
