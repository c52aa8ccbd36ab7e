"""Frames of Polars and tables of pyarrow, read as frames of pandas and given back as what they were."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pandas as pd

from vaeaug.errors import InputError
from vaeaug.utils.versions import check_pyarrow
from vaeaug.utils.wording import first_line

__all__ = [
    "Home",
    "as_arrow",
    "as_arrow_array",
    "chunks_of",
    "is_foreign",
    "is_foreign_frame",
    "refuse_lazy",
    "split_columns",
    "to_pandas",
]

_LIBRARIES = ("polars", "pyarrow")
_COLUMN = "y"


@dataclass(frozen=True)
class Home:
    """The library that a frame or a column of the user comes from, and the types of its columns there.

    Parameters
    ----------
    library : {"polars", "pyarrow"}
    schema : pyarrow.Schema
        Also of what only Polars knows: Enum and Categorical columns are marked in its metadata.
    is_series : bool
        Whether it was one column: a Series of Polars, or an array of pyarrow.
    name : str or None
        Of that column.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from vaeaug.utils.frames import Home, to_pandas
    >>> table = pa.table({"size": [1, 2], "job": ["clerk", None]})
    >>> Home.of(table).wrap(to_pandas(table)).equals(table)
    True
    """

    library: str
    schema: Any
    is_series: bool = False
    name: str | None = None

    @classmethod
    def of(cls, data: Any) -> Home | None:
        """Return where a frame or column comes from; None for anything but those of Polars and pyarrow."""
        library = _library(data)
        if library is None:
            return None
        is_series = not _is_frame(data)
        name = getattr(data, "name", None) if is_series else None
        return cls(library, _as_table(data).schema, is_series, name)

    def wrap(self, data: Any) -> Any:
        """Return a frame or column of pandas as one of the library, in the types it had there.

        Raises
        ------
        InputError
            For values that these types do not hold.
        """
        frame = data.to_frame(_COLUMN) if isinstance(data, pd.Series) else data
        table = as_arrow(frame, self.schema)
        if self.library == "pyarrow":
            return table.column(0) if self.is_series else table
        import polars

        found: Any = polars.from_arrow(table)
        return found.to_series().rename(self.name or "") if self.is_series else found

    def select(self, names: list[str], is_series: bool = False) -> Home:
        """Return where some of the columns come from, or one of them as a column of its own."""
        import pyarrow as pa

        fields = [self.schema.field(name) for name in names]
        if is_series:
            return Home(self.library, pa.schema([fields[0].with_name(_COLUMN)]), True, names[0])
        return Home(self.library, pa.schema(fields))

    def append(self, data: Any, new: Any) -> Any:
        """Return a frame of the library, and below it rows of one of pandas."""
        added = self.wrap(new)
        if self.library == "pyarrow":
            import pyarrow as pa

            return pa.concat_tables([data, added])
        import polars

        return polars.concat([data, added])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        schema = base64.b64encode(self.schema.serialize().to_pybytes()).decode("ascii")
        return {"library": self.library, "schema": schema, "is_series": self.is_series, "name": self.name}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Home:
        """Rebuild from :meth:`to_json`."""
        _check_installed(data["library"])
        import pyarrow as pa

        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(data["schema"])))
        return cls(data["library"], schema, data["is_series"], data["name"])


def to_pandas(data: Any) -> Any:
    """Return a frame or column of Polars or pyarrow as one of pandas; anything else as it is.

    Numbers, text and times keep the types of Arrow; categories become those of pandas.

    Raises
    ------
    InputError
        For a LazyFrame, for columns that Arrow does not know, and where pyarrow is not installed.
    """
    refuse_lazy(data)
    if _library(data) is None:
        return data
    table = _as_table(data)
    try:
        frame = _sign_indices(table).to_pandas(types_mapper=_pandas_dtype, ignore_metadata=True)
    except (TypeError, ValueError, NotImplementedError) as error:  # as of Arrow too
        kinds = {field.name: str(field.type) for field in table.schema}
        raise InputError(
            f"The {type(data).__name__} cannot be read: {first_line(error)} Its columns: {kinds}; cast "
            "those that are neither numbers, text, times nor categories of such."
        ) from error
    return frame if _is_frame(data) else frame[_COLUMN].rename(getattr(data, "name", None) or None)


def refuse_lazy(data: Any) -> None:
    """Raise for a LazyFrame of Polars.

    Raises
    ------
    InputError
    """
    if type(data).__module__.partition(".")[0] == "polars" and type(data).__name__ == "LazyFrame":
        raise InputError("X is a LazyFrame, which holds no rows yet; pass X.collect().")


def split_columns(X: Any, names: Any) -> tuple[Any, Any]:
    """Return a frame of pandas, Polars or pyarrow without some of its columns, and those.

    Parameters
    ----------
    X : DataFrame or Table
    names : label or list of labels
        Of one column, which is returned as a Series (an array of pyarrow), or of several.
    """
    listed = names if isinstance(names, list) else [names]
    if isinstance(X, pd.DataFrame):
        return X.drop(columns=listed), X[names]
    if _library(X) == "polars":
        return X.drop(listed), X.select(listed) if isinstance(names, list) else X.get_column(names)
    return X.drop(listed), X.select(listed) if isinstance(names, list) else X.column(names)


def as_arrow(frame: pd.DataFrame, schema: Any) -> Any:
    """Return the columns of a frame that a schema names, in its order and types, as an Arrow table.

    Raises
    ------
    InputError
        For a column that cannot be turned into the type of the schema.
    """
    import pyarrow as pa

    columns = []
    for field in schema:
        values = as_arrow_array(frame[field.name])
        columns.append(values if values.type.equals(field.type) else _cast(values, field))
    return pa.Table.from_arrays(columns, schema=schema)


def as_arrow_array(series: pd.Series) -> Any:
    """Return a column as an Arrow array.

    Raises
    ------
    InputError
        If its values are not of one type.
    """
    import pyarrow as pa

    try:
        return pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(
            f"The column {series.name!r} cannot be written to Parquet, which wants values of one type: "
            f"{first_line(error)} Convert it before fit, for instance with astype(str)."
        ) from error


def _cast(values: Any, field: Any) -> Any:
    import pyarrow as pa

    try:
        if pa.types.is_dictionary(values.type):
            if pa.types.is_dictionary(field.type):
                # All categories stay, in their order, also those that do not occur here.
                return _dictionary(values.indices, values.dictionary, field.type)
            values = values.dictionary_decode()
        elif pa.types.is_dictionary(field.type):
            whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
            whole = whole.cast(field.type.value_type).dictionary_encode()
            return _dictionary(whole.indices, whole.dictionary, field.type)
        # The resolution of times may be coarser in the file; everything else must survive.
        return values.cast(field.type, safe=not pa.types.is_timestamp(field.type))
    except pa.ArrowException as error:
        raise InputError(
            f"The column {field.name!r} is made as {values.type} and cannot be written as {field.type}: "
            f"{first_line(error)} Fit the model on data of the types it is to be written in."
        ) from error


def _dictionary(indices: Any, values: Any, kind: Any) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(
        indices.cast(kind.index_type), values.cast(kind.value_type), ordered=kind.ordered
    )


def is_foreign(data: Any) -> bool:
    """Whether data is a frame or a column of Polars or pyarrow."""
    return _library(data) is not None


def is_foreign_frame(data: Any) -> bool:
    """Whether data is a frame of Polars or a table of pyarrow."""
    return is_foreign(data) and _is_frame(data)


def _library(data: Any) -> str | None:
    """Return the library of a frame or column that is read by way of Arrow."""
    library = type(data).__module__.partition(".")[0]
    kinds = ("DataFrame", "Series", "Table", "Array", "ChunkedArray")
    known = library in _LIBRARIES and (type(data).__name__ in kinds or hasattr(data, "to_pylist"))
    return library if known else None


def _is_frame(data: Any) -> bool:
    return type(data).__name__ in ("DataFrame", "Table")


def _as_table(data: Any) -> Any:
    """Return a frame as an Arrow table; of one column, as a table with one column."""
    library = type(data).__module__.partition(".")[0]
    _check_installed(library)
    import pyarrow as pa

    if library == "pyarrow":
        return data if _is_frame(data) else pa.table({_COLUMN: data})
    frame = data if _is_frame(data) else data.alias(_COLUMN).to_frame()
    odd = [name for name in frame.columns if "\0" in name]
    if odd:
        raise InputError(f"X has a column {odd[0]!r}, a name with a NUL character; rename it.")
    try:
        return frame.to_arrow()
    except pa.ArrowException as error:
        kinds = {name: str(kind) for name, kind in frame.schema.items()}
        raise InputError(
            f"The Polars frame cannot be read: {first_line(error)} Its columns: {kinds}; cast the one that "
            "Arrow does not know to another type, such as Int64."
        ) from error


def _sign_indices(table: Any) -> Any:
    """Return a table whose categories are numbered by signed integers, which all versions of Arrow read."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        kind = field.type
        if not (pa.types.is_dictionary(kind) and pa.types.is_unsigned_integer(kind.index_type)):
            continue
        wanted = pa.dictionary(pa.int64(), kind.value_type, kind.ordered)
        parts = [
            pa.DictionaryArray.from_arrays(
                part.indices.cast(pa.int64()), part.dictionary, ordered=kind.ordered
            )
            for part in table.column(i).chunks
        ]
        table = table.set_column(i, field.with_type(wanted), pa.chunked_array(parts, wanted))
    return table


def _check_installed(library: str) -> None:
    check_pyarrow(f"Reading frames of {library}")
    if find_spec(library) is None:
        raise InputError(
            f"The model makes frames of {library}, which is not installed; run: pip install {library}"
        )


def _pandas_dtype(kind: Any) -> Any:
    import pyarrow as pa

    # Categories are left to pandas.
    return None if pa.types.is_dictionary(kind) else pd.ArrowDtype(kind)


def chunks_of(series: pd.Series) -> Any:
    """Return what is behind a column of an Arrow type, a ``pyarrow.ChunkedArray``."""
    import pyarrow as pa

    values = series.array.__arrow_array__()
    # pyarrow before 16 cannot make chunks of chunks.
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
