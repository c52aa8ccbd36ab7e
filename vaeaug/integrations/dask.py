"""Dask: new rows as a ``dask.dataframe``, a balanced frame, and a fit on the workers of a cluster."""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from vaeaug.augmenter import VAEAugmenter
from vaeaug.errors import WorkerLostError
from vaeaug.integrations.engines import FitTask, NewRows, balance_rows, make_rows, plan_fit, run_again
from vaeaug.training.distributed import join_team
from vaeaug.utils.choices import Auto, RandomState, SampleMethod
from vaeaug.utils.versions import check_installed

__all__ = ["fit", "resample", "sample"]

#: Seconds to wait for the workers of a cluster.
_PATIENCE = 120


def sample(
    model: VAEAugmenter | str | os.PathLike[str],
    n_samples: int,
    y: Any = None,
    *,
    shard_size: int | Auto = "auto",
    random_state: RandomState = None,
    method: SampleMethod = "prior",
    temperature: float = 1.0,
) -> Any:
    """Make new rows as a Dask frame, a partition for each shard.

    Parameters
    ----------
    model : VAEAugmenter or path-like
        Fitted, or the file of a saved one, which all workers see under this path.
    n_samples, y, shard_size, random_state, method, temperature
        As in :meth:`vaeaug.VAEAugmenter.sample_to_parquet`, which makes the same rows from the same seed.
        Without a seed the call chooses one, and a partition that is computed again has the same rows.

    Returns
    -------
    dask.dataframe.DataFrame
        Rows and labels; the index counts them.

    Raises
    ------
    InputError
        For arguments that cannot be used, and without Dask. Workers raise it if they do not see the file of
        the model, or have other versions of the libraries.

    Examples
    --------
    >>> from vaeaug.integrations import dask as vaeaug_dask
    >>> new = vaeaug_dask.sample("model.safetensors", 10**7, y="yes", random_state=0)  # doctest: +SKIP
    >>> new.to_parquet("s3://bucket/new/")  # doctest: +SKIP
    """
    check_installed("dask", "Dask", "cluster")
    options = {"shard_size": shard_size, "method": method, "temperature": temperature}
    rows = make_rows(model, n_samples, y, "sample", random_state=random_state, **options)
    return _as_frame(rows)


def resample(
    model: VAEAugmenter | str | os.PathLike[str],
    frame: Any,
    target: str,
    *,
    sampling_strategy: Any = "auto",
    shard_size: int | Auto = "auto",
    random_state: RandomState = None,
    method: SampleMethod = "prior",
    temperature: float = 1.0,
) -> Any:
    """Balance the classes of a Dask frame with new rows, without collecting it.

    One pass counts the labels; the new rows, sorted by class, come after those of the frame.

    Parameters
    ----------
    model : VAEAugmenter or path-like
        As in :func:`sample`.
    frame : dask.dataframe.DataFrame
    target : str
        The column of labels; the other columns are those that the model was fitted to.
    sampling_strategy, shard_size, random_state, method, temperature
        As in :meth:`vaeaug.VAEAugmenter.resample_parquet`.

    Returns
    -------
    dask.dataframe.DataFrame
        With the columns and dtypes of ``frame``, which is returned itself where it is balanced already.

    Raises
    ------
    InputError
        As of :func:`sample`; for missing labels, and for columns other than those of the model.

    Examples
    --------
    >>> import dask.dataframe as dd  # doctest: +SKIP
    >>> from vaeaug.integrations import dask as vaeaug_dask
    >>> balanced = vaeaug_dask.resample(
    ...     "model.safetensors", dd.read_parquet("transactions/"), "fraud", random_state=0
    ... )  # doctest: +SKIP
    """
    check_installed("dask", "Dask", "cluster")
    import dask.dataframe as dd

    def count() -> dict[Any, int]:
        found: dict[Any, int] = frame[target].value_counts(dropna=False).compute().to_dict()
        return {label: n for label, n in found.items() if n}

    options = {"shard_size": shard_size, "method": method, "temperature": temperature}
    rows = balance_rows(
        model,
        list(frame.columns),
        count,
        target,
        sampling_strategy,
        "resample",
        random_state=random_state,
        **options,
    )
    if rows is None:
        return frame
    like = frame._meta
    new = _as_frame(rows).map_partitions(_match_dtypes, like, meta=like)
    return dd.concat([frame, new])


