"""One file for a fitted model: arrays as safetensors, the rest as JSON in its header; never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from vaeaug.errors import ArchiveError, InputError
from vaeaug.utils.files import check_readable, replace_file
from vaeaug.utils.versions import find_versions

__all__ = ["FORMAT", "fingerprint", "read", "write"]

FORMAT = 1
_KEY = "vaeaug"
_LIBRARIES = ("vaeaug", "numpy", "pandas", "scikit-learn", "torch", "safetensors")
_KINDS = "biufc"  # booleans, integers, floats, complex


def write(
    path: str | os.PathLike[str], manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write a manifest and arrays to one file, or leave the file that was there as it was.

    Everything goes to a temporary file in the same folder first, which then takes the
    place of the old one, so that an interrupted write loses nothing.

    Parameters
    ----------
    path : path-like
        Must lie in a folder that exists.
    manifest : mapping
        What JSON can hold: mappings with string keys, sequences, strings, numbers,
        booleans, None. Tuples come back as lists, numpy scalars as Python's.
    arrays : mapping of str to ndarray
        Of any shape; booleans, integers, floats or ``complex64``.

    Raises
    ------
    ArchiveError
        If something cannot be stored, or the path cannot be written.
    """
    stored = {name: _storable(name, array) for name, array in arrays.items()}
    text = json.dumps(_jsonable(manifest, "manifest"), ensure_ascii=False)
    header = {
        "format": FORMAT,
        "versions": _versions(),
        "digest": _digest(text, stored),
        "manifest": text,
    }
    content = safetensors.numpy.save(stored, metadata={_KEY: json.dumps(header)})
    _replace(path, content)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what :func:`write` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    manifest : dict
    arrays : dict of str to ndarray
        Writable copies, independent of the file.

    Raises
    ------
    ArchiveError
        If there is no such file, or it is damaged, not one of ours, or of a newer format.
    """
    path = Path(path)
    header, arrays = _load(path)
    written = header.get("format")
    if not isinstance(written, int):
        raise _explain_damage(path)
    if written > FORMAT:
        versions = header.get("versions")
        writer = versions.get("vaeaug") if isinstance(versions, dict) else None
        raise ArchiveError(
            f"{path} has file format {written}, written by vaeaug {writer}; this is vaeaug "
            f"{_versions()['vaeaug']}, which reads formats up to {FORMAT}. Install a newer vaeaug."
        )
    text = header.get("manifest")
    if not isinstance(text, str) or header.get("digest") != _digest(text, arrays):
        raise _explain_damage(path)
    return json.loads(text), arrays


def fingerprint(manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return a digest of a manifest and arrays: equal content, equal digest, in every process.

    Parameters
    ----------
    manifest, arrays : as :func:`write` takes or :func:`read` returns them

    Raises
    ------
    ArchiveError
        If something could not be stored.

    Examples
    --------
    >>> import numpy as np
    >>> from vaeaug.io.archive import fingerprint
    >>> fingerprint({"a": (1, 2)}, {"w": np.zeros(2)}) == fingerprint({"a": [1, 2]}, {"w": np.zeros(2)})
    True
    """
    text = json.dumps(_jsonable(manifest, "manifest"), ensure_ascii=False, sort_keys=True)
    return _digest(text, {name: _storable(name, array) for name, array in arrays.items()})


def _load(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        check_readable(path, "a file that save() wrote")
    except InputError as error:
        raise ArchiveError(str(error)) from error
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise _name_foreign(path, "a safetensors file, but no model")
            arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        header = json.loads(metadata[_KEY])
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (safetensors.SafetensorError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise (_explain_damage(path) if _may_be_ours(path) else _name_foreign(path, "no model")) from error
    if not isinstance(header, dict):
        raise _explain_damage(path)
    return header, arrays


def _may_be_ours(path: Path) -> bool:
    """Tell whether a file begins as safetensors do: with the length of a header, in 8 bytes, and a brace."""
    with path.open("rb") as file:
        start = file.read(9)
    return not any(start[4:8]) and start[8:] in (b"", b"{")


def _name_foreign(path: Path, what: str) -> ArchiveError:
    return ArchiveError(
        f"{path} is {what} of vaeaug. Give the file that save() wrote, or vaeaug augment --model-out."
    )


def _explain_damage(path: Path) -> ArchiveError:
    return ArchiveError(
        f"{path} is damaged, or is not a file that vaeaug wrote; save the model again or take another copy."
    )


def _replace(path: str | os.PathLike[str], content: bytes) -> None:
    """Put content at a path in one move."""
    try:
        with replace_file(path) as temporary:
            temporary.write_bytes(content)
    except InputError as error:
        raise ArchiveError(str(error)) from error


def _storable(name: str, array: np.ndarray) -> np.ndarray:
    """Return an array laid out as the file wants it: native byte order, rows first, without gaps."""
    array = np.asarray(array)
    if array.dtype.kind not in _KINDS or array.dtype.name in ("longdouble", "float128", "complex128"):
        raise ArchiveError(
            f"The array {name!r} cannot be saved: its dtype is {array.dtype}; allowed are booleans, "
            "integers, floats up to 64 bits, and complex64."
        )
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def _jsonable(value: Any, where: str) -> Any:
    """Return a copy that JSON gives back as it is; refuse what it would change or cannot hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_jsonable(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ArchiveError(f"{where} cannot be saved: its key {key!r} is not a string.")
        return {key: _jsonable(item, f"{where}[{key!r}]") for key, item in value.items()}
    raise ArchiveError(
        f"{where} cannot be saved: it is a {type(value).__name__}; allowed are mappings, sequences, "
        "strings, numbers, booleans and None."
    )


def _digest(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return a fingerprint of the content; safetensors itself does not notice a flipped byte."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.name}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    """Return versions of the libraries that a model depends on, without importing them."""
    return {"python": python_version(), **find_versions(_LIBRARIES, absent="unknown")}
