"""Turn arrays of images into float32 (n, C, H, W) in [−1, 1], and back into layout, dtype and range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vaeaug.data.images.axes import Arrangement, find_arrangement, match_arrangement
from vaeaug.data.tables.serialization import Arrays
from vaeaug.errors import InputError
from vaeaug.layout import Layout

__all__ = ["USUAL_RANGES", "ImageCodec"]

#: Ranges that images usually have; one is taken where the values reach far enough into it.
USUAL_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 65535.0))
#: Values converted at once, so that large data needs no second copy in double precision.
_CHUNK_VALUES = 1 << 22
#: Largest distance to the next of ``levels`` that still counts as rounding.
_ON_GRID = 1e-3


class ImageCodec:
    """Encode an array of images of one size.

    Parameters
    ----------
    image_shape : tuple of int, optional
        (H, W), (H, W, C) or (C, H, W): says that rows of (n, d) arrays are images of that shape.
    channels : {"auto", "first", "last"}, default="auto"
        Where the channels are. ``"auto"`` takes the axis of 1 to 4 entries, else of up to 8.

    Attributes
    ----------
    arrangement_ : Arrangement
    dtype_ : numpy.dtype
    range_ : (float, float)
        Values that become −1 and 1: (0, 1), (−1, 1), (0, 255) or (0, 65535) if the training values lie within
        and go beyond half of its end, otherwise the least and the largest of them.
    levels_ : int
        Steps from one end of the range to the other, with which :meth:`pack` stores images.
    layout : Layout

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.data.images.codec import ImageCodec
    >>> images = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    >>> codec = ImageCodec().fit(images)
    >>> codec.encode(images).shape
    (2, 3, 8, 8)
    >>> bool((codec.decode(codec.encode(images)) == images).all())
    True
    """

    def __init__(self, image_shape: Any = None, channels: str = "auto") -> None:
        self.image_shape = image_shape
        self.channels = channels

    def fit(self, X: Any) -> ImageCodec:
        """Learn layout, dtype and range; return self. ``X`` is not changed.

        Parameters
        ----------
        X : array-like of shape (n, H, W), (n, H, W, C), (n, C, H, W), or (n, d) with ``image_shape``
            Booleans, integers or floats up to 64 bits.

        Raises
        ------
        InputError
            For other shapes and dtypes, no images, and values that are missing or infinite.
        """
        images = _as_array(X)
        _check_some(images)
        self.arrangement_ = find_arrangement(images.shape, self.image_shape, self.channels)
        _check_finite(images)
        self.dtype_ = images.dtype.newbyteorder("=")
        self.range_ = _range_of(images)
        self.levels_ = self._find_levels(images)
        return self

    def encode(self, X: Any) -> np.ndarray:
        """Return images as float32 of shape (n, C, H, W) in [−1, 1].

        The layout may be another than in fit, as long as channels, height and width are the same. Values
        beyond the range of fit are cut to it.

        Raises
        ------
        InputError
            For images of another size or number of channels, values that are missing or infinite, and images
            on another scale than those of fit.
        """
        images = _as_array(X)
        _check_some(images)
        arrangement = match_arrangement(images.shape, self.arrangement_)
        _check_finite(images)
        self._check_scale(images)
        x = np.empty((len(images), *self.layout.shape), dtype=np.float32)
        for part in _parts(images):
            x[part] = self._scale(arrangement.to_planes(images[part]))
        return x

    def decode(self, x: np.ndarray) -> np.ndarray:
        """Return images (n, C, H, W) in the layout, dtype and range of fit, clipped and rounded.

        Parameters
        ----------
        x : ndarray of shape (n, C, H, W)
        """
        images = np.empty((len(x), *self.arrangement_.item), dtype=self.dtype_)
        low, high = self.range_
        for part in _parts(x):
            values = np.asarray(x[part], dtype=np.float64)
            values = np.clip((values + 1) * ((high - low) / 2) + low, low, high)
            if self.dtype_.kind in "biu":
                values = np.rint(values)
            images[part] = self.arrangement_.from_planes(values.astype(self.dtype_))
        return images

    def pack(self, x: np.ndarray) -> np.ndarray:
        """Return encoded images as uint8 or uint16, the smallest that keeps the images of fit.

        Images of more than 65,536 values a channel lose what lies below ``1 / 65535`` of the range.
        """
        packed = np.empty(x.shape, dtype=np.uint8 if self.levels_ <= 255 else np.uint16)
        for part in _parts(x):
            packed[part] = np.rint((np.clip(x[part], -1, 1).astype(np.float64) + 1) * (self.levels_ / 2))
        return packed

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """Undo :meth:`pack`; float32. Images that are not packed are returned as they are."""
        if packed.dtype.kind == "f":
            return packed
        return (packed.astype(np.float64) * (2 / self.levels_) - 1).astype(np.float32)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        meta = {
            "shape": list(self.arrangement_.shape),
            "channels": self.arrangement_.channels,
            "flat": self.arrangement_.flat,
            "dtype": self.dtype_.name,
            "range": list(self.range_),
            "levels": self.levels_,
        }
        return meta, {}

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ImageCodec:
        """Rebuild a fitted codec from :meth:`state`."""
        codec = cls()
        codec.arrangement_ = Arrangement(tuple(meta["shape"]), meta["channels"], meta["flat"])
        codec.dtype_ = np.dtype(meta["dtype"])
        low, high = meta["range"]
        codec.range_ = (float(low), float(high))
        codec.levels_ = int(meta["levels"])
        return codec

    @property
    def layout(self) -> Layout:
        """The spans of an encoded image."""
        return Layout.image(*self.arrangement_.size)

    def _scale(self, values: np.ndarray) -> np.ndarray:
        """Return values on the range of fit as float64 in [−1, 1]; a range of one value becomes 0."""
        low, high = self.range_
        if low == high:
            return np.zeros(values.shape)
        return np.clip((values.astype(np.float64) - low) / (high - low) * 2 - 1, -1, 1)

    def _find_levels(self, images: np.ndarray) -> int:
        """Return the least number of steps, of those that images usually have, on which all values lie."""
        low, high = self.range_
        span = high - low
        own = [round(span)] if float(span).is_integer() and 1 <= span <= 65535 else []
        if images.dtype.kind in "biu":
            return own[0] if own else 65535
        for levels in sorted({255, *own}):
            if all(_on_grid((self._scale(images[part]) + 1) * (levels / 2)) for part in _parts(images)):
                return levels
        return 65535

    def _check_scale(self, images: np.ndarray) -> None:
        """Refuse images that were scaled otherwise than those of fit."""
        low, high = self.range_
        span = high - low
        if not span:
            return
        means = images.reshape(len(images), -1).mean(axis=1, dtype=np.float64)
        far = np.flatnonzero((means < low - span) | (means > high + span))
        fractions = images.dtype.kind == "f" and low >= 0 and high >= 10 and 0 < images.max() <= 1
        if len(far) or (fractions and not _on_grid(images)):
            which = (
                f"X[{far[0]}] has a mean of {means[far[0]]:.4g}"
                if len(far)
                else f"X ends at {images.max():.4g}"
            )
            raise InputError(
                f"X is on another scale than the images of fit, whose values lie in [{low:g}, {high:g}]: "
                f"{which}; scale it as they were."
            )


def _as_array(X: Any) -> np.ndarray:
    """Return images as one numeric array."""
    try:
        array = np.asarray(X)
        if array.dtype.kind == "O" and array.ndim == 1 and len(array):
            array = np.stack([np.asarray(image) for image in array])
    except ValueError as error:
        raise InputError(
            f"X must hold images of one size and one number of channels; {_differing(X)}. Resize, crop or "
            "convert them first."
        ) from error
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InputError(
            f"Images must hold booleans, integers or floats up to 64 bits; got dtype {array.dtype}."
        )
    return array


def _differing(X: Any) -> str:
    """Name the first image whose shape differs from that of image 0."""
    shapes = [np.shape(image) for image in X]
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            return f"X[0] has shape {shapes[0]}, X[{i}] has shape {shape}"
    return f"got shapes such as {shapes[:1]}"


def _check_some(images: np.ndarray) -> None:
    if not images.size:
        raise InputError(
            f"X has no images: {len(images) if images.ndim else 0} sample(s) (shape={images.shape}) while a "
            "minimum of 1 is required."
        )


def _check_finite(images: np.ndarray) -> None:
    """Refuse NaN and infinity, naming the first image that has some."""
    if images.dtype.kind != "f":
        return
    bad = np.concatenate(
        [~np.isfinite(images[part]).reshape(len(images[part]), -1).all(axis=1) for part in _parts(images)]
    )
    if bad.any():
        first = int(bad.argmax())
        what = "NaN" if np.isnan(images[first]).any() else "infinity"
        raise InputError(
            f"Input X contains {what} or other values that are not finite: X[{first}] does, and "
            f"{int(bad.sum())} of {len(bad)} images in all. Fill in or drop them."
        )


def _range_of(images: np.ndarray) -> tuple[float, float]:
    """Return the values that become −1 and 1."""
    if images.dtype.kind == "b":
        return (0.0, 1.0)
    low, high = float(images.min()), float(images.max())
    for start, end in USUAL_RANGES:
        if start <= low and high <= end and max(high, -low) > end / 2:
            return (start, end)
    if not np.isfinite(high - low):
        raise InputError(f"The values of X, {low:.3g} to {high:.3g}, are too far apart; rescale them.")
    return (low, high)


def _parts(images: np.ndarray) -> Iterator[slice]:
    """Cut the images into stretches that fit in memory in double precision."""
    step = max(1, _CHUNK_VALUES // max(1, int(np.prod(images.shape[1:]))))
    return (slice(start, start + step) for start in range(0, len(images), step))


def _on_grid(values: np.ndarray) -> bool:
    """Tell whether all values are whole numbers, up to rounding."""
    return bool((np.abs(values - np.rint(values)) < _ON_GRID).all())
