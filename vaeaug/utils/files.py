"""Write a file whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vaeaug.errors import InputError
from vaeaug.utils.versions import check_pyarrow

__all__ = [
    "PARQUET",
    "SEPARATORS",
    "check_format",
    "check_outputs",
    "check_readable",
    "check_writable",
    "clear_temporaries",
    "is_temporary",
    "make_folder",
    "name_kind",
    "replace_file",
]

#: What stands between the cells of text files, by suffix.
SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")
_TEMPORARY = re.compile(r"^\..+\.[0-9a-f]{12}\.tmp$")


def check_format(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a table file, in lower case.

    Raises
    ------
    InputError
        If it is neither text nor Parquet, or pyarrow is not installed for the latter.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (*SEPARATORS, *PARQUET):
        raise InputError(
            f"{path} must end in .csv, .tsv or .parquet, which tells the format of the file; save tables of "
            "other programs as .csv."
        )
    if suffix in PARQUET:
        check_pyarrow(f"The format of {path}")
    return suffix


def check_readable(path: str | os.PathLike[str], what: str = "a table") -> None:
    """Refuse a path without a regular file.

    Raises
    ------
    InputError
    """
    kind = name_kind(path)
    if kind != "a file":
        found = "does not exist" if kind is None else f"is {kind}"
        raise InputError(f"{os.fspath(path)} {found}; give the path of {what}.")


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


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return a path if a file can be put there; to be asked before the long work.

    Raises
    ------
    InputError
        If it is there and no regular file, or lies in a folder that does not exist or cannot be written to.
    """
    target = Path(path)
    kind = name_kind(target)
    if kind is not None and kind != "a file":
        raise InputError(f"{target} is {kind}; give the path of a file to write.")
    real = os.path.realpath(target)
    if kind is not None and not os.path.exists(real):  # an open file that has no name any more
        raise InputError(f"{target} leads to a file without a name; give the path of a file to write.")
    parent = Path(real).parent
    if not parent.is_dir():
        raise InputError(f"{target} cannot be written: there is no folder {parent}; make it first.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{target} cannot be written: the folder {parent} is not yours to write to.")
    return target


def name_kind(path: str | os.PathLike[str]) -> str | None:
    """Return what a path leads to, such as "a file" (a regular one) or "a pipe"; None if there is nothing.

    Raises
    ------
    InputError
        If the system cannot look the path up: it is too long, or its links go round in a circle.

    Examples
    --------
    >>> import os
    >>> from vaeaug.utils.files import name_kind
    >>> name_kind(os.curdir), name_kind("nothing here")
    ('a folder', None)
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # a ValueError for a null character
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{os.fspath(path)!r} cannot be used as a path: {why}.") from error
    kinds = {
        stat.S_ISREG: "a file",
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a pipe",
        stat.S_ISSOCK: "a socket",
    }
    return next((noun for is_kind, noun in kinds.items() if is_kind(mode)), "a device")


def make_folder(path: str | os.PathLike[str], name: str = "", *, parents: bool = False) -> Path:
    """Make a folder if it is not there, and return it; its parent must be there, or is made too.

    Raises
    ------
    InputError
        If there is a file in its place, or it cannot be made; ``name`` is what the message calls it.
    """
    folder = Path(path)
    try:
        folder.mkdir(exist_ok=True, parents=parents)
    except OSError as error:
        raise InputError(f"{name or path} cannot be made a folder: {error.strerror or error}.") from error
    return folder


def is_temporary(name: str) -> bool:
    """Tell whether a file has the name of one that :func:`replace_file` had not finished."""
    return bool(_TEMPORARY.match(name))


def clear_temporaries(folder: str | os.PathLike[str]) -> None:
    """Remove what writers left in a folder that were killed."""
    for name in os.listdir(folder):
        if is_temporary(name):
            with suppress(OSError):
                Path(folder, name).unlink()


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside a file, and move it there when the block has ended well.

    When the block fails or is interrupted, what was at ``path`` stays as it was, and nothing else is left
    behind.

    Parameters
    ----------
    path : path-like
        A link is followed; a file that exists keeps its permissions.

    Yields
    ------
    Path
        Write here.

    Raises
    ------
    InputError
        If the path cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from vaeaug.utils.files import replace_file
    >>> path = pathlib.Path(tempfile.mkdtemp(), "note.txt")
    >>> with replace_file(path) as temporary:
    ...     written = temporary.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    target = Path(os.path.realpath(check_writable(path)))
    temporary = target.with_name(f".{target.name[:64]}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
