"""Whether images can be of the scale on which an augmenter was fitted, judged at every call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from vaeaug.augmenter import VAEAugmenter
from vaeaug.data.images.codec import USUAL_RANGES
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.model.fitted import FittedState, get_fitted
from vaeaug.nn.tensor_rows import take_rows
from vaeaug.utils.notes import warn_caller

__all__ = ["Images", "Others", "Ranges", "find_range"]

#: Images (m, ...) on any device, or as arrays that may differ in shape.
Images = np.ndarray | torch.Tensor | Sequence[np.ndarray]

#: Real images that show what is usual, at most.
_REFERENCES = 512
_AT_ONCE = 1024
#: Distance beyond the range, in spans of it, that the given share of an image's values may have. Noise of a
#: fifth of the span, brightness that is not cut, and what resampling overshoots, stay below.
_BEYOND = ((0.45, 0.05), (1.0, 0.02), (10.0, 0.0))
#: Ranges that are no usual ones may be those of few images: others may go farther.
_OWN = 4.0
#: Images from which a call is judged as a group; then less is asked of each.
_GROUP = 8
_FAR, _FAR_IN_GROUP = 0.8, 0.5
#: How much nearer to real images the values must lie if they are read on another scale, and how near.
_NEARER, _NEARER_IN_GROUP = 3.0, 2.0
_LIKE, _LIKE_IN_GROUP = 0.15, 0.3
#: How much of the range another scale may fill: one that is hardly smaller looks like little contrast.
_PART, _PART_IN_GROUP = 0.6, 0.8
_CHANCE = 1e-6
#: Standardised values are this large at most; on scales of this span at least they are next to nothing.
_STANDARDISED, _WIDE = 10.0, 12.0
#: Where the digits of scikit-learn end.
_DIGITS = 16.0
_OF_BYTES = (
    "These look like 0 to 255: pass images / 255, or convert bytes with "
    "v2.ToDtype(torch.float32, scale=True)."
)

#: Images that are compared with those of fit as a whole, at least.
_ENOUGH = 16
#: How far they may go on from all images of fit towards white and towards black, and how much contrast they
#: must keep: augmentation that is by chance brighter or darker stays inside.
_TO_WHITE, _TO_BLACK, _CONTRAST = 0.1, 0.5, 0.25
#: How far most of them may reach beyond the range, in spans of it.
_OVER = 0.5
#: References of each class, at least where there are as many.
_OF_A_CLASS = 8

#: Ranges that images may have got by mistake.
Others = tuple[tuple[float, float], ...]


class _Scale(NamedTuple):
    """A range that images may have been scaled to; values that become −1 and 1."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low

    def unit(self, values: np.ndarray) -> np.ndarray:
        return 2 * (values - self.low) / self.span - 1


def _name_dtype(image: Any) -> str:
    return str(image.dtype).removeprefix("torch.")


