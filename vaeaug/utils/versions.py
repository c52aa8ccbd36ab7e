"""Which libraries are installed, and in which versions."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from vaeaug.errors import InputError

__all__ = ["check_pyarrow", "find_versions"]


def find_versions(names: Iterable[str], *, absent: str) -> dict[str, str]:
    """Return the versions of installed packages by name, without importing them.

    Parameters
    ----------
    names : iterable of str
        As the package index knows them.
    absent : str
        Stands for the version of a package that is not installed.

    Examples
    --------
    >>> from vaeaug.utils.versions import find_versions
    >>> find_versions(["surely-not-installed"], absent="unknown")
    {'surely-not-installed': 'unknown'}
    """
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = absent
    return found


def check_pyarrow(who: str) -> None:
    """Raise a sentence with the remedy where pyarrow is not installed.

    Raises
    ------
    InputError
    """
    if find_spec("pyarrow") is None:
        raise InputError(f"{who} needs pyarrow, which is not installed; run: pip install vaeaug[parquet]")
