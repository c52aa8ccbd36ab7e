"""What ``vaeaug report`` does."""

from __future__ import annotations

import sys
from argparse import Namespace

import pandas as pd

from vaeaug.errors import InputError
from vaeaug.evaluation.quality.reporting import report as compare
from vaeaug.io.tables import read_table
from vaeaug.utils.wording import count

__all__ = ["report"]


def report(options: Namespace) -> None:
    """Print how new rows compare with real ones; write the page if asked for.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.

    Raises
    ------
    InputError
        For files and columns that cannot be used; then nothing was written.
    """
    real, new = _read(options, options.real), _read(options, options.new)
    new = _take_flagged(new, list(real.columns), options.new)
    held_out = _read(options, options.held_out) if options.held_out else None
    print(f"Read {count(len(real), 'real row')} and {count(len(new), 'new row')}; comparing ...")
    found = compare(
        real,
        new,
        target=options.target,
        held_out=held_out,
        id_columns=options.id or "auto",
        random_state=options.seed,
    )
    print("\n" + found.summary())
    if options.out:
        found.to_html(options.out)
        print(f"\nWrote {options.out}: the report as one page; open it in a browser")


def _read(options: Namespace, path: str) -> pd.DataFrame:
    table = read_table(
        path,
        parse_dates=options.parse_dates,
        missing=options.missing,
        separator=options.sep,
        encoding=options.encoding,
        decimal=options.decimal,
        thousands=options.thousands,
    )
    if not len(table.frame):
        raise InputError(f"{path} has column names, but no rows.")
    for remark in table.notes:
        print(f"vaeaug: note: {path}: {remark}", file=sys.stderr)
    return table.frame


def _take_flagged(new: pd.DataFrame, names: list[str], path: str) -> pd.DataFrame:
    """Return the new rows of a file that ``vaeaug augment --flag-column`` wrote; any other file as it is."""
    extra = [name for name in new.columns if name not in names]
    if len(extra) != 1 or not pd.api.types.is_bool_dtype(new[extra[0]]):
        return new
    flags = new[extra[0]].fillna(False).astype(bool)
    kept = new[flags] if flags.any() and not flags.all() else new
    print(
        f"vaeaug: note: {path}: {extra[0]!r} is taken for the column of --flag-column and left out; "
        f"{count(len(kept), 'row')} of {len(new):,} compared",
        file=sys.stderr,
    )
    return kept.drop(columns=extra).reset_index(drop=True)
