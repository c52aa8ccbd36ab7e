"""Turn labels and control variables into the context that conditions the model, and draw new ones."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.labels.variables import Block, ClassBlock, block_from_state, fit_block
from vaeaug.data.tables.dtypes import mask_of
from vaeaug.data.tables.serialization import (
    Arrays,
    dtype_from_json,
    dtype_to_json,
    index_from_json,
    index_to_json,
    pack_states,
    scalar_from_json,
    scalar_to_json,
    unpack_states,
)
from vaeaug.errors import InputError
from vaeaug.utils.frames import Home, to_pandas
from vaeaug.utils.wording import list_names

__all__ = ["ContextCodec", "encode_labels"]

#: Values of a variable, and how many rows each stands for.
Part = tuple[pd.Series, np.ndarray | None]

_MOST_COMBINATIONS = 50_000


class ContextCodec:
    """Encode ``y``: nothing, class labels, a continuous target, or a frame of control variables.

    Each variable is one block of context columns: one-hot for a class, ``(rank-Gaussianised value, 1)`` for a
    number. A block of zeros means "unknown", so dropping a label is zeroing its block.

    Labels may be missing for some rows; their blocks are zeros.

    Numbers are classes when all of them are integers and at most 256 differ; otherwise they are continuous.

    Attributes
    ----------
    container : {"none", "array", "series", "frame"}
    width : int
        Number of context columns; 0 without ``y``.
    blocks : list of (int, int)
        First and one past the last context column of each variable.
    classes_ : ndarray or None
        Sorted labels of ``y``, or of the first class column of a frame; None without one.
    counts_ : ndarray of int64 or None
        Training rows of each class.

    Examples
    --------
    >>> from vaeaug.data.labels.context import ContextCodec
    >>> codec = ContextCodec().fit(["no", "yes", "no"])
    >>> codec.encode(["yes", "no"])
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """

    def fit(
        self, y: Any, parts: Sequence[Part] | None = None, rows: np.ndarray | None = None
    ) -> ContextCodec:
        """Learn the variables; return self.

        Parameters
        ----------
        y : None, array-like of shape (n,) or (n, 1), Series, or DataFrame
        parts : sequence of (Series, ndarray of int64 or None), optional
            Where y is a sample of labels too many for memory: for each variable its values, and how many
            rows each of them stands for.
        rows : ndarray of shape (n,), optional
            How many rows each row of y stands for; one each by default.

        Raises
        ------
        InputError
            When all labels are missing, and for infinite values, mixed types, no rows, and shapes other than
            those above.
        """
        self.columns_: pd.Index | None = None
        self.dtype_: Any = None
        self.name_: Any = None
        self.blocks_: list[Block] = []
        self._rows, self._weights = np.empty((0, 0), dtype=np.float32), np.empty(0)
        self.home_ = Home.of(y)
        y = None if y is None else _as_container(y)
        if y is None:
            self.container = "none"
        elif isinstance(y, pd.DataFrame):
            self.container = "frame"
            self._fit_frame(y, parts, rows)
        else:
            self.container = "series" if isinstance(y, pd.Series) else "array"
            self.dtype_ = y.dtype
            self.name_ = y.name if isinstance(y, pd.Series) else None
            series, counts = (_as_series(y), None) if parts is None else parts[0]
            with _errors_of_y(series.name, "y"):
                # Rows without a label are learned from too; of streams, none may lack it.
                known = _complete(series) if counts is not None else _drop_missing(series)
                self.blocks_ = [fit_block(known, counts)]
        self._describe()
        return self

    def encode(self, y: Any, n: int | None = None) -> np.ndarray:
        """Return the context, float32, shape (n, width).

        Parameters
        ----------
        y : None or labels like those of fit
            None: all unknown, ``n`` rows.
        n : int, optional
            Number of rows; needed only when ``y`` is None.

        Raises
        ------
        UnknownLabelError
            For labels that fit has not seen.
        InputError
            For other shapes or columns.
        """
        if y is None:
            return np.zeros((int(n or 0), self.width), dtype=np.float32)
        parts = self._parts(y)
        context = np.empty((len(parts[0]), self.width), dtype=np.float32)
        for block, (start, stop), series in zip(self.blocks_, self.blocks, parts, strict=True):
            with self._errors(series.name):
                context[:, start:stop] = block.encode(series)
        return context

    def draw(self, n: int, rng: np.random.Generator) -> Any:
        """Return ``n`` labels in the container of fit, drawn from the training frequencies.

        Numbers are drawn from the interpolated empirical distribution; rows of a frame keep their joint
        combinations. None when fit had no ``y``.
        """
        if self.container == "none":
            return None
        if self.container != "frame":
            return self._contain(self.blocks_[0].draw(n, rng))
        return self._combinations(self._rows[rng.choice(self._weights.size, size=n, p=self._weights)])

    def examples(self) -> Any:
        """Return labels in the container of fit that show every class, or every kept combination of a frame.

        None when fit had no ``y``; for numbers, a few of them.
        """
        if self.container == "frame":
            return self._combinations(self._rows)
        if self.classes_ is not None:
            return self.as_labels(self.classes_, len(self.classes_))
        return self.draw(16, np.random.default_rng(0))

    def match(self, earlier: ContextCodec) -> np.ndarray:
        """Return which context column of an earlier fit each one continues, int64 (width,); −1 for none.

        Raises
        ------
        InputError
            For labels of another form or kind, and for classes that have no rows any more.
        """
        forms = [
            "none" if one.container == "none" else (one._labels, [block.kind for block in one.blocks_])
            for one in (earlier, self)
        ]
        if forms[0] != forms[1]:
            then, now = earlier._describe_form(), self._describe_form()
            raise InputError(
                f"y: warm_start goes on with labels like those of the last fit, {then}; got {now}. Pass such "
                "labels, or set warm_start=False to learn anew."
            )
        found = []
        for old, new, (start, _) in zip(earlier.blocks_, self.blocks_, earlier.blocks, strict=True):
            if not (isinstance(old, ClassBlock) and isinstance(new, ClassBlock)):
                found += [start, start + 1]
                continue
            places = {label: start + i for i, label in enumerate(old.classes.tolist())}
            listed = new.classes.tolist()
            lost = [label for label in places if label not in set(listed)]
            if lost:
                raise InputError(
                    "y: warm_start goes on with the classes of the last fit, and no row is of "
                    f"{list_names(lost)}; y has {list_names(listed)}. Pass the rows of before together with "
                    "the new ones, or set warm_start=False."
                )
            found += [places.get(label, -1) for label in listed]
        return np.asarray(found, dtype=np.int64)

    def _describe_form(self) -> str:
        if self.container == "none":
            return "none"
        kinds = [{"class": "classes"}.get(block.kind, "numbers") for block in self.blocks_]
        pairs = zip(self._labels, kinds, strict=False)
        listed = ", ".join(f"{label!r} ({kind})" for label, kind in pairs)
        return f"a DataFrame of {listed}" if self.container == "frame" else kinds[0]

    def groups(self, y: Any) -> np.ndarray | None:
        """Return the class number of each row, int64 (n,), −1 where it is missing; None without classes.

        Of a frame, its first class column counts.
        """
        if self._class_block is None:
            return None
        if y is None:
            raise InputError("y is needed, because the model was fitted with class labels; got None.")
        parts = self._parts(y)
        return self._class_block.index(parts[self.blocks_.index(self._class_block)])

    def as_labels(self, y: Any, n: int) -> Any:
        """Return ``n`` labels in the container and dtype of fit.

        Parameters
        ----------
        y : scalar, mapping, or labels like those of fit
            A scalar, also as an array or tensor of no dimension, is repeated ``n`` times; so is one row of a
            frame, given as a mapping or Series (columns left out are unknown, and so missing); ``n`` labels
            are passed on.
        n : int

        Raises
        ------
        UnknownLabelError
            For labels that fit has not seen.
        InputError
            For another number of labels than ``n``, for missing ones, and where fit had no labels.
        """
        if self.container == "frame" and isinstance(y, (Mapping, pd.Series)):
            y = self._row(y.to_dict() if isinstance(y, pd.Series) else y)
        elif self.container != "frame" and np.ndim(y) == 0:
            y = _single(y)
        parts = self._parts(y)
        if self.container != "frame":
            _complete(parts[0])
        if len(parts[0]) != n and len(parts[0]) != 1:
            raise InputError(
                f"y has {len(parts[0])} labels, but {n} rows are to be made; pass one label, or {n} of them."
            )
        times = n if len(parts[0]) == 1 else 1
        found = []
        for block, series in zip(self.blocks_, parts, strict=True):
            with self._errors(series.name):
                found.append(block.cast(series).repeat(times).reset_index(drop=True))
        return self._frame(found) if self.container == "frame" else self._contain(found[0])

    def hand_out(self, labels: Any) -> Any:
        """Return labels that :meth:`draw` or :meth:`as_labels` made as those of fit: of Polars or pyarrow."""
        return labels if self.home_ is None or labels is None else self.home_.wrap(labels)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        parts, arrays = pack_states(self.blocks_)
        if self.container == "frame":
            arrays |= {"rows": self._rows, "weights": self._weights}
        meta = {
            "container": self.container,
            "columns": None if self.columns_ is None else index_to_json(self.columns_),
            # The dtype of a Series is restored by its block.
            "dtype": dtype_to_json(self.dtype_) if self.container == "array" else None,
            "name": scalar_to_json(self.name_),
            "home": None if self.home_ is None else self.home_.to_json(),
            "blocks": parts,
        }
        return meta, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ContextCodec:
        """Rebuild a fitted codec from :meth:`state`."""
        return cls().restore(meta, arrays)

    def restore(self, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> ContextCodec:
        """Take over what :meth:`state` describes; return self."""
        self.container = meta["container"]
        self.columns_ = None if meta["columns"] is None else index_from_json(meta["columns"])
        self.dtype_ = None if meta["dtype"] is None else dtype_from_json(meta["dtype"])
        self.name_ = scalar_from_json(meta["name"])
        home = meta.get("home")
        self.home_ = None if home is None else Home.from_json(home)
        self.blocks_ = unpack_states(block_from_state, meta["blocks"], arrays)
        self._rows = arrays.get("rows", np.empty((0, 0), dtype=np.float32))
        self._weights = arrays.get("weights", np.empty(0))
        self._describe()
        return self

    def _describe(self) -> None:
        ends = np.cumsum([block.width for block in self.blocks_], dtype=np.int64).tolist()
        self.blocks: list[tuple[int, int]] = list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []
        self.width = ends[-1] if ends else 0
        classes = [block for block in self.blocks_ if isinstance(block, ClassBlock)]
        self._class_block = classes[0] if classes else None
        self.classes_ = self._class_block.classes if self._class_block else None
        self.counts_ = self._class_block.counts if self._class_block else None

    @property
    def class_block(self) -> tuple[int, int]:
        """First and one past the last context column of the class label; ``(0, 0)`` without one."""
        if self._class_block is None:
            return (0, 0)
        return self.blocks[self.blocks_.index(self._class_block)]

    @property
    def names(self) -> list[Any]:
        """Names of the target, or of the control variables; empty where they have none."""
        if self.container == "frame":
            return self._labels
        return [] if self.name_ is None else [self.name_]

    @property
    def _labels(self) -> list[Any]:
        return [] if self.columns_ is None else list(self.columns_)

    def _fit_frame(self, y: pd.DataFrame, learned: Sequence[Part] | None, each: np.ndarray | None) -> None:
        self.columns_ = y.columns[:]
        if not self.columns_.is_unique or not len(self.columns_):
            raise InputError("y: a frame needs at least one column, each named once; rename or drop columns.")
        if not len(y):
            raise InputError("y has no rows; pass one row of control variables per row of X.")
        parts = [y.iloc[:, j] for j in range(y.shape[1])]
        self.blocks_ = []
        for series, own in learned or [(series, None) for series in parts]:
            with self._errors(series.name):
                self.blocks_.append(fit_block(series, own))
        stored = [
            block.codec.encode(block.plain(series)) for block, series in zip(self.blocks_, parts, strict=True)
        ]
        rows, index, counts = np.unique(
            np.concatenate(stored, axis=1), axis=0, return_inverse=True, return_counts=True
        )
        if each is not None:
            counts = np.bincount(index.ravel(), weights=each)
        elif len(rows) > _MOST_COMBINATIONS:
            # Rows are sorted, so even steps through them keep the joint shape.
            kept = np.linspace(0, len(y) - 1, _MOST_COMBINATIONS).astype(np.int64)
            rows, counts = np.unique(np.repeat(rows, counts, axis=0)[kept], axis=0, return_counts=True)
        self._rows, self._weights = rows, counts / counts.sum()

    def _parts(self, y: Any) -> list[pd.Series]:
        """Return labels like those of fit as one series per block, in the order of fit."""
        if self.container == "none":
            raise InputError("y: the model was fitted without y, so it takes no labels; leave y out.")
        y = _as_container(y)
        if self.container != "frame":
            if isinstance(y, pd.DataFrame):
                if y.shape[1] != 1:
                    raise InputError(
                        f"y: the model was fitted with one label per row, got a DataFrame of {y.shape[1]} "
                        "columns; pass one column."
                    )
                y = y.iloc[:, 0]
            return [_check_finite(_as_series(y))]
        if not isinstance(y, pd.DataFrame):
            raise InputError(
                f"y: the model was fitted with a DataFrame of {self._labels}, got {type(y).__name__}; pass a "
                "DataFrame with these columns."
            )
        lost = [label for label in self._labels if label not in y.columns]
        unseen = [label for label in y.columns if label not in self._labels]
        if lost or unseen or not y.columns.is_unique:
            raise InputError(
                f"y: columns must be those of fit, {self._labels}, each once; missing {lost}, "
                f"unknown {unseen}."
            )
        return [y[label] for label in self._labels]

    def _row(self, values: Mapping[Any, Any]) -> pd.DataFrame:
        """Return a one-row frame; columns left out are missing."""
        unseen = [label for label in values if label not in self._labels]
        if unseen:
            raise InputError(f"y: {unseen} are no columns of the y of fit; it has {self._labels}.")
        return self._frame([_single(values.get(label)) for label in self._labels])

    def _errors(self, name: Any) -> Any:
        """Let errors about a column speak of y."""
        is_frame = self.container == "frame"
        return _errors_of_y(name, f"y, column {name!r}," if is_frame else "y", is_frame)

    def _contain(self, series: pd.Series) -> Any:
        if self.container == "array":
            return series.to_numpy().astype(self.dtype_, copy=False)
        return series.rename(self.name_).reset_index(drop=True)

    def _combinations(self, stored: np.ndarray) -> pd.DataFrame:
        """Return rows of a frame from what is stored of them."""
        parts, start = [], 0
        for block in self.blocks_:
            parts.append(block.own(block.codec.decode(stored[:, start : start + block.codec.width])))
            start += block.codec.width
        return self._frame(parts)

    def _frame(self, parts: list[pd.Series]) -> pd.DataFrame:
        frame = pd.DataFrame({j: part.reset_index(drop=True) for j, part in enumerate(parts)})
        frame.columns = pd.Index([]) if self.columns_ is None else self.columns_
        return frame


@contextmanager
def _errors_of_y(name: Any, who: str, is_frame: bool = False) -> Iterator[None]:
    """Let errors about a column of X speak of y; the codecs know only columns."""
    try:
        yield
    except InputError as error:
        cell = f"y[{name!r}]" if is_frame else "y"
        message = str(error).replace(f"Column {name!r}", who).replace(f"X[{name!r}]", cell)
        if message == str(error):
            raise
        raise type(error)(message) from error


def _as_container(y: Any) -> Any:
    """Return a Series or frame as it is, anything else as a one-dimensional array."""
    y = to_pandas(y)
    if isinstance(y, (pd.Series, pd.DataFrame)):
        return y
    if isinstance(y, (pd.Index, pd.api.extensions.ExtensionArray)):
        return pd.Series(y, dtype=y.dtype)
    array = np.asarray(y)
    if array.dtype.kind in "US" and not hasattr(y, "dtype"):
        # numpy makes text of everything in a list that holds a text: of 1 a "1", of NaN a "nan".
        plain = np.asarray(y, dtype=object)
        if pd.api.types.infer_dtype(plain.ravel(), skipna=False) not in ("string", "bytes"):
            array = plain
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.ravel()
    if array.ndim != 1:
        advice = "pass several control variables as a DataFrame."
        if array.ndim == 2 and (np.sum(array == 1, 1) + np.sum(array == 0, 1) == array.shape[1]).all():
            is_one_hot = (np.sum(array == 1, 1) == 1).all()
            advice = "these are one-hot labels: pass y.argmax(1)." if is_one_hot else advice
        raise InputError(f"y should be a 1d array, got an array of shape {array.shape} instead; {advice}")
    return array


def _as_series(y: Any) -> pd.Series:
    if isinstance(y, pd.Series):
        return y
    # Text arrays become objects, so that labels longer than those of fit are not cut.
    # pandas takes no numbers in the byte order of another machine.
    plain = y.astype(object if y.dtype.kind in "USO" else y.dtype.newbyteorder("="), copy=False)
    return pd.Series(plain, name="y", dtype=object if plain.dtype.kind == "O" else None)


def encode_labels(context: ContextCodec, y: Any, rows: int) -> np.ndarray:
    """Return the contexts of labels that belong to the rows of X, float32 (rows, K).

    Raises
    ------
    InputError
        For another number of labels than of rows.
    """
    c = context.encode(y, rows)
    if len(c) != rows:
        raise InputError(
            f"X and y have inconsistent numbers of samples: X has {rows} rows, y has {len(c)}; pass one "
            "label per row."
        )
    return c


def _single(value: Any) -> pd.Series:
    """Return one label, also an array or tensor of no dimension, as a series of its natural dtype."""
    if isinstance(value, np.ndarray) or hasattr(value, "detach"):
        value = value[()] if isinstance(value, np.ndarray) else value.item()
    objects = np.empty(1, dtype=object)
    objects[0] = value
    return pd.Series(objects, dtype=object, name="y").infer_objects()


def _complete(series: pd.Series) -> pd.Series:
    """Return the labels as they are; raise when there are none, or when some are missing."""
    if not len(series):
        raise InputError("y has no rows; pass one label per row of X.")
    missing = int(mask_of(series).sum())
    if missing:
        raise InputError(
            f"Input y contains NaN: {missing} of {len(series)} labels are missing; every row needs one. "
            "Drop these rows, or give them a label of their own."
        )
    return _check_finite(series)


def _drop_missing(series: pd.Series) -> pd.Series:
    """Return the labels that there are; raise when there are none."""
    if not len(series):
        raise InputError("y has no rows; pass one label per row of X.")
    missing = mask_of(series)
    if missing.all():
        raise InputError(
            f"y has no label: all {len(series)} are missing. Leave y out to learn rows without labels, or "
            "label some of them."
        )
    return _check_finite(series[~missing].reset_index(drop=True) if missing.any() else series)


def _check_finite(series: pd.Series) -> pd.Series:
    """Return the labels as they are; raise for infinite ones."""
    endless = _count_infinite(series)
    if endless:
        raise InputError(
            f"y contains infinity ({endless} of {len(series)} values); allowed are finite numbers. Drop "
            "these rows, or clip y, first."
        )
    return series


def _count_infinite(series: pd.Series) -> int:
    if series.dtype == np.dtype(object):
        return sum(
            isinstance(value, (numbers.Real, Decimal)) and math.isinf(value) for value in series.tolist()
        )
    if not pd.api.types.is_float_dtype(series.dtype):
        return 0
    return int(np.isinf(series.to_numpy(dtype=np.float64, na_value=np.nan)).sum())
