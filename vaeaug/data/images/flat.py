"""Tables whose rows look like flattened images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vaeaug.errors import ColumnNote
from vaeaug.utils.notes import warn_caller

__all__ = ["find_flat_images", "note_flat_images"]

#: Columns and rows that such a table has at least, and rows that are looked at, at most.
_COLUMNS, _ROWS, _LOOKED_AT = 256, 20, 256
#: Pixels beside each other differ by less than this share of what pixels half a line apart do.
_ALIKE = 0.7


def note_flat_images(X: Any) -> None:
    """Say that rows look like flattened images, and how they are learned as images.

    Parameters
    ----------
    X : DataFrame or ndarray (n, d)

    Warns
    -----
    ColumnNote
    """
    shape = find_flat_images(X)
    if shape is not None:
        warn_caller(
            f"X has {X.shape[1]:,} columns that look like the pixels of flattened images, and is learned as "
            f"a table. To learn images, pass image_shape={shape} to VAEAugmenter, or reshape X to "
            f"(n, {', '.join(map(str, shape))}).",
            ColumnNote,
        )


def find_flat_images(X: Any) -> tuple[int, ...] | None:
    """Return the shape of images that rows look like when they are flattened; None if they look like none.

    There are 256 columns or more, a square number or three times one. All are whole numbers from 0 to 255, or
    numbers from 0 to 1. Pixels beside and below each other are much more alike than those half a line apart,
    and than those a little to the left or right. Columns of counts, of words or of a signal in time are not.

    Parameters
    ----------
    X : DataFrame or ndarray (n, d)

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.data.images.flat import find_flat_images
    >>> i, j = np.indices((20, 20))
    >>> images = [np.exp(-((i - k % 19) ** 2 + (j - k % 17) ** 2) / 9) for k in range(100)]
    >>> find_flat_images(np.reshape(images, (100, 400)))
    (20, 20)
    """
    rows, width = X.shape
    side = next((s for s in (round(width**0.5), round((width / 3) ** 0.5)) if width in (s * s, 3 * s * s)), 0)
    if width < _COLUMNS or rows < _ROWS or not side:
        return None
    some = np.unique(np.linspace(0, rows - 1, _LOOKED_AT).astype(np.int64))
    values = _read_pixels(X.iloc[some] if isinstance(X, pd.DataFrame) else X[some])
    if values is None:
        return None
    shapes = [(side, side)] if width == side * side else [(3, side, side), (side, side, 3)]
    return next((shape for shape in shapes if _is_smooth(values.reshape(-1, *shape))), None)


def _read_pixels(rows: Any) -> np.ndarray | None:
    """Return numbers that can be pixels, float32 (m, d); None for others."""
    kinds = [dtype.kind for dtype in rows.dtypes] if isinstance(rows, pd.DataFrame) else [rows.dtype.kind]
    if not set(kinds) <= set("iuf"):
        return None
    values = np.asarray(rows, dtype=np.float32)
    if not np.isfinite(values).all() or values.min() < 0:
        return None
    highest, is_whole = values.max(), bool((values == np.rint(values)).all())
    is_pixels = 16 < highest <= 255 if is_whole else 0.5 < highest <= 1
    return values if is_pixels else None


def _is_smooth(images: np.ndarray) -> bool:
    """Tell whether pixels of images, (m, s, s), (m, 3, s, s) or (m, s, s, 3), are like those beside them."""
    planes = np.moveaxis(images, -1, 1) if images.shape[-1] == 3 else images
    side = planes.shape[-1]
    flat = planes.reshape(-1, side * side)
    apart, below, *oblique, beside = (
        float(np.square(flat[:, lag:] - flat[:, :-lag]).mean())
        for lag in (side // 2, side, side - 2, side - 1, side + 1, side + 2, 1)
    )
    return max(beside, below) < _ALIKE * apart and below < min(oblique)
