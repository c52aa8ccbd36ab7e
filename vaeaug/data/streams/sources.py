"""Tables read piece by piece, over and over: Parquet files by row groups, and frames from an iterable."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vaeaug.errors import InputError
from vaeaug.io.parquet import is_url, name_failures, open_parquet
from vaeaug.utils.frames import Home, is_foreign_frame, to_pandas
from vaeaug.utils.validation import refuse_repeated_columns, refuse_sources
from vaeaug.utils.versions import check_pyarrow
from vaeaug.utils.wording import hide_secrets

__all__ = ["FrameStream", "ParquetStream", "Piece", "TableStream", "is_stream", "open_stream"]

#: Rows of a piece, at most: some 10 MB of a table of twenty columns.
_PIECE = 65_536


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of a stream.

    Parameters
    ----------
    start : int
        Number of the first row in the whole stream.
    frame : DataFrame
    where : str
        Where it comes from, for messages.
    """

    start: int
    frame: pd.DataFrame
    where: str


class ParquetStream:
    """The row groups of a Parquet file, or of all files of a folder.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
    where : str
        What messages call it.
    """

    def __init__(self, dataset: Any, where: str) -> None:
        self.where = where
        # An index that pandas wrote as a column is no feature.
        self._names = [name for name in dataset.schema.names if not name.startswith("__index_level_")]
        self._schema = dataset.schema
        self._blocks: list[tuple[Any, int | None, int, int]] = []
        start = 0
        for fragment in dataset.get_fragments():
            for group, rows in _row_groups(fragment):
                if rows:
                    self._blocks.append((fragment, group, start, rows))
                start += rows
        self.rows = start

    @property
    def names(self) -> list[Any]:
        """Columns, in order."""
        return self._names

    @property
    def blocks(self) -> int:
        """Number of row groups that hold rows."""
        return len(self._blocks)

    def read(self, block: int) -> Iterator[Piece]:
        """Read one row group.

        Raises
        ------
        InputError
            If it cannot be read; the message names it.
        """
        fragment, group, start, _ = self._blocks[block]
        path = getattr(fragment, "path", self.where)
        where = path if group is None else f"{path}, row group {group},"
        part = fragment if group is None else fragment.subset(row_group_ids=[group])
        with name_failures(where):
            batches = part.to_batches(
                schema=self._schema,
                columns=self._names,
                batch_size=_PIECE,
                batch_readahead=0,
                fragment_readahead=0,
                use_threads=False,
            )
            for batch in batches:
                if batch.num_rows:
                    yield Piece(start, batch.to_pandas(), where)
                    start += batch.num_rows

    def describe(self) -> Any:
        """Return columns, types and the rows of every row group."""
        return [str(self._schema.remove_metadata()), [rows for *_, rows in self._blocks]]


def _row_groups(fragment: Any) -> list[tuple[int | None, int]]:
    """Return number and rows of the row groups of a fragment; one without a number for other formats."""
    with name_failures(getattr(fragment, "path", "The data set")):
        groups = getattr(fragment, "row_groups", None)
        if groups is None:
            return [(None, int(fragment.count_rows()))]
        return [(group.id, int(group.num_rows)) for group in groups]


class FrameStream:
    """The frames of anything that can be iterated over again and again.

    Parameters
    ----------
    frames : iterable of DataFrame
        Gives the same frames each time.

    Attributes
    ----------
    home : Home or None
        The library of the first, if that is not pandas.
    """

    where = "X"

    def __init__(self, frames: Iterable[pd.DataFrame]) -> None:
        self._frames = frames
        if iter(frames) is frames:
            raise InputError(
                f"X is a {type(frames).__name__}, which can be read once only, and learning reads the rows "
                "again and again. Pass a list of frames, or an object whose __iter__ opens the source anew."
            )
        first = next(iter(frames), None)
        if first is None:
            raise InputError("X gives no frames: 0 sample(s) while a minimum of 2 is required.")
        self._names = list(_as_frame(first, 0).columns)
        self.home = Home.of(first)

    @property
    def names(self) -> list[Any]:
        """Columns, in order."""
        return self._names

    @property
    def blocks(self) -> int:
        """One: frames come in their order."""
        return 1

    def read(self, block: int) -> Iterator[Piece]:
        """Read all frames.

        Raises
        ------
        InputError
            For anything but frames, and for frames with other columns than the first; the message names it.
        """
        start = 0
        for number, item in enumerate(self._frames):
            frame = _as_frame(item, number)
            if list(frame.columns) != self._names:
                lost = [name for name in self._names if name not in frame.columns]
                more = [name for name in frame.columns if name not in self._names]
                what = (
                    f"lacks {lost}" if lost else f"has {more} more" if more else "has them in another order"
                )
                raise InputError(
                    f"Frame {number} of X {what}; all frames must have the columns of the first."
                )
            for begin in range(0, len(frame), _PIECE):
                part = frame.iloc[begin : begin + _PIECE].reset_index(drop=True)
                yield Piece(start + begin, part, f"frame {number} of X")
            start += len(frame)

    def describe(self) -> Any:
        """Return the columns."""
        return [str(name) for name in self._names]


def _as_frame(item: Any, number: int) -> pd.DataFrame:
    item = to_pandas(item)
    if not isinstance(item, pd.DataFrame):
        raise InputError(
            f"Item {number} of X is a {type(item).__name__}; a stream gives DataFrames with the same columns."
        )
    refuse_repeated_columns(item.columns, f"Frame {number} of X")
    return item


def is_stream(X: Any) -> bool:
    """Tell whether X is a table to be read piece by piece: a path, a Dataset of pyarrow, frames in turn."""
    if isinstance(X, (str, os.PathLike)) or _is_dataset(X):
        return True
    refuse_sources(X)
    if isinstance(X, Sequence):
        return bool(len(X)) and (isinstance(X[0], pd.DataFrame) or is_foreign_frame(X[0]))
    if not hasattr(X, "__iter__") or hasattr(X, "__array__") or hasattr(X, "__getitem__"):
        return False
    return not hasattr(X, "shape")


def _is_dataset(X: Any) -> bool:
    return type(X).__module__.startswith("pyarrow") and hasattr(X, "get_fragments")


def _check_path(path: Path) -> Path:
    """Return a path where there is a file, or a folder that may hold Parquet files."""
    if path.is_dir() and not any(path.rglob("*.parquet")) and any(path.iterdir()):
        raise InputError(
            "X must be an array of numbers or a DataFrame, images, a Dataset, or a path of Parquet files; "
            f"got the folder {path}, which holds none. For images in one folder per class, pass "
            "torchvision.datasets.ImageFolder(X)."
        )
    if not path.exists():
        raise InputError(
            f"X is the path {path}, where there is nothing; X must be an array of numbers or a DataFrame, "
            "images, a Dataset, or the path of a Parquet file or of a folder of them. A CSV file is read "
            f"first: pass pandas.read_csv({str(path)!r})."
        )
    return path


#: A table of any length that can be read again and again, in blocks that are read whole.
TableStream = ParquetStream | FrameStream


def open_stream(X: Any) -> TableStream:
    """Open what :func:`is_stream` recognised.

    Raises
    ------
    InputError
        If there is nothing to read, files cannot be read, or differ in columns or types.
    """
    if isinstance(X, (str, os.PathLike)):
        path = X if is_url(X) else _check_path(Path(X))
        return ParquetStream(open_parquet(path), hide_secrets(os.fspath(X)))
    if _is_dataset(X):
        check_pyarrow("fit on a pyarrow Dataset")
        return ParquetStream(X, "X")
    return FrameStream(X)
