"""One shard of a folder: what a worker does, in whatever process or machine it runs."""

from __future__ import annotations

import socket
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from vaeaug.errors import InputError
from vaeaug.io import archive
from vaeaug.io.parquet import write_parquet
from vaeaug.model.fitted import FittedState, get_fitted
from vaeaug.model.generate import SamplingOptions, sample
from vaeaug.model.state import from_state, to_state
from vaeaug.sharding.folder import ShardFolder, Shards
from vaeaug.training.runtime import Runtime, limit_threads
from vaeaug.utils.choices import Device
from vaeaug.utils.frames import as_arrow, to_pandas
from vaeaug.utils.random import derive_seed
from vaeaug.utils.versions import LIBRARIES, check_same_versions, find_versions

__all__ = [
    "Job",
    "examples",
    "fingerprint",
    "forget",
    "make_pieces",
    "remember",
    "with_labels",
    "write_shard",
]

#: Entries of a saved model that change no row: how it was trained, and how long that took.
_IRRELEVANT = {"parameters", "history", "seed"}
_MOST_MODELS = 2
#: Cells that are made at a time, a row group each; a worker then needs 100 MB beside what it has imported.
_CELLS, _LEAST_ROWS = 250_000, 500

#: The file of a model, or what it would hold.
ModelSource = Path | tuple[dict[str, Any], dict[str, np.ndarray]]

# A process keeps the models it has met, so that each is loaded once.
_models: OrderedDict[str, FittedState] = OrderedDict()
# torch's global stream and number of threads, which a model sets and puts back, are for one thread at a time.
_turn = threading.RLock()


@dataclass(frozen=True)
class Job:
    """All that decides some shards; of a folder, small enough to be sent with each of them.

    Parameters
    ----------
    kind : type
        Class of the augmenter.
    fingerprint : str
        Of the model, see :func:`fingerprint`.
    device : str or torch.device
        Where workers run the model.
    shards : Shards
        A :class:`ShardFolder` where they are files.
    seed : int
    method : str
    temperature : float
    schema : pyarrow.Schema
        Columns and types of the files.
    model : Path or (dict, dict of ndarray)
        The file of the model, or what it would hold.
    target : str or None
        Name of the label column, if it is not to be that of fit.
    versions : mapping of str to str
        Libraries that the workers must have, in these versions.
    """

    kind: type
    fingerprint: str
    device: Device
    shards: Shards
    seed: int
    method: str
    temperature: float
    schema: Any
    model: ModelSource
    target: str | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: find_versions(LIBRARIES, absent="unknown"))


def write_shard(job: Job, shard: int, y: Any) -> int:
    """Make the rows of one shard and write them; return how many.

    The rows depend on the job, the number of the shard and its labels, and on nothing else: not on the
    process, the order, or the shards before it.

    Parameters
    ----------
    job : Job
    shard : int
    y : Series, DataFrame or None
        Labels of the rows of this shard, or one for all; None draws them at their training frequencies.

    Raises
    ------
    InputError
        If the file cannot be written; the shards written before stay valid.
    """
    folder = cast(ShardFolder, job.shards)
    with _turn:
        # Fails in a process that does not see the folder, before anything is made.
        _load_model(job)
    try:
        write_parquet(folder.file(shard), make_pieces(job, shard, y), job.schema)
    except (InputError, OSError) as error:
        raise InputError(
            f"{str(error).rstrip('.')}. The shards already in {folder.path} are whole and stay valid; "
            "make room or mend what is wrong, then do the same call again: it goes on with the missing ones."
        ) from error
    return folder.rows(shard)


