"""Pictures in scikit-learn's manner: loss curves, codes, columns of real and synthetic rows, and scores."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from vaeaug.errors import InputError
from vaeaug.plotting.frames import FramesDisplay, PathDisplay
from vaeaug.plotting.scores import ScoresDisplay
from vaeaug.plotting.style import (
    CLASS_COLOURS,
    INK,
    SOFT,
    add_legend,
    densities,
    finish,
    is_number,
    new_axes,
    shares,
    thin_out,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "FramesDisplay",
    "LatentScatterDisplay",
    "LossCurvesDisplay",
    "MarginalsDisplay",
    "PathDisplay",
    "ScoresDisplay",
]


@dataclass(kw_only=True, eq=False, repr=False)
class LossCurvesDisplay:
    """Loss of training and held-out rows over the epochs.

    Parameters
    ----------
    history : DataFrame
        A row per epoch with ``epoch``, ``train_<piece>`` and, where rows were held out, ``valid_<piece>``.
        With a column ``stage``, the rows of its first value are shown, which is the training of the networks.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.plotting.displays import LossCurvesDisplay
    >>> history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [9.0, 7.0, 6.0], "valid_loss": [9.0, 8, 8]})
    >>> display = LossCurvesDisplay.from_history(history)
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    history: pd.DataFrame

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, piece: str = "loss", ax: Axes | None = None
    ) -> LossCurvesDisplay:
        """Draw the ``history_`` of a fitted estimator.

        Parameters
        ----------
        estimator : object with ``history_``
        piece : str, default="loss"
            Which part of the loss: ``"loss"``, ``"reconstruction"``, ``"kl"``.
        ax : matplotlib Axes, optional
        """
        history = getattr(estimator, "history_", None)
        if history is None:
            raise InputError(f"{type(estimator).__name__} has no history_; fit it first.")
        return cls.from_history(history, piece=piece, ax=ax)

    @classmethod
    def from_history(
        cls, history: pd.DataFrame, *, piece: str = "loss", ax: Axes | None = None
    ) -> LossCurvesDisplay:
        """Draw a history as :attr:`VAEAugmenter.history_` is."""
        return cls(history=history).plot(ax=ax, piece=piece)

    def plot(
        self, ax: Axes | None = None, *, piece: str = "loss", title: str = "Training"
    ) -> LossCurvesDisplay:
        """Draw; a new figure is made when no axes are given.

        Raises
        ------
        InputError
            If the history has no such piece.
        """
        rows = self.history
        if "stage" in rows:
            rows = rows[rows["stage"] == rows["stage"].iloc[0]]
        if f"train_{piece}" not in rows:
            known = [str(name).removeprefix("train_") for name in rows if str(name).startswith("train_")]
            raise InputError(f"piece must be one of {', '.join(map(repr, known))}; got {piece!r}.")
        self.ax_, self.figure_ = new_axes(ax)
        self.ax_.plot(
            rows["epoch"], rows[f"train_{piece}"], color=CLASS_COLOURS[0], lw=2, label="training rows"
        )
        held_out = rows.get(f"valid_{piece}")
        if held_out is not None and held_out.notna().any():
            seen = held_out.notna()
            x, y = rows["epoch"][seen], held_out[seen]
            self.ax_.plot(x, y, color=CLASS_COLOURS[1], lw=2, ls="--", label="held-out rows")
            if piece == "loss":
                best = int(np.argmin(y))
                self.ax_.plot(x.iloc[best], y.iloc[best], "o", color=CLASS_COLOURS[1], ms=8, label="best")
        finish(self.ax_, xlabel="epoch", ylabel=f"{piece} (nats)", title=title)
        self.ax_.locator_params(axis="x", integer=True)
        add_legend(self.ax_)
        return self


