"""A folder of shards: which there are, which are written, and whose they are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaeaug.errors import InputError
from vaeaug.io.parquet import is_whole
from vaeaug.utils.files import clear_temporaries, is_temporary, make_folder, replace_file
from vaeaug.utils.versions import LIBRARIES, find_versions

__all__ = ["FORMAT", "MANIFEST", "MODEL", "ShardFolder", "Shards"]

FORMAT = 1
#: Readers of Parquet folders pass over names that begin with an underscore or a dot.
MANIFEST = "_vaeaug.json"
MODEL = "_model.safetensors"

#: What a sentence calls an entry of the manifest.
_WORDS = {
    "made_by": "another method",
    "model": "another model",
    "seed": "another seed",
    "n_samples": "another number of rows",
    "shard_size": "another shard_size",
    "y": "other labels",
    "rows": "other rows per class",
    "target": "another target",
    "columns": "other columns",
}


@dataclass(frozen=True)
class Shards:
    """Rows cut into numbered parts of equal size, the last one shorter.

    Parameters
    ----------
    n_samples : int
        Rows in all; 0 or more.
    shard_size : int
        Rows per shard.

    Examples
    --------
    >>> from vaeaug.sharding.folder import Shards
    >>> shards = Shards(1_000_000_000, 300_000)
    >>> shards.count, shards.rows(0), shards.rows(3333)
    (3334, 300000, 100000)
    """

    n_samples: int
    shard_size: int

    @property
    def count(self) -> int:
        """Number of shards."""
        return -(-self.n_samples // self.shard_size)

    def start(self, shard: int) -> int:
        """Return the number of the first row of a shard."""
        return shard * self.shard_size

    def rows(self, shard: int) -> int:
        """Return how many rows a shard has."""
        return min(self.shard_size, self.n_samples - self.start(shard))


@dataclass(frozen=True)
class ShardFolder(Shards):
    """Shards as files of a folder.

    Nothing in here grows with the number of rows.

    Parameters
    ----------
    n_samples, shard_size : int
        As of :class:`Shards`.
    path : Path

    Examples
    --------
    >>> from pathlib import Path
    >>> from vaeaug.sharding.folder import ShardFolder
    >>> folder = ShardFolder(1_000_000_000, 300_000, Path("out"))
    >>> folder.file(7).name
    'part-00007.parquet'
    """

    path: Path

    def file(self, shard: int) -> Path:
        """Return the path of a shard; sorted by name, shards come in order."""
        return self.path / f"part-{shard:0{max(5, len(str(self.count - 1)))}d}.parquet"

    def has(self, shard: int) -> bool:
        """Tell whether a shard is written, whole."""
        return is_whole(self.file(shard), self.rows(shard))

    def read_manifest(self) -> dict[str, Any] | None:
        """Return the manifest, or None where this is a new or empty folder.

        Raises
        ------
        InputError
            If this is not a folder, holds foreign files, or its manifest cannot be read.
        """
        if not self.path.exists():
            return None
        if not self.path.is_dir():
            raise InputError(f"{self.path} is a file; give the path of a folder for the shards.")
        manifest = self.path / MANIFEST
        if not manifest.exists():
            foreign = [name for name in os.listdir(self.path) if name != MODEL and not is_temporary(name)]
            if foreign:
                raise InputError(
                    f"{self.path} holds files that are no shards of vaeaug, such as {min(foreign)}; give a "
                    "new or empty folder."
                )
            return None
        try:
            found = json.loads(manifest.read_text(encoding="utf-8"))
            written = int(found["format"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{manifest} cannot be read, so nobody knows whose shards these are; give another folder."
            ) from error
        if written > FORMAT:
            raise InputError(
                f"{manifest} was written by a newer vaeaug; install that, or give another folder."
            )
        return dict(found)

    def claim(self, plan: Mapping[str, Any]) -> None:
        """Make the folder that of a plan, or check that it is, and clear away what dead writers left.

        Parameters
        ----------
        plan : mapping
            All that decides the rows, JSON-able; written as ``_vaeaug.json`` together with the versions of
            the libraries, which decide the bytes.

        Raises
        ------
        InputError
            If the folder is that of another plan, or cannot be made or written.
        """
        found = self.read_manifest()
        if found is None:
            make_folder(self.path)
            content = {"format": FORMAT, **plan, "versions": find_versions(LIBRARIES, absent="unknown")}
            with replace_file(self.path / MANIFEST) as temporary:
                temporary.write_text(
                    json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
                )
        else:
            self._compare(found, json.loads(json.dumps(dict(plan))))
        clear_temporaries(self.path)

    def _compare(self, found: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        for key in {**plan, **found}:
            if key in ("format", "versions") or found.get(key) == plan.get(key):
                continue
            raise InputError(
                f"{self.path} holds shards of {_WORDS.get(key, f'another {key}')} ({found.get(key)!r} there, "
                f"{plan.get(key)!r} in this call); give another folder, or delete that one."
            )
