"""What the command line asks of a table, checked before anything slow is imported."""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from vaeaug.errors import InputError
from vaeaug.io.csv import read_names, suggest_separator
from vaeaug.utils.files import SEPARATORS, check_format, check_outputs, check_readable
from vaeaug.utils.wording import list_names, suggest

__all__ = ["check_columns", "check_table", "read_conditions"]

_CONDITION = re.compile(r"(==|!=|<=|>=|<|>)\s*\S.*|is (not )?missing|in\s+(?P<listed>\S.*)", re.DOTALL)


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
    """Refuse options that name a column which is not there, or one that is, and rules that cannot be read.

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
                f"{options.table} has no column {name!r}; it has {list_names(names)}."
                + (suggest_separator(names, options.sep) or suggest(name, names))
            )
    if len(set(names) - {"", options.target}) < 1:
        raise InputError(f"{options.table} must have a column besides {options.target!r}.")
    flag = getattr(options, "flag_column", None)
    if flag is not None and flag in names:
        raise InputError(f"{options.table} has a column {flag!r} already; choose another name.")
    if options.relation:
        _check_relations(options, names)


def _check_relations(options: Namespace, names: Sequence[str]) -> None:
    from vaeaug.data.relations.parsing import parse_relations

    for relation in parse_relations(options.relation, names):
        if options.target in relation.columns:
            raise InputError(
                f"relations: {str(relation)!r} names {options.target!r}, the column of classes. Name the "
                "other columns only: what belongs to a class is learned without a rule."
            )


def _refuse_several(text: str, names: Sequence[str]) -> None:
    """Refuse two conditions in one text; a number may have two ends, as in ``age >= 40 and < 60``."""
    columns = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    begins = rf"(?:{columns})\s*(?:==|!=|<|>|\bis\b|\bin\b)"
    parts = re.split(rf"\s+(?:and|AND|&&?)\s+(?={begins})", text.strip())
    if len(parts) > 1 and re.match(begins, parts[0]):
        raise InputError(
            f"--where {text!r} holds {len(parts)} conditions; give --where once for each: "
            f"{' '.join(f'--where {_quote(part)}' for part in parts)}."
        )


def _quote(text: str) -> str:
    return shlex.quote(text) if set(text) & set('"$`\\!') else f'"{text}"'


def read_conditions(
    texts: Sequence[str], names: Sequence[str], targets: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Return conditions on columns as :meth:`vaeaug.VAEAugmenter.sample` takes them; None for none.

    Parameters
    ----------
    texts : sequence of str
        ``"age >= 40"``, ``"city == Paris"``, ``"job in nurse, clerk"``, ``"fee is missing"``.
    names : sequence of str
        Columns of the model.
    targets : sequence of str
        What it calls its classes.

    Raises
    ------
    InputError

    Examples
    --------
    >>> from vaeaug.cli.options import read_conditions
    >>> read_conditions(["age >= 40", "age < 60", "job in nurse, clerk"], ["age", "job"])
    {'age': '>= 40 and < 60', 'job': ['nurse', 'clerk']}
    """
    if texts and not len(names):
        raise InputError("--where needs a model of a table with column names; fit one, or leave --where out.")
    found: dict[str, Any] = {}
    for text in texts:
        _refuse_several(text, [*names, *targets])
        # A name may hold signs and spaces: the longest that fits is meant.
        fitting = [name for name in names if text.strip().startswith(name)]
        name = max(fitting, key=len, default="")
        rest = text.strip()[len(name) :].strip()
        form = _CONDITION.fullmatch(rest)
        if not fitting or form is None:
            meant = suggest(re.split(r"[^\w ]", text)[0].strip(), names)
            for target in targets:
                if text.strip().startswith(target):
                    meant = f" {target!r} holds the classes; ask for one with --label."
            raise InputError(
                f"--where {text!r} is no condition on a column of the model, such as 'age >= 40', "
                "'city == Paris', 'job in nurse, clerk' or 'fee is missing'; "
                f"the columns are {list_names(names)}.{meant}"
            )
        value: Any = rest
        if form["listed"] is not None:
            value = [one.strip(" '\"") for one in form["listed"].strip(" ()").split(",")]
        if name in found:
            if not isinstance(value, str) or not isinstance(found[name], str) or rest.startswith("is"):
                raise InputError(f"--where has two conditions on {name!r} that do not go together: {text!r}.")
            value = f"{found[name]} and {value}"
        found[name] = value
    return found or None