def fit(
    augmenter: VAEAugmenter,
    X: str | os.PathLike[str],
    y: Any = None,
    *,
    num_workers: int = 2,
    max_failures: int = 3,
    client: Any = None,
) -> VAEAugmenter:
    """Fit an augmenter to Parquet files on several workers of a Dask cluster, which train one model.

    Parameters
    ----------
    augmenter : VAEAugmenter
        With ``checkpoint_dir`` in a folder that all workers see, a fit of which a worker was killed goes on
        after the last epoch; without, it begins anew.
    X : path-like
        A Parquet file or a folder of them, which all workers see under this path.
    y : column label, list of them, or None
        As in :meth:`vaeaug.VAEAugmenter.fit`.
    num_workers : int, default=2
        Workers that train; each is a process of its own.
    max_failures : int, default=3
        How often the fit is started again after a worker was lost.
    client : distributed.Client, optional
        By default the current one.

    Returns
    -------
    VAEAugmenter
        ``augmenter``, fitted.

    Raises
    ------
    InputError
        Before any work for files that cannot be read or lack the column ``y``, in a worker too, and for
        workers with other versions of the libraries; and without Dask.
    WorkerLostError
        When workers are lost more often than ``max_failures`` says, or there are too few.

    Examples
    --------
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.integrations import dask as vaeaug_dask
    >>> augmenter = VAEAugmenter(random_state=0, checkpoint_dir="state")
    >>> vaeaug_dask.fit(augmenter, "transactions/", "fraud", num_workers=8)  # doctest: +SKIP
    """
    check_installed("distributed", "Dask", "cluster")
    from distributed import get_client

    task, client = plan_fit(augmenter, X, y), client or get_client()
    learned, failure = run_again(
        lambda: _fit_together(client, task, num_workers), max_failures, (WorkerLostError,)
    )
    if failure is not None:
        raise failure
    return task.adopt(augmenter, learned)


def _as_frame(rows: NewRows) -> Any:
    import dask.dataframe as dd

    shards = rows.shards
    divisions = (*map(shards.start, range(shards.count)), shards.n_samples - 1)
    meta = rows.job.schema.empty_table().to_pandas()
    return dd.from_map(rows.frame, range(shards.count), meta=meta, divisions=divisions, label="vaeaug")


def _match_dtypes(new: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the columns and dtypes of a frame; categories that it does not know are added."""
    columns = {}
    for name, example in like.items():
        column = new[name]
        if isinstance(example.dtype, pd.CategoricalDtype) and isinstance(column.dtype, pd.CategoricalDtype):
            levels = column.cat.categories.astype(example.cat.categories.dtype)
            column = column.cat.rename_categories(levels.tolist())
            known = example.cat.categories.union(levels, sort=False)
            columns[name] = column.astype(pd.CategoricalDtype(known, example.cat.ordered))
        else:
            columns[name] = column.astype(example.dtype)
    return pd.DataFrame(columns)


def _fit_together(client: Any, task: FitTask, size: int) -> Any:
    """Run a task on so many workers at once; return what the first one learned."""
    from distributed import as_completed

    try:
        client.wait_for_workers(size, timeout=_PATIENCE)
    except TimeoutError as error:
        raise WorkerLostError(f"The cluster of Dask has no {size} workers; start more of them.") from error
    chosen = sorted(client.scheduler_info(n_workers=-1)["workers"])[:size]
    port = client.submit(_find_port, workers=chosen[:1], pure=False).result()
    address = f"tcp://{urlsplit(chosen[0]).hostname}:{port}"
    tasks = [
        client.submit(_run_rank, task, address, rank, size, workers=[worker], pure=False)
        for rank, worker in enumerate(chosen)
    ]
    try:
        # The first failure ends all; a worker that is gone is noticed by those that wait for it.
        for ended in as_completed(tasks):
            ended.result()
        return tasks[0].result()
    finally:
        client.cancel(tasks)


def _find_port() -> int:
    """Return a port that is free on this machine."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _run_rank(task: FitTask, address: str, rank: int, size: int) -> Any:
    with join_team(address, rank, size):
        return task.try_run()