def make_pieces(job: Job, shard: int, y: Any) -> Iterator[Any]:
    """Yield the rows of a shard as Arrow tables, each so small that memory does not grow with the shard.

    Parameters
    ----------
    job, shard, y : as of :func:`write_shard`
    """
    rows = job.shards.rows(shard)
    size = max(_LEAST_ROWS, _CELLS // len(job.schema))
    for piece, start in enumerate(range(0, rows, size)):
        n = min(size, rows - start)
        labels = y if y is None or len(y) == 1 else y.iloc[start : start + n].reset_index(drop=True)
        # Wider than an integer seed, or two of ten thousand shards would soon be the same.
        seed = np.random.SeedSequence([job.seed, shard, piece])
        with _turn, limit_threads(1):
            fitted = _load_model(job)
            options = SamplingOptions(job.method, job.temperature)
            X, made = sample(fitted, n, labels, options, partial(derive_seed, seed))
        X = fitted.intake.rename(X, job.shards.start(shard) + start)
        yield as_arrow(with_labels(X, made, job.target), job.schema)


def fingerprint(augmenter: Any) -> str:
    """Return a digest of all that decides the rows a model makes; a saved and loaded model has the same."""
    manifest, arrays = to_state(augmenter)
    return _fingerprint(manifest, arrays)


def _fingerprint(manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    return archive.fingerprint({k: v for k, v in manifest.items() if k not in _IRRELEVANT}, arrays)


def remember(key: str, fitted: FittedState) -> None:
    """Let workers in this process use a model that is in memory already."""
    with _turn:
        _models[key] = fitted
        _models.move_to_end(key)
        while len(_models) > _MOST_MODELS:
            _models.popitem(last=False)


def forget(key: str) -> None:
    """Let go of a model."""
    with _turn:
        _models.pop(key, None)


def _load_model(job: Job) -> FittedState:
    """Return the model of a job; the first time in a process it is read, and the versions are compared."""
    found = _models.get(job.fingerprint)
    if found is None:
        check_same_versions(job.versions)
        manifest, arrays = _read_model(job)
        found = get_fitted(from_state(job.kind, manifest, arrays, job.device, Runtime(job.device)))
        remember(job.fingerprint, found)
    return found


def _read_model(job: Job) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the state of the model of a job, from its file if it is in one."""
    if isinstance(job.model, tuple):
        return job.model
    path = job.model
    if not path.exists():
        raise InputError(
            f"The worker on {socket.gethostname()} does not see {path}; give a folder that all workers share."
        )
    manifest, arrays = archive.read(path)
    if _fingerprint(manifest, arrays) != job.fingerprint:
        raise InputError(f"{path} is not the model that this call was begun with; give another folder.")
    return manifest, arrays


def with_labels(X: Any, y: Any, target: str | None = None) -> pd.DataFrame:
    """Return rows and their labels as one frame with text names.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, d)
        Columns of an array are named x0, x1, …
    y : Series, DataFrame, ndarray or None
    target : str, optional
        Name of the label column; by default its own or "y", with "_class" behind it while X has such a
        column.

    Raises
    ------
    InputError
        If two columns would have one name.
    """
    X, y = to_pandas(X), to_pandas(y)
    if not isinstance(X, pd.DataFrame):
        X = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    frame = X if y is None else pd.concat([X, _label_frame(y, X, target)], axis=1)
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"Two columns would be named {twice[0]!r} in the file; rename one of them before fit."
        )
    return frame.set_axis(names, axis=1)


def _label_frame(y: Any, X: pd.DataFrame, target: str | None) -> pd.DataFrame:
    if isinstance(y, pd.DataFrame):
        return y
    name = target
    if name is None:
        name = getattr(y, "name", None)
        name = "y" if name is None else name
        while name in X.columns:
            name = f"{name}_class"
    return pd.DataFrame({name: y})


def examples(fitted: FittedState, target: str | None = None) -> pd.DataFrame:
    """Return rows in which each column shows, once or more, every kind of value that it can have.

    They settle the types of the files: a shard in which a text column happens to be all missing would not.
    """
    layout = fitted.codec.layout
    labels = fitted.context.examples()
    rows = max(16, *layout.levels.tolist(), 0 if labels is None else len(labels))
    x = np.zeros((rows, *layout.shape), dtype=np.float32)
    x[:, layout.columns("categorical")] = np.arange(rows)[:, None] % layout.levels
    x[:, layout.columns("position")] = 0.5
    if labels is not None:
        positions = np.arange(rows) % len(labels)
        is_pandas = isinstance(labels, (pd.Series, pd.DataFrame))
        labels = labels.iloc[positions].reset_index(drop=True) if is_pandas else labels[positions]
    return with_labels(fitted.intake.decode(x), labels, target)
