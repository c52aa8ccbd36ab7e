"""What ``vaeaug complete`` does."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import pandas as pd

from vaeaug.augmenter import VAEAugmenter, load
from vaeaug.cli.augment import drop_notes_on_text, listen, note, read_cells
from vaeaug.cli.labels import match_labels
from vaeaug.data.tables.numeric import NumericCodec
from vaeaug.errors import InputError
from vaeaug.model.fitted import get_fitted
from vaeaug.utils.wording import count, list_names, suggest

__all__ = ["complete", "name_draws"]


def name_draws(out: str, draws: int) -> list[str]:
    """Return the files to write: one, or one for each draw.

    Examples
    --------
    >>> from vaeaug.cli.complete import name_draws
    >>> name_draws("filled.csv", 1), name_draws("filled.csv", 2)
    (['filled.csv'], ['filled-1.csv', 'filled-2.csv'])
    """
    path = Path(out)
    if draws == 1:
        return [out]
    return [str(path.with_name(f"{path.stem}-{draw + 1}{path.suffix}")) for draw in range(draws)]


def complete(options: Namespace) -> None:
    """Write a table with its missing cells filled by a saved model.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.

    Raises
    ------
    InputError
        For files and columns that cannot be used; then nothing was written.
    """
    augmenter = load(options.model, device=options.device)
    table = read_cells(options, options.table)
    typed = _list_numeric_columns(augmenter)
    # What the model learned as text, read as dates or not, stays text.
    drop_notes_on_text(table, lambda texts: texts.name not in typed)
    for remark in table.notes:
        note(remark)
    frame, names = table.frame, list(getattr(augmenter, "feature_names_in_", []))
    lacking = [name for name in names if name not in frame]
    if lacking or not names:
        raise InputError(
            f"{options.table} lacks columns of the model: {list_names(lacking)}. Give a table with the "
            "columns of training."
            if names
            else f"{options.model} is no model of a table with named columns; give one of vaeaug augment."
        )
    wanted = _read_columns(options, names)
    before = int(frame[wanted].isna().sum().sum())
    labels = _read_classes(augmenter, frame)
    augmenter.set_params(verbose=int(sys.stderr.isatty()))
    with listen(augmenter):
        made = augmenter.complete(
            frame[names], labels, columns=wanted, draws=options.draws, random_state=options.seed
        )
    for path, filled in zip(
        name_draws(options.out, options.draws), made if options.draws > 1 else [made], strict=True
    ):
        table.fill(path, filled)
        left = int(filled[wanted].isna().sum().sum())
        print(
            f"Wrote {path}: {count(len(frame), 'row')}, {count(before - left, 'missing cell')} filled"
            + (
                f", {left:,} left missing (identifiers, and columns without values in training)"
                if left
                else ""
            )
        )


def _read_columns(options: Namespace, names: list[str]) -> list[str]:
    """Return the columns to fill."""
    wanted: list[str] = options.column or names
    for name in wanted:
        if name not in names:
            raise InputError(
                f"--column names {name!r}, which is no column of the model; it has {list_names(names)}."
                f"{suggest(name, names)}"
            )
    return wanted


def _list_numeric_columns(augmenter: VAEAugmenter) -> list[str]:
    """Return the columns that had the type of numbers or dates in training."""
    codec = get_fitted(augmenter).codec
    names = getattr(augmenter, "feature_names_in_", [])
    return [name for j, name in enumerate(names) if isinstance(codec.get_view(j), NumericCodec)]


def _read_classes(augmenter: VAEAugmenter, frame: pd.DataFrame) -> pd.Series | None:
    """Return the class of each row, missing where unknown, and say so; None where the table has none."""
    name = get_fitted(augmenter).context.name_
    if name is None or name not in frame or frame[name].isna().all():
        return None
    unknown = int(frame[name].isna().sum())
    rest = f", which {count(unknown, 'row')} {'lacks' if unknown == 1 else 'lack'}" if unknown else ""
    print(f"Missing cells are drawn given the class in {name!r}{rest}")
    labels = get_fitted(augmenter).context.classes_
    return frame[name] if labels is None else match_labels(frame[name], labels)
