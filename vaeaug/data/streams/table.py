"""Tables larger than memory: one pass learns the codecs, and every epoch reads the rows again."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from vaeaug.data.adapters import Intake, TableIntake
from vaeaug.data.labels.context import ContextCodec
from vaeaug.data.labels.targets import group_rows
from vaeaug.data.labels.variables import ClassBlock
from vaeaug.data.streams.reservoir import Reservoir, Sample
from vaeaug.data.streams.sketches import ColumnDigest
from vaeaug.data.streams.sources import Piece, TableStream, open_stream
from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.promotion import cast
from vaeaug.data.tables.quantiles import bins_for
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.training.distributed import Team
from vaeaug.training.rows import Block
from vaeaug.utils.random import hash_seed, numpy_generator

__all__ = ["StreamedTable", "Survey", "find_targets", "survey"]

_RESERVOIR, _SURVEY_ORDER, _EPOCH_ORDER = 20, 21, 22
#: Cells of the rows drawn in the first pass, and how many rows these are at least and at most.
_CELLS, _LEAST_ROWS, _MOST_ROWS = 2_400_000, 20_000, 200_000
#: Bytes of encoded rows that are kept for the next epoch; what is beyond is read and encoded again.
_KEPT_BYTES = 1 << 28
#: Blocks that are read in turn.
_TOGETHER = 4
#: Share of a bounded fit that the first pass may take.
_SURVEY_SHARE = 0.25


@dataclass
class Survey:
    """What the first pass over a stream, or over a part of it, has found.

    Parameters
    ----------
    digests : dict of column to ColumnDigest
    reservoir : Reservoir
    rows : int
        Rows seen.
    is_whole : bool
        Whether there was time for all of them.
    """

    digests: dict[Any, ColumnDigest]
    reservoir: Reservoir
    rows: int = 0
    is_whole: bool = True

    def add(self, piece: Piece) -> None:
        """Look at some rows."""
        for name, digest in self.digests.items():
            digest.add(piece.frame[name], piece.where)
        self.reservoir.add(piece.frame, piece.start)
        self.rows += len(piece.frame)

    def merge(self, other: Survey) -> None:
        """Take in what another process has found in its part."""
        for name, digest in self.digests.items():
            digest.merge(other.digests[name], "the part of another process")
        self.reservoir.merge(other.reservoir)
        self.rows += other.rows
        self.is_whole &= other.is_whole


def survey(
    stream: TableStream,
    targets: Sequence[Any],
    seed: int,
    *,
    team: Team | None = None,
    seconds: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Survey:
    """Pass over a stream once, each process over its part, and return what all have found together.

    Parameters
    ----------
    stream : TableStream
    targets : sequence of column labels
        Columns of labels; classes of the first are sampled so that small ones are kept whole.
    seed : int
    team : Team, optional
    seconds : float, optional
        Time after which to stop; blocks are then read in random order, so that any part is a fair one.
    clock : callable
    """
    team = team or Team()
    size = int(np.clip(_CELLS // len(stream.names), _LEAST_ROWS, _MOST_ROWS))
    order = np.arange(stream.blocks)
    if seconds is not None:
        order = numpy_generator(seed, _SURVEY_ORDER).permutation(stream.blocks)

    def look() -> Survey:
        found = Survey(
            {name: ColumnDigest() for name in stream.names},
            Reservoir(size, hash_seed(seed, _RESERVOIR), targets[0] if targets else None),
        )
        began = clock()
        for block in order[team.rank :: team.size].tolist():
            for piece in stream.read(block):
                if found.rows and seconds is not None and clock() - began > seconds:
                    found.is_whole = False
                    return found
                found.add(piece)
        return found

    first, *others = team.each(look)
    for other in others:
        first.merge(other)
    return first


class StreamedTable:
    """A table too long for memory: its codecs, a sample of its rows, and its rows encoded epoch by epoch.

    Parameters
    ----------
    estimator : VAEAugmenter
        Its parameters say how data is to be read; it is told the number and names of features.
    X : path, pyarrow Dataset or iterable of frames
        See :func:`vaeaug.data.streams.sources.open_stream`.
    y : column label, list of them, or None
        Columns of X that hold labels.
    seed : int
    team : Team
    earlier : Intake, optional
        Of the model that a warm fit goes on with.

    Attributes
    ----------
    intake : TableIntake
    context : ContextCodec
    rows : int
        Rows of the table.
    x, c : ndarray of float32, shapes (n, W) and (n, K)
        Encoded rows of the sample, in the order of the table, and their contexts.
    groups : ndarray of int64, shape (n,), or None
        Class numbers of the sample.
    mass : ndarray of float32, shape (n,)
        How many rows of the table each row of the sample stands for, with a mean of one.

    Raises
    ------
    InputError
        For data that cannot be read or learned from; the message names file, row group, frame or column.
    """

    def __init__(
        self, estimator: Any, X: Any, y: Any, seed: int, team: Team, earlier: Intake | None = None
    ) -> None:
        self._stream, self._seed, self._earlier = open_stream(X), seed, earlier
        self._targets, self._is_single = find_targets(y, self._stream), not isinstance(y, (list, tuple))
        self._features = [name for name in self._stream.names if name not in self._targets]
        budget = estimator.max_fit_seconds
        found = survey(
            self._stream,
            self._targets,
            seed,
            team=team,
            seconds=None if budget is None else _SURVEY_SHARE * budget,
        )
        if found.rows < 2:
            raise InputError(
                f"VAEAugmenter needs at least 2 rows to learn from, got n_samples={found.rows} in "
                f"{self._stream.where}."
            )
        self.rows = max(found.rows, getattr(self._stream, "rows", 0))
        self._is_whole = found.is_whole
        if not found.is_whole:
            warnings.warn(
                f"max_fit_seconds left time to look at {found.rows:,} rows of {self._stream.where} before "
                "training: ranges of numbers and rare values are those of these rows.",
                VaeaugWarning,
                stacklevel=5,
            )
        self._dtypes = {name: digest.final_dtype() for name, digest in found.digests.items()}
        sample = found.reservoir.sample(self._dtypes)
        self.intake = self._learn_codec(estimator, found, sample)
        self.context = self._learn_context(found, sample)
        if not self.context.blocks or self.context.blocks[0] != self.context.class_block:
            # Only by classes do we know how many rows of the table those of the sample stand for.
            sample = sample.only_even()
        self._sample = sample
        self.x = self.intake.codec.encode_known(sample.frame[self._features])
        self.c = self.context.encode(self._labels(sample.frame), len(self.x))
        self.groups = self.context.groups(self._labels(sample.frame)) if self.context.width else None
        self._factors, self.mass = self._weigh(found)
        self._kept: dict[int, list[Block]] = {}
        self._bytes = 0

    def balance(self) -> np.ndarray:
        """Return the weights of the rows of the sample: what they stand for, times that of their class."""
        return self.mass if self.groups is None else (self.mass * self._factors[self.groups])

    def training_rows(self, held_out: np.ndarray) -> tuple[Callable[..., Iterator[Block]], int]:
        """Return how to read the rows to train on, and how many there are.

        Parameters
        ----------
        held_out : ndarray of bool, shape (n,)
            Rows of the sample that are not to be trained on.
        """
        held = self._sample.numbers[held_out]
        self._kept, self._bytes = {}, 0

        def read(epoch: int, turn: int, rank: int, ranks: int) -> Iterator[Block]:
            order = numpy_generator(self._seed, _EPOCH_ORDER, epoch, turn).permutation(self._stream.blocks)
            # Where there are too few blocks to go round, each process takes every ranks-th row of all.
            whole = len(order) >= ranks
            mine = (order[rank::ranks] if whole else order).tolist()
            for piece in _interleave([self._read_encoded(block, held) for block in mine]):
                yield piece if whole else tuple(array[rank::ranks] for array in piece)

        return read, self.rows - len(held)

    def digest(self) -> str:
        """Return what tells these data from others, from their form and the rows of the sample."""
        described = repr((self._stream.describe(), self._targets, self.rows, self._dtypes))
        code = hashlib.blake2b(described.encode(), digest_size=16)
        for part in (self.x, self.c, self._sample.numbers):
            code.update(np.ascontiguousarray(part).view(np.uint8).data)
        return code.hexdigest()

    def _learn_codec(self, estimator: Any, found: Survey, sample: Sample) -> TableIntake:
        X = sample.frame[self._features]
        validate_data(estimator, X, skip_check_array=True)
        codec = TableCodec(
            estimator.categorical_features,
            max_bins=bins_for(self.rows),
            id_columns=estimator.id_columns,
            relations=estimator.relations,
            on_violation=estimator.on_violation,
            earlier=self._earlier.codec if isinstance(self._earlier, TableIntake) else None,
        )
        self._earlier = None
        even = X[sample.even]
        codec.fit_parts([found.digests[name].part(even[name]) for name in self._features])
        labels = sample.frame.loc[sample.even, self._targets[0]] if len(self._targets) == 1 else None
        codec.relate([even[name] for name in self._features], group_rows(labels, len(even)))
        home = getattr(self._stream, "home", None)
        intake = TableIntake(codec, None if home is None else home.select(self._features))
        intake.describe(estimator)
        return intake

    def _learn_context(self, found: Survey, sample: Sample) -> ContextCodec:
        if not self._targets:
            return ContextCodec().fit(None)
        first = self._targets[0]
        lost = found.digests[first].missing
        if self._is_single and lost:
            raise InputError(
                f"Input y contains NaN: {lost} of {found.rows} labels in the column {first!r} are missing; "
                "every row needs one. Drop these rows, or give them a label of their own."
            )
        even = sample.frame[sample.even]
        parts = [found.digests[name].part(even[name]) for name in self._targets]
        context, home = ContextCodec().fit(self._labels(even), parts), getattr(self._stream, "home", None)
        if home is not None:
            context.home_ = home.select(self._targets, self._is_single)
        return context

    def _weigh(self, found: Survey) -> tuple[np.ndarray, np.ndarray]:
        """Return the weight of each class, and what each row of the sample stands for."""
        n = len(self.x)
        if self.groups is None or self.context.counts_ is None:
            return np.ones(1, np.float32), np.ones(n, np.float32)
        # Rows without a class come last, where the number -1 finds them.
        missing = self.rows * found.digests[self._targets[0]].missing / found.rows
        counts = np.append(self.context.counts_, missing).astype(np.float64)
        factors = 1.0 / np.sqrt(np.maximum(counts, 1.0))
        factors *= counts.sum() / (counts * factors).sum()
        drawn = np.bincount(self.groups % len(counts), minlength=len(counts))
        mass = (counts / np.maximum(drawn, 1))[self.groups]
        return factors.astype(np.float32), (mass / mass.mean()).astype(np.float32)

    def _labels(self, frame: pd.DataFrame) -> Any:
        if not self._targets:
            return None
        return frame[self._targets[0]] if self._is_single else frame[self._targets]

    def _read_encoded(self, block: int, held: np.ndarray) -> Iterator[Block]:
        """Yield a block of the table, encoded: rows, contexts and weights, without those held out."""
        if block in self._kept:
            yield from self._kept[block]
            return
        kept: list[Block] = []
        size = 0
        for piece in self._stream.read(block):
            found = self._encode(piece, held)
            size += sum(array.nbytes for array in found)
            if self._bytes + size <= _KEPT_BYTES:
                kept.append(found)
            else:
                kept.clear()
            yield found
        if self._bytes + size <= _KEPT_BYTES:
            self._kept[block] = kept
            self._bytes += size

    def _encode(self, piece: Piece, held: np.ndarray) -> Block:
        numbers = piece.start + np.arange(len(piece.frame))
        chosen = ~np.isin(numbers, held)
        columns = {name: cast(piece.frame[name], dtype) for name, dtype in self._dtypes.items()}
        frame = pd.DataFrame(columns)
        if not self._is_whole:
            for name, block in zip(self._targets, self.context.blocks_, strict=True):
                if isinstance(block, ClassBlock):
                    # Labels that the first pass did not reach.
                    chosen &= (frame[name].isin(block.classes) | frame[name].isna()).to_numpy()
        frame = frame[chosen]
        x = self.intake.codec.encode_known(frame[self._features])
        labels = self._labels(frame)
        c = self.context.encode(labels, len(x))
        if self.groups is None:
            return x, c, np.ones(len(x), np.float32)
        groups = self.context.groups(labels)
        return x, c, self._factors[groups]


def _interleave(sources: list[Iterator[Block]]) -> Iterator[Block]:
    """Yield from a few sources in turn, so that rows of distant blocks meet in the shuffle buffer."""
    waiting = iter(sources)
    running = deque(islice(waiting, _TOGETHER))
    while running:
        source = running.popleft()
        piece = next(source, None)
        if piece is None:
            running.extend(islice(waiting, 1))
        else:
            running.append(source)
            yield piece


def find_targets(y: Any, stream: TableStream) -> list[Any]:
    """Return the columns of labels.

    Raises
    ------
    InputError
        If y does not name columns of the stream, or names all of them.
    """
    if y is None:
        return []
    named = list(y) if isinstance(y, (list, tuple)) else [y]
    usable = all(isinstance(name, (str, int)) for name in named)
    if not named or not usable or len(named) > 1000:
        raise InputError(
            f"y must name the column of labels, or be a list of names, where X is read piece by piece; got "
            f"{type(y).__name__}."
        )
    lost = [name for name in named if name not in stream.names]
    if lost:
        raise InputError(
            f"{stream.where} has no column {lost[0]!r} for y; it has "
            f"{', '.join(map(repr, stream.names[:20]))}."
        )
    if len(set(named)) == len(stream.names):
        raise InputError(f"y names all columns of {stream.where}; nothing is left to learn.")
    return named