@dataclass(kw_only=True, eq=False, repr=False)
class LatentScatterDisplay:
    """Codes of real rows beside those of synthetic rows, in two dimensions, coloured by class.

    Parameters
    ----------
    codes, new_codes : ndarray of shape (n, 2) and (m, 2)
        Of real and of synthetic rows.
    labels, new_labels : ndarray of shape (n,) and (m,)
    axis_names : tuple of two str

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.plotting.displays import LatentScatterDisplay
    >>> rng = np.random.default_rng(0)
    >>> real, new = rng.normal(size=(50, 4)), rng.normal(size=(9, 4))
    >>> display = LatentScatterDisplay.from_codes(real, [0, 1] * 25, new, [1] * 9)
    >>> display.new_codes.shape
    (9, 2)
    """

    codes: np.ndarray
    labels: np.ndarray
    new_codes: np.ndarray
    new_labels: np.ndarray
    axis_names: tuple[str, str]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        X_new: Any = None,
        y_new: Any = None,
        *,
        ax: Axes | None = None,
        **options: Any,
    ) -> LatentScatterDisplay:
        """Encode rows with a fitted transformer and draw their codes.

        Parameters
        ----------
        estimator : object with ``transform(X) -> (n, D)``
        X, y : real rows and their classes
        X_new, y_new : synthetic rows and their classes, optional
        ax : matplotlib Axes, optional
        **options
            For :meth:`plot`.
        """
        new = None if X_new is None else estimator.transform(X_new)
        return cls.from_codes(estimator.transform(X), y, new, y_new, ax=ax, **options)

    @classmethod
    def from_codes(
        cls,
        codes: Any,
        y: Any,
        new_codes: Any = None,
        y_new: Any = None,
        *,
        ax: Axes | None = None,
        **options: Any,
    ) -> LatentScatterDisplay:
        """Draw codes, or any numeric rows; those of more than two dimensions along their main axes.

        The main axes (principal components) are those of the real rows.

        Parameters
        ----------
        codes, new_codes : array-like of shape (n, D) and (m, D); the second is optional
        y, y_new : array-like of shape (n,) and (m,)
        ax : matplotlib Axes, optional
        **options
            For :meth:`plot`.
        """
        real = np.asarray(codes, dtype=np.float64)
        new = real[:0] if new_codes is None else np.asarray(new_codes, dtype=np.float64)
        names = ("code 1", "code 2")
        if real.ndim != 2 or new.ndim != 2 or real.shape[1] != new.shape[1]:
            raise InputError(f"codes must be of shapes (n, D) and (m, D); got {real.shape} and {new.shape}.")
        if real.shape[1] > 2:
            axes = PCA(2, random_state=0).fit(real)
            spread = axes.explained_variance_ratio_
            names = (f"main axis 1 ({spread[0]:.0%} of spread)", f"main axis 2 ({spread[1]:.0%})")
            real, new = ((part - axes.mean_) @ axes.components_.T for part in (real, new))
        elif real.shape[1] == 1:
            real, new = (np.column_stack([part, np.zeros(len(part))]) for part in (real, new))
        labels = np.asarray(y)
        made = labels[:0] if y_new is None else np.asarray(y_new)
        display = cls(codes=real, labels=labels, new_codes=new, new_labels=made, axis_names=names)
        return display.plot(ax=ax, **options)

    def plot(self, ax: Axes | None = None, *, title: str = "Real and synthetic rows") -> LatentScatterDisplay:
        """Draw; a new figure is made when no axes are given. At most 1,500 rows of each kind are drawn."""
        self.ax_, self.figure_ = new_axes(ax)
        classes = pd.unique(pd.Series(self.labels.tolist() + self.new_labels.tolist())).tolist()
        classes.sort(key=lambda label: (str(type(label)), label))  # so that pictures agree on the colours
        for i, label in enumerate(classes):
            colour = CLASS_COLOURS[i % len(CLASS_COLOURS)]
            new = thin_out(self.new_codes[self.new_labels == label])
            real = thin_out(self.codes[self.labels == label])
            self.ax_.scatter(new[:, 0], new[:, 1], s=26, marker="x", color=colour, alpha=0.75, lw=1, zorder=3)
            self.ax_.scatter(real[:, 0], real[:, 1], s=28, color=colour, ec="white", lw=0.6, zorder=2)
            self.ax_.scatter([], [], s=40, marker="s", color=colour, label=str(label))
        if len(self.new_codes):
            self.ax_.scatter([], [], s=30, color=SOFT, label="real")
            self.ax_.scatter([], [], s=30, marker="x", color=SOFT, label="synthetic")
        finish(self.ax_, xlabel=self.axis_names[0], ylabel=self.axis_names[1], title=title)
        add_legend(self.ax_)
        return self


@dataclass(kw_only=True, eq=False, repr=False)
class MarginalsDisplay:
    """Each column's distribution among real rows beside that among synthetic rows.

    Numbers and dates are shown as densities over common bins, everything else as the shares of the most
    frequent values, each among the rows where the column is not missing.

    Parameters
    ----------
    real, synthetic : DataFrame
        With the same columns.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One per column shown.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.plotting.displays import MarginalsDisplay
    >>> real = pd.DataFrame({"age": range(60), "job": ["clerk", "nurse"] * 30})
    >>> display = MarginalsDisplay.from_frames(real, real.sample(20, random_state=0))
    >>> display.axes_.shape
    (2,)
    """

    real: pd.DataFrame
    synthetic: pd.DataFrame

    @classmethod
    def from_frames(
        cls,
        real: Any,
        synthetic: Any,
        *,
        columns: Sequence[Hashable] | None = None,
        **options: Any,
    ) -> MarginalsDisplay:
        """Draw columns of two tables.

        Parameters
        ----------
        real, synthetic : DataFrame or array-like of shape (n, d) and (m, d)
        columns : sequence of labels, optional
            By default the first six.
        **options
            For :meth:`plot`.

        Raises
        ------
        InputError
            If a column is not in both tables.
        """
        left, right = pd.DataFrame(real), pd.DataFrame(synthetic)
        chosen = list(left.columns[:6]) if columns is None else list(columns)
        for name in chosen:
            if name not in left.columns or name not in right.columns:
                raise InputError(f"The column {name!r} must be in both tables, and it is not.")
        return cls(real=left[chosen], synthetic=right[chosen]).plot(**options)

    def plot(
        self, figure: Any = None, *, names: tuple[str, str] = ("real", "synthetic"), width: int = 3
    ) -> MarginalsDisplay:
        """Draw.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, optional
            Where to draw; by default a new figure.
        names : tuple of two str
            What the two tables are called in the legend.
        width : int, default=3
            Columns of the table side by side.
        """
        count = self.real.shape[1]
        width = min(width, count)
        height = -(-count // width)
        if figure is None:
            import matplotlib.pyplot as plt

            figure = plt.figure(figsize=(3.1 * width, 2.3 * height + 0.4), layout="constrained")
        self.figure_ = figure
        grid = figure.add_gridspec(height, width)
        axes = [self.figure_.add_subplot(grid[divmod(j, width)]) for j in range(count)]
        for j, (axis, name) in enumerate(zip(axes, self.real.columns, strict=True)):
            real, new = self.real.iloc[:, j].dropna(), self.synthetic.iloc[:, j].dropna()
            if is_number(real):
                densities(axis, real, new, names)
            else:
                shares(axis, real, new, names)
            finish(axis, title=str(name), size=10)
        if axes:
            handles, texts = axes[0].get_legend_handles_labels()
            figure.legend(
                handles, texts, loc="outside lower right", ncols=2, frameon=False, labelcolor=INK, fontsize=9
            )
        self.axes_ = np.array(axes, dtype=object)
        return self
