"""New rows by the billion: shards of Parquet, made by as many processes or machines as joblib reaches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from vaeaug.data.labels.sampling_strategy import targets_of_counts
from vaeaug.errors import InputError, WorkerLostError
from vaeaug.io import archive
from vaeaug.io.parquet import count_values, open_parquet, schema_of
from vaeaug.model.fitted import FittedState, get_fitted
from vaeaug.model.generate import METHODS, check_balanceable, check_sources
from vaeaug.model.state import to_state
from vaeaug.sharding.folder import MODEL, ShardFolder
from vaeaug.sharding.worker import Job, examples, fingerprint, forget, remember, write_shard
from vaeaug.utils.frames import as_arrow
from vaeaug.utils.validation import check_number, check_option
from vaeaug.utils.versions import check_pyarrow
from vaeaug.utils.wording import list_names

__all__ = ["ShardOptions", "resample_parquet", "sample_to_parquet"]

#: Cells of a shard when its size is "auto".
_CELLS = 4_000_000
_LEAST_ROWS, _MOST_ROWS = 1_000, 1_000_000
#: Rounds without a single new shard after which workers that die are taken for a rule.
_BARREN_ROUNDS = 2

#: From the number of a first row and a number of rows to the labels of these rows.
Labels = Callable[[int, int], Any]


@dataclass(frozen=True)
class ShardOptions:
    """How shards are written; see :meth:`vaeaug.VAEAugmenter.sample_to_parquet`.

    Parameters
    ----------
    shard_size : int or "auto"
    method : str
    temperature : float
    n_jobs : int or None
    shown : bool
        Whether there is a progress bar.
    seed : callable
        Draws the seed of the call, once its arguments are checked.
    has_seed : bool
        Whether the call names a seed; if not, a folder that has one keeps it.
    """

    shard_size: int | str
    method: str
    temperature: float
    n_jobs: int | None
    shown: bool
    seed: Callable[[], int]
    has_seed: bool

    def size(self, columns: int) -> int:
        """Return the rows of a shard with so many columns."""
        if self.shard_size != "auto":
            return int(self.shard_size)
        return int(np.clip(_CELLS // columns, _LEAST_ROWS, _MOST_ROWS))


def sample_to_parquet(
    augmenter: Any, n_samples: int, path: str | os.PathLike[str], y: Any, options: ShardOptions
) -> Path:
    """Write new rows to a folder of shards; see :meth:`vaeaug.VAEAugmenter.sample_to_parquet`."""
    fitted = get_fitted(augmenter)
    _check(fitted, options, "sample_to_parquet")
    check_number("n_samples", n_samples, low=1, integer=True)
    labels, described = _plan_labels(fitted, y, int(n_samples), options.method)
    schema = schema_of(examples(fitted))
    folder = ShardFolder(Path(path), int(n_samples), options.size(len(schema)))
    plan = {"made_by": "sample_to_parquet", "y": described}
    return _write(augmenter, folder, plan, schema, labels, options)


def resample_parquet(
    augmenter: Any,
    path_in: str | os.PathLike[str],
    path_out: str | os.PathLike[str],
    target: str,
    sampling_strategy: Any,
    options: ShardOptions,
) -> Path:
    """Write the rows that balance a data set; see :meth:`vaeaug.VAEAugmenter.resample_parquet`."""
    fitted = get_fitted(augmenter)
    _check(fitted, options, "resample_parquet")
    check_balanceable(fitted, ())
    if callable(sampling_strategy):
        raise InputError(
            "resample_parquet takes a string, a float or a dict as sampling_strategy; a callable would "
            "need all labels in memory. Pass the dict that it returns."
        )
    if target in getattr(augmenter, "feature_names_in_", []):
        raise InputError(
            f"{target!r} is one of the columns that the model makes; name the column of labels as target."
        )
    real, made = Path(path_in).resolve(), Path(path_out).resolve()
    if made == real or real in made.parents:
        raise InputError(f"{path_out} lies in {path_in}, whose rows it is to join; give another folder.")
    dataset = open_parquet(path_in)
    counts = count_values(dataset, target)
    wanted = {label: n for label, n in targets_of_counts(sampling_strategy, counts).items() if n}
    for label in wanted:
        _plan_labels(fitted, label, 1, options.method)
    schema = _match_schema(dataset, path_in, examples(fitted, target))
    folder = ShardFolder(Path(path_out), sum(wanted.values()), options.size(len(schema)))
    plan = {
        "made_by": "resample_parquet",
        "target": target,
        "rows": [[repr(label), n] for label, n in wanted.items()],
    }
    return _write(augmenter, folder, plan, schema, _list_in_turn(wanted), options)


def _check(fitted: FittedState, options: ShardOptions, who: str) -> None:
    """Check what both functions are given."""
    check_pyarrow(who)
    check_option("method", options.method, METHODS)
    check_number("temperature", options.temperature, low=0)
    check_number("shard_size", options.shard_size, low=1, integer=True, also=["auto"])
    if fitted.is_image:
        raise InputError(f"{who} writes tables, and this model makes images; call sample in a loop instead.")


def _plan_labels(fitted: FittedState, y: Any, n: int, method: str) -> tuple[Labels, Any]:
    """Return the labels of any stretch of rows, and what the manifest says of them."""
    if y is None:
        return lambda start, rows: None, None
    one = fitted.is_one_label(y) or len(y) == 1
    labels = fitted.context.as_labels(y, 1 if one else n)
    check_sources(fitted, method, fitted.context.encode(labels, len(labels)), fitted.anchors.context)
    plain = labels if isinstance(labels, (pd.Series, pd.DataFrame)) else pd.Series(labels)
    if one:
        values = plain.to_dict("records")[0] if isinstance(plain, pd.DataFrame) else plain.iloc[0]
        return lambda start, rows: plain, repr(values.item() if hasattr(values, "item") else values)
    hashed = pd.util.hash_pandas_object(plain, index=False).to_numpy(np.uint64)
    digest = hashlib.blake2b(hashed.tobytes(), digest_size=8).hexdigest()

    def stretch(start: int, rows: int) -> Any:
        return plain.iloc[start : start + rows].reset_index(drop=True)

    return stretch, f"{n} labels {digest}"


def _match_schema(dataset: Any, path: Any, example: pd.DataFrame) -> Any:
    """Return the schema of a data set after checking that the model makes its columns."""
    # An index that pandas wrote as a column is no feature, and new rows have none.
    names = [name for name in dataset.schema.names if not name.startswith("__index_level_")]
    lacking = [name for name in example.columns if name not in names]
    unknown = [name for name in names if name not in example.columns]
    if lacking or unknown:
        what = f"lacks the column {lacking[0]!r}" if lacking else f"has the column {unknown[0]!r} more"
        raise InputError(
            f"{path} {what}, compared with what the model makes: {list_names(example.columns)}. Fit it "
            "on rows with the same columns, or name another target."
        )
    schema = dataset.schema
    index = [name for name in schema.names if name not in names]
    for name in index:
        schema = schema.remove(schema.get_field_index(name)).remove_metadata()
    as_arrow(example, schema)
    return schema


def _write(
    augmenter: Any,
    folder: ShardFolder,
    plan: Mapping[str, Any],
    schema: Any,
    labels: Labels,
    options: ShardOptions,
) -> Path:
    """Take possession of the folder, or refuse it; put the model there, and write the missing shards."""
    claimed = folder.read_manifest()
    kept = None if claimed is None or options.has_seed else claimed.get("seed")
    seed = options.seed() if kept is None else int(kept)
    key = fingerprint(augmenter)
    folder.claim(
        {
            "made_by": plan["made_by"],
            "model": key,
            "seed": seed,
            "n_samples": folder.n_samples,
            "shard_size": folder.shard_size,
            **plan,
            "method": options.method,
            "temperature": options.temperature,
        }
    )
    if not (folder.path / MODEL).exists():
        archive.write(folder.path / MODEL, *to_state(augmenter))
    made = (options.method, options.temperature)
    job = Job(type(augmenter), key, augmenter.device, folder, seed, *made, schema, plan.get("target"))
    remember(key, get_fitted(augmenter))
    try:
        _write_missing(job, labels, options.n_jobs, options.shown)
    finally:
        forget(key)
    return folder.path


def _list_in_turn(wanted: Mapping[Any, int]) -> Labels:
    """Return the labels of rows that are sorted by class, without listing them all."""
    listed, ends = pd.Series(list(wanted)), np.cumsum(list(wanted.values()), dtype=np.int64)

    def labels(start: int, rows: int) -> pd.Series:
        numbers = np.searchsorted(ends, np.arange(start, start + rows), side="right")
        return listed.iloc[numbers].reset_index(drop=True)

    return labels


def _write_missing(job: Job, labels: Labels, n_jobs: int | None, shown: bool) -> None:
    """Write the missing shards; when a worker is killed, do again what it left."""
    from tqdm.auto import tqdm

    barren = 0
    with tqdm(total=job.folder.n_samples, desc="rows", unit="row", unit_scale=True, disable=not shown) as bar:
        while True:
            made = 0
            try:
                for rows in _round(job, labels, n_jobs, bar):
                    bar.update(rows)
                    made += 1
                break
            except BrokenExecutor as error:
                barren = 0 if made else barren + 1
                if barren >= _BARREN_ROUNDS:
                    raise WorkerLostError(
                        f"Worker processes of {job.folder.path} were killed again and again, often a sign "
                        "that memory ran out; use fewer n_jobs. What is written stays valid, and the same "
                        "call goes on from there."
                    ) from error
    lost = next((shard for shard in range(job.folder.count) if not job.folder.file(shard).exists()), None)
    if lost is not None:
        raise InputError(
            f"{job.folder.file(lost)} is not there, though a worker wrote it: the workers do not see "
            f"{job.folder.path} as this machine does; give a folder that all of them share."
        )


def _round(job: Job, labels: Labels, n_jobs: int | None, bar: Any) -> Iterator[int]:
    """Yield the rows of each missing shard as it is done; shards are planned as workers become free."""
    bar.n = bar.initial = 0

    def missing() -> Iterator[int]:
        for shard in range(job.folder.count):
            if job.folder.has(shard):
                # They count as done, and not for the speed from which the time left is told.
                bar.n += job.folder.rows(shard)
                bar.initial += job.folder.rows(shard)
            else:
                yield shard

    # Not every engine can hand over results one by one.
    streams = getattr(get_active_backend()[0], "supports_return_generator", False)
    parallel = Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator_unordered" if streams else "list")
    tasks = (
        delayed(write_shard)(job, shard, labels(job.folder.start(shard), job.folder.rows(shard)))
        for shard in missing()
    )
    yield from parallel(tasks)
