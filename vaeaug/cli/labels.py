"""Labels of the command line: a file may hold 1 where the model knows "1"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from vaeaug.errors import InputError, UnknownLabelError
from vaeaug.utils.wording import list_names, suggest

__all__ = ["find_label", "match_labels"]


def find_label(text: str, labels: Iterable[Any] | None) -> Any:
    """Return the label that a text of the command line means.

    Raises
    ------
    InputError
        Where there are no labels.
    UnknownLabelError
        Where none of them is written so.

    Examples
    --------
    >>> from vaeaug.cli.labels import find_label
    >>> find_label("1", [0, 1]), find_label("1", [0.0, 1.0]), find_label("true", [False, True])
    (1, 1.0, True)
    """
    if labels is None:
        raise InputError("The model was fitted without classes; leave --label out.")
    plain = [_plain(label) for label in labels]
    for label in plain:
        if str(label) == text:
            return label
    known = _index(plain)
    if _spell(text) in known:
        return known[_spell(text)]
    raise UnknownLabelError(
        f"There is no class {text!r}; there are {list_names(plain)}.{suggest(text, plain)}"
    )


def match_labels(y: pd.Series, labels: Iterable[Any]) -> pd.Series:
    """Return a column of classes with those of a model in the place of labels that differ by type only.

    Labels that the model does not have stay as they are. So do all where two mean the same.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.cli.labels import match_labels
    >>> match_labels(pd.Series([0, 1, 1, 2]), ["0", "1"]).tolist()
    ['0', '1', '1', 2]
    """
    own, known = list(labels), _index(labels)
    found = [_plain(label) for label in y.dropna().unique()]
    if set(found) <= set(own) or len(_index(found)) < len(found):
        return y
    return y.map(lambda label: known.get(_spell(label), label), na_action="ignore")


def _index(labels: Iterable[Any]) -> dict[str, Any]:
    """Return labels by how they are written; nothing where two are written alike."""
    plain = [_plain(label) for label in labels]
    known = {_spell(label): label for label in plain}
    return known if len(known) == len(plain) else {}


def _plain(label: Any) -> Any:
    return label.item() if hasattr(label, "item") else label


def _spell(label: Any) -> str:
    """Return how a label is written, whatever its type: ``1`` for 1, 1.0, "1" and "1.0"."""
    text = str(label)
    if text.casefold() in ("true", "false"):
        return text.casefold()
    for read in (int, float):
        try:
            number = read(text)
            return str(int(number)) if number == number // 1 else repr(number)
        except ValueError:
            continue
    return text
