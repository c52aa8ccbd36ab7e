"""Parquet files, one at a time or many as one table: written whole, read as a stream."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from vaeaug.errors import InputError
from vaeaug.utils.files import replace_file
from vaeaug.utils.frames import as_arrow_array
from vaeaug.utils.versions import check_pyarrow
from vaeaug.utils.wording import first_line, hide_secrets

__all__ = [
    "count_values",
    "is_url",
    "is_whole",
    "name_failures",
    "open_parquet",
    "schema_of",
    "write_parquet",
]

#: A column of labels with more distinct values than this is no column of classes.
_MOST_VALUES = 10_000
#: What pandas reads files of other formats with.
_READERS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "read_csv"),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "read_excel"),
    **dict.fromkeys((".json", ".jsonl"), "read_json"),
    ".feather": "read_feather",
}


def schema_of(frame: pd.DataFrame) -> Any:
    """Return the Arrow schema of a frame, with the notes from which pandas restores its dtypes.

    Parameters
    ----------
    frame : DataFrame
        With text names; every kind of value that a column can hold should occur.

    Raises
    ------
    InputError
        For a column that has no one type.
    """
    import pyarrow as pa

    for name in frame.columns:
        as_arrow_array(frame[name])
    return pa.Schema.from_pandas(frame, preserve_index=False)


def write_parquet(path: str | os.PathLike[str], tables: Iterable[Any], schema: Any) -> None:
    """Write Arrow tables to one file, a row group each, whole or not at all; equal tables give equal bytes.

    Parameters
    ----------
    path : path-like
    tables : iterable of pyarrow.Table
        Taken one at a time.
    schema : pyarrow.Schema
        Of all of them.

    Raises
    ------
    InputError
        If the path cannot be written, for instance because the disk is full.
    """
    import pyarrow.parquet as pq

    options = {"compression": "zstd", "use_dictionary": _repeating(schema)}
    with replace_file(path) as temporary, pq.ParquetWriter(temporary, schema, **options) as writer:
        for table in tables:
            writer.write_table(table)


def _repeating(schema: Any) -> list[str]:
    """Return the columns that dictionaries make smaller: not fractions and times, which hardly repeat."""
    from pyarrow import types

    return [f.name for f in schema if not (types.is_floating(f.type) or types.is_temporal(f.type))]


def is_whole(path: str | os.PathLike[str], rows: int) -> bool:
    """Tell whether a Parquet file is there, complete, and of so many rows; reads its footer only."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows) == rows
    except (OSError, pa.ArrowException):
        return False


def is_url(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path names an object in a store, such as ``"s3://bucket/rows"``."""
    return "://" in os.fspath(path)


def open_parquet(path: str | os.PathLike[str]) -> Any:
    """Return a Parquet file, or all those of a folder, as one ``pyarrow.dataset.Dataset``.

    A URL is read by pyarrow (``s3://``, ``gs://``, ``hdfs://``, …), or where it does not know the store, by
    fsspec.

    Files and folders whose names begin with a dot or an underscore are passed over. Only footers are read.

    Raises
    ------
    InputError
        If there is no file, one cannot be read, or their columns or types differ.
    """
    shown = hide_secrets(os.fspath(path))
    if Path(shown).suffix.lower() in _READERS and not os.path.isdir(path):
        raise InputError(f"{shown} is no Parquet file.{_advise(shown)}")
    check_pyarrow(f"Reading {shown}")
    import pyarrow as pa
    import pyarrow.dataset as ds

    if not is_url(path) and not Path(path).exists():
        raise InputError(f"{shown} does not exist; give a Parquet file or a folder of them.")
    try:
        place, filesystem = _find_store(os.fspath(path))
        dataset = ds.dataset(place, filesystem=filesystem, format="parquet", partitioning=None)
    except (OSError, ImportError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{shown} cannot be read as Parquet: {_quote(error)}{_advise(shown)}") from _cause(
            error
        )
    first, schema = None, dataset.schema
    for fragment in dataset.get_fragments():
        with name_failures(fragment.path):
            found = fragment.physical_schema
        if first is None:
            first, schema = fragment.path, found
        elif not found.equals(schema):
            raise InputError(f"{fragment.path} differs from {first}: {_difference(found, schema)}")
    if first is None:
        raise InputError(f"{shown} holds no Parquet files; give a folder with at least one.")
    return dataset


def _advise(path: str) -> str:
    """Return what to read a file of another format with; empty where its name tells of none."""
    kinds = [kind.lower() for kind in Path(path).suffixes if kind.lower() in _READERS]
    return f" Read it first and pass the frame: pandas.{_READERS[kinds[0]]}({path!r})." if kinds else ""


def _find_store(path: str) -> tuple[str, Any]:
    """Return a path within a file system, and that system; None for the one of this machine."""
    if not is_url(path):
        return path, None
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    try:
        filesystem, place = FileSystem.from_uri(path)
    except pa.ArrowInvalid:
        # torch brings fsspec.
        from fsspec.core import url_to_fs

        filesystem, place = url_to_fs(path)
    return place, filesystem


def count_values(dataset: Any, column: str) -> dict[Any, int]:
    """Count the rows of each value of one column, sorted by value, without holding the rows.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
        As :func:`open_parquet` gives it.
    column : str
        Of class labels.

    Raises
    ------
    InputError
        If there is no such column, it has missing values, or so many different ones that it holds no
        classes; and for a file that cannot be read, which is named.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if column not in dataset.schema.names:
        raise InputError(f"The files have no column {column!r}; they have {', '.join(dataset.schema.names)}.")
    counts: Counter[Any] = Counter()
    for fragment in dataset.get_fragments():
        with name_failures(fragment.path):
            for batch in fragment.to_batches(columns=[column]):
                values = batch.column(0)
                if pa.types.is_dictionary(values.type):
                    values = values.dictionary_decode()
                found = pc.value_counts(values)
                counts.update(
                    dict(
                        zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
                    )
                )
        if len(counts) > _MOST_VALUES:
            raise InputError(
                f"The column {column!r} has more than {_MOST_VALUES:,} different values; name a column of "
                "class labels."
            )
    missing = sum(n for value, n in counts.items() if value is None or value != value)
    if missing:
        raise InputError(
            f"The column {column!r} has {missing:,} missing labels; drop these rows, or give them a label "
            "of their own."
        )
    return dict(sorted(counts.items()))


@contextmanager
def name_failures(path: str) -> Iterator[None]:
    """Turn failures of reading into a sentence that names the file."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path} cannot be read as Parquet: {_quote(error)} Write this file again, or move it away."
        ) from _cause(error)


def _quote(error: Exception) -> str:
    return hide_secrets(first_line(error))


def _cause(error: Exception) -> Exception | None:
    """Return an error to be shown as the cause of another, unless it holds secrets."""
    return error if hide_secrets(str(error)) == str(error) else None


def _difference(found: Any, schema: Any) -> str:
    """Say in which column two schemas differ."""
    for field in schema:
        if field.name not in found.names:
            return f"it lacks the column {field.name!r}. Files of one folder must have the same columns."
        if found.field(field.name).type != field.type:
            return (
                f"its column {field.name!r} is {found.field(field.name).type} instead of {field.type}. "
                "Write the files anew with the same types."
            )
    more = [name for name in found.names if name not in schema.names]
    if more:
        return f"it has a column {more[0]!r} more. Files of one folder must have the same columns."
    return "its columns come in another order. Write the files anew with the same order."
