"""Lines of Python that read a table as the command line did."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pandas as pd

from vaeaug.io.tables import TableFile
from vaeaug.utils.files import SEPARATORS, check_format

__all__ = ["write_reading"]


def write_reading(options: Namespace, table: TableFile) -> str:
    """Return lines that read the rows X and the classes y of a table, with names of pandas alone.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.
    table : TableFile
        What was read.
    """
    if table.text is None or table.spelling is None or check_format(options.table) not in SEPARATORS:
        lines = [f"table = pd.read_parquet({options.table!r})"]
    else:
        arguments = "".join(f", {name}={value!r}" for name, value in _find_arguments(options, table).items())
        lines = [f"table = pd.read_csv({options.table!r}{arguments})"]
        # As pandas calls a column without a name.
        nameless = {f"Unnamed: {j}": "" for j, name in enumerate(table.text.names) if not name}
        lines += [f"table = table.rename(columns={nameless!r})"] * bool(nameless)
        lines += [
            f"table[{name!r}] = pd.to_datetime(table[{name!r}], format={column.style!r})"
            for name, column in zip(table.text.names, table.spelling, strict=True)
            if column.style
        ]
    target = options.target
    lines.append(f"X, y = table.drop(columns=[{target!r}]), table[{target!r}]")
    return "".join(f"{line}\n" for line in ["import pandas as pd", *lines])


def _find_arguments(options: Namespace, table: TableFile) -> dict[str, Any]:
    """Return what pandas has to be told of a text file."""
    text, columns = table.text, table.spelling or []
    assert text is not None
    decimals, thousands = ({getattr(each, name) for each in columns} for name in ("decimal", "thousands"))
    # Such as 007, which pandas would take for numbers.
    codes = [name for name, each in zip(text.names, columns, strict=True) if _is_code(each.values)]
    found = {
        "sep": None if text.separator == "," else text.separator,
        "encoding": options.encoding,
        "decimal": "," if "," in decimals else None,
        "thousands": next(iter(thousands - {None}), None),
        "na_values": list(options.missing) or None,
        "dtype": dict.fromkeys(codes, "str"),
    }
    return {name: value for name, value in found.items() if value}


def _is_code(values: pd.Series) -> bool:
    """Whether text looks like numbers to pandas."""
    if not (pd.api.types.is_object_dtype(values) or pd.api.types.is_string_dtype(values)):
        return False
    return bool(pd.to_numeric(values.dropna(), errors="coerce").notna().all())
