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

__all__ = ["check_writable", "clear_temporaries", "is_temporary", "name_kind", "staged"]

_TEMPORARY = re.compile(r"^\..+\.[0-9a-f]{12}\.tmp$")


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
    >>> from vaeaug.files import name_kind
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


def is_temporary(name: str) -> bool:
    """Tell whether a file has the name of one that :func:`staged` had not finished."""
    return bool(_TEMPORARY.match(name))


def clear_temporaries(folder: str | os.PathLike[str]) -> None:
    """Remove what writers left in a folder that were killed."""
    for name in os.listdir(folder):
        if is_temporary(name):
            with suppress(OSError):
                Path(folder, name).unlink()


@contextmanager
def staged(path: str | os.PathLike[str]) -> Iterator[Path]:
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
    >>> from vaeaug.files import staged
    >>> path = pathlib.Path(tempfile.mkdtemp(), "note.txt")
    >>> with staged(path) as temporary:
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
