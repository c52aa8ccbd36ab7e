"""What ``vaeaug augment`` and ``vaeaug sample`` do."""

from __future__ import annotations

import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import pandas as pd

from vaeaug.augmenter import VAEAugmenter, load
from vaeaug.errors import InputError, UnknownLabelError
from vaeaug.files import check_writable, staged
from vaeaug.resampling import targets
from vaeaug.sampler import class_labels
from vaeaug.shardworker import with_labels
from vaeaug.tablefiles import TableFile, check_format, formula_columns, read_table, shortened, write_frame

__all__ = ["augment", "check_outputs", "interruptible", "note", "sample"]


def augment(options: Namespace) -> None:
    """Write a table followed by synthetic rows of its rare classes.

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
    _check_paths(options.table, options.out, options.model_out)
    table = read_table(
        options.table, parse_dates=options.parse_dates, missing=options.missing, separator=options.sep
    )
    _check_columns(options, table)
    X, y = table.frame.drop(columns=[options.target]), table.frame[options.target]
    strategy, counts = _plan(options, y)
    for remark in [*table.notes, *_formula_notes(options.out, table.frame)]:
        note(remark)
    print(f"Read {len(X):,} rows, {X.shape[1]} columns and the class {options.target!r}: {_counted(y)}")
    augmenter = VAEAugmenter(
        max_fit_seconds=options.max_fit_seconds,
        device=options.device,
        random_state=options.seed,
        verbose=int(options.verbose),
    )
    with interruptible():
        start = perf_counter()
        augmenter.fit(X, y)
        print(f"Learned it in {perf_counter() - start:.1f} s")
        X_res, y_res = augmenter.resample(
            X, y, sampling_strategy=strategy, method=options.method, random_state=options.seed
        )
    new = X_res.iloc[len(X) :].reset_index(drop=True)
    place = table.frame.columns.get_loc(options.target)
    new.insert(place, options.target, y_res.iloc[len(X) :].reset_index(drop=True))
    _write(options, table, augmenter, new)
    added = ", ".join(f"{label}: +{n:,}" for label, n in counts.items() if n)
    print(f"Wrote {options.out}: {len(X):,} real rows, then {len(new):,} synthetic ones ({added or 'none'})")


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
    if _is_folder(options.out):
        _sample_to_folder(options)
        return
    for name in ("jobs", "shard_size"):
        if getattr(options, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} is for a folder of files, and {options.out} is one file; give a "
                "folder with -o, such as rows/."
            )
    _check_paths(options.model, options.out)
    augmenter = load(options.model, device=options.device)
    label = None if options.label is None else _find_label(options.label, augmenter.classes_)
    X, y = augmenter.sample(
        options.rows,
        label,
        method=options.method,
        temperature=options.temperature,
        random_state=options.seed,
    )
    frame = with_labels(X, y)
    for remark in _formula_notes(options.out, frame):
        note(remark)
    write_frame(options.out, frame)
    print(f"Wrote {options.out}: {len(frame):,} synthetic rows" + ("" if label is None else f" of {label}"))


def _is_folder(path: str) -> bool:
    """Tell whether a path means a folder: one that is there, or a name without the suffix of a file."""
    return os.path.isdir(path) or path.endswith(("/", os.sep)) or not os.path.splitext(path)[1]


def _sample_to_folder(options: Namespace) -> None:
    augmenter = load(options.model, device=options.device)
    label = None if options.label is None else _find_label(options.label, augmenter.classes_)
    start = perf_counter()
    try:
        folder = augmenter.sample_to_parquet(
            options.rows,
            options.out,
            y=label,
            shard_size=options.shard_size or "auto",
            random_state=options.seed,
            n_jobs=options.jobs,
            method=options.method,
            temperature=options.temperature,
            verbose=sys.stderr.isatty(),
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"the files that {options.out} holds are whole; the same command goes on from there"
        ) from None
    of = "" if label is None else f" of {label}"
    print(f"Filled {folder}: {options.rows:,} synthetic rows{of}, {perf_counter() - start:.1f} s")


def _check_paths(source: str, *written: str | None) -> None:
    """Refuse a table in an unknown format, and what :func:`check_outputs` refuses."""
    check_format(written[0] or "")
    check_outputs(source, *written)


def check_outputs(source: str, *written: str | None) -> None:
    """Refuse, before the work, to write over the input, to one file twice, or where it is impossible.

    Parameters
    ----------
    source : str
        The input.
    *written : str or None
        Files to write; None for those not asked for.

    Raises
    ------
    InputError
        For the first path that cannot be written.
    """
    seen = {os.path.realpath(source): source}
    for path in filter(None, written):
        check_writable(path)
        real = os.path.realpath(path)
        if os.path.exists(source) and os.path.exists(real) and os.path.samefile(source, real):
            raise InputError(f"{path} is the input; write to another file.")
        if real in seen:
            raise InputError(f"{path} is named twice; write to another file than {seen[real]}.")
        seen[real] = path


def _check_columns(options: Namespace, table: TableFile) -> None:
    names = list(table.frame.columns)
    if options.target not in names:
        hint = "" if len(names) > 1 else "; if these are several names in one, set --sep"
        raise InputError(
            f"{options.table} has no column {options.target!r}; it has {shortened(names)}.{hint}"
        )
    if options.flag_column in names:
        raise InputError(
            f"{options.table} has a column {options.flag_column!r} already; choose another name."
        )
    if not len(table.frame):
        raise InputError(f"{options.table} has column names, but no rows.")


def _plan(options: Namespace, y: pd.Series) -> tuple[Any, dict[Any, int]]:
    """Return the strategy in terms of the labels, and how many rows it adds to each."""
    try:
        labels = class_labels(y)
        strategy = options.strategy
        if isinstance(strategy, dict):
            strategy = {_find_label(text, y.unique()): rows for text, rows in strategy.items()}
        return strategy, targets(strategy, labels)
    except ValueError as error:
        raise InputError(f"The column {options.target!r} cannot be balanced: {error}") from error


def _write(options: Namespace, table: TableFile, augmenter: VAEAugmenter, new: pd.DataFrame) -> None:
    """Write the table and, if asked for, the model: both or none."""
    if not options.model_out:
        table.write(options.out, new, options.flag_column)
        return
    with staged(options.model_out) as temporary:
        augmenter.save(temporary)
        table.write(options.out, new, options.flag_column)
    print(
        f"Wrote {options.model_out}: the model; draw more rows with: vaeaug sample {options.model_out} -o OUT"
    )


def _find_label(text: str, labels: Iterable[Any] | None) -> Any:
    """Return the label that a text of the command line means."""
    if labels is None:
        raise InputError("The model was fitted without classes; leave --label out.")
    plain = [label.item() if hasattr(label, "item") else label for label in labels]
    for label in plain:
        if str(label) == text:
            return label
    raise UnknownLabelError(f"There is no class {text!r}; there are {shortened(plain)}.")


def _counted(y: pd.Series) -> str:
    counts = y.value_counts()
    listed = [f"{label} {n:,}" for label, n in counts.head(8).items()]
    return ", ".join(listed) + (f", … ({len(counts)} classes)" if len(counts) > 8 else "")


def _formula_notes(path: str, frame: pd.DataFrame) -> list[str]:
    found = formula_columns(frame) if path.lower().endswith((".csv", ".tsv")) else []
    if not found:
        return []
    return [
        f"cells of {shortened(found)} begin with =, +, - or @; they are written unchanged, and a spreadsheet "
        "program may run them as formulas"
    ]


def note(text: str) -> None:
    """Print a remark beside the results."""
    print(f"vaeaug: note: {text}", file=sys.stderr)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end the block: ``fit`` itself answers it by keeping the model reached so far."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False
    before = signal.getsignal(signal.SIGINT)

    def remember(number: int, frame: Any) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt
