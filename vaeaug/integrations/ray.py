"""Ray: new rows as a ``ray.data.Dataset``, a balanced one, and a fit on the workers of Ray Train."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

from vaeaug.augmenter import VAEAugmenter
from vaeaug.integrations.engines import NewRows, balance_rows, make_rows, plan_fit
from vaeaug.utils.choices import Auto, RandomState, SampleMethod
from vaeaug.utils.versions import check_installed

__all__ = ["fit", "resample", "sample"]


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
    """Make new rows as a data set of Ray, a task for each shard.

    Parameters
    ----------
    model : VAEAugmenter or path-like
        Fitted, or the file of a saved one, which all workers see under this path.
    n_samples, y, shard_size, random_state, method, temperature
        As in :meth:`vaeaug.VAEAugmenter.sample_to_parquet`, which makes the same rows from the same seed.
        Without a seed the call chooses one, and a task that is done again makes the same rows.

    Returns
    -------
    ray.data.Dataset
        Rows and labels. Ray hands over blocks as they are done, unless its
        ``DataContext.get_current().execution_options.preserve_order`` is set.

    Raises
    ------
    InputError
        For arguments that cannot be used, and without Ray. Workers raise it if they do not see the file of
        the model, or have other versions of the libraries.

    Examples
    --------
    >>> from vaeaug.integrations import ray as vaeaug_ray
    >>> new = vaeaug_ray.sample("model.safetensors", 10**7, y="yes", random_state=0)  # doctest: +SKIP
    >>> new.write_parquet("s3://bucket/new/", mode="overwrite")  # doctest: +SKIP
    """
    check_installed("ray", "Ray", "cluster")
    options = {"shard_size": shard_size, "method": method, "temperature": temperature}
    return _as_dataset(make_rows(model, n_samples, y, "sample", random_state=random_state, **options))


def resample(
    model: VAEAugmenter | str | os.PathLike[str],
    dataset: Any,
    target: str,
    *,
    sampling_strategy: Any = "auto",
    shard_size: int | Auto = "auto",
    random_state: RandomState = None,
    method: SampleMethod = "prior",
    temperature: float = 1.0,
) -> Any:
    """Balance the classes of a data set of Ray with new rows, without collecting it.

    One pass counts the labels; the new rows, sorted by class, come after those of the data set.

    Parameters
    ----------
    model : VAEAugmenter or path-like
        As in :func:`sample`.
    dataset : ray.data.Dataset
    target : str
        The column of labels; the other columns are those that the model was fitted to.
    sampling_strategy, shard_size, random_state, method, temperature
        As in :meth:`vaeaug.VAEAugmenter.resample_parquet`.

    Returns
    -------
    ray.data.Dataset
        ``dataset`` itself where it is balanced already.

    Raises
    ------
    InputError
        As of :func:`sample`; for missing labels, and for columns other than those of the model.

    Examples
    --------
    >>> import ray  # doctest: +SKIP
    >>> from vaeaug.integrations import ray as vaeaug_ray
    >>> balanced = vaeaug_ray.resample(
    ...     "model.safetensors", ray.data.read_parquet("transactions/"), "fraud", random_state=0
    ... )  # doctest: +SKIP
    """
    check_installed("ray", "Ray", "cluster")
    import pyarrow as pa

    def count() -> dict[Any, int]:
        found: dict[Any, int] = {}
        counted = dataset.map_batches(partial(_count_labels, target), batch_format="pyarrow", batch_size=None)
        for row in counted.iter_rows():
            found[row["label"]] = found.get(row["label"], 0) + row["rows"]
        return found

    schema = dataset.schema()
    options = {"shard_size": shard_size, "method": method, "temperature": temperature}
    rows = balance_rows(
        model,
        list(schema.names),
        count,
        target,
        sampling_strategy,
        "resample",
        random_state=random_state,
        **options,
    )
    if rows is None:
        return dataset
    fields = schema.base_schema
    return dataset.union(_as_dataset(rows.with_schema(fields) if isinstance(fields, pa.Schema) else rows))


def fit(
    augmenter: VAEAugmenter,
    X: str | os.PathLike[str],
    y: Any = None,
    *,
    num_workers: int = 2,
    max_failures: int = 3,
    **options: Any,
) -> VAEAugmenter:
    """Fit an augmenter to Parquet files with the ``TorchTrainer`` of Ray Train; all workers train one model.

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
        Processes that train.
    max_failures : int, default=3
        How often Ray starts the fit again after a worker was lost.
    **options
        Of ``ray.train.torch.TorchTrainer``, such as ``scaling_config`` and ``run_config``, which stand in
        place of ``num_workers`` and ``max_failures``.

    Returns
    -------
    VAEAugmenter
        ``augmenter``, fitted.

    Raises
    ------
    InputError
        Before any work for files that cannot be read or lack the column ``y``, in a worker too, and for
        workers with other versions of the libraries; and without Ray.
    ray.train.TrainingFailedError
        When workers are lost more often than ``max_failures`` says.

    Examples
    --------
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.integrations import ray as vaeaug_ray
    >>> augmenter = VAEAugmenter(random_state=0, checkpoint_dir="state")
    >>> vaeaug_ray.fit(augmenter, "transactions/", "fraud", num_workers=8)  # doctest: +SKIP
    """
    check_installed("ray", "Ray", "cluster")
    task = plan_fit(augmenter, X, y)
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    options.setdefault("scaling_config", ScalingConfig(num_workers=num_workers))
    options.setdefault("run_config", RunConfig(failure_config=FailureConfig(max_failures=max_failures)))
    learned, failure = TorchTrainer(task.try_run, **options).fit().return_value
    if failure is not None:
        raise failure
    return task.adopt(augmenter, learned)


def _as_dataset(rows: NewRows) -> Any:
    import ray

    shards = ray.data.range(rows.shards.count, override_num_blocks=rows.shards.count)
    return shards.map_batches(partial(_make_tables, rows), batch_size=1)


def _make_tables(rows: NewRows, batch: Any) -> Iterator[Any]:
    for shard in batch["id"]:
        yield from rows.tables(int(shard))


def _count_labels(target: str, table: Any) -> Any:
    """Return how often each label comes in some rows."""
    import pyarrow as pa

    found = table.column(target).combine_chunks()
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    counts = found.value_counts()
    return pa.table({"label": counts.field("values"), "rows": counts.field("counts")})
