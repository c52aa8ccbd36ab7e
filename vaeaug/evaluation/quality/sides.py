"""The two tables of a comparison: the same columns, the same mix of classes, without names of rows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.tables.datetexts import DateTexts
from vaeaug.data.tables.dtypes import is_object, is_text
from vaeaug.data.tables.identifiers import looks_like_ids
from vaeaug.errors import InputError
from vaeaug.evaluation.columns import as_frame
from vaeaug.evaluation.downstream import are_classes
from vaeaug.evaluation.quality.real_rows import find_real_rows
from vaeaug.evaluation.tables import JointTables, join_tables
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.wording import list_names

__all__ = ["ClassMix", "Identifier", "Sides", "list_records", "take_some"]

#: Distance of class shares from which new rows are compared with real rows of their own mix.
_OTHER_MIX = 0.05


@dataclass(frozen=True)
class Identifier:
    """A column that names each row, and how new rows are named.

    Parameters
    ----------
    column : hashable
    repeats : int
        New rows whose name an earlier new row has.
    taken : int
        New rows with the name of a real row.
    """

    column: Hashable
    repeats: int
    taken: int


@dataclass(frozen=True)
class ClassMix:
    """The class whose share differs most between new and real rows.

    Parameters
    ----------
    label : str
    real, new : float
        Its share, in [0, 1].
    """

    label: str
    real: float
    new: float


@dataclass(frozen=True)
class Sides:
    """Real and new rows, ready to be compared.

    Parameters
    ----------
    real, new : DataFrame
        With the same columns in the same order, without those that name each row.
    held_out : DataFrame or None
        Real rows that the generator has not seen.
    unseen : DataFrame or None
        Those of them that have the class mix of the new ones.
    alike : ndarray of int64
        Positions of the real rows that have the class mix of the new ones; all of them where mixes agree.
    identifiers : tuple of Identifier
    target : hashable or None
    is_classification : bool
        Whether the target is a class.
    mix : ClassMix or None
        None where the mixes of classes agree.
    seed : int
    held : int
        Real rows that the new table held, and that are left out of ``new``.
    """

    real: pd.DataFrame
    new: pd.DataFrame
    held_out: pd.DataFrame | None
    unseen: pd.DataFrame | None
    alike: np.ndarray
    identifiers: tuple[Identifier, ...]
    target: Hashable | None
    is_classification: bool
    mix: ClassMix | None
    seed: int
    held: int = 0

    @classmethod
    def read(cls, tables: Mapping[str, Any], target: Hashable | None, id_columns: Any, seed: int) -> Sides:
        """Check tables (``real``, ``new`` and maybe ``held_out``) and bring them to one form.

        Raises
        ------
        InputError
            Tables that cannot be compared, an unknown target or identifier, or a target that names rows.
        """
        frames = {name: as_frame(table, name) for name, table in tables.items()}
        _check_columns(frames)
        real = frames["real"]
        if target is not None and not _is_column(target, real):
            raise InputError(
                f"report: target must be one of the columns {list_names(real.columns)}, got {target!r}."
            )
        named = _find_identifiers(real, target, id_columns)
        kept = [column for column in real.columns if column not in named]
        if not kept:
            raise InputError("report: tables must have a column besides those that name each row.")
        is_real = find_real_rows(real[kept], frames["new"][kept])
        if is_real is not None:
            frames["new"] = frames["new"][~is_real]
        identifiers = tuple(_judge_names(column, real, frames["new"]) for column in named)
        frames = {name: frame[kept].reset_index(drop=True) for name, frame in frames.items()}
        _read_dates(frames, target)
        alike, mix, is_classification = np.arange(len(real)), None, False
        if target is not None:
            joined = join_tables({name: frames[name][[target]] for name in ("real", "new")})
            is_classification = _holds_classes(joined)
            if is_classification:
                alike, mix = _match_classes(joined, seed)
        held_out = unseen = frames.get("held_out")
        if mix is not None and held_out is not None:
            joined = join_tables({"held_out": held_out[[target]], "new": frames["new"][[target]]})
            unseen = held_out.iloc[_match_classes(joined, seed)[0]]
        return cls(
            frames["real"],
            frames["new"],
            held_out,
            unseen,
            alike,
            identifiers,
            target,
            is_classification,
            mix,
            seed,
            0 if is_real is None else int(is_real.sum()),
        )

    @property
    def reference(self) -> pd.DataFrame:
        """Real rows with the class mix of the new ones."""
        return self.real if self.mix is None else self.real.iloc[self.alike]

    @cached_property
    def parts(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Real rows, and fresh ones of the class mix of new rows: held out, or half of the reference.

        New rows of the same source lie to the real rows as fresh ones do. Copies lie nearer.
        """
        if self.unseen is not None:
            return self.real, self.unseen
        order = numpy_generator(self.seed, 11).permutation(self.alike)
        fresh = np.sort(order[: len(order) // 2])
        return self.real.drop(index=fresh.tolist()), self.real.iloc[fresh]

    @property
    def sizes(self) -> tuple[int, int]:
        """Rows of the reference, and new rows."""
        return len(self.alike), len(self.new)

    @property
    def spread(self) -> float:
        """√(1/n + 1/m): what chance differences between both sides are in proportion to."""
        n, m = self.sizes
        return float(np.sqrt(1 / n + 1 / m))

    def draw(self, most: int, stream: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return at most so many rows of the reference and of the new rows, chosen at random."""
        rng = numpy_generator(self.seed, stream)
        return take_some(self.reference, most, rng), take_some(self.new, most, rng)


def take_some(frame: pd.DataFrame, most: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return at most so many rows, chosen at random, in their order."""
    if len(frame) <= most:
        return frame
    return frame.iloc[np.sort(rng.choice(len(frame), size=most, replace=False))]


def list_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table of figures."""
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def _check_columns(frames: Mapping[str, pd.DataFrame]) -> None:
    expected = frames["real"].columns
    for name, frame in frames.items():
        absent = [column for column in expected if column not in frame.columns]
        extra = [column for column in frame.columns if column not in expected]
        if not absent and not extra:
            continue
        flags = [column for column in extra if pd.api.types.is_bool_dtype(frame[column])]
        said = [f"lacks {list_names(absent)}"] if absent else []
        said += [f"adds {list_names(extra)}"] if extra else []
        advice = f"drop them from real, or add them to {name}" if absent else f"drop them from {name}"
        if flags and name == "new":
            flag = repr(flags[0])
            advice += f". If {flag} is True for new rows, pass new[new[{flag}]].drop(columns={flag})"
        raise InputError(
            f"report: real and {name} must have the same columns, in any order; {name} {' and '.join(said)}. "
            f"Compare common columns: {advice}."
        )


def _read_dates(frames: dict[str, pd.DataFrame], target: Hashable | None) -> None:
    """Replace text that is dates, written in one form in all tables, by dates; few other texts by gaps."""
    real = frames["real"]
    for column in real.columns:
        form = None
        if column != target and (is_object(real[column].dtype) or is_text(real[column].dtype)):
            form = DateTexts.of(real[column])
        if form is None:
            continue
        read = {name: form.read(frame[column]) for name, frame in frames.items()}
        gaps = [frame[column].isna() | frame[column].isin(form.special) for frame in frames.values()]
        if all((dates.isna() == gap).all() for dates, gap in zip(read.values(), gaps, strict=True)):
            for name, dates in read.items():
                frames[name] = frames[name].assign(**{column: dates})


def _is_column(label: Any, frame: pd.DataFrame) -> bool:
    try:
        return label in frame.columns
    except TypeError:  # not hashable
        return False


def _find_identifiers(real: pd.DataFrame, target: Hashable | None, id_columns: Any) -> list[Hashable]:
    if isinstance(id_columns, str) and id_columns == "auto":
        texts = [column for column in real.columns if isinstance(column, str) and column != target]
        named: list[Hashable] = [column for column in texts if looks_like_ids(real[column])]
        # Without any other column there would be nothing to compare.
        return named if len(named) < real.shape[1] else []
    listed: list[Hashable] = [] if id_columns is None else list(id_columns)
    unknown = [column for column in listed if not _is_column(column, real)]
    if unknown or isinstance(id_columns, str):
        raise InputError(
            f"report: id_columns must be 'auto', None or a list of columns, which are "
            f"{list_names(real.columns)}; got {id_columns!r}."
        )
    if target is not None and target in listed:
        raise InputError(f"report: {target!r} is the target and in id_columns; name it in one of them.")
    return listed


def _judge_names(column: Hashable, real: pd.DataFrame, new: pd.DataFrame) -> Identifier:
    names = [frame[column].dropna().astype(str) for frame in (real, new)]
    return Identifier(column, int(names[1].duplicated().sum()), int(names[1].isin(set(names[0])).sum()))


def _holds_classes(joined: JointTables) -> bool:
    if joined.discrete:
        return True
    values = joined.numbers[0][:, 0]
    return are_classes(values[~np.isnan(values)])


def _match_classes(joined: JointTables, seed: int) -> tuple[np.ndarray, ClassMix | None]:
    """Return real rows in the class mix of the new rows, as many as there are."""
    blocks = joined.codes if joined.discrete else joined.numbers
    # A missing class is a class of its own.
    codes, values = pd.factorize(np.concatenate([block[:, 0] for block in blocks]), use_na_sentinel=False)
    real, new = codes[: len(blocks[0])], codes[len(blocks[0]) :]
    counts = [np.bincount(side, minlength=len(values)) for side in (real, new)]
    p, q = (count / count.sum() for count in counts)
    shared = (counts[0] > 0) & (counts[1] > 0)
    spread = np.sqrt(1 / len(real) + 1 / len(new))
    if 0.5 * np.abs(p - q).sum() < max(_OTHER_MIX, spread) or not shared.any():
        return np.arange(len(real)), None
    size = (counts[0][shared] / q[shared]).min()
    rng = numpy_generator(seed, 1)
    wanted = np.where(shared, np.maximum(np.floor(size * q + 1e-9), 1), 0).astype(np.int64)
    rows = [rng.choice(np.flatnonzero(real == k), size=n, replace=False) for k, n in enumerate(wanted) if n]
    k = int(np.abs(p - q).argmax())
    label = joined.values[0][int(values[k])] if joined.discrete and values[k] >= 0 else values[k]
    text = "missing" if pd.isna(label) or (joined.discrete and values[k] < 0) else f"{label}"
    if not joined.discrete and text != "missing":
        text = f"{float(label):g}"
    return np.sort(np.concatenate(rows)), ClassMix(text, float(p[k]), float(q[k]))
