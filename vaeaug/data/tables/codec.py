"""Turn a whole table into one float32 array and back into the container, columns and dtypes it had."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.relations.relations import Columns, Relations, name_columns
from vaeaug.data.tables.access import as_table, check_size, get_column, replace_column, split_columns
from vaeaug.data.tables.computed import ComputedCodec
from vaeaug.data.tables.growth import ColumnChange, grow_column
from vaeaug.data.tables.identifiers import IdCodec, looks_like_ids
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.data.tables.registry import (
    ColumnCodec,
    ColumnOptions,
    TranslatedCodec,
    column_from_state,
    fit_column,
)
from vaeaug.data.tables.serialization import (
    Arrays,
    add_prefix,
    dtype_from_json,
    dtype_to_json,
    index_from_json,
    index_to_json,
    pack_states,
    take_prefix,
    unpack_states,
)
from vaeaug.data.tables.texts import describe_texts
from vaeaug.errors import ColumnNote, InputError, VaeaugWarning
from vaeaug.layout import Layout
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.validation import refuse_repeated_columns
from vaeaug.utils.wording import list_names, suggest

__all__ = ["TableCodec", "weigh_classes"]


class TableCodec:
    """Encode a DataFrame or a two-dimensional array, one column codec per column.

    Parameters
    ----------
    categorical_features : "from_dtype", None, or array-like of bool, int or label, default="from_dtype"
        Numeric columns to treat as categories: a mask, positions, or names, as in scikit-learn's
        ``HistGradientBoostingClassifier``. Columns of text, booleans and category dtype are categories in any
        case; with ``"from_dtype"`` or None they are the only ones. With None, other columns are what their
        dtype says; otherwise whole numbers may be found to be codes (zip codes: new rows have codes that
        occur) or dates (20090301, 1330: new rows have dates), and text may be found to be dates.
    id_columns : "auto", None, or array-like of bool, int or label, default="auto"
        Identifier columns, which name each row: they are not learned, and new rows get new identifiers.
        ``"auto"`` looks for them in frames.
    max_bins : int, default=64
        Quantile bins per numeric column.
    max_levels : int, default=1000
        Levels of a categorical column that get tokens of their own.
    relations : "auto", list, or None, default=None
        Rules between columns that decoded rows keep: looked for, declared, or none.
    on_violation : {"raise", "keep"}, default="raise"
        What becomes of a declared rule that some rows break.
    earlier : TableCodec, optional
        Of fewer rows of the same table: its tokens, identifier columns and relations are kept as far as they
        suit the rows of now.

    Attributes
    ----------
    codecs_ : list of ColumnCodec
    layout : Layout
        Spans of all columns side by side.
    n_features_ : int
    columns_ : pandas.Index or None
        Labels of the training frame; None for an array.
    id_columns_ : list
        Labels, or positions, of the identifier columns.
    relations_ : Relations
        Rules between columns, which rows that are decoded keep.
    changes_ : dict of int to ColumnChange
        How columns differ from those of ``earlier``, by position; none without it.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.data.tables.codec import TableCodec
    >>> X = pd.DataFrame({"age": [31, 45, 31], "job": ["clerk", None, "nurse"]})
    >>> codec = TableCodec().fit(X)
    >>> codec.decode(codec.encode(X)).equals(X)
    True
    """

    def __init__(
        self,
        categorical_features: Any = "from_dtype",
        max_bins: int = 64,
        max_levels: int = 1000,
        id_columns: Any = "auto",
        relations: Any = None,
        on_violation: str = "raise",
        earlier: TableCodec | None = None,
    ) -> None:
        self.earlier = earlier
        self.categorical_features = categorical_features
        self.id_columns = id_columns
        self.max_bins = max_bins
        self.max_levels = max_levels
        self.relations = relations
        self.on_violation = on_violation

    def fit(self, X: Any, groups: np.ndarray | None = None, counted: np.ndarray | None = None) -> TableCodec:
        """Learn every column; return self. ``X`` is not changed.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, d)
        groups : ndarray of int64, shape (n,), optional
            Class of each row: a relation that a class breaks is none, and numbers of a small class get bins
            where they lie.
        counted : ndarray of bool, shape (n,), optional
            Rows that relations are about; None for all.

        Raises
        ------
        InputError
            For an empty table, columns named twice, infinite values, columns that no codec takes, and
            declared relations that rows break.

        Warns
        -----
        VaeaugWarning
            For columns without any value; they come back as they are.
        ColumnNote
            For columns that were found to hold identifiers, codes or dates, and text that could be numbers or
            dates.
        """
        table = as_table(X)
        check_size(table)
        columns = table.columns[:] if isinstance(table, pd.DataFrame) else None
        dtype = None if isinstance(table, pd.DataFrame) else table.dtype
        parts: list[tuple[pd.Series, np.ndarray | None]] = [(series, None) for series in split_columns(table)]
        self._learn(columns, dtype, parts, is_whole=True, weights=weigh_classes(groups))
        return self.relate([series for series, _ in parts], groups, counted)

    def fit_parts(self, parts: Sequence[tuple[pd.Series, np.ndarray | None]]) -> TableCodec:
        """Learn the columns of a frame that is too long for memory from what was counted in it; return self.

        Parameters
        ----------
        parts : sequence of (Series, ndarray of int64 or None)
            For each column its values in its dtype, and how many rows each of them stands for (one each if
            None).

        Raises
        ------
        InputError
            As in :meth:`fit`.
        """
        columns = pd.Index([series.name for series, _ in parts], tupleize_cols=False)
        return self._learn(columns, None, parts)

    def _learn(
        self,
        columns: pd.Index | None,
        dtype: Any,
        parts: Sequence[tuple[pd.Series, np.ndarray | None]],
        is_whole: bool = False,
        weights: np.ndarray | None = None,
    ) -> TableCodec:
        self.columns_, self.dtype_, self.n_features_ = columns, dtype, len(parts)
        self.changes_: dict[int, ColumnChange] = {}
        if columns is not None:
            refuse_repeated_columns(columns)
        if self.earlier is not None:
            self.earlier.refuse_other(columns, len(parts))
            self.id_columns = [
                j for j, codec in enumerate(self.earlier.codecs_) if isinstance(codec, IdCodec)
            ]
        marked = self._mark("categorical_features", "from_dtype")
        named = self._mark("id_columns", "auto")
        if (marked & named).any():
            both = self._label(int(np.flatnonzero(marked & named)[0]))
            raise InputError(
                f"categorical_features and id_columns both name {both!r}; name it in one of them."
            )
        found = np.zeros_like(named)
        if is_whole and columns is not None and isinstance(self.id_columns, str):
            found = _search_identifiers([series for series, _ in parts], marked)
        self.codecs_: list[ColumnCodec] = []
        for j, (series, counts) in enumerate(parts):
            options = ColumnOptions(
                bool(marked[j]),
                self.max_bins,
                self.max_levels,
                identifier=bool(named[j] or found[j]),
                # A sample does not show whether a value is new.
                recognise=self.categorical_features is not None and (is_whole or counts is not None),
                weights=weights,
            )
            self.codecs_.append(fit_column(series, options, counts))
            if self.earlier is not None:
                self._grow(j, self.earlier.get_view(j), series, counts)
        empty = [codec.name for codec in self.codecs_ if codec.is_all_missing]
        if empty:
            warn_caller(
                f"X has columns without any value: {list_names(empty)}. They are kept and stay missing; "
                "drop them if they are there by mistake.",
                VaeaugWarning,
            )
        self.relations_ = Relations({}, (), ())
        self._lay_out()
        notes = self._notes(found)
        if is_whole and columns is not None and self.categorical_features is not None:
            texts = zip(parts, self.codecs_, marked | named | found, strict=True)
            notes += describe_texts(
                series for (series, _), codec, settled in texts if codec.kind == "categorical" and not settled
            )
        if notes:
            warn_caller("\n".join(notes), ColumnNote)
        return self

    def find_identifiers(self, X: pd.DataFrame) -> list[Any]:
        """Return the labels of the columns that :meth:`fit` would take for identifiers.

        Raises
        ------
        InputError
            If a parameter names no column.
        """
        self.columns_, self.n_features_ = X.columns, X.shape[1]
        marked, found = self._mark("categorical_features", "from_dtype"), self._mark("id_columns", "auto")
        if isinstance(self.id_columns, str):
            found = _search_identifiers(list(split_columns(X)), marked)
        return list(X.columns[found])

    def relate(
        self,
        columns: Sequence[pd.Series],
        groups: np.ndarray | None = None,
        counted: np.ndarray | None = None,
    ) -> TableCodec:
        """Look for relations, and learn what the model sees in place of the columns they change; return self.

        Those of ``earlier`` are kept instead, where there is one.

        Parameters
        ----------
        columns : sequence of Series
            Rows of training, column by column.
        groups : ndarray of int64, shape (n,), optional
            Class of each row.
        counted : ndarray of bool, shape (n,), optional
            Rows in which relations are looked for; None for all.

        Raises
        ------
        InputError
            For declared relations that cannot be kept, and any that rows break.
        """
        names = name_columns(self.columns_, len(columns))
        if self.earlier is not None:
            self.relations_ = self.earlier.relations_.grow(self.codecs_, columns, names)
        elif self.relations is None:
            return self
        else:
            table = Columns(self.codecs_, columns, names, groups)
            if counted is not None and not counted.all():
                table = table.choose(counted)
            self.relations_ = Relations.learn(self.relations, table, self.on_violation)
        seen = self.relations_.fit_columns(dict(enumerate(columns)), self.max_bins, weigh_classes(groups))
        shown = self.relations_.forward(dict(enumerate(columns))) if self.earlier is not None else {}
        for j in self.relations_.changes:
            self.codecs_[j] = seen.get(j) or ComputedCodec(self.codecs_[j].name)
            if self.earlier is not None and j in shown:
                self._grow(j, self.earlier.codecs_[j], shown[j])
        self.earlier = None  # of no use any more
        self._lay_out()
        return self

    def _grow(self, j: int, old: ColumnCodec, series: pd.Series, counts: np.ndarray | None = None) -> None:
        """Give a column the codec that continues an old one."""
        self.codecs_[j], change = grow_column(old, self.codecs_[j], series, counts)
        self.changes_.setdefault(j, change)

    def refuse_other(self, columns: pd.Index | None, count: int) -> None:
        """Raise for a table that has other columns than this one.

        Raises
        ------
        InputError
        """
        is_same = (columns is None) == (self.columns_ is None) and count == self.n_features_
        if is_same and (columns is None or columns.equals(self.columns_)):
            return
        then, now = (
            f"{n} columns without names" if labels is None else list_names(labels)
            for labels, n in ((self.columns_, self.n_features_), (columns, count))
        )
        raise InputError(
            f"warm_start goes on with the table of the last fit, whose columns are, in this order, {then}; "
            f"got {now}. Pass the same columns, or set warm_start=False to learn another table."
        )

    def _notes(self, found: np.ndarray) -> list[str]:
        """Return what the user should know about columns taken for something else than their dtype says."""
        notes = []
        if found.any():
            labels = [self._label(int(j)) for j in np.flatnonzero(found)]
            notes.append(
                f"X has columns that name each row: {list_names(labels)}. They are not learned, and new rows "
                "get new names; leave them out of what a classifier learns from. To choose them yourself, "
                "pass id_columns=[...], or None for none."
            )
        codes = [codec.name for codec in self.codecs_ if isinstance(codec, NumericCodec) and codec.are_codes_]
        if codes:
            notes.append(
                f"X has columns of codes: {list_names(codes)}. New rows have codes that occur in X. To make "
                "categories of them, list them in categorical_features; None takes them for quantities."
            )
        dates = [codec for codec in self.codecs_ if isinstance(codec, TranslatedCodec) and codec.note]
        if dates:
            listed = ", ".join(f"{codec.name!r} ({codec.note})" for codec in dates[:10])
            notes.append(
                f"X has columns read as dates or times: {listed}. New rows have such dates. To make "
                "categories of them, list them in categorical_features; None takes them for what their dtype "
                "says."
            )
        return notes

    def encode(self, X: Any) -> np.ndarray:
        """Return the encoded table, float32, shape (n, width).

        Raises
        ------
        InputError
            When columns are missing, unknown, or in another order than in fit, and for infinite values.
        """
        table = as_table(X)
        self._check_columns(table)
        x = np.empty((table.shape[0], self.layout.shape[0]), dtype=np.float32)
        columns = list(split_columns(table, self.columns_))
        seen = self.relations_.forward(dict(enumerate(columns)))
        for j, (codec, part) in enumerate(zip(self.codecs_, self.slices, strict=True)):
            if codec.width:
                x[:, part] = codec.encode(seen.get(j, columns[j]))
        return x

    def encode_known(self, X: Any) -> np.ndarray:
        """Return the encoded table like :meth:`encode`, with stand-ins for values that fit has not seen.

        Rows to train on must hold no unknown token; a stream may show values that its first pass has
        dropped or did not reach.
        """
        x = self.encode(X)
        for codec, part in zip(self.codecs_, self.slices, strict=True):
            if not codec.width:
                continue
            token = x[:, part.start]
            token[token < 0] = codec.stand_in
        return x

    def decode(self, x: np.ndarray) -> Any:
        """Return rows in the container, columns and dtypes of fit, with a fresh index.

        Parameters
        ----------
        x : ndarray of shape (n, width)
        """
        found = [codec.decode(x[:, part]) for codec, part in zip(self.codecs_, self.slices, strict=True)]
        for j, series in self.relations_.backward(found).items():
            found[j] = series
        return self.contain(found)

    def contain(self, columns: Sequence[pd.Series]) -> Any:
        """Return columns in the container of fit, with a fresh index."""
        if self.columns_ is None:
            rows = np.empty((len(columns[0]), self.n_features_), dtype=self.dtype_)
            for j, series in enumerate(columns):
                rows[:, j] = series.to_numpy()
            return rows
        frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(len(columns[0])))
        frame.columns = self.columns_
        return frame

    def rename(self, rows: Any, start: int = 0, beside: Any = None) -> Any:
        """Return new rows with other identifiers, those of new rows from number ``start`` on.

        Rows of several calls of :meth:`decode` would have the same ones.

        Parameters
        ----------
        rows : as :meth:`decode` returns them
        start : int, default=0
        beside : DataFrame or ndarray, optional
            Rows whose identifiers are not to be taken either.
        """
        for j, codec in enumerate(self.codecs_):
            if isinstance(codec, IdCodec):
                column, others = get_column(rows, j), None if beside is None else get_column(beside, j)
                rows = replace_column(rows, j, codec.rename(column, start, others))
        return rows

    def keep_names(self, rows: Any, source: Any) -> Any:
        """Return rows with the identifiers of the rows that they vary."""
        for j, codec in enumerate(self.codecs_):
            if isinstance(codec, IdCodec):
                rows = replace_column(rows, j, codec.keep(get_column(source, j)))
        return rows

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything learned as a JSON-able dict and plain arrays."""
        parts, arrays = pack_states(self.codecs_)
        related, own = self.relations_.state()
        arrays |= add_prefix("relations", own)
        meta = {
            "relations": related,
            "max_bins": self.max_bins,
            "max_levels": self.max_levels,
            "columns": None if self.columns_ is None else index_to_json(self.columns_),
            "dtype": None if self.dtype_ is None else dtype_to_json(self.dtype_),
            "codecs": parts,
        }
        return meta, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TableCodec:
        """Rebuild a fitted codec from :meth:`state`; it decodes byte for byte as the saved one."""
        return cls(max_bins=meta["max_bins"], max_levels=meta["max_levels"]).restore(meta, arrays)

    def restore(self, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TableCodec:
        """Take over what :meth:`state` describes; return self."""
        self.columns_ = None if meta["columns"] is None else index_from_json(meta["columns"])
        self.dtype_ = None if meta["dtype"] is None else dtype_from_json(meta["dtype"])
        self.codecs_ = unpack_states(column_from_state, meta["codecs"], arrays)
        self.n_features_ = len(self.codecs_)
        self.relations_ = Relations.from_state(
            meta.get("relations"), take_prefix("relations", arrays), self.codecs_
        )
        self._lay_out()
        return self

    def _lay_out(self) -> None:
        ids = [j for j, codec in enumerate(self.codecs_) if isinstance(codec, IdCodec)]
        self.id_columns_ = [self._label(j) for j in ids]
        self.layout = Layout.row([span for codec in self.codecs_ for span in codec.spans])
        ends = np.cumsum([codec.width for codec in self.codecs_]).tolist()
        self.slices = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def _label(self, j: int) -> Any:
        """Return the label of a column, or its position in an array."""
        return j if self.columns_ is None else self.columns_[j]

    def _mark(self, parameter: str, default: str) -> np.ndarray:
        """Return which columns the user named in a parameter, bool of shape (d,)."""
        chosen = getattr(self, parameter)
        marked = np.zeros(self.n_features_, dtype=bool)
        if chosen is None or (isinstance(chosen, str) and chosen == default):
            return marked
        allowed = f"allowed are {default!r}, None, a boolean mask, column positions, or column names"
        if isinstance(chosen, (str, numbers.Number)) or not isinstance(chosen, Iterable):
            raise InputError(f"{parameter}: {allowed}; got {chosen!r}. For one column, pass a list.")
        listed = list(chosen)
        if listed and all(isinstance(item, (bool, np.bool_)) for item in listed):
            if len(listed) != self.n_features_:
                raise InputError(
                    f"{parameter}: a mask needs one entry per column ({self.n_features_}), got {len(listed)}."
                )
            return np.asarray(listed, dtype=bool)
        for item in listed:
            marked[self.find_column(item, parameter, allowed)] = True
        return marked

    def get_view(self, j: int) -> ColumnCodec:
        """Return the codec of a column as the user sees it, not as relations change it."""
        changed = j in self.relations_.changes
        return self.relations_.views[j].codec if changed else self.codecs_[j]

    def find_column(self, item: Any, parameter: str, allowed: str = "columns are named by position") -> int:
        """Return the position of a column that a user names by label or position.

        Raises
        ------
        InputError
            If there is no such column; the message begins with the name of the parameter.
        """
        if self.columns_ is not None and not isinstance(item, numbers.Integral):
            found = [j for j, label in enumerate(self.columns_) if label == item]
            if not found:
                raise InputError(
                    f"{parameter} names {item!r}, which is no column of X; X has {list_names(self.columns_)}."
                    f"{suggest(str(item), self.columns_)}"
                )
            return found[0]
        if not isinstance(item, numbers.Integral):
            raise InputError(f"{parameter}: {allowed}; X is an array without names, got {item!r}.")
        position = int(item)
        if not 0 <= position < self.n_features_:
            raise InputError(f"{parameter}: positions lie in [0, {self.n_features_ - 1}], got {position}.")
        return position

    def _check_columns(self, table: pd.DataFrame | np.ndarray) -> None:
        if self.columns_ is None or not isinstance(table, pd.DataFrame):
            if table.shape[1] != self.n_features_:
                raise InputError(
                    f"X has {table.shape[1]} features, but {type(self).__name__} is expecting "
                    f"{self.n_features_} features as input."
                )
            return
        if table.columns.equals(self.columns_):
            return
        # scikit-learn's own words, so that its users and its checks recognise them.
        lines = ["The feature names should match those that were passed during fit."]
        unseen = [label for label in table.columns if label not in self.columns_]
        lost = [label for label in self.columns_ if label not in table.columns]
        groups = {"unseen at fit time": unseen, "seen at fit time, yet now missing": lost}
        for what, labels in groups.items():
            if labels:
                lines += [f"Feature names {what}:", *(f"- {label}" for label in labels[:5])]
                lines += ["- ..."] if len(labels) > 5 else []
        if not unseen and not lost:
            what = (
                "be in the same order as they were in fit" if table.columns.is_unique else "not appear twice"
            )
            lines.append(f"Feature names must {what}.")
        raise InputError("\n".join(lines) + "\n")


def weigh_classes(groups: np.ndarray | None) -> np.ndarray | None:
    """Return what rows count for where bins are cut, so that small classes get bins where they lie.

    ``max(1, √(n / (K n_c)))`` for a row of a class of n_c among n rows of K classes: the square root is
    half-way between rows that count alike and classes that do. None where all count alike.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,), or None
        Class of each row.
    """
    if groups is None or not len(groups):
        return None
    counts = np.bincount(groups)
    share = len(groups) / np.count_nonzero(counts)
    weights = np.maximum(1.0, np.sqrt(share / np.maximum(counts, 1)))
    return None if (weights == 1.0).all() else weights[groups]


def _search_identifiers(columns: Sequence[pd.Series], marked: np.ndarray) -> np.ndarray:
    """Return which columns look like identifiers and were not named as categories, bool (d,)."""
    found = ~marked & np.array([looks_like_ids(series) for series in columns], dtype=bool)
    return found & (not found.all())  # without any other column there would be nothing to learn