class Ranges:
    """Refuse images that cannot be of the scale of those that an augmenter was fitted on.

    An image is refused if much of it lies outside the range of fit. Images inside it, such as floats from 0
    to 1 where fit had 0 to 255 or −1 to 1, are refused if their darkest, brightest and mean value are unlike
    those of all real images, and like them once they are read on another usual scale. Images of one value
    tell nothing, and pass.

    Images inside it that are, by their medians, darker, brighter or flatter than all real images bring one
    warning. The first 16 or more are compared. Such of one class pass, and such as random augmentation makes;
    inverted ones too, if real images are as often bright as dark.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted; its range and its anchors show what real images are like.
    low, high : float
        Its range, as such images are scaled here.
    who : str
        For error messages.
    advice : str
        What to do, for error messages.
    """

    def __init__(self, augmenter: Any, low: float, high: float, who: str, advice: str) -> None:
        self.scale, self.who, self.advice = _Scale(low, high), who, advice
        self._references = _references(augmenter)
        #: Least, largest and mean value of the first images; None once they are compared.
        self._first: list[np.ndarray] | None = [] if len(self._references) else None

    def check(
        self,
        images: Images,
        name: Callable[[int], str],
        others: Others = (),
    ) -> None:
        """Raise if some images cannot be of the scale.

        Parameters
        ----------
        images : ndarray or Tensor (m, ...), or sequence of ndarray
            On any device; one small transfer brings what is to be known of them.
        name : callable
            Gives the name of an image, from its number.
        others : tuple of (float, float)
            Ranges that the images may have got by mistake, besides the usual ones.

        Raises
        ------
        InputError
            Also for NaN and infinite values.

        Warns
        -----
        VaeaugWarning
            Once, for images that are darker, brighter or flatter than all those of fit.
        """
        if not len(images):
            return
        found = _summary(images)
        low, high, _ = found
        finite = np.isfinite(low) & np.isfinite(high)
        if not finite.all():
            raise InputError(
                f"{self.who}: {name(int(finite.argmin()))} holds NaN or infinite values; fill them in, or "
                "leave it out."
            )
        span = self.scale.span
        if span <= 0:
            return
        wrong = self._far_outside(images, low, high)
        judged = high - low > 1e-6 * span
        if not wrong.any() and judged.any() and len(self._references):
            wrong = self._on_another(images, found.T, judged, others)
        if wrong.any():
            i = int(wrong.argmax())
            looks_like_bytes = self.scale == (0.0, 1.0) and low[i] >= 0 and _DIGITS < high[i] <= 255
            raise InputError(
                f"{self.who}: {name(i)} goes from {low[i]:.3g} to {high[i]:.3g}, not {self.scale.low:.4g} to "
                f"{self.scale.high:.4g}, the range of {_name_dtype(images[i])} images for this augmenter. "
                f"{_OF_BYTES if looks_like_bytes else self.advice}"
            )
        self._compare(found)

    def _compare(self, found: np.ndarray) -> None:
        """Warn if the first images are, as a whole, unlike all those of fit."""
        if self._first is None:
            return
        self._first.append(found[:, found[1] - found[0] > 1e-6 * self.scale.span])
        first = np.concatenate(self._first, axis=1)
        if first.shape[1] < _ENOUGH:
            return
        self._first = None
        told = self._describe_unlike(first)
        if told:
            warn_caller(
                f"{self.who}: the first {first.shape[1]} images are unlike those that the augmenter was "
                f"fitted on: {told} Look at some of them as they come here. {self.advice}",
                VaeaugWarning,
            )

    def _describe_unlike(self, first: np.ndarray) -> str:
        """Return how most images, (3, m), differ from all references; nothing if they do not."""
        span, start = self.scale.span, self.scale.low
        low, high, mean = (self.scale.unit(first) + 1) / 2
        own_low, own_high, own_mean = (self._references.T + 1) / 2
        lowest, highest, middle = (float(np.median(each)) for each in (low, high, mean))
        contrast, least = float(np.median(high - low)), float((own_high - own_low).min())
        darkest, brightest = float(own_mean.min()), float(own_mean.max())
        if lowest < -_OVER or highest > 1 + _OVER:
            return (
                f"most go from about {start + lowest * span:.3g} to {start + highest * span:.3g}, not "
                f"{start:.4g} to {self.scale.high:.4g}. Were they normalised otherwise?"
            )
        if contrast < _CONTRAST * least:
            return (
                f"the values of most span {contrast * span:.2g}, those of fit {least * span:.2g} or more. "
                "Were they divided by 255 twice?"
            )
        if _TO_BLACK * darkest <= middle <= brightest + _TO_WHITE * (1 - brightest):
            return ""
        change = "brightened" if middle > brightest else "darkened"
        return (
            f"their mean values are about {start + middle * span:.3g}, those of fit from "
            f"{start + darkest * span:.3g} to {start + brightest * span:.3g}. Are they {change}, or inverted?"
        )

    def _far_outside(self, images: Any, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Tell which images have too many values too far outside the range, bool (m,)."""
        wrong = np.zeros(len(low), dtype=bool)
        factor = 1.0 if self.scale in USUAL_RANGES else _OWN
        for distance, most in _BEYOND:
            margin = factor * distance * self.scale.span
            start, end = self.scale.low - margin, self.scale.high + margin
            some = np.flatnonzero((low < start) | (high > end))
            if not len(some):
                break
            wrong[some] |= _share_outside(images, some, start, end) > most
        return wrong

    def _on_another(self, images: Any, found: np.ndarray, judged: np.ndarray, others: Others) -> np.ndarray:
        """Tell which images are like real ones only on another scale, bool (m,)."""
        rows = np.flatnonzero(judged)
        found = found[rows]
        away = self._distances(self.scale.unit(found))
        group = len(rows) >= _GROUP
        far = _FAR_IN_GROUP if group else _FAR
        odd = self._find_standardised(found) & (away > far)
        if odd.mean() < 0.5:
            odd[:] = False
        for scale in self._hidden(found, group, others):
            there = scale.unit(found)
            inside = (there[:, 0] >= -1.1) & (there[:, 1] <= 1.1)
            near = np.where(inside, self._distances(there), np.inf)
            like = (away > far) & (near < np.minimum(away / _NEARER, _LIKE_IN_GROUP if group else _LIKE))
            if like.mean() < 0.5:
                like = inside & (group and self._all_on(scale, inside, away, near))
            # A few whole numbers are dark images, as bytes have them, unless they end where digits do.
            if like.any() and self.scale.span >= _WIDE and scale.span <= _DIGITS:
                like &= _on_grid(images, rows[like]) == (scale.high == _DIGITS)
            odd |= like
        wrong = np.zeros(len(judged), dtype=bool)
        wrong[rows[odd]] = True
        return wrong

    def _hidden(self, found: np.ndarray, group: bool, others: Others) -> list[_Scale]:
        """Return scales whose images lie, more or less, inside this one, and fill a part of it only."""
        margin = 0.25 * self.scale.span
        scales = [*USUAL_RANGES, *others]
        if group and found[:, 1].max() == _DIGITS:
            scales.append((0.0, _DIGITS))
        return [
            scale
            for scale in (_Scale(*each) for each in scales)
            if scale.span <= (_PART_IN_GROUP if group else _PART) * self.scale.span
            and scale.low >= self.scale.low - margin
            and scale.high <= self.scale.high + margin
        ]

    def _find_standardised(self, found: np.ndarray) -> np.ndarray:
        """Tell which images were brought to mean 0 and variance 1, where none can be below 0."""
        low, high = found[:, 0], found[:, 1]
        if self.scale.span < _WIDE or self.scale.low < 0:
            return np.zeros(len(low), dtype=bool)
        return (np.maximum(-low, high) <= _STANDARDISED) & (low <= -0.1 * (high - low))

    def _all_on(self, scale: _Scale, inside: np.ndarray, away: np.ndarray, near: np.ndarray) -> bool:
        """Tell whether so many images lie inside a scale that real ones would not by chance."""
        ends = (self._references[:, :2] + 1) / 2 * self.scale.span + self.scale.low
        slack = 0.05 * scale.span
        real = (ends[:, 0] >= scale.low - slack) & (ends[:, 1] <= scale.high + slack)
        chance = (real.sum() + 1) / (len(real) + 1)
        if not inside.all() or chance ** len(inside) > _CHANCE:
            return False
        typical = float(np.median(away))
        return typical > 0.1 and float(np.median(near)) < min(typical / _NEARER_IN_GROUP, _LIKE_IN_GROUP)

    def _distances(self, unit: np.ndarray) -> np.ndarray:
        """Return how far each image is from the nearest reference, in the farthest of its three numbers."""
        found = np.empty(len(unit))
        for start in range(0, len(unit), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            found[part] = np.abs(unit[part, None] - self._references).max(axis=-1).min(axis=1)
        return found


def find_range(augmenter: Any, made: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest value of images that an augmenter takes and makes.

    Parameters
    ----------
    made : ndarray
        Some of its images; they tell where the augmenter does not.
    """
    fitted = _get_image_state(augmenter)
    if fitted is not None:
        return fitted.codec.range_
    if made.dtype.kind == "b":
        return (0.0, 1.0)
    if made.dtype in (np.uint8, np.uint16):
        return (0.0, float(np.iinfo(made.dtype).max))
    low, high = float(made.min()), float(made.max())
    return next(((a, b) for a, b in USUAL_RANGES if a <= low and high <= b), (low, high))


def _get_image_state(augmenter: Any) -> FittedState | None:
    """Return what a VAEAugmenter has learned of images; None for tables, and for other augmenters."""
    fitted = get_fitted(augmenter) if isinstance(augmenter, VAEAugmenter) else None
    return fitted if fitted is not None and fitted.is_image else None


def _references(augmenter: Any) -> np.ndarray:
    """Return least, largest and mean value of real images on [−1, 1], (R, 3); none where none are kept."""
    fitted = _get_image_state(augmenter)
    rows = None if fitted is None else fitted.anchors.rows
    if fitted is None or rows is None or not len(rows):
        return np.zeros((0, 3))
    some = np.linspace(0, len(rows) - 1, _REFERENCES).astype(np.int64)
    groups = fitted.number_classes(fitted.anchors.context)
    order = np.argsort(groups, kind="stable")
    rank = np.arange(len(order)) - np.searchsorted(groups[order], groups[order])
    some = np.union1d(some, order[rank < _OF_A_CLASS])
    return _summary(fitted.codec.unpack(rows[some])).T


def _summary(images: Images) -> np.ndarray:
    """Return least, largest and mean value of each image, float64 (3, m)."""
    if not isinstance(images, torch.Tensor):
        with np.errstate(all="ignore"):
            values = np.array([(each.min(), each.max(), each.mean(dtype=np.float64)) for each in images])
        low, high, mean = values.astype(np.float64).T
    else:
        flat = images.detach().flatten(1)
        if not flat.is_floating_point() and flat.dtype not in (torch.uint8, torch.int64):
            flat = flat.to(torch.int64)  # not every operation takes every kind of integer
        wide = torch.float32 if flat.device.type == "mps" else torch.float64
        ends = [flat.amin(1).to(wide), flat.amax(1).to(wide)]
        total = flat.sum(1, dtype=torch.float32 if flat.is_floating_point() else torch.int64)
        values = torch.stack([*ends, total.to(wide) / flat.shape[1]]).cpu().numpy().astype(np.float64)
        low, high, mean = values
    # The sum of huge values may overflow; they are no less finite.
    with np.errstate(invalid="ignore"):
        return np.stack([low, high, np.where(np.isfinite(mean), mean, low / 2 + high / 2)])


def _share_outside(images: Images, rows: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the share of values of some images outside of a range, (m,)."""
    if isinstance(images, torch.Tensor):
        flat = _some(images, rows)
        return ((flat < low) | (flat > high)).float().mean(1).cpu().numpy()
    return np.array([((images[i] < low) | (images[i] > high)).mean() for i in rows])


def _on_grid(images: Images, rows: np.ndarray) -> bool:
    """Tell whether all values of some images are whole numbers."""
    if isinstance(images, torch.Tensor):
        flat = _some(images, rows)
        return bool((flat == flat.round()).all())
    return all(bool((images[i] == np.rint(images[i])).all()) for i in rows)


def _some(images: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
    """Return some images as (m, values), where they are."""
    return take_rows(images.detach(), torch.from_numpy(rows).to(images.device)).flatten(1).float()
