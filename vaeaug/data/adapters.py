"""Where data comes in: the one place that chooses between kinds of data and their codecs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from vaeaug.data.images.codec import ImageCodec
from vaeaug.data.images.containers import CONTAINERS, Container, Frames, join_images, read
from vaeaug.data.images.datasets import Opened, holds_images, open_images
from vaeaug.data.images.flat import note_flat_images
from vaeaug.data.labels.leakage import warn_of_leaks
from vaeaug.data.labels.targets import group_rows
from vaeaug.data.relations.relations import Relations
from vaeaug.data.tables.access import get_column, replace_column
from vaeaug.data.tables.cells import KnownCells, read_cells, read_given
from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.conditions import TableConditions
from vaeaug.data.tables.dateforms import respell_dates
from vaeaug.data.tables.dtypes import get_kind, mask_of
from vaeaug.data.tables.far import warn_of_far_rows
from vaeaug.data.tables.quantiles import bins_for
from vaeaug.errors import InputError
from vaeaug.utils.frames import Home, to_pandas
from vaeaug.utils.rows import append_rows
from vaeaug.utils.validation import (
    check_weights,
    errors_of_ours,
    refuse_other_forms,
    refuse_repeated_columns,
    refuse_text,
    take_labels,
)

__all__ = ["INTAKES", "ImageIntake", "Intake", "TableIntake", "open_intake", "refuse_other_kind"]


class TableIntake:
    """Tables: frames and two-dimensional arrays.

    Parameters
    ----------
    codec : TableCodec
        Fitted.
    home : Home, optional
        The library whose frames they are, if that is not pandas.
    """

    kind = "table"

    def __init__(self, codec: TableCodec, home: Home | None = None) -> None:
        self.codec = codec
        self.home = home

    @classmethod
    def fit(
        cls, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None, earlier: Intake | None = None
    ) -> tuple[TableIntake, np.ndarray]:
        """Learn a table, or more rows of an earlier one; return the intake and the rows, float32 (n, W)."""
        refuse_other_forms(X)
        home, X = Home.of(X), to_pandas(X)
        X = _check_table(estimator, X, isinstance(X, pd.DataFrame), ensure_min_samples=2)
        warn_of_leaks(X, y)
        if earlier is None:
            note_flat_images(X)
        weights = check_weights(sample_weight, len(X))
        codec = TableCodec(
            estimator.categorical_features,
            max_bins=bins_for(len(X)),
            id_columns=estimator.id_columns,
            relations=estimator.relations,
            on_violation=estimator.on_violation,
            earlier=earlier.codec if isinstance(earlier, TableIntake) else None,
        ).fit(X, group_rows(y, len(X)), None if weights is None else weights > 0)
        intake = cls(codec, home)
        intake.describe(estimator)
        return intake, codec.encode(X)

    def condition(self, where: Mapping[Any, Any] | None) -> TableConditions | None:
        """Read conditions on columns; None for none."""
        return None if where is None else TableConditions(self.codec, where)

    def find_columns(self, columns: Any) -> list[int]:
        """Return the positions of columns that a user names; those of all for None."""
        if columns is None:
            return list(range(self.codec.n_features_))
        if isinstance(columns, str) or not isinstance(columns, Iterable):
            raise InputError(
                f"columns must be a list of columns of X, got {columns!r}. For one column, pass a list."
            )
        return sorted({self.codec.find_column(column, "columns") for column in columns})

    def respell(self, X: Any, who: str) -> Any:
        """Return rows whose dates are written as in fit; X itself where they are."""
        home, rows = Home.of(X), to_pandas(X)
        if self.codec.columns_ is None or not isinstance(rows, pd.DataFrame):
            return X
        made = rows
        for j, label in enumerate(self.codec.columns_):
            found = np.flatnonzero(rows.columns == label)
            for position in found:
                series = get_column(rows, int(position))
                spelled = respell_dates(self.codec.get_view(j), series, who)
                made = made if spelled is series else replace_column(made, int(position), spelled)
        return X if made is rows else made if home is None else home.wrap(made)

    def read_cells(self, X: Any, wanted: Sequence[int]) -> KnownCells:
        """Return which cells of rows are known, and what the model is given of them.

        Rows that lack no cell of the columns ``wanted`` are left as they are.
        """
        return read_cells(self.codec, to_pandas(X), wanted)

    def read_given(self, given: Any) -> KnownCells:
        """Return the cells that a frame gives of new rows."""
        return read_given(self.codec, to_pandas(given))

    def contain(self, columns: list[pd.Series]) -> Any:
        """Return columns in the container of fit."""
        made = self.codec.contain(columns)
        return made if self.home is None else self.home.wrap(made)

    def fill(self, X: Any, columns: list[pd.Series], wanted: Sequence[int]) -> Any:
        """Return X with missing cells of the columns ``wanted`` taken from columns, in its dtypes.

        Whole numbers become floats where fractions are drawn.
        """
        home, rows = Home.of(X), to_pandas(X)
        for j in wanted:
            series, drawn = get_column(rows, j), columns[j]
            missing = mask_of(series)
            if missing.any() and not mask_of(drawn)[missing].all():
                series = _widen(series, drawn[missing])
                made = drawn.set_axis(series.index).astype(series.dtype)
                rows = replace_column(rows, j, series.where(~missing, made))
        rows = rows.copy()
        return rows if home is None else home.wrap(rows)

    def open(self, X: Any, y: Any) -> Opened:
        """Return X and y; where y names a column of X that is no feature, that column is taken for it."""
        features = range(self.codec.n_features_) if self.codec.columns_ is None else self.codec.columns_
        return Opened(*take_labels(X, y, features))

    def encode(self, estimator: Any, X: Any) -> np.ndarray:
        """Check rows against those of fit and encode them, float32 (n, W)."""
        refuse_other_forms(X)
        has_columns = self.codec.columns_ is not None
        table = _check_table(estimator, to_pandas(X), has_columns, reset=False)
        x = self.codec.encode(table)
        warn_of_far_rows(self.codec, table)
        return x

    def decode(self, x: np.ndarray, like: Any = None, conditions: TableConditions | None = None) -> Any:
        """Return rows in the container of fit; with the identifiers of ``like``, and its index."""
        made, like = self.codec.decode(x), to_pandas(like)
        if conditions is not None:
            made = conditions.snap(made)
        if like is not None:
            made = self.codec.keep_names(made, like)
        if isinstance(like, pd.DataFrame) and isinstance(made, pd.DataFrame):
            made = made.set_axis(like.index)
        return made if self.home is None else self.home.wrap(made)

    def append(self, X: Any, X_new: Any) -> Any:
        """Return the rows of X followed by new ones, in the container of X; no identifier comes twice."""
        return append_rows(X, self.rename(X_new, beside=X))

    def rename(self, rows: Any, start: int = 0, beside: Any = None) -> Any:
        """Return new rows with identifiers of their own; see :meth:`TableCodec.rename`."""
        if not self.codec.id_columns_:
            return rows
        home = Home.of(rows)
        renamed = self.codec.rename(to_pandas(rows), start, to_pandas(beside))
        return renamed if home is None else home.wrap(renamed)

    def pack(self, x: np.ndarray) -> None:
        """Keep no rows: a variation of a row is made from its code alone."""

    def describe(self, estimator: Any) -> None:
        """Say that rows are no images, and which columns hold identifiers."""
        estimator.image_shape_, estimator.class_names_ = None, None
        estimator.id_columns_ = self.codec.id_columns_
        estimator.relations_ = self.codec.relations_.table()

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        meta, arrays = self.codec.state()
        return {**meta, "home": None if self.home is None else self.home.to_json()}, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TableIntake:
        """Rebuild an intake from :meth:`state`."""
        home = meta.get("home")
        return cls(TableCodec.from_state(meta, arrays), None if home is None else Home.from_json(home))


class ImageIntake:
    """Images in any container.

    Parameters
    ----------
    codec : ImageCodec
        Fitted.
    container : Container
        What images come back in.
    class_names : list of str, optional
        Names of the classes 0, 1, …
    """

    kind = "images"

    def __init__(self, codec: ImageCodec, container: Container, class_names: list[str] | None = None) -> None:
        self.codec = codec
        self.container = container
        self.class_names = class_names

    @classmethod
    def fit(
        cls, estimator: Any, X: Any, class_names: list[str] | None, earlier: Intake | None = None
    ) -> tuple[ImageIntake, np.ndarray]:
        """Learn the form of images, or take that of earlier ones; return the intake and the encoded images.

        Images are float32 (n, C, H, W).
        """
        if isinstance(earlier, ImageIntake):
            intake = cls(earlier.codec, earlier.container, class_names or earlier.class_names)
            try:
                x = earlier.encode(estimator, X)
            except InputError as error:
                raise InputError(
                    f"warm_start goes on with images like those of the last fit. {error} Or set "
                    "warm_start=False to learn other images."
                ) from error
            intake.describe(estimator)
            return intake, x
        images, container = read(X)
        channels = estimator.channels if container.channels == "auto" else container.channels
        codec = ImageCodec(estimator.image_shape, channels).fit(images)
        intake = cls(codec, container, class_names)
        if isinstance(X, pd.DataFrame):
            refuse_repeated_columns(X)
            validate_data(estimator, X, skip_check_array=True)
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        intake.describe(estimator)
        return intake, codec.encode(images)

    def condition(self, where: Any) -> None:
        """Refuse conditions: images have no columns."""
        if where is not None:
            raise InputError("where puts conditions on the columns of a table, and this model makes images.")

    def open(self, X: Any, y: Any) -> Opened:
        """Read a Dataset, with its labels where y is None; labels in a tensor become an array."""
        return open_images(X, y)

    def encode(self, estimator: Any, X: Any) -> np.ndarray:
        """Check images against those of fit and encode them, float32 (n, C, H, W)."""
        if isinstance(X, pd.DataFrame) and isinstance(self.container, Frames):
            validate_data(estimator, X, reset=False, skip_check_array=True)
        return self.codec.encode(read(open_images(X).X)[0])

    def decode(self, x: np.ndarray, like: Any = None, conditions: Any = None) -> Any:
        """Return images in the container, layout, dtype and range of fit."""
        return self.container.wrap(self.codec.decode(x), like)

    def append(self, X: Any, X_new: Any) -> Any:
        """Return the images of X followed by new ones, in the container of X."""
        return join_images(X, X_new)

    def rename(self, rows: Any, start: int = 0, beside: Any = None) -> Any:
        """Return images as they are."""
        return rows

    def pack(self, x: np.ndarray) -> np.ndarray:
        """Return encoded images in 8 or 16 bits a value."""
        return self.codec.pack(x)

    def describe(self, estimator: Any) -> None:
        """Say what the images are like."""
        estimator.image_shape_ = self.codec.arrangement_.shape
        estimator.n_features_in_ = int(np.prod(estimator.image_shape_))
        estimator.class_names_, estimator.id_columns_ = self.class_names, []
        estimator.relations_ = Relations({}, (), ()).table()

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        images, arrays = self.codec.state()
        name = next(name for name, kind in CONTAINERS.items() if isinstance(self.container, kind))
        container = {"name": name, **self.container.to_json()}
        return {"images": images, "container": container, "class_names": self.class_names}, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ImageIntake:
        """Rebuild an intake from :meth:`state`."""
        form = dict(meta["container"])
        container = CONTAINERS[form.pop("name")].from_json(form)
        return cls(ImageCodec.from_state(meta["images"], arrays), container, meta["class_names"])


def _widen(series: pd.Series, drawn: pd.Series) -> pd.Series:
    """Return a column in a dtype that holds what is drawn too: floats for whole numbers, beside fractions."""
    kinds = get_kind(series.dtype), get_kind(drawn.dtype)
    if kinds[0] not in "iu" or kinds[1] != "f" or not (drawn % 1).any():
        return series
    return series.astype(pd.concat([series[:1], drawn[:1]]).dtype)


def _check_table(estimator: Any, X: Any, has_columns: bool, **checks: Any) -> Any:
    """Return a table after the checks of scikit-learn; without columns of its own, as an array of numbers."""
    if not has_columns:
        refuse_text(X)
        checks |= {"dtype": "numeric", "ensure_all_finite": "allow-nan"}
    elif isinstance(X, pd.DataFrame):
        refuse_repeated_columns(X)
    with errors_of_ours():
        found = validate_data(estimator, X, skip_check_array=has_columns, **checks)
    return X if has_columns else found


#: Data of one kind: checked and encoded on the way in, put in its container on the way out.
Intake = TableIntake | ImageIntake
#: kind -> intake; a saved model names its kind.
INTAKES: dict[str, Any] = {"table": TableIntake, "images": ImageIntake}


def open_intake(
    estimator: Any, X: Any, y: Any, sample_weight: Any = None, earlier: Intake | None = None
) -> tuple[Intake, np.ndarray, Any]:
    """Choose the intake for the training data, fit it, and return it with the encoded rows and the labels.

    Parameters
    ----------
    estimator : VAEAugmenter
        Its parameters say how data is to be read; it is told the number and names of features.
    X, y, sample_weight : as in fit
    earlier : Intake, optional
        Of the model that a warm fit goes on with.

    Returns
    -------
    intake : Intake
    x : ndarray of float32, shape (n, W) or (n, C, H, W)
    y : as in fit
        Those of the Dataset where y is None.

    Raises
    ------
    InputError
        For data that cannot be learned from.
    """
    if isinstance(X, str | os.PathLike) and os.path.isdir(X):
        raise InputError(
            f"X must be an array of numbers or a DataFrame, images or a Dataset; got the folder {X}. For "
            "images in one folder per class, pass torchvision.datasets.ImageFolder(X)."
        )
    if isinstance(X, list | tuple) and not len(X):
        raise InputError("X is an empty list; pass at least two rows, images or pairs (image, label).")
    is_table = estimator.image_shape is None and not holds_images(X)
    if earlier is not None:
        refuse_other_kind(earlier, "table" if is_table else "images")
    if is_table:
        X, y = take_labels(X, y)
        return *TableIntake.fit(estimator, X, y, sample_weight, earlier), y
    data = open_images(X, y, estimator.verbose)
    return *ImageIntake.fit(estimator, data.X, data.class_names, earlier), data.y


def refuse_other_kind(earlier: Intake, kind: str) -> None:
    """Raise for data of another kind than that of the model that a warm fit goes on with.

    Raises
    ------
    InputError
    """
    if earlier.kind != kind:
        words = {"table": "a table", "images": "images"}
        raise InputError(
            f"warm_start goes on with data like that of the last fit, which was {words[earlier.kind]}; X is "
            f"{words[kind]}. Set warm_start=False to learn something else."
        )
