"""The way from the items of a dataset to what an augmenter takes, and from what it makes to items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image as PILImage

from vaeaug.augmenter import VAEAugmenter
from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.far import FEWEST, MOST, warn_of_far_rows
from vaeaug.errors import InputError
from vaeaug.integrations.conversion import WHITE, Kind, as_array, rescale
from vaeaug.integrations.ranges import Images, Others, Ranges, find_range
from vaeaug.model.fitted import get_fitted

__all__ = ["Exchange", "check_augmenter", "has_labels"]

#: What rounding may leave outside of 0 to 1.
_SLACK = 1e-4
#: Samples drawn to see what an augmenter makes.
_PROBES = 8
#: Of images; a shorter side is none.
_MOST_CHANNELS = 4


class Exchange:
    """Translate between the items of a dataset and what an augmenter takes and makes.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted. A few samples of it are drawn to see what it makes.
    kind : Kind
        Of the items.
    who : str
        For error messages.
    advice : str
        What to do about images of another scale, for error messages.

    Attributes
    ----------
    is_image : bool
    whites : (int, int) or None
        What stands for white in what the augmenter makes and in items; None where numbers stay as they are.
    ranges : Ranges or None
        What images are checked with; None for tables.

    Raises
    ------
    InputError
        If there is no clear way from one to the other.
    """

    def __init__(self, augmenter: Any, kind: Kind, who: str, advice: str) -> None:
        self.kind, self.who = kind, who
        made = _in_pandas(check_augmenter(augmenter, who).sample(_PROBES, random_state=0)[0])
        self._frame = made if isinstance(made, pd.DataFrame) else None
        self._container = "frame" if self._frame is not None else Kind.of(made[0], who).container
        rows = self._rows(made)
        self._made = Kind("array", tuple(rows.shape[1:]), rows.dtype.name)
        shape = getattr(augmenter, "image_shape_", None)
        self._shape = self._made.shape
        if len(self._shape) == 1 and shape is not None and len(shape) > 1:
            self._shape = tuple(shape)  # flattened images
        self.order = _order(self._shape, kind.shape, who)
        self.is_image = max(len(self._shape), len(kind.shape)) > 1
        self.whites: tuple[int, int] | None = None
        self.ranges: Ranges | None = None
        if self.is_image:
            low, high = find_range(augmenter, rows)
            self.whites = self._find_whites(low, high)
            white, wanted = self.whites or (1, 1)
            self.ranges = Ranges(augmenter, low * wanted / white, high * wanted / white, who, advice)
        self._table = None if self.is_image else _get_table_codec(augmenter)

    def _find_whites(self, low: float, high: float) -> tuple[int, int] | None:
        """Return what is white on both sides, None where items hold the numbers of the augmenter."""
        made, item = self._made.array_dtype, self.kind.array_dtype
        if made == item or (made.kind == "f" and item.kind == "f"):
            return None
        both = WHITE.get(made.name), WHITE.get(item.name)
        counts_to_one = low >= -_SLACK and high <= 1 + _SLACK
        if made.kind == "f" and not counts_to_one:
            # Floats beyond 1 count as the whole numbers do; below 0 only if these can be.
            if item.kind != "b" and (low >= -_SLACK or item.kind == "i"):
                return None
        elif both[0] and both[1]:
            return both[0], both[1]
        raise InputError(
            f"{self.who}: the augmenter makes images of dtype {made} from {low:.4g} to {high:.4g}, the real "
            f"ones are of dtype {item}, and there is no telling how these were scaled. Black and white are "
            f"known of dtype {', '.join(WHITE)}, of floats from 0 to 1. Bring the real ones to {made}, or "
            "fit the augmenter on such images."
        )

    def check(self, rows: Images, name: Callable[[int], str], others: Others = ()) -> None:
        """Refuse images that cannot be of the scale of those of fit, as ``Ranges.check``.

        Tables pass. The first rows, if there are enough of them to tell, are compared with those of fit.

        Raises
        ------
        InputError

        Warns
        -----
        VaeaugWarning
            For numbers far outside of those of fit.
        """
        if self.ranges is not None:
            self.ranges.check(rows, name, others)
        elif self._table is not None and len(rows) >= FEWEST:
            codec, self._table = self._table, None
            some = rows[:MOST] if isinstance(rows, torch.Tensor) else np.stack(list(rows[:MOST]))
            values = as_array(some, self.who)
            known = np.where(np.isfinite(values), values, np.nan) if values.dtype.kind == "f" else values
            warn_of_far_rows(codec, self.to_augmenter(known), self.who)

    def to_items(self, made: Any, stored: np.dtype | None = None) -> torch.Tensor:
        """Return what the augmenter made as rows (m, *kind.shape), in the dtype of items unless told."""
        dtype = self.kind.array_dtype if stored is None else stored
        rows = self._rows(made)
        rows = rows.reshape(len(rows), *self._shape)
        rows = _lay_out(rows, self.order, self.kind.shape)
        # Floats that are stored as bytes count from 0 to 1.
        rescales = self.whites is not None or (self.is_image and dtype != self.kind.array_dtype)
        rows = rescale(rows, dtype) if rescales else _cast(rows, dtype)
        return torch.from_numpy(np.ascontiguousarray(rows))

    def to_augmenter(self, rows: np.ndarray) -> Any:
        """Return items (m, *kind.shape) in the container, layout and dtype that the augmenter takes."""
        dtype = self._made.array_dtype
        rows = _lay_out(rows, np.argsort(self.order).tolist(), tuple(self._shape))
        rows = rescale(rows, dtype) if self.whites is not None else _cast(rows, dtype)
        rows = np.ascontiguousarray(rows).reshape(len(rows), *self._made.shape)
        if self._frame is not None:
            return pd.DataFrame(rows, columns=self._frame.columns).astype(self._frame.dtypes.to_dict())
        if self._container == "pil":
            return [PILImage.fromarray(row) for row in rows]
        return torch.from_numpy(rows) if self._container in ("tensor", "image") else rows

    def draw(
        self, augmenter: Any, y: Any, rows: np.ndarray | None, *, spread: float, seed: int, stored: Any = None
    ) -> torch.Tensor:
        """Return items for labels: variations of real items, or draws from the prior where there are none.

        Parameters
        ----------
        augmenter : VAEAugmenter
        y : ndarray (m,) or None
            Labels; None leaves those of variations unknown.
        rows : ndarray (m, ...) or None
            Real items to vary.
        spread : float
            The temperature, or the strength of a variation.
        seed : int
        stored : dtype, optional
            See :meth:`to_items`.
        """
        if rows is None:
            made, _ = augmenter.sample(len(y), y=y, method="prior", temperature=spread, random_state=seed)
        else:
            made = augmenter.vary(self.to_augmenter(rows), y, strength=spread, random_state=seed)
        return self.to_items(made, stored)

    def compact(self, examples: np.ndarray) -> np.dtype:
        """Return the dtype to store items in: uint8 for floats that are k / 255, as far as examples tell."""
        made, item = self._made.array_dtype, self.kind.array_dtype
        scale = None if self.ranges is None else self.ranges.scale
        counts_to_one = scale is not None and scale.low >= -_SLACK and scale.high <= 1 + _SLACK
        bytes_ = self.whites is not None or (counts_to_one and made.kind == "f")
        return np.dtype("uint8") if bytes_ and item.kind == "f" and _on_grid(examples) else item

    def _rows(self, made: Any) -> np.ndarray:
        made = _in_pandas(made)
        if isinstance(made, pd.DataFrame):
            return self._numbers(made)
        if isinstance(made, torch.Tensor | np.ndarray):
            return as_array(made, self.who)
        return np.stack([as_array(item, self.who) for item in made])

    def _numbers(self, frame: pd.DataFrame) -> np.ndarray:
        rows = frame.to_numpy()
        if rows.dtype.kind in "biuf":
            return rows
        try:
            return frame.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{self.who}: items hold numbers only, and the augmenter makes rows of "
                f"{', '.join(sorted({*map(str, frame.dtypes)}))}. Fit it on the numbers that the items hold."
            ) from error


def check_augmenter(augmenter: Any, who: str) -> Any:
    """Return the augmenter if it can make and vary items.

    Raises
    ------
    InputError
    """
    if not (hasattr(augmenter, "sample") and hasattr(augmenter, "vary")):
        raise InputError(
            f"{who}: augmenter must be a fitted VAEAugmenter; got {augmenter!r:.80}. Fit one, or read its "
            "file with vaeaug.load(path)."
        )
    return augmenter


def has_labels(augmenter: Any) -> bool:
    """Whether an augmenter was fitted with labels; True where it cannot be known."""
    fitted = getattr(augmenter, "fitted_", None) if isinstance(augmenter, VAEAugmenter) else None
    return fitted is None or fitted.context.container != "none"


def _get_table_codec(augmenter: Any) -> TableCodec | None:
    """Return what a VAEAugmenter has learned of a table; None for images, and for other augmenters."""
    fitted = get_fitted(augmenter) if isinstance(augmenter, VAEAugmenter) else None
    return None if fitted is None or fitted.is_image else fitted.codec


def _in_pandas(made: Any) -> Any:
    """Return a frame of another library as one of pandas, anything else as it is."""
    return made.to_pandas() if hasattr(made, "to_pandas") else made


def _cast(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return numbers in a dtype; whole numbers are rounded, not cut, and stay in its range."""
    if dtype.kind in "iu" and rows.dtype.kind == "f":
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
        if moved == target or _squeeze(moved) == _squeeze(target):
            return order
    if len(source) == len(target) == 1:
        raise InputError(
            f"{who}: the augmenter makes rows of {source[0]} numbers, the real ones have {target[0]}. Pass "
            "the columns of fit, all of them and in their order, or fit the augmenter on such rows."
        )
    own, real = (min(shape[0], shape[-1]) if len(shape) == 3 else 1 for shape in (source, target))
    mend = "or resize them before they reach it."
    if own != real and max(own, real) <= _MOST_CHANNELS:
        mend = (
            f"or give real ones {own} channels for {real} before they reach it: PIL's convert, or "
            f"torchvision's v2.Grayscale(num_output_channels={own})."
        )
    raise InputError(
        f"{who}: the augmenter makes items of shape {source}, the real ones have shape {target}. Fit the "
        f"augmenter on items like these, {mend}"
    )


def _squeeze(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def _lay_out(rows: np.ndarray, order: Sequence[int], shape: tuple[int, ...]) -> np.ndarray:
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
