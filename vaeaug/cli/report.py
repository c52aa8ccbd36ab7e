"""What ``vaeaug report`` does."""

from __future__ import annotations

from argparse import Namespace

import pandas as pd

from vaeaug.cli.augment import drop_notes_on_text, note, read_cells
from vaeaug.data.tables.datetexts import DateTexts
from vaeaug.errors import InputError
from vaeaug.evaluation.quality.reporting import report as compare
from vaeaug.io.csv import suggest_separator
from vaeaug.utils.wording import count

__all__ = ["FLAG", "report"]

#: The flag column of new rows that is looked for: the demo writes it, and the guide asks ``augment`` for it.
FLAG = "synthetic"


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
    new = _take_flagged(real, new, options)
    held_out = _read(options, options.held_out) if options.held_out else None
    print(f"Read {count(len(real), 'real row')}, and {count(len(new), 'row')} to compare with them ...")
    found = compare(
        real,
        new,
        target=options.target,
        held_out=held_out,
        id_columns=options.id or "auto",
        relations=["auto", *options.relation] if options.relation else "auto",
        random_state=options.seed,
    )
    found.names = (options.real, options.new)
    print("\n" + found.summary())
    if options.out:
        found.to_html(options.out)
        print(f"\nWrote {options.out}: the report as one page; open it in a browser")


def _read(options: Namespace, path: str) -> pd.DataFrame:
    table = read_cells(options, path)
    if not len(table.frame):
        raise InputError(f"{path} has column names, but no rows; give a table with rows.")
    names = [str(name) for name in table.frame.columns]
    if hint := suggest_separator(names, options.sep):
        raise InputError(f"{path} has one column, {names[0]!r}.{hint}")
    drop_notes_on_text(table, lambda texts: DateTexts.of(texts) is not None)
    for remark in table.notes:
        note(f"{path}: {remark}")
    return table.frame


def _take_flagged(real: pd.DataFrame, new: pd.DataFrame, options: Namespace) -> pd.DataFrame:
    """Return the rows of NEW that a flag column marks, without it; all rows where NEW has none.

    Raises
    ------
    InputError
        For a flag column that is not there or flags nothing, and for another column that may be one.
    """
    extra = [name for name in new.columns if name not in real.columns]
    flags = [name for name in extra if pd.api.types.is_bool_dtype(new[name])]
    name = options.flag_column or FLAG
    if name not in flags:
        if options.flag_column:
            raise InputError(
                f"--flag-column {name}: {options.new} must have such a column of True and False, and "
                f"{options.real} must not; give another name, or leave the option out."
            )
        if flags:
            raise InputError(
                f"{options.new} has a column {flags[0]!r} that {options.real} does not have. If it is True "
                f"for new rows, add --flag-column {flags[0]}; if not, leave it out."
            )
        return new
    marked = new[name].fillna(False).astype(bool)
    kept = new[marked] if marked.any() and not marked.all() else new
    note(
        f"{options.new}: {name!r} is the flag of new rows and is left out; "
        f"{count(len(kept), 'row')} of {len(new):,} compared. They were added, so that another mix of "
        "classes among them is meant"
    )
    return kept.drop(columns=name).reset_index(drop=True)
