"""The state of an unfinished fit on disk, from which the same call goes on."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vaeaug.errors import ArchiveError, InputError, VaeaugWarning
from vaeaug.io import archive
from vaeaug.utils.files import clear_temporaries, make_folder
from vaeaug.utils.wording import first_line

__all__ = ["Checkpoints", "Stage"]

_STAGES = ("network", "prior")
#: Seconds after which another machine must see a file.
_LATE = 3.0
#: What a sentence calls an entry of the identity.
_WORDS = {"seed": "with another random_state", "data": "on other data", "processes": "by other processes"}


class Checkpoints:
    """A folder with the state of each stage of one fit.

    Parameters
    ----------
    path : path-like
        Made if it is not there; its parent must be.

    Raises
    ------
    InputError
        If there is a file in its place, or it cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._identity: dict[str, Any] = {}
        make_folder(path, f"checkpoint_dir={str(path)!r}")

    def seed(self) -> int | None:
        """Return the seed of the fit that was begun here, or None."""
        for name in _STAGES:
            if self.file(name).exists():
                return int(archive.read(self.file(name))[0]["identity"]["seed"])
        return None

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Say whose states these are to be, and clear away what a dead writer left.

        Parameters
        ----------
        identity : mapping
            All that decides the weights, JSON-able.

        Raises
        ------
        InputError
            If the folder holds the state of another fit.
        """
        self._identity = json.loads(json.dumps(dict(identity)))
        for name in _STAGES:
            if self.file(name).exists():
                self._compare(archive.read(self.file(name))[0]["identity"])
        clear_temporaries(self.path)

    def leave_probe(self) -> str:
        """Write a file by which other processes tell that they see this folder; return its name.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        name = f"probe-{uuid.uuid4().hex}"
        try:
            (self.path / name).touch()
        except OSError as error:
            raise InputError(
                f"checkpoint_dir={str(self.path)!r} cannot be written to: {first_line(error)} Give another "
                "folder."
            ) from error
        return name

    def find_probe(self, name: str) -> None:
        """Check that another process's file is in this folder; on network drives it may come late.

        Raises
        ------
        InputError
        """
        end = time.monotonic() + _LATE
        while not (self.path / name).exists():
            if time.monotonic() > end:
                raise InputError(
                    f"The process on {socket.gethostname()} does not see in "
                    f"checkpoint_dir={str(self.path)!r} what another one has written there. Give a folder "
                    "that all processes share."
                )
            time.sleep(0.1)

    def take_probe(self, name: str) -> None:
        """Remove the file that :meth:`leave_probe` wrote."""
        (self.path / name).unlink(missing_ok=True)

    def file(self, stage: str) -> Path:
        """Return the path of the state of a stage."""
        return self.path / f"{stage}.safetensors"

    def stage(self, name: str) -> Stage:
        """Return where a training run keeps its state."""
        return Stage(self.file(name), self._identity)

    def _compare(self, found: Mapping[str, Any]) -> None:
        theirs, ours = _flat(found), _flat(self._identity)
        for key in {**ours, **theirs}:
            if theirs.get(key) != ours.get(key):
                what = _WORDS.get(key, f"with {key}={theirs.get(key)!r} instead of {ours.get(key)!r}")
                raise InputError(
                    f"checkpoint_dir={str(self.path)!r} holds the state of another fit: {what}. Give another "
                    "folder, or delete that one to begin anew."
                )


class Stage:
    """The state of one training run in one file, replaced as a whole.

    Parameters
    ----------
    path : Path
    identity : mapping
        Stored beside the state.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self._path, self._identity = path, dict(identity)
        self._warned = False

    def load(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Return what was saved last, or None.

        Raises
        ------
        ArchiveError
            If the file is damaged.
        """
        if not self._path.exists():
            return None
        manifest, arrays = archive.read(self._path)
        return manifest["state"], arrays

    def save(self, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Put a state in the place of the one before.

        Warns
        -----
        VaeaugWarning
            If it cannot be written, once; the one before stays, and training goes on.
        """
        try:
            archive.write(self._path, {"identity": self._identity, "state": meta}, arrays)
        except ArchiveError as error:
            if not self._warned:
                warnings.warn(
                    f"The state of this fit cannot be kept: {error} Training goes on; the state written "
                    "before stays valid.",
                    VaeaugWarning,
                    stacklevel=2,
                )
            self._warned = True


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of an identity with those of its parameters among them."""
    return {**{k: v for k, v in identity.items() if k != "parameters"}, **identity.get("parameters", {})}
