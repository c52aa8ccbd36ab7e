"""Which libraries are installed, and in which versions."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType

from vaeaug.errors import InputError, LibraryError
from vaeaug.utils.wording import first_line

__all__ = [
    "LIBRARIES",
    "check_installed",
    "check_pyarrow",
    "check_same_versions",
    "find_versions",
    "import_torchvision",
]


#: What decides which rows a model learns and makes.
LIBRARIES = ("vaeaug", "pyarrow", "numpy", "pandas", "torch")


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


def check_installed(module: str, package: str, extra: str) -> None:
    """Raise a sentence with the remedy where an optional package is not installed.

    Parameters
    ----------
    module : str
        What is imported of it, such as ``"dask"``.
    package : str
        What messages call it.
    extra : str
        Of vaeaug, which installs it.

    Raises
    ------
    InputError
    """
    if find_spec(module) is None:
        raise InputError(f"{package} is not installed; run: pip install vaeaug[{extra}]")


def import_torchvision(part: str = "") -> ModuleType:
    """Import torchvision, or a part of it such as ``"tv_tensors"``.

    Raises
    ------
    LibraryError
        If it is not installed, or was not built for the torch beside it, which its import finds out.

    Examples
    --------
    >>> from vaeaug.utils.versions import import_torchvision
    >>> import_torchvision("tv_tensors").__name__
    'torchvision.tv_tensors'
    """
    if find_spec("torchvision") is None:
        raise LibraryError(
            "torchvision is not installed; from where torch was installed, run: pip install torchvision"
        )
    try:
        return import_module(f"torchvision.{part}" if part else "torchvision")
    except Exception as error:  # which one depends on what it misses first
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("torch"):
            raise
        import torch

        own = find_versions(["torchvision"], absent="unknown")["torchvision"]
        raise LibraryError(
            f"torch {torch.__version__} and torchvision {own} are of different builds or versions: "
            f"{first_line(error)} Install both from one index: "
            "pip install --force-reinstall torch torchvision"
        ) from error


def check_same_versions(expected: Mapping[str, str]) -> None:
    """Refuse to work beside a process that has other versions of some libraries.

    What follows a ``+``, such as the CUDA that torch was built for, is not compared.

    Parameters
    ----------
    expected : mapping of str to str
        Package to its version in the process that asks for the work.

    Raises
    ------
    InputError

    Examples
    --------
    >>> from vaeaug.utils.versions import check_same_versions, find_versions
    >>> check_same_versions(find_versions(["numpy"], absent="unknown"))
    """
    for name, found in find_versions(expected, absent="unknown").items():
        if found.partition("+")[0] != expected[name].partition("+")[0]:
            raise InputError(
                f"The worker on {socket.gethostname()} has {name} {found}, and the process that asks for the "
                f"work has {expected[name]}: rows could differ. Install the same version everywhere."
            )
