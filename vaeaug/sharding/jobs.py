"""New rows by the billion: shards of Parquet, made by as many processes or machines as joblib reaches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from vaeaug.errors import InputError, WorkerLostError
from vaeaug.io import archive
from vaeaug.io.parquet import count_values, is_url, open_parquet
from vaeaug.model.fitted import get_fitted
from vaeaug.model.state import to_state
from vaeaug.sharding.folder import MODEL, ShardFolder
from vaeaug.sharding.plans import Labels, Plan, ShardOptions, check_columns, plan_balance, plan_rows
from vaeaug.sharding.worker import Job, examples, fingerprint, forget, remember, write_shard
from vaeaug.utils.frames import as_arrow
from vaeaug.utils.wording import hide_secrets

__all__ = ["resample_parquet", "sample_to_parquet"]

#: Rounds without a single new shard after which workers that die are taken for a rule.
_BARREN_ROUNDS = 2


def sample_to_parquet(
    augmenter: Any, n_samples: int, path: str | os.PathLike[str], y: Any, options: ShardOptions
) -> Path:
    """Write new rows to a folder of shards; see :meth:`vaeaug.VAEAugmenter.sample_to_parquet`."""
    _check_local(path)
    plan = plan_rows(augmenter, n_samples, y, options, "sample_to_parquet")
    return _write(augmenter, plan, Path(path), options, "sample_to_parquet")


def resample_parquet(
    augmenter: Any,
    path_in: str | os.PathLike[str],
    path_out: str | os.PathLike[str],
    target: str,
    sampling_strategy: Any,
    options: ShardOptions,
) -> Path:
    """Write the rows that balance a data set; see :meth:`vaeaug.VAEAugmenter.resample_parquet`."""
    _check_local(path_out)
    real, made = Path(path_in).resolve(), Path(path_out).resolve()
    who, opened = "resample_parquet", []

    def count() -> dict[Any, int]:
        if made == real or real in made.parents:
            raise InputError(f"{path_out} lies in {path_in}, whose rows it is to join; give another folder.")
        opened.append(open_parquet(path_in))
        return count_values(opened[0], target)

    plan = plan_balance(augmenter, count, target, sampling_strategy, options, who)
    schema = _match_schema(opened[0], path_in, examples(get_fitted(augmenter), target))
    return _write(augmenter, replace(plan, schema=schema), Path(path_out), options, who)


def _check_local(path: str | os.PathLike[str]) -> None:
    """Refuse to write shards to an object store, where files cannot be put in place in one move."""
    if is_url(path):
        raise InputError(
            f"{hide_secrets(os.fspath(path))} is a URL, and shards go to a folder. To write to an object "
            "store, use sample or resample of vaeaug.integrations.dask, .ray or .spark and the writer of the "
            "engine."
        )


def _match_schema(dataset: Any, path: Any, example: pd.DataFrame) -> Any:
    """Return the schema of a data set after checking that the model makes its columns."""
    # An index that pandas wrote as a column is no feature, and new rows have none.
    names = [name for name in dataset.schema.names if not name.startswith("__index_level_")]
    check_columns(names, example.columns, hide_secrets(str(path)))
    schema = dataset.schema
    index = [name for name in schema.names if name not in names]
    for name in index:
        schema = schema.remove(schema.get_field_index(name)).remove_metadata()
    as_arrow(example, schema)
    return schema


def _write(augmenter: Any, plan: Plan, path: Path, options: ShardOptions, who: str) -> Path:
    """Take possession of the folder, or refuse it; put the model there, and write the missing shards."""
    folder = ShardFolder(plan.rows, options.size(len(plan.schema)), path)
    claimed = folder.read_manifest()
    kept = None if claimed is None or options.has_seed else claimed.get("seed")
    seed = options.seed() if kept is None else int(kept)
    key = fingerprint(augmenter)
    folder.claim(
        {
            "made_by": who,
            "model": key,
            "seed": seed,
            "n_samples": folder.n_samples,
            "shard_size": folder.shard_size,
            **plan.described,
            "method": options.method,
            "temperature": options.temperature,
        }
    )
    model = folder.path / MODEL
    if not model.exists():
        archive.write(model, *to_state(augmenter))
    made = (options.method, options.temperature)
    job = Job(type(augmenter), key, augmenter.device, folder, seed, *made, plan.schema, model, plan.target)
    remember(key, get_fitted(augmenter))
    try:
        _write_missing(job, folder, plan.labels, options)
    finally:
        forget(key)
    return folder.path


def _write_missing(job: Job, folder: ShardFolder, labels: Labels, options: ShardOptions) -> None:
    """Write the missing shards; when a worker is killed, do again what it left."""
    from tqdm.auto import tqdm

    barren = 0
    with tqdm(
        total=folder.n_samples, desc="rows", unit="row", unit_scale=True, disable=not options.shown
    ) as bar:
        while True:
            made = 0
            try:
                for rows in _round(job, folder, labels, options.n_jobs, bar):
                    bar.update(rows)
                    made += 1
                break
            except BrokenExecutor as error:
                barren = 0 if made else barren + 1
                if barren >= _BARREN_ROUNDS:
                    raise WorkerLostError(
                        f"Worker processes of {folder.path} were killed again and again, often a sign "
                        "that memory ran out; use fewer n_jobs. What is written stays valid, and the same "
                        "call goes on from there."
                    ) from error
    lost = next((shard for shard in range(folder.count) if not folder.file(shard).exists()), None)
    if lost is not None:
        raise InputError(
            f"{folder.file(lost)} is not there, though a worker wrote it: the workers do not see "
            f"{folder.path} as this machine does; give a folder that all of them share."
        )


def _round(job: Job, folder: ShardFolder, labels: Labels, n_jobs: int | None, bar: Any) -> Iterator[int]:
    """Yield the rows of each missing shard as it is done; shards are planned as workers become free."""
    bar.n = bar.initial = 0

    def missing() -> Iterator[int]:
        for shard in range(folder.count):
            if folder.has(shard):
                # They count as done, and not for the speed from which the time left is told.
                bar.n += folder.rows(shard)
                bar.initial += folder.rows(shard)
            else:
                yield shard

    # Not every engine can hand over results one by one.
    streams = getattr(get_active_backend()[0], "supports_return_generator", False)
    parallel = Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator_unordered" if streams else "list")
    tasks = (
        delayed(write_shard)(job, shard, labels(folder.start(shard), folder.rows(shard)))
        for shard in missing()
    )
    yield from parallel(tasks)
