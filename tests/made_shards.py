"""A small model of a table, and what the tests of shards look at."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vaeaug.sharding.worker
from vaeaug import VAEAugmenter


def made_rows(rows: int = 50) -> tuple[pd.DataFrame, pd.Series]:
    """Return rows of several dtypes, a fifth of them of class "yes"; few have a note."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=rows),
            "count": pd.array(rng.integers(0, 9, rows), dtype="Int16"),
            "note": np.where(rng.random(rows) < 0.1, "seen", None),
            "kind": pd.Categorical(rng.choice(["a", "b"], rows), categories=["a", "b", "unused"]),
        }
    )
    return frame, pd.Series(["no", "no", "no", "no", "yes"] * (rows // 5), name="label")


def made_model(seed: int = 0, **parameters: object) -> VAEAugmenter:
    """Return an augmenter that has learned ``made_rows`` for a moment."""
    return VAEAugmenter(max_iter=1, random_state=seed, device="cpu", **parameters).fit(*made_rows())


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all shards by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def forbid_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid this process to write shards, so that workers must have done it."""

    def forbidden(*_: object) -> None:
        raise AssertionError("written in the process of the test")

    monkeypatch.setattr(vaeaug.sharding.worker, "write_parquet", forbidden)
