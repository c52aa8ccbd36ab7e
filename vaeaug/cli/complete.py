"""What ``vaeaug complete`` does."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from vaeaug.augmenter import load
from vaeaug.cli.augment import note, read_cells
from vaeaug.errors import InputError
from vaeaug.io.tables import write_frame
from vaeaug.utils.wording import count, list_names

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
    before = int(frame[names].isna().sum().sum())
    made = augmenter.complete(frame[names], draws=options.draws, random_state=options.seed)
    for path, filled in zip(
        name_draws(options.out, options.draws), made if options.draws > 1 else [made], strict=True
    ):
        whole = frame.copy()
        whole[names] = filled
        write_frame(path, whole)
        left = int(filled.isna().sum().sum())
        print(
            f"Wrote {path}: {count(len(whole), 'row')}, {count(before - left, 'missing cell')} filled"
            + (
                f", {left:,} left missing (identifiers, and columns without values in training)"
                if left
                else ""
            )
        )
