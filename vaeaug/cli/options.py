"""What the command line asks of a table, checked before anything slow is imported."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from vaeaug.errors import InputError
from vaeaug.io.csv import read_names
from vaeaug.utils.files import SEPARATORS, check_format, check_outputs, check_readable
from vaeaug.utils.wording import list_names

__all__ = ["check_columns", "check_table"]


def check_table(options: Namespace, *written: str | None) -> None:
    """Refuse paths that cannot be used, and columns that a text file does not name.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.
    *written : str or None
        Files to write; None for those not asked for.

    Raises
    ------
    InputError
    """
    suffix = check_format(options.table)
    check_readable(options.table)
    check_outputs(options.table, *written)
    if suffix in SEPARATORS:
        names = read_names(options.table, options.sep or SEPARATORS[suffix], options.encoding)
        check_columns(options, names)


def check_columns(options: Namespace, names: Sequence[str]) -> None:
    """Refuse options that name a column which is not there, or one that is.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.
    names : sequence of str
        Columns of the table.

    Raises
    ------
    InputError
    """
    for name in (options.target, *options.parse_dates, *options.id, *options.category):
        if name not in names:
            raise InputError(
                f"{options.table} has no column {name!r}; it has {list_names(names)}.{_hint(options, names)}"
            )
    if len(set(names) - {"", options.target}) < 1:
        raise InputError(f"{options.table} must have a column besides {options.target!r}.")
    flag = getattr(options, "flag_column", None)
    if flag is not None and flag in names:
        raise InputError(f"{options.table} has a column {flag!r} already; choose another name.")


def _hint(options: Namespace, names: Sequence[str]) -> str:
    """Return what to do where the names look like several in one."""
    if len(names) > 1 or options.sep is not None and options.sep in names[0]:
        return ""
    found = max(";\t|,", key=names[0].count)
    if names[0].count(found):
        shown = "\\t" if found == "\t" else found
        return f' If these are several names in one, set --sep "{shown}".'
    return ""
