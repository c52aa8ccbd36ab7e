"""What ``vaeaug augment`` and ``vaeaug sample`` do."""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd

from vaeaug.augmenter import VAEAugmenter, load
from vaeaug.cli.labels import find_label
from vaeaug.cli.options import check_columns, read_conditions
from vaeaug.data.labels.sampling_strategy import class_counts, targets
from vaeaug.data.labels.spelling import warn_of_classes
from vaeaug.data.labels.targets import read_labels
from vaeaug.data.tables.datetexts import are_few_texts
from vaeaug.data.tables.recognition import find_words
from vaeaug.errors import InputError, UnknownLabelError
from vaeaug.io.tables import TableFile, formula_columns, read_table, write_frame
from vaeaug.sharding.worker import with_labels
from vaeaug.utils.files import clear_temporaries, replace_file
from vaeaug.utils.signals import Terminated, interruptible
from vaeaug.utils.wording import count, list_names, suggest

__all__ = [
    "augment",
    "column_options",
    "drop_notes_on_text",
    "listen",
    "note",
    "open_table",
    "read_cells",
    "sample",
]

#: Tables with fewer rows than this are learned from, with a note.
_FEW_ROWS = 30
#: Different numbers of a column that are classes beyond doubt, and at most.
_FEW_CLASSES, _MOST_CLASSES = 20, 256
#: Rules between columns that are printed.
_MOST_RELATIONS = 6


def augment(options: Namespace) -> None:
    """Write a table followed by synthetic rows of its minority classes.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.

    Raises
    ------
    InputError
        For files, columns and labels that cannot be used; then nothing was written.
    KeyboardInterrupt
        After Ctrl-C, also where ``fit`` has kept the model reached so far.
    """
    table, X, y = open_table(options)
    strategy, counts = _plan(options, y)
    for remark in [*table.notes, *_formula_notes(options.out, table.frame), *_size_notes(X)]:
        note(remark)
    print(
        f"Read {count(len(X), 'row')}, {count(X.shape[1], 'column')} and the class {options.target!r}: "
        f"{_count(y)}"
    )
    if not any(counts.values()):
        note("no class lacks rows by this strategy, so there are no synthetic ones; see --strategy")
        if not options.model_out:
            table.write(options.out, table.frame.iloc[:0], options.flag_column)
            print(f"Wrote {options.out}: {count(len(X), 'real row')}")
            return
    augmenter = VAEAugmenter(
        **column_options(options),
        max_fit_seconds=options.max_fit_seconds,
        device=options.device,
        random_state=options.seed,
        verbose=int(options.verbose or sys.stderr.isatty()),
    )
    with interruptible(), listen(augmenter):
        start = perf_counter()
        augmenter.fit(X, y)
        print(f"Learned it in {perf_counter() - start:.1f} s")
        _say_relations(augmenter)
        X_res, y_res = augmenter.resample(
            X, y, sampling_strategy=strategy, method=options.method, random_state=options.seed
        )
    new = X_res.iloc[len(X) :].reset_index(drop=True)
    place = list(table.frame.columns).index(options.target)
    new.insert(place, options.target, y_res.iloc[len(X) :].reset_index(drop=True))
    _write(options, table, augmenter, new)
    real, made = count(len(X), "real row"), count(len(new), "synthetic row")
    added = ", ".join(f"{label}: +{n:,}" for label, n in counts.items() if n)
    print(f"Wrote {options.out}: {real}, then {made} ({added})" if added else f"Wrote {options.out}: {real}")


