"""Pictures of latent operations: frames of images in rows, and columns of a table along a path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.ndimage import zoom

from vaeaug.errors import InputError
from vaeaug.plotting.style import CLASS_COLOURS, SOFT, add_legend, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FramesDisplay", "PathDisplay", "pixels"]

_INCH = 0.62  # side of one image
_MOST_LINES = 8
_SMALL, _ZOOM = 16, 6
_MARK = "#E69F00"


@dataclass(kw_only=True, eq=False, repr=False)
class FramesDisplay:
    """Images in rows: frames of an interpolation, a traversal, edits before and after.

    Parameters
    ----------
    frames : ndarray of shape (rows, columns, H, W) or (rows, columns, H, W, 3)
        Values in [0, 1].
    row_names, column_names : sequence of str
        Beside and above the images; may be empty.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.plotting.displays import FramesDisplay
    >>> images = load_digits().images.astype("uint8")
    >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(images[:200])
    >>> FramesDisplay.from_interpolation(augmenter, images[:3], images[3:6], steps=5).frames.shape
    (3, 5, 8, 8)
    """

    frames: np.ndarray
    row_names: Sequence[str] = ()
    column_names: Sequence[str] = ()

    @classmethod
    def from_interpolation(
        cls, estimator: Any, A: Any, B: Any, *, steps: int = 8, ax: Axes | None = None, **options: Any
    ) -> FramesDisplay:
        """Draw the frames between images of A and of B, a row per pair.

        Parameters
        ----------
        estimator : VAEAugmenter
            Fitted to images.
        A, B : as X in fit
        steps : int, default=8
        ax : matplotlib Axes, optional
        **options
            For ``estimator.interpolate``.
        """
        found = estimator.interpolate(A, B, steps=steps, **options)
        names = ["A", *[""] * (steps - 2), "B"]
        frames = np.stack([pixels(each, estimator.image_shape_) for each in found], axis=1)
        return cls(frames=frames, column_names=names).plot(ax=ax)

    @classmethod
    def from_traversal(
        cls, estimator: Any, X: Any, y: Any = None, *, ax: Axes | None = None, **options: Any
    ) -> FramesDisplay:
        """Draw one image as each dimension of its code changes, a row per dimension.

        Parameters
        ----------
        estimator : VAEAugmenter
            Fitted to images.
        X, y : as in ``estimator.traverse``
            Of several images the first is drawn.
        ax : matplotlib Axes, optional
        **options
            For ``estimator.traverse``.
        """
        found = estimator.traverse(X[:1], None if y is None else y[:1], **options)
        shape = estimator.image_shape_
        frames = np.stack([np.concatenate([pixels(each, shape) for each in line]) for line in found])
        return cls(frames=frames).plot(ax=ax)

    @classmethod
    def from_edits(
        cls, edits: Mapping[str, Any], *, image_shape: Any = None, ax: Axes | None = None
    ) -> FramesDisplay:
        """Draw versions of the same images below each other, such as before and after an edit.

        Parameters
        ----------
        edits : mapping of str to images
            Name of a version -> its images, as many in each.
        image_shape : tuple of int, optional
            Of images that are rows of a table.
        ax : matplotlib Axes, optional
        """
        found = [pixels(images, image_shape) for images in edits.values()]
        if not found or len({len(images) for images in found}) > 1:
            counts = ", ".join(str(len(images)) for images in found) or "none"
            raise InputError(f"edits must hold versions of the same images, as many in each; got {counts}.")
        return cls(frames=np.stack(found), row_names=list(edits)).plot(ax=ax)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        title: str = "",
        marked: Iterable[tuple[int, int]] = (),
        smooth: bool | None = None,
    ) -> FramesDisplay:
        """Draw; a new figure is made when no axes are given.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        title : str
        marked : iterable of (row, column)
            Images to put a frame around.
        smooth : bool, optional
            Draw between pixels by cubic splines, by default for images of fewer than 16 pixels a side.
        """
        frames = self.frames
        if smooth or (smooth is None and max(frames.shape[2:4]) < _SMALL):
            factors = (1, 1, _ZOOM, _ZOOM, 1)[: frames.ndim]
            frames = np.clip(zoom(frames, factors, order=3, mode="nearest", grid_mode=True), 0, 1)
        rows, columns, height, width = frames.shape[:4]
        size = (_INCH * columns + 1.2 * bool(len(self.row_names)), _INCH * rows * height / width + 0.5)
        ax, self.figure_ = new_axes(ax, size)
        self.ax_ = ax
        gap = max(1, height // 12)
        down, across = height + gap, width + gap
        tiles = np.full((rows, down, columns, across, *frames.shape[4:]), 1.0)
        tiles[:, :height, :, :width] = np.moveaxis(frames, 1, 2)
        sheet = tiles.reshape(rows * down, columns * across, *frames.shape[4:])
        ax.imshow(sheet[:-gap, :-gap], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        finish(ax, title=title)
        ax.set_yticks((np.arange(len(self.row_names)) + 0.5) * down, self.row_names)
        named = [i for i, name in enumerate(self.column_names) if name]
        ax.set_xticks((np.array(named) + 0.5) * across, [self.column_names[i] for i in named])
        ax.xaxis.tick_top()
        ax.tick_params(length=0, colors=SOFT)
        ax.spines[:].set_visible(False)
        for row, column in marked:
            x = column * across + np.array([-0.5, width - 0.5])
            y = row * down + np.array([-0.5, height - 0.5])
            ax.plot(x[[0, 1, 1, 0, 0]], y[[0, 0, 1, 1, 0]], color=_MARK, lw=2.5, clip_on=False)
        return self


@dataclass(kw_only=True, eq=False, repr=False)
class PathDisplay:
    """Columns of a table along the frames of an interpolation or a walk: numbers as lines.

    Parameters
    ----------
    path : DataFrame
        A row per frame.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.plotting.displays import PathDisplay
    >>> frames = [pd.DataFrame({"age": [30 + i], "job": ["clerk"]}) for i in range(4)]
    >>> PathDisplay.from_frames(frames).path["age"].tolist()
    [30, 31, 32, 33]
    """

    path: pd.DataFrame

    @classmethod
    def from_frames(
        cls, frames: Sequence[Any], *, row: int = 0, ax: Axes | None = None, **options: Any
    ) -> PathDisplay:
        """Draw one row along a list of frames, as ``interpolate`` and ``walk`` return them.

        Parameters
        ----------
        frames : sequence of DataFrame or ndarray
        row : int, default=0
            Which of the rows.
        ax : matplotlib Axes, optional
        **options
            For :meth:`plot`.
        """
        path = pd.concat([pd.DataFrame(frame).iloc[[row]] for frame in frames], ignore_index=True)
        return cls(path=path).plot(ax=ax, **options)

    def plot(self, ax: Axes | None = None, *, title: str = "", scale: Any = None) -> PathDisplay:
        """Draw the first eight numbers, each on its own range; a new figure is made when no axes are given.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        title : str
        scale : DataFrame, optional
            Rows whose range each column is drawn on; by default the path's own.
        """
        numbers = self.path.select_dtypes("number").columns[:_MOST_LINES]
        if not len(numbers):
            raise InputError("A path is drawn from columns of numbers; this table has none.")
        usual = self.path if scale is None else pd.DataFrame(scale)
        self.ax_, self.figure_ = new_axes(ax)
        for i, name in enumerate(numbers):
            low, high = (float(end) for end in usual[name].astype(float).quantile([0.0, 1.0]))
            place = (self.path[name].astype(float) - low) / ((high - low) or 1.0)
            self.ax_.plot(
                place, "o-", color=CLASS_COLOURS[i % len(CLASS_COLOURS)], lw=2, ms=4, label=str(name)
            )
        finish(self.ax_, xlabel="frame", ylabel="place in the range of the column", title=title, grid="y")
        self.ax_.locator_params(axis="x", integer=True)
        add_legend(self.ax_)
        return self


def pixels(images: Any, image_shape: Any = None) -> np.ndarray:
    """Return images of any container as float64 ``(n, H, W)`` or ``(n, H, W, 3)`` in [0, 1].

    Parameters
    ----------
    images : array, tensor, list of PIL images, or rows of pixels
    image_shape : tuple of int, optional
        Of images that are rows.

    Raises
    ------
    InputError
        For arrays that are no images.
    """
    found = np.stack([_array(each) for each in images]) if isinstance(images, list) else _array(images)
    if found.ndim == 2 and image_shape is not None:
        found = found.reshape(len(found), *image_shape)
    if found.ndim not in (3, 4):
        raise InputError(
            f"Images must be of shape (n, H, W), (n, H, W, C) or (n, C, H, W); got {found.shape}."
        )
    if found.ndim == 4 and found.shape[1] <= 4 < found.shape[3]:
        found = np.moveaxis(found, 1, -1)
    if found.ndim == 4:
        found = found[..., :3] if found.shape[-1] >= 3 else found[..., 0]
    if found.dtype.kind == "b":
        return found.astype(np.float64)
    low, high = float(found.min(initial=0)), float(found.max(initial=0))
    # Whole numbers end at 255, 65535 or, as scikit-learn's digits, wherever they end.
    top = next((end for end in (1.0, 16.0, 255.0, 65535.0) if high <= end), high)
    low = 0.0 if low >= 0 else low
    return np.clip((found.astype(np.float64) - low) / (top - low), 0, 1)


def _array(images: Any) -> np.ndarray:
    """Return an array, a picture or a tensor as an array."""
    if hasattr(images, "is_floating_point") and images.is_floating_point():
        images = images.detach().cpu().double()  # numpy has no bfloat16
    return np.asarray(images.cpu() if hasattr(images, "cpu") else images)