class _Notes(logging.Handler):
    """Print what is logged as remarks beside the results."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        note(record.getMessage().replace("max_fit_seconds", "--max-fit-seconds"))


@contextmanager
def listen(augmenter: VAEAugmenter) -> Iterator[None]:
    """Note what an augmenter says of the duration of a call, unless there is a progress bar.

    Parameters
    ----------
    augmenter : VAEAugmenter
    """
    if augmenter.verbose:
        yield
        return
    handler = _Notes()
    log = logging.getLogger("vaeaug")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def read_cells(options: Namespace, path: str) -> TableFile:
    """Read a table as the options say."""
    return read_table(
        path,
        parse_dates=options.parse_dates,
        day_first=options.day_first,
        missing=options.missing,
        separator=options.sep,
        encoding=options.encoding,
        decimal=options.decimal,
        thousands=options.thousands,
    )


def open_table(options: Namespace) -> tuple[TableFile, pd.DataFrame, pd.Series]:
    """Read the table that the options name; return it, its rows, and its column of classes.

    Raises
    ------
    InputError
        For files and columns that cannot be used.
    """
    table = read_cells(options, options.table)
    check_columns(options, list(table.frame.columns))
    if not len(table.frame):
        raise InputError(f"{options.table} has column names, but no rows; give a table with rows.")
    if len(table.frame) >= _FEW_ROWS and table.frame[options.target].is_unique:
        others = [name for name in table.frame if not table.frame[name].is_unique]
        raise InputError(
            f"The column {options.target!r} has another value in each of {count(len(table.frame), 'row')}, "
            "and a column of classes has few; name that one with --target. Those whose values repeat: "
            f"{list_names(others) or 'none'}."
        )
    _check_classes(table, options.target)
    if not options.no_guessing:
        # Fit speaks of these itself.
        drop_notes_on_text(table, lambda texts: not are_few_texts(texts.nunique(), len(texts)))
        drop_notes_on_text(table, _has_words_beside_numbers, ", because of cells such as ")
    return table, table.frame.drop(columns=[options.target]), table.frame[options.target]


def _check_classes(table: TableFile, target: str) -> None:
    """Refuse a quantity as the column of classes; note whole numbers that may be one.

    Raises
    ------
    InputError
    """
    if not pd.api.types.is_numeric_dtype(table.frame[target]):
        return
    values = table.frame[target].dropna().astype(float)
    distinct = values.nunique()
    few = [name for name in table.frame if 1 < table.frame[name].nunique() <= _FEW_CLASSES]
    if (values % 1).any() or distinct > _MOST_CLASSES:
        raise InputError(
            f"The column {target!r} holds {count(distinct, 'different number')}, and a column of classes, "
            "such as yes and no, is needed. Name one with --target, or cut the numbers into groups in the "
            f"table first. Those of few values: {list_names(few) or 'none'}."
        )
    if distinct > _FEW_CLASSES:
        table.notes.append(
            f"{target!r} holds {distinct} different numbers, and each is taken for a class. If it is a "
            "quantity, name a column of classes with --target"
        )


def _has_words_beside_numbers(texts: pd.Series) -> bool:
    distinct = texts.dropna().unique()
    return not are_few_texts(len(distinct), len(texts)) and bool(find_words(distinct.tolist()))


def drop_notes_on_text(
    table: TableFile, is_known: Callable[[pd.Series], bool], start: str = "; if it holds "
) -> None:
    """Drop notes that text may be dates or numbers.

    Parameters
    ----------
    table : TableFile
    is_known : callable
        Takes a column; returns whether its note says nothing new or nothing true.
    start : str, optional
        What notes on columns that are read as text go on with.
    """
    asked = {name: f"column {name!r} is read as text{start}" for name in table.frame}
    dropped = tuple(
        begun
        for name, begun in asked.items()
        if any(remark.startswith(begun) for remark in table.notes) and is_known(table.frame[name])
    )
    table.notes[:] = [remark for remark in table.notes if not remark.startswith(dropped)]


def column_options(options: Namespace) -> dict[str, Any]:
    """Return what the options say of the columns, as parameters of an augmenter."""
    return {
        "id_columns": options.id or (None if options.no_guessing else "auto"),
        "categorical_features": options.category or (None if options.no_guessing else "from_dtype"),
        "relations": [*([] if options.no_relations else ["auto"]), *options.relation] or None,
        "on_violation": options.on_violation,
    }


def _say_relations(augmenter: VAEAugmenter, start: str = "\n  ", between: str = "\n  ") -> None:
    """Print the first rules between columns that new rows keep."""
    table = augmenter.relations_
    # Cells that are equal now and then are a share, which single rows do not keep or break.
    formulas = table.loc[table["kind"] != "partial equality", "formula"].tolist()
    if not formulas:
        return
    more = len(formulas) - _MOST_RELATIONS
    shown = formulas[:_MOST_RELATIONS] + ([f"and {more:,} more"] if more > 0 else [])
    print(f"New rows keep {count(len(formulas), 'rule')} between columns:{start}{between.join(shown)}")


def sample(options: Namespace) -> None:
    """Write synthetic rows drawn from a saved model to a file, or to a folder of many.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.

    Raises
    ------
    InputError
        For files and labels that cannot be used; then nothing was written.
    KeyboardInterrupt
        After Ctrl-C; the files of a folder that are written stay.
    """
    augmenter = load(options.model, device=options.device)
    if augmenter.image_shape_ is not None and not hasattr(augmenter, "feature_names_in_"):
        raise InputError(
            f"{options.model} makes images, and vaeaug sample writes tables. Draw images in Python, with "
            f"vaeaug.load({options.model!r}).sample(100), or look at some with vaeaug studio."
        )
    label = None if options.label is None else find_label(options.label, augmenter.classes_)
    of_class = "" if label is None else f" of {label}"
    how = {"method": options.method, "temperature": options.temperature, "random_state": options.seed}
    made = f"{count(options.rows, 'synthetic row')}{of_class}"
    if options.where and options.is_folder:
        raise InputError("--where goes with one file, not with a folder; write to .csv, .tsv or .parquet.")
    targets = augmenter.fitted_.context.names
    where = read_conditions(options.where, getattr(augmenter, "feature_names_in_", []), targets)
    if not options.is_folder:
        frame = with_labels(*augmenter.sample(options.rows, label, where=where, **how))
        for remark in _formula_notes(options.out, frame):
            note(remark)
        write_frame(options.out, frame)
        print(f"Wrote {options.out}: {made}")
        _say_relations(augmenter, " ", "; ")
        return
    start = perf_counter()
    folder = _fill_folder(augmenter, options, y=label, **how)
    print(f"Filled {folder}: {made}, {perf_counter() - start:.1f} s")
    _say_relations(augmenter, " ", "; ")


def _fill_folder(augmenter: VAEAugmenter, options: Namespace, **how: Any) -> Path:
    """Fill a folder with files of synthetic rows; a stop says that the same command goes on from there."""
    try:
        return augmenter.sample_to_parquet(
            options.rows,
            options.out,
            shard_size=options.shard_size or "auto",
            n_jobs=options.jobs,
            verbose=sys.stderr.isatty(),
            **how,
        )
    except (KeyboardInterrupt, Terminated) as stop:
        with suppress(OSError):  # of processes that were killed while they wrote
            clear_temporaries(options.out)
        hint = f"the files that {options.out} holds are whole; the same command goes on from there"
        if isinstance(stop, Terminated):
            raise Terminated(stop.number, hint) from None
        raise KeyboardInterrupt(hint) from None


def _plan(options: Namespace, y: pd.Series) -> tuple[Any, dict[Any, int]]:
    """Return the strategy in terms of the labels, and how many rows it adds to each."""
    strategy = options.strategy
    try:
        labels = read_labels(y)
        if isinstance(strategy, dict):
            strategy = {_find_class(text, options.target, y): rows for text, rows in strategy.items()}
        wanted = targets(strategy, labels)
        warn_of_classes(class_counts(labels), wanted)  # before the work
        return strategy, wanted
    except ValueError as error:
        if str(error).startswith(("sampling_strategy", "--strategy")):
            raise
        raise InputError(f"The column {options.target!r} cannot be balanced: {error}") from error


def _find_class(text: str, target: str, y: pd.Series) -> Any:
    """Return the label of a column that a text means."""
    labels = y.dropna().unique()
    try:
        return find_label(text, labels)
    except UnknownLabelError as error:
        raise UnknownLabelError(
            f"--strategy names the class {text!r}, which the column {target!r} does not have; it has "
            f"{list_names(labels)}.{suggest(text, labels)}"
        ) from error


def _write(options: Namespace, table: TableFile, augmenter: VAEAugmenter, new: pd.DataFrame) -> None:
    """Write the table and, if asked for, the model: both or none."""
    if not options.model_out:
        table.write(options.out, new, options.flag_column)
        return
    with replace_file(options.model_out) as temporary:
        augmenter.save(temporary)
        table.write(options.out, new, options.flag_column)
    print(
        f"Wrote {options.model_out}: the model; draw more rows with: vaeaug sample {options.model_out} -o OUT"
    )


def _count(y: pd.Series) -> str:
    counts = y.value_counts()
    listed = [f"{label} {n:,}" for label, n in counts.head(8).items()]
    return ", ".join(listed) + (f", … ({len(counts)} classes)" if len(counts) > 8 else "")


def _size_notes(X: pd.DataFrame) -> list[str]:
    if len(X) >= _FEW_ROWS:
        return []
    return [
        f"the table has {count(len(X), 'row')}, too few to learn how its columns depend on each other; take "
        "the new rows for rough guesses, and collect more real ones if you can"
    ]


def _formula_notes(path: str, frame: pd.DataFrame) -> list[str]:
    found = formula_columns(frame) if path.lower().endswith((".csv", ".tsv")) else []
    if not found:
        return []
    return [
        f"cells of {list_names(found)} begin with =, +, - or @; they are written unchanged, and a "
        "spreadsheet program may run them as formulas"
    ]


def note(text: str) -> None:
    """Print a remark beside the results."""
    print(f"vaeaug: note: {text}", file=sys.stderr)
